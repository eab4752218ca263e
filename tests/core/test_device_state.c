/* A device's own state: by the tests' levels, never by its install. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/device_state.h"
#include "core/health.h"
#include "core/trial.h"

#define BIT(t) (UINT64_C(1) << (t))

/* A canary that counts and reports, about which nothing is known that speaks against it. */
static const struct track_shape *builtin_shape(void)
{
    static struct track_shape s;

    track_shape_init(&s);
    return &s;
}

static struct device_facts well(void)
{
    return (struct device_facts){.status = DEVICE_IN_SYNC,
                                 .told = true,
                                 .watched = true,
                                 .counts = true,
                                 .last_sample = US_PER_HOUR,
                                 .now = US_PER_HOUR,
                                 .stale_us = US_PER_MIN,
                                 .tested = UINT64_MAX};
}

#define IS(f, s, n)                                                                                                    \
    do {                                                                                                               \
        assert_string_equal(device_state_word(device_state(&(f), &policy_default()->evidence, note)),                  \
                            device_state_word(s));                                                                     \
        assert_string_equal(note, n);                                                                                  \
    } while (0)

static void what_the_server_says_comes_first(void **state)
{
    struct device_facts f = well();
    char note[DEVICE_NOTE];

    (void)state;
    IS(f, DEV_OK, "");
    f.reached = BIT(TEST_LOOP);
    IS(f, DEV_BAD, "has rebooted in a loop");
    f.now += 2 * US_PER_MIN;
    IS(f, DEV_STALE, "no telemetry");
    f.last_sample = 0; /* never seen: nothing speaks for it either */
    f.reached = 0;
    IS(f, DEV_STALE, "no telemetry");
    f.watched = false;
    IS(f, DEV_STALE, "not watched any more");
    f.told = false;
    IS(f, DEV_WAITING, "");
    f.status = DEVICE_PENDING;
    IS(f, DEV_UPDATING, "");
    f.status = DEVICE_ERROR;
    IS(f, DEV_FAILED, "the install failed");
    f.overdue = true;
    IS(f, DEV_GONE, "does not call in");
}

static void of_several_reasons_the_one_that_says_most(void **state)
{
    struct device_facts f = well();
    char note[DEVICE_NOTE];

    (void)state;
    f.reached = BIT(TEST_CPU125);
    IS(f, DEV_ODD, "has used 1.25 times its own CPU or more");
    f.reached |= BIT(TEST_BOOT1);
    IS(f, DEV_ODD, "has rebooted");
    f.reached |= BIT(TEST_CPU150) | BIT(TEST_CPU200);
    IS(f, DEV_ODD, "has used twice its own CPU or more");
    f.reached |= BIT(TEST_BOOT2);
    IS(f, DEV_BAD, "has rebooted twice or more");
    f.reached = BIT(TEST_CPU) | BIT(TEST_VARIANCE) | BIT(TEST_INSTALL) | BIT(TEST_SILENT); /* not of one device */
    IS(f, DEV_OK, "");
}

/* No judge beside the policy: what it does not test makes no device odd. */
static void only_what_the_policy_tests(void **state)
{
    struct device_facts f = well();
    char note[DEVICE_NOTE];

    (void)state;
    f.reached = BIT(TEST_CPU125) | BIT(TEST_BOOT1);
    f.tested = BIT(TEST_BOOT1);
    IS(f, DEV_ODD, "has rebooted");
    f.tested = BIT(TEST_LOOP);
    IS(f, DEV_OK, "");
    f.reached = BIT(TEST_LOOP);
    IS(f, DEV_BAD, "has rebooted in a loop");
}

static void who_does_not_count_yet_is_not_judged(void **state)
{
    struct device_facts f = well();
    char note[DEVICE_NOTE];

    (void)state;
    f.reached = UINT64_MAX;
    f.counts = false;
    IS(f, DEV_OK, "does not count yet");
}

static uint64_t reached(double reboots, double cpu, double spread)
{
    const double by_row[METRICS_BUILTIN] = {
        [ROW_REBOOTS] = reboots, [ROW_SILENCE] = NAN, [ROW_CPU] = cpu, [ROW_VARIANCE] = spread, [ROW_INSTALL] = NAN};

    return device_reached(&policy_default()->evidence, by_row);
}

static void levels_of_figures_are_those_of_the_tests(void **state)
{
    (void)state;
    assert_int_equal(reached(NAN, NAN, NAN), 0);
    assert_int_equal(reached(0, 1.24, 3.9), 0);
    assert_int_equal(reached(3, 1.5, NAN), BIT(TEST_BOOT1) | BIT(TEST_BOOT2) | BIT(TEST_CPU125) | BIT(TEST_CPU150));
    assert_int_equal(reached(0, NAN, 8), BIT(TEST_VAR4) | BIT(TEST_VAR8));
    assert_int_equal(reached(0, NAN, 0.05), BIT(TEST_STUCK));
}

/* A policy's own metrics make a device odd or bad by the same rules: no source file knows them. */
static void by_a_metric_of_the_policys_own(void **state)
{
    static const struct metric_def own[] = {{.id = "free-memory",
                                             .title = "free memory",
                                             .unit = "MiB",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_DOWN,
                                             .own = true,
                                             .tolerance = 1.1,
                                             .share = 0.1,
                                             .level = {1.5, 2},
                                             .n_levels = 2,
                                             .window_us = 5 * US_PER_MIN},
                                            {.id = "retries",
                                             .title = "radio retries",
                                             .unit = "",
                                             .kind = KIND_COUNTER,
                                             .share = 0.1,
                                             .level = {1, 4},
                                             .n_levels = 2}};
    struct evidence_policy p = policy_default()->evidence;
    struct arena a;
    char note[DEVICE_NOTE];
    double by_row[METRICS_MAX];
    struct device_facts f = well();

    (void)state;
    arena_init(&a);
    p.own = own;
    p.n_own = 2;
    assert_true(metric_make_tests(&p, &a));
    for (int i = 0; i < METRICS_MAX; i++)
        by_row[i] = NAN;
    by_row[METRICS_BUILTIN] = 0.45;
    f.reached = device_reached(&p, by_row);
    assert_int_equal(device_state(&f, &p, note), DEV_ODD);
    assert_string_equal(note, "has had 50% of its own free memory or less");
    by_row[METRICS_BUILTIN + 1] = 5;
    f.reached = device_reached(&p, by_row);
    assert_int_equal(device_state(&f, &p, note), DEV_BAD);
    assert_string_equal(note, "has had radio retries 4 times");
    f.tested = BIT(metric_test_find(&p, "free-memory-down-1.5"));
    assert_int_equal(device_state(&f, &p, note), DEV_ODD);
    assert_string_equal(note, "has had 66.7% of its own free memory or less");
    arena_release(&a);
}

static void feed(struct track *t, int64_t at, double boots)
{
    track_feed(t, builtin_shape(), at,
               (const double[COL_BUILTIN]){[COL_REBOOTS] = boots, [COL_CPU] = 0.2, [COL_VARIANCE] = NAN},
               10 * US_PER_MIN);
}

/* The install's own reboot, and what falls into the grace, is in the track's buckets and does not count. */
static void the_installs_own_reboot_is_excused(void **state)
{
    const int64_t window = 10 * US_PER_MIN, t0 = 1000 * window, grace = 3 * US_PER_MIN;
    struct track t;
    uint8_t by[TRACK_BUCKETS];
    double boots = 7;

    (void)state;
    track_init(&t, builtin_shape(), NULL);
    assert_int_equal(track_events(&t, &t.boots, NULL, window, by), -1);
    for (int i = 0; i < 4; i++) { /* restarts at minute 2, for the install that is reported then */
        feed(&t, t0 + i * US_PER_MIN, boots += i == 2);
    }
    assert_int_equal(track_events(&t, &t.boots, NULL, window, NULL),
                     1); /* of who is not told, every reboot is its own */
    track_enrol(&t, t0 + 2 * US_PER_MIN + grace);
    assert_int_equal(track_events(&t, &t.boots, NULL, window, by), 0);
    for (int i = 0; i < TRACK_BUCKETS; i++)
        assert_int_equal(by[i], 0);
    for (int i = 4; i < 8; i++) { /* once more within the grace, and once after it */
        feed(&t, t0 + i * US_PER_MIN, boots += i == 4 || i == 7);
    }
    assert_int_equal(track_events(&t, &t.boots, NULL, window, by), 1);
    assert_int_equal(by[TRACK_BUCKETS - 1], 1);
}

/* The window is the policy's, ten buckets, not all that are kept. */
static void reboots_are_of_the_window(void **state)
{
    const int64_t window = 10 * US_PER_MIN, t0 = 1000 * window;
    struct track t;
    double boots = 0;

    (void)state;
    track_init(&t, builtin_shape(), NULL);
    for (int i = 0; i < 12; i++) {
        feed(&t, t0 + i * US_PER_MIN, boots += i == 1 || i == 5);
    }
    assert_int_equal(track_events(&t, &t.boots, NULL, window, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_says_comes_first),
        cmocka_unit_test(of_several_reasons_the_one_that_says_most),
        cmocka_unit_test(only_what_the_policy_tests),
        cmocka_unit_test(who_does_not_count_yet_is_not_judged),
        cmocka_unit_test(levels_of_figures_are_those_of_the_tests),
        cmocka_unit_test(by_a_metric_of_the_policys_own),
        cmocka_unit_test(the_installs_own_reboot_is_excused),
        cmocka_unit_test(reboots_are_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
