/* Where notices go: the map `notify:` to struct notify_spec (core/config.h). Part of conf/config.c. */
#ifndef ANDON_CONF_NOTIFY_H
#define ANDON_CONF_NOTIFY_H

#include "conf/yaml.h"
#include "core/config.h"

extern const struct yfield notify_fields[];

/* Reads a checked map; NULL = the map is not there: nobody is told. Paths are taken from `folder`. */
bool notify_read(const struct ynode *map, const char *folder, struct arena *a, struct notify_spec *out,
                 struct err *e) ANDON_MUST_USE;

#endif
