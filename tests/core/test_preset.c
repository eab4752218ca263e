/* The table of presets: each row can be asked, and none twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "core/metric.h"
#include "core/preset.h"

static void what_is_asked(void **state)
{
    (void)state;
    assert_true(preset_known("device") && preset_known("node_exporter") && preset_known("") && preset_known(NULL));
    assert_false(preset_known("node"));
    assert_string_equal(preset_query("", "reboots", false), "device_reboots_total");
    assert_non_null(strstr(preset_query("node_exporter", "cpu", false), "unless resets(")); /* not over a boot */
    assert_string_equal(preset_query("node_exporter", "cpu", true), "node_cpu_seconds_total");
    assert_non_null(strstr(preset_query("node_exporter", "variance", false), "$sensor[$window]"));
    assert_null(preset_query("device", "free-memory", false));
    assert_null(preset_query("node_exporter", "free-disk", true)); /* of one file system of several */
    assert_null(preset_query("node_exporter", "free-dis", false));
    assert_null(preset_query("nobody", "cpu", false));
}

/* Every id that a preset knows beside the built-in ones is one that a policy can have. */
static void each_can_be_a_policys(void **state)
{
    static const char *const ids[] = {"free-memory",    "load",      "free-disk",   "disk-errors",
                                      "network-errors", "oom-kills", "temperature", "clock-offset"};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_true(metric_id_ok(ids[i]));
        assert_non_null(preset_query("node_exporter", ids[i], false));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_asked), cmocka_unit_test(each_can_be_a_policys)};
    return cmocka_run_group_tests_name("preset", tests, NULL, NULL);
}
