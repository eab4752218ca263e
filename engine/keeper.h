/* The keeper: the thread that owns the history of trials (audit/history.h), so that a large state on a slow disk holds
 * up neither the worker nor the log.
 *
 * States are kept by which rollout they are of (core/identity.h). Of those of one rollout that wait to be kept only the
 * newest is. Nothing here ever blocks the caller but keeper_stop, which waits for a bounded time. */
#ifndef ANDON_ENGINE_KEEPER_H
#define ANDON_ENGINE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "core/identity.h"
#include "engine/aside.h"

struct keeper;

/* An answer to keeper_get. */
struct kept {
    struct aside_job job; /* first */
    uint64_t id;
    bool found;
    int64_t tick;
    char *bytes; /* freed with it */
    size_t n;
    struct err err; /* the file cannot be read or written: a sentence for the screen; else code ERR_NONE */
};

/* `wake_fd` is an eventfd that is written when an answer is there; the keeper keeps a duplicate. States last put before
 * `sweep_before` (us since the epoch) are dropped at the start. NULL with *e. */
struct keeper *keeper_new(const char *path, int64_t sweep_before, int wake_fd, struct err *e);
/* Ends the thread when everything is kept, or after timeout_us (real time): then it is left behind and frees itself. */
bool keeper_stop(struct keeper *k, int64_t timeout_us); /* NULL is fine */
/* Takes `bytes` (from malloc) over. */
void keeper_put(struct keeper *k, const struct rollout_identity *who, const char *digest, int64_t tick, char *bytes,
                size_t n);
/* Drops what is kept of a rollout, or waits to be: a state of an earlier tick would not take its place. */
void keeper_drop(struct keeper *k, const struct rollout_identity *who);
/* Asks for a rollout's state; the answer carries `id`. */
void keeper_get(struct keeper *k, const struct rollout_identity *who, const char *digest, uint64_t id);
/* The next answer, or NULL; the caller frees it by kept_free(). An answer with id 0 only brings an error of a put. */
struct kept *keeper_done(struct keeper *k);
void kept_free(struct kept *a);

#endif
