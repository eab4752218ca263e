/* Evidence in words: nothing reads as reached that is not; numbers that an operator can read; the sentence of 3 a.m. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "core/explain.h"

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        double e;
        const char *shown;
    } T[] = {{0, "under 0.1"},  {0.05, "under 0.1"}, {0.3, "0.3"},         {1, "1.0"},         {2.59, "2.5"},
             {9.99, "9.9"},     {10, "10"},          {249.9, "249"},       {1234.5, "1,234"},  {9999, "9,999"},
             {12345, "12,000"}, {72000, "72,000"},   {999999, "990,000"},  {1e6, "1,000,000"}, {2e6, "10^6"},
             {1e9, "10^9"},     {9.9e9, "10^9"},     {INFINITY, "10^9999"}};
    char out[FMT_MAX];
    for (size_t i = 0; i < sizeof T / sizeof T[0]; i++)
        assert_string_equal(explain_evidence(out, log(T[i].e), INFINITY), T[i].shown);
    assert_string_equal(explain_evidence(out, NAN, 5), "?");
    assert_string_equal(explain_evidence(out, 45000, 5), "10^9999");
    assert_string_equal(explain_evidence(out, 4500, 5), "10^1954");
}

static void test_needs(void **state)
{
    (void)state;
    char out[FMT_MAX];
    assert_string_equal(explain_need(out, log(250)), "250");
    assert_string_equal(explain_need(out, log(1 / (0.05 * 8 / 15 * 0.3 * 0.5))), "250");
    assert_string_equal(explain_need(out, log(2500)), "2,500");
    assert_string_equal(explain_need(out, log(233.34)), "234");
    assert_string_equal(explain_need(out, log(12345)), "13,000");
    assert_string_equal(explain_need(out, log(1e7)), "10^7");
    assert_string_equal(explain_need(out, log(2e7)), "10^8");
    assert_string_equal(explain_need(out, INFINITY), "10^9999");
}

static double value(const char *s)
{
    char digits[64];
    size_t n = 0;
    if (!strncmp(s, "10^", 3))
        return pow(10, strtod(s + 3, NULL));
    for (; *s && n + 1 < sizeof digits; s++)
        if (*s != ',')
            digits[n++] = *s;
    digits[n] = '\0';
    return strtod(digits, NULL);
}

/* What is shown is on the same side of the need as what is. */
static void test_rounding_never_lies(void **state)
{
    (void)state;
    char a[FMT_MAX], b[FMT_MAX];
    for (double need = 15; need < 1e12; need *= 1.37) {
        for (double part = 0.5; part < 2; part *= 1.0007) {
            double log_need = log(need), log_e = log(need * part);
            double shown = value(explain_evidence(a, log_e, log_need)), wanted = value(explain_need(b, log_need));
            if ((log_e >= log_need) != (shown >= wanted))
                fail_msg("%.17g of %.17g is shown as %s of %s", need * part, need, a, b);
        }
    }
}

static struct evidence loop(void)
{
    return (struct evidence){.test = "crash-loop",
                             .log_e = log(72000),
                             .log_now = log(72000),
                             .log_pause = log(250),
                             .log_rollback = log(2500),
                             .devices = 3,
                             .min_devices = 2,
                             .canary = 3,
                             .canary_of = 20,
                             .control_of = 1980,
                             .ratio = INFINITY,
                             .ratio_low = 12.4,
                             .ratio_high = NAN};
}

static void test_sentence(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct evidence e = loop();
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_string_equal(out,
                        "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others. Evidence 72,000; 250 needed to "
                        "pause, 2,500 to roll back.");
    e.log_rollback = 0;
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_non_null(strstr(out, "Evidence 72,000; 250 needed to pause."));
    assert_null(strstr(out, "roll back"));
    e.devices = 1, e.canary = 1;
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_non_null(strstr(out, "Carried by 1; no pause before 2 devices do."));
    for (int t = 0; t < TEST_COUNT; t++) { /* no room is too small */
        for (size_t size = 1; size < 120; size++) {
            memset(out, 'x', sizeof out);
            explain_sentence(&e, (enum trial_test)t, out, size);
            assert_true(strlen(out) < size);
        }
    }
}

/* Counts are of now, evidence is kept at its most: where they are not of one time, both are told. */
static void test_standing(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct evidence e = loop();
    e.control = 40;
    e.log_now = log(12.5);
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_string_equal(out,
                        "3 of 20 canaries have rebooted in a loop, 40 of 1,980 others. Evidence 72,000 at its most, "
                        "12 now; 250 needed to pause, 2,500 to roll back.");
    e.log_now = -5;
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_non_null(strstr(out, "Evidence 72,000 at its most, under 0.1 now; 250"));
    e.log_now = e.log_e - 0.001;
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_non_null(strstr(out, "Evidence 72,000; 250"));
    e.log_now = NAN;
    explain_sentence(&e, TEST_LOOP, out, sizeof out);
    assert_non_null(strstr(out, "Evidence 72,000; 250"));
}

static void test_size(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct evidence e = loop();
    explain_size(&e, TEST_LOOP, out, sizeof out);
    assert_string_equal(out, "over 12x as often as the others; carried by 3");
    e.ratio = e.ratio_low = e.ratio_high = NAN;
    explain_size(&e, TEST_LOOP, out, sizeof out);
    assert_string_equal(out, "how much is not known; carried by 3");
    e.test = "cpu", e.ratio = 1.7, e.devices = 20;
    explain_size(&e, TEST_CPU, out, sizeof out);
    assert_string_equal(out, "1.70x as much as the others; 20 canaries compared");
}

/* Tests that look one way say so, until a policy tells them to look both ways. */
static void test_one_sided(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct policy p = *policy_default();
    struct trial_view t = {0};
    explain_not_covered(&p, &t, out, sizeof out);
    assert_non_null(strstr(out, "CPU and sensor variance: looks for a rise only"));
    p.evidence.share[ROW_VARIANCE] = 0;
    assert_non_null(strstr(explain_one_sided(&p.evidence), "CPU: looks for a rise only; a fall is not seen."));
    p.evidence.worse[ROW_CPU] = WORSE_BOTH;
    assert_string_equal(explain_one_sided(&p.evidence), "");
    p = *policy_default();
    p.evidence.worse[ROW_CPU] = WORSE_BOTH;
    assert_non_null(strstr(explain_one_sided(&p.evidence), " Sensor variance: looks for a rise only"));
    p.evidence.share[ROW_VARIANCE] = 0;
    assert_string_equal(explain_one_sided(&p.evidence), "");
    p = *policy_default();
    p.evidence.tests = TESTS_OFF;
    assert_string_equal(explain_one_sided(&p.evidence), "");
}

static void test_reaction(void **state)
{
    (void)state;
    struct evidence_policy p = policy_default()->evidence;
    struct evidence e = loop();
    e.log_e = log(24);
    assert_int_equal(explain_reaction(&p, &e), REACT_NONE);
    e.log_e = log(26); /* a tenth */
    assert_int_equal(explain_reaction(&p, &e), REACT_WATCH);
    e.log_e = log(251);
    assert_int_equal(explain_reaction(&p, &e), REACT_PAUSE);
    e.devices = 1;
    assert_int_equal(explain_reaction(&p, &e), REACT_WATCH);
    e.devices = 2, e.dismissed = true;
    assert_int_equal(explain_reaction(&p, &e), REACT_NONE);
    explain_rollback(&p, &e);
    assert_true(e.log_rollback == 0); /* the built-in policy never rolls back by itself */
    p.level[p.n_levels++] = (struct evidence_level){10, REACT_ROLLBACK};
    explain_rollback(&p, &e);
    assert_true(fabs(e.log_rollback - log(2500)) <= 1e-9);
    e.dismissed = false, e.log_e = log(2501);
    assert_int_equal(explain_reaction(&p, &e), REACT_ROLLBACK);
}

static void test_scale(void **state)
{
    (void)state;
    double pause = log(250);
    assert_true(explain_scale(0, pause) == 0);
    assert_true(explain_scale(-4, pause) == 0);
    assert_true(explain_scale(NAN, pause) == 0);
    assert_true(explain_scale(INFINITY, pause) == 1);
    assert_true(fabs(explain_scale(log(2500), pause) - (1)) <= 1e-9);
    assert_true(explain_scale(pause, pause) > 0.6 && explain_scale(pause, pause) < 0.8);
}

static void test_ledger(void **state)
{
    (void)state;
    struct policy p = *policy_default();
    struct trial_view t = {.state = TRIAL_WAITING, .stage = -1};
    struct explain_ledger l;
    double sum = 0;
    for (int w = 0; w < 4; w++) {
        assert_true(explain_ledger(&p, &t, w, 4, &l));
        sum += l.wave;
    }
    assert_true(fabs(sum + l.install - (0.05)) <= 1e-12); /* all is spent, nothing twice */
    assert_true(fabs(l.rollout - (0.05)) <= 0);
    /* From what the tests really need, once the wave has begun. */
    struct evidence v[2] = {loop(), {.test = "install", .log_pause = log(100)}};
    enum trial_test which[2] = {TEST_LOOP, TEST_INSTALL};
    struct stage_view stage = {.v = v, .which = which, .n = 2, .leading = 0};
    t = (struct trial_view){.state = TRIAL_LIVE, .stage = 0, .stages = &stage, .n_stages = 1};
    assert_true(explain_ledger(&p, &t, 0, 4, &l));
    assert_true(fabs(l.metric[LEDGER_REBOOT] - (1.0 / 250)) <= 1e-12);
    assert_true(fabs(l.wave - (1.0 / 250)) <= 1e-12);
    p.evidence.tests = TESTS_OFF;
    assert_false(explain_ledger(&p, &t, 0, 4, &l));
}

static void test_wave_and_state(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct evidence v[1] = {loop()};
    enum trial_test which[1] = {TEST_LOOP};
    struct stage_view stage[2] = {{.v = v, .which = which, .n = 1, .leading = 0},
                                  {.leading = -1, .canary = 20, .control = 1980}};
    struct trial_view t = {.state = TRIAL_LIVE, .stage = 1, .stages = stage, .n_stages = 2};
    explain_wave(&t, 0, out, sizeof out);
    assert_non_null(strstr(out, "3 of 20 canaries"));
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out, "No test speaks against this wave so far: 20 canaries against 1,980 others.");
    assert_false(explain_blind(&t, 1));
    stage[1].canary = 0; /* all in their grace: no news is no health */
    assert_true(explain_blind(&t, 1));
    explain_wave(&t, 1, out, sizeof out);
    assert_non_null(strstr(out, "Nothing can be said yet"));
    stage[1].canary = 20;
    t.sentence = "the trial's own";
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out, "the trial's own");
    explain_wave(&t, 2, out, sizeof out);
    assert_string_equal(out, "No evidence: the tests of this wave have not begun.");
    explain_wave(&t, -1, out, sizeof out);
    assert_string_equal(out, "No evidence: the tests of this wave have not begun.");
    t.state = TRIAL_CATCHING, t.progress = 0.999;
    explain_wave(&t, 1, out, sizeof out);
    assert_null(strstr(out, "speaks against")); /* unknown is never healthy */
    explain_state(&t, out, sizeof out);
    assert_string_equal(out, "catching up 99%");
    t.progress = NAN, t.dry_run = true;
    explain_state(&t, out, sizeof out);
    assert_string_equal(out, "dry run, never acts: catching up 0%");
    t.state = TRIAL_OFF, t.text = "the policy says so";
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out, "No evidence is gathered: the policy says so.");
    assert_true(explain_blind(&t, 0));
    memset(&t, 0, sizeof t); /* a view that was never filled */
    explain_wave(&t, 0, out, sizeof out);
    assert_string_equal(out, "No evidence is gathered: not known.");
}

/* When the rollout has ended what its tests said stands, and nobody takes "nobody was compared" for "all is well". */
static void test_ended(void **state)
{
    (void)state;
    char out[EXPLAIN_TEXT];
    struct evidence boot = {.test = "reboot-1", .canary_of = 300, .control_of = 600}, quiet = {.test = "silence"},
                    cpu = {.test = "cpu", .canary_of = 300}, install = {.test = "install", .canary_of = 600};
    struct evidence v[2][4] = {{loop(), boot, cpu, install}, {boot, cpu, quiet, install}};
    enum trial_test which[4] = {TEST_BOOT1, TEST_CPU, TEST_SILENT, TEST_INSTALL};
    struct stage_view stage[2] = {{.v = v[0], .which = which, .n = 4, .leading = 0},
                                  {.v = v[1], .which = which, .n = 4, .leading = -1, .canary = 857}};
    struct trial_view t = {
        .state = TRIAL_OFF, .ended = true, .text = "the rollout has ended", .stage = 1, .stages = stage, .n_stages = 2};
    explain_wave(&t, 0, out, sizeof out);
    assert_non_null(strstr(out, "3 of 20 canaries"));
    assert_int_equal(explain_wave_reaction(&policy_default()->evidence, &t, 0), REACT_PAUSE);
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out, "No test spoke against this wave while it ran: 300 canaries against 600 others.");
    assert_false(explain_blind(&t, 1));
    assert_int_equal(explain_silent(&stage[1], true, true, "", true, out, sizeof out), 2);
    assert_string_equal(out, "2 tests said nothing against it: reboot-1 install");
    assert_int_equal(explain_silent(&stage[1], false, true, "", true, out, sizeof out), 2);
    assert_string_equal(out, "2 tests compared nobody: cpu silence");
    v[1][0].control_of = 0; /* the last wave: nobody is left */
    assert_true(explain_blind(&t, 1));
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out,
                        "300 canaries, and no other device was left to compare them with: only installs were tested.");
    t.state = TRIAL_LIVE, t.ended = false;
    assert_true(explain_blind(&t, 1));
    explain_wave(&t, 1, out, sizeof out);
    assert_string_equal(out,
                        "857 canaries, and no other device is left to compare them with: only installs are tested.");
    assert_int_equal(explain_silent(&stage[1], false, false, "", false, out, sizeof out), 3);
    assert_string_equal(out, "3 tests have compared nobody so far");
    assert_int_equal(explain_silent(&stage[1], true, false, "m shows them", false, out, sizeof out), 1);
    assert_string_equal(out, "1 test says nothing against it so far (m shows them)");
    explain_wave(&t, 2, out, sizeof out);
    assert_string_equal(out, "No evidence: the tests of this wave have not begun.");
    t.state = TRIAL_OFF, t.ended = true;
    explain_wave(&t, 2, out, sizeof out);
    assert_string_equal(out, "No evidence: the rollout ended before the tests of this wave began.");
}

static void test_had_the_release(void **state)
{
    struct wave_view w = {.members = 20};
    char text[EXPLAIN_TEXT];
    (void)state;
    assert_false(explain_had_release(&w, text, sizeof text));
    assert_string_equal(text, "");
    w.had_release = 3;
    assert_true(explain_had_release(&w, text, sizeof text));
    assert_string_equal(text, "3 of 20 canaries had the release already: they are not compared.");
    w.had_release = 20;
    assert_true(explain_had_release(&w, text, sizeof text));
    assert_string_equal(text, "All 20 canaries had the release already: there is nothing to compare.");
}

static void test_not_covered(void **state)
{
    (void)state;
    struct policy p = *policy_default();
    struct trial_view t = {.state = TRIAL_LIVE, .after = {.canaries = 20}};
    char out[EXPLAIN_TEXT];
    p.grace_us = 3 * US_PER_MIN;
#define HEAD                                                                                                           \
    "Not covered: limits, what people do, canaries that were not picked at random, and what the update itself does "   \
    "later than 3m00s after an install: a second reboot, load while it warms up. CPU and sensor variance: looks for "  \
    "a rise only; a fall is not seen, other than of a sensor that sticks."
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out, HEAD " Of 20 canaries that count now none has rebooted since this wave's tests began.");
    t.after = (struct trial_after){.canaries = 20,
                                   .rebooted = 12,
                                   .most = 10,
                                   .first_us = 358 * US_PER_MIN,
                                   .last_us = 370 * US_PER_MIN,
                                   .alike = true,
                                   .excuse_us = 371 * US_PER_MIN};
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out,
                        HEAD " Of 20 canaries that count now 12 rebooted since this wave's tests began, 10 of them "
                             "last 5h58m to 6h10m after their own install: so alike that it may be a step of "
                             "the update, which a grace of 6h11m for reboots excuses, or a fault that takes as long.");
    t.after.alike = false;
    explain_not_covered(&p, &t, out, sizeof out);
    assert_null(strstr(out, "alike"));
    assert_non_null(strstr(out, " to 6h10m after their own install."));
    t.after.soon = 2;
    p.evidence.grace_us[ROW_REBOOTS] = 2 * US_PER_HOUR;
    p.evidence.grace_us[ROW_CPU] = 15 * US_PER_MIN;
    p.evidence.grace_us[ROW_SILENCE] = US_PER_MIN; /* the policy's is longer */
    explain_not_covered(&p, &t, out, sizeof out);
    assert_non_null(strstr(out, " to 6h10m after their own install, 2 within 1h of the grace's end."));
    assert_non_null(
        strstr(out, "later than 3m00s (reboots 2h00m, CPU 15m00s, for limits too) after an install: a second reboot"));
    memset(p.evidence.grace_us, 0, sizeof p.evidence.grace_us);
    t.state = TRIAL_OFF;
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out, HEAD);

    /* A metric of activations. */
    const struct metric_def own = {.id = "activations", .title = "staged activations", .kind = KIND_ACTIVATION};
    p.evidence.own = &own;
    p.evidence.n_own = 1;
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out, HEAD);
    t = (struct trial_view){.state = TRIAL_LIVE, .after = {.canaries = 20, .names = true}};
#define NONE " Of 20 canaries that count now none has rebooted since this wave's tests began."
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out, HEAD " One boot of each that staged activations names as a step of the update would not "
                                  "count; it has named none." NONE);
    t.after.named = 18;
    t.after.named_first_us = 358 * US_PER_MIN;
    t.after.named_last_us = 370 * US_PER_MIN;
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(
        out,
        HEAD " Of 20 canaries that count now 18 had one boot each, 5h58m to 6h10m after the install, that staged "
             "activations names as a step of the update: it does not count. Of 20 canaries that count now none has "
             "rebooted otherwise since this wave's tests began.");
    t.after.named = 0;
    t.after.names = false;
    explain_not_covered(&p, &t, out, sizeof out);
    assert_string_equal(out, HEAD " staged activations names boots of most control devices that booted, too: none is "
                                  "taken for a step of the update any more." NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_rounding_never_lies),
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_standing),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_one_sided),
        cmocka_unit_test(test_reaction),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_wave_and_state),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_had_the_release),
        cmocka_unit_test(test_not_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
