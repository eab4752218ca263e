/* The operator's own words about the devices: `inventory.yaml` (rules: the first match per field wins) and the file of
 * rows that it names under `devices`, one for each device (docs/inventory.md). Read whole and strictly; what is wrong
 * is said with file and line. */
#ifndef ANDON_CONF_INVENTORY_H
#define ANDON_CONF_INVENTORY_H

#include "conf/yaml.h"
#include "core/inventory.h"

#define INVENTORY_BYTES_MAX ((size_t)256 << 20)
#define INVENTORY_ROWS_MAX  ((size_t)1000000)

/* The rules, with the rows that they name (relative to their folder). Both files must belong to the user or root and
 * not be writable by others: they say what counts as safety-critical. Everything lives in the arena. */
bool inventory_load(const char *path, struct arena *a, struct inv_rules *out, struct err *e) ANDON_MUST_USE;
/* Rows from anybody's file, of which only a report is made: the same reading without the check of its owner. */
bool inventory_rows_load(const char *path, struct arena *a, struct inv_rows *out, struct err *e) ANDON_MUST_USE;
/* The same of what was read elsewhere; `name` in errors and as the rows' source. `devices` is not followed: "" or the
 * path as it stands. */
bool inventory_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct inv_rules *out,
                     const char **devices, struct err *e) ANDON_MUST_USE;
bool inventory_rows_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct inv_rows *out,
                          struct err *e) ANDON_MUST_USE;

#endif
