/* Tracks and the figures of a group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/health.h"
#include "core/rng.h"

#define WINDOW     (10 * US_PER_MIN)
#define SCRAPE     (15 * US_PER_S)
#define T0         (1000 * WINDOW)
#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-6)

static const struct track_shape *shape(void)
{
    static struct track_shape s;

    track_shape_init(&s);
    return &s;
}

static void feed(struct track *t, int64_t at, double reboots, double cpu, double variance)
{
    const double row[COL_BUILTIN] = {reboots, cpu, variance};

    track_feed(t, shape(), at, row, WINDOW);
}

static struct group_health group(const struct track *t, size_t n, int64_t now)
{
    const struct track **p = calloc(n + 1, sizeof *p);
    struct group_health g;

    for (size_t i = 0; i < n; i++)
        p[i] = &t[i];
    health_group(p, n, shape(), NULL, now, WINDOW, SCRAPE, &g);
    free(p);
    return g;
}

/* Counts differences only, in the bucket of the telemetry's own time. */
static void reboots_are_differences(void **state)
{
    struct track t;
    struct group_health g;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 40, NAN, NAN);
    feed(&t, T0 + US_PER_MIN, 41, NAN, NAN);
    feed(&t, T0 + 2 * US_PER_MIN, 43, NAN, NAN);
    g = group(&t, 1, T0 + 2 * US_PER_MIN);
    assert_int_equal(g.column[COL_REBOOTS].count.events, 3);
    assert_int_equal(g.column[COL_REBOOTS].count.had, 1);
    assert_int_equal(g.column[COL_REBOOTS].count.twice, 1);
    NEAR(g.column[COL_REBOOTS].count.days, 2.0 / 1440);
    NEAR(g.column[COL_REBOOTS].count.rate, 3 * 1440.0 / 2);
    assert_int_equal(t.boots.by[TRACK_BUCKETS - 1], 2);
    assert_int_equal(t.boots.by[TRACK_BUCKETS - 2], 1);
}

static void old_samples_are_ignored(void **state)
{
    struct track t;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 1, 0.5, 1);
    feed(&t, T0, 9, 0.9, 1);
    feed(&t, T0 - 1, 9, 0.9, 1);
    assert_int_equal(group(&t, 1, T0).column[COL_REBOOTS].count.events, 0);
    NEAR((double)t.level[COL_CPU - 1].value, 0.5);
}

static void a_fall_counts_once(void **state)
{
    struct track t;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 500, NAN, NAN);
    feed(&t, T0 + SCRAPE, 3, NAN, NAN);
    feed(&t, T0 + 2 * SCRAPE, 4, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 2 * SCRAPE).column[COL_REBOOTS].count.events, 2);
}

static void counters_saturate(void **state)
{
    struct track t;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 0, NAN, NAN);
    feed(&t, T0 + 1, 1e300, NAN, NAN);
    feed(&t, T0 + 2, INFINITY, NAN, NAN);
    feed(&t, T0 + 3, 1.5e300, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 3).column[COL_REBOOTS].count.events, 255);
}

/* A device that comes back after two days with one more boot has not rebooted in the last ten minutes. */
static void long_silence_is_spread(void **state)
{
    struct track t;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 1, NAN, NAN);
    feed(&t, T0 + 2 * US_PER_DAY, 2, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 2 * US_PER_DAY).column[COL_REBOOTS].count.events, 0);
    feed(&t, T0 + 2 * US_PER_DAY + 20 * US_PER_MIN, 12, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 2 * US_PER_DAY + 20 * US_PER_MIN).column[COL_REBOOTS].count.events, 5);
}

static void window_slides(void **state)
{
    struct track t;

    (void)state;
    track_init(&t, shape(), NULL);
    track_enrol(&t, 0);
    feed(&t, T0, 0, NAN, NAN);
    feed(&t, T0 + 30 * US_PER_S, 1, NAN, NAN);
    for (int m = 1; m <= 9; m++)
        feed(&t, T0 + m * US_PER_MIN, 1, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 9 * US_PER_MIN).column[COL_REBOOTS].count.events, 1);
    feed(&t, T0 + 10 * US_PER_MIN, 1, NAN, NAN);
    assert_int_equal(group(&t, 1, T0 + 10 * US_PER_MIN).column[COL_REBOOTS].count.events, 0);
    NEAR(group(&t, 1, T0 + 10 * US_PER_MIN).column[COL_REBOOTS].count.days, 9.0 / 1440);
}

/* The install's own reboot falls before install + grace and must not count, in whatever sample it shows. */
static void grace_excludes_the_installs_reboot(void **state)
{
    struct track t;
    int64_t from = T0 + 2 * US_PER_MIN + 20 * US_PER_S, edge = T0 + 3 * US_PER_MIN;

    (void)state;
    track_init(&t, shape(), NULL);
    feed(&t, T0, 7, NAN, NAN);
    assert_int_equal(group(&t, 1, T0).column[COL_REBOOTS].count.events, 0);
    NEAR(group(&t, 1, T0).column[COL_REBOOTS].count.days, 0);
    track_enrol(&t, from);
    feed(&t, T0 + US_PER_MIN, 8, NAN, NAN);   /* inside the grace */
    feed(&t, edge + US_PER_MIN, 9, NAN, NAN); /* reaches back before the edge */
    assert_int_equal(group(&t, 1, edge + US_PER_MIN).column[COL_REBOOTS].count.events, 0);
    NEAR(group(&t, 1, edge + US_PER_MIN).column[COL_REBOOTS].count.days, 0);
    feed(&t, edge + 2 * US_PER_MIN, 10, NAN, NAN);
    assert_int_equal(group(&t, 1, edge + 2 * US_PER_MIN).column[COL_REBOOTS].count.events, 1);
    NEAR(group(&t, 1, edge + 2 * US_PER_MIN).column[COL_REBOOTS].count.days, 1.0 / 1440);
}

static void coverage_counts_fresh_devices(void **state)
{
    struct track t[4];
    struct group_health g;

    (void)state;
    for (int i = 0; i < 4; i++) {
        track_init(&t[i], shape(), NULL);
        track_enrol(&t[i], 0);
    }
    feed(&t[0], T0, 0, 0.2, NAN);
    feed(&t[1], T0 - 3 * SCRAPE, 0, 0.4, NAN);
    feed(&t[2], T0 - 3 * SCRAPE - 1, 0, 0.9, NAN);
    g = group(t, 4, T0);
    assert_int_equal(g.expected, 4);
    assert_int_equal(g.reporting, 2);
    assert_int_equal(g.measured, 2);
    NEAR(g.column[COL_CPU].gauge.mean, 0.3);
    assert_int_equal(group(t, 4, T0 + US_PER_HOUR).reporting, 0);
    NEAR(group(t, 4, T0 + US_PER_HOUR).column[COL_CPU].gauge.mean,
         0.3); /* the window ends with the data, not with our clock */
}

/* One device with a clock in the far future must not make all others look silent. */
static void a_sample_from_the_future_is_left_out(void **state)
{
    struct track t[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        track_init(&t[i], shape(), NULL);
        track_enrol(&t[i], 0);
    }
    feed(&t[0], T0, 0, 0.2, NAN);
    feed(&t[1], T0 + US_PER_DAY, 0, 0.8, NAN);
    assert_int_equal(group(t, 2, T0).reporting, 1);
    assert_true(group(t, 2, T0).newest == T0);
    NEAR(group(t, 2, T0).column[COL_CPU].gauge.mean, 0.2);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void p95_is_exact(void **state)
{
    struct rng r;

    (void)state;
    rng_init(&r, 5);
    for (size_t n = 1; n <= 400; n += n < 45 ? 1 : 71) {
        struct track *t = calloc(n, sizeof *t);
        float *v = calloc(n, sizeof *v);

        for (size_t i = 0; i < n; i++) {
            track_init(&t[i], shape(), NULL);
            track_enrol(&t[i], 0);
            v[i] = (float)rng_below(&r, n % 2 ? 7 + n / 3 : 100000) / 100;
            feed(&t[i], T0, 0, (double)v[i], NAN);
        }
        qsort(v, n, sizeof *v, by_value);
        NEAR(group(t, n, T0).column[COL_CPU].gauge.p95, (double)v[(size_t)ceil(0.95 * (double)n) - 1]);
        free(t);
        free(v);
    }
}

/* Baselines are learned before the install and frozen by it. */
static void variance_is_against_own_baseline(void **state)
{
    struct track t[4];
    struct group_health g;

    (void)state;
    for (int i = 0; i < 4; i++) {
        track_init(&t[i], shape(), NULL);
        feed(&t[i], T0 - 2 * US_PER_MIN, 0, 0.2, i < 3 ? 1.0 : NAN);
        feed(&t[i], T0 - US_PER_MIN, 0, 0.4, i < 3 ? 3.0 : NAN);
        track_enrol(&t[i], T0);
    }
    feed(&t[0], T0 + SCRAPE, 0, 0.6, 2.0);
    feed(&t[1], T0 + SCRAPE, 0, 0.6, 8.0);
    feed(&t[2], T0 + SCRAPE, 0, 0.6, 1e9); /* one voice: clipped to 16 */
    feed(&t[3], T0 + SCRAPE, 0, 0.3, 2.0); /* no baseline: against the mean of the others' */
    NEAR((double)t[0].level[COL_VARIANCE - 1].base, 2.0);
    NEAR((double)t[0].level[COL_CPU - 1].base, 0.3);
    g = group(t, 4, T0 + SCRAPE);
    NEAR(g.column[COL_VARIANCE].gauge.own, (1 + 4 + 16 + 1) / 4.0);
    assert_int_equal(g.column[COL_VARIANCE].gauge.over[0], 2);
    assert_int_equal(g.column[COL_VARIANCE].gauge.over[2], 2);
    assert_int_equal(g.column[COL_VARIANCE].gauge.over[3], 1);
    NEAR(g.column[COL_CPU].gauge.change, 2.1 / 1.2);
    assert_int_equal(g.column[COL_CPU].gauge.over[1], 3);
}

/* A policy's own counter and gauge, as any other column. */
static void own_metrics_are_columns(void **state)
{
    struct track_shape s;
    struct arena a;
    struct track t[4];
    const struct track *p[4];
    struct group_health g;

    (void)state;
    arena_init(&a);
    track_shape_init(&s);
    track_shape_add(&s, KIND_GAUGE, false);
    track_shape_add(&s, KIND_COUNTER, false);
    track_shape_add(&s, KIND_GAUGE, true);
    assert_int_equal(s.columns, COL_BUILTIN + 3);
    for (int i = 0; i < 4; i++) {
        p[i] = &t[i];
        track_init(&t[i], &s, &a);
        const double before[] = {5, 0.2, 1, 400, 1e12, -20};
        track_feed(&t[i], &s, T0 - US_PER_MIN, before, WINDOW);
        track_enrol(&t[i], T0);
        for (int k = 0; k < 4; k++) {
            const double now[] = {5,  0.2, 1, i ? 100 : -100, i == 0 && k > 1 ? 1e12 + k : i == 1 && k > 2 ? 2 : 1e12,
                                  -10};
            track_feed(&t[i], &s, T0 + k * US_PER_MIN, now, WINDOW);
        }
    }
    health_group(p, 4, &s, NULL, T0 + 3 * US_PER_MIN, WINDOW, SCRAPE, &g);
    const struct gauge_health *memory = &g.column[COL_BUILTIN].gauge, *cold = &g.column[COL_BUILTIN + 2].gauge;
    NEAR(memory->mean, 100); /* what is below 0 is no measurement of it */
    NEAR(memory->change, 0.25);
    assert_int_equal(memory->under[HEALTH_LEVELS - 1], 3);
    assert_int_equal(memory->over[0], 0);
    NEAR(cold->mean, -10);
    NEAR(cold->change, 10);
    assert_int_equal(cold->over[0], -1);
    const struct count_health *c = &g.column[COL_BUILTIN + 1].count;
    assert_int_equal(c->events, 3 + 2); /* a fall shows what has been since */
    assert_int_equal(c->had, 2);
    assert_int_equal(c->twice, 2);
    NEAR(c->days, 4 * 3 / 1440.0);
    assert_int_equal(track_events(&t[0], track_count_of(&t[0], &s, COL_BUILTIN + 1), NULL, WINDOW, NULL), 3);
    arena_release(&a);
}

/* One device that has installed; `later` is the longer grace of the reboots, of the CPU likewise. */
static struct group_health later(const struct track *t, int64_t now, int64_t us)
{
    const struct track *p[] = {t};
    struct health_excuse x = {.later_us = {[COL_REBOOTS] = us, [COL_CPU] = us}};
    struct group_health g;

    health_group(p, 1, shape(), &x, now, WINDOW, SCRAPE, &g);
    return g;
}

/* A metric with a grace of its own: what falls into that is in no limit's window, and no figure of a gauge. */
static void a_grace_of_its_own(void **state)
{
    struct track t;
    struct group_health g;

    (void)state;
    track_init(&t, shape(), NULL);
    feed(&t, T0 - US_PER_MIN, 40, 0.2, 1);
    track_enrol(&t, T0);
    for (int k = 0; k <= 20; k++) { /* a boot each minute */
        int64_t at = T0 + k * US_PER_MIN + 30 * US_PER_S;

        feed(&t, at, 41 + k, 0.3, 1);
        g = group(&t, 1, at);
        assert_int_equal(g.column[COL_REBOOTS].count.events, k > 9 ? 10 : k);
        g = later(&t, at, 12 * US_PER_MIN);
        /* what the first sample after it brings was before, or may have been */
        assert_int_equal(g.column[COL_REBOOTS].count.events, k > 12 ? k - 12 : 0);
        assert_int_equal(g.measured, 1);
        assert_int_equal(isnan(g.column[COL_CPU].gauge.mean), k < 12);
        if (k > 13) {
            NEAR(g.column[COL_REBOOTS].count.days, (k - 13 + 0.5) / 1440);
            struct track_excuse e = {.later_us = 12 * US_PER_MIN};
            assert_int_equal(track_events(&t, &t.boots, &e, WINDOW, NULL), k - 12);
        }
    }
    /* Who comes back from a silence over its end brings what was before it. */
    for (int away = 3; away < 30; away++) {
        track_init(&t, shape(), NULL);
        track_enrol(&t, T0);
        for (int k = 0; k <= 40; k++) {
            int64_t at = T0 + k * US_PER_MIN;

            if (k < 12 || k >= 12 + away)
                feed(&t, at, k < 12 ? 40 : 43, 0.2, 1);
            if (away < TRACK_WINDOW)
                assert_int_equal(later(&t, at, 14 * US_PER_MIN).column[COL_REBOOTS].count.events, 0);
        }
    }
}

/* A staged update's own boot: one, and of a canary. */
static void a_boot_is_named(void **state)
{
    struct track_shape s;
    struct arena a;
    struct metric_def own = {.id = "x", .title = "x", .unit = "", .kind = KIND_ACTIVATION};
    struct policy policy = *policy_default();

    (void)state;
    policy.evidence.own = &own;
    policy.evidence.n_own = 1;
    track_shape_init(&s);
    track_shape_add(&s, KIND_GAUGE, false);
    track_shape_add(&s, KIND_ACTIVATION, false);
    for (int late = -2; late <= 2; late++) { /* samples from the boot to the rise */
        const int8_t column[] = {COL_BUILTIN + 1};
        struct health_excuse canary, control;
        struct group_health g;
        struct track t;
        const struct track *p[] = {&t};
        int64_t near = late >= -1 && late <= 1;

        arena_init(&a);
        health_excuse(&policy, column, true, &canary);
        health_excuse(&policy, column, false, &control);
        track_init(&t, &s, &a);
        for (int k = -3; k < 8; k++) {
            int64_t at = T0 + k * US_PER_MIN;
            const double row[] = {5 + (k >= 3) + (k >= 6), 0.2, 1, 0, (k >= 3 + late) + (k >= 6)};

            if (k == 0)
                track_enrol(&t, T0);
            track_feed(&t, &s, at, row, WINDOW);
            health_group(p, 1, &s, &canary, at, WINDOW, SCRAPE, &g);
            if (k >= 5) /* the second one counts, whatever the number does */
                assert_int_equal(g.column[COL_REBOOTS].count.events, (k >= 6) + (near || k >= 6 ? 0 : 1));
            health_group(p, 1, &s, &control, at, WINDOW, SCRAPE, &g);
            assert_int_equal(g.column[COL_REBOOTS].count.events, (k >= 3) + (k >= 6));
        }
        uint8_t by[TRACK_BUCKETS];
        struct track_excuse e = health_excuse_of(&canary, &t, &s, COL_REBOOTS);
        track_events(&t, &t.boots, &e, WINDOW, by);
        assert_int_equal(by[TRACK_BUCKETS - 2], near);
        /* The next rollout's update has one of its own. */
        track_enrol(&t, T0 + 8 * US_PER_MIN);
        for (int k = 9; k < 11; k++) {
            const double row[] = {5 + k, 0.2, 1, 0, k};
            track_feed(&t, &s, T0 + k * US_PER_MIN, row, WINDOW);
        }
        e = health_excuse_of(&canary, &t, &s, COL_REBOOTS);
        assert_int_equal(track_events(&t, &t.boots, NULL, WINDOW, NULL), 1);
        assert_int_equal(track_events(&t, &t.boots, &e, WINDOW, NULL), 0);
        arena_release(&a);
    }
}

/* Graces and the column of activations, as a policy has them. */
static void excuses_are_the_policys(void **state)
{
    struct metric_def own[] = {{.id = "r", .title = "r", .unit = "", .kind = KIND_COUNTER, .grace_us = US_PER_HOUR},
                               {.id = "x", .title = "x", .unit = "", .kind = KIND_ACTIVATION}};
    struct policy policy = *policy_default();
    const int8_t column[] = {COL_BUILTIN + 4, -1};
    struct health_excuse x;

    (void)state;
    policy.evidence.own = own;
    policy.evidence.n_own = 2;
    policy.evidence.grace_us[ROW_REBOOTS] = 2 * US_PER_HOUR;
    policy.evidence.grace_us[ROW_CPU] = US_PER_MIN; /* the policy's is longer */
    health_excuse(&policy, column, true, &x);
    assert_true(x.later_us[COL_REBOOTS] == 2 * US_PER_HOUR - policy.grace_us && x.later_us[COL_CPU] == 0);
    assert_true(x.later_us[COL_BUILTIN + 4] == US_PER_HOUR - policy.grace_us && x.names == 0);
    health_excuse(&policy, NULL, true, &x);
    assert_true(x.later_us[COL_BUILTIN] == US_PER_HOUR - policy.grace_us && x.names == COL_BUILTIN + 1);
    health_excuse(&policy, NULL, false, &x);
    assert_int_equal(x.names, 0);
}

static void nothing_known_is_nan(void **state)
{
    struct track t;
    struct wave_health h;

    (void)state;
    memset(&h, 0, sizeof h);
    track_init(&t, shape(), NULL);
    h.canary = group(&t, 1, T0);
    h.control = group(&t, 0, T0);
    assert_true(isnan(h.canary.column[COL_REBOOTS].count.rate) && isnan(h.canary.column[COL_CPU].gauge.mean) &&
                isnan(h.canary.column[COL_CPU].gauge.p95));
    assert_true(isnan(h.canary.column[COL_VARIANCE].gauge.own));
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    for (int m = 0; m < FIGURES_MAX; m++)
        assert_true(isnan(h.value[m]) && isnan(h.ratio[m]) && isnan(h.against[m]));
    assert_true(h.data_age == TIME_NEVER);
}

static void ratios(void **state)
{
    struct wave_health h;

    (void)state;
    memset(&h, 0, sizeof h);
    h.canary = h.control = group(NULL, 0, T0);
    h.canary.newest = T0;
    h.canary.column[COL_REBOOTS].count.days = 0.1;
    h.control.column[COL_REBOOTS].count.days = 1;
    h.canary.column[COL_REBOOTS].count.rate = 0;
    h.control.column[COL_REBOOTS].count.rate = 0;
    h.told = 20;
    h.failed = 3;
    health_compare(&h, &policy_default()->evidence, NULL, T0 + 7);
    NEAR(h.ratio[FIGURE_REBOOTS], 1); /* no reboots on either side: as they should be */
    NEAR(h.value[FIGURE_INSTALL], 0.15);
    assert_true(isnan(h.ratio[FIGURE_INSTALL]));
    assert_int_equal(h.data_age, 7);
    h.canary.column[COL_REBOOTS].count.events = 7;
    h.canary.column[COL_REBOOTS].count.rate = 70;
    h.control.column[COL_REBOOTS].count.events = 10;
    h.control.column[COL_REBOOTS].count.rate = 10;
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    NEAR(h.ratio[FIGURE_REBOOTS], 7.5 / 1.5);
    h.canary.column[COL_CPU].gauge.mean = 0.6;
    h.control.column[COL_CPU].gauge.mean = 0.3;
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    NEAR(h.ratio[FIGURE_CPU_MEAN], 2);
    h.canary.column[COL_CPU].gauge.change = 1.1; /* canaries were busier before as well */
    h.control.column[COL_CPU].gauge.change = 1.0;
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    NEAR(h.ratio[FIGURE_CPU_MEAN], 1.1);
    NEAR(h.against[FIGURE_CPU_MEAN], 0.6 / 1.1);
    h.canary.column[COL_VARIANCE].gauge.mean = 6; /* no baselines: the groups as they are */
    h.control.column[COL_VARIANCE].gauge.mean = 2;
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    NEAR(h.ratio[FIGURE_SPREAD], 3);
    NEAR(h.value[FIGURE_SPREAD] / h.against[FIGURE_SPREAD], 3);
    h.control.column[COL_VARIANCE].gauge.mean = 0;
    health_compare(&h, &policy_default()->evidence, NULL, T0);
    assert_true(isnan(h.ratio[FIGURE_SPREAD]));
}

/* The latest time at which enough devices were heard of, whoever asks. */
static void coverage_has_an_end(void **state)
{
    struct track t[5];
    const struct track *v[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        track_init(&t[i], shape(), NULL);
        v[i] = &t[i];
        t[i].last_t = 1000 + 100 * i;
    }
    assert_int_equal(health_covered_until(v, 5, 4, 10, true), 1100 + 30);
    assert_int_equal(health_covered_until(v, 5, 5, 10, true), 1000 + 30);
    assert_int_equal(health_covered_until(v, 5, 0, 10, true), 1400 + 30);
    assert_int_equal(health_covered_until(v, 5, 9, 10, true), 1000 + 30);
    t[0].last_t = t[1].last_t = 0;
    assert_int_equal(health_covered_until(v, 5, 4, 10, true), 0);
    assert_int_equal(health_covered_until(v, 5, 3, 10, true), 1200 + 30);
    assert_int_equal(health_covered_until(v, 0, 4, 10, true), TIME_NEVER);
}

/* Before its grace is over nobody expects a device that was told to report: it is missed from then on. One that was
 * never seen is nobody's word, and control is always expected. */
static void who_installs_is_missed_from_its_grace_on(void **state)
{
    struct track t[3];
    const struct track *v[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        track_init(&t[i], shape(), NULL);
        v[i] = &t[i];
        t[i].last_t = 1000 + i;
    }
    track_enrol(&t[0], 2000);
    track_enrol(&t[1], 1010);
    assert_int_equal(health_covered_until(v, 3, 1, 10, true), 2000);
    assert_int_equal(health_covered_until(v, 3, 3, 10, true), 1001 + 30);
    assert_int_equal(health_covered_until(v, 3, 1, 10, false), 1002 + 30);
    t[0].last_t = 0;
    assert_int_equal(health_covered_until(v, 3, 3, 10, true), 0);
    assert_true(track_excused(&t[0], 1999, 10));
    assert_false(track_excused(&t[0], 2000, 10)); /* its grace is over */
    t[0].last_t = 1960;
    assert_false(track_excused(&t[0], 1990, 10)); /* it reports: it counts as any other */
    assert_true(track_excused(&t[0], 1991, 10));
    assert_false(track_excused(&t[2], 1991, 10)); /* not told */
}

/* What of a device depends on the time alone: it reports, it is excused, it is ahead of us, it counts. */
static unsigned by_time(const struct track *t, int64_t now, int64_t scrape)
{
    const struct group_health g = group(t, 1, now);
    return (unsigned)(g.reporting > 0) | (unsigned)(g.newest > 0) << 1 | (unsigned)track_excused(t, now, scrape) << 2;
}

static void figures_stand_until_a_device_turns(void **state)
{
    struct rng r;

    (void)state;
    rng_init(&r, 9);
    for (int k = 0; k < 3000; k++) {
        struct track t = {.last_t = 0};
        int64_t now = T0, next;
        t.last_t = k % 7 ? T0 + (int64_t)(rng_unit(&r) * 1200 - 600) * US_PER_S : 0;
        t.counts_from = k % 3 ? T0 + (int64_t)(rng_unit(&r) * 400 - 200) * US_PER_S : TIME_NEVER;
        while ((next = health_turns(&t, now, SCRAPE)) < T0 + US_PER_HOUR) {
            assert_true(next > now);
            assert_int_equal(by_time(&t, next - 1, SCRAPE), by_time(&t, now, SCRAPE));
            now = next;
        }
        assert_int_equal(by_time(&t, T0 + US_PER_HOUR, SCRAPE), by_time(&t, now, SCRAPE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reboots_are_differences),
        cmocka_unit_test(old_samples_are_ignored),
        cmocka_unit_test(a_fall_counts_once),
        cmocka_unit_test(counters_saturate),
        cmocka_unit_test(long_silence_is_spread),
        cmocka_unit_test(window_slides),
        cmocka_unit_test(grace_excludes_the_installs_reboot),
        cmocka_unit_test(coverage_counts_fresh_devices),
        cmocka_unit_test(a_sample_from_the_future_is_left_out),
        cmocka_unit_test(p95_is_exact),
        cmocka_unit_test(variance_is_against_own_baseline),
        cmocka_unit_test(own_metrics_are_columns),
        cmocka_unit_test(a_grace_of_its_own),
        cmocka_unit_test(a_boot_is_named),
        cmocka_unit_test(excuses_are_the_policys),
        cmocka_unit_test(nothing_known_is_nan),
        cmocka_unit_test(coverage_has_an_end),
        cmocka_unit_test(who_installs_is_missed_from_its_grace_on),
        cmocka_unit_test(ratios),
        cmocka_unit_test(figures_stand_until_a_device_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
