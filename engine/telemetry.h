/* The part "telemetry": when the telemetry source is asked, its beat.
 *
 * A source that keeps history is asked on a grid of its own interval, for the values as of each tick, a little after
 * the tick so that the scrapes of it are in: two watchers of the same source then see the same values at the same
 * times. A source without history is asked at even intervals; its values belong to the tick before. */
#ifndef ANDON_ENGINE_TELEMETRY_H
#define ANDON_ENGINE_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/facts.h"
#include "engine/parts.h"

struct en_telemetry {
    struct link link;
    bool waits;                   /* for what the log left to be halted: nothing is asked for yet */
    int64_t until;                /* at the latest */
    int polls;                    /* on its beat */
    bool extra;                   /* the one under way is off the beat */
    int64_t answered;             /* when the newest one that has succeeded or failed was asked for */
    size_t watched;               /* devices that it is about */
    char lack[80];                /* what the newest good answer lacks, in words; "" */
    struct skew skew;             /* telemetry's clock less the fleet server's, as of the newest answer */
    int64_t skew_fleet, skew_own; /* the readings that it is of */
    bool compared;                /* both were new at the newest answer: one that is old tells nothing twice */
    int64_t tick;                 /* on the telemetry's grid, of the poll under way or the newest one */
    int64_t judged;               /* the same, of the newest one that has succeeded or failed; 0 */
};

/* Of the fleet's telemetry, us. */
int64_t beat_interval(const struct engine *en);
int64_t beat_settle(const struct engine *en); /* after a tick, before it is asked for: its scrapes are in by then */
bool beat_history(const struct engine *en);   /* the source answers for times gone by */

/* Since when this watcher has asked telemetry about so many of the wave's enrolled devices that they might be enough
 * (policy_report_needed); 0 = it has not yet asked about so many. A wave that is told while we watch has devices that
 * were watched before. */
int64_t telemetry_since(const struct ro *ro, size_t wave);

extern const struct part part_telemetry;

#endif
