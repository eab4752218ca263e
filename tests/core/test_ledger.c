/* The alpha ledger, and what a firmware has spent of its alpha by the entries of a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/ledger.h"
#include "core/trial_account.h"
#include "core/trial_state.h"

#define WAVES 4
static const double SHARE[LEDGER_ALL] = {0.30, 0.20, 0.15, 0.15};

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

/* ---- the ledger ---- */

static void a_reserve_can_be_spent_once(void **state)
{
    (void)state;
    struct ledger l;
    double all[LEDGER_ALL] = {0, 0, 0.25, 0}; /* 0.04 of them is the reserve, 0.01 */
    for (int with = 0; with < 2; with++) {
        assert_true(ledger_init(&l, 0.05, with ? 0.2 : 0, WAVES, SHARE, 0.2));
        assert_true(near(ledger_total(&l), with ? 0.04 : 0.05));
        all[LEDGER_CPU] = 0.2501;
        assert_false(ledger_add(&l, all, 0));
        all[LEDGER_CPU] = (double)NAN;
        assert_false(ledger_add(&l, all, 0));
        all[LEDGER_CPU] = 0.25;
        assert_int_equal(ledger_add(&l, all, 0), with);
        assert_true(near(l.drawn, with ? 0.01 : 0));
        assert_true(near(ledger_total(&l), 0.05));
        assert_false(ledger_add(&l, all, 3));
    }
}

static void what_is_added_is_paid_from_the_reserve(void **state)
{
    (void)state;
    const double some[LEDGER_ALL] = {0.3, 0.2, 0, 0.15}, cpu[LEDGER_ALL] = {0, 0, 0.15, 0};
    const double much[LEDGER_ALL] = {0, 0, 1, 0}, less[LEDGER_ALL] = {0, 0, 0.2, -0.1}, none[LEDGER_ALL] = {0};
    struct ledger l, before;
    assert_true(ledger_init(&l, 0.05, 0.2, WAVES, some, 0.2));
    before = l;
    assert_false(ledger_add(&l, much, 0)); /* 0.04 */
    assert_false(ledger_add(&l, less, 2));
    assert_false(ledger_add(&l, none, 2));
    assert_false(ledger_add(&l, cpu, WAVES));
    assert_memory_equal(&l, &before, sizeof l);
    assert_true(ledger_add(&l, cpu, 2));
    assert_true(near(l.drawn, 0.05 * 0.8 * 0.15 * 3 / 15));
    for (int s = 0; s < WAVES; s++) {
        assert_true(ledger_alpha(&l, s, LEDGER_REBOOT) == ledger_alpha(&before, s, LEDGER_REBOOT)); /* to the bit */
        assert_true(near(ledger_alpha(&l, s, LEDGER_CPU), s < 2 ? 0 : 0.05 * 0.8 * 0.15 * (s == 2 ? 2 : 1) / 15));
    }
    assert_true(near(ledger_total(&l), ledger_total(&before) + l.drawn));
    assert_true(ledger_total(&l) <= l.alpha);
    assert_false(ledger_add(&l, cpu, 3)); /* once */
}

/* ---- an account ---- */

struct log {
    struct arena a;
    struct account c;
    struct policy p;
};

static void log_init(struct log *g)
{
    memset(g, 0, sizeof *g);
    arena_init(&g->a);
    g->p = *policy_default();
    g->p.evidence.strata[0] = "model";
    g->p.evidence.n_strata = 1;
}

static struct rollout_identity rollout(const char *id)
{
    return (struct rollout_identity){"emea", id, 1000 * (int64_t)(id[0] - '0' + 1), "hearth 2", "hearth:2.0"};
}

static struct trial_terms terms(const struct log *g)
{
    struct trial_spec s = {.policy = g->p.evidence,
                           .waves = WAVES,
                           .start = US_PER_DAY,
                           .step_us = 15 * US_PER_S,
                           .grace_us = g->p.grace_us,
                           .silence_us = 5 * US_PER_MIN};
    return terms_of(&s, &g->p, g->p.window_us);
}

static void take(struct log *g, const char *id, const struct trial_terms *t, int begun, bool acts)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    terms_write(t, &b);
    struct account_claim c = {
        .who = rollout(id), .terms = b.data, .ledger = "", .strata = "", .begun = begun, .acts = acts};
    account_take(&g->c, &g->a, &c);
    buf_release(&b);
}

static struct account_plan plan(struct log *g, const char *id, int begun)
{
    struct rollout_identity who = rollout(id);
    struct trial_terms t = terms(g);
    struct account_plan p;
    account_plan(&g->c, &who, &t, begun, true, &g->a, &p);
    return p;
}

/* As an engine does it: reads, claims, and reads again. */
static struct account_plan begin(struct log *g, const char *id, int begun)
{
    struct account_plan p = plan(g, id, begun);
    if (!p.claimed)
        take(g, id, &p.terms, p.kind == PLAN_ADDS ? p.begun : begun, true);
    return plan(g, id, begun);
}

static double own(struct log *g, const char *id, double *others)
{
    struct rollout_identity who = rollout(id);
    double v;
    account_spent(&g->c, &who, &v, others);
    return v;
}

static void terms_come_back_to_the_bit(void **state)
{
    (void)state;
    struct log g;
    struct trial_terms back;
    struct err e;
    struct buf b, c;
    log_init(&g);
    buf_init(&b, 1 << 16);
    buf_init(&c, 1 << 16);
    g.p.evidence.alpha = 0.1 / 3;
    g.p.evidence.reserve = 0.3;
    g.p.evidence.share[ROW_CPU] = 0;
    g.p.evidence.control = "ctl-*";
    struct trial_terms t = terms(&g);
    t.added[LEDGER_CPU] = 0.15;
    t.added_from = 1;
    terms_write(&t, &b);
    assert_true(terms_read(b.data, b.len, &g.a, &back, &e));
    terms_write(&back, &c);
    assert_string_equal(b.data, c.data);
    assert_string_equal(back.spec.policy.strata[0], "model");
    assert_string_equal(back.spec.policy.control, "ctl-*");
    char text[ACCOUNT_TEXT];
    terms_differ(&t, &back, text);
    /* What is added counts as the policy's share of it. */
    assert_string_equal(text, "share of CPU 15% (policy: 0%)");
    for (size_t n = 0; n < b.len; n++) /* whatever is cut off */
        assert_false(terms_read(b.data, n, &g.a, &back, &e));
    buf_release(&b);
    buf_release(&c);
    arena_release(&g.a);
}

static const struct metric_def memory = {.id = "free-memory",
                                         .title = "free memory",
                                         .unit = "MiB",
                                         .kind = KIND_GAUGE,
                                         .worse = WORSE_DOWN,
                                         .own = true,
                                         .tolerance = 1.1,
                                         .share = 0.1,
                                         .level = {1.5, 2},
                                         .n_levels = 2,
                                         .window_us = 5 * US_PER_MIN};

/* A rollout that runs, whose policy gets a metric of its own. */
static void later_metric(struct log *g, double reserve)
{
    log_init(g);
    g->p.evidence.reserve = reserve;
    struct trial_terms t = terms(g);
    take(g, "1", &t, 1, true);
    g->p.evidence.own = &memory;
    g->p.evidence.n_own = 1;
    for (size_t i = 0; i < METRICS_BUILTIN; i++) /* they give way, as they do where the file does not name them */
        g->p.evidence.share[i] *= 0.9;
    assert_true(metric_make_tests(&g->p.evidence, &g->a));
}

static void a_metric_added_later_is_paid_from_the_reserve(void **state)
{
    (void)state;
    struct log g;
    struct buf b;
    struct trial_terms back;
    struct err e;
    struct ledger l;
    later_metric(&g, 0.2);
    struct account_plan p = plan(&g, "1", 2);
    assert_int_equal(p.kind, PLAN_ADDS);
    assert_int_equal(p.terms.added_from, 2);
    assert_int_equal(p.terms.spec.policy.n_own, 1);
    assert_true(p.terms.spec.policy.own[0].share == 0 && p.terms.added[LEDGER_METRICS] == 0.1);
    assert_true(p.terms.spec.policy.share[ROW_REBOOTS] == 0.3); /* what runs keeps its own */
    assert_true(terms_ledger(&p.terms, &l) && ledger_total(&l) <= l.alpha && l.drawn > 0);
    int test = metric_test_find(&p.terms.spec.policy, "free-memory-down-2");
    assert_true(test >= TEST_COUNT);
    assert_true(trial_alpha(&p.terms.spec.policy, &l, 1, test) == 0);
    assert_true(trial_alpha(&p.terms.spec.policy, &l, 2, test) > 0);
    buf_init(&b, 1 << 16);
    terms_write(&p.terms, &b);
    assert_true(terms_read(b.data, b.len, &g.a, &back, &e));
    assert_true(back.added[LEDGER_METRICS] == 0.1);
    take(&g, "1", &p.terms, 2, true);
    p = plan(&g, "1", 2); /* as who reads the log finds it */
    assert_int_equal(p.kind, PLAN_GOES_ON);
    assert_true(p.terms.spec.policy.n_own == 1 && p.terms.added[LEDGER_METRICS] == 0.1);
    assert_null(strstr(p.differs, "metric"));
    assert_null(strstr(p.differs, "free-memory"));
    buf_release(&b);
    arena_release(&g.a);
}

/* Nothing is refused: limits, columns and plots have it, and the tests go on as they began. */
static void a_metric_that_the_reserve_does_not_hold_is_not_tested(void **state)
{
    (void)state;
    for (int history = 0; history < 2; history++) {
        struct log g;
        later_metric(&g, history ? 0 : 0.2);
        struct rollout_identity who = rollout("1");
        struct trial_terms t = terms(&g);
        struct account_plan p;
        account_plan(&g.c, &who, &t, 2, true, history ? &g.a : NULL, &p);
        assert_int_equal(p.kind, PLAN_GOES_ON);
        assert_int_equal(p.terms.spec.policy.n_own, 0);
        assert_non_null(strstr(p.differs, "free-memory is measured and not tested (policy: tested)"));
        struct policy held = g.p;
        terms_bind(&p.terms, &held, &g.a);
        assert_int_equal(figure_find(&held.evidence, "free-memory"), FIGURES_BUILTIN);
        assert_true(held.evidence.own[0].share == 0);
        assert_true(metric_test_find(&held.evidence, "free-memory-down") >= TEST_COUNT);
        assert_true(held.evidence.share[ROW_REBOOTS] == 0.3);
        arena_release(&g.a);
    }
}

static void stages_that_have_begun_are_spent(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    struct account_plan p = begin(&g, "1", 1);
    assert_int_equal(p.kind, PLAN_GOES_ON);
    assert_true(p.claimed && !p.dry);
    assert_true(near(own(&g, "1", &others), 0.05 * (0.2 + 0.8 * 8 / 15)));
    assert_true(near(others, 0));
    take(&g, "1", &p.terms, 1, true); /* by another watcher: nothing more */
    assert_true(near(own(&g, "1", &others), 0.05 * (0.2 + 0.8 * 8 / 15)));
    for (int s = 2; s <= WAVES; s++)
        assert_false(begin(&g, "1", s).dry);
    assert_true(near(own(&g, "1", &others), 0.05));
    assert_true(g.c.spent <= 0.05 * (1 + 1e-12));
    arena_release(&g.a);
}

/* The fault that this was made for: restarted with another alpha, a rollout began a second ledger. */
static void what_runs_is_bound_to_its_terms(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    struct account_plan p = begin(&g, "1", 1);
    g.p.evidence.alpha = 0.2;
    g.p.evidence.min_devices = 1;
    p = plan(&g, "1", 1);
    assert_int_equal(p.kind, PLAN_GOES_ON);
    assert_true(p.claimed);
    assert_true(p.terms.spec.policy.alpha == 0.05);
    assert_int_equal(p.terms.spec.policy.min_devices, 2);
    assert_string_equal(p.differs, "alpha 5% (policy: 20%), min_devices 2 (policy: 1)");
    /* and somebody who claims by it all the same is not heeded */
    struct trial_terms t = terms(&g);
    take(&g, "1", &t, 1, true);
    assert_true(near(own(&g, "1", &others), 0.05 * (0.2 + 0.8 * 8 / 15)));
    assert_true(near(g.c.alpha, 0.05));
    /* Limits, levels and dry run are no terms. */
    g.p.evidence = policy_default()->evidence;
    g.p.evidence.strata[0] = "model";
    g.p.evidence.n_strata = 1;
    g.p.evidence.level[0].times = 0.5;
    assert_string_equal(plan(&g, "1", 1).differs, "");
    g.p.evidence.n_strata = 0;
    assert_string_equal(plan(&g, "1", 1).differs, "other strata");
    arena_release(&g.a);
}

static void a_retry_gets_what_is_left(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    (void)begin(&g, "1", 1);
    struct account_plan p = plan(&g, "2", 1);
    assert_int_equal(p.kind, PLAN_NEW);
    assert_true(near(p.terms.spec.policy.alpha, 0.05 * 0.8 * 7 / 15));
    assert_true(p.terms.asked == 0.05);
    p = begin(&g, "2", 1);
    assert_true(p.claimed && !p.dry);
    assert_true(near(p.terms.spec.policy.alpha, 0.05 * 0.8 * 7 / 15));
    assert_string_equal(p.differs, ""); /* what it was given is less than asked for; that is no change of the policy */
    for (int s = 2; s <= WAVES; s++)
        assert_false(begin(&g, "2", s).dry);
    assert_true(near(own(&g, "2", &others), 0.05 * 0.8 * 7 / 15));
    /* Nothing is left: the first one's further waves run dry, a third rollout from the start. */
    p = begin(&g, "1", 2);
    assert_true(p.dry);
    p = plan(&g, "3", 1);
    assert_true(p.dry);
    assert_true(p.terms.spec.policy.alpha == 0.05); /* what is shown is measured against the policy's */
    p = begin(&g, "3", 1);
    assert_true(p.dry && p.claimed);
    assert_true(g.c.spent <= 0.05 * (1 + 1e-12));
    arena_release(&g.a);
}

static void the_union_stays_within_alpha_whatever_comes(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252;
    for (int play = 0; play < 300; play++) {
        struct log g;
        char id[2] = "1";
        int begun[5] = {0};
        double sum = 0, others;
        log_init(&g);
        for (int i = 0; i < 40; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            unsigned r = (unsigned)(x % 5);
            id[0] = (char)('1' + r);
            const double alpha[] = {0.05, 0.2, 0.01}, reserve[] = {0, 0.3};
            g.p.evidence.alpha = alpha[x / 5 % 3];
            g.p.evidence.reserve = reserve[x / 16 % 2];
            g.p.evidence.share[ROW_CPU] = x / 64 % 3 ? 0.15 : 0;
            begun[r] += begun[r] < WAVES;
            (void)begin(&g, id, begun[r]);
        }
        for (int r = 0; r < 5; r++) {
            id[0] = (char)('1' + r);
            sum += own(&g, id, &others);
        }
        assert_true(near(sum, g.c.spent));
        assert_true(g.c.spent <= g.c.alpha * (1 + 1e-12));
        arena_release(&g.a);
    }
}

static void dry_runs_spend_nothing_until_they_act(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    struct trial_terms t = terms(&g);
    take(&g, "1", &t, 1, false);
    take(&g, "1", &t, 2, false);
    assert_true(near(own(&g, "1", &others), 0));
    assert_true(near(plan(&g, "2", 1).terms.spec.policy.alpha, 0.05));
    struct account_plan p = plan(&g, "1", 2);
    assert_false(p.claimed);
    p = begin(&g, "1", 2); /* switched on: the same tests, all that have begun are paid */
    assert_true(p.claimed && !p.dry);
    assert_true(near(own(&g, "1", &others), 0.05 * (0.2 + 0.8 * 12 / 15)));
    arena_release(&g.a);
}

static void added_tests_are_drawn_or_refused(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct log g;
        double others;
        log_init(&g);
        g.p.evidence.reserve = with ? 0.2 : 0;
        g.p.evidence.share[ROW_CPU] = 0;
        (void)begin(&g, "1", 1);
        double before = own(&g, "1", &others);
        g.p.evidence.share[ROW_CPU] = 0.15;
        struct account_plan p = plan(&g, "1", 1);
        assert_int_equal(p.kind, with ? PLAN_ADDS : PLAN_GOES_ON);
        p = begin(&g, "1", 1);
        assert_int_equal(p.kind, PLAN_GOES_ON);
        assert_true(p.claimed);
        assert_int_equal(p.terms.added_from, with ? 1 : 0);
        assert_string_equal(p.differs, with ? "" : "share of CPU 0% (policy: 15%)");
        assert_true(near(own(&g, "1", &others), before)); /* no stage has begun with it */
        (void)begin(&g, "1", 2);
        double cost = 0.05 * (with ? 0.8 : 1) * 4 / 15 * (0.65 + (with ? 0.15 : 0));
        assert_true(near(own(&g, "1", &others), before + cost));
        /* A watcher that has the old policy still goes by what stands in the log. */
        g.p.evidence.share[ROW_CPU] = 0;
        p = plan(&g, "1", 2);
        assert_int_equal(p.terms.added_from, with ? 1 : 0);
        /* and an addition to a stage that has begun is none */
        struct trial_terms t = p.terms;
        t.added_from = 0;
        t.added[LEDGER_CPU] = 0.2;
        take(&g, "1", &t, 2, true);
        assert_true(near(own(&g, "1", &others), before + cost));
        arena_release(&g.a);
    }
}

/* What has begun was seen: nothing may be added to it. */
static void nothing_is_added_to_a_stage_that_has_begun(void **state)
{
    (void)state;
    for (int from = 0; from < WAVES; from++) {
        struct log g;
        double others, before;
        log_init(&g);
        g.p.evidence.reserve = 0.5;
        g.p.evidence.share[ROW_CPU] = 0;
        (void)begin(&g, "1", 1);
        (void)begin(&g, "1", 2);
        before = own(&g, "1", &others);
        struct trial_terms t = plan(&g, "1", 2).terms;
        t.added_from = from;
        t.added[LEDGER_CPU] = 0.15;
        take(&g, "1", &t, 2, true);
        assert_true(near(own(&g, "1", &others), before));
        assert_true(plan(&g, "1", 2).terms.added[LEDGER_CPU] == (from < 2 ? 0 : 0.15));
        arena_release(&g.a);
    }
}

static void measured_otherwise_it_is_another_trial(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    (void)begin(&g, "1", 1);
    g.p.window_us *= 2;
    struct account_plan p = begin(&g, "1", 1);
    assert_true(near(p.terms.spec.policy.alpha, 0.05 * 0.8 * 7 / 15));
    assert_true(near(own(&g, "1", &others), 0.05 * (0.2 + 0.8 * 8 / 15) + 0.05 * 0.8 * 7 / 15 * (0.2 + 0.8 * 8 / 15)));
    arena_release(&g.a);
}

/* As andon wrote it before terms were. */
static void old_entries_count_as_they_say(void **state)
{
    (void)state;
    static const char ledger[] =
        "{\"alpha\":\"0x1.999999999999ap-5\",\"install\":\"0x1.47ae147ae147cp-7\",\"reserve\":\"0x0p+0\",\"stages\":"
        "[[\"0x1.0624dd2f1a9fbp-7\",\"0x1.5d867c3ece2a4p-8\",\"0x1.0624dd2f1a9fbp-8\",\"0x1.0624dd2f1a9fbp-8\"],"
        "[\"0x1.0624dd2f1a9fbp-8\",\"0x1.5d867c3ece2a4p-9\",\"0x1.0624dd2f1a9fbp-9\",\"0x1.0624dd2f1a9fbp-9\"],"
        "[\"0x1.0624dd2f1a9fbp-9\",\"0x1.5d867c3ece2a4p-10\",\"0x1.0624dd2f1a9fbp-10\",\"0x1.0624dd2f1a9fbp-10\"],"
        "[\"0x1.0624dd2f1a9fbp-10\",\"0x1.5d867c3ece2a4p-11\",\"0x1.0624dd2f1a9fbp-11\",\"0x1.0624dd2f1a9fbp-11\"]],"
        "\"total\":\"0x1.999999999999ap-5\"}";
    struct log g;
    double others;
    log_init(&g);
    struct account_claim c = {.who = rollout("1"), .terms = "", .ledger = ledger, .strata = "model", .acts = true};
    account_take(&g.c, &g.a, &c);
    assert_int_equal(g.c.unread, 0);
    assert_true(near(own(&g, "1", &others), 0.05)); /* which stages began is not known: all of them count */
    struct trial_terms t = terms(&g);
    struct account_plan p = plan(&g, "1", 3);
    assert_true(p.claimed && !p.dry);
    assert_string_equal(p.differs, "");
    assert_memory_equal(&p.terms.spec.policy.share[ROW_REBOOTS], &t.spec.policy.share[ROW_REBOOTS],
                        4 * sizeof(double)); /* bits */
    g.p.evidence.alpha = 0.2;
    p = plan(&g, "1", 3);
    assert_true(near(p.terms.spec.policy.alpha, 0.05));
    assert_string_equal(p.differs, "alpha 5% (policy: 20%)");
    assert_true(plan(&g, "2", 1).dry);
    /* One that cannot be read is counted, and no reason to fail. */
    c.ledger = "{\"alpha\":\"0x1p-5\"}";
    account_take(&g.c, &g.a, &c);
    c.terms = "{";
    account_take(&g.c, &g.a, &c);
    assert_int_equal(g.c.unread, 2);
    arena_release(&g.a);
}

static void another_rollout_with_its_number_is_another(void **state)
{
    (void)state;
    struct log g;
    double others;
    log_init(&g);
    (void)begin(&g, "1", 1);
    struct rollout_identity again = rollout("1");
    again.created_at += US_PER_DAY;
    struct trial_terms t = terms(&g);
    struct account_plan p;
    account_plan(&g.c, &again, &t, 1, true, &g.a, &p);
    assert_int_equal(p.kind, PLAN_NEW);
    assert_true(near(p.terms.spec.policy.alpha, 0.05 * 0.8 * 7 / 15));
    account_spent(&g.c, &again, &p.left, &others);
    assert_true(p.left == 0 && others > 0);
    arena_release(&g.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_reserve_can_be_spent_once),
                                       cmocka_unit_test(a_metric_added_later_is_paid_from_the_reserve),
                                       cmocka_unit_test(a_metric_that_the_reserve_does_not_hold_is_not_tested),
                                       cmocka_unit_test(what_is_added_is_paid_from_the_reserve),
                                       cmocka_unit_test(terms_come_back_to_the_bit),
                                       cmocka_unit_test(stages_that_have_begun_are_spent),
                                       cmocka_unit_test(what_runs_is_bound_to_its_terms),
                                       cmocka_unit_test(a_retry_gets_what_is_left),
                                       cmocka_unit_test(the_union_stays_within_alpha_whatever_comes),
                                       cmocka_unit_test(dry_runs_spend_nothing_until_they_act),
                                       cmocka_unit_test(added_tests_are_drawn_or_refused),
                                       cmocka_unit_test(nothing_is_added_to_a_stage_that_has_begun),
                                       cmocka_unit_test(measured_otherwise_it_is_another_trial),
                                       cmocka_unit_test(old_entries_count_as_they_say),
                                       cmocka_unit_test(another_rollout_with_its_number_is_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
