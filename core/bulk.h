/* The bulk engine of a trial: have all canary devices together more (or less) of a metric than before, more than
 * control has? One rank test (core/ranktest.h) on each device's change from its own baseline, taken only at
 * geometrically spaced looks t_1, t_2, ...; look k may spend 1/(k(k+1)) of the test's alpha.
 *
 * The window of look k is (t_{k-3}, t_k], the newest three blocks between looks, which is t_k / 1.95. The method's
 * window is the last half, (t_k/2, t_k]; such windows overlap so that a device would need four open sums. A block is
 * summed once and handed on, so three sums do. All devices of a look are compared over the same window, else those with
 * a shorter one would spread more, and rank both first and last: of the three, two or one newest blocks, the longest
 * that at least half of the canaries have been there for; the others do not take part. A look that nobody can take part
 * in is left out and spends nothing. Which it is depends on when devices came, never on values. Stage time counts ticks
 * that brought rows: in a gap the clock stands.
 *
 * A variance sample is itself over a window of the source's, of 10 min. Those that reach back into the time before the
 * stage, or before the device came in (its update, its grace), are old news and left out, but for the last minute's:
 * not all devices report at every tick. So look 1 compares the newest values, which are the stage's first 10 min.
 *
 * Method: docs/statistics.md, "Bulk engine". */
#ifndef ANDON_CORE_BULK_H
#define ANDON_CORE_BULK_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/passage.h"
#include "core/ranktest.h"

enum bulk_metric { BULK_CPU, BULK_VARIANCE, BULK_BUILTIN };

/* All devices of a trial, and where each has its sums of the metric. */
struct herd {
    struct watched *w;
    struct marks *marks; /* NULL: none */
    const struct strata *strata;
    size_t n;
    void *first; /* struct series of device 0; of device i it is `stride` bytes further for each */
    size_t stride;
};

/* A device's value at a look, as compared: ln(mean / own baseline), canary's less ln(tolerance); or mean - own
 * baseline, canary's less tolerance. Where less is worse, the first with its sign changed. */
struct change {
    double v;
    uint8_t stratum;
};

/* A look as it was taken. The values are kept for the look with the most evidence, where they are not too many. */
struct look {
    int k;                 /* 1, 2, ... of those taken; 0 = none yet */
    int64_t tick;          /* its time */
    int64_t n, m;          /* canary and control devices compared */
    double log_e;          /* -ln p + ln look_share(k) */
    struct change *canary; /* n, in order of device; NULL = not kept */
    struct change *control;
};
#define LOOK_VALUES_MAX 20000

struct bulk {
    int test;                   /* number of the test, for its mark */
    bool down;                  /* less is worse */
    bool diff;                  /* changes are differences from the own baseline, not ln of ratios */
    double tolerance;           /* tolerated rise or fall, >= 1; of differences >= 0 */
    int64_t first, next;        /* time of the first look and of the next, in ticks */
    int32_t lag;                /* ticks after which a device's samples are of the time since it came in */
    int64_t valid;              /* ticks with rows so far */
    int64_t stride;             /* every so many ticks are summed, so that a device's counts fit */
    int32_t begin[BULK_BLOCKS]; /* number of the tick after which each block began; INT32_MIN: there is none */
    int looks;                  /* whose time has come */
    int spent;                  /* taken: the k of the newest one's share */
    double most;                /* running maximum of the looks' evidence, >= 0 */
    double now;                 /* of the newest look; may be negative; 0 before the first */
    double ratio;            /* median canary change over (diff: less) median control change at the newest look, NaN */
    int64_t canary, control; /* devices over control's 95th percentile at the newest look */
    int64_t canary_of, control_of;
    struct look best; /* the look with the most evidence above 0 */
};

/* first: ticks to the first look, >= 1. tolerance >= 1 (diff: >= 0). begin: number of the tick at which the stage
 * began. lag: ticks for which a device's samples still are of the time before it came in, 0 .. first - 1. */
void bulk_init(struct bulk *b, int test, bool down, bool diff, int64_t first, double tolerance, int32_t begin,
               int32_t lag);
void bulk_release(struct bulk *b);
/* Tick `number`, which brings rows, begins. True when its samples are summed. */
bool bulk_tick(struct bulk *b, int32_t number);
/* Has a device that came in at tick `from` been there for the whole block that began at tick `begin`? */
static inline bool bulk_whole(const struct bulk *b, int32_t from, int32_t begin)
{
    return (int64_t)from + b->lag <= begin;
}
/* A sample of a device that counts since tick number `from`: summed when it has been there for the whole block. */
static inline void bulk_add(const struct bulk *b, struct series *s, int32_t from, double value)
{
    if (!bulk_whole(b, from, b->begin[BULK_BLOCKS - 1]) || !isfinite(value) || (value < 0 && !b->diff))
        return;
    s->sum[BULK_BLOCKS - 1] = (float)((double)s->sum[BULK_BLOCKS - 1] + value);
    s->count[BULK_BLOCKS - 1]++;
}
/* The tick ends: takes the look when it is time. `other` is the same metric's other direction, NULL = it has one. */
void bulk_close(struct bulk *b, struct bulk *other, const struct herd *h, int64_t tick, int32_t number);
/* Evidence of one look from its values: sets u and p in *r and returns -ln p + ln look_share(k); 0 where no stratum
 * has both groups. Looks are decided by TIES_PERMUTATION; those of old logs were by TIES_NORMAL. */
double bulk_evidence(const struct change *canary, size_t n, const struct change *control, size_t m, int k,
                     enum rank_ties by, struct ranktest *r);

#endif
