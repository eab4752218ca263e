/* Tick: what telemetry says about all devices at one time, device by metric. One struct from the telemetry's client
 * through the engine's queue to the trial (core/trial.h), so that a value has one way only.
 *
 * Row i is device i: of the watch set in the client and the engine (a number), of the trial once the engine has put it
 * into the trial's order (struct trial_ix). Column c is a metric: those below, then the users' own. */
#ifndef ANDON_CORE_TICK_H
#define ANDON_CORE_TICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"

/* The columns that each tick has. */
enum tick_column {
    COL_REBOOTS,  /* counter of boots; only differences mean anything. Or time of the last boot: trial_spec.boot_time */
    COL_CPU,      /* fraction 0..1 (may exceed 1 on several cores) */
    COL_VARIANCE, /* of the sensor, in the sensor's unit squared */
    COL_BUILTIN
};
#define TICK_COLUMNS_MAX 12

/* A device's number in a trial: another one than in the watch set. */
struct trial_ix {
    uint32_t i;
};
#define TRIAL_IX(n) ((struct trial_ix){(uint32_t)(n)})
#define TRIAL_NONE  TRIAL_IX(UINT32_MAX)
static inline bool trial_ix_known(struct trial_ix x)
{
    return x.i != UINT32_MAX;
}

struct tick {
    int64_t t;      /* time of the tick, on the grid of whoever asked; 0 = of no grid */
    size_t n;       /* devices: rows */
    size_t columns; /* COL_BUILTIN .. TICK_COLUMNS_MAX */
    size_t samples; /* rows that hold a sample */
    int64_t *at;    /* n: time of the device's sample, the telemetry's own; 0 = there is none */
    double *v;      /* n x columns, device by device; NaN = unknown */
};

/* n devices without a sample; tick_init's memory is freed by tick_release. */
void tick_init(struct tick *k, int64_t t, size_t n, size_t columns);
void tick_release(struct tick *k);
void tick_in(struct arena *a, struct tick *k, int64_t t, size_t n, size_t columns);
/* Of its own memory, by tick_init. */
void tick_copy(struct tick *to, const struct tick *from);
/* No samples any more; same size, other time. */
void tick_clear(struct tick *k, int64_t t);
/* The same, but values stay: for who fills whole rows. A row without a sample then holds what it did. */
void tick_restart(struct tick *k, int64_t t);

static inline double *tick_row(const struct tick *k, size_t device)
{
    return k->v + device * k->columns;
}
static inline double tick_value(const struct tick *k, size_t device, size_t column)
{
    return column < k->columns ? k->v[device * k->columns + column] : (double)__builtin_nanf("");
}
/* A sample of a device that had none, at `at` > 0 (else it is none): its row, to be filled. */
double *tick_put(struct tick *k, size_t device, int64_t at);

#endif
