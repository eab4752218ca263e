/* The keys of a fleet whose back end is a plug-in, and of faults that are asked for. Part of conf/config.c. */
#ifndef ANDON_CONF_PLUGIN_H
#define ANDON_CONF_PLUGIN_H

#include "conf/yaml.h"
#include "core/config.h"

#define PLUGIN_LISTS_MAX   32 /* paths, and variables */
#define PLUGIN_OPTIONS_MAX 64

#define PLUGIN_FIELDS                                                                                                  \
    {.key = "plugin", .type = YT_STR, .doc = "kind plugin: NAME of andon-backend-NAME in the folder `plugins`"},       \
        {.key = "options",                                                                                             \
         .type = YT_DICT,                                                                                              \
         .item = YT_STR,                                                                                               \
         .max = PLUGIN_OPTIONS_MAX,                                                                                    \
         .doc = "kind plugin: what the plug-in itself is told; no secrets"},                                           \
        {.key = "read",                                                                                                \
         .type = YT_LIST,                                                                                              \
         .item = YT_STR,                                                                                               \
         .max = PLUGIN_LISTS_MAX,                                                                                      \
         .doc = "kind plugin: files and folders that it may read besides the system's own"},                           \
        {.key = "write",                                                                                               \
         .type = YT_LIST,                                                                                              \
         .item = YT_STR,                                                                                               \
         .max = PLUGIN_LISTS_MAX,                                                                                      \
         .doc = "kind plugin: folders that it may change files in (none)"},                                            \
    {                                                                                                                  \
        .key = "pass", .type = YT_LIST, .item = YT_STR, .max = PLUGIN_LISTS_MAX,                                       \
        .doc = "kind plugin: names of variables of andon's environment that it gets"                                   \
    }

extern const struct yfield fault_fields[];
/* The key faults of any fleet: how it is to misbehave. Refused for one in production. */
bool faults_read(const struct ynode *map, bool production, struct fault_spec *out, struct err *e) ANDON_MUST_USE;
/* `wanted`: the fleet is of kind plugin; else none of the keys may be there. `plugins` is the configured folder, "" =
 * none; paths are taken from `folder`. */
bool plugin_read(const struct ynode *map, bool wanted, const char *plugins, const char *folder, struct arena *a,
                 struct plugin_spec *out, struct err *e) ANDON_MUST_USE;

#endif
