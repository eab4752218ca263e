#include "audit/digests.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "core/buf.h"

/* Multiply and shift: without the secret nobody can choose digests that meet in one slot. */
static size_t slot_of(const struct digests *d, const uint8_t digest[HASH_LEN])
{
    uint64_t h = 0;
    for (size_t i = 0; i < HASH_LEN / 8; i++) {
        uint64_t w;
        memcpy(&w, digest + 8 * i, 8);
        h += (w ^ w >> 32) * d->secret[i];
        h ^= h >> 29;
    }
    return (size_t)(h * d->secret[0] >> 20) & (d->n_slots - 1);
}

static size_t *find(const struct digests *d, const uint8_t digest[HASH_LEN])
{
    size_t at = slot_of(d, digest);
    while (d->slot[at] && memcmp(d->v[d->slot[at] - 1], digest, HASH_LEN) != 0)
        at = (at + 1) & (d->n_slots - 1);
    return &d->slot[at];
}

/* Half of the slots stay free. */
static void grow(struct digests *d)
{
    if (d->n_slots == 0) {
        (void)!getrandom(d->secret, sizeof d->secret, 0); /* without one: slow at worst */
        for (size_t i = 0; i < HASH_LEN / 8; i++)
            d->secret[i] |= 1;
    }
    d->n_slots = d->n_slots ? 2 * d->n_slots : 128;
    free(d->slot);
    d->slot = xcalloc(d->n_slots, sizeof *d->slot);
    for (size_t i = 0; i < d->n; i++)
        *find(d, d->v[i]) = i + 1;
}

void digests_release(struct digests *d)
{
    free(d->v);
    free(d->slot);
    *d = (struct digests){0};
}

size_t digests_find(const struct digests *d, const uint8_t digest[HASH_LEN])
{
    return d->n ? *find(d, digest) - 1 : DIGESTS_NONE;
}

size_t digests_add(struct digests *d, const uint8_t digest[HASH_LEN])
{
    if (2 * d->n >= d->n_slots)
        grow(d);
    size_t *slot = find(d, digest);
    if (*slot)
        return *slot - 1;
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 64;
        d->v = xreallocarray(d->v, d->cap, sizeof *d->v);
    }
    memcpy(d->v[d->n], digest, HASH_LEN);
    *slot = ++d->n;
    return d->n - 1;
}
