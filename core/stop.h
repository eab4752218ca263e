/* Stop: one machine for everything that keeps one rollout from going on. Halts, holds, the latch, its acknowledgement,
 * and what others do meanwhile.
 *
 * A plain value and a pure function: events in (what the server shows, who asks, who acknowledges, what the log and
 * notes say, time), outputs out (send, read, latch, say, write). It knows no clock, no log and no server; whoever
 * drives it (engine/) carries the outputs out and keeps who, why and when. The transitions are one constant table of
 * phase and signal (stop_cell()); the same table is read by stop_step(), by the exhaustive test and by the model that
 * Spin checks (docs/model/). docs/stop.md has it in words.
 *
 * Invariants (tests/core/test_stop.c, over every state that can be reached):
 *   I1  A latch ends only with an acknowledgement that names its newest halt (or is given here): by a person, or by
 *       the rule for lost telemetry while nothing but that rule has halted. A claim lifts nothing.
 *   I2  "halted" (STOP_HALTED) only while the newest answer of the server shows the rollout stopped; when that answer
 *       is old the word is "halted-when-last-seen".
 *   I3  Latched by a halt and shown running: a request is on its way, or it is being looked up whether somebody has
 *       acknowledged (2 s at most), or the phase is STOP_RUNS, which has been said once since it was last shown
 * stopped. I4  Nothing lets it run while it is latched or while a halt is still on its way: a run is refused. I5  A
 * halt that is on its way ends only when the server shows it (or, once acknowledged, when an andon has told the rollout
 * to run again). An answer, an entry of the log or a note never ends it. I6  A request without effect is repeated:
 * after 0.25, 0.5, 1, then each 2 s, at most 3 unanswered at once; after 10 s it is escalated, once; it never stops. I7
 * What a person has acknowledged no rule halts again in the same pause. I8  A note without the signature of a known key
 * sends nothing and lifts nothing; it only stands in the way. I9  The same halt (by its id), read again from log, spool
 * or note, changes nothing, but that what was only claimed is known then; neither does one that was lifted. */
#ifndef ANDON_CORE_STOP_H
#define ANDON_CORE_STOP_H

#include <stdbool.h>
#include <stdint.h>
#include "core/model.h"
#include "core/policy.h"

enum stop_phase {
    STOP_FREE = 0,  /* nothing of andon's is in the way */
    STOP_HELD,      /* paused by andon without a latch */
    STOP_ACKED,     /* halted, acknowledged by a person, not resumed yet */
    STOP_LOOSE,     /* was held or acknowledged, and runs: it is being looked up whether an andon has resumed it */
    STOP_CLAIMED,   /* latched by a note that no known key has signed */
    STOP_CLAIM_RUN, /* the same, and the server shows it running */
    STOP_ASKED,     /* latched; asked of the server, not shown yet */
    STOP_ESCALATED, /* the same for more than 10 s */
    STOP_LIFTING,   /* acknowledged while it was on its way: still asked for until it shows */
    STOP_UNSEEN,    /* latched by log, spool or signed note, never known to have been shown; the server is being read */
    STOP_RECALLED,  /* latched, was shown once; what the server shows now is not known */
    STOP_HALTED,    /* latched, and the server shows it stopped */
    STOP_STANDBY,   /* latched, not started: paused at once if somebody starts it */
    STOP_DOUBT,     /* latched, was shown, runs: it is being looked up whether somebody has acknowledged */
    STOP_RUNS,      /* HALTED, BUT RUNNING: latched, resumed by another; andon says so and does not fight */
    STOP_OVER,      /* latched, and the rollout has ended */
    STOP_PHASES
};

/* What the newest answer of the server shows. */
enum stop_shows {
    SHOWS_UNREAD = 0,
    SHOWS_OTHER,    /* a state that andon does not know */
    SHOWS_IDLE,     /* not started: creating, waiting, ready */
    SHOWS_RUNNING,  /* starting, running */
    SHOWS_PAUSED,   /* tells no more devices */
    SHOWS_STOPPING, /* neither, on its way to the end */
    SHOWS_OVER,     /* ended, deleted, gone */
    SHOWS_COUNT
};
enum stop_shows stop_shows_of(const struct rollout *r, bool gone);

enum stop_who { STOP_PERSON, STOP_SCRIPT, STOP_RULE, STOP_RULE_LOST /* the rule for lost telemetry */ };
enum stop_from { STOP_HERE, STOP_LOG, STOP_SPOOL, STOP_NOTE /* signed by a known key */, STOP_NOTE_UNKNOWN };

enum stop_event_kind {
    /* The server has answered: `shows`; `at`: when it was asked. The caller drops answers that were asked for before
     * the newest. A request that it sent itself does not count as an answer. */
    SE_SHOWS,
    SE_STALE, /* the newest answer is too old to speak of what is */
    /* Asked for here: `who`, `id`; `for_good`: the policy wants it stopped, and the server can. Also what a rule wants
     * that still breaches: whether it may is decided here. */
    SE_HALT,
    /* A halt of another session that nobody has acknowledged: `from`, `who`, `id`. `shown_once`: the log has its
     * outcome, and that was paused or ended, not a stand-by. May be handed in at each look. */
    SE_FOUND,
    SE_ANSWERED, /* to a request of ours: accepted, refused or lost; what the server shows decides */
    SE_TIME,     /* stop_due() has come */
    SE_LOOKED,   /* log and notes were read since STOP_LOOK, and what they said was handed in */
    /* Acknowledged: `from`, `who`; `id`: of the halt that it lifts, 0: here, whatever stands. May be handed in again.
     * An entry of the log may lift several: the caller hands in each of them. */
    SE_ACK,
    SE_HELD,     /* paused without a latch, and shown; or the log says so */
    SE_RUN,      /* resume, advance or start of ours is about to be sent: STOP_REFUSED in the answer forbids it */
    SE_RUN_OVER, /* that verb has ended, however */
    /* The log says that an andon told it to run, after what it was held or acknowledged by, and not in vain. */
    SE_RUN_FOUND,
    SE_KINDS
};
struct stop_event {
    enum stop_event_kind kind;
    enum stop_shows shows;
    int64_t at;
    enum stop_who who;
    enum stop_from from;
    uint64_t id; /* of a halt: the same wherever it is read (its correlation number); never 0 for a halt */
    bool for_good, shown_once;
};

/* Outputs, any number of them. In this order of urgency. */
enum stop_did {
    STOP_SEND = 1 << 0,     /* ask the server to pause (or stop) now */
    STOP_REPEAT = 1 << 1,   /* ask again */
    STOP_READ = 1 << 2,     /* read this rollout's state, unless a reading is under way */
    STOP_LOOK = 1 << 3,     /* read log and notes at once, then SE_LOOKED */
    STOP_LATCHED = 1 << 4,  /* a halt was taken: keep who, why, when */
    STOP_ESCALATE = 1 << 5, /* 10 s without being shown: alert, entry */
    STOP_SHOWN = 1 << 6,    /* the server shows it: the outcome of whoever waits */
    STOP_UNLATCHED = 1 << 7,
    STOP_SAY_RUNS = 1 << 8,     /* halted, but running: alert, entry, notice */
    STOP_SAY_RESUMED = 1 << 9,  /* held or halted, and resumed by another client meanwhile: alert, entry */
    STOP_SAY_OVER = 1 << 10,    /* a halted rollout has ended */
    STOP_SAY_CLAIM = 1 << 11,   /* a note of nobody that is known says halted, or acknowledged */
    STOP_NOTE_HALT = 1 << 12,   /* after the request is on its way: put the halt's note on the server */
    STOP_NOTE_ACK = 1 << 13,    /* the acknowledgement into the note */
    STOP_NOTE_CLEAN = 1 << 14,  /* ended and acknowledged: who wrote the note takes it away */
    STOP_LOG_FOREIGN = 1 << 15, /* what came by a signed note into this log too, so that a restart knows it */
    STOP_PART = 1 << 16,        /* one of several halts was acknowledged; now `id` is the newest that stands */
    STOP_REFUSED = 1 << 17,     /* not done, and nothing changed */
    STOP_DIDS = 18              /* how many there are */
};

#define STOP_ESCALATE_US (10 * INT64_C(1000000))
#define STOP_DOUBT_US    (2 * INT64_C(1000000))
#define STOP_UNANSWERED  3
#define STOP_KNOWN       16

/* All zero: free, nothing read. Written by stop_step only, but for `foreign` and `passive`. */
struct stop {
    enum stop_phase phase;
    enum foreign_resume foreign; /* set by the owner from the rollout's policy */
    bool passive;                /* set by the owner: only looks; sends nothing but a halt asked for here */
    enum stop_shows shown;
    bool stale;
    unsigned latched_by; /* 1 << enum stop_who, each who halted since it was free; 0 = no latch of a halt */
    enum stop_from from; /* of the newest halt */
    uint64_t id;         /* of the newest halt that stands, or stood last */
    bool for_good, ours, escalated, claimed_ack;
    bool sent;      /* since it was asked for */
    int unanswered; /* requests */
    int64_t counts; /* answers count that were asked for from then on */
    int64_t since;  /* being asked for */
    int64_t next, delay;
    uint64_t known[STOP_KNOWN]; /* halts that were taken, newest last: also those that were lifted */
    unsigned open;              /* bit i: known[i] is not acknowledged */
    int n_known;
};

/* One step; returns what is to be done (enum stop_did). `now` is of the clock that all `at` are of, us. */
unsigned stop_step(struct stop *s, const struct stop_event *ev, int64_t now);
/* When SE_TIME is due, 0 = never. */
int64_t stop_due(const struct stop *s);

bool stop_phase_latched(enum stop_phase p); /* as stop_latched */
bool stop_latched(const struct stop *s);    /* halted and not acknowledged, a claim too: nothing may let it run */
/* The halts that stand, oldest first; returns how many. */
int stop_standing(const struct stop *s, uint64_t ids[STOP_KNOWN]);
bool stop_driving(const struct stop *s);   /* a halt is being asked for */
bool stop_escalated(const struct stop *s); /* and has not been had for 10 s */
bool stop_held(const struct stop *s);      /* andon's own pause stands: advance may end it */
bool stop_by_rule(const struct stop *s);   /* a rule is among those who halted it */
bool stop_rule_may_halt(const struct stop *s);
/* Is a pause of lost telemetry all that stands, so that its rule may acknowledge it? */
bool stop_lost_only(const struct stop *s);

/* What is said of it. `word` is stable, for JSON and logs; `title` stands on the board and `text` says it in a
 * sentence whose subject is the rollout ("is halted ..."). All three "" when there is nothing to be said. */
struct stop_words {
    const char *word, *title, *text;
};
const struct stop_words *stop_words(const struct stop *s);
/* Of a phase, while answers are fresh or old. */
const struct stop_words *stop_phase_words(enum stop_phase p, bool stale);

/* ---- the table ---- */

/* What an event comes down to, with what the value remembers. */
enum stop_signal {
    SG_STOPPED, /* shown paused or stopping, as far as was asked for */
    SG_IDLE,
    SG_RUNNING,      /* by another's doing, or still */
    SG_RUNNING_OURS, /* a verb of ours that may run it was on its way */
    SG_OVER,
    SG_OTHER,
    SG_HALT,       /* by a person or script */
    SG_HALT_RULE,  /* by a rule that may */
    SG_FOUND,      /* in log, spool, signed note; not known to have been shown */
    SG_FOUND_ONCE, /* shown once */
    SG_CLAIM,      /* in a note without a known signature */
    SG_ANSWERED,
    SG_RETRY,
    SG_LATE,         /* 10 s, once */
    SG_LOOKED,       /* nobody has acknowledged; the policy lets it run */
    SG_LOOKED_AGAIN, /* nobody has acknowledged; the policy halts again */
    SG_ACK,
    SG_ACK_RULE, /* by the rule for lost telemetry, and nothing else has halted */
    SG_ACK_CLAIM,
    SG_HELD,
    SG_RUN,
    SG_RUN_FOUND,
    STOP_SIGNALS
};
struct stop_cell {
    enum stop_phase next;
    unsigned did;
};
/* The cell of a phase and a signal. `rules`, when not NULL: how many rules of the table speak of it (one). */
struct stop_cell stop_cell(enum stop_phase p, enum stop_signal g, int *rules);
const char *stop_phase_name(enum stop_phase p);   /* "STOP_HALTED" */
const char *stop_signal_name(enum stop_signal g); /* "SG_RUNNING" */
const char *stop_did_name(int bit);               /* "STOP_SEND"; bit: 0 .. STOP_DIDS - 1 */

#endif
