/* The canonical form of log entries, digests, and the model's words. Expected lines are written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/entry.h"
#include "core/json.h"
#include "core/model.h"

static char *line(const struct entry *e, uint64_t seq, const char *host)
{
    struct buf b;
    struct err err = {0};
    buf_init(&b, 100000);
    bool ok = entry_canonical(e, seq, host, &b, &err);
    if (!ok)
        print_error("%s\n", err.what);
    assert_true(ok);
    char *out = buf_take(&b);
    buf_release(&b);
    return out;
}

static void smallest_entry(void **state)
{
    (void)state;
    struct entry e;
    entry_init(&e, ENTRY_SESSION);
    char *s = line(&e, 1, NULL);
    assert_string_equal(
        s,
        "{\"actor\":{\"kind\":\"person\",\"name\":\"\"},\"kind\":\"session\",\"mono_us\":0,\"seq\":1,\"t\":0,\"v\":3}");
    free(s);
}

static struct entry full_entry(void)
{
    struct entry e;
    entry_init(&e, ENTRY_OUTCOME);
    e.corr = 1234;
    e.t = INT64_C(1931258352114000);
    e.mono = 5;
    e.late = true;
    e.actor.kind = ACTOR_RULE;
    memcpy(e.actor.name, "R-REBOOT", 9);
    e.fleet = "hearth";
    e.rollout = "4471";
    e.wave = "W2";
    e.verb = VERB_PAUSE;
    e.result = "ok";
    e.reason = "reboots \"3.1x\"";
    e.before = "running";
    e.after = "paused";
    entry_int(&e, "http.status", 200);
    entry_str(&e, "evidence", "{\"n\":3}");
    entry_int(&e, "devices", -1934);
    return e;
}

static void full_line(void **state)
{
    (void)state;
    struct entry e = full_entry();
    char *s = line(&e, 7, "{\"name\":\"h1\",\"uid\":0}");
    assert_string_equal(
        s, "{\"actor\":{\"kind\":\"rule\",\"name\":\"R-REBOOT\"},\"after\":\"paused\",\"before\":\"running\","
           "\"corr\":\"00000000000004d2\",\"f\":{\"devices\":-1934,\"evidence\":\"{\\\"n\\\":3}\",\"http.status\":200},"
           "\"fleet\":\"hearth\",\"host\":{\"name\":\"h1\",\"uid\":0},\"kind\":\"outcome\",\"late\":1,\"mono_us\":5,"
           "\"reason\":\"reboots \\\"3.1x\\\"\",\"result\":\"ok\",\"rollout\":\"4471\",\"seq\":7,"
           "\"t\":1931258352114000,\"v\":3,\"verb\":\"pause\",\"wave\":\"W2\"}");
    struct err err;
    struct json_t *doc = json_parse(s, strlen(s), ENTRY_MAX, "entry", &err);
    assert_non_null(doc);
    json_free(doc);
    free(s);
}

static void appends_after_what_is_there(void **state)
{
    (void)state;
    struct entry e;
    struct err err;
    entry_init(&e, ENTRY_ACK);
    struct buf b;
    buf_init(&b, 1000);
    buf_adds(&b, "x");
    assert_true(entry_canonical(&e, 2, "", &b, &err));
    assert_int_equal(strncmp(b.data, "x{\"actor\"", 9), 0);
    buf_release(&b);
}

static void hostile_text_is_made_visible(void **state)
{
    (void)state;
    struct entry e;
    entry_init(&e, ENTRY_REFUSED);
    e.reason = "a\x1b[2J\n\xff\u202e";
    entry_str(&e, "name", "\xc2\x9b");
    char *s = line(&e, 3, NULL);
    assert_non_null(strstr(s, "\"reason\":\"a<U+001B>[2J<U+000A>\\\\xFF<U+202E>\""));
    assert_non_null(strstr(s, "\"f\":{\"name\":\"<U+009B>\"}"));
    for (const char *p = s; *p; p++)
        assert_true(*p >= 0x20 && *p < 0x7f);
    free(s);
}

static void integers_beyond_a_double_are_strings(void **state)
{
    (void)state;
    struct entry e;
    entry_init(&e, ENTRY_EXPORT);
    entry_int(&e, "a", INT64_C(9007199254740991));
    entry_int(&e, "b", INT64_C(9007199254740992));
    entry_int(&e, "c", INT64_MIN);
    char *s = line(&e, 3, NULL);
    assert_non_null(
        strstr(s, "\"f\":{\"a\":9007199254740991,\"b\":\"9007199254740992\",\"c\":\"-9223372036854775808\"}"));
    free(s);
}

static void too_long_is_an_error(void **state)
{
    (void)state;
    struct entry e;
    struct err err = {0};
    char *big = malloc(ENTRY_MAX + 1);
    memset(big, 'x', ENTRY_MAX);
    struct buf b;
    buf_init(&b, 100000);
    entry_init(&e, ENTRY_INTENT);
    char *empty = line(&e, 1, NULL);
    e.reason = big;
    /* "reason":"...", takes 12 bytes beside its text: exactly ENTRY_MAX passes, one more does not */
    big[ENTRY_MAX - strlen(empty) - strlen("\"reason\":\"\",")] = '\0';
    assert_true(entry_canonical(&e, 1, NULL, &b, &err));
    assert_int_equal(b.len, ENTRY_MAX);
    buf_clear(&b);
    big[strlen(big)] = 'x';
    assert_false(entry_canonical(&e, 1, NULL, &b, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(b.len, 0);
    free(big);
    free(empty);
    buf_release(&b);
}

static void keys_are_plain_and_unique(void **state)
{
    (void)state;
    struct entry e;
    struct err err = {0};
    struct buf b;
    buf_init(&b, 1000);
    entry_init(&e, ENTRY_WATCH);
    entry_int(&e, "a", 1);
    entry_str(&e, "a", "second");
    char *s = line(&e, 1, NULL);
    assert_non_null(strstr(s, "\"f\":{\"a\":\"second\"}"));
    free(s);
    entry_int(&e, "B", 1);
    assert_false(entry_canonical(&e, 1, NULL, &b, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    buf_release(&b);
}

static void says_how_much_was_left_out(void **state)
{
    (void)state;
    struct entry e;
    char keys[ENTRY_FIELDS + 5][16];
    entry_init(&e, ENTRY_WATCH);
    for (int i = 0; i < ENTRY_FIELDS + 5; i++) {
        snprintf(keys[i], sizeof keys[i], "k%02d", i);
        entry_int(&e, keys[i], i);
    }
    assert_int_equal(e.n_fields, ENTRY_FIELDS);
    char *s = line(&e, 1, NULL);
    assert_non_null(strstr(s, "\"k38\":38,\"truncated\":6}"));
    assert_null(strstr(s, "k39"));
    free(s);
}

static void every_kind_has_its_word(void **state)
{
    (void)state;
    for (int i = 0; i < ENTRY_KIND_COUNT; i++) {
        assert_string_not_equal(entry_kind_word((enum entry_kind)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(entry_kind_word((enum entry_kind)i), entry_kind_word((enum entry_kind)j));
    }
    assert_string_equal(entry_kind_word(ENTRY_KIND_COUNT), "unknown");
}

/* FIPS 180-4 examples and the empty message. */
static void digests(void **state)
{
    (void)state;
    char hex[SHA256_HEX];
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    char thousand[1000];
    memset(thousand, 'a', sizeof thousand);
    struct sha256 h;
    sha256_init(&h);
    for (int i = 0; i < 1000; i++) { /* in two uneven pieces, beside a block's 64 bytes */
        sha256_add(&h, thousand, 63);
        sha256_add(&h, thousand, sizeof thousand - 63);
    }
    sha256_done_hex(&h, hex); /* a million of 'a' */
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void states_that_end_or_act(void **state)
{
    (void)state;
    for (int i = 0; i <= ROLLOUT_DELETED; i++) {
        enum rollout_state s = (enum rollout_state)i;
        assert_false(rollout_state_ended(s) && rollout_state_active(s));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rollout_state_word(s), rollout_state_word((enum rollout_state)j));
    }
    assert_true(rollout_state_ended(ROLLOUT_STOPPED) && rollout_state_ended(ROLLOUT_FINISHED));
    assert_true(rollout_state_ended(ROLLOUT_DENIED) && rollout_state_ended(ROLLOUT_DELETED));
    /* a stopping rollout still recalls, a deleting one is not gone, an unknown word proves nothing */
    assert_false(rollout_state_ended(ROLLOUT_STOPPING) || rollout_state_ended(ROLLOUT_DELETING));
    assert_false(rollout_state_ended(ROLLOUT_UNKNOWN) || rollout_state_ended(ROLLOUT_PAUSED));
    assert_true(rollout_state_active(ROLLOUT_RUNNING) && rollout_state_active(ROLLOUT_STARTING));
    assert_false(rollout_state_active(ROLLOUT_PAUSED) || rollout_state_active(ROLLOUT_READY));
    assert_string_equal(rollout_state_word(ROLLOUT_WAITING_APPROVAL), "waiting-for-approval");
    assert_string_equal(wave_state_word(WAVE_SCHEDULED), "scheduled");
    assert_string_equal(device_status_word(DEVICE_IN_SYNC), "in-sync");
    assert_string_equal(rollout_state_word((enum rollout_state)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smallest_entry),
        cmocka_unit_test(full_line),
        cmocka_unit_test(appends_after_what_is_there),
        cmocka_unit_test(hostile_text_is_made_visible),
        cmocka_unit_test(integers_beyond_a_double_are_strings),
        cmocka_unit_test(too_long_is_an_error),
        cmocka_unit_test(keys_are_plain_and_unique),
        cmocka_unit_test(says_how_much_was_left_out),
        cmocka_unit_test(every_kind_has_its_word),
        cmocka_unit_test(digests),
        cmocka_unit_test(states_that_end_or_act),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
