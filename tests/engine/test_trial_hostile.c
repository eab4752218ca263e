/* Trials against servers and files that are wrong about time, and against rollouts that take devices away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world_impl.h"

#define T0 (INT64_C(1700000000) * US_PER_S)

static void hostile_world(struct world *w)
{
    static const int waves[] = {6, 10, 48};
    world_init(w, waves, 3);
    w->history = true;
    w->noisy = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.evidence.min_devices = 60; /* nothing acts */
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->policy.install_us = US_PER_HOUR;
    w->devices[0].offline = w->devices[63].offline = true; /* waves that go on */
    for (int i = 0; i < w->n_devices; i++)
        w->devices[i].reboots_per_s_new = 1.0 / (300 + 40 * (i % 7));
}

static const struct trial_view *trial_of(const struct play *p)
{
    return &snapshot_rollout(p->last, "10")->trial;
}

static bool at_tick(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.tick >= T0 + (int64_t)p->stage * US_PER_S && v->trial.state == TRIAL_LIVE;
    return false;
}

static void watch_until(struct world *w, struct play *p, int second)
{
    p->judge = true;
    p->stage = second;
    world_play(w, p, at_tick, 1800);
    assert_non_null(p->bytes);
}

static void same(const struct play *p, const struct play *q)
{
    assert_int_equal(p->tick, q->tick);
    assert_int_equal(p->n_bytes, q->n_bytes);
    assert_memory_equal(p->bytes, q->bytes, p->n_bytes);
}

/* A source that knows nothing of the time before has not said that all devices were silent then. */
static void an_empty_past_says_nothing(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    hostile_world(&w);
    w.past_empty = true;
    watch_until(&w, &p, 300);
    const struct stage_view *s = &trial_of(&p)->stages[0];
    size_t i = 0;
    while (i < s->n && s->which[i] != TEST_SILENT)
        i++;
    assert_true(i < s->n);
    assert_int_equal(s->v[i].canary_of, 5);
    assert_in_range(s->v[i].control_of, 40, 58); /* control comes in with the canaries */
    play_release(&p);
    world_release(&w);
}

/* Told fifty years before the rollout was made, or in ten years' time: then as this watcher saw it. */
static void an_absurd_time_of_telling_is_not_believed(void **state)
{
    (void)state;
    static const int64_t skew[] = {INT64_C(50) * 365 * US_PER_DAY, INT64_C(-10) * 365 * US_PER_DAY};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        struct play p = {0};
        hostile_world(&w);
        w.told_skew = skew[i];
        watch_until(&w, &p, 300);
        assert_in_range(trial_of(&p)->start, T0 - US_PER_MIN, T0 + US_PER_MIN);
        play_release(&p);
        world_release(&w);
    }
}

/* Kept while the clock was an hour ahead: it is not waited for. */
static void a_state_of_a_time_to_come_is_not_waited_for(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true}, r = {0};
    hostile_world(&w);
    watch_until(&w, &p, 1200);
    w.now = T0 + 400 * US_PER_S;
    watch_until(&w, &q, 500);
    w.now = T0 + 400 * US_PER_S;
    watch_until(&w, &r, 500);
    assert_true(q.tick <= T0 + 600 * US_PER_S);
    same(&q, &r);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

/* Another rollout tells the canaries something else at 601 s, which they do not install yet. */
static void take_over(struct world *w)
{
    struct w_rollout *r = &w->rollouts[w->n_rollouts++];
    *r = w->rollouts[0];
    memcpy(r->id, "11", 3);
    r->release = 0;
    r->n_waves = 1;
    r->waves[0].members[0] = r->waves[0].members[--r->waves[0].n]; /* which keeps its wave running */
    w_tell(w, r, &r->waves[0]);
    for (int i = 0; i < r->waves[0].n; i++)
        w->devices[r->waves[0].members[i]].offline = true;
}

static void each_turn(struct world *w, void *arg)
{
    (void)arg;
    if (w->n_rollouts == 1 && w->now >= T0 + 601 * US_PER_S)
        take_over(w);
}

/* What canaries did before another rollout took them counts, also for who comes after that. */
static void what_was_before_devices_left_counts(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {0};
    hostile_world(&w);
    w.each_turn = each_turn;
    watch_until(&w, &p, 1200);
    assert_int_equal(trial_of(&p)->stages[0].v[0].canary_of, 5);
    world_release(&w);
    hostile_world(&w);
    world_alone(&w, 601);
    take_over(&w);
    world_alone(&w, 300);
    watch_until(&w, &q, 1200);
    same(&p, &q);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_past_says_nothing),
        cmocka_unit_test(an_absurd_time_of_telling_is_not_believed),
        cmocka_unit_test(a_state_of_a_time_to_come_is_not_waited_for),
        cmocka_unit_test(what_was_before_devices_left_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
