#include "audit/open.h"

#include <stdlib.h>
#include <string.h>

void ops_init(struct ops *o)
{
    o->cap = 256;
    o->used = 0;
    o->slot = xcalloc(o->cap, sizeof *o->slot);
}

void ops_release(struct ops *o)
{
    free(o->slot);
    *o = (struct ops){0};
}

void ops_clear(struct ops *o)
{
    memset(o->slot, 0, o->cap * sizeof *o->slot);
    o->used = 0;
}

static struct op *find(struct op *slot, size_t cap, uint64_t corr)
{
    size_t i = (size_t)((corr * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);
    while (slot[i].corr != 0 && slot[i].corr != corr)
        i = (i + 1) & (cap - 1);
    return &slot[i];
}

static struct op *at(struct ops *o, uint64_t corr)
{
    struct op *p = find(o->slot, o->cap, corr);
    if (p->corr == corr)
        return p;
    if (o->used >= o->cap / 2) {
        struct op *wide = xcalloc(o->cap * 2, sizeof *wide);
        for (size_t i = 0; i < o->cap; i++) {
            if (o->slot[i].corr)
                *find(wide, o->cap * 2, o->slot[i].corr) = o->slot[i];
        }
        free(o->slot);
        o->slot = wide;
        o->cap *= 2;
        p = find(o->slot, o->cap, corr);
    }
    p->corr = corr;
    o->used++;
    return p;
}

void ops_see(struct ops *o, const struct leaf *l)
{
    if (l->corr == 0)
        return;
    if (leaf_is(l->kind, "intent") || leaf_is(l->kind, "halt")) {
        struct op *p = at(o, l->corr);
        if (p->seq == 0)
            p->seq = l->seq;
    } else if (leaf_is(l->kind, "outcome") || leaf_is(l->kind, "recovered")) {
        struct op *p = at(o, l->corr);
        p->ended = true;
        p->unknown = leaf_is(l->result, "unknown");
    }
}

void ops_count(const struct ops *o, int64_t *open, int64_t *unknown)
{
    *open = *unknown = 0;
    for (size_t i = 0; i < o->cap; i++) {
        *open += o->slot[i].seq > 0 && !o->slot[i].ended;
        *unknown += o->slot[i].unknown;
    }
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t *ops_open(const struct ops *o, size_t *n)
{
    int64_t *seq = xcalloc(o->used + 1, sizeof *seq);
    *n = 0;
    for (size_t i = 0; i < o->cap; i++) {
        if (o->slot[i].seq > 0 && !o->slot[i].ended)
            seq[(*n)++] = o->slot[i].seq;
    }
    qsort(seq, *n, sizeof *seq, ascending);
    return seq;
}
