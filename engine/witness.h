/* The part "witness": what the notary says, as the worker sees it, and the verbs that wait for it.
 *
 * A policy may ask that some verbs go out only when the entry of their intent is witnessed (struct witness_policy):
 * then what is done is known outside this host before it is done. They wait here, for so long as the policy says; a
 * halt never does. While a witness contradicts the log all verbs but halts are refused (verbs_facts.c). */
#ifndef ANDON_ENGINE_WITNESS_H
#define ANDON_ENGINE_WITNESS_H

#include "engine/notary.h"
#include "engine/parts.h"

#define WITNESS_LATE_US (5 * 60 * INT64_C(1000000))  /* without a witness for so long: people are told */
#define WITNESS_SAID_US (60 * 60 * INT64_C(1000000)) /* how long they are told that a witness has lost its memory */

struct witness_wait;
struct en_witness {
    struct notary *notary; /* of the spec; NULL: nobody witnesses this log */
    struct notary_view view;
    uint64_t generation;
    int64_t told_size; /* of the log, that the notary was told */
    struct witness_wait *waits;
};

/* Does the verb have to wait? Then `then` is called, once its entry (op->log_seq) is witnessed; not when it is refused
 * for want of that. */
bool witness_hold(struct engine *en, struct op *op, void (*then)(struct engine *en, struct op *op));
/* Before its intent: can it ever go out? False with *why: the policy asks for more witnesses than there are. */
bool witness_can(const struct engine *en, const struct op *op, struct err *why);
/* What contradicts the log, "". */
const char *witness_alarm(const struct engine *en);
/* Why the newest entries have no witness, or are not noted where they should be, once that lasts (WITNESS_LATE_US), or
 * which witness has lost its memory (for WITNESS_SAID_US); "" = none of it, or it is early. */
void witness_late(const struct engine *en, char *out, size_t size);

extern const struct part part_witness;

#endif
