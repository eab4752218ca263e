/* Trial: one tick of telemetry. The order of the steps is part of the result. */
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/design.h"
#include "core/trial_state.h"

/* A larger value is no measurement, and no float. */
static bool sane(const struct gauge *g, double v)
{
    return (v >= 0 || g->diff) && fabs(v) <= 1e30;
}

/* What one tick is about. */
struct turn {
    struct trial *t;
    struct stage *g; /* the stage that runs, NULL before the first */
    int64_t tick;
    int32_t number;
    int told;       /* waves told by this tick */
    bool quiet;     /* in a grace: nothing counts */
    bool begins;    /* the stage's first tick */
    bool fresh;     /* some device has a new sample */
    bool names;     /* trial_names() as the tick begins */
    size_t columns; /* that the tick has */
    bool sum[GAUGES_MAX];
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

static void restart_own(struct trial *t, size_t i)
{
    if (t->marks)
        t->marks[i] = (struct marks){.excluded = t->marks[i].excluded};
    for (size_t g = BULK_BUILTIN; g < t->n_gauges; g++)
        series_restart(&t->gauge[g].own[i], t->gauge[g].spread);
    for (size_t c = 0; c < t->n_tallies; c++)
        counted_restart(&t->tally[c].own[i]);
    trial_activation_restart(t, i);
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
    risk_clear(&t->risk);
    memset(t->active, 0, sizeof t->active);
    for (size_t i = 0; i < t->n; i++) {
        watched_restart(&t->w[i]);
        if (t->past)
            t->past[i] = (struct watched_past){0};
        restart_own(t, i);
        t->w[i].flags = (uint8_t)((t->w[i].flags & ~off) | (side_at(u, &t->w[i]) & WATCHED_CONTROL));
    }
    trial_make_strata(t);
    trial_count_joined(t);
    t->join = t->due = u->tick;
    u->begins = true;
}

static void start_clocks(struct turn *u, size_t i)
{
    struct watched *w = &u->t->w[i];
    w->flags |= WATCHED_IN;
    u->t->due = u->tick;
    if (u->begins) /* so do the windows */
        risk_enter(&u->t->risk, &u->g->tail, w, trial_marks(u->t, i),
                   trial_shows(u->t, i) & u->t->windowed & ~trial_held(u->t, i, u->number));
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
            t->joined[trial_stratum(t, w)]++;
            start_clocks(u, i);
        } else if (w->from != INT32_MAX && time_of(t, w->from) < t->join) {
            t->join = time_of(t, w->from);
        }
    }
    trial_count_waits(t, u->number, &t->join);
    for (size_t i = 0; i < t->n; i++) {
        if ((t->w[i].flags & (WATCHED_CONTROL | WATCHED_IN)) == WATCHED_CONTROL && trial_open(t, i))
            start_clocks(u, i);
    }
}

/* ---- epochs ---- */

/* The kinds of gauges whose windows do not begin along with epoch e: their devices enter with the next window. */
static uint64_t cut_off(const struct trial *t, int e)
{
    uint64_t kinds = 0;
    for (size_t g = 0; g < t->n_gauges; g++)
        kinds |= design_epoch_begin(e) % t->gauge[g].window_us ? t->gauge[g].levels : 0;
    return kinds;
}

/* Risk sets are used up by time; those that renew begin anew with each epoch of the stage. */
static void begin_epoch(struct turn *u)
{
    struct trial *t = u->t;
    struct tail *tail = &u->g->tail;
    int e = design_epoch(t->spec.policy.design, u->tick - u->g->begin);
    if (e <= tail->epoch)
        return;
    /* What ended in ticks that were left out is the old epoch's. */
    int64_t end = u->g->begin + design_epoch_begin(tail->epoch + 1);
    risk_close(&t->risk, tail, &u->g->journal, &t->room, (int32_t)((end - t->zero) / t->spec.step_us));
    uint64_t kept = tail_renew(tail, &t->spec.policy, e), cut = cut_off(t, e);
    risk_empty(&t->risk, tail->renewing);
    trial_begin_past(t);
    for (size_t i = 0; i < t->n; i++) {
        struct watched *w = &t->w[i];
        struct marks *m = trial_marks(t, i);
        watched_renew(w, &t->past[i], m, tail->renewing, kept);
        if ((w->flags & (WATCHED_IN | WATCHED_SILENT)) != WATCHED_IN)
            continue;
        uint64_t kinds = trial_shows(t, i) & tail->renewing & ~cut & ~trial_held(t, i, u->number);
        risk_enter(&t->risk, tail, w, m, w->flags & WATCHED_ACTIVE ? kinds : kinds & t->windowed);
    }
    for (size_t c = 0; c < t->n_tallies; c++)
        for (size_t i = 0; i < t->n; i++)
            t->tally[c].own[i].n = 0;
    t->due = u->tick;
}

/* ---- rows ---- */

/* A value of the tick; a metric that it does not have is not known. */
static double value_of(const struct turn *u, const double *row, uint8_t column)
{
    return column < u->columns ? row[column] : NAN;
}

static void feed_window(struct turn *u, size_t g, struct series *s, double v)
{
    if (u->t->gauge[g].spread) {
        /* The source's own is over a window too: the last one of each of ours stands for it. */
        s->open = (float)v;
    } else if (s->n < UINT16_MAX) {
        u->g->window_devices[g] += s->n == 0;
        u->g->window_samples[g]++;
        s->open = (float)((double)s->open + v);
        s->n++;
    }
}

/* Tests that wait and that the device has not come in for before this sample: what it brings may be of the time before.
 */
static uint64_t newly(const struct turn *u, size_t i)
{
    const struct trial *t = u->t;
    const struct marks *m = trial_marks(t, i);
    uint64_t bits = 0, entered = t->w[i].entered | (m ? m->entered : 0);
    for (int k = 0; k < t->n_waits; k++)
        bits |= t->wait[k].tests;
    return bits & ~entered;
}

/* Has the device come in for what waits, among `later` (newly)? Tests on loops do not begin anew with an epoch: who is
 * silent over one's begin has come in before it all the same. */
static bool not_yet(uint64_t later, uint64_t counts, int loop)
{
    return later & counts && (loop < 0 || later & PASSAGE_BIT(loop));
}

/* Tests of a counter that no device is excluded from. */
static uint64_t counts_of(const struct tally *c)
{
    uint64_t loop = c->loop >= 0 ? PASSAGE_BIT(c->loop) : 0;
    return c->tests == loop ? loop : c->tests & ~loop;
}

/* A new sample of a device whose clocks run, `before` the one before it; boots can have been from `boot_from` on. */
static void feed_in(struct turn *u, size_t i, int boots, int64_t boot_from, const uint32_t *rise, const int64_t *seen,
                    int64_t at)
{
    struct trial *t = u->t;
    struct watched *w = &t->w[i];
    struct marks *m = trial_marks(t, i);
    bool silent = w->flags & WATCHED_SILENT, first = !silent && !(w->flags & WATCHED_ACTIVE);
    w->flags &= (uint8_t)~WATCHED_SILENT;
    if (!(w->flags & WATCHED_ACTIVE)) {
        trial_active(t, w, true);
        if (at + t->spec.silence_us < t->due)
            t->due = at + t->spec.silence_us;
    }
    uint64_t later = newly(u, i);
    if (t->passages & ~risk_out_of(w, m)) {
        /* Who comes back from a silence brings what happened in it. */
        uint64_t kinds = trial_shows(t, i);
        if (!silent)
            kinds &= ~t->windowed;
        risk_enter(&t->risk, &u->g->tail, w, m, t->n_waits > 0 ? kinds & ~trial_held(t, i, u->number) : kinds);
    }
    /* A difference that reaches back into the grace may be the update's own reboot. */
    if (first || not_yet(later, PASSAGE_BIT(PASSAGE_BOOT1), PASSAGE_LOOP) || boot_from < since(u, w))
        boots = 0;
    int32_t from_s = seconds(t, boot_from), at_s = seconds(t, at);
    boots = trial_activation_boots(t, i, boots, u->names, &from_s, &at_s);
    if (boots > 0)
        risk_happen(&t->risk, &u->g->tail, w, m, watched_boots(w, boots, from_s, at_s));
    for (size_t c = 0; c < t->n_tallies && !first; c++)
        if (rise[c] > 0 && !not_yet(later, counts_of(&t->tally[c]), t->tally[c].loop) && seen[c] >= since(u, w))
            risk_happen(&t->risk, &u->g->tail, w, m,
                        tally_events(&t->tally[c], &t->tally[c].own[i], rise[c], seconds(t, seen[c]), seconds(t, at)));
}

static void feed_gauges(struct turn *u, size_t i, const double *row)
{
    const struct trial *t = u->t;
    const struct watched *w = &t->w[i];
    int32_t from = w->flags & WATCHED_CANARY ? w->from : INT32_MIN;
    for (size_t g = 0; g < t->n_gauges; g++) {
        double v = value_of(u, row, t->gauge[g].column);
        struct series *s = trial_series(t, g, i);
        int rank = t->gauge[g].up >= 0 ? t->gauge[g].up : t->gauge[g].down;
        if (!sane(&t->gauge[g], v))
            continue;
        if (w->flags & WATCHED_IN)
            feed_window(u, g, s, v);
        if (u->sum[g] && rank >= 0) /* both directions have the same blocks */
            bulk_add(&u->g->bulk[rank], s, from, v);
    }
}

/* The row of device i, at the time of its sample. */
static void feed_row(struct turn *u, size_t i, int64_t at, const double *row)
{
    struct trial *t = u->t;
    struct watched *w = &t->w[i];
    int64_t before = watched_last(w), boot_from = before;
    uint32_t rise[METRICS_OWN] = {0};
    int64_t seen[METRICS_OWN] = {0};
    if (at > u->tick)
        at = u->tick;
    if (at <= before)
        return;
    watched_hear(w, at);
    u->fresh = true;
    int boots = watched_count(w, row[COL_REBOOTS], t->spec.boot_time, &boot_from);
    if (t->activation)
        trial_activation_seen(t, i, value_of(u, row, (uint8_t)t->activation));
    for (size_t c = 0; c < t->n_tallies; c++) {
        double v = value_of(u, row, t->tally[c].column);
        struct counted *own = &t->tally[c].own[i];
        /* What has begun anew shows what has been since; that it did is no event of its own, as it is of boots. */
        rise[c] = counted_rise(v < own->value ? 0 : own->value, v, UINT32_MAX / 2);
        seen[c] = t->zero + own->seen_s * (int64_t)US_PER_S;
        if (isfinite(v)) {
            own->value = v;
            own->seen_s = seconds(t, at);
        }
    }
    if (!u->g || u->quiet || w->flags & WATCHED_LEFT)
        return;
    if (!(w->flags & (WATCHED_CANARY | WATCHED_CONTROL)) || at < since(u, w))
        return;
    if (w->flags & WATCHED_IN)
        feed_in(u, i, boots, boot_from, rise, seen, at);
    feed_gauges(u, i, row);
}

static void feed_rows(struct turn *u, const struct tick *k)
{
    size_t n = k->n < u->t->n ? k->n : u->t->n;
    for (size_t i = 0; i < n; i++)
        if (k->at[i] > 0)
            feed_row(u, i, k->at[i], tick_row(k, i));
}

/* ---- windows of the tail engine, tumbling from the stage's begin ---- */

static void judge_window(struct turn *u, size_t g, size_t i)
{
    struct trial *t = u->t;
    struct watched *w = &t->w[i];
    struct series *s = trial_series(t, g, i);
    struct marks *m = trial_marks(t, i);
    const struct gauge *of = &t->gauge[g];
    /* Half of the samples that devices have on average: fewer are no mean. */
    bool whole = of->spread ? !isnan(s->open)
                            : s->n > 0 && (int64_t)s->n * 2 * u->g->window_devices[g] >= u->g->window_samples[g];
    if (risk_of(w, m) & of->levels && whole) {
        double mean = of->spread ? (double)s->open : (double)s->open / s->n;
        risk_happen(&t->risk, &u->g->tail, w, m, gauge_levels(of, gauge_change(of, mean, (double)s->base)));
    }
    s->open = of->spread ? NAN : 0;
    s->n = 0;
    if ((w->flags & (WATCHED_IN | WATCHED_SILENT)) == WATCHED_IN && of->levels & ~risk_out_of(w, m) &&
        gauge_based(of, (double)s->base))
        risk_enter(&t->risk, &u->g->tail, w, m,
                   t->n_waits > 0 ? of->levels & ~trial_held(t, i, u->number) : of->levels);
}

/* Window i covers (begin + i * length, begin + (i + 1) * length]. At the tick that ends one, and for a later one when
 * that tick was left out, all devices are judged. */
static void close_windows(struct turn *u, int64_t upto)
{
    size_t n = 0, which[GAUGES_MAX];
    for (size_t g = 0; g < u->t->n_gauges; g++) {
        int64_t index = (upto - u->g->begin) / u->t->gauge[g].window_us;
        if (index <= u->g->window[g])
            continue;
        u->g->window[g] = index;
        which[n++] = g;
    }
    for (size_t i = 0; n > 0 && i < u->t->n; i++)
        for (size_t k = 0; k < n; k++)
            judge_window(u, which[k], i);
    for (size_t k = 0; k < n; k++)
        u->g->window_samples[which[k]] = u->g->window_devices[which[k]] = 0;
}

/* ---- silence ---- */

static const int64_t away[] = {US_PER_HOUR, 8 * US_PER_HOUR};

/* From now on it counts for nothing but how long it is away. */
static void fall_silent(struct turn *u, struct watched *w, struct marks *m)
{
    risk_happen(&u->t->risk, &u->g->tail, w, m, PASSAGE_BIT(PASSAGE_SILENT));
    risk_censor(&u->t->risk, w, m, ~PASSAGE_AWAYS);
    w->flags |= WATCHED_SILENT;
    trial_active(u->t, w, false);
}

static void look_for_silence(struct turn *u)
{
    struct trial *t = u->t;
    if (u->tick < t->due)
        return;
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < t->n; i++) {
        struct watched *w = &t->w[i];
        struct marks *m = trial_marks(t, i);
        if (!(w->flags & WATCHED_IN))
            continue;
        if (trial_held(t, i, u->number) & PASSAGE_BIT(PASSAGE_SILENT)) {
            due = u->tick;
            continue;
        }
        /* A gap in which nobody at all reported is the telemetry's: everyone has the full time after it. */
        int64_t heard = watched_last(w) > t->gap_end ? watched_last(w) : t->gap_end, quiet = u->tick - heard;
        int64_t next = t->spec.silence_us;
        if (!(w->flags & WATCHED_SILENT)) {
            risk_enter(&t->risk, &u->g->tail, w, m, PASSAGE_BIT(PASSAGE_SILENT) | PASSAGE_AWAYS);
            if (quiet > next)
                fall_silent(u, w, m);
        }
        for (int k = 0; k < 2 && quiet > next; k++) {
            next = away[k] > next ? away[k] : next;
            if (quiet > next)
                risk_happen(&t->risk, &u->g->tail, w, m, PASSAGE_BIT(PASSAGE_AWAY1 + k));
        }
        if (quiet <= next && heard + next < due)
            due = heard + next;
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

/* The rank tests of gauge g; NULL: none. */
static struct bulk *rank_of(const struct turn *u, int8_t which)
{
    return which >= 0 ? &u->g->bulk[which] : NULL;
}

static void begin_ranks(struct turn *u)
{
    for (size_t g = 0; g < u->t->n_gauges; g++) {
        struct bulk *up = rank_of(u, u->t->gauge[g].up), *down = rank_of(u, u->t->gauge[g].down);
        bool sum = up && bulk_tick(up, u->number);
        u->sum[g] = (down && bulk_tick(down, u->number)) || sum;
    }
}

static void close_ranks(struct turn *u)
{
    struct trial *t = u->t;
    for (size_t g = 0; g < t->n_gauges; g++) {
        struct bulk *up = rank_of(u, t->gauge[g].up), *down = rank_of(u, t->gauge[g].down);
        struct herd h = {
            .w = t->w, .marks = t->marks, .strata = &t->risk.strata, .n = t->n, .stride = sizeof(struct series)};
        if (t->n == 0 || (!up && !down))
            continue;
        h.first = trial_series(t, g, 0);
        if (g < BULK_BUILTIN)
            h.stride = sizeof *t->w;
        bulk_close(up ? up : down, up ? down : NULL, &h, u->tick, u->number);
    }
}

static void run_stage(struct turn *u, const struct tick *k)
{
    struct trial *t = u->t;
    struct stage *g = u->g;
    begin_epoch(u);
    /* Those that ended in a tick that was left out: in the new epoch, for the old one has been judged by its last. */
    close_windows(u, u->tick - 1);
    let_in(u);
    begin_ranks(u);
    u->names = trial_names(t);
    feed_rows(u, k);
    note_gap(u);
    close_windows(u, u->tick);
    look_for_silence(u);
    close_ranks(u);
    risk_close(&t->risk, &g->tail, &g->journal, &t->room, u->number);
    g->canary_steps += t->active[SIDE_CANARY];
    for (int i = 0; i < t->n_tests; i++)
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
    struct turn u = {
        .t = t, .tick = tick, .columns = k->columns, .number = (int32_t)((tick - t->zero) / t->spec.step_us)};
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
