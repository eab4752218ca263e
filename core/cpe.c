#include "core/cpe.h"

#include "core/version.h"

#define N(a) (sizeof(a) / sizeof *(a))

static bool is_any(const char *v)
{
    return v[0] == '*' && v[1] == '\0';
}

static bool is_none(const char *v)
{
    return v[0] == '-' && v[1] == '\0';
}

static bool good_byte(char c)
{
    return c > ' ' && c <= '~';
}

/* What must be told from a wildcard or from "not applicable". */
static char *put_literal(char *out, char c, bool alone)
{
    if (byte_in(c, "*?\\") || (alone && c == '-'))
        *out++ = '\\';
    *out++ = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    return out;
}

/* Wildcards stand at the ends only: one "*", or any number of "?". `out` has room for twice the value. */
static bool wildcards_good(const char *v)
{
    size_t n = slice_of(v).n, lead = 0, tail = 0;
    if (is_any(v))
        return true;
    if (n > 0 && v[0] == '*')
        lead = 1;
    else
        while (v[lead] == '?')
            lead++;
    for (size_t i = lead; i < n; i++) {
        if (v[i] == '\\')
            i++;
        else if (byte_in(v[i], "*?")) {
            tail = i;
            break;
        }
    }
    if (tail == 0)
        return v[lead] != '\0' || (n > 0 && v[0] == '?');
    if (v[tail] == '*')
        return tail == n - 1 && tail > lead;
    for (size_t i = tail; i < n; i++)
        if (v[i] != '?')
            return false;
    return tail > lead;
}

/* One field of a formatted string. */
static const char *read_field(struct slice s, struct arena *a)
{
    char *out = arena_alloc(a, 2 * s.n + 1), *o = out;
    if (s.n == 1 && byte_in(*s.p, "*-")) {
        *o = *s.p;
        return out;
    }
    for (size_t i = 0; i < s.n; i++) {
        bool quoted = s.p[i] == '\\';
        if (quoted && ++i == s.n)
            return NULL;
        if (!good_byte(s.p[i]))
            return NULL;
        if (!quoted && byte_in(s.p[i], "*?"))
            *o++ = s.p[i];
        else
            o = put_literal(o, s.p[i], s.n == 2 && quoted);
    }
    return s.n > 0 && wildcards_good(out) ? out : NULL;
}

static bool part_good(const char *part)
{
    return byte_in(part[0], "aoh*-") && part[1] == '\0';
}

/* Takes what stands before the next ':' that is not escaped. */
static struct slice take_field(struct slice *s, bool *more)
{
    size_t i = 0;
    while (i < s->n && s->p[i] != ':')
        i += s->p[i] == '\\' && i + 1 < s->n ? 2 : 1;
    struct slice r = {s->p, i};
    *more = i < s->n;
    *s = *more ? (struct slice){s->p + i + 1, s->n - i - 1} : (struct slice){NULL, 0};
    return r;
}

static bool read_string(struct slice s, struct arena *a, struct cpe *out)
{
    bool more = true;
    for (int i = 0; i < CPE_FIELDS; i++) {
        if (!more)
            return false;
        out->field[i] = read_field(take_field(&s, &more), a);
        if (!out->field[i])
            return false;
    }
    return !more && part_good(out->field[CPE_PART]);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One component of an address: "" is any, %01 and %02 are the wildcards "?" and "*". */
static const char *read_component(struct slice s, struct arena *a)
{
    char *out = arena_alloc(a, 2 * s.n + 2), *o = out;
    if (s.n == 0 || (s.n == 1 && *s.p == '-')) {
        *o = s.n == 0 ? '*' : '-';
        return out;
    }
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        bool coded = c == '%';
        if (coded) {
            if (s.n - i < 3 || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
                return NULL;
            c = hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]);
            i += 2;
        }
        if (coded && (c == 1 || c == 2))
            *o++ = c == 1 ? '?' : '*';
        else if (c < 0x80 && good_byte((char)c))
            o = put_literal(o, (char)c, s.n == 3 && coded);
        else
            return NULL;
    }
    return wildcards_good(out) ? out : NULL;
}

/* The edition of an address may hold five fields: ~edition~sw_edition~target_sw~target_hw~other. */
static bool read_edition(struct slice s, struct arena *a, struct cpe *out)
{
    static const enum cpe_field packed[] = {CPE_EDITION, CPE_SW_EDITION, CPE_TARGET_SW, CPE_TARGET_HW, CPE_OTHER};
    if (s.n == 0 || *s.p != '~') {
        out->field[CPE_EDITION] = read_component(s, a);
        return out->field[CPE_EDITION] != NULL;
    }
    for (size_t i = 0; i < N(packed); i++) {
        if (s.n == 0 || *s.p != '~')
            return false;
        s = (struct slice){s.p + 1, s.n - 1};
        const char *next = s.n ? memchr(s.p, '~', s.n) : NULL;
        struct slice one = {s.p, next ? (size_t)(next - s.p) : s.n};
        s = (struct slice){s.p + one.n, s.n - one.n};
        out->field[packed[i]] = read_component(one, a);
        if (!out->field[packed[i]])
            return false;
    }
    return s.n == 0;
}

static bool read_address(struct slice s, struct arena *a, struct cpe *out)
{
    for (int i = 0; i < CPE_FIELDS; i++)
        out->field[i] = "*";
    for (int i = 0; s.p; i++) {
        const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
        struct slice one = {s.p, colon ? (size_t)(colon - s.p) : s.n};
        s = colon ? (struct slice){colon + 1, s.n - one.n - 1} : (struct slice){NULL, 0};
        if (i > CPE_LANGUAGE)
            return false;
        if (i == CPE_EDITION) {
            if (!read_edition(one, a, out))
                return false;
        } else if ((out->field[i] = read_component(one, a)) == NULL) {
            return false;
        }
    }
    return part_good(out->field[CPE_PART]);
}

bool cpe_parse(struct slice text, struct arena *a, struct cpe *out)
{
    static const char formatted[] = "cpe:2.3:", address[] = "cpe:/";
    const size_t nf = sizeof formatted - 1, na = sizeof address - 1;
    if (text.n > CPE_MAX)
        return false;
    if (text.n > nf && slice_is_nocase((struct slice){text.p, nf}, formatted))
        return read_string((struct slice){text.p + nf, text.n - nf}, a, out);
    return text.n > na && slice_is_nocase((struct slice){text.p, na}, address) &&
           read_address((struct slice){text.p + na, text.n - na}, a, out);
}

/* A value without its backslashes; "" for any and not applicable. */
static const char *plain(const char *v, struct arena *a)
{
    if (is_any(v) || is_none(v))
        return "";
    char *out = arena_strdup(a, v);
    char *o = out;
    for (; *v; v++) {
        if (*v == '\\')
            v++;
        *o++ = *v;
    }
    *o = '\0';
    return out;
}

const char *cpe_version(const struct cpe *c, struct arena *a)
{
    const char *version = plain(c->field[CPE_VERSION], a), *update = plain(c->field[CPE_UPDATE], a);
    return *version && *update ? arena_printf(a, "%s-%s", version, update) : version;
}

/* With "?" at the beginning for exactly one character. */
static bool text_fits(const char *pattern, const char *v)
{
    const char *star = NULL, *back = NULL;
    while (*v) {
        size_t np = *pattern == '\\' ? 2 : 1, nv = *v == '\\' ? 2 : 1;
        if (*pattern == '*') {
            star = ++pattern;
            back = v;
        } else if (*pattern == '?' || (*pattern && np == nv && memcmp(pattern, v, np) == 0)) {
            pattern += np;
            v += nv;
        } else if (star) {
            back += *back == '\\' ? 2 : 1;
            pattern = star;
            v = back;
        } else {
            return false;
        }
    }
    while (*pattern == '*' || *pattern == '?')
        pattern++;
    return *pattern == '\0';
}

/* Does a value, of whose wildcards those of `pattern` count, hold all of v? By IR 7696 a "?" stands for one character
 * or for none. */
static bool value_fits(const char *pattern, const char *v)
{
    bool fits = text_fits(pattern, v);
    while (!fits && *pattern == '?')
        fits = text_fits(++pattern, v);
    return fits;
}

static bool has_wildcard(const char *v)
{
    for (; *v; v++)
        if (*v == '\\')
            v++;
        else if (byte_in(*v, "*?"))
            return true;
    return false;
}

static bool same_version(const struct cpe *criteria, const struct cpe *known, struct arena *a)
{
    const char *update = criteria->field[CPE_UPDATE];
    const char *cv = criteria->field[CPE_VERSION], *kv = known->field[CPE_VERSION];
    bool whole = !is_any(update) && !is_none(update);
    int order;
    if (has_wildcard(cv) || (whole && has_wildcard(update)))
        return value_fits(cv, kv) && (!whole || value_fits(update, known->field[CPE_UPDATE]));
    if (is_none(update) && !is_any(known->field[CPE_UPDATE]) && !is_none(known->field[CPE_UPDATE]))
        return false;
    const char *x = whole ? cpe_version(criteria, a) : plain(cv, a);
    const char *y = whole ? cpe_version(known, a) : plain(kv, a);
    return slice_same(slice_of(x), slice_of(y)) ||
           (version_compare(VERSION_GENERIC, slice_of(x), slice_of(y), &order) && order == 0);
}

static enum cpe_fit version_fit(const struct cpe *criteria, const struct cpe *known, struct arena *a)
{
    const char *cv = criteria->field[CPE_VERSION], *kv = known->field[CPE_VERSION];
    if (is_any(cv))
        return CPE_FITS;
    if (is_none(cv))
        return is_any(kv) || is_none(kv) || criteria->field[CPE_PART][0] == 'h' ? CPE_FITS : CPE_NOT_APPLICABLE;
    if (is_any(kv))
        return CPE_UNCLEAR;
    return !is_none(kv) && same_version(criteria, known, a) ? CPE_FITS : CPE_OTHER_VERSION;
}

enum cpe_fit cpe_match(const struct cpe *criteria, const struct cpe *known, struct arena *a)
{
    enum cpe_fit fit = CPE_FITS;
    for (int i = CPE_PART; i < CPE_FIELDS; i++) {
        const char *c = criteria->field[i], *k = known->field[i];
        if (i == CPE_VERSION || i == CPE_UPDATE || is_any(c))
            continue;
        if (i > CPE_UPDATE && is_any(k)) {
            if (!is_none(c))
                fit = CPE_UNCLEAR;
        } else if (is_any(k) || is_none(c) != is_none(k) || !value_fits(c, k)) {
            return CPE_OTHER_PRODUCT;
        }
    }
    enum cpe_fit version = version_fit(criteria, known, a);
    return version < fit ? version : fit;
}
