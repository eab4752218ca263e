/* Approvals: the text to the byte, what it fits, and who is how many people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/approval.h"

#define NONCE "0123456789abcdef0123456789abcdef"
#define T0    (INT64_C(1700000000) * US_PER_S)

static const struct approval_subject SUBJECT = {.verb = VERB_ADVANCE,
                                                .who = {.fleet = "emea",
                                                        .id = "4471",
                                                        .created_at = T0 - US_PER_HOUR,
                                                        .name = "hearth 4.12.1",
                                                        .release = "hearth:4.12.1"},
                                                .wave = 2,
                                                .devices = 1934,
                                                .log = "andon/console-2"};

static void text_of(const struct approval_subject *s, struct buf *b)
{
    buf_init(b, APPROVAL_TEXT_MAX);
    approval_write(s, T0, T0 + US_PER_DAY, NONCE, b);
}

static void test_text(void **state)
{
    struct approval_text t;
    struct buf b;

    (void)state;
    text_of(&SUBJECT, &b);
    assert_string_equal(b.data,
                        "andon-approval 1\napprove: advance\nfleet: emea\nrollout: 4471\n"
                        "created: 2023-11-14T21:13:20.000Z\nname: hearth 4.12.1\nrelease: hearth:4.12.1\nwave: W2\n"
                        "devices: 1934\nlog: andon/console-2\nmade: 2023-11-14T22:13:20.000Z\n"
                        "expires: 2023-11-15T22:13:20.000Z\nnonce: " NONCE "\n");
    assert_true(approval_read(b.data, b.len, &t, NULL));
    assert_int_equal(t.verb, VERB_ADVANCE);
    assert_true(t.made == T0 && t.expires == T0 + US_PER_DAY);
    assert_string_equal(approval_wave(&t), "W2");
    assert_true(approval_fits(&t, &SUBJECT, NULL));
    for (size_t i = 0; i < b.len; i++) { /* no byte may be otherwise, or missing */
        char was = b.data[i];
        struct approval_text other;

        b.data[i] = was == '\n' ? ' ' : '\n';
        assert_false(approval_read(b.data, b.len, &other, NULL));
        b.data[i] = was;
        assert_false(approval_read(b.data, i, &other, NULL));
    }
    buf_release(&b);
}

/* A name from the server cannot add a line, and one that is hidden is seen. */
static void test_hostile(void **state)
{
    struct approval_subject s = SUBJECT;
    struct approval_text t;
    struct buf b;

    (void)state;
    s.who.name = "good\nwave: W9\n\x1b[2K\xe2\x80\xae"
                 "evil";
    s.who.release = "";
    text_of(&s, &b);
    assert_true(approval_read(b.data, b.len, &t, NULL));
    assert_string_equal(approval_wave(&t), "W2");
    assert_non_null(strstr(b.data, "<U+202E>"));
    assert_non_null(strstr(b.data, "\nrelease: -\n"));
    assert_true(approval_fits(&t, &s, NULL));
    assert_false(approval_fits(&t, &SUBJECT, NULL));
    buf_release(&b);
}

static void test_fits(void **state)
{
    struct approval_subject s[9];
    struct approval_text t;
    struct err e;
    struct buf b;

    (void)state;
    text_of(&SUBJECT, &b);
    assert_true(approval_read(b.data, b.len, &t, NULL));
    for (size_t i = 0; i < 9; i++)
        s[i] = SUBJECT;
    s[0].verb = VERB_RESUME;
    s[1].who.fleet = "apac";
    s[2].who.id = "4472";
    s[3].who.created_at += US_PER_S;
    s[4].who.name = "hearth 4.12.2";
    s[5].who.release = "hearth:4.12.2";
    s[6].wave = 3;
    s[7].devices = 1935;
    s[8].log = "andon/console-3";
    for (size_t i = 0; i < 9; i++) {
        err_clear(&e);
        assert_false(approval_fits(&t, &s[i], &e));
        assert_int_equal(e.code, ERR_REFUSED);
    }
    assert_string_equal(e.what, "the approval is for another log: andon/console-2, not andon/console-3");
    assert_true(approval_current(&t, T0, US_PER_DAY, NULL));
    assert_true(approval_current(&t, t.expires - 1, US_PER_DAY, NULL));
    assert_false(approval_current(&t, t.expires, US_PER_DAY, NULL));
    assert_false(approval_current(&t, T0, US_PER_DAY - 1, NULL));
    assert_false(approval_current(&t, T0 - APPROVAL_AHEAD_US - 1, US_PER_DAY, NULL));
    buf_release(&b);
}

static void test_people(void **state)
{
    struct approval_state s = {.known = true, .problem = "", .n = 5};
    struct actor asker = {.name = "bob"};
    char names[200];

    (void)state;
    s.v[0] = (struct approval_given){.verb = VERB_ADVANCE, .people = "alice@x al", .key = "1"};
    s.v[1] = (struct approval_given){.verb = VERB_ADVANCE, .people = "bob@x", .key = "2"};
    s.v[2] = (struct approval_given){.verb = VERB_ADVANCE, .people = "al", .key = "3"};
    s.v[3] = (struct approval_given){.verb = VERB_ADVANCE, .people = "robert", .key = "2"};
    s.v[4] = (struct approval_given){.verb = VERB_RESUME, .people = "carol", .key = "4"};
    assert_int_equal(approval_people(&s, VERB_ADVANCE, NULL, names), 2);
    assert_string_equal(names, "alice@x, bob@x");
    assert_int_equal(approval_people(&s, VERB_RESUME, NULL, NULL), 1);
    assert_int_equal(approval_people(&s, VERB_START, NULL, NULL), 0);
    assert_int_equal(approval_people(&s, VERB_ADVANCE, &asker, names), 1); /* robert's key is bob's */
    assert_string_equal(names, "alice@x");
    asker = (struct actor){.name = "ops", .operator_name = "al"};
    assert_int_equal(approval_people(&s, VERB_ADVANCE, &asker, names), 1);
    assert_string_equal(names, "bob@x");
    asker = (struct actor){.name = "o"};
    assert_int_equal(approval_people(&s, VERB_ADVANCE, &asker, names), 2); /* a beginning of a name is no name */
    s.v[4] = (struct approval_given){.verb = VERB_RESUME, .people = "bob@x alice@x", .key = "4"};
    assert_int_equal(approval_people(&s, VERB_ADVANCE, NULL, names), 1); /* tied together by the third */
}

static void test_check(void **state)
{
    struct policy p = *policy_default();
    struct approval_state s = {.known = true, .problem = "", .n = 1};
    struct verb_facts f = {.policy = &p};
    struct intent in = {.verb = VERB_ADVANCE, .fleet = "emea", .rollout = "4471", .actor = {.name = "mara"}};
    struct err e = {0};

    (void)state;
    assert_true(approval_check(&in, &f, &e)); /* nobody asks */
    p.approval = (struct approval_policy){.require = 1, .verbs = 1u << VERB_ADVANCE, .valid_us = US_PER_DAY};
    assert_false(approval_check(&in, &f, &e)); /* nothing is known */
    f.approvals = &s;
    s.v[0] = (struct approval_given){.verb = VERB_ADVANCE, .people = "mara", .key = "1"};
    assert_true(approval_check(&in, &f, &e));
    s.known = false;
    assert_false(approval_check(&in, &f, &e));
    s.known = true;
    p.approval.asker_out = true;
    assert_false(approval_check(&in, &f, &e));
    assert_string_equal(
        e.what, "advance is refused: the policy asks for signed approvals by 1 person, there are 0; who asks does "
                "not count");
    in.verb = VERB_RESUME;
    assert_true(approval_check(&in, &f, &e)); /* not of this verb */
    in.verb = VERB_ADVANCE;
    in.actor.kind = ACTOR_RULE;
    assert_true(approval_check(&in, &f, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_fits), cmocka_unit_test(test_people),
                                       cmocka_unit_test(test_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
