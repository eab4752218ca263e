/* Ticks of telemetry into trials: those that were just polled, those that waited for facts, those read from history.
 *
 * The newest ticks stay in a queue of the engine, shared by all trials, until each has taken them; it is bounded, and
 * what falls out is read again from history where there is one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "engine/trial_run.h"

#define TICKS_MAX   64
#define TICKS_BYTES ((size_t)32 << 20)
#define SAMPLES     ((size_t)200000) /* of one answer from history */
#define SLACK_US    (2 * US_PER_S)   /* between the clocks of the fleet server and ours */
#define BEHIND      3                /* ticks */

/* One poll's answer. */
struct polled {
    size_t watched; /* devices that were asked about */
    struct tick k;  /* of the watch set */
};
struct tick_queue {
    struct polled v[TICKS_MAX];
    size_t n, bytes;
};

/* ---- the queue ---- */

static size_t bytes_of(const struct tick *k)
{
    return k->n * (sizeof *k->at + k->columns * sizeof *k->v);
}

static void drop(struct tick_queue *q, size_t i)
{
    q->bytes -= bytes_of(&q->v[i].k);
    tick_release(&q->v[i].k);
    q->n--;
    memmove(&q->v[i], &q->v[i + 1], (q->n - i) * sizeof *q->v);
}

void run_free_ticks(struct engine *en)
{
    while (en->trials.ticks && en->trials.ticks->n > 0)
        drop(en->trials.ticks, 0);
    free(en->trials.ticks);
    en->trials.ticks = NULL;
}

void run_take_tick(struct engine *en, int64_t t, size_t watched, const struct sample_list *l)
{
    if (!en->trials.ticks)
        en->trials.ticks = xcalloc(1, sizeof *en->trials.ticks);
    struct tick_queue *q = en->trials.ticks;
    size_t i = q->n;
    while (i > 0 && q->v[i - 1].k.t > t)
        i--;
    if (i > 0 && q->v[i - 1].k.t == t) {
        if (q->v[i - 1].watched >= watched)
            return; /* the same again */
        drop(q, --i);
    }
    while (q->n == TICKS_MAX || (q->n > 0 && q->bytes + bytes_of(&l->tick) > TICKS_BYTES)) {
        drop(q, 0);
        i -= i > 0;
    }
    memmove(&q->v[i + 1], &q->v[i], (q->n - i) * sizeof *q->v);
    q->v[i].watched = watched;
    tick_copy(&q->v[i].k, &l->tick);
    q->v[i].k.t = t;
    q->n++;
    q->bytes += bytes_of(&q->v[i].k);
    if (t > en->trials.newest)
        en->trials.newest = t;
}

/* What no trial waits for goes. */
void run_trim_ticks(struct engine *en)
{
    int64_t keep = TIME_NEVER;
    if (!en->trials.ticks)
        return;
    for (size_t i = 0; i < en->facts.n_all; i++) {
        const struct run *r = en->facts.all[i]->trials.run;
        if (!r || ro_ended(en->facts.all[i]))
            continue;
        int64_t next = r->trial ? trial_next_tick(r->trial) : beat_history(en) ? TIME_NEVER : 0;
        keep = next < keep ? next : keep;
    }
    while (en->trials.ticks->n > 0 && en->trials.ticks->v[0].k.t < keep)
        drop(en->trials.ticks, 0);
}

static const struct polled *tick_find(const struct engine *en, int64_t t)
{
    for (size_t i = 0; en->trials.ticks && i < en->trials.ticks->n; i++)
        if (en->trials.ticks->v[i].k.t == t)
            return &en->trials.ticks->v[i];
    return NULL;
}

/* The first tick of the queue from t on. */
static const struct polled *tick_from(const struct engine *en, int64_t t)
{
    for (size_t i = 0; en->trials.ticks && i < en->trials.ticks->n; i++)
        if (en->trials.ticks->v[i].k.t >= t)
            return &en->trials.ticks->v[i];
    return NULL;
}

/* ---- what is known ---- */

static int64_t slack(const struct engine *en)
{
    int64_t fifth = beat_interval(en) / 5;
    return fifth < SLACK_US ? fifth : SLACK_US;
}

/* Every fact that happened up to this time is known. */
static int64_t facts_until(const struct run *r)
{
    const struct ro *ro = r->ro;
    int64_t until = ro->facts.waves_as_of - slack(ro->en);
    for (int w = 0; w < r->n_waves && (size_t)w < ro->facts.n_waves && ro->wv[w].facts.told; w++) {
        const struct run_wave *rw = &r->wave[w];
        int64_t upto = ro->wv[w].watch.list_as_of + r->spec.grace_us - slack(ro->en);
        if (rw->step != RUN_READY)
            upto = rw->told_known ? rw->told_at - 1 : 0;
        if (upto < until)
            until = upto;
    }
    return until;
}

/* From when on samples of a device that came with a later wave are fed: its first are in well before it counts. */
static int64_t fed_from(const struct run *r, int phase)
{
    return phase == 0 ? 0 : r->wave[phase].told_at + r->spec.grace_us / 2;
}

/* As many devices must have been asked about for tick t to be whole. */
static size_t needed(const struct run *r, int64_t t)
{
    size_t top = 0;
    for (int w = 0; w < r->n_waves; w++)
        if (r->wave[w].step == RUN_READY && r->wave[w].told_at <= t && fed_from(r, w) <= t) {
            if (r->wave[w].top > top)
                top = r->wave[w].top;
            for (size_t i = 0; !r->wave[w].applied && i < r->wave[w].n; i++)
                if (r->wave[w].v[i].dev >= top)
                    top = r->wave[w].v[i].dev + 1;
        }
    return top;
}

/* ---- facts in order ---- */

static bool apply_waves(struct run *r, int64_t t)
{
    for (int w = 0; w < r->n_waves; w++) {
        struct run_wave *rw = &r->wave[w];
        if (rw->applied)
            continue;
        if (rw->step != RUN_READY || rw->told_at > t)
            return true;
        for (size_t i = 0; i < rw->n; i++)
            run_add(r, w, &rw->v[i]);
        rw->applied = true;
        free(rw->v);
        rw->v = NULL;
        rw->n = 0;
        run_installs(r);
        run_placebo(r, w);
        if (trial_told(r->trial, w, rw->told_at))
            continue;
        if (!run_late(r))
            return false;
        if (!trial_told(r->trial, w, t)) /* from this tick on */
            return false;
    }
    return true;
}

static bool apply_installs(struct run *r, int64_t t)
{
    size_t k = 0;
    bool ok = true;
    for (; ok && k < r->n_pending; k++) {
        struct run_dev *d = &r->v[r->pending[k]];
        if (d->installed + r->spec.grace_us > t)
            break;
        d->given = true;
        if (trial_installed(r->trial, TRIAL_IX(r->pending[k]), d->installed))
            continue;
        ok = run_late(r);
        if (ok)
            ok = trial_installed(r->trial, TRIAL_IX(r->pending[k]), t - r->spec.grace_us);
    }
    r->n_pending -= k;
    if (k > 0)
        memmove(r->pending, r->pending + k, r->n_pending * sizeof *r->pending);
    return ok;
}

/* When the wave of another rollout was told: as its server says, where that is known. */
static int64_t told_by(const struct ro *by, int wave)
{
    const struct run *r = by->trials.run;
    return r && wave < r->n_waves && r->wave[wave].told_known ? r->wave[wave].told_at : by->wv[wave].facts.told_at;
}

/* A device that another rollout has told by tick t is compared no longer. What was before counts: who reads it later
 * from history must come to the same. */
static void apply_leaves(struct run *r, int64_t t)
{
    const struct engine *en = r->ro->en;
    for (size_t i = 0; en->facts.n_all > 1 && i < r->n; i++) {
        const struct dev *d = &en->watch.devs[r->v[i].dev];
        const struct ro *by = d->canary_of;
        if (r->v[i].left || !by || by == r->ro || d->wave < 0 || (size_t)d->wave >= by->facts.n_waves)
            continue;
        int64_t told = told_by(by, d->wave);
        if (told <= r->spec.start || told > t)
            continue;
        r->v[i].left = true;
        trial_leave(r->trial, TRIAL_IX(i));
    }
}

/* ---- feeding ---- */

/* While the two clocks disagree what was measured at a time is not known: the tick is as one that nobody answered, and
 * stays so. It is not read later from history either, which would have the wrong times too. */
static bool blind_at(const struct ro *ro, int64_t t)
{
    const struct ro_trials *k = &ro->trials;
    return k->blind_from > 0 && t >= k->blind_from && (k->clocks.shut || t < k->blind_to) && !ro_replayed(ro);
}

/* Ticks from before that are still to be read wait until the clocks agree again. */
static bool held_at(const struct ro *ro, int64_t t)
{
    return ro_blind(ro) && t < ro->trials.blind_from;
}

/* `k`: rows by index in the watch set. False when a fact came too late: then nothing was fed. */
static bool feed(struct run *r, int64_t t, const struct tick *k)
{
    bool blind = blind_at(r->ro, t);
    if (!apply_waves(r, t) || !apply_installs(r, t))
        return false;
    apply_leaves(r, t);
    size_t column[TICK_COLUMNS_MAX];
    run_columns(r, column);
    tick_restart(&r->tick, t);
    for (size_t i = 0; !blind && i < r->n; i++) {
        size_t dev = r->v[i].dev;
        if (dev >= k->n || k->at[dev] <= 0 || fed_from(r, r->v[i].phase) > t)
            continue;
        double *row = tick_put(&r->tick, i, k->at[dev]);
        for (size_t c = 0; c < r->tick.columns; c++)
            row[c] = tick_value(k, dev, column[c]);
    }
    trial_tick(r->trial, &r->tick);
    struct trace_line l;
    if (traced(r->ro->en, &l, TRACE_TRIAL, "tick")) {
        json_w_kstr(&l.w, "rollout", r->ro->id);
        json_w_kint(&l.w, "tick_us", t);
        json_w_kint(&l.w, "rows", (int64_t)r->tick.samples);
        json_w_kint(&l.w, "stage", trial_stage(r->trial));
        trace_end(&l);
    }
    if (ro_replayed(r->ro))
        r->ro->trials.each_tick(r->ro->trials.each_ctx, &r->tick);
    if (beat_history(r->ro->en))
        run_keep(r, false); /* of several ticks that waited for a fact, the one that is to be kept is not the last */
    return true;
}

/* ---- history ---- */

static void fetched(struct req *q, const struct reply *rep)
{
    struct engine *en = q->en;
    struct run *r = q->ro->trials.run;
    en->trials.ranging = false;
    if (!r || (int64_t)r->serial != q->x_at) {
        ANNOUNCE(en, history, en, NULL);
        return;
    }
    r->fetching = false;
    if (rep->err) {
        bool large = rep->err->code == ERR_LIMIT && r->fetch_ticks > 1;
        if (large)
            r->fetch_ticks /= 2;
        else
            r->fetch_again = now_of(en) + beat_interval(en);
        if (!large)
            run_failed(r, rep->err);
        run_say(r, "history cannot be read: %s", rep->err->what);
    } else {
        const struct range_list *l = &q->out.range;
        r->waits[0] = '\0';
        for (size_t i = 0; i < l->n && r->trial; i++) {
            int64_t t = l->v[i].t;
            if (t != trial_next_tick(r->trial) || t > facts_until(r) || r->fetch_watched < needed(r, t) ||
                held_at(r->ro, t) || !feed(r, t, &l->v[i]))
                break;
        }
    }
    ANNOUNCE(en, history, en, q->ro);
    mark(en);
}

static void fetch(struct run *r, int64_t from, int64_t to)
{
    struct engine *en = r->ro->en;
    size_t fit = SAMPLES / (r->n ? r->n : 1);
    if (en->trials.ranging || en->telemetry.waits || now_of(en) < r->fetch_again)
        return;
    if (r->fetch_ticks == 0 || r->fetch_ticks > fit)
        r->fetch_ticks = fit < 1 ? 1 : fit;
    if (r->fetch_ticks > RANGE_TICKS_MAX)
        r->fetch_ticks = RANGE_TICKS_MAX;
    int64_t most = from + (int64_t)(r->fetch_ticks - 1) * r->spec.step_us;
    en->trials.ranging = r->fetching = true;
    r->fetch_from = from;
    r->fetch_to = to < most ? to : most;
    r->fetch_watched = watch_known(en);
    struct req *q = req_new(en, fetched);
    q->ro = r->ro;
    q->x_at = (int64_t)r->serial;
    en->tm->ops->range(en->tm, en->watch.set, r->fetch_from, r->fetch_to, r->spec.step_us, en->policy->window_us,
                       &q->arena, &q->out.range, req_done, q);
}

/* The gap that begins at t: up to what is known, or to the next tick of the queue that is whole. */
static void fetch_gap(struct run *r, int64_t t, int64_t until)
{
    const struct engine *en = r->ro->en;
    int64_t to = until / r->spec.step_us * r->spec.step_us;
    if (to > en->trials.newest)
        to = en->trials.newest;
    for (size_t i = 0; en->trials.ticks && i < en->trials.ticks->n; i++) {
        const struct polled *p = &en->trials.ticks->v[i];
        if (p->k.t > t && p->watched >= needed(r, p->k.t)) {
            if (p->k.t - r->spec.step_us < to)
                to = p->k.t - r->spec.step_us;
            break;
        }
    }
    if (to >= t && !r->fetching)
        fetch(r, t, to);
}

/* ---- all together ---- */

static int64_t first_tick(const struct run *r)
{
    return (r->spec.start + r->spec.step_us - 1) / r->spec.step_us * r->spec.step_us;
}

static void stand(struct run *r)
{
    struct engine *en = r->ro->en;
    enum trial_state was = r->state;
    int64_t now = now_of(en);
    if (!r->trial) {
        r->state = TRIAL_WAITING;
    } else {
        int64_t next = trial_next_tick(r->trial);
        int64_t behind = en->trials.newest > 0 ? (en->trials.newest - next) / r->spec.step_us + 1 : 0;
        bool quiet =
            en->trials.newest > 0 && now - en->trials.newest > (BEHIND + 1) * r->spec.step_us + beat_settle(en);
        if (next > facts_until(r) && behind > BEHIND)
            r->state = TRIAL_BEHIND;
        else if (behind > BEHIND && beat_history(en))
            r->state = TRIAL_CATCHING;
        else if (behind > BEHIND || quiet)
            r->state = TRIAL_BEHIND;
        else
            r->state = TRIAL_LIVE;
        if (ro_blind(r->ro))
            r->state = TRIAL_BEHIND;
        if (r->state == TRIAL_CATCHING && was != TRIAL_CATCHING)
            r->catching_from = next;
    }
    bool wait = r->state == TRIAL_WAITING || r->state == TRIAL_CATCHING;
    /* Who was started a moment ago has much to read: that takes as long as it takes, while it gets less. */
    int64_t left = r->trial ? (en->trials.newest - trial_next_tick(r->trial)) / r->spec.step_us
                            : TIME_NEVER - (int64_t)r->wave[0].step;
    if (!wait) {
        r->catching_since = 0;
    } else if (r->catching_since == 0 || left < r->catching_left) {
        r->catching_since = now;
        r->catching_left = left;
    }
    if (r->state == was)
        return;
    mark(en);
    struct trace_line l;
    if (traced(en, &l, TRACE_TRIAL, "state")) {
        json_w_kstr(&l.w, "rollout", r->ro->id);
        json_w_kstr(&l.w, "before", trial_state_word(was));
        json_w_kstr(&l.w, "after", trial_state_word(r->state));
        traced_text(&l, "waits", r->waits);
        trace_end(&l);
    }
}

void run_feed(struct run *r)
{
    struct engine *en = r->ro->en;
    int64_t before = r->trial ? trial_next_tick(r->trial) : 0;
    if (r->rebuild)
        run_rebuild(r);
    if (!r->trial && r->wave[0].step == RUN_READY && !run_make(r))
        return;
    while (r->trial) {
        int64_t t = trial_next_tick(r->trial), until = facts_until(r);
        const struct polled *p = beat_history(en) ? tick_find(en, t) : tick_from(en, t);
        if (t > until || t > en->trials.newest)
            break;
        if (beat_history(en) && held_at(r->ro, t))
            break;
        if (beat_history(en) && blind_at(r->ro, t)) {
            if (!feed(r, t, NULL) && !r->rebuild)
                break;
            if (r->rebuild)
                run_rebuild(r);
            continue;
        }
        if (beat_history(en) && (!p || p->watched < needed(r, t))) {
            fetch_gap(r, t, until);
            break;
        }
        if (!p || p->k.t > until)
            break;
        if (p->k.t > t && t == first_tick(r))
            r->begun_at = p->k.t;
        if (feed(r, p->k.t, &p->k))
            continue;
        if (!r->rebuild)
            break;
        run_rebuild(r);
    }
    stand(r);
    if (r->trial && trial_next_tick(r->trial) != before)
        mark(en);
}
