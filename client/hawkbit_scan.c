/* See hawkbit_scan.h. */
#include "client/hawkbit_scan.h"

#include <string.h>
#include "client/hawkbit_impl.h"
#include "core/text.h"

#define DEPTH_MAX   16
#define MEMBERS_MAX 48 /* of one object */
#define DIGITS_MAX  15 /* every such number is exact, also as a double */

struct span {
    const char *s;
    size_t n;
};

/* Every function leaves `at` behind what it read; false: not plain. */
struct scan {
    const char *at, *end;
    int depth;
    bool ascii; /* no byte above 0x7f so far */
};

/* The members of an object so far: none may come twice. */
struct members {
    struct span key[MEMBERS_MAX];
    size_t n;
};

static void blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

/* Takes c when it is the next that counts. */
static bool take(struct scan *s, char c)
{
    blanks(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static bool scan_string(struct scan *s, struct span *out)
{
    if (!take(s, '"'))
        return false;
    const char *from = s->at;
    unsigned char seen = 0;
    for (const char *p = from; p < s->end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            *out = (struct span){from, (size_t)(p - from)};
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

static size_t digits(struct scan *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - from);
}

/* Whole numbers, and decimals without an exponent; *whole tells which. */
static bool scan_number(struct scan *s, int64_t *out, bool *whole)
{
    blanks(s);
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

/* The next member's key; *more false at the object's end. */
static bool next_member(struct scan *s, struct members *m, struct span *key, bool *more)
{
    *more = false;
    if (take(s, '}'))
        return true;
    if (m->n > 0 && !take(s, ','))
        return false;
    if (m->n == MEMBERS_MAX || !scan_string(s, key) || !take(s, ':'))
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (m->key[i].n == key->n && memcmp(m->key[i].s, key->s, key->n) == 0)
            return false;
    m->key[m->n++] = *key;
    blanks(s);
    *more = true;
    return true;
}

static bool skip_value(struct scan *s);

static bool skip_object(struct scan *s)
{
    struct members m = {.n = 0};
    struct span key;
    bool more;
    while (next_member(s, &m, &key, &more)) {
        if (!more)
            return true;
        if (!skip_value(s))
            return false;
    }
    return false;
}

static bool skip_array(struct scan *s)
{
    if (take(s, ']'))
        return true;
    do {
        if (!skip_value(s))
            return false;
    } while (take(s, ','));
    return take(s, ']');
}

static bool skip_value(struct scan *s)
{
    struct span text;
    int64_t number;
    bool whole, ok;
    blanks(s);
    if (s->at == s->end || s->depth >= DEPTH_MAX)
        return false;
    switch (*s->at) {
    case '"':
        return scan_string(s, &text);
    case '{':
    case '[':
        s->depth++;
        ok = *s->at++ == '{' ? skip_object(s) : skip_array(s);
        s->depth--;
        return ok;
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return scan_number(s, &number, &whole);
    }
}

static bool is(struct span key, const char *word)
{
    size_t n = strlen(word);
    return key.n == n && memcmp(key.s, word, n) == 0;
}

static bool scan_bool(struct scan *s, bool *out)
{
    *out = s->at < s->end && *s->at == 't';
    return scan_word(s, *out ? "true" : "false");
}

/* An optional text: what is no string counts as absent, as for the parser. */
static bool scan_text(struct scan *s, struct span *out)
{
    return s->at < s->end && *s->at == '"' ? scan_string(s, out) : skip_value(s);
}

static bool scan_time(struct scan *s, int64_t *out)
{
    int64_t ms = 0;
    bool whole = false;
    if (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        if (!scan_number(s, &ms, &whole) || !whole)
            return false; /* rare enough: let the parser say what 1.5e12 is */
        *out = hb_time_of(ms);
        return true;
    }
    return skip_value(s);
}

static bool scan_poll(struct scan *s, struct hb_device_text *t)
{
    struct members m = {.n = 0};
    struct span key;
    bool more, ok;
    if (s->at == s->end || *s->at != '{')
        return skip_value(s);
    s->at++;
    while (next_member(s, &m, &key, &more)) {
        if (!more)
            return true;
        if (is(key, "lastRequestAt"))
            ok = scan_time(s, &t->last_poll);
        else if (is(key, "overdue") && s->at < s->end && (*s->at == 't' || *s->at == 'f'))
            ok = scan_bool(s, &t->overdue);
        else
            ok = skip_value(s);
        if (!ok)
            return false;
    }
    return false;
}

static bool scan_member(struct scan *s, struct span key, struct hb_device_text *t, bool *has_id)
{
    struct span text = {"", 0};
    bool ok;
    if (is(key, "controllerId")) {
        *has_id = true;
        ok = scan_string(s, &text) && text.n > 0;
        t->id = text.s;
        t->n_id = text.n;
    } else if (is(key, "name")) {
        ok = scan_text(s, &text);
        t->name = text.s;
        t->n_name = text.n;
    } else if (is(key, "updateStatus")) {
        ok = scan_text(s, &text);
        t->status = text.s;
        t->n_status = text.n;
    } else if (is(key, "address")) {
        ok = scan_text(s, &text);
        t->address = text.s;
        t->n_address = text.n;
    } else if (is(key, "installedAt")) {
        ok = scan_time(s, &t->installed_at);
    } else if (is(key, "lastControllerRequestAt")) {
        ok = scan_time(s, &t->last_seen);
    } else if (is(key, "pollStatus")) {
        ok = scan_poll(s, t);
    } else {
        ok = skip_value(s);
    }
    return ok;
}

static bool scan_device(struct scan *s, struct arena *a, struct device *out)
{
    struct hb_device_text t = {.id = "", .name = "", .status = "", .address = ""};
    struct members m = {.n = 0};
    struct span key;
    bool more, has_id = false;
    if (!take(s, '{'))
        return false;
    while (next_member(s, &m, &key, &more)) {
        if (!more && !has_id)
            return false;
        if (!more) {
            hb_take_device(&t, a, out);
            return true;
        }
        if (!scan_member(s, key, &t, &has_id))
            return false;
    }
    return false;
}

static bool scan_content(struct scan *s, size_t max, struct arena *a, struct device_page *out)
{
    if (!take(s, '['))
        return false;
    if (take(s, ']'))
        return true;
    do {
        if (out->n == max || !scan_device(s, a, &out->v[out->n]))
            return false;
        out->n++;
    } while (take(s, ','));
    return take(s, ']');
}

bool hb_scan_devices(const char *bytes, size_t n, size_t max, struct arena *texts, struct arena *rough,
                     struct device_page *out)
{
    struct scan s = {.at = bytes, .end = bytes + n, .ascii = true};
    struct members m = {.n = 0};
    struct span key;
    bool more, content = false, total = false, whole, ok;
    *out = (struct device_page){.v = ARENA_ARRAY(rough, struct device, max + 1)};
    if (n == 0 || n > HB_BODY_MAX || !take(&s, '{'))
        return false;
    while (next_member(&s, &m, &key, &more)) {
        if (!more) {
            blanks(&s);
            return s.at == s.end && content && total && (s.ascii || text_valid(bytes, n));
        }
        if (is(key, "content")) {
            content = ok = scan_content(&s, max, texts, out);
        } else if (is(key, "total")) {
            total = ok = scan_number(&s, &out->total, &whole) && whole && out->total >= 0;
        } else {
            ok = skip_value(&s);
        }
        if (!ok)
            return false;
    }
    return false;
}
