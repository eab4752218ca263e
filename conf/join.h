/* How series are joined to devices: a telemetry source's keys join_label and join. Part of conf/config.c. */
#ifndef ANDON_CONF_JOIN_H
#define ANDON_CONF_JOIN_H

#include "conf/yaml.h"
#include "core/config.h"

extern const struct yfield join_fields[];

/* Reads them from a checked map; `dflt` is the preset's label. *label is never NULL. */
bool join_read(const struct ynode *map, const char *dflt, struct arena *a, const char **label, struct join_spec *out,
               struct err *e) ANDON_MUST_USE;

#endif
