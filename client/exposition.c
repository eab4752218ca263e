#include "client/exposition.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/slice.h"
#include "core/text.h"

/* Powers of ten that a double holds exactly: with a mantissa below 2^53 one multiplication or division is correctly
 * rounded (Clinger 1990). */
static const double exact_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* strtod in the C locale, for what the fast path can't round exactly. */
static bool slow_number(const char *s, size_t n, double *out)
{
    char tmp[128], *end;
    if (n == 0 || n >= sizeof tmp)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!byte_in(s[i], "0123456789+-.eE"))
            return false;
    memcpy(tmp, s, n);
    tmp[n] = '\0';
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return false;
    *out = strtod_l(tmp, &end, c);
    freelocale(c);
    return *end == '\0';
}

static bool word_number(const char *s, size_t n, double *out)
{
    bool minus = n && *s == '-', sign = n && byte_in(*s, "+-");
    struct slice word = {s + sign, n - sign};
    if (slice_is_nocase(word, "nan"))
        *out = (double)NAN;
    else if (slice_is_nocase(word, "inf") || slice_is_nocase(word, "infinity"))
        *out = minus ? -(double)INFINITY : (double)INFINITY;
    else
        return false;
    return true;
}

bool exposition_number(const char *s, size_t n, double *out)
{
    const char *p = s, *end = s + n;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    uint64_t m = 0;
    int scale = 0, digits = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++, digits++)
        m = m * 10 + (uint64_t)(*p - '0');
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9'; p++, digits++, scale--)
            m = m * 10 + (uint64_t)(*p - '0');
    if (digits == 0)
        return word_number(s, n, out);
    if (p < end && (*p == 'e' || *p == 'E') && end - p < 8) {
        const char *q = p + 1;
        bool neg = q < end && *q == '-';
        int x = 0;
        if (q < end && (*q == '-' || *q == '+'))
            q++;
        if (q == end)
            return false;
        for (; q < end && *q >= '0' && *q <= '9'; q++)
            x = x * 10 + (*q - '0');
        p = q;
        scale += neg ? -x : x;
    }
    if (p != end || digits > 18 || m > (UINT64_C(1) << 53) || scale < -22 || scale > 22)
        return slow_number(s, n, out);
    double v = (double)m;
    v = scale < 0 ? v / exact_tens[-scale] : v * exact_tens[scale];
    *out = minus ? -v : v;
    return true;
}

struct label {
    struct slice value;
    bool escaped;
};

/* What is asked for, measured once. */
#define WANTS_MAX 16
struct asked {
    struct slice name, filter_label, filter_value;
};
struct reading {
    const struct exposition *x;
    struct slice join;
    struct asked want[WANTS_MAX];
    size_t n_wants;
};

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Reads "{a="b",...}" from just behind the brace; returns where it ends, NULL when malformed. A control character in a
 * label's name is malformed; in a value it is a byte like any other, and no device's id. */
static const char *read_labels(const char *p, const char *end, struct slice join, struct slice filter, struct label *l,
                               struct label *f, struct series_id *id)
{
    for (;;) {
        p = skip_blanks(p, end);
        if (p < end && *p == '}')
            return p + 1;
        const char *name = p;
        while (p < end && (unsigned char)*p > ' ' && *p != 0x7f && !byte_in(*p, "=\"}"))
            p++;
        struct slice called = {name, (size_t)(p - name)};
        p = skip_blanks(p, end);
        if (called.n == 0 || p >= end || *p != '=')
            return NULL;
        p = skip_blanks(p + 1, end);
        if (p >= end || *p != '"')
            return NULL;
        struct label v = {.value = {++p, 0}};
        for (; p < end && *p != '"'; p++)
            if (*p == '\\') {
                v.escaped = true;
                p++;
            }
        if (p >= end)
            return NULL;
        v.value.n = (size_t)(p - v.value.p);
        series_label(id, called, v.value, join);
        if (slice_same(called, join))
            *l = v;
        else if (slice_same(called, filter)) /* an absent filter is no label's name: those are not empty */
            *f = v;
        p = skip_blanks(p + 1, end);
        if (p < end && *p == ',')
            p++;
        else if (p >= end || *p != '}')
            return NULL;
    }
}

/* \\, \" and \n; any other pair stays as it is. false when too long. */
static bool unescape(struct label *l, char *room)
{
    struct slice v = l->value;
    size_t n = 0;
    if (v.n > EXPOSITION_LABEL_MAX)
        return false;
    if (!l->escaped)
        return true;
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        if (c == '\\' && i + 1 < v.n && byte_in(v.p[i + 1], "\\\"n"))
            c = v.p[++i] == 'n' ? '\n' : v.p[i];
        room[n++] = c;
    }
    l->value = (struct slice){room, n};
    return true;
}

/* " value [time] [# exemplar]" */
static bool read_value(const struct exposition *x, const char *p, const char *end, double *value, int64_t *t)
{
    const char *from = p = skip_blanks(p, end);
    while (p < end && *p != ' ' && *p != '\t')
        p++;
    if (!exposition_number(from, (size_t)(p - from), value))
        return false;
    from = p = skip_blanks(p, end);
    *t = 0;
    if (p == end || *p == '#')
        return true;
    while (p < end && *p != ' ' && *p != '\t')
        p++;
    double stamp;
    if (!exposition_number(from, (size_t)(p - from), &stamp))
        return false;
    double us = stamp * (x->openmetrics ? 1e6 : 1e3);
    if (!(us > 0 && us < 2.5e17)) /* the year 9892 */
        return false;
    *t = (int64_t)llround(us);
    p = skip_blanks(p, end);
    return p == end || *p == '#';
}

static bool read_sample(const struct reading *r, size_t want, const char *p, const char *end)
{
    const struct asked *w = &r->want[want];
    struct label device = {.value = {"", 0}}, filter = {.value = {"", 0}};
    struct series_id id = {0, 0};
    char room[EXPOSITION_LABEL_MAX];
    double value;
    int64_t t;
    p = skip_blanks(p, end);
    if (p < end && *p == '{') {
        p = read_labels(p + 1, end, r->join, w->filter_label, &device, &filter, &id);
        if (!p)
            return false;
    }
    if (!read_value(r->x, p, end, &value, &t))
        return false;
    if (w->filter_label.p && !slice_same(filter.value, w->filter_value))
        return true;
    if (!unescape(&device, room))
        return false;
    r->x->fn(r->x->ctx, want, device.value.p, device.value.n, &id, value, t);
    return true;
}

bool exposition_read(const struct exposition *x, const char *page, size_t n, struct err *e)
{
    const char *p = page, *end = page + n;
    struct reading r = {.x = x, .join = slice_of(x->join_label)};
    size_t line = 1;
    bool eof = false;
    for (; r.n_wants < x->n_wants && r.n_wants < WANTS_MAX; r.n_wants++) {
        const struct exposition_want *w = &x->wants[r.n_wants];
        r.want[r.n_wants] = (struct asked){slice_of(w->name), slice_of(w->filter_label), slice_of(w->filter_value)};
    }
    for (; p < end && !eof; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            break;
        size_t len = (size_t)(nl - p);
        if (*p == '#') {
            eof = len == 5 && memcmp(p, "# EOF", 5) == 0;
            p = nl + 1;
            continue;
        }
        for (size_t i = 0; i < r.n_wants; i++) { /* several may want the same metric */
            size_t m = r.want[i].name.n;
            if (m == 0 || len <= m || memcmp(p, r.want[i].name.p, m) != 0 || !byte_in(p[m], "{ \t"))
                continue;
            if (!read_sample(&r, i, p + m, nl)) {
                char shown[80];
                safe_text_into(shown, sizeof shown, p, len < 60 ? len : 60);
                return err_set(e, ERR_SYNTAX, "look at the page; andon reads Prometheus text 0.0.4 and OpenMetrics 1.0",
                               "metrics page, line %zu is malformed: %s", line, shown);
            }
        }
        p = nl + 1;
    }
    if ((p < end && !eof) || (x->openmetrics && !eof))
        return err_set(e, ERR_PROTOCOL, "look at the exporter; the next scrape may be whole",
                       "the metrics page is cut short after line %zu", line - 1);
    return true;
}
