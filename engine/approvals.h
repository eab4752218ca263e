/* The part "approvals": who has approved what, by signatures that are in the log (core/approval.h).
 *
 * Where a policy asks for approvals, the log is read for new ones each APPROVALS_EACH_US, and before a verb that needs
 * them is checked; then ssh-keygen checks the signatures, on a thread of its own, against the policy's list of signers
 * as it is at that moment. Who can write to the log cannot approve in another's name: what is in it counts only as far
 * as its signature does. One is used up when the server shows what it was for. */
#ifndef ANDON_ENGINE_APPROVALS_H
#define ANDON_ENGINE_APPROVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/approval.h"
#include "core/arena.h"
#include "engine/parts.h"

#define APPROVALS_EACH_US (10 * INT64_C(1000000))
#define APPROVALS_KEPT    64 /* of a fleet; the newest */

struct aside;
struct approval_kept;
struct en_approvals {
    struct aside *thread;       /* NULL: not needed so far */
    unsigned outstanding;       /* jobs that it has */
    struct approval_kept *kept; /* oldest first */
    size_t n;
    int64_t seq; /* the log was read up to here */
    char log[128];
    bool under_way, again;       /* a look is; another is wanted behind it */
    bool anew;                   /* the look at hand checks again what was found good a moment ago */
    int64_t begun, done;         /* when the newest look began, and the newest that has ended; -1 = none has */
    struct err err;              /* of that one */
    struct approval_state state; /* approvals_of()'s */
    char problem[320];
    char told[2][256];               /* approvals_tell()'s words */
    void (*then)(struct engine *en); /* who waits for the look that is wanted */
};

/* What counts for the rollout as it stands. NULL: its policy asks for none. Valid until it is called again. */
const struct approval_state *approvals_of(struct engine *en, const struct ro *ro);
/* The same for a snapshot, in its arena. */
const struct approval_state *approvals_shown(struct engine *en, const struct ro *ro, struct arena *a);
/* Before a verb is checked: is what the log says of it known? Else it is looked up, and then() is called. */
bool approvals_ready(struct engine *en, const struct op *op, void (*then)(struct engine *en));
struct entry;
/* What the entry of an intent says about those that it goes by; the words are good until the next call. */
void approvals_tell(struct engine *en, const struct op *op, struct entry *e);

extern const struct part part_approvals;

#endif
