/* Two servers, two clocks: a store of telemetry that is ahead of the fleet server shows an install's own reboot when
 * the grace is long over. And devices that telemetry knows by another name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"

#define T0 (INT64_C(1700000000) * US_PER_S)

static const int waves[] = {6, 10, 48};

/* Every device reboots once for its install, and never again. */
static void healthy_world(struct world *w)
{
    world_init(w, waves, 3);
    w->history = w->dated = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.n_limits = 0;
    w->policy.grace_us = 60 * US_PER_S; /* tolerates 10 s */
    w->policy.install_us = US_PER_HOUR;
    for (int i = 0; i < w->n_devices; i++)
        w->devices[i].restarts = true;
    w->devices[0].offline = true; /* keeps the first wave running */
}

static bool until_tick(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && (v->latched || v->trial.tick >= T0 + (int64_t)p->stage * US_PER_S);
    return false;
}

static void watch(struct world *w, struct play *p, int second)
{
    p->judge = true;
    p->stage = second;
    world_play(w, p, until_tick, 3600);
}

static const struct wave_view *wave(const struct play *p)
{
    return &snapshot_rollout(p->last, "10")->waves[0];
}

/* What is measured here: without a Date nobody can know, and every canary seems to have rebooted. */
static void unknown_clocks_are_gone_by(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    healthy_world(&w);
    w.dated = false;
    w.store_ahead = 5 * US_PER_MIN;
    watch(&w, &p, 1500);
    assert_true(snapshot_rollout(p.last, "10")->latched);
    play_release(&p);
    world_release(&w);
}

static void a_store_that_is_ahead_holds(void **state)
{
    static const int ahead[] = {5 * 60, -20};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        struct play p = {.judge = true};
        healthy_world(&w);
        w.store_ahead = ahead[i] * US_PER_S;
        watch(&w, &p, 1500);
        const struct rollout_view *v = snapshot_rollout(p.last, "10");
        assert_false(v->latched);
        assert_string_equal(wave(&p)->verdict.rule, VERDICT_RULE_CLOCKS);
        assert_int_equal(wave(&p)->verdict.react, REACT_HOLD);
        assert_int_equal(v->trial.state, TRIAL_BEHIND);
        const char *words = ahead[i] > 0 ? "telemetry's clock is 5m00s ahead of the fleet server's"
                                         : "telemetry's clock is 20s behind the fleet server's";
        assert_non_null(strstr(wave(&p)->verdict.text, words));
        assert_non_null(strstr(v->trial.text, words));
        assert_int_equal(world_asked(&w, "range"), 0);    /* what has wrong times is not read */
        assert_int_equal(world_asked(&w, "pause 10"), 1); /* after a minute: no wave starts while nothing is tested */
        play_release(&p);
        world_release(&w);
    }
}

/* Behind by so much that all that it shows is old: none reports, and the sentence has the reason. */
static void a_store_that_is_far_behind_shows_nothing(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    healthy_world(&w);
    w.store_ahead = -2 * US_PER_MIN;
    watch(&w, &p, 600);
    assert_string_equal(wave(&p)->verdict.rule, VERDICT_RULE_LOST);
    assert_non_null(strstr(wave(&p)->verdict.text, "its clock is 2m00s behind the fleet server's"));
    play_release(&p);
    world_release(&w);
}

static void what_a_grace_absorbs_is_gone_by(void **state)
{
    static const int ahead[] = {9, -9};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        struct play p = {.judge = true};
        healthy_world(&w);
        w.store_ahead = ahead[i] * US_PER_S;
        watch(&w, &p, 1000);
        assert_false(snapshot_rollout(p.last, "10")->latched);
        assert_string_not_equal(wave(&p)->verdict.rule, VERDICT_RULE_CLOCKS);
        assert_int_equal(world_asked(&w, "pause 10"), 0);
        play_release(&p);
        world_release(&w);
    }
}

/* The store's clock is set after a while; later a crash loop begins. */
static bool is_set(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->w->now > T0 + 400 * US_PER_S)
        p->w->store_ahead = 0;
    p->done = v && (v->latched || v->trial.tick >= T0 + 2000 * US_PER_S);
    return false;
}

static void when_they_agree_again_it_goes_on(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* well; the policy leaves the resume to a person; a crash loop later */
        bool loops = i == 2, never = i == 1;
        struct world w;
        struct play p = {.judge = true};
        healthy_world(&w);
        w.store_ahead = 5 * US_PER_MIN;
        w.policy.lost_resume = !never;
        for (int k = 1; k < 6 && loops; k++) {
            w.devices[k].reboots_per_s_new = 1.0 / 120;
            w.devices[k].reboots_from = T0 + 900 * US_PER_S;
        }
        world_play(&w, &p, is_set, 2400);
        const struct rollout_view *v = snapshot_rollout(p.last, "10");
        assert_int_equal(v->latched, loops); /* what was held back is not read afterwards with its wrong times */
        assert_int_equal(v->trial.state, TRIAL_LIVE);
        /* What it had paused for that goes on, once; the later halt is another pause. */
        assert_int_equal(world_asked(&w, "pause 10"), 1 + loops);
        assert_int_equal(world_asked(&w, "resume 10"), !never);
        assert_int_equal(w.rollouts[0].state, loops || never ? ROLLOUT_PAUSED : ROLLOUT_RUNNING);
        char *log = world_field(&w, "intent", "reason");
        assert_int_equal(strstr(log, "the clocks agree since") != NULL, !never);
        free(log);
        play_release(&p);
        world_release(&w);
    }
}

/* --- names --- */

static void named_world(struct world *w)
{
    world_init(w, waves, 3);
    w->history = w->by_serial = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->policy.install_us = US_PER_HOUR;
    w->noisy = true;
    w->policy.evidence.min_devices = 60; /* nothing acts */
    w->policy.evidence.share[ROW_INSTALL] = 0;
    w->devices[0].offline = true;
    w->fleet.telemetry.join.attribute = "serial";
    join_init(&w->join, "sn", &w->fleet.telemetry.join);
    for (int i = 1; i <= 4; i++)
        w->devices[i].reboots_per_s_new = 1.0 / 120;
}

static bool live_at(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.state == TRIAL_LIVE && v->trial.tick >= T0 + 1200 * US_PER_S;
    return false;
}

static void named(struct play *p, int64_t serials_us)
{
    struct world w;
    named_world(&w);
    w.serials_us = serials_us;
    *p = (struct play){.judge = true};
    world_play(&w, p, live_at, 1800);
    assert_true(world_asked(&w, "serials") >= 1);
    const struct stage_view *g = &snapshot_rollout(p->last, "10")->trial.stages[0];
    assert_int_equal(g->canary, 5);
    assert_true(g->v[0].devices == 4); /* they were found by their serial numbers */
    assert_true(serials_us == 0 || world_asked(&w, "range") > 0);
    join_release(&w.join);
    world_release(&w);
}

/* Whoever reads the names slowly reads the ticks of until then from history. */
static void devices_known_by_an_attribute(void **state)
{
    (void)state;
    struct play fast, slow;
    named(&fast, 0);
    named(&slow, 150 * US_PER_S);
    assert_int_equal(fast.tick, slow.tick);
    assert_int_equal(fast.n_bytes, slow.n_bytes);
    assert_memory_equal(fast.bytes, slow.bytes, fast.n_bytes);
    play_release(&fast);
    play_release(&slow);
}

/* --- facts that come while the clocks disagree, or after --- */

struct disagreement {
    struct play p; /* first */
    int from, to;  /* s: the store is five minutes ahead */
    int facts;     /* s: until then what was before the rollout cannot be read */
};

static bool disagrees(struct play *p, const struct snapshot *s)
{
    const struct disagreement *x = (const struct disagreement *)p;
    const struct rollout_view *v = snapshot_rollout(s, "10");
    int64_t at = (p->w->now - T0) / US_PER_S;
    p->w->store_ahead = at >= x->from && at < x->to ? 5 * US_PER_MIN : 0;
    p->w->past_down = at < x->facts;
    p->done = v && (v->latched || v->trial.tick >= T0 + 1500 * US_PER_S);
    return false;
}

/* Ticks wait for facts from before the rollout. Those of the time when the clocks disagreed are as ones that nobody
 * answered, also when they come to be read after it; those of before are not read while they disagree. */
static void ticks_that_wait(void **state)
{
    static const struct {
        int from, to, facts;
    } cases[] = {{0, 400, 600}, {200, 700, 300}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct disagreement x = {
            .p = {.judge = true}, .from = cases[i].from, .to = cases[i].to, .facts = cases[i].facts};
        healthy_world(&w);
        world_play(&w, &x.p, disagrees, 2400);
        const struct rollout_view *v = snapshot_rollout(x.p.last, "10");
        assert_false(v->latched);
        assert_int_equal(v->trial.state, TRIAL_LIVE);
        assert_true(world_asked_at(&w, "range") >= T0 + cases[i].to * US_PER_S);
        play_release(&x.p);
        world_release(&w);
    }
}

/* --- devices that had it before --- */

static bool had_it(struct play *p, const struct snapshot *s)
{
    for (int i = 1; i < 4; i++) { /* whatever the server tells them: as after an install of long ago */
        p->w->devices[i].status = DEVICE_IN_SYNC;
        p->w->devices[i].installed_at = T0 - US_PER_DAY;
        p->w->devices[i].action = -1;
    }
    return until_tick(p, s);
}

static void who_had_the_release_is_no_canary(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .stage = 400};
    healthy_world(&w);
    world_play(&w, &p, had_it, 3600);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_int_equal(wave(&p)->had_release, 3);
    assert_int_equal(wave(&p)->members, 6);
    assert_int_equal(v->trial.stages[0].canary, 2);
    assert_int_equal(v->waves[1].had_release, 0);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_clocks_are_gone_by),
        cmocka_unit_test(a_store_that_is_ahead_holds),
        cmocka_unit_test(a_store_that_is_far_behind_shows_nothing),
        cmocka_unit_test(what_a_grace_absorbs_is_gone_by),
        cmocka_unit_test(when_they_agree_again_it_goes_on),
        cmocka_unit_test(who_had_the_release_is_no_canary),
        cmocka_unit_test(devices_known_by_an_attribute),
        cmocka_unit_test(ticks_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
