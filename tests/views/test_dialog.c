/* Confirmations: no world-changing intent leaves without what it needs; halts always leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "scene.h"

static int setup(void **state)
{
    struct scene *s = malloc(sizeof *s);
    scene_init(s, 30, 100, false);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene_release(*state);
    free(*state);
    return 0;
}

static void ready_to_advance(struct scene *s)
{
    struct rollout_view *r = fixture_rollout(&s->f, "4470");
    r->waves[2].running_since = NOW - 30 * US_PER_HOUR;
    s->f.s->generation++;
}

static void test_halt_is_two_keys(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4466\nH");
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "HALT emea-home/4466"));
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_int_equal(s->last.kind, ACT_SUBMIT);
    assert_int_equal(s->last.intent.verb, VERB_HALT);
    assert_string_equal(s->last.intent.rollout, "4466");
    assert_string_equal(s->last.intent.fleet, "emea-home");
    assert_string_equal(s->last.fleet, "emea-home");
    assert_int_equal(s->last.intent.actor.kind, ACTOR_PERSON);
    assert_string_equal(s->last.intent.actor.name, "m.ito");
    assert_int_equal(s->last.intent.decided_at, NOW);
}

static void test_halt_whole_fleet(void **state)
{
    struct scene *s = *state;
    scene_type(s, "HF");
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "halt the whole fleet"));
    scene_type(s, "FF\n"); /* back and forth again */
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.rollout, "");
    assert_string_equal(s->last.intent.fleet, "emea-home");
}

static void test_halt_may_be_harder(void **state)
{
    struct scene *s = *state;
    s->f.s->info.caps |= CAP_STOP;
    scene_type(s, ":4466\nH");
    assert_true(scene_shows(s, "S stop for good, softly"));
    scene_type(s, "S");
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "[ Enter: stop for good emea-home/4466 ]"));
    assert_true(scene_shows(s, "S only halt")); /* a server's own rollout has no force */
    scene_type(s, "SS\n");
    assert_int_equal(s->last.intent.strength, STRENGTH_SOFT);
    fixture_rollout(&s->f, "4466")->rollout.caps = CAP_STOP | CAP_OWN_WAVES;
    s->f.s->info.caps |= CAP_FORCE | CAP_RECALL;
    s->f.s->generation++;
    scene_type(s, ":4466\nHSS");
    assert_true(scene_shows(s, "[ Enter: stop by force emea-home/4466 ]"));
    assert_true(scene_shows(s, "one that is cut off may install it all the same"));
    scene_type(s, "\n");
    assert_int_equal(s->last.intent.strength, STRENGTH_FORCE);
    scene_type(s, ":4466\nHSSS\n"); /* and it does not stay so */
    assert_int_equal(s->last.intent.strength, STRENGTH_POLICY);
    scene_type(s, ":4466\nH\n");
    assert_int_equal(s->last.intent.strength, STRENGTH_POLICY);
    assert_int_equal(s->submits, 4);
    scene_type(s, ":4466\nPS\n"); /* of a pause it is nothing */
    assert_int_equal(s->last.intent.strength, STRENGTH_POLICY);
}

static void test_halt_when_all_else_is_refused(void **state)
{
    struct scene *s = *state;
    fixture_stale(&s->f);
    s->f.s->read_only = true;
    s->f.s->audit.open = s->f.s->audit.writable = false;
    scene_type(s, ":4466\nH\n");
    assert_int_equal(s->submits, 1);
    scene_type(s, "?H\n"); /* also from the help */
    assert_int_equal(s->submits, 2);
    assert_string_equal(s->last.intent.rollout, "4466");
    scene_type(s, "\033\033H\033"); /* Esc is no halt */
    assert_int_equal(s->submits, 2);
    static const char *const refused[] = {"A", "Ay", "A\n", "P\n", "Ry", "S\n", "By", "Y", "a\n", NULL};
    for (int i = 0; refused[i]; i++) {
        scene_type(s, refused[i]);
        scene_type(s, "\033\033");
        assert_int_equal(s->submits, 2);
    }
}

static void test_halt_on_a_tiny_screen(void **state)
{
    struct scene *s = *state;
    canvas_resize(&s->c, 3, 20);
    scene_draw(s);
    scene_type(s, "A");
    scene_type(s, "yP\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "H");
    assert_true(scene_shows(s, "HALT emea-home/4471"));
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
}

static void test_advance_needs_y(void **state)
{
    struct scene *s = *state;
    ready_to_advance(s);
    scene_type(s, ":4470\nA");
    assert_true(scene_shows(s, "y confirms"));
    scene_type(s, "\n\n \t\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "Y");
    assert_int_equal(s->submits, 0);
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
    assert_int_equal(s->last.intent.verb, VERB_ADVANCE);
    assert_string_equal(s->last.intent.rollout, "4470");
    /* The next y copies, it does not advance again. */
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
}

static void test_refusal_is_a_sentence(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4470\nA");
    assert_true(scene_shows(s, "REFUSED: W2 has run for 3h00m of 1d00h"));
    assert_false(scene_shows(s, "HAPPEN")); /* nothing will */
    assert_true(scene_shows(s, "Nothing is sent."));
    assert_true(scene_shows(s, "[ Advance ] refused"));
    scene_type(s, "y");
    assert_int_equal(s->submits, 0);
    ready_to_advance(s); /* the soak is over while the dialog is open */
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
}

static void test_pause_and_ack_by_enter(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4466\nPy");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\n");
    assert_int_equal(s->submits, 1);
    assert_int_equal(s->last.intent.verb, VERB_PAUSE);
    scene_type(s, ":board\na");
    assert_true(scene_shows(s, "ack emea-home/4471"));
    scene_type(s, "\n");
    assert_int_equal(s->submits, 2);
    assert_int_equal(s->last.intent.verb, VERB_ACK);
    assert_string_equal(s->last.intent.rollout, "4471");
}

static void test_an_ack_that_needs_a_reason(void **state)
{
    struct scene *s = *state;
    struct rollout_view *r = fixture_rollout(&s->f, "4471");
    struct policy asks = *(r->policy ? r->policy : policy_default());
    asks.people.reasons = 1u << VERB_ACK;
    r->policy = &asks;
    s->f.s->generation++;
    scene_type(s, ":board\na");
    assert_true(scene_shows(s, "Reason"));
    scene_type(s, "\n");
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "a reason is missing"));
    scene_type(s, "looked at it\n");
    assert_int_equal(s->submits, 1);
    assert_int_equal(s->last.intent.verb, VERB_ACK);
    assert_string_equal(s->last.intent.reason, "looked at it");
    r->policy = NULL;
}

static void test_rollback(void **state)
{
    struct scene *s = *state;
    scene_type(s, "B");
    assert_true(scene_shows(s, "emea-home/4471 ALL 2060"));
    assert_true(scene_shows(s, "PROD"));
    scene_type(s, "\temea-home/4471 ALL 2060\ty"); /* no reason */
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033B  \temea-home/4471 ALL 2060\ty"); /* a blank reason */
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033BINC-2207\temea-home/4471 ALL 2061\ty"); /* another count */
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033BINC-2207\temea-home/4471 ALL 2060y\ty");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033BINC-2207\temea-home/4471 ALL 2060\t\n\n");
    assert_int_equal(s->submits, 0); /* Enter presses nothing */
    assert_true(scene_shows(s, "Enter does nothing here"));
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
    const struct intent *in = &s->last.intent;
    assert_int_equal(in->verb, VERB_ROLLBACK);
    assert_string_equal(in->reason, "INC-2207");
    assert_int_equal(in->expect_devices, 2060);
    assert_true(in->all_waves);
    assert_string_equal(in->to_release, "hearth:4.11.9"); /* what was shown and confirmed */
}

static void test_rollback_of_one_wave(void **state)
{
    struct scene *s = *state;
    scene_type(s, "Bwhy");
    scene_key(s, KEY_UP_); /* the waves are above the reason */
    scene_type(s, " ");
    scene_key(s, KEY_RIGHT_);
    scene_type(s, " ");
    assert_true(scene_shows(s, "[ ] W0  [ ] W1  [x] W2"));
    assert_true(scene_shows(s, "emea-home/4471 W2 1648"));
    scene_key(s, KEY_UP_);
    scene_type(s, "hearth:4.11.8\t\t\temea-home/4471 W2 1648\ty");
    assert_int_equal(s->submits, 1);
    assert_false(s->last.intent.all_waves);
    assert_int_equal(s->last.intent.wave_mask[0] & 7, 4);
    assert_int_equal(s->last.intent.expect_devices, 1648);
    assert_string_equal(s->last.intent.to_release, "hearth:4.11.8");
}

/* Nobody can confirm a release that the server was not asked for, or does not have. */
static void test_a_release_that_is_not_there(void **state)
{
    struct scene *s = *state;
    struct action out;
    scene_type(s, "B");
    scene_key(s, KEY_UP_);
    scene_key(s, KEY_UP_);
    scene_type(s, "hearth:9.9.9\t\tINC-1\temea-home/4471 ALL 2060\t");
    assert_string_equal(s->f.s->focus.to, "hearth:9.9.9"); /* what is typed is what is asked for */
    s->f.s->target = (struct rollback_target){TARGET_ASKING, "", "", ""};
    scene_type(s, "y");
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "not known yet"));
    s->f.s->target = (struct rollback_target){TARGET_MISSING, "hearth:9.9.9", "", ""};
    s->f.s->generation++;
    app_update(s->app, &s->f.d, &out); /* the answer comes: no key is needed to see it */
    assert_true(scene_shows(s, "there is no release hearth:9.9.9 on this server"));
    assert_false(scene_shows(s, "WHAT WILL HAPPEN"));
    scene_type(s, "y");
    assert_int_equal(s->submits, 0);
    s->f.s->target = (struct rollback_target){TARGET_FOUND, "hearth:9.9.9", "9", ""};
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.to_release, "hearth:9.9.9");
}

/* What has ended is not said to be on its way any more. */
static void test_the_end_takes_the_place_of_the_beginning(void **state)
{
    struct scene *s = *state;
    struct action out;
    struct op_view *op = &s->f.s->ops[0];
    op->ticket = 77, op->verb = VERB_ROLLBACK, op->rollout = "4471", op->phase = OP_RUNNING, op->ended = 0;
    app_message(s->app, false, "rollback emea-home/4471: on its way");
    app_awaits(s->app, "emea-home", 77);
    app_update(s->app, &s->f.d, &out);
    assert_true(scene_shows(s, "on its way"));
    op->phase = OP_FAILED, op->ended = s->f.d.now, op->text = "ended, 0 of 20 devices are back";
    app_update(s->app, &s->f.d, &out);
    assert_false(scene_shows(s, "on its way"));
    assert_true(scene_shows(s, "rollback emea-home/4471: failed: ended, 0 of 20 devices are back"));
    app_message(s->app, false, "copied"); /* a newer message stays */
    app_update(s->app, &s->f.d, &out);
    assert_true(scene_shows(s, "copied"));
}

static void test_changed_count_empties_the_field(void **state)
{
    struct scene *s = *state;
    scene_type(s, "BINC-1\temea-home/4471 ALL 2060\t");
    struct rollout_view *r = fixture_rollout(&s->f, "4471");
    struct wave *w = (struct wave *)(uintptr_t)&r->wave_list[3];
    w->counts.scheduled -= 5;
    w->counts.running += 5;
    s->f.s->generation++;
    scene_type(s, "y"); /* the very next key must not confirm the old count */
    assert_int_equal(s->submits, 0);
    assert_true(scene_shows(s, "the count was 2,060 and is 2,065 now"));
    assert_true(scene_shows(s, "emea-home/4471 ALL 2065  to confirm"));
    scene_type(s, "\ty");
    assert_int_equal(s->submits, 0);
    scene_key(s, KEY_UP_);
    scene_type(s, "emea-home/4471 ALL 2065\ty"); /* into an empty field */
    assert_int_equal(s->submits, 1);
}

static void paste(struct scene *s, const char *text)
{
    scene_key(s, KEY_PASTE_START_);
    scene_type(s, text);
    scene_key(s, KEY_PASTE_END_);
    scene_draw(s);
}

static void test_paste_is_never_keys(void **state)
{
    struct scene *s = *state;
    paste(s, "H\nq:halt\n\nBq");
    assert_int_equal(s->submits, 0);
    assert_int_equal(app_view(s->app), VIEW_BOARD);
    assert_int_not_equal(s->last.kind, ACT_QUIT);
    scene_type(s, "B");
    paste(s, "INC-2207\nsecond line"); /* a reason may be pasted: its line end is a blank */
    scene_type(s, "\t");
    paste(s, "emea-home/4471 ALL 2060");
    assert_true(scene_shows(s, "pasted text is not taken here"));
    scene_type(s, "\ty");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033H");
    paste(s, "\n");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033");
    /* An end mark that never came: the keyboard comes back. */
    scene_key(s, KEY_PASTE_START_);
    scene_type(s, "x");
    s->f.d.now += 10 * US_PER_S;
    s->f.s->link.last_ok = s->f.d.now;
    scene_type(s, "H\n");
    assert_int_equal(s->submits, 1);
}

static void test_target_is_frozen(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4466\n\033");
    scene_type(s, "gH");                                   /* the first row: 4471 */
    fixture_rollout(&s->f, "4468")->stop = STOP_ESCALATED; /* it sorts before 4471 now */
    s->f.d.now += 60 * US_PER_S;
    s->f.s->link.last_ok = s->f.s->taken_at = s->f.d.now;
    s->f.s->generation++;
    scene_draw(s);
    scene_type(s, "\n");
    assert_string_equal(s->last.intent.rollout, "4471");
}

static void test_deny_needs_a_reason(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4459\nD\ty");
    assert_int_equal(s->submits, 0);
    scene_type(s, "\033Dno window\ty");
    assert_int_equal(s->submits, 1);
    assert_string_equal(s->last.intent.remark, "no window");
    assert_string_equal(s->last.intent.reason, "no window");
    scene_type(s, ":4459\nY\ty"); /* an approval may stay without a remark */
    assert_int_equal(s->submits, 2);
    assert_int_equal(s->last.intent.verb, VERB_APPROVE);
}

static void test_cancel_keys(void **state)
{
    struct scene *s = *state;
    scene_type(s, "B");
    scene_key(s, 0x03);
    scene_draw(s);
    assert_false(scene_shows(s, "WHAT WILL HAPPEN"));
    scene_key(s, 0x03); /* with nothing open it only says how to leave */
    assert_int_not_equal(s->last.kind, ACT_QUIT);
    assert_true(scene_shows(s, "q quits"));
}

/* Nothing is asked for but by Enter, nothing is kept but by y on what was shown. */
static void test_a_plan_is_kept_as_shown(void **state)
{
    struct scene *s = *state;
    static struct draft_wave one = {24, "", "em-0506"};
    struct draft_view *v = &s->f.s->draft;
    scene_type(s, ":plan hearth:4.12.1\n");
    assert_true(scene_shows(s, "New plan for emea-home"));
    scene_type(s, "all\t1%,rest\t\t\tyes"); /* letters are text in a field */
    assert_int_not_equal(s->last.kind, ACT_PLAN);
    scene_type(s, "\n");
    assert_int_equal(s->last.kind, ACT_PLAN);
    assert_string_equal(s->last.fleet, "emea-home");
    assert_string_equal(s->last.plan->word[PLAN_F_RELEASE], "hearth:4.12.1");
    assert_string_equal(s->last.plan->word[PLAN_F_TARGET], "all");
    assert_string_equal(s->last.plan->word[PLAN_F_WAVES], "1%,rest");
    assert_string_equal(s->last.plan->word[PLAN_F_NAME], "yes");
    uint64_t number = s->last.plan->number;
    *v = (struct draft_view){.stage = DRAFT_READY, .number = number + 1, .n_waves = 1, .waves = &one};
    scene_type(s, "y"); /* that one is another's */
    assert_int_equal(s->last.kind, ACT_PLAN);
    assert_true(scene_shows(s, "locked until it is previewed"));
    v->number = number;
    scene_draw(s);
    scene_type(s, "\n\tx\b"); /* Enter keeps nothing, and a word that is as before is a new one all the same */
    assert_int_equal(s->last.kind, ACT_PLAN);
    scene_key(s, KEY_BTAB_);
    scene_type(s, "y");
    assert_int_equal(s->last.kind, ACT_PLAN);
    assert_true(scene_shows(s, "changed since"));
    scene_type(s, "\n");
    v->number = s->last.plan->number;
    assert_int_equal(v->number, number + 1);
    scene_draw(s);
    scene_type(s, "y");
    assert_int_equal(s->last.kind, ACT_PLAN_KEEP);
    assert_int_equal(s->last.plan->number, number + 1);
    assert_string_equal(s->last.fleet, "emea-home");
    assert_true(scene_shows(s, "New plan for emea-home"));
    v->stage = DRAFT_KEPT;
    v->id = "4466"; /* as if that were its id: the board has it */
    scene_key(s, KEY_NONE_);
    assert_false(scene_shows(s, "New plan for emea-home"));
    assert_true(scene_shows(s, "4466 is kept"));
    assert_int_equal(s->submits, 0);
}

static void test_dialog_must_fit(void **state)
{
    struct scene *s = *state;
    scene_type(s, "BINC-1\temea-home/4471 ALL 2060\t");
    canvas_resize(&s->c, 5, 60);
    scene_draw(s);
    scene_type(s, "y"); /* what nobody can see, nobody confirms */
    assert_int_equal(s->submits, 0);
    canvas_resize(&s->c, 24, 80);
    scene_draw(s);
    scene_type(s, "y");
    assert_int_equal(s->submits, 1);
}

/* ---- several fleets ---- */

static void test_answers_are_kept(void **state)
{
    struct scene *s = *state;
    fixture_second_fleet(&s->f);
    s->f.s->rollouts_clipped = true;
    scene_type(s, "bgH");
    assert_true(scene_shows(s, "older rollouts than its newest"));
    scene_type(s, "\n");
    assert_true(scene_shows(s, "(older rollouts of 1 fleet not known)"));
    struct op_view ops[2] = {{.ticket = 71, .verb = VERB_HALT, .rollout = "4471", .phase = OP_DONE, .text = "halted"},
                             {.ticket = 72, .verb = VERB_HALT, .rollout = "4470", .phase = OP_SENT, .text = "halting"}};
    app_awaits(s->app, "emea-home", 71);
    app_awaits(s->app, "emea-home", 72);
    app_awaits(s->app, "apac-gw", 73);
    s->f.s->ops = ops;
    s->f.s->n_ops = 2;
    s->f.s->generation++;
    scene_draw(s);
    assert_true(scene_shows(s, "1 of 3 done"));
    assert_true(scene_shows(s, "handed in"));
    s->f.s->n_ops = 0; /* as after ten minutes */
    s->f.s->taken_at += 11 * US_PER_MIN;
    scene_draw(s);
    assert_true(scene_shows(s, "1 of 3 done"));
    assert_true(scene_shows(s, "not known"));
    assert_true(scene_shows(s, "what became of it is not shown any more"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_answers_are_kept),
        T(test_halt_is_two_keys),
        T(test_halt_whole_fleet),
        T(test_halt_may_be_harder),
        T(test_halt_when_all_else_is_refused),
        T(test_halt_on_a_tiny_screen),
        T(test_advance_needs_y),
        T(test_refusal_is_a_sentence),
        T(test_pause_and_ack_by_enter),
        T(test_an_ack_that_needs_a_reason),
        T(test_rollback),
        T(test_rollback_of_one_wave),
        T(test_a_release_that_is_not_there),
        T(test_the_end_takes_the_place_of_the_beginning),
        T(test_changed_count_empties_the_field),
        T(test_paste_is_never_keys),
        T(test_target_is_frozen),
        T(test_deny_needs_a_reason),
        T(test_cancel_keys),
        T(test_a_plan_is_kept_as_shown),
        T(test_dialog_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
