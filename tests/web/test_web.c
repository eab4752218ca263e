/* The small server: what it takes as an address, what it answers, and what it does not let clients do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "web/web.h"

struct seen {
    int n;
    char path[80], accept[80];
    size_t fill; /* bytes to answer; SIZE_MAX: more than a page may have */
};

static void handler(void *ctx, const struct web_request *r, struct web_answer *out)
{
    struct seen *s = ctx;
    s->n++;
    snprintf(s->path, sizeof s->path, "%s", r->path);
    snprintf(s->accept, sizeof s->accept, "%s", r->accept);
    if (strcmp(r->path, "/page") != 0) {
        out->status = 404;
        buf_adds(&out->body, "no\n");
        return;
    }
    if (s->fill == 0)
        buf_adds(&out->body, "hello\n");
    for (size_t i = 0; i < s->fill && !out->body.over; i += 4096) {
        char block[4096];
        memset(block, 'x', sizeof block);
        buf_add(&out->body, block, sizeof block);
    }
}

static int connect_to(const struct web *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval t = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons((uint16_t)strtol(strrchr(web_address(w), ':') + 1, NULL, 10));
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* One answer: its head, and as many bytes after it as it says (none to a HEAD). */
static size_t hear(int fd, char *out, size_t size, bool body)
{
    size_t n = 0, want = SIZE_MAX;
    while (n + 1 < size && n < want) {
        ssize_t got = recv(fd, out + n, 1, 0);
        if (got <= 0)
            break;
        out[++n] = '\0';
        char *end = want == SIZE_MAX ? strstr(out, "\r\n\r\n") : NULL, *length = strstr(out, "Content-Length: ");
        if (end)
            want = n + (body && length ? (size_t)strtoul(length + 16, NULL, 10) : 0);
    }
    out[n] = '\0';
    return n;
}

static struct web *open_web(struct seen *s)
{
    struct err e = {0};
    struct web *w = web_listen("127.0.0.1:0", handler, s, &e);
    if (!w)
        fail_msg("%s", e.what);
    return w;
}

static void addresses(void **state)
{
    static const char *const good[] = {"9464",         ":9464",      "0",          "127.0.0.1:0",
                                       "0.0.0.0:9464", "[::1]:9464", "[::]:65535", "10.1.2.3:1"};
    static const char *const bad[] = {"",
                                      ":",
                                      "x",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.1:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1:80",
                                      "[]:80",
                                      "localhost:80",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:+1",
                                      "1.2.3.4: 80",
                                      "1.2.3.4:80 ",
                                      "[1.2.3.4]:80",
                                      "1.2.3.4:8a",
                                      "1.2.3.4:000080",
                                      "::ffff:1.2.3.4:80"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!web_check(good[i], NULL))
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        if (web_check(bad[i], &e))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(e.code, ERR_SYNTAX);
        assert_null(web_listen(bad[i], handler, NULL, &e));
    }
    char big[300];
    memset(big, '1', sizeof big - 4);
    memcpy(big + sizeof big - 4, ":80", 4);
    assert_false(web_check(big, NULL));
}

static void listens_where_it_says(void **state)
{
    struct seen s = {0};
    struct err e = {0};
    (void)state;
    struct web *w = web_listen("0", handler, &s, &e);
    assert_non_null(w);
    assert_int_equal(strncmp(web_address(w), "127.0.0.1:", 10), 0);
    assert_string_not_equal(web_address(w), "127.0.0.1:0");
    assert_true(web_is_local(w));
    /* The same port again is an error with the system's reason, not a crash. */
    assert_null(web_listen(web_address(w), handler, &s, &e));
    assert_int_equal(e.code, ERR_NETWORK);
    assert_non_null(strstr(e.what, web_address(w)));
    web_close(w);
    w = web_listen("0.0.0.0:0", handler, &s, &e);
    assert_non_null(w);
    assert_false(web_is_local(w));
    web_close(w);
    w = web_listen("[::1]:0", handler, &s, &e);
    if (w) { /* not every machine has IPv6 */
        assert_int_equal(strncmp(web_address(w), "[::1]:", 6), 0);
        assert_true(web_is_local(w));
        web_close(w);
    }
    web_close(NULL);
}

static void get_and_head(void **state)
{
    struct seen s = {0};
    struct web *w = open_web(&s);
    char got[4096];
    (void)state;
    int fd = connect_to(w);
    say(fd, "GET /page?x=1 HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\n");
    hear(fd, got, sizeof got, true);
    assert_int_equal(strncmp(got, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(got, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(got, "\r\n\r\nhello\n"));
    assert_string_equal(s.path, "/page");
    assert_string_equal(s.accept, "text/plain");
    /* The same connection serves again; a HEAD has the length and no body. */
    say(fd, "HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, got, sizeof got, false);
    assert_non_null(strstr(got, "Content-Length: 6\r\n"));
    assert_null(strstr(got, "hello"));
    say(fd, "GET /%6eo HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, got, sizeof got, true);
    assert_int_equal(strncmp(got, "HTTP/1.1 404 ", 13), 0);
    assert_string_equal(s.path, "/no");
    assert_string_equal(s.accept, "");
    assert_int_equal(s.n, 3);
    close(fd);
    web_close(w);
}

/* Nothing else than a GET reaches the handler, and a body is not read. */
static void other_methods(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "XYZZY"};
    struct seen s = {0};
    struct web *w = open_web(&s);
    char got[4096], text[200];
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        int fd = connect_to(w);
        snprintf(text, sizeof text, "%s /page HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nabc", methods[i]);
        say(fd, text);
        hear(fd, got, sizeof got, true);
        assert_int_equal(strncmp(got, "HTTP/1.1 405 ", 13), 0);
        assert_non_null(strstr(got, "Allow: GET, HEAD\r\n"));
        assert_non_null(strstr(got, "Connection: close\r\n"));
        close(fd);
    }
    int fd = connect_to(w);
    say(fd, "GET /page HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    hear(fd, got, sizeof got, true);
    assert_null(strstr(got, "hello"));
    close(fd);
    assert_int_equal(s.n, 0);
    web_close(w);
}

static void too_long(void **state)
{
    struct seen s = {0};
    struct web *w = open_web(&s);
    char text[WEB_TARGET_MAX + 200], got[4096];
    (void)state;
    int fd = connect_to(w);
    int n = snprintf(text, sizeof text, "GET /");
    memset(text + n, 'a', WEB_TARGET_MAX);
    snprintf(text + n + WEB_TARGET_MAX, sizeof text - (size_t)n - WEB_TARGET_MAX, " HTTP/1.1\r\nHost: h\r\n\r\n");
    say(fd, text);
    hear(fd, got, sizeof got, true);
    assert_int_equal(strncmp(got, "HTTP/1.1 414 ", 13), 0);
    close(fd);
    /* A head without end is cut off, not kept. */
    fd = connect_to(w);
    say(fd, "GET /page HTTP/1.1\r\n");
    memset(text, 'b', sizeof text);
    text[0] = 'X';
    text[1] = ':';
    for (int i = 0; i < 64 && send(fd, text, sizeof text, MSG_NOSIGNAL) > 0; i++)
        ;
    hear(fd, got, sizeof got, true);
    assert_null(strstr(got, "hello"));
    close(fd);
    assert_int_equal(s.n, 0);
    web_close(w);
}

/* A page that outgrows its limit is an error that says so, not half a page. */
static void page_too_large(void **state)
{
    struct seen s = {.fill = SIZE_MAX};
    struct web *w = open_web(&s);
    char got[4096];
    (void)state;
    int fd = connect_to(w);
    say(fd, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, got, sizeof got, true);
    assert_int_equal(strncmp(got, "HTTP/1.1 500 ", 13), 0);
    assert_non_null(strstr(got, "too large"));
    close(fd);
    web_close(w);
}

/* More clients than it takes are turned away; those that it has are served all the same. */
static void many_clients(void **state)
{
    struct seen s = {0};
    struct web *w = open_web(&s);
    int fd[WEB_CLIENTS], more;
    char got[4096];
    (void)state;
    for (int i = 0; i < WEB_CLIENTS; i++) {
        fd[i] = connect_to(w);
        say(fd[i], "GET /page HTTP/1.1\r\nHost: h\r\n\r\n");
        hear(fd[i], got, sizeof got, true);
        assert_non_null(strstr(got, "hello"));
    }
    more = connect_to(w);
    (void)!send(more, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", 32, MSG_NOSIGNAL);
    say(fd[0], "GET /page HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd[0], got, sizeof got, true);
    assert_non_null(strstr(got, "hello"));
    assert_int_equal(s.n, WEB_CLIENTS + 1);
    close(more);
    for (int i = 0; i < WEB_CLIENTS; i++)
        close(fd[i]);
    web_close(w); /* with a connection that is still open on our side it ends all the same */
}

static void nonsense(void **state)
{
    static const char *const lines[] = {"\r\n\r\n\r\n",
                                        "GET\r\n\r\n",
                                        "\x16\x03\x01\x02",
                                        "GET /page HTTP/9.9\r\n\r\n",
                                        "GET /page\r\n\r\n",
                                        "GET /%00page HTTP/1.1\r\nHost: h\r\n\r\n",
                                        "GET http://other/page HTTP/1.1\r\n\r\n"};
    struct seen s = {0};
    struct web *w = open_web(&s);
    char got[4096];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        int fd = connect_to(w);
        say(fd, lines[i]);
        shutdown(fd, SHUT_WR);
        hear(fd, got, sizeof got, true);
        close(fd);
    }
    int fd = connect_to(w);
    say(fd, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, got, sizeof got, true);
    assert_non_null(strstr(got, "hello"));
    close(fd);
    web_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),    cmocka_unit_test(listens_where_it_says),
        cmocka_unit_test(get_and_head), cmocka_unit_test(other_methods),
        cmocka_unit_test(too_long),     cmocka_unit_test(page_too_large),
        cmocka_unit_test(many_clients), cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
