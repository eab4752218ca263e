#include "audit/growth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"

void growth_init(struct growth *g)
{
    memset(g, 0, sizeof *g);
    buf_init(&g->body, NOTE_MAX + (size_t)TREE_PROOF_MAX * 48);
}

void growth_release(struct growth *g)
{
    buf_release(&g->body);
}

struct reading {
    const struct tree *at; /* since when */
    struct growth *g;
    uint8_t (*leaf)[HASH_LEN];
    size_t n, cap;
    bool bad;
};

static bool on_row(void *ctx, const struct store_row *row)
{
    struct reading *r = ctx;
    struct leaf l;
    r->bad = row->hash_n != HASH_LEN || row->seq != (int64_t)(r->at->size + r->n + 1) ||
             !leaf_scan(row->leaf, row->leaf_n, &l);
    if (r->bad)
        return false;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->leaf = xreallocarray(r->leaf, r->cap, sizeof *r->leaf);
    }
    memcpy(r->leaf[r->n++], row->hash, HASH_LEN);
    if (!leaf_is(l.kind, "receipt"))
        r->g->newest_ask = row->seq;
    return true;
}

static bool not_signed(struct err *e)
{
    return err_set(e, ERR_TAMPERED, "run `andon audit verify`",
                   "audit log: its entries are not what its checkpoint signs");
}

static bool since(struct audit_log *l, void *ctx, struct err *e)
{
    struct reading *r = ctx;
    struct growth *g = r->g;
    struct store_head h;
    uint8_t root[HASH_LEN], signed_root[HASH_LEN], proof[TREE_PROOF_MAX][HASH_LEN];
    r->n = 0;
    g->newest_ask = 0;
    buf_clear(&g->body);
    if (!store_head(l->store, &h, e) || !book_head_ok(l->store, &h, &l->name, l->verifier, e))
        return false;
    if (h.tree.size < r->at->size)
        return err_set(e, ERR_RANGE, "", "audit log %.200s: it has %" PRIu64 " entries, not %" PRIu64, l->db_path,
                       h.tree.size, r->at->size);
    g->tree = *r->at;
    if (!store_rows(l->store, (int64_t)r->at->size + 1, (int64_t)h.tree.size, false, on_row, r, e))
        return false;
    for (size_t i = 0; i < r->n; i++)
        tree_push(&g->tree, r->leaf[i]);
    tree_root(&g->tree, root);
    tree_root(&h.tree, signed_root);
    if (r->bad || g->tree.size != h.tree.size || memcmp(root, signed_root, HASH_LEN) != 0)
        return not_signed(e);
    if (r->n == 0)
        return true;
    size_t n = tree_grow_proof(r->at, (const uint8_t(*)[HASH_LEN])r->leaf, r->n, proof);
    buf_printf(&g->body, "old %" PRIu64 "\n", r->at->size);
    for (size_t i = 0; i < n; i++) {
        base64_encode(&g->body, proof[i], HASH_LEN);
        buf_addc(&g->body, '\n');
    }
    buf_addc(&g->body, '\n');
    return buf_add(&g->body, h.note, h.note_n) || err_set(e, ERR_LIMIT, "", "audit log: its checkpoint is too long");
}

bool growth_since(struct audit_log *l, const struct tree *at, struct growth *g, struct err *e)
{
    struct reading r = {.at = at, .g = g};
    bool ok = book_read(l, since, &r, e);
    free(r.leaf);
    return ok;
}

struct rebuild {
    struct tree tree;
    uint64_t n;
    bool bad;
};

static bool on_hash(void *ctx, const struct store_row *row)
{
    struct rebuild *b = ctx;
    b->bad = row->hash_n != HASH_LEN || row->seq != (int64_t)b->tree.size + 1;
    if (b->bad)
        return false;
    tree_push(&b->tree, row->hash);
    return true;
}

static bool rebuild(struct audit_log *l, void *ctx, struct err *e)
{
    struct rebuild *b = ctx;
    if (!store_rows(l->store, (int64_t)b->tree.size + 1, (int64_t)b->n, false, on_hash, b, e))
        return false;
    if (b->bad)
        return not_signed(e);
    return b->tree.size == b->n || err_set(e, ERR_RANGE, "", "audit log: it has not so many entries");
}

bool growth_tree(struct audit_log *l, uint64_t n, struct tree *t, struct err *e)
{
    struct rebuild b = {.tree = *t, .n = n};
    if (n < b.tree.size)
        tree_init(&b.tree);
    if (n > INT64_MAX || !book_read(l, rebuild, &b, e))
        return n <= INT64_MAX ? false : err_set(e, ERR_RANGE, "", "audit log: it has not so many entries");
    *t = b.tree;
    return true;
}

struct batching {
    const struct tree *from;
    uint64_t to;
    size_t max;
    struct buf lines;
    uint8_t (*leaf)[HASH_LEN];
    size_t n, cap, lined; /* hashes; of them, with their lines */
    bool bad;
};

static bool on_batch(void *ctx, const struct store_row *row)
{
    struct batching *b = ctx;
    b->bad = row->hash_n != HASH_LEN || row->seq != (int64_t)(b->from->size + b->n + 1);
    if (b->bad)
        return false;
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 256;
        b->leaf = xreallocarray(b->leaf, b->cap, sizeof *b->leaf);
    }
    memcpy(b->leaf[b->n++], row->hash, HASH_LEN);
    if (b->lined + 1 == b->n && (b->lined == 0 || b->lines.len + row->leaf_n < b->max)) {
        buf_add(&b->lines, row->leaf, row->leaf_n);
        buf_addc(&b->lines, '\n');
        b->lined++;
    }
    return true;
}

static bool batch(struct audit_log *l, void *ctx, struct err *e)
{
    struct batching *b = ctx;
    b->n = b->lined = 0;
    buf_clear(&b->lines);
    return store_rows(l->store, (int64_t)b->from->size + 1, (int64_t)b->to, false, on_batch, b, e) &&
           (!b->bad || not_signed(e));
}

bool growth_batch(struct audit_log *l, const struct tree *from, uint64_t to, size_t max, struct buf *body,
                  struct tree *after, struct err *e)
{
    struct batching b = {.from = from, .to = to, .max = max};
    uint8_t proof[TREE_PROOF_MAX][HASH_LEN];
    buf_init(&b.lines, max + ENTRY_MAX + 2);
    bool ok = book_read(l, batch, &b, e);
    if (ok) {
        *after = *from;
        for (size_t i = 0; i < b.lined; i++)
            tree_push(after, b.leaf[i]);
        size_t n = tree_grow_proof(after, (const uint8_t(*)[HASH_LEN])b.leaf + b.lined, b.n - b.lined, proof);
        buf_printf(body, "from %" PRIu64 "\n", from->size);
        for (size_t i = 0; i < n; i++) {
            base64_encode(body, proof[i], HASH_LEN);
            buf_addc(body, '\n');
        }
        buf_addc(body, '\n');
        ok = buf_add(body, b.lines.data, b.lines.len) || err_set(e, ERR_LIMIT, "", "audit log: a batch is too long");
    }
    buf_release(&b.lines);
    free(b.leaf);
    return ok;
}

static bool head_note(struct audit_log *l, void *ctx, struct err *e)
{
    struct store_head h;
    struct buf *note = ctx;
    buf_clear(note);
    return store_head(l->store, &h, e) && buf_add(note, h.note, h.note_n);
}

bool growth_head(struct audit_log *l, struct buf *note, uint64_t *size, struct err *e)
{
    struct checkpoint c;
    struct slice body, lines;
    if (!book_read(l, head_note, note, e) || !note_split(note->data, note->len, &c, &body, &lines))
        return false;
    *size = c.size;
    return true;
}
