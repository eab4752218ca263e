/* The writer of core/json.h. No library: the bytes must be ours to the last one (the log's canonical form). */
#include "core/json.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

void json_w_init(struct json_w *w, struct buf *out, int indent)
{
    *w = (struct json_w){.out = out, .indent = indent};
}

static void newline(struct json_w *w)
{
    if (w->indent <= 0)
        return;
    buf_addc(w->out, '\n');
    for (int i = 0; i < w->depth * w->indent; i++)
        buf_addc(w->out, ' ');
}

/* Before a value. Marks what does not fit the grammar: a value in an object without its key, a second top. */
static void begin_value(struct json_w *w)
{
    bool in_object = w->depth > 0 && w->stack[w->depth - 1] == '{';
    if (in_object != w->after_key || (w->depth == 0 && w->need_comma))
        w->bad = true;
    if (!in_object) {
        if (w->need_comma)
            buf_addc(w->out, ',');
        if (w->depth > 0)
            newline(w);
    }
    w->after_key = false;
    w->need_comma = true;
}

static void open(struct json_w *w, char c)
{
    begin_value(w);
    if ((size_t)w->depth >= sizeof w->stack) {
        w->bad = true;
        return;
    }
    buf_addc(w->out, c);
    w->stack[w->depth++] = c;
    w->need_comma = false;
}

static void close_as(struct json_w *w, char opened, char c)
{
    if (w->depth == 0 || w->stack[w->depth - 1] != opened || w->after_key) {
        w->bad = true;
        return;
    }
    bool had_members = w->need_comma;
    w->depth--;
    if (had_members)
        newline(w);
    buf_addc(w->out, c);
    w->need_comma = true;
}

void json_w_obj(struct json_w *w)
{
    open(w, '{');
}

void json_w_obj_end(struct json_w *w)
{
    close_as(w, '{', '}');
}

void json_w_arr(struct json_w *w)
{
    open(w, '[');
}

void json_w_arr_end(struct json_w *w)
{
    close_as(w, '[', ']');
}

static void put_escape(struct buf *b, uint32_t cp)
{
    static const char shorts[] = "\b\t\n\f\r", letters[] = "btnfr";
    const char *s = cp ? strchr(shorts, (int)cp) : NULL;
    if (s)
        buf_printf(b, "\\%c", letters[s - shorts]);
    else
        buf_printf(b, "\\u%04" PRIx32, cp);
}

static void put_string(struct buf *b, const char *s)
{
    buf_addc(b, '"');
    const char *run = s; /* plain bytes not yet written */
    for (size_t len; *s; s += len) {
        unsigned char c = (unsigned char)*s;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            len = 1;
            continue;
        }
        uint32_t cp = text_next(s, &len);
        bool bad = c >= 0x80 && len == 1;
        if (cp >= 0xa0 && !bad)
            continue;
        buf_add(b, run, (size_t)(s - run));
        run = s + len;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else
            put_escape(b, cp);
    }
    buf_add(b, run, (size_t)(s - run));
    buf_addc(b, '"');
}

void json_w_key(struct json_w *w, const char *key)
{
    if (w->depth == 0 || w->stack[w->depth - 1] != '{' || w->after_key)
        w->bad = true;
    if (w->need_comma)
        buf_addc(w->out, ',');
    newline(w);
    put_string(w->out, key);
    buf_adds(w->out, w->indent > 0 ? ": " : ":");
    w->after_key = true;
    w->need_comma = true;
}

void json_w_str(struct json_w *w, const char *s)
{
    begin_value(w);
    if (s)
        put_string(w->out, s);
    else
        buf_adds(w->out, "null");
}

void json_w_int(struct json_w *w, int64_t v)
{
    begin_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

/* 15 digits that read back the same are, without their trailing zeros, the shortest such text of a normal number;
 * others need up to 17. Subnormal numbers hold fewer digits: there every length is tried. */
static void shortest(char *text, size_t size, double v)
{
    for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            return;
    }
}

void json_w_num(struct json_w *w, double v)
{
    begin_value(w);
    if (!isfinite(v)) {
        buf_adds(w->out, "null");
        return;
    }
    char text[48];
    shortest(text, sizeof text, v);
    /* snprintf and strtod follow the locale, JSON does not. */
    const char *point = localeconv()->decimal_point;
    char *at = strstr(text, point);
    if (!at) {
        buf_adds(w->out, text);
        return;
    }
    buf_add(w->out, text, (size_t)(at - text));
    buf_addc(w->out, '.');
    buf_adds(w->out, at + strlen(point));
}

static void json_w_bool(struct json_w *w, bool v)
{
    begin_value(w);
    buf_adds(w->out, v ? "true" : "false");
}

void json_w_null(struct json_w *w)
{
    begin_value(w);
    buf_adds(w->out, "null");
}

void json_w_raw(struct json_w *w, const char *json)
{
    begin_value(w);
    buf_adds(w->out, json);
}

void json_w_kstr(struct json_w *w, const char *key, const char *s)
{
    json_w_key(w, key);
    json_w_str(w, s);
}

void json_w_kint(struct json_w *w, const char *key, int64_t v)
{
    json_w_key(w, key);
    json_w_int(w, v);
}

void json_w_knum(struct json_w *w, const char *key, double v)
{
    json_w_key(w, key);
    json_w_num(w, v);
}

void json_w_kbool(struct json_w *w, const char *key, bool v)
{
    json_w_key(w, key);
    json_w_bool(w, v);
}

void json_w_ktime(struct json_w *w, const char *key, int64_t us)
{
    json_w_key(w, key);
    if (us == 0 || us == TIME_NEVER) {
        json_w_null(w);
        return;
    }
    char text[FMT_MAX];
    json_w_str(w, fmt_iso(text, us));
}

bool json_w_ok(const struct json_w *w)
{
    return !w->bad && w->depth == 0 && w->need_comma && !w->out->over;
}
