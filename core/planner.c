#include "core/planner.h"

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

/* One test of first passages in the wave: what it may spend (of its first epoch, where it has epochs) and expects. */
struct passage_test {
    double alpha, theta0;
    const uint8_t *weight;
    int min_devices;
};

/* `beside`: control devices that have had the event already. */
static int64_t least(int64_t yc, int64_t yk, int64_t beside, const struct passage_test *t)
{
    if (yc <= 0 || yk <= beside || !(t->alpha > 0 && t->alpha < 1) || !(t->theta0 >= 1))
        return 0;
    struct eprocess e;
    eprocess_init(&e, t->theta0);
    e.weight = t->weight;
    for (int64_t i = 0; i < beside; i++)
        eprocess_logrank(&e, yc, yk--, 0, 1);
    double needed = eprocess_needed(t->alpha);
    for (int64_t bad = 1; bad <= yc; bad++) {
        eprocess_logrank(&e, yc - bad + 1, yk, 1, 0);
        if (bad >= t->min_devices && eprocess_log(&e) >= needed)
            return bad;
    }
    return 0;
}

int64_t planner_least(int64_t yc, int64_t yk, double alpha, double theta0, int min_devices)
{
    return least(yc, yk, 0, &(struct passage_test){alpha, theta0, NULL, min_devices});
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

/* Can the first look of the bulk engine halt when every canary is above every control device? Asked of the test itself;
 * beyond 200 a side the answer stays yes. */
static bool sees_shift(int64_t canary, int64_t control, double alpha)
{
    double x[SHIFT_SIDE], y[SHIFT_SIDE];
    size_t n = canary < SHIFT_SIDE ? (size_t)canary : SHIFT_SIDE,
           m = control < SHIFT_SIDE ? (size_t)control : SHIFT_SIDE;
    if (canary < 1 || control < 1 || !(alpha > 0))
        return false;
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(SHIFT_SIDE + i);
    for (size_t i = 0; i < m; i++)
        y[i] = (double)i;
    struct ranktest r;
    ranktest(x, n, y, m, &r);
    return r.p <= alpha * look_share(1);
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
static bool sees_level(int level, const struct plan *w, double rate, double ratio, const struct passage_test *t)
{
    struct eprocess e;
    double log_theta[EPROCESS_GRID], step = (double)w->hours / STEPS, n = (double)w->canary, m = (double)w->control;
    double theta0 = t->theta0, needed = eprocess_needed(t->alpha);
    eprocess_init(&e, theta0);
    e.weight = t->weight;
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
        if (n * (1 - sc) >= t->min_devices && eprocess_log(&e) >= needed)
            return true;
    }
    return false;
}

static double alpha_of(const struct evidence_policy *p, const struct ledger *l, int wave, enum trial_test test)
{
    const struct metric_test *t = metric_test(p, (int)test);
    return design_alpha(p->design, t, ledger_alpha(l, wave, ledger_row(t->metric)));
}

static struct passage_test passage_of(const struct evidence_policy *p, const struct ledger *l, int wave,
                                      enum trial_test test)
{
    const struct metric_test *t = metric_test(p, (int)test);
    double epoch = design_epoch_share(p->design, t, 0);
    return (struct passage_test){alpha_of(p, l, wave, test) * epoch, t->rule == RULE_LOOP ? 1 : p->ratio,
                                 design_weight(p->design, t), p->min_devices};
}

static double sees_reboots(const struct evidence_policy *p, const struct ledger *l, int wave, const struct plan *w,
                           double per_day)
{
    static const double ratios[] = {2, 5, 20};
    if (w->canary < 1 || w->control < 1)
        return 0;
    for (size_t r = 0; r < sizeof ratios / sizeof *ratios; r++)
        for (int k = 0; k < 4; k++) {
            struct passage_test t = passage_of(p, l, wave, (enum trial_test)(TEST_BOOT1 + k));
            if (t.alpha > 0 && sees_level(1 << k, w, per_day / 24, ratios[r], &t))
                return ratios[r];
        }
    return 0;
}

void planner_wave(const struct evidence_policy *p, int wave, int waves, int64_t canary, int64_t control, int64_t hours,
                  double reboots_per_day, struct plan *out)
{
    *out = (struct plan){.canary = canary, .control = control, .hours = hours, .blind = true};
    struct ledger l;
    if (p->tests == TESTS_OFF || !trial_ledger(p, waves, &l))
        return;
    out->cpu_both = p->cpu_worse == WORSE_BOTH;
    struct passage_test loop = passage_of(p, &l, wave, TEST_LOOP), silent = passage_of(p, &l, wave, TEST_SILENT),
                        cpu = passage_of(p, &l, wave, TEST_CPU125);
    out->least_loop = least(canary, control, 0, &loop);
    out->least_loop_beside = least(canary, control, 1, &loop);
    out->least_silent = least(canary, control, 0, &silent);
    out->least_cpu = least(canary, control, 0, &cpu);
    out->least_install = least_failed(canary, ledger_install(&l), p->install_share, p->min_devices);
    bool enough = canary >= p->min_devices;
    out->sees_cpu_shift = enough && sees_shift(canary, control, alpha_of(p, &l, wave, TEST_CPU));
    out->sees_variance_shift = enough && sees_shift(canary, control, alpha_of(p, &l, wave, TEST_VARIANCE));
    out->reboots_known = hours > 0 && reboots_per_day > 0;
    if (out->reboots_known)
        out->sees_reboot_ratio = sees_reboots(p, &l, wave, out, reboots_per_day);
    out->blind = !out->least_loop && !out->least_silent && !out->least_cpu && !out->least_install &&
                 !out->sees_cpu_shift && !out->sees_variance_shift && !(out->sees_reboot_ratio > 0);
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

void planner_text(const struct plan *p, char *out, size_t size)
{
    if (size == 0)
        return;
    out[0] = 0;
    size_t n = 0;
    char part[120], count[FMT_MAX];
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
}
