/* Mappings of standards: the shipped ones are whole, and a wrong file is told by its line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "conf/standard.h"
#include "core/clock.h"

static void test_shipped(void **state)
{
    (void)state;
    const char *const *names = standard_names();
    size_t n = 0;
    for (; names[n]; n++) {
        struct arena a;
        struct standard st;
        struct err e = {0};
        arena_init(&a);
        if (!standard_shipped(names[n], &a, &st, &e))
            fail_msg("%s: %s", names[n], e.what);
        assert_string_equal(st.name, names[n]);
        assert_true(*st.title && st.n_items >= 9);
        for (size_t i = 0; i < st.n_items; i++)
            assert_true(*st.items[i].id && *st.items[i].section && strlen(st.items[i].asks) > 10);
        arena_release(&a);
    }
    assert_int_equal(n, 8);
}

static bool parse(const char *text, struct arena *a, struct standard *st, struct err *e)
{
    return standard_parse("m.yaml", text, strlen(text), a, st, e);
}

static void test_read(void **state)
{
    (void)state;
    struct arena a;
    struct standard st;
    struct err e = {0};
    arena_init(&a);
    assert_true(
        parse("standard: T\nitems:\n"
              "  - id: one\n    section: '1'\n    asks: who\n    in: log\n    take: none\n"
              "    find: {kind: [halt, ack], verb: [halt], result: [ok], by: [rule], late: true, fields: {a.b: 'x*'}}\n"
              "  - id: two\n    section: '2'\n    asks: when\n    values: [t, actor]\n    extra: [reason]\n"
              "    find: {kind: [ack]}\n    after: {kind: [halt]}\n    same: [corr, wave]\n    other_actor: true\n"
              "    within: 2h\n    applies: {verb: [advance]}\n    hint: do it\n",
              &a, &st, &e));
    assert_int_equal(st.n_items, 2);
    const struct standard_item *it = &st.items[0];
    assert_true(it->whole_log && it->take == TAKE_NONE && it->min == 1 && !it->values && !it->applies);
    assert_string_equal(it->find.kinds[1], "ack");
    assert_null(it->find.kinds[2]);
    assert_string_equal(it->find.verbs[0], "halt");
    assert_string_equal(it->find.results[0], "ok");
    assert_string_equal(it->find.actor_kinds[0], "rule");
    assert_int_equal(it->find.late, 1);
    assert_int_equal(it->find.n_fields, 1);
    assert_string_equal(it->find.fields[0].key, "a.b");
    assert_string_equal(it->find.fields[0].pattern, "x*");
    it = &st.items[1];
    assert_true(!it->whole_log && it->same_corr && it->same_wave && it->other_actor && it->after && !it->before);
    assert_int_equal(it->within_us, 2 * US_PER_HOUR);
    assert_int_equal(it->find.late, -1);
    assert_string_equal(it->values[1], "actor");
    assert_string_equal(it->extra[0], "reason");
    assert_string_equal(it->applies->verbs[0], "advance");
    assert_string_equal(it->hint, "do it");
    arena_release(&a);
}

#define ITEM "standard: T\nitems:\n  - id: one\n    section: '1'\n    asks: who\n"

static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } wrong[] = {
        {"standard: T\n", "m.yaml:1: the key items is missing"},
        {ITEM, "m.yaml:3: items[0]: the key find is missing"},
        {ITEM "    find: {}\n", "m.yaml:6: items[0].find: it says nothing of the entries"},
        {ITEM "    find: {kind: [halts]}\n", "m.yaml:6: items[0].find.kind[0]: there is no kind of entry 'halts'"},
        {ITEM "    find: {verb: [leap]}\n", "m.yaml:6: items[0].find.verb[0]: there is no verb 'leap'"},
        {ITEM "    find: {knd: [halt]}\n", "m.yaml:6: items[0].find.knd: "},
        {ITEM "    find: {by: [robot]}\n", "m.yaml:6: items[0].find.by[0]: "},
        {ITEM "    find: {kind: [ack]}\n    take: some\n", "m.yaml:7: items[0].take: "},
        {ITEM "    find: {kind: [ack]}\n    take: all\n    after: {kind: [halt]}\n",
         "m.yaml:7: items[0].take: with before"},
        {ITEM "    find: {kind: [ack]}\n    before: {kind: [halt]}\n    after: {kind: [halt]}\n",
         "m.yaml:8: items[0].after: before and after are two"},
        {ITEM "    find: {kind: [ack]}\n    within: 3h\n", "m.yaml:3: items[0]: same, other_actor and within need"},
        {ITEM "    find: {kind: [ack]}\n    min: 2\n    take: none\n", "m.yaml:7: items[0].min: min does not go"},
        {ITEM "    find: {kind: [ack]}\n    after: {kind: [halted]}\n",
         "m.yaml:7: items[0].after.kind[0]: there is no kind"},
        {ITEM "    find: {kind: [ack]}\n  - id: one\n    section: '2'\n    asks: x\n    find: {kind: [ack]}\n",
         "m.yaml:7: items[1].id: 'one' is the id of the item in line 3 too"},
        {"standard: [\n", "m.yaml:"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct arena a;
        struct standard st;
        struct err e = {0};
        arena_init(&a);
        assert_false(parse(wrong[i].text, &a, &st, &e));
        if (strncmp(e.what, wrong[i].what, strlen(wrong[i].what)) != 0)
            fail_msg("%zu: '%s' does not begin with '%s'", i, e.what, wrong[i].what);
        arena_release(&a);
    }
    struct arena a;
    struct standard st;
    struct err e = {0};
    arena_init(&a);
    assert_false(standard_shipped("soc3", &a, &st, &e));
    assert_non_null(strstr(e.next, "soc2"));
    assert_false(standard_load("/nonexistent.yaml", &a, &st, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shipped), cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
