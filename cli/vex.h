/* Statements about vulnerabilities that people here made: kept in the log, as entries of kind vex. */
#ifndef ANDON_CLI_VEX_H
#define ANDON_CLI_VEX_H

#include "cli/cli.h"
#include "core/sbom.h"

/* Those that nobody has taken back, oldest first; ->document is "log #SEQ". No log is no statement. False with *e: the
 * log cannot be read, or an entry of it is damaged. In the arena. */
bool vex_of_log(const struct session *s, struct arena *a, struct vex **out, size_t *n, struct err *e) ANDON_MUST_USE;

/* A statement as an object; without `whole` it stays open for more members. */
void vex_json(const struct vex *v, struct json_w *w, bool whole);

#endif
