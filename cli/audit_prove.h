/* andon audit prove. */
#ifndef ANDON_CLI_AUDIT_PROVE_H
#define ANDON_CLI_AUDIT_PROVE_H

#include "cli/cli.h"

/* The command; its exit code. */
int audit_prove_run(const struct args *a, const struct session *s);
/* What `audit verify FILE` does with a proof; an exit code. */
int audit_verify_proof_file(const struct args *a, const struct session *s, const char *path);

#endif
