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

void tree_push(struct tree *t, const uint8_t leaf[HASH_LEN])
{
    uint8_t up[HASH_LEN];
    memcpy(up, leaf, HASH_LEN);
    size_t level = 0;
    for (; t->size >> level & 1; level++) /* like adding one in binary: each carry joins two equal subtrees */
        tree_node_hash(t->node[level], up, up);
    memcpy(t->node[level], up, HASH_LEN);
    t->size++;
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
