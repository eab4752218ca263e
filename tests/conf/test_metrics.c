/* A policy's own metrics as read from its file, and their queries from the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/config.h"
#include "conf/policy.h"
#include "core/arena.h"
#include "core/clock.h"
#include "tests/conf/tempdir.h"

static const struct evidence_policy *load(const char *dir, const char *yaml, struct arena *a)
{
    struct err e = {0};
    const struct policy *p = policy_load(tempdir_write(dir, "p.yaml", yaml, 0600), a, &e);
    if (!p)
        fail_msg("%s (%s)", e.what, e.next);
    return &p->evidence;
}

static void bad(const char *dir, const char *yaml, const char *what)
{
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    assert_null(policy_load(tempdir_write(dir, "p.yaml", yaml, 0600), &a, &e));
    if (!strstr(e.what, what))
        fail_msg("%s\n%s", yaml, e.what);
    arena_release(&a);
}

static void every_field(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct evidence_policy *p = load(*state,
                                           "metrics:\n"
                                           "  free-memory: {title: free memory, unit: MiB, kind: gauge, worse: down, "
                                           "tolerance: 1.2, share: 0.2, levels: [1.5, 2], window: 2m, "
                                           "grace: 1h}\n"
                                           "  boot: {kind: gauge, own_baseline: false}\n"
                                           "  retries: {kind: counter, levels: [1, 10, 100]}\n"
                                           "  errors: {kind: event, share: 0}\n"
                                           "  slots: {title: slot changes, kind: activation}\n"
                                           "  cpu: {worse: both, grace: 15m}\n"
                                           "  reboots: {grace: 2h}\n",
                                           &a);
    assert_int_equal(p->n_own, 5);
    const struct metric_def *m = p->own;
    assert_string_equal(m[0].id, "free-memory");
    assert_string_equal(m[0].title, "free memory");
    assert_string_equal(m[0].unit, "MiB");
    assert_true(m[0].kind == KIND_GAUGE && m[0].worse == WORSE_DOWN && m[0].own && m[0].tolerance == 1.2);
    assert_true(m[0].n_levels == 2 && m[0].level[1] == 2 && m[0].window_us == 2 * US_PER_MIN);
    assert_true(!m[1].own && m[1].n_levels == 0 && m[1].window_us == 5 * US_PER_MIN && m[1].share == 0.1);
    assert_string_equal(m[1].title, "boot");
    assert_true(m[2].kind == KIND_COUNTER && m[2].n_levels == 3 && m[2].level[2] == 100 && !m[2].own);
    assert_true(m[3].kind == KIND_EVENT && m[3].share == 0);
    assert_true(m[4].kind == KIND_ACTIVATION && m[4].share == 0 && metric_activation(p) == METRICS_BUILTIN + 4);
    assert_string_equal(m[4].title, "slot changes");
    assert_int_equal(metric_test_find(p, "slots"), -1);
    assert_true(p->worse[ROW_CPU] == WORSE_BOTH && p->worse[ROW_VARIANCE] == WORSE_UP);
    assert_true(p->grace_us[ROW_CPU] == 15 * US_PER_MIN && p->grace_us[ROW_REBOOTS] == 2 * US_PER_HOUR &&
                p->grace_us[ROW_SILENCE] == 0 && m[0].grace_us == US_PER_HOUR && m[1].grace_us == 0);
    assert_true(metric_test_find(p, "free-memory-down-2") > 0 && metric_test_find(p, "cpu-down") > 0);
    arena_release(&a);
}

/* All that may be said at once: four of the five, and eight more. */
static void as_many_as_there_are(void **state)
{
    struct arena a;
    arena_init(&a);
#define EIGHT                                                                                                          \
    "a: {kind: event}, b: {kind: event}, c: {kind: event}, d: {kind: event}, e: {kind: event}, "                       \
    "f: {kind: event}, g: {kind: event}, h: {kind: event}"
    const struct evidence_policy *p = load(*state,
                                           "metrics: {reboots: {grace: 1h}, silence: {grace: 1h}, cpu: {grace: 1h}, "
                                           "variance: {grace: 1h}, " EIGHT "}\n",
                                           &a);
    assert_int_equal(p->n_own, METRICS_OWN);
    assert_true(p->grace_us[ROW_VARIANCE] == US_PER_HOUR);
    arena_release(&a);
    bad(*state, "metrics: {" EIGHT ", i: {kind: event}}\n", "at most 8 metrics");
#undef EIGHT
}

/* The five give way in proportion, but for those whose shares the file names. */
static void shares_give_way(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct evidence_policy *p = load(*state, "metrics: {x: {kind: event, share: 0.2}}\n", &a);
    const struct evidence_policy *d = &policy_default()->evidence;
    assert_true(fabs(p->share[ROW_REBOOTS] - 0.8 * d->share[ROW_REBOOTS]) < 1e-12);
    assert_true(fabs(p->share[ROW_INSTALL] - 0.8 * d->share[ROW_INSTALL]) < 1e-12);
    p = load(*state, "evidence: {shares: {reboots: 0.3}}\nmetrics: {x: {kind: event, share: 0.35}}\n", &a);
    assert_true(p->share[ROW_REBOOTS] == 0.3 &&
                fabs(p->share[ROW_CPU] - d->share[ROW_CPU] * 0.35 / (1 - d->share[ROW_REBOOTS])) < 1e-12);
    p = load(*state, "evidence: {shares: {reboots: 0.1}}\nmetrics: {x: {kind: event, share: 0.2}}\n", &a);
    assert_true(p->share[ROW_REBOOTS] == 0.1 && p->share[ROW_CPU] == d->share[ROW_CPU]); /* there is room */
    arena_release(&a);
    bad(*state,
        "evidence: {shares: {reboots: 0.3, silence: 0.2, cpu: 0.15, variance: 0.15, install: 0.2}}\n"
        "metrics: {x: {kind: event}}\n",
        "the shares of all metrics come to 1.1, and at most to 1");
    bad(*state, "metrics: {x: {kind: event, share: 0.6}, y: {kind: event, share: 0.6}}\n", "come to");
}

static void what_makes_no_sense(void **state)
{
    bad(*state, "metrics: {Free: {kind: gauge}}\n", "expected a name of its own");
    bad(*state, "metrics: {state: {kind: gauge}}\n", "'state' is the name of a column");
    bad(*state, "metrics: {rbt: {kind: counter}}\n", "'rbt' is the name of a column");
    bad(*state, "metrics: {x: {worse: up}}\n", "the key kind is missing");
    bad(*state, "metrics: {x: {kind: counter, worse: down}}\n", "of a counter more is worse");
    bad(*state, "metrics: {x: {kind: event, window: 5m}}\n", "of an event more is worse");
    bad(*state, "metrics: {x: {kind: event, levels: [1]}}\n", "has no levels");
    bad(*state, "metrics: {x: {kind: gauge, own_baseline: false, levels: [2]}}\n", "has no levels");
    bad(*state, "metrics: {x: {kind: gauge, levels: [2, 1.5]}}\n", "expected more than the level before");
    bad(*state, "metrics: {x: {kind: gauge, levels: [1]}}\n", "expected more than 1 times the own");
    bad(*state, "metrics: {cpu: {worse: down}}\n", "only grace, worse: up or worse: both");
    bad(*state, "metrics: {cpu: {worse: both, share: 0.1}}\n", "only grace, worse: up or worse: both");
    bad(*state, "metrics: {reboots: {worse: both}}\n", "only cpu and variance");
    bad(*state, "metrics: {install: {grace: 1h}}\n", "an install has no grace");
    bad(*state, "metrics: {cpu: {grace: 31d}}\n", "30");
    bad(*state, "metrics: {crash: {kind: counter}}\n", "two tests would be called 'crash-loop'");
    bad(*state, "metrics: {stuck-sensor: {kind: event}}\n", "two tests would be called 'stuck-sensor'");
    bad(*state, "metrics: {t: {kind: gauge, worse: both}, t-down: {kind: gauge}}\n", "two tests would be called");
    bad(*state, "metrics: {x: {kind: presence}}\n", "expected");
    bad(*state, "metrics: {x: {kind: activation, share: 0.1}}\n", "activations are not tested");
    bad(*state, "metrics: {x: {kind: activation, levels: [1]}}\n", "activations are not tested");
    bad(*state, "metrics: {x: {kind: activation, grace: 1h}}\n", "activations are not tested");
    bad(*state, "metrics: {x: {kind: activation}, y: {kind: activation}}\n",
        "one metric of the kind activation at most");
    bad(*state,
        "metrics: {a: {kind: gauge, worse: both, share: 0}, b: {kind: gauge, worse: both, share: 0}, "
        "c: {kind: gauge, worse: both, share: 0}, d: {kind: gauge, worse: both, share: 0}, "
        "e: {kind: gauge, worse: both, share: 0}}\n",
        "more than 64 tests");
}

static bool read_config(const char *dir, const char *policy, const char *telemetry, struct config *c, struct err *e)
{
    char yaml[1000];
    tempdir_write(dir, "secret", "x\n", 0600);
    tempdir_write(dir, "p.yaml", policy, 0600);
    snprintf(yaml, sizeof yaml,
             "fleets:\n  - name: f\n    kind: hawkbit\n    url: http://127.0.0.1:1\n    user: u\n"
             "    secret: {file: secret}\n    policy: p.yaml\n    telemetry: {kind: prometheus, url: "
             "\"http://127.0.0.1:2\"%s}\n",
             telemetry);
    return config_load(tempdir_write(dir, "config.yaml", yaml, 0600), c, e);
}

static void each_has_a_query(void **state)
{
    static const char policy[] = "metrics: {retries: {kind: counter}, mem: {kind: gauge}}\n";
    struct config c;
    struct err e = {0};
    if (!read_config(*state, policy, ", metrics: {mem: 'a + b', retries: retries_total, spare: c}", &c, &e))
        fail_msg("%s", e.what);
    const struct telemetry_spec *t = &c.fleets[0].telemetry;
    assert_int_equal(t->n_own, 3);
    assert_string_equal(t->own[0].id, "mem");
    assert_string_equal(t->own[0].query, "a + b");
    assert_true(!t->own[0].counter && t->own[1].counter && !t->own[2].counter);
    config_release(&c);
    assert_false(read_config(*state, policy, ", metrics: {mem: a}", &c, &e));
    assert_non_null(strstr(e.what, "tests 'retries', and there is no query for it"));
    assert_false(read_config(*state, policy, "", &c, &e));
    assert_false(read_config(*state, policy, ", metrics: {mem: a, retries: ''}", &c, &e));
    assert_false(read_config(*state, "bake: 1h\n", ", metrics: {cpu: a}", &c, &e));
}

/* The name means one thing in all policies of a fleet: its values are kept once. */
static void policies_that_differ(void **state)
{
    static const struct {
        const char *first, *second, *what; /* NULL: they go together */
    } cases[] = {
        {"{kind: gauge}", "{kind: gauge, worse: down}", NULL},
        {"{kind: counter}", "{kind: event}", NULL},
        {"{kind: counter}", "{kind: activation}",
         "of kind counter in one policy of this fleet, and of kind activation"},
        {"{kind: event}", "{kind: gauge}", "'m' is of kind event in one policy of this fleet, and of kind gauge in"},
        {"{kind: gauge}", "{kind: spread}", "'m' is of kind gauge in one policy of this fleet, and of kind spread in"},
        {"{kind: gauge}", "{kind: gauge, compare: difference}", "compared by difference in one policy of this fleet"},
        {"{kind: gauge, compare: difference}", "{kind: gauge}", "compared by difference in one policy of this fleet"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char first[100], second[100];
        struct config c;
        struct err e = {0};
        snprintf(first, sizeof first, "metrics: {m: %s}\n", cases[i].first);
        snprintf(second, sizeof second, "metrics: {m: %s}\n", cases[i].second);
        tempdir_write(*state, "q.yaml", second, 0600);
        bool ok =
            read_config(*state, first,
                        ", metrics: {m: a}}\n    policies: [{rollout: x, policy: q.yaml}]\n"
                        "    environment: lab\n  - {name: g, kind: hawkbit, url: \"http://127.0.0.1:1\", user: u, "
                        "secret: {file: secret}",
                        &c, &e);
        if (ok != !cases[i].what || (cases[i].what && !strstr(e.what, cases[i].what)))
            fail_msg("%s, %s: %s", first, second, e.what);
        if (ok)
            config_release(&c);
    }
}

static void a_preset_has_some(void **state)
{
    static const char policy[] = "metrics: {oom-kills: {kind: counter}, free-memory: {kind: gauge, worse: down}}\n";
    struct config c;
    struct err e = {0};
    if (!read_config(*state, policy, ", preset: node_exporter, metrics: {free-memory: mine}", &c, &e))
        fail_msg("%s", e.what);
    const struct telemetry_spec *t = &c.fleets[0].telemetry;
    assert_int_equal(t->n_own, 2);
    assert_string_equal(t->own[0].query, "mine"); /* what is configured goes before */
    assert_string_equal(t->own[1].id, "oom-kills");
    assert_string_equal(t->own[1].query, "node_vmstat_oom_kill");
    assert_true(t->own[1].counter);
    config_release(&c);
    assert_false(read_config(*state, policy, ", metrics: {free-memory: mine}", &c, &e)); /* the default has none */
    assert_non_null(strstr(e.what, "tests 'oom-kills', and there is no query for it"));
    /* No more than there is room for. */
    assert_false(read_config(
        *state, policy, ", preset: node_exporter, metrics: {a: a, b: a, c: a, d: a, e: a, f: a, g: a, h: a}", &c, &e));
}

#define T(name) cmocka_unit_test_setup_teardown(name, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(every_field),      T(shares_give_way),      T(what_makes_no_sense),
                                       T(each_has_a_query), T(as_many_as_there_are), T(policies_that_differ),
                                       T(a_preset_has_some)};
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
