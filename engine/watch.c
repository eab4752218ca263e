/* Which devices are watched, and since when they count: joins the fleet's lists with telemetry.
 *
 * Told devices are canaries from their install on (plus a grace in which the reboot of the install itself does not
 * count), or, when they never report one, from policy->install_us after they were told. Control is the devices of the
 * waves that have not started, counted over the same calendar window. Devices of coming waves are watched from before
 * they are told: so there is a baseline of their own, and it is known which release they came from. */
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "engine/worker.h"

#define RAW_SHOWN    256 /* bytes of an id on the screen */
#define RELEASES_MAX 30  /* releases of the same name whose devices are looked up */

struct dev *watch_dev(struct engine *en, const struct device *d)
{
    size_t i = watch_set_add(en->watch, d->raw_id);
    if (i >= en->cap_devs) {
        en->cap_devs = en->cap_devs ? en->cap_devs * 2 : 256;
        en->devs = xreallocarray(en->devs, en->cap_devs, sizeof *en->devs);
    }
    struct dev *v = &en->devs[i];
    if (i >= en->n_devs) {
        memset(v, 0, sizeof *v);
        track_init(&v->track);
        v->id = arena_strdup(&en->dev_arena, d->id);
        v->raw_id = strcmp(d->id, d->raw_id) == 0 ? v->id : arena_strdup(&en->dev_arena, d->raw_id);
        v->installed_before = -1;
        v->from = "";
        v->boot_time = (double)__builtin_nanf("");
        en->n_devs = i + 1;
    }
    v->status = d->status;
    v->installed_at = d->installed_at;
    v->last_seen = d->last_seen;
    v->overdue = d->overdue;
    return v;
}

struct dev *watch_raw(struct engine *en, const char *raw_id)
{
    char safe[RAW_SHOWN];
    long k = watch_set_find(en->watch, raw_id, strlen(raw_id));
    if (k >= 0 && (size_t)k < en->n_devs)
        return &en->devs[k];
    safe_text_into(safe, sizeof safe, raw_id, strlen(raw_id));
    return watch_dev(en, &(struct device){.id = safe, .raw_id = raw_id, .name = "", .address = ""});
}

void watch_forget(struct engine *en)
{
    for (size_t i = 0; i < en->n_all; i++) {
        struct ro *ro = en->all[i];
        if (!ro_ended(ro) || rollback_running(ro) || ro->control_loading || ro->from_loading || trial_busy(ro))
            return;
        for (size_t w = 0; w < ro->n_waves; w++)
            if (ro->wv[w].listing)
                return;
    }
    for (size_t i = 0; i < en->n_all; i++) {
        struct ro *ro = en->all[i];
        ro->n_control = 0;
        for (size_t w = 0; w < ro->n_waves; w++)
            ro->wv[w].n_members = 0;
    }
    for (size_t i = 0; i < en->n_all; i++) {
        trial_advance(en->all[i]); /* keeps what is shown of one that has just ended */
        trial_end(en->all[i]);
    }
    ticks_free(en);
    watch_set_clear(en->watch);
    arena_release(&en->dev_arena);
    en->n_devs = 0;
}

/* ---- a wave's devices ---- */

/* Both rollouts list the device, each time that it is asked: whoever told it last has it, whichever list came last. */
static bool told_later(const struct dev *d, const struct ro *ro, int64_t told_at)
{
    const struct ro *by = d->canary_of;
    return by && by != ro && d->wave >= 0 && (size_t)d->wave < by->n_waves && by->wv[d->wave].told_at > told_at;
}

void watch_take(struct ro *ro, size_t wave, const struct device_list *list)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[wave];
    v->members = xreallocarray(v->members, list->n + 1, sizeof *v->members);
    v->n_members = 0;
    for (size_t i = 0; i < list->n; i++) {
        bool known = watch_set_find(en->watch, list->v[i].raw_id, strlen(list->v[i].raw_id)) >= 0;
        struct dev *d;
        int64_t before = -1;
        if (known)
            before = en->devs[watch_set_find(en->watch, list->v[i].raw_id, strlen(list->v[i].raw_id))].installed_at;
        d = watch_dev(en, &list->v[i]);
        if ((d->canary_of != ro || d->wave != (int)wave) && !told_later(d, ro, v->told_at)) {
            d->canary_of = ro;
            d->wave = (int)wave;
            d->enrolled = false;
            d->installed_before = before;
        }
        v->members[v->n_members++] = (uint32_t)(d - en->devs);
    }
}

static void members_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    size_t i = (size_t)q->n;
    if (i >= ro->n_waves)
        return;
    struct wv *v = &ro->wv[i];
    v->listing = false;
    v->listed_at = now_of(q->en);
    if (r->err)
        return;
    v->list_asked = q->x_at;
    v->list_errors = v->listed_counts.known ? v->listed_counts.error : 0;
    if (v->list_as_of < v->list_asked)
        v->list_as_of = v->list_asked;
    if (!v->listed) {
        ro->from_wanted = true;
        v->first_listed = now_of(q->en);
        beat_soon(q->en);
    }
    v->listed = true;
    watch_take(ro, i, &q->out.devices);
    rules_choose(ro);
    trial_listed(ro);
    watch_enrol(ro);
    watch_from(ro);
    trial_advance(ro);
    judge_ro(ro);
    mark(q->en);
}

void watch_wave(struct ro *ro, size_t i)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[i];
    /* The list costs a page for each 500 devices, the counts come with every poll: while they stand still nobody has
     * installed or failed, and the list only tells who was seen last. */
    const struct counts *now = &ro->waves[i].counts, *then = &v->listed_counts;
    bool quiet = now->known && then->known && now->finished == then->finished && now->error == then->error &&
                 now->cancelled == then->cancelled && now->running == then->running;
    int64_t every = quiet ? 6 * DEVICES_US : DEVICES_US;
    if (quiet && v->listed && !v->listing && v->list_as_of < ro->waves_as_of)
        v->list_as_of = ro->waves_as_of;
    if (!v->told || v->listing || ro_ended(ro) || (v->listed_at > 0 && now_of(en) - v->listed_at < every))
        return;
    v->listing = true;
    v->listed_counts = *now;
    struct req *q = req_new(en, members_done);
    q->ro = ro;
    q->n = (int64_t)i;
    q->x_at = now_of(en);
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->waves[i].id), WAVE_DEVICES_MAX, &q->arena,
                              &q->out.devices, req_done, q);
}

/* ---- control ---- */

/* From the last wave down: so control lasts longest, and whoever begins to watch picks the same devices. */

static size_t control_left(const struct ro *ro)
{
    size_t n = 0;
    for (size_t i = 0; i < ro->n_control; i++)
        n += ro->en->devs[ro->control[i]].canary_of == NULL;
    return n;
}

static void control_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    struct engine *en = q->en;
    ro->control_loading = false;
    if (r->err) {
        ro->control_next = (int)q->n;
        return;
    }
    ro->control = xreallocarray(ro->control, ro->n_control + q->out.devices.n + 1, sizeof *ro->control);
    for (size_t i = 0; i < q->out.devices.n; i++) {
        struct dev *d = watch_dev(en, &q->out.devices.v[i]);
        if (d->canary_of && !ro_ended(d->canary_of))
            continue; /* told by another rollout: no control */
        d->canary_of = NULL;
        ro->control[ro->n_control++] = (uint32_t)(d - en->devs);
    }
    ro->from_wanted = true;
    beat_soon(en);
    watch_enrol(ro);
    watch_control(ro);
    watch_from(ro);
    mark(en);
}

void watch_control(struct ro *ro)
{
    struct engine *en = ro->en;
    int64_t most = ro->policy->control_max;
    if (ro->control_loading || ro_ended(ro) || !ro->waves_known || ro->n_waves == 0 || most <= 0)
        return;
    int64_t have = (int64_t)control_left(ro);
    int w = ro->control_next == CONTROL_BEGIN ? (int)ro->n_waves - 1 : ro->control_next;
    while (w >= 0 && (ro->wv[w].told || ro->waves[w].state == WAVE_CREATING))
        w--;
    if (w < 0)
        ro->control_next = CONTROL_END;
    if (have >= most || w < 0)
        return;
    ro->control_loading = true;
    ro->control_next = w > 0 ? w - 1 : CONTROL_END;
    struct req *q = req_new(en, control_done);
    q->ro = ro;
    q->n = w;
    en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->waves[w].id), (size_t)(most - have),
                              &q->arena, &q->out.devices, req_done, q);
}

/* ---- enrolment ---- */

static void enrol_member(struct ro *ro, struct wv *v, struct dev *d)
{
    const struct policy *p = ro->policy;
    int64_t from = TIME_NEVER;
    int64_t since = d->installed_before > ro->r.created_at ? d->installed_before : ro->r.created_at;
    if (d->installed_at > since)
        from = d->installed_at + p->grace_us;
    else if (now_of(ro->en) - v->told_at > p->install_us)
        from = v->told_at + p->install_us;
    if (from == TIME_NEVER)
        return;
    track_enrol(&d->track, from);
    d->enrolled = true;
    if (v->first_counts_from == 0 || from < v->first_counts_from)
        v->first_counts_from = from;
}

void watch_enrol(struct ro *ro)
{
    struct engine *en = ro->en;
    int64_t first = TIME_NEVER;
    for (size_t i = 0; i < ro->n_waves; i++) {
        struct wv *v = &ro->wv[i];
        for (size_t k = 0; k < v->n_members; k++) {
            struct dev *d = &en->devs[v->members[k]];
            if (d->canary_of == ro && d->wave == (int)i)
                enrol_member(ro, v, d);
        }
        if (v->first_counts_from > 0 && v->first_counts_from < first)
            first = v->first_counts_from;
    }
    if (first == TIME_NEVER)
        return;
    for (size_t i = 0; i < ro->n_control; i++) {
        struct dev *d = &en->devs[ro->control[i]];
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
    f->ro->from_loading = false;
    f->ro->from_scan = NULL;
    arena_release(&f->arena);
    free(f);
}

void watch_from_free(struct ro *ro)
{
    if (ro->from_scan)
        from_end(ro->from_scan);
}

static void from_list_done(struct req *q, const struct reply *r)
{
    struct from_scan *f = q->x;
    struct engine *en = q->en;
    const struct release *rel = &f->v[f->at];
    if (!r->err) {
        const char *name = arena_printf(&en->dev_arena, "%s:%s", rel->name, rel->version);
        for (size_t i = 0; i < q->out.devices.n; i++) {
            const char *raw = q->out.devices.v[i].raw_id;
            long k = watch_set_find(en->watch, raw, strlen(raw));
            if (k >= 0)
                en->devs[k].from = name;
        }
    }
    f->at++;
    from_next(f);
}

static void from_next(struct from_scan *f)
{
    struct engine *en = f->ro->en;
    while (f->at < f->n &&
           (strcmp(f->v[f->at].id, f->ro->r.release.id) == 0 || strcmp(f->v[f->at].name, f->ro->r.release.name) != 0))
        f->at++;
    if (f->at >= f->n) {
        from_end(f);
        mark(en);
        return;
    }
    struct req *q = req_new(en, from_list_done);
    q->x = f;
    en->be->ops->devices_by_release(en->be, &f->v[f->at], DQ_INSTALLED, FLEET_LIST_MAX, &q->arena, &q->out.devices,
                                    req_done, q);
}

static void releases_done(struct req *q, const struct reply *r)
{
    struct from_scan *f = xcalloc(1, sizeof *f);
    f->ro = q->ro;
    f->ro->from_scan = f;
    arena_init(&f->arena);
    if (r->err) {
        f->ro->from_wanted = true;
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

void watch_from(struct ro *ro)
{
    struct engine *en = ro->en;
    if (!ro->from_wanted || ro->from_loading || ro->control_loading || ro_ended(ro) || !*ro->r.release.name)
        return;
    ro->from_wanted = false;
    ro->from_loading = true;
    struct req *q = req_new(en, releases_done);
    q->ro = ro;
    en->be->ops->releases(en->be, RELEASES_MAX * 10, &q->arena, &q->out.releases, req_done, q);
}
