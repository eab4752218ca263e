/* Lists: the cursor follows what it stands on, rows rest under a moving hand, filters, marks, what leaves by copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "evidence.h"
#include "scene.h"

static int setup(void **state)
{
    struct scene *s = malloc(sizeof *s);
    scene_init(s, 30, 100, false);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene_release(*state);
    free(*state);
    return 0;
}

static void pass_time(struct scene *s, int64_t us)
{
    s->f.d.now += us;
    s->f.s->taken_at = s->f.s->link.last_ok = s->f.d.now;
    s->f.s->generation++;
}

/* The line of the screen that begins with the cursor's mark. */
static void expect_cursor_on(struct scene *s, const char *id)
{
    char *all = scene_text(s), *save = NULL;
    bool found = false;
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "▸", 3)) {
            if (!strstr(line, id))
                fail_msg("the cursor stands on: %s", line);
            found = true;
        }
    }
    assert_true(found);
    free(all);
}

static int row_of(struct scene *s, const char *text)
{
    char *all = scene_text(s), *save = NULL;
    int row = 0, hit = -1;
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save), row++) {
        if (hit < 0 && strstr(line, text))
            hit = row;
    }
    free(all);
    return hit;
}

static void test_cursor_follows_the_id(void **state)
{
    struct scene *s = *state;
    scene_type(s, "jjjjj");
    expect_cursor_on(s, "4466");
    assert_true(row_of(s, "● RUN   4466") > row_of(s, "✖ HALT  4471"));
    pass_time(s, 60 * US_PER_S);
    struct rollout_view *r = fixture_rollout(&s->f, "4466");
    r->stop = STOP_ESCALATED;
    scene_draw(s);
    expect_cursor_on(s, "4466");
    assert_true(row_of(s, "✖ HALT! 4466") < row_of(s, "✖ HALT  4471")); /* it has moved to the top */
}

static void test_rows_rest_after_a_key(void **state)
{
    struct scene *s = *state;
    pass_time(s, 60 * US_PER_S);
    scene_type(s, "j");
    fixture_rollout(&s->f, "4466")->stop = STOP_ESCALATED;
    pass_time(s, US_PER_S);
    scene_draw(s);
    /* Within 2 s of the key nothing moves, but the row says what it is. */
    assert_int_equal(row_of(s, "✖ HALT! 4466"), row_of(s, "◆ GATE  4459") + 1);
    pass_time(s, 2 * US_PER_S);
    scene_draw(s);
    assert_true(row_of(s, "✖ HALT! 4466") < row_of(s, "✖ HALT  4471"));
}

static void test_gone_row(void **state)
{
    struct scene *s = *state;
    scene_type(s, "G");
    expect_cursor_on(s, "4444");
    s->f.s->n_rollouts = 3;
    pass_time(s, 60 * US_PER_S);
    scene_draw(s);
    expect_cursor_on(s, "44"); /* on a row that is there */
    s->f.s->n_rollouts = 0;
    pass_time(s, 60 * US_PER_S);
    scene_draw(s);
    assert_true(scene_shows(s, "no rollouts"));
    scene_type(s, "jkGg\nBA");
    assert_int_equal(s->submits, 0);
}

static void test_board_filter(void **state)
{
    struct scene *s = *state;
    scene_type(s, "/HEARTH\n");
    assert_true(scene_shows(s, "rollouts 3"));
    assert_int_equal(row_of(s, " 4466 "), -1);
    scene_type(s, "/ 4.12.0\n"); /* further words must pass too */
    assert_true(scene_shows(s, "rollouts 1"));
    scene_type(s, "/xx\033"); /* Esc brings back the filter that was there */
    assert_true(scene_shows(s, "rollouts 1"));
    scene_type(s, "\033");
    assert_true(scene_shows(s, "rollouts 14"));
    scene_type(s, "/no such thing\n");
    assert_true(scene_shows(s, "no rollout passes the filter"));
}

static void test_focus_follows(void **state)
{
    struct scene *s = *state;
    assert_string_equal(s->f.s->focus.rollout, "4471");
    assert_int_equal(s->f.s->focus.wave, -1);
    scene_type(s, "j");
    assert_string_equal(s->f.s->focus.rollout, "4468");
    scene_type(s, "k\n");
    assert_int_equal(s->f.s->focus.wave, 2);
    scene_type(s, "k");
    assert_int_equal(s->f.s->focus.wave, 1);
    scene_type(s, "j\n\n");
    assert_int_equal(app_view(s->app), VIEW_DEVICE);
    assert_string_equal(s->f.s->focus.device, "em-7f3a-0091");
    scene_type(s, "]");
    assert_string_equal(s->f.s->focus.device, "em-7f3a-01c4");
    scene_type(s, "?"); /* the help keeps what is below it */
    assert_string_equal(s->f.s->focus.device, "em-7f3a-01c4");
    scene_type(s, "\033\033");
    assert_string_equal(s->f.s->focus.device, "");
    expect_cursor_on(s, "em-7f3a-01c4");
    scene_type(s, "\033\033");
    assert_int_equal(s->f.s->focus.wave, -1);
}

static void test_focus_leaves_the_other_fleet(void **state)
{
    struct scene *s = *state;
    struct action a;
    fixture_second_fleet(&s->f);
    s->f.s->generation++;
    scene_draw(s);
    scene_type(s, "k");
    app_key(s->app, &s->f.d, 'j', &a); /* the same rollout id in the second fleet */
    assert_int_equal(a.kind, ACT_FOCUS);
    assert_string_equal(a.fleet, "apac-gw");
    assert_string_equal(a.focus.rollout, "4471");
    app_update(s->app, &s->f.d, &a);
    assert_int_equal(a.kind, ACT_FOCUS);
    assert_string_equal(a.fleet, "emea-home");
    assert_string_equal(a.focus.rollout, "");
    app_update(s->app, &s->f.d, &a);
    assert_int_equal(a.kind, ACT_REDRAW);
    /* A verb goes to the fleet of the row, though the ids are the same. */
    scene_type(s, "H\n");
    assert_string_equal(s->last.intent.fleet, "apac-gw");
    assert_string_equal(s->last.fleet, "apac-gw");
}

static void test_device_filter_and_marks(void **state)
{
    struct scene *s = *state;
    scene_type(s, "\n\n/reboots>2\n");
    assert_true(scene_shows(s, "5 shown"));
    scene_type(s, "  y");
    assert_int_equal(s->last.kind, ACT_COPY);
    assert_string_equal(s->last.copy, "em-7f3a-0091\nem-7f3a-01c4");
    scene_type(s, "!y"); /* the other three */
    assert_null(strstr(s->last.copy, "em-7f3a-0091"));
    assert_non_null(strstr(s->last.copy, "em-80aa-0333"));
    scene_type(s, "*w\n");
    assert_int_equal(s->last.kind, ACT_EXPORT);
    assert_string_equal(s->last.text, "andon-4471-W2.csv");
    assert_non_null(strstr(s->last.copy, "device,state,from,now,reboots,cpu,variance,last_seen,note\n"));
    assert_non_null(strstr(s->last.copy, "\"em-7f3a-0091\",\"BAD\",\"4.11.9\",\"4.12.1\",\"11\","));
    scene_type(s, "/\025cpu<50 var>0.5 ok\n");
    assert_true(scene_shows(s, "39 shown"));
    scene_type(s, "/\025frobbed\n");
    assert_true(scene_shows(s, "no device passes the filter"));
}

static void test_csv_is_no_formula(void **state)
{
    struct scene *s = *state;
    scene_type(s, "\n\n");
    struct device_row *v = (struct device_row *)(uintptr_t)s->f.s->devices;
    v[0].note = "=HYPERLINK(\"x\")";
    scene_type(s, "w\n");
    assert_non_null(strstr(s->last.copy, "\"'=HYPERLINK(\"\"x\"\")\""));
}

static void test_sort_orders(void **state)
{
    struct scene *s = *state;
    scene_type(s, "s");
    assert_true(scene_shows(s, "sort newest"));
    assert_true(row_of(s, "READY 4472") < row_of(s, "HALT  4471"));
    scene_type(s, "sss\n\n");
    for (int i = 0; i < 6; i++) {
        scene_type(s, "o");
        scene_draw(s);
    }
    assert_true(scene_shows(s, "sort state"));
    scene_type(s, "oj");
    assert_true(row_of(s, "em-7f3a-0091") < row_of(s, "em-7f3a-01c4"));
}

/* A policy's own metrics are sorted by, filtered by and dumped by their names. */
static void test_own_metrics(void **state)
{
    struct scene *s = *state;
    static const char *const SORTS[] = {"reboots",       "cpu",  "variance", "free-memory",
                                        "radio-retries", "seen", "id",       "state"};
    char sort[60];
    evidence_own(&s->f);
    scene_draw(s);
    scene_type(s, ":4466\n\n");
    for (size_t i = 0; i < sizeof SORTS / sizeof SORTS[0]; i++) {
        scene_type(s, "o");
        snprintf(sort, sizeof sort, "sort %s ", SORTS[i]);
        assert_true(scene_shows(s, sort));
    }
    scene_type(s, "oooog"); /* by free memory: less is worse */
    expect_cursor_on(s, "em-7f3a-0091");
    assert_true(row_of(s, "em-80aa-0333") < row_of(s, "em-7f3a-01c4"));
    scene_type(s, "/FREE-MEMORY<245 retries\n");
    assert_true(scene_shows(s, "no device passes the filter"));
    scene_type(s, "/\025free-memory<245\n");
    assert_true(scene_shows(s, "2 shown"));
    scene_type(s, "/\025free-memory>245 radio-retries>30\n");
    assert_true(!scene_shows(s, "em-80aa-0333") && scene_shows(s, "em-7f3a-01c4"));
    scene_type(s, "/\025free-memroy<245\n"); /* said, and no text that nothing has */
    assert_true(scene_shows(s, "no metric is called free-memroy: reboots, cpu, variance, free-memory, radio-retries"));
    scene_type(s, "/\025<245\n");
    assert_true(scene_shows(s, "no device passes the filter"));
    scene_type(s, "/\025free-memory<245\n*w\n");
    assert_non_null(
        strstr(s->last.copy, "device,state,from,now,reboots,cpu,variance,last_seen,note,free-memory,radio-retries\n"));
    assert_non_null(strstr(s->last.copy, "\"reboots in a loop\",\"209.92\",\"0\"\n"));
    /* Another rollout's policy has no such metric: sorted by state, and no column of it. */
    scene_type(s, "\033\033:4471\n\n");
    assert_true(scene_shows(s, "sort state") && !scene_shows(s, "FREE-MEMORY"));
}

/* A metric of the policy's own that is called as a column is headed does not keep `o` from what comes behind it. */
static void test_sort_by_a_head(void **state)
{
    struct scene *s = *state;
    struct metric_def own[2];
    evidence_own(&s->f);
    struct evidence_policy *p = (struct evidence_policy *)(uintptr_t)&fixture_rollout(&s->f, "4466")->policy->evidence;
    memcpy(own, p->own, sizeof own);
    own[0].id = "rbt";
    p->own = own;
    scene_draw(s);
    scene_type(s, ":4466\n\noooo");
    assert_true(scene_shows(s, "sort rbt "));
    scene_type(s, "o");
    assert_true(scene_shows(s, "sort radio-retries "));
    scene_type(s, "o");
    assert_true(scene_shows(s, "sort seen "));
}

/* A number that has no room keeps its size, and one below 0 stays a number in the file. */
static void test_wide_figures(void **state)
{
    struct scene *s = *state;
    evidence_own(&s->f);
    scene_draw(s);
    scene_type(s, ":4466\n\n");
    struct device_metric *m = (struct device_metric *)(uintptr_t)s->f.s->devices[0].metric;
    m[METRICS_BUILTIN].value = 8.6e9F;
    m[METRICS_BUILTIN + 1].value = -69;
    m[ROW_REBOOTS].value = 12739;
    m[ROW_CPU].value = 1200;
    scene_draw(s);
    assert_true(scene_shows(s, "13k 120k%  1.31        8.6G         -69"));
    scene_type(s, "w\n");
    assert_non_null(strstr(s->last.copy, "\"reboots in a loop\",\"8.600001e+09\",\"-69\"\n"));
}

static void test_audit(void **state)
{
    struct scene *s = *state;
    scene_type(s, "l");
    assert_int_equal(s->last.kind, ACT_LOAD_AUDIT);
    assert_int_equal(s->last.query.before, 0);
    scene_type(s, "/rollout=4471 halt\n");
    assert_string_equal(s->last.query.rollout, "4471");
    assert_true(scene_shows(s, "1 of 10,482"));
    scene_type(s, "/\025\n"); /* Ctrl-U: no filter */
    scene_type(s, "n");
    expect_cursor_on(s, "refused");
    scene_type(s, "v");
    assert_int_equal(s->last.kind, ACT_VERIFY_AUDIT);
    scene_type(s, "G");
    assert_int_equal(s->last.kind, ACT_VERIFY_AUDIT); /* all that there is was read */
    struct audit_row *many = calloc(500, sizeof *many);
    for (int i = 0; i < 500; i++) {
        many[i] = s->f.rows[7];
        many[i].seq = 10482 - i;
    }
    struct audit_page page = s->f.page;
    page.v = many, page.n = 500;
    s->f.d.audit = &page;
    scene_type(s, "gG"); /* at the end of a full page: more */
    assert_int_equal(s->last.kind, ACT_LOAD_AUDIT);
    assert_int_equal(s->last.query.limit, 1000);
    s->last.kind = ACT_NONE;
    scene_type(s, "j");
    assert_int_equal(s->last.kind, ACT_NONE);
    s->f.s->audit.size++; /* the log has grown */
    pass_time(s, 2 * US_PER_S);
    scene_type(s, "k");
    assert_int_equal(s->last.kind, ACT_LOAD_AUDIT);
    s->f.d.audit = &s->f.page;
    free(many);
    scene_type(s, "\n");
    assert_int_equal(app_view(s->app), VIEW_ROLLOUT);
}

static void test_alerts(void **state)
{
    struct scene *s = *state;
    bool fresh;
    assert_int_equal(app_alerts(s->app, &s->f.d, &fresh), 1);
    assert_true(fresh);
    assert_int_equal(app_alerts(s->app, &s->f.d, &fresh), 1);
    assert_false(fresh);
    s->f.s->alerts[0].text = "halted by rule reboot-1: W0: 3 of 10 canaries have rebooted, 0 of 827 others. Evidence "
                             "37,000; 1,000 needed to pause";
    scene_draw(s);
    assert_true(scene_shows(s, "  reboot-1: W0: 3 of 10"));
    s->f.s->alerts[0].since++; /* halted again */
    app_alerts(s->app, &s->f.d, &fresh);
    assert_true(fresh);
    scene_type(s, "z");
    assert_int_equal(s->last.kind, ACT_SILENCE);
    s->f.s->alerts[0].since++;
    app_alerts(s->app, &s->f.d, &fresh);
    assert_false(fresh);
    s->f.s->alerts[0].acked = true;
    assert_int_equal(app_alerts(s->app, &s->f.d, &fresh), 0);
}

static void test_quit(void **state)
{
    struct scene *s = *state;
    s->f.s->ops[0].phase = OP_SENT;
    scene_type(s, "\nq"); /* q closes a screen first */
    assert_int_equal(app_view(s->app), VIEW_BOARD);
    scene_type(s, "q");
    assert_int_not_equal(s->last.kind, ACT_QUIT);
    assert_true(scene_shows(s, "q again leaves"));
    scene_type(s, "jq"); /* another key takes it back */
    assert_int_not_equal(s->last.kind, ACT_QUIT);
    scene_type(s, ":q\n");
    assert_int_not_equal(s->last.kind, ACT_QUIT);
    scene_type(s, ":q!\n");
    assert_int_equal(s->last.kind, ACT_QUIT);
}

static void test_messages_and_commands(void **state)
{
    struct scene *s = *state;
    app_message(s->app, true, "the clipboard is not there");
    assert_true(scene_shows(s, "the clipboard is not there"));
    scene_type(s, "j");
    assert_false(scene_shows(s, "the clipboard is not there"));
    scene_type(s, ":frobnicate\n");
    assert_true(scene_shows(s, "unknown command frobnicate"));
    scene_type(s, ":theme light\n");
    assert_int_equal(s->last.kind, ACT_THEME);
    assert_string_equal(s->last.text, "light");
    scene_type(s, ":4466\n");
    assert_int_equal(app_view(s->app), VIEW_ROLLOUT);
    scene_type(s, ":halt 4468\n");
    assert_true(scene_shows(s, "HALT emea-home/4468"));
    scene_type(s, "\033:advance 9999\n");
    assert_true(scene_shows(s, "there is no rollout 9999"));
}

static void test_screen_of_a_vanished_rollout(void **state)
{
    struct scene *s = *state;
    scene_type(s, ":4466\n\n");
    s->f.s->n_rollouts = 0;
    pass_time(s, US_PER_S);
    scene_draw(s);
    scene_type(s, "\033");
    assert_true(scene_shows(s, "is not there any more"));
    scene_type(s, "\n[]yjkH\033");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_cursor_follows_the_id),
        T(test_rows_rest_after_a_key),
        T(test_gone_row),
        T(test_board_filter),
        T(test_focus_follows),
        T(test_focus_leaves_the_other_fleet),
        T(test_device_filter_and_marks),
        T(test_csv_is_no_formula),
        T(test_sort_orders),
        T(test_own_metrics),
        T(test_wide_figures),
        T(test_sort_by_a_head),
        T(test_audit),
        T(test_alerts),
        T(test_quit),
        T(test_messages_and_commands),
        T(test_screen_of_a_vanished_rollout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
