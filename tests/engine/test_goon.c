/* What andon has paused for want of data goes on by itself when data is back, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"

#define POLL (10 * US_PER_S) /* the world's telemetry */

static const int three[] = {8, 6, 10};

enum person {
    NOBODY,
    PAUSES_BEFORE,
    HALTS_MEANWHILE,
    ACKS_MEANWHILE,
    RESUMES_MEANWHILE,
    ASKS_FOR_A_ROLL_BACK,
    ROLLS_BACK_MEANWHILE
};
struct loss {
    const char *what;
    int silent;     /* canaries of eight */
    int64_t for_us; /* until they report again */
    enum person person;
    bool restart; /* andon is ended while it is lost, and started again */
    bool touched; /* and meanwhile somebody else has changed the rollout, and paused it again */
    bool never;   /* policy: lost_telemetry: {resume: false} */
    bool gates;   /* promotion: hold */
    /* expected */
    int pauses, resumes, acks; /* acks: by the rule */
    enum rollout_state at_end;
};

struct plot {
    struct play p; /* first */
    const struct loss *l;
    struct world *w;
    int64_t lost, back, resumed;
};

static bool hand(struct play *p, enum verb v, bool refused)
{
    struct intent in = world_intent(v, "10");
    if (refused) /* there is no such release */
        snprintf(in.to_release, sizeof in.to_release, "hearth:0.1");
    p->ticket = engine_submit(p->en, &in);
    return true;
}

static void silence(struct world *w, int n, bool on)
{
    for (int i = 0; i < n; i++)
        w->devices[i].silent = on;
}

/* Stages: 0 all report; 1 a person pauses; 2 lost; 3 a person does something; 4 done so; 5 back. */
static bool lose(struct play *p, const struct snapshot *s)
{
    struct plot *x = (struct plot *)p;
    const struct loss *l = x->l;
    struct world *w = x->w;
    const struct rollout_view *v = snapshot_rollout(s, "10");
    bool halted = v && v->latched && v->stop == STOP_HALTED, held = v && v->held;
    static const enum verb does[] = {[HALTS_MEANWHILE] = VERB_HALT,
                                     [ACKS_MEANWHILE] = VERB_ACK,
                                     [RESUMES_MEANWHILE] = VERB_RESUME,
                                     [ASKS_FOR_A_ROLL_BACK] = VERB_ROLLBACK,
                                     [ROLLS_BACK_MEANWHILE] = VERB_ROLLBACK};
    if (p->stage == 0 && v && v->waves_known && v->waves[0].health.canary.reporting == 8 && (!l->gates || held)) {
        p->stage = l->person == PAUSES_BEFORE ? 1 : 2;
        if (p->stage == 1)
            return hand(p, VERB_PAUSE, false);
    }
    if (p->stage == 1 && op_over(s, p->ticket))
        p->stage = 2;
    if (p->stage == 2 && x->lost == 0) {
        x->lost = w->now;
        silence(w, l->silent, true);
    }
    if (p->stage == 2 && l->person > PAUSES_BEFORE && (l->person == ACKS_MEANWHILE ? halted : held)) {
        p->stage = 3;
        w->devices[7].offline = l->person != ROLLS_BACK_MEANWHILE;
        return hand(p, does[l->person], l->person == ASKS_FOR_A_ROLL_BACK);
    }
    if (p->stage == 3 && op_over(s, p->ticket)) {
        p->stage = 4;
        if (l->person == HALTS_MEANWHILE)
            return hand(p, VERB_ACK, false);
    }
    if (p->stage >= 2 && p->stage < 5 && w->now - x->lost >= l->for_us) {
        silence(w, l->silent, false);
        x->back = w->now;
        p->stage = 5;
    }
    if (p->stage == 5 && x->resumed == 0 && w->rollouts[0].state == ROLLOUT_RUNNING)
        x->resumed = w->now;
    p->done = (p->stage == 5 && w->now - x->back > 3 * US_PER_MIN) ||
              (l->restart && p->stage >= 2 && p->stage < 5 && w->now - x->lost > l->for_us - US_PER_MIN);
    return false;
}

static int lines_with(const char *text, const char *what)
{
    int n = 0;
    for (const char *s = text; (s = strstr(s, what)); s++)
        n++;
    return n;
}

static void play_loss(const struct loss *l)
{
    struct world w;
    struct plot x = {.p = {.judge = true}, .l = l, .w = &w};
    struct loss again = *l;
    print_message("%s\n", l->what);
    world_init(&w, three, 3);
    w.install_us = 5 * US_PER_S;
    w.devices[7].offline = true; /* keeps the first wave running */
    w.policy.install_us = 30 * US_PER_S;
    w.policy.grace_us = US_PER_S;
    w.policy.n_limits = 0;
    w.policy.lost_resume = !l->never;
    if (l->person == ROLLS_BACK_MEANWHILE)
        w.caps &= ~(uint32_t)CAP_STOP;
    w.policy.promotion = l->gates ? PROMOTE_HOLD : PROMOTE_SERVER;
    world_play(&w, &x.p, lose, 3600);
    if (l->restart) {
        int stage = x.p.stage;
        play_release(&x.p);
        if (l->touched)
            w.rollouts[0].changed_at = w.now;
        again.restart = false;
        x.p = (struct play){.judge = true, .stage = stage};
        x.l = &again;
        world_play(&w, &x.p, lose, 3600);
    }
    assert_true(x.p.done);
    char *log = world_entries(&w, "");
    assert_int_equal(world_asked(&w, "pause 10"), l->pauses);
    assert_int_equal(world_asked(&w, "resume 10"), l->resumes);
    assert_int_equal(lines_with(log, "ack ack 10"), l->acks);
    assert_int_equal(w.rollouts[0].state, l->at_end);
    if (l->resumes > 0 &&
        l->person == NOBODY) /* a sample, and the three polls that have it; each is answered at once */
        assert_in_range(x.resumed - x.back, 2 * POLL, 3 * POLL + 2 * US_PER_S);
    free(log);
    play_release(&x.p);
    world_release(&w);
}

static void what_lost_telemetry_has_paused_goes_on(void **state)
{
    static const struct loss cases[] = {
        {"two of eight are away: nothing is lost", 2, 30 * US_PER_MIN, .at_end = ROLLOUT_RUNNING},
        {"for two polls", 8, 3 * POLL + 15 * US_PER_S, .at_end = ROLLOUT_RUNNING},
        {"three of eight: held, and it goes on", 3, 4 * US_PER_MIN, .pauses = 1, .resumes = 1,
         .at_end = ROLLOUT_RUNNING},
        {"halted, and it goes on", 8, 15 * US_PER_MIN, .pauses = 1, .resumes = 1, .acks = 1, .at_end = ROLLOUT_RUNNING},
        {"not where the policy says so", 8, 4 * US_PER_MIN, .never = true, .pauses = 1, .at_end = ROLLOUT_PAUSED},
        {"a roll back was refused: nothing has changed", 8, 4 * US_PER_MIN, ASKS_FOR_A_ROLL_BACK, .pauses = 1,
         .resumes = 1, .at_end = ROLLOUT_RUNNING},
        {"the same, and started again", 8, 5 * US_PER_MIN, ASKS_FOR_A_ROLL_BACK, .restart = true, .pauses = 1,
         .resumes = 1, .at_end = ROLLOUT_RUNNING},
        {"held, and started again", 8, 4 * US_PER_MIN, .restart = true, .pauses = 1, .resumes = 1,
         .at_end = ROLLOUT_RUNNING},
        {"halted, and started again", 8, 15 * US_PER_MIN, .restart = true, .pauses = 1, .resumes = 1, .acks = 1,
         .at_end = ROLLOUT_RUNNING},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        play_loss(&cases[i]);
}

static void what_a_person_has_paused_does_not(void **state)
{
    static const struct loss cases[] = {
        {"paused before: only the latch is lifted", 8, 15 * US_PER_MIN, PAUSES_BEFORE, .pauses = 1, .acks = 1,
         .at_end = ROLLOUT_PAUSED},
        {"the same, and started again", 8, 15 * US_PER_MIN, PAUSES_BEFORE, .restart = true, .pauses = 1, .acks = 1,
         .at_end = ROLLOUT_PAUSED},
        {"a person halts what is held, and acknowledges", 8, 4 * US_PER_MIN, HALTS_MEANWHILE, .pauses = 1, .acks = 1,
         .at_end = ROLLOUT_PAUSED},
        {"a person has acknowledged the halt", 8, 15 * US_PER_MIN, ACKS_MEANWHILE, .pauses = 1, .acks = 1,
         .at_end = ROLLOUT_PAUSED},
        {"the same, and started again", 8, 15 * US_PER_MIN, ACKS_MEANWHILE, .restart = true, .pauses = 1, .acks = 1,
         .at_end = ROLLOUT_PAUSED},
        {"a person resumes: held no more meanwhile", 8, 6 * US_PER_MIN, RESUMES_MEANWHILE, .pauses = 1, .resumes = 1,
         .at_end = ROLLOUT_RUNNING},
        {"a person has rolled it back; the server cannot stop it", 8, 6 * US_PER_MIN, ROLLS_BACK_MEANWHILE, .pauses = 1,
         .at_end = ROLLOUT_PAUSED},
        {"the same, and started again", 8, 6 * US_PER_MIN, ROLLS_BACK_MEANWHILE, .restart = true, .pauses = 1,
         .at_end = ROLLOUT_PAUSED},
        {"somebody else has paused it since", 8, 5 * US_PER_MIN, .restart = true, .touched = true, .pauses = 1,
         .at_end = ROLLOUT_PAUSED},
        {"a gate stays", 8, 4 * US_PER_MIN, .gates = true, .pauses = 1, .at_end = ROLLOUT_PAUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        play_loss(&cases[i]);
}

/* ---- devices that install ---- */

static bool installs(struct play *p, const struct snapshot *s)
{
    (void)s;
    for (int i = 0; i < 7; i++) { /* each reboots for three minutes when it has installed */
        struct w_device *d = &p->w->devices[i];
        d->silent = d->installed_at > INT64_C(1700000000) * US_PER_S && p->w->now - d->installed_at < 3 * US_PER_MIN;
        p->stage += d->silent;
    }
    p->done = p->w->now > p->limit - 100 * US_PER_S;
    return false;
}

static void who_installs_is_not_missed(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .w = &w};
    world_init(&w, three, 3);
    w.policy.n_limits = 0;
    w.policy.grace_us = 3 * US_PER_MIN;
    w.devices[7].offline = true; /* keeps the first wave running */
    world_play(&w, &p, installs, 900);
    assert_true(p.stage > 100);
    assert_int_equal(world_asked(&w, "pause"), 0);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lost_telemetry_has_paused_goes_on),
        cmocka_unit_test(what_a_person_has_paused_does_not),
        cmocka_unit_test(who_installs_is_not_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
