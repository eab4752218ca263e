/* What is wanted in detail, into a snapshot. */
#include <math.h>
#include <string.h>
#include "engine/detail_data.h"

/* By row of the policy's metrics. */
static const struct device_metric *metrics_of(const struct engine *en, const struct evidence_policy *p,
                                              const struct health_excuse *x, const struct dev *w, bool settled,
                                              struct arena *a)
{
    struct device_metric *v = ARENA_ARRAY(a, struct device_metric, metric_count(p));
    const struct track_shape *s = &en->watch.shape;
    int8_t own[METRICS_OWN];
    watch_columns(en, p, own);
    for (size_t i = 0; i < metric_count(p); i++) {
        int c = i < METRICS_BUILTIN ? metric_column(p, i) : own[i - METRICS_BUILTIN];
        const struct track_count *count = c < 0 ? NULL : track_count_of(&w->track, s, (size_t)c);
        const struct track_level *level = c < 0 ? NULL : track_level_of(&w->track, s, (size_t)c);
        v[i].value = v[i].base = NAN;
        if (level)
            v[i] = (struct device_metric){level->value, level->base};
        /* Who was told and does not count yet is about to install: what it reboots meanwhile says nothing. */
        if (count && settled && w->track.last_t && !isnan(count->value)) {
            struct track_excuse e = health_excuse_of(x, &w->track, s, (size_t)c);
            v[i].value = (float)track_events(&w->track, count, &e, en->policy->window_us, NULL);
        }
    }
    return v;
}

static void row_state(const struct engine *en, const struct ro *ro, const struct device *d, const struct dev *w,
                      struct arena *a, struct device_row *r)
{
    int wave = en->detail.focus.wave;
    bool mine = w && w->canary_of == ro;
    const struct evidence_policy *p = ro ? &ro->policy.applies->evidence : &en->policy->evidence;
    char note[DEVICE_NOTE];
    struct device_facts f = {.status = d->status,
                             .overdue = d->overdue,
                             .told = ro && wave >= 0 && (size_t)wave < ro->facts.n_waves && ro->wv[wave].facts.told,
                             .watched = mine,
                             .counts = mine && w->enrolled && w->track.last_t >= w->track.counts_from,
                             .last_sample = r->last_sample,
                             .now = clock_now(en->clock),
                             .stale_us = VERDICT_COVERAGE * beat_interval(en),
                             .tested = UINT64_MAX};
    if (f.counts && !trial_of_device(ro, (size_t)(w - en->watch.devs), &f.reached, &f.tested)) {
        double by_row[METRICS_MAX];
        for (size_t i = 0; i < metric_count(p); i++) {
            double value = (double)r->metric[i].value, base = (double)r->metric[i].base;
            struct metric_def m;
            metric_get(p, i, &m);
            by_row[i] = metric_kind_counts(m.kind) ? value : m.diff ? value - base : base > 0 ? value / base : NAN;
        }
        f.reached = device_reached(p, by_row);
    }
    r->state = device_state(&f, p, note);
    r->note = arena_strdup(a, note);
}

static void rows(struct engine *en, struct snapshot *s)
{
    const struct detail *f = en->detail.data;
    const struct ro *ro = ro_find(en, en->detail.focus.rollout);
    const struct policy *policy = ro ? ro->policy.applies : en->policy;
    struct device_row *v = ARENA_ARRAY(&s->arena, struct device_row, f->n_rows + 1);
    for (size_t i = 0; i < f->n_rows; i++) {
        const struct device *d = &f->rows[i];
        long k = watch_set_find(en->watch.set, d->raw_id, strlen(d->raw_id));
        const struct dev *w = k >= 0 ? &en->watch.devs[k] : NULL;
        struct device_row *r = &v[i];
        r->id = arena_strdup(&s->arena, d->id);
        r->status = d->status;
        r->installed_at = d->installed_at;
        r->last_seen = d->last_seen;
        bool settled = w && (w->canary_of != ro || w->enrolled);
        struct health_excuse x;
        watch_excuse(en, ro, ro && w && w->canary_of == ro, &x);
        r->metric = w ? metrics_of(en, &policy->evidence, &x, w, settled, &s->arena) : NULL;
        if (settled) {
            struct track_excuse e = health_excuse_of(&x, &w->track, &en->watch.shape, COL_REBOOTS);
            track_events(&w->track, &w->track.boots, &e, en->policy->window_us, r->boots);
        }
        r->last_sample = w ? w->track.last_t : 0;
        r->from = w ? arena_strdup(&s->arena, w->from) : "";
        r->now_release = "";
        if (ro && d->status == DEVICE_IN_SYNC && w && w->canary_of == ro && d->installed_at > ro->facts.r.created_at)
            r->now_release = arena_printf(&s->arena, "%s:%s", ro->facts.r.release.name, ro->facts.r.release.version);
        row_state(en, ro, d, w, &s->arena, r);
    }
    s->devices = v;
    s->n_devices = f->n_rows;
    s->devices_total = f->rows_total;
    s->devices_at = f->rows_at;
}

static void detail(struct engine *en, struct snapshot *s)
{
    const struct detail *f = en->detail.data;
    const struct device_info *in = &f->info;
    struct arena *a = &s->arena;
    struct device_detail *d = ARENA_NEW(a, struct device_detail);
    d->id = arena_strdup(a, en->detail.focus.device);
    d->name = d->address = d->installed = d->assigned = "";
    d->error = arena_strdup(a, f->device_error);
    for (int i = 0; i < TREND_N; i++)
        d->cpu[i] = d->variance[i] = d->boots[i] = NAN;
    s->device = d;
    if (f->device_at == 0)
        return;
    d->id = arena_strdup(a, in->device.id);
    d->name = arena_strdup(a, in->device.name);
    d->address = arena_strdup(a, in->device.address);
    d->status = in->device.status;
    d->installed_at = in->device.installed_at;
    d->last_seen = in->device.last_seen;
    d->overdue = in->device.overdue;
    d->fetched_at = f->device_at;
    if (*in->installed.id)
        d->installed = arena_printf(a, "%s:%s", in->installed.name, in->installed.version);
    if (*in->assigned.id)
        d->assigned = arena_printf(a, "%s:%s", in->assigned.name, in->assigned.version);
    d->n_attributes = in->n_attributes;
    d->attributes = arena_array(a, in->n_attributes + 1, sizeof *d->attributes);
    for (size_t i = 0; i < in->n_attributes; i++) {
        d->attributes[i][0] = arena_strdup(a, in->attributes[i][0]);
        d->attributes[i][1] = arena_strdup(a, in->attributes[i][1]);
    }
    d->events = ARENA_ARRAY(a, struct device_event, in->n_history + in->n_actions + 1);
    for (size_t i = 0; i < in->n_history; i++) {
        const char *t = in->history[i].type;
        bool bad = strcmp(t, "error") == 0, ok = strcmp(t, "finished") == 0;
        d->events[d->n_events++] = (struct device_event){in->history[i].t,
                                                         bad  ? "bad"
                                                         : ok ? "ok"
                                                              : "info",
                                                         arena_printf(a, "%s %s", t, in->history[i].text)};
    }
    long k = watch_set_find(en->watch.set, en->detail.focus.device, strlen(en->detail.focus.device));
    uint8_t boots[TRACK_BUCKETS];
    const struct track *track = k >= 0 ? &en->watch.devs[k].track : NULL;
    if (track) {
        const struct ro *ro = en->watch.devs[k].canary_of;
        struct health_excuse x;
        watch_excuse(en, ro, ro != NULL, &x);
        struct track_excuse e = health_excuse_of(&x, track, &en->watch.shape, COL_REBOOTS);
        track_events(track, &track->boots, &e, en->policy->window_us, boots);
    }
    for (int i = 0; track && i < TRACK_BUCKETS; i++)
        d->boots[TREND_N - TRACK_BUCKETS + i] = (float)boots[i];
}

static void told(struct engine *en, struct snapshot *s)
{
    const struct detail *f = en->detail.data;
    s->told = ARENA_ARRAY(&s->arena, struct preview_device, f->n_told + 1);
    for (size_t i = 0; i < f->n_told; i++) {
        s->told[i] = f->told[i];
        s->told[i].id = arena_strdup(&s->arena, f->told[i].id);
        s->told[i].from = arena_strdup(&s->arena, f->told[i].from);
    }
    s->n_told = f->n_told;
    s->told_known = true;
}

void detail_publish(struct engine *en, struct snapshot *s)
{
    const struct detail *f = en->detail.data;
    s->focus = en->detail.focus;
    s->target = (struct rollback_target){TARGET_ASKING, "", "", ""};
    if (!f)
        return;
    s->devices_error = err_shown(&s->arena, &f->rows_error);
    s->told_error = err_shown(&s->arena, &f->told_error);
    s->target =
        (struct rollback_target){f->target.state, arena_strdup(&s->arena, f->target.name),
                                 arena_strdup(&s->arena, f->target.to.id), arena_strdup(&s->arena, f->target.why)};
    if (*en->detail.focus.rollout && en->detail.focus.wave >= 0)
        rows(en, s);
    if (*en->detail.focus.device)
        detail(en, s);
    if (*en->detail.focus.rollout && en->detail.data->told_known)
        told(en, s);
}
