/* Reboots out of a time of boot: what can be one, and what clocks do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "core/boots.h"
#include "core/clock.h"
#include "core/health.h"

#define T0 1795231800.0 /* seconds: the first sample */

/* Samples each 15 s of a device that is seen from T0 on. */
struct seen {
    struct boot_counter c;
    double t, clock; /* its clock is ahead by so much */
    double boot;     /* true time of boot */
    bool unset;      /* its clock began in 1970, at the boot */
};

static const struct track_shape *builtin_shape(void)
{
    static struct track_shape s;

    track_shape_init(&s);
    return &s;
}

static double sample(struct seen *s)
{
    s->t += 15;
    double shown = s->unset ? 3 : s->boot + s->clock;
    return boot_counter_feed(&s->c, (int64_t)(s->t * US_PER_S), shown);
}

static double samples(struct seen *s, int n)
{
    double last = 0;
    for (int i = 0; i < n; i++)
        last = sample(s);
    return last;
}

/* Away for `away` seconds, it has booted 10 s before it reports again. */
static void boot(struct seen *s, double away)
{
    s->t += away - 15;
    s->boot = s->t + 15 - 10;
}

static struct seen device(double up)
{
    struct seen s = {.t = T0, .boot = T0 - up};
    assert_true(samples(&s, 4) == 0);
    return s;
}

static void a_boot_counts_once(void **state)
{
    struct seen s = device(86400);

    (void)state;
    for (int k = 1; k < 5; k++) {
        boot(&s, 40);
        assert_true(samples(&s, 3) == k);
        boot(&s, 7200); /* away for long */
        assert_true(samples(&s, 3) == ++k);
    }
    assert_true(isnan(boot_counter_feed(&s.c, (int64_t)(s.t * US_PER_S) + 1, NAN)));
    assert_true(boot_counter_feed(&s.c, (int64_t)(s.t * US_PER_S), s.t + 99) == 4); /* the same sample again */
    assert_true(sample(&s) == 4);
}

static void a_clock_that_is_set_is_none(void **state)
{
    static const double steps[] = {3, 30, -30, 600, -3600, -40};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct seen s = device(86400);
        s.clock += steps[i];
        assert_true(samples(&s, 4) == 0);
        boot(&s, 40);
        s.clock = 0;
        assert_true(samples(&s, 4) == 1);
    }
    struct seen s = device(86400);
    for (int i = 0; i < 200; i++) { /* slewed: small steps do not add up */
        s.clock += 3;
        assert_true(sample(&s) == 0);
    }
}

/* The clock is 30 s behind after the boot, and is set while the device is watched. */
static void a_boot_and_a_step_count_once(void **state)
{
    struct seen s = device(86400);

    (void)state;
    boot(&s, 45);
    s.clock = -30;
    assert_true(samples(&s, 3) == 1);
    s.clock = 0;
    assert_true(samples(&s, 5) == 1);
    boot(&s, 45);
    s.clock = -300; /* behind by so much that it cannot be told before the clock is set */
    assert_true(samples(&s, 3) == 1);
    s.clock = 0;
    assert_true(samples(&s, 5) == 2);
}

static void without_a_real_time_clock(void **state)
{
    struct seen s = device(86400);

    (void)state;
    boot(&s, 45);
    s.unset = true;
    assert_true(isnan(samples(&s, 8))); /* not known */
    s.unset = false;
    assert_true(samples(&s, 8) == 1);
    boot(&s, 45);
    s.unset = true;
    samples(&s, 2);
    boot(&s, 45); /* again, before the clock was set: nobody can know */
    samples(&s, 2);
    s.unset = false;
    assert_true(samples(&s, 8) == 2);

    /* seen for the first time with its clock not set: it has not booted since */
    s = (struct seen){.t = T0, .boot = T0 - 100, .unset = true};
    assert_true(isnan(samples(&s, 4)));
    s.unset = false;
    assert_true(samples(&s, 4) == 0);
}

/* The install reboots the device, and its clock is set long after the grace: that is no reboot of the new firmware. */
static void a_clock_that_is_set_after_the_grace(void **state)
{
    const int64_t window = 10 * US_PER_MIN;
    struct seen s = device(86400);
    struct track t;

    (void)state;
    track_init(&t, builtin_shape(), NULL);
    for (int i = 0; i < 300; i++) {
        if (i == 20) {
            boot(&s, 45);
            s.unset = true;
            track_enrol(&t, (int64_t)(s.t * US_PER_S) + 3 * US_PER_MIN);
        }
        s.unset = i >= 20 && i < 120;
        const double row[COL_BUILTIN] = {sample(&s), NAN, NAN};
        track_feed(&t, builtin_shape(), (int64_t)(s.t * US_PER_S), row, window);
        assert_int_equal(track_events(&t, &t.boots, NULL, window, NULL), 0);
    }
    boot(&s, 45);
    const double row[COL_BUILTIN] = {sample(&s), NAN, NAN};
    track_feed(&t, builtin_shape(), (int64_t)(s.t * US_PER_S), row, window);
    assert_int_equal(track_events(&t, &t.boots, NULL, window, NULL), 1);
}

/* A loop of a device whose clock is never right: later than it should, but it shows. */
static void a_loop_with_a_wrong_clock_shows(void **state)
{
    static const double clocks[] = {-600, -100, 100, 600};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct seen s = {.t = T0, .boot = T0 - 86400, .clock = clocks[i]};
        double n = samples(&s, 4);
        for (int k = 0; k < 24; k++) { /* each 5 min */
            boot(&s, 45);
            n = samples(&s, 17);
        }
        assert_true(n >= 7 && n <= 24);
        assert_true(clocks[i] < 0 || n == 24);
    }
}

static void since_is_when_it_can_have_been(void **state)
{
    struct boot_mark m = {NAN, false};
    int64_t since = 100 * US_PER_S;

    (void)state;
    assert_int_equal(boot_mark_feed(&m, 50, &since), 0);
    assert_int_equal(boot_mark_feed(&m, INFINITY, &since), 0);
    since = 115 * US_PER_S;
    assert_int_equal(boot_mark_feed(&m, 3, &since), 0);
    assert_true(m.open && m.at == 115);
    since = 130 * US_PER_S;
    assert_int_equal(boot_mark_feed(&m, 3, &since), 0);
    since = 145 * US_PER_S;
    assert_int_equal(boot_mark_feed(&m, 120, &since), 1); /* its clock is set */
    assert_int_equal(since, 115 * US_PER_S);
    assert_true(!m.open && m.at == 120);
    since = 160 * US_PER_S;
    assert_int_equal(boot_mark_feed(&m, 156, &since), 1); /* the clocks differ by a few seconds */
    assert_int_equal(since, 160 * US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boot_counts_once),
        cmocka_unit_test(a_clock_that_is_set_is_none),
        cmocka_unit_test(a_boot_and_a_step_count_once),
        cmocka_unit_test(without_a_real_time_clock),
        cmocka_unit_test(a_clock_that_is_set_after_the_grace),
        cmocka_unit_test(a_loop_with_a_wrong_clock_shows),
        cmocka_unit_test(since_is_when_it_can_have_been),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
