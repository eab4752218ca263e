/* Tables as text: what RFC 4180 allows, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/csv.h"

/* The rows as "a|b;c|d", or the error's sentence behind them. */
static void read_all(const char *bytes, size_t n, char *out, size_t size)
{
    struct csv c;
    struct arena a;
    struct slice cell[4];
    struct err e = {0};
    size_t cells, at = 0;
    out[0] = '\0';
    arena_init(&a);
    csv_open(&c, "f.csv", bytes, n);
    while (csv_next(&c, &a, cell, 4, &cells, &e)) {
        at += (size_t)snprintf(out + at, size - at, "%d:", c.line);
        for (size_t i = 0; i < cells; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%.*s", i ? "|" : "", (int)cell[i].n, cell[i].p);
        at += (size_t)snprintf(out + at, size - at, ";");
    }
    if (e.code != ERR_NONE)
        snprintf(out + at, size - at, "%s", e.what);
    arena_release(&a);
}

static void rows_as_written(void **state)
{
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        {"", ""},
        {"\n\r\n", ""},
        {"a", "1:a;"},
        {"a,b\nc,d", "1:a|b;2:c|d;"},
        {"a,b\r\nc,d\r\n", "1:a|b;2:c|d;"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "1:a|b;"},
        {"a,\n,b\n", "1:a|;2:|b;"},
        {"\"a,b\",\"c\"\"d\"\n", "1:a,b|c\"d;"},
        {"\"\",\"\"\"\"\n", "1:|\";"},
        {"\"a\nb\",c\nd,e\n", "1:a\nb|c;3:d|e;"},
        {"\n\na,b\n\nc,d\n", "3:a|b;5:c|d;"},
        {"a b , c\n", "1:a b | c;"},
        {"a,b,c,d\n", "1:a|b|c|d;"},
        {"a,b,c,d,e\n", "f.csv:1: there are more cells than columns"},
        {"a\nb\"c\n", "1:a;f.csv:2: a quote stands in the middle of a cell"},
        {"\"a\"b\n", "f.csv:1: there is text behind a closing quote"},
        {"a\n\"b\nc", "1:a;f.csv:2: a quote is never closed"},
        {"a\rb\n", "f.csv:1: a carriage return stands in the middle of a line"},
        {"a\xff\n", "f.csv:1: a cell is not text in UTF-8"},
    };
    char got[400];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all(cases[i].bytes, strlen(cases[i].bytes), got, sizeof got);
        assert_string_equal(got, cases[i].want);
    }
    read_all("a\0b\n", 4, got, sizeof got);
    assert_string_equal(got, "f.csv:1: a cell is not text in UTF-8");
}

static void a_long_cell_is_refused(void **state)
{
    static char bytes[70000];
    char got[400];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    read_all(bytes, sizeof bytes, got, sizeof got);
    assert_string_equal(got, "f.csv:1: a cell is longer than 65,536 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_as_written), cmocka_unit_test(a_long_cell_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
