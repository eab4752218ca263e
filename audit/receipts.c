#include "audit/receipts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"

void receipts_init(struct receipts *r)
{
    memset(r, 0, sizeof *r);
}

void receipts_release(struct receipts *r)
{
    free(r->leaf);
}

void receipts_leaf(struct receipts *r, const uint8_t hash[HASH_LEN])
{
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->leaf = xreallocarray(r->leaf, r->cap, sizeof *r->leaf);
    }
    memcpy(r->leaf[r->n++], hash, HASH_LEN);
}

void receipt_entry(struct entry *e, const char *witness, uint64_t size, const char *root_hex, const char *line,
                   int64_t t)
{
    e->result = "ok";
    entry_str(e, "witness", witness);
    entry_int(e, "size", (int64_t)size);
    entry_str(e, "root", root_hex);
    entry_str(e, "cosignature", line);
    entry_int(e, "witness.t", t);
}

static struct receipt_seen *slot(struct receipts *r, struct slice name)
{
    for (size_t i = 0; i < r->n_seen; i++)
        if (slice_is(name, r->seen[i].witness))
            return &r->seen[i];
    if (r->n_seen == RECEIPTS_MAX || name.n == 0 || name.n > ORIGIN_MAX)
        return NULL;
    struct receipt_seen *s = &r->seen[r->n_seen++];
    memset(s, 0, sizeof *s);
    memcpy(s->witness, name.p, name.n);
    return s;
}

void receipts_entry(struct receipts *r, const struct leaf *l)
{
    struct slice witness = {NULL, 0}, line = {NULL, 0};
    struct member m;
    int64_t size = 0;
    uint8_t raw[VKEY_MAX];
    size_t got = 0;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "witness") && m.is_string)
            witness = m.value;
        else if (slice_is(m.key, "cosignature") && m.is_string)
            line = m.value;
        else if (slice_is(m.key, "size") && (m.is_string || !slice_int(m.value, &size)))
            return;
    }
    if (!witness.p || size <= 0 || size >= l->seq || line.n > VKEY_MAX || !base64_decode(line.p, line.n, raw, &got) ||
        got != COSIGN_RAW)
        return;
    struct receipt_seen *s = slot(r, witness);
    if (!s || (uint64_t)size < s->size)
        return;
    s->seq = l->seq;
    s->size = (uint64_t)size;
    memcpy(s->raw, raw, COSIGN_RAW);
}

static int by_size(const void *a, const void *b)
{
    const struct receipt_seen *x = a, *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

/* The witness of that name and key; false: it is not configured. */
static bool configured(const struct receipt_seen *s, const char *const *keys, size_t n, struct cosigner *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!cosigner_open(out, keys[i], NULL))
            continue;
        if (strcmp(out->key.name, s->witness) == 0 && memcmp(out->key.id, s->raw, sizeof out->key.id) == 0)
            return true;
        cosigner_close(out);
    }
    return false;
}

static void judge_one(const struct receipt_seen *s, const struct checkpoint *c, const char *const *keys, size_t n_keys,
                      struct audit_report *out, int64_t *bad_seq)
{
    struct cosigner w;
    struct buf body;
    int64_t t;
    if (!configured(s, keys, n_keys, &w)) {
        out->unknown_witnesses++;
        return;
    }
    buf_init(&body, NOTE_MAX);
    note_body(c, &body);
    if (cosign_check_raw(&w, (struct slice){body.data, body.len}, s->raw, &t)) {
        out->unwitnessed = false;
        out->witnesses++;
        if ((int64_t)c->size >= out->witnessed) {
            out->witnessed = (int64_t)c->size;
            out->witnessed_t = t * INT64_C(1000000);
            memcpy(out->witness, s->witness, sizeof out->witness);
        }
    } else if (*bad_seq == 0) {
        *bad_seq = s->seq;
    }
    buf_release(&body);
    cosigner_close(&w);
}

void receipts_judge(const struct receipts *r, const char *origin, const char *const *keys, size_t n_keys,
                    struct audit_report *out, int64_t *bad_seq)
{
    struct receipt_seen seen[RECEIPTS_MAX];
    struct tree t;
    tree_init(&t);
    *bad_seq = 0;
    memcpy(seen, r->seen, sizeof seen);
    qsort(seen, r->n_seen, sizeof *seen, by_size);
    for (size_t i = 0; i < r->n_seen && seen[i].size <= r->n; i++) {
        struct checkpoint c = {.size = seen[i].size};
        if (c.size == 0)
            continue;
        while (t.size < c.size)
            tree_push(&t, r->leaf[t.size]);
        tree_root(&t, c.root);
        snprintf(c.origin, sizeof c.origin, "%s", origin);
        judge_one(&seen[i], &c, keys, n_keys, out, bad_seq);
    }
}

void receipts_words(const struct audit_report *r, int64_t now, char *out, size_t size)
{
    char ago[FMT_MAX], unknown[100] = "", more[40] = "";
    if (r->unknown_witnesses > 0)
        snprintf(unknown, sizeof unknown, "; receipts of %d witness%s whose key is not configured are not counted",
                 r->unknown_witnesses, r->unknown_witnesses == 1 ? "" : "es");
    if (r->witnesses > 1)
        snprintf(more, sizeof more, " (newest of %d witnesses)", r->witnesses);
    if (r->unwitnessed)
        snprintf(out, size, "unwitnessed: a roll back of the file is not excluded%s", unknown);
    else
        snprintf(out, size, "witnessed to entry %" PRId64 " of %" PRId64 " by %.60s%s, %s ago%s", r->witnessed,
                 r->entries, r->witness, more, fmt_dur(ago, now > r->witnessed_t ? now - r->witnessed_t : 0), unknown);
}
