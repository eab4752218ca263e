#include "core/preset.h"

#include <stddef.h>
#include <string.h>

const char *const preset_names[] = {"device", "node_exporter", NULL};

/* Over a boot rate() misses the idle time since the last sample before it: with a scrape each five minutes a quarter of
 * the window, which would look as if the device worked twice as hard after each install. So it is unknown until the
 * window lies behind the boot, as it is on a page. The last sample before the boot may lie before the window, so it is
 * looked for there too. */
#define IDLE "node_cpu_seconds_total{mode=\"idle\"}"
/* Disks of devices; what is made in memory, or is full by design, says nothing. */
#define DISKS "{fstype=~\"ext[234]|f2fs|ubifs|jffs2|xfs|btrfs\"}"
/* A page that several jobs scrape counts once. */
#define OF_PAGE(x) "sum by ($label) (max without (job) (" x "))"
#define ERRORS(w)  "node_network_" w "_errs_total{device!=\"lo\"}"

static const struct {
    const char *preset, *id, *promql, *page; /* page NULL: no single sample says it */
} rows[] = {
    {"device", "reboots", "device_reboots_total", "device_reboots_total"},
    {"device", "cpu", "device_cpu_ratio", "device_cpu_ratio"},
    {"device", "variance", "stdvar_over_time(device_sensor_value[$window])", "device_sensor_value"},
    {"node_exporter", "reboots", "node_boot_time_seconds", "node_boot_time_seconds"},
    {"node_exporter", "cpu", "1 - avg by ($label) (rate(" IDLE "[$rate]) unless resets(" IDLE "[$before]) > 0)",
     "node_cpu_seconds_total"},
    {"node_exporter", "variance", "stdvar_over_time($sensor[$window])", "$sensor"},
    {"node_exporter", "free-memory", "node_memory_MemAvailable_bytes", "node_memory_MemAvailable_bytes"},
    {"node_exporter", "load", "node_load5", "node_load5"},
    {"node_exporter", "free-disk",
     "min by ($label) (node_filesystem_avail_bytes" DISKS " / node_filesystem_size_bytes" DISKS ")", NULL},
    {"node_exporter", "disk-errors", OF_PAGE("node_filesystem_device_error" DISKS), NULL},
    {"node_exporter", "network-errors", OF_PAGE(ERRORS("receive") " + " ERRORS("transmit")), NULL},
    {"node_exporter", "oom-kills", "node_vmstat_oom_kill", "node_vmstat_oom_kill"},
    {"node_exporter", "temperature", "max by ($label) (node_thermal_zone_temp)", "node_thermal_zone_temp"},
    {"node_exporter", "clock-offset", "abs(node_timex_offset_seconds)", NULL},
};

static const char *named(const char *preset)
{
    return preset && *preset ? preset : preset_names[0];
}

bool preset_known(const char *preset)
{
    size_t i = 0;
    while (preset_names[i] && strcmp(preset_names[i], named(preset)) != 0)
        i++;
    return preset_names[i] != NULL;
}

const char *preset_query(const char *preset, const char *id, bool page)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].preset, named(preset)) == 0 && strcmp(rows[i].id, id) == 0)
            return page ? rows[i].page : rows[i].promql;
    return NULL;
}
