/* What is said of a halt, and what a typed word names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "core/snapshot.h"

/* Every phase, of a fresh answer and of an old one: "halted" is said only while the server shows it, and while it is
 * wanted and not shown it is an alarm. */
static void what_is_said_of_a_halt(void **state)
{
    (void)state;
    for (int p = STOP_FREE; p < STOP_PHASES; p++)
        for (int old = 0; old < 2; old++) {
            struct halt_said h = halt_said((enum stop_phase)p, old);
            bool wanted = stop_phase_latched((enum stop_phase)p) || p == STOP_LIFTING;

            assert_true((*h.word != '\0') == wanted && (*h.brief != '\0') == wanted && (*h.title != '\0') == wanted);
            assert_true(strlen(h.brief) <= 6);
            assert_false(h.true_now && h.alarm);
            assert_true(strcmp(h.title, "HALTED") != 0 || h.true_now);
            if (old && p != STOP_OVER)
                assert_false(h.true_now);
        }
    assert_string_equal(halt_said(STOP_HALTED, false).word, "halted");
    assert_string_equal(halt_said(STOP_RUNS, false).title, "HALTED, BUT RUNNING");
    assert_true(halt_said(STOP_RUNS, false).alarm && halt_said(STOP_DOUBT, false).alarm);
    assert_true(halt_said(STOP_ASKED, false).alarm && halt_said(STOP_UNSEEN, false).alarm);
    assert_false(halt_said(STOP_HALTED, false).alarm);
}

static struct snapshot *fleet(const char *name, size_t n, const char *const *ids)
{
    struct snapshot *s = snapshot_new();

    s->fleet = name;
    s->rollouts = ARENA_ARRAY(&s->arena, struct rollout_view, n + 1);
    s->n_rollouts = n;
    for (size_t i = 0; i < n; i++)
        s->rollouts[i].rollout.id = ids[i];
    return s;
}

static void what_a_word_names(void **state)
{
    static const char *const first[] = {"17", "18"}, *const second[] = {"17", "19", "one/20"};
    struct snapshot *snaps[] = {fleet("one", 2, first), fleet("two", 3, second), NULL, fleet("one/20", 0, NULL)};
    static const struct {
        const char *word;
        size_t n, which;
        const char *id;
    } rows[] = {{"17", 2, 0, NULL},     {"18", 1, 0, "18"},       {"19", 1, 1, "19"},         {"one/17", 1, 0, "17"},
                {"two/17", 1, 1, "17"}, {"two/99", 1, 1, "99"}, /* not (yet) in its list */
                {"99", 0, 0, NULL},     {"three/17", 0, 0, NULL}, {"", 0, 0, NULL},           {"/", 0, 0, NULL},
                {"one/", 0, 0, NULL},   {"one", 0, 0, NULL},      {"one/20", 1, 1, "one/20"}, {"one/20/5", 1, 3, "5"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t which = 77;
        const char *id = NULL;
        size_t n = snapshot_named(snaps, 4, rows[i].word, &which, &id);

        if (n != rows[i].n || (n == 1 && (which != rows[i].which || strcmp(id, rows[i].id) != 0)))
            fail_msg("\"%s\" names %zu: fleet %zu, id %s", rows[i].word, n, which, id ? id : "-");
    }
    for (size_t i = 0; i < 4; i++)
        snapshot_unref(snaps[i]);
}

/* Without a rollout the facts are the fleet's: is anything halted? */
/* Between two polls nothing is stale, however far they are apart. */
static void freshness_goes_by_the_poll(void **state)
{
    (void)state;
    struct snapshot *s = snapshot_new();
    struct verb_facts f;
    assert_int_equal(fresh_limit_us(2 * US_PER_S, 10 * US_PER_S), 15 * US_PER_S);
    assert_int_equal(fresh_limit_us(30 * US_PER_S, 10 * US_PER_S), 70 * US_PER_S);
    s->link.last_ok = 1000 * US_PER_S;
    snapshot_facts(s, "", 1016 * US_PER_S, &f);
    assert_false(f.fresh);
    s->fresh_us = fresh_limit_us(30 * US_PER_S, 10 * US_PER_S);
    snapshot_facts(s, "", 1069 * US_PER_S, &f);
    assert_true(f.fresh);
    snapshot_facts(s, "", 1071 * US_PER_S, &f);
    assert_false(f.fresh);
    assert_int_equal(f.fresh_us, 70 * US_PER_S);
    snapshot_unref(s);
}

static void facts_of_a_fleet(void **state)
{
    static const char *const ids[] = {"1", "2"};
    struct snapshot *s = fleet("one", 2, ids);
    struct verb_facts f;

    (void)state;
    s->environment = "prod";
    snapshot_facts(s, "", 0, &f);
    assert_false(f.latched);
    assert_null(f.rollout);
    assert_string_equal(f.environment, "prod");
    s->rollouts[1].latched = true;
    snapshot_facts(s, "", 0, &f);
    assert_true(f.latched);
    snapshot_facts(s, "1", 0, &f);
    assert_false(f.latched);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_of_a_halt),
        cmocka_unit_test(what_a_word_names),
        cmocka_unit_test(facts_of_a_fleet),
        cmocka_unit_test(freshness_goes_by_the_poll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
