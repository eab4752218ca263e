/* safe_text: what is kept, what becomes visible, clipping, widths; and that no bytes whatever get through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "core/text.h"

static char *safe(const char *s, size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_true(safe_text_append(&b, s, n));
    char *out = buf_take(&b);
    buf_release(&b);
    return out;
}

static void check(const char *in, size_t n, const char *want)
{
    char *got = safe(in, n);
    assert_string_equal(got, want);
    free(got);
}

#define CHECK(in, want) check(in, sizeof(in) - 1, want)

static void keeps_printable_text(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("hearth 4.12.1 ~!\"\\", "hearth 4.12.1 ~!\"\\");
    CHECK("Prüfstand Ω 北京 한국 ไทย हिन्दी ✓ 🚀", "Prüfstand Ω 北京 한국 ไทย हिन्दी ✓ 🚀");
    CHECK("e\u0301", "e\u0301");
    CHECK("a\u0301\u0302b\u0301", "a\u0301\u0302b\u0301");
    CHECK("\u00a0\u2003\u3000\ufffd", "\u00a0\u2003\u3000\ufffd");
}

static void shows_what_hides_or_steers(void **state)
{
    (void)state;
    CHECK("a\0b", "a<U+0000>b");
    CHECK("\x1b[2J\a\r\n\t", "<U+001B>[2J<U+0007><U+000D><U+000A><U+0009>");
    CHECK("\x7f", "<U+007F>");
    CHECK("\xc2\x80\xc2\x9b\xc2\x9f", "<U+0080><U+009B><U+009F>");
    CHECK("\u202a\u202b\u202c\u202d\u202e", "<U+202A><U+202B><U+202C><U+202D><U+202E>");
    CHECK("\u2066\u2067\u2068\u2069", "<U+2066><U+2067><U+2068><U+2069>");
    CHECK("\u200e\u200f\u061c", "<U+200E><U+200F><U+061C>");
    CHECK("\u200b\u200c\u200d\u2060\u00ad", "<U+200B><U+200C><U+200D><U+2060><U+00AD>");
    CHECK("\ufeff", "<U+FEFF>");
    CHECK("\U000e0041\U000e0001\U000e0100", "<U+E0041><U+E0001><U+E0100>");
    CHECK("\u3164\u115f\u1160\uffa0", "<U+3164><U+115F><U+1160><U+FFA0>");
    CHECK("\u2028\u2029", "<U+2028><U+2029>");
    CHECK("\ue000\U000f0000\U0010fffd", "<U+E000><U+F0000><U+10FFFD>");
    CHECK("\u0378\U000323b0", "<U+0378><U+323B0>");
    CHECK("\ufdd0\ufffe\uffff\U0010ffff", "<U+FDD0><U+FFFE><U+FFFF><U+10FFFF>");
    CHECK("x\ufe0f\u034f", "x<U+FE0F><U+034F>");
}

static void stacks_at_most_two_marks(void **state)
{
    (void)state;
    CHECK("a\u0301\u0302\u0303\u0304z", "a\u0301\u0302<U+0303><U+0304>z");
    CHECK("\u0301x", "<U+0301>x");           /* nothing of its own to sit on */
    CHECK("\x1b\u0301", "<U+001B><U+0301>"); /* must not decorate the stand-in */
    CHECK("a\x1b\u0301", "a<U+001B><U+0301>");
    CHECK("\xff\u0301", "\\xFF<U+0301>");
    CHECK("\u1112\u1161\u11ab", "\u1112\u1161\u11ab"); /* one syllable in three jamo */
    CHECK("\u1112\u1161\u1161\u1161", "\u1112\u1161\u1161<U+1161>");
}

static void shows_bad_bytes(void **state)
{
    (void)state;
    CHECK("\x80", "\\x80");
    CHECK("\xc0\x80", "\\xC0\\x80"); /* overlong NUL */
    CHECK("\xc1\xbf", "\\xC1\\xBF");
    CHECK("\xe0\x9f\xbf", "\\xE0\\x9F\\xBF");          /* overlong */
    CHECK("\xf0\x8f\xbf\xbf", "\\xF0\\x8F\\xBF\\xBF"); /* overlong */
    CHECK("\xed\xa0\x80", "\\xED\\xA0\\x80");          /* surrogate */
    CHECK("\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"); /* past U+10FFFF */
    CHECK("\xf5\xfe\xff", "\\xF5\\xFE\\xFF");
    CHECK("a\xe2\x82", "a\\xE2\\x82"); /* cut short */
    CHECK("\xe2\x82z", "\\xE2\\x82z");
    CHECK("\x9b[31m", "\\x9B[31m");         /* raw 8-bit CSI */
    check("\xe2\x82\xac", 2, "\\xE2\\x82"); /* never looks past n */
}

static void says_when_the_buffer_is_full(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_false(safe_text_append(&b, "\x1b\x1b", 2));
    assert_string_equal(b.data, "<U+001B>");
    buf_release(&b);
}

static void clips_between_characters(void **state)
{
    (void)state;
    char d[16];
    safe_text_into(d, 8, "1234567", 7);
    assert_string_equal(d, "1234567");
    safe_text_into(d, 8, "12345678", 8);
    assert_string_equal(d, "1234…");
    safe_text_into(d, 8, "123€€", 9); /* the euro would be cut in two beside the dots */
    assert_string_equal(d, "123…");
    safe_text_into(d, 8, "\x1b\x1b", 2);
    assert_string_equal(d, "…");
    safe_text_into(d, 3, "1234", 4); /* no room for dots */
    assert_string_equal(d, "12");
    safe_text_into(d, 1, "1234", 4);
    assert_string_equal(d, "");
    d[0] = 'x';
    safe_text_into(d, 0, "1234", 4);
    assert_int_equal(d[0], 'x');
    safe_text_into(d, sizeof d, NULL, 5);
    assert_string_equal(d, "");
}

static void clips_into_an_arena(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_string_equal(safe_text(&a, NULL, 9, 10), "");
    assert_string_equal(safe_text(&a, "", 0, 10), "");
    assert_string_equal(safe_text(&a, "abc", 3, 10), "abc");
    assert_string_equal(safe_text(&a, "\a", 1, 512), "<U+0007>");
    char big[10240];
    memset(big, 'x', sizeof big);
    const char *s = safe_text(&a, big, sizeof big, 512);
    assert_int_equal(strlen(s), 512);
    assert_string_equal(s + 509, "…");
    assert_string_equal(safe_text(&a, s, 512, 512), s);
    s = safe_text(&a, big, sizeof big, 20000);
    assert_int_equal(strlen(s), sizeof big);
    arena_release(&a);
}

/* Nothing that steers a terminal may be in it. Written without utf8proc. */
static void assert_harmless(const char *s, size_t n)
{
    assert_true(text_valid(s, n));
    for (size_t i = 0; i < n; i++)
        assert_true((unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp = text_next(s + i, &len);
        assert_false(cp >= 0x80 && cp < 0xa0);
        assert_false((cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
                     (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || cp == 0x061c || cp == 0x3164);
        assert_false((cp >= 0xd800 && cp <= 0xf8ff) || cp >= 0xe0000);
    }
}

static void any_bytes_come_out_harmless(void **state)
{
    (void)state;
    static const char *const spice[] = {"\xc2\x9b",
                                        "\xe2\x80\xae",
                                        "\xef\xbb\xbf",
                                        "\xcc\x81",
                                        "\xcc\x81\xcc\x81",
                                        "\xf3\xa0\x81\x81",
                                        "\x1b]0;",
                                        "\xe3\x85\xa4",
                                        "e",
                                        "\xed\xa0",
                                        "…",
                                        "<U+",
                                        "\\x9"};
    struct rng r;
    rng_init(&r, 20260101);
    for (int round = 0; round < 30000; round++) {
        char in[200];
        size_t n = 0, want = rng_below(&r, 120);
        while (n < want) {
            if (rng_below(&r, 3) == 0) {
                const char *s = spice[rng_below(&r, sizeof spice / sizeof spice[0])];
                memcpy(in + n, s, strlen(s));
                n += strlen(s);
            } else {
                in[n++] = (char)rng_below(&r, 256);
            }
        }
        char *once = safe(in, n);
        assert_harmless(once, strlen(once));
        char *twice = safe(once, strlen(once));
        assert_string_equal(twice, once);
        char clip[64], again[64];
        size_t size = rng_below(&r, sizeof clip) + 1;
        safe_text_into(clip, size, in, n);
        assert_true(strlen(clip) < size);
        assert_harmless(clip, strlen(clip));
        safe_text_into(again, size, clip, strlen(clip));
        assert_string_equal(again, clip);
        free(once);
        free(twice);
    }
}

/* Every code point by itself: kept or shown as its own number, and idempotent. */
static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t cp = 0x80; cp < 0x110000; cp++) {
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        char in[8] = "x";
        size_t n = 1;
        if (cp < 0x800) {
            in[n++] = (char)(0xc0 | cp >> 6);
        } else if (cp < 0x10000) {
            in[n++] = (char)(0xe0 | cp >> 12);
            in[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
        } else {
            in[n++] = (char)(0xf0 | cp >> 18);
            in[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
            in[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
        }
        in[n++] = (char)(0x80 | (cp & 0x3f));
        size_t len;
        assert_int_equal(text_next(in + 1, &len), cp);
        assert_int_equal(len, n - 1);
        char out[32], shown[32];
        safe_text_into(out, sizeof out, in, n);
        snprintf(shown, sizeof shown, "x<U+%04X>", cp);
        assert_true(strcmp(out, in) == 0 || strcmp(out, shown) == 0);
        assert_harmless(out, strlen(out));
        int w = text_cp_width(cp);
        assert_true(w >= 0 && w <= 2);
    }
}

static void knows_widths(void **state)
{
    (void)state;
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("北京"), 4);
    assert_int_equal(text_width("한국"), 4);
    assert_int_equal(text_width("ｗ"), 2);
    assert_int_equal(text_width("e\u0301"), 1);
    assert_int_equal(text_width("\u1112\u1161\u11ab"), 2); /* jamo in one cell pair */
    assert_int_equal(text_width("का"), 2);                 /* a spacing mark takes a column */
    assert_int_equal(text_width("🚀"), 2);
    /* ambiguous: one column */
    assert_int_equal(text_width("─█░▁…°±α"), 8);
    assert_int_equal(text_cp_width(0x1b), 0);
}

static void fits_columns(void **state)
{
    (void)state;
    assert_int_equal(text_fit("abc", 2), 2);
    assert_int_equal(text_fit("abc", 5), 3);
    assert_int_equal(text_fit("abc", 0), 0);
    assert_int_equal(text_fit("abc", -1), 0);
    assert_int_equal(text_fit("北京", 3), 3);     /* half a character is none */
    assert_int_equal(text_fit("e\u0301x", 1), 3); /* the mark goes with its letter */
}

static void reads_code_points(void **state)
{
    (void)state;
    size_t len;
    assert_int_equal(text_next("\xff", &len), 0xfffd);
    assert_int_equal(len, 1);
    assert_int_equal(text_next("\xe2\x82", &len), 0xfffd); /* stops at the NUL */
    assert_int_equal(len, 1);
    assert_int_equal(text_next("€", &len), 0x20ac);
    assert_int_equal(len, 3);
    assert_true(text_valid("a€", 4));
    assert_false(text_valid("a€", 3));
    assert_true(text_valid("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_printable_text),
        cmocka_unit_test(shows_what_hides_or_steers),
        cmocka_unit_test(stacks_at_most_two_marks),
        cmocka_unit_test(shows_bad_bytes),
        cmocka_unit_test(says_when_the_buffer_is_full),
        cmocka_unit_test(clips_between_characters),
        cmocka_unit_test(clips_into_an_arena),
        cmocka_unit_test(any_bytes_come_out_harmless),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(knows_widths),
        cmocka_unit_test(fits_columns),
        cmocka_unit_test(reads_code_points),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
