/* The engine's inside: what the worker thread knows, part by part. Private to engine/.
 *
 * Each part has a header with its state and its functions, and only its own files (named after it) write that state;
 * everybody may read it. `make lint` holds both (scripts/lint-rules.py, scripts/lint-symbols). One thread owns
 * everything here but en->door, which is under its lock. A rollout's struct ro and the watched devices live as long as
 * the engine, so that requests under way may point to them. */
#ifndef ANDON_ENGINE_WORKER_H
#define ANDON_ENGINE_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "core/digest.h"
#include "core/rng.h"
#include "core/trace.h"
#include "engine/approvals.h"
#include "engine/census.h"
#include "engine/detail.h"
#include "engine/diary.h"
#include "engine/door.h"
#include "engine/engine.h"
#include "engine/facts.h"
#include "engine/inventory.h"
#include "engine/judge.h"
#include "engine/notes.h"
#include "engine/outlook.h"
#include "engine/parts.h"
#include "engine/plans.h"
#include "engine/policy.h"
#include "engine/recover.h"
#include "engine/rollback.h"
#include "engine/show.h"
#include "engine/stop.h"
#include "engine/tell.h"
#include "engine/telemetry.h"
#include "engine/trials.h"
#include "engine/turn.h"
#include "engine/verbs.h"
#include "engine/watch.h"
#include "engine/witness.h"

/* A wave, by index in the rollout. Waves are only ever added (dynamic rollouts). */
struct wv {
    struct wv_facts facts;
    struct wv_watch watch;
    struct wv_judge judge;
    struct wv_verbs verbs;
    struct wv_census census;
};

/* A rollout. */
struct ro {
    struct engine *en;
    char id[ID_MAX];
    struct wv *wv; /* facts.n_waves of them */
    struct ro_facts facts;
    struct ro_policy policy;
    struct ro_watch watch;
    struct ro_trials trials;
    struct ro_judge judge;
    struct ro_stop stop;
    struct ro_notes notes;
    struct ro_rollback rollback;
    struct ro_census census;
};

struct engine {
    /* set by engine_new (main.c) and never changed */
    struct engine_spec spec;
    const struct part *const *parts; /* in order, NULL at the end */
    struct clock *clock;
    const struct policy *policy; /* of the fleet: what no rule says otherwise; its window is that of all telemetry */
    struct http *http;
    struct backend *be;
    struct telemetry *tm; /* NULL: none */
    struct rng rng;
    pthread_t thread;
    bool started;
    bool (*on_idle)(void *ctx, struct engine *en, const struct snapshot *s);
    void *on_idle_ctx;
    struct turn turn;
    /* the parts */
    struct en_door door;
    struct en_diary diary;
    struct en_plans plans;
    struct en_facts facts;
    struct en_watch watch;
    struct en_telemetry telemetry;
    struct en_trials trials;
    struct en_stop stop;
    struct en_notes notes;
    struct en_verbs verbs;
    struct en_recover recover;
    struct en_census census;
    struct en_inventory inventory;
    struct en_outlook outlook;
    struct en_detail detail;
    struct en_tell tell;
    struct en_witness witness;
    struct en_approvals approvals;
    struct en_show show;
};

static inline int64_t now_of(const struct engine *en)
{
    return clock_now(en->clock);
}
/* Something that is shown has changed. */
static inline void mark(struct engine *en)
{
    en->show.dirty = true;
}
/* A line of the trace about this fleet; false, and nothing done, when its kind is not traced (core/trace.h). */
static inline bool traced(const struct engine *en, struct trace_line *l, enum trace_kind k, const char *event)
{
    const struct traced *d = &en->spec.fleet->endpoint.traced;
    return trace_begin(l, d->trace, k, en->clock, d->fleet, event);
}
/* A member of words: what shows itself as a secret in them is masked. */
static inline void traced_text(struct trace_line *l, const char *key, const char *text)
{
    trace_text(l, key, text, strlen(text), NULL);
}
static inline struct req *req_new(struct engine *en, void (*then)(struct req *q, const struct reply *r))
{
    return turn_req(&en->turn, then);
}
static inline void timer_set(struct engine *en, int64_t at, turn_fn fn, void *arg)
{
    turn_timer(&en->turn, at, fn, arg);
}
static inline void timer_cancel(struct engine *en, turn_fn fn, void *arg)
{
    turn_cancel(&en->turn, fn, arg);
}
/* What can be done with it: a rollout whose waves andon keeps can do what its server cannot. */
static inline uint32_t ro_caps(const struct ro *ro)
{
    uint32_t server = ro->en->facts.info.caps;
    return ro->facts.r.caps ? ro->facts.r.caps | (server & CAPS_OF_SERVER) : server;
}
static inline bool ro_caps_known(const struct ro *ro)
{
    return ro->en->facts.info_known || ro->facts.r.caps;
}
static inline bool ro_ended(const struct ro *ro)
{
    return ro->facts.gone || ro->facts.r.deleted || rollout_state_ended(ro->facts.r.state);
}
static inline bool rollback_running(const struct ro *ro)
{
    return rollback_runs(&ro->rollback);
}
/* A copy for a snapshot; NULL when there is none. */
static inline const struct err *err_shown(struct arena *a, const struct err *e)
{
    return e->code == ERR_NONE ? NULL : arena_memdup(a, e, sizeof *e);
}
static inline bool ro_replayed(const struct ro *ro)
{
    return ro->trials.each_tick != NULL;
}

#endif
