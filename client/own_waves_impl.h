/* Between the files of own_waves. */
#ifndef ANDON_CLIENT_OWN_WAVES_IMPL_H
#define ANDON_CLIENT_OWN_WAVES_IMPL_H

#include "client/own_waves.h"

#define OWN_LOOK_MIN  (2 * US_PER_S)    /* between two looks at where devices stand, while something moves */
#define OWN_LOOK_MAX  (60 * US_PER_S)   /* when nothing does */
#define OWN_LOOK_MOST ((size_t)5000)    /* devices in one look */
#define OWN_READ_US   (5 * US_PER_S)    /* between two looks into the log */
#define OWN_MISS_US   (2 * US_PER_MIN)  /* by then a device that was told shows it */
#define OWN_OTHER_US  (20 * US_PER_S)   /* so long another process that lives may take for its next batch */
#define OWN_FIRST_US  (250 * US_PER_MS) /* for so long a server's list waits for what the log says first */
#define OWN_KNOWN_US  (5 * US_PER_S)    /* and for so long, where only plans are listed, for where devices stand */
#define OWN_FRESH_US  (5 * US_PER_S)    /* a server that has not been asked for so long is asked for its name */

/* A step that may not be taken twice at once. */
enum own_step {
    OWN_IDLE,
    OWN_CLAIMING, /* the claim is on its way into the log */
    OWN_CHECKING, /* it is there, and the log is read: does it hold? */
    OWN_SENT,     /* its request is under way */
    OWN_ANSWERING /* what came of it is on its way into the log */
};

/* What was asked for here, and holds here at once. */
struct own_said {
    bool on;     /* and the log does not show it yet */
    int64_t seq; /* of its entry, 0 = it is not in the log */
};

struct own_plan {
    struct own_waves *own;
    struct own_plan *next;
    struct arena arena;
    struct wave_plan plan;
    struct plan_state s;
    uint8_t *at;     /* enum standing_at of each device */
    uint32_t *picks; /* each wave's devices in a random order, NULL until some of them are asked for */
    struct counts *counts;
    bool dirty; /* counts are to be made anew */
    int64_t modified;
    bool here; /* asked for here */
    struct own_said hold, stop;
    bool force;       /* of the stop that was asked for here */
    char reason[256]; /* of the newer of the two, "" */
    /* telling */
    enum own_step step;
    char key[PLAN_KEY_BYTES];
    size_t first, n;
    int64_t claim_seq;
    struct arena tell_arena;
    struct tell_result *results;
    int64_t retry_at;
    int failures;
    struct err tell_err;
    int64_t other_at; /* when another process was last seen going on with it */
    /* recalling */
    enum own_step recall_step;
    char recall_key[PLAN_KEY_BYTES];
    size_t recall_from; /* device of the claim that is next */
    char *recalled;     /* outcomes so far */
    bool recall_force;  /* by a stop by force */
    int recall_tries;
    int64_t recall_retry_at;
    /* looking */
    bool looking, looked; /* looked: once at all of them */
    int64_t look_at, look_delay;
    size_t cursor;
    bool saying; /* a finding is on its way into the log */
};

/* A call of ours that is under way. */
struct own_call {
    struct own_waves *own;
    struct own_call *next;
    struct own_plan *plan;
    struct arena *arena;
    void *out;
    backend_done done;
    void *ctx;
    bool (*fill)(struct own_call *c, struct err *e); /* answered from memory, by the next tick */
    bool ready;
    int64_t wait_until; /* 0; the log is waited for, and no longer than until then */
    struct reply reply; /* of the server, when that was waited for after it */
    struct err err;
    size_t limit;
    enum plan_event event; /* a verb: what was written, and the entry's number */
    int wave;
    int64_t seq;
    bool maybe;
    size_t first, n, end; /* devices that were asked about; those from first to end */
    size_t *index;
    const char **ids;
    struct device_standing *standing;
    struct rollout_list rollouts;
    struct release release;
    struct wave_plan *wanted;
    struct arena memory;
};

struct own_waves {
    struct backend backend; /* first */
    struct backend_ops ops;
    struct backend *inner;
    struct own_log log;
    struct own_plan *plans; /* newest first */
    struct own_call *calls;
    int64_t read_upto, read_at, heard_at;
    bool reading, read_again, known, ending;
    struct err read_err;
    struct backend_info info;
    bool info_known;
};

static inline struct own_waves *own_of(struct backend *b)
{
    return (struct own_waves *)b;
}
static inline int64_t own_now(const struct own_waves *own)
{
    return clock_now(own->log.clock);
}

/* ---- own_waves.c ---- */
struct own_plan *own_find(struct own_waves *own, const char *id); /* NULL */
/* A call of ours; freed by own_call_end(), or with the back end. */
struct own_call *own_call_new(struct own_waves *own, struct own_plan *p, struct arena *a, void *out, backend_done done,
                              void *ctx);
void own_call_end(struct own_call *c, const struct reply *r);
void own_call_later(struct own_call *c);                      /* by the next tick */
void own_read(struct own_waves *own);                         /* the log, from where it was read */
void own_wake(struct own_waves *own);                         /* by what is due next */
void own_heard(struct own_waves *own, const struct reply *r); /* the server has answered */
/* An entry about the plan by this process, with nothing else set. */
struct plan_entry own_entry(const struct own_plan *p, enum plan_event event);
void own_changed(struct own_plan *p);
const struct counts *own_counts(struct own_plan *p); /* of each wave */
bool own_may(const struct own_plan *p, bool tell);
bool own_done(struct own_plan *p); /* every device of every wave has answered */
/* Tells no more, at once, and says so in the log when that can be had. `wave`: whose failures are the reason, -1. */
void own_hold(struct own_plan *p, const char *reason, bool rule, int wave);
void own_stop(struct own_plan *p, const char *reason, bool force); /* the same for good */

/* ---- own_waves_tell.c ---- */
void own_tell(struct own_plan *p);   /* the next batch, when it is time for one */
void own_check(struct own_plan *p);  /* the log was read: does our claim hold? */
void own_recall(struct own_plan *p); /* of a plan that was stopped */
bool own_recalls(const struct own_plan *p);
int64_t own_tell_due(const struct own_plan *p);
/* ---- own_waves_look.c ---- */
void own_look(struct own_plan *p); /* where its devices stand, when it is time to ask */
int64_t own_look_due(const struct own_plan *p);
void own_conditions(struct own_plan *p);       /* what follows from its counts */
bool own_settled(const struct own_waves *own); /* the log was read, and plans that are under way were looked at once */
void own_stands(struct own_plan *p, size_t device, enum standing_at at);
/* ---- own_waves_ops.c ---- */
void own_ops(struct own_waves *own); /* its table */
/* ---- own_waves_verbs.c ---- */
void own_verbs(struct own_waves *own); /* the log was read: what has come about */
void own_pass(struct backend_ops *o);  /* what goes to the server as it came, and verbs */

#endif
