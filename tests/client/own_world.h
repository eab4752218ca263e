/* A server without rollouts, a log and guards around them, in memory and on a virtual clock. Each request and each
 * write of the log is two steps, its effect and its answer, and a guard can be killed before any of them. */
#ifndef TESTS_CLIENT_OWN_WORLD_H
#define TESTS_CLIENT_OWN_WORLD_H

#include "client/own_waves.h"
#include "core/rng.h"

#define OW_GUARDS 3
#define OW_EVENTS 64

enum ow_fault { OW_FINE, OW_LOST /* the answer */, OW_DROPPED /* the request */, OW_BUSY /* 429 */, OW_HALF, OW_LIES };
struct ow_device {
    char id[32];
    int told; /* how often */
    int64_t told_at;
    bool fails, recalled, busy, cut; /* busy: it has begun, and only force cuts it off */
    bool deaf;                       /* a recall of it is answered with yes, and does nothing */
    bool lost;                       /* the same, and the server shows it recalled until it has installed it */
    int recalls;
};
struct ow_world;
struct ow_guard {
    struct backend fake; /* first: the server as this guard reaches it */
    struct ow_world *w;
    struct backend *own; /* NULL: it is dead */
    char me[16];
    bool may;
    int64_t wake_at;
};
enum ow_kind { OW_APPEND, OW_READ, OW_TELL, OW_STANDING, OW_RECALL, OW_PROBE, OW_LIST, OW_RELEASE };
struct ow_event {
    enum ow_kind kind;
    struct ow_guard *g;
    bool in_effect;      /* what is left is the answer */
    uint64_t n;          /* order */
    struct plan_entry e; /* APPEND: owned strings in the world's arena */
    bool keep;
    own_append_done appended;
    own_read_done read;
    void *arg;
    int64_t seq, after;
    struct err err;
    bool failed, maybe;
    const char *const *ids;
    size_t n_ids;
    char key[PLAN_KEY_BYTES];
    struct tell_result *results;
    bool force;
    struct device_standing *standing;
    struct backend_info *info;
    struct rollout_list *list;
    struct release *release;
    struct arena *a;
    backend_done done;
};
struct ow_world {
    struct clock clock; /* first */
    int64_t now;
    struct arena arena;
    struct rng rng;
    struct ow_device *v;
    size_t n;
    struct plan_entry *log;
    size_t n_log, cap_log;
    struct ow_guard guards[OW_GUARDS];
    struct ow_event events[OW_EVENTS];
    size_t n_events;
    uint64_t n_made, unique;
    size_t tell_most;
    size_t recall_takes; /* devices of one recall(); the rest is not sent, and no error. 0 = all */
    int steps;           /* taken so far */
    int kill_at;         /* before this step the guard 0 is killed; -1 */
    bool shuffled;       /* events in any order */
    int64_t install_us;
    enum ow_fault fault;
    int fault_every; /* of requests that tell; 0 = none */
    int tells;       /* that had an effect */
    int64_t told;    /* devices, with repetitions */
    int64_t asked;   /* devices that standing() was asked about */
    int lookups;
    bool log_full, down;
    uint32_t caps;
    bool rollouts; /* it has some of its own */
    char plan_id[PLAN_ID_BYTES];
    int64_t read_bytes;
};

void ow_init(struct ow_world *w, size_t devices, size_t tell_most, uint64_t seed);
void ow_release(struct ow_world *w);
/* A plan in the log, as `andon plan create` leaves it. */
void ow_plan(struct ow_world *w, const char *sizes, int success_bp, int failure_bp);
struct ow_guard *ow_guard(struct ow_world *w, int i);
void ow_kill(struct ow_world *w, int i);
/* One step; false: nothing is to be done before `until`. */
bool ow_step(struct ow_world *w, int64_t until);
void ow_run(struct ow_world *w, int64_t seconds);
/* Asks for a verb and waits for its answer. */
struct err ow_verb(struct ow_world *w, int guard, enum backend_verb v);
void ow_verb_begin(struct ow_world *w, int guard, enum backend_verb v);
struct rollout ow_rollout(struct ow_world *w, int guard);
int ow_most_told(const struct ow_world *w); /* of one device */

#endif
