/* andon audit redact: erases values that the log's entries commit to. */
#ifndef ANDON_CLI_AUDIT_REDACT_H
#define ANDON_CLI_AUDIT_REDACT_H

#include "cli/cli.h"

/* The command; its exit code. */
int audit_redact_run(const struct args *a, const struct session *s);

#endif
