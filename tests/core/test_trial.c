/* The rules of a trial: who is at risk when, what counts, where evidence stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/eprocess.h"
#include "core/ledger.h"
#include "tests/core/trial_kit.h"

#define EVENTS(k, s, test, c, ctl)                                                                                     \
    do {                                                                                                               \
        struct evidence ev_ = kit_evidence(k, s, test);                                                                \
        assert_int_equal(ev_.canary, c);                                                                               \
        assert_int_equal(ev_.control, ctl);                                                                            \
    } while (0)

static void a_spec_is_checked(void **state)
{
    struct trial_spec good = {.policy = policy_default()->evidence,
                              .waves = 4,
                              .start = KIT_START,
                              .step_us = KIT_STEP,
                              .grace_us = KIT_GRACE,
                              .silence_us = 5 * US_PER_MIN},
                      s;
    struct err e;

    (void)state;
    for (int i = 0; i < 12; i++) {
        s = good;
        s.waves = i == 0 ? 0 : i == 1 ? TRIAL_WAVES + 1 : s.waves;
        s.start = i == 2 ? 0 : s.start;
        s.step_us = i == 3 ? US_PER_MS : i == 4 ? 2 * US_PER_HOUR : s.step_us;
        s.grace_us = i == 5 ? -1 : s.grace_us;
        s.silence_us = i == 6 ? 1 : s.silence_us;
        s.policy.alpha = i == 7 ? 0 : s.policy.alpha;
        s.policy.tolerance[ROW_REBOOTS] = i == 8 ? 0.5 : s.policy.tolerance[ROW_REBOOTS];
        s.policy.tolerance[ROW_INSTALL] = i == 9 ? 1 : s.policy.tolerance[ROW_INSTALL];
        s.policy.min_devices = i == 10 ? 0 : s.policy.min_devices;
        s.policy.tolerance[ROW_CPU] = i == 11 ? NAN : s.policy.tolerance[ROW_CPU];
        err_clear(&e);
        assert_null(trial_new(&s, &e));
        assert_int_equal(e.code, ERR_RANGE);
        assert_true(e.what[0] != '\0');
    }
}

static void words(void **state)
{
    enum trial_test t;

    (void)state;
    for (int k = 0; k < TEST_COUNT; k++) {
        assert_true(trial_test_find(metric_test(&policy_default()->evidence, (int)k)->word, &t));
        assert_int_equal(t, k);
        assert_true(strlen(trial_test_plain(t)) > 5);
    }
    assert_false(trial_test_find("?", &t));
    assert_false(trial_test_find(NULL, &t));
}

static void alpha_is_split_as_the_design_says(void **state)
{
    struct kit k;
    double sum = 0, stage0 = 0.05 * 8 / 15;
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];

    (void)state;
    kit_init(&k, 4, 5, 20);
    kit_until(&k, KIT_GRACE);
    assert_int_equal(trial_evidence(k.t, 0, v, which), TEST_COUNT);
    for (int i = 0; i < TEST_COUNT; i++) {
        assert_int_equal(which[i], i);
        assert_true(fabs(v[i].log_rollback - v[i].log_pause - log(10)) < 1e-12);
        sum += exp(-v[i].log_pause);
    }
    assert_true(fabs(sum - (stage0 * 0.8 + 0.05 * 0.2)) < 1e-12);
    assert_true(fabs(exp(-v[TEST_LOOP].log_pause) - stage0 * 0.15) < 1e-12);
    assert_true(fabs(exp(-v[TEST_CPU].log_pause) - stage0 * 0.075) < 1e-12);
    assert_true(fabs(exp(-v[TEST_STUCK].log_pause) - stage0 * 0.15 / 8) < 1e-12);
    kit_free(&k);
}

static void a_metric_without_a_share_is_not_tested(void **state)
{
    struct kit k;
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];

    (void)state;
    kit_empty(&k, 1);
    kit_free(&k);
    k.spec.policy.share[ROW_CPU] = 0;
    k.spec.policy.share[ROW_INSTALL] = 0;
    k.t = trial_new(&k.spec, NULL);
    struct trial_past past = kit_past();
    kit_add(&k, 0, true, 0, &past);
    kit_until(&k, KIT_GRACE);
    assert_int_equal(trial_evidence(k.t, 0, v, which), TEST_COUNT - 6);
    for (size_t i = 0; i < TEST_COUNT - 6; i++)
        assert_true(which[i] != TEST_CPU && which[i] != TEST_CPU125 && which[i] != TEST_INSTALL);
    kit_free(&k);
}

static void a_stage_begins_after_the_grace(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, 2, 5, 20);
    kit_until(&k, KIT_GRACE - KIT_STEP);
    assert_int_equal(trial_stage(k.t), -1);
    kit_boot(&k, 0); /* in the grace of either group nothing counts, nor what reaches back into it */
    kit_boot(&k, 9);
    kit_tick(&k);
    assert_int_equal(trial_stage(k.t), 0);
    EVENTS(&k, 0, TEST_BOOT1, 0, 0);
    kit_ticks(&k, 4);
    EVENTS(&k, 0, TEST_BOOT1, 0, 0);
    kit_boot(&k, 0);
    kit_boot(&k, 9);
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 1);
    kit_boot(&k, 0); /* once a device */
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 1);
    EVENTS(&k, 0, TEST_BOOT2, 1, 0);
    kit_free(&k);
}

static void evidence_is_the_log_rank_process(void **state)
{
    struct kit k;
    struct eprocess e;
    struct evidence v;

    (void)state;
    kit_init(&k, 4, 20, 180);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    eprocess_init(&e, 1.25);
    for (size_t i = 0; i < 3; i++) {
        kit_boot(&k, i);
        kit_boot(&k, 100 + i);
        kit_tick(&k);
        assert_true(eprocess_logrank(&e, 20 - (int)i, 180 - (int)i, 1, 1));
    }
    kit_boot(&k, 5);
    kit_boot(&k, 6);
    kit_tick(&k);
    assert_true(eprocess_logrank(&e, 17, 177, 2, 0));
    v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.log_now == eprocess_log(&e));
    assert_true(v.log_e == eprocess_log(&e));
    assert_int_equal(v.devices, 5);
    assert_int_equal(v.canary_of, 20);
    assert_int_equal(v.control_of, 180);
    for (size_t i = 120; i < 150; i++)
        kit_boot(&k, i);
    kit_tick(&k);
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).log_now < v.log_now); /* what was most stays */
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).log_e == v.log_e);
    kit_free(&k);
}

static void three_reboots_in_half_an_hour_are_a_loop(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, 1, 4, 20);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    for (int i = 0; i < 3; i++) { /* 31 min in all, and 29 min */
        kit_boot(&k, 0);
        kit_tick(&k);
        if (i < 2)
            kit_until(&k, trial_next_tick(k.t) - KIT_START + 31 * US_PER_MIN / 2);
    }
    EVENTS(&k, 0, TEST_LOOP, 0, 0);
    for (int i = 0; i < 3; i++) {
        kit_boot(&k, 1);
        kit_tick(&k);
        if (i < 2)
            kit_until(&k, trial_next_tick(k.t) - KIT_START + 14 * US_PER_MIN);
    }
    EVENTS(&k, 0, TEST_LOOP, 1, 0);
    k.silent[2] = true; /* away for three days, five reboots: no loop */
    kit_until(&k, 3 * US_PER_DAY);
    k.silent[2] = false;
    k.boots[2] += 5;
    kit_ticks(&k, 2);
    EVENTS(&k, 0, TEST_LOOP, 1, 0);
    EVENTS(&k, 0, TEST_BOOT4, 1, 0);
    EVENTS(&k, 0, TEST_SILENT, 1, 0);
    kit_free(&k);
}

static void one_device_never_crosses(void **state)
{
    struct kit k;
    struct evidence v;

    (void)state;
    kit_init(&k, 1, 2, 0);
    kit_free(&k);
    k.spec.policy.alpha = 0.9; /* so that one device would do */
    k.t = trial_new(&k.spec, NULL);
    k.n = 0;
    struct trial_past p = kit_past();
    for (int i = 0; i < 250; i++)
        kit_add(&k, i < 2 ? 0 : -1, true, 0, &p);
    assert_true(trial_installed(k.t, TRIAL_IX(0), KIT_START) && trial_installed(k.t, TRIAL_IX(1), KIT_START));
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    for (int j = 0; j < 3; j++) {
        kit_boot(&k, 0);
        kit_tick(&k);
    }
    v = kit_evidence(&k, 0, TEST_LOOP);
    assert_true(v.log_e >= v.log_pause && v.devices == 1);
    assert_int_equal(v.crossed_at, 0);
    for (int j = 0; j < 3; j++) {
        kit_boot(&k, 1);
        kit_tick(&k);
    }
    v = kit_evidence(&k, 0, TEST_LOOP);
    assert_int_equal(v.devices, 2);
    assert_true(v.log_e >= v.log_pause);
    assert_int_equal(v.crossed_at, trial_next_tick(k.t) - KIT_STEP);
    kit_free(&k);
}

static void who_is_at_risk_is_decided_before_the_rollout(void **state)
{
    struct kit k;
    struct trial_past p = kit_past();

    (void)state;
    kit_empty(&k, 1);
    for (int wave = 0; wave >= -1; wave--) { /* the same for canary and control */
        kit_add(&k, wave, true, 0, &p);
        p.hour[COL_REBOOTS] = 3;
        kit_add(&k, wave, true, 0, &p);
        p = kit_past();
        p.last_t = KIT_START - 6 * US_PER_MIN;
        kit_add(&k, wave, true, 0, &p);
        p.last_t = 0;
        kit_add(&k, wave, true, 0, &p);
        p = kit_past();
        p.hour[COL_CPU] = 0.2 * 1.6;
        kit_add(&k, wave, true, 0, &p);
        p = kit_past();
        p.hour[COL_VARIANCE] = 9;
        kit_add(&k, wave, true, 0, &p);
        p.hour[COL_VARIANCE] = 0.01;
        kit_add(&k, wave, true, 0, &p);
        p = (struct trial_past){.hour = {9, 5}, .base = {[COL_CPU] = 1}}; /* not known: at risk for all */
        kit_add(&k, wave, true, 0, &p);
        p = kit_past();
        p.base[COL_CPU] = p.base[COL_VARIANCE] = NAN;
        kit_add(&k, wave, true, 0, &p);
        p = kit_past();
    }
    for (size_t i = 0; i < 9; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START));
    kit_until(&k, KIT_GRACE + 3 * KIT_STEP);
    static const int of[TEST_INSTALL] = {8, 9, 9, 9, 9, 7, 6, 6, 7, 7, 6, 6, 7, 6, 0, 0};
    for (int t = 0; t < TEST_CPU; t++) {
        struct evidence v = kit_evidence(&k, 0, (enum trial_test)t);
        assert_int_equal(v.canary_of, of[t]);
        assert_int_equal(v.control_of, of[t]);
    }
    kit_free(&k);
}

static void silence_is_an_event_and_censors(void **state)
{
    struct kit k;
    int64_t canary, control;
    double hours;

    (void)state;
    kit_init(&k, 1, 4, 20);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    k.silent[0] = k.silent[10] = true;
    kit_until(&k, KIT_GRACE + 6 * US_PER_MIN);
    EVENTS(&k, 0, TEST_SILENT, 0, 0);
    kit_tick(&k);
    EVENTS(&k, 0, TEST_SILENT, 1, 1);
    trial_watch(k.t, &canary, &control, &hours);
    assert_int_equal(canary, 3);
    assert_int_equal(control, 19);
    k.silent[0] = false;
    kit_boot(&k, 0); /* what happened in the silence comes with its end */
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 0);
    trial_watch(k.t, &canary, &control, &hours);
    assert_int_equal(canary, 4);
    assert_true(hours > 4 * 6.0 / 60 && hours < 4 * 8.0 / 60);
    k.silent[0] = true;
    kit_until(&k, KIT_GRACE + 30 * US_PER_MIN); /* once */
    EVENTS(&k, 0, TEST_SILENT, 1, 1);
    kit_free(&k);
}

static void a_device_that_the_update_killed_is_seen(void **state)
{
    struct kit k;
    struct trial_past p = kit_past();

    (void)state;
    kit_empty(&k, 1);
    for (int i = 0; i < 60; i++)
        kit_add(&k, i < 3 ? 0 : -1, true, 0, &p);
    assert_true(trial_installed(k.t, TRIAL_IX(0), KIT_START + 2 * US_PER_MIN));
    kit_until(&k, 2 * US_PER_MIN);
    k.silent[1] = true; /* never reports its install: it has had the time for it */
    assert_true(trial_installed(k.t, TRIAL_IX(1), KIT_START + 10 * US_PER_MIN));
    kit_until(&k, 14 * US_PER_MIN);
    EVENTS(&k, 0, TEST_SILENT, 1, 0);
    assert_int_equal(kit_evidence(&k, 0, TEST_SILENT).devices, 1);
    kit_free(&k);
}

static void a_gap_of_the_telemetry_is_nobodys_silence(void **state)
{
    struct kit k, gone;

    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        kit_init(&k, 1, 4, 20);
        kit_until(&k, KIT_GRACE + US_PER_MIN);
        int64_t after = trial_next_tick(k.t) + 40 * KIT_STEP;
        while (empty && trial_next_tick(k.t) < after)
            trial_tick(k.t, &(struct tick){.t = trial_next_tick(k.t)}); /* the same as left out */
        struct tick one;
        tick_init(&one, after, 24, COL_BUILTIN);
        kit_row(&one, 7, after, 7, 0.2, 1);
        trial_tick(k.t, &one); /* they come back one by one */
        tick_release(&one);
        kit_ticks(&k, 40);
        EVENTS(&k, 0, TEST_SILENT, 0, 0);
        if (empty) {
            struct evidence a = kit_evidence(&k, 0, TEST_CPU), b = kit_evidence(&gone, 0, TEST_CPU);
            assert_true(a.log_now == b.log_now);
            kit_free(&gone);
        } else {
            gone = k;
            continue;
        }
        kit_free(&k);
    }
}

static void late_installs_bring_their_share_of_control(void **state)
{
    struct kit k;
    struct trial_past p = kit_past();
    int64_t canary, control;
    double hours;

    (void)state;
    kit_empty(&k, 1);
    for (int i = 0; i < 220; i++)
        kit_add(&k, i < 20 ? 0 : -1, true, 0, &p);
    for (size_t i = 0; i < 20; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START + (i < 10 ? 0 : 20 * US_PER_MIN)));
    kit_until(&k, KIT_GRACE + 10 * US_PER_MIN);
    trial_watch(k.t, &canary, &control, &hours);
    assert_int_equal(canary, 10);
    assert_in_range(control, 70, 130);
    kit_boot(&k, 15); /* the old firmware's, or the install's own */
    for (size_t i = 20; i < 220; i++) {
        kit_boot(&k, i);
        k.cpu[i] = 2; /* a chronic fault of some, in both groups */
    }
    for (size_t i = 0; i < 20; i++)
        k.cpu[i] = 2;
    kit_until(&k, 20 * US_PER_MIN);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).control, control);
    EVENTS(&k, 0, TEST_CPU200, 10, control);
    kit_until(&k, 20 * US_PER_MIN + KIT_GRACE + 11 * US_PER_MIN);
    trial_watch(k.t, &canary, &control, &hours);
    assert_int_equal(canary, 20);
    assert_int_equal(control, 200);
    EVENTS(&k, 0, TEST_BOOT1, 0, kit_evidence(&k, 0, TEST_BOOT1).control);
    EVENTS(&k, 0, TEST_CPU200, 20, 200);
    /* 20 of 20 against 200 of 200: no evidence, whenever they came */
    assert_true(kit_evidence(&k, 0, TEST_CPU200).log_e < 0.01);
    kit_free(&k);
}

static void who_comes_in_within_a_window_is_judged_by_the_next(void **state)
{
    struct kit k;
    struct trial_past p = kit_past();

    (void)state;
    kit_empty(&k, 1);
    for (int i = 0; i < 40; i++)
        kit_add(&k, i < 4 ? 0 : -1, true, 0, &p);
    for (size_t i = 0; i < 4; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START + US_PER_MIN));
    for (size_t i = 0; i < 40; i++)
        k.cpu[i] = 2; /* canary and control alike, since always */
    kit_until(&k, KIT_GRACE + 6 * US_PER_MIN);
    EVENTS(&k, 0, TEST_CPU200, 0, 0);
    kit_until(&k, KIT_GRACE + 10 * US_PER_MIN);
    EVENTS(&k, 0, TEST_CPU200, 4, 36);
    kit_free(&k);
}

static void what_a_silence_since_before_the_stage_hides_does_not_count(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, 1, 4, 20);
    kit_until(&k, US_PER_MIN);
    k.silent[0] = k.silent[10] = true;
    kit_until(&k, KIT_GRACE + 10 * US_PER_MIN);
    k.silent[0] = k.silent[10] = false;
    k.boots[0] += 4; /* among them perhaps the install's own */
    k.boots[10] += 4;
    kit_ticks(&k, 2);
    EVENTS(&k, 0, TEST_SILENT, 1, 1);
    EVENTS(&k, 0, TEST_BOOT1, 0, 0);
    kit_boot(&k, 0);
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 0);
    EVENTS(&k, 0, TEST_LOOP, 0, 0);
    kit_free(&k);
}

static void a_wave_restarts_the_clocks(void **state)
{
    struct kit k;
    struct evidence before;

    (void)state;
    kit_init(&k, 2, 10, 60);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    for (size_t i = 0; i < 3; i++)
        kit_boot(&k, i);
    kit_boot(&k, 20);
    kit_tick(&k);
    before = kit_evidence(&k, 0, TEST_BOOT1);
    assert_int_equal(before.canary, 3);
    int64_t told = trial_next_tick(k.t) + 1;
    for (size_t i = 10; i < 30; i++) /* waves 1 are told but 30..69 stay control in no wave */
        assert_true(trial_installed(k.t, TRIAL_IX(i), told));
    for (size_t i = 30; i < 70; i++)
        assert_false(trial_is_canary(k.t, TRIAL_IX(i)));
    assert_true(trial_told(k.t, 1, told));
    kit_boot(&k, 5); /* before the tick that is at or after `told`: counts in wave 0 */
    kit_tick(&k);
    kit_boot(&k, 6); /* in the grace */
    kit_tick(&k);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).canary, 4);
    while (trial_stage(k.t) == 0)
        kit_tick(&k);
    assert_int_equal(trial_stages(k.t), 2);
    kit_ticks(&k, 2);
    kit_boot(&k, 0); /* anew */
    kit_boot(&k, 20);
    kit_tick(&k);
    EVENTS(&k, 1, TEST_BOOT1, 2, 0);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).canary, 4); /* keeps its result */
    assert_true(trial_is_canary(k.t, TRIAL_IX(0)) && trial_is_canary(k.t, TRIAL_IX(20)));
    assert_int_equal(kit_evidence(&k, 1, TEST_BOOT1).canary_of, 30);
    assert_int_equal(kit_evidence(&k, 1, TEST_BOOT1).control_of, 0); /* told: no longer control */
    kit_free(&k);
}

static void facts_that_come_too_late_are_told(void **state)
{
    struct kit k;
    int64_t newest;

    (void)state;
    kit_init(&k, 3, 5, 20);
    assert_true(trial_told(k.t, 0, KIT_START));
    assert_false(trial_told(k.t, 0, KIT_START + 1));
    assert_false(trial_told(k.t, 2, KIT_START + US_PER_HOUR)); /* in order */
    kit_until(&k, 10 * US_PER_MIN);
    newest = trial_next_tick(k.t) - KIT_STEP;
    assert_false(trial_told(k.t, 1, newest));
    assert_true(trial_told(k.t, 1, newest + 1));
    assert_true(trial_told(k.t, 1, newest + 1));
    assert_false(trial_installed(k.t, TRIAL_IX(7), newest - KIT_GRACE));
    assert_true(trial_installed(k.t, TRIAL_IX(7), newest - KIT_GRACE + 1));
    assert_true(trial_installed(k.t, TRIAL_IX(7), newest + US_PER_HOUR)); /* the earliest report counts */
    assert_true(trial_installed(k.t, TRIAL_IX(7), newest - KIT_GRACE + 1));
    assert_true(trial_installed(k.t, TRIAL_IX(0), KIT_START + US_PER_DAY));
    assert_true(trial_is_canary(k.t, TRIAL_IX(0)));
    assert_true(trial_installed(k.t, TRIAL_IX(9999), 0));
    trial_tick(k.t, &(struct tick){.t = newest});
    assert_int_equal(trial_next_tick(k.t), newest + KIT_STEP);
    kit_free(&k);
}

static void an_acknowledged_test_counts_anew_from_ten_times(void **state)
{
    struct kit k;
    struct evidence v;
    double then;
    size_t i = 0;

    (void)state;
    kit_init(&k, 1, 20, 230);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    while (kit_evidence(&k, 0, TEST_BOOT1).crossed_at == 0) {
        kit_boot(&k, i++);
        kit_tick(&k);
        assert_true(i < 20);
    }
    then = kit_evidence(&k, 0, TEST_BOOT1).log_e;
    int64_t at = trial_next_tick(k.t) + 1; /* newer than the telemetry so far: holds at once all the same */
    trial_ack(k.t, at);
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).dismissed);
    assert_false(kit_evidence(&k, 0, TEST_LOOP).dismissed);
    kit_ticks(&k, 3);
    v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.dismissed && v.crossed_at == 0 && v.log_e == then);
    while ((v = kit_evidence(&k, 0, TEST_BOOT1)).dismissed) {
        assert_true(v.log_e < then + log(10));
        assert_int_equal(v.crossed_at, 0);
        kit_boot(&k, i++);
        kit_tick(&k);
    }
    assert_true(v.log_e >= then + log(10) - 1e-9);
    assert_true(v.crossed_at > at);
    kit_free(&k);
}

static void strata_are_compared_each_within_itself(void **state)
{
    struct kit k;
    struct trial_past p = kit_past();

    (void)state;
    kit_empty(&k, 1);
    for (int i = 0; i < 240; i++) /* canaries are nearly all of a model that always reboots */
        kit_add(&k, i < 20 ? 0 : -1, true, i < 18 || (i >= 20 && i < 60) ? 3 : 200, &p);
    for (size_t i = 0; i < 20; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START));
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    for (size_t i = 0; i < 60; i++)
        if (i < 18 || i >= 20)
            kit_boot(&k, i);
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 18, 40);
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).log_e < 0.1);
    kit_free(&k);
}

/* Canaries that reboot often are compared with control devices that do: by what each did in the day before. */
static void devices_are_compared_with_others_of_the_same_past(void **state)
{
    struct kit k;
    struct trial_past p = kit_past(), often = p;

    (void)state;
    often.base[COL_REBOOTS] = 20;
    for (int with = 0; with < 2; with++) {
        kit_empty(&k, 1);
        for (int i = 0; i < 220; i++)
            kit_add(&k, i < 20 ? 0 : -1, true, 0, with && i % 4 == 0 ? &often : &p);
        for (size_t i = 0; i < 20; i++)
            if (i % 4 == 0) /* a boot makes them poll, and install */
                assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START));
        kit_until(&k, KIT_GRACE + US_PER_MIN);
        for (size_t i = 0; i < 220; i += 4)
            kit_boot(&k, i);
        kit_tick(&k);
        struct evidence v = kit_evidence(&k, 0, TEST_BOOT1);
        assert_true(with ? v.log_e < 0.1 && v.control == v.control_of : v.log_e > 4 && v.control < v.control_of);
        assert_int_equal(v.canary, 5);
        kit_free(&k);
    }
}

static void who_leaves_is_gone(void **state)
{
    struct kit k;
    int64_t canary, control;
    double hours;

    (void)state;
    kit_init(&k, 1, 10, 40);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    trial_leave(k.t, TRIAL_IX(0));
    trial_leave(k.t, TRIAL_IX(0));
    trial_leave(k.t, TRIAL_IX(30));
    trial_leave(k.t, TRIAL_IX(99999));
    kit_boot(&k, 0);
    kit_boot(&k, 1);
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 0);
    struct eprocess e;
    eprocess_init(&e, 1.25);
    assert_true(eprocess_logrank(&e, 9, 39, 1, 0));
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).log_now == eprocess_log(&e));
    trial_watch(k.t, &canary, &control, &hours);
    assert_int_equal(canary, 9);
    assert_int_equal(control, 39);
    assert_false(trial_is_canary(k.t, TRIAL_IX(0)));
    kit_free(&k);
}

static void installs_count_by_device_over_the_rollout(void **state)
{
    struct kit k;
    struct evidence v;

    (void)state;
    kit_init(&k, 2, 10, 40);
    kit_until(&k, KIT_GRACE);
    kit_outcomes(k.t, 5, 10);
    v = kit_evidence(&k, 0, TEST_INSTALL);
    assert_true(v.log_e == bernoulli_limit_log(5, 10, 0.02));
    assert_true(v.crossed_at > 0);
    assert_true(fabs(v.ratio - 25) < 1e-9);
    const struct install_tally waves[] = {{0, 0, 5, 10, 1}, {0, 1, 5, 200, 1}};
    trial_installs(k.t, waves, 2, 3);
    assert_true(kit_evidence(&k, 0, TEST_INSTALL).log_e == v.log_e);
    assert_true(kit_evidence(&k, 0, TEST_INSTALL).log_now == v.log_e); /* of what is so now, all of it */
    assert_int_equal(kit_evidence(&k, 0, TEST_INSTALL).canary_of, 10); /* the evidence is of these */
    assert_int_equal(kit_evidence(&k, 0, TEST_INSTALL).overdue, 0);    /* who is overdue may be another one */
    trial_installs(k.t, waves, 1, 3);
    assert_int_equal(kit_evidence(&k, 0, TEST_INSTALL).overdue, 3);
    kit_outcomes(k.t, 1, 200); /* those that were overdue have installed: nothing stands of it */
    v = kit_evidence(&k, 0, TEST_INSTALL);
    assert_true(v.log_e == 0 && v.crossed_at == 0 && v.canary == 1);
    kit_outcomes(k.t, 5, 200);
    kit_outcomes(k.t, 201, 200); /* impossible: ignored */
    assert_int_equal(kit_evidence(&k, 0, TEST_INSTALL).canary, 5);
    kit_free(&k);
}

static void levels_of_cpu_and_variance(void **state)
{
    struct kit k;
    struct trial_ix who[8];

    (void)state;
    kit_init(&k, 1, 8, 60);
    kit_until(&k, KIT_GRACE);
    k.cpu[0] = 1.3;
    k.cpu[1] = 2.2;
    k.cpu[20] = 3.5;
    k.var[2] = 5;
    k.var[3] = 20;
    k.var[4] = 0.03;
    kit_until(&k, KIT_GRACE + 5 * US_PER_MIN - KIT_STEP);
    EVENTS(&k, 0, TEST_CPU125, 0, 0); /* whole windows only */
    kit_tick(&k);
    EVENTS(&k, 0, TEST_CPU125, 2, 1);
    EVENTS(&k, 0, TEST_CPU150, 1, 1);
    EVENTS(&k, 0, TEST_CPU200, 1, 1);
    EVENTS(&k, 0, TEST_CPU300, 0, 1);
    EVENTS(&k, 0, TEST_VAR4, 0, 0);
    kit_until(&k, KIT_GRACE + 10 * US_PER_MIN);
    EVENTS(&k, 0, TEST_VAR4, 2, 0);
    EVENTS(&k, 0, TEST_VAR8, 1, 0);
    EVENTS(&k, 0, TEST_VAR16, 1, 0);
    EVENTS(&k, 0, TEST_STUCK, 1, 0);
    assert_int_equal(trial_carriers(k.t, TEST_VAR4, who, 8), 2);
    assert_true(who[0].i == 2 && who[1].i == 3);
    assert_int_equal(trial_carriers(k.t, TEST_CPU125, who, 1), 2); /* control's are no carriers */
    assert_int_equal(who[0].i, 0);
    kit_free(&k);
}

static void a_shift_of_all_is_seen_by_the_rank_test(void **state)
{
    struct kit k;
    struct evidence v, lead;
    enum trial_test which;
    struct trial_ix who[32];

    (void)state;
    kit_init(&k, 4, 20, 180);
    for (size_t i = 0; i < 200; i++)
        k.cpu[i] = 0.8 + 0.002 * (double)((i * 61) % 200);
    for (size_t i = 0; i < 20; i++)
        k.cpu[i] *= 1.15;
    kit_until(&k, KIT_GRACE + 30 * US_PER_MIN);
    v = kit_evidence(&k, 0, TEST_CPU);
    assert_true(v.log_e > 0 && v.crossed_at == 0); /* hidden in the spread between devices: little */
    kit_free(&k);
    kit_init(&k, 4, 20, 180);
    for (size_t i = 0; i < 20; i++)
        k.cpu[i] = 1.15;
    kit_until(&k, KIT_GRACE + 6 * US_PER_MIN);
    v = kit_evidence(&k, 0, TEST_CPU);
    assert_true(v.crossed_at == KIT_START + KIT_GRACE + 19 * KIT_STEP ||
                v.crossed_at == KIT_START + KIT_GRACE + 20 * KIT_STEP);
    assert_true(fabs(v.ratio - 1.15) < 0.01 && isnan(v.ratio_low) && isnan(v.ratio_high));
    assert_int_equal(v.canary, 20);
    assert_int_equal(v.canary_of, 20);
    assert_int_equal(v.control_of, 180);
    assert_int_equal(v.devices, 20);
    assert_int_equal(trial_carriers(k.t, TEST_CPU, who, 32), 20);
    assert_true(kit_leading(k.t, 0, &lead, &which));
    assert_int_equal(which, TEST_CPU);
    assert_true(lead.log_e == v.log_e);
    kit_free(&k);
}

/* What a source reports as variance, of its own last 10 min, when the device measures with `now` since `since` and with
 * `before` earlier. */
static double over_ten_minutes(double before, double now, int64_t since, int64_t t)
{
    double share = (double)(t - since) / (10.0 * US_PER_MIN);

    return share <= 0 ? before : share >= 1 ? now : before + (now - before) * share;
}

static void old_variance_is_not_compared(void **state)
{
    struct kit k;
    struct evidence v;
    int64_t begin = KIT_START + KIT_GRACE, late = KIT_START + 5 * US_PER_MIN;

    (void)state;
    /* All canaries measure with twice the variance since the stage began: look 1 shows nearly all of it. */
    kit_init(&k, 4, 20, 180);
    while (trial_next_tick(k.t) < begin + 11 * US_PER_MIN) {
        for (size_t i = 0; i < 20; i++)
            k.var[i] = over_ten_minutes(1, 2, begin, trial_next_tick(k.t));
        kit_tick(&k);
    }
    v = kit_evidence(&k, 0, TEST_VARIANCE);
    assert_true(v.canary_of == 20 && v.control_of == 180);
    assert_true(v.ratio > 1.9 && v.ratio < 2);
    assert_int_equal(v.crossed_at, begin + 10 * US_PER_MIN - KIT_STEP);
    kit_free(&k);

    /* What the update itself does to a sensor is over when the grace is, but not out of the source's window. */
    struct trial_past past = kit_past();
    kit_empty(&k, 4);
    for (size_t i = 0; i < 200; i++) {
        kit_add(&k, i < 20 ? 0 : 1, true, 0, &past);
        if (i < 20)
            assert_true(trial_installed(k.t, TRIAL_IX(i), late));
    }
    while (trial_next_tick(k.t) < begin + 40 * US_PER_MIN) {
        for (size_t i = 0; i < 20; i++)
            k.var[i] = over_ten_minutes(15, 1, late + KIT_GRACE - US_PER_MIN, trial_next_tick(k.t));
        kit_tick(&k);
    }
    v = kit_evidence(&k, 0, TEST_VARIANCE);
    assert_true(v.log_e == 0 && v.canary_of == 20 && v.ratio < 1.01);
    assert_int_equal(kit_evidence(&k, 0, TEST_VAR4).canary, 0);
    kit_free(&k);
}

static void nothing_leads_when_nothing_happened(void **state)
{
    struct kit k;
    struct evidence v;
    enum trial_test which;

    (void)state;
    kit_init(&k, 1, 5, 20);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    assert_false(kit_leading(k.t, 0, &v, &which));
    struct evidence all[TESTS_MAX];
    enum trial_test those[TESTS_MAX];
    assert_int_equal(trial_evidence(k.t, 1, all, those), 0);
    v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(isnan(v.ratio) && isnan(v.ratio_low) && isnan(v.ratio_high) && v.log_e == 0);
    kit_free(&k);
}

/* Evidence of the first n comparisons below that the ratio is not `theta`: that it is above, or (below) below. */
static double not_the_ratio(double theta, bool below, int n)
{
    struct eprocess e;

    eprocess_init(&e, below ? 1 / theta : theta);
    for (int i = 0, gone = 0; i < n; i++) {
        int dk = i % 4 == 0, yc = 50 - i, yk = 200 - gone;
        assert_true(below ? eprocess_logrank(&e, yk, yc, dk, 1) : eprocess_logrank(&e, yc, yk, 1, dk));
        gone += dk;
    }
    return eprocess_log(&e);
}

static void the_interval_holds_the_ratio(void **state)
{
    const double quarter = 1.189207115002721, half = log(2); /* half of alpha for each end */
    struct kit k;
    struct evidence v;

    (void)state;
    kit_init(&k, 1, 50, 200);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    for (size_t i = 0; i < 40; i++) { /* 4 canaries to 1 of four times as many: about 16 */
        kit_boot(&k, i);
        if (i % 4 == 0)
            kit_boot(&k, 60 + i);
        kit_tick(&k);
        v = kit_evidence(&k, 0, TEST_BOOT1);
        int n = (int)i + 1;
        if (v.ratio_low > 0) {
            assert_true(not_the_ratio(v.ratio_low, false, n) < v.log_pause + half);
            assert_true(not_the_ratio(v.ratio_low / quarter, false, n) >= v.log_pause + half);
        }
        if (v.ratio_high < 256) {
            assert_true(not_the_ratio(v.ratio_high, true, n) < v.log_pause + half);
            assert_true(not_the_ratio(v.ratio_high * quarter, true, n) >= v.log_pause + half);
        }
    }
    assert_true(v.ratio > 10 && v.ratio < 40);
    assert_true(v.ratio_low > 1.25 && v.ratio_low < v.ratio && v.ratio < v.ratio_high && v.ratio_high < 256);
    kit_free(&k);
}

static void a_time_of_boot_later_than_the_sample_before_is_a_reboot(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, 1, 5, 20);
    trial_free(k.t);
    k.spec.boot_time = true;
    k.t = trial_new(&k.spec, NULL);
    k.n = 0;
    struct trial_past p = kit_past();
    for (int i = 0; i < 20; i++)
        kit_add(&k, i < 5 ? 0 : -1, true, 0, &p);
    for (size_t i = 0; i < 5; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START));
    for (size_t i = 0; i < 20; i++)
        k.boots[i] = 86400.0 * 999;
    kit_until(&k, KIT_GRACE - US_PER_MIN);
    k.boots[2] = 3; /* the update's reboot, and no clock yet */
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    double now = (double)trial_next_tick(k.t) / US_PER_S;
    k.boots[0] += 30; /* the device's clock was set */
    k.boots[1] = now - 5;
    k.boots[2] = now - 150;
    kit_tick(&k);
    EVENTS(&k, 0, TEST_BOOT1, 1, 0);
    k.boots[0] = now + 10;
    kit_ticks(&k, 3);
    EVENTS(&k, 0, TEST_BOOT1, 2, 0);
    EVENTS(&k, 0, TEST_BOOT2, 0, 0);
    kit_free(&k);
}

/* Canaries that installed at different times and each reboot half an hour after their own install. */
static void reboots_that_follow_installs_are_told(void **state)
{
    struct kit k;
    struct trial_after a;

    (void)state;
    kit_empty(&k, 1);
    struct trial_past p = kit_past();
    for (int i = 0; i < 60; i++)
        kit_add(&k, i < 10 ? 0 : -1, true, 0, &p);
    for (size_t i = 0; i < 10; i++)
        assert_true(trial_installed(k.t, TRIAL_IX(i), KIT_START + (int64_t)i * 4 * US_PER_MIN));
    kit_until(&k, KIT_GRACE + 5 * US_PER_MIN);
    trial_after(k.t, &a);
    assert_true(a.canaries == 2 && a.rebooted == 0 && a.most == 0 && !a.alike);
    for (size_t i = 0; i < 9; i++) {
        kit_until(&k, (int64_t)(30 + 4 * i) * US_PER_MIN);
        kit_boot(&k, i);
        kit_boot(&k, 20 + i); /* control does not count */
        kit_tick(&k);
    }
    trial_after(k.t, &a);
    assert_true(a.canaries == 10 && a.rebooted == 9 && a.most == 9 && a.alike);
    assert_true(a.first_us >= 30 * US_PER_MIN && a.last_us <= 30 * US_PER_MIN + 2 * KIT_STEP);
    assert_true(a.soon == 9 && a.excuse_us == 31 * US_PER_MIN);
    kit_until(&k, 200 * US_PER_MIN);
    kit_boot(&k, 9); /* one more, at another time: left out, as one of ten */
    kit_boot(&k, 0);
    kit_tick(&k);
    trial_after(k.t, &a);
    assert_true(a.rebooted == 10 && a.most == 8 && !a.alike && a.soon == 8);
    kit_until(&k, 600 * US_PER_MIN);
    for (size_t i = 0; i < 10; i++)
        kit_boot(&k, i);
    kit_tick(&k);
    trial_after(k.t, &a); /* of who reboots on and on the last was just now, whenever it installed */
    assert_true(a.rebooted == 10 && a.last_us - a.first_us < a.first_us / 10 && !a.alike);
    kit_free(&k);
}

static void hostile_rows_do_no_harm(void **state)
{
    struct kit k;
    int64_t tick;

    (void)state;
    kit_init(&k, 1, 5, 20);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    tick = trial_next_tick(k.t);
    struct tick rows;
    tick_init(&rows, tick, 400, COL_BUILTIN); /* more than there are devices */
    kit_row(&rows, 0, INT64_MAX, 1e300, 1e300, 1e300);
    kit_row(&rows, 1, INT64_MIN, 0, 0, 0);
    kit_row(&rows, 2, tick, -INFINITY, -1, -1);
    kit_row(&rows, 3, tick, NAN, INFINITY, NAN);
    kit_row(&rows, 399, tick, 1, 1, 1);
    kit_row(&rows, 4, tick, -1e300, 0, 0);
    trial_tick(k.t, &rows);
    tick_release(&rows);
    kit_ticks(&k, 60);
    EVENTS(&k, 0, TEST_SILENT, 0, 0);
    assert_int_equal(trial_next_tick(k.t), tick + 61 * KIT_STEP);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_is_checked),
        cmocka_unit_test(words),
        cmocka_unit_test(alpha_is_split_as_the_design_says),
        cmocka_unit_test(a_metric_without_a_share_is_not_tested),
        cmocka_unit_test(a_stage_begins_after_the_grace),
        cmocka_unit_test(evidence_is_the_log_rank_process),
        cmocka_unit_test(three_reboots_in_half_an_hour_are_a_loop),
        cmocka_unit_test(one_device_never_crosses),
        cmocka_unit_test(who_is_at_risk_is_decided_before_the_rollout),
        cmocka_unit_test(silence_is_an_event_and_censors),
        cmocka_unit_test(a_device_that_the_update_killed_is_seen),
        cmocka_unit_test(a_gap_of_the_telemetry_is_nobodys_silence),
        cmocka_unit_test(late_installs_bring_their_share_of_control),
        cmocka_unit_test(who_comes_in_within_a_window_is_judged_by_the_next),
        cmocka_unit_test(what_a_silence_since_before_the_stage_hides_does_not_count),
        cmocka_unit_test(a_wave_restarts_the_clocks),
        cmocka_unit_test(facts_that_come_too_late_are_told),
        cmocka_unit_test(an_acknowledged_test_counts_anew_from_ten_times),
        cmocka_unit_test(strata_are_compared_each_within_itself),
        cmocka_unit_test(devices_are_compared_with_others_of_the_same_past),
        cmocka_unit_test(who_leaves_is_gone),
        cmocka_unit_test(installs_count_by_device_over_the_rollout),
        cmocka_unit_test(levels_of_cpu_and_variance),
        cmocka_unit_test(a_shift_of_all_is_seen_by_the_rank_test),
        cmocka_unit_test(old_variance_is_not_compared),
        cmocka_unit_test(nothing_leads_when_nothing_happened),
        cmocka_unit_test(the_interval_holds_the_ratio),
        cmocka_unit_test(a_time_of_boot_later_than_the_sample_before_is_a_reboot),
        cmocka_unit_test(hostile_rows_do_no_harm),
        cmocka_unit_test(reboots_that_follow_installs_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
