/* The proof that one entry is in the log: C2SP tlog-proof, a text of about 2 kB that anybody verifies with the log's
 * verifier key alone.
 *
 *   c2sp.org/tlog-proof@v1
 *   extra BASE64                 the entry: the exact bytes that were hashed
 *   index 4                      its number less one
 *   BASE64                       the inclusion proof of RFC 6962 (section 2.1.1), from the entry's neighbour upwards
 *   ...
 *                                an empty line, then the checkpoint with its signature and cosignatures
 *
 * The format leaves to each log what the extra data is. A reader takes no other form, to the byte. */
#ifndef ANDON_AUDIT_PROOF_H
#define ANDON_AUDIT_PROOF_H

#include "audit/note.h"
#include "audit/tree.h"
#include "core/slice.h"

#define PROOF_FIRST "c2sp.org/tlog-proof@v1"
#define PROOF_MAX   ((size_t)64 << 10) /* bytes of the text */

struct proof {
    uint64_t index;
    uint8_t path[TREE_DEPTH][HASH_LEN];
    size_t n;
    struct slice note; /* the signed checkpoint; borrows */
};

/* Appends the text. */
void proof_write(const struct proof *p, struct slice leaf, struct buf *out);
/* Reads it; the leaf is appended to *leaf. False when it is not well formed. */
bool proof_read(const char *bytes, size_t n, struct proof *out, struct buf *leaf);
/* The root of a tree of `size` leaves that has this leaf at p->index: false when the path has not the length for that
 * (RFC 9162, section 2.1.3.2). */
bool proof_root(const struct proof *p, const uint8_t leaf[HASH_LEN], uint64_t size, uint8_t root[HASH_LEN]);

/* The neighbours whose roots make the path of an entry: ranges of indexes, from the entry's own neighbour upwards.
 * Returns how many. */
struct proof_range {
    uint64_t from, to; /* to: the first behind it */
};
size_t proof_ranges(uint64_t index, uint64_t size, struct proof_range out[TREE_DEPTH]);

#endif
