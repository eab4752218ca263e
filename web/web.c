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
#include "core/clock.h"

/* Bytes that one connection may hold: its request's head and its answer's. */
#define CONNECTION_BYTES ((size_t)16 << 10)

#define TAKEN_MAX ((size_t)1 << 20) /* beyond what a body may have: then the connection is closed */
#define PEM_MAX   ((size_t)256 << 10)

/* A connection: who is at its other end, and since when it is busy with the request that is under way. */
struct peer {
    bool used, over; /* over: one too many of its address */
    int fd;
    uint8_t from[16];
    int64_t begun;
};

struct web {
    web_handler handler;
    size_t post_max, (*post_of)(void *ctx, const char *path);
    void *ctx;
    struct MHD_Daemon *daemon;
    int64_t whole_us;
    struct peer peer[WEB_CLIENTS]; /* these and `held` are the thread's */
    size_t held, held_max;         /* bytes of bodies that are coming */
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

static enum MHD_Result answer(struct MHD_Connection *conn, struct web_answer *out, bool end, bool post)
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
        MHD_add_response_header(resp, "Allow", post ? "GET, HEAD, POST" : "GET, HEAD");
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

/* ---- connections ---- */

/* The part of an address that one party has for itself. */
static void party(const struct sockaddr *a, uint8_t out[16])
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    memset(out, 0, 16);
    if (a && a->sa_family == AF_INET6) {
        memcpy(&six, a, sizeof six);
        memcpy(out, &six.sin6_addr, 8);
    } else if (a && a->sa_family == AF_INET) {
        memcpy(&four, a, sizeof four);
        memcpy(out + 12, &four.sin_addr, 4);
    }
}

static size_t count(const struct web *w, const uint8_t from[16])
{
    size_t n = 0;
    for (size_t i = 0; i < WEB_CLIENTS; i++)
        n += w->peer[i].used && (!from || memcmp(w->peer[i].from, from, 16) == 0);
    return n;
}

/* Is there room for one more? Those whose time is over make way for it: the library only sees who says nothing. */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *addr, socklen_t size)
{
    (void)size;
    struct web *w = cls;
    uint8_t from[16];
    int64_t now = clock_now(clock_real());
    for (size_t i = 0; i < WEB_CLIENTS; i++)
        if (w->peer[i].used && now - w->peer[i].begun >= w->whole_us)
            shutdown(w->peer[i].fd, SHUT_RDWR);
    party(addr, from);
    return count(w, NULL) < WEB_CLIENTS && count(w, from) < 2 * (size_t)WEB_EACH ? MHD_YES : MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **socket,
                          enum MHD_ConnectionNotificationCode what)
{
    struct web *w = cls;
    struct peer *p = *socket;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (p)
            p->used = false;
        return;
    }
    for (p = w->peer; p < w->peer + WEB_CLIENTS && p->used; p++)
        ;
    if (p == w->peer + WEB_CLIENTS)
        return; /* on_accept leaves none in */
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD),
                                   *addr = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *p = (struct peer){.fd = fd ? fd->connect_fd : -1, .begun = clock_now(clock_real())};
    party(addr ? addr->client_addr : NULL, p->from);
    p->over = count(w, p->from) >= WEB_EACH;
    p->used = true;
    *socket = p;
}

static struct peer *peer_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

/* ---- requests ---- */

/* What has come of a request's body so far. */
struct coming {
    bool over, busy; /* too long; with the others too much */
    size_t n, max;
    struct buf body;
};

static void on_done(void *cls, struct MHD_Connection *conn, void **seen, enum MHD_RequestTerminationCode why)
{
    (void)why;
    struct web *w = cls;
    struct coming *c = *seen;
    struct peer *p = peer_of(conn);
    if (p)
        p->begun = clock_now(clock_real());
    if (!c)
        return;
    w->held -= c->body.len;
    buf_release(&c->body);
    free(c);
    *seen = NULL;
}

static void handle(struct web *w, struct MHD_Connection *conn, const char *path, bool post, const struct coming *c,
                   struct web_answer *out)
{
    const char *accept = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Accept");
    struct web_request r = {
        .path = path, .accept = accept ? accept : "", .post = post, .body = {c->body.data, c->body.len}};
    if (strlen(path) > WEB_TARGET_MAX)
        say(out, 414, "the path is too long\n");
    else if (c->over)
        say(out, 413, "the body is too long\n");
    else if (c->busy)
        say(out, 503, "too much is coming in at once; try again\n");
    else
        w->handler(w->ctx, &r, out);
    if (out->body.over)
        say(out, 500, "the page is too large\n");
}

/* What can be said when only the head of a request is known; 0: go on. Whoever says that he sends a body of more than
 * is read and forgotten need not send it. */
static int refused(const struct web *w, struct MHD_Connection *conn, bool post, const struct coming *c)
{
    const struct peer *p = peer_of(conn);
    const char *length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Content-Length");
    char *end = NULL;
    errno = 0;
    unsigned long long n = length ? strtoull(length, &end, 10) : 0;
    if (!p || p->over)
        return 429;
    return post && w->post_max > 0 && (errno != 0 || n > c->max + TAKEN_MAX) ? 413 : 0;
}

static void take(struct web *w, struct coming *c, const char *data, size_t n)
{
    c->n += n;
    if (c->over || c->busy)
        return; /* the rest is taken and forgotten, so that the answer can be read */
    c->busy = w->held + n > w->held_max;
    if (c->busy)
        return;
    size_t before = c->body.len;
    c->over = !buf_add(&c->body, data, n);
    w->held += c->body.len - before;
}

/* Called once with the head of a request, then with its body, piece by piece, and its end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *path, const char *method,
                                  const char *version, const char *data, size_t *n, void **seen)
{
    (void)version;
    struct web *w = cls;
    bool get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    bool post = w->post_max > 0 && strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    struct web_answer out = {.status = 200, .type = "text/plain; charset=utf-8"};
    struct coming *c = *seen;
    if (!c) {
        *seen = c = xcalloc(1, sizeof *c);
        c->max = post && w->post_of ? w->post_of(w->ctx, path) : w->post_max;
        if (c->max > w->post_max)
            c->max = w->post_max;
        buf_init(&c->body, c->max);
        int no = refused(w, conn, post, c);
        if (no == 0 && (get || post))
            return MHD_YES;
        if (no != 0) {
            buf_init(&out.body, WEB_PAGE_MAX);
            say(&out, no, no == 413 ? "the body is too long\n" : "too many connections from your address\n");
            enum MHD_Result told = answer(conn, &out, true, post);
            buf_release(&out.body);
            return told;
        }
    }
    if (*n > 0 && !post)
        return MHD_NO;
    if (*n > 0) {
        take(w, c, data, *n);
        bool enough = c->n > c->max + TAKEN_MAX;
        *n = 0;
        return enough ? MHD_NO : MHD_YES;
    }
    buf_init(&out.body, WEB_PAGE_MAX);
    if (get || post)
        handle(w, conn, path, post, c, &out);
    else
        say(&out, 405, w->post_max > 0 ? "only GET, HEAD and POST\n" : "only GET and HEAD\n");
    /* A client sends a POST over a connection of its own, so that it is never sent twice: left open they would use up
     * what its address may have. */
    enum MHD_Result ok = answer(conn, &out, !get, w->post_max > 0);
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

/* A PEM file, NUL-terminated; NULL with *e. */
static char *read_pem(const char *path, struct err *e)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    if (f) {
        text = xcalloc(1, PEM_MAX + 1);
        size_t n = fread(text, 1, PEM_MAX, f);
        if (n == 0 || n == PEM_MAX || ferror(f)) {
            free(text);
            text = NULL;
        }
        fclose(f);
    }
    if (!text)
        err_errno(e, ERR_IO, "name a PEM file that this user can read", "%.200s: cannot be read", path);
    return text;
}

static struct MHD_Daemon *start(struct web *w, int fd, const char *cert, const char *key)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | (cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                   {MHD_OPTION_END, 0, NULL}};
    /* One more than there are: the library accepts none at its limit, and on_accept makes the room. */
    return MHD_start_daemon(flags, 0, on_accept, w, on_request, w, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)WEB_CLIENTS + 1, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)WEB_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
                            MHD_OPTION_NOTIFY_COMPLETED, on_done, w, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
                            MHD_OPTION_ARRAY, cert ? tls : &tls[2], MHD_OPTION_END);
}

struct web *web_listen(const char *at, web_handler handler, void *ctx, struct err *e)
{
    return web_open(&(struct web_spec){.at = at, .cert_file = "", .key_file = ""}, handler, ctx, e);
}

struct web *web_open(const struct web_spec *spec, web_handler handler, void *ctx, struct err *e)
{
    const char *at = spec->at;
    char *cert = NULL, *key = NULL;
    struct address a;
    if (!check(at, &a, e))
        return NULL;
    bool tls = *spec->cert_file != '\0', ok = true;
    if (tls) {
        cert = read_pem(spec->cert_file, e);
        key = cert ? read_pem(*spec->key_file ? spec->key_file : spec->cert_file, e) : NULL;
        ok = key != NULL;
    }
    int fd = ok ? open_socket(&a, at, e) : -1;
    struct web *w = xcalloc(1, sizeof *w);
    w->handler = handler;
    w->post_max = spec->post_max;
    w->post_of = spec->post_of;
    w->held_max = spec->held ? spec->held : WEB_HELD;
    w->whole_us = spec->whole_us ? spec->whole_us : WEB_WHOLE_US;
    w->ctx = ctx;
    w->local = is_local(&a);
    w->daemon = fd >= 0 ? start(w, fd, cert, key) : NULL;
    free(cert);
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    if (!w->daemon) {
        if (fd >= 0) {
            err_set(e, ERR_NETWORK, tls ? "is the key that of the certificate?" : "",
                    "the server of %.80s cannot be started", at);
            close(fd);
        }
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
