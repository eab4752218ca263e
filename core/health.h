/* Health: what telemetry says about the devices of a wave, beside control.
 *
 * The engine keeps one `track` for each watched device and feeds it samples; health_sum() makes the figures that a
 * screen shows and a verdict judges. Time is the telemetry's own, on a fixed grid of buckets, so that two watchers
 * of the same data get the same figures. Comparisons are made between devices, never between samples. */
#ifndef ANDON_CORE_HEALTH_H
#define ANDON_CORE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/model.h"
#include "core/policy.h"
#include "core/tick.h"

#define TRACK_BUCKETS 12

/* One device's recent telemetry: at most 96 bytes (asserted in health.c).
 *
 * The grid: a bucket is window / 10 long and bucket k covers [k * length, (k + 1) * length) of the telemetry's own
 * time. boots[TRACK_BUCKETS - 1] belongs to bucket0, boots[TRACK_BUCKETS - 2] to the one before it, and so on: newest
 * last, ready for a sparkline. */
struct track {
    int64_t last_t;      /* time of the newest sample, 0 = never */
    int64_t counts_from; /* reboots before this do not count (install + grace); TIME_NEVER: not enrolled */
    int64_t first_t;     /* the boot counter has been followed without a break since then, 0 = never seen */
    int64_t reboots_t;   /* time of the newest sample that held a boot counter, 0 = never */
    float cpu;           /* newest, NaN = unknown */
    float variance;      /* newest, NaN = unknown */
    float var_base;      /* own baseline from before the install, NaN = none yet */
    float cpu_base;
    double reboots;               /* newest counter value, NaN = unknown */
    int64_t bucket0;              /* index on the grid of the newest bucket */
    uint8_t boots[TRACK_BUCKETS]; /* reboots in each bucket, saturating */
    uint16_t seen;                /* bit i: bucket boots[i] has a sample */
    uint16_t base_n;              /* samples in the baselines */
};

/* Nothing known, not enrolled. */
void track_init(struct track *t);
/* Takes one sample of time `at`, a row of a tick (older or equal to the newest: ignored). window_us as in the policy;
 * bucket = window / 10.
 *
 * Reboots are differences of the boot counter. A fall is a counter reset and counts as one reboot: at least one has
 * happened and no more can be known. A difference over a silence longer than the window counts only with the share
 * that falls into the window, rounded down; one that reaches back before counts_from does not count (it may be the
 * install's own reboot). */
void track_feed(struct track *t, int64_t at, const double row[COL_BUILTIN], int64_t window_us);
/* The device was told / has installed: reboots count from `counts_from` (install + grace, rounded up to the next
 * bucket), the baselines are frozen. Control devices are enrolled too, with the canary's own counts_from (the same
 * grace for both), or with 0: a device that is not enrolled adds no exposure and no figures to a group, only to
 * `expected` and `reporting`. May be called again: the later time counts. */
void track_enrol(struct track *t, int64_t counts_from);

/* Reboots of the device that count, in the window that ends with its newest sample: not those of its install and the
 * grace after it. -1: no sample was seen. by[] (unless NULL) gets them by bucket, newest last, as track.boots has them.
 */
int64_t track_boots(const struct track *t, int64_t window_us, uint8_t by[TRACK_BUCKETS]);

/* Is it silent while it may be: it has installed and its grace is not over, so that it reboots. Nobody expects it to
 * report; as soon as it does it counts as any other. */
bool track_excused(const struct track *t, int64_t now, int64_t scrape_us);

/* Levels of a device's value over its own baseline, for counting the devices that carry a change. */
#define HEALTH_LEVELS 4
extern const double health_cpu_level[HEALTH_LEVELS]; /* 1.1 1.25 1.5 2 */
extern const double health_var_level[HEALTH_LEVELS]; /* 1.5 2 4 8 */

/* Figures of one group of devices. NaN where nothing is known. The window ends with the group's newest sample, not
 * with the engine's clock, so that it can be recomputed. */
struct group_health {
    int64_t expected;         /* devices that should report */
    int64_t reporting;        /* newest sample not older than 3 scrapes */
    int64_t reboots;          /* in the window */
    int64_t rebooted;         /* distinct devices that did */
    double device_days;       /* exposure in the window */
    double reboot_rate;       /* per device-day */
    double cpu_mean, cpu_p95; /* fractions */
    double variance;          /* mean of variance / own baseline; against the mean baseline where a device has none.
                                 Each device's ratio is clipped to 1/16..16, so that one odd sensor is one voice */
    int64_t newest;           /* time of the newest sample, 0 = none */
    int64_t looped;           /* distinct devices with two reboots or more in the window */
    int64_t measured;         /* enrolled devices past their grace with a fresh sample: the n of the means */
    double variance_raw;      /* mean variance, for groups without baselines */
    double cpu_change; /* sum of CPU / sum of own baselines over devices that have one, NaN when fewer than half */
    int64_t cpu_over[HEALTH_LEVELS], var_over[HEALTH_LEVELS]; /* devices at or over each level; -1 no baselines */
};

struct wave_health {
    struct group_health canary, control;
    /* canary / control. Reboots with half a reboot added to each side, so that a clean control gives a number. */
    double ratio[METRIC_COUNT];
    double value[METRIC_COUNT];      /* canary */
    double against[METRIC_COUNT];    /* control */
    int64_t told, installed, failed; /* install outcomes of the wave; the rest have not yet done either */
    int64_t overdue, unreached; /* of those failed: without a report; of the rest: not in touch since (install.h) */
    int64_t data_age;           /* now - newest sample of either group; TIME_NEVER when none */
    int64_t control_frozen_at;  /* control has become too small: its figures as last measured then; 0 = live */
};

/* Sums a group. scrape_us is the telemetry's interval. `now` is the engine's clock. */
void health_group(const struct track *const *tracks, size_t n, int64_t now, int64_t window_us, int64_t scrape_us,
                  struct group_health *out);
/* Until when at least `need` of the devices (one at least, all at most) had reported: a device counts for three scrapes
 * after its newest sample, and a `told` one, that was seen before, until it counts itself (counts_from): before that it
 * was not expected to. By the telemetry's own times, so that every watcher gets the same answer, whenever it was
 * started. 0 = so many were never seen; TIME_NEVER when n is 0. */
int64_t health_covered_until(const struct track *const *tracks, size_t n, int64_t need, int64_t scrape_us, bool told);
/* The time after `now` at which the device begins or ceases to report, to be excused or to count, if no sample comes;
 * TIME_NEVER. Until the first such time of a group its figures stand. */
int64_t health_turns(const struct track *t, int64_t now, int64_t scrape_us);
/* Fills ratio, value, against and data_age from canary, control and the install counts already set in *h. */
void health_compare(struct wave_health *h, int64_t now);

#endif
