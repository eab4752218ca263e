/* The part "stop": halts, holds, latches and acknowledgements, and what others do to a rollout meanwhile.
 *
 * What is known about stopping one rollout is the machine of core/stop.h; struct ro_stop holds it with the words that
 * go with it. What happens is turned into its events in stop_state.c; what comes out of a step is carried out by stop.c
 * (requests, reading back, ops that wait) and stop_say.c (entries, alerts, the notes' part), a request before all else.
 */
#ifndef ANDON_ENGINE_STOP_H
#define ANDON_ENGINE_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/intent.h"
#include "core/model.h"
#include "core/snapshot.h"
#include "core/stop.h"
#include "engine/parts.h"
#include "engine/sent.h"

struct op;

#define HALT_WAITS 16

/* In the outcome of a halt whose rollout had not started: that is no halt that was shown. */
#define STOP_FIELD_SHOWN   "shown"
#define STOP_SHOWN_STANDBY "standby"

struct en_stop {
    int escalations; /* atomic: read by other threads */
};

struct halt_wait { /* an op that waits for the halt */
    struct op *op;
    uint64_t corr;
};
/* The process that has asked for a pause: what a rule asked for only the same rule may end, and only where it was asked
 * for, or where that process is gone and this log says so. */
struct stop_asker {
    bool here;              /* by this engine, or by another one of this log: then with its process */
    int64_t pid, pid_start; /* 0: by this engine itself; or an entry of before andon 0.2, whose writer is not known */
};
struct halt_known { /* the words that go with a halt that the machine knows */
    uint64_t id;
    int64_t seq; /* in this log; 0: it does not stand there */
    int64_t at;  /* it was asked for, engine clock */
    char by[80], host[64], text[256];
    char log[140]; /* its entry in the log of who asked: "andon/console-2 #18231", "" */
    struct stop_asker by_whom;
    bool lifting; /* its acknowledgement by a rule is on its way into the log */
};

struct ro_stop {
    struct stop m; /* what is known and what is to be done; written by its own steps, but for the owner's fields */
    struct halt_known *halts; /* newest last */
    size_t n_halts;
    int64_t shown_at;       /* the server was first seen to show it, engine clock; 0 */
    char before[32];        /* state word when it was asked for */
    enum strength strength; /* the hardest that people have asked for since it was halted */
    struct halt_wait waits[HALT_WAITS];
    size_t n_waits;
    struct sent sent;         /* requests for it that no entry tells of yet */
    bool reading, read_again; /* its state; asked for while it was being read */
    bool ran;                 /* it was said that it runs in spite of the halt, and it was not shown stopped since */
    int64_t ran_at;           /* when that was said last, engine clock; 0 */
    uint64_t to_settle;       /* a halt of a note that was put into this log, without outcome there; 0 */
    int64_t look_at;          /* log and notes were to be read then */
    unsigned looks;           /* readings that are not done: enum stop_look */
    int hold_wave;            /* wave for which a rule has placed a hold, -1 */
    char paused_by[80];
    bool passes;             /* the pause that stands is of a rule whose cause passes, placed while it ran .. */
    struct stop_asker asker; /* .. by it; of a halt see there */
    char external[320];      /* what another client did to a halt or a hold, "" */
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
    struct stop_asker asker;
    bool ran; /* it ran when it was asked for, or was held by the same rule, as far as this log says */
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
/* Asked for here. False: nothing was done, a rule may not halt it (again) now. */
bool ro_stop_asked(struct ro *ro, const struct intent *in, uint64_t id);
void ro_stop_seen(struct ro *ro, enum rollout_state was, int64_t at); /* an answer about it, asked for at `at` */
void ro_stop_old(struct ro *ro);                                      /* the newest answer is old */
void ro_stop_answered(struct ro *ro);                                 /* a request of a halt, or it is lost */
void ro_stop_time(struct ro *ro);
bool ro_stop_waits(struct ro *ro, struct op *op, uint64_t corr); /* op waits for the halt; false when too many do */
void ro_stop_waits_over(struct ro *ro);
void ro_stop_reading(struct ro *ro, bool reading, bool again);
/* The halt stands in this log with that number: what the log says of it from then on can be told. */
void ro_stop_logged(struct ro *ro, uint64_t id, int64_t seq);
int64_t ro_stop_seq(const struct ro *ro, uint64_t id); /* 0: it does not */
/* Acknowledged here, when its newest halt was `id`. */
void ro_stop_acknowledged(struct ro *ro, const struct actor *by, uint64_t id);
/* A pause of andon's is shown, of one that ran. `asker`, not NULL: of a rule whose cause passes, which may end it. */
void ro_stop_held(struct ro *ro, const char *by, const struct stop_asker *asker);
void ro_stop_hold_found(struct ro *ro, const char *by, const struct stop_asker *asker); /* the log says so */
bool ro_stop_run(struct ro *ro);                   /* a verb that lets it run is about to be sent; false: no */
void ro_stop_run_over(struct ro *ro);              /* that verb has ended, however */
void ro_stop_run_found(struct ro *ro);             /* the log says that an andon has told it to run since */
void ro_stop_hold_placed(struct ro *ro, int wave); /* a rule holds it before this wave's successor */
/* `looking` was announced: who reads log or notes for it says so at once, and when it is done; `asked`: when the
 * reading began. What it found was handed in before. */
enum stop_look { STOP_IN_LOG = 1, STOP_IN_NOTES = 2 };
void ro_stop_look_begun(struct ro *ro, enum stop_look where);
void ro_stop_looked(struct ro *ro, enum stop_look where, int64_t asked);
void ro_stop_said(struct ro *ro, const char *external, bool ran); /* what stop_say.c has said of others' doing */
void ro_stop_to_settle(struct ro *ro, uint64_t id);
/* The halts that an acknowledgement by this kind of actor lifts, by number, as its entry names them (audit/log.h,
 * stored_ack_lifts): of a person all that stand, of a rule what it has asked for itself. Returns the newest, 0 = none.
 */
#define STOP_STANDING_TEXT (STOP_KNOWN * 17 + 1)
uint64_t ro_stop_lifts(struct ro *ro, enum actor_kind by, char out[STOP_STANDING_TEXT]);
void ro_stop_not_lifted(struct ro *ro); /* the log did not take the acknowledgement */
/* May the rule for lost telemetry acknowledge now what it has asked for: halts that the server shows, and none of
 * anybody else but the same rule? */
bool ro_stop_lost_lifts(const struct ro *ro);
/* Is it paused by a rule whose cause passes, by nobody else, and may that rule let it go on? */
bool ro_stop_passes(const struct ro *ro);
/* The newest halt's words; all "" when there is none. */
const struct halt_known *ro_stop_halt(const struct ro *ro);
/* Of the halt of that id; NULL: nothing is known. */
struct halt_known *ro_stop_known(const struct ro *ro, uint64_t id);
enum stop_who stop_who_of(enum actor_kind k, const char *name);

/* ---- stop.c ---- */
void halt_begin(struct engine *en, struct op *op); /* an intent to halt */
/* A halt of another session that has no outcome in the log: this one is written when the server shows it. */
void halt_take_over(struct ro *ro, struct op *op);
/* ---- what a step wants to be done: stop.c and stop_say.c, for stop_state.c ---- */
void stop_send(struct ro *ro, unsigned did);
void stop_carry(struct ro *ro, enum stop_phase was, unsigned did);
void stop_say(struct ro *ro, unsigned did);
void stop_tell_sent(struct ro *ro);                            /* requests that no entry tells of get one */
void stop_log_halt(struct ro *ro, const struct halt_found *f); /* of a signed note, into this log */
void stop_log_ack(struct ro *ro, const struct ack_found *f);

extern const struct part part_stop;

#endif
