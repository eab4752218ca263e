/* The OpenMV back end against what a real server answered (tests/client/openmv, recorded by
 * tests/conformance/openmv.py), and against a server that plays its traps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/openmv_impl.h"
#include "fleet.h"

#define PRODUCT "4611686018427387905" /* a double can't hold it */

/* --- recordings --- */

static char *recording(const char *name, int *status)
{
    char path[200];
    static const char tail[] = "\n }\n}\n";
    snprintf(path, sizeof path, "tests/client/openmv/%s.json", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: not there", path);
    char *text = xcalloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    const char *answer = strstr(text, "\"answer\": {");
    assert_true(answer && n > sizeof tail && strcmp(text + n - strlen(tail), tail) == 0);
    *status = (int)strtol(strstr(answer, "\"status\": ") + 10, NULL, 10);
    char *body = xstrdup(strstr(answer, "\n  \"body\": ") + 11);
    body[strlen(body) - strlen(tail)] = '\0';
    free(text);
    return body;
}

/* --- the server --- */

struct rule {
    const char *request; /* a final '*' matches any rest */
    int status;          /* 0: `body` names a recording; -1: the connection is reset */
    const char *body, *headers;
};

struct openmv {
    struct fleet f;
    const struct rule *rules;
    char bodies[8][200]; /* of PATCHes, in the order in which they came */
    char paths[8][120];
    int patches, strangers;
    struct release two; /* as the recordings have it */
};

static enum hostile_end serve(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct openmv *m = ctx;
    char line[8300];
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    m->strangers += !strstr(q->head, "Authorization: Bearer w&rd\r\n");
    if (strcmp(q->method, "PATCH") == 0 && m->patches < 8) {
        snprintf(m->bodies[m->patches], sizeof m->bodies[0], "%s", q->body);
        snprintf(m->paths[m->patches++], sizeof m->paths[0], "%s", q->path);
    }
    for (const struct rule *r = m->rules; r->request; r++) {
        size_t n = strlen(r->request);
        bool rest = r->request[n - 1] == '*';
        if (rest ? strncmp(r->request, line, n - 1) != 0 : strcmp(r->request, line) != 0)
            continue;
        if (r->status < 0)
            return HOSTILE_RESET;
        int status = r->status;
        char *body = status ? NULL : recording(r->body, &status);
        const char *text = body ? body : r->body;
        buf_printf(out, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                   strlen(text), r->headers ? r->headers : "", text);
        free(body);
        return HOSTILE_KEEP;
    }
    hostile_answer(out, 404, "application/json", "{\"detail\":\"Not Found\"}");
    return HOSTILE_KEEP;
}

#define LIST          "GET " OM_BASE "/devices?sort=device&dir=asc&limit=1000&offset=0"
#define DEVICE_ID(id) "GET " OM_BASE "/devices/" id
#define PIN(id)       "PATCH " OM_BASE "/devices/" id "/pin"
#define DEVICE(id, product, payload, pinned)                                                                           \
    "{\"device_id\":\"" id "\",\"product_id\":1,\"product_id_str\":\"" product                                         \
    "\",\"current_payload_version\":" payload ",\"confirmed\":1,\"pinned_release_id\":" pinned                         \
    ",\"last_offered_release_id\":null}"
#define RELEASES                                                                                                       \
    {                                                                                                                  \
        "GET " OM_BASE "/releases?limit=1000&offset=0", 0, "releases", NULL                                            \
    }
#define RELEASE                                                                                                        \
    {                                                                                                                  \
        "GET " OM_BASE "/releases/*", 0, "release", NULL                                                               \
    }

static struct openmv *start(const struct rule *rules)
{
    struct openmv *m = xcalloc(1, sizeof *m);
    struct err e = {0};
    int status;
    m->rules = rules;
    rig_init(&m->f.rig, serve, m);
    assert_int_equal(setenv("ANDON_TEST_OPENMV", "w&rd", 1), 0);
    struct fleet_spec spec = {.name = "test", .kind = "openmv", .endpoint = m->f.rig.endpoint};
    assert_null(backend_open(m->f.rig.http, &spec, &e)); /* nobody is let in without a token */
    assert_int_equal(e.code, ERR_AUTH);
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_OPENMV"};
    m->f.b = backend_open(m->f.rig.http, &spec, &e);
    if (!m->f.b)
        fail_msg("%s", e.what);
    arena_init(&m->f.arena);
    char *body = recording("release", &status);
    struct json_t *doc = json_parse(body, strlen(body), 1 << 20, "recording", &e);
    struct om_release r;
    assert_true(om_decode_release(doc, &m->f.arena, &r, "recording", &e));
    assert_string_equal(r.product, PRODUCT);
    m->two = r.release;
    json_free(doc);
    free(body);
    return m;
}

static void stop(struct openmv *m)
{
    assert_int_equal(m->strangers, 0);
    fleet_release(&m->f);
    free(m);
}

/* --- what it can do --- */

static void test_probe(void **state)
{
    static const struct rule all[] = {{"GET /openapi.json", 0, "openapi", NULL},
                                      {"GET " OM_BASE "/devices?limit=1", 0, "devices", NULL},
                                      {"PATCH " OM_BASE "/rollouts/ro_0", 0, "manage", NULL},
                                      {0}};
    static const struct rule viewer[] = {{"GET /openapi.json", 0, "openapi", NULL},
                                         {"GET " OM_BASE "/devices?limit=1", 0, "devices", NULL},
                                         {"PATCH " OM_BASE "/rollouts/ro_0", 0, "viewer", NULL},
                                         {0}};
    static const struct rule wrong[] = {{"GET /openapi.json", 0, "openapi", NULL}, {"*", 0, "token-wrong", NULL}, {0}};
    static const struct rule other[] = {{"GET /openapi.json", 200, "{\"info\":{\"title\":\"another\"}}", NULL}, {0}};
    struct backend_info info;
    (void)state;
    struct openmv *m = start(all);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_AUTO_ASSIGN); /* no CAP_DOWNGRADE */
    for (int i = 0; i < SAY_COUNT; i++)
        assert_true(info.says[i] && strlen(info.says[i]) < 120);
    stop(m);
    m = start(viewer);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_int_equal(info.caps, 0);
    stop(m);
    m = start(wrong);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_int_equal(m->f.err.code, ERR_AUTH);
    stop(m);
    m = start(other);
    FLEET_CALL(&m->f, probe, &m->f.arena, &info);
    assert_int_equal(m->f.err.code, ERR_PROTOCOL);
    stop(m);
}

/* --- releases --- */

static void test_releases_are_ordered_by_payload(void **state)
{
    static const struct rule rules[] = {RELEASES, RELEASE, {0}};
    struct release_list list;
    struct release r, hub;
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, releases, 100, &m->f.arena, &list);
    assert_null(m->f.reply.err);
    assert_int_equal(list.n, 4);
    FLEET_CALL(&m->f, release, NULL, "cam", "2.0", &m->f.arena, &r);
    assert_null(m->f.reply.err);
    assert_string_equal(r.id, m->two.id);
    assert_int_equal(r.order, 2);
    FLEET_CALL(&m->f, release, NULL, "hub", "2.0", &m->f.arena, &hub);
    assert_string_not_equal(hub.id, r.id);
    FLEET_CALL(&m->f, release, NULL, "cam", "9.0", &m->f.arena, &r);
    assert_int_equal(m->f.err.code, ERR_NOT_FOUND);
    FLEET_CALL(&m->f, release, "../devices", NULL, NULL, &m->f.arena, &r);
    assert_int_equal(m->f.err.code, ERR_NOT_FOUND);
    assert_int_equal(hostile_count(m->f.rig.server, "GET " OM_BASE "/releases/../devices"), 0);
    stop(m);
}

/* --- where devices stand --- */

static void test_standing_is_by_payload_and_not_by_counters(void **state)
{
    static const struct rule rules[] = {
        {LIST, 0, "devices", NULL},
        RELEASE,
        {"GET " OM_BASE "/audit?newest=true&limit=100&entity_id=SIM%3Acam-failed", 0, "audit-failed", NULL},
        {"GET " OM_BASE "/audit?newest=true&limit=100&entity_id=SIM%3Acam-fell-before", 0, "audit-fell-before", NULL},
        {0}};
    static const struct {
        const char *id;
        enum standing_at at;
    } want[] = {
        {"SIM:cam-new", AT_OTHER},     {"SIM:cam-told", AT_TOLD},
        {"SIM:cam-offered", AT_BUSY},  {"SIM:cam-done", AT_INSTALLED},
        {"SIM:cam-trial", AT_BUSY},                                         /* runs it, and has not confirmed it */
        {"SIM:cam-failed", AT_FAILED}, {"SIM:cam-fell-before", AT_UNKNOWN}, /* its reason is older than its pin */
        {"SIM:cam-back", AT_UNKNOWN},                                       /* offered, and taken back then */
        {"SIM:cam-ahead", AT_OTHER},   {"SIM:hub-1", AT_OTHER},             /* another product */
        {"cam-new", AT_ABSENT}};                                            /* the board is a part of the id */
    enum { N = sizeof want / sizeof *want };
    const char *ids[N];
    struct device_standing out[N];
    (void)state;
    for (size_t i = 0; i < N; i++)
        ids[i] = want[i].id;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, standing, &m->two, ids, N, &m->f.arena, out);
    assert_null(m->f.reply.err);
    for (size_t i = 0; i < N; i++)
        if (out[i].at != want[i].at)
            fail_msg("%s stands at %d, not at %d", want[i].id, out[i].at, want[i].at);
    assert_true(out[0].last_seen > 0);
    stop(m);
}

/* 404 is said of another account's device too, and a device that comes meanwhile moves the pages. */
static void test_absent_only_from_a_whole_list(void **state)
{
    static const struct rule rules[] = {
        {LIST, 200, "{\"devices\":[" DEVICE("SIM:a", PRODUCT, "1", "null") "],\"total\":2}", NULL},
        {"GET " OM_BASE "/devices?sort=device&dir=asc&limit=1000&offset=1", 200,
         "{\"devices\":[" DEVICE("SIM:a", PRODUCT, "1", "null") "],\"total\":2}", NULL},
        RELEASE,
        {0}};
    const char *const ids[] = {"SIM:a", "SIM:b"};
    struct device_standing out[2];
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, standing, &m->two, ids, 2, &m->f.arena, out);
    assert_null(m->f.reply.err);
    assert_int_equal(out[0].at, AT_OTHER);
    assert_int_equal(out[1].at, AT_UNKNOWN);
    stop(m);
}

static void test_devices_by_filter(void **state)
{
    static const struct rule rules[] = {
        {LIST, 0, "devices", NULL}, RELEASE, RELEASES, {DEVICE_ID("SIM%3Acam-done"), 0, "device", NULL}, {0}};
    struct device_list list;
    struct device_info info;
    struct attribute_table t;
    const char *const ids[] = {"SIM:cam-done", "SIM:none"}, *const keys[] = {"board", "Cohort"};
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, devices, NULL, 3, &m->f.arena, &list);
    assert_null(m->f.reply.err);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.total, 11);
    struct device_filter f = {.installed = &m->two};
    FLEET_CALL(&m->f, devices, &f, 100, &m->f.arena, &list);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.v[0].raw_id, "SIM:cam-done");
    f = (struct device_filter){.assigned = &m->two, .exclude = (const char *const[]){"SIM:cam-told"}, .n_exclude = 1};
    FLEET_CALL(&m->f, devices, &f, 100, &m->f.arena, &list);
    assert_int_equal(list.n, 5); /* offered, done, trial, failed, fell-before */
    f = (struct device_filter){.include = ids, .n_include = 2, .only_include = true};
    FLEET_CALL(&m->f, devices, &f, 100, &m->f.arena, &list);
    assert_int_equal(list.n, 1);
    FLEET_CALL(&m->f, device, "SIM:cam-done", &m->f.arena, &info);
    assert_null(m->f.reply.err);
    assert_string_equal(info.installed.version, "2.0");
    assert_string_equal(info.assigned.id, m->two.id);
    FLEET_CALL(&m->f, attributes, ids, 2, keys, 2, 10, false, &m->f.arena, &t);
    assert_null(m->f.reply.err);
    assert_string_equal(t.names[t.v[0]], "SIM");
    assert_string_equal(t.names[t.v[1]], "__default__");
    assert_int_equal(t.v[2], -1);
    stop(m);
}

/* --- telling --- */

#define KNOWN                                                                                                          \
    {DEVICE_ID("SIM%3Aa"), 200, DEVICE("SIM:a", PRODUCT, "1", "null"), NULL},                                          \
        {DEVICE_ID("SIM%3Atwo%20%C3%A4"), 200, DEVICE("SIM:two \\u00e4", PRODUCT, "2", "\"rel_mine\""), NULL},         \
        {DEVICE_ID("SIM%3Aahead"), 200, DEVICE("SIM:ahead", PRODUCT, "3", "null"), NULL},                              \
        {DEVICE_ID("SIM%3Ahub"), 200, DEVICE("SIM:hub", "4611686018427387904", "1", "null"), NULL}, RELEASE

/* 200 would be the answer to each of them (recordings pin-older, pin-nobody): the device is held, or pinned before it
 * comes. */
static void test_what_the_server_would_take_and_never_do_is_not_sent(void **state)
{
    static const struct rule rules[] = {KNOWN, {"PATCH *", 0, "pin-older", NULL}, {0}};
    const char *const ids[] = {"SIM:ahead", "SIM:hub", "SIM:nobody"};
    struct tell_result t[3];
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, tell, &m->two, ids, 3, "key", &m->f.arena, t);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(t[i].outcome, TELL_REFUSED);
    assert_string_equal(t[0].why, "this server takes no older release; choose one whose payload is above 3");
    assert_non_null(strstr(t[1].why, "another product"));
    assert_int_equal(m->patches, 0);
    assert_false(m->f.reply.maybe_sent);
    stop(m);
}

/* A pin of a release that is not there is a 200 as well (pin-no-release). */
static void test_a_release_that_is_gone_is_not_pinned(void **state)
{
    static const struct rule rules[] = {
        {DEVICE_ID("SIM%3Aa"), 200, DEVICE("SIM:a", PRODUCT, "1", "null"), NULL}, {"PATCH *", 0, "pin", NULL}, {0}};
    const char *const ids[] = {"SIM:a"};
    struct tell_result t[1];
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, tell, &m->two, ids, 1, "key", &m->f.arena, t);
    assert_int_equal(m->f.err.code, ERR_NOT_FOUND);
    assert_int_equal(t[0].outcome, TELL_NOT_SENT);
    assert_int_equal(m->patches, 0);
    stop(m);
}

static void test_a_pin_for_each_and_the_one_that_it_had(void **state)
{
    static const struct rule rules[] = {KNOWN, {"PATCH *", 0, "pin", NULL}, {0}};
    const char *const ids[] = {"SIM:a", "SIM:two \u00e4"};
    struct tell_result t[2];
    char want[200];
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, tell, &m->two, ids, 2, "key", &m->f.arena, t);
    assert_null(m->f.reply.err);
    assert_int_equal(m->patches, 2);
    assert_int_equal(m->f.reply.n_requests, 2);
    snprintf(want, sizeof want, "{\"release_id\":\"%s\"}", m->two.id);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t[i].outcome, TELL_DONE);
        assert_string_equal(m->bodies[i], want);
    }
    assert_string_equal(t[0].undo, "");
    assert_string_equal(t[1].undo, "pin:rel_mine");
    assert_int_equal(hostile_count(m->f.rig.server, PIN("SIM%3Atwo%20%C3%A4")), 1);
    const char *const many[OM_TELL_MOST + 1] = {ids[0], ids[0], ids[0], ids[0], ids[0], ids[0], ids[0], ids[0], ids[0]};
    struct tell_result none[OM_TELL_MOST + 1];
    FLEET_CALL(&m->f, tell, &m->two, many, OM_TELL_MOST + 1, "key", &m->f.arena, none);
    assert_int_equal(m->f.err.code, ERR_LIMIT);
    assert_int_equal(none[0].outcome, TELL_NOT_SENT);
    stop(m);
}

static void test_each_answer_is_one_devices(void **state)
{
    static const struct rule rules[] = {{DEVICE_ID("SIM%3Aa"), 200, DEVICE("SIM:a", PRODUCT, "1", "null"), NULL},
                                        {DEVICE_ID("SIM%3Ab"), 200, DEVICE("SIM:b", PRODUCT, "1", "null"), NULL},
                                        {DEVICE_ID("SIM%3Ac"), 200, DEVICE("SIM:c", PRODUCT, "1", "null"), NULL},
                                        {DEVICE_ID("SIM%3Ad"), 200, DEVICE("SIM:d", PRODUCT, "1", "null"), NULL},
                                        RELEASE,
                                        {PIN("SIM%3Aa"), 429, "{\"detail\":\"slow down\"}", "Retry-After: 42\r\n"},
                                        {PIN("SIM%3Ab"), 500, "no", NULL},
                                        {PIN("SIM%3Ac"), -1, NULL, NULL},
                                        {PIN("SIM%3Ad"), 0, "pin", NULL},
                                        {0}};
    static const enum tell_outcome want[] = {TELL_REFUSED, TELL_NOT_KNOWN, TELL_NOT_KNOWN, TELL_DONE};
    const char *const ids[] = {"SIM:a", "SIM:b", "SIM:c", "SIM:d"};
    struct tell_result t[4];
    (void)state;
    struct openmv *m = start(rules);
    FLEET_CALL(&m->f, tell, &m->two, ids, 4, "key", &m->f.arena, t);
    assert_non_null(m->f.reply.err);
    assert_true(m->f.reply.maybe_sent);
    for (int i = 0; i < 4; i++)
        if (t[i].outcome != want[i])
            fail_msg("%s: %d, not %d", ids[i], t[i].outcome, want[i]);
    assert_int_equal(m->patches, 4); /* none was sent twice */
    FLEET_CALL(&m->f, tell, &m->two, ids, 1, "key", &m->f.arena, t);
    assert_int_equal(m->f.err.code, ERR_THROTTLED);
    assert_non_null(strstr(m->f.err.next, "42s"));
    assert_false(m->f.reply.maybe_sent);
    stop(m);
}

/* --- taking back --- */

static void test_recall_gives_back_the_pin_that_was(void **state)
{
    struct openmv *m;
    char own[3][300];
    (void)state;
    m = start((const struct rule[]){{0}});
    for (int i = 0; i < 3; i++)
        snprintf(own[i], sizeof own[i],
                 "{\"device_id\":\"SIM:%c\",\"product_id_str\":\"" PRODUCT "\",\"pinned_release_id\":\"%s\"}", 'a' + i,
                 i < 2 ? m->two.id : "rel_other");
    const struct rule rules[] = {{DEVICE_ID("SIM%3Aa"), 200, own[0], NULL},
                                 {DEVICE_ID("SIM%3Ab"), 200, own[1], NULL},
                                 {DEVICE_ID("SIM%3Ac"), 200, own[2], NULL},
                                 {"PATCH *", 0, "unpin", NULL},
                                 {0}};
    const char *const ids[] = {"SIM:a", "SIM:b", "SIM:c", "SIM:nobody"};
    const char *const undo[] = {NULL, "pin:rel_mine", NULL, "pin:\",\"x"};
    struct tell_result t[4];
    m->rules = rules;
    FLEET_CALL(&m->f, recall, &m->two, ids, 4, "key", undo, false, &m->f.arena, t);
    assert_null(m->f.reply.err);
    assert_int_equal(m->patches, 2); /* another pin than ours stays */
    for (int i = 0; i < 2; i++) {
        bool a = strstr(m->paths[i], "SIM%3Aa") != NULL;
        assert_string_equal(m->bodies[i], a ? "{\"release_id\":null}" : "{\"release_id\":\"rel_mine\"}");
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(t[i].outcome, TELL_DONE);
    assert_int_equal(t[3].outcome, TELL_REFUSED);
    FLEET_CALL(&m->f, recall, &m->two, ids, 1, "key", (const char *const[]){"pin:\",\"x"}, false, &m->f.arena, t);
    assert_string_equal(m->bodies[2], "{\"release_id\":null}"); /* what is no id is none */
    FLEET_CALL(&m->f, recall, &m->two, ids, 1, "key", NULL, true, &m->f.arena, t);
    assert_int_equal(m->f.err.code, ERR_UNSUPPORTED);
    assert_int_equal(m->patches, 3);
    stop(m);
}

/* --- rollouts of its own --- */

static void test_a_pause_is_not_written_over(void **state)
{
    static const struct rule active[] = {{"GET " OM_BASE "/rollouts?limit=1000&offset=0", 0, "rollouts", NULL},
                                         {"GET " OM_BASE "/rollouts/*", 0, "status", NULL},
                                         {"PATCH *", 0, "off", NULL},
                                         {0}};
    static const struct rule paused[] = {{"GET " OM_BASE "/rollouts/*", 0, "status-paused", NULL}, {0}};
    struct auto_assign_list list;
    (void)state;
    struct openmv *m = start(active);
    FLEET_CALL(&m->f, auto_assigns, m->two.id, &m->f.arena, &list);
    assert_null(m->f.reply.err);
    assert_int_equal(list.n, 1); /* the other is of another release */
    assert_string_equal(list.v[0].name, "by night");
    assert_string_equal(list.v[0].filter, "the cohort night");
    FLEET_CALL(&m->f, auto_assign_off, list.v[0].id);
    assert_null(m->f.reply.err);
    assert_int_equal(m->patches, 1);
    assert_string_equal(m->bodies[0], "{\"state\":\"paused\"}");
    char off[300];
    snprintf(off, sizeof off,
             "{\"rollouts\":[{\"rollout_id\":\"ro_1\",\"release_id\":\"%s\",\"state\":\"paused\"}],\"total\":1}",
             m->two.id);
    const struct rule quiet[] = {{"GET " OM_BASE "/rollouts?limit=1000&offset=0", 200, off, NULL}, {0}};
    const char *id = list.v[0].id;
    m->rules = quiet;
    FLEET_CALL(&m->f, auto_assigns, m->two.id, &m->f.arena, &list);
    assert_null(m->f.reply.err);
    assert_int_equal(list.n, 0);
    m->rules = paused;
    FLEET_CALL(&m->f, auto_assign_off, id);
    assert_null(m->f.reply.err);
    assert_int_equal(m->patches, 1);
    FLEET_CALL(&m->f, auto_assign_off, "../x");
    assert_int_equal(m->f.err.code, ERR_RANGE);
    stop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_probe),
                                       cmocka_unit_test(test_releases_are_ordered_by_payload),
                                       cmocka_unit_test(test_standing_is_by_payload_and_not_by_counters),
                                       cmocka_unit_test(test_absent_only_from_a_whole_list),
                                       cmocka_unit_test(test_devices_by_filter),
                                       cmocka_unit_test(test_what_the_server_would_take_and_never_do_is_not_sent),
                                       cmocka_unit_test(test_a_release_that_is_gone_is_not_pinned),
                                       cmocka_unit_test(test_a_pin_for_each_and_the_one_that_it_had),
                                       cmocka_unit_test(test_each_answer_is_one_devices),
                                       cmocka_unit_test(test_recall_gives_back_the_pin_that_was),
                                       cmocka_unit_test(test_a_pause_is_not_written_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
