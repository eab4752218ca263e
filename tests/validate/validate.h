/* What validate-statistics is made of: simulated fleets, the usual methods beside which andon is measured, and a pool
 * of processes. Evidence comes from core/trial.h, fed as the engine feeds it. */
#ifndef ANDON_TESTS_VALIDATE_H
#define ANDON_TESTS_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/rng.h"
#include "core/trial.h"

#define STEP     (30 * US_PER_S) /* of the grid */
#define PER_HOUR 120             /* ticks */
#define SLOTS    24              /* results of one run */

/* ---- pool.c ---- */

/* One run: from a seed to SLOTS figures. */
typedef void run_fn(const void *arg, struct rng *r, double *out);
/* Runs 0..runs-1, each with a seed of its own made of `seed`, `name` and its number, in `workers` processes; results in
 * order of runs (runs * SLOTS; the caller frees), so that the number of workers changes nothing. Ends the program when
 * a worker fails. */
double *pool_run(run_fn *fn, const void *arg, const char *name, int runs);
/* Workers = processors, or ANDON_WORKERS. `world`: only worlds whose names hold it. */
void pool_setup(uint64_t seed, bool quick, const char *world);
bool pool_world(const char *name);
/* Standard errors by which a delay may be worse than the design's: 3, and 4 in a quick look, where some eighty checks
 * on few runs would go astray by chance alone. */
double pool_errors(void);
/* `full` runs, or fewer when a quick look was asked for. */
int pool_runs(int full);

/* ---- report.c ---- */

struct measured {
    double p, se; /* share of runs, its standard error */
    int n;
};
/* Share of runs whose slot is not NaN and at most `limit`. */
struct measured share_of(const double *results, int runs, int slot, double limit);
/* Median of a slot, where NaN is later than all; NaN when half of the runs have none. */
double median_of(const double *results, int runs, int slot);
/* Order statistic of the slot below which the true median lies with the chance of `z` normal deviates. */
double median_low(const double *results, int runs, int slot, double z);
/* One line of a table: design's figure in percent, NaN = none. */
void line_share(const char *what, struct measured m, double nominal, double design);
/* k of n, and Wilson's 95 % interval of the share. */
struct interval {
    int k, n;
    double low, high;
};
struct interval interval(int k, int n);
/* Of the runs whose slot is not NaN. */
struct interval interval_of(const double *results, int runs, int slot);
/* Counts towards PASS and FAIL. */
void check(bool ok, const char *fmt, ...) ANDON_PRINTF(2, 3);
/* The error rate holds: measured - 3 s.e. <= nominal. Prints the line, too. */
void rate_holds(const char *what, struct measured m, double nominal, double design);
/* Delays: head of a table, names of its three times and of the median's unit; one line; what must hold: the share
 * halted at the last time is not below the design's by more than 3 standard errors of the two, and a median with 3
 * standard errors of the two below it is not above the design's by more than a tick and its rounding (4 %). */
void delay_head(const char *a, const char *b, const char *c, const char *unit);
void delay_line(const char *what, const struct measured m[3], const double design[3], double median,
                double design_median);
void delay_holds(const char *what, struct measured m, double design, const double *results, int runs, int slot,
                 double design_median, int design_runs, double tick);
/* Prints what failed; exit code. */
int report_end(void);

/* ---- fleet.c: continuous telemetry ---- */

/* CPU: device spread 30 %, two drifts (Ornstein-Uhlenbeck, sd 8 % over 30 min and 5 % over 12 h), heavy-tailed noise
 * (Student t3, sd 10 %), a daily swing of 10 % that all share. Sensor: first-order autoregressive, 0.8 a sample, device
 * spread; its variance is over its own last 10 min. */
#define VAR_RING 20
#define CPU_RING 10
struct member {
    double level, fast, slow;   /* CPU */
    double sigma, x;            /* sensor */
    double cpu, variance;       /* newest values */
    double cpu_base, var_base;  /* means of the day before */
    double cpu_hour, var_hour;  /* means of the last hour before */
    double sum, sum_sq, recent; /* of the rings */
    double cpu_times, sd_times; /* effect of the new firmware */
    float ring[VAR_RING], cpu_ring[CPU_RING];
};
struct fleet {
    struct rng *r;
    struct member *m;
    size_t n;
    int tick;     /* since time 0 */
    double phase; /* of the day, radians */
    float normal[8192], heavy[8192];
};
/* n devices at time 0, an hour and a day behind them. canary_mean[120] (NULL: none) gets the mean CPU of the first
 * `canaries` devices over each tick of the last hour. */
struct fleet *fleet_new(struct rng *r, size_t n, size_t canaries, double *canary_mean);
void fleet_free(struct fleet *f);
/* 30 s later. */
void fleet_step(struct fleet *f);
struct trial_past fleet_past(const struct fleet *f, size_t i, int64_t start, double boots_hour);
/* Mean CPU of the last 5 min over the device's own baseline, as a logarithm. */
double fleet_change(const struct fleet *f, size_t i);

/* ---- boots.c: reboots, as a list of events ---- */

struct boot {
    int tick; /* it is seen at this tick, >= 1 */
    uint32_t device;
};
struct boots {
    struct boot *v; /* in order of ticks */
    size_t n;
};
/* Poisson reboots of n devices at rate[i] per hour over `ticks`; of one device at most one in a tick. */
struct boots boots_draw(struct rng *r, const double *rate, size_t n, int ticks);
void boots_free(struct boots *b);
/* How many there were in a time in which `mean` are expected: Poisson. */
int boots_before(struct rng *r, double mean);

/* ---- usual.c: what other tools do, at each look; each returns true once it would halt ---- */

struct usual_boots { /* reboots, as counts */
    int canaries, control;
    int *count;       /* of each device */
    int *hist[2];     /* devices with so many reboots, canary and control */
    int64_t total[2]; /* reboots */
    double u, ties;   /* of Mann-Whitney */
    int *window;      /* ticks of the canary's reboots, newest last */
    size_t window_n, window_from;
    bool z, rank, sigma; /* has halted */
};
enum { BOOTS_MOST = 4096 }; /* reboots of one device that are told apart */
void usual_boots_init(struct usual_boots *u, int canaries, int control, size_t events);
void usual_boots_release(struct usual_boots *u);
/* One reboot. After all of a tick: usual_boots_look. */
void usual_boots_add(struct usual_boots *u, const struct boot *b);
void usual_boots_look(struct usual_boots *u, int tick);

struct usual_cpu {
    double pre_mean, pre_sd; /* of the canary's mean CPU in the hour before */
    double minute[2][60];    /* newest 60 one-minute means of the groups */
    double half[2];          /* the first tick of the minute */
    int minutes, ticks;
    bool z, rank, sigma, kayenta;
};
void usual_cpu_init(struct usual_cpu *u, const double pre[PER_HOUR]);
void usual_cpu_look(struct usual_cpu *u, const struct fleet *f, size_t canaries);
/* Kayenta's rule on the newest 60 one-minute means of canary and control, in any order. */
bool usual_kayenta(const double minute[2][60]);

/* ---- rig.c ---- */

/* Where trials start: a multiple of the step. */
#define T0 (INT64_C(1700000000) / 30 * 30 * US_PER_S)
/* The design's defaults: ratio 1.25, CPU 1.05, variance 1.25, installs 2 %, two devices; no share for any test. */
struct trial_spec rig_spec(double alpha, int waves);
struct trial *rig_trial(const struct trial_spec *s);
/* Adds device i (the next one): of wave 0 and canary from the start on (for trials without grace), or control. */
void rig_add(struct trial *t, size_t i, bool canary, uint8_t stratum, const struct trial_past *past);
/* Nothing known to be wrong with it before. */
struct trial_past rig_past(double boots_hour);
/* A row of every device, so that all are at risk; then the reboots alone: devices without a row have no new sample, and
 * `silence` is beyond the horizon. */
void rig_feed_boots(struct trial *t, const struct boots *b, size_t n);
/* Minutes from the start of the stage to the first of tests from..to that halts, over all stages; NaN = none. */
double rig_halt(const struct trial *t, enum trial_test from, enum trial_test to);

/* ---- the tables ---- */

void table_boots(void);    /* A: false halts, reboots */
void table_strata(void);   /* A: canaries that were not picked at random */
void table_cpu(void);      /* B: false halts, CPU and variance */
void table_rollout(void);  /* C: whole rollouts */
void table_loops(void);    /* D: delays, crash loops */
void table_power(void);    /* E: delays, reboots */
void table_shift(void);    /* F: delays, CPU and variance */
void table_installs(void); /* G: false halts, installs */
void table_seen(void);     /* H: bad firmware, beside what was seen of it before */
void table_worlds(void);   /* I: false halts, rollouts on fleets as they are */

#endif
