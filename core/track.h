/* Tracks: what is kept of a watched device's telemetry, for the figures of groups (core/health.h) and for screens.
 *
 * What is kept follows from the columns of the ticks (core/tick.h): counters are counted by bucket, of levels the
 * newest value and an own baseline are kept. */
#ifndef ANDON_CORE_TRACK_H
#define ANDON_CORE_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/clock.h"
#include "core/metric.h"
#include "core/tick.h"

#define TRACK_BUCKETS 12
#define TRACK_COLUMNS (COL_BUILTIN + METRICS_OWN)

/* What the columns of the ticks are; the same for all tracks of an engine. */
struct track_shape {
    size_t columns; /* COL_BUILTIN .. TRACK_COLUMNS */
    struct {
        bool counter;
        bool spread; /* a level that is itself over a window of the source's */
        bool below;  /* values below 0 are possible */
        bool names;  /* a counter of activations: it may name a boot, as in core/trial_activation.c */
        uint8_t at;  /* among a track's own counters, or its own levels */
    } column[TRACK_COLUMNS];
    size_t counters, levels; /* beyond the built-in columns */
};
/* Of the built-in columns alone. */
void track_shape_init(struct track_shape *s);
/* One column more. */
void track_shape_add(struct track_shape *s, enum metric_kind kind, bool below);

/* The newest value of a level, and its mean while the device was watched and did not count yet; NaN = unknown. */
struct track_level {
    float value, base;
};
/* A counter by bucket. Times are in tenths of a second, and wrap: only differences up to 6 years mean anything. */
struct track_count {
    double value;              /* newest, NaN = never seen */
    uint32_t at, first;        /* of the newest sample that held it; it is followed without a break since then */
    uint32_t named;            /* of activations: the sample of the boot that it has named since the device counts */
    uint8_t by[TRACK_BUCKETS]; /* events in each bucket, saturating, newest last */
};

/* One device's recent telemetry: at most 96 bytes, and for each further metric 8 (a level) or 32 (a counter).
 *
 * The grid: a bucket is window / 10 long and bucket k covers [k * length, (k + 1) * length) of the telemetry's own
 * time. by[TRACK_BUCKETS - 1] belongs to bucket0, by[TRACK_BUCKETS - 2] to the one before it, and so on: newest
 * last, ready for a sparkline. */
struct track {
    int64_t last_t;      /* time of the newest sample, 0 = never */
    int64_t counts_from; /* events before this do not count (install + grace); TIME_NEVER: not enrolled */
    int64_t bucket0;     /* index on the grid of the newest bucket */
    struct track_count boots;
    struct track_level level[COL_BUILTIN - 1]; /* columns 1 .. COL_BUILTIN - 1 */
    struct track_count *own_count;             /* by track_shape.column[].at */
    struct track_level *own_level;
    uint16_t seen;   /* bit i: bucket i has a sample */
    uint16_t base_n; /* samples in the baselines */
    bool booted;     /* the newest sample brought a boot that counts */
    uint8_t rose;    /* bit i: own_count[i] went up with it */
};

/* Nothing known, not enrolled. What the shape's further columns need is taken from the arena. */
void track_init(struct track *t, const struct track_shape *s, struct arena *a);
/* Takes one sample of time `at`, a row of a tick with the shape's columns (older or equal to the newest: ignored).
 * window_us as in the policy; bucket = window / 10.
 *
 * Events are differences of a counter. A fall of the boot counter is a reset and counts as one reboot: at least one has
 * happened and no more can be known; any other counter shows after a fall what has been since. A difference over a
 * silence longer than the window counts only with the share that falls into the window, rounded down; one that reaches
 * back before counts_from does not count (it may be the install's own reboot). */
void track_feed(struct track *t, const struct track_shape *s, int64_t at, const double *row, int64_t window_us);
/* The device was told / has installed: events count from `counts_from` (install + grace, rounded up to the next
 * bucket), the baselines are frozen. Control devices are enrolled too, with the canary's own counts_from (the same
 * grace for both), or with 0: a device that is not enrolled adds no exposure and no figures to a group, only to
 * `expected` and `reporting`. May be called again: the later time counts. */
void track_enrol(struct track *t, int64_t counts_from);

/* A column's count, or level; NULL where it is none. */
const struct track_count *track_count_of(const struct track *t, const struct track_shape *s, size_t column);
const struct track_level *track_level_of(const struct track *t, const struct track_shape *s, size_t column);
/* What of a device's events does not count beyond those of its install and the grace after it. NULL: nothing. */
struct track_excuse {
    int64_t later_us;                /* the metric has a grace that is so much longer */
    const struct track_count *names; /* of boots of a canary: the count of activations, which may name one; or NULL */
};
/* Events of the device that count, in the window that ends with its newest sample. -1: no sample was seen. by[] (unless
 * NULL) gets them by bucket, newest last, as c->by has them. */
int64_t track_events(const struct track *t, const struct track_count *c, const struct track_excuse *x,
                     int64_t window_us, uint8_t by[TRACK_BUCKETS]);

/* Is it silent while it may be: it has installed and its grace is not over, so that it reboots. Nobody expects it to
 * report; as soon as it does it counts as any other. */
bool track_excused(const struct track *t, int64_t now, int64_t scrape_us);

/* ---- for core/health.c ---- */

#define TRACK_WINDOW 10 /* buckets of a window */
#define TRACK_FRESH  3  /* scrapes: so long a device counts as reporting */
#define TRACK_TENTH  (US_PER_S / 10)
int64_t track_bucket(int64_t window_us);        /* its length */
int64_t track_floor(int64_t t, int64_t length); /* the index of the bucket that t is in, also below zero */
/* The bucket from which on events count. With a later begin than the grace's end the bucket that the first sample after
 * it lies in does not: it may bring what was before. */
int64_t track_first(const struct track *t, int64_t length, int64_t later_us);
/* Events of bucket i (newest: TRACK_BUCKETS - 1), but for the one that is named. */
uint8_t track_in_bucket(const struct track *t, const struct track_count *c, const struct track_excuse *x,
                        int64_t length, int i);
uint32_t track_tenths(int64_t t); /* as in struct track_count */
bool track_earlier(uint32_t a, uint32_t b);

#endif
