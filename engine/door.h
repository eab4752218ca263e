/* The part "door": the only place where other threads meet the worker. What they hand in waits here for the loop's next
 * turn, and the newest snapshot lies here for them. Everything is under the lock; nobody holds it for long. */
#ifndef ANDON_ENGINE_DOOR_H
#define ANDON_ENGINE_DOOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "engine/engine.h"

struct handed_in {
    struct handed_in *next;
    uint64_t ticket;
    struct intent in;
};

struct en_door {
    bool made; /* lock and condition are there */
    pthread_mutex_t lock;
    pthread_cond_t published;
    int seen_fd;           /* eventfd: there is a new snapshot */
    struct snapshot *snap; /* the newest; the worker may read it without the lock */
    uint64_t next_ticket;
    struct handed_in *handed, **handed_tail; /* oldest first */
    bool stop, refresh;
    struct focus new_focus;
    bool focus_set;
    struct plan_wish *wish;
    uint64_t keep; /* number of a draft, 0 = none */
};

/* What was handed in since the last time; the list is the caller's to free. */
struct door_in {
    struct handed_in *handed;
    bool stop, refresh, focus_set;
    struct focus focus;
    struct plan_wish *wish; /* the caller's to free; NULL */
    uint64_t keep;
};

/* False with *e when no descriptor can be had; door_free is fine then too. */
bool door_init(struct engine *en, struct err *e);
void door_free(struct engine *en);
/* Everything that was handed in. */
void door_take(struct engine *en, struct door_in *out);
bool door_waiting(struct engine *en);                  /* something was handed in meanwhile */
uint64_t door_ticket(struct engine *en);               /* for an intent of the worker's own */
void door_stop(struct engine *en);                     /* asks the worker to end */
void door_show(struct engine *en, struct snapshot *s); /* takes the reference over */

#endif
