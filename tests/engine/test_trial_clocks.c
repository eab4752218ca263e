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
    for (int loops = 0; loops <= 1; loops++) {
        struct world w;
        struct play p = {.judge = true};
        healthy_world(&w);
        w.store_ahead = 5 * US_PER_MIN;
        for (int i = 1; i < 6 && loops; i++) {
            w.devices[i].reboots_per_s_new = 1.0 / 120;
            w.devices[i].reboots_from = T0 + 900 * US_PER_S;
        }
        world_play(&w, &p, is_set, 2400);
        const struct rollout_view *v = snapshot_rollout(p.last, "10");
        assert_int_equal(v->latched, loops); /* what was held back is not read afterwards with its wrong times */
        assert_int_equal(v->trial.state, TRIAL_LIVE);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
