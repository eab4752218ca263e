#include "audit/proof.h"

#include <inttypes.h>
#include <string.h>
#include "core/entry.h"

void proof_write(const struct proof *p, struct slice leaf, struct buf *out)
{
    buf_adds(out, PROOF_FIRST "\nextra ");
    base64_encode(out, leaf.p, leaf.n);
    buf_printf(out, "\nindex %" PRIu64 "\n", p->index);
    for (size_t i = 0; i < p->n; i++) {
        base64_encode(out, p->path[i], HASH_LEN);
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
    buf_add(out, p->note.p, p->note.n);
}

/* The next line, when it begins so: what follows. */
static bool head(struct slice *rest, const char *word, struct slice *out)
{
    size_t n = slice_of(word).n;
    if (!note_next_line(rest, out) || !slice_starts(*out, word))
        return false;
    *out = (struct slice){out->p + n, out->n - n};
    return true;
}

bool proof_read(const char *bytes, size_t n, struct proof *out, struct buf *leaf)
{
    struct slice rest = {bytes, n}, s;
    uint8_t entry[PROOF_MAX];
    size_t got;
    int64_t index;
    memset(out, 0, sizeof *out);
    if (n > PROOF_MAX || memchr(bytes, '\0', n) || !head(&rest, PROOF_FIRST, &s) || s.n != 0)
        return false;
    if (!head(&rest, "extra ", &s) || s.n == 0 || !base64_decode(s.p, s.n, entry, &got) || got > ENTRY_MAX ||
        !buf_add(leaf, entry, got))
        return false;
    if (!head(&rest, "index ", &s) || s.n == 0 || s.n > 15 || s.p[0] == '-' || (s.p[0] == '0' && s.n > 1) ||
        !slice_int(s, &index))
        return false;
    out->index = (uint64_t)index;
    while (note_next_line(&rest, &s) && s.n > 0) {
        if (out->n == TREE_DEPTH || s.n != 44 || !base64_decode(s.p, s.n, entry, &got) || got != HASH_LEN)
            return false;
        memcpy(out->path[out->n++], entry, HASH_LEN);
    }
    out->note = rest;
    return rest.n > 0 && s.n == 0;
}

bool proof_root(const struct proof *p, const uint8_t leaf[HASH_LEN], uint64_t size, uint8_t root[HASH_LEN])
{
    uint64_t at = p->index, last = size - 1;
    if (p->index >= size)
        return false;
    memcpy(root, leaf, HASH_LEN);
    for (size_t i = 0; i < p->n; i++) {
        if (last == 0)
            return false;
        if (at & 1 || at == last) {
            tree_node_hash(p->path[i], root, root);
            for (; !(at & 1) && at > 0; at >>= 1)
                last >>= 1; /* the last of its row goes up as it is while it has no neighbour */
        } else {
            tree_node_hash(root, p->path[i], root);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0;
}

size_t proof_ranges(uint64_t index, uint64_t size, struct proof_range out[TREE_DEPTH])
{
    struct proof_range down[TREE_DEPTH];
    size_t n = 0;
    for (uint64_t from = 0, to = size; to - from > 1;) {
        uint64_t half = 1; /* the largest power of two below the number of leaves */
        while (half * 2 < to - from)
            half *= 2;
        bool left = index < from + half;
        down[n++] = left ? (struct proof_range){from + half, to} : (struct proof_range){from, from + half};
        if (left)
            to = from + half;
        else
            from += half;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = down[n - 1 - i];
    return n;
}
