/* Roots of ranges of the log's tree, from the stored leaf hashes and a cache of what was computed before.
 *
 * The cache is a file with the roots of the complete subtrees of BLOCK entries, in order: 32 kB for a million. Nobody
 * trusts it: what it leads to is compared with a signed root by whoever uses it, and one that does not fit is made
 * anew. */
#ifndef ANDON_AUDIT_BLOCKS_H
#define ANDON_AUDIT_BLOCKS_H

#include "audit/store.h"
#include "audit/tree.h"

#define BLOCK_LEVEL 10
#define BLOCK       (UINT64_C(1) << BLOCK_LEVEL)

struct blocks {
    uint8_t (*root)[HASH_LEN];
    size_t n, cap;
    size_t loaded; /* of them from the file */
};

/* None yet; release frees what the others took. */
void blocks_init(struct blocks *b);
void blocks_release(struct blocks *b);
/* From the file; false when there is none that looks like one. */
bool blocks_load(struct blocks *b, const char *path);
/* Writes the file anew when there is more to keep than it has; its folder must be there. That it cannot be written is
 * no error: the next one computes more. */
void blocks_save(struct blocks *b, const char *path);
/* Computes those that are missing of the first `size` entries. Inside a transaction, as the next. */
bool blocks_fill(struct blocks *b, struct store *s, uint64_t size, struct err *e) ANDON_MUST_USE;
/* Root of the entries with the indexes from..to-1 (0 = genesis), a range of proof_ranges. ERR_TAMPERED: one of them is
 * not there. */
bool blocks_root(const struct blocks *b, struct store *s, uint64_t from, uint64_t to, uint8_t root[HASH_LEN],
                 struct err *e) ANDON_MUST_USE;

#endif
