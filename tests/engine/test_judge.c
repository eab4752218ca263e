/* Verdicts that act: a breach halts in the same turn, lost telemetry holds and then pauses, policies hold waves, and
 * what may not act only says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "core/notice.h"
#include "tests/engine/world.h"

static const int three[] = {8, 6, 10};

static bool until_halt(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->latched && v->stop == STOP_HALTED;
    return false;
}

static void crash_loop(struct world *w)
{
    for (int i = 0; i < 8; i++)
        w->devices[i].reboots_per_s_new = 1.0 / 40;
    w->devices[0].offline = true; /* keeps the first wave running */
}

static void a_breach_is_halted_in_the_same_turn(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    crash_loop(&w);
    world_play(&w, &p, until_halt, 1200);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_string_equal(v->halted_by, "rule R-REBOOT");
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    /* telemetry is asked for each 10 s and answered 5 ms later: the request left in that very moment */
    int64_t at = world_asked_at(&w, "pause 10") - INT64_C(1700000000) * US_PER_S;
    assert_int_equal(at % (10 * US_PER_S), 5 * US_PER_MS);
    char *log = world_entries(&w, "halt");
    assert_string_equal(log, "halt halt 10 -\n");
    free(log);
    char *figures = world_field(&w, "halt", "evidence");
    assert_non_null(strstr(figures, "\"limit.basis\":\"absolute\",\"limit.devices\":"));
    free(figures);
    play_release(&p);
    world_release(&w);
}

static bool run_30min(struct play *p, const struct snapshot *s)
{
    (void)s;
    p->done = p->w->now > p->limit - 100 * US_PER_S;
    return false;
}

static void a_healthy_rollout_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    world_play(&w, &p, run_30min, 1900);
    assert_int_equal(world_asked(&w, "pause"), 0);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_FINISHED);
    play_release(&p);
    world_release(&w);
}

static void read_only_rules_only_say_so(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .read_only = true};
    world_init(&w, three, 3);
    crash_loop(&w);
    world_play(&w, &p, run_30min, 1900);
    assert_int_equal(world_asked(&w, "pause"), 0);
    char *log = world_entries(&w, "refused");
    assert_string_equal(log, "refused halt 10 refused\n"); /* once */
    free(log);
    play_release(&p);
    world_release(&w);
}

/* ---- lost telemetry ---- */

static bool lose_telemetry(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->waves_known && v->waves[0].health.canary.reporting == 8) {
        p->w->telemetry_down = true;
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && v->held) { /* holds when a window of coverage is over: a pause without a latch */
        assert_in_range(p->w->now - p->t, 30 * US_PER_S, 75 * US_PER_S);
        assert_false(v->latched);
        p->stage = 2;
    }
    if (p->stage == 2 && v->latched && v->stop == STOP_HALTED) {
        assert_in_range(p->w->now - p->t, 10 * US_PER_MIN, 11 * US_PER_MIN);
        assert_string_equal(v->halted_by, "rule LOST-TELEMETRY");
        p->done = true;
    }
    return false;
}

static void missing_telemetry_holds_then_pauses(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.install_us = 5 * US_PER_S;
    w.devices[0].offline = true; /* keeps the first wave running */
    w.policy.install_us = 30 * US_PER_S;
    world_play(&w, &p, lose_telemetry, 1200);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

static bool never_heard_of(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->waves_known) {
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && v->held) {
        assert_in_range(p->w->now - p->t, 30 * US_PER_S, 75 * US_PER_S);
        p->done = true;
    }
    for (size_t i = 0; i < s->n_alerts && p->stage == 1 && p->w->now - p->t < 30 * US_PER_S; i++)
        assert_int_not_equal(s->alerts[i].kind, ALERT_LOST); /* too early to say */
    return false;
}

/* Who has just begun to watch has not lost anything; then it is said what is lost. */
static void never_known(bool fails, const char *said)
{
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.install_us = 5 * US_PER_S;
    w.devices[0].offline = true;
    w.policy.install_us = 30 * US_PER_S;
    w.telemetry_down = fails;
    for (int i = 0; i < w.n_devices; i++)
        w.devices[i].silent = true;
    world_play(&w, &p, never_heard_of, 300);
    assert_true(p.done);
    assert_non_null(strstr(snapshot_rollout(p.last, "10")->waves[0].verdict.text, said));
    play_release(&p);
    world_release(&w);
}

static void what_never_came_is_given_a_window(void **state)
{
    (void)state;
    never_known(true, "no fresh telemetry");
    never_known(false, "canaries reports: no query has any series");
}

static bool resume_all_the_same(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->waves_known && v->waves[0].health.canary.reporting == 8) {
        p->w->telemetry_down = true;
        p->stage = 1;
    }
    if (p->stage == 1 && v->latched && v->stop == STOP_HALTED) {
        struct intent in = world_intent(VERB_ACK, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
        return true;
    }
    if (p->stage == 2 && op_over(s, p->ticket)) {
        struct intent in = world_intent(VERB_RESUME, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 3;
        return true;
    }
    if (p->stage == 3 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_DONE);
        p->t = p->w->now;
        p->stage = 4;
    }
    if (p->stage == 4 && v->rollout.state == ROLLOUT_PAUSED) {
        assert_in_range(p->w->now - p->t, 595 * US_PER_S, 11 * US_PER_MIN);
        p->stage = 5;
    }
    p->done = p->stage == 5 && v->latched && v->stop == STOP_HALTED;
    return false;
}

/* A resume of what was halted for lost telemetry holds as long again: it is never done, and undone. */
static void a_resume_without_telemetry_holds(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.install_us = 5 * US_PER_S;
    w.devices[0].offline = true;
    w.policy.install_us = 30 * US_PER_S;
    world_play(&w, &p, resume_all_the_same, 3600);
    assert_true(p.done);
    assert_string_equal(snapshot_rollout(p.last, "10")->halted_by, "rule LOST-TELEMETRY");
    play_release(&p);
    world_release(&w);
}

/* ---- promotion by a person ---- */

static bool hold_and_advance(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->gate_waits && p->w->rollouts[0].waves[0].state == WAVE_RUNNING) {
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && p->w->now - p->t > 2 * US_PER_MIN) {
        assert_int_equal(p->w->rollouts[0].waves[1].state, WAVE_SCHEDULED); /* held although the first is done */
        struct intent in = world_intent(VERB_ADVANCE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
        return true;
    }
    if (p->stage == 2 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_DONE);
        p->stage = 3;
    }
    if (p->stage == 3 && v->gate_waits) { /* held again */
        assert_int_equal(p->w->rollouts[0].waves[1].state, WAVE_RUNNING);
        assert_int_equal(p->w->rollouts[0].waves[2].state, WAVE_SCHEDULED);
        p->done = true;
    }
    return false;
}

static void a_person_starts_each_wave(uint32_t caps)
{
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.caps = caps;
    w.policy.promotion = PROMOTE_HOLD;
    world_play(&w, &p, hold_and_advance, 1200);
    assert_int_equal(world_asked(&w, "trigger"), 0); /* the first wave is done: its successor starts at the resume */
    play_release(&p);
    world_release(&w);
}

static void the_policy_may_hold_each_wave(void **state)
{
    (void)state;
    a_person_starts_each_wave(CAP_WAVES | CAP_PAUSE | CAP_TRIGGER_NEXT | CAP_STOP | CAP_ACTION_LIST);
    a_person_starts_each_wave(CAP_WAVES | CAP_PAUSE); /* an old server: no trigger */
}

/* Who is told that a gate waits is told when nothing but a person is missing: also without tests. */
static bool gate_said(const struct snapshot *s)
{
    struct notice n[16];
    size_t found = notice_standing(s, s->taken_at, n, 16);
    for (size_t i = 0; i < found; i++)
        if (n[i].kind == NOTICE_GATE)
            return true;
    return false;
}

static bool until_gate(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->stage += v && v->gate_waits;
    p->done = gate_said(s);
    if (p->done)
        p->t = p->w->now - INT64_C(1700000000) * US_PER_S;
    return false;
}

static void a_gate_waits_for_the_bake_time(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.policy.promotion = PROMOTE_HOLD;
    w.policy.evidence.tests = TESTS_OFF;
    w.policy.bake_us = 5 * US_PER_MIN;
    w.devices[0].offline = true;
    world_play(&w, &p, until_gate, 1200);
    assert_true(p.stage > 1); /* it was held before */
    assert_in_range(p.t, 5 * US_PER_MIN, 6 * US_PER_MIN);
    play_release(&p);
    world_release(&w);
}

/* Somebody else lifts the hold: told, not fought. */
static bool lift_hold(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->held) {
        p->w->rollouts[0].state = ROLLOUT_RUNNING;
        p->t = p->w->now;
        p->stage = 1;
    }
    p->done = p->stage == 1 && p->w->now - p->t > 2 * US_PER_MIN;
    return false;
}

static void a_hold_that_another_lifts_is_not_placed_again(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.policy.promotion = PROMOTE_HOLD;
    w.install_us = US_PER_HOUR;
    world_play(&w, &p, lift_hold, 600);
    assert_int_equal(world_asked(&w, "pause 10"), 1);
    assert_int_equal(p.last->alerts[0].kind, ALERT_EXTERNAL);
    play_release(&p);
    world_release(&w);
}

/* ---- automatic roll back ---- */

static const struct limit to_rollback[] = {
    {.id = "R-BACK",
     .metric = "reboots",
     .basis = BASIS_ABSOLUTE,
     .value = 20,
     .for_us = 30 * US_PER_S,
     .min_devices = 2,
     .wave = -1,
     .device_class = "",
     .react = REACT_ROLLBACK},
};

static bool until_back(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (v && v->rollback.step == RB_FOLLOW && v->rollback.verified == 7 && p->w->now > p->limit - 1800 * US_PER_S)
        p->w->devices[0].offline = false; /* waited for until then: nobody knows what it has installed meanwhile */
    p->done = v && v->rollback.step == RB_DONE;
    return false;
}

static void a_rule_may_roll_back(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    crash_loop(&w);
    w.policy.limits = to_rollback;
    world_play(&w, &p, until_back, 3600);
    assert_true(snapshot_rollout(p.last, "10")->latched); /* still to be acknowledged */
    assert_true(world_asked_at(&w, "pause 10") < world_asked_at(&w, "create"));
    for (int i = 0; i < w.n_devices; i++)
        assert_int_equal(w.devices[i].installed, 0);
    assert_false(w.devices[0].offline);
    play_release(&p);
    world_release(&w);
}

/* ---- a limit on a class of devices ---- */

static void class_world(struct world *w, struct limit *l, const char *class)
{
    world_init(w, three, 3);
    crash_loop(w);
    *l = w->policy.limits[0];
    l->device_class = class;
    w->policy.limits = l;
    w->policy.n_limits = 1;
}

static void a_limit_judges_the_devices_of_its_class(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct limit l;
    class_world(&w, &l, "dev-*");
    world_play(&w, &p, until_halt, 1200);
    assert_string_equal(snapshot_rollout(p.last, "10")->halted_by, "rule R-REBOOT");
    play_release(&p);
    world_release(&w);
}

static void a_limit_leaves_other_classes_alone(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct limit l;
    class_world(&w, &l, "pump-*");
    world_play(&w, &p, run_30min, 1900);
    assert_false(snapshot_rollout(p.last, "10")->latched);
    assert_int_equal(world_asked(&w, "pause 10"), 0);
    play_release(&p);
    world_release(&w);
}

/* ---- a limit on a metric that no source file knows ---- */

static const struct metric_def measured[] = {{.id = "free-memory",
                                              .title = "free memory",
                                              .unit = "MiB",
                                              .kind = KIND_GAUGE,
                                              .worse = WORSE_DOWN,
                                              .own = true,
                                              .tolerance = 1.1,
                                              .share = 0.1,
                                              .level = {1.5, 2},
                                              .n_levels = 2,
                                              .window_us = 5 * US_PER_MIN},
                                             {.id = "retries",
                                              .title = "radio retries",
                                              .unit = "",
                                              .kind = KIND_COUNTER,
                                              .share = 0.1,
                                              .level = {1, 4},
                                              .n_levels = 2}};
static const struct limit on_own[] = {{.id = "R-MEMORY",
                                       .metric = "free-memory",
                                       .basis = BASIS_RELATIVE,
                                       .value = 0.8,
                                       .under = true,
                                       .for_us = 30 * US_PER_S,
                                       .min_devices = 2,
                                       .wave = -1,
                                       .device_class = "",
                                       .react = REACT_PAUSE}};

/* The columns of the telemetry are in another order than the policy's rows. */
static void own_world(struct world *w, struct arena *a, double memory)
{
    world_init(w, three, 3);
    arena_init(a);
    w->policy.evidence.own = measured;
    w->policy.evidence.n_own = 2;
    assert_true(metric_make_tests(&w->policy.evidence, a));
    w->policy.limits = on_own;
    w->policy.n_limits = 1;
    w->fleet.telemetry.own[0] = (struct telemetry_metric){"retries", "retries_total", true, KIND_COUNTER, false};
    w->fleet.telemetry.own[1] = (struct telemetry_metric){"free-memory", "memory_free", false, KIND_GAUGE, false};
    w->fleet.telemetry.n_own = 2;
    w->devices[0].offline = true; /* keeps the first wave running */
    for (int i = 0; i < w->n_devices; i++) {
        w->devices[i].own[0] = 7;
        w->devices[i].own_new[0] = i == 3 ? 12 : 7;
        w->devices[i].own[1] = 400 + i;
        w->devices[i].own_new[1] = memory * w->devices[i].own[1];
    }
}

static bool halted_and_shown(struct play *p, const struct snapshot *s)
{
    struct focus f = {.wave = 0, .rollout = "10"};
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->latched && v->stop == STOP_HALTED) {
        engine_focus(p->en, &f);
        p->stage = 1;
    }
    p->done = p->stage == 1 && s->focus.wave == 0 && s->n_devices > 0;
    return false;
}

static void a_limit_on_a_metric_of_ones_own_halts(void **state)
{
    (void)state;
    struct world w;
    struct arena a;
    struct play p = {.judge = true};
    own_world(&w, &a, 0.4);
    world_play(&w, &p, halted_and_shown, 1200);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_string_equal(v->halted_by, "rule R-MEMORY");
    assert_non_null(strstr(v->halt_text, "free memory 16"));
    assert_non_null(strstr(v->halt_text, " MiB against "));
    assert_non_null(strstr(v->halt_text, "x, limit 0.8x)"));
    char *figures = world_field(&w, "halt", "evidence");
    assert_non_null(strstr(figures, "\"limit.metric\":\"free-memory\""));
    free(figures);
    /* What a screen shows of it: words and figures of the wave, and each device's own. */
    const struct wave_view *wave = &v->waves[0];
    assert_int_equal(wave->n_figures, FIGURES_BUILTIN + 2);
    assert_string_equal(wave->figures[FIGURES_BUILTIN].word, "free-memory");
    assert_true(wave->health.ratio[FIGURES_BUILTIN] < 0.8 && wave->health.ratio[FIGURES_BUILTIN] >= 0.4);
    assert_true(isfinite(wave->trend[FIGURES_BUILTIN][TREND_N - 1]));
    assert_string_equal(wave->verdict.limits[0].figure->phrase, "free memory");
    bool some = false;
    for (size_t i = 0; i < p.last->n_devices; i++) {
        const struct device_row *r = &p.last->devices[i];
        if (strcmp(r->id, w.devices[3].id) != 0)
            continue;
        some = true;
        assert_true(fabs((double)r->metric[METRICS_BUILTIN].value - 0.4 * 403) < 0.01);
        assert_true((double)r->metric[METRICS_BUILTIN].base > 0.5 * 403);
        assert_int_equal(r->state, DEV_ODD);
        assert_non_null(strstr(r->note, "of its own free memory or less"));
    }
    assert_true(some);
    play_release(&p);
    world_release(&w);
    arena_release(&a);
}

/* A query whose values are kept as something else (no policy of the fleet tests it now, or another one does, of another
 * kind) gives no figure: not known, and not the other kind's numbers. */
static void values_of_another_kind_are_not_known(void **state)
{
    (void)state;
    static const struct telemetry_metric others[] = {
        {"free-memory", "memory_free", false, KIND_COUNTER, false}, /* as the configuration leaves it */
        {"free-memory", "memory_free", true, KIND_EVENT, false},
        {"free-memory", "memory_free", false, KIND_SPREAD, false},
        {"free-memory", "memory_free", false, KIND_GAUGE, true},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct world w;
        struct arena a;
        struct play p = {.judge = true};
        own_world(&w, &a, 0.4);
        w.fleet.telemetry.own[1] = others[i];
        w.policy.evidence.tests = TESTS_ON;
        for (size_t m = 0; m < METRICS_BUILTIN; m++)
            w.policy.evidence.share[m] *= 0.8;
        world_play(&w, &p, run_30min, 1900);
        assert_int_equal(world_asked(&w, "pause 10"), 0);
        const struct rollout_view *v = snapshot_rollout(p.last, "10");
        assert_true(isnan(v->waves[0].health.value[FIGURES_BUILTIN]));
        assert_int_equal(v->waves[0].health.column[FIGURES_BUILTIN], -1);
        assert_true(v->waves[0].health.value[FIGURES_BUILTIN + 1] >= 0);
        play_release(&p);
        world_release(&w);
        arena_release(&a);
    }
}

static void a_limit_on_a_metric_of_ones_own_leaves_health_alone(void **state)
{
    (void)state;
    struct world w;
    struct arena a;
    struct play p = {.judge = true};
    own_world(&w, &a, 0.9);
    world_play(&w, &p, run_30min, 1900);
    assert_int_equal(world_asked(&w, "pause 10"), 0);
    play_release(&p);
    world_release(&w);
    arena_release(&a);
}

/* ---- the last wave: nobody is left to compare with ---- */

static const struct limit against_control[] = {
    {.id = "R-RELATIVE",
     .metric = "reboots",
     .basis = BASIS_RELATIVE,
     .value = 3,
     .for_us = 30 * US_PER_S,
     .min_devices = 2,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
};
static const int to_the_last[] = {6, 12, 30};

static void last_wave_world(struct world *w)
{
    world_init(w, to_the_last, 3);
    w->policy.limits = against_control;
    w->install_us = 2 * US_PER_MIN;
    w->devices[47].offline = true; /* keeps the last wave running */
    w->policy.install_us = US_PER_HOUR;
}

/* Every device that has it begins to reboot, ten minutes after the last wave was told. */
static void begin_late(struct play *p)
{
    for (int i = 0; i < p->w->n_devices; i++) {
        p->w->devices[i].reboots_from = p->w->now;
        p->w->devices[i].reboots_per_s_new = 1.0 / 60;
    }
}

static bool late_fault(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->n_waves == 3 && v->waves[2].health.control_frozen_at > 0) {
        assert_int_equal(v->waves[2].health.control.expected, 30); /* what the last wave was before it was told */
        assert_in_range(p->w->now - v->waves[2].health.control_frozen_at, 0, 40 * US_PER_S);
        assert_int_equal(v->waves[0].health.control_frozen_at, v->waves[2].health.control_frozen_at);
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && p->w->now - p->t > 10 * US_PER_MIN) {
        assert_false(v->latched);
        assert_int_equal(v->n_warnings, 1); /* of the server's success threshold */
        begin_late(p);
        p->stage = 2;
    }
    p->done = p->stage == 2 && v->latched && v->stop == STOP_HALTED;
    return false;
}

static void a_fault_in_the_last_wave_is_halted(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    last_wave_world(&w);
    world_play(&w, &p, late_fault, 3600);
    assert_string_equal(snapshot_rollout(p.last, "10")->halted_by, "rule R-RELATIVE");
    assert_true(w.now - p.t < 15 * US_PER_MIN);
    play_release(&p);
    world_release(&w);
}

static void the_last_wave_of_a_healthy_rollout_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    last_wave_world(&w);
    world_play(&w, &p, run_30min, 1900);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_true(v->waves[2].health.control_frozen_at > 0);
    assert_int_equal(world_asked(&w, "pause"), 0);
    play_release(&p);
    world_release(&w);
}

static bool blind(const struct rollout_view *v)
{
    for (size_t i = 0; v && i < v->n_warnings; i++)
        if (strstr(v->warnings[i], "relative limits judge nothing"))
            return true;
    return false;
}

static bool until_blind(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && p->w->now > p->limit - 1000 * US_PER_S)
        p->done = blind(snapshot_rollout(s, "10"));
    return false;
}

static void started_in_the_last_wave_it_says_that_it_is_blind(void **state)
{
    (void)state;
    struct world w;
    struct play first = {.judge = true}, second = {.judge = true};
    last_wave_world(&w);
    world_play(&w, &first, run_30min, 1900);
    assert_false(blind(snapshot_rollout(first.last, "10"))); /* who has seen control knows its figures */
    play_release(&first);
    world_play(&w, &second, until_blind, 1200);
    assert_int_equal(second.last->n_rollouts, 1);
    play_release(&second);
    world_release(&w);
}

/* ---- which policy ---- */

static void a_rule_of_the_fleet_chooses_the_policy(void **state)
{
    (void)state;
    static const struct policy_rule rules[] = {
        {"winter*", "", NULL}, {"spr*", "pump-*", NULL}, {"spr*", "dev-*", NULL}};
    struct policy_rule r[3];
    struct world w;
    struct play p = {.judge = true};
    struct policy strict;
    world_init(&w, three, 3);
    crash_loop(&w);
    strict = w.policy;
    w.policy.n_limits = 0; /* nothing halts by the fleet's own */
    memcpy(r, rules, sizeof r);
    for (size_t i = 0; i < 3; i++)
        r[i].policy = i == 2 ? &strict : &w.policy;
    w.fleet.rules = r;
    w.fleet.n_rules = 3;
    world_play(&w, &p, until_halt, 1200);
    assert_ptr_equal(snapshot_rollout(p.last, "10")->policy, &strict);
    assert_string_equal(snapshot_rollout(p.last, "10")->halted_by, "rule R-REBOOT");
    play_release(&p);
    world_release(&w);
}

static bool until_listed(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->n_waves == 3 && v->waves[0].health.control.expected > 0;
    return false;
}

/* Ten devices of the last wave are enough: of the middle one none is watched. */
static void control_is_taken_from_the_last_wave_down(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR;
    w.policy.control_max = 10;
    world_play(&w, &p, until_listed, 60);
    assert_int_equal(snapshot_rollout(p.last, "10")->waves[0].health.control.expected, 10);
    play_release(&p);
    world_release(&w);
}

/* Every device restarts once for its install, as devices do; the first two go on to restart. */
struct seen_rows {
    int64_t counts, bad, odd, of_install;
};
static struct seen_rows seen_rows;

static bool look_at_rows(struct play *p, const struct snapshot *s)
{
    struct focus f = {.wave = 0, .rollout = "10"};
    if (p->stage == 0 && s->rollouts_known) {
        engine_focus(p->en, &f);
        p->stage = 1;
        return true;
    }
    seen_rows.bad = seen_rows.odd = 0;
    for (size_t i = 0; s->devices_at > 0 && i < s->n_devices; i++) {
        const struct device_row *r = &s->devices[i];
        seen_rows.counts += r->state == DEV_OK && !*r->note;
        seen_rows.bad += r->state == DEV_BAD;
        seen_rows.odd += r->state == DEV_ODD;
        seen_rows.of_install +=
            i >= 2 && (r->state == DEV_ODD || r->state == DEV_BAD || (r->metric && r->metric[ROW_REBOOTS].value > 0));
    }
    p->done = p->w->now > p->limit - 100 * US_PER_S;
    return false;
}

static void an_installs_own_reboot_makes_no_device_odd(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    world_init(&w, three, 3);
    for (int i = 0; i < w.n_devices; i++)
        w.devices[i].restarts = true;
    for (int i = 0; i < 2; i++) {
        w.devices[i].reboots_per_s_new = 1.0 / 200;
        w.devices[i].reboots_from = INT64_C(1700000000) * US_PER_S + 700 * US_PER_S;
    }
    w.devices[7].offline = true; /* keeps the first wave running */
    w.policy.n_limits = 0;
    w.policy.evidence.min_devices = 60; /* nothing acts */
    seen_rows = (struct seen_rows){0};
    world_play(&w, &p, look_at_rows, 1900);
    assert_true(seen_rows.counts > 0);
    assert_int_equal(seen_rows.of_install, 0);
    assert_int_equal(seen_rows.bad, 2);
    assert_int_equal(seen_rows.odd, 0);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_is_halted_in_the_same_turn),
        cmocka_unit_test(a_healthy_rollout_is_left_alone),
        cmocka_unit_test(read_only_rules_only_say_so),
        cmocka_unit_test(missing_telemetry_holds_then_pauses),
        cmocka_unit_test(what_never_came_is_given_a_window),
        cmocka_unit_test(a_resume_without_telemetry_holds),
        cmocka_unit_test(the_policy_may_hold_each_wave),
        cmocka_unit_test(a_gate_waits_for_the_bake_time),
        cmocka_unit_test(a_rule_may_roll_back),
        cmocka_unit_test(a_hold_that_another_lifts_is_not_placed_again),
        cmocka_unit_test(a_limit_judges_the_devices_of_its_class),
        cmocka_unit_test(a_limit_leaves_other_classes_alone),
        cmocka_unit_test(a_limit_on_a_metric_of_ones_own_halts),
        cmocka_unit_test(a_limit_on_a_metric_of_ones_own_leaves_health_alone),
        cmocka_unit_test(values_of_another_kind_are_not_known),
        cmocka_unit_test(a_fault_in_the_last_wave_is_halted),
        cmocka_unit_test(the_last_wave_of_a_healthy_rollout_is_left_alone),
        cmocka_unit_test(a_rule_of_the_fleet_chooses_the_policy),
        cmocka_unit_test(control_is_taken_from_the_last_wave_down),
        cmocka_unit_test(started_in_the_last_wave_it_says_that_it_is_blind),
        cmocka_unit_test(an_installs_own_reboot_makes_no_device_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
