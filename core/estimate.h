/* Intervals and diagnostics for the screen. None of these decides anything: they are not valid under repeated looking,
 * and a screen says so. */
#ifndef ANDON_CORE_ESTIMATE_H
#define ANDON_CORE_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

/* Regularised incomplete beta function I_x(a,b), a, b > 0, 0 <= x <= 1. Continued fraction, Lentz's method (Abramowitz
 * & Stegun 26.5.8). */
double beta_inc(double a, double b, double x);

struct interval {
    double lo, hi;
};
/* Of a share, x of n. Clopper-Pearson (exact) at confidence `conf`; Wilson with its normal quantile z. */
struct interval share_exact(int64_t x, int64_t n, double conf);
struct interval share_wilson(int64_t x, int64_t n, double z);

/* Two Poisson counts with exposures > 0, given their sum: is the first rate more than ratio0 times the second? */
struct rate_test {
    double p_greater,
        p_two_sided;       /* two-sided: all outcomes not more likely than the one seen, as in R's poisson.test */
    struct interval ratio; /* 95 % for the ratio of rates; hi may be +inf */
};
void rate_compare(int64_t xc, double ec, int64_t xk, double ek, double ratio0, struct rate_test *out);

/* Brown-Forsythe (JASA 1974): do k groups differ in spread? values in one array, n[i] of each group. Assumes
 * independent samples, which telemetry is not. */
void brown_forsythe(const double *values, const size_t *n, size_t k, double *f, double *p);

/* Running mean and variance (Welford 1962). */
struct welford {
    int64_t n;
    double mean, m2;
};
void welford_add(struct welford *w, double x);
/* Sample variance, NaN for fewer than two. */
double welford_variance(const struct welford *w);

#endif
