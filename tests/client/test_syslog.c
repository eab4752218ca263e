/* Messages to a syslog server: the frame on the wire, and TLS by the openssl command's own server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client/syslog.h"
#include "core/clock.h"

#define WAIT (10 * US_PER_S)

static void the_line(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    syslog_line(&b, INT64_C(1931342400123456), "pump house\n1", 77, "head", "andon-head 1 AAAA");
    assert_string_equal(b.data, "<109>1 2031-03-15T12:00:00.123Z pumphouse1 andon 77 head - andon-head 1 AAAA");
    buf_clear(&b);
    syslog_line(&b, 0, "\xc3\xa9", 1, "", "x");
    assert_non_null(strstr(b.data, "Z - andon 1 - - x"));
    buf_release(&b);
}

struct sink {
    int fd;
    char got[20000];
    size_t n;
};

static void *take(void *arg)
{
    struct sink *s = arg;
    int c = accept(s->fd, NULL, NULL);
    for (ssize_t n; (n = read(c, s->got + s->n, sizeof s->got - 1 - s->n)) > 0;)
        s->n += (size_t)n;
    close(c);
    return NULL;
}

static int listener(char url[64])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(url, 64, "tcp://127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

static void framed_whole_and_closed(void **state)
{
    char url[64];
    struct sink s = {.fd = listener(url)};
    struct endpoint ep = {.url = url};
    struct err e = {0};
    pthread_t t;
    (void)state;
    assert_int_equal(pthread_create(&t, NULL, take, &s), 0);
    bool ok = syslog_send(&ep, "<109>1 - - andon 1 head - hello", 31, WAIT, &e);
    if (!ok)
        fail_msg("%s: %s", e.what, e.cause);
    pthread_join(t, NULL); /* the end of the connection was said, or this would hang */
    assert_string_equal(s.got, "31 <109>1 - - andon 1 head - hello");
    /* Nobody there any more; nothing that is too long. */
    close(s.fd);
    assert_false(syslog_send(&ep, "x", 1, WAIT, &e));
    assert_int_equal(e.code, ERR_NETWORK);
    char *big = calloc(1, SYSLOG_MAX + 2);
    assert_false(syslog_send(&ep, big, SYSLOG_MAX + 1, WAIT, &e));
    assert_int_equal(e.code, ERR_RANGE);
    free(big);
}

static void addresses(void **state)
{
    static const char *const bad[] = {"https://127.0.0.1:1", "tls://", "tls://h/path", "tls://u@h", "tls://h:99999",
                                      "tcp://h.example:1",   "",       "tls://a b"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct endpoint ep = {.url = bad[i]};
        struct err e = {0};
        if (syslog_send(&ep, "x", 1, WAIT, &e) || e.code != ERR_RANGE)
            fail_msg("%s: %s", bad[i], e.what);
    }
}

/* The server's name and its authority are checked; what arrives is what was sent. */
static void over_tls(void **state)
{
    char dir[] = "/tmp/andon-syslog-XXXXXX", line[700], url[80] = "", text[200], ca[80], path[80], got[200] = "";
    struct endpoint ep = {.url = url, .ca_file = ca};
    struct err e = {0};
    int out[2], in[2], port = 0;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(line, sizeof line,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem "
             "-days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
             dir);
    assert_int_equal(system(line), 0);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(in), 0); /* it ends with its standard input */
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(in[0], 0);
        close(out[0]);
        close(in[1]);
        if (chdir(dir) == 0)
            execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-key", "k.pem", "-cert", "c.pem",
                   (char *)NULL);
        _exit(1);
    }
    close(out[1]);
    close(in[0]);
    FILE *f = fdopen(out[0], "r");
    while (!port && fgets(text, sizeof text, f))
        sscanf(text, "ACCEPT %*[^:]:%d", &port);
    assert_int_not_equal(port, 0);
    snprintf(url, sizeof url, "tls://127.0.0.1:%d", port);
    snprintf(ca, sizeof ca, "/etc/hostname"); /* no certificates in it */
    assert_false(syslog_send(&ep, "not this", 8, WAIT, &e));
    assert_int_equal(e.code, ERR_TLS);
    snprintf(ca, sizeof ca, "%s/c.pem", dir);
    bool ok = syslog_send(&ep, "<109>1 - - andon 1 head - safe\n", 31, WAIT, &e);
    if (!ok)
        fail_msg("%s: %s", e.what, e.cause);
    while (!*got && fgets(text, sizeof text, f))
        if (strstr(text, "andon"))
            snprintf(got, sizeof got, "%s", text);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    fclose(f);
    close(in[1]);
    assert_string_equal(got, "31 <109>1 - - andon 1 head - safe\n");
    for (const char *const *n = (const char *const[]){"k.pem", "c.pem", NULL}; *n; n++) {
        snprintf(path, sizeof path, "%s/%s", dir, *n);
        unlink(path);
    }
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line),
        cmocka_unit_test(framed_whole_and_closed),
        cmocka_unit_test(addresses),
        cmocka_unit_test(over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
