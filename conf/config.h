/* The configuration file, $XDG_CONFIG_HOME/andon/config.yaml. Read, never written. */
#ifndef ANDON_CONF_CONFIG_H
#define ANDON_CONF_CONFIG_H

#include "conf/yaml.h"
#include "core/config.h"

/* Loads `path`; NULL = the XDG place. ERR_NOT_FOUND when there is none. The file must belong to the user or root and
 * not be writable by others. Policies named by fleets are loaded too, relative to the file's folder. */
bool config_load(const char *path, struct config *out, struct err *e) ANDON_MUST_USE;
void config_release(struct config *c);
/* The schema, for documentation. */
extern const struct yfield config_schema[];
/* $XDG_CONFIG_HOME/andon/NAME, $XDG_STATE_HOME/andon/NAME (with their defaults below $HOME); false when HOME is not
 * set. */
bool config_path(char *out, size_t size, const char *name);
bool state_path(char *out, size_t size, const char *name);
/* Where the log's spool lies unless `audit: spool:` says it, in order of choice, from 0: a folder of this user that
 * outlives a restart of the machine, then the session's in memory, which is on another file system than any log. False
 * when there is no such choice. */
bool spool_path(char *out, size_t size, int choice);

#endif
