/* The engine's inside: what the worker thread knows, and the functions of its files. Private to engine/.
 *
 * One thread owns everything here but the members of struct engine that are marked "under lock". A rollout's struct ro
 * and the watched devices live as long as the engine, so that requests under way may point to them. */
#ifndef ANDON_ENGINE_WORKER_H
#define ANDON_ENGINE_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "client/backend.h"
#include "client/telemetry.h"
#include "core/digest.h"
#include "core/json.h"
#include "core/rng.h"
#include "engine/engine.h"
#include "engine/scribe.h"

#define STALE_US         (15 * US_PER_S)
#define ROLLOUTS_MAX     1000            /* rollouts read at each poll */
#define WAVE_DEVICES_MAX ((size_t)20000) /* hawkBit's own limit for a group */
#define FLEET_LIST_MAX   ((size_t)200000)
#define DEVICES_US       (10 * US_PER_S) /* between two readings of a running wave's devices */
#define HALT_ESCALATE_US (10 * US_PER_S)
#define OP_KEEP_US       (10 * US_PER_MIN)

struct engine;
struct ro;
struct op;

/* ---- requests to the outside ---- */
struct req {
    struct engine *en;
    struct ro *ro;
    struct op *op;
    void *x;
    int64_t n;
    int64_t x_at; /* when it was asked */
    char name[ID_MAX];
    struct arena arena;
    union {
        struct backend_info info;
        struct rollout_list rollouts;
        struct rollout rollout;
        struct wave_list waves;
        struct device_list devices;
        struct inflight inflight;
        struct release release;
        struct release_list releases;
        struct device_info device;
        struct auto_assign_list autos;
        struct sample_list samples;
        struct range_list range;
        struct past_list past;
        struct attribute_table attributes;
        int64_t when;
        const char *id;
    } out;
    void (*then)(struct req *q, const struct reply *r);
};
struct req *req_new(struct engine *en, void (*then)(struct req *q, const struct reply *r));
void req_done(void *ctx, const struct reply *r); /* the backend_done of every request; ctx is the req */

/* ---- devices that are watched ---- */
struct dev {
    struct track track;
    const char *id, *raw_id;
    enum device_status status;
    int64_t installed_at, last_seen;
    double boot_time, boots;  /* sources that give the time of the last boot: boots are counted here */
    int64_t installed_before; /* installed_at as it was before its wave was told; -1 not known */
    bool overdue, enrolled;
    struct ro *canary_of; /* told by this rollout (the newest) */
    int wave;
    const char *from; /* "name:version" it came from, "" */
};

/* ---- a wave ---- */
struct wv {
    bool told, listed, listing;
    struct counts listed_counts;              /* of the wave when its devices were asked for */
    int64_t list_asked, list_as_of;           /* the same; the list is as good as one asked for at this time */
    int64_t list_errors;                      /* devices that had failed by the counts of then */
    int64_t told_at, running_since, ended_at; /* engine clock */
    int64_t listed_at, listed_done;           /* when, and how many had answered by then */
    char decided_by[64];
    uint32_t *members; /* indices into engine.devs */
    size_t n_members;
    struct wave_health health;
    struct verdict verdict;
    struct verdict_state vstate;
    bool judged, watch_said;
    enum reaction said; /* newest reaction that was logged */
    int64_t first_counts_from, first_listed;
    float trend[METRIC_COUNT][TREND_N], trend_control[METRIC_COUNT][TREND_N];
    int64_t trend_at;
};

/* ---- a halt of one rollout ---- */
struct halt_wait { /* an op that waits for the halt */
    struct op *op;
    uint64_t corr;
};
struct halt {
    enum halt_phase phase;
    bool latched, stop, waits_start, said_late;
    uint64_t corr;     /* of the newest halt */
    int64_t since, at; /* asked for; shown */
    int64_t delay;     /* back-off */
    int sending;       /* requests without an answer */
    bool reading;
    char by[80], text[256];
    char before[32];
    struct halt_wait waits[16];
    size_t n_waits;
};

struct rollback;
struct from_scan;
struct run;
struct trial_shown;
struct tick_queue;
struct keeper;
#define ACKS_MAX 32

/* ---- a rollout ---- */
#define CONTROL_BEGIN (-1) /* nothing was read yet */
#define CONTROL_END   (-2) /* every wave was read */
struct ro {
    struct engine *en;
    char id[ID_MAX];
    struct arena arena; /* of r */
    struct rollout r;
    bool known, gone;
    int64_t seen_at;             /* when the newest answer about it was asked for */
    const struct policy *policy; /* that applies to it: rules.c */
    bool policy_final;
    struct arena wave_arena;
    struct wave *waves;
    struct wv *wv;
    size_t n_waves;
    bool waves_known, waves_loading, waves_wanted;
    int64_t waves_at;                 /* read at */
    int64_t waves_asked, waves_as_of; /* the newest was asked for at; nothing has changed up to */
    int current;
    /* control: devices of the waves that have not started */
    uint32_t *control;
    size_t n_control;
    bool control_loading;
    int control_next;                /* wave to read next, from the last one down; see CONTROL_* */
    size_t control_best;             /* devices that it once had */
    struct group_health control_now; /* what relative limits compare with: live, or as last measured */
    struct group_health control_good;
    int64_t control_good_at, control_frozen_at; /* when control_good was measured; 0 = control_now is live */
    struct from_scan *from_scan;                /* that is under way, NULL */
    bool from_wanted, from_loading;             /* the fleet's release lists are to be read: new devices are watched */
    /* halts and holds */
    struct halt halt;
    bool held;
    bool acked_pause; /* a person acknowledged the halt in this pause */
    int hold_wave;    /* wave for which the hold of PROMOTE_HOLD was placed */
    char paused_by[80];
    enum rollout_state told_state; /* state that andon itself last brought about; to tell others' doing */
    char external[200];
    int64_t external_at;
    bool rollback_due;
    char rollback_rule[64];
    struct inflight inflight;
    int64_t inflight_at; /* asked for at */
    bool inflight_loading;
    struct rollback *rb; /* of this rollout, NULL */
    char rollback_of[ID_MAX];
    /* its trial */
    struct run *run;           /* NULL: not tested (now); trial_off says why */
    const char *trial_off;     /* static */
    struct trial_shown *shown; /* what is shown of it, NULL = nothing */
    bool ledger_said;
    bool
        no_past; /* who only looks finds no kept evidence, and the source has no history: there is nothing to be said */
    int64_t acks[ACKS_MAX]; /* when people acknowledged its halts, ascending */
    size_t n_acks;
    struct rehearser *rehearser; /* it is replayed, not watched: rehearse.c */
    /* lost telemetry has paused it, and the policy lets it go on by itself */
    int lost_good; /* good polls since */
};

/* ---- an intent on its way ---- */
struct op {
    struct op *next; /* newest first */
    uint64_t ticket, corr;
    struct intent in;
    enum op_phase phase;
    char text[300], then[200];
    int64_t started, ended, log_seq;
    struct ro *ro;
    int stage; /* of the verb */
    int target_wave;
    char before[32];
    int64_t verify_until;
    bool maybe, recovered;
    int status;
    char request_id[80];
    int pending; /* halts that are not shown yet */
    bool fleet_wide;
    int busy;            /* log appends and requests that point to it */
    enum op_phase final; /* how it ends once its outcome is in the log; OP_QUEUED = not decided */
    const char *result;
    struct err answer; /* of the newest request, for the text */
    int64_t delay;     /* between two readings */
};

struct timer {
    int64_t at;
    uint64_t seq;
    void (*fn)(struct engine *en, void *arg);
    void *arg;
};

struct handed_in {
    struct handed_in *next;
    uint64_t ticket;
    struct intent in;
};

struct link {
    int64_t last_ok, rtt, next_try, asked_at;
    int failures;
    bool busy;
    struct err err;
};

struct engine {
    struct engine_spec spec;
    struct clock *clock;
    const struct policy *policy; /* of the fleet: what no rule says otherwise; its window is that of all telemetry */
    struct http *http;
    struct backend *be;
    struct telemetry *tm;
    struct scribe *scribe;
    struct crier *crier;
    struct notifier *notifier;
    struct rng rng;
    pthread_t thread;
    bool started;
    int wake_fd, seen_fd;
    bool (*on_idle)(void *ctx, struct engine *en, const struct snapshot *s);
    void *on_idle_ctx;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t published;
    struct snapshot *snap;
    uint64_t next_ticket;
    struct handed_in *handed, **handed_tail;
    bool stop, refresh;
    struct focus new_focus;
    bool focus_set;
    int escalations;
    /* the worker's */
    bool ending;
    struct timer *timers;
    size_t n_timers, cap_timers;
    uint64_t timer_seq;
    struct arena info_arena;
    struct backend_info info;
    bool info_known, probing;
    struct link link, tlink;
    int tm_polls;        /* of telemetry, on its beat */
    bool tm_extra;       /* the one under way is off the beat */
    int64_t tm_answered; /* when the newest one that has succeeded or failed was asked for */
    size_t tm_watched;   /* devices that it is about */
    int64_t tm_newest;   /* newest tick that was polled */
    bool tm_ranging;     /* history is being read */
    struct tick_queue *ticks;
    struct keeper *keeper;
    unsigned keep_outstanding;
    struct err keep_err;
    uint64_t run_serial;
    int64_t tm_tick; /* on the telemetry's grid, of the poll under way or the newest one */
    struct ro **ros; /* in the server's order */
    size_t n_ros;
    struct ro **all; /* every one that was ever seen */
    size_t n_all, cap_all;
    bool rollouts_known, rollouts_clipped;
    int n_ended_read;
    struct watch_set *watch;
    struct dev *devs;
    size_t n_devs, cap_devs;
    struct arena dev_arena;
    struct op *ops;
    uint64_t corr_base, corr_n;
    /* diary */
    struct job *backlog[512];
    size_t n_backlog;
    unsigned log_outstanding;
    bool log_open, log_writable, log_degraded, log_verified;
    int64_t log_size, log_newest, log_degraded_since, log_lost;
    struct err log_err;
    bool recovered, looking;
    struct job *leftovers; /* kept until the rollouts are known */
    int64_t commands, refused;
    struct focus focus;
    struct focus_data *fd;
    int64_t minute_done, minute_failed, minute_at;
    bool minute_known;
    float updating_trend[TREND_N], failed_trend[TREND_N];
    bool dirty;
    int64_t published_at, lively_until;
    size_t freed; /* bytes of answers, since the heap was last given back */
    uint64_t generation;
    uint64_t instance; /* tells this engine from an earlier one of the same process */
};

static inline int64_t now_of(struct engine *en)
{
    return clock_now(en->clock);
}
static inline void mark(struct engine *en)
{
    en->dirty = true;
}

/* loop.c */
void timer_set(struct engine *en, int64_t at, void (*fn)(struct engine *en, void *arg), void *arg); /* replaces */
void timer_cancel(struct engine *en, void (*fn)(struct engine *en, void *arg), void *arg);
void *loop_main(void *engine);
void loop_wait(struct engine *en); /* one turn without anything but timers and requests, for a rehearsal */

/* poll.c, poll_waves.c */
void poll_begin(struct engine *en);
void poll_now(struct engine *en);
struct ro *ro_find(struct engine *en, const char *id);
struct ro *ro_get(struct engine *en, const char *id);             /* makes it when it is new */
void ro_take(struct ro *ro, const struct rollout *r, int64_t at); /* an answer about it, asked for at `at` */
void ro_free(struct ro *ro);
void ro_read(struct ro *ro); /* its waves, soon */
bool ro_ended(const struct ro *ro);
void ro_facts(struct engine *en, const struct ro *ro, struct verb_facts *out);
void rollout_copy(struct arena *a, struct rollout *to, const struct rollout *from);
void link_ok(struct engine *en, struct link *l, const struct reply *r);
void link_bad(struct engine *en, struct link *l, const struct err *e);
bool link_fresh(struct engine *en);
void waves_read(struct ro *ro);
void waves_take(struct ro *ro, const struct wave_list *list);
void inflight_read(struct ro *ro);

/* watch.c */
void watch_wave(struct ro *ro, size_t i); /* reads a wave's devices when it is time */
void watch_control(struct ro *ro);
void watch_take(struct ro *ro, size_t wave, const struct device_list *list);
void watch_enrol(struct ro *ro);
void watch_from(struct ro *ro);      /* reads where its devices come from, once for each wave */
void watch_from_free(struct ro *ro); /* gives up one that is under way */
struct dev *watch_dev(struct engine *en, const struct device *d);
struct dev *watch_raw(struct engine *en, const char *raw_id); /* nothing more is known of it */
void watch_forget(struct engine *en);                         /* with nothing under way, nothing is watched */

/* beat.c: when telemetry is asked for */
int64_t beat_interval(const struct engine *en);
int64_t beat_settle(const struct engine *en); /* after a tick, before it is asked for: its scrapes are in by then */
bool beat_history(const struct engine *en);   /* the source answers for times gone by */
double beat_boots(const struct engine *en, struct dev *d, double boot_time); /* a counter of boots, of either */
void beat_begin(struct engine *en);
void beat_soon(struct engine *en); /* devices are known that telemetry was not asked about yet */
void telemetry_poll(struct engine *en, void *arg);

/* trial_*.c: the trial of each rollout (engine/trial_run.h) */
void trial_advance(struct ro *ro); /* facts or telemetry have come in: as far as they go */
void trial_advance_all(struct engine *en);
void trial_listed(struct ro *ro);              /* a wave's devices were read */
void trial_acked(struct ro *ro, int64_t at);   /* a person acknowledged a halt */
void trial_end(struct ro *ro);                 /* gives it up; what is shown stays */
bool trial_busy(const struct ro *ro);          /* requests are under way */
int trial_declared(const struct ro *ro);       /* waves that are tested: those that were known when the tests began */
bool trial_catching(const struct ro *ro);      /* the evidence is not known yet */
bool trial_catching_long(const struct ro *ro); /* for so long that it holds the rollout */
/* The tests that are judged with a wave: those of the stage that runs. */
size_t trial_judged(const struct ro *ro, size_t wave, const struct evidence **out);
/* The figures of the test that decided, and the level that reacted so, as members of an open object; false when `rule`
 * is no test. */
bool trial_figures(const struct ro *ro, const char *rule, enum reaction react, struct json_w *w);
bool trial_blob(const struct ro *ro, const char *rule, struct buf *out); /* everything that it was decided by */
bool trial_hours_left(const struct ro *ro, double *hours);               /* of canary watch, before promotion */
void trial_publish(const struct ro *ro, struct arena *a, struct trial_view *out);
void trial_shown_free(struct ro *ro);
void trial_keep_all(struct engine *en); /* at the end */
void keeper_drain(struct engine *en);
void ticks_take(struct engine *en, int64_t t, size_t watched, const struct sample_list *l);
void ticks_trim(struct engine *en);
void ticks_free(struct engine *en);
/* rehearse.c: a tick was fed, rows in the trial's order */
void rehearse_tick(struct rehearser *h, int64_t t, const struct trial_row *rows, size_t n);
/* For tests: the state of a rollout's trial, to be fetched by another thread when the engine has stopped. */
bool engine_trial_bytes(struct engine *en, const char *rollout, struct buf *out, int64_t *tick);

/* rules.c: which policy applies */
void rules_choose(struct ro *ro);

/* control.c */
size_t control_tracks(const struct ro *ro, const struct track **v);           /* `v` has room for n_control */
void control_sum(struct ro *ro, const struct track **buf, int64_t scrape_us); /* fills control_now */
bool control_blind(const struct ro *ro); /* there is no control and never was: relative limits judge nothing */

/* judge.c */
/* Figures of the classes that the policy's limits name, by the limit's index; false when there are none. `buf` has room
 * for the tracks of the wave or of control. To be freed with class_release. */
bool class_figures(const struct ro *ro, size_t wave, const struct track **buf, int64_t scrape_us,
                   struct wave_health *out[VERDICT_LIMITS_MAX]);
void class_release(struct wave_health *out[VERDICT_LIMITS_MAX]);
void judge_ro(struct ro *ro);
void judge_all(struct engine *en);
void judge_forget(struct ro *ro); /* a halt was acknowledged */

/* diary.c: the log as the worker sees it */
enum {
    DIARY_CLOSED = 1, /* before a request: on failure `done` hears of it and nothing is kept */
    DIARY_HALT = 2
}; /* without the log within 250 ms it is also told to standard error and syslog */
void diary_begin(struct engine *en);
void diary_put(struct engine *en, struct job *j, unsigned flags, void (*done)(struct engine *en, struct job *j),
               void *ctx);
void diary_entry(struct engine *en, struct entry *e, enum entry_kind kind, const struct op *op, const struct ro *ro);
void diary_write(struct engine *en, const struct entry *e, unsigned flags,
                 void (*done)(struct engine *en, struct job *j), void *ctx);
void diary_drain(struct engine *en);
bool diary_ok(const struct engine *en); /* intents may be written */
void diary_end(struct engine *en);
uint64_t corr_new(struct engine *en);
int64_t process_start(int64_t pid); /* in clock ticks since boot, from /proc; -1 = no such process */
struct crier *crier_new(void);
void crier_cry(struct crier *c, const char *line);
void crier_free(struct crier *c);

/* ops.c */
struct op *op_new(struct engine *en, uint64_t ticket, const struct intent *in);
void op_say(struct engine *en, struct op *op, enum op_phase phase, const char *next, const char *fmt, ...)
    ANDON_PRINTF(5, 6);
void op_refuse(struct engine *en, struct op *op, const struct err *why);
void op_outcome(struct engine *en, struct op *op, enum op_phase phase, const char *result, const char *after,
                const char *next, const char *fmt, ...) ANDON_PRINTF(7, 8);
bool op_ended(const struct op *op);
void op_intent(struct engine *en, struct op *op, enum entry_kind kind, const struct ro *ro, uint64_t corr,
               struct entry *e);
void ops_sweep(struct engine *en);
uint64_t op_by_rule(struct engine *en, const struct intent *in); /* an intent of a rule enters here */
void ops_free(struct engine *en);

/* act.c */
void act_queued(struct engine *en); /* the log is open: what waited for it may begin */
void act_begin(struct engine *en, struct op *op);
bool act_busy(struct engine *en, const struct ro *ro); /* a verb on it is under way */
void act_poll(struct engine *en, struct ro *ro);       /* a newer state came in: does it end an op? */

/* halt.c */
void halt_begin(struct engine *en, struct op *op);
void halt_seen(struct ro *ro);      /* a newer state came in */
void halt_fleet(struct engine *en); /* ops that wait for the list of rollouts */
void halt_latch(struct ro *ro, const char *by, const char *text, int64_t at, uint64_t corr); /* from the log */
void halt_ack(struct ro *ro);
int halt_escalated(const struct engine *en);

/* rollback.c and its parts */
void rollback_begin(struct engine *en, struct op *op);
void rollback_seen(struct ro *ro);
void rollback_free(struct rollback *rb);
void rollback_resume(struct engine *en, struct op *op, const struct stored *steps, size_t n, char **blobs);
void rollback_view(const struct ro *ro, struct arena *a, struct rollback_view *out);
bool rollback_running(const struct ro *ro);
/* "name:version" that a device had before this rollout, by its own history; "" = it cannot be told. */
const char *origin_of(const struct device_info *d, const char *rollout, const char *bad, struct arena *a);

/* recover.c */
void recover_begin(struct engine *en);
void recover_known(struct engine *en); /* the rollouts are known (again) */
void recover_look(struct engine *en, void *arg);

/* publish.c, views.c, focus.c */
void publish(struct engine *en);
void publish_ro(struct snapshot *s, const struct ro *ro, struct rollout_view *v);
void focus_change(struct engine *en, const struct focus *f);
void focus_publish(struct engine *en, struct snapshot *s);
void focus_free(struct engine *en);

#endif
