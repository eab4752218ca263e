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

#define TRACK_BUCKETS 12

/* One device's recent telemetry: at most 96 bytes (asserted in health.c). */
struct track {
    int64_t last_t;      /* time of the newest sample, 0 = never */
    int64_t counts_from; /* reboots before this do not count (install + grace); TIME_NEVER: not enrolled */
    float cpu;           /* newest, NaN = unknown */
    float variance;      /* newest, NaN = unknown */
    float var_base;      /* own baseline from before the install, NaN = none yet */
    float cpu_base;
    double reboots;               /* newest counter value, NaN = unknown */
    int64_t bucket0;              /* index on the grid of the newest bucket */
    uint8_t boots[TRACK_BUCKETS]; /* reboots in each bucket, saturating */
    uint16_t seen;                /* bit i: bucket i has a sample */
    uint16_t base_n;              /* samples in the baselines */
};

void track_init(struct track *t);
/* Takes one sample (older or equal to the newest: ignored). window_us as in the policy; bucket = window / 10. */
void track_feed(struct track *t, const struct sample *s, int64_t window_us);
/* The device was told / has installed at `at`: reboots count from at + grace, the baselines are frozen. */
void track_enrol(struct track *t, int64_t counts_from);

/* Figures of one group of devices. NaN where nothing is known. */
struct group_health {
    int64_t expected;         /* devices that should report */
    int64_t reporting;        /* newest sample not older than 3 scrapes */
    int64_t reboots;          /* in the window */
    int64_t rebooted;         /* distinct devices that did */
    double device_days;       /* exposure in the window */
    double reboot_rate;       /* per device-day */
    double cpu_mean, cpu_p95; /* fractions */
    double variance;          /* mean of variance / own baseline; against the mean baseline where a device has none */
    int64_t newest;           /* time of the newest sample */
};

struct wave_health {
    struct group_health canary, control;
    /* canary / control. Reboots with half a reboot added to each side, so that a clean control gives a number. */
    double ratio[METRIC_COUNT];
    double value[METRIC_COUNT];      /* canary */
    double against[METRIC_COUNT];    /* control */
    int64_t told, installed, failed; /* install outcomes of the wave */
    int64_t data_age;                /* now - newest sample of either group; TIME_NEVER when none */
};

/* Sums a group. scrape_us is the telemetry's interval. `now` is the engine's clock. */
void health_group(const struct track *const *tracks, size_t n, int64_t now, int64_t window_us, int64_t scrape_us,
                  struct group_health *out);
/* Fills ratio, value, against and data_age from canary, control and the install counts already set in *h. */
void health_compare(struct wave_health *h, int64_t now);

#endif
