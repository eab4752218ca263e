/* Many watchers of one world: guards, consoles and commands, each an engine with its own faults and its own log or one
 * that it shares, stepped one after the other by one scheduler on the world's virtual clock; a plan made of a seed says
 * what people, devices, other clients, the server and the disks do, and when; a table of rules says what must hold.
 *
 * The same seed gives the same play. Only what other rooms may use is used of an engine: engine/engine.h, the seam, the
 * snapshot, the log. many_world.c steps, many_plan.c makes plans, many_rules.c judges, test_many.c plays and shrinks.
 */
#ifndef ANDON_TESTS_ENGINE_MANY_H
#define ANDON_TESTS_ENGINE_MANY_H

#include <semaphore.h>
#include <sys/types.h>
#include "core/buf.h"
#include "core/rng.h"
#include "tests/engine/world.h"

#define M_LASTING  4 /* two guards, two consoles */
#define M_WATCHERS 8 /* and commands, which come and go */
#define M_LOGS     4
#define M_EVENTS   24
#define M_FACTS    64
#define M_CALLS    500
#define M_BUSY_S   100 /* things happen for so long */
#define M_CALM_S   60  /* then nothing does, and all must come to rest */
#define M_ID       "10"

enum many_kind {
    EV_PERSON,       /* verb, in a console */
    EV_COMMAND,      /* verb, by a process of its own on the log of a watcher */
    EV_BREACH,       /* the devices of told waves begin to restart */
    EV_FOREIGN,      /* another client: backend verb */
    EV_DOWN,         /* the server cannot be reached, by one or by all (who = -1), for a while */
    EV_DROP,         /* verbs are lost before they take effect */
    EV_LOSE,         /* their answers are */
    EV_SLOW,         /* answers take long */
    EV_LOG_FULL,     /* of one watcher */
    EV_LOG_HANGS,    /* the same */
    EV_KILL,         /* as by SIGKILL; comes again after a while */
    EV_KILL_AT_VERB, /* at its next verb: `how` */
    EV_NEW_LIFE,     /* the server's database is lost: ids begin again */
    EV_BLIND,        /* telemetry is away */
    EV_KINDS
};
enum many_death { DEATH_BEFORE_SENT, DEATH_AFTER_SENT, DEATH_AFTER_LOGGED, DEATH_KINDS };

struct many_event {
    enum many_kind kind;
    int64_t at, lasts; /* us, since the beginning */
    int who;           /* watcher; -1 = all */
    enum verb verb;
    enum backend_verb foreign;
    enum many_death how;
    bool doomed, left_out; /* a command that is killed at its verb: `how` */
};

struct many;
struct watcher {
    struct many *m;
    int index, group; /* whose log it writes */
    char name[8];
    bool command, alive, free_run, read_only;
    struct engine *en;
    struct engine_seam seam;
    struct log_ops log_ops;
    struct fleet_spec fleet;
    struct audit_spec audit;
    /* the step */
    sem_t go, back;
    int wake_fd, blocked_fd;
    int64_t deadline;
    unsigned extra, spooling;
    struct w_call give;
    bool has_give;
    struct w_call calls[M_CALLS];
    size_t n_calls;
    /* faults, until the given time */
    int64_t down_to, drop_to, lose_to, slow_to, slow_us, full_to, hang_to;
    bool log_dead, log_full, log_hangs, blocked; /* under the world's lock */
    bool death_armed;                            /* at the next verb */
    enum many_death death;
    uint64_t handed_in; /* intents since its last turn */
    int64_t restart_at;
    pid_t stand_in; /* a process that lives as long as this watcher: by it others tell whether it does */
    int64_t stand_in_start;
    int stand_in_fd;
    /* what is known of it */
    struct snapshot *snap;
    uint64_t generation;
    int64_t born_at, good_since, log_good_since; /* reachable and quick; its log well */
    int64_t latched_at;                          /* 0 = its snapshot shows no latch */
    char latched_life[80];
    enum verb wants; /* a command */
    uint64_t ticket;
    int64_t asked_at; /* of a command: when it handed in its verb */
    int64_t over_at;  /* its op has ended, 0 = not yet */
    char said[160];   /* newest summary, for the trace */
};

/* What must be followed up. */
enum fact_kind { FACT_HALT, FACT_ACK, FACT_RESUME, FACT_FOREIGN_RESUME };
struct fact {
    enum fact_kind kind;
    int64_t t;
    int who, group, life;
    uint64_t ticket;
    bool over, refused, person, by_rule;
    int64_t died_at; /* who was asked was killed then, 0 */
};

struct many_verdict {
    uint64_t broken; /* bit for each rule */
    char text[32][300];
    int64_t t[32];
};

struct many {
    struct world w;
    uint64_t seed;
    struct rng rng;
    struct many_event events[M_EVENTS];
    size_t n_events;
    int group[M_LASTING];
    bool read_only[M_LASTING];
    struct watcher ws[M_WATCHERS];
    struct watcher *turn;   /* whose it is */
    char vkey[M_LOGS][180]; /* every watcher knows every log's key */
    const char *known[M_LOGS];
    char dir[64], spool[80], db[M_LOGS][96], key[M_LOGS][96];
    int life; /* the server's */
    int64_t life_at, t0, blind_to;
    bool blind_in_life;
    int64_t breach_at;                  /* in this life, 0 */
    int64_t ack_at[M_LOGS], any_ack_at; /* newest asked for by a person, on that log */
    int64_t resumed_at[M_LOGS];         /* a person's resume was done, on that log; 0 = or stopped by a person since */
    int64_t latch_due_at[M_LOGS];       /* since then that log's watchers must show the latch, 0 = they need not */
    int advances[M_LOGS], triggers[M_LOGS], resumes[M_LOGS], resumed[M_LOGS];
    bool person_halt_in_life;
    bool unnamed_halt; /* somebody halted the number, and had not been shown which rollout that was */
    struct fact facts[M_FACTS];
    size_t n_facts;
    int64_t stopped_at; /* newest moment at which the server showed it not running */
    struct buf trace;
    bool verbose;
    unsigned long turns;
    struct many_verdict verdict;
};

/* many_world.c */
void many_play(struct many *m); /* from m->seed and m->events */
void many_trace(struct many *m, const char *fmt, ...) ANDON_PRINTF(2, 3);
double many_s(const struct many *m, int64_t t); /* seconds since the beginning */
struct w_rollout *many_rollout(struct many *m);

/* many_plan.c */
void many_plan(struct many *m);
void many_print_plan(const struct many *m);
const char *many_event_text(const struct many *m, const struct many_event *e, char *buf, size_t size);

/* many_rules.c: the rules and what they look at. Called by the world, which goes on whatever they say. */
struct many_rule {
    const char *id, *what;
    bool on; /* false: known not to hold yet; ANDON_RULES=I3,I6 or =all switches on, =-I3 off */
    const char *waits_for;
};
extern const struct many_rule many_rules[];
extern const size_t n_many_rules;
uint64_t many_rules_on(void);
void rules_seen(struct many *m, struct watcher *x);                                /* a newer snapshot */
void rules_sent(struct many *m, struct watcher *x, const char *what);              /* a verb has left */
void rules_asked(struct many *m, struct watcher *x, enum verb v, uint64_t ticket); /* by a person */
void rules_foreign(struct many *m, enum backend_verb v, bool done);
void rules_died(struct many *m, struct watcher *x); /* as by SIGKILL */
void rules_time(struct many *m);                    /* time is about to move */
void rules_end(struct many *m);                     /* all watchers still live */
void rules_after(struct many *m);                   /* all have ended */

#endif
