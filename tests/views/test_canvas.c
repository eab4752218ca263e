/* The canvas: clipping, wide glyphs, marks, and no control character in any cell. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "views/canvas.h"

static char *text_of(const struct canvas *c)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    canvas_dump(c, false, &b);
    char *s = buf_take(&b);
    buf_release(&b);
    return s;
}

static void expect(const struct canvas *c, const char *want)
{
    char *s = text_of(c);
    assert_string_equal(s, want);
    free(s);
}

static void test_clipping(void **state)
{
    (void)state;
    struct canvas c;
    canvas_init(&c, 2, 8);
    assert_int_equal(canvas_text(&c, 0, 0, -1, ROLE_TEXT, "12345678"), 8);
    assert_int_equal(canvas_text(&c, 1, 2, 4, ROLE_TEXT, "abcdef"), 4);
    expect(&c, "12345678\n  abc…\n");
    assert_int_equal(canvas_text(&c, 0, 0, -1, ROLE_TEXT, "123456789"), 8);
    expect(&c, "1234567…\n  abc…\n");
    assert_int_equal(canvas_text(&c, -1, 0, -1, ROLE_TEXT, "x"), 0);
    assert_int_equal(canvas_text(&c, 2, 0, -1, ROLE_TEXT, "x"), 0);
    assert_int_equal(canvas_text(&c, 0, 8, -1, ROLE_TEXT, "x"), 0);
    assert_int_equal(canvas_text(&c, 0, -3, -1, ROLE_TEXT, "x"), 0);
    canvas_right(&c, 1, 0, 8, ROLE_TEXT, "9");
    canvas_right(&c, 1, 0, 3, ROLE_TEXT, "12345");
    expect(&c, "1234567…\n12…bc… 9\n");
    canvas_fill(&c, 0, 6, 99, ROLE_TEXT, '#');
    canvas_box(&c, -5, -5, 20, 20, ROLE_TEXT, "t");
    canvas_rule(&c, 9, 0, -1, ROLE_TEXT, "t");
    canvas_select(&c, 0, 4, 99);
    canvas_release(&c);
}

static void test_wide(void **state)
{
    (void)state;
    struct canvas c;
    canvas_init(&c, 1, 6);
    assert_int_equal(canvas_text(&c, 0, 0, -1, ROLE_TEXT, "漢字漢"), 6);
    expect(&c, "漢字漢\n");
    canvas_text(&c, 0, 1, 1, ROLE_TEXT, "x"); /* cuts the first one in half */
    expect(&c, " x字漢\n");
    canvas_text(&c, 0, 2, 1, ROLE_TEXT, "y");
    expect(&c, " xy 漢\n");
    canvas_clear(&c);
    assert_int_equal(canvas_text(&c, 0, 0, 5, ROLE_TEXT, "漢字漢"), 5); /* half of a glyph is never drawn */
    expect(&c, "漢字…\n");
    canvas_clear(&c);
    canvas_text(&c, 0, 0, -1, ROLE_TEXT, "e\xCC\x81\xCC\x82\xCC\x83x");
    assert_int_equal(c.cells[0].comb[0], 0x301);
    assert_int_equal(c.cells[0].comb[1], 0x302); /* a third mark is dropped */
    assert_int_equal(c.cells[1].glyph, 'x');
    canvas_release(&c);
}

static void test_unsafe_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x1b[2J",
                                      "a\nb",
                                      "\x7f",
                                      ("\xC2\x9B"
                                       "2J"),
                                      "\xE2\x80\xAE",
                                      "\xE2\x81\xA6",
                                      "\xEF\xBB\xBF",
                                      "\xF3\xA0\x80\x81",
                                      "\xE3\x85\xA4",
                                      "\xFF\xC0",
                                      "\xE2\x80\xA8",
                                      "\xEE\x80\x80",
                                      "\xC2\xAD"};
    for (int ascii = 0; ascii < 2; ascii++) {
        struct canvas c;
        canvas_init(&c, 1, 20);
        c.ascii = ascii;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            canvas_clear(&c);
            canvas_text(&c, 0, 0, -1, ROLE_TEXT, bad[i]);
            bool marked = false;
            for (int k = 0; k < 20; k++) {
                uint32_t g = c.cells[k].glyph;
                assert_true(g >= 0x20 && g != 0x7F && !(g >= 0x80 && g < 0xA0));
                assert_true(g != 0x202E && g != 0x2066 && g != 0xFEFF && g < 0xE0000 && g != 0x3164 && g != 0x2028);
                marked = marked || g == '?' || g == 0xFFFD;
            }
            assert_true(marked);
        }
        canvas_fill(&c, 0, 0, 3, ROLE_TEXT, 7);
        assert_int_equal(c.cells[0].glyph, '?');
        canvas_release(&c);
    }
}

static void test_ascii(void **state)
{
    (void)state;
    struct canvas c;
    canvas_init(&c, 2, 40);
    c.ascii = true;
    canvas_text(&c, 0, 0, -1, ROLE_TEXT, "✖▲◆●◐‖○✓↶ a → b … é漢");
    canvas_box(&c, 1, 0, 2, 4, ROLE_TEXT, NULL);
    for (int i = 0; i < 80; i++)
        assert_true(c.cells[i].glyph >= 0x20 && c.cells[i].glyph < 0x7F);
    char *s = text_of(&c);
    assert_memory_equal(s, "X!?*~=o+< a -> b ~ ???", 22);
    free(s);
    canvas_release(&c);
}

static void test_spark(void **state)
{
    (void)state;
    struct canvas c;
    canvas_init(&c, 1, 12);
    const float v[8] = {0, 1, 2, 3, NAN, 5, 6, 7};
    canvas_spark(&c, 0, 0, 8, ROLE_TEXT, v, 8, 7);
    expect(&c, "▁▂▃▄ ▆▇█\n");
    canvas_clear(&c);
    canvas_spark(&c, 0, 0, 4, ROLE_TEXT, v, 8, 7); /* two values a cell: the larger */
    expect(&c, "▂▄▆█\n");
    canvas_clear(&c);
    const float none[3] = {NAN, NAN, INFINITY}, zero[2] = {0, 0};
    canvas_spark(&c, 0, 0, 3, ROLE_TEXT, none, 3, 0);
    canvas_spark(&c, 0, 4, 2, ROLE_TEXT, zero, 2, 0);
    canvas_spark(&c, 0, 4, 0, ROLE_TEXT, zero, 2, 0);
    canvas_spark(&c, 0, 4, 9, ROLE_TEXT, zero, 0, 0);
    expect(&c, "    ▁▁\n");
    canvas_release(&c);
}

static void test_roles_dump(void **state)
{
    (void)state;
    struct canvas c;
    canvas_init(&c, 2, 5);
    canvas_text(&c, 0, 1, -1, ROLE_HALT, "ab");
    canvas_select(&c, 1, 1, 3);
    struct buf b;
    buf_init(&b, 1000);
    canvas_dump(&c, true, &b);
    assert_string_equal(b.data, ".HH\n.... <1-3\n");
    buf_release(&b);
    canvas_resize(&c, 0, -4);
    assert_int_equal(c.rows * c.cols, 1);
    canvas_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clipping), cmocka_unit_test(test_wide),  cmocka_unit_test(test_unsafe_text),
        cmocka_unit_test(test_ascii),    cmocka_unit_test(test_spark), cmocka_unit_test(test_roles_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
