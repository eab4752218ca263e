/* The key `witness` of the configuration. Part of conf/config.c. */
#ifndef ANDON_CONF_WITNESS_H
#define ANDON_CONF_WITNESS_H

#include "conf/yaml.h"
#include "core/config.h"

extern const struct yfield witness_fields[];
/* Absent (NULL): nobody. Keys are checked by who uses them (audit/cosign.h, audit/witness.h). */
bool witness_read(const struct ynode *map, const char *folder, struct arena *a, struct witness_conf *out,
                  struct err *e) ANDON_MUST_USE;

#endif
