/* Killed between intent and outcome: the next session asks the server, says what became of it, sends nothing again
 * that could have an effect twice, and goes on with what may be repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"

static const int three[] = {4, 6, 10};

struct kill_case {
    enum verb verb;
    enum rollout_state state; /* of the rollout at first */
    const char *request;      /* as the server sees it */
};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->rollouts[0].waves_known && s->audit.writable && s->info.caps;
}

static bool hand_in(struct play *p, const struct snapshot *s)
{
    bool judged = p->ticket != VERB_ADVANCE ||
                  (s->n_rollouts > 0 && s->rollouts[0].n_waves > 0 && s->rollouts[0].waves[0].watched);
    if (p->stage == 0 && ready(s) && judged) {
        struct intent in = world_intent((enum verb)p->ticket, "10");
        snprintf(in.remark, sizeof in.remark, "seen");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static bool settled(struct play *p, const struct snapshot *s)
{
    p->done = ready(s) && s->n_ops > 0 && s->ops[0].phase >= OP_DONE;
    return false;
}

/* Dies at the request, before or after it took effect; returns the op of the next session. */
static void kill_and_look(const struct kill_case *c, bool after)
{
    struct world w;
    struct play p = {.ticket = (uint64_t)c->verb}, q = {0};
    char *log, expected[80];
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.rollouts[0].state = c->state;
    snprintf(after ? w.die_at : w.die_before, sizeof w.die_at, "%s", c->request);
    world_play(&w, &p, hand_in, 60);
    assert_true(w.dead);
    int asked = world_asked(&w, c->request);
    assert_int_equal(asked, after ? 1 : 0);
    w.die_at[0] = w.die_before[0] = '\0';
    world_play(&w, &q, settled, 60);
    assert_int_equal(world_asked(&w, c->request), asked); /* never sent again */
    assert_int_equal(q.last->ops[0].phase, after ? OP_DONE : OP_FAILED);
    log = world_entries(&w, "");
    snprintf(expected, sizeof expected, "recovered %s 10 %s", verb_word(c->verb), after ? "applied" : "not-applied");
    if (!strstr(log, expected))
        fail_msg("no \"%s\" in\n%s", expected, log);
    free(log);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

static void killed_between_intent_and_outcome(void **state)
{
    (void)state;
    static const struct kill_case cases[] = {
        {VERB_PAUSE, ROLLOUT_RUNNING, "pause 10"},
        {VERB_RESUME, ROLLOUT_PAUSED, "resume 10"},
        {VERB_START, ROLLOUT_READY, "start 10"},
        {VERB_ADVANCE, ROLLOUT_RUNNING, "trigger"},
        {VERB_APPROVE, ROLLOUT_WAITING_APPROVAL, "approve 10"},
        {VERB_DENY, ROLLOUT_WAITING_APPROVAL, "deny 10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("%s\n", verb_word(cases[i].verb));
        kill_and_look(&cases[i], true);
        kill_and_look(&cases[i], false);
    }
}

/* A halt that is in the log and was never shown. */
static bool halt_in_vain(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        struct intent in = world_intent(VERB_HALT, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && op_of(s, p->ticket)->log_seq > 0) {
        pthread_mutex_lock(&p->w->lock);
        p->w->dead = true;
        pthread_mutex_unlock(&p->w->lock);
    }
    return false;
}

static void a_halt_is_asked_for_again(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.pause_ignored = true;
    world_play(&w, &p, halt_in_vain, 60);
    int asked = world_asked(&w, "pause 10");
    w.pause_ignored = false;
    world_play(&w, &q, settled, 60);
    assert_int_equal(world_asked(&w, "pause 10"), asked + 1);
    const struct rollout_view *v = snapshot_rollout(q.last, "10");
    assert_int_equal(v->stop, STOP_HALTED);
    assert_true(v->latched);
    char *log = world_entries(&w, "recovered");
    assert_string_equal(log, "recovered halt 10 applied\n");
    free(log);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* The log answers only when the rollouts are known already. */
static bool late_log(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && s->rollouts_known)
        p->stage = 1;
    p->done = p->stage == 1 && ready(s) && s->n_ops > 0 && s->ops[0].phase >= OP_DONE;
    return false;
}

static void a_log_that_opens_late_is_settled_once(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.ticket = VERB_PAUSE}, q = {0};
    world_init(&w, three, 3);
    snprintf(w.die_at, sizeof w.die_at, "pause 10");
    world_play(&w, &p, hand_in, 60);
    w.die_at[0] = '\0';
    w.answer_us = 0; /* the server answers before the log does */
    world_play(&w, &q, late_log, 60);
    char *log = world_entries(&w, "recovered");
    assert_string_equal(log, "recovered pause 10 applied\n");
    free(log);
    assert_true(snapshot_rollout(q.last, "10")->held); /* known to be andon's own again */
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- the server's database began anew ---- */

static void begin_anew(struct world *w)
{
    struct w_rollout *r = &w->rollouts[0];
    r->created_at = r->changed_at = w->now;
    snprintf(r->name, sizeof r->name, "another");
    r->state = ROLLOUT_RUNNING;
}

/* A verb is under way when another rollout gets its rollout's number. */
static bool until_replaced(struct play *p, const struct snapshot *s)
{
    struct world *w = p->w;
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s)) {
        struct intent in = world_intent((enum verb)p->ticket, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && (world_asked(w, "pause 10") > 0 || world_asked(w, "stop 10") > 0) && w->n_calls == 0) {
        begin_anew(w);
        p->t = w->now;
        p->stage = 2;
    }
    p->done = p->stage == 2 && w->now > p->t + 30 * US_PER_S && v && strcmp(v->rollout.name, "another") == 0;
    return false;
}

static void nothing_meant_for_one_rollout_reaches_another(void **state)
{
    (void)state;
    static const struct {
        enum verb verb;
        enum op_phase phase;
        const char *entry;
    } cases[] = {{VERB_PAUSE, OP_UNKNOWN, "outcome pause 10 another-rollout"},
                 {VERB_HALT, OP_UNKNOWN, "outcome halt 10 another-rollout"},
                 {VERB_ROLLBACK, OP_FAILED, "outcome rollback 10 failed"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct play p = {.ticket = (uint64_t)cases[i].verb, .judge = true};
        world_init(&w, three, 3);
        w.install_us = US_PER_HOUR;
        w.pause_ignored = true;
        world_play(&w, &p, until_replaced, 300);
        const struct rollout_view *v = snapshot_rollout(p.last, "10");
        const struct op_view *op = op_of(p.last, p.ticket);
        for (size_t k = 0; k < w.n_log; k++)
            if (w.log[k].t > p.t + 2 * US_PER_S) /* until the server's answer shows it nobody can know */
                fail_msg("%s: sent to the other one: %s", verb_word(cases[i].verb), w.log[k].what);
        assert_int_equal(op->phase, cases[i].phase);
        assert_non_null(strstr(op->text, "another rollout"));
        assert_int_equal(v->rollout.state, ROLLOUT_RUNNING);
        assert_false(v->latched || v->held || v->stop != STOP_FREE || v->rollback.step != RB_NONE);
        assert_true(v->other_at > 0);
        char *log = world_entries(&w, "");
        assert_non_null(strstr(log, cases[i].entry));
        assert_non_null(strstr(log, "watch - 10 another-rollout"));
        free(log);
        play_release(&p);
        world_release(&w);
    }
}

static bool look_on(struct play *p, const struct snapshot *s)
{
    if (p->t == 0)
        p->t = p->w->now;
    p->done = ready(s) && p->w->now > p->t + 30 * US_PER_S;
    return false;
}

/* Killed on the way, and the number is another's when the next session looks: nothing goes on. */
static void what_was_left_open_is_not_taken_up_for_another(void **state)
{
    (void)state;
    static const enum verb verbs[] = {VERB_PAUSE, VERB_HALT, VERB_ROLLBACK};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct world w;
        struct play p = {.ticket = (uint64_t)verbs[i]}, q = {.judge = true}, r = {.judge = true};
        char expected[80];
        world_init(&w, three, 3);
        w.install_us = US_PER_HOUR;
        if (verbs[i] != VERB_HALT) /* that one ends, and leaves its latch */
            snprintf(w.die_at, sizeof w.die_at, "pause 10");
        world_play(&w, &p, hand_in, 60);
        w.die_at[0] = '\0';
        begin_anew(&w);
        size_t asked = w.n_log;
        world_play(&w, &q, look_on, 100);
        if (w.n_log > asked)
            fail_msg("%s: sent to the other one: %s", verb_word(verbs[i]), w.log[asked].what);
        const struct rollout_view *v = snapshot_rollout(q.last, "10");
        assert_false(v->latched || v->held || v->rollback.step != RB_NONE);
        world_play(&w, &r, look_on, 100); /* and once more: it is said once */
        char *log = world_entries(&w, "");
        snprintf(expected, sizeof expected, "recovered %s 10 another-rollout", verb_word(verbs[i]));
        const char *first = strstr(log, expected);
        assert_true((first != NULL) == (verbs[i] != VERB_HALT));
        assert_true(!first || !strstr(first + 1, expected));
        const char *said = strstr(log, "watch - 10 another-rollout");
        assert_non_null(said);
        assert_null(strstr(said + 1, "watch - 10 another-rollout"));
        free(log);
        play_release(&p);
        play_release(&q);
        play_release(&r);
        world_release(&w);
    }
}

/* The log remembers another rollout under the number, and the server says nothing. */
static bool halt_unseen(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && s->audit.writable) {
        struct intent in = world_intent(VERB_HALT, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && p->w->now > p->t + 30 * US_PER_S;
    return false;
}

static void a_person_halts_what_has_the_number_not_what_the_log_remembers(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.ticket = VERB_HALT}, q = {0}, r = {.judge = true};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, hand_in, 60); /* the old one's latch stays in the log */
    begin_anew(&w);
    w.down = true;
    q.t = w.now;
    world_play(&w, &q, halt_unseen, 100);
    w.down = false;
    assert_int_equal(w.rollouts[0].state, ROLLOUT_RUNNING);
    world_play(&w, &r, look_on, 100);
    const struct rollout_view *v = snapshot_rollout(r.last, "10");
    assert_string_equal(v->rollout.name, "another");
    assert_true(v->latched);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_between_intent_and_outcome),
        cmocka_unit_test(a_halt_is_asked_for_again),
        cmocka_unit_test(a_log_that_opens_late_is_settled_once),
        cmocka_unit_test(nothing_meant_for_one_rollout_reaches_another),
        cmocka_unit_test(what_was_left_open_is_not_taken_up_for_another),
        cmocka_unit_test(a_person_halts_what_has_the_number_not_what_the_log_remembers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
