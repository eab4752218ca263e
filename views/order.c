/* Order of the rows, and a cursor that follows what it stands on.
 *
 * A list that re-sorts under a moving hand makes people act on the wrong row. So rows keep their places for two
 * seconds after a key press, and the cursor is an id, never a row number. */
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "views/app.h"

void order_release(struct order *o)
{
    free(o->v);
    free(o->key);
    *o = (struct order){0};
}

struct ranked {
    uint64_t key;
    uint32_t rank;
};

static int by_key(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    return a->key < b->key ? -1 : a->key > b->key ? 1 : 0;
}

struct sorting {
    const struct order_source *src;
    const uint32_t *place; /* NULL: no held places */
};

static int compare(const void *x, const void *y, void *ctx)
{
    const struct sorting *s = ctx;
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    if (s->place && s->place[a] != s->place[b])
        return s->place[a] < s->place[b] ? -1 : 1;
    int r = s->src->cmp(s->src->ctx, a, b);
    return r ? r : a < b ? -1 : a > b ? 1 : 0;
}

/* The place that each source row had on the screen; rows that were not there come last. */
static uint32_t *old_places(const struct order *o, const struct order_source *src)
{
    struct ranked *r = xreallocarray(NULL, o->n + 1, sizeof *r);
    for (size_t i = 0; i < o->n; i++)
        r[i] = (struct ranked){o->key[i], (uint32_t)i};
    qsort(r, o->n, sizeof *r, by_key);
    uint32_t *place = xreallocarray(NULL, src->n + 1, sizeof *place);
    for (uint32_t i = 0; i < src->n; i++) {
        struct ranked want = {src->id(src->ctx, i), 0};
        const struct ranked *hit = bsearch(&want, r, o->n, sizeof *r, by_key);
        place[i] = hit ? hit->rank : UINT32_MAX;
    }
    free(r);
    return place;
}

void order_make(struct order *o, const struct order_source *src, uint64_t made_of, uint64_t asked, bool frozen)
{
    if (o->v && o->made_of == made_of && o->asked == asked && (!o->dirty || frozen))
        return;
    frozen = frozen && o->asked == asked;
    uint32_t *place = frozen && o->n ? old_places(o, src) : NULL;
    if (src->n > o->cap || !o->v) {
        o->cap = src->n + 16;
        o->v = xreallocarray(o->v, o->cap, sizeof *o->v);
        o->key = xreallocarray(o->key, o->cap, sizeof *o->key);
    }
    o->n = 0;
    for (uint32_t i = 0; i < src->n; i++) {
        if (src->match(src->ctx, i))
            o->v[o->n++] = i;
    }
    struct sorting s = {src, place};
    qsort_r(o->v, o->n, sizeof *o->v, compare, &s);
    for (size_t i = 0; i < o->n; i++)
        o->key[i] = src->id(src->ctx, o->v[i]);
    o->dirty = place != NULL;
    o->made_of = made_of;
    o->asked = asked;
    free(place);
}

uint64_t order_mix(uint64_t h, const void *p, size_t n)
{
    return (h ^ hash_bytes(p, n)) * UINT64_C(0x9E3779B97F4A7C15) + 1;
}

bool list_key(struct list *l, size_t n, uint32_t key)
{
    size_t page = l->page > 1 ? (size_t)l->page - 1 : 1, last = n ? n - 1 : 0, at = l->cursor;
    switch (key) {
    case KEY_UP_:
    case 'k':
        at = at ? at - 1 : 0;
        break;
    case KEY_DOWN_:
    case 'j':
        at = at < last ? at + 1 : last;
        break;
    case KEY_PGUP_:
        at = at > page ? at - page : 0;
        break;
    case KEY_PGDN_:
        at = last - at > page ? at + page : last;
        break;
    case 0x15: /* Ctrl-U */
        at = at > page / 2 ? at - page / 2 : 0;
        break;
    case 0x04: /* Ctrl-D */
        at = last - at > page / 2 ? at + page / 2 : last;
        break;
    case KEY_HOME_:
    case 'g':
        at = 0;
        break;
    case KEY_END_:
    case 'G':
        at = last;
        break;
    default:
        return false;
    }
    l->cursor = at;
    return true;
}

void list_clip(struct list *l, size_t n, int page)
{
    size_t p = page > 0 ? (size_t)page : 1;
    l->page = page;
    if (l->cursor >= n)
        l->cursor = n ? n - 1 : 0;
    if (l->top > l->cursor)
        l->top = l->cursor;
    if (l->cursor >= l->top + p)
        l->top = l->cursor - p + 1;
    if (l->top + p > n)
        l->top = n > p ? n - p : 0;
}
