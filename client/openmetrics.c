/* A metrics page that andon scrapes itself. What a Prometheus would keep for it is kept here, for watched devices only:
 * a moving variance of the sensor, and what turns counters of CPU time and boot times into the values asked for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/exposition.h"
#include "client/join.h"
#include "client/series.h"

#define PAGE_MAX     ((size_t)256 << 20)
#define BUCKETS      8
#define READINGS_MIN 8 /* of the window, for a variance */

enum metric_want { WANT_REBOOTS, WANT_CPU, WANT_SENSOR, WANT_COUNT };
#define WANT_MAX TELEMETRY_QUERIES /* behind them the policies' own metrics */
_Static_assert((int)WANT_COUNT == (int)COL_BUILTIN, "a page has what the columns of a tick have");
enum cpu_kind { CPU_RATIO, CPU_IDLE_SECONDS };

/* Welford's mean and sum of squared deviations (1962) for one eighth of the window; buckets lie on a fixed grid of
 * time and are joined by Chan, Golub and LeVeque's formula (1979). */
struct bucket {
    int64_t index;
    double n, mean, m2;
};

/* What is kept of one device from scrape to scrape. */
struct kept {
    struct bucket bucket[BUCKETS];
    int64_t last_t;
    struct boot_counter boots;
    double idle, cpus; /* CPU_IDLE_SECONDS: sum over the processors at idle_t */
    int64_t idle_t;
    double cpu; /* newest rate */
};

/* One sample of a counter. */
struct counted {
    size_t device, want;
    struct series_value s;
};

/* What one page says about one device: a sum over its series. */
struct seen {
    double sum[WANT_MAX];
    uint32_t n[WANT_MAX];
    int64_t t; /* newest */
};

struct om {
    struct telemetry base;
    struct http_peer *peer;
    struct clock *clock;
    struct join join;
    char *names[WANT_MAX], *own[METRICS_OWN]; /* on the page; the policies' own ids */
    int counter[WANT_MAX];                    /* its number among the counters, -1: it is none */
    bool below[WANT_MAX];
    size_t n_wants, n_counters;
    enum cpu_kind cpu_kind;
    bool boot_times;
    struct watch_set *known; /* the devices of kept[] */
    struct kept *kept;
    struct series_follow *follow; /* n_counters for each of kept[] */
    size_t cap;
    size_t *map; /* watch index -> kept index, made anew for each page */
};

struct om_poll {
    struct om *om;
    const struct watch_set *watch;
    int64_t window_us, now;
    struct arena *arena;
    struct sample_list *out;
    struct telemetry_probe *probe; /* out is NULL then */
    struct join_probe *probing;    /* counts for it */
    backend_done done;
    void *ctx;
    struct seen *seen;
    struct counted *counted; /* by device and metric, once the page has been read */
    size_t n_counted, cap_counted, next_counted;
    bool timed; /* any sample has a time */
    size_t unmatched;
};

/* --- the moving variance --- */

static void bucket_feed(struct kept *k, int64_t t, int64_t window_us, double x)
{
    int64_t width = window_us / BUCKETS > 0 ? window_us / BUCKETS : 1;
    int64_t index = t / width;
    struct bucket *b = &k->bucket[(size_t)(index % BUCKETS)];
    if (b->index != index)
        *b = (struct bucket){.index = index};
    b->n++;
    double d = x - b->mean;
    b->mean += d / b->n;
    b->m2 += d * (x - b->mean);
}

/* Population variance, as stdvar_over_time gives it. NaN until the window is half covered and holds eight readings: of
 * fewer it says more about chance than about the sensor, and a baseline would be kept of it. */
static double bucket_variance(const struct kept *k, int64_t t, int64_t window_us)
{
    int64_t width = window_us / BUCKETS > 0 ? window_us / BUCKETS : 1;
    int64_t newest = t / width;
    double n = 0, mean = 0, m2 = 0;
    int covered = 0;
    for (int64_t i = newest - BUCKETS + 1; i <= newest; i++) {
        const struct bucket *b = i >= 0 ? &k->bucket[(size_t)(i % BUCKETS)] : NULL;
        if (!b || b->index != i || b->n == 0)
            continue;
        double d = b->mean - mean, sum = n + b->n;
        m2 += b->m2 + d * d * n * b->n / sum;
        mean += d * b->n / sum;
        n = sum;
        covered++;
    }
    return n < READINGS_MIN || covered < BUCKETS / 2 ? (double)NAN : m2 / n;
}

/* --- which kept record belongs to a watched device --- */

/* Drops what is no longer watched, once that is the larger part. */
static void sweep(struct om *o, const struct watch_set *w)
{
    size_t n = watch_set_size(o->known);
    if (n <= 2 * watch_set_size(w) + 256)
        return;
    struct watch_set *left = watch_set_new();
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct watch_id *id = &o->known->ids[i];
        const char *raw = o->known->bytes + id->at;
        struct series_follow *f = &o->follow[i * o->n_counters];
        if (watch_set_find(w, raw, id->n) < 0) {
            for (size_t c = 0; c < o->n_counters; c++)
                series_follow_release(&f[c]);
            continue;
        }
        watch_set_add_n(left, raw, id->n);
        if (kept < i)
            memcpy(&o->follow[kept * o->n_counters], f, o->n_counters * sizeof *f);
        o->kept[kept++] = o->kept[i];
    }
    watch_set_free(o->known);
    o->known = left;
}

static void make_map(struct om *o, const struct watch_set *w)
{
    sweep(o, w);
    o->map = xreallocarray(o->map, w->n ? w->n : 1, sizeof *o->map);
    for (size_t i = 0; i < w->n; i++) {
        size_t before = watch_set_size(o->known);
        size_t k = watch_set_add_n(o->known, w->bytes + w->ids[i].at, w->ids[i].n);
        if (k == before) {
            if (k == o->cap) {
                o->cap = o->cap ? o->cap * 2 : 256;
                o->kept = xreallocarray(o->kept, o->cap, sizeof *o->kept);
                o->follow = xreallocarray(o->follow, o->cap * o->n_counters, sizeof *o->follow);
            }
            o->kept[k] = (struct kept){.cpu = (double)NAN};
            memset(&o->follow[k * o->n_counters], 0, o->n_counters * sizeof *o->follow);
        }
        o->map[i] = k;
    }
}

/* --- one page --- */

static void on_sample(void *ctx, size_t want, const char *device, size_t n, const struct series_id *series,
                      double value, int64_t t)
{
    struct om_poll *p = ctx;
    p->timed = p->timed || (p->probe && t > 0);
    if (p->probe) {
        long of = join_probe_count(p->probing, want, (struct slice){n ? device : NULL, n}, (struct slice){NULL, 0});
        join_probe_value(p->probing, want, of, value);
        p->probe->newest = of >= 0 && t > p->probe->newest ? t : p->probe->newest;
        return;
    }
    long i = join_find(&p->om->join, p->watch, device, n);
    if (i < 0) {
        p->unmatched++;
        return;
    }
    p->timed = p->timed || t > 0; /* other devices' times say nothing of these */
    struct seen *s = &p->seen[i];
    if (!isfinite(value))
        return;
    if (t > s->t)
        s->t = t;
    s->sum[want] += value;
    s->n[want]++;
    if (p->om->counter[want] < 0)
        return;
    if (p->n_counted == p->cap_counted) {
        p->cap_counted = p->cap_counted ? p->cap_counted * 2 : 256;
        p->counted = xreallocarray(p->counted, p->cap_counted, sizeof *p->counted);
    }
    p->counted[p->n_counted++] = (struct counted){(size_t)i, want, {*series, t ? t : p->now, value}};
}

static int by_device(const void *pa, const void *pb)
{
    const struct counted *a = pa, *b = pb;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->want < b->want ? -1 : a->want > b->want;
}

/* Devices are asked for in order, and of each its counters. */
static double counter_of(struct om_poll *p, size_t device, size_t want, int64_t t)
{
    const struct om *o = p->om;
    size_t kept = o->map[device], n = 0, of = p->seen[device].n[want];
    struct series_value *s = xcalloc(of, sizeof *s);
    for (; n < of; p->next_counted++)
        if (p->counted[p->next_counted].device == device && p->counted[p->next_counted].want == want)
            s[n++] = p->counted[p->next_counted].s;
    double v = want == WANT_REBOOTS && o->boot_times
                   ? boot_counter_feed(&o->kept[kept].boots, t, series_counter(s, n, true))
                   : series_follow(&o->follow[kept * o->n_counters + (size_t)o->counter[want]], s, n);
    free(s);
    return v;
}

/* CPU in use from the idle time of all processors between two pages. */
static double cpu_of_idle(struct kept *k, double idle, double cpus, int64_t t)
{
    double dt = (double)(t - k->idle_t) / 1e6, did = idle - k->idle;
    if (t <= k->idle_t)
        return k->cpu;
    if (k->idle_t == 0 || did < 0 || cpus != k->cpus) /* first page, or the device booted */
        k->cpu = (double)NAN;
    else
        k->cpu = 1 - did / (dt * cpus) < 0 ? 0 : 1 - did / (dt * cpus);
    k->idle = idle;
    k->cpus = cpus;
    k->idle_t = t;
    return k->cpu;
}

static void make_row(struct om_poll *p, size_t i, struct tick *to)
{
    struct om *o = p->om;
    const struct seen *s = &p->seen[i];
    struct kept *k = &o->kept[o->map[i]];
    int64_t t = s->t ? s->t : p->now;
    double *row = tick_put(to, i, t);
    bool fresh = t > k->last_t; /* the same reading must not count twice */
    if (s->n[WANT_REBOOTS])
        row[COL_REBOOTS] = counter_of(p, i, WANT_REBOOTS, t);
    if (s->n[WANT_CPU])
        row[COL_CPU] = o->cpu_kind == CPU_IDLE_SECONDS ? cpu_of_idle(k, s->sum[WANT_CPU], s->n[WANT_CPU], t)
                                                       : s->sum[WANT_CPU] / s->n[WANT_CPU];
    if (s->n[WANT_SENSOR] && fresh)
        bucket_feed(k, t, p->window_us, s->sum[WANT_SENSOR] / s->n[WANT_SENSOR]);
    row[COL_VARIANCE] = s->n[WANT_SENSOR] ? bucket_variance(k, t, p->window_us) : (double)NAN;
    for (size_t q = WANT_COUNT; q < o->n_wants; q++)
        if (s->n[q])
            row[COL_BUILTIN + q - WANT_COUNT] = o->counter[q] < 0 ? s->sum[q] / s->n[q] : counter_of(p, i, q, t);
    if (fresh)
        k->last_t = t;
}

static void make_rows(struct om_poll *p)
{
    struct sample_list *out = p->out;
    size_t n = watch_set_size(p->watch);
    make_map(p->om, p->watch);
    if (p->n_counted)
        qsort(p->counted, p->n_counted, sizeof *p->counted, by_device);
    tick_in(p->arena, &out->tick, 0, n, COL_BUILTIN + p->om->n_wants - WANT_COUNT);
    for (size_t i = 0; i < n; i++) {
        const struct seen *s = &p->seen[i];
        bool any = false;
        for (size_t q = 0; q < p->om->n_wants; q++)
            any = any || s->n[q];
        if (!any)
            continue;
        make_row(p, i, &out->tick);
        if (out->tick.at[i] > out->newest)
            out->newest = out->tick.at[i];
    }
    out->unmatched = p->unmatched;
    out->our_clock = !p->timed;
}

static bool read_page(struct om_poll *p, const struct http_answer *a, struct err *e)
{
    const struct om *o = p->om;
    struct exposition_want wants[WANT_MAX];
    for (size_t i = 0; i < o->n_wants; i++)
        wants[i] = (struct exposition_want){.name = o->names[i]};
    if (o->cpu_kind == CPU_IDLE_SECONDS) {
        wants[WANT_CPU].filter_label = "mode";
        wants[WANT_CPU].filter_value = "idle";
    }
    struct exposition x = {
        .wants = wants,
        .n_wants = o->n_wants,
        .join_label = o->join.label,
        .openmetrics = strncmp(a->content_type, "application/openmetrics-text", 28) == 0,
        .fn = on_sample,
        .ctx = p,
    };
    return exposition_read(&x, a->body.data, a->body.len, e);
}

static bool judge(struct om_poll *p, const struct http_answer *a, struct err *e)
{
    const char *peer = http_peer_name(p->om->peer);
    if (a->err) {
        *e = *a->err;
        return false;
    }
    if (a->status == 401 || a->status == 403) {
        err_set(e, a->status == 401 ? ERR_AUTH : ERR_FORBIDDEN, "check the credentials of the telemetry source",
                "the metrics page of %s is refused (%d)", peer, a->status);
        http_secret_cause(a, e);
        return false;
    }
    if (a->status != 200)
        return err_set(e, ERR_PROTOCOL, "check the URL of the telemetry source", "the metrics page of %s answers %d",
                       peer, a->status);
    return read_page(p, a, e);
}

static void on_page(void *ctx, const struct http_answer *a)
{
    struct om_poll *p = ctx;
    struct err e = {0};
    struct reply r = {.status = a->status, .sent_at = a->sent_at, .answered_at = a->answered_at};
    reply_date(&r, a);
    p->now = a->sent_at; /* a page without times is not newer than its request */
    if (p->out)
        p->seen = xcalloc(watch_set_size(p->watch) + 1, sizeof *p->seen);
    if (!judge(p, a, &e))
        r.err = &e;
    else if (p->out)
        make_rows(p);
    else {
        join_probe_end(p->probing);
        p->probe->our_clock = !p->timed;
        p->probe->text =
            arena_printf(p->arena, "metrics page of %s: %zu bytes", http_peer_name(p->om->peer), a->body.len);
    }
    p->done(p->ctx, &r);
    free(p->seen);
    join_probe_free(p->probing);
    free(p->counted);
    free(p);
}

static void send_poll(struct om *o, struct om_poll init)
{
    struct om_poll *p = xmalloc(sizeof *p);
    *p = init;
    p->om = o;
    http_send(o->peer, "GET", "", NULL, PAGE_MAX, HTTP_SAFE, on_page, p);
}

static void om_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                    struct sample_list *out, backend_done done, void *ctx)
{
    (void)at; /* a page has no history */
    *out = (struct sample_list){.warning = ""};
    send_poll(
        (struct om *)t,
        (struct om_poll){.watch = watch, .window_us = window_us, .arena = a, .out = out, .done = done, .ctx = ctx});
}

static void om_probe(struct telemetry *t, const struct watch_set *devices, struct arena *a, struct telemetry_probe *out,
                     backend_done done, void *ctx)
{
    static const char *const words[] = {"reboots", "cpu", "sensor"};
    struct om *o = (struct om *)t;
    struct join_probe *b = join_probe_new(out, &o->join, devices, a);
    for (size_t i = 0; i < o->n_wants; i++)
        if (o->names[i][0])
            join_probe_asked(
                b, i, arena_printf(a, "%s (%.200s)", i < WANT_COUNT ? words[i] : o->own[i - WANT_COUNT], o->names[i]),
                o->counter[i] >= 0, o->below[i]);
    send_poll(o, (struct om_poll){.watch = devices, .probing = b, .arena = a, .probe = out, .done = done, .ctx = ctx});
}

static void om_free(struct telemetry *t)
{
    struct om *o = (struct om *)t;
    http_peer_free(o->peer);
    for (size_t i = 0; i < watch_set_size(o->known) * o->n_counters; i++)
        series_follow_release(&o->follow[i]);
    watch_set_free(o->known);
    free(o->follow);
    free(o->kept);
    free(o->map);
    join_release(&o->join);
    for (size_t i = 0; i < o->n_wants; i++)
        free(o->names[i]);
    for (size_t i = 0; i < METRICS_OWN; i++)
        free(o->own[i]);
    free(o);
}

struct telemetry *openmetrics_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec,
                                   struct err *e)
{
    static const struct telemetry_ops ops = {
        .kind = "openmetrics", .free = om_free, .poll = om_poll, .probe = om_probe};
    struct http_peer *peer = http_peer_new(h, &spec->endpoint, 1, e);
    if (!peer)
        return NULL;
    struct om *o = xcalloc(1, sizeof *o);
    o->base = (struct telemetry){.ops = &ops, .http = h};
    o->peer = peer;
    o->clock = clock;
    o->known = watch_set_new();
    join_init(&o->join, spec->join_label, &spec->join);
    o->names[WANT_REBOOTS] = telemetry_query(spec, "reboots", spec->reboots, true);
    o->names[WANT_CPU] = telemetry_query(spec, "cpu", spec->cpu, true);
    o->boot_times = is_boot_time(o->names[WANT_REBOOTS]);
    o->cpu_kind = strcmp(o->names[WANT_CPU], "node_cpu_seconds_total") == 0 ? CPU_IDLE_SECONDS : CPU_RATIO;
    o->names[WANT_SENSOR] = telemetry_query(spec, "variance", spec->variance, true);
    o->n_wants = WANT_COUNT + spec->n_own;
    for (size_t i = 0; i < WANT_COUNT; i++)
        o->counter[i] = i == WANT_REBOOTS ? (int)o->n_counters++ : -1;
    for (size_t i = 0; i < spec->n_own; i++) {
        o->own[i] = xstrdup(spec->own[i].id);
        o->names[WANT_COUNT + i] = xstrdup(spec->own[i].query);
        o->below[WANT_COUNT + i] = spec->own[i].below;
        o->counter[WANT_COUNT + i] = spec->own[i].counter ? (int)o->n_counters++ : -1;
    }
    return &o->base;
}
