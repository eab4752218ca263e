/* Trials as the engine makes them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

struct trial_spec rig_spec(double alpha, int waves)
{
    return (struct trial_spec){.policy = {.tests = TESTS_ON,
                                          .alpha = alpha,
                                          .tolerance[ROW_REBOOTS] = 1.25,
                                          .tolerance[ROW_CPU] = 1.05,
                                          .tolerance[ROW_VARIANCE] = 1.25,
                                          .tolerance[ROW_INSTALL] = 0.02,
                                          .min_devices = 2,
                                          .design = policy_default()->evidence.design},
                               .waves = waves,
                               .start = T0,
                               .step_us = STEP,
                               .silence_us = 20 * US_PER_DAY};
}

struct trial *rig_trial(const struct trial_spec *s)
{
    struct err e;
    err_clear(&e);
    struct trial *t = trial_new(s, &e);
    if (!t) {
        fprintf(stderr, "%s\n", e.what);
        exit(2);
    }
    return t;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s was refused\n", what);
        exit(2);
    }
}

void rig_add(struct trial *t, size_t i, bool canary, uint8_t stratum, const struct trial_past *past)
{
    must(trial_add(t, canary ? 0 : -1, true, stratum, past).i == i, "a device");
    if (canary)
        must(trial_installed(t, TRIAL_IX(i), T0), "an install");
}

struct trial_past rig_past(double boots_hour)
{
    return (struct trial_past){
        .base = {NAN, NAN, NAN}, .hour = {boots_hour, NAN, NAN}, .last_t = T0 - STEP, .known = true};
}

void rig_feed_boots(struct trial *t, const struct boots *b, size_t n)
{
    struct tick rows;
    int *count = xcalloc(n, sizeof *count);
    tick_init(&rows, T0, n, COL_BUILTIN);
    for (size_t i = 0; i < n; i++)
        tick_put(&rows, i, T0)[COL_REBOOTS] = 0;
    trial_tick(t, &rows);
    for (size_t k = 0; k < b->n;) {
        int tick = b->v[k].tick;
        tick_clear(&rows, T0 + tick * STEP);
        for (; k < b->n && b->v[k].tick == tick; k++) {
            uint32_t d = b->v[k].device;
            count[d]++;
            tick_put(&rows, d, rows.t)[COL_REBOOTS] = count[d];
        }
        trial_tick(t, &rows);
    }
    tick_release(&rows);
    free(count);
}

double rig_halt(const struct trial *t, enum trial_test from, enum trial_test to)
{
    struct evidence e[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    int64_t first = 0;
    for (int s = 0; s < trial_stages(t); s++) {
        size_t n = trial_evidence(t, s, e, which);
        for (size_t i = 0; i < n; i++)
            if (which[i] >= from && which[i] <= to && e[i].crossed_at > 0 && (!first || e[i].crossed_at < first))
                first = e[i].crossed_at;
    }
    return first ? (double)(first - T0) / US_PER_MIN : NAN;
}
