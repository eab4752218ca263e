/* A proof, a manifest and a list of what a slice leaves out, from strangers: each has one form, so what is read is
 * written again as the same bytes. */
#include "fuzz.h"

#include <string.h>
#include "audit/left_out.h"
#include "audit/manifest.h"
#include "audit/proof.h"

static bool same(const struct buf *b, const uint8_t *data, size_t n)
{
    return b->len == n && (n == 0 || memcmp(b->data, data, n) == 0);
}

static void proof(const uint8_t *data, size_t n)
{
    struct proof p;
    struct buf leaf, again;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    struct proof_range range[TREE_DEPTH];
    buf_init(&leaf, 1 << 16);
    buf_init(&again, 1 << 17);
    if (proof_read((const char *)data, n, &p, &leaf)) {
        proof_write(&p, (struct slice){leaf.data, leaf.len}, &again);
        must(same(&again, data, n));
        tree_leaf_hash(leaf.data, leaf.len, hash);
        for (uint64_t size = p.index; size <= p.index + 3; size++) /* only a path of the right length leads anywhere */
            must(!proof_root(&p, hash, size, root) || (size > p.index && p.n == proof_ranges(p.index, size, range)));
    }
    buf_release(&leaf);
    buf_release(&again);
}

static void manifest(const uint8_t *data, size_t n)
{
    struct manifest m;
    struct slice text, lines;
    struct buf again;
    buf_init(&again, 1 << 20);
    if (manifest_parse((const char *)data, n, &m, &text, &lines)) {
        for (size_t i = 0; i < m.n; i++) {
            must(manifest_find(&m, m.file[i].name) == &m.file[i]);
            must(m.file[i].name.n <= MANIFEST_NAME_MAX && m.file[i].name.p[0] != '.' && m.file[i].name.p[0] != '/');
            must(!memmem(m.file[i].name.p, m.file[i].name.n, "../", 3));
        }
        if (!memchr(text.p, '\0', text.n)) {
            manifest_text(&m, &again);
            buf_add(&again, "\n", 1);
            buf_add(&again, lines.p, lines.n);
            must(same(&again, data, n));
        }
    }
    manifest_release(&m);
    buf_release(&again);
}

static void left_out(const uint8_t *data, size_t n)
{
    struct slice rest = {(const char *)data, n};
    struct left_run r;
    struct tree t;
    bool bad;
    tree_init(&t);
    while (left_out_read(&rest, &r, &bad))
        if (r.from == t.size + 1)
            must(tree_push_subtree(&t, r.level, r.hash));
    must(bad == (rest.n > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    proof(data, n);
    manifest(data, n);
    left_out(data, n);
    return 0;
}
