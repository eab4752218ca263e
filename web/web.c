#include "web/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that one connection may hold: its request's head and its answer's. */
#define CONNECTION_BYTES ((size_t)16 << 10)

struct web {
    web_handler handler;
    void *ctx;
    struct MHD_Daemon *daemon;
    char address[80];
    bool local;
};

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } at;
    socklen_t size;
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
};

static bool read_port(const char *s, uint16_t *out)
{
    size_t n = strspn(s, "0123456789");
    long v = n > 0 && n <= 5 ? strtol(s, NULL, 10) : -1;
    if (v < 0 || v > 65535 || s[n] != '\0')
        return false;
    *out = (uint16_t)v;
    return true;
}

static bool read_address(const char *text, struct address *out)
{
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool six = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    char host[64] = "127.0.0.1";
    *out = (struct address){0};
    if (n >= sizeof host || !read_port(port, &out->port))
        return false;
    if (six) {
        memcpy(host, text + 1, n - 2);
        host[n - 2] = '\0';
        out->at.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(out->port)};
        out->size = sizeof out->at.six;
    } else {
        if (n > 0) {
            memcpy(host, text, n);
            host[n] = '\0';
        }
        out->at.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(out->port)};
        out->size = sizeof out->at.four;
    }
    void *bytes = six ? (void *)&out->at.six.sin6_addr : (void *)&out->at.four.sin_addr;
    int family = six ? AF_INET6 : AF_INET;
    return inet_pton(family, host, bytes) == 1 && inet_ntop(family, bytes, out->host, sizeof out->host) != NULL;
}

static bool is_local(const struct address *a)
{
    if (a->at.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->at.six.sin6_addr);
    return ntohl(a->at.four.sin_addr.s_addr) >> 24 == 127;
}

static enum MHD_Result answer(struct MHD_Connection *conn, struct web_answer *out, bool end)
{
    size_t n = out->body.len;
    char *bytes = buf_take(&out->body);
    struct MHD_Response *resp = MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    if (!resp) {
        free(bytes);
        return MHD_NO;
    }
    MHD_add_response_header(resp, "Content-Type", out->type);
    MHD_add_response_header(resp, "Cache-Control", "no-store");
    MHD_add_response_header(resp, "X-Content-Type-Options", "nosniff");
    if (out->status == 405)
        MHD_add_response_header(resp, "Allow", "GET, HEAD");
    if (end)
        MHD_add_response_header(resp, "Connection", "close");
    enum MHD_Result ok = MHD_queue_response(conn, (unsigned)out->status, resp);
    MHD_destroy_response(resp);
    return ok;
}

static void say(struct web_answer *out, int status, const char *text)
{
    buf_clear(&out->body);
    out->status = status;
    out->type = "text/plain; charset=utf-8";
    buf_adds(&out->body, text);
}

/* Called once with the head of a request, then with its body (which we do not take) or its end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *path, const char *method,
                                  const char *version, const char *data, size_t *n, void **seen)
{
    (void)version;
    (void)data;
    struct web *w = cls;
    bool get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    bool first = !*seen;
    *seen = w;
    if (*n > 0)
        return MHD_NO;
    if (first && get)
        return MHD_YES;
    struct web_answer out = {.status = 200, .type = "text/plain; charset=utf-8"};
    buf_init(&out.body, WEB_PAGE_MAX);
    if (!get) {
        say(&out, 405, "only GET and HEAD\n");
    } else if (strlen(path) > WEB_TARGET_MAX) {
        say(&out, 414, "the path is too long\n");
    } else {
        const char *accept = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Accept");
        struct web_request r = {.path = path, .accept = accept ? accept : ""};
        w->handler(w->ctx, &r, &out);
        if (out.body.over)
            say(&out, 500, "the page is too large\n");
    }
    enum MHD_Result ok = answer(conn, &out, !get);
    buf_release(&out.body);
    return ok;
}

/* Opened here and not by the library, so that the system's own reason is known when it fails. */
static int open_socket(const struct address *a, const char *text, struct err *e)
{
    int one = 1, fd = socket(a->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (a->at.any.sa_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        if (bind(fd, &a->at.any, a->size) == 0 && listen(fd, WEB_CLIENTS) == 0)
            return fd;
    }
    err_errno(e, ERR_NETWORK, "choose another address or port", "cannot listen on %.80s", text);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool check(const char *at, struct address *out, struct err *e)
{
    return read_address(at, out) ||
           err_set(e, ERR_SYNTAX, "as in 127.0.0.1:9464, [::1]:9464 or 9464 (this machine only)",
                   "expected an address and a port, found %.80s", at);
}

bool web_check(const char *at, struct err *e)
{
    struct address a;
    return check(at, &a, e);
}

struct web *web_listen(const char *at, web_handler handler, void *ctx, struct err *e)
{
    struct address a;
    if (!check(at, &a, e))
        return NULL;
    int fd = open_socket(&a, at, e);
    if (fd < 0)
        return NULL;
    struct web *w = xcalloc(1, sizeof *w);
    w->handler = handler;
    w->ctx = ctx;
    w->local = is_local(&a);
    w->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, w,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)WEB_CLIENTS,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)WEB_IDLE_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_END);
    if (!w->daemon) {
        err_errno(e, ERR_NETWORK, "", "the server of %.80s cannot be started", at);
        close(fd);
        free(w);
        return NULL;
    }
    socklen_t size = sizeof a.at;
    if (a.port == 0 && getsockname(fd, &a.at.any, &size) == 0)
        a.port = ntohs(a.at.any.sa_family == AF_INET6 ? a.at.six.sin6_port : a.at.four.sin_port);
    bool six = a.at.any.sa_family == AF_INET6;
    snprintf(w->address, sizeof w->address, "%s%s%s:%u", six ? "[" : "", a.host, six ? "]" : "", a.port);
    return w;
}

void web_close(struct web *w)
{
    if (!w)
        return;
    MHD_stop_daemon(w->daemon); /* closes the socket, waits for the thread */
    free(w);
}

const char *web_address(const struct web *w)
{
    return w->address;
}

bool web_is_local(const struct web *w)
{
    return w->local;
}
