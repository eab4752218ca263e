/* A roll back's state. Private to engine/rollback*.c. */
#ifndef ANDON_ENGINE_ROLLBACK_SAGA_H
#define ANDON_ENGINE_ROLLBACK_SAGA_H

#include "engine/worker.h"

#define RB_NAME_MAX 120
#define RB_TRIES    3  /* repairs of one device */
#define RB_VOTES    32 /* releases that devices came from, of one rollout */
#define RB_ASKED    20 /* devices whose history is read when nothing else tells what they came from */

/* Devices that have the release that is rolled back, or the one to go back to: more than that are refused. */
#define RB_LIST_MAX ((size_t)1000000)

/* One device that was told. */
struct rb_dev {
    const char *raw_id;
    int wave;
    enum device_status status;
    bool involved;     /* installed or assigned release is the one that is rolled back */
    bool installed_to; /* the old release is shown as installed */
    bool verified, never_had, overdue, seen;
    bool waits; /* an action that brings it back is alive on it */
    bool gone;
    int tries;
};

/* One roll-back rollout. */
struct rb_part {
    char *filter;
    const char *const *raw_ids; /* where the server takes no filters: `devices` of them, in the saga's arena */
    int64_t devices;
    char name[RB_NAME_MAX + 8];
    char id[ID_MAX];
    bool started;
};

struct rollback {
    struct engine *en;
    struct ro *ro;
    struct op *op;
    turn_fn next; /* carries out the step that stands in ro->rollback.step; the argument is the saga */
    struct arena arena;
    struct rb_dev *v;
    size_t n;
    uint32_t *index; /* hash table over v by raw id, n_index is a power of two; value + 1 */
    size_t n_index;
    struct release to, bad; /* back to, and rolled back */
    struct rb_part *parts;
    size_t n_parts, part;
    int attempt; /* n of andon-rb-<id>-<n>, of the next one to be made */
    int64_t started, ended, step_at, asked_at;
    bool busy;     /* a request or a log entry of the current step is under way */
    bool adopting; /* the name was taken: looking for who has it */
    bool told_auto;
    int64_t next_at, every; /* of the next look in follow */
    size_t wave;            /* target, snapshot: the wave to read */
    size_t auto_at;
    struct auto_assign_list autos;
    size_t repair_at;
    int repairing, repaired_now;
    bool pass_logged; /* this pass of repairs is in the log */
    int64_t last_verified;
    int64_t looked_at;              /* the devices' releases were asked for, for the newest answer */
    const char *to_text, *bad_text; /* "name:version", for the last list */
    struct job *waiting;            /* a step that the log has not taken yet */
    struct target_ask ask;
    struct {
        const char *from;
        int64_t n;
    } votes[RB_VOTES]; /* devices that came from each release, while `to` is being found */
    size_t n_votes;
    const char *asked[RB_ASKED];
    size_t n_asked, n_histories;
    bool acted; /* something was sent, or may have been */
    void (*then)(struct rollback *rb, const struct err *e);
    struct rollback_view view;
    char text[240], left[300];
};

/* rollback_saga.c */
void rb_go(struct rollback *rb, enum rollback_step step);
void rb_again(struct rollback *rb, int64_t in_us); /* looks again after a while */
/* The server, and its user, can: what is not known yet is waited for before the first step. */
static inline bool rb_can(const struct rollback *rb, enum cap cap)
{
    return (ro_caps(rb->ro) & cap) != 0;
}
void rb_text(struct rollback *rb, const char *fmt, ...) ANDON_PRINTF(2, 3);
void rb_fail(struct rollback *rb, const char *next, const char *fmt, ...) ANDON_PRINTF(3, 4);
/* How it has ended, by the devices that are verified. */
void rb_ended(struct rollback *rb);
/* The saga has ended and lets go of its op. */
void rb_close(struct rollback *rb);
/* Logs that the step is done, with the fields of `e` (made by rb_entry), then goes to `next`. */
void rb_entry(struct rollback *rb, struct entry *e);
void rb_logged(struct rollback *rb, const struct entry *e, const char *blob, enum rollback_step next);
/* Logs it with what was sent since the last such entry, and waits for nothing; `done` may be NULL. */
void rb_told(struct rollback *rb, const struct entry *e, void (*done)(struct engine *en, struct job *j));
void rb_forget_log(struct rollback *rb);           /* a step that waits for the log */
void rb_mark(struct rollback *rb, const char *id); /* that rollout is one of this roll back */
struct req *rb_req(struct rollback *rb, void (*then)(struct req *q, const struct reply *r));
void rb_census(struct rollback *rb); /* what each device runs now, into the log; while it has its op */
struct rb_dev *rb_find(struct rollback *rb, const char *raw_id);
void rb_entry_target(const struct rollback *rb, struct entry *e); /* the release to go back to */
bool rb_next_wave(struct rollback *rb); /* rb->wave is moved on to a told wave in scope; false: none is left */
/* A list that was cut says of the devices that are not in it what is not so: true, with *e, and it is not used. */
bool rb_list_cut(const struct device_list *l, struct err *e);
/* rollback_target.c */
void rb_target(struct rollback *rb);
/* rollback_snapshot.c */
void rb_snapshot(struct rollback *rb);
bool rb_load(struct rollback *rb, const char *blob);
/* rollback_plan.c */
void rb_create(struct rollback *rb);
void rb_start(struct rollback *rb);
/* rollback_verify.c: `then` is called when the devices' state has been read and summed up */
/* Asks for the devices whose installed or assigned release is the recalled one. */
void rb_involved(struct rollback *rb, struct req *q);
void rb_look(struct rollback *rb, void (*then)(struct rollback *rb, const struct err *e));
void rb_follow(struct rollback *rb);
void rb_verify(struct rollback *rb);
void rb_repair(struct rollback *rb);

#endif
