/* JSON: what is refused and where, getters, and the writer to the byte. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/rng.h"

static struct json_t *parse(const char *s)
{
    struct err e = {0};
    struct json_t *doc = json_parse(s, strlen(s), 1 << 20, "answer", &e);
    if (!doc)
        print_error("%s (%s)\n", e.what, e.cause);
    assert_non_null(doc);
    return doc;
}

static void refused(const char *s, size_t n, enum err_code code, const char *what, const char *cause)
{
    struct err e = {0};
    assert_null(json_parse(s, n, 1000, "answer", &e));
    assert_string_equal(e.what, what);
    if (cause && !strstr(e.cause, cause))
        assert_string_equal(e.cause, cause); /* shows both */
    assert_int_equal(e.code, code);
    assert_null(json_parse(s, n, 1000, "answer", NULL));
}

#define REFUSED(s, code, what, cause) refused(s, sizeof(s) - 1, code, what, cause)

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    REFUSED("", ERR_SYNTAX, "answer: expected JSON, found nothing", NULL);
    REFUSED("{", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 1", "end of file");
    REFUSED("{\"a\":1,\n \"b\" 2}", ERR_SYNTAX, "answer: not acceptable JSON at line 2, column 6", "':' expected");
    REFUSED("[1] x", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 5", "end of file expected");
    REFUSED("7", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 1", NULL);
    REFUSED("<html>", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 1", NULL);
    REFUSED("{\"a\":1,\"a\":2}", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 10", "duplicate");
    REFUSED("[\"\\u0000\"]", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 9", NULL);
    REFUSED("[\"\\ud800\"]", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 9", NULL);
    REFUSED("[\"\xff\"]", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 2", "decode");
    REFUSED("[NaN]", ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 4", NULL);
    REFUSED("[9223372036854775808]", ERR_RANGE, "answer: not acceptable JSON at line 1, column 20", "big");
    REFUSED("[1e999]", ERR_RANGE, "answer: not acceptable JSON at line 1, column 6", "overflow");
    refused("[1,\0 2]", 7, ERR_SYNTAX, "answer: not acceptable JSON at line 1, column 4", NULL);
}

static void errors_are_safe_to_show(void **state)
{
    (void)state;
    struct err e = {0};
    const char bad[] = "{\"a\": \x1b]0;owned\a}";
    assert_null(json_parse(bad, sizeof bad - 1, 1000, "answer", &e));
    for (const char *p = e.cause; *p; p++)
        assert_true(*p >= 0x20 && *p < 0x7f);
}

static void bounds_size_and_depth(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(json_parse("[1,2]", 5, 4, "answer", &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.what, "answer: 5 bytes of JSON, more than the 4 allowed");

    char deep[100];
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    struct json_t *doc = json_parse(deep, 64, 100, "answer", &e);
    assert_non_null(doc);
    json_free(doc);
    memcpy(deep, "[\n", 2); /* one more, and on the second line */
    memset(deep + 2, '[', 32);
    memset(deep + 34, ']', 33);
    assert_null(json_parse(deep, 67, 100, "answer", &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.what, "answer: JSON nested deeper than 32 at line 2, column 32");
    /* a bomb of a megabyte must not recurse at all */
    char *bomb = malloc(1 << 20);
    memset(bomb, '[', 1 << 20);
    assert_null(json_parse(bomb, 1 << 20, 1 << 20, "answer", &e));
    assert_int_equal(e.code, ERR_LIMIT);
    free(bomb);
    /* brackets in strings do not count */
    doc = parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]");
    json_free(doc);
}

static void getters_are_strict(void **state)
{
    (void)state;
    struct json_t *doc =
        parse("{\"i\":-7,\"f\":1.5,\"e\":2.0e3,\"big\":1e300,\"s\":\"a\\u001bb\",\"t\":true,\"n\":null,"
              "\"l\":[1,\"x\"],\"max\":9223372036854775807}");
    int64_t i = 99;
    double d = 99;
    bool b = false;
    size_t n = 0;
    assert_true(json_int(doc, "i", &i));
    assert_int_equal(i, -7);
    assert_true(json_int(doc, "e", &i));
    assert_int_equal(i, 2000);
    assert_true(json_int(doc, "max", &i));
    assert_int_equal(i, INT64_MAX);
    i = 99;
    assert_false(json_int(doc, "f", &i));
    assert_false(json_int(doc, "big", &i));
    assert_false(json_int(doc, "s", &i));
    assert_false(json_int(doc, "t", &i));
    assert_false(json_int(doc, "none", &i));
    assert_int_equal(i, 99);
    assert_true(json_num(doc, "f", &d) && d == 1.5);
    assert_true(json_num(doc, "i", &d) && d == -7);
    assert_false(json_num(doc, "s", &d));
    assert_true(json_bool(doc, "t", &b) && b);
    assert_false(json_bool(doc, "i", &b));
    assert_string_equal(json_str(doc, "s", &n), "a\x1b"
                                                "b"); /* raw: not yet safe */
    assert_int_equal(n, 3);
    assert_null(json_str(doc, "i", &n));
    assert_null(json_str(doc, "n", NULL));
    const struct json_t *l = json_get(doc, "l");
    assert_true(json_is_arr(l));
    assert_false(json_is_obj(l));
    assert_int_equal(json_len(l), 2);
    assert_true(json_num_value(json_at(l, 0), &d) && d == 1);
    assert_string_equal(json_str_value(json_at(l, 1), NULL), "x");
    assert_null(json_at(l, 2));
    assert_int_equal(json_len(doc), 0);
    /* on nothing at all */
    assert_null(json_get(NULL, "x"));
    assert_null(json_get(l, "x"));
    assert_false(json_int(NULL, "x", &i));
    assert_int_equal(json_len(NULL), 0);
    json_free(doc);
    json_free(NULL);
}

static void iterates(void **state)
{
    (void)state;
    struct json_t *doc = parse("{\"b\":1,\"a\":2}");
    void *it = NULL;
    const char *key;
    const struct json_t *v;
    char keys[16] = "";
    double sum = 0, d;
    while (json_each(doc, &it, &key, &v)) {
        snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s", key);
        assert_true(json_num_value(v, &d));
        sum += d;
    }
    assert_string_equal(keys, "ba");
    assert_true(sum == 3);
    json_free(doc);
    doc = parse("[]");
    it = NULL;
    assert_false(json_each(doc, &it, &key, &v));
    json_free(doc);
}

static void required_members(void **state)
{
    (void)state;
    struct err e = {0};
    struct json_t *doc = parse("{\"id\":\"7\",\"f\":1.5,\"name\":\"a\\u202eb\",\"x\":{}}");
    int64_t i;
    assert_false(json_need_int(doc, "id", &i, "answer of GET /x: content[3]", &e));
    assert_string_equal(e.what, "answer of GET /x: content[3].id: expected a whole number, found a string");
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_false(json_need_int(doc, "f", &i, "answer", &e));
    assert_string_equal(e.what, "answer.f: expected a whole number, found a number with a fraction");
    json_free(doc);
}

static void write_sample(struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "s", "q\"b\\n\n\t\b\f\r\x01\x1b\x7f");
    json_w_kstr(w, "u", "é\xc2\x9b\xff€");
    json_w_kstr(w, "null", NULL);
    json_w_kint(w, "min", INT64_MIN);
    json_w_kbool(w, "t", true);
    json_w_key(w, "empty");
    json_w_arr(w);
    json_w_arr_end(w);
    json_w_key(w, "l");
    json_w_arr(w);
    json_w_int(w, 1);
    json_w_obj(w);
    json_w_obj_end(w);
    json_w_null(w);
    json_w_raw(w, "{\"r\":1}");
    json_w_arr_end(w);
    json_w_ktime(w, "at", INT64_C(1931258352114000));
    json_w_ktime(w, "zero", 0);
    json_w_ktime(w, "never", TIME_NEVER);
    json_w_obj_end(w);
}

static void writes_exactly(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    struct json_w w;
    json_w_init(&w, &b, 0);
    write_sample(&w);
    assert_true(json_w_ok(&w));
    assert_string_equal(b.data, "{\"s\":\"q\\\"b\\\\n\\n\\t\\b\\f\\r\\u0001\\u001b\\u007f\",\"u\":\"é\\u009b\\ufffd€\","
                                "\"null\":null,\"min\":-9223372036854775808,\"t\":true,\"empty\":[],"
                                "\"l\":[1,{},null,{\"r\":1}],\"at\":\"2031-03-14T12:39:12.114Z\",\"zero\":null,"
                                "\"never\":null}");
    json_free(parse(b.data));
    buf_release(&b);
}

static void writes_pretty(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    struct json_w w;
    json_w_init(&w, &b, 2);
    json_w_obj(&w);
    json_w_kint(&w, "a", 1);
    json_w_key(&w, "b");
    json_w_arr(&w);
    json_w_int(&w, 2);
    json_w_obj(&w);
    json_w_obj_end(&w);
    json_w_arr_end(&w);
    json_w_obj_end(&w);
    assert_true(json_w_ok(&w));
    assert_string_equal(b.data, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    {}\n  ]\n}");
    buf_release(&b);
}

static const char *number(double v)
{
    static char out[64];
    struct buf b;
    buf_init(&b, 60);
    struct json_w w;
    json_w_init(&w, &b, 0);
    json_w_num(&w, v);
    assert_true(json_w_ok(&w));
    memcpy(out, b.data, b.len + 1);
    buf_release(&b);
    return out;
}

static void writes_the_shortest_number(void **state)
{
    (void)state;
    assert_string_equal(number(0), "0");
    assert_string_equal(number(3), "3");
    assert_string_equal(number(-1.5), "-1.5");
    assert_string_equal(number(0.1), "0.1");
    assert_string_equal(number(1.0 / 3), "0.3333333333333333");
    assert_string_equal(number(0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(number(1e21), "1e+21");
    assert_string_equal(number(5e-324), "5e-324");
    assert_string_equal(number(DBL_MAX), "1.7976931348623157e+308");
    assert_string_equal(number(NAN), "null");
    assert_string_equal(number(-INFINITY), "null");
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&r);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            assert_true(strtod(number(v), NULL) == v);
    }
}

static void numbers_do_not_follow_the_locale(void **state)
{
    (void)state;
    /* Not every machine has one of these: then there is nothing to go wrong either. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        assert_string_equal(number(0.1), "0.1");
        assert_string_equal(number(1.0 / 3), "0.3333333333333333");
    }
    setlocale(LC_NUMERIC, "C");
}

static bool ok_after(void (*write)(struct json_w *w))
{
    struct buf b;
    buf_init(&b, 200);
    struct json_w w;
    json_w_init(&w, &b, 0);
    write(&w);
    bool ok = json_w_ok(&w);
    buf_release(&b);
    return ok;
}

static void w_nothing(struct json_w *w)
{
    (void)w;
}
static void w_open(struct json_w *w)
{
    json_w_arr(w);
}
static void w_open_with_item(struct json_w *w)
{
    json_w_arr(w);
    json_w_int(w, 1);
}
static void w_wrong_close(struct json_w *w)
{
    json_w_arr(w);
    json_w_obj_end(w);
}
static void w_extra_close(struct json_w *w)
{
    json_w_arr(w);
    json_w_arr_end(w);
    json_w_arr_end(w);
}
static void w_no_key(struct json_w *w)
{
    json_w_obj(w);
    json_w_int(w, 1);
    json_w_obj_end(w);
}
static void w_no_value(struct json_w *w)
{
    json_w_obj(w);
    json_w_key(w, "a");
    json_w_obj_end(w);
}
static void w_key_in_array(struct json_w *w)
{
    json_w_arr(w);
    json_w_kint(w, "a", 1);
    json_w_arr_end(w);
}
static void w_two_tops(struct json_w *w)
{
    json_w_int(w, 1);
    json_w_int(w, 2);
}
static void w_too_long(struct json_w *w)
{
    json_w_arr(w);
    for (int i = 0; i < 200; i++)
        json_w_int(w, i);
    json_w_arr_end(w);
}
static void w_too_deep(struct json_w *w)
{
    for (int i = 0; i < 40; i++)
        json_w_arr(w);
    for (int i = 0; i < 40; i++)
        json_w_arr_end(w);
}
static void w_good(struct json_w *w)
{
    json_w_int(w, 1);
}

static void the_writer_notices_misuse(void **state)
{
    (void)state;
    assert_true(ok_after(w_good));
    assert_false(ok_after(w_nothing));
    assert_false(ok_after(w_open));
    assert_false(ok_after(w_open_with_item));
    assert_false(ok_after(w_wrong_close));
    assert_false(ok_after(w_extra_close));
    assert_false(ok_after(w_no_key));
    assert_false(ok_after(w_no_value));
    assert_false(ok_after(w_key_in_array));
    assert_false(ok_after(w_two_tops));
    assert_false(ok_after(w_too_long));
    assert_false(ok_after(w_too_deep));
}

/* What is left out changes nothing else, a text keeps its head, and what is cut or wrong is found all the same. */
static void test_without(void **state)
{
    static const struct json_skip skip[] = {{"text", 8}, {"big", 0}, {NULL, 0}};
    static const char whole[] =
        "{\"id\":\"a\\\"text\\\":\",\"text\" : \"0123456 89 and more\\\\\",\"in\":[{\"big\":{\"x\":[\"]}\\\"\",{}]},"
        "\"k\":1},{\"text\":[1,2]},\"big\"],\"big\": -1.5 }";
    struct err e = {0};
    (void)state;
    struct json_t *doc = json_parse_without(whole, sizeof whole - 1, skip, 32, "doc", &e);
    if (!doc)
        fail_msg("%s: %s", e.what, e.cause);
    assert_string_equal(json_str(doc, "id", NULL), "a\"text\":");
    assert_string_equal(json_str(doc, "text", NULL), "0123456");
    int64_t v = 7;
    assert_true(json_int(doc, "big", &v) && v == 0);
    const struct json_t *in = json_get(doc, "in");
    assert_int_equal(json_len(in), 3);
    assert_true(json_int(json_at(in, 0), "big", &v) && v == 0);
    assert_true(json_int(json_at(in, 0), "k", &v) && v == 1);
    assert_true(json_int(json_at(in, 1), "text", &v) && v == 0);
    assert_string_equal(json_str_value(json_at(in, 2), NULL), "big");
    json_free(doc);
    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, whole, n);
        assert_null(json_parse_without(cut, n, skip, 32, "doc", &e));
        free(cut);
    }
    static const char *const wrong[] = {"{\"big\":}", "{\"big\":,\"a\":1}", "{\"big\"}", "{\"big\":{\"a\":1",
                                        "\"big\":1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(json_parse_without(wrong[i], strlen(wrong[i]), skip, 32, "doc", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(errors_are_safe_to_show),
        cmocka_unit_test(bounds_size_and_depth),
        cmocka_unit_test(getters_are_strict),
        cmocka_unit_test(iterates),
        cmocka_unit_test(required_members),
        cmocka_unit_test(writes_exactly),
        cmocka_unit_test(writes_pretty),
        cmocka_unit_test(writes_the_shortest_number),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(the_writer_notices_misuse),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
