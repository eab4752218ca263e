/* The drill's clock: when virtual time may jump, and when it must not. */
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "talk.h"

#define SLOW "faults:\n  - {kind: slow-server, at: 0s, until: 30m, delay: 40s}\n"

static int64_t idle(struct talk *t, int64_t deadline, unsigned in_flight)
{
    struct clock *c = drill_clock(t->d);
    return c->idle(c, deadline, in_flight);
}

static int64_t now(struct talk *t)
{
    return clock_now(drill_clock(t->d));
}

static void test_jumps_when_idle(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t, "", 1);
    int64_t t0 = now(&t);
    assert_int_equal(idle(&t, t0 + 90 * US_PER_S, 0), 0);
    assert_int_equal(now(&t), t0 + 90 * US_PER_S);
    assert_int_equal(idle(&t, t0, 0), 0); /* a deadline in the past: look again, and time does not go back */
    assert_int_equal(now(&t), t0 + 90 * US_PER_S);
    /* it stands still while anything is under way */
    int64_t wait = idle(&t, t0 + US_PER_HOUR, 1);
    assert_true(wait > 0 && wait <= US_PER_MS);
    assert_int_equal(now(&t), t0 + 90 * US_PER_S);
    /* and stops at what the drill itself has to look at: its end */
    assert_int_equal(idle(&t, TIME_NEVER, 0), 0);
    assert_int_equal(now(&t), t0 + 4 * US_PER_HOUR);
    assert_true(idle(&t, TIME_NEVER, 0) > 0); /* nothing will ever happen by itself */
    assert_int_equal(clock_wall(drill_clock(t.d)), now(&t));
    talk_close(&t);
}

/* Waits, in real time, until the server holds the answer back: then only time's passing can bring it. */
static void until_held(struct talk *t, unsigned in_flight, int64_t deadline)
{
    for (int i = 0; i < 5000; i++) {
        int64_t us = idle(t, deadline, in_flight);
        if (us == 0)
            return;
        poll(NULL, 0, 1);
    }
    fail_msg("time stands still");
}

static void test_held_answers(void **state)
{
    (void)state;
    struct talk t;
    char auth[300];
    talk_open(&t, SLOW, 1);
    snprintf(auth, sizeof auth, "Authorization: %s\r\n", t.auth);
    int64_t t0 = now(&t);
    talk_send(&t, auth, "GET", "/rest/v1/userinfo", NULL);
    until_held(&t, 1, t0 + US_PER_HOUR);
    assert_int_equal(now(&t), t0 + 40 * US_PER_S); /* to the answer's time, not to the deadline */
    assert_true(talk_read(&t));
    assert_int_equal(t.status, 200);
    /* one of two is held: the other may be answered any moment, so time stands still */
    t0 = now(&t);
    talk_send(&t, auth, "GET", "/rest/v1/userinfo", NULL);
    for (int i = 0; i < 50; i++) {
        assert_true(idle(&t, t0 + US_PER_HOUR, 2) > 0);
        poll(NULL, 0, 1);
    }
    assert_int_equal(now(&t), t0);
    until_held(&t, 1, t0 + US_PER_HOUR);
    assert_true(talk_read(&t));
    /* a timer of the asker's at that very moment comes first, then the answer: else the machine would decide */
    char byte;
    t0 = now(&t);
    talk_send(&t, auth, "GET", "/rest/v1/userinfo", NULL);
    until_held(&t, 1, t0 + 40 * US_PER_S);
    assert_int_equal(now(&t), t0 + 40 * US_PER_S);
    poll(NULL, 0, 20);
    assert_true(recv(t.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    until_held(&t, 1, t0 + US_PER_HOUR);
    assert_true(talk_read(&t));
    assert_int_equal(now(&t), t0 + 40 * US_PER_S);
    /* a time-out before it: time goes there, and the answer is not let go */
    t0 = now(&t);
    talk_send(&t, auth, "GET", "/rest/v1/userinfo", NULL);
    until_held(&t, 1, t0 + 10 * US_PER_S);
    assert_int_equal(now(&t), t0 + 10 * US_PER_S);
    /* the asker gives up: what the server holds for it counts no more */
    close(t.fd);
    t.fd = -1;
    int64_t wait = idle(&t, t0 + US_PER_HOUR, 1);
    assert_true(wait > 0);
    assert_int_equal(now(&t), t0 + 10 * US_PER_S);
    assert_int_equal(talk_as(&t, NULL, "", "GET", "/metrics", NULL), 200); /* telemetry is not held back */
    talk_close(&t);
}

/* On a multiple of real time a thread of the drill's lets held answers go. */
static void test_scaled(void **state)
{
    (void)state;
    struct talk t;
    char yaml[2000];
    snprintf(yaml, sizeof yaml,
             "name: small\ndescription: d\ndevices: {count: 20}\nrollout:\n  name: m\n  old: {name: f, version: 1}\n"
             "  new: {name: f, version: 2}\n  waves: [{name: a, percent: 100}]\nends: {after: 4h}\nexpect: {halted: "
             "false}\n%s",
             SLOW);
    talk_open_scenario(&t, yaml, 1, 1000);
    int64_t t0 = now(&t);
    assert_int_equal(talk(&t, "GET", "/rest/v1/userinfo", NULL), 200);
    assert_true(now(&t) - t0 >= 40 * US_PER_S);
    int64_t wait = idle(&t, now(&t) + 1000 * US_PER_S, 5); /* a second of real time, whatever is under way */
    assert_true(wait > US_PER_S / 2 && wait <= US_PER_S + 1);
    assert_int_equal(idle(&t, now(&t) - 1, 0), 0);
    talk_close(&t);
}

#define LEAD_IN "watch: {poll: 5s, scrape: 30s, lead_in: 70m}\n"

/* The clock begins before time 0. Without a speed, time 0 is a moment like others. */
static void test_lead_in(void **state)
{
    (void)state;
    struct talk t, plain;
    talk_open(&plain, "", 1);
    int64_t zero = now(&plain); /* virtual drills share it */
    talk_close(&plain);
    talk_open(&t, LEAD_IN, 1);
    assert_int_equal(now(&t), zero - 70 * US_PER_MIN);
    assert_int_equal(idle(&t, zero + US_PER_MIN, 0), 0);
    assert_int_equal(now(&t), zero + US_PER_MIN);
    assert_true(drill_wait_begun(t.d, 0));
    talk_close(&t);
}

/* With a speed the lead-in is lived through in virtual time, and then time goes by itself, from time 0 and not from
 * where the engine wanted to go. */
static void test_lead_in_scaled(void **state)
{
    (void)state;
    struct talk t;
    talk_open_scenario(&t,
                       "name: small\ndescription: d\ndevices: {count: 20}\nrollout:\n  name: m\n  old: {name: f, "
                       "version: 1}\n  new: {name: f, version: 2}\n  waves: [{name: a, percent: 100}]\nends: {after: "
                       "4h}\nexpect: {halted: false}\n" LEAD_IN,
                       1, 1000);
    int64_t from = now(&t), zero = from + 70 * US_PER_MIN;
    poll(NULL, 0, 20); /* 20 s of it, if it went by itself */
    assert_int_equal(now(&t), from);
    assert_false(drill_wait_begun(t.d, US_PER_MS));
    assert_true(idle(&t, from + US_PER_MIN, 1) > 0); /* something is under way */
    assert_int_equal(now(&t), from);
    assert_int_equal(idle(&t, from + US_PER_MIN, 0), 0);
    assert_int_equal(now(&t), from + US_PER_MIN);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "ready");
    assert_int_equal(idle(&t, zero + US_PER_HOUR, 0), 0);
    assert_true(drill_wait_begun(t.d, 0));
    int64_t then = now(&t);
    assert_true(then >= zero && then < zero + US_PER_HOUR);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "running");
    poll(NULL, 0, 5);
    assert_true(now(&t) >= then + 5 * US_PER_S);
    talk_close(&t);
}

/* A server alone has nobody who moves time. */
static void test_no_lead_in(void **state)
{
    (void)state;
    struct arena a;
    struct err e = {0};
    const char *yaml = "name: small\ndescription: d\ndevices: {count: 20}\nrollout:\n  name: m\n  old: {name: f, "
                       "version: 1}\n  new: {name: f, version: 2}\n  waves: [{name: a, percent: 100}]\nends: {after: "
                       "4h}\nexpect: {halted: false}\n" LEAD_IN;
    arena_init(&a);
    struct drill_spec spec = {scenario_parse("x", yaml, strlen(yaml), &a, &e), 1, 1000, 0, true};
    assert_non_null(spec.scenario);
    struct drill *d = drill_start(&spec, &e);
    assert_non_null(d);
    assert_true(drill_wait_begun(d, 0));
    int64_t then = clock_now(drill_clock(d));
    poll(NULL, 0, 5);
    assert_true(clock_now(drill_clock(d)) >= then + 5 * US_PER_S);
    drill_stop(d);
    arena_release(&a);
}

/* Stopping a drill that holds an answer back must not hang, and the asker is told something. */
static void test_stop_while_held(void **state)
{
    (void)state;
    struct talk t;
    char auth[300];
    talk_open(&t, SLOW, 1);
    snprintf(auth, sizeof auth, "Authorization: %s\r\n", t.auth);
    talk_send(&t, auth, "GET", "/rest/v1/userinfo", NULL);
    until_held(&t, 1, now(&t) + US_PER_S);
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jumps_when_idle), cmocka_unit_test(test_held_answers),
        cmocka_unit_test(test_scaled),          cmocka_unit_test(test_stop_while_held),
        cmocka_unit_test(test_lead_in),         cmocka_unit_test(test_lead_in_scaled),
        cmocka_unit_test(test_no_lead_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
