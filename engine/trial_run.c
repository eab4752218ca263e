/* A rollout's trial from its first facts to its end: made, fed, built anew, put into the verdict's input. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/trial_run.h"

#define REBUILDS_MAX 5 /* later, what comes late counts from the next tick on */
#define HOLD_US      US_PER_MIN

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

uint32_t run_index(const struct run *r, size_t dev)
{
    return dev < r->n_of_dev && r->of_dev[dev] > 0 ? r->of_dev[dev] - 1 : UINT32_MAX;
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
static void digest_of(struct run *r)
{
    const struct trial_spec *s = &r->spec;
    const struct evidence_policy *p = &s->policy;
    const double num[] = {p->alpha,          p->reserve,        p->ratio,        p->cpu_ratio,
                          p->variance_ratio, p->install_share,  p->share_reboot, p->share_silence,
                          p->share_cpu,      p->share_variance, p->share_install};
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b, "andon run 1\n%d %d %lld %lld %lld %lld %d %lld\n", p->min_devices, s->waves, (long long)s->start,
               (long long)s->step_us, (long long)s->grace_us, (long long)s->silence_us, s->boot_time,
               (long long)r->ro->en->policy->window_us);
    for (size_t i = 0; i < sizeof num / sizeof *num; i++)
        hash_num(&b, num[i]);
    buf_printf(&b, "%lld\n%s\n", (long long)r->ro->policy->control_max, p->control ? p->control : "");
    for (size_t i = 0; i < p->n_strata; i++)
        buf_printf(&b, "%s\n", p->strata[i]);
    sha256_hex(b.data, b.len, r->digest);
    buf_release(&b);
}

void run_spec(struct run *r)
{
    struct engine *en = r->ro->en;
    int64_t step = beat_interval(en);
    r->spec = (struct trial_spec){.policy = r->ro->policy->evidence,
                                  .waves = r->n_waves,
                                  .start = r->wave[0].told_at,
                                  .step_us = step,
                                  .grace_us = r->ro->policy->grace_us,
                                  .silence_us = 5 * step > 5 * US_PER_MIN ? 5 * step : 5 * US_PER_MIN,
                                  .boot_time = en->tm->ops->boot_time && en->tm->ops->boot_time(en->tm)};
    digest_of(r);
}

/* ---- made, and made anew ---- */

static void give_acks(struct run *r)
{
    const struct ro *ro = r->ro;
    for (size_t i = 0; i < ro->n_acks; i++)
        if (ro->acks[i] > r->ack) {
            trial_ack(r->trial, ro->acks[i]);
            r->ack = ro->acks[i];
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
    give_acks(r);
    run_say_ledger(r);
    return true;
}

bool run_late(struct run *r)
{
    if (beat_history(r->ro->en) && r->rebuilds < REBUILDS_MAX) {
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
    r->serial = ++r->ro->en->run_serial; /* answers that are under way belong to the old one */
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
    free(r->rows);
    arena_release(&r->arena);
    free(r);
}

void trial_end(struct ro *ro)
{
    run_free(ro->run);
    ro->run = NULL;
}

/* The rollout has ended: what is shown stays, the rest goes. */
static void trial_close(struct ro *ro)
{
    struct run *r = ro->run;
    if (!r || r->busy || r->fetching)
        return;
    run_render(r);
    run_keep(r, true);
    trial_end(ro);
}

bool trial_busy(const struct ro *ro)
{
    return ro->run && (ro->run->busy || ro->run->fetching);
}

static const char *why_off(const struct ro *ro)
{
    const struct engine *en = ro->en;
    if (!en->tm)
        return "no telemetry source is configured";
    if (!en->spec.judge && !en->spec.evidence_db)
        return "this session does not judge";
    if (*ro->rollback_of)
        return "a roll back is not tested";
    if (ro->policy->evidence.tests == TESTS_OFF)
        return "the policy switches the tests off";
    if (!ro->waves_known || ro->n_waves == 0 || !ro->wv[0].told)
        return "no wave was told yet";
    if (ro_ended(ro))
        return "the rollout has ended";
    if (ro->no_past)
        return "no evidence of this rollout is kept here, and the telemetry source has no history";
    return NULL;
}

static struct run *run_of(struct ro *ro)
{
    const char *off = ro->rehearser ? NULL : why_off(ro);
    if (off) {
        ro->trial_off = off;
        return NULL;
    }
    if (ro->run)
        return ro->run;
    struct run *r = ro->run = xcalloc(1, sizeof *r);
    r->ro = ro;
    r->serial = ++ro->en->run_serial;
    r->n_waves = ro->n_waves < TRIAL_WAVES ? (int)ro->n_waves : TRIAL_WAVES;
    r->control_wave = -1;
    r->ev_stage = -1;
    arena_init(&r->arena);
    return r;
}

/* ---- evidence ---- */

/* Failed, time-outs included, of started, for each wave and those before it. A device that has not answered for so long
 * has failed; one that was silent before says nothing by not answering. Errors are those that were counted when the
 * wave's devices were asked for: by newer counts a device that is late in the list would fail twice. */
static int count_outcomes(const struct run *r, struct run_outcome out[TRIAL_WAVES])
{
    const struct ro *ro = r->ro;
    int64_t tick = trial_next_tick(r->trial) - r->spec.step_us;
    int n = 0;
    memset(out, 0, TRIAL_WAVES * sizeof *out);
    for (; n < r->n_waves && (size_t)n < ro->n_waves && ro->wv[n].told && r->wave[n].applied; n++)
        out[n] = (struct run_outcome){ro->wv[n].list_errors, wave_told(&ro->waves[n])};
    for (size_t i = 0; i < r->n; i++) {
        const struct run_dev *d = &r->v[i];
        enum device_status s = ro->en->devs[d->dev].status;
        if (d->wave < 0 || d->wave >= n || d->installed > 0 || d->left || s == DEVICE_ERROR || s == DEVICE_IN_SYNC)
            continue;
        if (d->mute)
            out[d->wave].started--;
        else if (tick - r->wave[d->wave].told_at > ro->policy->install_us)
            out[d->wave].failed++;
    }
    for (int w = 0; w < n; w++) {
        if (out[w].failed > out[w].started)
            out[w].failed = out[w].started;
        if (w > 0) {
            out[w].failed += out[w - 1].failed;
            out[w].started += out[w - 1].started;
        }
    }
    return n;
}

/* Devices are counted in the order of their waves: what failed among the first ones is not diluted by those that were
 * told later, whenever it is counted. True when anything has changed. */
static bool give_outcomes(struct run *r)
{
    struct run_outcome now[TRIAL_WAVES];
    bool any = false;
    if (!(r->spec.policy.share_install > 0) || r->ro->rehearser)
        return false;
    int n = count_outcomes(r, now);
    for (int w = 0; w < n; w++) {
        bool last = any && w == n - 1;
        if (!last && now[w].failed == r->outcome[w].failed && now[w].started == r->outcome[w].started)
            continue;
        trial_outcomes(r->trial, now[w].failed, now[w].started);
        r->outcome[w] = now[w];
        any = r->outcomes_new = true;
    }
    return any;
}

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

static void look(struct run *r)
{
    int64_t tick = trial_next_tick(r->trial);
    give_acks(r);
    if (r->state != TRIAL_LIVE)
        return; /* what stands is shown, and judged, when it has come up to now */
    if (!give_outcomes(r) && tick == r->ev_tick && r->ack == r->ev_ack)
        return;
    r->ev_tick = tick;
    r->ev_ack = r->ack;
    r->ev_stage = trial_stage(r->trial);
    r->n_ev = 0;
    r->changed = true;
    if (r->ev_stage < 0)
        return;
    const struct run_stage *g = run_standing(r);
    r->n_ev = g->n;
    memcpy(r->ev, g->v, g->n * sizeof *g->v);
    memcpy(r->ev_which, g->which, g->n * sizeof *g->which);
}

void trial_advance(struct ro *ro)
{
    struct run *r = run_of(ro);
    if (!r) {
        trial_close(ro);
        return;
    }
    run_prepare(r);
    run_feed(r);
    if (!r->trial)
        return;
    look(r);
    run_keep(r, false);
}

void trial_advance_all(struct engine *en)
{
    for (size_t i = 0; i < en->n_ros; i++)
        trial_advance(en->ros[i]);
    ticks_trim(en);
}

void trial_listed(struct ro *ro)
{
    if (ro->run && ro->run->trial)
        run_installs(ro->run);
}

int trial_declared(const struct ro *ro)
{
    return ro->run ? ro->run->n_waves : (int)ro->n_waves;
}

bool trial_catching(const struct ro *ro)
{
    const struct run *r = ro->run;
    return r && ro->policy->evidence.tests == TESTS_ON && (r->state == TRIAL_WAITING || r->state == TRIAL_CATCHING);
}

bool trial_catching_long(const struct ro *ro)
{
    return trial_catching(ro) && now_of(ro->en) - ro->run->catching_since >= HOLD_US;
}

size_t trial_judged(const struct ro *ro, size_t wave, const struct evidence **out)
{
    const struct run *r = ro->run;
    *out = NULL;
    if (!r || !r->trial || r->ev_stage != (int)wave || r->ack >= trial_next_tick(r->trial))
        return 0; /* an acknowledgement that is still to come says which evidence counts */
    *out = r->ev;
    return r->n_ev;
}

/* ---- acknowledgements ---- */

void trial_acked(struct ro *ro, int64_t at)
{
    size_t i = ro->n_acks;
    for (size_t k = 0; k < ro->n_acks; k++)
        if (ro->acks[k] == at)
            return;
    if (i == ACKS_MAX) { /* the oldest goes */
        memmove(ro->acks, ro->acks + 1, --i * sizeof *ro->acks);
    }
    for (; i > 0 && ro->acks[i - 1] > at; i--)
        ro->acks[i] = ro->acks[i - 1];
    ro->acks[i] = at;
    ro->n_acks = ro->n_acks < ACKS_MAX ? ro->n_acks + 1 : ACKS_MAX;
    if (ro->run && ro->run->trial)
        trial_advance(ro);
}
