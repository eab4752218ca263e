/* The usual methods, run at each look as their users run them. Each at its own nominal level, one-sided where it can
 * be, which is the kinder way. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/ranktest.h"
#include "tests/validate/validate.h"

#define Z95 1.6448536269514722
#define Z99 2.3263478740408408 /* two-sided 98 % */

/* ---- reboots ---- */

void usual_boots_init(struct usual_boots *u, int canaries, int control, size_t events)
{
    *u = (struct usual_boots){.canaries = canaries, .control = control};
    u->count = xcalloc((size_t)(canaries + control), sizeof *u->count);
    for (int g = 0; g < 2; g++)
        u->hist[g] = xcalloc(BOOTS_MOST + 2, sizeof *u->hist[g]);
    u->window = xcalloc(events + 1, sizeof *u->window);
    u->hist[0][0] = canaries;
    u->hist[1][0] = control;
    double n = canaries + control;
    u->u = canaries * (double)control / 2;
    u->ties = n * n * n - n;
}

void usual_boots_release(struct usual_boots *u)
{
    free(u->count);
    free(u->hist[0]);
    free(u->hist[1]);
    free(u->window);
}

static double cube(double t)
{
    return t * t * t - t;
}

void usual_boots_add(struct usual_boots *u, const struct boot *b)
{
    int g = (int)b->device < u->canaries ? 0 : 1, c = u->count[b->device];
    u->total[g]++;
    if (g == 0)
        u->window[u->window_n++] = b->tick;
    if (c >= BOOTS_MOST)
        return;
    u->count[b->device]++;
    /* pairs with the other group's c and c + 1: a tie becomes a win, a loss becomes a tie; the other way for control */
    double half = (u->hist[!g][c] + u->hist[!g][c + 1]) / 2.0;
    u->u += g == 0 ? half : -half;
    double at = u->hist[0][c] + u->hist[1][c], next = u->hist[0][c + 1] + u->hist[1][c + 1];
    u->ties += cube(at - 1) - cube(at) + cube(next + 1) - cube(next);
    u->hist[g][c]--;
    u->hist[g][c + 1]++;
}

/* Difference of two Poisson rates over its own standard error (Wald); exposures grow alike, so devices stand for them.
 */
static bool z_halts(const struct usual_boots *u)
{
    double n = u->canaries, m = u->control, x = (double)u->total[0], y = (double)u->total[1];
    return x + y > 0 && x / n - y / m > Z95 * sqrt(x / (n * n) + y / (m * m));
}

static bool rank_halts(const struct usual_boots *u)
{
    double n = u->canaries, m = u->control, a = n + m;
    double var = n * m / 12 * (a + 1 - u->ties / (a * (a - 1)));
    return var > 0 && u->u - n * m / 2 - 0.5 > Z95 * sqrt(var);
}

/* Three-sigma: the canary's reboots in the last hour exceed m + 3 sqrt(m), m by control's rate so far; after an hour.
 */
static bool sigma_halts(struct usual_boots *u, int tick)
{
    while (u->window_from < u->window_n && u->window[u->window_from] <= tick - PER_HOUR)
        u->window_from++;
    double m = (double)u->total[1] / u->control * u->canaries * PER_HOUR / tick;
    return tick >= PER_HOUR && (double)(u->window_n - u->window_from) > m + 3 * sqrt(m);
}

void usual_boots_look(struct usual_boots *u, int tick)
{
    u->z = u->z || z_halts(u);
    u->rank = u->rank || rank_halts(u);
    u->sigma = u->sigma || sigma_halts(u, tick);
}

/* ---- CPU ---- */

void usual_cpu_init(struct usual_cpu *u, const double pre[PER_HOUR])
{
    memset(u, 0, sizeof *u);
    double sq = 0;
    for (int i = 0; i < PER_HOUR; i++)
        u->pre_mean += pre[i] / PER_HOUR;
    for (int i = 0; i < PER_HOUR; i++)
        sq += (pre[i] - u->pre_mean) * (pre[i] - u->pre_mean);
    u->pre_sd = sqrt(sq / (PER_HOUR - 1));
}

/* Welch's z and Mann-Whitney on each device's 5 min mean over its own baseline. */
static void device_tests(struct usual_cpu *u, const struct fleet *f, size_t n)
{
    double v[1024], sum[2] = {0, 0}, sq[2] = {0, 0};
    size_t all = f->n < 1024 ? f->n : 1024, m = all - n;
    for (size_t i = 0; i < all; i++) {
        v[i] = fleet_change(f, i);
        sum[i >= n] += v[i];
        sq[i >= n] += v[i] * v[i];
    }
    double a = (double)n, b = (double)m, ma = sum[0] / a, mb = sum[1] / b;
    double var = (sq[0] - a * ma * ma) / (a - 1) / a + (sq[1] - b * mb * mb) / (b - 1) / b;
    u->z = u->z || ma - mb > Z95 * sqrt(var);
    if (u->rank)
        return;
    struct ranktest r;
    ranktest(v, n, v + n, m, &r);
    u->rank = r.p_asymptotic < 0.05;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kayenta's judge, told that only a rise is bad: the 98 % interval of Mann-Whitney's shift of 60 one-minute means lies
 * above a quarter of its estimate. */
bool usual_kayenta(const double minute[2][60])
{
    enum { N = 60 };
    struct ranktest r;
    ranktest(minute[0], N, minute[1], N, &r);
    if (r.p_asymptotic > 0.012) /* the interval holds 0 */
        return false;
    double d[N * N];
    for (int i = 0; i < N * N; i++)
        d[i] = minute[0][i / N] - minute[1][i % N];
    qsort(d, N * N, sizeof *d, by_value);
    int k = (int)(N * N / 2.0 - Z99 * sqrt(N * N * (2 * N + 1) / 12.0));
    double estimate = (d[N * N / 2 - 1] + d[N * N / 2]) / 2;
    return d[k] > 0.25 * fabs(estimate);
}

void usual_cpu_look(struct usual_cpu *u, const struct fleet *f, size_t canaries)
{
    double mean[2] = {0, 0};
    for (size_t i = 0; i < f->n; i++)
        mean[i >= canaries] += f->m[i].cpu;
    mean[0] /= (double)canaries;
    mean[1] /= (double)(f->n - canaries);
    u->sigma = u->sigma || mean[0] > u->pre_mean + 3 * u->pre_sd;
    if (++u->ticks % 2 == 1) {
        memcpy(u->half, mean, sizeof mean);
    } else {
        for (int g = 0; g < 2; g++)
            u->minute[g][u->minutes % 60] = (u->half[g] + mean[g]) / 2;
        if (++u->minutes >= 60 && !u->kayenta)
            u->kayenta = usual_kayenta((const double(*)[60])u->minute);
    }
    if (!u->z || !u->rank)
        device_tests(u, f, canaries);
}
