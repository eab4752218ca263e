/* Baselines of the policies' own metrics, as core/health.c keeps those of CPU and variance: means while a device is
 * watched and does not count yet. For sources that have no history. */
#include <math.h>
#include "engine/worker.h"

float *watch_own_base(struct engine *en)
{
    size_t n = en->spec.fleet->telemetry.n_own;
    float *v = n ? ARENA_ARRAY(&en->watch.dev_arena, float, n) : NULL;
    for (size_t i = 0; i < n; i++)
        v[i] = NAN;
    return v;
}

void watch_feed_own(struct engine *en, size_t dev, const struct tick *k)
{
    struct dev *d = &en->watch.devs[dev];
    for (size_t i = 0; d->own_base && i < en->spec.fleet->telemetry.n_own; i++) {
        float x = (float)tick_value(k, dev, COL_BUILTIN + i), *base = &d->own_base[i];
        if (d->track.counts_from == TIME_NEVER && k->at[dev] > d->track.last_t && isfinite(x))
            *base = isnan(*base) ? x : *base + (x - *base) / ((float)d->track.base_n + 1.0F);
    }
}
