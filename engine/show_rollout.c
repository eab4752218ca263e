/* One rollout as a screen sees it. */
#include <stdio.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/worker.h"

static const char *dup_text(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

static void wave_copy(struct arena *a, struct wave *to, const struct wave *from)
{
    *to = *from;
    to->id = dup_text(a, from->id);
    to->name = dup_text(a, from->name);
    to->state_word = dup_text(a, from->state_word);
    to->success.text = dup_text(a, from->success.text);
    to->failure.text = dup_text(a, from->failure.text);
    to->success_action = dup_text(a, from->success_action);
}

/* With their words, which then outlive the policy. */
static const struct figure *figures(struct arena *a, const struct evidence_policy *p, size_t *n)
{
    *n = figure_count(p);
    struct figure *v = ARENA_ARRAY(a, struct figure, *n);
    for (size_t i = 0; i < *n; i++) {
        v[i] = *figure_of(p, i);
        const char **const words[] = {&v[i].word, &v[i].phrase, &v[i].per, &v[i].unit, &v[i].brief};
        for (size_t k = 0; i >= FIGURES_BUILTIN && k < sizeof words / sizeof *words; k++)
            *words[k] = arena_strdup(a, *words[k]);
    }
    return v;
}

static void waves(struct snapshot *s, const struct ro *ro, struct rollout_view *v)
{
    struct wave *list = ARENA_ARRAY(&s->arena, struct wave, ro->facts.n_waves + 1);
    v->waves = ARENA_ARRAY(&s->arena, struct wave_view, ro->facts.n_waves + 1);
    v->n_waves = ro->facts.waves_known ? ro->facts.n_waves : 0;
    size_t n;
    const struct figure *fig = figures(&s->arena, &ro->policy.applies->evidence, &n);
    for (size_t i = 0; i < v->n_waves; i++) {
        const struct wv *w = &ro->wv[i];
        struct wave_view *o = &v->waves[i];
        wave_copy(&s->arena, &list[i], &ro->facts.waves[i]);
        o->wave = list[i];
        o->health = w->judge.health;
        if (ro_ended(ro) && o->wave.counts.known) { /* nobody judges it any more: the server's last word */
            o->health.installed = o->wave.counts.finished;
            o->health.failed = o->wave.counts.error;
            o->health.overdue = o->health.unreached = 0;
        }
        o->verdict = w->judge.verdict;
        o->verdict.rule = dup_text(&s->arena, w->judge.verdict.rule);
        o->watched = w->judge.judged && !ro_ended(ro) && ro->en->tm;
        o->members = (int64_t)w->watch.n_members;
        o->had_release = (int64_t)w->watch.had_release;
        o->running_since = w->facts.running_since;
        o->ended_at = w->facts.ended_at;
        o->decided_by = dup_text(&s->arena, w->verbs.decided_by);
        o->figures = fig;
        for (size_t k = 0; k < o->verdict.n_limits; k++) {
            size_t f = o->verdict.limits[k].figure->number;
            o->verdict.limits[k].figure = f < n ? &fig[f] : &figure_unknown;
        }
        o->n_figures = n;
        memcpy(o->trend, w->judge.trend, sizeof o->trend);
        memcpy(o->trend_control, w->judge.trend_control, sizeof o->trend_control);
        if (w->judge.judged && !ro_ended(ro) && w->judge.verdict.react > v->verdict)
            v->verdict = w->judge.verdict.react;
    }
    v->wave_list = list;
}

static void ANDON_PRINTF(3, 4) warn(struct snapshot *s, struct rollout_view *v, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (v->n_warnings >= sizeof v->warnings / sizeof *v->warnings)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->warnings[v->n_warnings++] = dup_text(&s->arena, text);
}

/* What misleads about this rollout on this server. */
static void warnings(struct snapshot *s, const struct ro *ro, struct rollout_view *v)
{
    bool ended = ro_ended(ro);
    char part[WATCH_TEXT];
    if (*v->note_problem)
        warn(s, v, "%s", v->note_problem);
    if (ro->facts.other_at > 0)
        warn(s, v, "this is another rollout than the one that had its number before: nothing of that one applies");
    if (control_blind(ro))
        warn(s, v, "every device has been told and none was measured before: relative limits judge nothing");
    for (size_t i = 0; i < v->n_waves && !ended; i++) {
        const struct condition *c = &ro->facts.waves[i].failure;
        if (c->present && !c->can_fire) {
            warn(s, v, "error threshold \"%.40s\" of W%zu never fires", c->text, i);
            break;
        }
    }
    for (size_t i = v->n_waves; i-- > 0 && !ended;)
        if (watch_part(ro, i, part)) { /* the newest of them: the others' stand in the log */
            warn(s, v, "%s", part);
            break;
        }
    if (ro->facts.r.state == ROLLOUT_FINISHED && ro->facts.r.counts.known && ro->facts.r.counts.error > 0)
        warn(s, v, "finished, but %lld of %lld devices failed", (long long)ro->facts.r.counts.error,
             (long long)ro->facts.r.total);
    if (ro->facts.r.state == ROLLOUT_FINISHED && ro->facts.r.counts.known && ro->facts.r.counts.cancelled > 0)
        warn(s, v, "finished, but %lld devices were cancelled", (long long)ro->facts.r.counts.cancelled);
    if (ro->policy.applies->promotion == PROMOTE_SERVER && !ended && v->n_waves > 1 &&
        ro->facts.waves[0].success.present)
        warn(s, v, "a success threshold does not hold the next wave: it starts when all have answered");
    if (ro->facts.r.state == ROLLOUT_STOPPED && ro->facts.inflight.known && ro->facts.inflight.canceling > 0)
        warn(s, v, "%lld recalled devices have not answered; the server counts them as running",
             (long long)ro->facts.inflight.canceling);
    if (ro->facts.inflight.known && ro->facts.inflight.lost > 0)
        warn(s, v, "%lld devices were cut off: they may install it all the same, and the server would not learn of it",
             (long long)ro->facts.inflight.lost);
    if (!ended && ro->trials.run && trial_told_here(ro) >= 0)
        warn(s, v, "when W%d was told is by andon's own clock: the server does not say", trial_told_here(ro));
    if (!ended && ro->trials.run && (size_t)trial_declared(ro) < v->n_waves)
        warn(s, v, "waves from W%d on are not tested: they were not there when the tests began, or are too many",
             trial_declared(ro));
    if (v->n_waves == WAVES_MAX)
        warn(s, v, "it has more waves than can be shown");
}

static int64_t going(const struct ro *ro)
{
    if (ro->facts.inflight.known && now_of(ro->en) - ro->facts.inflight_at < 2 * fresh_us(ro->en))
        return ro->facts.inflight.running + ro->facts.inflight.canceling;
    return ro->facts.r.counts.known ? ro->facts.r.counts.running : -1;
}

static const char *next_text(struct snapshot *s, const struct ro *ro, const struct rollout_view *v)
{
    const struct wave_view *w = v->current >= 0 && (size_t)v->current < v->n_waves ? &v->waves[v->current] : NULL;
    char dur[FMT_MAX];
    if (v->rollback.step != RB_NONE && v->rollback.step != RB_DONE)
        return arena_printf(&s->arena, "back %lld/%lld", (long long)v->rollback.verified,
                            (long long)v->rollback.devices);
    if (v->stop == STOP_ESCALATED)
        return "you: stop it at the server";
    if (v->latched)
        return v->rollback.outcome == RB_COMPLETE ? "you: ack (a)" : "you: decide";
    switch (ro->facts.r.state) {
    case ROLLOUT_WAITING_APPROVAL:
        return "you: approve";
    case ROLLOUT_READY:
        return "you: start";
    case ROLLOUT_PAUSED:
        if (ro_stop_passes(ro) && ro->policy.applies->lost_resume && ro->en->spec.judge && !rollback_acted(ro))
            return "andon: resumes";
        return v->verdict >= REACT_WATCH ? "you: decide" : v->held ? "you: advance" : "you: resume";
    case ROLLOUT_STARTING:
        return "starting";
    case ROLLOUT_RUNNING:
        break;
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_CREATING:
    case ROLLOUT_DENIED:
    case ROLLOUT_STOPPING:
    case ROLLOUT_STOPPED:
    case ROLLOUT_FINISHED:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        return "";
    }
    if (!w || !w->wave.counts.known || w->wave.total == 0)
        return "";
    int64_t share = 100 * (w->wave.counts.finished + w->wave.counts.error) / w->wave.total;
    return arena_printf(&s->arena, "W%d %lld%% %s", v->current, (long long)share,
                        w->running_since ? fmt_dur(dur, s->taken_at - w->running_since) : "");
}

static void halt(struct snapshot *s, const struct ro *ro, struct rollout_view *v)
{
    const struct ro_stop *h = &ro->stop;
    static const struct halt_known none;
    bool any = stop_latched(&h->m) || stop_driving(&h->m);
    const struct halt_known *k = any ? ro_stop_halt(ro) : &none;
    v->stop = h->m.phase;
    v->stop_old = h->m.stale;
    v->latched = stop_latched(&h->m);
    v->runs_on = h->ran;
    v->ran_at = h->ran_at;
    v->halted_at = !any ? 0 : halt_said(v->stop, false).true_now && h->shown_at ? h->shown_at : k->at;
    v->halted_by = dup_text(&s->arena, k->by);
    v->halted_host = dup_text(&s->arena, k->host);
    v->halted_from = h->m.from;
    v->halted_log = dup_text(&s->arena, k->log);
    v->halt_text = dup_text(&s->arena, k->text);
}

/* Its own metrics are what was read from the log. */
static void own_metrics(struct arena *a, struct evidence_policy *p)
{
    struct metric_def *own = arena_memdup(a, p->own, p->n_own * sizeof *own);
    for (size_t i = 0; i < p->n_own; i++) {
        own[i].id = dup_text(a, own[i].id);
        own[i].title = dup_text(a, own[i].title);
        own[i].unit = dup_text(a, own[i].unit);
    }
    p->own = own;
    (void)!metric_make_tests(p, a); /* as many as before */
}

/* One that the rollout is held to is the engine's own: a copy outlives it. */
static const struct policy *shown_policy(struct arena *a, const struct ro *ro)
{
    if (ro->policy.applies == ro->policy.ruled)
        return ro->policy.ruled;
    struct policy *p = arena_memdup(a, ro->policy.applies, sizeof *p);
    p->evidence.control = dup_text(a, p->evidence.control);
    own_metrics(a, &p->evidence);
    for (size_t i = 0; i < p->evidence.n_strata; i++)
        p->evidence.strata[i] = dup_text(a, p->evidence.strata[i]);
    return p;
}

void show_rollout(struct snapshot *s, const struct ro *ro, struct rollout_view *v)
{
    rollout_copy(&s->arena, &v->rollout, &ro->facts.r);
    v->policy = shown_policy(&s->arena, ro);
    v->waves_known = ro->facts.waves_known;
    v->unlisted = ro_ended(ro) ? NULL : err_shown(&s->arena, &ro->watch.unlisted);
    v->waves_error = err_shown(&s->arena, &ro->facts.waves_error);
    v->current = ro->facts.current;
    waves(s, ro, v);
    halt(s, ro, v);
    v->in_flight = going(ro);
    v->held = stop_held(&ro->stop.m);
    v->paused_by = dup_text(&s->arena, ro->facts.r.state == ROLLOUT_PAUSED ? ro->stop.paused_by : "");
    v->gate_waits = ro->facts.r.state == ROLLOUT_WAITING_APPROVAL ||
                    (v->held && ro->policy.applies->promotion == PROMOTE_HOLD && !v->latched);
    v->other_at = ro->facts.other_at;
    char problem[200];
    notes_problem(ro, problem, sizeof problem);
    v->note_problem = dup_text(&s->arena, problem);
    warnings(s, ro, v);
    rollback_view(ro, &s->arena, &v->rollback);
    v->rollback_of = dup_text(&s->arena, notes_back_of(ro));
    v->rollback_by = dup_text(&s->arena, ro->notes.back_by);
    v->rollback_host = dup_text(&s->arena, ro->notes.back_host);
    v->rollback_claimed = !*ro->rollback.of && *ro->notes.back_of;
    trial_publish(ro, &s->arena, &v->trial);
    v->approvals = approvals_shown(ro->en, ro, &s->arena);
    v->next = next_text(s, ro, v);
}
