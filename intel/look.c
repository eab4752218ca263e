/* Finding again what was imported. */
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "intel/codec.h"
#include "intel/field.h"
#include "intel/store_inner.h"

bool intel_look_begin(struct intel_store *s, struct err *e)
{
    return db_begin(s->db, false, e);
}

void intel_look_end(struct intel_store *s)
{
    db_rollback(s->db);
}

/* ---- sources ---- */

struct source_rows {
    struct arena *a;
    struct intel_source *v;
    size_t n, cap;
};

static bool source_row(void *ctx, struct db_row *r)
{
    struct source_rows *rows = ctx;
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 16;
        rows->v = xreallocarray(rows->v, rows->cap, sizeof *rows->v);
    }
    struct slice name = db_row_bytes(r, 0), sha = db_row_bytes(r, 2), note = db_row_bytes(r, 11);
    int64_t kind = db_row_int(r, 1);
    struct intel_source *s = &rows->v[rows->n];
    *s = (struct intel_source){.name = field_bytes(rows->a, name, FIELD_NAME),
                               .released = db_row_int(r, 3),
                               .newest = db_row_int(r, 4),
                               .imported = db_row_int(r, 5),
                               .checked = db_row_int(r, 6),
                               .records = db_row_int(r, 7),
                               .files = db_row_int(r, 8),
                               .bytes = db_row_int(r, 9),
                               .unread = db_row_int(r, 10),
                               .note = field_bytes(rows->a, note, FIELD_NAME)};
    if (kind < 0 || kind >= INTEL_KINDS || sha.n >= sizeof s->sha256)
        return true; /* of another version of andon */
    s->kind = (enum intel_kind)kind;
    memcpy(s->sha256, sha.p, sha.n);
    rows->n++;
    return true;
}

bool intel_sources(struct intel_store *s, struct arena *a, const struct intel_source **out, size_t *n, struct err *e)
{
    struct source_rows rows = {.a = a};
    bool ok = db_rows(s->db, SQL_SOURCES, NULL, 0, source_row, &rows, "reading", e);
    *out = rows.n ? arena_memdup(a, rows.v, rows.n * sizeof *rows.v) : NULL;
    *n = rows.n;
    free(rows.v);
    return ok;
}

/* ---- rows by a key ---- */

/* Bodies of what has the key, in an arena of their own. */
struct bodies {
    struct arena a;
    struct slice *v;
    int64_t *id;
    size_t n, cap;
};

static bool body_row(void *ctx, struct db_row *r)
{
    struct bodies *b = ctx;
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->v = xreallocarray(b->v, b->cap, sizeof *b->v);
        b->id = xreallocarray(b->id, b->cap, sizeof *b->id);
    }
    struct slice s = db_row_bytes(r, 1);
    b->id[b->n] = db_row_int(r, 0);
    b->v[b->n++] = (struct slice){arena_memdup(&b->a, s.p, s.n), s.n};
    return b->n < INTEL_FOUND_MAX;
}

static bool find(struct intel_store *s, enum intel_key kind, const char *a, const char *b, struct bodies *out,
                 struct err *e)
{
    struct db_value h = db_int((int64_t)intel_hash(kind, slice_of(a), slice_of(b)));
    *out = (struct bodies){0};
    return db_rows(s->db, SQL_FIND, &h, 1, body_row, out, "reading", e);
}

static void bodies_release(struct bodies *b)
{
    arena_release(&b->a);
    free(b->v);
    free(b->id);
}

static bool damaged(struct intel_store *s, struct err *e)
{
    return err_set(e, ERR_IO, "It is a cache: move it away and run andon intel import again.",
                   "intelligence %.200s: a record in it is damaged", s->path);
}

/* ---- advisories ---- */

void intel_found_init(struct intel_found *f, struct arena *a)
{
    *f = (struct intel_found){.a = a, .most = INTEL_FOUND_MAX};
}

void intel_found_release(struct intel_found *f)
{
    free(f->v);
    free(f->done);
    *f = (struct intel_found){0};
}

/* Has this been asked before? Then true; else it is remembered. Open addressing; 0 is no hash that counts. */
static bool asked(struct intel_found *f, uint64_t h)
{
    h |= UINT64_C(1) << 63;
    if (f->n_done * 2 >= f->cap_done) {
        size_t cap = f->cap_done ? f->cap_done * 2 : 256;
        uint64_t *old = f->done;
        f->done = xcalloc(cap, sizeof *f->done);
        for (size_t i = 0; i < f->cap_done; i++) {
            size_t at = old[i] & (cap - 1);
            while (old[i] && f->done[at])
                at = (at + 1) & (cap - 1);
            if (old[i])
                f->done[at] = old[i];
        }
        f->cap_done = cap;
        free(old);
    }
    size_t at = h & (f->cap_done - 1);
    for (; f->done[at]; at = (at + 1) & (f->cap_done - 1))
        if (f->done[at] == h)
            return true;
    f->done[at] = h;
    f->n_done++;
    return false;
}

static void add(struct intel_found *f, const struct advisory *v)
{
    if (f->n >= f->most) {
        f->cut = true;
        return;
    }
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xreallocarray(f->v, f->cap, sizeof(const struct advisory *));
    }
    f->v[f->n++] = v;
}

static bool learned(struct intel_store *s, struct advisory *v, struct err *e);

/* The newest version of this id from each kind of source: a dump of one ecosystem repeats another's, a daily file what
 * the full one had. */
static bool add_id(struct intel_store *s, const char *id, struct intel_found *f, struct err *e)
{
    struct advisory *best[ADV_SOURCES] = {0};
    struct bodies b;
    if (asked(f, intel_hash(KEY_ID, slice_of(id), slice_of(""))))
        return true;
    bool ok = find(s, KEY_ID, id, "", &b, e);
    for (size_t i = 0; i < b.n && ok; i++) {
        struct advisory *v = ARENA_NEW(f->a, struct advisory);
        if (!decode_advisory(b.v[i], f->a, v))
            ok = damaged(s, e);
        else if (strcmp(v->id, id) == 0 && (!best[v->source] || v->modified >= best[v->source]->modified))
            best[v->source] = v;
    }
    for (size_t i = 0; i < ADV_SOURCES && ok; i++)
        if (best[i] && (ok = learned(s, best[i], e)))
            add(f, best[i]);
    bodies_release(&b);
    return ok;
}

static bool count_row(void *ctx, struct db_row *r)
{
    (void)r;
    ++*(size_t *)ctx;
    return true;
}

/* The same for one that is at hand: mostly it is the only one of its id. */
static bool add_found(struct intel_store *s, struct advisory *v, struct intel_found *f, struct err *e)
{
    uint64_t hash = intel_hash(KEY_ID, slice_of(v->id), slice_of(""));
    struct db_value h = db_int((int64_t)hash);
    size_t n = 0;
    if (!db_rows(s->db, SQL_IDS, &h, 1, count_row, &n, "reading", e))
        return false;
    if (n > 1)
        return add_id(s, v->id, f, e);
    if (asked(f, hash))
        return true;
    if (!learned(s, v, e))
        return false;
    add(f, v);
    return true;
}

static bool one_time(void *ctx, struct db_row *r)
{
    *(int64_t *)ctx = db_row_int(r, 0) * US_PER_S;
    return false;
}

static bool learned(struct intel_store *s, struct advisory *v, struct err *e)
{
    struct db_value h = db_int((int64_t)intel_hash(KEY_ID, slice_of(v->id), slice_of("")));
    return db_rows(s->db, SQL_WHEN, &h, 1, one_time, &v->learned, "reading", e);
}

/* Does the advisory have what its key was made of, or is it another one with the same hash? */
static bool names(const struct advisory *v, enum intel_key kind, const char *a, const char *b)
{
    if (kind == KEY_ALIAS)
        for (size_t i = 0; i < v->n_refs; i++)
            if (v->refs[i].kind == ADV_ALIAS && strcmp(v->refs[i].id, a) == 0)
                return true;
    if (kind == KEY_PACKAGE)
        for (size_t i = 0; i < v->n_affected; i++)
            if (strcmp(v->affected[i].name, b) == 0 && strcmp(v->affected[i].ecosystem, a) == 0)
                return true;
    return kind == KEY_PRODUCT; /* the matching compares CPEs anyhow */
}

static bool by_key(struct intel_store *s, enum intel_key kind, const char *a, const char *b, struct intel_found *f,
                   struct err *e)
{
    struct bodies rows;
    if (asked(f, intel_hash(kind, slice_of(a), slice_of(b))))
        return true;
    bool ok = find(s, kind, a, b, &rows, e);
    for (size_t i = 0; i < rows.n && ok && f->n < f->most; i++) {
        struct advisory *v = ARENA_NEW(f->a, struct advisory);
        if (!decode_advisory(rows.v[i], f->a, v))
            ok = damaged(s, e);
        else if (names(v, kind, a, b))
            ok = add_found(s, v, f, e);
    }
    bodies_release(&rows);
    return ok;
}

bool intel_by_package(struct intel_store *s, const char *ecosystem, const char *name, struct intel_found *f,
                      struct err *e)
{
    return by_key(s, KEY_PACKAGE, ecosystem, name, f, e);
}

bool intel_by_product(struct intel_store *s, const char *vendor, const char *product, struct intel_found *f,
                      struct err *e)
{
    return by_key(s, KEY_PRODUCT, vendor, product, f, e);
}

bool intel_by_id(struct intel_store *s, const char *id, struct intel_found *f, struct err *e)
{
    return add_id(s, id, f, e) && by_key(s, KEY_ALIAS, id, "", f, e);
}

/* What is one step away from an advisory. */
static bool expand(struct intel_store *s, const struct advisory *v, struct intel_found *f, struct err *e)
{
    bool ok = intel_by_id(s, v->id, f, e);
    for (size_t k = 0; k < v->n_refs && ok && f->n < f->most; k++)
        ok = v->refs[k].kind == ADV_RELATED || intel_by_id(s, v->refs[k].id, f, e);
    return ok;
}

bool intel_by_group(struct intel_store *s, struct intel_found *f, struct err *e)
{
    bool ok = true;
    /* One seed after the other, so that an endless ring takes nothing from the others. */
    for (size_t seeds = f->n; f->asked < seeds && ok; f->asked++) {
        size_t first = f->n;
        f->most = first + INTEL_GROUP_MAX < INTEL_FOUND_MAX ? first + INTEL_GROUP_MAX : INTEL_FOUND_MAX;
        ok = expand(s, f->v[f->asked], f, e);
        for (size_t i = first; i < f->n && ok && f->n < f->most; i++)
            ok = expand(s, f->v[i], f, e);
        f->cut = f->cut || f->n >= f->most;
    }
    f->asked = f->n;
    f->most = INTEL_FOUND_MAX;
    return ok;
}

bool intel_has_ecosystem(struct intel_store *s, const char *ecosystem, bool *has, struct err *e)
{
    struct db_value h = db_int((int64_t)intel_hash(KEY_ECOSYSTEM, slice_of(ecosystem), slice_of("")));
    size_t n = 0;
    bool ok = db_rows(s->db, SQL_IDS, &h, 1, count_row, &n, "reading", e);
    *has = n > 0;
    return ok;
}

/* ---- lists ---- */

struct listed_row {
    struct adv_listed *out;
    bool *has;
};

static bool kev_row(void *ctx, struct db_row *r)
{
    struct listed_row *l = ctx;
    l->out->kev_added = db_row_int(r, 0);
    l->out->kev_until = db_row_int(r, 1);
    l->out->ransomware = db_row_int(r, 2) != 0;
    *l->has = true;
    return false;
}

static bool epss_row(void *ctx, struct db_row *r)
{
    struct listed_row *l = ctx;
    l->out->scored = true;
    l->out->epss = (double)db_row_int(r, 0) / 1e9;
    l->out->percentile = (double)db_row_int(r, 1) / 1e9;
    *l->has = true;
    return false;
}

bool intel_listed(struct intel_store *s, const char *cve, struct adv_listed *out, bool *has, struct err *e)
{
    struct db_value n = db_int(intel_cve_number(cve));
    struct listed_row l = {out, has};
    *out = (struct adv_listed){.id = cve};
    *has = false;
    return db_rows(s->db, SQL_LISTED_KEV, &n, 1, kev_row, &l, "reading", e) &&
           db_rows(s->db, SQL_LISTED_EPSS, &n, 1, epss_row, &l, "reading", e);
}

/* ---- documents ---- */

bool intel_sbom(struct intel_store *s, const char *release, struct arena *a, const struct sbom **out, struct err *e)
{
    struct bodies b;
    bool ok = find(s, KEY_SBOM, release, "", &b, e);
    *out = NULL;
    for (size_t i = 0; i < b.n && ok; i++) {
        struct sbom *v = ARENA_NEW(a, struct sbom);
        if (!decode_sbom(b.v[i], a, v))
            ok = damaged(s, e);
        else if (strcmp(v->release, release) == 0 && (!*out || v->made_at >= (*out)->made_at))
            *out = v;
    }
    bodies_release(&b);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool intel_releases(struct intel_store *s, struct arena *a, const char ***out, size_t *n, struct err *e)
{
    struct bodies b;
    struct arena scratch;
    struct sbom v;
    bool ok = find(s, KEY_SBOM, "", "", &b, e);
    const char **names = ARENA_ARRAY(a, const char *, b.n);
    size_t kept = 0;
    arena_init(&scratch);
    for (size_t i = 0; i < b.n && ok; i++) {
        ok = decode_sbom(b.v[i], &scratch, &v) || damaged(s, e);
        names[i] = ok ? arena_strdup(a, v.release) : "";
        arena_release(&scratch);
    }
    qsort(names, b.n, sizeof *names, by_name);
    for (size_t i = 0; i < b.n && ok; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    *out = names;
    *n = kept;
    bodies_release(&b);
    return ok;
}

bool intel_vex(struct intel_store *s, struct arena *a, const struct vex **out, size_t *n, struct err *e)
{
    struct bodies b;
    bool ok = find(s, KEY_VEX, "", "", &b, e);
    struct vex *v = ARENA_ARRAY(a, struct vex, b.n);
    for (*n = 0; *n < b.n && ok; ++*n)
        ok = decode_vex(b.v[*n], a, &v[*n]) || damaged(s, e);
    *out = v;
    bodies_release(&b);
    return ok;
}

bool intel_lives(struct intel_store *s, const char *product, struct arena *a, const struct intel_life **out, size_t *n,
                 struct err *e)
{
    struct bodies b;
    bool ok = find(s, KEY_LIFE, product, "", &b, e);
    struct intel_life *v = ARENA_ARRAY(a, struct intel_life, b.n);
    *n = 0;
    for (size_t i = 0; i < b.n && ok; i++) {
        ok = decode_life(b.v[i], a, &v[*n]) || damaged(s, e);
        *n += ok && strcmp(v[*n].product, product) == 0;
    }
    *out = v;
    bodies_release(&b);
    return ok;
}

bool intel_others(struct intel_store *s, const char *release, struct arena *a, const struct intel_other **out,
                  size_t *n, struct err *e)
{
    struct bodies b;
    bool ok = find(s, KEY_OTHER, release, "", &b, e);
    struct intel_other *v = ARENA_ARRAY(a, struct intel_other, b.n);
    *n = 0;
    for (size_t i = 0; i < b.n && ok; i++) {
        ok = decode_other(b.v[i], a, &v[*n]) || damaged(s, e);
        *n += ok && strcmp(v[*n].release, release) == 0;
    }
    *out = v;
    bodies_release(&b);
    return ok;
}
