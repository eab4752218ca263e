#include "core/ranktest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/detmath.h"
#include "core/err.h"
#include "core/ranktie.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The bits of positive doubles are in order, those of negative ones in reverse. */
static uint64_t key_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits ^ (bits >> 63 ? UINT64_MAX : UINT64_C(1) << 63);
}

static double of_key(uint64_t key)
{
    double v;
    key ^= key >> 63 ? UINT64_C(1) << 63 : UINT64_MAX;
    memcpy(&v, &key, sizeof v);
    return v;
}

/* Sorts by bytes from..to - 1 of the keys; equal ones keep their order. `b` has room for n. */
static void radix(uint64_t *a, uint64_t *b, size_t n, int from, int to)
{
    size_t count[8][256] = {{0}};
    uint64_t *result = a;
    for (size_t i = 0; i < n; i++)
        for (int k = from; k < to; k++)
            count[k][a[i] >> 8 * k & 255]++;
    for (int k = from; k < to; k++) {
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
    if (a != result)
        memcpy(result, a, n * sizeof *a);
}

/* Insertion sort of what is nearly sorted; false, and no more than a permutation, where it is not. */
static bool insert_all(uint64_t *a, size_t n)
{
    size_t steps = 0;
    for (size_t i = 1; i < n && steps <= 4 * n; i++) {
        uint64_t key = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1] > key; j--)
            a[j] = a[j - 1];
        a[j] = key;
        steps += i - j;
    }
    return steps <= 4 * n;
}

/* By the upper half of the keys, which tells most numbers apart; the lower one only where that is not enough. */
void sort_doubles(double *v, size_t n)
{
    if (n < 400) {
        qsort(v, n, sizeof *v, by_value);
        return;
    }
    uint64_t *a = xreallocarray(NULL, n, 2 * sizeof *a);
    for (size_t i = 0; i < n; i++)
        a[i] = key_of(v[i]);
    radix(a, a + n, n, 4, 8);
    if (!insert_all(a, n))
        radix(a, a + n, n, 0, 8);
    for (size_t i = 0; i < n; i++)
        v[i] = of_key(a[i]);
    free(a);
}

void ranked_init(struct ranked *r, const double *v, const uint8_t *s, size_t n)
{
    size_t at[RANKED_STRATA] = {0};
    *r = (struct ranked){.v = xreallocarray(NULL, n + 1, sizeof *v), .n = n};
    for (size_t i = 0; i < n; i++)
        r->of[s ? s[i] % RANKED_STRATA : 0]++;
    for (int g = 1; g < RANKED_STRATA; g++)
        at[g] = at[g - 1] + r->of[g - 1];
    for (size_t i = 0; i < n; i++)
        r->v[at[s ? s[i] % RANKED_STRATA : 0]++] = v[i];
    for (int g = 0; g < RANKED_STRATA; g++)
        sort_doubles(r->v + at[g] - r->of[g], r->of[g]);
}

void ranked_release(struct ranked *r)
{
    free(r->v);
    *r = (struct ranked){0};
}

void ranked_flip(struct ranked *r)
{
    double *v = r->v;
    for (int g = 0; g < RANKED_STRATA; v += r->of[g++]) {
        for (size_t i = 0, j = r->of[g]; i < j--; i++) {
            double low = v[i];
            v[i] = -v[j];
            v[j] = -low;
        }
    }
}

void ranked_less(const struct ranked *r, double less, struct ranked *to)
{
    *to = *r;
    to->v = xreallocarray(NULL, r->n + 1, sizeof *to->v);
    for (size_t i = 0; i < r->n; i++)
        to->v[i] = r->v[i] - less;
}

size_t ranked_upto(const struct ranked *r, double x)
{
    size_t sum = 0;
    const double *v = r->v;
    for (int g = 0; g < RANKED_STRATA; v += r->of[g++]) {
        size_t from = 0, to = r->of[g];
        while (from < to) {
            size_t half = from + (to - from) / 2;
            if (v[half] <= x)
                from = half + 1;
            else
                to = half;
        }
        sum += from;
    }
    return sum;
}

/* By halving the bits of the numbers, which are in the numbers' order (key_of). */
double ranked_at(const struct ranked *r, size_t k)
{
    uint64_t low = key_of(-INFINITY), high = key_of(INFINITY);
    while (low < high) {
        uint64_t half = low + (high - low) / 2;
        if (ranked_upto(r, of_key(half)) > k)
            high = half;
        else
            low = half + 1;
    }
    return of_key(low);
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

/* Of the strata that have both sides: their sizes, and what they sum up to. */
struct sums {
    double u, mean, var, ties;
    double untied; /* the variance that it would have without ties */
    size_t n, m, pairs, strata;
    struct {
        size_t n, m;
    } of[RANKED_STRATA];
    struct tie_stratum stratum[RANKED_STRATA];
};

/* P(U >= u) = P(U <= nm - u), from the number of ways to reach each U: coefficients of the Gaussian binomial
 * C(n+m, n)_q, built one factor (1 - q^(m+i)) / (1 - q^i) at a time; over strata, of their product. A coefficient
 * depends on lower ones only, so the array ends at nm - u, and where the p-value is small all of it are small integers,
 * exact in a double. */
static double exact_tail(const struct sums *a)
{
    size_t top = (size_t)((double)a->pairs - a->u + 0.5);
    double *w = xcalloc(top + 1, sizeof *w), ways = 1, tail = 0;
    w[0] = 1;
    for (size_t g = 0; g < a->strata; g++) {
        /* symmetric, and cheaper with the smaller side first */
        size_t n = a->of[g].n, m = a->of[g].m;
        if (n > m) {
            size_t t = n;
            n = m;
            m = t;
        }
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

static double log_normal(const struct sums *a, double var)
{
    return var > 0 ? det_log_erfc((a->u - a->mean - 0.5) / sqrt(2 * var)) - det_log(2) : 0;
}

static void sum_up(const struct ranked *rx, const struct ranked *ry, struct tie_group *v, struct sums *a)
{
    const double *x = rx->v, *y = ry->v;
    double t1, v1;
    *a = (struct sums){0};
    for (int g = 0; g < RANKED_STRATA; x += rx->of[g], y += ry->of[g], g++) {
        size_t n = rx->of[g], m = ry->of[g];
        if (n == 0 || m == 0)
            continue;
        struct tie_stratum *to = &a->stratum[a->strata];
        a->of[a->strata].n = n;
        a->of[a->strata++].m = m;
        a->u += stratum_u(x, n, y, m, v, to, &t1, &v1);
        a->ties += t1;
        a->var += v1;
        a->untied += (double)n * (double)m / 12 * (double)(n + m + 1);
        a->mean += (double)n * (double)m / 2;
        a->n += n;
        a->m += m;
        a->pairs += n * m;
        v += to->n;
    }
}

static bool decide(const struct sums *a, enum rank_ties by, struct ranktest *out)
{
    *out = (struct ranktest){.u = a->u, .p_asymptotic = 1, .p_exact = NAN, .p = 1, .log_p = 0};
    if (a->pairs == 0)
        return false;
    bool tied = a->ties > 0 && by == TIES_PERMUTATION, exact = false;
    out->log_p = log_normal(a, a->var);
    out->p_asymptotic = out->p = det_exp(out->log_p);
    if (tied) {
        out->log_p = ranktie_log_p(a->stratum, a->strata, log_normal(a, a->untied),
                                   a->mean - a->u >= (double)(a->n + a->m), &exact);
        out->p = det_exp(out->log_p);
    } else if (!(a->ties > 0) && (a->n < a->m ? a->n : a->m) <= RANKTEST_EXACT_SIDE &&
               a->pairs <= RANKTEST_EXACT_PAIRS) {
        exact = true;
        out->p = exact_tail(a);
        out->log_p = det_log(out->p);
    }
    if (exact)
        out->p_exact = out->p;
    return true;
}

bool ranktest_ranked(const struct ranked *x, const struct ranked *y, enum rank_ties by, struct ranktest *out)
{
    struct sums sums;
    struct tie_group *v = xreallocarray(NULL, x->n + y->n + 1, sizeof *v);
    sum_up(x, y, v, &sums);
    bool any = decide(&sums, by, out);
    free(v);
    return any;
}

bool ranktest_strata(const double *x, const uint8_t *xs, size_t n, const double *y, const uint8_t *ys, size_t m,
                     enum rank_ties by, struct ranktest *out)
{
    struct ranked a, b;
    ranked_init(&a, x, xs, n);
    ranked_init(&b, y, ys, m);
    bool any = ranktest_ranked(&a, &b, by, out);
    ranked_release(&a);
    ranked_release(&b);
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
