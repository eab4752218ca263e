/* Halts: latched, never held up by the log, asked for until the server shows them, escalated, acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"

static const int three[] = {4, 6, 10};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->rollouts[0].waves_known && s->audit.writable && s->info.caps;
}

static bool hand_in(struct play *p, enum verb v, const char *rollout)
{
    struct intent in = world_intent(v, rollout);
    p->ticket = engine_submit(p->en, &in);
    p->t = p->w->now;
    p->stage++;
    return true;
}

static bool halt_ack(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return hand_in(p, VERB_HALT, "10");
    if (p->stage == 1 && op_over(s, p->ticket)) {
        const struct rollout_view *v = snapshot_rollout(s, "10");
        assert_int_equal(v->stop, STOP_HALTED);
        assert_true(v->latched);
        assert_string_equal(v->halted_by, "m.ito");
        assert_int_equal(v->in_flight, 4);
        return hand_in(p, VERB_RESUME, "10"); /* refused: nobody has acknowledged it */
    }
    if (p->stage == 2 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_REFUSED);
        return hand_in(p, VERB_ACK, "10");
    }
    p->done = p->stage == 3 && op_over(s, p->ticket);
    return false;
}

static void a_halt_is_latched_until_acknowledged(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, halt_ack, 60);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_false(snapshot_rollout(p.last, "10")->latched);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "halt halt 10 -\noutcome halt 10 ok\nevidence - 10 halt\nstep halt 10 note-written\n"
                                "refused resume 10 refused\nack ack 10 -\n"));
    free(log);
    play_release(&p);
    world_release(&w);
}

/* A latch outlives the session. */
static bool halt_only(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return hand_in(p, VERB_HALT, "10");
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static bool look(struct play *p, const struct snapshot *s)
{
    p->done = ready(s);
    return false;
}

static void a_latch_outlives_the_session(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, halt_only, 60);
    world_play(&w, &q, look, 60);
    const struct rollout_view *v = snapshot_rollout(q.last, "10");
    assert_true(v->latched);
    assert_int_equal(v->stop, STOP_HALTED);
    assert_string_equal(v->halted_by, "m.ito");
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- the log ---- */

static bool halt_with_bad_log(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        pthread_mutex_lock(&p->w->lock);
        p->w->log_hangs = p->judge; /* used as a switch of this test */
        p->w->log_fails = !p->judge;
        pthread_mutex_unlock(&p->w->lock);
        return hand_in(p, VERB_HALT, "10");
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        assert_int_equal(snapshot_rollout(s, "10")->stop, STOP_HALTED);
        assert_in_range(world_asked_at(p->w, "pause 10") - p->t, 0, 10 * US_PER_MS);
        p->stage = 2;
    }
    if (p->stage == 2 && s->audit.degraded)
        return hand_in(p, VERB_ACK, "10"); /* everything but halts is refused meanwhile */
    if (p->stage == 3 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_REFUSED);
        assert_false(s->audit.writable);
        pthread_mutex_lock(&p->w->lock);
        p->w->log_fails = false;
        pthread_mutex_unlock(&p->w->lock);
        world_unhang(p->w);
        p->stage = 4;
    }
    if (p->stage == 4 && s->audit.writable && !s->audit.degraded && s->audit.backlog == 0)
        p->done = true;
    return false;
}

static void a_halt_goes_out_while_the_log_hangs(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.policy.n_limits = 0;
    w.policy.lost_react = REACT_HOLD;
    world_play(&w, &p, halt_with_bad_log, 60);
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "halt halt 10"));
    assert_non_null(strstr(log, "outcome halt 10 ok"));
    assert_non_null(strstr(log, "degraded - - - late"));
    free(log);
    play_release(&p);
    world_release(&w);
}

static void a_halt_goes_out_when_the_log_fails_and_is_logged_late(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, halt_with_bad_log, 60);
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "halt halt 10 - late\n"));
    assert_non_null(strstr(log, "outcome halt 10 ok late\n"));
    assert_non_null(strstr(log, "degraded - - - late\n"));
    free(log);
    play_release(&p);
    world_release(&w);
}

static bool halt_refused(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        pthread_mutex_lock(&p->w->lock);
        p->w->log_refuses = true;
        pthread_mutex_unlock(&p->w->lock);
        return hand_in(p, VERB_HALT, "10");
    }
    if (p->stage == 1 && op_over(s, p->ticket) && op_of(s, p->ticket)->trail != TRAIL_NONE) {
        assert_int_not_equal(op_of(s, p->ticket)->trail, TRAIL_LOG);
        return hand_in(p, VERB_ACK, "10");
    }
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

/* What a guard never takes from us keeps nothing else waiting, and its trace is elsewhere. */
static void an_entry_that_is_refused_for_good(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, halt_refused, 60);
    assert_int_equal(p.t >= 0, 1);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_int_equal(p.last->audit.backlog, 0);
    char *log = world_entries(&w, "");
    assert_null(strstr(log, "halt halt 10"));
    assert_non_null(strstr(log, "ack ack 10"));
    free(log);
    play_release(&p);
    world_release(&w);
}

static bool pause_with_bad_log(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        pthread_mutex_lock(&p->w->lock);
        p->w->log_fails = true;
        pthread_mutex_unlock(&p->w->lock);
        return hand_in(p, VERB_PAUSE, "10");
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void other_verbs_fail_closed(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, pause_with_bad_log, 60);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_FAILED);
    assert_int_equal(world_asked(&w, "pause"), 0);
    play_release(&p);
    world_release(&w);
}

static bool halt_no_log(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && s->rollouts_known && s->rollouts[0].waves_known)
        return hand_in(p, VERB_HALT, "10");
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void without_a_log_a_halt_is_possible(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.no_log = true};
    world_init(&w, three, 3);
    world_play(&w, &p, halt_no_log, 60);
    assert_int_equal(snapshot_rollout(p.last, "10")->stop, STOP_HALTED);
    play_release(&p);
    world_release(&w);
}

/* ---- the server ---- */

static bool halt_ignored(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        p->w->pause_ignored = true;
        return hand_in(p, VERB_HALT, "10");
    }
    if (p->stage == 1 && v->stop == STOP_ESCALATED) {
        assert_in_range(p->w->now - p->t, 10 * US_PER_S, 12 * US_PER_S);
        assert_int_equal(engine_escalations(p->en), 1);
        bool told = false;
        for (size_t i = 0; i < s->n_alerts; i++)
            told = told || s->alerts[i].kind == ALERT_ESCALATED;
        assert_true(told);
        p->w->pause_ignored = false;
        p->stage = 2;
    }
    p->done = p->stage == 2 && v->stop == STOP_HALTED;
    return false;
}

static void a_halt_is_repeated_until_shown_and_escalated(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, halt_ignored, 60);
    assert_true(world_asked(&w, "pause 10") > 4);
    assert_int_equal(p.escalations, 0); /* it was had in the end */
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

static bool halt_starting(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return hand_in(p, VERB_HALT, "10");
    p->done = p->stage == 1 && snapshot_rollout(s, "10")->stop == STOP_HALTED;
    return false;
}

static void a_rollout_that_starts_is_paused_as_soon_as_it_can_be(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.rollouts[0].state = ROLLOUT_STARTING;
    w.rollouts[0].changed_at = w.now;
    w.step_us = 5 * US_PER_S;
    world_play(&w, &p, halt_starting, 60);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

static void one_that_the_server_has_paused_counts_as_shown(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.rollouts[0].state = ROLLOUT_PAUSED;
    world_play(&w, &p, halt_only, 60);
    assert_int_equal(world_asked(&w, "pause"), 0);
    assert_true(snapshot_rollout(p.last, "10")->latched);
    play_release(&p);
    world_release(&w);
}

static void the_policy_may_stop_instead(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.policy.halt_stops = true;
    world_play(&w, &p, halt_only, 60);
    assert_int_equal(world_asked(&w, "stop 10"), 1);
    assert_int_equal(world_asked(&w, "pause"), 0);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_STOPPED);
    play_release(&p);
    world_release(&w);
}

static bool halt_then_harder(struct play *p, const struct snapshot *s)
{
    static const enum strength how[] = {STRENGTH_SOFT, STRENGTH_FORCE};
    if (p->stage == 0 && ready(s))
        return hand_in(p, VERB_HALT, "10");
    if (p->stage == 1 && op_over(s, p->ticket)) {
        struct intent in = world_intent(VERB_HALT, "10");
        in.strength = how[p->judge]; /* used as a switch of this test */
        p->ticket = engine_submit(p->en, &in);
        p->stage++;
        return true;
    }
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

/* Halted and paused, and then stopped for good by a person who says so: the policy only pauses. */
static void a_person_may_stop_it_for_good(void **state)
{
    (void)state;
    static const struct {
        bool force;
        uint32_t caps, without;
        const char *asked, *says;
    } cases[] = {
        {false, 0, 0, "stop 10", "soft"},
        {true, CAP_FORCE | CAP_OWN_WAVES, 0, "stop-force 10", "force"},
        {true, CAP_FORCE, 0, "stop 10", "not by force"}, /* of a rollout that the server keeps */
        {true, 0, CAP_STOP, "pause 10", "cannot stop a rollout for good"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct play p = {.judge = cases[i].force};
        world_init(&w, three, 3);
        w.caps = (w.caps | cases[i].caps) & ~cases[i].without;
        world_play(&w, &p, halt_then_harder, 60);
        assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
        assert_int_equal(world_asked(&w, cases[i].asked), 1);
        assert_int_equal(world_asked(&w, "stop"), cases[i].without ? 0 : 1);
        assert_int_equal(w.rollouts[0].state, cases[i].without ? ROLLOUT_PAUSED : ROLLOUT_STOPPED);
        char *log = world_field(&w, "halt", "stop");
        if (!strstr(op_of(p.last, p.ticket)->text, cases[i].says) && !strstr(log, cases[i].says))
            fail_msg("%s: not in \"%s\" nor in %s", cases[i].says, op_of(p.last, p.ticket)->text, log);
        free(log);
        play_release(&p);
        world_release(&w);
    }
}

static bool halt_then_resumed(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return hand_in(p, VERB_HALT, "10");
    if (p->stage == 1 && op_over(s, p->ticket)) {
        p->w->rollouts[0].state = ROLLOUT_RUNNING; /* somebody at another console */
        p->stage = 2;
    }
    for (size_t i = 0; p->stage == 2 && i < s->n_alerts; i++)
        p->done = p->done || s->alerts[i].kind == ALERT_EXTERNAL;
    return false;
}

static void a_resume_by_somebody_else_is_noticed(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, halt_then_resumed, 60);
    assert_true(snapshot_rollout(p.last, "10")->latched);
    play_release(&p);
    world_release(&w);
}

/* An answer that was asked for before the pause, and comes after the state was read back, still says running. */
static bool halt_amid_a_slow_list(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        p->w->list_us = 1500 * US_PER_MS;
        p->t = p->w->now;
        p->stage = 1;
    }
    return false;
}

static bool amid(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0)
        return halt_amid_a_slow_list(p, s);
    for (size_t i = 0; i < s->n_alerts; i++)
        assert_int_not_equal(s->alerts[i].kind, ALERT_EXTERNAL);
    p->done = p->stage == 2 && p->w->now - p->t > 10 * US_PER_S;
    return false;
}

static void hand_in_amid(struct world *w, void *arg)
{
    struct play *p = arg;
    if (p->stage == 1 && w->list_us > 0 && w->now - p->t > 2500 * US_PER_MS) {
        struct intent in = world_intent(VERB_HALT, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
    }
}

static void an_old_answer_does_not_undo_a_halt(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.each_turn = hand_in_amid;
    w.each_turn_arg = &p;
    world_play(&w, &p, amid, 60);
    assert_int_equal(snapshot_rollout(p.last, "10")->stop, STOP_HALTED);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    play_release(&p);
    world_release(&w);
}

/* ---- a whole fleet ---- */

static bool halt_fleet(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && (ready(s) || p->no_log)) {
        hand_in(p, VERB_HALT, "");
        return true;
    }
    if (p->w->down && p->escalations == 0 && engine_escalations(p->en) > 0)
        p->w->down = false;
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void a_whole_fleet_is_halted(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.rollouts[1] = w.rollouts[0];
    memcpy(w.rollouts[1].id, "11", 3);
    w.rollouts[2] = w.rollouts[0];
    memcpy(w.rollouts[2].id, "12", 3);
    w.rollouts[2].state = ROLLOUT_FINISHED;
    w.n_rollouts = 3;
    world_play(&w, &p, halt_fleet, 60);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    assert_int_equal(world_asked(&w, "pause 11"), 1);
    assert_int_equal(world_asked(&w, "pause 12"), 0);
    assert_true(snapshot_rollout(p.last, "11")->latched);
    play_release(&p);
    world_release(&w);
}

/* What the server has beyond the list that is read is not halted, and that is said. */
static void a_fleet_with_more_than_is_read_is_not_called_halted(void **state)
{
    (void)state;
    static const int two[] = {4, 12};
    struct world w;
    struct play p = {0};
    world_init(&w, two, 2);
    w.more_rollouts = true;
    world_play(&w, &p, halt_fleet, 60);
    const struct op_view *op = op_of(p.last, p.ticket);
    assert_int_equal(op->phase, OP_UNKNOWN);
    assert_non_null(strstr(op->text, "the server has more, which were not read: NOT HALTED"));
    assert_true(p.last->rollouts_clipped);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

static void a_fleet_that_cannot_be_read_is_halted_when_it_can(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.no_log = true};
    world_init(&w, three, 3);
    w.down = true; /* from the start: nobody knows what there is */
    world_play(&w, &p, halt_fleet, 120);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_is_latched_until_acknowledged),
        cmocka_unit_test(a_latch_outlives_the_session),
        cmocka_unit_test(a_halt_goes_out_while_the_log_hangs),
        cmocka_unit_test(a_halt_goes_out_when_the_log_fails_and_is_logged_late),
        cmocka_unit_test(an_entry_that_is_refused_for_good),
        cmocka_unit_test(other_verbs_fail_closed),
        cmocka_unit_test(without_a_log_a_halt_is_possible),
        cmocka_unit_test(a_halt_is_repeated_until_shown_and_escalated),
        cmocka_unit_test(a_rollout_that_starts_is_paused_as_soon_as_it_can_be),
        cmocka_unit_test(one_that_the_server_has_paused_counts_as_shown),
        cmocka_unit_test(the_policy_may_stop_instead),
        cmocka_unit_test(a_person_may_stop_it_for_good),
        cmocka_unit_test(a_resume_by_somebody_else_is_noticed),
        cmocka_unit_test(an_old_answer_does_not_undo_a_halt),
        cmocka_unit_test(a_whole_fleet_is_halted),
        cmocka_unit_test(a_fleet_with_more_than_is_read_is_not_called_halted),
        cmocka_unit_test(a_fleet_that_cannot_be_read_is_halted_when_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
