#include "audit/serve_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/keep.h"
#include "audit/query.h"
#include "audit/record.h"
#include "audit/serve.h"

#define SCAN_ROWS  8192   /* looked at for one answer */
#define SCAN_CORR  200000 /* of the newest entries, for one that an entry follows */
#define NAMES_EACH 4096

struct asked {
    struct desk *desk;
    const struct peer *who;
    struct wire_in in;
    struct buf *out;
};

static bool malformed(struct err *e)
{
    return err_set(e, ERR_PROTOCOL, "are both of the same version?", "the question cannot be read");
}

/* ---- reading ---- */

static bool hello(struct asked *a, struct err *e)
{
    uint64_t version = wire_number(&a->in);
    if (!wire_end(&a->in))
        return malformed(e);
    if (version != WIRE_VERSION)
        return err_set(e, ERR_UNSUPPORTED, "restart the guard after an update", "the guard speaks version %d here",
                       WIRE_VERSION);
    wire_put(a->out, WIRE_VERSION);
    wire_put_bytes(a->out, a->who->user, strlen(a->who->user));
    return true;
}

static bool put_state(struct audit_log *l, void *ctx, struct err *e)
{
    struct asked *a = ctx;
    struct store_head h;
    uint8_t frontier[TREE_DEPTH * HASH_LEN];
    int64_t last = 0;
    if (!store_head(l->store, &h, e) || !store_last(l->store, &last, e))
        return false;
    wire_put(a->out, h.tree.size);
    wire_put_bytes(a->out, frontier, tree_pack(&h.tree, frontier));
    wire_put_bytes(a->out, h.note, h.note_n);
    wire_put(a->out, (uint64_t)last);
    wire_put(a->out, (uint64_t)l->chain.base);
    return true;
}

static bool state(struct asked *a, struct err *e)
{
    return wire_end(&a->in) ? book_read(a->desk->log, put_state, a, e) : malformed(e);
}

struct rows {
    struct asked *a;
    struct wire_rows q;
    struct audit_query like;
    char fleet[WIRE_WORD_MAX + 1], rollout[WIRE_WORD_MAX + 1], actor[WIRE_WORD_MAX + 1];
    size_t begin; /* of the answer's rows */
    int64_t seen, next;
};

static bool word(struct slice s, char out[WIRE_WORD_MAX + 1])
{
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return s.n == 0 || !memchr(s.p, '\0', s.n);
}

/* Is the kind one of those, with blanks between? */
static bool kind_of(struct slice kinds, struct slice kind)
{
    while (kinds.n > 0) {
        const char *stop = memchr(kinds.p, ' ', kinds.n);
        size_t n = stop ? (size_t)(stop - kinds.p) : kinds.n;
        if (slice_same((struct slice){kinds.p, n}, kind))
            return true;
        n += stop != NULL;
        kinds.p += n;
        kinds.n -= n;
    }
    return false;
}

static bool put_row(void *ctx, const struct store_row *row)
{
    struct rows *r = ctx;
    struct buf *out = r->a->out;
    struct leaf l;
    if (r->seen++ >= SCAN_ROWS || out->len - r->begin > WIRE_CHUNK) {
        r->next = row->seq;
        return false;
    }
    if (leaf_scan(row->shown.p, row->shown.n, &l) &&
        (!query_takes(&r->like, &l) || (r->q.kinds.n > 0 && !kind_of(r->q.kinds, l.kind))))
        return true;
    wire_put(out, (uint64_t)row->seq);
    wire_put_bytes(out, row->hash, row->hash_n < 2 * (size_t)HASH_LEN ? row->hash_n : 2 * (size_t)HASH_LEN);
    wire_put_bytes(out, row->leaf, row->leaf_n < WIRE_ROW_MAX ? row->leaf_n : WIRE_ROW_MAX);
    wire_put_bytes(out, row->open.p, row->open.n < WIRE_OPEN_MAX ? row->open.n : WIRE_OPEN_MAX);
    return true;
}

static bool scan_rows(struct audit_log *l, void *ctx, struct err *e)
{
    struct rows *r = ctx;
    struct buf *out = r->a->out;
    out->len = r->begin - 8;
    r->seen = r->next = 0;
    wire_put(out, 0);
    if (r->q.all_files ? !chain_rows(l, r->q.from, r->q.to, r->q.newest_first, put_row, r, e)
                       : !store_rows(l->store, r->q.from, r->q.to, r->q.newest_first, put_row, r, e))
        return false;
    for (int i = 0; i < 8; i++)
        out->data[r->begin - 1 - (size_t)i] = (char)(r->next >> 8 * i & 0xff);
    return true;
}

static bool rows(struct asked *a, struct err *e)
{
    struct rows r = {.a = a, .begin = a->out->len + 8};
    wire_get_rows(&a->in, &r.q);
    if (!wire_end(&a->in) || !word(r.q.fleet, r.fleet) || !word(r.q.rollout, r.rollout) || !word(r.q.actor, r.actor))
        return malformed(e);
    r.like = (struct audit_query){.fleet = r.fleet,
                                  .rollout = r.rollout,
                                  .actor = r.actor,
                                  .corr = r.q.corr,
                                  .after_t = r.q.after_t,
                                  .before_t = r.q.before_t};
    return book_read(a->desk->log, scan_rows, &r, e);
}

static bool keep_blob(struct audit_log *l, void *ctx, struct err *e)
{
    struct blob_kept *b = ctx;
    buf_clear(&b->bytes);
    return chain_blob(l, b->digest, &b->bytes, e);
}

static bool blob(struct asked *a, struct err *e)
{
    struct blob_kept *b = &a->desk->blob;
    struct slice digest = wire_bytes(&a->in, HASH_LEN);
    uint64_t from = wire_number(&a->in);
    if (!wire_end(&a->in) || digest.n != HASH_LEN)
        return malformed(e);
    if (!b->any || memcmp(b->digest, digest.p, HASH_LEN) != 0) {
        memcpy(b->digest, digest.p, HASH_LEN);
        b->any = book_read(a->desk->log, keep_blob, b, e);
        if (!b->any)
            return false;
    }
    if (from > b->bytes.len)
        return malformed(e);
    size_t left = b->bytes.len - (size_t)from;
    wire_put(a->out, b->bytes.len);
    wire_put_bytes(a->out, b->bytes.data + from, left < WIRE_CHUNK ? left : WIRE_CHUNK);
    if (left <= WIRE_CHUNK) { /* that was its end */
        b->any = false;
        buf_release(&b->bytes);
        buf_init(&b->bytes, BLOB_MAX);
    }
    return true;
}

struct names {
    struct asked *a;
    int64_t from, next;
    size_t begin, n;
};

static bool put_name(void *ctx, int64_t row, const uint8_t *digest, size_t n)
{
    struct names *x = ctx;
    if (x->n++ == NAMES_EACH) {
        x->next = row;
        return false;
    }
    if (n == HASH_LEN) /* another has no name by which it could be asked for */
        buf_add(x->a->out, digest, n);
    return true;
}

static bool scan_names(struct audit_log *l, void *ctx, struct err *e)
{
    struct names *x = ctx;
    struct buf *out = x->a->out;
    out->len = x->begin - 8;
    x->n = 0;
    x->next = 0;
    wire_put(out, 0);
    if (!store_blob_names(l->store, x->from, put_name, x, e))
        return false;
    for (int i = 0; i < 8; i++)
        out->data[x->begin - 1 - (size_t)i] = (char)(x->next >> 8 * i & 0xff);
    return true;
}

static bool blobs(struct asked *a, struct err *e)
{
    struct names x = {.a = a, .from = (int64_t)wire_number(&a->in), .begin = a->out->len + 8};
    return wire_end(&a->in) ? book_read(a->desk->log, scan_names, &x, e) : malformed(e);
}

/* ---- writing ---- */

static bool put_blob(struct asked *a, struct err *e)
{
    char digest[HASH_HEX];
    struct slice bytes = wire_bytes(&a->in, WIRE_BLOB_MAX);
    if (!wire_end(&a->in))
        return malformed(e);
    if (slice_starts(bytes,
                     KEEP_MARK)) /* by it a file that has gone is taken for one that was removed (audit/chain.c) */
        return err_set(e, ERR_REFUSED, "", "such a blob the log alone writes, with the removal of an older file");
    return audit_put_blob(a->desk->log, bytes.p ? bytes.p : "", bytes.n, digest, e);
}

struct leads {
    const struct entry *en;
    int64_t seen;
    bool found;
};

static bool on_lead(void *ctx, const struct store_row *row)
{
    struct leads *x = ctx;
    struct leaf l;
    if (leaf_scan(row->shown.p, row->shown.n, &l) && l.corr == x->en->corr &&
        (leaf_is(l.kind, "intent") || leaf_is(l.kind, "halt")))
        x->found = leaf_is(l.actor, x->en->actor.name);
    return !x->found && ++x->seen < SCAN_CORR;
}

static bool find_lead(struct audit_log *l, void *ctx, struct err *e)
{
    return chain_rows(l, 1, INT64_MAX, true, on_lead, ctx, e);
}

/* What an entry names must be there: it would make the log fail its verification. */
static bool find_blobs(struct audit_log *l, void *ctx, struct err *e)
{
    const struct entry *en = ctx;
    for (size_t i = 0; i < en->n_fields; i++) {
        const struct entry_field *f = &en->fields[i];
        struct member m = {.key = slice_of(f->key), .value = slice_of(f->str), .is_string = f->str != NULL};
        bool there = true;
        if (leaf_names_blob(&m) && !slice_is(m.key, EVENT_FIELD) && !book_marked(l, f->str, &there, e))
            return false;
        if (!there)
            return err_set(e, ERR_STATE, "", "the entry names a blob that is not in the log (%.60s)", f->key);
    }
    return true;
}

bool desk_may(struct audit_log *l, const char *user, const struct entry *en, struct err *e)
{
    struct leads x = {.en = en};
    bool follows;
    if (!peer_entry(user, en, &follows, e))
        return false;
    if (follows && !book_read(l, find_lead, &x, e))
        return false;
    if (follows && !x.found)
        return err_set(e, ERR_STATE, "", "%.60s cannot write an entry in the name of %.60s, who began nothing of it",
                       user, en->actor.name);
    return true;
}

static bool check(struct asked *a, struct entry *en, struct err *e)
{
    int64_t now = clock_wall(a->desk->log->clock);
    if (en->t <= 0 || en->t > now + SERVE_AHEAD_US)
        return err_set(e, ERR_RANGE, "set the clock", "the entry is of a time that has not come");
    en->late = en->late || en->t < now - SERVE_LATE_US;
    return desk_may(a->desk->log, a->who->user, en, e) && book_read(a->desk->log, find_blobs, en, e);
}

static bool append(struct asked *a, struct err *e)
{
    struct audit_log *l = a->desk->log;
    struct slice line = wire_bytes(&a->in, ENTRY_MAX);
    struct record r;
    struct receipt got = {0};
    struct arena arena;
    uint8_t leaf[HASH_LEN], root[HASH_LEN];
    if (!wire_end(&a->in))
        return malformed(e);
    arena_init(&arena);
    bool ok = record_entry(line.p, line.n, &arena, &r) ||
              err_set(e, ERR_SYNTAX, "are both of the same version?", "the entry is not in its canonical form");
    ok = ok && check(a, &r.en, e);
    if (ok) {
        buf_clear(&l->host);
        peer_facts(a->who, slice_of(r.host), &l->host);
        ok = audit_append(l, &r.en, &got, e);
    }
    if (ok && tree_hash_parse(got.leaf, HASH_HEX - 1, leaf) && tree_hash_parse(got.root, HASH_HEX - 1, root)) {
        wire_put(a->out, (uint64_t)got.seq);
        wire_put(a->out, (uint64_t)got.size);
        wire_put_bytes(a->out, leaf, HASH_LEN);
        wire_put_bytes(a->out, root, HASH_LEN);
    }
    arena_release(&arena);
    return ok;
}

/* Its own user, or root: who could do it with the file, were the guard not there. */
static bool rotate(struct asked *a, struct err *e)
{
    struct audit_log *l = a->desk->log;
    char reason[WIRE_WORD_MAX + 1];
    bool new_key = wire_number(&a->in) != 0;
    uint64_t kind = wire_number(&a->in);
    struct slice text = wire_bytes(&a->in, WIRE_WORD_MAX), host = wire_bytes(&a->in, ENTRY_MAX);
    if (!wire_end(&a->in) || kind > ACTOR_SCRIPT || !word(text, reason) || !*reason)
        return malformed(e);
    if (a->who->uid != 0 && a->who->uid != geteuid())
        return err_set(e, ERR_FORBIDDEN, "run it as the guard's user or as root",
                       "%.60s may not let the log go on in another file", a->who->user);
    struct audit_turn t = {{.kind = (enum actor_kind)kind}, reason};
    snprintf(t.actor.name, sizeof t.actor.name, "%.*s", (int)sizeof t.actor.name - 1, a->who->user);
    buf_clear(&l->host);
    peer_facts(a->who, host, &l->host);
    return audit_rotate(l, &t, new_key, e);
}

/* ---- all ---- */

unsigned desk_cost(const struct wire_frame *q)
{
    return q->word == WIRE_APPEND ? 1 : q->word == WIRE_PUT_BLOB ? 1 + (unsigned)(q->body.n / SERVE_BYTES) : 0;
}

bool desk_answer(struct desk *d, const struct peer *who, const struct wire_frame *q, struct buf *out)
{
    static bool (*const answers[WIRE_ASKS])(struct asked * a, struct err * e) = {
        [WIRE_HELLO] = hello, [WIRE_STATE] = state,       [WIRE_ROWS] = rows,     [WIRE_BLOB] = blob,
        [WIRE_BLOBS] = blobs, [WIRE_PUT_BLOB] = put_blob, [WIRE_APPEND] = append, [WIRE_ROTATE] = rotate};
    struct asked a = {d, who, {.left = q->body}, out};
    struct err e = {0};
    size_t at = wire_open(out, WIRE_OK);
    if (answers[q->word](&a, &e) && !out->over) {
        wire_close(out, at);
        return true;
    }
    if (out->over)
        err_set(&e, ERR_LIMIT, "", "the answer is too long");
    out->len = at;
    out->over = false;
    wire_put_err(out, &e);
    return e.code != ERR_PROTOCOL && e.code != ERR_UNSUPPORTED;
}
