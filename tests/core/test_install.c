/* Outcomes of installs: who is overdue, and what failures say when devices fail by themselves or together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/eprocess.h"
#include "core/install.h"
#include "core/rng.h"

#define P0 0.02

static void what_is_usual_is_known_by_a_quarter_of_them(void **state)
{
    int64_t took[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        took[i] = (20 - i) * US_PER_MIN;
    assert_int_equal(install_usual(took, 4, 4), 0);
    assert_int_equal(install_usual(took, 9, 37), 0);
    for (int i = 0; i < 20; i++)
        took[i] = (20 - i) * US_PER_MIN;
    assert_int_equal(install_usual(took, 20, 80), 18 * US_PER_MIN);
    int64_t five[] = {5, 1, 4, 2, 3};
    assert_int_equal(install_usual(five, 5, 10), 5);
    assert_int_equal(install_usual(NULL, 0, 0), 0);
}

static void a_deadline_is_never_short(void **state)
{
    const int64_t m = US_PER_MIN, h = US_PER_HOUR;

    (void)state;
    assert_int_equal(install_deadline(10 * m, 5 * m, 4 * m), 25 * m);
    assert_int_equal(install_deadline(10 * m, 0, 40 * m), 2 * h);
    assert_int_equal(install_deadline(10 * m, 5 * m, 0), 24 * h); /* nothing is usual yet */
    assert_int_equal(install_deadline(36 * h, 0, 4 * m), 36 * h);
    assert_int_equal(install_deadline(10 * m, 24 * h, 0), 72 * h + 10 * m);
    assert_int_equal(install_deadline(10 * m, INT64_MAX / 2, 4 * m), 12 * m); /* no interval of contact */
    for (int64_t contact = 0; contact < 2 * h; contact += 7 * m)
        for (int64_t usual = 0; usual < 3 * h; usual += 11 * m)
            assert_true(install_deadline(10 * m, contact, usual) >= 10 * m);
}

static void a_device_that_is_not_reached_has_not_failed(void **state)
{
    (void)state;
    assert_int_equal(install_state(false, false, 0, 10, 1000000), INSTALL_UNREACHED);
    assert_int_equal(install_state(false, false, 100, 10, 110), INSTALL_WAITS);
    assert_int_equal(install_state(false, false, 100, 10, 111), INSTALL_OVERDUE);
    assert_int_equal(install_state(true, false, 100, 10, 111), INSTALL_DONE); /* late, and no failure */
    assert_int_equal(install_state(false, true, 0, 10, 111), INSTALL_FAILED);
    struct install_counts c = {0};
    for (int s = INSTALL_DONE; s <= INSTALL_UNREACHED; s++)
        for (int i = 0; i <= s; i++)
            install_count(&c, (enum install_state)s);
    assert_int_equal(c.told, 15);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.failed, 2);
    assert_int_equal(c.overdue, 3);
    assert_int_equal(c.waits, 4);
    assert_int_equal(c.unreached, 5);
}

/* Devices i of n: wave i / per, one key: value i % values, or unknown where it is not below `known`. */
static void fleet(struct install_device *v, int n, int per, int values, int known)
{
    for (int i = 0; i < n; i++)
        v[i] = (struct install_device){.wave = i / per, .attr = {i < known ? i % values : -1, -1, -1, -1}};
}

static void clusters_are_tallied(void **state)
{
    struct install_device v[24];
    struct install_tally t[64];

    (void)state;
    fleet(v, 24, 12, 6, 24);
    v[1].failed = v[7].failed = v[13].failed = v[2].failed = true; /* of value 1: both of wave 0; of 2: one */
    size_t n = install_tally(v, 24, 1, 2, t, 0, 64);
    assert_true(install_tallies_ok(t, n));
    const struct install_tally want[] = {{1, 0, 0, 2, 4}, {1, 0, 1, 2, 1}, {1, 0, 2, 2, 1},
                                         {1, 1, 0, 4, 4}, {1, 1, 1, 4, 1}, {1, 1, 3, 4, 1}};
    assert_int_equal(n, 6);
    assert_memory_equal(t, want, sizeof want);
    assert_int_equal(install_tally(v, 24, 1, 2, t, 60, 64), 60); /* they do not fit */
    fleet(v, 24, 24, 6, 12);                                     /* of half of them nobody knows it: each by itself */
    v[20].failed = true;
    n = install_tally(v, 24, 1, 1, t, 0, 64);
    const struct install_tally single[] = {{1, 0, 0, 1, 11}, {1, 0, 1, 1, 1}, {1, 0, 0, 2, 6}};
    assert_int_equal(n, 3);
    assert_memory_equal(t, single, sizeof single);
    t[0].times = 0;
    assert_false(install_tallies_ok(t, n));
    t[0] = t[1];
    assert_false(install_tallies_ok(t, n));
}

static struct install_evidence of(const struct install_tally *v, size_t n, int waves)
{
    struct install_evidence out;
    install_evidence(v, n, waves, P0, &out);
    return out;
}

static void alone_it_is_the_process_by_device(void **state)
{
    struct install_tally v[] = {{0, 0, 4, 10, 1}, {0, 1, 4, 200, 1}};
    struct install_evidence e = of(v, 1, 4);

    (void)state;
    assert_true(e.log_e == bernoulli_limit_log(4, 10, P0) && e.log_now == e.log_e);
    e = of(v, 2, 4); /* what failed among the first is not diluted, and is shown with what it is of */
    assert_true(e.log_e == bernoulli_limit_log(4, 10, P0));
    assert_true(e.log_now == bernoulli_limit_log(4, 200, P0));
    assert_int_equal(e.failed, 4);
    assert_int_equal(e.started, 10);
    v[0].failed = 0; /* who was overdue has installed */
    assert_true(of(v, 1, 4).log_e == 0);
    assert_true(of(v, 0, 4).log_e == 0 && of(NULL, 0, 4).started == 0);
    struct install_tally each = {1, 0, 3, 3, 1}; /* a cluster of its own for each device is no cluster */
    double a = bernoulli_limit_log(1, 1, P0);
    each.failed = each.started = 1;
    assert_true(fabs(of(&each, 1, 1).log_e - a) < 1e-12);
}

static double choose(int n, int k)
{
    double c = 1;
    for (int i = 0; i < k; i++)
        c = c * (n - i) / (i + 1);
    return c;
}

/* Sites of four devices, two of each wave, each of which fails as a whole with chance P0: the mean of the evidence must
 * be 1 at most. By device it is not. */
static void whole_sites_may_fail_together(void **state)
{
    enum { SITES = 8, DEVICES = 4 * SITES };
    double by_site = 0, by_device = 0, by_both = 0;

    (void)state;
    for (int bad = 0; bad <= SITES; bad++) {
        struct install_device v[DEVICES];
        struct install_tally t[64];
        double chance = choose(SITES, bad) * pow(P0, bad) * pow(1 - P0, SITES - bad);
        fleet(v, DEVICES, DEVICES / 2, SITES, DEVICES);
        for (int i = 0; i < DEVICES; i++)
            v[i].failed = v[i].attr[0] < bad;
        size_t n = 0;
        for (int w = 0; w < 2; w++)
            t[n++] = (struct install_tally){0, w, bad * 2 * (w + 1), SITES * 2 * (w + 1), 1};
        by_device += chance * exp(of(t, n, 2).log_now);
        by_both += chance * exp(of(t, install_tally(v, DEVICES, 1, 2, t, n, 64), 2).log_now);
        by_site += chance * exp(of(t + 2, install_tally(v, DEVICES, 1, 2, t, n, 64) - 2, 2).log_now);
    }
    assert_true(by_site <= 1 + 1e-9 && by_site > 0.2);
    assert_true(by_both <= 1 + 1e-9);
    assert_true(by_device > 100);
}

/* A firmware that fails at a third of all devices, wherever they are, is seen through five sites. */
static void power_is_left(void **state)
{
    struct install_device v[20];
    struct install_tally t[64];
    size_t n = 1;

    (void)state;
    fleet(v, 20, 20, 5, 20);
    for (int i = 0; i < 20; i += 2)
        v[i].failed = true;
    t[0] = (struct install_tally){0, 0, 10, 20, 1};
    n = install_tally(v, 20, 1, 1, t, n, 64);
    struct install_evidence e = of(t, n, 4);
    assert_true(e.log_e > log(100));
    assert_int_equal(e.failed, 10);
    assert_int_equal(e.started, 20);
    fleet(v, 20, 20, 5, 20); /* one site alone, all of it */
    for (int i = 0; i < 20; i += 5)
        v[i].failed = true;
    t[0] = (struct install_tally){0, 0, 4, 20, 1};
    n = install_tally(v, 20, 1, 1, t, 1, 64);
    e = of(t, n, 4);
    assert_true(bernoulli_limit_log(4, 20, P0) > log(100));
    assert_true(e.log_e < log(10));
}

/* More failures are never less evidence: what is counted now is at most what is counted in the end. */
static void evidence_grows_with_failures(void **state)
{
    struct install_device v[40];
    struct install_tally t[128];
    struct rng r;

    (void)state;
    rng_init(&r, 5);
    for (int run = 0; run < 200; run++) {
        double last = -1;
        fleet(v, 40, 20, 7, 33);
        for (int k = 0; k < 40; k++) {
            v[rng_below(&r, 40)].failed = true;
            struct install_evidence e = of(t, install_tally(v, 40, 1, 2, t, 0, 128), 3);
            assert_true(e.log_e >= last - 1e-12);
            last = e.log_e;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_usual_is_known_by_a_quarter_of_them),
        cmocka_unit_test(a_deadline_is_never_short),
        cmocka_unit_test(a_device_that_is_not_reached_has_not_failed),
        cmocka_unit_test(clusters_are_tallied),
        cmocka_unit_test(alone_it_is_the_process_by_device),
        cmocka_unit_test(whole_sites_may_fail_together),
        cmocka_unit_test(power_is_left),
        cmocka_unit_test(evidence_grows_with_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
