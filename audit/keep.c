#include "audit/keep.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/place.h"
#include "core/fmt.h"
#include "core/text.h"

#define FLEETS_MAX 64
#define HOLDS_MAX  256
#define TRIES      20

/* ---- holds ---- */

static void fill_entry(struct audit_log *l, const struct audit_turn *t, const char *result, struct entry *en)
{
    entry_init(en, ENTRY_CONFIG);
    en->t = clock_wall(l->clock);
    en->mono = clock_boot(l->clock);
    en->actor = t->actor;
    en->reason = t->reason;
    en->result = result;
}

struct holding {
    struct arena *a;
    struct audit_hold *v;
    size_t n;
};

static bool on_hold(void *ctx, const struct stored *s)
{
    struct holding *h = ctx;
    const char *name = stored_field(s, "hold");
    bool begins = strcmp(s->result, "hold") == 0;
    if ((!begins && strcmp(s->result, "hold-removed") != 0) || !*name)
        return true;
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->v[i].name, name) == 0) {
            if (!begins)
                memmove(&h->v[i], &h->v[i + 1], (--h->n - i) * sizeof *h->v);
            return true;
        }
    if (begins && h->n < HOLDS_MAX)
        h->v[h->n++] = (struct audit_hold){.name = arena_strdup(h->a, name),
                                           .reason = arena_strdup(h->a, s->reason),
                                           .actor = arena_strdup(h->a, s->actor),
                                           .since_t = strtoll(stored_field(s, "hold.since"), NULL, 10),
                                           .until_t = strtoll(stored_field(s, "hold.until"), NULL, 10),
                                           .seq = s->seq,
                                           .t = s->t};
    return true;
}

bool audit_holds(struct audit_log *l, struct arena *a, struct audit_hold **out, size_t *n, struct err *e)
{
    struct holding h = {.a = a, .v = ARENA_ARRAY(a, struct audit_hold, HOLDS_MAX)};
    bool ok = audit_each(l, &(struct audit_query){.kind = "config"}, on_hold, &h, e);
    *out = h.v;
    *n = h.n;
    return ok;
}

static bool stands(struct audit_log *l, const char *name, bool *yes, struct err *e)
{
    struct arena a;
    struct audit_hold *v;
    size_t n = 0;
    *yes = false;
    arena_init(&a);
    bool ok = audit_holds(l, &a, &v, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        *yes = *yes || strcmp(v[i].name, name) == 0;
    if (ok && n == HOLDS_MAX && !*yes)
        ok = err_set(e, ERR_LIMIT, "remove one", "%d holds stand on the audit log", HOLDS_MAX);
    arena_release(&a);
    return ok;
}

bool audit_hold_add(struct audit_log *l, const struct audit_turn *t, const char *name, int64_t since_t, int64_t until_t,
                    struct err *e)
{
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct entry en;
    bool there;
    if (!*name || strlen(name) > HOLD_NAME_MAX || name[strspn(name, chars)])
        return err_set(e, ERR_SYNTAX, "such as INC-9", "a hold's name has at most %d letters, digits, '.', '_' and '-'",
                       HOLD_NAME_MAX);
    if (!stands(l, name, &there, e))
        return false;
    if (there)
        return err_set(e, ERR_CONFLICT, "name it otherwise", "there is a hold %.64s already", name);
    fill_entry(l, t, "hold", &en);
    entry_str(&en, "hold", name);
    if (since_t > 0)
        entry_int(&en, "hold.since", since_t);
    if (until_t > 0)
        entry_int(&en, "hold.until", until_t);
    return audit_append(l, &en, NULL, e);
}

bool audit_hold_remove(struct audit_log *l, const struct audit_turn *t, const char *name, struct err *e)
{
    struct entry en;
    bool there;
    if (!stands(l, name, &there, e))
        return false;
    if (!there)
        return err_set(e, ERR_NOT_FOUND, "`andon audit hold list` names them", "there is no such hold");
    fill_entry(l, t, "hold-removed", &en);
    entry_str(&en, "hold", name);
    return audit_append(l, &en, NULL, e);
}

/* ---- which files may go ---- */

struct looking {
    struct audit_old *old;
    char fleet[FLEETS_MAX][300]; /* of the halts and operations in it */
    size_t n;
    bool many;
};

static bool on_row(void *ctx, const struct store_row *row)
{
    struct looking *k = ctx;
    struct leaf l;
    if (!leaf_scan(row->leaf, row->leaf_n, &l))
        return true;
    if (k->old->first_t == 0 || l.t < k->old->first_t)
        k->old->first_t = l.t;
    if (l.t > k->old->last_t)
        k->old->last_t = l.t;
    if (!leaf_is(l.kind, "halt") && !leaf_is(l.kind, "intent"))
        return true;
    for (size_t i = 0; i < k->n; i++)
        if (leaf_is(l.fleet, k->fleet[i]))
            return true;
    if (k->n < FLEETS_MAX && l.fleet.n < sizeof k->fleet[0])
        snprintf(k->fleet[k->n++], sizeof k->fleet[0], "%.*s", (int)l.fleet.n, l.fleet.p ? l.fleet.p : "");
    else
        k->many = true;
    return true;
}

static bool within(const struct audit_old *old, int64_t seq)
{
    return seq >= old->first && seq <= old->last;
}

/* Halts and operations in it that are not over. */
static bool unfinished(struct audit_log *l, struct looking *k, struct arena *a, struct err *e)
{
    struct audit_old *old = k->old;
    for (size_t i = 0; i < k->n && !*old->why; i++) {
        struct stored *v;
        size_t n;
        if (!audit_latched(l, k->fleet[i], a, &v, &n, e))
            return false;
        for (size_t j = 0; j < n; j++)
            if (within(old, v[j].seq))
                snprintf(old->why, sizeof old->why, "nobody has acknowledged the halt in entry %" PRId64, v[j].seq);
        if (!audit_open_intents(l, k->fleet[i], a, &v, &n, e))
            return false;
        for (size_t j = 0; j < n && !*old->why; j++)
            if (within(old, v[j].seq))
                snprintf(old->why, sizeof old->why, "what entry %" PRId64 " began has no end yet", v[j].seq);
    }
    if (k->many && !*old->why)
        snprintf(old->why, sizeof old->why, "it has entries of too many fleets to look at");
    return true;
}

static void held(struct audit_old *old, const struct audit_hold *v, size_t n)
{
    for (size_t i = 0; i < n && !*old->why; i++)
        if (within(old, v[i].seq) ||
            ((v[i].since_t == 0 || old->last_t >= v[i].since_t) && (v[i].until_t == 0 || old->first_t < v[i].until_t)))
            snprintf(old->why, sizeof old->why, "held by %.64s: %.100s", v[i].name, v[i].reason);
}

static bool judge(struct audit_log *l, const struct part *part, int64_t keep_us, const struct audit_hold *holds,
                  size_t n_holds, struct audit_old *old, struct arena *a, struct err *e)
{
    struct looking *k = xcalloc(1, sizeof *k);
    int64_t now = clock_wall(l->clock);
    char dur[FMT_MAX];
    k->old = old;
    old->first = part->base + 1;
    old->last = part->base + part->size;
    bool ok = store_rows(part->store, 1, INT64_MAX, false, on_row, k, e);
    if (ok && keep_us <= 0)
        snprintf(old->why, sizeof old->why, "the configuration says nothing of how long it is kept");
    else if (ok && old->last_t > now - keep_us)
        snprintf(old->why, sizeof old->why, "its newest entry is not %s old", fmt_dur(dur, keep_us));
    if (ok)
        held(old, holds, n_holds);
    ok = ok && unfinished(l, k, a, e);
    free(k);
    return ok;
}

/* Each as the file after it names it. */
static bool name_them(struct audit_log *l, struct audit_old *v, struct err *e)
{
    struct previous p = l->chain.before;
    for (size_t i = l->chain.n; i-- > 0;) {
        v[i].is = p;
        snprintf(v[i].file, sizeof v[i].file, "%s", p.file);
        if (!chain_previous(l->chain.part[i].store, &p, e))
            return false;
    }
    return true;
}

bool audit_old_files(struct audit_log *l, int64_t keep_us, struct arena *a, struct audit_old **out, size_t *n,
                     struct err *e)
{
    struct audit_hold *holds;
    size_t n_holds;
    *n = l->chain.n;
    *out = ARENA_ARRAY(a, struct audit_old, *n + 1);
    memset(*out, 0, (*n + 1) * sizeof **out);
    if (!audit_holds(l, a, &holds, &n_holds, e) || !name_them(l, *out, e))
        return false;
    for (size_t i = 0; i < *n; i++) {
        struct audit_old *old = &(*out)[i];
        if (!judge(l, &l->chain.part[i], keep_us, holds, n_holds, old, a, e))
            return false;
        if (i > 0 && !(*out)[i - 1].goes && !*old->why)
            snprintf(old->why, sizeof old->why, "%.60s, which is older, stays", (*out)[i - 1].file);
        old->goes = !*old->why;
    }
    return true;
}

/* ---- removing ---- */

void keep_mark(const struct previous *p, uint8_t digest[HASH_LEN], struct buf *text)
{
    char line[700], root[HASH_HEX];
    hex_encode(root, p->have.root, HASH_LEN);
    int n =
        snprintf(line, sizeof line, KEEP_MARK "%s\n%s\n%" PRIu64 "\n%s\n", p->file, p->have.origin, p->have.size, root);
    sha256_bytes(line, (size_t)n, digest);
    if (text)
        buf_add(text, line, (size_t)n);
}

static bool file_digest(const char *path, char hex[HASH_HEX], struct err *e)
{
    static const size_t chunk = (size_t)64 << 10;
    struct sha256 h;
    uint8_t raw[HASH_LEN];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC); /* never written again, and nobody locks it */
    char *bytes = xcalloc(1, chunk);
    ssize_t n = -1;
    sha256_init(&h);
    while (fd >= 0 && (n = read(fd, bytes, chunk)) > 0)
        sha256_add(&h, bytes, (size_t)n);
    sha256_done(&h, raw);
    hex_encode(hex, raw, HASH_LEN);
    free(bytes);
    bool ok = n == 0 || err_errno(e, ERR_IO, "look at its disk", "%.200s: cannot be read", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* *stale: the log has entries after `newest`, which nobody has looked at; nothing was written. */
static bool write_removal(struct audit_log *l, const struct audit_turn *t, const struct audit_old *old,
                          const char *rule, const char sha256[HASH_HEX], int64_t newest, bool *stale, struct err *e)
{
    struct entry en;
    struct buf text;
    struct store_head h = {0};
    struct clock_seen seen;
    char root[HASH_HEX], hex[HASH_HEX];
    uint8_t digest[HASH_LEN];
    bool known = false;
    if (!book_begin(l, &h, e))
        return false;
    *stale = l->chain.base + (int64_t)h.tree.size != newest;
    if (*stale) {
        store_rollback(l->store);
        return true;
    }
    buf_init(&text, 1024);
    keep_mark(&old->is, digest, &text);
    hex_encode(hex, digest, HASH_LEN);
    hex_encode(root, old->is.have.root, HASH_LEN);
    fill_entry(l, t, "removed", &en);
    entry_str(&en, "rule", rule);
    entry_str(&en, "removed.file", old->file);
    entry_str(&en, "removed.origin", old->is.have.origin);
    entry_str(&en, "removed.root", root);
    entry_str(&en, "removed.sha256", sha256);
    entry_int(&en, "removed.size", (int64_t)old->is.have.size);
    entry_int(&en, "removed.from", old->first);
    entry_int(&en, "removed.to", old->last);
    entry_int(&en, "removed.first_t", old->first_t);
    entry_int(&en, "removed.last_t", old->last_t);
    entry_str(&en, "removed.blob", hex);
    bool ok = book_clock(l, &h, &seen, e) && book_blob(l, digest, text.data, text.len, e) &&
              book_put(l, &h, &en, NULL, &known, e);
    buf_release(&text);
    if (!ok) {
        store_rollback(l->store);
        return false;
    }
    if (!book_commit(l, &h, e))
        return false;
    l->clock_seen = seen;
    return true;
}

struct telling {
    const struct audit_old *old;
    bool said;
};

/* In an entry: a blob of these bytes alone can be anybody's. */
static bool look_said(struct audit_log *l, void *ctx, struct err *e)
{
    struct telling *x = ctx;
    char words[300];
    (void)e;
    x->said = keep_removed(l->store, l->chain.base, &x->old->is, words);
    for (size_t i = 0; i < l->chain.n && !x->said; i++)
        x->said = keep_removed(l->chain.part[i].store, l->chain.part[i].base, &x->old->is, words);
    return true;
}

/* The entry that says so, unless one does. What was judged may be a while ago, and a hold that has come since keeps the
 * file: the entry is written behind the last that was looked at, or not at all. */
static bool say_removal(struct audit_log *l, const struct audit_turn *t, const struct audit_old *old, const char *rule,
                        const char *path, struct err *e)
{
    struct telling x = {.old = old};
    char sha256[HASH_HEX];
    bool ok = file_digest(path, sha256, e), stale = true;
    for (int tries = 0; ok && stale && tries < TRIES; tries++) {
        struct audit_old now = *old;
        struct audit_hold *holds;
        struct audit_head head;
        struct arena a;
        size_t n;
        arena_init(&a);
        ok = audit_head(l, &head, e) && audit_holds(l, &a, &holds, &n, e);
        if (ok)
            held(&now, holds, n);
        arena_release(&a);
        if (ok && *now.why)
            return err_set(e, ERR_REFUSED, "", "%.60s stays: %.200s", old->file, now.why);
        ok = ok && book_read(l, look_said, &x, e);
        stale = false;
        ok = ok && (x.said || write_removal(l, t, old, rule, sha256, head.newest, &stale, e));
    }
    return ok && stale ? err_set(e, ERR_TIMEOUT, "try again", "audit log %.200s: it keeps changing", l->db_path) : ok;
}

bool audit_remove_old(struct audit_log *l, const struct audit_turn *t, const struct audit_old *old, const char *rule,
                      struct err *e)
{
    struct audit_report r;
    if (l->read_only || !old->goes)
        return err_set(e, ERR_REFUSED, "", "%.60s stays: %.200s", old->file,
                       l->read_only ? "nothing is written here" : old->why);
    char *path = chain_path(l->db_path, old->file);
    struct audit_spec whole = {.db_path = path, .read_only = true};
    bool ok = audit_verify(&whole, NULL, &r, e) &&
              (r.ok || r.unsure || err_set(e, ERR_TAMPERED, "keep it for the investigation", "%.250s", r.text));
    ok = ok && say_removal(l, t, old, rule, path, e);
    if (ok && unlink(path) != 0)
        ok = err_errno(e, ERR_IO, "look at its folder", "%.200s: cannot be removed", path);
    ok = ok && place_sync_folder(path, e) && store_begin(l->store, false, e);
    if (ok) {
        ok = chain_open(&l->chain, l->store, l->db_path, false, e);
        store_rollback(l->store);
    }
    free(path);
    return ok;
}

/* ---- what a verification says ---- */

struct finding {
    char digest[HASH_HEX];
    int64_t base;
    char *words;
};

static bool on_removed(void *ctx, const struct store_row *row)
{
    struct finding *f = ctx;
    struct leaf l;
    struct member m;
    struct slice rule = {NULL, 0};
    bool found = false;
    if (!leaf_scan(row->leaf, row->leaf_n, &l) || !leaf_is(l.kind, "config") || !leaf_is(l.result, "removed"))
        return true;
    for (size_t at = 0; leaf_member(l.fields, &at, &m);) {
        found = found || (slice_is(m.key, "removed.blob") && slice_is(m.value, f->digest));
        if (slice_is(m.key, "rule"))
            rule = m.value;
    }
    if (found) {
        char safe[120], at[FMT_MAX];
        safe_text_into(safe, sizeof safe, rule.p ? rule.p : "", rule.n);
        snprintf(f->words, 300, "removed on %s under the rule %s (entry %" PRId64 ")", fmt_iso(at, l.t), safe,
                 f->base + row->seq);
    }
    return !found;
}

bool keep_removed(struct store *s, int64_t base, const struct previous *p, char words[300])
{
    struct finding f = {.base = base, .words = words};
    uint8_t digest[HASH_LEN];
    words[0] = '\0';
    keep_mark(p, digest, NULL);
    hex_encode(f.digest, digest, HASH_LEN);
    return store_rows(s, 1, INT64_MAX, true, on_removed, &f, NULL) && *words;
}
