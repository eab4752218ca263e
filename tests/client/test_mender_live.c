/* The Mender back end against the stand-in that `make conformance` starts (tests/conformance/mender.py; its URL in
 * ANDON_MENDER, the password in ANDON_MENDER_SECRET), with devices that this program plays. Nothing is played
 * elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "live.h"

static void reports(struct live *l, const char *id, const char *artifact)
{
    char path[200], body[100];
    snprintf(path, sizeof path, "/device/%s/reports", id);
    snprintf(body, sizeof body, "{\"artifact\":\"%s\"}", artifact);
    assert_int_equal(live_says(l, "POST", path, body), 200);
}

/* The deployment that it is handed, "" = none. */
static void next(struct live *l, const char *id, char deployment[80])
{
    char path[200];
    snprintf(path, sizeof path, "/device/%s/next", id);
    assert_int_equal(live_says(l, "POST", path, "{}"), 200);
    const char *at = strstr(l->body, "\"id\": \"");
    snprintf(deployment, 80, "%.*s", at ? (int)strcspn(at + 7, "\"") : 0, at ? at + 7 : "");
}

static int says(struct live *l, const char *id, const char *deployment, const char *status)
{
    char path[200], body[200];
    snprintf(path, sizeof path, "/device/%s/says", id);
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"status\":\"%s\"}", deployment, status);
    return live_says(l, "POST", path, body);
}

static void story(struct live *l)
{
    static const char *const ids[] = {"hub-a", "hub-b", "hub-c", "hub d/1", "nobody"};
    static const char *const paths[] = {"hub-a", "hub-b", "hub-c", "hub%20d%2F1"};
    static const char *const keys[] = {"device_type"};
    struct backend_info info;
    struct release one, two;
    struct release_list releases;
    struct device_list devices;
    struct device_info device;
    struct attribute_table t;
    struct tell_result told[5];
    char job[4][80], none[80];
    for (size_t i = 0; i < 4; i++)
        reports(l, paths[i], "hub 1.0");
    OK(l, probe, &l->arena, &info);
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE);
    OK(l, releases, 10, &l->arena, &releases);
    assert_int_equal(releases.n, 2);
    OK(l, release, NULL, "hub 1.0", "hub 1.0", &l->arena, &one);
    OK(l, release, "hub 2.0", NULL, NULL, &l->arena, &two);
    OK(l, devices, &(struct device_filter){.installed = &one}, 100, &l->arena, &devices);
    assert_int_equal(devices.n, 4);
    OK(l, attributes, ids, 5, keys, 1, 10, false, &l->arena, &t);
    assert_string_equal(t.names[t.v[3]], "hub");
    assert_int_equal(t.v[4], -1);

    /* told, begun, done: one succeeds, one fails, one is cut off, one has not asked */
    CALL(l, tell, &two, ids, 5, "k-1", &l->arena, told);
    assert_int_equal(l->err.code, ERR_NONE);
    assert_int_equal(told[3].outcome, TELL_DONE);
    assert_int_equal(told[4].outcome, TELL_REFUSED);
    CALL(l, tell, &two, ids, 5, "k-1", &l->arena, told);
    assert_int_equal(told[3].outcome, TELL_DONE);
    live_stands(l, &two, "hub-a", AT_TOLD);
    for (size_t i = 0; i < 3; i++)
        next(l, paths[i], job[i]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(says(l, paths[i], job[i], "installing"), 200);
    assert_string_equal(job[0], job[2]); /* once */
    live_stands(l, &two, "hub-a", AT_BUSY);
    OK(l, devices, &(struct device_filter){.assigned = &two}, 100, &l->arena, &devices);
    assert_int_equal(devices.n, 4);
    assert_int_equal(says(l, "hub-a", job[0], "success"), 200);
    live_stands(l, &two, "hub-a", AT_INSTALLED); /* before its inventory says so */
    live_stands(l, &one, "hub-a", AT_OTHER);
    reports(l, "hub-a", "hub 2.0");
    live_stands(l, &two, "hub-a", AT_INSTALLED);
    assert_int_equal(says(l, "hub-b", job[1], "failure"), 200);
    live_stands(l, &two, "hub-b", AT_FAILED);
    OK(l, recall, &two, ids, 5, "k-1", NULL, false, &l->arena, told);
    assert_int_equal(told[0].outcome, TELL_REFUSED);
    assert_int_equal(told[2].outcome, TELL_DONE);
    assert_int_equal(told[3].outcome, TELL_DONE);
    live_stands(l, &two, "hub-c", AT_LOST);
    live_stands(l, &one, "hub-c", AT_UNKNOWN);
    live_stands(l, &two, "hub d/1", AT_RECALLED);
    next(l, paths[3], none);
    assert_string_equal(none, "");
    assert_int_equal(says(l, "hub-c", job[2], "success"), 409);
    reports(l, "hub-c", "hub 1.0"); /* it has gone back by itself */
    live_stands(l, &two, "hub-c", AT_RECALLED);
    live_stands(l, &one, "hub-c", AT_INSTALLED);
    OK(l, recall, &two, ids + 2, 2, "k-1", NULL, false, &l->arena, told); /* may be repeated */
    assert_int_equal(told[0].outcome, TELL_DONE);

    /* one device of a deployment: only when it loses nothing else */
    OK(l, tell, &two, ids + 1, 3, "k-2", &l->arena, told);
    assert_int_equal(live_tell(l, &one, "hub-c", "k-3", NULL), TELL_DONE);
    OK(l, recall, &two, ids + 2, 2, "k-2", NULL, false, &l->arena, told);
    assert_int_equal(told[0].outcome, TELL_REFUSED);
    assert_int_equal(told[1].outcome, TELL_DONE);
    next(l, paths[3], none);
    assert_string_equal(none, "");
    live_stands(l, &two, "hub-b", AT_TOLD);

    /* back: who has the old one says so at once */
    OK(l, tell, &one, ids, 1, "k-4", &l->arena, told);
    next(l, "hub-a", job[0]);
    assert_int_equal(says(l, "hub-a", job[0], "success"), 200);
    live_stands(l, &one, "hub-a", AT_INSTALLED);
    live_stands(l, &two, "hub-a", AT_OTHER);
    OK(l, tell, &one, ids + 3, 1, "k-5", &l->arena, told);
    next(l, paths[3], none);
    live_stands(l, &one, "hub d/1", AT_INSTALLED);
    OK(l, device, "hub d/1", &l->arena, &device);
    assert_string_equal(device.installed.id, "hub 1.0");
    assert_string_equal(device.actions[0].status, "already-installed");
    live_stands(l, &two, "nobody", AT_ABSENT);
}

static void test_live(void **state)
{
    const char *url = getenv("ANDON_MENDER");
    struct live l;
    (void)state;
    if (!url)
        return;
    struct fleet_spec spec = {.name = "live", .kind = "mender", .endpoint = {.url = url, .user = "operator"}};
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_MENDER_SECRET"};
    live_open(&l, &spec);
    story(&l);
    print_message("the story was played to its end\n");
    live_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_live)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
