#include "core/purl.h"

#include <stdlib.h>

#include "core/text.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* What the purl specification's types do to a namespace, a name and a version. */
enum {
    SPACE_LOWER = 1,
    SPACE_UPPER = 2,
    NAME_LOWER = 4,
    NAME_DASH = 8,   /* "_" is "-" */
    NAME_PLAIN = 16, /* everything but letters and digits is "_" */
    VERSION_LOWER = 32
};

static const struct {
    const char *type;
    int rules;
} types[] = {
    {"alpm", SPACE_LOWER | NAME_LOWER},
    {"apk", SPACE_LOWER | NAME_LOWER},
    {"bitbucket", SPACE_LOWER | NAME_LOWER},
    {"bitnami", NAME_LOWER},
    {"composer", SPACE_LOWER | NAME_LOWER},
    {"cpan", SPACE_UPPER},
    {"github", SPACE_LOWER | NAME_LOWER},
    {"gitlab", SPACE_LOWER | NAME_LOWER},
    {"hackage", NAME_DASH},
    {"hex", SPACE_LOWER | NAME_LOWER},
    {"huggingface", VERSION_LOWER},
    {"luarocks", SPACE_LOWER | NAME_LOWER},
    {"npm", NAME_LOWER},
    {"oci", NAME_LOWER | VERSION_LOWER},
    {"pub", NAME_LOWER | NAME_PLAIN},
    {"pypi", SPACE_LOWER | NAME_LOWER | NAME_DASH},
    {"qpkg", SPACE_LOWER},
};

static int rules_of(const char *type)
{
    for (size_t i = 0; i < N(types); i++)
        if (slice_is(slice_of(type), types[i].type))
            return types[i].rules;
    return 0;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static struct slice before(struct slice s, const char *at)
{
    return (struct slice){s.p, (size_t)(at - s.p)};
}

static struct slice from(struct slice s, const char *at)
{
    return (struct slice){at, s.n - (size_t)(at - s.p)};
}

static const char *find(struct slice s, char c)
{
    return s.n ? memchr(s.p, c, s.n) : NULL;
}

static const char *find_last(struct slice s, char c)
{
    return s.n ? memrchr(s.p, c, s.n) : NULL;
}

static int hex(char c)
{
    return digit(c) ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Decoded, made safe, in lower or upper case when asked for. NULL: what comes out is no text. */
static const char *decode(struct slice s, struct arena *a, char to)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && s.n - i > 2 && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
            c = (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]));
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return NULL;
        if (to == 'a')
            c = lower(c);
        else if (to == 'A' && c >= 'a' && c <= 'z')
            c = (char)(c - 32);
        out[n++] = c;
    }
    return text_valid(out, n) ? safe_text(a, out, n, (size_t)4 * PURL_MAX) : NULL;
}

/* The segments of a path, each decoded, the empty ones left out (and "." and ".." when asked for), joined by "/". */
static const char *path_of(struct slice s, struct arena *a, char to, bool dots)
{
    struct buf b;
    bool good = true;
    buf_init(&b, (size_t)8 * PURL_MAX);
    while (s.n > 0 && good) {
        const char *slash = find(s, '/');
        struct slice one = slash ? before(s, slash) : s;
        s = slash ? from(s, slash + 1) : (struct slice){NULL, 0};
        if (one.n == 0 || (dots && (slice_is(one, ".") || slice_is(one, ".."))))
            continue;
        const char *text = decode(one, a, to);
        good = text && (b.len == 0 || buf_addc(&b, '/')) && buf_adds(&b, text);
    }
    const char *r = good ? arena_strndup(a, b.data, b.len) : NULL;
    buf_release(&b);
    return r;
}

static int by_key(const void *pa, const void *pb)
{
    const struct purl_qualifier *x = pa, *y = pb;
    return slice_cmp(slice_of(x->key), slice_of(y->key));
}

static bool key_good(struct slice k)
{
    for (size_t i = 0; i < k.n; i++)
        if (!letter(k.p[i]) && !(digit(k.p[i]) && i > 0) && !byte_in(k.p[i], ".-_"))
            return false;
    return k.n > 0;
}

static bool read_qualifiers(struct slice s, struct arena *a, struct purl *out)
{
    struct purl_qualifier q[PURL_QUALIFIERS_MAX];
    size_t n = 0;
    while (s.n > 0) {
        const char *and = find(s, '&');
        struct slice one = and? before(s, and) : s;
        s = and? from(s, and+1) : (struct slice){NULL, 0};
        const char *is = find(one, '=');
        if (!is)
            return false;
        if (is == one.p || is == one.p + one.n - 1)
            continue; /* one without a value is as if it were not there */
        struct slice key = before(one, is);
        if (!key_good(key) || n == N(q))
            return false;
        const char *word = decode(key, a, 'a'), *value = decode(from(one, is + 1), a, 0);
        if (!word || !value)
            return false;
        size_t at = 0;
        while (at < n && !slice_is(slice_of(q[at].key), word))
            at++;
        q[at] = (struct purl_qualifier){word, value};
        n += at == n;
    }
    if (n > 1)
        qsort(q, n, sizeof *q, by_key);
    out->qualifiers = arena_memdup(a, q, n * sizeof *q);
    out->n_qualifiers = n;
    return true;
}

static const char *respell(const char *name, int rules, struct arena *a)
{
    if (!(rules & (NAME_DASH | NAME_PLAIN)))
        return name;
    char *r = arena_strdup(a, name), *out = r;
    for (const char *c = r; *c; c++) {
        bool plain = letter(*c) || digit(*c);
        if (rules & NAME_DASH)
            *out++ = *c == '_' ? '-' : *c;
        else if (plain || ((unsigned char)*c & 0xc0) != 0x80) /* one for a whole character */
            *out++ = plain ? *c : '_';
    }
    *out = '\0';
    return r;
}

/* The "@" before the version: the last one, but for that of a scope, which begins a segment before the last. */
static const char *version_at(struct slice s)
{
    bool last = true;
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == '@' && (last || (i > 1 && s.p[i - 2] != '/')))
            return s.p + i - 1;
        last = last && s.p[i - 1] != '/';
    }
    return NULL;
}

static bool read_type(struct slice *s, struct arena *a, const char **type)
{
    if (s->n < 4 || slice_cmp_nocase((struct slice){s->p, 4}, slice_of("pkg:")) != 0)
        return false;
    *s = from(*s, s->p + 4);
    while (s->n > 0 && *s->p == '/')
        *s = from(*s, s->p + 1);
    const char *slash = find(*s, '/');
    if (!slash)
        return false;
    struct slice word = before(*s, slash);
    for (size_t i = 0; i < word.n; i++)
        if (!letter(word.p[i]) && !(i > 0 && (digit(word.p[i]) || byte_in(word.p[i], ".+-"))))
            return false;
    *s = from(*s, slash + 1);
    *type = decode(word, a, 'a');
    return word.n > 0 && *type;
}

bool purl_parse(struct slice text, struct arena *a, struct purl *out)
{
    const char *at;
    *out = (struct purl){.type = "", .space = "", .name = "", .version = "", .subpath = ""};
    if (text.n > PURL_MAX || !read_type(&text, a, &out->type))
        return false;
    int rules = rules_of(out->type);
    if ((at = find_last(text, '#')) != NULL) {
        out->subpath = path_of(from(text, at + 1), a, 0, true);
        text = before(text, at);
    }
    if ((at = find_last(text, '?')) != NULL) {
        if (!read_qualifiers(from(text, at + 1), a, out))
            return false;
        text = before(text, at);
    }
    if ((at = version_at(text)) != NULL) {
        out->version = decode(from(text, at + 1), a, (rules & VERSION_LOWER) ? 'a' : 0);
        text = before(text, at);
    }
    while (text.n > 0 && text.p[text.n - 1] == '/')
        text.n--;
    if ((at = find_last(text, '/')) != NULL) {
        out->space = path_of(before(text, at), a, (rules & SPACE_LOWER) ? 'a' : (rules & SPACE_UPPER) ? 'A' : 0, false);
        text = from(text, at + 1);
    }
    out->name = decode(text, a, (rules & NAME_LOWER) ? 'a' : 0);
    if (!out->subpath || !out->version || !out->space || !out->name || !*out->name)
        return false;
    out->name = respell(out->name, rules, a);
    return true;
}

const char *purl_qualifier(const struct purl *p, const char *key)
{
    for (size_t i = 0; i < p->n_qualifiers; i++)
        if (slice_is(slice_of(p->qualifiers[i].key), key))
            return p->qualifiers[i].value;
    return NULL;
}
