#include "audit/heir.h"

#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/growth.h"
#include "audit/turn.h"

#define FIRST "andon-next 1"

/* --- the witness's side --- */

struct hashes {
    uint8_t v[TREE_PROOF_MAX][HASH_LEN];
    size_t n;
};

struct shown {
    struct slice genesis, last, note;
    struct hashes first, before; /* before: the frontier before the last entry */
    struct previous says;
    struct note_key older;
};

static bool read_request(struct slice s, struct shown *r, struct note_key *key)
{
    struct slice line;
    if (s.n > HEIR_MAX || memchr(s.p, '\0', s.n) || !note_next_line(&s, &line) || !slice_is(line, FIRST) ||
        !note_next_line(&s, &r->genesis) || !note_hashes(&s, r->first.v, &r->first.n) || !note_next_line(&s, &r->last))
        return false;
    if (r->last.n > 0 && !note_hashes(&s, r->before.v, &r->before.n))
        return false;
    r->note = s;
    return chain_says(r->genesis.p, r->genesis.n, &r->says) && book_leaf_key(r->genesis.p, r->genesis.n, key, NULL) &&
           note_key_parse(&r->older, r->says.vkey, NULL) && strcmp(r->older.name, r->says.have.origin) == 0;
}

/* Does the older file end with an entry that names this key? */
static bool was_named(const struct shown *r, const struct checkpoint *held, const struct note_key *key)
{
    struct leaf l;
    struct member m;
    struct tree t;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    bool named = false;
    if (r->last.n == 0 || !leaf_scan(r->last.p, r->last.n, &l) || !leaf_is(l.kind, "key") ||
        !leaf_is(l.result, "changed") ||
        !tree_unpack(&t, held->size - 1, (const uint8_t *)r->before.v, r->before.n * HASH_LEN))
        return false;
    for (size_t at = 0; leaf_member(l.fields, &at, &m);)
        named = named || (slice_is(m.key, "vkey") && m.is_string && slice_is(m.value, key->vkey));
    tree_leaf_hash(r->last.p, r->last.n, hash);
    tree_push(&t, hash);
    tree_root(&t, root);
    return named && memcmp(root, held->root, HASH_LEN) == 0;
}

/* Has the new file's key signed a tree that begins with that entry? */
static bool is_signed(const struct shown *r, const struct note_key *key)
{
    struct checkpoint c;
    uint8_t hash[HASH_LEN];
    struct verifier *v = verifier_new(key->pub, NULL);
    bool ok = v && note_open(r->note.p, r->note.n, key, v, &c, NULL);
    verifier_free(v);
    tree_leaf_hash(r->genesis.p, r->genesis.n, hash);
    return ok && c.size > 0 && tree_grew(1, hash, c.size, c.root, (const uint8_t(*)[HASH_LEN])r->first.v, r->first.n);
}

static bool is_next_name(const char *old, const char *name)
{
    char as_first[ORIGIN_MAX + 1], as_later[ORIGIN_MAX + 1];
    turn_name(old, false, as_first);
    turn_name(old, true, as_later);
    return strcmp(name, as_first) == 0 || strcmp(name, as_later) == 0;
}

int heir_judge(struct slice request, const struct checkpoint *held, heir_known_fn *known, const void *ctx,
               struct note_key *out, const char **why)
{
    struct shown r = {.says = {.base = 0}};
    *why = "";
    if (!read_request(request, &r, out)) {
        *why = "not the first entry of a log that goes on in another file";
        return 400;
    }
    if (strcmp(r.says.have.origin, held->origin) != 0 || !known(ctx, &r.older)) {
        *why = "the first entry names a log, or a key of it, that this witness does not know";
        return 403;
    }
    bool rotated = strcmp(r.says.why, "rotated") == 0;
    if (!(rotated || strcmp(r.says.why, "key-changed") == 0) || r.says.seen.size > 0 ||
        !is_next_name(held->origin, out->name)) {
        *why = "only what was rotated is taken over; a person has to look at the other";
        return 403;
    }
    if (r.says.have.size != held->size) {
        *why = "the older file was not cosigned to its end";
        return 409;
    }
    if (memcmp(r.says.have.root, held->root, HASH_LEN) != 0) {
        *why = "the first entry names another root for the same number of entries";
        return 422;
    }
    bool heir = rotated ? memcmp(r.older.pub, out->pub, KEY_PUBLIC_LEN) == 0 : was_named(&r, held, out);
    if (heir && is_signed(&r, out))
        return 200;
    *why = "it is not shown that the older file's key is behind the new one";
    return 422;
}

/* --- the log's side --- */

size_t heir_files(const struct audit_log *l)
{
    return l->chain.n;
}

bool heir_final(struct audit_log *l, size_t k, uint64_t from, struct buf *body, char hash[SHA256_HEX], struct err *e)
{
    const struct part *part = &l->chain.part[k];
    char *path = chain_path(l->db_path, part->file);
    struct audit_spec spec = {.db_path = path, .key_path = "", .origin = "", .read_only = true};
    struct audit_log *old = audit_open(&spec, e);
    struct tree at;
    struct growth g;
    tree_init(&at);
    growth_init(&g);
    sha256_hex(part->head.origin, strlen(part->head.origin), hash);
    buf_clear(body);
    bool ok = old && growth_tree(old, from, &at, e) && growth_since(old, &at, &g, e) &&
              (g.body.len == 0 || buf_add(body, g.body.data, g.body.len));
    growth_release(&g);
    audit_close(old);
    free(path);
    return ok;
}

struct rows {
    uint8_t (*hash)[HASH_LEN];
    size_t n, cap;
    struct buf *line; /* of the last */
};

static bool on_row(void *ctx, const struct store_row *row)
{
    struct rows *r = ctx;
    if (row->hash_n != HASH_LEN)
        return false;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->hash = xreallocarray(r->hash, r->cap, sizeof *r->hash);
    }
    memcpy(r->hash[r->n++], row->hash, HASH_LEN);
    buf_clear(r->line);
    return buf_add(r->line, row->leaf, row->leaf_n);
}

static void put_hashes(struct buf *out, const uint8_t (*v)[HASH_LEN], size_t n)
{
    buf_addc(out, '\n');
    for (size_t i = 0; i < n; i++) {
        base64_encode(out, v[i], HASH_LEN);
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
}

struct telling {
    size_t k;
    struct buf *body, line;
    struct rows rows;
};

/* The first entry of `s`, and its proof. */
static bool put_first(struct telling *t, struct store *s, const struct store_head *h, struct err *e)
{
    uint8_t proof[TREE_PROOF_MAX][HASH_LEN];
    struct tree one;
    tree_init(&one);
    t->rows.n = 0;
    if (!store_rows(s, 1, 1, false, on_row, &t->rows, e) || t->rows.n != 1)
        return false;
    tree_push(&one, t->rows.hash[0]);
    buf_add(t->body, t->line.data, t->line.len);
    t->rows.n = 0;
    if (!store_rows(s, 2, (int64_t)h->tree.size, false, on_row, &t->rows, e) || t->rows.n + 1 != h->tree.size)
        return false;
    size_t n = tree_grow_proof(&one, (const uint8_t(*)[HASH_LEN])t->rows.hash, t->rows.n, proof);
    put_hashes(t->body, (const uint8_t(*)[HASH_LEN])proof, n);
    return true;
}

/* The last entry of `s`, and what was before it. */
static bool put_last(struct telling *t, struct store *s, const struct part *part, struct err *e)
{
    uint8_t before[TREE_DEPTH][HASH_LEN];
    struct tree tree;
    t->rows.n = 0;
    if (!store_rows(s, 1, part->size, false, on_row, &t->rows, e) || t->rows.n != (size_t)part->size)
        return false;
    tree_init(&tree);
    for (size_t i = 0; i + 1 < t->rows.n; i++)
        tree_push(&tree, t->rows.hash[i]);
    buf_add(t->body, t->line.data, t->line.len);
    put_hashes(t->body, (const uint8_t(*)[HASH_LEN])before, tree_pack(&tree, before[0]) / HASH_LEN);
    return true;
}

static bool tell(struct audit_log *l, void *ctx, struct err *e)
{
    struct telling *t = ctx;
    const struct chain *c = &l->chain;
    if (t->k >= c->n)
        return err_set(e, ERR_RANGE, "", "audit log: it has not so many files");
    struct store *next = t->k + 1 < c->n ? c->part[t->k + 1].store : l->store;
    struct store_head h = {0};
    struct previous says;
    buf_clear(t->body);
    buf_adds(t->body, FIRST "\n");
    if (!store_head(next, &h, e) || !chain_previous(next, &says, e))
        return false;
    if (!put_first(t, next, &h, e))
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log: its entries cannot be read");
    if (strcmp(says.why, "key-changed") != 0)
        buf_addc(t->body, '\n');
    else if (!put_last(t, c->part[t->k].store, &c->part[t->k], e))
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log: its older entries cannot be read");
    return (buf_add(t->body, h.note, h.note_n) && t->body->len <= HEIR_MAX) ||
           err_set(e, ERR_LIMIT, "", "audit log: its first entry is too long");
}

bool heir_tell(struct audit_log *l, size_t k, struct buf *body, struct err *e)
{
    struct telling t = {.k = k, .body = body};
    buf_init(&t.line, ENTRY_MAX);
    t.rows.line = &t.line;
    bool ok = book_read(l, tell, &t, e);
    free(t.rows.hash);
    buf_release(&t.line);
    return ok;
}
