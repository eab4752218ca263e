/* What a release consists of, and what is said of it: before any vulnerability is looked at. */
#include "core/match.h"

#include <stdlib.h>
#include <string.h>

#include "core/match_inner.h"
#include "core/purl.h"

static int cmp_slot(const void *pa, const void *pb)
{
    const struct match_slot *x = pa, *y = pb;
    int c = strcmp(x->a, y->a);
    c = c != 0 ? c : strcmp(x->b, y->b);
    return c != 0 ? c : (x->item > y->item) - (x->item < y->item);
}

size_t match_find(const struct match_slot *list, size_t n, const char *a, const char *b, size_t *first)
{
    size_t lo = 0, hi = n;
    const struct match_slot want = {a, b ? b : "", 0};
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cmp_slot(&list[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = lo;
    while (hi < n && strcmp(list[hi].a, a) == 0 && (!b || strcmp(list[hi].b, b) == 0))
        hi++;
    return hi - lo;
}

/* A version may be written in three places: the part's own, its purl's, its CPE's. */
static void add_item(struct match *m, const struct sbom_part *part)
{
    struct match_item *it = &m->items[m->n_items++];
    struct purl purl;
    struct purl_key key;
    *it = (struct match_item){
        .part = part, .version = part->version, .ecosystem = "", .package = "", .package_version = ""};
    if (*part->purl && purl_parse(slice_of(part->purl), m->a, &purl)) {
        if (!*it->version)
            it->version = purl.version;
        if (purl_key(&purl, m->a, &key) && key.no_release) {
            it->no_release = true;
        } else if (purl_key(&purl, m->a, &key)) {
            it->ecosystem = key.ecosystem;
            it->package = key.name;
            it->package_version = *key.version ? key.version : it->version;
        }
    }
    it->has_cpe = *part->cpe && cpe_parse(slice_of(part->cpe), m->a, &it->cpe);
    if (it->has_cpe && !*it->version)
        it->version = cpe_version(&it->cpe, m->a);
    if (it->has_cpe && *it->version && strcmp(it->cpe.field[CPE_VERSION], "*") == 0)
        it->cpe.field[CPE_VERSION] = it->version;
}

const char *match_cpe_of(const char *cpe, const char *version, struct arena *a)
{
    static const char mark[] = "{version}";
    const char *at = strstr(cpe, mark);
    if (!at)
        return cpe;
    char *escaped = arena_alloc(a, 2 * strlen(version) + 1), *o = escaped;
    for (const char *p = version; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!plain && !byte_in(*p, "._"))
            *o++ = '\\';
        *o++ = *p;
    }
    return arena_printf(a, "%.*s%s%s", (int)(at - cpe), cpe, escaped, at + sizeof mark - 1);
}

static const struct sbom_part *bare(struct match *m, const char *name, const char *version, const char *cpe)
{
    struct sbom_part *p = ARENA_NEW(m->a, struct sbom_part);
    *p = (struct sbom_part){.ref = "", .name = name, .version = version, .purl = "", .cpe = cpe};
    return p;
}

static void add_items(struct match *m)
{
    const struct match_subject *s = &m->subject;
    size_t n = s->sbom ? s->sbom->n_parts : 0;
    m->items = ARENA_ARRAY(m->a, struct match_item, n + 3);
    for (size_t i = 0; i < n; i++)
        add_item(m, &s->sbom->parts[i]);
    m->n_parts = n;
    if (s->sbom)
        add_item(m, &s->sbom->self);
    const char *colon = strrchr(s->release, ':');
    const char *name = colon ? arena_strndup(m->a, s->release, (size_t)(colon - s->release)) : s->release;
    if (*s->cpe_firmware && !(s->sbom && strcmp(s->sbom->self.cpe, s->cpe_firmware) == 0))
        add_item(m, bare(m, name, colon ? colon + 1 : "", s->cpe_firmware));
    if (*s->cpe_hardware)
        add_item(m, bare(m, name, "", s->cpe_hardware));
}

static int cmp_names(const void *pa, const void *pb)
{
    return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

/* Sorts and leaves each once; returns how many. */
static size_t distinct(const char **v, size_t n)
{
    size_t kept = 0;
    qsort(v, n, sizeof *v, cmp_names);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(v[kept - 1], v[i]) != 0)
            v[kept++] = v[i];
    return kept;
}

static void add_keys(struct match *m, const struct match_slot *list, size_t n, bool product)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(list[i].a, list[i - 1].a) != 0 || strcmp(list[i].b, list[i - 1].b) != 0)
            m->keys[m->n_keys++] =
                (struct match_key){product, product ? list[i].b : list[i].a, product ? list[i].a : list[i].b};
}

static void index_items(struct match *m)
{
    m->packages = ARENA_ARRAY(m->a, struct match_slot, m->n_items);
    m->products = ARENA_ARRAY(m->a, struct match_slot, m->n_items);
    m->ecosystems = ARENA_ARRAY(m->a, const char *, m->n_items);
    m->keys = ARENA_ARRAY(m->a, struct match_key, 2 * m->n_items);
    for (uint32_t i = 0; i < m->n_items; i++) {
        struct match_item *it = &m->items[i];
        if (*it->ecosystem) {
            m->packages[m->n_packages++] = (struct match_slot){it->ecosystem, it->package, i};
            m->ecosystems[m->n_ecosystems++] = it->ecosystem;
        }
        if (it->has_cpe)
            m->products[m->n_products++] =
                (struct match_slot){it->cpe.field[CPE_PRODUCT], it->cpe.field[CPE_VENDOR], i};
    }
    qsort(m->packages, m->n_packages, sizeof *m->packages, cmp_slot);
    qsort(m->products, m->n_products, sizeof *m->products, cmp_slot);
    m->n_ecosystems = distinct(m->ecosystems, m->n_ecosystems);
    m->covered = ARENA_ARRAY(m->a, bool, m->n_ecosystems);
    for (uint32_t i = 0; i < m->n_items; i++) {
        const char **at =
            bsearch(&m->items[i].ecosystem, m->ecosystems, m->n_ecosystems, sizeof *m->ecosystems, cmp_names);
        m->items[i].ecosystem_at = at ? (size_t)(at - m->ecosystems) : SIZE_MAX;
    }
    add_keys(m, m->packages, m->n_packages, false);
    add_keys(m, m->products, m->n_products, true);
}

/* ---- statements ---- */

const struct vex *match_vex_at(const struct match *m, size_t i)
{
    return i < m->n_vex ? &m->vex[i] : &m->subject.sbom->vex[i - m->n_vex];
}

int match_stated_cmp(const void *pa, const void *pb)
{
    const struct match_stated *x = pa, *y = pb;
    int c = strcmp(x->group, y->group);
    if (c == 0)
        c = (x->item > y->item) - (x->item < y->item);
    return c != 0 ? c : (x->vex > y->vex) - (x->vex < y->vex);
}

static void add_statements(struct match *m)
{
    struct vex_subject s;
    size_t all = m->n_vex + (m->subject.sbom ? m->subject.sbom->n_vex : 0), n = 0, cap = 0;
    vex_subject_init(&s, m->subject.release, m->subject.sbom, m->subject.cpe_firmware, m->a);
    m->told = ARENA_ARRAY(m->a, struct vex_told, all);
    m->decided = ARENA_ARRAY(m->a, bool, all);
    for (size_t i = 0; i < all; i++) {
        vex_tell(&s, match_vex_at(m, i), i >= m->n_vex, m->a, &m->told[i]);
        if (m->told[i].fit == VEX_FITS)
            cap += m->told[i].n_parts + m->told[i].whole;
    }
    m->stated = ARENA_ARRAY(m->a, struct match_stated, cap);
    m->stated_ids = ARENA_ARRAY(m->a, const char *, cap);
    for (uint32_t i = 0; i < all; i++) {
        const struct vex_told *t = &m->told[i];
        if (t->fit != VEX_FITS)
            continue;
        m->stated_ids[m->n_stated_ids++] = match_vex_at(m, i)->id;
        if (t->whole)
            m->stated[n++] = (struct match_stated){match_vex_at(m, i)->id, MATCH_WHOLE, i};
        for (size_t k = 0; k < t->n_parts; k++)
            m->stated[n++] = (struct match_stated){match_vex_at(m, i)->id, t->parts[k], i};
    }
    m->n_stated = n;
    qsort(m->stated, n, sizeof *m->stated, match_stated_cmp);
    m->n_stated_ids = distinct(m->stated_ids, m->n_stated_ids);
}

void match_name(struct match *m, const char *(*name)(void *ctx, const char *id), void *ctx)
{
    for (size_t i = 0; i < m->n_stated; i++)
        m->stated[i].group = name(ctx, m->stated[i].group);
    qsort(m->stated, m->n_stated, sizeof *m->stated, match_stated_cmp);
}

struct match *match_new(const struct match_subject *s, const struct vex *vex, size_t n_vex, struct arena *a)
{
    struct match *m = ARENA_NEW(a, struct match);
    m->subject = *s;
    m->a = a;
    add_items(m);
    index_items(m);
    m->vex = vex;
    m->n_vex = n_vex;
    add_statements(m);
    m->verdict = ARENA_ARRAY(a, struct match_verdict, m->n_items);
    m->by_package = ARENA_ARRAY(a, bool, m->n_items);
    m->touched = ARENA_ARRAY(a, uint32_t, m->n_items);
    m->is_touched = ARENA_ARRAY(a, bool, m->n_items);
    return m;
}

const struct match_key *match_keys(const struct match *m, size_t *n)
{
    *n = m->n_keys;
    return m->keys;
}

size_t match_ecosystems(const struct match *m, const char *const **names)
{
    *names = m->ecosystems;
    return m->n_ecosystems;
}

void match_covered(struct match *m, size_t i)
{
    m->covered[i] = true;
}

const char *const *match_stated(const struct match *m, size_t *n)
{
    *n = m->n_stated_ids;
    return m->stated_ids;
}

enum vex_fit match_vex(const struct match *m, size_t i, bool *decided)
{
    *decided = m->decided[i];
    return m->told[i].fit;
}

void match_gaps(const struct match *m, struct match_gaps *out)
{
    *out = (struct match_gaps){.parts = m->n_parts, .no_sbom = !m->subject.sbom};
    for (size_t i = 0; i < m->n_parts; i++) {
        out->no_version += !*m->items[i].version;
        out->no_release += m->items[i].no_release && !m->items[i].has_cpe;
        out->no_id += !*m->items[i].ecosystem && !m->items[i].has_cpe && !m->items[i].no_release;
    }
}
