/* Halts: the request and the log's entry start together and neither waits for the other; then the server is asked until
 * it shows the halt. When to ask, repeat, read and escalate is the machine's (core/stop.h); this file carries it out.
 */
#include <stdio.h>
#include <stdlib.h>
#include "engine/worker.h"

#define INPUTS_MAX    ((size_t)8 << 20)
#define FLEET_LATE_US STOP_ESCALATE_US /* the fleet's rollouts cannot be read for so long */

static int escalated(const struct engine *en)
{
    int n = 0;
    for (size_t i = 0; i < en->facts.n_all; i++)
        n += stop_escalated(&en->facts.all[i]->stop.m);
    for (const struct op *op = en->verbs.ops; op; op = op->next)
        n += op->stop.fleet_wide && !op_ended(op) && op->stop.stage == 1;
    return n;
}

static void count_escalations(struct engine *en)
{
    __atomic_store_n(&en->stop.escalations, escalated(en), __ATOMIC_RELAXED);
    mark(en);
}

int engine_escalations(const struct engine *en)
{
    return __atomic_load_n(&en->stop.escalations, __ATOMIC_RELAXED);
}

/* ---- it shows ---- */

static int64_t told_and_going(const struct ro *ro)
{
    if (ro->facts.inflight.known && ro->facts.inflight_at >= ro->stop.m.counts)
        return ro->facts.inflight.running + ro->facts.inflight.canceling;
    return ro->facts.r.counts.known ? ro->facts.r.counts.running : -1;
}

/* Into the log, or wherever it can be kept: the op does not end before that is known. */
static void put(struct engine *en, struct op *op, struct job *j, unsigned flags,
                void (*done)(struct engine *en, struct job *j))
{
    if (en->diary.scribe)
        op_trailed(op, j);
    diary_put(en, j, flags, done, op);
}

static void put_outcome(struct engine *en, struct op *op, const struct entry *e, const struct sent *sent)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    if (sent)
        sent_tell(sent, j);
    if (entry_of_halt(e))
        put(en, op, j, 0, NULL);
    else
        diary_put(en, j, 0, NULL, NULL);
}

/* The end of a halt of the whole fleet. What was not read is not halted, and that is no success. */
static void fleet_halted(struct engine *en, struct op *op, bool any)
{
    bool cut = en->facts.rollouts_clipped;
    struct entry e;
    diary_entry(en, &e, op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, op, NULL);
    e.result = op->recovered ? (any ? "applied" : "not-applied") : cut ? "unknown" : "ok";
    if (cut)
        entry_int(&e, "rollouts.read", (int64_t)en->facts.n_ros); /* the newest; the server has more */
    put_outcome(en, op, &e, NULL);
    if (cut)
        op_say(en, op, OP_UNKNOWN, "Halt older ones by their number, or on the server.",
               "of the newest %zu rollouts none goes on; the server has more, which were not read: NOT HALTED",
               en->facts.n_ros);
    else if (any)
        op_say(en, op, OP_DONE, "Acknowledge them when you have looked.", "every rollout of the fleet is halted");
    else
        op_say(en, op, OP_DONE, "", "no rollout of the fleet is under way");
}

static void end_wait(struct ro *ro, const struct halt_wait *w, const char *text)
{
    struct engine *en = ro->en;
    struct entry e;
    bool recovered = w->op->recovered && w->corr == w->op->corr; /* not one of a fleet's, which is asked for anew */
    diary_entry(en, &e, recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, w->op, ro);
    e.corr = w->corr;
    e.result = recovered ? "applied" : "ok";
    e.before = ro->stop.before;
    e.after = ro->facts.gone ? "gone" : ro->facts.r.state_word;
    entry_str(&e, "text", text);
    entry_int(&e, "in_flight", told_and_going(ro));
    entry_int(&e, "took_us", now_of(en) - ro->stop.m.since);
    if (ro->stop.m.shown == SHOWS_IDLE)
        entry_str(&e, STOP_FIELD_SHOWN, STOP_SHOWN_STANDBY);
    put_outcome(en, w->op, &e, &ro->stop.sent);
    if (op_pending(w->op, -1) > 0)
        return;
    op_command(en);
    if (w->op->stop.fleet_wide) {
        fleet_halted(en, w->op, true);
    } else {
        op_say(en, w->op, OP_DONE, "Acknowledge it when you have looked, or roll back.", "%s", text);
    }
}

/* It was to be stopped harder than can be done. */
static const char *softer(const struct ro *ro)
{
    enum strength wanted = ro->stop.strength, can = strength_can(wanted, ro_caps(ro));
    return can == wanted            ? ""
           : can == STRENGTH_POLICY ? "; this server cannot stop a rollout for good"
                                    : "; not by force, which is not possible here: what has begun goes on";
}

static void shown(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    char text[200];
    int64_t n = told_and_going(ro);
    if (ro->facts.gone || !ro->facts.known)
        snprintf(text, sizeof text, "halted: the rollout is gone from the server");
    else if (h->m.shown == SHOWS_IDLE)
        snprintf(text, sizeof text, "halted: it has not started; it is paused at once if somebody starts it");
    else if (n > 0)
        snprintf(text, sizeof text, "halted: the server shows it %s; %lld devices were told before and go on%s",
                 ro->facts.r.state_word, (long long)n, softer(ro));
    else
        snprintf(text, sizeof text, "halted: the server shows it %s%s", ro->facts.r.state_word, softer(ro));
    for (size_t i = 0; i < h->n_waits; i++)
        end_wait(ro, &h->waits[i], text);
    if (h->n_waits > 0)
        sent_clear(&ro->stop.sent);
    ro_stop_waits_over(ro);
}

/* Nobody asks for it any more, and it was never shown: acknowledged, and an andon has told it to run since. */
static void given_up(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    for (size_t i = 0; i < h->n_waits; i++) {
        struct op *op = h->waits[i].op;
        if (op_pending(op, -1) > 0)
            continue;
        if (op->stop.fleet_wide)
            op_say(ro->en, op, OP_DONE, "", "what was not acknowledged meanwhile is halted");
        else
            op_outcome(ro->en, op, OP_UNKNOWN, "unknown", ro->facts.r.state_word, "",
                       "the halt was acknowledged, and is asked for no more; the server did not show it before that");
    }
    stop_tell_sent(ro);
    ro_stop_waits_over(ro);
}

static void listed_as_gone(struct engine *en)
{
    for (size_t i = 0; i < en->facts.n_all; i++) {
        struct ro *ro = en->facts.all[i];
        if (ro->facts.gone || (!ro->facts.known && !en->facts.rollouts_clipped))
            ro_stop_seen(ro, ROLLOUT_UNKNOWN, en->facts.link.asked_at);
    }
}

static void seen(struct ro *ro, enum rollout_state was)
{
    ro_stop_seen(ro, was, ro->facts.seen_at);
}

/* ---- asking for it ---- */

static void answered(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    sent_take(&ro->stop.sent, r, clock_wall(q->en->clock), now_of(q->en));
    ro_stop_answered(ro); /* whatever it says: what the server shows decides */
    if (ro->stop.n_waits == 0 && !stop_driving(&ro->stop.m))
        stop_tell_sent(ro); /* it was shown before the answer came */
}

static void read_back(struct ro *ro);

static void read_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    bool again = ro->stop.read_again;
    ro_stop_reading(ro, false, false);
    if (!r->err) {
        ro_take(ro, &q->out.rollout, q->n);
    } else if (r->err->code == ERR_NOT_FOUND && q->n >= ro->stop.m.counts) {
        ro_lost(ro);
        ro_stop_seen(ro, ROLLOUT_UNKNOWN, q->n);
    }
    if (again)
        read_back(ro);
}

/* What is asked for while a reading is under way may have come about after it: then it is read once more. */
static void read_back(struct ro *ro)
{
    struct engine *en = ro->en;
    bool under_way = ro->stop.reading;
    ro_stop_reading(ro, true, under_way);
    if (under_way)
        return;
    struct req *q = req_new(en, read_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->n = now_of(en);
    en->be->ops->rollout(en->be, ro->id, &q->arena, &q->out.rollout, req_done, q);
}

void stop_send(struct ro *ro, unsigned did)
{
    struct engine *en = ro->en;
    bool for_good = ro->stop.m.for_good && (ro_caps(ro) & CAP_STOP);
    bool force = for_good && strength_can(ro->stop.strength, ro_caps(ro)) == STRENGTH_FORCE;
    if (!(did & (STOP_SEND | STOP_REPEAT)))
        return;
    struct req *q = req_new(en, answered);
    q->ro = ro;
    q->unless = &ro->facts.past;
    en->be->ops->verb(en->be, ro->id, force ? BV_STOP_FORCE : for_good ? BV_STOP : BV_PAUSE, "", req_done, q);
}

static void escalate(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    struct entry e;
    for (size_t i = 0; i < h->n_waits; i++)
        op_say(ro->en, h->waits[i].op, h->waits[i].op->phase,
               "Stop it on the server itself, or cut the server off; andon goes on trying.",
               "the halt is not shown by the server after %lld s", (long long)(STOP_ESCALATE_US / US_PER_S));
    diary_entry(ro->en, &e, ENTRY_STEP, NULL, ro);
    e.corr = h->m.id;
    e.verb = VERB_HALT;
    e.result = "escalated";
    diary_write(ro->en, &e, DIARY_HALT, NULL, NULL);
}

static void time_came(struct engine *en, void *arg)
{
    (void)en;
    ro_stop_time(arg);
}

void stop_carry(struct ro *ro, enum stop_phase was, unsigned did)
{
    struct ro_stop *h = &ro->stop;
    int64_t due = stop_due(&h->m);
    if (due > 0)
        timer_set(ro->en, due, time_came, ro);
    else if (was != h->m.phase)
        timer_cancel(ro->en, time_came, ro);
    if ((did & STOP_READ) && !(did & STOP_SEND)) /* after a request: when it was answered, or with the next */
        read_back(ro);
    if (did & STOP_ESCALATE)
        escalate(ro);
    if (did & STOP_SHOWN)
        shown(ro);
    else if (h->n_waits > 0 && !stop_driving(&h->m) && !stop_latched(&h->m))
        given_up(ro);
    if (did & STOP_UNLATCHED)
        ANNOUNCE(ro->en, acknowledged, ro);
    stop_say(ro, did);
    if (was != h->m.phase)
        count_escalations(ro->en);
    if (did & STOP_LOOK) {
        ANNOUNCE(ro->en, looking, ro);
        if (h->looks == 0) /* there is nothing to read */
            ro_stop_looked(ro, STOP_IN_LOG, h->look_at);
    }
}

/* ---- beginning ---- */

static void halt_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    struct ro *ro = ro_find(en, j->entry.rollout);
    op_release(op);
    if (j->ok) {
        op_logged(op, j->receipt.seq);
        if (ro)
            ro_stop_logged(ro, j->entry.corr, j->receipt.seq);
    }
    mark(en);
}

/* Everything that a test's decision was made of goes into the log beside the halt: who doubts it can decide it anew. */
static void attach_inputs(const struct ro *ro, const struct op *op, struct job *j)
{
    struct buf b;
    if (op->in.actor.kind != ACTOR_RULE)
        return;
    buf_init(&b, INPUTS_MAX);
    if (trial_blob(ro, op->in.rule, &b))
        job_blob(j, "inputs.blob", b.data, b.len);
    buf_release(&b);
}

static void wait_for(struct ro *ro, struct op *op, uint64_t corr)
{
    if (ro_stop_waits(ro, op, corr))
        op_pending(op, 1);
    else if (!op->stop.fleet_wide)
        op_say(ro->en, op, OP_DONE, "", "it is being halted already, %zu have asked for it", ro->stop.n_waits);
}

static void halt_one(struct ro *ro, struct op *op, uint64_t corr)
{
    struct engine *en = ro->en;
    struct entry e;
    if (!ro_stop_asked(ro, &op->in, corr)) { /* on the wire before anything else is done */
        struct err why = {0};
        (void)err_set(&why, ERR_REFUSED, "",
                      "rule %s does not halt %s now: it is halted, or a person has acknowledged it", op->in.rule,
                      ro->id);
        if (!op->stop.fleet_wide)
            op_refuse(en, op, &why);
        return;
    }
    wait_for(ro, op, corr);
    op_intent(en, op, ENTRY_HALT, ro, corr, &e);
    op_hold(op);
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    attach_inputs(ro, op, j);
    put(en, op, j, DIARY_HALT, halt_logged);
}

void halt_take_over(struct ro *ro, struct op *op)
{
    enum stop_phase p = ro->stop.m.phase;
    wait_for(ro, op, op->corr);
    if (p == STOP_HALTED || p == STOP_STANDBY || p == STOP_OVER)
        shown(ro);
}

static void halt_all(struct engine *en, struct op *op)
{
    op->stop.stage = 2;
    for (size_t i = 0; i < en->facts.n_ros; i++)
        if (!ro_ended(en->facts.ros[i]))
            halt_one(en->facts.ros[i], op, corr_new(en));
    if (op->pending > 0) {
        op_say(en, op, OP_SENT, "", "halting %d rollouts", op->pending);
    } else {
        fleet_halted(en, op, false);
    }
    count_escalations(en);
}

static void halt_fleet(struct engine *en)
{
    for (struct op *op = en->verbs.ops; op; op = op->next)
        if (op->stop.fleet_wide && !op_ended(op) && op->stop.stage < 2)
            halt_all(en, op);
}

/* The list of rollouts cannot be had: nobody knows what to halt. */
static void fleet_waits(struct engine *en, void *arg)
{
    struct op *op = arg;
    if (op_ended(op) || op->stop.stage != 0)
        return;
    op->stop.stage = 1;
    op_say(en, op, OP_SENT, "Stop the rollouts on the server itself; andon goes on trying.",
           "the halt of the fleet waits: the server's rollouts cannot be read");
    count_escalations(en);
}

static void begin_fleet(struct engine *en, struct op *op)
{
    struct entry e;
    op->stop.fleet_wide = true;
    op_say(en, op, OP_SENT, "", "halting every rollout of the fleet");
    if (en->facts.rollouts_known) {
        halt_all(en, op);
    } else {
        timer_set(en, now_of(en) + FLEET_LATE_US, fleet_waits, op);
        ANNOUNCE(en, refresh, en);
    }
    if (op->recovered)
        return;
    op_intent(en, op, ENTRY_INTENT, NULL, op->corr, &e);
    op_hold(op);
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    put(en, op, j, DIARY_HALT, halt_logged);
}

void halt_begin(struct engine *en, struct op *op)
{
    struct verb_facts f;
    struct err why = {0};
    bool whole_list = en->facts.rollouts_known && !en->facts.rollouts_clipped;
    if (*op->in.rollout)
        op_rollout(op, ro_find(en, op->in.rollout));
    verbs_facts(en, op->ro, &f);
    if (!whole_list && !f.rollout)
        f.fresh = false; /* nobody can say that it is not there */
    if (!verb_check(&op->in, &f, &why)) {
        op_refuse(en, op, &why);
        return;
    }
    if (!*op->in.rollout) {
        begin_fleet(en, op);
        return;
    }
    op_rollout(op, ro_get(en, op->in.rollout));
    if (!op->recovered)
        ro_by_number(op->ro);
    op_say(en, op, OP_SENT, "", "halting");
    halt_one(op->ro, op, op->corr);
}

/* ---- the part ---- */

static void ro_init(struct ro *ro)
{
    ro_stop_hold_placed(ro, -1);
}

static void ro_free(struct ro *ro)
{
    free(ro->stop.halts);
    sent_clear(&ro->stop.sent);
}

/* Nobody knows whether it was shown: the rollout is gone. What is asked for of it would reach the new one. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    const struct ro_stop *h = &old->stop;
    for (size_t i = 0; stop_driving(&h->m) && i < h->n_waits; i++) {
        struct op *op = h->waits[i].op;
        struct entry e;
        diary_entry(en, &e, op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, op, old);
        e.corr = h->waits[i].corr;
        e.result = "another-rollout";
        diary_write(en, &e, 0, NULL, NULL);
        if (op_pending(op, -1) == 0)
            op_say(en, op, OP_UNKNOWN, "Look at the rollout on the server.",
                   "the server has another rollout %s by now: that one is not halted", old->id);
    }
    stop_tell_sent(old);
    ro_stop_waits_over(old);
    ro_stop_seen(old, ROLLOUT_UNKNOWN, now_of(old->en));
    count_escalations(en);
}

static void listed(struct engine *en)
{
    listed_as_gone(en);
    halt_fleet(en);
}

/* Of what is not free the words change when the newest answer is old. */
static void sweep(struct engine *en)
{
    int64_t old = now_of(en) - fresh_us(en);
    for (size_t i = 0; i < en->facts.n_all; i++) {
        struct ro *ro = en->facts.all[i];
        if (ro->stop.m.phase != STOP_FREE && !ro->stop.m.stale && ro->facts.known && ro->facts.seen_at <= old)
            ro_stop_old(ro);
    }
}

const struct part part_stop = {.name = "stop",
                               .ro_init = ro_init,
                               .ro_free = ro_free,
                               .replaced = replaced,
                               .seen = seen,
                               .listed = listed,
                               .sweep = sweep};
