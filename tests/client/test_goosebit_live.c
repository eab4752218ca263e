/* The gooseBit back end against a real server, with devices that this program plays: `make conformance` starts one and
 * names it in ANDON_GOOSEBIT (its URL; user operator, password in ANDON_GOOSEBIT_SECRET). Nothing is played elsewhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "live.h"

static int device_says(struct live *l, const char *id, const char *method, const char *path, const char *body)
{
    char url[300];
    snprintf(url, sizeof url, "/DEFAULT/controller/v1/%s%s", id, path);
    return live_says(l, method, url, body);
}

static void registers(struct live *l, const char *id, const char *version)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"mode\":\"merge\",\"data\":{\"hw_boardname\":\"cam\",\"hw_revision\":\"b2\",\"sw_version\":\"%s\"}}",
             version);
    assert_int_equal(device_says(l, id, "GET", "", NULL), 200);
    assert_int_equal(device_says(l, id, "PUT", "/configData", body), 200);
}

/* The id of the action that it is offered, 0 = none. */
static int offered(struct live *l, const char *id)
{
    assert_int_equal(device_says(l, id, "GET", "", NULL), 200);
    const char *at = strstr(l->body, "/deploymentBase/");
    return at ? (int)strtol(at + 16, NULL, 10) : 0;
}

static void reports(struct live *l, const char *id, int action, const char *execution, const char *finished)
{
    char path[80], body[300];
    snprintf(path, sizeof path, "/deploymentBase/%d/feedback", action);
    snprintf(body, sizeof body,
             "{\"status\":{\"execution\":\"%s\",\"result\":{\"finished\":\"%s\"},\"details\":[\"x\"]}}", execution,
             finished);
    assert_int_equal(device_says(l, id, "POST", path, body), 200);
}

/* --- the story --- */

static void story(struct live *l)
{
    struct backend_info info;
    struct release one, two;
    struct device_list devices;
    const char *undo;
    OK(l, probe, &l->arena, &info);
    assert_string_equal(info.kind, "goosebit");
    assert_string_equal(info.user, "operator");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE | CAP_AUTO_ASSIGN);
    OK(l, release, NULL, "cam/b2", "1.0", &l->arena, &one);
    OK(l, release, NULL, "cam/b2", "2.0", &l->arena, &two);
    registers(l, "live-a", "1.0"); /* alone: two that bring a new board at once make two rows of it */
    registers(l, "live-b", "1.0");
    registers(l, "live-c", "1.0");
    OK(l, devices, NULL, 100000, &l->arena, &devices);
    int64_t fleet = devices.total;

    /* told, taken, begun, installed */
    live_stands(l, &two, "live-a", AT_OTHER);
    live_stands(l, &one, "live-a", AT_INSTALLED);
    assert_int_equal(offered(l, "live-a"), 0);
    assert_int_equal(live_tell(l, &two, "live-a", "key", &undo), TELL_DONE);
    assert_string_equal(undo, "feed:default");
    live_stands(l, &two, "live-a", AT_TOLD);
    int action = offered(l, "live-a");
    assert_int_not_equal(action, 0);
    reports(l, "live-a", action, "proceeding", "none");
    live_stands(l, &two, "live-a", AT_BUSY);
    reports(l, "live-a", action, "closed", "success");
    registers(l, "live-a", "2.0");
    live_stands(l, &two, "live-a", AT_INSTALLED);

    /* failed; told again it tries again */
    assert_int_equal(live_tell(l, &two, "live-b", "key", NULL), TELL_DONE);
    action = offered(l, "live-b");
    reports(l, "live-b", action, "proceeding", "none");
    reports(l, "live-b", action, "closed", "failure");
    live_stands(l, &two, "live-b", AT_FAILED);
    assert_int_equal(offered(l, "live-b"), 0);
    assert_int_equal(live_tell(l, &two, "live-b", "key", NULL), TELL_DONE);
    live_stands(l, &two, "live-b", AT_TOLD);
    assert_int_not_equal(offered(l, "live-b"), 0);

    /* taken back before it had begun: it is offered nothing, and has its feed again */
    struct tell_result back[1];
    struct device_info info_c;
    const char *const c[] = {"live-c"};
    assert_int_equal(live_tell(l, &two, "live-c", "key", &undo), TELL_DONE);
    OK(l, recall, &two, c, 1, "key", &undo, false, &l->arena, back);
    assert_int_equal(back[0].outcome, TELL_DONE);
    assert_int_equal(offered(l, "live-c"), 0);
    live_stands(l, &two, "live-c", AT_OTHER);
    OK(l, device, "live-c", &l->arena, &info_c);
    bool feed = false;
    for (size_t i = 0; i < info_c.n_attributes; i++)
        feed =
            feed || (strcmp(info_c.attributes[i][0], "feed") == 0 && strcmp(info_c.attributes[i][1], "default") == 0);
    assert_true(feed);

    /* told the old release in the middle of an install: it ends that first */
    assert_int_equal(live_tell(l, &two, "live-c", "key", NULL), TELL_DONE);
    action = offered(l, "live-c");
    reports(l, "live-c", action, "proceeding", "none");
    assert_int_equal(live_tell(l, &one, "live-c", "key", NULL), TELL_DONE);
    live_stands(l, &two, "live-c", AT_UNKNOWN);
    reports(l, "live-c", action, "closed", "success");
    registers(l, "live-c", "2.0");
    live_stands(l, &two, "live-c", AT_INSTALLED);
    live_stands(l, &one, "live-c", AT_TOLD);
    action = offered(l, "live-c");
    reports(l, "live-c", action, "closed", "success");
    registers(l, "live-c", "1.0");
    live_stands(l, &one, "live-c", AT_INSTALLED);

    /* one that is not there is not made by asking for it */
    struct device_info nobody;
    live_stands(l, &two, "live-nobody", AT_ABSENT);
    assert_int_equal(live_tell(l, &two, "live-nobody", "key", NULL), TELL_REFUSED);
    CALL(l, device, "live-nobody", &l->arena, &nobody);
    assert_int_equal(l->err.code, ERR_NOT_FOUND);
    OK(l, devices, NULL, 100000, &l->arena, &devices);
    assert_int_equal(devices.total, fleet);
}

static void test_live(void **state)
{
    const char *url = getenv("ANDON_GOOSEBIT");
    struct live l;
    (void)state;
    if (!url)
        return;
    struct fleet_spec spec = {.name = "live", .kind = "goosebit", .endpoint = {.url = url, .user = "operator"}};
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_GOOSEBIT_SECRET"};
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
