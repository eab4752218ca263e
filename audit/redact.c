#include "audit/redact.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/open.h"
#include "audit/opening.h"
#include "audit/place.h"
#include "audit/query.h"
#include "audit/seals.h"
#include "audit/turn.h"
#include "core/redact.h"

/* An entry's openings as they are to be. */
struct hit {
    size_t part; /* of the chain; its n: the newest file */
    int64_t seq; /* in it */
    char *lines;
    size_t n;
};

struct hold {
    char name[HOLD_NAME_MAX + 1];
    int64_t since_t, until_t, number; /* as struct audit_hold */
};

struct redacting {
    struct audit_log *l;
    const struct audit_redact *r;
    struct audit_redacted *out;
    struct audit_query q; /* without the actor */
    struct ops ops;
    struct seals seals;
    struct hold *hold; /* those that stand */
    size_t n_hold;
    int64_t *open; /* entries of open operations, ascending */
    size_t n_open;
    int64_t by; /* number of the entry that is to come */
    struct hit *hit;
    size_t n, cap;
    struct buf list; /* "NUMBER PATH" */
};

static bool asked(const char *actor)
{
    return actor && *actor;
}

/* Inside the transaction: a hold that another process adds comes before the erasing, or after it. */
static void see_hold(struct redacting *x, int64_t number, const struct leaf *l)
{
    struct hold h = {.number = number};
    struct member m;
    bool begins = leaf_is(l->result, "hold");
    if (!leaf_is(l->kind, "config") || (!begins && !leaf_is(l->result, "hold-removed")))
        return;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "hold") && m.value.n < sizeof h.name)
            memcpy(h.name, m.value.p, m.value.n);
        else if (slice_is(m.key, "hold.since"))
            (void)slice_int(m.value, &h.since_t);
        else if (slice_is(m.key, "hold.until"))
            (void)slice_int(m.value, &h.until_t);
    }
    size_t i = 0;
    while (i < x->n_hold && strcmp(x->hold[i].name, h.name) != 0)
        i++;
    if (begins && i == x->n_hold) {
        x->hold = xreallocarray(x->hold, x->n_hold + 1, sizeof *x->hold);
        x->hold[x->n_hold++] = h;
    } else if (!begins && i < x->n_hold) {
        x->hold[i] = x->hold[--x->n_hold];
    }
}

static bool is_held(struct redacting *x, int64_t number, const struct leaf *l, bool his)
{
    for (size_t i = 0; i < x->n_hold; i++) {
        const struct hold *h = &x->hold[i];
        if (h->number != number && ((h->since_t != 0 && l->t < h->since_t) || (h->until_t != 0 && l->t >= h->until_t)))
            continue;
        if (his && !*x->out->held_by)
            memcpy(x->out->held_by, h->name, sizeof h->name);
        return true;
    }
    return false;
}

static bool first_look(void *ctx, const struct store_row *row)
{
    struct redacting *x = ctx;
    struct leaf l;
    char why[160];
    if (!leaf_scan(row->leaf, row->leaf_n, &l))
        return true;
    (void)!seals_entry(&x->seals, row->seq, &l, row->open, why);
    see_hold(x, row->seq, &l);
    l.seq = row->seq;
    ops_see(&x->ops, &l);
    return true;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_open(const struct redacting *x, int64_t number)
{
    return x->n_open && bsearch(&number, x->open, x->n_open, sizeof number, ascending);
}

static void place(struct redacting *x, int64_t number, struct hit *h)
{
    const struct chain *c = &x->l->chain;
    for (h->part = 0; h->part < c->n && number > c->part[h->part].base + c->part[h->part].size; h->part++)
        ;
    h->seq = number - (h->part < c->n ? c->part[h->part].base : c->base);
}

static void keep(struct redacting *x, const struct store_row *row, struct buf *lines)
{
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 64;
        x->hit = xreallocarray(x->hit, x->cap, sizeof *x->hit);
    }
    struct hit *h = &x->hit[x->n++];
    place(x, row->seq, h);
    h->n = lines->len;
    h->lines = buf_take(lines);
}

static bool within(struct slice text, const char *name)
{
    size_t n = strlen(name);
    return n > 0 && text.n > n && memmem(text.p, text.n, name, n);
}

/* Which entry is to be named as the one that erased this value; 0: it stays. */
static int64_t erased_by(struct redacting *x, const struct store_row *row, const struct opening *o, bool chosen,
                         bool his)
{
    const char *actor = x->r->q->actor;
    bool own, string = o->value.n >= 2 && *o->value.p == '"';
    struct slice text = string ? (struct slice){o->value.p + 1, o->value.n - 2} : o->value;
    int64_t before = seals_erased(&x->seals, row->seq, o->path);
    if (before) {
        x->out->again++;
        return before;
    }
    if (chosen && redact_kinds(o->path, &own) & x->r->kinds && (his || (string && leaf_is(text, actor)))) {
        buf_printf(&x->list, "%" PRId64 " ", row->seq);
        buf_add(&x->list, o->path.p, o->path.n);
        buf_addc(&x->list, '\n');
        x->out->values++;
        return x->by;
    }
    x->out->mentions += asked(actor) && (within(text, actor) || (string && leaf_is(text, actor)));
    return 0;
}

static bool second_look(void *ctx, const struct store_row *row)
{
    struct redacting *x = ctx;
    const char *actor = x->r->q->actor;
    struct leaf l;
    struct opening o;
    struct buf lines;
    int64_t from, to, before = x->out->values, again = x->out->again;
    bool bad;
    if (!leaf_scan(row->shown.p, row->shown.n, &l))
        return true;
    bool his = !asked(actor) || leaf_is(l.actor, actor);
    struct committed c;
    bool commits = false;
    struct leaf raw;
    if (leaf_scan(row->leaf, row->leaf_n, &raw))
        for (size_t at = 0; !commits && committed_next(raw.committed, &at, &c);)
            commits = slice_is(c.path, "actor.name");
    x->out->clear += asked(actor) && his && !commits;
    if (row->open.n == 0)
        return true;
    query_range(&x->q, &from, &to);
    bool chosen = row->seq >= from && row->seq <= to && query_takes(&x->q, &l);
    if (chosen && is_open(x, row->seq)) {
        x->out->open_left++;
        chosen = false;
    } else if (chosen && is_held(x, row->seq, &l, his)) {
        x->out->held += his;
        chosen = false;
    }
    buf_init(&lines, OPENINGS_MAX);
    for (struct slice rest = row->open; opening_read(&rest, &o, &bad);) {
        int64_t by = o.erased ? 0 : erased_by(x, row, &o, chosen, his);
        if (by) {
            buf_printf(&lines, "%" PRId64 " ", o.seq);
            buf_add(&lines, o.path.p, o.path.n);
            buf_printf(&lines, " erased %" PRId64 "\n", by);
        } else {
            buf_add(&lines, o.line.p, o.line.n);
            buf_addc(&lines, '\n');
        }
    }
    x->out->entries += x->out->values > before;
    if (x->out->values > before || x->out->again > again)
        keep(x, row, &lines);
    buf_release(&lines);
    return true;
}

/* The lists of earlier entries. */
static bool read_lists(struct redacting *x, struct err *e)
{
    uint8_t digest[HASH_LEN];
    struct audit_report ignored;
    int64_t seq;
    for (size_t at = 0; seals_missing(&x->seals, &at, digest);) {
        struct buf bytes;
        buf_init(&bytes, BLOB_MAX);
        bool ok = chain_blob(x->l, digest, &bytes, e);
        if (ok)
            seals_blob(&x->seals, digest, bytes.data, bytes.len);
        buf_release(&bytes);
        if (!ok)
            return false;
    }
    (void)!seals_judge(&x->seals, 0, &ignored, &seq);
    return true;
}

static void words(unsigned kinds, struct buf *out)
{
    for (size_t i = 0; redact_word(i); i++)
        if (kinds & redact_from_word(redact_word(i)))
            buf_printf(out, "%s%s", out->len ? " " : "", redact_word(i));
}

/* How many of what, why and which; of whom it was is not said. */
static bool write_entry(struct redacting *x, struct store_head *h, struct err *e)
{
    struct entry en;
    struct receipt rc = {0};
    struct buf what, chosen;
    uint8_t raw[HASH_LEN];
    char digest[HASH_HEX];
    bool known;
    buf_init(&what, 200);
    buf_init(&chosen, 2000);
    sha256_bytes(x->list.data, x->list.len, raw);
    hex_encode(digest, raw, HASH_LEN);
    words(x->r->kinds, &what);
    if (asked(x->r->q->actor))
        buf_adds(&chosen, "one person");
    query_words(&x->q, &chosen);
    entry_init(&en, ENTRY_REDACT);
    en.t = clock_wall(x->l->clock);
    en.mono = clock_boot(x->l->clock);
    en.actor = x->r->actor;
    en.reason = x->r->reason;
    en.result = "erased";
    entry_int(&en, "values", x->out->values);
    entry_int(&en, "entries", x->out->entries);
    entry_str(&en, "what", what.data);
    if (chosen.len)
        entry_str(&en, "selected", chosen.data);
    entry_str(&en, ERASED_FIELD, digest);
    bool ok = book_blob(x->l, raw, x->list.data, x->list.len, e) && book_put(x->l, h, &en, &rc, &known, e);
    x->out->seq = rc.seq;
    buf_release(&what);
    buf_release(&chosen);
    return ok;
}

static bool change(struct redacting *x, struct store *s, size_t part, struct err *e)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct hit *h = &x->hit[i];
        if (h->part == part && !store_change_openings(s, h->seq, h->lines, h->n, e))
            return false;
    }
    return true;
}

/* In the newest file all of it in one transaction. */
static bool here(struct redacting *x, struct err *e)
{
    struct audit_log *l = x->l;
    struct store_head h = {0};
    if (!book_begin(l, &h, e))
        return false;
    x->by = l->chain.base + (int64_t)h.tree.size + 1;
    bool ok = chain_rows(l, 1, INT64_MAX, false, first_look, x, e) && read_lists(x, e);
    x->open = ops_open(&x->ops, &x->n_open);
    ok = ok && chain_rows(l, 1, INT64_MAX, false, second_look, x, e);
    if (ok && x->list.over)
        ok = err_set(e, ERR_LIMIT, "erase in parts: --until TIME", "too many values for one entry");
    bool look = !ok || x->r->only_look || x->n == 0;
    if (look || (x->out->values > 0 && !write_entry(x, &h, e)) || !change(x, l->store, l->chain.n, e)) {
        store_rollback(l->store);
        x->out->seq = 0;
        return ok && look;
    }
    if (h.tree.size == h.stored)
        return store_commit(l->store, e);
    ok = book_commit(l, &h, e);
    if (!ok)
        x->out->seq = 0;
    return ok;
}

struct older {
    struct redacting *x;
    size_t part;
};

static bool change_older(struct store *s, void *ctx, struct err *e)
{
    const struct older *o = ctx;
    if (!store_begin(s, true, e))
        return false;
    if (change(o->x, s, o->part, e))
        return store_commit(s, e);
    store_rollback(s);
    return false;
}

/* Older files are written anew, beside and then in the place of what they were: others may have them open. */
static bool there(struct redacting *x, struct err *e)
{
    bool ok = true;
    for (size_t p = 0; ok && p < x->l->chain.n; p++) {
        struct older o = {x, p};
        bool any = false;
        for (size_t i = 0; i < x->n; i++)
            any = any || x->hit[i].part == p;
        if (!any)
            continue;
        char *path = chain_path(x->l->db_path, x->l->chain.part[p].file);
        ok = turn_copy(path, path, change_older, &o, e);
        x->out->files += ok;
        free(path);
    }
    return ok;
}

static bool called_so(const char *tail)
{
    static const char aside[] = ".damaged-"; /* audit/recover.c */
    return (tail[0] == '.' && tail[1] >= '0' && tail[1] <= '9') || strncmp(tail, aside, sizeof aside - 1) == 0;
}

/* "audit.db.2", "audit.db.1.x7Kq0b", "audit.db.damaged-1": what somebody who was killed had copied so far, what was set
 * aside by a recovery, or what somebody has put there. Such a file may have all the openings; whose it is cannot be
 * told from its name, so it stays. */
static int64_t beside(const struct audit_log *l)
{
    const char *slash = strrchr(l->db_path, '/'), *own = slash ? slash + 1 : l->db_path;
    char *dir = place_folder(l->db_path);
    DIR *d = opendir(dir);
    size_t n = strlen(own);
    int64_t found = 0;
    for (struct dirent *f; d && (f = readdir(d));) {
        bool other = strncmp(f->d_name, own, n) != 0 || !called_so(f->d_name + n);
        for (size_t i = 0; i < l->chain.n && !other; i++)
            other = strcmp(f->d_name, l->chain.part[i].file) == 0;
        found += !other;
    }
    if (d)
        closedir(d);
    free(dir);
    return found;
}

bool audit_redact(struct audit_log *l, const struct audit_redact *r, struct audit_redacted *out, struct err *e)
{
    struct redacting x = {.l = l, .r = r, .out = out, .q = *r->q};
    memset(out, 0, sizeof *out);
    if (l->socket)
        return err_set(e, ERR_REFUSED, "end the guard, and use a configuration without audit: socket:",
                       "the audit log is written by the guard alone");
    x.q.actor = NULL;
    ops_init(&x.ops);
    buf_init(&x.list, BLOB_MAX);
    bool ok = here(&x, e) && (r->only_look || there(&x, e));
    if (ok && !r->only_look)
        out->flushed = store_flush(l->store, &out->flush);
    out->beside = beside(l);
    for (size_t i = 0; i < x.n; i++)
        free(x.hit[i].lines);
    free(x.hit);
    free(x.hold);
    free(x.open);
    ops_release(&x.ops);
    seals_release(&x.seals);
    buf_release(&x.list);
    return ok;
}
