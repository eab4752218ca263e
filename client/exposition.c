#include "client/exposition.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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
        if (!strchr("0123456789+-.eE", s[i]) || s[i] == '\0')
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
    bool minus = n && *s == '-';
    if (n && (*s == '+' || *s == '-')) {
        s++;
        n--;
    }
    if (n == 3 && strncasecmp(s, "nan", 3) == 0)
        *out = (double)NAN;
    else if ((n == 3 && strncasecmp(s, "inf", 3) == 0) || (n == 8 && strncasecmp(s, "infinity", 8) == 0))
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
    const char *value;
    size_t n;
    bool escaped;
};

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static bool named(const char *name, size_t n, const char *wanted)
{
    return wanted && strncmp(name, wanted, n) == 0 && wanted[n] == '\0';
}

/* Reads "{a="b",...}" from just behind the brace; returns where it ends, NULL when malformed. */
static const char *read_labels(const char *p, const char *end, const char *join, const char *filter, struct label *l,
                               struct label *f)
{
    for (;;) {
        p = skip_blanks(p, end);
        if (p < end && *p == '}')
            return p + 1;
        const char *name = p;
        while (p < end && *p != '=' && *p != '"' && *p != '}' && *p != ' ')
            p++;
        size_t n = (size_t)(p - name);
        p = skip_blanks(p, end);
        if (n == 0 || p >= end || *p != '=')
            return NULL;
        p = skip_blanks(p + 1, end);
        if (p >= end || *p != '"')
            return NULL;
        struct label v = {.value = ++p};
        for (; p < end && *p != '"'; p++)
            if (*p == '\\') {
                v.escaped = true;
                p++;
            }
        if (p >= end)
            return NULL;
        v.n = (size_t)(p - v.value);
        if (named(name, n, join))
            *l = v;
        else if (named(name, n, filter))
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
    size_t n = 0;
    if (l->n > EXPOSITION_LABEL_MAX)
        return false;
    if (!l->escaped)
        return true;
    for (size_t i = 0; i < l->n; i++) {
        char c = l->value[i];
        if (c == '\\' && i + 1 < l->n && strchr("\\\"n", l->value[i + 1]))
            c = l->value[++i] == 'n' ? '\n' : l->value[i];
        room[n++] = c;
    }
    l->value = room;
    l->n = n;
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

static bool read_sample(const struct exposition *x, size_t want, const char *p, const char *end)
{
    const struct exposition_want *w = &x->wants[want];
    struct label device = {.value = "", .n = 0}, filter = {.value = "", .n = 0};
    char room[EXPOSITION_LABEL_MAX];
    double value;
    int64_t t;
    p = skip_blanks(p, end);
    if (p < end && *p == '{') {
        p = read_labels(p + 1, end, x->join_label, w->filter_label, &device, &filter);
        if (!p)
            return false;
    }
    if (!read_value(x, p, end, &value, &t))
        return false;
    if (w->filter_label && !named(filter.value, filter.n, w->filter_value))
        return true;
    if (!unescape(&device, room))
        return false;
    x->fn(x->ctx, want, device.value, device.n, value, t);
    return true;
}

#define WANTS_MAX 8

bool exposition_read(const struct exposition *x, const char *page, size_t n, struct err *e)
{
    const char *p = page, *end = page + n;
    size_t lengths[WANTS_MAX], n_wants = x->n_wants < WANTS_MAX ? x->n_wants : WANTS_MAX;
    size_t line = 1, last = 0;
    bool eof = false;
    for (size_t i = 0; i < n_wants; i++)
        lengths[i] = x->wants[i].name ? strlen(x->wants[i].name) : 0;
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
        /* Lines of one metric follow each other: try the last one first. */
        for (size_t k = 0; k < n_wants; k++) {
            size_t i = (last + k) % n_wants, m = lengths[i];
            if (m == 0 || len <= m || memcmp(p, x->wants[i].name, m) != 0 ||
                (p[m] != '{' && p[m] != ' ' && p[m] != '\t'))
                continue;
            last = i;
            if (!read_sample(x, i, p + m, nl)) {
                char shown[80];
                safe_text_into(shown, sizeof shown, p, len < 60 ? len : 60);
                return err_set(e, ERR_SYNTAX, "look at the page; andon reads Prometheus text 0.0.4 and OpenMetrics 1.0",
                               "metrics page, line %zu is malformed: %s", line, shown);
            }
            break;
        }
        p = nl + 1;
    }
    if ((p < end && !eof) || (x->openmetrics && !eof))
        return err_set(e, ERR_PROTOCOL, "look at the exporter; the next scrape may be whole",
                       "the metrics page is cut short after line %zu", line - 1);
    return true;
}
