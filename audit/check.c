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
    c->now = clock_wall(clock_real());
    tree_init(&c->tree);
    ops_init(&c->ops);
    receipts_init(&c->receipts);
    sha256_bytes(NULL, 0, c->root_at_signed);
    const char *nl = note_n ? memchr(note, '\n', note_n) : NULL;
    for (const char *p = nl ? nl + 1 : note + note_n; p < note + note_n && *p >= '0' && *p <= '9'; p++)
        c->signed_size = c->signed_size < UINT64_MAX / 100 ? c->signed_size * 10 + (uint64_t)(*p - '0') : UINT64_MAX;
}

void check_release(struct check *c)
{
    ops_release(&c->ops);
    receipts_release(&c->receipts);
    stamped_release(&c->stamped);
    seals_release(&c->seals);
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

static void take_heir(struct check *c, const struct leaf *l)
{
    struct member m;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "vkey") && m.value.n < sizeof c->heir)
            snprintf(c->heir, sizeof c->heir, "%.*s", (int)m.value.n, m.value.p);
    }
}

/* Two clocks of one start of a host move together, unless the wall clock is set. */
static bool was_set(struct check *c, const struct leaf *l)
{
    struct slice boot = leaf_boot(l);
    int64_t offset = l->t - l->mono;
    if (!boot.p || boot.n >= sizeof c->boot)
        return false;
    bool set = slice_is(boot, c->boot) && llabs(offset - c->offset) > CLOCK_STEP_US;
    snprintf(c->boot, sizeof c->boot, "%.*s", (int)boot.n, boot.p);
    c->offset = offset;
    return set;
}

/* What the report counts. Time never orders entries, but a clock that went back is worth saying. */
static void count(struct check *c, const struct leaf *l)
{
    struct audit_report *r = c->r;
    bool step = leaf_is(l->kind, "clock-step");
    if (l->late) {
        r->late++;
    } else {
        bool set = was_set(c, l), back = c->newest_t && l->t < c->newest_t - CLOCK_STEP_US;
        step = step || set || back;
        c->newest_t = l->t;
        r->ahead += l->t > c->now + AHEAD_US;
    }
    r->clock_steps += step;
    if (r->first_t == 0 || l->t < r->first_t)
        r->first_t = l->t;
    if (l->t > r->last_t)
        r->last_t = l->t;
    if (leaf_is(l->kind, "key"))
        take_heir(c, l);
    ops_see(&c->ops, l);
    if (leaf_is(l->kind, "receipt")) {
        receipts_entry(&c->receipts, l);
        stamped_entry(&c->stamped, l);
    }
    if (l->fields.p)
        note_refs(c, l);
}

/* The number of the entry before its first, which that says of a log that goes on from another one. */
static int64_t base_of(const struct leaf *l)
{
    struct member m;
    int64_t base = 0;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "previous.newest") && (!slice_int(m.value, &base) || base < 0))
            base = 0;
    }
    return base;
}

void check_leaf(struct check *c, int64_t row_seq, const char *line, size_t n, const uint8_t *hash)
{
    struct leaf l;
    uint8_t now[HASH_LEN];
    int64_t place = (int64_t)c->tree.size + 1;
    bool canonical = n <= ENTRY_MAX && leaf_scan_next(line, n, &c->memo, &l);
    char why[160];
    if (place == 1 && canonical)
        c->base = base_of(&l);
    int64_t expect = c->base + place, seq = c->base + row_seq;
    if (seq != expect)
        check_bad(c, expect, "entry %" PRId64 " is missing", expect);
    tree_leaf_hash(line, n, now);
    if (hash && memcmp(hash, now, HASH_LEN) != 0)
        check_bad(c, seq, "the bytes of entry %" PRId64 " are not those that were hashed", seq);
    if (!canonical)
        check_bad(c, seq, "entry %" PRId64 " is not in canonical form", seq);
    else if (l.seq != row_seq)
        check_bad(c, seq, "in the place of entry %" PRId64 " stands entry %" PRId64, seq, c->base + l.seq);
    else
        count(c, &l);
    if (canonical && (l.committed.p || c->open.n || leaf_is(l.kind, "redact")) &&
        !seals_entry(&c->seals, seq, &l, c->open, why))
        check_bad(c, seq, "%s", why);
    if (place == 1)
        c->have_born = book_leaf_key(line, n, &c->born, NULL);
    tree_push(&c->tree, now);
    receipts_leaf(&c->receipts, now);
    for (size_t i = 0; i < c->n_heads; i++)
        heads_meet(&c->heads[i], &c->tree);
    if (c->tree.size == c->signed_size)
        tree_root(&c->tree, c->root_at_signed);
    c->r->size++;
    if (c->tree.size == c->seen_size)
        tree_root(&c->tree, c->root_at_seen);
    c->r->entries++;
}

bool check_left_out(struct check *c, unsigned level, const uint8_t root[HASH_LEN])
{
    if (!tree_push_subtree(&c->tree, level, root))
        return false;
    c->gaps = true;
    if (c->tree.size == c->signed_size)
        tree_root(&c->tree, c->root_at_signed);
    return true;
}

void check_blob_known(struct check *c, const uint8_t digest[HASH_LEN])
{
    if (c->n_blob == c->cap_blob) {
        c->cap_blob = c->cap_blob ? c->cap_blob * 2 : 64;
        c->blob = xreallocarray(c->blob, c->cap_blob, sizeof *c->blob);
    }
    memcpy(c->blob[c->n_blob++], digest, HASH_LEN);
}

void check_blob(struct check *c, const uint8_t *name, size_t name_n, const void *bytes, size_t n)
{
    uint8_t now[HASH_LEN];
    sha256_bytes(bytes, n, now);
    if (name_n != HASH_LEN || memcmp(name, now, HASH_LEN) != 0)
        return; /* not whole: then nobody may name it, which check_refs sees */
    check_blob_known(c, now);
    seals_blob(&c->seals, now, bytes, n);
    stamped_blob(&c->stamped, now, bytes, n);
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
        uint64_t first = (uint64_t)c->base + 1;
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
        check_bad(c, c->base + (int64_t)c->tree.size + 1, "the last %" PRIu64 " entries are missing",
                  cp->size - c->tree.size);
        return;
    }
    if (c->tree.size > cp->size) {
        bool rest = memcmp(c->root_at_signed, cp->root, HASH_LEN) == 0;
        check_bad(c, rest ? c->base + (int64_t)cp->size + 1 : 0, "%" PRIu64 " entries are not signed",
                  c->tree.size - cp->size);
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

/* What was noted elsewhere, by the log's own key. */
static void compare_heads(struct check *c, const struct note_key *k, const struct verifier *v)
{
    struct heads_word w;
    for (size_t i = 0; i < c->n_heads; i++) {
        const struct heads *h = &c->heads[i];
        heads_judge(h, k, v, &w);
        if (w.wrong && !w.wrong->met)
            check_bad(c, (int64_t)c->tree.size + 1,
                      "it has %" PRIu64 " entries, and line %" PRId64 " of %.60s notes %" PRIu64
                      " of them, signed: it was put back to an older state",
                      c->tree.size, w.wrong->line, h->path, w.wrong->size);
        else if (w.wrong)
            check_bad(c, 0,
                      "the first %" PRIu64 " entries are not those that line %" PRId64
                      " of %.60s notes, signed: it was made anew",
                      w.wrong->size, w.wrong->line, h->path);
        c->r->heads += w.good;
        c->r->heads_broken += h->broken;
        c->r->heads_none += w.good == 0 && !w.wrong;
        if ((int64_t)w.newest > c->r->heads_size)
            c->r->heads_size = (int64_t)w.newest;
    }
}

void check_note(struct check *c, const char *note, size_t n, const struct note_key *pinned, const struct tree *frontier)
{
    struct err why = {0};
    struct checkpoint cp;
    const struct note_key *k = c->have_born ? &c->born : pinned;
    if (c->tree.size == 0)
        check_bad(c, 1, "there is no entry: the log was emptied");
    if (!c->have_born)
        check_bad(c, 1, "the first entry does not name the log's key");
    if (!k)
        return;
    if (pinned)
        check_key(c, pinned->pub, pinned->name, "the key that was named for it");
    else
        snprintf(c->r->compared, sizeof c->r->compared, "the key that its first entry names: no other was at hand");
    snprintf(c->r->origin, sizeof c->r->origin, "%s", k->name);
    snprintf(c->r->vkey, sizeof c->r->vkey, "%s", k->vkey);
    snprintf(c->r->key_id, sizeof c->r->key_id, "%s", k->id_hex);
    struct verifier *v = verifier_new(k->pub, &why);
    if (!v || !note_open(note, n, k, v, &cp, &why))
        check_bad(c, 0, "%.180s", why.what);
    else
        compare(c, &cp, frontier);
    if (v)
        compare_heads(c, k, v);
    verifier_free(v);
}

void check_key(struct check *c, const uint8_t pub[KEY_PUBLIC_LEN], const char *name, const char *which)
{
    struct note_key k = {0};
    snprintf(c->r->compared, sizeof c->r->compared, "%s", which);
    if (!c->have_born ||
        (memcmp(pub, c->born.pub, KEY_PUBLIC_LEN) == 0 && (!name || slice_is(slice_of(name), c->born.name))))
        return;
    if (note_key_init(&k, name ? name : c->born.name, pub, NULL))
        snprintf(c->another, sizeof c->another, "%s (%.100s)", k.id_hex, which);
}

static void judge_stamps(struct check *c)
{
    struct verifier *v = c->have_born ? verifier_new(c->born.pub, NULL) : NULL;
    int64_t bad = 0;
    if (v)
        stamped_judge(&c->stamped, (const uint8_t(*)[HASH_LEN])c->receipts.leaf, c->receipts.n, &c->born, v,
                      c->stamp_root, c->r, &bad);
    if (bad)
        check_bad(c, bad, "the time stamp in entry %" PRId64 " is not about these entries", bad);
    verifier_free(v);
}

void check_finish(struct check *c, const char *extra)
{
    struct audit_report *r = c->r;
    uint8_t root[HASH_LEN];
    char words[240], heads[200] = "", stamps[300], sealed[240] = "";
    size_t n = 0;
    int64_t bad = 0;
    if (!c->gaps)
        receipts_judge(&c->receipts, r->origin, c->witnesses, c->n_witnesses, r, &bad);
    if (bad)
        check_bad(c, bad, "the receipt in entry %" PRId64 " is not its witness's word about these entries", bad);
    receipts_words(r, clock_wall(clock_real()), words, sizeof words);
    if (r->heads > 0)
        n += (size_t)snprintf(heads, sizeof heads, "; %" PRId64 " head%s noted elsewhere agree%s, up to entry %" PRId64,
                              r->heads, r->heads == 1 ? "" : "s", r->heads == 1 ? "s" : "", r->heads_size);
    if (r->heads_broken > 0)
        n += (size_t)snprintf(heads + n, sizeof heads - n, "; %" PRId64 " noted elsewhere cannot be read",
                              r->heads_broken);
    if (r->heads_none > 0)
        snprintf(heads + n, sizeof heads - n, "; where heads are noted there is none of this log");
    if (!c->gaps)
        judge_stamps(c);
    stamped_words(r, stamps, sizeof stamps);
    if (!seals_judge(&c->seals, c->base + (int64_t)c->tree.size, r, &bad))
        check_bad(c, 0, "a value is told as erased by entry %" PRId64 ", which does not say so", bad);
    n = 0;
    if (r->committed)
        n += (size_t)snprintf(sealed, sizeof sealed,
                              "; %" PRId64 " committed values: %" PRId64 " open, %" PRId64 " erased, %" PRId64
                              " without an opening here",
                              r->committed, r->opened, r->erased, r->committed - r->opened - r->erased);
    if (r->reopened)
        snprintf(sealed + n, sizeof sealed - n, "; %" PRId64 " of the open ones an entry says were erased",
                 r->reopened);
    tree_root(&c->tree, root);
    hex_encode(r->root, root, HASH_LEN);
    ops_count(&c->ops, &r->open_intents, &r->unknown_outcomes);
    r->another = r->ok && *c->another;
    r->ok = r->ok && !r->another;
    if (r->another)
        snprintf(r->text, sizeof r->text,
                 "ANOTHER LOG, or one made anew: its %" PRId64 " entries verify with the key %s of %.60s, not with %s",
                 r->entries, c->born.id_hex, c->born.name, c->another);
    else if (r->ok)
        snprintf(r->text, sizeof r->text, "OK (%s%s%s): %" PRId64 " entries of %.60s, signed by key %s%s%s", words,
                 heads, stamps, r->entries, r->origin, r->key_id, sealed, extra);
    else
        snprintf(r->text, sizeof r->text, "TAMPERED: %s%s", c->why, extra);
}
