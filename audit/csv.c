#include "audit/csv.h"

#include <inttypes.h>
#include <string.h>
#include "audit/tree.h"
#include "core/fmt.h"
#include "core/text.h"

/* Spreadsheets look past leading blanks, and some take the full-width signs as well. */
static bool like_formula(const char *s)
{
    static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
    while (*s == ' ')
        s++;
    if (*s && strchr("=+-@\t\r|%", *s))
        return true;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strncmp(s, wide[i], strlen(wide[i])) == 0)
            return true;
    }
    return false;
}

void csv_cell(struct buf *out, const char *text)
{
    struct buf safe;
    buf_init(&safe, ENTRY_MAX * 8);
    safe_text_append(&safe, text, strlen(text));
    buf_adds(out, like_formula(text) || like_formula(safe.data) ? "\"'" : "\"");
    for (const char *p = safe.data; *p; p++) {
        if (*p == '"')
            buf_addc(out, '"');
        buf_addc(out, *p);
    }
    buf_addc(out, '"');
    buf_release(&safe);
}

static void text(struct buf *out, struct arena *a, struct slice s)
{
    buf_addc(out, ',');
    csv_cell(out, leaf_text(a, s));
}

/* "http.status=200; devices=34" */
static void fields(struct buf *out, struct arena *a, struct slice object)
{
    struct buf all;
    struct member m;
    buf_init(&all, ENTRY_MAX * 8);
    for (size_t at = 0; leaf_member(object, &at, &m);) {
        buf_adds(&all, all.len ? "; " : "");
        buf_adds(&all, leaf_text(a, m.key));
        buf_addc(&all, '=');
        buf_adds(&all, leaf_text(a, m.value));
    }
    buf_addc(out, ',');
    csv_cell(out, all.data);
    buf_release(&all);
}

void csv_head(struct buf *out)
{
    buf_adds(out, "seq,time,late,kind,actor_kind,actor,fleet,rollout,wave,verb,result,reason,before,after,corr,fields,"
                  "host,leaf_hash\r\n");
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
    char *host = arena_strndup(&a, l->host.p ? l->host.p : "", l->host.n);
    csv_cell(out, host);
    buf_printf(out, ",\"%s\"\r\n", hex);
    arena_release(&a);
}
