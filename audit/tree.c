#include "audit/tree.h"

#include <string.h>
#include "core/entry.h"

void tree_init(struct tree *t)
{
    t->size = 0; /* the nodes are valid by the bits of size, so there is nothing to clear */
}

void tree_leaf_hash(const void *leaf, size_t n, uint8_t out[HASH_LEN])
{
    /* One call for the digest instead of three: an entry always fits. */
    uint8_t copy[1 + ENTRY_MAX];
    copy[0] = 0x00;
    if (n <= ENTRY_MAX) {
        memcpy(copy + 1, leaf, n);
        sha256_bytes(copy, n + 1, out);
        return;
    }
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, copy, 1);
    sha256_add(&h, leaf, n);
    sha256_done(&h, out);
}

void tree_node_hash(const uint8_t left[HASH_LEN], const uint8_t right[HASH_LEN], uint8_t out[HASH_LEN])
{
    uint8_t both[1 + 2 * HASH_LEN];
    both[0] = 0x01;
    memcpy(both + 1, left, HASH_LEN);
    memcpy(both + 1 + HASH_LEN, right, HASH_LEN);
    sha256_bytes(both, sizeof both, out);
}

bool tree_push_subtree(struct tree *t, unsigned level, const uint8_t root[HASH_LEN])
{
    uint8_t up[HASH_LEN];
    if (level >= TREE_DEPTH || t->size & ((UINT64_C(1) << level) - 1))
        return false;
    memcpy(up, root, HASH_LEN);
    uint64_t size = t->size + (UINT64_C(1) << level);
    for (; t->size >> level & 1; level++) /* like adding one in binary: each carry joins two equal subtrees */
        tree_node_hash(t->node[level], up, up);
    memcpy(t->node[level], up, HASH_LEN);
    t->size = size;
    return true;
}

void tree_push(struct tree *t, const uint8_t leaf[HASH_LEN])
{
    (void)tree_push_subtree(t, 0, leaf);
}

void tree_root(const struct tree *t, uint8_t out[HASH_LEN])
{
    bool have = false;
    for (size_t i = 0; i < TREE_DEPTH; i++) {
        if (!(t->size >> i & 1))
            continue;
        if (have)
            tree_node_hash(t->node[i], out, out);
        else
            memcpy(out, t->node[i], HASH_LEN);
        have = true;
    }
    if (!have)
        sha256_bytes(NULL, 0, out);
}

bool tree_hash_parse(const char *hex, size_t n, uint8_t out[HASH_LEN])
{
    if (n != 2 * HASH_LEN)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = hex[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        uint8_t half = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | half : half << 4);
    }
    return true;
}

size_t tree_pack(const struct tree *t, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = TREE_DEPTH; i-- > 0;) {
        if (t->size >> i & 1) {
            memcpy(out + n, t->node[i], HASH_LEN);
            n += HASH_LEN;
        }
    }
    return n;
}

bool tree_unpack(struct tree *t, uint64_t size, const uint8_t *bytes, size_t n)
{
    if (size >> TREE_DEPTH)
        return false;
    size_t need = 0;
    for (size_t i = 0; i < TREE_DEPTH; i++)
        need += (size >> i & 1) ? HASH_LEN : 0;
    if (n != need)
        return false;
    t->size = size;
    for (size_t i = TREE_DEPTH; i-- > 0;) {
        if (size >> i & 1) {
            memcpy(t->node[i], bytes, HASH_LEN);
            bytes += HASH_LEN;
        }
    }
    return true;
}

/* --- consistency --- */

struct growing {
    const struct tree *old;
    const uint8_t (*leaf)[HASH_LEN]; /* from old->size on */
    uint8_t (*out)[HASH_LEN];
    size_t n;
};

static size_t level_of(uint64_t power_of_two)
{
    return (size_t)__builtin_ctzll(power_of_two);
}

/* The largest power of two below n, n > 1. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static void emit_old(struct growing *g, uint64_t width)
{
    memcpy(g->out[g->n++], g->old->node[level_of(width)], HASH_LEN);
}

/* The root of n leaves, all of them new, from leaf `from` on. */
static void emit_new(struct growing *g, uint64_t from, uint64_t n)
{
    struct tree t;
    tree_init(&t);
    for (uint64_t i = 0; i < n; i++)
        tree_push(&t, g->leaf[from - g->old->size + i]);
    tree_root(&t, g->out[g->n++]);
}

/* SUBPROOF(m, D[from:from+n], whole) of RFC 6962. What it takes of the old tree is always a complete subtree of its
 * frontier: the recursion splits where that does. */
static void subproof(struct growing *g, uint64_t m, uint64_t from, uint64_t n, bool whole)
{
    if (m == n) {
        if (!whole)
            emit_old(g, n);
        return;
    }
    uint64_t k = split(n);
    if (m <= k) {
        subproof(g, m, from, k, whole);
        emit_new(g, from + k, n - k);
    } else {
        subproof(g, m - k, from + k, n - k, false);
        emit_old(g, k);
    }
}

size_t tree_grow_proof(const struct tree *old, const uint8_t (*leaf)[HASH_LEN], uint64_t n, uint8_t (*out)[HASH_LEN])
{
    struct growing g = {.old = old, .leaf = leaf, .out = out};
    if (old->size > 0 && n > 0)
        subproof(&g, old->size, 0, old->size + n, true);
    return g.n;
}

bool tree_grew(uint64_t old_n, const uint8_t old_root[HASH_LEN], uint64_t n, const uint8_t root[HASH_LEN],
               const uint8_t (*proof)[HASH_LEN], size_t n_proof)
{
    uint8_t was[HASH_LEN], is[HASH_LEN];
    size_t at = 0;
    if (old_n == 0)
        return n_proof == 0;
    if (old_n >= n)
        return old_n == n && n_proof == 0 && memcmp(old_root, root, HASH_LEN) == 0;
    uint64_t fn = old_n - 1, sn = n - 1;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    bool power = (old_n & (old_n - 1)) == 0; /* then the old root itself is the first node of the path */
    if (!power && n_proof == 0)
        return false;
    memcpy(was, power ? old_root : proof[at++], HASH_LEN);
    memcpy(is, was, HASH_LEN);
    for (; at < n_proof; at++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            tree_node_hash(proof[at], was, was);
            tree_node_hash(proof[at], is, is);
            for (; fn && !(fn & 1); fn >>= 1)
                sn >>= 1;
        } else {
            tree_node_hash(is, proof[at], is);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(was, old_root, HASH_LEN) == 0 && memcmp(is, root, HASH_LEN) == 0;
}
