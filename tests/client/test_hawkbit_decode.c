/* hawkBit's JSON into the model: what is kept, what is judged, what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/hawkbit_impl.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct json_t *parse(const char *s)
{
    struct err e = {0};
    struct json_t *doc = json_parse(s, strlen(s), 1 << 20, "fixture", &e);
    if (!doc)
        fail_msg("%s", e.what);
    return doc;
}

/* As 1.x gives it with representation=full. */
#define ROLLOUT_1X                                                                                                     \
    "{\"_links\":{\"start\":{\"href\":\"http://h/rest/v1/rollouts/7/start\"},"                                         \
    "\"distributionset\":{\"href\":\"http://h/rest/v1/distributionsets/3\",\"name\":\"hearth:4.12.1\"}},"              \
    "\"createdAt\":1795231727629,\"createdBy\":\"m.ito\",\"deleted\":false,\"description\":\"spring\","                \
    "\"distributionSetId\":3,\"dynamic\":true,\"forcetime\":0,\"id\":7,\"lastModifiedAt\":1795231740358,"              \
    "\"lastModifiedBy\":\"system\",\"name\":\"hearth-4.12.1\",\"status\":\"running\",\"startAt\":1795231727000,"       \
    "\"approveDecidedBy\":\"a.sato\",\"approvalRemark\":\"ok\",\"targetFilterQuery\":\"controllerId==hp-*\","          \
    "\"totalGroups\":4,\"totalTargets\":200,\"totalTargetsPerStatus\":{\"running\":2,\"notstarted\":3,"                \
    "\"scheduled\":178,\"cancelled\":4,\"finished\":12,\"error\":1},\"type\":\"forced\",\"weight\":1000}"

static void test_rollout(void **state)
{
    struct rollout r;
    struct err e = {0};
    struct json_t *doc = parse(ROLLOUT_1X);
    (void)state;
    assert_true(hb_decode_rollout(doc, &arena, &r, "x", &e));
    json_free(doc); /* nothing may point into the document */
    assert_string_equal(r.id, "7");
    assert_string_equal(r.name, "hearth-4.12.1");
    assert_string_equal(r.description, "spring");
    assert_int_equal(r.state, ROLLOUT_RUNNING);
    assert_string_equal(r.release.id, "3");
    assert_string_equal(r.release.name, "hearth");
    assert_string_equal(r.release.version, "4.12.1");
    assert_string_equal(r.filter, "controllerId==hp-*");
    assert_int_equal(r.total, 200);
    assert_true(r.counts.known);
    assert_int_equal(r.counts.notstarted, 3);
    assert_int_equal(r.counts.scheduled, 178);
    assert_int_equal(r.counts.running, 2);
    assert_int_equal(r.counts.finished, 12);
    assert_int_equal(r.counts.error, 1);
    assert_int_equal(r.counts.cancelled, 4);
    assert_int_equal(r.created_at, INT64_C(1795231727629000)); /* ms -> us */
    assert_int_equal(r.last_modified, INT64_C(1795231740358000));
    assert_int_equal(r.start_at, INT64_C(1795231727000000));
    assert_string_equal(r.created_by, "m.ito");
    assert_string_equal(r.approval_by, "a.sato");
    assert_string_equal(r.approval_remark, "ok");
    assert_true(r.dynamic);
    assert_false(r.deleted);
}

/* As 0.3 gives it in a list: no counts, no name of the release. */
static void test_rollout_old(void **state)
{
    struct rollout r;
    struct json_t *doc =
        parse("{\"createdBy\":\"admin\",\"createdAt\":1795231784259,\"name\":\"n\",\"status\":\"paused\","
              "\"distributionSetId\":2,\"totalTargets\":20,\"deleted\":false,\"id\":2}");
    (void)state;
    assert_true(hb_decode_rollout(doc, &arena, &r, "x", NULL));
    json_free(doc);
    assert_int_equal(r.state, ROLLOUT_PAUSED);
    assert_false(r.counts.known);
    assert_int_equal(r.counts.running, 0);
    assert_string_equal(r.release.id, "2");
    assert_string_equal(r.release.name, "");
    assert_string_equal(r.filter, "");
    assert_string_equal(r.approval_by, "");
}

static void test_rollout_states(void **state)
{
    static const struct {
        const char *word;
        enum rollout_state state;
    } cases[] = {
        {"creating", ROLLOUT_CREATING},       {"waiting_for_approval", ROLLOUT_WAITING_APPROVAL},
        {"approval_denied", ROLLOUT_DENIED},  {"ready", ROLLOUT_READY},
        {"starting", ROLLOUT_STARTING},       {"running", ROLLOUT_RUNNING},
        {"paused", ROLLOUT_PAUSED},           {"stopping", ROLLOUT_STOPPING},
        {"stopped", ROLLOUT_STOPPED},         {"finished", ROLLOUT_FINISHED},
        {"deleting", ROLLOUT_DELETING},       {"DELETED", ROLLOUT_DELETED},
        {"exploded\x1b[2J", ROLLOUT_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        struct rollout r;
        struct err e = {0};
        snprintf(text, sizeof text, "{\"id\":1,\"name\":\"n\",\"status\":\"%s\"}",
                 cases[i].state == ROLLOUT_UNKNOWN ? "exploded\\u001b[2J" : cases[i].word);
        struct json_t *doc = parse(text);
        assert_true(hb_decode_rollout(doc, &arena, &r, "x", &e));
        assert_int_equal(r.state, cases[i].state);
        assert_null(strchr(r.state_word, 0x1b));
        json_free(doc);
    }
}

/* A name "a:b:1.0" can't be cut with certainty: then the release has to be asked for. */
static void test_release_name_with_colons(void **state)
{
    struct rollout r;
    struct json_t *doc = parse("{\"id\":1,\"name\":\"n\",\"status\":\"ready\",\"distributionSetId\":9,"
                               "\"_links\":{\"distributionset\":{\"name\":\"a:b:1.0\"}}}");
    (void)state;
    assert_true(hb_decode_rollout(doc, &arena, &r, "x", NULL));
    assert_string_equal(r.release.id, "9");
    assert_string_equal(r.release.name, "");
    json_free(doc);
}

static void test_wrong_types(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "7",
        "null",
        "\"x\"",
        "{\"id\":\"7\",\"name\":\"n\",\"status\":\"ready\"}", /* id is text */
        "{\"id\":7.5,\"name\":\"n\",\"status\":\"ready\"}",
        "{\"id\":-7,\"name\":\"n\",\"status\":\"ready\"}",
        "{\"id\":0,\"name\":\"n\",\"status\":\"ready\"}",
        "{\"id\":7,\"name\":5,\"status\":\"ready\"}",
        "{\"id\":7,\"name\":\"n\",\"status\":{}}",
        "{\"id\":7,\"name\":\"n\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rollout r;
        struct wave w;
        struct err e = {0};
        char wrapped[200];
        snprintf(wrapped, sizeof wrapped, "[%s]", bad[i]);
        struct json_t *doc = parse(wrapped);
        assert_false(hb_decode_rollout(json_at(doc, 0), &arena, &r, "answer of X: content[0]", &e));
        assert_int_equal(e.code, ERR_PROTOCOL);
        assert_non_null(strstr(e.what, "content[0]"));
        assert_false(hb_decode_wave(json_at(doc, 0), &arena, &w, "x", &e));
        json_free(doc);
    }
    /* Members that may be absent are treated so when they are of another type. */
    struct rollout r;
    struct json_t *doc =
        parse("{\"id\":7,\"name\":\"n\",\"status\":\"ready\",\"totalTargets\":\"many\",\"createdAt\":-5,"
              "\"lastModifiedAt\":9e99,\"startAt\":99999999999999999,\"description\":[],\"_links\":3,"
              "\"totalTargetsPerStatus\":{\"running\":1},\"deleted\":\"yes\"}");
    assert_true(hb_decode_rollout(doc, &arena, &r, "x", NULL));
    assert_int_equal(r.total, 0);
    assert_int_equal(r.created_at, 0);
    assert_int_equal(r.last_modified, 0);
    assert_int_equal(r.start_at, 0);
    assert_false(r.counts.known); /* half of the counts is none */
    assert_int_equal(r.counts.running, 0);
    assert_false(r.deleted);
    json_free(doc);
}

static struct condition condition(const char *json, bool failure)
{
    struct condition c;
    struct json_t *doc = json ? parse(json) : NULL;
    hb_decode_condition(doc, &arena, failure, &c);
    json_free(doc);
    return c;
}

/* What the server accepts and never fires on must not look like a safety net. */
static void test_conditions(void **state)
{
    static const struct {
        const char *expression;
        bool failure_fires, success_fires;
        double percent;
    } cases[] = {
        {"0", true, true, 0},
        {"20", true, true, 20},
        {"99", true, true, 99},
        {"100", false, true, 100},
        {"101", false, false, 101},
        {"", false, false, 0},
        {"x", false, false, 0},
        {"5x", false, false, 0},
        {" 5", false, false, 0},
        {"-1", false, false, 0},
        {"5.5", false, false, 0},
        {"1e1", false, false, 0},
        {"99999999999999999999", false, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[120];
        snprintf(text, sizeof text, "{\"condition\":\"THRESHOLD\",\"expression\":\"%s\"}", cases[i].expression);
        struct condition f = condition(text, true), s = condition(text, false);
        assert_true(f.present);
        if (f.can_fire != cases[i].failure_fires || s.can_fire != cases[i].success_fires)
            fail_msg("\"%s\": failure %d, success %d", cases[i].expression, f.can_fire, s.can_fire);
        assert_true(f.percent == cases[i].percent);
        assert_string_equal(f.text, cases[i].expression);
    }
    assert_false(condition("{\"condition\":\"OTHER\",\"expression\":\"5\"}", true).can_fire);
    assert_false(condition("{\"condition\":\"THRESHOLD\",\"expression\":5}", true).can_fire);
    assert_false(condition(NULL, true).present);
}

static void test_wave(void **state)
{
    struct wave w;
    struct json_t *doc = parse(
        "{\"id\":12,\"name\":\"canary\",\"status\":\"error\",\"totalTargets\":20,\"dynamic\":false,"
        "\"lastModifiedAt\":1795231746656,"
        "\"successCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"90\"},"
        "\"successAction\":{\"action\":\"NEXTGROUP\",\"expression\":\"\"},"
        "\"errorCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"20\"},"
        "\"errorAction\":{\"action\":\"PAUSE\",\"expression\":\"\"},\"targetPercentage\":10.0,"
        "\"totalTargetsPerStatus\":{\"running\":0,\"notstarted\":0,\"scheduled\":0,\"cancelled\":0,\"finished\":15,"
        "\"error\":5}}");
    (void)state;
    assert_true(hb_decode_wave(doc, &arena, &w, "x", NULL));
    json_free(doc);
    assert_string_equal(w.id, "12");
    assert_string_equal(w.name, "canary");
    assert_int_equal(w.state, WAVE_ERROR);
    assert_int_equal(w.total, 20);
    assert_int_equal(w.counts.error, 5);
    assert_true(w.failure.can_fire);
    assert_true(w.failure.percent == 20);
    assert_true(w.success.percent == 90);
    assert_string_equal(w.success_action, "NEXTGROUP");
    assert_int_equal(w.last_modified, INT64_C(1795231746656000));
    doc = parse("{\"id\":12,\"name\":\"c\",\"status\":\"ready\","
                "\"errorCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"20\"},"
                "\"errorAction\":{\"action\":\"NOTHING\"}}");
    assert_true(hb_decode_wave(doc, &arena, &w, "x", NULL));
    assert_false(w.failure.can_fire); /* it fires, and does nothing */
    json_free(doc);
}

static void test_device(void **state)
{
    struct device d;
    struct json_t *doc = parse(
        "{\"controllerId\":\"hp-00000\",\"name\":\"Kitchen\",\"updateStatus\":\"in_sync\",\"installedAt\":"
        "1795231729078,\"address\":\"http://127.0.0.1\",\"lastControllerRequestAt\":1795231718908,"
        "\"pollStatus\":{\"lastRequestAt\":1795231718908,\"nextExpectedRequestAt\":1795231748908,\"overdue\":true},"
        "\"securityToken\":\"14cfc1d0f9b893ddea133cef7bb1ca2a\"}");
    (void)state;
    size_t before = arena.used;
    assert_true(hb_decode_device(doc, &arena, &d, "x", NULL));
    json_free(doc);
    size_t with_token = arena.used - before;
    assert_string_equal(d.id, "hp-00000");
    assert_string_equal(d.raw_id, "hp-00000");
    assert_string_equal(d.name, "Kitchen");
    assert_int_equal(d.status, DEVICE_IN_SYNC);
    assert_int_equal(d.installed_at, INT64_C(1795231729078000));
    assert_int_equal(d.last_seen, INT64_C(1795231718908000));
    assert_int_equal(d.contact_us, INT64_C(30000000));
    assert_true(d.overdue);
    assert_string_equal(d.address, "http://127.0.0.1");
    /* The device's token is not kept: nothing more is stored with it than without. */
    doc = parse("{\"controllerId\":\"hp-00000\",\"name\":\"Kitchen\",\"updateStatus\":\"in_sync\","
                "\"address\":\"http://127.0.0.1\"}");
    before = arena.used;
    assert_true(hb_decode_device(doc, &arena, &d, "x", NULL));
    json_free(doc);
    assert_int_equal(arena.used - before, with_token);
}

/* Escape sequences, bidi controls, bad ends, 10 kB: shown harmlessly, and still usable in a request. */
static void test_hostile_device_names(void **state)
{
    char *text = xmalloc(20000), *p = text;
    struct device d;
    (void)state;
    struct json_t *doc = parse("{\"controllerId\":\"a\\u001b]0;x\\u0007\\u202eb\",\"name\":\"\\u009b31m\"}");
    assert_true(hb_decode_device(doc, &arena, &d, "x", NULL));
    json_free(doc);
    assert_string_equal(d.raw_id, "a\x1b]0;x\x07\xe2\x80\xae"
                                  "b");
    for (const char *s = d.id; *s; s++)
        assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
    assert_null(strstr(d.id, "\xe2\x80\xae"));
    assert_null(strstr(d.name, "\xc2\x9b"));
    p += snprintf(p, 100, "{\"controllerId\":\"");
    for (int i = 0; i < 10000; i++)
        *p++ = 'x';
    memcpy(p, "\"}", 3);
    doc = parse(text);
    assert_true(hb_decode_device(doc, &arena, &d, "x", NULL));
    json_free(doc);
    assert_true(strlen(d.id) <= NAME_MAX_BYTES);
    assert_int_equal(strlen(d.raw_id), 10000);
    struct err e = {0};
    assert_false(hb_device_ok(d.raw_id, &e)); /* but no request is made of it */
    doc = parse("{\"controllerId\":\"\"}");
    assert_false(hb_decode_device(doc, &arena, &d, "x", &e));
    json_free(doc);
    free(text);
}

static void test_action(void **state)
{
    struct device_action a;
    struct json_t *doc =
        parse("{\"_links\":{\"distributionset\":{\"name\":\"fw:2.0\"}},\"active\":true,\"createdAt\":1000,"
              "\"id\":201,\"lastModifiedAt\":2000,\"rollout\":2,\"status\":\"running\",\"type\":\"update\"}");
    (void)state;
    assert_true(hb_decode_action(doc, &arena, &a, "x", NULL));
    json_free(doc);
    assert_string_equal(a.id, "201");
    assert_string_equal(a.status, "running");
    assert_string_equal(a.type, "update");
    assert_string_equal(a.release, "fw:2.0");
    assert_string_equal(a.rollout, "2");
    assert_int_equal(a.at, 2000000);
    assert_true(a.active);
    doc = parse("{\"id\":5,\"status\":\"pending\",\"type\":\"update\"}"); /* 0.3 */
    assert_true(hb_decode_action(doc, &arena, &a, "x", NULL));
    assert_true(a.active);
    assert_string_equal(a.rollout, "");
    json_free(doc);
}

static void test_ids(void **state)
{
    struct err e;
    (void)state;
    assert_true(hb_id_ok("7", "rollout", &e));
    assert_false(hb_id_ok("", "rollout", &e));
    assert_false(hb_id_ok(NULL, "rollout", &e));
    assert_false(hb_id_ok("7/stop", "rollout", &e));
    assert_false(hb_id_ok("../7", "rollout", &e));
    assert_false(hb_id_ok("12345678901234567890", "rollout", &e));
    assert_true(hb_device_ok("a/b", &e));
    assert_false(hb_device_ok("..", &e));
    assert_false(hb_device_ok(".", &e));
    assert_false(hb_device_ok("", &e));
}

static void filter_is(const struct device_filter *f, const char *text)
{
    struct err e = {0};
    struct buf b;
    buf_init(&b, 4000);
    if (!hb_rsql_filter(&b, f, &e))
        fail_msg("%s", e.what);
    assert_string_equal(b.data, text);
    buf_release(&b);
}

static void filter_refused(const struct device_filter *f)
{
    struct err e = {0};
    struct buf b;
    buf_init(&b, 4000);
    assert_false(hb_rsql_filter(&b, f, &e));
    assert_int_equal(e.code, ERR_RANGE);
    buf_release(&b);
}

static void test_rsql(void **state)
{
    struct release r = {.id = "3", .name = "hearth \"x\"", .version = "4.12.1"};
    static const char *const odd[] = {"a*b", "q\"t", "back\\slash", "cam-1"}, *const bad[] = {"a", "x\x01y"};
    static const char *const macro[] = {"${now_ts}"}, *const pair[1][2] = {{"model", "rev \"B\""}};
    (void)state;
    filter_is(&(struct device_filter){0}, "");
    filter_is(&(struct device_filter){.installed = &r},
              "installedds.name==\"hearth \\\"x\\\"\";installedds.version==\"4.12.1\"");
    r.name = "hearth";
    filter_is(&(struct device_filter){.installed = &r, .assigned = &r},
              "(installedds.name==\"hearth\";installedds.version==\"4.12.1\","
              "assignedds.name==\"hearth\";assignedds.version==\"4.12.1\")");
    filter_is(&(struct device_filter){.assigned = &r, .equals = pair, .n_equals = 1, .exclude = odd, .n_exclude = 4},
              "assignedds.name==\"hearth\";assignedds.version==\"4.12.1\";attribute.model==\"rev \\\"B\\\"\";"
              "controllerid=out=(\"a*b\",\"q\\\"t\",\"back\\\\slash\",cam-1)");
    filter_is(&(struct device_filter){.only_include = true, .include = odd, .n_include = 4},
              "controllerid=in=(\"a*b\",\"q\\\"t\",\"back\\\\slash\",cam-1)");
    /* By itself a wildcard takes in other releases, and a backslash none: both stand in a list. */
    r.name = "hear*h";
    r.version = "1\\\"2";
    filter_is(&(struct device_filter){.installed = &r}, "installedds.name=in=(\"hear*h\");"
                                                        "installedds.version=in=(\"1\\\\\\\"2\")");
    /* What safe_text has changed stands for bytes that nobody knows. */
    r.name = "hearth<U+202E>*";
    filter_refused(&(struct device_filter){.installed = &r});
    r.name = "";
    filter_refused(&(struct device_filter){.installed = &r});
    filter_refused(&(struct device_filter){.exclude = bad, .n_exclude = 2});
    r.name = "hearth";
    filter_refused(&(struct device_filter){.installed = &r, .include = odd, .n_include = 1});
    filter_refused(&(struct device_filter){.only_include = true, .include = macro, .n_include = 1});
}

/* Names by the hundred: each in one part and no more, and no part longer than a rollout's filter may be. */
static void test_filter_parts(void **state)
{
    enum { N = 200 };
    static char names[N][40];
    const char *ids[N + 1];
    struct release r = {.id = "3", .name = "hearth", .version = "4.12.1"};
    struct arena a;
    struct filter_parts parts;
    struct err e = {0};
    size_t named = 0;
    (void)state;
    arena_init(&a);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], i % 3 ? "dev-%03d-\"quoted\\*" : "dev-%03d", i);
        ids[i] = names[i];
    }
    ids[N] = "line\nfeed";
    struct device_filter f = {.installed = &r, .assigned = &r, .include = ids, .n_include = N + 1};
    assert_true(hb_filter_parts(NULL, &f, &a, &parts, &e));
    assert_true(parts.n >= 4);
    assert_int_equal(parts.n_unnamed, 1);
    assert_ptr_equal(parts.unnamed[0], ids[N]);
    for (size_t i = 0; i < parts.n; i++) {
        assert_true(strlen(parts.v[i].text) <= 1000);
        assert_int_equal(parts.v[i].broad, i == 0);
        assert_int_equal(strstr(parts.v[i].text, "installedds") != NULL, i == 0);
        assert_int_equal(strstr(parts.v[i].text, "controllerid") != NULL, i > 0); /* never both */
        named += parts.v[i].named;
    }
    assert_int_equal(named, N);
    for (int i = 0; i < N; i++) {
        char text[60];
        size_t found = 0;
        snprintf(text, sizeof text, i % 3 ? "\"dev-%03d-\\\"quoted\\\\*\"" : "dev-%03d", i);
        for (size_t k = 0; k < parts.n; k++)
            found += strstr(parts.v[k].text, text) != NULL;
        assert_int_equal(found, 1);
    }
    /* What is excluded has to stand in each part: what does not fit is refused, and so is what cannot be named. */
    f = (struct device_filter){.installed = &r, .exclude = ids, .n_exclude = N};
    assert_false(hb_filter_parts(NULL, &f, &a, &parts, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    f = (struct device_filter){.installed = &r, .exclude = ids + N, .n_exclude = 1};
    assert_false(hb_filter_parts(NULL, &f, &a, &parts, &e));
    assert_int_equal(e.code, ERR_RANGE);
    f = (struct device_filter){.exclude = ids, .n_exclude = 2};
    assert_true(hb_filter_parts(NULL, &f, &a, &parts, &e));
    assert_string_equal(parts.v[0].text, "controllerid=out=(dev-000,\"dev-001-\\\"quoted\\\\*\")");
    assert_true(hb_filter_parts(NULL, &(struct device_filter){0}, &a, &parts, &e));
    assert_string_equal(parts.v[0].text, "controllerid==*");
    arena_release(&a);
}

/* Status decides first; the codes differ in spelling and case between versions. */
static void test_errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool state_op;
        enum err_code code;
    } cases[] = {
        {400, "{\"errorCode\":\"hawkbit.server.error.rollout.illegalstate\",\"message\":\"m\"}", true, ERR_STATE},
        {400, "{\"errorCode\":\"hawkbit.server.error.rollout.illegalState\"}", true, ERR_STATE},
        {400, "{\"errorCode\":\"hawkbit.server.error.repo.constraintViolation\"}", true, ERR_STATE},
        {400, "{\"errorCode\":\"hawkbit.server.error.repo.constraintViolation\"}", false, ERR_RANGE},
        {400, "{\"errorCode\":\"hawkbit.server.error.rest.param.rsqlInvalidField\"}", false, ERR_SYNTAX},
        {400, "{\"errorCode\":\"hawkbit.server.error.distributionset.invalid\"}", false, ERR_STATE},
        {400, "<html>bad</html>", false, ERR_PROTOCOL},
        {401, "{\"status\":401}", false, ERR_AUTH},
        {403, "{\"errorCode\":\"hawkbit.server.error.insufficientpermission\"}", false, ERR_FORBIDDEN},
        {403, "{\"errorCode\":\"hawkbit.server.error.quota.tooManyEntries\"}", false, ERR_QUOTA},
        {404, "{\"errorCode\":\"hawkbit.server.error.repo.entitiyNotFound\"}", false, ERR_NOT_FOUND},
        {404, "{\"status\":404,\"error\":\"Not Found\"}", false, ERR_UNSUPPORTED},
        {405, "{\"errorCode\":\"hawkbit.server.error.action.notcancelable\"}", true, ERR_STATE},
        {405, "{\"status\":405}", true, ERR_UNSUPPORTED},
        {409, "{\"errorCode\":\"hawkbit.server.error.repo.entitiyAlreayExists\"}", false, ERR_CONFLICT},
        {409, "", false, ERR_CONFLICT},
        {410, "", true, ERR_STATE},
        {423, "{\"errorCode\":\"hawkbit.server.error.entityLocked\"}", true, ERR_STATE},
        {429, "", false, ERR_THROTTLED},
        {429, "{\"errorCode\":\"hawkbit.server.error.quota.tooManyEntries\"}", false, ERR_QUOTA},
        {500, "{}", false, ERR_PROTOCOL},
        {418, "", false, ERR_PROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer a = {.status = cases[i].status};
        struct err e = {0};
        buf_init(&a.body, 1000);
        buf_adds(&a.body, cases[i].body);
        hb_error(&a, "h:80", "POST /x", cases[i].state_op, &e);
        if (e.code != cases[i].code)
            fail_msg("%d %s: %s", cases[i].status, cases[i].body, err_word(e.code));
        assert_true(e.what[0] && e.next[0]);
        buf_release(&a.body);
    }
    struct http_answer a = {.status = 400};
    struct err e = {0};
    buf_init(&a.body, 1000);
    buf_adds(&a.body, "{\"errorCode\":\"x\",\"message\":\"bad \\u001b[2Jthing\"}");
    hb_error(&a, "h:80", "POST /x", false, &e);
    assert_non_null(strstr(e.cause, "thing"));
    assert_null(strchr(e.cause, 0x1b));
    buf_release(&a.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rollout),
        cmocka_unit_test(test_rollout_old),
        cmocka_unit_test(test_rollout_states),
        cmocka_unit_test(test_release_name_with_colons),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_wave),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_hostile_device_names),
        cmocka_unit_test(test_action),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_rsql),
        cmocka_unit_test(test_filter_parts),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
