/* Table H: bad firmware that is not plain at once, and which part of it is seen; beside it, on the same fleets, what
 * was seen before tests had a design (core/design.h): shares .30, .20, .15, .15, .20, alternatives weighed alike, one
 * risk set a stage.
 *
 * Devices report each minute. The canaries are told at 0, poll each 5 min, and install at their next poll, which is a
 * reboot; one wave. Each reboot keeps a device from reporting for .5 to 2 min. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/design.h"
#include "core/err.h"
#include "tests/validate/validate.h"

#define MINUTE  (1.0 / 60) /* times are in hours */
#define NEVER   1e9
#define LOOPING 10.0 /* reboots an hour */

struct world {
    const char *name;
    int canaries, control;
    double hours, rate; /* background: reboots an hour and device, gamma(0.5) between devices */
    double loops;       /* share of the canaries that reboot in a loop once they have the firmware */
    int n_loop;         /* the same, as a number: the first ones */
    double times;       /* all canaries reboot so many times as often, from `from` h after the install on */
    double from;
    double leak_at, leak; /* reboots `leak` an hour more once a canary is up for so many hours */
    double brick;         /* share of the canaries that are gone for good 6 min after the install */
    double leaves, away;  /* any device stops reporting so often an hour, for so many hours on average */
    double begins;        /* the fault does, h: delays count from here */
    int runs;             /* 0: 300 */
    double goal;          /* percent seen that are wanted at least; NaN: no fewer than before */
};

struct unit {
    double rate, installed, last; /* last: newest reboot */
    double next, down;            /* next reboot; not reporting until */
    double gone, back;            /* goes away next, and comes back */
    double phase;
    int boots;
    bool canary, loops, brick, told;
};

enum { BEFORE, NOW, VARIANTS };

static struct evidence_policy policy_of(int variant)
{
    struct evidence_policy p = policy_default()->evidence;
    if (variant == BEFORE) {
        p.design = 0;
        p.share[ROW_REBOOTS] = 0.30;
        p.share[ROW_SILENCE] = p.share[ROW_INSTALL] = 0.20;
        p.share[ROW_CPU] = p.share[ROW_VARIANCE] = 0.15;
    }
    return p;
}

/* The time of the next reboot after `now`: an exponential deviate spent along a hazard that changes twice at most. */
static double next_boot(const struct world *w, const struct unit *m, struct rng *r, double now)
{
    double left = rng_exp(r, 1), bad = m->canary ? m->installed + w->from : NEVER;
    double leaks = m->canary && w->leak > 0 ? fmax(m->installed, m->last) + w->leak_at : NEVER;
    for (;;) {
        double until = NEVER, h = m->rate;
        if (now >= bad)
            h = h * w->times + (m->loops ? LOOPING : 0);
        else
            until = bad;
        if (now >= leaks)
            h += w->leak;
        else
            until = fmin(until, leaks);
        if (left <= h * (until - now) || until >= NEVER)
            return h > 0 ? now + left / h : NEVER;
        left -= h * (until - now);
        now = until;
    }
}

static void begin_member(const struct world *w, struct unit *m, struct rng *r, int i)
{
    *m = (struct unit){.rate = w->rate * rng_gamma(r, 0.5) / 0.5,
                       .canary = i < w->canaries,
                       .installed = NEVER,
                       .last = -NEVER,
                       .phase = rng_unit(r) * MINUTE,
                       .gone = NEVER,
                       .back = -1};
    m->loops = m->canary && (i < w->n_loop || rng_unit(r) < w->loops);
    m->brick = m->canary && rng_unit(r) < w->brick;
    if (w->leaves > 0)
        m->gone = rng_unit(r) * (1 / w->leaves + w->away) < w->away ? 0 : rng_exp(r, 1 / w->leaves);
    if (m->gone <= 0)
        m->back = rng_exp(r, w->away);
    if (m->canary)
        m->installed = (1 + 5 * rng_unit(r)) * MINUTE;
    m->next = next_boot(w, m, r, 0);
}

static struct trial_past past_of(const struct world *w, const struct unit *m, struct rng *r)
{
    double day = 0, away = 0;
    for (double t = rng_exp(r, 1 / (m->rate + 1e-12)); t < 24; t += rng_exp(r, 1 / (m->rate + 1e-12)))
        day++;
    for (double t = w->leaves > 0 ? rng_exp(r, 1 / w->leaves) : NEVER; t < 24; t += rng_exp(r, 1 / w->leaves)) {
        double gone = fmin(rng_exp(r, w->away), 24 - t);
        away += gone;
        t += gone;
    }
    return (struct trial_past){.base = {day, NAN, NAN},
                               .hour = {0, NAN, NAN},
                               .last_t = T0 - (m->gone <= 0 ? US_PER_HOUR : 30 * US_PER_S),
                               .known = true,
                               .away = away / 24};
}

/* What happened to it up to `now`. Does it report? */
static bool live(const struct world *w, struct unit *m, struct rng *r, double now, struct trial *const t[VARIANTS],
                 size_t i)
{
    while (m->gone <= now && m->back <= now) {
        m->gone = m->back + rng_exp(r, 1 / w->leaves);
        m->back = m->gone + rng_exp(r, w->away);
    }
    bool away = m->gone <= now && now < m->back;
    if (m->canary && !m->told && m->installed <= now && !away) { /* whoever is away installs when it is back */
        m->told = true;
        m->installed = now;
        m->next = now;
        for (int v = 0; v < VARIANTS; v++)
            if (!trial_installed(t[v], TRIAL_IX(i), T0 + (int64_t)(now * US_PER_HOUR)))
                exit(2);
    }
    while (m->next <= now) {
        m->boots++;
        m->last = m->next;
        m->down = m->next + (0.5 + 1.5 * rng_unit(r)) * MINUTE;
        m->next = next_boot(w, m, r, m->next);
    }
    return !away && m->down <= now && !(m->brick && m->told && now > m->installed + 0.1);
}

/* The time of each variant's first halt, h; NaN: none. */
static void one_run(const void *arg, struct rng *r, double *out)
{
    const struct world *w = arg;
    size_t n = (size_t)(w->canaries + w->control);
    struct unit *m = xcalloc(n, sizeof *m);
    struct trial *t[VARIANTS];
    struct tick k;
    for (int v = 0; v < VARIANTS; v++)
        t[v] = rig_trial(&(struct trial_spec){.policy = policy_of(v),
                                              .waves = 1,
                                              .start = T0,
                                              .step_us = US_PER_MIN,
                                              .grace_us = 3 * US_PER_MIN,
                                              .silence_us = 5 * US_PER_MIN});
    for (size_t i = 0; i < n; i++) {
        begin_member(w, &m[i], r, (int)i);
        struct trial_past past = past_of(w, &m[i], r);
        for (int v = 0; v < VARIANTS; v++)
            (void)trial_add(t[v], m[i].canary ? 0 : -1, true, 0, &past);
    }
    tick_init(&k, T0, n, COL_BUILTIN);
    for (int minute = 1; minute <= (int)(w->hours * 60); minute++) {
        tick_clear(&k, T0 / US_PER_MIN * US_PER_MIN + minute * US_PER_MIN);
        for (size_t i = 0; i < n; i++) {
            if (!live(w, &m[i], r, minute * MINUTE, t, i))
                continue;
            double *row = tick_put(&k, i, k.t - (int64_t)(m[i].phase * US_PER_HOUR));
            row[COL_REBOOTS] = m[i].boots;
            row[COL_CPU] = row[COL_VARIANCE] = NAN;
        }
        for (int v = 0; v < VARIANTS; v++)
            trial_tick(t[v], &k);
    }
    for (int v = 0; v < VARIANTS; v++) {
        out[v] = rig_halt(t[v], TEST_LOOP, TEST_AWAY8) / 60 - w->begins;
        trial_free(t[v]);
    }
    tick_release(&k);
    free(m);
}

static void show(const struct world *w, int full)
{
    int runs = pool_runs(full);
    double *results = pool_run(one_run, w, w->name, runs);
    struct measured was = share_of(results, runs, BEFORE, NEVER), is = share_of(results, runs, NOW, NEVER);
    double before = median_of(results, runs, BEFORE), now = median_of(results, runs, NOW);
    printf("  %-52s %6.1f %% %5.1f %6.1f %% %5.1f %8.3g %8.3g %7.0f\n", w->name, was.p * 100, was.se * 100, is.p * 100,
           is.se * 100, before, now, w->goal);
    fflush(stdout);
    if (!isnan(w->goal))
        check(is.p + pool_errors() * is.se >= w->goal / 100, "%s: %.1f %% of %d runs are halted, wanted %.0f %%",
              w->name, is.p * 100, is.n, w->goal);
    /* The same fleets: what differs is chance only where the tests do. */
    check(is.p + pool_errors() * is.se >= was.p, "%s: %.1f %% of %d runs are halted, before %.1f %%", w->name,
          is.p * 100, is.n, was.p * 100);
    free(results);
}

void table_seen(void)
{
    static const struct world worlds[] = {
        {.name = "20 v 180, 20 % loop",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 1,
         .loops = .2,
         .goal = 90},
        {.name = "20 v 180, 10 % loop",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 1,
         .loops = .1,
         .goal = NAN},
        {.name = "5 v 195, 2 loop",
         .canaries = 5,
         .control = 195,
         .hours = 4,
         .rate = .02,
         .times = 1,
         .n_loop = 2,
         .goal = NAN},
        {.name = "5 v 195, 3 loop",
         .canaries = 5,
         .control = 195,
         .hours = 4,
         .rate = .02,
         .times = 1,
         .n_loop = 3,
         .goal = NAN},
        {.name = "20 v 180, reboots x5",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 5,
         .goal = 65},
        {.name = "20 v 180, reboots x20",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 20,
         .goal = NAN},
        {.name = "100 v 900, reboots x2",
         .canaries = 100,
         .control = 900,
         .hours = 24,
         .rate = .02,
         .times = 2,
         .goal = NAN},
        {.name = "100 v 900, reboots x5",
         .canaries = 100,
         .control = 900,
         .hours = 8,
         .rate = .02,
         .times = 5,
         .goal = NAN},
        {.name = "1,000 v 4,000, reboots x2",
         .runs = 40,
         .canaries = 1000,
         .control = 4000,
         .hours = 12,
         .rate = .02,
         .times = 2,
         .goal = NAN},
        {.name = "100 v 900, reboots x5 from hour 40",
         .runs = 60,
         .canaries = 100,
         .control = 900,
         .hours = 72,
         .rate = .02,
         .times = 5,
         .from = 40,
         .begins = 40,
         .goal = NAN},
        {.name = "20 v 180, a leak bites at hour 36",
         .canaries = 20,
         .control = 180,
         .hours = 72,
         .rate = .02,
         .times = 1,
         .leak_at = 36,
         .leak = .3,
         .begins = 36,
         .goal = 50},
        {.name = "20 v 180, 25 % bricked",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 1,
         .brick = .25,
         .goal = NAN},
        {.name = "20 v 180, 10 % bricked",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 1,
         .brick = .1,
         .goal = NAN},
        {.name = "20 v 180, 25 % bricked beside churn",
         .canaries = 20,
         .control = 180,
         .hours = 24,
         .rate = .02,
         .times = 1,
         .brick = .25,
         .leaves = .2,
         .away = 2,
         .goal = 60},
    };
    printf("  %-52s %8s %5s %8s %5s %8s %8s %7s\n", "seen", "before", "s.e.", "now", "s.e.", "h before", "now",
           "wanted");
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++)
        show(&worlds[i], worlds[i].runs > 0 ? worlds[i].runs : 300);
}
