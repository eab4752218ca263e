/* Planner: what a wave can see, before it is started and while it runs. "5 devices for 6 h: sees 2-3 devices in a crash
 * loop; cannot see reboots x2." */
#ifndef ANDON_CORE_PLANNER_H
#define ANDON_CORE_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/eprocess.h"
#include "core/policy.h"

/* What of one metric can be seen, with a clean control. */
struct plan_metric {
    int64_t least; /* fewest canary devices that must go bad for a pause, 0 = cannot be seen at this size: fall into a
                      loop (counters), have the event, go far over or under their own baseline (gauges, spreads), go
                      silent, fail to install */
    bool shift;    /* gauges and spreads: a change of all canaries can be seen at the first look at all */
};
struct plan {
    int64_t canary, control;                /* devices */
    int64_t hours;                          /* of watch; 0: the figures below that need time are not computed */
    struct plan_metric metric[METRICS_MAX]; /* by row of the policy's metrics */
    int64_t least_loop_beside;              /* of reboots, when one control device falls into a loop first */
    bool reboots_known;                     /* `hours` and the background rate are known: the next means something */
    double sees_reboot_ratio; /* smallest of 2, 5, 20 that is expected to be seen within `hours`; 0 = none of them */
    bool blind;               /* nothing at all can be seen */
    /* What strata by attributes cost, by planner_strata(); strata <= 1: all are compared with all. */
    int strata;
    double compared;         /* canaries that have a control device in their stratum, of all: 0..1 */
    double loops_seen;       /* chance that crash loops are seen when each canary falls into one with PLAN_LOOPS */
    double loops_seen_whole; /* the same if all were compared with all */
};
#define PLAN_LOOPS 0.2

/* How devices are spread over the values of the attributes that are strata. */
struct plan_spread {
    int values;                      /* distinct ones; beyond STRATA_MAX they are in the last stratum together */
    const int64_t *canary, *control; /* devices of each stratum, min(values, STRATA_MAX) of them; NULL: not known,
                                        values are taken to have as many devices each, and canaries to be any of them */
};

/* Fewest canary devices (of yc at risk, yk controls clean, all in one peek after the other) whose events give evidence
 * 1/alpha by a process that begins as `begin`, and at least min_devices; 0 = impossible. Table G of the design. */
int64_t planner_least(const struct eprocess *begin, int64_t yc, int64_t yk, double alpha, int min_devices);
/* The wave `wave` (from 0, of `waves`) under this policy. Whether a ratio of reboots is seen is an expectation, not a
 * promise: the evidence that grows when the risk sets shrink as expected, for devices whose own rates differ by a gamma
 * law of shape 1/2; about half of the runs at its edge are seen in time (tests/core/test_planner.c holds it to the
 * simulated table). reboots_per_day: mean background rate of one device (> 0), 0 = not
 * known. */
void planner_wave(const struct evidence_policy *p, int wave, int waves, int64_t canary, int64_t control, int64_t hours,
                  double reboots_per_day, struct plan *out);
/* What planner_wave() said of the same wave, `out`, when devices are compared within strata: the figures of `out` are
 * brought down to it. Devices that go bad do so in any order, and how many it takes depends on which: `least`
 * of each metric becomes what it takes in half of the orders, `least_loop_beside` what in nine of ten.
 * By simulation, the same each time. Strata by own past are no cost: they are made only where both sides have devices
 * (core/strata.h), and the tests that use them are not those on crash loops. */
void planner_strata(const struct evidence_policy *p, int wave, int waves, const struct plan_spread *spread,
                    double reboots_per_day, struct plan *out);
/* One or two sentences for the screen, with the titles of the policy's metrics; always ends with NUL. */
#define PLAN_TEXT 1200
void planner_text(const struct evidence_policy *e, const struct plan *p, char *out, size_t size);

#endif
