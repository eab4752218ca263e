/* Makes a plan (core/plan.h) of what somebody has asked for: finds the release, the devices and what they bear, and
 * picks who is in which wave. Asks the server only; writes nothing anywhere. */
#ifndef ANDON_CLIENT_PLAN_MAKE_H
#define ANDON_CLIENT_PLAN_MAKE_H

#include "client/backend.h"
#include "core/plan_wish.h"

/* Devices that a wish itself cannot name: those of a file, read by the caller. */
struct plan_named {
    const char *const *raw_ids;
    size_t n;
};

/* Into *out and the arena, which both must live until `done` is called, as must the back end and what `named` names.
 * `salt` and `now` (wall clock, us) go into the plan. `named`: needed for a target of a file (ERR_SYNTAX without), else
 * NULL. `done` is called from http_run(), or from inside when the words are wrong (ERR_SYNTAX, ERR_LIMIT, ERR_RANGE) or
 * it is ERR_UNSUPPORTED. ERR_UNSUPPORTED: devices of this server cannot be told by name, or have no attributes;
 * ERR_NOT_FOUND: no such release or device; ERR_LIMIT: too many. *out is not to be used after an error. Ends in `done`
 * as the calls of a back end do; the reply is the last question's. */
void plan_make(struct backend *b, const struct plan_wish *w, const struct plan_named *named, uint64_t salt, int64_t now,
               struct arena *a, struct wave_plan *out, backend_done done, void *ctx);

#endif
