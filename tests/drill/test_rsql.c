/* The query language: what matches, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "drill/rsql.h"

/* One thing: name "Hearth 4", status "running", id 17, no description. */
static int field(const char *name)
{
    static const char *const words[] = {"name", "status", "id", "description"};
    for (int i = 0; i < 4; i++)
        if (!strcasecmp(words[i], name))
            return i;
    return -1;
}

static void get(const void *ctx, int item, int f, struct rsql_value *v)
{
    (void)ctx;
    (void)item;
    v->present = f != 3;
    v->is_num = f == 2;
    v->num = 17;
    v->str = f == 0 ? "Hearth 4" : "running";
}

static const struct rsql_table table = {field, get};

/* In a copy of just the right size, so that reading past its end is caught. */
static int ask_n(const char *q, size_t n)
{
    enum rsql_error err;
    char *copy = malloc(n ? n : 1);
    memcpy(copy, q, n);
    struct rsql *r = rsql_parse((struct slice){copy, n}, &table, &err);
    free(copy);
    if (!r)
        return err == RSQL_FIELD ? -2 : -1;
    bool m = rsql_match(r, NULL, 0);
    rsql_free(r);
    return m;
}

static int ask(const char *q)
{
    return ask_n(q, strlen(q));
}

/* A list that is not closed inside brackets that are not closed: the end must stay the end. And a NUL is no end. */
static void test_ends(void **state)
{
    (void)state;
    static const char *const open[] = {"(id=in=(1",   "((id=in=(1,", "(((id=out=(1 ", "(id=in=(", "(id==1;(id=in=('1'",
                                       "(id=in=(\"1", "(id",         "(id==",         "(",        "id==1 and"};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        assert_int_equal(ask(open[i]), -1);
    static const char whole[] = "(status=in=(running,'x');id==17) or name==\"a\\\"b\"";
    for (size_t n = 0; n <= sizeof whole - 1; n++) {
        char with[sizeof whole];
        ask_n(whole, n);
        for (size_t at = 0; at < n; at++) {
            memcpy(with, whole, sizeof with);
            with[at] = '\0';
            assert_int_equal(ask_n(with, n), -1);
        }
    }
    assert_int_equal(ask_n("id==17\0", 7), -1);
    assert_int_equal(ask_n("id==17\0;id==1", 14), -1);
}

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *q;
        int want;
    } cases[] = {
        {"id==17", 1},
        {"id==1*", 1},
        {"id==18", 0},
        {"id!=18", 1},
        {"id=gt=16", 1},
        {"id=gt=17", 0},
        {"id=ge=17", 1},
        {"id=lt=17", 0},
        {"id=le=17", 1},
        {"id>16", 1},
        {"id<=16", 0},
        {"id=in=(1,17)", 1},
        {"id=out=(1,17)", 0},
        {"STATUS==RUNNING", 1},
        {"status==run*", 1},
        {"status==*nn*", 1},
        {"status==r*g", 1},
        {"status==r*x", 0},
        {"status==*", 1},
        {"status=in=(r*g)", 0}, /* in a list a '*' means itself */
        {"status=in=(r*g,running)", 1},
        {"status=out=(r*g)", 1},
        {"status!=r*g", 0},
        {"status==\"run\\\\ning\"", 0}, /* compared with LIKE, where the backslash escapes once more */
        {"name=='Hearth 4'", 1},
        {"name==\"hearth 4\"", 1},
        {"name==\"Hearth \\4\"", 1},
        {"description==x", 0},
        {"description!=x", 1}, /* != holds where there is nothing */
        {"id==17;status==paused", 0},
        {"id==1,status==running", 1},
        {"id==1,id==2,id==17", 1},
        {"id==1;id==17,status==running", 1},
        {"id==1;(id==17,status==running)", 0},
        {"(id==17)", 1},
        {"id==17 and status==running", 1},
        {"id==1 or status==running", 1},
        {" id == 17 ", 1},
        {"nope==1", -2},
        {"id==17;nope==1", -2},
        {"", -1},
        {"bad", -1},
        {"id==", -1},
        {"==1", -1},
        {"id==1;", -1},
        {"(id==1", -1},
        {"id==1)", -1},
        {"id=~1", -1},
        {"id=in=1", -1},
        {"id=in=(1", -1},
        {"name=='x", -1},
        {"id==1 2", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (ask(cases[i].q) != cases[i].want)
            fail_msg("%s: %d, expected %d", cases[i].q, ask(cases[i].q), cases[i].want);
}

static void test_limits(void **state)
{
    (void)state;
    char deep[200] = "";
    memset(deep, '(', 60);
    snprintf(deep + 60, sizeof deep - 60, "id==17");
    memset(deep + 66, ')', 60);
    deep[126] = 0;
    assert_int_equal(ask(deep), -1);
    size_t n = 0, size = 5000 * 8;
    char *wide = malloc(size);
    for (int i = 0; i < 3000; i++)
        n += (size_t)snprintf(wide + n, size - n, "%sid==1", i ? "," : "");
    assert_int_equal(ask(wide), -1);
    free(wide);
    /* a pattern of many stars costs no more than its length times the text's */
    char stars[400];
    for (size_t i = 0; i + 1 < sizeof stars; i += 2)
        memcpy(stars + i, "*r", 2);
    stars[sizeof stars - 1] = 0;
    assert_false(
        rsql_like(slice_of(stars),
                  slice_of("rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
