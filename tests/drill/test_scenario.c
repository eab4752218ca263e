/* Scenario files: the shipped ones, and every kind of mistake in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drill/shipped.h"

static void test_shipped(void **state)
{
    (void)state;
    int n = 0;
    for (const char *const *name = drill_scenario_names(); *name; name++, n++) {
        struct arena a;
        struct err e = {0};
        arena_init(&a);
        const struct scenario *s = drill_scenario(*name, &a, &e);
        if (!s)
            fail_msg("%s", e.what);
        assert_string_equal(s->name, *name); /* the file says what it is */
        assert_true(s->description[0] && s->speed >= 1);
        assert_true(s->rollout.n_groups >= 2 && s->devices.count >= 800);
        assert_true(s->ends.after >= US_PER_HOUR);
        static const char *const fine[] = {"healthy", "staged-update", "patch-friday", "one-bad-device",
                                           "noisy-but-fine"};
        bool must_not = false;
        for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
            must_not |= !strcmp(*name, fine[i]);
        assert_true(s->expect.halted == !must_not);
        assert_true(s->lead_in_us >= 65 * US_PER_MIN); /* own baselines take an hour */
        arena_release(&a);
    }
    assert_int_equal(n, 15);
}

static void test_lookup(void **state)
{
    (void)state;
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    assert_null(drill_scenario("crashloop", &a, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.next, "crash-loop"));
    assert_null(drill_scenario("./no-such.yaml", &a, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    size_t n = 0;
    const char *text = drill_scenario_text("healthy", &n);
    assert_non_null(text);
    assert_int_equal(strlen(text), n);
    char path[] = "/tmp/andon-scenario-XXXXXX.yaml";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
    const struct scenario *s = drill_scenario(path, &a, &e);
    unlink(path);
    assert_non_null(s);
    assert_string_equal(s->name, "healthy");
    arena_release(&a);
}

#define HEAD    "name: x\ndescription: y\n"
#define DEVICES "devices: {count: 10, models: [{name: A, share: 0.5}, {name: B}], sites: [s]}\n"
#define ROLLOUT                                                                                                        \
    "rollout:\n  name: r\n  old: {name: fw, version: 1}\n  new: {name: fw, version: 2}\n"                              \
    "  waves: [{name: a, percent: 10}, {name: b, percent: 90}]\n"
#define OWN(courses) "devices: {count: 10, metrics: {" courses "}}\n"
#define TAIL         "ends: {after: 1h}\nexpect: {halted: false}\n"

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *want;
    } cases[] = {
        {HEAD DEVICES ROLLOUT TAIL "fault: []\n", "fault"},
        {HEAD DEVICES ROLLOUT "ends: {after: 1h}\n", "expect"},
        {HEAD "devices: {count: 0}\n" ROLLOUT TAIL, "devices.count"},
        {HEAD "devices: {count: 10, prefix: \"a b\"}\n" ROLLOUT TAIL, "letters, digits, - or _"},
        {HEAD "devices: {count: 10, prefix: abcdefghijklmnopqrst}\n" ROLLOUT TAIL, "at most 16"},
        {HEAD "devices: {count: 10, models: [{name: a, share: 0.7}, {name: b, share: 0.7}, {name: c}]}\n" ROLLOUT TAIL,
         "add up"},
        {HEAD "devices: {count: 10, sites: [\"a\\\"b\"]}\n" ROLLOUT TAIL, "letters, digits, blanks"},
        {HEAD DEVICES "rollout:\n  name: r\n  old: {name: fw, version: 1}\n  new: {name: fw, version: 1}\n"
                      "  waves: [{name: a, percent: 10}]\n" TAIL,
         "another firmware"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: crash}]\n", "crash-loop"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, at: 5m, until: 5m}]\n", "later than"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, model: Z}]\n", "no such model"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, site: Z}]\n", "no such site"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, hw_revision: Z}]\n", "no such hw_revision"},
        {HEAD "devices: {count: 10, models: [{name: A, hw_revision: x, share: 0.5}, {name: B}]}\n" ROLLOUT TAIL
              "faults: [{kind: cpu, model: B, hw_revision: x}]\n",
         "no such hw_revision"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, device: 10}]\n", "no such device"},
        {HEAD DEVICES ROLLOUT TAIL "watch: {lead_in: 2d}\n", "lead_in"},
        {HEAD DEVICES ROLLOUT "ends: {after: 1h}\nexpect: {halted: true, names: {key: model}}\n", "value"},
        {HEAD DEVICES ROLLOUT "ends: {after: 1h}\nexpect: {halted: true, by: [crash-loop]}\n"
                              "policy: {evidence: {tests: dry-run}}\n",
         "no limit and no test"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, share: 1.5}]\n", "share"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {}, do: pause}]\n", "exactly one"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {at: 1m, halted: true}, do: pause}]\n", "exactly one"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {halted: false}, do: pause}]\n", "expected true"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {wave_done: 2}, do: pause}]\n", "no wave 2"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {at: 1m}, do: rollback}]\n", "needs a reason"},
        {HEAD DEVICES ROLLOUT TAIL "operator: [{when: {at: 1m}, do: reboot}]\n", "rollback"},
        {HEAD DEVICES ROLLOUT "ends: {after: 1h}\nexpect: {halted: true, by: [R-NOPE]}\n", "no limit"},
        {HEAD DEVICES ROLLOUT "ends: {after: 1s}\nexpect: {halted: false}\n", "ends.after"},
        {HEAD DEVICES ROLLOUT TAIL "policy: {metrics: {mem: {kind: gauge}}}\n", "do not measure 'mem'"},
        {HEAD OWN("mem: {}") ROLLOUT TAIL, "no metric of its own of this name"},
        {HEAD OWN("cpu: {}") ROLLOUT TAIL, "no metric of its own of this name"},
        {HEAD OWN("mem: {per_day: 3}") ROLLOUT TAIL "policy: {metrics: {mem: {kind: gauge}}}\n",
         "per_day is of a counter"},
        {HEAD OWN("mem: {mean: 3}") ROLLOUT TAIL "policy: {metrics: {mem: {kind: event}}}\n", "course is per_day"},
        {HEAD OWN("mem: {mean: -3}") ROLLOUT TAIL "policy: {metrics: {mem: {kind: gauge}}}\n", "mean"},
        {HEAD OWN("act: {per_day: 3}") ROLLOUT TAIL "policy: {metrics: {act: {kind: activation}}}\n", "no course"},
        {HEAD OWN("act: {}") ROLLOUT TAIL "policy: {metrics: {act: {kind: activation}}}\n"
                                          "faults: [{kind: metric, metric: act, per_hour: 2}]\n",
         "name of a metric"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: metric}]\n", "name of a metric"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: metric, metric: mem}]\n", "name of a metric"},
        {HEAD DEVICES ROLLOUT TAIL "faults: [{kind: cpu, metric: mem}]\n", "of the kind `metric`"},
        {HEAD OWN("mem: {}") ROLLOUT TAIL "policy: {metrics: {mem: {kind: gauge}}}\n"
                                          "faults: [{kind: metric, metric: mem, per_hour: 2}]\n",
         "of a gauge factor"},
        {HEAD OWN("mem: {}") ROLLOUT TAIL "policy: {metrics: {mem: {kind: counter}}}\n"
                                          "faults: [{kind: metric, metric: mem, factor: 2}]\n",
         "of a counter per_hour"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct err e = {0};
        arena_init(&a);
        if (scenario_parse("f.yaml", cases[i].yaml, strlen(cases[i].yaml), &a, &e))
            fail_msg("case %zu was taken", i);
        char all[800];
        snprintf(all, sizeof all, "%s %s %s", e.what, e.next, e.cause);
        if (!strstr(all, cases[i].want) || !strstr(e.what, "f.yaml:"))
            fail_msg("case %zu: '%s', expected '%s'", i, all, cases[i].want);
        arena_release(&a);
    }
}

/* Tests may be expected as limits may, and a policy of tests alone is one. */
static void test_evidence(void **state)
{
    (void)state;
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    const char *yaml = HEAD DEVICES ROLLOUT "ends: {after: 1h}\nexpect: {halted: true, by: [crash-loop, cpu-1.5, "
                                            "install, LOST-TELEMETRY], names: {key: model, "
                                            "value: B}}\npolicy: {limits: []}\n";
    const struct scenario *s = scenario_parse("f.yaml", yaml, strlen(yaml), &a, &e);
    if (!s)
        fail_msg("%s", e.what);
    assert_int_equal(s->policy->n_limits, 0);
    assert_int_equal(s->policy->evidence.tests, TESTS_ON);
    assert_int_equal(s->expect.n_by, 4);
    assert_string_equal(s->expect.names_key, "model");
    assert_string_equal(s->expect.names_value, "B");
    arena_release(&a);
}

static void test_defaults(void **state)
{
    (void)state;
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    const char *yaml = HEAD DEVICES ROLLOUT TAIL "operator: [{when: {halted: true}, do: rollback, reason: why}]\n"
                                                 "faults: [{kind: crash-loop}]\n";
    const struct scenario *s = scenario_parse("f.yaml", yaml, strlen(yaml), &a, &e);
    assert_non_null(s);
    assert_true(s->poll_us == 2 * US_PER_S && s->scrape_us == 15 * US_PER_S && s->keep_alive == 100);
    assert_true(s->policy == policy_default());
    assert_true(s->faults[0].on_new && !s->faults[0].on_old && s->faults[0].share >= 1);
    assert_true(s->faults[0].until == TIME_NEVER && s->faults[0].at == SCENARIO_ALWAYS);
    assert_true(s->lead_in_us == 0 && s->faults[0].device == -1 && !*s->expect.names_key);
    assert_true(s->steps[0].when == WHEN_HALTED && s->steps[0].verb == VERB_ROLLBACK);
    assert_true(s->steps[0].delay == 30 * US_PER_S);
    assert_true(s->expect.max_bad_devices == -1 && s->expect.within == TIME_NEVER);
    arena_release(&a);
}

/* docs/scenarios.md says of each key what the schema says. */
static void documented(const char *page, const struct yfield *t)
{
    for (; t->key; t++) {
        char key[80];
        snprintf(key, sizeof key, "| `%s`", t->key);
        if (!strstr(page, key) || !t->doc || !strstr(page, t->doc))
            fail_msg("docs/scenarios.md does not say of `%s`: %s", t->key, t->doc ? t->doc : "(nothing)");
        if (t->fields && strcmp(t->key, "policy") != 0)
            documented(page, t->fields);
    }
}

static void test_documented(void **state)
{
    (void)state;
    FILE *f = fopen("docs/scenarios.md", "re");
    if (!f)
        skip(); /* not run from the top folder */
    static char page[60000];
    size_t n = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    page[n] = 0;
    documented(page, scenario_schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),  cmocka_unit_test(test_lookup),     cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_documented), cmocka_unit_test(test_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
