#include "core/detmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts; the first has 33 significant bits, so that k * LN2_HI is exact for |k| < 2^20. */
#define LN2_HI 0x1.62e42feep-1
#define LN2_LO 0x1.a39ef35793c76p-33

double det_log(double x)
{
    static const double series[12] = {2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15,
                                      2.0 / 13, 2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
    if (!(x > 0))
        return x == 0 ? -INFINITY : NAN;
    if (isinf(x))
        return x;
    int e;
    double m = frexp(x, &e); /* exact */
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        e--;
    }
    /* ln m = 2 artanh s, s = (m-1)/(m+1), |s| <= 0.1716: 13 terms leave less than 1e-21. m - 1 is exact, and
     * 2s = f - s f keeps what the division rounds off, as in Sun's fdlibm. */
    double f = m - 1, s = f / (m + 1), z = s * s, p = 0;
    for (int k = 0; k < 12; k++)
        p = p * z + series[k];
    p *= z;
    /* 2 artanh s = 2s + s p = f - s (f - p) */
    return e * LN2_HI + (f - (s * (f - p) - e * LN2_LO));
}

double det_exp(double x)
{
    if (isnan(x))
        return x;
    if (x > 709.8)
        return INFINITY;
    if (x < -745.2)
        return 0;
    double k = floor(x * 0x1.71547652b82fep0 + 0.5);
    double r = (x - k * LN2_HI) - k * LN2_LO, p = 1;
    for (int n = 14; n >= 1; n--)
        p = 1 + p * r / n;
    return ldexp(p, (int)k); /* exact but for subnormal results */
}

double det_logsumexp(const double *v, size_t n)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (v[i] > max)
            max = v[i];
    if (isinf(max))
        return max;
    for (size_t i = 0; i < n; i++)
        sum += det_exp(v[i] - max);
    return max + det_log(sum);
}

/* 2/sqrt(pi), and ln sqrt(pi) */
#define TWO_OVER_ROOT_PI 0x1.20dd750429b6dp+0
#define LN_ROOT_PI       0x1.250d048e7a1bdp-1

double det_log_erfc(double x)
{
    if (x < 0)
        return det_log(2 - det_exp(det_log_erfc(-x)));
    if (x < 1.5) { /* erf by its series of positive terms, Abramowitz & Stegun 7.1.6 */
        double term = x, sum = x;
        for (int n = 1; n < 60; n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return det_log(1 - TWO_OVER_ROOT_PI * det_exp(-x * x) * sum);
    }
    double f = x; /* continued fraction, 7.1.14, from its far end */
    for (int n = 150; n >= 1; n--)
        f = x + n / 2.0 / f;
    return -x * x - LN_ROOT_PI - det_log(f);
}

bool det_same(double a, double b)
{
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}
