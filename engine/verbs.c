/* Nothing is sent before its intent is durable, nothing is sent twice, and an answer of 200 is not an outcome: the op
 * ends when the server shows the state that the verb should bring about, or fails, or is unknown. */
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "engine/worker.h"

#define LOG_US     (5 * US_PER_S)  /* an intent that is not durable by then is given up */
#define SHOWN_US   (60 * US_PER_S) /* a state must show by then */
#define ADVANCE_US (5 * US_PER_MIN)
#define REFUSED_US (3 * US_PER_S) /* after a refusal by the server: is it so already? */
#define READ_FIRST (250 * US_PER_MS)
#define READ_MAX   (2 * US_PER_S)

static void act_send(struct engine *en, struct op *op);
static void act_reread(struct engine *en, void *arg);

/* Does it let the rollout run? Nothing of the kind is sent before the log was looked at, and the halts known. */
static bool lets_run(const struct op *op)
{
    return op->in.verb == VERB_RESUME || op->in.verb == VERB_ADVANCE || op->in.verb == VERB_START;
}

static void run_over(const struct op *op)
{
    if (lets_run(op))
        ro_stop_run_over(op->ro);
}

/* ---- what the server should show ---- */

static void done(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    if (op->in.verb == VERB_PAUSE && ro->facts.r.state == ROLLOUT_PAUSED) {
        char by[sizeof ro->stop.paused_by];
        bool rule = op->in.actor.kind == ACTOR_RULE;
        snprintf(by, sizeof by, "%s%s", rule ? "rule " : "", op->in.actor.name);
        ro_stop_held(ro, by, rule && verdict_rule_passes(op->in.rule) ? &(struct stop_asker){.here = true} : NULL);
    }
    if (op->in.verb == VERB_ADVANCE) {
        if (op->target_wave > 0)
            snprintf(ro->wv[op->target_wave - 1].verbs.decided_by, sizeof ro->wv[0].verbs.decided_by, "%s",
                     op->in.actor.name);
        op_outcome(en, op, OP_DONE, "ok", ro->facts.r.state_word, "", "W%d has started", op->target_wave);
    } else if (op->in.verb == VERB_RETRY) {
        op_outcome(en, op, OP_DONE, "ok", ro->facts.r.state_word, "Start the new rollout.", "%s_retry is there",
                   ro->facts.r.name);
    } else {
        op_outcome(en, op, OP_DONE, "ok", ro->facts.r.state_word, "", "the server shows it %s", ro->facts.r.state_word);
    }
    run_over(op);
}

static void give_up(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    run_over(op);
    if (op->act.answer.code != ERR_NONE && !op->act.maybe)
        op_outcome(en, op, OP_FAILED, "failed", ro->facts.r.state_word, op->act.answer.next, "%s", op->act.answer.what);
    else
        op_outcome(en, op, OP_UNKNOWN, "unknown", ro->facts.r.state_word,
                   "Look at the rollout on the server before you try again.",
                   "the request was sent, but the server shows the rollout %s", ro->facts.r.state_word);
}

/* A resume of a held rollout has taken: the next wave starts by itself when its predecessor is done, else by the
 * trigger. */
static void advance_on(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    if (op->act.stage != 1 || ro->facts.r.state != ROLLOUT_RUNNING ||
        ro->facts.waves_at < op->act.verify_until - ADVANCE_US)
        return;
    const struct wave *before = op->target_wave > 0 ? &ro->facts.waves[op->target_wave - 1] : NULL;
    /* A wave without a condition starts none, however done it is. */
    bool waits = before && (!before->success.present ||
                            (before->state == WAVE_RUNNING &&
                             (!before->counts.known || before->counts.running + before->counts.scheduled > 0)));
    if (!waits || !(ro_caps(ro) & CAP_TRIGGER_NEXT)) {
        op->act.stage = 3; /* the server does it */
        return;
    }
    op->act.stage = 2;
    act_send(en, op);
}

static void poll_ops(struct engine *en, struct ro *ro)
{
    for (struct op *op = en->verbs.ops; op; op = op->next) {
        if (op->phase != OP_VERIFYING || op->final != OP_QUEUED || op->recovered)
            continue;
        if (op->ro != ro && !(op->in.verb == VERB_RETRY && op->ro))
            continue;
        if (op->in.verb == VERB_HALT || op->in.verb == VERB_ROLLBACK)
            continue;
        if (verbs_became(en, op->ro, op->in.verb, op->target_wave) == BECAME_APPLIED)
            done(en, op);
        else if (now_of(en) >= op->act.verify_until)
            give_up(en, op);
        else if (op->in.verb == VERB_ADVANCE)
            advance_on(en, op);
    }
}

/* ---- reading back ---- */

static void reread_done(struct req *q, const struct reply *r)
{
    struct op *op = q->op;
    op_release(op);
    if (!r->err)
        ro_take(op->ro, &q->out.rollout, q->n);
    else
        poll_ops(q->en, op->ro);
}

static void act_reread(struct engine *en, void *arg)
{
    struct op *op = arg;
    if (op->phase != OP_VERIFYING || op->final != OP_QUEUED)
        return;
    struct req *q = req_new(en, reread_done);
    q->op = op;
    q->n = now_of(en);
    op_hold(op);
    en->be->ops->rollout(en->be, op->ro->id, &q->arena, &q->out.rollout, req_done, q);
    if (op->in.verb == VERB_ADVANCE)
        ro_read(op->ro);
    if (op->in.verb == VERB_RETRY)
        ANNOUNCE(en, refresh, en);
    timer_set(en, now_of(en) + op->act.delay, act_reread, op);
    if (op->act.delay < READ_MAX)
        op->act.delay *= 2;
}

/* ---- sending ---- */

static void answered(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct op *op = q->op;
    op_release(op);
    if (op_ended(op) || op->final != OP_QUEUED)
        return; /* another rollout has its number by now */
    op_answered(op, r);
    op->act.maybe = r->err == NULL || r->maybe_sent;
    err_clear(&op->act.answer);
    if (r->err)
        op->act.answer = *r->err;
    if (r->err && !r->maybe_sent && r->err->code != ERR_STATE) {
        give_up(en, op);
        return;
    }
    int64_t wait = op->in.verb == VERB_ADVANCE ? ADVANCE_US : SHOWN_US;
    if (r->err && r->err->code == ERR_STATE)
        wait = REFUSED_US;
    op->act.verify_until = now_of(en) + wait;
    op->act.delay = READ_FIRST;
    op_say(en, op, OP_VERIFYING, "", "reading the state back");
    act_reread(en, op);
}

/* The back end's word for it; false for REQUEST_NONE and for what is no request: nothing may be sent for it. */
static bool request_verb(enum verb_request r, enum backend_verb *out)
{
    switch (r) {
    case REQUEST_START:
        *out = BV_START;
        return true;
    case REQUEST_PAUSE:
        *out = BV_PAUSE;
        return true;
    case REQUEST_RESUME:
        *out = BV_RESUME;
        return true;
    case REQUEST_NEXT:
        *out = BV_TRIGGER_NEXT;
        return true;
    case REQUEST_STOP:
        *out = BV_STOP;
        return true;
    case REQUEST_APPROVE:
        *out = BV_APPROVE;
        return true;
    case REQUEST_DENY:
        *out = BV_DENY;
        return true;
    case REQUEST_RETRY:
        *out = BV_RETRY;
        return true;
    case REQUEST_NONE:
        break;
    }
    return false;
}

static void act_send(struct engine *en, struct op *op)
{
    enum backend_verb v;
    const struct verb_row *row = verb_row(op->in.verb);
    /* An advance that was begun by a resume goes on with the trigger. */
    enum verb_request request = op->act.stage == 2 ? row->request : verb_request_of(op->in.verb, op->ro->facts.r.state);
    if (!request_verb(request, &v)) { /* verbs_begin() lets none through */
        op_outcome(en, op, OP_FAILED, "failed", op->ro->facts.r.state_word, "", "nothing was sent: %s is no request",
                   row->word);
        return;
    }
    if (lets_run(op) && !ro_stop_run(op->ro)) { /* halted, since it was asked for or between its two requests */
        run_over(op);
        op_outcome(en, op, OP_REFUSED, "refused", op->ro->facts.r.state_word, "Acknowledge the halt first.",
                   "%s is refused: %s %s", row->word, op->ro->id, stop_words(&op->ro->stop.m)->text);
        return;
    }
    if (op->in.verb == VERB_ADVANCE)
        op->act.stage = request == row->paused_request ? 1 : 2;
    struct req *q = req_new(en, answered);
    q->op = op;
    op_hold(op);
    op_say(en, op, OP_SENT, "", "%s sent", backend_verb_word(v));
    en->be->ops->verb(en->be, op->ro->id, v, arena_strdup(&q->arena, *op->in.remark ? op->in.remark : op->in.reason),
                      req_done, q);
}

/* ---- checking and logging ---- */

static void log_late(struct engine *en, void *arg)
{
    struct op *op = arg;
    if (op->phase != OP_LOGGING)
        return;
    op_say(en, op, OP_FAILED, "Look at the disk that holds the log; halt is still possible.",
           "nothing was sent: the audit log does not answer");
}

static void not_sent(struct engine *en, struct op *op, const struct err *why)
{
    op_outcome(en, op, OP_FAILED, "not-applied", op->before, why->next, "nothing was sent: %s", why->what);
}

static void go(struct engine *en, struct op *op)
{
    struct verb_facts f;
    struct err why = {0};
    if (witness_hold(en, op, go))
        return;
    verbs_facts(en, op->ro, &f); /* the log, or a witness, may have taken its time */
    /* A rule's pause is not held up by that; what it lets run is checked as everybody's. */
    if ((op->in.actor.kind != ACTOR_RULE || lets_run(op)) && !verb_check(&op->in, &f, &why)) {
        op_outcome(en, op, OP_REFUSED, "refused", op->ro->facts.r.state_word, why.next, "%s", why.what);
        return;
    }
    act_send(en, op);
}

/* What other sessions have written into the log before the intent is known now. */
static void looked(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op_release(op);
    timer_cancel(en, log_late, op);
    recover_looked(en, j);
    if (op_ended(op)) /* given up before */
        op_outcome(en, op, OP_FAILED, "not-applied", op->before, op->then, "%s", op->text);
    else if (!j->ok)
        not_sent(en, op, &j->err);
    else
        go(en, op);
}

static void logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op_release(op);
    if (!j->ok || op_ended(op) || !lets_run(op))
        timer_cancel(en, log_late, op);
    if (!j->ok) {
        if (!op_ended(op))
            op_say(en, op, OP_FAILED, j->err.next, "nothing was sent: the audit log could not be written: %s",
                   j->err.what);
        return;
    }
    op_logged(op, j->receipt.seq);
    if (op_ended(op)) { /* given up before; the log must say that nothing was sent */
        op_outcome(en, op, OP_FAILED, "not-applied", op->before, op->then, "%s", op->text);
    } else if (lets_run(op)) {
        op_hold(op);
        diary_put(en, recover_look(en), 0, looked, op);
    } else {
        go(en, op);
    }
}

static void act_ack(struct engine *en, struct op *op);

static struct op *other_op(struct engine *en, const struct op *op, const struct ro *ro)
{
    for (struct op *o = en->verbs.ops; o; o = o->next)
        if (o != op && o->ro == ro && ro && !op_ended(o) && o->phase != OP_QUEUED && o->in.verb != VERB_HALT &&
            o->in.verb != VERB_ACK && o->in.verb != VERB_ROLLBACK)
            return o;
    return NULL;
}

bool verbs_busy(struct engine *en, const struct ro *ro)
{
    return other_op(en, NULL, ro) != NULL;
}

static bool log_opening(const struct engine *en)
{
    return en->diary.scribe && !en->recover.recovered && en->diary.err.code == ERR_NONE;
}

void verbs_queued(struct engine *en)
{
    /* Oldest first: they were handed in in that order. */
    for (;;) {
        struct op *oldest = NULL;
        for (struct op *o = en->verbs.ops; o; o = o->next)
            if (o->phase == OP_QUEUED)
                oldest = o;
        if (!oldest || log_opening(en))
            return;
        verbs_begin(en, oldest);
        if (oldest->phase == OP_QUEUED)
            return;
    }
}

void verbs_begin(struct engine *en, struct op *op)
{
    struct verb_facts f;
    struct err why = {0};
    struct entry e;
    int target = -1;
    if (op->in.verb == VERB_HALT) {
        halt_begin(en, op);
        return;
    }
    if (log_opening(en))
        return; /* stays queued until the log has told of the past */
    if (*op->in.rollout)
        op_rollout(op, ro_find(en, op->in.rollout));
    if (op->ro && !verb_row(op->in.verb)->past_latch && notes_known(op->ro) == NOTES_AWAITED)
        return; /* nor without having read what other consoles have noted */
    if (!approvals_ready(en, op, verbs_queued))
        return; /* nor without having read who has approved it */
    verbs_facts(en, op->ro, &f);
    if (!verb_check(&op->in, &f, &why) || !witness_can(en, op, &why)) {
        op_refuse(en, op, &why);
        return;
    }
    struct op *other = other_op(en, op, op->ro);
    if (other && op->in.verb != VERB_ACK) {
        (void)err_set(&why, ERR_STATE, "Wait until it has ended.", "%s of %s by %s is still under way",
                      verb_word(other->in.verb), op->in.rollout, other->in.actor.name);
        op_refuse(en, op, &why);
        return;
    }
    if (op->in.verb == VERB_ACK) {
        act_ack(en, op);
        return;
    }
    if (op->in.verb == VERB_ADVANCE) {
        const struct wave *next = next_wave(&f);
        target = next ? next->index : -1;
    }
    op_before(op, target);
    op_say(en, op, OP_LOGGING, "", "writing the intent to the log");
    if (op->in.verb == VERB_ROLLBACK) {
        rollback_begin(en, op);
        return;
    }
    op_intent(en, op, ENTRY_INTENT, op->ro, op->corr, &e);
    op_hold(op);
    timer_set(en, now_of(en) + LOG_US, log_late, op);
    diary_write(en, &e, DIARY_CLOSED, logged, op);
}

/* ---- acknowledging ---- */

static void ack_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    struct ro *ro = j->result; /* which may be past */
    int left = op_pending(op, -1);
    op_release(op);
    if (j->ok) {
        op_logged(op, j->receipt.seq);
        if (op->in.actor.kind != ACTOR_RULE)
            trial_acked(ro, j->entry.t);
        ro_stop_acknowledged(ro, &op->in.actor, j->entry.corr);
    } else {
        op->act.maybe = true;
        op->act.answer = j->err;
        ro_stop_not_lifted(ro);
    }
    if (left > 0)
        return;
    if (op->act.maybe) {
        op_say(en, op, OP_FAILED, op->act.answer.next, "not acknowledged: the audit log could not be written: %s",
               op->act.answer.what);
        return;
    }
    op_command(en);
    op_say(en, op, OP_DONE, "", "acknowledged");
}

static void log_ack(struct engine *en, struct op *op, struct ro *ro)
{
    struct entry e;
    char lifts[STOP_STANDING_TEXT];
    struct job *j = job_new(JOB_APPEND);
    diary_entry(en, &e, ENTRY_ACK, op, ro);
    uint64_t newest = ro_stop_lifts(ro, op->in.actor.kind, lifts);
    e.corr = op->in.actor.kind == ACTOR_RULE ? newest : ro->stop.m.id; /* ties it to the halt that it lifts */
    entry_str(&e, "lifts", lifts); /* and to no other that somebody puts into the log meanwhile */
    op_hold(op);
    op_pending(op, 1);
    job_entry(j, &e);
    j->result = ro;
    diary_put(en, j, DIARY_CLOSED, ack_logged, op);
}

static void act_ack(struct engine *en, struct op *op)
{
    op_say(en, op, OP_LOGGING, "", "writing the acknowledgement to the log");
    if (op->ro) {
        log_ack(en, op, op->ro);
        return;
    }
    for (size_t i = 0; i < en->facts.n_all; i++)
        if (stop_latched(&en->facts.all[i]->stop.m))
            log_ack(en, op, en->facts.all[i]);
    if (op->pending == 0)
        op_say(en, op, OP_DONE, "", "nothing was halted");
}

/* ---- the part ---- */

uint64_t verbs_by_rule(struct engine *en, const struct intent *in)
{
    struct op *op = op_new(en, door_ticket(en), in);
    uint64_t ticket = op->ticket;
    verbs_begin(en, op);
    return ticket;
}

static void sweep(struct engine *en)
{
    verbs_queued(en);
    op_sweep(en);
}

/* What was meant for the old one is not asked of the new one. Halts and roll backs see to it themselves, and what is
 * acknowledged may be past. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    for (struct op *op = en->verbs.ops; op; op = op->next) {
        if (op->ro != old || op_ended(op) || op->final != OP_QUEUED || op->phase == OP_RUNNING ||
            op->in.verb == VERB_HALT || op->in.verb == VERB_ACK)
            continue;
        if (op->phase <= OP_LOGGING)
            op_say(en, op, OP_FAILED, "", "nothing was sent: the server has another rollout %s by now", old->id);
        else
            op_outcome(en, op, OP_UNKNOWN, "another-rollout", "", "Look at the rollout on the server.",
                       "the server has another rollout %s by now", old->id);
    }
}

static void seen(struct ro *ro, enum rollout_state was)
{
    (void)was;
    poll_ops(ro->en, ro);
}

static void waves(struct ro *ro)
{
    poll_ops(ro->en, ro);
}

const struct part part_verbs = {
    .name = "verbs", .replaced = replaced, .seen = seen, .waves = waves, .sweep = sweep, .free = op_free_all};
