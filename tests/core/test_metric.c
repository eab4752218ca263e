/* Metrics as data: rows, the tests that follow from them, and a trial over a policy's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/metric.h"
#include "core/ledger.h"
#include "core/trial.h"
#include "tests/core/trial_kit.h"

#define CANARIES 20
#define DEVICES  200

static const struct metric_def rows[] = {
    {.id = "free-memory",
     .title = "free memory",
     .unit = "MiB",
     .kind = KIND_GAUGE,
     .worse = WORSE_DOWN,
     .own = true,
     .tolerance = 1.05,
     .share = 0.1,
     .level = {1.5, 2},
     .n_levels = 2,
     .window_us = 5 * US_PER_MIN},
    {.id = "radio-retries",
     .title = "radio retries",
     .unit = "",
     .kind = KIND_COUNTER,
     .share = 0.1,
     .level = {1, 10, 1000},
     .n_levels = 3},
    {.id = "offset",
     .title = "offset",
     .unit = "",
     .kind = KIND_GAUGE,
     .worse = WORSE_BOTH,
     .own = true,
     .tolerance = 1,
     .share = 0.1,
     .level = {2},
     .n_levels = 1,
     .window_us = 5 * US_PER_MIN},
    {.id = "error-log", .title = "an error in the log", .unit = "", .kind = KIND_EVENT, .share = 0.1},
    {.id = "boot-seconds",
     .title = "boot time",
     .unit = "s",
     .kind = KIND_GAUGE,
     .worse = WORSE_UP,
     .tolerance = 1,
     .share = 0.1,
     .window_us = 5 * US_PER_MIN},
};
enum { FREE, RETRIES, OFFSET, ERRORS, BOOT, OWN };

struct bench {
    struct arena arena;
    struct trial_spec spec;
    struct trial *t;
    double v[DEVICES][OWN]; /* of the next tick */
    bool silent[DEVICES];
};

static struct evidence_policy policy(struct arena *a)
{
    struct evidence_policy p = policy_default()->evidence;
    p.share[ROW_REBOOTS] = p.share[ROW_SILENCE] = p.share[ROW_CPU] = p.share[ROW_VARIANCE] = p.share[ROW_INSTALL] = 0.1;
    p.own = rows;
    p.n_own = OWN;
    assert_true(metric_make_tests(&p, a));
    return p;
}

static void bench_init(struct bench *b)
{
    memset(b, 0, sizeof *b);
    arena_init(&b->arena);
    b->spec = (struct trial_spec){.policy = policy(&b->arena),
                                  .waves = 1,
                                  .start = KIT_START,
                                  .step_us = KIT_STEP,
                                  .grace_us = KIT_GRACE,
                                  .silence_us = 5 * US_PER_MIN};
    b->t = trial_new(&b->spec, NULL);
    assert_non_null(b->t);
    for (size_t i = 0; i < DEVICES; i++) {
        struct trial_past p = kit_past();
        p.base[COL_BUILTIN + FREE] = p.hour[COL_BUILTIN + FREE] = 100;
        p.base[COL_BUILTIN + OFFSET] = p.hour[COL_BUILTIN + OFFSET] = 1;
        p.hour[COL_BUILTIN + RETRIES] = i % 50 == 7 ? 9 : 0;
        assert_int_equal(trial_add(b->t, i < CANARIES ? 0 : -1, true, 0, &p).i, i);
        if (i < CANARIES)
            assert_true(trial_installed(b->t, TRIAL_IX(i), KIT_START));
        b->v[i][FREE] = 100;
        b->v[i][OFFSET] = 1;
        b->v[i][BOOT] = 20;
    }
}

static void bench_end(struct bench *b)
{
    trial_free(b->t);
    arena_release(&b->arena);
}

static void bench_tick(struct bench *b)
{
    struct tick k;
    tick_init(&k, trial_next_tick(b->t), DEVICES, COL_BUILTIN + OWN);
    for (size_t i = 0; i < DEVICES; i++) {
        double jitter = 1 + 0.0001 * (double)((i * 7919 + (size_t)(k.t / KIT_STEP) * 104729) % 97);
        if (b->silent[i])
            continue;
        kit_row(&k, i, k.t, 7, 0.2 * jitter, jitter);
        for (size_t c = 0; c < OWN; c++)
            tick_row(&k, i)[COL_BUILTIN + c] = b->v[i][c] * (c == RETRIES || c == ERRORS ? 1 : jitter);
    }
    trial_tick(b->t, &k);
    tick_release(&k);
}

static void bench_until(struct bench *b, int64_t t)
{
    while (trial_next_tick(b->t) <= KIT_START + t)
        bench_tick(b);
}

static struct evidence of(const struct bench *b, const char *word)
{
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    size_t n = trial_evidence(b->t, 0, v, which);
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].test, word) == 0)
            return v[i];
    fail_msg("there is no test %s", word);
    return v[0];
}

/* Every decision replays to the same bits from what is logged of it. */
static void all_replay(const struct bench *b)
{
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    struct buf in;
    buf_init(&in, 1 << 22);
    for (size_t i = 0, n = trial_evidence(b->t, 0, v, which); i < n; i++) {
        struct replay out;
        struct err e;
        buf_clear(&in);
        trial_inputs(b->t, 0, which[i], &in);
        if (!trial_replay(in.data, in.len, &out, &e))
            fail_msg("%s: %s", v[i].test, e.what);
        if (!out.same)
            fail_msg("%s", out.text);
        assert_true(out.log_e == v[i].log_e);
        assert_string_equal(out.test, v[i].test);
    }
    buf_release(&in);
}

static void tests_follow_from_the_kind(void **state)
{
    static const char *const words[] = {"free-memory-down-1.5", "free-memory-down-2", "free-memory-down",
                                        "radio-retries-loop",   "radio-retries-1",    "radio-retries-10",
                                        "radio-retries-1000",   "offset-2",           "offset",
                                        "offset-down-2",        "offset-down",        "error-log",
                                        "boot-seconds"};
    struct arena a;
    struct ledger l;

    (void)state;
    arena_init(&a);
    struct evidence_policy p = policy(&a);
    assert_int_equal(metric_tests(&p), TEST_COUNT + sizeof words / sizeof *words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_int_equal(metric_test_find(&p, words[i]), TEST_COUNT + i);
    /* All tests of a metric together spend what it may, and no more. */
    assert_true(trial_ledger(&p, 2, &l));
    for (size_t row = 0; row < metric_count(&p); row++) {
        double parts = 0;
        for (int i = 0; i < metric_tests(&p); i++)
            if (metric_test(&p, i)->metric == row)
                parts += 1.0 / metric_test(&p, i)->parts;
        assert_true(fabs(parts - 1) < 1e-12);
    }
    assert_true(fabs(ledger_total(&l) - p.alpha) < 1e-12);
    p.worse[ROW_CPU] = p.worse[ROW_VARIANCE] = WORSE_BOTH;
    assert_true(metric_make_tests(&p, &a));
    for (size_t row = ROW_CPU; row <= ROW_VARIANCE; row++) {
        double parts = 0;
        for (int i = 0; i < metric_tests(&p); i++)
            if (metric_test(&p, i)->metric == row)
                parts += 1.0 / metric_test(&p, i)->parts;
        assert_true(fabs(parts - 1) < 1e-12);
    }
    assert_true(metric_test_find(&p, "cpu-down") > 0 && metric_test_find(&p, "cpu-down-3") > 0);
    arena_release(&a);
}

static void a_good_build_halts_by_none(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_until(&b, 2 * US_PER_HOUR);
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    for (size_t i = 0, n = trial_evidence(b.t, 0, v, which); i < n; i++)
        assert_int_equal(v[i].crossed_at, 0);
    all_replay(&b);
    bench_end(&b);
}

static void less_is_seen_where_less_is_worse(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_until(&b, KIT_GRACE);
    for (size_t i = 0; i < CANARIES; i++)
        b.v[i][FREE] = i < 6 ? 45 : 80;
    for (size_t i = 100; i < 120; i++)
        b.v[i][FREE] = 300; /* more of it is no harm */
    bench_until(&b, KIT_GRACE + 30 * US_PER_MIN);
    struct evidence v = of(&b, "free-memory-down-2");
    assert_true(v.canary == 6 && v.control == 0 && v.crossed_at > 0);
    v = of(&b, "free-memory-down-1.5");
    assert_int_equal(v.canary, 6);
    v = of(&b, "free-memory-down");
    assert_true(v.crossed_at > 0 && v.down && v.ratio < 0.85 && v.canary == CANARIES);
    assert_true(of(&b, "offset-down").crossed_at == 0 && of(&b, "cpu").crossed_at == 0);
    all_replay(&b);
    bench_end(&b);
}

static void both_directions_are_seen(void **state)
{
    for (int down = 0; down < 2; down++) {
        struct bench b;
        (void)state;
        bench_init(&b);
        bench_until(&b, KIT_GRACE);
        for (size_t i = 0; i < CANARIES; i++)
            b.v[i][OFFSET] = down ? 0.4 : 2.6;
        bench_until(&b, KIT_GRACE + 30 * US_PER_MIN);
        assert_true((of(&b, "offset").crossed_at > 0) == !down);
        assert_true((of(&b, "offset-down").crossed_at > 0) == down);
        assert_int_equal(of(&b, "offset-2").canary, down ? 0 : CANARIES);
        assert_int_equal(of(&b, "offset-down-2").canary, down ? CANARIES : 0);
        uint64_t bit = UINT64_C(1) << metric_test_find(&b.spec.policy, down ? "offset-down-2" : "offset-2");
        assert_true(trial_reached(b.t, TRIAL_IX(3)) & bit);
        assert_false(trial_reached(b.t, TRIAL_IX(CANARIES + 3)) & bit);
        all_replay(&b);
        bench_end(&b);
    }
}

static void counters_and_events_count(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    bench_until(&b, KIT_GRACE + US_PER_MIN);
    for (int tick = 0; tick < 12; tick++) {
        for (size_t i = 0; i < 8; i++)
            b.v[i][RETRIES] += 1;
        b.v[8][RETRIES] += tick == 3 ? 5000 : 0;
        for (size_t i = 10; i < 16; i++)
            b.v[i][ERRORS] = tick == (int)i - 10 ? 1 : b.v[i][ERRORS];
        b.v[30][ERRORS] = 1;
        bench_tick(&b);
    }
    assert_int_equal(of(&b, "radio-retries-1").canary, 9);
    assert_int_equal(of(&b, "radio-retries-10").canary, 9);
    assert_int_equal(of(&b, "radio-retries-1000").canary, 1);
    struct evidence v = of(&b, "radio-retries-loop");
    assert_int_equal(v.canary, 8); /* but for the one that was in a loop before */
    assert_int_equal(v.canary_of, CANARIES - 1);
    assert_true(v.crossed_at > 0);
    v = of(&b, "error-log");
    assert_true(v.canary == 6 && v.control == 1);
    all_replay(&b);
    bench_end(&b);
}

/* What a counter rose by while it was not shown belongs to all of that time, so to the install too; and one that begins
 * anew has shown no event by that. */
static void a_counter_that_was_away_counts_from_when_it_is_back(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    for (size_t i = 0; i < CANARIES; i++)
        b.v[i][ERRORS] = 7;
    bench_tick(&b);
    for (size_t i = 0; i < CANARIES; i++)
        b.v[i][ERRORS] = NAN;
    bench_until(&b, KIT_GRACE + US_PER_MIN);
    for (size_t i = 0; i < CANARIES; i++)
        b.v[i][ERRORS] = i < 5 ? 0 : 9;
    bench_tick(&b);
    assert_int_equal(of(&b, "error-log").canary, 0);
    b.v[6][ERRORS] = 0;
    bench_tick(&b);
    assert_int_equal(of(&b, "error-log").canary, 0);
    b.v[0][ERRORS] = 1;
    bench_tick(&b);
    assert_int_equal(of(&b, "error-log").canary, 1);
    bench_end(&b);
}

static void without_a_baseline_values_are_compared_as_they_are(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    for (size_t i = 0; i < CANARIES; i++)
        b.v[i][BOOT] = 31;
    bench_until(&b, KIT_GRACE + 30 * US_PER_MIN);
    struct evidence v = of(&b, "boot-seconds");
    assert_true(v.crossed_at > 0 && v.ratio > 1.5);
    assert_non_null(strstr(v.plain, "boot time"));
    all_replay(&b);
    bench_end(&b);
}

/* Saved and loaded in the middle of it all it goes on to the same bits; of other metrics it is not taken. */
static void its_state_is_kept(void **state)
{
    struct bench a, b;
    struct buf x, y;
    struct err e;

    (void)state;
    buf_init(&x, 1 << 24);
    buf_init(&y, 1 << 24);
    bench_init(&a);
    bench_init(&b);
    for (int k = 0; k < 160; k++) {
        struct bench *each[] = {&a, &b};
        for (int i = 0; i < 2; i++) {
            each[i]->v[2][FREE] = k > 30 ? 40 : 100;
            each[i]->v[3][RETRIES] = k;
            each[i]->v[4][OFFSET] = 3;
            each[i]->v[40][ERRORS] = k > 50;
            each[i]->silent[5] = k > 60 && k < 100;
            bench_tick(each[i]);
        }
        if (k % 23 != 0)
            continue;
        buf_clear(&x);
        trial_save(b.t, &x);
        trial_free(b.t);
        b.t = trial_load(x.data, x.len, &b.spec, &e);
        if (!b.t)
            fail_msg("%s", e.what);
    }
    buf_clear(&x);
    trial_save(a.t, &x);
    trial_save(b.t, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    struct trial_spec other = b.spec;
    other.policy.n_own = 0;
    other.policy.n_own_tests = 0;
    assert_null(trial_load(x.data, x.len, &other, &e));
    assert_int_equal(e.code, ERR_STATE);
    bench_end(&a);
    bench_end(&b);
    buf_release(&x);
    buf_release(&y);
}

static void the_digest_is_of_all_that_is_tested(void **state)
{
    char first[SHA256_HEX], other[SHA256_HEX];
    struct arena a;

    (void)state;
    arena_init(&a);
    struct evidence_policy p = policy(&a), q = p;
    metric_digest(&p, first);
    q.worse[ROW_CPU] = WORSE_BOTH;
    metric_digest(&q, other);
    assert_string_not_equal(first, other);
    q = p;
    q.n_own--;
    metric_digest(&q, other);
    assert_string_not_equal(first, other);
    q = p;
    q.share[ROW_CPU] = 0.11;
    metric_digest(&q, other);
    assert_string_not_equal(first, other);
    arena_release(&a);
}

static void ids(void **state)
{
    (void)state;
    assert_true(metric_id_ok("free-memory") && metric_id_ok("a1"));
    assert_false(metric_id_ok("cpu") || metric_id_ok("") || metric_id_ok("1a") || metric_id_ok("a-") ||
                 metric_id_ok("A") || metric_id_ok("a b") || metric_id_ok("abcdefghijklmnopqrstuvwxyz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_follow_from_the_kind),
        cmocka_unit_test(a_good_build_halts_by_none),
        cmocka_unit_test(less_is_seen_where_less_is_worse),
        cmocka_unit_test(both_directions_are_seen),
        cmocka_unit_test(counters_and_events_count),
        cmocka_unit_test(a_counter_that_was_away_counts_from_when_it_is_back),
        cmocka_unit_test(without_a_baseline_values_are_compared_as_they_are),
        cmocka_unit_test(its_state_is_kept),
        cmocka_unit_test(the_digest_is_of_all_that_is_tested),
        cmocka_unit_test(ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
