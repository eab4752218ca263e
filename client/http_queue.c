#include "client/http_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX      3
#define SPARES_MAX     16
#define SPARE_BODY_MAX ((size_t)1 << 20) /* a buffer larger than this is not kept */

struct http *http_new(struct clock *clock, uint64_t seed)
{
    struct http *h = xcalloc(1, sizeof *h);
    h->clock = clock;
    h->secret_fd = -1;
    rng_init_named(&h->rng, seed, "http");
    return h;
}

unsigned http_in_flight(const struct http *h)
{
    return h->unanswered;
}

const char *http_peer_name(const struct http_peer *p)
{
    return p->name;
}

/* --- requests --- */

static void req_unlink(struct http *h, struct req *r)
{
    *(r->prev ? &r->prev->next : &h->first) = r->next;
    *(r->next ? &r->next->prev : &h->last) = r->prev;
    h->unanswered--;
}

static struct req *req_new(struct http_peer *p)
{
    struct http *h = p->http;
    struct req *r = p->spares;
    if (r) {
        p->spares = r->next;
        p->n_spares--;
        void *easy = r->easy;
        struct buf body = r->answer.body;
        *r = (struct req){.peer = p, .easy = easy, .answer.body = body};
        buf_clear(&r->answer.body);
    } else {
        r = xcalloc(1, sizeof *r);
        r->peer = p;
        buf_init(&r->answer.body, 0);
    }
    r->id = ++h->next_id;
    r->prev = h->last;
    *(h->last ? &h->last->next : &h->first) = r;
    h->last = r;
    h->unanswered++;
    return r;
}

static void req_destroy(struct req *r)
{
    wire_free_easy(r);
    buf_release(&r->answer.body);
    free(r);
}

/* The request has been answered: keep its handle and buffer for the next one, or let it go. */
static void req_retire(struct req *r)
{
    struct http_peer *p = r->peer;
    free(r->url);
    if (r->body)
        explicit_bzero(r->body, r->body_n); /* a notice may hold a routing key */
    free(r->body);
    wire_free_headers(r);
    if (p->n_spares >= SPARES_MAX || !r->easy || r->answer.body.cap > SPARE_BODY_MAX) {
        req_destroy(r);
        return;
    }
    r->next = p->spares;
    p->spares = r;
    p->n_spares++;
}

uint64_t http_send(struct http_peer *p, const char *method, const char *path, const char *body, size_t max_body,
                   unsigned flags, http_done done, void *ctx)
{
    return http_send_bytes(p, method, path, body, body ? strlen(body) : 0, max_body, flags, done, ctx);
}

uint64_t http_send_bytes(struct http_peer *p, const char *method, const char *path, const void *body, size_t body_n,
                         size_t max_body, unsigned flags, http_done done, void *ctx)
{
    return http_request(
        p,
        &(struct http_request){
            .method = method, .path = path, .body = body, .body_n = body_n, .max_body = max_body, .flags = flags},
        done, ctx);
}

uint64_t http_request(struct http_peer *p, const struct http_request *q, http_done done, void *ctx)
{
    struct req *r = req_new(p);
    const char *path = q->path;
    size_t base = strlen(p->url);
    while (path[0] == '/' && base && p->url[base - 1] == '/')
        base--;
    size_t n = base + strlen(path) + 1;
    r->url = xmalloc(n);
    snprintf(r->url, n, "%.*s%s", (int)base, p->url, path);
    r->base = base;
    snprintf(r->method, sizeof r->method, "%s", q->method);
    if (q->body) {
        r->body = xcalloc(1, q->body_n + 1);
        if (q->body_n)
            memcpy(r->body, q->body, q->body_n);
        r->body_n = q->body_n;
    }
    if (q->n_headers)
        wire_req_headers(r, q->headers, q->n_headers);
    r->sink = q->sink;
    r->sink_max = q->max_body;
    r->answer.body.limit = q->sink.take && q->max_body > SPARE_BODY_MAX ? SPARE_BODY_MAX : q->max_body;
    r->flags = q->flags;
    r->done = done;
    r->ctx = ctx;
    r->phase = REQ_QUEUED;
    return r->id;
}

uint64_t http_fail(struct http_peer *p, const struct err *e, http_done done, void *ctx)
{
    struct req *r = req_new(p);
    r->done = done;
    r->ctx = ctx;
    r->err = *e;
    r->phase = REQ_DONE;
    r->answer.sent_at = r->answer.answered_at = clock_now(p->http->clock);
    return r->id;
}

int64_t req_limit(const struct req *r)
{
    return r->flags & HTTP_SLOW ? 12 * r->peer->timeout_us : r->peer->timeout_us;
}

static void start(struct req *r)
{
    struct http *h = r->peer->http;
    int64_t now = clock_now(h->clock);
    buf_clear(&r->answer.body);
    r->sunk = 0;
    if (r->sink.take)
        r->sink.take(r->sink.ctx, "", 0);
    err_clear(&r->err);
    r->answer.status = 0;
    wire_start(r);
    r->phase = REQ_WIRE;
    r->secret = r->peer->secret_number;
    r->tries++;
    r->answer.sent_at = now;
    r->deadline = now + req_limit(r);
    r->peer->parallel++;
    h->on_wire++;
    http_trace_sent(r);
}

static void leave_wire(struct req *r)
{
    r->peer->parallel--;
    r->peer->http->on_wire--;
}

void req_finish(struct req *r)
{
    r->phase = REQ_DONE;
    r->answer.answered_at = clock_now(r->peer->http->clock);
    r->answer.maybe_sent = r->maybe_sent;
}

static bool retry_later(struct req *r, bool passing)
{
    if (!passing || !(r->flags & HTTP_SAFE) || r->tries >= TRIES_MAX)
        return false;
    struct http *h = r->peer->http;
    r->phase = REQ_DELAYED;
    r->deadline = clock_now(h->clock) + http_backoff(&h->rng, r->tries, r->answer.retry_after_us);
    return true;
}

void req_ended(struct req *r, enum http_fault f)
{
    struct http_answer *a = &r->answer;
    leave_wire(r);
    http_trace_ended(r, f, false);
    bool passing = f == FAULT_NONE ? http_status_passing(a) : http_fault_passing(f);
    if (retry_later(r, passing) || (f == FAULT_NONE && secret_refused(r)))
        return;
    if (f != FAULT_NONE)
        http_fault_err(f, r->peer->name, r->detail, r->maybe_sent, req_limit(r), &r->err);
    else if (a->status >= 300 && a->status < 400)
        err_set(&r->err, ERR_PROTOCOL, "put the final address into `url` of the endpoint; andon follows no redirect",
                "%s redirects (%d)%s%s", r->peer->name, a->status, r->location[0] ? " to " : "", r->location);
    req_finish(r);
}

static void expire(struct http *h)
{
    int64_t now = clock_now(h->clock);
    for (struct req *r = h->first, *next; r; r = next) {
        next = r->next;
        if (r->phase == REQ_WIRE && now >= r->deadline) {
            wire_stop(r);
            leave_wire(r);
            http_trace_ended(r, FAULT_TIMEOUT, false);
            http_fault_err(FAULT_TIMEOUT, r->peer->name, "", r->maybe_sent, req_limit(r), &r->err);
            req_finish(r);
        } else if (r->phase == REQ_DELAYED && now >= r->deadline) {
            r->phase = REQ_QUEUED;
        } else if (r->phase == REQ_REFUSED && now >= r->deadline) {
            req_finish(r);
        }
    }
}

/* Urgent requests first and past the limit; the rest in order, as far as their peer's limit goes. */
static void start_queued(struct http *h)
{
    for (int urgent = 1; urgent >= 0; urgent--)
        for (struct req *r = h->first; r; r = r->next) {
            bool is_urgent = r->flags & HTTP_URGENT;
            if (r->phase != REQ_QUEUED || is_urgent != (urgent == 1))
                continue;
            if (is_urgent || r->peer->parallel < r->peer->max_parallel)
                start(r);
        }
}

static void peer_destroy(struct http_peer *p);

static void call_back(struct http *h, struct req *r)
{
    struct http_peer *p = r->peer;
    req_unlink(h, r);
    r->answer.err = r->err.code != ERR_NONE ? &r->err : NULL;
    if (r->answer.err && r->answer.status == 0)
        buf_clear(&r->answer.body); /* half a body is nothing to look at */
    p->calling++;
    r->done(r->ctx, &r->answer);
    p->calling--;
    req_retire(r);
    if (p->dead && p->calling == 0)
        peer_destroy(p);
}

/* A callback may send, cancel and free peers, so the search starts again after each. */
static bool deliver(struct http *h)
{
    bool any = false;
    uint64_t last = h->next_id; /* what callbacks add waits for the next turn */
    for (struct req *r = h->first; r && r->id <= last;) {
        if (r->phase == REQ_DONE) {
            call_back(h, r);
            any = true;
            r = h->first;
        } else {
            r = r->next;
        }
    }
    return any;
}

static int64_t next_deadline(const struct http *h, int64_t deadline)
{
    deadline = sides_deadline(h, deadline);
    for (const struct req *r = h->first; r; r = r->next)
        if ((r->phase == REQ_WIRE || r->phase == REQ_DELAYED || r->phase == REQ_REFUSED) && r->deadline < deadline)
            deadline = r->deadline;
    return deadline;
}

static void turn(struct http *h)
{
    secret_turn(h);
    start_queued(h);
    wire_perform(h);
    /* First what has arrived, then who is late: an answer that lies in the socket when the clock jumps is in time. */
    expire(h);
    start_queued(h); /* places that have become free, delays that are over */
    wire_perform(h);
    sides_turn(h);
}

static bool deliver_all(struct http *h)
{
    bool sides = sides_deliver(h), any = deliver(h);
    return sides || any;
}

void http_run(struct http *h, int wake_fd, int64_t deadline, unsigned extra)
{
    turn(h);
    if (deliver_all(h))
        return;
    unsigned in_flight = h->on_wire + h->reading + sides_in_flight(h);
    int64_t us = h->clock->idle(h->clock, next_deadline(h, deadline), in_flight + extra);
    if (us > 0)
        wire_wait(h, wake_fd, us);
    turn(h);
    deliver_all(h);
}

/* --- the end --- */

static void cancel(struct req *r)
{
    if (r->phase == REQ_DONE)
        return;
    if (r->phase == REQ_WIRE) {
        wire_stop(r);
        leave_wire(r);
        http_trace_ended(r, FAULT_OTHER, true);
    }
    err_set(&r->err, ERR_CANCELLED, "", "the request to %s was given up", r->peer->name);
    r->answer.status = 0;
    req_finish(r);
}

void http_cancel(struct http *h, uint64_t id)
{
    for (struct req *r = h->first; r; r = r->next)
        if (r->id == id) {
            cancel(r);
            return;
        }
}

static void peer_destroy(struct http_peer *p)
{
    while (p->spares) {
        struct req *r = p->spares;
        p->spares = r->next;
        req_destroy(r);
    }
    peer_release(p);
}

/* cancel() and call_back() cannot free p: it is not marked dead yet, which the analyzer does not see. */
void http_peer_free(struct http_peer *p)
{
    if (!p)
        return;
    struct http *h = p->http;
    for (struct req *r = h->first; r;) {
        /* call_back unlinks r before it is freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (r->peer == p) {
            cancel(r);
            call_back(h, r);
            r = h->first; /* the callback may have changed the list */
        } else {
            r = r->next;
        }
    }
    for (struct http_peer **at = &h->peers; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    secret_release(p);
    p->dead = true;
    if (p->calling == 0)
        peer_destroy(p);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    while (h->peers)
        /* The peer is unlinked before it is freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        http_peer_free(h->peers);
    wire_release(h);
    if (h->secret_fd >= 0)
        close(h->secret_fd);
    free(h);
}
