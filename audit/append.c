/* Appending: one transaction for an entry, its checkpoint and what goes with it. */
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"

/* Signs the tree of *h into its note, and reads the note back as any auditor would: what does not verify here is never
 * stored, for a log with one bad checkpoint would not verify ever after. */
static bool seal(struct audit_log *l, struct store_head *h, struct err *e)
{
    struct checkpoint c = {.size = h->tree.size}, back;
    uint8_t sig[KEY_SIG_LEN];
    struct buf body, note;
    memcpy(c.origin, l->name.name, sizeof c.origin);
    tree_root(&h->tree, c.root);
    buf_init(&body, NOTE_MAX);
    buf_init(&note, NOTE_MAX);
    note_body(&c, &body);
    bool ok = !body.over && l->sign(l->sign_ctx, body.data, body.len, sig, e);
    if (ok) {
        note_seal(&c, &l->name, sig, &note);
        ok = !note.over && note_open(note.data, note.len, &l->name, l->verifier, &back, e) && back.size == c.size &&
             memcmp(back.root, c.root, HASH_LEN) == 0;
        if (!ok)
            err_set(e, ERR_INTERNAL, "look at the signing key",
                    "audit log: the new checkpoint does not verify; nothing was written");
    }
    if (ok) {
        memcpy(h->note, note.data, note.len);
        h->note_n = note.len;
    }
    buf_release(&body);
    buf_release(&note);
    return ok;
}

bool book_write(struct audit_log *l, struct store *s, struct store_head *h, const struct entry *en, struct receipt *out,
                struct err *e)
{
    struct buf line;
    struct leaf check;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    uint64_t seq = h->tree.size + 1;
    buf_init(&line, ENTRY_MAX);
    bool ok = entry_canonical(en, seq, l->host.data, &line, e);
    if (ok && (!leaf_scan(line.data, line.len, &check) || check.seq != (int64_t)seq))
        ok = err_set(e, ERR_INTERNAL, "", "audit log: entry (%s) is not canonical", entry_kind_word(en->kind));
    if (ok) {
        tree_leaf_hash(line.data, line.len, hash);
        tree_push(&h->tree, hash);
        ok = seal(l, h, e) && store_put(s, (int64_t)seq, line.data, line.len, hash, e) && store_set_head(s, h, e);
    }
    if (ok && out) {
        out->seq = out->size = (int64_t)seq;
        hex_encode(out->leaf, hash, HASH_LEN);
        tree_root(&h->tree, root);
        hex_encode(out->root, root, HASH_LEN);
    }
    buf_release(&line);
    return ok;
}

struct event {
    const char *id;
    struct receipt *out;
    bool found;
};

static bool on_event(void *ctx, const struct store_row *row)
{
    struct event *v = ctx;
    struct leaf l;
    struct member m;
    if (!leaf_scan(row->leaf, row->leaf_n, &l))
        return true;
    for (size_t at = 0; !v->found && leaf_member(l.fields, &at, &m);)
        v->found = slice_is(m.key, EVENT_FIELD) && slice_is(m.value, v->id);
    if (v->found && row->hash_n == HASH_LEN) {
        v->out->seq = row->seq;
        hex_encode(v->out->leaf, row->hash, HASH_LEN);
    }
    return !v->found;
}

/* The entry itself, not only its mark: a blob alone may be what somebody put there to keep a halt out of the log. */
static bool find_event(struct audit_log *l, const struct store_head *h, const char *id, struct receipt *out,
                       bool *known, struct err *e)
{
    struct event v = {.id = id, .out = out};
    uint8_t root[HASH_LEN];
    if (!store_rows(l->store, 1, INT64_MAX, true, on_event, &v, e))
        return false;
    tree_root(&h->tree, root);
    hex_encode(out->root, root, HASH_LEN);
    out->size = (int64_t)h->tree.size;
    *known = v.found;
    return true;
}

bool book_marked(struct audit_log *l, const char *id, bool *marked, struct err *e)
{
    uint8_t raw[HASH_LEN];
    struct err why = {0};
    struct buf facts;
    buf_init(&facts, ENTRY_MAX);
    *marked = tree_hash_parse(id, strlen(id), raw) && store_get_blob(l->store, raw, &facts, &why);
    buf_release(&facts);
    if (*marked || why.code == ERR_NOT_FOUND || why.code == ERR_NONE)
        return true;
    if (e)
        *e = why;
    return false;
}

static bool write_event(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out,
                        bool *known, struct err *e)
{
    struct entry marked = *en;
    struct receipt ignored;
    char id[SHA256_HEX];
    uint8_t raw[HASH_LEN];
    bool there = false;
    struct buf facts;
    buf_init(&facts, ENTRY_MAX);
    bool ok = entry_event(en, &facts, id, e) && book_marked(l, id, &there, e);
    if (ok && there)
        ok = find_event(l, h, id, out ? out : &ignored, known, e);
    if (ok && !*known) {
        entry_str(&marked, EVENT_FIELD, id);
        ok = (there ||
              (tree_hash_parse(id, HASH_HEX - 1, raw) && store_put_blob(l->store, raw, facts.data, facts.len, e))) &&
             book_write(l, l->store, h, &marked, out, e);
    }
    buf_release(&facts);
    return ok;
}

bool book_put(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out, bool *known,
              struct err *e)
{
    /* Halts without corr cannot be told apart: each is an entry. */
    bool event = entry_of_halt(en) && (en->corr != 0 || en->kind == ENTRY_DEGRADED);
    *known = false;
    return event ? write_event(l, h, en, out, known, e) : book_write(l, l->store, h, en, out, e);
}

bool book_head(struct audit_log *l, struct store_head *h, struct err *e)
{
    int64_t last = 0;
    if (!store_head(l->store, h, e) || !store_last(l->store, &last, e))
        return false;
    bool mine = h->tree.size == l->last.tree.size && h->note_n == l->last.note_n &&
                memcmp(h->note, l->last.note, h->note_n) == 0;
    if (mine && last == (int64_t)h->tree.size) {
        uint8_t a[HASH_LEN], b[HASH_LEN];
        tree_root(&h->tree, a);
        tree_root(&l->last.tree, b);
        if (memcmp(a, b, HASH_LEN) == 0)
            return true;
    }
    if (h->tree.size < l->last.tree.size || (h->tree.size == l->last.tree.size && !mine))
        return err_set(e, ERR_TAMPERED, "keep the file as it is and run `andon audit verify`",
                       "audit log %.200s: it went back from %lld to %lld entries, or was rewritten", l->db_path,
                       (long long)l->last.tree.size, (long long)h->tree.size);
    return book_head_ok(l->store, h, &l->name, l->verifier, e);
}

bool book_head_ok(struct store *s, const struct store_head *h, const struct note_key *k, const struct verifier *v,
                  struct err *e)
{
    struct checkpoint c;
    uint8_t root[HASH_LEN];
    int64_t last = 0;
    if (!note_open(h->note, h->note_n, k, v, &c, e) || !store_last(s, &last, e))
        return false;
    tree_root(&h->tree, root);
    if (c.size != h->tree.size || memcmp(c.root, root, HASH_LEN) != 0)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`",
                       "audit log: its state is not what its checkpoint signs");
    if (last != (int64_t)c.size)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log: %lld entries stored, %lld signed",
                       (long long)last, (long long)c.size);
    return true;
}

bool book_begin(struct audit_log *l, struct store_head *h, struct err *e)
{
    if (l->read_only)
        return err_set(e, ERR_REFUSED, "", "audit log %.200s: opened read-only", l->db_path);
    if (!book_ready(l, e) || !store_begin(l->store, true, e))
        return false;
    if (book_head(l, h, e))
        return true;
    store_rollback(l->store);
    return false;
}

bool book_commit(struct audit_log *l, const struct store_head *h, struct err *e)
{
    if (!store_commit(l->store, e))
        return false;
    l->last = *h;
    return true;
}

bool audit_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    struct store_head h = {0};
    bool known;
    if (!book_begin(l, &h, e))
        return false;
    if (!book_put(l, &h, en, out, &known, e) || known) {
        store_rollback(l->store);
        return known;
    }
    return book_commit(l, &h, e);
}

bool book_blob(struct audit_log *l, const uint8_t digest[HASH_LEN], const void *bytes, size_t n, struct err *e)
{
    struct buf old;
    struct err why = {0};
    buf_init(&old, BLOB_MAX);
    bool ok = store_get_blob(l->store, digest, &old, &why);
    if (ok && (old.len != n || (n > 0 && memcmp(old.data, bytes, n) != 0)))
        ok =
            err_set(&why, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: a blob was changed", l->db_path);
    else if (!ok && why.code == ERR_NOT_FOUND)
        ok = store_put_blob(l->store, digest, bytes, n, &why);
    if (!ok && e)
        *e = why;
    buf_release(&old);
    return ok;
}

bool audit_put_blob(struct audit_log *l, const void *bytes, size_t n, char digest[65], struct err *e)
{
    uint8_t raw[HASH_LEN];
    if (l->read_only)
        return err_set(e, ERR_REFUSED, "", "audit log %.200s: opened read-only", l->db_path);
    if (n > BLOB_MAX)
        return err_set(e, ERR_LIMIT, "", "audit log: a blob of more than 64 MiB");
    sha256_bytes(bytes, n, raw);
    hex_encode(digest, raw, HASH_LEN);
    if (!book_ready(l, e) || !store_begin(l->store, true, e))
        return false;
    if (!book_blob(l, raw, bytes, n, e)) {
        store_rollback(l->store);
        return false;
    }
    return store_commit(l->store, e);
}
