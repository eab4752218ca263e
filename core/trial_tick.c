/* Trial: one tick of telemetry. The order of the steps is part of the result. */
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/trial_state.h"

/* Judged by windows: a device enters their risk sets as a window begins. */
#define WINDOWED (PASSAGE_CPUS | PASSAGE_VARS)
/* A larger value is no measurement, and no float. */
#define SANE(v) ((v) >= 0 && (v) <= 1e30)

/* What one tick is about. */
struct turn {
    struct trial *t;
    struct stage *g; /* the stage that runs, NULL before the first */
    int64_t tick;
    int32_t number;
    int told;    /* waves told by this tick */
    bool quiet;  /* in a grace: nothing counts */
    bool begins; /* the stage's first tick */
    bool fresh;  /* some device has a new sample */
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
    const unsigned off = WATCHED_CANARY | WATCHED_CONTROL | WATCHED_SILENT | WATCHED_ACTIVE | WATCHED_IN;
    memset(&t->risk, 0, sizeof t->risk);
    memset(t->active, 0, sizeof t->active);
    for (size_t i = 0; i < t->n; i++) {
        watched_restart(&t->w[i]);
        t->w[i].flags = (uint8_t)((t->w[i].flags & ~off) | (side_at(u, &t->w[i]) & WATCHED_CONTROL));
    }
    trial_count_joined(t);
    t->join = t->due = u->tick;
    u->begins = true;
}

static void start_clocks(struct turn *u, struct watched *w)
{
    w->flags |= WATCHED_IN;
    u->t->due = u->tick;
    if (u->begins) /* so do the windows */
        risk_enter(&u->t->risk, &u->g->tail, w, watched_shows(w) & WINDOWED);
}

/* Canaries come in when their install and grace are over, and control along with them. */
static void let_in(struct turn *u)
{
    struct trial *t = u->t;
    if (u->tick < t->join)
        return;
    t->join = INT64_MAX;
    for (size_t i = 0; i < t->n; i++) {
        struct watched *w = &t->w[i];
        if (w->flags & (WATCHED_CANARY | WATCHED_CONTROL | WATCHED_LEFT) || w->wave < 0 || w->wave >= u->told)
            continue;
        if (side_at(u, w) == WATCHED_CANARY) {
            w->flags |= WATCHED_CANARY;
            t->joined[w->stratum]++;
            start_clocks(u, w);
        } else if (w->from != INT32_MAX && time_of(t, w->from) < t->join) {
            t->join = time_of(t, w->from);
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        if ((t->w[i].flags & (WATCHED_CONTROL | WATCHED_IN)) == WATCHED_CONTROL && trial_open(t, i))
            start_clocks(u, &t->w[i]);
    }
}

/* ---- rows ---- */

static void feed_window(struct turn *u, struct watched *w, double cpu, double variance)
{
    struct stage *g = u->g;
    if (SANE(cpu) && w->cpu_n < UINT16_MAX) {
        g->window_devices[BULK_CPU] += w->cpu_n == 0;
        g->window_samples[BULK_CPU]++;
        w->cpu_sum = (float)((double)w->cpu_sum + cpu);
        w->cpu_n++;
    }
    /* The source's variance is over a window of its own, of 10 min: the last one of each of ours stands for it. */
    if (SANE(variance))
        w->var_last = (float)variance;
}

/* A new sample of a device whose clocks run, `before` the one before it. */
static void feed_in(struct turn *u, struct watched *w, int boots, int64_t before, int64_t at)
{
    struct trial *t = u->t;
    bool silent = w->flags & WATCHED_SILENT, first = !silent && !(w->flags & WATCHED_ACTIVE);
    w->flags &= (uint8_t)~WATCHED_SILENT;
    if (!(w->flags & WATCHED_ACTIVE)) {
        trial_active(t, w, true);
        if (at + t->spec.silence_us < t->due)
            t->due = at + t->spec.silence_us;
    }
    /* Who comes back from a silence brings what happened in it. */
    uint16_t kinds = watched_shows(w);
    if (!silent)
        kinds = (uint16_t)(kinds & ~WINDOWED);
    risk_enter(&t->risk, &u->g->tail, w, kinds);
    /* A difference that reaches back into the grace may be the update's own reboot. */
    if (boots > 0 && !first && before >= since(u, w))
        risk_happen(&t->risk, &u->g->tail, w, watched_boots(w, boots, seconds(t, before), seconds(t, at)));
}

/* The row of device i, at the time of its sample. */
static void feed_row(struct turn *u, size_t i, int64_t at, const double *row)
{
    struct trial *t = u->t;
    struct watched *w = &t->w[i];
    int64_t before = w->last_t;
    double cpu = row[COL_CPU], variance = row[COL_VARIANCE];
    if (at > u->tick)
        at = u->tick;
    if (at <= before)
        return;
    w->last_t = at;
    u->fresh = true;
    int boots = watched_count(w, row[COL_REBOOTS], t->spec.boot_time, &before);
    if (!u->g || u->quiet || w->flags & WATCHED_LEFT)
        return;
    if (!(w->flags & (WATCHED_CANARY | WATCHED_CONTROL)) || at < since(u, w))
        return;
    if (w->flags & WATCHED_IN) {
        feed_in(u, w, boots, before, at);
        feed_window(u, w, cpu, variance);
    }
    int32_t from = w->flags & WATCHED_CANARY ? w->from : INT32_MIN;
    if (u->sum[BULK_CPU] && SANE(cpu))
        bulk_add(&u->g->bulk[BULK_CPU], w, BULK_CPU, from, cpu);
    if (u->sum[BULK_VARIANCE] && SANE(variance))
        bulk_add(&u->g->bulk[BULK_VARIANCE], w, BULK_VARIANCE, from, variance);
}

static void feed_rows(struct turn *u, const struct tick *k)
{
    size_t n = k->n < u->t->n ? k->n : u->t->n;
    for (size_t i = 0; i < n; i++)
        if (k->at[i] > 0)
            feed_row(u, i, k->at[i], tick_row(k, i));
}

/* ---- windows of the tail engine, tumbling from the stage's begin ---- */

static void enter_windowed(struct turn *u, struct watched *w, uint16_t kinds)
{
    if ((w->flags & (WATCHED_IN | WATCHED_SILENT)) == WATCHED_IN)
        risk_enter(&u->t->risk, &u->g->tail, w, watched_shows(w) & kinds);
}

static void judge_cpu(struct turn *u, struct watched *w)
{
    struct stage *g = u->g;
    /* Half of the samples that devices have on average: fewer are no mean. */
    if (w->risk & PASSAGE_CPUS && w->cpu_n > 0 &&
        (int64_t)w->cpu_n * 2 * g->window_devices[BULK_CPU] >= g->window_samples[BULK_CPU])
        risk_happen(&u->t->risk, &g->tail, w, passage_cpu_levels((double)w->cpu_sum / w->cpu_n / (double)w->cpu_base));
    w->cpu_sum = 0;
    w->cpu_n = 0;
    enter_windowed(u, w, PASSAGE_CPUS);
}

static void judge_variance(struct turn *u, struct watched *w)
{
    if (w->risk & PASSAGE_VARS && !isnan(w->var_last))
        risk_happen(&u->t->risk, &u->g->tail, w, passage_var_levels((double)w->var_last / (double)w->var_base));
    w->var_last = NAN;
    enter_windowed(u, w, PASSAGE_VARS);
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
        if ((w->flags & (WATCHED_IN | WATCHED_SILENT)) != WATCHED_IN)
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

static void run_stage(struct turn *u, const struct tick *k)
{
    struct trial *t = u->t;
    struct stage *g = u->g;
    /* Windows that ended in a tick that was left out. */
    close_windows(u, BULK_CPU, CPU_WINDOW, u->tick - 1);
    close_windows(u, BULK_VARIANCE, VAR_WINDOW, u->tick - 1);
    let_in(u);
    for (int m = 0; m < BULK_METRICS; m++)
        u->sum[m] = bulk_tick(&g->bulk[m], u->number);
    feed_rows(u, k);
    note_gap(u);
    close_windows(u, BULK_CPU, CPU_WINDOW, u->tick);
    close_windows(u, BULK_VARIANCE, VAR_WINDOW, u->tick);
    look_for_silence(u);
    for (int m = 0; m < BULK_METRICS; m++)
        bulk_close(&g->bulk[m], (enum bulk_metric)m, t->w, t->n, u->tick, u->number);
    risk_close(&t->risk, &g->tail, &g->journal, &t->room, u->number);
    g->canary_steps += t->active[SIDE_CANARY];
    for (int i = 0; i < TEST_COUNT; i++)
        trial_cross(t, t->n_stages - 1, (enum trial_test)i, u->tick);
}

void trial_tick(struct trial *t, const struct tick *k)
{
    int64_t tick = k->t;
    if (tick < t->next || tick % t->spec.step_us != 0 || (tick - t->zero) / t->spec.step_us >= INT32_MAX)
        return;
    trial_acks_before(t, tick);
    t->next = tick + t->spec.step_us;
    if (k->samples == 0) /* nothing was measured: as if the tick had been left out */
        return;
    struct turn u = {.t = t, .tick = tick, .number = (int32_t)((tick - t->zero) / t->spec.step_us)};
    while (u.told < t->n_told && t->told[u.told] <= tick)
        u.told++;
    begin_stages(&u);
    u.quiet = u.told > 0 && tick < t->told[u.told - 1] + t->spec.grace_us;
    u.g = t->n_stages > 0 ? t->stage[t->n_stages - 1] : NULL;
    if (u.g && !u.quiet) {
        run_stage(&u, k);
    } else {
        feed_rows(&u, k);
        note_gap(&u);
    }
    t->newest = tick;
}
