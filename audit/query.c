/* Reading back. There are no index columns beside the leaf: a query scans leaves (about 1 us each), so that what a
 * screen shows can only come from what is hashed and signed. */
#include "audit/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/far.h"
#include "audit/intake.h"
#include "audit/open.h"
#include "core/fmt.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     1000000

void query_range(const struct audit_query *q, int64_t *from, int64_t *to)
{
    *from = q && q->from_seq > 0 ? q->from_seq : 1;
    *to = q && q->to_seq > 0 ? q->to_seq : INT64_MAX;
}

static bool word_ok(const char *want, struct slice have)
{
    return !want || !*want || leaf_is(have, want);
}

bool query_takes(const struct audit_query *q, const struct leaf *l)
{
    return !q ||
           ((q->after_t == 0 || l->t >= q->after_t) && (q->before_t == 0 || l->t <= q->before_t) &&
            (q->corr == 0 || l->corr == q->corr) && word_ok(q->kind, l->kind) && word_ok(q->fleet, l->fleet) &&
            word_ok(q->rollout, l->rollout) && word_ok(q->actor, l->actor) && word_ok(q->result, l->result) &&
            (!q->late || l->late) &&
            (word_ok(q->verb, l->verb) || (slice_is(slice_of(q->verb), "approve") && leaf_is(l->kind, "approval"))));
}

/* Does the text stand there as a word of its own? Ids of devices may have most signs in them, and are parted by blanks,
 * line ends, commas and quotes. */
static bool has_word(const char *bytes, size_t n, const char *word)
{
    static const char part[] = " \n\t,;\"'[]{}";
    size_t k = strlen(word);
    for (const char *p = bytes; k > 0 && (p = memmem(p, (size_t)(bytes + n - p), word, k)) != NULL; p++) {
        if ((p == bytes || byte_in(p[-1], part)) && (p + k == bytes + n || byte_in(p[k], part)))
            return true;
    }
    return false;
}

/* In a field, as it is shown, or in a blob that the entry names, where ids are percent-encoded (docs/audit.md). */
static bool tells_of(struct audit_log *log, const struct leaf *l, const char *device)
{
    struct member m;
    bool found = false;
    struct buf id, blob;
    buf_init(&id, ENTRY_MAX);
    buf_init(&blob, BLOB_MAX);
    for (const unsigned char *p = (const unsigned char *)device; *p; p++) {
        if (*p > ' ' && *p < 0x7f && *p != '%')
            buf_addc(&id, (char)*p);
        else
            buf_printf(&id, "%%%02x", *p);
    }
    for (size_t at = 0; !found && leaf_member(l->fields, &at, &m);) {
        if (!leaf_names_blob(&m)) {
            found = has_word(m.value.p, m.value.n, device);
        } else if (!slice_is(m.key, EVENT_FIELD)) {
            uint8_t digest[HASH_LEN];
            buf_clear(&blob);
            found = tree_hash_parse(m.value.p, m.value.n, digest) && chain_blob(log, digest, &blob, NULL) &&
                    (has_word(blob.data, blob.len, device) || has_word(blob.data, blob.len, id.data));
        }
    }
    buf_release(&blob);
    buf_release(&id);
    return found;
}

static bool wanted(struct audit_log *log, const struct audit_query *q, const struct leaf *l)
{
    return query_takes(q, l) && (!q->device || !*q->device || tells_of(log, l, q->device));
}

void query_words(const struct audit_query *q, struct buf *out)
{
    char since[FMT_MAX], until[FMT_MAX], from[24], to[24], corr[24];
    if (!q)
        return;
    snprintf(from, sizeof from, "%" PRId64, q->from_seq);
    snprintf(to, sizeof to, "%" PRId64, q->to_seq);
    snprintf(corr, sizeof corr, "%016" PRIx64, q->corr);
    const struct {
        const char *word, *value;
    } all[] = {{"from entry", q->from_seq > 0 ? from : NULL},
               {"to entry", q->to_seq > 0 ? to : NULL},
               {"since", q->after_t ? fmt_iso(since, q->after_t) : NULL},
               {"until", q->before_t ? fmt_iso(until, q->before_t) : NULL},
               {"rollout", q->rollout},
               {"fleet", q->fleet},
               {"kind", q->kind},
               {"actor", q->actor},
               {"corr", q->corr ? corr : NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value && *all[i].value)
            buf_printf(out, "%s%s %.80s", out->len ? "; " : "", all[i].word, all[i].value);
}

/* --- query --------------------------------------------------------------------------------------------------- */

struct found {
    const struct audit_query *q;
    struct audit_log *log;
    struct arena *a;
    struct stored *item;
    size_t n, cap, limit;
};

static struct stored *more(struct found *f)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->item = xreallocarray(f->item, f->cap, sizeof *f->item);
    }
    return &f->item[f->n++];
}

static void decode(const struct store_row *row, struct arena *a, struct stored *s)
{
    static const uint8_t none[HASH_LEN];
    if (leaf_decode(row->shown.p, row->shown.n, row->hash_n == HASH_LEN ? row->hash : none, a, s)) {
        s->seq = row->seq; /* which counts over all files; the leaf's own is its place in its tree */
        if (row->shown.p != row->leaf) {
            s->line = arena_strndup(a, row->leaf, row->leaf_n);
            s->open = row->open.n ? arena_strndup(a, row->open.p, row->open.n) : "";
        }
        return;
    }
    *s = (struct stored){.seq = row->seq, .kind = "damaged", .leaf_hash = ""};
    s->line = s->shown = arena_strndup(a, row->leaf, row->leaf_n);
    s->open = "";
    s->actor = s->actor_kind = s->fleet = s->rollout = s->wave = s->verb = s->result = "";
    s->reason = "this entry cannot be read: run `andon audit verify`";
    s->before = s->after = s->host = "";
}

static void add(struct found *f, const struct store_row *row)
{
    decode(row, f->a, more(f));
}

static bool on_row(void *ctx, const struct store_row *row)
{
    struct found *f = ctx;
    struct leaf l;
    if (!leaf_scan(row->shown.p, row->shown.n, &l) || wanted(f->log, f->q, &l))
        add(f, row);
    return f->n < f->limit;
}

static void give(struct found *f, struct stored **out, size_t *n)
{
    *n = f->n;
    *out = f->n ? arena_memdup(f->a, f->item, f->n * sizeof *f->item) : NULL;
    free(f->item);
}

static bool run_query(struct audit_log *l, void *ctx, struct err *e)
{
    struct found *f = ctx;
    int64_t from, to;
    f->n = 0;
    f->log = l;
    query_range(f->q, &from, &to);
    const struct wire_rows want = {.after_t = f->q->after_t,
                                   .before_t = f->q->before_t,
                                   .corr = f->q->corr,
                                   .kinds = slice_of(f->q->kind),
                                   .fleet = slice_of(f->q->fleet),
                                   .rollout = slice_of(f->q->rollout),
                                   .actor = slice_of(f->q->actor)};
    return chain_rows_like(l, &want, from, to, f->q->newest_first, on_row, f, e);
}

bool audit_query(struct audit_log *l, const struct audit_query *q, struct arena *a, struct stored **out, size_t *n,
                 struct err *e)
{
    struct found f = {.q = q, .a = a, .limit = q->limit ? q->limit : LIMIT_DEFAULT};
    if (f.limit > LIMIT_MAX)
        f.limit = LIMIT_MAX;
    bool ok = book_read(l, run_query, &f, e);
    give(&f, out, n);
    return ok;
}

/* --- one after the other --------------------------------------------------------------------------------------- */

struct each {
    const struct audit_query *q;
    struct audit_log *log;
    audit_each_fn *fn;
    void *ctx;
    int64_t first; /* where the newest `limit` of them begin; 0: not known yet */
    int64_t last;  /* handed over; 0: none yet */
    size_t left;   /* of the limit */
    bool enough;
};

static bool counted(void *ctx, const struct store_row *row)
{
    struct each *x = ctx;
    struct leaf l;
    if (!leaf_scan(row->shown.p, row->shown.n, &l) || wanted(x->log, x->q, &l)) {
        x->first = row->seq;
        x->left--;
    }
    return x->left > 0;
}

static bool handed(void *ctx, const struct store_row *row)
{
    struct each *x = ctx;
    struct arena a;
    struct leaf l;
    struct stored s;
    x->last = row->seq;
    if (leaf_scan(row->shown.p, row->shown.n, &l) && !wanted(x->log, x->q, &l))
        return true;
    arena_init(&a);
    decode(row, &a, &s);
    x->enough = !x->fn(x->ctx, &s) || --x->left == 0;
    arena_release(&a);
    return !x->enough;
}

static bool run_each(struct audit_log *l, void *ctx, struct err *e)
{
    struct each *x = ctx;
    const struct audit_query *q = x->q;
    int64_t from, to;
    query_range(q, &from, &to);
    x->log = l;
    if (x->enough)
        return true;
    if (x->last == 0 && q->limit && !q->newest_first) {
        x->first = 0;
        x->left = q->limit;
        if (!chain_rows(l, from, to, true, counted, x, e))
            return false;
        from = x->first ? x->first : from;
        x->left = q->limit;
    }
    if (x->last > 0 && q->newest_first)
        to = x->last - 1;
    else if (x->last > 0)
        from = x->last + 1;
    return to < from || chain_rows(l, from, to, q->newest_first, handed, x, e);
}

bool audit_each(struct audit_log *l, const struct audit_query *q, audit_each_fn *fn, void *ctx, struct err *e)
{
    struct each x = {.q = q, .fn = fn, .ctx = ctx, .left = q->limit ? q->limit : SIZE_MAX};
    return book_read(l, run_each, &x, e);
}

/* --- what a crash left --------------------------------------------------------------------------------------- */

struct open_ctx {
    const char *fleet;
    struct ops ops;
    struct found found;
};

static bool on_op(void *ctx, const struct store_row *row)
{
    struct open_ctx *o = ctx;
    struct leaf l;
    if (leaf_scan(row->shown.p, row->shown.n, &l) && word_ok(o->fleet, l.fleet)) {
        l.seq = row->seq;
        ops_see(&o->ops, &l);
    }
    return true;
}

static bool on_found(void *ctx, const struct store_row *row)
{
    add(ctx, row);
    return true;
}

static bool run_open(struct audit_log *l, void *ctx, struct err *e)
{
    struct open_ctx *o = ctx;
    o->found.n = 0;
    ops_clear(&o->ops);
    const struct wire_rows want = {.kinds = slice_of("intent halt outcome recovered"), .fleet = slice_of(o->fleet)};
    if (!chain_rows_like(l, &want, 1, INT64_MAX, false, on_op, o, e))
        return false;
    size_t n;
    bool ok = true;
    int64_t *seq = ops_open(&o->ops, &n);
    for (size_t i = 0; ok && i < n; i++)
        ok = chain_rows(l, seq[i], seq[i], false, on_found, &o->found, e);
    free(seq);
    return ok;
}

bool audit_open_intents(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                        struct err *e)
{
    struct open_ctx o = {.fleet = fleet, .found = {.a = a}};
    ops_init(&o.ops);
    bool ok = book_read(l, run_open, &o, e);
    give(&o.found, out, n);
    ops_release(&o.ops);
    return ok;
}

/* --- halts that nobody has acknowledged ---------------------------------------------------------------------- */

struct latch_ctx {
    const char *fleet;
    struct found found;
};

/* Is the halt's number among those that the ack names? One that names none lifts whatever was there before it. */
static bool named(const struct stored *ack, const struct stored *halt)
{
    const char *lifts = stored_field(ack, "lifts");
    char id[24];
    snprintf(id, sizeof id, "%016" PRIx64, halt->corr);
    return !*lifts || halt->corr == 0 || strstr(lifts, id);
}

bool stored_ack_lifts(const struct stored *ack, const struct stored *halt)
{
    struct identity_mark a = {stored_identity(ack), ack->t}, h = {stored_identity(halt), halt->t};
    if (!*ack->rollout)
        return true;
    return named(ack, halt) && identity_ack_lifts(&a, &h);
}

/* Takes out of the list what the ack lifts. */
static void lift(struct found *f, const struct store_row *row)
{
    struct stored s;
    if (!leaf_decode(row->shown.p, row->shown.n, (const uint8_t[HASH_LEN]){0}, f->a, &s))
        return;
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!stored_ack_lifts(&s, &f->item[i]))
            f->item[kept++] = f->item[i];
    f->n = kept;
}

static bool on_latch(void *ctx, const struct store_row *row)
{
    struct latch_ctx *c = ctx;
    struct leaf l;
    if (!leaf_scan(row->shown.p, row->shown.n, &l) || !word_ok(c->fleet, l.fleet))
        return true;
    if (leaf_is(l.kind, "halt"))
        add(&c->found, row);
    else if (leaf_is(l.kind, "ack") && !leaf_is(l.result, "refused") && !leaf_is(l.result, "failed"))
        lift(&c->found, row);
    return true;
}

struct waiting_ctx {
    struct audit_log *l;
    struct latch_ctx *c;
};

/* A halt that the log does not have yet is one all the same. */
static void on_waiting(void *ctx, const struct record *r)
{
    struct waiting_ctx *w = ctx;
    struct found *f = &w->c->found;
    bool known = false;
    char id[SHA256_HEX];
    struct stored s;
    if (r->en.kind != ENTRY_HALT || (w->c->fleet && *w->c->fleet && strcmp(w->c->fleet, r->en.fleet) != 0) ||
        (book_event_known(w->l, &r->en, id, &known, NULL) && known) ||
        !leaf_decode_record(r->json, r->json_n, f->a, &s))
        return;
    *more(f) = s;
}

static bool run_latch(struct audit_log *l, void *ctx, struct err *e)
{
    struct latch_ctx *c = ctx;
    struct waiting_ctx w = {l, c};
    struct audit_intake ignored = {0};
    c->found.n = 0;
    const struct wire_rows want = {.kinds = slice_of("halt ack"), .fleet = slice_of(c->fleet)};
    if (!chain_rows_like(l, &want, 1, INT64_MAX, false, on_latch, c, e))
        return false;
    intake_each(l->spool, c->found.a, on_waiting, &w, &ignored);
    return true;
}

bool audit_latched(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                   struct err *e)
{
    struct latch_ctx c = {.fleet = fleet, .found = {.a = a}};
    bool ok = book_read(l, run_latch, &c, e);
    give(&c.found, out, n);
    return ok;
}
