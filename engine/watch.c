#include "engine/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "engine/worker.h"

#define DEVICES_US   (10 * US_PER_S) /* between two readings of a running wave's devices */
#define RAW_SHOWN    256             /* bytes of an id on the screen */
#define RELEASES_MAX 30              /* releases of the same name whose devices are looked up */

static struct dev *add(struct engine *en, const struct device *d)
{
    size_t i = watch_set_add(en->watch.set, d->raw_id);
    if (i >= en->watch.cap_devs) {
        en->watch.cap_devs = en->watch.cap_devs ? en->watch.cap_devs * 2 : 256;
        en->watch.devs = xreallocarray(en->watch.devs, en->watch.cap_devs, sizeof *en->watch.devs);
    }
    struct dev *v = &en->watch.devs[i];
    en->watch.changes++;
    if (i >= en->watch.n_devs) {
        memset(v, 0, sizeof *v);
        track_init(&v->track, &en->watch.shape, &en->watch.dev_arena);
        v->id = arena_strdup(&en->watch.dev_arena, d->id);
        v->raw_id = strcmp(d->id, d->raw_id) == 0 ? v->id : arena_strdup(&en->watch.dev_arena, d->raw_id);
        v->installed_before = -1;
        v->from = "";
        en->watch.n_devs = i + 1;
    }
    v->status = d->status;
    v->installed_at = d->installed_at;
    v->last_seen = d->last_seen;
    v->overdue = d->overdue;
    v->contact_us = d->contact_us;
    return v;
}

size_t watch_dev(struct engine *en, const struct device *d)
{
    return (size_t)(add(en, d) - en->watch.devs);
}

size_t watch_raw(struct engine *en, const char *raw_id)
{
    char safe[RAW_SHOWN];
    long k = watch_set_find(en->watch.set, raw_id, strlen(raw_id));
    if (k >= 0 && (size_t)k < en->watch.n_devs)
        return (size_t)k;
    safe_text_into(safe, sizeof safe, raw_id, strlen(raw_id));
    return watch_dev(en, &(struct device){.id = safe, .raw_id = raw_id, .name = "", .address = ""});
}

bool watch_idle(const struct engine *en)
{
    if (en->watch.naming)
        return false;
    for (size_t i = 0; i < en->facts.n_all; i++) {
        const struct ro *ro = en->facts.all[i];
        if (!ro_ended(ro) || rollback_running(ro) || ro->watch.control_loading || ro->watch.from_loading)
            return false;
        for (size_t w = 0; w < ro->facts.n_waves; w++)
            if (ro->wv[w].watch.listing)
                return false;
    }
    return true;
}

void watch_drop(struct engine *en)
{
    en->watch.changes++;
    for (size_t i = 0; i < en->facts.n_all; i++) {
        struct ro *ro = en->facts.all[i];
        ro->watch.n_control = 0;
        for (size_t w = 0; w < ro->facts.n_waves; w++)
            ro->wv[w].watch.n_members = 0;
    }
}

void watch_clear(struct engine *en)
{
    watch_set_clear(en->watch.set);
    arena_release(&en->watch.dev_arena);
    en->watch.n_devs = en->watch.n_asked = 0;
}

/* ---- a wave's devices ---- */

/* Both rollouts list the device, each time that it is asked: whoever told it last has it, whichever list came last. */
static bool told_later(const struct dev *d, const struct ro *ro, int64_t told_at)
{
    const struct ro *by = d->canary_of;
    return by && by != ro && d->wave >= 0 && (size_t)d->wave < by->facts.n_waves &&
           by->wv[d->wave].facts.told_at > told_at;
}

static void take(struct ro *ro, size_t wave, const struct device_list *list)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[wave];
    v->watch.members = xreallocarray(v->watch.members, list->n + 1, sizeof *v->watch.members);
    v->watch.n_members = 0;
    for (size_t i = 0; i < list->n; i++) {
        long known = watch_set_find(en->watch.set, list->v[i].raw_id, strlen(list->v[i].raw_id));
        int64_t before = known >= 0 ? en->watch.devs[known].installed_at : -1;
        struct dev *d = add(en, &list->v[i]);
        if ((d->canary_of != ro || d->wave != (int)wave) && !told_later(d, ro, v->facts.told_at)) {
            d->canary_of = ro;
            d->wave = (int)wave;
            d->enrolled = false;
            d->installed_before = before;
            d->reached_at = 0;
        }
        v->watch.members[v->watch.n_members++] = (uint32_t)(d - en->watch.devs);
    }
    watch_listed(ro, wave);
}

static void members_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    size_t i = (size_t)q->n;
    if (i >= ro->facts.n_waves)
        return;
    struct wv *v = &ro->wv[i];
    v->watch.listing = false;
    v->watch.listed_at = now_of(q->en);
    if (r->err) {
        ro->watch.unlisted = *r->err;
        mark(q->en);
        return;
    }
    err_clear(&ro->watch.unlisted);
    v->watch.list_asked = q->x_at;
    v->watch.list_errors = v->watch.listed_counts.known ? v->watch.listed_counts.error : 0;
    if (v->watch.list_as_of < v->watch.list_asked)
        v->watch.list_as_of = v->watch.list_asked;
    if (!v->watch.listed) {
        ro->watch.from_wanted = true;
        v->watch.first_listed = now_of(q->en);
        ANNOUNCE(q->en, found, q->en);
    }
    v->watch.listed = true;
    v->watch.of = q->out.devices.total;
    take(ro, i, &q->out.devices);
    ANNOUNCE(ro->en, devices, ro);
    mark(q->en);
}

static void read_wave(struct ro *ro, size_t i)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[i];
    /* The list costs a page for each 500 devices, the counts come with every poll: while they stand still nobody has
     * installed or failed, and the list only tells who was seen last. */
    const struct counts *now = &ro->facts.waves[i].counts, *then = &v->watch.listed_counts;
    bool quiet = now->known && then->known && now->finished == then->finished && now->error == then->error &&
                 now->cancelled == then->cancelled && now->running == then->running;
    int64_t every = quiet ? 6 * DEVICES_US : DEVICES_US;
    if (quiet && v->watch.listed && !v->watch.listing && v->watch.list_as_of < ro->facts.waves_as_of)
        v->watch.list_as_of = ro->facts.waves_as_of;
    if (!v->facts.told || v->watch.listing || ro_ended(ro) ||
        (v->watch.listed_at > 0 && now_of(en) - v->watch.listed_at < every))
        return;
    v->watch.listing = true;
    v->watch.listed_counts = *now;
    struct req *q = req_new(en, members_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->n = (int64_t)i;
    q->x_at = now_of(en);
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[i].id), WAVE_DEVICES_MAX,
                              &q->arena, &q->out.devices, req_done, q);
}

/* ---- control ---- */

/* From the last wave down: so control lasts longest, and whoever begins to watch picks the same devices. */

static size_t control_left(const struct ro *ro)
{
    size_t n = 0;
    for (size_t i = 0; i < ro->watch.n_control; i++)
        n += ro->en->watch.devs[ro->watch.control[i]].canary_of == NULL;
    return n;
}

static void read_control(struct ro *ro);
static void enrol(struct ro *ro);
static void read_from(struct ro *ro);

static void control_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    struct engine *en = q->en;
    ro->watch.control_loading = false;
    if (r->err) {
        ro->watch.control_next = (int)q->n;
        return;
    }
    ro->watch.control =
        xreallocarray(ro->watch.control, ro->watch.n_control + q->out.devices.n + 1, sizeof *ro->watch.control);
    for (size_t i = 0; i < q->out.devices.n; i++) {
        struct dev *d = add(en, &q->out.devices.v[i]);
        if (d->canary_of && !ro_ended(d->canary_of))
            continue; /* told by another rollout: no control */
        d->canary_of = NULL;
        ro->watch.control[ro->watch.n_control++] = (uint32_t)(d - en->watch.devs);
    }
    ro->watch.from_wanted = true;
    ANNOUNCE(en, found, en);
    enrol(ro);
    read_control(ro);
    read_from(ro);
    mark(en);
}

static void read_control(struct ro *ro)
{
    struct engine *en = ro->en;
    int64_t most = ro->policy.applies->control_max;
    if (ro->watch.control_loading || ro_ended(ro) || !ro->facts.waves_known || ro->facts.n_waves == 0 || most <= 0)
        return;
    int w = ro->watch.control_next == CONTROL_BEGIN ? (int)ro->facts.n_waves - 1 : ro->watch.control_next;
    while (w >= 0 && (ro->wv[w].facts.told || ro->facts.waves[w].state == WAVE_CREATING))
        w--;
    if (w < 0)
        ro->watch.control_next = CONTROL_END;
    int64_t have = w < 0 ? most : (int64_t)control_left(ro);
    if (have >= most)
        return;
    ro->watch.control_loading = true;
    ro->watch.control_next = w > 0 ? w - 1 : CONTROL_END;
    struct req *q = req_new(en, control_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->n = w;
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[w].id), (size_t)(most - have),
                              &q->arena, &q->out.devices, req_done, q);
}

/* ---- enrolment ---- */

static void enrol_member(struct ro *ro, struct wv *v, struct dev *d)
{
    const struct policy *p = ro->policy.applies;
    int64_t since = d->installed_before > ro->facts.r.created_at ? d->installed_before : ro->facts.r.created_at;
    int64_t from = d->installed_at > since ? d->installed_at + p->grace_us : watch_overdue_at(ro, (size_t)d->wave, d);
    /* Who has not installed yet should report all the same; what it measures is of the old firmware. */
    if (from < TIME_NEVER || now_of(ro->en) - v->facts.told_at > p->install_us)
        d->enrolled = true;
    if (from == TIME_NEVER)
        return;
    track_enrol(&d->track, from);
    if (v->watch.first_counts_from == 0 || from < v->watch.first_counts_from)
        v->watch.first_counts_from = from;
}

static void enrol(struct ro *ro)
{
    struct engine *en = ro->en;
    int64_t first = TIME_NEVER;
    for (size_t i = 0; i < ro->facts.n_waves; i++) {
        struct wv *v = &ro->wv[i];
        for (size_t k = 0; k < v->watch.n_members; k++) {
            struct dev *d = &en->watch.devs[v->watch.members[k]];
            if (d->canary_of == ro && d->wave == (int)i)
                enrol_member(ro, v, d);
        }
        if (v->watch.first_counts_from > 0 && v->watch.first_counts_from < first)
            first = v->watch.first_counts_from;
    }
    if (first == TIME_NEVER)
        return;
    for (size_t i = 0; i < ro->watch.n_control; i++) {
        struct dev *d = &en->watch.devs[ro->watch.control[i]];
        if (!d->canary_of)
            track_enrol(&d->track, first);
    }
}

/* ---- where devices come from ---- */

struct from_scan {
    struct ro *ro;
    struct arena arena;
    struct release *v;
    size_t n, at;
};

static void from_next(struct from_scan *f);

static void from_end(struct from_scan *f)
{
    f->ro->watch.from_loading = false;
    f->ro->watch.from_scan = NULL;
    arena_release(&f->arena);
    free(f);
}

static void from_list_done(struct req *q, const struct reply *r)
{
    struct from_scan *f = q->x;
    struct engine *en = q->en;
    const struct release *rel = &f->v[f->at];
    if (!r->err) {
        const char *name = arena_printf(&en->watch.dev_arena, "%s:%s", rel->name, rel->version);
        for (size_t i = 0; i < q->out.devices.n; i++) {
            const char *raw = q->out.devices.v[i].raw_id;
            long k = watch_set_find(en->watch.set, raw, strlen(raw));
            if (k >= 0)
                en->watch.devs[k].from = name;
        }
    }
    f->at++;
    from_next(f);
}

static void from_next(struct from_scan *f)
{
    struct engine *en = f->ro->en;
    while (f->at < f->n && (strcmp(f->v[f->at].id, f->ro->facts.r.release.id) == 0 ||
                            strcmp(f->v[f->at].name, f->ro->facts.r.release.name) != 0))
        f->at++;
    if (f->at >= f->n) {
        from_end(f);
        mark(en);
        return;
    }
    struct req *q = req_new(en, from_list_done);
    q->x = f;
    en->be->ops->devices(en->be, &(struct device_filter){.installed = &f->v[f->at]}, FLEET_LIST_MAX, &q->arena,
                         &q->out.devices, req_done, q);
}

static void releases_done(struct req *q, const struct reply *r)
{
    struct from_scan *f = xcalloc(1, sizeof *f);
    f->ro = q->ro;
    f->ro->watch.from_scan = f;
    arena_init(&f->arena);
    if (r->err) {
        f->ro->watch.from_wanted = true;
        from_end(f);
        return;
    }
    f->n = q->out.releases.n < RELEASES_MAX * 10 ? q->out.releases.n : RELEASES_MAX * 10;
    f->v = ARENA_ARRAY(&f->arena, struct release, f->n + 1);
    for (size_t i = 0; i < f->n; i++) {
        f->v[i].id = arena_strdup(&f->arena, q->out.releases.v[i].id);
        f->v[i].name = arena_strdup(&f->arena, q->out.releases.v[i].name);
        f->v[i].version = arena_strdup(&f->arena, q->out.releases.v[i].version);
    }
    from_next(f);
}

static void read_from(struct ro *ro)
{
    struct engine *en = ro->en;
    if (!ro->watch.from_wanted || ro->watch.from_loading || ro->watch.control_loading || ro_ended(ro) ||
        !*ro->facts.r.release.name)
        return;
    ro->watch.from_wanted = false;
    ro->watch.from_loading = true;
    struct req *q = req_new(en, releases_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    en->be->ops->releases(en->be, RELEASES_MAX * 10, &q->arena, &q->out.releases, req_done, q);
}

/* ---- a rehearsal ---- */

void watch_whole(struct ro *ro, size_t wave, const struct device_list *list)
{
    take(ro, wave, list);
    ro->wv[wave].watch.listed = true;
    ro->wv[wave].watch.list_as_of = TIME_NEVER / 2;
}

void watch_installed(struct engine *en, size_t dev, int64_t at)
{
    en->watch.devs[dev].installed_at = at;
}

void watch_counts(struct engine *en, size_t dev, int64_t from, bool canary)
{
    struct dev *d = &en->watch.devs[dev];
    if (canary && d->enrolled && d->track.counts_from >= from)
        return;
    en->watch.changes++;
    track_enrol(&d->track, from);
    d->enrolled = d->enrolled || canary;
}

/* ---- the part ---- */

static void init(struct engine *en)
{
    arena_init(&en->watch.dev_arena);
    en->watch.set = watch_set_new();
    track_shape_init(&en->watch.shape);
    for (size_t i = 0; i < en->spec.fleet->telemetry.n_own; i++)
        track_shape_add(&en->watch.shape, en->spec.fleet->telemetry.own[i].kind,
                        en->spec.fleet->telemetry.own[i].below);
}

static void ro_init(struct ro *ro)
{
    ro->watch.control_next = CONTROL_BEGIN;
}

/* Its devices are watched on, as devices of none. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct en_watch *w = &fresh->en->watch;
    w->changes++;
    for (size_t i = 0; i < w->n_devs; i++)
        if (w->devs[i].canary_of == old) {
            w->devs[i].canary_of = NULL;
            w->devs[i].enrolled = false;
        }
}

static void ro_free(struct ro *ro)
{
    free(ro->watch.control);
    if (ro->watch.from_scan)
        from_end(ro->watch.from_scan);
}

static void wave_free(struct ro *ro, size_t wave)
{
    free(ro->wv[wave].watch.members);
}

static void waves(struct ro *ro)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        read_wave(ro, i);
    read_control(ro);
    read_from(ro);
}

static void devices(struct ro *ro)
{
    ro->en->watch.changes++;
    enrol(ro);
    read_from(ro);
}

static void ticked(struct engine *en, const struct sample_list *l)
{
    en->watch.changes++;
    for (; en->watch.n_asked < en->telemetry.watched && en->watch.n_asked < en->watch.n_devs; en->watch.n_asked++)
        en->watch.devs[en->watch.n_asked].asked_at = en->telemetry.link.asked_at;
    for (size_t i = 0; l && i < l->tick.n && i < en->watch.n_devs; i++)
        if (l->tick.at[i] > 0)
            watch_sample(en, i, l->tick.at[i], tick_row(&l->tick, i), l->tick.columns);
    for (size_t i = 0; i < en->facts.n_ros; i++)
        enrol(en->facts.ros[i]);
}

static void free_all(struct engine *en)
{
    watch_set_free(en->watch.set);
    free(en->watch.devs);
    arena_release(&en->watch.dev_arena);
}

const struct part part_watch = {.name = "watch",
                                .init = init,
                                .free = free_all,
                                .ro_init = ro_init,
                                .ro_free = ro_free,
                                .wave_free = wave_free,
                                .sweep = watch_ask_names,
                                .replaced = replaced,
                                .waves = waves,
                                .devices = devices,
                                .ticked = ticked};
