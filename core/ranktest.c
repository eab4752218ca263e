#include "core/ranktest.h"

#include <math.h>
#include <stdlib.h>

#include "core/detmath.h"
#include "core/err.h"

#define STRATA 64

struct item {
    double v;
    uint8_t stratum;
    bool first;
};
/* Of each stratum. */
struct sizes {
    size_t n[STRATA], m[STRATA];
};

static int by_value(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    return (x->v > y->v) - (x->v < y->v);
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

/* U of one stratum, and its variance under the null with ties taken into account. */
static double stratum_u(const struct item *v, size_t n, size_t m, double *ties, double *var)
{
    size_t all = n + m;
    double ranks = 0, dn = (double)n, dm = (double)m, da = (double)all;
    *ties = 0;
    for (size_t i = 0, j; i < all; i = j) {
        size_t mine = 0;
        for (j = i; j < all && !(v[j].v > v[i].v); j++)
            mine += v[j].first;
        double t = (double)(j - i), rank = (double)(i + j + 1) / 2;
        ranks += rank * (double)mine;
        *ties += t * t * t - t;
    }
    *var = dn * dm / 12 * (da + 1 - *ties / (da * (da - 1)));
    return ranks - dn * (dn + 1) / 2;
}

static bool sum_up(const struct item *v, struct sizes *s, struct ranktest *out)
{
    double u = 0, mean = 0, var = 0, ties = 0, t1, v1;
    size_t n = 0, m = 0, pairs = 0;
    for (int g = 0; g < STRATA; g++) {
        size_t all = s->n[g] + s->m[g];
        if (s->n[g] > 0 && s->m[g] > 0) {
            u += stratum_u(v, s->n[g], s->m[g], &t1, &v1);
            ties += t1;
            var += v1;
            mean += (double)s->n[g] * (double)s->m[g] / 2;
            n += s->n[g];
            m += s->m[g];
            pairs += s->n[g] * s->m[g];
        } else {
            s->n[g] = s->m[g] = 0;
        }
        v += all;
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
    size_t all = n + m;
    struct item *v = xreallocarray(NULL, all + 1, sizeof *v);
    struct sizes s = {0};
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct item){x[i], xs ? xs[i] % STRATA : 0, true};
        s.n[v[i].stratum]++;
    }
    for (size_t i = 0; i < m; i++) {
        v[n + i] = (struct item){y[i], ys ? ys[i] % STRATA : 0, false};
        s.m[v[n + i].stratum]++;
    }
    qsort(v, all, sizeof *v, by_value);
    bool any = sum_up(v, &s, out);
    free(v);
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
