/* The placebo test: canaries that are like control before the rollout, that are not, and that nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/placebo.h"
#include "core/rng.h"
#include "core/text.h"
#include "tests/core/trial_kit.h"

static const struct evidence_policy *policy(void)
{
    return &policy_default()->evidence;
}

static struct trial_past past_of(double boots_day, double away, double cpu_hour)
{
    struct trial_past past = kit_past();
    past.base[COL_REBOOTS] = boots_day;
    past.away = away;
    past.base[COL_CPU] = 0.2;
    past.hour[COL_CPU] = cpu_hour;
    past.base[COL_VARIANCE] = past.hour[COL_VARIANCE] = NAN;
    return past;
}

/* Of 200 devices 20 are canaries; `odd` of them rebooted ten times the day before, and one control device in 20. */
static struct placebo_result fleet(int odd, uint8_t (*stratum)(int i))
{
    struct placebo p;
    struct placebo_result r;
    placebo_init(&p, policy());
    for (int i = 0; i < 200; i++) {
        bool bad = i < 20 ? i < odd : i % 20 == 0;
        struct trial_past past = past_of(bad ? 10 : 0, 0, 0.2 + 0.001 * (i * 37 % 100));
        placebo_add(&p, policy(), i < 20 ? 0 : i < 100 ? 1 : -1, stratum ? stratum(i) : 0, &past);
    }
    placebo_close(&p);
    placebo_test(&p, 0, &r);
    placebo_release(&p);
    return r;
}

static void canaries_that_reboot_more(void **state)
{
    (void)state;
    char text[PLACEBO_TEXT];
    struct placebo_result r = fleet(1, NULL);
    assert_int_equal(r.word, PLACEBO_LIKE);
    assert_true(r.compared == 3 && r.canary == 20 && r.control == 180);
    placebo_text(&r, policy(), text);
    assert_non_null(strstr(text, "like control. Before the rollout 20 canaries did not differ from 180 others by more "
                                 "than chance in reboots, silence, CPU (p="));
    r = fleet(8, NULL);
    assert_int_equal(r.word, PLACEBO_UNLIKE);
    assert_true(r.row == ROW_REBOOTS && r.more);
    /* Of 17 devices of 200 with reboots 8 are among 20: P(X >= 8), hypergeometric, is 3.29e-5; both ways, and reboots
     * and CPU count (silence does not vary): four times. */
    assert_true(fabs(exp(r.log_p) / 1.318e-4 - 1) < 0.001);
    placebo_text(&r, policy(), text);
    assert_non_null(strstr(text, "NOT like control (p=0.00013). Before the rollout, on the old firmware, 20 canaries "
                                 "already had more reboots than 180 others"));
}

static uint8_t odd_ones(int i)
{
    return i < 8 || (i >= 20 && i % 20 == 0);
}

/* Within the strata by attributes: where a model reboots, and the policy names it, canaries of it are like its others.
 */
static void within_strata(void **state)
{
    (void)state;
    assert_int_equal(fleet(8, odd_ones).word, PLACEBO_LIKE);
}

static void less_counts_too(void **state)
{
    (void)state;
    struct placebo p;
    struct placebo_result r;
    placebo_init(&p, policy());
    for (int i = 0; i < 100; i++) {
        struct trial_past past = past_of(i < 20 ? 0 : 1 + i % 3, NAN, NAN);
        placebo_add(&p, policy(), i < 20 ? 0 : -1, 0, &past);
    }
    placebo_close(&p);
    placebo_test(&p, 0, &r);
    assert_true(r.word == PLACEBO_UNLIKE && !r.more && r.compared == 1);
    placebo_release(&p);
}

/* A metric that may be below 0 is compared by its difference from the day before: what stands still is like the rest,
 * whatever it is, and so is what is 0. */
static void differences(void **state)
{
    (void)state;
    static const struct metric_def degrees = {.id = "degrees",
                                              .title = "degrees",
                                              .unit = "C",
                                              .kind = KIND_GAUGE,
                                              .worse = WORSE_BOTH,
                                              .own = true,
                                              .diff = true,
                                              .share = 0.1};
    struct arena a;
    arena_init(&a);
    struct evidence_policy e = *policy();
    e.own = &degrees;
    e.n_own = 1;
    assert_true(metric_make_tests(&e, &a));
    for (int rise = -1; rise <= 1; rise++) {
        struct placebo p;
        struct placebo_result r;
        placebo_init(&p, &e);
        for (int i = 0; i < 100; i++) {
            struct trial_past past = past_of(NAN, NAN, NAN);
            double noise = 0.01 * (i * 37 % 50 - 25);
            past.base[COL_BUILTIN] = i < 20 ? -8 : 8;
            past.hour[COL_BUILTIN] = past.base[COL_BUILTIN] + noise + (i < 20 ? rise : 0);
            placebo_add(&p, &e, i < 20 ? 0 : -1, 0, &past);
        }
        placebo_close(&p);
        placebo_test(&p, 0, &r);
        assert_true(r.compared == 2 && r.row == METRICS_BUILTIN && r.canary == 20 && r.control == 80);
        assert_int_equal(r.word, rise ? PLACEBO_UNLIKE : PLACEBO_LIKE);
        assert_true(rise == 0 || r.more == (rise > 0));
        placebo_release(&p);
    }
    arena_release(&a);
}

static void what_nobody_knows(void **state)
{
    (void)state;
    char text[PLACEBO_TEXT];
    struct placebo p;
    struct placebo_result r;
    struct trial_past past = past_of(1, 0, 0.3), none = past;
    none.known = false;
    placebo_init(&p, policy());
    for (int i = 0; i < 50; i++)
        placebo_add(&p, policy(), i < 5 ? 0 : -1, 0, &none);
    placebo_close(&p);
    placebo_test(&p, 0, &r);
    assert_true(r.word == PLACEBO_UNKNOWN && r.compared == 0);
    placebo_text(&r, policy(), text);
    assert_non_null(strstr(text, "not known. There is no history"));
    placebo_release(&p);

    /* one canary of twenty devices can differ as it likes */
    placebo_init(&p, policy());
    for (int i = 0; i < 20; i++) {
        past = past_of(i == 0 ? 50 : i % 2, NAN, NAN);
        placebo_add(&p, policy(), i < 1 ? 0 : -1, 0, &past);
    }
    placebo_close(&p);
    placebo_test(&p, 0, &r);
    assert_int_equal(r.word, PLACEBO_FEW);
    placebo_text(&r, policy(), text);
    assert_non_null(strstr(text, "not known. 1 canaries") ? text : strstr(text, "too few"));
    placebo_release(&p);
}

/* Canaries picked at random are called unlike control in at most one rollout of a hundred, and chronic devices, absent
 * ones and heavy ties do not change that. */
static void level_is_kept(void **state)
{
    (void)state;
    struct rng r;
    int unlike = 0;
    const int fleets = 1000;
    rng_init(&r, 11);
    for (int fleet = 0; fleet < fleets; fleet++) {
        struct placebo p;
        struct placebo_result out;
        placebo_init(&p, policy());
        for (int i = 0; i < 200; i++) {
            double rate = rng_gamma(&r, 0.5) * 2, cpu = 0.2 * exp(0.1 * rng_normal(&r));
            int boots = 0;
            for (double at = rng_exp(&r, 1); at < rate; at += rng_exp(&r, 1))
                boots++;
            bool chronic = rng_unit(&r) < 0.02;
            struct trial_past past = past_of(chronic ? 288 : boots, rng_unit(&r) < 0.1 ? rng_unit(&r) : 0, cpu);
            placebo_add(&p, policy(), i < 20 ? 0 : -1, (uint8_t)(i % 3), &past);
        }
        placebo_close(&p);
        placebo_test(&p, 0, &out);
        unlike += out.word == PLACEBO_UNLIKE;
        placebo_release(&p);
    }
    print_message("%d of %d fleets\n", unlike, fleets);
    assert_true(unlike <= (int)(PLACEBO_LEVEL * fleets + 3 * sqrt(PLACEBO_LEVEL * fleets)));
    assert_true(unlike > 0);
}

/* A later wave: everybody told until then against the rest. What was logged comes out again, to the last bit. */
static void again_from_its_inputs(void **state)
{
    (void)state;
    struct placebo p, q;
    struct placebo_result r[2], r2;
    struct placebo_replay again;
    struct buf b;
    struct err e = {0};
    placebo_init(&p, policy());
    for (int i = 0; i < 300; i++) {
        int wave = i < 20 ? 0 : i < 120 ? 1 : -1;
        struct trial_past past = past_of(wave == 1 && i % 2 ? 3 : 0, 0.01 * (i % 5), 0.2 + 0.002 * (i % 17));
        placebo_add(&p, policy(), wave, (uint8_t)(i % 4), &past);
    }
    placebo_close(&p);
    for (int w = 0; w < 2; w++) {
        placebo_test(&p, w, &r[w]);
        buf_init(&b, 1 << 20);
        placebo_write(&p, policy(), w, &r[w], &b);
        assert_true(!b.over && placebo_is(b.data, b.len));
        assert_true(placebo_replay(b.data, b.len, &again, &q, &e));
        assert_true(again.same && again.wave == w && again.now.word == r[w].word && again.cells == p.n);
        placebo_test(&q, 1 - w, &r2);
        placebo_release(&q);
        char *changed = strstr(b.data, "],[0,1,3,1,");
        assert_non_null(changed);
        changed[strlen("],[0,1,3,1,")]++; /* some more of one side */
        assert_true(placebo_replay(b.data, b.len, &again, NULL, &e));
        assert_false(again.same);
        buf_release(&b);
    }
    assert_int_equal(r[1].word, PLACEBO_UNLIKE);
    assert_true(r[1].canary == 120 && r[1].control == 180 && r[1].more);
    assert_true(r2.log_p >= r[0].log_p && r2.log_p <= r[0].log_p); /* what was read is what was written */
    placebo_release(&p);
}

static void inputs_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"placebo\":1}",
        "{\"placebo\":2,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[]}",
        "{\"placebo\":1,\"wave\":64,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0\",\"metrics\":[],\"cells\":[]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[[0,0,0,0]]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[[0,64,0,0,1]]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[[0,0,0,0,1],[0,0,0,0,1]]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[[0,0,0,0,0]]}",
        "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[[0,0,0.5,0,1]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct placebo_replay again;
        struct err e = {0};
        assert_false(placebo_replay(bad[i], strlen(bad[i]), &again, NULL, &e));
        assert_true(e.what[0] != '\0');
    }
    static const char none[] = "{\"placebo\":1,\"wave\":0,\"log_p\":\"0x0p+0\",\"metrics\":[],\"cells\":[]}";
    struct placebo_replay again;
    struct err e = {0};
    assert_true(placebo_replay(none, strlen(none), &again, NULL, &e));
    assert_true(again.same && again.now.word == PLACEBO_UNKNOWN);
    assert_false(placebo_is("{\"test\":\"cpu\"}", 14));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canaries_that_reboot_more), cmocka_unit_test(within_strata),
        cmocka_unit_test(less_counts_too),           cmocka_unit_test(differences),
        cmocka_unit_test(what_nobody_knows),         cmocka_unit_test(level_is_kept),
        cmocka_unit_test(again_from_its_inputs),     cmocka_unit_test(inputs_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
