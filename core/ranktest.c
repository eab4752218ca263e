#include "core/ranktest.h"

#include <math.h>
#include <stdlib.h>

#include "core/err.h"

#define EXACT_SIDE  20
#define EXACT_PAIRS 20000

struct item {
    double v;
    bool first;
};

static int by_value(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->v > y->v) - (x->v < y->v);
}

/* P(U >= u) = P(U <= nm - u), from the number of ways to reach each U: coefficients of the Gaussian binomial
 * C(n+m, n)_q, built one factor (1 - q^(m+i)) / (1 - q^i) at a time. A coefficient depends on lower ones only, so the
 * array ends at nm - u, and where the p-value is small all of it are small integers, exact in a double. */
static double exact_tail(size_t n, size_t m, double u)
{
    if (n > m) { /* symmetric, and cheaper this way round */
        size_t t = n;
        n = m;
        m = t;
    }
    size_t top = (size_t)((double)(n * m) - u + 0.5);
    double *w = xcalloc(top + 1, sizeof *w), ways = 1, tail = 0;
    w[0] = 1;
    for (size_t i = 1; i <= n; i++) {
        for (size_t k = top; k >= m + i; k--) /* times 1 - q^(m+i) */
            w[k] -= w[k - (m + i)];
        for (size_t k = i; k <= top; k++) /* divided by 1 - q^i */
            w[k] += w[k - i];
        ways = ways * (double)(m + i) / (double)i;
    }
    for (size_t k = 0; k <= top; k++)
        tail += w[k];
    free(w);
    return tail < ways ? tail / ways : 1;
}

void ranktest(const double *x, size_t n, const double *y, size_t m, struct ranktest *out)
{
    size_t all = n + m;
    struct item *v = xreallocarray(NULL, all, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct item){x[i], true};
    for (size_t i = 0; i < m; i++)
        v[n + i] = (struct item){y[i], false};
    qsort(v, all, sizeof *v, by_value);
    double ranks = 0, ties = 0;
    for (size_t i = 0, j; i < all; i = j) {
        size_t mine = 0;
        for (j = i; j < all && !(v[j].v > v[i].v); j++)
            mine += v[j].first;
        double t = (double)(j - i), rank = (double)(i + j + 1) / 2;
        ranks += rank * (double)mine;
        ties += t * t * t - t;
    }
    free(v);
    double dn = (double)n, dm = (double)m, da = (double)all;
    out->u = ranks - dn * (dn + 1) / 2;
    double var = dn * dm / 12 * (da + 1 - ties / (da * (da - 1)));
    out->p_asymptotic = var > 0 ? erfc((out->u - dn * dm / 2 - 0.5) / sqrt(2 * var)) / 2 : 1;
    bool exact = !(ties > 0) && (n < m ? n : m) <= EXACT_SIDE && n * m <= EXACT_PAIRS;
    out->p_exact = exact ? exact_tail(n, m, out->u) : NAN;
    out->p = exact ? out->p_exact : out->p_asymptotic;
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
