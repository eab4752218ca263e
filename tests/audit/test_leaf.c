/* What is a line of the log, and what only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>
#include "audit/leaf.h"
#include "core/entry.h"
#include "core/json.h"
#include "tests/audit/help.h"

static bool scan(const char *line, size_t n, struct leaf *l)
{
    char *copy = malloc(n ? n : 1);
    memcpy(copy, line, n);
    bool ok = leaf_scan(copy, n, l);
    /* after whatever came before, found canonical or not, it is told the same of it */
    static struct leaf_memo memo;
    for (int i = 0; i < 2; i++) {
        struct leaf next;
        assert_int_equal(leaf_scan_next(copy, n, &memo, &next), ok);
        if (ok)
            assert_memory_equal(&next, l, sizeof next);
    }
    free(copy);
    return ok;
}

/* The line with `f` put into its fields. */
static bool with_field(const char *f)
{
    char line[400];
    struct leaf l;
    int n = snprintf(line, sizeof line, "{\"f\":{%s},\"kind\":\"outcome\",\"seq\":7,\"t\":5,\"v\":1}", f);
    return scan(line, (size_t)n, &l);
}

static void test_strings(void **state)
{
    static const char *const good[] = {
        "",
        "\"a\":\"\"",
        "\"a\":\"\\\"\\\\\"",
        "\"a\":\"g\xc3\xa4\xe6\xa9\x9f\"",
        "\"a\":\"\\n\\t\\b\\f\\r\"",
        "\"a\":\"\\u0001\\u001f\\u007f\\u009f\"",
        "\"a\":\"\xf0\x9f\x94\xa5\"",
        "\"a\":{\"b\":{}}",
    };
    static const char *const bad[] = {
        "\"a\":\"\\7\"",     /* an escape that is none */
        "\"a\":\"\\/\"",     /* one that the writer never makes */
        "\"a\":\"\\u0041\"", /* a letter needs none */
        "\"a\":\"\\u000a\"", /* has a short one */
        "\"a\":\"\\u001F\"", /* lower case */
        "\"a\":\"\\u0000\"",      "\"a\":\"\\ufffd\"",      "\"a\":\"\\u00",
        "\"a\":\"\x7f\"",     /* the writer escapes it */
        "\"a\":\"\xc2\x85\"", /* and this */
        "\"a\":\"\xff\"",         "\"a\":\"\xc3\"",         "\"a\":\"\xc0\xaf\"",
        "\"a\":\"\xed\xa0\x80\"", "\"a\":\"12345678\xff\"", /* behind the first eight bytes */
        "\"a\xff\":\"b\"",                                  /* keys too */
        "\"a\\\"\":\"b\"",        "\"\xc3\xa4\":\"b\"",     "\"a\":\"x\x01\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!with_field(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (with_field(bad[i]))
            fail_msg("accepted: %s", bad[i]);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(with_field("\"a\":9007199254740991"));
    assert_true(with_field("\"a\":-9007199254740991"));
    assert_true(with_field("\"a\":\"9007199254740992\""));
    assert_false(with_field("\"a\":9007199254740992")); /* no double is this and no other */
    assert_false(with_field("\"a\":99999999999999999999"));
    assert_false(with_field("\"a\":-0"));
    assert_false(with_field("\"a\":01"));
    assert_false(with_field("\"a\":1.5"));
}

/* A member of another type is not the member. */
static void test_types(void **state)
{
    static const char *const bad[] = {
        "{\"kind\":\"halt\",\"seq\":\"7\",\"t\":5,\"v\":1}",
        "{\"kind\":\"halt\",\"seq\":7,\"t\":\"5\",\"v\":1}",
        "{\"corr\":1234567812345678,\"kind\":\"halt\",\"seq\":7,\"t\":5,\"v\":1}",
        "{\"kind\":3,\"seq\":7,\"t\":5,\"v\":1}",
    };
    struct leaf l;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(scan(bad[i], strlen(bad[i]), &l));
    static const char late[] = "{\"kind\":\"halt\",\"late\":\"1\",\"seq\":7,\"t\":5,\"v\":1}";
    assert_true(scan(late, sizeof late - 1, &l));
    assert_false(l.late);
}

/* A NUL at each place of a line makes it no line. */
static void test_nul_anywhere(void **state)
{
    struct entry e;
    struct buf line;
    struct leaf l;
    (void)state;
    entry_init(&e, ENTRY_HALT);
    e.actor = (struct actor){.kind = ACTOR_PERSON, .name = "m.ito"};
    e.fleet = "hearth";
    e.rollout = "4471";
    e.reason = "smoke \"here\" \xe2\x80\x94 g\xc3\xa4";
    e.t = e.mono = INT64_C(1700000000000000);
    e.corr = 9;
    entry_str(&e, "tags", "x");
    entry_int(&e, "devices", 42);
    buf_init(&line, ENTRY_MAX);
    assert_true(entry_canonical(&e, 3, "{\"kernel\":{\"pid\":7}}", &line, NULL));
    assert_true(leaf_scan(line.data, line.len, &l));
    assert_true(leaf_is(l.reason, e.reason));
    assert_false(leaf_is(l.reason, "smoke"));
    for (size_t i = 0; i < line.len; i++) {
        char was = line.data[i];
        line.data[i] = '\0';
        assert_false(scan(line.data, line.len, &l));
        line.data[i] = was;
        assert_false(scan(line.data, i, &l)); /* nor is a part of it */
    }
    buf_release(&line);
}

/* The value as core/json.h writes it: objects, strings and integers; anything else makes it another line. */
static void write_again(struct json_w *w, const struct json_t *v)
{
    double d;
    const char *key, *str = json_str_value(v, NULL);
    const struct json_t *m;
    void *it = NULL;
    if (json_is_obj(v)) {
        json_w_obj(w);
        while (json_each(v, &it, &key, &m)) {
            json_w_key(w, key);
            write_again(w, m);
        }
        json_w_obj_end(w);
    } else if (str) {
        json_w_str(w, str);
    } else if (json_num_value(v, &d)) {
        json_w_int(w, (int64_t)d);
    } else {
        json_w_null(w);
    }
}

/* Whatever is a leaf is JSON to core/json.h too, and is written by it to the same bytes: no line that means something
 * else, or nothing, to another reader. Over lines that were changed at one to three places. */
static void test_two_readers_agree(void **state)
{
    static const char seeds[][400] = {
        "{\"actor\":{\"kind\":\"script\",\"name\":\"root\"},\"after\":\"running\",\"corr\":\"00216a33f27d9f7f\","
        "\"f\":{\"http.status\":204,\"text\":\"a \\\"b\\\" \\u001b \\\\ g\xc3\xa4\xe6\xa9\x9f\"},\"fleet\":\"drill\","
        "\"host\":{\"kernel\":{\"pid\":30530}},\"kind\":\"outcome\",\"mono_us\":1796014070072601,\"seq\":16,\"t\":5,"
        "\"v\":1}",
        "{\"f\":{\"a\":\"\\n\\u0001\",\"b\":-1,\"c\":{\"d\":{}}},\"kind\":\"halt\",\"late\":1,\"seq\":7,\"t\":5}"};
    static const char bytes[] = "\"\\{}:,0123456789abtnfru-+.eE/ \x01\x7f\x80\xbf\xc2\xc3\xe0\xed\xf0\xff";
    uint64_t r = 7;
    int leaves = 0;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char line[400];
        struct leaf l;
        struct err e;
        struct buf out;
        struct json_w w;
        size_t n = strlen(seeds[i % 2]);
        memcpy(line, seeds[i % 2], n);
        for (int k = (int)(rnd(&r) % 3); k >= 0; k--) {
            size_t at = rnd(&r) % n;
            if (rnd(&r) % 3 == 0 && n > 2) { /* one less */
                memmove(line + at, line + at + 1, n - at - 1);
                n--;
            } else if (rnd(&r) % 2 == 0 && n + 1 < sizeof line) { /* one more, or another */
                memmove(line + at + 1, line + at, n - at);
                n++;
            }
            if (at < n)
                line[at] = bytes[rnd(&r) % (sizeof bytes - 1)];
        }
        if (!scan(line, n, &l))
            continue;
        leaves++;
        struct json_t *d = json_parse(line, n, sizeof line, "a leaf", &e);
        if (!d)
            fail_msg("a leaf, and no JSON (%s): %.*s", e.what, (int)n, line);
        buf_init(&out, 4 * sizeof line);
        json_w_init(&w, &out, 0);
        write_again(&w, d);
        if (out.len != n || memcmp(out.data, line, n) != 0)
            fail_msg("a leaf that would be written otherwise: %.*s", (int)n, line);
        buf_release(&out);
        json_free(d);
    }
    assert_true(leaves > 1000); /* else nothing was compared */
}

/* verify.py takes the same lines as this reader, by its own rules: where only who has the log's key could have made a
 * line otherwise, the verifiers must still say the same. */
static void test_the_script_agrees(void **state)
{
    static const char *const seeds[] = {
        "{\"actor\":{\"kind\":\"script\",\"name\":\"root\"},\"after\":\"running\",\"corr\":\"00216a33f27d9f7f\","
        "\"f\":{\"http.status\":204,\"text\":\"a \\\"b\\\" \\u001b \\\\ g\xc3\xa4\xe6\xa9\x9f \\u0085\"},"
        "\"host\":{\"kernel\":{\"pid\":30530}},\"kind\":\"outcome\",\"mono_us\":1796014070072601,\"seq\":16,\"t\":5,"
        "\"v\":1}",
        "{\"f\":{\"a\":\"\\n\\u0001\\t\",\"b\":-1,\"c\":{\"d\":{}},\"d\":9007199254740991},\"kind\":\"halt\",\"late\":"
        "1,"
        "\"seq\":7,\"t\":5}",
        "{\"\":0,\"a\":{\"b\":{\"c\":{\"d\":1}}},\"kind\":\"halt\",\"seq\":7,\"t\":{}}",
        "{\"f\":{\"a\":\"\\u007f\\u009f\\\\u0000\"},\"kind\":\"halt\",\"seq\":1,\"t\":-5}",
        "{\"corr\":1234567812345678,\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"kind\":\"halt\",\"mono_us\":\"1\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"a\":\"\\ud800\",\"b\":\"\\/\",\"c\":\"\\u0041\"},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"a\":\"\\u0000\"},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"a\":1,\"a\":1},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"b\":1,\"a\":1},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"a\":true,\"b\":null,\"c\":[]},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"f\":{\"a\":1e3,\"b\":1.0,\"c\":NaN},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"kind\":\"halt\",\"seq\":0,\"t\":5}",
        "{\"kind\":\"halt\",\"seq\":{},\"t\":5}",
        "{\"a\":{\"b\":{\"c\":{\"d\":{}}}},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
        "{\"actor\":7,\"kind\":\"halt\",\"seq\":7,\"t\":5}"};
    static const char bytes[] = "\"\\{}:,0123456789abtnfru-+.eE/ \x01\x7f\x80\xbf\xc2\xc3\xe0\xed\xf0\xff";
    enum { SEEDS = sizeof seeds / sizeof *seeds };
    char path[] = "/tmp/andon-lines-XXXXXX", command[600];
    uint64_t r = 11;
    int fd = mkstemp(path), taken = 0;
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 30000; i++) {
        char line[500];
        struct leaf l;
        size_t n = strlen(seeds[i % SEEDS]);
        memcpy(line, seeds[i % SEEDS], n);
        for (int k = i < SEEDS ? 0 : (int)(rnd(&r) % 3); k > 0; k--) {
            size_t at = rnd(&r) % n;
            if (rnd(&r) % 3 == 0 && n > 2) {
                memmove(line + at, line + at + 1, n - at - 1);
                n--;
            } else {
                line[at] = bytes[rnd(&r) % (sizeof bytes - 1)];
            }
        }
        bool ok = scan(line, n, &l);
        taken += ok;
        fprintf(f, "%d ", ok);
        assert_int_equal(fwrite(line, 1, n, f), n);
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
    snprintf(command, sizeof command,
             "python3 -c 'import sys\n"
             "exec(open(\"docs/audit-tools/verify.py\").read().rpartition(\"main()\")[0])\n"
             "for x in open(\"%s\", \"rb\"):\n"
             "    try: ok = bool(entry_of(x[2:-1]))\n"
             "    except (ValueError, KeyError, TypeError, AttributeError, RecursionError): ok = False\n"
             "    if ok != (x[:1] == b\"1\"): sys.exit(\"andon says %%s: %%r\" %% (not ok, x[2:-1]))'",
             path);
    assert_int_equal(system(command), 0);
    assert_true(taken > 3000);
    unlink(path);
}

/* An object that was found canonical is not so wherever it stands: how deep it may be counts from the line. */
static void test_an_object_seen_before(void **state)
{
    static const char flat[] = "{\"a\":{},\"b\":{},\"f\":{\"q\":{\"z\":{}}},\"kind\":\"halt\",\"seq\":7,\"t\":5}",
                      deep[] = "{\"f\":{\"a\":{},\"c\":{\"q\":{\"z\":{}}}},\"kind\":\"halt\",\"seq\":7,\"t\":5}";
    struct leaf l;
    (void)state;
    assert_true(scan(flat, sizeof flat - 1, &l));
    assert_false(scan(deep, sizeof deep - 1, &l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_nul_anywhere),
        cmocka_unit_test(test_an_object_seen_before),
        cmocka_unit_test(test_two_readers_agree),
        cmocka_unit_test(test_the_script_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
