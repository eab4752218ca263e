/* err, arena, buf, rng, fmt, clock: the base that every room stands on. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/fmt.h"
#include "core/rng.h"

static void err_fills_and_clips(void **state)
{
    (void)state;
    struct err e = {0};
    assert_false(err_set(&e, ERR_SYNTAX, "Do this.", "line %d", 7));
    assert_int_equal(e.code, ERR_SYNTAX);
    assert_string_equal(e.what, "line 7");
    assert_string_equal(e.next, "Do this.");
    err_prefix(&e, "%s: ", "config.yaml");
    assert_string_equal(e.what, "config.yaml: line 7");
    char big[1000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&e, ERR_IO, big, "%s", big);
    assert_int_equal(strlen(e.what), sizeof e.what - 1);
    assert_int_equal(strlen(e.next), sizeof e.next - 1);
    errno = ENOENT;
    err_errno(&e, ERR_IO, NULL, "open");
    assert_string_equal(e.cause, strerror(ENOENT));
    assert_false(err_set(NULL, ERR_IO, NULL, "nobody listens"));
}

static void arena_keeps_things_apart_and_zeroed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *p[500];
    for (int i = 0; i < 500; i++) {
        size_t n = (size_t)(i * 97 % 30000);
        p[i] = arena_alloc(&a, n + 1);
        for (size_t k = 0; k <= n; k++)
            assert_int_equal(p[i][k], 0);
        memset(p[i], i & 0x7f, n + 1);
    }
    for (int i = 0; i < 500; i++)
        assert_int_equal(p[i][0], i & 0x7f);
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_printf(&a, "%d %s", 3, "waves"), "3 waves");
    assert_string_equal(arena_strndup(&a, "canary", 3), "can");
    assert_true(a.used > 0);
    arena_release(&a);
    assert_int_equal(a.used, 0);
}

static void buf_stops_at_its_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_adds(&b, "12345"));
    assert_true(buf_printf(&b, "%d", 67890));
    assert_false(b.over);
    assert_false(buf_addc(&b, 'x'));
    assert_true(b.over);
    assert_string_equal(b.data, "1234567890");
    assert_false(buf_adds(&b, "")); /* once over, always over, until it is cleared */
    buf_clear(&b);
    assert_true(buf_adds(&b, "again"));
    char *s = buf_take(&b);
    assert_string_equal(s, "again");
    assert_int_equal(b.len, 0);
    free(s);
    buf_release(&b);
}

static void buf_grows(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 10000; i++)
        assert_true(buf_printf(&b, "%04d,", i));
    assert_int_equal(b.len, 50000);
    assert_memory_equal(b.data + 5 * 9999, "9999,", 6);
    buf_release(&b);
}

static void rng_is_the_published_sequence(void **state)
{
    (void)state;
    /* SplitMix64 of seed 1234567, as published with the reference implementation (prng.di.unimi.it). */
    struct rng r;
    rng_init(&r, 1234567);
    assert_true(rng_u64(&r) == UINT64_C(6457827717110365317));
    assert_true(rng_u64(&r) == UINT64_C(3203168211198807973));
    struct rng a, b;
    rng_init_named(&a, 7, "reboots");
    rng_init_named(&b, 7, "cpu");
    assert_true(rng_u64(&a) != rng_u64(&b));
}

static void rng_has_the_right_moments(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 42);
    double e = 0, n = 0, n2 = 0, g = 0;
    int seen[7] = {0};
    const int N = 200000;
    for (int i = 0; i < N; i++) {
        e += rng_exp(&r, 3);
        double x = rng_normal(&r);
        n += x;
        n2 += x * x;
        g += rng_gamma(&r, 0.5);
        seen[rng_below(&r, 7)]++;
    }
    assert_true(fabs(e / N - 3) < 0.05);
    assert_true(fabs(n / N) < 0.01 && fabs(n2 / N - 1) < 0.02);
    assert_true(fabs(g / N - 0.5) < 0.01);
    for (int i = 0; i < 7; i++)
        assert_true(fabs(seen[i] - N / 7.0) < 5 * sqrt(N / 7.0));
}

#define SAYS(call, text) assert_string_equal((call), (text))

static void fmt_writes_for_people(void **state)
{
    (void)state;
    char s[FMT_MAX];
    SAYS(fmt_count(s, 0), "0");
    SAYS(fmt_count(s, 999), "999");
    SAYS(fmt_count(s, 1934), "1,934");
    SAYS(fmt_count(s, -1234567), "-1,234,567");
    SAYS(fmt_count(s, INT64_MIN), "-9,223,372,036,854,775,808");
    SAYS(fmt_dur(s, 4 * US_PER_S), "4s");
    SAYS(fmt_dur(s, 125 * US_PER_S), "2m05s");
    SAYS(fmt_dur(s, 190 * US_PER_MIN), "3h10m");
    SAYS(fmt_dur(s, 52 * US_PER_HOUR), "2d04h");
    SAYS(fmt_dur(s, -5 * US_PER_S), "-5s");
    SAYS(fmt_dur(s, TIME_NEVER), "never");
    SAYS(fmt_num(s, 0.314), "0.31");
    SAYS(fmt_num(s, 9.996), "10.0");
    SAYS(fmt_num(s, 72000), "72000");
    SAYS(fmt_num(s, NAN), "?");
    SAYS(fmt_percent(s, 0.41), "41%");
    SAYS(fmt_percent(s, 0.005), "0.5%");
    SAYS(fmt_ratio(s, 3.12), "3.12x");
    SAYS(fmt_ratio(s, 0.96), "0.96x");
    SAYS(fmt_ratio(s, 1.0), "1.00x");
    SAYS(fmt_ratio(s, 9.996), "10.0x");
    SAYS(fmt_ratio(s, 15.23), "15.2x");
    SAYS(fmt_ratio(s, 99.96), "100x");
    SAYS(fmt_ratio(s, 123456.0), "10^5x");
    SAYS(fmt_ratio(s, NAN), "?");
    SAYS(fmt_ratio(s, 1234.0), "1234x");
}

/* What does not fit keeps its size, and never more columns than there are. */
static void fmt_fits(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        double v;
        int cols;
    } cases[] = {
        {"12,739,045", "12.7M", 12739045, 5},
        {"12,739,045", "12,739,045", 12739045, 10},
        {"8.6e+09", "8.6G", 8.6e9, 5},
        {"12,739,045,376", "12.74G", 12739045376, 11},
        {"-69,120", "-69k", -69120, 5},
        {"-69,120", "-69.1k", -69120, 6},
        {"999,996", "1M", 999996, 5},
        {"999,499", "999k", 999499, 5},
        {"999,500", "1M", 999500, 4},
        {"1,000", "1k", 1000, 4},
        {"-123,456,789", "-123M", -123456789, 5},
        {"1.2e-05", "1e-5", 1.2e-5, 5},
        {"3.4e+38", "3e38", 3.4e38, 5},
        {"-3.4e+38", "-3e38", -3.4e38, 5},
        {"120000%", "120k%", 1200, 5},
        {"?", "?", NAN, 5},
        {"100,000,000", "100M", 1e8, 5},
        {"999.994", "1k", 999.994, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char s[FMT_MAX];
        snprintf(s, sizeof s, "%s", cases[i].text);
        SAYS(fmt_fit(s, cases[i].v, cases[i].cols), cases[i].want);
    }
    for (double v = 1e-12; v < 1e38; v *= 1.37)
        for (int sign = -1; sign < 2; sign += 2) {
            char s[FMT_MAX];
            fmt_count(s, v < 1e15 ? (int64_t)(sign * v) : INT64_MAX);
            snprintf(s + strlen(s), FMT_MAX - strlen(s), "%s", "......");
            fmt_fit(s, sign * v, 6);
            assert_true(strlen(s) <= 6);
        }
}

static void fmt_times_round_trip(void **state)
{
    (void)state;
    char s[FMT_MAX];
    int64_t t;
    SAYS(fmt_iso(s, INT64_C(1931258342114000)), "2031-03-14T12:39:02.114Z");
    SAYS(fmt_hms(s, INT64_C(1931258342114000)), "12:39:02Z");
    SAYS(fmt_iso(s, -1000), "1969-12-31T23:59:59.999Z");
    assert_true(fmt_iso_parse("2031-03-14T12:39:02.114Z", &t));
    assert_true(t == INT64_C(1931258342114000));
    assert_true(fmt_iso_parse("2024-02-29T00:00:00Z", &t));
    static const char *const bad[] = {"",
                                      "2023-02-29T00:00:00Z",
                                      "2024-13-01T00:00:00Z",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01T00:00:00.Z",
                                      "2024-01-01T00:00:00.1234567Z",
                                      "2024-01-01 00:00:00Z",
                                      "2024-01-01T00:00:00Zx"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(fmt_iso_parse(bad[i], &t));
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 2000; i++) {
        int64_t us = (int64_t)rng_below(&r, UINT64_C(4102444800)) * US_PER_S + 123000;
        assert_true(fmt_iso_parse(fmt_iso(s, us), &t));
        assert_true(t == us);
    }
}

static void fmt_durations_parse_strictly(void **state)
{
    (void)state;
    int64_t us;
    assert_true(fmt_dur_parse("90s", &us) && us == 90 * US_PER_S);
    assert_true(fmt_dur_parse("1h30m", &us) && us == 90 * US_PER_MIN);
    assert_true(fmt_dur_parse("500ms", &us) && us == US_PER_S / 2);
    assert_true(fmt_dur_parse("2d", &us) && us == 2 * US_PER_DAY);
    static const char *const bad[] = {"", "5", "s", "30m1h", "1h1h", "-5s", "1.5h", "9999999999s", " 5s", "5s ", "5 s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(fmt_dur_parse(bad[i], &us));
}

static void fmt_hexfloat_round_trips(void **state)
{
    (void)state;
    char s[FMT_MAX];
    static const double v[] = {0, 1, -0.1, 3.141592653589793, 1e300, 5e-324};
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
        assert_true(strtod(fmt_hexfloat(s, v[i]), NULL) == v[i]);
    SAYS(fmt_hexfloat(s, NAN), "nan");
    SAYS(fmt_hexfloat(s, -INFINITY), "-inf");
}

static void the_real_clock_moves_forward(void **state)
{
    (void)state;
    struct clock *c = clock_real();
    int64_t a = clock_now(c), b = clock_now(c);
    assert_true(b >= a);
    assert_true(llabs(clock_wall(c) - b) < US_PER_MIN);
    assert_int_equal(c->idle(c, b - US_PER_S, 0), 0);
    assert_true(c->idle(c, TIME_NEVER, 0) > US_PER_S);
    int64_t left = c->idle(c, clock_now(c) + 10 * US_PER_S, 3);
    assert_true(left > 9 * US_PER_S && left <= 10 * US_PER_S);
    int64_t first, then;
    bool steady = clock_offset(c, &first) && clock_offset(c, &then); /* not on a machine that holds us up */
    assert_true(!steady || llabs(then - first) <= 20 * US_PER_MS);
    assert_true(clock_boot(c) > 0);
    struct clock_sync s = clock_sync_state(c); /* whatever it is here */
    assert_true(s.synced == CLOCK_SYNC_YES || s.error_us == 0);
}

static int64_t slow_boot(struct clock *c)
{
    static int64_t t;
    (void)c;
    return t += US_PER_S;
}

/* Who is held up between two readings must not take that for a clock that was set. */
static void readings_that_do_not_belong_together_are_no_offset(void **state)
{
    (void)state;
    int64_t offset;
    struct clock c = *clock_real();
    c.boot = slow_boot;
    assert_false(clock_offset(&c, &offset));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_fills_and_clips),
        cmocka_unit_test(arena_keeps_things_apart_and_zeroed),
        cmocka_unit_test(buf_stops_at_its_limit),
        cmocka_unit_test(buf_grows),
        cmocka_unit_test(rng_is_the_published_sequence),
        cmocka_unit_test(rng_has_the_right_moments),
        cmocka_unit_test(fmt_writes_for_people),
        cmocka_unit_test(fmt_fits),
        cmocka_unit_test(fmt_times_round_trip),
        cmocka_unit_test(fmt_durations_parse_strictly),
        cmocka_unit_test(fmt_hexfloat_round_trips),
        cmocka_unit_test(the_real_clock_moves_forward),
        cmocka_unit_test(readings_that_do_not_belong_together_are_no_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
