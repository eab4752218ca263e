#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/design.h"
#include "core/eprocess.h"
#include "core/ledger.h"
#include "core/policy.h"
#include "core/trial.h"
#include "tests/core/trial_kit.h"

#define STEP     (10 * US_PER_MIN)
#define CANARIES 20
#define DEVICES  200
#define START    (KIT_START / STEP * STEP)

static void nothing_is_spent_twice(void **state)
{
    const struct evidence_policy *p = &policy_default()->evidence;

    (void)state;
    assert_int_equal(p->design, DESIGN_NOW);
    for (int design = 0; design <= DESIGN_NOW; design++) {
        double part[METRICS_BUILTIN] = {0};
        for (int i = 0; i < metric_tests(p); i++) {
            const struct metric_test *t = metric_test(p, i);
            double epochs = 0;
            for (int e = 0; e <= (design_renews(design, t) ? DESIGN_EPOCHS : 0); e++)
                epochs += design_epoch_share(design, t, e);
            assert_true(epochs <= 1 && epochs > 0.99);
            part[metric_test(p, i)->metric] += design_alpha(design, t, 1);
        }
        for (int m = 0; m < METRICS_BUILTIN; m++)
            assert_true(fabs(part[m] - 1) < 1e-12);
    }
    assert_true(p->share[ROW_REBOOTS] + p->share[ROW_SILENCE] + p->share[ROW_CPU] + p->share[ROW_VARIANCE] +
                    p->share[ROW_INSTALL] <=
                1 + 1e-12);
}

/* Over every wave, metric, test and epoch of a policy, as the trial halts by them. */
static void all_together_is_alpha_at_most(void **state)
{
    const struct evidence_policy *p = &policy_default()->evidence;

    (void)state;
    for (int waves = 1; waves <= TRIAL_WAVES; waves += 21) {
        struct ledger l;
        double sum = 0;
        assert_true(trial_ledger(p, waves, &l));
        for (int s = 0; s < waves; s++)
            for (int i = 0; i < metric_tests(p); i++) {
                const struct metric_test *t = metric_test(p, i);
                int row = ledger_row(t->metric), last = design_renews(p->design, t) ? DESIGN_EPOCHS : 0;
                if (row < 0 && s > 0)
                    continue;
                double alpha = design_alpha(p->design, t, row < 0 ? ledger_install(&l) : ledger_alpha(&l, s, row));
                for (int e = 0; e <= last; e++)
                    sum += alpha * design_epoch_share(p->design, t, e);
            }
        assert_true(sum <= p->alpha * (1 + 1e-12) && sum > 0.99 * p->alpha);
    }
}

static void epochs_double(void **state)
{
    (void)state;
    assert_int_equal(design_epoch(1, 1), 0);
    assert_int_equal(design_epoch(1, 24 * US_PER_HOUR), 0);
    assert_int_equal(design_epoch(1, 24 * US_PER_HOUR + 1), 1);
    assert_int_equal(design_epoch(1, 72 * US_PER_HOUR), 1);
    assert_int_equal(design_epoch(1, 168 * US_PER_HOUR + 1), 3);
    assert_int_equal(design_epoch(1, INT64_MAX), DESIGN_EPOCHS);
    assert_int_equal(design_epoch(0, INT64_MAX), 0);
    assert_true(design_epoch_begin(DESIGN_EPOCHS) < design_epoch_begin(DESIGN_EPOCHS + 1));
}

static void every_alternative_has_a_weight_somewhere(void **state)
{
    const struct evidence_policy *p = &policy_default()->evidence;

    (void)state;
    for (int i = TEST_LOOP; i <= TEST_STUCK; i++) {
        const uint8_t *w = design_weight(1, metric_test(p, i));
        int sum = 0;
        assert_null(design_weight(0, metric_test(p, i)));
        assert_non_null(w);
        for (int j = 0; j < EPROCESS_GRID; j++)
            sum += w[j];
        assert_true(sum > 0);
    }
}

/* A fleet that reports each 10 min: canaries that boot once in each of the hours named. */
struct fleet {
    struct trial_spec spec;
    struct trial *t;
    int boots[DEVICES];
    bool silent[DEVICES];
    bool kept; /* saved and loaded after every tick */
};

static void fleet_init(struct fleet *f, bool kept)
{
    *f = (struct fleet){.spec = {.policy = policy_default()->evidence,
                                 .waves = 1,
                                 .start = START,
                                 .step_us = STEP,
                                 .grace_us = 0,
                                 .silence_us = 50 * US_PER_MIN},
                        .kept = kept};
    f->t = trial_new(&f->spec, NULL);
    for (size_t i = 0; i < DEVICES; i++) {
        struct trial_past past = kit_past();
        assert_int_equal(trial_add(f->t, i < CANARIES ? 0 : -1, true, 0, &past).i, i);
        if (i < CANARIES)
            assert_true(trial_installed(f->t, TRIAL_IX(i), START));
    }
}

static void fleet_until(struct fleet *f, double hour)
{
    struct tick rows;
    struct buf b;

    tick_init(&rows, START, DEVICES, COL_BUILTIN);
    buf_init(&b, 1 << 22);
    while (trial_next_tick(f->t) <= START + (int64_t)(hour * US_PER_HOUR)) {
        tick_clear(&rows, trial_next_tick(f->t));
        for (size_t i = 0; i < DEVICES; i++)
            if (!f->silent[i])
                kit_row(&rows, i, rows.t, f->boots[i], 0.2, 1);
        trial_tick(f->t, &rows);
        if (!f->kept)
            continue;
        buf_clear(&b);
        trial_save(f->t, &b);
        trial_free(f->t);
        f->t = trial_load(b.data, b.len, &f->spec, NULL);
        assert_non_null(f->t);
    }
    buf_release(&b);
    tick_release(&rows);
}

static struct evidence of(const struct fleet *f, enum trial_test test)
{
    struct evidence v[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    size_t n = trial_evidence(f->t, 0, v, which);

    for (size_t i = 0; i < n; i++)
        if (which[i] == test)
            return v[i];
    fail_msg("no such test");
    return v[0];
}

static size_t carriers(const struct fleet *f, enum trial_test test)
{
    struct trial_ix v[DEVICES];
    return trial_carriers(f->t, test, v, DEVICES);
}

/* Recomputed from what is logged, to the same bits. */
static void replays(const struct fleet *f, enum trial_test test)
{
    struct buf in;
    struct replay out;
    struct err e;

    buf_init(&in, 1 << 20);
    trial_inputs(f->t, 0, test, &in);
    if (!trial_replay(in.data, in.len, &out, &e))
        fail_msg("%s", e.what);
    if (!out.same)
        fail_msg("%s", out.text);
    buf_release(&in);
}

static void late_faults(bool kept)
{
    struct fleet f;

    fleet_init(&f, kept);
    fleet_until(&f, 2);
    for (size_t i = 0; i < DEVICES; i++) /* all reboot at once: the risk sets are used up, and it says nothing */
        f.boots[i]++;
    fleet_until(&f, 24);
    struct evidence v = of(&f, TEST_BOOT1);
    assert_true(v.canary == CANARIES && v.control == DEVICES - CANARIES && v.log_e == 0);
    assert_true(trial_reached(f.t, TRIAL_IX(0)) & 1U << TEST_BOOT1);
    fleet_until(&f, 24.2);
    v = of(&f, TEST_BOOT1); /* they begin anew */
    assert_true(v.canary == 0 && v.canary_of == CANARIES && v.control_of == DEVICES - CANARIES && isnan(v.ratio));
    assert_false(trial_reached(f.t, TRIAL_IX(0)) & 1U << TEST_BOOT1);

    for (size_t i = 0; i < 8; i++) {
        f.boots[i]++;
        fleet_until(&f, 30 + (double)i);
    }
    v = of(&f, TEST_BOOT1);
    assert_true(v.canary == 8 && v.devices == 8 && v.control == 0 && v.log_e > v.log_pause);
    assert_int_equal(carriers(&f, TEST_BOOT1), 8);
    assert_true(v.crossed_at > START + 30 * US_PER_HOUR && v.crossed_at <= START + 37 * US_PER_HOUR);
    replays(&f, TEST_BOOT1);
    struct evidence before = v;

    fleet_until(&f, 73); /* the third; what stands is the second's */
    f.boots[19]++;
    f.boots[150]++;
    fleet_until(&f, 80);
    v = of(&f, TEST_BOOT1);
    assert_true(v.log_e == before.log_e && v.devices == 8 && v.canary == 8 && v.ratio == before.ratio);
    assert_true(v.ratio_low == before.ratio_low && v.log_now < v.log_e);
    assert_int_equal(carriers(&f, TEST_BOOT1), 8);
    replays(&f, TEST_BOOT1);
    for (size_t i = 0; i < 19; i++) { /* until the third has more */
        f.boots[i]++;
        fleet_until(&f, 81 + (double)i);
    }
    v = of(&f, TEST_BOOT1);
    assert_true(v.log_e > before.log_e && v.devices == CANARIES && v.control == 1);
    assert_int_equal(carriers(&f, TEST_BOOT1), CANARIES);
    replays(&f, TEST_BOOT1);
    replays(&f, TEST_LOOP);
    replays(&f, TEST_SILENT);
    trial_free(f.t);
}

static void late_faults_are_seen(void **state)
{
    (void)state;
    late_faults(false);
}

static void epochs_live_through_a_restart(void **state)
{
    (void)state;
    late_faults(true);
}

/* A level's window that an epoch cuts in two judges nobody; and nothing of the old epoch counts in the new one, also
 * when the ticks at its end were left out. */
static void a_gap_over_the_end_of_an_epoch(void **state)
{
    struct fleet f;
    struct tick rows;

    (void)state;
    fleet_init(&f, false);
    fleet_until(&f, 23.9);
    tick_init(&rows, START + 26 * US_PER_HOUR, DEVICES, COL_BUILTIN);
    for (size_t i = 0; i < DEVICES; i++) /* the reboots can have been in the old one */
        kit_row(&rows, i, rows.t, i < 10, 0.2, 1);
    trial_tick(f.t, &rows);
    struct evidence v = of(&f, TEST_BOOT1);
    assert_true(v.canary == 10 && v.canary_of == CANARIES && v.log_e > 0);
    replays(&f, TEST_BOOT1);
    tick_release(&rows);
    trial_free(f.t);
}

static void who_stays_away_counts_thrice(void **state)
{
    struct fleet f;

    (void)state;
    fleet_init(&f, false);
    fleet_until(&f, 1);
    for (size_t i = 0; i < 5; i++)
        f.silent[i] = true;
    fleet_until(&f, 1.5);
    assert_int_equal(of(&f, TEST_SILENT).canary, 0);
    fleet_until(&f, 2);
    assert_int_equal(of(&f, TEST_SILENT).canary, 5);
    assert_int_equal(of(&f, TEST_AWAY1).canary, 0);
    fleet_until(&f, 2.2);
    assert_int_equal(of(&f, TEST_AWAY1).canary, 5);
    assert_int_equal(of(&f, TEST_AWAY8).canary, 0);
    assert_int_equal(of(&f, TEST_AWAY8).canary_of, CANARIES);
    f.silent[0] = false; /* back: not away for eight hours */
    fleet_until(&f, 9);
    assert_int_equal(of(&f, TEST_AWAY8).canary, 0);
    fleet_until(&f, 9.2);
    assert_int_equal(of(&f, TEST_AWAY8).canary, 4);
    assert_int_equal(carriers(&f, TEST_AWAY8), 4);
    replays(&f, TEST_AWAY8);
    fleet_until(&f, 25); /* whoever is away enters no set of the new epoch, but has stayed away long enough */
    assert_int_equal(of(&f, TEST_SILENT).devices, 5);
    assert_int_equal(of(&f, TEST_AWAY8).canary, 4);
    trial_free(f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_spent_twice),
        cmocka_unit_test(all_together_is_alpha_at_most),
        cmocka_unit_test(epochs_double),
        cmocka_unit_test(every_alternative_has_a_weight_somewhere),
        cmocka_unit_test(late_faults_are_seen),
        cmocka_unit_test(epochs_live_through_a_restart),
        cmocka_unit_test(a_gap_over_the_end_of_an_epoch),
        cmocka_unit_test(who_stays_away_counts_thrice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
