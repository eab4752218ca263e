/* Ops: intents on their way. How each is shown, refused, and ended with an outcome in the log. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/text.h"
#include "engine/worker.h"

#define OPS_MAX    400
#define OP_KEEP_US (10 * US_PER_MIN)
#define OUTCOME_US (1 * US_PER_S) /* longer than this the screen does not wait for the log to say how it ended */

static void trace_op(const struct engine *en, const struct op *op, const char *event)
{
    struct trace_line t;
    char n[24];
    if (!traced(en, &t, TRACE_VERBS, event))
        return;
    snprintf(n, sizeof n, "%016" PRIx64, op->corr);
    json_w_kstr(&t.w, "corr", n); /* as in the log */
    json_w_kint(&t.w, "ticket", (int64_t)op->ticket);
    json_w_kstr(&t.w, "verb", verb_word(op->in.verb));
    traced_text(&t, "rollout", op->in.rollout);
    traced_text(&t, "actor", op->in.actor.name);
    if (op->ro)
        traced_text(&t, "server", op->ro->facts.r.state_word);
    if (*op->result)
        json_w_kstr(&t.w, "result", op->result);
    if (op->status)
        json_w_kint(&t.w, "status", op->status);
    if (*op->text)
        traced_text(&t, "text", op->text);
    trace_end(&t);
}

struct op *op_new(struct engine *en, uint64_t ticket, const struct intent *in)
{
    struct op *op = xcalloc(1, sizeof *op);
    op->ticket = ticket;
    op->corr = corr_new(en);
    op->in = *in;
    op->started = now_of(en);
    op->target_wave = -1;
    op->result = "";
    op->next = en->verbs.ops;
    en->verbs.ops = op;
    if (*in->rollout)
        op->ro = ro_find(en, in->rollout);
    trace_op(en, op, "asked");
    mark(en);
    return op;
}

bool op_ended(const struct op *op)
{
    return op->phase >= OP_DONE;
}

static void __attribute__((format(printf, 3, 0))) set_text(struct op *op, const char *next, const char *fmt, va_list ap)
{
    char text[sizeof op->text]; /* the arguments may point into the old text */
    vsnprintf(text, sizeof text, fmt, ap);
    memcpy(op->text, text, sizeof text);
    snprintf(op->then, sizeof op->then, "%s", next ? next : "");
}

static void end_phase(struct engine *en, struct op *op, enum op_phase phase)
{
    mark(en);
    if (phase >= OP_DONE && op->trails > 0) {
        op->final = phase; /* it ends when that is settled */
        return;
    }
    if (phase != op->phase)
        trace_op(en, op, op_phase_word(phase));
    op->phase = phase;
    if (op_ended(op) && op->ended == 0)
        op->ended = now_of(en);
}

static void trailed(struct engine *en, struct op *op, enum trail t)
{
    op->busy--;
    op->trails--;
    op->trail = t > op->trail ? t : op->trail;
    if (op->trails == 0 && op->final != OP_QUEUED)
        end_phase(en, op, op->final);
    mark(en);
}

void op_trailed(struct op *op, struct job *j)
{
    op->busy++;
    op->trails++;
    j->op = op;
    j->trailed = trailed;
}

void op_say(struct engine *en, struct op *op, enum op_phase phase, const char *next, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(op, next, fmt, ap);
    va_end(ap);
    end_phase(en, op, phase);
}

static void entry_process(struct entry *e)
{
    entry_int(e, "pid", (int64_t)getpid());
    entry_int(e, "pid_start", process_start((int64_t)getpid()));
}

void op_intent(struct engine *en, struct op *op, enum entry_kind kind, const struct ro *ro, uint64_t corr,
               struct entry *e)
{
    diary_entry(en, e, kind, op, ro);
    e->corr = corr;
    e->before = ro ? ro->facts.r.state_word : "";
    entry_int(e, "decided_at", op->in.decided_at);
    entry_int(e, "engine", (int64_t)(en->diary.instance & INT64_C(0xfffffffffffff)));
    entry_process(e);
    const struct policy *p = ro ? ro->policy.applies : en->policy;
    if (*p->digest)
        entry_str(e, "policy", p->digest);
    if (*op->in.rule)
        entry_str(e, "rule", op->in.rule);
    if (*op->in.evidence)
        entry_str(e, "evidence", op->in.evidence);
    if (*op->in.remark)
        entry_str(e, "remark", op->in.remark);
    if (op->in.strength != STRENGTH_POLICY)
        entry_str(e, "stop", strength_word(op->in.strength));
    if (op->target_wave >= 0)
        entry_int(e, "target_wave", op->target_wave);
    if (ro && *ro->facts.r.approval_by) { /* of the rollout, as the server has it */
        entry_str(e, "approval.by", ro->facts.r.approval_by);
        entry_str(e, "approval.remark", ro->facts.r.approval_remark);
    }
    approvals_tell(en, op, e);
}

void op_refuse(struct engine *en, struct op *op, const struct err *why)
{
    struct entry e;
    op_say(en, op, OP_REFUSED, why->next, "%s", why->what);
    en->verbs.refused++;
    diary_entry(en, &e, ENTRY_REFUSED, op, op->ro);
    if (!op->ro)
        e.rollout = op->in.rollout;
    e.result = "refused";
    entry_str(&e, "why", why->what);
    entry_str(&e, "code", err_word(why->code));
    if (*op->in.rule)
        entry_str(&e, "rule", op->in.rule);
    if (*op->in.evidence)
        entry_str(&e, "evidence", op->in.evidence);
    diary_write(en, &e, 0, NULL, NULL);
}

static void finish(struct engine *en, void *arg)
{
    struct op *op = arg;
    timer_cancel(en, finish, op);
    if (op->final != OP_QUEUED)
        end_phase(en, op, op->final);
}

static void outcome_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op->busy--;
    finish(en, op);
}

/* Success is shown when its outcome is durable; with a log that is down it is not held back for long. */
void op_outcome(struct engine *en, struct op *op, enum op_phase phase, const char *result, const char *after,
                const char *next, const char *fmt, ...)
{
    struct entry e;
    va_list ap;
    va_start(ap, fmt);
    set_text(op, next, fmt, ap);
    va_end(ap);
    op->final = phase;
    op->result = result;
    if (phase == OP_DONE)
        en->verbs.commands++;
    diary_entry(en, &e, op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, op, op->ro);
    if (!op->ro)
        e.rollout = op->in.rollout;
    e.result = result;
    e.before = op->before;
    e.after = after;
    entry_str(&e, "text", op->text);
    if (op->status)
        entry_int(&e, "http.status", op->status);
    if (*op->request_id)
        entry_str(&e, "http.request_id", op->request_id);
    if (op->target_wave >= 0)
        entry_int(&e, "target_wave", op->target_wave);
    if ((op->in.verb == VERB_PAUSE || op->in.verb == VERB_HALT) && verdict_rule_passes(op->in.rule))
        entry_process(&e); /* who may end it */
    op->busy++;
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    op_tell(op, j);
    diary_put(en, j, 0, outcome_logged, op);
    timer_set(en, diary_ok(en) ? now_of(en) + OUTCOME_US : now_of(en), finish, op);
    mark(en);
}

struct op *op_from_log(struct engine *en, const struct stored *s)
{
    struct intent in = {0};
    in.verb = verb_from_word(s->verb);
    in.expect_devices = -1;
    in.all_waves = strcmp(stored_field(s, "all_waves"), "false") != 0;
    snprintf(in.fleet, sizeof in.fleet, "%s", s->fleet);
    snprintf(in.rollout, sizeof in.rollout, "%s", s->rollout);
    snprintf(in.reason, sizeof in.reason, "%s", s->reason);
    snprintf(in.actor.name, sizeof in.actor.name, "%s", s->actor);
    in.actor.kind = actor_kind_from(s->actor_kind);
    snprintf(in.rule, sizeof in.rule, "%s", stored_field(s, "rule"));
    enum strength how = strength_from(stored_field(s, "stop"));
    in.strength = how < STRENGTH_COUNT ? how : STRENGTH_POLICY;
    if (in.verb == VERB_ROLLBACK)
        snprintf(in.to_release, sizeof in.to_release, "%s", stored_field(s, "to"));
    for (size_t i = 0; i < WAVES_MAX / 64; i++) {
        char key[16];
        snprintf(key, sizeof key, "waves.%zu", i);
        in.wave_mask[i] = strtoull(stored_field(s, key), NULL, 16);
    }
    struct op *op = op_new(en, door_ticket(en), &in);
    op->recovered = true;
    op->corr = s->corr;
    op->log_seq = s->seq;
    op->ro = *s->rollout ? ro_get(en, s->rollout) : NULL;
    if (op->ro)
        ro_named(op->ro, &(struct identity_mark){stored_identity(s), s->t});
    snprintf(op->before, sizeof op->before, "%s", s->before);
    const char *wave = stored_field(s, "target_wave");
    op->target_wave = *wave ? (int)strtol(wave, NULL, 10) : -1;
    op->phase = OP_VERIFYING;
    return op;
}

void op_hold(struct op *op)
{
    op->busy++;
}

void op_release(struct op *op)
{
    op->busy--;
}

int op_pending(struct op *op, int more)
{
    return op->pending += more;
}

void op_rollout(struct op *op, struct ro *ro)
{
    if (!op->ro)
        op->ro = ro;
}

void op_before(struct op *op, int target_wave)
{
    snprintf(op->before, sizeof op->before, "%s", op->ro ? op->ro->facts.r.state_word : "");
    op->target_wave = target_wave;
}

void op_logged(struct op *op, int64_t seq)
{
    op->log_seq = seq;
}

void op_sent(struct op *op, const struct reply *r)
{
    if (op && op->ro)
        sent_take(&op->sent, r, clock_wall(op->ro->en->clock), now_of(op->ro->en));
}

void op_tell(struct op *op, struct job *j)
{
    if (!op)
        return;
    sent_tell(&op->sent, j);
    sent_clear(&op->sent);
}

void op_answered(struct op *op, const struct reply *r)
{
    op_sent(op, r);
    op->status = r->status;
    safe_text_into(op->request_id, sizeof op->request_id, r->request_id, strlen(r->request_id));
    struct trace_line t;
    if (!traced(op->ro->en, &t, TRACE_VERBS, "answered"))
        return;
    json_w_kstr(&t.w, "verb", verb_word(op->in.verb));
    traced_text(&t, "rollout", op->in.rollout);
    json_w_kint(&t.w, "status", r->status);
    json_w_kbool(&t.w, "maybe_sent", r->maybe_sent);
    if (r->err) {
        json_w_kstr(&t.w, "code", err_word(r->err->code));
        traced_text(&t, "what", r->err->what);
    }
    trace_end(&t);
}

void op_command(struct engine *en)
{
    en->verbs.commands++;
}

/* Ended ops go after ten minutes, earlier when there are many; never while something still points to one. */
void op_sweep(struct engine *en)
{
    size_t n = 0;
    int64_t now = now_of(en);
    for (struct op **p = &en->verbs.ops; *p;) {
        struct op *op = *p;
        bool old = op_ended(op) && op->busy == 0 && op->pending == 0 && (now - op->ended > OP_KEEP_US || ++n > OPS_MAX);
        if (old) {
            *p = op->next;
            timer_cancel(en, finish, op);
            sent_clear(&op->sent);
            free(op);
            mark(en);
        } else {
            p = &op->next;
        }
    }
}

void op_free_all(struct engine *en)
{
    while (en->verbs.ops) {
        struct op *op = en->verbs.ops;
        en->verbs.ops = op->next;
        sent_clear(&op->sent);
        free(op);
    }
}
