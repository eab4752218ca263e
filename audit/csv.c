#include "audit/csv.h"

#include <inttypes.h>
#include <string.h>
#include "audit/tree.h"
#include "core/csv.h"
#include "core/fmt.h"

/* What safe_text would keep as it is: then it goes straight into the cell. Nearly all text does, and an export writes a
 * dozen cells an entry. `escapes`: a backslash means something. */
static bool is_plain(struct slice s, bool escapes)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || (escapes && s.p[i] == '\\'))
            return false;
    return true;
}

static void add_plain(struct buf *out, struct slice s)
{
    for (const char *quote; s.n && (quote = memchr(s.p, '"', s.n)) != NULL;) {
        size_t n = (size_t)(quote - s.p) + 1;
        buf_add(out, s.p, n);
        buf_addc(out, '"');
        s = (struct slice){s.p + n, s.n - n};
    }
    buf_add(out, s.p, s.n);
}

/* The same as csv_cell of the plain text. */
static void plain_cell(struct buf *out, struct slice s)
{
    size_t at = 0;
    while (at < s.n && s.p[at] == ' ')
        at++;
    buf_adds(out, at < s.n && byte_in(s.p[at], "=+-@|%") ? "\"'" : "\"");
    add_plain(out, s);
    buf_addc(out, '"');
}

static void text(struct buf *out, struct arena *a, struct slice s)
{
    buf_addc(out, ',');
    if (is_plain(s, true))
        plain_cell(out, s);
    else
        csv_cell(out, leaf_text(a, s));
}

/* "http.status=200; devices=34" */
static void fields(struct buf *out, struct arena *a, struct slice object)
{
    struct buf all;
    struct member m;
    buf_init(&all, ENTRY_MAX * 8);
    bool plain = true;
    for (size_t at = 0; leaf_member(object, &at, &m);) {
        buf_adds(&all, all.len ? "; " : "");
        struct slice part[] = {m.key, m.value};
        for (size_t i = 0; i < 2; i++) {
            bool ok = is_plain(part[i], true);
            if (ok)
                buf_add(&all, part[i].p, part[i].n);
            else
                buf_adds(&all, leaf_text(a, part[i]));
            plain = plain && ok;
            if (i == 0)
                buf_addc(&all, '=');
        }
    }
    buf_addc(out, ',');
    if (plain)
        plain_cell(out, (struct slice){all.data, all.len});
    else
        csv_cell(out, all.data);
    buf_release(&all);
}

void csv_head(struct buf *out)
{
    buf_adds(out, "seq,time,late,kind,actor_kind,actor,fleet,rollout,wave,verb,result,reason,before,after,corr,fields,"
                  "host,leaf_hash,committed\r\n");
}

void csv_row(struct buf *out, const struct leaf *l, const uint8_t *hash)
{
    struct arena a;
    char iso[FMT_MAX], hex[HASH_HEX];
    arena_init(&a);
    hex_encode(hex, hash, HASH_LEN);
    buf_printf(out, "%" PRId64 ",\"%s\",%d", l->seq, fmt_iso(iso, l->t), l->late ? 1 : 0);
    const struct slice cells[] = {l->kind, l->actor_kind, l->actor,  l->fleet,  l->rollout, l->wave,
                                  l->verb, l->result,     l->reason, l->before, l->after};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        text(out, &a, cells[i]);
    if (l->corr)
        buf_printf(out, ",\"%016" PRIx64 "\"", l->corr);
    else
        buf_adds(out, ",\"\"");
    fields(out, &a, l->fields);
    buf_addc(out, ',');
    if (is_plain(l->host, false))
        plain_cell(out, l->host);
    else
        csv_cell(out, arena_strndup(&a, l->host.p, l->host.n));
    buf_printf(out, ",\"%s\"", hex);
    fields(out, &a, l->committed);
    buf_adds(out, "\r\n");
    arena_release(&a);
}
