#include "audit/seals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/opening.h"

void seals_release(struct seals *s)
{
    free(s->open);
    free(s->gone);
    free(s->erased);
    free(s->list);
    memset(s, 0, sizeof *s);
}

static void add(struct seal_word **v, size_t *n, size_t *cap, uint64_t key, int64_t by)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        *v = xreallocarray(*v, *cap, sizeof **v);
    }
    (*v)[(*n)++] = (struct seal_word){key, by};
}

/* 64 bits of a digest: nobody gains by two that are the same, and an accident would miscount by one. */
static uint64_t key_of(int64_t number, struct slice path)
{
    uint8_t hash[HASH_LEN];
    uint64_t key = 0;
    struct buf b;
    buf_init(&b, 128);
    buf_printf(&b, "%" PRId64 " ", number);
    buf_add(&b, path.p, path.n < 80 ? path.n : 80);
    sha256_bytes(b.data, b.len, hash);
    buf_release(&b);
    for (size_t i = 0; i < 8; i++)
        key = key << 8 | hash[i];
    return key;
}

static void note_list(struct seals *s, int64_t number, const struct leaf *l)
{
    struct member m;
    if (!leaf_is(l->kind, "redact"))
        return;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (!slice_is(m.key, ERASED_FIELD) || !leaf_names_blob(&m))
            continue;
        if (s->n_list == s->cap_list) {
            s->cap_list = s->cap_list ? s->cap_list * 2 : 16;
            s->list = xreallocarray(s->list, s->cap_list, sizeof *s->list);
        }
        struct seal_list *v = &s->list[s->n_list++];
        *v = (struct seal_list){.by = number};
        tree_hash_parse(m.value.p, m.value.n, v->digest);
    }
}

static bool commits_to(const struct leaf *l, struct slice path)
{
    struct committed c;
    for (size_t at = 0; committed_next(l->committed, &at, &c);)
        if (slice_same(c.path, path))
            return true;
    return false;
}

/* Each line is one of this entry, in order, and of a value that it commits to. */
static bool lines_ok(int64_t number, const struct leaf *l, struct slice open, char why[160])
{
    struct opening o;
    struct slice last = {NULL, 0};
    bool bad;
    while (opening_read(&open, &o, &bad)) {
        if (o.seq != l->seq || (last.p && slice_cmp(last, o.path) >= 0) || !commits_to(l, o.path)) {
            snprintf(why, 160, "there is an opening that entry %" PRId64 " does not commit to", number);
            return false;
        }
        last = o.path;
    }
    if (bad)
        snprintf(why, 160, "the openings of entry %" PRId64 " are not well formed", number);
    return !bad;
}

bool seals_entry(struct seals *s, int64_t number, const struct leaf *l, struct slice open, char why[160])
{
    struct committed c;
    struct opening o;
    note_list(s, number, l);
    if (open.n > 0 && !lines_ok(number, l, open, why))
        return false;
    for (size_t at = 0; committed_next(l->committed, &at, &c);) {
        uint64_t key = key_of(number, c.path);
        bool there = opening_find(open, c.path, &o);
        if (!there || o.erased) {
            add(&s->gone, &s->n_gone, &s->cap_gone, key, there ? o.erased : 0);
        } else if (opening_fits(&o, c.digest)) {
            add(&s->open, &s->n_open, &s->cap_open, key, 0);
        } else {
            snprintf(why, 160, "an opening is not what entry %" PRId64 " commits to", number);
            return false;
        }
    }
    return true;
}

void seals_blob(struct seals *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n)
{
    for (size_t i = 0; i < s->n_list; i++) {
        struct seal_list *v = &s->list[i];
        struct slice rest = {bytes, n};
        if (v->read || memcmp(v->digest, digest, HASH_LEN) != 0)
            continue;
        v->read = true;
        for (const char *nl; rest.n > 0 && (nl = memchr(rest.p, '\n', rest.n)) != NULL;) {
            struct slice line = {rest.p, (size_t)(nl - rest.p)};
            const char *blank = memchr(line.p, ' ', line.n);
            size_t k = blank ? (size_t)(blank - line.p) : 0;
            int64_t number;
            if (blank && slice_int((struct slice){line.p, k}, &number))
                add(&s->erased, &s->n_erased, &s->cap_erased, key_of(number, (struct slice){blank + 1, line.n - k - 1}),
                    v->by);
            rest = (struct slice){nl + 1, rest.n - line.n - 1};
        }
    }
}

bool seals_missing(const struct seals *s, size_t *at, uint8_t digest[HASH_LEN])
{
    for (; *at < s->n_list; ++*at) {
        if (s->list[*at].read)
            continue;
        memcpy(digest, s->list[(*at)++].digest, HASH_LEN);
        return true;
    }
    return false;
}

static int by_key(const void *a, const void *b)
{
    const struct seal_word *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static const struct seal_word *find(const struct seals *s, uint64_t key)
{
    struct seal_word like = {key, 0};
    return s->n_erased ? bsearch(&like, s->erased, s->n_erased, sizeof like, by_key) : NULL;
}

int64_t seals_erased(const struct seals *s, int64_t number, struct slice path)
{
    const struct seal_word *v = find(s, key_of(number, path));
    return v ? v->by : 0;
}

bool seals_judge(struct seals *s, int64_t newest, struct audit_report *r, int64_t *seq)
{
    bool ok = true;
    if (s->n_erased)
        qsort(s->erased, s->n_erased, sizeof *s->erased, by_key);
    r->committed = (int64_t)(s->n_open + s->n_gone);
    r->opened = (int64_t)s->n_open;
    r->erased = r->reopened = 0;
    for (size_t i = 0; i < s->n_open; i++)
        r->reopened += find(s, s->open[i].key) != NULL;
    for (size_t i = 0; i < s->n_gone; i++) {
        const struct seal_word *by = find(s, s->gone[i].key);
        r->erased += by != NULL;
        if (ok && s->gone[i].by && s->gone[i].by <= newest && !by) {
            ok = false;
            *seq = s->gone[i].by;
        }
    }
    return ok;
}
