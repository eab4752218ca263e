/* Entries in words, and as streams for other programs. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include "audit/leaf.h"
#include "audit/stream.h"
#include "audit/words.h"
#include "core/json.h"
#include "core/text.h"

/* The entry as it comes back from the log. */
static struct stored back(struct arena *a, const struct entry *en)
{
    struct buf line;
    struct err e = {0};
    struct stored s;
    uint8_t hash[32] = {0xab};
    buf_init(&line, ENTRY_MAX);
    assert_true(entry_canonical(en, 7,
                                "{\"claimed\":{\"ssh_connection\":\"192.0.2.1 1 192.0.2.2 22\"},\"kernel\":{\"host\":"
                                "\"ops-1\",\"pid\":31,\"uid\":1000},\"names\":{\"user\":\"mara\"}}",
                                &line, &e));
    assert_true(leaf_decode(line.data, line.len, hash, a, &s));
    buf_release(&line);
    return s;
}

static void says(const struct entry *en, const char *want)
{
    struct arena a;
    arena_init(&a);
    struct stored s = back(&a, en);
    assert_string_equal(entry_sentence(&s, &a), want);
    arena_release(&a);
}

static struct entry asked(enum entry_kind kind, enum verb verb, const char *result)
{
    struct entry e;
    make_entry(&e, kind, 9, result);
    e.verb = verb;
    e.reason = e.before = e.after = e.wave = "";
    e.n_fields = 0;
    return e;
}

static void test_sentences(void **state)
{
    (void)state;
    struct entry e = asked(ENTRY_INTENT, VERB_ROLLBACK, "");
    e.before = "paused";
    e.reason = "it burns";
    entry_str(&e, "rollout.name", "hearth 4.12.1");
    entry_str(&e, "rollout.release", "hearth:4.12.1");
    says(&e,
         "mara (a person) asked to roll back rollout 4471 (hearth 4.12.1, release hearth:4.12.1) of the fleet homes; "
         "before, the server showed it as paused. This was written before anything was sent. Because: it burns.");
    e = asked(ENTRY_OUTCOME, VERB_HALT, "ok");
    e.actor.kind = ACTOR_RULE;
    e.after = "paused";
    entry_str(&e, "text", "the server shows it paused");
    says(&e,
         "What the rule mara asked for, to halt rollout 4471 of the fleet homes, ended with the result ok: the server "
         "shows it paused. Afterwards it showed paused.");
    e = asked(ENTRY_HALT, VERB_HALT, "");
    entry_str(&e, "from.host", "ops-2");
    entry_str(&e, "from.log", "andon/ops-2");
    entry_int(&e, "from.seq", 41);
    says(&e,
         "mara (a person) halted rollout 4471 of the fleet homes, as the host ops-2 has it in its log andon/ops-2 as "
         "entry 41. It stays halted here as well until somebody acknowledges it.");
    e = asked(ENTRY_REFUSED, VERB_ADVANCE, "refused");
    entry_str(&e, "why", "the gate is closed");
    says(&e,
         "andon refused when mara (a person) asked to advance rollout 4471 of the fleet homes: the gate is closed.");
    e = asked(ENTRY_CONFIG, VERB_NONE, "ledger");
    entry_int(&e, "begun", 2);
    entry_str(&e, "tests", "dry-run");
    says(
        &e,
        "The trial of rollout 4471 of the fleet homes claims its share of the chance of a false halt. Stages that have "
        "begun: 2. Its tests: dry-run.");
    e = asked(ENTRY_STEP, VERB_NONE, "skipped");
    entry_str(&e, "runbook.step", "page-owner");
    entry_str(&e, "runbook.expected", "the owner answers");
    entry_str(&e, "runbook.skipped", "on leave");
    says(
        &e,
        "mara (a person) noted the step page-owner of a runbook for rollout 4471 of the fleet homes. Expected was: the "
        "owner answers. The step was skipped, because: on leave.");
    e = asked(ENTRY_ACCEPT, VERB_NONE, "accepted");
    e.rollout = e.fleet = "";
    e.reason = "no fix before March";
    entry_str(&e, "vulnerability", "CVE-2031-0007");
    entry_int(&e, "until", INT64_C(1930000000000000));
    says(&e,
         "mara (a person) accepted the risk of CVE-2031-0007 until 2031-02-27T23:06:40.000Z. Because: no fix before "
         "March.");
    entry_str(&e, "release", "hub:4.8.2");
    entry_str(&e, "control", "port closed");
    says(&e, "mara (a person) accepted the risk of CVE-2031-0007 in the release hub:4.8.2 until "
             "2031-02-27T23:06:40.000Z; what is done instead: port closed. Because: no fix before March.");
    e = asked(ENTRY_CRA, VERB_NONE, "sent");
    e.rollout = e.fleet = "";
    entry_str(&e, "vulnerability", "CVE-2031-0007");
    entry_str(&e, "stage", "early-warning");
    entry_int(&e, "at", INT64_C(1930000000000000));
    entry_str(&e, "reference", "7731");
    says(&e, "mara (a person) says that the early-warning about CVE-2031-0007 was sent at 2031-02-27T23:06:40.000Z, "
             "under the reference 7731.");
    e = asked(ENTRY_INTEL, VERB_NONE, "refused");
    e.rollout = e.fleet = "";
    entry_str(&e, "source", "kev");
    entry_str(&e, "why", "1 record, 2 before");
    says(&e, "What kev says of vulnerabilities was not taken in: 1 record, 2 before; what was there stays.");
    e = asked(ENTRY_NOTICE, VERB_NONE, "silenced");
    e.rollout = "";
    entry_int(&e, "until", INT64_C(1931257201000000));
    says(&e,
         "mara (a person) silenced the notices of the fleet homes until 2031-03-14T12:20:01.000Z. Halts still happen.");
}

static void test_what_was_sent(void **state)
{
    (void)state;
    struct entry e = asked(ENTRY_OUTCOME, VERB_PAUSE, "ok");
    entry_str(&e, "http.method", "POST");
    entry_str(&e, "http.path", "/rest/v1/rollouts/1/pause");
    entry_int(&e, "http.status", 200);
    entry_int(&e, "http.date", INT64_C(1931257201000000));
    says(
        &e,
        "What mara (a person) asked for, to pause rollout 4471 of the fleet homes, ended with the result ok. Sent was: "
        "POST /rest/v1/rollouts/1/pause. The server answered 200. Its clock showed 2031-03-14T12:20:01.000Z.");
    e = asked(ENTRY_OUTCOME, VERB_PAUSE, "unknown");
    entry_str(&e, "http.method", "POST");
    entry_str(&e, "http.path", "/p");
    entry_str(&e, "http.body_sha256", "ab");
    entry_str(&e, "http.error", "reset");
    says(
        &e,
        "What mara (a person) asked for, to pause rollout 4471 of the fleet homes, ended with the result unknown. Sent "
        "was: POST /p, with a body of the SHA-256 ab. No answer came: reset.");
    e = asked(ENTRY_INTENT, VERB_ADVANCE, "");
    entry_str(&e, "approval.by", "otto");
    says(&e, "mara (a person) asked to advance rollout 4471 of the fleet homes. This was written before anything was "
             "sent. On "
             "the server, otto had approved it.");
    e = asked(ENTRY_EVIDENCE, VERB_NONE, "halt");
    entry_int(&e, "devices", 20);
    says(&e, "The devices of rollout 4471 of the fleet homes when the halt came: 20.");
    e = asked(ENTRY_RECEIPT, VERB_NONE, "ok");
    e.fleet = e.rollout = "";
    entry_str(&e, "witness", "hub-b/witness");
    entry_int(&e, "size", 54);
    entry_str(&e, "root", "ab");
    says(&e, "The witness hub-b/witness has signed the log's first 54 entries, with the root ab.");
    e = asked(ENTRY_CLOCK_STEP, VERB_NONE, "");
    e.fleet = e.rollout = "";
    entry_int(&e, "by", -3600 * US_PER_S);
    entry_int(&e, "real", INT64_C(1931257201000000));
    says(&e,
         "The wall clock of the host was set, by -1h00m (-3600000000 us); it then showed 2031-03-14T12:20:01.000Z.");
}

/* A kind that is added later is text too, and what an entry does not have is not made up. */
static void test_every_kind(void **state)
{
    (void)state;
    for (int k = 0; k < ENTRY_KIND_COUNT; k++) {
        struct arena a;
        struct entry bare;
        arena_init(&a);
        entry_init(&bare, (enum entry_kind)k);
        bare.t = 1;
        struct stored s = back(&a, &bare);
        const char *text = entry_sentence(&s, &a);
        assert_true(strlen(text) > 10);
        assert_null(strpbrk(text, "{}[]"));
        assert_null(strstr(text, "  "));
        struct entry_words w;
        entry_words(&s, &a, &w);
        assert_true(*w.who && *w.action);
        arena_release(&a);
    }
}

static void test_steps_differ(void **state)
{
    (void)state;
    static const char *const steps[] = {"target", "pause",  "snapshot", "auto-assign", "stop",
                                        "drain",  "create", "start",    "verify",      "repair"};
    char seen[10][200];
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < 10; i++) {
        struct entry e = asked(ENTRY_STEP, VERB_ROLLBACK, "ok");
        struct entry_words w;
        e.reason = "it burns";
        entry_str(&e, "step", steps[i]);
        struct stored s = back(&a, &e);
        entry_words(&s, &a, &w);
        snprintf(seen[i], sizeof seen[i], "%s", w.because);
        assert_true(strlen(w.because) > strlen(steps[i]) + 5);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    arena_release(&a);
}

static void test_source_and_values(void **state)
{
    (void)state;
    struct arena a;
    struct entry e = asked(ENTRY_INTENT, VERB_PAUSE, "");
    arena_init(&a);
    struct stored s = back(&a, &e);
    assert_string_equal(
        entry_source(&s, &a),
        "The kernel of the host ops-1: user number 1000, process 31. The user database calls that user mara. "
        "Claimed by the environment, and not proved: connected by 192.0.2.1 1 192.0.2.2 22.");
    assert_string_equal(entry_host(&s, &a, "kernel.host"), "ops-1");
    assert_string_equal(entry_host(&s, &a, "kernel.tty"), "");
    assert_string_equal(entry_value(&a, "log_e", "0x1.8p+1"), "0x1.8p+1 (3)");
    assert_string_equal(entry_value(&a, "took_us", "2500000"), "2s (2500000 us)");
    assert_string_equal(entry_value(&a, "until", "1931257201000000"), "2031-03-14T12:20:01.000Z");
    assert_string_equal(entry_value(&a, "pid", "31"), "31");
    assert_string_equal(entry_value(&a, "blob", "0x"), "0x");
    s.host = "";
    assert_string_equal(entry_source(&s, &a), "The entry does not say who wrote it.");
    arena_release(&a);
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

static struct entry hostile(void)
{
    struct entry e = asked(ENTRY_OUTCOME, VERB_ADVANCE, "failed");
    snprintf(e.actor.name, sizeof e.actor.name, "a|b=c\\d\xe2\x80\xae");
    e.rollout = "=cmd()|x\n";
    e.fleet = "<script>";
    e.reason = "x=1|y\\z\r\n\x1b[31m";
    entry_str(&e, "text", "\",\"seq\":9");
    entry_int(&e, "http.status", 502);
    return e;
}

static char *streamed(const char *format, const struct entry *en)
{
    struct buf out;
    struct arena a;
    arena_init(&a);
    buf_init(&out, 1 << 20);
    struct stored s = back(&a, en);
    stream_format_find(format)->entry(&s, &out);
    arena_release(&a);
    char *text = buf_take(&out);
    buf_release(&out);
    /* one line, no control character, nothing that turns the writing round */
    size_t n = strlen(text);
    assert_true(n > 10 && text[n - 1] == '\n');
    for (size_t i = 0; i + 1 < n; i++)
        assert_true((unsigned char)text[i] >= 0x20 || (text[i] == '\r' && i + 2 == n));
    assert_null(strstr(text, "\xe2\x80\xae"));
    return text;
}

static void test_cef(void **state)
{
    (void)state;
    struct entry e = hostile();
    char *text = streamed("cef", &e);
    /* the header: seven fields, each part by a bar that is not escaped */
    const char *p = text;
    int bars = 0;
    for (; *p && bars < 7; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '|')
            bars++;
    }
    assert_int_equal(bars, 7);
    assert_memory_equal(text, "CEF:0|andon|andon|", 18);
    assert_non_null(strstr(text, "|outcome.advance|outcome of advance|6|rt=1931257201000 externalId=7 "));
    /* the extension: an equals sign of a value is escaped, so is a backslash; a bar is not */
    assert_non_null(strstr(p, "suser=a|b\\=c\\\\d<U+202E> "));
    assert_non_null(strstr(p, "reason=x\\=1|y\\\\z<U+000D><U+000A><U+001B>[31m "));
    assert_non_null(strstr(p, "cs1Label=rollout cs1=\\=cmd()|x<U+000A> "));
    assert_non_null(strstr(p, "cs3Label=leaf hash cs3=ab00"));
    assert_non_null(strstr(p, "dvchost=ops-1"));
    assert_null(strstr(p, "cn1"));
    free(text);
    e.late = true;
    text = streamed("cef", &e);
    assert_non_null(strstr(text, "cn1Label=late cn1=1"));
    free(text);
}

/* A kind and a verb of somebody else's log may be any text. */
static void test_cef_of_a_strange_kind(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    struct stored s = {
        .seq = 7, .kind = "note\nCEF:0|x", .verb = "a\nb", .line = "{", .shown = "{", .leaf_hash = "", .reason = ""};
    s.actor = s.actor_kind = s.fleet = s.rollout = s.wave = s.result = s.before = s.after = s.host = "";
    stream_format_find("cef")->entry(&s, &out);
    assert_ptr_equal(strchr(out.data, '\n'), out.data + out.len - 1);
    buf_release(&out);
}

static void test_csv(void **state)
{
    (void)state;
    struct entry e = hostile();
    char *text = streamed("csv", &e);
    assert_memory_equal(text, "7,\"2031-03-14T12:20:01.000Z\",0,\"outcome\",", 41);
    assert_non_null(strstr(text, ",\"'=cmd()|x<U+000A>\","));
    free(text);
    /* an entry that cannot be read is a row all the same */
    struct stored damaged = {.seq = 12, .kind = "damaged", .line = "{", .shown = "{", .leaf_hash = "", .reason = "no"};
    struct buf out;
    buf_init(&out, 1 << 16);
    stream_format_find("csv")->entry(&damaged, &out);
    assert_memory_equal(out.data, "12,", 3);
    assert_non_null(strstr(out.data, "\"damaged\""));
    buf_release(&out);
}

static void test_jsonl(void **state)
{
    (void)state;
    struct entry e = hostile();
    struct err er = {0};
    int64_t seq;
    char *text = streamed("jsonl", &e);
    struct json_t *doc = json_parse(text, strlen(text), 1 << 20, "line", &er);
    assert_non_null(doc);
    assert_true(json_int(doc, "seq", &seq));
    assert_int_equal(seq, 7);
    assert_string_equal(json_str(doc, "leaf", NULL),
                        "ab00000000000000000000000000000000000000000000000000000000000000");
    assert_string_equal(json_str(json_get(doc, "fields"), "http.status", NULL), "502");
    json_free(doc);
    free(text);
}

/* The rules of the class, by hand: what is required is there and of its type, numbers are of the enumerations. */
static void ocsf_holds(const char *text)
{
    static const char *const numbers[] = {"activity_id", "category_uid", "class_uid",
                                          "type_uid",    "severity_id",  "time"};
    struct err er = {0};
    int64_t v[6], n;
    struct json_t *d = json_parse(text, strlen(text), 1 << 20, "event", &er);
    assert_non_null(d);
    for (size_t i = 0; i < 6; i++)
        assert_true(json_int(d, numbers[i], &v[i]));
    assert_true((v[0] >= 0 && v[0] <= 4) || v[0] == 99);
    if (v[0] == 99)
        assert_non_null(json_str(d, "activity_name", NULL)); /* the source's own word */
    assert_int_equal(v[1], 6);
    assert_int_equal(v[2], 6003);
    assert_int_equal(v[3], 6003 * 100 + v[0]);
    assert_true((v[4] >= 0 && v[4] <= 6) || v[4] == 99);
    assert_true(v[5] > INT64_C(1000000000000) && v[5] < INT64_C(10000000000000)); /* milliseconds */
    assert_true(json_int(d, "status_id", &n));
    assert_true((n >= 0 && n <= 2) || n == 99);
    const struct json_t *meta = json_get(d, "metadata"), *actor = json_get(d, "actor"), *api = json_get(d, "api");
    assert_non_null(json_str(meta, "version", NULL));
    assert_non_null(json_str(json_get(meta, "product"), "vendor_name", NULL));
    assert_non_null(json_str(json_get(actor, "user"), "name", NULL));
    assert_true(*json_str(api, "operation", NULL) != '\0');
    const struct json_t *src = json_get(d, "src_endpoint");
    assert_true(json_str(src, "hostname", NULL) || json_str(src, "name", NULL));
    json_free(d);
}

static void test_ocsf(void **state)
{
    (void)state;
    static const char *const results[] = {"", "ok", "failed", "unknown", "resolved"};
    struct entry e = hostile();
    char *text = streamed("ocsf", &e);
    struct json_t *d = json_parse(text, strlen(text), 1 << 20, "event", NULL);
    int64_t n;
    ocsf_holds(text);
    assert_true(json_int(d, "activity_id", &n) && n == 3);
    assert_true(json_int(d, "status_id", &n) && n == 2);
    assert_true(json_int(json_get(json_get(d, "api"), "response"), "code", &n) && n == 502);
    assert_string_equal(json_str(json_get(d, "metadata"), "uid", NULL),
                        "ab00000000000000000000000000000000000000000000000000000000000000");
    json_free(d);
    free(text);
    for (int k = 0; k < ENTRY_KIND_COUNT; k++) {
        for (size_t r = 0; r < 5; r++) {
            e = asked((enum entry_kind)k, r % 2 ? VERB_HALT : VERB_NONE, results[r]);
            text = streamed("ocsf", &e);
            ocsf_holds(text);
            free(text);
        }
    }
}

/* --- one after the other -------------------------------------------------------------------------------------------
 */

struct got {
    int64_t seq[64];
    size_t n, stop_at;
};

static bool take(void *ctx, const struct stored *s)
{
    struct got *g = ctx;
    g->seq[g->n++] = s->seq;
    return g->n != g->stop_at;
}

static struct got each(struct audit_log *l, struct audit_query q, size_t stop_at)
{
    struct got g = {.stop_at = stop_at};
    struct err e = {0};
    assert_true(audit_each(l, &q, take, &g, &e));
    return g;
}

static void test_each(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    box_fill(&b, 20);
    struct audit_log *l = box_open(&b);
    struct got g = each(l, (struct audit_query){0}, 0);
    assert_int_equal(g.n, 21);
    assert_int_equal(g.seq[0], 1);
    assert_int_equal(g.seq[20], 21);
    g = each(l, (struct audit_query){.limit = 3}, 0); /* the newest, oldest first */
    assert_int_equal(g.n, 3);
    assert_int_equal(g.seq[0], 19);
    assert_int_equal(g.seq[2], 21);
    g = each(l, (struct audit_query){.limit = 3, .newest_first = true}, 0);
    assert_int_equal(g.seq[0], 21);
    assert_int_equal(g.seq[2], 19);
    g = each(l, (struct audit_query){.limit = 100, .from_seq = 5, .to_seq = 6}, 0);
    assert_int_equal(g.n, 2);
    g = each(l, (struct audit_query){.newest_first = true}, 4);
    assert_int_equal(g.n, 4);
    audit_close(l);
    box_release(&b);
}

static void test_filters(void **state)
{
    (void)state;
    struct box b;
    struct entry e;
    struct err err = {0};
    char digest[65];
    box_init(&b);
    box_fill(&b, 3);
    struct audit_log *l = box_open(&b);
    assert_true(audit_put_blob(l, "2 1 sensor-1\n2 1 sensor-12\n0 1 k%c3%bc\n", 39, digest, &err));
    e = asked(ENTRY_STEP, VERB_ROLLBACK, "ok");
    entry_str(&e, "devices.blob", digest);
    int64_t list = put(l, &e);
    e = asked(ENTRY_STEP, VERB_ROLLBACK, "failed");
    entry_str(&e, "left", "sensor-3 sensor-4");
    int64_t left = put(l, &e);
    e = asked(ENTRY_APPROVAL, VERB_NONE, "");
    e.late = true;
    int64_t approval = put(l, &e);
    e = asked(ENTRY_INTENT, VERB_APPROVE, "");
    int64_t approve = put(l, &e);
    struct got g = each(l, (struct audit_query){.device = "sensor-1"}, 0);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.seq[0], list);
    assert_int_equal(each(l, (struct audit_query){.device = "k\xc3\xbc"}, 0).n, 1);
    g = each(l, (struct audit_query){.device = "sensor-4"}, 0);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.seq[0], left);
    assert_int_equal(each(l, (struct audit_query){.device = "sensor"}, 0).n, 0); /* a part of an id is not one */
    g = each(l, (struct audit_query){.late = true}, 0);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.seq[0], approval);
    g = each(l, (struct audit_query){.verb = "approve"}, 0);
    assert_int_equal(g.n, 2);
    assert_int_equal(g.seq[1], approve);
    assert_int_equal(each(l, (struct audit_query){.result = "failed"}, 0).n, 1);
    audit_close(l);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_what_was_sent),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_steps_differ),
        cmocka_unit_test(test_source_and_values),
        cmocka_unit_test(test_cef),
        cmocka_unit_test(test_cef_of_a_strange_kind),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_ocsf),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
