#include "audit/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"

void check_init(struct check *c, struct audit_report *r, const char *note, size_t note_n)
{
    memset(c, 0, sizeof *c);
    memset(r, 0, sizeof *r);
    c->r = r;
    r->ok = true;
    r->unwitnessed = true;
    tree_init(&c->tree);
    ops_init(&c->ops);
    sha256_bytes(NULL, 0, c->root_at_signed);
    const char *nl = note_n ? memchr(note, '\n', note_n) : NULL;
    for (const char *p = nl ? nl + 1 : note + note_n; p < note + note_n && *p >= '0' && *p <= '9'; p++)
        c->signed_size = c->signed_size < UINT64_MAX / 100 ? c->signed_size * 10 + (uint64_t)(*p - '0') : UINT64_MAX;
}

void check_release(struct check *c)
{
    ops_release(&c->ops);
    free(c->ref);
    free(c->blob);
}

void check_bad(struct check *c, int64_t seq, const char *fmt, ...)
{
    if (!c->r->ok)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    c->r->ok = false;
    c->r->bad_seq = seq;
}

static void note_refs(struct check *c, const struct leaf *l)
{
    struct member m;
    if (!memmem(l->fields.p, l->fields.n, "blob", 4)) /* most entries name none */
        return;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (!leaf_names_blob(&m))
            continue;
        if (c->n_ref == c->cap_ref) {
            c->cap_ref = c->cap_ref ? c->cap_ref * 2 : 64;
            c->ref = xreallocarray(c->ref, c->cap_ref, sizeof *c->ref);
        }
        struct blob_ref *ref = &c->ref[c->n_ref++];
        ref->seq = l->seq;
        tree_hash_parse(m.value.p, m.value.n, ref->digest);
    }
}

/* What the report counts. Time never orders entries, but a clock that went back is worth saying. */
static void count(struct check *c, const struct leaf *l)
{
    struct audit_report *r = c->r;
    bool step = leaf_is(l->kind, "clock-step");
    if (l->late) {
        r->late++;
    } else {
        step = step || (c->newest_t && l->t < c->newest_t - CLOCK_STEP_US);
        c->newest_t = l->t;
    }
    r->clock_steps += step;
    if (r->first_t == 0 || l->t < r->first_t)
        r->first_t = l->t;
    if (l->t > r->last_t)
        r->last_t = l->t;
    ops_see(&c->ops, l);
    if (l->fields.p)
        note_refs(c, l);
}

void check_leaf(struct check *c, int64_t row_seq, const char *line, size_t n, const uint8_t *hash)
{
    struct leaf l;
    uint8_t now[HASH_LEN];
    int64_t expect = (int64_t)c->tree.size + 1;
    if (row_seq != expect)
        check_bad(c, expect, "entry %" PRId64 " is missing", expect);
    tree_leaf_hash(line, n, now);
    if (hash && memcmp(hash, now, HASH_LEN) != 0)
        check_bad(c, row_seq, "the bytes of entry %" PRId64 " are not those that were hashed", row_seq);
    if (n > ENTRY_MAX || !leaf_scan(line, n, &l))
        check_bad(c, row_seq, "entry %" PRId64 " is not in canonical form", row_seq);
    else if (l.seq != row_seq)
        check_bad(c, row_seq, "in the place of entry %" PRId64 " stands entry %" PRId64, row_seq, l.seq);
    else
        count(c, &l);
    if (expect == 1)
        c->have_born = book_leaf_key(line, n, &c->born, NULL);
    tree_push(&c->tree, now);
    if (c->tree.size == c->signed_size)
        tree_root(&c->tree, c->root_at_signed);
    c->r->entries++;
}

void check_blob(struct check *c, const uint8_t *name, size_t name_n, const void *bytes, size_t n)
{
    uint8_t now[HASH_LEN];
    sha256_bytes(bytes, n, now);
    if (name_n != HASH_LEN || memcmp(name, now, HASH_LEN) != 0)
        return; /* not whole: then nobody may name it, which check_refs sees */
    if (c->n_blob == c->cap_blob) {
        c->cap_blob = c->cap_blob ? c->cap_blob * 2 : 64;
        c->blob = xreallocarray(c->blob, c->cap_blob, sizeof *c->blob);
    }
    memcpy(c->blob[c->n_blob++], now, HASH_LEN);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, HASH_LEN);
}

void check_refs(struct check *c)
{
    if (c->n_blob)
        qsort(c->blob, c->n_blob, HASH_LEN, by_bytes);
    for (size_t i = 0; i < c->n_ref; i++) {
        if (c->n_blob && bsearch(c->ref[i].digest, c->blob, c->n_blob, HASH_LEN, by_bytes))
            continue;
        char hex[HASH_HEX];
        hex_encode(hex, c->ref[i].digest, HASH_LEN);
        check_bad(c, c->ref[i].seq, "the blob %.16s... that entry %" PRId64 " names is missing or was changed", hex,
                  c->ref[i].seq);
        return;
    }
}

/* Where the difference lies: the stored frontier, when it hashes to the signed root, is as good as signed. */
static void locate(struct check *c, const uint8_t signed_root[HASH_LEN], const struct tree *frontier)
{
    uint8_t root[HASH_LEN];
    if (frontier && frontier->size == c->tree.size) {
        tree_root(frontier, root);
        uint64_t first = 1;
        for (size_t i = TREE_DEPTH; memcmp(root, signed_root, HASH_LEN) == 0 && i-- > 0;) {
            uint64_t width = UINT64_C(1) << i;
            if (!(frontier->size & width))
                continue;
            if (memcmp(frontier->node[i], c->tree.node[i], HASH_LEN) != 0) {
                check_bad(c, width == 1 ? (int64_t)first : 0,
                          "an entry from %" PRIu64 " to %" PRIu64 " was changed together with its stored hash", first,
                          first + width - 1);
                return;
            }
            first += width;
        }
    }
    check_bad(c, 0, "the entries do not hash to the root that the checkpoint signs");
}

static void compare(struct check *c, const struct checkpoint *cp, const struct tree *frontier)
{
    uint8_t root[HASH_LEN];
    if (c->tree.size < cp->size) {
        check_bad(c, (int64_t)c->tree.size + 1, "the last %" PRIu64 " entries are missing", cp->size - c->tree.size);
        return;
    }
    if (c->tree.size > cp->size) {
        bool rest = memcmp(c->root_at_signed, cp->root, HASH_LEN) == 0;
        check_bad(c, rest ? (int64_t)cp->size + 1 : 0, "%" PRIu64 " entries are not signed", c->tree.size - cp->size);
        return;
    }
    if (memcmp(c->root_at_signed, cp->root, HASH_LEN) != 0) {
        locate(c, cp->root, frontier);
        return;
    }
    if (frontier) {
        tree_root(frontier, root);
        if (frontier->size != cp->size || memcmp(root, cp->root, HASH_LEN) != 0)
            check_bad(c, 0, "the stored frontier is not that of the entries");
    }
}

void check_note(struct check *c, const char *note, size_t n, const struct note_key *pinned, const struct tree *frontier)
{
    struct err why = {0};
    struct checkpoint cp;
    const struct note_key *k = pinned ? pinned : &c->born;
    if (c->tree.size == 0)
        check_bad(c, 1, "there is no entry: the log was emptied");
    if (!c->have_born)
        check_bad(c, 1, "the first entry does not name the log's key");
    if (!pinned && !c->have_born)
        return;
    if (pinned && c->have_born && !slice_is(slice_of(pinned->vkey), c->born.vkey))
        check_bad(c, 1, "the log names the key %s, not the expected %s", c->born.id_hex, pinned->id_hex);
    snprintf(c->r->origin, sizeof c->r->origin, "%s", k->name);
    snprintf(c->r->key_id, sizeof c->r->key_id, "%s", k->id_hex);
    struct verifier *v = verifier_new(k->pub, &why);
    if (!v || !note_open(note, n, k, v, &cp, &why))
        check_bad(c, 0, "%.180s", why.what);
    else
        compare(c, &cp, frontier);
    verifier_free(v);
}

void check_finish(struct check *c, const char *extra)
{
    struct audit_report *r = c->r;
    uint8_t root[HASH_LEN];
    tree_root(&c->tree, root);
    hex_encode(r->root, root, HASH_LEN);
    ops_count(&c->ops, &r->open_intents, &r->unknown_outcomes);
    if (r->ok)
        snprintf(r->text, sizeof r->text,
                 "OK (unwitnessed: rollback not excluded): %" PRId64 " entries of %.100s, signed by key %s%s",
                 r->entries, r->origin, r->key_id, extra);
    else
        snprintf(r->text, sizeof r->text, "TAMPERED: %s (unwitnessed: rollback not excluded)%s", c->why, extra);
}
