/* What counts when vulnerabilities are put in order: the map `risk:` to struct risk_policy (core/risk.h), and `cra:`.
 * Part of conf/config.c. */
#ifndef ANDON_CONF_RISK_H
#define ANDON_CONF_RISK_H

#include "conf/yaml.h"
#include "core/risk.h"

extern const struct yfield risk_fields[], cra_fields[];

/* Reads a checked map; NULL = the map is not there: as built in. */
bool risk_read(const struct ynode *map, struct risk_policy *out, struct err *e) ANDON_MUST_USE;

#endif
