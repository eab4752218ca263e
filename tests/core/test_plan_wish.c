/* The words that a plan is asked for with: what they mean, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "core/plan_wish.h"

static struct plan_wish words(const char *target, const char *waves, const char *order)
{
    struct plan_wish w = {.number = 1};
    snprintf(w.word[PLAN_F_RELEASE], PLAN_WORD_BYTES, "hearth:4.12.1");
    snprintf(w.word[PLAN_F_TARGET], PLAN_WORD_BYTES, "%s", target);
    snprintf(w.word[PLAN_F_WAVES], PLAN_WORD_BYTES, "%s", waves);
    snprintf(w.word[PLAN_F_ORDER], PLAN_WORD_BYTES, "%s", order);
    return w;
}

static void words_are_read(void **state)
{
    struct arena a;
    struct wave_plan p = {.salt = 7, .created_at = 8};
    struct plan_target t;
    struct err e = {0};
    struct plan_wish w = words("site=north wing\xc3\xa9", "1%,10,rest", "net:isolated,lan");

    (void)state;
    arena_init(&a);
    snprintf(w.word[PLAN_F_STRATA], PLAN_WORD_BYTES, "hw");
    snprintf(w.word[PLAN_F_SUCCESS], PLAN_WORD_BYTES, "95%%");
    snprintf(w.word[PLAN_F_FAILURE], PLAN_WORD_BYTES, "2.5%%");
    assert_true(plan_wish_read(&w, &a, &p, &t, &e));
    assert_int_equal(t.among, PLAN_AMONG_ATTRIBUTE);
    assert_string_equal(t.attribute, "site");
    assert_string_equal(t.value, "north wing\xc3\xa9");
    assert_string_equal(p.target, "devices with site=north wing\xc3\xa9");
    assert_null(p.name);
    assert_int_equal(p.n_waves, 3);
    assert_int_equal(p.sizes[1].devices, 10);
    assert_string_equal(p.strata, "hw");
    assert_string_equal(p.order, "net");
    assert_int_equal(p.n_order, 2);
    assert_string_equal(p.order_values[1], "lan");
    assert_int_equal(p.success_bp, 9500);
    assert_int_equal(p.failure_bp, 250);
    assert_int_equal(p.salt, 7);
    static const struct {
        const char *target, *value;
        enum plan_among among;
    } targets[] = {{"all", "", PLAN_AMONG_ALL},
                   {"file:/tmp/a b", "/tmp/a b", PLAN_AMONG_FILE},
                   {"release:a:b:1", "a:b:1", PLAN_AMONG_RELEASE},
                   {"release=a", "a", PLAN_AMONG_ATTRIBUTE},
                   {"x==", "=", PLAN_AMONG_ATTRIBUTE}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        w = words(targets[i].target, "rest", "");
        assert_true(plan_wish_read(&w, &a, &p, &t, &e));
        assert_int_equal(t.among, targets[i].among);
        assert_string_equal(t.value, targets[i].value);
        assert_string_equal(p.order, "");
    }
    arena_release(&a);
}

static void other_words_are_refused(void **state)
{
    static const struct {
        enum plan_field field;
        const char *word, *says;
    } bad[] = {
        {PLAN_F_RELEASE, "hearth", "NAME:VERSION"},     {PLAN_F_RELEASE, "", "NAME:VERSION"},
        {PLAN_F_TARGET, "", "needs a target"},          {PLAN_F_TARGET, "everything", "the target is all"},
        {PLAN_F_TARGET, "=x", "the target is all"},     {PLAN_F_TARGET, "file:", "the target is all"},
        {PLAN_F_WAVES, "", "needs a target"},           {PLAN_F_WAVES, "rest,1%", ""},
        {PLAN_F_ORDER, "net", "the order is"},          {PLAN_F_ORDER, "net:", "the order is"},
        {PLAN_F_ORDER, "net:a,,b", "empty value"},      {PLAN_F_SUCCESS, "95", "success is a share"},
        {PLAN_F_FAILURE, "100%", "failure is a share"},
    };
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct plan_wish w = words("all", "1%,rest", "");
        struct wave_plan p = {.n = 0};
        struct plan_target t;
        struct err e = {0};
        snprintf(w.word[bad[i].field], PLAN_WORD_BYTES, "%s", bad[i].word);
        if (plan_wish_read(&w, &a, &p, &t, &e) || !strstr(e.what, bad[i].says))
            fail_msg("%s: %s", bad[i].word, e.what);
    }
    struct plan_wish w = words("all", "1%,rest", "");
    struct wave_plan p = {.n = 0};
    struct plan_target t;
    struct err e = {0};
    memset(w.word[PLAN_F_NAME], 'n', 121);
    assert_false(plan_wish_read(&w, &a, &p, &t, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_are_read), cmocka_unit_test(other_words_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
