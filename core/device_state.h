/* A device's own state on screens, by the same tests and levels as the verdict: a device is never called bad or odd by
 * a threshold that no policy knows. What falls into an install and the grace after it does not count here either. */
#ifndef ANDON_CORE_DEVICE_STATE_H
#define ANDON_CORE_DEVICE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/model.h"

enum device_state { DEV_OK, DEV_BAD, DEV_ODD, DEV_STALE, DEV_UPDATING, DEV_WAITING, DEV_FAILED, DEV_GONE };
#define DEV_STATES 8

/* What is known of one device. Sets of tests have bit k for test k (enum trial_test, core/trial.h). */
struct device_facts {
    enum device_status status; /* as the fleet server says */
    bool overdue;              /* it does not call in at the server */
    bool told;                 /* its wave was */
    bool watched;              /* telemetry is asked about it for the rollout that is looked at */
    bool counts;               /* as canary: installed, or had the time for it, and past the grace */
    int64_t last_sample;       /* telemetry's time, us; 0 = never */
    int64_t now, stale_us;     /* a sample older than stale_us is old */
    uint32_t reached;          /* what the device has had since it counts */
    uint32_t tested;           /* what the policy tests */
    const char *own;           /* what else it has had, of the policy's own tests, in words about it; NULL = nothing */
};

/* The state, and in *note why, in words about one device ("has rebooted twice or more"); static or f->own, "" =
 * nothing. Of several reasons the one that says most. */
enum device_state device_state(const struct device_facts *f, const char **note);
/* The same set from a device's newest figures, for a rollout without tests: reboots that count (-1 = not known), CPU
 * and variance over the device's own baseline (NaN = not known). */
uint32_t device_reached(int64_t reboots, double cpu, double variance);
/* "ok", "bad", "odd", "stale", "updating", "waiting", "failed", "gone". */
const char *device_state_word(enum device_state s);

#endif
