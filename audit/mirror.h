/* What a witness keeps of a log beside its head: the entries themselves, and the blobs that they name. Then a log whose
 * host is lost, or that was put back, can be had again as far as the witness has it (audit/rebuild.h).
 *
 * In the witness's folder: HASH.entries (one line an entry, as in an export), HASH.mirrored (the signed checkpoint of
 * them) and HASH.blobs/DIGEST. Nothing is taken
 * that is not shown to be the log's: each batch comes with the proof that with it the mirror is the beginning of what
 * was cosigned (RFC 6962), and a blob must be named by an entry that is here. So nobody needs to log in. Not
 * thread-safe. */
#ifndef ANDON_AUDIT_MIRROR_H
#define ANDON_AUDIT_MIRROR_H

#include <stdbool.h>
#include <stdint.h>
#include "audit/tree.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

#define MIRROR_BATCH ((size_t)1 << 20)  /* of the lines in one request or answer, about */
#define MIRROR_POST  ((size_t)4 << 20)  /* of a request: a larger blob is not kept */
#define MIRROR_BYTES ((int64_t)8 << 30) /* of the entries of one log */
#define MIRROR_NAMES 256                /* missing blobs that one answer names */

struct mirror;
/* What lies in the folder; a last line that was not written to its end is cut off. NULL with *e. */
struct mirror *mirror_open(const char *folder, const char *hash, struct err *e);
void mirror_close(struct mirror *m); /* NULL is fine */
uint64_t mirror_size(const struct mirror *m);

/* The checkpoint of the newest size at which all that was cosigned was here too: of these entries, and of no more,
 * there is a signed head. False: there was none. */
bool mirror_note(const struct mirror *m, struct buf *out);
/* "from N", one line of base64 for each hash of the proof, an empty line, entries from N + 1 on, one a line. `size`,
 * `root` and `note` are what was cosigned. Durable when it is 200; 400, 409 (another N: *out has ours), 422 (not the
 * log's), 507 (full), 500. */
int mirror_add(struct mirror *m, struct slice request, uint64_t size, const uint8_t root[HASH_LEN], struct slice note,
               struct buf *out);
/* Lines from entry `from` + 1 on, about MIRROR_BATCH bytes of them; nothing behind the last. */
bool mirror_lines(const struct mirror *m, uint64_t from, struct buf *out);
/* Bytes that an entry here names. 200, 404 (no entry does), 500. */
int mirror_put_blob(struct mirror *m, struct slice bytes);
/* The digests of blobs that are named here and not kept, one a line, in the order in which they were named first, at
 * most MIRROR_NAMES; those after this one (64 hexadecimal digits; NULL: from the first). None after one that is not
 * named. */
void mirror_missing(const struct mirror *m, const char *after, struct buf *out);
bool mirror_blob(const struct mirror *m, const char *digest, struct buf *out);

#endif
