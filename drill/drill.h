/* The drill: an embedded fleet on loopback that speaks the hawkBit Management API as 1.x does and serves OpenMetrics,
 * with thousands of devices that poll, install, fail, reboot and burn CPU as a scenario says. Same seed, same outcome.
 *
 * The console can't tell it from a real fleet: it hands out an ordinary fleet_spec and a clock, nothing else. */
#ifndef ANDON_DRILL_DRILL_H
#define ANDON_DRILL_DRILL_H

#include <stdbool.h>
#include <stdint.h>
#include "conf/scenario.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/intent.h"
#include "core/snapshot.h"

struct drill;

struct drill_spec {
    const struct scenario *scenario; /* outlives the drill */
    uint64_t seed;
    double speed;    /* times real time; 0 = virtual: time jumps whenever the engine is idle */
    int port;        /* 0 = any */
    bool no_lead_in; /* the clock begins at time 0: nobody is there who could move virtual time on */
};

/* Builds the world and starts the server on 127.0.0.1. */
struct drill *drill_start(const struct drill_spec *spec, struct err *e);
void drill_stop(struct drill *d);
struct clock *drill_clock(struct drill *d);
/* A drill with a speed begins with the scenario's lead-in in virtual time, as fast as the engine on its clock can go.
 * Waits until that is over, at most so long (real time); false when it is not over yet. Virtual drills: true at once.
 */
bool drill_wait_begun(struct drill *d, int64_t timeout_us);
const struct fleet_spec *drill_fleet(struct drill *d); /* URL, telemetry, policy of the scenario */
int drill_port(const struct drill *d);

/* The scenario's `operator:` steps: what a person does when nobody is there. Looks at the newest snapshot; true with
 * *out filled when an intent is due now (call again until false). */
bool drill_operator(struct drill *d, const struct snapshot *s, struct intent *out);
/* True once, when the scenario's advisory is to be published: whoever keeps the intelligence imports it then. */
bool drill_publishes(struct drill *d);
/* Is the drill over at this time and snapshot (its `ends:` condition, or its time limit)? */
bool drill_over(struct drill *d, const struct snapshot *s);

/* A test's standing when the rollout was halted. */
struct drill_evidence {
    char test[64], plain[128]; /* "" = there was none */
    int wave;
    struct evidence e; /* its strings are these */
};
/* An attribute that the bad devices share, as it stood at the end. */
struct drill_share {
    char key[64], value[128];
    struct share share; /* its strings are these */
};

/* What happened, against what the scenario expects. Times are virtual, microseconds since time 0; -1 = never. Pointers
 * are the drill's. */
struct drill_result {
    bool passed;
    int64_t injected_at, detected_at, halted_at, rolled_back_at, ended_at;
    const char *detected_by;               /* limit or test, "" */
    int halts;                             /* in all; after an acknowledgement there may be another */
    int lifted;                            /* of them, those that were acknowledged */
    int64_t told_after;                    /* devices whose wave was started while a halt stood */
    int wrong_halts;                       /* of them, those that the scenario does not expect */
    const struct drill_evidence *evidence; /* at the first halt, of the test that halted or the one in front; NULL */
    const struct drill_share *shares;      /* strongest first */
    size_t n_shares;
    int64_t devices_broken_at_halt; /* that misbehaved when it was halted */
    int64_t devices_bad_at_halt;    /* devices that had received the bad firmware when it was halted */
    int64_t devices_total, devices_on_old, devices_on_new, devices_broken; /* the world's own truth at the end */
    /* Of an advisory, else -1: the fix stood first in the queue so long after it was published; the share of the fleet
     * that had the fix within what was asked for (of all when nothing was); the mean time until a device had it, to the
     * drill's end. */
    int64_t queued_after, patch_mean;
    double patched;
    int64_t requests; /* that the server answered */
    char why[300];    /* why it failed, or one sentence of praise */
};
/* A halt as the drill's log has it: the score goes by these, since the newest snapshot does not show any more what was
 * acknowledged before. Times are wall times of the drill's clock, 0 = not (yet). */
struct drill_halt {
    const char *rollout; /* "" = the whole fleet */
    const char *by;      /* limit, test or person */
    bool rule;
    int64_t t;         /* asked for */
    int64_t shown_at;  /* the server showed it */
    int64_t lifted_at; /* acknowledged */
};
/* The drill is told what its log holds, oldest first, before it is scored; copied. Without it the halts are those that
 * the snapshots which it was shown had. */
void drill_halts(struct drill *d, const struct drill_halt *v, size_t n);
/* Looks at a snapshot while the drill runs: what cannot be told afterwards (who misbehaves, what the evidence says).
 * For a drill without drill_operator. */
void drill_look(struct drill *d, const struct snapshot *s);
void drill_score(struct drill *d, const struct snapshot *last, struct drill_result *out);

#endif
