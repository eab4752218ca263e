/* What devices share that the rest do not: attributes that are more common among the bad ones than among all. */
#ifndef ANDON_CORE_SHARE_H
#define ANDON_CORE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_MAX 8

struct share {
    const char *key, *value; /* the caller's strings */
    int64_t bad, of_bad;     /* bad devices that have it, bad devices */
    int64_t all, of_all;     /* the same among all compared devices (bad ones included) */
    double lift;             /* share among the bad / share among all */
};
/* Attribute a of device i is values[i * n_keys + a], an index into names (of that value's text) or -1: unknown.
 * `bad[i]` says which are bad. Finds the (key, value) pairs with the highest lift that the bad ones do not have by
 * chance alone (hypergeometric tail <= 0.01 after dividing by the number of pairs looked at), strongest first; returns
 * how many. */
size_t share_find(const char *const *keys, size_t n_keys, const int32_t *values, const char *const *names,
                  size_t n_names, const bool *bad, size_t n, struct share out[SHARE_MAX]);

#endif
