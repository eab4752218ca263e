#include "core/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "core/text.h"

#define DEPTH_MAX 32
#define EXACT_MAX 9007199254740992.0 /* 2^53: a double holds every integer up to here */

/* jansson recurses, so the depth is known before it starts. Also tells line and column of the place. Brackets in
 * strings do not count; a string that never ends is jansson's to complain about. */
static bool depth_ok(const char *s, size_t n, int most, int *line, size_t *col)
{
    int depth = 0;
    bool in_string = false;
    size_t line_start = 0;
    *line = 1;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > most) {
                *col = i - line_start + 1;
                return false;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == '\n') {
            ++*line;
            line_start = i + 1;
        }
    }
    return true;
}

static struct json_t *not_json(const json_error_t *je, const char *what, struct err *e)
{
    char text[200];
    /* jansson quotes the bytes near the place. */
    safe_text_into(text, sizeof text, je->text, strlen(je->text));
    bool over = json_error_code(je) == json_error_numeric_overflow;
    enum err_code code = over ? ERR_RANGE : ERR_SYNTAX;
    if (je->line > 0)
        err_set(e, code, "", "%s: not acceptable JSON at line %d, column %d", what, je->line, je->column);
    else
        err_set(e, code, "", "%s: not acceptable JSON", what);
    err_cause(e, "%s", text);
    return NULL;
}

struct json_t *json_parse(const char *bytes, size_t n, size_t max_bytes, const char *what, struct err *e)
{
    return json_parse_deep(bytes, n, max_bytes, DEPTH_MAX, what, e);
}

struct json_t *json_parse_deep(const char *bytes, size_t n, size_t max_bytes, int depth, const char *what,
                               struct err *e)
{
    if (n > max_bytes) {
        err_set(e, ERR_LIMIT, "", "%s: %zu bytes of JSON, more than the %zu allowed", what, n, max_bytes);
        return NULL;
    }
    if (!bytes || n == 0) {
        err_set(e, ERR_SYNTAX, "", "%s: expected JSON, found nothing", what);
        return NULL;
    }
    int line;
    size_t col = 0;
    if (!depth_ok(bytes, n, depth, &line, &col)) {
        err_set(e, ERR_LIMIT, "", "%s: JSON nested deeper than %d at line %d, column %zu", what, depth, line, col);
        return NULL;
    }
    json_error_t je;
    json_t *doc = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &je);
    return doc ? doc : not_json(&je, what, e);
}

/* ---- leaving out ---- */

/* Behind the string that begins at s[i]; n when it has no end. */
static size_t behind_string(const char *s, size_t n, size_t i)
{
    for (i++; i < n;) {
        const char *quote = memchr(s + i, '"', n - i), *p = quote;
        if (!quote)
            break;
        while (p > s + i && p[-1] == '\\')
            p--;
        i = (size_t)(quote - s) + 1;
        if ((quote - p) % 2 == 0) /* each backslash of a pair stands for itself */
            return i;
    }
    return n;
}

/* Behind the value at s[i]: a string, an object or array as far as its brackets tell, or a word. */
static size_t behind_value(const char *s, size_t n, size_t i)
{
    int depth = 0;
    while (i < n) {
        char c = s[i];
        if (c == '"') {
            i = behind_string(s, n, i);
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return i;
        } else {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            i++;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return i;
    }
    return n;
}

static size_t behind_blanks(const char *s, size_t n, size_t i)
{
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n'))
        i++;
    return i;
}

/* How much of the string to keep without its tail: up to a blank, which is never part of an escape or of another
 * character. */
static size_t head_of(const char *s, size_t n, size_t keep)
{
    const char *blank = n > keep ? memchr(s + keep, ' ', n - keep) : NULL;
    return blank ? (size_t)(blank - s) : n;
}

static const struct json_skip *skipped(const struct json_skip *skip, const char *key, size_t n)
{
    for (; skip->key; skip++)
        if (skip->key[0] == key[0] && strlen(skip->key) == n && memcmp(skip->key, key, n) == 0)
            return skip;
    return NULL;
}

struct json_t *json_parse_without(const char *bytes, size_t n, const struct json_skip *skip, int depth,
                                  const char *what, struct err *e)
{
    char *left = xmalloc(n + 1); /* never longer: what stands for a value is no longer than that */
    size_t from = 0, k = 0;
    for (size_t i = 0; i < n;) {
        const char *quote = memchr(bytes + i, '"', n - i);
        if (!quote)
            break;
        size_t at = (size_t)(quote - bytes), end = behind_string(bytes, n, at), colon = behind_blanks(bytes, n, end);
        i = end;
        if (colon >= n || bytes[colon] != ':')
            continue;
        const struct json_skip *out = skipped(skip, quote + 1, end - at - 2);
        if (!out)
            continue;
        size_t value = behind_blanks(bytes, n, colon + 1), next = behind_value(bytes, n, value);
        if (next == n) /* it is cut, and is to be found so */
            break;
        if (next == value) /* there is none */
            continue;
        size_t head = out->keep && bytes[value] == '"' ? head_of(bytes + value, next - value, out->keep) : 0;
        memcpy(left + k, bytes + from, value - from + head);
        k += value - from + head;
        if (head < next - value)
            left[k++] = head ? '"' : '0';
        from = i = next;
    }
    memcpy(left + k, bytes + from, n - from);
    struct json_t *doc = json_parse_deep(left, k + n - from, n, depth, what, e);
    free(left);
    return doc;
}

void json_free(struct json_t *doc)
{
    json_decref(doc);
}

const struct json_t *json_get(const struct json_t *obj, const char *key)
{
    return json_object_get(obj, key);
}

bool json_is_obj(const struct json_t *v)
{
    return json_is_object(v);
}

bool json_is_arr(const struct json_t *v)
{
    return json_is_array(v);
}

size_t json_len(const struct json_t *arr)
{
    return json_array_size(arr);
}

const struct json_t *json_at(const struct json_t *arr, size_t i)
{
    return json_array_get(arr, i);
}

const char *json_str_value(const struct json_t *v, size_t *n)
{
    if (!json_is_string(v))
        return NULL;
    if (n)
        *n = json_string_length(v);
    return json_string_value(v);
}

bool json_num_value(const struct json_t *v, double *out)
{
    if (!json_is_number(v))
        return false;
    *out = json_number_value(v);
    return true;
}

const char *json_str(const struct json_t *obj, const char *key, size_t *n)
{
    return json_str_value(json_object_get(obj, key), n);
}

bool json_int(const struct json_t *obj, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(obj, key);
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (!json_is_real(v))
        return false;
    double d = json_real_value(v); /* 1.0e3 is an integer too, as long as it is exact */
    if (!(d >= -EXACT_MAX && d <= EXACT_MAX) || d != (double)(int64_t)d)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_num(const struct json_t *obj, const char *key, double *out)
{
    return json_num_value(json_object_get(obj, key), out);
}

bool json_bool(const struct json_t *obj, const char *key, bool *out)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_boolean(v))
        return false;
    *out = json_is_true(v);
    return true;
}

bool json_each(const struct json_t *obj, void **it, const char **key, const struct json_t **val)
{
    /* jansson's iterators take a plain pointer but do not change the object. */
    json_t *o = (json_t *)(uintptr_t)obj;
    *it = *it ? json_object_iter_next(o, *it) : json_object_iter(o);
    if (!*it)
        return false;
    *key = json_object_iter_key(*it);
    *val = json_object_iter_value(*it);
    return true;
}

static const char *type_word(const struct json_t *v)
{
    if (!v)
        return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static bool need_failed(const struct json_t *obj, const char *key, const char *where, const char *expected,
                        struct err *e)
{
    const struct json_t *v = json_object_get(obj, key);
    const char *found = json_is_real(v) ? "a number with a fraction" : type_word(v);
    return err_set(e, ERR_PROTOCOL, "", "%s.%s: expected %s, found %s", where, key, expected, found);
}

bool json_need_int(const struct json_t *obj, const char *key, int64_t *out, const char *where, struct err *e)
{
    return json_int(obj, key, out) || need_failed(obj, key, where, "a whole number", e);
}
