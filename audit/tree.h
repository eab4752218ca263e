/* The Merkle tree of RFC 6962, section 2.1 (same hashes as RFC 9162): leaf = SHA-256(0x00 || bytes), node =
 * SHA-256(0x01 || left || right); a tree of n leaves splits at the largest power of two below n.
 *
 * Only the frontier is kept (the roots of the complete subtrees that n leaves fall into, at most 64): pushing a leaf
 * costs one hash a step, the root one hash a subtree. Inner nodes are never stored: a proof is made from the leaf
 * hashes when somebody asks for it. */
#ifndef ANDON_AUDIT_TREE_H
#define ANDON_AUDIT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/digest.h"

#define HASH_LEN   SHA256_BYTES
#define HASH_HEX   SHA256_HEX
#define TREE_DEPTH 63 /* sizes are below 2^63 */

struct tree {
    uint64_t size;
    uint8_t node[TREE_DEPTH][HASH_LEN]; /* node[i]: complete subtree of 2^i leaves; valid when bit i of size is set */
};

/* A tree without leaves. */
void tree_init(struct tree *t);
/* Hash of the n bytes of a leaf. */
void tree_leaf_hash(const void *leaf, size_t n, uint8_t out[HASH_LEN]);
/* Hash of a node; out may be one of the two. */
void tree_node_hash(const uint8_t left[HASH_LEN], const uint8_t right[HASH_LEN], uint8_t out[HASH_LEN]);
/* Adds the hash of the next leaf. */
void tree_push(struct tree *t, const uint8_t leaf[HASH_LEN]);
/* Adds a complete subtree of 2^level leaves by its root; false when the tree's size is no multiple of 2^level. */
bool tree_push_subtree(struct tree *t, unsigned level, const uint8_t root[HASH_LEN]);
/* Root of the leaves pushed so far; SHA-256 of nothing for an empty tree. */
void tree_root(const struct tree *t, uint8_t out[HASH_LEN]);

/* 64 lower-case hexadecimal digits into a hash. */
bool tree_hash_parse(const char *hex, size_t n, uint8_t out[HASH_LEN]);

/* Consistency (RFC 6962, section 2.1.2): that one tree is the beginning of another. */
#define TREE_PROOF_MAX TREE_DEPTH /* hashes of a proof; C2SP tlog-witness takes no more */
/* The proof from `old` to the tree that has n more leaves: their hashes, and nothing of the leaves before them, is all
 * that it takes. Returns how many hashes were put into `out`, which has room for TREE_PROOF_MAX. */
size_t tree_grow_proof(const struct tree *old, const uint8_t (*leaf)[HASH_LEN], uint64_t n, uint8_t (*out)[HASH_LEN]);
/* Does the proof show that the tree of old_n leaves is the beginning of that of n? (RFC 9162, section 2.1.4.2.) The
 * empty tree is the beginning of each, without a proof. */
bool tree_grew(uint64_t old_n, const uint8_t old_root[HASH_LEN], uint64_t n, const uint8_t root[HASH_LEN],
               const uint8_t (*proof)[HASH_LEN], size_t n_proof);

/* The frontier as bytes, largest subtree first. `out` has room for TREE_DEPTH hashes; returns the bytes used. */
size_t tree_pack(const struct tree *t, uint8_t *out);
/* False when n bytes are not the frontier of a tree of that size. */
bool tree_unpack(struct tree *t, uint64_t size, const uint8_t *bytes, size_t n);

#endif
