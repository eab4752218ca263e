/* What the files of a trial's driver share: its spec, its making and unmaking, the standing of its tests. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/keeper.h"
#include "engine/trial_run.h"

#define HOLD_US      US_PER_MIN /* without progress; not before one window of coverage */
#define REBUILDS_MAX 5          /* later, what comes late counts from the next tick on */

void run_say(struct run *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->waits, sizeof r->waits, fmt, ap);
    va_end(ap);
    mark(r->ro->en);
}

void run_failed(struct run *r, const struct err *e)
{
    r->failures++;
    r->err = *e;
}

struct trial_ix run_index(const struct run *r, size_t dev)
{
    return dev < r->n_of_dev && r->of_dev[dev] > 0 ? TRIAL_IX(r->of_dev[dev] - 1) : TRIAL_NONE;
}

void run_columns(const struct run *r, size_t out[TICK_COLUMNS_MAX])
{
    const struct evidence_policy *p = &r->spec.policy;
    int8_t own[METRICS_OWN];
    watch_columns(r->ro->en, p, own);
    for (size_t c = 0; c < TICK_COLUMNS_MAX; c++)
        out[c] = c < COL_BUILTIN ? c : SIZE_MAX;
    for (size_t i = 0; i < p->n_own; i++)
        if (own[i] >= 0)
            out[COL_BUILTIN + i] = (size_t)own[i];
}

int32_t run_name(struct run *r, const char *text)
{
    for (size_t i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i], text) == 0)
            return (int32_t)i;
    if (r->n_names == RUN_NAMES)
        return -1;
    r->names[r->n_names] = xstrdup(text);
    return (int32_t)r->n_names++;
}

/* ---- the spec ---- */

static void hash_num(struct buf *b, double v)
{
    char f[FMT_MAX];
    buf_printf(b, "%s\n", fmt_hexfloat(f, v));
}

/* Whatever changes a trial's bits, but for facts and telemetry. */
static void digest_of(struct run *r, int64_t control_max)
{
    const struct trial_spec *s = &r->spec;
    const struct evidence_policy *p = &s->policy;
    struct evidence_policy numbers = *p;
    double *num[POLICY_NUMBERS];
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b, "andon run 1\n%d %d %lld %lld %lld %lld %d %lld\n", p->min_devices, s->waves, (long long)s->start,
               (long long)s->step_us, (long long)s->grace_us, (long long)s->silence_us, s->boot_time,
               (long long)r->ro->en->policy->window_us);
    policy_numbers(&numbers, num);
    for (size_t i = 0; i < POLICY_NUMBERS; i++)
        hash_num(&b, *num[i]);
    if (p->design > 0)
        buf_printf(&b, "design %d\n", p->design);
    if (!metric_builtin(p)) { /* a kept state of the five alone is as before */
        char metrics[SHA256_HEX];
        metric_digest(p, metrics);
        buf_printf(&b, "metrics %s\n", metrics);
    }
    buf_printf(&b, "%lld\n%s\n", (long long)control_max, p->control ? p->control : "");
    for (size_t i = 0; i < p->n_strata; i++)
        buf_printf(&b, "%s\n", p->strata[i]);
    sha256_hex(b.data, b.len, r->digest);
    buf_release(&b);
}

struct trial_spec run_spec_by_rules(const struct run *r)
{
    struct engine *en = r->ro->en;
    const struct policy *p = r->ro->policy.ruled;
    int64_t step = beat_interval(en);
    return (struct trial_spec){.policy = p->evidence,
                               .waves = r->n_waves,
                               .start = r->wave[0].told_at,
                               .step_us = step,
                               .grace_us = p->grace_us,
                               .silence_us = 5 * step > 5 * US_PER_MIN ? 5 * step : 5 * US_PER_MIN,
                               .boot_time = en->tm->ops->boot_time && en->tm->ops->boot_time(en->tm)};
}

void run_bind(struct run *r, const struct trial_terms *t)
{
    int64_t start = r->spec.start;
    if (t) {
        r->spec = t->spec;
        r->spec.start = start;
        r->n_waves = t->spec.waves;
    }
    digest_of(r, t ? t->control_max : r->ro->policy.ruled->control_max);
}

/* ---- made, and made anew ---- */

void run_give_acks(struct run *r)
{
    const struct ro *ro = r->ro;
    for (size_t i = 0; i < ro->trials.n_acks; i++)
        if (ro->trials.acks[i] > r->ack) {
            trial_ack(r->trial, ro->trials.acks[i]);
            r->ack = ro->trials.acks[i];
        }
}

bool run_make(struct run *r)
{
    struct err e = {0};
    r->trial = trial_new(&r->spec, &e);
    r->ack = 0;
    if (!r->trial) {
        run_say(r, "%s", e.what);
        return false;
    }
    run_add_shares(r);
    run_give_acks(r);
    return true;
}

bool ro_blind(const struct ro *ro)
{
    return ro->trials.clocks.shut && !ro_replayed(ro);
}

bool run_late(struct run *r)
{
    if (beat_history(r->ro->en) && r->rebuilds < REBUILDS_MAX && !ro_blind(r->ro)) { /* then times mean nothing */
        r->rebuild = true;
        return false;
    }
    return true;
}

/* Nothing is known and nothing is there: the facts are read again. */
void run_clear(struct run *r)
{
    trial_free(r->trial);
    r->trial = NULL;
    for (int w = 0; w < TRIAL_WAVES; w++) {
        free(r->wave[w].v);
        free(r->closed[w]);
        r->closed[w] = NULL;
    }
    memset(r->wave, 0, sizeof r->wave);
    memset(r->outcome, 0, sizeof r->outcome);
    placebo_release(&r->placebo);
    memset(r->placebo_of, 0, sizeof r->placebo_of);
    r->failed = 0;
    r->overdue = 0;
    for (size_t i = 0; i < r->n_strata; i++)
        free(r->strata[i]);
    r->n_strata = 0;
    r->n = r->n_pending = 0;
    if (r->of_dev)
        memset(r->of_dev, 0, r->n_of_dev * sizeof *r->of_dev);
    r->control_wave = -1;
    r->release_at = 0;
    r->ev_tick = r->standing_tick = 0;
    r->ev_stage = -1;
    r->n_ev = 0;
    r->busy = r->fetching = false;
    r->serial = ++r->ro->en->trials.run_serial; /* answers that are under way belong to the old one */
}

void run_drop_kept(struct run *r)
{
    struct engine *en = r->ro->en;
    r->kept_tick = r->kept_at = 0;
    if (en->trials.keeper && en->spec.judge)
        keeper_drop(en->trials.keeper, &r->ro->facts.mark.who);
}

void run_rebuild(struct run *r)
{
    r->rebuild = false;
    r->rebuilds++;
    run_change(r, "a fact came too late: the evidence is built anew from history");
    run_clear(r);
    run_drop_kept(r);
    r->no_kept = true;
}

static void run_free(struct run *r)
{
    if (!r)
        return;
    run_clear(r);
    for (size_t i = 0; i < r->n_names; i++)
        free(r->names[i]);
    free(r->v);
    free(r->of_dev);
    free(r->pending);
    tick_release(&r->tick);
    arena_release(&r->arena);
    free(r);
}

void trial_end(struct ro *ro)
{
    run_free(ro->trials.run);
    ro->trials.run = NULL;
}

/* ---- evidence ---- */

const struct run_stage *run_standing(struct run *r)
{
    int64_t tick = trial_next_tick(r->trial);
    int s = trial_stage(r->trial);
    if (r->standing_tick == tick && r->standing_ack == r->ack && r->standing_stage == s && !r->outcomes_new)
        return &r->standing;
    r->standing_tick = tick;
    r->standing_ack = r->ack;
    r->standing_stage = s;
    r->outcomes_new = false;
    r->standing.n = s < 0 ? 0 : trial_evidence(r->trial, s, r->standing.v, r->standing.which);
    return &r->standing;
}

/* ---- how it stands ---- */

bool trial_busy(const struct ro *ro)
{
    return ro->trials.run && (ro->trials.run->busy || ro->trials.run->fetching);
}

int trial_declared(const struct ro *ro)
{
    return ro->trials.run ? ro->trials.run->n_waves : (int)ro->facts.n_waves;
}

int trial_told_here(const struct ro *ro)
{
    const struct run *r = ro->trials.run;
    for (int w = 0; r && w < r->n_waves; w++)
        if (r->wave[w].told_known && (r->wave[w].told_here || !ro->en->be->ops->told_at))
            return w;
    return -1;
}

bool trial_catching(const struct ro *ro)
{
    const struct run *r = ro->trials.run;
    return r && ro->policy.applies->evidence.tests == TESTS_ON &&
           (r->state == TRIAL_WAITING || r->state == TRIAL_CATCHING);
}

bool trial_clocks(const struct ro *ro, char *out, size_t size)
{
    const struct skew_gate *g = &ro->trials.clocks;
    out[0] = '\0';
    if (!g->shut || !ro->trials.run || ro->policy.applies->evidence.tests != TESTS_ON)
        return false;
    skew_text(&g->found, "the fleet server's", "telemetry's", out, size);
    return true;
}

bool trial_waits_long(const struct ro *ro)
{
    char text[100];
    int64_t window = VERDICT_COVERAGE * beat_interval(ro->en);
    int64_t since = trial_catching(ro)                    ? ro->trials.run->catching_since
                    : trial_clocks(ro, text, sizeof text) ? ro->trials.clocks.since
                                                          : TIME_NEVER / 2;
    return now_of(ro->en) - since >= (window > HOLD_US ? window : HOLD_US);
}

size_t trial_judged(const struct ro *ro, size_t wave, const struct evidence **out)
{
    const struct run *r = ro->trials.run;
    *out = NULL;
    if (!r || !r->trial || r->ev_stage != (int)wave || r->ack >= trial_next_tick(r->trial))
        return 0; /* an acknowledgement that is still to come says which evidence counts */
    *out = r->ev;
    return r->n_ev;
}
