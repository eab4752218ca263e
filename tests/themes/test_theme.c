/* Themes: every shipped one can be read at every depth, is readable, and mistakes are named. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "themes/theme.h"

static double linear(int v)
{
    double c = v / 255.0;
    return c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* Relative luminance and contrast: WCAG 2.1, "contrast ratio". */
static double luminance(int rgb)
{
    return 0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255) + 0.0722 * linear(rgb & 255);
}

static double contrast(int a, int b)
{
    double x = luminance(a), y = luminance(b);
    return ((x > y ? x : y) + 0.05) / ((x > y ? y : x) + 0.05);
}

/* xterm's colours 16..255: a cube of 6x6x6 and 24 greys. 0..15 belong to the terminal's owner. */
static int xterm_rgb(int i)
{
    static const int level[6] = {0, 95, 135, 175, 215, 255};
    if (i >= 232)
        return (8 + 10 * (i - 232)) * 0x010101;
    i -= 16;
    return level[i / 36] << 16 | level[i / 6 % 6] << 8 | level[i % 6];
}

static void check_on(const char *name, enum depth depth, int ground, int ink, double least)
{
    struct theme t;
    struct err e = {0};
    if (!theme_load(name, NULL, depth, &t, &e))
        fail_msg("%s: %s", name, e.what);
    for (int r = 0; r < ROLE_COUNT; r++) {
        int fg = t.role[r].fg, bg = t.role[r].bg;
        if (depth == DEPTH_256) {
            if ((fg >= 0 && fg < 16) || (bg >= 0 && bg < 16))
                continue;
            fg = fg < 0 ? -1 : xterm_rgb(fg);
            bg = bg < 0 ? -1 : xterm_rgb(bg);
        }
        double c = contrast(fg < 0 ? ink : fg, bg < 0 ? ground : bg);
        if (c < least)
            fail_msg("theme %s, role %s: contrast %.2f, at least %.1f is needed", name, role_name((enum role)r), c,
                     least);
        if (depth != DEPTH_MONO && (t.role[r].attrs & STYLE_DIM))
            fail_msg("theme %s, role %s: dim takes off contrast that nobody can compute", name,
                     role_name((enum role)r));
    }
}

static void test_contrast(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        enum depth d = k ? DEPTH_256 : DEPTH_TRUE;
        check_on("default", d, 0x000000, 0xFFFFFF, 4.5);
        check_on("default", d, 0xFFFFFF, 0x000000, 4.5);
        check_on("dark", d, 0x101010, 0xE0E0E0, 4.5);
        check_on("light", d, 0xFFFFFF, 0x000000, 4.5);
        check_on("deuter", d, 0x101010, 0xE0E0E0, 4.5);
        check_on("tritan", d, 0x101010, 0xE0E0E0, 4.5);
        check_on("high-contrast", d, 0x000000, 0xFFFFFF, 7.0);
    }
}

static void test_every_depth(void **state)
{
    (void)state;
    size_t n = 0;
    for (const char *const *name = theme_names(); *name; name++, n++) {
        for (int d = DEPTH_MONO; d <= DEPTH_TRUE; d++) {
            struct theme t;
            struct err e = {0};
            if (!theme_load(*name, NULL, (enum depth)d, &t, &e))
                fail_msg("%s: %s", *name, e.what);
            assert_string_equal(t.name, *name);
            for (int r = 0; r < ROLE_COUNT; r++) {
                int most = d == DEPTH_MONO ? -1 : d == DEPTH_16 ? 15 : d == DEPTH_256 ? 255 : 0xFFFFFF;
                assert_in_range(t.role[r].fg + 1, 0, most + 1);
                assert_in_range(t.role[r].bg + 1, 0, most + 1);
            }
        }
    }
    assert_int_equal(n, 8);
}

static void test_states_are_told_apart(void **state)
{
    (void)state;
    static const char *const coloured[] = {"default", "dark", "light", "high-contrast", "deuter", "tritan", NULL};
    for (size_t i = 0; coloured[i]; i++) {
        struct theme t;
        assert_true(theme_load(coloured[i], NULL, DEPTH_TRUE, &t, NULL));
        static const enum role pairs[][2] = {{ROLE_HALT, ROLE_WATCH}, {ROLE_WATCH, ROLE_RUN}, {ROLE_RUN, ROLE_DONE},
                                             {ROLE_GOOD, ROLE_BAD},   {ROLE_LIVE, ROLE_LOST}, {ROLE_TEXT, ROLE_STALE}};
        for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++)
            assert_memory_not_equal(&t.role[pairs[k][0]], &t.role[pairs[k][1]], sizeof t.role[0]);
    }
    struct theme mono;
    assert_true(theme_load("mono", NULL, DEPTH_TRUE, &mono, NULL));
    assert_true(mono.role[ROLE_HALT].attrs & STYLE_REVERSE);
    /* Without colours a background becomes reverse, else the banner would vanish. */
    assert_true(theme_load("dark", NULL, DEPTH_MONO, &mono, NULL));
    assert_true(mono.role[ROLE_BANNER].attrs & STYLE_REVERSE);
}

static char *folder(void)
{
    static const char templ[] = "/tmp/andon-theme-XXXXXX";
    char *dir = strdup(templ);
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void gone(char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    unlink(path);
    rmdir(dir);
    free(dir);
}

static void test_user_theme(void **state)
{
    (void)state;
    char *dir = folder();
    put(dir, "dark",
        "inherits: dark\npalette:\n  red: \"#010203 / 42 / cyan\"\nroles:\n  state: red underline\n  state.done: "
        "default\n");
    struct theme t;
    struct err e = {0};
    if (!theme_load("dark", dir, DEPTH_TRUE, &t, &e))
        fail_msg("%s", e.what);
    assert_int_equal(t.role[ROLE_BAD].fg, 0x010203); /* palette of the child, role of the parent */
    assert_int_equal(t.role[ROLE_DONE].fg, -1);      /* the child's own */
    assert_int_equal(t.role[ROLE_HALT].bg, 0x010203);
    assert_false(t.role[ROLE_HALT].attrs & STYLE_UNDERLINE); /* the longer prefix of the parent wins */
    assert_true(theme_load("dark", dir, DEPTH_256, &t, &e));
    assert_int_equal(t.role[ROLE_BAD].fg, 42);
    assert_true(theme_load("dark", dir, DEPTH_16, &t, &e));
    assert_int_equal(t.role[ROLE_BAD].fg, 6);
    gone(dir, "dark");
}

static void expect_error(const char *text, const char *word)
{
    char *dir = folder();
    put(dir, "mine", text);
    struct theme t;
    struct err e = {0};
    assert_false(theme_load("mine", dir, DEPTH_TRUE, &t, &e));
    if (!strstr(e.what, word))
        fail_msg("expected '%s' in: %s", word, e.what);
    gone(dir, "mine");
}

static void test_mistakes(void **state)
{
    (void)state;
    expect_error("palette:\n  a: \"#12345 / 1 / red\"\n", "#rrggbb");
    expect_error("palette:\n  a: \"#123456 / 256 / red\"\n", "0..255");
    expect_error("palette:\n  a: \"#123456 / 1 / reddish\"\n", "16 colours");
    expect_error("palette:\n  a: \"#123456 / 1\"\n", "three values");
    expect_error("roles:\n  state.halt: purple\n", "purple");
    expect_error("roles:\n  state.halt: default blink\n", "blink");
    expect_error("roles:\n  state.halted: default\n", "state.halted");
    expect_error("roles:\n  state.halt: default on\n", "expected");
    expect_error("inherits: nowhere\n", "nowhere");
    expect_error("inherits: ../../etc/passwd\n", "name of a theme");
    expect_error("color: red\n", "color");
    char *dir = folder();
    put(dir, "a", "inherits: b\n");
    char path[256];
    put(dir, "b", "inherits: a\n");
    struct theme t;
    struct err e = {0};
    assert_false(theme_load("a", dir, DEPTH_TRUE, &t, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    snprintf(path, sizeof path, "%s/b.yaml", dir);
    unlink(path);
    gone(dir, "a");
    assert_false(theme_load("", NULL, DEPTH_TRUE, &t, &e));
    assert_false(theme_load("none-such", NULL, DEPTH_TRUE, &t, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_depth_order(void **state)
{
    (void)state;
    assert_int_equal(theme_depth("256", true, "16", "truecolor", 8), DEPTH_256); /* --color */
    assert_int_equal(theme_depth("never", false, "true", "truecolor", 256), DEPTH_MONO);
    assert_int_equal(theme_depth("auto", true, "true", "truecolor", 256), DEPTH_MONO); /* NO_COLOR */
    assert_int_equal(theme_depth(NULL, false, "16", "truecolor", 256), DEPTH_16);      /* config */
    assert_int_equal(theme_depth(NULL, false, "auto", "truecolor", 256), DEPTH_TRUE);
    assert_int_equal(theme_depth(NULL, false, "", NULL, 256), DEPTH_256);
    assert_int_equal(theme_depth(NULL, false, "", "", 8), DEPTH_16);
    assert_int_equal(theme_depth(NULL, false, "", "", 0), DEPTH_MONO);
    assert_int_equal(theme_depth(NULL, false, "", "", -1), DEPTH_MONO);
    assert_int_equal(theme_depth(NULL, false, "", "", 0x1000000), DEPTH_TRUE);
}

static void test_role_names(void **state)
{
    (void)state;
    char seen[256] = {0};
    for (int r = 0; r < ROLE_COUNT; r++) {
        assert_non_null(role_name((enum role)r));
        unsigned char l = (unsigned char)role_letter((enum role)r);
        assert_false(seen[l]);
        seen[l] = 1;
    }
    assert_null(role_name(ROLE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_every_depth),
        cmocka_unit_test(test_states_are_told_apart),
        cmocka_unit_test(test_user_theme),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_depth_order),
        cmocka_unit_test(test_role_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
