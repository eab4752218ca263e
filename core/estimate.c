#include "core/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return h;
}

double beta_inc(double a, double b, double x)
{
    if (!(x > 0))
        return 0;
    if (x >= 1)
        return 1;
    int sign;
    double front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* The x at which I_x(a,b) = p, by bisection down to neighbouring doubles. */
static double beta_quantile(double a, double b, double p)
{
    double lo = 0, hi = 1;
    for (int i = 0; i < 1100; i++) {
        double mid = lo + (hi - lo) / 2;
        if (mid <= lo || mid >= hi)
            break;
        if (beta_inc(a, b, mid) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

struct interval share_exact(int64_t x, int64_t n, double conf)
{
    double tail = (1 - conf) / 2, dx = (double)x, dn = (double)n;
    return (struct interval){x == 0 ? 0 : beta_quantile(dx, dn - dx + 1, tail),
                             x == n ? 1 : beta_quantile(dx + 1, dn - dx, 1 - tail)};
}

struct interval share_wilson(int64_t x, int64_t n, double z)
{
    double dn = (double)n, p = (double)x / dn, zz = z * z;
    double mid = p + zz / (2 * dn), half = z * sqrt(p * (1 - p) / dn + zz / (4 * dn * dn)), den = 1 + zz / dn;
    double lo = x == 0 ? 0 : (mid - half) / den;
    return (struct interval){lo > 0 ? lo : 0, x == n ? 1 : (mid + half) / den};
}

static double log_binomial(int64_t x, int64_t n, double p)
{
    int sign;
    double dx = (double)x, dn = (double)n;
    return lgamma_r(dn + 1, &sign) - lgamma_r(dx + 1, &sign) - lgamma_r(dn - dx + 1, &sign) + (x ? dx * log(p) : 0) +
           (n - x ? (dn - dx) * log1p(-p) : 0);
}

void rate_compare(int64_t xc, double ec, int64_t xk, double ek, double ratio0, struct rate_test *out)
{
    int64_t n = xc + xk;
    double p = ratio0 * ec / (ratio0 * ec + ek), seen = log_binomial(xc, n, p) + 1e-7, two = 0;
    out->p_greater = xc == 0 ? 1 : beta_inc((double)xc, (double)xk + 1, p);
    for (int64_t k = 0; k <= n; k++) {
        double l = log_binomial(k, n, p);
        if (l <= seen)
            two += exp(l);
    }
    out->p_two_sided = two < 1 ? two : 1;
    struct interval s = share_exact(xc, n, 0.95);
    out->ratio.lo = s.lo / (1 - s.lo) * ek / ec;
    out->ratio.hi = s.hi < 1 ? s.hi / (1 - s.hi) * ek / ec : INFINITY;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void brown_forsythe(const double *values, const size_t *n, size_t k, double *f, double *p)
{
    size_t all = 0, at = 0;
    for (size_t i = 0; i < k; i++)
        all += n[i];
    double *z = xreallocarray(NULL, all, sizeof *z), *mean = xcalloc(k, sizeof *mean), grand = 0;
    for (size_t i = 0; i < k; at += n[i++]) {
        memcpy(z + at, values + at, n[i] * sizeof *z);
        qsort(z + at, n[i], sizeof *z, by_value);
        double median = n[i] % 2 ? z[at + n[i] / 2] : (z[at + n[i] / 2 - 1] + z[at + n[i] / 2]) / 2;
        for (size_t j = 0; j < n[i]; j++) {
            z[at + j] = fabs(values[at + j] - median);
            mean[i] += z[at + j] / (double)n[i];
        }
        grand += mean[i] * (double)n[i] / (double)all;
    }
    double between = 0, within = 0;
    at = 0;
    for (size_t i = 0; i < k; at += n[i++]) {
        between += (double)n[i] * (mean[i] - grand) * (mean[i] - grand);
        for (size_t j = 0; j < n[i]; j++)
            within += (z[at + j] - mean[i]) * (z[at + j] - mean[i]);
    }
    double d1 = (double)(k - 1), d2 = (double)(all - k);
    *f = (between / d1) / (within / d2);
    *p = beta_inc(d2 / 2, d1 / 2, d2 / (d2 + d1 * *f));
    free(z);
    free(mean);
}

void welford_add(struct welford *w, double x)
{
    w->n++;
    double d = x - w->mean;
    w->mean += d / (double)w->n;
    w->m2 += d * (x - w->mean);
}

double welford_variance(const struct welford *w)
{
    return w->n > 1 ? w->m2 / (double)(w->n - 1) : NAN;
}
