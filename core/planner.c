#include "core/planner_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/design.h"
#include "core/detmath.h"
#include "core/eprocess.h"
#include "core/fmt.h"
#include "core/trial.h"
#include "core/ranktest.h"

#define STEPS       96
#define SHIFT_SIDE  200
#define FLEET_SHAPE 0.5 /* of the gamma law of the devices' own rates: few devices make most of the reboots */

/* The same after `beside` control devices have had the event. */
static int64_t least_beside(struct eprocess e, int64_t yc, int64_t yk, int64_t beside, double alpha, int min_devices)
{
    if (yc <= 0 || yk <= beside || !(alpha > 0 && alpha < 1) || !(e.theta0 >= 1))
        return 0;
    double needed = eprocess_needed(alpha);
    for (; beside > 0; beside--, yk--)
        eprocess_logrank(&e, yc, yk, 0, 1);
    for (int64_t bad = 1; bad <= yc; bad++) {
        eprocess_logrank(&e, yc - bad + 1, yk, 1, 0);
        if (bad >= min_devices && eprocess_log(&e) >= needed)
            return bad;
    }
    return 0;
}

int64_t planner_least(const struct eprocess *begin, int64_t yc, int64_t yk, double alpha, int min_devices)
{
    return least_beside(*begin, yc, yk, 0, alpha, min_devices);
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
bool planner_shift(const int64_t *canary, const int64_t *control, int strata, double alpha)
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
static bool sees_level(int level, const struct plan *w, double rate, double ratio, struct eprocess e, double needed,
                       double min_devices)
{
    double log_theta[EPROCESS_GRID], step = (double)w->hours / STEPS, n = (double)w->canary, m = (double)w->control;
    double theta0 = e.theta0;
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

double planner_alpha(const struct evidence_policy *p, const struct ledger *l, int wave, const struct metric_test *t)
{
    double metric = t->rule == RULE_OUTCOME ? ledger_install(l) : ledger_alpha(l, wave, ledger_row(t->metric));
    return design_alpha(p->design, t, metric) * design_epoch_share(p->design, t, 0);
}

struct eprocess planner_process(const struct evidence_policy *p, const struct metric_test *t)
{
    struct eprocess e;
    eprocess_init(&e, t->rule == RULE_LOOP ? 1 : p->tolerance[ROW_REBOOTS]);
    e.weight = design_weight(p->design, t);
    return e;
}

double planner_reboots(const struct evidence_policy *p, const struct ledger *l, int wave, const struct plan *w,
                       double per_day)
{
    static const double ratios[] = {2, 5, 20};
    if (w->canary < 1 || w->control < 1)
        return 0;
    for (size_t r = 0; r < sizeof ratios / sizeof *ratios; r++)
        for (int k = TEST_BOOT1; k <= TEST_BOOT8; k++) {
            const struct metric_test *t = metric_test(p, k);
            double alpha = planner_alpha(p, l, wave, t);
            if (alpha > 0 && sees_level(1 << (k - TEST_BOOT1), w, per_day / 24, ratios[r], planner_process(p, t),
                                        eprocess_needed(alpha), p->min_devices))
                return ratios[r];
        }
    return 0;
}

bool planner_plain(const struct evidence_policy *p, const struct metric_test *t)
{
    static const enum metric_rule plainest[] = {
        [KIND_COUNTER] = RULE_LOOP,   [KIND_GAUGE] = RULE_LEVEL,        [KIND_SPREAD] = RULE_LEVEL,
        [KIND_EVENT] = RULE_EVENTS,   [KIND_ACTIVATION] = RULE_OUTCOME, [KIND_PRESENCE] = RULE_SILENCE,
        [KIND_OUTCOME] = RULE_OUTCOME};
    struct metric_def d;
    metric_get(p, t->metric, &d);
    return t->rule == plainest[d.kind] && !(t->rule == RULE_SILENCE && t->level > 0);
}

static void metrics_seen(const struct evidence_policy *p, const struct ledger *l, int wave, struct plan *out)
{
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        struct plan_metric *m = &out->metric[t->metric];
        double alpha = planner_alpha(p, l, wave, t);
        if (t->rule == RULE_SHIFT)
            m->shift =
                m->shift || (out->canary >= p->min_devices && planner_shift(&out->canary, &out->control, 1, alpha));
        if (!planner_plain(p, t))
            continue;
        struct eprocess begin = planner_process(p, t);
        int64_t n = t->rule == RULE_OUTCOME
                        ? least_failed(out->canary, alpha, p->tolerance[ROW_INSTALL], p->min_devices)
                        : planner_least(&begin, out->canary, out->control, alpha, p->min_devices);
        if (n > 0 && (m->least == 0 || n < m->least))
            m->least = n;
    }
}

bool planner_blind(const struct evidence_policy *p, const struct plan *out)
{
    bool blind = !(out->sees_reboot_ratio > 0);
    for (size_t i = 0; i < metric_count(p); i++)
        blind = blind && out->metric[i].least == 0 && !out->metric[i].shift;
    return blind;
}

void planner_wave(const struct evidence_policy *p, int wave, int waves, int64_t canary, int64_t control, int64_t hours,
                  double reboots_per_day, struct plan *out)
{
    *out = (struct plan){.canary = canary, .control = control, .hours = hours, .blind = true};
    struct ledger l;
    if (p->tests == TESTS_OFF || !trial_ledger(p, waves, &l))
        return;
    metrics_seen(p, &l, wave, out);
    const struct metric_test *loop = metric_test(p, TEST_LOOP);
    out->least_loop_beside =
        least_beside(planner_process(p, loop), canary, control, 1, planner_alpha(p, &l, wave, loop), p->min_devices);
    out->reboots_known = hours > 0 && reboots_per_day > 0;
    if (out->reboots_known)
        out->sees_reboot_ratio = planner_reboots(p, &l, wave, out, reboots_per_day);
    out->blind = planner_blind(p, out);
}

/* ---- in words ---- */

struct words {
    const struct evidence_policy *e;
    const struct plan *p;
    char *out;
    size_t size, n;
    const char *between; /* before the next part */
};

/* Adds a part whole, or nothing when there is no room. */
static void add(struct words *w, const char *what)
{
    size_t a = strlen(w->between), b = strlen(what);
    if (w->n + a + b + 1 > w->size)
        return;
    memcpy(w->out + w->n, w->between, a);
    memcpy(w->out + w->n + a, what, b);
    w->n += a + b;
    w->out[w->n] = '\0';
    w->between = ", ";
}

static bool level(const struct metric_def *d)
{
    return d->kind == KIND_GAUGE || d->kind == KIND_SPREAD;
}

static const char *way(enum metric_worse w)
{
    return w == WORSE_UP ? "up" : w == WORSE_DOWN ? "down" : "up or down";
}

enum look { LOOK_FAR, LOOK_ALL, LOOK_NOT };

/* Levels that are looked at and seen alike are told together: "CPU or variance up on all". */
static bool told_alike(const struct words *w, enum look what, size_t i, size_t k)
{
    const struct plan_metric *a = &w->p->metric[i], *b = &w->p->metric[k];
    struct metric_def x, y;
    metric_get(w->e, i, &x);
    metric_get(w->e, k, &y);
    if (!level(&x) || !level(&y) || x.worse != y.worse || !(y.share > 0))
        return false;
    return what == LOOK_FAR   ? b->least > 0 && a->least == b->least
           : what == LOOK_ALL ? b->shift
                              : b->least == 0 && !b->shift;
}

static void levels_text(struct words *w, enum look what)
{
    bool told[METRICS_MAX] = {false};
    for (size_t i = 0, count = metric_count(w->e); i < count; i++) {
        char part[METRICS_MAX * (METRIC_TITLE_MAX + 4) + 60];
        size_t n = 0, of = 0, left = 0;
        struct metric_def d;
        metric_get(w->e, i, &d);
        if (told[i] || !told_alike(w, what, i, i))
            continue;
        for (size_t k = i; k < count; k++)
            left += !told[k] && told_alike(w, what, i, k);
        if (what == LOOK_FAR)
            n = (size_t)snprintf(part, sizeof part, "%lld with ", (long long)w->p->metric[i].least);
        for (size_t k = i; k < count; k++) {
            if (told[k] || !told_alike(w, what, i, k))
                continue;
            told[k] = true;
            left--;
            n += (size_t)snprintf(part + n, sizeof part - n, "%s%s",
                                  of++ == 0  ? ""
                                  : left > 0 ? ", "
                                             : " or ",
                                  metric_title(w->e, k));
        }
        snprintf(part + n, sizeof part - n, "%s %s%s", what == LOOK_FAR ? " far" : "", way(d.worse),
                 what == LOOK_ALL ? " on all" : "");
        add(w, part);
    }
}

/* Counters and events of the policy's own; `seen`: those that are, else those that are not. */
static void events_text(struct words *w, bool seen)
{
    for (size_t i = METRICS_BUILTIN; i < metric_count(w->e); i++) {
        char part[METRIC_TITLE_MAX + 60], *at = part;
        int64_t least = w->p->metric[i].least;
        struct metric_def d;
        metric_get(w->e, i, &d);
        if (level(&d) || !(d.share > 0) || (least > 0) != seen)
            continue;
        if (seen)
            at += snprintf(part, sizeof part, "%lld with ", (long long)least);
        snprintf(at, sizeof part - (size_t)(at - part), "%s%s", d.title,
                 d.kind == KIND_COUNTER ? " 3 times within half an hour" : "");
        add(w, part);
    }
}

static void reboots_text(struct words *w)
{
    const struct plan *p = w->p;
    long long least = (long long)p->metric[ROW_REBOOTS].least;
    char part[80];
    if (p->least_loop_beside > least)
        snprintf(part, sizeof part, "%lld-%lld devices in a crash loop", least, (long long)p->least_loop_beside);
    else
        snprintf(part, sizeof part, "%lld device%s in a crash loop", least, least == 1 ? "" : "s");
    if (least > 0)
        add(w, part);
}

static void few_text(struct words *w, size_t row, const char *what)
{
    char part[80];
    snprintf(part, sizeof part, "%lld %s", (long long)w->p->metric[row].least, what);
    if (w->p->metric[row].least > 0)
        add(w, part);
}

static void seen_text(struct words *w)
{
    char part[40];
    reboots_text(w);
    few_text(w, ROW_SILENCE, "silent");
    few_text(w, ROW_INSTALL, "failed installs");
    levels_text(w, LOOK_FAR);
    events_text(w, true);
    levels_text(w, LOOK_ALL);
    snprintf(part, sizeof part, "reboots x%g", w->p->sees_reboot_ratio);
    if (w->p->reboots_known && w->p->sees_reboot_ratio > 0)
        add(w, part);
}

static void unseen_text(struct words *w)
{
    char part[40];
    double ratio = w->p->sees_reboot_ratio;
    if (w->p->metric[ROW_REBOOTS].least == 0)
        add(w, "a crash loop");
    levels_text(w, LOOK_NOT);
    events_text(w, false);
    snprintf(part, sizeof part, "reboots x%d", ratio > 5 ? 5 : ratio > 0 ? 2 : 20);
    if (w->p->reboots_known && !(ratio <= 2 && ratio > 0))
        add(w, part);
}

/* The cost of strata, in the wave's own figures. */
static void strata_text(struct words *w)
{
    const struct plan *p = w->p;
    char part[200], alone[FMT_MAX];
    double apart = (double)p->canary * (1 - p->compared);
    if (p->strata < 2 || !(p->loops_seen_whole > 0)) /* not seen whoever is compared: strata cost nothing */
        return;
    w->between = "; ";
    snprintf(part, sizeof part,
             "in %d strata crash loops in %.0f%% of the canaries are seen in about %.0f%% (%.0f%% if all were compared "
             "together)",
             p->strata, 100 * PLAN_LOOPS, 100 * p->loops_seen, 100 * p->loops_seen_whole);
    add(w, part);
    if (apart < 0.5)
        return;
    snprintf(part, sizeof part, "about %s of them ha%s nobody to be compared with",
             fmt_count(alone, (int64_t)(apart + 0.5)), apart < 1.5 ? "s" : "ve");
    add(w, part);
}

void planner_text(const struct evidence_policy *e, const struct plan *p, char *out, size_t size)
{
    struct words w = {.e = e, .p = p, .out = out, .size = size, .between = ""};
    char part[120], count[FMT_MAX];
    if (size == 0)
        return;
    out[0] = 0;
    snprintf(part, sizeof part, "%s device%s", fmt_count(count, p->canary), p->canary == 1 ? "" : "s");
    add(&w, part);
    w.between = "";
    snprintf(part, sizeof part, " for %lld h", (long long)p->hours);
    if (p->hours > 0)
        add(&w, part);
    w.between = ": ";
    if (p->blind) {
        snprintf(part, sizeof part, "cannot see anything, even if all go bad (%lld to compare with)",
                 (long long)p->control);
        add(&w, part);
        strata_text(&w);
        return;
    }
    w.between = ": sees ";
    seen_text(&w);
    w.between = "; cannot see ";
    unseen_text(&w);
    strata_text(&w);
}
