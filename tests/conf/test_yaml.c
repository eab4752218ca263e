/* YAML against a schema: what is read, and every kind of error to the letter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/yaml.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/rng.h"

static const char *const colors[] = {"red", "green", "blue", NULL};
static const struct yfield pet_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "what it answers to"},
    {.key = "read_only", .type = YT_BOOL},
    {.key = "color", .type = YT_WORD, .words = colors},
    {0}};
static const struct yfield secret_fields[] = {{.key = "file", .type = YT_STR}, {0}};
static const struct yfield schema[] = {
    {.key = "title", .type = YT_STR, .doc = "a line of text"},
    {.key = "count", .type = YT_INT, .min = 1, .max = 10},
    {.key = "any_count", .type = YT_INT},
    {.key = "ratio", .type = YT_NUM, .min = 0, .max = 1},
    {.key = "number", .type = YT_NUM},
    {.key = "atleast", .type = YT_NUM, .min = 2, .max = INFINITY},
    {.key = "wait", .type = YT_DUR, .min = 1, .max = 3600},
    {.key = "pets", .type = YT_LIST, .item = YT_MAP, .fields = pet_fields, .min = 1, .max = 3},
    {.key = "words", .type = YT_LIST, .item = YT_STR},
    {.key = "sizes", .type = YT_DICT, .item = YT_NUM},
    {.key = "pet", .type = YT_MAP, .fields = pet_fields},
    {.key = "secret", .type = YT_MAP, .fields = secret_fields, .hush = true, .doc = "where it is, not what it is"},
    {0}};

struct fixture {
    struct arena a;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    arena_init(&f->a);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->a);
    free(f);
    return 0;
}

static const struct ynode *good(struct fixture *f, const char *yaml)
{
    const struct ynode *n = yaml_parse("a.yaml", yaml, strlen(yaml), schema, &f->a, &f->e);
    if (!n)
        print_error("%s\n", f->e.what);
    assert_non_null(n);
    return n;
}

static void bad_bytes(struct fixture *f, const char *yaml, size_t n, const char *what, const char *next)
{
    err_clear(&f->e);
    assert_null(yaml_parse("a.yaml", yaml, n, schema, &f->a, &f->e));
    assert_string_equal(f->e.what, what);
    assert_string_equal(f->e.next, next);
    assert_null(yaml_parse("a.yaml", yaml, n, schema, &f->a, NULL));
}

static void bad(struct fixture *f, const char *yaml, const char *what)
{
    bad_bytes(f, yaml, strlen(yaml), what, "");
}

static void bad_next(struct fixture *f, const char *yaml, const char *what, const char *next)
{
    bad_bytes(f, yaml, strlen(yaml), what, next);
}

static void reads_every_type(void **state)
{
    const struct ynode *n = good(*state, "# a comment\n"
                                         "title: 1.10  # stays as written\n"
                                         "count: 7\n"
                                         "ratio: 0.1\n"
                                         "number: -12.375\n"
                                         "wait: 1m30s\n"
                                         "pets:\n"
                                         "  - name: Rex\n"
                                         "    read_only: true\n"
                                         "    color: blue\n"
                                         "  - {name: \"a: b\", read_only: false}\n"
                                         "words: [one, 'two', \"thr\\te\"]\n"
                                         "sizes:\n"
                                         "  big one: 2\n"
                                         "  small: 0.5\n");
    assert_string_equal(y_str(n, "title", ""), "1.10");
    assert_int_equal(y_int(n, "count", 0), 7);
    assert_true(y_num(n, "ratio", 0) == 0.1);
    assert_true(y_num(n, "number", 0) == -12.375);
    assert_int_equal(y_dur(n, "wait", 0), 90 * US_PER_S);
    const struct ynode *pets = y_get(n, "pets");
    assert_int_equal(y_len(pets), 2);
    assert_true(y_bool(y_at(pets, 0), "read_only", false));
    assert_int_equal(y_word(y_at(pets, 0), "color", -1), 2);
    assert_false(y_bool(y_at(pets, 1), "read_only", true));
    assert_string_equal(y_str(y_at(pets, 1), "name", ""), "a: b");
    assert_int_equal(y_line(y_at(pets, 1)), 11);
    assert_string_equal(y_text(y_at(y_get(n, "words"), 2)), "thr\te");
    const struct ynode *sizes = y_get(n, "sizes");
    assert_string_equal(y_key_at(sizes, 0), "big one");
    assert_string_equal(y_key_at(sizes, 1), "small");
    assert_string_equal(y_text(y_at(sizes, 1)), "0.5");
}

static void gives_defaults(void **state)
{
    const struct ynode *n = good(*state, "");
    assert_false(y_has(n, "title"));
    assert_string_equal(y_str(n, "title", "x"), "x");
    assert_true(y_bool(y_get(n, "pet"), "read_only", true));
    assert_int_equal(y_int(n, "count", 5), 5);
    assert_true(y_num(n, "ratio", 0.5) == 0.5);
    assert_int_equal(y_dur(n, "wait", 9), 9);
    assert_int_equal(y_word(n, "color", -1), -1);
    assert_int_equal(y_len(y_get(n, "pets")), 0);
    assert_null(y_at(y_get(n, "pets"), 0));
    assert_null(y_key_at(NULL, 0));
    assert_string_equal(y_text(NULL), "");
    good(*state, "# nothing but a comment\n");
}

static void takes_other_spellings(void **state)
{
    good(*state, "\xef\xbb\xbftitle: after a byte order mark\n");
    good(*state, "title: x\r\ncount: 3\r\n");
    good(*state, "%YAML 1.2\n---\ntitle: x\n");
    const struct ynode *n = good(*state, "title: |\n  sum(x)\n  / 2\n");
    assert_string_equal(y_str(n, "title", ""), "sum(x)\n/ 2\n");
    n = good(*state, "title: \"\"\n");
    assert_string_equal(y_str(n, "title", "x"), "");
    n = good(*state, "title: Prüfstand 北京\n");
    assert_string_equal(y_str(n, "title", "x"), "Prüfstand 北京");
}

static void unknown_keys(void **state)
{
    bad(*state, "title: x\npet:\n  name: a\n  raed_only: true\n",
        "a.yaml:4: pet.raed_only: unknown key (did you mean read_only?)");
    bad(*state, "pet: {name: a, readOnly: true}\n", "a.yaml:1: pet.readOnly: unknown key (did you mean read_only?)");
    bad(*state, "Title: x\n", "a.yaml:1: Title: unknown key (did you mean title?)");
    bad_next(*state, "pet:\n  name: a\n  frobnicate: 1\n", "a.yaml:3: pet.frobnicate: unknown key",
             "known here: name, read_only, color");
    bad_next(*state, "<<: {title: x}\n", "a.yaml:1: <<: unknown key",
             "known here: title, count, any_count, ratio, number, atleast, wait, pets, words, sizes, pet, secret");
}

static void missing_and_double_keys(void **state)
{
    bad_next(*state, "title: x\npets:\n  - name: a\n  - color: red\n", "a.yaml:4: pets[1]: the key name is missing",
             "name: what it answers to");
    bad(*state, "title: x\ncount: 2\ntitle: y\n", "a.yaml:3: title: given twice, first in line 1");
    bad(*state, "sizes:\n  a: 1\n  a: 2\n", "a.yaml:3: sizes.a: given twice, first in line 2");
    bad(*state, "pet: {name: a, name: b}\n", "a.yaml:1: pet.name: given twice, first in line 1");
}

static void booleans(void **state)
{
    static const char *const wrong[] = {"flase", "yes", "no", "on", "True", "FALSE", "1", "0", "t", "null", "~"};
    bad(*state, "pets:\n- name: a\n  read_only: flase\n",
        "a.yaml:3: pets[0].read_only: expected true or false, found 'flase'");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char yaml[80], what[120];
        snprintf(yaml, sizeof yaml, "pet: {name: a, read_only: %s}\n", wrong[i]);
        snprintf(what, sizeof what, "a.yaml:1: pet.read_only: expected true or false, found '%s'", wrong[i]);
        bad(*state, yaml, what);
    }
    bad(*state, "pet: {name: a, read_only: \"true\"}\n",
        "a.yaml:1: pet.read_only: expected true or false, found \"true\" in quotes");
    bad(*state, "pet:\n  read_only:\n  name: a\n", "a.yaml:2: pet.read_only: expected true or false, found nothing");
    bad(*state, "pet: {name: a, read_only: [true]}\n", "a.yaml:1: pet.read_only: expected true or false, found a list");
}

static void numbers(void **state)
{
    static const char *const not_whole[] = {"1.5", "1e3", "0x10", "010", "1_000",
                                            "+3",  "--3", "",     "ten", "1000000000000000"};
    for (size_t i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++) {
        char yaml[80], what[120];
        snprintf(yaml, sizeof yaml, "any_count: %s\n", not_whole[i]);
        if (*not_whole[i])
            snprintf(what, sizeof what, "a.yaml:1: any_count: expected a whole number, found '%s'", not_whole[i]);
        else
            snprintf(what, sizeof what, "a.yaml:1: any_count: expected a whole number, found nothing");
        bad(*state, yaml, what);
    }
    bad(*state, "count: \"3\"\n", "a.yaml:1: count: expected a whole number, found \"3\" in quotes");
    bad(*state, "count: 0\n", "a.yaml:1: count: expected a whole number from 1 to 10, found '0'");
    bad(*state, "count: 11\n", "a.yaml:1: count: expected a whole number from 1 to 10, found '11'");
    struct fixture *f = *state;
    assert_int_equal(f->e.code, ERR_RANGE);
    bad(*state, "ratio: 1.01\n", "a.yaml:1: ratio: expected a number from 0 to 1, found '1.01'");
    bad(*state, "ratio: -0.1\n", "a.yaml:1: ratio: expected a number from 0 to 1, found '-0.1'");
    bad(*state, "ratio: 50%\n", "a.yaml:1: ratio: expected a number, found '50%'");
    bad(*state, "number: .5\n", "a.yaml:1: number: expected a number, found '.5'");
    bad(*state, "number: 5.\n", "a.yaml:1: number: expected a number, found '5.'");
    bad(*state, "number: 1.2.3\n", "a.yaml:1: number: expected a number, found '1.2.3'");
    bad(*state, "number: .inf\n", "a.yaml:1: number: expected a number, found '.inf'");
    bad(*state, "number: 1,5\n", "a.yaml:1: number: expected a number, found '1,5'");
    bad(*state, "atleast: 1.9\n", "a.yaml:1: atleast: expected a number of at least 2, found '1.9'");
    bad(*state, "sizes: {a: x}\n", "a.yaml:1: sizes.a: expected a number, found 'x'");
    assert_int_equal(y_int(good(*state, "any_count: 999999999999999"), "any_count", 0), INT64_C(999999999999999));
    assert_int_equal(y_int(good(*state, "any_count: -5"), "any_count", 0), -5);
    assert_true(y_num(good(*state, "number: 0"), "number", 1) == 0);
    assert_true(y_num(good(*state, "number: 0.000123"), "number", 1) == 0.000123);
    assert_true(y_num(good(*state, "number: 3.14159265358979"), "number", 1) == 3.14159265358979);
}

static void durations_and_words(void **state)
{
    bad(*state, "wait: 10\n", "a.yaml:1: wait: expected a duration such as 90s, 10m or 1h30m, found '10'");
    bad(*state, "wait: 10 min\n", "a.yaml:1: wait: expected a duration such as 90s, 10m or 1h30m, found '10 min'");
    bad(*state, "wait: 2h\n", "a.yaml:1: wait: expected a duration from 1s to 1h00m, found '2h'");
    bad(*state, "wait: 500ms\n", "a.yaml:1: wait: expected a duration from 1s to 1h00m, found '500ms'");
    bad(*state, "pet: {name: a, color: geen}\n",
        "a.yaml:1: pet.color: expected red, green or blue, found 'geen' (did you mean green?)");
    bad(*state, "pet: {name: a, color: Blue}\n",
        "a.yaml:1: pet.color: expected red, green or blue, found 'Blue' (did you mean blue?)");
    bad(*state, "pet: {name: a, color: mauve}\n", "a.yaml:1: pet.color: expected red, green or blue, found 'mauve'");
}

static void text_that_is_not(void **state)
{
    bad_next(*state, "title:\n", "a.yaml:1: title: expected text, found nothing", "title: a line of text");
    bad_next(*state, "title: ~\n", "a.yaml:1: title: expected text, found '~'", "title: a line of text");
    bad_next(*state, "title: null\n", "a.yaml:1: title: expected text, found 'null'", "title: a line of text");
    bad_next(*state, "title: [a]\n", "a.yaml:1: title: expected text, found a list", "title: a line of text");
    bad_next(*state, "title:\n  a: b\n", "a.yaml:2: title: expected text, found a map", "title: a line of text");
    bad(*state, "words: [a, , b]\n", "a.yaml:1: a value is missing here, or a comma or bracket is out of place");
    bad(*state, "words: [a, {b: c}]\n", "a.yaml:1: words[1]: expected text, found a map");
}

static void collections(void **state)
{
    bad(*state, "words: a\n", "a.yaml:1: words: expected a list ('- ...' lines), found 'a'");
    bad(*state, "words:\n", "a.yaml:1: words: expected a list ('- ...' lines), found nothing");
    bad(*state, "pet: a\n", "a.yaml:1: pet: expected a map ('key: value' lines), found 'a'");
    bad(*state, "sizes: []\n", "a.yaml:1: sizes: expected a map ('key: value' lines), found a list");
    bad(*state, "- a\n", "a.yaml:1: expected a map ('key: value' lines), found a list");
    bad(*state, "just words\n", "a.yaml:1: expected a map ('key: value' lines), found 'just words'");
    bad(*state, "pets: []\n", "a.yaml:1: pets: expected 1 to 3 items, found 0");
    bad(*state, "pets: [{name: a}, {name: b}, {name: c}, {name: d}]\n",
        "a.yaml:1: pets: expected 1 to 3 items, found 4");
}

static void secrets_are_not_shown(void **state)
{
    bad_next(*state, "secret: hunter2\n", "a.yaml:1: secret: expected a map ('key: value' lines)",
             "secret: where it is, not what it is");
}

static void yaml_that_is_refused(void **state)
{
    bad(*state, "title: &a x\n", "a.yaml:1: anchors (&) are not accepted; write the value out");
    bad(*state, "pet: &p\n  name: a\n", "a.yaml:1: anchors (&) are not accepted; write the value out");
    bad(*state, "words: &w [a]\n", "a.yaml:1: anchors (&) are not accepted; write the value out");
    bad(*state, "title: *a\n", "a.yaml:1: aliases (*) are not accepted; write the value out");
    bad(*state, "*a : x\n", "a.yaml:1: aliases (*) are not accepted; write the value out");
    bad(*state, "title: !!str x\n", "a.yaml:1: tags (!) are not accepted");
    bad(*state, "pet: !x {name: a}\n", "a.yaml:1: tags (!) are not accepted");
    bad(*state, "title: x\n---\ntitle: y\n", "a.yaml:2: a second document starts here; one file holds one");
    bad(*state, "[a, b]: c\n", "a.yaml:1: a key is one word, not a list or a map");
    bad(*state, "? {a: b}\n: c\n", "a.yaml:1: a key is one word, not a list or a map");
}

static void syntax(void **state)
{
    bad(*state, "title: x\npet:\n\tname: a\n", "a.yaml:3: a tab; YAML is indented with spaces only");
    bad(*state, "title: a: b\n",
        "a.yaml:1: a ':' where no key can be; quote the value, or check the indentation of this line");
    bad(*state, "title: x\n  count: 3\n",
        "a.yaml:2: a ':' where no key can be; quote the value, or check the indentation of this line");
    bad(*state, "title: \"x\ncount: 3\n", "a.yaml:1: a quote is opened here and never closed");
    bad(*state, "count: 3\ntitle: 'x\n\n", "a.yaml:2: a quote is opened here and never closed");
    bad(*state, "title: @x\n", "a.yaml:1: a value cannot start with '@'; put it in quotes");
    bad(*state, "title: `x`\n", "a.yaml:1: a value cannot start with '`'; put it in quotes");
    bad(*state, "title: %x\n", "a.yaml:1: a value cannot start with '%'; put it in quotes");
    bad(*state, "words: [a, b\ncount: 3\n", "a.yaml:1: a bracket is opened here and not closed, or a comma is missing");
    bad(*state, "pet: {name: a\n", "a.yaml:1: a bracket is opened here and not closed, or a comma is missing");
    bad(*state, "pet:\n    name: a\n  color: red\n",
        "a.yaml:3: does not line up with the lines above; check the indentation");
    bad(*state, "words:\n  - a\n   - b\n  c\n", "a.yaml:4: expected 'key: value', found no ':'");
    bad(*state, "title: x\ncount\n", "a.yaml:2: expected 'key: value', found no ':'");
    bad(*state, "title: \"C:\\path\"\n",
        "a.yaml:1: an unknown escape in double quotes; write \\\\ for a backslash, or use single quotes");
}

static void bytes_that_are_not_text(void **state)
{
    struct fixture *f = *state;
#define NOT_TEXT(yaml, what) bad_bytes(f, yaml, sizeof(yaml) - 1, what, "")
    NOT_TEXT("title: x\ncount: \xff\n", "a.yaml:2: \\xFF is not text; expected UTF-8 without control characters");
    NOT_TEXT("title: \xe2\x82", "a.yaml:1: \\xE2 is not text; expected UTF-8 without control characters");
    NOT_TEXT("title: a\0b\n", "a.yaml:1: <U+0000> is not text; expected UTF-8 without control characters");
    NOT_TEXT("# \x1b[2J\n", "a.yaml:1: <U+001B> is not text; expected UTF-8 without control characters");
    NOT_TEXT("title: a\xc2\x85"
             "b\n",
             "a.yaml:1: <U+0085> is not text; expected UTF-8 without control characters");
    NOT_TEXT("# a\xe2\x80\xa8title: b\n", "a.yaml:1: <U+2028> is not text; expected UTF-8 without control characters");
    NOT_TEXT("\xff\xfet\0i\0", "a.yaml:1: \\xFF is not text; expected UTF-8 without control characters");
    NOT_TEXT("title: \"\\e[2J\"\n", "a.yaml:1: the character <U+001B> hides or steers text and is not accepted");
    NOT_TEXT("title: \"a\\0b\"\n", "a.yaml:1: the character <U+0000> hides or steers text and is not accepted");
    NOT_TEXT("\n\ntitle: \"\\u202e\"\n", "a.yaml:3: the character <U+202E> hides or steers text and is not accepted");
    NOT_TEXT("title: a\xe2\x80\x8b"
             "b\n",
             "a.yaml:1: the character <U+200B> hides or steers text and is not accepted");
    NOT_TEXT("\"\\a\": b\n", "a.yaml:1: the character <U+0007> hides or steers text and is not accepted");
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 4 << 20);
    for (int i = 0; i < 17; i++)
        buf_adds(&b, "[");
    bad(f, b.data, "a.yaml:1: nested deeper than 16");
    assert_int_equal(f->e.code, ERR_LIMIT);
    buf_clear(&b);
    for (int i = 0; i < (1 << 20) - 1; i++)
        buf_addc(&b, '[');
    bad(f, b.data, "a.yaml:1: nested deeper than 16");
    buf_adds(&b, "[[");
    bad(f, b.data, "a.yaml: larger than the 1048576 bytes allowed");
    buf_clear(&b);
    buf_adds(&b, "words:\n");
    for (int i = 0; i < 100001; i++)
        buf_adds(&b, "- a\n");
    bad(f, b.data, "a.yaml:99999: more than 100000 values");
    buf_clear(&b);
    buf_adds(&b, "sizes:\n");
    for (int i = 0; i < 4097; i++)
        buf_printf(&b, "  k%d: 1\n", i);
    bad(f, b.data, "a.yaml:4098: sizes: more than 4096 keys");
    buf_release(&b);
}

static void errors_fit_and_are_safe(void **state)
{
    struct fixture *f = *state;
    char path[400];
    memset(path, 'd', sizeof path);
    memcpy(path + sizeof path - 9, "/a.yaml", 8);
    assert_null(yaml_parse(path, "count: x\n", 9, schema, &f->a, &f->e));
    assert_non_null(strstr(f->e.what, "dd/a.yaml:1: count: expected a whole number, found 'x'"));
    assert_int_equal(strncmp(f->e.what, "…", 3), 0);
    assert_null(yaml_parse("\x1b]0;.yaml", "count: x\n", 9, schema, &f->a, &f->e));
    assert_string_equal(f->e.what, "<U+001B>]0;.yaml:1: count: expected a whole number, found 'x'");
    char yaml[2000] = "count: ";
    memset(yaml + 7, 'x', 1500);
    assert_null(yaml_parse("a.yaml", yaml, strlen(yaml), schema, &f->a, &f->e));
    assert_true(strlen(f->e.what) < 140);
    assert_non_null(strstr(f->e.what, "xxx…'"));
}

static void own_checks(void **state)
{
    struct fixture *f = *state;
    const struct ynode *n = good(f, "title: x\npets:\n  - name: a\n  - name: b\n");
    assert_false(y_err(y_get(y_at(y_get(n, "pets"), 1), "name"), &f->e, "'%s' is taken", "b"));
    assert_string_equal(f->e.what, "a.yaml:4: pets[1].name: 'b' is taken");
    assert_false(y_err(n, &f->e, "no"));
    assert_string_equal(f->e.what, "a.yaml:1: no");
    n = good(f, "title: \"a\\tb\\nc\"\n"); /* a value may hold them; what is shown of it may not */
    assert_false(y_err(y_get(n, "title"), &f->e, "found '%s'", y_str(n, "title", "")));
    assert_string_equal(f->e.what, "a.yaml:1: title: found 'a<U+0009>b<U+000A>c'");
}

static void loads_files(void **state)
{
    struct fixture *f = *state;
    assert_null(yaml_load("/nonexistent/x.yaml", schema, &f->a, &f->e));
    assert_int_equal(f->e.code, ERR_NOT_FOUND);
    assert_string_equal(f->e.what, "there is no file /nonexistent/x.yaml");
    assert_null(yaml_load("/dev/zero", schema, &f->a, &f->e));
    assert_string_equal(f->e.what, "/dev/zero is not a regular file");
}

/* Old ends of line count as ends of line, and what stands at a place is shown whole and safe: libyaml counts both CR
 * and CR LF, and a column is a character. */
static void places(void **state)
{
    bad(*state, "title: x\rcount: @\r", "a.yaml:2: a value cannot start with '@'; put it in quotes");
    bad(*state, "title: x\r\ncount: @\r\n", "a.yaml:2: a value cannot start with '@'; put it in quotes");
    bad(*state, "# \xc3\xa4\r\r\rtitle: g\xc3\xa4\rcount:\r  %x\r",
        "a.yaml:6: a value cannot start with '%'; put it in quotes");
    bad(*state, "# a\r# b\r\ttitle: x\n", "a.yaml:3: a tab; YAML is indented with spaces only");
    bad_bytes(*state, "title: x\rcount: 7\rtitle\0: x\n", 26,
              "a.yaml:3: <U+0000> is not text; expected UTF-8 without control characters", "");
}

/* Files made of YAML's own pieces at random: an error or a tree, never a crash or an endless loop, and errors that
 * can be shown. */
static void random_files(void **state)
{
    static const char *const bits[] = {"title", "count", "pets", "name",     "pet",   "words", ": ", ":",
                                       "- ",    "\n",    "\n  ", "\n    ",   "[",     "]",     "{",  "}",
                                       ", ",    "'",     "\"",   "\\",       "#",     "|",     ">",  "&a ",
                                       "*a",    "!!",    "%",    "---\n",    "...\n", "?",     "x",  "1",
                                       "\t",    "true",  "~",    "\xc3\xa9", "\xff",  "\x01",  "\r", "@"};
    struct fixture *f = *state;
    struct rng r;
    rng_init(&r, 77);
    int parsed = 0;
    for (int round = 0; round < 20000; round++) {
        char yaml[256];
        size_t n = 0, want = rng_below(&r, 40);
        for (size_t i = 0; i < want && n < sizeof yaml - 8; i++) {
            const char *bit = bits[rng_below(&r, sizeof bits / sizeof bits[0])];
            memcpy(yaml + n, bit, strlen(bit));
            n += strlen(bit);
        }
        struct arena a;
        arena_init(&a);
        err_clear(&f->e);
        if (yaml_parse("a.yaml", yaml, n, schema, &a, &f->e)) {
            parsed++;
        } else {
            assert_int_equal(strncmp(f->e.what, "a.yaml:", 7), 0);
            for (const char *p = f->e.what; *p; p++)
                assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
        }
        arena_release(&a);
    }
    assert_true(parsed > 50);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(reads_every_type),
        T(gives_defaults),
        T(takes_other_spellings),
        T(unknown_keys),
        T(missing_and_double_keys),
        T(booleans),
        T(numbers),
        T(durations_and_words),
        T(text_that_is_not),
        T(collections),
        T(secrets_are_not_shown),
        T(yaml_that_is_refused),
        T(syntax),
        T(bytes_that_are_not_text),
        T(limits),
        T(errors_fit_and_are_safe),
        T(own_checks),
        T(loads_files),
        T(places),
        T(random_files),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
