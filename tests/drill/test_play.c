/* The operator who is not there, the end of a drill and its score, on snapshots made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

#define BAD                                                                                                            \
    "devices: {count: 200, poll: 2m, download: 8s, install: 4s, reboots_per_day: 0}\n"                                 \
    "faults:\n  - {kind: crash-loop, share: 1, after: 1m, per_hour: 30}\n"

/* A snapshot of the drill's rollout, running, with one wave. */
static struct snapshot *view(struct talk *t)
{
    struct snapshot *s = snapshot_new();
    s->taken_at = clock_now(drill_clock(t->d));
    s->n_rollouts = 1;
    s->rollouts = ARENA_NEW(&s->arena, struct rollout_view);
    struct rollout_view *v = s->rollouts;
    v->rollout.id = "4471";
    v->rollout.state = ROLLOUT_RUNNING;
    v->n_waves = 1;
    v->waves = ARENA_NEW(&s->arena, struct wave_view);
    v->waves[0].wave.state = WAVE_RUNNING;
    v->waves[0].verdict.rule = "";
    v->halted_by = v->halt_text = "";
    return s;
}

static void halt(struct talk *t, struct snapshot *s, const char *by)
{
    s->rollouts[0].stop = STOP_HALTED;
    s->rollouts[0].latched = true;
    s->rollouts[0].halted_at = clock_now(drill_clock(t->d));
    s->rollouts[0].halted_by = by;
    s->rollouts[0].rollout.state = ROLLOUT_PAUSED;
}

static void test_operator(void **state)
{
    (void)state;
    struct talk t;
    struct intent in;
    talk_open(&t,
              BAD "operator:\n  - {when: {at: 2m}, do: pause}\n  - {when: {halted: true}, delay: 3m, do: rollback, "
                  "reason: loops}\n"
                  "  - {when: {rolled_back: true}, delay: 0s, do: ack}\n",
              1);
    struct snapshot *s = view(&t);
    assert_false(drill_operator(t.d, s, &in));
    talk_wait(&t, 119);
    assert_false(drill_operator(t.d, s, &in));
    talk_wait(&t, 1);
    assert_true(drill_operator(t.d, s, &in));
    assert_int_equal(in.verb, VERB_PAUSE);
    assert_string_equal(in.rollout, "4471");
    assert_int_equal(in.actor.kind, ACTOR_PERSON);
    assert_false(drill_operator(t.d, s, &in)); /* once */
    halt(&t, s, "rule R-REBOOT");
    assert_false(drill_operator(t.d, s, &in)); /* a person needs three minutes */
    /* time stops at the moment at which the person is ready, not later */
    struct clock *c = drill_clock(t.d);
    int64_t t0 = clock_now(c);
    c->idle(c, t0 + US_PER_HOUR, 0);
    assert_int_equal(clock_now(c), t0 + 3 * US_PER_MIN);
    assert_true(drill_operator(t.d, s, &in));
    assert_int_equal(in.verb, VERB_ROLLBACK);
    assert_string_equal(in.reason, "loops");
    assert_true(in.all_waves && in.expect_devices == -1);
    assert_int_equal(in.decided_at, clock_now(c));
    assert_false(drill_operator(t.d, s, &in));
    s->rollouts[0].rollback.step = RB_DONE;
    s->rollouts[0].rollback.outcome = RB_FAILED; /* it has ended, and nothing is back */
    assert_false(drill_operator(t.d, s, &in));
    s->rollouts[0].rollback.outcome = RB_COMPLETE;
    assert_true(drill_operator(t.d, s, &in));
    assert_int_equal(in.verb, VERB_ACK);
    assert_false(drill_operator(t.d, s, &in));
    assert_false(drill_operator(t.d, NULL, &in)); /* without a snapshot too */
    snapshot_unref(s);
    talk_close(&t);
}

static void test_conditions(void **state)
{
    (void)state;
    struct talk t;
    struct intent in;
    talk_open(&t,
              "operator:\n  - {when: {wave_done: 0}, delay: 0s, do: advance}\n  - {when: {gate: true}, delay: 0s, do: "
              "resume}\n"
              "  - {when: {paused: true}, delay: 0s, do: resume}\n  - {when: {finished: true}, delay: 0s, do: ack}\n",
              1);
    struct snapshot *s = view(&t);
    struct rollout_view *v = s->rollouts;
    v->waves[0].wave.total = 4;
    v->waves[0].wave.counts = (struct counts){.running = 1, .finished = 3, .known = true};
    assert_false(drill_operator(t.d, s, &in));
    v->waves[0].wave.counts.running = 0; /* all have ended, whatever the server calls it */
    v->waves[0].wave.counts.finished = 4;
    assert_true(drill_operator(t.d, s, &in));
    assert_int_equal(in.verb, VERB_ADVANCE);
    assert_false(drill_operator(t.d, s, &in));
    v->gate_waits = true;
    assert_true(drill_operator(t.d, s, &in));
    assert_false(drill_operator(t.d, s, &in));
    v->rollout.state = ROLLOUT_PAUSED;
    assert_true(drill_operator(t.d, s, &in));
    v->rollout.state = ROLLOUT_STOPPED;
    assert_false(drill_operator(t.d, s, &in));
    v->rollout.state = ROLLOUT_FINISHED;
    assert_true(drill_operator(t.d, s, &in));
    snapshot_unref(s);
    talk_close(&t);
}

static void test_over(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "ends: {after: 1h, when: rolled-back, linger: 2m}\n", 1);
    struct snapshot *s = view(&t);
    assert_false(drill_over(t.d, s));
    s->rollouts[0].rollback.step = RB_DONE;
    assert_false(drill_over(t.d, s)); /* not before the two minutes after it */
    talk_wait(&t, 121);
    assert_true(drill_over(t.d, s));
    snapshot_unref(s);
    talk_close(&t);
    talk_open(&t, "ends: {after: 1h, when: finished}\n", 1);
    s = view(&t);
    talk_wait(&t, 3599);
    assert_false(drill_over(t.d, s));
    talk_wait(&t, 1);
    assert_true(drill_over(t.d, NULL)); /* the time limit needs no snapshot */
    snapshot_unref(s);
    talk_close(&t);
}

/* Scores a drill in which the rollout is halted after `at` seconds by `by` ("" = never); the end is after an hour. */
static struct drill_result score(const char *yaml, double at, const char *by)
{
    struct talk t;
    struct drill_result r;
    talk_open(&t, yaml, 1);
    talk_wait(&t, at);
    struct snapshot *s = view(&t);
    if (*by) {
        talk(&t, "POST", "/rest/v1/rollouts/4471/pause", NULL); /* refused when it has finished by then */
        halt(&t, s, by);
    }
    drill_over(t.d, s);
    talk_wait(&t, 3600 - at);
    drill_score(t.d, s, &r);
    r.detected_by = strstr(by, "R-") ? strstr(by, "R-") : "";
    snapshot_unref(s);
    talk_close(&t);
    return r;
}

static void test_score_halt(void **state)
{
    (void)state;
    const char *want = BAD "expect: {halted: true, within: 3m, by: [R-REBOOT], max_bad_devices: 12}\n";
    struct drill_result r = score(want, 130, "rule R-REBOOT");
    if (!r.passed)
        fail_msg("%s", r.why);
    assert_int_equal(r.halted_at, 130 * US_PER_S);
    assert_true(r.injected_at > US_PER_MIN && r.injected_at < 130 * US_PER_S);
    assert_int_equal(r.devices_bad_at_halt, 10);
    assert_int_equal(r.devices_total, 200);
    assert_int_equal(r.devices_on_new, 60); /* the next wave had been told: a pause did not stop it */
    assert_int_equal(r.devices_broken, 60);
    assert_true(r.requests > 0);
    assert_int_equal(r.rolled_back_at, -1);

    r = score(want, 600, "rule R-REBOOT"); /* too late, and by then the next wave had it */
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "later than 3m"));
    r = score(BAD "expect: {halted: true, max_bad_devices: 12}\n", 600, "rule R-REBOOT");
    assert_non_null(strstr(r.why, "more than 12"));
    r = score(want, 120, "rule R-CPU");
    assert_non_null(strstr(r.why, "R-CPU"));
    r = score(want, 120, "");
    assert_string_equal(r.why, "never halted");
    assert_int_equal(r.halted_at, -1);
    r = score(BAD "expect: {halted: true, rolled_back: true}\n", 120, "rule R-REBOOT");
    assert_string_equal(r.why, "not rolled back");
}

static void test_score_quiet(void **state)
{
    (void)state;
    struct drill_result r = score("expect: {halted: false, finished: true, min_on_new: 1}\n", 60, "");
    if (!r.passed)
        fail_msg("%s", r.why);
    assert_int_equal(r.devices_on_new, 200);
    assert_int_equal(r.injected_at, -1);
    r = score("expect: {halted: false}\n", 60, "rule R-CPU");
    assert_non_null(strstr(r.why, "nothing was to be halted"));
    r = score("expect: {halted: false, finished: true}\n", 60, "m.ito");
    assert_false(r.passed);
    r = score("faults:\n  - {kind: install-failures}\nexpect: {halted: false, min_on_new: 0.9}\n", 60, "");
    assert_non_null(strstr(r.why, "only 0 of 200"));
}

/* A good rollout that a rule of andon's has left paused did not come through, though nothing was halted. */
static void test_score_left_paused(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    static const struct {
        const char *by;
        bool passed;
    } cases[] = {{"rule LOST-TELEMETRY", false}, {"rule R-CPU", false}, {"rule PROMOTE-HOLD", true}, {"m.ito", true}};
    talk_open(&t, "expect: {halted: false}\n", 1);
    talk_wait(&t, 10);
    struct snapshot *s = view(&t);
    s->rollouts[0].paused_by = cases[0].by;
    drill_score(t.d, s, &r);
    assert_true(r.passed); /* it runs on the server, whatever the snapshot says */
    talk(&t, "POST", "/rest/v1/rollouts/4471/pause", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s->rollouts[0].paused_by = cases[i].by;
        drill_score(t.d, s, &r);
        assert_int_equal(r.passed, cases[i].passed);
        if (!r.passed)
            assert_non_null(strstr(r.why, "stands paused at the end, by "));
    }
    snapshot_unref(s);
    talk_close(&t);
}

/* The log knows what the newest snapshot does not show any more: a halt that was acknowledged before the end. */
static void test_score_goes_by_the_log(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    talk_open(&t, BAD "expect: {halted: true, by: [R-REBOOT]}\n", 1);
    int64_t zero = clock_now(drill_clock(t.d));
    talk_wait(&t, 130);
    struct snapshot *s = view(&t); /* runs, halted by nobody */
    drill_score(t.d, s, &r);
    assert_string_equal(r.why, "never halted");
    struct drill_halt h[] = {{.rollout = "4470", .by = "R-CPU", .rule = true, .t = zero + US_PER_MIN},
                             {.rollout = "4471",
                              .by = "R-REBOOT",
                              .rule = true,
                              .t = zero + 120 * US_PER_S,
                              .shown_at = zero + 121 * US_PER_S,
                              .lifted_at = zero + 125 * US_PER_S}};
    drill_halts(t.d, h, 2);
    drill_score(t.d, s, &r);
    if (!r.passed)
        fail_msg("%s", r.why);
    assert_int_equal(r.halted_at, 120 * US_PER_S);
    assert_string_equal(r.detected_by, "R-REBOOT");
    assert_int_equal(r.halts, 1);
    assert_int_equal(r.lifted, 1);
    assert_int_equal(r.devices_broken_at_halt, -1); /* nobody looked then */
    h[1].by = "m.ito", h[1].rule = false, h[1].lifted_at = 0;
    drill_halts(t.d, h, 2);
    drill_score(t.d, s, &r);
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "halted by m.ito"));
    assert_int_equal(r.lifted, 0);
    h[1].shown_at = 0; /* of a halt that nobody saw shown nothing was to be held back */
    h[0].rollout = "";
    h[0].shown_at = zero - 1;
    h[0].lifted_at = zero + US_PER_HOUR;
    drill_halts(t.d, h, 1);
    drill_score(t.d, s, &r);
    assert_true(r.told_after > 0); /* the first wave was told while it stood */
    assert_false(r.passed);
    snapshot_unref(s);
    talk_close(&t);
    /* what was not to be halted was halted, whoever acknowledged it */
    talk_open(&t, "expect: {halted: false}\n", 1);
    zero = clock_now(drill_clock(t.d));
    talk_wait(&t, 60);
    s = view(&t);
    h[1] = (struct drill_halt){.rollout = "4471",
                               .by = "LOST-TELEMETRY",
                               .rule = true,
                               .t = zero + 20 * US_PER_S,
                               .shown_at = zero + 20 * US_PER_S,
                               .lifted_at = zero + 30 * US_PER_S};
    drill_halts(t.d, &h[1], 1);
    drill_score(t.d, s, &r);
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "by LOST-TELEMETRY (acknowledged since), but nothing was to be halted"));
    drill_halts(t.d, NULL, 0);
    drill_score(t.d, s, &r);
    assert_true(r.passed);
    snapshot_unref(s);
    talk_close(&t);
}

/* A trial as it stands at a halt: the test that halted, another that is further on, and what is shared. */
static void evidence(struct snapshot *s, const char *model)
{
    static const enum trial_test which[2] = {TEST_LOOP, TEST_CPU};
    struct trial_view *t = &s->rollouts[0].trial;
    struct evidence *v = ARENA_ARRAY(&s->arena, struct evidence, 2);
    v[0] =
        (struct evidence){.test = "crash-loop", .log_e = 7, .log_pause = 6, .devices = 3, .canary = 3, .canary_of = 10};
    v[0].plain = arena_strdup(&s->arena, "have rebooted in a loop");
    v[1] = (struct evidence){.test = "cpu", .log_e = 90, .log_pause = 6, .devices = 10, .canary = 10, .canary_of = 10};
    t->stages = ARENA_NEW(&s->arena, struct stage_view);
    t->stages[0] = (struct stage_view){.v = v, .which = which, .n = 2, .leading = 1};
    t->n_stages = 1;
    struct share *share = ARENA_NEW(&s->arena, struct share);
    *share =
        (struct share){.key = "model", .value = model, .bad = 3, .of_bad = 3, .all = 60, .of_all = 200, .lift = 3.3};
    t->shares = share;
    t->n_shares = *model ? 1 : 0;
}

static void test_score_evidence(void **state)
{
    (void)state;
    static const char want[] = BAD "expect: {halted: true, by: [crash-loop], names: {key: model, value: B}}\n";
    struct talk t;
    struct drill_result r;
    talk_open(&t, want, 1);
    talk_wait(&t, 130);
    struct snapshot *s = view(&t);
    evidence(s, "");
    halt(&t, s, "rule crash-loop");
    drill_score(t.d, s, &r);
    assert_string_equal(r.detected_by, "crash-loop");
    assert_non_null(r.evidence);
    assert_string_equal(r.evidence->test, "crash-loop"); /* the one that halted, not the one in front */
    assert_int_equal(r.evidence->e.canary, 3);
    assert_true(r.devices_broken_at_halt > 0);
    assert_int_equal(r.n_shares, 0);
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "nothing was named"));
    evidence(s, "A"); /* what is named later counts */
    drill_score(t.d, s, &r);
    assert_non_null(strstr(r.why, "model A was named, not model B"));
    evidence(s, "B");
    drill_score(t.d, s, &r);
    if (!r.passed)
        fail_msg("%s", r.why);
    assert_string_equal(r.shares[0].share.value, "B");
    assert_int_equal(r.halts, 1);
    assert_int_equal(r.wrong_halts, 0);
    /* what was once named stays named when the roll back has begun and the trial is off */
    s->rollouts[0].trial = (struct trial_view){0};
    drill_score(t.d, s, &r);
    assert_true(r.passed);
    snapshot_unref(s);
    assert_string_equal(r.evidence->e.plain, "have rebooted in a loop"); /* the report comes after the snapshots */
    talk_close(&t);
    /* a limit that halts is not what this scenario is about; the evidence in front is told all the same */
    talk_open(&t, want, 1);
    talk_wait(&t, 130);
    s = view(&t);
    evidence(s, "B");
    halt(&t, s, "rule R-REBOOT");
    drill_score(t.d, s, &r);
    assert_false(r.passed);
    assert_int_equal(r.wrong_halts, 1);
    assert_string_equal(r.evidence->test, "cpu");
    snapshot_unref(s);
    talk_close(&t);
}

/* An expected halt does not excuse another one after the acknowledgement. */
static void test_score_second_halt(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    talk_open(&t, "expect: {halted: true, by: [LOST-TELEMETRY]}\n", 1);
    talk_wait(&t, 60);
    struct snapshot *s = view(&t);
    halt(&t, s, "rule LOST-TELEMETRY");
    assert_false(drill_over(t.d, s));
    s->rollouts[0].stop = STOP_FREE;
    s->rollouts[0].halted_at = 0;
    talk_wait(&t, 60);
    assert_false(drill_over(t.d, s));
    drill_score(t.d, s, &r);
    assert_true(r.passed);
    assert_int_equal(r.halts, 1);
    halt(&t, s, "rule cpu");
    drill_score(t.d, s, &r);
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "halted by cpu"));
    assert_int_equal(r.halts, 2);
    assert_int_equal(r.wrong_halts, 1);
    assert_int_equal(r.halted_at, 60 * US_PER_S);
    snapshot_unref(s);
    talk_close(&t);
}

/* The score looks at the devices themselves, not at what the server believes. */
static void test_score_truth(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    talk_open(&t, "expect: {halted: true, rolled_back: true}\n", 1);
    talk_wait(&t, 120);
    struct snapshot *s = view(&t);
    halt(&t, s, "rule R-REBOOT");
    s->rollouts[0].rollback.step = RB_DONE;
    s->rollouts[0].rollback.outcome = RB_COMPLETE;
    drill_score(t.d, s, &r);
    assert_false(r.passed);
    assert_non_null(strstr(r.why, "still run the new firmware"));
    assert_true(r.rolled_back_at >= 0);
    snapshot_unref(s);
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operator),       cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_over),           cmocka_unit_test(test_score_halt),
        cmocka_unit_test(test_score_quiet),    cmocka_unit_test(test_score_left_paused),
        cmocka_unit_test(test_score_truth),    cmocka_unit_test(test_score_goes_by_the_log),
        cmocka_unit_test(test_score_evidence), cmocka_unit_test(test_score_second_halt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
