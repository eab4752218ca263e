#include "audit/opening.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "audit/tree.h"
#include "core/redact.h"

#define PATH_BYTES 160

/* ---- openings ---- */

static bool is_hex(struct slice s)
{
    uint8_t raw[HASH_LEN];
    return s.n == HASH_HEX - 1 && tree_hash_parse(s.p, s.n, raw);
}

bool committed_next(struct slice object, size_t *at, struct committed *out)
{
    struct member m;
    while (leaf_member(object, at, &m)) {
        if (m.is_string && is_hex(m.value)) {
            *out = (struct committed){m.key, m.value};
            return true;
        }
    }
    return false;
}

/* The text up to the next blank, which goes; false: there is none. */
static bool word(struct slice *s, struct slice *out)
{
    const char *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;
    if (!blank)
        return false;
    *out = (struct slice){s->p, (size_t)(blank - s->p)};
    *s = (struct slice){blank + 1, s->n - out->n - 1};
    return true;
}

static bool number(struct slice s, int64_t *out)
{
    return s.n > 0 && s.n <= 15 && *s.p >= '1' && *s.p <= '9' && slice_int(s, out);
}

static bool is_path(struct slice s)
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    for (size_t i = 0; i < s.n; i++)
        if (!byte_in(s.p[i], signs))
            return false;
    return s.n > 0 && s.n <= 64;
}

/* A string or an integer, as far as the readers in docs/audit-tools look at it: what it is digested from is the bytes.
 */
static bool is_value(struct slice s)
{
    bool string = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    size_t sign = s.n > 0 && *s.p == '-', digits = s.n - sign;
    for (size_t i = 0; string && i < s.n; i++)
        string = (unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f;
    if (string || digits == 0 || digits > 18 || (s.p[sign] == '0' && digits > 1))
        return string;
    for (size_t i = sign; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static bool parse(struct slice line, struct opening *o)
{
    struct slice seq, salt, rest = line;
    memset(o, 0, sizeof *o);
    o->line = line;
    if (!word(&rest, &seq) || !number(seq, &o->seq) || !word(&rest, &o->path) || !is_path(o->path) ||
        !word(&rest, &salt))
        return false;
    if (slice_is(salt, "erased"))
        return number(rest, &o->erased);
    o->value = rest;
    return is_hex(salt) && is_value(rest);
}

bool opening_read(struct slice *rest, struct opening *out, bool *bad)
{
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    *bad = false;
    if (rest->n == 0)
        return false;
    if (!nl || !parse((struct slice){rest->p, (size_t)(nl - rest->p)}, out)) {
        *bad = true;
        return false;
    }
    *rest = (struct slice){nl + 1, rest->n - out->line.n - 1};
    return true;
}

bool opening_fits(const struct opening *o, struct slice digest)
{
    char hex[HASH_HEX];
    sha256_hex(o->line.p, o->line.n, hex);
    return slice_is(digest, hex);
}

bool opening_find(struct slice lines, struct slice path, struct opening *out)
{
    bool bad;
    while (opening_read(&lines, out, &bad)) {
        if (slice_same(out->path, path))
            return true;
    }
    return false;
}

bool opening_part(struct slice lines, struct slice object, unsigned without, struct buf *kept, struct buf *open)
{
    struct committed c;
    struct opening o;
    bool bad, own;
    while (opening_read(&lines, &o, &bad)) {
        unsigned kinds = redact_kinds(o.path, &own);
        bool fits = o.erased > 0;
        for (size_t at = 0; !fits && committed_next(object, &at, &c);)
            fits = slice_same(c.path, o.path) && opening_fits(&o, c.digest);
        if (!fits)
            return false;
        if (!o.erased && without & (kinds ? kinds : REDACT_ALL))
            continue;
        for (int i = 0; i < (o.erased ? 1 : 2); i++) {
            buf_add(i ? open : kept, o.line.p, o.line.n);
            buf_addc(i ? open : kept, '\n');
        }
    }
    return !bad;
}

/* ---- taking members out of a line, and putting them in ---- */

/* One member at its place. With `drop` it goes, else it is put there with this value. */
struct edit {
    struct slice parent, key, value;
    bool drop;
};

/* "host.kernel" and "uid"; "f" and "approval.by": the keys of f have dots themselves. */
static struct edit place_of(struct slice path)
{
    static const char host[] = "host.";
    size_t skip = slice_starts(path, host) ? sizeof host - 1 : 0;
    const char *dot = path.n > skip ? memchr(path.p + skip, '.', path.n - skip) : NULL;
    if (!dot && skip)
        dot = path.p + skip - 1;
    if (!dot)
        return (struct edit){.parent = {path.p, 0}, .key = path};
    size_t n = (size_t)(dot - path.p);
    return (struct edit){.parent = {path.p, n}, .key = {dot + 1, path.n - n - 1}};
}

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    int c = slice_cmp(x->parent, y->parent);
    return c ? c : slice_cmp(x->key, y->key);
}

static struct slice path_of(const struct edit *v)
{
    return v->parent.n ? (struct slice){v->parent.p, v->parent.n + 1 + v->key.n} : v->key;
}

static int by_path(const void *a, const void *b)
{
    return slice_cmp(path_of(a), path_of(b));
}

struct edits {
    struct edit v[OPENING_ITEMS + 2];
    size_t n;
};

static void put_member(struct buf *out, bool *any, struct slice key)
{
    buf_printf(out, "%s\"", *any ? "," : "");
    buf_add(out, key.p, key.n);
    buf_adds(out, "\":");
    *any = true;
}

/* What comes before this key, or all that is left (an absent one). */
static void put_until(const struct edits *e, size_t *next, struct slice path, struct slice key, struct buf *out,
                      bool *any)
{
    for (; *next < e->n; ++*next) {
        const struct edit *v = &e->v[*next];
        if (!slice_same(v->parent, path) || v->drop)
            continue;
        if (key.p && slice_cmp(v->key, key) >= 0)
            return;
        put_member(out, any, v->key);
        buf_add(out, v->value.p, v->value.n);
    }
}

static bool dropped(const struct edits *e, struct slice path, struct slice key)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].drop && slice_same(e->v[i].parent, path) && slice_same(e->v[i].key, key))
            return true;
    }
    return false;
}

/* The path of a member; absent when it is longer than any that matters. */
static struct slice join(char room[PATH_BYTES], struct slice path, struct slice key)
{
    size_t n = path.n + (path.n > 0) + key.n;
    if (n > PATH_BYTES)
        return (struct slice){NULL, 0};
    memcpy(room, path.p, path.n);
    if (path.n > 0)
        room[path.n] = '.';
    memcpy(room + n - key.n, key.p, key.n);
    return (struct slice){room, n};
}

/* The objects of a canonical line are few deep (audit/leaf.h). */
static void rewrite(struct slice object, struct slice path, const struct edits *e, struct buf *out)
{
    struct member m;
    size_t next = 0;
    bool any = false;
    buf_addc(out, '{');
    for (size_t at = 0; leaf_member(object, &at, &m);) {
        char room[PATH_BYTES];
        put_until(e, &next, path, m.key, out, &any);
        if (dropped(e, path, m.key))
            continue;
        struct slice own = join(room, path, m.key);
        put_member(out, &any, m.key);
        if (m.is_object && own.p)
            rewrite(m.value, own, e, out);
        else if (m.is_string)
            buf_add(out, m.value.p - 1, m.value.n + 2); /* with its quotes */
        else
            buf_add(out, m.value.p, m.value.n);
    }
    put_until(e, &next, path, (struct slice){NULL, 0}, out, &any);
    buf_addc(out, '}');
}

/* ---- committing ---- */

struct sealing {
    unsigned kinds;
    bool nobody; /* its actor is a rule, or andon itself */
    struct edits found;
    struct buf paths; /* what the edits' places are slices of: each path in PATH_BYTES */
};

static void collect(struct sealing *s, struct slice object, struct slice path)
{
    struct member m;
    for (size_t at = 0; leaf_member(object, &at, &m);) {
        char room[PATH_BYTES];
        struct slice own = join(room, path, m.key);
        bool his = false;
        if (!own.p || slice_is(own, "committed"))
            continue;
        if (m.is_object) {
            collect(s, m.value, own);
            continue;
        }
        if (!(redact_kinds(own, &his) & s->kinds) || (his && s->nobody) || s->found.n == OPENING_ITEMS)
            continue;
        char *kept = s->paths.data + s->found.n * PATH_BYTES;
        memcpy(kept, own.p, own.n);
        struct edit *v = &s->found.v[s->found.n++];
        *v = place_of((struct slice){kept, own.n});
        v->drop = true;
        v->value = m.is_string ? (struct slice){m.value.p - 1, m.value.n + 2} : m.value;
    }
}

/* An opening and its commitment for each of them. */
static bool commit_all(struct sealing *s, int64_t seq, struct buf *lines, struct buf *object, struct err *e)
{
    buf_addc(object, '{');
    for (size_t i = 0; i < s->found.n; i++) {
        const struct edit *v = &s->found.v[i];
        uint8_t salt[HASH_LEN];
        char hex[HASH_HEX];
        size_t from = lines->len;
        if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
            return err_errno(e, ERR_INTERNAL, "", "audit log: no random bytes for a commitment");
        hex_encode(hex, salt, sizeof salt);
        struct slice path = path_of(v);
        buf_printf(lines, "%" PRId64 " ", seq);
        buf_add(lines, path.p, path.n);
        buf_printf(lines, " %s ", hex);
        buf_add(lines, v->value.p, v->value.n);
        sha256_hex(lines->data + from, lines->len - from, hex);
        buf_addc(lines, '\n');
        buf_adds(object, i ? ",\"" : "\"");
        buf_add(object, path.p, path.n);
        buf_printf(object, "\":\"%s\"", hex);
    }
    buf_addc(object, '}');
    return !lines->over && !object->over
               ? true
               : err_set(e, ERR_LIMIT, "put what is long into a blob", "audit log: the entry's values are too long");
}

bool opening_seal(const char *line, size_t n, unsigned kinds, struct buf *leaf, struct buf *lines, struct err *e)
{
    static const struct slice top = {"", 0};
    struct sealing s = {.kinds = kinds};
    struct slice all = {line, n};
    struct buf object;
    struct leaf l;
    if (!leaf_scan(line, n, &l))
        return err_set(e, ERR_INTERNAL, "", "audit log: the entry is not canonical");
    s.nobody = leaf_is(l.actor_kind, "rule") || (leaf_is(l.actor_kind, "script") && leaf_is(l.actor, "andon"));
    buf_init(&s.paths, (size_t)OPENING_ITEMS * PATH_BYTES);
    static const char nothing[PATH_BYTES] = "";
    for (size_t i = 0; i < OPENING_ITEMS; i++)
        buf_add(&s.paths, nothing, sizeof nothing);
    buf_init(&object, ENTRY_MAX);
    collect(&s, all, top);
    bool ok = true;
    if (s.found.n > 0) {
        qsort(s.found.v, s.found.n, sizeof *s.found.v, by_path);
        ok = commit_all(&s, l.seq, lines, &object, e);
        s.found.v[s.found.n++] =
            (struct edit){.parent = top, .key = slice_of("committed"), .value = {object.data, object.len}};
        qsort(s.found.v, s.found.n, sizeof *s.found.v, by_place);
        rewrite(all, top, &s.found, leaf);
        if (ok && (leaf->over || leaf->len > ENTRY_MAX))
            ok = err_set(e, ERR_LIMIT, "put what is long into a blob", "log entry: longer than %d bytes", ENTRY_MAX);
    }
    buf_release(&object);
    buf_release(&s.paths);
    return ok;
}

/* ---- showing ---- */

enum state { OPEN, ERASED, ABSENT, WRONG };

static enum state state_of(const struct committed *c, struct slice lines, struct opening *o)
{
    if (!opening_find(lines, c->path, o))
        return ABSENT;
    return o->erased ? ERASED : opening_fits(o, c->digest) ? OPEN : WRONG;
}

/* Where each text ends: the buffer moves as it grows. */
struct texts {
    struct buf b;
    size_t end[OPENING_ITEMS], n;
};

static void say(struct texts *t, enum state s, int64_t erased, const char *absent)
{
    if (s == ERASED)
        buf_printf(&t->b, "\"[erased, entry %" PRId64 "]\"", erased);
    else if (s != OPEN)
        buf_printf(&t->b, "\"[committed, %s]\"", s == WRONG ? "its opening is another" : absent);
    t->end[t->n++] = t->b.len;
}

static void say_state(struct buf *object, const struct committed *c, enum state s, int64_t erased)
{
    buf_adds(object, object->len > 1 ? ",\"" : "\"");
    buf_add(object, c->path.p, c->path.n);
    if (s == ERASED)
        buf_printf(object, "\":\"erased by entry %" PRId64 "\"", erased);
    else
        buf_printf(object, "\":\"%s\"", s == OPEN ? "open" : s == ABSENT ? "not here" : "another");
}

bool opening_show(const char *leaf, size_t n, struct slice lines, const char *absent, struct buf *out)
{
    static const struct slice top = {"", 0};
    static const char mark[] = "\"committed\":{";
    struct edits e = {.n = 0};
    struct committed c;
    struct opening o = {0};
    struct leaf l;
    struct texts t = {.n = 0};
    struct buf states;
    size_t start = out->len;
    if (!memmem(leaf, n, mark, sizeof mark - 1) || !leaf_scan(leaf, n, &l) || !l.committed.p)
        return false;
    buf_init(&t.b, (size_t)OPENING_ITEMS * 100);
    buf_init(&states, ENTRY_MAX * 2);
    buf_addc(&states, '{');
    for (size_t at = 0; e.n < OPENING_ITEMS && committed_next(l.committed, &at, &c); e.n++) {
        enum state s = state_of(&c, lines, &o);
        e.v[e.n] = place_of(c.path);
        e.v[e.n].value = s == OPEN ? o.value : top;
        say(&t, s, o.erased, absent);
        say_state(&states, &c, s, o.erased);
    }
    buf_addc(&states, '}');
    for (size_t i = 0, from = 0; i < t.n; from = t.end[i++])
        if (t.end[i] > from)
            e.v[i].value = (struct slice){t.b.data + from, t.end[i] - from};
    struct edit own = {.parent = top, .key = slice_of("committed"), .value = {states.data, states.len}};
    e.v[e.n++] = own;
    own.drop = true; /* the one that is there */
    e.v[e.n++] = own;
    qsort(e.v, e.n, sizeof *e.v, by_place);
    rewrite((struct slice){leaf, n}, top, &e, out);
    buf_release(&t.b);
    buf_release(&states);
    if (!out->over && leaf_scan(out->data + start, out->len - start, &l))
        return true;
    out->len = start;
    out->data[start] = '\0';
    return false;
}
