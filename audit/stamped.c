#include "audit/stamped.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/stamp.h"
#include "core/fmt.h"

enum { CHECKPOINT, TOKEN };

void stamped_release(struct stamped *s)
{
    for (size_t i = 0; i < s->names.n; i++)
        free(s->blob[i].bytes);
    digests_release(&s->names);
    free(s->blob);
    free(s->v);
    *s = (struct stamped){0};
}

static size_t place_of(struct stamped *s, const uint8_t digest[HASH_LEN])
{
    size_t before = s->names.n, i = digests_add(&s->names, digest);
    if (i >= s->cap_blob) {
        s->cap_blob = s->cap_blob ? s->cap_blob * 2 : 32;
        s->blob = xreallocarray(s->blob, s->cap_blob, sizeof *s->blob);
    }
    if (s->names.n > before)
        s->blob[i] = (struct stamped_blob){0};
    return i;
}

void stamped_entry(struct stamped *s, const struct leaf *l)
{
    struct stamped_one x = {.seq = l->seq};
    uint8_t digest[2][HASH_LEN];
    struct member m;
    bool have[2] = {false, false};
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        int which = slice_is(m.key, "token.blob") ? TOKEN : slice_is(m.key, "checkpoint.blob") ? CHECKPOINT : -1;
        if (which >= 0)
            have[which] = m.is_string && tree_hash_parse(m.value.p, m.value.n, digest[which]);
    }
    if (!have[CHECKPOINT] || !have[TOKEN])
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
    }
    for (int k = 0; k < 2; k++)
        x.blob[k] = place_of(s, digest[k]);
    s->v[s->n++] = x;
}

void stamped_blob(struct stamped *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n)
{
    size_t i = digests_find(&s->names, digest);
    if (i == DIGESTS_NONE || s->blob[i].bytes || n > STAMP_TOKEN_MAX)
        return;
    s->blob[i].bytes = xmalloc(n + 1);
    if (n)
        memcpy(s->blob[i].bytes, bytes, n);
    s->blob[i].n = n;
}

/* ---- judging ---- */

/* By the size that the checkpoint says: the tree then only grows, however many there are; those that are about the same
 * stand together. What has not come stands first. */
static int by_size(const void *a, const void *b)
{
    const struct stamped_one *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    for (int k = 0; k < 2; k++)
        if (x->blob[k] != y->blob[k])
            return x->blob[k] < y->blob[k] ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Does the checkpoint say what these entries are? */
static bool is_ours(const struct stamped_blob *note, struct tree *t, const uint8_t (*leaf)[HASH_LEN], size_t n,
                    const struct note_key *k, const struct verifier *v, struct checkpoint *c)
{
    uint8_t root[HASH_LEN];
    if (!note_open(note->bytes, note->n, k, v, c, NULL) || c->size > n || c->size < t->size)
        return false;
    while (t->size < c->size)
        tree_push(t, leaf[t->size]);
    tree_root(t, root);
    return memcmp(root, c->root, HASH_LEN) == 0;
}

enum judged { STAMP_BAD, STAMP_UNCHECKED, STAMP_GOOD };

static enum judged judge(const struct stamped *s, const struct stamped_one *x, const char *root, struct stamp *st)
{
    const struct stamped_blob *token = &s->blob[x->blob[TOKEN]];
    const uint8_t *about = s->names.v[x->blob[CHECKPOINT]];
    if (!stamp_token(token->bytes, token->n, about, NULL, st, NULL))
        return STAMP_BAD;
    bool good = root && *root && stamp_token(token->bytes, token->n, about, root, st, NULL);
    return good ? STAMP_GOOD : STAMP_UNCHECKED;
}

void stamped_judge(struct stamped *s, const uint8_t (*leaf)[HASH_LEN], size_t n, const struct note_key *k,
                   const struct verifier *v, const char *root, struct audit_report *out, int64_t *bad_seq)
{
    struct tree t;
    struct checkpoint c = {0};
    struct stamp st = {0};
    enum judged is = STAMP_BAD;
    const struct stamped_one *last = NULL;
    *bad_seq = 0;
    tree_init(&t);
    for (size_t i = 0; i < s->n; i++) {
        const struct stamped_blob *note = &s->blob[s->v[i].blob[CHECKPOINT]];
        bool some = note->bytes && s->blob[s->v[i].blob[TOKEN]].bytes && note_peek(note->bytes, note->n, &c);
        s->v[i].size = some ? c.size : 0;
    }
    if (s->n)
        qsort(s->v, s->n, sizeof *s->v, by_size);
    for (size_t i = 0; i < s->n; i++) {
        const struct stamped_one *x = &s->v[i];
        const struct stamped_blob *note = &s->blob[x->blob[CHECKPOINT]];
        if (!note->bytes || !s->blob[x->blob[TOKEN]].bytes)
            continue; /* missing: said of every blob that an entry names */
        if (!last || memcmp(last->blob, x->blob, sizeof x->blob) != 0) /* the same again is no work */
            is = is_ours(note, &t, leaf, n, k, v, &c) ? judge(s, x, root, &st) : STAMP_BAD;
        last = x;
        if (is == STAMP_BAD || c.size >= (uint64_t)x->seq) {
            *bad_seq = *bad_seq && *bad_seq < x->seq ? *bad_seq : x->seq;
        } else if (is == STAMP_UNCHECKED) {
            out->unchecked_stamps++;
        } else {
            out->stamps++;
            out->stamped = (int64_t)c.size;
            out->stamped_t = st.t;
            snprintf(out->stamp_by, sizeof out->stamp_by, "%s", st.signer);
        }
    }
}

void stamped_words(const struct audit_report *r, char *out, size_t size)
{
    char when[FMT_MAX], rest[120] = "";
    out[0] = '\0';
    if (r->unchecked_stamps > 0)
        snprintf(rest, sizeof rest,
                 "; %d time stamp%s of authorities that the configuration does not name %s not counted",
                 r->unchecked_stamps, r->unchecked_stamps == 1 ? "" : "s", r->unchecked_stamps == 1 ? "is" : "are");
    if (r->stamps > 0)
        snprintf(out, size, "; time-stamped to entry %" PRId64 " at %s by %.80s%s", r->stamped,
                 fmt_iso(when, r->stamped_t), r->stamp_by, rest);
    else
        snprintf(out, size, "%s", rest);
}
