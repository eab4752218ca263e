/* Operations and how they ended: which intents and halts have neither an outcome nor a recovered entry.
 *
 * The order of entries does not matter: a halt whose entry came late may stand after its outcome. */
#ifndef ANDON_AUDIT_OPEN_H
#define ANDON_AUDIT_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/leaf.h"

struct op {
    uint64_t corr; /* 0 = free slot */
    int64_t seq;   /* of the intent or halt, 0 = not seen */
    bool ended;    /* an outcome or recovered entry was seen */
    bool unknown;  /* the newest of those says "unknown" */
};

struct ops {
    struct op *slot; /* open addressing; a power of two */
    size_t cap, used;
};

/* An empty table; released by ops_release. */
void ops_init(struct ops *o);
/* Frees what it holds. */
void ops_release(struct ops *o);
/* Forgets everything, keeps the memory. */
void ops_clear(struct ops *o);
/* Takes note of an entry. Entries with corr 0 say nothing about operations. */
void ops_see(struct ops *o, const struct leaf *l);
/* Number of open and of unknown ones. */
void ops_count(const struct ops *o, int64_t *open, int64_t *unknown);
/* The seq of the open ones, ascending; free(). */
int64_t *ops_open(const struct ops *o, size_t *n);

#endif
