/* A small fleet that feeds a trial, for tests. Device 0..canaries-1 are wave 0, the rest control and wave 1, unless a
 * test says otherwise. */
#ifndef ANDON_TESTS_CORE_TRIAL_KIT_H
#define ANDON_TESTS_CORE_TRIAL_KIT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/trial.h"

#define KIT_MAX   256
#define KIT_START (1000 * US_PER_DAY)
#define KIT_STEP  (15 * US_PER_S)
#define KIT_GRACE (3 * US_PER_MIN)

struct kit {
    struct trial_spec spec;
    struct trial *t;
    size_t n;
    double boots[KIT_MAX], cpu[KIT_MAX], var[KIT_MAX]; /* cpu and var as multiples of the baseline */
    double own[KIT_MAX];                               /* of the policy's first own metric, where it has one */
    bool silent[KIT_MAX];
};
/* Baselines 0.2 and 1; all canaries have installed at once. */
void kit_init(struct kit *k, int waves, size_t canaries, size_t controls);
/* The same, empty: devices are added by the test. */
void kit_empty(struct kit *k, int waves);
size_t kit_add(struct kit *k, int wave, bool control, uint8_t stratum, const struct trial_past *past);
void kit_free(struct kit *k);
/* An ordinary device before the rollout. */
struct trial_past kit_past(void);
/* One row of a tick. */
void kit_row(struct tick *k, size_t device, int64_t at, double reboots, double cpu, double variance);
/* Feeds one tick. */
void kit_tick(struct kit *k);
void kit_ticks(struct kit *k, int n);
/* Until the first tick at or after the start + t. */
void kit_until(struct kit *k, int64_t t);
/* One more reboot of device i in the next tick. */
void kit_boot(struct kit *k, size_t i);
/* Outcomes of installs, of devices that are told apart by nothing. */
void kit_outcomes(struct trial *t, int32_t failed, int32_t started);
/* The test of stage s with the most evidence over what it needs; false when none has any. */
bool kit_leading(const struct trial *t, int s, struct evidence *out, enum trial_test *which);
/* The test's standing in stage s; fails when it is not tested. */
struct evidence kit_evidence(const struct kit *k, int s, enum trial_test test);

#endif
