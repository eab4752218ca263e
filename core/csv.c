#include "core/csv.h"

#include "core/text.h"

#define CELL_MAX 65536

void csv_open(struct csv *c, const char *name, const char *bytes, size_t n)
{
    *c = (struct csv){.name = name, .at = bytes, .end = bytes + n};
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        c->at += 3;
}

static bool bad(const struct csv *c, struct err *e, int line, const char *what)
{
    return err_set(e, ERR_SYNTAX, "Write it as RFC 4180 has it: cells with commas, quotes or line ends in quotes.",
                   "%s:%d: %s", c->name, line, what);
}

/* Behind an opening quote, up to the closing one, which is passed. */
static bool quoted(struct csv *c, struct arena *a, struct slice *out, struct err *e)
{
    const char *from = c->at;
    size_t twice = 0;
    int line = c->lines;
    for (;; c->at++) {
        if (c->at == c->end)
            return bad(c, e, line, "a quote is never closed");
        c->lines += *c->at == '\n';
        if (*c->at != '"')
            continue;
        if (c->at + 1 == c->end || c->at[1] != '"')
            break;
        c->at++;
        twice++;
    }
    *out = (struct slice){from, (size_t)(c->at++ - from)};
    if (!twice)
        return true;
    char *v = arena_alloc(a, out->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        v[n++] = out->p[i];
        i += out->p[i] == '"';
    }
    *out = (struct slice){v, n};
    return true;
}

static bool at_end_of_line(const struct csv *c)
{
    return c->at == c->end || *c->at == '\n' || (*c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n');
}

static bool cell(struct csv *c, struct arena *a, struct slice *out, struct err *e)
{
    if (c->at < c->end && *c->at == '"') {
        c->at++;
        if (!quoted(c, a, out, e))
            return false;
        if (!at_end_of_line(c) && *c->at != ',')
            return bad(c, e, c->lines, "there is text behind a closing quote");
    } else {
        const char *from = c->at;
        while (!at_end_of_line(c) && *c->at != ',') {
            if (*c->at == '"')
                return bad(c, e, c->lines, "a quote stands in the middle of a cell");
            if (*c->at == '\r')
                return bad(c, e, c->lines, "a carriage return stands in the middle of a line");
            c->at++;
        }
        *out = (struct slice){from, (size_t)(c->at - from)};
    }
    if (memchr(out->p, '\0', out->n) || !text_valid(out->p, out->n))
        return bad(c, e, c->lines, "a cell is not text in UTF-8");
    return out->n <= CELL_MAX || bad(c, e, c->lines, "a cell is longer than 65,536 bytes");
}

static void end_line(struct csv *c)
{
    c->at += c->at < c->end && *c->at == '\r';
    c->at += c->at < c->end;
}

bool csv_next(struct csv *c, struct arena *a, struct slice *out, size_t max, size_t *n, struct err *e)
{
    *n = 0;
    err_clear(e);
    while (c->at < c->end && at_end_of_line(c)) {
        end_line(c);
        c->lines++;
    }
    if (c->at == c->end)
        return false;
    c->line = ++c->lines;
    for (;;) {
        if (*n == max)
            return bad(c, e, c->line, "there are more cells than columns");
        if (!cell(c, a, &out[(*n)++], e))
            return false;
        if (at_end_of_line(c))
            break;
        c->at++;
    }
    end_line(c);
    return true;
}

/* Spreadsheets look past leading blanks, and some take the full-width signs as well. */
static bool like_formula(struct slice s)
{
    static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
    while (s.n && *s.p == ' ')
        s = (struct slice){s.p + 1, s.n - 1};
    if (s.n && byte_in(*s.p, "=+-@\t\r|%"))
        return true;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (slice_starts(s, wide[i]))
            return true;
    return false;
}

void csv_cell(struct buf *out, const char *text)
{
    struct buf safe;
    struct slice s = slice_of(text);
    buf_init(&safe, s.n * 8 + 8);
    safe_text_append(&safe, s.p, s.n);
    buf_adds(out, like_formula(s) || like_formula((struct slice){safe.data, safe.len}) ? "\"'" : "\"");
    for (size_t i = 0; i < safe.len; i++) {
        if (safe.data[i] == '"')
            buf_addc(out, '"');
        buf_addc(out, safe.data[i]);
    }
    buf_addc(out, '"');
    buf_release(&safe);
}
