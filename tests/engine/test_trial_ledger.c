/* What a firmware may spend is read from the log: by who is started again with another policy, by another session of
 * the same log, by the next rollout of the firmware, and when the log does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "core/design.h"
#include "tests/engine/world.h"
#include "tests/engine/world_impl.h"

static const int waves[] = {6, 10, 48};

static void ledger_world(struct world *w)
{
    world_init(w, waves, 3);
    w->history = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->devices[0].offline = true; /* keeps the first wave running */
    w->policy.install_us = US_PER_HOUR;
    w->policy.evidence.min_devices = 60; /* nothing acts */
}

/* The trial's need of the crash-loop test, as evidence: 1/alpha. */
static double needed(const struct rollout_view *v)
{
    assert_true(v->trial.n_stages > 0);
    for (size_t i = 0; i < v->trial.stages[v->trial.n_stages - 1].n; i++)
        if (v->trial.stages[v->trial.n_stages - 1].which[i] == TEST_LOOP)
            return v->trial.stages[v->trial.n_stages - 1].v[i].log_pause;
    return 0;
}

static bool at(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done =
        v && v->trial.n_stages >= 1 && v->trial.state == TRIAL_LIVE && p->w->now - p->t > (int64_t)p->stage * US_PER_S;
    return false;
}

static void watch(struct world *w, struct play *p, int seconds)
{
    p->judge = true;
    p->stage = seconds;
    p->t = w->now;
    world_play(w, p, at, 3600);
}

static int lines(struct world *w, const char *what)
{
    char *all = world_entries(w, "config");
    int n = 0;
    for (const char *s = all; (s = strstr(s, what)); s++)
        n++;
    free(all);
    return n;
}

static void a_changed_policy_is_refused_for_what_runs(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true}, r = {.kept = true}, s = {.kept = true};
    ledger_world(&w);
    watch(&w, &p, 60);
    double before = needed(snapshot_rollout(p.last, "10"));
    w.policy.evidence.alpha *= 4;
    w.policy.evidence.min_devices = 1;
    watch(&w, &q, 60);
    const struct rollout_view *v = snapshot_rollout(q.last, "10");
    assert_true(needed(v) == before);
    assert_int_equal(v->trial.stages[0].v[0].min_devices, 60);
    assert_string_equal(v->trial.ledger.note,
                        "The tests go on as they began: alpha 5% (policy: 20%), min_devices 60 (policy: 1).");
    assert_true(v->policy->evidence.alpha == 0.05);
    bool told = false;
    for (size_t i = 0; i < q.last->n_alerts; i++)
        told = told || strstr(q.last->alerts[i].text, "policy: 20%");
    assert_true(told);
    assert_int_equal(lines(&w, "policy-refused"), 1);
    assert_int_equal(lines(&w, " ledger"), 1);
    watch(&w, &r, 60); /* said once */
    assert_int_equal(lines(&w, "policy-refused"), 1);
    /* and who has the policy that it began with has nothing to say */
    w.policy.evidence.alpha = 0.05;
    w.policy.evidence.min_devices = 60;
    watch(&w, &s, 60);
    assert_string_equal(snapshot_rollout(s.last, "10")->trial.ledger.note, "");
    assert_int_equal(s.n_bytes, r.n_bytes);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    play_release(&s);
    world_release(&w);
}

/* ---- a policy's own metrics ---- */

static const struct metric_def own[] = {
    {.id = "free-memory",
     .title = "free memory",
     .unit = "MiB",
     .kind = KIND_GAUGE,
     .worse = WORSE_DOWN,
     .own = true,
     .tolerance = 1.05,
     .share = 0.1,
     .level = {1.5, 2},
     .n_levels = 2,
     .window_us = 5 * US_PER_MIN},
    {.id = "retries",
     .title = "radio retries",
     .unit = "",
     .kind = KIND_COUNTER,
     .share = 0.1,
     .level = {1},
     .n_levels = 1},
    {.id = "errors", .title = "errors in the log", .unit = "", .kind = KIND_EVENT, .share = 0.05},
    {.id = "crashes", .title = "crashes of a task", .unit = "", .kind = KIND_EVENT, .share = 0.05},
};

static void own_metrics(struct world *w, struct arena *a)
{
    struct evidence_policy *e = &w->policy.evidence;
    arena_init(a);
    for (int m = 0; m < METRICS_BUILTIN; m++)
        e->share[m] *= 0.6;
    e->own = own;
    e->n_own = sizeof own / sizeof *own;
    assert_true(metric_make_tests(e, a));
}

/* A snapshot that is still shown may outlive what its policy was read from: the log's terms, which the engine holds. */
static void a_snapshot_has_its_policys_words(void **state)
{
    (void)state;
    struct world w;
    struct arena a;
    struct play p = {.kept = true}, q = {.kept = true};
    ledger_world(&w);
    own_metrics(&w, &a);
    watch(&w, &p, 60);
    w.policy.evidence.alpha *= 4; /* refused: the terms of the log apply */
    watch(&w, &q, 60);
    const struct evidence_policy *e = &snapshot_rollout(q.last, "10")->policy->evidence; /* the engine has gone */
    assert_true(e->alpha == 0.05);
    assert_int_equal(metric_count(e), METRICS_BUILTIN + 4);
    assert_string_equal(metric_id(e, METRICS_BUILTIN), "free-memory");
    assert_string_equal(metric_title(e, METRICS_BUILTIN + 1), "radio retries");
    int test = metric_test_find(e, "free-memory-down-2");
    assert_true(test >= TEST_COUNT);
    assert_non_null(strstr(metric_test(e, test)->plain, "free memory"));
    play_release(&p);
    play_release(&q);
    arena_release(&a);
    world_release(&w);
}

/* So many waves and metrics that all of its alpha written out is longer than an entry: the terms say it all. */
static void a_ledger_that_is_too_long_is_claimed_all_the_same(void **state)
{
    (void)state;
    struct world w;
    struct arena a;
    struct play p = {0};
    int many[W_WAVES];
    for (int i = 0; i < W_WAVES; i++)
        many[i] = i ? 1 : 6;
    world_init(&w, many, W_WAVES);
    w.history = true;
    w.policy.evidence.tests = TESTS_ON;
    w.policy.n_limits = 0;
    w.policy.grace_us = 30 * US_PER_S;
    w.devices[0].offline = true;
    w.policy.install_us = US_PER_HOUR;
    w.policy.evidence.min_devices = 60;
    own_metrics(&w, &a);
    watch(&w, &p, 60);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_true(v->trial.ledger.known);
    assert_int_equal(lines(&w, " ledger"), 1);
    char *written = world_field(&w, "config", "ledger"), *terms = world_field(&w, "config", "terms");
    char *texts = world_field(&w, "config", "policy.blob");
    char digest[SHA256_HEX];
    sha256_hex(w.policy.text, strlen(w.policy.text), digest);
    assert_non_null(strstr(texts, digest)); /* the policy that it was claimed by, as text */
    free(texts);
    assert_null(strstr(written, "alpha"));
    assert_non_null(strstr(terms, "free-memory"));
    assert_int_equal(p.last->audit.backlog, 0);
    free(written);
    free(terms);
    play_release(&p);
    arena_release(&a);
    world_release(&w);
}

/* ---- stages, and other sessions ---- */

/* Three waves one after the other; the last never ends. */
static void moving_world(struct world *w)
{
    ledger_world(w);
    w->devices[0].offline = false;
    w->devices[63].offline = true;
}

static bool in_stage(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.n_stages > (size_t)p->stage && v->trial.state == TRIAL_LIVE;
    return false;
}

static void each_stage_is_claimed_once(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .stage = 2}, q = {.judge = true, .stage = 2}, r = {.looks = true, .stage = 2};
    moving_world(&w);
    world_play(&w, &p, in_stage, 3600);
    assert_int_equal(lines(&w, " ledger"), 3);
    char *begun = world_field(&w, "config", "begun");
    assert_string_equal(begun, "1\n\n2\n\n3\n\n"); /* between them the placebo test of each wave */
    free(begun);
    const struct ledger_view *l = &snapshot_rollout(p.last, "10")->trial.ledger;
    assert_string_equal(l->text, "Of alpha 5% for hearth:2.0, 5% is spent by this rollout; 0% is left.");
    assert_true(l->own > 0.05 - 1e-12 && l->own < 0.05 + 1e-12 && l->others == 0 && !l->dry);
    world_play(&w, &q, in_stage, 3600); /* another session, from history: nothing is claimed anew */
    assert_int_equal(lines(&w, " ledger"), 3);
    assert_string_equal(snapshot_rollout(q.last, "10")->trial.ledger.text, l->text);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

/* Who only looks, with another policy in the file by now, shows the tests as they run. */
static void who_only_looks_goes_by_the_log(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.kept = true}, q = {.kept = true, .looks = true, .stage = 60};
    ledger_world(&w);
    watch(&w, &p, 60);
    w.policy.evidence.alpha = 0.2;
    q.t = w.now;
    world_play(&w, &q, at, 600);
    const struct rollout_view *v = snapshot_rollout(q.last, "10");
    assert_true(needed(v) == needed(snapshot_rollout(p.last, "10")));
    assert_string_equal(v->trial.ledger.note, "The tests go on as they began: alpha 5% (policy: 20%).");
    assert_int_equal(lines(&w, "policy-refused"), 0);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- the next rollout of the firmware ---- */

/* Rollout 11 of the same release, over the last wave's devices. */
static void second_rollout(struct world *w)
{
    struct w_rollout *r = &w->rollouts[w->n_rollouts++];
    *r = (struct w_rollout){.release = 1,
                            .error_percent = 80,
                            .changed_at = w->now,
                            .created_at = w->now,
                            .n_waves = 3,
                            .state = ROLLOUT_RUNNING};
    snprintf(r->id, sizeof r->id, "11");
    snprintf(r->name, sizeof r->name, "spring, again");
    for (int i = 0, k = 20; i < 3; i++) {
        r->waves[i].state = WAVE_SCHEDULED;
        for (int to = k + waves[i]; k < to && k < w->n_devices; k++)
            r->waves[i].members[r->waves[i].n++] = k;
    }
    w->devices[20].offline = true;
    w_tell(w, r, &r->waves[0]);
}

static bool second(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "11");
    p->done =
        v && v->trial.n_stages >= 1 && v->trial.state == TRIAL_LIVE && p->w->now - p->t > (int64_t)p->stage * US_PER_S;
    return false;
}

static bool until_dry(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->trial.ledger.dry && v->trial.n_stages >= 2 && p->w->now - p->t > (int64_t)p->stage * US_PER_S;
    return false;
}

static void a_retry_gets_what_the_first_left(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {.judge = true, .stage = 60}, r = {.judge = true, .stage = 60};
    ledger_world(&w);
    watch(&w, &p, 60);
    second_rollout(&w);
    q.t = w.now;
    world_play(&w, &q, second, 3600);
    const struct rollout_view *v = snapshot_rollout(q.last, "11");
    const struct evidence_policy *d = &policy_default()->evidence;
    double loop = design_alpha(d->design, metric_test(d, TEST_LOOP), 1);
    double left = 0.05 * 0.8 * 3 / 7, expected = -log(left * d->share[ROW_REBOOTS] * loop * 4 / 7);
    assert_true(fabs(needed(v) - expected) < 1e-9);
    assert_string_equal(v->trial.ledger.note, "");
    assert_non_null(strstr(v->trial.ledger.text, "Of alpha 5% for hearth:2.0, "));
    assert_non_null(strstr(v->trial.ledger.text, "is spent by this rollout, 3.3% by rollout 10; "));
    assert_true(fabs(v->policy->evidence.alpha - left) < 1e-12);
    /* The first one goes on meanwhile: there is not enough for its next wave, and it says so. */
    w.devices[0].offline = false;
    r.t = w.now;
    world_play(&w, &r, until_dry, 3600);
    v = snapshot_rollout(r.last, "10");
    assert_true(v->trial.dry_run);
    assert_string_equal(v->trial.ledger.note,
                        "Not enough is left for a further wave: the tests run dry and halt nothing.");
    assert_false(snapshot_rollout(r.last, "11")->trial.dry_run);
    play_release(&p);
    play_release(&q);
    play_release(&r);
    world_release(&w);
}

static void when_nothing_is_left_the_tests_run_dry(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true, .stage = 1}, q = {.judge = true, .stage = 1200};
    moving_world(&w);
    w.rollouts[0].n_waves = 2; /* the rest is of no rollout yet */
    w.devices[7].offline = true;
    world_play(&w, &p, in_stage, 3600);
    w.policy.evidence.min_devices = 2;
    for (int i = 20; i < 26; i++) {
        w.devices[i].reboots_per_s_new = 1.0 / 120;
        w.devices[i].reboots_from = w.now + US_PER_MIN;
    }
    second_rollout(&w);
    q.t = w.now;
    world_play(&w, &q, second, 3600);
    const struct rollout_view *v = snapshot_rollout(q.last, "11");
    assert_true(v->trial.dry_run);
    assert_string_equal(v->trial.ledger.note,
                        "Not enough is left for another rollout of this firmware: the tests run dry "
                        "and halt nothing.");
    assert_int_equal(v->waves[0].verdict.react, REACT_NONE);
    assert_int_equal(v->waves[0].verdict.would, REACT_PAUSE);
    assert_int_equal(world_asked(&w, "pause 11"), 0);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

/* ---- the reserve ---- */

static bool tests_cpu(const struct stage_view *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->which[i] == TEST_CPU)
            return true;
    return false;
}

static void added_tests_come_with_the_next_wave(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct world w;
        struct play p = {.kept = kept}, q = {.kept = kept, .judge = true, .stage = 1}, r = q;
        ledger_world(&w);
        w.policy.evidence.reserve = 0.2;
        w.policy.evidence.share[ROW_CPU] = 0;
        watch(&w, &p, 60);
        assert_false(tests_cpu(&snapshot_rollout(p.last, "10")->trial.stages[0]));
        w.policy.evidence.share[ROW_CPU] = policy_default()->evidence.share[ROW_CPU];
        w.devices[0].offline = false;
        w.devices[6].offline = true;
        world_play(&w, &q, in_stage, 3600);
        const struct rollout_view *v = snapshot_rollout(q.last, "10");
        assert_string_equal(v->trial.ledger.note, "Tests were added out of the reserve, from W1 on.");
        assert_false(tests_cpu(&v->trial.stages[0]));
        assert_true(tests_cpu(&v->trial.stages[1]));
        assert_true(fabs(v->trial.ledger.own -
                         0.05 * 0.8 * (0.2 + (0.8 - w.policy.evidence.share[ROW_CPU]) * 4 / 7 + 0.8 * 2 / 7)) < 1e-12);
        assert_int_equal(lines(&w, " ledger"), 3);
        /* Somebody who still has the old policy comes to the same. */
        w.policy.evidence.share[ROW_CPU] = 0;
        world_play(&w, &r, in_stage, 3600);
        v = snapshot_rollout(r.last, "10");
        assert_true(tests_cpu(&v->trial.stages[1]));
        assert_int_equal(lines(&w, " ledger"), 3);
        play_release(&p);
        play_release(&q);
        play_release(&r);
        world_release(&w);
    }
}

static bool tests_own(const struct stage_view *s)
{
    for (size_t i = 0; i < s->n; i++)
        if ((int)s->which[i] >= TEST_COUNT)
            return true;
    return false;
}

/* A metric that the policy gets while the rollout runs: out of the reserve from the next wave on, or measured only. */
static void an_added_metric_is_paid_for_or_not_tested(void **state)
{
    static const struct metric_def memory = {.id = "free-memory",
                                             .title = "free memory",
                                             .unit = "MiB",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_DOWN,
                                             .own = true,
                                             .tolerance = 1.1,
                                             .share = 0.15,
                                             .level = {1.5, 2},
                                             .n_levels = 2,
                                             .window_us = 5 * US_PER_MIN};
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        for (int holds = 0; holds < 2; holds++) {
            struct world w;
            struct arena a;
            struct play p = {.kept = kept}, q = {.kept = kept, .judge = true, .stage = 1}, r = q;
            struct policy before;
            arena_init(&a);
            ledger_world(&w);
            w.policy.evidence.reserve = holds ? 0.2 : 0;
            w.policy.evidence.share[ROW_CPU] = 0;
            before = w.policy;
            watch(&w, &p, 60);
            w.policy.evidence.own = &memory;
            w.policy.evidence.n_own = 1;
            assert_true(metric_make_tests(&w.policy.evidence, &a));
            w.fleet.telemetry.own[0] = (struct telemetry_metric){"free-memory", "memory", false, KIND_GAUGE, false};
            w.fleet.telemetry.n_own = 1;
            w.devices[0].offline = false;
            w.devices[6].offline = true;
            world_play(&w, &q, in_stage, 3600);
            const struct rollout_view *v = snapshot_rollout(q.last, "10");
            assert_string_equal(v->trial.ledger.note,
                                holds ? "Tests were added out of the reserve, from W1 on."
                                      : "The tests go on as they began: free-memory is measured and not tested "
                                        "(policy: tested).");
            assert_false(tests_own(&v->trial.stages[0]));
            assert_true(tests_own(&v->trial.stages[1]) == (holds == 1));
            assert_int_equal(v->waves[0].n_figures, FIGURES_BUILTIN + 1);
            assert_string_equal(metric_id(&v->policy->evidence, METRICS_BUILTIN), "free-memory");
            /* Somebody who still has the old policy comes to the same. */
            w.policy = before;
            world_play(&w, &r, in_stage, 3600);
            assert_true(tests_own(&snapshot_rollout(r.last, "10")->trial.stages[1]) == (holds == 1));
            play_release(&p);
            play_release(&q);
            play_release(&r);
            world_release(&w);
            arena_release(&a);
        }
    }
}

/* ---- a log that does not answer ---- */

static bool halts_without(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->trial.n_stages >= 1 && v->trial.state == TRIAL_LIVE) {
        assert_string_equal(v->trial.ledger.note,
                            p->w->log_shut ? "What hearth:2.0 has spent is not known: the log cannot be read." : "");
        p->stage = 1;
    }
    if (p->stage == 1 && world_asked(p->w, "pause 10") > 0) {
        pthread_mutex_lock(&p->w->lock);
        p->w->log_shut = p->w->log_fails = false;
        pthread_mutex_unlock(&p->w->lock);
        p->stage = 2;
        p->t = p->w->now;
    }
    p->done = p->stage == 2 && p->w->now - p->t > US_PER_MIN && s->audit.backlog == 0;
    return false;
}

/* It cannot be read, or cannot be written, from the start: what is bad is halted, and the claim is made when it can be.
 */
static void without_the_log_a_halt_goes_out(void **state)
{
    (void)state;
    for (int shut = 0; shut < 2; shut++) {
        struct world w;
        struct play p = {.judge = true};
        ledger_world(&w);
        w.policy.evidence.min_devices = 2;
        for (int i = 1; i < 5; i++)
            w.devices[i].reboots_per_s_new = 1.0 / 120;
        w.log_shut = shut;
        w.log_fails = !shut;
        world_play(&w, &p, halts_without, 3600);
        assert_int_equal(lines(&w, " ledger"), 1);
        const struct ledger_view *l = &snapshot_rollout(p.last, "10")->trial.ledger;
        assert_true(l->known);
        assert_string_equal(l->note, "");
        assert_non_null(strstr(l->text, "3.3% is spent by this rollout; 1.7% is left"));
        play_release(&p);
        world_release(&w);
    }
}

static bool opened_later(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && v && v->trial.n_stages >= 1 && v->trial.state == TRIAL_LIVE) {
        assert_true(v->policy->evidence.alpha == 0.2);
        pthread_mutex_lock(&p->w->lock);
        p->w->log_shut = false;
        pthread_mutex_unlock(&p->w->lock);
        p->stage = 1;
        p->t = p->w->now;
    }
    p->done = p->stage == 1 && v->trial.n_stages >= 1 && v->trial.state == TRIAL_LIVE && p->w->now - p->t > US_PER_MIN;
    return false;
}

/* What the log says is heeded when it can be read at last. */
static void a_log_that_comes_back_binds(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {.judge = true};
    ledger_world(&w);
    watch(&w, &p, 60);
    w.policy.evidence.alpha = 0.2;
    w.log_shut = true;
    world_play(&w, &q, opened_later, 3600);
    const struct rollout_view *v = snapshot_rollout(q.last, "10");
    assert_true(needed(v) == needed(snapshot_rollout(p.last, "10")));
    assert_string_equal(v->trial.ledger.note, "The tests go on as they began: alpha 5% (policy: 20%).");
    assert_int_equal(lines(&w, " ledger"), 1);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_changed_policy_is_refused_for_what_runs),
                                       cmocka_unit_test(a_snapshot_has_its_policys_words),
                                       cmocka_unit_test(a_ledger_that_is_too_long_is_claimed_all_the_same),
                                       cmocka_unit_test(each_stage_is_claimed_once),
                                       cmocka_unit_test(who_only_looks_goes_by_the_log),
                                       cmocka_unit_test(a_retry_gets_what_the_first_left),
                                       cmocka_unit_test(when_nothing_is_left_the_tests_run_dry),
                                       cmocka_unit_test(an_added_metric_is_paid_for_or_not_tested),
                                       cmocka_unit_test(added_tests_come_with_the_next_wave),
                                       cmocka_unit_test(without_the_log_a_halt_goes_out),
                                       cmocka_unit_test(a_log_that_comes_back_binds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
