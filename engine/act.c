/* Verbs: checked, logged, sent, confirmed by reading the state back.
 *
 * Nothing is sent before its intent is durable, nothing is sent twice, and an answer of 200 is not an outcome: the op
 * ends when the server shows the state that the verb should bring about, or fails, or is unknown. */
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "engine/worker.h"

#define LOG_US     (5 * US_PER_S)  /* an intent that is not durable by then is given up */
#define SHOWN_US   (60 * US_PER_S) /* a state must show by then */
#define ADVANCE_US (5 * US_PER_MIN)
#define REFUSED_US (3 * US_PER_S) /* after a refusal by the server: is it so already? */
#define READ_MAX   (2 * US_PER_S)

static void act_send(struct engine *en, struct op *op);
static void act_reread(struct engine *en, void *arg);

/* ---- what the server should show ---- */

static bool wave_started(const struct ro *ro, int i)
{
    if (i < 0 || (size_t)i >= ro->n_waves)
        return false;
    enum wave_state s = ro->waves[i].state;
    return s == WAVE_RUNNING || s == WAVE_FINISHED || s == WAVE_ERROR;
}

static bool retry_exists(const struct engine *en, const struct ro *ro)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%s_retry", ro->r.name);
    for (size_t i = 0; i < en->n_ros; i++)
        if (strcmp(en->ros[i]->r.name, name) == 0)
            return true;
    return false;
}

static bool shown(const struct engine *en, const struct op *op)
{
    const struct ro *ro = op->ro;
    enum rollout_state s = ro->r.state;
    switch (op->in.verb) {
    case VERB_START:
        return s == ROLLOUT_STARTING || s == ROLLOUT_RUNNING || s == ROLLOUT_PAUSED || s == ROLLOUT_FINISHED;
    case VERB_PAUSE:
        return s == ROLLOUT_PAUSED || rollout_state_ended(s);
    case VERB_RESUME:
        return s == ROLLOUT_RUNNING || s == ROLLOUT_STARTING || s == ROLLOUT_FINISHED;
    case VERB_APPROVE:
        return s == ROLLOUT_READY || s == ROLLOUT_STARTING || s == ROLLOUT_RUNNING || s == ROLLOUT_FINISHED;
    case VERB_DENY:
        return s == ROLLOUT_DENIED;
    case VERB_RETRY:
        return retry_exists(en, ro);
    case VERB_ADVANCE:
        return wave_started(ro, op->target_wave);
    default:
        return false;
    }
}

static enum rollout_state expected_state(enum verb v)
{
    return v == VERB_PAUSE ? ROLLOUT_PAUSED : ROLLOUT_RUNNING;
}

static void done(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    if (op->in.verb == VERB_PAUSE && ro->r.state == ROLLOUT_PAUSED) {
        ro->held = true;
        snprintf(ro->paused_by, sizeof ro->paused_by, "%s%s", op->in.actor.kind == ACTOR_RULE ? "rule " : "",
                 op->in.actor.name);
    } else if (op->in.verb == VERB_RESUME || op->in.verb == VERB_ADVANCE || op->in.verb == VERB_START) {
        ro->held = ro->acked_pause = false;
        ro->paused_by[0] = '\0';
    }
    if (op->in.verb == VERB_ADVANCE) {
        if (op->target_wave > 0)
            snprintf(ro->wv[op->target_wave - 1].decided_by, sizeof ro->wv[0].decided_by, "%s", op->in.actor.name);
        op_outcome(en, op, OP_DONE, "ok", ro->r.state_word, "", "W%d has started", op->target_wave);
    } else if (op->in.verb == VERB_RETRY) {
        op_outcome(en, op, OP_DONE, "ok", ro->r.state_word, "Start the new rollout.", "%s_retry is there", ro->r.name);
    } else {
        op_outcome(en, op, OP_DONE, "ok", ro->r.state_word, "", "the server shows it %s", ro->r.state_word);
    }
    ro->told_state = ROLLOUT_UNKNOWN;
}

static void give_up(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    ro->told_state = ROLLOUT_UNKNOWN;
    if (op->answer.code != ERR_NONE && !op->maybe)
        op_outcome(en, op, OP_FAILED, "failed", ro->r.state_word, op->answer.next, "%s", op->answer.what);
    else
        op_outcome(en, op, OP_UNKNOWN, "unknown", ro->r.state_word,
                   "Look at the rollout on the server before you try again.",
                   "the request was sent, but the server shows the rollout %s", ro->r.state_word);
}

/* A resume of a held rollout has taken: the next wave starts by itself when its predecessor is done, else by the
 * trigger. */
static void advance_on(struct engine *en, struct op *op)
{
    struct ro *ro = op->ro;
    if (op->stage != 1 || ro->r.state != ROLLOUT_RUNNING || ro->waves_at < op->verify_until - ADVANCE_US)
        return;
    const struct wave *before = op->target_wave > 0 ? &ro->waves[op->target_wave - 1] : NULL;
    bool busy = before && before->state == WAVE_RUNNING &&
                (!before->counts.known || before->counts.running + before->counts.scheduled > 0);
    if (!busy || !(en->info.caps & CAP_TRIGGER_NEXT)) {
        op->stage = 3; /* the server does it */
        return;
    }
    op->stage = 2;
    act_send(en, op);
}

void act_poll(struct engine *en, struct ro *ro)
{
    for (struct op *op = en->ops; op; op = op->next) {
        if (op->phase != OP_VERIFYING || op->final != OP_QUEUED || op->recovered)
            continue;
        if (op->ro != ro && !(op->in.verb == VERB_RETRY && op->ro))
            continue;
        if (op->in.verb == VERB_HALT || op->in.verb == VERB_ROLLBACK)
            continue;
        if (shown(en, op))
            done(en, op);
        else if (now_of(en) >= op->verify_until)
            give_up(en, op);
        else if (op->in.verb == VERB_ADVANCE)
            advance_on(en, op);
    }
}

/* ---- reading back ---- */

static void reread_done(struct req *q, const struct reply *r)
{
    struct op *op = q->op;
    op->busy--;
    if (!r->err)
        ro_take(op->ro, &q->out.rollout, q->n);
    else
        act_poll(q->en, op->ro);
}

static void act_reread(struct engine *en, void *arg)
{
    struct op *op = arg;
    if (op->phase != OP_VERIFYING || op->final != OP_QUEUED)
        return;
    struct req *q = req_new(en, reread_done);
    q->op = op;
    q->n = now_of(en);
    op->busy++;
    en->be->ops->rollout(en->be, op->ro->id, &q->arena, &q->out.rollout, req_done, q);
    if (op->in.verb == VERB_ADVANCE)
        ro_read(op->ro);
    if (op->in.verb == VERB_RETRY)
        poll_now(en);
    timer_set(en, now_of(en) + op->delay, act_reread, op);
    if (op->delay < READ_MAX)
        op->delay *= 2;
}

/* ---- sending ---- */

static void answered(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct op *op = q->op;
    op->busy--;
    op->status = r->status;
    safe_text_into(op->request_id, sizeof op->request_id, r->request_id, strlen(r->request_id));
    op->maybe = r->err == NULL || r->maybe_sent;
    err_clear(&op->answer);
    if (r->err)
        op->answer = *r->err;
    if (r->err && !r->maybe_sent && r->err->code != ERR_STATE) {
        give_up(en, op);
        return;
    }
    int64_t wait = op->in.verb == VERB_ADVANCE ? ADVANCE_US : SHOWN_US;
    if (r->err && r->err->code == ERR_STATE)
        wait = REFUSED_US;
    op->verify_until = now_of(en) + wait;
    op->delay = 250 * US_PER_MS;
    op_say(en, op, OP_VERIFYING, "", "reading the state back");
    act_reread(en, op);
}

static enum backend_verb request_of(const struct engine *en, struct op *op)
{
    (void)en;
    switch (op->in.verb) {
    case VERB_START:
        return BV_START;
    case VERB_PAUSE:
        return BV_PAUSE;
    case VERB_APPROVE:
        return BV_APPROVE;
    case VERB_DENY:
        return BV_DENY;
    case VERB_RETRY:
        return BV_RETRY;
    case VERB_ADVANCE:
        if (op->stage == 2)
            return BV_TRIGGER_NEXT;
        if (op->ro->r.state == ROLLOUT_PAUSED) {
            op->stage = 1;
            return BV_RESUME;
        }
        op->stage = 2;
        return BV_TRIGGER_NEXT;
    default:
        return BV_RESUME;
    }
}

static void act_send(struct engine *en, struct op *op)
{
    struct req *q = req_new(en, answered);
    enum backend_verb v = request_of(en, op);
    q->op = op;
    op->busy++;
    if (op->in.verb != VERB_APPROVE && op->in.verb != VERB_DENY && op->in.verb != VERB_RETRY)
        op->ro->told_state = expected_state(op->in.verb);
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

static void logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    struct verb_facts f;
    struct err why = {0};
    op->busy--;
    timer_cancel(en, log_late, op);
    if (!j->ok) {
        if (!op_ended(op))
            op_say(en, op, OP_FAILED, j->err.next, "nothing was sent: the audit log could not be written: %s",
                   j->err.what);
        return;
    }
    op->log_seq = j->receipt.seq;
    if (op_ended(op)) { /* given up before; the log must say that nothing was sent */
        op_outcome(en, op, OP_FAILED, "not-applied", op->before, op->then, "%s", op->text);
        return;
    }
    ro_facts(en, op->ro, &f); /* the log may have taken its time */
    if (op->in.actor.kind != ACTOR_RULE && !verb_check(&op->in, &f, &why)) {
        op_outcome(en, op, OP_REFUSED, "refused", op->ro->r.state_word, why.next, "%s", why.what);
        return;
    }
    act_send(en, op);
}

static void act_ack(struct engine *en, struct op *op);

static struct op *other_op(struct engine *en, const struct op *op, const struct ro *ro)
{
    for (struct op *o = en->ops; o; o = o->next)
        if (o != op && o->ro == ro && ro && !op_ended(o) && o->phase != OP_QUEUED && o->in.verb != VERB_HALT &&
            o->in.verb != VERB_ACK && o->in.verb != VERB_ROLLBACK)
            return o;
    return NULL;
}

bool act_busy(struct engine *en, const struct ro *ro)
{
    return other_op(en, NULL, ro) != NULL;
}

static bool log_opening(const struct engine *en)
{
    return en->scribe && !en->recovered && en->log_err.code == ERR_NONE;
}

void act_queued(struct engine *en)
{
    /* Oldest first: they were handed in in that order. */
    for (;;) {
        struct op *oldest = NULL;
        for (struct op *o = en->ops; o; o = o->next)
            if (o->phase == OP_QUEUED)
                oldest = o;
        if (!oldest || log_opening(en))
            return;
        act_begin(en, oldest);
        if (oldest->phase == OP_QUEUED)
            return;
    }
}

void act_begin(struct engine *en, struct op *op)
{
    struct verb_facts f;
    struct err why = {0};
    struct entry e;
    if (op->in.verb == VERB_HALT) {
        halt_begin(en, op);
        return;
    }
    if (log_opening(en))
        return; /* stays queued until the log has told of the past */
    if (!op->ro && *op->in.rollout)
        op->ro = ro_find(en, op->in.rollout);
    ro_facts(en, op->ro, &f);
    if (op->in.verb == VERB_NONE || op->in.verb >= VERB_COUNT) {
        (void)err_set(&why, ERR_INTERNAL, "", "there is no such verb");
        op_refuse(en, op, &why);
        return;
    }
    if (!verb_check(&op->in, &f, &why)) {
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
    snprintf(op->before, sizeof op->before, "%s", op->ro ? op->ro->r.state_word : "");
    if (op->in.verb == VERB_ADVANCE) {
        const struct wave *next = next_wave(&f);
        op->target_wave = next ? next->index : -1;
    }
    op_say(en, op, OP_LOGGING, "", "writing the intent to the log");
    if (op->in.verb == VERB_ROLLBACK) {
        rollback_begin(en, op);
        return;
    }
    op_intent(en, op, ENTRY_INTENT, op->ro, op->corr, &e);
    op->busy++;
    timer_set(en, now_of(en) + LOG_US, log_late, op);
    diary_write(en, &e, DIARY_CLOSED, logged, op);
}

/* ---- acknowledging ---- */

static void ack_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    struct ro *ro = ro_find(en, j->entry.rollout);
    op->busy--;
    op->pending--;
    if (j->ok && ro) {
        op->log_seq = j->receipt.seq;
        if (op->in.actor.kind != ACTOR_RULE)
            trial_acked(ro, j->entry.t);
        halt_ack(ro);
        if (op->in.actor.kind == ACTOR_RULE)
            ro->acked_pause = false; /* nobody has looked at it: what comes to light with the telemetry halts */
    } else if (!j->ok) {
        op->maybe = true;
        op->answer = j->err;
    }
    if (op->pending > 0)
        return;
    if (op->maybe) {
        op_say(en, op, OP_FAILED, op->answer.next, "not acknowledged: the audit log could not be written: %s",
               op->answer.what);
        return;
    }
    en->commands++;
    op_say(en, op, OP_DONE, "", "acknowledged");
}

static void log_ack(struct engine *en, struct op *op, const struct ro *ro)
{
    struct entry e;
    diary_entry(en, &e, ENTRY_ACK, op, ro);
    e.corr = ro->halt.corr; /* ties it to the halt that it lifts */
    op->busy++;
    op->pending++;
    diary_write(en, &e, DIARY_CLOSED, ack_logged, op);
}

static void act_ack(struct engine *en, struct op *op)
{
    op_say(en, op, OP_LOGGING, "", "writing the acknowledgement to the log");
    if (op->ro) {
        log_ack(en, op, op->ro);
        return;
    }
    for (size_t i = 0; i < en->n_all; i++)
        if (en->all[i]->halt.latched)
            log_ack(en, op, en->all[i]);
    if (op->pending == 0)
        op_say(en, op, OP_DONE, "", "nothing was halted");
}
