#include "engine/courier.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "client/webhook.h"
#include "core/rng.h"
#include "core/text.h"
#include "engine/hook.h"

#define INBOX_MAX (8 * COURIER_QUEUE) /* not looked at yet: the thread is in a secret's helper */

struct parcel {
    struct notice notice;
    int64_t put_at, next; /* courier's clock */
    int tries;
};

struct target {
    struct courier *c;
    char name[80];
    const struct webhook_spec *spec; /* NULL: the hook */
    struct webhook *web;             /* NULL: not opened yet */
    struct parcel *queue[COURIER_QUEUE];
    size_t n;
    bool busy; /* queue[0] is under way */
};

struct inbox {
    struct aside_job job;
    struct notice notice;
};

struct courier {
    struct aside *aside;
    _Atomic int64_t stop_at; /* real time: end whatever is under way */
    int my_fd, epoll_fd;
    struct clock *clock;
    const struct notify_spec *spec;
    size_t n_targets;
    /* the thread's */
    struct aside *own;
    struct rng rng;
    bool stopping;
    struct http *http;
    struct hook *hook;
    int hook_watched; /* descriptor of the hook that is in the epoll set, -1 */
    struct target *targets;
};

/* ---- outcomes ---- */

static void report(struct aside *a, const char *target, const struct parcel *p, bool ok, bool last, int status,
                   const struct err *e)
{
    struct outcome *o = xcalloc(1, sizeof *o);
    o->notice = p->notice;
    snprintf(o->target, sizeof o->target, "%s", target);
    o->ok = ok;
    o->last = last;
    o->tries = p->tries;
    o->status = status;
    if (e)
        o->err = *e;
    aside_give(a, &o->job);
}

static void pop(struct target *t, size_t i)
{
    free(t->queue[i]);
    memmove(t->queue + i, t->queue + i + 1, (--t->n - i) * sizeof(struct parcel *));
}

static int64_t pause_for(struct target *t, int tries, int64_t asked)
{
    int64_t us = COURIER_FIRST_US;
    for (int i = 1; i < tries && us < COURIER_PAUSE_MAX; i++)
        us *= 2;
    if (us > COURIER_PAUSE_MAX)
        us = COURIER_PAUSE_MAX;
    us += (int64_t)(0.2 * (double)us * rng_unit(&t->c->rng)); /* many watchers must not come back all at once */
    return asked > us && asked < COURIER_GIVE_UP ? asked : us;
}

/* The attempt at queue[0] is over. */
static void settle(struct target *t, bool ok, bool retry, int status, int64_t asked, const struct err *e)
{
    struct parcel *p = t->queue[0];
    int64_t now = clock_now(t->c->clock);
    t->busy = false;
    p->tries++;
    p->next = now + pause_for(t, p->tries, asked);
    bool last = ok || !retry || p->next - p->put_at > COURIER_GIVE_UP;
    if (last || p->tries == 1)
        report(t->c->own, t->name, p, ok, last, status, e);
    if (last)
        pop(t, 0);
}

/* ---- attempts ---- */

static void on_posted(void *ctx, const struct webhook_answer *a)
{
    struct target *t = ctx;
    settle(t, a->ok, a->retry, a->status, a->retry_after_us, a->err);
}

static void try_web(struct target *t)
{
    struct err e = {0};
    struct buf body;
    if (!t->web)
        t->web = webhook_open(t->c->http, t->spec, &e);
    if (!t->web) {
        settle(t, false, true, 0, 0, &e); /* a secret that is not there may come */
        return;
    }
    buf_init(&body, WEBHOOK_BODY_MAX);
    notice_body(&t->queue[0]->notice, t->spec->format, webhook_key(t->web), &body);
    webhook_post(t->web, body.data, body.len, on_posted, t);
    explicit_bzero(body.data, body.len); /* may hold PagerDuty's key */
    buf_release(&body);
}

static void watch_hook(struct courier *c)
{
    int fd = hook_fd(c->hook);
    if (fd == c->hook_watched)
        return;
    c->hook_watched = fd; /* a descriptor that was closed has left the set by itself */
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0 && epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        c->hook_watched = -1; /* it is looked at now and then anyway */
}

static void try_hook(struct target *t)
{
    struct err e = {0};
    struct buf body;
    buf_init(&body, WEBHOOK_BODY_MAX);
    notice_body(&t->queue[0]->notice, HOOK_JSON, "", &body);
    buf_addc(&body, '\n');
    if (!hook_start(t->c->hook, body.data, body.len, &e))
        settle(t, false, true, 0, 0, &e);
    buf_release(&body);
    watch_hook(t->c);
}

static void look_at_hook(struct target *t)
{
    struct err e = {0};
    bool ok;
    if (hook_ended(t->c->hook, &ok, &e))
        settle(t, ok, true, 0, 0, &e);
    watch_hook(t->c);
}

/* ---- the thread ---- */

static void enqueue(struct courier *c, const struct notice *n)
{
    int64_t now = clock_now(c->clock);
    for (size_t i = 0; i < c->n_targets; i++) {
        struct target *t = &c->targets[i];
        if (t->n == COURIER_QUEUE) {
            struct err e;
            size_t oldest = t->busy ? 1 : 0;
            err_set(&e, ERR_LIMIT, "look at the receiver", "more than %d notices wait for %s", COURIER_QUEUE, t->name);
            report(c->own, t->name, t->queue[oldest], false, true, 0, &e);
            pop(t, oldest);
        }
        struct parcel *p = xcalloc(1, sizeof *p);
        p->notice = *n;
        p->put_at = p->next = now;
        t->queue[t->n++] = p;
    }
}

/* False when it is time to end. */
static bool take_in(struct courier *c)
{
    uint64_t drained;
    while (read(c->my_fd, &drained, sizeof drained) == (ssize_t)sizeof drained)
        ;
    bool gone, stop = aside_ending(c->own, &gone);
    for (struct inbox *i; (i = (struct inbox *)aside_take(c->own)); free(i))
        if (!gone)
            enqueue(c, &i->notice);
    c->stopping = stop;
    if (!stop)
        return true;
    bool wanted = false;
    for (size_t i = 0; i < c->n_targets; i++) {
        const struct target *t = &c->targets[i];
        wanted = wanted || t->busy || (t->n > 0 && t->queue[0]->tries == 0);
    }
    return wanted && !gone && clock_now(clock_real()) < c->stop_at;
}

static int64_t attempts(struct courier *c)
{
    int64_t now = clock_now(c->clock), deadline = TIME_NEVER;
    for (size_t i = 0; i < c->n_targets; i++) {
        struct target *t = &c->targets[i];
        if (!t->spec && hook_running(c->hook))
            look_at_hook(t);
        if (!t->busy && t->n > 0 && t->queue[0]->next <= now) {
            t->busy = true;
            if (t->spec)
                try_web(t);
            else
                try_hook(t);
        }
        if (!t->busy && t->n > 0 && t->queue[0]->next < deadline)
            deadline = t->queue[0]->next;
    }
    return deadline;
}

static void courier_release(void *ctx)
{
    struct courier *c = ctx;
    for (size_t i = 0; i < c->n_targets; i++)
        while (c->targets[i].n > 0)
            pop(&c->targets[i], 0);
    free(c->targets);
    if (c->my_fd >= 0)
        close(c->my_fd);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    free(c);
}

static void courier_main(void *ctx, struct aside *a)
{
    struct courier *c = ctx;
    c->own = a;
    c->http = http_new(c->clock, rng_u64(&c->rng));
    while (take_in(c)) {
        int64_t deadline = attempts(c), now = clock_now(c->clock);
        unsigned hooks = c->hook && hook_running(c->hook);
        if (hooks && now + HOOK_LOOK_US < deadline)
            deadline = now + HOOK_LOOK_US;
        if (c->stopping && now + HOOK_LOOK_US < deadline)
            deadline = now + HOOK_LOOK_US;
        http_run(c->http, c->epoll_fd, deadline, hooks);
    }
    for (size_t i = 0; i < c->n_targets; i++)
        webhook_free(c->targets[i].web); /* what is under way ends with ERR_CANCELLED */
    http_free(c->http);
    hook_free(c->hook);
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    free(j); /* a notice that was not taken in, an outcome that nobody took */
}

/* ---- outside ---- */

static bool open_fds(struct courier *c, struct err *e)
{
    c->my_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = c->my_fd};
    return (c->my_fd >= 0 && c->epoll_fd >= 0 && epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->my_fd, &ev) == 0) ||
           err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).", "the notices have no descriptors");
}

static void lay_out(struct courier *c)
{
    const struct notify_spec *s = c->spec;
    c->targets = xcalloc(s->n_webhooks + 1, sizeof *c->targets);
    if (s->hook && s->hook[0]) {
        c->hook = hook_new(s->hook, HOOK_LIMIT_US);
        c->targets[c->n_targets++] = (struct target){.c = c, .name = "hook"};
    }
    for (size_t i = 0; i < s->n_webhooks; i++) {
        struct target *t = &c->targets[c->n_targets++];
        *t = (struct target){.c = c, .spec = &s->webhooks[i]};
        safe_text_into(t->name, sizeof t->name, s->webhooks[i].name, strlen(s->webhooks[i].name));
    }
}

struct courier *courier_new(const struct notify_spec *spec, struct clock *clock, uint64_t seed, int wake_fd,
                            struct err *e)
{
    struct courier *c = xcalloc(1, sizeof *c);
    c->clock = clock;
    c->spec = spec;
    c->hook_watched = -1;
    c->my_fd = c->epoll_fd = -1;
    rng_init_named(&c->rng, seed, "courier");
    lay_out(c);
    if (open_fds(c, e)) {
        struct aside_spec as = {.what = "the thread of the notices",
                                .max = INBOX_MAX,
                                .wake_fd = wake_fd,
                                .poke_fd = c->my_fd,
                                .ctx = c,
                                .run = courier_main,
                                .drop = drop,
                                .gone = courier_release};
        c->aside = aside_new(&as, e);
    }
    if (c->aside)
        return c;
    hook_free(c->hook);
    courier_release(c);
    return NULL;
}

bool courier_stop(struct courier *c, int64_t timeout_us)
{
    if (!c)
        return true;
    c->stop_at = clock_now(clock_real()) + timeout_us;
    return aside_stop(c->aside, timeout_us + US_PER_S / 2, true);
}

void courier_free(struct courier *c)
{
    if (c)
        aside_free(c->aside);
}

void courier_put(struct courier *c, const struct notice *n)
{
    struct inbox *i = xcalloc(1, sizeof *i);
    i->notice = *n;
    if (aside_put(c->aside, &i->job, NULL))
        return;
    struct parcel p = {.notice = *n};
    struct err e;
    err_set(&e, ERR_LIMIT, "Look at the helpers of the receivers' secrets.", "%d notices wait to be sent", INBOX_MAX);
    report(c->aside, "notices", &p, false, true, 0, &e);
    free(i);
}

struct outcome *courier_take(struct courier *c)
{
    return (struct outcome *)aside_done(c->aside);
}
