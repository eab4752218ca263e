/* The driver of one rollout's trial (core/trial.h): reads the facts, feeds telemetry in order, and keeps the state.
 * Private to engine/trial_*.c; the rest of the engine uses the functions in trials.h.
 *
 * A trial is a function of facts and ticks. So that every watcher comes to the same bits, facts are handed to it in one
 * order: before tick T is fed, everything that happened at or before T, and nothing later; and T is fed only when all
 * of that is known (run_facts_until). The population grows in one order too: wave 0 and the control group, by raw id;
 * then, when a later wave was told, those of its devices that are not there yet, by raw id. */
#ifndef ANDON_ENGINE_TRIAL_RUN_H
#define ANDON_ENGINE_TRIAL_RUN_H

#include "core/placebo.h"
#include "core/planner.h"
#include "core/trial.h"
#include "core/trial_account.h"
#include "engine/worker.h"

#define RUN_NAMES 4096 /* distinct values of attributes */

/* How far the facts about a wave are known. */
enum run_step {
    RUN_TOLD,    /* when it was told is not known */
    RUN_LEDGER,  /* what its firmware has spent is being read, or its stage's claim written */
    RUN_KEPT,    /* wave 0: the kept state is being read */
    RUN_CONTROL, /* wave 0: the control group is being read */
    RUN_ATTRS,   /* attributes are being read */
    RUN_PAST,    /* baselines are being read */
    RUN_READY
};

struct run_new { /* a device that is to be added */
    uint32_t dev;
    int16_t wave;
    bool control;
    uint8_t stratum;
    int32_t attr[STRATA_KEYS_MAX];
    struct trial_past past;
};

struct run_wave {
    enum run_step step;
    bool told_known, applied;
    int64_t told_at;
    bool told_here; /* by this host's clock: the server does not say */
    int asked;      /* devices that were asked when it was told */
    struct run_new *v;
    size_t n;
    uint32_t top; /* highest index in the watch set, of the devices that were added with it, + 1 */
};

struct run_outcome { /* of the installs of a wave and those before it */
    int64_t failed, started;
};

struct run_dev { /* in the trial's own order */
    uint32_t dev;
    int16_t phase, wave; /* it was added with the facts of wave `phase` */
    bool control, given; /* may be control; its install was told to the trial */
    bool left;           /* told by another rollout */
    uint8_t stratum;
    int32_t attr[STRATA_KEYS_MAX]; /* indices into run.names, -1 */
    int64_t installed;             /* first seen, 0 */
};

/* The tests of one stage, for the screen. */
struct run_stage {
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    size_t n;
};
struct run_plan { /* what a wave can see */
    bool made;
    double rate;   /* it was made with, */
    size_t of_all; /* and of so many devices in the population */
    struct plan v;
};

/* The log's entries about ledgers, as far as it was read. */
struct ledger_entry {
    struct account_claim claim;
    const char *refused; /* digest of a policy that is not heeded for this rollout; NULL: it is a claim */
};
struct ledger_log {
    struct arena arena;
    struct ledger_entry *v; /* in the order of the log */
    size_t n;
    int64_t seq; /* read up to here */
};

/* What the log says of the rollout's firmware, and what follows; kept while the rollout is known. */
struct ro_ledger {
    struct arena arena; /* of the account's strings and of the words */
    struct account account;
    struct account_plan plan;
    struct policy held;    /* the rollout's policy with the plan's terms */
    bool known;            /* it was read */
    bool asking, claiming; /* under way */
    uint64_t serial;       /* of the run that waits, and for which wave */
    size_t wave;
    int tries;                 /* claims of that wave */
    bool bound;                /* `held` applies */
    bool said;                 /* that the policy is not heeded is in the log */
    double alpha, own, others; /* of the firmware; spent by this rollout, and by others */
    const char *text, *note;   /* shown: what was spent; what is not as the policy says */
};

struct run {
    struct ro *ro;
    uint64_t serial; /* answers to an earlier run of the same rollout are dropped */
    struct trial_spec spec;
    char digest[SHA256_HEX];
    struct trial *trial; /* NULL until wave 0 is ready */
    struct run_wave wave[TRIAL_WAVES];
    int n_waves;
    /* the population */
    struct run_dev *v;
    size_t n, cap;
    uint32_t *of_dev; /* trial index + 1 by index in engine.devs */
    size_t n_of_dev;
    uint32_t *pending; /* devices whose install is known and not given, by time */
    size_t n_pending;
    struct tick tick; /* in the trial's order: the one that is fed; room for cap */
    char *names[RUN_NAMES];
    size_t n_names;
    char *strata[TRIAL_STRATA];
    size_t n_strata;
    /* control, while it is read */
    int control_wave;
    struct release *releases; /* of a declared group */
    size_t n_releases, release_at;
    struct arena arena; /* of releases */
    /* requests */
    bool busy;     /* about facts */
    bool fetching; /* history */
    int64_t fetch_from, fetch_to;
    size_t fetch_watched, fetch_ticks; /* most ticks of one answer */
    int64_t again, fetch_again;        /* not before, after an error */
    char waits[240];
    /* how it stands */
    enum trial_state state;
    int64_t catching_since, catching_from; /* engine clock: it waits, and has not come nearer; tick where it began */
    int64_t catching_left;                 /* at that time, of facts and ticks that are still to be read */
    int64_t begun_at;                      /* tick, when nothing before it is known (scrape) */
    int rebuilds;
    bool rebuild, no_kept; /* to be built anew; not from a kept state */
    bool changed;          /* something that is shown */
    int failures;          /* of requests, in all */
    struct err err;        /* the newest */
    int64_t ack;           /* newest */
    /* what devices did before, and what that says of the canaries of each wave that was told (core/placebo.h) */
    struct placebo placebo;
    struct placebo_result placebo_of[TRIAL_WAVES];
    uint64_t placebo_said; /* waves of which it is in the log */
    /* kept */
    int64_t kept_tick, kept_at, kept_bytes;
    /* evidence of the newest tick */
    int64_t ev_tick;
    int64_t ev_ack;
    struct run_outcome outcome[TRIAL_WAVES]; /* as told to the trial; which devices, and how many were overdue */
    uint64_t failed;
    int64_t overdue;
    int ev_stage;
    struct evidence ev[TESTS_MAX];
    enum trial_test ev_which[TESTS_MAX];
    size_t n_ev;
    /* Intervals cost: those of the stage that runs are computed once for each tick, for the judge and for the screen.
     */
    struct run_stage standing;
    int64_t standing_tick, standing_ack;
    int standing_stage;
    bool outcomes_new;                     /* installs were told since */
    struct run_stage *closed[TRIAL_WAVES]; /* of closed stages, which do not change */
    struct run_plan plan[TRIAL_WAVES];
};

/* trial_state.c */
void run_say(struct run *r, const char *fmt, ...) ANDON_PRINTF(2, 3); /* what it waits for */
struct trial_spec run_spec_by_rules(const struct run *r);             /* once wave 0's telling is known */
/* On these terms, which the log has; NULL: as it stands. Then its digest is known. */
void run_bind(struct run *r, const struct trial_terms *t);
void trial_end(struct ro *ro);        /* gives it up; what is shown stays */
bool trial_busy(const struct ro *ro); /* requests are under way */
bool run_make(struct run *r);         /* the trial: wave 0 is ready; false when the policy cannot be tested */
void run_give_acks(struct run *r);
void run_clear(struct run *r);                       /* nothing is known, nothing is there */
void run_failed(struct run *r, const struct err *e); /* a request of it */
void run_rebuild(struct run *r);
void run_drop_kept(struct run *r); /* what is kept is wrong, and its tick would be in the way of true ones */
const struct run_stage *run_standing(struct run *r); /* the stage that runs, at the newest tick; without its plan */
bool run_late(struct run *r); /* a fact came too late: true when it is to be told for the next tick instead */
struct trial_ix run_index(const struct run *r, size_t dev); /* in the trial, TRIAL_NONE = it is not there */
/* The column of a polled tick for each of the trial's; SIZE_MAX: nothing is asked about it. */
void run_columns(const struct run *r, size_t out[TICK_COLUMNS_MAX]);
int32_t run_name(struct run *r, const char *text); /* -1 when there are too many */

/* trial_ledger.c */
void run_ask_ledger(struct run *r, size_t w);             /* may its stage begin, and on which terms */
bool run_ledger(const struct run *r, struct ledger *out); /* of the trial */
void run_add_shares(struct run *r);                       /* the trial was made or loaded: what was added to it */
void run_free_ledger(struct ro *ro);
void run_free_ledgers(struct engine *en);

/* trial_log.c */
void run_change(struct run *r, const char *what); /* into the log */
void run_before(struct run *r);                   /* what the devices of wave 0's facts did before is known */
void run_placebo(struct run *r, int w);           /* were the canaries up to wave w like control? */

/* trial_facts.c: makes the next request about facts, if one is needed. False: not before r->again. */
bool run_prepare(struct run *r);

/* trial_devices.c */
void run_number_strata(struct run *r, size_t w);                 /* of the devices that wave w brings */
void run_add(struct run *r, int phase, const struct run_new *v); /* to the population and the trial */
void run_put(struct run *r, int phase, const struct run_new *v); /* to the population alone */
void run_sort_pending(struct run *r);
void run_installs(struct run *r); /* lists were read: who has reported an install */

/* trial_installs.c: what became of the installs by `tick`, to the trial. True when anything has changed. */
bool run_outcomes(struct run *r, int64_t tick);

/* trial_feed.c */
bool ro_blind(const struct ro *ro); /* what is measured has no time that counts: the clocks disagree */
void run_feed(struct run *r);
void run_take_tick(struct engine *en, int64_t t, size_t watched, const struct sample_list *l);
void run_trim_ticks(struct engine *en); /* what no trial waits for goes */
void run_free_ticks(struct engine *en);

/* trial_keep.c */
bool run_open_kept(struct engine *en, struct err *e); /* starts the keeper */
void run_close_kept(struct engine *en);               /* ends it */
void run_drain_kept(struct engine *en);
void run_keep(struct run *r, bool now);
void run_ask_kept(struct run *r);

/* trial_view.c */
void run_render(struct run *r); /* what is shown of it */
void run_free_shown(struct ro *ro);

#endif
