/* A trial's state as bytes, and its decisions as JSON: the same bits whoever feeds it and whenever; damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/eprocess.h"
#include "core/rng.h"
#include "tests/core/trial_kit.h"

#define CANARIES 12
#define DEVICES  120
#define TICKS    260

/* A rollout of two waves in which all kinds of things happen. Values depend on device and tick only. */
static void world(struct tick *rows, int64_t tick)
{
    size_t n = rows->n;
    int64_t number = (tick - KIT_START) / KIT_STEP;

    tick_clear(rows, tick);

    for (size_t i = 0; i < n; i++) {
        struct rng r;
        rng_init(&r, i * 1000003 + (uint64_t)number);
        bool bad = i < 4, away = i % 29 == 5 && number > 60 && number < 110;
        double per = bad ? 12 : 90 + (double)(i % 7) * 11; /* ticks between reboots */
        double cpu = 0.2 * (1 + 0.1 * rng_normal(&r)) * (i < CANARIES ? 1.2 : 1) * (i % 31 == 3 ? 2.1 : 1);

        if (away || rng_unit(&r) < 0.02 || number % 53 == 52)
            continue;
        kit_row(rows, i, tick - (int64_t)(i % 5) * US_PER_S, floor(((double)number + (double)(i * 37 % 90)) / per), cpu,
                rng_unit(&r) < 0.01 ? NAN : exp(0.3 * rng_normal(&r)) * (bad ? 6 : 1));
    }
}

static struct trial_spec spec(void)
{
    return (struct trial_spec){.policy = policy_default()->evidence,
                               .waves = 3,
                               .start = KIT_START + 3 * US_PER_S,
                               .step_us = KIT_STEP,
                               .grace_us = KIT_GRACE,
                               .silence_us = 5 * US_PER_MIN};
}

static int64_t installed_at(size_t i)
{
    return KIT_START + 3 * US_PER_S + (i < CANARIES ? (int64_t)i * 20 : 3000 + (int64_t)(i % 9) * 30) * US_PER_S;
}

#define TOLD  (KIT_START + 45 * US_PER_MIN)
#define ACKED (KIT_START + 40 * US_PER_MIN)

static struct trial *begin(const struct trial_spec *s)
{
    struct trial *t = trial_new(s, NULL);
    struct trial_past p = kit_past();

    for (size_t i = 0; i < DEVICES; i++) {
        p.hour[COL_REBOOTS] = i % 40 == 11 ? 4 : 0;
        assert_int_equal(trial_add(t, i < CANARIES ? 0 : i < 40 ? 1 : -1, true, (uint8_t)(i % 3), &p).i, i);
    }
    return t;
}

/* Hands in the facts up to `upto`, after those before `from`. */
static void facts(struct trial *t, int64_t from, int64_t upto)
{
    for (size_t i = 0; i < 40; i++)
        if (installed_at(i) >= from && installed_at(i) < upto)
            assert_true(trial_installed(t, TRIAL_IX(i), installed_at(i)));
    if (ACKED >= from && ACKED < upto)
        trial_ack(t, ACKED);
    if (TOLD >= from && TOLD < upto)
        assert_true(trial_told(t, 1, TOLD));
}

static void bytes_of(const struct trial *t, struct buf *b)
{
    buf_clear(b);
    trial_save(t, b);
    assert_false(b->over);
}

/* Feeds all ticks; `live`: facts are handed in just before the tick they belong to, else all at once; every `save`
 * ticks the trial is saved and loaded. */
static struct trial *run_by(struct trial_spec s, bool live, int save)
{
    struct trial *t = begin(&s);
    struct tick rows;
    struct buf b;
    int64_t from = 0;

    buf_init(&b, 1 << 24);
    tick_init(&rows, 0, DEVICES, COL_BUILTIN);
    if (!live)
        facts(t, 0, INT64_MAX);
    for (int k = 0; k < TICKS; k++) {
        int64_t tick = trial_next_tick(t);

        if (live)
            facts(t, from, tick + 1);
        from = tick + 1;
        world(&rows, tick);
        trial_tick(t, &rows);
        if (k == 150)
            kit_outcomes(t, 3, 40);
        if (save && k % save == 0) {
            bytes_of(t, &b);
            trial_free(t);
            t = trial_load(b.data, b.len, k % 2 ? &s : NULL, NULL);
            assert_non_null(t);
        }
    }
    if (live)
        facts(t, from, INT64_MAX);
    tick_release(&rows);
    buf_release(&b);
    return t;
}

static struct trial *run(bool live, int save)
{
    return run_by(spec(), live, save);
}

static void all_watchers_come_to_the_same_bits(void **state)
{
    struct trial *first = run(false, 0), *t;
    struct buf a, b;
    struct evidence v;
    enum trial_test which;

    (void)state;
    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    bytes_of(first, &a);
    assert_int_equal(trial_stages(first), 2);
    assert_true(kit_leading(first, 0, &v, &which));
    assert_true(v.log_e > 3);
    for (int k = 1; k <= 8; k++) {
        t = run(k % 2, k == 8 ? 97 : k - 1);
        bytes_of(t, &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        trial_free(t);
    }
    trial_free(first);
    buf_release(&a);
    buf_release(&b);
}

static void what_is_saved_is_checked(void **state)
{
    struct trial *t = run(false, 0), *u;
    struct trial_spec s = spec();
    struct err e;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 24);
    bytes_of(t, &b);
    s.policy.strata[0] = "other"; /* what evidence does not depend on may differ */
    s.policy.n_levels = 0;
    u = trial_load(b.data, b.len, &s, &e);
    assert_non_null(u);
    trial_free(u);
    s.policy.alpha = 0.04;
    assert_null(trial_load(b.data, b.len, &s, &e));
    assert_int_equal(e.code, ERR_STATE);
    b.data[8]++;
    assert_null(trial_load(b.data, b.len, NULL, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    trial_free(t);
    buf_release(&b);
}

static void damage_is_found(void **state)
{
    struct trial *t = run(false, 0);
    struct rng r;
    struct err e;
    struct buf b;

    (void)state;
    rng_init(&r, 4);
    buf_init(&b, 1 << 24);
    bytes_of(t, &b);
    for (int i = 0; i < 400; i++) {
        size_t at = (size_t)rng_below(&r, b.len), cut = (size_t)rng_below(&r, b.len);
        char bit = (char)(1 << rng_below(&r, 8));

        b.data[at] ^= bit;
        assert_null(trial_load(b.data, b.len, NULL, &e));
        b.data[at] ^= bit;
        char *copy = malloc(cut + 1); /* its own bounds, for the sanitizer */
        memcpy(copy, b.data, cut);
        assert_null(trial_load(copy, cut, NULL, &e));
        free(copy);
    }
    trial_free(t);
    buf_release(&b);
}

/* Bytes that someone has made on purpose, with a right digest: an error or a trial that can be fed, never a crash. */
static void forged_states_do_no_harm(void **state)
{
    struct trial *t = run(false, 0), *u;
    struct tick rows;
    struct rng r;
    struct buf b, c;
    int loaded = 0, refused = 0;

    (void)state;
    tick_init(&rows, 0, DEVICES, COL_BUILTIN);
    rng_init(&r, 5);
    buf_init(&b, 1 << 24);
    buf_init(&c, 1 << 24);
    bytes_of(t, &b);
    for (int i = 0; i < 1200; i++) {
        size_t body = b.len - SHA256_BYTES;
        unsigned char digest[SHA256_BYTES];

        buf_clear(&c);
        buf_add(&c, b.data, b.len);
        for (int k = 0; k < 3; k++) {
            size_t at = 10 + (size_t)rng_below(&r, i % 2 ? 2000 : body - 10);
            c.data[at] = (char)(rng_below(&r, 2) ? 0xff * (int)rng_below(&r, 2) : (int)rng_below(&r, 256));
        }
        sha256_bytes(c.data, body, digest);
        memcpy(c.data + body, digest, sizeof digest);
        u = trial_load(c.data, c.len, NULL, NULL);
        if (!u) {
            refused++;
            continue;
        }
        loaded++;
        for (int k = 0; k < 30; k++) {
            struct evidence v;
            enum trial_test which;
            int64_t tick = trial_next_tick(u);
            world(&rows, tick);
            trial_tick(u, &rows);
            if (k == 29)
                (void)kit_leading(u, trial_stage(u), &v, &which);
        }
        trial_free(u);
    }
    assert_true(loaded > 100 && refused > 100);
    tick_release(&rows);
    trial_free(t);
    buf_release(&b);
    buf_release(&c);
}

static void decisions_are_recomputed_to_the_last_bit(void **state)
{
    struct trial *t = run(true, 0);
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    struct replay out;
    struct err e;
    struct buf b, again;
    int with = 0;

    (void)state;
    buf_init(&b, 1 << 22);
    buf_init(&again, 1 << 22);
    for (int s = 0; s < 2; s++) {
        size_t n = trial_evidence(t, s, v, which);
        for (size_t i = 0; i < n; i++) {
            buf_clear(&b);
            trial_inputs(t, s, which[i], &b);
            if (!trial_replay(b.data, b.len, &out, &e))
                fail_msg("%s", e.what);
            if (!out.same)
                fail_msg("%s", out.text);
            assert_true(out.log_e == v[i].log_e && out.log_pause == v[i].log_pause);
            assert_int_equal(out.devices, v[i].devices);
            assert_int_equal(out.stage, s);
            assert_string_equal(out.test, v[i].test);
            assert_int_equal(out.pauses, v[i].log_e >= v[i].log_pause && v[i].devices >= 2);
            assert_non_null(strstr(out.text, "same bits"));
            with += out.log_e > 0;
        }
    }
    assert_true(with >= 8);
    trial_free(t);
    buf_release(&b);
    buf_release(&again);
}

/* As the log has it of a decision from when evidence of installs was the most that there had been. */
static void an_older_decision_of_installs(void **state)
{
    static const char was[] =
        "{\"alpha\":\"0x1.47ae147ae147cp-7\",\"clipped\":false,\"crossed_at\":86400285000000,\"devices\":3,"
        "\"log_e\":\"0x1.f5567d52b8ffcp+2\",\"log_pause\":\"0x1.26bb1bbb55515p+2\",\"outcomes\":[[1,10],[4,"
        "10],[4,40],[3,40]],\"spec\":{\"alpha\":\"0x1.999999999999ap-5\",\"boot_time\":false,\"cpu_ratio\":"
        "\"0x1.0cccccccccccdp+0\",\"grace_us\":180000000,\"install_share\":\"0x1.47ae147ae147bp-6\",\"min_"
        "devices\":2,\"ratio\":\"0x1.4p+0\",\"reserve\":\"0x0p+0\",\"share_cpu\":\"0x1.3333333333333p-3\",\"sha"
        "re_install\":\"0x1.999999999999ap-3\",\"share_reboot\":\"0x1.3333333333333p-2\",\"share_silence\""
        ":\"0x1.999999999999ap-3\",\"share_variance\":\"0x1.3333333333333p-3\",\"silence_us\":300000000,\""
        "start\":86400000000000,\"step_us\":15000000,\"variance_ratio\":\"0x1.4p+0\",\"waves\":3},\"stage\":"
        "0,\"test\":\"install\",\"v\":1}";
    struct replay out;

    (void)state;
    assert_true(trial_replay(was, sizeof was - 1, &out, NULL));
    assert_true(out.same && out.pauses);
    assert_int_equal(out.devices, 3);
    assert_int_equal(out.peeks, 4);
    assert_true(out.log_e == bernoulli_limit_log(4, 10, 0.02));
}

/* decisions-v1.jsonl holds inputs as they were logged before a metric was data, by this same fleet. */
/* As the built-in policy was when those decisions were made. */
static struct trial_spec spec_of_before(void)
{
    struct trial_spec s = spec();
    s.policy.design = 0;
    s.policy.share[ROW_REBOOTS] = 0.30;
    s.policy.share[ROW_SILENCE] = s.policy.share[ROW_INSTALL] = 0.20;
    s.policy.share[ROW_CPU] = s.policy.share[ROW_VARIANCE] = 0.15;
    return s;
}

static void decisions_of_before_are_recomputed(void **state)
{
    struct trial *t = run_by(spec_of_before(), true, 0);
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    char *line = NULL;
    size_t room = 0, lines = 0;
    ssize_t n;
    FILE *f = fopen("tests/core/decisions-v1.jsonl", "r");

    (void)state;
    assert_non_null(f);
    while ((n = getline(&line, &room, f)) > 0) {
        struct replay out;
        struct err e;
        if (!trial_replay(line, (size_t)n - 1, &out, &e))
            fail_msg("%s", e.what);
        if (!out.same)
            fail_msg("%s", out.text);
        for (size_t i = 0, m = trial_evidence(t, out.stage, v, which); i < m; i++)
            if (strcmp(v[i].test, out.test) == 0) { /* and the evidence is what it was */
                assert_true(v[i].log_e == out.log_e && v[i].log_pause == out.log_pause);
                assert_int_equal(v[i].devices, out.devices);
                lines++;
            }
    }
    assert_int_equal(lines, 12);
    free(line);
    assert_int_equal(fclose(f), 0);
    trial_free(t);
}

/* A changed figure is not the same decision; other changes are errors. */
static void tampering_shows(void **state)
{
    static const enum trial_test those[] = {TEST_LOOP, TEST_CPU, TEST_INSTALL};
    struct trial *t = run(true, 0);
    struct replay out;
    struct rng r;
    struct buf b;

    (void)state;
    rng_init(&r, 6);
    buf_init(&b, 1 << 22);
    for (size_t k = 0; k < 3; k++) {
        int changed = 0;
        buf_clear(&b);
        trial_inputs(t, 0, those[k], &b);
        const char *from = strstr(b.data, k == 0 ? "\"journal\":" : k == 1 ? "\"canary\":[[" : "\"installs\":");
        assert_non_null(from);
        size_t start = (size_t)(from - b.data);
        for (int i = 0; i < 400; i++) {
            size_t at = start + (size_t)rng_below(&r, 160 < b.len - start ? 160 : b.len - start);
            char was = b.data[at];
            if (was < '0' || was > '9')
                continue;
            b.data[at] = was == '9' ? '8' : (char)(was + 1);
            if (trial_replay(b.data, b.len, &out, NULL) && !out.same) {
                changed++;
                assert_non_null(strstr(out.text, "NOT the same"));
            }
            b.data[at] = was;
        }
        assert_true(changed > 5);
        assert_true(trial_replay(b.data, b.len, &out, NULL) && out.same);
    }
    for (int i = 0; i < 20000; i++) { /* anything at all */
        size_t at = (size_t)rng_below(&r, b.len);
        char was = b.data[at];
        b.data[at] = (char)rng_below(&r, 256);
        (void)!trial_replay(b.data, rng_below(&r, 8) ? b.len : at, &out, NULL);
        b.data[at] = was;
    }
    trial_free(t);
    buf_release(&b);
}

static void what_does_not_fit_is_left_out(void **state)
{
    struct trial *t = run(true, 0);
    struct replay out;
    struct err e;
    struct buf b;

    (void)state;
    buf_init(&b, 1200);
    trial_inputs(t, 0, TEST_CPU, &b);
    assert_false(b.over);
    assert_non_null(strstr(b.data, "\"clipped\":true"));
    assert_false(trial_replay(b.data, b.len, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_clear(&b);
    trial_inputs(t, 7, TEST_CPU, &b);
    trial_inputs(t, 0, TEST_COUNT, &b);
    assert_int_equal(b.len, 0);
    trial_free(t);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_watchers_come_to_the_same_bits),
        cmocka_unit_test(what_is_saved_is_checked),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(forged_states_do_no_harm),
        cmocka_unit_test(decisions_are_recomputed_to_the_last_bit),
        cmocka_unit_test(an_older_decision_of_installs),
        cmocka_unit_test(decisions_of_before_are_recomputed),
        cmocka_unit_test(tampering_shows),
        cmocka_unit_test(what_does_not_fit_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
