#include "engine/detail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/worker.h"

#define ROWS_MAX    ((size_t)5000)
#define REFRESH_US  (10 * US_PER_S)
#define TOLD_MAX    ((size_t)50000)
#define ORIGINS_MAX 24

struct detail {
    /* the wave's devices */
    struct arena rows_arena;
    struct device *rows;
    size_t n_rows;
    int64_t rows_total, rows_at, asked_at;
    /* one device */
    struct arena device_arena;
    struct device_info info;
    int64_t device_at, device_asked_at;
    char device_error[320];
    /* told devices of the rollout */
    struct arena told_arena;
    struct preview_device *told;
    size_t n_told, cap_told, told_wave;
    bool told_known, told_busy;
    int64_t told_at;
    /* where a sample of them came from, by their own histories: read once for each rollout */
    struct arena origin_arena;
    struct origin {
        const char *raw_id, *from;
    } origins[ORIGINS_MAX];
    size_t n_origins, n_asking;
    struct origin picks[ORIGINS_MAX]; /* of told devices whose origin is not known */
    size_t n_picks;
    int64_t n_unknown, n_known;
    uint64_t serial; /* answers to an older focus are dropped */
};

static void tick(struct engine *en, void *arg);

static struct detail *data_of(struct engine *en)
{
    if (!en->detail.data) {
        en->detail.data = xcalloc(1, sizeof *en->detail.data);
        arena_init(&en->detail.data->rows_arena);
        arena_init(&en->detail.data->device_arena);
        arena_init(&en->detail.data->told_arena);
        arena_init(&en->detail.data->origin_arena);
    }
    return en->detail.data;
}

/* ---- the wave's devices ---- */

static void rows_done(struct req *q, const struct reply *r)
{
    struct detail *f = q->en->detail.data;
    if ((uint64_t)q->n != f->serial || r->err)
        return;
    arena_release(&f->rows_arena);
    f->rows_arena = q->arena; /* the answer as it is */
    arena_init(&q->arena);
    f->rows = q->out.devices.v;
    f->n_rows = q->out.devices.n;
    f->rows_total = q->out.devices.total;
    f->rows_at = now_of(q->en);
    mark(q->en);
}

static void read_rows(struct engine *en)
{
    struct detail *f = en->detail.data;
    const struct ro *ro = ro_find(en, en->detail.focus.rollout);
    int w = en->detail.focus.wave;
    int64_t now = now_of(en);
    if (!ro || w < 0 || (size_t)w >= ro->facts.n_waves || (f->asked_at && now - f->asked_at < REFRESH_US))
        return;
    f->asked_at = now;
    struct req *q = req_new(en, rows_done);
    q->n = (int64_t)f->serial;
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[w].id), ROWS_MAX, &q->arena,
                              &q->out.devices, req_done, q);
}

/* ---- one device ---- */

static void device_done(struct req *q, const struct reply *r)
{
    struct detail *f = q->en->detail.data;
    if ((uint64_t)q->n != f->serial)
        return;
    mark(q->en);
    if (r->err) {
        snprintf(f->device_error, sizeof f->device_error, "%s", r->err->what);
        return;
    }
    f->device_error[0] = '\0';
    arena_release(&f->device_arena);
    f->device_arena = q->arena;
    arena_init(&q->arena);
    f->info = q->out.device;
    f->device_at = now_of(q->en);
}

static void read_device(struct engine *en)
{
    struct detail *f = en->detail.data;
    int64_t now = now_of(en);
    if (!*en->detail.focus.device || (f->device_asked_at && now - f->device_asked_at < REFRESH_US))
        return;
    f->device_asked_at = now;
    struct req *q = req_new(en, device_done);
    q->n = (int64_t)f->serial;
    en->be->ops->device(en->be, arena_strdup(&q->arena, en->detail.focus.device), &q->arena, &q->out.device, req_done,
                        q);
}

/* ---- told devices, wave after wave ---- */

static void told_next(struct engine *en);

static const char *from_of(struct engine *en, const char *raw_id, bool *asked)
{
    const struct detail *f = en->detail.data;
    long k = watch_set_find(en->watch.set, raw_id, strlen(raw_id));
    *asked = false;
    if (k >= 0 && *en->watch.devs[k].from)
        return en->watch.devs[k].from;
    for (size_t i = 0; i < f->n_origins; i++)
        if (strcmp(f->origins[i].raw_id, raw_id) == 0) {
            *asked = true;
            return f->origins[i].from;
        }
    return "";
}

/* One that may be asked for its history; each is as likely to stay among the picked, whatever their number. */
static void pick(struct engine *en, const char *raw_id)
{
    struct detail *f = en->detail.data;
    uint64_t at = f->n_unknown++ < ORIGINS_MAX ? f->n_picks++ : rng_below(&en->rng, (uint64_t)f->n_unknown);
    if (at < ORIGINS_MAX)
        f->picks[at].raw_id = arena_strdup(&f->told_arena, raw_id);
}

static void told_end(struct engine *en)
{
    struct detail *f = en->detail.data;
    f->told_known = true;
    f->told_busy = false;
    f->told_at = now_of(en);
    mark(en);
}

static void origin_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct detail *f = en->detail.data;
    const struct ro *ro = q->ro;
    if ((uint64_t)q->n != f->serial)
        return;
    if (!r->err && f->n_origins < ORIGINS_MAX) {
        const char *from = origin_of(&q->out.device, &ro->facts.r, &f->origin_arena);
        f->origins[f->n_origins++] = (struct origin){arena_strdup(&f->origin_arena, q->x), from};
    }
    if (--f->n_asking > 0)
        return;
    if (f->n_origins == 0) { /* none has answered: as if nobody had been asked */
        told_end(en);
        return;
    }
    f->told_wave = f->n_told = 0; /* once more, now that it is known */
    f->n_unknown = f->n_known = 0;
    f->n_picks = 0;
    told_next(en);
}

/* Nothing was watched before they were told: a sample of their histories says where they came from. */
static bool ask_origins(struct engine *en, struct ro *ro)
{
    struct detail *f = en->detail.data;
    if (f->n_origins > 0 || f->n_known > 0 || f->n_picks == 0)
        return false;
    f->n_asking = f->n_picks;
    for (size_t i = 0; i < f->n_picks; i++) {
        struct req *q = req_new(en, origin_done);
        q->ro = ro;
        q->n = (int64_t)f->serial;
        q->x = arena_strdup(&q->arena, f->picks[i].raw_id);
        en->be->ops->device(en->be, q->x, &q->arena, &q->out.device, req_done, q);
    }
    return true;
}

static void told_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct detail *f = en->detail.data;
    if ((uint64_t)q->n != f->serial)
        return;
    if (r->err) {
        f->told_busy = false;
        return;
    }
    for (size_t i = 0; i < q->out.devices.n && f->n_told < TOLD_MAX; i++) {
        const struct device *d = &q->out.devices.v[i];
        if (f->n_told == f->cap_told) {
            f->cap_told = f->cap_told ? f->cap_told * 2 : 256;
            struct preview_device *v = ARENA_ARRAY(&f->told_arena, struct preview_device, f->cap_told);
            if (f->n_told)
                memcpy(v, f->told, f->n_told * sizeof *v);
            f->told = v;
        }
        bool asked;
        const char *from = from_of(en, d->raw_id, &asked);
        f->n_known += *from && !asked;
        if (!*from)
            pick(en, d->raw_id);
        f->told[f->n_told++] = (struct preview_device){.id = arena_strdup(&f->told_arena, d->id),
                                                       .wave = (int)f->told_wave,
                                                       .from = arena_strdup(&f->told_arena, from),
                                                       .asked = asked,
                                                       .told = true,
                                                       .overdue = d->overdue,
                                                       .status = d->status};
    }
    f->told_wave++;
    told_next(en);
}

static void told_next(struct engine *en)
{
    struct detail *f = en->detail.data;
    struct ro *ro = ro_find(en, en->detail.focus.rollout);
    while (ro && f->told_wave < ro->facts.n_waves && wave_told(&ro->facts.waves[f->told_wave]) == 0)
        f->told_wave++;
    if (!ro) {
        f->told_busy = false;
        f->told_at = now_of(en);
        return;
    }
    if (f->told_wave >= ro->facts.n_waves) {
        if (!ask_origins(en, ro))
            told_end(en);
        return;
    }
    struct req *q = req_new(en, told_done);
    q->n = (int64_t)f->serial;
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[f->told_wave].id), TOLD_MAX,
                              &q->arena, &q->out.devices, req_done, q);
}

static void read_told(struct engine *en)
{
    struct detail *f = en->detail.data;
    const struct ro *ro = ro_find(en, en->detail.focus.rollout);
    if (!ro || !ro->facts.waves_known || f->told_busy || (f->told_known && now_of(en) - f->told_at < REFRESH_US))
        return;
    f->told_busy = true;
    f->told_wave = 0;
    f->n_told = f->cap_told = 0;
    f->n_unknown = f->n_known = 0;
    f->n_picks = 0;
    f->told = NULL;
    f->told_known = false;
    arena_release(&f->told_arena);
    told_next(en);
}

static void tick(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->detail.data || (!*en->detail.focus.rollout && !*en->detail.focus.device))
        return;
    read_rows(en);
    read_device(en);
    if (*en->detail.focus.rollout)
        read_told(en);
    timer_set(en, now_of(en) + US_PER_S, tick, NULL);
}

void detail_change(struct engine *en, const struct focus *to)
{
    struct detail *f = data_of(en);
    bool same_ro = strcmp(en->detail.focus.rollout, to->rollout) == 0;
    bool same_wave = same_ro && en->detail.focus.wave == to->wave;
    bool same_device = strcmp(en->detail.focus.device, to->device) == 0;
    if (same_wave && same_device)
        return;
    f->serial++;
    en->detail.focus = *to;
    en->detail.focus.rollout[ID_MAX - 1] = '\0';
    en->detail.focus.device[sizeof en->detail.focus.device - 1] = '\0';
    if (!same_wave) {
        f->n_rows = 0;
        f->rows_at = f->asked_at = 0;
    }
    if (!same_device) {
        f->device_at = f->device_asked_at = 0;
        f->device_error[0] = '\0';
    }
    if (!same_ro || f->told_busy) {
        f->told_known = f->told_busy = false;
        f->n_told = 0;
    }
    if (!same_ro) {
        f->n_origins = 0;
        arena_release(&f->origin_arena);
    }
    struct ro *ro = ro_find(en, en->detail.focus.rollout);
    if (ro && !ro->facts.waves_known)
        ro_read(ro); /* one that has ended long ago is read when somebody looks at it */
    timer_set(en, now_of(en), tick, NULL);
    mark(en);
}

/* ---- into the snapshot ---- */

static int64_t boots_of(const struct track *t)
{
    int64_t n = 0;
    for (int i = 0; i < TRACK_BUCKETS; i++)
        n += t->boots[i];
    return t->last_t ? n : -1;
}

static void row_state(const struct engine *en, const struct ro *ro, const struct device *d, const struct dev *w,
                      struct device_row *r)
{
    int64_t now = clock_now(en->clock);
    bool told = w && w->canary_of == ro;
    int64_t scrape = beat_interval(en);
    r->state = DEV_OK;
    r->note = "";
    if (d->status == DEVICE_ERROR) {
        r->state = DEV_FAILED;
        r->note = "the install failed";
    } else if (d->status == DEVICE_PENDING) {
        r->state = DEV_UPDATING;
    } else if (!told) {
        r->state = DEV_WAITING;
    } else if (w->track.last_t > 0 && now - w->track.last_t > 3 * scrape) {
        r->state = DEV_STALE;
        r->note = "no telemetry";
    } else if (w->enrolled && r->reboots >= 2) {
        r->state = DEV_BAD;
        r->note = "keeps rebooting";
    } else if (w->enrolled && (r->reboots == 1 || (double)r->variance > 2.0 ||
                               (double)w->track.cpu > 1.5 * (double)w->track.cpu_base)) {
        r->state = DEV_ODD;
        r->note = r->reboots == 1 ? "has rebooted" : (double)r->variance > 2.0 ? "sensor is unsteady" : "cpu is up";
    }
    if (d->overdue) {
        r->state = DEV_GONE;
        r->note = "does not call in";
    }
}

static void rows(struct engine *en, struct snapshot *s)
{
    const struct detail *f = en->detail.data;
    const struct ro *ro = ro_find(en, en->detail.focus.rollout);
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
        r->reboots = w ? boots_of(&w->track) : -1;
        r->last_sample = w ? w->track.last_t : 0;
        r->cpu = w ? w->track.cpu : NAN;
        r->cpu_base = w ? w->track.cpu_base : NAN;
        r->variance = w && w->track.var_base > 0 ? w->track.variance / w->track.var_base : NAN;
        r->from = w ? arena_strdup(&s->arena, w->from) : "";
        r->now_release = "";
        if (ro && d->status == DEVICE_IN_SYNC && w && w->canary_of == ro && d->installed_at > ro->facts.r.created_at)
            r->now_release = arena_printf(&s->arena, "%s:%s", ro->facts.r.release.name, ro->facts.r.release.version);
        if (w)
            memcpy(r->boots, w->track.boots, sizeof r->boots);
        row_state(en, ro, d, w, r);
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
    for (int i = 0; k >= 0 && i < TRACK_BUCKETS; i++)
        d->boots[TREND_N - TRACK_BUCKETS + i] = (float)en->watch.devs[k].track.boots[i];
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
    s->focus = en->detail.focus;
    if (!en->detail.data)
        return;
    if (*en->detail.focus.rollout && en->detail.focus.wave >= 0)
        rows(en, s);
    if (*en->detail.focus.device)
        detail(en, s);
    if (*en->detail.focus.rollout && en->detail.data->told_known)
        told(en, s);
}

/* ---- the part ---- */

static void init(struct engine *en)
{
    en->detail.focus.wave = -1;
}

static void free_all(struct engine *en)
{
    if (!en->detail.data)
        return;
    arena_release(&en->detail.data->rows_arena);
    arena_release(&en->detail.data->device_arena);
    arena_release(&en->detail.data->told_arena);
    arena_release(&en->detail.data->origin_arena);
    free(en->detail.data);
}

const struct part part_detail = {.name = "detail", .init = init, .free = free_all};
