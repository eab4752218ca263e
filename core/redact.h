/* Which values of an entry are about persons, and can be erased later without a leaf that changes: in the leaf stands a
 * commitment, the value itself beside the tree (audit/opening.h). Nothing is unless the configuration asks for it. */
#ifndef ANDON_CORE_REDACT_H
#define ANDON_CORE_REDACT_H

#include <stdbool.h>
#include "core/slice.h"

enum {
    REDACT_PERSON = 1, /* names and numbers of accounts, and whoever says who he is */
    REDACT_ADDRESS = 2,
    REDACT_HOST = 4,
    REDACT_REASON = 8, /* what people write in words of their own */
    REDACT_ALL = 15
};

/* "person", "address", "host", "reason" by their bits, in this order; NULL past the last. */
const char *redact_word(size_t i);
/* The bit of a word; 0 for what is none. */
unsigned redact_from_word(const char *word);
/* The kinds that a member of an entry belongs to, by its path ("actor.name", "f.approval.by", "host.kernel.uid");
 * 0: none. `own`: it comes from the actor himself, and is of no person where that is a rule. */
unsigned redact_kinds(struct slice path, bool *own);

#endif
