/* The plans, the log they are read from, and what is due. */
#include <stdlib.h>
#include <string.h>
#include "client/own_waves_impl.h"
#include "core/text.h"

struct own_plan *own_find(struct own_waves *own, const char *id)
{
    struct own_plan *p = own->plans;
    while (p && strcmp(p->plan.id, id) != 0)
        p = p->next;
    return p;
}

/* ---- calls ---- */

struct own_call *own_call_new(struct own_waves *own, struct own_plan *p, struct arena *a, void *out, backend_done done,
                              void *ctx)
{
    struct own_call *c = xcalloc(1, sizeof *c);
    *c = (struct own_call){.own = own, .plan = p, .arena = a, .out = out, .done = done, .ctx = ctx};
    arena_init(&c->memory);
    c->next = own->calls;
    own->calls = c;
    return c;
}

static void call_free(struct own_call *c)
{
    arena_release(&c->memory);
    free(c);
}

void own_call_end(struct own_call *c, const struct reply *r)
{
    struct own_call **at = &c->own->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->done(c->ctx, r);
    call_free(c);
}

void own_call_later(struct own_call *c)
{
    c->ready = true;
    c->own->log.wake(c->own->log.ctx, own_now(c->own));
}

static struct own_call *oldest_ready(const struct own_waves *own)
{
    struct own_call *oldest = NULL;
    for (struct own_call *c = own->calls; c; c = c->next)
        if (c->ready)
            oldest = c;
    return oldest;
}

/* What an answer brings about is answered by the next tick. */
static void answer_ready(struct own_waves *own)
{
    size_t n = 0;
    for (struct own_call *c = own->calls; c; c = c->next) {
        c->ready = c->ready || (c->wait_until != 0 &&
                                (own_settled(own) || own->read_err.code != ERR_NONE || own_now(own) >= c->wait_until));
        n += c->ready;
    }
    for (struct own_call *c; n > 0 && (c = oldest_ready(own)); n--) {
        struct reply r = {.sent_at = own_now(own), .answered_at = own_now(own)};
        if (c->wait_until != 0)
            r = c->reply;
        if (c->err.code != ERR_NONE || (c->fill && !c->fill(c, &c->err)))
            r.err = &c->err;
        r.maybe_sent = c->maybe;
        own_call_end(c, &r);
    }
}

/* ---- what is known of a plan ---- */

void own_changed(struct own_plan *p)
{
    p->dirty = true;
    p->modified = clock_wall(p->own->log.clock);
}

const struct counts *own_counts(struct own_plan *p)
{
    for (size_t w = 0; p->dirty && w < p->plan.n_waves; w++)
        plan_counts(&p->s, p->at, w, &p->counts[w]);
    p->dirty = false;
    return p->counts;
}

bool own_done(struct own_plan *p)
{
    const struct counts *c = own_counts(p);
    for (size_t w = 0; w < p->plan.n_waves; w++)
        if (c[w].notstarted + c[w].scheduled + c[w].running > 0)
            return false;
    return true;
}

bool own_may(const struct own_plan *p, bool tell)
{
    const struct own_log *l = &p->own->log;
    if (tell && (p->hold.on || p->stop.on || p->s.phase != PLAN_IS_RUNNING))
        return false;
    return l->may(l->ctx, p->plan.id, p->here, tell);
}

void own_heard(struct own_waves *own, const struct reply *r)
{
    if (!r->err)
        own->heard_at = own_now(own);
}

struct plan_entry own_entry(const struct own_plan *p, enum plan_event event)
{
    return (struct plan_entry){.event = event,
                               .plan = p->plan.id,
                               .by = p->own->log.me,
                               .key = "",
                               .wave = -1,
                               .reason = "",
                               .outcomes = "",
                               .t = clock_wall(p->own->log.clock)};
}

static void said(struct own_plan *p, struct own_said *what, int64_t seq, const struct err *err)
{
    if (err) /* the log never takes it: it holds as long as this process lives */
        return;
    what->seq = seq;
    own_read(p->own);
}

static void hold_logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    said(p, &p->hold, seq, err);
}

static void stop_logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    said(p, &p->stop, seq, err);
}

static void say(struct own_plan *p, struct own_said *what, enum plan_event event, const char *reason, int wave,
                bool rule, own_append_done done)
{
    struct plan_entry e = own_entry(p, event);
    if (what->on)
        return;
    what->on = true;
    what->seq = 0;
    safe_text_into(p->reason, sizeof p->reason, reason, strlen(reason));
    own_changed(p);
    e.reason = p->reason;
    e.rule = rule;
    e.wave = wave;
    e.force = event == PLAN_STOPPED && p->force;
    p->own->log.append(p->own->log.ctx, &e, true, NULL, done, p);
}

void own_hold(struct own_plan *p, const char *reason, bool rule, int wave)
{
    /* Also when it seems paused: somebody may have resumed it since the log was read. */
    if (p->s.phase == PLAN_IS_RUNNING || p->s.phase == PLAN_IS_PAUSED)
        say(p, &p->hold, PLAN_PAUSED, reason, wave, rule, hold_logged);
}

void own_stop(struct own_plan *p, const char *reason, bool force)
{
    p->force = p->stop.on ? p->force : force; /* of the entry that is on its way */
    say(p, &p->stop, PLAN_STOPPED, reason, -1, false, stop_logged);
}

/* The log shows it: what it says holds from here on. */
static void settle(const struct own_waves *own, struct own_said *what)
{
    if (what->on && what->seq > 0 && what->seq <= own->read_upto)
        what->on = false;
}

/* ---- reading the log ---- */

static void take_plan(struct own_waves *own, const struct plan_entry *e)
{
    struct own_plan *p = xcalloc(1, sizeof *p);
    p->own = own;
    arena_init(&p->arena);
    arena_init(&p->tell_arena);
    if (!e->blob || !plan_read(&p->plan, e->blob, e->blob_n, &p->arena, NULL) || strcmp(p->plan.id, e->plan) != 0) {
        arena_release(&p->arena); /* nobody is told by what cannot be read */
        free(p);
        return;
    }
    plan_state_init(&p->s, &p->plan);
    p->at = xcalloc(p->plan.n + 1, 1);
    p->counts = xcalloc(p->plan.n_waves + 1, sizeof *p->counts);
    p->look_delay = OWN_LOOK_MIN;
    p->next = own->plans;
    own->plans = p;
}

static void plan_free(struct own_plan *p)
{
    plan_state_free(&p->s);
    arena_release(&p->arena);
    arena_release(&p->tell_arena);
    free(p->recalled);
    free(p->at);
    free(p->picks);
    free(p->counts);
    free(p);
}

static void take_entry(struct own_waves *own, const struct plan_entry *e)
{
    struct own_plan *p = own_find(own, e->plan);
    if (!p && e->event == PLAN_CREATED) {
        take_plan(own, e);
        p = own_find(own, e->plan);
    }
    if (!p)
        return;
    bool counts = plan_fold(&p->s, e);
    if (counts && strcmp(e->by, own->log.me) != 0)
        p->other_at = own_now(own);
    if (counts)
        own_changed(p);
    if (counts && e->event == PLAN_TELLING) /* what was known of them was before it */
        for (size_t i = e->first; i < e->first + e->n; i++)
            p->at[i] = p->at[i] == AT_INSTALLED ? AT_INSTALLED : AT_UNKNOWN;
    if (counts && e->event == PLAN_RECALLED) /* what the server shows of them from now on tells whether it was so */
        for (size_t i = e->first; i < e->first + e->n && i < p->plan.n; i++)
            if (p->s.told[i] == PT_RECALLED && p->at[i] != AT_INSTALLED)
                p->at[i] = AT_UNKNOWN;
    if (counts && (e->event == PLAN_TOLD || e->event == PLAN_TELLING || e->event == PLAN_RECALLED)) {
        p->look_delay = OWN_LOOK_MIN; /* something moves */
        if (p->look_at > own_now(own) + OWN_LOOK_MIN)
            p->look_at = own_now(own) + OWN_LOOK_MIN;
    }
}

static void read_done(void *arg, const struct own_entries *r, const struct err *err)
{
    struct own_waves *own = arg;
    bool again = own->read_again;
    own->reading = own->read_again = false;
    own->read_at = own_now(own);
    if (err) {
        own->read_err = *err;
    } else {
        err_clear(&own->read_err);
        for (size_t i = 0; i < r->n; i++)
            if (r->v[i].seq > own->read_upto)
                take_entry(own, &r->v[i]);
        if (r->upto > own->read_upto)
            own->read_upto = r->upto;
        own->known = true;
    }
    for (struct own_plan *p = own->plans; p; p = p->next) {
        settle(own, &p->hold);
        settle(own, &p->stop);
        own_check(p);
    }
    own_verbs(own);
    if (again)
        own_read(own);
    own->log.wake(own->log.ctx, own_now(own));
}

void own_read(struct own_waves *own)
{
    if (own->reading) { /* it may have begun before what is looked for */
        own->read_again = true;
        return;
    }
    own->reading = true;
    own->log.read(own->log.ctx, own->read_upto, read_done, own);
}

/* ---- what is due ---- */

void own_wake(struct own_waves *own)
{
    int64_t at = own->reading ? TIME_NEVER : own->read_at + (own->plans || !own->known ? OWN_READ_US : 2 * OWN_READ_US);
    for (struct own_plan *p = own->plans; p; p = p->next) {
        int64_t t = own_tell_due(p), l = own_look_due(p);
        at = t < at ? t : at;
        at = l < at ? l : at;
    }
    for (struct own_call *c = own->calls; c; c = c->next)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): own_call_end() has unlinked what it freed */
        if (c->ready || (c->wait_until != 0 && own_settled(own)))
            at = own_now(own);
        else if (c->wait_until != 0 && c->wait_until < at)
            at = c->wait_until;
    if (at != TIME_NEVER)
        own->log.wake(own->log.ctx, at);
}

void own_waves_tick(struct backend *b)
{
    struct own_waves *own = own_of(b);
    answer_ready(own);
    if (!own->reading && own_now(own) >= own->read_at + OWN_READ_US)
        own_read(own);
    for (struct own_plan *p = own->plans; p; p = p->next) {
        own_tell(p);
        own_recall(p);
        own_look(p);
        own_conditions(p); /* somebody else may have asked where its devices stand */
    }
    own_wake(own);
}

void own_waves_look(struct backend *b)
{
    own_read(own_of(b));
}

/* ---- from beginning to end ---- */

static void own_free(struct backend *b)
{
    struct own_waves *own = own_of(b);
    own->ending = true; /* what is under way in there still comes back */
    backend_free(own->inner);
    struct err e = {0};
    (void)err_set(&e, ERR_CANCELLED, "", "it was given up");
    for (struct own_call *c = own->calls, *next; c; c = next) {
        next = c->next;
        own->calls = next;
        c->done(c->ctx, &(struct reply){.err = &e});
        call_free(c);
    }
    while (own->plans) {
        struct own_plan *p = own->plans;
        own->plans = p->next;
        plan_free(p);
    }
    free(own);
}

struct backend *own_waves_new(struct backend *inner, const struct own_log *log)
{
    struct own_waves *own = xcalloc(1, sizeof *own);
    own->inner = inner;
    own->log = *log;
    own->ops = *inner->ops;
    own->ops.free = own_free;
    own->backend = (struct backend){.ops = &own->ops, .http = inner->http};
    own_ops(own);
    own->read_at = own_now(own);
    return &own->backend;
}
