/* What a list of signers says by itself (allowed_signers, ssh-keygen(1)): for people who set it up. Who counts is said
 * by ssh-keygen alone (sshsig.c). */
#include <stdio.h>
#include <string.h>
#include "audit/sshsig.h"
#include "core/buf.h"
#include "core/digest.h"
#include "core/slice.h"
#include "core/text.h"

#define NAMES_MAX 256
#define KEY_MAX   ((size_t)16 << 10)

/* One field: what is in double quotes may have blanks in it. False: a quote has no end, or there is none. */
static bool take_field(struct slice *line, struct slice *out)
{
    bool quoted = false;
    size_t n = 0;
    while (line->n > 0 && (*line->p == ' ' || *line->p == '\t'))
        line->p++, line->n--;
    while (n < line->n && (quoted || (line->p[n] != ' ' && line->p[n] != '\t'))) {
        quoted = quoted != (line->p[n] == '"' && (n == 0 || line->p[n - 1] != '\\'));
        n++;
    }
    *out = (struct slice){line->p, n};
    line->p += n;
    line->n -= n;
    return n > 0 && !quoted;
}

static bool is_type(struct slice s)
{
    static const char *const types[] = {"ssh-ed25519",
                                        "ssh-rsa",
                                        "ecdsa-sha2-nistp256",
                                        "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521",
                                        "sk-ssh-ed25519@openssh.com",
                                        "sk-ecdsa-sha2-nistp256@openssh.com"};
    bool is = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        is = is || slice_is(s, types[i]);
    return is;
}

/* The bytes of a key begin with its type, as a string of RFC 4251. */
static bool is_key(struct slice type, struct slice text)
{
    uint8_t raw[KEY_MAX];
    size_t n = 0;
    return text.n > 0 && text.n / 4 * 3 <= sizeof raw - 3 && base64_decode(text.p, text.n, raw, &n) && n > 4 + type.n &&
           raw[0] == 0 && raw[1] == 0 && raw[2] == 0 && raw[3] == type.n && memcmp(raw + 4, type.p, type.n) == 0;
}

/* Is the word among those of namespaces="a,b"? Patterns are taken for it. */
static bool names_it(struct slice options, const char *name_space)
{
    static const char word[] = "namespaces=\"";
    const char *at = options.n ? memmem(options.p, options.n, word, sizeof word - 1) : NULL;
    if (!at)
        return true;
    at += sizeof word - 1;
    for (const char *end = options.p + options.n; at < end && *at != '"';) {
        const char *stop = at;
        while (stop < end && *stop != ',' && *stop != '"')
            stop++;
        struct slice one = {at, (size_t)(stop - at)};
        if (slice_is(one, name_space) || memchr(one.p, '*', one.n) || memchr(one.p, '?', one.n))
            return true;
        at = stop + (stop < end && *stop == ',');
    }
    return false;
}

struct people {
    struct slice name[NAMES_MAX];
    size_t n;
};

/* Each of the names, unless it is a pattern. True: there was one. */
static bool add_names(struct people *p, struct slice names)
{
    bool any = false;
    if (names.n >= 2 && *names.p == '"')
        names = (struct slice){names.p + 1, names.n - 2};
    while (names.n > 0) {
        const char *stop = memchr(names.p, ',', names.n);
        struct slice one = {names.p, stop ? (size_t)(stop - names.p) : names.n};
        bool plain = one.n > 0 && !memchr(one.p, '*', one.n) && !memchr(one.p, '?', one.n) && *one.p != '!';
        bool known = false;
        for (size_t i = 0; i < p->n; i++)
            known = known || slice_same(p->name[i], one);
        if (plain && !known && p->n < NAMES_MAX && !any)
            p->name[p->n++] = one;
        any = any || plain;
        names.p += one.n + (stop != NULL);
        names.n -= one.n + (stop != NULL);
    }
    return any;
}

struct signer {
    struct slice names, options, type, key;
    size_t number; /* of the line */
    bool bad;
};

/* The next line that says something; false at the end. */
static bool next_signer(struct slice *rest, struct signer *s)
{
    while (rest->n > 0) {
        const char *stop = memchr(rest->p, '\n', rest->n);
        struct slice line = {rest->p, stop ? (size_t)(stop - rest->p) : rest->n}, word;
        rest->p += line.n + (stop != NULL);
        rest->n -= line.n + (stop != NULL);
        s->number++;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        while (line.n > 0 && (*line.p == ' ' || *line.p == '\t'))
            line.p++, line.n--;
        if (line.n == 0 || *line.p == '#')
            continue;
        s->options = (struct slice){NULL, 0};
        s->names = line; /* to be told of, when it is none */
        bool ok = take_field(&line, &s->names) && take_field(&line, &word);
        if (ok && !is_type(word)) {
            s->options = word;
            ok = take_field(&line, &word);
        }
        s->type = word;
        s->bad = !ok || !is_type(word) || !take_field(&line, &s->key) || !is_key(word, s->key);
        return true;
    }
    return false;
}

static bool is_authority(const struct signer *s)
{
    return s->options.n > 0 && memmem(s->options.p, s->options.n, "cert-authority", 14);
}

bool sshsig_signers(const struct buf *list, const char *name_space, struct sshsig_list *out, struct err *e)
{
    struct people people = {.n = 0};
    struct slice rest = {list->data, list->len};
    struct signer s = {.number = 0};
    char what[60];
    memset(out, 0, sizeof *out);
    while (next_signer(&rest, &s)) {
        safe_text_into(what, sizeof what, s.names.p, s.names.n < 40 ? s.names.n : 40);
        if (s.bad)
            return err_set(e, ERR_SYNTAX, "NAME KEYTYPE KEY, as in allowed_signers of ssh-keygen(1).",
                           "line %zu holds no key: %.50s", s.number, what);
        if (is_authority(&s)) {
            out->authorities++;
        } else if (!names_it(s.options, name_space)) {
            out->elsewhere++;
        } else {
            out->keys++;
            out->nameless += !add_names(&people, s.names);
        }
    }
    out->people = people.n;
    return true;
}

/* "SHA256:..." as ssh-keygen says it: base64 without its padding. */
static bool has_print(struct slice key, const char *print)
{
    uint8_t raw[KEY_MAX], digest[SHA256_BYTES];
    size_t n = 0, len;
    struct buf b;
    if (!base64_decode(key.p, key.n, raw, &n))
        return false;
    sha256_bytes(raw, n, digest);
    buf_init(&b, 100);
    buf_adds(&b, "SHA256:");
    base64_encode(&b, digest, sizeof digest);
    len = strlen(print);
    bool same = len + 1 == b.len && memcmp(b.data, print, len) == 0;
    buf_release(&b);
    return same;
}

bool sshsig_signer(const struct buf *list, const char *name_space, const char *print, size_t nth, char *out,
                   size_t size)
{
    struct slice rest = {list->data, list->len};
    struct signer s = {.number = 0};
    while (next_signer(&rest, &s)) {
        struct people one = {.n = 0};
        if (s.bad || is_authority(&s) || !names_it(s.options, name_space) || !has_print(s.key, print) ||
            !add_names(&one, s.names) || one.name[0].n >= size || nth-- > 0)
            continue;
        memcpy(out, one.name[0].p, one.name[0].n);
        out[one.name[0].n] = '\0';
        return true;
    }
    return false;
}
