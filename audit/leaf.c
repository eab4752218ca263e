#include "audit/leaf.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "audit/tree.h"
#include "core/text.h"

#define DEPTH_MAX 4                         /* an entry is two objects deep, host facts three */
#define EXACT_MAX INT64_C(9007199254740991) /* what is beyond is written as a string */

struct scan {
    const char *p, *end;
    struct leaf_memo *memo; /* NULL: none */
    size_t nth;             /* object of the line */
};

#ifdef __SSE2__
/* How many of the sixteen bytes at p come before the first quote, backslash, control character or byte of another
 * alphabet; 16 = all. Signed, the last two are those below a blank. */
static size_t plain16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i_u *)p);
    __m128i hit =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
                     _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)), _mm_cmplt_epi8(v, _mm_set1_epi8(' '))));
    unsigned mask = (unsigned)_mm_movemask_epi8(hit);
    return mask ? (size_t)__builtin_ctz(mask) : 16;
}
#endif

/* How many of the eight bytes at p come before the first quote, backslash, control character or byte of another
 * alphabet; 8 = all. A borrow makes false hits only behind a true one, so the lowest is exact. */
static size_t plain8(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) /* little-endian on any machine; compilers make one load of it */
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\', del = v ^ ones * 0x7f;
    uint64_t hit =
        (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((del - ones) & ~del) | ((v - ones * 0x20) & ~v) | v) &
        high;
    return hit ? (size_t)__builtin_ctzll(hit) / 8 : 8;
}

/* The first byte from p on that is not plain; where fewer than eight are left, one that may be. */
static const char *past_plain(const char *p, const char *end)
{
    size_t n;
#ifdef __SSE2__
    for (; end - p >= 16; p += n)
        if ((n = plain16(p)) < 16)
            return p + n;
#endif
    for (; end - p >= 8; p += n)
        if ((n = plain8(p)) < 8)
            return p + n;
    return p;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length of an escape that core/json.h would write, 0 for any other. */
static size_t escape(const char *p, size_t left)
{
    if (left >= 2 && byte_in(p[1], "\"\\btnfr"))
        return 2;
    if (left < 6 || p[1] != 'u' || p[2] != '0' || p[3] != '0' || hex_digit(p[4]) < 0 || hex_digit(p[5]) < 0)
        return 0;
    int v = hex_digit(p[4]) * 16 + hex_digit(p[5]);
    return (v > 0 && v < 0x20 && !byte_in((char)v, "\b\t\n\f\r")) || (v >= 0x7f && v < 0xa0) ? 6 : 0;
}

/* Is it UTF-8 with the escapes that the writer makes, and no others? Else two lines would mean the same, or one
 * nothing. */
static bool as_written(struct slice s)
{
    for (size_t at = 0, len; at < s.n; at += len) {
        uint32_t cp = 0;
        len = s.p[at] == '\\' ? escape(s.p + at, s.n - at) : text_decode(s.p + at, s.n - at, &cp);
        if (len == 0 || (cp >= 0x7f && cp < 0xa0))
            return false;
    }
    return true;
}

/* After the opening quote: up to the closing one, which is taken. *plain: printable ASCII without an escape. */
static bool string(struct scan *s, struct slice *out, bool *plain)
{
    const char *from = s->p, *p = s->p, *end = s->end;
    *plain = true;
    for (;;) {
        p = past_plain(p, end);
        if (p >= end)
            return false;
        unsigned char c = (unsigned char)*p++;
        if (c == '"')
            break;
        if (c < 0x20 || (c == '\\' && p++ >= end))
            return false;
        *plain = *plain && c != '\\' && c < 0x7f;
    }
    *out = (struct slice){from, (size_t)(p - 1 - from)};
    s->p = p;
    return *plain || as_written(*out);
}

static bool integer(struct scan *s, struct slice *out)
{
    const char *from = s->p, *digits;
    if (s->p < s->end && *s->p == '-')
        s->p++;
    digits = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    *out = (struct slice){from, (size_t)(s->p - from)};
    int64_t v;
    if (s->p == digits || (*digits == '0' && (s->p != digits + 1 || digits != from)))
        return false; /* "-0" and leading zeros are not canonical */
    return s->p - digits < 16 || (slice_int(*out, &v) && v >= -EXACT_MAX && v <= EXACT_MAX);
}

static bool object(struct scan *s, int depth);

/* Is the object that begins here, to the byte, one that was found canonical in its place of the line before? Most lines
 * have their host's facts in common. */
static bool as_before(struct scan *s, int depth)
{
    const struct leaf_object *o = s->memo && s->nth < LEAF_MEMO ? &s->memo->object[s->nth] : NULL;
    if (!o || o->n == 0 || o->depth != depth || (size_t)(s->end - s->p) < o->n || memcmp(s->p, o->bytes, o->n) != 0)
        return false;
    s->p += o->n;
    s->nth += o->inner + 1;
    return true;
}

static void remember(struct scan *s, int depth, size_t nth, const char *from)
{
    size_t n = (size_t)(s->p - from);
    if (!s->memo || nth >= LEAF_MEMO || n > sizeof s->memo->object[nth].bytes)
        return;
    struct leaf_object *o = &s->memo->object[nth];
    o->n = n;
    o->depth = depth;
    o->inner = s->nth - nth - 1;
    memcpy(o->bytes, from, n);
}

static bool inner_object(struct scan *s, int depth)
{
    const char *from = s->p;
    size_t nth = s->nth;
    if (as_before(s, depth))
        return true;
    s->nth++;
    if (!object(s, depth))
        return false;
    remember(s, depth, nth, from);
    return true;
}

static bool value(struct scan *s, int depth, struct member *m)
{
    bool plain;
    m->is_string = m->is_object = false;
    if (s->p >= s->end)
        return false;
    if (*s->p == '"') {
        s->p++;
        m->is_string = true;
        return string(s, &m->value, &plain);
    }
    if (*s->p == '{') {
        const char *from = s->p;
        m->is_object = true;
        if (depth >= DEPTH_MAX || !inner_object(s, depth + 1))
            return false;
        m->value = (struct slice){from, (size_t)(s->p - from)};
        return true;
    }
    return integer(s, &m->value);
}

/* Keys are plain, so that the order of their bytes is that of RFC 8785. */
static bool pair(struct scan *s, int depth, struct member *m)
{
    bool plain;
    if (s->p >= s->end || *s->p++ != '"' || !string(s, &m->key, &plain) || !plain)
        return false;
    return s->p < s->end && *s->p++ == ':' && value(s, depth, m);
}

/* Keys differ in their first byte, mostly. */
static bool ascending(struct slice a, struct slice b)
{
    if (a.n && b.n && *a.p != *b.p)
        return (unsigned char)*a.p < (unsigned char)*b.p;
    return slice_cmp(a, b) < 0;
}

/* Takes one object; keys strictly ascending. */
static bool object(struct scan *s, int depth)
{
    if (s->p >= s->end || *s->p++ != '{')
        return false;
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return true;
    }
    struct slice last = {NULL, 0};
    for (;;) {
        struct member m;
        if (!pair(s, depth, &m) || (last.p && !ascending(last, m.key)))
            return false;
        last = m.key;
        if (s->p >= s->end)
            return false;
        char c = *s->p++;
        if (c == '}')
            return true;
        if (c != ',')
            return false;
    }
}

bool leaf_member(struct slice o, size_t *at, struct member *out)
{
    if (!o.p || o.n < 2 || *at >= o.n - 1)
        return false;
    struct scan s = {.p = o.p + *at, .end = o.p + o.n};
    if (*s.p != '{' && *s.p != ',')
        return false;
    s.p++;
    if (!pair(&s, 1, out))
        return false;
    *at = (size_t)(s.p - o.p);
    return true;
}

struct slice leaf_boot(const struct leaf *l)
{
    static const char key[] = "\"boot\":\""; /* a quote inside a text is escaped: this is a key, and kernel's alone */
    const char *at = l->version >= 3 && l->host.n ? memmem(l->host.p, l->host.n, key, sizeof key - 1) : NULL;
    if (!at || memmem(l->host.p, l->host.n, "\"writer\":{", 10))
        return (struct slice){NULL, 0};
    at += sizeof key - 1;
    const char *end = memchr(at, '"', (size_t)(l->host.p + l->host.n - at));
    return end ? (struct slice){at, (size_t)(end - at)} : (struct slice){NULL, 0};
}

static bool hex64(struct slice s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n != 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int d = hex_digit(s.p[i]);
        if (d < 0)
            return false;
        v = v << 4 | (uint64_t)d;
    }
    *out = v;
    return true;
}

static bool take_actor(struct slice o, struct leaf *l)
{
    struct member m;
    for (size_t at = 0; leaf_member(o, &at, &m);) {
        if (slice_is(m.key, "kind"))
            l->actor_kind = m.value;
        else if (slice_is(m.key, "name"))
            l->actor = m.value;
    }
    return true;
}

enum how { TAKE_WORD, TAKE_INT, TAKE_OBJECT, TAKE_ACTOR, TAKE_CORR, TAKE_LATE };

/* In byte order, as they come. */
static const struct {
    struct slice key;
    enum how how;
    size_t offset;
} PLACES[] = {
#define PLACE(key, how, member)                                                                                        \
    {                                                                                                                  \
        {(key), sizeof(key) - 1}, (how), offsetof(struct leaf, member)                                                 \
    }
    PLACE("actor", TAKE_ACTOR, actor),  PLACE("after", TAKE_WORD, after),
    PLACE("before", TAKE_WORD, before), PLACE("committed", TAKE_OBJECT, committed),
    PLACE("corr", TAKE_CORR, corr),     PLACE("f", TAKE_OBJECT, fields),
    PLACE("fleet", TAKE_WORD, fleet),   PLACE("host", TAKE_OBJECT, host),
    PLACE("kind", TAKE_WORD, kind),     PLACE("late", TAKE_LATE, late),
    PLACE("mono_us", TAKE_INT, mono),   PLACE("reason", TAKE_WORD, reason),
    PLACE("result", TAKE_WORD, result), PLACE("rollout", TAKE_WORD, rollout),
    PLACE("seq", TAKE_INT, seq),        PLACE("t", TAKE_INT, t),
    PLACE("v", TAKE_INT, version),      PLACE("verb", TAKE_WORD, verb),
    PLACE("wave", TAKE_WORD, wave)
#undef PLACE
};
#define N_PLACES (sizeof PLACES / sizeof *PLACES)

/* One member of the entry into its place; what it does not know it leaves (a newer andon may add keys). *at: the place
 * that comes next. */
static bool take(const struct member *m, size_t *at, struct leaf *l)
{
    while (*at < N_PLACES && ascending(PLACES[*at].key, m->key))
        ++*at;
    if (*at == N_PLACES || !slice_same(PLACES[*at].key, m->key))
        return true;
    enum how how = PLACES[*at].how;
    char *place = (char *)l + PLACES[(*at)++].offset;
    if (m->is_object) {
        if (how == TAKE_OBJECT)
            memcpy(place, &m->value, sizeof m->value);
        return how != TAKE_ACTOR || take_actor(m->value, l);
    }
    if (how == TAKE_WORD && m->is_string)
        memcpy(place, &m->value, sizeof m->value);
    if (how == TAKE_LATE)
        l->late = !m->is_string && slice_is(m->value, "1");
    if (how == TAKE_CORR)
        return m->is_string && hex64(m->value, &l->corr);
    return how != TAKE_INT || (!m->is_string && slice_int(m->value, (int64_t *)(void *)place));
}

static bool scan_entry(const char *line, size_t n, struct leaf_memo *memo, struct leaf *out)
{
    memset(out, 0, sizeof *out);
    struct scan s = {line, line + n, memo, 0};
    struct slice last = {NULL, 0};
    size_t at = 0;
    bool have_t = false;
    if (n < 2 || *s.p++ != '{')
        return false;
    for (;;) {
        struct member m;
        if (!pair(&s, 1, &m) || (last.p && !ascending(last, m.key)) || !take(&m, &at, out))
            return false;
        last = m.key;
        have_t = have_t || slice_is(m.key, "t");
        if (s.p >= s.end)
            return false;
        char c = *s.p++;
        if (c == '}')
            break;
        if (c != ',')
            return false;
    }
    return s.p == s.end && out->kind.p && have_t;
}

bool leaf_scan(const char *line, size_t n, struct leaf *out)
{
    return scan_entry(line, n, NULL, out) && out->seq > 0;
}

bool leaf_scan_next(const char *line, size_t n, struct leaf_memo *memo, struct leaf *out)
{
    return scan_entry(line, n, memo, out) && out->seq > 0;
}

bool leaf_scan_record(const char *line, size_t n, struct leaf *out)
{
    return scan_entry(line, n, NULL, out) && out->seq == 0;
}

bool leaf_names_blob(const struct member *m)
{
    if (!m->is_string || m->value.n != 2 * HASH_LEN)
        return false;
    for (size_t i = 0; i < m->value.n; i++) {
        if (hex_digit(m->value.p[i]) < 0)
            return false;
    }
    struct slice k = m->key;
    return slice_is(k, "blob") ||
           (k.n > 5 && (slice_starts(k, "blob.") || slice_is((struct slice){k.p + k.n - 5, 5}, ".blob")));
}
