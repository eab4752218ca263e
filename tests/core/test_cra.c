/* Article 14: from when each clock counts, that late stays late, and that nothing said later makes it earlier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "core/clock.h"
#include "core/cra.h"

#define H(n) ((n)*US_PER_HOUR)
#define T0   H(500000)

static void say(struct cra_cases *c, struct arena *a, const char *what, const char *stage, int64_t at)
{
    static int64_t seq = 0;
    cra_take(c, a,
             &(struct cra_said){.what = what,
                                .id = "CVE-2031-1",
                                .by = "m.ito",
                                .stage = stage,
                                .reference = "7",
                                .sha256 = "",
                                .at = at,
                                .seq = ++seq});
}

static void test_clocks(void **state)
{
    (void)state;
    struct arena a;
    struct cra_cases c = {0};
    struct cra_clock k[CRA_STAGES];
    arena_init(&a);
    say(&c, &a, "proposed", "", T0);
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(1000), k);
    for (int i = 0; i < CRA_STAGES; i++)
        assert_int_equal(k[i].state, CRA_NOT_BEGUN); /* a proposal starts no clock */
    say(&c, &a, "aware", "", T0 + H(2));
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(26), k);
    assert_int_equal(k[CRA_EARLY_WARNING].state, CRA_RUNNING);
    assert_int_equal(k[CRA_EARLY_WARNING].due, T0 + H(26));
    assert_int_equal(k[CRA_NOTIFICATION].due, T0 + H(74));
    assert_int_equal(k[CRA_FINAL].state, CRA_NOT_BEGUN); /* from the measure, not from awareness */
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(27), k);
    assert_int_equal(k[CRA_EARLY_WARNING].state, CRA_LATE);
    assert_int_equal(k[CRA_EARLY_WARNING].late_us, H(1));
    say(&c, &a, "sent", "early-warning", T0 + H(29));
    say(&c, &a, "sent", "notification", T0 + H(74));
    say(&c, &a, "measure", "", T0 + H(50));
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(5000), k);
    assert_int_equal(k[CRA_EARLY_WARNING].state, CRA_SENT_LATE);
    assert_int_equal(k[CRA_EARLY_WARNING].late_us, H(3));
    assert_int_equal(k[CRA_NOTIFICATION].state, CRA_SENT);
    assert_int_equal(k[CRA_FINAL].due, T0 + H(50) + 14 * US_PER_DAY);
    assert_int_equal(k[CRA_FINAL].state, CRA_LATE);
    /* nothing that is said later makes it better */
    say(&c, &a, "aware", "", T0 + H(20));
    say(&c, &a, "sent", "early-warning", T0 + H(3));
    say(&c, &a, "measure", "", T0 + H(900));
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(5000), k);
    assert_int_equal(k[CRA_EARLY_WARNING].state, CRA_SENT_LATE);
    assert_int_equal(k[CRA_EARLY_WARNING].late_us, H(3));
    assert_int_equal(k[CRA_FINAL].from, T0 + H(50));
    /* but an earlier awareness counts */
    say(&c, &a, "aware", "", T0 - H(1));
    cra_clocks(cra_find(&c, "CVE-2031-1"), T0 + H(5000), k);
    assert_int_equal(k[CRA_NOTIFICATION].state, CRA_SENT_LATE);
    assert_string_equal(cra_find(&c, "CVE-2031-1")->aware_by, "m.ito");
    assert_null(cra_find(&c, "CVE-2031-2"));
    /* what cannot be read changes nothing */
    size_t n = c.n;
    cra_take(&c, &a,
             &(struct cra_said){.what = "sent", .id = "", .by = "", .stage = "x", .reference = "", .sha256 = ""});
    say(&c, &a, "sent", "other", T0);
    assert_int_equal(c.n, n);
    arena_release(&a);
}

static void test_proposal(void **state)
{
    (void)state;
    struct arena a;
    struct cra_cases c = {0};
    struct vuln_facts f = {.id = "CVE-2031-1", .vector = "", .tenths = -1};
    arena_init(&a);
    assert_false(cra_proposes(&c, &f, 5));
    f.exploitation = ADV_EXPLOIT_ACTIVE;
    assert_true(cra_proposes(&c, &f, 5));
    assert_false(cra_proposes(&c, &f, 0));
    say(&c, &a, "proposed", "", T0);
    assert_false(cra_proposes(&c, &f, 5)); /* once */
    arena_release(&a);
}

static void test_many(void **state)
{
    (void)state;
    struct arena a;
    struct cra_cases c = {0};
    char id[32];
    arena_init(&a);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "CVE-2031-%d", 1000 + i);
        cra_take(&c, &a,
                 &(struct cra_said){.what = "aware",
                                    .id = id,
                                    .by = "x",
                                    .stage = "",
                                    .reference = "",
                                    .sha256 = "",
                                    .at = T0 + i,
                                    .seq = i});
    }
    assert_int_equal(c.n, 40);
    assert_int_equal(cra_find(&c, "CVE-2031-1007")->aware_at, T0 + 7);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clocks), cmocka_unit_test(test_proposal),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
