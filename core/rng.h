/* Seeded pseudo-random numbers (SplitMix64, Steele, Lea & Flood 2014): the same seed gives the same drill and the
 * same retry jitter. Not for keys. */
#ifndef ANDON_CORE_RNG_H
#define ANDON_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s;
};

/* Any seed is good, 0 too. */
void rng_init(struct rng *r, uint64_t seed);
/* A stream that depends on the seed and a name, so that adding one user of randomness does not shift another's. */
void rng_init_named(struct rng *r, uint64_t seed, const char *name);
uint64_t rng_u64(struct rng *r);
double rng_unit(struct rng *r);                /* [0,1) */
uint64_t rng_below(struct rng *r, uint64_t n); /* [0,n), n > 0, unbiased */
double rng_exp(struct rng *r, double mean);    /* exponential */
double rng_normal(struct rng *r);              /* mean 0, sd 1 (Marsaglia polar) */
double rng_gamma(struct rng *r, double shape); /* scale 1 (Marsaglia & Tsang 2000) */
uint64_t hash_bytes(const void *p, size_t n);  /* FNV-1a 64, for hash tables of trusted size */

#endif
