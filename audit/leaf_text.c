/* What a leaf says: its words without their escapes, and the whole entry for screens. */
#include <string.h>
#include "audit/leaf.h"
#include "audit/tree.h"
#include "core/buf.h"
#include "core/text.h"

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
    if (s.n < n || s.n == 0 || (s.n == n && memcmp(s.p, text, n) == 0))
        return s.n == n; /* an escape only shortens it */
    while (at < s.n) {
        char c[4];
        size_t k = unescape(s, &at, c);
        if (n - i < k || memcmp(text + i, c, k) != 0)
            return false;
        i += k;
    }
    return i == n;
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

static const char *(*decode_members(struct slice object, struct arena *a, size_t *count))[2]
{
    struct member m;
    size_t n = 0;
    for (size_t at = 0; leaf_member(object, &at, &m);)
        n++;
    const char *(*v)[2] = arena_array(a, n ? n : 1, sizeof *v);
    *count = 0;
    for (size_t at = 0; leaf_member(object, &at, &m);) {
        v[*count][0] = leaf_text(a, m.key);
        v[(*count)++][1] = leaf_text(a, m.value);
    }
    return v;
}

static void decode(const struct leaf *l, const char *line, size_t n, const char *hash, struct arena *a,
                   struct stored *out)
{
    *out = (struct stored){.seq = l->seq,
                           .t = l->t,
                           .corr = l->corr,
                           .late = l->late,
                           .open = "",
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
    out->line = out->shown = arena_strndup(a, line, n);
    out->fields = decode_members(l->fields, a, &out->n_fields);
    out->committed = decode_members(l->committed, a, &out->n_committed);
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

void leaf_stored(const struct leaf *l, const uint8_t *hash, struct arena *a, struct stored *out)
{
    char hex[HASH_HEX];
    hex_encode(hex, hash, HASH_LEN);
    decode(l, "", 0, hex, a, out);
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

bool stored_is_open(const struct stored *s, const char *path)
{
    for (size_t i = 0; i < s->n_committed; i++) {
        if (slice_is(slice_of(s->committed[i][0]), path))
            return slice_is(slice_of(s->committed[i][1]), "open");
    }
    return true;
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
