#include "client/plain.h"

#define DEPTH_MAX  16
#define DIGITS_MAX 15 /* every such number is exact, also as a double */

void plain_blanks(struct plain *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

bool plain_take(struct plain *s, char c)
{
    plain_blanks(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

bool plain_word(struct plain *s, const char *word)
{
    if (!slice_starts((struct slice){s->at, (size_t)(s->end - s->at)}, word))
        return false;
    s->at += slice_of(word).n;
    return true;
}

bool plain_string(struct plain *s, struct slice *out)
{
    if (!plain_take(s, '"'))
        return false;
    const char *from = s->at;
    unsigned char seen = 0;
    for (const char *p = from; p < s->end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            *out = (struct slice){from, (size_t)(p - from)};
            s->at = p + 1;
            s->ascii = s->ascii && seen < 0x80;
            return true;
        }
        if (c < 0x20 || c == '\\')
            return false;
        seen |= c;
    }
    return false;
}

static size_t digits(struct plain *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - from);
}

bool plain_number(struct plain *s, int64_t *out, bool *whole)
{
    plain_blanks(s);
    bool minus = s->at < s->end && *s->at == '-';
    s->at += minus;
    const char *from = s->at;
    size_t n = digits(s);
    if (n == 0 || n > DIGITS_MAX || (n > 1 && *from == '0'))
        return false;
    int64_t v = 0;
    for (const char *p = from; p < s->at; p++)
        v = v * 10 + (*p - '0');
    *out = minus ? -v : v;
    *whole = s->at == s->end || *s->at != '.';
    if (!*whole) {
        s->at++;
        n = digits(s);
        if (n == 0 || n > DIGITS_MAX)
            return false;
    }
    return s->at == s->end || (*s->at != 'e' && *s->at != 'E' && *s->at != '.');
}

bool plain_member(struct plain *s, struct plain_members *m, struct slice *key, bool *more)
{
    *more = false;
    if (plain_take(s, '}'))
        return true;
    if (m->n > 0 && !plain_take(s, ','))
        return false;
    if (m->n == PLAIN_MEMBERS_MAX || !plain_string(s, key) || !plain_take(s, ':'))
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (slice_same(m->key[i], *key))
            return false;
    m->key[m->n++] = *key;
    plain_blanks(s);
    *more = true;
    return true;
}

static bool skip_object(struct plain *s)
{
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more;
    while (plain_member(s, &m, &key, &more)) {
        if (!more)
            return true;
        if (!plain_skip(s))
            return false;
    }
    return false;
}

static bool skip_array(struct plain *s)
{
    if (plain_take(s, ']'))
        return true;
    do {
        if (!plain_skip(s))
            return false;
    } while (plain_take(s, ','));
    return plain_take(s, ']');
}

bool plain_skip(struct plain *s)
{
    struct slice text;
    int64_t number;
    bool whole, ok;
    plain_blanks(s);
    if (s->at == s->end || s->depth >= DEPTH_MAX)
        return false;
    switch (*s->at) {
    case '"':
        return plain_string(s, &text);
    case '{':
    case '[':
        s->depth++;
        ok = *s->at++ == '{' ? skip_object(s) : skip_array(s);
        s->depth--;
        return ok;
    case 't':
        return plain_word(s, "true");
    case 'f':
        return plain_word(s, "false");
    case 'n':
        return plain_word(s, "null");
    default:
        return plain_number(s, &number, &whole);
    }
}
