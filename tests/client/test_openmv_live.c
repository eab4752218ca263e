/* The OpenMV back end against a real server, with devices that this program plays: `make conformance` starts one and
 * names it in ANDON_OPENMV (its URL; a token with the scope manage in ANDON_OPENMV_SECRET). Nothing is played
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

#define PRODUCT "4611686018427387905"

/* Checks in; true: it is offered something. */
static bool checks_in(struct live *l, const char *name, int payload, const char *fell, bool confirmed)
{
    char body[900];
    snprintf(
        body, sizeof body,
        "{\"device_id\":\"%s\",\"product_id\":" PRODUCT ",\"board\":\"SIM\",\"product\":\"cam\","
        "\"app_version\":\"%d.0\",\"payload_version\":%d,\"fallback_reason\":%s%s%s,\"confirmed\":%s,\"slot\":\"a\","
        "\"slots\":[{\"running\":true,\"payload_version\":%d,\"confirmed\":%s,\"pending\":%s}]}",
        name, payload, payload, fell ? "\"" : "", fell ? fell : "null", fell ? "\"" : "", confirmed ? "true" : "false",
        payload, confirmed ? "true" : "false", confirmed ? "false" : "true");
    int status = live_says(l, "POST", "/api/v1/check", body);
    if (status != 200)
        fail_msg("a check-in is answered %d: %s", status, l->body);
    return strstr(l->body, "\"update\":true") != NULL;
}

static void story(struct live *l)
{
    struct backend_info info;
    struct release one, two, three;
    struct device_list devices;
    struct tell_result t[3];
    const char *undo, *const abc[] = {"SIM:live-a", "SIM:live-b", "SIM:live-c"};
    OK(l, probe, &l->arena, &info);
    assert_string_equal(info.kind, "openmv");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_AUTO_ASSIGN); /* no CAP_DOWNGRADE */
    OK(l, release, NULL, "cam", "1.0", &l->arena, &one);
    OK(l, release, NULL, "cam", "2.0", &l->arena, &two);
    OK(l, release, NULL, "cam", "3.0", &l->arena, &three);
    assert_true(one.order == 1 && two.order == 2 && three.order == 3);
    checks_in(l, "live-a", 1, NULL, true);
    checks_in(l, "live-b", 1, NULL, true);
    checks_in(l, "live-c", 1, NULL, true);
    checks_in(l, "live d", 1, "watchdog", true); /* fell back before anybody told it of anything */
    OK(l, devices, NULL, 100000, &l->arena, &devices);
    int64_t fleet = devices.total;
    assert_int_equal(fleet, 4);

    /* three are told, in one call */
    live_stands(l, &two, "SIM:live-a", AT_OTHER);
    OK(l, tell, &two, abc, 3, "key", &l->arena, t);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(t[i].outcome, TELL_DONE);
        live_stands(l, &two, abc[i], AT_TOLD);
    }

    /* one installs it, after a trial */
    assert_true(checks_in(l, "live-a", 1, NULL, true));
    live_stands(l, &two, "SIM:live-a", AT_BUSY);
    checks_in(l, "live-a", 2, NULL, false);
    live_stands(l, &two, "SIM:live-a", AT_BUSY);
    checks_in(l, "live-a", 2, NULL, true);
    live_stands(l, &two, "SIM:live-a", AT_INSTALLED);

    /* one fails; and that is not said of one that had fallen back before it was told */
    assert_true(checks_in(l, "live-b", 1, NULL, true));
    checks_in(l, "live-b", 1, "trial-boot-failed", true);
    live_stands(l, &two, "SIM:live-b", AT_FAILED);
    assert_int_equal(live_tell(l, &two, "SIM:live d", "key", NULL), TELL_DONE);
    live_stands(l, &two, "SIM:live d", AT_TOLD);
    assert_true(checks_in(l, "live d", 1, "watchdog", true));
    live_stands(l, &two, "SIM:live d", AT_UNKNOWN);
    checks_in(l, "live d", 2, NULL, true);
    live_stands(l, &two, "SIM:live d", AT_INSTALLED);

    /* one is taken back before it had begun: it is offered nothing; again, and it is as before */
    OK(l, recall, &two, &abc[2], 1, "key", NULL, false, &l->arena, t);
    assert_int_equal(t[0].outcome, TELL_DONE);
    assert_false(checks_in(l, "live-c", 1, NULL, true));
    live_stands(l, &two, "SIM:live-c", AT_OTHER);
    OK(l, recall, &two, &abc[2], 1, "key", NULL, false, &l->arena, t);
    assert_int_equal(t[0].outcome, TELL_DONE);

    /* another pin comes back with a recall */
    assert_int_equal(live_tell(l, &two, "SIM:live-c", "key", NULL), TELL_DONE);
    assert_int_equal(live_tell(l, &three, "SIM:live-c", "key", &undo), TELL_DONE);
    assert_string_equal(undo, arena_printf(&l->arena, "pin:%s", two.id));
    OK(l, recall, &three, &abc[2], 1, "key", &undo, false, &l->arena, t);
    live_stands(l, &three, "SIM:live-c", AT_OTHER);
    live_stands(l, &two, "SIM:live-c", AT_TOLD);

    /* an older release is refused here, with nothing sent: the server would have said yes, and held the device */
    struct device_info info_a;
    CALL(l, tell, &one, abc, 1, "key", &l->arena, t);
    assert_int_equal(t[0].outcome, TELL_REFUSED);
    assert_non_null(strstr(t[0].why, "above 2"));
    OK(l, device, "SIM:live-a", &l->arena, &info_a);
    assert_string_equal(info_a.assigned.id, two.id);
    assert_string_equal(info_a.installed.version, "2.0");

    /* one that is not there is not pinned: the server would have kept that for the day it comes */
    struct device_info nobody;
    live_stands(l, &two, "SIM:live-nobody", AT_ABSENT);
    assert_int_equal(live_tell(l, &two, "SIM:live-nobody", "key", NULL), TELL_REFUSED);
    CALL(l, device, "SIM:live-nobody", &l->arena, &nobody);
    assert_int_equal(l->err.code, ERR_NOT_FOUND);
    checks_in(l, "live-nobody", 1, NULL, true);
    live_stands(l, &two, "SIM:live-nobody", AT_OTHER);
}

static void test_live(void **state)
{
    const char *url = getenv("ANDON_OPENMV");
    struct live l;
    (void)state;
    if (!url)
        return;
    struct fleet_spec spec = {.name = "live", .kind = "openmv", .endpoint = {.url = url}};
    spec.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_OPENMV_SECRET"};
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
