/* Control: what relative limits compare with.
 *
 * Control shrinks as waves are told, and the last wave leaves none. So the newest good figures are kept, with their
 * time, and stand in when what is left of control is too small: a fault that begins in the last wave must not go
 * unseen because there is nobody left to compare with. */
#include "engine/worker.h"

#define CONTROL_LEAST 10 /* fewer devices say little */
#define CONTROL_SHARE 20 /* and a twentieth of what it once was */

static size_t control_tracks(const struct ro *ro, const struct track **v)
{
    size_t n = 0;
    for (size_t i = 0; i < ro->watch.n_control; i++) {
        const struct dev *d = &ro->en->watch.devs[ro->watch.control[i]];
        if (!d->canary_of)
            v[n++] = &d->track;
    }
    return n;
}

/* A fleet whose control was never large is compared with half of it. */
static bool large_enough(size_t n, size_t best)
{
    if (best < 2 * (size_t)CONTROL_LEAST)
        return n > 0 && n * 2 >= best;
    return n >= CONTROL_LEAST && n * CONTROL_SHARE >= best;
}

/* May these figures stand for control later? Not while devices of a told wave may still be among it. */
static bool good(const struct ro *ro, const struct group_health *g)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].facts.told && !ro->wv[i].watch.listed)
            return false;
    if (g->measured == 0 || (double)g->reporting < ro->policy.applies->min_coverage * (double)g->expected)
        return false;
    return g->column[COL_REBOOTS].count.days > 0 || !(ro->judge.control_good.column[COL_REBOOTS].count.days > 0);
}

void control_sum(struct ro *ro, const struct track **buf, int64_t scrape_us)
{
    struct engine *en = ro->en;
    size_t n = control_tracks(ro, buf);
    struct health_excuse x;
    watch_excuse(en, ro, false, &x);
    health_group(buf, n, &en->watch.shape, &x, now_of(en), en->policy->window_us, scrape_us, &ro->judge.control_now);
    ro->judge.control_frozen_at = 0;
    if (n > ro->judge.control_best)
        ro->judge.control_best = n;
    if (large_enough(n, ro->judge.control_best)) {
        if (good(ro, &ro->judge.control_now)) {
            ro->judge.control_good = ro->judge.control_now;
            ro->judge.control_good_at = now_of(en);
        }
    } else if (ro->judge.control_good_at > 0) {
        ro->judge.control_now = ro->judge.control_good;
        ro->judge.control_frozen_at = ro->judge.control_good_at;
    }
}

int64_t control_covered_until(const struct ro *ro, const struct track **buf, int64_t scrape_us)
{
    if (ro->judge.control_frozen_at > 0)
        return TIME_NEVER;
    return health_covered_until(buf, control_tracks(ro, buf), 1, scrape_us, false);
}

bool control_blind(const struct ro *ro)
{
    const struct policy *p = ro->policy.applies;
    bool relative = false, waits = ro->watch.control_loading || ro->judge.control_good_at > 0 || ro->facts.current < 0;
    for (size_t i = 0; i < p->n_limits; i++)
        relative = relative || p->limits[i].basis == BASIS_RELATIVE;
    if (!relative || waits || !ro->en->tm || !ro->facts.waves_known || ro_ended(ro) || *ro->rollback.of)
        return false;
    for (size_t i = 0; i < ro->watch.n_control; i++)
        if (!ro->en->watch.devs[ro->watch.control[i]].canary_of)
            return false;
    for (size_t i = 0; i < ro->facts.n_waves; i++) /* still to be read */
        if (!ro->wv[i].facts.told && ro->facts.waves[i].total > 0 &&
            (ro->watch.control_next == CONTROL_BEGIN || ro->watch.control_next >= (int)i))
            return false;
    return true;
}

void judge_compare(const struct ro *ro, struct wave_health *h)
{
    int8_t column[METRICS_OWN];
    watch_columns(ro->en, &ro->policy.applies->evidence, column);
    health_compare(h, &ro->policy.applies->evidence, column, now_of(ro->en));
}
