/* What devices share that the rest do not: attributes that are more common among the bad ones than among all. */
#ifndef ANDON_CORE_SHARE_H
#define ANDON_CORE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_MAX 8

struct share {
    const char *key, *value; /* the caller's strings */
    int64_t bad, of_bad;     /* bad devices that have it, bad devices whose key is known */
    int64_t all, of_all;     /* the same among all compared devices (bad ones included) */
    double lift;             /* share among the bad / share among all, > 1 */
};
/* Attribute a of device i is values[i * n_keys + a], an index into names (of that value's text) or -1: unknown.
 * `bad[i]` says which are bad. Finds the (key, value) pairs that the bad ones have more often than chance alone gives:
 * hypergeometric tail <= 0.01 after dividing by the number of pairs looked at, which are those that two devices or more
 * have, but not all. Least chance first, of equal chance the higher lift; returns how many. Cost O(n * n_keys). */
size_t share_find(const char *const *keys, size_t n_keys, const int32_t *values, const char *const *names,
                  size_t n_names, const bool *bad, size_t n, struct share out[SHARE_MAX]);

#endif
