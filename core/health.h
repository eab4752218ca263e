/* Health: what telemetry says about the devices of a wave, beside control.
 *
 * The engine keeps one track (core/track.h) for each watched device and feeds it samples; health_group() makes the
 * figures that a screen shows and a verdict judges. Time is the telemetry's own, on a fixed grid of buckets, so that
 * two watchers of the same data get the same figures. Comparisons are made between devices, never between samples. */
#ifndef ANDON_CORE_HEALTH_H
#define ANDON_CORE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/model.h"
#include "core/policy.h"
#include "core/track.h"

/* Levels of a device's value over its own baseline, for counting the devices that carry a change. */
#define HEALTH_LEVELS 4
extern const double health_level[2][HEALTH_LEVELS]; /* 1.1 1.25 1.5 2; of a spread 1.5 2 4 8 */

/* A counter of a group, in the window. NaN where nothing is known. */
struct count_health {
    int64_t events;
    int64_t had;   /* distinct devices */
    int64_t twice; /* distinct devices with two events or more */
    double days;   /* device-days of exposure */
    double rate;   /* per device-day; NaN of a counter that runs so fast that a device's events were not all counted */
};
struct gauge_health {
    double mean, p95; /* p95: of CPU, else NaN */
    double own;    /* of a spread: mean of value / own baseline; against the mean baseline where a device has none. Each
                      device's ratio is clipped to 1/16..16, so that one odd sensor is one voice */
    double change; /* sum of values / sum of own baselines over devices that have one, NaN when fewer than half do;
                      where values may be below 0, mean of value - own baseline */
    int32_t over[HEALTH_LEVELS], under[HEALTH_LEVELS]; /* devices at or beyond each level; -1 no baselines */
};
/* Figures of one group of devices. The window ends with the group's newest sample, not with the engine's clock, so that
 * it can be recomputed. */
struct group_health {
    int64_t expected;  /* devices that should report */
    int64_t reporting; /* newest sample not older than 3 scrapes */
    int64_t newest;    /* time of the newest sample, 0 = none */
    int64_t measured;  /* enrolled devices past their grace with a fresh sample: the n of the means */
    union {
        struct count_health count;
        struct gauge_health gauge;
    } column[TRACK_COLUMNS]; /* by track_shape; the first is that of reboots */
};

struct wave_health {
    struct group_health canary, control;
    /* By number of the figure (core/metric.h): the canary's, control's, and canary / control (of a metric
     * that is compared by difference, canary - control). Rates with half an event
     * added to each side, so that a clean control gives a number. */
    double value[FIGURES_MAX], against[FIGURES_MAX], ratio[FIGURES_MAX];
    int8_t column[FIGURES_MAX];      /* that the figure is of; -1: none */
    int64_t told, installed, failed; /* install outcomes of the wave; the rest have not yet done either */
    int64_t overdue, unreached; /* of those failed: without a report; of the rest: not in touch since (install.h) */
    int64_t data_age;           /* now - newest sample of either group; TIME_NEVER when none */
    int64_t control_frozen_at;  /* control has become too small: its figures as last measured then; 0 = live */
};

/* What of a group's telemetry does not count, by the policy of its rollout; as for the tests. */
struct health_excuse {
    int64_t later_us[TRACK_COLUMNS]; /* the metric has a grace that is so much longer than the policy's */
    size_t names;                    /* the column of activations, where it may name a boot; 0: there is none */
};
/* Of a group of canaries, or of control, which has no update. column[]: as in health_compare. */
void health_excuse(const struct policy *p, const int8_t *column, bool canary, struct health_excuse *out);
/* The same for one column of one device. */
struct track_excuse health_excuse_of(const struct health_excuse *x, const struct track *t, const struct track_shape *s,
                                     size_t column);

/* Nothing is known of any figure. */
void health_init(struct wave_health *h);
/* Sums a group. scrape_us is the telemetry's interval. `now` is the engine's clock. x NULL: all counts. */
void health_group(const struct track *const *tracks, size_t n, const struct track_shape *s,
                  const struct health_excuse *x, int64_t now, int64_t window_us, int64_t scrape_us,
                  struct group_health *out);
/* Until when at least `need` of the devices (one at least, all at most) had reported: a device counts for three scrapes
 * after its newest sample, and a `told` one, that was seen before, until it counts itself (counts_from): before that it
 * was not expected to. By the telemetry's own times, so that every watcher gets the same answer, whenever it was
 * started. 0 = so many were never seen; TIME_NEVER when n is 0. */
int64_t health_covered_until(const struct track *const *tracks, size_t n, int64_t need, int64_t scrape_us, bool told);
/* The time after `now` at which the device begins or ceases to report, to be excused or to count, if no sample comes;
 * TIME_NEVER. Until the first such time of a group its figures stand. */
int64_t health_turns(const struct track *t, int64_t now, int64_t scrape_us);
/* Fills ratio, value, against, column and data_age from canary, control and the install counts already set in *h.
 * column[i]: the column of the ticks that the policy's own metric i is in, -1 = none; NULL: in their order. */
void health_compare(struct wave_health *h, const struct evidence_policy *p, const int8_t *column, int64_t now);

#endif
