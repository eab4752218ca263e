/* The one-pass reading of device pages against the parser: whatever it accepts, both must read the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "client/hawkbit_impl.h"
#include "client/hawkbit_scan.h"
#include "core/rng.h"

static const char page[] =
    "{\"content\":[{\"createdAt\":1763700000000,\"controllerId\":\"gw-1\",\"name\":\"gw-1\",\"updateStatus\":\"in_"
    "sync\","
    "\"address\":\"http://10.0.0.1\",\"installedAt\":1763700000123,\"lastControllerRequestAt\":1763700001000,"
    "\"requestAttributes\":false,\"pollStatus\":{\"lastRequestAt\":1763700002000,\"nextExpectedRequestAt\":"
    "1763700302000,\"overdue\":true,\"x\":[1,2.5,{}]},"
    "\"_links\":{\"self\":{\"href\":\"http://a/b\"}}},\n"
    " {\"controllerId\":\"g\xc3\xa4\",\"name\":\"\xe6\xa9\x9f\",\"updateStatus\":\"ERROR\",\"address\":null,\"n\":-0.5,"
    "\"pollStatus\":{\"lastRequestAt\":1763700002000,\"overdue\":\"no\"}},"
    "{\"controllerId\":\"c\",\"installedAt\":\"x\",\"lastControllerRequestAt\":-5,\"pollStatus\":[]}],"
    "\"total\":1200,\"size\":3}";

static bool scan(const char *text, struct arena *a, struct device_page *out)
{
    return hb_scan_devices(text, strlen(text), HB_PAGE, a, a, out);
}

static void same(const struct device *x, const struct device *y)
{
    assert_string_equal(x->id, y->id);
    assert_string_equal(x->raw_id, y->raw_id);
    assert_string_equal(x->name, y->name);
    assert_string_equal(x->address, y->address);
    assert_int_equal(x->status, y->status);
    assert_int_equal(x->installed_at, y->installed_at);
    assert_int_equal(x->last_seen, y->last_seen);
    assert_int_equal(x->contact_us, y->contact_us);
    assert_int_equal(x->overdue, y->overdue);
}

/* What the scan accepted, the parser accepts and reads alike. */
static void agree(const char *text, size_t n, const struct device_page *got, struct arena *a)
{
    struct err e = {0};
    struct json_t *doc = json_parse(text, n, HB_BODY_MAX, "page", &e);
    int64_t total = -1;
    assert_non_null(doc);
    assert_true(json_int(doc, "total", &total));
    assert_int_equal(total, got->total);
    const struct json_t *content = json_get(doc, "content");
    assert_true(json_is_arr(content));
    assert_int_equal(json_len(content), got->n);
    for (size_t i = 0; i < got->n; i++) {
        struct device d;
        assert_true(hb_decode_device(json_at(content, i), a, &d, "content", &e));
        same(&d, &got->v[i]);
    }
    json_free(doc);
}

static void test_reads_as_the_parser(void **state)
{
    struct arena a;
    struct device_page got;
    (void)state;
    arena_init(&a);
    assert_true(scan(page, &a, &got));
    assert_int_equal(got.n, 3);
    assert_int_equal(got.total, 1200);
    assert_string_equal(got.v[0].id, "gw-1");
    assert_int_equal(got.v[0].status, DEVICE_IN_SYNC);
    assert_int_equal(got.v[0].installed_at, INT64_C(1763700000123000));
    assert_int_equal(got.v[0].last_seen, INT64_C(1763700001000000));
    assert_true(got.v[0].overdue);
    assert_string_equal(got.v[1].name, "\xe6\xa9\x9f");
    assert_int_equal(got.v[1].status, DEVICE_ERROR);
    assert_int_equal(got.v[1].last_seen, INT64_C(1763700002000000));
    assert_false(got.v[1].overdue);
    assert_int_equal(got.v[2].installed_at, 0);
    agree(page, strlen(page), &got, &a);
    assert_true(scan("{\"content\":[],\"total\":0}", &a, &got));
    assert_int_equal(got.n, 0);
    arena_release(&a);
}

/* What is odd or wrong is left to the parser, which has the words for it. */
static void test_leaves_the_rest(void **state)
{
    static const char *const odd[] = {
        "",
        "[]",
        "{\"content\":[]}",
        "{\"total\":1}",
        "{\"content\":{},\"total\":1}",
        "{\"content\":[],\"total\":-1}",
        "{\"content\":[],\"total\":1.0}",
        "{\"content\":[],\"total\":1}x",
        "{\"content\":[],\"total\":1,}",
        "{\"content\":[,],\"total\":1}",
        "{\"content\":[],\"total\":1,\"total\":2}",
        "{\"content\":[{}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"\"}],\"total\":1}",
        "{\"content\":[{\"controllerId\":7}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\\u0062\"}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":1,\"x\":2}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"installedAt\":1.7e12}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":01}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":1.}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":-}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":9999999999999999999999}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":nul}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":[1 2]}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\xff\"}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\n\"}],\"total\":1}",
        "{\"content\":[{\"controllerId\":\"a\",\"x\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}],\"total\":1}",
    };
    struct arena a;
    struct device_page got;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (scan(odd[i], &a, &got))
            fail_msg("accepted: %s", odd[i]);
    assert_false(hb_scan_devices(page, strlen(page), 2, &a, &a, &got)); /* more than there is room for */
    for (size_t n = 0; n < strlen(page); n++)
        assert_false(hb_scan_devices(page, n, HB_PAGE, &a, &a, &got)); /* cut short */
    arena_release(&a);
}

static void test_never_disagrees(void **state)
{
    static const char letters[] = "{}[]:,\"\\0123456789.-+eEtfn \n\x80\xc3\xff\x1f"
                                  "aul";
    struct rng r;
    int accepted = 0;
    (void)state;
    rng_init_named(&r, 1, "scan");
    for (int i = 0; i < 20000; i++) {
        char text[sizeof page];
        struct arena a;
        struct device_page got;
        size_t n = sizeof page - 1;
        memcpy(text, page, sizeof page);
        for (int k = 0; k < 1 + i % 3; k++) {
            size_t at = (size_t)(rng_unit(&r) * (double)n);
            text[at] = letters[(size_t)(rng_unit(&r) * (double)(sizeof letters - 1))];
        }
        arena_init(&a);
        if (hb_scan_devices(text, n, HB_PAGE, &a, &a, &got)) {
            agree(text, n, &got, &a);
            accepted++;
        }
        arena_release(&a);
    }
    assert_true(accepted > 1000); /* most of a page is text, where a change is harmless */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_as_the_parser),
        cmocka_unit_test(test_leaves_the_rest),
        cmocka_unit_test(test_never_disagrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
