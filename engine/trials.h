/* The part "trials": the statistical trial of each rollout (core/trial.h), and what is kept of it. The driver's own
 * state is in engine/trial_run.h. */
#ifndef ANDON_ENGINE_TRIALS_H
#define ANDON_ENGINE_TRIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/json.h"
#include "core/policy.h"
#include "core/skew.h"
#include "core/snapshot.h"
#include "core/trial.h"
#include "engine/parts.h"

struct run;
struct trial_shown;
struct ro_ledger;
struct ledger_log;
struct tick_queue;
struct keeper;

struct en_trials {
    int64_t newest; /* newest tick that was polled */
    bool ranging;   /* history is being read */
    struct tick_queue *ticks;
    struct keeper *keeper;      /* NULL: nothing is kept */
    struct ledger_log *ledgers; /* NULL: not read so far */
    unsigned outstanding;       /* answers that the keeper owes */
    struct err keep_err;
    uint64_t run_serial;
};

#define ACKS_MAX 32
/* After each tick that was fed, in the trial's order. */
typedef void (*trial_tick_fn)(void *ctx, const struct tick *k);

struct ro_trials {
    struct run *run;           /* NULL: not tested (now); off says why */
    const char *off;           /* static */
    struct trial_shown *shown; /* what is shown of it, NULL = nothing */
    struct ro_ledger *ledger;  /* trial_ledger.c; NULL: not asked for yet */
    /* Ticks from the poll at which the clocks were seen to disagree to the one at which they agree again; 0 = never. */
    int64_t blind_from, blind_to;
    struct skew_gate clocks; /* telemetry's and the fleet server's; shut: ticks are taken as not measured */
    bool no_past; /* who only looks finds no kept evidence, and the source has no history: nothing to be said */
    int64_t acks[ACKS_MAX]; /* when people acknowledged its halts, ascending */
    size_t n_acks;
    trial_tick_fn each_tick; /* it is replayed, not watched (rehearse.c); NULL */
    void *each_ctx;
};

void trial_advance(struct ro *ro);           /* facts or telemetry have come in: as far as they go */
void trial_acked(struct ro *ro, int64_t at); /* a person acknowledged a halt */
/* The first wave of which only this host's clock says when it was told, -1. */
int trial_told_here(const struct ro *ro);
int trial_declared(const struct ro *ro);  /* waves that are tested: those that were known when the tests began */
bool trial_catching(const struct ro *ro); /* the evidence is not known yet */
/* The clocks of telemetry and of the fleet server are too far apart to tell an update's own reboot from the firmware's
 * doing: in words, "" = they are not. */
bool trial_clocks(const struct ro *ro, char *out, size_t size);
bool trial_waits_long(const struct ro *ro); /* for either so long, without coming nearer, that it holds the rollout */
/* The tests that are judged with a wave: those of the stage that runs. */
size_t trial_judged(const struct ro *ro, size_t wave, const struct evidence **out);
/* What a watched device (by its index in the watch set) has had since it counts, and which tests the policy has, as
 * sets of core/device_state.h. False: the rollout's tests say nothing of it (now). */
bool trial_of_device(const struct ro *ro, size_t dev, uint64_t *reached, uint64_t *tested);
/* The figures of the test that decided, and the level that reacted so, as members of an open object; false when `rule`
 * is no test. */
bool trial_figures(const struct ro *ro, const char *rule, enum reaction react, struct json_w *w);
bool trial_blob(const struct ro *ro, const char *rule, struct buf *out); /* everything that it was decided by */
bool trial_hours_left(const struct ro *ro, double *hours);               /* of canary watch, before promotion */
const char *trial_note(const struct ro *ro); /* what of its tests is not as the policy says; "" */
/* "NOT like control before the rollout (...)" of the canaries up to a wave; "" = like it, or not known. */
const char *trial_unlike(const struct ro *ro, size_t wave);
void trial_publish(const struct ro *ro, struct arena *a, struct trial_view *out);
/* For a rehearsal: the trial is fed up to `newest`, and `each` is told. */
void trial_rehearse(struct ro *ro, int64_t newest, trial_tick_fn each, void *ctx);
/* For tests: the state of a rollout's trial, to be fetched by another thread when the engine has stopped. */
bool engine_trial_bytes(struct engine *en, const char *rollout, struct buf *out, int64_t *tick);

extern const struct part part_trials;

#endif
