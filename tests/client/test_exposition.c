/* The exposition formats: what is read, what is refused, and numbers to the last bit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/exposition.h"
#include "core/rng.h"

struct got {
    size_t n;
    struct {
        size_t want;
        char device[80];
        size_t n_device;
        double value;
        int64_t t;
    } v[32];
};

static void on_sample(void *ctx, size_t want, const char *device, size_t n, const struct series_id *series,
                      double value, int64_t t)
{
    struct got *g = ctx;
    (void)series;
    assert_true(g->n < 32);
    g->v[g->n].want = want;
    snprintf(g->v[g->n].device, sizeof g->v[0].device, "%.*s", (int)n, device);
    g->v[g->n].n_device = n;
    g->v[g->n].value = value;
    g->v[g->n].t = t;
    g->n++;
}

static const struct exposition_want wants[] = {
    {"boots_total", NULL, NULL}, {"cpu", NULL, NULL}, {"idle_total", "mode", "idle"}, {NULL, NULL, NULL}};

static bool read_bytes(const char *page, size_t n, bool openmetrics, struct got *g, struct err *e)
{
    struct exposition x = {
        .wants = wants, .n_wants = 4, .join_label = "device", .openmetrics = openmetrics, .fn = on_sample, .ctx = g};
    *g = (struct got){0};
    /* A copy of just the right size, so that reading past its end is caught. */
    char *copy = malloc(n ? n : 1);
    memcpy(copy, page, n);
    bool ok = exposition_read(&x, copy, n, e);
    free(copy);
    return ok;
}

static bool read_page(const char *page, bool openmetrics, struct got *g, struct err *e)
{
    return read_bytes(page, strlen(page), openmetrics, g, e);
}

static void test_text_format(void **state)
{
    struct got g;
    struct err e = {0};
    (void)state;
    assert_true(read_page("# HELP boots_total Boots.\n"
                          "# TYPE boots_total counter\n"
                          "boots_total{device=\"a\",site=\"x,y=\\\"z\\\"}\"} 3 1795231728281\n"
                          "boots_total_other{device=\"a\"} 9\n"
                          "boots{device=\"a\"} 9\n"
                          "\n"
                          "cpu { site = \"q\" , device=\"b\", } 0.25\n"
                          "cpu 7\n"
                          "idle_total{mode=\"idle\",device=\"a\",cpu=\"0\"} 100\n"
                          "idle_total{mode=\"user\",device=\"a\",cpu=\"0\"} 5\n"
                          "idle_total{mode=\"idlex\",device=\"a\"} 5\n",
                          false, &g, &e));
    assert_int_equal(g.n, 4);
    assert_string_equal(g.v[0].device, "a");
    assert_true(g.v[0].value == 3);
    assert_int_equal(g.v[0].t, INT64_C(1795231728281000)); /* milliseconds */
    assert_int_equal(g.v[1].want, 1);
    assert_string_equal(g.v[1].device, "b");
    assert_true(g.v[1].value == 0.25);
    assert_int_equal(g.v[1].t, 0);
    assert_string_equal(g.v[2].device, ""); /* no label */
    assert_int_equal(g.v[3].want, 2);
    assert_true(g.v[3].value == 100);
}

static void test_openmetrics_format(void **state)
{
    struct got g;
    struct err e = {0};
    (void)state;
    assert_true(read_page("# TYPE boots counter\n"
                          "# UNIT cpu ratio\n"
                          "boots_total{device=\"a\"} 3 1795231728.281 # {trace_id=\"q\"} 1 5\n"
                          "boots_total{device=\"b\"} 3 # {trace_id=\"q\"} 1\n"
                          "cpu{device=\"a\"} NaN\n"
                          "cpu{device=\"b\"} +Inf 1.7952317e9\n"
                          "# EOF\n",
                          true, &g, &e));
    assert_int_equal(g.n, 4);
    assert_int_equal(g.v[0].t, INT64_C(1795231728281000)); /* seconds */
    assert_int_equal(g.v[1].t, 0);
    assert_true(isnan(g.v[2].value));
    assert_true(isinf(g.v[3].value));
    assert_int_equal(g.v[3].t, INT64_C(1795231700000000));
}

static void test_escapes(void **state)
{
    struct got g;
    struct err e = {0};
    (void)state;
    assert_true(read_page("cpu{device=\"a\\\\b\\\"c\\nd\\q\"} 1\n"
                          "cpu{device=\"ends\\\\\"} 2\n",
                          false, &g, &e));
    assert_int_equal(g.n, 2);
    assert_string_equal(g.v[0].device, "a\\b\"c\nd\\q");
    assert_string_equal(g.v[1].device, "ends\\");
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "cpu{device=\"a\"\n",
        "cpu{device=\"a} 1\n",
        "cpu{device=a} 1\n",
        "cpu{device\"a\"} 1\n",
        "cpu{=\"a\"} 1\n",
        "cpu{device=\"a\" x=\"b\"} 1\n",
        "cpu{device=\"a\"}\n",
        "cpu{device=\"a\"} \n",
        "cpu{device=\"a\"} x\n",
        "cpu{device=\"a\"} 1x\n",
        "cpu{device=\"a\"} 1 x\n",
        "cpu{device=\"a\"} 1 2 3\n",
        "cpu{device=\"a\"} 1 -5\n",
        "cpu{device=\"a\"} 1 1e300\n",
        "cpu{device=\"a\\\n",
        "cpu{device=\"a\"} 0x10\n",
        "cpu{device=\"a\"} 1e\n",
        "cpu{device=\"a\"} .\n",
        "cpu{device=\"a\"} --1\n",
        "cpu{device=\"a\"} 1 nan\n",
        "cpu{device=\"a\x1b[31m\"\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct got g;
        struct err e = {0};
        char page[200];
        snprintf(page, sizeof page, "# x\n%s", bad[i]);
        if (read_page(page, false, &g, &e))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(e.code, ERR_SYNTAX);
        assert_non_null(strstr(e.what, "line 2"));
        assert_null(strchr(e.what, 0x1b));
    }
}

/* "0.1" of a "0.15" that was cut must not be taken for a value. */
static void test_cut_short(void **state)
{
    struct got g;
    struct err e = {0};
    (void)state;
    assert_false(read_page("cpu{device=\"a\"} 0.1", false, &g, &e));
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_int_equal(g.n, 0);
    assert_false(read_page("cpu{device=\"a\"} 0.15\n", true, &g, &e)); /* no # EOF */
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_true(read_page("", false, &g, &e));
    assert_false(read_page("", true, &g, &e));
    /* What comes behind the end is not looked at. */
    assert_true(read_page("# EOF\ncpu{device=\"a\"} 0.15\n", true, &g, &e));
    assert_int_equal(g.n, 0);
}

static void test_label_too_long(void **state)
{
    char *page = malloc(5000);
    struct got g;
    struct err e = {0};
    (void)state;
    int n = snprintf(page, 5000, "cpu{device=\"");
    memset(page + n, 'x', EXPOSITION_LABEL_MAX + 1);
    snprintf(page + n + EXPOSITION_LABEL_MAX + 1, 100, "\"} 1\n");
    assert_false(read_page(page, false, &g, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    free(page);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *s;
        double v;
    } cases[] = {
        {"0", 0},
        {"-0", -0.0},
        {"1", 1},
        {"+1", 1},
        {"-1.5", -1.5},
        {".5", .5},
        {"5.", 5},
        {"1e3", 1000},
        {"1E-3", 1e-3},
        {"1e+3", 1000},
        {"0.1", 0.1},
        {"123456789012345678", 123456789012345678.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"5e-324", 5e-324},
        {"0.30000000000000004", 0.30000000000000004},
        {"9007199254740993", 9007199254740993.0},
    };
    double v;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!exposition_number(cases[i].s, strlen(cases[i].s), &v) || v != cases[i].v)
            fail_msg("%s: %.17g", cases[i].s, v);
    }
    assert_true(exposition_number("nan", 3, &v) && isnan(v));
    assert_true(exposition_number("-Inf", 4, &v) && isinf(v) && v < 0);
    assert_false(exposition_number("", 0, &v));
    assert_false(exposition_number("-", 1, &v));
    assert_false(exposition_number("1,5", 3, &v));
    assert_false(exposition_number("1e99999999", 3 + 7, &v) && isfinite(v));
}

/* The fast path gives the same bits as strtod. */
static void test_numbers_like_strtod(void **state)
{
    struct rng r;
    (void)state;
    rng_init(&r, 4);
    for (int i = 0; i < 60000; i++) {
        char s[400];
        double v, x = (rng_unit(&r) - 0.5) * pow(10, (double)rng_below(&r, 30) - 10);
        switch (rng_below(&r, 6)) { /* literal formats, checked by the compiler */
        case 0:
            snprintf(s, sizeof s, "%.3f", x);
            break;
        case 1:
            snprintf(s, sizeof s, "%.6f", x);
            break;
        case 2:
            snprintf(s, sizeof s, "%.17g", x);
            break;
        case 3:
            snprintf(s, sizeof s, "%.10e", x);
            break;
        case 4:
            snprintf(s, sizeof s, "%g", x);
            break;
        default:
            snprintf(s, sizeof s, "%.0f", x);
        }
        assert_true(exposition_number(s, strlen(s), &v));
        if (v != strtod(s, NULL))
            fail_msg("%s: %.17g", s, v);
    }
}

/* Cut anywhere, mutated anywhere: never a crash, never a read outside. */
static void test_mutations(void **state)
{
    static const char page[] = "# TYPE cpu gauge\ncpu{device=\"a\\\\\",x=\"y\"} 1.5 1795231728.281 # {a=\"b\"} 1\n"
                               "idle_total{mode=\"idle\",device=\"a\"} 100\nboots_total{device=\"a\"} 3e0\n# EOF\n";
    struct rng r;
    (void)state;
    rng_init(&r, 9);
    for (size_t n = 0; n <= sizeof page - 1; n++) {
        struct got g;
        char cut[sizeof page];
        memcpy(cut, page, n);
        cut[n] = '\0';
        (void)!read_page(cut, n % 2, &g, NULL);
    }
    for (int i = 0; i < 20000; i++) {
        struct got g;
        char m[sizeof page];
        memcpy(m, page, sizeof page);
        for (int k = 0; k < 3; k++)
            m[rng_below(&r, sizeof page - 1)] = (char)(1 + rng_below(&r, 255));
        (void)!read_page(m, i % 2, &g, NULL);
    }
}

/* A NUL at each place of a page: refused, or a byte like another; never an end, and never more than the page. */
static void test_nul_anywhere(void **state)
{
    static const char page[] = "cpu{device=\"a\",x=\"y\"} 1.5 1795231728.281 # {t=\"b\"} 1\n"
                               "idle_total{mode=\"idle\",device=\"b\\n\"} 100\nboots_total{device=\"c\"} 3e0\n# EOF\n";
    (void)state;
    for (int openmetrics = 0; openmetrics < 2; openmetrics++)
        for (size_t at = 0; at < sizeof page - 1; at++) {
            struct got g;
            struct err e = {0};
            char with[sizeof page];
            memcpy(with, page, sizeof page);
            with[at] = '\0';
            bool ok = read_bytes(with, sizeof page - 1, openmetrics, &g, &e);
            assert_true(ok || e.code == ERR_SYNTAX || e.code == ERR_PROTOCOL);
            for (size_t i = 0; i < g.n; i++)
                assert_true(g.v[i].value == 1.5 || g.v[i].value == 100 || g.v[i].value == 3);
        }
}

/* A mebibyte of NULs in each place where a page holds text. */
static void test_many_nuls(void **state)
{
    static const struct {
        const char *before, *after;
        bool refused;
        size_t samples;
    } cases[] = {
        {"boots_total{device", "=\"b\"} 1\n", true, 0},               /* a label's name, begun as the wanted one */
        {"boots_total{", "=\"b\"} 1\n", true, 0},                     /* and not */
        {"boots_total{device=\"", "\"} 1\n", true, 0},                /* too long for a device's id */
        {"boots_total{site=\"", "\",device=\"b\"} 1\n", false, 1},    /* of no interest */
        {"idle_total{mode=\"idle", "\",device=\"b\"} 1\n", false, 0}, /* another mode */
        {"boots_total{device=\"b\"} ", "\n", true, 0},
        {"boots_total{device=\"b\"} 1", "\n", true, 0},
        {"boots_total{device=\"b\"} 1 ", "\n", true, 0},
        {"boots_total{device=\"b\"} 1 17", "\n", true, 0},
        {"boots_total{device=\"b\"} 1 # {a=\"", "\"} 1\n", false, 1}, /* exemplars are not looked into */
        {"boots_total", "{device=\"b\"} 1\n", false, 0},              /* another metric */
        {"", "\n", false, 0},
        {"# HELP x ", "\n", false, 0},
    };
    const size_t many = (size_t)1 << 20;
    char *page = malloc(many + 400);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct got g;
        struct err e = {0};
        size_t n = (size_t)snprintf(page, 200, "boots_total{device=\"a\"} 1\n%s", cases[i].before);
        memset(page + n, '\0', many);
        n += many;
        n += (size_t)snprintf(page + n, 200, "%s", cases[i].after);
        if (read_bytes(page, n, false, &g, &e) == cases[i].refused)
            fail_msg("%s: %s", cases[i].before, cases[i].refused ? "accepted" : e.what);
        if (cases[i].refused)
            assert_non_null(strstr(e.what, "line 2"));
        assert_int_equal(g.n, 1 + cases[i].samples);
        assert_string_equal(g.v[0].device, "a");
    }
    free(page);
}

/* Backslash and NUL are no pair that means something. */
static void test_nul_in_an_id(void **state)
{
    static const char page[] = "cpu{device=\"a\0b\"} 1\ncpu{device=\"a\\\0\"} 2\n";
    struct got g;
    struct err e = {0};
    (void)state;
    assert_true(read_bytes(page, sizeof page - 1, false, &g, &e));
    assert_int_equal(g.n, 2);
    assert_int_equal(g.v[0].n_device, 3);
    assert_int_equal(g.v[1].n_device, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_format), cmocka_unit_test(test_openmetrics_format),
        cmocka_unit_test(test_escapes),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut_short),   cmocka_unit_test(test_label_too_long),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_numbers_like_strtod),
        cmocka_unit_test(test_mutations),   cmocka_unit_test(test_nul_anywhere),
        cmocka_unit_test(test_many_nuls),   cmocka_unit_test(test_nul_in_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
