#include "core/detmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts; the first has 33 significant bits, so that k * LN2_HI is exact for |k| < 2^20. */
#define LN2_HI 0x1.62e42feep-1
#define LN2_LO 0x1.a39ef35793c76p-33

#define ROOT_HALF 0x1.6a09e667f3bcdp-1

/* Of artanh, less its first term. */
static const double series[12] = {2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15,
                                  2.0 / 13, 2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};

double det_log(double x)
{
    if (!(x > 0))
        return x == 0 ? -INFINITY : NAN;
    if (isinf(x))
        return x;
    int e;
    double m = frexp(x, &e); /* exact */
    if (m < ROOT_HALF) {
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

/* ---- several at a time ----
 *
 * What takes time is that each step waits for the one before it. The steps are those above, one by one: a compiler may
 * take the lanes together, and no lane's bits depend on it. */
#define LANES 8
typedef double lanes __attribute__((vector_size(8 * LANES)));
typedef int64_t whole __attribute__((vector_size(8 * LANES)));

static void log_lanes(double v[LANES])
{
    lanes x, m, f, s, z, p, k;
    whole bits, e, low;
    memcpy(&x, v, sizeof x);
    memcpy(&bits, v, sizeof bits);
    e = (bits >> 52) - 1022; /* as frexp: bits is positive and normal */
    bits = (bits & ((INT64_C(1) << 52) - 1)) | INT64_C(1022) << 52;
    memcpy(&m, &bits, sizeof m);
    low = m < ROOT_HALF; /* -1 where it is so */
    m = __builtin_convertvector(1 - low, lanes) * m;
    k = __builtin_convertvector(e + low, lanes);
    f = m - 1;
    s = f / (m + 1);
    z = s * s;
    p = z * 0;
    for (int i = 0; i < 12; i++)
        p = p * z + series[i];
    p *= z;
    x = k * LN2_HI + (f - (s * (f - p) - k * LN2_LO));
    memcpy(v, &x, sizeof x);
}

static void exp_lanes(double v[LANES])
{
    lanes x, k, r, p, t;
    whole n;
    memcpy(&x, v, sizeof x);
    t = x * 0x1.71547652b82fep0 + 0.5;
    n = __builtin_convertvector(t, whole);
    n += t < __builtin_convertvector(n, lanes); /* floor */
    k = __builtin_convertvector(n, lanes);
    r = (x - k * LN2_HI) - k * LN2_LO;
    p = r * 0 + 1;
    for (int i = 14; i >= 1; i--)
        p = 1 + p * r / i;
    n = (n + 1023) << 52;
    memcpy(&t, &n, sizeof t);
    p *= t; /* exact: neither is near the ends */
    memcpy(v, &p, sizeof p);
}

static bool all_within(const double v[LANES], double low, double high)
{
    bool all = true;
    for (int i = 0; i < LANES; i++)
        all &= v[i] >= low && v[i] <= high;
    return all;
}

/* `low` to `high`: where the lanes hold. */
static void for_all(double *v, size_t n, double low, double high, void (*some)(double v[LANES]), double (*one)(double))
{
    for (size_t i = 0; i < n; i += LANES) {
        size_t k = n - i < LANES ? n - i : LANES;
        if (k == LANES && all_within(v + i, low, high)) {
            some(v + i);
            continue;
        }
        for (size_t j = 0; j < k; j++)
            v[i + j] = one(v[i + j]);
    }
}

void det_log_all(double *v, size_t n)
{
    for_all(v, n, 0x1p-1022, 0x1p1023, log_lanes, det_log);
}

void det_exp_all(double *v, size_t n)
{
    for_all(v, n, -690, 690, exp_lanes, det_exp);
}

#define AT_ONCE 64

double det_logsumexp(const double *v, size_t n)
{
    double max = -INFINITY, sum = 0, e[AT_ONCE];
    for (size_t i = 0; i < n; i++)
        if (v[i] > max)
            max = v[i];
    if (isinf(max))
        return max;
    for (size_t i = 0; i < n; i += AT_ONCE) {
        size_t k = n - i < AT_ONCE ? n - i : AT_ONCE;
        for (size_t j = 0; j < k; j++)
            e[j] = v[i + j] - max;
        det_exp_all(e, k);
        for (size_t j = 0; j < k; j++)
            sum += e[j];
    }
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
