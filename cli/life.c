#include "cli/life.h"

#include <stdio.h>
#include <string.h>
#include "intel/store.h"

struct lives {
    const struct intel_life *v;
    size_t n;
};
struct products {
    struct product {
        const char *name;
        struct lives of;
    } * v;
    size_t n;
};

/* "23.05.3" is of the cycle "23.05": the longest that is the version, or its beginning up to a dot. */
static const struct intel_life *cycle_of(const struct lives *l, const char *version)
{
    const struct intel_life *best = NULL;
    for (size_t i = 0; i < l->n; i++) {
        size_t n = strlen(l->v[i].cycle);
        if (strncmp(l->v[i].cycle, version, n) == 0 && (!version[n] || version[n] == '.') &&
            (!best || n > strlen(best->cycle)))
            best = &l->v[i];
    }
    return best;
}

/* The last day with fixes for security, else the last of any support. One that is said to have ended without a day has
 * none: it is not known which. */
static int64_t life(void *ctx, const char *product, const char *cycle)
{
    const struct products *p = ctx;
    for (size_t i = 0; i < p->n; i++) {
        const struct intel_life *l = strcmp(p->v[i].name, product) == 0 ? cycle_of(&p->v[i].of, cycle) : NULL;
        if (l)
            return l->end_of_security ? l->end_of_security : l->end_of_support;
    }
    return 0;
}

void life_fill(struct inv_rules *r, const char *intel_db, struct arena *a)
{
    struct err e = {0};
    struct products *p = ARENA_NEW(a, struct products);
    *p = (struct products){.v = ARENA_ARRAY(a, struct product, r->n + 1)};
    for (size_t i = 0; i < r->n; i++) {
        const struct inv_says *says = &r->v[i].says[INV_LIFE];
        bool again = says->kind != SAYS_PRODUCT;
        for (size_t k = 0; k < p->n && !again; k++)
            again = strcmp(p->v[k].name, says->text) == 0;
        if (!again)
            p->v[p->n++] = (struct product){.name = says->text};
    }
    if (p->n == 0)
        return;
    struct intel_store *s = intel_open(intel_db, false, &e);
    bool ok = s != NULL;
    for (size_t i = 0; i < p->n && ok; i++)
        ok = intel_lives(s, p->v[i].name, a, &p->v[i].of.v, &p->v[i].of.n, &e);
    intel_close(s);
    if (!ok)
        fprintf(stderr, "andon: ends of life by a product are not known: %s\n", e.what);
    r->life = life;
    r->life_ctx = p;
}
