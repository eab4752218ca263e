/* See elements.h. */
#include "core/elements.h"

#include "core/json.h"
#include "core/slice.h"

void elements_init(struct elements *s, const char *key, size_t max,
                   bool (*take)(void *ctx, const char *bytes, size_t n), void *ctx)
{
    *s = (struct elements){.keys = {key}, .n_keys = 1, .take = take, .ctx = ctx};
    buf_init(&s->around, max);
    buf_init(&s->one, max);
}

void elements_also(struct elements *s, const char *key)
{
    if (s->n_keys < ELEMENT_KEYS)
        s->keys[s->n_keys++] = key;
}

void elements_release(struct elements *s)
{
    buf_release(&s->around);
    buf_release(&s->one);
}

void elements_restart(struct elements *s)
{
    buf_clear(&s->around);
    buf_clear(&s->one);
    s->depth = 0;
    s->in_string = s->escaped = s->in_array = s->after_comma = s->seen = s->stopped = false;
    s->n = 0;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Does what came so far end in this key and a colon? Called where a value begins in the outermost object. */
static bool at_key(const struct elements *s, const char *key)
{
    const char *p = s->around.data;
    size_t n = s->around.len, k = strlen(key);
    while (n && blank(p[n - 1]))
        n--;
    if (n == 0 || p[--n] != ':')
        return false;
    while (n && blank(p[n - 1]))
        n--;
    return n > k + 2 && p[n - 1] == '"' && memcmp(p + n - 1 - k, key, k) == 0 && p[n - 2 - k] == '"' &&
           p[n - 3 - k] != '\\';
}

static bool at_array(struct elements *s)
{
    for (s->which = 0; s->which < s->n_keys; s->which++)
        if (at_key(s, s->keys[s->which]))
            return true;
    return false;
}

static bool give(struct elements *s)
{
    s->n++;
    s->after_comma = false;
    bool ok = !s->one.over && s->take(s->ctx, s->one.data, s->one.len);
    buf_clear(&s->one);
    return ok;
}

/* A byte outside of strings in the array itself, not in an element. False: no JSON, or the taker has enough. */
static bool between(struct elements *s, char c)
{
    bool open = s->one.len > 0;
    if (c == ',' || c == ']') {
        if (!open && (c == ',' || s->after_comma)) /* nothing between two commas, or behind the last */
            return false;
        if (open && !give(s))
            return false;
        s->after_comma = c == ',';
        if (c == ']') {
            s->in_array = false;
            s->depth--;
            buf_addc(&s->around, c);
        }
        return true;
    }
    if (!open && blank(c))
        return true;
    if (c == '{' || c == '[')
        s->depth++;
    s->in_string = c == '"';
    return buf_addc(&s->one, c);
}

static bool step(struct elements *s, char c)
{
    if (s->in_string) {
        bool ends = c == '"' && !s->escaped;
        s->escaped = c == '\\' && !s->escaped;
        s->in_string = !ends;
        return buf_addc(s->in_array ? &s->one : &s->around, c);
    }
    if (s->in_array && s->depth == 2)
        return between(s, c);
    if (c == '[' && s->depth == 1 && !s->in_array && at_array(s)) {
        s->in_array = true;
        s->seen = s->seen || s->which == 0;
        s->after_comma = false;
    }
    s->in_string = c == '"';
    if (c == '{' || c == '[')
        s->depth++;
    else if (c == '}' || c == ']')
        s->depth--;
    return buf_addc(s->in_array && s->depth >= 2 && !(c == '[' && s->depth == 2) ? &s->one : &s->around, c);
}

/* So many bytes of the next n change nothing but where they are kept: within a string, or within an element and outside
 * of its strings. What large files consist of is not looked at byte by byte. */
static size_t plain(const struct elements *s, const char *p, size_t n)
{
    size_t i = 0;
    if (s->in_string && !s->escaped)
        while (i < n && p[i] != '"' && p[i] != '\\')
            i++;
    else if (!s->in_string && s->in_array && s->depth > 2)
        while (i < n && p[i] != '"' && p[i] != '{' && p[i] != '[' && p[i] != '}' && p[i] != ']')
            i++;
    return i;
}

bool elements_feed(struct elements *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && !s->stopped;) {
        size_t run = plain(s, bytes + i, n - i);
        if (run)
            s->stopped = !buf_add(s->in_array ? &s->one : &s->around, bytes + i, run);
        else
            s->stopped = !step(s, bytes[i]);
        i += run ? run : 1;
    }
    return !s->stopped;
}

bool elements_end(struct elements *s, const char *what, struct err *e)
{
    if (s->one.over || s->around.over)
        return err_set(e, ERR_LIMIT, "", "%s: one of its parts is longer than %zu bytes", what, s->one.limit);
    if (s->stopped)
        return err_set(e, ERR_PROTOCOL, "", "%s: its member \"%s\" is no JSON behind the element %zu", what,
                       s->keys[s->which < s->n_keys ? s->which : 0], s->n);
    struct json_t *doc = json_parse(s->around.data, s->around.len, s->around.limit, what, e);
    if (!doc) {
        if (e)
            e->code = ERR_PROTOCOL;
        return false;
    }
    bool ok = (s->optional && json_is_obj(doc)) || s->seen;
    size_t k = 0;
    for (; ok && k < s->n_keys; k++)
        ok = !json_get(doc, s->keys[k]) || json_is_arr(json_get(doc, s->keys[k]));
    json_free(doc);
    if (!ok)
        return err_set(e, ERR_PROTOCOL, "", "%s.%s: expected a list", what, s->keys[k ? k - 1 : 0]);
    return true;
}
