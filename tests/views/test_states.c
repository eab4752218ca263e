/* Every state is told by words, so that a screen without colours and without Unicode says the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "scene.h"

static void draw_state(struct scene *s, const char *id, char out[16])
{
    char *all = scene_text(s), *save = NULL, want[24];
    out[0] = '\0';
    snprintf(want, sizeof want, " %s ", id);
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        /* a row of the list: two columns, seven of state, the id */
        if (strlen(line) > 16 && !strncmp(line + 9, want, strlen(want)))
            snprintf(out, 16, "%.7s", line + 2);
    }
    free(all);
    if (!out[0])
        fail_msg("rollout %s is not on the board", id);
}

static void clear(struct rollout_view *r)
{
    r->stop = STOP_FREE, r->latched = false, r->verdict = REACT_NONE, r->gate_waits = false;
    r->rollback.step = RB_NONE, r->rollback.outcome = RB_PARTLY;
    r->rollout.state = ROLLOUT_RUNNING;
    r->rollout.counts.error = r->rollout.counts.cancelled = 0;
    r->waves[r->current].wave.counts.running = 7;
}

static void test_board_states_differ(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 40, 100, true);
    s.f.s->n_alerts = 0;
    struct rollout_view *r = fixture_rollout(&s.f, "4471");
    char seen[24][16];
    size_t n = 0;
    enum { STATES = 20 };
    for (int i = 0; i < STATES; i++) {
        clear(r);
        switch (i) {
        case 0:
            r->stop = STOP_HALTED;
            r->latched = true;
            break;
        case 1:
            r->stop = STOP_ASKED;
            break;
        case 2:
            r->stop = STOP_ESCALATED;
            r->latched = true;
            break;
        case 3:
            r->verdict = REACT_WATCH;
            break;
        case 4:
            r->verdict = REACT_HOLD;
            break;
        case 5:
            r->verdict = REACT_PAUSE;
            break;
        case 6:
            r->gate_waits = true;
            break;
        case 7:
            break;
        case 8:
            r->waves[r->current].wave.counts.running = 0;
            break; /* soak */
        case 9:
            r->rollout.state = ROLLOUT_PAUSED;
            break;
        case 10:
            r->rollout.state = ROLLOUT_STOPPED;
            break;
        case 11:
            r->rollout.state = ROLLOUT_STOPPING;
            break;
        case 12:
            r->rollout.state = ROLLOUT_READY;
            break;
        case 13:
            r->rollout.state = ROLLOUT_CREATING;
            break;
        case 14:
            r->rollout.state = ROLLOUT_STARTING;
            break;
        case 15:
            r->rollout.state = ROLLOUT_FINISHED;
            r->rollout.counts.finished = r->rollout.total;
            break;
        case 16:
            r->rollout.state = ROLLOUT_FINISHED;
            r->rollout.counts.error = 1;
            break;
        case 17:
            r->rollout.state = ROLLOUT_DENIED;
            break;
        case 18:
            r->rollback.step = RB_DONE;
            r->rollback.outcome = RB_COMPLETE;
            break;
        default:
            r->rollback.step = RB_DONE;
            break; /* not every device came back */
        }
        s.f.s->generation++;
        draw_state(&s, "4471", seen[n]);
        for (size_t k = 0; k < n; k++) {
            if (!strcmp(seen[k], seen[n]))
                fail_msg("states %zu and %zu both read '%s'", k, n, seen[n]);
        }
        n++;
    }
    scene_release(&s);
}

static void test_device_states_differ(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 40, 100, true);
    scene_type(&s, "\n\n");
    struct device_row *v = (struct device_row *)(uintptr_t)s.f.s->devices;
    static const char *const WORD[] = {"+ OK", "X BAD", "! ODD", "? OLD", "@ UPD", "o WAIT", "X FAIL", "? GONE"};
    s.f.s->n_devices = 1;
    for (unsigned i = DEV_OK; i <= DEV_GONE; i++) {
        v[0].state = i;
        s.f.s->generation++;
        assert_true(scene_shows(&s, WORD[i]));
    }
    scene_release(&s);
}

static void test_freshness_in_words(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 24, 80, true);
    struct snapshot *x = s.f.s;
    static const char *const where[] = {"", "\n", "\n", "\n", "l", "?"};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        scene_type(&s, where[i]);
        x->link.state = LINK_LIVE, x->link.last_ok = NOW - 2 * US_PER_S, x->taken_at = NOW, x->link.retries = 0;
        assert_true(scene_shows(&s, "* live 2s"));
        x->link.state = LINK_SLOW, x->link.last_ok = NOW - 9 * US_PER_S;
        assert_true(scene_shows(&s, "o slow 9s"));
        x->link.state = LINK_STALE, x->link.last_ok = NOW - 34 * US_PER_S, x->link.retries = 5;
        assert_true(scene_shows(&s, "! STALE 34s  retry 5"));
        /* An engine that hangs leaves a snapshot that says "live" for ever: its age tells. */
        x->link.state = LINK_LIVE, x->link.last_ok = x->taken_at = NOW - 40 * US_PER_S, x->link.retries = 0;
        assert_true(scene_shows(&s, "! STALE 40s"));
        x->link.state = LINK_FAILED, x->link.last_ok = 0;
        assert_true(scene_shows(&s, "! NO LINK"));
        x->link.state = LINK_CONNECTING;
        assert_true(scene_shows(&s, "o connecting"));
    }
    scene_release(&s);
}

/* Cells of a role on the line that holds the text. */
static int cells_of(struct scene *s, const char *text, enum role role)
{
    scene_draw(s);
    int n = 0;
    for (int r = 0; r < s->c.rows; r++) {
        char line[600];
        int k = 0;
        for (int i = 0; i < s->c.cols; i++) {
            uint32_t g = s->c.cells[r * s->c.cols + i].glyph;
            line[k++] = g < 0x80 ? (char)g : '?';
        }
        line[k] = '\0';
        if (!strstr(line, text))
            continue;
        for (int i = 0; i < s->c.cols; i++)
            n += s->c.cells[r * s->c.cols + i].role == role;
        return n;
    }
    fail_msg("'%s' is not on the screen", text);
    return 0;
}

static void test_stale_numbers_are_dimmed(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, true);
    assert_int_equal(cells_of(&s, " 4466 cam", ROLE_STALE), 0);
    fixture_stale(&s.f);
    assert_true(cells_of(&s, " 4466 cam", ROLE_STALE) > 15);
    assert_true(scene_shows(&s, "Rows show the last good answer, 34s old"));
    scene_type(&s, "\n");
    assert_true(cells_of(&s, "W1 group-2", ROLE_STALE) > 5);
    assert_true(cells_of(&s, "R-CPU", ROLE_STALE) > 5);
    scene_release(&s);
}

static void test_missing_telemetry_is_not_healthy(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, true);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    struct wave_view *w = &r->waves[r->current];
    w->verdict.data_missing = true;
    for (int m = 0; m < FIGURES_MAX; m++)
        w->health.value[m] = w->health.ratio[m] = NAN;
    for (size_t i = 0; i < w->verdict.n_limits; i++)
        w->verdict.limits[i].status = LIMIT_UNKNOWN, w->verdict.limits[i].value = NAN;
    s.f.s->generation++;
    scene_type(&s, "/4466\n");
    assert_false(scene_shows(&s, "+1%"));
    assert_true(scene_shows(&s, "telemetry missing"));
    scene_type(&s, "\n");
    assert_true(scene_shows(&s, "? unknown R-REBOOT"));
    assert_true(scene_shows(&s, "unknown is not healthy"));
    assert_false(scene_shows(&s, "+ ok      R-"));
    scene_release(&s);
}

/* Each sentence names the rule that says it: what was found after the halt is not taken for what halted. */
static void test_what_is_found_after_the_halt(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    struct rollout_view *r = fixture_rollout(&s.f, "4471");
    struct wave_view *w = &r->waves[r->current];
    static const struct {
        const char *by, *rule, *text, *shown;
    } cases[] = {
        {"rule cpu", "R-CPU", "cpu 38% against 22%, at 12:44:00Z", "✖ also  R-CPU: cpu 38% against 22%"},
        {"rule install", "install", "9 of 20 devices told failed. Evidence 160; 100", "✖ now  install: 9 of 20"},
        {"m.ito", "install", "9 of 20 devices told failed. Evidence 160; 100", "✖ also  install: 9 of 20"},
        {"rule R-REBOOT", "R-REBOOT", "reboots 3.1x control", "✖ HALT  R-REBOOT: reboots 3.1x control"},
    };
    r->halt_text = "W2: reboots 3.1x control (limit 1.5x)";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r->halted_by = cases[i].by, w->verdict.rule = cases[i].rule;
        snprintf(w->verdict.text, sizeof w->verdict.text, "%s", cases[i].text);
        s.f.s->generation++;
        assert_true(scene_shows(&s, cases[i].shown));
    }
    scene_release(&s);
}

static void test_ok_needs_figures(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    struct wave_view *w = &r->waves[r->current];
    for (int i = 0; i < FIGURE_INSTALL; i++)
        w->health.value[i] = NAN;
    snprintf(w->verdict.text, sizeof w->verdict.text, "21 of 21 canaries report; too early to say how they do");
    s.f.s->generation++;
    scene_type(&s, "/4466\n");
    assert_true(scene_shows(&s, "◌ not yet  21 of 21 canaries report"));
    assert_false(scene_shows(&s, "✓ ok"));
    scene_release(&s);
}

/* Of whom a wave is compared with only what was measured before may be left; of one that is over nothing is shown. */
static void test_control_as_last_measured(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    struct wave_view *w = &r->waves[r->current];
    scene_type(&s, "/4466\n");
    assert_true(scene_shows(&s, "canary 393 of 480   control 1,940"));
    w->health.control_frozen_at = NOW - US_PER_HOUR;
    s.f.s->generation++;
    assert_true(scene_shows(&s, "control 1,940 as of 11:41Z"));
    w->health.control_frozen_at = w->health.control.expected = 0;
    s.f.s->generation++;
    assert_true(scene_shows(&s, "control none"));
    w->watched = false;
    s.f.s->generation++;
    assert_true(scene_shows(&s, "393 of 480 installed"));
    assert_false(scene_shows(&s, "control none"));
    scene_release(&s);
}

/* At 80 columns the key that names the others, and all that is known of the device under the cursor. */
static void test_nothing_said_is_cut_off(void **state)
{
    (void)state;
    static const char *const keys[] = {"", "\n", "\n\n", ":explain 4466\n"};
    struct scene s;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        scene_init(&s, 24, 80, false);
        scene_type(&s, keys[i]);
        assert_true(scene_shows(&s, "? help"));
        scene_release(&s);
    }
    scene_init(&s, 24, 80, false);
    scene_type(&s, "\n\n");
    for (size_t i = 0; i < s.f.s->n_devices; i++)
        ((struct device_row *)(uintptr_t)s.f.s->devices)[i].note =
            "has measured with 16 times its own variance or more";
    s.f.s->generation++;
    assert_true(scene_shows(&s, "has measured with 16 times its own variance or more"));
    scene_release(&s);
}

static void test_what_a_server_cannot_do_is_said(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, true);
    scene_type(&s, "/4457\n");
    assert_true(scene_shows(&s, ">!= PAUSE 4457"));
    assert_true(scene_shows(&s, "error threshold 100 of W0 never fires"));
    scene_type(&s, "/\0254452\n");
    assert_true(scene_shows(&s, "WHAT?")); /* a state that andon does not know */
    scene_release(&s);
}

static void test_log_and_failed_commands_show(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, true);
    s.f.s->n_alerts = 0, s.f.s->rollouts[1].latched = false, s.f.s->rollouts[1].stop = STOP_FREE;
    s.f.s->audit.degraded = true, s.f.s->audit.backlog = 4;
    assert_true(scene_shows(&s, "! LOG emea-home"));
    assert_true(scene_shows(&s, "4 entries wait to be logged late"));
    s.f.s->audit.degraded = false;
    s.f.s->ops[0].phase = OP_REFUSED, s.f.s->ops[0].ended = NOW - 5 * US_PER_S;
    s.f.s->ops[0].text = "somebody else was faster";
    assert_true(scene_shows(&s, "X halt 4471: refused  somebody else was faster"));
    s.f.s->ops[0].ended = NOW - 300 * US_PER_S;
    assert_false(scene_shows(&s, "somebody else was faster"));
    scene_release(&s);
}

static void test_finished_is_not_success(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, true);
    struct rollout_view *r = fixture_rollout(&s.f, "4449");
    scene_type(&s, "/4449\n");
    assert_true(scene_shows(&s, "+ DONE  4449"));
    r->rollout.counts.finished--; /* one device too few */
    s.f.s->generation++;
    assert_true(scene_shows(&s, "! ENDED 4449"));
    r->rollout.counts.known = false;
    s.f.s->generation++;
    assert_true(scene_shows(&s, "! DONE? 4449"));
    scene_type(&s, "\n");
    assert_true(scene_shows(&s, "+ DONE   W0 canary"));
    /* A stop "finishes" waves that no device was ever told of. */
    r->waves[3].wave.counts.finished = 0;
    r->waves[2].wave.counts.finished--;
    assert_true(scene_shows(&s, "o NEVER  W3"));
    assert_true(scene_shows(&s, "! ENDED  W2"));
    scene_release(&s);
}

/* Whose roll back it is, by its signed note; what nobody known has signed is a claim and drawn as one. */
static void test_a_roll_back_says_whose(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 40, 140, false);
    struct rollout_view *r = fixture_rollout(&s.f, "4466");
    r->rollback_of = "4471", r->rollback_by = "m.ito", r->rollback_host = "console-2";
    s.f.s->generation++;
    scene_type(&s, ":goto 4466\n");
    assert_true(scene_shows(&s, "↶ roll back of 4471, by m.ito on console-2"));
    r->rollback_by = r->rollback_host = "";
    s.f.s->generation++;
    scene_key(&s, KEY_NONE_);
    assert_true(scene_shows(&s, "↶ roll back of 4471"));
    assert_false(scene_shows(&s, ", by "));
    r->rollback_claimed = true;
    s.f.s->generation++;
    scene_key(&s, KEY_NONE_);
    assert_true(scene_shows(&s, "says that it is a roll back of 4471; no key known here has signed that"));
    scene_release(&s);
}

static void test_production_is_loud(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 30, 100, false);
    static const char *const where[] = {"", "\n", "\n", "\n", "l"};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        scene_type(&s, where[i]);
        scene_draw(&s);
        int n = 0;
        for (int k = 0; k < s.c.cols; k++)
            n += s.c.cells[k].role == ROLE_BAR_PROD;
        assert_int_equal(n, 6);
    }
    s.f.s->production = false, s.f.s->environment = "lab", s.f.s->read_only = true;
    assert_true(scene_shows(&s, "▏lab▕"));
    assert_true(scene_shows(&s, "READ ONLY"));
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_board_states_differ),
        cmocka_unit_test(test_device_states_differ),
        cmocka_unit_test(test_freshness_in_words),
        cmocka_unit_test(test_stale_numbers_are_dimmed),
        cmocka_unit_test(test_missing_telemetry_is_not_healthy),
        cmocka_unit_test(test_what_is_found_after_the_halt),
        cmocka_unit_test(test_ok_needs_figures),
        cmocka_unit_test(test_control_as_last_measured),
        cmocka_unit_test(test_nothing_said_is_cut_off),
        cmocka_unit_test(test_what_a_server_cannot_do_is_said),
        cmocka_unit_test(test_log_and_failed_commands_show),
        cmocka_unit_test(test_finished_is_not_success),
        cmocka_unit_test(test_a_roll_back_says_whose),
        cmocka_unit_test(test_production_is_loud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
