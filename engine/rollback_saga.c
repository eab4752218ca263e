/* What every step of a roll back uses: going on, waiting, saying how it stands, and the log. */
#include "engine/rollback_saga.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AGAIN_US US_PER_S

void rb_text(struct rollback *rb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(rb->text, sizeof rb->text, fmt, ap);
    va_end(ap);
    if (rb->op && !op_ended(rb->op) && rb->op->phase >= OP_SENT)
        op_say(rb->en, rb->op, OP_RUNNING, "", "%s: %s", rollback_step_word(rb->ro->rollback.step), rb->text);
    mark(rb->en);
}

void rb_again(struct rollback *rb, int64_t in_us)
{
    timer_set(rb->en, now_of(rb->en) + in_us, rb->next, rb);
}

void rb_go(struct rollback *rb, enum rollback_step s)
{
    rb->ro->rollback.step = s;
    rb->asked_at = 0;
    rb->step_at = now_of(rb->en);
    rb->busy = false;
    rb_again(rb, 0);
    mark(rb->en);
}

struct req *rb_req(struct rollback *rb, void (*then)(struct req *q, const struct reply *r))
{
    struct req *q = req_new(rb->en, then);
    q->x = rb;
    q->ro = rb->ro;
    q->unless = &rb->ro->facts.past;
    rb->busy = true;
    return q;
}

bool rb_list_cut(const struct device_list *l, struct err *e)
{
    int64_t n = l->total > (int64_t)l->n ? l->total : (int64_t)l->n;
    if (n <= (int64_t)l->n && l->n < RB_LIST_MAX)
        return false;
    (void)err_set(e, ERR_LIMIT, "", "the server lists %lld devices with one release, and %zu of them were read",
                  (long long)n, l->n);
    return true;
}

void rb_ended(struct rollback *rb)
{
    const struct rollback_view *v = &rb->view;
    rb->ro->rollback.step = RB_DONE;
    rb->ended = now_of(rb->en);
    rb->view.outcome = v->verified == 0 ? RB_FAILED : v->verified == (int64_t)rb->n ? RB_COMPLETE : RB_PARTLY;
    rb->view.draining = rb->view.repairing = 0;
}

/* The end without success: what was done stays as it is, and the log says so. */
void rb_fail(struct rollback *rb, const char *next, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!rb->acted && n > 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": nothing was done");
    snprintf(rb->left, sizeof rb->left, "%s", text);
    rb_text(rb, "%s", text);
    rb_ended(rb);
    timer_cancel(rb->en, rb->next, rb);
    rb_census(rb);
    op_outcome(rb->en, rb->op, rb->acted ? OP_FAILED : OP_REFUSED, rb->acted ? "failed" : "refused",
               rb->ro->facts.r.state_word, next, "%s", text);
    rb_close(rb);
}

void rb_close(struct rollback *rb)
{
    timer_cancel(rb->en, rb->next, rb);
    op_release(rb->op);
    rb->op = NULL;
}

/* ---- the log ---- */

void rb_entry(struct rollback *rb, struct entry *e)
{
    diary_entry(rb->en, e, ENTRY_STEP, rb->op, rb->ro);
    e->verb = VERB_ROLLBACK;
    e->result = "ok";
    e->before = rb->op ? rb->op->before : "";
    e->after = rb->ro->facts.r.state_word;
    entry_str(e, "step", rollback_step_word(rb->ro->rollback.step));
}

void rb_entry_target(const struct rollback *rb, struct entry *e)
{
    entry_str(e, "to.id", rb->to.id);
    entry_str(e, "to.name", rb->to.name);
    entry_str(e, "to.version", rb->to.version);
}

static void step_logged(struct engine *en, struct job *j);

static void put_step(struct rollback *rb, struct job *j, enum rollback_step next)
{
    rb->busy = true;
    j->tag = (int64_t)next; /* where it goes on: the job carries it back */
    diary_put(rb->en, j, DIARY_CLOSED, step_logged, rb);
}

static void log_again(struct engine *en, void *arg)
{
    struct job *j = arg;
    (void)en;
    ((struct rollback *)j->ctx)->waiting = NULL;
    put_step(j->ctx, j, (enum rollback_step)j->tag);
}

static void step_logged(struct engine *en, struct job *j)
{
    struct rollback *rb = j->ctx;
    enum rollback_step next = (enum rollback_step)j->tag;
    if (!rb->op)
        return; /* it has ended */
    if (j->ok) {
        rb->busy = false;
        rb_go(rb, next);
        return;
    }
    rb_text(rb, "waits for the audit log, which cannot be written");
    struct job *again = job_copy(j);
    again->tag = j->tag;
    again->ctx = rb;
    rb->waiting = again;
    timer_set(en, now_of(en) + AGAIN_US, log_again, again);
}

void rb_logged(struct rollback *rb, const struct entry *e, const char *blob, enum rollback_step next)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    if (blob)
        job_blob(j, "devices.blob", blob, strlen(blob));
    op_tell(rb->op, j);
    put_step(rb, j, next);
}

void rb_told(struct rollback *rb, const struct entry *e, void (*done)(struct engine *en, struct job *j))
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    op_tell(rb->op, j);
    diary_put(rb->en, j, 0, done, rb);
}

void rb_forget_log(struct rollback *rb)
{
    if (rb->waiting)
        timer_cancel(rb->en, log_again, rb->waiting);
    job_free(rb->waiting);
    rb->waiting = NULL;
}

void rollback_is_of(struct ro *ro, const char *of)
{
    if (!*ro->rollback.of)
        snprintf(ro->rollback.of, sizeof ro->rollback.of, "%s", of);
}

bool rb_next_wave(struct rollback *rb)
{
    const struct ro_facts *f = &rb->ro->facts;
    while (rb->wave < f->n_waves &&
           (wave_told(&f->waves[rb->wave]) == 0 || !intent_has_wave(&rb->op->in, (int)rb->wave)))
        rb->wave++;
    return rb->wave < f->n_waves;
}

void rb_mark(struct rollback *rb, const char *id)
{
    snprintf(ro_get(rb->en, id)->rollback.of, ID_MAX, "%s", rb->ro->id);
}
