/* Trials: evidence halts before limits would; whoever watches, from whenever, comes to the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/history.h"
#include "core/explain.h"
#include "engine/rehearse.h"
#include "tests/engine/world.h"

/* The world's, as it is kept. */
static const struct rollout_identity ROLLOUT = {"lab", "10", INT64_C(1700000000) * US_PER_S - US_PER_MIN, "", ""};

static const int waves[] = {6, 10, 48};

/* With history, and only tests: no limit is there. */
static void trial_world(struct world *w)
{
    world_init(w, waves, 3);
    w->history = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->devices[0].offline = true; /* keeps the first wave running */
    w->policy.install_us = US_PER_HOUR;
}

static void crash_loop(struct world *w, int n)
{
    for (int i = 1; i <= n; i++)
        w->devices[i].reboots_per_s_new = 1.0 / 120;
}

static bool until_halt(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->latched && v->stop == STOP_HALTED;
    return false;
}

static void evidence_halts_before_any_limit(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    crash_loop(&w, 4);
    world_play(&w, &p, until_halt, 1800);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    print_message("%s: %s\n%s\n", v->halted_by, v->halt_text, v->trial.sentence);
    assert_int_equal(v->trial.state, TRIAL_LIVE);
    assert_int_equal(v->trial.n_stages, 1);
    assert_int_equal(v->trial.n_planned, 3);
    assert_int_equal(v->trial.stages[2].plan.canary, 64); /* what the last wave will be able to see */
    assert_non_null(strstr(v->trial.stages[1].plan_text, "16 "));
    assert_int_equal(v->trial.carriers_total, 4);
    assert_string_equal(v->trial.carriers[0], "dev-01");
    play_release(&p);
    world_release(&w);
}

/* ---- the same bits, whoever watches ---- */

#define T0 (INT64_C(1700000000) * US_PER_S)

/* Three waves, told at 0, 5 and 10 min; the last one never ends. Devices reboot now and then, figures are noisy. */
static void noisy_world(struct world *w)
{
    trial_world(w);
    w->noisy = true;
    w->install_us = 5 * US_PER_MIN;
    w->devices[0].offline = false;
    w->devices[63].offline = true;
    for (int i = 0; i < w->n_devices; i++) {
        w->devices[i].reboots_per_s_new = 1.0 / (300 + 40 * (i % 7));
        w->devices[i].model = i % 3 == 0;
        w->devices[i].silent = i == 20;
    }
    w->policy.control_max = 30;                /* some devices come with their waves */
    w->policy.evidence.min_devices = 60;       /* nothing acts */
    w->policy.evidence.share[ROW_INSTALL] = 0; /* see below: outcomes are no ticks */
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
    world_play(w, p, at_tick, 3600);
    assert_non_null(p->bytes);
}

static void same(const struct play *p, const struct play *q)
{
    assert_int_equal(p->tick, q->tick);
    assert_int_equal(p->n_bytes, q->n_bytes);
    assert_memory_equal(p->bytes, q->bytes, p->n_bytes);
}

#define END 1200

/* From the start, without a break. */
static void from_start(struct play *p, int64_t skew)
{
    struct world w;
    noisy_world(&w);
    w.told_skew = skew;
    watch_until(&w, p, END);
    const struct rollout_view *v = snapshot_rollout(p->last, "10");
    assert_int_equal(v->trial.n_stages, 3);
    assert_int_equal(world_asked(&w, "pause"), 0);
    world_release(&w);
}

static void who_starts_in_the_middle_comes_to_the_same(void **state)
{
    (void)state;
    struct play p = {0};
    from_start(&p, 0);
    static const int begin[] = {100, 480, 1100};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++) {
        struct world w;
        struct play q = {0};
        noisy_world(&w);
        world_alone(&w, begin[i]);
        watch_until(&w, &q, END);
        same(&p, &q);
        play_release(&q);
        world_release(&w);
    }
    play_release(&p);
}

static void who_was_restarted_comes_to_the_same(void **state)
{
    (void)state;
    struct play p = {0};
    from_start(&p, 0);
    for (int kept = 0; kept <= 1; kept++) {
        struct world w;
        struct play q = {.kept = kept}, r = {.kept = kept};
        noisy_world(&w);
        watch_until(&w, &q, 450);
        world_alone(&w, 77);
        w.n_log = 0;
        watch_until(&w, &r, END);
        assert_int_equal(world_asked(&w, "past"), kept ? 1 : 3); /* of what it knew nothing is read again */
        same(&p, &r);
        play_release(&q);
        play_release(&r);
        world_release(&w);
    }
    play_release(&p);
}

/* Which boots are named is told by each sample: whoever reads them, from whenever, leaves out the same. */
static void activations_are_the_same_for_all(void **state)
{
    (void)state;
    static const struct metric_def own = {.id = "slots", .title = "slots", .unit = "", .kind = KIND_ACTIVATION};
    struct play p[4] = {{0}, {0}, {.kept = true}, {.kept = true}};
    for (int i = 0; i < 3; i++) {
        struct world w;
        noisy_world(&w);
        w.activates = true;
        w.policy.evidence.own = &own;
        w.policy.evidence.n_own = 1;
        w.fleet.telemetry.n_own = 1;
        w.fleet.telemetry.own[0] =
            (struct telemetry_metric){.id = "slots", .query = "slots", .counter = true, .kind = KIND_ACTIVATION};
        if (i == 1)
            world_alone(&w, 480);
        watch_until(&w, &p[i], i == 2 ? 450 : END);
        if (i == 2) {
            world_alone(&w, 77);
            w.n_log = 0;
            watch_until(&w, &p[3], END);
        }
        const struct rollout_view *v = snapshot_rollout(p[i].last, "10");
        if (i < 2)
            assert_in_range(v->trial.after.named, 1, v->trial.after.canaries);
        world_release(&w);
    }
    same(&p[0], &p[1]);
    same(&p[0], &p[3]);
    for (int i = 0; i < 4; i++)
        play_release(&p[i]);
}

static void in_whatever_order_devices_are_listed(void **state)
{
    (void)state;
    struct play p[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        struct world w;
        noisy_world(&w);
        w.policy.control_max = 1000;
        w.policy.evidence.strata[0] = "model";
        w.policy.evidence.n_strata = 1;
        w.lists_backwards = i == 1;
        watch_until(&w, &p[i], 700);
        world_release(&w);
    }
    same(&p[0], &p[1]);
    play_release(&p[0]);
    play_release(&p[1]);
}

static void a_declared_group_is_control(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    w.policy.evidence.control = "dev-4?"; /* ten devices of the last wave */
    crash_loop(&w, 5);
    world_play(&w, &p, until_halt, 1800);
    const struct stage_view *s = &snapshot_rollout(p.last, "10")->trial.stages[0];
    assert_in_range(s->leading, 0, TEST_COUNT - 1);
    assert_in_range(s->v[s->leading].control_of, 5, 10);
    assert_int_equal(s->v[s->leading].control, 0);
    play_release(&p);
    world_release(&w);
}

static void a_late_fact_builds_it_anew(void **state)
{
    (void)state;
    struct play p = {0}, q = {0};
    struct world w;
    from_start(&p, 40 * US_PER_S); /* what happened is heard of when ticks after it were fed */
    assert_non_null(strstr(snapshot_rollout(p.last, "10")->trial.text, "built anew"));
    noisy_world(&w);
    w.told_skew = 40 * US_PER_S;
    world_alone(&w, 1000);
    watch_until(&w, &q, END);
    assert_null(strstr(snapshot_rollout(q.last, "10")->trial.text, "built anew"));
    same(&p, &q);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* Stops when it has just been given up. */
static bool until_anew(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    bool live = v && v->trial.state == TRIAL_LIVE && v->trial.tick > T0;
    p->done = p->stage == 1 && v && v->trial.state == TRIAL_WAITING;
    p->stage = p->stage || live;
    return false;
}

static void what_was_built_of_wrong_facts_is_not_kept(void **state)
{
    (void)state;
    struct play p = {0}, q = {.judge = true, .kept = true}, r = {.kept = true};
    struct world w;
    struct err e = {0};
    struct buf b;
    int64_t tick;
    from_start(&p, 40 * US_PER_S);
    noisy_world(&w);
    w.told_skew = 40 * US_PER_S;
    world_play(&w, &q, until_anew, 3600);
    char *spec = world_field(&w, "config", "spec"); /* of the newest */
    spec[strcspn(spec, "\n")] = '\0';
    struct history *h = history_open(w.evidence, &e);
    buf_init(&b, 1 << 24);
    assert_false(history_find(h, &ROLLOUT, spec, &tick, &b, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    history_close(h);
    buf_release(&b);
    free(spec);
    watch_until(&w, &r, END);
    same(&p, &r);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

static void history_is_read_in_chunks_that_the_source_can_bear(void **state)
{
    (void)state;
    struct play p = {0}, q = {0};
    struct world w;
    from_start(&p, 0);
    noisy_world(&w);
    w.range_limit = 64 * 20; /* 20 ticks */
    world_alone(&w, 1100);
    watch_until(&w, &q, END);
    assert_true(world_asked(&w, "range") >= 6);
    same(&p, &q);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* Without grace a told wave's devices count at once, and answers are slow: ticks are polled before they are watched. */
static void slow_world(struct world *w)
{
    noisy_world(w);
    w->policy.grace_us = 0;
    w->answer_us = 2 * US_PER_S;
    w->caps &= ~(uint32_t)CAP_NOTES; /* a play looks only while nothing is under way: with notes there always is */
}

static void devices_that_were_not_watched_yet_are_read_from_history(void **state)
{
    (void)state;
    struct play p = {0}, q = {0};
    struct world w;
    slow_world(&w);
    watch_until(&w, &p, END);
    assert_true(world_asked(&w, "range") >= 2);
    world_release(&w);
    slow_world(&w);
    world_alone(&w, 1000);
    watch_until(&w, &q, END);
    same(&p, &q);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* An outage of telemetry leaves a gap, which is read from history when it is back. */
static bool outage(struct play *p, const struct snapshot *s)
{
    p->w->telemetry_down = p->w->now > T0 + 700 * US_PER_S && p->w->now < T0 + 800 * US_PER_S;
    return at_tick(p, s);
}

static void a_gap_is_filled_from_history(void **state)
{
    (void)state;
    struct play p = {0}, q = {.judge = true, .stage = END};
    struct world w;
    from_start(&p, 0);
    noisy_world(&w);
    world_play(&w, &q, outage, 3600);
    same(&p, &q);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* What was kept is damaged: with history nothing is lost by it. */
static void damage(struct world *w)
{
    struct err e = {0};
    struct audit_spec spec = w->audit;
    struct audit_query q = {.kind = "config"};
    struct stored *v;
    struct arena a;
    struct buf b;
    size_t n;
    int64_t tick;
    spec.read_only = true;
    struct audit_log *l = audit_open(&spec, &e);
    arena_init(&a);
    buf_init(&b, 1 << 24);
    assert_true(audit_query(l, &q, &a, &v, &n, &e));
    struct history *h = history_open(w->evidence, &e);
    assert_true(history_find(h, &ROLLOUT, stored_field(&v[0], "spec"), &tick, &b, &e));
    b.data[b.len / 2] ^= 1;
    assert_true(history_keep(h, &ROLLOUT, stored_field(&v[0], "spec"), tick + 10 * US_PER_S, b.data, b.len, &e));
    history_close(h);
    buf_release(&b);
    arena_release(&a);
    audit_close(l);
}

static void a_damaged_state_is_built_anew(void **state)
{
    (void)state;
    struct play p = {0}, q = {.kept = true}, r = {.kept = true};
    struct world w;
    from_start(&p, 0);
    noisy_world(&w);
    watch_until(&w, &q, 450);
    damage(&w);
    watch_until(&w, &r, END);
    same(&p, &r);
    char *log = world_entries(&w, "config");
    assert_non_null(strstr(log, "evidence"));
    free(log);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

/* Two of the first wave and three of the second fail: who comes late counts them as who was there. */
static void failing_world(struct world *w)
{
    noisy_world(w);
    w->policy.evidence.share[ROW_INSTALL] = 0.2;
    for (int i = 4; i < 9; i++)
        w->devices[i].fails = true;
}

static const struct evidence *install_of(const struct play *p)
{
    const struct trial_view *t = &snapshot_rollout(p->last, "10")->trial;
    const struct stage_view *s = &t->stages[t->n_stages - 1];
    assert_int_equal(s->which[s->n - 1], TEST_INSTALL);
    return &s->v[s->n - 1];
}

static void failed_installs_are_counted_the_same(void **state)
{
    (void)state;
    struct play p = {0}, q = {0};
    struct world w;
    failing_world(&w);
    watch_until(&w, &p, END);
    world_release(&w);
    failing_world(&w);
    world_alone(&w, 1000);
    watch_until(&w, &q, END);
    assert_int_equal(install_of(&p)->canary, 5);
    assert_int_equal(install_of(&p)->canary_of, 16); /* the waves that say most: the evidence is of these */
    assert_memory_equal(&install_of(&p)->log_e, &install_of(&q)->log_e, sizeof(double));
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* Wave 0: sixteen devices. Twelve install in 20 s; three are in touch and never done; one is away. */
static void hanging_world(struct world *w)
{
    static const int two[] = {16, 48};
    world_init(w, two, 2);
    w->history = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.evidence.share[ROW_INSTALL] = 0.2;
    w->policy.evidence.min_devices = 60; /* nothing acts */
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->policy.install_us = 40 * US_PER_S;
    w->install_us = 20 * US_PER_S;
    w->devices[0].offline = true;
    w->devices[1].hangs = w->devices[2].hangs = w->devices[3].hangs = true;
}

static void has_counts(const struct snapshot *s, int64_t installed, int64_t failed, int64_t overdue, int64_t unreached)
{
    const struct wave_health *h = &snapshot_rollout(s, "10")->waves[0].health;
    assert_int_equal(h->told, 16);
    assert_int_equal(h->installed, installed);
    assert_int_equal(h->failed, failed);
    assert_int_equal(h->overdue, overdue);
    assert_int_equal(h->unreached, unreached);
}

/* Not yet at first; overdue when it has taken three times as long as it does here; and no failure once they are done.
 */
static bool see_overdue(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (!v || v->trial.state != TRIAL_LIVE || v->trial.n_stages == 0)
        return false;
    int64_t ran = v->trial.tick - T0;
    if (p->stage == 0 && ran >= 50 * US_PER_S) { /* longer than install_time */
        has_counts(s, 12, 0, 0, 1);
        p->stage = 1;
    } else if (p->stage == 1 && ran >= 200 * US_PER_S) {
        has_counts(s, 12, 3, 3, 1);
        assert_true(v->trial.stages[0].v[v->trial.stages[0].n - 1].log_e > 1);
        for (int i = 1; i <= 3; i++)
            p->w->devices[i].hangs = false;
        p->stage = 2;
    } else if (p->stage == 2 && ran >= 320 * US_PER_S) {
        p->done = true;
    }
    return false;
}

static void overdue_is_no_failure_once_it_has_installed(void **state)
{
    (void)state;
    struct play p = {.judge = true};
    struct world w;
    hanging_world(&w);
    world_play(&w, &p, see_overdue, 900);
    assert_int_equal(p.stage, 2);
    has_counts(p.last, 15, 0, 0, 1);
    assert_int_equal(install_of(&p)->canary, 0);
    assert_true(install_of(&p)->log_e == 0);
    play_release(&p);
    world_release(&w);
}

/* Who comes later counts them all the same when the deadline has passed for it too. */
static void overdue_is_the_same_for_all(void **state)
{
    (void)state;
    struct play p = {0}, q = {0};
    struct world w;
    hanging_world(&w);
    watch_until(&w, &p, 600);
    world_release(&w);
    hanging_world(&w);
    world_alone(&w, 200);
    watch_until(&w, &q, 600);
    has_counts(q.last, 12, 3, 3, 1);
    assert_int_equal(install_of(&p)->overdue, 3);
    struct evidence a = *install_of(&p), b = *install_of(&q);
    assert_string_equal(a.test, b.test);
    assert_string_equal(a.plain, b.plain);
    a.test = b.test = a.plain = b.plain = NULL; /* each snapshot's own */
    assert_memory_equal(&a, &b, sizeof a);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- a source without history ---- */

static void without_history_the_kept_state_goes_on(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true}, r = {0};
    noisy_world(&w);
    w.history = false;
    w.policy.evidence.min_devices = 60;
    watch_until(&w, &p, 450);
    const struct trial_view *v = &snapshot_rollout(p.last, "10")->trial;
    assert_int_equal(v->n_stages, 2);
    world_alone(&w, 30);
    watch_until(&w, &q, 600);
    const struct trial_view *u = &snapshot_rollout(q.last, "10")->trial;
    assert_int_equal(u->start, v->start);
    assert_string_equal(u->text, "");
    assert_memory_equal(&u->stages[0].v[1].log_e, &v->stages[0].v[1].log_e, sizeof(double)); /* closed before */
    watch_until(&w, &r, 900); /* and who has nothing kept says from when on it knows */
    assert_non_null(strstr(snapshot_rollout(r.last, "10")->trial.text, "is not known"));
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

/* A page's reader counts the boots of a time of boot, from 0 each time: what began anew with it is no reboot. */
static void a_reader_that_counts_anew_is_no_reboot(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true};
    trial_world(&w);
    w.history = false;
    w.policy.evidence.min_devices = 60;
    for (int i = 0; i < w.n_devices; i++)
        w.devices[i].restarts = true; /* for its install, which was counted */
    watch_until(&w, &p, 450);
    for (int i = 0; i < w.n_devices; i++)
        w.devices[i].restarts = false;
    watch_until(&w, &q, 600);
    const struct trial_view *v = &snapshot_rollout(q.last, "10")->trial;
    assert_string_equal(v->text, "");
    for (size_t i = 0; i < v->stages[0].n; i++)
        if (strncmp(v->stages[0].v[i].test, "reboot-", 7) == 0) {
            assert_true(v->stages[0].v[i].canary_of > 0);
            assert_int_equal(v->stages[0].v[i].canary, 0);
        }
    w.devices[2].reboots_per_s_new = 1.0 / 30; /* and one that comes after it is */
    play_release(&q);
    watch_until(&w, &q, 700);
    v = &snapshot_rollout(q.last, "10")->trial;
    int64_t had = 0;
    for (size_t i = 0; i < v->stages[0].n; i++)
        had += strcmp(v->stages[0].v[i].test, "reboot-1") == 0 ? v->stages[0].v[i].canary : 0;
    assert_int_equal(had, 1);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

static bool until_off(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.state == TRIAL_OFF && strstr(v->trial.text, "has no history");
    return false;
}

/* Who only looks, and finds nothing kept, must not say that all is quiet. */
static void without_history_and_kept_state_nothing_is_said(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true}, r = {.kept = true};
    noisy_world(&w);
    w.history = false;
    world_alone(&w, 200);
    world_play(&w, &p, until_off, 300);
    assert_int_equal(snapshot_rollout(p.last, "10")->trial.n_stages, 0);
    watch_until(&w, &q, 450);
    r.stage = 450; /* and where there is a state, it is shown */
    world_play(&w, &r, at_tick, 300);
    assert_true(snapshot_rollout(r.last, "10")->trial.n_stages >= 1);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

/* ---- acting ---- */

static void dry_run_only_says_so(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    trial_world(&w);
    crash_loop(&w, 5);
    w.policy.evidence.tests = TESTS_DRY_RUN;
    watch_until(&w, &p, 900);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_true(v->trial.dry_run);
    assert_int_equal(v->waves[0].verdict.react, REACT_NONE);
    assert_int_equal(v->waves[0].verdict.would, REACT_PAUSE);
    assert_int_equal(world_asked(&w, "pause"), 0);
    play_release(&p);
    world_release(&w);
}

static void the_inputs_of_a_halt_are_in_the_log(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct err e = {0};
    struct stored *v;
    struct replay rep;
    struct arena a;
    struct buf b;
    size_t n;
    trial_world(&w);
    crash_loop(&w, 4);
    world_play(&w, &p, until_halt, 1800);
    struct audit_spec spec = w.audit;
    spec.read_only = true;
    struct audit_log *l = audit_open(&spec, &e);
    struct audit_query q = {.kind = "halt"};
    arena_init(&a);
    buf_init(&b, 1 << 24);
    assert_true(audit_query(l, &q, &a, &v, &n, &e));
    assert_int_equal(n, 1);
    assert_string_equal(stored_field(&v[0], "rule"), "reboot-1");
    assert_non_null(strstr(stored_field(&v[0], "evidence"), "\"level.times\":\"0x1p+0\",\"log_e\":\"0x"));
    assert_true(audit_get_blob(l, stored_field(&v[0], "inputs.blob"), &b, &e));
    assert_true(trial_replay(b.data, b.len, &rep, &e));
    assert_true(rep.same);
    assert_true(rep.pauses);
    assert_string_equal(rep.test, "reboot-1");
    q.kind = "config";
    assert_true(audit_query(l, &q, &a, &v, &n, &e));
    assert_int_equal(n, 2);
    assert_string_equal(v[0].result, "ledger");
    assert_string_equal(v[1].result, "placebo");
    buf_release(&b);
    arena_release(&a);
    audit_close(l);
    play_release(&p);
    world_release(&w);
}

/* ---- before the rollout ---- */

static bool is_live(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.state == TRIAL_LIVE && v->trial.n_stages > 0;
    return false;
}

/* Canaries that have rebooted all day are not like control: it is said before any evidence, in the log with what it was
 * made of, and again by who is started again on kept evidence; nobody acts. */
static void canaries_that_are_not_like_control(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .kept = true}, q = {.judge = true, .kept = true};
    struct placebo_replay again;
    struct err e = {0};
    struct arena a;
    struct buf b;
    struct stored *v;
    size_t n;
    bool told = false;
    trial_world(&w);
    for (int i = 0; i < 5; i++)
        w.devices[i].boots_before = 10;
    world_play(&w, &p, is_live, 600);
    const struct rollout_view *r = snapshot_rollout(p.last, "10");
    const struct stage_view *g = explain_told(&r->trial, 0);
    assert_non_null(g);
    assert_int_equal(g->placebo->word, PLACEBO_UNLIKE);
    assert_true(g->placebo->canary == 6 && g->placebo->control == 58 && g->placebo->more);
    assert_string_equal(g->placebo_metric, "reboots");
    assert_non_null(strstr(g->placebo_brief, "NOT like control before the rollout (p="));
    assert_null(explain_told(&r->trial, 1)); /* not told yet */
    for (size_t i = 0; i < p.last->n_alerts; i++)
        told = told || strstr(p.last->alerts[i].text, "W0: its canaries were NOT like control");
    assert_true(told && !r->latched);

    world_play(&w, &q, is_live, 600);
    g = explain_told(&snapshot_rollout(q.last, "10")->trial, 0);
    assert_non_null(g);
    assert_int_equal(g->placebo->word, PLACEBO_UNLIKE);

    struct audit_spec spec = w.audit;
    spec.read_only = true;
    struct audit_log *l = audit_open(&spec, &e);
    struct audit_query find = {.kind = "config"};
    arena_init(&a);
    buf_init(&b, 1 << 24);
    assert_true(audit_query(l, &find, &a, &v, &n, &e));
    size_t at = 0, entries = 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].result, "placebo") == 0) {
            at = i;
            entries++;
        }
    assert_int_equal(entries, 1); /* kept evidence says nothing twice */
    assert_string_equal(v[at].wave, "0");
    assert_string_equal(stored_field(&v[at], "placebo"), "NOT like control");
    assert_true(audit_get_blob(l, stored_field(&v[at], "inputs.blob"), &b, &e));
    assert_true(placebo_replay(b.data, b.len, &again, NULL, &e));
    assert_true(again.same && again.now.word == PLACEBO_UNLIKE);
    buf_release(&b);
    arena_release(&a);
    audit_close(l);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- acknowledged ---- */

static bool halt_and_ack(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->latched && v->stop == STOP_HALTED) {
        for (int i = 0; i < p->w->n_devices; i++)
            p->w->devices[i].reboots_to = p->w->now; /* no reboot after this */
        struct intent in = world_intent(VERB_ACK, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static bool resume_and_wait(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->trial.state == TRIAL_LIVE && s->audit.writable && s->info.caps) {
        struct intent in = world_intent(VERB_RESUME, "10");
        p->ticket = engine_submit(p->en, &in);
        p->t = p->w->now;
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_DONE);
        p->stage = 2;
    }
    p->done = p->stage == 2 && p->w->now - p->t > 5 * US_PER_MIN;
    return false;
}

static void what_was_acknowledged_is_not_halted_again(void **state)
{
    (void)state;
    for (int kept = 0; kept <= 1; kept++) {
        struct world w;
        struct play p = {.judge = true, .kept = kept}, q = {.judge = true, .kept = kept};
        trial_world(&w);
        crash_loop(&w, 4);
        world_play(&w, &p, halt_and_ack, 1800);
        assert_int_equal(world_asked(&w, "pause 10"), 1);
        world_play(&w, &q, resume_and_wait, 1800);
        const struct rollout_view *v = snapshot_rollout(q.last, "10");
        assert_false(v->latched);
        assert_int_equal(world_asked(&w, "pause 10"), 1);
        assert_true(v->trial.stages[0].v[1].dismissed);
        play_release(&p);
        play_release(&q);
        world_release(&w);
    }
}

/* ---- not known yet ---- */

static bool waits_for_baselines(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->trial.state == TRIAL_WAITING && v->n_waves > 0 && v->waves[0].watched &&
        s->audit.writable && s->info.caps) {
        assert_int_equal(v->waves[0].verdict.react, REACT_HOLD);
        struct intent in = world_intent(VERB_ADVANCE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && op_over(s, p->ticket)) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_REFUSED);
        p->stage = 2;
    }
    p->done = p->stage == 2 && v->held;
    return false;
}

static void what_is_not_known_yet_holds(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    w.past_down = true;
    world_play(&w, &p, waits_for_baselines, 600);
    assert_in_range(world_asked_at(&w, "pause 10") - T0, US_PER_MIN, 75 * US_PER_S);
    assert_non_null(strstr(snapshot_rollout(p.last, "10")->trial.text, "baselines cannot be read"));
    play_release(&p);
    world_release(&w);
}

/* ---- lost telemetry that comes back ---- */

static bool lose_and_find(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->waves_known && v->waves[0].health.canary.reporting == 5) {
        p->w->telemetry_down = true;
        p->stage = 1;
    }
    if (p->stage == 1 && v->latched && v->stop == STOP_HALTED) { /* after ten minutes */
        assert_string_equal(v->halted_by, "rule LOST-TELEMETRY");
        p->w->telemetry_down = false;
        p->t = p->w->now;
        p->stage = 2;
    }
    p->done = p->stage == 2 && (p->w->rollouts[0].state == ROLLOUT_RUNNING || p->w->now - p->t > 5 * US_PER_MIN);
    return false;
}

static void lost_and_found(bool resume)
{
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    w.policy.lost_resume = resume;
    world_play(&w, &p, lose_and_find, 1800);
    assert_int_equal(w.rollouts[0].state, resume ? ROLLOUT_RUNNING : ROLLOUT_PAUSED);
    assert_int_equal(world_asked(&w, "resume 10"), resume);
    if (resume)
        assert_in_range(w.now - p.t, 20 * US_PER_S, 70 * US_PER_S); /* three polls */
    play_release(&p);
    world_release(&w);
}

static void a_pause_for_lost_telemetry_ends_where_the_policy_says_so(void **state)
{
    (void)state;
    lost_and_found(false);
    lost_and_found(true);
}

static bool store_comes_up(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && s->telemetry.state == LINK_FAILED) {
        p->t = p->w->now;
        p->stage = 1;
    }
    if (p->stage == 1 && p->w->now - p->t > 20 * US_PER_S) {
        p->w->telemetry_down = false;
        p->t = p->w->now;
        p->stage = 2;
    }
    p->done = v && v->latched && v->stop == STOP_HALTED;
    return false;
}

/* A store that is asked each 5 min and was not there: the tick is asked for again, and what history says halts. */
static void a_store_that_comes_up_is_asked_soon(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    w.fleet.telemetry.interval_us = 5 * US_PER_MIN;
    crash_loop(&w, 5);
    world_alone(&w, 3630); /* just after a tick */
    w.telemetry_down = true;
    world_play(&w, &p, store_comes_up, 7200);
    assert_int_equal(p.stage, 2);
    assert_in_range(w.now - p.t, 0, 30 * US_PER_S);
    play_release(&p);
    world_release(&w);
}

static bool find_a_loop(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->waves_known && v->waves[0].health.canary.reporting == 5) {
        p->w->telemetry_down = true;
        p->stage = 1;
    }
    if (p->stage == 1 && v->latched && v->stop == STOP_HALTED) {
        crash_loop(p->w, 4); /* it has begun, and comes to light when telemetry is back */
        p->w->telemetry_down = false;
        p->t = p->w->now;
        p->stage = 2;
    }
    p->done = p->stage == 2 &&
              ((v->latched && strcmp(v->halted_by, "rule LOST-TELEMETRY") != 0) || p->w->now - p->t > 60 * US_PER_MIN);
    return false;
}

/* A rule has lifted the latch, no person has looked: what is found with the telemetry halts as ever. */
static void what_comes_to_light_with_the_telemetry_halts(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    w.policy.lost_resume = true;
    world_play(&w, &p, find_a_loop, 7200);
    assert_true(snapshot_rollout(p.last, "10")->latched);
    assert_string_not_equal(snapshot_rollout(p.last, "10")->halted_by, "rule LOST-TELEMETRY");
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

/* ---- which devices ---- */

static void what_the_bad_ones_share_is_named(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    static const int many[] = {20, 44};
    world_init(&w, many, 2);
    w.history = true;
    w.policy.evidence.tests = TESTS_ON;
    w.policy.n_limits = 0;
    w.policy.grace_us = 30 * US_PER_S;
    w.policy.install_us = US_PER_HOUR;
    w.devices[0].offline = true;
    for (int i = 0; i < w.n_devices; i++) {
        w.devices[i].model = i % 3 == 0;
        if (i > 0 && i < 20 && i % 3 == 0)
            w.devices[i].reboots_per_s_new = 1.0 / 120;
    }
    world_play(&w, &p, until_halt, 1800);
    const struct trial_view *t = &snapshot_rollout(p.last, "10")->trial;
    assert_int_equal(t->n_shares, 1);
    assert_string_equal(t->shares[0].key, "model");
    assert_string_equal(t->shares[0].value, "rev-B");
    play_release(&p);
    world_release(&w);
}

/* ---- the past ---- */

static void rehearse_in(struct world *w, const struct policy *p, struct rehearsal *out)
{
    struct play play = {.w = w};
    struct err e = {0};
    w->seam.ctx = &play;
    struct rehearsal_spec spec = {
        .fleet = &w->fleet, .rollout = "10", .policy = p, .clock = &w->clock, .seed = 1, .seam = &w->seam};
    if (!rehearse(&spec, out, &e))
        fail_msg("%s", e.what);
}

static void the_past_is_replayed_against_a_policy(void **state)
{
    (void)state;
    struct world w;
    struct rehearsal now, strict;
    struct policy other;
    trial_world(&w);
    crash_loop(&w, 4);
    world_alone(&w, 1500);
    rehearse_in(&w, &w.policy, &now);
    assert_int_equal(now.worst, REACT_PAUSE);
    assert_string_equal(now.halted_by, "reboot-1");
    assert_int_equal(now.halted_wave, 0);
    assert_int_equal(now.told_by_then, 6);
    assert_in_range(now.halted_at - T0, 100 * US_PER_S, 200 * US_PER_S);
    assert_int_equal(now.trial.n_stages, 1);
    assert_int_equal(now.trial.stages[0].v[1].crossed_at, now.halted_at);
    assert_true(now.n > 0);
    assert_int_equal(world_asked(&w, "pause"), 0);
    /* a policy with a limit alone */
    static const struct limit limit = {.id = "R-REBOOT",
                                       .metric = "reboots",
                                       .basis = BASIS_ABSOLUTE,
                                       .value = 20,
                                       .for_us = 30 * US_PER_S,
                                       .min_devices = 2,
                                       .wave = -1,
                                       .device_class = "",
                                       .react = REACT_PAUSE};
    other = w.policy;
    other.evidence.tests = TESTS_OFF;
    other.limits = &limit;
    other.n_limits = 1;
    rehearse_in(&w, &other, &strict);
    assert_string_equal(strict.halted_by, "R-REBOOT");
    assert_true(strict.halted_at > now.halted_at);
    rehearsal_release(&now);
    rehearsal_release(&strict);
    world_release(&w);
}

/* A policy that measures something is tried on a fleet whose preset knows the query, as on one that names it. */
static void the_past_is_asked_by_the_preset(void **state)
{
    (void)state;
    static const struct metric_def memory = {.id = "free-memory",
                                             .title = "free memory",
                                             .unit = "B",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_DOWN,
                                             .own = true,
                                             .tolerance = 1.1,
                                             .share = 0.1,
                                             .window_us = 5 * US_PER_MIN};
    static const struct limit limit = {.id = "R-MEMORY",
                                       .metric = "free-memory",
                                       .basis = BASIS_RELATIVE,
                                       .value = 0.8,
                                       .under = true,
                                       .for_us = 30 * US_PER_S,
                                       .min_devices = 2,
                                       .wave = -1,
                                       .device_class = "",
                                       .react = REACT_PAUSE};
    struct world w;
    struct arena a;
    struct rehearsal out;
    struct err e = {0};
    trial_world(&w);
    arena_init(&a);
    w.policy.evidence.tests = TESTS_OFF;
    w.fleet.telemetry.n_own = 1; /* what the source has */
    for (int i = 0; i < w.n_devices; i++) {
        w.devices[i].own[0] = 400 + i;
        w.devices[i].own_new[0] = 100 + i;
    }
    world_alone(&w, 1500);
    struct policy other = w.policy;
    other.evidence.own = &memory;
    other.evidence.n_own = 1;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        other.evidence.share[i] *= 0.9;
    assert_true(metric_make_tests(&other.evidence, &a));
    other.limits = &limit;
    other.n_limits = 1;
    struct play play = {.w = &w};
    struct fleet_spec fleet = w.fleet;
    w.seam.ctx = &play;
    struct rehearsal_spec spec = {
        .fleet = &fleet, .rollout = "10", .policy = &other, .clock = &w.clock, .seed = 1, .seam = &w.seam};
    for (int named = 0; named <= 1; named++) {
        fleet.telemetry.n_own = (size_t)named; /* as the configuration leaves what no policy of the fleet tests */
        fleet.telemetry.own[0] = (struct telemetry_metric){.id = "free-memory", .query = "memory_free"};
        fleet.telemetry.preset = "device";
        if (!named) {
            assert_false(rehearse(&spec, &out, &e));
            assert_non_null(strstr(e.what, "has no query for it"));
            rehearsal_release(&out);
            fleet.telemetry.preset = "node_exporter";
        }
        if (!rehearse(&spec, &out, &e))
            fail_msg("%s", e.what);
        assert_string_equal(out.halted_by, "R-MEMORY");
        rehearsal_release(&out);
    }
    world_release(&w);
    arena_release(&a);
}

/* What was lost then is told as whoever watched then has told it: since when, and held at the third poll. */
static void what_was_lost_in_the_past_is_replayed(void **state)
{
    (void)state;
    struct world w;
    struct rehearsal out;
    bool held = false;
    trial_world(&w);
    world_alone(&w, 300);
    for (int i = 0; i < 5; i++)
        w.devices[i].silent = true;
    world_alone(&w, 300); /* a gap that is not long enough to halt */
    for (int i = 0; i < 5; i++)
        w.devices[i].silent = false;
    world_alone(&w, 300);
    w.policy.evidence.tests = TESTS_OFF;
    rehearse_in(&w, &w.policy, &out);
    assert_int_equal(out.worst, REACT_HOLD);
    for (size_t i = 0; i < out.n; i++) {
        if (out.v[i].react != REACT_HOLD)
            continue;
        held = true;
        assert_in_range(out.v[i].t - T0, 340 * US_PER_S, 370 * US_PER_S);
        assert_non_null(strstr(out.v[i].text, "since 22:18:"));
        assert_non_null(strstr(out.v[i].text, "pauses at 22:28:"));
    }
    assert_true(held);
    assert_true(out.v[out.n - 1].react < REACT_HOLD);
    rehearsal_release(&out);
    world_release(&w);
}

static void without_history_nothing_is_replayed(void **state)
{
    (void)state;
    struct world w;
    struct rehearsal out;
    struct err e = {0};
    struct play play = {.w = &w};
    trial_world(&w);
    w.history = false;
    w.seam.ctx = &play;
    struct rehearsal_spec spec = {
        .fleet = &w.fleet, .rollout = "10", .policy = &w.policy, .clock = &w.clock, .seam = &w.seam};
    assert_false(rehearse(&spec, &out, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    rehearsal_release(&out);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_halts_before_any_limit),
        cmocka_unit_test(who_starts_in_the_middle_comes_to_the_same),
        cmocka_unit_test(who_was_restarted_comes_to_the_same),
        cmocka_unit_test(activations_are_the_same_for_all),
        cmocka_unit_test(in_whatever_order_devices_are_listed),
        cmocka_unit_test(a_declared_group_is_control),
        cmocka_unit_test(a_late_fact_builds_it_anew),
        cmocka_unit_test(what_was_built_of_wrong_facts_is_not_kept),
        cmocka_unit_test(history_is_read_in_chunks_that_the_source_can_bear),
        cmocka_unit_test(devices_that_were_not_watched_yet_are_read_from_history),
        cmocka_unit_test(a_gap_is_filled_from_history),
        cmocka_unit_test(a_damaged_state_is_built_anew),
        cmocka_unit_test(failed_installs_are_counted_the_same),
        cmocka_unit_test(overdue_is_no_failure_once_it_has_installed),
        cmocka_unit_test(overdue_is_the_same_for_all),
        cmocka_unit_test(without_history_the_kept_state_goes_on),
        cmocka_unit_test(a_reader_that_counts_anew_is_no_reboot),
        cmocka_unit_test(without_history_and_kept_state_nothing_is_said),
        cmocka_unit_test(dry_run_only_says_so),
        cmocka_unit_test(the_inputs_of_a_halt_are_in_the_log),
        cmocka_unit_test(what_was_acknowledged_is_not_halted_again),
        cmocka_unit_test(what_is_not_known_yet_holds),
        cmocka_unit_test(a_pause_for_lost_telemetry_ends_where_the_policy_says_so),
        cmocka_unit_test(a_store_that_comes_up_is_asked_soon),
        cmocka_unit_test(what_comes_to_light_with_the_telemetry_halts),
        cmocka_unit_test(what_the_bad_ones_share_is_named),
        cmocka_unit_test(canaries_that_are_not_like_control),
        cmocka_unit_test(the_past_is_replayed_against_a_policy),
        cmocka_unit_test(the_past_is_asked_by_the_preset),
        cmocka_unit_test(what_was_lost_in_the_past_is_replayed),
        cmocka_unit_test(without_history_nothing_is_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
