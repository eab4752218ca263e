/* The keys of logs that a reader knows: whose signature under a note means that it is theirs.
 *
 * This log's own key, and those that the configuration names (audit: known_keys:). Checking one signature takes about
 * 0.1 ms and touches no file. */
#ifndef ANDON_AUDIT_KNOWN_H
#define ANDON_AUDIT_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include "core/err.h"
#include "core/slice.h"

#define KNOWN_KEYS_MAX 32

struct known_keys;

/* Knows none. */
struct known_keys *known_keys_new(void);
void known_keys_free(struct known_keys *k); /* NULL is fine */
/* Adds a verifier key (audit/note.h); once, however often. `own`: of the log here. ERR_SYNTAX; ERR_LIMIT. */
bool known_keys_add(struct known_keys *k, const char *vkey, bool own, struct err *e) ANDON_MUST_USE;
/* The name of a key that has signed `text` (which ends in a newline) by one of these signature lines, NULL when none
 * that is known has. *own: the log's own is among them. */
const char *known_keys_signer(const struct known_keys *k, struct slice text, struct slice lines, bool *own);

#endif
