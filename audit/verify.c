/* Verification of the database: the whole log, and the cheap look at its tail. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/check.h"
#include "audit/seen.h"
#include "core/fmt.h"

static bool on_entry(void *ctx, const struct store_row *row)
{
    struct check *c = ctx;
    static const uint8_t wrong[HASH_LEN]; /* no leaf hashes to zeros */
    c->open = row->open;
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
    check_bad(c, c->base + (int64_t)c->tree.size + 1, "the file is damaged after entry %" PRId64 ": %.100s",
              c->base + (int64_t)c->tree.size, why->cause[0] ? why->cause : why->what);
    return true;
}

/* A key file, where this process may read it, is a better witness than the key that the log names. A change of the key
 * that was killed on its way has left the new one beside it, under its name and ".next". */
static void check_key_file(struct check *c, const struct audit_spec *spec)
{
    uint8_t pub[KEY_PUBLIC_LEN];
    char which[150], next[PATH_MAX];
    const char *paths[] = {next, spec->key_path};
    snprintf(next, sizeof next, "%s.next", spec->key_path ? spec->key_path : "");
    for (size_t i = 0; i < 2; i++) {
        struct err ignored = {0};
        struct key *k = spec->key_path && *spec->key_path ? key_load(paths[i], &ignored) : NULL;
        if (!k)
            continue;
        key_public(k, pub);
        key_free(k);
        bool ours = c->have_born && memcmp(pub, c->born.pub, sizeof pub) == 0;
        snprintf(which, sizeof which, "the key in %.100s", paths[i]);
        if (ours || i == 1)
            check_key(c, pub, NULL, which);
        if (ours)
            return;
    }
}

/* What this host has seen of the log before: it may have grown since, and nothing else. */
static void check_seen(struct check *c, const struct seen *seen, const struct link *k)
{
    if (k->known && chain_knows(&(struct chain){.before = k->before}, &seen->head))
        return; /* it went on in this file, and whoever has seen it last had not seen that */

    struct verifier *v = c->have_born ? verifier_new(c->born.pub, NULL) : NULL;
    char t[FMT_MAX];
    fmt_iso(t, seen->at);
    if (v && !seen_signed(seen, &c->born, v))
        snprintf(c->another, sizeof c->another, "that of %.50s, which this host has seen here", seen->head.origin);
    else if (v && c->tree.size < seen->head.size)
        check_bad(c, c->base + (int64_t)c->tree.size + 1,
                  "the last %" PRIu64 " entries are missing, which this host had seen by %s",
                  seen->head.size - c->tree.size, t);
    else if (v && memcmp(c->root_at_seen, seen->head.root, HASH_LEN) != 0)
        check_bad(c, 0, "its first %" PRIu64 " entries are others than this host had seen by %s", seen->head.size, t);
    verifier_free(v);
}

/* What is compared with the log besides itself; read before it, which only grows. */
struct beside {
    const struct note_key *pinned; /* NULL = none */
    struct link *link;             /* with the older files */
    struct heads heads[HEADS_FILES];
    struct seen seen;
    bool known; /* there is a `seen` */
};

static bool whole(struct store *s, const struct audit_spec *spec, struct beside *b, struct audit_report *out,
                  struct err *e)
{
    const struct note_key *pinned = b->pinned;
    struct link *k = b->link;
    struct store_head h = {0};
    struct check c;
    struct err why = {0};
    bool told = true, head = store_head(s, &h, &why), any;
    int64_t stray = 0;
    check_init(&c, out, h.note, head ? h.note_n : 0);
    c.heads = b->heads;
    c.n_heads = spec->n_heads;
    for (size_t i = 0; i < spec->n_heads; i++)
        heads_rewind(&b->heads[i]);
    c.seen_size = b->known ? b->seen.head.size : 0;
    ops_release(&c.ops);
    c.ops = k->ops;
    c.seals = k->seals;
    k->known = chain_previous(s, &k->before, NULL);
    if (!head)
        told = damaged(&c, &why, e);
    if (told && !store_rows(s, 1, INT64_MAX, false, on_entry, &c, &why))
        told = damaged(&c, &why, e);
    if (told && head)
        check_note(&c, h.note, h.note_n, pinned, &h.tree);
    if (told && b->known)
        check_seen(&c, &b->seen, k);
    if (told && (!store_blobs(s, on_blob, &c, &why) || !store_openings(s, &any, &stray, &why)))
        told = damaged(&c, &why, e);
    if (told) {
        if (stray)
            check_bad(&c, 0, "there are openings of %" PRId64 " entries that are not there", stray);
        c.stamp_root = spec->stamp_root;
        c.witnesses = spec->witnesses;
        c.n_witnesses = spec->n_witnesses;
        check_refs(&c);
        if (!pinned) /* who names a key does not ask for the host's */
            check_key_file(&c, spec);
        check_finish(&c, pinned ? "" : "; key not pinned");
        out->unsure = out->another && !pinned && spec->key_beside;
    }
    memcpy(k->vkey, c.born.vkey, sizeof k->vkey);
    memcpy(k->heir, c.heir, sizeof k->heir);
    k->ops = c.ops;
    k->seals = c.seals;
    c.seals = (struct seals){0};
    ops_init(&c.ops);
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
    check_bad(&c, 0, "%.180s%s%.50s", why->what, *why->cause ? ": " : "", why->cause);
    check_finish(&c, "");
    check_release(&c);
    return true;
}

/* False: the log was written to meanwhile, in a way that makes what was read worth nothing. */
static bool once(const struct audit_spec *spec, struct beside *b, struct audit_report *out, bool *told, struct err *e)
{
    struct err why = {0};
    struct spool_place *place = spool_place_new(spec);
    b->known = seen_read(place, &b->seen);
    spool_place_free(place);
    struct store *s = book_store(spec->db_path, spec->socket, true, &why);
    if (!s) {
        (void)audit_gone(spec, &why);
        *told = unopened(&why, out, e);
        return true;
    }
    if (store_begin(s, false, &why)) {
        *told = whole(s, spec, b, out, e);
        store_rollback(s);
    } else {
        *told = unopened(&why, out, e);
    }
    bool again = store_changed(s);
    store_close(s);
    return !again;
}

bool verify_file(const struct audit_spec *spec, const struct note_key *pinned, struct link *k, struct audit_report *out,
                 struct err *e)
{
    struct beside b = {.pinned = pinned, .link = k};
    bool told = true, done = false;
    for (size_t i = 0; told && i < spec->n_heads && i < HEADS_FILES; i++)
        told = heads_read(&b.heads[i], spec->heads[i], e);
    for (int tries = 0; told && !done && tries < 5; tries++)
        done = once(spec, &b, out, &told, e);
    for (size_t i = 0; i < HEADS_FILES; i++)
        heads_release(&b.heads[i]);
    return done || !told ? told
                         : err_set(e, ERR_TIMEOUT, "try again", "audit log %.200s: it keeps changing", spec->db_path);
}

/* --- tail ---------------------------------------------------------------------------------------------------- */

struct tail {
    struct check *c;
    struct tree sub; /* grows to the next complete subtree of the frontier */
    const struct tree *frontier;
    int64_t base;        /* number of the entry before the file's first */
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
        tail_fail(t, t->base + seq);
    if (t->next >= t->whole_from) {
        uint64_t from;
        size_t level = subtree_of(t->frontier, t->next, &from);
        if (t->next == from)
            tree_init(&t->sub);
        tree_push(&t->sub, now);
        if (t->sub.size == UINT64_C(1) << level && memcmp(t->sub.node[level], t->frontier->node[level], HASH_LEN) != 0)
            tail_fail(t, t->base + (int64_t)from + 1);
    }
    t->next++;
    return t->bad == 0;
}

bool book_tail_ok(struct store *s, const struct store_head *h, int64_t base, int64_t n, int64_t *bad_seq, struct err *e)
{
    uint64_t size = h->tree.size, want = n > 0 ? (uint64_t)n : 1;
    struct tail t = {.frontier = &h->tree, .base = base, .next = size > want ? size - want : 0};
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
        t.bad = base + (int64_t)t.next + 1;
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
            book_tail_ok(l->store, &h, l->chain.base, x->n, &r->bad_seq, &why);
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
                 " entries and the checkpoint; a roll back of the file is not excluded by that)",
                 x->n < r->entries ? x->n : r->entries, r->entries);
    else
        snprintf(r->text, sizeof r->text, "TAMPERED: %.200s", why.what);
    return true;
}

bool audit_verify_tail(struct audit_log *l, int64_t n, struct audit_report *out, struct err *e)
{
    struct tail_ctx x = {n, out};
    return book_read(l, run_tail, &x, e);
}
