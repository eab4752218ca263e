/* Rehearsal: what a policy would have done about a rollout of the past.
 *
 * Replays one rollout against a policy, tick by tick, through the code that judges a live one: facts from the fleet
 * server as they are now (when waves were told, which devices installed and when), telemetry from the history of its
 * source. Nothing is sent to the server but readings. */
#ifndef ANDON_ENGINE_REHEARSE_H
#define ANDON_ENGINE_REHEARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/snapshot.h"

struct engine_seam;

struct rehearsal_spec {
    const struct fleet_spec *fleet; /* its connections; its policies are not used */
    const char *rollout;            /* id */
    const struct policy *policy;
    int64_t until; /* telemetry's time; 0 = until the rollout ended, or now */
    struct clock *clock;
    uint64_t seed;
    const struct engine_seam *seam;                 /* NULL */
    void (*progress)(void *ctx, double share_of_1); /* NULL; called now and then */
    void *ctx;
};

/* The verdict on a wave has changed. */
struct rehearsal_line {
    int64_t t; /* telemetry's time */
    int wave;
    enum reaction react;
    enum reaction would; /* what dry-run rules would have added */
    const char *rule;    /* "" */
    const char *text;
};

struct rehearsal {
    struct arena arena; /* of everything here */
    const char *rollout, *name;
    enum rollout_state state; /* that it has now */
    int64_t start, end;       /* first and last tick */
    int64_t ticks, devices;   /* fed; in the population */
    int64_t unknown;          /* told devices of which nobody knows when they installed: not compared */
    const struct rehearsal_line *v;
    size_t n;
    bool clipped;            /* there were more lines */
    enum reaction worst;     /* of all waves and times */
    int64_t halted_at;       /* first pause or roll back, 0 = none; the replay goes on as if nothing had been done */
    int halted_wave;         /* -1 */
    const char *halted_by;   /* rule or test, "" */
    int64_t told_by_then;    /* devices told when it would have halted */
    struct trial_view trial; /* how the tests stood at the end */
    const char *text;        /* one sentence */
};

/* Takes as long as the source needs to answer; the caller frees with rehearsal_release, also after false. False with
 * *e: no telemetry source, or one without history (ERR_UNSUPPORTED); the rollout is not there, or told nobody; an
 * answer that cannot be had. */
bool rehearse(const struct rehearsal_spec *spec, struct rehearsal *out, struct err *e) ANDON_MUST_USE;
void rehearsal_release(struct rehearsal *r);

#endif
