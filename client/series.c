#include "client/series.h"

#include <stdlib.h>
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

double series_counter(struct series_value *s, size_t n, bool boot_times)
{
    int64_t newest = 0;
    size_t m = 0;
    double most, sum = 0;
    for (size_t i = 0; i < n; i++)
        newest = s[i].t > newest ? s[i].t : newest;
    for (size_t i = 0; i < n; i++)
        if (s[i].t == newest)
            s[m++] = s[i];
    most = s[0].v;
    for (size_t i = 1; i < m; i++)
        most = s[i].v > most ? s[i].v : most;
    if (boot_times || newest == 0 || m == 1)
        return most;
    qsort(s, m, sizeof *s, by_own);
    n = m;
    m = 1;
    for (size_t i = 1; i < n; i++)
        if (s[i].id.own != s[m - 1].id.own)
            s[m++] = s[i];
    qsort(s, m, sizeof *s, by_value);
    for (size_t i = 0; i < m; i++)
        sum += s[i].v;
    return sum;
}
