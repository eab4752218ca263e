/* The guard's own page: every sample once, in the order that the format asks for, text from outside harmless; and
 * whether the guard can see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/metrics_page.h"
#include "core/clock.h"

#define NOW  (INT64_C(1000000) * US_PER_S)
#define WALL (INT64_C(1000500) * US_PER_S)

/* Two fleets: one with a rollout that is judged, one that could not be opened. */
struct scene {
    struct fleet_spec spec[2];
    struct snapshot snap;
    struct rollout_view rollout[2];
    struct wave_view wave[2];
    struct evidence test[2];
    struct stage_view stage;
    struct limit limit;
    struct policy policy;
    struct metrics_fleet fleet[2];
    struct metrics_in in;
};

static void scene_init(struct scene *s)
{
    memset(s, 0, sizeof *s);
    s->spec[0] = (struct fleet_spec){.name = "emea",
                                     .kind = "hawkbit",
                                     .environment = "prod",
                                     .production = true,
                                     .telemetry = {.interval_us = 15 * US_PER_S}};
    s->spec[1] = (struct fleet_spec){.name = "lab", .kind = "hawkbit", .environment = ""};
    s->test[0] = (struct evidence){.test = "crash-loop",
                                   .log_e = log(72000),
                                   .log_now = log(10),
                                   .log_pause = log(250),
                                   .log_rollback = log(2500),
                                   .devices = 3,
                                   .min_devices = 2};
    s->test[1] = (struct evidence){.test = "cpu", .metric = ROW_CPU, .log_pause = log(1000), .min_devices = 2};
    s->stage = (struct stage_view){.v = s->test, .n = 2};
    s->limit = (struct limit){.id = "R-REBOOT"};
    s->policy.name = "careful";
    for (int i = 0; i < 2; i++)
        s->wave[i].wave.index = i;
    s->wave[0].watched = true;
    s->wave[0].verdict = (struct verdict){.react = REACT_PAUSE, .n_limits = 1};
    s->wave[0].verdict.limits[0] = (struct limit_view){
        .limit = &s->limit, .figure = figure_of(&policy_default()->evidence, FIGURE_REBOOTS), .status = LIMIT_BREACH};
    s->wave[0].health.canary.expected = 20;
    s->wave[0].health.canary.reporting = 19;
    s->rollout[0] = (struct rollout_view){
        .rollout = {.id = "4471", .name = "hearth 4.12", .state = ROLLOUT_PAUSED},
        .waves = s->wave,
        .n_waves = 2,
        .verdict = REACT_PAUSE,
        .latched = true,
        .stop = STOP_HALTED,
        .policy = &s->policy,
        .trial = {.state = TRIAL_LIVE, .tick = WALL - 31 * US_PER_S, .stages = &s->stage, .n_stages = 1}};
    s->rollout[1] = (struct rollout_view){.rollout = {.id = "4470", .name = "old", .state = ROLLOUT_FINISHED}};
    s->snap.taken_at = NOW - 2 * US_PER_S;
    s->snap.link = (struct link_view){LINK_LIVE, NOW - US_PER_S, 1500, 0, 0, "", "", ""};
    s->snap.telemetry =
        (struct link_view){LINK_STALE, NOW - 60 * US_PER_S, 2500, 4, 0, "127.0.0.1:9090: refused", "", ""};
    s->snap.rollouts = s->rollout;
    s->snap.n_rollouts = 2;
    s->snap.audit = (struct audit_view){.open = true, .writable = true, .verified = true, .size = 7};
    s->fleet[0] = (struct metrics_fleet){.spec = &s->spec[0], .snap = &s->snap, .error = "", .counts = {{5, 6}, 2, 1}};
    s->fleet[1] = (struct metrics_fleet){.spec = &s->spec[1], .error = "its secret is not to be had"};
    s->in = (struct metrics_in){.v = s->fleet, .n = 2, .now = NOW, .wall = WALL, .started = WALL - 100 * US_PER_S};
}

static char *page(const struct scene *s, bool openmetrics)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    metrics_page(&s->in, openmetrics, &out);
    assert_false(out.over);
    char *text = xstrndup(out.data, out.len);
    buf_release(&out);
    return text;
}

/* Is this whole line there, once? */
static bool has(const char *text, const char *want)
{
    size_t n = strlen(want), found = 0;
    for (const char *at = text; (at = strstr(at, want)); at += n)
        found += (at == text || at[-1] == '\n') && at[n] == '\n';
    if (found > 1)
        fail_msg("%s: %zu times", want, found);
    return found == 1;
}

static void samples(void **state)
{
    static const char *const want[] = {
        "andon_build_info{version=\"" ANDON_VERSION "\"} 1",
        "andon_start_time_seconds 1000400",
        "andon_fleet_info{fleet=\"emea\",environment=\"prod\",kind=\"hawkbit\",production=\"true\"} 1",
        "andon_fleet_guarded{fleet=\"emea\"} 1",
        "andon_fleet_guarded{fleet=\"lab\"} 0",
        "andon_snapshot_age_seconds{fleet=\"emea\"} 2",
        "andon_source_up{fleet=\"emea\",source=\"backend\"} 1",
        "andon_source_up{fleet=\"emea\",source=\"telemetry\"} 0",
        "andon_source_age_seconds{fleet=\"emea\",source=\"telemetry\"} 60",
        "andon_source_rtt_seconds{fleet=\"emea\",source=\"backend\"} 0.0015",
        "andon_source_failures_in_a_row{fleet=\"emea\",source=\"telemetry\"} 4",
        "andon_source_failures_total{fleet=\"emea\",source=\"backend\"} 5",
        "andon_source_failures_total{fleet=\"emea\",source=\"telemetry\"} 6",
        "andon_log_writable{fleet=\"emea\"} 1",
        "andon_log_size_entries{fleet=\"emea\"} 7",
        "andon_halts_total{fleet=\"emea\"} 2",
        "andon_halts_escalated_total{fleet=\"emea\"} 1",
        "andon_escalations{fleet=\"emea\"} 0",
        ("andon_rollout_info{fleet=\"emea\",rollout=\"4471\",name=\"hearth 4.12\",state=\"paused\",policy=\"careful\"} "
         "1"),
        "andon_rollout_reaction{fleet=\"emea\",rollout=\"4471\"} 3",
        "andon_rollout_latched{fleet=\"emea\",rollout=\"4471\"} 1",
        "andon_rollout_halt{fleet=\"emea\",rollout=\"4471\"} 2",
        "andon_trial_state{fleet=\"emea\",rollout=\"4471\",state=\"live\"} 1",
        "andon_trial_state{fleet=\"emea\",rollout=\"4471\",state=\"behind\"} 0",
        "andon_trial_tick_age_seconds{fleet=\"emea\",rollout=\"4471\"} 31",
        "andon_trial_ticks_behind{fleet=\"emea\",rollout=\"4471\"} 2",
        "andon_wave_reaction{fleet=\"emea\",rollout=\"4471\",wave=\"0\"} 3",
        "andon_wave_expected_devices{fleet=\"emea\",rollout=\"4471\",wave=\"0\"} 20",
        "andon_wave_reporting_devices{fleet=\"emea\",rollout=\"4471\",wave=\"0\"} 19",
        "andon_limit_state{fleet=\"emea\",rollout=\"4471\",wave=\"0\",limit=\"R-REBOOT\",metric=\"reboots\"} 2",
        "andon_evidence_now_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"crash-loop\",metric=\"reboots\"} 1",
        "andon_evidence_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"cpu\",metric=\"cpu\"} 0",
        "andon_evidence_pause_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"cpu\",metric=\"cpu\"} 3",
        "andon_evidence_devices{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"crash-loop\",metric=\"reboots\"} 3",
        "andon_evidence_least_devices{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"crash-loop\",metric="
        "\"reboots\"} 2",
        "andon_rollouts_left_out{fleet=\"emea\"} 0",
    };
    /* Not watched, not measured, ended, or never rolled back by itself: no sample, rather than a made-up one. */
    static const char *const absent[] = {
        "wave=\"1\"",
        "4470",
        "andon_evidence_rollback_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"cpu\",metric=\"cpu\"}",
        "andon_snapshot_age_seconds{fleet=\"lab\"}",
        "andon_source_up{fleet=\"lab\"",
        "andon_trial_progress_ratio",
        "nan",
        "NaN"};
    struct scene s;
    (void)state;
    scene_init(&s);
    for (int om = 0; om < 2; om++) {
        char *text = page(&s, om);
        for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
            if (!has(text, want[i]))
                fail_msg("not there: %s", want[i]);
        for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
            if (strstr(text, absent[i]))
                fail_msg("there: %s", absent[i]);
        assert_true(om == (strcmp(text + strlen(text) - 6, "# EOF\n") == 0));
        free(text);
    }
}

static void heads_of_both_formats(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    char *text = page(&s, true);
    assert_true(has(text, "# TYPE andon_build info"));
    assert_true(has(text, "# TYPE andon_halts counter"));
    assert_true(has(text, "# TYPE andon_snapshot_age_seconds gauge"));
    assert_true(has(text, "# UNIT andon_snapshot_age_seconds seconds"));
    free(text);
    text = page(&s, false);
    assert_true(has(text, "# TYPE andon_build_info gauge"));
    assert_true(has(text, "# TYPE andon_halts_total counter"));
    assert_null(strstr(text, "# UNIT"));
    assert_null(strstr(text, "# EOF"));
    free(text);
}

/* Each family once, its samples together, of its name, no sample twice; in OpenMetrics a unit ends the name. */
static void well_formed(const char *text)
{
    char family[100] = "", seen[64][100], *copy = xstrndup(text, strlen(text)), *save = NULL;
    size_t n = 0;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        size_t len;
        if (strcmp(line, "# EOF") == 0)
            continue;
        if (strncmp(line, "# TYPE ", 7) == 0) {
            snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            for (size_t i = 0; i < n; i++)
                assert_string_not_equal(seen[i], family);
            assert_true(n < 64);
            snprintf(seen[n++], sizeof seen[0], "%s", family);
            continue;
        }
        len = strlen(family);
        if (strncmp(line, "# UNIT ", 7) == 0) {
            const char *unit = strrchr(line, ' ') + 1;
            assert_string_equal(family + len - strlen(unit), unit);
        }
        if (*line == '#') {
            assert_int_equal(strncmp(line + 7, family, len), 0);
            continue;
        }
        assert_int_equal(strncmp(line, family, len), 0);
        assert_true(strchr("{ ", line[len]) || strncmp(line + len, "_total", 6) == 0 ||
                    strncmp(line + len, "_info", 5) == 0);
        assert_true(has(text, line));
    }
    free(copy);
}

static void both_are_well_formed(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    for (int om = 0; om < 2; om++) {
        char *text = page(&s, om);
        well_formed(text);
        free(text);
    }
}

/* The ratio that the limits judge is there where control has had nothing too; a difference is no ratio. */
static void figures_as_the_limits_judge_them(void **state)
{
    enum { OWN = FIGURES_BUILTIN };
    static const char *const want[] = {
        "andon_wave_figure_ratio{fleet=\"emea\",rollout=\"4471\",wave=\"0\",figure=\"reboots\",metric=\"reboots\"} 33",
        "andon_wave_figure_difference{fleet=\"emea\",rollout=\"4471\",wave=\"0\",figure=\"modem\",metric=\"\"} -4",
        "andon_wave_control_figure{fleet=\"emea\",rollout=\"4471\",wave=\"0\",figure=\"modem\",metric=\"\"} -71",
        "# TYPE andon_wave_figure_difference gauge"};
    struct figure words[OWN + 1];
    struct scene s;
    (void)state;
    scene_init(&s);
    for (size_t i = 0; i < OWN; i++)
        words[i] = *figure_of(&policy_default()->evidence, i);
    words[OWN] = (struct figure){.word = "modem",
                                 .phrase = "modem",
                                 .per = " dBm",
                                 .unit = "dBm",
                                 .number = OWN,
                                 .row = METRICS_BUILTIN,
                                 .kind = FIGURE_MEAN,
                                 .diff = true};
    s.wave[0].figures = words, s.wave[0].n_figures = OWN + 1;
    struct wave_health *h = &s.wave[0].health;
    for (size_t i = 0; i < FIGURES_MAX; i++)
        h->value[i] = h->against[i] = h->ratio[i] = NAN;
    h->value[FIGURE_REBOOTS] = 2, h->against[FIGURE_REBOOTS] = 0, h->ratio[FIGURE_REBOOTS] = 33;
    h->value[OWN] = -75, h->against[OWN] = -71, h->ratio[OWN] = -4;
    char *text = page(&s, true);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        if (!has(text, want[i]))
            fail_msg("not there: %s", want[i]);
    const char *ratio = strstr(text, "andon_wave_figure_ratio{");
    assert_null(strstr(strstr(ratio, "\n"), "andon_wave_figure_ratio{")); /* that one alone */
    well_formed(text);
    free(text);
}

/* A name from outside ends no label, no line and no series. */
static void hostile_names(void **state)
{
    struct scene s;
    char big[2000];
    (void)state;
    scene_init(&s);
    s.rollout[0].rollout.name = "a\"} 1\nandon_escalations 9 \\ \x1b[2J \xff";
    char *text = page(&s, true);
    assert_non_null(strstr(text, "name=\"a\\\"} 1<U+000A>andon_escalations 9 \\\\ <U+001B>[2J \\\\xFF\",state"));
    well_formed(text);
    free(text);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    s.rollout[0].rollout.name = big;
    text = page(&s, true);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") < 600);
    free(text);
    s.rollout[0].rollout.name = NULL;
    s.rollout[0].policy = NULL;
    text = page(&s, true);
    assert_non_null(strstr(text, "name=\"\",state=\"paused\",policy=\"\"} 1"));
    free(text);
}

static void extreme_numbers(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    s.test[0].log_e = 45000;                        /* far beyond any double as a number */
    s.test[0].log_pause = INFINITY;                 /* a test that has no alpha left */
    s.rollout[0].trial.tick = WALL + 10 * US_PER_S; /* the source's clock is ahead */
    char *text = page(&s, true);
    assert_non_null(strstr(text, "andon_evidence_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"crash-loop\","
                                 "metric=\"reboots\"} 19543."));
    assert_non_null(strstr(text, "andon_evidence_pause_log10{fleet=\"emea\",rollout=\"4471\",wave=\"0\",test=\"crash-"
                                 "loop\",metric=\"reboots\"} +Inf\n"));
    assert_true(has(text, "andon_trial_ticks_behind{fleet=\"emea\",rollout=\"4471\"} 0"));
    free(text);
}

static void many_rollouts(void **state)
{
    enum { N = METRICS_ROLLOUTS_MAX + 30 };
    struct rollout_view *v = calloc(N, sizeof *v);
    char id[N][12];
    struct scene s;
    (void)state;
    scene_init(&s);
    for (int i = 0; i < N; i++) {
        snprintf(id[i], sizeof id[i], "%d", i);
        v[i].rollout =
            (struct rollout){.id = id[i], .name = "", .state = i % 10 == 0 ? ROLLOUT_STOPPED : ROLLOUT_RUNNING};
    }
    v[20].latched = true, v[20].stop = STOP_OVER; /* ended, and nobody has looked at its halt */
    v[30].stop = STOP_ESCALATED;
    s.snap.rollouts = v;
    s.snap.n_rollouts = N;
    char *text = page(&s, true);
    assert_true(has(text, "andon_rollouts_left_out{fleet=\"emea\"} 19")); /* 130 - 13 + 2 - 100 */
    assert_true(has(text, "andon_rollout_latched{fleet=\"emea\",rollout=\"20\"} 1"));
    assert_true(has(text, "andon_rollout_halt{fleet=\"emea\",rollout=\"30\"} 3"));
    assert_null(strstr(text, "rollout=\"10\""));
    well_formed(text);
    free(text);
    free(v);
}

static void check_health(const struct scene *s, bool good, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(metrics_health(&s->in, &out), good);
    buf_addc(&out, '\0');
    assert_string_equal(out.data, want);
    buf_release(&out);
}

static void health(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    check_health(
        &s, false,
        "emea: telemetry is stale: 127.0.0.1:9090: refused\nlab: nobody guards it: its secret is not to be had\n");
    s.in.n = 1;
    s.snap.telemetry.state = LINK_SLOW;
    check_health(&s, true, "ok\n");
    s.snap.telemetry.state = LINK_NONE; /* none is configured: a fact of the configuration, not a failure */
    check_health(&s, true, "ok\n");
    s.snap.link.state = LINK_CONNECTING;
    check_health(&s, false, "emea: the fleet server is connecting\n");
    s.snap.link.state = LINK_LIVE;
    s.fleet[0].escalations = 1;
    check_health(&s, false, "emea: 1 halt cannot be had, a person must act\n");
    s.fleet[0].escalations = 0;
    s.snap.taken_at = NOW - METRICS_SILENT_US;
    check_health(&s, true, "ok\n");
    s.snap.taken_at -= US_PER_S;
    check_health(&s, false, "emea: the engine has not moved for 61 s\n");
    s.in.n = 0;
    check_health(&s, false, "no fleet is guarded\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(heads_of_both_formats),
        cmocka_unit_test(both_are_well_formed),
        cmocka_unit_test(figures_as_the_limits_judge_them),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(extreme_numbers),
        cmocka_unit_test(many_rollouts),
        cmocka_unit_test(health),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
