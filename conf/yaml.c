/* libyaml's events to a tree. What YAML can do and a configuration should not (anchors, tags, several documents,
 * values that are maps as keys) is refused here; types are conf/yaml_check.c's business. */
#include "conf/yaml_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "conf/file.h"
#include "core/buf.h"
#include "core/slice.h"
#include "core/text.h"

struct reading {
    yaml_parser_t parser;
    yaml_event_t event; /* the newest; deleted before the next */
    bool have_event;
    const char *name;
    const char *bytes;
    size_t n;
    struct arena *a;
    size_t nodes;
    int depth;
    struct err *e;
};

static bool fail(struct reading *r, size_t line0, enum err_code code, const char *next, const char *what)
{
    return err_set(r->e, code, next, "%s:%zu: %s", r->name, line0 + 1, what);
}

/* Does a line end with this byte? With CR, LF and CR LF, as for libyaml and for editors. */
static bool line_ends(const struct reading *r, size_t i)
{
    return r->bytes[i] == '\n' || (r->bytes[i] == '\r' && (i + 1 == r->n || r->bytes[i + 1] != '\n'));
}

/* The character at a place that libyaml names by line and column (of characters); n is 0 behind the end. */
static struct slice char_at(const struct reading *r, const yaml_mark_t *m)
{
    size_t line = 0, i = 0, col = 0, len;
    uint32_t cp;
    while (i < r->n && line < m->line)
        line += line_ends(r, i++);
    for (; i < r->n && col < m->column; col++)
        i += text_decode(r->bytes + i, r->n - i, &cp); /* bytes_ok has seen that it is UTF-8 */
    len = text_decode(r->bytes + i, r->n - i, &cp);
    return (struct slice){r->bytes + i, len};
}

/* libyaml's own words are about its grammar; these are about the file. */
static bool bad_syntax(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *why = p->problem ? p->problem : "";
    size_t line = p->problem_mark.line;
    struct slice c = char_at(r, &p->problem_mark);
    char what[160], shown[32];
    if (strstr(why, "cannot start any token") && slice_is(c, "\t"))
        return fail(r, line, ERR_SYNTAX, "", "a tab; YAML is indented with spaces only");
    if (strstr(why, "cannot start any token")) {
        safe_text_into(shown, sizeof shown, c.p, c.n);
        snprintf(what, sizeof what, "a value cannot start with '%s'; put it in quotes", shown);
        return fail(r, line, ERR_SYNTAX, "", what);
    }
    if (strstr(why, "mapping values are not allowed"))
        return fail(r, line, ERR_SYNTAX, "",
                    "a ':' where no key can be; quote the value, or check the indentation of this line");
    if (strstr(why, "could not find expected ':'"))
        return fail(r, p->context_mark.line, ERR_SYNTAX, "", "expected 'key: value', found no ':'");
    if (strstr(why, "unexpected end of stream"))
        return fail(r, p->context_mark.line, ERR_SYNTAX, "", "a quote is opened here and never closed");
    if (strstr(why, "did not find expected ',' or"))
        return fail(r, p->context_mark.line, ERR_SYNTAX, "",
                    "a bracket is opened here and not closed, or a comma is missing");
    if (strstr(why, "did not find expected key") || strstr(why, "did not find expected '-' indicator") ||
        strstr(why, "block sequence entries are not allowed"))
        return fail(r, line, ERR_SYNTAX, "", "does not line up with the lines above; check the indentation");
    if (strstr(why, "did not find expected node content"))
        return fail(r, line, ERR_SYNTAX, "", "a value is missing here, or a comma or bracket is out of place");
    if (strstr(why, "unknown escape character"))
        return fail(r, line, ERR_SYNTAX, "",
                    "an unknown escape in double quotes; write \\\\ for a backslash, or use single quotes");
    char safe[100];
    safe_text_into(safe, sizeof safe, why, strlen(why));
    snprintf(what, sizeof what, "not YAML: %s", safe);
    return fail(r, line, ERR_SYNTAX, "", what);
}

static bool next_event(struct reading *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return bad_syntax(r);
    r->have_event = true;
    return true;
}

/* `key` is set in a map; errors inside the node then already know its path. */
static struct ynode *new_node(struct reading *r, enum ynode_kind kind, const struct ynode *parent,
                              const struct ynode *key)
{
    if (++r->nodes > YAML_NODES_MAX) {
        char what[80];
        snprintf(what, sizeof what, "more than %d values", YAML_NODES_MAX);
        fail(r, r->event.start_mark.line, ERR_LIMIT, "", what);
        return NULL;
    }
    struct ynode *n = ARENA_NEW(r->a, struct ynode);
    n->kind = kind;
    n->file = r->name;
    n->line = n->key_line = (int)r->event.start_mark.line + 1;
    n->parent = parent;
    n->index = parent ? parent->n : 0;
    if (key) {
        n->key = key->text;
        n->key_line = key->line;
    }
    return n;
}

/* Escapes in double quotes can make any character: none that hides or steers gets in. Ends of line and tabs may. */
static bool text_ok(struct reading *r, const char *s, size_t n)
{
    struct buf safe;
    buf_init(&safe, 8 * n);
    bool ok = true;
    for (size_t i = 0, len; i < n && ok; i += len + 1) {
        len = 0;
        while (i + len < n && s[i + len] != '\n' && s[i + len] != '\t')
            len++;
        buf_clear(&safe);
        safe_text_append(&safe, s + i, len);
        if (safe.len == len && memcmp(safe.data, s + i, len) == 0)
            continue;
        size_t same = 0;
        while (safe.data[same] == s[i + same])
            same++;
        char what[120];
        snprintf(what, sizeof what, "the character %.*s hides or steers text and is not accepted",
                 (int)strcspn(safe.data + same, ">") + 1, safe.data + same);
        ok = fail(r, r->event.start_mark.line, ERR_SYNTAX, "", what);
    }
    buf_release(&safe);
    return ok;
}

static bool plain_yaml(struct reading *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return fail(r, r->event.start_mark.line, ERR_SYNTAX, "", "anchors (&) are not accepted; write the value out");
    if (tag)
        return fail(r, r->event.start_mark.line, ERR_SYNTAX, "", "tags (!) are not accepted");
    return true;
}

static struct ynode *read_value(struct reading *r, const struct ynode *parent, const struct ynode *key);

static struct ynode *read_scalar(struct reading *r, const struct ynode *parent, const struct ynode *key)
{
    const char *s = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    if (!plain_yaml(r, r->event.data.scalar.anchor, r->event.data.scalar.tag) || !text_ok(r, s, n))
        return NULL;
    struct ynode *node = new_node(r, YN_SCALAR, parent, key);
    if (!node)
        return NULL;
    node->text = arena_strndup(r->a, s, n);
    node->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static void append(struct ynode *to, struct ynode *item)
{
    to->n++;
    if (to->last)
        to->last->next = item;
    else
        to->first = item;
    to->last = item;
}

static const struct ynode *find_key(const struct ynode *map, const char *key)
{
    for (const struct ynode *it = map->first; it; it = it->next) {
        if (strcmp(it->key, key) == 0)
            return it;
    }
    return NULL;
}

static bool read_list(struct reading *r, struct ynode *list)
{
    for (;;) {
        if (!next_event(r))
            return false;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        struct ynode *item = read_value(r, list, NULL);
        if (!item)
            return false;
        append(list, item);
    }
}

static bool read_map(struct reading *r, struct ynode *map)
{
    for (;;) {
        if (!next_event(r))
            return false;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        int line = (int)r->event.start_mark.line + 1;
        if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT)
            return yaml_err_at(map, NULL, line, ERR_SYNTAX, r->e, "a key is one word, not a list or a map");
        const struct ynode *key = read_value(r, map, NULL);
        if (!key)
            return false;
        const struct ynode *twin = find_key(map, key->text);
        if (twin)
            return yaml_err_at(map, key->text, line, ERR_SYNTAX, r->e, "given twice, first in line %d", twin->key_line);
        if (map->n >= YAML_KEYS_MAX)
            return yaml_err_at(map, NULL, line, ERR_LIMIT, r->e, "more than %d keys", YAML_KEYS_MAX);
        if (!next_event(r))
            return false;
        struct ynode *value = read_value(r, map, key);
        if (!value)
            return false;
        append(map, value);
    }
}

/* The value that starts with the newest event. */
static struct ynode *read_value(struct reading *r, const struct ynode *parent, const struct ynode *key)
{
    struct ynode *node = NULL;
    size_t line = r->event.start_mark.line;
    bool is_map = r->event.type == YAML_MAPPING_START_EVENT;
    if (r->event.type == YAML_SCALAR_EVENT)
        return read_scalar(r, parent, key);
    if (r->event.type == YAML_ALIAS_EVENT) {
        fail(r, line, ERR_SYNTAX, "", "aliases (*) are not accepted; write the value out");
        return NULL;
    }
    const yaml_char_t *anchor = is_map ? r->event.data.mapping_start.anchor : r->event.data.sequence_start.anchor;
    const yaml_char_t *tag = is_map ? r->event.data.mapping_start.tag : r->event.data.sequence_start.tag;
    if (!plain_yaml(r, anchor, tag))
        return NULL;
    if (r->depth >= YAML_DEPTH_MAX) {
        char what[80];
        snprintf(what, sizeof what, "nested deeper than %d", YAML_DEPTH_MAX);
        fail(r, line, ERR_LIMIT, "", what);
        return NULL;
    }
    node = new_node(r, is_map ? YN_MAP : YN_LIST, parent, key);
    if (!node)
        return NULL;
    r->depth++;
    bool ok = is_map ? read_map(r, node) : read_list(r, node);
    r->depth--;
    return ok ? node : NULL;
}

/* Over `n` events that carry nothing, to the one after them. */
static bool skip_events(struct reading *r, int n)
{
    for (int i = 0; i < n; i++) {
        if (!next_event(r))
            return false;
    }
    return true;
}

/* An empty file is an empty map: what is required will be missed by the schema. */
static struct ynode *read_document(struct reading *r)
{
    if (!skip_events(r, 2)) /* stream start, then a document or the end */
        return NULL;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return new_node(r, YN_MAP, NULL, NULL);
    if (!next_event(r))
        return NULL;
    struct ynode *root = read_value(r, NULL, NULL);
    if (!root || !skip_events(r, 2)) /* document end, then the end */
        return NULL;
    if (r->event.type != YAML_STREAM_END_EVENT) {
        fail(r, r->event.start_mark.line, ERR_SYNTAX, "", "a second document starts here; one file holds one");
        return NULL;
    }
    return root;
}

/* libyaml would take UTF-16, stop at bad bytes without a line, and count U+0085 and U+2028 as ends of line, which no
 * editor shows. */
static bool bytes_ok(struct reading *r)
{
    size_t line = 0;
    if (r->n > YAML_BYTES_MAX)
        return err_set(r->e, ERR_LIMIT, "", "%s: larger than the %d bytes allowed", r->name, YAML_BYTES_MAX);
    for (size_t i = 0, len; i < r->n; i += len) {
        unsigned char c = (unsigned char)r->bytes[i];
        len = 1;
        line += line_ends(r, i);
        if (c == '\n' || c == '\t' || c == '\r' || (c >= 0x20 && c < 0x7f))
            continue;
        uint32_t cp = c;
        bool utf8 = (len = text_decode(r->bytes + i, r->n - i, &cp)) > 0;
        len = utf8 ? len : 1;
        if (!utf8 || cp < 0xa0 || cp == 0x2028 || cp == 0x2029) {
            char shown[32], what[100];
            safe_text_into(shown, sizeof shown, r->bytes + i, len);
            snprintf(what, sizeof what, "%s is not text; expected UTF-8 without control characters", shown);
            return fail(r, line, ERR_SYNTAX, "", what);
        }
    }
    return true;
}

static const struct ynode *parse_bytes(struct reading *r, const struct yfield *schema)
{
    if (r->n >= 3 && memcmp(r->bytes, "\xef\xbb\xbf", 3) == 0) { /* some editors write one */
        r->bytes += 3;
        r->n -= 3;
    }
    if (!bytes_ok(r))
        return NULL;
    if (!yaml_parser_initialize(&r->parser))
        abort(); /* out of memory, see core/err.h */
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->bytes, r->n);
    struct ynode *root = read_document(r);
    if (r->have_event)
        yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    return root && yaml_check(root, schema, r->a, r->e) ? root : NULL;
}

const struct ynode *yaml_parse(const char *name, const char *bytes, size_t n, const struct yfield *schema,
                               struct arena *a, struct err *e)
{
    struct reading r = {.bytes = bytes, .n = n, .a = a, .e = e};
    /* The end of a long path says more than its start, and the error must fit its field. */
    size_t len = strlen(name);
    const char *tail = len > 120 ? name + len - 116 : name;
    const char *safe = safe_text(a, tail, strlen(tail), 160);
    r.name = tail == name ? safe : arena_printf(a, "…%s", safe);
    return parse_bytes(&r, schema);
}

const struct ynode *yaml_load(const char *path, const struct yfield *schema, struct arena *a, struct err *e)
{
    struct buf b;
    buf_init(&b, YAML_BYTES_MAX);
    const struct ynode *root = NULL;
    if (file_read(path, FILE_ANY, &b, e))
        root = yaml_parse(path, b.data, b.len, schema, a, e);
    buf_release(&b);
    return root;
}
