/* The sequential tests of a policy: the map `evidence:` to struct evidence_policy (core/policy.h). Part of
 * conf/policy.c. */
#ifndef ANDON_CONF_EVIDENCE_H
#define ANDON_CONF_EVIDENCE_H

#include "conf/yaml.h"
#include "core/policy.h"

extern const struct yfield evidence_fields[];

/* Reads a checked map into *out, which holds what applies where the map says nothing; NULL = the map is not there. What
 * would break the promise of docs/statistics.md is refused: shares of more than the whole, a halt on less evidence than
 * alpha asks for, a roll back on less than ten times of it unless the file says that it wants that. */
bool evidence_read(const struct ynode *map, struct evidence_policy *out, struct arena *a, struct err *e) ANDON_MUST_USE;

#endif
