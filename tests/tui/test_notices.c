/* What rings besides a halt: each thing once, not what stands when the screen opens, not again while it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "tui/notices.h"

#define T0 (INT64_C(1931258467) * US_PER_S)

struct world {
    struct notices book;
    struct snapshot *s;
    struct wave_view wave;
    int64_t now;
    struct notice out[8];
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->s = snapshot_new();
    w->now = T0;
    w->s->fleet = "emea", w->s->environment = "prod";
    w->s->link.error = w->s->link.next = w->s->link.url = "";
    w->s->telemetry = w->s->link;
    w->s->link.state = w->s->telemetry.state = LINK_LIVE;
    w->s->rollouts_known = true;
    w->s->rollouts = ARENA_ARRAY(&w->s->arena, struct rollout_view, 1);
    w->s->n_rollouts = 1;
    struct rollout_view *r = w->s->rollouts;
    r->rollout = (struct rollout){.id = "4471",
                                  .name = "spring",
                                  .release = {.id = "7", .name = "hearth", .version = "4.12.1"},
                                  .state = ROLLOUT_RUNNING,
                                  .state_word = "running",
                                  .description = "",
                                  .filter = "",
                                  .created_by = "",
                                  .approval_by = "",
                                  .approval_remark = ""};
    r->halted_by = r->halt_text = r->paused_by = r->rollback_of = r->next = "";
    r->rollback.to = r->rollback.name = r->rollback.text = r->rollback.left = "";
    r->waves = &w->wave, r->n_waves = 1, r->waves_known = true;
    w->wave.wave.name = w->wave.wave.id = "";
    w->wave.decided_by = "";
    w->wave.verdict.rule = "";
    w->wave.watched = true;
}

static size_t look(struct world *w)
{
    w->now += US_PER_S;
    w->s->taken_at = w->s->link.last_ok = w->s->telemetry.last_ok = w->now;
    w->s->generation++;
    return notices_new(&w->book, &w->s, 1, w->now, w->out, 8);
}

static void test_gate_rings_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_int_equal(look(&w), 0);
    w.s->rollouts[0].gate_waits = true;
    assert_int_equal(look(&w), 1);
    assert_int_equal(w.out[0].kind, NOTICE_GATE);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(look(&w), 0);
    snapshot_unref(w.s);
}

static void test_what_stands_at_first_is_no_news(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.s->rollouts[0].gate_waits = true;
    w.s->rollouts_known = false; /* nothing was answered yet: not the first look */
    w.s->n_rollouts = 0;
    assert_int_equal(look(&w), 0);
    w.s->rollouts_known = true;
    w.s->n_rollouts = 1;
    assert_int_equal(look(&w), 0);
    assert_int_equal(look(&w), 0);
    snapshot_unref(w.s);
}

static void test_what_comes_and_goes_rings_now_and_then(void **state)
{
    (void)state;
    struct world w;
    size_t told = 0;
    world_init(&w);
    look(&w);
    for (int i = 0; i < 1500; i++) { /* 25 minutes, half a second on and off */
        w.s->rollouts[0].gate_waits = i % 2;
        told += look(&w);
    }
    assert_in_range(told, 2, 3);
    snapshot_unref(w.s);
}

static void test_roll_back_begins_and_ends(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    look(&w);
    struct rollback_view *b = &w.s->rollouts[0].rollback;
    b->step = RB_FOLLOW, b->to = "hearth:4.11.9", b->devices = 20, b->started = w.now, b->text = "waits";
    assert_int_equal(look(&w), 1);
    assert_int_equal(w.out[0].kind, NOTICE_ROLLBACK);
    assert_false(w.out[0].resolved);
    b->verified = 12;
    assert_int_equal(look(&w), 0);
    b->step = RB_DONE, b->outcome = RB_COMPLETE, b->ended = w.now, b->verified = 20;
    assert_int_equal(look(&w), 1);
    assert_true(w.out[0].resolved);
    assert_int_equal(look(&w), 0);
    snapshot_unref(w.s);
}

static void test_lost_telemetry(void **state)
{
    (void)state;
    struct world w;
    size_t told = 0;
    world_init(&w);
    look(&w);
    w.wave.verdict.data_missing = true;
    w.wave.verdict.unknown_since = w.now;
    for (int i = 0; i < 300; i++)
        told += look(&w);
    assert_int_equal(told, 1);
    assert_int_equal(w.book.v[0].n.kind, NOTICE_LOST);
    snapshot_unref(w.s);
}

static void test_more_than_it_keeps(void **state)
{
    (void)state;
    struct world w;
    char ids[200][16];
    world_init(&w);
    look(&w);
    struct rollout_view *v = ARENA_ARRAY(&w.s->arena, struct rollout_view, 200);
    for (int i = 0; i < 200; i++) {
        v[i] = w.s->rollouts[0];
        ids[i][0] = (char)('a' + i / 26), ids[i][1] = (char)('a' + i % 26), ids[i][2] = '\0';
        v[i].rollout.id = ids[i];
        v[i].gate_waits = true;
    }
    w.s->rollouts = v, w.s->n_rollouts = 200;
    assert_int_equal(look(&w), 8); /* as many as were asked for */
    for (int i = 0; i < 900; i++)
        assert_int_equal(look(&w), 0);
    assert_int_equal(w.book.n, NOTICES_KEPT);
    snapshot_unref(w.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_rings_once),
        cmocka_unit_test(test_what_stands_at_first_is_no_news),
        cmocka_unit_test(test_what_comes_and_goes_rings_now_and_then),
        cmocka_unit_test(test_roll_back_begins_and_ends),
        cmocka_unit_test(test_lost_telemetry),
        cmocka_unit_test(test_more_than_it_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
