/* Statements about vulnerabilities that people here made: kept in the log, as entries of kind vex. */
#ifndef ANDON_CLI_VEX_H
#define ANDON_CLI_VEX_H

#include "cli/cli.h"
#include "core/sbom.h"

/* A statement as an object; without `whole` it stays open for more members. */
void vex_json(const struct vex *v, struct json_w *w, bool whole);

#endif
