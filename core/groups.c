#include "core/groups.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"

#define NONE UINT32_MAX

struct edge {
    uint32_t from, to;
};

/* Of each set: a list of the upstream references that point into it, so that a join looks again only at the advisories
 * that it may concern. Each such advisory keeps its first upstream outside the set of its very first one (`until`):
 * it moves forward only, since what is joined stays so. */
struct joins {
    uint32_t n;
    uint32_t *parent, *size;
    struct edge *ups; /* by `from` after close */
    size_t n_ups, cap_ups;
    uint32_t *first; /* of each id: its first in ups; first[n] = n_ups */
    uint32_t *until;
    uint32_t *head, *tail, *watched; /* lists over ups, by root */
    uint32_t *next;
    uint32_t *todo; /* ids whose upstreams have become one */
    size_t n_todo;
};

struct joins *joins_new(uint32_t n)
{
    struct joins *j = xcalloc(1, sizeof *j);
    j->n = n;
    j->parent = xreallocarray(NULL, n, sizeof *j->parent);
    j->size = xreallocarray(NULL, n, sizeof *j->size);
    for (uint32_t i = 0; i < n; i++) {
        j->parent[i] = i;
        j->size[i] = 1;
    }
    return j;
}

void joins_free(struct joins *j)
{
    if (!j)
        return;
    uint32_t *all[] = {j->parent, j->size, j->first, j->until, j->head, j->tail, j->watched, j->next, j->todo};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(j->ups);
    free(j);
}

uint32_t joins_root(struct joins *j, uint32_t id)
{
    while (j->parent[id] != id) {
        j->parent[id] = j->parent[j->parent[id]];
        id = j->parent[id];
    }
    return id;
}

/* Of this id, are all upstreams in one set now? */
static bool settled(struct joins *j, uint32_t from)
{
    uint32_t root = joins_root(j, j->ups[j->first[from]].to);
    while (j->until[from] < j->first[from + 1] && joins_root(j, j->ups[j->until[from]].to) == root)
        j->until[from]++;
    return j->until[from] == j->first[from + 1];
}

static uint32_t weight(const struct joins *j, uint32_t root)
{
    return j->watched ? j->watched[root] : 0;
}

static void unite(struct joins *j, uint32_t a, uint32_t b)
{
    a = joins_root(j, a);
    b = joins_root(j, b);
    if (a == b)
        return;
    /* the shorter list is looked through: each reference at most log2(all) times */
    if (weight(j, a) < weight(j, b) || (weight(j, a) == weight(j, b) && j->size[a] < j->size[b])) {
        uint32_t swap = a;
        a = b;
        b = swap;
    }
    j->parent[b] = a;
    j->size[a] += j->size[b];
    if (!j->watched || j->watched[b] == 0)
        return;
    for (uint32_t e = j->head[b]; e != NONE; e = j->next[e]) {
        uint32_t from = j->ups[e].from;
        if (j->until[from] < j->first[from + 1] && settled(j, from))
            j->todo[j->n_todo++] = from;
    }
    if (j->watched[a] > 0)
        j->next[j->tail[a]] = j->head[b];
    else
        j->head[a] = j->head[b];
    j->tail[a] = j->tail[b];
    j->watched[a] += j->watched[b];
}

void joins_alias(struct joins *j, uint32_t a, uint32_t b)
{
    unite(j, a, b);
}

void joins_upstream(struct joins *j, uint32_t from, uint32_t to)
{
    if (j->n_ups == j->cap_ups) {
        j->cap_ups = j->cap_ups ? 2 * j->cap_ups : 64;
        j->ups = xreallocarray(j->ups, j->cap_ups, sizeof *j->ups);
    }
    j->ups[j->n_ups++] = (struct edge){from, to};
}

/* Orders ups by `from` (counting) and sets `first`. */
static void sort_ups(struct joins *j)
{
    j->first = xcalloc((size_t)j->n + 2, sizeof *j->first);
    for (size_t e = 0; e < j->n_ups; e++)
        j->first[j->ups[e].from + 2]++;
    for (uint32_t i = 2; i < j->n + 2; i++)
        j->first[i] += j->first[i - 1];
    struct edge *sorted = xreallocarray(NULL, j->n_ups, sizeof *sorted);
    for (size_t e = 0; e < j->n_ups; e++)
        sorted[j->first[j->ups[e].from + 1]++] = j->ups[e];
    free(j->ups);
    j->ups = sorted;
}

void joins_close(struct joins *j)
{
    size_t n = j->n;
    sort_ups(j);
    j->until = xreallocarray(NULL, n, sizeof *j->until);
    j->head = xreallocarray(NULL, n, sizeof *j->head);
    j->tail = xreallocarray(NULL, n, sizeof *j->tail);
    j->watched = xcalloc(n, sizeof *j->watched);
    j->next = xreallocarray(NULL, j->n_ups, sizeof *j->next);
    j->todo = xreallocarray(NULL, n, sizeof *j->todo);
    for (uint32_t e = 0; e < j->n_ups; e++) {
        uint32_t root = joins_root(j, j->ups[e].to);
        j->next[e] = j->watched[root] ? j->head[root] : NONE;
        if (j->watched[root]++ == 0)
            j->tail[root] = e;
        j->head[root] = e;
    }
    for (uint32_t i = 0; i < j->n; i++) {
        j->until[i] = j->first[i];
        if (j->first[i] < j->first[i + 1] && settled(j, i))
            j->todo[j->n_todo++] = i;
    }
    while (j->n_todo > 0) {
        uint32_t from = j->todo[--j->n_todo];
        unite(j, from, j->ups[j->first[from]].to);
    }
}

static int cmp_u32(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    return (a > b) - (a < b);
}

/* The roots that this id speaks about into out[max], each once, ascending; their number, which may be over max. One,
 * its own, unless it has upstreams that are several vulnerabilities. */
static size_t joins_about(struct joins *j, uint32_t id, uint32_t *out, size_t max)
{
    size_t n = j->first[id + 1] - j->first[id], kept = 0;
    if (n == 0 || j->until[id] == j->first[id + 1]) {
        if (max > 0)
            out[0] = joins_root(j, id);
        return 1;
    }
    uint32_t *roots = xreallocarray(NULL, n, sizeof *roots);
    for (size_t i = 0; i < n; i++)
        roots[i] = joins_root(j, j->ups[j->first[id] + i].to);
    qsort(roots, n, sizeof *roots, cmp_u32);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && roots[i] == roots[i - 1])
            continue;
        if (kept < max)
            out[kept] = roots[i];
        kept++;
    }
    free(roots);
    return kept;
}

/* An id as it was given: before close its number in the order of giving, then its place in the sorted list. */
struct given {
    const char *id;
    uint32_t at;
};

struct ref_pair {
    uint32_t from, to; /* in given[] */
    enum adv_ref_kind kind;
};

struct groups {
    struct arena a;
    struct given *given;
    size_t n_given, cap_given;
    struct ref_pair *pairs;
    size_t n_pairs, cap_pairs;
    struct joins *joins;
    const char **names; /* sorted, each once */
    uint32_t n;
    uint32_t *best;        /* by root: the id that names the group */
    const char **by_group; /* names by group, then by bytes */
    uint32_t *starts;      /* by root: in by_group; its length is joins' size */
};

struct groups *groups_new(void)
{
    struct groups *g = xcalloc(1, sizeof *g);
    arena_init(&g->a);
    return g;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    joins_free(g->joins);
    free(g->given);
    free(g->pairs);
    free(g->names);
    free(g->best);
    free(g->by_group);
    free(g->starts);
    arena_release(&g->a);
    free(g);
}

static uint32_t give(struct groups *g, const char *id)
{
    if (g->n_given == g->cap_given) {
        g->cap_given = g->cap_given ? 2 * g->cap_given : 256;
        g->given = xreallocarray(g->given, g->cap_given, sizeof *g->given);
    }
    uint32_t at = (uint32_t)g->n_given++;
    g->given[at] = (struct given){arena_strdup(&g->a, id), at};
    return at;
}

void groups_add(struct groups *g, const char *id, const struct adv_ref *refs, size_t n_refs)
{
    uint32_t from = give(g, id);
    for (size_t i = 0; i < n_refs; i++) {
        if (refs[i].kind == ADV_RELATED)
            continue;
        if (g->n_pairs == g->cap_pairs) {
            g->cap_pairs = g->cap_pairs ? 2 * g->cap_pairs : 256;
            g->pairs = xreallocarray(g->pairs, g->cap_pairs, sizeof *g->pairs);
        }
        g->pairs[g->n_pairs++] = (struct ref_pair){from, give(g, refs[i].id), refs[i].kind};
    }
}

static int cmp_given(const void *pa, const void *pb)
{
    return strcmp(((const struct given *)pa)->id, ((const struct given *)pb)->id);
}

bool id_is_cve(const char *id)
{
    size_t digits = 0;
    if (strncmp(id, "CVE-", 4) != 0)
        return false;
    for (const char *p = id + 4; *p; p++) {
        if (p == id + 8) {
            if (*p != '-')
                return false;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        digits++;
    }
    return digits >= 8;
}

int id_cmp(const char *a, const char *b)
{
    bool ca = id_is_cve(a), cb = id_is_cve(b);
    if (ca != cb)
        return ca ? -1 : 1;
    if (ca && strncmp(a, b, 9) == 0 && strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcmp(a, b);
}

/* Numbers each id once: names, and in given[i].at the number of the i-th given. */
static void number(struct groups *g)
{
    uint32_t *of = xreallocarray(NULL, g->n_given, sizeof *of);
    g->names = xreallocarray(NULL, g->n_given, sizeof *g->names);
    if (g->n_given > 0) /* qsort of no array is undefined */
        qsort(g->given, g->n_given, sizeof *g->given, cmp_given);
    for (size_t i = 0; i < g->n_given; i++) {
        if (i == 0 || strcmp(g->given[i].id, g->given[i - 1].id) != 0)
            g->names[g->n++] = g->given[i].id;
        of[g->given[i].at] = g->n - 1;
    }
    for (size_t i = 0; i < g->n_pairs; i++) {
        g->pairs[i].from = of[g->pairs[i].from];
        g->pairs[i].to = of[g->pairs[i].to];
    }
    free(of);
    free(g->given);
    g->given = NULL;
}

void groups_close(struct groups *g)
{
    number(g);
    g->joins = joins_new(g->n);
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct ref_pair *p = &g->pairs[i];
        if (p->kind == ADV_ALIAS)
            joins_alias(g->joins, p->from, p->to);
        else
            joins_upstream(g->joins, p->from, p->to);
    }
    free(g->pairs);
    g->pairs = NULL;
    joins_close(g->joins);

    g->best = xreallocarray(NULL, g->n, sizeof *g->best);
    g->starts = xreallocarray(NULL, g->n, sizeof *g->starts);
    g->by_group = xreallocarray(NULL, g->n, sizeof *g->by_group);
    uint32_t *fill = xreallocarray(NULL, g->n, sizeof *fill), sum = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        g->best[i] = NONE;
        fill[i] = g->starts[i] = sum;
        if (joins_root(g->joins, i) == i)
            sum += g->joins->size[i];
    }
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t root = joins_root(g->joins, i);
        if (g->best[root] == NONE || id_cmp(g->names[i], g->names[g->best[root]]) < 0)
            g->best[root] = i;
        g->by_group[fill[root]++] = g->names[i];
    }
    free(fill);
}

static uint32_t find(const struct groups *g, const char *id)
{
    uint32_t lo = 0, hi = g->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(g->names[mid], id);
        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NONE;
}

const char *groups_name(const struct groups *g, const char *id)
{
    uint32_t i = find(g, id);
    return i == NONE ? id : g->names[g->best[joins_root(g->joins, i)]];
}

size_t groups_about(const struct groups *g, const char *id, const char **out, size_t max)
{
    uint32_t i = find(g, id);
    if (i == NONE) {
        if (max > 0)
            out[0] = id;
        return 1;
    }
    uint32_t *roots = xreallocarray(NULL, max, sizeof *roots);
    size_t n = joins_about(g->joins, i, roots, max);
    for (size_t k = 0; k < n && k < max; k++)
        out[k] = g->names[g->best[roots[k]]];
    free(roots);
    return n;
}

const char *const *groups_members(const struct groups *g, const char *id, size_t *n)
{
    uint32_t i = find(g, id);
    *n = 0;
    if (i == NONE)
        return NULL;
    uint32_t root = joins_root(g->joins, i);
    *n = g->joins->size[root];
    return g->by_group + g->starts[root];
}

/* Does another source than NVD speak for this id? */
static bool has_record(const struct advisory *const *advs, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (advs[i]->source == ADV_CVE5 && strcmp(advs[i]->id, id) == 0)
            return true;
    return false;
}

static bool rejected(const struct advisory *const *advs, size_t n, const char *id)
{
    bool record = has_record(advs, n, id);
    for (size_t i = 0; i < n; i++)
        if (strcmp(advs[i]->id, id) == 0 && advs[i]->state == ADV_REJECTED && (advs[i]->source == ADV_CVE5) == record)
            return true;
    return false;
}

bool group_speaks(const struct advisory *const *advs, size_t n, const struct advisory *adv)
{
    return adv->state == ADV_LIVE && !(adv->source == ADV_NVD && rejected(advs, n, adv->id));
}

enum group_life group_life(const struct advisory *const *advs, size_t n)
{
    bool live = false, reject = false;
    for (size_t i = 0; i < n; i++) {
        live |= group_speaks(advs, n, advs[i]);
        reject |= advs[i]->state == ADV_REJECTED && rejected(advs, n, advs[i]->id);
    }
    if (n == 0 || (live && !reject))
        return GROUP_LIVE;
    return live ? GROUP_DOUBTFUL : reject ? GROUP_REJECTED : GROUP_WITHDRAWN;
}
