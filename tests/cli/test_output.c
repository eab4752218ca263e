/* What the supervisor hears, and the exit codes of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/notify.h"

static int supervisor(const char *name, size_t len)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, name, len);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
    return fd;
}

static void hears(int fd, const char *what)
{
    char got[200];
    ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);

    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, what);
}

static void a_path_and_an_abstract_name(void **state)
{
    char dir[] = "/tmp/andon-notify-XXXXXX", path[60], abstract[60], pid[20];
    struct notify n;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    fd = supervisor(path, strlen(path));
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    notify_open(&n);
    assert_int_equal(n.watchdog_us, 30000000);
    assert_null(getenv("NOTIFY_SOCKET")); /* children must not speak for us */
    assert_true(notify_send(&n, "READY=1"));
    hears(fd, "READY=1");
    notify_close(&n);
    close(fd);
    unlink(path);
    rmdir(dir);
    snprintf(abstract, sizeof abstract, "@%s", dir + 5);
    abstract[0] = '\0';
    fd = supervisor(abstract, 1 + strlen(dir + 5));
    abstract[0] = '@';
    setenv("NOTIFY_SOCKET", abstract, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1", 1); /* somebody else's */
    notify_open(&n);
    assert_int_equal(n.watchdog_us, 0);
    assert_true(notify_send(&n, "STATUS=x"));
    hears(fd, "STATUS=x");
    notify_close(&n);
    close(fd);
}

static void no_supervisor_is_fine(void **state)
{
    static const char *const names[] = {NULL, "", "/", "relative", "/nonexistent/socket"};
    struct notify n;

    (void)state;
    unsetenv("WATCHDOG_USEC");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i])
            setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open(&n);
        assert_int_equal(n.fd, -1);
        assert_false(notify_send(&n, "READY=1"));
        notify_close(&n);
    }
    setenv("WATCHDOG_USEC", "12x", 1);
    notify_open(&n);
    assert_int_equal(n.watchdog_us, 0);
}

/* Scripts depend on these. */
static void exit_codes_are_stable(void **state)
{
    static const struct {
        enum err_code code;
        int exit;
    } rows[] = {{ERR_REFUSED, 3}, {ERR_STATE, 3},     {ERR_CONFLICT, 3}, {ERR_UNSUPPORTED, 3}, {ERR_AUTH, 4},
                {ERR_NETWORK, 4}, {ERR_TIMEOUT, 4},   {ERR_TLS, 4},      {ERR_PROTOCOL, 4},    {ERR_FORBIDDEN, 4},
                {ERR_SYNTAX, 2},  {ERR_NOT_FOUND, 1}, {ERR_IO, 1},       {ERR_TAMPERED, 1},    {ERR_INTERNAL, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(err_exit(&(struct err){.code = rows[i].code}), rows[i].exit);
}

static void tables_line_up(void **state)
{
    struct table t;
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    table_init(&t, 3, 2);
    table_add(&t, "ID");
    table_add(&t, "N");
    table_add(&t, "NAME");
    table_add(&t, "4471");
    table_addf(&t, "%d", 1934);
    table_add(&t, "h\xc3\xa4rth");
    table_add(&t, "\xe6\xbc\xa2"); /* two columns wide */
    table_add(&t, "7");
    table_add(&t, "x");
    table_print(&t, &b);
    assert_string_equal(b.data, "ID       N  NAME\n4471  1934  h\xc3\xa4rth\n\xe6\xbc\xa2       7  x\n");
    buf_release(&b);
}

static void a_halt_without_a_trace_has_a_code_of_its_own(void **state)
{
    static const struct {
        int rc;
        enum trail trail;
        int want;
        const char *says; /* NULL: nothing */
    } v[] = {
        {EXIT_OK, TRAIL_NONE, EXIT_OK, NULL},
        {EXIT_OK, TRAIL_LOG, EXIT_OK, NULL},
        {EXIT_OK, TRAIL_SPOOL, EXIT_OK, "in the spool"},
        {EXIT_OK, TRAIL_SYSLOG, 6, "only the system log"},
        {EXIT_OK, TRAIL_NOWHERE, 6, "write down"},
        {EXIT_UNKNOWN, TRAIL_NOWHERE, EXIT_UNKNOWN, "write down"}, /* worse things first */
        {EXIT_REFUSED, TRAIL_SYSLOG, EXIT_REFUSED, "only the system log"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        const char *text = "unset";

        assert_int_equal(trail_exit(v[i].rc, v[i].trail, &text), v[i].want);
        assert_int_equal(text != NULL, v[i].says != NULL);
        if (v[i].says)
            assert_non_null(strstr(text, v[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_and_an_abstract_name),
        cmocka_unit_test(no_supervisor_is_fine),
        cmocka_unit_test(exit_codes_are_stable),
        cmocka_unit_test(tables_line_up),
        cmocka_unit_test(a_halt_without_a_trace_has_a_code_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
