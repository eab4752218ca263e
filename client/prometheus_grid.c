#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/prometheus_impl.h"

/* --- cells --- */

void prom_cells_init(struct prom_cells *c, size_t n, bool counter)
{
    *c = (struct prom_cells){.n = n, .v = xcalloc(n + 1, sizeof *c->v), .count = xcalloc(n + 1, sizeof *c->count)};
    if (counter)
        c->first = xcalloc(n + 1, sizeof *c->first);
}

void prom_cells_called(struct prom_cells *c, const struct prom_labels *l)
{
    if (!c->first)
        return;
    if (c->n_id == c->cap_id) {
        c->cap_id = c->cap_id ? c->cap_id * 2 : 1024;
        c->id = xreallocarray(c->id, c->cap_id, sizeof *c->id);
    }
    c->id[c->n_id++] = l->id;
}

void prom_cells_release(struct prom_cells *c)
{
    free(c->v);
    free(c->count);
    free(c->extra);
    free(c->first);
    free(c->id);
    *c = (struct prom_cells){0};
}

void prom_cells_clear(struct prom_cells *c)
{
    if (c->n)
        memset(c->count, 0, c->n * sizeof *c->count);
    c->n_extra = c->n_id = 0;
}

void prom_cells_put(struct prom_cells *c, size_t cell, size_t series, double v)
{
    if (!isfinite(v))
        return;
    if (c->count[cell]++ == 0) {
        c->v[cell] = v;
        if (c->first)
            c->first[cell] = (uint32_t)series;
        return;
    }
    if (c->n_extra == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        c->extra = xreallocarray(c->extra, c->cap, sizeof *c->extra);
    }
    c->extra[c->n_extra++] = (struct prom_extra){.cell = (uint32_t)cell, .series = (uint32_t)series, .v = v};
}

void prom_cells_put_max(struct prom_cells *c, size_t cell, double v)
{
    if (c->count[cell]++ == 0 || v > c->v[cell])
        c->v[cell] = v;
}

static int by_cell(const void *pa, const void *pb)
{
    const struct prom_extra *a = pa, *b = pb;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    return a->v < b->v ? -1 : a->v > b->v;
}

void prom_cells_settle(struct prom_cells *c)
{
    if (c->n_extra)
        qsort(c->extra, c->n_extra, sizeof *c->extra, by_cell);
    if (c->first)
        return;
    for (size_t i = 0; i < c->n_extra;) {
        uint32_t cell = c->extra[i].cell;
        double first = c->v[cell], sum = 0;
        bool added = false;
        for (; i < c->n_extra && c->extra[i].cell == cell; i++) {
            if (!added && first <= c->extra[i].v) {
                sum += first;
                added = true;
            }
            sum += c->extra[i].v;
        }
        c->v[cell] = added ? sum : sum + first;
    }
    free(c->extra);
    c->extra = NULL;
    c->n_extra = c->cap = 0;
}

double prom_cells_mean(const struct prom_cells *c, size_t cell)
{
    double m = c->count[cell] ? c->v[cell] / c->count[cell] : (double)NAN;
    return isfinite(m) ? m : (double)NAN;
}

/* The extra values of a cell: the place of the first. */
static size_t extras_of(const struct prom_cells *c, size_t cell)
{
    size_t low = 0, high = c->n_extra;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->extra[mid].cell < cell)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static double cells_max(const struct prom_cells *c, size_t cell)
{
    double most = c->count[cell] ? c->v[cell] : (double)NAN;
    for (size_t i = extras_of(c, cell); i < c->n_extra && c->extra[i].cell == cell; i++)
        most = c->extra[i].v > most ? c->extra[i].v : most;
    return most;
}

/* When the series' own sample is of, 0: not known. */
static int64_t time_of(const struct prom_cells *times, size_t cell, const struct series_id *id)
{
    if (times->count[cell] == 0)
        return 0;
    if (times->id[times->first[cell]].all == id->all)
        return prom_time_value(times->v[cell]);
    for (size_t i = extras_of(times, cell); i < times->n_extra && times->extra[i].cell == cell; i++)
        if (times->id[times->extra[i].series].all == id->all)
            return prom_time_value(times->extra[i].v);
    return 0;
}

double prom_cells_counter(const struct prom_cells *c, const struct prom_cells *times, size_t cell, bool boot_times)
{
    size_t n = c->count[cell], at = extras_of(c, cell);
    if (n <= 1)
        return n ? c->v[cell] : (double)NAN;
    struct series_value *s = xcalloc(n, sizeof *s);
    s[0] = (struct series_value){.id = c->id[c->first[cell]], .v = c->v[cell]};
    for (size_t i = 1; i < n; i++)
        s[i] = (struct series_value){.id = c->id[c->extra[at + i - 1].series], .v = c->extra[at + i - 1].v};
    for (size_t i = 0; i < n; i++)
        s[i].t = times ? time_of(times, cell, &s[i].id) : 1;
    double v = series_counter(s, n, boot_times);
    free(s);
    return isfinite(v) ? v : (double)NAN;
}

int64_t prom_time_value(double s)
{
    return s > 0 && s * 1e3 < (double)PROM_TIME_MAX ? (int64_t)llround(s * 1e6) : 0;
}

/* --- the grid --- */

void prom_grid_init(struct prom_grid *g, const struct prom *o, size_t n, size_t ticks, int64_t from_ms, int64_t step_ms)
{
    *g = (struct prom_grid){.n = n, .ticks = ticks, .from_ms = from_ms, .step_ms = step_ms, .queries = o->n_queries};
    for (int q = 0; q < g->queries; q++)
        prom_cells_init(&g->q[q], n * ticks, o->counter[q]);
    g->timed = xcalloc(ticks + 1, sizeof *g->timed);
}

void prom_grid_release(struct prom_grid *g)
{
    for (int q = 0; q < Q_MAX; q++)
        prom_cells_release(&g->q[q]);
    free(g->timed);
    *g = (struct prom_grid){0};
}

void prom_grid_restart(struct prom_grid *g, enum prom_query q)
{
    prom_cells_clear(&g->q[q]);
    g->at_ms[q] = 0;
    g->series = 0;
    g->newest_ms = 0;
    if (q == Q_TIME)
        memset(g->timed, 0, g->ticks * sizeof *g->timed);
}

/* The tick of a sample. In a range, times are those of the grid and ascend within a series: anything else would count
 * twice, or for another time than it is of. */
static bool tick_of(struct prom_grid *g, enum prom_query q, size_t series, int64_t at_ms, size_t *tick)
{
    *tick = 0;
    if (g->step_ms == 0) {
        g->wrong_time = g->wrong_time || (g->from_ms > 0 && at_ms != g->from_ms);
        if (at_ms > g->at_ms[q])
            g->at_ms[q] = at_ms;
        return true;
    }
    if (series != g->series)
        g->newest_ms = 0;
    g->series = series;
    int64_t behind = at_ms - g->from_ms;
    if (behind < 0 || behind % g->step_ms != 0 || (uint64_t)(behind / g->step_ms) >= g->ticks || at_ms <= g->newest_ms)
        return false;
    g->newest_ms = at_ms;
    *tick = (size_t)(behind / g->step_ms);
    return true;
}

void prom_grid_called(struct prom_grid *g, enum prom_query q, const struct prom_labels *l)
{
    prom_cells_called(&g->q[q], l);
}

bool prom_grid_put(struct prom_grid *g, enum prom_query q, size_t series, long device, int64_t at_ms, double v,
                   struct err *e)
{
    size_t tick;
    if (!tick_of(g, q, series, at_ms, &tick))
        return err_set(e, ERR_PROTOCOL, "look at what stands between andon and the server",
                       "the answer holds a time that was not asked for, or one twice");
    g->timed[tick] += q == Q_TIME;
    if (device < 0) {
        g->unmatched++;
        return true;
    }
    size_t cell = tick * g->n + (size_t)device;
    if (q != Q_TIME || prom_time_value(v))
        prom_cells_put(&g->q[q], cell, series, v);
    return true;
}

/* When no time came at all although it was asked for: either there is no such metric, or nothing reports any more. Only
 * what goes away at once with its device may count then; a variance over ten minutes is there for ten minutes more. */
static bool counts_untimed(const struct prom_grid *g, const struct prom *o, size_t cell)
{
    if (!o->query[Q_TIME][0])
        return true;
    for (int q = 0; q < g->queries; q++)
        if (q != Q_TIME && g->q[q].count[cell] && is_plain_selector(o->query[q]))
            return true;
    return false;
}

bool prom_grid_row(const struct prom_grid *g, const struct prom *o, size_t tick, size_t device, struct tick *out)
{
    size_t cell = tick * g->n + device;
    int64_t at_ms = g->from_ms + (int64_t)tick * g->step_ms;
    bool any = false;
    if (g->step_ms == 0)
        at_ms = 0;
    for (int q = 0; q < g->queries; q++) {
        if (q == Q_TIME || g->q[q].count[cell] == 0)
            continue;
        any = true;
        if (g->at_ms[q] > at_ms)
            at_ms = g->at_ms[q];
    }
    if (!any)
        return false;
    bool timed = g->timed[tick] > 0;
    /* Values of unknown age are no evidence of health. */
    if (timed ? g->q[Q_TIME].count[cell] == 0 : !counts_untimed(g, o, cell))
        return false;
    double *row = tick_put(out, device, timed ? prom_time_value(cells_max(&g->q[Q_TIME], cell)) : at_ms * US_PER_MS);
    for (int q = 0; q < g->queries; q++)
        if (q != Q_TIME)
            row[prom_column(q)] =
                o->counter[q] ? prom_cells_counter(&g->q[q], &g->q[Q_TIME], cell, q == Q_REBOOTS && o->boot_times)
                              : prom_cells_mean(&g->q[q], cell);
    return true;
}
