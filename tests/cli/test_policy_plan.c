/* What `andon policy check` says of a policy's own metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "cli/policy_plan.h"
#include "core/arena.h"
#include "core/policy.h"

/* By difference so much is tolerated, in the metric's unit: no multiple of anything. */
static void tolerances_in_their_unit(void **state)
{
    static const struct metric_def own[] = {{.id = "board-temperature",
                                             .title = "board temperature",
                                             .unit = "C",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_UP,
                                             .own = true,
                                             .diff = true,
                                             .tolerance = 1,
                                             .share = 0.1,
                                             .level = {5, 10},
                                             .n_levels = 2,
                                             .window_us = 300000000},
                                            {.id = "free-memory",
                                             .title = "free memory",
                                             .unit = "MiB",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_DOWN,
                                             .own = true,
                                             .tolerance = 1.25,
                                             .share = 0.1,
                                             .level = {2},
                                             .n_levels = 1,
                                             .window_us = 300000000}};
    static const struct policy_plan none;
    struct policy p = *policy_default();
    struct arena a;
    struct buf out;

    (void)state;
    arena_init(&a);
    buf_init(&out, 1 << 16);
    p.evidence.tests = TESTS_ON;
    p.evidence.own = own, p.evidence.n_own = 2;
    assert_true(metric_make_tests(&p.evidence, &a));
    policy_plan_text(&p, &none, &out);
    buf_addc(&out, '\0');
    assert_non_null(strstr(out.data, "board temperature (C): a gauge, more is worse; tolerated 1 C from own baseline; "
                                     "levels 5, 10\n"));
    assert_non_null(strstr(out.data, "free memory (MiB): a gauge, less is worse; tolerated 1.25x own baseline; "));
    buf_release(&out);
    arena_release(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tolerances_in_their_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
