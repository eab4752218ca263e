/* One run of a world: devices, the fleet server, telemetry, and what is made of them. */
#include "tests/validate/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/series.h"
#include "core/err.h"
#include "core/passage.h"
#include "core/skew.h"

#define BEGIN     (INT64_C(1700000000) / 3600 * 3600 * US_PER_S)
#define AT(m)     (BEGIN + (int64_t)(m)*US_PER_MIN) /* the end of minute m */
#define GRACE     (3 * US_PER_MIN)
#define INSTALL   (10 * US_PER_MIN)
#define LOOP_HOUR 6.0
#define LAG_MAX   16 /* minutes that ticks wait for facts */
#define MORE_HOUR 10.0

struct unit {
    int wave, site; /* -1: of none */
    bool loops, no_rtc, fails, over;
    double rate, zone;                     /* of reboots; of the day, radians */
    double away_until, down_until, booted; /* hours */
    double excited;                        /* boots an hour that its boots have begotten */
    double phase;                          /* first contact after the telling, hours */
    double done, installed, second;        /* hours; NaN: not yet, infinite: never */
    int64_t reached, reported;             /* 0 = not yet */
    double sample;                         /* second of the minute */
    int64_t heard;
    int counter, boots, stepped;    /* reboots; of this minute; the minute in which the sensor stepped */
    int activated, activated_shown; /* its report of activations; as of the sample before */
    bool late;
    /* The clock that its time of boot is read off, and that time as it was shown last. */
    double ahead, set_at, wrong, shown;
    int changes;
    /* The counter's series of the old release, and the mean of both. */
    int old_count;
    int64_t old_t;
    double mean;
    struct seen seen;
};

struct course {
    const struct world *w;
    struct rng *r;
    struct fleet *f;
    struct unit *u;
    int n, waves, told, step;
    int64_t at;  /* the minute's begin, when things happen */
    double hour; /* the same, since the begin */
    double risen;
    struct trial *t[WORLD_FORMS];
    double *out;
    struct {
        struct tick right, old; /* `old` only where the form reads another counter */
        bool blind;
    } wait[LAG_MAX];
    int lag;
    bool two;
    struct skew server, store;
    struct skew_gate gate;
    struct series_id id[2];
    struct install_tally *tally;
    int64_t sum[2]; /* what was told of the installs last */
    struct seen *seen;
    struct methods *methods;
};

static double given(double v, double otherwise)
{
    return v > 0 ? v : otherwise;
}

static bool chance(struct course *c, double p)
{
    return p > 0 && rng_unit(c->r) < p;
}

/* ---- the day before ---- */

static double draw_rate(struct course *c)
{
    const struct world *w = c->w;
    double mean = given(w->boots_hour, 0.02);
    if (chance(c, w->chronic))
        return LOOP_HOUR;
    if (w->rates == GAMMA)
        return mean * 2 * rng_gamma(c->r, 0.5);
    if (w->rates == PARETO) /* capped, so that the mean is about 1 */
        return mean * fmin(0.23 * pow(1 - rng_unit(c->r), -1 / 1.3), 400);
    return mean;
}

/* Its coming and going, backwards from the begin: the law is the same both ways. */
static double draw_away(struct course *c, bool off, double *since)
{
    const struct world *w = c->w;
    double away = 0;
    *since = 0;
    for (double back = 0; w->leaves_hour > 0 && back < 24;) {
        double d = fmin(rng_exp(c->r, off ? w->away_hours : 1 / w->leaves_hour), 24 - back);
        away += off ? d : 0;
        *since = off && back == 0 ? d : *since;
        back += d;
        off = !off;
    }
    return away / 24;
}

static struct trial_past draw_past(struct course *c, int i)
{
    const struct unit *u = &c->u[i];
    double since, hour = boots_before(c->r, u->rate), away = draw_away(c, u->away_until > 0, &since);
    struct trial_past p = fleet_past(c->f, (size_t)i, BEGIN, hour);
    p.base[COL_REBOOTS] = hour + boots_before(c->r, 23 * u->rate);
    p.away = away;
    if (since > 0)
        p.last_t = BEGIN - (int64_t)(since * US_PER_HOUR);
    if (c->w->steps) {
        p.base[COL_VARIANCE] = 0.02 * exp(0.3 * rng_normal(c->r));
        p.hour[COL_VARIANCE] = p.base[COL_VARIANCE];
    }
    return p;
}

static void draw_unit(struct course *c, int i, int wave, const bool *site_fails)
{
    const struct world *w = c->w;
    struct unit *u = &c->u[i];
    double away = w->leaves_hour * w->away_hours;
    *u = (struct unit){.wave = wave,
                       .site = w->sites ? (int)rng_below(c->r, (uint64_t)w->sites) : 0,
                       .rate = draw_rate(c),
                       .zone = rng_unit(c->r) * 2 * M_PI,
                       .booted = -INFINITY,
                       .phase = given(w->poll_min, 5) / 60 * rng_unit(c->r),
                       .done = NAN,
                       .installed = NAN,
                       .second = INFINITY,
                       .sample = 1 + 58 * rng_unit(c->r),
                       .counter = 5 + (int)rng_below(c->r, 30),
                       .stepped = -1000,
                       .shown = NAN,
                       .mean = NAN};
    u->away_until = chance(c, away / (1 + away)) ? rng_exp(c->r, w->away_hours) : 0;
    u->fails = (w->sites && site_fails[u->site]) || chance(c, w->fails);
    u->no_rtc = chance(c, w->no_rtc);
    u->loops = chance(c, w->bad.loops);
    u->late = i % 2;
    u->seen = (struct seen){.cpu = NAN, .variance = NAN};
}

/* ---- the two servers' clocks ---- */

static int64_t ahead(const struct course *c)
{
    const struct world *w = c->w;
    bool now = w->ahead_to <= 0 || (c->hour >= w->ahead_from && c->hour < w->ahead_to);
    return now ? (int64_t)(w->ahead_min * US_PER_MIN) : 0;
}

/* The fleet server's time of what happens now. */
static int64_t server_time(const struct course *c)
{
    return c->at - ahead(c);
}

/* As the engine compares them at each poll, by the Date of their answers. */
static bool blind(struct course *c)
{
    int64_t sent = c->at, answered = sent + US_PER_S / 5;
    skew_take(&c->store, sent / US_PER_S * US_PER_S, sent, answered);
    skew_take(&c->server, server_time(c) / US_PER_S * US_PER_S, sent, answered);
    struct skew between = skew_between(&c->server, &c->store);
    skew_gate_take(&c->gate, &between, skew_tolerance(GRACE), answered);
    return c->gate.shut;
}

/* ---- trials ---- */

static const struct metric_def activations = {
    .id = "activations", .title = "activations", .unit = "", .kind = KIND_ACTIVATION};

static struct trial_spec spec_of(const struct course *c, enum world_form form)
{
    const struct world *w = c->w;
    struct trial_spec s = {.policy = policy_default()->evidence,
                           .waves = c->waves,
                           .start = server_time(c),
                           .step_us = c->step * US_PER_MIN,
                           .grace_us = GRACE};
    s.silence_us = 5 * s.step_us;
    s.boot_time = (w->clock_sets > 0 || w->no_rtc > 0) && !(form == WORLD_OLD && w->old == OLD_CHANGES);
    if (form == WORLD_BARE && !w->edge)
        s.policy.tolerance[ROW_REBOOTS] = s.policy.tolerance[ROW_CPU] = s.policy.tolerance[ROW_VARIANCE] = 1;
    if (form == WORLD_BARE)
        s.policy.min_devices = 1;
    if (w->report && form != WORLD_OLD) {
        s.policy.own = &activations;
        s.policy.n_own = 1;
    }
    return s;
}

static void enrol(struct course *c)
{
    for (int i = 0; i < c->n; i++) {
        struct trial_past past = draw_past(c, i);
        c->u[i].seen.cpu_base = past.base[COL_CPU];
        c->u[i].seen.var_base = past.base[COL_VARIANCE];
        for (int k = 0; k < WORLD_FORMS; k++) {
            struct trial_past p = past;
            if (k == WORLD_OLD && c->w->old == OLD_NO_PAST) {
                p.base[COL_REBOOTS] = NAN;
                p.away = NAN;
            }
            if (c->t[k] && !trial_ix_known(trial_add(c->t[k], c->u[i].wave, true,
                                                     (uint8_t)(c->w->strata ? c->u[i].site % TRIAL_STRATA : 0), &p)))
                exit(2);
        }
    }
}

static void must(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "a fact came too late\n");
    exit(2);
}

/* ---- devices ---- */

static void boot(struct course *c, struct unit *u)
{
    const struct world *w = c->w;
    if (u->boots++ == 0) {
        u->counter++;
        u->activated += w->report == REPORT_ANY;
    }
    u->booted = c->hour;
    u->down_until = c->hour + (0.5 + 1.5 * rng_unit(c->r)) / 60;
    if (w->children > 0)
        u->excited += w->children / w->children_hours;
    if (!u->no_rtc)
        return;
    /* Begins at 1970, or where it was saved last. */
    u->set_at = c->hour + (1 + 14 * rng_unit(c->r)) / 60;
    u->wrong = chance(c, 0.5) ? 0 : (double)c->at / US_PER_S - rng_unit(c->r) * 3600;
}

static void install(struct course *c, int i)
{
    const struct world *w = c->w;
    struct unit *u = &c->u[i];
    double told = u->wave * w->wave_hours;
    if (isnan(u->done) && (c->hour >= told + u->phase || (w->boot_polls && u->booted >= told && c->hour > u->booted))) {
        u->reached = server_time(c);
        u->done = c->hour + 2.5 / 60 * exp(given(w->uneven, 0.5) * rng_normal(c->r));
    }
    if (!(c->hour >= u->done))
        return;
    u->over = true;
    u->reported = server_time(c);
    if (u->fails)
        return;
    u->installed = c->hour;
    u->old_count = u->counter;
    u->old_t = u->heard;
    boot(c, u);
    if (w->second_hours > 0)
        u->second = c->hour + w->second_hours * (0.9 + 0.2 * rng_unit(c->r));
    for (int k = 0; k < WORLD_FORMS; k++)
        must(!c->t[k] || trial_installed(c->t[k], TRIAL_IX(i), u->reported));
}

/* Reboots an hour now; what the firmware does to signals is set here, too. */
static double rate_now(struct course *c, int i, bool on)
{
    const struct world *w = c->w;
    const struct world_effect *e = &w->bad;
    struct unit *u = &c->u[i];
    double rate = u->rate * c->risen;
    if (w->swing > 0)
        rate *= 1 + w->swing * 0.8 * sin(2 * M_PI * c->hour / 24 + u->zone);
    if (w->children > 0)
        u->excited *= exp(-1 / (60 * w->children_hours));
    if (!on)
        return rate + u->excited;
    c->f->m[i].cpu_times = given(e->cpu, 1);
    c->f->m[i].sd_times = sqrt(given(e->variance, 1));
    return rate * given(e->boots, 1) + (u->loops ? MORE_HOUR : 0) + u->excited;
}

static void live(struct course *c, int i, const bool *cut)
{
    const struct world *w = c->w;
    struct unit *u = &c->u[i];
    bool on = c->hour >= u->installed;
    bool gone = c->hour < u->away_until, down = c->hour < u->down_until;
    double rate = rate_now(c, i, on);
    u->boots = 0;
    if (!down && chance(c, rate / 60))
        boot(c, u);
    if (cut[u->site] && chance(c, 0.8)) {
        boot(c, u);
        if (chance(c, 0.5))
            u->away_until = c->hour + (4 + 36 * rng_unit(c->r)) / 60;
    }
    if (!gone && chance(c, w->leaves_hour * (on ? given(w->bad.leaves, 1) : 1) / 60)) {
        u->away_until = c->hour + rng_exp(c->r, w->away_hours);
        gone = true;
    }
    if (c->hour >= u->second) {
        boot(c, u);
        u->activated += w->report == REPORT_SECOND;
        u->second = INFINITY;
    }
    if (chance(c, w->clock_sets / 60))
        u->ahead = (chance(c, 0.5) ? 1 : -1) * (10 + 50 * rng_unit(c->r));
    if (w->steps && chance(c, 0.0001))
        u->stepped = (int)(c->hour * 60 + 0.5);
    if (u->wave >= 0 && u->wave < c->told && !u->over && !gone && !down)
        install(c, i);
}

/* ---- samples ---- */

/* Reboots as they are counted, and as others would count them. */
static double count_of(struct course *c, struct unit *u, int64_t at, double *old)
{
    const struct world *w = c->w;
    *old = u->counter;
    if (w->clock_sets > 0 || w->no_rtc > 0) {
        double real = isfinite(u->booted) ? (double)BEGIN / US_PER_S + u->booted * 3600 : 1.6e9;
        double now = c->hour < u->set_at ? u->wrong : real + u->ahead;
        u->changes += fabs(now - u->shown) > 5; /* the first is none */
        u->shown = now;
        *old = u->changes;
        return now;
    }
    if (!(w->shown_min > 0))
        return u->counter;
    struct series_value s[2] = {{c->id[0], at, u->counter}};
    size_t n = 1;
    if (!isnan(u->installed)) {
        s[0] = (struct series_value){c->id[1], at, u->counter - u->old_count - 1};
        if (at - u->old_t < (int64_t)(w->shown_min * US_PER_MIN))
            s[n++] = (struct series_value){c->id[0], u->old_t, u->old_count};
    }
    *old = n == 2 ? (s[0].v + s[1].v) / 2 : s[0].v;
    return series_counter(s, n, false);
}

static double sensor_of(const struct course *c, const struct unit *u, int i)
{
    double k = c->hour * 60 + 1 - u->stepped; /* samples since it stepped, of the newest ten */
    if (!c->w->steps)
        return c->f->m[i].variance;
    return k < 10 ? k * (10 - k) / 100 : 0;
}

static double cpu_of(const struct course *c, const struct unit *u, int i)
{
    const struct world *w = c->w;
    double v = c->f->m[i].cpu * (1 + (c->risen - 1) * 0.3);
    return c->hour - u->booted < w->warm_min / 60 ? v * w->warm_times : v;
}

static void sample(struct course *c, int i, struct tick *right, struct tick *old)
{
    const struct world *w = c->w;
    struct unit *u = &c->u[i];
    struct seen *s = &u->seen;
    bool control = u->wave < 0 || u->wave >= c->told;
    s->side = control ? SIDE_CONTROL : c->hour - u->installed >= (double)GRACE / US_PER_HOUR ? SIDE_CANARY : -1;
    s->boots = c->two ? 0 : u->boots;
    s->heard = c->at - u->heard < 5 * US_PER_MIN;
    if (c->hour < u->away_until || c->hour < u->down_until)
        return;
    u->heard = c->at + (int64_t)(u->sample * US_PER_S);
    double other, before = u->mean, count = count_of(c, u, u->heard, &other);
    s->heard = true;
    s->cpu = cpu_of(c, u, i);
    s->variance = sensor_of(c, u, i);
    double *row = tick_put(right, (size_t)i, u->heard);
    memcpy(row, (double[]){count, s->cpu, s->variance}, sizeof(double[COL_BUILTIN]));
    if (w->report)
        row[COL_BUILTIN] = u->late ? u->activated_shown : u->activated;
    u->activated_shown = u->activated;
    if (!c->two)
        return;
    u->mean = other;
    s->boots = other < before ? 1 : other > before ? (int)ceil(other - before) : 0;
    memcpy(tick_put(old, (size_t)i, u->heard), (double[]){other, s->cpu, s->variance}, sizeof(double[COL_BUILTIN]));
}

/* Ticks wait until the facts from before are known, by the server's clock. */
static void feed(struct course *c, int minute)
{
    int slot = minute % LAG_MAX, due = minute - c->lag, then = due % LAG_MAX;
    struct tick *right = &c->wait[slot].right, *old = &c->wait[slot].old;
    tick_clear(right, AT(minute));
    if (c->two)
        tick_clear(old, AT(minute));
    for (int i = 0; i < c->n; i++)
        sample(c, i, right, old);
    c->wait[slot].blind = c->w->ahead_min > 0 && blind(c);
    if (due < 1 || due % c->step != 0)
        return;
    right = &c->wait[then].right;
    if (c->t[WORLD_OLD])
        trial_tick(c->t[WORLD_OLD], c->two ? &c->wait[then].old : right);
    if (c->wait[then].blind) /* as one that nobody answered */
        tick_clear(right, right->t);
    for (int k = 0; k < WORLD_OLD; k++)
        if (c->t[k])
            trial_tick(c->t[k], right);
}

/* ---- installs ---- */

/* The earliest halt counts. */
static void note(struct course *c, int form, int64_t at, enum trial_test test)
{
    double hours = (double)(at - BEGIN) / US_PER_HOUR;
    if (c->out[WORLD_HALT(form)] <= hours)
        return;
    c->out[WORLD_HALT(form)] = hours;
    c->out[WORLD_TEST(form)] = test;
}

static void note_all(struct course *c, int form, int stage)
{
    struct evidence e[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    size_t n = trial_evidence(c->t[form], stage, e, which);
    for (size_t k = 0; k < n; k++)
        if (e[k].crossed_at > 0)
            note(c, form, e[k].crossed_at, which[k]);
}

static int64_t deadline_now(const struct course *c, int64_t *took)
{
    size_t n = 0;
    int64_t told = 0;
    for (int i = 0; i < c->n; i++) {
        const struct unit *u = &c->u[i];
        if (u->wave < 0 || u->wave >= c->told) /* canaries come first, in the order of waves */
            break;
        told++;
        if (!isnan(u->installed))
            took[n++] = u->reported - (BEGIN + (int64_t)(u->wave * c->w->wave_hours * US_PER_HOUR));
    }
    return install_deadline(INSTALL, (int64_t)(given(c->w->poll_min, 5) * US_PER_MIN), install_usual(took, n, told));
}

/* What the fleet server says of the installs; `fixed`: by a time-out since the telling. Returns failures, and *told. */
static int64_t outcomes(struct course *c, bool fixed, int64_t *told)
{
    struct install_device *d = xcalloc((size_t)c->n, sizeof *d);
    int64_t *took = xcalloc((size_t)c->n, sizeof *took), deadline = deadline_now(c, took), now = server_time(c);
    int64_t failed[WORLD_WAVES] = {0}, started[WORLD_WAVES] = {0}, late = 0, all = 0;
    size_t m = 0, n = 0;
    for (int i = 0; i < c->n; i++) {
        const struct unit *u = &c->u[i];
        if (u->wave < 0 || u->wave >= c->told)
            break;
        enum install_state s = install_state(u->over && !u->fails, u->over && u->fails, u->reached, deadline, now);
        bool over = fixed ? !u->over && c->hour - u->wave * c->w->wave_hours > 1 / 6.0 : s == INSTALL_OVERDUE;
        d[m] = (struct install_device){u->wave, {u->site, -1, -1, -1}, s == INSTALL_FAILED || over};
        failed[u->wave] += d[m++].failed;
        started[u->wave]++;
        late += over;
    }
    for (int w = 0; w < c->told; w++) {
        all += failed[w];
        failed[w] += w ? failed[w - 1] : 0;
        started[w] += w ? started[w - 1] : 0;
        c->tally[n++] = (struct install_tally){0, w, (int32_t)failed[w], (int32_t)started[w], 1};
    }
    *told = c->told ? started[c->told - 1] : 0;
    if (c->sum[fixed] != all * 10000 + *told) {
        c->sum[fixed] = all * 10000 + *told;
        for (int k = 0; k < WORLD_FORMS; k++) {
            bool devices = k == WORLD_OLD && c->w->old == OLD_DEVICES;
            if (!c->t[k] || fixed != (k == WORLD_OLD && c->w->old == OLD_TIMEOUT))
                continue;
            size_t more = n;
            if (c->w->strata && c->w->sites >= INSTALL_CLUSTERS_MIN && !devices)
                more = install_tally(d, m, 1, c->told, c->tally, n, INSTALL_TALLIES_MAX);
            trial_installs(c->t[k], c->tally, more, late);
            if (all > 0) /* what has failed by now may be none later */
                note_all(c, k, trial_stage(c->t[k]));
        }
    }
    free(took);
    free(d);
    return all;
}

/* ---- a run ---- */

static void minute(struct course *c, int m)
{
    const struct world *w = c->w;
    bool cut[TRIAL_STRATA] = {false};
    int64_t told;
    c->at = AT(m - 1) + US_PER_S; /* after the tick before */
    c->hour = (m - 1) / 60.0;
    c->risen = exp(w->rise * c->hour / w->hours);
    for (; c->told < c->waves && c->hour >= c->told * w->wave_hours; c->told++)
        for (int k = 0; k < WORLD_FORMS; k++)
            must(!c->t[k] || trial_told(c->t[k], c->told, server_time(c)));
    for (int s = 0; s < w->sites && s < TRIAL_STRATA; s++)
        cut[s] = chance(c, w->cuts_hour / 60);
    for (int i = 0; i < c->n; i++)
        live(c, i, cut);
    fleet_step(c->f); /* 30 s each */
    fleet_step(c->f);
    feed(c, m);
    outcomes(c, false, &told);
    int64_t late = outcomes(c, true, &told);
    for (int i = 0; i < c->n; i++)
        c->seen[i] = c->u[i].seen;
    methods_look(c->methods, m, c->seen, late, told);
}

static void begin(struct course *c)
{
    const struct world *w = c->w;
    bool site_fails[TRIAL_STRATA] = {false};
    struct err e;
    err_clear(&e);
    for (int s = 0; s < w->sites && s < TRIAL_STRATA; s++)
        site_fails[s] = chance(c, w->site_fails);
    for (int v = 0, i = 0; v <= c->waves; v++)
        for (int k = 0; k < (v < c->waves ? w->wave[v] : w->control); k++)
            draw_unit(c, i++, v < c->waves ? v : -1, site_fails);
    for (int k = 0; k < WORLD_FORMS; k++) {
        struct trial_spec s = spec_of(c, (enum world_form)k);
        if (k == WORLD_OLD && w->old == OLD_NONE)
            continue;
        c->t[k] = trial_new(&s, &e);
        if (!c->t[k]) {
            fprintf(stderr, "%s: %s\n", w->name, e.what);
            exit(2);
        }
    }
    enrol(c);
    for (int k = 0; k < 2; k++)
        series_label(&c->id[k], slice_of("release"), slice_of(k ? "2" : "1"), slice_of("instance"));
    c->two = w->old == OLD_CHANGES || w->old == OLD_MEAN;
    c->lag = (int)ceil(w->ahead_min);
    for (int k = 0; k < LAG_MAX; k++) {
        tick_init(&c->wait[k].right, BEGIN, (size_t)c->n, COL_BUILTIN + (w->report ? 1 : 0));
        tick_init(&c->wait[k].old, BEGIN, (size_t)(c->two ? c->n : 0), COL_BUILTIN);
    }
}

void world_run(const void *arg, struct rng *r, double *out)
{
    const struct world *w = arg;
    struct course c = {
        .w = w, .r = r, .out = out, .waves = w->waves ? w->waves : 1, .step = w->step_min ? w->step_min : 1};
    c.n = w->control;
    for (int v = 0; v < c.waves; v++)
        c.n += w->wave[v];
    for (int k = 0; k < SLOTS; k++)
        out[k] = NAN;
    c.f = fleet_new(r, (size_t)c.n, (size_t)w->wave[0], NULL);
    c.u = xcalloc((size_t)c.n, sizeof *c.u);
    c.seen = xcalloc((size_t)c.n, sizeof *c.seen);
    c.tally = xcalloc(INSTALL_TALLIES_MAX, sizeof *c.tally);
    c.methods = methods_new((size_t)c.n);
    c.at = BEGIN;
    c.told = 1;
    begin(&c);
    for (int m = 1; m <= (int)(w->hours * 60 + 0.5); m++)
        minute(&c, m);
    for (int k = 0; k < WORLD_FORMS; k++) {
        for (int s = 0; c.t[k] && s < trial_stages(c.t[k]); s++)
            note_all(&c, k, s);
        trial_free(c.t[k]);
    }
    methods_end(c.methods, &out[WORLD_BESIDE(0)]);
    methods_free(c.methods);
    for (int k = 0; k < LAG_MAX; k++) {
        tick_release(&c.wait[k].right);
        tick_release(&c.wait[k].old);
    }
    fleet_free(c.f);
    free(c.tally);
    free(c.seen);
    free(c.u);
}
