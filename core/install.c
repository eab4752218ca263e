/* Installs: outcomes, deadlines, and the evidence in them. */
#include "core/install.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/detmath.h"
#include "core/eprocess.h"
#include "core/err.h"

#define FEW         5
#define SLOWER      3                 /* times what is usual, and intervals of contact */
#define CONTACT_MAX (30 * US_PER_DAY) /* an interval beyond it is no interval */
#define WAVES_MAX   64

void install_count(struct install_counts *c, enum install_state s)
{
    int64_t *const of[] = {&c->done, &c->failed, &c->overdue, &c->waits, &c->unreached};
    c->told++;
    ++*of[s];
}

/* The k-th smallest, counted from 0; Hoare's FIND (1961). Reorders v. */
static int64_t smallest(int64_t *v, size_t n, size_t k)
{
    ptrdiff_t lo = 0, hi = (ptrdiff_t)n - 1, at = (ptrdiff_t)k;
    while (lo < hi) {
        int64_t pivot = v[at];
        ptrdiff_t i = lo, j = hi;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (pivot < v[j])
                j--;
            if (i > j)
                break;
            int64_t x = v[i];
            v[i++] = v[j];
            v[j--] = x;
        }
        lo = j < at ? i : lo;
        hi = at < i ? j : hi;
    }
    return v[at];
}

int64_t install_usual(int64_t *took, size_t n, int64_t told)
{
    if (n < FEW || (int64_t)n * 4 < told)
        return 0;
    return smallest(took, n, (9 * n + 9) / 10 - 1);
}

int64_t install_deadline(int64_t install_us, int64_t contact_us, int64_t usual_us)
{
    int64_t contact = contact_us > 0 && contact_us < CONTACT_MAX ? contact_us : 0;
    int64_t least = install_us + SLOWER * contact;
    int64_t learnt = usual_us > 0 ? SLOWER * usual_us : US_PER_DAY;
    return learnt > least ? learnt : least;
}

enum install_state install_state(bool done, bool failed, int64_t reached_at, int64_t deadline_us, int64_t now)
{
    if (done || failed)
        return done ? INSTALL_DONE : INSTALL_FAILED;
    if (reached_at <= 0)
        return INSTALL_UNREACHED;
    return now - reached_at > deadline_us ? INSTALL_OVERDUE : INSTALL_WAITS;
}

/* ---- tallies ---- */

static int by_place(const void *pa, const void *pb)
{
    const struct install_tally *a = pa, *b = pb;
    const int32_t x[] = {a->key, a->wave, a->started, a->failed}, y[] = {b->key, b->wave, b->started, b->failed};
    for (int i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static int by_cluster(const void *a, const void *b, void *key)
{
    const struct install_device *x = *(const struct install_device *const *)a;
    const struct install_device *y = *(const struct install_device *const *)b;
    int32_t p = x->attr[*(const int *)key - 1], q = y->attr[*(const int *)key - 1];
    return p < q ? -1 : p > q;
}

/* The clusters of devices told up to wave w, of devices in the order of their clusters: how many. */
static size_t clusters(const struct install_device *const *by, size_t devices, int key, int w,
                       struct install_tally *out)
{
    size_t n = 0;
    int32_t last = -1;
    for (size_t i = 0; i < devices; i++) {
        int32_t value = by[i]->attr[key - 1];
        if (by[i]->wave < 0 || by[i]->wave > w)
            continue;
        if (n == 0 || value < 0 || value != last)
            out[n++] = (struct install_tally){.key = key, .wave = w, .times = 1};
        out[n - 1].started++;
        out[n - 1].failed += by[i]->failed;
        last = value;
    }
    return n;
}

/* Sorted, and those alike as one, behind the n that are there; SIZE_MAX when they do not fit. */
static size_t put_clusters(struct install_tally *all, size_t m, struct install_tally *out, size_t n, size_t max)
{
    qsort(all, m, sizeof *all, by_place);
    for (size_t i = 0; i < m; i++) {
        if (i > 0 && by_place(&all[i], &all[i - 1]) == 0)
            out[n - 1].times++;
        else if (n == max)
            return SIZE_MAX;
        else
            out[n++] = (struct install_tally){all[i].key, all[i].wave, all[i].failed, all[i].started, 1};
    }
    return n;
}

size_t install_tally(const struct install_device *v, size_t devices, int key, int waves, struct install_tally *out,
                     size_t n, size_t max)
{
    const struct install_device **by = xcalloc(devices + 1, sizeof(void *));
    struct install_tally *all = xcalloc(devices + 1, sizeof *all);
    size_t now = n;
    for (size_t i = 0; i < devices; i++)
        by[i] = &v[i];
    if (devices > 0)
        qsort_r(by, devices, sizeof(void *), by_cluster, &key);
    for (int w = 0; w < waves && now != SIZE_MAX; w++)
        now = put_clusters(all, clusters(by, devices, key, w, all), out, now, max);
    free(by);
    free(all);
    return now == SIZE_MAX ? n : now;
}

bool install_tallies_ok(const struct install_tally *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].key < 0 || v[i].key > STRATA_KEYS_MAX || v[i].wave < 0 || v[i].wave >= WAVES_MAX || v[i].failed < 0 ||
            v[i].started < v[i].failed || v[i].times < 1 || (int64_t)v[i].started * v[i].times > INT32_MAX ||
            (i > 0 && by_place(&v[i - 1], &v[i]) >= 0))
            return false;
    return true;
}

/* ---- evidence ---- */

/* One run of tallies: the same key and wave. */
static size_t run_of(const struct install_tally *v, size_t n, size_t i)
{
    size_t k = i;
    while (k < n && v[k].key == v[i].key && v[k].wave == v[i].wave)
        k++;
    return k;
}

static double product(const struct install_tally *v, size_t n, double p0)
{
    struct eprocess e;
    eprocess_init(&e, 1);
    for (int j = 0; j < EPROCESS_GRID; j++) {
        double t = eprocess_theta(j), price = det_log(1 + p0 * (t - 1));
        for (size_t i = 0; i < n; i++)
            if (v[i].started > 0)
                e.log_e[j] += v[i].times * (det_log(1 + (double)v[i].failed / (double)v[i].started * (t - 1)) - price);
    }
    return eprocess_log(&e);
}

/* ln(4^-w / sum over the declared waves of 4^-w): what fails among the first devices should cost least. */
static double weight(int wave, int waves)
{
    return det_log(3) - 2 * (wave + 1) * det_log(2) - det_log(1 - ldexp(1, -2 * waves));
}

struct sum { /* over the waves, of one key */
    double log_e, last;
    double term[WAVES_MAX];
    int n;
    int64_t failed, started; /* where it is most */
    double most;
};

static void add(struct sum *s, const struct install_tally *v, size_t n, int waves, double p0)
{
    int64_t failed = 0, started = 0;
    bool single = v->key == 0;
    for (size_t i = 0; i < n; i++) {
        failed += (int64_t)v[i].failed * v[i].times;
        started += (int64_t)v[i].started * v[i].times;
    }
    s->last = single ? bernoulli_limit_log(failed, started, p0) : product(v, n, p0);
    double term = single ? s->last : s->last + weight(v->wave, waves);
    if (s->n == 0 || term >= s->most) {
        s->most = term;
        s->failed = failed;
        s->started = started;
    }
    s->term[s->n++] = term;
    s->log_e = single ? s->most : det_logsumexp(s->term, (size_t)s->n);
    if (!single)
        s->last = s->log_e;
}

void install_evidence(const struct install_tally *v, size_t n, int waves, double p0, struct install_evidence *out)
{
    bool any = false;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n;) {
        struct sum s = {.n = 0};
        int32_t key = v[i].key;
        while (i < n && v[i].key == key) {
            size_t k = run_of(v, n, i);
            if (v[i].wave < waves && s.n < WAVES_MAX)
                add(&s, v + i, k - i, waves, p0);
            i = k;
        }
        if (s.n == 0 || (any && s.log_e >= out->log_e))
            continue;
        *out = (struct install_evidence){s.log_e, s.last, s.failed, s.started};
        any = true;
    }
    if (!(out->log_e > 0))
        out->log_e = 0;
}
