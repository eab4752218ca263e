/* Can what a policy asks for under approval: be met, as far as this host can tell? */
#ifndef ANDON_CLI_APPROVAL_HEALTH_H
#define ANDON_CLI_APPROVAL_HEALTH_H

#include "core/err.h"
#include "core/policy.h"

/* True: `text` says how many people have keys. False: the list of signers, or of revoked keys, cannot be read or is not
 * in its form, names fewer people than are asked for, or ssh-keygen is missing. */
bool approval_health(const struct approval_policy *p, char text[200], struct err *e) ANDON_MUST_USE;

#endif
