/* The operator who is not there, the end of a drill, and its score. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fmt.h"
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

static void look_at_halt(struct drill *d, const struct rollout_view *v)
{
    struct play *p = &d->play;
    if (v->halt == HALT_ESCALATED)
        p->escalated = true;
    if (p->detected_at == TIME_NEVER) {
        for (size_t i = 0; i < v->n_waves; i++) {
            if (v->waves[i].verdict.react < REACT_PAUSE)
                continue;
            p->detected_at = now_of(d);
            snprintf(p->rule, sizeof p->rule, "%s", v->waves[i].verdict.rule);
        }
    }
    if (p->halted_at != TIME_NEVER || v->halt == HALT_NONE || v->halted_at == 0)
        return;
    p->halted_at = v->halted_at - d->epoch;
    if (p->halted_at < p->detected_at)
        p->detected_at = p->halted_at;
    const char *by = v->halted_by;
    if (!strncmp(by, "rule ", 5))
        snprintf(p->rule, sizeof p->rule, "%s", by + 5);
}

static void look(struct drill *d, const struct snapshot *s)
{
    struct play *p = &d->play;
    const struct rollout_view *v = main_view(d, s);
    if (!v)
        return;
    look_at_halt(d, v);
    if (p->rolled_back_at == TIME_NEVER && v->rollback.step == RB_DONE)
        p->rolled_back_at = v->rollback.ended > d->epoch ? v->rollback.ended - d->epoch : now_of(d);
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
        return v && v->halt == HALT_SHOWN;
    case WHEN_WAVE_DONE:
        return v && wave_done(v, st->wave);
    case WHEN_GATE:
        return v && v->gate_waits;
    case WHEN_PAUSED:
        return v && v->rollout.state == ROLLOUT_PAUSED;
    case WHEN_ROLLED_BACK:
        return v && v->rollback.step == RB_DONE;
    case WHEN_FINISHED:
        return v && v->rollout.state == ROLLOUT_FINISHED;
    }
    return false;
}

int64_t play_next(const struct drill *d)
{
    int64_t t = d->epoch + d->spec.scenario->ends.after;
    const struct play *p = &d->play;
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
    look(d, s);
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
    look(d, s);
    const struct rollout_view *v = main_view(d, s);
    bool come = (ends->rolled_back && v && v->rollback.step == RB_DONE) ||
                (ends->finished && v && v->rollout.state == ROLLOUT_FINISHED) ||
                (ends->halted && v && v->halt == HALT_SHOWN);
    if (come && p->true_since == TIME_NEVER)
        p->true_since = now_of(d);
    bool over = now_of(d) >= ends->after || (p->true_since != TIME_NEVER && now_of(d) >= p->true_since + ends->linger);
    pthread_mutex_unlock(&d->lock);
    return over;
}

/* --- the score */

static int64_t injected_at(const struct drill *d)
{
    int64_t t = d->world->first_injected;
    for (size_t i = 0; i < d->spec.scenario->n_faults; i++) {
        const struct fault *f = &d->spec.scenario->faults[i];
        int64_t at = f->at > 0 ? f->at : 0;
        if (f->kind >= FAULT_TELEMETRY && at < t)
            t = at;
    }
    return t <= d->world->now ? t : TIME_NEVER;
}

static int64_t had_new_by(const struct drill *d, int64_t t)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->world->n_devs; i++)
        n += d->world->devs[i].first_new <= t;
    return n;
}

/* Broken: it misbehaves now, or it runs something else than the server believes. */
static bool broken(const struct drill *d, size_t i)
{
    const struct w_dev *dev = &d->world->devs[i];
    if (dev->truth != dev->installed)
        return true;
    for (size_t f = 0; f < d->spec.scenario->n_faults; f++) {
        enum fault_kind k = d->spec.scenario->faults[f].kind;
        if (k <= FAULT_SILENCE && k != FAULT_INSTALL && k != FAULT_HANG && fleet_hit(d->world, (int)i, f))
            return true;
    }
    return false;
}

static void count_devices(const struct drill *d, struct drill_result *r)
{
    r->devices_total = (int64_t)d->world->n_devs;
    for (size_t i = 0; i < d->world->n_devs; i++) {
        r->devices_on_old += d->world->devs[i].truth == d->world->ds_old;
        r->devices_on_new += d->world->devs[i].truth == d->world->ds_new;
        r->devices_broken += broken(d, i);
    }
}

static bool by_expected(const struct scenario_expect *x, const char *rule)
{
    for (size_t i = 0; i < x->n_by; i++)
        if (!strcmp(x->by[i], rule))
            return true;
    return x->n_by == 0;
}

/* The first reason stands. */
static void why(struct drill_result *r, const char *fmt, ...) ANDON_PRINTF(2, 3);
static void why(struct drill_result *r, const char *fmt, ...)
{
    if (*r->why)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
}

static void judge_halt(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    char when[FMT_MAX], limit[FMT_MAX];
    if (!x->halted) {
        if (r->halted_at >= 0)
            why(r, "halted at %s by %s, but nothing was to be halted", fmt_dur(when, r->halted_at),
                *r->detected_by ? r->detected_by : "?");
        return;
    }
    if (r->halted_at < 0) {
        why(r, "never halted");
        return;
    }
    int64_t took = r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0);
    if (took > x->within)
        why(r, "halted %s after the injection, later than %s", fmt_dur(when, took), fmt_dur(limit, x->within));
    if (!by_expected(x, d->play.rule))
        why(r, "halted by %s, which is not what this scenario is about", d->play.rule);
    if (x->max_bad_devices >= 0 && r->devices_bad_at_halt > x->max_bad_devices)
        why(r, "%" PRId64 " devices had the new firmware when it was halted, more than %" PRId64,
            r->devices_bad_at_halt, x->max_bad_devices);
}

static void judge_end(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    const struct w_rollout *ro = &d->world->rollouts[d->world->main_rollout];
    if (x->rolled_back && r->rolled_back_at < 0)
        why(r, "not rolled back");
    if (x->rolled_back && r->devices_on_new > 0)
        why(r, "%" PRId64 " of %" PRId64 " devices still run the new firmware", r->devices_on_new, r->devices_total);
    if (x->finished && ro->state != WR_FINISHED)
        why(r, "the rollout has not finished, it is %s", rollout_word(ro->state));
    if ((double)r->devices_on_new < x->min_on_new * (double)r->devices_total)
        why(r, "only %" PRId64 " of %" PRId64 " devices run the new firmware", r->devices_on_new, r->devices_total);
    if ((double)r->devices_on_old < x->min_on_old * (double)r->devices_total)
        why(r, "only %" PRId64 " of %" PRId64 " devices run the old firmware", r->devices_on_old, r->devices_total);
    if (d->play.escalated && x->halted && r->halted_at < 0)
        why(r, "the halt could not be had");
}

static void praise(const struct scenario_expect *x, struct drill_result *r)
{
    char took[FMT_MAX], back[FMT_MAX];
    if (!x->halted)
        snprintf(r->why, sizeof r->why, "nothing was halted; %" PRId64 " of %" PRId64 " devices run the new firmware",
                 r->devices_on_new, r->devices_total);
    else if (r->rolled_back_at >= 0)
        snprintf(r->why, sizeof r->why,
                 "halted by %s %s after the injection with %" PRId64
                 " devices on the new firmware, rolled back %s later",
                 *r->detected_by ? r->detected_by : "a person",
                 fmt_dur(took, r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0)), r->devices_bad_at_halt,
                 fmt_dur(back, r->rolled_back_at - r->halted_at));
    else
        snprintf(r->why, sizeof r->why,
                 "halted by %s %s after the injection with %" PRId64 " devices on the new firmware",
                 *r->detected_by ? r->detected_by : "a person",
                 fmt_dur(took, r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0)), r->devices_bad_at_halt);
}

static int64_t or_never(int64_t t)
{
    return t == TIME_NEVER ? -1 : t;
}

void drill_score(struct drill *d, const struct snapshot *last, struct drill_result *out)
{
    pthread_mutex_lock(&d->lock);
    memset(out, 0, sizeof *out);
    drill_catch_up(d);
    look(d, last);
    out->injected_at = or_never(injected_at(d));
    out->detected_at = or_never(d->play.detected_at);
    out->halted_at = or_never(d->play.halted_at);
    out->rolled_back_at = or_never(d->play.rolled_back_at);
    out->ended_at = now_of(d);
    out->detected_by = d->play.rule;
    out->devices_bad_at_halt = out->halted_at >= 0 ? had_new_by(d, out->halted_at) : 0;
    out->requests = server_requests(d->server);
    count_devices(d, out);
    const struct scenario_expect *x = &d->spec.scenario->expect;
    judge_halt(x, d, out);
    judge_end(x, d, out);
    out->passed = !*out->why;
    if (out->passed)
        praise(x, out);
    pthread_mutex_unlock(&d->lock);
}
