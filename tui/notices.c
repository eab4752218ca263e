/* See notices.h. */
#include "tui/notices.h"

#include <stdlib.h>
#include <string.h>
#include "core/err.h"

enum { STANDING_MAX = 128 };

/* Halts ring by themselves (views/app.c), a watch rings never. */
static bool rings(enum notice_kind k)
{
    return k == NOTICE_LOST || k == NOTICE_GATE || k == NOTICE_ROLLBACK;
}

static size_t find(const struct notices *b, const char *key)
{
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->v[i].n.key, key) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* A place for one more: the oldest that does not stand any more makes room. SIZE_MAX when all stand: what is evicted
 * while it stands would ring at each look. */
static size_t place(struct notices *b)
{
    size_t oldest = SIZE_MAX;
    if (b->n < NOTICES_KEPT)
        return b->n++;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->v[i].standing && (oldest == SIZE_MAX || b->v[i].told < b->v[oldest].told))
            oldest = i;
    }
    return oldest;
}

struct told {
    struct notice *out;
    size_t n, max;
};

static void tell(struct told *t, const struct notice *n)
{
    if (t->n < t->max)
        t->out[t->n++] = *n;
}

static void stands(struct notices *b, const struct notice *n, int64_t now, struct told *t)
{
    size_t i = find(b, n->key);
    bool fresh = i == SIZE_MAX;
    if (fresh) {
        i = place(b);
        if (i == SIZE_MAX)
            return;
        b->v[i].standing = false;
        b->v[i].told = 0;
    }
    bool due = !b->v[i].standing && (fresh || now - b->v[i].told >= NOTICES_AGAIN);
    b->v[i].n = *n;
    b->v[i].standing = b->v[i].seen = true;
    if (!due)
        return;
    b->v[i].told = now;
    if (b->looked)
        tell(t, n);
}

/* What does not stand any more; the end of a roll back is news. */
static void ends(struct notices *b, const struct snapshot *s, int64_t now, struct told *t)
{
    for (size_t i = 0; i < b->n; i++) {
        struct notice *n = &b->v[i].n;
        if (b->v[i].seen || !b->v[i].standing || strcmp(n->fleet, s->fleet) != 0 || !notice_can_end(s, n))
            continue;
        b->v[i].standing = false;
        if (n->kind != NOTICE_ROLLBACK)
            continue;
        struct notice end = *n;
        notice_end(&end, s, now);
        tell(t, &end);
    }
}

size_t notices_new(struct notices *b, struct snapshot *const *snaps, size_t n_snaps, int64_t now, struct notice *out,
                   size_t max)
{
    struct told t = {.out = out, .max = max};
    struct notice *all = xcalloc(STANDING_MAX, sizeof *all);
    bool known = false;
    for (size_t i = 0; i < b->n; i++)
        b->v[i].seen = false;
    for (size_t k = 0; k < n_snaps; k++) {
        if (!snaps[k])
            continue;
        known = known || snaps[k]->rollouts_known;
        size_t n = notice_standing(snaps[k], now, all, STANDING_MAX);
        for (size_t i = 0; i < n; i++) {
            if (rings(all[i].kind))
                stands(b, &all[i], now, &t);
        }
        ends(b, snaps[k], now, &t);
    }
    b->looked = b->looked || known;
    free(all);
    return t.n;
}
