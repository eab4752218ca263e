/* The drill's server against what a real 1.1.0 server was seen to answer, written down from the facts. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

/* Status of each verb in each state. 400s = illegalState, 400c = constraintViolation. */
static const char *const states[] = {
    "waiting_for_approval", "approval_denied", "ready", "running", "paused", "stopped", "finished", "deleted"};
static const char *const verbs[] = {"start", "pause", "resume", "stop", "approve", "deny", "triggerNextGroup",
                                    "retry", "DELETE"};
static const char *const matrix[8][9] = {
    /* start   pause   resume  stop    approve deny    trigger retry   DELETE */
    {"400s", "400s", "400s", "204", "204", "204", "400s", "400c", "204"},
    {"400s", "400s", "400s", "204", "400s", "400s", "400s", "400c", "204"},
    {"204", "400s", "400s", "204", "400s", "400s", "400s", "400c", "204"},
    {"400s", "204", "400s", "204", "400s", "400s", "204", "400c", "204"},
    {"400s", "400s", "204", "204", "400s", "400s", "400s", "400c", "204"},
    {"400s", "400s", "400s", "400s", "400s", "400s", "400s", "400c", "204"},
    {"400s", "400s", "400s", "400s", "400s", "400s", "400s", "400c", "204"},
    {"400s", "400s", "400s", "400s", "400s", "400s", "400s", "404", "204"},
};

static void test_matrix(void **state)
{
    (void)state;
    for (size_t s = 0; s < 8; s++) {
        struct talk t;
        talk_open(&t,
                  "rollout:\n  name: m\n  by_hand: true\n  history: false\n  old: {name: fw, version: 1}\n  new: "
                  "{name: fw, version: 2}\n"
                  "  waves: [{name: a, percent: 100}]\n",
                  1);
        for (size_t v = 0; v < 9; v++) {
            char name[40], path[120];
            snprintf(name, sizeof name, "r%zu", v);
            int64_t id = talk_rollout(&t, name, 2, (int)v * 8, 8, states[s]);
            bool del = !strcmp(verbs[v], "DELETE");
            snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "%s%s", id, del ? "" : "/", del ? "" : verbs[v]);
            int status = talk(&t, del ? "DELETE" : "POST", path, NULL);
            const char *want = matrix[s][v];
            if (status != (int)strtol(want, NULL, 10))
                fail_msg("%s/%s: %d %s, expected %s", states[s], verbs[v], status, t.body, want);
            const char *code = want[3] == 's'   ? "hawkbit.server.error.rollout.illegalState"
                               : want[3] == 'c' ? "hawkbit.server.error.repo.constraintViolation"
                               : status == 404  ? "hawkbit.server.error.repo.entityNotFound"
                                                : "";
            assert_string_equal(talk_str(&t, "errorCode"), code);
        }
        talk_close(&t);
    }
}

static void check(struct talk *t, const char *method, const char *path, const char *body, int status, const char *code)
{
    int got = talk(t, method, path, body);
    if (got != status)
        fail_msg("%s %s: %d %s, expected %d", method, path, got, t->body, status);
    char full[100] = "";
    if (*code)
        snprintf(full, sizeof full, "hawkbit.server.error.%s", code);
    assert_string_equal(talk_str(t, "errorCode"), full);
}

static void test_errors(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "", 1);
    char h[100];
    assert_int_equal(talk_as(&t, NULL, "", "GET", "/rest/v1/rollouts", NULL), 401);
    assert_non_null(talk_header(&t, "WWW-Authenticate", h, sizeof h));
    assert_int_equal(talk_int(&t, "status"), 401);
    assert_string_equal(talk_str(&t, "errorCode"), "");
    assert_int_equal(talk_as(&t, "Basic bm9wZTpub3Bl", "", "GET", "/rest/v1/rollouts", NULL), 401);
    assert_int_equal(talk_as(&t, t.auth, "Accept: application/xml\r\n", "GET", "/rest/v1/rollouts", NULL), 406);
    assert_int_equal(t.n_body, 0);
    check(&t, "GET", "/rest/v1/nosuch", NULL, 404, "");
    check(&t, "POST", "/rest/v1/rollouts/1/rollback", NULL, 404, "");
    check(&t, "PATCH", "/rest/v1/rollouts", "{}", 405, "");
    check(&t, "GET", "/rest/v1/rollouts/999999", NULL, 404, "repo.entityNotFound");
    check(&t, "POST", "/rest/v1/rollouts/0/stop", NULL, 404, "repo.entityNotFound");
    check(&t, "GET", "/rest/v1/rollouts/abc", NULL, 400, "rest.body.notReadable");
    check(&t, "GET", "/rest/v1/targets/nope", NULL, 404, "repo.entityNotFound");
    check(&t, "GET", "/rest/v1/targets?q=nope==1", NULL, 400, "rest.param.rsqlInvalidField");
    check(&t, "GET", "/rest/v1/targets?q=bad", NULL, 400, "rest.param.rsqlParamSyntax");
    check(&t, "GET", "/rest/v1/targets?sort=id:UP", NULL, 400, "rest.param.invalidDirection");
    check(&t, "GET", "/rest/v1/targets?sort=nope:ASC", NULL, 400, "rest.param.invalidField");
    check(&t, "GET", "/rest/v1/targets?q=name==\"x\"", NULL, 400, ""); /* raw quotes: the web server's own page */
    assert_null(t.json);
    check(&t, "POST", "/rest/v1/rollouts", "{bad", 400, "rest.body.notReadable");
    check(&t, "PUT", "/rest/v1/system/configs/no.such.key", "{\"value\":1}", 400, "configKeyInvalid");
    talk_close(&t);
}

#define CREATE(extra) "{\"distributionSetId\":2,\"targetFilterQuery\":\"name==em-000*\"" extra "}"

static void test_create(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "", 1);
    const char *at = "/rest/v1/rollouts";
    check(&t, "POST", at, CREATE(",\"amountGroups\":1"), 400, "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"amountGroups\":1,\"name\":\"<b>\""), 400, "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"amountGroups\":0,\"name\":\"a\""), 400, "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"amountGroups\":501,\"name\":\"a\""), 429, "quota.tooManyEntries");
    check(&t, "POST", at, CREATE(",\"amountGroups\":1,\"name\":\"a\",\"type\":\"bogus\""), 400,
          "rest.body.notReadable");
    check(&t, "POST", at,
          "{\"distributionSetId\":99,\"targetFilterQuery\":\"name==*\",\"name\":\"a\",\"amountGroups\":1}", 404,
          "repo.entityNotFound");
    check(&t, "POST", at, "{\"distributionSetId\":2,\"targetFilterQuery\":\"x\",\"name\":\"a\",\"amountGroups\":1}",
          400, "rest.param.rsqlParamSyntax");
    check(&t, "POST", at,
          "{\"distributionSetId\":2,\"targetFilterQuery\":\"name==zz*\",\"name\":\"a\",\"amountGroups\":1}", 400,
          "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"name\":\"a\",\"groups\":[{\"name\":\"x\",\"targetPercentage\":10}]"), 400,
          "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"name\":\"a\",\"groups\":[{\"name\":\"x\",\"targetPercentage\":150}]"), 400,
          "repo.constraintViolation");
    check(&t, "POST", at,
          CREATE(",\"name\":\"a\",\"amountGroups\":1,\"groups\":[{\"name\":\"x\",\"targetPercentage\":100}]"), 400,
          "repo.constraintViolation");
    check(&t, "POST", at, CREATE(",\"name\":\"a\",\"bogus\":1"), 201, ""); /* unknown fields, no groups: accepted */
    assert_string_equal(talk_str(&t, "status"), "creating");
    assert_int_equal(talk_int(&t, "totalGroups"), 1);
    assert_int_equal(talk_int(&t, "totalTargets"), 10);
    check(&t, "POST", at, CREATE(",\"name\":\"a\",\"amountGroups\":1"), 409, "repo.entityAlreadyExists");
    /* a deleted one that was started keeps its name taken; one that was not is forgotten */
    int64_t ready = talk_rollout(&t, "b", 2, 20, 4, "ready"), run = talk_rollout(&t, "c", 2, 30, 4, "running");
    char path[100];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64, ready);
    check(&t, "DELETE", path, NULL, 204, "");
    talk_wait(&t, 4);
    check(&t, "GET", path, NULL, 404, "repo.entityNotFound");
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64, run);
    check(&t, "DELETE", path, NULL, 204, "");
    talk_wait(&t, 4);
    check(&t, "GET", path, NULL, 200, "");
    assert_string_equal(talk_str(&t, "status"), "deleted");
    check(&t, "POST", at, CREATE(",\"name\":\"c\",\"amountGroups\":1"), 409, "repo.entityAlreadyExists");
    check(&t, "GET", "/rest/v1/rollouts?q=name==c", NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), 0); /* gone from the list */
    talk_close(&t);
}

static void test_paging(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "devices: {count: 1200, poll: 20s}\n", 1);
    static const struct {
        const char *q;
        int size, total;
    } cases[] = {{"", 50, 1200},
                 {"?limit=0", 50, 1200},
                 {"?limit=-1", 50, 1200},
                 {"?limit=5000", 500, 1200},
                 {"?limit=500&offset=1000", 200, 1200},
                 {"?offset=7&limit=3", 3, 1200},
                 {"?offset=99999&limit=5", 0, 1200},
                 {"?q=name==em-00*&limit=500", 100, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[100];
        snprintf(path, sizeof path, "/rest/v1/targets%s", cases[i].q);
        assert_int_equal(talk(&t, "GET", path, NULL), 200);
        assert_int_equal(talk_int(&t, "size"), cases[i].size);
        assert_int_equal(talk_int(&t, "total"), cases[i].total);
        assert_int_equal(json_len(json_get(t.json, "content")), cases[i].size);
    }
    talk(&t, "GET", "/rest/v1/targets?sort=id:DESC&limit=1", NULL);
    assert_string_equal(json_str(talk_at(&t, "content", 0), "controllerId", NULL), "em-1199");
    talk(&t, "GET", "/rest/v1/targets?sort=name:DESC&limit=1&offset=1199", NULL);
    assert_string_equal(json_str(talk_at(&t, "content", 0), "controllerId", NULL), "em-0000");
    talk_close(&t);
}

static void test_http(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "watch: {keep_alive: 5}\n", 1);
    char tag[80], h[80], cond[120];
    for (int i = 0; i < 4; i++)
        talk(&t, "GET", "/rest/v1/userinfo", NULL);
    assert_true(t.fd >= 0);
    talk(&t, "GET", "/rest/v1/userinfo", NULL);
    assert_int_equal(t.fd, -1); /* the fifth request closed it */
    assert_non_null(talk_header(&t, "ETag", tag, sizeof tag));
    snprintf(cond, sizeof cond, "If-None-Match: %s\r\n", tag);
    assert_int_equal(talk_as(&t, t.auth, cond, "GET", "/rest/v1/userinfo", NULL), 304);
    assert_int_equal(t.n_body, 0);
    talk_as(&t, t.auth, "", "GET", "/rest/v1/userinfo", NULL);
    assert_string_equal(talk_header(&t, "Content-Type", h, sizeof h), "application/hal+json");
    assert_string_equal(talk_header(&t, "Date", h, sizeof h), "Mon, 07 Jan 2030 08:00:00 GMT");
    assert_int_equal(talk_as(&t, NULL, "", "GET", "/metrics", NULL), 200);
    talk_close(&t);
}

/* "key:type" of everything that an object of the real server holds; s string, n number, b bool, o object, a array,
 * 0 null. Nothing more and nothing less. */
static void has_fields(const struct json_t *obj, const char *want, const char *what)
{
    char got[1500] = "", item[100];
    void *it = NULL;
    const char *key;
    const struct json_t *v;
    size_t n = 0, seen = 0, wanted = 0;
    while (json_each(obj, &it, &key, &v)) {
        double num;
        bool flag;
        char type = json_is_obj(v)               ? 'o'
                    : json_is_arr(v)             ? 'a'
                    : json_str_value(v, NULL)    ? 's'
                    : json_num_value(v, &num)    ? 'n'
                    : json_bool(obj, key, &flag) ? 'b'
                                                 : '0';
        n += (size_t)snprintf(got + n, sizeof got - n, " %s:%c", key, type);
        snprintf(item, sizeof item, " %s:%c ", key, type);
        if (!strstr(want, item))
            fail_msg("%s:%s is not in '%s'", what, item, want);
        seen++;
    }
    for (const char *p = want; *p; p++)
        wanted += *p == ':';
    if (seen != wanted)
        fail_msg("%s has%s; expected %s", what, got, want);
}

#define STAMP " createdAt:n createdBy:s lastModifiedAt:n lastModifiedBy:s "
#define ROLLOUT                                                                                                        \
    " _links:o" STAMP "deleted:b description:s distributionSetId:n dynamic:b forcetime:n id:n name:s status:s "        \
    "targetFilterQuery:s totalTargets:n type:s weight:n "
#define GROUP                                                                                                          \
    " _links:o" STAMP "description:s dynamic:b errorAction:o errorCondition:o id:n name:s status:s successAction:o "   \
    "successCondition:o targetFilterQuery:s targetPercentage:n totalTargets:n "
#define TARGET                                                                                                         \
    " _links:o" STAMP "address:s controllerId:s installedAt:n ipAddress:s lastControllerRequestAt:n name:s "           \
    "pollStatus:o requestAttributes:b securityToken:s updateStatus:s "
#define ACTION " _links:o" STAMP "active:b forceType:s id:n rollout:n rolloutName:s status:s type:s weight:n "
#define DS                                                                                                             \
    " _links:o" STAMP                                                                                                  \
    "complete:b deleted:b id:n locked:b modules:a name:s requiredMigrationStep:b type:s typeName:s valid:b version:s "
#define COUNTS " running:n notstarted:n scheduled:n cancelled:n finished:n error:n "

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *path, *in, *want; /* in: "" the answer, "content" its first item, else a member of the answer */
    } cases[] = {
        {"rollouts/4471", "", ROLLOUT "totalGroups:n totalTargetsPerStatus:o "},
        {"rollouts/4471", "totalTargetsPerStatus", COUNTS},
        {"rollouts/4471", "_links",
         " start:o pause:o resume:o triggerNextGroup:o approve:o deny:o groups:o distributionset:o self:o "},
        {"rollouts?sort=id:DESC", "content", ROLLOUT},
        {"rollouts?sort=id:DESC", "", " content:a total:n size:n "},
        {"rollouts?sort=id:DESC&representation=full", "content", ROLLOUT "totalGroups:n totalTargetsPerStatus:o "},
        {"rollouts/4471/deploygroups", "content", GROUP},
        {"rollouts/4471/deploygroups?representation=full", "content", GROUP "totalTargetsPerStatus:o "},
        {"rollouts/4471/deploygroups/9101", "", GROUP "totalTargetsPerStatus:o "},
        {"rollouts/4471/deploygroups/9101", "successCondition", " condition:s expression:s "},
        {"rollouts/4471/deploygroups/9101", "errorAction", " action:s expression:s "},
        {"rollouts/4471/deploygroups/9101/targets", "content", TARGET},
        {"targets", "content", TARGET},
        {"targets/em-0000", "", TARGET},
        {"targets/em-0000", "pollStatus", " lastRequestAt:n nextExpectedRequestAt:n overdue:b "},
        {"targets/em-0000", "_links", " self:o assignedDS:o installedDS:o attributes:o actions:o metadata:o "},
        {"targets/em-0000/attributes", "", " hw_revision:s model:s site:s "},
        {"targets/em-0000/actions", "content", ACTION},
        {"actions?q=rollout.id==4471", "content", ACTION},
        {"actions?q=rollout.id==4471;status==running", "content", ACTION},
        {"targets/em-0000/installedDS", "", DS},
        {"distributionsets/2", "", DS},
        {"distributionsets?q=version==2.0", "content", DS},
        {"userinfo", "", " permissions:a tenant:s username:s "},
    };
    struct talk t;
    talk_open(&t, "", 1);
    talk_wait(&t, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[200];
        snprintf(path, sizeof path, "/rest/v1/%s", cases[i].path);
        assert_int_equal(talk(&t, "GET", path, NULL), 200);
        const struct json_t *at = !strcmp(cases[i].in, "content") ? talk_at(&t, "content", 0)
                                  : *cases[i].in                  ? json_get(t.json, cases[i].in)
                                                                  : t.json;
        assert_true(json_is_obj(at));
        has_fields(at, cases[i].want, cases[i].path);
    }
    check(&t, "POST", "/rest/v1/targetfilters", "{\"name\":\"tf\",\"query\":\"name==em-*\"}", 201, "");
    has_fields(t.json,
               " _links:o" STAMP "autoAssignActionType:0 autoAssignDistributionSet:0 autoAssignWeight:0 "
               "confirmationRequired:0 id:n name:s query:s ",
               "a filter");
    check(&t, "POST", "/rest/v1/targetfilters/1/autoAssignDS", "{\"id\":2}", 200, "");
    has_fields(t.json,
               " _links:o" STAMP "autoAssignActionType:s autoAssignDistributionSet:n autoAssignWeight:n "
               "confirmationRequired:0 id:n name:s query:s ",
               "a filter that assigns");
    check(&t, "DELETE", "/rest/v1/targetfilters/1/autoAssignDS", NULL, 204, "");
    check(&t, "GET", "/rest/v1/targetfilters/1/autoAssignDS", NULL, 204, "");
    check(&t, "POST", "/rest/v1/targets/em-0100/assignedDS", "{\"id\":2}", 200, "");
    has_fields(t.json, " alreadyAssigned:n assigned:n assignedActions:a total:n ", "an assignment");
    /* Many at once: who is not there is passed over, who has it already is counted. */
    check(&t, "POST", "/rest/v1/distributionsets/2/assignedTargets",
          "[{\"id\":\"em-0100\"},{\"id\":\"nope\"},{\"id\":\"em-0101\"}]", 200, "");
    assert_int_equal(talk_int(&t, "assigned"), 1);
    assert_int_equal(talk_int(&t, "alreadyAssigned"), 1);
    assert_int_equal(json_len(json_get(t.json, "assignedActions")), 1);
    check(&t, "POST", "/rest/v1/distributionsets/0/assignedTargets", "[]", 400, "repo.constraintViolation");
    check(&t, "POST", "/rest/v1/distributionsets/99/assignedTargets", "[{\"id\":\"em-0100\"}]", 404,
          "repo.entityNotFound");
    check(&t, "GET", "/rest/v1/rollouts/999", NULL, 404, "repo.entityNotFound");
    has_fields(t.json, " errorCode:s exceptionClass:s info:o message:s ", "an error");
    check(&t, "GET", "/rest/v1/nosuch", NULL, 404, "");
    has_fields(t.json, " timestamp:s status:n error:s ", "the frame's error");
    talk_close(&t);
}

/* When a wave was told: the first "running" of each action claims the time at which the rollout was started, and only
 * reportedAt says the other thing. Devices are found by their attributes. */
static void test_told_and_attributes(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t,
              "devices: {count: 200, poll: 20s, download: 8s, install: 4s, reboots_per_day: 0, models: [{name: A, "
              "hw_revision: r1, share: 0.5}, {name: B, hw_revision: \"r 2\"}], sites: [x, y]}\n",
              1);
    talk_wait(&t, 200);
    check(&t, "GET", "/rest/v1/targets/em-0020/actions?sort=id:DESC", NULL, 200, ""); /* of the second wave */
    int64_t action = 0, made = 0, said = 0, reported = 0, id = 0, first = 0;
    assert_true(json_int(talk_at(&t, "content", 0), "id", &action));
    assert_true(json_int(talk_at(&t, "content", 0), "createdAt", &made));
    char path[120];
    snprintf(path, sizeof path, "/rest/v1/targets/em-0020/actions/%lld/status?sort=id:ASC&limit=50", (long long)action);
    check(&t, "GET", path, NULL, 200, "");
    const struct json_t *one = talk_at(&t, "content", 0);
    assert_string_equal(json_str(one, "type", NULL), "running");
    assert_true(json_int(one, "timestamp", &said) && json_int(one, "reportedAt", &reported) &&
                json_int(one, "id", &first));
    assert_int_equal(said, made);
    assert_true(reported > made + 10000);
    assert_true(json_int(talk_at(&t, "content", 1), "timestamp", &said));
    assert_true(json_int(talk_at(&t, "content", 1), "reportedAt", &reported) && said == reported);
    /* the other way round it is the same entry */
    snprintf(path, sizeof path, "/rest/v1/targets/em-0020/actions/%lld/status?sort=id:DESC&limit=50",
             (long long)action);
    check(&t, "GET", path, NULL, 200, "");
    one = talk_at(&t, "content", (size_t)talk_int(&t, "size") - 1);
    assert_true(json_int(one, "id", &id) && id == first && json_int(one, "timestamp", &said) && said == made);

    int64_t n[2];
    check(&t, "GET", "/rest/v1/targets?q=attribute.hw_revision==r1&limit=1", NULL, 200, "");
    n[0] = talk_int(&t, "total");
    check(&t, "GET", "/rest/v1/targets?q=attribute.hw_revision==%22r%202%22&limit=1", NULL, 200, "");
    n[1] = talk_int(&t, "total");
    assert_true(n[0] > 70 && n[1] > 70 && n[0] + n[1] == 200);
    check(&t, "GET", "/rest/v1/targets?q=attribute.model==A&limit=1", NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), n[0]);
    check(&t, "GET", "/rest/v1/targets?q=attribute.colour==red&limit=1", NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), 0);
    talk_close(&t);
}

/* The store beside a release: answers, limits, and that a lock does not close it. */
static void test_metadata(void **state)
{
    (void)state;
    struct talk t;
    char body[20000];
    talk_open(&t,
              "rollout:\n  name: m\n  by_hand: true\n  history: false\n  old: {name: fw, version: 1}\n  new: "
              "{name: fw, version: 2}\n  waves: [{name: a, percent: 100}]\n",
              1);
#define M "/rest/v1/distributionsets/2/metadata"
    check(&t, "GET", M, NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), 0);
    check(&t, "PUT", M "/andon.halt.1", "{\"value\":\"x\"}", 404, "repo.entityNotFound");
    check(&t, "POST", M, "[{\"key\":\"andon.halt.1\",\"value\":\"one\"},{\"key\":\"b\"}]", 201, "");
    assert_int_equal(t.n_body, 0);
    check(&t, "POST", M, "[{\"key\":\"new\",\"value\":\"\"},{\"key\":\"andon.halt.1\",\"value\":\"two\"}]", 409,
          "repo.entityAlreadyExists");
    check(&t, "POST", M, "[{\"key\":\"c\"},{\"key\":\"c\"}]", 409, "repo.entityAlreadyExists");
    check(&t, "GET", M, NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), 2); /* all or nothing */
    assert_string_equal(json_str(talk_at(&t, "content", 0), "value", NULL), "one");
    assert_null(json_str(talk_at(&t, "content", 1), "value", NULL));
    check(&t, "PUT", M "/andon.halt.1", "{\"value\":\"three\"}", 204, "");
    check(&t, "GET", M "/andon.halt.1", NULL, 200, "");
    assert_string_equal(talk_str(&t, "key"), "andon.halt.1");
    assert_string_equal(talk_str(&t, "value"), "three");
    check(&t, "POST", M, "[]", 400, "repo.constraintViolation");
    check(&t, "POST", M, "{\"key\":\"c\"}", 400, "rest.body.notReadable");
    check(&t, "POST", M, "[7]", 400, "rest.body.notReadable");
    check(&t, "PUT", M "/andon.halt.1", "[]", 400, "rest.body.notReadable");
    check(&t, "POST", M, "[{\"key\":\"\"}]", 400, "repo.constraintViolation");
    snprintf(body, sizeof body, "[{\"key\":\"%0*d\"}]", 129, 1);
    check(&t, "POST", M, body, 400, "repo.constraintViolation");
    snprintf(body, sizeof body, "{\"value\":\"%0*d\"}", 4001, 1);
    check(&t, "PUT", M "/andon.halt.1", body, 400, "repo.constraintViolation");
    snprintf(body, sizeof body, "[{\"key\":\"d\",\"value\":\"%0*d\"}]", 4001, 1);
    check(&t, "POST", M, body, 400, "repo.constraintViolation");
    snprintf(body, sizeof body, "{\"value\":\"%0*d\"}", 4000, 1);
    check(&t, "PUT", M "/andon.halt.1", body, 204, "");
    check(&t, "DELETE", M "/b", NULL, 204, "");
    check(&t, "DELETE", M "/b", NULL, 404, "repo.entityNotFound");
    check(&t, "GET", "/rest/v1/distributionsets/0/metadata", NULL, 404, "repo.entityNotFound");
    check(&t, "PUT", "/rest/v1/distributionsets/0/metadata/a", "{\"value\":\"\"}", 404, "repo.entityNotFound");
    check(&t, "PATCH", M, "{}", 405, "");
    talk_rollout(&t, "locks it", 2, 8, 8, "running");
    check(&t, "POST", M, "[{\"key\":\"while.running\",\"value\":\"v\"}]", 201, "");
    for (int i = 2; i < 100; i++) {
        snprintf(body, sizeof body, "[{\"key\":\"k%d\",\"value\":\"\"}]", i);
        check(&t, "POST", M, body, 201, "");
    }
    check(&t, "POST", M, "[{\"key\":\"one.more\"}]", 429, "quota.tooManyEntries");
    check(&t, "PUT", M "/k9", "{\"value\":\"still\"}", 204, "");
    check(&t, "GET", "/rest/v1/distributionsets/1/metadata", NULL, 200, "");
    assert_int_equal(talk_int(&t, "total"), 0);
#undef M
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),   cmocka_unit_test(test_errors),
        cmocka_unit_test(test_metadata), cmocka_unit_test(test_create),
        cmocka_unit_test(test_paging),   cmocka_unit_test(test_http),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_told_and_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
