#include "conf/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/policy.h"
#include "core/verdict.h"

/* Two tables: the schema below says what a file may hold; the readers further down put it into structs. Durations'
 * limits are in seconds. */
static const char *const fault_words[] = {"crash-loop", "cpu",       "variance",    "install-failures", "install-hangs",
                                          "silence",    "telemetry", "slow-server", "server-errors",    NULL};
static const char *const outage_words[] = {"error", "empty", "frozen", NULL};
static const char *const firmware_words[] = {"new", "old", "any", NULL};
static const char *const verb_words[] = {"start",   "advance", "pause", "resume", "halt", "rollback",
                                         "approve", "deny",    "retry", "ack",    NULL};
static const char *const until_words[] = {"rolled-back", "finished", "halted", NULL};
static const char *const success_words[] = {"next", "pause", NULL};

static const struct yfield model_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "hardware model, a label of device_info"},
    {.key = "share", .type = YT_NUM, .min = 0, .max = 1, .doc = "share of the fleet; the last one takes the rest"},
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
     .required = true,
     .min = 0.01,
     .max = 100,
     .doc = "of the whole fleet; the last wave takes what is left"},
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
    {.key = "per_hour", .type = YT_NUM, .min = 0.01, .max = 1000, .doc = "crash-loop: reboots (10)"},
    {.key = "factor", .type = YT_NUM, .min = 0, .max = 10000, .doc = "cpu, variance: times so much (2)"},
    {.key = "model", .type = YT_STR, .doc = "only this model"},
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

static const struct yfield expect_fields[] = {
    {.key = "halted", .type = YT_BOOL, .required = true, .doc = "must andon halt the rollout? false: it must not"},
    {.key = "within", .type = YT_DUR, .min = 1, .max = 864000, .doc = "of the first injection"},
    {.key = "rolled_back", .type = YT_BOOL, .doc = "every device told is back on the old firmware (false)"},
    {.key = "finished", .type = YT_BOOL, .doc = "the rollout has ended on the server (false)"},
    {.key = "by", .type = YT_LIST, .item = YT_STR, .min = 1, .max = 32, .doc = "rules, any of which may halt it"},
    {.key = "max_bad_devices",
     .type = YT_INT,
     .min = 0,
     .max = SCENARIO_DEVICES_MAX,
     .doc = "that had the new firmware when it was halted"},
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

const char *fault_kind_word(enum fault_kind k)
{
    return k >= FAULT_CRASH_LOOP && k <= FAULT_SERVER_ERROR ? fault_words[k] : "?";
}

/* A word that stands in labels and queries as it is. */
static bool plain(const struct ynode *n, const char *s, struct err *e)
{
    size_t len = strlen(s);
    if (len >= 1 && len <= 64 &&
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._+-") == len)
        return true;
    return y_err(n, e, "expected 1 to 64 letters, digits, blanks, '.', '_', '+' or '-'");
}

static bool read_devices(const struct ynode *n, struct arena *a, struct scenario_devices *d, struct err *e)
{
    d->count = y_int(n, "count", 1000);
    d->prefix = arena_strdup(a, y_str(n, "prefix", "em-"));
    for (const char *p = d->prefix; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-' ||
              *p == '_') ||
            p - d->prefix >= 16)
            return y_err(y_get(n, "prefix"), e, "expected at most 16 letters, digits, - or _");
    const struct ynode *models = y_get(n, "models"), *sites = y_get(n, "sites");
    d->n_models = y_len(models) ? y_len(models) : 1;
    struct scenario_model *m = ARENA_ARRAY(a, struct scenario_model, d->n_models);
    m[0] = (struct scenario_model){"A", 1};
    double sum = 0;
    for (size_t i = 0; i < y_len(models); i++) {
        const struct ynode *at = y_at(models, i);
        m[i] = (struct scenario_model){arena_strdup(a, y_str(at, "name", "")), y_num(at, "share", 1)};
        sum += i + 1 < d->n_models ? m[i].share : 0;
        if (!plain(y_get(at, "name"), m[i].name, e))
            return false;
    }
    if (sum > 1)
        return y_err(models, e, "shares add up to more than 1");
    d->models = m;
    d->n_sites = y_len(sites) ? y_len(sites) : 1;
    const char **s = ARENA_ARRAY(a, const char *, d->n_sites);
    s[0] = "lab";
    for (size_t i = 0; i < y_len(sites); i++) {
        s[i] = arena_strdup(a, y_text(y_at(sites, i)));
        if (!plain(y_at(sites, i), s[i], e))
            return false;
    }
    d->sites = s;
    d->poll_us = y_dur(n, "poll", 5 * US_PER_MIN);
    d->download_us = y_dur(n, "download", 90 * US_PER_S);
    d->install_us = y_dur(n, "install", US_PER_MIN);
    d->restart_us = y_dur(n, "restart", 25 * US_PER_S);
    d->report_us = y_dur(n, "report", 10 * US_PER_S);
    d->install_failures = y_num(n, "install_failures", 0);
    d->offline = y_num(n, "offline", 0);
    d->offline_us = y_dur(n, "offline_for", US_PER_HOUR);
    d->cancel_rejected = y_num(n, "cancel_rejected", 0);
    d->late_report = y_num(n, "late_report", 0);
    d->reboots_per_day = y_num(n, "reboots_per_day", 0.05);
    d->reboot_shape = y_num(n, "reboot_shape", 0.5);
    d->cpu_mean = y_num(n, "cpu", 0.22);
    d->cpu_spread = y_num(n, "cpu_spread", 0.15);
    d->cpu_noise = y_num(n, "cpu_noise", 0.08);
    d->cpu_swing = y_num(n, "cpu_swing", 0.1);
    d->sensor_mean = y_num(n, "sensor", 21);
    d->sensor_sd = y_num(n, "sensor_sd", 0.4);
    d->sensor_spread = y_num(n, "sensor_spread", 0);
    d->busy = y_num(n, "busy", 0);
    return true;
}

static bool read_release(const struct ynode *n, struct arena *a, const char **name, const char **version, struct err *e)
{
    *name = arena_strdup(a, y_str(n, "name", ""));
    *version = arena_strdup(a, y_str(n, "version", ""));
    return plain(y_get(n, "name"), *name, e) && plain(y_get(n, "version"), *version, e);
}

static bool read_rollout(const struct ynode *n, struct arena *a, struct scenario_rollout *r, struct err *e)
{
    r->name = arena_strdup(a, y_str(n, "name", ""));
    r->description = arena_strdup(a, y_str(n, "description", ""));
    if (strlen(r->name) < 1 || strlen(r->name) > 128)
        return y_err(y_get(n, "name"), e, "expected 1 to 128 bytes, as hawkBit takes");
    if (!read_release(y_get(n, "old"), a, &r->old_name, &r->old_version, e) ||
        !read_release(y_get(n, "new"), a, &r->new_name, &r->new_version, e))
        return false;
    if (!strcmp(r->old_name, r->new_name) && !strcmp(r->old_version, r->new_version))
        return y_err(y_get(n, "new"), e, "expected another firmware than `old`");
    const struct ynode *waves = y_get(n, "waves");
    r->n_groups = y_len(waves);
    struct scenario_group *g = ARENA_ARRAY(a, struct scenario_group, r->n_groups);
    for (size_t i = 0; i < r->n_groups; i++) {
        const struct ynode *at = y_at(waves, i);
        g[i] = (struct scenario_group){.name = arena_strdup(a, y_str(at, "name", "")),
                                       .percent = y_num(at, "percent", 100),
                                       .success = arena_strdup(a, y_str(at, "success", "95")),
                                       .error = arena_strdup(a, y_str(at, "error", "20")),
                                       .pause_after = y_word(at, "then", 0) == 1};
    }
    r->groups = g;
    r->start_us = y_dur(n, "start", 0);
    r->by_hand = y_bool(n, "by_hand", false);
    r->approval = y_bool(n, "approval", false);
    r->auto_assign = y_bool(n, "auto_assign", false);
    r->history = y_bool(n, "history", true);
    return true;
}

static bool known_word(const struct scenario *s, const struct ynode *n, const char *key, bool model, struct err *e)
{
    const char *w = y_str(n, key, "");
    if (!*w)
        return true;
    size_t count = model ? s->devices.n_models : s->devices.n_sites;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(w, model ? s->devices.models[i].name : s->devices.sites[i]))
            return true;
    return y_err(y_get(n, key), e, "no such %s in `devices`", key);
}

static bool read_faults(const struct ynode *list, struct arena *a, struct scenario *s, struct err *e)
{
    s->n_faults = y_len(list);
    struct fault *f = ARENA_ARRAY(a, struct fault, s->n_faults);
    for (size_t i = 0; i < s->n_faults; i++) {
        const struct ynode *n = y_at(list, i);
        int fw = y_word(n, "firmware", 0);
        f[i] = (struct fault){.kind = (enum fault_kind)y_word(n, "kind", 0),
                              .at = y_has(n, "at") ? y_dur(n, "at", 0) : SCENARIO_ALWAYS,
                              .until = y_has(n, "until") ? y_dur(n, "until", 0) : TIME_NEVER,
                              .on_new = fw != 1,
                              .on_old = fw != 0,
                              .share = y_num(n, "share", 1),
                              .after = y_dur(n, "after", 0),
                              .per_hour = y_num(n, "per_hour", 10),
                              .factor = y_num(n, "factor", 2),
                              .model = arena_strdup(a, y_str(n, "model", "")),
                              .site = arena_strdup(a, y_str(n, "site", "")),
                              .wave = (int)y_int(n, "wave", -1),
                              .delay = y_dur(n, "delay", 5 * US_PER_S),
                              .status = (int)y_int(n, "status", 503),
                              .mode = (enum outage_mode)y_word(n, "mode", 0)};
        if (f[i].until <= f[i].at)
            return y_err(n, e, "`until` must be later than `at`");
        if (!known_word(s, n, "model", true, e) || !known_word(s, n, "site", false, e))
            return false;
    }
    s->faults = f;
    return true;
}

static bool read_steps(const struct ynode *list, struct arena *a, struct scenario *s, struct err *e)
{
    static const char *const keys[] = {"at", "halted", "wave_done", "gate", "paused", "rolled_back", "finished"};
    s->n_steps = y_len(list);
    struct scenario_step *st = ARENA_ARRAY(a, struct scenario_step, s->n_steps);
    for (size_t i = 0; i < s->n_steps; i++) {
        const struct ynode *n = y_at(list, i), *w = y_get(n, "when");
        int found = 0;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            if (!y_has(w, keys[k]))
                continue;
            found++;
            st[i].when = (enum step_when)k;
            if (k != WHEN_AT && k != WHEN_WAVE_DONE && !y_bool(w, keys[k], true))
                return y_err(y_get(w, keys[k]), e, "expected true, or leave it out");
        }
        if (found != 1)
            return y_err(w, e, "expected exactly one condition");
        st[i].at = y_dur(w, "at", 0);
        st[i].wave = (int)y_int(w, "wave_done", 0);
        if (st[i].when == WHEN_WAVE_DONE && (size_t)st[i].wave >= s->rollout.n_groups)
            return y_err(w, e, "there is no wave %d; the first is 0", st[i].wave);
        st[i].delay = y_dur(n, "delay", st[i].when == WHEN_AT ? 0 : 30 * US_PER_S);
        st[i].verb = verb_from_word(verb_words[y_word(n, "do", 0)]);
        st[i].reason = arena_strdup(a, y_str(n, "reason", ""));
        st[i].remark = arena_strdup(a, y_str(n, "remark", ""));
        if ((st[i].verb == VERB_ROLLBACK || st[i].verb == VERB_DENY) && !*st[i].reason)
            return y_err(n, e, "`do: %s` needs a reason", verb_words[y_word(n, "do", 0)]);
    }
    s->steps = st;
    return true;
}

static void read_expect(const struct ynode *n, struct arena *a, struct scenario_expect *x)
{
    x->halted = y_bool(n, "halted", false);
    x->within = y_dur(n, "within", TIME_NEVER);
    x->rolled_back = y_bool(n, "rolled_back", false);
    x->finished = y_bool(n, "finished", false);
    x->max_bad_devices = y_int(n, "max_bad_devices", -1);
    x->min_on_new = y_num(n, "min_on_new", 0);
    x->min_on_old = y_num(n, "min_on_old", 0);
    const struct ynode *by = y_get(n, "by");
    x->n_by = y_len(by);
    const char **ids = ARENA_ARRAY(a, const char *, x->n_by);
    for (size_t i = 0; i < x->n_by; i++)
        ids[i] = arena_strdup(a, y_text(y_at(by, i)));
    x->by = ids;
}

/* Every id that `expect.by` names must be a limit of the policy: a mistyped one could never pass. */
static bool check_by(const struct scenario *s, const struct ynode *n, struct err *e)
{
    for (size_t i = 0; i < s->expect.n_by; i++) {
        bool found = !strcmp(s->expect.by[i], VERDICT_RULE_LOST);
        for (size_t k = 0; k < s->policy->n_limits; k++)
            found |= !strcmp(s->expect.by[i], s->policy->limits[k].id);
        if (!found)
            return y_err(y_at(y_get(n, "by"), i), e, "the policy has no limit with this id");
    }
    return true;
}

static const struct scenario *from_node(const struct ynode *root, struct arena *a, struct err *e)
{
    struct scenario *s = ARENA_NEW(a, struct scenario);
    s->name = arena_strdup(a, y_str(root, "name", ""));
    s->description = arena_strdup(a, y_str(root, "description", ""));
    s->speed = y_num(root, "speed", 20);
    const struct ynode *watch = y_get(root, "watch");
    s->poll_us = watch ? y_dur(watch, "poll", 2 * US_PER_S) : 2 * US_PER_S;
    s->scrape_us = watch ? y_dur(watch, "scrape", 15 * US_PER_S) : 15 * US_PER_S;
    s->lead_in_us = watch ? y_dur(watch, "lead_in", 0) : 0;
    s->keep_alive = watch ? (int)y_int(watch, "keep_alive", 100) : 100;
    if (!read_devices(y_get(root, "devices"), a, &s->devices, e) ||
        !read_rollout(y_get(root, "rollout"), a, &s->rollout, e) || !read_faults(y_get(root, "faults"), a, s, e) ||
        !read_steps(y_get(root, "operator"), a, s, e))
        return NULL;
    s->policy = policy_default();
    if (y_has(root, "policy")) {
        s->policy = policy_from_node(y_get(root, "policy"), s->name, a, e);
        if (!s->policy)
            return NULL;
    }
    const struct ynode *ends = y_get(root, "ends");
    int until = y_word(ends, "when", -1);
    s->ends = (struct scenario_ends){.after = y_dur(ends, "after", US_PER_HOUR),
                                     .rolled_back = until == 0,
                                     .finished = until == 1,
                                     .halted = until == 2,
                                     .linger = y_dur(ends, "linger", US_PER_MIN)};
    read_expect(y_get(root, "expect"), a, &s->expect);
    if (!check_by(s, y_get(root, "expect"), e))
        return NULL;
    return s;
}

const struct scenario *scenario_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct err *e)
{
    const struct ynode *root = yaml_parse(name, bytes, n, scenario_schema, a, e);
    return root ? from_node(root, a, e) : NULL;
}

const struct scenario *scenario_load(const char *path, struct arena *a, struct err *e)
{
    const struct ynode *root = yaml_load(path, scenario_schema, a, e);
    return root ? from_node(root, a, e) : NULL;
}
