/* Table I: rollouts on fleets as they are, in which the new firmware changes nothing (or no more than is tolerated):
 * how many are halted, beside what others would say of the same runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/validate/world.h"

#define PROMISE 0.05

/* Which other methods are shown beside a world: those on what it is about. */
#define ON_BOOTS                                                                                                       \
    (1U << BESIDE_Z | 1U << BESIDE_Z_ONCE | 1U << BESIDE_RANK | 1U << BESIDE_SIGMA | 1U << BESIDE_TWICE |              \
     1U << BESIDE_CHECKS)
#define ON_CPU      (1U << BESIDE_CPU_RANK | 1U << BESIDE_KAYENTA | 1U << BESIDE_CPU_MEAN)
#define ON_SENSORS  (1U << BESIDE_VAR_RANK)
#define ON_SILENCE  (1U << BESIDE_SILENT)
#define ON_INSTALLS (1U << BESIDE_INSTALL)
#define ON_ALL      ((1U << BESIDE_COUNT) - 1)

struct row {
    struct world w;
    int runs;
    unsigned beside;
    bool uncovered;  /* the promise says nothing of it */
    double seen;     /* it is bad: so many are halted at least by the built-in policy; 0: it is not */
    bool installs;   /* the installs' own share of alpha is held, too */
    double old_from; /* the form WORLD_OLD halts so many at least, else the world shows nothing any more; 0: not held */
};

static const char *const old_names[] = {[OLD_NO_PAST] = "andon without strata by own past",
                                        [OLD_CLOCKS] = "andon that takes two clocks for one",
                                        [OLD_CHANGES] = "andon on changes of the time of boot",
                                        [OLD_MEAN] = "andon on the mean of the device's series",
                                        [OLD_TIMEOUT] = "andon with a time-out of 10 min as failure",
                                        [OLD_DEVICES] = "andon's installs by device",
                                        [OLD_REBOOTS] = "andon without that report"};

static void line(const char *what, struct interval v, const char *promise, const char *by)
{
    printf("    %-46s %7s %7.1f %%   %5.1f - %-5.1f %4d of %-5d%s\n", what, promise, 100.0 * v.k / v.n, 100 * v.low,
           100 * v.high, v.k, v.n, by);
    fflush(stdout);
}

/* What the halts were by, as "reboots 3, CPU 1"; how many of each. */
static void families(const double *results, int runs, int form, int count[METRICS_BUILTIN], char out[160])
{
    size_t n = 0;
    memset(count, 0, sizeof(int[METRICS_BUILTIN]));
    for (int i = 0; i < runs; i++) {
        double t = results[(size_t)i * SLOTS + (size_t)WORLD_TEST(form)];
        if (!isnan(t))
            count[metric_test(&policy_default()->evidence, (int)t)->metric]++;
    }
    out[0] = '\0';
    for (size_t k = 0; k < METRICS_BUILTIN && n < 120; k++)
        if (count[k] > 0)
            n += (size_t)snprintf(out + n, 160 - n, "%s%s %d", n ? ", " : "  ",
                                  metric_title(&policy_default()->evidence, k), count[k]);
}

static void show(const struct row *row)
{
    const double share = PROMISE * policy_default()->evidence.share[ROW_INSTALL];
    int runs = pool_runs(row->runs);
    double *results = pool_run(world_run, &row->w, row->w.name, runs);
    const char *const forms[] = {"andon, the built-in policy", row->w.edge
                                                                   ? "andon, one device enough"
                                                                   : "andon, nothing tolerated, one device enough"};
    printf("  %s%s\n", row->w.name, row->uncovered ? " (NOT covered by the promise)" : row->seen > 0 ? " (BAD)" : "");
    for (int k = 0; k < WORLD_FORMS; k++) {
        char by[160];
        int count[METRICS_BUILTIN];
        struct interval v = interval_of(results, runs, WORLD_HALT(k));
        bool held = k != WORLD_OLD && !row->uncovered && !(row->seen > 0);
        if (k == WORLD_OLD && row->w.old == OLD_NONE)
            continue;
        families(results, runs, k, count, by);
        line(k == WORLD_OLD ? old_names[row->w.old] : forms[k], v, held ? "5 %" : "-", by);
        if (held)
            check(v.low <= PROMISE, "%s, %s: %d of %d rollouts halted, %.1f %% promised", row->w.name, forms[k], v.k,
                  v.n, PROMISE * 100);
        struct interval o = interval(count[ROW_INSTALL], runs);
        if (held && row->installs)
            check(o.low <= share, "%s, %s: %d of %d halted by installs, whose share is %.1f %%", row->w.name, forms[k],
                  o.k, o.n, share * 100);
        if (k == WORLD_DEFAULTS && row->seen > 0)
            check(v.high >= row->seen, "%s: %d of %d rollouts halted, %.0f %% are to be", row->w.name, v.k, v.n,
                  row->seen * 100);
        if (k == WORLD_OLD && row->old_from > 0)
            check(v.high >= row->old_from, "%s: %d of %d halted by %s: the world is not hard any more", row->w.name,
                  v.k, v.n, old_names[row->w.old]);
    }
    for (int b = 0; b < BESIDE_COUNT; b++)
        if (row->beside & 1U << b)
            line(method_name((enum beside)b), interval_of(results, runs, WORLD_BESIDE(b)), "-", "");
    free(results);
}

#define OF(canaries, rest, for_hours) .waves = 1, .wave = {canaries}, .control = (rest), .hours = (for_hours)
#define FLEET                         .rates = PARETO, .chronic = 0.01, .leaves_hour = 0.02, .away_hours = 1, .cuts_hour = 0.01, .fails = 0.01

static const struct row rows[] = {
    /* Devices that have nothing to do with each other, and such that have. */
    {.w = {.name = "independent devices, 20 v 180", OF(20, 180, 24)}, .runs = 400, .beside = ON_ALL},
    {.w = {.name = "uneven devices, 5 v 45", OF(5, 45, 24), .rates = GAMMA}, .runs = 400, .beside = ON_BOOTS | ON_CPU},
    {.w = {.name = "100 v 900 for 12 h", OF(100, 900, 12), .rates = GAMMA}, .runs = 200, .beside = ON_BOOTS | ON_CPU},
    {.w = {.name = "very uneven devices, 2 % in loops",
           OF(20, 180, 24),
           .rates = PARETO,
           .boots_hour = 0.05,
           .chronic = 0.02},
     .runs = 400,
     .beside = ON_BOOTS},
    {.w = {.name = "sites lose power (10 sites, each 20 h)",
           OF(20, 180, 24),
           .sites = 10,
           .cuts_hour = 0.05,
           .rates = GAMMA},
     .runs = 400,
     .beside = ON_BOOTS | ON_SILENCE},
    {.w = {.name = "the same, site declared (20 sites, each 33 h)",
           OF(20, 180, 24),
           .boots_hour = 0.1,
           .sites = 20,
           .cuts_hour = 0.03,
           .strata = true,
           .rates = GAMMA},
     .runs = 400,
     .beside = ON_BOOTS | ON_SILENCE},
    {.w = {.name = "daily swing in time zones", OF(20, 180, 24), .rates = GAMMA, .boots_hour = 0.1, .swing = 1},
     .runs = 400,
     .beside = ON_BOOTS},
    {.w = {.name = "reboots and CPU rise everywhere (x4.5 in a day)",
           OF(20, 180, 24),
           .rates = GAMMA,
           .boots_hour = 0.05,
           .rise = 1.5},
     .runs = 400,
     .beside = ON_BOOTS | ON_CPU},
    {.w = {.name = "devices come and go (away a third of the time)",
           OF(20, 180, 24),
           .rates = GAMMA,
           .leaves_hour = 0.2,
           .away_hours = 2},
     .runs = 200,
     .beside = ON_BOOTS | ON_SILENCE},
    {.w = {.name = "samples each 15 min", OF(20, 180, 24), .rates = GAMMA, .boots_hour = 0.1, .step_min = 15},
     .runs = 200,
     .beside = ON_BOOTS},
    {.w = {.name = "a fleet as fleets are, waves of 5, 20, 100 of 300",
           .waves = 3,
           .wave = {5, 20, 100},
           .control = 175,
           .wave_hours = 8,
           .hours = 24,
           FLEET,
           .boots_hour = 0.05,
           .sites = 10,
           .strata = true},
     .runs = 200,
     .beside = ON_ALL},
    /* Installs. */
    {.w = {.name = "contact each 24 h, a boot makes contact, 5 % in loops, 100 v 900",
           OF(100, 900, 24),
           .rates = PARETO,
           .boots_hour = 0.05,
           .chronic = 0.05,
           .poll_min = 1440,
           .boot_polls = true,
           .old = OLD_NO_PAST},
     .runs = 300,
     .beside = ON_BOOTS,
     .old_from = 0.25},
    {.w = {.name = "the same, 20 v 180, 36 h",
           OF(20, 180, 36),
           .rates = PARETO,
           .boots_hour = 0.05,
           .chronic = 0.05,
           .poll_min = 1440,
           .boot_polls = true,
           .old = OLD_NO_PAST},
     .runs = 200,
     .beside = ON_BOOTS},
    {.w = {.name = "contact each 15 min", OF(20, 180, 3), .poll_min = 15, .fails = 0.01, .old = OLD_TIMEOUT},
     .runs = 400,
     .beside = ON_INSTALLS,
     .old_from = 0.5},
    {.w = {.name = "contact each 60 min", OF(20, 180, 3), .poll_min = 60, .fails = 0.01, .old = OLD_TIMEOUT},
     .runs = 400,
     .beside = ON_INSTALLS,
     .old_from = 0.5},
    {.w = {.name = "contact each 8 min, uneven installs (lognormal, 1.2), 100 v 100",
           OF(100, 100, 3),
           .poll_min = 8,
           .uneven = 1.2,
           .fails = 0.01,
           .old = OLD_TIMEOUT},
     .runs = 400,
     .beside = ON_INSTALLS,
     .old_from = 0.5},
    {.w = {.name = "sites fail to install as a whole (2 % of 20), 100 v 100",
           .waves = 1,
           .wave = {100},
           .control = 100,
           .hours = 3,
           .sites = 20,
           .site_fails = 0.02,
           .strata = true,
           .old = OLD_DEVICES},
     .runs = 1000,
     .beside = ON_INSTALLS,
     .installs = true,
     .old_from = 0.03},
    /* Sensors, series, clocks. */
    {.w = {.name = "sensors that stand still but for rare steps", OF(20, 180, 24), .steps = true},
     .runs = 200,
     .beside = ON_SENSORS},
    {.w = {.name = "the same, 5 v 995, 6 h", OF(5, 995, 6), .steps = true}, .runs = 600, .beside = ON_SENSORS},
    {.w = {.name = "telemetry's clock 10 min ahead", OF(20, 180, 12), .ahead_min = 10, .old = OLD_CLOCKS},
     .runs = 200,
     .beside = ON_BOOTS,
     .old_from = 0.3},
    {.w = {.name = "the same from 1 h to 5 h, while wave 2 is told",
           .waves = 2,
           .wave = {5, 20},
           .control = 175,
           .wave_hours = 2,
           .hours = 12,
           .ahead_min = 10,
           .ahead_from = 1,
           .ahead_to = 5,
           .old = OLD_CLOCKS},
     .runs = 200,
     .beside = ON_BOOTS,
     .old_from = 0.1},
    {.w = {.name = "clocks 25 s apart, which is tolerated", OF(20, 180, 12), .ahead_min = 25 / 60.0}, .runs = 200},
    {.w = {.name = "no real-time clock: set 1 to 15 min after a boot",
           OF(20, 180, 12),
           .rates = GAMMA,
           .no_rtc = 0.5,
           .old = OLD_CHANGES},
     .runs = 200,
     .beside = ON_BOOTS,
     .old_from = 0.5},
    {.w = {.name = "clocks set by up to a minute, now and then",
           OF(20, 180, 24),
           .rates = GAMMA,
           .clock_sets = 0.1,
           .no_rtc = 0.1,
           .old = OLD_CHANGES},
     .runs = 200,
     .beside = ON_BOOTS},
    {.w = {.name = "the counter's series carries the release",
           OF(20, 180, 12),
           .rates = GAMMA,
           .shown_min = 10,
           .old = OLD_MEAN},
     .runs = 200,
     .beside = ON_BOOTS,
     .old_from = 0.5},
    /* Staged updates. */
    {.w = {.name = "a second boot 6 h after the install, and the device reports it",
           OF(20, 180, 24),
           .rates = GAMMA,
           .second_hours = 6,
           .report = REPORT_SECOND,
           .old = OLD_REBOOTS},
     .runs = 400,
     .beside = ON_BOOTS,
     .old_from = 0.5},
    {.w = {.name = "the same, 100 v 900, 2 % in loops, 12 h",
           OF(100, 900, 12),
           .rates = GAMMA,
           .chronic = 0.02,
           .second_hours = 6,
           .report = REPORT_SECOND,
           .old = OLD_REBOOTS},
     .runs = 200,
     .beside = ON_BOOTS,
     .old_from = 0.5},
    {.w = {.name = "a report that goes up with any boot, and no second one",
           OF(100, 900, 12),
           .rates = GAMMA,
           .chronic = 0.02,
           .report = REPORT_ANY},
     .runs = 200,
     .beside = ON_BOOTS},
    /* Not nothing, but no more than what is tolerated: the rates of events. */
    {.w = {.name = "reboots and silences x1.25, 2 % of installs fail",
           OF(20, 180, 24),
           .leaves_hour = 0.1,
           .away_hours = 1,
           .fails = 0.02,
           .edge = true,
           .bad = {.boots = 1.25, .leaves = 1.25}},
     .runs = 200,
     .beside = ON_BOOTS | ON_SILENCE | ON_INSTALLS},
    /* Who never halts would keep the promise, too. */
    {.w = {.name = "a third in a crash loop, each boot of which the report calls an activation",
           OF(20, 180, 12),
           .rates = GAMMA,
           .report = REPORT_ANY,
           .bad = {.loops = 0.33}},
     .runs = 100,
     .beside = ON_BOOTS,
     .seen = 0.8},
    {.w = {.name = "a third in a crash loop, on a fleet as fleets are",
           .waves = 1,
           .wave = {20},
           .control = 280,
           .hours = 12,
           FLEET,
           .boots_hour = 0.05,
           .sites = 10,
           .strata = true,
           .bad = {.loops = 0.33}},
     .runs = 100,
     .beside = ON_BOOTS,
     .seen = 0.8},
    /* What is not covered. Of a device that reboots 1.25 times as often the rate of second reboots is up by 1.25^2 at
     * first, that of eighth ones by 1.25^8, and a value that is up by a quarter reaches four times its baseline far
     * more often. */
    {.w = {.name = "all reboots x1.25, .2 an hour, 100 v 900",
           OF(100, 900, 24),
           .boots_hour = 0.2,
           .edge = true,
           .bad = {.boots = 1.25}},
     .runs = 200,
     .beside = ON_BOOTS,
     .uncovered = true},
    {.w = {.name = "CPU x1.05 and sensor variance x1.25 of all canaries",
           OF(20, 180, 24),
           .edge = true,
           .bad = {.cpu = 1.05, .variance = 1.25}},
     .runs = 200,
     .beside = ON_CPU | ON_SENSORS,
     .uncovered = true},
    {.w = {.name = "a second boot 6 h after the install", OF(20, 180, 24), .rates = GAMMA, .second_hours = 6},
     .runs = 200,
     .beside = ON_BOOTS,
     .uncovered = true},
    {.w = {.name = "the same, and a report that goes up with any boot",
           OF(20, 180, 24),
           .rates = GAMMA,
           .second_hours = 6,
           .report = REPORT_ANY},
     .runs = 200,
     .beside = ON_BOOTS,
     .uncovered = true},
    {.w = {.name = "boots that beget boots (half a one within 1 h)",
           OF(20, 180, 24),
           .rates = GAMMA,
           .boots_hour = 0.05,
           .children = 0.5,
           .children_hours = 1},
     .runs = 200,
     .beside = ON_BOOTS,
     .uncovered = true},
    {.w = {.name = "15 min of load after a boot (CPU x1.6)", OF(20, 180, 24), .warm_min = 15, .warm_times = 1.6},
     .runs = 200,
     .beside = ON_CPU,
     .uncovered = true},
};

void table_worlds(void)
{
    printf("    %-46s %7s %9s   %13s\n", "", "promise", "halted", "95 %");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (pool_world(rows[i].w.name))
            show(&rows[i]);
}
