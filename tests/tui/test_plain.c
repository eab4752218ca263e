/* Plain mode: what changed, in words, and no byte that is not text. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tests/tui/fixture.h"
#include "tests/tui/pty.h"
#include "tui/changes.h"

static const char *between(struct snapshot *a, struct snapshot *b)
{
    static struct buf out;
    if (!out.data)
        buf_init(&out, 65536);
    buf_clear(&out);
    changes_between(a, b, FIXTURE_NOW, &out);
    snapshot_unref(a);
    snapshot_unref(b);
    return out.data;
}

static void test_first_snapshot(void **state)
{
    (void)state;
    assert_string_equal(between(NULL, fixture_snapshot("connecting", 1, false)),
                        "12:41:07Z emea: link is connecting\n12:41:07Z emea: telemetry is connecting\n");
    const char *text = between(NULL, fixture_snapshot("board", 1, false));
    assert_non_null(strstr(text, "12:41:07Z emea: link is live\n"));
    assert_non_null(strstr(text, "12:41:07Z emea: rollout 4471 hearth hearth 4.12.1: running, 101 of 700 devices "
                                 "finished.\n"));
}

static void test_nothing_new_says_nothing(void **state)
{
    (void)state;
    assert_string_equal(between(fixture_snapshot("board", 1, false), fixture_snapshot("board", 2, false)), "");
    assert_string_equal(between(fixture_snapshot("board", 1, true), fixture_snapshot("board", 2, true)), "");
}

static void test_halt(void **state)
{
    (void)state;
    assert_string_equal(between(fixture_snapshot("board", 1, false), fixture_snapshot("board", 2, true)),
                        "12:41:07Z emea: rollout 4471 hearth: running -> HALTED by rule R-REBOOT. reboot rate 3.1x "
                        "control (limit 1.5x)\n"
                        "12:41:07Z emea: ALERT 4471 reboot rate 3.1x control (limit 1.5x)\n");
}

static void test_verdict_wave_rollback_op(void **state)
{
    (void)state;
    struct snapshot *a = fixture_snapshot("board", 1, false), *b = fixture_snapshot("board", 2, false);
    b->rollouts[1].waves[1].wave.state = WAVE_FINISHED;
    b->rollouts[1].waves[2].verdict.react = REACT_HOLD;
    snprintf(b->rollouts[1].waves[2].verdict.text, 100, "no telemetry for 2 min");
    b->rollouts[2].rollback =
        (struct rollback_view){.step = RB_DRAIN, .devices = 1934, .verified = 12, .text = "waits for 3", .left = ""};
    b->n_ops = 1;
    b->ops = ARENA_ARRAY(&b->arena, struct op_view, 1);
    b->ops[0] =
        (struct op_view){.ticket = 5, .verb = VERB_PAUSE, .rollout = "4466", .phase = OP_DONE, .text = "paused"};
    b->link.state = LINK_STALE;
    b->link.error = "timed out";
    b->link.next = "Is it up?";
    const char *text = between(a, b);
    assert_non_null(strstr(text, "emea: link is stale. timed out Is it up?\n"));
    assert_non_null(strstr(text, "emea: rollout 4466 wave 1 group-2: finished\n"));
    assert_non_null(strstr(text, "emea: rollout 4466 wave 2 verdict: hold. no telemetry for 2 min\n"));
    assert_non_null(strstr(text, "12 of 1,934 devices verified. waits for 3\n"));
    assert_non_null(strstr(text, "emea: pause 4466: done. paused\n"));
}

static void reported(struct pty *p, const char *want)
{
    char line[300];
    pty_report(p, line, sizeof line);
    assert_string_equal(line, want);
}

static void test_plain_console(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "plain", 24, 80, "xterm-256color", NULL);
    pty_send(&p, "halt 4471\n");
    reported(&p, "submit halt 4471 m.ito");
    pty_send(&p, "halt all\n");
    reported(&p, "submit halt  m.ito");
    pty_send(&p, "ack 4471\n");
    reported(&p, "submit ack 4471 m.ito");
    /* Half a command with a control character in it, or one too long, is none. */
    pty_send(&p, "halt 44\00171\nhalt \nadvance 4471\n");
    pty_order(&p, ORDER_HALT);
    while (!pty_raw_has(&p, "HALTED by rule R-REBOOT", 0))
        pty_has_more(&p);
    pty_send(&p, "halt 4466\n");
    reported(&p, "submit halt 4466 m.ito"); /* and nothing in between */
    pty_send(&p, "quit\n");
    assert_int_equal(pty_exit(&p), 0);
    assert_false(pty_raw_has(&p, "\033", 0));
    pty_check_clean(&p);
    pty_end(&p);
}

/* Both fleets have the same rollouts: an id alone is no answer to which. */
static void test_two_fleets(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "plain-two", 24, 80, "dumb", NULL);
    pty_send(&p, "ack 4471\n");
    while (!pty_raw_has(&p, "2 fleets have a rollout 4471: say FLEET/4471; nothing was done", 0))
        pty_has_more(&p);
    pty_send(&p, "halt apac/4471\n");
    reported(&p, "submit halt apac/4471 m.ito"); /* and nothing before */
    pty_send(&p, "ack emea/4471\n");
    reported(&p, "submit ack 4471 m.ito");
    pty_send(&p, "quit\n");
    assert_int_equal(pty_exit(&p), 0);
    pty_end(&p);
}

static void test_plain_ends_on_signals(void **state)
{
    (void)state;
    static const int sigs[] = {SIGTERM, SIGHUP, SIGINT};
    for (int i = 0; i < 3; i++) {
        struct pty p;
        pty_start(&p, "plain", 24, 80, "dumb", NULL);
        while (!pty_raw_has(&p, "rollout 4463", 0))
            pty_has_more(&p);
        kill(p.pid, sigs[i]);
        int status = pty_exit(&p);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 128 + sigs[i]);
        pty_end(&p);
    }
}

int main(int argc, char **argv)
{
    int status;
    if (fixture_is_child(argc, argv, &status))
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_snapshot),
        cmocka_unit_test(test_nothing_new_says_nothing),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_two_fleets),
        cmocka_unit_test(test_verdict_wave_rollback_op),
        cmocka_unit_test(test_plain_console),
        cmocka_unit_test(test_plain_ends_on_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
