/* The verdict as a state machine: `for:`, gaps, latches, severity, lost telemetry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/verdict.h"

#define T0   (1000 * US_PER_DAY)
#define STEP (15 * US_PER_S)

struct bench {
    struct limit limits[6];
    struct policy policy;
    struct wave_health h;
    struct verdict_input in;
    struct verdict_state st;
    struct verdict out;
};

static void bench_init(struct bench *b)
{
    memset(b, 0, sizeof *b);
    b->policy = *policy_default();
    b->policy.limits = b->limits;
    b->policy.n_limits = 1;
    b->limits[0] = (struct limit){.id = "R-CPU",
                                  .metric = "cpu-mean",
                                  .basis = BASIS_RELATIVE,
                                  .value = 1.25,
                                  .for_us = 2 * US_PER_MIN,
                                  .min_devices = 2,
                                  .wave = -1,
                                  .device_class = "",
                                  .react = REACT_PAUSE};
    health_init(&b->h);
    for (int m = 0; m < FIGURES_BUILTIN; m++)
        b->h.column[m] = (int8_t)metric_column(&b->policy.evidence, figure_of(&b->policy.evidence, (size_t)m)->row);
    b->h.canary.expected = b->h.canary.reporting = b->h.canary.measured = 20;
    b->h.control.expected = b->h.control.reporting = 180;
    for (int c = COL_REBOOTS + 1; c < COL_BUILTIN; c++)
        memset(b->h.canary.column[c].gauge.over, 0xff, sizeof b->h.canary.column[c].gauge.over);
    b->in = (struct verdict_input){.policy = &b->policy,
                                   .health = &b->h,
                                   .device_class = "",
                                   .telemetry_expected = true,
                                   .telemetry_ok = true,
                                   .now = T0};
    b->h.canary.newest = T0;
}

static void cpu(struct bench *b, double ratio)
{
    b->h.value[FIGURE_CPU_MEAN] = 0.3 * ratio;
    b->h.against[FIGURE_CPU_MEAN] = 0.3;
    b->h.ratio[FIGURE_CPU_MEAN] = ratio;
}

static enum reaction step(struct bench *b)
{
    b->in.now += STEP;
    b->h.canary.newest += STEP;
    verdict_step(&b->in, &b->st, &b->out);
    return b->out.react;
}

static void healthy_is_calm(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(step(&b), REACT_NONE);
    assert_string_equal(b.out.rule, "");
    assert_non_null(strstr(b.out.text, "20 of 20 canaries report"));
    assert_int_equal(b.out.limits[0].status, LIMIT_OK);
}

/* 2 min at 15 s: pending for eight steps after the first, breach at the ninth. */
static void for_must_hold(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.5);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(step(&b), REACT_WATCH);
        assert_int_equal(b.out.limits[0].status, LIMIT_PENDING);
    }
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_int_equal(b.out.limits[0].status, LIMIT_BREACH);
    assert_string_equal(b.out.rule, "R-CPU");
    assert_string_equal(b.out.text,
                        "cpu 45% against 30% (1.50x, limit 1.25x) for 2m00s, at 00:02:15Z; 20 of 20 canaries");
}

static void one_good_evaluation_resets(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    for (int i = 0; i < 60; i++) {
        cpu(&b, i % 8 == 7 ? 1.2 : 1.5);
        assert_int_not_equal(step(&b), REACT_PAUSE);
    }
}

static void for_zero_needs_three_evaluations(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.limits[0].for_us = 0;
    cpu(&b, 1.5);
    assert_int_equal(step(&b), REACT_WATCH);
    assert_int_equal(step(&b), REACT_WATCH);
    assert_int_equal(step(&b), REACT_PAUSE);
}

/* Looking again at the same data is not a new evaluation, however long one looks. */
static void the_same_data_is_one_evaluation(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.limits[0].for_us = 0;
    cpu(&b, 1.5);
    step(&b);
    for (int i = 0; i < 1000; i++) {
        b.in.now += STEP;
        verdict_step(&b.in, &b.st, &b.out);
        assert_int_equal(b.out.react, REACT_WATCH);
    }
}

static void two_gaps_neither_advance_nor_reset(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.5);
    for (int i = 0; i < 8; i++)
        step(&b);
    b.in.telemetry_ok = false;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(step(&b), REACT_HOLD);
        assert_int_equal(b.out.limits[0].status, LIMIT_PENDING);
    }
    b.in.telemetry_ok = true;
    assert_int_equal(step(&b), REACT_PAUSE);
}

static void three_gaps_reset(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.5);
    for (int i = 0; i < 8; i++)
        step(&b);
    cpu(&b, NAN);
    for (int i = 0; i < 3; i++)
        step(&b);
    assert_int_equal(b.out.limits[0].status, LIMIT_UNKNOWN);
    cpu(&b, 1.5);
    for (int i = 0; i < 8; i++)
        assert_int_equal(step(&b), REACT_WATCH);
    assert_int_equal(step(&b), REACT_PAUSE);
}

/* An engine that looks every second must not turn two lost scrapes into thirty. */
static void gaps_are_counted_by_interval(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.in.interval_us = STEP;
    cpu(&b, 1.5);
    step(&b);
    b.in.telemetry_ok = false;
    for (int i = 0; i < 25; i++) {
        b.in.now += US_PER_S;
        verdict_step(&b.in, &b.st, &b.out);
    }
    assert_int_equal(b.out.limits[0].status, LIMIT_PENDING);
    for (int i = 0; i < 25; i++) {
        b.in.now += US_PER_S;
        verdict_step(&b.in, &b.st, &b.out);
    }
    assert_int_equal(b.out.limits[0].status, LIMIT_UNKNOWN);
}

static void tripped_stays_until_reset(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.5);
    for (int i = 0; i < 9; i++)
        step(&b);
    cpu(&b, 0.9);
    for (int i = 0; i < 50; i++)
        assert_int_equal(step(&b), REACT_PAUSE);
    assert_non_null(strstr(b.out.text, "(1.50x, limit 1.25x)")); /* what it tripped on */
    verdict_reset(&b.st);
    assert_int_equal(step(&b), REACT_NONE);
}

static void a_watch_limit_does_not_latch(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.limits[0].react = REACT_WATCH;
    cpu(&b, 1.5);
    for (int i = 0; i < 12; i++)
        assert_int_equal(step(&b), REACT_WATCH);
    assert_int_equal(b.out.limits[0].status, LIMIT_BREACH);
    cpu(&b, 1.0);
    assert_int_equal(step(&b), REACT_NONE);
}

static void min_devices_must_carry_it(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 3);
    for (int l = 0; l < HEALTH_LEVELS; l++)
        b.h.canary.column[COL_CPU].gauge.over[l] = 1;
    for (int i = 0; i < 20; i++)
        assert_int_equal(step(&b), REACT_NONE);
    b.h.canary.column[COL_CPU].gauge.over[0] = b.h.canary.column[COL_CPU].gauge.over[1] = 2;
    for (int i = 0; i < 9; i++)
        step(&b);
    assert_int_equal(b.out.react, REACT_PAUSE);
    assert_int_equal(b.out.limits[0].devices, 2);
}

static void wave_and_class_select(void **state)
{
    static const struct {
        const char *glob, *class;
        bool hit;
    } cases[] = {{"", "", true},        {"gw-*", "gw-7", true},   {"gw-*", "cam-7", false},
                 {"*", "", true},       {"?w*7", "gw-007", true}, {"g*w", "gww", true},
                 {"g*w", "gwx", false}, {"a*b*c", "aXbYc", true}, {"gw", "gw7", false}};
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench_init(&b);
        b.limits[0].device_class = cases[i].glob;
        b.in.device_class = cases[i].class;
        step(&b);
        assert_int_equal(b.out.n_limits, cases[i].hit);
    }
    bench_init(&b);
    b.limits[0].wave = 1;
    step(&b);
    assert_int_equal(b.out.n_limits, 0);
    b.in.wave_index = 1;
    step(&b);
    assert_int_equal(b.out.n_limits, 1);
}

static void dry_run_only_says_so(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.limits[0].dry_run = true;
    b.limits[0].react = REACT_ROLLBACK;
    cpu(&b, 1.5);
    for (int i = 0; i < 9; i++)
        assert_int_equal(step(&b), REACT_NONE);
    assert_int_equal(b.out.would, REACT_ROLLBACK);
    assert_int_equal(b.out.limits[0].status, LIMIT_BREACH);
}

static void the_most_severe_decides(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.policy.n_limits = 3;
    b.limits[1] = b.limits[0];
    b.limits[1].id = "R-CPU-2";
    b.limits[1].react = REACT_ROLLBACK;
    b.limits[1].for_us = US_PER_MIN;
    b.limits[2] = b.limits[0];
    b.limits[2].id = "R-DRY";
    b.limits[2].dry_run = true;
    cpu(&b, 1.5);
    for (int i = 0; i < 5; i++)
        step(&b);
    assert_int_equal(b.out.react, REACT_ROLLBACK);
    assert_string_equal(b.out.rule, "R-CPU-2");
    for (int i = 0; i < 9; i++)
        step(&b);
    assert_int_equal(b.out.react, REACT_ROLLBACK);
    assert_int_equal(b.out.would, REACT_NONE); /* adds nothing to a roll back */
}

static void install_failures_need_no_telemetry(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.in.telemetry_expected = false;
    b.h.canary.newest = b.h.control.newest = 0;
    b.limits[0] = (struct limit){.id = "R-INSTALL",
                                 .metric = "install-failed",
                                 .basis = BASIS_ABSOLUTE,
                                 .value = 0.1,
                                 .min_devices = 3,
                                 .wave = -1,
                                 .react = REACT_PAUSE};
    b.h.told = 20;
    b.h.failed = 2;
    b.h.value[FIGURE_INSTALL] = 0.1;
    for (int i = 0; i < 5; i++) {
        b.in.now += US_PER_S;
        verdict_step(&b.in, &b.st, &b.out);
        assert_int_equal(b.out.react, REACT_NONE);
    }
    b.h.failed = 3;
    b.h.value[FIGURE_INSTALL] = 0.15;
    for (int i = 0; i < 3; i++) {
        b.in.now += US_PER_S;
        verdict_step(&b.in, &b.st, &b.out);
    }
    assert_int_equal(b.out.react, REACT_PAUSE);
    assert_string_equal(b.out.text, "failed installs 15%, over the limit of 10% at 00:00:08Z; 3 of 20 devices told");
}

static void lost_telemetry_holds_then_pauses(void **state)
{
    struct bench b;
    int steps;

    (void)state;
    bench_init(&b);
    steps = (int)(b.policy.lost_pause_us / STEP);
    cpu(&b, 1.0);
    b.in.telemetry_ok = false;
    for (int i = 0; i < steps; i++)
        assert_int_equal(step(&b), REACT_HOLD);
    assert_true(b.out.data_missing);
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_string_equal(b.out.rule, VERDICT_RULE_LOST);
    b.policy.lost_react = REACT_HOLD;
    assert_int_equal(step(&b), REACT_HOLD);
    b.in.telemetry_ok = true;
    assert_int_equal(step(&b), REACT_NONE);
    assert_int_equal(b.out.unknown_since, 0);
}

/* Two watchers, one of them started just now, say the same of the same silence. */
static void silence_is_the_worlds(void **state)
{
    struct bench old, late;

    (void)state;
    bench_init(&old);
    bench_init(&late);
    cpu(&old, 1.0);
    cpu(&late, 1.0);
    old.in.interval_us = late.in.interval_us = STEP;
    old.in.telemetry_ok = late.in.telemetry_ok = false;
    old.in.covered_until = late.in.covered_until = T0;
    old.in.watched_since = T0 - US_PER_HOUR;
    late.in.watched_since = T0 + US_PER_MIN;
    old.in.now = late.in.now = T0 + 2 * US_PER_MIN;
    verdict_step(&old.in, &old.st, &old.out);
    verdict_step(&late.in, &late.st, &late.out);
    assert_int_equal(old.out.react, REACT_HOLD);
    assert_int_equal(late.out.react, REACT_HOLD);
    assert_int_equal(late.out.unknown_since, T0);
    assert_string_equal(late.out.text, old.out.text);
    assert_string_equal(late.out.text, "no fresh telemetry, since 00:00:00Z: no wave may start; pauses at 00:10:00Z");
    late.in.now = T0 + late.policy.lost_pause_us;
    verdict_step(&late.in, &late.st, &late.out);
    assert_int_equal(late.out.react, REACT_PAUSE);
    /* A person who resumes in spite of it is given as long again. */
    assert_int_equal(verdict_on_resume(&late.out), REACT_WATCH);
    late.in.resumed_at = late.in.now;
    late.in.now += STEP;
    verdict_step(&late.in, &late.st, &late.out);
    assert_int_equal(late.out.react, REACT_WATCH);
    assert_int_equal(late.out.unknown_since, T0);
    assert_string_equal(late.out.text,
                        "no fresh telemetry, since 00:00:00Z; resumed all the same at 00:10:00Z: pauses at 00:20:00Z");
    late.in.now -= STEP;
    late.in.now += late.policy.lost_pause_us;
    verdict_step(&late.in, &late.st, &late.out);
    assert_int_equal(late.out.react, REACT_PAUSE);
    /* Samples that are still good when the source fails: it has been missing for no time at all. */
    late.in.resumed_at = 0;
    late.in.covered_until = late.in.now + STEP;
    verdict_step(&late.in, &late.st, &late.out);
    assert_int_equal(late.out.react, REACT_NONE);
    assert_true(late.out.thin && !late.out.data_missing);
}

/* A gap of a moment is no loss: the third poll in a row without enough devices holds, whenever else it is looked, and
 * whoever looks, and nothing is advanced meanwhile. */
static void three_polls_without_data_hold(void **state)
{
    struct bench b;
    int64_t since = T0 + 5 * US_PER_S;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.interval_us = STEP;
    b.h.canary.reporting = 15;
    b.in.covered_until = since;
    b.in.watched_since = T0 - US_PER_HOUR;
    for (int64_t t = T0 + 6 * US_PER_S; t < T0 + 4 * STEP; t += US_PER_S) {
        int64_t polled = (t - 2 * US_PER_S) / STEP * STEP; /* each poll is answered two seconds after its tick */
        b.in.now = t;
        b.in.tick = polled;
        verdict_step(&b.in, &b.st, &b.out);
        assert_true(b.out.thin);
        assert_int_equal(b.out.data_missing, polled >= T0 + 3 * STEP);
        assert_int_equal(b.out.react, polled >= T0 + 3 * STEP ? REACT_HOLD : REACT_NONE);
        assert_int_equal(b.out.unknown_since, polled >= T0 + 3 * STEP ? since : 0);
        if (t == T0 + 20 * US_PER_S)
            assert_string_equal(b.out.text, "only 15 of 20 canaries report (16 needed) while control does, since "
                                            "00:00:05Z: the third poll in a row like this holds the next wave");
    }
    assert_string_equal(b.out.text, "only 15 of 20 canaries report (16 needed) while control does, since "
                                    "00:00:05Z: no wave may start; pauses at 00:10:05Z");
    b.in.covered_until = b.in.now - US_PER_S; /* enough for a moment */
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_NONE);
    /* Polls so far apart that three of them last longer than it takes to pause. */
    b.in.interval_us = 5 * US_PER_MIN;
    b.in.covered_until = T0 + US_PER_S;
    b.in.now = b.in.tick = T0 + 14 * US_PER_MIN;
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_NONE);
    b.in.now = b.in.tick = T0 + 15 * US_PER_MIN;
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_PAUSE);
    assert_non_null(strstr(b.out.text, "since 00:00:01Z: missing data is never health"));
    b.in.now += US_PER_DAY; /* the date is said when it is not today's */
    verdict_step(&b.in, &b.st, &b.out);
    assert_non_null(strstr(b.out.text, "since 1972-09-27T00:00:01"));
}

/* With five canaries one or two that are away are no loss of telemetry; none that reports always is. */
static void a_few_devices_are_no_loss(void **state)
{
    static const int need[] = {0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 13};
    struct policy p = *policy_default();
    struct bench b;

    (void)state;
    for (int n = 0; n < (int)(sizeof need / sizeof *need); n++)
        assert_int_equal(policy_report_needed(&p, n), need[n]);
    assert_int_equal(policy_report_needed(&p, 20), 16);
    assert_int_equal(policy_report_needed(&p, -1), 0);
    p.lost_devices = 1;
    assert_int_equal(policy_report_needed(&p, 5), 4);
    p.min_coverage = 0.01;
    assert_int_equal(policy_report_needed(&p, 5), 1);
    bench_init(&b);
    cpu(&b, 1.0);
    b.h.canary.expected = 5;
    b.h.canary.reporting = 3;
    assert_int_equal(step(&b), REACT_NONE);
    assert_false(b.out.thin);
    b.h.canary.reporting = 2;
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "only 2 of 5 canaries report (3 needed)"));
    b.h.canary.expected = 1;
    b.h.canary.reporting = 0;
    assert_int_equal(step(&b), REACT_HOLD);
}

/* Who was started a moment ago does nothing for want of data, but neither does it call it health. */
static void a_new_watcher_waits_for_a_window(void **state)
{
    struct bench b;
    struct evidence e;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.interval_us = STEP;
    b.h.canary.reporting = 0;
    b.h.control.reporting = 0;
    b.in.watched_since = T0;
    b.in.now = T0 + 170 * US_PER_MS;
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_NONE);
    assert_true(b.out.early && b.out.data_missing);
    assert_non_null(strstr(b.out.text, "of 45s"));
    assert_null(strstr(b.out.text, "pauses at"));
    /* Evidence that is in hand is not held back. */
    memset(&e, 0, sizeof e);
    e.test = "crash-loop";
    e.log_e = e.log_now = 20;
    e.log_pause = 5;
    e.devices = 3;
    e.min_devices = 2;
    b.policy.evidence.n_levels = 1;
    b.policy.evidence.level[0].times = 1;
    b.policy.evidence.level[0].react = REACT_PAUSE;
    b.policy.evidence.tests = TESTS_ON;
    b.in.evidence = &e;
    b.in.n_evidence = 1;
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_PAUSE);
    b.in.n_evidence = 0;
    b.in.now = T0 + 3 * STEP;
    verdict_step(&b.in, &b.st, &b.out);
    assert_int_equal(b.out.react, REACT_HOLD);
    assert_false(b.out.early);
    assert_int_equal(b.out.unknown_since, T0);
}

/* What has not come, and why, are different things. */
static void silence_is_named(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.telemetry_expected = false;
    assert_int_equal(step(&b), REACT_NONE);
    assert_non_null(strstr(b.out.text, "no source is configured"));
    b.in.telemetry_source = true;
    assert_int_equal(step(&b), REACT_NONE);
    assert_non_null(strstr(b.out.text, "not been asked about this wave yet"));
    b.h.canary.expected = 0;
    assert_int_equal(step(&b), REACT_NONE);
    assert_non_null(strstr(b.out.text, "no device of this wave counts yet"));
    b.h.canary.expected = 20;
    b.h.canary.reporting = 0;
    b.in.telemetry_expected = true;
    b.in.lack = "no query has any series";
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "none of 20 canaries reports: no query has any series, since"));
    b.in.telemetry_ok = false;
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "no fresh telemetry")); /* what an old answer lacked says nothing */
}

static void coverage_below_the_minimum_holds(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.h.canary.reporting = 16;
    assert_int_equal(step(&b), REACT_NONE);
    b.h.canary.reporting = 15;
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "only 15 of 20 canaries report (16 needed)"));
    b.h.canary.reporting = 20;
    b.h.control.reporting = 0;
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "none of 180 control devices reports"));
}

/* Devices in a crash loop stop reporting: what the others show must still halt. */
static void a_breach_is_seen_through_thin_coverage(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.h.canary.reporting = 12;
    cpu(&b, 1.5);
    for (int i = 0; i < 8; i++)
        assert_int_equal(step(&b), REACT_HOLD);
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_string_equal(b.out.rule, "R-CPU");
}

/* A limit on a metric of the policy's own, by difference: two degrees under control. */
static void a_limit_by_difference(void **state)
{
    static const struct metric_def own = {.id = "temperature",
                                          .title = "temperature",
                                          .unit = "C",
                                          .kind = KIND_GAUGE,
                                          .worse = WORSE_BOTH,
                                          .own = true,
                                          .diff = true,
                                          .window_us = 5 * US_PER_MIN};
    struct bench b;
    struct arena a;

    (void)state;
    arena_init(&a);
    bench_init(&b);
    b.policy.evidence.own = &own;
    b.policy.evidence.n_own = 1;
    assert_true(metric_make_tests(&b.policy.evidence, &a));
    b.limits[0].metric = "temperature";
    b.limits[0].under = true;
    b.limits[0].value = -2;
    b.h.canary.column[COL_BUILTIN].gauge = (struct gauge_health){.mean = -12, .change = -1.5};
    b.h.control.column[COL_BUILTIN].gauge = (struct gauge_health){.mean = -8, .change = 0.4};
    health_compare(&b.h, &b.policy.evidence, NULL, b.in.now);
    for (int i = 0; i < 12; i++)
        assert_int_equal(step(&b), REACT_NONE);
    b.h.canary.column[COL_BUILTIN].gauge.change = -2.6;
    health_compare(&b.h, &b.policy.evidence, NULL, b.in.now);
    assert_int_equal(step(&b), REACT_WATCH);
    while (step(&b) == REACT_WATCH)
        ;
    assert_int_equal(b.out.react, REACT_PAUSE);
    assert_non_null(strstr(b.out.text, " (-3, limit -2) for 2m00s"));
    b.limits[0].metric = "humidity"; /* nothing of that name is measured: not known, and no health */
    verdict_reset(&b.st);
    assert_int_equal(step(&b), REACT_NONE);
    assert_int_equal(b.out.limits[0].status, LIMIT_UNKNOWN);
    arena_release(&a);
}

static void reboots(struct bench *b, int64_t rebooted, int64_t looped, int64_t n)
{
    b->h.canary.column[COL_REBOOTS].count.days = 20.0 * 10 / 1440;
    b->h.control.column[COL_REBOOTS].count.days = 180.0 * 10 / 1440;
    b->h.canary.column[COL_REBOOTS].count.had = rebooted;
    b->h.canary.column[COL_REBOOTS].count.twice = looped;
    b->h.canary.column[COL_REBOOTS].count.events = n;
    b->h.canary.column[COL_REBOOTS].count.rate = (double)n / b->h.canary.column[COL_REBOOTS].count.days;
    b->h.control.column[COL_REBOOTS].count.events = b->h.control.column[COL_REBOOTS].count.had = 1;
    b->h.control.column[COL_REBOOTS].count.rate = 1 / b->h.control.column[COL_REBOOTS].count.days;
    health_compare(&b->h, &b->policy.evidence, NULL, b->in.now);
}

static bool halts(int64_t rebooted, int64_t looped, int64_t n, enum basis basis, double limit)
{
    struct bench b;

    bench_init(&b);
    b.limits[0].metric = "reboots";
    b.limits[0].basis = basis;
    b.limits[0].value = limit;
    reboots(&b, rebooted, looped, n);
    for (int i = 0; i < 12; i++)
        step(&b);
    return b.out.react == REACT_PAUSE;
}

static void a_few_reboots_are_chance(void **state)
{
    (void)state;
    assert_false(halts(2, 0, 2, BASIS_RELATIVE, 3)); /* 0.1 expected: 4x, but a day has 150 such windows */
    assert_false(halts(3, 0, 3, BASIS_RELATIVE, 3));
    assert_false(halts(1, 1, 40, BASIS_RELATIVE, 3)); /* one device in a loop is one device */
    assert_false(halts(2, 2, 40, BASIS_RELATIVE, 3));
    assert_true(halts(6, 0, 6, BASIS_RELATIVE, 3));
    assert_true(halts(3, 3, 9, BASIS_RELATIVE, 3)); /* three in a loop are not */
    assert_true(halts(20, 20, 60, BASIS_RELATIVE, 3));
    assert_false(halts(2, 0, 2, BASIS_ABSOLUTE, 12)); /* 14 a day, from two reboots */
    assert_true(halts(6, 6, 18, BASIS_ABSOLUTE, 12));
    assert_false(halts(6, 6, 18, BASIS_ABSOLUTE, 200));
}

static void levels(struct bench *b, double times, enum reaction react)
{
    struct evidence_policy *p = &b->policy.evidence;

    p->level[p->n_levels++] = (struct evidence_level){times, react};
}

static void evidence_is_judged_beside_limits(void **state)
{
    struct evidence e = {.test = "crash-loop",
                         .log_e = log(20),
                         .log_now = log(20),
                         .log_pause = log(250),
                         .log_rollback = log(2500),
                         .devices = 3,
                         .min_devices = 2,
                         .canary = 3,
                         .control = 0,
                         .canary_of = 20,
                         .control_of = 1980};
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.evidence = &e;
    b.in.n_evidence = 1;
    assert_int_equal(step(&b), REACT_NONE);
    e.log_e = e.log_now = log(25.1); /* a tenth of what a pause needs: the default's first level */
    assert_int_equal(step(&b), REACT_WATCH);
    e.log_e = e.log_now = log(249);
    assert_int_equal(step(&b), REACT_WATCH);
    e.log_e = e.log_now = log(72000);
    assert_int_equal(step(&b), REACT_PAUSE); /* a roll back only where a level says so */
    assert_string_equal(b.out.rule, "crash-loop");
    assert_string_equal(
        b.out.text,
        "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others. Evidence 72,000; 250 needed to pause");
    levels(&b, 10, REACT_ROLLBACK);
    assert_int_equal(step(&b), REACT_ROLLBACK);
    assert_non_null(strstr(b.out.text, "; 250 needed to pause, 2,500 to roll back"));
    e.log_e = e.log_now = log(2490);
    assert_int_equal(step(&b), REACT_PAUSE);
    e.log_e = e.log_now = log(72000);
    e.devices = 1; /* one bad device never halts a fleet, but it is watched */
    assert_int_equal(step(&b), REACT_WATCH);
    e.devices = 2;
    e.dismissed = true;
    assert_int_equal(step(&b), REACT_WATCH); /* acknowledged: acts no more, and is not "ok" either */
    assert_non_null(strstr(b.out.text, "Acknowledged"));
    e.devices = 1;
    assert_int_equal(step(&b), REACT_NONE);
    e.devices = 2;
    e.dismissed = false;
    e.log_e = NAN;
    assert_int_equal(step(&b), REACT_NONE);
    e = (struct evidence){.test = "unset", .log_e = 5, .devices = 9};
    assert_int_equal(step(&b), REACT_NONE);
}

/* The one that is furthest beyond its own need, whichever comes first; what does more goes before what is stronger. */
static void the_strongest_of_equal_evidence_is_named(void **state)
{
    struct evidence e[3] = {{.test = "cpu", .log_e = log(300), .log_pause = log(250)},
                            {.test = "crash-loop", .log_e = log(900), .log_pause = log(500)},
                            {.test = "silence", .log_e = log(1000), .log_pause = log(800)}};
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    for (int i = 0; i < 3; i++) {
        e[i].log_now = e[i].log_e;
        e[i].log_rollback = e[i].log_pause + log(10);
        e[i].devices = 3;
        e[i].min_devices = 2;
        e[i].canary_of = e[i].control_of = 20;
    }
    b.in.evidence = e;
    b.in.n_evidence = 3;
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_string_equal(b.out.rule, "crash-loop");
    e[1].devices = 1;
    e[1].log_e = e[1].log_now = log(1e6); /* only watched */
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_string_equal(b.out.rule, "silence");
}

static void evidence_of_a_dry_run_only_says_so(void **state)
{
    struct evidence e = {.test = "cpu",
                         .log_e = log(5000),
                         .log_now = log(5000),
                         .log_pause = log(500),
                         .log_rollback = log(5000),
                         .devices = 20,
                         .min_devices = 2,
                         .canary = 18,
                         .control = 9,
                         .canary_of = 20,
                         .control_of = 180,
                         .ratio = 1.3,
                         .ratio_low = NAN,
                         .ratio_high = NAN};
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.evidence = &e;
    b.in.n_evidence = 1;
    b.policy.evidence.tests = TESTS_DRY_RUN;
    assert_int_equal(step(&b), REACT_NONE);
    assert_int_equal(b.out.would, REACT_PAUSE);
    b.policy.evidence.tests = TESTS_OFF;
    assert_int_equal(step(&b), REACT_NONE);
    assert_int_equal(b.out.would, REACT_NONE);
    b.policy.evidence.tests = TESTS_ON;
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_int_equal(b.out.would, REACT_NONE);
}

static void catching_up_holds_and_masks_nothing(void **state)
{
    struct evidence e = {.test = "silence",
                         .log_e = log(5000),
                         .log_now = log(5000),
                         .log_pause = log(500),
                         .log_rollback = log(5000),
                         .devices = 4,
                         .min_devices = 2,
                         .canary = 4,
                         .control = 0,
                         .canary_of = 20,
                         .control_of = 180,
                         .ratio = NAN,
                         .ratio_low = NAN,
                         .ratio_high = NAN};
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.in.waits_rule = VERDICT_RULE_CATCHING;
    b.in.waits = "until it is known no wave may start";
    assert_int_equal(step(&b), REACT_HOLD);
    assert_string_equal(b.out.rule, VERDICT_RULE_CATCHING);
    b.in.evidence = &e;
    b.in.n_evidence = 1;
    assert_int_equal(step(&b), REACT_PAUSE);
    assert_string_equal(b.out.rule, "silence");
    e.log_e = log(60);
    assert_int_equal(step(&b), REACT_HOLD);
    assert_string_equal(b.out.rule, VERDICT_RULE_CATCHING);
}

static void who_is_silent_is_told(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    cpu(&b, 1.0);
    b.h.canary.reporting = 4;
    assert_int_equal(step(&b), REACT_HOLD);
    assert_non_null(strstr(b.out.text, "canaries report (16 needed) while control does"));
    b.h.control.reporting = 20;
    step(&b);
    assert_non_null(strstr(b.out.text, "it looks like the telemetry"));
    b.h.control.reporting = 0;
    step(&b);
    assert_non_null(strstr(b.out.text, "it looks like the telemetry"));
    b.h.canary.reporting = 20;
    step(&b);
    assert_non_null(strstr(b.out.text, "none of 180 control devices"));
}

static void evidence_in_words(void **state)
{
    struct evidence e = {.test = "cpu",
                         .log_e = 9,
                         .log_now = 9,
                         .log_pause = log(500),
                         .log_rollback = log(5000),
                         .devices = 20,
                         .min_devices = 2,
                         .canary = 18,
                         .control = 9,
                         .canary_of = 20,
                         .control_of = 180,
                         .ratio = 1.3,
                         .ratio_low = NAN,
                         .ratio_high = NAN};
    struct bench b;
    char text[200];

    (void)state;
    bench_init(&b);
    levels(&b, 10, REACT_ROLLBACK);
    evidence_sentence(&b.policy.evidence, &e, text, sizeof text);
    assert_string_equal(text, "18 of 20 canaries are above 95% of the 180 others in CPU against their own past. "
                              "Evidence 8,103; 500 needed to pause, 5,000 to roll back");
    e.plain = "use more CPU than before"; /* as a trial fills it in */
    e.form = FORM_SHIFT;
    evidence_sentence(&b.policy.evidence, &e, text, sizeof text);
    assert_non_null(strstr(text, "18 of 20 canaries are above 95% of the 180 others in CPU against their own past."));
    e.plain = NULL;
    e.test = "install";
    e.canary = 3;
    evidence_sentence(&b.policy.evidence, &e, text, sizeof text);
    assert_string_equal(
        text, "3 of 20 devices told failed to install. Evidence 8,103; 500 needed to pause, 5,000 to roll back");
}

static void more_limits_than_fit_are_cut(void **state)
{
    static struct limit many[VERDICT_LIMITS_MAX + 8];
    struct bench b;

    (void)state;
    bench_init(&b);
    for (size_t i = 0; i < VERDICT_LIMITS_MAX + 8; i++)
        many[i] = b.limits[0];
    b.policy.limits = many;
    b.policy.n_limits = VERDICT_LIMITS_MAX + 8;
    cpu(&b, 1.0);
    step(&b);
    assert_int_equal(b.out.n_limits, VERDICT_LIMITS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_by_difference),
        cmocka_unit_test(healthy_is_calm),
        cmocka_unit_test(for_must_hold),
        cmocka_unit_test(one_good_evaluation_resets),
        cmocka_unit_test(for_zero_needs_three_evaluations),
        cmocka_unit_test(the_same_data_is_one_evaluation),
        cmocka_unit_test(two_gaps_neither_advance_nor_reset),
        cmocka_unit_test(three_gaps_reset),
        cmocka_unit_test(gaps_are_counted_by_interval),
        cmocka_unit_test(tripped_stays_until_reset),
        cmocka_unit_test(a_watch_limit_does_not_latch),
        cmocka_unit_test(min_devices_must_carry_it),
        cmocka_unit_test(wave_and_class_select),
        cmocka_unit_test(dry_run_only_says_so),
        cmocka_unit_test(the_most_severe_decides),
        cmocka_unit_test(install_failures_need_no_telemetry),
        cmocka_unit_test(lost_telemetry_holds_then_pauses),
        cmocka_unit_test(three_polls_without_data_hold),
        cmocka_unit_test(a_few_devices_are_no_loss),
        cmocka_unit_test(silence_is_the_worlds),
        cmocka_unit_test(a_new_watcher_waits_for_a_window),
        cmocka_unit_test(silence_is_named),
        cmocka_unit_test(coverage_below_the_minimum_holds),
        cmocka_unit_test(a_breach_is_seen_through_thin_coverage),
        cmocka_unit_test(a_few_reboots_are_chance),
        cmocka_unit_test(evidence_is_judged_beside_limits),
        cmocka_unit_test(the_strongest_of_equal_evidence_is_named),
        cmocka_unit_test(evidence_of_a_dry_run_only_says_so),
        cmocka_unit_test(catching_up_holds_and_masks_nothing),
        cmocka_unit_test(who_is_silent_is_told),
        cmocka_unit_test(evidence_in_words),
        cmocka_unit_test(more_limits_than_fit_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
