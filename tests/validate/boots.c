/* Reboots of a simulated fleet. */
#include <math.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

struct boots boots_draw(struct rng *r, const double *rate, size_t n, int ticks)
{
    struct boots b = {NULL, 0}, sorted;
    size_t cap = 0;
    size_t *at = xcalloc((size_t)ticks + 2, sizeof *at);
    for (size_t i = 0; i < n; i++) {
        if (!(rate[i] > 0))
            continue;
        int before = 0;
        for (double t = rng_exp(r, PER_HOUR / rate[i]); t < ticks; t += rng_exp(r, PER_HOUR / rate[i])) {
            int tick = (int)t + 1 > before ? (int)t + 1 : before + 1;
            if (tick > ticks)
                break;
            before = tick;
            if (b.n == cap)
                b.v = xreallocarray(b.v, cap = cap ? cap * 2 : 256, sizeof *b.v);
            b.v[b.n++] = (struct boot){tick, (uint32_t)i};
            at[tick + 1]++;
        }
    }
    for (int k = 1; k < ticks + 2; k++) /* counting sort by tick */
        at[k] += at[k - 1];
    sorted = (struct boots){xreallocarray(NULL, b.n + 1, sizeof *sorted.v), b.n};
    for (size_t k = 0; k < b.n; k++)
        sorted.v[at[b.v[k].tick]++] = b.v[k];
    free(at);
    free(b.v);
    return sorted;
}

int boots_before(struct rng *r, double mean)
{
    int k = 0;
    for (double t = rng_exp(r, 1); t < mean; t += rng_exp(r, 1))
        k++;
    return k;
}

void boots_free(struct boots *b)
{
    free(b->v);
    b->v = NULL;
}
