#include "client/series.h"

#include <math.h>
#include <stdlib.h>
#include "core/err.h"
#include "core/rng.h"

/* Labels that whoever scrapes adds, and that say nothing about what is counted. */
static const char *const scraped[] = {"job",     "instance",  "replica", "prometheus", "prometheus_replica",
                                      "receive", "tenant_id", "pod",     "endpoint"};

static uint64_t mixed(struct slice name, struct slice value)
{
    uint64_t x = hash_bytes(name.p, name.n) * UINT64_C(0x9e3779b97f4a7c15) ^ hash_bytes(value.p, value.n);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

void series_label(struct series_id *id, struct slice name, struct slice value, struct slice join)
{
    bool own = !slice_same(name, join);
    if (slice_is(name, "__name__"))
        return;
    uint64_t x = mixed(name, value);
    for (size_t i = 0; own && i < sizeof scraped / sizeof *scraped; i++)
        own = !slice_is(name, scraped[i]);
    id->all += x; /* a sum: servers give labels in different orders */
    id->own += own ? x : 0;
}

/* By what is counted, the furthest on first. */
static int by_own(const void *pa, const void *pb)
{
    const struct series_value *a = pa, *b = pb;
    if (a->id.own != b->id.own)
        return a->id.own < b->id.own ? -1 : 1;
    return a->v > b->v ? -1 : a->v < b->v;
}

static int by_value(const void *pa, const void *pb)
{
    const struct series_value *a = pa, *b = pb;
    return a->v < b->v ? -1 : a->v > b->v;
}

/* Those that count: of the newest time, and of each that is counted the furthest on; by what is counted. */
static size_t parts(struct series_value *s, size_t n)
{
    int64_t newest = 0;
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        newest = s[i].t > newest ? s[i].t : newest;
    for (size_t i = 0; i < n; i++)
        if (s[i].t == newest)
            s[m++] = s[i];
    qsort(s, m, sizeof *s, by_own);
    n = m;
    m = 1;
    for (size_t i = 1; i < n; i++)
        if (s[i].id.own != s[m - 1].id.own)
            s[m++] = s[i];
    return m;
}

double series_counter(struct series_value *s, size_t n, bool boot_times)
{
    bool timed = false;
    double most, sum = 0;
    for (size_t i = 0; i < n; i++)
        timed = timed || s[i].t > 0;
    n = parts(s, n);
    qsort(s, n, sizeof *s, by_value);
    most = s[n - 1].v;
    if (boot_times || !timed)
        return most;
    for (size_t i = 0; i < n; i++)
        sum += s[i].v;
    return sum;
}

/* --- from page to page --- */

#define FORGOTTEN 1000 /* pages */
#define GONE_MAX  64   /* series of one counter of a device that are remembered beside those that are shown */

struct series_last {
    uint64_t own;
    double v;
    unsigned gone; /* pages since it was shown */
};

/* What one page makes of the series before it. */
struct step {
    double rise; /* of those that are known; of one that fell what it has counted since */
    bool fell;
    double begun, ended, first;
    size_t n_begun, n_ended;
};

static void put(struct series_last *to, size_t *m, struct series_last l)
{
    if (l.gone < FORGOTTEN)
        to[(*m)++] = l;
}

/* A label that is another with each page must not fill memory: the longest gone are forgotten. */
static size_t forget(struct series_last *v, size_t n)
{
    uint32_t by[FORGOTTEN] = {0};
    unsigned oldest = 0;
    size_t gone = 0, kept = 0, m = 0, equals = 0;
    for (size_t i = 0; i < n; i++)
        gone += v[i].gone > 0;
    if (gone <= GONE_MAX)
        return n;
    for (size_t i = 0; i < n; i++)
        by[v[i].gone] += v[i].gone > 0;
    while (kept + by[oldest + 1] <= GONE_MAX) /* ends: there are more */
        kept += by[++oldest];
    for (size_t i = 0; i < n; i++) {
        bool some = v[i].gone == oldest + 1 && equals < GONE_MAX - kept;
        equals += some;
        if (v[i].gone <= oldest || some)
            v[m++] = v[i];
    }
    return m;
}

double series_follow(struct series_follow *f, struct series_value *s, size_t n)
{
    struct step k = {0};
    size_t m = 0, a = 0;
    n = parts(s, n);
    struct series_last *to = xcalloc(f->n + n, sizeof *to);
    for (size_t i = 0; i < n || a < f->n;) {
        if (a < f->n && (i == n || f->last[a].own < s[i].id.own)) {
            const struct series_last *l = &f->last[a++];
            k.n_ended += l->gone == 0;
            k.ended += l->gone == 0 ? l->v : 0;
            put(to, &m, (struct series_last){l->own, l->v, l->gone + 1});
            continue;
        }
        if (a < f->n && f->last[a].own == s[i].id.own) {
            bool fell = s[i].v < f->last[a].v;
            k.rise += fell ? s[i].v : s[i].v - f->last[a].v;
            k.fell = k.fell || fell;
            a++;
        } else {
            k.n_begun++;
            k.begun += s[i].v;
            k.first += s[i].v > 1 ? 1 : s[i].v;
        }
        put(to, &m, (struct series_last){s[i].id.own, s[i].v, 0});
        i++;
    }
    free(f->last);
    bool anew = f->n == 0;
    f->last = to;
    f->n = forget(to, m);
    if (k.n_begun && k.n_ended)
        k.rise += k.begun != k.ended; /* NOLINT: the same number, or not */
    else
        k.rise += anew ? k.begun : k.first;
    if (k.fell) /* shows as a fall to what has been since; where it cannot, as one event */
        f->given = k.rise < f->given ? k.rise : f->given + 1;
    else
        f->given += k.rise;
    if (isfinite(f->given) && isfinite(k.begun + k.ended))
        return f->given;
    series_follow_release(f);
    return (double)NAN;
}

void series_follow_release(struct series_follow *f)
{
    free(f->last);
    *f = (struct series_follow){0};
}
