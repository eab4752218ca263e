/* Where secrets come from, and that no error shows one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/secret.h"
#include "core/clock.h"

static char dir[] = "/tmp/andon-secret-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *put(char path[200], const char *bytes, size_t n, mode_t mode)
{
    snprintf(path, 200, "%s/secret", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static void expect_refusal(const struct secret_ref *ref, int64_t limit, const char *words)
{
    struct err e = {0};
    char *s = NULL;
    assert_false(secret_read(ref, limit, &s, &e));
    assert_null(s);
    assert_int_equal(e.code, ERR_AUTH);
    if (!strstr(e.what, words))
        fail_msg("\"%s\" does not say \"%s\"", e.what, words);
    assert_null(strstr(e.what, "hunter2"));
    assert_null(strstr(e.cause, "hunter2"));
    assert_true(e.next[0] != '\0');
}

static void expect_secret(const struct secret_ref *ref, const char *wanted)
{
    struct err e = {0};
    char *s = NULL;
    if (!secret_read(ref, SECRET_LIMIT_US, &s, &e))
        fail_msg("%s", e.what);
    assert_string_equal(s, wanted);
    secret_free(s);
}

static void test_file(void **state)
{
    char path[200];
    struct secret_ref ref = {.source = SECRET_FILE, .path = path};
    (void)state;
    put(path, "hunter2\r\n", 9, 0600);
    expect_secret(&ref, "hunter2");
    put(path, "hun\xc3\xa4 ter2", 10, 0400);
    expect_secret(&ref, "hun\xc3\xa4 ter2");
    unlink(path);
    put(path, "hunter2", 7, 0640);
    expect_refusal(&ref, SECRET_LIMIT_US, "may be read by others (mode 0640)");
    put(path, "hunter2\nhunter2\n", 16, 0600);
    expect_refusal(&ref, SECRET_LIMIT_US, "more than one line");
    put(path, "hunter2\0x", 9, 0600);
    expect_refusal(&ref, SECRET_LIMIT_US, "control character");
    put(path, "\n", 1, 0600);
    expect_refusal(&ref, SECRET_LIMIT_US, "empty");
    char big[SECRET_BYTES_MAX + 100];
    memset(big, 'x', sizeof big);
    put(path, big, sizeof big, 0600);
    expect_refusal(&ref, SECRET_LIMIT_US, "more than");
    unlink(path);
    expect_refusal(&ref, SECRET_LIMIT_US, "can't be opened");
    ref.path = dir;
    expect_refusal(&ref, SECRET_LIMIT_US, "not a regular file");
    snprintf(path, sizeof path, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    ref.path = path;
    expect_refusal(&ref, SECRET_LIMIT_US, "not a regular file"); /* and it does not hang */
    unlink(path);
}

static void test_env(void **state)
{
    struct secret_ref ref = {.source = SECRET_ENV, .env = "ANDON_TEST_SECRET"};
    (void)state;
    setenv("ANDON_TEST_SECRET", "hunter2", 1);
    expect_secret(&ref, "hunter2");
    setenv("ANDON_TEST_SECRET", "", 1);
    expect_refusal(&ref, SECRET_LIMIT_US, "empty");
    unsetenv("ANDON_TEST_SECRET");
    expect_refusal(&ref, SECRET_LIMIT_US, "ANDON_TEST_SECRET is not set");
}

static void test_command(void **state)
{
    const char *ok[] = {"echo", "hunter2; $HOME `id`", NULL}; /* no shell looks at it */
    const char *fails[] = {"sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3", NULL};
    const char *missing[] = {"/nonexistent/helper", NULL};
    const char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    const char *none[] = {NULL};
    struct secret_ref ref = {.source = SECRET_COMMAND, .argv = ok};
    (void)state;
    expect_secret(&ref, "hunter2; $HOME `id`");
    /* A descriptor that a library has left open is not passed on. */
    const char *open_fd[] = {"sh", "-c", "test -e /proc/self/fd/37 && echo leaked || echo closed", NULL};
    assert_int_equal(dup2(0, 37), 37);
    ref.argv = open_fd;
    expect_secret(&ref, "closed");
    close(37);
    ref.argv = fails;
    expect_refusal(&ref, SECRET_LIMIT_US, "failed with exit 3");
    ref.argv = missing;
    expect_refusal(&ref, SECRET_LIMIT_US, "can't be started");
    ref.argv = killed;
    expect_refusal(&ref, SECRET_LIMIT_US, "killed by signal 9");
    ref.argv = none;
    expect_refusal(&ref, SECRET_LIMIT_US, "empty");
}

/* It is killed with all its children, whether it holds its output open or only does not end. */
static void test_command_that_hangs(void **state)
{
    const char *open_end[] = {"sh", "-c", "echo hunter2; sleep 60 & sleep 60", NULL};
    const char *closed[] = {"sh", "-c", "exec >&-; sleep 60", NULL};
    const char *chatty[] = {"sh", "-c", "yes hunter2", NULL};
    const char *const *all[] = {open_end, closed, chatty};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct secret_ref ref = {.source = SECRET_COMMAND, .argv = all[i]};
        int64_t t0 = clock_now(clock_real());
        expect_refusal(&ref, 50000, "did not end within 50 ms");
        assert_true(clock_now(clock_real()) - t0 < 20 * US_PER_S);
    }
}

/* "R", "S", ... of a process, 'X' when there is none. */
static char process_state(long pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 'X';
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    return p && p[1] == ' ' ? p[2] : 'X';
}

/* A helper's children, which may hold the secret, do not outlive the time-out. */
static void test_children_are_killed(void **state)
{
    char path[200], script[300], text[32] = "";
    (void)state;
    snprintf(path, sizeof path, "%s/pid", dir);
    snprintf(script, sizeof script, "sleep 60 & echo $! > %s; wait", path);
    const char *argv[] = {"sh", "-c", script, NULL};
    struct secret_ref ref = {.source = SECRET_COMMAND, .argv = argv};
    expect_refusal(&ref, 500000, "did not end");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    unlink(path);
    long pid = strtol(text, NULL, 10);
    assert_true(pid > 1);
    char c = process_state(pid);
    for (int i = 0; i < 5000 && c != 'X' && c != 'Z'; i++) { /* it dies at once, but not in our hands */
        poll(NULL, 0, 1);
        c = process_state(pid);
    }
    assert_true(c == 'X' || c == 'Z');
}

static void test_none(void **state)
{
    struct secret_ref ref = {.source = SECRET_NONE};
    struct err e = {0};
    char *s = NULL;
    (void)state;
    assert_true(secret_read(&ref, 1, &s, &e));
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_command_that_hangs),
        cmocka_unit_test(test_children_are_killed),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
