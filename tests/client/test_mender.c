/* The Mender back end against a server that plays Mender's traps, and against recordings of a stand-in
 * (tests/client/mender/record.py). What a whole story looks like is played in test_mender_live.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/mender_impl.h"
#include "fleet.h"

/* --- recordings --- */

static char *recording(const char *name, int *status)
{
    char path[200];
    static const char tail[] = "\n }\n}\n";
    snprintf(path, sizeof path, "tests/client/mender/%s.json", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: not there", path);
    char *text = xcalloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    const char *answer = strstr(text, "\"answer\": {");
    assert_true(answer && n > sizeof tail && strcmp(text + n - strlen(tail), tail) == 0);
    *status = (int)strtol(strstr(answer, "\"status\": ") + 10, NULL, 10);
    char *body = xstrdup(strstr(answer, "\n  \"body\": ") + 11);
    body[strlen(body) - strlen(tail)] = '\0';
    if (strcmp(body, "null") == 0)
        body[0] = '\0';
    free(text);
    return body;
}

/* --- the server --- */

struct rule {
    const char *request; /* '*' matches anything */
    int status;          /* -1: the connection is reset; 0: `body` names a recording */
    const char *body;
    const char *headers;
    int times; /* 0 = always */
};

struct mender {
    struct fleet f;
    const struct rule *rules;
    int used[32];
    int log_ins, answered; /* requests with the newest token */
    int token_holds;       /* so many requests, 0 = for ever */
    char body[8192];       /* of the last that had one */
};

static bool like(const char *p, const char *s)
{
    for (; *p && *p != '*'; p++, s++)
        if (*p != *s)
            return false;
    if (*p != '*')
        return *s == '\0';
    for (p++;; s++) {
        if (like(p, s))
            return true;
        if (!*s)
            return false;
    }
}

static void give(struct buf *out, int status, const char *headers, const char *body)
{
    buf_printf(out, "HTTP/1.1 %d X\r\nX-MEN-RequestID: r-1\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
               headers ? headers : "", body);
}

#define LIST(total) "X-Total-Count: " total "\r\n"
#define NEXT        "Link: </x?page=1>; rel=\"first\", </x?page=2>; rel=\"next\"\r\n"

static enum hostile_end serve(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct mender *m = ctx;
    char line[8300], token[60];
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    if (q->body[0])
        snprintf(m->body, sizeof m->body, "%s", q->body);
    if (strcmp(line, "POST /api/management/v1/useradm/auth/login") == 0) {
        bool good = strstr(q->head, "Authorization: Basic b3A6dyZyZA=="); /* op:w&rd */
        snprintf(token, sizeof token, "eyJ.token.%d", ++m->log_ins);
        m->answered = 0;
        give(out, good ? 200 : 401, "Content-Type: application/jwt\r\n", good ? token : "{\"error\":\"unauthorized\"}");
        return HOSTILE_KEEP;
    }
    snprintf(token, sizeof token, "Authorization: Bearer eyJ.token.%d", m->log_ins);
    bool known = strstr(q->head, m->log_ins ? token : "Authorization: Bearer personal");
    if (!known || (m->token_holds && ++m->answered > m->token_holds)) {
        give(out, 401, NULL, "{\"error\":\"unauthorized\"}");
        return HOSTILE_KEEP;
    }
    for (size_t i = 0; m->rules[i].request; i++) {
        const struct rule *r = &m->rules[i];
        if (!like(r->request, line) || (r->times && m->used[i] >= r->times))
            continue;
        m->used[i]++;
        if (r->status < 0)
            return HOSTILE_RESET;
        int status = r->status;
        char *body = status ? NULL : recording(r->body, &status);
        give(out, status, r->headers, body ? body : r->body);
        free(body);
        return HOSTILE_KEEP;
    }
    give(out, 404, NULL, "{\"error\":\"Resource not found\"}");
    return HOSTILE_KEEP;
}

static struct mender *start_as(const struct rule *rules, const char *user, const char *secret)
{
    struct mender *m = xcalloc(1, sizeof *m);
    struct err e = {0};
    m->rules = rules;
    rig_init(&m->f.rig, serve, m);
    assert_int_equal(setenv("ANDON_TEST_MENDER", secret, 1), 0);
    struct fleet_spec spec = {.name = "test", .kind = "mender", .endpoint = m->f.rig.endpoint};
    spec.endpoint.user = user;
    spec.endpoint.bearer = user == NULL;
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_MENDER"};
    m->f.b = backend_open(m->f.rig.http, &spec, &e);
    if (!m->f.b)
        fail_msg("%s", e.what);
    arena_init(&m->f.arena);
    return m;
}

static struct mender *start(const struct rule *rules)
{
    return start_as(rules, "op", "w&rd");
}

static void stop(struct mender *m)
{
    fleet_release(&m->f);
    free(m);
}

#define PAGE "?page=1&per_page=500"
#define ID_1 "11111111-1111-1111-1111-111111111111"
#define ID_2 "22222222-2222-2222-2222-222222222222"
#define DEPLOYMENT(id, name, artifact, at, status, more)                                                               \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"artifact_name\":\"" artifact "\",\"created\":\"" at                    \
    "\",\"status\":\"" status "\"" more "}"
#define DEVICE(id, artifact, at)                                                                                       \
    "{\"id\":\"" id "\",\"updated_ts\":\"" at "\",\"attributes\":[{\"name\":\"artifact_name\",\"scope\":"              \
    "\"inventory\",\"value\":\"" artifact "\"}]}"

static const struct release two = {.id = "fw 2.0", .name = "fw 2.0", .version = "fw 2.0"};

/* --- getting in --- */

static const struct rule good_probe[] = {{"GET " MD_V2 "?page=1&per_page=1", 200, "[]", NULL, 0},
                                         {"GET " MD_INVENTORY "?page=1&per_page=1", 200, "[]", NULL, 0},
                                         {"POST " MD_V1, 0, "question", NULL, 0},
                                         {0}};

static void test_probe(void **state)
{
    struct backend_info info;
    (void)state;
    struct mender *m = start(good_probe);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_string_equal(info.user, "op");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE);
    for (int i = 0; i < SAY_COUNT; i++)
        assert_in_range(strlen(info.says[i]), 1, 119);
    assert_int_equal(m->log_ins, 1);
    stop(m);
}

static void test_who_may_only_read(void **state)
{
    static const struct rule rules[] = {
        {"GET *", 200, "[]", NULL, 0}, {"POST *", 403, "{\"error\":\"forbidden\"}", NULL, 0}, {0}};
    struct backend_info info;
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_int_equal(info.caps, 0);
    stop(m);
}

/* The token ends: in again, once; a second refusal stands. */
static void test_a_token_that_ends(void **state)
{
    static const struct rule rules[] = {{"GET *", 200, "[]", NULL, 0}, {0}};
    struct device_list l;
    (void)state;
    struct mender *m = start(rules);
    m->token_holds = 1;
    FLEET_CALL(&m->f, devices, NULL, 10, &m->f.arena, &l);
    FLEET_CALL(&m->f, devices, NULL, 10, &m->f.arena, &l);
    assert_null(m->f.reply.err);
    assert_int_equal(m->log_ins, 2);
    m->token_holds = -1;
    FLEET_CALL(&m->f, devices, NULL, 10, &m->f.arena, &l);
    assert_int_equal(m->f.err.code, ERR_AUTH);
    assert_int_equal(m->log_ins, 3);
    stop(m);
}

static void test_a_wrong_password(void **state)
{
    struct backend_info info;
    (void)state;
    struct mender *m = start_as(good_probe, "op", "other");
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_int_equal(m->f.err.code, ERR_AUTH);
    assert_null(strstr(m->f.err.what, "other"));
    stop(m);
}

static void test_a_personal_token(void **state)
{
    struct backend_info info;
    (void)state;
    struct mender *m = start_as(good_probe, NULL, "personal");
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_int_equal(m->log_ins, 0);
    stop(m);
}

/* --- lists --- */

static void test_a_list_that_moves_between_pages(void **state)
{
    static const struct rule rules[] = {{"GET " MD_INVENTORY "?page=1*", 200,
                                         "[" DEVICE("a", "fw 1.0", "") "," DEVICE("b", "fw 2.0", "") "]",
                                         NEXT LIST("3"), 0},
                                        {"GET " MD_INVENTORY "?page=2*", 200,
                                         "[" DEVICE("b", "fw 2.0", "") "," DEVICE("c", "fw 1.0", "") "]", LIST("4"), 0},
                                        {"GET " MD_V2 "?*", 200, "[]", LIST("0"), 0},
                                        {0}};
    static const char *const ids[21] = {"a", "d", "0", "1", "2", "3", "4", "5", "6", "7", "8",
                                        "9", "b", "c", "e", "f", "g", "h", "i", "j", "k"};
    struct device_standing at[21];
    struct device_list l;
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, devices, NULL, 10, &m->f.arena, &l);
    assert_null(m->f.reply.err);
    assert_int_equal(l.n, 3); /* "b" once */
    assert_string_equal(l.v[2].raw_id, "c");
    FLEET_CALL(&m->f, standing, &two, ids, 21, &m->f.arena, at);
    assert_null(m->f.reply.err);
    assert_int_equal(at[0].at, AT_OTHER);
    assert_int_equal(at[12].at, AT_INSTALLED);
    assert_int_equal(at[1].at, AT_UNKNOWN); /* may be where the list moved: not "absent" */
    assert_int_equal(m->used[0], 1 + 3);
    stop(m);
}

static void test_devices_by_filter(void **state)
{
    static const struct rule rules[] = {{"GET " MD_INVENTORY "?*", 0, "devices-2", LIST("2"), 0},
                                        {"GET " MD_V2 "/releases?*", 0, "releases", LIST("2"), 0},
                                        {0}};
    static const char *const equals[][2] = {{"Device_Type", "sim"}}, *const keys[] = {"device_type"};
    struct release one = {.id = "fw 1.0"}, found;
    struct device_list l;
    struct attribute_table t;
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, devices, &(struct device_filter){.equals = equals, .n_equals = 1}, 10, &m->f.arena, &l);
    assert_int_equal(l.n, 2);
    FLEET_CALL(&m->f, devices, &(struct device_filter){.installed = &two}, 10, &m->f.arena, &l);
    assert_int_equal(l.n, 0);
    FLEET_CALL(&m->f, devices, &(struct device_filter){.installed = &one}, 1, &m->f.arena, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.total, 2);
    const char *const ids[] = {"none", l.v[0].raw_id};
    FLEET_CALL(&m->f, attributes, ids, 2, keys, 1, 10, false, &m->f.arena, &t);
    assert_int_equal(t.v[0], -1);
    assert_string_equal(t.names[t.v[1]], "sim");
    FLEET_CALL(&m->f, release, NULL, "fw 2.0", "fw 2.0", &m->f.arena, &found);
    assert_null(m->f.reply.err);
    assert_string_equal(found.id, "fw 2.0");
    FLEET_CALL(&m->f, release, NULL, "fw", "2.0", &m->f.arena, &found);
    assert_int_equal(m->f.err.code, ERR_NOT_FOUND);
    stop(m);
}

static void test_one_device(void **state)
{
    static const struct rule rules[] = {{"GET " MD_INVENTORY "/cam%20d%2F1", 0, "device", NULL, 0},
                                        {"GET " MD_V1 "/devices/cam%20d%2F1?page=1&per_page=20", 0, "history", NULL, 0},
                                        {0}};
    struct device_info d;
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, device, "cam d/1", &m->f.arena, &d);
    assert_null(m->f.reply.err);
    assert_string_equal(d.device.raw_id, "cam d/1");
    assert_string_equal(d.installed.id, "fw 1.0");
    assert_string_equal(d.assigned.id, "");
    assert_int_equal(d.n_actions, 1);
    assert_string_equal(d.actions[0].status, "aborted");
    assert_string_equal(d.actions[0].rollout, "andon k-1");
    stop(m);
}

/* --- where they stand --- */

/* As a stand-in gave it: an aborted deployment is finished, and only who had asked has a row. */
static void test_aborted_is_finished(void **state)
{
    static const struct rule rules[] = {
        {"GET " MD_V2 "?*", 0, "deployments-aborted", LIST("1"), 0},
        {"GET " MD_V1 "/*/device_list?*", 0, "targets", LIST("4"), 0},
        {"GET " MD_V1 "/*/devices/list?*", 0, "rows-aborted", LIST("3"), 0},
        {"GET " MD_INVENTORY "/cam-c", 200, DEVICE("cam-c", "fw 1.0", "2099-01-01T00:00:00Z"), NULL, 0},
        {"GET " MD_INVENTORY "/cam-C", 200, DEVICE("cam-c", "fw 1.0", "2020-01-01T00:00:00Z"), NULL, 0},
        {"GET " MD_INVENTORY "/cam-a", 200, DEVICE("cam-a", "fw 1.0", "2020-01-01T00:00:00Z"), NULL, 0},
        {"GET " MD_INVENTORY "/cam-b", 200, DEVICE("cam-b", "fw 1.0", "2020-01-01T00:00:00Z"), NULL, 0},
        {"GET " MD_INVENTORY "/cam%20d%2F1", 200, DEVICE("cam d/1", "fw 1.0", "2020-01-01T00:00:00Z"), NULL, 0},
        {0}};
    static const char *const ids[] = {"cam-a", "cam-b", "cam-c", "cam-C", "cam d/1", "nobody"};
    static const struct release one = {.id = "fw 1.0"};
    struct device_standing at[6];
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, standing, &two, ids, 6, &m->f.arena, at);
    assert_null(m->f.reply.err);
    assert_int_equal(at[0].at, AT_INSTALLED); /* its inventory lags */
    assert_true(at[0].told_at > 0 && at[0].ended_at >= at[0].told_at);
    assert_int_equal(at[1].at, AT_FAILED);
    assert_int_equal(at[2].at, AT_RECALLED); /* cut off, and heard since */
    assert_int_equal(at[3].at, AT_LOST);     /* and not heard since */
    assert_int_equal(at[4].at, AT_RECALLED); /* had not asked: it is in no list of devices */
    assert_int_equal(at[5].at, AT_ABSENT);
    ((struct md *)m->f.b)->deployments_share.changes++; /* to be listed again */
    FLEET_CALL(&m->f, standing, &one, ids, 6, &m->f.arena, at);
    assert_int_equal(at[0].at, AT_OTHER);
    assert_int_equal(at[2].at, AT_INSTALLED);
    assert_int_equal(at[3].at, AT_UNKNOWN); /* what its inventory says is older than the abort */
    assert_int_equal(m->used[0], 2);
    assert_int_equal(m->used[2], 1); /* what has finished is read once */
    stop(m);
}

static void test_ends_that_are_neither(void **state)
{
    static struct md_row row = {.device = "a", .finished_at = 200};
    static const char *targets[] = {"a"};
    struct md_deployment d = {
        .artifact = "x", .created_at = 100, .targets = targets, .n_targets = 1, .rows = &row, .n_rows = 1};
    struct md_deployment *v[] = {&d};
    static const struct {
        enum md_status status;
        int64_t reported_at;
        const char *runs;
        enum standing_at at;
    } cases[] = {{MD_NO_ARTIFACT, 0, "o", AT_OTHER},   {MD_NO_ARTIFACT, 0, "x", AT_INSTALLED},
                 {MD_ALREADY, 0, "o", AT_INSTALLED},   {MD_ALREADY, 300, "o", AT_OTHER},
                 {MD_SUCCESS, 0, "o", AT_INSTALLED},   {MD_SUCCESS, 300, "o", AT_OTHER},
                 {MD_PENDING, 0, "o", AT_TOLD},        {MD_MOVING, 0, "o", AT_BUSY},
                 {MD_FAILURE, 0, "o", AT_FAILED},      {MD_OTHER, 0, "o", AT_UNKNOWN},
                 {MD_ABORTED, 150, "o", AT_LOST},      {MD_ABORTED, 300, "o", AT_RECALLED},
                 {MD_ABORTED, 300, "x", AT_INSTALLED}, {MD_DECOMMISSIONED, 0, "o", AT_OTHER}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct md_device device = {"a", cases[i].runs, cases[i].reported_at, cases[i].reported_at};
        row.status = cases[i].status;
        if (md_standing_of(v, 1, &device, "x").at != cases[i].at)
            fail_msg("case %zu: %d", i, md_standing_of(v, 1, &device, "x").at);
    }
}

/* --- telling --- */

static void test_a_lost_answer_is_found_by_its_name(void **state)
{
    static const struct rule rules[] = {
        {"GET " MD_V2 "?*", 200, "[]", LIST("0"), 1},
        {"GET " MD_V2 "?*", 200,
         "[" DEPLOYMENT(ID_1, "andon k-1", "fw 2.0", "2026-01-01T00:00:00.000000001Z", "pending", "") "]", LIST("1"),
         0},
        {"GET " MD_V1 "/" ID_1 "/device_list?*", 200, "[\"a\",\"b c\"]", LIST("2"), 0},
        {"GET " MD_V1 "/" ID_1 "/devices/list?*", 200, "[]", LIST("0"), 0},
        {"GET " MD_INVENTORY "/a", 200, DEVICE("a", "fw 1.0", ""), NULL, 0},
        {"GET " MD_INVENTORY "/b%20c", 200, DEVICE("b c", "fw 1.0", ""), NULL, 0},
        {"POST " MD_V1, -1, "", NULL, 0},
        {0}};
    static const char *const ids[] = {"a", "b c", "nobody"};
    struct tell_result told[3];
    struct device_standing at[3];
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, tell, &two, ids, 3, "k-1", &m->f.arena, told);
    assert_non_null(m->f.reply.err);
    assert_true(m->f.reply.maybe_sent);
    assert_int_equal(told[0].outcome, TELL_NOT_KNOWN);
    assert_int_equal(told[1].outcome, TELL_NOT_KNOWN);
    assert_int_equal(told[2].outcome, TELL_REFUSED);
    assert_string_equal(m->body, "{\"name\":\"andon k-1\",\"artifact_name\":\"fw 2.0\",\"devices\":[\"a\",\"b c\"]}");
    FLEET_CALL(&m->f, standing, &two, ids, 3, &m->f.arena, at);
    assert_int_equal(at[0].at, AT_TOLD);
    assert_true(at[0].told_at > 0);
    assert_int_equal(at[1].at, AT_TOLD);
    assert_int_equal(at[2].at, AT_ABSENT);
    FLEET_CALL(&m->f, tell, &two, ids, 3, "k-1", &m->f.arena, told); /* the same again makes no other */
    assert_null(m->f.reply.err);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(told[2].outcome, TELL_REFUSED);
    assert_int_equal(m->used[6], 1);
    stop(m);
}

static void test_answers_to_telling(void **state)
{
    static struct rule rules[] = {{"GET " MD_V2 "?*", 200, "[]", LIST("0"), 0},
                                  {"GET " MD_INVENTORY "/a", 200, DEVICE("a", "fw 1.0", ""), NULL, 0},
                                  {"POST " MD_V1, 0, "", NULL, 0},
                                  {0}};
    static const struct {
        int status;
        const char *body;
        enum tell_outcome outcome;
        enum err_code code;
    } cases[] = {{0, "create", TELL_DONE, ERR_NONE},
                 {0, "create-again", TELL_NOT_KNOWN, ERR_CONFLICT},
                 {0, "create-unknown", TELL_REFUSED, ERR_RANGE},
                 {429, "{}", TELL_REFUSED, ERR_THROTTLED},
                 {403, "{}", TELL_REFUSED, ERR_FORBIDDEN},
                 {500, "{}", TELL_NOT_KNOWN, ERR_PROTOCOL},
                 {200, "{}", TELL_NOT_KNOWN, ERR_PROTOCOL}};
    static const char *const ids[] = {"a"};
    struct tell_result told[1];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rules[2].status = cases[i].status;
        rules[2].body = cases[i].body;
        struct mender *m = start(rules);
        FLEET_CALL(&m->f, tell, &two, ids, 1, "k", &m->f.arena, told);
        assert_int_equal(told[0].outcome, cases[i].outcome);
        assert_int_equal(m->f.err.code, cases[i].code);
        assert_int_equal(m->f.reply.maybe_sent, cases[i].outcome == TELL_NOT_KNOWN);
        assert_int_equal(m->used[2], 1);
        stop(m);
    }
}

/* --- taking back --- */

#define OURS   DEPLOYMENT(ID_1, "andon k-1", "fw 2.0", "2026-01-01T00:00:00Z", "inprogress", "")
#define THEIRS DEPLOYMENT(ID_2, "by hand", "fw 3.0", "2026-01-02T00:00:00Z", "pending", "")
#define ABORT  "PUT " MD_V1 "/" ID_1 "/status"

static const struct rule recalls[] = {
    {"GET " MD_V2 "?*", 200, "[" THEIRS "," OURS "]", LIST("2"), 0},
    {"GET " MD_V1 "/" ID_1 "/device_list?*", 200, "[\"a\",\"b\",\"c\",\"d e\"]", LIST("4"), 0},
    {"GET " MD_V1 "/" ID_1 "/devices/list?*", 200,
     "[{\"id\":\"a\",\"status\":\"success\",\"finished\":\"2026-01-01T01:00:00Z\"},{\"id\":\"b\",\"status\":"
     "\"installing\"}]",
     LIST("2"), 0},
    {"GET " MD_V1 "/" ID_2 "/device_list?*", 200, "[\"c\"]", LIST("1"), 0},
    {"GET " MD_V1 "/" ID_2 "/devices/list?*", 200, "[]", LIST("0"), 0},
    {ABORT, 0, "abort-400", NULL, 1},
    {ABORT, 0, "abort-ended", NULL, 1},
    {ABORT, 0, "abort", NULL, 0},
    {"DELETE " MD_V1 "/devices/d%20e", 204, "", NULL, 0},
    {0}};

/* It says 400 and has aborted: neither a refusal nor a reason for another word. */
static void test_a_400_that_aborted(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d e"};
    struct tell_result t[4];
    (void)state;
    struct mender *m = start(recalls);
    FLEET_CALL(&m->f, recall, &two, ids, 4, "k-1", NULL, false, &m->f.arena, t);
    assert_int_equal(m->f.err.code, ERR_RANGE);
    assert_true(m->f.reply.maybe_sent);
    assert_int_equal(t[0].outcome, TELL_REFUSED); /* it has ended */
    assert_int_equal(t[1].outcome, TELL_NOT_KNOWN);
    assert_int_equal(t[3].outcome, TELL_NOT_KNOWN);
    assert_string_equal(m->body, "{\"status\":\"aborted\"}");
    FLEET_CALL(&m->f, recall, &two, ids, 4, "k-1", NULL, false, &m->f.arena, t);
    assert_null(m->f.reply.err); /* finished meanwhile */
    assert_int_equal(t[1].outcome, TELL_REFUSED);
    FLEET_CALL(&m->f, recall, &two, ids + 1, 3, "k-1", NULL, true, &m->f.arena, t);
    assert_null(m->f.reply.err);
    assert_int_equal(t[0].outcome, TELL_DONE);
    assert_int_equal(t[1].outcome, TELL_DONE);
    assert_string_equal(m->body, "{\"status\":\"aborted\"}");
    assert_int_equal(m->used[8], 0);
    stop(m);
}

static void test_one_device_of_a_deployment(void **state)
{
    static const char *const ids[] = {"c", "d e", "x"};
    struct tell_result t[3];
    (void)state;
    struct mender *m = start(recalls);
    FLEET_CALL(&m->f, recall, &two, ids, 3, "k-1", NULL, false, &m->f.arena, t);
    assert_null(m->f.reply.err);
    assert_int_equal(t[0].outcome, TELL_REFUSED); /* it would lose another's too */
    assert_int_equal(t[1].outcome, TELL_DONE);
    assert_int_equal(t[2].outcome, TELL_REFUSED);
    assert_int_equal(m->used[5] + m->used[6] + m->used[7], 0); /* "b" goes on */
    assert_int_equal(m->used[8], 1);
    FLEET_CALL(&m->f, recall, &two, ids, 3, "k-9", NULL, false, &m->f.arena, t);
    assert_int_equal(t[1].outcome, TELL_NOT_KNOWN); /* a lost request may still make it */
    assert_true(m->f.reply.maybe_sent);
    stop(m);
}

/* Eight in a call: the others are to be asked for again, which is no error and hides none. */
static void test_more_devices_than_one_call_takes(void **state)
{
    struct rule rules[] = {{"GET " MD_V2 "?*", 200, "[" OURS "]", LIST("1"), 0},
                           {"GET " MD_V1 "/" ID_1 "/device_list?*", 200,
                            "[\"d0\",\"d1\",\"d2\",\"d3\",\"d4\",\"d5\",\"d6\",\"d7\",\"d8\",\"d9\",\"goes-on\"]",
                            LIST("11"), 0},
                           {"GET " MD_V1 "/" ID_1 "/devices/list?*", 200, "[]", LIST("0"), 0},
                           {"DELETE " MD_V1 "/devices/d3", 403, "{}", NULL, 1},
                           {"DELETE " MD_V1 "/devices/*", 204, "", NULL, 0},
                           {0}};
    static const char *const ids[] = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"};
    struct tell_result t[10];
    (void)state;
    struct mender *m = start(rules);
    FLEET_CALL(&m->f, recall, &two, ids, 10, "k-1", NULL, false, &m->f.arena, t);
    assert_int_equal(m->f.err.code, ERR_FORBIDDEN);
    assert_int_equal(t[0].outcome, TELL_DONE);
    assert_int_equal(t[3].outcome, TELL_REFUSED);
    assert_int_equal(t[8].outcome, TELL_NOT_SENT);
    FLEET_CALL(&m->f, recall, &two, ids, 10, "k-1", NULL, false, &m->f.arena, t);
    assert_null(m->f.reply.err);
    assert_int_equal(t[3].outcome, TELL_DONE);
    assert_int_equal(t[7].outcome, TELL_DONE);
    assert_int_equal(t[8].outcome, TELL_NOT_SENT);
    assert_int_equal(t[9].outcome, TELL_NOT_SENT);
    stop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_probe),
                                       cmocka_unit_test(test_who_may_only_read),
                                       cmocka_unit_test(test_a_token_that_ends),
                                       cmocka_unit_test(test_a_wrong_password),
                                       cmocka_unit_test(test_a_personal_token),
                                       cmocka_unit_test(test_a_list_that_moves_between_pages),
                                       cmocka_unit_test(test_devices_by_filter),
                                       cmocka_unit_test(test_one_device),
                                       cmocka_unit_test(test_aborted_is_finished),
                                       cmocka_unit_test(test_ends_that_are_neither),
                                       cmocka_unit_test(test_a_lost_answer_is_found_by_its_name),
                                       cmocka_unit_test(test_answers_to_telling),
                                       cmocka_unit_test(test_a_400_that_aborted),
                                       cmocka_unit_test(test_more_devices_than_one_call_takes),
                                       cmocka_unit_test(test_one_device_of_a_deployment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
