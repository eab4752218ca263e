/* The page of an exported folder: what is missing comes first, and nothing that an entry says is markup. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include "audit/leaf.h"
#include "audit/page.h"

#define HOSTILE "</td><script>alert(1)</script><img src=x onerror=y>\"'&\xe2\x80\xae\x1b[31m"

struct maker {
    struct page *page;
    int64_t seq;
};

static void give(struct maker *m, const struct entry *en)
{
    struct buf line, none;
    struct err e = {0};
    struct leaf l;
    uint8_t hash[32] = {0xcd};
    buf_init(&line, ENTRY_MAX);
    buf_init(&none, 16);
    if (!entry_canonical(en, (uint64_t)++m->seq, "{\"kernel\":{\"host\":\"ops-1\",\"pid\":31,\"uid\":1000}}", &line,
                         &e))
        fail_msg("%s", e.what);
    assert_true(leaf_scan(line.data, line.len, &l));
    page_row(m->page, &none, &l, hash);
    assert_int_equal(none.len, 0);
    buf_release(&none);
    buf_release(&line);
}

static struct maker begun(void)
{
    struct maker m = {page_new(true), 0};
    struct buf none;
    buf_init(&none, 16);
    page_head(m.page, &none);
    buf_release(&none);
    return m;
}

static char *ended(struct maker *m)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    page_foot(m->page, &out);
    page_free(m->page);
    char *text = buf_take(&out);
    buf_release(&out);
    return text;
}

static struct entry plain(enum entry_kind kind, enum verb verb, uint64_t corr, const char *result)
{
    struct entry e;
    make_entry(&e, kind, corr, result);
    e.verb = verb;
    e.wave = e.before = e.after = e.reason = "";
    e.n_fields = 0;
    return e;
}

/* Where a text stands in the page; it must be there, once. */
static const char *once(const char *page, const char *text)
{
    const char *p = strstr(page, text);
    if (!p)
        fail_msg("not there: %s", text);
    assert_null(strstr(p + 1, text));
    return p;
}

static void test_gaps(void **state)
{
    (void)state;
    struct maker m = begun();
    struct entry e = plain(ENTRY_GENESIS, VERB_NONE, 0, "");
    e.rollout = e.fleet = "";
    entry_str(&e, "origin", "andon/test");
    give(&m, &e);
    e = plain(ENTRY_INTENT, VERB_ADVANCE, 1, "");
    give(&m, &e); /* 2: ended */
    e = plain(ENTRY_OUTCOME, VERB_ADVANCE, 1, "ok");
    give(&m, &e);
    e = plain(ENTRY_INTENT, VERB_PAUSE, 2, "");
    give(&m, &e); /* 4: open */
    e = plain(ENTRY_INTENT, VERB_RETRY, 3, "");
    give(&m, &e); /* 5: unknown */
    e = plain(ENTRY_OUTCOME, VERB_RETRY, 3, "unknown");
    give(&m, &e);
    e = plain(ENTRY_HALT, VERB_HALT, 4, "");
    give(&m, &e); /* 7: lifted */
    e = plain(ENTRY_OUTCOME, VERB_HALT, 4, "ok");
    give(&m, &e);
    e = plain(ENTRY_ACK, VERB_ACK, 0, "");
    give(&m, &e); /* 9: without a reason; it lifts that of its own rollout only */
    e = plain(ENTRY_HALT, VERB_HALT, 7, "");
    e.rollout = "8";
    give(&m, &e); /* 10: lifted by 13 */
    e = plain(ENTRY_HALT, VERB_HALT, 5, "");
    give(&m, &e); /* 11: stands */
    e = plain(ENTRY_OUTCOME, VERB_HALT, 5, "ok");
    e.late = true;
    give(&m, &e); /* 12: late */
    e = plain(ENTRY_ACK, VERB_ACK, 0, "");
    e.rollout = "8";
    e.reason = "looked at";
    give(&m, &e); /* 13: lifts 10 */
    e = plain(ENTRY_STEP, VERB_ROLLBACK, 6, "ok");
    entry_str(&e, "step", "verify");
    entry_int(&e, "devices", 20);
    entry_int(&e, "verified", 18);
    entry_str(&e, "left", "sensor-1 sensor-2");
    give(&m, &e); /* 14 */
    e = plain(ENTRY_STEP, VERB_NONE, 0, "skipped");
    entry_str(&e, "runbook.step", "page-owner");
    entry_str(&e, "runbook.skipped", "on leave");
    give(&m, &e); /* 15 */
    static const char *const results[] = {"set-aside", "witness-forgot", "rolled-back", "ok", "ok"};
    for (size_t i = 0; i < 5; i++) { /* 16 to 20 */
        e = plain(ENTRY_DEGRADED, VERB_NONE, 0, results[i]);
        if (i == 1 || i == 2)
            entry_str(&e, "witness", "hub-b/witness");
        if (i > 2)
            entry_int(&e, "lost", (int64_t)i - 3);
        give(&m, &e);
    }
    char *page = ended(&m);
    const char *first = once(page, "What is missing, open or out of the ordinary");
    const char *rollout = once(page, "<h2>Rollout 4471 of the fleet homes</h2>");
    static const char *const gaps[] = {
        "No entry here says how it ended (<a href=\"#e4\">entry 4</a>)",
        "What became of it could not be told (<a href=\"#e5\">entry 5</a>)",
        "A halt was acknowledged without a reason (<a href=\"#e9\">entry 9</a>)",
        "A halt that no entry here acknowledges (<a href=\"#e11\">entry 11</a>)",
        "Logged after the fact (<a href=\"#e12\">entry 12</a>)",
        "A roll back left devices behind (<a href=\"#e14\">entry 14</a>): verified 18 of 20; left: sensor-1 sensor-2",
        "A step of a runbook was skipped (<a href=\"#e15\">entry 15</a>): page-owner: on leave",
        "In the spool was something that is no record (<a href=\"#e16\">entry 16</a>)",
        "A witness has lost its memory (<a href=\"#e17\">entry 17</a>)",
        "A witness contradicts the log (<a href=\"#e18\">entry 18</a>)",
        "The log could not be written for a while (<a href=\"#e19\">entry 19</a>)",
        "The record has a gap (<a href=\"#e20\">entry 20</a>)",
    };
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        const char *at = once(page, gaps[i]);
        assert_true(first < at && at < rollout);
    }
    assert_null(strstr(page, "#e2\""));
    assert_null(strstr(page, "#e7\""));
    for (int i = 2; i <= 15; i++) {
        char id[32];
        snprintf(id, sizeof id, "<tr id=\"e%d\">", i);
        assert_true(once(page, id) > rollout);
    }
    once(page, "<td>mara</td>");
    free(page);
}

static void test_no_gap(void **state)
{
    (void)state;
    struct maker m = begun();
    struct entry e = plain(ENTRY_INTENT, VERB_ADVANCE, 1, "");
    give(&m, &e);
    e = plain(ENTRY_OUTCOME, VERB_ADVANCE, 1, "ok");
    give(&m, &e);
    struct buf none;
    buf_init(&none, 16);
    page_head(m.page, &none); /* it begins again: nothing comes twice */
    buf_release(&none);
    m.seq = 0;
    e = plain(ENTRY_INTENT, VERB_ADVANCE, 1, "");
    give(&m, &e);
    e = plain(ENTRY_OUTCOME, VERB_ADVANCE, 1, "ok");
    give(&m, &e);
    char *page = ended(&m);
    once(page, "<p>Nothing that these entries show.</p>");
    once(page, "<tr id=\"e1\">");
    free(page);
}

static void test_hostile(void **state)
{
    (void)state;
    struct maker m = begun();
    for (int k = 0; k < ENTRY_KIND_COUNT; k++) {
        struct entry e = plain((enum entry_kind)k, VERB_ADVANCE, (uint64_t)k + 1, HOSTILE);
        snprintf(e.actor.name, sizeof e.actor.name, "%.60s", HOSTILE);
        e.fleet = e.rollout = e.wave = e.reason = e.before = e.after = HOSTILE;
        e.late = k % 2;
        entry_str(&e, "rollout.name", HOSTILE);
        entry_str(&e, "rollout.release", HOSTILE);
        entry_str(&e, "runbook.step", HOSTILE);
        entry_str(&e, "runbook.expected", HOSTILE);
        entry_str(&e, "runbook.observed", "x");
        entry_str(&e, "origin", HOSTILE);
        entry_str(&e, "list.blob", "\" onclick=x");
        entry_str(&e, "text", HOSTILE);
        give(&m, &e);
    }
    char *page = ended(&m);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<img"));
    assert_null(strstr(page, "\xe2\x80\xae"));
    assert_null(strchr(page, '\x1b'));
    assert_null(strstr(page, "href=\"blobs/")); /* what is no digest is no link */
    assert_null(strstr(page, "\" onclick"));
    /* nothing but what the page itself says is a tag */
    static const char *const tags[] = {"!DOCTYPE", "html", "head", "meta", "title", "style", "body",  "h1", "h2",
                                       "p",        "a",    "ol",   "li",   "table", "thead", "tbody", "tr", "th",
                                       "td",       "div",  "dl",   "dt",   "dd",    "br",    "code"};
    for (const char *p = page; (p = strchr(p, '<')) != NULL; p++) {
        const char *name = p + 1 + (p[1] == '/');
        size_t n = strcspn(name, " >\n");
        bool known = false;
        for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
            known = known || (strlen(tags[i]) == n && memcmp(name, tags[i], n) == 0);
        if (!known)
            fail_msg("a tag: %.30s", p);
    }
    free(page);
}

static void test_blob_and_limit(void **state)
{
    (void)state;
    static const char digest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct maker m = begun();
    struct entry e = plain(ENTRY_STEP, VERB_ROLLBACK, 6, "ok");
    entry_str(&e, "devices.blob", digest);
    for (int i = 0; i < PAGE_ROWS + 3; i++)
        give(&m, &e);
    char *page = ended(&m);
    assert_non_null(strstr(page, "<a href=\"blobs/aaaaaaaa"));
    once(page, "<tr id=\"e2000\">");
    assert_null(strstr(page, "<tr id=\"e2001\">"));
    once(page, "2,003, from");
    once(page, "only the first are shown here");
    free(page);
}

/* Of a long log not all is shown, but all is counted, and what is missing is told of all. */
static void test_long(void **state)
{
    (void)state;
    struct maker m = begun();
    char id[16];
    int per = PAGE_ROWS_ALL / 8;
    for (int r = 0; r < 6; r++) {
        for (int i = 0; i < per; i++) {
            struct entry e = plain(ENTRY_INTENT, VERB_ADVANCE, (uint64_t)m.seq + 1, "");
            snprintf(id, sizeof id, "%d", r);
            e.rollout = id;
            give(&m, &e);
            e = plain(ENTRY_OUTCOME, VERB_ADVANCE, (uint64_t)m.seq, "ok");
            e.rollout = id;
            if (r == 5 && i == per - 2)
                e.result = "unknown";
            if (r == 5 && i == per - 1)
                e.actor = (struct actor){.kind = ACTOR_PERSON, .name = "otto"};
            give(&m, &e);
        }
    }
    struct entry e = plain(ENTRY_INTENT, VERB_ADVANCE, 1000000, "");
    e.rollout = "5";
    entry_int(&e, "rollout.created", 77); /* another one of that number */
    give(&m, &e);
    char *page = ended(&m);
    int64_t n = m.seq;
    char want[120];
    snprintf(want, sizeof want, "could not be told (<a href=\"#e%d\">", (int)n - 4);
    once(page, want);
    snprintf(want, sizeof want, "how it ended (<a href=\"#e%d\">", (int)n);
    once(page, want);
    for (int r = 0; r < 6; r++) {
        snprintf(want, sizeof want, "<tr><td>%d</td><td></td><td></td><td>homes</td><td class=\"n\">%d</td>", r,
                 r < 5 ? 2 * per : 2 * per + 1);
        once(page, want);
    }
    once(page, "<td>otto</td>");
    snprintf(want, sizeof want, "<td class=\"n\">%d</td></tr>\n<tr><td>otto</td>", (int)n - 1);
    assert_non_null(strstr(page, want));
    int rows = 0;
    for (const char *p = page; (p = strstr(p, "<tr id=\"e")) != NULL; p++)
        rows++;
    assert_int_equal(rows, PAGE_ROWS_ALL);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gaps), cmocka_unit_test(test_no_gap),
                                       cmocka_unit_test(test_long), cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_blob_and_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
