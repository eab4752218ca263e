/* The size of a harm: one struct, one way to write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/harm.h"

static const struct figure *F(size_t number)
{
    return figure_of(&policy_default()->evidence, number);
}

static void says(struct harm h, const char *brief, const char *text)
{
    char out[FMT_MAX];

    assert_string_equal(harm_brief(out, &h), brief);
    assert_string_equal(harm_text(out, &h), text);
}

static void a_metric_is_one_number_everywhere(void **state)
{
    char out[160];
    struct harm h = harm_of(F(FIGURE_REBOOTS), 6.1, 0.4, 15.23);

    (void)state;
    says(h, "15.2x", "15.2x");
    harm_figures(F(FIGURE_REBOOTS), &h, ", limit 3x", out, sizeof out);
    assert_string_equal(out, "reboots 6.10 per device-day against 0.40 (15.2x, limit 3x)");
    says(harm_of(F(FIGURE_CPU_MEAN), 0.2, 0.2, 0.962), "0.96x", "0.96x");
    says(harm_of(F(FIGURE_CPU_MEAN), NAN, NAN, NAN), "?", "?");
}

/* Beside a control without a reboot the limits' ratio has half a reboot added to each side: a number, but no ratio. */
static void without_any_of_the_others_there_is_no_ratio(void **state)
{
    struct harm h = harm_of(F(FIGURE_REBOOTS), 349, 0, 93.47);
    char out[160];

    (void)state;
    assert_true(h.unbounded);
    assert_true(isnan(h.ratio));
    says(h, ">93x", "over 93x");
    harm_figures(F(FIGURE_REBOOTS), &h, "", out, sizeof out);
    assert_string_equal(out, "reboots 349 per device-day against 0 (over 93x)");
    says(harm_of(F(FIGURE_REBOOTS), 0, 0, 1), "1.00x", "1.00x"); /* neither had any */
}

static void what_is_clipped_may_be_more(void **state)
{
    (void)state;
    says(harm_of(F(FIGURE_SPREAD), 16, 1.02, 15.69), ">15x", "over 15x");
    says(harm_of(F(FIGURE_SPREAD), 3, 1, 3), "3.00x", "3.00x");
}

static struct evidence test_of(const char *word, int64_t control, double ratio, double low, double high)
{
    return (struct evidence){.test = word,
                             .canary = 3,
                             .canary_of = 20,
                             .control = control,
                             .control_of = 1980,
                             .ratio = ratio,
                             .ratio_low = low,
                             .ratio_high = high};
}

static void of_a_test_with_its_interval(void **state)
{
    struct evidence e = test_of("crash-loop", 5, 3.14, 1.48, 12.2);
    struct harm h = harm_of_evidence(&e);

    (void)state;
    says(h, "3.14x", "3.14x (1.4 to 13)"); /* ends away from the ratio: what is written holds */
    assert_true(fabs(h.to - 0.15) < 1e-12 && fabs(h.from - 5.0 / 1980) < 1e-12);
    assert_string_equal(h.than, " as often as the others");
    e = test_of("crash-loop", 5, 3.14, 1.48, INFINITY);
    says(harm_of_evidence(&e), "3.14x", "3.14x (over 1.4)");
    e = test_of("crash-loop", 5, 3.14, 0, 12.2);
    says(harm_of_evidence(&e), "3.14x", "3.14x (under 13)");
    e = test_of("crash-loop", 5, NAN, NAN, NAN);
    says(harm_of_evidence(&e), "?", "?");
    e = test_of("crash-loop", 5, 1e300, 1e299, 1e301);
    says(harm_of_evidence(&e), ">10^300x", "over 10^300x (10^299 to 10^301)");
}

/* 256 is the end of the grid, not a ratio, where none of the others had it. */
static void of_a_test_that_none_of_the_others_had(void **state)
{
    struct evidence e = test_of("crash-loop", 0, 256, 107.6, INFINITY);

    (void)state;
    assert_true(harm_of_evidence(&e).unbounded);
    says(harm_of_evidence(&e), ">107x", "over 107x"); /* rounded down: it is not over 108 */
    e.ratio_low = 5.66;
    says(harm_of_evidence(&e), ">5.6x", "over 5.6x");
    e.ratio_low = 0;
    says(harm_of_evidence(&e), "?", "?");
    e.ratio_low = NAN;
    says(harm_of_evidence(&e), "?", "?");
}

static void of_installs_and_ranks(void **state)
{
    struct evidence e = test_of("install", 0, 10, NAN, NAN);

    (void)state;
    says(harm_of_evidence(&e), "10.0x", "10.0x");
    assert_string_equal(harm_of_evidence(&e).than, " what is tolerated");
    e = test_of("cpu", 0, 1.7, NAN, NAN);
    says(harm_of_evidence(&e), "1.70x", "1.70x");
    assert_string_equal(harm_of_evidence(&e).than, " as much as the others");
}

/* A difference in bytes has no room in a column, and is not cut to another one. */
static void a_difference_keeps_its_size(void **state)
{
    struct harm h = {.ratio = 12739045, .diff = true};
    char out[FMT_MAX];

    (void)state;
    assert_string_equal(harm_fit(out, &h, 6), "+12.7M");
    assert_string_equal(harm_fit(out, &h, 5), "+13M");
    assert_string_equal(harm_fit(out, &h, 9), "+1.27e+07");
    h.ratio = -8.6e9;
    assert_string_equal(harm_fit(out, &h, 6), "-8.6G");
    h.ratio = -8;
    assert_string_equal(harm_fit(out, &h, 6), "-8");
    h.ratio = NAN;
    assert_string_equal(harm_fit(out, &h, 6), "?");
    h = (struct harm){.ratio = 1234567};
    assert_string_equal(harm_fit(out, &h, 4), "10^6x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_metric_is_one_number_everywhere),
        cmocka_unit_test(without_any_of_the_others_there_is_no_ratio),
        cmocka_unit_test(what_is_clipped_may_be_more),
        cmocka_unit_test(of_a_test_with_its_interval),
        cmocka_unit_test(of_a_test_that_none_of_the_others_had),
        cmocka_unit_test(of_installs_and_ranks),
        cmocka_unit_test(a_difference_keeps_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
