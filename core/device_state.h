/* A device's own state on screens, by the same tests and levels as the verdict: a device is never called bad or odd by
 * a threshold that no policy knows. What falls into an install and the grace after it does not count here either. */
#ifndef ANDON_CORE_DEVICE_STATE_H
#define ANDON_CORE_DEVICE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/metric.h"
#include "core/model.h"

enum device_state { DEV_OK, DEV_BAD, DEV_ODD, DEV_STALE, DEV_UPDATING, DEV_WAITING, DEV_FAILED, DEV_GONE };
#define DEV_STATES 8

#define DEVICE_NOTE 128 /* bytes */

/* What is known of one device. Sets of tests have bit k for test k of the policy (core/metric.h). */
struct device_facts {
    enum device_status status; /* as the fleet server says */
    bool overdue;              /* it does not call in at the server */
    bool told;                 /* its wave was */
    bool watched;              /* telemetry is asked about it for the rollout that is looked at */
    bool counts;               /* as canary: installed, or had the time for it, and past the grace */
    int64_t last_sample;       /* telemetry's time, us; 0 = never */
    int64_t now, stale_us;     /* a sample older than stale_us is old */
    uint64_t reached;          /* what the device has had since it counts */
    uint64_t tested;           /* what the policy tests */
};

/* The state, and why, in words about one device ("has rebooted twice or more"), "" = nothing. Of several reasons the
 * one that says most. Bad is a loop, or an event twice and more; odd is one event, or a level. */
enum device_state device_state(const struct device_facts *f, const struct evidence_policy *p, char note[DEVICE_NOTE]);
/* A test's words are about many, and of reboots say which count ("have rebooted unexpectedly twice or more"): what it
 * says of one device that carries it. Not of tests that compare all at once. */
void device_said(const struct metric_test *t, char note[DEVICE_NOTE]);
/* The same set from a device's newest figures, for a rollout without tests: by row of the policy's metrics events that
 * count, or the value over the device's own baseline (by difference: less it); NaN = not known. */
uint64_t device_reached(const struct evidence_policy *p, const double *by_row);
/* "ok", "bad", "odd", "stale", "updating", "waiting", "failed", "gone". */
const char *device_state_word(enum device_state s);

#endif
