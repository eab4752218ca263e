/* The part "rollback": the saga that brings devices back to the release that they came from. Its inside is in
 * engine/rollback_saga.h. */
#ifndef ANDON_ENGINE_ROLLBACK_H
#define ANDON_ENGINE_ROLLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include "audit/log.h"
#include "client/backend.h"
#include "core/snapshot.h"
#include "engine/parts.h"

struct op;
struct rollback;

/* A release that is being looked up by "name:version", as one to go back to. In its owner's memory, zeroed. */
struct target_ask {
    void (*then)(void *ctx); /* the owner's; called when it is known, or could not be asked for */
    void *ctx;
    enum target_state state;
    enum err_code code;
    char name[200], why[320];
    struct release to; /* TARGET_FOUND */
    bool busy;
    /* rollback_target.c's own */
    struct engine *en;
    struct arena arena;
    struct release bad;
    int64_t serial;
    size_t at;
    int splits;
};

struct ro_rollback {
    struct rollback *saga; /* of this rollout, the newest; NULL */
    enum rollback_step step;
    char of[ID_MAX]; /* it is itself a roll back, that andon made, of this rollout; "" */
};

/* Takes a checked intent on: into the log, then step by step. */
void rollback_begin(struct engine *en, struct op *op);
/* One of an earlier session, from its steps in the log. */
void rollback_resume(struct engine *en, struct op *op, const struct stored *steps, size_t n, char **blobs);
/* By a note that a known key has signed, this rollout is the roll back of `of`, made by another andon. */
void rollback_is_of(struct ro *ro, const char *of);
void rollback_view(const struct ro *ro, struct arena *a, struct rollback_view *out);
/* Asks the server for `name`, to which `ro` would be rolled back, and whether devices can be found by both releases. An
 * answer about the same name stands until the new one. May call `then` before it returns. */
void target_find(struct target_ask *t, const struct ro *ro, const char *name);
/* Answers under way are dropped; the state is forgotten unless it is to be kept. */
void target_forget(struct target_ask *t, bool keep);
/* "name:version" that a device had before this rollout, by its own history; "" = it cannot be told. */
const char *origin_of(const struct device_info *d, const struct rollout *r, struct arena *a);

/* One of this rollout is under way, or has sent something: what becomes of the rollout is a person's from then on. */
bool rollback_acted(const struct ro *ro);
static inline bool rollback_runs(const struct ro_rollback *rb)
{
    return rb->step != RB_NONE && rb->step != RB_DONE;
}

extern const struct part part_rollback;

#endif
