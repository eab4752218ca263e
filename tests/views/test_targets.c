/* What a key acts on is what is highlighted; what is ambiguous asks; what is advertised holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "scene.h"
#include "views/app.h"

static int setup(void **state)
{
    struct scene *s = malloc(sizeof *s);
    scene_init(s, 30, 160, false);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene_release(*state);
    free(*state);
    return 0;
}

static void two_fleets(struct scene *s)
{
    fixture_second_fleet(&s->f); /* apac-gw (staging) also has 4471 and 4466 */
    s->f.s->generation++;
    scene_key(s, KEY_NONE_);
    scene_draw(s);
}

static void shows(struct scene *s, const char *text)
{
    if (!scene_shows(s, text)) {
        char *all = scene_text(s);
        print_message("%s", all);
        free(all);
        fail_msg("the screen does not show: %s", text);
    }
}

/* Every kind has a screen, and every screen all of its members. */
static void test_every_screen_is_whole(void **state)
{
    (void)state;
    for (int k = 0; k < VIEW_COUNT; k++) {
        const struct screen *s = screen_of((enum view_kind)k);
        assert_non_null(s);
        assert_true(s->draw && s->key && s->crumb && s->hints && s->hints[0]);
        assert_true(s->target || s->reads); /* without an object of its own no verb but the halt */
    }
}

static void test_an_id_of_two_fleets_asks(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, ":4471\n");
    assert_int_equal(app_view(s->app), VIEW_BOARD);
    shows(s, "2 fleets have a rollout 4471: say emea-home/4471 or apac-gw/4471");
    scene_type(s, ":halt 4471\n\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033:explain 4471\n");
    shows(s, "2 fleets have a rollout 4471");
    scene_type(s, ":apac-gw/4471\n");
    assert_int_equal(app_view(s->app), VIEW_ROLLOUT);
    shows(s, "board › apac-gw/4471");
    scene_type(s, "\033:halt apac-gw/4471\n");
    shows(s, "HALT apac-gw/4471 (staging) hearth 4.12.1");
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.fleet, "apac-gw");
    assert_string_equal(s->last.intent.rollout, "4471");
    /* What one fleet only has needs no more. */
    scene_type(s, ":board\n:4470\n");
    shows(s, "board › emea-home/4470");
    scene_type(s, ":resume apac-gw/9999\n");
    shows(s, "apac-gw has no rollout 9999");
    /* A halt does not wait for a list that may be old. */
    scene_type(s, ":halt apac-gw/9999\n\n");
    assert_int_equal(s->submits, 2);
    assert_string_equal(s->last.intent.rollout, "9999");
}

static void test_whole_fleet_by_name(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, ":halt apac-gw/*\n");
    shows(s, "HALT every rollout of apac-gw (staging)");
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.fleet, "apac-gw");
    assert_string_equal(s->last.intent.rollout, "");
    scene_type(s, ":ack apac-gw/*\n\n"); /* nothing is halted there */
    shows(s, "nothing in apac-gw is halted");
    assert_int_equal(s->submits, 1);
    scene_type(s, "\033:resume apac-gw/*\n"); /* no verb of a whole fleet */
    shows(s, "apac-gw has no rollout *");
}

/* hearth 4.12.1 is rolled out in both fleets, in one of them twice: one line, which opens. */
static void test_one_line_for_a_release(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    char *before = scene_text(s);
    scene_type(s, "b");
    scene_key(s, KEY_HOME_);
    scene_draw(s);
    shows(s, "by release");
    shows(s, "×3");
    shows(s, "in 2 fleets");
    size_t group, rows = s->app->board.n;
    assert_true(group_selected(s->app, &group));
    scene_type(s, "A"); /* a line of several is the object of no verb but a halt */
    assert_int_equal(s->app->dlg.verb, VERB_NONE);
    shows(s, "this line is 3 rollouts");
    scene_key(s, KEY_RIGHT_);
    assert_int_equal(s->app->board.n, rows + 3);
    scene_key(s, KEY_DOWN_);
    assert_false(group_selected(s->app, &group));
    scene_key(s, KEY_LEFT_); /* from inside: closed, and the cursor is on its line */
    assert_int_equal(s->app->board.n, rows);
    assert_true(group_selected(s->app, &group));
    scene_type(s, "b");
    shows(s, "by fleet");
    shows(s, "fleet emea-home");
    scene_type(s, "b");
    scene_key(s, KEY_HOME_);
    scene_draw(s);
    char *after = scene_text(s);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* A halt of a release everywhere: an intent for each rollout of it that has not ended, and each one's answer. */
static void test_halt_everywhere(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, ":halt apac-gw/4471\n");
    shows(s, "R this release in all fleets");
    scene_key(s, KEY_TAB_);
    scene_type(s, "R");
    shows(s, "hearth 4.12.1 in all fleets");
    shows(s, "emea-home/4471: no further device is told");
    shows(s, "apac-gw/4471: no further device is told");
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_int_equal(s->last.n_others, 2);
    assert_string_equal(s->last.intent.fleet, "emea-home");
    assert_string_equal(s->last.others[1].fleet, "apac-gw");
    assert_string_equal(s->last.others[1].rollout, "4471");
    assert_int_equal(s->last.others[1].verb, VERB_HALT);
    assert_int_equal(app_view(s->app), VIEW_ANSWERS);
    /* One was taken and is done, the other was not. */
    struct op_view done = {.ticket = 7, .verb = VERB_HALT, .rollout = "4471", .phase = OP_DONE, .text = "it is paused"};
    app_awaits(s->app, "emea-home", 7);
    app_awaits(s->app, "emea-home", 8);
    app_awaits(s->app, "apac-gw", 0);
    s->f.s->ops = &done, s->f.s->n_ops = 1;
    scene_draw(s);
    shows(s, "halt of hearth 4.12.1: 1 of 3 done");
    shows(s, "it is paused");
    shows(s, "not taken");
    s->f.s->n_ops = 0;
}

static void test_halt_of_a_group(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, "b");
    scene_key(s, KEY_HOME_);
    scene_type(s, "H");
    shows(s, "in all fleets");
    scene_type(s, "\n");
    assert_int_equal(s->last.n_others, 2);
    /* A fleet whose rollouts are not known is said to be left out. */
    scene_type(s, "\033");
    s->f.both[1]->rollouts_known = false, s->f.both[1]->n_rollouts = 0, s->f.both[1]->generation++;
    scene_type(s, ":halt emea-home/4471\n\tR");
    shows(s, "apac-gw: its rollouts are not known");
}

/* Who starts the next wave of a plan: andon where its waves have a condition for that, else a person. */
static void test_who_advances(void **state)
{
    struct scene *s = *state;
    struct rollout_view *r = fixture_rollout(&s->f, "4461");
    struct policy p = *s->f.s->policy;
    p.promotion = PROMOTE_SERVER;
    s->f.s->policy = &p;
    scene_type(s, ":4461\n");
    scene_draw(s);
    shows(s, "the server advances");
    r->rollout.caps = CAP_OWN_WAVES;
    for (size_t i = 0; i < r->n_waves; i++)
        r->waves[i].wave.success.present = true;
    scene_draw(s);
    shows(s, "andon advances");
    for (size_t i = 0; i < r->n_waves; i++)
        r->waves[i].wave.success.present = false;
    scene_draw(s);
    shows(s, "a person advances");
}

static void test_completion(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, ":adv\t");
    shows(s, ":advance");
    scene_type(s, "ap\t");
    shows(s, ":advance apac-gw/44");
    shows(s, "apac-gw/4471");
    scene_type(s, "71\t\n");
    shows(s, "apac-gw/4471");
    scene_type(s, "\033\033:447\t"); /* 4471 is ambiguous: by its names; the others by their ids */
    shows(s, "4470");
    shows(s, "emea-home/4471");
    scene_type(s, "\033:4459\t\n");
    shows(s, "board › emea-home/4459");
    scene_type(s, ":zzz\t");
    shows(s, "nothing begins with zzz");
}

/* The banner shows 4471; the cursor stands elsewhere. */
static void test_ack_moves_the_cursor(void **state)
{
    struct scene *s = *state;
    scene_type(s, "jja");
    shows(s, "Acknowledge the halt of emea-home/4471");
    shows(s, "the cursor has moved here");
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.rollout, "4471");
    scene_type(s, "H"); /* what is highlighted now is the same */
    shows(s, "HALT emea-home/4471");
    scene_type(s, "\033/cam\na"); /* also when a filter hides it */
    shows(s, "Acknowledge the halt of emea-home/4471");
    scene_type(s, "\033H");
    shows(s, "HALT emea-home/4471");
    scene_type(s, "\033:4466\na"); /* on another screen */
    shows(s, "Acknowledge the halt of emea-home/4471");
    scene_type(s, "\033H");
    shows(s, "HALT emea-home/4471");
}

static void halt(struct scene *s, const char *id)
{
    struct rollout_view *r = fixture_rollout(&s->f, id);
    r->latched = true, r->stop = STOP_HALTED, r->rollout.state = ROLLOUT_PAUSED, r->halted_at = NOW - US_PER_MIN;
    s->f.s->generation++;
    scene_draw(s);
}

/* Two are halted; the banner shows one, the cursor stands on the other. */
static void test_ack_is_of_the_highlighted(void **state)
{
    struct scene *s = *state;
    halt(s, "4466");
    scene_type(s, "G");
    scene_type(s, "g");
    while (!scene_shows(s, "▸ ✖ HALT  4466"))
        scene_type(s, "j");
    shows(s, "a ack 4466"); /* the banner is about 4471, and says what the key would do */
    scene_type(s, "a");
    shows(s, "Acknowledge the halt of emea-home/4466");
    scene_type(s, "\n");
    assert_string_equal(s->last.intent.rollout, "4466");
}

/* What came into the banner after it was last drawn is not what the key was meant for. */
static void test_a_banner_that_has_changed(void **state)
{
    struct scene *s = *state;
    struct action out;
    scene_type(s, "jj");
    halt(s, "4471");
    fixture_rollout(&s->f, "4471")->latched = false;
    fixture_rollout(&s->f, "4471")->stop = STOP_FREE;
    s->f.s->n_alerts = 0;
    struct rollout_view *r = fixture_rollout(&s->f, "4461");
    r->latched = true, r->stop = STOP_HALTED;
    s->f.s->generation++;
    app_key(s->app, &s->f.d, 'a', &out); /* no frame between */
    scene_draw(s);
    assert_false(scene_shows(s, "Acknowledge the halt of emea-home/4461"));
    scene_type(s, "\033a");
    shows(s, "Acknowledge the halt of emea-home/4461");
}

static void test_no_object_no_verb(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, "/nothing like it\nH");
    shows(s, "no rollout is highlighted: the filter hides them all");
    scene_type(s, "\n\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033");
    for (size_t i = 0; i < 2; i++)
        s->f.both[i]->n_rollouts = 0, s->f.both[i]->generation++;
    s->f.d.now += 60 * US_PER_S;
    scene_draw(s);
    scene_type(s, "H"); /* not the first fleet */
    shows(s, "no rollout is highlighted, and there are 2 fleets");
    scene_type(s, "\nP\nB");
    assert_int_equal(s->submits, 0);
}

/* The log: its verbs are of the entry that the cursor is on. */
static void test_the_log_halts_what_it_shows(void **state)
{
    struct scene *s = *state;
    two_fleets(s);
    scene_type(s, "lgH"); /* the newest entry is about no rollout */
    shows(s, "the highlighted entry is about no rollout");
    scene_type(s, "\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "jH");
    shows(s, "HALT emea-home/4466");
    scene_type(s, "\n");
    assert_string_equal(s->last.intent.rollout, "4466");
    scene_type(s, "jA"); /* and no other verb */
    assert_false(scene_shows(s, "Advance"));
    s->f.rows[2].fleet = "apac-gw"; /* Enter goes to the entry's own fleet */
    scene_type(s, "\n");
    shows(s, "board › apac-gw/4471");
}

/* Whatever key the footer offers is not refused, on every row and screen; and every verb that would pass is offered. */
static void holds_here(struct scene *s)
{
    char *frame = scene_text(s), offer[40];
    char *footer = frame + strlen(frame);
    while (footer > frame && (footer[-1] == '\n' || footer == frame + strlen(frame)))
        footer--;
    while (footer > frame && footer[-1] != '\n')
        footer--;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        const struct verb_row *row = verb_row((enum verb)v);
        if (!row->key[0])
            continue;
        snprintf(offer, sizeof offer, " %s %s ", row->key, row->label);
        bool offered = strstr(footer, offer) != NULL;
        if ((v == VERB_ACK || v == VERB_HALT) && !offered)
            continue; /* `a` may go to what the banner shows; the dialog of a halt opens always, and says why not */
        scene_type(s, row->key);
        bool refused = scene_shows(s, "REFUSED: ") || !scene_shows(s, "WHAT WILL");
        if (offered == refused)
            fail_msg("%s: %s, yet it is %s; footer: %s", row->label, offered ? "offered" : "not offered",
                     refused ? "refused" : "taken", footer);
        scene_key(s, KEY_ESC_);
        scene_draw(s);
    }
    free(frame);
}

static void test_offers_hold(void **state)
{
    struct scene *s = *state;
    canvas_resize(&s->c, 60, 260);
    scene_draw(s);
    for (int stale = 0; stale < 2; stale++) {
        if (stale)
            fixture_stale(&s->f);
        scene_type(s, "g");
        for (int i = 0; i < 14; i++) {
            holds_here(s);
            scene_type(s, "\n");
            holds_here(s);
            scene_type(s, "e");
            holds_here(s);
            scene_type(s, ":board\nj");
        }
    }
}

static void test_the_banner_offers_what_passes(void **state)
{
    struct scene *s = *state;
    shows(s, "a ack");
    fixture_stale(&s->f);
    s->f.s->generation++;
    scene_draw(s);
    shows(s, "a ack"); /* it changes no device: what is known of the latch is enough */
    s->f.s->audit.writable = false;
    s->f.s->generation++;
    scene_draw(s);
    assert_false(scene_shows(s, "a ack"));
    shows(s, "ack is refused: the audit log cannot be written"); /* with the reason, where there is room for it */
    s->f.s->audit.writable = true;
    /* An alert that is no halt has nothing to acknowledge. */
    struct rollout_view *r = fixture_rollout(&s->f, "4471");
    r->latched = false, r->stop = STOP_FREE;
    s->f.s->n_alerts = 0;
    s->f.s->link.last_ok = NOW, s->f.s->link.state = LINK_LIVE, s->f.s->link.retries = 0;
    s->f.s->telemetry.state = LINK_STALE;
    s->f.s->generation++;
    scene_draw(s);
    shows(s, "▲ TELEMETRY");
    assert_false(scene_shows(s, "a ack"));
    scene_type(s, "a\n");
    assert_int_equal(s->submits, 0);
}

static void test_no_telemetry_is_not_ok(void **state)
{
    struct scene *s = *state;
    struct rollout_view *r = fixture_rollout(&s->f, "4466");
    snprintf(r->waves[2].verdict.text, sizeof r->waves[2].verdict.text, "telemetry says nothing about this wave");
    r->waves[2].health.canary.expected = 0;
    scene_type(s, ":4466\n");
    shows(s, "◌ not yet  telemetry knows no device of this wave so far");
    s->f.s->telemetry.state = LINK_CONNECTING, s->f.s->telemetry.last_ok = 0;
    s->f.s->generation++;
    shows(s, "◌ not yet  telemetry has not answered");
    s->f.s->telemetry.state = LINK_NONE;
    shows(s, "○ not judged  no telemetry is configured: only failed installs are judged");
}

/* Another client has resumed it: what is said of the halt is what the server shows. */
static void test_halted_but_running(void **state)
{
    struct scene *s = *state;
    struct rollout_view *r = fixture_rollout(&s->f, "4471");
    r->rollout.state = ROLLOUT_RUNNING, r->stop = STOP_RUNS;
    s->f.s->generation++;
    scene_draw(s);
    shows(s, "✖ RUNS! 4471");
    shows(s, "✖ HALTED, BUT RUNNING");
    scene_type(s, "\n");
    shows(s, "HALTED, BUT RUNNING: asked");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_screen_is_whole),
        T(test_an_id_of_two_fleets_asks),
        T(test_whole_fleet_by_name),
        T(test_one_line_for_a_release),
        T(test_halt_everywhere),
        T(test_halt_of_a_group),
        T(test_who_advances),
        T(test_completion),
        T(test_ack_moves_the_cursor),
        T(test_ack_is_of_the_highlighted),
        T(test_a_banner_that_has_changed),
        T(test_no_object_no_verb),
        T(test_the_log_halts_what_it_shows),
        T(test_offers_hold),
        T(test_the_banner_offers_what_passes),
        T(test_no_telemetry_is_not_ok),
        T(test_halted_but_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
