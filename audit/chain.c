#include "audit/chain.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/far.h"
#include "audit/opening.h"
#include "audit/keep.h"
#include "audit/place.h"

/* ---- what a first entry says ---- */

static void take_text(struct slice v, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)(v.n < size ? v.n : 0), v.n < size ? v.p : "");
}

/* Names and numbers only: nothing in them needs an escape. */
static bool take(struct previous *p, const struct member *m)
{
    int64_t n;
    if (slice_is(m->key, "previous.why"))
        take_text(m->value, p->why, sizeof p->why);
    else if (slice_is(m->key, "previous.file"))
        take_text(m->value, p->file, sizeof p->file);
    else if (slice_is(m->key, "previous.vkey"))
        take_text(m->value, p->vkey, sizeof p->vkey);
    else if (slice_is(m->key, "previous.origin"))
        take_text(m->value, p->have.origin, sizeof p->have.origin);
    else if (slice_is(m->key, "seen.origin"))
        take_text(m->value, p->seen.origin, sizeof p->seen.origin);
    else if (slice_is(m->key, "previous.root"))
        return tree_hash_parse(m->value.p, m->value.n, p->have.root);
    else if (slice_is(m->key, "seen.root"))
        return tree_hash_parse(m->value.p, m->value.n, p->seen.root);
    else if (slice_is(m->key, "previous.newest"))
        return slice_int(m->value, &p->base) && p->base >= 0;
    else if (slice_is(m->key, "previous.size") || slice_is(m->key, "seen.size")) {
        if (!slice_int(m->value, &n) || n < 1)
            return false;
        *(slice_is(m->key, "seen.size") ? &p->seen.size : &p->have.size) = (uint64_t)n;
    }
    return true;
}

struct reading {
    struct previous *p;
    bool ok;
};

bool chain_says(const char *line, size_t n, struct previous *out)
{
    struct leaf l;
    struct member m;
    memset(out, 0, sizeof *out);
    bool ok = leaf_scan(line, n, &l) && leaf_is(l.kind, "genesis");
    for (size_t at = 0; ok && leaf_member(l.fields, &at, &m);)
        ok = take(out, &m);
    if (!ok)
        return false;
    if (!*out->seen.origin)
        memcpy(out->seen.origin, out->have.origin, sizeof out->seen.origin);
    bool file_ok = !*out->file || (out->have.size > 0 && !strchr(out->file, '/'));
    return *out->why ? *out->have.origin && file_ok : out->base == 0;
}

static bool on_genesis(void *ctx, const struct store_row *row)
{
    struct reading *r = ctx;
    r->ok = chain_says(row->leaf, row->leaf_n, r->p);
    return false;
}

bool chain_previous(struct store *s, struct previous *out, struct err *e)
{
    struct reading r = {out, false};
    memset(out, 0, sizeof *out);
    if (!store_rows(s, 1, 1, false, on_genesis, &r, e))
        return false;
    return r.ok ? true
                : err_set(e, ERR_TAMPERED, "", "audit log: the first entry is missing or does not say what was before");
}

char *chain_path(const char *db_path, const char *file)
{
    char *dir = place_folder(db_path), *path;
    struct buf b;
    buf_init(&b, PATH_MAX + 80);
    buf_printf(&b, "%s/%s", dir, file);
    path = buf_take(&b);
    buf_release(&b);
    free(dir);
    return path;
}

/* ---- the files ---- */

static bool as_named(struct store *s, const struct previous *p, const char *path, struct err *e)
{
    struct store_head h = {0};
    struct checkpoint c;
    uint8_t root[HASH_LEN];
    if (!store_head(s, &h, e))
        return false;
    tree_root(&h.tree, root);
    if (note_peek(h.note, h.note_n, &c) && memcmp(c.origin, p->have.origin, sizeof c.origin) == 0 &&
        h.tree.size == p->have.size && memcmp(root, p->have.root, HASH_LEN) == 0)
        return true;
    return err_set(e, ERR_TAMPERED, "put it back, then `andon audit verify`",
                   "audit log: %.200s is not the part of the log that the next one names", path);
}

static bool open_part(struct part *part, const struct previous *p, struct previous *before, const char *db_path,
                      struct err *e)
{
    char *path = chain_path(db_path, p->file);
    struct err why = {0};
    part->store = store_open(path, true, &why);
    bool ok = part->store && as_named(part->store, p, path, &why) && chain_previous(part->store, before, &why);
    if (!part->store && why.code == ERR_NOT_FOUND)
        err_set(&why, ERR_TAMPERED, "put it back", "audit log: %.150s has gone, with the entries up to %lld", path,
                (long long)p->base);
    memcpy(part->file, p->file, sizeof part->file);
    part->head = p->have;
    part->size = (int64_t)p->have.size;
    part->base = before->base;
    if (!ok && e)
        *e = why;
    free(path);
    return ok;
}

/* A file that is not there, and whose removal is in one of the newer ones (audit/keep.h). */
static bool was_removed(const struct chain *c, struct store *s, const struct previous *p)
{
    uint8_t digest[HASH_LEN];
    struct buf text;
    keep_mark(p, digest, NULL);
    buf_init(&text, 1024);
    bool yes = store_get_blob(s, digest, &text, NULL);
    for (size_t i = 0; i < c->n && !yes; i++) {
        buf_clear(&text);
        yes = store_get_blob(c->part[i].store, digest, &text, NULL);
    }
    buf_release(&text);
    return yes;
}

bool chain_open(struct chain *c, struct store *s, const char *db_path, bool what_is_there, struct err *e)
{
    struct previous p;
    chain_close(c);
    if (!chain_previous(s, &c->before, e))
        return false;
    c->base = c->before.base;
    p = c->before;
    while (*p.file) {
        struct previous before = {0};
        struct part part = {0};
        char *path = chain_path(db_path, p.file);
        bool gone = access(path, F_OK) != 0 && (what_is_there || was_removed(c, s, &p));
        free(path);
        if (gone)
            return true;
        bool ok = c->n < CHAIN_MAX ? open_part(&part, &p, &before, db_path, e)
                                   : err_set(e, ERR_LIMIT, "", "audit log: more than %d older files", CHAIN_MAX);
        if (!ok) {
            store_close(part.store);
            return false;
        }
        c->part = xreallocarray(c->part, c->n + 1, sizeof *c->part);
        memmove(c->part + 1, c->part, c->n++ * sizeof *c->part);
        c->part[0] = part;
        p = before;
    }
    return true;
}

static bool covers(const struct checkpoint *c, const struct checkpoint *head)
{
    return memcmp(c->origin, head->origin, sizeof c->origin) == 0 &&
           (c->size > head->size || (c->size == head->size && memcmp(c->root, head->root, HASH_LEN) == 0));
}

bool chain_knows(const struct chain *c, const struct checkpoint *head)
{
    if (covers(&c->before.have, head) || covers(&c->before.seen, head))
        return true;
    for (size_t i = 0; i < c->n; i++) {
        if (covers(&c->part[i].head, head))
            return true;
    }
    return false;
}

void chain_close(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        store_close(c->part[i].store);
    free(c->part);
    memset(c, 0, sizeof *c);
}

/* ---- reading ---- */

struct shifted {
    store_row_fn *fn;
    void *ctx;
    int64_t base;
    bool enough;
    struct buf shown;
};

static bool shift(void *ctx, const struct store_row *row)
{
    struct shifted *s = ctx;
    struct store_row moved = *row;
    moved.seq += s->base;
    buf_clear(&s->shown);
    if (opening_show(row->leaf, row->leaf_n, row->open, "its opening is not in this log", &s->shown))
        moved.shown = (struct slice){s->shown.data, s->shown.len};
    s->enough = !s->fn(s->ctx, &moved);
    return !s->enough;
}

static bool each_file(struct audit_log *l, int64_t from, int64_t to, bool newest_first, struct shifted *s,
                      struct err *e)
{
    const struct chain *c = &l->chain;
    for (size_t i = 0; i <= c->n && !s->enough; i++) {
        size_t k = newest_first ? c->n - i : i;
        const struct part *p = k < c->n ? &c->part[k] : NULL;
        int64_t last = p ? p->base + p->size : INT64_MAX;
        s->base = p ? p->base : c->base;
        if (to <= s->base || from > last)
            continue;
        if (!store_rows(p ? p->store : l->store, from > s->base ? from - s->base : 1,
                        to < last ? to - s->base
                        : p       ? p->size
                                  : INT64_MAX,
                        newest_first, shift, s, e))
            return false;
    }
    return true;
}

bool chain_rows_like(struct audit_log *l, const struct wire_rows *want, int64_t from, int64_t to, bool newest_first,
                     store_row_fn *fn, void *ctx, struct err *e)
{
    struct far *f = store_line(l->store); /* the guard has the files */
    struct wire_rows q = want ? *want : (struct wire_rows){0};
    struct shifted s = {fn, ctx, 0, false, {0}};
    buf_init(&s.shown, ENTRY_MAX + OPENINGS_MAX);
    q.all_files = true;
    bool ok = f ? far_rows(f, &q, from, to, newest_first, shift, &s, e) : each_file(l, from, to, newest_first, &s, e);
    buf_release(&s.shown);
    return ok;
}

bool chain_rows(struct audit_log *l, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e)
{
    return chain_rows_like(l, NULL, from, to, newest_first, fn, ctx, e);
}

bool chain_blob(struct audit_log *l, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e)
{
    struct err why = {0};
    size_t start = out->len;
    bool ok = store_get_blob(l->store, digest, out, &why);
    for (size_t i = l->chain.n; !ok && why.code == ERR_NOT_FOUND && i-- > 0;) {
        out->len = start;
        ok = store_get_blob(l->chain.part[i].store, digest, out, &why);
    }
    if (!ok && e)
        *e = why;
    return ok;
}
