#include "core/ranktest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/detmath.h"
#include "core/err.h"
#include "core/ranktie.h"

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

/* U of one stratum, and its variance under the null with ties taken into account. Sorted values; their groups go into
 * `s`, which has room. */
static double stratum_u(const double *x, size_t n, const double *y, size_t m, struct tie_group *v,
                        struct tie_stratum *s, double *ties, double *var)
{
    double ranks = 0, dn = (double)n, dm = (double)m, da = (double)(n + m);
    size_t i = 0, j = 0;
    *ties = 0;
    *s = (struct tie_stratum){v, 0};
    while (i < n || j < m) {
        size_t i0 = i, j0 = j;
        double low = j == m || (i < n && x[i] < y[j]) ? x[i] : y[j];
        while (i < n && !(x[i] > low))
            i++;
        while (j < m && !(y[j] > low))
            j++;
        double t = (double)(i + j - i0 - j0), rank = (double)(i0 + j0 + i + j + 1) / 2;
        ranks += rank * (double)(i - i0);
        *ties += t * t * t - t;
        v[s->n++] = (struct tie_group){(uint32_t)(i - i0), (uint32_t)(j - j0)};
    }
    *var = dn * dm / 12 * (da + 1 - *ties / (da * (da - 1)));
    return ranks - dn * (dn + 1) / 2;
}

/* What the strata that have both sides sum up to. */
struct sums {
    double u, mean, var, ties;
    double untied; /* the variance that it would have without ties */
    size_t n, m, pairs, strata;
    struct tie_stratum stratum[STRATA];
};

static double log_normal(const struct sums *a, double var)
{
    return var > 0 ? det_log_erfc((a->u - a->mean - 0.5) / sqrt(2 * var)) - det_log(2) : 0;
}

static void sum_up(const double *x, const double *y, struct sizes *s, struct tie_group *v, struct sums *a)
{
    double t1, v1;
    *a = (struct sums){0};
    for (int g = 0; g < STRATA; g++) {
        size_t n = s->n[g], m = s->m[g];
        if (n > 0 && m > 0) {
            struct tie_stratum *to = &a->stratum[a->strata++];
            a->u += stratum_u(x, n, y, m, v, to, &t1, &v1);
            a->ties += t1;
            a->var += v1;
            a->untied += (double)n * (double)m / 12 * (double)(n + m + 1);
            a->mean += (double)n * (double)m / 2;
            a->n += n;
            a->m += m;
            a->pairs += n * m;
            v += to->n;
        } else {
            s->n[g] = s->m[g] = 0;
        }
        x += n;
        y += m;
    }
}

static bool decide(const struct sums *a, const struct sizes *s, enum rank_ties by, struct ranktest *out)
{
    *out = (struct ranktest){.u = a->u, .p_asymptotic = 1, .p_exact = NAN, .p = 1, .log_p = 0};
    if (a->pairs == 0)
        return false;
    bool tied = a->ties > 0 && by == TIES_PERMUTATION, exact = false;
    out->log_p = log_normal(a, a->var);
    out->p_asymptotic = out->p = det_exp(out->log_p);
    if (tied) {
        out->log_p = ranktie_log_p(a->stratum, a->strata, log_normal(a, a->untied), &exact);
        out->p = det_exp(out->log_p);
    } else if (!(a->ties > 0) && (a->n < a->m ? a->n : a->m) <= RANKTEST_EXACT_SIDE &&
               a->pairs <= RANKTEST_EXACT_PAIRS) {
        exact = true;
        out->p = exact_tail(s, a->pairs, a->u);
        out->log_p = det_log(out->p);
    }
    if (exact)
        out->p_exact = out->p;
    return true;
}

bool ranktest_strata(const double *x, const uint8_t *xs, size_t n, const double *y, const uint8_t *ys, size_t m,
                     enum rank_ties by, struct ranktest *out)
{
    struct sizes s;
    struct sums sums;
    double *a = by_stratum(x, xs, n, s.n), *b = by_stratum(y, ys, m, s.m);
    struct tie_group *v = xreallocarray(NULL, n + m + 1, sizeof *v);
    sum_up(a, b, &s, v, &sums);
    bool any = decide(&sums, &s, by, out);
    free(a);
    free(b);
    free(v);
    return any;
}

void ranktest(const double *x, size_t n, const double *y, size_t m, struct ranktest *out)
{
    ranktest_strata(x, NULL, n, y, NULL, m, TIES_PERMUTATION, out);
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
