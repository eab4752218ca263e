/* What the drill's own files share. */
#ifndef ANDON_DRILL_INNER_H
#define ANDON_DRILL_INNER_H

#include <pthread.h>
#include <stdatomic.h>
#include "drill/api.h"
#include "drill/drill.h"
#include "drill/server.h"
#include "drill/world.h"

#define PLAY_HALTS 32 /* that are kept */

struct play_halt {
    int64_t at, shown, lifted; /* since time 0; TIME_NEVER */
    char by[64];               /* rule, or who */
    bool rule;
};

/* What the operator and the score have seen so far (play.c). */
struct play {
    size_t step;        /* next of the operator's steps */
    int64_t due;        /* when its condition had come true and the person is ready, TIME_NEVER */
    int64_t true_since; /* of the `ends` condition, TIME_NEVER */
    int64_t detected_at, halted_at, rolled_back_at; /* TIME_NEVER */
    int64_t queued_at; /* the main rollout stood first in the queue, for the advisory; TIME_NEVER */
    bool published;    /* the advisory was handed out */
    char rule[64];
    char paused_by[80];       /* the main rollout, as the newest snapshot has it; "" */
    bool escalated, from_log; /* from_log: the halts are the log's */
    struct play_halt halts[PLAY_HALTS];
    size_t n_halts;
    int64_t broken_at_halt;
    struct drill_evidence evidence;
    struct drill_share shares[SHARE_MAX];
    size_t n_shares;
};

struct drill {
    struct clock clock; /* first: a struct clock * is a struct drill * */
    pthread_mutex_t lock;
    struct drill_spec spec;
    int64_t epoch;        /* of time 0 */
    _Atomic int64_t now;  /* virtual clock */
    int64_t booted;       /* where it began */
    atomic_bool live;     /* the scaled clock runs: its lead-in, in virtual time, is over */
    pthread_cond_t begun; /* live has come true */
    int64_t real0;        /* scaled clock: real time at time 0 */
    struct world *world;
    struct server *server;
    struct api_user users[2];
    char auth[2][200];
    struct fleet_spec fleet;
    char url[64], metrics[80], secret[64];
    int secret_fd;
    /* a pause in which nothing moves although answers are held back (clock.c) */
    int64_t stuck_since;
    int64_t stuck_served;
    /* the thread that lets held answers go on a scaled clock */
    pthread_t pacer;
    int pacer_fd;
    bool pacing;
    struct play play;
};

/* clock.c */
void drill_clock_init(struct drill *d);
bool drill_pacer_start(struct drill *d, struct err *e);
void drill_pacer_stop(struct drill *d);
/* With the lock held: brings the world to now. */
void drill_catch_up(struct drill *d);
/* play.c: the next time at which the drill itself must be looked at, TIME_NEVER. */
int64_t play_next(const struct drill *d);
/* With the lock held: takes in what the newest snapshot shows; NULL is fine. */
void play_look(struct drill *d, const struct snapshot *s);
/* score.c: with the lock held, devices that misbehave now. */
int64_t drill_broken(const struct drill *d);

#endif
