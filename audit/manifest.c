#include "audit/manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE   "andon manifest 1"
#define BLOBS        "blobs/"
#define PLAIN_MAX    64
#define ROLE_MAX     64
#define SELECTED_MAX 400

void manifest_init(struct manifest *m)
{
    memset(m, 0, sizeof *m);
    arena_init(&m->arena);
}

void manifest_release(struct manifest *m)
{
    free(m->file);
    arena_release(&m->arena);
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_ok(struct slice s, const uint8_t hash[HASH_LEN])
{
    uint8_t digest[HASH_LEN];
    if (slice_starts(s, BLOBS))
        return tree_hash_parse(s.p + sizeof BLOBS - 1, s.n - (sizeof BLOBS - 1), digest) &&
               memcmp(digest, hash, HASH_LEN) == 0;
    if (s.n == 0 || s.n > PLAIN_MAX || !letter(s.p[0]) || slice_is(s, MANIFEST_NAME) || slice_is(s, "blobs"))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!letter(s.p[i]) && !byte_in(s.p[i], "._-"))
            return false;
    return true;
}

static bool role_ok(struct slice s)
{
    if (s.n == 0 || s.n > ROLE_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!(letter(s.p[i]) && !(s.p[i] >= 'A' && s.p[i] <= 'Z')) && !byte_in(s.p[i], "._-"))
            return false;
    return true;
}

static struct manifest_file *more(struct manifest *m)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->file = xreallocarray(m->file, m->cap, sizeof *m->file);
    }
    m->file[m->n] = (struct manifest_file){0};
    return &m->file[m->n++];
}

static struct slice keep(struct manifest *m, struct slice s)
{
    return (struct slice){arena_memdup(&m->arena, s.p, s.n), s.n};
}

void manifest_add(struct manifest *m, const char *name, struct slice role, uint64_t size, const uint8_t hash[HASH_LEN])
{
    struct manifest_file *f = more(m);
    f->name = keep(m, slice_of(name));
    f->role = keep(m, role_ok(role) ? role : slice_of("other"));
    f->size = size;
    memcpy(f->hash, hash, HASH_LEN);
}

void manifest_select(struct manifest *m, const char *words)
{
    struct slice all = slice_of(words);
    size_t n = all.n < SELECTED_MAX ? all.n : SELECTED_MAX;
    char *p = arena_strndup(&m->arena, words, n);
    for (size_t i = 0; i < n; i++)
        p[i] = p[i] < ' ' || p[i] > '~' ? '?' : p[i];
    m->selected = (struct slice){p, n};
}

static int by_name(const void *a, const void *b)
{
    const struct manifest_file *x = a, *y = b;
    return slice_cmp(x->name, y->name);
}

void manifest_text(struct manifest *m, struct buf *out)
{
    char hex[HASH_HEX];
    if (m->n)
        qsort(m->file, m->n, sizeof *m->file, by_name);
    hex_encode(hex, m->root, HASH_LEN);
    buf_printf(out, FIRST_LINE "\norigin %s\nsize %" PRIu64 "\nroot %s\nshown %" PRIu64 "\nselected %.*s\n", m->origin,
               m->size, hex, m->shown, (int)m->selected.n, m->selected.p);
    for (size_t i = 0; i < m->n; i++) {
        const struct manifest_file *f = &m->file[i];
        hex_encode(hex, f->hash, HASH_LEN);
        buf_printf(out, "%s %" PRIu64 " %.*s %.*s\n", hex, f->size, (int)f->role.n, f->role.p, (int)f->name.n,
                   f->name.p);
    }
}

struct manifest_file *manifest_find(const struct manifest *m, struct slice name)
{
    struct manifest_file key = {.name = name};
    return m->n ? bsearch(&key, m->file, m->n, sizeof *m->file, by_name) : NULL;
}

/* --- reading --- */

/* The next line without its newline; false when there is no whole one. */
static bool line(struct slice *rest, struct slice *out)
{
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (!nl)
        return false;
    *out = (struct slice){rest->p, (size_t)(nl - rest->p)};
    *rest = (struct slice){nl + 1, rest->n - out->n - 1};
    return true;
}

/* The next line, when it begins so: what follows. */
static bool head(struct slice *rest, const char *word, struct slice *out)
{
    size_t n = slice_of(word).n;
    if (!line(rest, out) || !slice_starts(*out, word))
        return false;
    *out = (struct slice){out->p + n, out->n - n};
    return true;
}

static bool number(struct slice s, uint64_t *out)
{
    int64_t v;
    if (s.n == 0 || s.n > 18 || s.p[0] == '-' || (s.p[0] == '0' && s.n > 1) || !slice_int(s, &v))
        return false;
    *out = (uint64_t)v;
    return true;
}

/* Up to the next blank, which is taken off. */
static bool word(struct slice *s, struct slice *out)
{
    const char *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;
    if (!blank)
        return false;
    *out = (struct slice){s->p, (size_t)(blank - s->p)};
    *s = (struct slice){blank + 1, s->n - out->n - 1};
    return true;
}

static bool file_line(struct manifest *m, struct slice s)
{
    struct slice hash, size, role;
    struct manifest_file f = {0};
    if (!word(&s, &hash) || !word(&s, &size) || !word(&s, &role) || !tree_hash_parse(hash.p, hash.n, f.hash) ||
        !number(size, &f.size) || !role_ok(role) || !name_ok(s, f.hash))
        return false;
    f.name = s;
    f.role = role;
    if (m->n && by_name(&m->file[m->n - 1], &f) >= 0)
        return false;
    *more(m) = f;
    return true;
}

static bool printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= SELECTED_MAX;
}

/* The text, up to the empty line; *rest is left at what follows it. */
static bool read_text(struct slice *rest, struct manifest *m)
{
    struct slice s;
    if (!line(rest, &s) || !slice_is(s, FIRST_LINE) || !head(rest, "origin ", &s) || s.n == 0 || s.n > ORIGIN_MAX)
        return false;
    memcpy(m->origin, s.p, s.n);
    if (!head(rest, "size ", &s) || !number(s, &m->size) || !head(rest, "root ", &s) ||
        !tree_hash_parse(s.p, s.n, m->root) || !head(rest, "shown ", &s) || !number(s, &m->shown) ||
        m->shown > m->size || !head(rest, "selected ", &m->selected) || !printable(m->selected))
        return false;
    while (line(rest, &s)) {
        if (s.n == 0)
            return true;
        if (!file_line(m, s))
            return false;
    }
    return false;
}

bool manifest_parse(const char *bytes, size_t n, struct manifest *out, struct slice *text, struct slice *lines)
{
    struct slice copy, rest, sig;
    manifest_init(out);
    copy = keep(out, (struct slice){bytes, n});
    rest = copy;
    if (!read_text(&rest, out))
        return false;
    *text = (struct slice){copy.p, copy.n - rest.n - 1};
    *lines = rest;
    return line(&rest, &sig) && rest.n == 0;
}

bool manifest_read(const char *bytes, size_t n, const struct note_key *k, const struct verifier *v,
                   struct manifest *out, struct err *e)
{
    struct slice text, lines;
    if (!manifest_parse(bytes, n, out, &text, &lines))
        return err_set(e, ERR_TAMPERED, "", "the manifest is not well formed");
    if (memcmp(out->origin, k->name, sizeof k->name) != 0)
        return err_set(e, ERR_TAMPERED, "", "the manifest is of another log than the key");
    if (!note_signed(text, lines, k, v))
        return err_set(e, ERR_TAMPERED, "", "the manifest is not signed by key %s", k->id_hex);
    return true;
}
