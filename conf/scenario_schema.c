#include "conf/policy.h"
#include "conf/scenario.h"

/* What a scenario file may hold; scenario.c puts it into structs. Durations' limits are in seconds. */
static const char *const fault_words[] = {"crash-loop", "reboots",          "cpu",           "variance",
                                          "metric",     "install-failures", "install-hangs", "silence",
                                          "telemetry",  "slow-server",      "server-errors", NULL};
static const char *const outage_words[] = {"error", "empty", "frozen", NULL};
static const char *const firmware_words[] = {"new", "old", "any", NULL};
static const char *const verb_words[] = {"start",   "advance", "pause", "resume", "halt", "rollback",
                                         "approve", "deny",    "retry", "ack",    NULL};
static const char *const until_words[] = {"rolled-back", "finished", "halted", NULL};
static const char *const success_words[] = {"next", "pause", NULL};

static const struct yfield model_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "hardware model, a label of device_info"},
    {.key = "share", .type = YT_NUM, .min = 0, .max = 1, .doc = "share of the fleet; the last one takes the rest"},
    {.key = "hw_revision", .type = YT_STR, .doc = "an attribute of the inventory (1)"},
    {.key = NULL},
};

static const struct yfield course_fields[] = {
    {.key = "mean", .type = YT_NUM, .min = 0, .max = 1e12, .doc = "of a gauge or spread (1)"},
    {.key = "spread", .type = YT_NUM, .min = 0, .max = 2, .doc = "of it between devices, relative (0.15)"},
    {.key = "noise", .type = YT_NUM, .min = 0, .max = 2, .doc = "of it from sample to sample, relative (0.05)"},
    {.key = "swing", .type = YT_NUM, .min = 0, .max = 1, .doc = "of it over the day, relative (0)"},
    {.key = "per_day", .type = YT_NUM, .min = 0, .max = 10000, .doc = "of a counter or event: mean of one device (1)"},
    {.key = NULL},
};

static const struct yfield device_fields[] = {
    {.key = "count", .type = YT_INT, .required = true, .min = 1, .max = SCENARIO_DEVICES_MAX, .doc = "devices"},
    {.key = "prefix", .type = YT_STR, .doc = "of the device ids (em-)"},
    {.key = "models",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = model_fields,
     .min = 1,
     .max = 50,
     .doc = "hardware models"},
    {.key = "sites", .type = YT_LIST, .item = YT_STR, .min = 1, .max = 200, .doc = "sites, equally large"},
    {.key = "poll", .type = YT_DUR, .min = 1, .max = 86400, .doc = "how often a device asks for work (5m)"},
    {.key = "download", .type = YT_DUR, .min = 1, .max = 86400, .doc = "median (90s)"},
    {.key = "install", .type = YT_DUR, .min = 1, .max = 86400, .doc = "median (60s)"},
    {.key = "restart", .type = YT_DUR, .min = 1, .max = 3600, .doc = "no telemetry after a reboot (25s)"},
    {.key = "report", .type = YT_DUR, .min = 1, .max = 3600, .doc = "how often a device writes telemetry (10s)"},
    {.key = "install_failures", .type = YT_NUM, .min = 0, .max = 1, .doc = "chance that an install fails (0)"},
    {.key = "offline", .type = YT_NUM, .min = 0, .max = 1, .doc = "share of devices that go away for a while (0)"},
    {.key = "offline_for", .type = YT_DUR, .min = 1, .max = 31536000, .doc = "how long (1h)"},
    {.key = "cancel_rejected", .type = YT_NUM, .min = 0, .max = 1, .doc = "chance that a recall is refused (0)"},
    {.key = "late_report",
     .type = YT_NUM,
     .min = 0,
     .max = 1,
     .doc = "share of devices that report a recalled install after the roll back's own (0)"},
    {.key = "reboots_per_day", .type = YT_NUM, .min = 0, .max = 1000, .doc = "mean of one healthy device (0.05)"},
    {.key = "reboot_shape",
     .type = YT_NUM,
     .min = 0.05,
     .max = 1000,
     .doc = "gamma shape of that rate over devices; small is a heavy tail (0.5)"},
    {.key = "cpu", .type = YT_NUM, .min = 0.001, .max = 1, .doc = "mean CPU use (0.22)"},
    {.key = "cpu_spread", .type = YT_NUM, .min = 0, .max = 2, .doc = "between devices, relative (0.15)"},
    {.key = "cpu_noise", .type = YT_NUM, .min = 0, .max = 2, .doc = "from sample to sample, relative (0.08)"},
    {.key = "cpu_swing", .type = YT_NUM, .min = 0, .max = 1, .doc = "over the day, relative (0.1)"},
    {.key = "sensor", .type = YT_NUM, .min = -1e6, .max = 1e6, .doc = "mean of the sensor (21)"},
    {.key = "sensor_sd", .type = YT_NUM, .min = 1e-6, .max = 1e6, .doc = "its standard deviation (0.4)"},
    {.key = "sensor_spread", .type = YT_NUM, .min = 0, .max = 2, .doc = "of that between devices, relative (0)"},
    {.key = "metrics",
     .type = YT_DICT,
     .item = YT_MAP,
     .fields = course_fields,
     .max = METRICS_OWN,
     .doc = "the course of each of the policy's own metrics, by its name; served as device_NAME, counters "
            "device_NAME_total"},
    {.key = "busy",
     .type = YT_NUM,
     .min = 0,
     .max = 1,
     .doc = "share of five-minute spells in which a device works up to three times as hard, its sensor up to four "
            "times as noisy (0)"},
    {.key = NULL},
};

static const struct yfield release_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "distribution set"},
    {.key = "version", .type = YT_STR, .required = true, .doc = "its version"},
    {.key = NULL},
};

static const struct yfield group_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "wave"},
    {.key = "percent",
     .type = YT_NUM,
     .min = 0.01,
     .max = 100,
     .doc = "of the whole fleet; the last wave takes what is left"},
    {.key = "sites",
     .type = YT_LIST,
     .item = YT_STR,
     .min = 1,
     .max = 100,
     .doc = "in place of a percentage: the devices of these sites"},
    {.key = "success", .type = YT_STR, .doc = "percent finished that starts the next wave (95)"},
    {.key = "error", .type = YT_STR, .doc = "percent failed above which the server pauses (20)"},
    {.key = "then", .type = YT_WORD, .words = success_words, .doc = "after success: next (default) or pause"},
    {.key = NULL},
};

static const struct yfield rollout_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "rollout"},
    {.key = "description", .type = YT_STR, .doc = "shown with it"},
    {.key = "old", .type = YT_MAP, .required = true, .fields = release_fields, .doc = "firmware before"},
    {.key = "new", .type = YT_MAP, .required = true, .fields = release_fields, .doc = "firmware that rolls out"},
    {.key = "waves",
     .type = YT_LIST,
     .required = true,
     .item = YT_MAP,
     .fields = group_fields,
     .min = 1,
     .max = 500,
     .doc = "in order, the first is the canary"},
    {.key = "activation",
     .type = YT_DUR,
     .min = 0,
     .max = 31536000,
     .doc = "a staged update: each device boots once more so long after it has installed the new firmware, give or "
            "take a tenth (0s: it does not)"},
    {.key = "start", .type = YT_DUR, .min = 0, .max = 864000, .doc = "when the server starts it (0s: just started)"},
    {.key = "by_hand", .type = YT_BOOL, .doc = "stays ready until somebody starts it"},
    {.key = "approval", .type = YT_BOOL, .doc = "must be approved first"},
    {.key = "auto_assign", .type = YT_BOOL, .doc = "a target filter gives the new firmware to newcomers"},
    {.key = "history", .type = YT_BOOL, .doc = "the old firmware's finished rollout is listed too (true)"},
    {.key = NULL},
};

static const struct yfield fault_fields[] = {
    {.key = "kind", .type = YT_WORD, .required = true, .words = fault_words, .doc = "what goes wrong"},
    {.key = "at", .type = YT_DUR, .min = 0, .max = 864000, .doc = "from (always, before time 0 too)"},
    {.key = "until", .type = YT_DUR, .min = 0, .max = 864000, .doc = "to (the end)"},
    {.key = "firmware", .type = YT_WORD, .words = firmware_words, .doc = "that has the fault: new (default), old, any"},
    {.key = "share", .type = YT_NUM, .min = 0, .max = 1, .doc = "of those devices, or of the answers (1)"},
    {.key = "after", .type = YT_DUR, .min = 0, .max = 864000, .doc = "this long after the install (0s)"},
    {.key = "per_hour",
     .type = YT_NUM,
     .min = 0.01,
     .max = 1000,
     .doc = "crash-loop, metric: reboots, or events of a counter, an hour (10)"},
    {.key = "factor",
     .type = YT_NUM,
     .min = 0,
     .max = 10000,
     .doc = "cpu, variance, reboots, a gauge: times so much as the device's own (2)"},
    {.key = "metric", .type = YT_STR, .doc = "metric: which of the policy's own"},
    {.key = "over",
     .type = YT_DUR,
     .min = 0,
     .max = 864000,
     .doc = "metric: a gauge goes there evenly in so long (0s)"},
    {.key = "device",
     .type = YT_INT,
     .min = 0,
     .max = SCENARIO_DEVICES_MAX - 1,
     .doc = "only the device of this number, 0 = the first of the canary"},
    {.key = "model", .type = YT_STR, .doc = "only this model"},
    {.key = "hw_revision", .type = YT_STR, .doc = "only this revision"},
    {.key = "site", .type = YT_STR, .doc = "only this site"},
    {.key = "wave", .type = YT_INT, .min = 0, .max = 499, .doc = "install-hangs: only in this wave, 0 = canary (any)"},
    {.key = "delay", .type = YT_DUR, .min = 0.001, .max = 3600, .doc = "slow-server: of each answer (5s)"},
    {.key = "status", .type = YT_INT, .min = 400, .max = 599, .doc = "server-errors: HTTP status (503)"},
    {.key = "mode", .type = YT_WORD, .words = outage_words, .doc = "telemetry: error (default), empty, frozen"},
    {.key = NULL},
};

static const struct yfield step_when_fields[] = {
    {.key = "at", .type = YT_DUR, .min = 0, .max = 864000, .doc = "at this time"},
    {.key = "halted", .type = YT_BOOL, .doc = "true: andon has halted the rollout"},
    {.key = "wave_done", .type = YT_INT, .min = 0, .max = 499, .doc = "this wave (0 = canary) has ended"},
    {.key = "gate", .type = YT_BOOL, .doc = "true: the rollout waits for a person"},
    {.key = "paused", .type = YT_BOOL, .doc = "true: the server shows it paused"},
    {.key = "rolled_back", .type = YT_BOOL, .doc = "true: the roll back has ended"},
    {.key = "finished", .type = YT_BOOL, .doc = "true: the server shows it finished"},
    {.key = "queued", .type = YT_BOOL, .doc = "true: this rollout stands first in the queue, for the advisory"},
    {.key = NULL},
};

static const struct yfield step_fields[] = {
    {.key = "when", .type = YT_MAP, .required = true, .fields = step_when_fields, .doc = "exactly one of these"},
    {.key = "delay", .type = YT_DUR, .min = 0, .max = 86400, .doc = "a person needs so long after that (30s)"},
    {.key = "do", .type = YT_WORD, .required = true, .words = verb_words, .doc = "verb"},
    {.key = "reason", .type = YT_STR, .doc = "for roll back and deny"},
    {.key = "remark", .type = YT_STR, .doc = "for approve and deny"},
    {.key = NULL},
};

static const struct yfield ends_fields[] = {
    {.key = "after", .type = YT_DUR, .required = true, .min = 60, .max = 864000, .doc = "at the latest"},
    {.key = "when", .type = YT_WORD, .words = until_words, .doc = "earlier, when this has come true"},
    {.key = "linger", .type = YT_DUR, .min = 0, .max = 864000, .doc = "and so long after it (1m)"},
    {.key = NULL},
};

static const struct yfield names_fields[] = {
    {.key = "key", .type = YT_STR, .required = true, .doc = "attribute of the inventory"},
    {.key = "value", .type = YT_STR, .required = true, .doc = "that all or most bad devices have"},
    {.key = NULL},
};

static const struct yfield advisory_fields[] = {
    {.key = "at", .type = YT_DUR, .required = true, .min = 0, .max = 864000, .doc = "when it is published"},
    {.key = "id", .type = YT_STR, .required = true, .doc = "as in CVE-2031-20417"},
    {.key = "part", .type = YT_STR, .required = true, .doc = "of both firmwares"},
    {.key = "old", .type = YT_STR, .required = true, .doc = "the part's version in the old firmware, which has it"},
    {.key = "new", .type = YT_STR, .required = true, .doc = "the part's version in the new one: the fix"},
    {.key = NULL},
};

static const struct yfield patched_fields[] = {
    {.key = "share", .type = YT_NUM, .required = true, .min = 0, .max = 1, .doc = "of the fleet"},
    {.key = "within", .type = YT_DUR, .required = true, .min = 1, .max = 864000, .doc = "of the advisory"},
    {.key = NULL},
};

static const struct yfield expect_fields[] = {
    {.key = "halted", .type = YT_BOOL, .required = true, .doc = "must andon halt the rollout? false: it must not"},
    {.key = "within", .type = YT_DUR, .min = 1, .max = 864000, .doc = "of the first injection"},
    {.key = "rolled_back", .type = YT_BOOL, .doc = "every device told is back on the old firmware (false)"},
    {.key = "finished", .type = YT_BOOL, .doc = "the rollout has ended on the server (false)"},
    {.key = "by",
     .type = YT_LIST,
     .item = YT_STR,
     .min = 1,
     .max = 32,
     .doc = "limits and tests, any of which may halt it"},
    {.key = "names", .type = YT_MAP, .fields = names_fields, .doc = "what the evidence must say that they share"},
    {.key = "max_bad_devices",
     .type = YT_INT,
     .min = 0,
     .max = SCENARIO_DEVICES_MAX,
     .doc = "that had the new firmware when it was halted"},
    {.key = "queued_within", .type = YT_DUR, .min = 1, .max = 864000, .doc = "of the advisory: the fix stands first"},
    {.key = "patched", .type = YT_MAP, .fields = patched_fields, .doc = "how much of the fleet has the fix by when"},
    {.key = "min_on_new", .type = YT_NUM, .min = 0, .max = 1, .doc = "share of the fleet at the end"},
    {.key = "min_on_old", .type = YT_NUM, .min = 0, .max = 1, .doc = "share of the fleet at the end"},
    {.key = NULL},
};

static const struct yfield watch_fields[] = {
    {.key = "poll", .type = YT_DUR, .min = 0.1, .max = 300, .doc = "of rollout states (2s)"},
    {.key = "scrape", .type = YT_DUR, .min = 1, .max = 600, .doc = "of the metrics page (15s)"},
    {.key = "lead_in",
     .type = YT_DUR,
     .min = 0,
     .max = 86400,
     .doc = "the fleet has been watched for so long when the drill's time 0 comes, and `start` counts from there (0s)"},
    {.key = "keep_alive",
     .type = YT_INT,
     .min = 1,
     .max = 1000000,
     .doc = "requests on a connection before the server closes it (100, as hawkBit's)"},
    {.key = NULL},
};

const struct yfield scenario_schema[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "name of the scenario"},
    {.key = "description", .type = YT_STR, .required = true, .doc = "what it shows, one sentence"},
    {.key = "speed", .type = YT_NUM, .min = 0.1, .max = 10000, .doc = "times real time on a screen (20)"},
    {.key = "watch", .type = YT_MAP, .fields = watch_fields, .doc = "how the console watches this fleet"},
    {.key = "devices", .type = YT_MAP, .required = true, .fields = device_fields, .doc = "the fleet"},
    {.key = "rollout", .type = YT_MAP, .required = true, .fields = rollout_fields, .doc = "what rolls out"},
    {.key = "faults", .type = YT_LIST, .item = YT_MAP, .fields = fault_fields, .max = 32, .doc = "what goes wrong"},
    {.key = "advisory", .type = YT_MAP, .fields = advisory_fields, .doc = "an exploited vulnerability becomes known"},
    {.key = "policy", .type = YT_MAP, .fields = policy_schema, .doc = "as in a policy file (the built-in one)"},
    {.key = "operator",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = step_fields,
     .max = 100,
     .doc = "what a person does, in this order; only in a headless drill"},
    {.key = "ends", .type = YT_MAP, .required = true, .fields = ends_fields, .doc = "when a headless drill is over"},
    {.key = "expect", .type = YT_MAP, .required = true, .fields = expect_fields, .doc = "what makes it pass"},
    {.key = NULL},
};
