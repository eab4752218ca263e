/* What is shown of a trial: made when a tick has changed something, copied into each snapshot. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/explain.h"
#include "core/fmt.h"
#include "engine/trial_run.h"

#define CARRIERS_MAX 20
#define MISSING_MAX  8

struct trial_shown {
    struct arena arena;
    struct trial_view v;
    int64_t tick;
    enum trial_state state;
};

void run_free_shown(struct ro *ro)
{
    if (!ro->trials.shown)
        return;
    arena_release(&ro->trials.shown->arena);
    free(ro->trials.shown);
    ro->trials.shown = NULL;
}

/* ---- one stage ---- */

static double control_rate(const struct ro *ro)
{
    double rate = ro->judge.control_now.column[COL_REBOOTS].count.rate;
    return rate > 0 && isfinite(rate) ? rate : 0;
}

/* How long it will have been watched: as long as it has run, and at least as the policy lets it bake. */
static int64_t watch_hours(const struct ro *ro, int s)
{
    int64_t us = ro->policy.applies->bake_us;
    if ((size_t)s < ro->facts.n_waves && ro->wv[s].facts.running_since > 0) {
        int64_t end = ro->wv[s].facts.ended_at > 0 ? ro->wv[s].facts.ended_at : now_of(ro->en);
        if (end - ro->wv[s].facts.running_since > us)
            us = end - ro->wv[s].facts.running_since;
    }
    return us > US_PER_HOUR ? us / US_PER_HOUR : 1;
}

static void compared(const struct run_stage *g, int64_t *canary, int64_t *control)
{
    *canary = *control = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].form != FORM_OUTCOME) {
            if (g->v[i].canary_of > *canary)
                *canary = g->v[i].canary_of;
            if (g->v[i].control_of > *control)
                *control = g->v[i].control_of;
        }
}

/* A wave that has not begun: everybody who will have been told by then, against who is still to be told. */
static void to_come(const struct ro *ro, int wave, int64_t *canary, int64_t *control)
{
    int64_t after = 0;
    *canary = 0;
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        *((int)i <= wave ? canary : &after) += ro->facts.waves[i].total;
    *control = after < ro->policy.applies->control_max ? after : ro->policy.applies->control_max;
}

/* A plan is no finer than a quarter of the rate: it is made anew only when something has changed that shows. */
static bool same_rate(double a, double b)
{
    return a == b || fabs(a - b) < b / 4;
}

/* How the devices of a stage are spread over the strata: everybody who will have been told by then, against the rest.
 */
static void in_strata(const struct run *r, int s, double rate, struct plan *out)
{
    int64_t y[2][TRIAL_STRATA] = {{0}};
    struct plan_spread spread = {(int)r->n_strata, y[0], y[1]};
    for (size_t i = 0; i < r->n; i++) {
        const struct run_dev *d = &r->v[i];
        bool canary = d->wave >= 0 && d->wave <= s;
        if (!d->left && (canary || d->control))
            y[!canary][d->stratum]++;
    }
    planner_strata(&r->ro->policy.applies->evidence, s, r->spec.waves, &spread, rate, out);
}

static const struct run_plan *plan_of(struct run *r, int s, int64_t canary, int64_t control)
{
    struct run_plan *p = &r->plan[s];
    int64_t hours = watch_hours(r->ro, s);
    double rate = control_rate(r->ro);
    if (p->made && p->v.canary == canary && p->v.control == control && p->v.hours == hours && p->of_all == r->n &&
        same_rate(rate, p->rate))
        return p;
    p->made = true;
    p->rate = rate;
    p->of_all = r->n;
    planner_wave(&r->ro->policy.applies->evidence, s, r->spec.waves, canary, control, hours, rate, &p->v);
    in_strata(r, s, rate, &p->v);
    return p;
}

static void fit_policy(const struct run *r, struct run_stage *g)
{
    for (size_t i = 0; i < g->n; i++) /* shown: a policy that never rolls back by itself promises none */
        explain_rollback(&r->ro->policy.applies->evidence, &g->v[i]);
}

/* The tests of a stage as they are shown: those of one that has ended stay as they are. */
static const struct run_stage *stage_of(struct run *r, int s, struct run_stage *now)
{
    if (s == trial_stage(r->trial)) {
        *now = *run_standing(r);
        fit_policy(r, now);
        return now;
    }
    if (!r->closed[s]) {
        r->closed[s] = xcalloc(1, sizeof *r->closed[s]);
        r->closed[s]->n = trial_evidence(r->trial, s, r->closed[s]->v, r->closed[s]->which);
        fit_policy(r, r->closed[s]);
    }
    return r->closed[s];
}

static int leading_of(const struct run_stage *g)
{
    int best = -1;
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].log_e > 0 &&
            (best < 0 || g->v[i].log_e - g->v[i].log_pause > g->v[best].log_e - g->v[best].log_pause))
            best = (int)i;
    return best;
}

/* With the words of a policy's own tests, which go with it. */
static const struct evidence *evidence_copy(struct arena *a, const struct evidence *from, size_t n)
{
    struct evidence *v = arena_memdup(a, from, n * sizeof *from);
    for (size_t i = 0; i < n; i++) {
        v[i].test = arena_strdup(a, from[i].test);
        v[i].plain = arena_strdup(a, from[i].plain);
    }
    return v;
}

static void put_stage(struct arena *a, const struct run_stage *g, struct stage_view *out)
{
    out->v = evidence_copy(a, g->v, g->n);
    out->which = arena_memdup(a, g->which, g->n * sizeof *g->which);
    out->n = g->n;
    out->leading = leading_of(g);
}

static void put_plan(struct run *r, struct arena *a, const struct run_plan *p, struct stage_view *out)
{
    char text[PLAN_TEXT];
    planner_text(&r->ro->policy.applies->evidence, &p->v, text, sizeof text);
    out->plan = p->v;
    out->plan_text = arena_strdup(a, text);
}

static void put_placebo(struct arena *a, const struct run *r, int s, struct stage_view *out)
{
    const struct placebo_result *p = &r->placebo_of[s];
    char text[PLACEBO_TEXT];
    out->placebo = arena_memdup(a, p, sizeof *p);
    placebo_text(p, &r->spec.policy, text);
    out->placebo_text = arena_strdup(a, text);
    placebo_brief(p, &r->spec.policy, text);
    out->placebo_brief = arena_strdup(a, text);
    out->placebo_metric = arena_strdup(a, metric_id(&r->spec.policy, p->row));
}

static void stages(struct run *r, struct trial_shown *sh)
{
    struct trial_view *v = &sh->v;
    int n = trial_stages(r->trial), running = trial_stage(r->trial);
    v->n_stages = n > 0 ? (size_t)n : 0;
    v->n_planned = (size_t)(r->n_waves > n ? r->n_waves : n);
    v->stages = ARENA_ARRAY(&sh->arena, struct stage_view, v->n_planned + 1);
    for (int s = 0; s < (int)v->n_planned; s++) {
        struct stage_view *o = &v->stages[s];
        struct run_stage now;
        int64_t canary, control;
        o->leading = -1;
        if (s < n) {
            const struct run_stage *g = stage_of(r, s, &now);
            put_stage(&sh->arena, g, o);
            compared(g, &canary, &control);
        }
        if (s == running)
            trial_watch(r->trial, &o->canary, &o->control, &o->canary_hours);
        if (s >= n || s == running) /* its devices come in one by one: the plan is about all of them */
            to_come(r->ro, s, &canary, &control);
        put_plan(r, &sh->arena, plan_of(r, s, canary, control), o);
        if (r->wave[s].applied)
            put_placebo(&sh->arena, r, s, o);
    }
}

/* ---- who carries it, and what they share ---- */

static void shares(struct run *r, struct trial_shown *sh, const struct trial_ix *bad, size_t n_bad)
{
    const struct evidence_policy *p = &r->ro->policy.applies->evidence;
    size_t n = 0;
    if (p->n_strata == 0 || n_bad == 0)
        return;
    int32_t *values = xcalloc(r->n + 1, p->n_strata * sizeof *values);
    bool *is_bad = xcalloc(r->n + 1, sizeof *is_bad);
    struct share found[SHARE_MAX];
    for (size_t i = 0, k = 0; i < r->n; i++) {
        while (k < n_bad && bad[k].i < i)
            k++;
        if (!trial_is_canary(r->trial, TRIAL_IX(i)))
            continue;
        for (size_t a = 0; a < p->n_strata; a++)
            values[n * p->n_strata + a] = r->v[i].attr[a];
        is_bad[n++] = k < n_bad && bad[k].i == i;
    }
    size_t m = share_find(p->strata, p->n_strata, values, (const char *const *)r->names, r->n_names, is_bad, n, found);
    struct share *out = ARENA_ARRAY(&sh->arena, struct share, m + 1);
    for (size_t i = 0; i < m; i++) {
        out[i] = found[i];
        out[i].key = arena_strdup(&sh->arena, found[i].key);
        out[i].value = arena_strdup(&sh->arena, found[i].value);
    }
    sh->v.shares = out;
    sh->v.n_shares = m;
    free(values);
    free(is_bad);
}

static void carriers(struct run *r, struct trial_shown *sh)
{
    const struct engine *en = r->ro->en;
    struct trial_view *v = &sh->v;
    const struct stage_view *s = v->n_stages > 0 ? &v->stages[v->n_stages - 1] : NULL;
    if (!s || s->leading < 0)
        return;
    struct trial_ix *at = xcalloc(r->n + 1, sizeof *at);
    size_t n = trial_carriers(r->trial, s->which[s->leading], at, r->n);
    const char **ids = ARENA_ARRAY(&sh->arena, const char *, CARRIERS_MAX);
    const char **raw = ARENA_ARRAY(&sh->arena, const char *, CARRIERS_MAX);
    n = n < r->n ? n : r->n;
    v->carriers_total = n;
    for (; v->n_carriers < n && v->n_carriers < CARRIERS_MAX; v->n_carriers++) {
        const struct dev *d = &en->watch.devs[r->v[at[v->n_carriers].i].dev];
        ids[v->n_carriers] = arena_strdup(&sh->arena, d->id);
        raw[v->n_carriers] = arena_strdup(&sh->arena, d->raw_id);
    }
    v->carriers = ids;
    v->carriers_raw = raw;
    shares(r, sh, at, n);
    free(at);
}

/* ---- rendering ---- */

static void head(const struct run *r, struct trial_view *v, struct arena *a)
{
    const struct engine *en = r->ro->en;
    char hms[FMT_MAX], clocks[120];
    v->state = r->state;
    v->stage = r->trial ? trial_stage(r->trial) : -1;
    v->start = r->wave[0].told_known ? r->spec.start : 0;
    v->tick = r->trial ? trial_next_tick(r->trial) - r->spec.step_us : 0;
    if (v->tick < v->start)
        v->tick = 0;
    v->progress = 1;
    if (r->state == TRIAL_CATCHING && en->trials.newest > r->catching_from)
        v->progress = (double)(trial_next_tick(r->trial) - r->catching_from) /
                      (double)(en->trials.newest + r->spec.step_us - r->catching_from);
    if (r->state == TRIAL_BEHIND && trial_clocks(r->ro, clocks, sizeof clocks))
        v->text = arena_printf(a, "%s; what is measured meanwhile does not count", clocks);
    else if (r->state == TRIAL_WAITING)
        v->text = arena_printf(a, "reads %s", *r->waits ? r->waits : "the facts");
    else if (r->state != TRIAL_LIVE && *r->waits)
        v->text = arena_strdup(a, r->waits);
    else if (r->begun_at > 0)
        v->text =
            arena_printf(a, "what was before %s is not known: the source keeps no history", fmt_hms(hms, r->begun_at));
    else if (r->rebuilds > 0)
        v->text = arena_printf(a, "built anew %d times, since facts came late", r->rebuilds);
}

void run_render(struct run *r)
{
    struct ro *ro = r->ro;
    char text[EXPLAIN_TEXT];
    if (!ro->trials.shown)
        ro->trials.shown = xcalloc(1, sizeof *ro->trials.shown);
    struct trial_shown *sh = ro->trials.shown;
    arena_release(&sh->arena);
    memset(&sh->v, 0, sizeof sh->v);
    sh->v.text = sh->v.sentence = "";
    head(r, &sh->v, &sh->arena);
    sh->tick = sh->v.tick;
    sh->state = r->state;
    r->changed = false;
    if (!r->trial)
        return;
    stages(r, sh);
    carriers(r, sh);
    trial_after(r->trial, &sh->v.after);
    const struct stage_view *s = sh->v.n_stages > 0 ? &sh->v.stages[sh->v.n_stages - 1] : NULL;
    if (s && s->leading >= 0) {
        explain_sentence(&s->v[s->leading], s->which[s->leading], text, sizeof text);
        sh->v.sentence = arena_strdup(&sh->arena, text);
    }
}

/* ---- what is missing for promotion ---- */

static void ANDON_PRINTF(3, 4) miss(struct trial_view *v, struct arena *a, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    if (v->n_missing >= MISSING_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->missing[v->n_missing++] = arena_strdup(a, text);
}

bool trial_hours_left(const struct ro *ro, double *hours)
{
    int64_t canary, control;
    double had = 0;
    *hours = 0;
    if (!(ro->policy.applies->min_device_hours > 0))
        return false;
    if (ro->trials.run && ro->trials.run->trial)
        trial_watch(ro->trials.run->trial, &canary, &control, &had);
    if (had < ro->policy.applies->min_device_hours)
        *hours = ro->policy.applies->min_device_hours - had;
    return *hours > 0;
}

static void missing_limits(const struct verdict *d, struct trial_view *v, struct arena *a)
{
    for (size_t i = 0; i < d->n_limits; i++) {
        const struct limit_view *l = &d->limits[i];
        if (l->status == LIMIT_PENDING)
            miss(v, a, "%s is breached, not yet for long enough", l->limit->id);
        else if (l->status == LIMIT_UNKNOWN)
            miss(v, a, "%s: not known", l->limit->id);
    }
}

static void missing(const struct ro *ro, struct arena *a, struct trial_view *v)
{
    const struct policy *p = ro->policy.applies;
    char f[FMT_MAX], g[FMT_MAX], clocks[120];
    double hours;
    bool more = false;
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        more = more || ro->facts.waves[i].state == WAVE_SCHEDULED;
    if (!more || ro_ended(ro) || ro->facts.current < 0 || (size_t)ro->facts.current >= ro->facts.n_waves)
        return;
    const struct wv *w = &ro->wv[ro->facts.current];
    int64_t ran = w->facts.running_since > 0 ? now_of(ro->en) - w->facts.running_since : 0;
    if (ran < p->bake_us)
        miss(v, a, "bake time: %s left", fmt_dur(f, p->bake_us - ran));
    if (trial_hours_left(ro, &hours)) {
        v->hours_left = hours;
        miss(v, a, "device-hours: %s of %s left", fmt_num(f, hours), fmt_num(g, p->min_device_hours));
    }
    const struct group_health *c = &w->judge.health.canary;
    if (c->reporting < policy_report_needed(p, c->expected))
        miss(v, a, "coverage: %lld of %lld canaries report, %lld needed", (long long)c->reporting,
             (long long)c->expected, (long long)policy_report_needed(p, c->expected));
    if (w->judge.verdict.thin)
        miss(v, a, w->judge.verdict.early ? "telemetry has not come in yet" : "telemetry is missing");
    if (trial_catching(ro))
        miss(v, a, v->state == TRIAL_WAITING ? "the evidence waits for facts" : "the evidence is catching up");
    else if (trial_clocks(ro, clocks, sizeof clocks))
        miss(v, a, "%s", clocks);
    else if (v->state == TRIAL_BEHIND)
        miss(v, a, "the evidence is behind");
    missing_limits(&w->judge.verdict, v, a);
    if (stop_latched(&ro->stop.m))
        miss(v, a, "the halt must be acknowledged");
    else if (w->judge.verdict.react >= REACT_HOLD && !w->judge.verdict.data_missing && !trial_catching(ro))
        miss(v, a, "the verdict is %s", reaction_word(w->judge.verdict.react));
    if (p->promotion == PROMOTE_HOLD || ro->facts.r.state == ROLLOUT_PAUSED) {
        size_t before = v->n_missing;
        miss(v, a, "a person must advance it");
        v->person = v->n_missing > before;
    }
}

/* ---- into the snapshot ---- */

static void copy(struct arena *a, const struct trial_view *from, struct trial_view *to)
{
    *to = *from;
    to->text = arena_strdup(a, from->text);
    to->sentence = arena_strdup(a, from->sentence);
    to->stages = ARENA_ARRAY(a, struct stage_view, from->n_planned + 1);
    for (size_t i = 0; i < from->n_planned; i++) {
        const struct stage_view *s = &from->stages[i];
        to->stages[i] = *s;
        to->stages[i].v = evidence_copy(a, s->v, s->n);
        to->stages[i].which = arena_memdup(a, s->which, s->n * sizeof *s->which);
        to->stages[i].plan_text = arena_strdup(a, s->plan_text);
        to->stages[i].placebo = s->placebo ? arena_memdup(a, s->placebo, sizeof *s->placebo) : NULL;
        to->stages[i].placebo_text = s->placebo ? arena_strdup(a, s->placebo_text) : NULL;
        to->stages[i].placebo_brief = s->placebo ? arena_strdup(a, s->placebo_brief) : NULL;
        to->stages[i].placebo_metric = s->placebo ? arena_strdup(a, s->placebo_metric) : NULL;
    }
    const char **ids = ARENA_ARRAY(a, const char *, from->n_carriers + 1);
    const char **raw = ARENA_ARRAY(a, const char *, from->n_carriers + 1);
    for (size_t i = 0; i < from->n_carriers; i++) {
        ids[i] = arena_strdup(a, from->carriers[i]);
        raw[i] = arena_strdup(a, from->carriers_raw[i]);
    }
    to->carriers = ids;
    to->carriers_raw = raw;
    struct share *sh = ARENA_ARRAY(a, struct share, from->n_shares + 1);
    for (size_t i = 0; i < from->n_shares; i++) {
        sh[i] = from->shares[i];
        sh[i].key = arena_strdup(a, from->shares[i].key);
        sh[i].value = arena_strdup(a, from->shares[i].value);
    }
    to->shares = sh;
}

static void ledger(const struct ro *ro, struct arena *a, struct ledger_view *out)
{
    const struct ro_ledger *g = ro->trials.ledger;
    *out = (struct ledger_view){.text = "", .note = ""};
    if (!g || !g->bound)
        return;
    *out = (struct ledger_view){.known = g->known,
                                .alpha = g->alpha,
                                .own = g->own,
                                .others = g->others,
                                .left = g->plan.left,
                                .dry = g->plan.dry,
                                .text = arena_strdup(a, g->text),
                                .note = arena_strdup(a, g->note)};
}

const char *trial_note(const struct ro *ro)
{
    return ro->trials.ledger && ro->trials.run ? ro->trials.ledger->note : "";
}

const char *trial_unlike(const struct ro *ro, size_t wave)
{
    const struct trial_shown *sh = ro->trials.shown;
    const struct stage_view *s = sh && ro->trials.run && wave < sh->v.n_planned ? &sh->v.stages[wave] : NULL;
    return s && s->placebo && s->placebo->word == PLACEBO_UNLIKE ? s->placebo_brief : "";
}

void trial_publish(const struct ro *ro, struct arena *a, struct trial_view *out)
{
    struct run *r = ro->trials.run;
    *out = (struct trial_view){.state = TRIAL_OFF, .text = "", .sentence = "", .stage = -1};
    if (r) {
        bool fresh = ro->trials.shown && ro->trials.shown->state == r->state && !r->changed &&
                     (r->state == TRIAL_LIVE || r->state == TRIAL_BEHIND);
        if (!fresh)
            run_render(r);
    }
    if (ro->trials.shown)
        copy(a, &ro->trials.shown->v, out);
    if (!r) {
        out->state = TRIAL_OFF;
        out->text = ro->trials.off ? ro->trials.off : "";
        out->ended = ro_ended(ro) && out->n_stages > 0;
    }
    ledger(ro, a, &out->ledger);
    out->dry_run = ro->policy.applies->evidence.tests == TESTS_DRY_RUN;
    missing(ro, a, out);
}
