/* A terminal that stops reading stops nothing but its own picture. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/tui/fixture.h"
#include "tests/tui/pty.h"
#include "tui/out.h"

/* Fills the terminal: resizes make the console repaint all, and nobody reads. Each answer of the other thread proves
 * that it goes on. Returns how many generations were published. */
static uint64_t stall(struct pty *p)
{
    char line[100];
    uint64_t i = 0;
    int slave = open(ptsname(p->fd), O_RDWR | O_NOCTTY);
    struct pollfd room = {.fd = slave, .events = POLLOUT};
    assert_true(slave >= 0);
    for (int full = 0; full < 50; i++) { /* and stays full */
        struct winsize ws = {.ws_row = 60, .ws_col = (unsigned short)(200 + i % 2)};
        ioctl(p->fd, TIOCSWINSZ, &ws);
        pty_order(p, ORDER_NEXT);
        pty_order(p, ORDER_ALIVE);
        pty_report(p, line, sizeof line);
        assert_string_equal(line, "alive");
        full = poll(&room, 1, 0) == 0 ? full + 1 : 0;
    }
    close(slave);
    return i;
}

static void test_second_thread_goes_on_and_screen_comes_back(void **state)
{
    (void)state;
    struct pty p;
    pty_start(&p, "board", 60, 200, "xterm-256color", NULL);
    pty_fence(&p, 0, 200, 1);
    uint64_t n = stall(&p);
    pty_order(&p, ORDER_HALT);
    pty_resize(&p, 24, 80);
    pty_fence(&p, 0, 80, n + 2); /* reading again: the newest state comes, and the picture is whole */
    vterm_screen_reset(p.screen, 1);
    pty_send(&p, "\014");
    pty_fence(&p, 1, 80, n + 2);
    assert_true(pty_has(&p, "HALT"));
    pty_check_clean(&p);
    pty_send(&p, "q");
    assert_int_equal(pty_exit(&p), 0);
    pty_end(&p);
}

/* SIGTERM must end it although its terminal takes nothing. */
static void test_term_while_stalled(void **state)
{
    (void)state;
    struct pty p;
    int status = 0;
    pty_start(&p, "board", 60, 200, "xterm-256color", NULL);
    pty_fence(&p, 0, 200, 1);
    stall(&p);
    kill(p.pid, SIGTERM);
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid); /* without reading a byte; hangs when it is wrong */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    p.pid = 0;
    pty_end(&p);
}

/* The guarded write itself: returns, loses nothing, keeps the order. */
static void test_out_keeps_every_byte(void **state)
{
    (void)state;
    enum { N = 400000 };
    int master, slave;
    struct termios raw;
    struct out o;
    struct err e;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    char *sent = malloc(N), *got = malloc(N);
    for (int i = 0; i < N; i++)
        sent[i] = (char)('a' + i % 26 + (i / 4096) % 2);
    assert_true(out_init(&o, slave, &e));
    assert_true(out_ready(&o));
    assert_false(out_write(&o, sent, N / 2)); /* returned although nobody reads */
    assert_false(out_ready(&o));
    assert_false(out_write(&o, sent + N / 2, N / 2));
    assert_true(out_left(&o) > 0);
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    size_t n = 0;
    while (n < N) {
        ssize_t k = read(master, got + n, N - n);
        assert_true(k > 0);
        n += (size_t)k;
        out_flush(&o);
    }
    assert_memory_equal(sent, got, N);
    assert_int_equal(out_left(&o), 0);
    out_release(&o);
    close(slave);
    close(master);
    free(sent);
    free(got);
}

int main(int argc, char **argv)
{
    int status;
    if (fixture_is_child(argc, argv, &status))
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_keeps_every_byte),
        cmocka_unit_test(test_second_thread_goes_on_and_screen_comes_back),
        cmocka_unit_test(test_term_while_stalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
