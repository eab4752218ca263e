/* Halts: the pause request and the log entry start together and neither waits for the other; then the server is asked
 * until it shows the halt, the request repeated with a short back-off (a pause or a stop may be repeated), escalated
 * when it cannot be had, and retried for ever. A halt is latched until a person acknowledges it. */
#include <stdio.h>
#include <string.h>
#include "engine/worker.h"

#define DELAY_FIRST (250 * US_PER_MS)
#define DELAY_MAX   (2 * US_PER_S)
#define INPUTS_MAX  ((size_t)8 << 20)
#define SENDING_MAX 3 /* requests that a hung server may keep unanswered while the next one is tried */

static void drive(struct engine *en, void *arg);

static void who(const struct intent *in, char *out, size_t size)
{
    snprintf(out, size, "%s%s", in->actor.kind == ACTOR_RULE ? "rule " : "", in->actor.name);
}

int halt_escalated(const struct engine *en)
{
    int n = 0;
    for (size_t i = 0; i < en->n_all; i++)
        n += en->all[i]->halt.phase == HALT_ESCALATED;
    for (const struct op *op = en->ops; op; op = op->next)
        n += op->fleet_wide && !op_ended(op) && op->stage == 1;
    return n;
}

static void count_escalations(struct engine *en)
{
    __atomic_store_n(&en->escalations, halt_escalated(en), __ATOMIC_RELAXED);
    mark(en);
}

static bool wants_stop(const struct ro *ro)
{
    return ro->halt.stop && (ro->en->info.caps & CAP_STOP);
}

/* ---- it shows ---- */

static int64_t told_and_going(const struct ro *ro)
{
    if (ro->inflight.known && ro->inflight_at >= ro->halt.since)
        return ro->inflight.running + ro->inflight.canceling;
    return ro->r.counts.known ? ro->r.counts.running : -1;
}

static void end_wait(struct ro *ro, struct halt_wait *w, const char *text)
{
    struct engine *en = ro->en;
    struct entry e;
    diary_entry(en, &e, w->op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, w->op, ro);
    e.corr = w->corr;
    e.result = w->op->recovered ? "applied" : "ok";
    e.before = ro->halt.before;
    e.after = ro->gone ? "gone" : ro->r.state_word;
    entry_str(&e, "text", text);
    entry_int(&e, "in_flight", told_and_going(ro));
    entry_int(&e, "took_us", now_of(en) - ro->halt.since);
    diary_write(en, &e, 0, NULL, NULL);
    if (--w->op->pending > 0)
        return;
    en->commands++;
    if (w->op->fleet_wide) {
        diary_entry(en, &e, w->op->recovered ? ENTRY_RECOVERED : ENTRY_OUTCOME, w->op, NULL);
        e.result = w->op->recovered ? "applied" : "ok";
        diary_write(en, &e, 0, NULL, NULL);
        op_say(en, w->op, OP_DONE, "Acknowledge them when you have looked.", "every rollout of the fleet is halted");
    } else {
        op_say(en, w->op, OP_DONE, "Acknowledge it when you have looked, or roll back.", "%s", text);
    }
}

static void it_shows(struct ro *ro, bool waits_start)
{
    struct halt *h = &ro->halt;
    char text[200];
    int64_t n = told_and_going(ro);
    h->phase = HALT_SHOWN;
    h->at = now_of(ro->en);
    h->waits_start = waits_start;
    timer_cancel(ro->en, drive, ro);
    snprintf(ro->paused_by, sizeof ro->paused_by, "%s", h->by);
    ro->external[0] = '\0';
    if (ro->gone)
        snprintf(text, sizeof text, "halted: the rollout is gone from the server");
    else if (waits_start)
        snprintf(text, sizeof text, "halted: it has not started; it is paused at once if somebody starts it");
    else if (n > 0)
        snprintf(text, sizeof text, "halted: the server shows it %s; %lld devices were told before and go on",
                 ro->r.state_word, (long long)n);
    else
        snprintf(text, sizeof text, "halted: the server shows it %s", ro->r.state_word);
    for (size_t i = 0; i < h->n_waits; i++)
        end_wait(ro, &h->waits[i], text);
    h->n_waits = 0;
    if (!h->latched)
        h->phase = HALT_NONE; /* acknowledged while it was on its way */
    count_escalations(ro->en);
}

static bool not_started(enum rollout_state s)
{
    return s == ROLLOUT_READY || s == ROLLOUT_WAITING_APPROVAL || s == ROLLOUT_CREATING;
}

void halt_seen(struct ro *ro)
{
    struct halt *h = &ro->halt;
    enum rollout_state s = ro->r.state;
    if (h->phase == HALT_NONE)
        return;
    if (h->phase == HALT_SHOWN) {
        /* Also a halt that another session asked for, of which this one only knows the latch, stands by. */
        if (h->latched && ro->known && not_started(s))
            h->waits_start = true;
        if (h->waits_start && h->latched && (s == ROLLOUT_STARTING || s == ROLLOUT_RUNNING)) {
            h->waits_start = false;
            h->phase = HALT_SENDING;
            h->since = now_of(ro->en);
            h->delay = DELAY_FIRST;
            drive(ro->en, ro);
        }
        return;
    }
    if (ro->gone) {
        it_shows(ro, false);
        return;
    }
    if (!ro->known || ro->seen_at < h->since)
        return;
    if (rollout_state_ended(s) || s == ROLLOUT_DELETING || ro->r.deleted)
        it_shows(ro, false);
    else if (s == ROLLOUT_PAUSED && !wants_stop(ro))
        it_shows(ro, false);
    else if (not_started(s))
        it_shows(ro, true);
}

/* ---- asking for it ---- */

static void answered(struct req *q, const struct reply *r)
{
    (void)r; /* whatever it says: what the server shows decides */
    if (q->ro->halt.sending > 0)
        q->ro->halt.sending--;
    if (q->ro->halt.phase == HALT_SENDING || q->ro->halt.phase == HALT_ESCALATED)
        timer_set(q->en, now_of(q->en), drive, q->ro);
}

static void read_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    ro->halt.reading = false;
    if (!r->err) {
        ro_take(ro, &q->out.rollout, q->n);
    } else if (r->err->code == ERR_NOT_FOUND && q->n >= ro->halt.since) {
        ro->gone = true;
        halt_seen(ro);
    }
}

static void read_back(struct ro *ro)
{
    struct engine *en = ro->en;
    if (ro->halt.reading)
        return;
    ro->halt.reading = true;
    struct req *q = req_new(en, read_done);
    q->ro = ro;
    q->n = now_of(en);
    en->be->ops->rollout(en->be, ro->id, &q->arena, &q->out.rollout, req_done, q);
}

static void send_halt(struct ro *ro)
{
    struct engine *en = ro->en;
    enum backend_verb v = wants_stop(ro) ? BV_STOP : BV_PAUSE;
    if (ro->halt.sending >= SENDING_MAX)
        return;
    ro->halt.sending++;
    ro->told_state = ROLLOUT_PAUSED;
    struct req *q = req_new(en, answered);
    q->ro = ro;
    en->be->ops->verb(en->be, ro->id, v, "", req_done, q);
}

static void escalate(struct ro *ro)
{
    struct halt *h = &ro->halt;
    struct entry e;
    if (h->phase != HALT_SENDING || now_of(ro->en) - h->since < HALT_ESCALATE_US)
        return;
    h->phase = HALT_ESCALATED;
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
    struct halt *h = &ro->halt;
    int64_t now = now_of(en);
    if (h->phase != HALT_SENDING && h->phase != HALT_ESCALATED)
        return;
    escalate(ro);
    bool fresh = ro->known && ro->seen_at >= h->since;
    bool paused = ro->r.state == ROLLOUT_PAUSED && !wants_stop(ro);
    bool stopping = ro->r.state == ROLLOUT_STOPPING;
    bool first = h->at == 0;
    if (now >= h->at) { /* h->at: when it may be sent again; a fast answer only brings the reading forward */
        if (!(fresh && stopping) && !(ro->known && paused && first))
            send_halt(ro);
        h->at = now + h->delay;
        if (h->delay < DELAY_MAX)
            h->delay *= 2;
    }
    timer_set(en, h->at, drive, ro);
    if (!first || h->sending == 0)
        read_back(ro);
}

/* ---- beginning ---- */

static void halt_logged(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op->busy--;
    if (j->ok)
        op->log_seq = j->receipt.seq;
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
    struct halt *h = &ro->halt;
    struct entry e;
    bool under_way = h->phase == HALT_SENDING || h->phase == HALT_ESCALATED;
    if (h->n_waits < sizeof h->waits / sizeof *h->waits) {
        h->waits[h->n_waits++] = (struct halt_wait){op, corr};
        op->pending++;
    } else if (!op->fleet_wide) {
        op_say(en, op, OP_DONE, "", "it is being halted already, %zu have asked for it", h->n_waits);
    }
    who(&op->in, h->by, sizeof h->by);
    snprintf(h->text, sizeof h->text, "%s", op->in.reason);
    h->corr = corr;
    h->latched = true;
    ro->held = false;
    if (!under_way) {
        h->phase = HALT_SENDING;
        h->since = now_of(en);
        h->at = 0;
        h->delay = DELAY_FIRST;
        h->stop = ro->policy->halt_stops;
        snprintf(h->before, sizeof h->before, "%s", ro->r.state_word);
        drive(en, ro); /* on the wire before anything else is done */
    }
    if (op->recovered)
        return; /* its entry is in the log already */
    op_intent(en, op, ENTRY_HALT, ro, corr, &e);
    op->busy++;
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    attach_inputs(ro, op, j);
    diary_put(en, j, DIARY_HALT, halt_logged, op);
}

static void halt_all(struct engine *en, struct op *op)
{
    op->stage = 2;
    for (size_t i = 0; i < en->n_ros; i++)
        if (!ro_ended(en->ros[i]))
            halt_one(en->ros[i], op, corr_new(en));
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

void halt_fleet(struct engine *en)
{
    for (struct op *op = en->ops; op; op = op->next)
        if (op->fleet_wide && !op_ended(op) && op->stage < 2)
            halt_all(en, op);
}

/* The list of rollouts cannot be had: nobody knows what to halt. */
static void fleet_waits(struct engine *en, void *arg)
{
    struct op *op = arg;
    if (op_ended(op) || op->stage != 0)
        return;
    op->stage = 1;
    op_say(en, op, OP_SENT, "Stop the rollouts on the server itself; andon goes on trying.",
           "the halt of the fleet waits: the server's rollouts cannot be read");
    count_escalations(en);
}

static void begin_fleet(struct engine *en, struct op *op)
{
    struct entry e;
    op->fleet_wide = true;
    op_say(en, op, OP_SENT, "", "halting every rollout of the fleet");
    if (en->rollouts_known) {
        halt_all(en, op);
    } else {
        timer_set(en, now_of(en) + HALT_ESCALATE_US, fleet_waits, op);
        poll_now(en);
    }
    if (op->recovered)
        return;
    op_intent(en, op, ENTRY_INTENT, NULL, op->corr, &e);
    op->busy++;
    diary_write(en, &e, DIARY_HALT, halt_logged, op);
}

void halt_begin(struct engine *en, struct op *op)
{
    struct verb_facts f;
    struct err why = {0};
    bool whole_list = en->rollouts_known && !en->rollouts_clipped;
    if (*op->in.rollout && !op->ro)
        op->ro = ro_find(en, op->in.rollout);
    ro_facts(en, op->ro, &f);
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
    if (!op->ro)
        op->ro = ro_get(en, op->in.rollout);
    op_say(en, op, OP_SENT, "", "halting");
    halt_one(op->ro, op, op->corr);
}

void halt_latch(struct ro *ro, const char *by, const char *text, int64_t at, uint64_t corr)
{
    struct halt *h = &ro->halt;
    if (h->latched)
        return;
    h->latched = true;
    if (h->phase == HALT_NONE)
        h->phase = HALT_SHOWN;
    h->corr = corr;
    h->since = h->at = at;
    snprintf(h->by, sizeof h->by, "%s", by);
    snprintf(h->text, sizeof h->text, "%s", text);
    mark(ro->en);
}

void halt_ack(struct ro *ro)
{
    struct halt *h = &ro->halt;
    h->latched = h->waits_start = false;
    if (h->phase == HALT_SHOWN)
        h->phase = HALT_NONE;
    if (ro->r.state == ROLLOUT_PAUSED)
        ro->held = ro->acked_pause = true; /* paused by andon, and no rule halts it again in this pause */
    judge_forget(ro);
    mark(ro->en);
}
