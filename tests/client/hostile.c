#include "hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#define RIG_START INT64_C(1900000000000000)
#define CONNS     64
#define LOG_LINES 4096

struct conn {
    int fd; /* -1 = free */
    struct buf in;
    int requests;
    bool silent; /* stalled, with a request unanswered */
};

struct hostile {
    hostile_fn fn;
    void *ctx;
    int listener, port, wake[2], ack[2];
    pthread_t thread;
    struct conn conn[CONNS];
    _Atomic int requests, connections, silent;
    pthread_mutex_t lock;
    char *log[LOG_LINES];
    int n_log;
};

void hostile_answer(struct buf *out, int status, const char *content_type, const char *body)
{
    buf_printf(out, "HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, content_type,
               strlen(body), body);
}

static void drop(struct hostile *s, struct conn *c)
{
    if (c->silent)
        atomic_fetch_sub(&s->silent, 1);
    c->silent = false;
    close(c->fd);
    c->fd = -1;
    buf_release(&c->in);
}

static void put_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EAGAIN) {
            struct pollfd w = {.fd = fd, .events = POLLOUT};
            poll(&w, 1, 1000);
            continue;
        }
        if (k <= 0)
            return; /* the client has had enough */
        p += k;
        n -= (size_t)k;
    }
}

/* Is there a whole request in the buffer? Gives its length. */
static size_t whole(const struct buf *in)
{
    const char *end = strstr(in->data, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = (size_t)(end - in->data) + 4, body = 0;
    const char *cl = strcasestr(in->data, "\r\ncontent-length:");
    if (cl && cl < end)
        body = (size_t)strtoul(cl + 17, NULL, 10);
    return in->len >= head + body ? head + body : 0;
}

static void answer(struct hostile *s, struct conn *c, size_t n)
{
    char *text = xstrndup(c->in.data, n);
    char *body = strstr(text, "\r\n\r\n") + 4, *head = strstr(text, "\r\n");
    char method[16] = "", path[8192] = "";
    size_t m = strcspn(text, " ");
    snprintf(method, sizeof method, "%.*s", (int)(m < 15 ? m : 15), text);
    const char *from = text + m + 1;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(from, " \r"), from);
    struct hostile_request r = {
        .n = atomic_fetch_add(&s->requests, 1), .on_conn = c->requests++, .method = method, .path = path, .body = body};
    body[-2] = '\0';
    r.head = head;
    pthread_mutex_lock(&s->lock);
    if (s->n_log < LOG_LINES) {
        char line[8300];
        snprintf(line, sizeof line, "%s %s", method, path);
        s->log[s->n_log++] = xstrdup(line);
    }
    pthread_mutex_unlock(&s->lock);
    struct buf out;
    buf_init(&out, (size_t)256 << 20);
    enum hostile_end end = s->fn(s->ctx, &r, &out);
    put_all(c->fd, out.data, out.len);
    buf_release(&out);
    free(text);
    if (end == HOSTILE_STALL) {
        if (!c->silent)
            atomic_fetch_add(&s->silent, 1);
        c->silent = true;
    } else if (end == HOSTILE_RESET) {
        struct linger hard = {.l_onoff = 1};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    size_t left = c->in.len - n;
    memmove(c->in.data, c->in.data + n, left + 1);
    c->in.len = left;
    if (end == HOSTILE_CLOSE || end == HOSTILE_RESET)
        drop(s, c);
}

static void readable(struct hostile *s, struct conn *c)
{
    char tmp[16384];
    ssize_t k = recv(c->fd, tmp, sizeof tmp, 0);
    if (k <= 0) {
        drop(s, c);
        return;
    }
    buf_add(&c->in, tmp, (size_t)k);
    if (c->in.data[0] == 0x16) {
        static const char plain[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
        put_all(c->fd, plain, sizeof plain - 1);
        drop(s, c);
        return;
    }
    size_t n;
    while (c->fd >= 0 && !c->silent && (n = whole(&c->in)) > 0)
        answer(s, c, n);
}

static void accept_one(struct hostile *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int i = 0; i < CONNS; i++)
        if (s->conn[i].fd < 0) {
            s->conn[i] = (struct conn){.fd = fd};
            buf_init(&s->conn[i].in, 16 << 20);
            atomic_fetch_add(&s->connections, 1);
            return;
        }
    close(fd);
}

static void *serve(void *arg)
{
    struct hostile *s = arg;
    for (;;) {
        struct pollfd p[CONNS + 2] = {{.fd = s->wake[0], .events = POLLIN}, {.fd = s->listener, .events = POLLIN}};
        for (int i = 0; i < CONNS; i++)
            p[i + 2] = (struct pollfd){.fd = s->conn[i].fd, .events = POLLIN};
        if (poll(p, CONNS + 2, -1) < 0)
            continue;
        for (int i = 0; i < CONNS; i++)
            if (p[i + 2].revents && s->conn[i].fd >= 0)
                readable(s, &s->conn[i]);
        if (p[1].revents)
            accept_one(s);
        char why = 0;
        if (p[0].revents && read(s->wake[0], &why, 1) == 1 && why == 'x')
            return NULL;
        if (why == 's' && write(s->ack[1], "a", 1) != 1)
            return NULL;
    }
}

struct hostile *hostile_start(hostile_fn fn, void *ctx)
{
    struct hostile *s = xcalloc(1, sizeof *s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->fn = fn;
    s->ctx = ctx;
    for (int i = 0; i < CONNS; i++)
        s->conn[i].fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pipe2(s->wake, O_CLOEXEC), 0);
    assert_int_equal(pipe2(s->ack, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

void hostile_stop(struct hostile *s)
{
    if (!s)
        return;
    assert_int_equal(write(s->wake[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < CONNS; i++)
        if (s->conn[i].fd >= 0)
            drop(s, &s->conn[i]);
    close(s->listener);
    close(s->wake[0]);
    close(s->wake[1]);
    close(s->ack[0]);
    close(s->ack[1]);
    for (int i = 0; i < s->n_log; i++)
        free(s->log[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int hostile_port(const struct hostile *s)
{
    return s->port;
}

int hostile_requests(const struct hostile *s)
{
    return s->requests;
}

int hostile_connections(const struct hostile *s)
{
    return s->connections;
}

int hostile_count(struct hostile *s, const char *line)
{
    int n = 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_log; i++)
        n += strcmp(s->log[i], line) == 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* --- the rig --- */

static int64_t rig_now(struct clock *c)
{
    return atomic_load(&((struct rig *)c)->now);
}

/* Is the server silent on all that is under way? It is asked once more after it has looked at its connections: one that
 * the client has just given up must not count for a new one. */
static bool all_silent(struct hostile *s, unsigned in_flight)
{
    char c;
    if ((unsigned)atomic_load(&s->silent) < in_flight)
        return false;
    assert_int_equal(write(s->wake[1], "s", 1), 1);
    assert_int_equal(read(s->ack[0], &c, 1), 1);
    return (unsigned)atomic_load(&s->silent) >= in_flight;
}

static int64_t rig_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    struct rig *r = (struct rig *)c;
    if (deadline == TIME_NEVER || (in_flight && (!r->server || !all_silent(r->server, in_flight))))
        return 2000;
    if (deadline > rig_now(c))
        atomic_store(&r->now, deadline);
    return 0;
}

void rig_init(struct rig *r, hostile_fn fn, void *ctx)
{
    *r = (struct rig){.clock = {.now = rig_now, .idle = rig_idle, .wall = rig_now}};
    r->now = RIG_START;
    r->server = fn ? hostile_start(fn, ctx) : NULL;
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%d", r->server ? r->server->port : 1);
    r->endpoint = (struct endpoint){.url = r->url,
                                    .user = "",
                                    .ca_file = "",
                                    .client_cert = "",
                                    .client_key = "",
                                    .proxy = "",
                                    .timeout_us = 10 * US_PER_S};
    r->http = http_new(&r->clock, 7);
}

void rig_open(struct rig *r, int max_parallel)
{
    struct err e = {0};
    r->peer = http_peer_new(r->http, &r->endpoint, max_parallel, &e);
    if (!r->peer)
        fail_msg("%s", e.what);
}

void rig_release(struct rig *r)
{
    http_free(r->http);
    hostile_stop(r->server);
    free(r->body);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct rig *r = ctx;
    r->answered = true;
    r->answer = *a;
    r->err = a->err ? *a->err : (struct err){0};
    free(r->body);
    r->body = xstrndup(a->body.data, a->body.len);
    r->body_len = a->body.len;
}

int64_t rig_run_time(const struct rig *r)
{
    return r->now - RIG_START;
}

void rig_run(struct rig *r, const bool *flag)
{
    /* A hang is a failure, not a hang: each turn lasts at most 2 ms, or moves the clock. */
    for (int i = 0; i < 20000 && !*flag; i++)
        http_run(r->http, -1, TIME_NEVER, 0);
    assert_true(*flag);
}

void rig_fetch(struct rig *r, const char *method, const char *path, const char *body, size_t max_body, unsigned flags)
{
    if (!r->peer)
        rig_open(r, 4);
    r->answered = false;
    http_send(r->peer, method, path, body, max_body, flags, on_answer, r);
    assert_false(r->answered); /* never from inside http_send */
    rig_run(r, &r->answered);
}
