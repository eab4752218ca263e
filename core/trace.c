#include "core/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/digest.h"
#include "core/fmt.h"
#include "core/text.h"

#define MASK "[secret]"

static const char *const kind_words[TRACE_KINDS] = {"wire", "poll", "verbs", "trial", "calls"};

bool trace_kinds_parse(const char *list, uint32_t *out)
{
    bool all_known = true;
    *out = *list ? 0 : TRACE_ALL;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ", ");
        int k = 0;
        while (k < TRACE_KINDS && !(strlen(kind_words[k]) == n && strncmp(p, kind_words[k], n) == 0))
            k++;
        if (k < TRACE_KINDS)
            *out |= UINT32_C(1) << k;
        else if (n > 0)
            all_known = false;
        p += n + (p[n] != '\0');
    }
    return all_known;
}

bool trace_begin(struct trace_line *l, struct trace *t, enum trace_kind k, struct clock *c, const char *fleet,
                 const char *event)
{
    if (!t || !(t->kinds >> k & 1))
        return false;
    l->t = t;
    buf_init(&l->out, TRACE_LINE_MAX);
    json_w_init(&l->w, &l->out, 0);
    json_w_obj(&l->w);
    json_w_ktime(&l->w, "time", clock_wall(c));
    json_w_kint(&l->w, "mono_us", clock_now(c));
    json_w_kstr(&l->w, "kind", kind_words[k]);
    json_w_kstr(&l->w, "fleet", fleet);
    json_w_kstr(&l->w, "event", event);
    return true;
}

void trace_end(struct trace_line *l)
{
    json_w_obj_end(&l->w);
    buf_addc(&l->out, '\n');
    size_t n = l->out.len;
    if (!l->out.over)
        l->t->put(l->t, buf_take(&l->out), n);
    buf_release(&l->out);
}

/* ---- masking ---- */

/* Names of members and parameters whose value is a secret, whatever stands around them in the name. */
static const char *const secret_names[] = {"password",  "passwd",    "secret",          "token",         "routing_key",
                                           "apikey",    "api_key",   "api-key",         "authorization", "cookie",
                                           "sessionid", "signature", "x-amz-credential"};

static bool names_a_secret(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof secret_names / sizeof *secret_names; i++) {
        size_t k = strlen(secret_names[i]);
        for (size_t at = 0; at + k <= n; at++)
            if ((name[at] | 0x20) == secret_names[i][0] && strncasecmp(name + at, secret_names[i], k) == 0)
                return true;
    }
    return false;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

static size_t blanks(const char *s, size_t n)
{
    size_t k = 0;
    while (k < n && (s[k] == ' ' || s[k] == '\t' || s[k] == '\n' || s[k] == '\r'))
        k++;
    return k;
}

/* Length of a quote at s, alone or escaped (JSON within JSON); 0 = none. */
static size_t quote(const char *s, size_t n)
{
    return n > 0 && s[0] == '"' ? 1 : n > 1 && s[0] == '\\' && s[1] == '"' ? 2 : 0;
}

/* A name at s, as in "name": "value" or name=value, that names a secret: bytes to keep before the value, and the
 * value's length; false when it is not. `s` stands at the name's first byte. */
static bool named_value(const char *s, size_t n, size_t *before, size_t *value)
{
    size_t k = 0;
    while (k < n && name_byte(s[k]))
        k++;
    size_t at = k + quote(s + k, n - k);
    at += blanks(s + at, n - at);
    if (k > 64 || at >= n || (s[at] != ':' && s[at] != '=') || !names_a_secret(s, k))
        return false;
    bool parameter = s[at] == '=';
    at++;
    at += parameter ? 0 : blanks(s + at, n - at);
    if (quote(s + at, n - at)) {
        size_t end = at += quote(s + at, n - at);
        while (end < n && s[end] != '"')
            end += s[end] == '\\' ? 2 : 1;
        *before = at;
        *value = (end < n ? end : n) - at;
        return *value > 0;
    }
    if (!parameter)
        return false; /* a number, an object, a word of prose */
    size_t end = at;
    while (end < n && !strchr("&; \t\r\n\"'<>,}", s[end]))
        end++;
    *before = at;
    *value = end - at;
    return *value > 0;
}

/* "://user:password@": length of what stands between. */
static size_t user_info(const char *s, size_t n)
{
    size_t at = 0;
    for (size_t k = 0; k < n && !strchr("/?#\"'<>\\ \t\r\n", s[k]); k++)
        if (s[k] == '@')
            at = k;
    return at;
}

/* "Basic dXNlcjpw": length of what follows the word at s; 0 = nothing. */
static size_t credentials(const char *s, size_t n, size_t *word)
{
    static const char *const words[] = {"Basic ", "Bearer "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t k = strlen(words[i]), end = k;
        if ((*s | 0x20) != 'b' || n <= k || strncasecmp(s, words[i], k) != 0)
            continue;
        while (end < n && (name_byte(s[end]) || strchr("+/=~", s[end])) && s[end])
            end++;
        *word = k;
        return end - k >= 8 ? end - k : 0;
    }
    return 0;
}

static size_t known_secret(const char *s, size_t n, const struct trace_secrets *known)
{
    size_t longest = 0;
    for (size_t i = 0; known && i < sizeof known->v / sizeof *known->v; i++) {
        if (!known->v[i] || known->v[i][0] != *s)
            continue;
        size_t k = strlen(known->v[i]);
        if (k > longest && k <= n && memcmp(s, known->v[i], k) == 0)
            longest = k;
    }
    return longest;
}

void trace_mask(struct buf *out, const char *bytes, size_t n, const struct trace_secrets *s)
{
    size_t copied = 0;
    bool in_word = false;
    for (size_t i = 0; i < n;) {
        const char *p = bytes + i;
        size_t left = n - i, keep = 0, hide = known_secret(p, left, s);
        bool in_name = name_byte(*p);
        if (hide == 0 && *p == ':' && left > 3 && memcmp(p, "://", 3) == 0) {
            keep = 3;
            hide = user_info(p + 3, left - 3);
        } else if (hide == 0 && in_name && !in_word) {
            hide = credentials(p, left, &keep);
            if (hide == 0 && !named_value(p, left, &keep, &hide))
                keep = hide = 0;
        }
        in_word = in_name;
        if (hide == 0) {
            i++;
            continue;
        }
        buf_add(out, bytes + copied, i - copied + keep);
        buf_adds(out, MASK);
        i += keep + hide;
        copied = i;
        in_word = name_byte(bytes[i - 1]);
    }
    buf_add(out, bytes + copied, n - copied);
}

static void member(struct trace_line *l, const char *key, const char *suffix)
{
    char name[80];
    snprintf(name, sizeof name, "%.60s%s", key, suffix);
    json_w_key(&l->w, name);
}

void trace_text(struct trace_line *l, const char *key, const char *bytes, size_t n, const struct trace_secrets *s)
{
    struct buf masked;
    buf_init(&masked, SIZE_MAX);
    trace_mask(&masked, bytes, n, s);
    if (masked.len > TRACE_BODY_MAX) {
        char digest[SHA256_HEX];
        sha256_hex(masked.data, masked.len, digest);
        member(l, key, "_bytes");
        json_w_int(&l->w, (int64_t)masked.len);
        member(l, key, "_sha256");
        json_w_str(&l->w, digest);
        masked.len = TRACE_CLIP;
        while (masked.len > 0 && (masked.data[masked.len] & 0xC0) == 0x80) /* not inside a character */
            masked.len--;
        masked.data[masked.len] = '\0';
    }
    if (text_valid(masked.data, masked.len) && !memchr(masked.data, '\0', masked.len)) {
        member(l, key, "");
        json_w_str(&l->w, masked.data);
    } else {
        char *hex = xmalloc(2 * masked.len + 1);
        hex_encode(hex, (const unsigned char *)masked.data, masked.len);
        member(l, key, "_hex");
        json_w_str(&l->w, hex);
        free(hex);
    }
    buf_release(&masked);
}
