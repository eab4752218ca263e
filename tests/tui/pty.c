/* See pty.h. */
#include "tests/tui/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/err.h"
#include "tests/tui/fixture.h"

#define PATIENCE_MS 20000

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void give_up(const struct pty *p, const char *what)
{
    char row[2048];
    fprintf(stderr, "waited too long for %s; last fence k=%" PRIu64 " c=%d g=%" PRIu64 "; the screen:\n", what, p->k,
            p->c, p->g);
    for (int r = 0; r < p->rows; r++) {
        pty_row(p, r, row, sizeof row);
        fprintf(stderr, "|%s\n", row);
    }
    fail();
}

static int on_prop(VTermProp prop, VTermValue *val, void *user)
{
    struct pty *p = user;
    if (prop == VTERM_PROP_ALTSCREEN)
        p->alt = val->boolean;
    if (prop == VTERM_PROP_CURSORVISIBLE)
        p->cursor = val->boolean;
    return 1;
}

static int on_bell(void *user)
{
    ((struct pty *)user)->bells++;
    return 1;
}

static void run_child(const char *mode, int slave, int ctl, int report, const char *term, const char *const *env)
{
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    for (int i = 0; i < 3; i++)
        dup2(slave, i);
    int c = fcntl(ctl, F_DUPFD, 20), r = fcntl(report, F_DUPFD, 20);
    dup2(c, FIXTURE_CTL_FD);
    dup2(r, FIXTURE_REPORT_FD);
    for (int i = 5; i < 256; i++)
        close(i);
    static const char *const none[] = {"NO_COLOR", "COLORTERM", "LINES", "COLUMNS", "LC_ALL", "TMUX"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        unsetenv(none[i]);
    setenv("TERM", term, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("ANDON_FENCE", "1", 1);
    for (; env && *env; env++)
        putenv((char *)(uintptr_t)*env);
    sigset_t none_blocked;
    sigemptyset(&none_blocked);
    sigprocmask(SIG_SETMASK, &none_blocked, NULL);
    execl("/proc/self/exe", "test", FIXTURE_ARG, mode, (char *)NULL);
    _exit(127);
}

void pty_start(struct pty *p, const char *mode, int rows, int cols, const char *term, const char *const *env)
{
    static const VTermScreenCallbacks calls = {.settermprop = on_prop, .bell = on_bell};
    memset(p, 0, sizeof *p);
    p->rows = rows;
    p->cols = cols;
    p->cursor = true;
    buf_init(&p->raw, 64u << 20);
    struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    int slave, ctl[2], report[2];
    assert_int_equal(openpty(&p->fd, &slave, NULL, NULL, &ws), 0);
    assert_int_equal(pipe2(ctl, O_CLOEXEC), 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    fcntl(p->fd, F_SETFD, FD_CLOEXEC);
    tcgetattr(p->fd, &p->before);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0)
        run_child(mode, slave, ctl[0], report[1], term, env);
    close(slave);
    close(ctl[0]);
    close(report[1]);
    p->ctl = ctl[1];
    p->report = report[0];
    p->vt = vterm_new(rows, cols);
    vterm_set_utf8(p->vt, 1);
    p->screen = vterm_obtain_screen(p->vt);
    vterm_screen_set_callbacks(p->screen, &calls, p);
    vterm_screen_enable_altscreen(p->screen, 1);
    vterm_screen_reset(p->screen, 1);
}

void pty_end(struct pty *p)
{
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(p->fd);
    close(p->ctl);
    close(p->report);
    vterm_free(p->vt);
    buf_release(&p->raw);
}

/* Finds fences in what came. */
static void scan(struct pty *p)
{
    static const char head[] = "\033]7770;";
    for (;;) {
        char *at = memmem(p->raw.data + p->scanned, p->raw.len - p->scanned, head, sizeof head - 1);
        if (!at) {
            size_t keep = sizeof head;
            p->scanned = p->raw.len - p->scanned > keep ? p->raw.len - keep : p->scanned;
            return;
        }
        char *end = strstr(at, "\033\\");
        if (!end) {
            p->scanned = (size_t)(at - p->raw.data);
            return;
        }
        char *s = at + sizeof head - 1;
        p->k = strtoull(s + 2, &s, 10);
        p->c = (int)strtol(s + 3, &s, 10);
        p->g = strtoull(s + 3, &s, 10);
        p->frames++;
        p->scanned = (size_t)(end + 2 - p->raw.data);
    }
}

static void all_of(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, bytes, n);
        if (k <= 0)
            return; /* the program has gone: whoever waits for its answer will say so */
        bytes += k;
        n -= (size_t)k;
    }
}

/* The emulator's answers to questions (there should be none) and its keys. */
static void answer(struct pty *p)
{
    char out[256];
    size_t n;
    while ((n = vterm_output_read(p->vt, out, sizeof out)) > 0)
        all_of(p->fd, out, n);
}

/* Reads once, waiting at most ms. False when nothing came. */
static bool pump(struct pty *p, int ms)
{
    char in[65536];
    struct pollfd f = {.fd = p->fd, .events = POLLIN};
    if (p->gone || poll(&f, 1, ms) <= 0)
        return false;
    ssize_t n = read(p->fd, in, sizeof in);
    if (n <= 0) {
        p->gone = true;
        return false;
    }
    buf_add(&p->raw, in, (size_t)n);
    vterm_input_write(p->vt, in, (size_t)n);
    answer(p);
    scan(p);
    return true;
}

void pty_drain(struct pty *p)
{
    while (pump(p, 0))
        ;
}

void pty_send(struct pty *p, const char *bytes)
{
    all_of(p->fd, bytes, strlen(bytes));
}

void pty_key(struct pty *p, VTermKey key)
{
    vterm_keyboard_key(p->vt, key, VTERM_MOD_NONE);
    answer(p);
}

void pty_resize(struct pty *p, int rows, int cols)
{
    struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    pty_drain(p);
    p->rows = rows;
    p->cols = cols;
    vterm_set_size(p->vt, rows, cols);
    ioctl(p->fd, TIOCSWINSZ, &ws);
}

void pty_order(struct pty *p, char what)
{
    all_of(p->ctl, &what, 1);
}

void pty_report(struct pty *p, char *line, size_t size)
{
    size_t n = 0;
    int64_t until = now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd f = {.fd = p->report, .events = POLLIN};
        char c;
        if (poll(&f, 1, 10) == 1 && read(p->report, &c, 1) == 1) {
            if (c == '\n')
                break;
            if (n + 1 < size)
                line[n++] = c;
        }
        if (now_ms() > until)
            give_up(p, "a report");
    }
    line[n] = '\0';
}

void pty_fence(struct pty *p, uint64_t k, int c, uint64_t g)
{
    char what[120];
    snprintf(what, sizeof what, "fence k=%" PRIu64 " c=%d g=%" PRIu64, k, c, g);
    int64_t until = now_ms() + PATIENCE_MS;
    while (p->frames == 0 || p->k < k || (c != 0 && p->c != c) || p->g < g) {
        pump(p, 100);
        if (now_ms() > until || (p->gone && (p->frames == 0 || p->k < k)))
            give_up(p, what);
    }
}

void pty_has_more(struct pty *p)
{
    int64_t until = now_ms() + PATIENCE_MS;
    while (!pump(p, 100)) {
        if (now_ms() > until || p->gone)
            give_up(p, "output");
    }
}

void pty_frame(struct pty *p)
{
    uint64_t have = p->frames;
    int64_t until = now_ms() + PATIENCE_MS;
    while (p->frames == have) {
        pump(p, 100);
        if (now_ms() > until || p->gone)
            give_up(p, "a frame");
    }
}

static int wait_for(struct pty *p, int options)
{
    int status = 0;
    int64_t until = now_ms() + PATIENCE_MS;
    for (;;) {
        pump(p, 5);
        pid_t got = waitpid(p->pid, &status, options | WNOHANG);
        if (got == p->pid)
            break;
        if (now_ms() > until)
            give_up(p, "the program's end");
    }
    pty_drain(p);
    return status;
}

int pty_exit(struct pty *p)
{
    int status = wait_for(p, 0);
    p->pid = 0;
    return status;
}

void pty_stopped(struct pty *p)
{
    int status = wait_for(p, WUNTRACED);
    assert_true(WIFSTOPPED(status));
}

VTermScreenCell pty_cell(const struct pty *p, int row, int col)
{
    VTermScreenCell cell;
    memset(&cell, 0, sizeof cell);
    vterm_screen_get_cell(p->screen, (VTermPos){.row = row, .col = col}, &cell);
    return cell;
}

static size_t utf8(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | cp);
    return n;
}

/* Text of a row; at[i] is the column of byte i. */
static size_t row_text(const struct pty *p, int row, char *out, size_t size, int *at)
{
    size_t n = 0;
    for (int col = 0; col < p->cols && n + 8 < size; col++) {
        VTermScreenCell cell = pty_cell(p, row, col);
        char ch[4];
        size_t len = utf8(cell.chars[0] == 0 || cell.chars[0] == (uint32_t)-1 ? ' ' : cell.chars[0], ch);
        for (size_t i = 0; i < len; i++) {
            if (at)
                at[n] = col;
            out[n++] = ch[i];
        }
        if (cell.width == 2)
            col++;
    }
    out[n] = '\0';
    return n;
}

void pty_row(const struct pty *p, int row, char *out, size_t size)
{
    size_t n = row_text(p, row, out, size, NULL);
    while (n > 0 && out[n - 1] == ' ')
        out[--n] = '\0';
}

bool pty_find(const struct pty *p, const char *text, int *row, int *col)
{
    char line[4096];
    int at[4096];
    for (int r = 0; r < p->rows; r++) {
        row_text(p, r, line, sizeof line, at);
        const char *found = strstr(line, text);
        if (!found)
            continue;
        if (row)
            *row = r;
        if (col)
            *col = at[found - line];
        return true;
    }
    return false;
}

bool pty_raw_has(const struct pty *p, const char *bytes, size_t from)
{
    return from <= p->raw.len && memmem(p->raw.data + from, p->raw.len - from, bytes, strlen(bytes)) != NULL;
}

void pty_check_restored(struct pty *p)
{
    struct termios now;
    assert_int_equal(tcgetattr(p->fd, &now), 0);
    assert_int_equal(now.c_iflag, p->before.c_iflag);
    assert_int_equal(now.c_oflag, p->before.c_oflag);
    assert_int_equal(now.c_lflag, p->before.c_lflag);
    assert_int_equal(now.c_cflag, p->before.c_cflag);
    assert_false(p->alt);
    assert_true(p->cursor);
    static const char *const pairs[][2] = {{"\033[?2004h", "\033[?2004l"}, {"\033[?1004h", "\033[?1004l"}};
    for (size_t i = 0; i < 2; i++) {
        const char *on = NULL, *off = NULL, *at = p->raw.data;
        while ((at = strstr(at, pairs[i][0])) != NULL)
            on = at++;
        at = p->raw.data;
        while ((at = strstr(at, pairs[i][1])) != NULL)
            off = at++;
        assert_true(on == NULL || off > on);
    }
}
