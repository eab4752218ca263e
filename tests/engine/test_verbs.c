/* A person's verbs: checked, logged, sent, shown; and a snapshot that tells what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "tests/engine/world.h"

static const int three[] = {4, 6, 10};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->rollouts[0].waves_known && s->audit.writable && s->info.caps;
}

static bool see(struct play *p, const struct snapshot *s)
{
    p->done = ready(s) && s->telemetry.state == LINK_LIVE && s->rollouts[0].waves[0].health.told == 4;
    return false;
}

static void a_snapshot_tells_the_fleet(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, see, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_non_null(v);
    assert_int_equal(v->rollout.state, ROLLOUT_RUNNING);
    assert_int_equal(v->n_waves, 3);
    assert_int_equal(v->current, 0);
    assert_int_equal(p.last->link.state, LINK_LIVE);
    assert_string_equal(p.last->user, "tester");
    struct verb_facts f;
    snapshot_facts(p.last, "10", w.now, &f);
    assert_int_equal(f.n_waves, 3);
    assert_true(f.fresh);
    assert_true(f.log_ok);
    play_release(&p);
    world_release(&w);
}

static bool pause_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        struct intent in = world_intent(VERB_PAUSE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void a_pause_is_logged_sent_and_shown(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, pause_then, 60);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    assert_true(snapshot_rollout(p.last, "10")->held);
    assert_false(snapshot_rollout(p.last, "10")->latched);
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "intent pause 10 -\noutcome pause 10 ok\n"));
    free(log);
    play_release(&p);
    world_release(&w);
}

static void a_lost_answer_is_settled_by_reading(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.verbs_lost = true; /* it took effect, but nobody said so */
    world_play(&w, &p, pause_then, 60);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    play_release(&p);
    world_release(&w);
}

static void what_cannot_be_told_is_unknown(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.verbs_dropped = true;
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, pause_then, 120);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_UNKNOWN);
    assert_int_equal(world_asked(&w, "pause 10"), 1); /* never sent twice */
    play_release(&p);
    world_release(&w);
}

/* Pause, then advance: the next wave and only that one starts. */
static bool advance_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        struct intent in = world_intent(VERB_PAUSE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket) && s->rollouts[0].waves[0].watched) {
        struct intent in = world_intent(VERB_ADVANCE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
        return true;
    }
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

static void advance_of_a_hold_starts_one_wave(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR; /* the wave is still busy: resume alone starts nothing */
    world_play(&w, &p, advance_then, 400);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_int_equal(world_asked(&w, "resume 10"), 1);
    assert_int_equal(world_asked(&w, "trigger"), 1);
    assert_int_equal(w.rollouts[0].waves[1].state, WAVE_RUNNING);
    assert_int_equal(w.rollouts[0].waves[2].state, WAVE_SCHEDULED);
    assert_string_equal(snapshot_rollout(p.last, "10")->waves[0].decided_by, "m.ito");
    play_release(&p);
    world_release(&w);
}

static bool stale_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        p->w->down = true;
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && p->w->now - p->t > 20 * US_PER_S) {
        struct intent in = world_intent(VERB_PAUSE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
        return true;
    }
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

static void stale_data_refuses(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, stale_then, 90);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_REFUSED);
    assert_int_equal(world_asked(&w, "pause"), 0);
    char *log = world_entries(&w, "refused");
    assert_string_equal(log, "refused pause 10 refused\n");
    free(log);
    play_release(&p);
    world_release(&w);
}

/* What a state says about a verb that was sent: what it should bring about, what was before, or neither. */
static void what_became_by_the_state(void **state)
{
    (void)state;
    static const struct {
        enum verb verb;
        enum rollout_state shown;
        enum became is;
    } cases[] = {
        {VERB_START, ROLLOUT_PAUSED, BECAME_APPLIED},    {VERB_START, ROLLOUT_READY, BECAME_NOT_APPLIED},
        {VERB_START, ROLLOUT_STOPPED, BECAME_UNKNOWN},   {VERB_PAUSE, ROLLOUT_RUNNING, BECAME_NOT_APPLIED},
        {VERB_PAUSE, ROLLOUT_FINISHED, BECAME_APPLIED},  {VERB_RESUME, ROLLOUT_STOPPED, BECAME_UNKNOWN},
        {VERB_RESUME, ROLLOUT_STARTING, BECAME_APPLIED}, {VERB_HALT, ROLLOUT_STARTING, BECAME_NOT_APPLIED},
        {VERB_HALT, ROLLOUT_UNKNOWN, BECAME_UNKNOWN},    {VERB_APPROVE, ROLLOUT_PAUSED, BECAME_APPLIED},
        {VERB_APPROVE, ROLLOUT_DENIED, BECAME_UNKNOWN},  {VERB_DENY, ROLLOUT_WAITING_APPROVAL, BECAME_NOT_APPLIED},
        {VERB_ACK, ROLLOUT_PAUSED, BECAME_UNKNOWN},      {VERB_ROLLBACK, ROLLOUT_STOPPED, BECAME_UNKNOWN},
        {VERB_NONE, ROLLOUT_RUNNING, BECAME_UNKNOWN}};
    struct engine en = {0};
    struct ro ro = {.en = &en};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ro.facts.r.state = cases[i].shown;
        if (verbs_became(&en, &ro, cases[i].verb, -1) != cases[i].is)
            fail_msg("%s, shown %s", verb_word(cases[i].verb), rollout_state_word(cases[i].shown));
    }
    assert_int_equal(verbs_became(&en, &ro, VERB_ADVANCE, 1), BECAME_NOT_READ);
}

static bool unknown_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s)) {
        struct intent in = world_intent(VERB_COUNT, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void a_verb_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, unknown_then, 60);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_REFUSED);
    assert_string_equal(op_of(p.last, p.ticket)->text, "there is no such verb");
    assert_int_equal(world_asked(&w, "resume") + world_asked(&w, "start") + world_asked(&w, "pause"), 0);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_tells_the_fleet),
        cmocka_unit_test(a_pause_is_logged_sent_and_shown),
        cmocka_unit_test(a_lost_answer_is_settled_by_reading),
        cmocka_unit_test(what_cannot_be_told_is_unknown),
        cmocka_unit_test(advance_of_a_hold_starts_one_wave),
        cmocka_unit_test(stale_data_refuses),
        cmocka_unit_test(what_became_by_the_state),
        cmocka_unit_test(a_verb_that_nobody_knows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
