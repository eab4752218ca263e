/* What is read of a mirrored file goes into the store as bytes and comes back the same. */
#ifndef ANDON_FUZZ_INTEL_H
#define ANDON_FUZZ_INTEL_H

#include "fuzz.h"

#include <string.h>
#include "core/arena.h"
#include "intel/codec.h"

/* Written, read, and written again: the same bytes. */
#define FUZZ_AGAIN(a, value, name, tag)                                                                                \
    do {                                                                                                               \
        struct buf once_, again_;                                                                                      \
        struct tag back_;                                                                                              \
        buf_init(&once_, (size_t)64 << 20);                                                                            \
        buf_init(&again_, (size_t)64 << 20);                                                                           \
        encode_##name(&once_, (value));                                                                                \
        must(decode_##name((struct slice){once_.data, once_.len}, (a), &back_));                                       \
        encode_##name(&again_, &back_);                                                                                \
        must(once_.len == again_.len && memcmp(once_.data, again_.data, once_.len) == 0);                              \
        buf_release(&once_);                                                                                           \
        buf_release(&again_);                                                                                          \
    } while (0)

typedef bool advisory_reader(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e);

static inline void fuzz_advisory(advisory_reader *read, const uint8_t *data, size_t n)
{
    struct arena a;
    struct advisory v;
    struct err e = {0};
    arena_init(&a);
    if (read((const char *)data, n, &a, &v, &e)) {
        must(*v.id && strlen(v.id) < ADV_ID_MAX && strlen(v.summary) <= 163);
        FUZZ_AGAIN(&a, &v, advisory, advisory);
    } else {
        must(fuzz_shown(e.what) && *e.what);
    }
    arena_release(&a);
}

#endif
