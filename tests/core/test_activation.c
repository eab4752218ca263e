/* A staged update boots its device a second time, hours after the install. Where the device reports that (a metric of
 * the kind activation), that one boot does not count; everything else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/trial_account.h"
#include "tests/core/trial_kit.h"

#define CANARIES 20
#define OTHERS   180
#define STAGED   (2 * US_PER_HOUR)

static const struct metric_def activations = {
    .id = "activations", .title = "activations", .unit = "", .kind = KIND_ACTIVATION};

static void begin_with(struct kit *k, const struct metric_def *own)
{
    struct trial_past past = kit_past();
    kit_empty(k, 4);
    trial_free(k->t);
    k->spec.policy.own = own;
    k->spec.policy.n_own = own ? 1 : 0;
    k->t = trial_new(&k->spec, NULL);
    assert_non_null(k->t);
    for (size_t i = 0; i < CANARIES + OTHERS; i++) {
        kit_add(k, i < CANARIES ? 0 : 1, true, 0, &past);
        k->own[i] = 3;
        if (i < CANARIES)
            assert_true(trial_installed(k->t, TRIAL_IX(i), KIT_START));
    }
}

static void begin(struct kit *k)
{
    begin_with(k, &activations);
}

/* Boots of devices 0..n-1 in the next tick; their number goes up `late` ticks later (before it: -1); none: 99. Two
 * ticks on. */
static void boots(struct kit *k, size_t n, int late)
{
    for (int step = -1; step <= 2; step++) {
        for (size_t i = 0; i < n; i++) {
            if (step == 0)
                kit_boot(k, i);
            k->own[i] += step == late;
        }
        kit_tick(k);
    }
}

static int64_t booted(const struct kit *k)
{
    return kit_evidence(k, 0, TEST_BOOT1).canary;
}

static void the_named_boot_does_not_count(void **state)
{
    (void)state;
    struct kit k;
    struct trial_after after;
    for (int late = -1; late <= 1; late++) { /* whoever is scraped first, agent or kernel */
        begin(&k);
        kit_until(&k, STAGED);
        boots(&k, CANARIES, late);
        kit_ticks(&k, 20);
        assert_int_equal(booted(&k), 0);
        trial_after(k.t, &after);
        assert_true(after.named == CANARIES && after.names && after.rebooted == 0);
        assert_true(after.named_first_us >= STAGED && after.named_last_us < STAGED + US_PER_MIN);
        kit_free(&k);
    }
}

static void without_the_report_it_counts(void **state)
{
    (void)state;
    struct kit k;
    for (int late = 2; late < 100; late += 97) { /* too late, and not at all */
        begin(&k);
        kit_until(&k, STAGED);
        boots(&k, CANARIES, late);
        assert_true(booted(&k) == CANARIES && kit_evidence(&k, 0, TEST_BOOT1).crossed_at > 0);
        kit_free(&k);
    }
    /* A number that appears, or falls, has not gone up. */
    for (int fall = 0; fall < 2; fall++) {
        begin(&k);
        for (size_t i = 0; i < CANARIES && !fall; i++)
            k.own[i] = NAN;
        kit_until(&k, STAGED);
        for (size_t i = 0; i < CANARIES; i++) {
            kit_boot(&k, i);
            k.own[i] = 1;
        }
        kit_ticks(&k, 3);
        assert_int_equal(booted(&k), CANARIES);
        kit_free(&k);
    }
}

/* A firmware in a loop that reports each of its boots hides one of each device. */
static void one_boot_and_no_more(void **state)
{
    (void)state;
    struct kit k;
    begin(&k);
    kit_until(&k, STAGED);
    for (int n = 0; n < 4; n++) {
        boots(&k, 10, 0);
        kit_ticks(&k, 20);
        assert_int_equal(booted(&k), n > 0 ? 10 : 0);
    }
    struct evidence v = kit_evidence(&k, 0, TEST_LOOP);
    assert_true(v.canary == 10 && v.crossed_at > 0);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT2).canary, 10);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT4).canary, 0);
    kit_free(&k);
    /* Two boots between two samples: one counts. */
    begin(&k);
    kit_until(&k, STAGED);
    for (size_t i = 0; i < 5; i++) {
        k.boots[i] += 2;
        k.own[i]++;
    }
    kit_ticks(&k, 3);
    assert_int_equal(booted(&k), 5);
    kit_free(&k);
}

/* Nor another one in the next wave's stage. */
static void once_in_a_rollout(void **state)
{
    (void)state;
    struct kit k;
    begin(&k);
    kit_until(&k, STAGED);
    boots(&k, 10, 0);
    kit_boot(&k, 15); /* and what waits as the stage ends is not of the next one */
    kit_tick(&k);
    assert_true(trial_told(k.t, 1, trial_next_tick(k.t)));
    kit_until(&k, 2 * STAGED);
    assert_int_equal(trial_stages(k.t), 2);
    boots(&k, 10, 0);
    assert_int_equal(kit_evidence(&k, 1, TEST_BOOT1).canary, 10);
    kit_free(&k);
}

/* Control has no update: its boots count whatever it reports, and a number that names most of them names any. */
static void control_is_asked(void **state)
{
    (void)state;
    struct kit k;
    struct trial_after after;
    static const struct {
        size_t boots, rises;
        bool any;
    } cases[] = {{10, 2, false}, /* two of ten catch up with the rollout of yesterday */
                 {10, 10, true},
                 {10, 6, true},
                 {10, 5, false},
                 {1, 1, false}}; /* one device alone says nothing */
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        bool named = cases[c].any;
        begin(&k);
        kit_until(&k, US_PER_HOUR);
        for (size_t i = 0; i < cases[c].boots; i++) {
            kit_boot(&k, CANARIES + i);
            k.own[CANARIES + i] += i < cases[c].rises;
        }
        kit_until(&k, STAGED);
        assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).control, cases[c].boots);
        boots(&k, CANARIES, 0);
        assert_int_equal(booted(&k), named ? CANARIES : 0);
        trial_after(k.t, &after);
        assert_true(after.names == !named && after.named == (named ? 0 : CANARIES));
        kit_free(&k);
    }
}

/* Boots of both sides count one sample later than they are seen, and as of then when they were. */
static void both_sides_wait_alike(void **state)
{
    (void)state;
    struct kit k;
    begin(&k);
    kit_until(&k, STAGED);
    kit_boot(&k, 0);
    kit_boot(&k, CANARIES);
    kit_tick(&k);
    struct evidence v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.canary == 0 && v.control == 0);
    k.silent[0] = true; /* and with the next sample, whenever that is */
    kit_ticks(&k, 4);
    v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.canary == 0 && v.control == 1);
    k.silent[0] = false;
    kit_tick(&k);
    assert_int_equal(booted(&k), 1);
    kit_free(&k);
    /* Three in half an hour are a loop, whenever they are counted. */
    begin(&k);
    kit_until(&k, STAGED);
    for (int n = 0; n < 3; n++) {
        kit_boot(&k, 0);
        kit_ticks(&k, 4 * 14);
    }
    assert_int_equal(kit_evidence(&k, 0, TEST_LOOP).canary, 1);
    k.boots[1] += 3;
    kit_ticks(&k, 2);
    assert_int_equal(kit_evidence(&k, 0, TEST_LOOP).canary, 2);
    kit_free(&k);
}

/* The same bits with a break in the middle, also between a boot and its report. */
static void kept_and_gone_on_with(void **state)
{
    (void)state;
    struct kit k, l;
    struct buf a, b;
    begin(&k);
    begin(&l);
    for (int n = 0; n < 4 * 60 * 3; n++) {
        if (n % 97 == 13) {
            buf_init(&a, 1 << 22);
            trial_save(k.t, &a);
            trial_free(k.t);
            k.t = trial_load(a.data, a.len, &k.spec, NULL);
            assert_non_null(k.t);
            buf_release(&a);
        }
        for (size_t i = 0; i < CANARIES + OTHERS; i++) {
            bool now = (size_t)n % 97 == (i + 12) % 97, up = (size_t)n % 97 == (i + 13) % 97;
            k.boots[i] = l.boots[i] += now;
            k.own[i] = l.own[i] += up && (i % 5 == 0 || i < CANARIES);
        }
        kit_tick(&k);
        kit_tick(&l);
    }
    buf_init(&a, 1 << 22);
    buf_init(&b, 1 << 22);
    trial_save(k.t, &a);
    trial_save(l.t, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).canary == CANARIES);
    l.spec.policy.n_own = 0; /* not of a trial without it */
    assert_null(trial_load(b.data, b.len, &l.spec, NULL));
    buf_release(&a);
    buf_release(&b);
    kit_free(&k);
    kit_free(&l);
}

static void a_decision_comes_out_again(void **state)
{
    (void)state;
    struct kit k;
    struct buf b;
    struct replay again;
    struct err e = {0};
    begin(&k);
    kit_until(&k, STAGED);
    boots(&k, CANARIES, 0);
    kit_ticks(&k, 10);
    boots(&k, CANARIES, 0);
    buf_init(&b, 1 << 22);
    trial_inputs(k.t, 0, TEST_BOOT1, &b);
    assert_non_null(strstr(b.data, "\"kind\":\"activation\""));
    assert_true(trial_replay(b.data, b.len, &again, &e));
    assert_true(again.same && again.pauses);
    buf_release(&b);
    kit_free(&k);
}

/* Which boots count is fixed when the rollout starts: neither added nor taken away while it runs. */
static void not_added_while_it_runs(void **state)
{
    (void)state;
    struct account c = {0};
    struct account_plan plan;
    struct arena a;
    struct buf b;
    struct policy p = *policy_default(), q = p;
    struct trial_spec spec = {.policy = p.evidence,
                              .waves = 4,
                              .start = KIT_START,
                              .step_us = KIT_STEP,
                              .grace_us = KIT_GRACE,
                              .silence_us = 5 * US_PER_MIN};
    struct trial_spec with = spec;
    struct rollout_identity who = {"f", "1", 5, "r", "x:1"};
    arena_init(&a);
    q.evidence.own = &activations;
    q.evidence.n_own = 1;
    assert_true(metric_make_tests(&q.evidence, &a));
    with.policy = q.evidence;
    for (int has = 0; has < 2; has++) {
        struct trial_terms mine = terms_of(has ? &with : &spec, has ? &q : &p, US_PER_HOUR);
        struct trial_terms other = terms_of(has ? &spec : &with, has ? &p : &q, US_PER_HOUR);
        memset(&c, 0, sizeof c);
        buf_init(&b, 1 << 16);
        terms_write(&mine, &b);
        account_take(&c, &a, &(struct account_claim){.who = who, .terms = b.data, .begun = 1, .acts = true});
        account_plan(&c, &who, &other, 1, true, &a, &plan);
        assert_int_equal(plan.kind, PLAN_GOES_ON);
        assert_int_equal(plan.terms.spec.policy.n_own, has);
        assert_non_null(strstr(plan.differs, has ? "other metrics" : "boots that activations names count"));
        terms_bind(&mine, &q, &a);
        assert_int_equal(q.evidence.n_own, has);
        q.evidence = with.policy;
        buf_release(&b);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_named_boot_does_not_count),
        cmocka_unit_test(without_the_report_it_counts),
        cmocka_unit_test(one_boot_and_no_more),
        cmocka_unit_test(once_in_a_rollout),
        cmocka_unit_test(control_is_asked),
        cmocka_unit_test(both_sides_wait_alike),
        cmocka_unit_test(kept_and_gone_on_with),
        cmocka_unit_test(a_decision_comes_out_again),
        cmocka_unit_test(not_added_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
