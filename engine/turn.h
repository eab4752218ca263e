/* The bottom of the engine: what is due, what is under way outside, and the wait for either. Knows no part.
 *
 * Everything on the worker's thread runs from here: a timer whose time has come, or the answer to a request. Timers run
 * in order of time and then of setting, whatever the machine's speed. */
#ifndef ANDON_ENGINE_TURN_H
#define ANDON_ENGINE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "client/telemetry.h"
#include "core/arena.h"
#include "core/clock.h"
#include "engine/engine.h"

struct engine;
struct ro;
struct op;

typedef void (*turn_fn)(struct engine *en, void *arg);

struct timer {
    int64_t at;
    uint64_t seq;
    turn_fn fn;
    void *arg;
};

struct turn {
    struct engine *en; /* given to what is called; never looked into */
    struct clock *clock;
    struct http *http;
    const struct engine_seam *seam; /* NULL */
    int wake_fd;                    /* eventfd: written by other threads */
    bool ending;                    /* answers that still come are dropped */
    struct timer *timers;
    size_t n_timers, cap_timers;
    uint64_t timer_seq;
    size_t freed; /* bytes of answers, since the heap was last given back */
};

/* A request to the outside. The answer's memory is the request's. */
struct req {
    struct turn *turn;
    struct engine *en;
    struct ro *ro;
    struct op *op;
    void *x;
    const bool *unless; /* NULL, or: when it is true by then, nobody hears the answer */
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
        struct note_list notes;
        int64_t when;
        const char *id;
    } out;
    void (*then)(struct req *q, const struct reply *r);
};

/* False with *e when no descriptor can be had; turn_free is fine then too. `http` is not owned. */
bool turn_init(struct turn *t, struct engine *en, struct clock *clock, struct http *http,
               const struct engine_seam *seam, struct err *e);
void turn_end(struct turn *t); /* answers that still come are dropped */
void turn_free(struct turn *t);
/* From any thread: the wait ends. */
void turn_wake(struct turn *t);
/* `then` is called with the answer, never from inside the call that asks; req_done is the backend_done of every
 * request, with the req as its ctx. */
struct req *turn_req(struct turn *t, void (*then)(struct req *q, const struct reply *r));
void req_done(void *ctx, const struct reply *r);
/* At most one timer for each pair of fn and arg: setting it again moves it. */
void turn_timer(struct turn *t, int64_t at, turn_fn fn, void *arg);
void turn_cancel(struct turn *t, turn_fn fn, void *arg);
/* Cancels one timer of fn and returns its arg; NULL when there is none. */
void *turn_take(struct turn *t, turn_fn fn);
/* Runs what is due; what these set anew waits for the next time. */
void turn_due(struct turn *t);
int64_t turn_deadline(const struct turn *t); /* of the first timer; TIME_NEVER */
unsigned turn_under_way(const struct turn *t);
void turn_clear(struct turn *t); /* the wake-up has been heard */
/* Waits for an answer, a wake-up, or the deadline. `threads`: answers that other threads owe. */
void turn_wait(struct turn *t, int64_t deadline, unsigned threads);

#endif
