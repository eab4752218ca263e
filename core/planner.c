#include "core/planner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/detmath.h"
#include "core/err.h"
#include "core/eprocess.h"
#include "core/fmt.h"
#include "core/trial.h"
#include "core/ranktest.h"
#include "core/rng.h"

#define STEPS       96
#define SHIFT_SIDE  200
#define RUNS        400  /* of a simulation, */
#define EVENTS_MAX  300  /* with so many bad devices at most: who is not seen by then is not */
#define DRAWN_MAX   4000 /* devices that are spread anew in each run; more of them lie evenly enough */
#define FLEET_SHAPE 0.5  /* of the gamma law of the devices' own rates: few devices make most of the reboots */

int64_t planner_least(int64_t yc, int64_t yk, double alpha, double theta0, int min_devices)
{
    if (yc <= 0 || yk <= 0 || !(alpha > 0 && alpha < 1) || !(theta0 >= 1))
        return 0;
    struct eprocess e;
    eprocess_init(&e, theta0);
    double needed = eprocess_needed(alpha);
    for (int64_t bad = 1; bad <= yc; bad++) {
        eprocess_logrank(&e, yc - bad + 1, yk, 1, 0);
        if (bad >= min_devices && eprocess_log(&e) >= needed)
            return bad;
    }
    return 0;
}

/* The same when one control device has had the event already. */
static int64_t least_beside_one(int64_t yc, int64_t yk, double alpha, double theta0, int min_devices)
{
    if (yc <= 0 || yk <= 1 || !(alpha > 0 && alpha < 1))
        return 0;
    struct eprocess e;
    eprocess_init(&e, theta0);
    eprocess_logrank(&e, yc, yk, 0, 1);
    double needed = eprocess_needed(alpha);
    for (int64_t bad = 1; bad <= yc; bad++) {
        eprocess_logrank(&e, yc - bad + 1, yk - 1, 1, 0);
        if (bad >= min_devices && eprocess_log(&e) >= needed)
            return bad;
    }
    return 0;
}

static int64_t least_failed(int64_t started, double alpha, double p0, int min_devices)
{
    if (!(alpha > 0 && alpha < 1) || !(p0 > 0 && p0 < 1))
        return 0;
    int64_t lo = min_devices > 1 ? min_devices : 1, hi = started;
    if (lo > hi || bernoulli_limit_log(hi, started, p0) < eprocess_needed(alpha))
        return 0;
    while (lo < hi) { /* the evidence grows with every failure */
        int64_t mid = lo + (hi - lo) / 2;
        if (bernoulli_limit_log(mid, started, p0) >= eprocess_needed(alpha))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Values of up to SHIFT_SIDE devices from `from` on, all different, by turns from the strata. */
static size_t take_turns(const int64_t *devices, int strata, double from, double *v, uint8_t *stratum)
{
    size_t n = 0;
    for (int64_t i = 0, more = 1; more && n < SHIFT_SIDE; i++) {
        more = 0;
        for (int k = 0; k < strata && n < SHIFT_SIDE; k++) {
            if (i >= devices[k])
                continue;
            more = 1;
            v[n] = from + (double)n;
            stratum[n++] = (uint8_t)k;
        }
    }
    return n;
}

/* Can the first look of the bulk engine halt when every canary is above every control device? Asked of the test itself;
 * beyond 200 a side the answer stays yes. */
static bool sees_shift(const int64_t *canary, const int64_t *control, int strata, double alpha)
{
    double x[SHIFT_SIDE], y[SHIFT_SIDE];
    uint8_t xs[SHIFT_SIDE], ys[SHIFT_SIDE];
    size_t n = take_turns(canary, strata, SHIFT_SIDE, x, xs), m = take_turns(control, strata, 0, y, ys);
    struct ranktest r;
    return n > 0 && m > 0 && alpha > 0 && ranktest_strata(x, xs, n, y, ys, m, TIES_PERMUTATION, &r) &&
           r.p <= alpha * look_share(1);
}

/* Share of devices with fewer than `level` reboots after x expected ones each: negative binomial, the mixture of
 * Poisson counts over a gamma law of shape 1/2. */
static double still_under(int level, double x)
{
    double p = 1 / sqrt(1 + x / FLEET_SHAPE), sum = 0;
    for (int i = 0; i < level; i++) {
        sum += p;
        p *= (FLEET_SHAPE + i) / (i + 1.0) * x / (FLEET_SHAPE + x);
    }
    return sum;
}

/* Is the `level`-th reboot expected to give evidence `needed` within `hours`? The evidence that grows when each risk
 * set shrinks as expected; single runs lie around it, about as many above as below. */
static bool sees_level(int level, const struct plan *w, double rate, double ratio, double theta0, double needed,
                       double min_devices)
{
    struct eprocess e;
    double log_theta[EPROCESS_GRID], step = (double)w->hours / STEPS, n = (double)w->canary, m = (double)w->control;
    eprocess_init(&e, theta0);
    for (int j = 0; j < EPROCESS_GRID; j++)
        log_theta[j] = det_log(eprocess_theta(j));
    double sc = 1, sk = 1;
    for (int i = 1; i <= STEPS; i++) {
        double c = still_under(level, rate * ratio * step * i), k = still_under(level, rate * step * i);
        double dc = n * (sc - c), dk = m * (sk - k), yc = n * (sc + c) / 2, yk = m * (sk + k) / 2;
        for (int j = 0; j < EPROCESS_GRID; j++)
            e.log_e[j] +=
                dc * log_theta[j] - (dc + dk) * det_log((theta0 * eprocess_theta(j) * yc + yk) / (theta0 * yc + yk));
        sc = c;
        sk = k;
        if (n * (1 - sc) >= min_devices && eprocess_log(&e) >= needed)
            return true;
    }
    return false;
}

static double sees_reboots(const struct plan *w, double per_day, double alpha, double theta0, int min_devices)
{
    static const double ratios[] = {2, 5, 20};
    static const int levels[] = {1, 2, 4, 8};
    if (w->canary < 1 || w->control < 1 || !(alpha > 0))
        return 0;
    for (size_t r = 0; r < sizeof ratios / sizeof *ratios; r++)
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++)
            if (sees_level(levels[l], w, per_day / 24, ratios[r], theta0, eprocess_needed(alpha), min_devices))
                return ratios[r];
    return 0;
}

static double alpha_of(const struct evidence_policy *p, const struct ledger *l, int wave, enum trial_test test)
{
    const struct metric_test *t = metric_test(p, (int)test);
    return ledger_alpha(l, wave, ledger_row(t->metric)) / t->parts;
}

static bool blind(const struct plan *p)
{
    return !p->least_loop && !p->least_silent && !p->least_cpu && !p->least_install && !p->sees_cpu_shift &&
           !p->sees_variance_shift && !(p->sees_reboot_ratio > 0);
}

void planner_wave(const struct evidence_policy *p, int wave, int waves, int64_t canary, int64_t control, int64_t hours,
                  double reboots_per_day, struct plan *out)
{
    *out = (struct plan){.canary = canary, .control = control, .hours = hours, .blind = true};
    struct ledger l;
    if (p->tests == TESTS_OFF || !trial_ledger(p, waves, &l))
        return;
    out->cpu_both = p->cpu_worse == WORSE_BOTH;
    double loop = alpha_of(p, &l, wave, TEST_LOOP);
    out->least_loop = planner_least(canary, control, loop, 1, p->min_devices);
    out->least_loop_beside = least_beside_one(canary, control, loop, 1, p->min_devices);
    out->least_silent = planner_least(canary, control, alpha_of(p, &l, wave, TEST_SILENT), p->ratio, p->min_devices);
    out->least_cpu = planner_least(canary, control, alpha_of(p, &l, wave, TEST_CPU125), p->ratio, p->min_devices);
    out->least_install = least_failed(canary, ledger_install(&l), p->install_share, p->min_devices);
    bool enough = canary >= p->min_devices;
    out->sees_cpu_shift = enough && sees_shift(&canary, &control, 1, alpha_of(p, &l, wave, TEST_CPU));
    out->sees_variance_shift = enough && sees_shift(&canary, &control, 1, alpha_of(p, &l, wave, TEST_VARIANCE));
    out->reboots_known = hours > 0 && reboots_per_day > 0;
    if (out->reboots_known)
        out->sees_reboot_ratio =
            sees_reboots(out, reboots_per_day, alpha_of(p, &l, wave, TEST_BOOT1), p->ratio, p->min_devices);
    out->blind = blind(out);
}

/* ---- in strata ---- */

enum { RACE_LOOP, RACE_SILENT, RACE_CPU, RACES };

/* Tests of one run, in which one canary after the other goes bad. */
struct race {
    double theta0, needed;
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

static void run_race(const struct field *f, struct rng *rng, int run, int min_devices, struct race race[RACES])
{
    struct eprocess e[RACES];
    int64_t left[STRATA_MAX], rest = f->n[0], carried = 0;
    int open = 0;
    memcpy(left, f->y[0], sizeof left);
    for (int r = 0; r < RACES; r++) {
        eprocess_init(&e[r], race[r].theta0);
        race[r].at[run] = f->n[0] + 1;
        open += isfinite(race[r].needed);
    }
    for (int64_t bad = 1; bad <= f->n[0] && bad <= EVENTS_MAX && open > 0; bad++, rest--) {
        int k = pick(left, rest, rng);
        carried += f->y[1][k] > 0;
        for (int r = 0; r < RACES; r++) {
            if (race[r].at[run] <= f->n[0] || !isfinite(race[r].needed))
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

void planner_strata(const struct evidence_policy *p, int wave, int waves, const struct plan_spread *spread,
                    double reboots_per_day, struct plan *out)
{
    static const enum trial_test test[RACES] = {TEST_LOOP, TEST_SILENT, TEST_CPU125};
    struct ledger l;
    struct rng rng;
    struct field f = {0};
    int64_t with[2] = {0}, all[2] = {0};
    if (spread->values < 2 || p->tests == TESTS_OFF || !trial_ledger(p, waves, &l))
        return;
    struct race *race = xcalloc(RACES, sizeof *race);
    for (int r = 0; r < RACES; r++) {
        double alpha = alpha_of(p, &l, wave, test[r]);
        race[r].theta0 = r == RACE_LOOP ? 1 : p->ratio;
        race[r].needed = alpha > 0 ? eprocess_needed(alpha) : INFINITY;
    }
    rng_init(&rng, 1);
    for (int run = 0; run < RUNS; run++) {
        spread_out(spread, out, &rng, &f);
        for (int side = 0; side < 2; side++) {
            with[side] += compared(&f, side);
            all[side] += f.n[side];
        }
        run_race(&f, &rng, run, p->min_devices, race);
    }
    out->strata = f.strata;
    out->compared = all[0] > 0 ? (double)with[0] / (double)all[0] : 0;
    out->loops_seen = mean_seen(&race[RACE_LOOP], f.n[0]);
    int64_t whole = planner_least(f.n[0], f.n[1], alpha_of(p, &l, wave, TEST_LOOP), 1, p->min_devices);
    out->loops_seen_whole = whole > 0 ? so_many(whole, f.n[0]) : 0;
    for (int r = 0; r < RACES; r++)
        qsort(race[r].at, RUNS, sizeof *race[r].at, by_number);
    out->least_loop = takes(&race[RACE_LOOP], 0.5, f.n[0]);
    out->least_loop_beside = takes(&race[RACE_LOOP], 0.9, f.n[0]);
    out->least_silent = takes(&race[RACE_SILENT], 0.5, f.n[0]);
    out->least_cpu = takes(&race[RACE_CPU], 0.5, f.n[0]);
    bool enough = out->canary >= p->min_devices;
    out->sees_cpu_shift = enough && sees_shift(f.y[0], f.y[1], f.strata, alpha_of(p, &l, wave, TEST_CPU));
    out->sees_variance_shift = enough && sees_shift(f.y[0], f.y[1], f.strata, alpha_of(p, &l, wave, TEST_VARIANCE));
    struct plan fewer = *out;
    fewer.canary = (int64_t)((double)out->canary * out->compared);
    fewer.control = all[1] > 0 ? (int64_t)((double)out->control * (double)with[1] / (double)all[1]) : 0;
    if (out->reboots_known)
        out->sees_reboot_ratio =
            sees_reboots(&fewer, reboots_per_day, alpha_of(p, &l, wave, TEST_BOOT1), p->ratio, p->min_devices);
    out->blind = blind(out);
    free(race);
}

/* Adds to a list of what is seen: ", " between, nothing when there is no room. */
static void add(char *out, size_t size, size_t *n, const char *between, const char *what)
{
    size_t a = strlen(between), b = strlen(what);
    if (*n + a + b + 1 > size)
        return;
    memcpy(out + *n, between, a);
    memcpy(out + *n + a, what, b);
    *n += a + b;
    out[*n] = '\0';
}

/* The cost of strata, in the wave's own figures. */
static void strata_text(const struct plan *p, char *out, size_t size, size_t *n)
{
    char part[200], alone[FMT_MAX];
    double apart = (double)p->canary * (1 - p->compared);
    if (p->strata < 2)
        return;
    snprintf(part, sizeof part,
             "in %d strata crash loops in %.0f%% of the canaries are seen in about %.0f%% (%.0f%% if all were compared "
             "together)",
             p->strata, 100 * PLAN_LOOPS, 100 * p->loops_seen, 100 * p->loops_seen_whole);
    add(out, size, n, "; ", part);
    if (apart < 0.5)
        return;
    snprintf(part, sizeof part, "about %s of them ha%s nobody to be compared with",
             fmt_count(alone, (int64_t)(apart + 0.5)), apart < 1.5 ? "s" : "ve");
    add(out, size, n, ", ", part);
}

void planner_text(const struct plan *p, char *out, size_t size)
{
    if (size == 0)
        return;
    out[0] = 0;
    size_t n = 0;
    char part[200], count[FMT_MAX];
    snprintf(part, sizeof part, "%s device%s", fmt_count(count, p->canary), p->canary == 1 ? "" : "s");
    add(out, size, &n, "", part);
    if (p->hours > 0) {
        snprintf(part, sizeof part, " for %lld h", (long long)p->hours);
        add(out, size, &n, "", part);
    }
    if (p->blind) {
        snprintf(part, sizeof part, ": cannot see anything, even if all go bad (%lld to compare with)",
                 (long long)p->control);
        add(out, size, &n, "", part);
        strata_text(p, out, size, &n);
        return;
    }
    const char *between = ": sees ";
    if (p->least_loop) {
        if (p->least_loop_beside > p->least_loop)
            snprintf(part, sizeof part, "%lld-%lld devices in a crash loop", (long long)p->least_loop,
                     (long long)p->least_loop_beside);
        else
            snprintf(part, sizeof part, "%lld device%s in a crash loop", (long long)p->least_loop,
                     p->least_loop == 1 ? "" : "s");
        add(out, size, &n, between, part);
        between = ", ";
    }
    if (p->least_silent) {
        snprintf(part, sizeof part, "%lld silent", (long long)p->least_silent);
        add(out, size, &n, between, part);
        between = ", ";
    }
    if (p->least_install) {
        snprintf(part, sizeof part, "%lld failed installs", (long long)p->least_install);
        add(out, size, &n, between, part);
        between = ", ";
    }
    if (p->least_cpu) {
        snprintf(part, sizeof part, "%lld with CPU far up%s", (long long)p->least_cpu, p->cpu_both ? " or down" : "");
        add(out, size, &n, between, part);
        between = ", ";
    }
    if (p->sees_cpu_shift || p->sees_variance_shift) {
        add(out, size, &n, between,
            p->sees_cpu_shift && p->sees_variance_shift ? "CPU or sensor variance up on all"
            : p->sees_cpu_shift                         ? p->cpu_both ? "CPU up or down on all" : "CPU up on all"
                                                        : "sensor variance up on all");
        between = ", ";
    }
    if (p->reboots_known && p->sees_reboot_ratio > 0) {
        snprintf(part, sizeof part, "reboots x%g", p->sees_reboot_ratio);
        add(out, size, &n, between, part);
    }
    if (!p->least_loop)
        add(out, size, &n, "; ", "cannot see a crash loop");
    if (p->reboots_known && !(p->sees_reboot_ratio <= 2 && p->sees_reboot_ratio > 0)) {
        snprintf(part, sizeof part, "cannot see reboots x%d",
                 p->sees_reboot_ratio > 5   ? 5
                 : p->sees_reboot_ratio > 0 ? 2
                                            : 20);
        add(out, size, &n, "; ", part);
    }
    strata_text(p, out, size, &n);
}
