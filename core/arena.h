/* Arena: memory for things that live and die together (a snapshot, one decoded answer).
 *
 * Bump allocation in chunks; nothing is freed before the arena is. Not thread-safe: one owner at a time. */
#ifndef ANDON_CORE_ARENA_H
#define ANDON_CORE_ARENA_H

#include <stddef.h>
#include "core/err.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t used; /* bytes handed out, for limits and for measuring */
};

/* An empty arena; no memory is taken yet. */
void arena_init(struct arena *a);
void arena_release(struct arena *a); /* frees all; the arena may be used again after it */

/* Never NULL; aligned for any type; zeroed. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t count, size_t size); /* overflow-checked */
char *arena_strdup(struct arena *a, const char *s);            /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) ANDON_PRINTF(2, 3);
void *arena_memdup(struct arena *a, const void *p, size_t n);

#define ARENA_NEW(a, T)      ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (n), sizeof(T)))

#endif
