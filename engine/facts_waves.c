/* Waves of the rollouts that are not ended or have changed, and how many of their actions are alive. */
#include <stdlib.h>
#include <string.h>
#include "engine/worker.h"

#define COUNTED_US  (10 * US_PER_S)
#define IDLE_US     (20 * US_PER_S) /* of one that waits */
#define INFLIGHT_US (5 * US_PER_S)

static void waves_read(struct ro *ro);

static void waves_timer(struct engine *en, void *arg)
{
    const struct ro *ro = arg;
    (void)en;
    if (!ro->facts.past)
        waves_read(arg);
}

static bool wave_told_state(enum wave_state s)
{
    return s == WAVE_RUNNING || s == WAVE_FINISHED || s == WAVE_ERROR;
}

/* Was a wave told anything? A stop ends waves that never began: the counts say so. */
static bool told(const struct wave *w)
{
    if (!wave_told_state(w->state))
        return false;
    return !w->counts.known || w->total == 0 || w->counts.notstarted + w->counts.scheduled < w->total;
}

static void copy_wave(struct arena *a, struct wave *to, const struct wave *from)
{
    *to = *from;
    to->id = arena_strdup(a, from->id);
    to->name = arena_strdup(a, from->name);
    to->state_word = arena_strdup(a, from->state_word);
    to->success.text = arena_strdup(a, from->success.text ? from->success.text : "");
    to->failure.text = arena_strdup(a, from->failure.text ? from->failure.text : "");
    to->success_action = arena_strdup(a, from->success_action ? from->success_action : "");
}

/* Waves are only ever added (dynamic rollouts): what is kept of one stays at its index. */
static void grow(struct ro *ro, size_t n)
{
    if (n > ro->facts.n_waves) {
        ro->wv = xreallocarray(ro->wv, n, sizeof *ro->wv);
        memset(ro->wv + ro->facts.n_waves, 0, (n - ro->facts.n_waves) * sizeof *ro->wv);
        for (size_t i = ro->facts.n_waves; i < n; i++)
            ANNOUNCE(ro->en, wave_init, ro, i);
    }
    for (size_t i = n; i < ro->facts.n_waves; i++)
        ANNOUNCE_BACK(ro->en, wave_free, ro, i);
    ro->facts.n_waves = n;
}

static void note_state(struct ro *ro, size_t i, bool first)
{
    struct wave *w = &ro->facts.waves[i];
    struct wv *v = &ro->wv[i];
    int64_t now = now_of(ro->en);
    if (told(w) && !v->facts.told) {
        v->facts.told = true;
        /* Found running: the server's own time of the last change is the best there is. One from before there was a
         * rollout is none. */
        bool is_time = w->last_modified > 0 && w->last_modified >= ro->facts.r.created_at && w->last_modified < now;
        v->facts.told_at = first && is_time ? w->last_modified : now;
        v->facts.told_after = first || ro->facts.waves_as_of <= 0 ? v->facts.told_at : ro->facts.waves_as_of;
    }
    if (w->state == WAVE_RUNNING && v->facts.running_since == 0)
        v->facts.running_since = v->facts.told_at ? v->facts.told_at : now;
    if ((w->state == WAVE_FINISHED || w->state == WAVE_ERROR) && v->facts.told && v->facts.ended_at == 0)
        v->facts.ended_at = now;
    if (v->facts.told)
        ro->facts.current = (int)i;
}

void waves_take(struct ro *ro, const struct wave_list *list)
{
    bool first = !ro->facts.waves_known;
    arena_release(&ro->facts.wave_arena);
    grow(ro, list->n);
    ro->facts.waves = ARENA_ARRAY(&ro->facts.wave_arena, struct wave, list->n + 1);
    ro->facts.current = -1;
    for (size_t i = 0; i < list->n; i++) {
        copy_wave(&ro->facts.wave_arena, &ro->facts.waves[i], &list->v[i]);
        ro->facts.waves[i].index = (int)i;
        note_state(ro, i, first);
    }
    ro->facts.waves_known = true;
    ro->facts.waves_at = now_of(ro->en);
    ro->facts.waves_as_of = ro->facts.waves_asked;
}

static int64_t next_read(const struct ro *ro)
{
    if (rollout_state_active(ro->facts.r.state) || ro->facts.r.state == ROLLOUT_STOPPING)
        return ro->en->spec.fleet->poll_us;
    return IDLE_US;
}

static void schedule(struct ro *ro)
{
    bool more = !ro_ended(ro) || rollback_running(ro);
    if (ro->facts.waves_wanted)
        timer_set(ro->en, now_of(ro->en), waves_timer, ro);
    else if (more)
        timer_set(ro->en, now_of(ro->en) + next_read(ro), waves_timer, ro);
}

static void waves_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    ro->facts.waves_loading = false;
    if (r->err) {
        ro->facts.waves_error = *r->err;
        timer_set(q->en, now_of(q->en) + IDLE_US / 4, waves_timer, ro);
        mark(q->en);
        return;
    }
    err_clear(&ro->facts.waves_error);
    waves_take(ro, &q->out.waves);
    struct trace_line t;
    if (traced(q->en, &t, TRACE_POLL, "waves")) {
        json_w_kstr(&t.w, "rollout", ro->id);
        json_w_kint(&t.w, "waves", (int64_t)ro->facts.n_waves);
        json_w_kint(&t.w, "told", ro->facts.current);
        json_w_kint(&t.w, "asked_us", ro->facts.waves_asked);
        trace_end(&t);
    }
    ANNOUNCE(ro->en, waves, ro);
    if (ro->facts.r.state == ROLLOUT_PAUSED || stop_latched(&ro->stop.m) || rollback_running(ro))
        inflight_read(ro); /* a running one's counts say as much */
    schedule(ro);
    mark(q->en);
}

static void waves_read(struct ro *ro)
{
    struct engine *en = ro->en;
    if (ro->facts.waves_loading) {
        ro->facts.waves_wanted = true;
        return;
    }
    ro->facts.waves_wanted = false;
    if (ro->facts.gone)
        return;
    ro->facts.waves_loading = true;
    ro->facts.waves_asked = now_of(en);
    struct req *q = req_new(en, waves_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    en->be->ops->waves(en->be, ro->id, &q->arena, &q->out.waves, req_done, q);
}

void waves_as_of(struct ro *ro, int64_t t)
{
    ro->facts.waves_as_of = t;
}

void ro_read(struct ro *ro)
{
    if (ro->facts.waves_loading)
        ro->facts.waves_wanted = true;
    else
        timer_set(ro->en, now_of(ro->en), waves_timer, ro);
}

/* ---- actions alive ---- */

static void inflight_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    ro->facts.inflight_loading = false;
    if (r->err)
        return;
    ro->facts.inflight = q->out.inflight;
    ro->facts.inflight_at = q->x_at;
    ANNOUNCE(ro->en, alive, ro);
    mark(q->en);
}

void inflight_read(struct ro *ro)
{
    struct engine *en = ro->en;
    if (!(ro_caps(ro) & CAP_ACTION_LIST) || !en->be->ops->inflight || ro->facts.inflight_loading ||
        (ro->facts.inflight_at > 0 && now_of(en) - ro->facts.inflight_at < INFLIGHT_US))
        return;
    if (ro->facts.current < 0)
        return;
    ro->facts.inflight_loading = true;
    struct req *q = req_new(en, inflight_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->x_at = now_of(en);
    en->be->ops->inflight(en->be, ro->id, &q->arena, &q->out.inflight, req_done, q);
}
