/* Scenarios that are compiled into the program, and scenario files. */
#ifndef ANDON_DRILL_SHIPPED_H
#define ANDON_DRILL_SHIPPED_H

#include "conf/scenario.h"

/* By the name of a shipped scenario, or by a path (anything with a '/' or ending in .yaml). NULL with *e filled: for
 * an unknown name it lists the known ones. */
const struct scenario *drill_scenario(const char *name_or_path, struct arena *a, struct err *e);
/* Names of the shipped ones, NULL-terminated, in the order in which help lists them. */
const char *const *drill_scenario_names(void);
/* The file's text, for `andon drill --show` and the tests; NULL when there is none of this name. */
const char *drill_scenario_text(const char *name, size_t *n);
/* What is known of a drill's devices, as conf/inventory.h reads it. */
const char *drill_inventory_text(size_t *n);

#endif
