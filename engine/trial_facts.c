/* What a trial must know of a wave before ticks from its telling on may be fed: when it was told, its devices, for wave
 * 0 the control group, their attributes and what they did before the rollout. One request at a time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/trial_run.h"

#define AGAIN_US      (5 * US_PER_S)
#define ASKED_MAX     3    /* devices of a wave that are asked when it was told */
#define ATTRIBUTES_BY 5000 /* devices asked for one by one, where the server has no better way */
#define BASELINE_US   (1 * US_PER_HOUR)
#define RELEASES_MAX  300
#define EARLY_US      (1 * US_PER_HOUR) /* between clocks: told so long before the rollout was made, or */
#define LATE_US       (10 * US_PER_MIN) /* so far in the future, is no time */

static struct req *ask(struct run *r, size_t w, void (*then)(struct req *q, const struct reply *rep))
{
    struct req *q = req_new(r->ro->en, then);
    q->ro = r->ro;
    q->n = (int64_t)w;
    q->x_at = (int64_t)r->serial;
    r->busy = true;
    return q;
}

/* The run that asked, NULL when it is gone meanwhile. On an error it is asked again a little later. */
static struct run *answered(struct req *q, const struct reply *rep, const char *what)
{
    struct run *r = q->ro->trials.run;
    if (!r || (int64_t)r->serial != q->x_at)
        return NULL;
    r->busy = false;
    if (rep->err && what) {
        r->again = now_of(q->en) + AGAIN_US;
        run_say(r, "%s: %s", what, rep->err->what);
        run_failed(r, rep->err);
        return NULL;
    }
    return r;
}

static void learned(struct run *r)
{
    struct ro *ro = r->ro; /* a run may end by what it learns */
    ANNOUNCE(ro->en, learned, ro);
    mark(ro->en);
}

/* ---- when it was told ---- */

static void told_known(struct run *r, size_t w, int64_t at)
{
    struct run_wave *rw = &r->wave[w];
    if (w > 0 && at < r->wave[w - 1].told_at)
        at = r->wave[w - 1].told_at;
    rw->told_at = at;
    rw->told_known = true;
    if (w == 0)
        r->spec = run_spec_by_rules(r);
    rw->step = RUN_LEDGER;
}

/* A server whose clock is wrong must not keep the tests from beginning, or have them read years of history. */
static bool believable(const struct run *r, int64_t at)
{
    return at > 0 && at >= r->ro->facts.r.created_at - EARLY_US && at <= now_of(r->ro->en) + LATE_US;
}

/* As this watcher saw it: of a wave that it found told, by the server's time of the last change, if that is one. */
static int64_t told_as_seen(struct run *r, size_t w)
{
    int64_t at = r->ro->wv[w].facts.told_at;
    r->wave[w].told_here = true;
    return believable(r, at) ? at : now_of(r->ro->en);
}

static void told_done(struct req *q, const struct reply *rep)
{
    size_t w = (size_t)q->n;
    bool never = rep->err && (rep->err->code == ERR_UNSUPPORTED || rep->err->code == ERR_NOT_FOUND);
    struct run *r = answered(q, rep, never ? NULL : "when the wave was told cannot be read");
    if (!r)
        return;
    struct run_wave *rw = &r->wave[w];
    rw->asked++;
    if (!rep->err && believable(r, q->out.when)) {
        told_known(r, w, q->out.when);
        watch_told(r->ro, w, q->out.when);
    } else if (rw->asked >= ASKED_MAX) {
        told_known(r, w, told_as_seen(r, w)); /* the server does not say */
    }
    learned(r);
}

static void ask_told(struct run *r, size_t w)
{
    struct ro *ro = r->ro;
    struct engine *en = ro->en;
    const struct wv *v = &ro->wv[w];
    if (!v->watch.listed) {
        run_say(r, "the devices of W%zu", w);
        return;
    }
    size_t k = (size_t)r->wave[w].asked;
    if (!en->be->ops->told_at || k >= v->watch.n_members) {
        told_known(r, w, told_as_seen(r, w));
        return;
    }
    run_say(r, "when W%zu was told", w);
    struct req *q = ask(r, w, told_done);
    en->be->ops->told_at(en->be, ro->id, arena_strdup(&q->arena, en->watch.devs[v->watch.members[k]].raw_id), &q->arena,
                         &q->out.when, req_done, q);
}

/* ---- who takes part ---- */

static void want(struct run *r, size_t w, size_t dev, int wave, bool control)
{
    struct run_wave *rw = &r->wave[w];
    if ((rw->n & (rw->n - 1)) == 0)
        rw->v = xreallocarray(rw->v, rw->n ? rw->n * 2 : 1, sizeof *rw->v);
    rw->v[rw->n] = (struct run_new){.dev = (uint32_t)dev, .wave = (int16_t)wave, .control = control};
    for (int k = 0; k < STRATA_KEYS_MAX; k++)
        rw->v[rw->n].attr[k] = -1;
    rw->n++;
}

static void want_members(struct run *r, size_t w)
{
    const struct wv *v = &r->ro->wv[w];
    r->wave[w].n = 0;
    for (size_t i = 0; i < v->watch.n_members; i++)
        if (!trial_ix_known(run_index(r, v->watch.members[i])))
            want(r, w, v->watch.members[i], (int)w, false);
}

static bool declared(const struct run *r)
{
    const char *glob = r->ro->policy.applies->evidence.control;
    return glob && *glob;
}

static bool in_group(const struct run *r, const char *raw_id)
{
    struct limit l = {.device_class = r->ro->policy.applies->evidence.control};
    return limit_names(&l, raw_id);
}

static size_t n_control(const struct run *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->wave[0].n; i++)
        n += r->wave[0].v[i].control;
    return n;
}

static size_t control_left(const struct run *r)
{
    size_t most = (size_t)r->ro->policy.applies->control_max, n = n_control(r);
    return n < most ? most - n : 0;
}

static void control_done(struct req *q, const struct reply *rep)
{
    struct run *r = answered(q, rep, "the control group cannot be read");
    if (!r)
        return;
    size_t left = control_left(r);
    for (size_t i = 0; i < q->out.devices.n && left > 0; i++) {
        const struct device *d = &q->out.devices.v[i];
        if (declared(r) && !in_group(r, d->raw_id))
            continue;
        want(r, 0, watch_dev(q->en, d), r->control_wave, true);
        left--;
    }
    r->control_wave--;
    learned(r);
}

/* Devices of the declared group that are in no wave: found by the releases that they have. The new release's own are
 * left out, since nobody can say how long they have had it. */
static void group_done(struct req *q, const struct reply *rep)
{
    struct run *r = answered(q, rep, "the declared control group cannot be read");
    if (!r)
        return;
    size_t left = control_left(r), room = q->en->watch.n_devs + q->out.devices.n;
    bool *there = xcalloc(room + 1, sizeof *there);
    for (size_t i = 0; i < r->wave[0].n; i++)
        there[r->wave[0].v[i].dev] = true;
    for (size_t i = 0; i < q->out.devices.n && left > 0; i++) {
        const struct device *d = &q->out.devices.v[i];
        if (!in_group(r, d->raw_id))
            continue;
        size_t dev = watch_dev(q->en, d);
        if (there[dev])
            continue;
        there[dev] = true;
        want(r, 0, dev, -1, true);
        left--;
    }
    free(there);
    r->release_at++;
    learned(r);
}

static void releases_done(struct req *q, const struct reply *rep)
{
    struct run *r = answered(q, rep, "the releases cannot be read");
    if (!r)
        return;
    r->n_releases = q->out.releases.n;
    r->releases = ARENA_ARRAY(&r->arena, struct release, r->n_releases + 1);
    for (size_t i = 0; i < r->n_releases; i++) {
        r->releases[i].id = arena_strdup(&r->arena, q->out.releases.v[i].id);
        r->releases[i].name = arena_strdup(&r->arena, q->out.releases.v[i].name);
        r->releases[i].version = arena_strdup(&r->arena, q->out.releases.v[i].version);
    }
    learned(r);
}

/* False when there is nothing left to ask for. */
static bool ask_group(struct run *r)
{
    struct engine *en = r->ro->en;
    if (!r->releases) {
        struct req *q = ask(r, 0, releases_done);
        en->be->ops->releases(en->be, RELEASES_MAX, &q->arena, &q->out.releases, req_done, q);
        return true;
    }
    while (r->release_at < r->n_releases && (strcmp(r->releases[r->release_at].id, r->ro->facts.r.release.id) == 0 ||
                                             strcmp(r->releases[r->release_at].name, r->ro->facts.r.release.name) != 0))
        r->release_at++;
    if (r->release_at >= r->n_releases || control_left(r) == 0)
        return false;
    struct req *q = ask(r, 0, group_done);
    en->be->ops->devices(en->be, &(struct device_filter){.installed = &r->releases[r->release_at]}, FLEET_LIST_MAX,
                         &q->arena, &q->out.devices, req_done, q);
    return true;
}

/* From the last wave down to the second, also those that were told meanwhile: they were control at the start. */
static void ask_control(struct run *r)
{
    struct ro *ro = r->ro;
    struct engine *en = ro->en;
    run_say(r, "the control group");
    if (r->control_wave < 0) {
        want_members(r, 0);
        r->control_wave = r->n_waves - 1;
    }
    /* Empty ones, and those that the server does not list any more. */
    while (r->control_wave > 0 &&
           ((size_t)r->control_wave >= ro->facts.n_waves || ro->facts.waves[r->control_wave].total == 0))
        r->control_wave--;
    size_t most = control_left(r);
    if (r->control_wave > 0 && most > 0) {
        struct req *q = ask(r, 0, control_done);
        en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[r->control_wave].id),
                                  declared(r) ? WAVE_DEVICES_MAX : most, &q->arena, &q->out.devices, req_done, q);
        return;
    }
    r->control_wave = 0;
    if (declared(r) && ask_group(r))
        return;
    r->wave[0].step = RUN_ATTRS;
}

/* ---- attributes ---- */

static int by_raw_id(const void *a, const void *b, void *arg)
{
    const struct engine *en = arg;
    const struct run_new *x = a, *y = b;
    return strcmp(en->watch.devs[x->dev].raw_id, en->watch.devs[y->dev].raw_id);
}

static void attributes_done(struct req *q, const struct reply *rep)
{
    size_t w = (size_t)q->n;
    bool never = rep->err && rep->err->code == ERR_UNSUPPORTED;
    struct run *r = answered(q, rep, never ? NULL : "attributes cannot be read");
    if (!r)
        return;
    const struct attribute_table *t = &q->out.attributes;
    struct run_wave *rw = &r->wave[w];
    for (size_t i = 0; !rep->err && i < rw->n && i < t->n; i++)
        for (size_t k = 0; k < t->n_keys && k < STRATA_KEYS_MAX; k++) {
            int32_t name = t->v[i * t->n_keys + k];
            if (name >= 0 && (size_t)name < t->n_names)
                rw->v[i].attr[k] = run_name(r, t->names[name]);
        }
    run_number_strata(r, w);
    learned(r);
}

static void ask_attributes(struct run *r, size_t w)
{
    struct engine *en = r->ro->en;
    const struct evidence_policy *p = &r->ro->policy.applies->evidence;
    struct run_wave *rw = &r->wave[w];
    if (w > 0) {
        if (!r->ro->wv[w].watch.listed) {
            run_say(r, "the devices of W%zu", w);
            return;
        }
        want_members(r, w);
    }
    if (rw->n > 0)
        qsort_r(rw->v, rw->n, sizeof *rw->v, by_raw_id, en);
    if (p->n_strata == 0 || !en->be->ops->attributes || rw->n == 0) {
        run_number_strata(r, w);
        return;
    }
    run_say(r, "attributes of %zu devices", rw->n);
    struct req *q = ask(r, w, attributes_done);
    const char **ids = ARENA_ARRAY(&q->arena, const char *, rw->n);
    for (size_t i = 0; i < rw->n; i++)
        ids[i] = arena_strdup(&q->arena, en->watch.devs[rw->v[i].dev].raw_id);
    en->be->ops->attributes(en->be, ids, rw->n, p->strata, p->n_strata, ATTRIBUTES_BY, false, &q->arena,
                            &q->out.attributes, req_done, q);
}

/* ---- what they did before ---- */

static void ready(struct run *r, size_t w)
{
    r->wave[w].step = RUN_READY;
    r->waits[0] = '\0';
    if (w == 0)
        run_before(r);
}

static void past_done(struct req *q, const struct reply *rep)
{
    size_t w = (size_t)q->n;
    struct run *r = answered(q, rep, "baselines cannot be read");
    if (!r)
        return;
    struct run_wave *rw = &r->wave[w];
    const struct past_list *l = &q->out.past;
    size_t column[TICK_COLUMNS_MAX];
    run_columns(r, column);
    /* Where the source knows nothing of that time, that is no word about the devices. */
    for (size_t i = 0; i < rw->n; i++) {
        struct trial_past *p = &rw->v[i].past;
        size_t dev = rw->v[i].dev;
        bool there = l->known && dev < l->hour.n;
        *p = (struct trial_past){
            .last_t = there ? l->hour.at[dev] : 0, .known = l->known, .away = there && l->away ? l->away[dev] : NAN};
        for (size_t c = 0; c < TICK_COLUMNS_MAX; c++) {
            p->base[c] = there ? tick_value(&l->day, dev, column[c]) : NAN;
            p->hour[c] = there ? tick_value(&l->hour, dev, column[c]) : NAN;
        }
    }
    ready(r, w);
    learned(r);
}

/* Without history: what was seen since the devices are watched. */
static void past_from_tracks(struct run *r, size_t w)
{
    struct engine *en = r->ro->en;
    size_t column[TICK_COLUMNS_MAX];
    run_columns(r, column);
    for (size_t i = 0; i < r->wave[w].n; i++) {
        const struct track *t = &en->watch.devs[r->wave[w].v[i].dev].track;
        bool hour = (int64_t)t->base_n * beat_interval(en) >= BASELINE_US;
        double boots = 0;
        for (int k = 0; k < TRACK_BUCKETS; k++)
            boots += t->boots.by[k];
        struct trial_past *p = &r->wave[w].v[i].past;
        *p = (struct trial_past){.last_t = t->last_t, .known = t->last_t > 0, .away = NAN};
        for (size_t c = 0; c < TICK_COLUMNS_MAX; c++)
            p->base[c] = p->hour[c] = NAN;
        p->hour[COL_REBOOTS] = boots;
        for (size_t c = 0; hour && c < TICK_COLUMNS_MAX; c++) {
            const struct track_level *l = column[c] == SIZE_MAX ? NULL : track_level_of(t, &en->watch.shape, column[c]);
            if (l)
                p->base[c] = (double)l->base;
        }
    }
    ready(r, w);
}

static void ask_past(struct run *r, size_t w)
{
    struct engine *en = r->ro->en;
    if (!beat_history(en) || !en->tm->ops->past || r->wave[w].n == 0) {
        past_from_tracks(r, w);
        return;
    }
    run_say(r, "what %zu devices did before", r->wave[w].n);
    for (size_t i = 0; i < r->wave[w].n; i++)
        if (r->wave[w].v[i].dev >= watch_known(en)) {
            run_say(r, "what telemetry calls %zu devices", r->wave[w].n);
            r->again = now_of(en) + US_PER_S;
            return;
        }
    if (en->telemetry.waits || now_of(en) < r->spec.start + beat_settle(en)) {
        r->again = en->telemetry.waits ? now_of(en) + US_PER_S : r->spec.start + beat_settle(en);
        return;
    }
    struct req *q = ask(r, w, past_done);
    en->tm->ops->past(en->tm, en->watch.set, r->spec.start, en->policy->window_us, &q->arena, &q->out.past, req_done,
                      q);
}

/* ---- one after the other ---- */

static void step(struct run *r, size_t w)
{
    switch (r->wave[w].step) {
    case RUN_TOLD:
        ask_told(r, w);
        break;
    case RUN_LEDGER:
        run_ask_ledger(r, w);
        break;
    case RUN_KEPT:
        run_ask_kept(r);
        break;
    case RUN_CONTROL:
        ask_control(r);
        break;
    case RUN_ATTRS:
        ask_attributes(r, w);
        break;
    case RUN_PAST:
        ask_past(r, w);
        break;
    case RUN_READY:
        break;
    }
}

bool run_prepare(struct run *r)
{
    struct ro *ro = r->ro;
    for (int w = 0; w < r->n_waves && (size_t)w < ro->facts.n_waves && ro->wv[w].facts.told; w++) {
        enum run_step before;
        do {
            if (r->busy)
                return true;
            if (now_of(ro->en) < r->again)
                return false;
            before = r->wave[w].step;
            step(r, (size_t)w);
        } while (r->wave[w].step != before);
        if (r->wave[w].step != RUN_READY)
            break;
    }
    return true;
}
