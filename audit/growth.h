/* What a witness is sent of this log: its signed checkpoint, and the proof that it holds what the witness has seen. */
#ifndef ANDON_AUDIT_GROWTH_H
#define ANDON_AUDIT_GROWTH_H

#include "audit/log.h"
#include "audit/note.h"
#include "audit/tree.h"

struct growth {
    struct tree tree;   /* of the log now */
    struct buf body;    /* of an add-checkpoint request; empty when there is nothing that the witness has not */
    int64_t newest_ask; /* the newest entry after `at` that is no receipt, 0 = there is none: receipts ask for none */
};
void growth_init(struct growth *g);
void growth_release(struct growth *g);
/* `at`: the tree of this log at the size that the witness has (tree_init: it has nothing). Reads only what is newer.
 * ERR_RANGE: the log is shorter than `at`. ERR_TAMPERED: its entries are not what its checkpoint signs. */
bool growth_since(struct audit_log *l, const struct tree *at, struct growth *g, struct err *e) ANDON_MUST_USE;
/* The tree of the first n entries, out of their stored hashes: 32 bytes each, some 1 s for a million. ERR_RANGE: there
 * are not so many. `t` may hold a tree of fewer entries of this log: then only the rest is read. */
bool growth_tree(struct audit_log *l, uint64_t n, struct tree *t, struct err *e) ANDON_MUST_USE;
/* Entries after `from` for a mirror of the log (audit/mirror.h): about `max` bytes of lines, of the first `to` entries,
 * with the proof that they belong to the tree of those. *after: the tree with them. */
bool growth_batch(struct audit_log *l, const struct tree *from, uint64_t to, size_t max, struct buf *body,
                  struct tree *after, struct err *e) ANDON_MUST_USE;
/* The signed checkpoint as it stands, and its size. */
bool growth_head(struct audit_log *l, struct buf *note, uint64_t *size, struct err *e) ANDON_MUST_USE;

#endif
