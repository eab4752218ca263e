/* Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api), and whatever speaks it: Thanos, Mimir,
 * VictoriaMetrics. Four queries a poll, joined by label: reboots, CPU, variance, and the time of the sample; and one
 * for each of the policies' own metrics. That for the time is needed because an instant vector shows a silent device's
 * old value for five minutes as if it were new. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/prometheus_impl.h"

static bool grid_sample(struct prom_call *c, size_t q, size_t series, long device, int64_t at_ms, double v,
                        struct err *e)
{
    return prom_grid_put(&c->grid, (enum prom_query)q, series, device, at_ms, v, e);
}

static void grid_labels(struct prom_call *c, size_t q, const struct prom_labels *l)
{
    prom_grid_called(&c->grid, (enum prom_query)q, l);
}

static void grid_restart(struct prom_call *c, size_t q)
{
    prom_grid_restart(&c->grid, (enum prom_query)q);
}

static void grid_answered(struct prom_call *c, size_t q)
{
    prom_cells_settle(&c->grid.q[q]);
}

static struct prom_call *grid_call(struct telemetry *t, const struct watch_set *watch, struct arena *a, void *out,
                                   backend_done done, void *ctx)
{
    struct prom_call *c = prom_call_new(t, watch, a, out, done, ctx);
    c->sample = grid_sample;
    c->labels = grid_labels;
    c->restart = grid_restart;
    c->answered = grid_answered;
    return c;
}

static void ask_all(struct prom_call *c, int64_t window_us, const char *when)
{
    for (int q = 0; q < c->prom->n_queries; q++) {
        char *text = prom_expression(c, (int)q, window_us);
        prom_ask(c, (size_t)q, prom_query_word(c->prom, (int)q), text, when);
        free(text);
    }
    prom_call_go(c);
}

/* --- poll --- */

/* The counter that a poll of now gives for a boot time: what it counts is kept from poll to poll. */
static double boots_of(struct prom_call *c, size_t i, int64_t t, double boot_time)
{
    struct prom *o = c->prom;
    const struct watch_id *id = &c->watch->ids[i];
    size_t before = watch_set_size(o->known), k;
    k = watch_set_add_n(o->known, c->watch->bytes + id->at, id->n);
    if (k == before) {
        if (k == o->cap) {
            o->cap = o->cap ? o->cap * 2 : 256;
            o->boots = xreallocarray(o->boots, o->cap, sizeof *o->boots);
        }
        o->boots[k] = (struct boot_counter){0};
    }
    return boot_counter_feed(&o->boots[k], t, boot_time);
}

static void poll_end(struct prom_call *c)
{
    struct sample_list *out = c->out;
    bool now = c->grid.from_ms == 0;
    bool any = false;
    for (int q = 0; q < c->grid.queries; q++)
        any = any || (q != Q_TIME && c->grid.at_ms[q]);
    if (c->grid.timed[0] == 0 && any && !c->warning[0])
        snprintf(c->warning, sizeof c->warning, "%s",
                 "the time of the samples can't be told from these queries; a silent device looks alive for 5 minutes");
    if (c->grid.wrong_time && !c->warning[0])
        snprintf(c->warning, sizeof c->warning, "%s",
                 "the source answers as of another time than asked; two watchers may come to different verdicts");
    tick_in(c->arena, &out->tick, now ? 0 : c->grid.from_ms * US_PER_MS, c->n, prom_column(c->prom->n_queries));
    for (size_t i = 0; i < c->n; i++) {
        if (!prom_grid_row(&c->grid, c->prom, 0, i, &out->tick))
            continue;
        double *boots = &tick_row(&out->tick, i)[COL_REBOOTS];
        if (now && c->prom->boot_times)
            *boots = boots_of(c, i, out->tick.at[i], *boots);
        if (out->tick.at[i] > out->newest)
            out->newest = out->tick.at[i];
    }
    out->unmatched = c->grid.unmatched;
    out->warning = arena_strdup(c->arena, c->warning);
}

static void prom_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us,
                      struct arena *a, struct sample_list *out, backend_done done, void *ctx)
{
    char when[PROM_WHEN];
    *out = (struct sample_list){.warning = ""};
    struct prom_call *c = grid_call(t, watch, a, out, done, ctx);
    prom_grid_init(&c->grid, c->prom, c->n, 1, at > 0 ? at / US_PER_MS : 0, 0);
    c->end = poll_end;
    ask_all(c, window_us, prom_at(when, at));
}

/* --- range --- */

static void range_end(struct prom_call *c)
{
    struct range_list *out = c->out;
    const struct prom_grid *g = &c->grid;
    out->v = ARENA_ARRAY(c->arena, struct tick, g->ticks + 1);
    out->n = g->ticks;
    for (size_t k = 0; k < g->ticks; k++) {
        tick_in(c->arena, &out->v[k], (g->from_ms + (int64_t)k * g->step_ms) * US_PER_MS, g->n,
                prom_column(c->prom->n_queries));
        for (size_t i = 0; i < g->n; i++)
            prom_grid_row(g, c->prom, k, i, &out->v[k]);
    }
    out->warning = arena_strdup(c->arena, c->warning);
}

static size_t count_ticks(int64_t from, int64_t to, int64_t step_us, size_t devices, struct err *e)
{
    if (step_us < US_PER_S || step_us % US_PER_MS || from <= 0 || to < from || from % step_us || to % step_us) {
        err_set(e, ERR_RANGE, "", "a range of history is asked for that is not on its grid");
        return 0;
    }
    uint64_t n = (uint64_t)((to - from) / step_us) + 1;
    if (n <= RANGE_TICKS_MAX && n * devices <= PROM_CELLS_MAX)
        return (size_t)n;
    err_set(e, ERR_LIMIT, "ask for fewer ticks at a time", "%llu ticks of %zu devices are too many for one answer",
            (unsigned long long)n, devices);
    return 0;
}

static void prom_range(struct telemetry *t, const struct watch_set *watch, int64_t from, int64_t to, int64_t step_us,
                       int64_t window_us, struct arena *a, struct range_list *out, backend_done done, void *ctx)
{
    char when[PROM_WHEN];
    *out = (struct range_list){.warning = ""};
    struct prom_call *c = grid_call(t, watch, a, out, done, ctx);
    c->matrix = c->in_turn = true;
    c->end = range_end;
    size_t ticks = count_ticks(from, to, step_us, c->n, &c->err);
    if (ticks)
        prom_grid_init(&c->grid, c->prom, c->n, ticks, from / US_PER_MS, step_us / US_PER_MS);
    ask_all(c, window_us, prom_span(when, from, to, step_us));
}

static bool prom_boot_time(const struct telemetry *t)
{
    return ((const struct prom *)t)->boot_times;
}

/* --- opening --- */

static void prom_free(struct telemetry *t)
{
    struct prom *o = (struct prom *)t;
    http_peer_free(o->peer);
    watch_set_free(o->known);
    free(o->boots);
    join_release(&o->join);
    for (int q = 0; q < o->n_queries; q++)
        free(o->query[q]);
    for (int i = 0; i < METRICS_OWN; i++)
        free(o->own[i]);
    free(o);
}

static void choose_queries(struct prom *o, const struct telemetry_spec *spec)
{
    char text[PROM_QUERY_MAX];
    o->query[Q_REBOOTS] = telemetry_query(spec, "reboots", spec->reboots, false);
    o->boot_times = is_boot_time(o->query[Q_REBOOTS]);
    o->query[Q_CPU] = telemetry_query(spec, "cpu", spec->cpu, false);
    o->query[Q_VARIANCE] = telemetry_query(spec, "variance", spec->variance, false);
    /* Of an expression, timestamp() tells the time of evaluation, which is always now. */
    const char *timed = is_plain_selector(o->query[Q_REBOOTS]) ? o->query[Q_REBOOTS]
                        : is_plain_selector(o->query[Q_CPU])   ? o->query[Q_CPU]
                                                               : "";
    snprintf(text, sizeof text, "timestamp(%s)", timed);
    o->query[Q_TIME] = xstrdup(timed[0] ? text : "");
}

struct telemetry *prometheus_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec, struct err *e)
{
    static const struct telemetry_ops ops = {.kind = "prometheus",
                                             .free = prom_free,
                                             .poll = prom_poll,
                                             .probe = prom_probe,
                                             .range = prom_range,
                                             .past = prom_past,
                                             .boot_time = prom_boot_time};
    (void)clock;
    struct http_peer *peer = http_peer_new(h, &spec->endpoint, Q_COUNT + (int)spec->n_own, e);
    if (!peer)
        return NULL;
    struct prom *o = xcalloc(1, sizeof *o);
    o->base = (struct telemetry){.ops = &ops, .http = h};
    o->peer = peer;
    o->interval_us = spec->interval_us;
    o->known = watch_set_new();
    join_init(&o->join, spec->join_label, &spec->join);
    choose_queries(o, spec);
    o->n_queries = Q_COUNT + (int)spec->n_own;
    o->counter[Q_REBOOTS] = o->counter[Q_TIME] = true; /* which series a value is of is kept */
    for (size_t i = 0; i < spec->n_own; i++) {
        o->own[i] = xstrdup(spec->own[i].id);
        o->query[Q_COUNT + i] = xstrdup(spec->own[i].query);
        o->counter[Q_COUNT + i] = spec->own[i].counter;
        o->below[Q_COUNT + i] = spec->own[i].below;
    }
    return &o->base;
}
