#include "evidence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/design.h"
#include "core/clock.h"
#include "core/explain.h"

/* Rollout 4466, cam 7.1.0: wave 1 of four runs on 20 canaries beside 1,980 others. */
static const struct evidence_level LEVELS[] = {{0.1, REACT_WATCH}, {1, REACT_PAUSE}, {10, REACT_ROLLBACK}};

static struct policy *policy_of(struct arena *a)
{
    struct policy *p = ARENA_NEW(a, struct policy);
    *p = *policy_default();
    p->name = "standard";
    memcpy(p->evidence.level, LEVELS, sizeof LEVELS);
    p->evidence.n_levels = 3;
    return p;
}

/* alpha of each test in a wave of weight 8/15: 0.05 * 8/15 = 0.0267 */
static double alpha_of(enum trial_test t, double wave)
{
    const struct evidence_policy *p = &policy_default()->evidence;
    const struct metric_test *test = metric_test(p, (int)t);
    struct metric_def d;
    metric_get(p, test->metric, &d);
    return design_alpha(p->design, test, (t == TEST_INSTALL ? p->alpha : wave) * d.share);
}

static void stage_of(struct arena *a, struct stage_view *g, int wave, const struct policy *p)
{
    struct evidence *v = ARENA_ARRAY(a, struct evidence, TEST_COUNT);
    enum trial_test *which = ARENA_ARRAY(a, enum trial_test, TEST_COUNT);
    double weight = 0.05 * (8 >> wave) / 15.0;
    *g = (struct stage_view){.v = v, .which = which, .leading = -1, .canary = 20, .control = 1980, .canary_hours = 61};
    for (int i = 0; i < TEST_COUNT; i++) {
        which[g->n] = (enum trial_test)i;
        v[g->n] = (struct evidence){.test = metric_test(&policy_default()->evidence, (int)i)->word,
                                    .metric = metric_test(&policy_default()->evidence, (int)i)->metric,
                                    .log_pause = log(1 / alpha_of((enum trial_test)i, weight)),
                                    .min_devices = 2,
                                    .canary_of = 20,
                                    .control_of = i == TEST_INSTALL ? 0 : 1980,
                                    .ratio = NAN,
                                    .ratio_low = NAN,
                                    .ratio_high = NAN};
        explain_rollback(&p->evidence, &v[g->n++]);
    }
    g->plan_text =
        "20 devices for 6 h: sees 2 devices in a crash loop, 3 that go silent; cannot see reboots x2 or a rise "
        "of CPU by 10 %.";
}

static struct rollout_view *start(struct fixture *f, enum trial_state state)
{
    struct rollout_view *r = fixture_rollout(f, "4466");
    struct arena *a = &f->s->arena;
    struct policy *p = policy_of(a);
    r->policy = p;
    struct trial_view *t = &r->trial;
    *t = (struct trial_view){
        .state = state, .text = "", .progress = 1, .start = NOW - US_PER_DAY, .tick = NOW - 7 * US_PER_S};
    t->stage = 2, t->n_stages = 3;
    t->stages = ARENA_ARRAY(a, struct stage_view, r->n_waves);
    for (int i = 0; i < 3; i++)
        stage_of(a, &t->stages[i], i, p);
    t->missing[0] = "bake time: 12m left", t->missing[1] = "a person advances (A)";
    t->n_missing = 2;
    f->s->generation++;
    return r;
}

static struct evidence *test_at(struct rollout_view *r, enum trial_test which)
{
    return (struct evidence *)(uintptr_t)&r->trial.stages[r->trial.stage].v[which];
}

static void lead(struct fixture *f, struct rollout_view *r, enum trial_test which, double evidence, int devices)
{
    struct stage_view *g = &r->trial.stages[r->trial.stage];
    struct evidence *e = test_at(r, which);
    e->log_e = e->log_now = log(evidence);
    e->canary = e->devices = devices;
    e->ratio = INFINITY, e->ratio_low = 12.4;
    if (e->log_e >= e->log_pause && devices >= 2)
        e->crossed_at = NOW - 9 * US_PER_MIN;
    g->leading = (int)which;
    char *text = arena_alloc(&f->s->arena, EXPLAIN_TEXT);
    explain_sentence(e, which, text, EXPLAIN_TEXT);
    r->trial.sentence = text;
}

static void carriers(struct fixture *f, struct rollout_view *r)
{
    static const char *const ID[] = {"em-7f3a-0091", "em-7f3a-01c4", "em-19ce-2210"};
    (void)f;
    r->trial.carriers = ID;
    r->trial.n_carriers = r->trial.carriers_total = 3;
}

/* What wave 2's canaries and 1,980 others did before the rollout. */
static void before(struct fixture *f, struct rollout_view *r, enum placebo_word word, double p)
{
    struct stage_view *g = &r->trial.stages[2];
    struct placebo_result *b = ARENA_NEW(&f->s->arena, struct placebo_result);
    *b = (struct placebo_result){.word = word,
                                 .log_p = log(p),
                                 .row = ROW_REBOOTS,
                                 .more = true,
                                 .compared = 3,
                                 .rows = 1U << ROW_REBOOTS | 1U << ROW_SILENCE | 1U << ROW_CPU,
                                 .canary = 20,
                                 .control = 1980};
    char *text = arena_alloc(&f->s->arena, PLACEBO_TEXT), *brief = arena_alloc(&f->s->arena, PLACEBO_TEXT);
    placebo_text(b, &policy_default()->evidence, text);
    placebo_brief(b, &policy_default()->evidence, brief);
    g->placebo = b;
    g->placebo_text = text, g->placebo_brief = brief, g->placebo_metric = "reboots";
    r->trial.n_planned = r->trial.n_stages;
}

void evidence_healthy(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_LIVE);
    struct evidence *e = test_at(r, TEST_BOOT1);
    e->log_e = log(1.6), e->log_now = log(0.31), e->canary = 1, e->devices = 1, e->control = 41;
    e->ratio = 2.4, e->ratio_low = 0.05, e->ratio_high = 31;
    r->trial.stages[2].leading = (int)TEST_BOOT1;
    test_at(r, TEST_CPU)->canary = 20;
    before(f, r, PLACEBO_LIKE, 0.34);
}

void evidence_watch(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_LIVE);
    lead(f, r, TEST_SILENT, 61, 2);
    before(f, r, PLACEBO_UNLIKE, 0.0003);
    carriers(f, r);
    r->trial.n_carriers = r->trial.carriers_total = 2;
    r->verdict = REACT_WATCH;
    r->waves[2].verdict.react = REACT_WATCH;
    r->waves[2].verdict.rule = "silence";
}

void evidence_loop(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_LIVE);
    static const struct share SHARES[] = {{"model", "hearth-3 rev C", 3, 3, 614, 2000, 3.26},
                                          {"site", "DE-0412", 2, 3, 120, 2000, 11.1}};
    lead(f, r, TEST_LOOP, 72000, 3);
    struct evidence *e = test_at(r, TEST_BOOT4);
    e->log_e = e->log_now = log(310), e->canary = 3, e->devices = 3, e->control = 2;
    e->ratio = 140, e->ratio_low = 9.3, e->ratio_high = 21000;
    carriers(f, r);
    r->trial.shares = SHARES, r->trial.n_shares = 2;
    r->verdict = REACT_ROLLBACK;
    r->waves[2].verdict.react = REACT_ROLLBACK;
    r->waves[2].verdict.rule = "crash-loop";
    memcpy(r->waves[2].verdict.text, "3 of 20 canaries have rebooted in a loop", 34);
}

void evidence_dry_run(struct fixture *f)
{
    evidence_loop(f);
    struct rollout_view *r = fixture_rollout(f, "4466");
    r->trial.dry_run = true;
    r->verdict = r->waves[2].verdict.react = REACT_NONE;
    r->waves[2].verdict.would = REACT_ROLLBACK;
    r->waves[2].verdict.rule = "";
}

void evidence_one_device(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_LIVE);
    lead(f, r, TEST_LOOP, 480, 1);
    carriers(f, r);
    r->trial.n_carriers = r->trial.carriers_total = 1;
    r->verdict = r->waves[2].verdict.react = REACT_WATCH;
    r->waves[2].verdict.rule = "crash-loop";
}

void evidence_install(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_LIVE);
    lead(f, r, TEST_INSTALL, 3e9, 14);
    struct evidence *e = test_at(r, TEST_INSTALL);
    e->canary_of = 120, e->overdue = 4, e->ratio = 5.8, e->ratio_low = e->ratio_high = NAN;
    struct wave_health *h = &r->waves[2].health;
    h->told = 120, h->installed = 93, h->failed = 14, h->overdue = 4, h->unreached = 5;
    char *text = arena_alloc(&f->s->arena, EXPLAIN_TEXT);
    explain_sentence(e, TEST_INSTALL, text, EXPLAIN_TEXT);
    r->trial.ledger = (struct ledger_view){
        .known = true,
        .text = "Of alpha 5% for emea:4.2.1, 4.7% is spent by this rollout, 0.13% by rollout 4460; 0.13% is left.",
        .note = "The tests go on as they began: alpha 5% (policy: 20%)."};
    r->trial.sentence = text;
    r->verdict = r->waves[2].verdict.react = REACT_ROLLBACK;
    r->waves[2].verdict.rule = "install";
}

void evidence_catching(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_CATCHING);
    r->trial.progress = 0.437, r->trial.tick = NOW - 5 * US_PER_HOUR, r->trial.n_missing = 0;
}

void evidence_behind(struct fixture *f)
{
    evidence_loop(f);
    struct rollout_view *r = fixture_rollout(f, "4466");
    r->trial.state = TRIAL_BEHIND, r->trial.text = "no telemetry for 4m";
    r->trial.tick = NOW - 4 * US_PER_MIN;
}

void evidence_off(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_OFF);
    r->trial.n_stages = 0, r->trial.stage = -1, r->trial.tick = 0, r->trial.n_missing = 0;
    r->trial.text = "no telemetry is configured";
}

void evidence_own(struct fixture *f)
{
    static const struct metric_def OWN[] = {{.id = "free-memory",
                                             .title = "free memory",
                                             .unit = "MiB",
                                             .kind = KIND_GAUGE,
                                             .worse = WORSE_DOWN,
                                             .own = true,
                                             .tolerance = 1.1,
                                             .share = 0.2,
                                             .level = {1.5, 2},
                                             .n_levels = 2,
                                             .window_us = 5 * US_PER_MIN},
                                            {.id = "radio-retries",
                                             .title = "radio retries",
                                             .unit = "",
                                             .kind = KIND_COUNTER,
                                             .share = 0.1,
                                             .level = {1, 10},
                                             .n_levels = 2}};
    evidence_healthy(f);
    struct rollout_view *r = fixture_rollout(f, "4466");
    struct arena *a = &f->s->arena;
    struct policy *p = arena_memdup(a, r->policy, sizeof *p);
    struct stage_view *g = &r->trial.stages[2];
    p->evidence.own = OWN;
    p->evidence.n_own = 2;
    if (!metric_make_tests(&p->evidence, a))
        abort();
    r->policy = p;
    int which = metric_test_find(&p->evidence, "free-memory-down-2");
    const struct metric_test *t = metric_test(&p->evidence, which);
    struct evidence *v = ARENA_ARRAY(a, struct evidence, g->n + 1);
    enum trial_test *of = ARENA_ARRAY(a, enum trial_test, g->n + 1);
    memcpy(v, g->v, g->n * sizeof *v);
    memcpy(of, g->which, g->n * sizeof *of);
    of[g->n] = (enum trial_test)which;
    v[g->n] = (struct evidence){.test = t->word,
                                .plain = t->plain,
                                .form = FORM_HAD,
                                .down = true,
                                .metric = t->metric,
                                .log_e = log(4100),
                                .log_now = log(4100),
                                .log_pause = log(750),
                                .devices = 5,
                                .min_devices = 2,
                                .canary = 5,
                                .canary_of = 20,
                                .control = 3,
                                .control_of = 1980,
                                .ratio = 165,
                                .ratio_low = 21,
                                .ratio_high = 2300,
                                .crossed_at = NOW - 9 * US_PER_MIN};
    explain_rollback(&p->evidence, &v[g->n]);
    g->leading = (int)g->n++;
    g->v = v, g->which = of;
    char *text = arena_alloc(a, EXPLAIN_TEXT);
    explain_sentence(&v[g->leading], of[g->leading], text, EXPLAIN_TEXT);
    r->trial.sentence = text;
    carriers(f, r);
    struct wave_view *w = &r->waves[2];
    size_t n = figure_count(&p->evidence);
    struct figure *words = ARENA_ARRAY(a, struct figure, n);
    for (size_t i = 0; i < n; i++)
        words[i] = *figure_of(&p->evidence, i);
    w->figures = words, w->n_figures = n;
    for (int k = 0; k < 2; k++) {
        unsigned at = FIGURES_BUILTIN + (unsigned)k;
        w->health.value[at] = k ? 3.1 : 231, w->health.against[at] = k ? 2.9 : 489;
        w->health.ratio[at] = w->health.value[at] / w->health.against[at];
        for (int i = 0; i < TREND_N; i++) {
            w->trend_control[at][i] = (float)w->health.against[at];
            w->trend[at][i] =
                (float)(w->health.against[at] + (w->health.value[at] - w->health.against[at]) * i / TREND_N);
        }
    }
    r->verdict = r->waves[2].verdict.react = REACT_PAUSE;
    r->waves[2].verdict.rule = t->word;
    snprintf(r->waves[2].verdict.text, sizeof r->waves[2].verdict.text, "5 of 20 canaries %s", t->plain);
}

void evidence_far(struct fixture *f)
{
    static const struct limit low = {
        .id = "R-SIGNAL", .metric = "free-memory", .basis = BASIS_RELATIVE, .under = true, .value = -6, .wave = -1};
    evidence_own(f);
    struct rollout_view *r = fixture_rollout(f, "4466");
    struct wave_view *w = &r->waves[2];
    struct figure *v = (struct figure *)(uintptr_t)&w->figures[FIGURES_BUILTIN];
    v->phrase = "signal", v->per = " dBm", v->unit = "dBm", v->diff = true;
    v[1].phrase = "heap", v[1].unit = "B";
    for (int k = 0; k < 2; k++) {
        unsigned at = FIGURES_BUILTIN + (unsigned)k;
        w->health.value[at] = k ? 8.6e9 : -77, w->health.against[at] = k ? 12739045 : -69;
        w->health.ratio[at] = k ? 675 : -8;
        for (int i = 0; i < TREND_N; i++) {
            w->trend_control[at][i] = (float)w->health.against[at];
            w->trend[at][i] =
                (float)(w->health.against[at] + (w->health.value[at] - w->health.against[at]) * i / TREND_N);
        }
    }
    w->verdict.limits[w->verdict.n_limits++] = (struct limit_view){.limit = &low,
                                                                   .figure = v,
                                                                   .value = -77,
                                                                   .against = -69,
                                                                   .ratio = -8,
                                                                   .status = LIMIT_BREACH,
                                                                   .since = NOW - US_PER_MIN};
}

void evidence_ended(struct fixture *f)
{
    struct rollout_view *r = start(f, TRIAL_OFF);
    r->trial.ended = true, r->trial.text = "the rollout has ended", r->trial.n_missing = 0;
    r->rollout.state = ROLLOUT_FINISHED, r->next = "";
    r->current = 2;
    for (size_t i = 0; i < r->n_waves; i++)
        r->waves[i].watched = false, r->waves[i].verdict.react = REACT_NONE, r->waves[i].ended_at = NOW - US_PER_HOUR;
    struct stage_view *last = &r->trial.stages[2];
    last->control = 0;
    for (size_t i = 0; i < last->n; i++)
        ((struct evidence *)(uintptr_t)last->v)[i].control_of = 0;
}

void evidence_hostile(struct fixture *f)
{
    static char big[4000];
    static const char *bad[20];
    memset(big, 'W', sizeof big - 1);
    static const char *const RAW[] = {"\x1b[31mred", "\xE2\x80\xAEgnp.exe", "\xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2",
                                      "a\r\nb\tc", "\xF0\x9F\x94\xA5\xF0\x9F\x94\xA5"};
    static struct share shares[SHARE_MAX];
    struct rollout_view *r = start(f, TRIAL_LIVE);
    lead(f, r, TEST_CPU125, INFINITY, 20);
    for (int i = 0; i < 20; i++)
        bad[i] = i % 6 == 5 ? big : RAW[i % 5];
    for (int i = 0; i < SHARE_MAX; i++)
        shares[i] = (struct share){i % 2 ? big : RAW[i % 5], RAW[(i + 1) % 5], INT64_MAX, INT64_MAX, 0, 0, INFINITY};
    r->trial.carriers = bad, r->trial.n_carriers = 20, r->trial.carriers_total = SIZE_MAX;
    r->trial.shares = shares, r->trial.n_shares = SHARE_MAX;
    r->trial.missing[0] = big, r->trial.missing[1] = RAW[0];
    r->trial.sentence = big;
    r->trial.stages[2].plan_text = big;
    test_at(r, TEST_BOOT1)->log_e = NAN, test_at(r, TEST_BOOT1)->log_pause = NAN;
    test_at(r, TEST_BOOT2)->log_e = -INFINITY, test_at(r, TEST_BOOT2)->log_pause = INFINITY;
    test_at(r, TEST_BOOT4)->log_e = 45000, test_at(r, TEST_BOOT4)->canary = INT64_MIN;
    test_at(r, TEST_VAR4)->ratio = -1, test_at(r, TEST_VAR4)->ratio_high = 1e300;
}
