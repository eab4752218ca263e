/* The AWS IoT back end against a server that plays AWS's traps. What a whole story looks like is played in
 * test_awsiot_live.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/awsiot_impl.h"
#include "core/fmt.h"
#include "fleet.h"

struct rule {
    const char *request; /* a final '*' matches any rest */
    int status;
    const char *type; /* X-Amzn-ErrorType, NULL = none */
    const char *body;
    int times; /* 0 = always */
};

struct cloud {
    struct fleet f;
    const struct rule *rules;
    int used[32];
    char file[64];     /* of the keys */
    const char *token; /* that is good, NULL = any */
    const char *date;
    char body[8192]; /* of the last that had one */
};

static bool like(const char *pattern, const char *line)
{
    size_t n = strlen(pattern);
    return n && pattern[n - 1] == '*' ? strncmp(pattern, line, n - 1) == 0 : strcmp(pattern, line) == 0;
}

static void give(const struct cloud *c, struct buf *out, int status, const char *type, const char *body)
{
    buf_printf(out, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", status, strlen(body));
    if (type)
        buf_printf(out, "x-amzn-ErrorType: %s:http://internal.amazon.com/coral/\r\n", type);
    if (c->date)
        buf_printf(out, "Date: %s\r\n", c->date);
    buf_printf(out, "\r\n%s", body);
}

static enum hostile_end serve(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct cloud *c = ctx;
    char line[8300];
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    if (q->body[0])
        snprintf(c->body, sizeof c->body, "%s", q->body);
    if (!strstr(q->head, "Authorization: AWS4-HMAC-SHA256 Credential=AKIA")) {
        give(c, out, 403, "MissingAuthenticationTokenException", "{\"message\":\"\"}");
        return HOSTILE_KEEP;
    }
    if (c->token && !strstr(q->head, c->token)) {
        give(c, out, 403, "ExpiredTokenException", "{\"message\":\"The security token included is expired\"}");
        return HOSTILE_KEEP;
    }
    for (size_t i = 0; c->rules[i].request; i++)
        if (like(c->rules[i].request, line) && (!c->rules[i].times || c->used[i] < c->rules[i].times)) {
            c->used[i]++;
            give(c, out, c->rules[i].status, c->rules[i].type, c->rules[i].body);
            return HOSTILE_KEEP;
        }
    give(c, out, 404, "ResourceNotFoundException", "{\"message\":\"no\"}");
    return HOSTILE_KEEP;
}

static void put_keys(const struct cloud *c, const char *token)
{
    char text[300], next[80];
    snprintf(text, sizeof text, "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=s3cret\n%s%s\n",
             token ? "aws_session_token=" : "", token ? token : "");
    snprintf(next, sizeof next, "%s.new", c->file);
    FILE *f = fopen(next, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(next, 0600), 0);
    assert_int_equal(rename(next, c->file), 0);
}

static const struct aws_release table[] = {{"cam", "2.0", "{\"v\":\"2.0\",\"url\":\"https://x/?X-Amz-Signature=abc\"}"},
                                           {"cam", "1.0", "{\"v\":\"1.0\"}"}};
static const struct release two = {.id = "cam:2.0", .name = "cam", .version = "2.0"};

static struct cloud *start(const struct rule *rules)
{
    struct cloud *c = xcalloc(1, sizeof *c);
    struct err e = {0};
    c->rules = rules;
    snprintf(c->file, sizeof c->file, "/tmp/andon-aws-XXXXXX");
    int fd = mkstemp(c->file);
    assert_true(fd >= 0);
    close(fd);
    put_keys(c, NULL);
    rig_init(&c->f.rig, serve, c);
    struct fleet_spec spec = {.name = "test", .kind = "awsiot", .endpoint = c->f.rig.endpoint};
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_FILE, .path = c->file};
    spec.aws = (struct aws_spec){.region = "eu-west-1",
                                 .version_attribute = "fw",
                                 .releases = table,
                                 .n_releases = sizeof table / sizeof *table};
    c->f.b = backend_open(c->f.rig.http, &spec, &e);
    if (!c->f.b)
        fail_msg("%s", e.what);
    arena_init(&c->f.arena);
    return c;
}

static void stop(struct cloud *c)
{
    fleet_release(&c->f);
    unlink(c->file);
    free(c);
}

#define THING(n) "{\"thingName\":\"" n "\",\"thingArn\":\"arn:aws:iot:eu-west-1:1:thing/" n "\",\"attributes\":{}}"

/* --- refusals --- */

static void test_throttling_is_a_400(void **state)
{
    static const struct rule rules[] = {
        {"GET /things?maxResults=250", 400, "ThrottlingException", "{\"message\":\"Rate exceeded\"}", 2},
        {"GET /things?maxResults=250", 200, NULL, "{\"things\":[" THING("a") "]}", 0},
        {"GET /things/a", 200, NULL, THING("a"), 0},
        {"PUT /jobs/*", 400, "ThrottlingException", "{\"message\":\"Rate exceeded\"}", 0},
        {0}};
    static const char *const ids[] = {"a"};
    struct device_list l;
    struct tell_result told[1];
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, devices, NULL, 10, &c->f.arena, &l);
    assert_null(c->f.reply.err); /* asked again, twice */
    assert_int_equal(l.n, 1);
    FLEET_CALL(&c->f, tell, &two, ids, 1, "k", &c->f.arena, told);
    assert_int_equal(c->f.err.code, ERR_THROTTLED);
    assert_int_equal(told[0].outcome, TELL_REFUSED);
    assert_false(c->f.reply.maybe_sent);
    assert_int_equal(c->used[3], 1); /* what changes something goes out once */
    stop(c);
}

static void test_a_clock_that_is_off(void **state)
{
    static const struct rule rules[] = {
        {"GET *", 403, "InvalidSignatureException", "{\"message\":\"Signature expired\"}", 0}, {0}};
    struct device_list l;
    (void)state;
    struct cloud *c = start(rules);
    c->date = "Sat, 28 Feb 2099 12:00:00 GMT";
    FLEET_CALL(&c->f, devices, NULL, 10, &c->f.arena, &l);
    assert_int_equal(c->f.err.code, ERR_AUTH);
    assert_non_null(strstr(c->f.err.what, "apart"));
    assert_non_null(strstr(c->f.err.next, "clock"));
    stop(c);
}

static void test_refusals(void **state)
{
    static const struct {
        int status;
        const char *type;
        enum err_code code;
    } cases[] = {
        {403, "AccessDeniedException", ERR_FORBIDDEN},         {403, "UnrecognizedClientException", ERR_AUTH},
        {403, "InvalidSignatureException", ERR_AUTH},          {403, "ExpiredTokenException", ERR_AUTH},
        {404, "ResourceNotFoundException", ERR_NOT_FOUND},     {409, "InvalidStateTransitionException", ERR_STATE},
        {409, "ResourceAlreadyExistsException", ERR_CONFLICT}, {410, "LimitExceededException", ERR_QUOTA},
        {400, "InvalidRequestException", ERR_RANGE},           {400, "ThrottlingException", ERR_THROTTLED},
        {500, "InternalFailureException", ERR_PROTOCOL},       {302, "", ERR_PROTOCOL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer a = {.status = cases[i].status};
        struct err e = {0};
        char body[] = "{\"Message\":\"why \\u001b[31m\"}";
        a.body.data = body;
        a.body.len = strlen(body);
        snprintf(a.error_type, sizeof a.error_type, "%s", cases[i].type);
        aw_error(&a, "h", "GET /jobs", false, &e);
        assert_int_equal(e.code, cases[i].code);
        assert_true(e.next[0] != '\0');
        assert_null(strchr(e.cause, 0x1b));
        assert_non_null(strstr(e.cause, "why"));
    }
}

/* Temporary keys have ended, and whoever renews them has put new ones into the file. */
static void test_keys_are_read_again(void **state)
{
    static const struct rule rules[] = {
        {"GET /things/a", 200, NULL, THING("a"), 0}, {"PUT /jobs/*", 200, NULL, "{\"jobId\":\"x\"}", 0}, {0}};
    static const char *const ids[] = {"a"};
    struct tell_result told[1];
    (void)state;
    struct cloud *c = start(rules);
    c->token = "second-token";
    put_keys(c, "second-token");
    FLEET_CALL(&c->f, tell, &two, ids, 1, "k", &c->f.arena, told);
    assert_null(c->f.reply.err);
    assert_int_equal(told[0].outcome, TELL_DONE);
    c->token = "third-token";
    FLEET_CALL(&c->f, tell, &two, ids, 1, "k2", &c->f.arena, told);
    assert_int_equal(c->f.err.code, ERR_AUTH);
    assert_non_null(strstr(c->f.err.what, "ended"));
    assert_int_equal(told[0].outcome, TELL_NOT_SENT);
    stop(c);
}

static void test_a_secret_that_is_no_keys(void **state)
{
    static const struct rule rules[] = {{0}};
    struct device_list l;
    struct err e = {0};
    (void)state;
    struct cloud *c = start(rules);
    struct fleet_spec spec = {.name = "test", .kind = "awsiot", .endpoint = c->f.rig.endpoint};
    assert_int_equal(setenv("ANDON_TEST_AWS", "hunter2", 1), 0);
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_AWS"};
    assert_null(backend_open(c->f.rig.http, &spec, &e)); /* no region */
    assert_int_equal(e.code, ERR_RANGE);
    spec.aws.region = "eu-west-1";
    backend_free(c->f.b);
    c->f.b = backend_open(c->f.rig.http, &spec, &e);
    FLEET_CALL(&c->f, devices, NULL, 10, &c->f.arena, &l);
    assert_int_equal(c->f.err.code, ERR_AUTH);
    assert_null(strstr(c->f.err.what, "hunter2"));
    assert_int_equal(hostile_requests(c->f.rig.server), 0);
    stop(c);
}

/* --- lists --- */

static void test_pages_one_after_the_other(void **state)
{
    static const struct rule rules[] = {
        {"GET /things?maxResults=250", 200, NULL, "{\"things\":[" THING("a") "],\"nextToken\":\"t/1=\"}", 0},
        {"GET /jobs?maxResults=250", 200, NULL, "{\"jobs\":[]}", 0},
        {"GET /things?maxResults=250&nextToken=t%2F1%3D", 200, NULL, "{\"things\":[],\"nextToken\":\"t2\"}", 0},
        {"GET /things?maxResults=250&nextToken=t2", 200, NULL,
         "{\"things\":[{\"thingName\":\"b c\",\"attributes\":{\"fw\":\"2.0\",\"site\":\"x\"}}],\"nextToken\":null}", 0},
        {0}};
    static const char *const site[][2] = {{"site", "x"}};
    struct device_list l;
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, devices, NULL, 10, &c->f.arena, &l);
    assert_null(c->f.reply.err);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.v[1].raw_id, "b c");
    FLEET_CALL(&c->f, devices, (&(struct device_filter){.installed = &two}), 10, &c->f.arena, &l);
    assert_int_equal(l.n, 1);
    FLEET_CALL(&c->f, devices, (&(struct device_filter){.equals = site, .n_equals = 1}), 1, &c->f.arena, &l);
    assert_int_equal(l.n, 1);
    stop(c);
}

static void test_what_may_not_be_asked_is_no_capability(void **state)
{
    static const struct rule rules[] = {{"GET /jobs?maxResults=1", 200, NULL, "{\"jobs\":[]}", 0},
                                        {"GET /things?maxResults=250", 200, NULL, "{\"things\":[]}", 0},
                                        {"PUT /jobs/andon-may-i", 403, "AccessDeniedException", "{}", 0},
                                        {0}};
    struct backend_info info;
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, probe, &c->f.arena, &info);
    assert_null(c->f.reply.err);
    assert_int_equal(info.caps, CAP_RECALL | CAP_FORCE);
    assert_string_equal(info.user, "AKIA1");
    for (int i = 0; i < SAY_COUNT; i++)
        assert_non_null(info.says[i]);
    stop(c);
}

#define JOB "andon-%s-k1"

/* What has ended is read once. */
static void test_a_job_that_has_ended_is_read_once(void **state)
{
    char hash[AW_HASH + 1], list[400], job[80], things[80];
    static const char *const ids[] = {"a", "b", "c"};
    struct device_standing at[3];
    (void)state;
    aw_release_hash(&two, hash);
    snprintf(list, sizeof list,
             "{\"jobs\":[{\"jobId\":\"other\",\"status\":\"IN_PROGRESS\"},{\"jobId\":\"" JOB
             "\",\"status\":\"COMPLETED\",\"createdAt\":1796021279.785}]}",
             hash);
    snprintf(job, sizeof job, "GET /jobs/" JOB, hash);
    snprintf(things, sizeof things, "GET /jobs/" JOB "/things?maxResults=250", hash);
    const struct rule rules[] = {
        {"GET /jobs?maxResults=250", 200, NULL, list, 0},
        {job, 200, NULL,
         "{\"job\":{\"targets\":[\"arn:aws:iot:eu-west-1:1:thing/a\",\"arn:aws:iot:eu-west-1:1:thing/b\"]}}", 0},
        {things, 200, NULL,
         "{\"executionSummaries\":[{\"thingArn\":\"arn:aws:iot:eu-west-1:1:thing/"
         "a\",\"jobExecutionSummary\":{\"status\":"
         "\"SUCCEEDED\",\"queuedAt\":1796021280.5,\"lastUpdatedAt\":1796021290}}]}",
         0},
        {"GET /things/a", 200, NULL, THING("a"), 0},
        {"GET /things/b", 200, NULL, THING("b"), 0},
        {0}};
    struct cloud *c = start(rules);
    for (int i = 0; i < 2; i++) {
        FLEET_CALL(&c->f, standing, &two, ids, 3, &c->f.arena, at);
        assert_null(c->f.reply.err);
        assert_int_equal(at[0].at, AT_INSTALLED);
        assert_int_equal(at[0].told_at, INT64_C(1796021280500000));
        assert_int_equal(at[0].ended_at, INT64_C(1796021290000000));
        assert_int_equal(at[1].at, AT_RECALLED); /* a target whose turn never came */
        assert_int_equal(at[2].at, AT_ABSENT);
        atomic_fetch_add(&c->f.rig.now, 60 * US_PER_S);
    }
    assert_int_equal(c->used[0], 2);
    assert_int_equal(c->used[1], 1);
    assert_int_equal(c->used[2], 1);
    stop(c);
}

/* --- standing, by the pure function --- */

static void test_standing_of_a_thing(void **state)
{
    static const struct {
        enum aw_status status;
        bool begun;
        enum standing_at at;
    } cases[] = {{AW_QUEUED, false, AT_TOLD},       {AW_IN_PROGRESS, true, AT_BUSY}, {AW_SUCCEEDED, true, AT_INSTALLED},
                 {AW_FAILED, true, AT_FAILED},      {AW_REJECTED, true, AT_FAILED},  {AW_TIMED_OUT, true, AT_LOST},
                 {AW_CANCELED, false, AT_RECALLED}, {AW_CANCELED, true, AT_LOST},    {AW_REMOVED, false, AT_RECALLED},
                 {AW_OTHER, true, AT_UNKNOWN}};
    struct aw_release new = {.release = {.id = "cam:2.0", .name = "cam", .version = "2.0"}},
                      old = {.release = {.id = "cam:1.0", .name = "cam", .version = "1.0"}};
    (void)state;
    aw_release_hash(&new.release, new.hash);
    aw_release_hash(&old.release, old.hash);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aw_execution x = {.thing = "a", .status = cases[i].status, .queued_at = 1, .updated_at = 5};
        x.started_at = cases[i].begun ? 2 : 0;
        struct aw_job job = {.x = &x, .n = 1, .open = true}, *jobs[] = {&job};
        memcpy(job.hash, new.hash, sizeof job.hash);
        assert_int_equal(aw_standing_of(jobs, 1, "a", "", &new).at, cases[i].at);
        assert_int_equal(aw_standing_of(jobs, 1, "b", "", &new).at, AT_OTHER);
        /* what it says itself goes before that */
        assert_int_equal(aw_standing_of(jobs, 1, "a", "2.0", &new).at, AT_INSTALLED);
        if (cases[i].status == AW_SUCCEEDED)
            assert_int_equal(aw_standing_of(jobs, 1, "a", "1.0", &new).at, AT_OTHER);
    }
    /* newest first: went forward, and back */
    struct aw_execution back = {.thing = "a", .status = AW_SUCCEEDED, .updated_at = 20},
                        there = {.thing = "a", .status = AW_SUCCEEDED, .updated_at = 10};
    struct aw_job second = {.x = &back, .n = 1}, first = {.x = &there, .n = 1}, *both[] = {&second, &first};
    memcpy(second.hash, old.hash, sizeof second.hash);
    memcpy(first.hash, new.hash, sizeof first.hash);
    assert_int_equal(aw_standing_of(both, 2, "a", "", &new).at, AT_OTHER);
    assert_int_equal(aw_standing_of(both, 2, "a", "", &old).at, AT_INSTALLED);
    /* the bad one ended after the old one was told: then that is what runs, whatever was told last */
    there.updated_at = 30;
    assert_int_equal(aw_standing_of(both, 2, "a", "", &new).at, AT_INSTALLED);
}

static void test_the_id_of_a_job(void **state)
{
    struct aw_release r = {.release = two};
    char a[AW_JOB_ID], b[AW_JOB_ID], hash[AW_HASH + 1];
    (void)state;
    aw_release_hash(&two, r.hash);
    aw_job_id(&r, "01jf-intent", a);
    assert_true(aw_job_ours(a, hash));
    assert_string_equal(hash, r.hash);
    assert_non_null(strstr(a, "-01jf-intent"));
    aw_job_id(&r, "0123456789012345678901234567890123456789012345678901234567890123", a);
    aw_job_id(&r, "0123456789012345678901234567890123456789012345678901234567890124", b);
    assert_string_not_equal(a, b);
    assert_true(strlen(a) <= 64 && aw_job_ours(a, hash));
    assert_false(aw_job_ours("andon-may-i", hash));
    assert_false(aw_job_ours("v2-canary", hash));
}

/* --- telling --- */

static void test_tell(void **state)
{
    static const struct rule rules[] = {{"GET /things/a", 200, NULL, THING("a"), 0},
                                        {"GET /things/b%3Ac", 200, NULL, THING("b:c"), 0},
                                        {"PUT /jobs/*", 200, NULL, "{\"jobId\":\"x\"}", 0},
                                        {0}};
    static const char *const ids[] = {"a", "nobody", "b:c"};
    struct tell_result told[3];
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, tell, &two, ids, 3, "k1", &c->f.arena, told);
    assert_null(c->f.reply.err);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    assert_int_equal(told[2].outcome, TELL_DONE);
    assert_non_null(
        strstr(c->body, "\"targets\":[\"arn:aws:iot:eu-west-1:1:thing/a\",\"arn:aws:iot:eu-west-1:1:thing/b:c\"]"));
    assert_non_null(strstr(c->body, "X-Amz-Signature=abc"));
    assert_null(strstr(c->f.reply.requests[0].path, "Signature"));
    assert_int_equal(c->f.reply.n_requests, 1);
    FLEET_CALL(&c->f, tell, (&(struct release){.id = "cam:3", .name = "cam", .version = "3"}), ids, 1, "k1",
               &c->f.arena, told);
    assert_int_equal(c->f.err.code, ERR_NOT_FOUND);
    assert_int_equal(told[0].outcome, TELL_NOT_SENT);
    stop(c);
}

static void test_a_job_that_may_have_been_made(void **state)
{
    static const struct rule rules[] = {
        {"GET /things/a", 200, NULL, THING("a"), 0}, {"PUT /jobs/*", 503, "ServiceUnavailableException", "{}", 0}, {0}};
    static const char *const ids[] = {"a"};
    struct tell_result told[1];
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, tell, &two, ids, 1, "k1", &c->f.arena, told);
    assert_int_equal(c->f.err.code, ERR_PROTOCOL);
    assert_int_equal(told[0].outcome, TELL_NOT_KNOWN);
    assert_true(c->f.reply.maybe_sent);
    assert_int_equal(c->used[1], 1);
    stop(c);
}

static void test_recall_of_each(void **state)
{
    static const struct rule rules[] = {
        {"PUT /things/a/jobs/*", 200, NULL, "", 0},
        {"PUT /things/b/jobs/*", 409, "InvalidStateTransitionException", "{\"message\":\"in progress\"}", 0},
        {"PUT /things/d/jobs/*", 500, "InternalFailureException", "{}", 0},
        {0}};
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct tell_result told[4];
    (void)state;
    struct cloud *c = start(rules);
    FLEET_CALL(&c->f, recall, &two, ids, 4, "k1", NULL, false, &c->f.arena, told);
    assert_int_equal(c->f.err.code, ERR_PROTOCOL);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    assert_int_equal(told[2].outcome, TELL_NOT_KNOWN); /* its turn has not come: there is nothing to cancel yet */
    assert_int_equal(told[3].outcome, TELL_NOT_KNOWN);
    assert_true(c->f.reply.maybe_sent);
    assert_int_equal(c->f.reply.n_requests, 4);
    FLEET_CALL(&c->f, recall, &two, ids, 1, "k1", NULL, true, &c->f.arena, told);
    assert_non_null(strstr(c->f.reply.requests[0].path, "cancel?force=true"));
    stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throttling_is_a_400),
        cmocka_unit_test(test_a_clock_that_is_off),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keys_are_read_again),
        cmocka_unit_test(test_a_secret_that_is_no_keys),
        cmocka_unit_test(test_pages_one_after_the_other),
        cmocka_unit_test(test_what_may_not_be_asked_is_no_capability),
        cmocka_unit_test(test_a_job_that_has_ended_is_read_once),
        cmocka_unit_test(test_standing_of_a_thing),
        cmocka_unit_test(test_the_id_of_a_job),
        cmocka_unit_test(test_tell),
        cmocka_unit_test(test_a_job_that_may_have_been_made),
        cmocka_unit_test(test_recall_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
