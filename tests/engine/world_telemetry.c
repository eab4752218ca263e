/* The world's telemetry: one sample of each watched device at each poll; or, with history, what was scraped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world_impl.h"

#define SCRAPE_US   (10 * US_PER_S)
#define LOOKBACK_US (5 * US_PER_MIN)

static struct world *of(struct telemetry *t)
{
    return (struct world *)((char *)t - offsetof(struct world, telemetry));
}

static void t_free(struct telemetry *t)
{
    (void)t;
}

static long find(struct world *w, const struct watch_set *watch, int i)
{
    char name[40];
    snprintf(name, sizeof name, "SN%d", i);
    return w->by_serial ? join_find(&w->join, watch, name, strlen(name))
                        : watch_set_find(watch, w->devices[i].id, strlen(w->devices[i].id));
}

static void put(struct tick *k, size_t device, int64_t at, double reboots, double cpu, double variance)
{
    double *row = tick_put(k, device, at);
    row[COL_REBOOTS] = reboots;
    row[COL_CPU] = cpu;
    row[COL_VARIANCE] = variance;
}

static double boots_at(struct w_device *d, int64_t now)
{
    if (d->installed == 1) {
        if (d->reboots_to > 0 && now > d->reboots_to)
            now = d->reboots_to;
        int64_t from = d->reboots_from > d->installed_at ? d->reboots_from : d->installed_at;
        d->reboots = (now > from ? floor((double)(now - from) / 1e6 * d->reboots_per_s_new) : 0) + d->restarts;
    }
    return d->reboots;
}

static bool refused(struct world *w, backend_done done, void *ctx)
{
    if (w->telemetry_down)
        w_answer_err(w, done, ctx, ERR_NETWORK, false, "no telemetry");
    return w->telemetry_down;
}

static void t_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct sample_list *out, backend_done done, void *ctx)
{
    struct world *w = of(t);
    (void)at;
    (void)window_us;
    if (refused(w, done, ctx))
        return;
    size_t own = w->fleet.telemetry.n_own;
    tick_in(a, &out->tick, 0, watch_set_size(watch), COL_BUILTIN + own);
    for (int i = 0; i < w->n_devices; i++) {
        struct w_device *d = &w->devices[i];
        long k = find(w, watch, i);
        if (k < 0 || d->silent)
            continue;
        put(&out->tick, (size_t)k, w->now, boots_at(d, w->now), d->cpu, d->variance);
        for (size_t i_own = 0; i_own < own; i_own++)
            tick_row(&out->tick, (size_t)k)[COL_BUILTIN + i_own] = w->activates && i_own == 0
                                                                       ? floor(boots_at(d, w->now) / 2)
                                                                   : d->installed == 1 ? d->own_new[i_own]
                                                                                       : d->own[i_own];
    }
    out->newest = w->now;
    w_answer_later(w, done, ctx, 0, w->store_ahead);
}

const struct telemetry_ops w_telemetry_ops = {.kind = "world", .free = t_free, .poll = t_poll};

/* ---- history ---- */

static double noise(const struct world *w, int i, int64_t t)
{
    uint64_t x = ((uint64_t)t + (uint64_t)(i + 100) * 7919) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return w->noisy ? 0.8 + 0.4 * (double)(x * UINT64_C(0xbf58476d1ce4e5b9) >> 40) / (double)(1 << 24) : 1;
}

void w_scrape(struct world *w)
{
    int64_t t = (w->now - US_PER_S) / SCRAPE_US * SCRAPE_US + US_PER_S;
    if (w->n_samples == 0)
        w->first_sample = t;
    else if (t <= w->first_sample + (int64_t)(w->n_samples - 1) * SCRAPE_US)
        return;
    if (w->n_samples == w->cap_samples) {
        w->cap_samples = w->cap_samples ? w->cap_samples * 2 : 256;
        w->samples = xreallocarray(w->samples, w->cap_samples * W_DEVICES, sizeof *w->samples);
    }
    struct w_sample *row = w->samples + w->n_samples++ * W_DEVICES;
    for (int i = 0; i < w->n_devices; i++) {
        struct w_device *d = &w->devices[i];
        row[i] = (struct w_sample){
            !d->silent, t, boots_at(d, t), d->cpu * noise(w, i, t), d->variance * noise(w, -i, t), {0}};
        memcpy(row[i].own, d->installed == 1 ? d->own_new : d->own, sizeof row[i].own);
        if (w->activates)
            row[i].own[0] = floor(row[i].reboots / 2);
    }
}

/* The newest sample of device i at or before `at`; NULL when it is too old, or there is none. */
static const struct w_sample *newest(const struct world *w, int i, int64_t at)
{
    int64_t k = (at - w->first_sample) / SCRAPE_US;
    if (at < w->first_sample)
        return NULL;
    for (k = k < (int64_t)w->n_samples ? k : (int64_t)w->n_samples - 1; k >= 0; k--) {
        const struct w_sample *s = &w->samples[(size_t)k * W_DEVICES + (size_t)i];
        if (s->t <= at - LOOKBACK_US)
            return NULL;
        if (s->there)
            return s;
    }
    return NULL;
}

/* Device k of the tick as the sample has it. */
static void put_sample(const struct world *w, struct tick *to, size_t k, const struct w_sample *s)
{
    put(to, k, s->t + w->store_ahead, s->reboots, s->cpu, s->variance);
    memcpy(tick_row(to, k) + COL_BUILTIN, s->own, (to->columns - COL_BUILTIN) * sizeof *s->own);
}

/* Devices in the order of the watch set: world index at each place, -1 none. */
static int *order(struct world *w, const struct watch_set *watch, struct arena *a, size_t *n)
{
    int *v = arena_array(a, watch_set_size(watch) + 1, sizeof *v);
    *n = watch_set_size(watch);
    memset(v, 0xff, *n * sizeof *v);
    for (int i = 0; i < w->n_devices; i++) {
        long k = find(w, watch, i);
        if (k >= 0)
            v[k] = i;
    }
    return v;
}

static void h_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct sample_list *out, backend_done done, void *ctx)
{
    struct world *w = of(t);
    size_t n;
    (void)window_us;
    w_note(w, "poll");
    if (refused(w, done, ctx))
        return;
    int *v = order(w, watch, a, &n);
    tick_in(a, &out->tick, at, n, COL_BUILTIN + w->fleet.telemetry.n_own);
    for (size_t k = 0; k < n; k++) {
        const struct w_sample *s = v[k] < 0 ? NULL : newest(w, v[k], at - w->store_ahead);
        if (s)
            put_sample(w, &out->tick, k, s);
        if (s && s->t > out->newest)
            out->newest = s->t;
    }
    w_answer_later(w, done, ctx, 0, w->store_ahead);
}

static void h_range(struct telemetry *t, const struct watch_set *watch, int64_t from, int64_t to, int64_t step_us,
                    int64_t window_us, struct arena *a, struct range_list *out, backend_done done, void *ctx)
{
    struct world *w = of(t);
    size_t n;
    (void)window_us;
    w_note(w, "range %d", (int)((to - from) / step_us + 1));
    if (refused(w, done, ctx))
        return;
    int *v = order(w, watch, a, &n);
    size_t most = n * (size_t)((to - from) / step_us + 1);
    if (w->range_limit > 0 && most > w->range_limit) {
        w_answer_err(w, done, ctx, ERR_LIMIT, false, "the answer would be too large");
        return;
    }
    out->warning = "";
    out->v = arena_array(a, (size_t)((to - from) / step_us) + 2, sizeof *out->v);
    for (int64_t at = from; at <= to; at += step_us) {
        struct tick *to_tick = &out->v[out->n++];
        tick_in(a, to_tick, at, n, COL_BUILTIN + w->fleet.telemetry.n_own);
        for (size_t k = 0; k < n; k++) {
            const struct w_sample *s = v[k] < 0 ? NULL : newest(w, v[k], at - w->store_ahead);
            if (s)
                put_sample(w, to_tick, k, s);
        }
    }
    w_answer_later(w, done, ctx, 0, w->store_ahead);
}

static void h_past(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct past_list *out, backend_done done, void *ctx)
{
    struct world *w = of(t);
    size_t n;
    (void)window_us;
    w_note(w, "past");
    if (w->past_down) {
        w_answer_err(w, done, ctx, ERR_NETWORK, false, "no telemetry");
        return;
    }
    int *v = order(w, watch, a, &n);
    tick_in(a, &out->day, 0, n, COL_BUILTIN);
    tick_in(a, &out->hour, 0, n, COL_BUILTIN);
    out->known = !w->past_empty;
    for (size_t k = 0; k < n && !w->past_empty; k++)
        if (v[k] >= 0) {
            put(&out->day, k, at - US_PER_S, w->devices[v[k]].boots_before, 0.2, 1.0);
            put(&out->hour, k, at - US_PER_S, 0, 0.2, 1.0);
        }
    w_answer_later(w, done, ctx, 0, w->store_ahead);
}

const struct telemetry_ops w_history_ops = {
    .kind = "world", .free = t_free, .poll = h_poll, .range = h_range, .past = h_past};
