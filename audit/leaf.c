#include "audit/leaf.h"

#include <string.h>
#include "audit/tree.h"
#include "core/buf.h"
#include "core/text.h"

#define DEPTH_MAX 4                         /* an entry is two objects deep, host facts three */
#define EXACT_MAX INT64_C(9007199254740991) /* what is beyond is written as a string */

struct scan {
    const char *p, *end;
};

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
        size_t skip = 8;
        while (end - p >= 8 && skip == 8)
            p += skip = plain8(p);
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
        if (depth >= DEPTH_MAX || !object(s, depth + 1))
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
        if (!pair(s, depth, &m) || (last.p && slice_cmp(last, m.key) >= 0))
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
    struct scan s = {o.p + *at, o.p + o.n};
    if (*s.p != '{' && *s.p != ',')
        return false;
    s.p++;
    if (!pair(&s, 1, out))
        return false;
    *at = (size_t)(s.p - o.p);
    return true;
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

/* One member of the entry into its place; what it does not know it leaves (a newer andon may add keys). */
static bool take(const struct member *m, struct leaf *l)
{
    static const struct {
        const char *key;
        size_t offset;
    } words[] = {{"after", offsetof(struct leaf, after)},     {"before", offsetof(struct leaf, before)},
                 {"fleet", offsetof(struct leaf, fleet)},     {"kind", offsetof(struct leaf, kind)},
                 {"reason", offsetof(struct leaf, reason)},   {"result", offsetof(struct leaf, result)},
                 {"rollout", offsetof(struct leaf, rollout)}, {"verb", offsetof(struct leaf, verb)},
                 {"wave", offsetof(struct leaf, wave)}};
    if (m->is_object) {
        if (slice_is(m->key, "actor"))
            return take_actor(m->value, l);
        if (slice_is(m->key, "f"))
            l->fields = m->value;
        else if (slice_is(m->key, "host"))
            l->host = m->value;
        return true;
    }
    if (slice_is(m->key, "seq"))
        return !m->is_string && slice_int(m->value, &l->seq);
    if (slice_is(m->key, "t"))
        return !m->is_string && slice_int(m->value, &l->t);
    if (slice_is(m->key, "mono_us"))
        return !m->is_string && slice_int(m->value, &l->mono);
    if (slice_is(m->key, "corr"))
        return m->is_string && hex64(m->value, &l->corr);
    if (slice_is(m->key, "late"))
        l->late = !m->is_string && slice_is(m->value, "1");
    for (size_t i = 0; m->is_string && i < sizeof words / sizeof *words; i++) {
        if (slice_is(m->key, words[i].key)) {
            memcpy((char *)l + words[i].offset, &m->value, sizeof m->value);
            break;
        }
    }
    return true;
}

static bool scan_entry(const char *line, size_t n, struct leaf *out)
{
    memset(out, 0, sizeof *out);
    struct scan s = {line, line + n};
    struct slice last = {NULL, 0};
    bool have_t = false;
    if (n < 2 || *s.p++ != '{')
        return false;
    for (;;) {
        struct member m;
        if (!pair(&s, 1, &m) || (last.p && slice_cmp(last, m.key) >= 0) || !take(&m, out))
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
    return scan_entry(line, n, out) && out->seq > 0;
}

bool leaf_scan_record(const char *line, size_t n, struct leaf *out)
{
    return scan_entry(line, n, out) && out->seq == 0;
}

/* One character of an escaped slice as UTF-8 into out; returns the bytes written. */
static size_t unescape(struct slice s, size_t *at, char out[4])
{
    char c = s.p[(*at)++];
    if (c != '\\' || *at >= s.n) {
        out[0] = c;
        return 1;
    }
    static const char from[] = "btnfr", to[] = "\b\t\n\f\r";
    c = s.p[(*at)++];
    const char *f = memchr(from, c, sizeof from - 1);
    if (c != 'u' || s.n - *at < 4) {
        out[0] = f ? to[f - from] : c;
        return 1;
    }
    unsigned v = 0; /* the writer only makes \u00XX */
    for (size_t i = 0; i < 4; i++) {
        char h = s.p[(*at)++];
        v = v << 4 | (unsigned)((h >= '0' && h <= '9') ? h - '0' : ((h | 32) - 'a' + 10) & 15);
    }
    if (v < 0x80) {
        out[0] = (char)v;
        return 1;
    }
    if (v < 0x800) {
        out[0] = (char)(0xc0 | v >> 6);
        out[1] = (char)(0x80 | (v & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | v >> 12); /* a surrogate becomes bad bytes, which safe_text then shows as such */
    out[1] = (char)(0x80 | (v >> 6 & 0x3f));
    out[2] = (char)(0x80 | (v & 0x3f));
    return 3;
}

bool leaf_is(struct slice s, const char *text)
{
    size_t at = 0, i = 0, n = slice_of(text).n;
    while (at < s.n) {
        char c[4];
        size_t k = unescape(s, &at, c);
        if (n - i < k || memcmp(text + i, c, k) != 0)
            return false;
        i += k;
    }
    return i == n;
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

const char *leaf_text(struct arena *a, struct slice s)
{
    if (s.n == 0)
        return "";
    struct buf plain;
    buf_init(&plain, ENTRY_MAX * 4);
    for (size_t at = 0; at < s.n;) {
        char c[4];
        size_t k = unescape(s, &at, c);
        buf_add(&plain, c, k);
    }
    const char *text = safe_text(a, plain.data, plain.len, ENTRY_MAX * 4);
    buf_release(&plain);
    return text;
}

static void decode_fields(const struct leaf *l, struct arena *a, struct stored *out)
{
    struct member m;
    size_t n = 0;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);)
        n++;
    const char *(*fields)[2] = arena_array(a, n ? n : 1, sizeof *fields);
    out->n_fields = 0;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        fields[out->n_fields][0] = leaf_text(a, m.key);
        fields[out->n_fields++][1] = leaf_text(a, m.value);
    }
    out->fields = fields;
}

static void decode(const struct leaf *l, const char *line, size_t n, const char *hash, struct arena *a,
                   struct stored *out)
{
    *out = (struct stored){.seq = l->seq,
                           .t = l->t,
                           .corr = l->corr,
                           .late = l->late,
                           .line = arena_strndup(a, line, n),
                           .leaf_hash = arena_strdup(a, hash),
                           .kind = leaf_text(a, l->kind),
                           .actor = leaf_text(a, l->actor),
                           .actor_kind = leaf_text(a, l->actor_kind),
                           .fleet = leaf_text(a, l->fleet),
                           .rollout = leaf_text(a, l->rollout),
                           .wave = leaf_text(a, l->wave),
                           .verb = leaf_text(a, l->verb),
                           .result = leaf_text(a, l->result),
                           .reason = leaf_text(a, l->reason),
                           .before = leaf_text(a, l->before),
                           .after = leaf_text(a, l->after),
                           .host = l->host.p ? arena_strndup(a, l->host.p, l->host.n) : ""};
    decode_fields(l, a, out);
}

bool leaf_decode(const char *line, size_t n, const uint8_t *hash, struct arena *a, struct stored *out)
{
    struct leaf l;
    char hex[HASH_HEX];
    if (!leaf_scan(line, n, &l))
        return false;
    hex_encode(hex, hash, HASH_LEN);
    decode(&l, line, n, hex, a, out);
    return true;
}

bool leaf_decode_record(const char *line, size_t n, struct arena *a, struct stored *out)
{
    struct leaf l;
    if (!leaf_scan_record(line, n, &l))
        return false;
    decode(&l, line, n, "", a, out);
    return true;
}

const char *stored_field(const struct stored *s, const char *key)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        if (slice_is(slice_of(s->fields[i][0]), key))
            return s->fields[i][1];
    }
    return "";
}

/* "name" is what halts and intents of andon 0.1 have. */
struct rollout_identity stored_identity(const struct stored *s)
{
    const char *created = stored_field(s, "rollout.created"), *name = stored_field(s, "rollout.name");
    struct rollout_identity who = {s->fleet, s->rollout, 0, *name ? name : stored_field(s, "name"),
                                   stored_field(s, "rollout.release")};
    if (!slice_int(slice_of(created), &who.created_at) || who.created_at < 0)
        who.created_at = 0;
    return who;
}
