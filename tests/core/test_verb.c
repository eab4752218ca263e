/* The table of verbs: complete, without contradictions, and what the documentation says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/buf.h"
#include "core/verb.h"

static void rows_are_complete(void **state)
{
    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        const struct verb_row *row = verb_row((enum verb)v);

        if (!row->word || !*row->word || !*row->title || !*row->label || !*row->help || !row->needs || !row->cannot ||
            !row->instead || !row->key || row->from == 0)
            fail_msg("the row of verb %d is not complete", v);
        assert_int_equal(verb_from_word(row->word), v);
        if (row->key[0])
            assert_int_equal(verb_from_key((unsigned char)row->key[0]), v);
        /* Upper case changes the world, lower case does not. */
        assert_true(!row->key[0] || row->changes_devices == (isupper((unsigned char)row->key[0]) != 0));
        assert_true((row->cap != 0) == (*row->cannot != '\0'));
        assert_true(row->request != REQUEST_NONE || !row->changes_devices || v == VERB_ROLLBACK);
        /* What it brings about shows it. */
        assert_true(row->shown == 0 || state_in(row->shown, row->brings));
        for (int w = VERB_NONE + 1; w < v; w++) {
            assert_true(!row->key[0] || strcmp(row->key, verb_row((enum verb)w)->key) != 0);
            assert_string_not_equal(row->word, verb_word((enum verb)w));
        }
    }
}

/* What is no verb can do nothing: no key, no state, no request. */
static void no_verb_is_sent(void **state)
{
    static const enum verb odd[] = {VERB_NONE, VERB_COUNT, (enum verb)77, (enum verb) - 1};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_ptr_equal(verb_row(odd[i]), verb_row(VERB_NONE));
        assert_false(verb_changes_devices(odd[i]));
        for (int s = ROLLOUT_UNKNOWN; s <= ROLLOUT_DELETED; s++) {
            assert_int_equal(verb_request_of(odd[i], (enum rollout_state)s), REQUEST_NONE);
            assert_false(state_in(verb_row(odd[i])->from, (enum rollout_state)s));
        }
    }
    for (uint32_t k = 0; k < 0x200; k++)
        assert_true(verb_from_key(k) == VERB_NONE || strchr("HAPRSBYDa", (int)k) != NULL);
    assert_int_equal(verb_from_key(0), VERB_NONE);
    assert_int_equal(verb_from_word("none"), VERB_NONE);
    assert_int_equal(verb_from_word(""), VERB_NONE);
}

static void requests(void **state)
{
    (void)state;
    assert_int_equal(verb_request_of(VERB_ADVANCE, ROLLOUT_RUNNING), REQUEST_NEXT);
    assert_int_equal(verb_request_of(VERB_ADVANCE, ROLLOUT_PAUSED), REQUEST_RESUME);
    assert_int_equal(verb_request_of(VERB_RESUME, ROLLOUT_PAUSED), REQUEST_RESUME);
    assert_int_equal(verb_request_of(VERB_PAUSE, ROLLOUT_PAUSED), REQUEST_PAUSE);
    assert_int_equal(verb_request_of(VERB_HALT, ROLLOUT_RUNNING), REQUEST_PAUSE);
    assert_int_equal(verb_request_of(VERB_ACK, ROLLOUT_PAUSED), REQUEST_NONE);
    assert_int_equal(verb_request_of(VERB_ROLLBACK, ROLLOUT_PAUSED), REQUEST_NONE); /* a saga of its own */
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    if (!f)
        fail_msg("%s cannot be read: tests run in the top folder", path);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void has_line(const char *doc, const char *path, const char *line)
{
    const char *at = strstr(doc, line);

    if (!at || (at != doc && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("%s lacks this line of the table of verbs:\n%s", path, line);
}

/* docs/verbs.md and the manual say what the table says. */
static void documentation(void **state)
{
    static const enum rollout_state columns[] = {
        ROLLOUT_CREATING, ROLLOUT_WAITING_APPROVAL, ROLLOUT_DENIED,   ROLLOUT_READY,   ROLLOUT_STARTING,
        ROLLOUT_RUNNING,  ROLLOUT_PAUSED,           ROLLOUT_STOPPING, ROLLOUT_STOPPED, ROLLOUT_FINISHED};
    char *doc = read_file("docs/verbs.md"), *man = read_file("docs/man/andon-verbs.1"), line[300], word[40], key[8];

    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        const struct verb_row *row = verb_row((enum verb)v);
        struct buf b;

        key[0] = '\0';
        if (row->key[0])
            snprintf(key, sizeof key, "`%s` ", row->key);
        snprintf(line, sizeof line, "| %s| `andon %s ID`%s | %s | %s |", key, row->word,
                 row->all_fleets    ? ", `--all`, `--release NAME:VERSION`"
                 : row->whole_fleet ? ", `--all`"
                                    : "",
                 row->help, verb_confirm_words((enum verb)v));
        has_line(doc, "docs/verbs.md", line);
        buf_init(&b, 400);
        buf_printf(&b, "| %s |", row->word);
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
            buf_adds(&b, state_in(row->from, columns[i]) ? " yes |" : " |");
        has_line(doc, "docs/verbs.md", b.data);
        buf_release(&b);
        snprintf(word, sizeof word, "%s", row->word);
        if (!strstr(man, word))
            fail_msg("docs/man/andon-verbs.1 does not know %s", row->word);
    }
    free(doc);
    free(man);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(no_verb_is_sent),
        cmocka_unit_test(requests),
        cmocka_unit_test(documentation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
