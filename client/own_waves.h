/* Waves kept by andon: a back end around a back end. What is about devices passes through; rollouts, waves, verbs and
 * counts are made from plans (core/plan.h) in the log, beside the server's own rollouts where it has any.
 *
 * A wave is told in batches: the claim of a batch is durable in the log, and read back as the one that holds, before
 * its request leaves (core/plan_state.h); the claim's key is the request's idempotency key. Counts come from where the
 * devices stand, never from a server's counter. A pause is "tell no more": it holds here at once, whatever the log or
 * the server do, and what is under way then is one request at most. What a crash leaves is read back, never repeated.
 *
 * A process tells only what it was asked to start or advance, or what it watches as a guard does (own_log.may). */
#ifndef ANDON_CLIENT_OWN_WAVES_H
#define ANDON_CLIENT_OWN_WAVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "core/clock.h"
#include "core/plan_state.h"

struct own_entries {
    const struct plan_entry *v; /* in the log's order; valid during the call that hands them over */
    size_t n;
    int64_t upto; /* everything up to this number was read */
};
typedef void (*own_read_done)(void *arg, const struct own_entries *r, const struct err *err);
/* seq: of the entry, which is durable now; 0 with `err`: it is not in the log. */
typedef void (*own_append_done)(void *arg, int64_t seq, const struct err *err);

/* The log, as the engine gives it. `done` is never called from inside. */
struct own_log {
    void *ctx;
    /* The fleet's entries about plans after number `after`. */
    void (*read)(void *ctx, int64_t after, own_read_done done, void *arg);
    /* The entry's strings are copied. `keep`: it is handed in again until the log has it (a pause, an answer); else a
     * failure is told. `r`: the request that it is about, NULL. */
    void (*append)(void *ctx, const struct plan_entry *e, bool keep, const struct reply *r, own_append_done done,
                   void *arg);
    /* own_waves_tick() is to be called then (engine clock); a later call replaces it. */
    void (*wake)(void *ctx, int64_t at);
    /* May this process go on with the plan: write what is found out about it, and (`tell`) have devices told? `here`:
     * it was asked here to start it or to let it go on. */
    bool (*may)(void *ctx, const char *plan, bool here, bool tell);
    bool (*lives)(void *ctx, const char *by); /* the process that has written so; not this one */
    uint64_t (*unique)(void *ctx);
    const char *me; /* this process, as in plan_entry.by; at most 63 bytes */
    struct clock *clock;
};

/* Takes `inner` over, which must have tell() and standing(). *log is copied, what it points to outlives the back end.
 * Nothing is known of any plan before own_waves_look(). */
struct backend *own_waves_new(struct backend *inner, const struct own_log *log);
void own_waves_tick(struct backend *b);
/* The log has new entries, or may have: they are read. */
void own_waves_look(struct backend *b);

#endif
