/* The engine: watches one fleet on one worker thread, judges, carries out verbs, publishes snapshots.
 *
 * The worker is an event loop; nothing on it blocks on the network, the log's disk or the terminal. A second thread
 * writes the log. Everything an engine does about the world is an intent that took the path of architecture.md. */
#ifndef ANDON_ENGINE_ENGINE_H
#define ANDON_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/intent.h"
#include "core/plan_wish.h"
#include "core/snapshot.h"

struct engine;
struct http;
struct backend;
struct telemetry;
struct log_ops;
struct notary;

/* What tests put in the place of the outside world. Any pointer may be NULL: then the real thing is used. */
struct engine_seam {
    void *ctx;
    struct backend *(*open_backend)(void *ctx, struct http *h, const struct fleet_spec *fleet, struct err *e);
    struct telemetry *(*open_telemetry)(void *ctx, struct http *h, const struct telemetry_spec *spec, struct err *e);
    /* One turn of the loop in place of http_run(), and requests under way in place of http_in_flight(). */
    void (*run)(void *ctx, int wake_fd, int64_t deadline, unsigned extra);
    unsigned (*in_flight)(void *ctx);
    const struct log_ops *log; /* engine/scribe.h */
};

struct engine_spec {
    const struct fleet_spec *fleet; /* outlives the engine */
    const struct audit_spec *audit; /* NULL: no log; then only halts are possible */
    struct clock *clock;
    uint64_t seed;                  /* of retry jitter */
    struct actor actor;             /* whose session this is */
    bool judge;                     /* evaluate policies and halt by itself (console, guard); false for `get` */
    bool observe_only;              /* like read-only for rules and people (but halts) */
    const struct engine_seam *seam; /* NULL; outlives the engine */
    const char *evidence_db;        /* states of trials across restarts; NULL = not kept */
    const char *intel_db;           /* what was imported (intel/store.h); NULL = the queue is not computed */
    const char *census_db;          /* where devices stayed (audit/stays.h); NULL */
    const struct risk_policy *risk; /* `risk:` of the configuration; NULL = as built in. All three outlive the engine */
    struct notary *notary;          /* has the log witnessed; NULL = nobody does; outlives the engine */
    const struct notify_spec *notify; /* NULL = nobody is told; outlives the engine */
    const char *const *known_keys; /* of other logs (audit/known.h), whose notes count as signed; outlive the engine */
    size_t n_known_keys;
};

/* NULL with *e filled when the back end or the telemetry source cannot be opened. The spec is copied. */
struct engine *engine_new(const struct engine_spec *spec, struct err *e);
bool engine_start(struct engine *en, struct err *e) ANDON_MUST_USE; /* starts its threads */
/* Ends the threads. Unfinished sagas stay in the log and are taken up by the next engine on this log. Waits at most
 * about 2 s for the log. */
void engine_stop(struct engine *en);
void engine_free(struct engine *en);

/* The newest snapshot, referenced (caller unrefs); never NULL after engine_start. Never blocks for long. */
struct snapshot *engine_snapshot(struct engine *en);
/* An eventfd that becomes readable when there is a new snapshot (the reader reads it to clear it). */
int engine_fd(const struct engine *en);

/* Hands in an intent; returns its ticket (> 0) under which snapshots show it in ops[]. Thread-safe, never blocks. */
uint64_t engine_submit(struct engine *en, const struct intent *in);
/* Refresh now (Ctrl-R): polls at once and forgets back-off. */
void engine_refresh(struct engine *en);
void engine_focus(struct engine *en, const struct focus *f);
/* Draws a plan by these words; snapshots show it as `draft` under the wish's number. A newer wish takes the place of an
 * older one. Nothing is written. Thread-safe, never blocks. */
void engine_plan(struct engine *en, const struct plan_wish *w);
/* Writes the draft of that number to the log, if it is the one that is shown as ready; else nothing happens. */
void engine_plan_keep(struct engine *en, uint64_t number);
/* Waits (real time) until the op has ended (OP_DONE, REFUSED, FAILED, UNKNOWN), a roll back only when `whole`; false
 * on time-out. The strings of *out belong to *snap. For commands; not for the screen. */
bool engine_wait(struct engine *en, uint64_t ticket, bool whole, int64_t timeout_us, struct op_view *out,
                 struct snapshot **snap);
/* Waits (real time) for a snapshot with rollouts (and waves of active rollouts) known, or a failure to connect. */
bool engine_wait_ready(struct engine *en, int64_t timeout_us, struct snapshot **snap);

/* Things a person should hear of, for the exit state of a guard: number of halts that can't be had right now. */
int engine_escalations(const struct engine *en);

/* For drills: called on the worker's thread just before time is about to move, with the newest snapshot; returns
 * true when it handed in work (then time does not move yet). Set before engine_start. */
void engine_on_idle(struct engine *en, bool (*fn)(void *ctx, struct engine *en, const struct snapshot *s), void *ctx);

#endif
