#include "core/share.h"

#include <math.h>
#include <stdlib.h>

#include "core/detmath.h"
#include "core/err.h"

#define SHARE_CHANCE 0.01

struct margins {
    int64_t bad, of_bad, all, of_all;
};

/* ln k! for k = 0..n; the caller frees. */
static double *log_factorials(size_t n)
{
    double *f = xreallocarray(NULL, n + 1, sizeof *f);
    f[0] = 0;
    for (size_t k = 1; k <= n; k++)
        f[k] = f[k - 1] + det_log((double)k);
    return f;
}

/* P(X >= bad) when `all` of `of_all` devices have it and `of_bad` of them are picked at random. */
static double tail(const struct margins *m, const double *f)
{
    int64_t most = m->of_bad < m->all ? m->of_bad : m->all;
    double log_p = f[m->all] - f[m->bad] - f[m->all - m->bad] + f[m->of_all - m->all] - f[m->of_bad - m->bad] -
                   f[m->of_all - m->all - (m->of_bad - m->bad)] - f[m->of_all] + f[m->of_bad] +
                   f[m->of_all - m->of_bad];
    double p = det_exp(log_p), sum = 0;
    for (int64_t x = m->bad; x <= most; x++) {
        sum += p;
        /* the rest of the devices with and without it, picked and not */
        p *= (double)(m->all - x) * (double)(m->of_bad - x) /
             ((double)(x + 1) * (double)(m->of_all - m->all - m->of_bad + x + 1));
        if (p < sum * 1e-17)
            break;
    }
    return sum < 1 ? sum : 1;
}

struct found {
    struct share share;
    double p;
};

/* Less chance is stronger; of equal chance the higher lift; else the earlier. */
static bool stronger(const struct found *a, const struct found *b)
{
    return a->p < b->p || (!(b->p < a->p) && a->share.lift > b->share.lift);
}

static void keep(struct found *top, size_t *n, const struct found *f)
{
    size_t i = *n;
    if (i == SHARE_MAX) {
        if (!stronger(f, &top[i - 1]))
            return;
        i--;
    } else {
        ++*n;
    }
    for (; i > 0 && stronger(f, &top[i - 1]); i--)
        top[i] = top[i - 1];
    top[i] = *f;
}

/* Counts of one key's values into all[] and bad[] (of n_names each); the devices that have a value at all. */
static void count_key(const int32_t *values, size_t n_keys, size_t key, size_t n_names, const bool *is_bad, size_t n,
                      int64_t *all, int64_t *bad, struct margins *of)
{
    for (size_t v = 0; v < n_names; v++)
        all[v] = bad[v] = 0;
    *of = (struct margins){0};
    for (size_t i = 0; i < n; i++) {
        int32_t v = values[i * n_keys + key];
        if (v < 0 || (size_t)v >= n_names)
            continue;
        all[v]++;
        bad[v] += is_bad[i];
        of->of_all++;
        of->of_bad += is_bad[i];
    }
}

/* Worth a look: something that devices share (two or more have it) and that can set them apart (not all have it). It
 * depends on how common the value is, not on who is bad, so that leaving the others out costs no error. */
static bool looked_at(int64_t all, const struct margins *of)
{
    return all >= 2 && all < of->of_all;
}

size_t share_find(const char *const *keys, size_t n_keys, const int32_t *values, const char *const *names,
                  size_t n_names, const bool *bad, size_t n, struct share out[SHARE_MAX])
{
    struct found top[SHARE_MAX];
    size_t n_top = 0, kept = 0;
    double *f = log_factorials(n), pairs = 0;
    int64_t *all = xcalloc(n_names + 1, sizeof *all), *of_those = xcalloc(n_names + 1, sizeof *of_those);
    for (size_t a = 0; a < n_keys; a++) {
        struct margins m;
        count_key(values, n_keys, a, n_names, bad, n, all, of_those, &m);
        for (size_t v = 0; v < n_names; v++) {
            if (!looked_at(all[v], &m))
                continue;
            pairs++;
            m.all = all[v];
            m.bad = of_those[v];
            if (m.bad < 2) /* one device shares nothing with itself */
                continue;
            struct found one = {{.key = keys[a], .value = names[v]}, tail(&m, f)};
            one.share.bad = m.bad;
            one.share.of_bad = m.of_bad;
            one.share.all = m.all;
            one.share.of_all = m.of_all;
            one.share.lift = (double)m.bad / (double)m.of_bad / ((double)m.all / (double)m.of_all);
            if (one.share.lift > 1)
                keep(top, &n_top, &one);
        }
    }
    for (size_t i = 0; i < n_top && top[i].p * pairs <= SHARE_CHANCE; i++)
        out[kept++] = top[i].share;
    free(of_those);
    free(all);
    free(f);
    return kept;
}
