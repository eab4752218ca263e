/* Devices by name on hawkBit: where they stand, telling them, taking it back. Answers after what 0.3.0M7 said. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fleet.h"

#define LIST               "GET /rest/v1/targets?sort=id:ASC&limit=500&q="
#define ASSIGN             "POST /rest/v1/distributionsets/7/assignedTargets"
#define DEVICE(id, status) "{\"controllerId\":\"" id "\",\"name\":\"x\",\"updateStatus\":\"" status "\"}"
#define PAGE(n, content)   "{\"content\":[" content "],\"total\":" n ",\"size\":" n "}"
#define ACTION(device, id)                                                                                             \
    "{\"id\":" id ",\"_links\":{\"self\":{\"href\":\"http://h/rest/v1/targets/" device "/actions/" id "\"}}}"
#define ITS(id, release)                                                                                               \
    "{\"id\":" id ",\"type\":\"update\",\"status\":\"pending\",\"_links\":{\"distributionset\":{\"href\":"             \
    "\"http://h/rest/v1/distributionsets/" release "\"}}}"
#define REFUSED(code) "{\"errorCode\":\"hawkbit.server.error." code "\",\"message\":\"no\"}"

static const struct release release = {.id = "7", .name = "hearth", .version = "2.0"};

static void where_devices_stand(void **state)
{
    static const struct route routes[] = {
        {LIST "installedds*", 200, PAGE("2", DEVICE("has", "in_sync") "," DEVICE("both", "in_sync"))},
        {LIST "assignedds*", 200,
         PAGE("3", DEVICE("both", "in_sync") "," DEVICE("told", "pending") "," DEVICE("TOLD", "pending"))},
        {LIST "controllerid*", 200,
         PAGE("4", DEVICE("other", "in_sync") "," DEVICE("ours", "error") "," DEVICE("theirs", "error") "," DEVICE(
                       "fresh", "error"))},
        {"GET /rest/v1/targets/ours/actions?limit=1&sort=id:DESC", 200, PAGE("1", "{\"id\":31}")},
        {"GET /rest/v1/targets/theirs/actions?limit=1&sort=id:DESC", 200, PAGE("1", "{\"id\":32}")},
        {"GET /rest/v1/targets/fresh/actions?limit=1&sort=id:DESC", 200, PAGE("0", "")},
        {"GET /rest/v1/targets/ours/actions/31", 200, ITS("31", "7")},
        {"GET /rest/v1/targets/theirs/actions/32", 200, ITS("32", "71")},
        {0},
    };
    static const char *const ids[] = {"told", "ours",   "has",        "other", "nobody",
                                      "both", "theirs", "line\nfeed", "told",  "fresh"};
    static const enum standing_at want[] = {AT_TOLD,      AT_FAILED, AT_INSTALLED, AT_OTHER, AT_ABSENT,
                                            AT_INSTALLED, AT_OTHER,  AT_UNKNOWN,   AT_TOLD,  AT_OTHER};
    struct device_standing out[10];
    struct fleet f;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, standing, &release, ids, 10, &f.arena, out);
    assert_null(f.reply.err);
    assert_int_equal(f.reply.n_requests, 0);
    for (size_t i = 0; i < 10; i++)
        if (out[i].at != want[i])
            fail_msg("%s stands at %d", ids[i], out[i].at);
    fleet_release(&f);
}

/* A server that gives less than it says: nobody is taken for absent by that. */
static void half_a_list(void **state)
{
    static const struct route routes[] = {
        {LIST "installedds*", 200, PAGE("0", "")},
        {LIST "assignedds*", 200, PAGE("0", "")},
        {LIST "controllerid*", 200, "{\"content\":[" DEVICE("a", "in_sync") "],\"total\":2,\"size\":1}"},
        {0},
    };
    static const char *const ids[] = {"a", "b"};
    struct device_standing out[2];
    struct fleet f;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, standing, &release, ids, 2, &f.arena, out);
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    assert_int_equal(out[1].at, AT_UNKNOWN);
    assert_int_equal(out[1].last_seen, 0);
    fleet_release(&f);
}

/* As many lists as paths take, and no device that was in no answer is said to be anything. */
static void many_devices(void **state)
{
    enum { N = 1000 };
    static const struct route routes[] = {
        {LIST "installedds*", 200, PAGE("0", "")},
        {LIST "assignedds*", 200, PAGE("0", "")},
        {LIST "controllerid*", 500, "{}"},
        {0},
    };
    static char names[N][24];
    const char *ids[N];
    static struct device_standing out[N];
    struct fleet f;
    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "device-%04d", i);
        ids[i] = names[i];
    }
    fleet_init(&f, routes);
    FLEET_CALL(&f, standing, &release, ids, N, &f.arena, out);
    assert_non_null(f.reply.err);
    for (int i = 0; i < N; i++)
        assert_int_equal(out[i].at, AT_UNKNOWN);
    assert_in_range(hostile_requests(f.rig.server), 21, 60);
    fleet_release(&f);
}

static void telling(void **state)
{
    static const char *const ids[] = {"a", "b*c", "line\nfeed", "d"};
    static const struct {
        int status;
        const char *body;
        enum tell_outcome want[4];
        bool maybe_sent;
    } cases[] = {
        {200,
         "{\"assigned\":2,\"alreadyAssigned\":1,\"total\":3,\"assignedActions\":[" ACTION("b%2Ac", "9") "," ACTION(
             "a", "8") "]}",
         {TELL_DONE, TELL_DONE, TELL_NOT_SENT, TELL_DONE},
         false},
        {200,
         "{\"assigned\":1,\"alreadyAssigned\":0,\"total\":1,\"assignedActions\":[" ACTION("b*c", "9") "]}",
         {TELL_NOT_KNOWN, TELL_DONE, TELL_NOT_SENT, TELL_NOT_KNOWN},
         false},
        {400, REFUSED("distributionset.invalid"), {TELL_REFUSED, TELL_REFUSED, TELL_NOT_SENT, TELL_REFUSED}, false},
        {500, "", {TELL_NOT_KNOWN, TELL_NOT_KNOWN, TELL_NOT_SENT, TELL_NOT_KNOWN}, true},
        {200, "{", {TELL_NOT_KNOWN, TELL_NOT_KNOWN, TELL_NOT_SENT, TELL_NOT_KNOWN}, false},
    };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct route routes[] = {{ASSIGN, cases[c].status, cases[c].body}, {0}};
        struct tell_result out[4];
        struct fleet f;
        fleet_init(&f, routes);
        FLEET_CALL(&f, tell, &release, ids, 4, "intent-7", &f.arena, out);
        assert_int_equal(hostile_requests(f.rig.server), 1);
        assert_string_equal(f.last_body, "[{\"id\":\"a\",\"type\":\"forced\"},{\"id\":\"b*c\",\"type\":\"forced\"},"
                                         "{\"id\":\"d\",\"type\":\"forced\"}]");
        assert_int_equal(f.reply.maybe_sent, cases[c].maybe_sent);
        assert_int_equal(f.reply.n_requests, 1);
        for (size_t i = 0; i < 4; i++) {
            if (out[i].outcome != cases[c].want[i])
                fail_msg("case %zu: %s has %d", c, ids[i], out[i].outcome);
            assert_non_null(out[i].why);
            assert_non_null(out[i].undo);
        }
        if (c == 0) {
            assert_string_equal(out[0].undo, "8");
            assert_string_equal(out[1].undo, "9");
            assert_string_equal(out[3].undo, "");
        }
        fleet_release(&f);
    }
}

/* Nothing that could not be sent is said to have been, and no path is made of what is no id. */
static void telling_nobody(void **state)
{
    static const char *const ids[] = {"line\nfeed"}, *const fine[] = {"a"};
    struct release odd = {.id = "7/assignedTargets", .name = "hearth", .version = "2.0"};
    struct route routes[] = {{0}};
    struct tell_result out[1];
    struct fleet f;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, tell, &release, ids, 1, "k", &f.arena, out);
    assert_int_equal(out[0].outcome, TELL_NOT_SENT);
    FLEET_CALL(&f, tell, &odd, fine, 1, "k", &f.arena, out);
    assert_non_null(f.reply.err);
    assert_int_equal(out[0].outcome, TELL_NOT_SENT);
    assert_int_equal(hostile_requests(f.rig.server), 0);
    fleet_release(&f);
}

static void taking_back(void **state)
{
    static const struct route routes[] = {
        {"DELETE /rest/v1/targets/known/actions/5", 204, NULL},
        {"GET /rest/v1/targets/sought/actions?limit=10&sort=id:DESC", 200,
         PAGE("3", "{\"id\":11,\"type\":\"update\",\"status\":\"pending\"},"
                   "{\"id\":10,\"type\":\"update\",\"status\":\"pending\"},"
                   "{\"id\":9,\"type\":\"update\",\"status\":\"finished\"}")},
        {"GET /rest/v1/targets/sought/actions/11", 200, ITS("11", "8")},
        {"GET /rest/v1/targets/sought/actions/10", 200, ITS("10", "7")},
        {"DELETE /rest/v1/targets/sought/actions/10", 405, REFUSED("action.notcancelable")},
        {"GET /rest/v1/targets/idle/actions?limit=10&sort=id:DESC", 200, PAGE("0", "")},
        {"DELETE /rest/v1/targets/gone/actions/6", 404, REFUSED("repo.entitiyNotFound")},
        {0},
    };
    static const char *const ids[] = {"known", "sought", "idle", "gone"}, *const undo[] = {"5", NULL, "", "6"};
    static const enum tell_outcome want[] = {TELL_DONE, TELL_DONE, TELL_REFUSED, TELL_REFUSED};
    struct tell_result out[4];
    struct fleet f;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, recall, &release, ids, 4, "intent-7", undo, false, &f.arena, out);
    assert_null(f.reply.err);
    for (size_t i = 0; i < 4; i++)
        if (out[i].outcome != want[i])
            fail_msg("%s has %d: %s", ids[i], out[i].outcome, out[i].why);
    assert_int_equal(f.reply.n_requests, 3);
    assert_int_equal(hostile_count(f.rig.server, "DELETE /rest/v1/targets/sought/actions/11"), 0);
    assert_int_equal(hostile_count(f.rig.server, "DELETE /rest/v1/targets/known/actions/5"), 1);
    fleet_release(&f);
}

/* By force: only what is being recalled can be cut off. */
static void cutting_off(void **state)
{
    static const struct route routes[] = {
        {"DELETE /rest/v1/targets/a/actions/5", 204, NULL},
        {"DELETE /rest/v1/targets/a/actions/5?force=true", 204, NULL},
        {"DELETE /rest/v1/targets/b/actions/6", 405, REFUSED("action.notcancelable")},
        {"DELETE /rest/v1/targets/b/actions/6?force=true", 405, REFUSED("action.notforcequitable")},
        {0},
    };
    static const char *const ids[] = {"a", "b"}, *const undo[] = {"5", "6"};
    struct tell_result out[2];
    struct fleet f;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, recall, &release, ids, 2, "intent-7", undo, true, &f.arena, out);
    assert_null(f.reply.err);
    assert_int_equal(out[0].outcome, TELL_DONE);
    assert_int_equal(out[1].outcome, TELL_REFUSED);
    assert_int_equal(f.reply.n_requests, 4);
    fleet_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_devices_stand), cmocka_unit_test(half_a_list),
        cmocka_unit_test(many_devices),        cmocka_unit_test(telling),
        cmocka_unit_test(telling_nobody),      cmocka_unit_test(taking_back),
        cmocka_unit_test(cutting_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
