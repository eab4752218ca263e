/* Committed values: what stands in a leaf, what its openings show, and what is erased. */
#include "tests/audit/help.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "audit/opening.h"
#include "audit/keep.h"
#include "audit/redact.h"
#include "core/redact.h"

static struct slice of(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

/* The leaf, its openings, and the line that comes of both. */
struct sealed {
    struct buf leaf, lines, shown;
};

static void seal(struct sealed *s, const char *line, unsigned kinds)
{
    struct err e = {0};
    buf_init(&s->leaf, 1 << 16);
    buf_init(&s->lines, 1 << 17);
    buf_init(&s->shown, 1 << 17);
    assert_true(opening_seal(line, strlen(line), kinds, &s->leaf, &s->lines, &e));
}

static void release(struct sealed *s)
{
    buf_release(&s->leaf);
    buf_release(&s->lines);
    buf_release(&s->shown);
}

#define LINE                                                                                                           \
    "{\"actor\":{\"kind\":\"person\",\"name\":\"m.\\\"ito\\\\\"},\"after\":\"b}\",\"f\":{\"approval.by\":\"x\",\"n\":" \
    "1},\"host\":{\"claimed\":{\"operator\":\"o\"},\"kernel\":{\"host\":\"h\",\"pid\":7,\"uid\":1000},\"names\":{}},"  \
    "\"kind\":\"halt\",\"mono_us\":5,\"reason\":\"why, \\\"committed\\\":{\",\"seq\":7,\"t\":9,\"v\":3}"

static void what_was_taken_out_comes_back(void **state)
{
    (void)state;
    for (unsigned kinds = 1; kinds <= REDACT_ALL; kinds++) {
        struct sealed s;
        struct leaf l;
        seal(&s, LINE, kinds);
        if (kinds == REDACT_ADDRESS) { /* it has none */
            assert_int_equal(s.leaf.len, 0);
            assert_int_equal(s.lines.len, 0);
            release(&s);
            continue;
        }
        assert_true(leaf_scan(s.leaf.data, s.leaf.len, &l));
        assert_int_equal(l.seq, 7);
        assert_true(opening_show(s.leaf.data, s.leaf.len, of(&s.lines), "gone", &s.shown));
        char *at = strstr(s.shown.data, "\"committed\":{"), *end = at ? strstr(at, "},") + 2 : NULL;
        assert_non_null(at);
        assert_null(memmem(at, (size_t)(end - at), "not here", 8));
        memmove(at, end, strlen(end) + 1);
        assert_string_equal(s.shown.data, LINE);
        bool person = kinds & REDACT_PERSON, host = kinds & REDACT_HOST, reason = kinds & REDACT_REASON;
        assert_int_equal(strstr(s.leaf.data, "ito") == NULL, person);
        assert_int_equal(strstr(s.leaf.data, "\"uid\":1000") == NULL, person);
        assert_int_equal(strstr(s.leaf.data, "\"host\":\"h\"") == NULL, host);
        assert_int_equal(strstr(s.leaf.data, "why") == NULL, reason);
        release(&s);
    }
}

static void what_a_rule_says_stays(void **state)
{
    (void)state;
    static const char line[] = "{\"actor\":{\"kind\":\"rule\",\"name\":\"crash-loop\"},\"kind\":\"halt\",\"mono_us\":5,"
                               "\"reason\":\"three of nine\",\"seq\":7,\"t\":9,\"v\":3}";
    struct sealed s;
    seal(&s, line, REDACT_ALL);
    assert_int_equal(s.leaf.len, 0);
    release(&s);
}

/* Each of the states, and a value that looks like one. */
static void each_state_is_told(void **state)
{
    (void)state;
    struct sealed s;
    struct opening o;
    struct buf part;
    seal(&s, LINE, REDACT_ALL);
    buf_init(&part, 1 << 16);
    assert_true(opening_find(of(&s.lines), slice_of("reason"), &o));
    buf_add(&part, o.line.p, o.line.n);
    buf_adds(&part, "\n7 actor.name erased 57\n");
    assert_true(opening_find(of(&s.lines), slice_of("f.approval.by"), &o));
    buf_add(&part, o.line.p, o.line.n - 2); /* another value of the same salt */
    buf_adds(&part, "y\"\n");
    assert_true(opening_show(s.leaf.data, s.leaf.len, of(&part), "gone", &s.shown));
    assert_non_null(strstr(s.shown.data, "\"name\":\"[erased, entry 57]\""));
    assert_non_null(strstr(s.shown.data, "\"actor.name\":\"erased by entry 57\""));
    assert_non_null(strstr(s.shown.data, "\"reason\":\"open\""));
    assert_non_null(strstr(s.shown.data, "\"reason\":\"why, "));
    assert_non_null(strstr(s.shown.data, "\"approval.by\":\"[committed, its opening is another]\""));
    assert_non_null(strstr(s.shown.data, "\"uid\":\"[committed, gone]\""));
    assert_non_null(strstr(s.shown.data, "\"host.kernel.uid\":\"not here\""));
    buf_release(&part);
    release(&s);
}

static void only_openings_are_read(void **state)
{
    (void)state;
#define SALT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const struct {
        const char *line;
        bool good;
    } v[] = {{"1 a " SALT " \"x\"\n", true},
             {"1 a " SALT " 7\n", true},
             {"1 a " SALT " -7\n", true},
             {"1 a erased 9\n", true},
             {"1 a " SALT " \"x\"", false},
             {"0 a " SALT " \"x\"\n", false},
             {"01 a " SALT " \"x\"\n", false},
             {"-1 a " SALT " \"x\"\n", false},
             {"1  " SALT " \"x\"\n", false},
             {"1 A " SALT " \"x\"\n", false},
             {"1 a " SALT "\n", false},
             {"1 a " SALT " \n", false},
             {"1 a " SALT " x\n", false},
             {"1 a " SALT " \"x\n", false},
             {"1 a " SALT " \"\n", false},
             {"1 a " SALT " 07\n", false},
             {"1 a " SALT " 1.5\n", false},
             {"1 a " SALT " -\n", false},
             {"1 a " SALT " \"\x7f\"\n", false},
             {"1 a " SALT " \"\t\"\n", false},
             {"1 a " SALT "0 \"x\"\n", false},
             {"1 a erased 0\n", false},
             {"1 a erased\n", false},
             {"\n", false},
             {"1\n", false},
             {"1 a\n", false},
             {"1000000000000000 a erased 9\n", false}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct slice rest = slice_of(v[i].line);
        struct opening o;
        bool bad;
        if (opening_read(&rest, &o, &bad) != v[i].good || bad == v[i].good)
            fail_msg("%s: %d", v[i].line, bad);
    }
}

/* An entry of somebody, in a box's log. */
static void by(struct audit_log *l, const char *name, const char *reason, const char *approver)
{
    static uint64_t corr = 100;
    struct entry en;
    make_entry(&en, ENTRY_ACK, ++corr, "ok");
    snprintf(en.actor.name, sizeof en.actor.name, "%s", name);
    en.reason = reason;
    if (approver)
        entry_str(&en, "approval.by", approver);
    put(l, &en);
}

static struct audit_redacted redact(struct box *b, unsigned kinds, const char *actor, bool only_look)
{
    struct audit_query q = {.actor = actor};
    struct audit_redact r = {.actor = {.kind = ACTOR_PERSON, .name = "dpo"},
                             .reason = "asked to",
                             .kinds = kinds,
                             .q = &q,
                             .only_look = only_look};
    struct audit_redacted out;
    struct err e = {0};
    struct audit_log *l = box_open(b);
    if (!audit_redact(l, &r, &out, &e))
        fail_msg("audit_redact: %s (%s)", e.what, e.cause);
    audit_close(l);
    return out;
}

/* How often do the files of the log have these bytes? */
static int occurs(const struct box *b, const char *word)
{
    static const char *const tails[] = {"", "-wal", ".1", ".2"};
    int found = 0;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char path[160];
        struct stat st;
        size_t n;
        snprintf(path, sizeof path, "%s%s", b->db, tails[i]);
        if (stat(path, &st) != 0 || st.st_size == 0)
            continue;
        char *bytes = read_all(path, &n), *at = bytes;
        while ((at = memmem(at, (size_t)(bytes + n - at), word, strlen(word))) != NULL) {
            found++;
            at++;
        }
        free(bytes);
    }
    return found;
}

static void one_person_goes(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    by(l, "trillian", "in the clear", NULL);
    audit_close(l);
    b.spec.redactable = REDACT_PERSON | REDACT_REASON;
    l = box_open(&b);
    by(l, "trillian", "first-reason", NULL);
    by(l, "marvin", "trillian told me so", "trillian");
    by(l, "marvin", "second-reason", "arthur");
    struct entry en;
    make_entry(&en, ENTRY_INTENT, 4711, "");
    snprintf(en.actor.name, sizeof en.actor.name, "trillian");
    en.reason = "not-ended";
    put(l, &en);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.opened, r.committed);
    struct audit_redacted out = redact(&b, REDACT_PERSON, "trillian", true);
    assert_int_equal(out.seq, 0);
    int64_t values = out.values;
    out = redact(&b, REDACT_PERSON, "trillian", false);
    assert_int_equal(out.values, values);
    assert_int_equal(out.entries, 2); /* her own that has ended, and the one that names her */
    assert_int_equal(out.open_left, 1);
    assert_int_equal(out.clear, 1);
    assert_int_equal(out.mentions, 2); /* the reason, and her name in the entry that has not ended */
    assert_true(out.flushed);
    assert_int_equal(occurs(&b, "\"arthur\""), 1);
    assert_int_equal(occurs(&b, "\"first-reason\""), 1);
    must_verify(&b, &r);
    assert_int_equal(r.erased, values);
    assert_int_equal(r.reopened, 0);
    assert_int_equal(r.opened + r.erased, r.committed);
    out = redact(&b, REDACT_PERSON, "trillian", false);
    assert_int_equal(out.seq, 0);
    assert_int_equal(out.values, 0);
    box_release(&b);
}

/* Many rounds, as pages of the file fill, split and empty: no byte of what was erased is left in any file. */
static void nothing_is_left(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    uint64_t seed = 42;
    char name[64], reason[3000];
    box_init(&b);
    b.spec.redactable = REDACT_ALL;
    for (int round = 0; round < 6; round++) {
        struct audit_log *l = box_open(&b);
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "erase-%d-%d", round, (int)(rnd(&seed) % 4));
            size_t n = (size_t)(rnd(&seed) % (sizeof reason - 80));
            memset(reason, 'x', n);
            snprintf(reason + n, sizeof reason - n, " secret-of-%s", name);
            by(l, name, reason, NULL);
        }
        audit_close(l);
        for (int who = 0; who < 3; who++) {
            snprintf(name, sizeof name, "erase-%d-%d", round, who);
            snprintf(reason, sizeof reason, "secret-of-%s", name);
            assert_true(occurs(&b, name) > 0);
            struct audit_redacted out = redact(&b, REDACT_ALL, name, false);
            assert_true(out.values > 0);
            assert_int_equal(occurs(&b, name), 0);
            assert_int_equal(occurs(&b, reason), 0);
        }
        must_verify(&b, &r);
        snprintf(name, sizeof name, "erase-%d-3", round);
        assert_true(occurs(&b, name) > 0);
    }
    box_release(&b);
}

/* Over the files of a log that went on in another one. */
static void older_files_too(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    struct stat st;
    char old[160];
    box_init(&b);
    b.spec.redactable = REDACT_ALL;
    struct audit_turn t = {.actor = {.kind = ACTOR_PERSON, .name = "dpo"}, .reason = "full"};
    for (int i = 0; i < 2; i++) {
        struct audit_log *l = box_open(&b);
        by(l, "trillian", "secret-reason", NULL);
        by(l, "marvin", "another-reason", "trillian");
        if (!audit_rotate(l, &t, false, &e))
            fail_msg("audit_rotate: %s (%s)", e.what, e.cause);
        by(l, "trillian", "secret-reason", NULL);
        audit_close(l);
    }
    assert_true(occurs(&b, "trillian") > 0 && occurs(&b, "secret-reason") > 0);
    struct audit_redacted out = redact(&b, REDACT_PERSON | REDACT_REASON, "trillian", false);
    assert_int_equal(out.entries, 6);
    assert_int_equal(out.files, 2);
    assert_int_equal(occurs(&b, "trillian"), 0);
    assert_int_equal(occurs(&b, "secret-reason"), 0);
    assert_int_equal(occurs(&b, "another-reason"), 2);
    must_verify(&b, &r);
    assert_int_equal(r.erased, out.values);
    assert_int_equal(out.beside, 0);
    snprintf(old, sizeof old, "%s.1.x7Kq0b", b.db); /* a killed rotation's copy: it is said */
    write_all(old, "x", 1);
    snprintf(old, sizeof old, "%s.3", b.db);
    write_all(old, "x", 1);
    out = redact(&b, REDACT_PERSON | REDACT_REASON, "trillian", false);
    assert_int_equal(out.beside, 2);
    snprintf(old, sizeof old, "%s.damaged-1", b.db); /* set aside by a recovery */
    write_all(old, "x", 1);
    out = redact(&b, REDACT_PERSON | REDACT_REASON, "trillian", true);
    assert_int_equal(out.beside, 3);
    snprintf(old, sizeof old, "%s.1", b.db);
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    box_release(&b);
}

/* What a hold keeps is kept with its names, whatever is erased; of other times they go. */
static void what_is_held_is_not_erased(void **state)
{
    (void)state;
    static const struct audit_turn turn = {{.kind = ACTOR_PERSON, .name = "zaphod"}, "claim 4711"};
    struct box b;
    struct entry en;
    struct err e = {0};
    struct audit_report r;
    box_init(&b);
    b.spec.redactable = REDACT_PERSON | REDACT_REASON;
    struct audit_log *l = box_open(&b);
    int64_t begin = b.now;
    for (int i = 0; i < 6; i++) {
        make_entry(&en, ENTRY_NOTICE, (uint64_t)i + 1, "raised");
        en.actor = (struct actor){.kind = ACTOR_PERSON, .name = "trillian"};
        en.t = begin + i * US_PER_HOUR;
        put(l, &en);
    }
    /* entries 2 to 4 of hours 1 to 3, the end excluded */
    assert_true(audit_hold_add(l, &turn, "INC-9", begin + US_PER_HOUR, begin + 4 * US_PER_HOUR, &e));
    assert_true(audit_hold_add(l, &turn, "INC-10", begin + 90 * US_PER_HOUR, 0, &e));
    audit_close(l);
    struct audit_redacted out = redact(&b, REDACT_PERSON, "trillian", false);
    assert_int_equal(out.entries, 3);
    assert_int_equal(out.held, 3);
    assert_string_equal(out.held_by, "INC-9");
    assert_true(occurs(&b, "trillian") > 0);
    must_verify(&b, &r);
    /* the hold's own entry, with a hold of another time */
    out = redact(&b, REDACT_PERSON, "zaphod", true);
    assert_int_equal(out.held, 2);
    l = box_open(&b);
    assert_true(audit_hold_remove(l, &turn, "INC-9", &e));
    audit_close(l);
    out = redact(&b, REDACT_PERSON, "trillian", false);
    assert_int_equal(out.entries, 3);
    assert_int_equal(out.held, 0);
    assert_string_equal(out.held_by, "");
    assert_int_equal(occurs(&b, "trillian"), 0);
    must_verify(&b, &r);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_taken_out_comes_back),
        cmocka_unit_test(what_a_rule_says_stays),
        cmocka_unit_test(each_state_is_told),
        cmocka_unit_test(only_openings_are_read),
        cmocka_unit_test(one_person_goes),
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(older_files_too),
        cmocka_unit_test(what_is_held_is_not_erased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
