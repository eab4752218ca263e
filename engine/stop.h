/* The part "stop": halts, holds, latches and acknowledgements, and what others do to a rollout meanwhile.
 *
 * Everything that is known about stopping one rollout is struct ro_stop. It changes only by the events below
 * (stop_state.c); stop.c carries a halt out: the requests, the reading back, the log and the ops that wait for it. */
#ifndef ANDON_ENGINE_STOP_H
#define ANDON_ENGINE_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/model.h"
#include "core/snapshot.h"
#include "core/stop.h"
#include "engine/parts.h"

struct op;

#define HALT_ESCALATE_US (10 * US_PER_S)
#define HALT_WAITS       16

struct en_stop {
    int escalations; /* atomic: read by other threads */
};

struct halt_wait { /* an op that waits for the halt */
    struct op *op;
    uint64_t corr;
};

struct ro_stop {
    /* the halt */
    enum halt_phase phase;
    bool latched, stops, waits_start; /* stops: by policy it is stopped, not paused, where the server can */
    uint64_t corr;                    /* of the newest halt */
    int64_t since;                    /* asked for at */
    int64_t at;                       /* may be sent again at, 0 = not sent yet; once shown: shown at */
    int64_t delay;                    /* back-off */
    int sending;                      /* requests without an answer */
    bool reading;
    char by[80], text[256];
    char before[32]; /* state word when it was asked for */
    struct halt_wait waits[HALT_WAITS];
    size_t n_waits;
    /* the hold */
    bool held;
    bool acked_pause; /* a person acknowledged the halt in this pause */
    int hold_wave;    /* wave for which a rule has placed a hold, -1 */
    /* whose doing its state is */
    char paused_by[80];
    enum rollout_state told_state; /* state that andon itself last brought about; to tell others' doing */
    char external[200];            /* what another client did to a halt or a hold, "" */
    int64_t external_at;
};

struct op_stop { /* of a halt */
    bool fleet_wide;
    int stage; /* of a fleet's: 0 begun, 1 its rollouts cannot be read, 2 each is being halted */
};

/* A halt of another session that nobody has acknowledged: of the log, the spool, or a note on the server. Texts are
 * borrowed; "" and 0: not known. May be handed in at each look: a halt that was taken once, by its id, changes nothing.
 */
struct halt_found {
    enum stop_from from;
    enum stop_who who;
    uint64_t id;           /* its correlation number */
    bool shown_once;       /* the log has its outcome */
    const char *by, *host; /* "rule R-REBOOT", "m.ito" */
    const char *reason;
    const char *origin; /* of the log that it stands in, with its number there */
    int64_t t, seq;     /* t: wall clock, us */
};
/* An acknowledgement by another session, of the halt `id`. May be handed in again. */
struct ack_found {
    enum stop_from from;
    enum stop_who who;
    uint64_t id;
    const char *by, *host, *reason;
    int64_t t; /* wall clock, us */
};

/* ---- events: stop_state.c ---- */
void ro_stop_found(struct ro *ro, const struct halt_found *f);
void ro_stop_ack_found(struct ro *ro, const struct ack_found *f);
/* A halt is wanted. True when it begins with this; else one is under way and goes on, under the newer reason. */
bool ro_stop_asked(struct ro *ro, const char *by, const char *text, uint64_t corr);
bool ro_stop_waits(struct ro *ro, struct op *op, uint64_t corr); /* op waits for it; false when too many do */
void ro_stop_waits_over(struct ro *ro);
void ro_stop_tried(struct ro *ro);                               /* this round is over, the next one comes at `at` */
void ro_stop_sent(struct ro *ro, enum rollout_state brings);     /* any request that should bring a state about */
void ro_stop_sent_halt(struct ro *ro);                           /* the halt's own request */
void ro_stop_answered(struct ro *ro);                            /* the halt's request was answered, or is lost */
void ro_stop_reading(struct ro *ro, bool reading);               /* the state is being read back */
bool ro_stop_late(struct ro *ro);                                /* true once, when it is not shown for too long */
void ro_stop_shown(struct ro *ro, bool waits_start);             /* the server shows it, or has not begun the rollout */
bool ro_stop_state_shown(struct ro *ro, enum rollout_state was); /* a newer state; true: a latched one was started */
void ro_stop_latched(struct ro *ro, const char *by, const char *text, int64_t at, uint64_t corr); /* as the log says */
void ro_stop_in_doubt(struct ro *ro);                        /* nobody has seen it take effect: may be asked for anew */
void ro_stop_acknowledged(struct ro *ro, bool looked);       /* looked: by a person, not a rule */
void ro_stop_paused(struct ro *ro, const char *by);          /* a pause of andon's is shown: held */
void ro_stop_resumed(struct ro *ro);                         /* a resume, advance or start of andon's is shown */
void ro_stop_settled(struct ro *ro);                         /* the verb that was sent has ended, one way or another */
void ro_stop_held(struct ro *ro, bool held, const char *by); /* as the log says; by NULL: not known */
void ro_stop_hold_placed(struct ro *ro, int wave);           /* a rule holds it before this wave's successor */
bool ro_stop_under_way(const struct ro *ro);                 /* asked for, and not shown */
bool ro_stop_not_started(enum rollout_state s);

/* ---- stop.c ---- */
void halt_begin(struct engine *en, struct op *op); /* an intent to halt */

extern const struct part part_stop;

#endif
