/* Policies: every field, defaults, and limits that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "conf/policy.h"
#include "core/intent.h"
#include "core/arena.h"
#include "core/clock.h"
#include "tests/conf/tempdir.h"

static const struct policy *load(const char *dir, const char *yaml, struct arena *a)
{
    struct err e = {0};
    const struct policy *p = policy_load(tempdir_write(dir, "p.yaml", yaml, 0600), a, &e);
    if (!p)
        print_error("%s (%s)\n", e.what, e.next);
    assert_non_null(p);
    return p;
}

static void bad_next(const char *dir, const char *yaml, const char *what, const char *next)
{
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    assert_null(policy_load(tempdir_write(dir, "p.yaml", yaml, 0600), &a, &e));
    assert_string_equal(e.what + strlen(dir) + 1, what);
    if (next)
        assert_string_equal(e.next, next);
    arena_release(&a);
}

/* A limit with these keys, in flow style on line 1. */
static void bad_limit(const char *dir, const char *keys, const char *what)
{
    char yaml[400], full[400];
    snprintf(yaml, sizeof yaml, "limits: [{%s}]\n", keys);
    snprintf(full, sizeof full, "p.yaml:1: limits[0]%s", what);
    bad_next(dir, yaml, full, NULL);
}

static void device_hours_need_tests(void **state)
{
    struct arena a;
    bad_next(
        *state, "min_device_hours: 2\nevidence: {tests: off}\n",
        "p.yaml:1: min_device_hours: the tests measure device-hours, and they are off: no wave could ever be advanced",
        NULL);
    arena_init(&a);
    assert_true(load(*state, "min_device_hours: 2\nevidence: {tests: dry-run}\n", &a)->min_device_hours == 2);
    arena_release(&a);
}

static void an_empty_file_is_the_built_in_policy(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *p = load(*state, "", &a), *d = policy_default();
    assert_string_equal(p->name, "p");
    /* sha-256 of nothing */
    assert_string_equal(p->digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ptr_equal(p->limits, d->limits);
    assert_int_equal(p->n_limits, d->n_limits);
    assert_int_equal(p->window_us, d->window_us);
    assert_int_equal(p->grace_us, d->grace_us);
    assert_int_equal(p->install_us, d->install_us);
    assert_true(p->min_coverage == d->min_coverage);
    assert_int_equal(p->lost_pause_us, d->lost_pause_us);
    assert_int_equal(p->lost_react, d->lost_react);
    assert_int_equal(p->bake_us, d->bake_us);
    assert_int_equal(p->promotion, d->promotion);
    assert_int_equal(p->halt_stops, d->halt_stops);
    assert_int_equal(p->foreign, FOREIGN_BY_ACTOR);
    assert_string_equal(p->rollback_to, d->rollback_to);
    assert_int_equal(p->drain_us, d->drain_us);
    assert_int_equal(p->control_max, d->control_max);
    assert_true(p->lost_resume);
    assert_int_equal(p->lost_devices, 3);
    assert_true(p->min_device_hours == 0);
    assert_memory_equal(&p->evidence, &d->evidence, sizeof d->evidence);
    p = load(*state, "lost_telemetry: {after: 1m}\n", &a);
    assert_int_equal(p->lost_react, d->lost_react);
    p = load(*state, "limits: []\n", &a);
    assert_int_equal(p->n_limits, 0);
    arena_release(&a);
}

static void what_is_asked_of_people(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *p = load(*state, "people: {operator: required, reason: [ack, advance]}\n", &a);
    assert_true(p->people.operator_named);
    assert_int_equal(p->people.reasons, 1u << VERB_ACK | 1u << VERB_ADVANCE);
    p = load(*state, "people: {operator: optional}\n", &a);
    assert_false(p->people.operator_named);
    assert_int_equal(p->people.reasons, 0);
    bad_next(*state, "people: {reason: [halt]}\n",
             "p.yaml:1: people.reason[0]: expected start, advance, pause, resume, approve, retry or ack, found 'halt'",
             NULL);
    arena_release(&a);
}

/* What the log shows of the built-in policy says what is compiled in. */
static void the_built_in_policy_s_text_says_the_same(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *d = policy_default(), *p = load(*state, d->text, &a);
    struct policy same = *p;
    assert_string_equal(p->text, d->text);
    assert_int_equal(p->n_limits, d->n_limits);
    for (size_t i = 0; i < d->n_limits; i++) {
        struct limit l = p->limits[i];
        assert_string_equal(l.id, d->limits[i].id);
        assert_string_equal(l.metric, d->limits[i].metric);
        assert_string_equal(l.device_class, d->limits[i].device_class);
        l.id = d->limits[i].id;
        l.metric = d->limits[i].metric;
        l.device_class = d->limits[i].device_class;
        assert_true(l.basis == d->limits[i].basis && l.value == d->limits[i].value && l.under == d->limits[i].under &&
                    l.for_us == d->limits[i].for_us && l.min_devices == d->limits[i].min_devices &&
                    l.wave == d->limits[i].wave && l.react == d->limits[i].react && l.dry_run == d->limits[i].dry_run);
    }
    assert_int_equal(p->evidence.n_strata, d->evidence.n_strata);
    for (size_t i = 0; i < d->evidence.n_strata; i++)
        assert_string_equal(p->evidence.strata[i], d->evidence.strata[i]);
    assert_string_equal(p->evidence.control, d->evidence.control);
    assert_string_equal(p->rollback_to, d->rollback_to);
    same.name = d->name; /* what is no setting, and strings that are the same by now */
    same.digest = d->digest;
    same.text = d->text;
    same.limits = d->limits;
    same.rollback_to = d->rollback_to;
    memcpy(same.evidence.strata, d->evidence.strata, sizeof d->evidence.strata);
    same.evidence.control = d->evidence.control;
    assert_memory_equal(&same, d, sizeof same);
    arena_release(&a);
}

static void every_field(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *p = load(*state,
                                  "window: 5m\ngrace: 1m\ninstall_time: 20m\ncoverage: 0.5\n"
                                  "lost_telemetry: {react: hold, after: 3m}\nbake: 24h\npromotion: hold\nhalt: stop\n"
                                  "on_foreign_resume: halt\n"
                                  "rollback_to: 'hearth:4.11.9'\ndrain: 1h\ncontrol_max: 50\n"
                                  "limits:\n"
                                  "- {id: A, metric: reboots, above: 2.5, relative_to: control, for: 2m,"
                                  " min_devices: 1, wave: 0, class: 'gw-*', on_breach: rollback, dry_run: true}\n"
                                  "- {id: B, metric: cpu-mean, above: 0.9, relative_to: absolute, on_breach: watch}\n"
                                  "- {id: C, metric: cpu-p95, above: 1.5, relative_to: control, on_breach: hold}\n"
                                  "- {id: D, metric: variance, above: 2, relative_to: absolute, on_breach: pause}\n"
                                  "- {id: E, metric: install-failed, above: 0.05, on_breach: pause}\n",
                                  &a);
    assert_int_equal(p->window_us, 5 * US_PER_MIN);
    assert_int_equal(p->grace_us, US_PER_MIN);
    assert_int_equal(p->install_us, 20 * US_PER_MIN);
    assert_true(p->min_coverage == 0.5);
    assert_int_equal(p->lost_react, REACT_HOLD);
    assert_int_equal(p->lost_pause_us, 3 * US_PER_MIN);
    assert_int_equal(p->bake_us, US_PER_DAY);
    assert_int_equal(p->promotion, PROMOTE_HOLD);
    assert_true(p->halt_stops);
    assert_int_equal(p->foreign, FOREIGN_HALT);
    assert_int_equal(load(*state, "on_foreign_resume: alert\n", &a)->foreign, FOREIGN_ALERT);
    assert_string_equal(p->rollback_to, "hearth:4.11.9");
    assert_int_equal(p->drain_us, US_PER_HOUR);
    assert_int_equal(p->control_max, 50);
    assert_int_equal(p->n_limits, 5);
    const struct limit *l = p->limits;
    assert_string_equal(l[0].id, "A");
    assert_string_equal(l[0].metric, "reboots");
    assert_int_equal(l[0].basis, BASIS_RELATIVE);
    assert_true(l[0].value == 2.5);
    assert_int_equal(l[0].for_us, 2 * US_PER_MIN);
    assert_int_equal(l[0].min_devices, 1);
    assert_int_equal(l[0].wave, 0);
    assert_string_equal(l[0].device_class, "gw-*");
    assert_int_equal(l[0].react, REACT_ROLLBACK);
    assert_true(l[0].dry_run);
    assert_string_equal(l[1].metric, "cpu-mean");
    assert_int_equal(l[1].basis, BASIS_ABSOLUTE);
    assert_int_equal(l[1].react, REACT_WATCH);
    assert_int_equal(l[1].for_us, 0);
    assert_int_equal(l[1].min_devices, 3);
    assert_int_equal(l[1].wave, -1);
    assert_string_equal(l[1].device_class, "");
    assert_false(l[1].dry_run);
    assert_string_equal(l[2].metric, "cpu-p95");
    assert_int_equal(l[2].react, REACT_HOLD);
    assert_string_equal(l[3].metric, "variance");
    assert_int_equal(l[3].react, REACT_PAUSE);
    assert_string_equal(l[4].metric, "install-failed");
    assert_int_equal(l[4].basis, BASIS_ABSOLUTE);
    arena_release(&a);
}

/* The words of the file and those of the screen and the log are the same. */
static void words_are_those_of_core(void **state)
{
    struct arena a;
    arena_init(&a);
    for (int m = 0; m < FIGURES_BUILTIN; m++) {
        for (int r = REACT_WATCH; r <= REACT_ROLLBACK; r++) {
            char yaml[200];
            snprintf(yaml, sizeof yaml, "limits: [{id: A, metric: %s, above: %s, %s, on_breach: %s}]\n",
                     figure_of(&policy_default()->evidence, (size_t)m)->word, m == FIGURE_INSTALL ? "0.1" : "2",
                     m == FIGURE_INSTALL ? "wave: 1" : "relative_to: control", reaction_word((enum reaction)r));
            const struct policy *p = load(*state, yaml, &a);
            assert_string_equal(p->limits[0].metric, figure_of(&policy_default()->evidence, (size_t)m)->word);
            assert_int_equal(p->limits[0].react, r);
        }
    }
    arena_release(&a);
}

static void bad_end(const char *dir, const char *yaml, const char *end)
{
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    assert_null(policy_load(tempdir_write(dir, "p.yaml", yaml, 0600), &a, &e));
    assert_non_null(strstr(e.what, end));
    arena_release(&a);
}

static void a_limit_on_a_metric_of_ones_own(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *p = load(*state,
                                  "metrics:\n"
                                  "  free-memory: {kind: gauge, worse: down}\n"
                                  "  retries: {kind: counter}\n"
                                  "  offset: {kind: gauge, worse: both}\n"
                                  "limits:\n"
                                  "- {id: A, metric: free-memory, below: 0.8, relative_to: control, on_breach: pause}\n"
                                  "- {id: B, metric: retries, above: 20, relative_to: absolute, on_breach: pause}\n"
                                  "- {id: C, metric: offset, above: 2, relative_to: control, on_breach: watch}\n"
                                  "- {id: D, metric: offset, below: 0.5, relative_to: control, on_breach: watch}\n",
                                  &a);
    assert_int_equal(p->n_limits, 4);
    assert_string_equal(p->limits[0].metric, "free-memory");
    assert_true(p->limits[0].under && p->limits[0].value == 0.8);
    assert_false(p->limits[1].under);
    assert_int_equal(figure_find(&p->evidence, p->limits[3].metric), FIGURES_BUILTIN + 2);
#define OWN "metrics: {m: {kind: gauge, worse: down}, n: {kind: counter}}\nlimits: [{id: A, on_breach: pause, "
    p = load(*state,
             "metrics: {t: {kind: gauge, compare: difference, worse: both, levels: [3, 6], tolerance: 0.5}}\n"
             "limits: [{id: A, metric: t, below: -4, relative_to: control, on_breach: pause}]\n",
             &a);
    assert_true(p->evidence.own[0].diff && p->evidence.own[0].tolerance == 0.5 && p->evidence.own[0].level[0] == 3);
    assert_true(p->limits[0].value == -4);
    arena_release(&a);
    bad_end(*state, OWN "metric: m, above: 2, relative_to: control}]\n", "of m less is worse: say below");
    bad_end(*state, OWN "metric: n, below: 2, relative_to: absolute}]\n", "of n more is worse: say above");
#define DIFF(w, keys)                                                                                                  \
    "metrics: {t: {kind: gauge, compare: difference, worse: " w "}}\nlimits: [{id: A, metric: t, on_breach: pause, "   \
    "relative_to: control, " keys "}]\n"
    bad_end(*state, DIFF("up", "below: -4"), "of t more is worse: say above");
    bad_end(*state, DIFF("down", "above: 4"), "of t less is worse: say below");
    bad_end(*state, DIFF("both", "below: 4"), "expected less than 0: the difference to control, in the unit of t");
#undef DIFF
    bad_end(*state, OWN "metric: m, below: 1.5, relative_to: control}]\n", "expected less than 1, found '1.5'");
    bad_end(*state, OWN "metric: m, relative_to: control}]\n", "the key above is missing");
    bad_end(*state, OWN "metric: m, above: 2, below: 1, relative_to: control}]\n", "a limit has one of them");
    bad_end(*state, OWN "metric: other, below: 1, relative_to: absolute}]\n", "install-failed, m or n, found 'other'");
    bad_end(*state, "metrics: {cpu-p95: {kind: gauge}}\n", "choose another name");
#undef OWN
}

static void limits_that_make_no_sense(void **state)
{
    bad_limit(*state, "metric: reboots, above: 2, on_breach: pause", ": the key id is missing");
    bad_limit(*state, "id: A, above: 2, on_breach: pause", ": the key metric is missing");
    bad_limit(*state, "id: A, metric: reboots, on_breach: pause", ": the key above is missing");
    bad_limit(*state, "id: A, metric: reboots, above: 2", ": the key on_breach is missing");
    bad_next(*state, "limits: [{id: A, metric: reboots, above: 2, on_breach: pause}]",
             "p.yaml:1: limits[0]: the key relative_to is missing",
             "say relative_to: control (`above` is a ratio) or absolute (a value)");
    bad_limit(*state, "id: A, metric: reboot, above: 2, on_breach: pause",
              ".metric: expected reboots, cpu-mean, cpu-p95, variance or install-failed, found 'reboot' (did you mean "
              "reboots?)");
    bad_limit(*state, "id: A, metric: reboots, above: 2, relative_to: control, on_breach: none",
              ".on_breach: expected watch, hold, pause or rollback, found 'none'");
    bad_limit(*state, "id: A, metric: reboots, above: 1.5x, relative_to: control, on_breach: pause",
              ".above: expected a number, found '1.5x'");
    bad_limit(*state, "id: A, metric: reboots, above: 0, relative_to: absolute, on_breach: pause",
              ".above: expected more than 0, found '0'");
    bad_limit(*state, "id: A, metric: reboots, above: -1, relative_to: absolute, on_breach: pause",
              ".above: expected more than 0, found '-1'");
    bad_limit(*state, "id: A, metric: reboots, above: 1, relative_to: control, on_breach: pause",
              ".above: expected more than 1, found '1'; a ratio of 1 is no change");
    bad_limit(*state, "id: A, metric: variance, above: 0.9, relative_to: absolute, on_breach: pause",
              ".above: expected more than 1, found '0.9'; 1 is each device's own baseline");
    bad_limit(*state, "id: A, metric: install-failed, above: 5, on_breach: pause",
              ".above: a share of devices is never above '5'; for 5 % write 0.05");
    bad_limit(*state, "id: A, metric: install-failed, above: 2, relative_to: control, on_breach: pause",
              ".relative_to: control devices install nothing; leave this key out");
    bad_limit(*state, "id: A B, metric: install-failed, above: 0.1, on_breach: pause",
              ".id: expected 1 to 32 letters, digits, '-', '_' or '.'");
    bad_limit(*state, "id: A, metric: install-failed, above: 0.1, on_breach: pause, min_devices: 0",
              ".min_devices: expected a whole number from 1 to 1000000000, found '0'");
    bad_limit(*state, "id: A, metric: install-failed, above: 0.1, on_breach: pause, wave: -1",
              ".wave: expected a whole number from 0 to 511, found '-1'");
}

static void ids_are_unique_and_few(void **state)
{
    bad_next(*state,
             "limits:\n- {id: A, metric: install-failed, above: 0.1, on_breach: pause}\n"
             "- {id: A, metric: install-failed, above: 0.2, on_breach: pause}\n",
             "p.yaml:3: limits[1].id: 'A' is the id of the limit in line 2 too", NULL);
    char yaml[4000] = "limits:\n";
    for (int i = 0; i < 33; i++)
        snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml),
                 "- {id: A%d, metric: install-failed, above: 0.1, on_breach: pause}\n", i);
    bad_next(*state, yaml, "p.yaml:2: limits: expected 0 to 32 items, found 33", NULL);
}

static void every_field_of_the_evidence(void **state)
{
    struct arena a;
    arena_init(&a);
    const struct policy *p =
        load(*state,
             "lost_telemetry: {resume: false, devices: 5}\nmin_device_hours: 12.5\n"
             "evidence:\n  tests: dry-run\n  alpha: 0.01\n  reserve: 0.25\n"
             "  tolerance: {reboots: 2, cpu: 1.5, variance: 3}\n  install_failures: 0.05\n  min_devices: 3\n"
             "  shares: {reboots: 0.5, silence: 0.1, cpu: 0, variance: 0.3, install: 0.1}\n"
             "  levels:\n  - {times: 0.05, do: watch}\n  - {times: 0.5, do: hold}\n  - {times: 1, do: pause}\n"
             "  - {times: 10, do: rollback}\n"
             "  strata: [hw revision]\n  control: 'ctl-*'\n",
             &a);
    const struct evidence_policy *v = &p->evidence;
    assert_false(p->lost_resume);
    assert_int_equal(p->lost_devices, 5);
    assert_true(p->min_device_hours == 12.5);
    assert_int_equal(v->tests, TESTS_DRY_RUN);
    assert_true(v->alpha == 0.01 && v->reserve == 0.25);
    assert_true(v->tolerance[ROW_REBOOTS] == 2 && v->tolerance[ROW_CPU] == 1.5 && v->tolerance[ROW_VARIANCE] == 3);
    assert_true(v->tolerance[ROW_INSTALL] == 0.05);
    assert_int_equal(v->min_devices, 3);
    assert_true(v->share[ROW_REBOOTS] == 0.5 && v->share[ROW_SILENCE] == 0.1 && v->share[ROW_CPU] == 0);
    assert_true(v->share[ROW_VARIANCE] == 0.3 && v->share[ROW_INSTALL] == 0.1);
    assert_int_equal(v->n_levels, 4);
    assert_true(v->level[0].times == 0.05 && v->level[0].react == REACT_WATCH);
    assert_true(v->level[1].times == 0.5 && v->level[1].react == REACT_HOLD);
    assert_true(v->level[2].times == 1 && v->level[2].react == REACT_PAUSE);
    assert_true(v->level[3].times == 10 && v->level[3].react == REACT_ROLLBACK);
    assert_int_equal(v->n_strata, 1);
    assert_string_equal(v->strata[0], "hw revision");
    assert_string_equal(v->control, "ctl-*");
    p = load(*state, "evidence: {tests: off}\n", &a);
    assert_int_equal(p->evidence.tests, TESTS_OFF);
    p = load(*state, "evidence: {tests: on, strata: []}\n", &a);
    assert_int_equal(p->evidence.tests, TESTS_ON);
    assert_int_equal(p->evidence.n_strata, 0);
    p = load(*state, "evidence: {early_rollback: true, levels: [{times: 1, do: rollback}]}\n", &a);
    assert_int_equal(p->evidence.n_levels, 1);
    assert_int_equal(p->evidence.level[0].react, REACT_ROLLBACK);
    /* Ten tenths that are no binary fractions. */
    p = load(*state, "evidence: {shares: {reboots: 0.7, silence: 0.1, cpu: 0.1, variance: 0.05, install: 0.05}}\n", &a);
    assert_true(p->evidence.share[ROW_REBOOTS] == 0.7);
    /* Who is not named gives way in proportion. */
    p = load(*state, "evidence: {shares: {reboots: 0.1, install: 0.8}}\n", &a);
    v = &p->evidence;
    assert_true(v->share[ROW_REBOOTS] == 0.1 && v->share[ROW_INSTALL] == 0.8);
    assert_true(fabs(v->share[ROW_SILENCE] + v->share[ROW_CPU] + v->share[ROW_VARIANCE] - 0.1) < 1e-12);
    assert_true(fabs(v->share[ROW_SILENCE] / v->share[ROW_CPU] - 0.16 / 0.085) < 1e-9);
    arena_release(&a);
}

static void evidence_that_makes_no_sense(void **state)
{
    static const struct {
        const char *keys, *what, *next;
    } cases[] = {
        {"tests: true", ".tests: expected off, dry-run or on, found 'true'", NULL},
        {"alpha: 0", ".alpha: expected a number from 1e-06 to 0.5, found '0'", NULL},
        {"alpha: 5", ".alpha: expected a number from 1e-06 to 0.5, found '5'", NULL},
        {"alpha: 5%", ".alpha: expected a number, found '5%'", NULL},
        {"alfa: 0.05", ".alfa: unknown key (did you mean alpha?)", NULL},
        {"reserve: 1", ".reserve: expected a number from 0 to 0.9, found '1'", NULL},
        {"tolerance: {reboots: 0.9}", ".tolerance.reboots: expected a number from 1 to 100, found '0.9'", NULL},
        {"tolerance: 1.25", ".tolerance: expected a map ('key: value' lines), found '1.25'", NULL},
        {"install_failures: 0", ".install_failures: expected a number from 0.0001 to 0.5, found '0'", NULL},
        {"min_devices: 0", ".min_devices: expected a whole number from 1 to 1000, found '0'", NULL},
        {"shares: {reboots: 0.9, silence: 0.3}", ".shares: expected at most 1 together, found 1.2", NULL},
        {"shares: {reboots: 0, silence: 0, cpu: 0, variance: 0, install: 0}",
         ".shares: all are 0: nothing would be tested; say tests: off if that is meant", NULL},
        {"levels: []", ".levels: expected 1 to 6 items, found 0", NULL},
        {"levels: [{times: 1}]", ".levels[0]: the key do is missing", NULL},
        {"levels: [{do: pause}]", ".levels[0]: the key times is missing", NULL},
        {"levels: [{times: 0, do: watch}]", ".levels[0].times: expected more than 0, found '0'", NULL},
        {"levels: [{times: 1, do: halt}]",
         ".levels[0].do: expected watch, hold, pause or rollback, found 'halt' (did you mean hold?)", NULL},
        {"levels: [{times: 0.5, do: pause}]",
         ".levels[0].do: a pause on '0.5' times the evidence would halt good rollouts more often than alpha says",
         "only watch and hold go below 1; to halt sooner, raise alpha"},
        {"early_rollback: true, levels: [{times: 0.99, do: rollback}]",
         ".levels[0].do: a rollback on '0.99' times the evidence would halt good rollouts more often than alpha says",
         NULL},
        {"levels: [{times: 1, do: pause}, {times: 9.99, do: rollback}]",
         ".levels[1].do: a roll back without a person wants 10 times the evidence of a pause, found '9.99'",
         "say times: 10, or accept it with early_rollback: true"},
        {"levels: [{times: 1, do: pause}, {times: 1, do: pause}]",
         ".levels[1].times: expected more than the level before (1), found '1'", NULL},
        {"levels: [{times: 1, do: pause}, {times: 2, do: hold}]",
         ".levels[1].do: more evidence cannot do less: expected pause or more, found 'hold'", NULL},
        {"strata: [a, a]", ".strata[1]: 'a' is named twice", NULL},
        {"strata: ['']", ".strata[0]: expected the name of an inventory attribute, 1 to 64 bytes in one line", NULL},
        {"strata: [a, b, c, d, e]", ".strata: expected 0 to 4 items, found 5", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[400], what[400];
        snprintf(yaml, sizeof yaml, "evidence: {%s}\n", cases[i].keys);
        snprintf(what, sizeof what, "p.yaml:1: evidence%s", cases[i].what);
        bad_next(*state, yaml, what, cases[i].next);
    }
    bad_next(*state, "min_device_hours: -1\n",
             "p.yaml:1: min_device_hours: expected a number from 0 to 1000000000, found '-1'", NULL);
    bad_next(*state, "lost_telemetry: {devices: 0}\n",
             "p.yaml:1: lost_telemetry.devices: expected a whole number from 1 to 1000000, found '0'", NULL);
    bad_next(*state, "lost_telemetry: {resume: 3}\n",
             "p.yaml:1: lost_telemetry.resume: expected true or false, found '3'", NULL);
}

static void other_values(void **state)
{
    static const char *const releases[] = {"previus", "hearth", ":1", "hearth-", "''"};
    for (size_t i = 0; i < sizeof releases / sizeof releases[0]; i++) {
        char yaml[100], what[150];
        snprintf(yaml, sizeof yaml, "rollback_to: %s\n", releases[i]);
        snprintf(what, sizeof what, "p.yaml:1: rollback_to: expected previous or name:version, found '%s'",
                 strcmp(releases[i], "''") == 0 ? "" : releases[i]);
        bad_next(*state, yaml, what, NULL);
    }
    bad_next(*state, "rollback_to: 'hearth:'\n",
             "p.yaml:1: rollback_to: expected previous or name:version, found 'hearth:'", NULL);
    bad_next(*state, "coverage: 0\n", "p.yaml:1: coverage: expected a number from 0.01 to 1, found '0'", NULL);
    bad_next(*state, "coverage: 80\n", "p.yaml:1: coverage: expected a number from 0.01 to 1, found '80'", NULL);
    bad_next(*state, "window: 10s\n", "p.yaml:1: window: expected a duration from 1m00s to 1d00h, found '10s'", NULL);
    bad_next(*state, "promotion: auto\n", "p.yaml:1: promotion: expected server or hold, found 'auto'", NULL);
    bad_next(*state, "lost_telemetry: {react: ignore}\n",
             "p.yaml:1: lost_telemetry.react: expected hold or pause, found 'ignore'", NULL);
    bad_next(*state, "halts: stop\n", "p.yaml:1: halts: unknown key (did you mean halt?)", NULL);
}

/* What a policy says outlives the file's tree, and its name is safe to show. */
static void a_name_from_a_hostile_file_name(void **state)
{
    struct arena a;
    struct err e = {0};
    arena_init(&a);
    const struct policy *p = policy_load(tempdir_write(*state, "\x1b[2J.yaml", "rollback_to: 'a:b'\n", 0600), &a, &e);
    assert_non_null(p);
    assert_string_equal(p->name, "<U+001B>[2J");
    assert_string_equal(p->rollback_to, "a:b");
    arena_release(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(device_hours_need_tests),
        T(an_empty_file_is_the_built_in_policy),
        T(what_is_asked_of_people),
        T(the_built_in_policy_s_text_says_the_same),
        T(every_field),
        T(words_are_those_of_core),
        T(a_limit_on_a_metric_of_ones_own),
        T(limits_that_make_no_sense),
        T(ids_are_unique_and_few),
        T(every_field_of_the_evidence),
        T(evidence_that_makes_no_sense),
        T(other_values),
        T(a_name_from_a_hostile_file_name),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
