/* Tables B and F: false halts and delays of the tests on CPU and variance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "tests/validate/validate.h"

#define GRACE 6 /* ticks */

struct shift_case {
    const char *name;
    int canaries, control, looks;
    double cpu_times, var_times; /* effect of the new firmware, 1 = none */
    double part;                 /* share of canaries that have it */
    double alpha;                /* of each engine and metric */
    bool least_favourable;       /* nothing is tolerated, one device is enough */
    bool usual;                  /* run the other methods, too */
    bool hour_base;              /* own baselines of one hour, not of a day */
    double design[3];            /* percent halted: by 30 min, 2 h, 6 h, either engine */
    double median;               /* minutes */
};
enum { CPU_BULK, CPU_TAIL, VAR_BULK, VAR_TAIL, CPU_ANY, VAR_ANY, CPU_Z, CPU_RANK, CPU_SIGMA, CPU_KAYENTA };

static double first_of(double a, double b)
{
    return isnan(a) || b < a ? b : a;
}

static struct trial *enrol(const struct shift_case *c, const struct fleet *f)
{
    /* Half of each metric's share is the bulk engine's: .5 for each metric of alpha = 4 x that of an engine. */
    struct trial_spec spec = rig_spec(4 * c->alpha, 1);
    spec.policy.share[ROW_CPU] = spec.policy.share[ROW_VARIANCE] = 0.5;
    if (c->least_favourable) {
        spec.policy.tolerance[ROW_REBOOTS] = spec.policy.tolerance[ROW_CPU] = spec.policy.tolerance[ROW_VARIANCE] = 1;
        spec.policy.min_devices = 1;
    }
    struct trial *t = rig_trial(&spec);
    for (size_t i = 0; i < f->n; i++) {
        struct trial_past past = fleet_past(f, i, T0, 0);
        rig_add(t, i, i < (size_t)c->canaries, 0, &past);
    }
    return t;
}

static void feed(struct trial *t, const struct fleet *f, struct tick *rows)
{
    tick_clear(rows, T0 + (f->tick - GRACE) * STEP);
    for (size_t i = 0; i < f->n; i++)
        memcpy(tick_put(rows, i, rows->t), (double[]){0, f->m[i].cpu, f->m[i].variance}, sizeof(double[COL_BUILTIN]));
    trial_tick(t, rows);
}

static void one_run(const void *arg, struct rng *r, double *out)
{
    const struct shift_case *c = arg;
    double pre[PER_HOUR];
    struct usual_cpu u;
    struct fleet *f = fleet_new(r, (size_t)(c->canaries + c->control), (size_t)c->canaries, pre);
    for (size_t i = 0; c->hour_base && i < f->n; i++) {
        f->m[i].cpu_base = f->m[i].cpu_hour;
        f->m[i].var_base = f->m[i].var_hour;
    }
    struct trial *t = enrol(c, f);
    struct tick rows;
    tick_init(&rows, 0, f->n, COL_BUILTIN);
    usual_cpu_init(&u, pre);
    int bad = (int)(c->part * c->canaries + 0.5);
    for (int i = 0; i < bad; i++) {
        f->m[i].cpu_times = c->cpu_times;
        f->m[i].sd_times = sqrt(c->var_times);
    }
    /* The grace of 3 min after the install: nothing counts, but the new firmware runs already. */
    for (int k = 0; k < GRACE; k++)
        fleet_step(f);
    for (int k = 0; k < c->looks; k++) {
        fleet_step(f);
        feed(t, f, &rows);
        if (c->usual)
            usual_cpu_look(&u, f, (size_t)c->canaries);
    }
    out[CPU_BULK] = rig_halt(t, TEST_CPU, TEST_CPU);
    out[CPU_TAIL] = rig_halt(t, TEST_CPU125, TEST_CPU300);
    out[VAR_BULK] = rig_halt(t, TEST_VARIANCE, TEST_VARIANCE);
    out[VAR_TAIL] = rig_halt(t, TEST_VAR4, TEST_STUCK);
    out[CPU_ANY] = first_of(out[CPU_BULK], out[CPU_TAIL]);
    out[VAR_ANY] = first_of(out[VAR_BULK], out[VAR_TAIL]);
    out[CPU_Z] = u.z ? 0 : NAN;
    out[CPU_RANK] = u.rank ? 0 : NAN;
    out[CPU_SIGMA] = u.sigma ? 0 : NAN;
    out[CPU_KAYENTA] = u.kayenta ? 0 : NAN;
    tick_release(&rows);
    trial_free(t);
    fleet_free(f);
}

static void show_false(const struct shift_case *c, int full, const double design[10])
{
    static const struct {
        int slot;
        const char *name;
        double nominal;
    } lines[] = {
        {CPU_BULK, "CPU, rank test (andon)", 0.05},
        {CPU_TAIL, "CPU, first passages (andon)", 0.05},
        {VAR_BULK, "variance, rank test (andon)", 0.05},
        {VAR_TAIL, "variance, first passages (andon)", 0.05},
        {CPU_Z, "CPU: Welch z on devices, p < .05", 0.05},
        {CPU_RANK, "CPU: Mann-Whitney on devices, p < .05", 0.05},
        {CPU_SIGMA, "CPU: three-sigma of the hour before", NAN},
        {CPU_KAYENTA, "CPU: Kayenta's rule, each minute", 0.01},
    };
    int runs = pool_runs(full);
    double *results = pool_run(one_run, c, c->name, runs);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char what[100];
        struct measured p = share_of(results, runs, lines[i].slot, INFINITY);
        snprintf(what, sizeof what, "%s %s", c->name, lines[i].name);
        if (lines[i].slot <= VAR_TAIL)
            rate_holds(what, p, lines[i].nominal, design[i]);
        else
            line_share(what, p, lines[i].nominal, design[i]);
    }
    free(results);
}

void table_cpu(void)
{
    static const struct shift_case cases[] = {
        {.name = "20 v 180", .canaries = 20, .control = 180},
        {.name = "5 v 195", .canaries = 5, .control = 195},
        {.name = "100 v 900", .canaries = 100, .control = 900},
    };
    static const int full[] = {400, 400, 80};
    static const double design[][8] = {{1.33, 0.67, 6.0, 0.33, 93.3, 95.0, 99.7, 69.0},
                                       {2.33, 0.67, 5.0, 0.33, 98.3, 92.0, 99.7, 67.7},
                                       {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct shift_case c = cases[i];
        c.looks = 10000;
        c.cpu_times = c.var_times = 1;
        c.alpha = 0.05;
        c.least_favourable = c.usual = true;
        show_false(&c, full[i], design[i]);
    }
}

static void show_delay(const struct shift_case *c, int full)
{
    int runs = pool_runs(full), slot = c->var_times > 1 ? VAR_ANY : CPU_ANY;
    double *results = pool_run(one_run, c, c->name, runs), limit[3] = {30, 120, 360};
    struct measured m[3];
    for (int i = 0; i < 3; i++)
        m[i] = share_of(results, runs, slot, limit[i]);
    delay_line(c->name, m, c->design, median_of(results, runs, slot), c->median);
    delay_holds(c->name, m[2], c->design[2], results, runs, slot, c->median, 300, 0.5);
    free(results);
}

void table_shift(void)
{
    static const struct shift_case cases[] = {
        {"5 v 195, CPU +30 %", 5, 195, 720, 1.3, 1, 1, 0.00125, false, false, true, {100, 100, 100}, 5},
        {"5 v 195, variance x4", 5, 195, 720, 1, 4, 1, 0.00125, false, false, true, {95, 100, 100}, 10},
        {"5 v 195, variance x2", 5, 195, 720, 1, 2, 1, 0.00125, false, false, true, {11, 21, 32}, NAN},
        {"20 v 180, CPU +10 %", 20, 180, 720, 1.1, 1, 1, 0.00125, false, false, true, {35, 49, 54}, 133},
        {"20 v 180, CPU +30 %", 20, 180, 720, 1.3, 1, 1, 0.00125, false, false, true, {100, 100, 100}, 5},
        {"20 v 180, CPU x2 on 15 %", 20, 180, 720, 2, 1, 0.15, 0.00125, false, false, true, {1, 2, 2}, NAN},
        {"20 v 180, variance x2", 20, 180, 720, 1, 2, 1, 0.00125, false, false, true, {70, 96, 100}, 12.5},
        {"20 v 180, variance x4", 20, 180, 720, 1, 4, 1, 0.00125, false, false, true, {100, 100, 100}, 10},
        {"100 v 900, CPU +10 %", 100, 900, 720, 1.1, 1, 1, 0.00125, false, false, true, {100, 100, 100}, 5},
        {"100 v 900, CPU x2 on 15 %", 100, 900, 720, 2, 1, 0.15, 0.00125, false, false, true, {100, 100, 100}, 5},
        {"100 v 900, variance x2", 100, 900, 720, 1, 2, 1, 0.00125, false, false, true, {100, 100, 100}, 10},
        {"20 v 1,980, CPU x2 on 15 %", 20, 1980, 120, 2, 1, 0.15, 0.00125, false, false, true, {100, 100, 100}, 5},
    };
    static const size_t with_a_day[] = {2, 3, 6};
    delay_head("30 min", "2 h", "6 h", "min");
    puts("  own baselines of one hour, the least there may be (an hour is inferred from the design's figures):");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        show_delay(&cases[i], cases[i].canaries + cases[i].control > 500 ? 60 : 300);
    puts("  own baselines of a day:");
    for (size_t i = 0; i < sizeof with_a_day / sizeof *with_a_day; i++) {
        struct shift_case c = cases[with_a_day[i]];
        c.hour_base = false;
        c.design[0] = c.design[1] = c.design[2] = c.median = NAN;
        show_delay(&c, 300);
    }
}
