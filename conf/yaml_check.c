/* A tree against a schema. The errors are the product: each says where, what was expected and what was found. */
#include "conf/yaml_node.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define SHOWN_MAX 64 /* bytes of a value in an error */

/* "fleets[0].telemetry", outermost first. */
static void put_path(struct buf *b, const struct ynode *n)
{
    if (!n || !n->parent)
        return;
    put_path(b, n->parent);
    if (n->key)
        buf_printf(b, "%s%s", b->len ? "." : "", n->key);
    else
        buf_printf(b, "[%zu]", n->index);
}

__attribute__((format(printf, 6, 0))) static bool err_vat(const struct ynode *node, const char *key, int line,
                                                          enum err_code code, struct err *e, const char *fmt,
                                                          va_list ap)
{
    struct buf path;
    buf_init(&path, 4096);
    put_path(&path, node);
    if (key)
        buf_printf(&path, "%s%s", path.len ? "." : "", key);
    char shown[120], text[240], safe[240];
    safe_text_into(shown, sizeof shown, path.data, path.len);
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    safe_text_into(safe, sizeof safe, text, strlen(text)); /* a value may hold tabs and ends of line */
    /* A caller that asks about a key which is not there is a slip of ours, but no reason to crash. */
    err_set(e, code, "", "%s:%d: %s%s%s", node ? node->file : "?", line, shown, path.len ? ": " : "", safe);
    buf_release(&path);
    return false;
}

bool yaml_err_at(const struct ynode *node, const char *key, int line, enum err_code code, struct err *e,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vat(node, key, line, code, e, fmt, ap);
    va_end(ap);
    return false;
}

bool y_err(const struct ynode *node, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vat(node, NULL, node ? node->line : 0, ERR_SYNTAX, e, fmt, ap);
    va_end(ap);
    return false;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b: restricted Damerau-Levenshtein distance. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

/* The nearest of the NULL-terminated words to `s`, NULL when none is near enough to be meant. */
static const char *yaml_nearest(const char *s, const char *const *words)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (; *words; words++) {
        size_t d = distance(s, *words), len = strlen(*words);
        size_t most = len <= 3 ? 1 : len <= 6 ? 2 : 3; /* in a short word few edits make another word */
        if (d <= most && d < least) {
            least = d;
            best = *words;
        }
    }
    return best;
}

/* What stands there, for "found ...". */
static const char *found(const struct ynode *n, char out[SHOWN_MAX + 16])
{
    char text[SHOWN_MAX];
    if (n->kind == YN_LIST)
        return "a list";
    if (n->kind == YN_MAP)
        return "a map";
    if (n->plain && !*n->text)
        return "nothing";
    safe_text_into(text, sizeof text, n->text, strlen(n->text));
    snprintf(out, SHOWN_MAX + 16, n->plain ? "'%s'" : "\"%s\" in quotes", text);
    return out;
}

static bool expected(const struct ynode *n, struct err *e, const char *what)
{
    char shown[SHOWN_MAX + 16];
    return y_err(n, e, "expected %s, found %s", what, found(n, shown));
}

static bool bounded(const struct yfield *f)
{
    return f->min != 0 || f->max != 0;
}

static bool in_range(const struct yfield *f, double v)
{
    return !bounded(f) || (v >= f->min && v <= f->max);
}

static void bound_text(const struct yfield *f, double v, char out[FMT_MAX])
{
    if (f->type == YT_DUR)
        fmt_dur(out, (int64_t)(v * (double)US_PER_S));
    else
        snprintf(out, FMT_MAX, "%.15g", v);
}

/* "a number from 0 to 1", "a duration of at least 1s" */
static bool out_of_range(const struct ynode *n, const struct yfield *f, const char *noun, struct err *e)
{
    char lo[FMT_MAX], hi[FMT_MAX], what[160];
    bound_text(f, f->min, lo);
    if (isinf(f->max)) {
        snprintf(what, sizeof what, "%s of at least %s", noun, lo);
    } else {
        bound_text(f, f->max, hi);
        snprintf(what, sizeof what, "%s from %s to %s", noun, lo, hi);
    }
    expected(n, e, what);
    if (e)
        e->code = ERR_RANGE;
    return false;
}

static bool check_bool(struct ynode *n, struct err *e)
{
    bool yes = strcmp(n->text, "true") == 0;
    if (!n->plain || (!yes && strcmp(n->text, "false") != 0))
        return expected(n, e, "true or false");
    n->i = yes;
    return true;
}

/* Decimal digits with an optional sign and fraction, at most 15 significant digits. Then value = digits / 10^k with
 * both exact in a double, so the one division rounds correctly, whatever the locale is. No leading zeros: some read
 * 010 as 8. */
static bool parse_number(const char *s, int64_t *digits, int *decimals)
{
    bool minus = *s == '-';
    const char *p = s + minus;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return false;
    int64_t v = 0;
    int n = 0, after = -1;
    for (; *p; p++) {
        if (*p == '.' && after < 0 && n > 0) {
            after = 0;
            continue;
        }
        if (*p < '0' || *p > '9' || ++n > 15)
            return false;
        v = v * 10 + (*p - '0');
        after += after >= 0;
    }
    if (n == 0 || after == 0)
        return false;
    *digits = minus ? -v : v;
    *decimals = after < 0 ? 0 : after;
    return true;
}

static bool check_int(struct ynode *n, const struct yfield *f, struct err *e)
{
    int decimals;
    if (!n->plain || !parse_number(n->text, &n->i, &decimals) || decimals > 0)
        return expected(n, e, "a whole number");
    n->num = (double)n->i;
    return in_range(f, n->num) || out_of_range(n, f, "a whole number", e);
}

static bool check_num(struct ynode *n, const struct yfield *f, struct err *e)
{
    int decimals;
    int64_t digits;
    if (!n->plain || !parse_number(n->text, &digits, &decimals))
        return expected(n, e, "a number");
    double scale = 1;
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    n->num = (double)digits / scale;
    return in_range(f, n->num) || out_of_range(n, f, "a number", e);
}

static bool check_dur(struct ynode *n, const struct yfield *f, struct err *e)
{
    if (!fmt_dur_parse(n->text, &n->i))
        return expected(n, e, "a duration such as 90s, 10m or 1h30m");
    return in_range(f, (double)n->i / (double)US_PER_S) || out_of_range(n, f, "a duration", e);
}

bool y_one_of(const struct ynode *n, const char *const *words, size_t *which, struct err *e)
{
    struct buf b;
    buf_init(&b, 320);
    size_t count = 0;
    while (words[count])
        count++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(n->text, words[i]) == 0) {
            buf_release(&b);
            *which = i;
            return true;
        }
        buf_printf(&b, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    char shown[SHOWN_MAX + 16];
    const char *near = yaml_nearest(n->text, words);
    y_err(n, e, "expected %s, found %s%s%s%s", b.data, found(n, shown), near ? " (did you mean " : "", near ? near : "",
          near ? "?)" : "");
    buf_release(&b);
    return false;
}

static bool check_word(struct ynode *n, const struct yfield *f, struct err *e)
{
    size_t i = 0;
    if (!y_one_of(n, f->words, &i, e))
        return false;
    n->i = (int64_t)i;
    return true;
}

static bool check_scalar(struct ynode *n, const struct yfield *f, struct err *e)
{
    switch (f->type) {
    case YT_BOOL:
        return check_bool(n, e);
    case YT_INT:
        return check_int(n, f, e);
    case YT_NUM:
        return check_num(n, f, e);
    case YT_DUR:
        return check_dur(n, f, e);
    case YT_WORD:
        return check_word(n, f, e);
    case YT_STR:
    case YT_TEXT:
    case YT_LIST:
    case YT_MAP:
    case YT_DICT:
        break;
    }
    /* YAML reads these as "no value"; as text they are rarely meant. "" in quotes is an empty text. */
    if (n->plain && (!*n->text || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0))
        return expected(n, e, "text");
    return true;
}

static const char *type_name(enum ytype t)
{
    switch (t) {
    case YT_STR:
        return "text";
    case YT_BOOL:
        return "true or false";
    case YT_INT:
        return "a whole number";
    case YT_NUM:
        return "a number";
    case YT_DUR:
        return "a duration such as 90s, 10m or 1h30m";
    case YT_WORD:
        return "one word";
    case YT_LIST:
        return "a list ('- ...' lines)";
    case YT_MAP:
    case YT_DICT:
        return "a map ('key: value' lines)";
    case YT_TEXT:
        return "text, or a map ('key: value' lines)";
    }
    return "something else";
}

static bool check_node(struct ynode *n, const struct yfield *f, struct arena *a, struct err *e);

static const struct yfield *field_of(const struct yfield *fields, const char *key)
{
    for (; fields->key; fields++) {
        if (strcmp(fields->key, key) == 0)
            return fields;
    }
    return NULL;
}

/* A key that the schema does not know: the nearest that it does, else all of them. */
static bool unknown_key(const struct ynode *n, const struct yfield *fields, struct err *e)
{
    size_t count = 0;
    while (fields[count].key)
        count++;
    const char **words = xcalloc(count + 1, sizeof *words);
    struct buf all;
    buf_init(&all, 150);
    for (size_t i = 0; i < count; i++) {
        words[i] = fields[i].key;
        buf_printf(&all, "%s%s", i ? ", " : "", fields[i].key);
    }
    const char *near = yaml_nearest(n->key, words);
    yaml_err_at(n, NULL, n->key_line, ERR_SYNTAX, e, "unknown key%s%s%s", near ? " (did you mean " : "",
                near ? near : "", near ? "?)" : "");
    if (!near && e)
        snprintf(e->next, sizeof e->next, "known here: %s%s", all.data, all.over ? ", …" : "");
    free(words);
    buf_release(&all);
    return false;
}

static bool check_map(struct ynode *map, const struct yfield *fields, struct arena *a, struct err *e)
{
    for (struct ynode *it = map->first; it; it = it->next) {
        const struct yfield *f = field_of(fields, it->key);
        if (!f)
            return unknown_key(it, fields, e);
        if (!check_node(it, f, a, e))
            return false;
    }
    for (const struct yfield *f = fields; f->key; f++) {
        if (!f->required || y_get(map, f->key))
            continue;
        yaml_err_at(map, NULL, map->line, ERR_SYNTAX, e, "the key %s is missing", f->key);
        if (e && f->doc)
            snprintf(e->next, sizeof e->next, "%s: %s", f->key, f->doc);
        return false;
    }
    return true;
}

static bool check_items(struct ynode *n, const struct yfield *f, struct arena *a, struct err *e)
{
    struct yfield item = *f;
    item.type = f->item;
    item.min = item.max = 0; /* those were about the number of items */
    if (!in_range(f, (double)n->n)) {
        char lo[FMT_MAX], hi[FMT_MAX];
        bound_text(&item, f->min, lo);
        bound_text(&item, f->max, hi);
        if (isinf(f->max))
            y_err(n, e, "expected at least %s items, found %zu", lo, n->n);
        else
            y_err(n, e, "expected %s to %s items, found %zu", lo, hi, n->n);
        if (e)
            e->code = ERR_RANGE;
        return false;
    }
    for (struct ynode *it = n->first; it; it = it->next) {
        if (!check_node(it, &item, a, e))
            return false;
    }
    return true;
}

/* The key's own line of documentation, where the error has no better advice. */
static void advise(const struct ynode *n, const struct yfield *f, struct err *e)
{
    if (e && !*e->next && n->key && f->doc)
        snprintf(e->next, sizeof e->next, "%s: %s", f->key, f->doc);
}

static bool check_node(struct ynode *n, const struct yfield *f, struct arena *a, struct err *e)
{
    bool map = f->type == YT_MAP || f->type == YT_DICT || (f->type == YT_TEXT && n->kind == YN_MAP);
    enum ynode_kind want = f->type == YT_LIST ? YN_LIST : map ? YN_MAP : YN_SCALAR;
    if (n->kind != want) {
        if (f->hush)
            y_err(n, e, "expected %s", type_name(f->type));
        else
            expected(n, e, type_name(f->type));
        advise(n, f, e);
        return false;
    }
    if (want == YN_SCALAR) {
        bool ok = check_scalar(n, f, e);
        if (!ok)
            advise(n, f, e);
        return ok;
    }
    n->items = ARENA_ARRAY(a, const struct ynode *, n->n);
    size_t i = 0;
    for (const struct ynode *it = n->first; it; it = it->next)
        n->items[i++] = it;
    bool fixed = f->type == YT_MAP || f->type == YT_TEXT;
    return fixed ? check_map(n, f->fields, a, e) : check_items(n, f, a, e);
}

bool yaml_check(struct ynode *root, const struct yfield *schema, struct arena *a, struct err *e)
{
    const struct yfield top = {.key = "", .type = YT_MAP, .fields = schema};
    return check_node(root, &top, a, e);
}
