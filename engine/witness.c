#include "engine/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/worker.h"

struct witness_wait {
    struct witness_wait *next;
    struct op *op;
    int require;
    int64_t until, within;
    void (*then)(struct engine *en, struct op *op);
};

static const struct witness_policy *asked(const struct engine *en, const struct op *op)
{
    const struct witness_policy *w = &(op->ro ? op->ro->policy.applies : en->policy)->witness;
    return w->require > 0 && op->in.verb != VERB_HALT && (w->verbs >> op->in.verb & 1) ? w : NULL;
}

bool witness_can(const struct engine *en, const struct op *op, struct err *why)
{
    const struct witness_policy *w = asked(en, op);
    size_t there = en->witness.notary ? en->witness.view.n : 0;
    if (!w || (size_t)w->require <= there)
        return true;
    return err_set(why, ERR_REFUSED, "Name who witnesses the log: witness: by: in andon-config(5).",
                   "%s is refused: the policy asks for %d witness%s of its entry, and the configuration names %zu",
                   verb_word(op->in.verb), w->require, w->require == 1 ? "" : "es", there);
}

const char *witness_alarm(const struct engine *en)
{
    return en->witness.view.alarm == NOTARY_QUIET ? "" : en->witness.view.text;
}

/* What is wrong with the first that does not answer. */
static const struct notary_witness *silent(const struct engine *en)
{
    for (size_t i = 0; i < en->witness.view.n; i++)
        if (*en->witness.view.v[i].problem)
            return &en->witness.view.v[i];
    return NULL;
}

void witness_late(const struct engine *en, char *out, size_t size)
{
    const struct notary_view *v = &en->witness.view;
    const struct notary_witness *w = silent(en);
    int64_t since = v->asks_since, now = now_of(en);
    char dur[FMT_MAX];
    bool all = v->n > 0;
    for (size_t i = 0; i < v->n; i++) {
        all = all && v->v[i].failing > 0;
        if (w && since == 0 && all)
            since = w->failing;
    }
    out[0] = '\0';
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i].forgot > 0 && now - v->v[i].forgot < WITNESS_SAID_US)
            snprintf(out, size,
                     "witness %.80s has lost its memory at %s: it had signed for %lld entries, and showed %lld",
                     v->v[i].name, fmt_hms(dur, v->v[i].forgot), (long long)v->v[i].had, (long long)v->v[i].shows);
    for (size_t i = 0; i < v->n_copy; i++) {
        const struct notary_witness *c = &v->copy[i];
        if (c->failing > 0 && now - c->failing >= WITNESS_LATE_US)
            snprintf(out, size, "the log's heads are not noted at %s since %s: %s", c->name, fmt_hms(dur, c->failing),
                     c->problem);
    }
    if (since == 0 || (since != v->asks_since && !all) || now - since < WITNESS_LATE_US)
        return;
    snprintf(out, size, "no witness has seen the log's newest entries since %s%s%s", fmt_hms(dur, since), w ? ": " : "",
             w ? w->problem : "");
}

/* --- waiting --- */

static void over(struct engine *en, void *arg);

static void no_more(struct engine *en, struct witness_wait **p)
{
    struct witness_wait *w = *p;
    *p = w->next;
    timer_cancel(en, over, w);
    op_release(w->op);
    free(w);
    mark(en);
}

static void refuse(struct engine *en, const struct witness_wait *w)
{
    struct op *op = w->op;
    const struct notary_witness *bad = silent(en);
    char dur[FMT_MAX];
    if (*witness_alarm(en)) {
        op_outcome(en, op, OP_REFUSED, "refused", op->ro ? op->ro->facts.r.state_word : "",
                   "`andon audit verify` says more. Halt is still possible.", "%s is refused, nothing was sent: %s",
                   verb_word(op->in.verb), witness_alarm(en));
        return;
    }
    op_outcome(en, op, OP_REFUSED, "refused", op->ro ? op->ro->facts.r.state_word : "",
               bad && *bad->next ? bad->next : "Look at the witnesses: `andon doctor`. Halt is still possible.",
               "%s is refused, nothing was sent: entry %lld was not witnessed within %s%s%s", verb_word(op->in.verb),
               (long long)op->log_seq, fmt_dur(dur, w->within), bad ? ": " : "", bad ? bad->problem : "");
}

static void look_at_waits(struct engine *en)
{
    for (struct witness_wait **p = &en->witness.waits; *p;) {
        struct witness_wait *w = *p;
        struct op *op = w->op;
        void (*then)(struct engine *, struct op *) = w->then;
        bool enough = notary_count(en->witness.notary, op->log_seq) >= w->require;
        if (op_ended(op) || op->final != OP_QUEUED) {
            no_more(en, p);
        } else if (enough) {
            no_more(en, p);
            then(en, op);
            p = &en->witness.waits; /* whatever that has changed */
        } else if (now_of(en) >= w->until || *witness_alarm(en)) {
            refuse(en, w);
            no_more(en, p);
        } else {
            p = &w->next;
        }
    }
}

static void over(struct engine *en, void *arg)
{
    (void)arg;
    look_at_waits(en);
}

bool witness_hold(struct engine *en, struct op *op, void (*then)(struct engine *en, struct op *op))
{
    const struct witness_policy *p = asked(en, op);
    if (!p || (en->witness.notary && notary_count(en->witness.notary, op->log_seq) >= p->require))
        return false;
    struct witness_wait *w = xcalloc(1, sizeof *w);
    *w = (struct witness_wait){.next = en->witness.waits,
                               .op = op,
                               .require = p->require,
                               .within = p->within_us,
                               .until = now_of(en) + p->within_us,
                               .then = then};
    en->witness.waits = w;
    op_hold(op);
    op_say(en, op, OP_LOGGING, "", "waits for %d witness%s of entry %lld", p->require, p->require == 1 ? "" : "es",
           (long long)op->log_seq);
    timer_set(en, w->until, over, w); /* each has its own: one that was set again would be moved */
    if (en->witness.notary)
        notary_grew(en->witness.notary, op->log_seq, true);
    return true;
}

/* --- the part --- */

static bool start(struct engine *en, struct err *e)
{
    (void)e;
    en->witness.notary = en->spec.notary;
    if (en->witness.notary) {
        en->witness.generation = notary_look(en->witness.notary, &en->witness.view);
        notary_tell(en->witness.notary, en->turn.wake_fd);
    }
    return true;
}

static void drain(struct engine *en)
{
    struct en_witness *w = &en->witness;
    struct notary_view now;
    if (!w->notary)
        return;
    if (en->diary.size > w->told_size) {
        w->told_size = en->diary.size;
        notary_grew(w->notary, en->diary.size, false);
    }
    uint64_t generation = notary_look(w->notary, &now);
    if (generation == w->generation)
        return;
    w->generation = generation;
    w->view = now;
    mark(en);
    look_at_waits(en);
}

static void end(struct engine *en)
{
    if (en->witness.notary)
        notary_drop(en->witness.notary, en->turn.wake_fd);
    en->witness.notary = NULL;
}

static void free_all(struct engine *en)
{
    end(en);
    while (en->witness.waits) {
        struct witness_wait *w = en->witness.waits;
        en->witness.waits = w->next;
        free(w);
    }
}

const struct part part_witness = {.name = "witness", .start = start, .drain = drain, .end = end, .free = free_all};
