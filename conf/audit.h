/* The key `audit` of the configuration. Part of conf/config.c. */
#ifndef ANDON_CONF_AUDIT_H
#define ANDON_CONF_AUDIT_H

#include "conf/yaml.h"
#include "core/config.h"

extern const struct yfield audit_fields[];
/* Absent (NULL): each user's own log in its default place. Known keys are checked by who uses them (audit/known.h). */
bool audit_read(const struct ynode *audit, const char *folder, struct arena *a, struct config *out,
                struct err *e) ANDON_MUST_USE;

#endif
