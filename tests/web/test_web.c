/* The small server: what it takes as an address, what it answers, and what it does not let clients do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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

/* From the loopback network's address 127.0.0.`from`. */
static int connect_from(const struct web *w, unsigned from)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, me = at;
    struct timeval t = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons((uint16_t)strtol(strrchr(web_address(w), ':') + 1, NULL, 10));
    me.sin_addr.s_addr = htonl(UINT32_C(0x7f000000) | from);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void expect(int fd, const char *request, const char *status)
{
    char got[4096];
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
    hear(fd, got, sizeof got, true);
    if (strncmp(got, status, strlen(status)) != 0)
        fail_msg("%s: expected %s", got, status);
}

#define GET "GET /page HTTP/1.1\r\nHost: h\r\n\r\n"

/* More clients than it takes are turned away; those that it has are served all the same. */
static void many_clients(void **state)
{
    struct seen s = {0};
    struct web *w = open_web(&s);
    int fd[WEB_CLIENTS], more;
    char got[16];
    (void)state;
    for (unsigned i = 0; i < WEB_CLIENTS; i++) {
        fd[i] = connect_from(w, 1 + i / WEB_EACH);
        expect(fd[i], GET, "HTTP/1.1 200 ");
    }
    more = connect_from(w, 200);
    assert_int_equal(hear(more, got, sizeof got, true), 0); /* closed, and not left to wait */
    close(more);
    expect(fd[0], GET, "HTTP/1.1 200 ");
    assert_int_equal(s.n, WEB_CLIENTS + 1);
    for (int i = 0; i < WEB_CLIENTS; i++)
        close(fd[i]);
    web_close(w); /* with a connection that is still open on our side it ends all the same */
}

/* One address has no more than its share, is told so, and keeps nobody else out. */
static void one_address(void **state)
{
    struct seen s = {0};
    struct web *w = open_web(&s);
    int fd[2 * WEB_EACH + 1];
    char got[16];
    (void)state;
    for (int i = 0; i < WEB_EACH; i++)
        expect(fd[i] = connect_from(w, 1), GET, "HTTP/1.1 200 ");
    for (int i = WEB_EACH; i < 2 * WEB_EACH; i++)
        fd[i] = connect_from(w, 1);
    fd[2 * WEB_EACH] = connect_from(w, 1);
    assert_int_equal(hear(fd[2 * WEB_EACH], got, sizeof got, true), 0);
    expect(fd[WEB_EACH], GET, "HTTP/1.1 429 ");
    int other = connect_from(w, 2);
    expect(other, GET, "HTTP/1.1 200 ");
    close(other);
    for (int i = 0; i <= 2 * WEB_EACH; i++)
        close(fd[i]);
    web_close(w);
}

static size_t short_post(void *ctx, const char *path)
{
    (void)ctx;
    return strcmp(path, "/page") == 0 ? 100 : SIZE_MAX;
}

/* Whoever takes longer than a request may makes way for the next connection: in the middle of a head, a body, or an
 * answer that is not read. One that the clock has not run out for is served. */
static void slow_clients(void **state)
{
    static const char *const begun[] = {"GET /pa", "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 90\r\n\r\nabc"};
    struct seen s = {0};
    struct err e = {0};
    struct web_spec spec = {.at = "127.0.0.1:0", .post_max = 1000, .whole_us = 1, .cert_file = "", .key_file = ""};
    char got[16];
    (void)state;
    struct web *w = web_open(&spec, handler, &s, &e);
    assert_non_null(w);
    for (size_t i = 0; i < 2; i++) {
        int slow = connect_from(w, 1);
        say(slow, begun[i]);
        int next = connect_from(w, 2);
        struct pollfd over = {.fd = slow, .events = POLLIN}; /* sooner than one that says nothing is closed */
        assert_int_equal(poll(&over, 1, (WEB_IDLE_S - 1) * 1000), 1);
        assert_int_equal(hear(slow, got, sizeof got, true), 0);
        close(slow);
        close(next);
    }
    web_close(w);
    spec.whole_us = 0;
    w = web_open(&spec, handler, &s, &e);
    int slow = connect_from(w, 1), next = connect_from(w, 2);
    say(slow, "GET /pa");
    expect(next, GET, "HTTP/1.1 200 ");
    expect(slow, "ge HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ");
    close(slow);
    close(next);
    web_close(w);
}

/* A body that nobody will read is refused by what its head says of it, and the limit is that of the path. */
static void long_bodies(void **state)
{
    struct seen s = {0};
    struct err e = {0};
    struct web_spec spec = {
        .at = "127.0.0.1:0", .post_max = 1000, .post_of = short_post, .cert_file = "", .key_file = ""};
    char text[3000];
    (void)state;
    struct web *w = web_open(&spec, handler, &s, &e);
    assert_non_null(w);
    static const char *const absurd[] = {"999999999999999", "99999999999999999999999", "18446744073709551615",
                                         "2000000"};
    for (size_t i = 0; i < 4; i++) {
        int fd = connect_from(w, 1);
        snprintf(text, sizeof text, "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: %s\r\n\r\n", absurd[i]);
        expect(fd, text, "HTTP/1.1 4"); /* 413; the library's own 400 for what is no number of its */
        close(fd);
    }
    assert_int_equal(s.n, 0);
    for (int other = 0; other < 2; other++) {
        int fd = connect_from(w, 1);
        int n = snprintf(text, sizeof text, "POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n",
                         other ? "other" : "page");
        memset(text + n, 'x', 500);
        text[n + 500] = '\0';
        expect(fd, text, other ? "HTTP/1.1 404 " : "HTTP/1.1 413 ");
        close(fd);
    }
    assert_int_equal(s.n, 1);
    web_close(w);
}

/* All bodies that are on their way have one limit. */
static void held_bodies(void **state)
{
    struct seen s = {0};
    struct err e = {0};
    struct web_spec spec = {.at = "127.0.0.1:0", .post_max = 1000, .held = 1500, .cert_file = "", .key_file = ""};
    char text[2000];
    int fd[2], more = 0;
    (void)state;
    struct web *w = web_open(&spec, handler, &s, &e);
    assert_non_null(w);
    for (int i = 0; i < 2; i++) {
        fd[i] = connect_from(w, 1);
        int n = snprintf(text, sizeof text, "POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
        memset(text + n, 'x', 999);
        text[n + 999] = '\0';
        say(fd[i], text);
        /* What was sent before this is read when these are answered: the server goes round its connections. */
        for (int k = 0; k < 8; k++) {
            more = connect_from(w, 2);
            expect(more, GET, "HTTP/1.1 200 ");
            close(more);
        }
    }
    expect(fd[1], "x", "HTTP/1.1 503 ");
    expect(fd[0], "x", "HTTP/1.1 404 ");
    memcpy(text + strlen(text), "x", 2); /* what was held is let go of */
    more = connect_from(w, 1);
    expect(more, text, "HTTP/1.1 404 ");
    assert_int_equal(hear(more, text, sizeof text, true), 0); /* nor is it left open */
    close(more);
    close(fd[0]);
    close(fd[1]);
    web_close(w);
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
        cmocka_unit_test(one_address),  cmocka_unit_test(slow_clients),
        cmocka_unit_test(long_bodies),  cmocka_unit_test(held_bodies),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
