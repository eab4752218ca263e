/* andon audit fetch: the log again, from a witness that has kept its entries. */
#ifndef ANDON_CLI_AUDIT_FETCH_H
#define ANDON_CLI_AUDIT_FETCH_H

#include "cli/cli.h"

/* The command; an exit code. */
int audit_fetch(const struct args *a, const struct session *s);

#endif
