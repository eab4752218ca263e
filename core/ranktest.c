#include "core/ranktest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/detmath.h"
#include "core/err.h"

#define STRATA 64

/* Devices of each stratum. */
struct sizes {
    size_t n[STRATA], m[STRATA];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Radix sort on the bits: of positive doubles they are in order, of negative ones in reverse. */
void sort_doubles(double *v, size_t n)
{
    if (n < 400) {
        qsort(v, n, sizeof *v, by_value);
        return;
    }
    uint64_t *a = xreallocarray(NULL, n, 2 * sizeof *a), *b = a + n;
    size_t count[8][256] = {{0}};
    for (size_t i = 0; i < n; i++) {
        memcpy(&a[i], &v[i], sizeof *a);
        a[i] ^= a[i] >> 63 ? UINT64_MAX : UINT64_C(1) << 63;
        for (int k = 0; k < 8; k++)
            count[k][a[i] >> 8 * k & 255]++;
    }
    uint64_t *memory = a;
    for (int k = 0; k < 8; k++) {
        if (count[k][a[0] >> 8 * k & 255] == n) /* all are the same here */
            continue;
        size_t at = 0;
        for (int d = 0; d < 256; d++) {
            size_t here = count[k][d];
            count[k][d] = at;
            at += here;
        }
        for (size_t i = 0; i < n; i++)
            b[count[k][a[i] >> 8 * k & 255]++] = a[i];
        uint64_t *t = a;
        a = b;
        b = t;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = a[i] ^ (a[i] >> 63 ? UINT64_C(1) << 63 : UINT64_MAX);
        memcpy(&v[i], &bits, sizeof bits);
    }
    free(memory);
}

/* A copy in order of stratum, each stratum sorted. */
static double *by_stratum(const double *x, const uint8_t *s, size_t n, size_t size[STRATA])
{
    size_t at[STRATA] = {0};
    double *v = xreallocarray(NULL, n + 1, sizeof *v);
    memset(size, 0, STRATA * sizeof *size);
    for (size_t i = 0; i < n; i++)
        size[s ? s[i] % STRATA : 0]++;
    for (int g = 1; g < STRATA; g++)
        at[g] = at[g - 1] + size[g - 1];
    for (size_t i = 0; i < n; i++)
        v[at[s ? s[i] % STRATA : 0]++] = x[i];
    for (int g = 0; g < STRATA; g++)
        sort_doubles(v + at[g] - size[g], size[g]);
    return v;
}

/* P(U >= u) = P(U <= nm - u), from the number of ways to reach each U: coefficients of the Gaussian binomial
 * C(n+m, n)_q, built one factor (1 - q^(m+i)) / (1 - q^i) at a time; over strata, of their product. A coefficient
 * depends on lower ones only, so the array ends at nm - u, and where the p-value is small all of it are small integers,
 * exact in a double. */
static double exact_tail(const struct sizes *s, size_t pairs, double u)
{
    size_t top = (size_t)((double)pairs - u + 0.5);
    double *w = xcalloc(top + 1, sizeof *w), ways = 1, tail = 0;
    w[0] = 1;
    for (int g = 0; g < STRATA; g++) {
        /* symmetric, and cheaper with the smaller side first */
        size_t n = s->n[g] < s->m[g] ? s->n[g] : s->m[g], m = s->n[g] < s->m[g] ? s->m[g] : s->n[g];
        for (size_t i = 1; i <= n; i++) {
            for (size_t k = top; k >= m + i; k--) /* times 1 - q^(m+i) */
                w[k] -= w[k - (m + i)];
            for (size_t k = i; k <= top; k++) /* divided by 1 - q^i */
                w[k] += w[k - i];
            ways = ways * (double)(m + i) / (double)i;
        }
    }
    for (size_t k = 0; k <= top; k++)
        tail += w[k];
    free(w);
    return tail < ways ? tail / ways : 1;
}

/* U of one stratum, and its variance under the null with ties taken into account. Sorted values. */
static double stratum_u(const double *x, size_t n, const double *y, size_t m, double *ties, double *var)
{
    double ranks = 0, dn = (double)n, dm = (double)m, da = (double)(n + m);
    size_t i = 0, j = 0;
    *ties = 0;
    while (i < n || j < m) {
        size_t i0 = i, j0 = j;
        double v = j == m || (i < n && x[i] < y[j]) ? x[i] : y[j];
        while (i < n && !(x[i] > v))
            i++;
        while (j < m && !(y[j] > v))
            j++;
        double t = (double)(i + j - i0 - j0), rank = (double)(i0 + j0 + i + j + 1) / 2;
        ranks += rank * (double)(i - i0);
        *ties += t * t * t - t;
    }
    *var = dn * dm / 12 * (da + 1 - *ties / (da * (da - 1)));
    return ranks - dn * (dn + 1) / 2;
}

static bool sum_up(const double *x, const double *y, struct sizes *s, struct ranktest *out)
{
    double u = 0, mean = 0, var = 0, ties = 0, t1, v1;
    size_t n = 0, m = 0, pairs = 0;
    for (int g = 0; g < STRATA; g++) {
        size_t here_n = s->n[g], here_m = s->m[g];
        if (s->n[g] > 0 && s->m[g] > 0) {
            u += stratum_u(x, here_n, y, here_m, &t1, &v1);
            ties += t1;
            var += v1;
            mean += (double)s->n[g] * (double)s->m[g] / 2;
            n += s->n[g];
            m += s->m[g];
            pairs += s->n[g] * s->m[g];
        } else {
            s->n[g] = s->m[g] = 0;
        }
        x += here_n;
        y += here_m;
    }
    *out = (struct ranktest){.u = u, .p_asymptotic = 1, .p_exact = NAN, .p = 1, .log_p = 0};
    if (pairs == 0)
        return false;
    double log_asymptotic = var > 0 ? det_log_erfc((u - mean - 0.5) / sqrt(2 * var)) - det_log(2) : 0;
    out->p_asymptotic = det_exp(log_asymptotic);
    bool exact = !(ties > 0) && (n < m ? n : m) <= RANKTEST_EXACT_SIDE && pairs <= RANKTEST_EXACT_PAIRS;
    if (exact)
        out->p_exact = exact_tail(s, pairs, u);
    out->p = exact ? out->p_exact : out->p_asymptotic;
    out->log_p = exact ? det_log(out->p_exact) : log_asymptotic;
    return true;
}

bool ranktest_strata(const double *x, const uint8_t *xs, size_t n, const double *y, const uint8_t *ys, size_t m,
                     struct ranktest *out)
{
    struct sizes s;
    double *a = by_stratum(x, xs, n, s.n), *b = by_stratum(y, ys, m, s.m);
    bool any = sum_up(a, b, &s, out);
    free(a);
    free(b);
    return any;
}

void ranktest(const double *x, size_t n, const double *y, size_t m, struct ranktest *out)
{
    ranktest_strata(x, NULL, n, y, NULL, m, out);
}

int64_t look_time(int64_t first, int k)
{
    int64_t t = first;
    for (int i = 1; i < k; i++) {
        int64_t next = t + t / 4 + (t % 4 != 0);
        t = next > t ? next : t + 1;
    }
    return t;
}

double look_share(int k)
{
    return 1.0 / ((double)k * (k + 1));
}
