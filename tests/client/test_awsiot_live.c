/* The AWS IoT back end against the stand-in that `make conformance` starts (tests/conformance/awsiot.py; its URL in
 * ANDON_AWSIOT, keys in ANDON_AWSIOT_SECRET), with things that this program plays. Nothing is played elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "live.h"

static void registers(struct live *l, const char *id)
{
    char path[200];
    snprintf(path, sizeof path, "/device/%s", id);
    assert_int_equal(live_says(l, "POST", path, "{\"model\":\"cam\"}"), 200);
}

/* The job that it is handed, "" = none. */
static void next(struct live *l, const char *id, char job[80])
{
    char path[200];
    snprintf(path, sizeof path, "/device/%s/next", id);
    assert_int_equal(live_says(l, "POST", path, "{}"), 200);
    const char *at = strstr(l->body, "\"job\": \"");
    snprintf(job, 80, "%.*s", at ? (int)strcspn(at + 8, "\"") : 0, at ? at + 8 : "");
}

static int reports(struct live *l, const char *id, const char *job, const char *status)
{
    char path[300], body[80];
    snprintf(path, sizeof path, "/device/%s/%s", id, job);
    snprintf(body, sizeof body, "{\"status\":\"%s\"}", status);
    return live_says(l, "POST", path, body);
}

static enum tell_outcome take_back(struct live *l, const struct release *r, const char *id, const char *key, bool force)
{
    struct tell_result back[1];
    const char *const ids[] = {id};
    CALL(l, recall, r, ids, 1, key, NULL, force, &l->arena, back);
    return back[0].outcome;
}

static void story(struct live *l)
{
    struct backend_info info;
    struct release one, two;
    struct device_list things;
    struct device_info thing;
    char job[80], bad[80];
    static const char *const names[] = {"cam-a", "cam-b", "cam-c", "cam-d", "odd%3Aname%20x"};
    for (size_t i = 0; i < 5; i++)
        registers(l, names[i]);
    OK(l, probe, &l->arena, &info);
    assert_string_equal(info.user, "ASIATEMP");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE | CAP_FORCE);
    OK(l, release, NULL, "cam", "1.0", &l->arena, &one);
    OK(l, release, NULL, "cam", "2.0", &l->arena, &two);
    OK(l, devices, NULL, 100, &l->arena, &things);
    assert_int_equal(things.total, 5);

    /* told, begun, installed; the same key again is the same job */
    live_stands(l, &two, "cam-a", AT_OTHER);
    assert_int_equal(live_tell(l, &two, "cam-a", "intent-1", NULL), TELL_DONE);
    assert_int_equal(live_tell(l, &two, "cam-a", "intent-1", NULL), TELL_DONE);
    assert_int_equal(live_tell(l, &two, "cam-b", "intent-1", NULL), TELL_REFUSED);
    assert_int_equal(l->err.code, ERR_CONFLICT);
    live_stands(l, &two, "cam-a", AT_TOLD);
    next(l, "cam-a", job);
    assert_int_equal(reports(l, "cam-a", job, "IN_PROGRESS"), 200);
    live_stands(l, &two, "cam-a", AT_BUSY);
    assert_int_equal(reports(l, "cam-a", job, "SUCCEEDED"), 200);
    live_stands(l, &two, "cam-a", AT_INSTALLED);
    live_stands(l, &one, "cam-a", AT_OTHER);

    /* failed; a new key tells it again */
    assert_int_equal(live_tell(l, &two, "cam-b", "intent-2", NULL), TELL_DONE);
    next(l, "cam-b", job);
    assert_int_equal(reports(l, "cam-b", job, "FAILED"), 200);
    live_stands(l, &two, "cam-b", AT_FAILED);
    assert_int_equal(live_tell(l, &two, "cam-b", "intent-3", NULL), TELL_DONE);
    live_stands(l, &two, "cam-b", AT_TOLD);

    /* taken back before it had begun; once it has, only by force, and then its outcome is lost */
    assert_int_equal(live_tell(l, &two, "cam-c", "intent-4", NULL), TELL_DONE);
    assert_int_equal(take_back(l, &two, "cam-c", "intent-4", false), TELL_DONE);
    live_stands(l, &two, "cam-c", AT_RECALLED);
    next(l, "cam-c", job);
    assert_string_equal(job, "");
    assert_int_equal(live_tell(l, &two, "cam-c", "intent-5", NULL), TELL_DONE);
    next(l, "cam-c", job);
    assert_int_equal(reports(l, "cam-c", job, "IN_PROGRESS"), 200);
    assert_int_equal(take_back(l, &two, "cam-c", "intent-5", false), TELL_REFUSED);
    live_stands(l, &two, "cam-c", AT_BUSY);
    assert_int_equal(take_back(l, &two, "cam-c", "intent-5", true), TELL_DONE);
    live_stands(l, &two, "cam-c", AT_LOST);
    assert_int_equal(reports(l, "cam-c", job, "SUCCEEDED"), 409); /* it has it, and nobody learns of it */

    /* back to the old one: what a thing has begun comes first */
    assert_int_equal(live_tell(l, &two, "cam-d", "intent-6", NULL), TELL_DONE);
    next(l, "cam-d", bad);
    assert_int_equal(reports(l, "cam-d", bad, "IN_PROGRESS"), 200);
    assert_int_equal(live_tell(l, &one, "cam-d", "intent-7", NULL), TELL_DONE);
    next(l, "cam-d", job);
    assert_string_equal(job, bad);
    assert_int_equal(reports(l, "cam-d", bad, "SUCCEEDED"), 200);
    live_stands(l, &two, "cam-d", AT_INSTALLED);
    next(l, "cam-d", job);
    assert_int_equal(reports(l, "cam-d", job, "SUCCEEDED"), 200);
    live_stands(l, &one, "cam-d", AT_INSTALLED);
    live_stands(l, &two, "cam-d", AT_OTHER);

    /* found by what they were told, and what they have reported */
    OK(l, devices, (&(struct device_filter){.installed = &two}), 100, &l->arena, &things);
    assert_int_equal(things.total, 1);
    assert_string_equal(things.v[0].raw_id, "cam-a");
    OK(l, devices, (&(struct device_filter){.assigned = &two}), 100, &l->arena, &things);
    assert_int_equal(things.total, 3); /* and one that was told again, and one that is lost */

    /* a name with a colon and a blank; one that is not there */
    assert_int_equal(live_tell(l, &two, "odd:name x", "intent-8", NULL), TELL_DONE);
    live_stands(l, &two, "odd:name x", AT_TOLD);
    assert_int_equal(take_back(l, &two, "odd:name x", "intent-8", false), TELL_DONE);
    OK(l, device, "odd:name x", &l->arena, &thing);
    assert_int_equal(thing.n_actions, 1);
    assert_string_equal(thing.actions[0].release, "cam:2.0");
    live_stands(l, &two, "nobody", AT_ABSENT);
    assert_int_equal(live_tell(l, &two, "nobody", "intent-9", NULL), TELL_REFUSED);
}

static void test_live(void **state)
{
    static const struct aws_release releases[] = {{"cam", "2.0", "{\"version\":\"2.0\"}"},
                                                  {"cam", "1.0", "{\"version\":\"1.0\"}"}};
    const char *url = getenv("ANDON_AWSIOT");
    struct live l;
    (void)state;
    if (!url)
        return;
    struct fleet_spec spec = {.name = "live",
                              .kind = "awsiot",
                              .endpoint = {.url = url},
                              .aws = {.region = "eu-west-1", .releases = releases, .n_releases = 2}};
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_AWSIOT_SECRET"};
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
