/* Appending: one transaction for an entry, its checkpoint and what goes with it. */
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/host.h"
#include "audit/opening.h"
#include "core/redact.h"

#define SAME_LOOK 1000 /* newest entries among which that of an earlier try is looked for */

/* Signs the tree of *h into its note, and reads the note back as any auditor would: what does not verify here is never
 * stored, for a log with one bad checkpoint would not verify ever after. */
static bool sign_head(struct audit_log *l, struct store_head *h, struct err *e)
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

/* Nothing is to be signed when no entry came. */
static bool seal(struct audit_log *l, struct store *s, struct store_head *h, struct err *e)
{
    return h->stored == h->tree.size || (sign_head(l, h, e) && store_set_head(s, h, e));
}

/* The entry alone: its checkpoint is that of the whole transaction (seal). */
static bool write_row(struct audit_log *l, struct store *s, struct store_head *h, const struct entry *en,
                      struct receipt *out, struct err *e)
{
    struct buf line, host, sealed, open;
    struct leaf check;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    uint64_t seq = h->tree.size + 1;
    buf_init(&line, ENTRY_MAX);
    buf_init(&host, ENTRY_MAX);
    buf_init(&sealed, (size_t)2 * ENTRY_MAX);
    buf_init(&open, OPENINGS_MAX);
    bool ok = host_facts_now(&l->host, l->clock, &host)
                  ? entry_canonical(en, seq, host.data, &line, e)
                  : err_set(e, ERR_LIMIT, "", "audit log: its host's facts are too long");
    if (ok && l->redactable)
        ok = opening_seal(line.data, line.len, l->redactable, &sealed, &open, e);
    if (ok && sealed.len) {
        buf_clear(&line);
        buf_add(&line, sealed.data, sealed.len);
    }
    if (ok && (!leaf_scan(line.data, line.len, &check) || check.seq != (int64_t)seq))
        ok = err_set(e, ERR_INTERNAL, "", "audit log: entry (%s) is not canonical", entry_kind_word(en->kind));
    if (ok) {
        tree_leaf_hash(line.data, line.len, hash);
        tree_push(&h->tree, hash);
        ok = store_put(s, (int64_t)seq, line.data, line.len, hash, e) &&
             (open.len == 0 || store_put_openings(s, (int64_t)seq, open.data, open.len, e));
    }
    if (ok && out) {
        out->seq = l->chain.base + (int64_t)seq;
        out->size = (int64_t)seq;
        hex_encode(out->leaf, hash, HASH_LEN);
        tree_root(&h->tree, root);
        hex_encode(out->root, root, HASH_LEN);
    }
    buf_release(&line);
    buf_release(&host);
    buf_release(&sealed);
    buf_release(&open);
    return ok;
}

bool book_write(struct audit_log *l, struct store *s, struct store_head *h, const struct entry *en, struct receipt *out,
                struct err *e)
{
    return write_row(l, s, h, en, out, e) && seal(l, s, h, e);
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
    if (!chain_rows(l, 1, INT64_MAX, true, on_event, &v, e))
        return false;
    tree_root(&h->tree, root);
    hex_encode(out->root, root, HASH_LEN);
    out->size = (int64_t)h->tree.size;
    *known = v.found;
    return true;
}

static bool marked_in(struct audit_log *l, const char *id, bool ever, bool *marked, struct err *e)
{
    uint8_t raw[HASH_LEN];
    struct err why = {0};
    struct buf facts;
    buf_init(&facts, ENTRY_MAX);
    *marked = tree_hash_parse(id, strlen(id), raw) &&
              (ever ? chain_blob(l, raw, &facts, &why) : store_get_blob(l->store, raw, &facts, &why));
    buf_release(&facts);
    *marked = *marked || why.code == ERR_LIMIT; /* one that is no event's: longer, and there */
    if (*marked || why.code == ERR_NOT_FOUND || why.code == ERR_NONE)
        return true;
    if (e)
        *e = why;
    return false;
}

bool book_marked(struct audit_log *l, const char *id, bool *marked, struct err *e)
{
    return marked_in(l, id, false, marked, e);
}

/* An id must not tell what the leaf only commits to, by its facts or by guessing them. */
static bool event_of(const struct entry *en, unsigned redactable, struct buf *facts, char id[SHA256_HEX], struct err *e)
{
    struct entry own = *en;
    bool nobody =
        en->actor.kind == ACTOR_RULE || (en->actor.kind == ACTOR_SCRIPT && strcmp(en->actor.name, "andon") == 0);
    if (redactable & REDACT_PERSON && !nobody)
        own.actor.name[0] = '\0';
    if (redactable & REDACT_REASON && !nobody)
        own.reason = "";
    return entry_event(&own, facts, id, e);
}

bool book_event_known(struct audit_log *l, const struct entry *en, char id[SHA256_HEX], bool *known, struct err *e)
{
    static const unsigned ways[] = {0, REDACT_PERSON, REDACT_REASON, REDACT_PERSON | REDACT_REASON};
    bool any = false;
    int64_t stray;
    *known = false;
    /* It may have come while other kinds were committed. */
    if (!l->redactable && !l->chain.n && !store_openings(l->store, &any, &stray, e))
        return false;
    size_t n = l->redactable || any || l->chain.n ? sizeof ways / sizeof *ways : 1;
    for (size_t i = 0; !*known && i < n; i++)
        if (!event_of(en, ways[i], NULL, id, e) || !marked_in(l, id, true, known, e))
            return false;
    return true;
}

static bool write_event(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out,
                        bool *known, struct err *e)
{
    struct entry marked = *en;
    struct receipt ignored;
    char id[SHA256_HEX];
    uint8_t raw[HASH_LEN];
    bool there = false, ever = false;
    struct buf facts;
    buf_init(&facts, ENTRY_MAX);
    bool ok = book_event_known(l, en, id, &ever, e);
    if (ok && ever)
        ok = find_event(l, h, id, out ? out : &ignored, known, e);
    if (ok && !*known) {
        ok = event_of(en, l->redactable, &facts, id, e) && book_marked(l, id, &there, e);
        entry_str(&marked, EVENT_FIELD, id);
        ok = ok &&
             (there ||
              (tree_hash_parse(id, HASH_HEX - 1, raw) && store_put_blob(l->store, raw, facts.data, facts.len, e))) &&
             write_row(l, l->store, h, &marked, out, e);
    }
    buf_release(&facts);
    return ok;
}

bool book_put(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out, bool *known,
              struct err *e)
{
    /* Halts without corr cannot be told apart: each is an entry. */
    bool event = l->for_others || (entry_of_halt(en) && (en->corr != 0 || en->kind == ENTRY_DEGRADED));
    *known = false;
    return event ? write_event(l, h, en, out, known, e) : write_row(l, l->store, h, en, out, e);
}

bool book_head(struct audit_log *l, struct store_head *h, struct err *e)
{
    int64_t last = 0;
    bool followed;
    if (!store_head(l->store, h, e) || !store_last(l->store, &last, e) || !book_follow(l, h, &followed, e))
        return false;
    if (followed)
        return true;
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

bool book_commit(struct audit_log *l, struct store_head *h, struct err *e)
{
    if (!seal(l, l->store, h, e)) {
        store_rollback(l->store);
        return false;
    }
    if (!store_commit(l->store, e))
        return false;
    l->last = *h;
    return true;
}

struct same {
    const struct entry *en;
    struct receipt *out;
    size_t left; /* entries still to be looked at */
    bool found;
};

/* Is this row what would be written of the entry, but for the host's facts, which may have changed, and for being late,
 * which it was not yet when it was tried first? Committed values (audit/opening.h) are compared by their openings:
 * their salts are others each time. */
static bool says_the_same(const struct entry *en, const struct store_row *row, const struct leaf *l)
{
    struct entry as = *en;
    struct leaf shown;
    struct buf line, host;
    as.late = l->late;
    buf_init(&line, ENTRY_MAX);
    buf_init(&host, ENTRY_MAX);
    bool same = leaf_scan(row->shown.p, row->shown.n, &shown) &&
                (!shown.host.n || buf_add(&host, shown.host.p, shown.host.n)) &&
                entry_canonical(&as, (uint64_t)l->seq, host.data, &line, NULL);
    if (same && shown.committed.n) { /* no entry has that of itself: "committed":{...}, and other keys follow */
        const char *from = shown.committed.p - strlen("\"committed\":"),
                   *to = shown.committed.p + shown.committed.n + 1;
        size_t before = (size_t)(from - row->shown.p), after = (size_t)(row->shown.p + row->shown.n - to);
        same = line.len == before + after && memcmp(line.data, row->shown.p, before) == 0 &&
               memcmp(line.data + before, to, after) == 0;
    } else if (same) {
        same = line.len == row->shown.n && memcmp(line.data, row->shown.p, line.len) == 0;
    }
    buf_release(&line);
    buf_release(&host);
    return same;
}

static bool on_newest(void *ctx, const struct store_row *row)
{
    struct same *s = ctx;
    struct leaf l;
    if (leaf_scan(row->leaf, row->leaf_n, &l) && l.t == s->en->t && row->hash_n == HASH_LEN &&
        says_the_same(s->en, row, &l)) {
        s->found = true;
        s->out->seq = row->seq;
        hex_encode(s->out->leaf, row->hash, HASH_LEN);
    }
    return !s->found && --s->left > 0;
}

/* Did an earlier try write it? */
static bool find_same(struct audit_log *l, const struct store_head *h, const struct entry *en, struct receipt *out,
                      bool *known, struct err *e)
{
    struct same s = {.en = en, .out = out, .left = SAME_LOOK};
    uint8_t root[HASH_LEN];
    if (!chain_rows(l, 1, INT64_MAX, true, on_newest, &s, e))
        return false;
    tree_root(&h->tree, root);
    hex_encode(out->root, root, HASH_LEN);
    out->size = (int64_t)h->tree.size;
    *known = s.found;
    return true;
}

/* h: NULL = the guard writes it. */
static bool put_item(struct audit_log *l, struct store_head *h, struct audit_item *it, struct err *e)
{
    struct entry en = *it->entry;
    uint8_t raw[HASH_LEN];
    bool known = false;
    for (size_t i = 0; i < it->n_blobs; i++) {
        struct audit_blob *b = &it->blobs[i];
        if (b->n > BLOB_MAX)
            return err_set(e, ERR_LIMIT, "", "audit log: a blob of more than 64 MiB");
        sha256_bytes(b->bytes, b->n, raw);
        hex_encode(b->digest, raw, HASH_LEN);
        if (h ? !book_blob(l, raw, b->bytes, b->n, e) : !book_far_blob(l, b->bytes, b->n, e))
            return false;
        entry_str(&en, b->key, b->digest);
    }
    if (!h)
        return book_far_append(l, &en, &it->receipt, e);
    return (!it->again || find_same(l, h, &en, &it->receipt, &known, e)) &&
           (known || book_put(l, h, &en, &it->receipt, &known, e));
}

bool audit_append_all(struct audit_log *l, struct audit_item *it, size_t n, size_t *refused, struct err *e)
{
    struct store_head h = {0};
    struct clock_seen seen;
    bool far = l->socket && !l->read_only;
    *refused = n;
    if (!far && !book_begin(l, &h, e))
        return false;
    bool ok = far || book_clock(l, &h, &seen, e);
    for (size_t i = 0; ok && i < n; i++) {
        ok = put_item(l, far ? NULL : &h, &it[i], e);
        *refused = ok ? n : i;
    }
    if (far)
        return ok;
    if (!ok) {
        store_rollback(l->store);
        return false;
    }
    if (!book_commit(l, &h, e))
        return false;
    l->clock_seen = seen;
    return true;
}

bool audit_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    struct store_head h = {0};
    struct clock_seen seen;
    bool known = false;
    if (l->socket && !l->read_only)
        return book_far_append(l, en, out, e);
    if (!book_begin(l, &h, e))
        return false;
    if (!book_clock(l, &h, &seen, e) || !book_put(l, &h, en, out, &known, e) || known) {
        store_rollback(l->store);
        return known;
    }
    if (!book_commit(l, &h, e))
        return false;
    l->clock_seen = seen;
    return true;
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
    if (l->socket)
        return book_far_blob(l, bytes, n, e);
    if (!book_ready(l, e) || !store_begin(l->store, true, e))
        return false;
    if (!book_blob(l, raw, bytes, n, e)) {
        store_rollback(l->store);
        return false;
    }
    return store_commit(l->store, e);
}
