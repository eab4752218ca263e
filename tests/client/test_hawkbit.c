/* The hawkBit back end's operations against scripted servers that answer as 0.3 and as 1.x. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/digest.h"
#include "core/json.h"
#include "fleet.h"

#define NOT_THERE "{\"errorCode\":\"hawkbit.server.error.repo.entityNotFound\",\"message\":\"gone\"}"
#define COUNTS(r, f, e)                                                                                                \
    "\"totalTargetsPerStatus\":{\"running\":" #r ",\"notstarted\":0,\"scheduled\":0,\"cancelled\":0,\"finished\":" #f  \
    ",\"error\":" #e "}"
#define ROLLOUTS "GET /rest/v1/rollouts?representation=full&sort=id:DESC&offset=0&limit="

/* --- probe --- */

static void test_probe_new(void **state)
{
    static const struct route routes[] = {
        {"GET /rest/v1/rollouts?limit=1&sort=id:DESC", 200,
         "{\"content\":[{\"id\":7,\"name\":\"n\",\"status\":\"running\"}],\"total\":1,\"size\":1}"},
        {"GET /rest/v1/rollouts/7/deploygroups?representation=full&limit=1", 200,
         "{\"content\":[{\"id\":1," COUNTS(1, 2, 3) "}],\"total\":1,\"size\":1}"},
        {"GET /rest/v1/userinfo", 200, "{\"tenant\":\"DEFAULT\",\"username\":\"m.ito\"}"},
        {"GET /rest/v1/actions?limit=1", 200, "{\"content\":[],\"total\":0,\"size\":0}"},
        {"POST /rest/v1/rollouts/0/retry", 403, "{\"errorCode\":\"hawkbit.server.error.insufficientPermission\"}"},
        {"POST /rest/v1/rollouts/0/*", 404, NOT_THERE},
        {"POST /rest/v1/distributionsets/0/invalidate", 404, NOT_THERE},
        {"DELETE /rest/v1/targets/*", 404, NOT_THERE},
        {"GET /rest/v1/distributionsets/0/metadata", 404, NOT_THERE},
        {"PUT /rest/v1/distributionsets/0/metadata/andon", 403,
         "{\"errorCode\":\"hawkbit.server.error.insufficientPermission\"}"}, /* of notes, a no */
        {0},
    };
    struct fleet f;
    struct backend_info info;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, probe, &f.arena, &info);
    assert_null(f.reply.err);
    assert_string_equal(info.version, "1.x");
    assert_string_equal(info.user, "m.ito");
    assert_int_equal(info.caps, CAP_ROLLOUTS | CAP_DOWNGRADE | CAP_RECALL | CAP_FORCE | CAP_WAVES | CAP_PAUSE |
                                    CAP_TRIGGER_NEXT | CAP_STOP | CAP_RETRY | CAP_APPROVE | CAP_ACTION_LIST |
                                    CAP_WAVE_COUNTS | CAP_INVALIDATE | CAP_CANCEL | CAP_NOTES);
    fleet_release(&f);
}

static void test_probe_old(void **state)
{
    static const struct route routes[] = {
        {"GET /rest/v1/rollouts?limit=1&sort=id:DESC", 200,
         "{\"content\":[{\"id\":7,\"name\":\"n\",\"status\":\"running\"}],\"total\":1,\"size\":1}"},
        {"GET /rest/v1/rollouts/7/deploygroups?representation=full&limit=1", 200,
         "{\"content\":[{\"id\":1,\"name\":\"g\",\"status\":\"running\"}],\"total\":1,\"size\":1}"},
        {"POST /rest/v1/rollouts/0/pause", 404, NOT_THERE},
        {"POST /rest/v1/rollouts/0/approve", 404, NOT_THERE},
        {"DELETE /rest/v1/targets/*", 404, NOT_THERE},
        {"GET /rest/v1/distributionsets/0/metadata", 404, NOT_THERE},
        {"PUT /rest/v1/distributionsets/0/metadata/andon", 404, NOT_THERE},
        {0},
    };
    struct fleet f;
    struct backend_info info;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, probe, &f.arena, &info);
    assert_null(f.reply.err);
    assert_string_equal(info.version, "0.3");
    assert_string_equal(info.user, "");
    assert_int_equal(info.caps, CAP_ROLLOUTS | CAP_DOWNGRADE | CAP_RECALL | CAP_FORCE | CAP_WAVES | CAP_PAUSE |
                                    CAP_APPROVE | CAP_CANCEL | CAP_NOTES | CAP_NOTES_PUT);
    fleet_release(&f);
}

static void test_probe_wrong_server(void **state)
{
    static const struct route unauthorized[] = {{"GET *", 401, "{\"status\":401}"}, {"POST *", 401, NULL}, {0}};
    static const struct route html[] = {{"GET *", 200, "<html>\x1b[31mlogin</html>"}, {0}};
    static const struct route other[] = {{"GET *", 200, "{\"hello\":1}"}, {0}};
    static const struct route none[] = {{0}};
    static const struct {
        const struct route *routes;
        enum err_code code;
        const char *words;
    } cases[] = {
        {unauthorized, ERR_AUTH, "refuses the credentials"},
        {html, ERR_PROTOCOL, ""},
        {other, ERR_PROTOCOL, "not as hawkBit"},
        {none, ERR_UNSUPPORTED, "does not know this call"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet f;
        struct backend_info info;
        fleet_init(&f, cases[i].routes);
        FLEET_CALL(&f, probe, &f.arena, &info);
        assert_int_equal(f.err.code, cases[i].code);
        assert_non_null(strstr(f.err.what, cases[i].words));
        assert_true(f.err.next[0] != '\0');
        assert_null(strchr(f.err.cause, 0x1b));
        assert_int_equal(info.caps & CAP_STOP, 0);
        fleet_release(&f);
    }
}

/* --- paging --- */

struct paged {
    int total, page_max;
    bool shrink; /* the second page has one less */
    _Atomic int pages;
};

static enum hostile_end give_page(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct paged *p = ctx;
    int offset = (int)strtol(strstr(q->path, "offset=") + 7, NULL, 10),
        limit = (int)strtol(strstr(q->path, "limit=") + 6, NULL, 10);
    struct buf b;
    buf_init(&b, 16 << 20);
    if (limit > p->page_max)
        limit = p->page_max;
    int n = 0;
    p->pages++;
    buf_adds(&b, "{\"content\":[");
    for (int i = offset; i < p->total && n < limit; i++, n++) {
        if (p->shrink && offset > 0 && n == 1)
            break;
        buf_printf(&b, "%s{\"controllerId\":\"d-%05d\",\"name\":\"d\",\"updateStatus\":\"pending\"}", n ? "," : "", i);
    }
    buf_printf(&b, "],\"total\":%d,\"size\":%d}", p->total, n);
    hostile_answer(out, 200, "application/json", b.data);
    buf_release(&b);
    return HOSTILE_KEEP;
}

static void test_pages(void **state)
{
    static const struct {
        int total, page_max, limit, expect, pages;
    } cases[] = {
        {0, 500, 1000, 0, 1},     {1, 500, 1000, 1, 1},        {500, 500, 1000, 500, 1},
        {501, 500, 1000, 501, 2}, {1934, 500, 5000, 1934, 4},  {1934, 500, 700, 700, 2},
        {1934, 500, 10, 10, 1},   {1000, 100, 1000, 1000, 10}, /* a server with smaller pages */
    };
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct paged p = {.total = cases[c].total, .page_max = cases[c].page_max};
        struct fleet f = {0};
        struct device_list list;
        fleet_init_fn(&f, give_page, &p);
        FLEET_CALL(&f, wave_devices, "7", "12", (size_t)cases[c].limit, &f.arena, &list);
        assert_null(f.reply.err);
        assert_int_equal(list.n, cases[c].expect);
        assert_int_equal(list.total, cases[c].total);
        assert_int_equal(p.pages, cases[c].pages);
        for (size_t i = 0; i < list.n; i++) {
            char id[32];
            snprintf(id, sizeof id, "d-%05zu", i);
            assert_string_equal(list.v[i].id, id);
        }
        fleet_release(&f);
    }
}

/* A list that shrinks while it is read leaves no empty entries behind. */
static void test_pages_shrink(void **state)
{
    struct paged p = {.total = 1200, .page_max = 500, .shrink = true};
    struct fleet f = {0};
    struct device_list list;
    (void)state;
    fleet_init_fn(&f, give_page, &p);
    FLEET_CALL(&f, wave_devices, "7", "12", 5000, &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, 502);
    assert_string_equal(list.v[500].id, "d-00500");
    assert_string_equal(list.v[501].id, "d-01000");
    assert_int_equal(list.total, 1200);
    fleet_release(&f);
}

static void test_pages_hostile(void **state)
{
    static const struct {
        const char *body;
        enum err_code code;
    } cases[] = {
        {"{\"content\":[],\"total\":-1}", ERR_PROTOCOL},
        {"{\"content\":{},\"total\":1}", ERR_PROTOCOL},
        {"{\"content\":[],\"total\":\"1\"}", ERR_PROTOCOL},
        {"{\"content\":[1],\"total\":1}", ERR_PROTOCOL},
        {"{\"content\":[{\"controllerId\":7}],\"total\":1}", ERR_PROTOCOL},
        {"{\"content\":[{\"controllerId\":\"a\"}],\"total\":9000000000000000000}",
         ERR_LIMIT}, /* no flood of requests */
        {"{\"content\":[{\"controllerId\":\"a\"", ERR_PROTOCOL},
        {"{\"content\":[{\"controllerId\":\"a\xff\"}],\"total\":1}", ERR_PROTOCOL}, /* bad UTF-8 */
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         ERR_PROTOCOL},
        {"", ERR_PROTOCOL},
        {"null", ERR_PROTOCOL},
        {"{\"content\":[],\"content\":[],\"total\":0}", ERR_PROTOCOL}, /* duplicate keys */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct route routes[] = {{"GET *", 200, cases[i].body}, {0}};
        struct fleet f;
        struct device_list list;
        fleet_init(&f, routes);
        FLEET_CALL(&f, wave_devices, "7", "12", 1000000, &f.arena, &list);
        if (f.err.code != cases[i].code)
            fail_msg("%s: %s %s", cases[i].body, err_word(f.err.code), f.err.what);
        assert_int_equal(list.n, 0);
        fleet_release(&f);
    }
    const struct route many[] = {{"GET *", 200, "{\"content\":[],\"total\":100000}"}, {0}};
    struct fleet f;
    struct device_list list;
    fleet_init(&f, many);
    FLEET_CALL(&f, wave_devices, "7", "12", 1000000, &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, 0);
    assert_int_equal(list.total, 100000); /* and the caller sees that they are missing */
    assert_int_equal(hostile_requests(f.rig.server), 1);
    fleet_release(&f);
}

/* One page fails: the call fails, once, and the rest is given up. */
static enum hostile_end second_page_fails(void *ctx, const struct hostile_request *q, struct buf *out)
{
    if (strstr(q->path, "offset=500")) {
        hostile_answer(out, 500, "application/json", "{}");
        return HOSTILE_KEEP;
    }
    if (!strstr(q->path, "offset=0"))
        return HOSTILE_STALL;
    return give_page(ctx, q, out);
}

static void test_page_fails(void **state)
{
    struct paged p = {.total = 5000, .page_max = 500};
    struct fleet f = {0};
    struct device_list list;
    (void)state;
    fleet_init_fn(&f, second_page_fails, &p);
    FLEET_CALL(&f, wave_devices, "7", "12", 5000, &f.arena, &list);
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    assert_int_equal(list.n, 0);
    assert_true(rig_run_time(&f.rig) < 10 * US_PER_S); /* it did not wait for the hung ones */
    fleet_release(&f);
}

/* --- rollouts and waves --- */

static void test_rollouts_new(void **state)
{
    static const struct route routes[] = {
        {ROLLOUTS "100", 200,
         "{\"content\":[{\"id\":9,\"name\":\"b\",\"status\":\"running\",\"distributionSetId\":3," COUNTS(
             1, 2, 3) "},"
                      "{\"id\":9,\"name\":\"b\",\"status\":\"running\"," COUNTS(
                          1, 2, 3) "},"
                                   "{\"id\":7,\"name\":\"a\",\"status\":\"finished\"," COUNTS(
                                       0, 2, 0) "}],\"total\":3,\"size\":3}"},
        {0},
    };
    struct fleet f;
    struct rollout_list list;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, rollouts, 100, &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, 2); /* one that came twice counts once */
    assert_string_equal(list.v[0].id, "9");
    assert_int_equal(list.v[0].counts.error, 3);
    assert_string_equal(list.v[1].id, "7");
    assert_false(list.clipped);
    assert_int_equal(hostile_requests(f.rig.server), 1);
    fleet_release(&f);
}

/* 0.3 has no counts in its list: they are fetched, for ended rollouts once. */
static void test_rollouts_old(void **state)
{
    static const struct route routes[] = {
        {ROLLOUTS "2", 200,
         "{\"content\":[{\"id\":9,\"name\":\"b\",\"status\":\"running\",\"lastModifiedAt\":5},"
         "{\"id\":7,\"name\":\"a\",\"status\":\"finished\",\"lastModifiedAt\":5}],\"total\":3,\"size\":2}"},
        {"GET /rest/v1/rollouts/9", 200, "{\"id\":9,\"name\":\"b\",\"status\":\"running\"," COUNTS(4, 2, 3) "}"},
        {"GET /rest/v1/rollouts/7", 200,
         "{\"id\":7,\"name\":\"a\",\"status\":\"finished\",\"lastModifiedAt\":5," COUNTS(0, 2, 8) "}"},
        {0},
    };
    struct fleet f;
    struct rollout_list list;
    (void)state;
    fleet_init(&f, routes);
    for (int i = 0; i < 2; i++) {
        FLEET_CALL(&f, rollouts, 2, &f.arena, &list);
        assert_null(f.reply.err);
        assert_int_equal(list.n, 2);
        assert_true(list.clipped);
        assert_int_equal(list.v[0].counts.running, 4);
        assert_int_equal(list.v[1].counts.error, 8); /* finished is not success */
        assert_int_equal(hostile_count(f.rig.server, "GET /rest/v1/rollouts/9"), i + 1);
        assert_int_equal(hostile_count(f.rig.server, "GET /rest/v1/rollouts/7"), 1);
    }
    fleet_release(&f);
}

#define GROUPS "GET /rest/v1/rollouts/7/deploygroups?representation=full&sort=id:ASC&offset=0&limit=500"

static void test_waves(void **state)
{
    static const struct route fresh[] = {
        {GROUPS, 200,
         "{\"content\":[{\"id\":1,\"name\":\"canary\",\"status\":\"finished\"," COUNTS(
             0, 5, 1) "},"
                      "{\"id\":2,\"name\":\"rest\",\"status\":\"running\"," COUNTS(9, 5,
                                                                                   1) "}],\"total\":2,\"size\":2}"},
        {0},
    };
    static const struct route old[] = {
        {GROUPS, 200,
         "{\"content\":[{\"id\":1,\"name\":\"canary\",\"status\":\"running\"},"
         "{\"id\":2,\"name\":\"rest\",\"status\":\"scheduled\"}],\"total\":2,\"size\":2}"},
        {"GET /rest/v1/rollouts/7/deploygroups/1", 200,
         "{\"id\":1,\"name\":\"canary\",\"status\":\"finished\"," COUNTS(0, 5, 1) "}"},
        {"GET /rest/v1/rollouts/7/deploygroups/2", 200,
         "{\"id\":2,\"name\":\"rest\",\"status\":\"running\"," COUNTS(9, 5, 1) "}"},
        {0},
    };
    const struct route *both[] = {fresh, old};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fleet f;
        struct wave_list list;
        fleet_init(&f, both[i]);
        FLEET_CALL(&f, waves, "7", &f.arena, &list);
        assert_null(f.reply.err);
        assert_int_equal(list.n, 2);
        assert_string_equal(list.v[0].name, "canary");
        assert_int_equal(list.v[0].index, 0);
        assert_int_equal(list.v[1].index, 1);
        assert_int_equal(list.v[1].state, WAVE_RUNNING);
        assert_true(list.v[1].counts.known);
        assert_int_equal(list.v[1].counts.running, 9);
        assert_int_equal(hostile_requests(f.rig.server), i == 0 ? 1 : 3);
        fleet_release(&f);
    }
}

#define ALIVE(s) "GET /rest/v1/actions?limit=1&q=rollout.id%3D%3D7%3Bstatus%3D%3D" s
#define TOTAL(n) "{\"content\":[],\"total\":" #n ",\"size\":0}"

static void test_inflight(void **state)
{
    static const struct route fresh[] = {
        {ALIVE("canceling"), 200, TOTAL(40)},
        {ALIVE("scheduled"), 200, TOTAL(7)},
        {ALIVE("running"), 200, TOTAL(2)},
        {ALIVE("retrieved"), 200, TOTAL(3)},
        {ALIVE("download"), 200, TOTAL(10)},
        {ALIVE("downloaded"), 200, TOTAL(0)},
        {ALIVE("warning"), 200, TOTAL(0)},
        {ALIVE("wait_for_confirmation"), 400, "{\"errorCode\":\"hawkbit.server.error.rest.param.rsqlParamSyntax\"}"},
        {0},
    };
    static const struct route old[] = {{0}};
    static const struct route broken[] = {{"GET *", 200, "{\"total\":\"x\"}"}, {0}};
    struct fleet f;
    struct inflight n;
    (void)state;
    fleet_init(&f, fresh);
    FLEET_CALL(&f, inflight, "7", &f.arena, &n);
    assert_null(f.reply.err);
    assert_true(n.known);
    assert_int_equal(n.canceling, 40);
    assert_int_equal(n.scheduled, 7);
    assert_int_equal(n.running, 15);
    fleet_release(&f);
    fleet_init(&f, old);
    FLEET_CALL(&f, inflight, "7", &f.arena, &n);
    assert_null(f.reply.err);
    assert_false(n.known); /* not zero: unknown */
    fleet_release(&f);
    fleet_init(&f, broken);
    FLEET_CALL(&f, inflight, "7", &f.arena, &n);
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    fleet_release(&f);
}

/* --- releases and devices --- */

static void test_release(void **state)
{
    static const struct route routes[] = {
        {"GET /rest/v1/distributionsets/3", 200, "{\"id\":3,\"name\":\"hearth\",\"version\":\"4.12.1\"}"},
        {"GET /rest/v1/distributionsets?sort=id:DESC&q=name%3D%3D%22hearth%22%3Bversion%3D%3D%224.12.1%22&offset=0&"
         "limit=500",
         200,
         "{\"content\":[{\"id\":4,\"name\":\"Hearth\",\"version\":\"4.12.1\"},"
         "{\"id\":3,\"name\":\"hearth\",\"version\":\"4.12.1\"}],\"total\":2,\"size\":2}"},
        {"GET /rest/v1/distributionsets?*", 200, "{\"content\":[],\"total\":0,\"size\":0}"},
        {0},
    };
    struct fleet f;
    struct release r;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, release, "3", NULL, NULL, &f.arena, &r);
    assert_null(f.reply.err);
    assert_string_equal(r.name, "hearth");
    FLEET_CALL(&f, release, NULL, "hearth", "4.12.1", &f.arena, &r);
    assert_null(f.reply.err);
    assert_string_equal(r.id, "3"); /* not the one that differs in case */
    FLEET_CALL(&f, release, NULL, "hearth", "9", &f.arena, &r);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    FLEET_CALL(&f, release, "3/../1", NULL, NULL, &f.arena, &r);
    assert_int_equal(f.err.code, ERR_RANGE);
    fleet_release(&f);
}

/* Before a roll back its target is looked up: "not there" and "could not ask" are two things, whatever the name. */
static void test_release_look_up(void **state)
{
#define Q(name)                                                                                                        \
    "GET /rest/v1/distributionsets?sort=id:DESC&q=name%3D%3D%22" name "%22%3Bversion%3D%3D%221%22&offset=0&*"
    static const struct route routes[] = {
        {Q("a%20%5C%22q%5C%22%20%27s"), 200,
         "{\"content\":[{\"id\":1,\"name\":\"a \\\"q\\\" 's\",\"version\":\"1\"}],\"total\":1,\"size\":1}"},
        {Q("st%2Aar"), 200,
         "{\"content\":[{\"id\":2,\"name\":\"stXar\",\"version\":\"1\"},{\"id\":3,\"name\":\"st*ar\",\"version\":\"1\"}"
         "],"
         "\"total\":2,\"size\":2}"},
        {Q("back%2Aslash"), 200,
         "{\"content\":[{\"id\":4,\"name\":\"back\\\\slash\",\"version\":\"1\"}],\"total\":1,\"size\":1}"},
        {Q("only%2Alike"), 200,
         "{\"content\":[{\"id\":4,\"name\":\"only-like\",\"version\":\"1\"}],\"total\":1,\"size\":1}"},
        {Q("zero%2Awidth"), 200,
         "{\"content\":[{\"id\":5,\"name\":\"zero\\u200bwidth\",\"version\":\"1\"}],\"total\":1,\"size\":1}"},
        {Q("two%2Aalike"), 200,
         "{\"content\":[{\"id\":6,\"name\":\"two\\u200balike\",\"version\":\"1\"},"
         "{\"id\":7,\"name\":\"two<U+200B>alike\",\"version\":\"1\"}],\"total\":2,\"size\":2}"},
        {Q("none"), 200, "{\"content\":[],\"total\":0,\"size\":0}"},
        {Q("half"), 200,
         "{\"content\":[{\"id\":8,\"name\":\"half\",\"version\":\"1\",\"complete\":false}],\"total\":1,\"size\":1}"},
        {Q("void"), 200,
         "{\"content\":[{\"id\":9,\"name\":\"void\",\"version\":\"1\",\"valid\":false}],\"total\":1,\"size\":1}"},
        {Q("whole"), 200,
         "{\"content\":[{\"id\":10,\"name\":\"whole\",\"version\":\"1\",\"complete\":true,\"valid\":true,"
         "\"locked\":true}],\"total\":1,\"size\":1}"},
        {Q("401"), 401, NULL},
        {Q("403"), 403, "{\"errorCode\":\"hawkbit.server.error.insufficientPermission\"}"},
        {Q("404"), 404, NULL},
        {Q("500"), 500, NULL},
        {Q("broken"), 200, "{\"content\":["},
        {"GET /rest/v1/distributionsets/9", 404, NOT_THERE},
        {0},
    };
    static const struct {
        const char *name, *id; /* NULL: none, and why: */
        enum err_code code;
    } cases[] = {
        {"a \"q\" 's", "1", ERR_NONE},      {"st*ar", "3", ERR_NONE},
        {"back\\slash", "4", ERR_NONE},     {"zero<U+200B>width", "5", ERR_NONE},
        {"only*like", NULL, ERR_NOT_FOUND}, {"two<U+200B>alike", NULL, ERR_RANGE},
        {"none", NULL, ERR_NOT_FOUND},      {"401", NULL, ERR_AUTH},
        {"403", NULL, ERR_FORBIDDEN},       {"404", NULL, ERR_UNSUPPORTED},
        {"500", NULL, ERR_PROTOCOL},        {"broken", NULL, ERR_PROTOCOL},
        {"half", NULL, ERR_STATE},          {"void", NULL, ERR_STATE},
        {"whole", "10", ERR_NONE},
    };
    struct fleet f;
    struct release r;
    (void)state;
    fleet_init(&f, routes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FLEET_CALL(&f, release, NULL, cases[i].name, "1", &f.arena, &r);
        if (f.err.code != cases[i].code || (cases[i].id && strcmp(r.id, cases[i].id) != 0))
            fail_msg("%s: id \"%s\", %s: %s", cases[i].name, r.id, err_word(f.err.code), f.err.what);
    }
    FLEET_CALL(&f, release, "9", NULL, NULL, &f.arena, &r);
    assert_int_equal(f.err.code, ERR_NOT_FOUND);
    fleet_release(&f);
#undef Q
}

static void test_device(void **state)
{
#define D "/rest/v1/targets/k%20%C3%A4%2F1"
    static const struct route routes[] = {
        {"GET " D, 200, "{\"controllerId\":\"k \\u00e4/1\",\"name\":\"Kitchen\",\"updateStatus\":\"error\"}"},
        {"GET " D "/assignedDS", 204, NULL},
        {"GET " D "/installedDS", 200, "{\"id\":2,\"name\":\"fw\",\"version\":\"1.0\"}"},
        {"GET " D "/attributes", 200, "{\"hw\":\"rev-b\",\"region\":\"eu\\u202e\",\"n\":5}"},
        {"GET " D "/actions?limit=20&sort=id:DESC", 200,
         "{\"content\":[{\"id\":201,\"status\":\"error\",\"type\":\"update\",\"active\":false},"
         "{\"id\":1,\"status\":\"finished\",\"type\":\"update\",\"active\":false}],\"total\":2,\"size\":2}"},
        {"GET " D "/actions/201", 200,
         "{\"id\":201,\"status\":\"error\",\"_links\":{\"distributionset\":{\"name\":\"fw:2.0\"}}}"},
        {"GET " D "/actions/1", 200, "{\"id\":1,\"status\":\"finished\"}"},
        {"GET " D "/actions/201/status?*", 200,
         "{\"content\":[{\"id\":9,\"type\":\"error\",\"messages\":[\"no space\"],\"reportedAt\":9000}],\"total\":1}"},
        {"GET " D "/actions/1/status?*", 200,
         "{\"content\":[{\"id\":3,\"type\":\"finished\",\"messages\":[null],\"reportedAt\":3000},"
         "{\"id\":2,\"type\":\"running\",\"messages\":[],\"reportedAt\":2000}],\"total\":2}"},
        {0},
    };
#undef D
    struct fleet f;
    struct device_info d;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, device, "k \xc3\xa4/1", &f.arena, &d);
    assert_null(f.reply.err);
    assert_string_equal(d.device.name, "Kitchen");
    assert_string_equal(d.assigned.id, "");
    assert_string_equal(d.installed.version, "1.0");
    assert_int_equal(d.n_attributes, 2);
    assert_int_equal(d.n_actions, 2);
    assert_string_equal(d.actions[0].release, "fw:2.0");
    assert_string_equal(d.actions[1].release, "");
    assert_int_equal(d.n_history, 3);
    assert_string_equal(d.history[0].text, "no space");
    assert_int_equal(d.history[0].t, 9000000);
    assert_string_equal(d.history[1].type, "finished");
    assert_string_equal(d.history[2].type, "running");
    FLEET_CALL(&f, device, "..", &f.arena, &d);
    assert_int_equal(f.err.code, ERR_RANGE);
    assert_int_equal(hostile_requests(f.rig.server), 9);
    fleet_release(&f);
}

/* --- verbs --- */

static void test_verbs_on_the_wire(void **state)
{
    static const struct {
        enum backend_verb verb;
        const char *remark, *request;
        int status;
    } cases[] = {
        {BV_START, "", "POST /rest/v1/rollouts/7/start", 200},
        {BV_PAUSE, "", "POST /rest/v1/rollouts/7/pause", 204},
        {BV_RESUME, "", "POST /rest/v1/rollouts/7/resume", 200},
        {BV_TRIGGER_NEXT, "", "POST /rest/v1/rollouts/7/triggerNextGroup", 204},
        {BV_APPROVE, "", "POST /rest/v1/rollouts/7/approve", 204},
        {BV_APPROVE, "looks ok & fine", "POST /rest/v1/rollouts/7/approve?remark=looks%20ok%20%26%20fine", 204},
        {BV_DENY, "no", "POST /rest/v1/rollouts/7/deny?remark=no", 200},
        {BV_STOP, "", "POST /rest/v1/rollouts/7/stop", 204},
        {BV_RETRY, "", "POST /rest/v1/rollouts/7/retry", 204},
        {BV_DELETE, "", "DELETE /rest/v1/rollouts/7", 200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct route routes[] = {{cases[i].request, cases[i].status, NULL}, {0}};
        struct fleet f;
        char empty[65];
        fleet_init(&f, routes);
        FLEET_CALL(&f, verb, "7", cases[i].verb, cases[i].remark);
        if (f.reply.err)
            fail_msg("%s: %s", cases[i].request, f.err.what);
        assert_int_equal(hostile_count(f.rig.server, cases[i].request), 1);
        sha256_hex("", 0, empty);
        assert_int_equal(f.reply.n_requests, 1);
        const struct request_facts *sent = &f.reply.requests[0];
        assert_string_equal(sent->answer_sha256, empty);
        assert_string_equal(sent->body_sha256, ""); /* nothing was sent along */
        assert_string_equal(sent->method, cases[i].verb == BV_DELETE ? "DELETE" : "POST");
        assert_int_equal(sent->status, cases[i].status);
        assert_string_equal(sent->path, strchr(cases[i].request, '/'));
        assert_int_equal(f.reply.status, cases[i].status);
        assert_false(f.reply.maybe_sent);
        fleet_release(&f);
    }
}

static enum hostile_end reset_verb(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    (void)q;
    buf_addc(out, 'H');
    return HOSTILE_RESET;
}

static enum hostile_end stall(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    (void)q;
    (void)out;
    return HOSTILE_STALL;
}

/* What may have taken effect is said so, and never sent again on its own. */
static void test_verbs_that_fail(void **state)
{
    static const struct route bad_state[] = {
        {"POST *", 400, "{\"errorCode\":\"hawkbit.server.error.rollout.illegalstate\",\"message\":\"state is ready\"}"},
        {0}};
    static const struct route inside[] = {{"POST *", 503, "{}"}, {0}};
    struct fleet f;
    (void)state;
    fleet_init(&f, bad_state);
    FLEET_CALL(&f, verb, "7", BV_START, "");
    assert_int_equal(f.err.code, ERR_STATE);
    assert_false(f.reply.maybe_sent);
    assert_string_equal(f.err.cause, "state is ready");
    fleet_release(&f);
    fleet_init(&f, inside);
    FLEET_CALL(&f, verb, "7", BV_TRIGGER_NEXT, "");
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    assert_true(f.reply.maybe_sent);
    assert_int_equal(hostile_requests(f.rig.server), 1);
    fleet_release(&f);
    struct fleet g = {0};
    fleet_init_fn(&g, reset_verb, NULL);
    FLEET_CALL(&g, verb, "7", BV_TRIGGER_NEXT, "");
    assert_int_equal(g.err.code, ERR_NETWORK);
    assert_true(g.reply.maybe_sent);
    assert_int_equal(hostile_requests(g.rig.server), 1);
    fleet_release(&g);
    struct fleet s = {0};
    fleet_init_fn(&s, stall, NULL);
    FLEET_CALL(&s, verb, "7", BV_PAUSE, "");
    assert_int_equal(s.err.code, ERR_TIMEOUT);
    assert_true(s.reply.maybe_sent);
    FLEET_CALL(&s, verb, "7; drop", BV_PAUSE, "");
    assert_int_equal(s.err.code, ERR_RANGE);
    assert_int_equal(hostile_requests(s.rig.server), 1);
    fleet_release(&s);
}

static double share_of(const char *body, size_t group)
{
    struct json_t *doc = json_parse(body, strlen(body), 1 << 20, "body", NULL);
    double v = -1;
    json_num(json_at(json_get(doc, "groups"), group), "targetPercentage", &v);
    json_free(doc);
    return v;
}

/* Percent of the whole for servers with stop, percent of the rest for 0.3. */
static void test_create(void **state)
{
    static const struct route fresh[] = {
        {"POST /rest/v1/rollouts/0/stop", 404, NOT_THERE},
        {"POST /rest/v1/rollouts", 201, "{\"id\":44,\"name\":\"andon-rb-7-1\",\"status\":\"creating\"}"},
        {0}};
    static const struct route old[] = {
        {"POST /rest/v1/rollouts", 201, "{\"id\":44,\"name\":\"andon-rb-7-1\",\"status\":\"creating\"}"}, {0}};
    static const struct route taken[] = {
        {"POST /rest/v1/rollouts", 409, "{\"errorCode\":\"hawkbit.server.error.repo.entitiyAlreayExists\"}"}, {0}};
    double percent[] = {10, 30, 60};
    struct rollout_spec spec = {.name = "andon-rb-7-1",
                                .description = "roll back of \"x\"",
                                .release_id = "3",
                                .filter = "name==\"a\"",
                                .n_waves = 3,
                                .percent = percent,
                                .error_percent = 20,
                                .success_percent = 90};
    struct fleet f;
    const char *id;
    (void)state;
    fleet_init(&f, fresh);
    FLEET_CALL(&f, create_rollout, &spec, &f.arena, &id);
    assert_null(f.reply.err);
    assert_string_equal(id, "44");
    assert_true(share_of(f.last_body, 0) == 10 && share_of(f.last_body, 1) == 30 && share_of(f.last_body, 2) == 100);
    assert_non_null(strstr(f.last_body, "\"errorCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"20\"}"));
    assert_non_null(strstr(f.last_body, "\"successCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"90\"}"));
    assert_non_null(strstr(f.last_body, "\"errorAction\":{\"action\":\"PAUSE\""));
    assert_non_null(strstr(f.last_body, "\"targetFilterQuery\":\"name==\\\"a\\\"\""));
    assert_non_null(strstr(f.last_body, "\"distributionSetId\":3"));
    fleet_release(&f);
    fleet_init(&f, old);
    FLEET_CALL(&f, create_rollout, &spec, &f.arena, &id);
    assert_null(f.reply.err);
    assert_true(share_of(f.last_body, 0) == 10 && share_of(f.last_body, 2) == 100);
    assert_true(share_of(f.last_body, 1) > 33.33 && share_of(f.last_body, 1) < 33.34); /* 30 of the 90 left */
    fleet_release(&f);
    fleet_init(&f, taken);
    spec.n_waves = 1;
    percent[0] = 100;
    FLEET_CALL(&f, create_rollout, &spec, &f.arena, &id);
    assert_int_equal(f.err.code, ERR_CONFLICT);
    assert_string_equal(id, "");
    fleet_release(&f);
}

static void test_create_refused(void **state)
{
    static const struct route none[] = {{0}};
    double good[] = {100}, short_of[] = {50, 49}, zero[] = {0, 100};
    char name[131];
    struct fleet f;
    const char *id;
    (void)state;
    memset(name, 'n', 130);
    name[130] = '\0';
    struct rollout_spec ok = {.name = "n",
                              .release_id = "3",
                              .filter = "x",
                              .n_waves = 1,
                              .percent = good,
                              .error_percent = 20,
                              .success_percent = 90};
    struct rollout_spec bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = ok;
    bad[0].name = name;
    bad[1].name = "";
    bad[2].error_percent = 100; /* never fires */
    bad[3].error_percent = -1;
    bad[4].success_percent = 101;
    bad[5].n_waves = 2;
    bad[5].percent = short_of;
    bad[6].n_waves = 2;
    bad[6].percent = zero;
    bad[7].filter = "";
    bad[8].release_id = "x";
    fleet_init(&f, none);
    for (size_t i = 0; i < 9; i++) {
        FLEET_CALL(&f, create_rollout, &bad[i], &f.arena, &id);
        assert_int_equal(f.err.code, ERR_RANGE);
    }
    assert_int_equal(hostile_requests(f.rig.server), 0);
    fleet_release(&f);
}

static void test_device_verbs(void **state)
{
    static const struct route routes[] = {
        {"DELETE /rest/v1/targets/d%2F1/actions/5", 204, NULL},
        {"DELETE /rest/v1/targets/d%2F1/actions/5?force=true", 405,
         "{\"errorCode\":\"hawkbit.server.error.action.notforcequitable\",\"message\":\"not canceled yet\"}"},
        {"POST /rest/v1/targets/d%2F1/assignedDS?offline=true", 200, "{\"assigned\":1}"},
        {"POST /rest/v1/targets/d%2F1/assignedDS", 200, "{\"assigned\":1}"},
        {"DELETE /rest/v1/targetfilters/2/autoAssignDS", 200, NULL},
        {"GET /rest/v1/targetfilters?*", 200,
         "{\"content\":[{\"id\":1,\"name\":\"a\",\"query\":\"x\",\"autoAssignDistributionSet\":null},"
         "{\"id\":2,\"name\":\"b\",\"query\":\"controllerId==rc-*\",\"autoAssignDistributionSet\":3},"
         "{\"id\":4,\"name\":\"c\",\"query\":\"z\",\"autoAssignDistributionSet\":30}],\"total\":3,\"size\":3}"},
        {0},
    };
    struct fleet f;
    struct auto_assign_list l;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, cancel_action, "d/1", "5", false);
    assert_null(f.reply.err);
    FLEET_CALL(&f, cancel_action, "d/1", "5", true);
    assert_int_equal(f.err.code, ERR_STATE); /* 405 is about the action's state */
    FLEET_CALL(&f, assign, "d/1", "3", true);
    assert_null(f.reply.err);
    assert_string_equal(f.last_body, "{\"id\":3}");
    FLEET_CALL(&f, assign, "d/1", "3", false);
    assert_null(f.reply.err);
    assert_string_equal(f.last_body, "{\"id\":3,\"type\":\"forced\"}");
    FLEET_CALL(&f, auto_assigns, "3", &f.arena, &l);
    assert_null(f.reply.err);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].id, "2");
    assert_string_equal(l.v[0].filter, "controllerId==rc-*");
    FLEET_CALL(&f, auto_assign_off, "2");
    assert_null(f.reply.err);
    fleet_release(&f);
}

/* --- the end --- */

static void test_free_with_calls_under_way(void **state)
{
    struct fleet f = {0};
    struct rollout_list list;
    (void)state;
    fleet_init_fn(&f, stall, NULL);
    f.b->ops->rollouts(f.b, 10, &f.arena, &list, fleet_done, &f);
    http_run(f.rig.http, -1, f.rig.now, 0);
    assert_false(f.done);
    backend_free(f.b);
    f.b = NULL;
    assert_true(f.done);
    assert_int_equal(f.err.code, ERR_CANCELLED);
    fleet_release(&f);
}

static void test_open(void **state)
{
    struct rig r;
    struct err e = {0};
    (void)state;
    rig_init(&r, NULL, NULL);
    struct fleet_spec spec = {.name = "prod-eu", .kind = "mender\x1b", .endpoint = r.endpoint};
    assert_null(backend_open(r.http, &spec, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_null(strchr(e.what, 0x1b));
    spec.kind = "hawkbit";
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_NO_SUCH_VARIABLE"};
    assert_null(backend_open(r.http, &spec, &e));
    assert_non_null(strstr(e.what, "fleet prod-eu: environment variable ANDON_NO_SUCH_VARIABLE"));
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_new),
        cmocka_unit_test(test_probe_old),
        cmocka_unit_test(test_probe_wrong_server),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_pages_shrink),
        cmocka_unit_test(test_pages_hostile),
        cmocka_unit_test(test_page_fails),
        cmocka_unit_test(test_rollouts_new),
        cmocka_unit_test(test_rollouts_old),
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_inflight),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_release_look_up),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_verbs_on_the_wire),
        cmocka_unit_test(test_verbs_that_fail),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_device_verbs),
        cmocka_unit_test(test_free_with_calls_under_way),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
