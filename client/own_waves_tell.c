/* Telling, and taking back: one batch of a plan at a time, each step in the log before the next. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/own_waves_impl.h"

#define RETRY_MIN    (1 * US_PER_S)
#define RETRY_MAX    (60 * US_PER_S)
#define RECALL_TRIES 5

static int64_t retry_in(int failures)
{
    int64_t wait = RETRY_MIN;
    for (int i = 1; i < failures && wait < RETRY_MAX; i++)
        wait *= 2;
    return wait < RETRY_MAX ? wait : RETRY_MAX;
}

static size_t most_of(const struct own_waves *own)
{
    size_t most = own->inner->ops->tell_most;
    return most == 0 ? 1 : most < PLAN_BATCH_MAX ? most : PLAN_BATCH_MAX;
}

/* Another process is at it, as far as one can see. That it is left to it only keeps claims from being made in vain. */
static int64_t others_turn(const struct own_plan *p)
{
    const struct own_log *l = &p->own->log;
    bool other = *p->s.by && strcmp(p->s.by, l->me) != 0 && !p->here && l->lives(l->ctx, p->s.by);
    return other ? p->other_at + OWN_OTHER_US : 0;
}

int64_t own_tell_due(const struct own_plan *p)
{
    size_t first, n;
    int64_t at = TIME_NEVER;
    if (p->step == OWN_IDLE && own_may(p, true) && plan_next(&p->s, most_of(p->own), &first, &n)) {
        at = others_turn(p);
        at = p->retry_at > at ? p->retry_at : at;
    }
    if (p->recall_step == OWN_IDLE && own_recalls(p) && own_may(p, false) && p->recall_retry_at < at)
        at = p->recall_retry_at;
    return at;
}

/* ---- the answer ---- */

static void answer_logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    (void)seq;
    (void)err; /* kept until the log has it; one that is never taken leaves a claim without an answer */
    p->step = OWN_IDLE;
    arena_release(&p->tell_arena);
    own_read(p->own);
}

static void log_answer(struct own_plan *p, const char *outcomes, const char *why, const struct reply *r)
{
    struct plan_entry e = own_entry(p, PLAN_TOLD);
    const char **undo = ARENA_ARRAY(&p->tell_arena, const char *, p->n);
    struct buf b;
    buf_init(&b, PLAN_BYTES_MAX);
    for (size_t i = 0; i < p->n; i++)
        undo[i] = p->results ? p->results[i].undo : NULL;
    if (plan_undo_write(undo, p->n, &b)) {
        e.blob = b.data;
        e.blob_n = b.len;
    }
    e.key = p->key;
    e.wave = (int)plan_wave_of(&p->plan, p->first);
    e.first = p->first;
    e.n = p->n;
    e.outcomes = outcomes;
    e.reason = why;
    p->step = OWN_ANSWERING;
    p->own->log.append(p->own->log.ctx, &e, true, r, answer_logged, p);
    buf_release(&b);
}

/* What a refusal of the whole request leaves: nothing was done, and it may be asked for again. */
static char letter(const struct tell_result *t, const struct reply *r)
{
    switch (t->outcome) {
    case TELL_DONE:
        return OUTCOME_DONE;
    case TELL_REFUSED:
        return r->err ? OUTCOME_FREE : OUTCOME_REFUSED;
    case TELL_NOT_SENT:
        return OUTCOME_FREE;
    case TELL_NOT_KNOWN:
        break;
    }
    return OUTCOME_UNKNOWN;
}

/* Errors that pass by themselves. */
static bool passes(enum err_code c)
{
    return c == ERR_THROTTLED || c == ERR_TIMEOUT || c == ERR_NETWORK || c == ERR_TLS || c == ERR_PROTOCOL ||
           c == ERR_CANCELLED || c == ERR_AUTH;
}

static void told(void *ctx, const struct reply *r)
{
    struct own_plan *p = ctx;
    bool freed = false;
    char *o = arena_alloc(&p->tell_arena, p->n + 1);
    if (p->own->ending)
        return; /* as if it had been killed: the claim stands without an answer */
    for (size_t i = 0; i < p->n; i++) {
        o[i] = letter(&p->results[i], r);
        freed = freed || o[i] == OUTCOME_FREE;
    }
    own_heard(p->own, r);
    p->failures = freed ? p->failures + 1 : 0;
    p->retry_at = freed ? own_now(p->own) + retry_in(p->failures) : 0;
    if (freed && r->err && !passes(r->err->code)) {
        char why[256];
        snprintf(why, sizeof why, "the server does not take it: %.200s", r->err->what);
        own_hold(p, why, true, -1);
    }
    log_answer(p, o, r->err ? r->err->what : "", r);
}

/* ---- the claim ---- */

static void send(struct own_plan *p)
{
    struct backend *in = p->own->inner;
    p->step = OWN_SENT;
    p->results = ARENA_ARRAY(&p->tell_arena, struct tell_result, p->n);
    in->ops->tell(in, &p->plan.release, p->plan.raw_ids + p->first, p->n, p->key, &p->tell_arena, p->results, told, p);
}

void own_check(struct own_plan *p)
{
    if (p->step != OWN_CHECKING || p->own->read_upto < p->claim_seq)
        return;
    if (!plan_claim_of(&p->s, p->key)) { /* somebody else has these, or it was paused before */
        p->step = OWN_IDLE;
        return;
    }
    if (own_may(p, true)) {
        send(p);
        return;
    }
    char *o = arena_alloc(&p->tell_arena, p->n + 1);
    memset(o, OUTCOME_FREE, p->n);
    p->results = NULL;
    log_answer(p, o, "not sent: it is not to be told on", NULL);
}

static void claim_logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    if (err) { /* it is not in the log, or may be there and is never answered for */
        p->step = OWN_IDLE;
        p->failures++;
        p->retry_at = own_now(p->own) + retry_in(p->failures);
        own_wake(p->own);
        return;
    }
    p->step = OWN_CHECKING;
    p->claim_seq = seq;
    own_read(p->own);
}

void own_tell(struct own_plan *p)
{
    struct own_waves *own = p->own;
    size_t first, n;
    if (p->step != OWN_IDLE || !own_may(p, true) || own_now(own) < p->retry_at || own_now(own) < others_turn(p) ||
        !plan_next(&p->s, most_of(own), &first, &n))
        return;
    struct plan_entry e = own_entry(p, PLAN_TELLING);
    snprintf(p->key, sizeof p->key, "%s-%016" PRIx64, p->plan.id + strlen(PLAN_PREFIX), own->log.unique(own->log.ctx));
    p->first = e.first = first;
    p->n = e.n = n;
    e.key = p->key;
    e.wave = (int)plan_wave_of(&p->plan, first);
    p->step = OWN_CLAIMING;
    own->log.append(own->log.ctx, &e, false, NULL, claim_logged, p);
}

/* ---- taking back ---- */

/* A device that may still be kept from it. */
static bool to_recall(const struct own_plan *p, size_t device)
{
    enum standing_at at = (enum standing_at)p->at[device];
    return p->s.told[device] != PT_NOT && p->s.told[device] != PT_REFUSED && at != AT_INSTALLED && at != AT_FAILED &&
           !plan_device_taken_back(&p->s, device, at);
}

static struct plan_claim *next_recall(const struct own_plan *p)
{
    const struct own_waves *own = p->own;
    bool can = own->inner->ops->recall && (!own->info_known || (own->info.caps & CAP_RECALL));
    if (!can || p->s.phase != PLAN_IS_STOPPED || (p->s.force && !own->info_known))
        return NULL;
    /* Each once, also when nothing of it is left to recall: later that could be another plan's. */
    for (size_t i = 0; i < p->s.n_claims; i++)
        if (!p->s.claims[i].recalled)
            return &p->s.claims[i];
    return NULL;
}

bool own_recalls(const struct own_plan *p)
{
    return p->recall_tries < RECALL_TRIES && next_recall(p);
}

static bool cuts(const struct own_plan *p)
{
    return p->recall_force && (p->own->info.caps & CAP_FORCE);
}

static void recall_part(struct own_plan *p, struct plan_claim *c);

static void recalled_logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    (void)seq;
    (void)err;
    p->recall_step = OWN_IDLE;
    own_read(p->own);
}

static void recalled(void *ctx, const struct reply *r)
{
    struct own_call *call = ctx;
    struct own_plan *p = call->plan;
    struct plan_claim *c = plan_claim_of(&p->s, p->recall_key);
    struct tell_result *t = call->out;
    if (p->own->ending)
        return;
    own_heard(p->own, r);
    size_t sent = 0, left = SIZE_MAX;
    for (size_t i = call->n; i-- > 0;)
        if (t[i].outcome == TELL_NOT_SENT)
            left = call->index[i];
        else
            sent++;
    for (size_t i = 0; i < call->n; i++)
        if (t[i].outcome != TELL_NOT_SENT || sent == 0)
            p->recalled[call->index[i]] = t[i].outcome == TELL_DONE      ? cuts(p) ? OUTCOME_CUT : OUTCOME_DONE
                                          : t[i].outcome == TELL_REFUSED ? OUTCOME_REFUSED
                                                                         : OUTCOME_UNKNOWN;
    if (sent > 0 && left != SIZE_MAX) /* more than the server takes at once: they are next */
        p->recall_from = left;
    bool failed = r->err != NULL;
    own_call_end(call, r);
    if (failed || !c) {
        p->recall_tries++;
        p->recall_retry_at = own_now(p->own) + retry_in(p->recall_tries);
        p->recall_step = OWN_IDLE;
        own_wake(p->own);
    } else {
        recall_part(p, c);
    }
}

static void nobody(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
}

static void recall_part(struct own_plan *p, struct plan_claim *c)
{
    struct backend *in = p->own->inner;
    struct own_call *call = own_call_new(p->own, p, NULL, NULL, nobody, NULL);
    const char **undo = ARENA_ARRAY(&call->memory, const char *, c->n), **some;
    bool known = c->undo && plan_undo_read(c->undo, strlen(c->undo), c->n, &call->memory, undo);
    call->ids = ARENA_ARRAY(&call->memory, const char *, c->n);
    call->index = ARENA_ARRAY(&call->memory, size_t, c->n);
    some = ARENA_ARRAY(&call->memory, const char *, c->n);
    size_t most = in->ops->recall_most ? in->ops->recall_most : most_of(p->own);
    for (; p->recall_from < c->n && call->n < most; p->recall_from++) {
        if (p->recalled[p->recall_from] != '-' || !to_recall(p, c->first + p->recall_from))
            continue;
        call->index[call->n] = p->recall_from;
        some[call->n] = known ? undo[p->recall_from] : NULL;
        call->ids[call->n++] = p->plan.raw_ids[c->first + p->recall_from];
    }
    if (call->n == 0) {
        struct plan_entry e = own_entry(p, PLAN_RECALLED);
        own_call_end(call, &(struct reply){0});
        e.key = c->key;
        e.first = c->first;
        e.n = c->n;
        e.outcomes = p->recalled;
        e.force = p->recall_force;
        p->recall_step = OWN_ANSWERING;
        p->own->log.append(p->own->log.ctx, &e, true, NULL, recalled_logged, p);
        return;
    }
    struct tell_result *t = ARENA_ARRAY(&call->memory, struct tell_result, call->n);
    call->out = t;
    p->recall_step = OWN_SENT;
    in->ops->recall(in, &p->plan.release, call->ids, call->n, c->key, known ? some : NULL, cuts(p), &call->memory, t,
                    recalled, call);
}

/* It may be repeated, so that nothing waits for its entry but the order of things in the log. */
static void recall_said(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    struct plan_claim *c = plan_claim_of(&p->s, p->recall_key);
    (void)seq;
    (void)err;
    if (!c) {
        p->recall_step = OWN_IDLE;
        return;
    }
    p->recall_from = 0;
    p->recalled = xrealloc(p->recalled, c->n + 1);
    memset(p->recalled, '-', c->n);
    p->recalled[c->n] = '\0';
    recall_part(p, c);
}

void own_recall(struct own_plan *p)
{
    if (p->recall_step != OWN_IDLE || p->step != OWN_IDLE || !own_recalls(p) || !own_may(p, false) ||
        own_now(p->own) < p->recall_retry_at)
        return;
    const struct plan_claim *c = next_recall(p);
    p->recall_force = p->s.force;
    struct plan_entry e = own_entry(p, PLAN_RECALLING);
    snprintf(p->recall_key, sizeof p->recall_key, "%s", c->key);
    e.key = c->key;
    e.first = c->first;
    e.n = c->n;
    p->recall_step = OWN_CLAIMING;
    p->own->log.append(p->own->log.ctx, &e, false, NULL, recall_said, p);
}
