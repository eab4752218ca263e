/* Two servers' clocks by the Date of their answers: bounds that hold, what narrows them, what is beyond a tolerance for
 * certain, and when figures are not gone by. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "core/clock.h"
#include "core/rng.h"
#include "core/skew.h"

#define NOW INT64_C(1795231728281000)

/* An answer as a server gives it whose clock is `ahead`: sent for at `at`, dated `there` later, back `back` after that.
 */
static void answer(struct skew *s, int64_t ahead, int64_t at, int64_t there, int64_t back)
{
    int64_t clock = at + there + ahead;
    skew_take(s, clock / US_PER_S * US_PER_S, at, at + there + back);
}

static void bounds_hold(void **state)
{
    struct rng r;
    (void)state;
    rng_init_named(&r, 1, "skew");
    for (int k = 0; k < 200; k++) {
        struct skew s = {.known = false};
        int64_t ahead = (int64_t)((rng_unit(&r) - 0.5) * 1200e6), at = NOW, width = INT64_MAX;
        for (int i = 0; i < 60; i++) {
            answer(&s, ahead, at, (int64_t)(rng_unit(&r) * 3e5), (int64_t)(rng_unit(&r) * 3e5));
            assert_true(s.known && s.low <= ahead && ahead <= s.high);
            width = s.high - s.low;
            at += (int64_t)(2e6 * (0.9 + 0.2 * rng_unit(&r)));
        }
        assert_true(width < 700 * US_PER_MS); /* a single one: up to 1.6 s */
    }
}

static void what_is_no_reading(void **state)
{
    struct skew s = {.known = false};
    (void)state;
    skew_take(&s, 0, NOW, NOW);
    assert_false(s.known);
    skew_take(&s, NOW, NOW, NOW - 1);
    assert_false(s.known);
    assert_false(skew_beyond(&s, 0));
}

/* A clock that is set, or another server behind the same name: what was known of the first does not stand in the way.
 */
static void a_clock_is_set(void **state)
{
    struct skew s = {.known = false};
    (void)state;
    answer(&s, 0, NOW, 1000, 1000);
    answer(&s, 600 * US_PER_S, NOW + 2 * US_PER_S, 1000, 1000);
    assert_true(s.low > 598 * US_PER_S && s.high < 602 * US_PER_S);
    /* One that gains 100 parts in a million stays within bounds. */
    int64_t ahead = 600 * US_PER_S;
    for (int i = 1; i < 5000; i++) {
        ahead += 200;
        answer(&s, ahead, NOW + i * 2 * US_PER_S, 100 * (i % 7), 100 * (i % 3));
        assert_true(s.low <= ahead && ahead <= s.high);
    }
}

static void two_servers(void **state)
{
    struct skew fleet = {.known = false}, store = {.known = false}, d;
    char text[120];
    (void)state;
    answer(&fleet, -3 * US_PER_S, NOW, 1000, 1000);
    d = skew_between(&fleet, &store);
    assert_false(d.known);
    skew_text(&d, "the fleet server's", "telemetry's", text, sizeof text);
    assert_string_equal(text, "how far telemetry's clock is from the fleet server's is not known");
    answer(&store, 597 * US_PER_S, NOW, 500000, 1000);
    d = skew_between(&fleet, &store);
    assert_true(d.low <= 600 * US_PER_S && d.high >= 600 * US_PER_S);
    assert_true(skew_beyond(&d, 30 * US_PER_S));
    assert_true(skew_beyond(&d, 597 * US_PER_S));
    assert_false(skew_beyond(&d, 600 * US_PER_S)); /* it may be less */
    skew_text(&d, "the fleet server's", "telemetry's", text, sizeof text);
    assert_string_equal(text, "telemetry's clock is 10m00s ahead of the fleet server's");
    d = skew_between(&store, &fleet);
    assert_true(skew_beyond(&d, 30 * US_PER_S));
    skew_text(&d, "a", "b", text, sizeof text);
    assert_string_equal(text, "b clock is 10m00s behind a");
    d = (struct skew){.known = true, .low = -1 * US_PER_S, .high = 1500 * US_PER_MS};
    skew_text(&d, "a", "b", text, sizeof text);
    assert_string_equal(text, "b clock and a agree to within 1s");
}

static void tolerance(void **state)
{
    (void)state;
    assert_int_equal(skew_tolerance(3 * US_PER_MIN), 30 * US_PER_S);
    assert_int_equal(skew_tolerance(60 * US_PER_S), 10 * US_PER_S);
    assert_int_equal(skew_tolerance(US_PER_HOUR), 30 * US_PER_S);
    assert_int_equal(skew_tolerance(0), 2 * US_PER_S);
}

static void the_gate(void **state)
{
    const struct skew unknown = {.known = false}, good = {.known = true, .low = 0, .high = 1},
                      bad = {.known = true, .low = 99, .high = 100}, behind = {.known = true, .low = -100, .high = -99};
    struct skew_gate g = {.shut = false};
    (void)state;
    skew_gate_take(&g, &unknown, 10, 1);
    skew_gate_take(&g, &good, 10, 2);
    skew_gate_take(&g, &bad, 10, 3);
    assert_false(g.shut); /* one odd reading */
    skew_gate_take(&g, &good, 10, 4);
    skew_gate_take(&g, &behind, 10, 5);
    assert_true(g.shut); /* two of four: several servers, not all of one time */
    assert_int_equal(g.since, 5);
    skew_gate_take(&g, &good, 10, 6);
    skew_gate_take(&g, &good, 10, 7);
    skew_gate_take(&g, &unknown, 10, 8);
    skew_gate_take(&g, &good, 10, 9);
    assert_true(g.shut);
    skew_gate_take(&g, &good, 10, 10);
    assert_false(g.shut);
    skew_gate_take(&g, &bad, 10, 11);
    assert_false(g.shut);
    /* What is wrong from the start is not gone by once. */
    g = (struct skew_gate){.shut = false};
    skew_gate_take(&g, &bad, 10, 1);
    assert_true(g.shut);
    for (int i = 0; i < 3; i++)
        skew_gate_take(&g, &good, 10, 2 + i);
    assert_true(g.shut);
    skew_gate_take(&g, &good, 10, 5);
    assert_false(g.shut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_hold),    cmocka_unit_test(what_is_no_reading),
                                       cmocka_unit_test(a_clock_is_set), cmocka_unit_test(two_servers),
                                       cmocka_unit_test(tolerance),      cmocka_unit_test(the_gate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
