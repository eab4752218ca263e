/* Reports: questions of a mapping, asked of entries. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include "audit/html.h"
#include "audit/report.h"
#include "core/json.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define MATCH(...)                                                                                                     \
    {                                                                                                                  \
        .late = -1, __VA_ARGS__                                                                                        \
    }

/* A line of a log in short. */
struct line {
    const char *kind, *verb, *result, *actor;
    uint64_t corr;
    int64_t minute;
    const char *reason;
    const char *field[2];
};

static const struct rollout_identity who = {"homes", "4471", 100, "hearth", "hearth:2"};

static void give(struct report *r, const struct line *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char leaf[32];
        const char *fields[3][2] = {
            {"rollout.created", "100"}, {"rollout.name", "hearth"}, {l[i].field[0], l[i].field[1]}};
        snprintf(leaf, sizeof leaf, "leaf%zu", i + 1);
        struct stored s = {.seq = (int64_t)i + 1,
                           .t = (1000000 + l[i].minute) * US_PER_MIN,
                           .line = "",
                           .kind = l[i].kind,
                           .actor = l[i].actor ? l[i].actor : "mara",
                           .actor_kind = "person",
                           .fleet = "homes",
                           .rollout = "4471",
                           .wave = "",
                           .verb = l[i].verb ? l[i].verb : "",
                           .result = l[i].result ? l[i].result : "",
                           .reason = l[i].reason ? l[i].reason : "",
                           .before = "",
                           .after = "",
                           .host = "",
                           .corr = l[i].corr,
                           .fields = fields,
                           .n_fields = l[i].field[0] ? 3 : 2,
                           .leaf_hash = leaf};
        report_take(r, &s);
    }
}

/* The rows that one item gives. */
struct asked {
    struct report *r;
    const struct report_result *out;
};

static struct asked ask(const struct standard *st, const struct line *l, size_t n)
{
    struct report *r = report_begin(st, &who);
    give(r, l, n);
    return (struct asked){r, report_result(r)};
}

static void row_is(const struct report_row *row, enum report_state state, int64_t seq, const char *value,
                   const char *note)
{
    assert_string_equal(report_state_word(row->state), report_state_word(state));
    assert_int_equal(row->seq, seq);
    assert_string_equal(row->value, value);
    assert_string_equal(row->note, note);
    if (seq) {
        char leaf[32];
        snprintf(leaf, sizeof leaf, "leaf%d", (int)seq);
        assert_string_equal(row->leaf, leaf);
    }
}

#define ONE_OF(least, ...)                                                                                             \
    ((struct standard){                                                                                                \
        .name = "t",                                                                                                   \
        .title = "T",                                                                                                  \
        .about = "",                                                                                                   \
        .items =                                                                                                       \
            &(const struct standard_item){                                                                             \
                .id = "i", .section = "1", .asks = "asks", .hint = "hint", .min = (least), __VA_ARGS__},               \
        .n_items = 1})
#define ONE(...) ONE_OF(1, __VA_ARGS__)

static const struct line story[] = {
    {"intent", "advance", "", "mara", 1, 0, "go", {NULL, NULL}},
    {"outcome", "advance", "ok", "mara", 1, 1, "", {"text", "it went"}},
    {"halt", "halt", "", "reboot-1", 2, 10, "it burns", {NULL, NULL}},
    {"outcome", "halt", "ok", "reboot-1", 2, 11, "", {NULL, NULL}},
    {"ack", "ack", "", "otto", 0, 200, "", {NULL, NULL}},
    {"intent", "rollback", "", "mara", 3, 210, "back", {NULL, NULL}},
};
#define STORY story, sizeof story / sizeof *story

static void test_take(void **state)
{
    (void)state;
    struct standard st = ONE(.find = MATCH(.kinds = WORDS("intent")), .values = WORDS("actor", "reason"));
    struct asked q = ask(&st, STORY);
    assert_int_equal(q.out->n, 1);
    row_is(&q.out->rows[0], REPORT_FOUND, 6, "actor: mara; reason: back", "");
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("intent")), .values = WORDS("reason"), .take = TAKE_FIRST);
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_FOUND, 1, "reason: go", "");
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("intent")), .values = WORDS("reason"), .take = TAKE_ALL);
    q = ask(&st, STORY);
    assert_int_equal(q.out->n, 2);
    row_is(&q.out->rows[1], REPORT_FOUND, 6, "reason: back", "");
    report_end(q.r);
    st = ONE_OF(3, .find = MATCH(.kinds = WORDS("intent", "halt")), .take = TAKE_COUNT);
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_FOUND, 6, "3: entries 1, 3, 6", "");
    report_end(q.r);
    st = ONE_OF(3, .find = MATCH(.kinds = WORDS("intent")), .take = TAKE_COUNT);
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_MISSING, 6, "2: entries 1, 6", "wanted are at least 3");
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("halt")), .take = TAKE_NONE, .values = WORDS("reason"));
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_DEVIATION, 3, "reason: it burns", "there should be none");
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("degraded")), .take = TAKE_NONE);
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_FOUND, 0, "none", "");
    report_end(q.r);
}

static void test_missing(void **state)
{
    (void)state;
    struct standard st = ONE(.find = MATCH(.kinds = WORDS("export")));
    struct asked q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_MISSING, 0, "", "no entry shows it");
    assert_int_equal(q.out->counts[REPORT_MISSING], 1);
    report_end(q.r);
    /* an entry that does not say all of it */
    st = ONE(.find = MATCH(.kinds = WORDS("ack")), .values = WORDS("actor", "reason", "remark"));
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_MISSING, 5, "actor: otto", "the entry does not say: reason, remark");
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("ack")), .values = WORDS("actor"), .extra = WORDS("reason"));
    q = ask(&st, STORY);
    row_is(&q.out->rows[0], REPORT_FOUND, 5, "actor: otto", "");
    report_end(q.r);
    /* asked only where it applies */
    struct standard_match never = MATCH(.kinds = WORDS("refused")), once = MATCH(.kinds = WORDS("halt"));
    st = ONE(.find = MATCH(.kinds = WORDS("export")), .applies = &never);
    q = ask(&st, STORY);
    assert_int_equal(q.out->rows[0].state, REPORT_NOT_ASKED);
    report_end(q.r);
    st = ONE(.find = MATCH(.kinds = WORDS("export")), .applies = &once);
    q = ask(&st, STORY);
    assert_int_equal(q.out->rows[0].state, REPORT_MISSING);
    report_end(q.r);
}

static void test_relations(void **state)
{
    (void)state;
    struct standard_match intents = MATCH(.kinds = WORDS("intent", "halt"));
    struct standard_match advances = MATCH(.kinds = WORDS("intent"), .verbs = WORDS("advance"));
    struct standard_match halts = MATCH(.kinds = WORDS("halt"));
    struct standard st =
        ONE(.find = MATCH(.kinds = WORDS("outcome")), .after = &intents, .same_corr = true, .values = WORDS("result"));
    struct asked q = ask(&st, STORY);
    assert_int_equal(q.out->n, 3);
    row_is(&q.out->rows[0], REPORT_MISSING, 0, "",
           "there is none after entry 6 (intent of rollback, 1971-11-26T14:10:00.000Z)");
    row_is(&q.out->rows[1], REPORT_FOUND, 2, "result: ok",
           "after entry 1 (intent of advance, 1971-11-26T10:40:00.000Z)");
    row_is(&q.out->rows[2], REPORT_FOUND, 4, "result: ok", "after entry 3 (halt, 1971-11-26T10:50:00.000Z)");
    report_end(q.r);
    /* of the same operation, however they come */
    static const struct line crossed[] = {
        {"intent", "advance", "", "mara", 1, 0, "", {NULL, NULL}},
        {"intent", "pause", "", "mara", 2, 1, "", {NULL, NULL}},
        {"outcome", "pause", "ok", "mara", 2, 2, "", {NULL, NULL}},
        {"outcome", "advance", "failed", "mara", 1, 3, "", {NULL, NULL}},
    };
    q = ask(&st, crossed, 4);
    assert_int_equal(q.out->n, 2);
    assert_int_equal(q.out->rows[0].seq, 4);
    assert_int_equal(q.out->rows[1].seq, 3);
    report_end(q.r);
    /* too late */
    st = ONE(.find = MATCH(.kinds = WORDS("ack")), .after = &halts, .within_us = 60 * US_PER_MIN);
    q = ask(&st, STORY);
    assert_int_equal(q.out->rows[0].state, REPORT_DEVIATION);
    assert_string_equal(q.out->rows[0].note,
                        "3h10m after entry 3 (halt, 1971-11-26T10:50:00.000Z); wanted was at most 1h00m");
    report_end(q.r);
    st.items = &(const struct standard_item){.id = "i",
                                             .section = "1",
                                             .asks = "a",
                                             .hint = "",
                                             .min = 1,
                                             .find = MATCH(.kinds = WORDS("ack")),
                                             .after = &halts,
                                             .within_us = 191 * US_PER_MIN};
    q = ask(&st, STORY);
    assert_int_equal(q.out->rows[0].state, REPORT_FOUND);
    report_end(q.r);
    /* after it by its number, and by its clock before: not within anything */
    static const struct line back[] = {
        {"halt", "halt", "", "mara", 1, 60, "", {NULL, NULL}},
        {"ack", "ack", "", "mara", 2, 20, "", {NULL, NULL}},
    };
    st = ONE(.find = MATCH(.kinds = WORDS("ack")), .after = &halts, .within_us = 60 * US_PER_MIN);
    q = ask(&st, back, 2);
    assert_int_equal(q.out->rows[0].state, REPORT_DEVIATION);
    assert_non_null(strstr(q.out->rows[0].note, "it stands after entry 1"));
    assert_non_null(strstr(q.out->rows[0].note, "by its time 40m00s before that"));
    report_end(q.r);
    /* before it, by somebody else */
    static const struct line approved[] = {
        {"outcome", "approve", "ok", "mara", 1, 0, "", {NULL, NULL}},
        {"intent", "advance", "", "mara", 2, 1, "", {NULL, NULL}},
        {"approval", "advance", "", "otto", 3, 2, "", {NULL, NULL}},
        {"intent", "advance", "", "mara", 4, 3, "", {NULL, NULL}},
    };
    st = ONE(.find = MATCH(.kinds = WORDS("approval", "outcome"), .verbs = WORDS("approve")), .before = &advances,
             .other_actor = true, .values = WORDS("actor"));
    q = ask(&st, approved, 4);
    assert_int_equal(q.out->n, 2);
    assert_int_equal(q.out->rows[0].state, REPORT_MISSING);
    assert_non_null(strstr(q.out->rows[0].note, "before entry 2"));
    assert_int_equal(q.out->rows[1].seq, 3);
    assert_string_equal(q.out->rows[1].value, "actor: otto");
    report_end(q.r);
    /* the nearest before */
    st = ONE(.find = MATCH(.kinds = WORDS("approval", "outcome"), .verbs = WORDS("approve")), .before = &advances);
    q = ask(&st, approved, 4);
    assert_int_equal(q.out->rows[0].seq, 1);
    assert_int_equal(q.out->rows[1].seq, 3);
    report_end(q.r);
    /* nothing that it is asked about */
    q = ask(&st, story + 2, 3);
    assert_int_equal(q.out->n, 1);
    assert_int_equal(q.out->rows[0].state, REPORT_NOT_ASKED);
    report_end(q.r);
}

/* The number was another rollout's before: its entries are counted, and left out. */
static void test_another_rollout(void **state)
{
    (void)state;
    struct standard st = ONE(.find = MATCH(.kinds = WORDS("intent")), .take = TAKE_COUNT);
    const struct rollout_identity newer = {"homes", "4471", 900, "hearth", "hearth:3"};
    struct report *r = report_begin(&st, &newer);
    give(r, STORY);
    const struct report_result *out = report_result(r);
    assert_int_equal(out->entries, 0);
    assert_int_equal(out->others, 6);
    assert_int_equal(out->rows[0].state, REPORT_MISSING);
    report_end(r);
    /* of the whole log they are found all the same */
    st = ONE(.find = MATCH(.kinds = WORDS("intent")), .take = TAKE_COUNT, .whole_log = true);
    r = report_begin(&st, &newer);
    give(r, STORY);
    assert_int_equal(report_result(r)->rows[0].state, REPORT_FOUND);
    report_end(r);
}

static void test_steps(void **state)
{
    (void)state;
    struct standard st = ONE(.find = MATCH(.kinds = WORDS("step")));
    struct report *r = report_begin(&st, &who);
    const char *done[][2] = {{"runbook.step", "a"}, {"runbook.expected", "green"}, {"runbook.observed", "green"}};
    const char *other[][2] = {{"runbook.step", "b"}, {"runbook.expected", "green"}, {"runbook.observed", "red"}};
    const char *skipped[][2] = {{"runbook.step", "c"}, {"runbook.skipped", "no time"}};
    const char *saga[][2] = {{"step", "verify"}};
    struct stored s = {.kind = "step",
                       .line = "",
                       .actor = "mara",
                       .actor_kind = "person",
                       .fleet = "homes",
                       .rollout = "4471",
                       .wave = "",
                       .verb = "",
                       .result = "done",
                       .reason = "",
                       .before = "",
                       .after = "",
                       .host = "",
                       .leaf_hash = "x"};
    s.seq = 1, s.fields = done, s.n_fields = 3;
    report_take(r, &s);
    s.seq = 2, s.fields = other;
    report_take(r, &s);
    s.seq = 3, s.fields = skipped, s.n_fields = 2;
    report_take(r, &s);
    s.seq = 4, s.fields = saga, s.n_fields = 1;
    report_take(r, &s);
    const struct report_result *out = report_result(r);
    assert_int_equal(out->n_steps, 3);
    assert_false(out->steps[0].deviates);
    assert_true(out->steps[1].deviates && out->steps[2].deviates);
    assert_string_equal(out->steps[2].skipped, "no time");
    report_end(r);
}

/* --- formats -------------------------------------------------------------------------------------------------------
 */

#define HOSTILE "<script>alert(1)</script>=cmd\"&'\xe2\x80\xae\x1b[31m"

static char *written(const char *format)
{
    static const struct line hostile[] = {
        {"intent", "advance", "", HOSTILE, 1, 0, HOSTILE, {NULL, NULL}},
        {"step", "", "skipped", HOSTILE, 0, 1, "", {"runbook.step", HOSTILE}},
    };
    const struct rollout_identity bad = {"homes", "4471", 100, HOSTILE, HOSTILE};
    struct standard st = ONE(.find = MATCH(.kinds = WORDS("intent")), .values = WORDS("actor", "reason"));
    struct report *r = report_begin(&st, &who);
    struct report_head h = {&st, &bad, HOSTILE, "root", 2, US_PER_S};
    struct buf out;
    buf_init(&out, 1 << 20);
    give(r, hostile, 2);
    report_writer(format)(&h, report_result(r), &out);
    report_end(r);
    char *text = buf_take(&out);
    buf_release(&out);
    return text;
}

static void test_formats(void **state)
{
    (void)state;
    char *text = written("html");
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "alert(1)<"));
    assert_null(strchr(text, '\x1b'));
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_non_null(strstr(text, "&lt;script&gt;alert(1)&lt;/script&gt;=cmd&quot;&amp;&#39;&lt;U+202E&gt;"));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "src="));
    assert_non_null(strstr(text, "leaf1"));
    free(text);
    text = written("json");
    struct json_t *doc = json_parse(text, strlen(text), 1 << 20, "report", NULL);
    assert_non_null(doc);
    assert_int_equal(json_len(json_get(doc, "items")), 1);
    assert_int_equal(json_len(json_get(doc, "steps")), 1);
    json_free(doc);
    free(text);
    text = written("csv");
    assert_memory_equal(text, "state,section,id,asks,", 22);
    assert_null(strchr(text, '\x1b'));
    free(text);
    text = written("text");
    assert_non_null(strstr(text, "0 MISSING, 0 DEVIATION, 1 found, 0 not asked"));
    assert_non_null(strstr(text, "no legal advice"));
    free(text);
    assert_null(report_writer("pdf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),  cmocka_unit_test(test_missing),         cmocka_unit_test(test_relations),
        cmocka_unit_test(test_steps), cmocka_unit_test(test_another_rollout), cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
