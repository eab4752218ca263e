/* What the verdict asks of hawkBit: when a wave was told, and attributes of many devices. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>
#include "fleet.h"

/* --- told_at --- */

#define A       "/rest/v1/targets/d%2F1/actions"
#define LIST    "GET " A "?sort=id:DESC&limit=500"
#define HISTORY "/status?sort=id:ASC&limit=500"
#define ROLLOUT                                                                                                        \
    {                                                                                                                  \
        "GET /rest/v1/rollouts/7", 200,                                                                                \
            "{\"id\":7,\"name\":\"r\",\"status\":\"running\",\"distributionSetId\":4,"                                 \
            "\"createdAt\":1795231700000}"                                                                             \
    }
/* As 1.1.0 answers: `timestamp` of the first running entry is when the action was made, with its rollout. */
#define RUNNING(id, at) "{\"id\":" id ",\"type\":\"running\",\"timestamp\":1795231728281,\"reportedAt\":" at "}"

static int64_t told(const struct route *routes, const char *rollout, const char *device, enum err_code code)
{
    struct fleet f;
    int64_t at = -1;
    fleet_init(&f, routes);
    FLEET_CALL(&f, told_at, rollout, device, &f.arena, &at);
    if (f.err.code != code)
        fail_msg("%s: %s", err_word(f.err.code), f.err.what);
    fleet_release(&f);
    return at;
}

static void test_told_named(void **state)
{
    struct route routes[] = {
        ROLLOUT,
        {LIST, 200,
         "{\"content\":[{\"id\":300,\"rollout\":8,\"createdAt\":1795231800000},"
         "{\"id\":201,\"rollout\":7,\"createdAt\":1795231728281},{\"id\":5,\"createdAt\":1795231000000}],"
         "\"total\":3,\"size\":3}"},
        /* Entries out of order, one of another type first, the device's own "running" later. */
        {"GET " A "/201" HISTORY, 200,
         "{\"content\":[" RUNNING(
             "806", "1795242000000") ",{\"id\":700,\"type\":\"scheduled\",\"reportedAt\":"
                                     "1795231728300}," RUNNING(
                                         "801", "1795238900646") ",{\"id\":803,\"type\":\"retrieved\",\"reportedAt\":"
                                                                 "1795238900915}],\"total\":4,\"size\":4}"},
        /* Of the same release, by another rollout. */
        {"GET " A "/300", 200, "{\"id\":300,\"_links\":{\"distributionset\":{\"href\":\"/distributionsets/4\"}}}"},
        {"GET " A "/300" HISTORY, 200, "{\"content\":[" RUNNING("900", "1795238900646") "],\"total\":1}"},
        {0},
    };
    (void)state;
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), INT64_C(1795238900646000)); /* not when the rollout started */
    assert_int_equal(told(routes, "9", "d/1", ERR_UNSUPPORTED), 0);
    /* Not told yet. */
    routes[2].body = "{\"content\":[{\"id\":700,\"type\":\"scheduled\",\"reportedAt\":1795231728300}],\"total\":1}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    routes[2].body = "{\"content\":[],\"total\":0}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    /* The device is not in the rollout. */
    routes[1].body = "{\"content\":[{\"id\":300,\"rollout\":8,\"createdAt\":1795231800000}],\"total\":1}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    routes[1].body = "{\"content\":[],\"total\":0}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
}

/* 0.3 does not say which rollout an action is of: its release and its age do. */
static void test_told_unnamed(void **state)
{
    struct route routes[] = {
        ROLLOUT,
        {LIST, 200,
         "{\"content\":[{\"id\":300,\"status\":\"pending\",\"createdAt\":1795239000000},"
         "{\"id\":250,\"status\":\"finished\",\"createdAt\":1795238000000},"
         "{\"id\":201,\"status\":\"finished\",\"createdAt\":1795231784939},"
         "{\"id\":104,\"status\":\"finished\",\"createdAt\":1795231600000}],\"total\":4,\"size\":4}"},
        {"GET " A "/300", 200,
         "{\"id\":300,\"_links\":{\"distributionset\":{\"href\":\"http://h/rest/v1/distributionsets/4\"}}}"},
        {"GET " A "/250", 200,
         "{\"id\":250,\"_links\":{\"distributionset\":{\"href\":\"http://h/rest/v1/distributionsets/41\"}}}"},
        {"GET " A "/201", 200,
         "{\"id\":201,\"_links\":{\"distributionset\":{\"href\":\"http://h/rest/v1/distributionsets/4\"}}}"},
        {"GET " A "/201" HISTORY, 200,
         "{\"content\":[{\"type\":\"running\",\"messages\":[null],\"reportedAt\":1795231999492,\"id\":801}],\"total\":"
         "1}"},
        {0},
    };
    (void)state;
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), INT64_C(1795231999492000));
    /* The only one with the release is older than the rollout (104 would match, and is not asked). */
    routes[2].body = routes[4].body = "{\"id\":1,\"_links\":{\"distributionset\":{\"href\":\"/distributionsets/9\"}}}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    /* A rollout that does not say its release. */
    routes[0].body = "{\"id\":7,\"name\":\"r\",\"status\":\"running\"}";
    assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
}

static void test_told_odd(void **state)
{
    static const char *const lists[] = {
        "{}",
        "{\"content\":7}",
        "{\"content\":[7,null,{},{\"id\":\"x\",\"rollout\":7},{\"id\":-1,\"rollout\":7}]}",
        "{\"content\":[{\"id\":1,\"rollout\":\"7\"}]}",
        "[]",
    };
    static const char *const histories[] = {
        "{}",
        "{\"content\":[{\"type\":\"running\",\"reportedAt\":1795231999492}]}",
        "{\"content\":[{\"type\":\"running\",\"id\":5}]}",
        "{\"content\":[{\"type\":\"running\",\"id\":5,\"reportedAt\":-4}]}",
        "{\"content\":[{\"type\":\"running\",\"id\":5,\"reportedAt\":9e17}]}",
        "{\"content\":[{\"type\":7,\"id\":5,\"reportedAt\":1795231999492}]}",
    };
    struct route routes[] = {
        ROLLOUT,
        {LIST, 200, NULL},
        {"GET " A "/201" HISTORY, 200, NULL},
        {0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        routes[1].body = lists[i];
        assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    }
    routes[1].body = "{\"content\":[{\"id\":201,\"rollout\":7}]}";
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
        routes[2].body = histories[i];
        assert_int_equal(told(routes, "7", "d/1", ERR_NONE), 0);
    }
    assert_int_equal(told(routes, "x", "d/1", ERR_RANGE), 0);
    assert_int_equal(told(routes, "7", "..", ERR_RANGE), 0);
}

/* --- attributes --- */

/* A fleet that answers filters as hawkBit does: without case, a '*' being a wildcard. */
#define FLEET_N 1300
/* The device's value, NULL = none; `room` for those that are made up. */
typedef const char *(*value_fn)(int device, const char *key, char room[16]);
struct park {
    struct fleet f;
    value_fn value;
    char id[FLEET_N][16];
    const char *ids[FLEET_N];
    bool no_filter; /* refuses attribute filters */
    _Atomic int lists, singles;
};

static void unescape(const char *s, char *out, size_t size)
{
    size_t n = 0;
    for (; *s && *s != '&' && n + 1 < size; s++) {
        if (*s == '%') {
            char hex[3] = {s[1], s[2], '\0'};
            out[n++] = (char)strtol(hex, NULL, 16);
            s += 2;
        } else {
            out[n++] = *s;
        }
    }
    out[n] = '\0';
}

static void serve_list(struct park *p, const char *path, struct buf *body)
{
    char q[600], key[80], want[300] = "", room[16];
    unescape(strstr(path, "&q=attribute.") + 13, q, sizeof q);
    snprintf(key, sizeof key, "%.*s", (int)strcspn(q, "="), q);
    size_t n = 0;
    for (const char *s = q + strlen(key) + 3; *s && *s != '"'; s++) {
        if (*s == '\\')
            s++;
        want[n++] = *s;
    }
    want[n] = '\0';
    size_t offset = strtoul(strstr(path, "offset=") + 7, NULL, 10),
           limit = strtoul(strstr(path, "limit=") + 6, NULL, 10);
    size_t total = 0, size = 0;
    buf_adds(body, "{\"content\":[");
    for (int i = 0; i < FLEET_N; i++) {
        const char *v = p->value(i, key, room);
        if (!v || strcasecmp(v, want) != 0)
            continue;
        if (total >= offset && size < limit) {
            buf_printf(body, "%s{\"controllerId\":\"d-%d\",\"name\":\"d-%d\",\"updateStatus\":\"in_sync\"}",
                       size ? "," : "", i, i);
            size++;
        }
        total++;
    }
    buf_printf(body, "],\"total\":%zu,\"size\":%zu}", total, size);
}

static enum hostile_end serve_park(void *ctx, const struct hostile_request *r, struct buf *out)
{
    struct park *p = ctx;
    static const char *const keys[] = {"model", "site", "dotted.key"};
    struct buf body;
    char room[16];
    buf_init(&body, 1 << 20);
    int status = 200;
    if (strncmp(r->path, "/rest/v1/targets/d-", 19) == 0) {
        p->singles++;
        int device = (int)strtol(r->path + 19, NULL, 10);
        buf_addc(&body, '{');
        for (size_t k = 0; k < 3; k++) {
            const char *v = p->value(device, keys[k], room);
            if (v)
                buf_printf(&body, "%s\"%s\":\"%s\"", body.len > 1 ? "," : "", keys[k],
                           strcmp(v, "a\"b") == 0 ? "a\\\"b" : v);
        }
        buf_addc(&body, '}');
    } else if (p->no_filter) {
        p->lists++;
        status = 400;
        buf_adds(&body, "{\"errorCode\":\"hawkbit.server.error.rest.param.rsqlInvalidField\",\"message\":\"no\"}");
    } else {
        p->lists++;
        serve_list(p, r->path, &body);
    }
    hostile_answer(out, status, "application/json", body.data);
    buf_release(&body);
    return HOSTILE_KEEP;
}

static void park_init(struct park *p, value_fn value)
{
    memset(p, 0, sizeof *p);
    p->value = value;
    for (int i = 0; i < FLEET_N; i++) {
        snprintf(p->id[i], sizeof p->id[i], "d-%d", i);
        p->ids[i] = p->id[i];
    }
    fleet_init_fn(&p->f, serve_park, p);
}

static const char *name_at(const struct attribute_table *t, size_t device, size_t key)
{
    int32_t v = t->v[device * t->n_keys + key];
    assert_true(v >= -1 && v < (int32_t)t->n_names);
    return v < 0 ? NULL : t->names[v];
}

static const char *four_models(int device, const char *key, char room[16])
{
    static const char *const models[] = {"rev-b", "rev-c", "a\"b", "rev d"};
    static const char *const sites[] = {"eu", "us"};
    (void)room;
    if (strcasecmp(key, "model") == 0)
        return models[device % 4];
    return strcasecmp(key, "site") == 0 ? sites[device / 700] : NULL;
}

static void test_few_values(void **state)
{
    static const char *const keys[] = {"model", "site"};
    struct park p;
    struct attribute_table t;
    (void)state;
    park_init(&p, four_models);
    FLEET_CALL(&p.f, attributes, p.ids, FLEET_N, keys, 2, 50, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_int_equal(t.n, FLEET_N);
    assert_int_equal(t.n_keys, 2);
    assert_int_equal(t.n_names, 6);
    for (int i = 0; i < FLEET_N; i++) {
        assert_string_equal(name_at(&t, (size_t)i, 0), four_models(i, "model", NULL));
        assert_string_equal(name_at(&t, (size_t)i, 1), four_models(i, "site", NULL));
    }
    assert_true(p.singles <= 12);         /* six at once, until nobody is unknown */
    assert_int_equal(p.lists, 4 + 2 + 2); /* one for each value, and second pages */
    fleet_release(&p.f);
}

static const char *serial_numbers(int device, const char *key, char room[16])
{
    snprintf(room, 16, "%d", device);
    return strcasecmp(key, "model") == 0 ? room : NULL;
}

/* A value for each device: neither the requests nor the names run away. */
static void test_many_values(void **state)
{
    static const char *const keys[] = {"model"};
    struct park p;
    struct attribute_table t;
    (void)state;
    park_init(&p, serial_numbers);
    FLEET_CALL(&p.f, attributes, p.ids, FLEET_N, keys, 1, 100, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_int_equal(p.singles, 100);
    assert_int_equal(p.lists, 64);
    assert_int_equal(t.n_names, 100);
    for (int i = 0; i < FLEET_N; i++) {
        if (i < 100)
            assert_string_equal(name_at(&t, (size_t)i, 0), p.id[i] + 2);
        else
            assert_null(name_at(&t, (size_t)i, 0));
    }
    fleet_release(&p.f);
}

static const char *odd_values(int device, const char *key, char room[16])
{
    static const char *const odd[] = {"a*", "Rev-B", "REV-B", "b\\\\c", "x\\u202ey", "", "rev-b"};
    (void)room;
    if (strcasecmp(key, "dotted.key") == 0)
        return "z";
    return strcasecmp(key, "model") == 0 && device < 7 ? odd[device] : NULL;
}

/* A value that means more than itself in a filter is never put into one; values that differ in case are one, as they
 * are for the server; a key that no filter can have is asked for one by one. */
static void test_odd_values(void **state)
{
    static const char *const keys[] = {"Model", "dotted.key"};
    struct park p;
    struct attribute_table t;
    (void)state;
    park_init(&p, odd_values);
    FLEET_CALL(&p.f, attributes, p.ids, 10, keys, 2, 50, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_string_equal(name_at(&t, 0, 0), "a*");
    assert_string_equal(name_at(&t, 1, 0), "Rev-B");
    assert_int_equal(t.v[2 * 2], t.v[1 * 2]);
    assert_int_equal(t.v[6 * 2], t.v[1 * 2]);
    assert_string_equal(name_at(&t, 3, 0), "b\\c");
    assert_null(strstr(name_at(&t, 4, 0), "\xe2\x80\xae"));
    assert_string_equal(name_at(&t, 5, 0), "");
    assert_null(name_at(&t, 7, 0));
    for (size_t i = 0; i < 10; i++)
        assert_string_equal(name_at(&t, i, 1), "z");
    assert_int_equal(p.lists, 1); /* Rev-B */
    assert_int_equal(p.singles, 10);
    fleet_release(&p.f);
}

static void test_no_filter(void **state)
{
    static const char *const keys[] = {"model"};
    struct park p;
    struct attribute_table t;
    (void)state;
    park_init(&p, four_models);
    p.no_filter = true;
    FLEET_CALL(&p.f, attributes, p.ids, 40, keys, 1, 30, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_int_equal(p.lists, 1); /* once is enough */
    assert_int_equal(p.singles, 30);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(t.v[i] >= 0, i < 30);
    fleet_release(&p.f);
}

/* The same device twice, one that is on no list, nothing to ask for: it ends, and asynchronously. */
static void test_edges(void **state)
{
    static const char *const keys[] = {"model"};
    static const char *const some[] = {"d-3", "d-2", "d-3", "..", "d-6"};
    struct park p;
    struct attribute_table t;
    (void)state;
    park_init(&p, four_models);
    FLEET_CALL(&p.f, attributes, some, 5, keys, 1, 2, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_string_equal(name_at(&t, 1, 0), "a\"b");
    assert_string_equal(name_at(&t, 4, 0), "a\"b"); /* through the list */
    assert_string_equal(name_at(&t, 2, 0), "rev d");
    assert_null(name_at(&t, 3, 0));
    int before = p.singles + p.lists;
    FLEET_CALL(&p.f, attributes, some, 0, keys, 1, 2, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    FLEET_CALL(&p.f, attributes, some, 5, keys, 0, 2, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    FLEET_CALL(&p.f, attributes, some, 5, keys, 1, 0, false, &p.f.arena, &t);
    assert_int_equal(p.f.err.code, ERR_NONE);
    assert_null(name_at(&t, 0, 0));
    assert_int_equal(p.singles + p.lists, before);
    fleet_release(&p.f);
}

/* An attribute by which devices are found elsewhere: "sn-1" is not "SN-1", whoever was asked first. */
static void test_exact_values(void **state)
{
    static const char *const keys[] = {"serial"}, *const some[] = {"d-1", "d-2", "d-3"};
    static const struct route routes[] = {
        {"GET /rest/v1/targets/d-1/attributes", 200, "{\"serial\":\"SN-1\"}"},
        {"GET /rest/v1/targets/d-2/attributes", 200, "{\"serial\":\"sn-1\"}"},
        {"GET /rest/v1/targets/d-3/attributes", 200, "{\"Serial\":\"SN-1\"}"},
        {0},
    };
    struct fleet f;
    struct attribute_table t;
    (void)state;
    fleet_init(&f, routes);
    FLEET_CALL(&f, attributes, some, 3, keys, 1, 3, true, &f.arena, &t);
    assert_int_equal(f.err.code, ERR_NONE);
    assert_string_equal(t.names[t.v[0]], "SN-1");
    assert_string_equal(t.names[t.v[1]], "sn-1");
    assert_int_equal(t.v[2], t.v[0]);
    fleet_release(&f);
}

static void test_attribute_failures(void **state)
{
    static const char *const keys[] = {"model"}, *const some[] = {"d-1"}, *const two[] = {"d-1", "d-2"};
    static const struct route none[] = {{"GET /rest/v1/targets/d-1/attributes", 404, "{\"errorCode\":\"x\"}"}, {0}};
    static const struct route odd[] = {{"GET /rest/v1/targets/d-1/attributes", 200, "{\"model\":7,\"model2\":\"x\"}"},
                                       {0}};
    static const struct route list[] = {
        {"GET /rest/v1/targets/d-1/attributes", 200, "{\"model\":\"x\"}"},
        {"GET /rest/v1/targets?*", 500, "{}"},
        {0},
    };
    struct fleet f;
    struct attribute_table t;
    (void)state;
    fleet_init(&f, none);
    FLEET_CALL(&f, attributes, some, 1, keys, 1, 5, false, &f.arena, &t);
    assert_int_equal(f.err.code, ERR_NONE); /* deleted meanwhile: the others still count */
    assert_int_equal(t.v[0], -1);
    fleet_release(&f);
    fleet_init(&f, odd);
    FLEET_CALL(&f, attributes, some, 1, keys, 1, 5, false, &f.arena, &t);
    assert_int_equal(f.err.code, ERR_NONE);
    assert_int_equal(t.v[0], -1);
    fleet_release(&f);
    fleet_init(&f, list);
    FLEET_CALL(&f, attributes, some, 1, keys, 1, 5, false, &f.arena, &t);
    assert_int_equal(f.err.code, ERR_NONE); /* nobody else to list */
    FLEET_CALL(&f, attributes, two, 2, keys, 1, 5, false, &f.arena, &t);
    assert_int_equal(f.err.code, ERR_PROTOCOL);
    fleet_release(&f);
    /* given up half-way */
    fleet_init(&f, list);
    f.done = false;
    f.b->ops->attributes(f.b, some, 1, keys, 1, 5, false, &f.arena, &t, fleet_done, &f);
    backend_free(f.b);
    f.b = NULL;
    assert_int_equal(f.err.code, ERR_CANCELLED);
    fleet_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_named),         cmocka_unit_test(test_told_unnamed),
        cmocka_unit_test(test_told_odd),           cmocka_unit_test(test_few_values),
        cmocka_unit_test(test_many_values),        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_no_filter),          cmocka_unit_test(test_edges),
        cmocka_unit_test(test_attribute_failures), cmocka_unit_test(test_exact_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
