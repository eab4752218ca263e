/* Making a proof from the log, and checking one: audit/proof.h has the format. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/blocks.h"
#include "audit/book.h"
#include "audit/cosign.h"
#include "audit/folder.h"
#include "audit/proof.h"

#define RECEIPT_LOOK 4096 /* newest entries among which a receipt is looked for */
#define COSIGNERS    16

/* What witnesses have said of the largest checkpoint that holds the entry and that one of them has signed. */
struct cosigned {
    int64_t seq; /* of the entry that is proved */
    size_t left; /* entries still to be looked at */
    struct checkpoint cp;
    struct buf lines;
    size_t n;
};

static void cosignature(struct cosigned *c, const struct leaf *l)
{
    struct slice name = {NULL, 0}, line = {NULL, 0}, root = {NULL, 0};
    struct member m;
    int64_t size = 0;
    uint8_t hash[HASH_LEN];
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "witness") && m.is_string)
            name = m.value;
        else if (slice_is(m.key, "cosignature") && m.is_string)
            line = m.value;
        else if (slice_is(m.key, "root") && m.is_string)
            root = m.value;
        else if (slice_is(m.key, "size") && (m.is_string || !slice_int(m.value, &size)))
            return;
    }
    if (!name.n || !line.n || size < c->seq || size >= l->seq || (c->n && (uint64_t)size != c->cp.size) ||
        c->n == COSIGNERS || !tree_hash_parse(root.p, root.n, hash))
        return;
    c->cp.size = (uint64_t)size;
    memcpy(c->cp.root, hash, HASH_LEN);
    buf_printf(&c->lines, "\xe2\x80\x94 %.*s %.*s\n", (int)name.n, name.p, (int)line.n, line.p);
    c->n++;
}

static bool on_newest(void *ctx, const struct store_row *row)
{
    static const char word[] = "\"kind\":\"receipt\"";
    struct cosigned *c = ctx;
    struct leaf l;
    if (memmem(row->leaf, row->leaf_n, word, sizeof word - 1) && leaf_scan(row->leaf, row->leaf_n, &l) &&
        leaf_is(l.kind, "receipt"))
        cosignature(c, &l);
    return --c->left > 0 && row->seq > c->seq;
}

struct making {
    int64_t seq;
    const char *cache;
    struct buf *out;
    struct audit_proved *word;
    int64_t number; /* as it is shown, over all files; seq is its place in this one */
};

static bool on_leaf(void *ctx, const struct store_row *row)
{
    return buf_add(ctx, row->leaf, row->leaf_n);
}

/* The checkpoint that goes into the proof: the largest that witnesses have signed and that holds the entry, which the
 * log signs once more (the signature is the same: Ed25519); else, and where the key cannot be read, the newest. */
static bool choose(struct audit_log *l, const struct store_head *h, struct making *m, struct checkpoint *cp,
                   struct buf *note, struct err *e)
{
    struct cosigned c = {.seq = m->seq, .left = RECEIPT_LOOK};
    uint8_t sig[KEY_SIG_LEN];
    struct buf body;
    buf_init(&c.lines, NOTE_MAX / 2);
    buf_init(&body, NOTE_MAX);
    bool ok = store_rows(l->store, 1, (int64_t)h->tree.size, true, on_newest, &c, e);
    memcpy(c.cp.origin, l->name.name, sizeof c.cp.origin);
    note_body(&c.cp, &body);
    m->word->cosignatures = 0;
    if (ok && c.n && !c.lines.over && book_sign(l, body.data, body.len, sig, NULL)) {
        *cp = c.cp;
        note_seal(cp, &l->name, sig, note);
        buf_add(note, c.lines.data, c.lines.len);
        m->word->cosignatures = (int)c.n;
    } else if (ok) {
        ok = note_open(h->note, h->note_n, &l->name, l->verifier, cp, e) && buf_add(note, h->note, h->note_n);
    }
    buf_release(&c.lines);
    buf_release(&body);
    return ok;
}

/* Do the entries that the checkpoint counts stand at the beginning of those that the log's head signs? A receipt is
 * only what an entry says, and whoever can write to the file can change an entry: without this, its root would be
 * signed. SUBPROOF of RFC 6962, from the root down. */
static bool is_of_head(struct audit_log *l, const struct blocks *b, const struct checkpoint *cp,
                       const struct store_head *h, bool *good, struct err *e)
{
    struct proof_range down[TREE_DEPTH + 1];
    uint8_t path[TREE_DEPTH + 1][HASH_LEN], root[HASH_LEN];
    uint64_t from = 0, to = h->tree.size, m = cp->size;
    size_t n = 0;
    *good = m > 0 && m <= to;
    while (*good && m != to - from) {
        uint64_t half = 1; /* the largest power of two below the number of leaves */
        while (half * 2 < to - from)
            half *= 2;
        bool left = m <= half;
        down[n++] = left ? (struct proof_range){from + half, to} : (struct proof_range){from, from + half};
        m -= left ? 0 : half;
        if (left)
            to = from + half;
        else
            from += half;
    }
    if (from > 0)
        down[n++] = (struct proof_range){from, to};
    for (size_t i = 0; i < n; i++)
        if (!blocks_root(b, l->store, down[n - 1 - i].from, down[n - 1 - i].to, path[i], e))
            return false;
    tree_root(&h->tree, root);
    *good = *good && tree_grew(cp->size, cp->root, h->tree.size, root, (const uint8_t(*)[HASH_LEN])path, n);
    return true;
}

/* The path of the proof. *good: it leads to the root of the checkpoint, and that to the head's. */
static bool climb(struct audit_log *l, const struct blocks *b, struct proof *p, const struct checkpoint *cp,
                  const struct store_head *h, const uint8_t leaf[HASH_LEN], bool *good, struct err *e)
{
    struct proof_range range[TREE_DEPTH];
    uint8_t root[HASH_LEN];
    *good = false;
    if (cp->size > h->tree.size)
        return true;
    p->n = proof_ranges(p->index, cp->size, range);
    for (size_t i = 0; i < p->n; i++)
        if (!blocks_root(b, l->store, range[i].from, range[i].to, p->path[i], e))
            return false;
    if (!is_of_head(l, b, cp, h, good, e))
        return false;
    *good = *good && proof_root(p, leaf, cp->size, root) && memcmp(root, cp->root, HASH_LEN) == 0;
    return true;
}

static bool make(struct audit_log *l, void *ctx, struct err *e)
{
    struct making *m = ctx;
    struct store_head h;
    struct checkpoint cp = {0};
    if (m->number <= l->chain.base && m->number > 0)
        return err_set(e, ERR_NOT_FOUND, "Name that file with --db: its entries count from 1.",
                       "entry %" PRId64 " is in an older file of the log, which begins anew after entry %" PRId64,
                       m->number, l->chain.base);
    m->seq = m->number - l->chain.base;
    struct proof p = {.index = (uint64_t)m->seq - 1};
    struct blocks b;
    struct buf note, leaf;
    uint8_t hash[HASH_LEN];
    bool good = false;
    if (!store_head(l->store, &h, e) || !book_head_ok(l->store, &h, &l->name, l->verifier, e))
        return false;
    if (m->seq < 1 || (uint64_t)m->seq > h.tree.size)
        return err_set(e, ERR_NOT_FOUND, "`andon audit head` says how many there are.",
                       "there is no entry %" PRId64 " in the log", m->number);
    buf_init(&note, 2 * (size_t)NOTE_MAX);
    buf_init(&leaf, ENTRY_MAX);
    buf_clear(m->out);
    blocks_init(&b);
    bool ok = choose(l, &h, m, &cp, &note, e) && store_rows(l->store, m->seq, m->seq, false, on_leaf, &leaf, e);
    tree_leaf_hash(leaf.data, leaf.len, hash);
    /* What the cache says is taken only when it leads to the root that is signed. */
    bool cached = ok && m->cache && blocks_load(&b, m->cache);
    ok = ok && blocks_fill(&b, l->store, h.tree.size, e) && climb(l, &b, &p, &cp, &h, hash, &good, e);
    if (ok && !good && cached) {
        b.n = 0;
        ok = blocks_fill(&b, l->store, h.tree.size, e) && climb(l, &b, &p, &cp, &h, hash, &good, e);
    }
    if (ok && !good)
        ok = err_set(e, ERR_TAMPERED, "run `andon audit verify`",
                     "audit log: entry %" PRId64 " does not lead to the root that is signed", m->seq);
    if (ok && m->cache)
        blocks_save(&b, m->cache);
    p.note = (struct slice){note.data, note.len};
    if (ok)
        proof_write(&p, (struct slice){leaf.data, leaf.len}, m->out);
    m->word->seq = m->seq;
    m->word->size = (int64_t)cp.size;
    hex_encode(m->word->root, cp.root, HASH_LEN);
    blocks_release(&b);
    buf_release(&note);
    buf_release(&leaf);
    return ok;
}

bool audit_prove(struct audit_log *l, int64_t seq, const char *cache, struct buf *out, struct audit_proved *word,
                 struct err *e)
{
    struct making m = {seq, cache, out, word, seq};
    *word = (struct audit_proved){0};
    return book_read(l, make, &m, e);
}

/* --- checking --- */

static int count_witnesses(const struct proof *p, const char *const *witnesses, size_t n)
{
    struct checkpoint cp = {0};
    struct slice body, lines;
    int good = 0;
    if (!note_split(p->note.p, p->note.n, &cp, &body, &lines))
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct cosigner c;
        int64_t t;
        if (!cosigner_open(&c, witnesses[i], NULL))
            continue;
        good += cosign_check(&c, body, lines, NULL, &t);
        cosigner_close(&c);
    }
    return good;
}

/* False with the reason. */
static bool check(const struct buf *text, const struct note_key *k, struct proof *p, struct buf *leaf,
                  struct audit_proved *out, struct err *why)
{
    struct checkpoint cp = {0};
    struct leaf l;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    if (!proof_read(text->data, text->len, p, leaf))
        return err_set(why, ERR_TAMPERED, "", "the proof is not well formed");
    struct verifier *v = verifier_new(k->pub, why);
    bool ok = v && note_open(p->note.p, p->note.n, k, v, &cp, why);
    verifier_free(v);
    if (!ok)
        return false;
    tree_leaf_hash(leaf->data, leaf->len, hash);
    if (!proof_root(p, hash, cp.size, root) || memcmp(root, cp.root, HASH_LEN) != 0)
        return err_set(why, ERR_TAMPERED, "", "the entry is not in the tree that the checkpoint signs");
    if (!leaf_scan(leaf->data, leaf->len, &l) || (uint64_t)l.seq != p->index + 1)
        return err_set(why, ERR_TAMPERED, "", "the entry has another number than the proof");
    out->seq = l.seq;
    out->size = (int64_t)cp.size;
    hex_encode(out->root, cp.root, HASH_LEN);
    return true;
}

bool audit_verify_proof(const char *path, const char *vkey, const char *const *witnesses, size_t n_witnesses,
                        struct audit_proved *out, struct buf *leaf, struct err *e)
{
    struct note_key k;
    struct err why = {0};
    struct buf text;
    struct proof p;
    *out = (struct audit_proved){0};
    if (!note_key_parse(&k, vkey, e))
        return false;
    buf_init(&text, PROOF_MAX);
    bool told = folder_read(AT_FDCWD, path, &text, e);
    if (told) {
        out->ok = check(&text, &k, &p, leaf, out, &why);
        out->witnesses = out->ok ? count_witnesses(&p, witnesses, n_witnesses) : 0;
        snprintf(out->origin, sizeof out->origin, "%s", k.name);
        snprintf(out->key_id, sizeof out->key_id, "%s", k.id_hex);
        if (!out->ok)
            snprintf(out->text, sizeof out->text, "TAMPERED: %.200s", why.what);
        else if (out->witnesses)
            snprintf(out->text, sizeof out->text,
                     "OK (witnessed by %d of the %zu witnesses that are known here): entry %" PRId64 " of %" PRId64
                     " of %.100s, signed by key %s",
                     out->witnesses, n_witnesses, out->seq, out->size, out->origin, out->key_id);
        else
            snprintf(out->text, sizeof out->text,
                     "OK (of no witness that is known here: a roll back of the file is not excluded): entry %" PRId64
                     " of %" PRId64 " of %.100s, signed by key %s",
                     out->seq, out->size, out->origin, out->key_id);
    }
    buf_release(&text);
    return told;
}

bool audit_is_proof(const char *path)
{
    char head[sizeof PROOF_FIRST];
    int fd = folder_file(AT_FDCWD, path, NULL);
    ssize_t n = fd >= 0 ? folder_next(fd, head, sizeof head) : -1;
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)sizeof head && memcmp(head, PROOF_FIRST "\n", sizeof head) == 0;
}
