/* How long patching takes: figures worked out by hand and by another program (lifelines 0.30.3, tests/oracles). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include "core/clock.h"
#include "core/survival.h"

#define DAY(d) ((int64_t)((d) * (double)US_PER_DAY))

static double days(double us)
{
    return us / (double)US_PER_DAY;
}

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-9))
        print_error("%.15g, expected %.15g\n", a, b);
    assert_true(fabs(a - b) < 1e-9);
}

/* Seven pairs, three of them open: S by hand. */
static void test_plain(void **state)
{
    (void)state;
    static const struct spell v[] = {{0, DAY(1), true}, {0, DAY(2), true},  {0, DAY(2), false}, {0, DAY(4), true},
                                     {0, DAY(4), true}, {0, DAY(9), false}, {0, DAY(9), false}};
    struct arena a;
    struct survival k;
    double lo, hi;
    bool few;
    arena_init(&a);
    survival_make(v, 7, &a, &k);
    assert_int_equal(k.pairs, 7);
    assert_int_equal(k.patched, 4);
    assert_int_equal(k.n, 3);
    near(survival_share(&k, DAY(0.9), false), 1);
    near(survival_share(&k, DAY(1), true), 1);
    near(survival_share(&k, DAY(1), false), 6.0 / 7);
    near(survival_share(&k, DAY(2), false), 6.0 / 7 * 5 / 6); /* the one censored at 2 is at risk there */
    near(survival_share(&k, DAY(4), false), 6.0 / 7 * 5 / 6 * 2 / 4);
    assert_int_equal(survival_median(&k, &few), DAY(4));
    assert_true(few); /* 4 at risk */
    near(days(survival_mean(&k, survival_tau(&k, DAY(30)))), 1 + 6.0 / 7 + 2 * 5.0 / 7 + 5 * 5.0 / 14);
    near(days(survival_mean(&k, DAY(3))), 1 + 6.0 / 7 + 5.0 / 7);
    near(days(survival_patched_only(&k)), 11.0 / 4);
    near(days(k.exposed_us), 31);
    near(survival_within(&k, DAY(2), true), 1.0 / 7); /* under 2 days */
    near(survival_within(&k, DAY(2), false), 2.0 / 7);
    assert_int_equal(survival_over(v, 7, DAY(4), true), 4);
    assert_int_equal(survival_over(v, 7, DAY(4), false), 2);
    assert_true(survival_interval(&k, DAY(3), false, &lo, &hi));
    assert_true(lo > 0 && lo < 5.0 / 7 && hi > 5.0 / 7 && hi < 1);
    assert_true(survival_interval(&k, DAY(0.5), false, &lo, &hi));
    near(lo, 1);
    arena_release(&a);
}

/* Figures of lifelines for an own set with delayed entry and ties. */
static void test_other_program(void **state)
{
    (void)state;
    static const double t[] = {2, 3, 3.5, 5, 5, 6, 7, 8, 8, 9, 11, 13, 13, 16, 18, 20, 22, 26, 33, 41};
    static const int e[] = {1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0};
    static const double from[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 0, 5, 0, 0, 6, 10, 12, 25};
    enum { N = sizeof t / sizeof *t };
    struct spell v[N];
    struct arena a;
    struct survival k;
    double lo, hi;
    bool few;
    for (int i = 0; i < N; i++)
        v[i] = (struct spell){DAY(from[i]), DAY(t[i]), e[i]};
    arena_init(&a);
    survival_make(v, N, &a, &k);
    near(survival_share(&k, DAY(7), false), 0.6410256410256413);
    near(survival_share(&k, DAY(14), false), 0.3864933894230772);
    near(days(survival_mean(&k, DAY(30))), 13.373948317307699);
    assert_int_equal(survival_median(&k, &few), DAY(11));
    assert_false(few);
    assert_true(survival_interval(&k, DAY(7), false, &lo, &hi));
    near(lo, 0.34277757345791576);
    near(hi, 0.8313598013188438);
    arena_release(&a);
}

static void test_ends(void **state)
{
    (void)state;
    struct arena a;
    struct survival k;
    double lo, hi;
    bool few;
    arena_init(&a);
    survival_make(NULL, 0, &a, &k);
    assert_int_equal(survival_median(&k, &few), TIME_NEVER);
    near(survival_share(&k, DAY(3), false), 1);
    near(survival_mean(&k, survival_tau(&k, DAY(30))), 0);
    assert_true(isnan(survival_patched_only(&k)));
    /* nobody has patched: no median, and no number that would look like one */
    static const struct spell open[] = {{0, DAY(3), false}, {0, DAY(5), false}, {DAY(2), DAY(2), true}};
    survival_make(open, 3, &a, &k);
    assert_int_equal(k.left_out, 1);
    assert_int_equal(survival_median(&k, &few), TIME_NEVER);
    near(days(survival_mean(&k, survival_tau(&k, DAY(30)))), 5);
    assert_true(isnan(survival_patched_only(&k)));
    /* all have: nothing is left, and no interval there */
    static const struct spell all[] = {{0, DAY(2), true}, {0, DAY(6), true}};
    survival_make(all, 2, &a, &k);
    assert_false(survival_interval(&k, DAY(6), false, &lo, &hi));
    near(survival_share(&k, DAY(6), false), 0);
    assert_int_equal(survival_median(&k, &few), DAY(2)); /* exactly one half */
    near(days(survival_mean(&k, DAY(30))), 4);
    near(days(survival_patched_only(&k)), 4); /* without open pairs both are equal */
    arena_release(&a);
}

static void test_pairs(void **state)
{
    (void)state;
    struct spell s;
    struct patch_pair p = {.moment = {[CLOCK_PUBLISHED] = DAY(100), [CLOCK_FIX] = DAY(104)},
                           .installed = DAY(90),
                           .seen = DAY(95),
                           .end = DAY(110),
                           .how = PAIR_PATCHED};
    assert_true(pair_spell(&p, CLOCK_PUBLISHED, &s));
    assert_int_equal(s.entry, 0);
    assert_int_equal(s.end, DAY(10));
    assert_true(s.patched);
    assert_true(pair_spell(&p, CLOCK_FIX, &s));
    assert_int_equal(s.end, DAY(6));
    assert_false(pair_spell(&p, CLOCK_EXPLOITED, &s)); /* it is not: no pair by this clock */
    p.installed = DAY(103);                            /* published long before the device had it */
    assert_true(pair_spell(&p, CLOCK_PUBLISHED, &s));
    assert_int_equal(s.end, DAY(7));
    p.seen = DAY(105); /* at risk for us only since then */
    assert_true(pair_spell(&p, CLOCK_PUBLISHED, &s));
    assert_int_equal(s.entry, DAY(2));
    p.away_us = DAY(1); /* it was closed for a day, and opened again */
    assert_true(pair_spell(&p, CLOCK_PUBLISHED, &s));
    assert_int_equal(s.end, DAY(6));
    p.how = PAIR_ISOLATED;
    assert_true(pair_spell(&p, CLOCK_PUBLISHED, &s));
    assert_false(s.patched);
    p.seen = DAY(120);
    assert_false(pair_spell(&p, CLOCK_PUBLISHED, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_other_program),
                                       cmocka_unit_test(test_ends), cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
