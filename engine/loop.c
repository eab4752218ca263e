/* The worker's event loop: what was handed in, what the log has done, what is due, one turn of HTTP. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/notify.h"
#include "engine/worker.h"

#define PUBLISH_US      (50 * US_PER_MS)  /* between two snapshots while somebody waits for what is to come */
#define PUBLISH_REST_US (500 * US_PER_MS) /* and when nobody does */
#define LIVELY_US       (5 * US_PER_S)    /* somebody waits: so long after the start, a verb, a change of focus */
#define TRIM_BYTES      ((size_t)4 << 20) /* after answers of this size the heap goes back to the system */

struct req *req_new(struct engine *en, void (*then)(struct req *q, const struct reply *r))
{
    struct req *q = xcalloc(1, sizeof *q);
    q->en = en;
    q->then = then;
    arena_init(&q->arena);
    return q;
}

void req_done(void *ctx, const struct reply *r)
{
    struct req *q = ctx;
    if (!q->en->ending)
        q->then(q, r);
    struct engine *en = q->en;
    en->freed += q->arena.used;
    arena_release(&q->arena);
    free(q);
    if (en->freed < TRIM_BYTES)
        return;
    malloc_trim(0);
    en->freed = 0;
}

void timer_cancel(struct engine *en, void (*fn)(struct engine *en, void *arg), void *arg)
{
    for (size_t i = 0; i < en->n_timers; i++)
        if (en->timers[i].fn == fn && en->timers[i].arg == arg) {
            en->timers[i] = en->timers[--en->n_timers];
            return;
        }
}

void timer_set(struct engine *en, int64_t at, void (*fn)(struct engine *en, void *arg), void *arg)
{
    timer_cancel(en, fn, arg);
    if (en->n_timers == en->cap_timers) {
        en->cap_timers = en->cap_timers ? en->cap_timers * 2 : 64;
        en->timers = xreallocarray(en->timers, en->cap_timers, sizeof *en->timers);
    }
    en->timers[en->n_timers++] = (struct timer){at, en->timer_seq++, fn, arg};
}

/* The earliest, and among equals the one that was set first: the order must not depend on where it lies. */
static struct timer *timer_first(struct engine *en)
{
    struct timer *best = NULL;
    for (size_t i = 0; i < en->n_timers; i++) {
        struct timer *t = &en->timers[i];
        if (!best || t->at < best->at || (t->at == best->at && t->seq < best->seq))
            best = t;
    }
    return best;
}

static void run_due(struct engine *en)
{
    int64_t now = now_of(en);
    uint64_t limit = en->timer_seq; /* what these set anew waits for the next turn */
    for (struct timer *t; (t = timer_first(en)) && t->at <= now && t->seq < limit;) {
        struct timer copy = *t;
        *t = en->timers[--en->n_timers];
        copy.fn(en, copy.arg);
    }
}

static void clear_fd(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) == (ssize_t)sizeof n)
        ;
}

/* Takes over what other threads have handed in. False when the engine is to end. */
static bool take_in(struct engine *en)
{
    clear_fd(en->wake_fd);
    pthread_mutex_lock(&en->lock);
    bool stop = en->stop, refresh = en->refresh, focus_set = en->focus_set;
    struct focus f = en->new_focus;
    struct handed_in *list = en->handed;
    en->handed = NULL;
    en->handed_tail = &en->handed;
    en->refresh = en->focus_set = false;
    pthread_mutex_unlock(&en->lock);
    if (list || refresh || focus_set)
        en->lively_until = now_of(en) + LIVELY_US;
    if (focus_set)
        focus_change(en, &f);
    while (list) {
        struct handed_in *h = list;
        list = h->next;
        struct op *op = op_new(en, h->ticket, &h->in);
        free(h);
        act_begin(en, op);
    }
    if (refresh)
        poll_now(en);
    return !stop;
}

static unsigned in_flight(struct engine *en)
{
    const struct engine_seam *s = en->spec.seam;
    return s && s->in_flight ? s->in_flight(s->ctx) : http_in_flight(en->http);
}

/* A snapshot copies every rollout and makes every screen draw: at rest two a second are enough. */
static int64_t pace(struct engine *en)
{
    bool lively = now_of(en) < en->lively_until;
    for (const struct op *op = en->ops; op && !lively; op = op->next)
        lively = !op_ended(op) || now_of(en) - op->ended < LIVELY_US;
    return lively ? PUBLISH_US : PUBLISH_REST_US;
}

/* quiet: nothing is under way. Who moves the time of a drill looks at the newest snapshot just then. */
static void maybe_publish(struct engine *en, bool quiet)
{
    if (!en->dirty)
        return;
    int64_t every = pace(en);
    if ((quiet && (en->on_idle || every == PUBLISH_US)) || now_of(en) - en->published_at >= every)
        publish(en);
}

static bool handed_in(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    bool any = en->handed || en->stop || en->refresh || en->focus_set;
    pthread_mutex_unlock(&en->lock);
    return any;
}

static void turn(struct engine *en)
{
    const struct engine_seam *s = en->spec.seam;
    struct timer *t = timer_first(en);
    int64_t deadline = t ? t->at : TIME_NEVER, now = now_of(en);
    unsigned threads = en->log_outstanding + en->keep_outstanding;
    bool quiet = in_flight(en) + threads == 0;

    maybe_publish(en, quiet);
    if (en->dirty && en->published_at + pace(en) < deadline)
        deadline = en->published_at + pace(en);
    if (quiet && deadline > now && en->on_idle && en->on_idle(en->on_idle_ctx, en, en->snap))
        return;
    if (handed_in(en))
        return;
    if (s && s->run)
        s->run(s->ctx, en->wake_fd, deadline, threads);
    else
        http_run(en->http, en->wake_fd, deadline, threads);
}

void loop_wait(struct engine *en)
{
    const struct engine_seam *s = en->spec.seam;
    run_due(en);
    struct timer *t = timer_first(en);
    int64_t deadline = t ? t->at : now_of(en) + US_PER_S;
    if (s && s->run)
        s->run(s->ctx, en->wake_fd, deadline, 0);
    else
        http_run(en->http, en->wake_fd, deadline, 0);
}

void *loop_main(void *arg)
{
    struct engine *en = arg;
    diary_begin(en);
    recover_begin(en);
    poll_begin(en);
    beat_begin(en);
    publish(en);
    en->lively_until = now_of(en) + LIVELY_US;
    while (take_in(en)) {
        diary_drain(en);
        keeper_drain(en);
        notifier_turn(en->notifier);
        run_due(en);
        ops_sweep(en);
        turn(en);
    }
    en->ending = true;
    return NULL;
}
