/* Keys from bytes: UTF-8, controls, pastes, and sequences that a slow line tore apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tui/keys.h"
#include "views/view.h"

#define MS INT64_C(1000)

/* Feeds bytes; '|' means that input paused there for `pause`. The keys, as text: printable ones as they are, others as
 * <name>. */
static const char *feed(const char *bytes, int64_t pause)
{
    static char out[400];
    static const struct {
        uint32_t key;
        const char *name;
    } names[] = {{KEY_ESC_, "esc"},      {KEY_ENTER_, "enter"},       {KEY_TAB_, "tab"},
                 {KEY_BACKSPACE_, "bs"}, {KEY_PASTE_START_, "paste"}, {KEY_PASTE_END_, "end"}};
    struct keys k;
    int64_t now = 1000 * MS;
    size_t n = 0;
    keys_init(&k);
    memset(out, 0, sizeof out);
    for (const char *s = bytes;; s++) {
        uint32_t got[2];
        int count;
        if (*s == '|' || *s == '\0') {
            got[0] = keys_idle(&k, now);
            count = got[0] != KEY_NONE_;
            now += pause;
        } else {
            count = keys_byte(&k, (uint8_t)*s, now, got);
        }
        for (int i = 0; i < count; i++) {
            const char *name = NULL;
            for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
                name = names[j].key == got[i] ? names[j].name : name;
            if (name)
                n += (size_t)snprintf(out + n, sizeof out - n, "<%s>", name);
            else if (got[i] > 0x20 && got[i] < 0x7f)
                n += (size_t)snprintf(out + n, sizeof out - n, "%c", (char)got[i]);
            else
                n += (size_t)snprintf(out + n, sizeof out - n, "<%X>", got[i]);
        }
        if (*s == '\0')
            return out;
    }
}

static void test_plain_keys(void **state)
{
    (void)state;
    assert_string_equal(feed("aH\r\n\t\x7f\b", 0), "aH<enter><enter><tab><bs><bs>");
    assert_string_equal(feed("\x12\x03\x1a\x0c", 0), "<12><3><1A><C>");
}

static void test_utf8(void **state)
{
    (void)state;
    assert_string_equal(feed("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", 0), "<E9><6F22><1F600>");
    /* Bad ones are dropped and swallow nothing: overlong, surrogate, beyond, C1, lone and missing continuation. */
    assert_string_equal(feed("\xc0\xafq\xed\xa0\x80q\xf4\x90\x80\x80q\xc2\x9bq\x80q\xe6\xbcq\xffq", 0), "qqqqqqq");
}

static void test_escape_alone(void **state)
{
    (void)state;
    assert_string_equal(feed("\033", 0), "<esc>");
    assert_string_equal(feed("\033|q", 100 * MS), "<esc>q");
    assert_string_equal(feed("\033q", 0), "<esc>q");
    assert_string_equal(feed("\033\033", 0), "<esc><esc>");
}

static void test_unknown_sequences_are_dropped(void **state)
{
    (void)state;
    assert_string_equal(feed("\033[1;5Aq", 0), "q");
    assert_string_equal(feed("\033OHq", 0), "q");
    assert_string_equal(feed("\033[1;2;3;4;5;6;7;8;9Hq", 0), "q");
}

static void test_torn_sequences_do_not_act(void **state)
{
    (void)state;
    assert_string_equal(feed("\033|[A|q", 100 * MS), "<esc>q"); /* the line paused inside an arrow key */
    assert_string_equal(feed("\033|O|H|q", 100 * MS), "<esc>q");
    assert_string_equal(feed("\033[|1;|5A|q", 100 * MS), "q");
    /* A person who types them slowly means them. */
    assert_string_equal(feed("\033|[|q", 600 * MS), "<esc>[q");
    assert_string_equal(feed("\033[|Hq", 2000 * MS), "Hq"); /* the rest of a sequence never came */
}

static void test_paste(void **state)
{
    (void)state;
    assert_string_equal(feed("\033[200~H\r\033[201~q", 0), "<paste>H<enter><esc>[201<end>q");
    /* Marks that come torn still begin and end it: else the text would act, or no key ever again. */
    assert_string_equal(feed("\033|[20|0~|H|\033|[20|1~|q", 100 * MS), "<esc><paste>H<esc>[201<end>q");
    assert_string_equal(feed("\033[200~\033[20\033[201~q", 0), "<paste><esc>[20<esc>[201<end>q");
}

static void test_paste_through_curses(void **state)
{
    (void)state;
    struct keys k;
    uint32_t out[2];
    keys_init(&k);
    assert_int_equal(keys_special(&k, KEY_PASTE_START_, out), 1);
    assert_true(k.paste);
    assert_int_equal(keys_byte(&k, 'H', 1, out), 1);
    assert_int_equal(keys_special(&k, KEY_PASTE_END_, out), 1);
    assert_false(k.paste);
    /* A key that curses knows, right behind a lone ESC of the same burst: both arrive, in order. */
    assert_int_equal(keys_byte(&k, 0x1b, 1, out), 0);
    assert_int_equal(keys_special(&k, KEY_UP_, out), 2);
    assert_int_equal(out[0], KEY_ESC_);
    assert_int_equal(out[1], KEY_UP_);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_keys),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_escape_alone),
        cmocka_unit_test(test_unknown_sequences_are_dropped),
        cmocka_unit_test(test_torn_sequences_do_not_act),
        cmocka_unit_test(test_paste),
        cmocka_unit_test(test_paste_through_curses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
