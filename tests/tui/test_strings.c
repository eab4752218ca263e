/* The strings that go to a terminal: modes, frames, OSC; and the last guard for glyphs. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <cmocka.h>

#include "tui/frame.h"
#include "tui/glyph.h"
#include "tui/modes.h"
#include "tui/osc.h"
#include "tui/row.h"
#include "tui/tint.h"

static const struct caps xterm = {.smcup = "\033[?1049h\033[22;0;0t",
                                  .rmcup = "\033[?1049l\033[23;0;0t",
                                  .csr = "\033[%i%p1%d;%p2%dr",
                                  .smkx = "\033[?1h\033=",
                                  .rmkx = "\033[?1l\033>",
                                  .civis = "\033[?25l",
                                  .cnorm = "\033[?25h",
                                  .sgr0 = "\033(B\033[m",
                                  .op = "\033[39;49m",
                                  .el = "\033[K",
                                  .bottom = "\033[999;1H"};

static void test_modes_of_a_modern_terminal(void **state)
{
    (void)state;
    struct modes m;
    modes_init(&m, &xterm);
    assert_true(m.modern);
    assert_string_equal(m.enter, "\033[?1049h\033[22;0;0t\033[r\033[?1h\033=\033[?25l\033[?2004h\033[?1004h");
    assert_string_equal(m.restore, "\033[?2026l\033[?2004l\033[?1004l\033(B\033[m\033[39;49m\033[r\033[?25h\033[?1l"
                                   "\033>\033[?1049l\033[23;0;0t\r");
    assert_int_equal(m.n_restore, strlen(m.restore));
    assert_int_equal(m.n_enter, strlen(m.enter));
    struct caps tmux = xterm; /* does not save the title by itself */
    tmux.smcup = "\033[?1049h";
    tmux.rmcup = "\033[?1049l";
    modes_init(&m, &tmux);
    assert_non_null(strstr(m.enter, "\033[22;2t\033[?2004h"));
    assert_string_equal(m.more, "\033[22;2t\033[?2004h\033[?1004h");
    assert_non_null(strstr(m.restore, "\033[23;2t"));
}

static void test_modes_of_an_old_terminal(void **state)
{
    (void)state;
    struct caps c = {.sgr0 = "\033[m$<2>", .cnorm = "\033[?25h$<20/>", .bottom = "\033[999;1H", .el = "\033[K$<3>"};
    struct modes m;
    modes_init(&m, &c);
    assert_false(m.modern);
    assert_string_equal(m.enter, "");
    assert_string_equal(m.restore, "\033[m\033[?25h\033[999;1H\033[K\r"); /* no padding, nothing of xterm's */
}

static const char *take(struct frame *f, const struct modes *m, const char *enter, const char *tail, char out[2000])
{
    const char *bytes;
    size_t n = frame_take(f, m, enter, tail, strlen(tail), &bytes);
    assert_true(n < 2000);
    memcpy(out, bytes, n);
    out[n] = '\0';
    return out;
}

static void put(const struct frame *f, const char *s)
{
    assert_int_equal(write(fileno(f->file), s, strlen(s)), strlen(s));
}

static void test_frame(void **state)
{
    (void)state;
    struct frame f;
    struct modes modern, old = {.enter = "<enter>"};
    struct err e;
    char out[2000], big[1000];
    modes_init(&modern, &xterm);
    assert_true(frame_init(&f, STDOUT_FILENO, &e));
    frame_to_memory(&f);
    assert_string_equal(take(&f, &modern, "", "", out), "");
    put(&f, "one");
    put(&f, "two");
    assert_string_equal(take(&f, &modern, "", "!", out), "onetwo!"); /* small: no marks needed */
    put(&f, "3");
    assert_string_equal(take(&f, &modern, "", "", out), "3"); /* nothing of the last frame */
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    put(&f, big);
    take(&f, &modern, modern.enter, "tail", out);
    assert_memory_equal(out, "\033[?2026h\033[?1049h", 16);
    assert_string_equal(out + strlen(out) - 12, "\033[?2026ltail");
    put(&f, big);
    take(&f, &old, old.enter, "", out); /* no marks for a terminal that may not know them */
    assert_memory_equal(out, "<enter>xxx", 10);
    assert_int_equal(strlen(out), 7 + strlen(big));
    frame_release(&f);
}

static void test_tints(void **state)
{
    (void)state;
    struct style s = {.fg = 9, .bg = 12, .attrs = STYLE_DIM};
    struct tint t = tint_of(&s, DEPTH_16, 16);
    assert_int_equal(t.fg, 9);
    assert_int_equal(t.bg, 12);
    assert_int_equal(t.attrs, STYLE_DIM);
    assert_true(t.ground);
    t = tint_of(&s, DEPTH_16, 8); /* the Linux console */
    assert_int_equal(t.fg, 1);
    assert_int_equal(t.bg, 4);
    assert_int_equal(t.attrs, STYLE_DIM | STYLE_BOLD);
    t = tint_of(&s, DEPTH_MONO, 256);
    assert_int_equal(t.fg, -1);
    assert_int_equal(t.bg, -1);
    assert_false(t.ground);
    s = (struct style){.fg = 0x000001, .bg = -1};
    t = tint_of(&s, DEPTH_TRUE, 1 << 24);
    assert_int_equal(t.fg, 8); /* nearly black, not ANSI red */
    s = (struct style){.fg = 200, .bg = -1, .attrs = STYLE_REVERSE};
    t = tint_of(&s, DEPTH_256, 88);
    assert_int_equal(t.fg, -1);
    assert_true(t.ground);
}

static void test_osc(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    osc_title(&b, "andon: 1 HALT");
    assert_string_equal(b.data, "\033]2;andon: 1 HALT\033\\");
    buf_clear(&b);
    osc_title(&b, "a\033]0;x\007\xc2\x9b\n漢;b\xff");
    assert_string_equal(b.data, "\033]2;a]0,x漢,b\033\\"); /* no way out of the string */
    buf_clear(&b);
    osc_notify(&b, "andon", "1 HALT");
    assert_string_equal(b.data, "\033]9;andon: 1 HALT\033\\\033]777;notify;andon;1 HALT\033\\");
    buf_clear(&b);
    osc_copy(&b, "foobar", 6);
    osc_copy(&b, "fooba", 5);
    osc_copy(&b, "f\xff", 2);
    osc_copy(&b, "f", 1);
    osc_copy(&b, "", 0); /* RFC 4648, section 10 */
    assert_string_equal(b.data, "\033]52;c;Zm9vYmFy\033\\\033]52;c;Zm9vYmE=\033\\\033]52;c;Zv8=\033\\"
                                "\033]52;c;Zg==\033\\\033]52;c;\033\\");
    buf_clear(&b);
    osc_fence(&b, 7, 80, 3);
    assert_string_equal(b.data, "\033]7770;k=7;c=80;g=3\033\\");
    buf_release(&b);
}

static void test_glyphs(void **state)
{
    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    static const struct {
        uint32_t cp;
        int width;
        wchar_t want;
    } cases[] = {{'a', 1, L'a'},    {0x6f22, 2, 0x6f22}, {0x6f22, 1, L'?'},   {0x25cf, 1, 0x25cf}, {0x25cf, 2, L'?'},
                 {0x1b, 1, L'?'},   {0x7f, 1, L'?'},     {0x9b, 1, L'?'},     {0x202e, 1, L'?'},   {0x200b, 1, L'?'},
                 {0xd800, 1, L'?'}, {0xe000, 1, L'?'},   {0x110000, 1, L'?'}, {0xfffff, 1, L'?'},  {0, 1, L' '},
                 {0xfeff, 1, L'?'}, {0xa0, 1, 0xa0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cell cell = {.glyph = cases[i].cp};
        wchar_t w[4];
        glyph_of(&cell, cases[i].width, true, w);
        assert_int_equal(w[0], cases[i].want);
        assert_int_equal(w[1], 0);
        glyph_of(&cell, cases[i].width, false, w); /* a locale without Unicode */
        assert_true(w[0] < 0x80);
    }
    struct cell e = {.glyph = 'e', .comb = {0x301, 0x202e}};
    wchar_t w[4];
    glyph_of(&e, 1, true, w);
    assert_int_equal(w[1], 0x301);
    assert_int_equal(w[2], 0);
}

/* Roles of a row's cells, one letter each: '.' plain. */
static const char *plan(const char *text, const char *roles, int selected)
{
    static char out[40];
    static const struct ground g = {.shows[ROLE_BAR] = true, .special[ROLE_BAR] = true, .special[ROLE_GOOD] = true};
    struct cell cells[32];
    struct brush b[33];
    int n = (int)strlen(text);
    memset(cells, 0, sizeof cells);
    for (int i = 0; i < n; i++) {
        cells[i].glyph = (unsigned char)text[i];
        cells[i].role = roles[i] == 'g' ? ROLE_GOOD : roles[i] == 'b' ? ROLE_BAR : ROLE_TEXT;
        cells[i].flags = i == selected ? CELL_SELECTED : 0;
    }
    assert_int_equal(row_plan(cells, n, &g, true, b), n);
    for (int i = 0; i < n; i++)
        out[i] = b[i].role == ROLE_GOOD ? 'g' : b[i].role == ROLE_BAR ? 'b' : b[i].role == ROLE_TEXT ? 't' : '.';
    out[n] = '\0';
    return out;
}

static void test_blanks_take_the_cheapest_look(void **state)
{
    (void)state;
    assert_string_equal(plan("ab cd e", "ggggggg", -1), "ggggggg"); /* one run, no switching */
    assert_string_equal(plan("ab cd  ", "ggggttt", -1), "ggggt..");
    assert_string_equal(plan("ab  cd", "ggtttt", -1), "gg..tt");
    assert_string_equal(plan("a b c", "ttttt", -1), "t.t.t");
    assert_string_equal(plan("a         b", "ggggggggggg", -1), "g.........g"); /* long: skipping is cheaper */
    assert_string_equal(plan("a b c", "bbbgg", -1), "bbb.g"); /* a bar's blanks show, the one after it does not */
    assert_string_equal(plan("  a b ", "gggggg", -1), "..ggg.");
    assert_string_equal(plan("a  b", "gggg", 1), "gg.g"); /* a selected blank shows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes_of_a_modern_terminal),
        cmocka_unit_test(test_modes_of_an_old_terminal),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_tints),
        cmocka_unit_test(test_osc),
        cmocka_unit_test(test_glyphs),
        cmocka_unit_test(test_blanks_take_the_cheapest_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
