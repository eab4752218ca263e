/* The part "census": which devices are concerned and what they run, into the log as an entry of kind "evidence" with a
 * list as a blob: at each halt, at the end of a wave, when a roll back begins and when it has ended.
 *
 * By what the engine knows already: nothing is asked for. The list is made after the entry that it belongs to (both
 * have the same corr), a few thousand devices a turn of the loop, so that it keeps no halt of another rollout waiting.
 */
#ifndef ANDON_ENGINE_CENSUS_H
#define ANDON_ENGINE_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/parts.h"

struct census;

struct en_census {
    struct census *list; /* that are being made, in the order of their beginning */
    int64_t from;        /* the engine's start: of what is older somebody else has told */
};
struct ro_census {
    uint64_t halt; /* the halt of the newest list, 0 */
};
struct wv_census {
    bool running; /* it was seen so, and no list was made since */
};

/* One device as it stands in a list. NULL and 0: not known. */
struct census_device {
    const char *raw_id;               /* as in struct device */
    const char *state;                /* a word: what became of it */
    const char *status;               /* the server's word for it */
    const char *installed, *assigned; /* "name:version" */
    const char *before;               /* what it had before this rollout told it */
    int wave;
    int64_t installed_at, last_seen; /* the server's clock */
    int64_t as_of;                   /* when the server was asked, engine clock */
};
/* Where the devices of a list come from, when they are not a rollout's told waves: the i-th, until false. */
struct census_source {
    const void *owner;
    bool (*device)(const void *owner, size_t i, struct census_device *out);
};

/* A list of the told waves of a rollout, or of one (wave >= 0). `why` is the entry's result and has static storage. */
void census_of_rollout(struct ro *ro, uint64_t corr, const char *why, int wave);
/* A list from elsewhere, about the rollout. Forgotten by census_forget, before the owner goes. */
void census_of(struct ro *ro, uint64_t corr, const char *why, const struct census_source *from);
void census_forget(struct engine *en, const void *owner);

extern const struct part part_census;

#endif
