/* The gooseBit back end against what a real server answered (tests/client/goosebit, recorded by
 * tests/conformance/goosebit.py), and against a server that plays its traps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/goosebit_impl.h"
#include "core/text.h"
#include "fleet.h"

/* --- recordings --- */

static char *recording(const char *name, int *status)
{
    char path[200];
    snprintf(path, sizeof path, "tests/client/goosebit/%s.json", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: not there", path);
    char *text = xcalloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    static const char tail[] = "\n }\n}\n";
    const char *answer = strstr(text, "\"answer\": {");
    assert_true(answer && n > sizeof tail && strcmp(text + n - strlen(tail), tail) == 0);
    *status = (int)strtol(strstr(answer, "\"status\": ") + 10, NULL, 10);
    char *body = xstrdup(strstr(answer, "\"body\": ") + 8);
    body[strlen(body) - strlen(tail)] = '\0';
    free(text);
    return body;
}

/* --- the server --- */

struct rule {
    const char *request; /* as in fleet.h */
    const char *name;    /* of a recording, or NULL: */
    int status;
    const char *body;
};

struct goose {
    struct fleet f;
    const struct rule *rules;
    _Atomic int logins, patches, wrong_tokens;
    int refuse;            /* so many requests are told that their token is none */
    int refuse_with;       /* status of that */
    char bodies[6][32768]; /* of PATCHes, in order */
    size_t devices;        /* > 0: a list of that many, generated */
    size_t cut;            /* bytes of it after which the connection ends, 0 = none */
    _Atomic int lists;
};

static bool like(const char *pattern, const char *line)
{
    size_t n = strlen(pattern);
    return n && pattern[n - 1] == '*' ? strncmp(pattern, line, n - 1) == 0 : strcmp(pattern, line) == 0;
}

static void give(struct buf *out, const char *name)
{
    int status;
    char *body = recording(name, &status);
    hostile_answer(out, status, "application/json", body);
    free(body);
}

static enum hostile_end give_many(struct goose *g, struct buf *out)
{
    struct buf b;
    buf_init(&b, (size_t)200 << 20);
    buf_adds(&b, "{\"devices\":[");
    for (size_t i = 0; i < g->devices; i++)
        buf_printf(
            &b,
            "%s{\"id\":\"dev-%06zu\",\"name\":null,\"sw_version\":\"%s\",\"assigned_software\":null,"
            "\"hardware\":{\"id\":1,\"model\":\"cam\",\"revision\":\"b2\"},\"feed\":\"default\",\"progress\":null,"
            "\"last_state\":\"Registered\",\"update_mode\":\"Rollout\",\"force_update\":false,"
            "\"last_ipv4\":\"10.0.0.1\",\"last_ipv6\":null,\"last_seen\":%zu,\"auth_token\":null,\"polling\":true,"
            "\"last_ip\":\"10.0.0.1\",\"poll_seconds\":5}",
            i ? "," : "", i, i % 2 ? "1.0" : "2.0", i % 60);
    buf_adds(&b, "]}");
    hostile_answer(out, 200, "application/json", b.data);
    if (g->cut && atomic_load(&g->lists) == 1) {
        out->len = out->len - b.len + g->cut;
        buf_release(&b);
        return HOSTILE_CLOSE;
    }
    buf_release(&b);
    return HOSTILE_KEEP;
}

static enum hostile_end serve(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct goose *g = ctx;
    char line[8300];
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    if (strcmp(line, "POST /login") == 0) {
        g->logins++;
        if (strcmp(q->body, "username=op%20er&password=w%26rd") != 0 || strstr(q->head, "uthorization"))
            give(out, "login-wrong");
        else
            give(out, "login");
        return HOSTILE_KEEP;
    }
    if (strcmp(line, "GET /openapi.json") == 0) {
        give(out, "openapi");
        return HOSTILE_KEEP;
    }
    if (!strstr(q->head, "Authorization: Bearer (secret)\r\n")) {
        g->wrong_tokens++;
        give(out, "token-old");
        return HOSTILE_KEEP;
    }
    if (g->refuse > 0) {
        g->refuse--;
        hostile_answer(out, g->refuse_with, "text/plain", "Internal Server Error");
        return HOSTILE_KEEP;
    }
    if (strcmp(q->method, "PATCH") == 0) {
        int n = g->patches++;
        if (n < 6)
            snprintf(g->bodies[n], sizeof g->bodies[0], "%s", q->body);
    }
    if (strcmp(line, "GET /api/v1/devices") == 0) {
        g->lists++;
        if (g->devices)
            return give_many(g, out);
    }
    for (const struct rule *r = g->rules; r->request; r++)
        if (like(r->request, line)) {
            if (r->name)
                give(out, r->name);
            else
                hostile_answer(out, r->status, "application/json", r->body);
            return HOSTILE_KEEP;
        }
    hostile_answer(out, 404, "application/json", "{\"detail\":\"Not Found\"}");
    return HOSTILE_KEEP;
}

static const struct rule usual[] = {
    {"GET /api/v1/software", "software", 0, NULL}, {"GET /api/v1/devices", "devices", 0, NULL},
    {"GET /api/v1/rollouts", "rollouts", 0, NULL}, {"PATCH /api/v1/rollouts", "rollout-nobody", 0, NULL},
    {"PATCH /api/v1/devices", "tell", 0, NULL},    {0}};

static struct goose *start(const struct rule *rules)
{
    struct goose *g = xcalloc(1, sizeof *g);
    struct err e = {0};
    g->rules = rules;
    rig_init(&g->f.rig, serve, g);
    assert_int_equal(setenv("ANDON_TEST_GOOSE", "w&rd", 1), 0);
    struct fleet_spec spec = {.name = "test", .kind = "goosebit", .endpoint = g->f.rig.endpoint};
    spec.endpoint.user = "op er";
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_GOOSE"};
    g->f.b = backend_open(g->f.rig.http, &spec, &e);
    if (!g->f.b)
        fail_msg("%s", e.what);
    arena_init(&g->f.arena);
    return g;
}

static void stop(struct goose *g)
{
    assert_int_equal(g->wrong_tokens, 0);
    fleet_release(&g->f);
    free(g);
}

static const struct release two = {.id = "2", .name = "cam/b2", .version = "2.0"};

/* --- getting in, what it can do --- */

static void test_probe(void **state)
{
    struct backend_info info;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, probe, &g->f.arena, &info);
    assert_null(g->f.reply.err);
    assert_string_equal(info.kind, "goosebit");
    assert_string_equal(info.version, "0.2.12");
    assert_string_equal(info.user, "op er");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE | CAP_AUTO_ASSIGN);
    for (int i = 0; i < SAY_COUNT; i++)
        assert_non_null(info.says[i]);
    assert_int_equal(g->logins, 1); /* one for all that wait */
    stop(g);
}

static void test_a_viewer_may_not_tell(void **state)
{
    static const struct rule rules[] = {
        {"PATCH *", "viewer-tells", 0, NULL}, {"GET /api/v1/software", "software", 0, NULL}, {0}};
    struct backend_info info;
    (void)state;
    struct goose *g = start(rules);
    FLEET_CALL(&g->f, probe, &g->f.arena, &info);
    assert_null(g->f.reply.err);
    assert_int_equal(info.caps, 0);
    stop(g);
}

static enum hostile_end other_server(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    assert_string_not_equal(q->path, "/login");
    hostile_answer(out, 200, "application/json", "{\"info\":{\"title\":\"another\",\"version\":\"1\"}}");
    return HOSTILE_KEEP;
}

static void test_the_password_goes_to_no_other_server(void **state)
{
    struct fleet f = {0};
    struct backend_info info;
    struct err e = {0};
    (void)state;
    rig_init(&f.rig, other_server, NULL);
    struct fleet_spec spec = {.name = "test", .kind = "goosebit", .endpoint = f.rig.endpoint};
    assert_null(backend_open(f.rig.http, &spec, &e)); /* no user */
    assert_int_equal(e.code, ERR_AUTH);
    spec.endpoint.user = "op er";
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_GOOSE"};
    f.b = backend_open(f.rig.http, &spec, &e);
    assert_non_null(f.b);
    arena_init(&f.arena);
    FLEET_CALL(&f, probe, &f.arena, &info);
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    assert_non_null(strstr(f.err.what, "not as gooseBit"));
    fleet_release(&f);
}

static void test_a_wrong_password(void **state)
{
    struct device_list devices;
    struct release_list releases;
    (void)state;
    struct goose *g = start(usual);
    free(((struct gb *)g->f.b)->user);
    ((struct gb *)g->f.b)->user = xstrdup("nobody");
    FLEET_CALL(&g->f, devices, NULL, 10, &g->f.arena, &devices);
    assert_int_equal(g->f.err.code, ERR_AUTH);
    assert_false(g->f.reply.maybe_sent);
    FLEET_CALL(&g->f, releases, 10, &g->f.arena, &releases);
    assert_int_equal(g->f.err.code, ERR_AUTH);
    stop(g);
}

/* The server was started again: its tokens are bad (401), or can't even be read (500). */
static void test_a_token_that_is_none_any_more(void **state)
{
    static const int statuses[] = {401, 500};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct release_list releases;
        struct goose *g = start(usual);
        g->refuse = 1;
        g->refuse_with = statuses[i];
        FLEET_CALL(&g->f, releases, 10, &g->f.arena, &releases);
        assert_null(g->f.reply.err);
        assert_int_equal(releases.n, 3);
        assert_int_equal(g->logins, 2);
        g->refuse = 2; /* not again and again */
        FLEET_CALL(&g->f, releases, 10, &g->f.arena, &releases);
        assert_int_equal(g->f.err.code, statuses[i] == 401 ? ERR_AUTH : ERR_PROTOCOL);
        assert_int_equal(g->logins, 3);
        stop(g);
    }
}

/* --- releases and devices --- */

static void test_releases_are_called_by_their_boards(void **state)
{
    struct release_list l;
    struct release r;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, releases, 10, &g->f.arena, &l);
    assert_null(g->f.reply.err);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.v[0].name, "box+hub/r3"); /* newest first */
    assert_string_equal(l.v[0].version, "2.0");
    assert_string_equal(l.v[2].name, "cam/b2");
    assert_string_equal(l.v[2].version, "1.0");
    FLEET_CALL(&g->f, release, NULL, "cam/b2", "2.0", &g->f.arena, &r);
    assert_string_equal(r.id, "2");
    FLEET_CALL(&g->f, release, "3", NULL, NULL, &g->f.arena, &r);
    assert_string_equal(r.name, "box+hub/r3");
    FLEET_CALL(&g->f, release, NULL, "cam/b2", "3.0", &g->f.arena, &r);
    assert_int_equal(g->f.err.code, ERR_NOT_FOUND);
    stop(g);
}

static void test_devices(void **state)
{
    struct device_list l;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, devices, NULL, 100, &g->f.arena, &l);
    assert_null(g->f.reply.err);
    assert_int_equal(l.n, 10);
    assert_int_equal(l.total, 10);
    for (size_t i = 0; i < l.n; i++) {
        const struct device *d = &l.v[i];
        if (strcmp(d->raw_id, "cam-failed") == 0)
            assert_int_equal(d->status, DEVICE_ERROR);
        else if (strcmp(d->raw_id, "cam-done") == 0)
            assert_int_equal(d->status, DEVICE_IN_SYNC);
        else if (strcmp(d->raw_id, "silent") == 0)
            assert_int_equal(d->last_seen, 0); /* never: not just now */
        assert_int_equal(d->contact_us, 5 * US_PER_S);
        assert_false(d->overdue);
    }
    FLEET_CALL(&g->f, devices, NULL, 3, &g->f.arena, &l);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.total, 10);
    stop(g);
}

static void test_devices_by_filter(void **state)
{
    static const char *const cams[][2] = {{"Hardware.Model", "CAM"}, {"feed", "default"}};
    static const char *const out[] = {"cam-new", "hub-1"}, *const in[] = {"silent", "cam-new", "no-such"};
    static const struct {
        struct device_filter f;
        const char *found;
    } cases[] = {
        {{.installed = &two}, "cam-done "}, /* hub-1 says "2.0" too, and is another board */
        {{.installed = &two, .assigned = &two}, "cam-told cam-busy cam-done cam-failed cam-again cam-back "},
        {{.equals = cams, .n_equals = 2}, "cam-new cam two \xc3\xa4 "},
        {{.equals = cams, .n_equals = 2, .exclude = out, .n_exclude = 2}, "cam two \xc3\xa4 "},
        {{.installed = &two, .include = in, .n_include = 3}, "cam-new cam-done silent "},
        {{.include = in, .n_include = 3, .only_include = true}, "cam-new silent "},
        {{.only_include = true}, ""},
    };
    (void)state;
    struct goose *g = start(usual);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct device_list l;
        struct buf got;
        buf_init(&got, 1000);
        FLEET_CALL(&g->f, devices, &cases[i].f, 100, &g->f.arena, &l);
        assert_null(g->f.reply.err);
        for (size_t k = 0; k < l.n; k++)
            buf_printf(&got, "%s ", l.v[k].raw_id);
        assert_string_equal(got.data, cases[i].found);
        assert_int_equal(l.total, l.n);
        buf_release(&got);
    }
    stop(g);
}

static void test_last_seen_is_an_age(void **state)
{
    static const struct rule rules[] = {
        {"GET /api/v1/devices", NULL, 200,
         "{\"devices\":[{\"id\":\"a\",\"last_seen\":90,\"polling\":false},{\"id\":\"b\"}]}"},
        {0}};
    struct device_list l;
    (void)state;
    struct goose *g = start(rules);
    FLEET_CALL(&g->f, devices, NULL, 100, &g->f.arena, &l);
    assert_null(g->f.reply.err);
    int64_t made = g->f.reply.server_date ? g->f.reply.server_date : g->f.reply.answered_at;
    assert_int_equal(l.v[0].last_seen, made - 90 * US_PER_S);
    assert_true(l.v[0].overdue);
    assert_int_equal(l.v[1].last_seen, 0);
    stop(g);
}

static void test_a_device_is_never_asked_for_by_itself(void **state)
{
    struct device_info d;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, device, "cam-done", &g->f.arena, &d);
    assert_null(g->f.reply.err);
    assert_string_equal(d.installed.id, "2");
    assert_string_equal(d.assigned.id, "2");
    assert_int_equal(d.n_attributes, 3);
    FLEET_CALL(&g->f, device, "hub-1", &g->f.arena, &d);
    assert_string_equal(d.installed.id, "3");
    FLEET_CALL(&g->f, device, "no-such", &g->f.arena, &d);
    assert_int_equal(g->f.err.code, ERR_NOT_FOUND);
    assert_int_equal(hostile_count(g->f.rig.server, "GET /api/v1/devices/no-such"), 0);
    assert_int_equal(hostile_count(g->f.rig.server, "GET /api/v1/devices"), 1); /* one list served all three */
    stop(g);
}

static void test_attributes(void **state)
{
    static const char *const ids[] = {"hub-1", "cam-new", "no-such", "cam-back"};
    static const char *const keys[] = {"Hardware.Model", "feed"};
    struct attribute_table t;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, attributes, ids, 4, keys, 2, 0, true, &g->f.arena, &t);
    assert_null(g->f.reply.err);
    assert_string_equal(t.names[t.v[0]], "hub");
    assert_int_equal(t.v[1], -1); /* mode Latest: no feed */
    assert_string_equal(t.names[t.v[2]], "cam");
    assert_string_equal(t.names[t.v[3]], "default");
    assert_int_equal(t.v[4], -1);
    assert_string_equal(t.names[t.v[7]], "night");
    stop(g);
}

static void test_who_is_given_it_anyway(void **state)
{
    struct auto_assign_list l;
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, auto_assigns, "2", &g->f.arena, &l);
    assert_null(g->f.reply.err);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].name, "night");
    assert_string_equal(l.v[0].filter, "the feed night");
    FLEET_CALL(&g->f, auto_assign_off, l.v[0].id);
    assert_null(g->f.reply.err);
    assert_string_equal(g->bodies[0], "{\"ids\":[1],\"paused\":true}");
    FLEET_CALL(&g->f, auto_assigns, "3", &g->f.arena, &l);
    assert_int_equal(l.n, 1); /* hub-1 takes what is newest */
    FLEET_CALL(&g->f, auto_assign_off, l.v[0].id);
    assert_int_equal(g->f.err.code, ERR_UNSUPPORTED);
    FLEET_CALL(&g->f, auto_assign_off, "1],\"x\":[2");
    assert_int_equal(g->f.err.code, ERR_RANGE);
    stop(g);
}

/* --- where devices stand --- */

static void test_standing(void **state)
{
    static const struct {
        const char *id;
        enum standing_at at;
    } cases[] = {{"cam-new", AT_OTHER},      {"cam-told", AT_TOLD},         {"cam-busy", AT_BUSY},
                 {"cam-done", AT_INSTALLED}, {"cam-failed", AT_FAILED},     {"cam-again", AT_TOLD},
                 {"cam-back", AT_TOLD},      {"hub-1", AT_OTHER},           {"no-such", AT_ABSENT},
                 {"silent", AT_OTHER},       {"cam two \xc3\xa4", AT_OTHER}};
    enum { N = sizeof cases / sizeof *cases };
    struct device_standing at[N];
    const char *ids[N];
    (void)state;
    for (size_t i = 0; i < N; i++)
        ids[i] = cases[i].id;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, standing, &two, ids, N, &g->f.arena, at);
    assert_null(g->f.reply.err);
    for (size_t i = 0; i < N; i++)
        if (at[i].at != cases[i].at)
            fail_msg("%s: %d", ids[i], at[i].at);
    assert_int_equal(hostile_count(g->f.rig.server, "GET /api/v1/devices"), 1);
    stop(g);
}

/* Of a device in the middle of something else nothing is said; an error of one that was not told ours is not ours. */
static void test_an_update_of_which_release(void **state)
{
    static const struct rule rules[] = {
        {"GET /api/v1/software", "software", 0, NULL},
        {"GET /api/v1/devices", NULL, 200,
         "{\"devices\":["
         "{\"id\":\"a\",\"last_state\":\"Running\",\"update_mode\":\"Assigned\",\"assigned_software\":{\"id\":1}},"
         "{\"id\":\"b\",\"last_state\":\"Running\",\"update_mode\":\"Rollout\",\"assigned_software\":null},"
         "{\"id\":\"c\",\"last_state\":\"Error\",\"update_mode\":\"Rollout\",\"assigned_software\":{\"id\":2}},"
         "{\"id\":\"d\",\"last_state\":\"Error\",\"update_mode\":\"Assigned\",\"assigned_software\":{\"id\":1}},"
         "{\"id\":\"e\",\"last_state\":\"Error\",\"update_mode\":\"Assigned\",\"assigned_software\":{\"id\":2},"
         "\"sw_version\":\"2.0\",\"hardware\":{\"model\":\"cam\",\"revision\":\"b2\"}}]}"},
        {0}};
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    static const enum standing_at want[] = {AT_UNKNOWN, AT_UNKNOWN, AT_OTHER, AT_OTHER, AT_INSTALLED};
    struct device_standing at[5];
    (void)state;
    struct goose *g = start(rules);
    FLEET_CALL(&g->f, standing, &two, ids, 5, &g->f.arena, at);
    assert_null(g->f.reply.err);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(at[i].at, want[i]);
    stop(g);
}

/* Ids are given again when the newest software is deleted. */
static void test_an_id_that_names_another_release_now(void **state)
{
    static const char *const ids[] = {"cam-done"};
    struct device_standing at[1];
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, standing, (&(struct release){.id = "2", .name = "cam/b2", .version = "2.1"}), ids, 1, &g->f.arena,
               at);
    assert_int_equal(g->f.err.code, ERR_NOT_FOUND);
    assert_int_equal(at[0].at, AT_UNKNOWN);
    stop(g);
}

/* --- telling --- */

static void test_tell_keeps_out_what_would_break_the_request(void **state)
{
    static const char *const ids[] = {"cam-new", "no-such", "hub-1", "cam-failed", "cam-back", "cam two \xc3\xa4"};
    struct tell_result told[6];
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, tell, &two, ids, 6, "k1", &g->f.arena, told);
    assert_null(g->f.reply.err);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_string_equal(told[0].undo, "feed:default");
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    assert_non_null(strstr(told[1].why, "no such device"));
    assert_int_equal(told[2].outcome, TELL_REFUSED);
    assert_non_null(strstr(told[2].why, "other boards"));
    assert_int_equal(told[3].outcome, TELL_DONE);
    assert_string_equal(told[3].undo, ""); /* it had it: an earlier tell() knows what was before */
    assert_string_equal(told[4].undo, "feed:night");
    assert_int_equal(told[5].outcome, TELL_DONE);
    assert_int_equal(g->patches, 2);
    const char *plain = "{\"devices\":[\"cam-new\",\"cam-back\",\"cam two \xc3\xa4\"],\"software\":\"2\"}",
               *forced = "{\"devices\":[\"cam-failed\"],\"software\":\"2\",\"force_update\":true}";
    bool first = strcmp(g->bodies[0], plain) == 0;
    assert_string_equal(g->bodies[first ? 0 : 1], plain);
    assert_string_equal(g->bodies[first ? 1 : 0], forced);
    assert_int_equal(g->f.reply.n_requests, 2);
    assert_string_equal(g->f.reply.requests[0].path, "/api/v1/devices");
    stop(g);
}

static void test_tell_nobody(void **state)
{
    static const char *const ids[] = {"no-such"};
    struct tell_result told[1];
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, tell, &two, ids, 1, "k1", &g->f.arena, told);
    assert_null(g->f.reply.err);
    assert_int_equal(told[0].outcome, TELL_REFUSED);
    assert_int_equal(g->patches, 0);
    stop(g);
}

/* What a refusal means for each of the devices. */
static void test_tell_500_after_half_of_the_list(void **state)
{
    static const struct {
        const char *name;
        enum tell_outcome outcome;
        enum err_code code;
    } cases[] = {{"tell-half", TELL_NOT_KNOWN, ERR_PROTOCOL}, /* 500: the ones before it were told */
                 {"tell-board", TELL_NOT_KNOWN, ERR_RANGE},   /* a rule of the device's: likewise */
                 {"tell-wrong", TELL_REFUSED, ERR_RANGE},     /* about the request: nobody was */
                 {"viewer-tells", TELL_REFUSED, ERR_FORBIDDEN}};
    static const char *const ids[] = {"cam-new", "cam-failed"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rule rules[] = {{"GET /api/v1/software", "software", 0, NULL},
                                     {"GET /api/v1/devices", "devices", 0, NULL},
                                     {"PATCH *", cases[i].name, 0, NULL},
                                     {0}};
        struct tell_result told[2];
        struct goose *g = start(rules);
        FLEET_CALL(&g->f, tell, &two, ids, 2, "k1", &g->f.arena, told);
        assert_int_equal(g->f.err.code, cases[i].code);
        assert_int_equal(told[0].outcome, cases[i].outcome);
        assert_int_equal(told[1].outcome, cases[i].outcome);
        assert_true(told[0].why[0] != '\0');
        assert_int_equal(g->f.reply.maybe_sent, cases[i].outcome == TELL_NOT_KNOWN);
        assert_int_equal(g->patches, 2); /* neither was repeated, and both were sent */
        stop(g);
    }
}

static void test_after_telling_the_list_is_read_anew(void **state)
{
    static const char *const ids[] = {"cam-new"};
    struct tell_result told[1];
    struct device_standing at[1];
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, standing, &two, ids, 1, &g->f.arena, at);
    FLEET_CALL(&g->f, tell, &two, ids, 1, "k1", &g->f.arena, told);
    assert_int_equal(g->lists, 1); /* what it had before is known from the list of a moment ago */
    FLEET_CALL(&g->f, standing, &two, ids, 1, &g->f.arena, at);
    assert_int_equal(g->lists, 2);
    FLEET_CALL(&g->f, standing, &two, ids, 1, &g->f.arena, at);
    assert_int_equal(g->lists, 2);
    stop(g);
}

/* --- taking back --- */

static void test_recall_gives_back_what_each_had(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    static const char *const undo[] = {"feed:default", "software:1", "feed:default", "", "latest"};
    struct tell_result told[5];
    (void)state;
    struct goose *g = start(usual);
    FLEET_CALL(&g->f, recall, &two, ids, 5, "k1", undo, false, &g->f.arena, told);
    assert_null(g->f.reply.err);
    assert_int_equal(g->patches, 4);
    assert_int_equal(g->lists, 0); /* nothing is waited for */
    static const char *const want[] = {"{\"devices\":[\"a\",\"c\"],\"software\":\"rollout\",\"feed\":\"default\"}",
                                       "{\"devices\":[\"b\"],\"software\":\"1\"}",
                                       "{\"devices\":[\"d\"],\"software\":\"rollout\",\"feed\":\"andon-recalled\"}",
                                       "{\"devices\":[\"e\"],\"software\":\"latest\"}"};
    for (size_t i = 0; i < 4; i++) {
        bool there = false;
        for (size_t k = 0; k < 4; k++)
            there = there || strcmp(g->bodies[k], want[i]) == 0;
        if (!there)
            fail_msg("not sent: %s", want[i]);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(told[i].outcome, TELL_DONE);
    FLEET_CALL(&g->f, recall, &two, ids, 5, "k1", undo, true, &g->f.arena, told);
    assert_int_equal(g->f.err.code, ERR_UNSUPPORTED);
    assert_int_equal(told[0].outcome, TELL_NOT_SENT);
    stop(g);
}

static void test_recall_of_more_feeds_than_one_call_may_have(void **state)
{
    enum { N = REPLY_REQUESTS + 1 };
    const char *ids[N], *undo[N];
    struct tell_result told[N];
    (void)state;
    struct goose *g = start(usual);
    for (size_t i = 0; i < N; i++) {
        ids[i] = arena_printf(&g->f.arena, "d%zu", i);
        undo[i] = arena_printf(&g->f.arena, "feed:%zu", i);
    }
    FLEET_CALL(&g->f, recall, &two, ids, N, "k1", undo, false, &g->f.arena, told);
    assert_null(g->f.reply.err);
    assert_int_equal(told[N - 2].outcome, TELL_DONE);
    assert_int_equal(told[N - 1].outcome, TELL_NOT_SENT);
    assert_true(told[N - 1].why[0] != '\0');
    stop(g);
}

/* --- a list that is long, cut or odd --- */

static void test_a_long_list_in_one_answer(void **state)
{
    struct device_list l;
    struct device_standing at[3];
    static const char *const ids[] = {"dev-000000", "dev-099999", "dev-100000"};
    (void)state;
    struct goose *g = start(usual);
    g->devices = 100000; /* 45 MB: more than an answer that is held may have */
    FLEET_CALL(&g->f, standing, &two, ids, 3, &g->f.arena, at);
    assert_null(g->f.reply.err);
    assert_int_equal(at[0].at, AT_INSTALLED);
    assert_int_equal(at[1].at, AT_OTHER);
    assert_int_equal(at[2].at, AT_ABSENT);
    const struct gb_list *list = ((struct gb *)g->f.b)->list;
    assert_int_equal(list->n, 100000);
    assert_true(list->arena.used < (size_t)5 << 20 && list->n_texts < 8); /* values that come again are kept once */
    FLEET_CALL(&g->f, devices, NULL, 10, &g->f.arena, &l);
    assert_int_equal(l.n, 10);
    assert_int_equal(l.total, 100000);
    assert_int_equal(g->lists, 1);
    stop(g);
}

static void test_a_list_that_breaks_off_begins_anew(void **state)
{
    struct device_list l;
    (void)state;
    struct goose *g = start(usual);
    g->devices = 1000;
    g->cut = 100000;
    FLEET_CALL(&g->f, devices, NULL, 5000, &g->f.arena, &l);
    assert_null(g->f.reply.err);
    assert_int_equal(g->lists, 2);
    assert_int_equal(l.n, 1000);
    assert_string_equal(l.v[0].raw_id, "dev-000000");
    stop(g);
}

static void test_odd_lists(void **state)
{
    static const struct {
        const char *body;
        enum err_code code; /* ERR_NONE: n devices */
        size_t n;
    } cases[] = {
        {"{\"devices\":[]}", ERR_NONE, 0},
        {" { \"x\" : [ 1, { \"devices\" : [ 2 ] } ] , \"devices\" : [ {\"id\":\"a]},\\\"[\"} , {\"id\":\"b\"} ] } ",
         ERR_NONE, 2},
        {"{\"devices\":[{\"id\":\"a\"},]}", ERR_PROTOCOL, 0},
        {"{\"devices\":[,{\"id\":\"a\"}]}", ERR_PROTOCOL, 0},
        {"{\"devices\":[{\"id\":\"a\"}{\"id\":\"b\"}]}", ERR_PROTOCOL, 0},
        {"{\"devices\":[{\"id\":\"a\"}]", ERR_PROTOCOL, 0},
        {"{\"devices\":[{\"id\":\"a\"}]}]", ERR_PROTOCOL, 0},
        {"{\"devices\":[{\"id\":7}]}", ERR_PROTOCOL, 0},
        {"{\"devices\":[{\"id\":\"\"}]}", ERR_PROTOCOL, 0},
        {"{\"devices\":[7]}", ERR_PROTOCOL, 0},
        {"{\"devices\":{\"id\":\"a\"}}", ERR_PROTOCOL, 0},
        {"{\"devices\":[],\"devices\":[{\"id\":\"a\"}]}", ERR_PROTOCOL, 0},
        {"{\"others\":[]}", ERR_PROTOCOL, 0},
        {"[{\"id\":\"a\"}]", ERR_PROTOCOL, 0},
        {"", ERR_PROTOCOL, 0},
        {"<html>devices</html>", ERR_PROTOCOL, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rule rules[] = {{"GET /api/v1/devices", NULL, 200, cases[i].body}, {0}};
        struct device_list l;
        struct goose *g = start(rules);
        FLEET_CALL(&g->f, devices, NULL, 10, &g->f.arena, &l);
        if (g->f.err.code != cases[i].code || l.n != cases[i].n)
            fail_msg("%s: %s (%zu)", cases[i].body, g->f.err.what, l.n);
        stop(g);
    }
}

/* However it comes in pieces. */
static bool collect(void *ctx, const char *bytes, size_t n)
{
    struct buf *b = ctx;
    assert_int_equal(strlen(bytes), n);
    return buf_printf(b, "<%s>", bytes);
}

static void test_elements_in_pieces(void **state)
{
    static const char text[] = "{\"a\":\"devices\",\"devices\":[{\"x\":[1,{}]}, \"q\\\"],\" ,[3]],\"b\":[[]]}";
    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct elements s;
        struct buf got;
        struct err e = {0};
        buf_init(&got, 1000);
        elements_init(&s, "devices", ELEMENT_MAX, collect, &got);
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            size_t n = sizeof text - 1 - at;
            assert_true(elements_feed(&s, text + at, n < piece ? n : piece));
        }
        assert_true(elements_end(&s, "answer", &e));
        assert_string_equal(got.data, "<{\"x\":[1,{}]}><\"q\\\"],\" ><[3]>");
        elements_release(&s);
        buf_release(&got);
    }
}

static void test_an_element_without_an_end(void **state)
{
    struct buf b;
    struct device_list l;
    (void)state;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"devices\":[{\"id\":\"");
    for (size_t i = 0; i < 2 * ELEMENT_MAX; i++)
        buf_addc(&b, 'a');
    buf_adds(&b, "\"}]}");
    const struct rule rules[] = {{"GET /api/v1/devices", NULL, 200, b.data}, {0}};
    struct goose *g = start(rules);
    FLEET_CALL(&g->f, devices, NULL, 10, &g->f.arena, &l);
    assert_int_equal(g->f.err.code, ERR_LIMIT);
    stop(g);
    buf_release(&b);
}

static void test_freed_in_the_middle(void **state)
{
    struct device_list l;
    struct device_standing at[1];
    static const char *const ids[] = {"a"};
    struct fleet second = {0};
    (void)state;
    struct goose *g = start(usual);
    g->f.b->ops->devices(g->f.b, NULL, 10, &g->f.arena, &l, fleet_done, &g->f);
    g->f.b->ops->standing(g->f.b, &two, ids, 1, &g->f.arena, at, fleet_done, &second);
    backend_free(g->f.b); /* waits for a token */
    g->f.b = NULL;
    assert_true(g->f.done && second.done);
    assert_int_equal(g->f.err.code, ERR_CANCELLED);
    assert_int_equal(second.err.code, ERR_CANCELLED);
    stop(g);
}

/* Wherever it stands, each call ends, once. */
static void test_freed_at_any_moment(void **state)
{
    static const char *const ids[] = {"cam-new"};
    (void)state;
    for (int turns = 0; turns < 40; turns++) {
        struct backend_info info;
        struct device_list l;
        struct tell_result told[1];
        struct fleet second = {0}, third = {0};
        struct goose *g = start(usual);
        arena_init(&third.arena); /* for what its requests were called */
        g->f.b->ops->probe(g->f.b, &g->f.arena, &info, fleet_done, &g->f);
        g->f.b->ops->devices(g->f.b, NULL, 10, &g->f.arena, &l, fleet_done, &second);
        g->f.b->ops->tell(g->f.b, &two, ids, 1, "k", &g->f.arena, told, fleet_done, &third);
        for (int i = 0; i < turns; i++)
            http_run(g->f.rig.http, -1, g->f.rig.now + US_PER_S, 0);
        backend_free(g->f.b);
        g->f.b = NULL;
        assert_true(g->f.done && second.done && third.done);
        arena_release(&third.arena);
        stop(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_a_viewer_may_not_tell),
        cmocka_unit_test(test_the_password_goes_to_no_other_server),
        cmocka_unit_test(test_a_wrong_password),
        cmocka_unit_test(test_a_token_that_is_none_any_more),
        cmocka_unit_test(test_releases_are_called_by_their_boards),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_devices_by_filter),
        cmocka_unit_test(test_last_seen_is_an_age),
        cmocka_unit_test(test_a_device_is_never_asked_for_by_itself),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_who_is_given_it_anyway),
        cmocka_unit_test(test_standing),
        cmocka_unit_test(test_an_update_of_which_release),
        cmocka_unit_test(test_an_id_that_names_another_release_now),
        cmocka_unit_test(test_tell_keeps_out_what_would_break_the_request),
        cmocka_unit_test(test_tell_nobody),
        cmocka_unit_test(test_tell_500_after_half_of_the_list),
        cmocka_unit_test(test_after_telling_the_list_is_read_anew),
        cmocka_unit_test(test_recall_gives_back_what_each_had),
        cmocka_unit_test(test_recall_of_more_feeds_than_one_call_may_have),
        cmocka_unit_test(test_a_long_list_in_one_answer),
        cmocka_unit_test(test_a_list_that_breaks_off_begins_anew),
        cmocka_unit_test(test_odd_lists),
        cmocka_unit_test(test_elements_in_pieces),
        cmocka_unit_test(test_an_element_without_an_end),
        cmocka_unit_test(test_freed_in_the_middle),
        cmocka_unit_test(test_freed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
