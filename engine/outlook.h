/* The part "outlook": what to roll out next (core/outlook.h), computed again and again on a thread of its own, from
 * what was imported, from the inventory, from how the rollouts stand, and from what the log says people have accepted.
 *
 * The worker only hands in what it knows and takes what has come back: neither the store nor the log is touched on it,
 * so that nothing of this can delay a halt. Where there is no store, or it cannot be read, that is said. */
#ifndef ANDON_ENGINE_OUTLOOK_H
#define ANDON_ENGINE_OUTLOOK_H

#include <stdbool.h>
#include <stdint.h>
#include "core/err.h"
#include "core/snapshot.h"
#include "engine/parts.h"

#define OUTLOOK_LOOK_US  (30 * INT64_C(1000000))  /* somebody looks: has anything changed? */
#define OUTLOOK_IDLE_US  (300 * INT64_C(1000000)) /* else */
#define OUTLOOK_AGAIN_US (600 * INT64_C(1000000)) /* and without a change, since ages and what is due go on */

struct aside;
struct outlook;
struct en_outlook {
    struct aside *thread; /* NULL: not needed so far */
    unsigned outstanding; /* jobs that it has: none or one */
    struct outlook *held; /* the newest, NULL */
    char seen[65];        /* digest of what it was computed from */
    int64_t began;        /* the engine */
    int64_t computed;     /* when, engine clock */
    int64_t looked;       /* when it was last looked at, well or not; -1 = not so far */
    bool wanted;          /* somebody looks at it */
    bool again;           /* something has changed while it was computed */
    struct err err;       /* why there is none, or why it is the old one */
};

/* Somebody looks at something else. */
void outlook_look(struct engine *en, const struct focus *f);
/* The inventory has been counted anew: in the next turn it is computed again. */
void outlook_stir(struct engine *en);
void outlook_publish(struct engine *en, struct snapshot *s);

extern const struct part part_outlook;

#endif
