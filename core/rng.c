#include "core/rng.h"

#include <math.h>
#include <string.h>

void rng_init(struct rng *r, uint64_t seed)
{
    r->s = seed;
}

void rng_init_named(struct rng *r, uint64_t seed, const char *name)
{
    struct rng mix = {seed ^ hash_bytes(name, strlen(name))};
    r->s = rng_u64(&mix);
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t z = (r->s += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    /* Values under `skip` would make the first residues more likely than the rest. */
    uint64_t skip = (UINT64_MAX - n + 1) % n, x;
    do
        x = rng_u64(r);
    while (x < skip);
    return x % n;
}

double rng_exp(struct rng *r, double mean)
{
    return -mean * log(1.0 - rng_unit(r));
}

double rng_normal(struct rng *r)
{
    double u, v, s;
    do {
        u = 2 * rng_unit(r) - 1;
        v = 2 * rng_unit(r) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * log(s) / s);
}

double rng_gamma(struct rng *r, double shape)
{
    if (shape < 1) /* the paper's own boost for small shapes */
        return rng_gamma(r, shape + 1) * pow(1.0 - rng_unit(r), 1 / shape);
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = rng_normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        double u = 1.0 - rng_unit(r);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

uint64_t hash_bytes(const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * UINT64_C(0x100000001b3);
    return h;
}
