/* Secrets: read from where the configuration says they are, never from the configuration itself.
 *
 * A command is run without a shell, with a time limit and its error output thrown away (a helper may print the secret
 * there); a file must not be readable by others; a variable is taken as it is. One trailing line end is dropped.
 * Errors name the source, never its content. */
#ifndef ANDON_CLIENT_SECRET_H
#define ANDON_CLIENT_SECRET_H

#include <stdbool.h>
#include <stdint.h>
#include "core/config.h"
#include "core/err.h"

#define SECRET_BYTES_MAX 8192
#define SECRET_LIMIT_US  (10 * INT64_C(1000000))

/* *out is for secret_free(). SECRET_NONE gives NULL and true. limit_us bounds the command (SECRET_LIMIT_US). */
bool secret_read(const struct secret_ref *ref, int64_t limit_us, char **out, struct err *e) ANDON_MUST_USE;
/* Overwrites and frees. NULL is fine. */
void secret_free(char *s);

#endif
