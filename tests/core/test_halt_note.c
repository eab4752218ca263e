/* The note of a halt: to the byte, back again, and nothing but an error from what is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/halt_note.h"
#include "core/rng.h"
#include "core/text.h"

#define T    INT64_C(1700000000000000)
#define LEAF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct halt_note sample(void)
{
    struct halt_note n = {.fleet = "hearth",
                          .rollout = "4471",
                          .created_at = T - 5,
                          .name = "spring é",
                          .release = "hearth:4.12.1",
                          .halted = {.kind = ACTOR_PERSON,
                                     .by = "m.ito",
                                     .host = "console-2",
                                     .t = T,
                                     .reason = "they \"reboot\"",
                                     .corr = 1234,
                                     .origin = "andon/console-2",
                                     .seq = 18231,
                                     .leaf = LEAF}};
    return n;
}

static char *text_of(const struct halt_note *n)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 8000);
    if (!halt_note_encode(n, &b, &e))
        fail_msg("%s", e.what);
    char *s = buf_take(&b);
    buf_release(&b);
    return s;
}

static const char plain[] =
    "{\"created_at\":1699999999999995,\"fleet\":\"hearth\",\"halted\":{\"by\":\"m.ito\",\"corr\":\"00000000000004d2\","
    "\"host\":\"console-2\",\"kind\":\"person\",\"leaf\":\"" LEAF "\",\"origin\":\"andon/console-2\","
    "\"reason\":\"they \\\"reboot\\\"\",\"seq\":18231,\"t\":1700000000000000},\"name\":\"spring \xc3\xa9\","
    "\"release\":\"hearth:4.12.1\",\"rollout\":\"4471\",\"v\":1}";

static void same_side(const struct halt_note_side *a, const struct halt_note_side *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->by, b->by);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->t, b->t);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->corr, b->corr);
    assert_string_equal(a->origin, b->origin);
    assert_int_equal(a->seq, b->seq);
    assert_string_equal(a->leaf, b->leaf);
}

static void same(const struct halt_note *a, const struct halt_note *b)
{
    assert_string_equal(a->fleet, b->fleet);
    assert_string_equal(a->rollout, b->rollout);
    assert_int_equal(a->created_at, b->created_at);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->release, b->release);
    assert_int_equal(a->acked, b->acked);
    same_side(&a->halted, &b->halted);
    same_side(&a->ack, &b->ack);
}

static void to_the_byte_and_back(void **state)
{
    (void)state;
    struct halt_note n = sample(), back;
    struct err e;
    char *s = text_of(&n);
    assert_string_equal(s, plain);
    assert_true(halt_note_decode(s, strlen(s), &back, &e));
    same(&n, &back);
    free(s);
    n.acked = true;
    n.ack = (struct halt_note_side){.kind = ACTOR_RULE, .by = "LOST", .t = T + 1, .corr = 1234}; /* not in a log yet */
    s = text_of(&n);
    static const char ack[] = "{\"ack\":{\"by\":\"LOST\",\"corr\":\"00000000000004d2\",\"host\":\"\",\"kind\":\"rule\","
                              "\"leaf\":\"\",\"origin\":\"\",\"reason\":\"\",\"seq\":0,\"t\":1700000000000001},";
    assert_memory_equal(s, ack, sizeof ack - 1);
    assert_true(halt_note_decode(s, strlen(s), &back, &e));
    same(&n, &back);
    free(s);
}

static void the_longest_fits(void **state)
{
    (void)state;
    struct halt_note n = sample(), back;
    struct err e;
    n.acked = true;
    n.ack = n.halted;
    /* Every quote is two bytes on the wire. */
    memset(n.halted.reason, '"', sizeof n.halted.reason - 1);
    memset(n.ack.reason, '"', sizeof n.ack.reason - 1);
    memset(n.rollout, '"', sizeof n.rollout - 1);
    memset(n.name, '"', sizeof n.name - 1);
    memset(n.release, '"', sizeof n.release - 1);
    memset(n.fleet, '"', sizeof n.fleet - 1);
    memset(n.halted.origin, '"', sizeof n.halted.origin - 1);
    memset(n.ack.origin, '"', sizeof n.ack.origin - 1);
    memset(n.ack.by, '"', sizeof n.ack.by - 1);
    memset(n.halted.by, '"', sizeof n.halted.by - 1);
    memset(n.ack.host, '"', sizeof n.ack.host - 1);
    memset(n.halted.host, '"', sizeof n.halted.host - 1);
    char *s = text_of(&n);
    assert_true(strlen(s) <= HALT_NOTE_TEXT_MAX);
    assert_true(halt_note_decode(s, strlen(s), &back, &e));
    same(&n, &back);
    free(s);
}

static void what_must_be_there_is_there(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    for (int i = 0; i < 8; i++) {
        struct halt_note n = sample();
        if (i == 0)
            n.fleet[0] = '\0';
        if (i == 1)
            n.rollout[0] = '\0';
        if (i == 2)
            n.halted.by[0] = '\0';
        if (i == 3)
            n.halted.t = 0;
        if (i == 4)
            n.halted.corr = 0;
        if (i == 5)
            n.created_at = INT64_MAX;
        if (i == 6)
            n.halted.kind = (enum actor_kind)7;
        if (i == 7)
            n.halted.seq = -1;
        buf_init(&b, 8000);
        assert_false(halt_note_encode(&n, &b, &e));
        assert_int_equal(e.code, ERR_RANGE);
        assert_int_equal(b.len, 0);
        buf_release(&b);
    }
}

static void refused(const char *s, size_t n, enum err_code code)
{
    struct halt_note out, zero;
    struct err e = {0};
    memset(&out, 0x55, sizeof out);
    memset(&zero, 0, sizeof zero);
    if (halt_note_decode(s, n, &out, &e))
        fail_msg("taken: %.*s", (int)n, s);
    if (e.code != code)
        fail_msg("%s (%s) for %.*s", e.what, err_word(e.code), (int)n, s);
    assert_memory_equal(&out, &zero, sizeof out);
}

/* The sample with one piece replaced. */
static char *with(const char *piece, const char *by)
{
    const char *at = strstr(plain, piece);
    assert_non_null(at);
    char *s = malloc(sizeof plain + strlen(by));
    snprintf(s, sizeof plain + strlen(by), "%.*s%s%s", (int)(at - plain), plain, by, at + strlen(piece));
    return s;
}

static void what_is_not_one_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *piece, *by;
        enum err_code code;
    } cases[] = {
        {"\"v\":1", "\"v\":2", ERR_UNSUPPORTED},
        {"\"v\":1", "\"v\":\"1\"", ERR_SYNTAX},
        {",\"v\":1", "", ERR_SYNTAX},
        {"\"fleet\":\"hearth\"", "\"fleet\":7", ERR_SYNTAX},
        {"\"fleet\":\"hearth\",", "", ERR_SYNTAX},
        {"\"fleet\":\"hearth\"", "\"fleet\":\"\"", ERR_SYNTAX},
        {"\"fleet\":\"hearth\"", "\"fleet\":null", ERR_SYNTAX},
        {"\"4471\"", "4471", ERR_SYNTAX},
        {"\"4471\"", "\"4471\\u0000x\"", ERR_SYNTAX},
        {"\"4471\"", "\"0123456789012345678901234567890123456789012345678901234567890123456789xx\"", ERR_LIMIT},
        {"spring", "spr\\u001b[2Jing", ERR_SYNTAX},
        {"spring", "spr\\u202eing", ERR_SYNTAX},
        {"spring", "spr\\ning", ERR_SYNTAX},
        {"spring", "spr\\u200bing", ERR_SYNTAX},
        {"spring", "spr\xff", ERR_SYNTAX},
        {"they", "\\u2028", ERR_SYNTAX},
        {"\"person\"", "\"persons\"", ERR_SYNTAX},
        {"\"person\"", "\"a word that is far too long for any kind\"", ERR_LIMIT},
        {"\"person\"", "true", ERR_SYNTAX},
        {"00000000000004d2", "0000000000000000", ERR_RANGE},
        {"00000000000004d2", "4d2", ERR_SYNTAX},
        {"00000000000004d2", "00000000000004d2x", ERR_SYNTAX},
        {"00000000000004d2", "00000000000004D2", ERR_SYNTAX},
        {"ccddeeff\"", "ccddeefg\"", ERR_SYNTAX},
        {"ccddeeff\"", "ccddeef\"", ERR_SYNTAX},
        {"\"seq\":18231", "\"seq\":-1", ERR_RANGE},
        {"\"seq\":18231", "\"seq\":1.5", ERR_SYNTAX},
        {"\"seq\":18231", "\"seq\":9223372036854775807", ERR_RANGE},
        {"\"seq\":18231", "\"seq\":9223372036854775808", ERR_RANGE},
        {"\"t\":1700000000000000", "\"t\":0", ERR_RANGE},
        {"\"t\":1700000000000000", "\"t\":\"now\"", ERR_SYNTAX},
        {"\"created_at\":1699999999999995", "\"created_at\":-1", ERR_RANGE},
        {"\"by\":\"m.ito\"", "\"by\":[\"m.ito\"]", ERR_SYNTAX},
        {"\"by\":\"m.ito\"", "\"by\":\"m.ito\",\"by\":\"x\"", ERR_SYNTAX},
        {"\"halted\":{", "\"halted\":7,\"other\":{", ERR_SYNTAX},
        {"\"halted\":{", "\"halted\":[],\"other\":{", ERR_SYNTAX},
        {"{\"created_at\"", "{\"ack\":1,\"created_at\"", ERR_SYNTAX},
        {"{\"created_at\"", "{\"ack\":null,\"created_at\"", ERR_SYNTAX},
        {"{\"created_at\"", "{\"ack\":{},\"created_at\"", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *s = with(cases[i].piece, cases[i].by);
        refused(s, strlen(s), cases[i].code);
        free(s);
    }
    refused("", 0, ERR_SYNTAX);
    refused("[]", 2, ERR_SYNTAX);
    refused("\0", 1, ERR_SYNTAX);
    char *long_one = malloc(HALT_NOTE_TEXT_MAX + 2);
    memset(long_one, ' ', HALT_NOTE_TEXT_MAX + 1);
    refused(long_one, HALT_NOTE_TEXT_MAX + 1, ERR_LIMIT);
    free(long_one);
    /* An acknowledgement of another halt. */
    struct halt_note n = sample();
    n.acked = true;
    n.ack = n.halted;
    n.ack.corr++;
    char *s = text_of(&n);
    refused(s, strlen(s), ERR_SYNTAX);
    free(s);
}

static void what_is_not_known_is_passed_over(void **state)
{
    (void)state;
    struct halt_note n;
    struct err e;
    char *s = with("\"v\":1", "\"shown\":{\"x\":[1,2]},\"v\":1,\"zz\":null");
    assert_true(halt_note_decode(s, strlen(s), &n, &e));
    assert_string_equal(n.rollout, "4471");
    free(s);
}

/* Each prefix, and a few thousand damaged ones: an error, or a note whose texts are harmless. */
static void damaged_ones_do_no_harm(void **state)
{
    (void)state;
    struct halt_note n;
    struct err e;
    for (size_t i = 0; i < sizeof plain - 1; i++)
        assert_false(halt_note_decode(plain, i, &n, &e));
    struct rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        char s[sizeof plain];
        memcpy(s, plain, sizeof plain);
        for (int k = 0; k < 3; k++)
            s[rng_below(&r, sizeof plain - 1)] = (char)rng_below(&r, 256);
        if (!halt_note_decode(s, sizeof plain - 1, &n, &e))
            continue;
        for (const char *c = n.halted.reason; *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        char *again = text_of(&n);
        free(again);
    }
}

static void whose_it_is(void **state)
{
    (void)state;
    struct halt_note n = sample();
    struct rollout_identity r = {"another name for it", "4471", T - 5, "spring é", "hearth:4.12.1"};
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_SAME); /* whatever the fleet is called here */
    r.created_at++;
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_OTHER); /* the server's database began anew */
    r.created_at--;
    r.id = "4472";
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_OTHER);
    r.id = "4471";
    r.created_at = 0;
    r.name = "autumn";
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_NOT_KNOWN);
    r.release = "hearth:4.12.2";
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_OTHER);
    /* A long name is clipped in the note. */
    char long_name[NAME_MAX_BYTES];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    r = (struct rollout_identity){"hearth", "4471", 0, long_name, "hearth:4.12.1"};
    safe_text_into(n.name, sizeof n.name, long_name, strlen(long_name));
    char *s = text_of(&n);
    struct err e;
    assert_true(halt_note_decode(s, strlen(s), &n, &e));
    assert_int_equal(halt_note_about(&n, &r), IDENTITY_SAME);
    free(s);
}

static void a_roll_back_has_one_of_its_own(void **state)
{
    (void)state;
    struct halt_note h = sample();
    struct rollback_note n = {.rollout = "4480",
                              .created_at = T - 1,
                              .name = "andon-rb-4471-1",
                              .release = "hearth:4.11.9",
                              .of = "4471",
                              .started = h.halted},
                         back;
    struct err e = {0};
    struct buf b;
    buf_init(&b, 8000);
    assert_true(rollback_note_encode(&n, &b, &e));
    assert_memory_equal(b.data, "{\"created_at\":", 14);
    assert_true(rollback_note_decode(b.data, b.len, &back, &e));
    assert_string_equal(back.of, "4471");
    assert_string_equal(back.rollout, "4480");
    same_side(&back.started, &h.halted);
    struct rollout_identity r = {"f", "4480", T - 1, "andon-rb-4471-1", "hearth:4.11.9"};
    assert_int_equal(rollback_note_about(&back, &r), IDENTITY_SAME);
    r.created_at = T;
    assert_int_equal(rollback_note_about(&back, &r), IDENTITY_OTHER);
    assert_false(halt_note_decode(b.data, b.len, &h, &e)); /* neither is taken for the other */
    assert_false(rollback_note_decode(plain, sizeof plain - 1, &back, &e));
    for (size_t i = 0; i < b.len; i++)
        assert_false(rollback_note_decode(b.data, i, &back, &e));
    n.of[0] = '\0';
    assert_false(rollback_note_encode(&n, &b, &e));
    buf_release(&b);
}

static void slice_equal(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void a_board_is_taken_apart(void **state)
{
    (void)state;
    struct slice board = slice_of("junk\n\n{1}\n\n\xe2\x80\x94 a bc\n\xe2\x80\x94 d ef\n{2}\n{3}\n\n\xe2\x80\x94 g hi"),
                 text, lines;
    assert_true(halt_note_next(&board, &text, &lines));
    slice_equal(text, "{1}\n");
    slice_equal(lines, "\n\xe2\x80\x94 a bc\n\xe2\x80\x94 d ef\n");
    assert_true(halt_note_next(&board, &text, &lines));
    slice_equal(text, "{2}\n");
    slice_equal(lines, "");
    assert_true(halt_note_next(&board, &text, &lines));
    slice_equal(lines, "\n\xe2\x80\x94 g hi");
    assert_false(halt_note_next(&board, &text, &lines));
    board = slice_of("{4}");
    assert_true(halt_note_next(&board, &text, &lines));
    slice_equal(text, "{4}");
    assert_false(halt_note_next(&board, &text, &lines));
    board = (struct slice){NULL, 0};
    assert_false(halt_note_next(&board, &text, &lines));
}

static void a_name_says_what_it_rolls_back(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"andon-rb-4471-1", "4471"},
                                           {"andon-rb-a-b-12", "a-b"},
                                           {"andon-rb-4471", ""},
                                           {"andon-rb--1", ""},
                                           {"andon-rb-4471-", ""},
                                           {"andon-rb-4471-1x", ""},
                                           {"andon-rb-4 1-1", ""},
                                           {"andon-rb-\x1b[1m-1", ""},
                                           {"spring", ""},
                                           {"", ""},
                                           {"andon-rb-\xc3\xa9-1", ""},
                                           {"andon-rb-4471-1234567", ""},
                                           {"Andon-rb-4471-1", ""}};
    char of[ID_MAX], name[400];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rollback_named(names[i][0], of);
        assert_string_equal(of, names[i][1]);
    }
    for (int n = ID_MAX - 2; n < ID_MAX + 2; n++) {
        snprintf(name, sizeof name, "andon-rb-%0*d-1", n, 7);
        rollback_named(name, of);
        assert_int_equal(strlen(of), n < ID_MAX ? n : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_the_byte_and_back),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_must_be_there_is_there),
        cmocka_unit_test(what_is_not_one_is_an_error),
        cmocka_unit_test(what_is_not_known_is_passed_over),
        cmocka_unit_test(damaged_ones_do_no_harm),
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(a_roll_back_has_one_of_its_own),
        cmocka_unit_test(a_board_is_taken_apart),
        cmocka_unit_test(a_name_says_what_it_rolls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
