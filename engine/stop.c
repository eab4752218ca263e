/* Halts: the pause request and the log entry start together and neither waits for the other; then the server is asked
 * until it shows the halt, the request repeated with a short back-off (a pause or a stop may be repeated), escalated
 * when it cannot be had, and retried for ever. A halt is latched until a person acknowledges it. */
#include <stdio.h>
#include "engine/worker.h"

#define INPUTS_MAX  ((size_t)8 << 20)
#define SENDING_MAX 3 /* requests that a hung server may keep unanswered while the next one is tried */

static void drive(struct engine *en, void *arg);

static void who(const struct intent *in, char *out, size_t size)
{
    snprintf(out, size, "%s%s", in->actor.kind == ACTOR_RULE ? "rule " : "", in->actor.name);
}

static int escalated(const struct engine *en)
{
    int n = 0;
    for (size_t i = 0; i < en->facts.n_all; i++)
        n += en->facts.all[i]->stop.phase == HALT_ESCALATED;
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

static bool wants_stop(const struct ro *ro)
{
    return ro->stop.stops && (ro->en->facts.info.caps & CAP_STOP);
}

/* ---- it shows ---- */

static int64_t told_and_going(const struct ro *ro)
{
    if (ro->facts.inflight.known && ro->facts.inflight_at >= ro->stop.since)
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

static void put_outcome(struct engine *en, struct op *op, const struct entry *e)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    if (entry_of_halt(e))
        put(en, op, j, 0, NULL);
    else
        diary_put(en, j, 0, NULL, NULL);
}

static void end_wait(struct ro *ro, const struct halt_wait *w, const char *text)
{
    struct engine *en = ro->en;
    struct entry e;
    diary_entry(en, &e, w->op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, w->op, ro);
    e.corr = w->corr;
    e.result = w->op->recovered ? "applied" : "ok";
    e.before = ro->stop.before;
    e.after = ro->facts.gone ? "gone" : ro->facts.r.state_word;
    entry_str(&e, "text", text);
    entry_int(&e, "in_flight", told_and_going(ro));
    entry_int(&e, "took_us", now_of(en) - ro->stop.since);
    put_outcome(en, w->op, &e);
    if (op_pending(w->op, -1) > 0)
        return;
    op_command(en);
    if (w->op->stop.fleet_wide) {
        diary_entry(en, &e, w->op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, w->op, NULL);
        e.result = w->op->recovered ? "applied" : "ok";
        put_outcome(en, w->op, &e);
        op_say(en, w->op, OP_DONE, "Acknowledge them when you have looked.", "every rollout of the fleet is halted");
    } else {
        op_say(en, w->op, OP_DONE, "Acknowledge it when you have looked, or roll back.", "%s", text);
    }
}

static void it_shows(struct ro *ro, bool waits_start)
{
    const struct ro_stop *h = &ro->stop;
    char text[200];
    int64_t n = told_and_going(ro);
    ro_stop_shown(ro, waits_start);
    timer_cancel(ro->en, drive, ro);
    if (ro->facts.gone)
        snprintf(text, sizeof text, "halted: the rollout is gone from the server");
    else if (waits_start)
        snprintf(text, sizeof text, "halted: it has not started; it is paused at once if somebody starts it");
    else if (n > 0)
        snprintf(text, sizeof text, "halted: the server shows it %s; %lld devices were told before and go on",
                 ro->facts.r.state_word, (long long)n);
    else
        snprintf(text, sizeof text, "halted: the server shows it %s", ro->facts.r.state_word);
    for (size_t i = 0; i < h->n_waits; i++)
        end_wait(ro, &h->waits[i], text);
    ro_stop_waits_over(ro);
    count_escalations(ro->en);
}

/* Does the server show it by now? */
static void look(struct ro *ro)
{
    enum rollout_state s = ro->facts.r.state;
    if (!ro_stop_under_way(ro))
        return;
    if (ro->facts.gone) {
        it_shows(ro, false);
        return;
    }
    if (!ro->facts.known || ro->facts.seen_at < ro->stop.since)
        return;
    if (rollout_state_ended(s) || s == ROLLOUT_DELETING || ro->facts.r.deleted)
        it_shows(ro, false);
    else if (s == ROLLOUT_PAUSED && !wants_stop(ro))
        it_shows(ro, false);
    else if (ro_stop_not_started(s))
        it_shows(ro, true);
}

static void seen(struct ro *ro, enum rollout_state was)
{
    if (ro_stop_state_shown(ro, was))
        drive(ro->en, ro);
    else
        look(ro);
}

/* ---- asking for it ---- */

static void answered(struct req *q, const struct reply *r)
{
    (void)r; /* whatever it says: what the server shows decides */
    ro_stop_answered(q->ro);
    if (ro_stop_under_way(q->ro))
        timer_set(q->en, now_of(q->en), drive, q->ro);
}

static void read_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    ro_stop_reading(ro, false);
    if (!r->err) {
        ro_take(ro, &q->out.rollout, q->n);
    } else if (r->err->code == ERR_NOT_FOUND && q->n >= ro->stop.since) {
        ro_lost(ro);
        seen(ro, ROLLOUT_UNKNOWN);
    }
}

static void read_back(struct ro *ro)
{
    struct engine *en = ro->en;
    if (ro->stop.reading)
        return;
    ro_stop_reading(ro, true);
    struct req *q = req_new(en, read_done);
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->n = now_of(en);
    en->be->ops->rollout(en->be, ro->id, &q->arena, &q->out.rollout, req_done, q);
}

static void send_halt(struct ro *ro)
{
    struct engine *en = ro->en;
    enum backend_verb v = wants_stop(ro) ? BV_STOP : BV_PAUSE;
    if (ro->stop.sending >= SENDING_MAX)
        return;
    ro_stop_sent_halt(ro);
    struct req *q = req_new(en, answered);
    q->ro = ro;
    q->unless = &ro->facts.past;
    en->be->ops->verb(en->be, ro->id, v, "", req_done, q);
}

static void escalate(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    struct entry e;
    if (!ro_stop_late(ro))
        return;
    for (size_t i = 0; i < h->n_waits; i++)
        op_say(ro->en, h->waits[i].op, h->waits[i].op->phase,
               "Stop it on the server itself, or cut the server off; andon goes on trying.",
               "the halt is not shown by the server after %lld s", (long long)(HALT_ESCALATE_US / US_PER_S));
    diary_entry(ro->en, &e, ENTRY_STEP, NULL, ro);
    e.corr = h->corr;
    e.verb = VERB_HALT;
    e.result = "escalated";
    diary_write(ro->en, &e, DIARY_HALT, NULL, NULL);
    count_escalations(ro->en);
}

/* Each round: ask again for what is not there yet, read the state back, come again a little later. */
static void drive(struct engine *en, void *arg)
{
    struct ro *ro = arg;
    const struct ro_stop *h = &ro->stop;
    if (!ro_stop_under_way(ro))
        return;
    escalate(ro);
    bool fresh = ro->facts.known && ro->facts.seen_at >= h->since;
    bool paused = ro->facts.r.state == ROLLOUT_PAUSED && !wants_stop(ro);
    bool stopping = ro->facts.r.state == ROLLOUT_STOPPING;
    bool first = h->at == 0;
    if (now_of(en) >= h->at) { /* h->at: when it may be sent again; a fast answer only brings the reading forward */
        if (!(fresh && stopping) && !(ro->facts.known && paused && first))
            send_halt(ro);
        ro_stop_tried(ro);
    }
    timer_set(en, h->at, drive, ro);
    if (!first || h->sending == 0)
        read_back(ro);
}

/* ---- beginning ---- */

static void halt_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op_release(op);
    if (j->ok)
        op_logged(op, j->receipt.seq);
    mark(en);
}

/* Everything that a test's decision was made of goes into the log beside the halt: who doubts it can decide it anew. */
static void attach_inputs(const struct ro *ro, const struct op *op, struct job *j)
{
    struct buf b;
    if (op->in.actor.kind != ACTOR_RULE)
        return;
    buf_init(&b, INPUTS_MAX);
    if (trial_blob(ro, op->in.rule, &b)) {
        j->blob = arena_strdup(&j->arena, b.data);
        j->blob_key = "inputs.blob";
    }
    buf_release(&b);
}

static void halt_one(struct ro *ro, struct op *op, uint64_t corr)
{
    struct engine *en = ro->en;
    struct entry e;
    char by[sizeof ro->stop.by];
    if (ro_stop_waits(ro, op, corr))
        op_pending(op, 1);
    else if (!op->stop.fleet_wide)
        op_say(en, op, OP_DONE, "", "it is being halted already, %zu have asked for it", ro->stop.n_waits);
    who(&op->in, by, sizeof by);
    if (ro_stop_asked(ro, by, op->in.reason, corr))
        drive(en, ro); /* on the wire before anything else is done */
    if (op->recovered)
        return; /* its entry is in the log already */
    op_intent(en, op, ENTRY_HALT, ro, corr, &e);
    op_hold(op);
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    attach_inputs(ro, op, j);
    put(en, op, j, DIARY_HALT, halt_logged);
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
        struct entry e;
        diary_entry(en, &e, op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, op, NULL);
        e.result = op->recovered ? "not-applied" : "ok";
        diary_write(en, &e, 0, NULL, NULL);
        op_say(en, op, OP_DONE, "", "no rollout of the fleet is under way");
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
        timer_set(en, now_of(en) + HALT_ESCALATE_US, fleet_waits, op);
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
    op_say(en, op, OP_SENT, "", "halting");
    halt_one(op->ro, op, op->corr);
}

/* ---- the part ---- */

static void ro_init(struct ro *ro)
{
    ro_stop_hold_placed(ro, -1);
}

/* Nobody knows whether it was shown: the rollout is gone. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    const struct ro_stop *h = &old->stop;
    timer_cancel(en, drive, old);
    for (size_t i = 0; ro_stop_under_way(old) && i < h->n_waits; i++) {
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
    ro_stop_waits_over(old);
    ro_stop_in_doubt(old);
    count_escalations(en);
}

static void listed(struct engine *en)
{
    for (size_t i = 0; i < en->facts.n_all; i++)
        if (en->facts.all[i]->facts.gone)
            seen(en->facts.all[i], ROLLOUT_UNKNOWN);
    halt_fleet(en);
}

const struct part part_stop = {
    .name = "stop", .ro_init = ro_init, .replaced = replaced, .seen = seen, .listed = listed};
