/* Planner: what a wave can see, before it is started and while it runs. "5 devices for 6 h: sees 2-3 devices in a crash
 * loop; cannot see reboots x2." */
#ifndef ANDON_CORE_PLANNER_H
#define ANDON_CORE_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
};

/* Fewest canary devices (of yc at risk, yk controls clean, all in one peek after the other) whose events give evidence
 * 1/alpha at tolerated ratio theta0, and at least min_devices; 0 = impossible. Table G of the design. */
int64_t planner_least(int64_t yc, int64_t yk, double alpha, double theta0, int min_devices);
/* The wave `wave` (from 0, of `waves`) under this policy. Whether a ratio of reboots is seen is an expectation, not a
 * promise: the evidence that grows when the risk sets shrink as expected, for devices whose own rates differ by a gamma
 * law of shape 1/2; about half of the runs at its edge are seen in time (tests/core/test_planner.c holds it to the
 * simulated table). reboots_per_day: mean background rate of one device (> 0), 0 = not
 * known. */
void planner_wave(const struct evidence_policy *p, int wave, int waves, int64_t canary, int64_t control, int64_t hours,
                  double reboots_per_day, struct plan *out);
/* One or two sentences for the screen, with the titles of the policy's metrics; always ends with NUL. */
#define PLAN_TEXT 1200
void planner_text(const struct evidence_policy *e, const struct plan *p, char *out, size_t size);

#endif
