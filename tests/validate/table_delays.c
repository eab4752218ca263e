/* Tables D and E: how soon crash loops and more reboots are seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

struct delay_case {
    const char *name;
    int canaries, control;
    double per_hour, ratio; /* background rate; of all canaries, times that */
    bool uneven;            /* gamma(0.5) */
    int loops;              /* canary devices that reboot 12 times an hour */
    double loopers;         /* share of devices, canary and control, that always did: excluded by the hour before */
    double design[3];       /* percent halted by 1 h, 6 h, 24 h; NaN = not in the table */
    double median;          /* in the table's unit */
};

#define DAY (24 * PER_HOUR)

static void one_run(const void *arg, struct rng *r, double *out)
{
    const struct delay_case *c = arg;
    size_t n = (size_t)(c->canaries + c->control);
    double *rate = xcalloc(n, sizeof *rate);
    /* First of four waves; the design's tables had .008 for reboots. */
    struct trial_spec spec = rig_spec(0.05, 4);
    spec.policy.share[ROW_REBOOTS] = policy_default()->evidence.share[ROW_REBOOTS];
    struct trial *t = rig_trial(&spec);
    for (size_t i = 0; i < n; i++) {
        bool canary = i < (size_t)c->canaries, always = rng_unit(r) < c->loopers && i >= (size_t)c->loops;
        rate[i] = always ? 12 : c->per_hour * (c->uneven ? rng_gamma(r, 0.5) / 0.5 : 1);
        struct trial_past past = rig_past(always ? 12 : 0);
        rig_add(t, i, canary, 0, &past);
        if (canary)
            rate[i] = i < (size_t)c->loops ? 12 : rate[i] * c->ratio;
    }
    struct boots b = boots_draw(r, rate, n, DAY);
    rig_feed_boots(t, &b, n);
    out[0] = rig_halt(t, TEST_LOOP, TEST_BOOT8);
    out[1] = out[0] / 60;
    boots_free(&b);
    trial_free(t);
    free(rate);
}

static void show(const struct delay_case *c, int full, int design_runs, int unit)
{
    static const double limit[3] = {60, 360, 1440};
    int runs = pool_runs(full);
    double *results = pool_run(one_run, c, c->name, runs);
    struct measured m[3];
    for (int i = 0; i < 3; i++)
        m[i] = share_of(results, runs, 0, limit[i]);
    delay_line(c->name, m, c->design, median_of(results, runs, unit), c->median);
    delay_holds(c->name, m[2], c->design[2], results, runs, unit, c->median, design_runs, unit ? 0.5 / 60 : 0.5);
    free(results);
}

void table_loops(void)
{
    static const struct delay_case cases[] = {
        {"5 v 195, 1 loops", 5, 195, 0.02, 1, true, 1, 0, {0.2, NAN, 0.8}, NAN},
        {"5 v 195, 2 loop", 5, 195, 0.02, 1, true, 2, 0, {100, NAN, 100}, 18.5},
        {"5 v 195, 3 loop", 5, 195, 0.02, 1, true, 3, 0, {100, NAN, 100}, 8},
        {"20 v 180, 2 loop", 20, 180, 0.02, 1, true, 2, 0, {1, NAN, 3.8}, NAN},
        {"20 v 180, 3 loop", 20, 180, 0.02, 1, true, 3, 0, {99.6, NAN, 100}, 21},
        {"20 v 180, 4 loop", 20, 180, 0.02, 1, true, 4, 0, {100, NAN, 100}, 11},
        {"20 v 480, 3 loop", 20, 480, 0.02, 1, true, 3, 0, {99.8, NAN, 100}, 13.5},
        {"20 v 1,980, 2 loop", 20, 1980, 0.02, 1, true, 2, 0, {99.6, NAN, 100}, 18},
        {"20 v 180, 3 loop, 2 % always did", 20, 180, 0.02, 1, true, 3, 0.02, {NAN, NAN, NAN}, NAN},
    };
    delay_head("1 h", "6 h", "24 h", "min");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        show(&cases[i], 500, 500, 0);
}

void table_power(void)
{
    static const struct delay_case cases[] = {
        {"5 v 195 gamma(0.5) .02/h x20", 5, 195, 0.02, 20, true, 0, 0, {6, 33, 60}, 14},
        {"20 v 180 homogeneous .02/h x5", 20, 180, 0.02, 5, false, 0, 0, {1, 24, 97}, 9.3},
        {"20 v 180 gamma(0.5) .02/h x5", 20, 180, 0.02, 5, true, 0, 0, {1, 16, 50}, 24},
        {"20 v 180 homogeneous .02/h x20", 20, 180, 0.02, 20, false, 0, 0, {61, 100, 100}, 0.88},
        {"20 v 180 gamma(0.5) .02/h x20", 20, 180, 0.02, 20, true, 0, 0, {42, 96, 100}, 1.3},
        {"20 v 1,980 gamma(0.5) .005/h x20", 20, 1980, 0.005, 20, true, 0, 0, {15, 74, 98}, 3.5},
        {"100 v 900 homogeneous .02/h x2", 100, 900, 0.02, 2, false, 0, 0, {0, 3, 54}, 22},
        {"100 v 900 gamma(0.5) .02/h x5", 100, 900, 0.02, 5, true, 0, 0, {22, 94, 100}, 2},
        {"100 v 900 gamma(0.5) .1/h x5", 100, 900, 0.1, 5, true, 0, 0, {93, 100, 100}, 0.41},
        {"1,000 v 4,000 gamma(0.5) .02/h x2", 1000, 4000, 0.02, 2, true, 0, 0, {5, 75, 100}, 3.9},
        {"1,000 v 4,000 gamma(0.5) .02/h x5", 1000, 4000, 0.02, 5, true, 0, 0, {100, 100, 100}, 0.2},
    };
    delay_head("1 h", "6 h", "24 h", "h");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        show(&cases[i], cases[i].canaries == 1000 ? 100 : 300, 300, 1);
}
