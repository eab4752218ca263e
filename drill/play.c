/* What is seen of a drill while it runs, the operator who is not there, and the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/outlook.h"
#include "drill/inner.h"

static int64_t now_of(struct drill *d)
{
    return clock_now(&d->clock) - d->epoch;
}

static const struct rollout_view *main_view(const struct drill *d, const struct snapshot *s)
{
    char id[ID_MAX];
    snprintf(id, sizeof id, "%" PRId64, d->world->rollouts[d->world->main_rollout].id);
    return s ? snapshot_rollout(s, id) : NULL;
}

/* --- what has been seen */

/* The standing of the test that halted, or of the one in front when something else did. */
static void keep_evidence(struct play *p, const struct trial_view *t, const char *rule)
{
    for (size_t s = t->n_stages; s-- > 0;) {
        const struct stage_view *v = &t->stages[s];
        const struct evidence *found = v->leading >= 0 ? &v->v[v->leading] : NULL;
        for (size_t i = 0; i < v->n; i++)
            if (!strcmp(v->v[i].test, rule))
                found = &v->v[i];
        if (!found)
            continue;
        struct drill_evidence *e = &p->evidence;
        snprintf(e->test, sizeof e->test, "%s", found->test);
        snprintf(e->plain, sizeof e->plain, "%s", found->plain ? found->plain : "");
        e->wave = (int)s;
        e->e = *found; /* whose words are the snapshot's */
        e->e.test = e->test;
        e->e.plain = found->plain ? e->plain : NULL;
        return;
    }
}

/* What the bad devices share may show only when more of them have gone bad: the newest list counts. */
static void keep_shares(struct play *p, const struct trial_view *t)
{
    if (t->n_shares == 0)
        return;
    p->n_shares = t->n_shares < SHARE_MAX ? t->n_shares : SHARE_MAX;
    for (size_t i = 0; i < p->n_shares; i++) {
        struct drill_share *to = &p->shares[i];
        to->share = t->shares[i];
        snprintf(to->key, sizeof to->key, "%s", t->shares[i].key);
        snprintf(to->value, sizeof to->value, "%s", t->shares[i].value);
        to->share.key = to->key;
        to->share.value = to->value;
    }
}

/* A halt that has not been seen before: the first is what a drill is about, others must be expected too. */
static void new_halt(struct drill *d, const struct rollout_view *v)
{
    struct play *p = &d->play;
    int64_t at = v->halted_at - d->epoch;
    const char *by = v->halted_by, *rule = strncmp(by, "rule ", 5) ? "" : by + 5;
    if (p->n_halts > 0 && at == p->halts[p->n_halts - 1].at)
        return;
    if (p->n_halts < PLAY_HALTS) {
        struct play_halt *h = &p->halts[p->n_halts++];
        *h = (struct play_halt){.at = at, .shown = TIME_NEVER, .lifted = TIME_NEVER, .rule = *rule != '\0'};
        snprintf(h->by, sizeof h->by, "%s", *rule ? rule : by);
    }
    if (p->halted_at != TIME_NEVER)
        return;
    p->halted_at = at;
    p->broken_at_halt = drill_broken(d);
    if (p->halted_at < p->detected_at)
        p->detected_at = p->halted_at;
    if (*rule)
        snprintf(p->rule, sizeof p->rule, "%s", rule);
    keep_evidence(p, &v->trial, p->rule);
}

static void look_at_halt(struct drill *d, const struct rollout_view *v)
{
    struct play *p = &d->play;
    if (v->stop == STOP_ESCALATED)
        p->escalated = true;
    if (p->detected_at == TIME_NEVER) {
        for (size_t i = 0; i < v->n_waves; i++) {
            if (v->waves[i].verdict.react < REACT_PAUSE)
                continue;
            p->detected_at = now_of(d);
            snprintf(p->rule, sizeof p->rule, "%s", v->waves[i].verdict.rule);
        }
    }
    if (v->halted_at != 0 && !p->from_log)
        new_halt(d, v);
    if (p->halted_at != TIME_NEVER)
        keep_shares(p, &v->trial);
}

/* Does the queue begin with this rollout, because of what was published? */
static void look_at_queue(struct drill *d, const struct snapshot *s, const struct rollout_view *v)
{
    const struct scenario_advisory *x = &d->spec.scenario->advisory;
    const struct outlook *o = s->outlook.held;
    if (!x->there || !o || o->q.n == 0 || d->play.queued_at != TIME_NEVER)
        return;
    const struct queue_row *r = &o->q.rows[0];
    if (r->kind == QUEUE_STEP && strcmp(r->to->rollout, v->rollout.id) == 0 && strcmp(r->worst.facts->id, x->id) == 0 &&
        risk_exploited(r->worst.facts))
        d->play.queued_at = now_of(d);
}

bool drill_publishes(struct drill *d)
{
    const struct scenario_advisory *x = &d->spec.scenario->advisory;
    pthread_mutex_lock(&d->lock);
    bool due = x->there && !d->play.published && now_of(d) >= x->at;
    d->play.published = d->play.published || due;
    pthread_mutex_unlock(&d->lock);
    return due;
}

void play_look(struct drill *d, const struct snapshot *s)
{
    struct play *p = &d->play;
    const struct rollout_view *v = main_view(d, s);
    if (!v)
        return;
    look_at_halt(d, v);
    look_at_queue(d, s, v);
    snprintf(p->paused_by, sizeof p->paused_by, "%s", v->paused_by ? v->paused_by : "");
    if (p->rolled_back_at == TIME_NEVER && v->rollback.outcome == RB_COMPLETE)
        p->rolled_back_at = v->rollback.ended > d->epoch ? v->rollback.ended - d->epoch : now_of(d);
}

void drill_look(struct drill *d, const struct snapshot *s)
{
    pthread_mutex_lock(&d->lock);
    drill_catch_up(d);
    play_look(d, s);
    pthread_mutex_unlock(&d->lock);
}

static int64_t since_zero(const struct drill *d, int64_t t)
{
    return t > 0 ? t - d->epoch : TIME_NEVER;
}

void drill_halts(struct drill *d, const struct drill_halt *v, size_t n)
{
    char id[ID_MAX];
    pthread_mutex_lock(&d->lock);
    struct play *p = &d->play;
    snprintf(id, sizeof id, "%" PRId64, d->world->rollouts[d->world->main_rollout].id);
    p->n_halts = 0;
    for (size_t i = 0; i < n && p->n_halts < PLAY_HALTS; i++) {
        if (*v[i].rollout && strcmp(v[i].rollout, id) != 0)
            continue;
        struct play_halt *h = &p->halts[p->n_halts++];
        *h = (struct play_halt){.at = since_zero(d, v[i].t),
                                .shown = since_zero(d, v[i].shown_at),
                                .lifted = since_zero(d, v[i].lifted_at),
                                .rule = v[i].rule};
        snprintf(h->by, sizeof h->by, "%s", v[i].by);
    }
    if (p->n_halts > 0) {
        if (p->halted_at == TIME_NEVER) /* no snapshot has shown it: who misbehaved then is not known any more */
            p->broken_at_halt = -1;
        p->halted_at = p->halts[0].at;
        p->detected_at = p->halted_at < p->detected_at ? p->halted_at : p->detected_at;
        if (p->halts[0].rule)
            snprintf(p->rule, sizeof p->rule, "%s", p->halts[0].by);
    } else {
        p->halted_at = TIME_NEVER;
    }
    p->from_log = true;
    pthread_mutex_unlock(&d->lock);
}

/* --- the operator */

static bool wave_done(const struct rollout_view *v, int wave)
{
    if (wave < 0 || (size_t)wave >= v->n_waves)
        return false;
    const struct wave *w = &v->waves[wave].wave;
    if (w->state == WAVE_FINISHED || w->state == WAVE_ERROR)
        return true;
    return w->state == WAVE_RUNNING && w->counts.known && w->total > 0 && w->counts.running + w->counts.scheduled == 0;
}

static bool holds(struct drill *d, const struct scenario_step *st, const struct rollout_view *v)
{
    switch (st->when) {
    case WHEN_AT:
        return now_of(d) >= st->at;
    case WHEN_HALTED:
        return v && halt_said(v->stop, false).true_now;
    case WHEN_WAVE_DONE:
        return v && wave_done(v, st->wave);
    case WHEN_GATE:
        return v && v->gate_waits;
    case WHEN_PAUSED:
        return v && v->rollout.state == ROLLOUT_PAUSED;
    case WHEN_ROLLED_BACK:
        return v && v->rollback.outcome == RB_COMPLETE;
    case WHEN_FINISHED:
        return v && v->rollout.state == ROLLOUT_FINISHED;
    case WHEN_QUEUED:
        return d->play.queued_at != TIME_NEVER;
    }
    return false;
}

int64_t play_next(const struct drill *d)
{
    int64_t t = d->epoch + d->spec.scenario->ends.after;
    const struct play *p = &d->play;
    const struct scenario_advisory *x = &d->spec.scenario->advisory;
    if (x->there && !p->published && d->epoch + x->at < t)
        t = d->epoch + x->at;
    if (p->step < d->spec.scenario->n_steps) {
        const struct scenario_step *st = &d->spec.scenario->steps[p->step];
        int64_t due = p->due != TIME_NEVER ? p->due : st->when == WHEN_AT ? st->at : TIME_NEVER;
        if (due != TIME_NEVER && d->epoch + due < t)
            t = d->epoch + due;
    }
    return t;
}

static void fill(struct drill *d, const struct scenario_step *st, const struct rollout_view *v, struct intent *out)
{
    memset(out, 0, sizeof *out);
    out->verb = st->verb;
    snprintf(out->fleet, sizeof out->fleet, "%s", d->fleet.name);
    if (v)
        snprintf(out->rollout, sizeof out->rollout, "%s", v->rollout.id);
    else
        snprintf(out->rollout, sizeof out->rollout, "%" PRId64, d->world->rollouts[d->world->main_rollout].id);
    out->actor.kind = ACTOR_PERSON;
    snprintf(out->actor.name, sizeof out->actor.name, "drill-operator");
    snprintf(out->reason, sizeof out->reason, "%s", st->reason);
    snprintf(out->remark, sizeof out->remark, "%s", st->remark);
    out->all_waves = true;
    out->expect_devices = -1;
    out->decided_at = clock_now(&d->clock);
}

bool drill_operator(struct drill *d, const struct snapshot *s, struct intent *out)
{
    pthread_mutex_lock(&d->lock);
    struct play *p = &d->play;
    const struct scenario *sc = d->spec.scenario;
    play_look(d, s);
    bool act = false;
    if (p->step < sc->n_steps) {
        const struct scenario_step *st = &sc->steps[p->step];
        const struct rollout_view *v = main_view(d, s);
        if (p->due == TIME_NEVER && holds(d, st, v))
            p->due = now_of(d) + st->delay;
        if (p->due != TIME_NEVER && now_of(d) >= p->due) {
            fill(d, st, v, out);
            p->step++;
            p->due = TIME_NEVER;
            act = true;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return act;
}

bool drill_over(struct drill *d, const struct snapshot *s)
{
    pthread_mutex_lock(&d->lock);
    const struct scenario_ends *ends = &d->spec.scenario->ends;
    struct play *p = &d->play;
    play_look(d, s);
    const struct rollout_view *v = main_view(d, s);
    bool come = (ends->rolled_back && v && v->rollback.step == RB_DONE) ||
                (ends->finished && v && v->rollout.state == ROLLOUT_FINISHED) ||
                (ends->halted && v && halt_said(v->stop, false).true_now);
    if (come && p->true_since == TIME_NEVER)
        p->true_since = now_of(d);
    bool over = now_of(d) >= ends->after || (p->true_since != TIME_NEVER && now_of(d) >= p->true_since + ends->linger);
    pthread_mutex_unlock(&d->lock);
    return over;
}
