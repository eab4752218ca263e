/* First passages: what of a device's data is an event, and who is counted at risk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/passage.h"
#include "core/policy.h"

static struct watched device(uint8_t flags, uint8_t stratum)
{
    struct watched w;

    memset(&w, 0, sizeof w);
    watched_restart(&w);
    w.counter = 0;
    w.cpu.base = w.var.base = 1;
    w.flags = flags;
    w.cell = stratum;
    return w;
}

static void a_device_costs_96_bytes(void **state)
{
    (void)state;
    assert_true(sizeof(struct watched) <= 96);
}

static void levels_include_their_limit(void **state)
{
    struct gauge cpu, variance;

    (void)state;
    gauge_init(&cpu, &policy_default()->evidence, ROW_CPU);
    gauge_init(&variance, &policy_default()->evidence, ROW_VARIANCE);
    assert_int_equal(gauge_levels(&cpu, 1.2499), 0);
    assert_int_equal(gauge_levels(&cpu, 1.25), PASSAGE_BIT(PASSAGE_CPU125));
    assert_int_equal(gauge_levels(&cpu, 2),
                     PASSAGE_BIT(PASSAGE_CPU125) | PASSAGE_BIT(PASSAGE_CPU150) | PASSAGE_BIT(PASSAGE_CPU200));
    assert_int_equal(gauge_levels(&cpu, INFINITY), PASSAGE_CPUS);
    assert_int_equal(gauge_levels(&cpu, NAN), 0);
    assert_int_equal(gauge_levels(&variance, 3.99), 0);
    assert_int_equal(gauge_levels(&variance, 8), PASSAGE_BIT(PASSAGE_VAR4) | PASSAGE_BIT(PASSAGE_VAR8));
    assert_int_equal(gauge_levels(&variance, 1.0 / 16), PASSAGE_BIT(PASSAGE_STUCK));
    assert_int_equal(gauge_levels(&variance, 0.0626), 0);
    assert_int_equal(gauge_levels(&variance, NAN), 0);
}

static void counters_and_times_of_boot(void **state)
{
    struct watched w = device(WATCHED_CANARY, 0);

    (void)state;
    int64_t since = 0;
    w.counter = NAN;
    assert_int_equal(watched_count(&w, 40, false, &since), 0); /* the first value is the base */
    assert_int_equal(watched_count(&w, NAN, false, &since), 0);
    assert_int_equal(watched_count(&w, INFINITY, false, &since), 0);
    assert_int_equal(watched_count(&w, 42, false, &since), 2);
    assert_int_equal(watched_count(&w, 42.4, false, &since), 0);
    assert_int_equal(watched_count(&w, 0, false, &since), 1); /* a fall: at least one, no more can be known */
    assert_int_equal(watched_count(&w, 1e9, false, &since), 100);
    w.counter = 1000;
    since = 2000 * US_PER_S;
    assert_int_equal(watched_count(&w, 1004, true, &since), 0);
    assert_int_equal(watched_count(&w, 1040, true, &since), 0); /* its clock was set */
    assert_true(w.flags & WATCHED_MOVED);
    since = 2015 * US_PER_S;
    assert_int_equal(watched_count(&w, 2040, true, &since), 1);
    assert_int_equal(since, 2015 * US_PER_S); /* not before: only the clock was set then */
    assert_int_equal(w.flags, WATCHED_CANARY);
}

static void a_loop_is_three_within_half_an_hour(void **state)
{
    struct watched w = device(WATCHED_CANARY, 0);

    (void)state;
    assert_int_equal(watched_boots(&w, 1, 0, 100), PASSAGE_BIT(PASSAGE_BOOT1));
    assert_false(watched_boots(&w, 1, 900, 1000) & PASSAGE_BIT(PASSAGE_LOOP));
    assert_false(watched_boots(&w, 1, 1800, 1901) & PASSAGE_BIT(PASSAGE_LOOP)); /* 1801 s after the first */
    assert_true(watched_boots(&w, 1, 2000, 2800) & PASSAGE_BIT(PASSAGE_LOOP));  /* 1800 s after the second */
    watched_restart(&w);
    assert_int_equal(watched_boots(&w, 3, 0, 60) & PASSAGE_BOOTS,
                     PASSAGE_BIT(PASSAGE_LOOP) | PASSAGE_BIT(PASSAGE_BOOT1) | PASSAGE_BIT(PASSAGE_BOOT2));
    watched_restart(&w);
    assert_int_equal(watched_boots(&w, 8, 0, 8 * 901) & PASSAGE_BIT(PASSAGE_LOOP), 0); /* spread over two hours */
    assert_int_equal(w.boots, 8);
    assert_int_equal(watched_boots(&w, 100, 9000, 9010), PASSAGE_BOOTS); /* all levels */
    for (int i = 0; i < 4; i++)
        watched_boots(&w, 100, 9010, 9020);
    assert_int_equal(w.boots, 255);
}

static void only_what_its_data_can_show(void **state)
{
    struct watched w = device(WATCHED_CONTROL, 0);

    (void)state;
    assert_int_equal(watched_shows(&w), (1 << PASSAGE_COUNT) - 1);
    w.counter = NAN;
    w.cpu.base = NAN;
    w.var.base = 0;
    assert_int_equal(watched_shows(&w), PASSAGE_BIT(PASSAGE_SILENT) | PASSAGE_AWAYS);
}

static void risk_sets_add_up(void **state)
{
    struct risk *r = calloc(1, sizeof *r), *again = calloc(1, sizeof *again);

    for (int a = 0; a < 4; a++)
        strata_find(&r->strata, a, 0, 0);
    again->strata = r->strata;
    struct tail t;
    struct journal j = {0};
    size_t room = 3;
    struct watched w[6];
    const uint64_t boot = PASSAGE_BIT(PASSAGE_BOOT1);

    (void)state;
    tail_init(&t, &policy_default()->evidence);
    r->kinds = again->kinds = PASSAGE_COUNT;
    assert_true(t.e[PASSAGE_LOOP].theta0 == 1 && t.e[PASSAGE_BOOT1].theta0 == 1.25);
    for (int i = 0; i < 6; i++) {
        w[i] = device(i < 2 ? WATCHED_CANARY : WATCHED_CONTROL, (uint8_t)(i % 2));
        w[i].excluded = i == 5 ? PASSAGE_BIT(PASSAGE_LOOP) : 0;
        risk_enter(r, &t, &w[i], NULL, PASSAGE_BOOTS);
        risk_enter(r, &t, &w[i], NULL, PASSAGE_BOOTS); /* once */
    }
    assert_int_equal(r->y[0][PASSAGE_BOOT1][SIDE_CANARY], 1);
    assert_int_equal(r->y[1][PASSAGE_BOOT1][SIDE_CONTROL], 2);
    assert_int_equal(r->y[1][PASSAGE_LOOP][SIDE_CONTROL], 1);
    assert_int_equal(t.now[PASSAGE_BOOT1].of[SIDE_CONTROL], 4);

    risk_happen(r, &t, &w[0], NULL, boot);
    risk_happen(r, &t, &w[0], NULL, boot); /* once */
    risk_happen(r, &t, &w[2], NULL, boot);
    risk_censor(r, &w[3], NULL, ~UINT64_C(0));
    risk_close(r, &t, &j, &room, 9);
    assert_int_equal(r->y[0][PASSAGE_BOOT1][SIDE_CANARY], 0);
    assert_int_equal(r->y[0][PASSAGE_BOOT1][SIDE_CONTROL], 1);
    assert_int_equal(r->y[1][PASSAGE_BOOT1][SIDE_CONTROL], 1);
    assert_int_equal(j.n, 1);
    assert_true(j.v[0].tick == 9 && j.v[0].yc == 1 && j.v[0].yk == 2 && j.v[0].dc == 1 && j.v[0].dk == 1);
    assert_int_equal(t.now[PASSAGE_BOOT1].had[SIDE_CANARY], 1);
    assert_int_equal(t.now[PASSAGE_BOOT1].carried, 1);
    risk_enter(r, &t, &w[0], NULL, PASSAGE_BOOTS); /* has had it: not again */
    assert_int_equal(r->y[0][PASSAGE_BOOT1][SIDE_CANARY], 0);
    risk_enter(r, &t, &w[3], NULL, PASSAGE_BOOTS); /* back from a silence: still one of four */
    assert_int_equal(t.now[PASSAGE_BOOT1].of[SIDE_CONTROL], 4);

    risk_happen(r, &t, &w[4], NULL, boot); /* control only, and no canary left in its stratum: nothing to compare */
    risk_close(r, &t, &j, &room, 10);
    assert_int_equal(j.n, 1);
    assert_int_equal(t.now[PASSAGE_BOOT1].had[SIDE_CONTROL], 2);

    risk_count(again, w, NULL, 6);
    assert_memory_equal(again->y, r->y, sizeof r->y);

    risk_happen(r, &t, &w[1], NULL, PASSAGE_BOOTS); /* more kinds than there is room for */
    risk_close(r, &t, &j, &room, 11);
    assert_int_equal(j.n, 3);
    assert_int_equal(room, 0);
    assert_true(j.clipped);
    assert_true(t.most[PASSAGE_BOOT8] > 0); /* the evidence goes on */
    free(j.v);
    free(r);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_costs_96_bytes),     cmocka_unit_test(levels_include_their_limit),
        cmocka_unit_test(counters_and_times_of_boot),  cmocka_unit_test(a_loop_is_three_within_half_an_hour),
        cmocka_unit_test(only_what_its_data_can_show), cmocka_unit_test(risk_sets_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
