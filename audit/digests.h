/* A set of digests, each with its place in the order in which they came: what entries name, looked up without going
 * through all of it. Whoever writes a log chooses the names in it, so places are drawn with a secret of the process. */
#ifndef ANDON_AUDIT_DIGESTS_H
#define ANDON_AUDIT_DIGESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/tree.h"

#define DIGESTS_NONE SIZE_MAX

struct digests {
    uint8_t (*v)[HASH_LEN]; /* n of them, in order */
    size_t n, cap;
    size_t *slot; /* 0, or a place + 1; n_slots of them, a power of two */
    size_t n_slots;
    uint64_t secret[HASH_LEN / 8];
};
void digests_release(struct digests *d); /* frees what it holds; a zeroed one is empty */
/* Its place; DIGESTS_NONE: it is not there. */
size_t digests_find(const struct digests *d, const uint8_t digest[HASH_LEN]);
/* Its place; d->n grows when it was not there. */
size_t digests_add(struct digests *d, const uint8_t digest[HASH_LEN]);

#endif
