/* Bytes with a length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/slice.h"
#include "core/text.h"

static struct slice of(const char *bytes, size_t n)
{
    return (struct slice){bytes, n};
}

static void test_nul_is_a_byte(void **state)
{
    (void)state;
    assert_true(slice_is(of("ab", 2), "ab"));
    assert_false(slice_is(of("ab\0", 3), "ab"));
    assert_false(slice_is(of("\0\0", 2), ""));
    assert_false(slice_is_nocase(of("AB\0", 3), "ab"));
    assert_true(slice_same(of("a\0b", 3), of("a\0b", 3)));
    assert_false(slice_same(of("a\0b", 3), of("a\0c", 3)));
    assert_false(slice_starts(of("a\0", 2), "ab"));
    assert_true(slice_cmp(of("a\0b", 3), of("a\0c", 3)) < 0);
    assert_false(byte_in('\0', "abc"));
    assert_true(byte_in('c', "abc"));
}

static void test_absent_and_empty(void **state)
{
    (void)state;
    assert_int_equal(slice_of(NULL).n, 0);
    assert_null(slice_of(NULL).p);
    assert_true(slice_is(slice_of(NULL), ""));
    assert_true(slice_same(slice_of(NULL), slice_of("")));
    assert_true(slice_starts(slice_of(NULL), ""));
    assert_int_equal(slice_cmp(slice_of(NULL), slice_of("")), 0);
    assert_true(slice_cmp(slice_of(NULL), slice_of("a")) < 0);
}

static void test_order(void **state)
{
    (void)state;
    assert_true(slice_cmp(slice_of("a"), slice_of("ab")) < 0);
    assert_true(slice_cmp(slice_of("b"), slice_of("ab")) > 0);
    assert_true(slice_cmp(slice_of("\xff"), slice_of("a")) > 0);
    assert_int_equal(slice_cmp_nocase(slice_of("Hearth"), slice_of("hEARTH")), 0);
    assert_true(slice_cmp_nocase(slice_of("A"), slice_of("b")) < 0);
    assert_true(slice_cmp_nocase(slice_of("["), slice_of("{")) < 0); /* 0x20 apart, and no letters */
    assert_true(slice_cmp_nocase(slice_of("\xff"), slice_of("a")) > 0);
}

static void test_integers(void **state)
{
    static const char *const bad[] = {"",   "-", "+1", " 1", "1 ", "1.0", "9223372036854775808", "-9223372036854775809",
                                      "0x1"};
    int64_t v;
    (void)state;
    assert_true(slice_int(slice_of("9223372036854775807"), &v) && v == INT64_MAX);
    assert_true(slice_int(slice_of("-9223372036854775808"), &v) && v == INT64_MIN);
    assert_true(slice_int(slice_of("007"), &v) && v == 7);
    assert_true(slice_int(of("12345", 2), &v) && v == 12);
    assert_false(slice_int(of("1\0", 2), &v));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(slice_int(slice_of(bad[i]), &v));
}

/* A character of which the end is not there, at the end of a block of just that size. */
static void test_decode_stays_inside(void **state)
{
    static const char fire[] = "\xf0\x9f\x94\xa5";
    (void)state;
    for (size_t n = 0; n <= 4; n++) {
        uint32_t cp = 0;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, fire, n);
        assert_int_equal(text_decode(copy, n, &cp), n == 4 ? 4 : 0);
        assert_int_equal(text_valid(copy, n), n == 4 || n == 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nul_is_a_byte), cmocka_unit_test(test_absent_and_empty),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_integers),      cmocka_unit_test(test_decode_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
