/* What the log's key signs beside checkpoints, and who is known to have signed it. */
#include "tests/audit/help.h"

#include <stdio.h>
#include "audit/known.h"
#include "core/buf.h"

struct signed_text {
    struct buf b;
    struct slice text, lines;
};

static struct signed_text sign(struct audit_log *l, const char *json)
{
    struct signed_text s;
    struct err e = {0};
    buf_init(&s.b, 4000);
    if (!audit_sign(l, json, strlen(json), &s.b, &e))
        fail_msg("%s", e.what);
    s.text = (struct slice){s.b.data, strlen(json) + 1};
    s.lines = (struct slice){s.b.data + s.text.n, s.b.len - s.text.n};
    return s;
}

static void who_signed_is_known(void **state)
{
    (void)state;
    struct box a, b;
    struct err e = {0};
    bool own;
    box_init(&a);
    box_init(&b);
    struct audit_log *la = box_open(&a), *lb = box_open(&b);
    struct signed_text s = sign(la, "{\"v\":1}");
    struct known_keys *k = known_keys_new();
    assert_null(known_keys_signer(k, s.text, s.lines, &own));
    assert_true(known_keys_add(k, audit_vkey(lb), true, &e));
    assert_null(known_keys_signer(k, s.text, s.lines, &own)); /* the same name, another key */
    assert_false(own);
    assert_true(known_keys_add(k, audit_vkey(la), false, &e));
    assert_string_equal(known_keys_signer(k, s.text, s.lines, &own), "andon/test");
    assert_false(own);
    assert_true(known_keys_add(k, audit_vkey(la), true, &e)); /* known twice is known once */
    assert_string_equal(known_keys_signer(k, s.text, s.lines, &own), "andon/test");
    assert_true(own);
    s.lines.n--; /* its last newline may be missing */
    assert_non_null(known_keys_signer(k, s.text, s.lines, &own));
    s.lines.n++;
    /* One byte of the text, of the signature, of neither. */
    s.b.data[2] ^= 1;
    assert_null(known_keys_signer(k, s.text, s.lines, &own));
    s.b.data[2] ^= 1;
    s.b.data[s.b.len - 10] = (char)(s.b.data[s.b.len - 10] == 'A' ? 'B' : 'A');
    assert_null(known_keys_signer(k, s.text, s.lines, &own));
    assert_null(known_keys_signer(k, s.text, (struct slice){s.lines.p, 0}, &own));
    assert_false(known_keys_add(k, "andon/x+00000000+AAAA", false, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    known_keys_free(k);
    buf_release(&s.b);
    audit_close(la);
    audit_close(lb);
    box_release(&a);
    box_release(&b);
}

static void no_more_keys_than_are_held(void **state)
{
    (void)state;
    struct err e = {0};
    struct known_keys *k = known_keys_new();
    for (int i = 0; i <= KNOWN_KEYS_MAX; i++) {
        struct box b;
        box_init(&b);
        struct audit_log *l = box_open(&b);
        assert_int_equal(known_keys_add(k, audit_vkey(l), false, &e), i < KNOWN_KEYS_MAX);
        audit_close(l);
        box_release(&b);
    }
    assert_int_equal(e.code, ERR_LIMIT);
    known_keys_free(k);
}

/* Nothing that could be taken for a checkpoint, or for more than one note, is ever signed. */
static void only_a_line_of_json_is_signed(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "andon/test\n1\n", "{}\n{}", "{}\n", "[1]", "andon/test"};
    struct box b;
    struct err e = {0};
    struct buf out;
    struct audit_head h;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    buf_init(&out, 4000);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(audit_sign(l, bad[i], strlen(bad[i]), &out, &e));
        assert_int_equal(e.code, ERR_RANGE);
    }
    assert_int_equal(out.len, 0);
    assert_true(audit_head(l, &h, &e));
    assert_string_equal(h.vkey, audit_vkey(l));
    audit_close(l);
    b.spec.read_only = true;
    l = audit_open(&b.spec, &e);
    assert_non_null(l);
    assert_false(audit_sign(l, "{}", 2, &out, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    audit_close(l);
    buf_release(&out);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_signed_is_known),
        cmocka_unit_test(no_more_keys_than_are_held),
        cmocka_unit_test(only_a_line_of_json_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
