/* What others do to a halt: entries of other sessions, resumes by other clients, and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/notice.h"
#include "tests/engine/world.h"

static const int three[] = {4, 6, 10};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->rollouts[0].waves_known && s->audit.writable && s->info.caps;
}

static void hand_in(struct play *p, enum verb v)
{
    struct intent in = world_intent(v, "10");
    p->ticket = engine_submit(p->en, &in);
    p->t = p->w->now;
    p->stage++;
}

/* Another session on the same log. */
static int64_t write_entry(struct world *w, const struct snapshot *s, enum entry_kind kind, enum verb v,
                           const char *actor, const char *result, uint64_t corr)
{
    struct err err = {0};
    char release[IDENTITY_RELEASE_BYTES];
    struct entry e;
    struct receipt receipt = {0};
    struct audit_log *l = audit_open(&w->audit, &err);
    if (!l)
        fail_msg("%s", err.what);
    entry_init(&e, kind);
    e.t = clock_wall(&w->clock);
    e.mono = w->now;
    e.corr = corr;
    e.verb = v;
    e.fleet = "lab";
    e.result = result;
    e.reason = "smoke";
    snprintf(e.actor.name, sizeof e.actor.name, "%s", actor);
    struct rollout_identity who = identity_of(w->fleet.name, &s->rollouts[0].rollout, release);
    entry_identity(&e, &who);
    if (!audit_append(l, &e, &receipt, &err))
        fail_msg("%s", err.what);
    audit_close(l);
    return receipt.seq;
}

static const struct alert *alert_of(const struct snapshot *s, enum alert_kind k)
{
    for (size_t i = 0; i < s->n_alerts; i++)
        if (s->alerts[i].kind == k)
            return &s->alerts[i];
    return NULL;
}

static bool noticed(const struct snapshot *s, enum notice_kind k)
{
    static struct notice n[64];
    size_t found = notice_standing(s, 1, n, 64);
    for (size_t i = 0; i < found; i++)
        if (n[i].kind == k)
            return true;
    return false;
}

/* ---- a halt that another session could not have ---- */

static bool found_in_the_log(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        (void)write_entry(p->w, s, ENTRY_HALT, VERB_HALT, "k.dahl", "", 77);
        p->stage = 1;
    }
    if (p->stage == 1 && v->rollout.state == ROLLOUT_RUNNING) {
        assert_int_not_equal(v->stop, STOP_HALTED); /* an entry is no outcome */
        assert_false(halt_said(v->stop, v->stop_old).true_now);
    }
    p->done = p->stage == 1 && v->stop == STOP_HALTED && s->n_ops > 0 && s->ops[0].phase >= OP_DONE;
    return false;
}

static void a_halt_of_the_log_is_had_by_who_watches(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, found_in_the_log, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    assert_string_equal(v->halted_by, "k.dahl");
    assert_string_equal(v->halt_text, "smoke");
    assert_non_null(strstr(v->halted_log, "andon/test #"));
    char *log = world_entries(&w, "recovered"); /* nobody else is there to write its outcome */
    assert_string_equal(log, "recovered halt 10 applied\n");
    free(log);
    play_release(&p);
    world_release(&w);
}

/* ---- a verb looks at the log first ---- */

static bool halted_just_now(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        (void)write_entry(p->w, s, ENTRY_HALT, VERB_HALT, "k.dahl", "", 77);
        (void)write_entry(p->w, s, ENTRY_OUTCOME, VERB_HALT, "k.dahl", "ok", 77);
        hand_in(p, VERB_RESUME);
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void no_resume_on_a_log_with_a_halt_of_just_now(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.rollouts[0].state = ROLLOUT_PAUSED;
    world_play(&w, &p, halted_just_now, 5); /* before the next look of its own */
    const struct op_view *op = op_of(p.last, p.ticket);
    assert_int_equal(op->phase, OP_REFUSED);
    assert_non_null(strstr(op->text, "nobody has acknowledged"));
    assert_int_equal(world_asked(&w, "resume"), 0);
    char *log = world_entries(&w, "outcome");
    assert_non_null(strstr(log, "outcome resume 10 refused\n"));
    free(log);
    play_release(&p);
    world_release(&w);
}

/* ---- another client resumes ---- */

/* stage 0: halt; 1: shown, then resumed by another client; 2: until it is said; 3: for a while longer */
static bool resumed_by_another(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_HALT);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        p->w->rollouts[0].state = ROLLOUT_RUNNING;
        p->stage = 2;
    }
    if (p->stage == 2 && v->ran_at > 0) {
        assert_true(noticed(s, NOTICE_RUNS));
        p->t = p->w->now;
        p->stage = 3;
    }
    p->done = p->stage == 3 && p->w->now - p->t > 20 * US_PER_S;
    return false;
}

static void a_person_s_halt_is_said_to_run_and_not_fought(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, resumed_by_another, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_int_equal(v->stop, STOP_RUNS);
    assert_true(v->latched && v->runs_on);
    assert_string_equal(halt_said(v->stop, v->stop_old).title, "HALTED, BUT RUNNING");
    const struct alert *a = alert_of(p.last, ALERT_EXTERNAL);
    assert_non_null(a);
    assert_non_null(strstr(a->text, "HALTED, BUT RUNNING: halted by m.ito, resumed by another client"));
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    char *log = world_entries(&w, "step");
    assert_string_equal(log, "step halt 10 note-written\nstep halt 10 runs\n"); /* once */
    free(log);
    play_release(&p);
    world_release(&w);
}

static void where_the_policy_says_so_it_is_halted_again(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.policy.foreign = FOREIGN_HALT;
    world_play(&w, &p, resumed_by_another, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_int_equal(v->stop, STOP_HALTED);
    assert_false(v->runs_on);
    assert_null(alert_of(p.last, ALERT_EXTERNAL));
    assert_true(noticed(p.last, NOTICE_RUNS)); /* for a minute: it was over within a second */
    assert_int_equal(world_asked(&w, "pause 10"), 2);
    char *log = world_entries(&w, "step");
    assert_string_equal(log, "step halt 10 note-written\nstep halt 10 again\nstep halt 10 shown\n");
    free(log);
    play_release(&p);
    world_release(&w);
}

/* A person has acknowledged it in another session, and resumed: the log is read before anything is said. */
static bool acknowledged_elsewhere(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_HALT);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        (void)write_entry(p->w, s, ENTRY_ACK, VERB_ACK, "k.dahl", "", 0);
        (void)write_entry(p->w, s, ENTRY_INTENT, VERB_RESUME, "k.dahl", "", 78);
        p->w->rollouts[0].state = ROLLOUT_RUNNING;
        p->t = p->w->now;
        p->stage = 2;
    }
    if (p->stage == 2) {
        assert_int_not_equal(v->stop, STOP_RUNS);
        assert_null(alert_of(s, ALERT_EXTERNAL));
    }
    p->done = p->stage == 2 && p->w->now - p->t > 20 * US_PER_S;
    return false;
}

static void a_resume_after_an_acknowledgement_is_not_another_client_s(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.policy.foreign = FOREIGN_HALT;
    world_play(&w, &p, acknowledged_elsewhere, 60);
    assert_int_equal(snapshot_rollout(p.last, "10")->stop, STOP_FREE);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    char *log = world_entries(&w, "step");
    assert_null(strstr(log, "runs"));
    assert_null(strstr(log, "resumed"));
    free(log);
    play_release(&p);
    world_release(&w);
}

/* Halted by another session a moment before an acknowledgement here: that one is not lifted. */
static bool ack_beside_a_halt(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_HALT);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        (void)write_entry(p->w, s, ENTRY_HALT, VERB_HALT, "k.dahl", "", 77);
        hand_in(p, VERB_ACK);
        return true;
    }
    p->done = p->stage == 2 && p->w->now - p->t > 25 * US_PER_S;
    return false;
}

static void an_acknowledgement_leaves_what_it_has_not_seen(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, ack_beside_a_halt, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_true(v->latched);
    assert_string_equal(v->halted_by, "k.dahl");
    play_release(&p);
    world_release(&w);
}

/* An acknowledgement by another session that is followed by an entry of one's own is seen all the same. */
static bool own_entry_after_another_s(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_HALT);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        (void)write_entry(p->w, s, ENTRY_ACK, VERB_ACK, "k.dahl", "", 0);
        hand_in(p, VERB_RESUME); /* refused, by what is known here: that is an entry, too */
        return true;
    }
    p->done = p->stage == 2 && op_over(s, p->ticket) && !snapshot_rollout(s, "10")->latched;
    return false;
}

static void one_s_own_entry_does_not_hide_another_s(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, own_entry_after_another_s, 30);
    assert_int_equal(snapshot_rollout(p.last, "10")->stop, STOP_ACKED);
    play_release(&p);
    world_release(&w);
}

static bool hold_resumed(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_PAUSE);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        assert_true(snapshot_rollout(s, "10")->held);
        p->w->rollouts[0].state = ROLLOUT_RUNNING;
        p->stage = 2;
    }
    p->done = p->stage == 2 && alert_of(s, ALERT_EXTERNAL);
    return false;
}

static void another_client_s_resume_of_a_hold_is_said(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, hold_resumed, 60);
    assert_string_equal(alert_of(p.last, ALERT_EXTERNAL)->text, "10 was held, and was resumed by another client");
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    char *log = world_entries(&w, "step");
    assert_string_equal(log, "step halt 10 resumed\n");
    free(log);
    play_release(&p);
    world_release(&w);
}

/* ---- old data ---- */

static bool out_of_reach(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        hand_in(p, VERB_HALT);
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        assert_true(halt_said(v->stop, v->stop_old).true_now);
        p->w->down = true;
        p->stage = 2;
    }
    p->done = p->stage == 2 && v->stop_old;
    return false;
}

static void what_was_halted_when_last_seen_is_not_said_to_be(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, out_of_reach, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    struct halt_said said = halt_said(v->stop, v->stop_old);
    assert_int_equal(v->stop, STOP_HALTED);
    assert_false(said.true_now);
    assert_string_equal(said.word, "halted-when-last-seen");
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_of_the_log_is_had_by_who_watches),
        cmocka_unit_test(no_resume_on_a_log_with_a_halt_of_just_now),
        cmocka_unit_test(a_person_s_halt_is_said_to_run_and_not_fought),
        cmocka_unit_test(where_the_policy_says_so_it_is_halted_again),
        cmocka_unit_test(a_resume_after_an_acknowledgement_is_not_another_client_s),
        cmocka_unit_test(an_acknowledgement_leaves_what_it_has_not_seen),
        cmocka_unit_test(one_s_own_entry_does_not_hide_another_s),
        cmocka_unit_test(another_client_s_resume_of_a_hold_is_said),
        cmocka_unit_test(what_was_halted_when_last_seen_is_not_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
