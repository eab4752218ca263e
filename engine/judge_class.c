/* Figures of a device class: the devices of a wave, and of control, that a limit names by a pattern on their ids. */
#include <stdlib.h>
#include "engine/worker.h"

static bool named(const struct limit *l, int wave)
{
    return l->device_class && *l->device_class && (l->wave < 0 || l->wave == wave);
}

/* The wave's devices of the class: their install outcomes into *h, the tracks of those enrolled into `v`. */
static size_t members(const struct ro *ro, size_t wave, const struct limit *l, const struct track **v,
                      struct wave_health *h)
{
    const struct wv *w = &ro->wv[wave];
    struct install_counts by = {0};
    size_t n = 0;
    for (size_t i = 0; i < w->watch.n_members; i++) {
        const struct dev *d = &ro->en->watch.devs[w->watch.members[i]];
        if (d->canary_of != ro || d->wave != (int)wave || !limit_names(l, d->raw_id))
            continue;
        install_count(&by, watch_install(ro, wave, d, now_of(ro->en)));
        if (d->enrolled && !track_excused(&d->track, now_of(ro->en), beat_interval(ro->en)))
            v[n++] = &d->track;
    }
    h->told = by.told;
    h->installed = by.done;
    h->overdue = by.overdue;
    h->unreached = by.unreached;
    h->failed = by.failed + by.overdue;
    return n;
}

static size_t control(const struct ro *ro, const struct limit *l, const struct track **v)
{
    size_t n = 0;
    for (size_t i = 0; i < ro->watch.n_control; i++) {
        const struct dev *d = &ro->en->watch.devs[ro->watch.control[i]];
        if (!d->canary_of && limit_names(l, d->raw_id))
            v[n++] = &d->track;
    }
    return n;
}

static struct wave_health *figures(const struct ro *ro, size_t wave, const struct limit *l, const struct track **buf,
                                   int64_t scrape_us)
{
    struct engine *en = ro->en;
    struct wave_health *h = xcalloc(1, sizeof *h);
    size_t n = members(ro, wave, l, buf, h);
    if (h->told == 0) { /* the wave has none of them: the limit says nothing about it */
        free(h);
        return NULL;
    }
    struct health_excuse x;
    watch_excuse(en, ro, true, &x);
    health_group(buf, n, &en->watch.shape, &x, now_of(en), en->policy->window_us, scrape_us, &h->canary);
    n = control(ro, l, buf);
    if (n > 0) {
        watch_excuse(en, ro, false, &x);
        health_group(buf, n, &en->watch.shape, &x, now_of(en), en->policy->window_us, scrape_us, &h->control);
    } else { /* none of the class is left: all of control, as for the wave */
        h->control = ro->judge.control_now;
        h->control_frozen_at = ro->judge.control_frozen_at;
    }
    judge_compare(ro, h);
    return h;
}

bool class_figures(const struct ro *ro, size_t wave, const struct track **buf, int64_t scrape_us,
                   struct wave_health *out[VERDICT_LIMITS_MAX])
{
    const struct policy *p = ro->policy.applies;
    bool any = false;
    for (size_t i = 0; i < VERDICT_LIMITS_MAX; i++) {
        out[i] = i < p->n_limits && named(&p->limits[i], (int)wave) ? figures(ro, wave, &p->limits[i], buf, scrape_us)
                                                                    : NULL;
        any = any || out[i];
    }
    return any;
}

void class_release(struct wave_health *out[VERDICT_LIMITS_MAX])
{
    for (size_t i = 0; i < VERDICT_LIMITS_MAX; i++)
        free(out[i]);
}
