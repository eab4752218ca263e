/* Aside: a thread of its own for what may wait (a disk, a terminal, somebody else's program), so that its owner never
 * does.
 *
 * Jobs go in at one end, at most `max` of them, are carried out in order, and come back in order at the other; an
 * eventfd wakes the owner. The end waits for a bounded time: a thread that hangs is left behind, and frees itself and
 * all that it still has when it comes back. Its signals are blocked: they are for other threads. One owner: everything
 * here but what is called from work(), run() and end() belongs to one thread at a time. */
#ifndef ANDON_ENGINE_ASIDE_H
#define ANDON_ENGINE_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"

/* The first member of whatever the owner hands in. */
struct aside_job {
    struct aside_job *next;
};

struct aside;
struct aside_spec {
    const char *what; /* for the error, as in "the log's thread"; static */
    size_t max;       /* jobs that may wait */
    int wake_fd;      /* an eventfd that is written when a job has come back (a duplicate is kept); -1 = none */
    int poke_fd;      /* with run(): an eventfd that is written when there is something to take or to end; else -1 */
    void *ctx;
    /* On the thread: carries out one job. True: it goes back to the owner; false: it is dropped. */
    bool (*work)(void *ctx, struct aside_job *j);
    /* May the job that waits behind the `n` that begin with `first` be carried out together with them? Then work() gets
     * them as one list, by their `next`, and all of it goes back, in order. Under the lock: only looks. NULL = never.
     */
    bool (*joins)(const struct aside_job *first, size_t n, const struct aside_job *j);
    /* Or, in place of work(), a loop of its own, which takes jobs by aside_take() and ends when aside_ending() says. */
    void (*run)(void *ctx, struct aside *a);
    void (*end)(void *ctx);                       /* on the thread, after the last job; NULL = nothing to do */
    void (*drop)(void *ctx, struct aside_job *j); /* frees a job that nobody will take; on any thread */
    void (*gone)(void *ctx);                      /* the very last call, on any thread: frees ctx; NULL = not ours */
};

/* Starts the thread. NULL with *e when it cannot be had; then ctx is still the caller's. */
struct aside *aside_new(const struct aside_spec *spec, struct err *e);
/* Hands in a job; never waits. Waiting jobs that it replaces (NULL: none) are dropped. False: `max` wait already, and
 * the job is still the caller's. */
bool aside_put(struct aside *a, struct aside_job *j,
               bool (*replaces)(const struct aside_job *newer, const struct aside_job *older)) ANDON_MUST_USE;
/* The next job that has come back, or NULL. */
struct aside_job *aside_done(struct aside *a);
/* Ends the thread, `finish`: when everything that waits is carried out, else after the job at hand. True: it has ended;
 * what has come back may still be taken, then aside_free(). False: it did not within timeout_us of real time and is
 * left behind: neither `a` nor its ctx may be touched any more. */
bool aside_stop(struct aside *a, int64_t timeout_us, bool finish) ANDON_MUST_USE;
void aside_free(struct aside *a); /* after aside_stop(); NULL is fine */

/* A job comes back: from run(), or from the owner for one that was never handed in. */
void aside_give(struct aside *a, struct aside_job *j);
/* For run(): the next job, or NULL. Never waits. */
struct aside_job *aside_take(struct aside *a);
/* For run(): aside_stop() was called; *left: its time is over and nobody waits any more. */
bool aside_ending(struct aside *a, bool *left);

#endif
