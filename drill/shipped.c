#include "drill/shipped.h"

#include <stdio.h>
#include <string.h>

#include "core/embed.h"

EMBED(healthy, "drill/scenarios/healthy.yaml");
EMBED(crash_loop, "drill/scenarios/crash-loop.yaml");
EMBED(cpu_regression, "drill/scenarios/cpu-regression.yaml");
EMBED(sensor_drift, "drill/scenarios/sensor-drift.yaml");
EMBED(install_failures, "drill/scenarios/install-failures.yaml");
EMBED(telemetry_outage, "drill/scenarios/telemetry-outage.yaml");
EMBED(slow_server, "drill/scenarios/slow-server.yaml");
EMBED(late_loop, "drill/scenarios/late-loop.yaml");
EMBED(slow_burn, "drill/scenarios/slow-burn.yaml");
EMBED(bad_model, "drill/scenarios/bad-model.yaml");
EMBED(memory_leak, "drill/scenarios/memory-leak.yaml");
EMBED(patch_friday, "drill/scenarios/patch-friday.yaml");
EMBED(staged_update, "drill/scenarios/staged-update.yaml");
EMBED(one_bad_device, "drill/scenarios/one-bad-device.yaml");
EMBED(noisy_but_fine, "drill/scenarios/noisy-but-fine.yaml");

EMBED(inventory, "drill/inventory.yaml");

const char *drill_inventory_text(size_t *n)
{
    *n = (size_t)(embed_inventory_end - embed_inventory);
    return embed_inventory;
}

struct shipped {
    const char *name, *from, *to;
};

static const struct shipped shipped[] = {
    {"healthy", embed_healthy, embed_healthy_end},
    {"crash-loop", embed_crash_loop, embed_crash_loop_end},
    {"cpu-regression", embed_cpu_regression, embed_cpu_regression_end},
    {"sensor-drift", embed_sensor_drift, embed_sensor_drift_end},
    {"install-failures", embed_install_failures, embed_install_failures_end},
    {"telemetry-outage", embed_telemetry_outage, embed_telemetry_outage_end},
    {"slow-server", embed_slow_server, embed_slow_server_end},
    {"late-loop", embed_late_loop, embed_late_loop_end},
    {"slow-burn", embed_slow_burn, embed_slow_burn_end},
    {"bad-model", embed_bad_model, embed_bad_model_end},
    {"memory-leak", embed_memory_leak, embed_memory_leak_end},
    {"patch-friday", embed_patch_friday, embed_patch_friday_end},
    {"staged-update", embed_staged_update, embed_staged_update_end},
    {"one-bad-device", embed_one_bad_device, embed_one_bad_device_end},
    {"noisy-but-fine", embed_noisy_but_fine, embed_noisy_but_fine_end},
};
#define N_SHIPPED (sizeof shipped / sizeof shipped[0])

const char *const *drill_scenario_names(void)
{
    static const char *const names[] = {"healthy",          "crash-loop",       "cpu-regression", "sensor-drift",
                                        "install-failures", "telemetry-outage", "slow-server",    "late-loop",
                                        "slow-burn",        "bad-model",        "memory-leak",    "staged-update",
                                        "patch-friday",     "one-bad-device",   "noisy-but-fine", NULL};
    return names;
}

const char *drill_scenario_text(const char *name, size_t *n)
{
    for (size_t i = 0; i < N_SHIPPED; i++) {
        if (!strcmp(shipped[i].name, name)) {
            *n = (size_t)(shipped[i].to - shipped[i].from);
            return shipped[i].from;
        }
    }
    return NULL;
}

static bool is_path(const char *s)
{
    size_t n = strlen(s);
    return strchr(s, '/') || (n > 5 && !strcmp(s + n - 5, ".yaml"));
}

const struct scenario *drill_scenario(const char *name_or_path, struct arena *a, struct err *e)
{
    if (is_path(name_or_path))
        return scenario_load(name_or_path, a, e);
    size_t n;
    const char *text = drill_scenario_text(name_or_path, &n);
    if (text)
        return scenario_parse(name_or_path, text, n, a, e);
    char known[200] = "";
    for (size_t i = 0; i < N_SHIPPED; i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "Known: ", shipped[i].name);
    }
    err_set(e, ERR_NOT_FOUND, known, "there is no scenario of this name");
    return NULL;
}
