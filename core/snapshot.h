/* Snapshot: everything that a screen needs of one fleet, immutable, complete and dated.
 *
 * Made by the engine in one arena, reference-counted, freed whole. Screens never wait for the network and never see
 * half an update. A reader calls snapshot_ref/unref; both are thread-safe. */
#ifndef ANDON_CORE_SNAPSHOT_H
#define ANDON_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/approval.h"
#include "core/arena.h"
#include "core/device_state.h"
#include "core/entry.h"
#include "core/health.h"
#include "core/intent.h"
#include "core/inventory.h"
#include "core/model.h"
#include "core/placebo.h"
#include "core/planner.h"
#include "core/policy.h"
#include "core/share.h"
#include "core/stop.h"
#include "core/trial.h"
#include "core/verdict.h"

enum link_state {
    LINK_NONE,       /* not configured */
    LINK_CONNECTING, /* no answer yet */
    LINK_LIVE,       /* newest answer not older than 2 polls */
    LINK_SLOW,       /* older, not yet stale */
    LINK_STALE,      /* older than fresh_limit_us() (fleet) or 3 scrapes (telemetry) */
    LINK_FAILED      /* the newest try failed and the data is stale, or there is none */
};

struct link_view {
    enum link_state state;
    int64_t last_ok;   /* engine clock; 0 = never */
    int64_t rtt_us;    /* of the newest answer */
    int retries;       /* failures in a row */
    int64_t next_try;  /* engine clock */
    const char *error; /* newest failure, one sentence, "" */
    const char *next;  /* what to do about it, "" */
    const char *url;   /* without credentials */
};

#define TREND_N 24 /* points of a sparkline, oldest first, NaN = no data */

/* A device's metric: its newest value (of counters the events that count, in the window), and its own baseline (gauges
 * and spreads: a mean of before it counted). NaN = unknown. */
struct device_metric {
    float value, base;
};
/* One device of the focused wave, for the list and the device screen. */
struct device_row {
    const char *id;
    enum device_status status;
    enum device_state state;
    int64_t installed_at, last_seen, last_sample;
    const char *from, *now_release; /* "4.11.9" or "" */
    const char *note;               /* why it is bad, "" */
    /* By row of the metrics of the focused rollout's policy (core/metric.h): metric_count() of them; NULL: not
     * watched. */
    const struct device_metric *metric;
    uint8_t boots[TRACK_BUCKETS]; /* the same by bucket, newest last, for the sparkline */
    const char *raw_id;           /* as the server knows it, for focus.device; NULL = the same as id */
};

/* Detail of the focused device. */
struct device_event {
    int64_t t;
    const char *mark; /* "ok", "bad", "info" */
    const char *text;
};
struct device_detail {
    const char *id;
    const char *name, *address;
    const char *installed, *assigned; /* "name:version" */
    enum device_status status;
    int64_t installed_at, last_seen;
    bool overdue;
    struct device_event *events; /* newest first: actions and their status history */
    size_t n_events;
    const char *(*attributes)[2];
    size_t n_attributes;
    float cpu[TREND_N], variance[TREND_N], boots[TREND_N]; /* own trend, oldest first */
    int64_t fetched_at;                                    /* 0: still loading */
    const char *error;
};

/* Where the evidence of a rollout stands. */
enum trial_state {
    TRIAL_OFF,      /* not tested: the policy says so, no telemetry, a roll back, or the rollout has not started */
    TRIAL_WAITING,  /* facts are being read: waves, devices, attributes, baselines */
    TRIAL_CATCHING, /* reading history: `progress`; holds until it is done */
    TRIAL_LIVE,
    TRIAL_BEHIND /* facts or telemetry are late; evidence stands still */
};
/* The tests of one stage. */
struct stage_view {
    const struct evidence *v; /* in the order of enum trial_test */
    const enum trial_test *which;
    size_t n;
    int leading;             /* index in v, -1 = no evidence at all */
    int64_t canary, control; /* at risk; of the stage that runs, else 0 */
    double canary_hours;
    struct plan plan; /* what this wave can see */
    const char *plan_text;
    /* Were the canaries like control before the rollout? NULL: the wave was not told yet. */
    const struct placebo_result *placebo;
    const char *placebo_text, *placebo_brief, *placebo_metric; /* in words; the id of the metric that differs most */
};
/* What the log says of the alpha of the rollout's firmware. */
struct ledger_view {
    bool known;         /* it was read */
    double alpha;       /* of the firmware, over all its rollouts */
    double own, others; /* spent by this rollout, and by others */
    double left;        /* not spent by anybody */
    bool dry;           /* not enough is left: the tests do not act */
    const char *text;   /* in one line; "" */
    const char *note;   /* what is not as the policy says, in words; "" */
};
struct trial_view {
    enum trial_state state;
    bool ended;          /* off, since the rollout has ended: what its tests said last stands */
    const char *text;    /* why it is off, what it waits for, "" */
    double progress;     /* of catching up, 0..1 */
    int64_t start, tick; /* telemetry's time of the newest tick; 0 */
    int stage;           /* that runs, -1 */
    bool dry_run;
    struct ledger_view ledger;
    struct stage_view *stages; /* by wave; n_stages of them have begun, n_planned have a plan (those included) */
    size_t n_stages, n_planned;
    struct trial_after after; /* of the stage that runs */
    /* of the leading test of the stage that runs */
    const char *const *carriers;     /* safe device ids, at most 20 */
    const char *const *carriers_raw; /* the same as the server knows them, for focus.device; NULL = the same */
    size_t n_carriers, carriers_total;
    const struct share *shares; /* what they share that the rest do not */
    size_t n_shares;
    const char *missing[8]; /* for promotion: "bake time: 12m left", in words */
    size_t n_missing;
    bool person;          /* the last of them is that a person must advance it */
    double hours_left;    /* device-hours of canary watch that the policy still asks for; 0 */
    const char *sentence; /* for 3 a.m.: "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others. Evidence 72,000;
                             250 needed to pause, 2,500 to roll back." */
};

struct wave_view {
    struct wave wave;
    struct wave_health health;
    struct verdict verdict;
    bool watched;          /* telemetry is being judged for it */
    int64_t members;       /* devices that are listed of it */
    int64_t had_release;   /* of them, that had the release before the rollout began: nothing has changed on them */
    int64_t running_since; /* 0 */
    int64_t ended_at;
    const char *decided_by; /* who advanced past it, "" */
    const struct figure
        *figures; /* of the rollout's policy, by number: words of health.value, trend, a limit's figure */
    size_t n_figures;
    float trend[FIGURES_MAX][TREND_N]; /* canary */
    float trend_control[FIGURES_MAX][TREND_N];
};

enum op_phase {
    OP_QUEUED,
    OP_LOGGING,
    OP_SENT,
    OP_VERIFYING,
    OP_RUNNING /* saga between steps */,
    OP_DONE,
    OP_REFUSED,
    OP_FAILED,
    OP_UNKNOWN /* sent, and what became of it can't be told; a person must look */
};

/* One intent on its way, or just finished (kept 10 min). */
struct op_view {
    uint64_t ticket;
    uint64_t corr;
    enum verb verb;
    const char *rollout;
    const char *actor;
    enum op_phase phase;
    const char *text; /* what it is doing or how it ended */
    const char *next; /* what to do, "" */
    int64_t started, ended;
    int64_t log_seq;  /* of its intent, 0 = not logged (yet) */
    enum trail trail; /* of a halt's entry, once that is settled: where it can be found */
};

/* A roll back's progress. */
enum rollback_step {
    RB_NONE,
    RB_TARGET, /* the release to go back to is looked up; nothing has been done yet */
    RB_PAUSE,
    RB_SNAPSHOT,
    RB_AUTOASSIGN,
    RB_STOP,
    RB_DRAIN,
    RB_CREATE,
    RB_START,
    RB_FOLLOW,
    RB_VERIFY,
    RB_REPAIR,
    RB_DONE /* it has ended, well or not: see the outcome */
};
enum rollback_outcome {
    RB_OPEN,     /* it has not ended */
    RB_COMPLETE, /* every device is verified */
    RB_PARTLY,   /* some are */
    RB_FAILED    /* none is */
};
struct rollback_view {
    enum rollback_step step;
    const char *to;    /* "name:version" */
    const char *name;  /* of the roll-back rollout, andon-rb-<id>-<n> */
    int64_t devices;   /* in the snapshot of devices told */
    int64_t verified;  /* shown by the server to have the old version installed */
    int64_t never_had; /* told, but never installed the new version and hold the old one */
    int64_t draining;  /* recalled, not answered yet */
    int64_t failed, repairing, offline, unknown;
    int64_t started, ended;
    const char *text; /* what it waits for */
    const char *left; /* what is left and why, when done */
    enum rollback_outcome outcome;
};

struct rollout_view {
    struct rollout rollout;
    struct wave_view *waves;
    size_t n_waves;
    bool waves_known;
    const struct err *waves_error; /* why the newest try to read them failed, NULL */
    const struct err *unlisted;    /* why a told wave's devices cannot be listed, and so are not judged; NULL */
    int current;                   /* index of the newest wave that was told, -1 */
    enum reaction verdict;         /* worst of its waves */
    bool latched;                  /* halted, nobody has acknowledged */
    enum stop_phase stop;          /* how far a halt or hold has come; words of it: stop_phase_words */
    bool stop_old;                 /* the newest answer is too old to say that it is so now */
    int64_t halted_at;
    bool runs_on;            /* it was said that it runs in spite of the halt, and it was not shown stopped since */
    int64_t ran_at;          /* when that was said last, 0 */
    const char *halted_by;   /* "rule R-REBOOT", "m.ito" */
    const char *halt_text;   /* figures */
    const char *halted_host; /* where the newest halt was asked for, "" not known */
    enum stop_from halted_from;
    const char *halted_log;  /* its entry: "andon/console-2 #18231", "" not known */
    int64_t in_flight;       /* told, not done: they go on in spite of a halt; -1 unknown */
    bool held;               /* paused by andon without a latch */
    const char *paused_by;   /* "" unknown */
    int64_t other_at;        /* engine clock: known since then that another rollout had its number before, 0 */
    bool gate_waits;         /* waits for a person: approval, or advance under PROMOTE_HOLD */
    const char *warnings[4]; /* "error threshold 100 never fires", … */
    size_t n_warnings;
    const char *next; /* "you: decide", "W2 82% · 14m" */
    struct rollback_view rollback;
    const char *rollback_of;                 /* id of the rollout that this one rolls back, "" */
    const char *note_problem;                /* why other consoles do not hear of it, or not of theirs here; "" */
    const char *rollback_by, *rollback_host; /* who, where, as its note says; "" not known */
    bool
        rollback_claimed; /* only its name says so, or a note that no known key has signed: it is judged as any other */
    struct trial_view trial;
    const struct approval_state *approvals; /* signed ones, where the policy asks for them; else NULL */
    const struct policy *policy;            /* that applies to it; outlives the engine */
    const struct wave *wave_list; /* the same waves without what andon thinks of them, contiguous: for verb_facts */
};

enum alert_kind {
    ALERT_HALT,
    ALERT_ESCALATED,
    ALERT_LOST,
    ALERT_UNLISTED, /* told devices cannot be listed, so nothing of them is judged */
    ALERT_LOG,
    ALERT_UNKNOWN_OP,
    ALERT_EXTERNAL,
    ALERT_OTHER,
    ALERT_WATCH
};
struct alert {
    enum alert_kind kind;
    const char *rollout; /* "" = fleet */
    const char *text;
    int64_t since;
    bool acked;
};

struct audit_view {
    bool open, writable;
    bool tampered; /* it does not verify, or is not the file that it was */
    bool degraded; /* entries are waiting to be logged late */
    int64_t backlog;
    int64_t size;         /* entries */
    int64_t checkpoint_t; /* of the newest entry */
    bool verified;        /* the tail was verified at start */
    const char *error;
    int64_t commands, refused, pending;
    /* Its witnesses: how many are configured; the most entries that one of them has signed for, who, and when (wall
     * clock, us; 0 = none has so far); what contradicts the log, and why the newest entries have no witness, "". */
    size_t witnesses;
    int64_t witnessed, witnessed_t;
    const char *witness, *doubt, *unseen;
};

/* What a screen wants in more detail than the board; set with engine_focus(). */
struct focus {
    char rollout[ID_MAX];
    int wave;             /* -1 none */
    char device[256];     /* raw id, "" none */
    bool inventory;       /* what the fleet consists of: counted when it was not yet, or long ago */
    bool inventory_names; /* with the names of devices that do not report */
    bool outlook;         /* what to roll out next: looked at again more often */
    char to[200];         /* "name:version" that a roll back would go back to: looked up on the server; "" none */
};

/* What is known of the inventory. */
struct inventory_view {
    struct inventory_held *held; /* the newest whole one, NULL = none yet; the snapshot has a reference */
    bool counting;
    size_t asked;            /* questions so far of the count that goes on */
    const struct err *error; /* why the newest count failed, or why there is none; NULL */
};

/* What is known of what to roll out next (core/outlook.h). */
struct outlook;
struct outlook_view {
    struct outlook *held; /* the newest, NULL = none; the snapshot has a reference */
    int64_t at;           /* when it was computed, engine clock */
    bool computing;
    bool looked;             /* a look has ended: without `held` and `error` there is nothing to compute it from */
    const struct err *error; /* why there is none, or why it is an old one; NULL */
};

/* A plan that somebody makes at this engine (engine_plan): drawn and shown, and written only when it is kept. */
enum draft_stage {
    DRAFT_NONE,
    DRAFT_ASKING, /* the server, for release, devices and attributes */
    DRAFT_READY,  /* nothing is written */
    DRAFT_KEEPING,
    DRAFT_KEPT, /* it is in the log, and a rollout */
    DRAFT_FAILED
};
struct draft_wave {
    int64_t devices;
    const char *strata; /* "model: rev-a (12), rev-b (3)", "" */
    const char *ids;    /* the first of them */
};
struct draft_view {
    enum draft_stage stage;
    uint64_t number;          /* of the wish that it answers */
    const char *error, *next; /* DRAFT_FAILED: why, and what helps */
    /* from DRAFT_READY to DRAFT_KEPT */
    const char *release, *version, *target;
    int64_t devices;
    struct draft_wave *waves;
    size_t n_waves;
    const char *id; /* DRAFT_KEPT */
};

struct snapshot {
    int refs; /* use snapshot_ref/unref */
    struct arena arena;
    uint64_t generation;
    int64_t taken_at; /* engine clock */
    const char *fleet, *environment, *kind, *user;
    bool production, read_only;
    bool operator_named; /* as in struct verb_facts */
    int64_t fresh_us;    /* older than this, what the server said is not known any more (fresh_limit_us) */
    struct backend_info info;
    const struct policy *policy; /* outlives the engine */
    struct link_view link;       /* fleet back end */
    struct link_view telemetry;
    struct rollout_view *rollouts; /* in the server's order, newest first */
    size_t n_rollouts;
    bool rollouts_known;
    bool rollouts_clipped; /* the server has more: only the newest n_rollouts are known here */
    struct alert *alerts;
    size_t n_alerts;
    struct op_view *ops; /* newest first */
    size_t n_ops;
    size_t notes_due; /* rollouts whose halt, or its acknowledgement, is being noted on the server */
    struct audit_view audit;
    /* the focus, answered */
    struct focus focus;
    const struct device_row *devices;
    size_t n_devices;
    int64_t devices_total;              /* in the wave; more than n_devices when clipped */
    int64_t devices_at;                 /* when the list was read, 0 = loading */
    const struct err *devices_error;    /* why the newest try to read it failed, NULL */
    const struct device_detail *device; /* NULL = none or loading */
    struct preview_device *told; /* every device of the focused rollout's told waves, for a roll back's preview */
    size_t n_told;
    bool told_known;
    const struct err *told_error;  /* why the newest try to read them failed, NULL */
    struct rollback_target target; /* focus.to */
    struct inventory_view inventory;
    struct outlook_view outlook;
    struct draft_view draft;
    float updating_trend[TREND_N], failed_trend[TREND_N]; /* fleet-wide, per minute */
};

/* For how long what the fleet server said may be acted on, us: two polls and the time that an answer may take, and at
 * least 15 s. The one place that says so: a fleet that is asked every 30 s is not stale between two polls. */
int64_t fresh_limit_us(int64_t poll_us, int64_t answer_us);
struct snapshot *snapshot_new(void); /* refs = 1; fresh_us is the least that there is */
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */
/* A figure of the wave by its number; the built-in one where the wave has no words of its own, figure_unknown. */
const struct figure *wave_figure(const struct wave_view *w, size_t number);
const struct rollout_view *snapshot_rollout(const struct snapshot *s, const char *id);
/* The policy that applies to a rollout (NULL: any of the fleet), never NULL: the built-in one where nothing is known.
 */
const struct policy *snapshot_policy(const struct snapshot *s, const struct rollout_view *r);
/* What a typed word names among the fleets of a console: "4471", or "fleet/4471". Returns how many fleets it may mean;
 * with 1, *which is the fleet's index and *id, inside `word`, the rollout's id. With a fleet's name in front the fleet
 * is meant whether or not it shows the rollout: a halt does not wait for a list. More than 1: it must be named with its
 * fleet. */
size_t snapshot_named(struct snapshot *const *snaps, size_t n, const char *word, size_t *which, const char **id);
/* Facts for verb_check about a rollout of this snapshot; NULL rollout when it is not there. With "" (every rollout)
 * `latched` says whether any of them is. `now` of the engine's clock. */
void snapshot_facts(const struct snapshot *s, const char *rollout, int64_t now, struct verb_facts *out);
/* What is said of a rollout's halt. Board, banner, plain lines and commands all ask here, so that they say the same. */
struct halt_said {
    const char *word;  /* stable: "halted-but-running"; "" = there is none */
    const char *title; /* "HALTED, BUT RUNNING" */
    const char *brief; /* at most 6 columns: "RUNS!" */
    const char *text;  /* a sentence whose subject is the rollout: "is halted, and the server shows it" */
    bool true_now;     /* the server shows it: no further device is told */
    bool alarm;        /* it is wanted and the server does not show it: devices may be told */
};
struct halt_said halt_said(enum stop_phase phase, bool old);
const char *link_state_word(enum link_state s);
const char *trial_state_word(enum trial_state s);     /* "off", "waiting", "catching-up", "live", "behind" */
const char *rollback_step_word(enum rollback_step s); /* as in the log */
/* The step, or at the end what came of it: "done" (complete), "incomplete" or "failed". */
const char *rollback_word(const struct rollback_view *b);
const char *op_phase_word(enum op_phase p);

#endif
