/* Tables A: false halts of tests on reboots in fleets where the new firmware changes nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

#define LOOKS 10000

enum fleet_kind { HOMOGENEOUS, GAMMA, LOOPERS };

struct boots_case {
    const char *name;
    int canaries, control;
    enum fleet_kind kind;
    double ratio;      /* tolerated */
    int min_devices;   /* 1: least favourable */
    double model_rate; /* of the second model, times the first's; 0 = one model */
    bool strata;
    double design[4]; /* percent: andon, z, Mann-Whitney, three-sigma */
};
enum { ANDON, Z, RANK, SIGMA };

/* Rate per hour of each device, and its model. */
static void draw_rates(const struct boots_case *c, struct rng *r, double *rate, uint8_t *model)
{
    int n = c->canaries + c->control;
    for (int i = 0; i < n; i++) {
        rate[i] = 0.02 * (c->kind == HOMOGENEOUS ? 1 : rng_gamma(r, 0.5) / 0.5);
        if (c->kind == LOOPERS && rng_unit(r) < 0.02)
            rate[i] = 12;
        model[i] = 0;
        if (c->model_rate > 0 && rng_unit(r) < (i < c->canaries ? 0.8 : 0.2)) {
            model[i] = 1;
            rate[i] *= c->model_rate;
        }
    }
}

static void one_run(const void *arg, struct rng *r, double *out)
{
    const struct boots_case *c = arg;
    size_t n = (size_t)(c->canaries + c->control);
    double *rate = xcalloc(n, sizeof *rate);
    uint8_t *model = xcalloc(n, 1);
    draw_rates(c, r, rate, model);
    struct trial_spec spec = rig_spec(0.05, 1);
    spec.policy.share[ROW_REBOOTS] = 1;
    spec.policy.tolerance[ROW_REBOOTS] = c->ratio;
    spec.policy.min_devices = c->min_devices;
    struct trial *t = rig_trial(&spec);
    for (size_t i = 0; i < n; i++) {
        struct trial_past past = rig_past(boots_before(r, rate[i]));
        rig_add(t, i, i < (size_t)c->canaries, c->strata ? model[i] : 0, &past);
    }
    struct boots b = boots_draw(r, rate, n, LOOKS);
    rig_feed_boots(t, &b, n);
    out[ANDON] = rig_halt(t, TEST_LOOP, TEST_BOOT8);
    struct usual_boots u;
    usual_boots_init(&u, c->canaries, c->control, b.n);
    for (size_t k = 0; k < b.n;) {
        int tick = b.v[k].tick;
        for (; k < b.n && b.v[k].tick == tick; k++)
            usual_boots_add(&u, &b.v[k]);
        usual_boots_look(&u, tick);
    }
    out[Z] = u.z ? 0 : NAN;
    out[RANK] = u.rank ? 0 : NAN;
    out[SIGMA] = u.sigma ? 0 : NAN;
    usual_boots_release(&u);
    boots_free(&b);
    trial_free(t);
    free(rate);
    free(model);
}

static void show(const struct boots_case *c, int full, bool covered)
{
    static const char *const names[] = {"andon", "z-test, p < .05", "Mann-Whitney on devices, p < .05",
                                        "three-sigma, 1 h window"};
    int runs = pool_runs(full);
    double *results = pool_run(one_run, c, c->name, runs);
    for (int m = ANDON; m <= SIGMA; m++) {
        char what[100];
        struct measured p = share_of(results, runs, m, INFINITY);
        snprintf(what, sizeof what, "%s: %s", c->name, names[m]);
        if (m == ANDON && covered)
            rate_holds(what, p, 0.05, c->design[m]);
        else
            line_share(what, p, m == SIGMA ? NAN : 0.05, c->design[m]);
    }
    free(results);
}

void table_boots(void)
{
    static const struct boots_case cases[] = {
        {"20 v 180 homogeneous", 20, 180, HOMOGENEOUS, 1, 1, 0, false, {0.5, 17.4, 43.4, 81.8}},
        {"20 v 180 gamma(0.5)", 20, 180, GAMMA, 1, 1, 0, false, {0.8, 27.1, 39.6, 76.8}},
        {"20 v 180 gamma(0.5), 2 % in loops", 20, 180, LOOPERS, 1, 1, 0, false, {1.3, 32.8, 36.8, 34.0}},
        {"5 v 195 homogeneous", 5, 195, HOMOGENEOUS, 1, 1, 0, false, {0.4, 8.2, 39.1, 77.1}},
        {"5 v 195 gamma(0.5)", 5, 195, GAMMA, 1, 1, 0, false, {0.4, 19.8, 33.9, 71.7}},
        {"5 v 195 gamma(0.5), 2 % in loops", 5, 195, LOOPERS, 1, 1, 0, false, {0.4, 10.2, 33.1, 11.7}},
        {"100 v 900 homogeneous", 100, 900, HOMOGENEOUS, 1, 1, 0, false, {0.8, NAN, NAN, NAN}},
        {"100 v 900 gamma(0.5)", 100, 900, GAMMA, 1, 1, 0, false, {1.1, NAN, NAN, NAN}},
        {"100 v 900 gamma(0.5), 2 % in loops", 100, 900, LOOPERS, 1, 1, 0, false, {1.7, NAN, NAN, NAN}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        show(&cases[i], cases[i].canaries == 100 && cases[i].kind == LOOPERS ? 1000 : 2000, true);
}

void table_strata(void)
{
    static const struct boots_case cases[] = {
        {"one stratum", 20, 180, HOMOGENEOUS, 1, 1, 5, false, {57.2, NAN, NAN, NAN}},
        {"one stratum, ratio 1.25", 20, 180, HOMOGENEOUS, 1.25, 1, 5, false, {36.9, NAN, NAN, NAN}},
        {"stratified by model", 20, 180, HOMOGENEOUS, 1, 1, 5, true, {1.6, NAN, NAN, NAN}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        show(&cases[i], 1000, cases[i].strata);
}
