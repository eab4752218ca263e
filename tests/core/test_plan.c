/* Plans: picks that are balanced, random and can be made again; one form of JSON and no other; and who may tell whom,
 * whatever order the log's entries come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/plan.h"
#include "core/plan_state.h"
#include "core/rng.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* n devices of three models (7 : 2 : 1) and two exposures; `turn` hands them in in another order. */
static struct wave_plan plan_of(size_t n, const char *sizes, uint64_t salt, size_t turn)
{
    static const char *models[] = {"rev-A", "rev-B", "rev-C"}, *nets[] = {"isolated", "internet"};
    struct wave_plan p = {.name = "hearth 4.12", .description = "", .target = "all devices", .salt = salt};
    struct err e;
    p.release = (struct release){"17", "hearth", "4.12.1", 3};
    p.created_at = 1700000000;
    p.failure_bp = 5000;
    p.strata = "model";
    p.strata_values = models;
    p.n_strata = 3;
    p.order = "net";
    p.order_values = nets;
    p.n_order = 2;
    p.n = n;
    p.raw_ids = ARENA_ARRAY(&arena, const char *, n);
    p.stratum = ARENA_ARRAY(&arena, uint16_t, n);
    p.exposure = ARENA_ARRAY(&arena, uint16_t, n);
    for (size_t k = 0; k < n; k++) {
        size_t i = (k + turn) % n;
        p.raw_ids[k] = arena_printf(&arena, "cam-%zu", i);
        p.stratum[k] = (uint16_t)(i % 10 < 7 ? 0 : i % 10 < 9 ? 1 : 2);
        p.exposure[k] = (uint16_t)(i < n / 2 ? 0 : 1);
    }
    assert_true(plan_sizes(sizes, p.sizes, &p.n_waves, &e));
    return p;
}

static struct wave_plan picked(size_t n, const char *sizes, uint64_t salt, size_t turn)
{
    struct wave_plan p = plan_of(n, sizes, salt, turn);
    struct err e;
    if (!plan_pick(&p, &arena, &e))
        fail_msg("%s", e.what);
    return p;
}

static void sizes_are_read(void **state)
{
    static const char *const wrong[] = {
        "",     "rest,1", "0",       "0%",  "101%", "1%,",    ",1",    "1.234%,rest", "-5",  "1e3",
        "5 ,6", "100001", "60%,60%", "1.%", "%",    "0.001%", "rest%", "restx",       "1%%", "99999999999999999999"};
    struct plan_size s[PLAN_WAVES_MAX];
    size_t n;
    struct err e;
    (void)state;
    assert_true(plan_sizes("1%,0.05%,5,rest", s, &n, &e));
    assert_int_equal(n, 4);
    assert_int_equal(s[0].bp, 100);
    assert_int_equal(s[1].bp, 5);
    assert_int_equal(s[2].devices, 5);
    assert_int_equal(s[3].measure, PLAN_REST);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (plan_sizes(wrong[i], s, &n, &e))
            fail_msg("\"%s\" was taken", wrong[i]);
}

static void waves_are_cut(void **state)
{
    static const struct {
        size_t n;
        const char *sizes;
        bool ok;
        size_t first, last;
    } t[] = {{1000, "1%,10%,rest", true, 10, 890},
             {50, "1%,rest", true, 1, 49},
             {50, "5,10,rest", true, 5, 35},
             {50, "50%,50%", true, 25, 25},
             {3, "33.34%,33.33%,33.33%", true, 2, 1},
             {50, "5,10", false, 0, 0},
             {50, "50,rest", false, 0, 0},
             {50, "51", false, 0, 0},
             {50, "5,100%", false, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct wave_plan p = plan_of(t[i].n, t[i].sizes, 7, 0);
        struct err e;
        bool ok = plan_pick(&p, &arena, &e);
        if (strcmp(t[i].sizes, "33.34%,33.33%,33.33%") == 0) { /* two and one are all: none is left for the third */
            assert_false(ok);
            continue;
        }
        if (ok != t[i].ok)
            fail_msg("%zu devices in %s: %d", t[i].n, t[i].sizes, ok);
        if (ok) {
            assert_int_equal(p.waves[0].n, t[i].first);
            assert_int_equal(p.waves[p.n_waves - 1].n, t[i].last);
        }
    }
}

/* Each wave has of each stratum its share within its exposure, give or take one at each end of a piece. */
static void waves_are_balanced(void **state)
{
    static const double share[] = {0.7, 0.2, 0.1};
    (void)state;
    for (uint64_t salt = 0; salt < 40; salt++) {
        struct wave_plan p = picked(1000, "1%,9%,20%,rest", salt, 0);
        for (size_t w = 0; w < p.n_waves; w++) {
            size_t all = 0;
            for (size_t k = 0; k <= 3; k++) {
                size_t m = plan_in_stratum(&p, w, k);
                double want = k < 3 ? share[k] * (double)p.waves[w].n : 0;
                all += m;
                if ((double)m < want - 2.01 || (double)m > want + 2.01)
                    fail_msg("salt %d W%zu: %zu of stratum %zu, not %.1f", (int)salt, w, m, k, want);
            }
            assert_int_equal(all, p.waves[w].n);
        }
        for (size_t i = 1; i < p.n; i++) /* least exposed first */
            assert_true(p.exposure[i - 1] <= p.exposure[i]);
    }
}

/* A device is in the canary wave by chance: over many salts each about as often as any other of its stratum. */
static void picks_are_random(void **state)
{
    int hits[100] = {0};
    (void)state;
    for (uint64_t salt = 0; salt < 2000; salt++) {
        struct wave_plan p = picked(200, "10,rest", salt, 0);
        for (size_t i = 0; i < 10; i++)
            hits[strtol(p.raw_ids[i] + 4, NULL, 10)]++;
    }
    for (int i = 0; i < 100; i++) /* 1 of 10; five standard deviations */
        if (hits[i] < 200 - 68 || hits[i] > 200 + 68)
            fail_msg("cam-%d was a canary %d times of 2000", i, hits[i]);
}

static void picks_are_made_again(void **state)
{
    struct wave_plan p = picked(300, "1%,10%,rest", 99, 0), q = picked(300, "1%,10%,rest", 99, 123);
    (void)state;
    for (size_t i = 0; i < p.n; i++)
        assert_string_equal(p.raw_ids[i], q.raw_ids[i]);
    assert_true(plan_picked(&p));
    const char *x = p.raw_ids[0];
    p.raw_ids[0] = p.raw_ids[200]; /* a canary of somebody's own choice */
    p.raw_ids[200] = x;
    assert_false(plan_picked(&p));
    q.salt++;
    assert_false(plan_picked(&q));
}

static void twins_are_refused(void **state)
{
    struct wave_plan p = plan_of(50, "5,rest", 1, 0);
    struct err e;
    (void)state;
    p.raw_ids[7] = "cam-3";
    assert_false(plan_pick(&p, &arena, &e));
    p = plan_of(50, "5,rest", 1, 0);
    p.n = PLAN_DEVICES_MAX + 1;
    assert_false(plan_pick(&p, &arena, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

/* ---- JSON ---- */

static void one_form_of_json(void **state)
{
    struct wave_plan p = plan_of(60, "5,rest", 5, 0), q;
    struct buf b;
    struct err e;
    (void)state;
    p.raw_ids[3] = "with blank";
    p.raw_ids[4] = "100%";
    p.raw_ids[5] = "\x01\xff\"\\";
    p.raw_ids[6] = "caf\xc3\xa9";
    assert_true(plan_pick(&p, &arena, &e));
    buf_init(&b, PLAN_BYTES_MAX);
    assert_true(plan_write(&p, &b, &e));
    assert_true(plan_is_id(p.id));
    if (!plan_read(&q, b.data, b.len, &arena, &e))
        fail_msg("%s", e.what);
    assert_string_equal(q.id, p.id);
    assert_int_equal(q.n, p.n);
    for (size_t i = 0; i < p.n; i++) {
        assert_string_equal(q.raw_ids[i], p.raw_ids[i]);
        assert_int_equal(q.stratum[i], p.stratum[i]);
        assert_int_equal(q.exposure[i], p.exposure[i]);
    }
    assert_int_equal(q.release.order, 3);
    assert_true(plan_picked(&q));
    /* Every byte matters: nothing else is taken for a plan, or it is another one. */
    struct rng r;
    rng_init(&r, 3);
    for (int k = 0; k < 4000; k++) {
        char *bytes = arena_memdup(&arena, b.data, b.len);
        size_t at = (size_t)rng_below(&r, b.len), n = b.len;
        if (k % 3 == 0)
            bytes[at] = (char)rng_u64(&r);
        else if (k % 3 == 1)
            n = at;
        else
            memmove(bytes + at, bytes + at + 1, --n - at);
        if (plan_read(&q, bytes, n, &arena, &e) && strcmp(q.id, p.id) == 0)
            assert_true(n == b.len && memcmp(bytes, b.data, n) == 0);
        if (k % 64 == 0)
            arena_release(&arena);
    }
    buf_release(&b);
}

static void hostile_json(void **state)
{
    static const char *const t[] = {
        "", "[]", "null", "{}", "{\"v\":1}", "{\"v\":2}",
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[],\"name\":\"x\",\"release\":{\"id\":\"1\","
        "\"name\":"
        "\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[],\"success\":0,\"target\":\"\","
        "\"v\":1,\"waves\":[]}",
        /* a wave of more devices than there are; of part of one; none; a name with a NUL; an id that is written
           otherwise */
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[\"a\"],\"name\":\"x\",\"release\":{\"id\":\"1\","
        "\"name\":"
        "\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[\"rest\"],\"success\":0,"
        "\"target\":\"\","
        "\"v\":1,\"waves\":[2]}",
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[\"a\"],\"name\":\"x\",\"release\":{\"id\":\"1\","
        "\"name\":"
        "\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[\"rest\"],\"success\":0,"
        "\"target\":\"\","
        "\"v\":1,\"waves\":[1.5]}",
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[\"a\"],\"name\":\"x\\u0000\",\"release\":{\"id\":"
        "\"1\","
        "\"name\":\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[\"rest\"],\"success\":"
        "0,"
        "\"target\":\"\",\"v\":1,\"waves\":[1]}",
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[\"%61\"],\"name\":\"x\",\"release\":{\"id\":\"1\","
        "\"name\":"
        "\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[\"rest\"],\"success\":0,"
        "\"target\":\"\","
        "\"v\":1,\"waves\":[1]}",
        "{\"created\":1,\"description\":\"\",\"failure\":0,\"ids\":[\"%00\"],\"name\":\"x\",\"release\":{\"id\":\"1\","
        "\"name\":"
        "\"a\",\"order\":0,\"version\":\"1\"},\"salt\":\"0000000000000000\",\"sizes\":[\"rest\"],\"success\":0,"
        "\"target\":\"\","
        "\"v\":1,\"waves\":[1]}"};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct wave_plan p;
        struct err e = {0};
        if (plan_read(&p, t[i], strlen(t[i]), &arena, &e))
            fail_msg("taken: %s", t[i]);
        assert_true(e.code != ERR_NONE);
    }
}

static void a_hundred_thousand(void **state)
{
    struct wave_plan p = picked(PLAN_DEVICES_MAX, "0.1%,1%,10%,rest", 11, 5), q;
    struct buf b;
    struct err e;
    (void)state;
    buf_init(&b, PLAN_BYTES_MAX);
    assert_true(plan_write(&p, &b, &e));
    assert_true(plan_read(&q, b.data, b.len, &arena, &e));
    assert_string_equal(p.id, q.id);
    assert_int_equal(q.waves[0].n, 100);
    buf_release(&b);
}

/* ---- the state ---- */

static struct plan_entry said(enum plan_event event, int64_t seq)
{
    return (struct plan_entry){.event = event,
                               .seq = seq,
                               .t = seq * 1000,
                               .wave = -1,
                               .plan = "",
                               .by = "a",
                               .key = "",
                               .reason = "",
                               .outcomes = ""};
}

static bool open_wave(struct plan_state *s, int64_t seq, int wave)
{
    struct plan_entry e = said(PLAN_OPENED, seq);
    e.wave = wave;
    return plan_fold(s, &e);
}

static bool claims(struct plan_state *s, int64_t seq, const char *key, size_t first, size_t n)
{
    struct plan_entry e = said(PLAN_TELLING, seq);
    e.key = key;
    e.first = first;
    e.n = n;
    return plan_fold(s, &e);
}

static bool answers(struct plan_state *s, enum plan_event event, int64_t seq, const char *key, const char *outcomes)
{
    struct plan_entry e = said(event, seq);
    e.key = key;
    e.outcomes = outcomes;
    return plan_fold(s, &e);
}

static bool does(struct plan_state *s, enum plan_event event, int64_t seq)
{
    struct plan_entry e = said(event, seq);
    return plan_fold(s, &e);
}

static void first_claim_holds(void **state)
{
    struct wave_plan p = picked(20, "5,rest", 1, 0);
    struct plan_state s;
    size_t first, n;
    (void)state;
    plan_state_init(&s, &p);
    assert_false(claims(&s, 1, "k1", 0, 3)); /* not started */
    assert_false(open_wave(&s, 2, 1));       /* not the first */
    assert_true(open_wave(&s, 3, 0));
    assert_true(plan_next(&s, 3, &first, &n));
    assert_true(first == 0 && n == 3);
    assert_true(claims(&s, 4, "k1", 0, 3));
    assert_false(claims(&s, 5, "k2", 2, 2)); /* one of them is taken */
    assert_false(claims(&s, 6, "k1", 3, 2)); /* a key is used once */
    assert_false(claims(&s, 7, "k3", 3, 3)); /* W1 is not open */
    assert_false(claims(&s, 8, "k3", 19, 2));
    assert_false(claims(&s, 9, "k3", 3, 0));
    assert_true(plan_next(&s, 100, &first, &n));
    assert_true(first == 3 && n == 2);
    assert_false(open_wave(&s, 10, 0));
    assert_true(open_wave(&s, 11, 1));
    assert_false(claims(&s, 12, "k3", 4, 2)); /* of two waves */
    assert_true(claims(&s, 13, "k3", 3, 2));
    assert_false(claims(&s, 13, "k4", 5, 2)); /* it was read already */
    plan_state_free(&s);
}

static void nothing_is_claimed_when_paused(void **state)
{
    struct wave_plan p = picked(20, "5,rest", 1, 0);
    struct plan_state s;
    (void)state;
    plan_state_init(&s, &p);
    assert_true(open_wave(&s, 1, 0));
    assert_true(does(&s, PLAN_PAUSED, 2));
    assert_false(claims(&s, 3, "k", 0, 5));
    assert_false(open_wave(&s, 4, 1));
    assert_false(does(&s, PLAN_FINISHED, 5));
    assert_true(does(&s, PLAN_RESUMED, 6));
    assert_true(claims(&s, 7, "k", 0, 5));
    assert_true(does(&s, PLAN_STOPPED, 8));
    assert_false(does(&s, PLAN_RESUMED, 9));
    assert_false(claims(&s, 10, "l", 5, 5));
    plan_state_free(&s);
}

static void only_the_first_answer_frees(void **state)
{
    struct wave_plan p = picked(20, "5,rest", 1, 0);
    struct plan_state s;
    size_t first, n;
    (void)state;
    plan_state_init(&s, &p);
    assert_true(open_wave(&s, 1, 0));
    assert_true(claims(&s, 2, "a", 0, 5));
    assert_false(answers(&s, PLAN_TOLD, 3, "a", "dd")); /* not of as many */
    assert_false(answers(&s, PLAN_TOLD, 4, "b", "ddddd"));
    assert_true(answers(&s, PLAN_READ, 5, "a", "nnnnn")); /* what was read frees nothing */
    assert_false(plan_next(&s, 9, &first, &n));
    assert_true(answers(&s, PLAN_TOLD, 6, "a", "drn?n"));
    assert_int_equal(plan_told(&s, 0), 2); /* one done, one not known; nobody who was refused or is free again */
    assert_memory_equal(s.told, ((uint8_t[]){PT_TOLD, PT_REFUSED, PT_NOT, PT_NOT_KNOWN, PT_NOT}), 5);
    (void)answers(&s, PLAN_TOLD, 7, "a", "nnnnn");
    assert_memory_equal(s.told, ((uint8_t[]){PT_TOLD, PT_REFUSED, PT_NOT, PT_NOT_KNOWN, PT_NOT}), 5);
    assert_true(claims(&s, 8, "b", 2, 1)); /* one that was freed */
    assert_true(answers(&s, PLAN_READ, 9, "a", "ddddd"));
    assert_memory_equal(s.told, ((uint8_t[]){PT_TOLD, PT_REFUSED, PT_CLAIMED, PT_TOLD, PT_NOT}), 5); /* b's is b's */
    assert_true(answers(&s, PLAN_TOLD, 10, "b", "?"));
    assert_true(answers(&s, PLAN_READ, 11, "b", "m"));
    assert_int_equal(s.told[2], PT_MISSED);
    assert_true(answers(&s, PLAN_READ, 12, "b", "d")); /* it shows it after all */
    assert_int_equal(s.told[2], PT_TOLD);
    plan_state_free(&s);
}

static void every_device_is_counted_once(void **state)
{
    struct wave_plan p = picked(40, "20,rest", 1, 0);
    struct plan_state s;
    struct rng r;
    uint8_t at[40];
    (void)state;
    rng_init(&r, 9);
    for (int k = 0; k < 2000; k++) {
        plan_state_init(&s, &p);
        s.opened = (int)rng_below(&r, 3);
        s.phase = (enum plan_phase)rng_below(&r, 5);
        for (size_t i = 0; i < 40; i++) {
            at[i] = (uint8_t)rng_below(&r, AT_LOST + 1);
            s.told[i] = (uint8_t)rng_below(&r, PT_RECALLED + 1);
        }
        for (size_t w = 0; w < 2; w++) {
            struct counts c;
            plan_counts(&s, at, w, &c);
            assert_int_equal(c.notstarted + c.scheduled + c.running + c.finished + c.error + c.cancelled, 20);
        }
        plan_state_free(&s);
    }
    plan_state_init(&s, &p);
    s.opened = 1;
    s.phase = PLAN_IS_RUNNING;
    memset(at, AT_OTHER, sizeof at);
    memset(s.told, PT_TOLD, 10);
    s.told[9] = PT_NOT_KNOWN; /* it may have been told: of that a roll back must know */
    s.told[8] = PT_MISSED;
    at[0] = AT_INSTALLED;
    at[1] = AT_FAILED;
    at[2] = AT_LOST;
    struct counts c;
    plan_counts(&s, at, 0, &c);
    assert_int_equal(c.finished, 1);
    assert_int_equal(c.error, 2);
    assert_int_equal(c.cancelled, 1);
    assert_int_equal(c.running, 6);
    assert_int_equal(c.scheduled, 10);
    assert_false(plan_wave_failed(&p, 0, &c));
    c.error = 10;
    assert_false(plan_wave_failed(&p, 0, &c)); /* half of them: not more than half */
    c.error = 11;
    assert_true(plan_wave_failed(&p, 0, &c));
    plan_state_free(&s);
}

static void undo_comes_back(void **state)
{
    const char *const u[] = {"stable", "", "a\\b\nc", NULL}, *none[] = {"", NULL}, *out[4];
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    assert_false(plan_undo_write(none, 2, &b));
    buf_clear(&b);
    assert_true(plan_undo_write(u, 4, &b));
    assert_true(plan_undo_read(b.data, b.len, 4, &arena, out));
    for (int i = 0; i < 4; i++)
        assert_string_equal(out[i], u[i] ? u[i] : "");
    assert_false(plan_undo_read(b.data, b.len, 3, &arena, out));
    assert_false(plan_undo_read(b.data, b.len, 5, &arena, out));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes_are_read, begin, end),
        cmocka_unit_test_setup_teardown(waves_are_cut, begin, end),
        cmocka_unit_test_setup_teardown(waves_are_balanced, begin, end),
        cmocka_unit_test_setup_teardown(picks_are_random, begin, end),
        cmocka_unit_test_setup_teardown(picks_are_made_again, begin, end),
        cmocka_unit_test_setup_teardown(twins_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(one_form_of_json, begin, end),
        cmocka_unit_test_setup_teardown(hostile_json, begin, end),
        cmocka_unit_test_setup_teardown(a_hundred_thousand, begin, end),
        cmocka_unit_test_setup_teardown(first_claim_holds, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_claimed_when_paused, begin, end),
        cmocka_unit_test_setup_teardown(only_the_first_answer_frees, begin, end),
        cmocka_unit_test_setup_teardown(every_device_is_counted_once, begin, end),
        cmocka_unit_test_setup_teardown(undo_comes_back, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
