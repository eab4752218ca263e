/* The bulk engine: its looks, their windows, and the rank test within strata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/bulk.h"
#include "core/trial.h"
#include "core/detmath.h"
#include "core/rng.h"

/* P(sum of U >= u) by trying every choice of canaries within each stratum. */
static double by_force(const double *v, const uint8_t *s, size_t all, size_t n0, size_t n1, double u)
{
    double hit = 0, ways = 0;

    for (unsigned mask = 0; mask < 1U << all; mask++) {
        size_t n[2] = {0, 0};
        double mine = 0;
        for (size_t i = 0; i < all; i++)
            n[s[i]] += mask >> i & 1;
        if (n[0] != n0 || n[1] != n1)
            continue;
        for (size_t i = 0; i < all; i++)
            for (size_t j = 0; j < all; j++)
                mine += (mask >> i & 1) && !(mask >> j & 1) && s[i] == s[j] && v[i] > v[j];
        hit += mine >= u;
        ways++;
    }
    return hit / ways;
}

static void strata_are_convolved_exactly(void **state)
{
    struct rng r;

    (void)state;
    rng_init(&r, 1);
    for (int run = 0; run < 40; run++) {
        double v[11], x[5], y[6];
        uint8_t s[11], xs[5], ys[6];
        size_t n0 = 0, n1 = 0;
        struct ranktest out;

        for (size_t i = 0; i < 11; i++) {
            v[i] = rng_normal(&r) + (i < 5 ? 0.8 : 0) + (double)(i % 2) * 5; /* strata far apart */
            s[i] = (uint8_t)(i % 2);
            if (i < 5) {
                x[i] = v[i];
                xs[i] = s[i];
                n0 += s[i] == 0;
                n1 += s[i] == 1;
            } else {
                y[i - 5] = v[i];
                ys[i - 5] = s[i];
            }
        }
        assert_true(ranktest_strata(x, xs, 5, y, ys, 6, TIES_PERMUTATION, &out));
        assert_true(fabs(out.p - by_force(v, s, 11, n0, n1, out.u)) < 1e-12);
        assert_true(out.p == out.p_exact && fabs(out.log_p - log(out.p)) < 1e-12);
    }
}

static void one_stratum_is_the_plain_test(void **state)
{
    struct rng r;
    double x[40], y[60];
    uint8_t s[60];

    (void)state;
    rng_init(&r, 2);
    for (int run = 0; run < 30; run++) {
        size_t n = 1 + (size_t)rng_below(&r, 40), m = 1 + (size_t)rng_below(&r, 60);
        struct ranktest a, b;
        for (size_t i = 0; i < 60; i++) {
            x[i % 40] = rng_normal(&r);
            y[i] = run % 3 ? rng_normal(&r) : floor(3 * rng_normal(&r));
            s[i] = 9;
        }
        ranktest(x, n, y, m, &a);
        assert_true(ranktest_strata(x, s, n, y, s, m, TIES_PERMUTATION, &b));
        assert_true(a.p == b.p && a.u == b.u && a.log_p == b.log_p && a.p_asymptotic == b.p_asymptotic);
    }
}

static void a_stratum_of_one_group_says_nothing(void **state)
{
    const double x[] = {9, 8, 3}, y[] = {1, 2, 2.5};
    const uint8_t xs[] = {0, 0, 1}, ys[] = {1, 1, 2};
    struct ranktest out;

    (void)state;
    assert_true(ranktest_strata(x, xs, 3, y, ys, 3, TIES_PERMUTATION, &out));
    assert_true(out.u == 2 && fabs(out.p - 1.0 / 3) < 1e-15);
    assert_false(ranktest_strata(x, xs, 2, y, ys, 3, TIES_PERMUTATION, &out));
    assert_true(out.p == 1 && out.log_p == 0);
}

static void far_tails_stay_finite(void **state)
{
    static double x[3000], y[3000];
    struct ranktest out;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        x[i] = 10000 + i;
        y[i] = i;
    }
    ranktest(x, 3000, y, 3000, &out);
    assert_true(out.p == 0 || out.p < 1e-300);
    assert_true(out.log_p < -1000 && isfinite(out.log_p));
    for (double v = -6; v < 26; v += 0.037)
        assert_true(fabs(det_log_erfc(v) - log(erfc(v))) <= 4e-14 * (1 + fabs(log(erfc(v)))));
    assert_true(fabs(det_log_erfc(100) + 10005.177585122) < 1e-6);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void many_numbers_are_sorted(void **state)
{
    static double v[5000], w[5000];
    struct rng r;

    (void)state;
    rng_init(&r, 3);
    for (size_t n = 0, close = 0; n < 5000; n = close ? n * 2 + 1 : n, close = !close) {
        for (size_t i = 0; i < n; i++) {
            v[i] = w[i] = i % 5 == 0 ? floor(rng_normal(&r)) : i % 7 ? rng_normal(&r) : rng_exp(&r, 1e300);
            if (close) /* the upper halves of their bits do not tell them apart */
                v[i] = w[i] = 1e9 + 1e-6 * floor(100 * rng_unit(&r));
        }
        sort_doubles(v, n);
        qsort(w, n, sizeof *w, by_value);
        for (size_t i = 0; i < n; i++)
            assert_true(v[i] == w[i]);
    }
}

/* Order statistics over all strata, in both directions. */
static void ranked_numbers_are_found(void **state)
{
    static double v[3000], w[3000];
    static uint8_t of[3000];
    struct ranked k, less;
    struct rng r;

    (void)state;
    rng_init(&r, 4);
    for (size_t n = 1; n <= 3000; n = n * 3 + 1) {
        for (size_t i = 0; i < n; i++) {
            v[i] = w[i] = i % 3 ? rng_normal(&r) : floor(3 * rng_normal(&r)) + 0.0;
            of[i] = (uint8_t)(rng_u64(&r) % 5 * 13);
        }
        ranked_init(&k, v, of, n);
        qsort(w, n, sizeof *w, by_value);
        for (int flipped = 0; flipped < 2; flipped++) {
            for (size_t i = 0; i < n; i += 1 + n / 50) {
                double x = flipped ? -w[n - 1 - i] : w[i];
                size_t upto = i;
                while (upto < n && (flipped ? -w[n - 1 - upto] : w[upto]) <= x)
                    upto++;
                assert_true(ranked_at(&k, i) == x);
                assert_int_equal(ranked_upto(&k, x), upto);
            }
            assert_int_equal(ranked_upto(&k, INFINITY), n);
            assert_int_equal(ranked_upto(&k, -INFINITY), 0);
            ranked_flip(&k);
        }
        ranked_less(&k, 0.25, &less);
        assert_true(ranked_at(&less, n / 2) == w[n / 2] - 0.25);
        ranked_release(&less);
        ranked_release(&k);
    }
}

/* Also where some of those taken together are none that the lanes hold. */
static void many_at_a_time_are_as_one_by_one(void **state)
{
    static const double odd[] = {0.0, -0.0, -1, INFINITY, -INFINITY, NAN, 1e-310, 5e-324, 1.7e308, 709.9, -745, -1000};
    struct rng r;

    (void)state;
    rng_init(&r, 5);
    for (int k = 0; k < 4000; k++) {
        double v[40], e[40], l[40];
        size_t n = (size_t)k % 41;
        for (size_t i = 0; i < n; i++)
            v[i] = e[i] = l[i] = k % 4 == 0 && rng_u64(&r) % 16 == 0 ? odd[rng_u64(&r) % (sizeof odd / sizeof *odd)]
                                 : k % 3                             ? rng_exp(&r, k % 5 ? 1 : 1e200)
                                                                     : rng_normal(&r) * 300;
        det_exp_all(e, n);
        det_log_all(l, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(det_same(e[i], det_exp(v[i])));
            assert_true(det_same(l[i], det_log(v[i])));
        }
    }
}

#define FLEET 60

struct bench {
    struct bulk b;
    struct watched w[FLEET];
    int32_t number;
};

static void bench_init(struct bench *b, int64_t first)
{
    memset(b, 0, sizeof *b);
    bulk_init(&b->b, TEST_CPU, false, false, first, 1.05, 0, 0);
    for (int i = 0; i < FLEET; i++) {
        watched_restart(&b->w[i]);
        b->w[i].cpu.base = 1;
        b->w[i].flags = (uint8_t)(i < 10 ? WATCHED_CANARY : WATCHED_CONTROL);
        b->w[i].from = i < 10 ? 0 : INT32_MAX;
    }
}

/* One tick in which device i uses cpu(i, tick). */
static void bench_tick(struct bench *b, double (*cpu)(int i, int32_t tick))
{
    b->number++;
    bool sum = bulk_tick(&b->b, b->number);
    for (int i = 0; i < FLEET; i++) {
        struct watched *w = &b->w[i];
        if (w->flags & WATCHED_CANARY && w->from > b->number)
            continue;
        if (sum)
            bulk_add(&b->b, &w->cpu, w->flags & WATCHED_CANARY ? w->from : INT32_MIN, cpu(i, b->number));
    }
    const struct strata one = {.n = 1};
    struct herd h = {.w = b->w, .strata = &one, .n = FLEET, .first = &b->w[0].cpu, .stride = sizeof *b->w};
    bulk_close(&b->b, NULL, &h, b->number * INT64_C(1000000), b->number);
}

static double same(int i, int32_t tick)
{
    (void)tick;
    return 1 + 0.001 * ((i * 37) % FLEET);
}

static double more(int i, int32_t tick)
{
    return same(i, tick) * (i < 10 ? 1.3 : 1);
}

/* Canaries jump up at tick 25. */
static double later(int i, int32_t tick)
{
    return same(i, tick) * (i < 10 && tick > 25 ? 4 : 1);
}

static void looks_come_when_the_schedule_says(void **state)
{
    struct bench b;
    int64_t at = 0;

    (void)state;
    bench_init(&b, 20);
    for (int k = 1; k < 12; k++) {
        at = look_time(20, k);
        while (b.number < at - 1)
            bench_tick(&b, same);
        assert_int_equal(b.b.looks, k - 1);
        bench_tick(&b, same);
        assert_int_equal(b.b.looks, k);
        assert_int_equal(b.b.spent, k);
    }
    assert_true(b.b.most == 0 && b.b.now < 0 && b.b.best.k == 0);
    bulk_release(&b.b);
}

static void evidence_is_p_times_its_share(void **state)
{
    struct bench b;
    struct ranktest r;
    struct change c[10], k[50];

    (void)state;
    bench_init(&b, 20);
    while (b.b.looks < 1)
        bench_tick(&b, more);
    /* 10 above all of 50: p = 1 / C(60, 10) */
    assert_true(fabs(b.b.most - (log(75394027566.0) + log(0.5))) < 1e-9);
    assert_true(fabs(b.b.ratio - 1.3) < 0.01);
    assert_int_equal(b.b.canary, 10);
    assert_int_equal(b.b.control, 2);
    assert_int_equal(b.b.best.n, 10);
    memcpy(c, b.b.best.canary, sizeof c);
    memcpy(k, b.b.best.control, sizeof k);
    assert_true(bulk_evidence(c, 10, k, 50, 1, TIES_PERMUTATION, &r) == b.b.most);
    double then = b.b.most;
    while (b.b.looks < 5)
        bench_tick(&b, more);
    assert_true(b.b.now < then && b.b.most == then && b.b.best.k == 1);
    bulk_release(&b.b);
}

static void the_tolerance_is_taken_off(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 20);
    b.b.tolerance = 1.4;
    while (b.b.looks < 6)
        bench_tick(&b, more);
    assert_true(b.b.most == 0);
    bulk_release(&b.b);
}

static void the_window_is_the_newest_three_blocks(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 20); /* looks at 20, 25, 32, 40, 50, 63 */
    while (b.b.looks < 2)
        bench_tick(&b, later);
    assert_true(b.b.most == 0);
    while (b.b.looks < 5)
        bench_tick(&b, later);
    /* (25, 50]: nothing of the time before is left; the mean of 4 shows that */
    assert_true(fabs(b.b.ratio - 4) < 0.05);
    bulk_release(&b.b);
}

static void all_are_compared_over_the_same_window(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 20);
    for (int i = 4; i < 10; i++) {
        b.w[i].from = 22;
        b.w[i].flags = 0;
    }
    while (b.b.looks < 1)
        bench_tick(&b, more);
    assert_int_equal(b.b.canary_of, 4); /* the others have not come */
    for (int i = 4; i < 10; i++)
        b.w[i].flags = WATCHED_CANARY;
    while (b.b.looks < 2)
        bench_tick(&b, more); /* 10 have come, 4 of them were there all the time: no window that half have */
    assert_int_equal(b.b.spent, 1);
    assert_int_equal(b.b.looks, 2);
    while (b.b.looks < 3)
        bench_tick(&b, more); /* (25, 32]: all */
    assert_int_equal(b.b.canary_of, 10);
    assert_int_equal(b.b.spent, 2);
    for (int i = 0; i < 10; i++)
        b.w[i].from = INT32_MAX - 1;
    while (b.b.looks < 9)
        bench_tick(&b, more);
    assert_int_equal(b.b.spent, 2); /* nobody to compare: nothing spent */
    bulk_release(&b.b);
}

static void samples_of_the_time_before_are_left_out(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 20);
    bulk_init(&b.b, TEST_CPU, false, false, 20, 1.05, 1, 19); /* as a stage that begins at tick 1 */
    for (int i = 6; i < 10; i++)
        b.w[i].from = 8;
    while (b.b.looks < 1)
        bench_tick(&b, more);
    assert_int_equal(b.number, 20);
    assert_int_equal(b.b.canary_of, 6);
    assert_int_equal(b.w[20].cpu.count[BULK_BLOCKS - 2], 1);
    while (b.b.looks < 3)
        bench_tick(&b, more); /* (25, 32]: from 8 + 19 on, so not whole */
    assert_int_equal(b.b.canary_of, 6);
    while (b.b.looks < 4)
        bench_tick(&b, more); /* (32, 40] is, but more than half have been there for longer */
    assert_int_equal(b.b.canary_of, 6);
    bulk_release(&b.b);
}

static void few_samples_are_no_mean(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 20);
    for (int32_t t = 1; t <= 20; t++) {
        b.w[3].flags = (uint8_t)(t < 12 ? 0 : WATCHED_CANARY);
        b.w[3].from = t < 12 ? INT32_MAX : 0;
        b.w[20].cpu.base = NAN;
        if (t < 12) { /* device 3 has nine samples only */
            b.number++;
            bool sum = bulk_tick(&b.b, b.number);
            for (int i = 0; sum && i < FLEET; i++)
                if (i != 3)
                    bulk_add(&b.b, &b.w[i].cpu, 0, same(i, t));
        } else {
            bench_tick(&b, same);
        }
    }
    assert_int_equal(b.b.looks, 1);
    assert_int_equal(b.b.canary_of, 9);
    assert_int_equal(b.b.control_of, 49);
    bulk_release(&b.b);
}

static void long_blocks_fit_their_counts(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, 200000);
    while (b.b.looks < 1)
        bench_tick(&b, more);
    assert_true(b.w[0].cpu.count[1] <= 32768 && b.w[0].cpu.count[1] > 16384);
    assert_true(fabs(b.b.ratio - 1.3) < 0.01);
    bulk_release(&b.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strata_are_convolved_exactly),
        cmocka_unit_test(one_stratum_is_the_plain_test),
        cmocka_unit_test(a_stratum_of_one_group_says_nothing),
        cmocka_unit_test(far_tails_stay_finite),
        cmocka_unit_test(many_numbers_are_sorted),
        cmocka_unit_test(ranked_numbers_are_found),
        cmocka_unit_test(many_at_a_time_are_as_one_by_one),
        cmocka_unit_test(looks_come_when_the_schedule_says),
        cmocka_unit_test(evidence_is_p_times_its_share),
        cmocka_unit_test(the_tolerance_is_taken_off),
        cmocka_unit_test(the_window_is_the_newest_three_blocks),
        cmocka_unit_test(all_are_compared_over_the_same_window),
        cmocka_unit_test(samples_of_the_time_before_are_left_out),
        cmocka_unit_test(few_samples_are_no_mean),
        cmocka_unit_test(long_blocks_fit_their_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
