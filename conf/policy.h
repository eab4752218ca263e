/* Policy files: YAML to core/policy.h. */
#ifndef ANDON_CONF_POLICY_H
#define ANDON_CONF_POLICY_H

#include "conf/yaml.h"
#include "core/policy.h"

/* Into the arena; digest is the sha-256 of the file's bytes. NULL with *e filled. */
const struct policy *policy_load(const char *path, struct arena *a, struct err *e);
/* From an already checked node (a policy inside a configuration or a scenario). */
const struct policy *policy_from_node(const struct ynode *node, const char *name, struct arena *a, struct err *e);
extern const struct yfield policy_schema[];

#endif
