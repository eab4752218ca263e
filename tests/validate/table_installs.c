/* Table G: installs. Nothing is wrong with the firmware, but devices are in touch seldom, are away, or fail with all of
 * their site. Beside andon's process: the same process of a time-out on a fixed clock, and by device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/install.h"
#include "core/ledger.h"
#include "tests/validate/validate.h"

enum { MOST = 100, SITES = 20, MINUTES = 12 * 60 };
#define INSTALL_TIME (10 * US_PER_MIN)
#define P0           0.02
#define NEED         (-log(0.05 * 0.2)) /* the installs' share of a rollout's alpha */

enum { ANDON, PLAIN };

/* ---- slow polls ---- */

struct polls_case {
    const char *name;
    int devices;
    double poll, sigma; /* minutes between contacts; spread of the install's logarithm */
    double hangs;       /* share that is never done: a bad firmware */
};

struct patient {
    int64_t reached, done; /* since the telling */
    bool fails, hangs;
};

static struct patient draw(struct rng *r, const struct polls_case *c)
{
    struct patient p = {.fails = rng_unit(r) < 0.01, .hangs = rng_unit(r) < c->hangs};
    double at = c->poll * rng_unit(r), work = 2.5 * exp(c->sigma * rng_normal(r));
    if (rng_unit(r) < 0.02) /* it is away, and comes back */
        at += rng_exp(r, 50);
    if (rng_unit(r) < 0.02 * (work + c->poll) / 50) /* it goes away meanwhile */
        work += rng_exp(r, 50);
    p.reached = (int64_t)(at * US_PER_MIN) + 1;
    p.done = p.reached + (int64_t)(work * US_PER_MIN);
    return p;
}

/* Devices that count as failed `now` after the telling; `learnt`: by the deadline, not by a time-out since then. */
static int failed(const struct patient *v, const struct polls_case *c, int64_t now, bool learnt)
{
    int64_t took[MOST];
    size_t n = 0;
    int bad = 0;
    for (int i = 0; i < c->devices; i++)
        if (v[i].done <= now && !v[i].fails && !v[i].hangs)
            took[n++] = v[i].done;
    int64_t deadline =
        install_deadline(INSTALL_TIME, (int64_t)(c->poll * US_PER_MIN), install_usual(took, n, c->devices));
    for (int i = 0; i < c->devices; i++) {
        bool over = v[i].done <= now && !v[i].hangs;
        enum install_state s = install_state(over && !v[i].fails, over && v[i].fails,
                                             v[i].reached <= now ? v[i].reached : 0, deadline, now);
        bad += s == INSTALL_FAILED || (learnt ? s == INSTALL_OVERDUE : s > INSTALL_FAILED && now > INSTALL_TIME);
    }
    return bad;
}

static double evidence(int bad, int of)
{
    struct install_tally t = {.failed = bad, .started = of, .times = 1};
    struct install_evidence e;
    install_evidence(&t, 1, 4, P0, &e);
    return e.log_e;
}

static void slow_polls(const void *arg, struct rng *r, double *out)
{
    const struct polls_case *c = arg;
    struct patient v[MOST];
    for (int i = 0; i < c->devices; i++)
        v[i] = draw(r, c);
    for (int k = ANDON; k <= PLAIN; k++) {
        out[k] = NAN;
        for (int m = 1; m <= MINUTES && isnan(out[k]); m++) {
            int bad = failed(v, c, m * US_PER_MIN, k == ANDON);
            if (bad >= 2 && evidence(bad, c->devices) >= NEED)
                out[k] = m;
        }
    }
}

/* ---- sites ---- */

struct sites_case {
    const char *name;
    int devices, waves, sites;
    double site, device; /* chance that a whole site fails, and a device by itself */
};

static void whole_sites(const void *arg, struct rng *r, double *out)
{
    const struct sites_case *c = arg;
    static struct install_tally t[4 * MOST + 4];
    struct install_device v[MOST];
    bool down[SITES];
    size_t n = 0;
    for (int s = 0; s < c->sites; s++)
        down[s] = rng_unit(r) < c->site;
    for (int i = 0; i < c->devices; i++) {
        int site = (int)rng_below(r, (uint64_t)c->sites);
        v[i] = (struct install_device){
            i * c->waves / c->devices, {site, -1, -1, -1}, down[site] || rng_unit(r) < c->device};
    }
    for (int w = 0, bad = 0, of = 0; w < c->waves; w++) {
        for (int i = 0; i < c->devices; i++) {
            bad += v[i].wave == w && v[i].failed;
            of += v[i].wave == w;
        }
        t[n++] = (struct install_tally){0, w, bad, of, 1};
    }
    struct install_evidence e;
    install_evidence(t, n, c->waves, P0, &e);
    out[PLAIN] = e.log_e >= NEED && e.failed >= 2 ? 0 : NAN;
    n = install_tally(v, (size_t)c->devices, 1, c->waves, t, n, sizeof t / sizeof *t);
    install_evidence(t, n, c->waves, P0, &e);
    out[ANDON] = e.log_e >= NEED && e.failed >= 2 ? 0 : NAN;
}

static void lines(const char *name, const double *results, int runs, bool null, const char *plain)
{
    char what[100];
    snprintf(what, sizeof what, "%s: andon", name);
    if (null)
        rate_holds(what, share_of(results, runs, ANDON, INFINITY), 0.01, NAN);
    else
        line_share(what, share_of(results, runs, ANDON, INFINITY), NAN, NAN);
    snprintf(what, sizeof what, "  %s", plain);
    line_share(what, share_of(results, runs, PLAIN, INFINITY), NAN, NAN);
}

void table_installs(void)
{
    static const struct polls_case polls[] = {
        {"20 devices, contact each 8 min", 20, 8, 0.5, 0},     {"20 devices, contact each 20 min", 20, 20, 0.5, 0},
        {"20 devices, contact each 60 min", 20, 60, 0.5, 0},   {"100 devices, contact each 10 min", 100, 10, 0.5, 0},
        {"100 devices, contact each 60 min", 100, 60, 0.5, 0}, {"100 devices, uneven installs, 8 min", 100, 8, 1.2, 0},
        {"20 devices, 8 min, a third hangs", 20, 8, 0.5, 0.33}};
    static const struct sites_case sites[] = {
        {"20 devices, 20 sites that may fail", 20, 1, 20, P0, 0},
        {"100 devices, 20 sites that may fail", 100, 1, 20, P0, 0},
        {"100 devices in 4 waves, 20 sites that may fail", 100, 4, 20, P0, 0},
        {"100 devices, 20 sites, half of it by device", 100, 1, 20, P0 / 2, P0 / 2},
        {"100 devices that fail by themselves", 100, 4, 20, 0, P0},
        {"20 devices on 5 sites, a third fails", 20, 1, 5, 0, 0.33},
        {"20 devices on 20 sites, a third fails", 20, 1, 20, 0, 0.33}};
    for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
        int runs = pool_runs(2000);
        double *results = pool_run(slow_polls, &polls[i], polls[i].name, runs);
        lines(polls[i].name, results, runs, !(polls[i].hangs > 0), "a time-out of 10 min as a failure");
        free(results);
    }
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        int runs = pool_runs(20000);
        double *results = pool_run(whole_sites, &sites[i], sites[i].name, runs);
        lines(sites[i].name, results, runs, sites[i].device < 0.3, "by device");
        free(results);
    }
}
