/* The part "policy": which policy applies to a rollout: the first of the fleet's rules that matches it, else the
 * fleet's own. A rule with a device class waits for the list of wave 0; until then the fleet's policy is used. */
#ifndef ANDON_ENGINE_POLICY_H
#define ANDON_ENGINE_POLICY_H

#include <stdbool.h>
#include "core/policy.h"
#include "engine/parts.h"

struct ro_policy {
    const struct policy *applies; /* never NULL */
    bool final;
};

void policy_fix(struct ro *ro, const struct policy *p); /* this one, whatever the rules say: a rehearsal */

extern const struct part part_policy;

#endif
