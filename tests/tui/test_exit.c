/* The terminal is given back, however the console ends; and it may be taken away for a while. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/tui/fixture.h"
#include "tests/tui/pty.h"

/* Faults must end as faults (a core dump, the supervisor's note), also where a sanitizer would make an exit of them. */
static const char *const raw_faults[] = {"ASAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0",
                                         "TSAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigbus=0", NULL};
static const char *const terms[] = {"xterm-256color", "tmux-256color", "linux", "vt220"};
enum { N_TERMS = sizeof terms / sizeof terms[0] };

static void begin(struct pty *p, const char *term)
{
    pty_start(p, "board", 24, 80, term, raw_faults);
    pty_fence(p, 0, 80, 1);
    struct termios now;
    tcgetattr(p->fd, &now);
    assert_false(now.c_lflag & (ICANON | ECHO | ISIG)); /* else the checks below prove nothing */
}

static void by_signal(int sig, int expect_exit, int expect_signal)
{
    for (int i = 0; i < N_TERMS; i++) {
        struct pty p;
        begin(&p, terms[i]);
        kill(p.pid, sig);
        int status = pty_exit(&p);
        if (expect_signal) {
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), expect_signal);
        } else {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), expect_exit);
        }
        pty_check_restored(&p);
        pty_end(&p);
    }
}

static void test_quit(void **state)
{
    (void)state;
    for (int i = 0; i < N_TERMS; i++) {
        struct pty p;
        begin(&p, terms[i]);
        pty_send(&p, "q");
        assert_int_equal(pty_exit(&p), 0);
        pty_check_restored(&p);
        pty_end(&p);
    }
}

static void test_term_hup(void **state)
{
    (void)state;
    by_signal(SIGTERM, 128 + SIGTERM, 0);
    by_signal(SIGHUP, 128 + SIGHUP, 0);
}

static void test_int_cancels_only(void **state)
{
    (void)state;
    struct pty p;
    begin(&p, terms[0]);
    kill(p.pid, SIGINT);
    pty_fence(&p, 1, 80, 1); /* it counts as the key Ctrl-C */
    pty_send(&p, "\003");
    pty_fence(&p, 2, 80, 1);
    pty_send(&p, "q");
    assert_int_equal(pty_exit(&p), 0);
    pty_end(&p);
}

static void test_crash_signals(void **state)
{
    (void)state;
    by_signal(SIGSEGV, 0, SIGSEGV);
    by_signal(SIGBUS, 0, SIGBUS);
    by_signal(SIGABRT, 0, SIGABRT);
}

static void order_ends(char order, int sig)
{
    struct pty p;
    begin(&p, terms[0]);
    pty_order(&p, order);
    int status = pty_exit(&p);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), sig);
    pty_check_restored(&p);
    assert_true(pty_has(&p, "nothing is watched"));
    pty_end(&p);
}

static void test_real_faults_on_another_thread(void **state)
{
    (void)state;
    order_ends(ORDER_SEGV, SIGSEGV);
    order_ends(ORDER_ABORT, SIGABRT);
}

static void test_stop_and_continue(void **state)
{
    (void)state;
    for (int i = 0; i < N_TERMS; i++) {
        struct pty p;
        begin(&p, terms[i]);
        kill(p.pid, SIGTSTP);
        pty_stopped(&p);
        pty_check_restored(&p);
        assert_true(pty_has(&p, "nothing is watched"));
        pty_order(&p, ORDER_NEXT); /* the world goes on */
        pty_resize(&p, 30, 100);
        kill(p.pid, SIGCONT);
        pty_fence(&p, 0, 100, 2);
        assert_true(pty_has(&p, "4471"));
        assert_int_equal(p.alt, i < 2);
        pty_send(&p, "q");
        assert_int_equal(pty_exit(&p), 0);
        pty_check_restored(&p);
        pty_end(&p);
    }
}

/* SIGSTOP can't be caught; whoever stopped it may have left the terminal in any mode. */
static void test_continue_takes_the_terminal_again(void **state)
{
    (void)state;
    struct pty p;
    begin(&p, terms[0]);
    kill(p.pid, SIGSTOP);
    pty_stopped(&p);
    tcsetattr(p.fd, TCSANOW, &p.before);
    vterm_screen_reset(p.screen, 1);
    uint64_t frames = p.frames;
    kill(p.pid, SIGCONT);
    while (p.frames == frames || !pty_has(&p, "4471"))
        pty_frame(&p);
    struct termios now;
    tcgetattr(p.fd, &now);
    assert_false(now.c_lflag & (ICANON | ECHO | ISIG));
    pty_send(&p, "q");
    assert_int_equal(pty_exit(&p), 0);
    pty_check_restored(&p);
    pty_end(&p);
}

/* Here the program leads its session: no shell could continue it, so the key must not stop it. */
static void test_suspend_key_without_a_shell(void **state)
{
    (void)state;
    struct pty p;
    begin(&p, terms[0]);
    pty_send(&p, "\032");
    pty_fence(&p, 1, 80, 1);
    assert_true(pty_has(&p, "no shell"));
    pty_send(&p, "q");
    assert_int_equal(pty_exit(&p), 0);
    pty_end(&p);
}

static void test_suspend_key_in_a_shell(void **state)
{
    (void)state;
    struct pty p;
    char line[100];
    pty_start(&p, "job", 24, 80, "xterm-256color", NULL);
    pty_fence(&p, 0, 80, 1);
    pty_send(&p, "\032");
    pty_report(&p, line, sizeof line);
    assert_string_equal(line, "stopped");
    pty_fence(&p, 1, 80, 1);
    assert_true(pty_raw_has(&p, "\033[?1049l", 0)); /* it had given the terminal back */
    assert_true(pty_has(&p, "4471"));
    pty_send(&p, "q");
    assert_int_equal(pty_exit(&p), 0);
    pty_check_restored(&p);
    pty_end(&p);
}

static void test_terminal_goes_away(void **state)
{
    (void)state;
    struct pty p;
    begin(&p, terms[0]);
    close(p.fd); /* the window is closed: SIGHUP to the session leader, EIO for whoever writes */
    p.fd = -1;
    p.gone = true;
    int status = pty_exit(&p);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGHUP);
    pty_end(&p);
}

int main(int argc, char **argv)
{
    int status;
    if (fixture_is_child(argc, argv, &status))
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_term_hup),
        cmocka_unit_test(test_int_cancels_only),
        cmocka_unit_test(test_crash_signals),
        cmocka_unit_test(test_real_faults_on_another_thread),
        cmocka_unit_test(test_stop_and_continue),
        cmocka_unit_test(test_continue_takes_the_terminal_again),
        cmocka_unit_test(test_suspend_key_without_a_shell),
        cmocka_unit_test(test_suspend_key_in_a_shell),
        cmocka_unit_test(test_terminal_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
