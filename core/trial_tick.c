/* Trial: one tick of telemetry. The order of the steps is part of the result. */
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/trial_state.h"

/* Reboots up to this long before a device became canary may be the install's own or the new firmware's. */
#define INSTALL_TAKES (10 * US_PER_MIN)

/* What one tick is about. */
struct turn {
    struct trial *t;
    struct stage *g; /* the stage that runs, NULL before the first */
    int64_t tick;
    int32_t number;
    int told;   /* waves told by this tick */
    bool quiet; /* in a grace: nothing counts */
    bool fresh; /* some device has a new sample */
    bool sum[BULK_METRICS];
};

static int64_t time_of(const struct trial *t, int32_t number)
{
    return t->zero + number * t->spec.step_us;
}

static int32_t seconds(const struct trial *t, int64_t at)
{
    int64_t s = (at - t->zero) / US_PER_S;
    return s > INT32_MAX / 2 ? INT32_MAX / 2 : s < -INT32_MAX / 4 ? -INT32_MAX / 4 : (int32_t)s;
}

/* From when on samples of a device count in this stage. */
static int64_t since(const struct turn *u, const struct watched *w)
{
    int64_t from = w->flags & WATCHED_CANARY ? time_of(u->t, w->from) : u->g->begin;
    return from > u->g->begin ? from : u->g->begin;
}

/* ---- the time line ---- */

static unsigned side_at(const struct turn *u, const struct watched *w)
{
    if (w->flags & WATCHED_LEFT)
        return 0;
    if (w->wave >= 0 && w->wave < u->told)
        return w->from <= u->number ? WATCHED_CANARY : 0;
    return w->flags & WATCHED_MAY ? WATCHED_CONTROL : 0;
}

/* Begins the stages whose grace is over. Clocks of all devices restart. */
static void begin_stages(struct turn *u)
{
    struct trial *t = u->t;
    bool began = false;
    while (t->n_stages < u->told && u->tick >= t->told[t->n_stages] + t->spec.grace_us) {
        int64_t begin = t->told[t->n_stages] + t->spec.grace_us, step = t->spec.step_us;
        begin = (begin + step - 1) / step * step;
        t->stage[t->n_stages] = trial_stage_new(t, t->n_stages, begin);
        t->n_stages++;
        began = true;
    }
    if (!began)
        return;
    for (size_t i = 0; i < t->n; i++) {
        struct watched *w = &t->w[i];
        watched_restart(w);
        w->flags &= (uint8_t) ~(WATCHED_CANARY | WATCHED_CONTROL | WATCHED_SILENT | WATCHED_ACTIVE);
        w->flags |= (uint8_t)side_at(u, w);
    }
    memset(&t->risk, 0, sizeof t->risk);
    memset(t->active, 0, sizeof t->active);
    t->due = u->tick;
}

/* A device whose install and grace are over becomes canary, also in the middle of a stage. */
static void join(const struct turn *u, struct watched *w)
{
    if (w->flags & (WATCHED_CANARY | WATCHED_CONTROL | WATCHED_LEFT) || side_at(u, w) != WATCHED_CANARY)
        return;
    w->flags |= WATCHED_CANARY;
    watched_join(w, seconds(u->t, time_of(u->t, w->from) - u->t->spec.grace_us - INSTALL_TAKES));
}

/* ---- rows ---- */

static void feed_window(struct turn *u, struct watched *w, double cpu, double variance)
{
    struct stage *g = u->g;
    if (isfinite(cpu) && cpu >= 0 && w->cpu_n < UINT16_MAX) {
        g->window_devices[BULK_CPU] += w->cpu_n == 0;
        g->window_samples[BULK_CPU]++;
        w->cpu_sum = (float)((double)w->cpu_sum + cpu);
        w->cpu_n++;
    }
    /* The source's variance is over a window of its own, of 10 min: the last one of each of ours stands for it. */
    if (isfinite(variance) && variance >= 0)
        w->var_last = (float)variance;
}

static void feed_row(struct turn *u, const struct trial_row *r)
{
    struct trial *t = u->t;
    if (r->device >= t->n)
        return;
    struct watched *w = &t->w[r->device];
    int64_t at = r->t < u->tick ? r->t : u->tick, before = w->last_t;
    if (at <= before)
        return;
    w->last_t = at;
    u->fresh = true;
    int boots = watched_count(w, r->reboots, t->spec.boot_time);
    if (!u->g || u->quiet || w->flags & WATCHED_LEFT)
        return;
    join(u, w);
    /* A difference that reaches back into the grace may be the update's own reboot. */
    uint16_t events = 0;
    if (boots > 0 && before >= since(u, w))
        events = watched_boots(w, boots, seconds(t, before), seconds(t, at));
    if (!(w->flags & (WATCHED_CANARY | WATCHED_CONTROL))) { /* told, not yet installed: the old firmware */
        w->happened |= events;
        return;
    }
    if (at < since(u, w))
        return;
    if (!(w->flags & WATCHED_ACTIVE)) {
        w->flags &= (uint8_t)~WATCHED_SILENT;
        trial_active(t, w, true);
        if (at + t->spec.silence_us < t->due)
            t->due = at + t->spec.silence_us;
    }
    risk_enter(&t->risk, &u->g->tail, w, watched_shows(w));
    risk_happen(&t->risk, &u->g->tail, w, events);
    feed_window(u, w, r->cpu, r->variance);
    int32_t from = w->flags & WATCHED_CANARY ? w->from : INT32_MIN;
    if (u->sum[BULK_CPU])
        bulk_add(&u->g->bulk[BULK_CPU], w, BULK_CPU, from, r->cpu);
    if (u->sum[BULK_VARIANCE])
        bulk_add(&u->g->bulk[BULK_VARIANCE], w, BULK_VARIANCE, from, r->variance);
}

/* ---- windows of the tail engine, tumbling from the stage's begin ---- */

static void judge_cpu(struct turn *u, struct watched *w)
{
    struct stage *g = u->g;
    /* Half of the samples that devices have on average: fewer are no mean. */
    if (w->risk & PASSAGE_CPUS && w->cpu_n > 0 &&
        (int64_t)w->cpu_n * 2 * g->window_devices[BULK_CPU] >= g->window_samples[BULK_CPU])
        risk_happen(&u->t->risk, &g->tail, w, passage_cpu_levels((double)w->cpu_sum / w->cpu_n / (double)w->cpu_base));
    w->cpu_sum = 0;
    w->cpu_n = 0;
}

static void judge_variance(struct turn *u, struct watched *w)
{
    if (w->risk & PASSAGE_VARS && !isnan(w->var_last))
        risk_happen(&u->t->risk, &u->g->tail, w, passage_var_levels((double)w->var_last / (double)w->var_base));
    w->var_last = NAN;
}

/* Window i covers (begin + i * length, begin + (i + 1) * length]. At the tick that ends one, and for a later one when
 * that tick was left out, all devices are judged. */
static void close_windows(struct turn *u, enum bulk_metric m, int64_t length, int64_t upto)
{
    int64_t index = (upto - u->g->begin) / length;
    if (index <= u->g->window[m])
        return;
    u->g->window[m] = index;
    for (size_t i = 0; i < u->t->n; i++) {
        if (m == BULK_CPU)
            judge_cpu(u, &u->t->w[i]);
        else
            judge_variance(u, &u->t->w[i]);
    }
    u->g->window_samples[m] = u->g->window_devices[m] = 0;
}

/* ---- silence ---- */

static void look_for_silence(struct turn *u)
{
    struct trial *t = u->t;
    if (u->tick < t->due)
        return;
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < t->n; i++) {
        struct watched *w = &t->w[i];
        if (w->flags & WATCHED_LEFT)
            continue;
        join(u, w);
        if (!(w->flags & (WATCHED_CANARY | WATCHED_CONTROL))) {
            if (w->wave >= 0 && w->wave < u->told && w->from != INT32_MAX && time_of(t, w->from) < due)
                due = time_of(t, w->from);
            continue;
        }
        if (w->flags & WATCHED_SILENT)
            continue;
        risk_enter(&t->risk, &u->g->tail, w, PASSAGE_BIT(PASSAGE_SILENT));
        /* A gap in which nobody at all reported is the telemetry's: everyone has the full time after it. */
        int64_t heard = w->last_t > t->gap_end ? w->last_t : t->gap_end;
        if (u->tick - heard > t->spec.silence_us) {
            risk_happen(&t->risk, &u->g->tail, w, PASSAGE_BIT(PASSAGE_SILENT));
            risk_censor(&t->risk, w);
            w->flags |= WATCHED_SILENT;
            trial_active(t, w, false);
        } else if (heard + t->spec.silence_us < due) {
            due = heard + t->spec.silence_us;
        }
    }
    t->due = due;
}

/* ---- the tick ---- */

static void note_gap(struct turn *u)
{
    if (!u->fresh)
        return;
    if (u->tick - u->t->fresh > u->t->spec.silence_us / 2)
        u->t->gap_end = u->tick;
    u->t->fresh = u->tick;
}

static void run_stage(struct turn *u, const struct trial_row *rows, size_t n)
{
    struct trial *t = u->t;
    struct stage *g = u->g;
    /* Windows that ended in a tick that was left out. */
    close_windows(u, BULK_CPU, CPU_WINDOW, u->tick - 1);
    close_windows(u, BULK_VARIANCE, VAR_WINDOW, u->tick - 1);
    for (int m = 0; m < BULK_METRICS; m++)
        u->sum[m] = bulk_tick(&g->bulk[m]);
    for (size_t i = 0; i < n; i++)
        feed_row(u, &rows[i]);
    note_gap(u);
    close_windows(u, BULK_CPU, CPU_WINDOW, u->tick);
    close_windows(u, BULK_VARIANCE, VAR_WINDOW, u->tick);
    look_for_silence(u);
    for (int m = 0; m < BULK_METRICS; m++)
        bulk_close(&g->bulk[m], (enum bulk_metric)m, t->w, t->n, u->tick, u->number);
    risk_close(&t->risk, &g->tail, &g->journal, &t->room, u->number);
    g->canary_steps += t->active[SIDE_CANARY];
    for (int k = 0; k < TEST_COUNT; k++)
        trial_cross(t, t->n_stages - 1, (enum trial_test)k, u->tick);
}

void trial_tick(struct trial *t, int64_t tick, const struct trial_row *rows, size_t n)
{
    if (tick < t->next || tick % t->spec.step_us != 0 || (tick - t->zero) / t->spec.step_us >= INT32_MAX)
        return;
    trial_acks_before(t, tick);
    t->next = tick + t->spec.step_us;
    if (n == 0) /* nothing was measured: as if the tick had been left out */
        return;
    struct turn u = {.t = t, .tick = tick, .number = (int32_t)((tick - t->zero) / t->spec.step_us)};
    while (u.told < t->n_told && t->told[u.told] <= tick)
        u.told++;
    begin_stages(&u);
    u.quiet = u.told > 0 && tick < t->told[u.told - 1] + t->spec.grace_us;
    u.g = t->n_stages > 0 ? t->stage[t->n_stages - 1] : NULL;
    if (u.g && !u.quiet) {
        run_stage(&u, rows, n);
    } else {
        for (size_t i = 0; i < n; i++)
            feed_row(&u, &rows[i]);
        note_gap(&u);
    }
    t->newest = tick;
}
