#include "core/tick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tick_restart(struct tick *k, int64_t t)
{
    k->t = t;
    k->samples = 0;
    if (k->n)
        memset(k->at, 0, k->n * sizeof *k->at);
}

void tick_clear(struct tick *k, int64_t t)
{
    tick_restart(k, t);
    for (size_t i = 0; i < k->n * k->columns; i++)
        k->v[i] = NAN;
}

void tick_init(struct tick *k, int64_t t, size_t n, size_t columns)
{
    *k = (struct tick){.n = n, .columns = columns};
    k->at = xcalloc(n + 1, sizeof *k->at);
    k->v = xreallocarray(NULL, n * columns + 1, sizeof *k->v);
    tick_clear(k, t);
}

void tick_release(struct tick *k)
{
    free(k->at);
    free(k->v);
    *k = (struct tick){0};
}

void tick_in(struct arena *a, struct tick *k, int64_t t, size_t n, size_t columns)
{
    *k = (struct tick){.n = n, .columns = columns};
    k->at = ARENA_ARRAY(a, int64_t, n + 1);
    k->v = ARENA_ARRAY(a, double, n *columns + 1);
    tick_clear(k, t);
}

void tick_copy(struct tick *to, const struct tick *from)
{
    *to = *from;
    to->at = xcalloc(from->n + 1, sizeof *to->at);
    to->v = xcalloc(from->n * from->columns + 1, sizeof *to->v);
    if (from->n) {
        memcpy(to->at, from->at, from->n * sizeof *to->at);
        memcpy(to->v, from->v, from->n * from->columns * sizeof *to->v);
    }
}

double *tick_put(struct tick *k, size_t device, int64_t at)
{
    k->samples += at > 0 && k->at[device] <= 0;
    k->at[device] = at;
    return tick_row(k, device);
}
