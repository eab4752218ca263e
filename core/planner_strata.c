/* What strata by attributes cost: a simulation of the order in which canaries go bad. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/eprocess.h"
#include "core/err.h"
#include "core/planner_parts.h"
#include "core/rng.h"
#include "core/strata.h"

#define RUNS       400
#define EVENTS_MAX 300  /* bad devices of a run: who is not seen by then is not */
#define DRAWN_MAX  4000 /* devices that are spread anew in each run; more of them lie evenly enough */

/* A test in runs in which one canary after the other goes bad: those with the same two figures are one. */
struct race {
    struct eprocess begin;
    double needed;
    int64_t at[RUNS]; /* how many it took in each run; one more than there are: not seen */
};
struct field {
    int strata;
    int64_t y[2][STRATA_MAX], n[2];
};

/* Values are of one size; the last stratum has all values beyond. */
static void put_evenly(int values, int64_t devices, int64_t y[STRATA_MAX])
{
    memset(y, 0, STRATA_MAX * sizeof *y);
    for (int v = 0; v < values; v++)
        y[v < STRATA_MAX ? v : STRATA_MAX - 1] += devices / values + (v < devices % values);
}

/* The stratum of one of `rest` devices that is picked at random. */
static int pick(const int64_t *y, int64_t rest, struct rng *rng)
{
    int64_t one = (int64_t)rng_below(rng, (uint64_t)rest);
    int k = 0;
    while (one >= y[k])
        one -= y[k++];
    return k;
}

static void spread_out(const struct plan_spread *s, const struct plan *w, struct rng *rng, struct field *f)
{
    f->strata = s->values < STRATA_MAX ? s->values : STRATA_MAX;
    if (s->canary) {
        memcpy(f->y[0], s->canary, (size_t)f->strata * sizeof *s->canary);
        memcpy(f->y[1], s->control, (size_t)f->strata * sizeof *s->control);
    } else if (w->canary + w->control > DRAWN_MAX) {
        put_evenly(s->values, w->canary, f->y[0]);
        put_evenly(s->values, w->control, f->y[1]);
    } else { /* canaries are any of them */
        memset(f->y[0], 0, sizeof f->y[0]);
        put_evenly(s->values, w->canary + w->control, f->y[1]);
        for (int64_t i = 0; i < w->canary; i++) {
            int k = pick(f->y[1], w->canary + w->control - i, rng);
            f->y[0][k]++;
            f->y[1][k]--;
        }
    }
    for (int side = 0; side < 2; side++) {
        f->n[side] = 0;
        for (int k = 0; k < f->strata; k++)
            f->n[side] += f->y[side][k];
    }
}

/* Devices of a side that have somebody to be compared with. */
static int64_t compared(const struct field *f, int side)
{
    int64_t n = 0;
    for (int k = 0; k < f->strata; k++)
        n += f->y[!side][k] > 0 ? f->y[side][k] : 0;
    return n;
}

static void run_race(const struct field *f, struct rng *rng, int run, int min_devices, struct race *race, int races)
{
    struct eprocess e[TESTS_MAX];
    int64_t left[STRATA_MAX], rest = f->n[0], carried = 0;
    int open = races;
    memcpy(left, f->y[0], sizeof left);
    for (int r = 0; r < races; r++) {
        e[r] = race[r].begin;
        race[r].at[run] = f->n[0] + 1;
    }
    for (int64_t bad = 1; bad <= f->n[0] && bad <= EVENTS_MAX && open > 0; bad++, rest--) {
        int k = pick(left, rest, rng);
        carried += f->y[1][k] > 0;
        for (int r = 0; r < races; r++) {
            if (race[r].at[run] <= f->n[0])
                continue;
            eprocess_logrank(&e[r], left[k], f->y[1][k], 1, 0);
            if (carried < min_devices || eprocess_log(&e[r]) < race[r].needed)
                continue;
            race[r].at[run] = bad;
            open--;
        }
        left[k]--;
    }
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* What it takes in a share q of the runs, which are sorted by it; 0: it is not seen in so many. */
static int64_t takes(const struct race *r, double q, int64_t n)
{
    int64_t v = r->at[(int)(q * RUNS)];
    return v <= n ? v : 0;
}

/* Chance that k or more of n devices go bad, each with PLAN_LOOPS. */
static double so_many(int64_t k, int64_t n)
{
    double p = det_exp((double)n * det_log(1 - PLAN_LOOPS)), sum = 0;
    for (int64_t i = 0; i < k && i <= n; i++) {
        sum += p;
        p *= (double)(n - i) / (double)(i + 1) * (PLAN_LOOPS / (1 - PLAN_LOOPS));
    }
    return k > n ? 0 : sum < 1 ? 1 - sum : 0;
}

static double mean_seen(const struct race *r, int64_t n)
{
    double sum = 0;
    for (int i = 0; i < RUNS; i++)
        sum += so_many(r->at[i], n);
    return sum / RUNS;
}

/* The race of a test; `n` of them are there. */
static int race_of(struct race *race, int *n, struct eprocess begin, double needed)
{
    for (int i = 0; i < *n; i++)
        if (det_same(race[i].begin.theta0, begin.theta0) && race[i].begin.weight == begin.weight &&
            det_same(race[i].needed, needed))
            return i;
    race[*n] = (struct race){.begin = begin, .needed = needed};
    return (*n)++;
}

/* The tests that look at devices one by one, and the race of each; -1: it is none. */
static int line_up(const struct evidence_policy *p, const struct ledger *l, int wave, struct race *race,
                   int of[TESTS_MAX])
{
    int n = 0;
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        double alpha = planner_alpha(p, l, wave, t);
        of[i] = -1;
        if (planner_plain(p, t) && t->rule != RULE_OUTCOME && alpha > 0 && alpha < 1)
            of[i] = race_of(race, &n, planner_process(p, t), eprocess_needed(alpha));
    }
    return n;
}

static void take_down(const struct evidence_policy *p, const struct ledger *l, int wave, const struct field *f,
                      const struct race *race, const int of[TESTS_MAX], struct plan *out)
{
    for (size_t row = 0; row < metric_count(p); row++) {
        out->metric[row].shift = false;
        out->metric[row].least = row == ROW_INSTALL ? out->metric[row].least : 0;
    }
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        struct plan_metric *m = &out->metric[t->metric];
        if (t->rule == RULE_SHIFT)
            m->shift = m->shift || (out->canary >= p->min_devices &&
                                    planner_shift(f->y[0], f->y[1], f->strata, planner_alpha(p, l, wave, t)));
        int64_t n = of[i] >= 0 ? takes(&race[of[i]], 0.5, f->n[0]) : 0;
        if (n > 0 && (m->least == 0 || n < m->least))
            m->least = n;
    }
}

static void loops(const struct evidence_policy *p, double alpha, const struct field *f, struct race *race,
                  struct plan *out)
{
    struct eprocess begin = planner_process(p, metric_test(p, TEST_LOOP));
    int64_t whole = planner_least(&begin, f->n[0], f->n[1], alpha, p->min_devices);
    out->loops_seen_whole = whole > 0 ? so_many(whole, f->n[0]) : 0;
    out->loops_seen = race ? mean_seen(race, f->n[0]) : 0;
    out->least_loop_beside = race ? takes(race, 0.9, f->n[0]) : 0;
}

void planner_strata(const struct evidence_policy *p, int wave, int waves, const struct plan_spread *spread,
                    double reboots_per_day, struct plan *out)
{
    struct ledger l;
    struct rng rng;
    struct field f = {0};
    int64_t with[2] = {0}, all[2] = {0};
    int of[TESTS_MAX];
    if (spread->values < 2 || p->tests == TESTS_OFF || !trial_ledger(p, waves, &l))
        return;
    struct race *race = xcalloc(TESTS_MAX, sizeof *race);
    int races = line_up(p, &l, wave, race, of);
    rng_init(&rng, 1);
    for (int run = 0; run < RUNS; run++) {
        spread_out(spread, out, &rng, &f);
        for (int side = 0; side < 2; side++) {
            with[side] += compared(&f, side);
            all[side] += f.n[side];
        }
        run_race(&f, &rng, run, p->min_devices, race, races);
    }
    for (int r = 0; r < races; r++)
        qsort(race[r].at, RUNS, sizeof *race[r].at, by_number);
    out->strata = f.strata;
    out->compared = all[0] > 0 ? (double)with[0] / (double)all[0] : 0;
    take_down(p, &l, wave, &f, race, of, out);
    loops(p, planner_alpha(p, &l, wave, metric_test(p, TEST_LOOP)), &f,
          of[TEST_LOOP] >= 0 ? &race[of[TEST_LOOP]] : NULL, out);
    struct plan fewer = *out;
    fewer.canary = (int64_t)((double)out->canary * out->compared);
    fewer.control = all[1] > 0 ? (int64_t)((double)out->control * (double)with[1] / (double)all[1]) : 0;
    if (out->reboots_known)
        out->sees_reboot_ratio = planner_reboots(p, &l, wave, &fewer, reboots_per_day);
    out->blind = planner_blind(p, out);
    free(race);
}
