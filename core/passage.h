/* First-passage events of devices, and the tests over them: the tail engine of a trial (core/trial.h).
 *
 * Each bad thing that can happen to a device is an event that happens at most once in a stage: its first reboot, its
 * 2nd, 4th, 8th; a crash loop; going silent; CPU or sensor variance at a multiple of its own baseline. A stage
 * compares, for each kind of event, canary with control among the devices still at risk, tick by tick and stratum by
 * stratum, by an anytime-valid log-rank process (core/eprocess.h). How uneven devices are, or how samples follow each
 * other in time, does not matter: a device counts once.
 *
 * Time uses risk sets up: so those of most kinds begin anew in epochs (core/design.h), each an evidence of its own, and
 * the most of them stands, weighed by the epoch's share.
 *
 * Windows of 5 and 10 min are tumbling, the same for all devices, and a device is judged by whole windows only.
 *
 * A device is at risk from its entry until its event, or until it is censored (silent, gone). Whoever enters in a tick
 * is at risk in that tick; whoever leaves in a tick was at risk in it. All is counted in integers, so the order of rows
 * within a tick does not matter. Method: docs/statistics.md, "Tail engine". */
#ifndef ANDON_CORE_PASSAGE_H
#define ANDON_CORE_PASSAGE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/eprocess.h"
#include "core/metric.h"
#include "core/strata.h"

/* In the order of enum trial_test: the built-in ones. A policy's own kinds of events have the numbers of their tests.
 */
enum passage {
    PASSAGE_LOOP,  /* 3 unexpected reboots within 30 min */
    PASSAGE_BOOT1, /* 1st, 2nd, 4th, 8th unexpected reboot of the stage */
    PASSAGE_BOOT2,
    PASSAGE_BOOT4,
    PASSAGE_BOOT8,
    PASSAGE_SILENT,
    PASSAGE_AWAY1, /* silent for an hour, for 8 hours */
    PASSAGE_AWAY8,
    PASSAGE_CPU125, /* mean over 5 min at 1.25, 1.5, 2, 3 times the device's own baseline */
    PASSAGE_CPU150,
    PASSAGE_CPU200,
    PASSAGE_CPU300,
    PASSAGE_VAR4, /* variance over 10 min at 4, 8, 16 times its baseline */
    PASSAGE_VAR8,
    PASSAGE_VAR16,
    PASSAGE_STUCK, /* variance at 1/16 of its baseline or less */
    PASSAGE_COUNT
};
#define PASSAGE_BIT(k)  (UINT64_C(1) << (k))
#define PASSAGE_BOOTS   UINT64_C(0x001f) /* loop and reboots */
#define PASSAGE_AWAYS   UINT64_C(0x00c0)
#define PASSAGE_CPUS    UINT64_C(0x0f00)
#define PASSAGE_VARS    UINT64_C(0xf000)
#define PASSAGE_BUILTIN UINT64_C(0xffff) /* the marks that a struct watched holds */
#define PASSAGE_STRATA  STRATA_MAX

enum side { SIDE_CANARY, SIDE_CONTROL };

#define BULK_BLOCKS 3

/* What is summed of one gauge of one device: 28 bytes. */
struct series {
    float base;             /* own baseline; NaN = none; 1 where the metric is compared as it is */
    float open;             /* of the open window: its sum; of a spread its newest value, NaN = none */
    float sum[BULK_BLOCKS]; /* of the bulk engine's blocks, open one last */
    uint16_t count[BULK_BLOCKS];
    uint16_t n; /* samples of the open window */
};
/* One counter of a policy's own, of one device. */
struct counted {
    double value; /* newest, NaN = never seen */
    int32_t at_s[2];
    uint32_t n;     /* events of this stage */
    int32_t seen_s; /* of `value`, seconds since the trial's start: other metrics may have come since */
};
/* Marks of one device for the tests of a policy's own metrics, by number of test: see struct watched. */
struct marks {
    uint64_t happened, excluded, risk, entered, carried, earlier;
};

/* One watched device: tail and bulk engine together, at most 96 bytes (asserted). Clocks and sums are of the stage
 * that runs. Ticks are numbered from the trial's start. */
struct watched {
    uint64_t last : 56; /* time of the newest sample: watched_last() */
    uint64_t cell : 8;  /* of struct strata */
    double counter;     /* newest boot counter, or boot_mark.at; NaN = never seen */
    int32_t from;       /* number of the tick from which it counts as canary, INT32_MAX = unknown */
    int32_t boot_s;     /* the newest reboot, seconds since the trial's start */
    struct series cpu, var;
    uint16_t boot_gap_s; /* from the reboot before it to that one; UINT16_MAX: so long, or there was none */
    uint16_t happened; /* bit k: event k has happened in this stage (its epoch, where there are any), at risk or not */
    uint16_t excluded; /* bit k: had it in the hour before the rollout: never at risk for it */
    uint16_t risk;     /* bit k: at risk now */
    uint16_t entered;  /* bit k: has been at risk in this stage (epoch) */
    uint16_t carried;  /* bit k: its event k counted */
    uint8_t ranks;     /* carries the newest look of the rank tests of CPU (bit 0), variance (bit 1) */
    uint8_t boots;     /* reboots of this stage (epoch), at most 255 */
    int8_t wave;       /* -1: of no wave */
    uint8_t flags;     /* WATCHED_... */
};
/* What is left of a device's earlier epochs of the stage; there once the first of them is over. */
struct watched_past {
    uint16_t earlier; /* bit k: its event k counted in the earlier epoch that has the most evidence of kind k */
    uint8_t boots;    /* reboots of them, at most 255 */
};
#define WATCHED_LAST_MAX ((INT64_C(1) << 55) - 1) /* us: in the year 3111 */
static inline int64_t watched_last(const struct watched *w)
{
    return (int64_t)w->last;
}
static inline void watched_hear(struct watched *w, int64_t t)
{
    w->last = (uint64_t)(t < 0 ? 0 : t < WATCHED_LAST_MAX ? t : WATCHED_LAST_MAX) & (((uint64_t)1 << 56) - 1);
}
#define WATCHED_CANARY  0x01u /* counts as canary in the stage that runs */
#define WATCHED_CONTROL 0x02u /* counts as control in it */
#define WATCHED_MAY     0x04u /* may be control until its wave is told */
#define WATCHED_LEFT    0x08u
#define WATCHED_SILENT  0x10u /* censored until it reports again */
#define WATCHED_ACTIVE  0x20u /* in and reporting */
#define WATCHED_IN      0x40u /* its clocks of this stage run: see trial_open() in core/trial_state.h */
#define WATCHED_MOVED   0x80u /* boot_mark.open, see core/boots.h */
#define WATCHED_ALL     0xffu

/* Devices at risk, and what the open tick has brought, by stratum, kind and side. */
struct risk {
    struct strata strata;
    int32_t y[PASSAGE_STRATA][TESTS_MAX][2];    /* at risk */
    int32_t d[PASSAGE_STRATA][TESTS_MAX][2];    /* have the event in the open tick */
    int32_t gone[PASSAGE_STRATA][TESTS_MAX][2]; /* censored in the open tick */
    int kinds;                                  /* of events: those beyond have never been touched */
    bool touched;                               /* something is in d or gone */
};

/* One comparison that was made: all that the evidence depends on. */
struct peek {
    int32_t tick; /* number */
    int32_t yc, yk, dc, dk;
    uint8_t kind, stratum;
};
/* The comparisons of a stage, in order. `room` counts down over all stages of a trial; at 0 nothing more is kept and
 * `clipped` is set: the evidence goes on, but can no longer be recomputed from here. */
struct journal {
    struct peek *v;
    size_t n, cap;
    bool clipped;
};
#define JOURNAL_MAX 200000

/* Devices of one kind of event, of one epoch. */
struct tail_count {
    int64_t had[2];  /* at risk that had the event */
    int64_t of[2];   /* that have been at risk */
    int64_t carried; /* canaries whose event was compared with control */
};
/* The processes of one stage. Of the kinds that renew e and `now` are the running epoch's. */
struct tail {
    struct eprocess e[TESTS_MAX];
    double most[TESTS_MAX];                            /* running maximum of the evidence over all epochs, >= 0 */
    uint8_t most_epoch[TESTS_MAX];                     /* in which it was reached */
    struct tail_count now[TESTS_MAX], best[TESTS_MAX]; /* best: of most_epoch, when that is over */
    uint64_t renewing;                                 /* kinds */
    int epoch;
    double log_share[TESTS_MAX]; /* ln of the running epoch's share of the test's alpha; 0 where there are none */
};

/* Tolerated ratio of a test's events under a policy that tolerates `ratio`: loops have none. */
double passage_ratio(const struct metric_test *t, double ratio);
/* By what the devices of kind k are compared; a policy's own kinds by attributes alone. */
enum strata_by passage_by(int k);
/* No evidence; the policy's ratio >= 1 is the tolerated ratio of event rates. */
void tail_init(struct tail *t, const struct evidence_policy *p);

/* The evidence of kind k now, weighed by its epoch's share. */
double tail_log(const struct tail *t, int k);
/* Is the most evidence of kind k of an epoch that is over? */
bool tail_is_past(const struct tail *t, int k);
/* The devices that the most evidence of kind k is of; of the running epoch while there is none. */
const struct tail_count *tail_counts(const struct tail *t, int k);
/* Epoch `epoch` begins: what renews starts again. Returns the kinds whose most evidence is of the epoch that ends. */
uint64_t tail_renew(struct tail *t, const struct evidence_policy *p, int epoch);
/* Sets the shares of the epoch that runs. */
void tail_shares(struct tail *t, const struct evidence_policy *p);

/* A metric that is a level, as a policy tests it. */
struct gauge {
    uint8_t row, column; /* of the policy's metrics; of a tick */
    bool spread, diff;
    int64_t window_us;
    uint64_t levels; /* tests of first passages, as bits */
    struct {
        double at;
        bool down;
        uint8_t test;
    } level[2 * METRIC_LEVELS];
    size_t n_levels;
    int8_t up, down;    /* its rank tests: numbers among those of a stage; -1: none */
    struct series *own; /* of each device; NULL: it is in struct watched */
};
/* A counter of a policy's own. */
struct tally {
    uint8_t row, column;
    uint64_t tests;
    int loop; /* the test of a loop, -1: none */
    struct {
        double at;
        uint8_t test;
    } level[METRIC_LEVELS];
    size_t n_levels;
    struct counted *own; /* of each device */
};
/* Row `row` of the policy; no rank tests and no memory yet. */
void gauge_init(struct gauge *g, const struct evidence_policy *p, size_t row);
void tally_init(struct tally *c, const struct evidence_policy *p, size_t row);
/* Is that a baseline? And a value over it: how many times, or by how much. */
bool gauge_based(const struct gauge *g, double base);
double gauge_change(const struct gauge *g, double value, double base);
/* Which levels a change of `r` has reached, as bits. NaN: none. */
uint64_t gauge_levels(const struct gauge *g, double r);
/* n events between two samples, seconds since the trial's start: all tests whose event has happened in this stage. */
uint64_t tally_events(const struct tally *c, struct counted *v, uint32_t n, int32_t before_s, int32_t now_s);
void counted_restart(struct counted *v);
void series_restart(struct series *s, bool spread);
/* Events between two samples of a counter: the rise, at most `most`; a fall is one, since no more can be known. NaN and
 * the first value: 0. */
static inline uint32_t counted_rise(double before, double value, uint32_t most)
{
    double diff = value - before;
    if (!isfinite(value) || isnan(before))
        return 0;
    return diff < 0 ? 1 : diff > most ? most : (uint32_t)(diff + 0.5);
}
/* Forgets what has happened in the stage before. */
void watched_restart(struct watched *w);
/* Forgets what has happened of `kinds` in the epoch that ends; of `kept` (tail_renew) who carried it is remembered. */
void watched_renew(struct watched *w, struct watched_past *p, struct marks *m, uint64_t kinds, uint64_t kept);
/* Reboots since the newest value of the counter; takes `value` as the newest. A fall of a counter is one reboot, since
 * no more can be known; of a time of boot see core/boots.h. NaN and the first value: 0. At most 100. *since: time of
 * the sample before; becomes the time from which on they can have been, where that is earlier. */
int watched_count(struct watched *w, double value, bool boot_time, int64_t *since);
/* Has it rebooted in this stage? Then boot_s is the newest time. */
bool watched_booted(const struct watched *w);
/* The two newest reboots, as loops are judged by them. */
void watched_times(const struct watched *w, int32_t out[2]);
void watched_set_times(struct watched *w, const int32_t at_s[2]);
/* n reboots have happened between two samples, evenly spread as nothing more is known (so that the reboots of a device
 * that was away for days are no loop). Returns all reboot events that have happened in this stage
 * (epoch) now. */
uint64_t watched_boots(struct watched *w, int n, int32_t before_s, int32_t now_s);
/* Kinds that the device's data can show at all. */
uint64_t watched_shows(const struct watched *w);

/* In the following `m` is the device's marks for the policy's own tests, NULL where it has none. */
/* The device enters the risk sets of `kinds`, but for those that have happened or for which it is not eligible. */
void risk_enter(struct risk *r, struct tail *t, struct watched *w, struct marks *m, uint64_t kinds);
/* Events have been seen. Those that the device is at risk for count; all are remembered. */
void risk_happen(struct risk *r, struct tail *t, struct watched *w, struct marks *m, uint64_t kinds);
/* The device leaves the risk sets of `kinds` after this tick. */
void risk_censor(struct risk *r, struct watched *w, struct marks *m, uint64_t kinds);
/* All that the device is at risk for; and all that it cannot enter any more. */
static inline uint64_t risk_of(const struct watched *w, const struct marks *m)
{
    return w->risk | (m ? m->risk : 0);
}
static inline uint64_t risk_out_of(const struct watched *w, const struct marks *m)
{
    return (uint64_t)(w->happened | w->excluded | w->risk) | (m ? m->happened | m->excluded | m->risk : 0);
}
/* Ends the tick: what it brought goes into the processes and into the journal. */
void risk_close(struct risk *r, struct tail *t, struct journal *j, size_t *room, int32_t tick);
/* Nobody is at risk for these kinds; the tick must be closed. */
void risk_empty(struct risk *r, uint64_t kinds);
/* Nobody is at risk; strata and kinds stay. */
void risk_clear(struct risk *r);
/* Sets y anew from the devices' own marks (after loading); the tick must be closed. */
void risk_count(struct risk *r, const struct watched *w, const struct marks *m, size_t n);

#endif
