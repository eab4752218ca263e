/* Policy: the words, and the policy that is used where none is named. */
#include "core/policy.h"

#include <math.h>

#include "core/clock.h"
#include "core/design.h"
#include "core/embed.h"

EMBED(built_in_policy, "core/built-in-policy.yaml");

const char *reaction_word(enum reaction r)
{
    switch (r) {
    case REACT_NONE:
        return "none";
    case REACT_WATCH:
        return "watch";
    case REACT_HOLD:
        return "hold";
    case REACT_PAUSE:
        return "pause";
    case REACT_ROLLBACK:
        return "rollback";
    }
    return "?";
}

/* Chosen by simulation (tests/core/test_policy_sim.c): 24 h of a rollout that changes nothing, on fleets whose devices
 * reboot 0.5 times a day on average with gamma(0.5) spread, are halted in fewer than one in a hundred. */
static const struct limit default_limits[] = {
    {.id = "R-REBOOT",
     .metric = "reboots",
     .basis = BASIS_RELATIVE,
     .value = 3,
     .for_us = 2 * US_PER_MIN,
     .min_devices = 3,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
    {.id = "R-CPU",
     .metric = "cpu-mean",
     .basis = BASIS_RELATIVE,
     .value = 1.25,
     .for_us = 5 * US_PER_MIN,
     .min_devices = 3,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
    {.id = "R-VARIANCE",
     .metric = "variance",
     .basis = BASIS_RELATIVE,
     .value = 2,
     .for_us = 5 * US_PER_MIN,
     .min_devices = 3,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
    {.id = "R-INSTALL",
     .metric = "install-failed",
     .basis = BASIS_ABSOLUTE,
     .value = 0.10,
     .for_us = 0,
     .min_devices = 3,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
};

static const struct policy default_policy = {
    .name = "built-in",
    .digest = "",
    .text = EMBED_BYTES(built_in_policy),
    .limits = default_limits,
    .n_limits = sizeof default_limits / sizeof default_limits[0],
    .window_us = 10 * US_PER_MIN,
    .grace_us = 3 * US_PER_MIN,
    .install_us = 10 * US_PER_MIN,
    .min_coverage = 0.8,
    .lost_devices = 3,
    .lost_pause_us = 10 * US_PER_MIN,
    .lost_react = REACT_PAUSE,
    .bake_us = 0,
    .promotion = PROMOTE_SERVER,
    .halt_stops = false,
    .foreign = FOREIGN_BY_ACTOR,
    .rollback_to = "previous",
    .drain_us = 10 * US_PER_MIN,
    .control_max = 2000,
    .evidence = {.tests = TESTS_ON,
                 .alpha = 0.05,
                 .reserve = 0,
                 .tolerance[ROW_REBOOTS] = 1.25,
                 .tolerance[ROW_CPU] = 1.05,
                 .tolerance[ROW_VARIANCE] = 1.25,
                 .tolerance[ROW_INSTALL] = 0.02,
                 .min_devices = 2,
                 .share[ROW_REBOOTS] = 0.47,
                 .share[ROW_SILENCE] = 0.16,
                 .share[ROW_CPU] = 0.085,
                 .share[ROW_VARIANCE] = 0.085,
                 .share[ROW_INSTALL] = 0.20,
                 .design = DESIGN_NOW,
                 .level = {{0.1, REACT_WATCH}, {1, REACT_PAUSE}},
                 .n_levels = 2,
                 .strata = {"model", "site"},
                 .n_strata = 2,
                 .control = ""},
    .lost_resume = true,
    .min_device_hours = 0,
};

void policy_numbers(struct evidence_policy *p, double *out[POLICY_NUMBERS])
{
    size_t n = 0;
    out[n++] = &p->alpha;
    out[n++] = &p->reserve;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        if (i != ROW_SILENCE) /* that of reboots */
            out[n++] = &p->tolerance[i];
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        out[n++] = &p->share[i];
}

int64_t policy_report_needed(const struct policy *p, int64_t expected)
{
    int64_t share, spared;

    if (expected <= 0)
        return 0;
    share = (int64_t)ceil(p->min_coverage * (double)expected);
    spared = expected - (p->lost_devices > 1 ? p->lost_devices - 1 : 0);
    share = spared < share ? spared : share;
    return share < 1 ? 1 : share;
}

const struct policy *policy_default(void)
{
    return &default_policy;
}
