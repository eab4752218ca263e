/* The part "policy": which policy applies to a rollout: the first of the fleet's rules that matches it, else the
 * fleet's own. A rule with a device class waits for the list of wave 0; until then the fleet's policy is used. */
#ifndef ANDON_ENGINE_POLICY_H
#define ANDON_ENGINE_POLICY_H

#include <stdbool.h>
#include "core/policy.h"
#include "engine/parts.h"

struct ro_policy {
    const struct policy *applies; /* never NULL */
    const struct policy *ruled;   /* what the rules say; else than `applies` while the rollout is held to other terms */
    bool final;
};

void policy_fix(struct ro *ro, const struct policy *p); /* this one, whatever the rules say: a rehearsal */

/* The rollout's tests go on as they began, whatever the rules say by now: `p`, which outlives the rollout or the next
 * such call; NULL: as the rules say. Nothing is announced. */
void policy_hold(struct ro *ro, const struct policy *p);

extern const struct part part_policy;

#endif
