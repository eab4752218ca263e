#include "engine/turn.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TRIM_BYTES ((size_t)4 << 20) /* after answers of this size the heap goes back to the system */

bool turn_init(struct turn *t, struct engine *en, struct clock *clock, struct http *http,
               const struct engine_seam *seam, struct err *e)
{
    *t = (struct turn){.en = en, .clock = clock, .http = http, .seam = seam};
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->wake_fd < 0)
        return err_errno(e, ERR_IO, "Raise the limit of open files (ulimit -n).", "no event descriptor can be opened");
    return true;
}

void turn_end(struct turn *t)
{
    t->ending = true;
}

void turn_free(struct turn *t)
{
    free(t->timers);
    if (t->wake_fd >= 0)
        close(t->wake_fd);
}

void turn_wake(struct turn *t)
{
    uint64_t one = 1;
    ssize_t n = write(t->wake_fd, &one, sizeof one);
    (void)n; /* only refuses when it is readable anyway */
}

struct req *turn_req(struct turn *t, void (*then)(struct req *q, const struct reply *r))
{
    struct req *q = xcalloc(1, sizeof *q);
    q->turn = t;
    q->en = t->en;
    q->then = then;
    arena_init(&q->arena);
    return q;
}

void req_done(void *ctx, const struct reply *r)
{
    struct req *q = ctx;
    struct turn *t = q->turn;
    if (!t->ending && !(q->unless && *q->unless))
        q->then(q, r);
    t->freed += q->arena.used;
    arena_release(&q->arena);
    free(q);
    if (t->freed < TRIM_BYTES)
        return;
    malloc_trim(0);
    t->freed = 0;
}

void turn_cancel(struct turn *t, turn_fn fn, void *arg)
{
    for (size_t i = 0; i < t->n_timers; i++)
        if (t->timers[i].fn == fn && t->timers[i].arg == arg) {
            t->timers[i] = t->timers[--t->n_timers];
            return;
        }
}

void *turn_take(struct turn *t, turn_fn fn)
{
    for (size_t i = 0; i < t->n_timers; i++)
        if (t->timers[i].fn == fn) {
            void *arg = t->timers[i].arg;
            t->timers[i] = t->timers[--t->n_timers];
            return arg;
        }
    return NULL;
}

void turn_timer(struct turn *t, int64_t at, turn_fn fn, void *arg)
{
    turn_cancel(t, fn, arg);
    if (t->n_timers == t->cap_timers) {
        t->cap_timers = t->cap_timers ? t->cap_timers * 2 : 64;
        t->timers = xreallocarray(t->timers, t->cap_timers, sizeof *t->timers);
    }
    t->timers[t->n_timers++] = (struct timer){at, t->timer_seq++, fn, arg};
}

/* The earliest, and among equals the one that was set first: the order must not depend on where it lies. */
static struct timer *first(const struct turn *t)
{
    struct timer *best = NULL;
    for (size_t i = 0; i < t->n_timers; i++) {
        struct timer *x = &t->timers[i];
        if (!best || x->at < best->at || (x->at == best->at && x->seq < best->seq))
            best = x;
    }
    return best;
}

void turn_due(struct turn *t)
{
    int64_t now = clock_now(t->clock);
    uint64_t limit = t->timer_seq;
    for (struct timer *x; (x = first(t)) && x->at <= now && x->seq < limit;) {
        struct timer copy = *x;
        *x = t->timers[--t->n_timers];
        copy.fn(t->en, copy.arg);
    }
}

int64_t turn_deadline(const struct turn *t)
{
    const struct timer *x = first(t);
    return x ? x->at : TIME_NEVER;
}

unsigned turn_under_way(const struct turn *t)
{
    return t->seam && t->seam->in_flight ? t->seam->in_flight(t->seam->ctx) : http_in_flight(t->http);
}

void turn_clear(struct turn *t)
{
    uint64_t n;
    while (read(t->wake_fd, &n, sizeof n) == (ssize_t)sizeof n)
        ;
}

void turn_wait(struct turn *t, int64_t deadline, unsigned threads)
{
    if (t->seam && t->seam->run)
        t->seam->run(t->seam->ctx, t->wake_fd, deadline, threads);
    else
        http_run(t->http, t->wake_fd, deadline, threads);
}
