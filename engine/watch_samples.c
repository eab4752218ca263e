/* Samples into the tracks of watched devices, by the columns of the fleet's telemetry. */
#include <math.h>
#include <string.h>
#include "engine/worker.h"

/* Some sources give the time of the last boot: here it becomes a count of boots. */
static double count_boots(struct engine *en, size_t dev, int64_t at, double reboots)
{
    bool times = en->tm->ops->boot_time && en->tm->ops->boot_time(en->tm);
    return times ? boot_counter_feed(&en->watch.devs[dev].boots, at, reboots) : reboots;
}

void watch_sample(struct engine *en, size_t dev, int64_t at, const double *row, size_t columns)
{
    double v[TRACK_COLUMNS];
    for (size_t c = 0; c < en->watch.shape.columns; c++)
        v[c] = c < columns ? row[c] : NAN;
    v[COL_REBOOTS] = count_boots(en, dev, at, row[COL_REBOOTS]);
    track_feed(&en->watch.devs[dev].track, &en->watch.shape, at, v, en->policy->window_us);
}

/* A policy of before may mean something else by the name than the fleet's do now, or they do not test it at all. */
static bool fits(const struct telemetry_metric *m, const struct metric_def *d)
{
    bool counter = metric_kind_counts(d->kind);
    return m->counter == counter && metric_kind_alike(m->kind, d->kind) && m->below == d->diff;
}

void watch_columns(const struct engine *en, const struct evidence_policy *p, int8_t out[METRICS_OWN])
{
    const struct telemetry_spec *t = &en->spec.fleet->telemetry;
    for (size_t i = 0; i < METRICS_OWN; i++) {
        out[i] = -1;
        for (size_t k = 0; k < t->n_own && i < p->n_own; k++)
            if (strcmp(t->own[k].id, p->own[i].id) == 0 && fits(&t->own[k], &p->own[i]))
                out[i] = (int8_t)(COL_BUILTIN + k);
    }
}

void watch_excuse(const struct engine *en, const struct ro *ro, bool canary, struct health_excuse *out)
{
    const struct policy *p = ro ? ro->policy.applies : en->policy;
    int8_t own[METRICS_OWN];
    watch_columns(en, &p->evidence, own);
    health_excuse(p, own, canary, out);
}
