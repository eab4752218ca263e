/* What is a line of the log, and what only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "audit/leaf.h"
#include "core/entry.h"

static bool scan(const char *line, size_t n, struct leaf *l)
{
    char *copy = malloc(n ? n : 1);
    memcpy(copy, line, n);
    bool ok = leaf_scan(copy, n, l);
    free(copy);
    return ok;
}

/* The line with `f` put into its fields. */
static bool with_field(const char *f)
{
    char line[400];
    struct leaf l;
    int n = snprintf(line, sizeof line, "{\"f\":{%s},\"kind\":\"outcome\",\"seq\":7,\"t\":5,\"v\":1}", f);
    return scan(line, (size_t)n, &l);
}

static void test_strings(void **state)
{
    static const char *const good[] = {
        "",
        "\"a\":\"\"",
        "\"a\":\"\\\"\\\\\"",
        "\"a\":\"g\xc3\xa4\xe6\xa9\x9f\"",
        "\"a\":\"\\n\\t\\b\\f\\r\"",
        "\"a\":\"\\u0001\\u001f\\u007f\\u009f\"",
        "\"a\":\"\xf0\x9f\x94\xa5\"",
        "\"a\":{\"b\":{}}",
    };
    static const char *const bad[] = {
        "\"a\":\"\\7\"",     /* an escape that is none */
        "\"a\":\"\\/\"",     /* one that the writer never makes */
        "\"a\":\"\\u0041\"", /* a letter needs none */
        "\"a\":\"\\u000a\"", /* has a short one */
        "\"a\":\"\\u001F\"", /* lower case */
        "\"a\":\"\\u0000\"",      "\"a\":\"\\ufffd\"",      "\"a\":\"\\u00",
        "\"a\":\"\x7f\"",     /* the writer escapes it */
        "\"a\":\"\xc2\x85\"", /* and this */
        "\"a\":\"\xff\"",         "\"a\":\"\xc3\"",         "\"a\":\"\xc0\xaf\"",
        "\"a\":\"\xed\xa0\x80\"", "\"a\":\"12345678\xff\"", /* behind the first eight bytes */
        "\"a\xff\":\"b\"",                                  /* keys too */
        "\"a\\\"\":\"b\"",        "\"\xc3\xa4\":\"b\"",     "\"a\":\"x\x01\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!with_field(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (with_field(bad[i]))
            fail_msg("accepted: %s", bad[i]);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(with_field("\"a\":9007199254740991"));
    assert_true(with_field("\"a\":-9007199254740991"));
    assert_true(with_field("\"a\":\"9007199254740992\""));
    assert_false(with_field("\"a\":9007199254740992")); /* no double is this and no other */
    assert_false(with_field("\"a\":99999999999999999999"));
    assert_false(with_field("\"a\":-0"));
    assert_false(with_field("\"a\":01"));
    assert_false(with_field("\"a\":1.5"));
}

/* A member of another type is not the member. */
static void test_types(void **state)
{
    static const char *const bad[] = {
        "{\"kind\":\"halt\",\"seq\":\"7\",\"t\":5,\"v\":1}",
        "{\"kind\":\"halt\",\"seq\":7,\"t\":\"5\",\"v\":1}",
        "{\"corr\":1234567812345678,\"kind\":\"halt\",\"seq\":7,\"t\":5,\"v\":1}",
        "{\"kind\":3,\"seq\":7,\"t\":5,\"v\":1}",
    };
    struct leaf l;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(scan(bad[i], strlen(bad[i]), &l));
    static const char late[] = "{\"kind\":\"halt\",\"late\":\"1\",\"seq\":7,\"t\":5,\"v\":1}";
    assert_true(scan(late, sizeof late - 1, &l));
    assert_false(l.late);
}

/* A NUL at each place of a line makes it no line. */
static void test_nul_anywhere(void **state)
{
    struct entry e;
    struct buf line;
    struct leaf l;
    (void)state;
    entry_init(&e, ENTRY_HALT);
    e.actor = (struct actor){.kind = ACTOR_PERSON, .name = "m.ito"};
    e.fleet = "hearth";
    e.rollout = "4471";
    e.reason = "smoke \"here\" \xe2\x80\x94 g\xc3\xa4";
    e.t = e.mono = INT64_C(1700000000000000);
    e.corr = 9;
    entry_str(&e, "tags", "x");
    entry_int(&e, "devices", 42);
    buf_init(&line, ENTRY_MAX);
    assert_true(entry_canonical(&e, 3, "{\"kernel\":{\"pid\":7}}", &line, NULL));
    assert_true(leaf_scan(line.data, line.len, &l));
    assert_true(leaf_is(l.reason, e.reason));
    assert_false(leaf_is(l.reason, "smoke"));
    for (size_t i = 0; i < line.len; i++) {
        char was = line.data[i];
        line.data[i] = '\0';
        assert_false(scan(line.data, line.len, &l));
        line.data[i] = was;
        assert_false(scan(line.data, i, &l)); /* nor is a part of it */
    }
    buf_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_nul_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
