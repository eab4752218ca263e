/* The courier: takes notices to where they go, on a thread of its own.
 *
 * A hook that hangs, a receiver that is down, a secret's helper that takes its ten seconds: none of it may hold up who
 * watches a fleet. Each receiver has a queue of its own and gets notices in order, so that the end of something never
 * overtakes its beginning; what cannot be delivered is tried again with growing pauses, for an hour. */
#ifndef ANDON_ENGINE_COURIER_H
#define ANDON_ENGINE_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/config.h"
#include "core/err.h"
#include "core/notice.h"
#include "engine/aside.h"

#define COURIER_QUEUE     128              /* notices that wait for one receiver; more push out the oldest */
#define COURIER_FIRST_US  (5 * US_PER_S)   /* pause after the first failure; doubled each time */
#define COURIER_PAUSE_MAX (5 * US_PER_MIN) /* at most, unless the receiver asks for more */
#define COURIER_GIVE_UP   US_PER_HOUR      /* after this long a notice is given up */

struct courier;

/* What has become of one notice at one receiver. */
struct outcome {
    struct aside_job job; /* first */
    struct notice notice;
    char target[80]; /* "hook", the web hook's name (safe text), or "notices": it came as far as no receiver */
    bool ok;
    bool last;  /* nothing more comes: delivered, or given up; false once for each notice, at its first failure */
    int tries;  /* so far */
    int status; /* HTTP status, 0 */
    struct err err;
};

/* The spec must outlive it. `wake_fd` is an eventfd that is written when there is an outcome (a duplicate is kept).
 * NULL with *e when the thread cannot be started; receivers that cannot be opened are tried again with each notice. */
struct courier *courier_new(const struct notify_spec *spec, struct clock *clock, uint64_t seed, int wake_fd,
                            struct err *e);
/* Notices that are under way, and those that were never tried, have up to timeout_us (real time) to get through; then
 * the thread ends. True: outcomes may still be taken, then courier_free(). False: it hangs in a secret's helper and is
 * left behind; it frees itself, and must not be used any more. NULL is fine. */
bool courier_stop(struct courier *c, int64_t timeout_us) ANDON_MUST_USE;
void courier_free(struct courier *c); /* after courier_stop() */
/* Hands in a notice for every receiver; copied. Never waits. */
void courier_put(struct courier *c, const struct notice *n);
/* The next outcome, or NULL; free(). */
struct outcome *courier_take(struct courier *c);

#endif
