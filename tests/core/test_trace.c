/* The lines of a trace: what is masked, what is clipped, what stands for bytes that are no text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/json.h"
#include "core/trace.h"

struct sink {
    struct trace trace;
    char *line;
    size_t n;
    int lines;
};

static void put(struct trace *t, char *line, size_t n)
{
    struct sink *s = (struct sink *)t;
    free(s->line);
    s->line = line;
    s->n = n;
    s->lines++;
}

static void kinds_are_words(void **state)
{
    uint32_t k;
    (void)state;
    assert_true(trace_kinds_parse("", &k));
    assert_int_equal(k, TRACE_ALL);
    assert_true(trace_kinds_parse("wire,verbs", &k));
    assert_int_equal(k, 1u << TRACE_WIRE | 1u << TRACE_VERBS);
    assert_true(trace_kinds_parse(" poll, trial,", &k));
    assert_int_equal(k, 1u << TRACE_POLL | 1u << TRACE_TRIAL);
    assert_false(trace_kinds_parse("wires", &k));
    assert_int_equal(k, 0);
    assert_false(trace_kinds_parse("wir,wire", &k));
    assert_int_equal(k, 1u << TRACE_WIRE);
}

static void secrets_are_masked_and_nothing_else(void **state)
{
    static const struct trace_secrets known = {{"hunter2", "pw", "", NULL, "hunter2-long"}};
    static const char *const cases[][2] = {
        {"", ""},
        {"nothing here", "nothing here"},
        {"say hunter2!", "say [secret]!"},
        {"hunter2hunter2", "[secret][secret]"},
        {"hunter2-longer", "[secret]er"},
        {"hunter", "hunter"},
        {"{\"securityToken\":\"abc\",\"n\":1}", "{\"securityToken\":\"[secret]\",\"n\":1}"},
        {"{\"Password\" : \"a\\\"b\", \"x\":\"y\"}", "{\"Password\" : \"[secret]\", \"x\":\"y\"}"},
        {"{\\\"token\\\":\\\"abc\\\",1", "{\\\"token\\\":\\\"[secret]"},
        {"{\"token\":\"\",\"secret\":null,\"tokens\":7}", "{\"token\":\"\",\"secret\":null,\"tokens\":7}"},
        {"?q=a&access_token=abc&n=1", "?q=a&access_token=[secret]&n=1"},
        {"up{api_key=\"abc\",id=\"1\"} 1", "up{api_key=\"[secret]\",id=\"1\"} 1"},
        {"https://u:p@host/x", "https://[secret]@host/x"},
        {"https://u:p@q@host", "https://[secret]@host"},
        {"https://host/a@b", "https://host/a@b"},
        {"Authorization: Basic QWxhZGRpbjpvcGVu", "Authorization: Basic [secret]"},
        {"basic course; Bearer of news", "basic course; Bearer of news"},
        {"bearer abcdefgh.ijk-_~x,", "bearer [secret],"},
        {"the token: is a word", "the token: is a word"},
        {"\"token", "\"token"},
        {"token=", "token="},
        {"https://", "https://"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, SIZE_MAX);
        trace_mask(&out, cases[i][0], strlen(cases[i][0]), &known);
        assert_string_equal(out.data, cases[i][1]);
        buf_release(&out);
    }
}

/* Every prefix of a text, in a block of its own length: the sanitizer sees a byte read past the end. */
static void nothing_is_read_past_the_end(void **state)
{
    static const char text[] =
        "{\"apiToken\" : \"x\\\"\",\\\"token\\\":\\\"a\\\"} https://a:b@c Basic QWxhZGRpbg== key?token=\"a\" Bearer ";
    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        char *p = malloc(n ? n : 1);
        struct buf out;
        memcpy(p, text, n);
        buf_init(&out, SIZE_MAX);
        trace_mask(&out, p, n, NULL);
        buf_release(&out);
        free(p);
    }
}

static struct json_t *line_with(struct sink *s, const char *bytes, size_t n)
{
    struct trace_line l;
    struct err e = {0};
    assert_true(trace_begin(&l, &s->trace, TRACE_WIRE, clock_real(), "homes", "answered"));
    trace_text(&l, "body", bytes, n, NULL);
    trace_end(&l);
    assert_int_equal(s->line[s->n - 1], '\n');
    assert_null(memchr(s->line, '\n', s->n - 1));
    struct json_t *o = json_parse(s->line, s->n, TRACE_LINE_MAX, "line", &e);
    if (!o)
        fail_msg("%s", e.what);
    assert_string_equal(json_str(o, "kind", NULL), "wire");
    assert_string_equal(json_str(o, "fleet", NULL), "homes");
    int64_t v;
    assert_true(json_int(o, "mono_us", &v) && v > 0 && json_str(o, "time", NULL));
    return o;
}

static void a_line_holds_any_bytes(void **state)
{
    struct sink s = {.trace = {.kinds = 1u << TRACE_WIRE, .put = put}};
    struct json_t *o;
    (void)state;
    o = line_with(&s, "a\n\x7f\xc2\x85\"\\\xf0\x9f\x98\x80", 11);
    assert_string_equal(json_str(o, "body", NULL), "a\n\x7f\xc2\x85\"\\\xf0\x9f\x98\x80");
    json_free(o);
    o = line_with(&s, "a\0b", 3);
    assert_null(json_str(o, "body", NULL));
    assert_string_equal(json_str(o, "body_hex", NULL), "610062");
    json_free(o);
    o = line_with(&s, "\xff\xfe", 2);
    assert_string_equal(json_str(o, "body_hex", NULL), "fffe");
    json_free(o);
    free(s.line);
}

static void what_is_too_long_is_clipped_with_its_length_and_digest(void **state)
{
    struct sink s = {.trace = {.kinds = 1u << TRACE_WIRE, .put = put}};
    size_t n = TRACE_BODY_MAX + 1, got;
    char *text = malloc(n), digest[SHA256_HEX];
    int64_t bytes;
    (void)state;
    memset(text, 'x', n);
    for (size_t i = 1; i + 1 < n; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* the clip falls inside one */
    struct json_t *o = line_with(&s, text, n - 2);
    assert_null(json_get(o, "body_bytes")); /* whole */
    assert_non_null(json_str(o, "body", &got));
    assert_int_equal(got, n - 2);
    json_free(o);
    o = line_with(&s, text, n);
    sha256_hex(text, n, digest);
    assert_true(json_int(o, "body_bytes", &bytes));
    assert_int_equal(bytes, n);
    assert_string_equal(json_str(o, "body_sha256", NULL), digest);
    assert_non_null(json_str(o, "body", &got));
    assert_int_equal(got, TRACE_CLIP - 1);
    json_free(o);
    free(text);
    free(s.line);
}

static void what_is_not_asked_for_costs_nothing(void **state)
{
    struct sink s = {.trace = {.kinds = 1u << TRACE_POLL, .put = put}};
    struct trace_line l;
    (void)state;
    assert_false(trace_begin(&l, NULL, TRACE_WIRE, clock_real(), "", "x"));
    assert_false(trace_begin(&l, &s.trace, TRACE_WIRE, clock_real(), "", "x"));
    assert_true(trace_begin(&l, &s.trace, TRACE_POLL, clock_real(), "", "x"));
    json_w_kint(&l.w, "rollouts", 3);
    trace_end(&l);
    assert_int_equal(s.lines, 1);
    assert_non_null(strstr(s.line, "\"rollouts\":3}"));
    free(s.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_words),
        cmocka_unit_test(secrets_are_masked_and_nothing_else),
        cmocka_unit_test(nothing_is_read_past_the_end),
        cmocka_unit_test(a_line_holds_any_bytes),
        cmocka_unit_test(what_is_too_long_is_clipped_with_its_length_and_digest),
        cmocka_unit_test(what_is_not_asked_for_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
