/* The screen "why": what it says in each state, what its keys do, and where evidence shows elsewhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "evidence.h"
#include "scene.h"

static void open_why(struct scene *s, void (*prepare)(struct fixture *), int rows, int cols)
{
    scene_init(s, rows, cols, false);
    prepare(&s->f);
    scene_type(s, ":explain 4466\n");
    assert_int_equal(app_view(s->app), VIEW_EXPLAIN);
}

static void shows(struct scene *s, const char *text)
{
    if (!scene_shows(s, text)) {
        char *all = scene_text(s);
        fail_msg("'%s' is not on:\n%s", text, all);
    }
}

/* The row that begins with the cursor's mark. */
static void cursor_on(struct scene *s, const char *text)
{
    char *all = scene_text(s), *save = NULL;
    bool found = false;
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "▸", strlen("▸"))) {
            found = true;
            if (!strstr(line, text))
                fail_msg("the cursor is on '%s', not on %s", line, text);
        }
    }
    free(all);
    if (!found)
        fail_msg("no cursor");
}

static void test_says_what_an_operator_needs(void **state)
{
    (void)state;
    struct scene s;
    open_why(&s, evidence_loop, 60, 100);
    shows(&s, "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others. Evidence 72,000; 659");
    shows(&s, "ROLL BACK");
    shows(&s, "outside the promise");
    shows(&s, "em-19ce-2210");
    shows(&s, "model hearth-3 rev C           3 of 3 of them, 31% of all devices, 3.26x as common");
    shows(&s, "bake time: 12m left");
    shows(&s, "cannot see reboots x2");
    shows(&s, "in at most 5% of cases");
    shows(&s, "Not covered:");
    shows(&s, "alpha 5%");
    shows(&s, "evidence up to 12:41:00Z, 7s old");
    scene_release(&s);
}

/* What is not known must not read as health. */
static void test_unknown_is_not_healthy(void **state)
{
    (void)state;
    static void (*const BLIND[])(struct fixture *) = {evidence_catching, evidence_off};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        open_why(&s, BLIND[i], 30, 100);
        assert_false(scene_shows(&s, "✓ ok  No"));
        assert_false(scene_shows(&s, "No test speaks against"));
        shows(&s, "no verdict by evidence");
        scene_release(&s);
    }
    struct scene s;
    open_why(&s, evidence_behind, 30, 100);
    shows(&s, "BEHIND");
    shows(&s, "Evidence stands still");
    scene_release(&s);
    open_why(&s, evidence_healthy, 30, 100);
    s.f.s->telemetry.state = LINK_STALE;
    scene_draw(&s);
    for (int row = 0; row < 30; row++) { /* figures of old telemetry are dimmed */
        const struct cell *c = &s.c.cells[row * 100];
        if (c[4].glyph == 'r' && c[5].glyph == 'e' && c[6].glyph == 'b' && c[10].glyph == '-')
            assert_int_equal(c[25].role, ROLE_STALE);
    }
    scene_release(&s);
}

static void test_dry_run_is_no_halt(void **state)
{
    (void)state;
    struct scene s;
    open_why(&s, evidence_dry_run, 30, 100);
    shows(&s, "dry run: evidence is shown and logged, it never acts; it would roll back");
    for (int i = 3 * 100; i < 12 * 100; i++) { /* verdict and evidence; the devices are bad all the same */
        if (s.c.cells[i].role == ROLE_BAD)
            fail_msg("row %d is drawn as a halt in a dry run", i / 100);
    }
    scene_release(&s);
}

/* A wave that is over has no verdict any more: what its tests reached must not read as health. */
static void test_closed_wave_keeps_what_it_reached(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    evidence_loop(&s.f);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    r->trial.stages[1] = r->trial.stages[2];
    r->waves[1].watched = true;
    r->waves[1].verdict.react = REACT_NONE;
    r->waves[1].verdict.rule = "";
    scene_type(&s, ":4466\n");
    shows(&s, "W1 group-2         1.0%       108       107       1  ✖ ROLL BACK");
    scene_type(&s, ":explain 4466\n[");
    shows(&s, "✖ ROLL BACK  3 of 20 canaries have rebooted in a loop");
    r->trial.dry_run = true;
    shows(&s, "▲ would act  3 of 20 canaries have rebooted in a loop");
    scene_release(&s);
}

static void test_cursor_follows_the_device(void **state)
{
    (void)state;
    struct scene s;
    open_why(&s, evidence_loop, 40, 100);
    for (int i = 0; i < 60 && !scene_shows(&s, "▸ ✖ em-7f3a-01c4"); i++)
        scene_key(&s, 'j');
    cursor_on(&s, "em-7f3a-01c4");
    /* Another test begins to speak: rows move, the cursor stays on its device. */
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    struct evidence *e = (struct evidence *)(uintptr_t)&r->trial.stages[2].v[TEST_SILENT];
    e->log_e = 2;
    s.f.s->generation++;
    scene_key(&s, KEY_NONE_);
    cursor_on(&s, "em-7f3a-01c4");
    scene_key(&s, KEY_ENTER_);
    assert_int_equal(app_view(s.app), VIEW_DEVICE);
    assert_string_equal(s.f.s->focus.device, "em-7f3a-01c4");
    scene_type(&s, "\033");
    assert_int_equal(app_view(s.app), VIEW_EXPLAIN);
    cursor_on(&s, "em-7f3a-01c4");
    scene_release(&s);
}

/* The page shows safe ids, clipped; the engine is asked by the server's own, also for a device of a wave whose list is
 * not the one that is read. */
static void test_enter_asks_for_the_raw_id(void **state)
{
    (void)state;
    static const char *const RAW[] = {"em-7f3a-0091\x01", "em-7f3a-01c4\x02", "em-19ce-2210"};
    struct scene s;
    open_why(&s, evidence_loop, 40, 100);
    fixture_rollout(&s.f, "4466")->trial.carriers_raw = RAW;
    s.f.s->n_devices = 0;
    shows(&s, "em-7f3a-01c4        has rebooted in a loop"); /* what is known of it all the same */
    for (int i = 0; i < 60 && !scene_shows(&s, "▸   em-7f3a-01c4"); i++)
        scene_key(&s, 'j');
    scene_key(&s, KEY_ENTER_);
    assert_int_equal(app_view(s.app), VIEW_DEVICE);
    assert_string_equal(s.f.s->focus.device, RAW[1]);
    scene_release(&s);
}

static void test_keys(void **state)
{
    (void)state;
    struct scene s;
    open_why(&s, evidence_loop, 40, 100);
    assert_false(scene_shows(&s, "✓ stuck-sensor"));
    scene_type(&s, "m");
    shows(&s, "✓ stuck-sensor");
    scene_type(&s, "m]");
    shows(&s, "verdict W3");
    shows(&s, "tests of this wave have not begun");
    scene_type(&s, "]"); /* there is no other */
    shows(&s, "verdict W3");
    scene_type(&s, "[[");
    shows(&s, "verdict W1");
    scene_type(&s, "y");
    assert_int_equal(s.last.kind, ACT_COPY);
    scene_type(&s, "H"); /* a halt is offered everywhere, on this rollout */
    shows(&s, "4466");
    scene_type(&s, "\n");
    assert_int_equal(s.last.kind, ACT_SUBMIT);
    assert_string_equal(s.last.intent.rollout, "4466");
    scene_release(&s);
}

static void test_ways_in(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    scene_type(&s, "e");
    assert_int_equal(app_view(s.app), VIEW_EXPLAIN);
    shows(&s, "4471 › W2 why");
    scene_type(&s, "\033\n[e"); /* from a rollout: the wave that is shown there */
    shows(&s, "4471 › W1 why");
    scene_type(&s, "\033\033:explain nope\n");
    assert_int_equal(app_view(s.app), VIEW_BOARD);
    shows(&s, "there is no rollout nope");
    scene_type(&s, ":why\n");
    assert_int_equal(app_view(s.app), VIEW_EXPLAIN);
    s.f.s->n_rollouts = 0; /* gone while it is looked at */
    s.f.s->generation++;
    scene_key(&s, 'j');
    shows(&s, "is not there any more");
    scene_release(&s);
}

static void board_cell(struct scene *s, const char *want)
{
    s->f.s->generation++;
    char *all = scene_text(s), *line = strstr(all, " 4466 ");
    if (line)
        *strchr(line, '\n') = '\0';
    if (!line || !strstr(line, want))
        fail_msg("'%s' is not in '%s'", want, line ? line : all);
    free(all);
}

static void test_board_shows_the_worst_metric(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    evidence_healthy(&s.f);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    struct wave_view *w = &r->waves[2];
    board_cell(&s, "rbt 1.01x");
    w->verdict.limits[2].status = LIMIT_BREACH;
    board_cell(&s, "var 1.04x");
    w->verdict.limits[2].status = LIMIT_OK;
    w->verdict.limits[1].status = LIMIT_PENDING;
    board_cell(&s, "cpu ");
    w->verdict.limits[3].status = LIMIT_BREACH;
    board_cell(&s, "inst 0.3%");
    w->verdict.rule = "R-CPU"; /* what decided goes before what is worst now */
    board_cell(&s, "cpu ");
    w->verdict.rule = "variance-8";
    board_cell(&s, "var 1.04x");
    w->verdict.rule = "";
    w->verdict.limits[1].status = w->verdict.limits[3].status = LIMIT_OK;
    evidence_watch(&s.f);
    board_cell(&s, "quiet 2");
    scene_release(&s);
}

/* Canaries that differ before the rollout: said on both screens before anybody trusts the verdict; that they do not
 * differ, in full only by "why". */
static void test_canaries_that_are_not_like_control(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 40, 120, false);
    evidence_watch(&s.f);
    scene_type(&s, ":4466\n");
    shows(&s, "! placebo test: NOT like control before the rollout (p=0.0003: more reboots); e why");
    scene_type(&s, "e");
    shows(&s, "Placebo test: NOT like control (p=0.0003). Before the rollout");
    scene_release(&s);
    scene_init(&s, 40, 120, false);
    evidence_healthy(&s.f);
    scene_type(&s, ":4466\n");
    assert_false(scene_shows(&s, "placebo test"));
    scene_type(&s, "e");
    shows(&s, "Placebo test: like control.");
    scene_release(&s);
}

/* The mark behind a metric's figures is that of what has been found, not of the limit alone. */
static void test_no_tick_beside_what_a_test_has_found(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    evidence_loop(&s.f);
    scene_type(&s, "/cam\n");
    shows(&s, "reboots/dev-day 0.10 vs 0.10  ✖ crash-loop");
    scene_type(&s, "\n");
    shows(&s, "0.10 vs 0.10  1.01x  ✖ crash");
    shows(&s, "✓ ok      R-REBOOT"); /* the limit's own row */
    fixture_rollout(&s.f, "4466")->waves[2].verdict.limits[0].status = LIMIT_BREACH;
    s.f.s->generation++;
    shows(&s, "1.01x  ✖ breach");
    scene_release(&s);
}

static void test_next_is_to_acknowledge(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    struct rollout_view *r = fixture_rollout(&s.f, "4471");
    r->rollback.step = RB_DONE, r->rollback.outcome = RB_COMPLETE;
    s.f.s->generation++;
    shows(&s, "you: ack (a)");
    r->rollback.outcome = RB_PARTLY; /* devices are left: more is to be decided */
    s.f.s->generation++;
    assert_false(scene_shows(&s, "you: ack (a)"));
    scene_release(&s);
}

static void test_no_history_is_said(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    scene_type(&s, "\n\n\n");
    assert_int_equal(app_view(s.app), VIEW_DEVICE);
    assert_false(scene_shows(&s, "no history is kept"));
    struct device_detail *v = (struct device_detail *)(uintptr_t)s.f.s->device;
    for (int i = 0; i < TREND_N; i++)
        v->cpu[i] = NAN;
    shows(&s, "cpu          no history is kept");
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_an_operator_needs),
        cmocka_unit_test(test_unknown_is_not_healthy),
        cmocka_unit_test(test_dry_run_is_no_halt),
        cmocka_unit_test(test_closed_wave_keeps_what_it_reached),
        cmocka_unit_test(test_cursor_follows_the_device),
        cmocka_unit_test(test_enter_asks_for_the_raw_id),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_ways_in),
        cmocka_unit_test(test_board_shows_the_worst_metric),
        cmocka_unit_test(test_canaries_that_are_not_like_control),
        cmocka_unit_test(test_no_tick_beside_what_a_test_has_found),
        cmocka_unit_test(test_next_is_to_acknowledge),
        cmocka_unit_test(test_no_history_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
