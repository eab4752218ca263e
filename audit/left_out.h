/* The entries that a slice of the log leaves out, as hashes: the file "left-out" of an exported folder.
 *
 *   FROM COUNT HASH
 *
 * one line for each complete subtree of the tree that has none of the entries that are shown: its first entry (1 =
 * genesis), how many it has (a power of two, of which FROM - 1 is a multiple), and its root in 64 hexadecimal digits.
 * In order, and together with the entries that are shown each entry of the log once: then the root of the whole tree
 * is recomputed from both. */
#ifndef ANDON_AUDIT_LEFT_OUT_H
#define ANDON_AUDIT_LEFT_OUT_H

#include "audit/tree.h"
#include "core/buf.h"
#include "core/slice.h"

#define LEFT_OUT_NAME "left-out"
#define LEFT_OUT_MAX  ((size_t)1 << 30) /* bytes of the file */

/* Entries that follow each other and are left out, in subtrees as large as they can be. */
struct left_out {
    struct left_run {
        uint64_t from; /* 1 = genesis */
        unsigned level;
        uint8_t hash[HASH_LEN];
    } run[2 * TREE_DEPTH]; /* sizes grow to the largest and fall after it */
    size_t n;
};

/* The entry with this index (0 = genesis), the next after what was added before. */
void left_out_add(struct left_out *g, uint64_t index, const uint8_t leaf[HASH_LEN]);
/* Appends the lines of what was added, and forgets it. */
void left_out_write(struct left_out *g, struct buf *out);
/* Reads the line at *rest and takes it off: false at the end, and with *bad when what is there is no such line. */
bool left_out_read(struct slice *rest, struct left_run *out, bool *bad);

#endif
