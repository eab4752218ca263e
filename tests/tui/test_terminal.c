/* What the console shows on a real terminal: the picture, colours, sizes, paste, notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tests/tui/fixture.h"
#include "tests/tui/pty.h"

static void leave(struct pty *p)
{
    pty_send(p, "q");
    int status = pty_exit(p);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    pty_check_restored(p);
    pty_check_clean(p);
    pty_end(p);
}

static void test_first_screen_needs_no_answer(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "connecting", 30, 100, "xterm-256color", NULL);
    pty_fence(&p, 0, 100, 1);
    assert_true(p.alt);
    assert_true(pty_has(&p, "andon"));
    assert_true(pty_has(&p, "connecting"));
    leave(&p);
}

static void test_board_and_wide_cells(void **state)
{
    (void)state;
    struct pty p;
    int row, col;
    pty_start(&p, "board", 30, 100, "xterm-256color", NULL);
    pty_fence(&p, 0, 100, 1);
    assert_true(pty_has(&p, "4471"));
    assert_true(pty_find(&p, "漢字", &row, &col));
    assert_int_equal(pty_cell(&p, row, col).width, 2);
    leave(&p);
}

static void test_canvas_cells(void **state)
{
    (void)state;
    struct pty p;
    char line[600];
    pty_start(&p, "canvas", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    assert_int_equal(pty_cell(&p, 0, 5).chars[0], 0x6f22);
    assert_int_equal(pty_cell(&p, 0, 5).width, 2);
    assert_int_equal(pty_cell(&p, 0, 10).chars[0], '|');
    VTermScreenCell halt = pty_cell(&p, 1, 0);
    assert_true(!VTERM_COLOR_IS_DEFAULT_FG(&halt.fg) || halt.attrs.reverse);
    assert_true(pty_cell(&p, 2, 0).attrs.reverse);
    assert_true(pty_cell(&p, 2, 79).attrs.reverse);
    assert_false(pty_cell(&p, 3, 0).attrs.reverse);
    assert_int_equal(pty_cell(&p, 3, 0).chars[1], 0x301);
    assert_int_equal(pty_cell(&p, 3, 2).chars[0], 0x28ff);
    pty_row(&p, 4, line, sizeof line);
    assert_memory_equal(line, "??????????? ", 11); /* even a wide glyph in one column */
    assert_int_equal(pty_cell(&p, 4, 20).chars[0], 'a');
    assert_int_equal(pty_cell(&p, 4, 20).chars[1], 0);
    assert_int_equal(pty_cell(&p, 23, 79).chars[0], 'Z');
    assert_int_equal(pty_cell(&p, 0, 0).chars[0], 'w'); /* nothing scrolled */
    pty_send(&p, "x");
    assert_int_equal(pty_exit(&p), 0);
    pty_check_restored(&p);
    pty_check_clean(&p);
    pty_end(&p);
}

/* True when some cell of the screen has a colour that is not the terminal's own. */
static bool coloured(const struct pty *p, bool *rgb, bool *indexed)
{
    *rgb = *indexed = false;
    for (int r = 0; r < p->rows; r++) {
        for (int c = 0; c < p->cols; c++) {
            VTermScreenCell x = pty_cell(p, r, c);
            if (VTERM_COLOR_IS_DEFAULT_FG(&x.fg))
                continue;
            *rgb = *rgb || VTERM_COLOR_IS_RGB(&x.fg);
            *indexed = *indexed || VTERM_COLOR_IS_INDEXED(&x.fg);
        }
    }
    return *rgb || *indexed;
}

static void colours(const char *mode, const char *term, const char *const *env, bool want_rgb, bool want_indexed)
{
    struct pty p;
    bool rgb, indexed;
    pty_start(&p, mode, 30, 100, term, env);
    pty_fence(&p, 0, 100, 1);
    pty_order(&p, ORDER_HALT);
    pty_fence(&p, 0, 100, 2);
    assert_true(pty_has(&p, "HALT"));
    assert_int_equal(coloured(&p, &rgb, &indexed), want_rgb || want_indexed);
    assert_int_equal(rgb, want_rgb);
    assert_int_equal(indexed, want_indexed);
    leave(&p);
}

static void test_colours(void **state)
{
    (void)state;
    static const char *const no_color[] = {"NO_COLOR=1", NULL}, *const truecolor[] = {"COLORTERM=truecolor", NULL};
    colours("board", "xterm-256color", NULL, false, true);
    colours("board", "xterm-256color", truecolor, false, true); /* mapped: the description can't say more */
    colours("truecolor", "xterm-256color", NULL, true, false);
    colours("board", "xterm-direct", truecolor, true, false);
    colours("board", "linux", NULL, false, true);
    colours("board", "xterm-256color", no_color, false, false);
    colours("board", "vt220", NULL, false, false);
}

static void test_every_terminal_comes_back(void **state)
{
    (void)state;
    static const char *const terms[] = {"xterm-256color", "tmux-256color", "xterm-direct", "linux", "vt220"};
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        struct pty p;
        pty_start(&p, "board", 24, 80, terms[i], NULL);
        pty_fence(&p, 0, 80, 1);
        assert_true(pty_has(&p, "4471"));
        pty_key(&p, VTERM_KEY_DOWN);
        pty_fence(&p, 1, 80, 1);
        bool modern = i < 3;
        assert_int_equal(pty_raw_has(&p, "\033[?2004h", 0), modern);
        assert_int_equal(pty_raw_has(&p, "\033[?2026h", 0), modern);
        assert_int_equal(pty_raw_has(&p, "\033]2;andon", 0), modern);
        assert_int_equal(p.alt, modern);
        leave(&p);
    }
}

static void test_dumb_gets_plain_lines(void **state)
{
    (void)state;
    static const char *const terms[] = {"dumb", "no-such-terminal"};
    for (size_t i = 0; i < 2; i++) {
        struct pty p;
        char line[300];
        pty_start(&p, "board", 24, 80, terms[i], NULL);
        pty_send(&p, "halt 4466\n");
        pty_report(&p, line, sizeof line);
        assert_string_equal(line, "submit halt 4466 m.ito");
        pty_send(&p, "quit\n");
        assert_int_equal(pty_exit(&p), 0);
        assert_false(pty_raw_has(&p, "\033", 0));
        assert_true(pty_raw_has(&p, "rollout 4471", 0));
        pty_check_restored(&p);
        pty_check_clean(&p);
        pty_end(&p);
    }
}

static void test_resize(void **state)
{
    (void)state;
    static const int sizes[][2] = {{30, 100}, {5, 20}, {1, 1}, {30, 100}, {60, 200}, {24, 80}};
    struct pty p;
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pty_resize(&p, sizes[i][0], sizes[i][1]);
        pty_fence(&p, 0, sizes[i][1], 1);
        if (sizes[i][1] >= 80)
            assert_true(pty_has(&p, "4471"));
    }
    assert_int_equal(p.k, 0); /* KEY_RESIZE is not a key press */
    leave(&p);
}

static void test_repaint(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    vterm_screen_reset(p.screen, 1); /* somebody else wrote over the screen */
    assert_false(pty_has(&p, "4471"));
    pty_send(&p, "\014");
    pty_fence(&p, 1, 80, 1);
    assert_true(pty_has(&p, "4471"));
    leave(&p);
}

static void test_paste_never_acts(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    pty_send(&p, "\033[200~q\rH\r:rollback\r\033[201~");
    pty_fence(&p, 16, 80, 1); /* two marks, 14 characters */
    assert_true(pty_has(&p, "4471"));
    /* H opens the dialog, Enter halts: but only as keys. Nothing was sent before. */
    char line[300];
    pty_send(&p, "H");
    pty_fence(&p, 17, 80, 1);
    pty_send(&p, "\r");
    pty_report(&p, line, sizeof line);
    assert_string_equal(line, "submit halt 4471 m.ito");
    leave(&p);
}

static void test_unknown_sequences_do_not_act(void **state)
{
    (void)state;
    struct pty p;
    char line[300];
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    /* Ctrl-Home, a mouse report, a key with an unknown modifier, a cursor report end in H, M, A, R, B, Y. */
    pty_send(&p, "\033[1;5H\033[<0;3;4M\033[1;9A\033[5;3R\033[1;5B\033OY");
    pty_send(&p, "\022");
    pty_report(&p, line, sizeof line);
    assert_string_equal(line, "refresh"); /* no dialog was open to eat it */
    leave(&p);
}

static void test_notices(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    assert_int_equal(p.bells, 0);
    pty_order(&p, ORDER_HALT);
    pty_fence(&p, 0, 80, 2);
    assert_int_equal(p.bells, 1);
    assert_true(pty_raw_has(&p, "\033]2;andon: 1 HALT\033\\", 0));
    assert_true(pty_raw_has(&p, "\033]9;andon: ", 0));
    assert_true(pty_raw_has(&p, "\033]777;notify;andon;", 0));
    pty_order(&p, ORDER_NEXT);
    pty_fence(&p, 0, 80, 3);
    assert_int_equal(p.bells, 1); /* once for each halt */
    leave(&p);
}

static void test_copy(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    pty_send(&p, "y");
    pty_fence(&p, 1, 80, 1);
    pty_frame(&p);
    assert_true(pty_raw_has(&p, "\033]52;c;NDQ", 0)); /* base64 of "44.." */
    leave(&p);
}

static void test_audit_screen(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 30, 100, "xterm-256color", NULL);
    pty_fence(&p, 0, 100, 1);
    pty_send(&p, "l");
    while (!pty_has(&p, "R-REBOOT"))
        pty_frame(&p);
    pty_send(&p, "v");
    while (!pty_has(&p, "all sound"))
        pty_frame(&p);
    pty_send(&p, "q");
    pty_fence(&p, 3, 100, 1);
    leave(&p);
}

static void test_hostile_names(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "hostile", 30, 100, "xterm-256color", NULL);
    for (uint64_t g = 2; g < 12; g++) {
        pty_order(&p, g == 6 ? ORDER_HALT : ORDER_NEXT);
        pty_fence(&p, 0, 100, g);
    }
    for (const char *k = "jj\rl\033\033?\033"; *k; k++) {
        pty_send(&p, (char[]){*k, 0});
        pty_frame(&p);
    }
    pty_check_clean(&p);
    pty_end(&p);
}

int main(int argc, char **argv)
{
    int status;
    if (fixture_is_child(argc, argv, &status))
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_screen_needs_no_answer),
        cmocka_unit_test(test_board_and_wide_cells),
        cmocka_unit_test(test_canvas_cells),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_every_terminal_comes_back),
        cmocka_unit_test(test_dumb_gets_plain_lines),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_repaint),
        cmocka_unit_test(test_paste_never_acts),
        cmocka_unit_test(test_unknown_sequences_do_not_act),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_audit_screen),
        cmocka_unit_test(test_hostile_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
