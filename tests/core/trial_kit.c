#include "tests/core/trial_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

void kit_empty(struct kit *k, int waves)
{
    memset(k, 0, sizeof *k);
    k->spec = (struct trial_spec){.policy = policy_default()->evidence,
                                  .waves = waves,
                                  .start = KIT_START,
                                  .step_us = KIT_STEP,
                                  .grace_us = KIT_GRACE,
                                  .silence_us = 5 * US_PER_MIN};
    k->t = trial_new(&k->spec, NULL);
    assert_non_null(k->t);
}

struct trial_past kit_past(void)
{
    return (struct trial_past){.base = {[COL_CPU] = 0.2, [COL_VARIANCE] = 1},
                               .hour = {[COL_CPU] = 0.2, [COL_VARIANCE] = 1},
                               .last_t = KIT_START - US_PER_S,
                               .known = true};
}

size_t kit_add(struct kit *k, int wave, bool control, uint8_t stratum, const struct trial_past *past)
{
    size_t i = trial_add(k->t, wave, control, stratum, past).i;

    assert_int_equal(i, k->n);
    assert_true(i < KIT_MAX);
    k->boots[i] = 7;
    k->cpu[i] = k->var[i] = 1;
    k->n++;
    return i;
}

void kit_init(struct kit *k, int waves, size_t canaries, size_t controls)
{
    struct trial_past past = kit_past();

    kit_empty(k, waves);
    for (size_t i = 0; i < canaries + controls; i++) {
        kit_add(k, i < canaries ? 0 : 1, true, 0, &past);
        if (i < canaries)
            assert_true(trial_installed(k->t, TRIAL_IX(i), KIT_START));
    }
}

void kit_free(struct kit *k)
{
    trial_free(k->t);
}

void kit_row(struct tick *k, size_t device, int64_t at, double reboots, double cpu, double variance)
{
    double *row = tick_put(k, device, at);

    row[COL_REBOOTS] = reboots;
    row[COL_CPU] = cpu;
    row[COL_VARIANCE] = variance;
}

void kit_tick(struct kit *k)
{
    int64_t tick = trial_next_tick(k->t);
    struct tick rows;

    tick_init(&rows, tick, k->n, COL_BUILTIN + (k->spec.policy.n_own ? 1 : 0));
    for (size_t i = 0; i < k->n; i++) {
        /* A little of its own, so that nothing ties. */
        double jitter = 1 + 0.0001 * (double)((i * 7919 + (size_t)(tick / KIT_STEP) * 104729) % 97);

        if (!k->silent[i])
            kit_row(&rows, i, tick, k->boots[i], 0.2 * k->cpu[i] * jitter, k->var[i] * jitter);
        if (!k->silent[i] && k->spec.policy.n_own)
            rows.v[i * rows.columns + COL_BUILTIN] = k->own[i];
    }
    trial_tick(k->t, &rows);
    tick_release(&rows);
}

void kit_ticks(struct kit *k, int n)
{
    while (n-- > 0)
        kit_tick(k);
}

void kit_until(struct kit *k, int64_t t)
{
    while (trial_next_tick(k->t) <= KIT_START + t)
        kit_tick(k);
}

void kit_boot(struct kit *k, size_t i)
{
    k->boots[i]++;
}

struct evidence kit_evidence(const struct kit *k, int s, enum trial_test test)
{
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    size_t n = trial_evidence(k->t, s, v, which);

    for (size_t i = 0; i < n; i++) {
        if (which[i] == test)
            return v[i];
    }
    fail_msg("%s is not tested in stage %d", metric_test(&policy_default()->evidence, (int)test)->word, s);
    return v[0];
}

void kit_outcomes(struct trial *t, int32_t failed, int32_t started)
{
    trial_installs(t, &(struct install_tally){.failed = failed, .started = started, .times = 1}, 1, 0);
}

bool kit_leading(const struct trial *t, int s, struct evidence *out, enum trial_test *which)
{
    struct evidence v[TESTS_MAX];
    enum trial_test tests[TESTS_MAX];
    bool any = false;

    for (size_t i = 0, n = trial_evidence(t, s, v, tests); i < n; i++) {
        if (!(v[i].log_e > 0) || (any && v[i].log_e - v[i].log_pause <= out->log_e - out->log_pause))
            continue;
        *out = v[i];
        *which = tests[i];
        any = true;
    }
    return any;
}
