/* Reading back. There are no index columns beside the leaf: a query scans leaves (about 1 us each), so that what a
 * screen shows can only come from what is hashed and signed. */
#include "audit/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/intake.h"
#include "audit/open.h"

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
    return !q || ((q->after_t == 0 || l->t >= q->after_t) && (q->before_t == 0 || l->t <= q->before_t) &&
                  (q->corr == 0 || l->corr == q->corr) && word_ok(q->kind, l->kind) && word_ok(q->fleet, l->fleet) &&
                  word_ok(q->rollout, l->rollout) && word_ok(q->actor, l->actor));
}

/* --- query --------------------------------------------------------------------------------------------------- */

struct found {
    const struct audit_query *q;
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

static void add(struct found *f, const struct store_row *row)
{
    static const uint8_t none[HASH_LEN];
    struct stored *s = more(f);
    if (leaf_decode(row->leaf, row->leaf_n, row->hash_n == HASH_LEN ? row->hash : none, f->a, s))
        return;
    *s = (struct stored){.seq = row->seq, .kind = "damaged", .leaf_hash = ""};
    s->line = arena_strndup(f->a, row->leaf, row->leaf_n);
    s->actor = s->actor_kind = s->fleet = s->rollout = s->wave = s->verb = s->result = "";
    s->reason = "this entry cannot be read: run `andon audit verify`";
    s->before = s->after = s->host = "";
}

static bool on_row(void *ctx, const struct store_row *row)
{
    struct found *f = ctx;
    struct leaf l;
    if (!leaf_scan(row->leaf, row->leaf_n, &l) || query_takes(f->q, &l))
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
    query_range(f->q, &from, &to);
    return store_rows(l->store, from, to, f->q->newest_first, on_row, f, e);
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
    if (leaf_scan(row->leaf, row->leaf_n, &l) && word_ok(o->fleet, l.fleet))
        ops_see(&o->ops, &l);
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
    if (!store_rows(l->store, 1, INT64_MAX, false, on_op, o, e))
        return false;
    size_t n;
    bool ok = true;
    int64_t *seq = ops_open(&o->ops, &n);
    for (size_t i = 0; ok && i < n; i++)
        ok = store_rows(l->store, seq[i], seq[i], false, on_found, &o->found, e);
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
    if (!leaf_decode(row->leaf, row->leaf_n, (const uint8_t[HASH_LEN]){0}, f->a, &s))
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
    if (!leaf_scan(row->leaf, row->leaf_n, &l) || !word_ok(c->fleet, l.fleet))
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
    struct stored s;
    if (r->en.kind != ENTRY_HALT || (w->c->fleet && *w->c->fleet && strcmp(w->c->fleet, r->en.fleet) != 0) ||
        (book_marked(w->l, r->id, &known, NULL) && known) || !leaf_decode_record(r->json, r->json_n, f->a, &s))
        return;
    *more(f) = s;
}

static bool run_latch(struct audit_log *l, void *ctx, struct err *e)
{
    struct latch_ctx *c = ctx;
    struct waiting_ctx w = {l, c};
    struct audit_intake ignored = {0};
    c->found.n = 0;
    if (!store_rows(l->store, 1, INT64_MAX, false, on_latch, c, e))
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
