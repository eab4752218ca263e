/* What became of the installs, told to the trial: by device, and by cluster where the policy names attributes. */
#include <stdlib.h>
#include <string.h>
#include "engine/trial_run.h"

/* A device is compared with others of its kind, and fails with them when their site loses its network. Attributes of
 * few values are none by which devices fail together by chance: half a fleet that does is what a bad firmware looks
 * like. Decided by the devices that are known when the rollout starts, so that it never changes. */
static bool clustered(const struct run *r, size_t key)
{
    bool *seen = xcalloc(r->n_names + 1, sizeof *seen);
    int values = 0;
    for (size_t i = 0; i < r->n && values < INSTALL_CLUSTERS_MIN; i++) {
        int32_t a = r->v[i].attr[key];
        if (r->v[i].phase != 0 || a < 0 || (size_t)a >= r->n_names || seen[a])
            continue;
        seen[a] = true;
        values++;
    }
    free(seen);
    return values >= INSTALL_CLUSTERS_MIN;
}

struct counting {
    const struct run *r;
    int waves;
    struct run_outcome of[TRIAL_WAVES]; /* of each wave */
    int64_t overdue;
    uint64_t who; /* which have failed: a sum over their numbers */
};

/* What became of the i-th device; false: it takes no part. */
static bool became(const struct counting *c, size_t i, int64_t tick, enum install_state *out)
{
    const struct run_dev *d = &c->r->v[i];
    if (d->wave < 0 || d->wave >= c->waves || d->left)
        return false;
    const struct dev *dev = &c->r->ro->en->watch.devs[d->dev];
    *out = d->installed > 0 ? INSTALL_DONE : watch_install(c->r->ro, (size_t)d->wave, dev, tick);
    return true;
}

static bool failed(enum install_state s)
{
    return s == INSTALL_FAILED || s == INSTALL_OVERDUE;
}

/* Of those that have reported a failure there are as many as were counted when the wave's devices were asked for. */
static void count(struct counting *c, int64_t tick)
{
    const struct run *r = c->r;
    const struct ro *ro = r->ro;
    int64_t overdue[TRIAL_WAVES] = {0};
    for (size_t i = 0; i < r->n; i++) {
        enum install_state s;
        if (!became(c, i, tick, &s) || !failed(s))
            continue;
        c->of[r->v[i].wave].failed += s == INSTALL_FAILED;
        overdue[r->v[i].wave] += s == INSTALL_OVERDUE;
        c->who += (uint64_t)(i + 1) * 0x9E3779B97F4A7C15U;
    }
    for (int w = 0; w < c->waves; w++) {
        struct run_outcome *o = &c->of[w];
        int64_t listed = ro->wv[w].watch.list_errors;
        o->started = wave_told(&ro->facts.waves[w]);
        o->failed = (o->failed > listed ? o->failed : listed) + overdue[w];
        o->failed = o->failed < o->started ? o->failed : o->started;
        c->overdue += overdue[w];
        if (w > 0) {
            o->failed += c->of[w - 1].failed;
            o->started += c->of[w - 1].started;
        }
    }
}

static size_t tallies(const struct counting *c, int64_t tick, struct install_tally *v)
{
    const struct run *r = c->r;
    size_t n = 0, m = 0, keys = r->ro->policy.applies->evidence.n_strata;
    for (int w = 0; w < c->waves; w++)
        v[n++] = (struct install_tally){0, w, (int32_t)c->of[w].failed, (int32_t)c->of[w].started, 1};
    struct install_device *d = xcalloc(r->n + 1, sizeof *d);
    for (size_t i = 0; keys > 0 && i < r->n; i++) {
        enum install_state s;
        if (!became(c, i, tick, &s))
            continue;
        d[m].wave = r->v[i].wave;
        d[m].failed = failed(s);
        memcpy(d[m++].attr, r->v[i].attr, sizeof d->attr);
    }
    for (size_t k = 0; k < keys; k++)
        if (clustered(r, k))
            n = install_tally(d, m, (int)k + 1, c->waves, v, n, INSTALL_TALLIES_MAX);
    free(d);
    return n;
}

bool run_outcomes(struct run *r, int64_t tick)
{
    const struct ro *ro = r->ro;
    struct counting c = {.r = r};
    if (!(r->spec.policy.share[ROW_INSTALL] > 0))
        return false;
    while (c.waves < r->n_waves && (size_t)c.waves < ro->facts.n_waves && ro->wv[c.waves].facts.told &&
           r->wave[c.waves].applied)
        c.waves++;
    count(&c, tick);
    if (c.waves == 0 || (c.who == r->failed && c.overdue == r->overdue && memcmp(c.of, r->outcome, sizeof c.of) == 0))
        return false;
    struct install_tally *v = xcalloc(INSTALL_TALLIES_MAX, sizeof *v);
    trial_installs(r->trial, v, tallies(&c, tick, v), c.overdue);
    free(v);
    memcpy(r->outcome, c.of, sizeof c.of);
    r->failed = c.who;
    r->overdue = c.overdue;
    r->outcomes_new = true;
    return true;
}
