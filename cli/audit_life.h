/* andon audit rotate, rotate-key, recover, copy: the life of the log. */
#ifndef ANDON_CLI_AUDIT_LIFE_H
#define ANDON_CLI_AUDIT_LIFE_H

#include "cli/cli.h"

/* Each is a command, and gives an exit code. */
int audit_life_rotate(const struct args *a, const struct session *s);
int audit_life_rotate_key(const struct args *a, const struct session *s);
int audit_life_recover(const struct args *a, const struct session *s);
int audit_life_copy(const struct args *a, const struct session *s);

#endif
