/* Verification of the database: the whole log, and the cheap look at its tail. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/check.h"

static bool on_entry(void *ctx, const struct store_row *row)
{
    struct check *c = ctx;
    static const uint8_t wrong[HASH_LEN]; /* no leaf hashes to zeros */
    check_leaf(c, row->seq, row->leaf, row->leaf_n, row->hash_n == HASH_LEN ? row->hash : wrong);
    return true;
}

static bool on_blob(void *ctx, const uint8_t *name, size_t name_n, const void *bytes, size_t n)
{
    check_blob(ctx, name, name_n, bytes, n);
    return true;
}

/* A file that SQLite finds damaged is a finding; a disk that cannot be read is not. */
static bool damaged(struct check *c, const struct err *why, struct err *e)
{
    if (why->code != ERR_TAMPERED) {
        if (e)
            *e = *why;
        return false;
    }
    check_bad(c, (int64_t)c->tree.size + 1, "the file is damaged after entry %" PRIu64 ": %.100s", c->tree.size,
              why->cause[0] ? why->cause : why->what);
    return true;
}

/* The host's own key, where this process may read it, is a better witness than the key that the log names. */
static void check_key_file(struct check *c, const char *path)
{
    struct err ignored = {0};
    struct key *k = path && *path ? key_load(path, &ignored) : NULL;
    if (!k)
        return;
    uint8_t pub[KEY_PUBLIC_LEN];
    key_public(k, pub);
    key_free(k);
    if (c->have_born && memcmp(pub, c->born.pub, KEY_PUBLIC_LEN) != 0)
        check_bad(c, 0, "the log names the key %s, which is not the key in %.100s", c->born.id_hex, path);
}

static bool whole(struct store *s, const struct audit_spec *spec, const struct note_key *pinned,
                  struct audit_report *out, struct err *e)
{
    struct store_head h = {0};
    struct check c;
    struct err why = {0};
    bool told = true, head = store_head(s, &h, &why);
    check_init(&c, out, h.note, head ? h.note_n : 0);
    if (!head)
        told = damaged(&c, &why, e);
    if (told && !store_rows(s, 1, INT64_MAX, false, on_entry, &c, &why))
        told = damaged(&c, &why, e);
    if (told && head)
        check_note(&c, h.note, h.note_n, pinned, &h.tree);
    if (told && !store_blobs(s, on_blob, &c, &why))
        told = damaged(&c, &why, e);
    if (told) {
        check_refs(&c);
        check_key_file(&c, spec->key_path);
        check_finish(&c, pinned ? "" : "; key not pinned");
    }
    check_release(&c);
    return told;
}

/* The file is there but cannot be opened as a log. */
static bool unopened(const struct err *why, struct audit_report *out, struct err *e)
{
    if (why->code != ERR_TAMPERED) {
        if (e)
            *e = *why;
        return false;
    }
    struct check c;
    check_init(&c, out, "", 0);
    check_bad(&c, 0, "%.199s", why->what);
    check_finish(&c, "");
    check_release(&c);
    return true;
}

bool audit_verify(const struct audit_spec *spec, const char *pinned_vkey, struct audit_report *out, struct err *e)
{
    struct note_key pinned;
    if (pinned_vkey && !note_key_parse(&pinned, pinned_vkey, e))
        return false;
    for (int tries = 0; tries < 5; tries++) {
        struct err why = {0};
        struct store *s = store_open(spec->db_path, true, &why);
        if (!s)
            return unopened(&why, out, e);
        bool told = store_begin(s, false, &why);
        if (!told) {
            told = unopened(&why, out, e);
        } else {
            told = whole(s, spec, pinned_vkey ? &pinned : NULL, out, e);
            store_rollback(s);
        }
        bool again = store_changed(s);
        store_close(s);
        if (!again)
            return told;
    }
    return err_set(e, ERR_TIMEOUT, "try again", "audit log %.200s: it keeps changing", spec->db_path);
}

/* --- tail ---------------------------------------------------------------------------------------------------- */

struct tail {
    struct check *c;
    struct tree sub; /* grows to the next complete subtree of the frontier */
    const struct tree *frontier;
    uint64_t next, end;  /* 0-based: next leaf, end of the subtree that it belongs to */
    uint64_t whole_from; /* leaves from here on lie in subtrees that are in the tail whole */
    int64_t bad;
};

/* The complete subtree of the frontier that leaf `index` lies in: from *from, 2^level leaves. */
static size_t subtree_of(const struct tree *t, uint64_t index, uint64_t *from)
{
    *from = 0;
    for (size_t i = TREE_DEPTH; i-- > 0;) {
        uint64_t width = UINT64_C(1) << i;
        if (!(t->size & width))
            continue;
        if (index < *from + width)
            return i;
        *from += width;
    }
    return 0;
}

static void tail_fail(struct tail *t, int64_t seq)
{
    if (t->bad == 0)
        t->bad = seq;
}

static bool on_tail(void *ctx, const struct store_row *row)
{
    struct tail *t = ctx;
    struct leaf l;
    uint8_t now[HASH_LEN];
    int64_t seq = (int64_t)t->next + 1;
    tree_leaf_hash(row->leaf, row->leaf_n, now);
    if (row->seq != seq || row->hash_n != HASH_LEN || memcmp(row->hash, now, HASH_LEN) != 0 ||
        !leaf_scan(row->leaf, row->leaf_n, &l) || l.seq != seq)
        tail_fail(t, seq);
    if (t->next >= t->whole_from) {
        uint64_t from;
        size_t level = subtree_of(t->frontier, t->next, &from);
        if (t->next == from)
            tree_init(&t->sub);
        tree_push(&t->sub, now);
        if (t->sub.size == UINT64_C(1) << level && memcmp(t->sub.node[level], t->frontier->node[level], HASH_LEN) != 0)
            tail_fail(t, (int64_t)from + 1);
    }
    t->next++;
    return t->bad == 0;
}

bool book_tail_ok(struct store *s, const struct store_head *h, int64_t n, int64_t *bad_seq, struct err *e)
{
    uint64_t size = h->tree.size, want = n > 0 ? (uint64_t)n : 1;
    struct tail t = {.frontier = &h->tree, .next = size > want ? size - want : 0};
    tree_init(&t.sub);
    t.whole_from = t.next;
    if (t.next > 0) {
        uint64_t from;
        size_t level = subtree_of(&h->tree, t.next, &from);
        if (from != t.next)
            t.whole_from = from + (UINT64_C(1) << level);
    }
    *bad_seq = 0;
    if (!store_rows(s, (int64_t)t.next + 1, INT64_MAX, false, on_tail, &t, e))
        return false;
    if (t.bad == 0 && t.next != size)
        t.bad = (int64_t)t.next + 1;
    *bad_seq = t.bad;
    if (t.bad == 0)
        return true;
    return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log: entry %" PRId64 " does not verify", t.bad);
}

struct tail_ctx {
    int64_t n;
    struct audit_report *out;
};

static bool run_tail(struct audit_log *l, void *ctx, struct err *e)
{
    struct tail_ctx *x = ctx;
    struct audit_report *r = x->out;
    struct store_head h;
    struct err why = {0};
    uint8_t root[HASH_LEN];
    memset(r, 0, sizeof *r);
    r->unwitnessed = true;
    r->ok = store_head(l->store, &h, &why) && book_head_ok(l->store, &h, &l->name, l->verifier, &why) &&
            book_tail_ok(l->store, &h, x->n, &r->bad_seq, &why);
    if (!r->ok && why.code != ERR_TAMPERED) {
        if (e)
            *e = why;
        return false;
    }
    if (r->ok) {
        r->entries = (int64_t)h.tree.size;
        tree_root(&h.tree, root);
        hex_encode(r->root, root, HASH_LEN);
    }
    snprintf(r->origin, sizeof r->origin, "%s", l->name.name);
    snprintf(r->key_id, sizeof r->key_id, "%s", l->name.id_hex);
    if (r->ok)
        snprintf(r->text, sizeof r->text,
                 "OK (newest %" PRId64 " of %" PRId64
                 " entries and the checkpoint; unwitnessed: rollback not excluded)",
                 x->n < r->entries ? x->n : r->entries, r->entries);
    else
        snprintf(r->text, sizeof r->text, "TAMPERED: %.200s (unwitnessed: rollback not excluded)", why.what);
    return true;
}

bool audit_verify_tail(struct audit_log *l, int64_t n, struct audit_report *out, struct err *e)
{
    struct tail_ctx x = {n, out};
    return book_read(l, run_tail, &x, e);
}
