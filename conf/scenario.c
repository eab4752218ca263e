#include "conf/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "conf/policy.h"
#include "conf/yaml_node.h"
#include "core/trial.h"
#include "core/verdict.h"

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
    m[0] = (struct scenario_model){"A", "1", 1};
    double sum = 0;
    for (size_t i = 0; i < y_len(models); i++) {
        const struct ynode *at = y_at(models, i);
        m[i] = (struct scenario_model){.name = arena_strdup(a, y_str(at, "name", "")),
                                       .hw_revision = arena_strdup(a, y_str(at, "hw_revision", "1")),
                                       .share = y_num(at, "share", 1)};
        sum += i + 1 < d->n_models ? m[i].share : 0;
        if (!plain(y_get(at, "name"), m[i].name, e) || !plain(y_get(at, "hw_revision"), m[i].hw_revision, e))
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
        const struct ynode *sites = y_get(at, "sites");
        if (!sites == !y_has(at, "percent"))
            return y_err(at, e, "expected either `percent` or `sites`");
        const char **v = ARENA_ARRAY(a, const char *, y_len(sites) + 1);
        for (size_t k = 0; k < y_len(sites); k++)
            v[k] = arena_strdup(a, y_text(y_at(sites, k)));
        g[i].sites = v;
        g[i].n_sites = y_len(sites);
    }
    r->groups = g;
    r->start_us = y_dur(n, "start", 0);
    r->activation_us = y_dur(n, "activation", 0);
    r->by_hand = y_bool(n, "by_hand", false);
    r->approval = y_bool(n, "approval", false);
    r->auto_assign = y_bool(n, "auto_assign", false);
    r->history = y_bool(n, "history", true);
    return true;
}

static const struct scenario_metric *metric_named(const struct scenario_devices *d, const char *id)
{
    for (size_t i = 0; i < d->n_metrics; i++)
        if (!strcmp(d->metrics[i].id, id))
            return &d->metrics[i];
    return NULL;
}

static bool read_course(const struct ynode *n, const char *id, const struct evidence_policy *p, struct arena *a,
                        struct scenario_metric *m, struct err *e)
{
    size_t k = 0;
    while (k < p->n_own && strcmp(p->own[k].id, id) != 0)
        k++;
    if (k == p->n_own)
        return y_err(n, e, "the policy has no metric of its own of this name");
    bool counter = metric_kind_counts(p->own[k].kind);
    char *name = arena_printf(a, "device_%s%s", id, counter ? "_total" : "");
    for (char *s = name; *s; s++)
        *s = *s == '-' ? '_' : *s;
    *m = (struct scenario_metric){.id = p->own[k].id,
                                  .name = name,
                                  .counter = counter,
                                  .activation = p->own[k].kind == KIND_ACTIVATION,
                                  .mean = y_num(n, "mean", 1),
                                  .spread = y_num(n, "spread", 0.15),
                                  .noise = y_num(n, "noise", 0.05),
                                  .swing = y_num(n, "swing", 0),
                                  .per_day = y_num(n, "per_day", 1)};
    bool level = y_has(n, "mean") || y_has(n, "spread") || y_has(n, "noise") || y_has(n, "swing");
    if (m->activation && y_len(n) > 0)
        return y_err(n, e, "activations have no course: they come with `rollout: activation`");
    if (counter ? level : y_has(n, "per_day"))
        return y_err(n, e, counter ? "a counter's course is per_day" : "per_day is of a counter or an event");
    return true;
}

/* What the policy tests, the devices must measure; and the other way round. */
static bool read_metrics(const struct ynode *map, const struct ynode *policy, struct arena *a, struct scenario *s,
                         struct err *e)
{
    const struct evidence_policy *p = &s->policy->evidence;
    struct scenario_devices *d = &s->devices;
    for (size_t i = 0; i < y_len(map); i++)
        if (!read_course(y_at(map, i), y_key_at(map, i), p, a, &d->metrics[d->n_metrics++], e))
            return false;
    for (size_t i = 0; i < p->n_own; i++)
        if (!metric_named(d, p->own[i].id))
            return y_err(y_get(policy, "metrics"), e,
                         "the devices do not measure '%s': give it a course in devices: metrics", p->own[i].id);
    return true;
}

/* Which metric it is about. */
static bool fault_metric(const struct ynode *n, const struct scenario_devices *d, struct fault *f, struct err *e)
{
    const struct scenario_metric *m = metric_named(d, y_str(n, "metric", ""));
    if (f->kind != FAULT_METRIC)
        return !y_has(n, "metric") || y_err(y_get(n, "metric"), e, "this is of the kind `metric`");
    if (!m || m->activation)
        return y_err(y_has(n, "metric") ? y_get(n, "metric") : n, e, "expected the name of a metric in `devices`");
    f->metric = (int)(m - d->metrics);
    if (m->counter ? y_has(n, "factor") || y_has(n, "over") : y_has(n, "per_hour"))
        return y_err(n, e, m->counter ? "of a counter per_hour is said" : "of a gauge factor and over are said");
    return true;
}

/* The devices that a fault names must exist: a mistyped model would be a drill in which nothing goes wrong. */
static bool known_words(const struct scenario *s, const struct ynode *n, const struct fault *f, struct err *e)
{
    bool model = !*f->model, revision = !*f->hw_revision, site = !*f->site;
    for (size_t i = 0; i < s->devices.n_models; i++) {
        const struct scenario_model *m = &s->devices.models[i];
        bool named = !*f->model || !strcmp(f->model, m->name);
        model |= named;
        revision |= named && !strcmp(f->hw_revision, m->hw_revision);
    }
    for (size_t i = 0; i < s->devices.n_sites; i++)
        site |= !strcmp(f->site, s->devices.sites[i]);
    const char *key = f->device >= s->devices.count ? "device"
                      : !model                      ? "model"
                      : !revision                   ? "hw_revision"
                      : !site                       ? "site"
                                                    : NULL;
    return !key || y_err(y_get(n, key), e, "no such %s in `devices`", key);
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
                              .device = y_int(n, "device", -1),
                              .after = y_dur(n, "after", 0),
                              .per_hour = y_num(n, "per_hour", 10),
                              .factor = y_num(n, "factor", 2),
                              .over = y_dur(n, "over", 0),
                              .model = arena_strdup(a, y_str(n, "model", "")),
                              .hw_revision = arena_strdup(a, y_str(n, "hw_revision", "")),
                              .site = arena_strdup(a, y_str(n, "site", "")),
                              .wave = (int)y_int(n, "wave", -1),
                              .delay = y_dur(n, "delay", 5 * US_PER_S),
                              .status = (int)y_int(n, "status", 503),
                              .mode = (enum outage_mode)y_word(n, "mode", 0)};
        if (f[i].until <= f[i].at)
            return y_err(n, e, "`until` must be later than `at`");
        if (!known_words(s, n, &f[i], e) || !fault_metric(n, &s->devices, &f[i], e))
            return false;
    }
    s->faults = f;
    return true;
}

static bool read_steps(const struct ynode *list, struct arena *a, struct scenario *s, struct err *e)
{
    static const char *const keys[] = {"at",     "halted",      "wave_done", "gate",
                                       "paused", "rolled_back", "finished",  "queued"};
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
        st[i].verb = verb_from_word(y_str(n, "do", ""));
        st[i].reason = arena_strdup(a, y_str(n, "reason", ""));
        st[i].remark = arena_strdup(a, y_str(n, "remark", ""));
        if ((st[i].verb == VERB_ROLLBACK || st[i].verb == VERB_DENY) && !*st[i].reason)
            return y_err(n, e, "`do: %s` needs a reason", y_str(n, "do", ""));
    }
    s->steps = st;
    return true;
}

/* A mistyped site would be an empty wave. */
static bool known_sites(const struct scenario *s, const struct ynode *waves, struct err *e)
{
    for (size_t i = 0; i < s->rollout.n_groups; i++)
        for (size_t k = 0; k < s->rollout.groups[i].n_sites; k++) {
            bool known = false;
            for (size_t j = 0; j < s->devices.n_sites; j++)
                known = known || !strcmp(s->rollout.groups[i].sites[k], s->devices.sites[j]);
            if (!known)
                return y_err(y_at(y_get(y_at(waves, i), "sites"), k), e, "no such site in `devices`");
        }
    return true;
}

/* What goes into files of its own: nothing that would need to be escaped there. */
static bool read_advisory(const struct ynode *n, struct arena *a, struct scenario_advisory *out, struct err *e)
{
    static const char *const keys[] = {"id", "part", "old", "new"};
    const char **to[] = {&out->id, &out->part, &out->old_part, &out->new_part};
    *out = (struct scenario_advisory){.there = n != NULL, .at = n ? y_dur(n, "at", 0) : 0};
    for (size_t i = 0; n && i < 4; i++) {
        const char *s = y_str(n, keys[i], "");
        *to[i] = arena_strdup(a, s);
        if (!*s || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(s))
            return y_err(y_get(n, keys[i]), e, "expected letters, digits, '.' and '-'");
    }
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
    const struct ynode *patched = y_get(n, "patched");
    x->queued_within = y_dur(n, "queued_within", TIME_NEVER);
    x->patched = patched ? y_num(patched, "share", 1) : 0;
    x->patched_within = patched ? y_dur(patched, "within", TIME_NEVER) : TIME_NEVER;
    const struct ynode *by = y_get(n, "by"), *names = y_get(n, "names");
    x->names_key = names ? arena_strdup(a, y_str(names, "key", "")) : "";
    x->names_value = names ? arena_strdup(a, y_str(names, "value", "")) : "";
    x->n_by = y_len(by);
    const char **ids = ARENA_ARRAY(a, const char *, x->n_by);
    for (size_t i = 0; i < x->n_by; i++)
        ids[i] = arena_strdup(a, y_text(y_at(by, i)));
    x->by = ids;
}

/* Everything that `expect.by` names must be a limit of the policy or a test: a mistyped one could never pass. */
static bool check_by(const struct scenario *s, const struct ynode *n, struct err *e)
{
    for (size_t i = 0; i < s->expect.n_by; i++) {
        bool found = !strcmp(s->expect.by[i], VERDICT_RULE_LOST);
        for (size_t k = 0; k < s->policy->n_limits; k++)
            found |= !strcmp(s->expect.by[i], s->policy->limits[k].id);
        found |= s->policy->evidence.tests == TESTS_ON && metric_test_find(&s->policy->evidence, s->expect.by[i]) >= 0;
        if (!found)
            return y_err(y_at(y_get(n, "by"), i), e, "the policy has no limit and no test of this name");
    }
    return true;
}

static struct scenario *from_node(const struct ynode *root, struct arena *a, struct err *e)
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
    const struct ynode *devices = y_get(root, "devices"), *policy = y_get(root, "policy");
    s->policy = policy ? policy_from_node(policy, s->name, a, e) : policy_default();
    if (!s->policy || !read_devices(devices, a, &s->devices, e) ||
        !read_metrics(y_get(devices, "metrics"), policy, a, s, e) ||
        !read_rollout(y_get(root, "rollout"), a, &s->rollout, e) || !read_faults(y_get(root, "faults"), a, s, e) ||
        !read_steps(y_get(root, "operator"), a, s, e) || !known_sites(s, y_get(y_get(root, "rollout"), "waves"), e) ||
        !read_advisory(y_get(root, "advisory"), a, &s->advisory, e))
        return NULL;
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
    struct scenario *s = root ? from_node(root, a, e) : NULL;
    if (s && y_has(root, "policy")) {
        struct policy *p = arena_memdup(a, s->policy, sizeof *p);
        p->text = arena_strndup(a, bytes, n);
        s->policy = p;
    }
    return s;
}

const struct scenario *scenario_load(const char *path, struct arena *a, struct err *e)
{
    struct buf b;
    buf_init(&b, YAML_BYTES_MAX);
    const struct scenario *s = file_read(path, FILE_ANY, &b, e) ? scenario_parse(path, b.data, b.len, a, e) : NULL;
    buf_release(&b);
    return s;
}
