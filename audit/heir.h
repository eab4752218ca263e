/* A log that goes on in another file (audit/chain.h), shown to a witness that knows the older one: then the witness can
 * take the new file's key by itself, in place of a person who writes it down.
 *
 *   andon-next 1\n
 *   the first entry of the new file, as it was hashed\n
 *   base64, one line for each hash: that it is the first of the checkpoint below (RFC 6962: from a tree of one entry)\n
 *   \n
 *   only of a log whose key was changed: the last entry of the older file\n
 *   and base64: the subtrees of all entries before it, largest first\n
 *   \n
 *   the new file's signed checkpoint
 *
 * What it shows: the first entry names the older file's origin, size and root, and they are those that the witness has
 * cosigned last; whoever signs the new file has the older one's key, or was named by an entry that this key has signed.
 * A log that was recovered shows neither, and is for people to look at. */
#ifndef ANDON_AUDIT_HEIR_H
#define ANDON_AUDIT_HEIR_H

#include "audit/log.h"
#include "audit/note.h"

#define HEIR_MAX ((size_t)56 << 10) /* of such a request */

/* Is it a key by which the witness knows the log of that name? */
typedef bool heir_known_fn(const void *ctx, const struct note_key *k);
/* `held`: what the witness has cosigned last of the older file. 200: *out is the new file's key. 400: no such request;
 * 403: of another log, of a key that is not known, or not what a rotation leaves; 409: the older file was not cosigned
 * to its end; 422: it contradicts what was cosigned, or does not prove what it says. *why: in words; static. */
int heir_judge(struct slice request, const struct checkpoint *held, heir_known_fn *known, const void *ctx,
               struct note_key *out, const char **why);

/* The log's side. So many older files it has here; k counts from the oldest. */
size_t heir_files(const struct audit_log *l);
/* The add-checkpoint request that brings a witness from `from` entries to the end of an older file; empty when that is
 * the end. `hash`: of its origin. ERR_RANGE: it has not so many. */
bool heir_final(struct audit_log *l, size_t k, uint64_t from, struct buf *body, char hash[SHA256_HEX],
                struct err *e) ANDON_MUST_USE;
/* The request above: what the older file k goes on in. */
bool heir_tell(struct audit_log *l, size_t k, struct buf *body, struct err *e) ANDON_MUST_USE;

#endif
