/* A grace of a metric's own: what happens in it counts for nobody, what comes after it counts as ever, and the other
 * metrics know nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "core/arena.h"
#include "core/buf.h"
#include "tests/core/trial_kit.h"

#define CANARIES 20
#define OTHERS   180

/* Canaries have installed at once, or one each `apart`. */
static void begin(struct kit *k, enum metric_row row, int64_t grace, int64_t apart)
{
    struct trial_past past = kit_past();
    kit_empty(k, 4);
    trial_free(k->t);
    k->spec.policy.grace_us[row] = grace;
    k->t = trial_new(&k->spec, NULL);
    assert_non_null(k->t);
    for (size_t i = 0; i < CANARIES + OTHERS; i++) {
        kit_add(k, i < CANARIES ? 0 : -1, true, 0, &past);
        if (i < CANARIES)
            assert_true(trial_installed(k->t, TRIAL_IX(i), KIT_START + (int64_t)i * apart));
    }
}

static void boot_all(struct kit *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kit_boot(k, i);
}

/* A staged activation: all canaries boot a second time, two hours after the install. */
static double after_a_second_boot(int64_t grace, int64_t apart)
{
    struct kit k;
    begin(&k, ROW_REBOOTS, grace, apart);
    for (int64_t t = 0; t <= 4 * US_PER_HOUR; t += KIT_STEP) {
        for (size_t i = 0; i < CANARIES; i++)
            if (t == (int64_t)i * apart + 2 * US_PER_HOUR)
                kit_boot(&k, i);
        kit_tick(&k);
    }
    struct evidence v = kit_evidence(&k, 0, TEST_BOOT1);
    double most = v.crossed_at > 0 ? 1 : v.log_e > 0 ? 0.5 : 0;
    assert_int_equal(v.canary, grace > 2 * US_PER_HOUR ? 0 : CANARIES);
    kit_free(&k);
    return most;
}

static void a_second_boot_is_excused(void **state)
{
    (void)state;
    assert_true(after_a_second_boot(0, 0) > 0.9);
    assert_true(after_a_second_boot(US_PER_HOUR, 0) > 0.9);
    assert_true(after_a_second_boot(2 * US_PER_HOUR + 5 * US_PER_MIN, 0) < 0.1);
    assert_true(after_a_second_boot(0, US_PER_MIN) > 0.9);
    assert_true(after_a_second_boot(2 * US_PER_HOUR + 5 * US_PER_MIN, US_PER_MIN) < 0.1);
}

/* After the grace reboots are seen as ever, and what has happened in it is no second one. Control counts from then on
 * too: a device that boots while no canary counts has had nothing. */
static void what_comes_later_counts(void **state)
{
    (void)state;
    struct kit k;
    begin(&k, ROW_REBOOTS, US_PER_HOUR, 0);
    kit_until(&k, 30 * US_PER_MIN);
    boot_all(&k, 100); /* a power cut, say */
    kit_until(&k, US_PER_HOUR + US_PER_MIN);
    struct evidence v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.canary == 0 && v.control == 0);
    assert_true(v.canary_of == CANARIES && v.control_of == OTHERS); /* they are all at risk now */
    boot_all(&k, 12);
    kit_ticks(&k, 2);
    v = kit_evidence(&k, 0, TEST_BOOT1);
    assert_true(v.canary == 12 && v.crossed_at > 0);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT2).canary, 0);
    kit_free(&k);
}

static void others_know_nothing_of_it(void **state)
{
    (void)state;
    struct kit k;
    begin(&k, ROW_REBOOTS, 12 * US_PER_HOUR, 0);
    kit_until(&k, 10 * US_PER_MIN);
    for (size_t i = 0; i < CANARIES; i++)
        k.cpu[i] = 2;
    kit_until(&k, 40 * US_PER_MIN);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).canary_of, 0);
    assert_true(kit_evidence(&k, 0, TEST_CPU150).crossed_at > 0 && kit_evidence(&k, 0, TEST_CPU).crossed_at > 0);
    kit_free(&k);
}

/* Load while it warms up: neither the first passages nor the rank test see it, and both what goes on after it. */
static void warming_up_is_excused(void **state)
{
    (void)state;
    for (int stays = 0; stays < 2; stays++) {
        struct kit k;
        begin(&k, ROW_CPU, 30 * US_PER_MIN, 0);
        for (size_t i = 0; i < CANARIES; i++)
            k.cpu[i] = 2;
        kit_until(&k, 25 * US_PER_MIN);
        for (size_t i = 0; i < CANARIES && !stays; i++)
            k.cpu[i] = 1;
        kit_until(&k, 3 * US_PER_HOUR);
        assert_true((kit_evidence(&k, 0, TEST_CPU150).crossed_at > 0) == stays);
        assert_true((kit_evidence(&k, 0, TEST_CPU).crossed_at > 0) == stays);
        assert_int_equal(kit_evidence(&k, 0, TEST_CPU150).canary, stays ? CANARIES : 0);
        kit_free(&k);
    }
}

/* Who falls silent in the grace and comes back is excused, who stays away is seen when it ends. */
static void silence_too(void **state)
{
    (void)state;
    struct kit k;
    begin(&k, ROW_SILENCE, US_PER_HOUR, 0);
    kit_until(&k, 10 * US_PER_MIN);
    for (size_t i = 0; i < 10; i++)
        k.silent[i] = true;
    kit_until(&k, 40 * US_PER_MIN);
    for (size_t i = 0; i < 5; i++)
        k.silent[i] = false;
    kit_until(&k, US_PER_HOUR - 2 * KIT_STEP);
    assert_int_equal(kit_evidence(&k, 0, TEST_SILENT).canary, 0);
    kit_until(&k, US_PER_HOUR + 10 * US_PER_MIN);
    struct evidence v = kit_evidence(&k, 0, TEST_SILENT);
    assert_true(v.canary == 5 && v.crossed_at > 0);
    kit_free(&k);
}

/* Kept in the middle of it, with canaries on either side of its end: the same bits as without a break. */
static void kept_and_gone_on_with(void **state)
{
    (void)state;
    struct kit k, l;
    struct buf a, b;
    begin(&k, ROW_REBOOTS, US_PER_HOUR, 5 * US_PER_MIN);
    begin(&l, ROW_REBOOTS, US_PER_HOUR, 5 * US_PER_MIN);
    for (int n = 0; n < 4 * 60 * 3; n++) {
        if (n == 4 * 80 + 3) {
            buf_init(&a, 1 << 22);
            trial_save(k.t, &a);
            trial_free(k.t);
            k.t = trial_load(a.data, a.len, &k.spec, NULL);
            assert_non_null(k.t);
            buf_release(&a);
        }
        /* some come back from a silence just after that, and are at risk again */
        for (size_t i = CANARIES; i < CANARIES + 60; i++)
            k.silent[i] = l.silent[i] = n > 4 * 70 && n < 4 * 80 + 5;
        for (size_t i = 0; i < CANARIES + OTHERS; i++)
            if ((size_t)n % 97 == i % 97) {
                kit_boot(&k, i);
                kit_boot(&l, i);
            }
        kit_tick(&k);
        kit_tick(&l);
    }
    buf_init(&a, 1 << 22);
    buf_init(&b, 1 << 22);
    trial_save(k.t, &a);
    trial_save(l.t, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_true(kit_evidence(&k, 0, TEST_BOOT1).control > 0);

    /* not of a trial with another grace */
    l.spec.policy.grace_us[ROW_REBOOTS] = 2 * US_PER_HOUR;
    assert_null(trial_load(b.data, b.len, &l.spec, NULL));
    buf_release(&a);
    buf_release(&b);
    kit_free(&k);
    kit_free(&l);
}

/* An epoch begins while some are silent, long after their grace: what they did meanwhile counts in it. */
static void silent_over_an_epochs_begin(void **state)
{
    (void)state;
    for (int grace = 0; grace < 2; grace++) {
        struct kit k;
        begin(&k, ROW_REBOOTS, grace ? US_PER_HOUR : 0, 0);
        for (int part = 0; part < 3; part++) {
            kit_until(&k, KIT_GRACE + 24 * US_PER_HOUR + (part - 1) * US_PER_HOUR);
            for (size_t i = 0; i < 10; i++) {
                k.silent[i] = part < 2;
                if (part == 1)
                    kit_boot(&k, i);
            }
        }
        kit_ticks(&k, 2);
        assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).canary, 10);
        kit_free(&k);
    }
}

static void a_decision_comes_out_again(void **state)
{
    (void)state;
    struct kit k;
    struct buf b;
    struct replay again;
    struct err e = {0};
    begin(&k, ROW_REBOOTS, US_PER_HOUR, 0);
    kit_until(&k, US_PER_HOUR + US_PER_MIN);
    boot_all(&k, 12);
    kit_ticks(&k, 2);
    buf_init(&b, 1 << 22);
    trial_inputs(k.t, 0, TEST_BOOT1, &b);
    assert_non_null(strstr(b.data, "\"grace_us\":[3600000000,0,0,0,0]"));
    assert_true(trial_replay(b.data, b.len, &again, &e));
    assert_true(again.same && again.pauses);
    char *grace = strstr(b.data, "[3600000000,0");
    grace[1] = '4'; /* another grace is another set of metrics */
    assert_false(trial_replay(b.data, b.len, &again, &e));
    buf_release(&b);
    kit_free(&k);
}

static void shorter_than_the_policys_is_none(void **state)
{
    (void)state;
    struct kit k;
    begin(&k, ROW_REBOOTS, US_PER_MIN, 0);
    kit_until(&k, KIT_GRACE + US_PER_MIN);
    boot_all(&k, 12);
    kit_ticks(&k, 2);
    assert_int_equal(kit_evidence(&k, 0, TEST_BOOT1).canary, 12);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_boot_is_excused),
        cmocka_unit_test(what_comes_later_counts),
        cmocka_unit_test(others_know_nothing_of_it),
        cmocka_unit_test(warming_up_is_excused),
        cmocka_unit_test(silence_too),
        cmocka_unit_test(kept_and_gone_on_with),
        cmocka_unit_test(silent_over_an_epochs_begin),
        cmocka_unit_test(a_decision_comes_out_again),
        cmocka_unit_test(shorter_than_the_policys_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
