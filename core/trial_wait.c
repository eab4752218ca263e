/* Trial: from when on a device counts. */
#include <string.h>
#include "core/trial_state.h"

/* ---- control comes in with the canaries ---- */

/* Scatters device numbers evenly over 32 bits (finalizer of MurmurHash3, Appleby 2011). */
static uint32_t scatter(uint32_t h)
{
    h = (h ^ h >> 16) * UINT32_C(0x85ebca6b);
    h = (h ^ h >> 13) * UINT32_C(0xc2b2ae35);
    return h ^ h >> 16;
}

/* Is device i's number below the share of its stratum's canaries that have joined? */
static bool within(const struct trial *t, size_t i, const int32_t joined[PASSAGE_STRATA])
{
    uint8_t s = trial_stratum(t, &t->w[i]);
    return (uint64_t)scatter((uint32_t)i + 1) * (uint64_t)t->expected[s] < (uint64_t)joined[s] << 32;
}

bool trial_open(const struct trial *t, size_t i)
{
    return within(t, i, t->joined);
}

/* ---- metrics with a grace of their own ---- */

/* How many ticks later than the others the metric of row `row` counts. */
int64_t trial_waits(const struct trial *t, size_t row)
{
    struct metric_def d;
    metric_get(&t->spec.policy, row, &d);
    return d.grace_us <= t->spec.grace_us ? 0 : (d.grace_us - t->spec.grace_us + t->spec.step_us - 1) / t->spec.step_us;
}

void trial_wait_for(struct trial *t, int test)
{
    int64_t ticks = trial_waits(t, metric_test(&t->spec.policy, test)->metric);
    int k = 0;
    if (ticks == 0 || t->rank[test] >= 0 || test == TEST_INSTALL) /* rank tests by their lag */
        return;
    while (k < t->n_waits && t->wait[k].ticks != ticks)
        k++;
    if (k == t->n_waits)
        t->wait[t->n_waits++].ticks = ticks;
    t->wait[k].tests |= PASSAGE_BIT(test);
}

void trial_count_waits(struct trial *t, int32_t number, int64_t *next)
{
    for (int k = 0; k < t->n_waits; k++) {
        struct wait *v = &t->wait[k];
        memset(v->joined, 0, sizeof v->joined);
        for (size_t i = 0; i < t->n; i++) {
            const struct watched *w = &t->w[i];
            int64_t from = w->from + v->ticks, at = t->zero + from * t->spec.step_us;
            if (!(w->flags & WATCHED_CANARY))
                continue;
            v->joined[trial_stratum(t, w)] += from <= number ? 1 : 0;
            if (from > number && at < *next)
                *next = at;
        }
    }
}

uint64_t trial_held(const struct trial *t, size_t i, int32_t number)
{
    const struct watched *w = &t->w[i];
    uint64_t bits = 0;
    for (int k = 0; k < t->n_waits; k++) {
        const struct wait *v = &t->wait[k];
        bool open = w->flags & WATCHED_CANARY ? w->from + v->ticks <= number : within(t, i, v->joined);
        bits |= open ? 0 : v->tests;
    }
    return bits;
}
