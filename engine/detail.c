#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/detail_data.h"

#define ROWS_MAX   ((size_t)5000)
#define REFRESH_US (10 * US_PER_S)
#define TOLD_MAX   ((size_t)50000)
#define TYPING_US  (300 * US_PER_MS) /* between two look-ups of what is being typed */

static void tick(struct engine *en, void *arg);

static struct detail *data_of(struct engine *en)
{
    if (!en->detail.data) {
        en->detail.data = xcalloc(1, sizeof *en->detail.data);
        arena_init(&en->detail.data->rows_arena);
        arena_init(&en->detail.data->device_arena);
        arena_init(&en->detail.data->told_arena);
        arena_init(&en->detail.data->origin_arena);
        arena_init(&en->detail.data->target.arena);
    }
    return en->detail.data;
}

/* ---- the wave's devices ---- */

static void rows_done(struct req *q, const struct reply *r)
{
    struct detail *f = q->en->detail.data;
    if ((uint64_t)q->n != f->serial)
        return;
    mark(q->en);
    if (r->err) {
        f->rows_error = *r->err;
        return;
    }
    err_clear(&f->rows_error);
    arena_release(&f->rows_arena);
    f->rows_arena = q->arena; /* the answer as it is */
    arena_init(&q->arena);
    f->rows = q->out.devices.v;
    f->n_rows = q->out.devices.n;
    f->rows_total = q->out.devices.total;
    f->rows_at = now_of(q->en);
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
    if (!en->be->ops->device) {
        snprintf(f->device_error, sizeof f->device_error, "this server does not show a device by itself");
        return;
    }
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
    err_clear(&f->told_error);
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
    if (f->n_origins > 0 || f->n_known > 0 || f->n_picks == 0 || !en->be->ops->device)
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
        f->told_error = *r->err;
        f->told_busy = false;
        f->told_at = now_of(en); /* not known; asked for again after a while */
        mark(en);
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
    bool answered = f->told_known || f->told_error.code != ERR_NONE;
    if (!ro || !ro->facts.waves_known || f->told_busy || (answered && now_of(en) - f->told_at < REFRESH_US))
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

/* ---- the release to go back to ---- */

static void target_answered(void *ctx)
{
    mark(ctx);
}

static void ask_target(struct engine *en, void *arg)
{
    struct detail *f = en->detail.data;
    const char *to = en->detail.focus.to;
    const struct ro *ro = ro_find(en, en->detail.focus.rollout);
    bool known = strcmp(f->target.name, to) == 0 && f->target.state != TARGET_ASKING;
    (void)arg;
    if (!*to || !ro || !ro->facts.known || f->target.busy || now_of(en) - f->target_asked < TYPING_US ||
        (known && (f->target.state == TARGET_FOUND || now_of(en) - f->target_asked < REFRESH_US)))
        return;
    f->target_asked = now_of(en);
    f->target.then = target_answered;
    f->target.ctx = en;
    target_find(&f->target, ro, to);
}

static void target_change(struct engine *en, const struct focus *to)
{
    struct detail *f = en->detail.data;
    snprintf(en->detail.focus.to, sizeof en->detail.focus.to, "%s", to->to);
    target_forget(&f->target, false);
    if (*to->to)
        timer_set(en, f->target_asked ? f->target_asked + TYPING_US : now_of(en), ask_target, NULL);
    mark(en);
}

static void tick(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->detail.data || (!*en->detail.focus.rollout && !*en->detail.focus.device))
        return;
    read_rows(en);
    read_device(en);
    if (*en->detail.focus.rollout) {
        read_told(en);
        ask_target(en, NULL);
    }
    timer_set(en, now_of(en) + US_PER_S, tick, NULL);
}

void detail_change(struct engine *en, const struct focus *to)
{
    struct detail *f = data_of(en);
    bool same_ro = strcmp(en->detail.focus.rollout, to->rollout) == 0;
    bool same_wave = same_ro && en->detail.focus.wave == to->wave;
    bool same_device = strcmp(en->detail.focus.device, to->device) == 0;
    if (!same_ro || strcmp(en->detail.focus.to, to->to) != 0)
        target_change(en, to);
    if (same_wave && same_device)
        return;
    f->serial++;
    en->detail.focus = *to;
    en->detail.focus.rollout[ID_MAX - 1] = '\0';
    en->detail.focus.device[sizeof en->detail.focus.device - 1] = '\0';
    en->detail.focus.to[sizeof en->detail.focus.to - 1] = '\0';
    if (!same_wave) {
        f->n_rows = 0;
        f->rows_at = f->asked_at = 0;
        err_clear(&f->rows_error);
    }
    if (!same_device) {
        f->device_at = f->device_asked_at = 0;
        f->device_error[0] = '\0';
    }
    if (!same_ro || f->told_busy) {
        f->told_known = f->told_busy = false;
        f->n_told = 0;
        err_clear(&f->told_error);
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
    arena_release(&en->detail.data->target.arena);
    free(en->detail.data);
}

const struct part part_detail = {.name = "detail", .init = init, .free = free_all};
