/* Waves kept by andon: whoever is killed when, whatever answers are lost and however many guards share the log, no
 * device is told twice, what is counted is true, and after a pause at most the request that was under way lands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "own_world.h"

#define WAVE 50

static void done(void *ctx, const struct reply *r)
{
    *(enum err_code *)ctx = r->err ? r->err->code : ERR_NONE;
}

static void sums(const struct rollout *r, int64_t total)
{
    const struct counts *c = &r->counts;
    assert_int_equal(c->notstarted + c->scheduled + c->running + c->finished + c->error + c->cancelled, total);
}

static void ok(struct err e)
{
    if (e.code != ERR_NONE)
        fail_msg("%s", e.what);
}

/* ---- telling ---- */

static void a_wave_is_told(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 7, 1);
    ow_plan(&w, "10,rest", 0, 0);
    ow_guard(&w, 0);
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_READY);
    assert_int_equal(w.told, 0); /* nothing begins by itself */
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 5);
    assert_int_equal(w.told, 10);
    assert_int_equal(w.tells, 2);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_RUNNING);
    assert_int_equal(r.counts.running, 10);
    assert_int_equal(r.counts.notstarted, 50);
    assert_true(r.caps & CAP_OWN_WAVES);
    ow_run(&w, 120);
    assert_int_equal(ow_rollout(&w, 0).counts.finished, 10);
    assert_int_equal(w.told, 10); /* nor does the next wave */
    ok(ow_verb(&w, 0, BV_TRIGGER_NEXT));
    ow_run(&w, 300);
    r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_FINISHED);
    assert_int_equal(r.counts.finished, 60);
    assert_int_equal(ow_most_told(&w), 1);
    assert_int_equal(w.log[w.n_log - 1].event, PLAN_FINISHED);
    assert_int_equal(ow_verb(&w, 0, BV_TRIGGER_NEXT).code, ERR_STATE);
    /* Read anew, it is the same. */
    ow_kill(&w, 0);
    ow_guard(&w, 0);
    ow_run(&w, 10);
    r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_FINISHED);
    assert_int_equal(r.counts.finished, 60);
    ow_release(&w);
}

/* ---- the crash matrix ---- */

struct play {
    enum ow_fault fault;
    int every;
    bool shuffled;
    uint64_t seed;
    int guards; /* that run at once */
};

static void begin(struct ow_world *w, const struct play *p)
{
    ow_init(w, WAVE + 10, 7, p->seed);
    ow_plan(w, "50,rest", 0, 0);
    w->fault = p->fault;
    w->fault_every = p->every;
    w->shuffled = p->shuffled;
    for (int i = 0; i < p->guards; i++)
        ow_guard(w, i);
    ow_run(w, 1);
    w->steps = 0;
}

/* What must hold at the end, by whoever lives. */
static void check_end(struct ow_world *w, const struct play *p, int kill, int guard)
{
    struct rollout r = ow_rollout(w, guard);
    int64_t told = 0, twice = 0;
    for (size_t i = 0; i < w->n; i++) {
        told += w->v[i].told > 0;
        twice += w->v[i].told > 1;
    }
    if (twice > 0)
        fail_msg("fault %d seed %d kill %d: %d devices were told twice", p->fault, (int)p->seed, kill, (int)twice);
    sums(&r, WAVE + 10);
    if (r.counts.finished != told || r.counts.scheduled != 0 || r.counts.running != 0 ||
        r.counts.error != WAVE - told || r.counts.notstarted != 10)
        fail_msg("fault %d seed %d kill %d: %d were told, and it counts %d finished, %d error, %d running, %d to tell",
                 p->fault, (int)p->seed, kill, (int)told, (int)r.counts.finished, (int)r.counts.error,
                 (int)r.counts.running, (int)r.counts.scheduled);
}

/* Killed before each step of starting and telling a wave of 50, in eight requests; another guard goes on. */
static int matrix(const struct play *p)
{
    int kill = 0;
    for (bool all = false; !all; kill++) {
        struct ow_world w;
        begin(&w, p);
        w.kill_at = kill;
        ow_verb_begin(&w, 0, BV_START);
        ow_run(&w, 40);
        all = w.guards[0].own != NULL;
        if (p->guards == 1 || all)
            ow_guard(&w, 2);
        int alive = p->guards == 1 || all ? 2 : 1;
        ow_run(&w, 60);
        if (ow_rollout(&w, alive).state == ROLLOUT_READY)
            ok(ow_verb(&w, alive, BV_START)); /* it was killed before the log had it */
        ow_run(&w, 1200);
        check_end(&w, p, kill, alive);
        ow_release(&w);
    }
    return kill;
}

static void killed_anywhere(void **state)
{
    static const struct play plays[] = {{OW_FINE, 0, false, 1, 1}, {OW_FINE, 0, false, 1, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        int steps = matrix(&plays[i]);
        if (steps < 8 * 6) /* claim, read, request and answer of each batch, two steps each */
            fail_msg("only %d places to die at", steps);
    }
}

static void killed_while_answers_are_lost(void **state)
{
    (void)state;
    for (enum ow_fault f = OW_LOST; f <= OW_HALF; f++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct play p = {f, 2, false, seed, 1 + (int)(seed & 1)};
            (void)matrix(&p);
        }
}

/* Two and three guards at once, any order of steps, one of them killed. */
static void guards_on_one_log(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct play p = {(enum ow_fault)(seed % 5), 3, true, seed, 2 + (int)(seed % 2)};
        struct ow_world w;
        begin(&w, &p);
        w.kill_at = (int)(seed * 7 % 150);
        ow_verb_begin(&w, 0, BV_START);
        ow_verb_begin(&w, 1, BV_START); /* two people at once */
        ow_run(&w, 1500);
        check_end(&w, &p, w.kill_at, 1);
        ow_release(&w);
    }
}

/* With nothing in the way every device is told, whatever the order of steps: no claim is left behind. */
static void nobody_is_forgotten(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct play p = {OW_FINE, 0, true, seed, 1 + (int)(seed % 3)};
        struct ow_world w;
        begin(&w, &p);
        ow_verb_begin(&w, 0, BV_START);
        for (int i = 0; i < 300 && ow_step(&w, w.now + 40 * US_PER_S); i++)
            if (i % 3 == 0) /* the log is looked at for other reasons too */
                own_waves_look(w.guards[i % p.guards].own);
        ow_run(&w, 100);
        if (w.told != WAVE)
            fail_msg("seed %d: %d were told", (int)seed, (int)w.told);
        ow_release(&w);
    }
}

/* A server that answers 200 for nothing: it says so of no device, and none is told again. */
static void lies_are_seen(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 7, 1);
    ow_plan(&w, "50,rest", 0, 0);
    w.fault = OW_LIES;
    w.fault_every = 1;
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 1000);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.counts.finished, 0);
    assert_int_equal(r.counts.running, 50); /* told, by its word; no device says so */
    assert_int_equal(r.state, ROLLOUT_RUNNING);
    ow_release(&w);
}

/* ---- pause ---- */

static int under_way(const struct ow_world *w)
{
    int n = 0;
    for (size_t i = 0; i < w->n_events; i++)
        n += w->events[i].kind == OW_TELL && !w->events[i].in_effect;
    return n;
}

/* Asked for before each step of telling: nothing more lands than what is under way; and by another guard, whose claim
 * may be in the log already, one request. */
static void pause_is_final_within_one_request(void **state)
{
    (void)state;
    for (int mode = 0; mode < 6; mode++) /* 1: the log's disk is full by then; 2: the server is down besides */
        for (int at = 0; at < 110; at++) {
            struct ow_world w;
            struct play p = {OW_FINE, 0, false, 1, 1 + mode / 3};
            begin(&w, &p);
            ow_verb_begin(&w, 0, BV_START);
            for (int i = 0; i < at; i++)
                (void)ow_step(&w, w.now + 60 * US_PER_S);
            w.log_full = mode % 3 > 0;
            w.down = mode % 3 > 1;
            int most = w.tells + under_way(&w);
            if (p.guards == 2 && most < w.tells + 1)
                most = w.tells + 1;
            bool running = ow_rollout(&w, 0).state == ROLLOUT_RUNNING;
            if (!running) {
                ow_release(&w);
                continue;
            }
            ow_verb_begin(&w, 0, BV_PAUSE);
            assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_PAUSED); /* at once, before the log has it */
            ow_run(&w, 600);
            if (w.tells > most)
                fail_msg("mode %d, paused after %d steps: %d requests too many", mode, at, w.tells - most);
            assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_PAUSED);
            assert_int_equal(ow_most_told(&w) <= 1, 1);
            if (mode == 3) {
                assert_int_equal(ow_rollout(&w, 1).state, ROLLOUT_PAUSED);
                ok(ow_verb(&w, 1, BV_RESUME));
                ow_run(&w, 1200);
                assert_int_equal(ow_rollout(&w, 0).counts.finished + ow_rollout(&w, 0).counts.error, 50);
                assert_int_equal(ow_most_told(&w), 1);
            }
            ow_release(&w);
        }
}

static void a_pause_outlives_a_full_log(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 7, 1);
    ow_plan(&w, "10,rest", 0, 0);
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.log_full = true;
    ow_verb_begin(&w, 0, BV_PAUSE);
    ow_run(&w, 100);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_PAUSED);
    assert_int_equal(ow_verb(&w, 0, BV_RESUME).code, ERR_STATE); /* it would come before its pause */
    w.log_full = false;
    ow_run(&w, 100);
    assert_int_equal(w.log[w.n_log - 1].event, PLAN_PAUSED);
    ok(ow_verb(&w, 0, BV_RESUME));
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_RUNNING);
    ow_release(&w);
}

/* ---- conditions ---- */

static void failures_pause(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 100, 1);
    ow_plan(&w, "10,rest", 0, 2000);
    for (int i = 0; i < 60; i++)
        w.v[i].fails = true;
    ow_guard(&w, 0);
    ow_guard(&w, 1);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 33);
    w.install_us = 0;
    ow_run(&w, 200);
    struct rollout r = ow_rollout(&w, 1);
    assert_int_equal(r.state, ROLLOUT_PAUSED);
    assert_non_null(strstr(r.state_word, "W0: 10 of 10 failed, more than 20.00%"));
    ok(ow_verb(&w, 1, BV_RESUME)); /* a person means it */
    ok(ow_verb(&w, 1, BV_TRIGGER_NEXT));
    ow_run(&w, 10);
    assert_int_equal(w.told, 60);
    ow_release(&w);
}

static void success_opens_the_next(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 100, 1);
    ow_plan(&w, "10,20,rest", 9000, 0);
    ow_guard(&w, 0);
    ow_guard(&w, 1);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 20);
    assert_int_equal(w.told, 10);
    ow_run(&w, 600);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_FINISHED);
    assert_int_equal(ow_most_told(&w), 1);
    ow_release(&w);
}

/* What a screen asks about a wave's devices counts as well as what is asked here. */
static void others_look_too(void **state)
{
    struct ow_world w;
    struct device_list l = {0};
    enum err_code code = ERR_INTERNAL;
    (void)state;
    ow_init(&w, 20, 10, 1);
    ow_plan(&w, "5,rest", 5000, 0);
    w.install_us = 0;
    struct ow_guard *g = ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    while (w.told < 5)
        assert_true(ow_step(&w, w.now + US_PER_MIN));
    w.lookups = 0;
    w.install_us = 0;
    g->own->ops->wave_devices(g->own, w.plan_id, "0", 100, &w.arena, &l, done, &code);
    ow_run(&w, 30);
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(l.n, 5);
    assert_int_equal(l.v[0].status, DEVICE_IN_SYNC);
    assert_int_equal(w.told, 20);
    ow_release(&w);
}

/* What the server does not take at all is not asked for again and again. */
static void throttling_passes(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 60, 10, 1);
    ow_plan(&w, "50,rest", 0, 0);
    w.fault = OW_BUSY;
    w.fault_every = 1;
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 600);
    assert_int_equal(w.told, 0);
    assert_int_equal(ow_rollout(&w, 0).counts.scheduled, 50);
    size_t entries = w.n_log;
    assert_true(entries < 60); /* ever more seldom */
    w.fault_every = 0;
    ow_run(&w, 300);
    assert_int_equal(ow_rollout(&w, 0).counts.finished, 50);
    assert_int_equal(ow_most_told(&w), 1);
    ow_release(&w);
}

/* ---- stop, retry ---- */

static void a_stop_recalls(void **state)
{
    (void)state;
    for (int kill = -1; kill < 40; kill++) {
        struct ow_world w;
        ow_init(&w, 60, 7, 1);
        ow_plan(&w, "50,rest", 0, 0);
        ow_guard(&w, 0);
        ok(ow_verb(&w, 0, BV_START));
        w.install_us = 3600 * US_PER_S;
        ow_run(&w, 20);
        assert_int_equal(w.told, 50);
        w.steps = 0;
        w.kill_at = kill;
        ow_verb_begin(&w, 0, BV_STOP);
        ow_run(&w, 30);
        if (!w.guards[0].own)
            ow_guard(&w, 1);
        int g = w.guards[0].own ? 0 : 1;
        ow_run(&w, 30);
        if (ow_rollout(&w, g).state == ROLLOUT_RUNNING)
            ok(ow_verb(&w, g, BV_STOP)); /* killed before the log had it */
        ow_run(&w, 400);
        struct rollout r = ow_rollout(&w, g);
        assert_int_equal(r.state, ROLLOUT_STOPPED);
        assert_int_equal(r.counts.cancelled, 50);
        assert_int_equal(r.counts.notstarted, 10);
        for (size_t i = 0; i < 60; i++)
            assert_true(w.v[i].recalled == (w.v[i].told > 0));
        assert_int_equal(ow_verb(&w, g, BV_RESUME).code, ERR_STATE);
        ow_release(&w);
    }
}

/* A server that takes fewer at a time than it was asked for (gooseBit: of so many feeds) is asked for the rest. */
static void a_stop_recalls_what_was_not_sent(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 7, 1);
    ow_plan(&w, "20", 0, 0);
    w.recall_takes = 3;
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.install_us = 3600 * US_PER_S;
    ow_run(&w, 20);
    ok(ow_verb(&w, 0, BV_STOP));
    ow_run(&w, 60);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_STOPPED);
    assert_int_equal(r.counts.cancelled, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(w.v[i].recalls, 1);
    ow_release(&w);
}

static struct inflight alive(struct ow_world *w, int guard)
{
    struct arena a;
    struct inflight n = {0};
    enum err_code code = ERR_INTERNAL;
    struct backend *b = w->guards[guard].own;
    arena_init(&a);
    b->ops->inflight(b, w->plan_id, &a, &n, done, &code);
    ow_run(w, 2);
    arena_release(&a);
    assert_int_equal(code, ERR_NONE);
    return n;
}

static void probe(struct ow_world *w, int guard)
{
    struct arena a;
    struct backend_info info = {0};
    enum err_code code = ERR_INTERNAL;
    struct backend *b = w->guards[guard].own;
    arena_init(&a);
    b->ops->probe(b, &a, &info, done, &code);
    ow_run(w, 1);
    arena_release(&a);
}

/* Half of them have begun: softly they go on; by force they are cut off, and what becomes of them nobody hears. The
 * second may come while the first still recalls, and whoever is killed between, it ends so. */
static void a_stop_by_force_cuts_off_what_has_begun(void **state)
{
    (void)state;
    for (int kill = -1; kill < 30; kill++) {
        struct ow_world w;
        ow_init(&w, 20, 7, 1);
        ow_plan(&w, "20", 0, 0);
        w.caps |= CAP_FORCE;
        ow_guard(&w, 0);
        probe(&w, 0);
        ok(ow_verb(&w, 0, BV_START));
        w.install_us = 3600 * US_PER_S;
        for (size_t i = 0; i < 10; i++)
            w.v[i].busy = true;
        ow_run(&w, 20);
        w.recall_takes = 3;
        ow_verb_begin(&w, 0, BV_STOP);
        ow_run(&w, 1);
        w.steps = 0;
        w.kill_at = kill;
        ow_verb_begin(&w, 0, BV_STOP_FORCE);
        ow_run(&w, 30);
        if (!w.guards[0].own) {
            ow_guard(&w, 1);
            probe(&w, 1);
        }
        int g = w.guards[0].own ? 0 : 1;
        ow_run(&w, 30);
        (void)ow_verb(&w, g, BV_STOP_FORCE); /* killed before the log had it, or it is there and this is refused */
        ow_run(&w, 400);
        struct rollout r = ow_rollout(&w, g);
        assert_int_equal(r.state, ROLLOUT_STOPPED);
        assert_int_equal(r.counts.cancelled, 20);
        assert_int_equal(alive(&w, g).lost, 10);
        for (size_t i = 0; i < 20; i++)
            assert_true(w.v[i].cut == (i < 10) && w.v[i].recalled == (i >= 10));
        assert_int_equal(ow_verb(&w, g, BV_STOP_FORCE).code, ERR_STATE);
        w.v[3].cut = w.v[3].busy = false; /* it has installed it all the same, and says so at last */
        w.install_us = 0;
        ow_run(&w, 200);
        assert_int_equal(ow_rollout(&w, g).counts.finished, 1);
        assert_int_equal(alive(&w, g).lost, 9);
        ow_release(&w);
    }
}

static void a_soft_stop_lets_go_on_what_has_begun(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 7, 1);
    ow_plan(&w, "20", 0, 0);
    w.caps |= CAP_FORCE;
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.install_us = 3600 * US_PER_S;
    for (size_t i = 0; i < 10; i++)
        w.v[i].busy = true;
    ow_run(&w, 20);
    ok(ow_verb(&w, 0, BV_STOP));
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_STOPPED);
    assert_int_equal(ow_rollout(&w, 0).counts.running, 10);
    assert_int_equal(alive(&w, 0).lost, 0);
    ow_release(&w);
}

/* Asked for where the server has no force: the rest is as of a soft one, and no device is called lost. */
static void force_that_is_not_there_is_soft(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 7, 1);
    ow_plan(&w, "20", 0, 0);
    ow_guard(&w, 0);
    probe(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.install_us = 3600 * US_PER_S;
    ow_run(&w, 20);
    ok(ow_verb(&w, 0, BV_STOP_FORCE));
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_STOPPED);
    assert_int_equal(ow_rollout(&w, 0).counts.cancelled, 20);
    assert_int_equal(alive(&w, 0).lost, 0);
    ow_release(&w);
}

/* A yes to a recall is not an outcome: who installs it all the same is counted as having it, also by whoever starts
 * later; and it is not asked for ever. */
static void recalled_is_looked_at_again(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 7, 1);
    ow_plan(&w, "20", 0, 0);
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.install_us = 600 * US_PER_S;
    ow_run(&w, 20);
    for (int i = 0; i < 3; i++)
        w.v[i].deaf = true;
    for (int i = 3; i < 5; i++)
        w.v[i].lost = true;
    ok(ow_verb(&w, 0, BV_STOP));
    ow_run(&w, 120);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_STOPPED);
    assert_int_equal(r.counts.cancelled, 17);
    assert_int_equal(r.counts.running, 3); /* the server still shows them as told */
    ow_run(&w, 700);
    r = ow_rollout(&w, 0);
    assert_int_equal(r.counts.finished, 5);
    assert_int_equal(r.counts.cancelled, 15);
    int64_t before = w.asked;
    ow_run(&w, 2 * 3600);
    assert_true(w.asked - before <= 15 * 70);
    before = w.asked;
    ow_run(&w, 3600);
    assert_int_equal(w.asked, before);
    w.v[7].lost = w.v[7].recalled = true; /* nobody asks any more; who starts later does, once */
    ow_kill(&w, 0);
    ow_guard(&w, 1);
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 1).counts.finished, 6);
    assert_int_equal(w.asked - before, 20);
    ow_release(&w);
}

/* Ids are raw bytes: blanks, line ends and what is no UTF-8 are told and recalled as they are, also by a guard that has
 * read them, and what recall() needs of each, out of the log. */
static void odd_ids_are_told_and_recalled(void **state)
{
    static const char *const ids[] = {"a b",
                                      " lead",
                                      "trail ",
                                      "new\nline",
                                      "back\\slash",
                                      "%41",
                                      "\x1b[31m",
                                      ("bad\xff"
                                       "byte"),
                                      "A B",
                                      "*",
                                      "'\"",
                                      "a,b;c",
                                      "-"};
    enum { N = sizeof ids / sizeof *ids };
    struct ow_world w;
    (void)state;
    ow_init(&w, N, 4, 1);
    for (size_t i = 0; i < N; i++)
        snprintf(w.v[i].id, sizeof w.v[i].id, "%s", ids[i]);
    ow_plan(&w, "5,rest", 0, 0);
    ow_guard(&w, 0);
    w.install_us = 3600 * US_PER_S;
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 20);
    assert_int_equal(w.told, 5);
    ok(ow_verb(&w, 0, BV_TRIGGER_NEXT));
    ow_run(&w, 20);
    assert_int_equal(w.told, N);
    assert_int_equal(ow_most_told(&w), 1);
    ow_kill(&w, 0);
    ow_guard(&w, 1);
    ow_run(&w, 20);
    ok(ow_verb(&w, 1, BV_STOP));
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 1).counts.cancelled, N);
    for (size_t i = 0; i < N; i++)
        assert_true(w.v[i].told == 1 && w.v[i].recalled);
    ow_release(&w);
}

/* Asked of a process that does not go on with plans, as a command is, and nobody else is there. */
static void a_stop_recalls_without_a_guard(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 7, 1);
    ow_plan(&w, "20", 0, 0);
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    w.install_us = 3600 * US_PER_S;
    ow_run(&w, 20);
    assert_int_equal(w.told, 20);
    ow_kill(&w, 0);
    ow_guard(&w, 1)->may = false;
    ok(ow_verb(&w, 1, BV_STOP));
    ow_run(&w, 60);
    struct rollout r = ow_rollout(&w, 1);
    assert_int_equal(r.state, ROLLOUT_STOPPED);
    assert_int_equal(r.counts.cancelled, 20);
    ow_release(&w);
}

/* It was paused and resumed by another; this one has read the pause and not yet the resume. */
static void a_pause_on_an_old_view_holds(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 200, 5, 1);
    ow_plan(&w, "200", 0, 0);
    ow_guard(&w, 0)->may = false;
    ow_guard(&w, 1);
    ok(ow_verb(&w, 1, BV_START));
    ow_verb_begin(&w, 1, BV_PAUSE);
    ow_run(&w, 20);
    ok(ow_verb(&w, 1, BV_RESUME));
    assert_true(w.told < 100);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_PAUSED); /* by what it has read */
    ow_verb_begin(&w, 0, BV_PAUSE);
    ow_run(&w, 60);
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_PAUSED);
    assert_int_equal(ow_rollout(&w, 1).state, ROLLOUT_PAUSED);
    assert_true(w.told < 200);
    ow_release(&w);
}

static void retry_is_a_new_plan(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 20, 5, 1);
    ow_plan(&w, "20", 0, 0);
    for (int i = 0; i < 6; i++)
        w.v[i].fails = true;
    w.fault = OW_DROPPED; /* and some were never told */
    w.fault_every = 3;
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    assert_int_equal(ow_verb(&w, 0, BV_RETRY).code, ERR_STATE);
    ow_run(&w, 1200);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_FINISHED);
    assert_true(r.counts.error >= 6);
    ok(ow_verb(&w, 0, BV_RETRY));
    const struct plan_entry *e = &w.log[w.n_log - 1];
    assert_int_equal(e->event, PLAN_CREATED);
    struct wave_plan again;
    struct err err;
    assert_true(plan_read(&again, e->blob, e->blob_n, &w.arena, &err));
    assert_string_equal(again.name, "hearth 4.12_retry");
    assert_int_equal(again.n, r.counts.error);
    assert_true(plan_picked(&again));
    ow_release(&w);
}

/* A roll back names the devices of each wave. */
static void named_waves_are_kept(void **state)
{
    static const char *const first[] = {"cam-7", "cam-3"}, *const rest[] = {"cam-1", "cam-9", "cam-4"};
    static const struct wave_members members[] = {{first, 2}, {rest, 3}};
    struct rollout_spec spec = {.name = "andon-rb-1-1",
                                .description = "andon roll back of 1, 1",
                                .release_id = "17",
                                .n_waves = 2,
                                .members = members,
                                .error_percent = 50,
                                .success_percent = 50};
    struct ow_world w;
    const char *id = NULL, *again = NULL;
    enum err_code code = ERR_INTERNAL;
    (void)state;
    ow_init(&w, 20, 10, 1);
    struct ow_guard *g = ow_guard(&w, 0);
    ow_run(&w, 1);
    g->own->ops->create_rollout(g->own, &spec, &w.arena, &id, done, &code);
    ow_run(&w, 5);
    assert_int_equal(code, ERR_NONE);
    assert_true(plan_is_id(id));
    snprintf(w.plan_id, sizeof w.plan_id, "%s", id);
    struct rollout r = ow_rollout(&w, 0);
    assert_int_equal(r.state, ROLLOUT_READY);
    assert_string_equal(r.name, spec.name);
    assert_string_equal(r.description, spec.description); /* by that the saga finds it again */
    assert_string_equal(r.release.version, "4.12.1");
    g->own->ops->create_rollout(g->own, &spec, &w.arena, &again, done, &code);
    ow_run(&w, 5);
    assert_int_equal(code, ERR_CONFLICT);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 2);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(w.v[i].told, i == 7 || i == 3);
    ow_run(&w, 200); /* half of them is enough: the rest follows by itself */
    assert_int_equal(ow_rollout(&w, 0).state, ROLLOUT_FINISHED);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(w.v[i].told, i == 7 || i == 3 || i == 1 || i == 9 || i == 4);
    ow_release(&w);
}

/* ---- lists, cost ---- */

static void both_kinds_are_listed(void **state)
{
    struct ow_world w;
    struct rollout_list l = {0};
    enum err_code code = ERR_INTERNAL;
    (void)state;
    ow_init(&w, 20, 5, 1);
    w.rollouts = true;
    w.caps |= CAP_ROLLOUTS;
    ow_plan(&w, "20", 0, 0);
    struct ow_guard *g = ow_guard(&w, 0);
    ow_run(&w, 1);
    g->own->ops->rollouts(g->own, 100, &w.arena, &l, done, &code);
    ow_run(&w, 1);
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.v[0].id, w.plan_id); /* newer */
    assert_string_equal(l.v[1].id, "7");
    assert_int_equal(l.v[1].caps, 0);
    assert_true(l.clipped); /* one is called as a plan is: it is not taken for one */
    ow_release(&w);
}

static struct device_list some_of(struct ow_world *w, int guard, size_t limit)
{
    struct device_list l = {0};
    enum err_code code = ERR_STATE;
    struct backend *b = w->guards[guard].own;
    b->ops->wave_devices(b, w->plan_id, "0", limit, &w->arena, &l, done, &code);
    own_waves_tick(b);
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(l.total, 500);
    assert_int_equal(l.n, limit < 500 ? limit : 500);
    return l;
}

/* A part of a wave is a random part of it, the same for everybody, and more of them hold the fewer. */
static void some_of_a_wave_are_a_random_sample(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, 600, 7, 1);
    ow_plan(&w, "500,rest", 0, 0);
    ow_guard(&w, 0);
    ow_guard(&w, 1);
    ow_run(&w, 1);
    struct device_list all = some_of(&w, 0, 1000), few = some_of(&w, 0, 100), same = some_of(&w, 1, 100);
    struct device_list more = some_of(&w, 1, 200);
    size_t early = 0, twice = 0;
    for (size_t i = 0; i < 100; i++) {
        assert_string_equal(few.v[i].raw_id, same.v[i].raw_id);
        size_t at = 0, in_more = 0;
        while (at < 500 && strcmp(all.v[at].raw_id, few.v[i].raw_id) != 0)
            at++;
        assert_true(at < 500);
        early += at < 100;
        for (size_t k = 0; k < 200; k++)
            in_more += strcmp(more.v[k].raw_id, few.v[i].raw_id) == 0;
        assert_int_equal(in_more, 1);
        for (size_t k = 0; k < i; k++)
            twice += strcmp(few.v[k].raw_id, few.v[i].raw_id) == 0;
    }
    assert_int_equal(twice, 0);
    assert_true(early > 5 && early < 40); /* 20 are expected among the first hundred of five */
    ow_release(&w);
}

static void a_hundred_thousand_at_rest(void **state)
{
    struct ow_world w;
    (void)state;
    ow_init(&w, PLAN_DEVICES_MAX, 200, 1);
    ow_plan(&w, "1000,rest", 0, 0);
    ow_guard(&w, 0);
    ok(ow_verb(&w, 0, BV_START));
    ow_run(&w, 300);
    assert_int_equal(ow_rollout(&w, 0).counts.finished, 1000);
    assert_true(w.asked <= 25000); /* those that were told, while they were under way */
    int64_t before = w.asked;
    ow_run(&w, 3600);
    assert_int_equal(w.asked, before); /* nothing is open: nobody is asked about */
    ow_release(&w);
}

static void what_is_no_plan_is_none(void **state)
{
    struct ow_world w;
    struct rollout_list l = {0};
    enum err_code code = ERR_INTERNAL;
    (void)state;
    ow_init(&w, 20, 5, 1);
    ow_plan(&w, "20", 0, 0);
    w.log[0].plan = "plan-0123456789abcdef"; /* it is another's */
    struct ow_guard *g = ow_guard(&w, 0);
    ow_run(&w, 1);
    g->own->ops->rollouts(g->own, 100, &w.arena, &l, done, &code);
    ow_run(&w, 1);
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(l.n, 0);
    assert_int_equal(ow_verb(&w, 0, BV_START).code, ERR_NOT_FOUND);
    ow_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wave_is_told),
        cmocka_unit_test(killed_anywhere),
        cmocka_unit_test(killed_while_answers_are_lost),
        cmocka_unit_test(guards_on_one_log),
        cmocka_unit_test(nobody_is_forgotten),
        cmocka_unit_test(lies_are_seen),
        cmocka_unit_test(pause_is_final_within_one_request),
        cmocka_unit_test(a_pause_outlives_a_full_log),
        cmocka_unit_test(failures_pause),
        cmocka_unit_test(success_opens_the_next),
        cmocka_unit_test(others_look_too),
        cmocka_unit_test(throttling_passes),
        cmocka_unit_test(a_stop_recalls),
        cmocka_unit_test(a_stop_recalls_what_was_not_sent),
        cmocka_unit_test(recalled_is_looked_at_again),
        cmocka_unit_test(a_stop_by_force_cuts_off_what_has_begun),
        cmocka_unit_test(a_soft_stop_lets_go_on_what_has_begun),
        cmocka_unit_test(force_that_is_not_there_is_soft),
        cmocka_unit_test(odd_ids_are_told_and_recalled),
        cmocka_unit_test(a_stop_recalls_without_a_guard),
        cmocka_unit_test(a_pause_on_an_old_view_holds),
        cmocka_unit_test(retry_is_a_new_plan),
        cmocka_unit_test(named_waves_are_kept),
        cmocka_unit_test(both_kinds_are_listed),
        cmocka_unit_test(some_of_a_wave_are_a_random_sample),
        cmocka_unit_test(a_hundred_thousand_at_rest),
        cmocka_unit_test(what_is_no_plan_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
