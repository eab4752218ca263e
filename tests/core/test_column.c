/* Columns of a list of devices over a policy's metrics: which there are, what they say, what is worst first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/column.h"

static const struct metric_def OWN[] = {
    {.id = "free-memory", .title = "free memory", .unit = "MiB", .kind = KIND_GAUGE, .worse = WORSE_DOWN, .own = true},
    {.id = "offset", .title = "offset", .unit = "", .kind = KIND_GAUGE, .worse = WORSE_BOTH, .own = true},
    {.id = "retries", .title = "retries", .unit = "", .kind = KIND_COUNTER},
};
enum { FREE = METRICS_BUILTIN, OFFSET, RETRIES };

static struct evidence_policy policy(void)
{
    struct evidence_policy p = policy_default()->evidence;
    p.own = OWN;
    p.n_own = 3;
    return p;
}

static void which_there_are(void **state)
{
    (void)state;
    static const uint8_t want[] = {ROW_REBOOTS, ROW_CPU, ROW_VARIANCE, FREE, OFFSET, RETRIES};
    struct evidence_policy p = policy();
    uint8_t rows[METRICS_MAX];
    assert_int_equal(column_rows(&p, rows), 6);
    assert_memory_equal(rows, want, sizeof want);
    assert_string_equal(column_head(&p, ROW_VARIANCE), "var");
    assert_string_equal(column_head(&p, RETRIES), "retries");
    assert_int_equal(column_rows(&policy_default()->evidence, rows), 3);
    assert_int_equal(column_find(&p, "rbt", 3), ROW_REBOOTS);
    assert_int_equal(column_find(&p, "Variance", 8), ROW_VARIANCE);
    assert_int_equal(column_find(&p, "FREE-memory<20", 11), FREE);
    assert_int_equal(column_find(&p, "free", 4), -1);
    assert_int_equal(column_find(&p, "silence", 7), -1); /* nothing of one device */
    assert_int_equal(column_find(&p, "", 0), -1);
}

/* A policy's own metric may be called as a column is headed: it is found by its id all the same. */
static void ids_come_before_heads(void **state)
{
    (void)state;
    struct metric_def own[3];
    struct evidence_policy p = policy();
    memcpy(own, OWN, sizeof own);
    own[2].id = "rbt";
    p.own = own;
    assert_int_equal(column_find(&p, "rbt", 3), RETRIES);
    assert_int_equal(column_find(&p, "reboots", 7), ROW_REBOOTS);
    assert_int_equal(column_find(&p, "var", 3), ROW_VARIANCE);
}

static void what_they_say(void **state)
{
    (void)state;
    char t[FMT_MAX];
    struct evidence_policy p = policy();
    static const struct device_metric m[] = {{3, NAN},   {NAN, NAN}, {0.62F, 0.4F}, {4.5F, 3},
                                             {NAN, NAN}, {256, 512}, {2, 1},        {1200, NAN}};
    struct device_row r = {.metric = m};
    static const char *const text[] = {"3", "?", "62%", "1.50", "?", "256", "2", "1,200"};
    for (size_t i = 0; i < metric_count(&p); i++)
        assert_string_equal(column_text(t, i, column_value(&r, i)), text[i]);
    assert_true(column_base(&r, ROW_CPU) == (double)0.4F && column_base(&r, FREE) == 512);
    assert_true(fabs(column_number(ROW_CPU, column_value(&r, ROW_CPU)) - 62) < 1e-4); /* a filter says cpu>50 */
    /* Nothing is known. */
    struct device_row none = {.id = "not watched"};
    for (size_t i = 0; i < metric_count(&p); i++) {
        assert_true(isnan(column_value(&none, i)) && isnan(column_harm(&p, &none, i)));
        assert_string_equal(column_text(t, i, column_value(&none, i)), "?");
    }
}

/* Less free memory is worse, and so is an offset far from the own in either direction. */
static void what_is_worse(void **state)
{
    (void)state;
    struct evidence_policy p = policy();
    static const struct device_metric a[METRICS_MAX] = {
        [ROW_REBOOTS] = {1, NAN}, [FREE] = {100, 500}, [OFFSET] = {0.25F, 1}, [RETRIES] = {5, NAN}};
    static const struct device_metric b[METRICS_MAX] = {
        [ROW_REBOOTS] = {2, NAN}, [FREE] = {400, 500}, [OFFSET] = {2, 1}, [RETRIES] = {6, NAN}};
    struct device_row x = {.metric = a}, y = {.metric = b};
    assert_true(column_harm(&p, &x, FREE) > column_harm(&p, &y, FREE));
    assert_true(column_harm(&p, &x, OFFSET) > column_harm(&p, &y, OFFSET));
    assert_true(column_harm(&p, &x, RETRIES) < column_harm(&p, &y, RETRIES));
    assert_true(column_harm(&p, &x, ROW_REBOOTS) < column_harm(&p, &y, ROW_REBOOTS));
    static const struct device_metric zero[METRICS_MAX] = {[OFFSET] = {0, 1}};
    struct device_row z = {.metric = zero};
    assert_true(column_harm(&p, &z, OFFSET) == INFINITY);
    /* Of what may be below 0 the difference says how far. */
    struct metric_def diff[3];
    static const struct device_metric low[METRICS_MAX] = {[OFFSET] = {-3, -0.5F}},
                                      near[METRICS_MAX] = {[OFFSET] = {1, -0.5F}};
    memcpy(diff, OWN, sizeof OWN);
    diff[1].diff = true;
    p.own = diff;
    x.metric = low, y.metric = near;
    assert_true(column_harm(&p, &x, OFFSET) == 2.5 && column_harm(&p, &y, OFFSET) == 1.5);
}

static void worst_first(void **state)
{
    (void)state;
    struct evidence_policy p = policy();
    struct evidence v[] = {{.test = "reboot-1", .metric = ROW_REBOOTS, .log_e = 1.0, .log_pause = 6},
                           {.test = "cpu-2", .metric = ROW_CPU, .log_e = 1.2, .log_pause = 6},
                           {.test = "retries-1", .metric = RETRIES, .log_e = 5, .log_pause = 6},
                           {.test = "free-memory-down", .metric = FREE, .log_e = 7, .log_pause = 6}};
    struct stage_view g = {.v = v, .n = 4};
    struct wave_view w = {.verdict = {.rule = ""}};
    uint8_t rows[METRICS_MAX];
    assert_int_equal(column_worst(&p, NULL, NULL, rows), 6);
    assert_int_equal(rows[0], ROW_REBOOTS); /* nothing is known: the order of the set */
    assert_int_equal(rows[5], RETRIES);
    column_worst(&p, &w, &g, rows);
    static const uint8_t want[] = {FREE, RETRIES, ROW_CPU, ROW_REBOOTS, ROW_VARIANCE, OFFSET};
    assert_memory_equal(rows, want, sizeof want);
    v[3].dismissed = true; /* a person has looked at it */
    column_worst(&p, &w, &g, rows);
    assert_int_equal(rows[0], RETRIES);
    w.verdict.rule = "cpu-2"; /* what decided is first, however much evidence there is elsewhere */
    column_worst(&p, &w, &g, rows);
    assert_int_equal(rows[0], ROW_CPU);
    static const struct limit l = {.id = "R-VAR", .metric = "variance"};
    struct limit_view at = {.limit = &l, .figure = figure_of(&p, FIGURE_SPREAD), .status = LIMIT_BREACH};
    w.verdict.rule = "";
    w.verdict.limits[0] = at;
    w.verdict.n_limits = 1;
    column_worst(&p, &w, &g, rows);
    assert_int_equal(rows[0], ROW_VARIANCE);
    assert_int_equal(rows[1], RETRIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_there_are), cmocka_unit_test(ids_come_before_heads), cmocka_unit_test(what_they_say),
        cmocka_unit_test(what_is_worse),   cmocka_unit_test(worst_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
