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
/* "name:version" that a device had before this rollout, by its own history; "" = it cannot be told. */
const char *origin_of(const struct device_info *d, const char *rollout, const char *bad, struct arena *a);

static inline bool rollback_runs(const struct ro_rollback *rb)
{
    return rb->step != RB_NONE && rb->step != RB_DONE;
}

extern const struct part part_rollback;

#endif
