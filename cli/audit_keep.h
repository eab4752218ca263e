/* andon audit hold, prune: how long the log's older files are kept. */
#ifndef ANDON_CLI_AUDIT_KEEP_H
#define ANDON_CLI_AUDIT_KEEP_H

#include "cli/cli.h"

/* Each is a command, and gives an exit code. */
int audit_keep_hold(const struct args *a, const struct session *s);
int audit_keep_prune(const struct args *a, const struct session *s);

#endif
