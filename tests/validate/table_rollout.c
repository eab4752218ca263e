/* Table C: whole rollouts in which the new firmware changes nothing: 5, 20, 100, 300 of 600 devices over 24 h, every
 * test, installs with their own reboot, devices that go silent and come back, one ledger. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "tests/validate/validate.h"

enum { WAVES = 4, DEVICES = 600, TICKS = 24 * PER_HOUR, WAVE_TICKS = 6 * PER_HOUR };
static const int wave_size[WAVES] = {5, 20, 100, 300};

enum { ANY, REBOOT, SILENCE, CPU_BULK, CPU_TAIL, VAR_BULK, VAR_TAIL, INSTALL, U_Z, U_RANK, U_SIGMA, U_CPU_RANK };

struct rollout_case {
    const char *name;
    bool least_favourable;
};

struct patient {
    int wave;                 /* -1: never */
    double rate, quiet_rate;  /* reboots an hour, silences an hour */
    int installed, quiet_end; /* ticks */
    bool fails;
    int counter;
};

struct course {
    struct trial *t;
    struct fleet *f;
    struct rng *r;
    struct patient d[DEVICES];
    int failed, started;
};

static int wave_of(int i)
{
    int end = 0;
    for (int w = 0; w < WAVES; w++)
        if (i < (end += wave_size[w]))
            return w;
    return -1;
}

static int64_t time_of(int tick)
{
    return T0 + tick * STEP;
}

static void enrol(struct course *o, bool least)
{
    struct trial_spec spec = rig_spec(0.05, WAVES);
    struct evidence_policy *p = &spec.policy;
    *p = policy_default()->evidence;
    if (least) {
        p->tolerance[ROW_REBOOTS] = p->tolerance[ROW_CPU] = p->tolerance[ROW_VARIANCE] = 1;
        p->min_devices = 1;
    }
    spec.grace_us = 3 * US_PER_MIN;
    spec.silence_us = 5 * US_PER_MIN;
    o->t = rig_trial(&spec);
    for (int i = 0; i < DEVICES; i++) {
        struct patient *d = &o->d[i];
        *d = (struct patient){.wave = wave_of(i), .quiet_rate = 0.01 * rng_gamma(o->r, 0.5) / 0.5};
        d->rate = rng_unit(o->r) < 0.01 ? 12 : 0.02 * rng_gamma(o->r, 0.5) / 0.5;
        d->installed = d->wave < 0 ? -1 : d->wave * WAVE_TICKS + 1 + (int)rng_below(o->r, 15);
        d->fails = rng_unit(o->r) < 0.02;
        int boots = 0;
        for (double at = rng_exp(o->r, 1); at < d->rate; at += rng_exp(o->r, 1))
            boots++;
        struct trial_past past = fleet_past(o->f, (size_t)i, T0, boots);
        if (trial_add(o->t, d->wave, true, 0, &past).i != (uint32_t)i)
            exit(2);
    }
}

/* What the fleet server tells before the tick: waves, installs, outcomes. A failed install keeps the old firmware, and
 * counts as canary once it has had the time. */
static void tell(struct course *o, int tick)
{
    bool ok = true;
    for (int i = 0; i < DEVICES; i++) {
        struct patient *d = &o->d[i];
        if (d->wave < 0)
            continue;
        int told = d->wave * WAVE_TICKS;
        o->started += tick == told;
        if (tick == d->installed && !d->fails) {
            ok &= trial_installed(o->t, TRIAL_IX(i), time_of(tick));
            d->counter++;            /* the update's own reboot */
            d->quiet_end = tick + 4; /* and the time that it takes */
        } else if (tick == told + 20 && d->fails) {
            ok &= trial_installed(o->t, TRIAL_IX(i), time_of(tick));
        }
        o->failed += tick == d->installed && d->fails;
    }
    if (tick % WAVE_TICKS == 0 && tick / WAVE_TICKS < WAVES)
        ok &= trial_told(o->t, tick / WAVE_TICKS, time_of(tick));
    trial_installs(
        o->t, &(struct install_tally){.failed = (int32_t)o->failed, .started = (int32_t)o->started, .times = 1}, 1, 0);
    if (!ok) {
        fprintf(stderr, "a fact came too late\n");
        exit(2);
    }
}

static void one_tick(struct course *o, int tick, struct usual_boots *u)
{
    struct tick rows;
    int wave = tick / WAVE_TICKS;
    fleet_step(o->f);
    tick_init(&rows, time_of(tick), DEVICES, COL_BUILTIN);
    for (int i = 0; i < DEVICES; i++) {
        struct patient *d = &o->d[i];
        if (rng_unit(o->r) < d->rate / PER_HOUR) {
            d->counter++;
            usual_boots_add(&u[wave], &(struct boot){tick, (uint32_t)i});
        }
        if (tick >= d->quiet_end && rng_unit(o->r) < d->quiet_rate / PER_HOUR)
            d->quiet_end = tick + (int)rng_exp(o->r, 60); /* half an hour on average */
        if (tick < d->quiet_end)
            continue;
        memcpy(tick_put(&rows, (size_t)i, rows.t), (double[]){d->counter, o->f->m[i].cpu, o->f->m[i].variance},
               sizeof(double[COL_BUILTIN]));
    }
    trial_tick(o->t, &rows);
    tick_release(&rows);
    usual_boots_look(&u[wave], tick - wave * WAVE_TICKS + 1);
}

/* Mann-Whitney on the change of the canaries so far against the rest, at each look. */
static bool cpu_rank_halts(const struct course *o, int tick)
{
    struct usual_cpu look = {.z = true};
    int n = 0;
    for (int w = 0; w <= tick / WAVE_TICKS; w++)
        n += wave_size[w];
    usual_cpu_look(&look, o->f, (size_t)n);
    return look.rank;
}

static void one_run(const void *arg, struct rng *r, double *out)
{
    const struct rollout_case *c = arg;
    struct course o = {.r = r, .f = fleet_new(r, DEVICES, 5, NULL)};
    struct usual_boots u[WAVES];
    bool cpu_rank = false;
    int n = 0;
    enrol(&o, c->least_favourable);
    for (int w = 0; w < WAVES; w++) {
        n += wave_size[w];
        usual_boots_init(&u[w], n, DEVICES - n, 100000);
    }
    for (int tick = 0; tick < TICKS; tick++) {
        tell(&o, tick);
        one_tick(&o, tick, u);
        cpu_rank = cpu_rank || cpu_rank_halts(&o, tick);
    }
    static const enum trial_test range[][2] = {
        [ANY] = {TEST_LOOP, TEST_INSTALL},       [REBOOT] = {TEST_LOOP, TEST_BOOT8},
        [SILENCE] = {TEST_SILENT, TEST_AWAY8},   [CPU_BULK] = {TEST_CPU, TEST_CPU},
        [CPU_TAIL] = {TEST_CPU125, TEST_CPU300}, [VAR_BULK] = {TEST_VARIANCE, TEST_VARIANCE},
        [VAR_TAIL] = {TEST_VAR4, TEST_STUCK},    [INSTALL] = {TEST_INSTALL, TEST_INSTALL}};
    for (int k = ANY; k <= INSTALL; k++)
        out[k] = rig_halt(o.t, range[k][0], range[k][1]);
    out[U_Z] = out[U_RANK] = out[U_SIGMA] = NAN;
    for (int w = 0; w < WAVES; w++) {
        out[U_Z] = u[w].z ? 0 : out[U_Z];
        out[U_RANK] = u[w].rank ? 0 : out[U_RANK];
        out[U_SIGMA] = u[w].sigma ? 0 : out[U_SIGMA];
        usual_boots_release(&u[w]);
    }
    out[U_CPU_RANK] = cpu_rank ? 0 : NAN;
    trial_free(o.t);
    fleet_free(o.f);
}

void table_rollout(void)
{
    static const struct rollout_case cases[] = {{"no tolerance, one device", true}, {"defaults", false}};
    static const char *const names[] = {"any test (andon)",
                                        "  reboots",
                                        "  silence",
                                        "  CPU, rank test",
                                        "  CPU, first passages",
                                        "  variance, rank test",
                                        "  variance, first passages",
                                        "  installs",
                                        "z-test on reboots",
                                        "Mann-Whitney on reboots",
                                        "three-sigma on reboots, 1 h window",
                                        "Mann-Whitney on CPU"};
    static const double design[2][8] = {{1, 0, 0, 0, 0, 0.5, 0, 0.5}, {0.5, 0, 0, 0, 0, 0, 0, 0.5}};
    for (int i = 0; i < 2; i++) {
        int runs = pool_runs(400);
        double *results = pool_run(one_run, &cases[i], cases[i].name, runs);
        for (int k = ANY; k <= (i ? INSTALL : U_CPU_RANK); k++) {
            char what[100];
            snprintf(what, sizeof what, "%s: %s", cases[i].name, names[k]);
            struct measured p = share_of(results, runs, k, INFINITY);
            if (k == ANY)
                rate_holds(what, p, 0.05, design[i][k]);
            else
                line_share(what, p, NAN, k <= INSTALL ? design[i][k] : NAN);
        }
        free(results);
    }
}
