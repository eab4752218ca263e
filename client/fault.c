#include "client/fault.h"

#include <stdlib.h>
#include <string.h>
#include "client/wrap.h"
#include "core/clock.h"
#include "core/rng.h"

/* An answer that is held back. */
struct held {
    struct held *next;
    struct wrap_call *c;
    int64_t at;
    struct reply reply; /* deep */
    struct err err;
};

struct fault {
    struct wrap wrap; /* first */
    struct fault_spec spec;
    struct rng rng;
    struct http_side side;
    struct held *held; /* by time */
    bool due;
};

static struct fault *of_side(struct http_side *s)
{
    return (struct fault *)(void *)((char *)s - offsetof(struct fault, side));
}

static bool happens(struct fault *f, double share)
{
    return share > 0 && rng_unit(&f->rng) < share;
}

static void held_free(struct held *h)
{
    for (size_t i = 0; i < h->reply.n_requests; i++)
        free((char *)(uintptr_t)h->reply.requests[i].path);
    free(h);
}

/* Keeps the answer until it is time; err may be NULL. */
static void hold(struct fault *f, struct wrap_call *c, const struct reply *r, const struct err *e)
{
    struct held *h = xcalloc(1, sizeof *h);
    int64_t now = clock_now(http_clock(f->wrap.base.http));
    h->c = c;
    h->at = now + (f->spec.delay_us > 0 ? (int64_t)(rng_unit(&f->rng) * (double)f->spec.delay_us) : 0);
    if (r)
        h->reply = *r;
    else
        h->reply.sent_at = now;
    for (size_t i = 0; i < h->reply.n_requests; i++)
        h->reply.requests[i].path = xstrdup(h->reply.requests[i].path);
    if (e)
        h->err = *e;
    struct held **at = &f->held;
    while (*at && (*at)->at <= h->at)
        at = &(*at)->next;
    h->next = *at;
    *at = h;
}

static void lost(struct err *e)
{
    err_set(e, ERR_TIMEOUT, "this fleet loses answers by its `faults`", "no answer in time");
}

static bool begin(struct wrap *w, struct wrap_call *c)
{
    struct fault *f = (struct fault *)w;
    struct err e = {0};
    if (happens(f, f->spec.lost / 2)) { /* the request: nobody who sent it can know that it never came */
        for (size_t i = 0; c->told && i < c->n; i++)
            c->told[i] = (struct tell_result){TELL_NOT_KNOWN, "", ""};
        struct reply r = {.maybe_sent = c->verb, .sent_at = clock_now(http_clock(w->base.http))};
        lost(&e);
        hold(f, c, &r, &e);
        return false;
    }
    if ((c->told || strcmp(c->op, "verb") == 0) && happens(f, f->spec.lies)) {
        for (size_t i = 0; c->told && i < c->n; i++)
            c->told[i] = (struct tell_result){TELL_DONE, "", ""};
        hold(f, c, NULL, NULL);
        return false;
    }
    return true;
}

static bool answer(struct wrap *w, struct wrap_call *c, const struct reply *r)
{
    struct fault *f = (struct fault *)w;
    struct err e = {0};
    if (r->err && r->err->code == ERR_CANCELLED)
        return true; /* at the end there is no later */
    if (happens(f, f->spec.lost / 2)) {
        struct reply gone = *r;
        for (size_t i = 0; i < c->n; i++)
            c->told[i] = (struct tell_result){TELL_NOT_KNOWN, "", ""};
        gone.status = 0;
        gone.maybe_sent = c->verb;
        for (size_t i = 0; i < gone.n_requests; i++) {
            gone.requests[i].status = 0;
            gone.requests[i].answer_sha256[0] = '\0';
            gone.requests[i].error = err_word(ERR_TIMEOUT);
        }
        lost(&e);
        hold(f, c, &gone, &e);
    } else {
        hold(f, c, r, r->err);
    }
    return false;
}

static void turn(struct http_side *s)
{
    struct fault *f = of_side(s);
    f->due = f->held && f->held->at <= clock_now(http_clock(f->wrap.base.http));
    s->deadline = f->held ? f->held->at : TIME_NEVER;
}

static void end_first(struct fault *f)
{
    struct held *h = f->held;
    f->held = h->next;
    h->reply.answered_at = clock_now(http_clock(f->wrap.base.http));
    h->reply.err = h->err.code != ERR_NONE ? &h->err : NULL;
    wrap_end(h->c, &h->reply);
    held_free(h);
}

static bool deliver(struct http_side *s)
{
    struct fault *f = of_side(s);
    if (!f->due)
        return false;
    f->due = false; /* the next one with the next turn: the callback may free all of this */
    end_first(f);
    return true;
}

static void fault_free(struct backend *b)
{
    struct fault *f = (struct fault *)b;
    wrap_release(&f->wrap);
    while (f->held) {
        err_set(&f->held->err, ERR_CANCELLED, "", "the request was given up");
        end_first(f);
    }
    http_side_drop(b->http, &f->side);
    free(f);
}

struct backend *fault_open(struct backend *inner, const struct fault_spec *spec)
{
    struct fault *f = xcalloc(1, sizeof *f);
    f->spec = *spec;
    rng_init_named(&f->rng, spec->seed, "fault");
    wrap_init(&f->wrap, inner, fault_free);
    f->wrap.begin = begin;
    f->wrap.answer = answer;
    f->side.turn = turn;
    f->side.deliver = deliver;
    http_side_add(inner->http, &f->side);
    return &f->wrap.base;
}
