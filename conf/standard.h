/* Mappings of standards: YAML files that say what a report is to show, and by which entries (docs/audit.md). The
 * shipped ones (docs/audit-tools/reports) are embedded. */
#ifndef ANDON_CONF_STANDARD_H
#define ANDON_CONF_STANDARD_H

#include "core/arena.h"
#include "core/err.h"
#include "core/standard.h"

/* The names of the shipped ones, NULL-terminated. */
const char *const *standard_names(void);
/* A shipped mapping; false with *e when there is none of that name. Everything lives in the arena. */
bool standard_shipped(const char *name, struct arena *a, struct standard *out, struct err *e) ANDON_MUST_USE;
/* From a file of somebody's own. Errors name file, line and what was expected. */
bool standard_load(const char *path, struct arena *a, struct standard *out, struct err *e) ANDON_MUST_USE;
/* From text; `name` is used in errors. */
bool standard_parse(const char *name, const char *text, size_t n, struct arena *a, struct standard *out,
                    struct err *e) ANDON_MUST_USE;

#endif
