/* How groups really advance, and what stop, delete and a roll back leave behind: the server's rules and traps. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

#define BY_HAND                                                                                                        \
    "rollout:\n  name: m\n  by_hand: true\n  history: false\n  old: {name: fw, version: 1.0}\n"                        \
    "  new: {name: fw, version: 2.0}\n  waves: [{name: a, percent: 100}]\n"

/* A rollout of the new firmware with groups given as "percent:success:error,..." over devices em-00<from>.. */
static int64_t make(struct talk *t, const char *name, const char *filter, const char *groups)
{
    char body[3000];
    int n =
        snprintf(body, sizeof body,
                 "{\"name\":\"%s\",\"distributionSetId\":2,\"targetFilterQuery\":\"%s\",\"groups\":[", name, filter);
    for (const char *g = groups; *g;) {
        double percent;
        char success[16], error[16];
        int used = 0;
        percent = strtod(g, NULL);
        g += strcspn(g, ":") + 1;
        used = (int)strcspn(g, ":");
        snprintf(success, sizeof success, "%.*s", used, g);
        g += used + 1;
        used = (int)strcspn(g, ",");
        snprintf(error, sizeof error, "%.*s", used, g);
        g += used;
        n += snprintf(body + n, sizeof body - (size_t)n,
                      "{\"name\":\"g\",\"targetPercentage\":%g,\"successCondition\":{\"condition\":\"THRESHOLD\","
                      "\"expression\":\"%s\"},"
                      "\"errorCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"%s\"}}%s",
                      percent, success, error, *g ? "," : "");
        g += *g == ',';
    }
    snprintf(body + n, sizeof body - (size_t)n, "]}");
    if (talk(t, "POST", "/rest/v1/rollouts", body) != 201)
        fail_msg("%s", t->body);
    int64_t id = talk_int(t, "id");
    talk_wait(t, 4);
    char path[80];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/start", id);
    assert_int_equal(talk(t, "POST", path, NULL), 204);
    return id;
}

static const char *state_of(struct talk *t, int64_t id)
{
    char path[80];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64, id);
    assert_int_equal(talk(t, "GET", path, NULL), 200);
    return talk_str(t, "status");
}

static int64_t count_of(struct talk *t, int64_t id, const char *word)
{
    state_of(t, id);
    int64_t n = -1;
    json_int(json_get(t->json, "totalTargetsPerStatus"), word, &n);
    return n;
}

/* "finished/4/0 running/2/1": state, finished, error of each group. */
static const char *groups_of(struct talk *t, int64_t id, char out[300])
{
    char path[100];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/deploygroups?representation=full", id);
    assert_int_equal(talk(t, "GET", path, NULL), 200);
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < json_len(json_get(t->json, "content")); i++) {
        const struct json_t *g = talk_at(t, "content", i), *c = json_get(g, "totalTargetsPerStatus");
        int64_t fin = 0, err = 0;
        json_int(c, "finished", &fin);
        json_int(c, "error", &err);
        n += (size_t)snprintf(out + n, 300 - n, "%s%s/%d/%d", i ? " " : "", json_str(g, "status", NULL), (int)fin,
                              (int)err);
    }
    return out;
}

static int64_t total_of(struct talk *t, const char *path)
{
    if (talk(t, "GET", path, NULL) != 200)
        fail_msg("%s: %s", path, t->body);
    return talk_int(t, "total");
}

static void test_error_threshold_is_strict(void **state)
{
    (void)state;
    struct talk t;
    char g[300];
    /* model B fails: among 20 devices the seed gives some number of failures; the threshold is put beside it */
    talk_open(&t, BY_HAND "faults:\n  - {kind: install-failures, model: B}\n", 3);
    int64_t bad = total_of(&t, "/rest/v1/targets?limit=1&q=attribute.model==B;name=lt=em-0020");
    assert_true(bad > 2 && bad < 18);
    char spec[100];
    snprintf(spec, sizeof spec, "50:100:%d,50:100:50", (int)bad * 5); /* as many per cent as will fail: does not fire */
    int64_t id = make(&t, "exact", "name=lt=em-0040", spec);
    talk_wait(&t, 150);
    assert_true(strncmp(groups_of(&t, id, g), "finished", 8) == 0);
    talk_close(&t);

    talk_open(&t, BY_HAND "faults:\n  - {kind: install-failures, model: B}\n", 3);
    snprintf(spec, sizeof spec, "50:100:%d,50:100:50", (int)bad * 5 - 1);
    id = make(&t, "below", "name=lt=em-0040", spec);
    talk_wait(&t, 150);
    assert_string_equal(state_of(&t, id), "paused");
    assert_true(strncmp(groups_of(&t, id, g), "error", 5) == 0);
    assert_non_null(strstr(g, "scheduled/0/0"));
    /* resume starts the next group at once, and the error stays */
    char path[80];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/resume", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 3);
    assert_true(strncmp(groups_of(&t, id, g), "error", 5) == 0);
    assert_non_null(strstr(g, " running/"));
    talk_close(&t);
}

static void test_thresholds_that_never_fire(void **state)
{
    (void)state;
    static const char *const never[] = {"100", "x", ""};
    for (size_t i = 0; i < 3; i++) {
        struct talk t;
        char g[300], spec[60];
        talk_open(&t, BY_HAND "faults:\n  - {kind: install-failures}\n", 1);
        snprintf(spec, sizeof spec, "50:100:%s,50:100:50", never[i]);
        int64_t id = make(&t, "n", "name=lt=em-0008", spec);
        talk_wait(&t, 150);
        /* all of the first group failed, and the next was started */
        assert_true(strncmp(groups_of(&t, id, g), "finished/0/4 ", 13) == 0);
        /* the last group over its threshold: finished, not paused */
        talk_wait(&t, 150);
        assert_string_equal(state_of(&t, id), "finished");
        assert_int_equal(count_of(&t, id, "error"), 8);
        talk_close(&t);
    }
}

static void test_success_starts_next(void **state)
{
    (void)state;
    struct talk t;
    char g[300];
    talk_open(&t, BY_HAND "devices: {count: 200, poll: 10m, download: 8s, install: 4s, reboots_per_day: 0}\n", 1);
    int64_t id = make(&t, "s", "name=lt=em-0040", "50:20:50,50:100:50");
    talk_wait(&t, 300);
    groups_of(&t, id, g); /* several run together */
    assert_true(strncmp(g, "running/", 8) == 0);
    assert_non_null(strstr(g, " running/"));
    talk_close(&t);
    /* as many per cent as the threshold says are enough: devices of model A never answer */
    talk_open(&t, BY_HAND "faults:\n  - {kind: install-hangs, model: A}\n", 1);
    int64_t b = total_of(&t, "/rest/v1/targets?limit=1&q=attribute.model==B;name=lt=em-0020");
    char spec[60];
    snprintf(spec, sizeof spec, "50:%d:50,50:100:50", (int)b * 5);
    id = make(&t, "e", "name=lt=em-0040", spec);
    talk_wait(&t, 150);
    groups_of(&t, id, g);
    assert_true(strncmp(g, "running/", 8) == 0);
    assert_non_null(strstr(g, " running/"));
    /* a success threshold that was not met does not hold the next group either, once all have ended */
    talk_close(&t);
    talk_open(&t, BY_HAND "faults:\n  - {kind: install-failures, model: A}\n", 1);
    id = make(&t, "u", "name=lt=em-0040", "50:100:99,50:100:99");
    talk_wait(&t, 150);
    groups_of(&t, id, g);
    assert_true(strncmp(g, "finished/", 9) == 0);
    assert_null(strstr(g, "scheduled"));
    talk_close(&t);
}

static void test_pause_holds_only_the_next(void **state)
{
    (void)state;
    struct talk t;
    char g[300], path[100];
    talk_open(&t, BY_HAND, 1);
    int64_t id = make(&t, "p", "name=lt=em-0040", "50:100:50,50:100:50");
    talk_wait(&t, 3);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/pause", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 200);
    assert_string_equal(groups_of(&t, id, g), "running/20/0 scheduled/0/0"); /* devices went on; nobody looks */
    assert_string_equal(state_of(&t, id), "paused");
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/resume", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 4);
    assert_true(strncmp(groups_of(&t, id, g), "finished/20/0 running/", 22) == 0);
    talk_close(&t);
}

static void test_stop_counts_recalled_as_running(void **state)
{
    (void)state;
    struct talk t;
    char path[120];
    talk_open(&t, BY_HAND "devices: {count: 200, poll: 10m, download: 8s, install: 4s, reboots_per_day: 0}\n", 1);
    int64_t id = make(&t, "s", "name=lt=em-0100", "30:100:50,70:100:50");
    talk_wait(&t, 120);
    int64_t done = count_of(&t, id, "finished");
    assert_true(done > 0 && done < 30);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/stop", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    assert_string_equal(state_of(&t, id), "stopping");
    talk_wait(&t, 4);
    assert_string_equal(state_of(&t, id), "stopped");
    assert_int_equal(count_of(&t, id, "notstarted"), 70);
    int64_t running = count_of(&t, id, "running");
    snprintf(path, sizeof path, "/rest/v1/actions?limit=1&q=rollout.id==%" PRId64 ";status==canceling", id);
    assert_int_equal(total_of(&t, path), running);
    assert_true(running > 0);
    talk_wait(&t, 700); /* each has polled */
    assert_int_equal(total_of(&t, path), 0);
    assert_int_equal(count_of(&t, id, "running"), 0);
    assert_int_equal(count_of(&t, id, "cancelled") + count_of(&t, id, "finished"), 30);
    /* who was recalled is what it was before */
    int64_t on_new = total_of(&t, "/rest/v1/targets?limit=1&q=installedds.version==2.0");
    assert_int_equal(total_of(&t, "/rest/v1/targets?limit=1&q=assignedds.version==2.0"), on_new);
    assert_int_equal(total_of(&t, "/rest/v1/distributionsets/2/installedTargets?limit=1"), on_new);
    talk_close(&t);
}

static void test_delete_believes_what_it_does_not_know(void **state)
{
    (void)state;
    struct talk t;
    char path[120];
    talk_open(&t, BY_HAND "devices: {count: 200, poll: 20s, download: 5m, install: 30s, reboots_per_day: 0}\n", 1);
    int64_t id = make(&t, "d", "name=lt=em-0020", "100:100:50");
    talk_wait(&t, 60);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64, id);
    assert_int_equal(talk(&t, "DELETE", path, NULL), 204);
    talk_wait(&t, 4);
    assert_string_equal(state_of(&t, id), "deleted");
    assert_int_equal(count_of(&t, id, "cancelled"), 20);
    talk_wait(&t, 3600); /* the devices were not asked: they finish, and are answered 410 */
    assert_int_equal(total_of(&t, "/rest/v1/targets?limit=1&q=installedds.version==2.0"), 0);
    struct drill_result r;
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_on_new, 20);
    assert_int_equal(r.devices_broken, 20);
    talk_close(&t);
}

static void test_failed_device(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, BY_HAND "faults:\n  - {kind: install-failures}\n", 1);
    make(&t, "f", "name==em-0000", "100:100:50");
    talk_wait(&t, 120);
    talk(&t, "GET", "/rest/v1/targets/em-0000", NULL);
    assert_string_equal(talk_str(&t, "updateStatus"), "error");
    assert_int_equal(talk(&t, "GET", "/rest/v1/targets/em-0000/assignedDS", NULL), 204); /* empty */
    assert_int_equal(talk(&t, "GET", "/rest/v1/targets/em-0000/installedDS", NULL), 200);
    assert_string_equal(talk_str(&t, "version"), "1.0");
    assert_int_equal(total_of(&t, "/rest/v1/targets?q=updatestatus==error"), 1);
    talk_close(&t);
}

/* Devices that hold the release already are skipped, and counted as finished. */
static void test_already_assigned(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, BY_HAND, 1);
    assert_int_equal(
        talk(
            &t, "POST", "/rest/v1/rollouts",
            "{\"name\":\"same\",\"distributionSetId\":1,\"amountGroups\":1,\"targetFilterQuery\":\"name=lt=em-0010\"}"),
        201);
    int64_t id = talk_int(&t, "id");
    talk_wait(&t, 4);
    char path[100];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/start", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 4);
    assert_string_equal(state_of(&t, id), "finished"); /* before any device has polled */
    assert_int_equal(count_of(&t, id, "finished"), 10);
    talk(&t, "GET", "/rest/v1/targets/em-0000", NULL);
    assert_string_equal(talk_str(&t, "updateStatus"), "in_sync");
    talk_close(&t);
}

/* The roll back's hard case: a device that reports the recalled install after the roll back's own. */
static void test_late_report_and_repair(void **state)
{
    (void)state;
    struct talk t;
    char path[160];
    talk_open(
        &t, BY_HAND "devices: {count: 50, poll: 5m, download: 2m, install: 30s, reboots_per_day: 0, late_report: 1}\n",
        1);
    int64_t id = make(&t, "new", "name==em-0000", "100:100:50");
    talk_wait(&t, 5);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/stop", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 4);
    assert_int_equal(talk(&t, "POST", "/rest/v1/rollouts",
                          "{\"name\":\"back\",\"distributionSetId\":1,\"amountGroups\":1,\"targetFilterQuery\":"
                          "\"installedds.version==2.0,assignedds.version==2.0\"}"),
                     201);
    int64_t back = talk_int(&t, "id");
    assert_int_equal(talk_int(&t, "totalTargets"), 1);
    talk_wait(&t, 4);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/start", back);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 1800);
    assert_string_equal(state_of(&t, back), "finished"); /* says the server */
    talk(&t, "GET", "/rest/v1/targets/em-0000", NULL);
    assert_string_equal(talk_str(&t, "updateStatus"), "in_sync");
    assert_int_equal(total_of(&t, "/rest/v1/targets?q=installedds.version==2.0;assignedds.version==1.0"), 1);
    /* a plain assignment is skipped; recorded as installed first, it is not */
    talk(&t, "POST", "/rest/v1/targets/em-0000/assignedDS", "{\"id\":1}");
    assert_int_equal(talk_int(&t, "alreadyAssigned"), 1);
    talk(&t, "POST", "/rest/v1/targets/em-0000/assignedDS?offline=true", "{\"id\":2}");
    assert_int_equal(talk_int(&t, "assigned"), 1);
    talk(&t, "POST", "/rest/v1/targets/em-0000/assignedDS", "{\"id\":1}");
    assert_int_equal(talk_int(&t, "assigned"), 1);
    talk_wait(&t, 1800);
    assert_int_equal(total_of(&t, "/rest/v1/targets?q=installedds.version==2.0"), 0);
    struct drill_result r;
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_on_old, 50);
    talk_close(&t);
}

static void test_rejected_cancel_runs_again(void **state)
{
    (void)state;
    struct talk t;
    char path[160];
    talk_open(&t,
              BY_HAND
              "devices: {count: 50, poll: 1m, download: 5m, install: 30s, reboots_per_day: 0, cancel_rejected: 1}\n",
              1);
    int64_t id = make(&t, "new", "name==em-0000", "100:100:50");
    talk_wait(&t, 90);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/stop", id);
    talk(&t, "POST", path, NULL);
    talk_wait(&t, 90);
    assert_string_equal(state_of(&t, id), "stopped");
    snprintf(path, sizeof path, "/rest/v1/actions?q=rollout.id==%" PRId64 ";active==true", id);
    assert_int_equal(total_of(&t, path), 1);
    talk_wait(&t, 3600);
    assert_int_equal(total_of(&t, "/rest/v1/targets?q=installedds.version==2.0"), 1);
    talk_close(&t);
}

/* An install that hangs is told and does not end: only a recall ends it, and the device takes the next task. */
static void test_hanging_install(void **state)
{
    (void)state;
    struct talk t;
    char path[160];
    talk_open(&t, BY_HAND "faults:\n  - {kind: install-hangs, wave: 1}\n", 1);
    int64_t id = make(&t, "h", "name=lt=em-0020", "50:100:50,50:100:50");
    talk_wait(&t, 3600);
    assert_string_equal(state_of(&t, id), "running");
    assert_int_equal(total_of(&t, "/rest/v1/targets?limit=1&q=installedds.version==2.0"), 10); /* the first wave */
    assert_int_equal(count_of(&t, id, "running"), 10);
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/stop", id);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 600);
    assert_int_equal(count_of(&t, id, "cancelled"), 10);
    struct drill_result r;
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_on_new, 10);
    assert_int_equal(r.devices_broken, 0);
    assert_true(r.injected_at > 0);
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_threshold_is_strict),
        cmocka_unit_test(test_thresholds_that_never_fire),
        cmocka_unit_test(test_success_starts_next),
        cmocka_unit_test(test_pause_holds_only_the_next),
        cmocka_unit_test(test_stop_counts_recalled_as_running),
        cmocka_unit_test(test_delete_believes_what_it_does_not_know),
        cmocka_unit_test(test_failed_device),
        cmocka_unit_test(test_already_assigned),
        cmocka_unit_test(test_late_report_and_repair),
        cmocka_unit_test(test_rejected_cancel_runs_again),
        cmocka_unit_test(test_hanging_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
