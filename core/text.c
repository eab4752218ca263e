#include "core/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MARKS_MAX 2 /* combining marks kept on one character */
#define TOKEN_MAX 64

/* One strict decoder for all: no overlong forms, no surrogates, nothing past U+10FFFF (Unicode 15, table 3-7).
 * Returns the length of the sequence at s (n bytes there are), 0 when it is bad. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *cp)
{
    unsigned lead = s[0];
    if (lead < 0x80) {
        *cp = lead;
        return 1;
    }
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    uint32_t v = lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        /* Stops at the first byte that does not continue, so a NUL-terminated string is never overrun. */
        if (i >= n || (s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3fu);
    }
    if ((len == 3 && v < 0x800) || (len == 4 && (v < 0x10000 || v > 0x10ffff)) || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *cp = v;
    return len;
}

/* Conjoining vowels and final consonants: letters by category, but they take no column of their own. */
static bool is_joining_jamo(uint32_t cp)
{
    return (cp >= 0x1160 && cp <= 0x11ff) || (cp >= 0xd7b0 && cp <= 0xd7fb);
}

/* Marks that stack on the character before them. Spacing marks (Mc) take a column, so they are not counted. */
static bool is_stacking(uint32_t cp, utf8proc_category_t cat)
{
    return cat == UTF8PROC_CATEGORY_MN || cat == UTF8PROC_CATEGORY_ME || is_joining_jamo(cp);
}

/* Letters and marks that show nothing (Default_Ignorable_Code_Point outside Cf). */
static bool is_invisible(uint32_t cp)
{
    return cp == 0x034f                         /* combining grapheme joiner */
           || cp == 0x115f || cp == 0x1160      /* Hangul fillers */
           || cp == 0x3164 || cp == 0xffa0      /* Hangul fillers */
           || cp == 0x17b4 || cp == 0x17b5      /* Khmer inherent vowels */
           || (cp >= 0x180b && cp <= 0x180f)    /* Mongolian selectors */
           || (cp >= 0xfe00 && cp <= 0xfe0f)    /* variation selectors: some change the width */
           || (cp >= 0xe0000 && cp <= 0xe0fff); /* tags, supplementary selectors */
}

static bool is_unsafe(uint32_t cp, utf8proc_category_t cat)
{
    switch ((int)cat) {        /* not our enum: it grows without us */
    case UTF8PROC_CATEGORY_CC: /* C0, DEL, C1 */
    case UTF8PROC_CATEGORY_CF: /* bidi controls, zero-width, BOM, soft hyphen, interlinear annotation */
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: /* private use */
    case UTF8PROC_CATEGORY_CN: /* unassigned, non-characters */
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    default:
        return is_invisible(cp);
    }
}

struct scan {
    const unsigned char *s;
    size_t n, at;
    bool has_base; /* there is a character that a mark may sit on */
    int marks;     /* that sit on it */
};

static size_t put_hex(char *out, const char *open, uint32_t v, int digits, const char *close)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const char *p = open; *p; p++)
        out[n++] = *p;
    for (int d = 7; d >= 0; d--) {
        if (d < digits || v >> (4 * d) != 0)
            out[n++] = hex[v >> (4 * d) & 15];
    }
    for (const char *p = close; *p; p++)
        out[n++] = *p;
    return n;
}

/* The next piece of output: one kept character or one visible stand-in. False at the end. */
static bool scan_next(struct scan *sc, char token[TOKEN_MAX], size_t *len)
{
    if (sc->at >= sc->n)
        return false;
    const unsigned char *p = sc->s + sc->at;
    uint32_t cp = 0;
    size_t used = decode(p, sc->n - sc->at, &cp);
    if (used == 0) {
        sc->at++;
        sc->has_base = false;
        *len = put_hex(token, "\\x", p[0], 2, "");
        return true;
    }
    sc->at += used;
    if (cp >= 0x20 && cp < 0x7f) { /* most of what ever comes */
        sc->has_base = true;
        sc->marks = 0;
        token[0] = (char)cp;
        *len = 1;
        return true;
    }
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    bool stacking = is_stacking(cp, cat);
    bool keep = !is_unsafe(cp, cat);
    if (keep && stacking)
        keep = sc->has_base && sc->marks++ < MARKS_MAX;
    else
        sc->marks = 0;
    if (!keep) {
        /* What follows must not decorate the stand-in. */
        sc->has_base = false;
        *len = put_hex(token, "<U+", cp, 4, ">");
        return true;
    }
    sc->has_base = true;
    memcpy(token, p, used);
    *len = used;
    return true;
}

bool safe_text_append(struct buf *out, const char *bytes, size_t n)
{
    struct scan sc = {.s = (const unsigned char *)bytes, .n = n};
    char token[TOKEN_MAX];
    size_t len;
    while (scan_next(&sc, token, &len)) {
        if (!buf_add(out, token, len))
            return false;
    }
    return !out->over;
}

static const char ellipsis[] = "\xe2\x80\xa6";

/* Renders at most max bytes to dst (max + 1 bytes long, NUL-terminated), clipped between two tokens. */
static size_t render(char *dst, size_t max, const char *bytes, size_t n)
{
    struct scan sc = {.s = (const unsigned char *)bytes, .n = n};
    const size_t dots = sizeof ellipsis - 1;
    char token[TOKEN_MAX];
    size_t len, used = 0, cut = 0; /* cut: as far as fits beside an ellipsis */
    while (scan_next(&sc, token, &len)) {
        if (len > max - used) {
            if (max >= dots) {
                memcpy(dst + cut, ellipsis, dots);
                used = cut + dots;
            }
            break;
        }
        memcpy(dst + used, token, len);
        used += len;
        if (used + dots <= max)
            cut = used;
    }
    dst[used] = '\0';
    return used;
}

const char *safe_text(struct arena *a, const char *bytes, size_t n, size_t max_bytes)
{
    if (!bytes || n == 0)
        return "";
    /* The longest stand-in for one byte is "<U+0007>"; names are short, so the spare is small. */
    size_t room = n > max_bytes / 8 ? max_bytes : n * 8;
    char fixed[1024];
    char *tmp = room < sizeof fixed ? fixed : xmalloc(room + 1);
    size_t len = render(tmp, room, bytes, n);
    const char *out = arena_strndup(a, tmp, len);
    if (tmp != fixed)
        free(tmp);
    return out;
}

void safe_text_into(char *dst, size_t size, const char *bytes, size_t n)
{
    if (size == 0)
        return;
    if (!bytes)
        n = 0;
    render(dst, size - 1, bytes, n);
}

size_t text_decode(const char *s, size_t n, uint32_t *cp)
{
    return n ? decode((const unsigned char *)s, n, cp) : 0;
}

uint32_t text_next(const char *s, size_t *len)
{
    uint32_t cp = 0;
    /* decode() stops at the NUL, so the bound of 4 is never a read past the end. */
    size_t n = decode((const unsigned char *)s, 4, &cp);
    *len = n ? n : 1;
    return n ? cp : 0xfffd;
}

int text_cp_width(uint32_t cp)
{
    if (cp >= 0x20 && cp < 0x7f)
        return 1;
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    if (is_stacking(cp, cat) || cat == UTF8PROC_CATEGORY_CC)
        return 0;
    /* utf8proc gives spacing marks no column; terminals (and wcwidth) give them one. */
    if (cat == UTF8PROC_CATEGORY_MC)
        return 1;
    int w = utf8proc_charwidth((utf8proc_int32_t)cp);
    return w < 0 ? 0 : w > 2 ? 2 : w;
}

int text_width(const char *s)
{
    int cols = 0;
    for (size_t len; *s; s += len)
        cols += text_cp_width(text_next(s, &len));
    return cols;
}

size_t text_fit(const char *s, int cols)
{
    const char *p = s;
    for (size_t len; *p; p += len) {
        cols -= text_cp_width(text_next(p, &len));
        if (cols < 0)
            break;
    }
    return (size_t)(p - s);
}

bool text_valid(const char *s, size_t n)
{
    uint32_t cp;
    for (size_t at = 0, len; at < n; at += len) {
        len = text_decode(s + at, n - at, &cp);
        if (len == 0)
            return false;
    }
    return true;
}

bool glob_match(const char *p, const char *s)
{
    const char *star = NULL, *back = NULL;

    while (*s) {
        if (*p == '*') {
            star = ++p;
            back = s;
        } else if (*p == '?' || *p == *s) {
            p++;
            s++;
        } else if (star) {
            p = star;
            s = ++back;
        } else {
            return false;
        }
    }
    while (*p == '*')
        p++;
    return *p == '\0';
}
