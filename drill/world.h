/* The world of a drill: devices, the fleet server's tables, and the time line that moves both.
 *
 * Nothing here knows HTTP. Times are microseconds since the drill's time 0 (negative: before it); `epoch` is added only
 * where an answer is written. The world is advanced lazily to `now` by an event queue in the order (time, kind,
 * device), and all noise is a hash of (seed, device, sample), so the outcome depends on the seed and on what was asked
 * of the server at which time, never on how often it was asked. One thread at a time (drill.c holds the lock). */
#ifndef ANDON_DRILL_WORLD_H
#define ANDON_DRILL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/scenario.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/rng.h"

#define W_NONE (-1)

enum w_status { /* a target's updateStatus */
                W_UNKNOWN,
                W_REGISTERED,
                W_PENDING,
                W_IN_SYNC,
                W_ERROR
};

enum w_action_status {
    WA_SCHEDULED,
    WA_RUNNING,
    WA_RETRIEVED,
    WA_DOWNLOAD,
    WA_DOWNLOADED,
    WA_CANCELING,
    WA_CANCELED,
    WA_FINISHED,
    WA_ERROR
};

enum w_count { WC_RUNNING, WC_NOTSTARTED, WC_SCHEDULED, WC_CANCELLED, WC_FINISHED, WC_ERROR, WC_N };

enum w_rollout_state {
    WR_CREATING,
    WR_WAITING,
    WR_DENIED,
    WR_READY,
    WR_STARTING,
    WR_RUNNING,
    WR_PAUSED,
    WR_STOPPING,
    WR_STOPPED,
    WR_FINISHED,
    WR_DELETING,
    WR_DELETED,
    WR_GONE /* deleted before it was started: the server forgets it */
};

enum w_group_state { WG_CREATING, WG_READY, WG_SCHEDULED, WG_RUNNING, WG_FINISHED, WG_ERROR };

enum w_phase { PHASE_IDLE, PHASE_DOWNLOAD, PHASE_INSTALL };

struct w_history { /* a status entry of an action */
    int64_t t;
    int64_t id;
    const char *type;
    const char *text; /* "" none; static */
};

struct w_action {
    int dev, ds, rollout, group; /* indexes, W_NONE */
    enum w_action_status status;
    bool active, cancel, deleted; /* deleted: it was only scheduled when its rollout was stopped */
    int64_t created, modified;
    const char *force; /* "forced", "soft", ... */
    struct w_history *history;
    uint16_t n_history, cap_history;
};

struct w_metadata {
    char *key, *value; /* value: NULL none */
};

struct w_ds {
    struct w_metadata *metadata;
    size_t n_metadata;
    char *name, *version;
    int64_t created, modified;
    bool locked, invalid;
};

struct w_dev {
    char id[28];
    uint16_t model, site;
    enum w_status status;
    int installed, assigned; /* what the server believes: index of a ds */
    int truth;               /* what it runs */
    int64_t installed_at, modified;
    bool modified_by_system;
    bool offline_record; /* the last assignment was recorded as already done */
    int *actions;        /* oldest first */
    uint32_t n_actions, cap_actions;
    /* the agent */
    int64_t poll_phase;
    int64_t away_from, away_to;
    int64_t dead_at;  /* silence fault */
    int64_t poll_due; /* of the poll event under way, TIME_NEVER none */
    enum w_phase phase;
    int working;       /* action */
    uint32_t step_gen; /* changes when the step under way is given up */
    bool will_fail;
    int late_action; /* of the late report quirk, W_NONE */
    bool quirk_late;
    /* its hardware */
    int64_t dark_from, dark_to;
    int64_t boots;
    int64_t activations; /* of those, that ended a staged update */
    double boot_every;   /* mean us between background reboots */
    int64_t truth_since;
    uint32_t truth_gen; /* changes with each install: stale crash events are dropped */
    uint32_t faults;    /* bit i: picked by fault i */
    float cpu, sensor, sensor_sd;
    struct rng rng;
    char *label; /* of the metrics page, made once */
    uint16_t label_len;
    int64_t first_new; /* when it first ran the new firmware, TIME_NEVER */
};

struct w_group {
    int rollout;
    int64_t id;
    char *name, *description;
    enum w_group_state state;
    bool state_by_system;
    double percent;
    char *success, *error, *success_condition, *error_condition;
    bool success_pause;
    bool paused_once; /* its success action has paused the rollout */
    int *devs;        /* members, fixed at creation */
    int *acts;        /* action of each member, W_NONE */
    size_t n_devs;
    int64_t count[WC_N];
    int64_t created, modified;
    int64_t started; /* its devices were told, TIME_NEVER */
};

struct w_rollout {
    int64_t id;
    char *name, *description, *filter;
    int ds;
    enum w_rollout_state state;
    int64_t ready_at;  /* of a state that takes the server a while */
    bool delete_after; /* what `stopping` or `deleting` ends in */
    int64_t start_at;  /* INT64_MIN none */
    char *remark, *decided_by;
    char *type;
    bool started;
    int first_group, n_groups;
    int64_t total;
    int64_t created, modified;
    const char *created_by, *modified_by; /* static words */
};

struct w_filter {
    int64_t id;
    char *name, *query;
    int ds;
    int64_t created, modified;
    bool deleted;
};

enum w_event_kind { EV_TICK, EV_POLL, EV_STEP, EV_BOOT, EV_CRASH, EV_ACTIVATE, EV_LATE, EV_DIE, EV_BEGIN };
struct w_event {
    int64_t t;
    uint32_t gen;
    int32_t dev;
    uint16_t kind, arg;
};

/* Events of a counter among the policy's own metrics, up to a minute of the drill. */
struct w_counter {
    int64_t minute, n;
};

struct world {
    const struct scenario *sc;
    uint64_t seed;
    int64_t epoch, now;
    struct w_event *heap;
    size_t n_heap, cap_heap;
    struct w_dev *devs;
    size_t n_devs;
    struct w_ds *ds;
    size_t n_ds;
    struct w_rollout *rollouts;
    size_t n_rollouts;
    struct w_group *groups;
    size_t n_groups;
    struct w_action *actions;
    size_t n_actions, cap_actions;
    struct w_filter *filters;
    size_t n_filters;
    int64_t next_rollout, next_group, next_history;
    bool tick_due, approval;
    int ds_old, ds_new, main_rollout; /* index */
    /* hash from device id to index */
    int32_t *ids;
    size_t n_ids;
    /* the drill's truth */
    int64_t first_injected; /* first misbehaviour from time 0 on; TIME_NEVER */
    struct buf page;        /* metrics */
    int64_t page_at;
    struct w_counter *counters; /* devices x own metrics; NULL when there are none */
};

/* The state of things when the lead-in begins, or at time 0 when there is none: epoch is time 0 in microseconds since
 * 1970. world_free takes NULL. */
struct world *world_new(const struct scenario *sc, uint64_t seed, int64_t epoch);
void world_free(struct world *w);
/* Moves to `now` (never back). */
void world_advance(struct world *w, int64_t now);
void world_push(struct world *w, int64_t t, enum w_event_kind kind, int dev, uint32_t gen, int arg);
int world_find(const struct world *w, const char *id); /* device index, W_NONE */
/* The window of a fleet-wide fault that is open now, NULL. */
const struct fault *world_window(const struct world *w, enum fault_kind kind);
/* [0,1) from the seed, a number and a name: the same whenever it is asked for. */
double world_chance(const struct world *w, const char *name, uint64_t n);

/* fleet.c: the devices. */
void fleet_init(struct world *w);
void fleet_event(struct world *w, const struct w_event *ev);
/* The server has something for this device: it will see it when it next polls. */
void fleet_notify(struct world *w, int dev);
int64_t fleet_last_poll(const struct world *w, int dev);           /* INT64_MIN = never */
bool fleet_hit(const struct world *w, int dev, size_t fault);      /* does this device fault act on it now? */
int64_t fleet_onset(const struct world *w, int dev, size_t fault); /* and since when, if it does */

/* actions.c: what the server has asked of devices. */
int action_new(struct world *w, int dev, int ds, int rollout, int group, enum w_action_status st, const char *force);
void action_status(struct world *w, int action, enum w_action_status st, const char *type, const char *text);
/* Makes it the device's task: older ones are recalled, the assigned set is the new one. */
void action_start(struct world *w, int action);
void action_recall(struct world *w, int action); /* soft cancel */
void action_force_quit(struct world *w, int action);
/* What the device answered; false: the action is closed (410). */
bool action_done(struct world *w, int action, bool success);
void action_cancel_answer(struct world *w, int action, bool accepted);
const char *action_word(enum w_action_status st);

/* rollouts.c: the server's rollouts. */
struct w_group_spec {
    const char *name, *description;
    double percent;
    const char *success, *error, *success_condition, *error_condition;
    bool success_pause;
};
struct w_rollout_spec {
    const char *name, *description, *filter, *type;
    int ds;
    int64_t start_at; /* INT64_MIN none */
    const struct w_group_spec *groups;
    size_t n_groups;
    const int *devs; /* in the order of the targets' ids, as the server pages through them */
    size_t n_devs;
};
int rollout_add(struct world *w, const struct w_rollout_spec *s);
int rollout_find(const struct world *w, int64_t id); /* W_NONE */
int rollout_named(const struct world *w, const char *name);
void rollouts_tick(struct world *w);
void rollout_state(struct world *w, int r, enum w_rollout_state st, const char *by);
void rollout_begin(struct world *w, int r); /* starting -> running, at once */
void rollout_counts(const struct world *w, int r, int64_t out[WC_N]);
/* Verbs: NULL when done; else the server's message. *kind: 0 illegal state, 1 constraint violation, 2 not found, 3
 * conflict. */
const char *rollout_verb(struct world *w, int r, const char *verb, const char *remark, char msg[200], int *kind,
                         int *created);
void rollout_delete(struct world *w, int r);
const char *rollout_word(enum w_rollout_state s);
const char *group_word(enum w_group_state s);

/* signals.c: telemetry. The page at `now`; valid until the next call. */
const struct buf *world_metrics(struct world *w);

#endif
