/* The part "show": snapshots: what the worker knows, copied into one arena and handed to the door. */
#ifndef ANDON_ENGINE_SHOW_H
#define ANDON_ENGINE_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include "core/snapshot.h"
#include "engine/parts.h"

struct en_show {
    bool dirty; /* something has changed since the newest snapshot: mark() */
    int64_t published_at, lively_until;
    uint64_t generation;
    int64_t minute_done, minute_failed, minute_at; /* of the pulse, as last counted */
    bool minute_known;
    float updating_trend[TREND_N], failed_trend[TREND_N];
};

void show_lively(struct engine *en); /* somebody waits for what is to come: for a while snapshots come fast */
/* A snapshot, when there is something new and it is time. quiet: nothing is under way; drilled: who moves the time of a
 * drill looks at the newest one just then. */
void show_maybe(struct engine *en, bool quiet, bool drilled);
int64_t show_due(struct engine *en); /* when the next one may be made; TIME_NEVER when nothing is new */
/* ---- show_rollout.c ---- */
void show_rollout(struct snapshot *s, const struct ro *ro, struct rollout_view *v);

extern const struct part part_show;

#endif
