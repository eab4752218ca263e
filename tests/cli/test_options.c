/* The command line as a language: options anywhere, values, refusals that help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cli/cli.h"
#include "core/clock.h"

/* argv of a real program is writable; nothing here writes to it. */
#define READ(a, e, ...)                                                                                                \
    args_read((int)(sizeof((const char *[]){"andon", __VA_ARGS__}) / sizeof(char *)),                                  \
              (char **)(uintptr_t)(const char *[]){"andon", __VA_ARGS__}, a, e)

static struct args a;
static struct err e;

static int fresh(void **state)
{
    (void)state;
    memset(&a, 0, sizeof a);
    memset(&e, 0, sizeof e);
    return 0;
}

static bool takes(const char *name)
{
    struct command c;

    assert_true(command_find(name, &c));
    return args_check(&a, &c, &e);
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    assert_true(READ(&a, &e, "--config", "x.yaml", "get", "-o", "json", "rollouts", "--read-only"));
    assert_int_equal(a.n_pos, 2);
    assert_string_equal(a.pos[0], "get");
    assert_string_equal(a.pos[1], "rollouts");
    assert_string_equal(a.val[OPT_CONFIG], "x.yaml");
    assert_non_null(a.val[OPT_READ_ONLY]);
    assert_true(a.json);
    assert_true(takes("get"));
}

static void values_in_every_spelling(void **state)
{
    (void)state;
    assert_true(READ(&a, &e, "drill", "--seed=7", "-ojson", "--keep-log", "-x"));
    assert_string_equal(a.val[OPT_SEED], "7");
    assert_true(a.json);
    assert_string_equal(a.val[OPT_KEEP_LOG], "-x");
    assert_true(READ(&a, &e, "get", "-o=text", "--reason="));
    assert_false(a.json);
    assert_string_equal(a.val[OPT_REASON], "");
    assert_true(READ(&a, &e, "halt", "--", "--all"));
    assert_string_equal(a.pos[1], "--all");
    assert_null(a.val[OPT_ALL]);
    assert_true(READ(&a, &e, "audit", "-"));
    assert_string_equal(a.pos[1], "-");
}

static void refusals_name_the_option(void **state)
{
    (void)state;
    assert_false(READ(&a, &e, "drill", "--sead", "7"));
    assert_string_equal(e.next, "Did you mean --seed?");
    assert_false(READ(&a, &e, "--zzzzzzzz"));
    assert_string_equal(e.what, "there is no option --zzzzzzzz");
    assert_false(READ(&a, &e, "-Q"));
    assert_false(READ(&a, &e, "drill", "--seed"));
    assert_string_equal(e.what, "--seed needs a value (N)");
    assert_false(READ(&a, &e, "halt", "--yes=1"));
    assert_string_equal(e.what, "--yes takes no value");
    assert_false(READ(&a, &e, "halt", "--reason", "a", "--reason", "b"));
    assert_string_equal(e.what, "--reason is given twice");
    assert_false(READ(&a, &e, "get", "-o", "xml"));
    assert_string_equal(e.what, "--output: expected text or json, found xml");
}

static void commands_take_their_own_options_only(void **state)
{
    struct command c, other;

    (void)state;
    assert_true(READ(&a, &e, "pause", "1", "--confirm", "x"));
    assert_false(takes("pause"));
    assert_string_equal(e.what, "pause takes no option --confirm");
    assert_true(READ(&a, &e, "pause"));
    assert_false(takes("pause"));
    assert_string_equal(e.what, "something is missing: andon pause ROLLOUT...");
    assert_true(READ(&a, &e, "rollback", "1", "2"));
    assert_false(takes("rollback"));
    assert_string_equal(e.what, "rollback does not take \"2\"");
    for (size_t i = 0; command_at(i, &c); i++) {
        assert_true(c.min <= c.max && c.run != NULL && c.summary[0]);
        for (size_t k = 0; k < i; k++)
            assert_true(command_at(k, &other) && strcmp(other.name, c.name) != 0); /* no name twice */
    }
    assert_false(command_find("nonsense", &c));
    assert_false(command_find("none", &c)); /* no verb */
}

/* Every verb is a command, with the options that its row asks for. */
static void verbs_are_commands(void **state)
{
    struct command c;

    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        const struct verb_row *row = verb_row((enum verb)v);

        if (!command_find(row->word, &c))
            fail_msg("andon has no command %s", row->word);
        assert_string_equal(c.summary, row->help);
        assert_true(row->whole_fleet == ((c.opts & OPT(OPT_ALL)) != 0) && row->whole_fleet == (c.min == 0));
        assert_true((row->confirm == CONFIRM_PHRASE) == ((c.opts & OPT(OPT_CONFIRM)) != 0));
    }
}

static void too_many_words(void **state)
{
    static char word[] = "w";
    char *argv[ARGS_MAX + 3];

    (void)state;
    for (size_t i = 0; i < ARGS_MAX + 2; i++)
        argv[i] = word;
    assert_false(args_read(ARGS_MAX + 2, argv, &a, &e));
    assert_true(args_read(ARGS_MAX + 1, argv, &a, &e));
}

static void numbers_are_bounded(void **state)
{
    static const char *const bad[] = {"", "x", "7x", " 7", "+7", "-", "99999999999999999999", "11", "-1", "0x7"};
    int64_t v;

    (void)state;
    a.val[OPT_SEED] = "7";
    assert_true(args_int(&a, OPT_SEED, 0, 10, 1, &v, &e) && v == 7);
    a.val[OPT_SEED] = NULL;
    assert_true(args_int(&a, OPT_SEED, 0, 10, 3, &v, &e) && v == 3);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a.val[OPT_SEED] = bad[i];
        if (args_int(&a, OPT_SEED, 0, 10, 1, &v, &e))
            fail_msg("\"%s\" was taken as %lld", bad[i], (long long)v);
    }
    a.val[OPT_TIMEOUT] = "90s";
    assert_true(args_dur(&a, OPT_TIMEOUT, 1, &v, &e) && v == 90 * US_PER_S);
    a.val[OPT_TIMEOUT] = "90";
    assert_false(args_dur(&a, OPT_TIMEOUT, 1, &v, &e));
}

static void wave_lists(void **state)
{
    static const char *const bad[] = {"",    ",",   "1,",    ",1", "1-", "3-1", "x",
                                      "1;2", "512", "1-512", "-1", "W",  "1 2", "99999999999999999999"};
    uint64_t m[WAVES_MAX / 64];

    (void)state;
    assert_true(args_waves("0,2-3", m, &e));
    assert_true(m[0] == 13 && m[1] == 0);
    assert_true(args_waves("W0,w65", m, &e));
    assert_true(m[0] == 1 && m[1] == 2);
    assert_true(args_waves("0-511", m, &e));
    for (size_t i = 0; i < WAVES_MAX / 64; i++)
        assert_true(m[i] == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (args_waves(bad[i], m, &e))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void nearest_words(void **state)
{
    static const char *const words[] = {"rollback", "resume", "retry", "doctor"};

    (void)state;
    assert_string_equal(nearest("rolback", words, 4), "rollback");
    assert_string_equal(nearest("reusme", words, 4), "resume");
    assert_string_equal(nearest("doc", words, 4), "doctor");
    assert_null(nearest("elephant", words, 4));
    assert_null(nearest("", words, 4));
    assert_null(nearest("a-word-that-is-longer-than-any-command-could-ever-be-0123456789", words, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(options_stand_anywhere, fresh),
        cmocka_unit_test_setup(values_in_every_spelling, fresh),
        cmocka_unit_test_setup(refusals_name_the_option, fresh),
        cmocka_unit_test_setup(commands_take_their_own_options_only, fresh),
        cmocka_unit_test_setup(verbs_are_commands, fresh),
        cmocka_unit_test_setup(too_many_words, fresh),
        cmocka_unit_test_setup(numbers_are_bounded, fresh),
        cmocka_unit_test_setup(wave_lists, fresh),
        cmocka_unit_test_setup(nearest_words, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
