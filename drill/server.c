#include "drill/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/rng.h"

#define BODY_MAX   ((size_t)4 * 1024 * 1024)
#define ANSWER_MAX ((size_t)256 * 1024 * 1024)
#define TARGET_MAX ((size_t)64 * 1024)

struct request {
    char *target;
    struct buf body;
    bool begun;
    bool released; /* its time has come: answer now */
    int64_t until;
    struct MHD_Connection *conn;
    struct request *next;
};

struct server {
    struct server_hooks hooks;
    struct MHD_Daemon *daemon;
    int port, keep_alive;
    struct request *held;
    bool stopping;
    _Atomic int64_t requests;
};

/* Called first, with the request line's target as it came. */
static void *on_target(void *cls, const char *uri, struct MHD_Connection *conn)
{
    (void)cls;
    struct request *r = xcalloc(1, sizeof *r);
    size_t n = strlen(uri);
    r->target = xstrndup(uri, n > TARGET_MAX ? TARGET_MAX : n);
    r->conn = conn;
    buf_init(&r->body, BODY_MAX);
    return r;
}

static void on_done(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode how)
{
    (void)conn;
    (void)how;
    struct server *s = cls;
    struct request *r = *con_cls;
    if (!r)
        return;
    pthread_mutex_lock(s->hooks.lock);
    for (struct request **p = &s->held; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    pthread_mutex_unlock(s->hooks.lock);
    free(r->target);
    buf_release(&r->body);
    free(r);
    *con_cls = NULL;
}

/* Counts the requests of a connection, in the slot that the library keeps for it. */
static void on_connection(void *cls, struct MHD_Connection *conn, void **slot, enum MHD_ConnectionNotificationCode code)
{
    (void)cls;
    (void)conn;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = xcalloc(1, sizeof(int));
    } else {
        free(*slot);
        *slot = NULL;
    }
}

/* RFC 9110, 5.6.7; not strftime, which knows locales. The drill's clock, so that nobody sees a skew. */
static void http_date(char out[64], int64_t us)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t t = us / US_PER_S, day = t / 86400, left = t % 86400;
    int64_t z = day + 719468, era = z / 146097, doe = z - era * 146097; /* civil_from_days, H. Hinnant */
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
    int64_t y = yoe + era * 400 + (m <= 2);
    snprintf(out, 64, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + day % 7 * 3, (int)d, months + (m - 1) * 3,
             (int)y, (int)(left / 3600), (int)(left / 60 % 60), (int)(left % 60));
}

static void add_headers(struct MHD_Response *resp, const struct http_out *out, int64_t now)
{
    static const char *const fixed[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-XSS-Protection", "0"},
        {"Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"},
        {"Pragma", "no-cache"},
        {"Expires", "0"},
        {"X-Frame-Options", "DENY"},
    };
    char date[64];
    http_date(date, now);
    MHD_add_response_header(resp, "Date", date);
    if (out->hawkbit)
        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
            MHD_add_response_header(resp, fixed[i][0], fixed[i][1]);
    if (out->type)
        MHD_add_response_header(resp, "Content-Type", out->type);
    if (out->allow)
        MHD_add_response_header(resp, "Allow", out->allow);
    if (out->challenge)
        MHD_add_response_header(resp, "WWW-Authenticate", "Basic realm=\"hawkBit\", charset=\"UTF-8\"");
}

/* Only for the ETag: eight bytes at a step, since pages of a hundred kilobytes are made by the hundred. */
static uint64_t hash_body(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ n, word;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h ^ hash_bytes(p, n);
}

static enum MHD_Result reply(struct server *s, struct MHD_Connection *conn, struct http_out *out,
                             const struct http_in *in)
{
    char tag[32] = "";
    if (out->etag && out->status == 200) {
        snprintf(tag, sizeof tag, "\"0%016" PRIx64 "\"", hash_body(out->body.data, out->body.len));
        if (in->if_none_match && strstr(in->if_none_match, tag)) {
            out->status = 304;
            buf_clear(&out->body);
        }
    }
    size_t n = out->body.len;
    char *bytes = buf_take(&out->body);
    struct MHD_Response *resp = MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    if (!resp) {
        free(bytes);
        return MHD_NO;
    }
    if (out->status == 204 || out->status == 304)
        out->type = NULL;
    add_headers(resp, out, in->now);
    if (*tag)
        MHD_add_response_header(resp, "ETag", tag);
    const union MHD_ConnectionInfo *slot = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    int *used = slot ? slot->socket_context : NULL;
    if (used && ++*used >= s->keep_alive)
        MHD_add_response_header(resp, "Connection", "close");
    enum MHD_Result ok = MHD_queue_response(conn, (unsigned)out->status, resp);
    MHD_destroy_response(resp);
    return ok;
}

static const char *header(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **con_cls)
{
    (void)url;
    (void)version;
    struct server *s = cls;
    struct request *r = *con_cls;
    if (!r->begun) {
        r->begun = true;
        return MHD_YES;
    }
    if (*n > 0) {
        buf_add(&r->body, data, *n);
        *n = 0;
        return MHD_YES;
    }
    struct http_in in = {.method = method,
                         .target = r->target,
                         .host = header(conn, "Host"),
                         .auth = header(conn, "Authorization"),
                         .accept = header(conn, "Accept"),
                         .content_type = header(conn, "Content-Type"),
                         .if_none_match = header(conn, "If-None-Match"),
                         .forwarded = header(conn, "X-Forwarded-For"),
                         .body = r->body.data,
                         .n_body = r->body.len};
    struct http_out out = {.status = 500};
    pthread_mutex_lock(s->hooks.lock);
    in.now = s->hooks.now(s->hooks.ctx);
    int64_t delay = r->released || s->stopping ? 0 : s->hooks.delay(s->hooks.ctx, &in);
    if (delay > 0) {
        r->until = in.now + delay;
        r->next = s->held;
        s->held = r;
        MHD_suspend_connection(conn);
        pthread_mutex_unlock(s->hooks.lock);
        return MHD_YES;
    }
    buf_init(&out.body, ANSWER_MAX);
    if (r->body.over)
        out.status = 413;
    else
        s->hooks.answer(s->hooks.ctx, &in, &out);
    pthread_mutex_unlock(s->hooks.lock);
    atomic_fetch_add(&s->requests, 1);
    enum MHD_Result ok = reply(s, conn, &out, &in);
    buf_release(&out.body);
    return ok;
}

/* Gone when the client has closed its end: it does not wait for this answer any more. A suspended connection is not
 * touched by the library, so its descriptor is ours to look at. */
static bool asker_gone(const struct request *r)
{
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    char c;
    return fd && recv(fd->connect_fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

unsigned server_held(struct server *s, int64_t *until)
{
    unsigned n = 0;
    *until = TIME_NEVER;
    for (const struct request *r = s->held; r; r = r->next) {
        if (asker_gone(r))
            continue;
        n++;
        *until = r->until < *until ? r->until : *until;
    }
    return n;
}

static void let_go(struct request **p)
{
    struct request *r = *p;
    *p = r->next;
    r->next = NULL;
    r->released = true;
    MHD_resume_connection(r->conn);
}

static bool earlier(const struct request *a, const struct request *b)
{
    return a->until != b->until ? a->until < b->until : strcmp(a->target, b->target) < 0;
}

void server_release(struct server *s, int64_t now, bool only_first)
{
    struct request **first = NULL;
    for (struct request **p = &s->held; *p;) {
        if ((*p)->until > now && !s->stopping) {
            p = &(*p)->next;
        } else if (only_first) {
            if (!first || earlier(*p, *first))
                first = p;
            p = &(*p)->next;
        } else {
            let_go(p);
        }
    }
    if (first)
        let_go(first);
}

struct server *server_start(const struct server_hooks *hooks, int port, int keep_alive, struct err *e)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->hooks = *hooks;
    s->keep_alive = keep_alive;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                         on_request, s, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_URI_LOG_CALLBACK,
                         on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_done, s, MHD_OPTION_NOTIFY_CONNECTION,
                         on_connection, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)128 * 1024,
                         MHD_OPTION_CONNECTION_LIMIT, 512U, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    if (!s->daemon) {
        err_errno(e, ERR_NETWORK, port ? "Choose another port, or none." : "",
                  "the server cannot listen on 127.0.0.1:%d", port);
        free(s);
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = info ? info->port : port;
    return s;
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    pthread_mutex_lock(s->hooks.lock);
    s->stopping = true;
    server_release(s, TIME_NEVER, false);
    pthread_mutex_unlock(s->hooks.lock);
    MHD_stop_daemon(s->daemon);
    free(s);
}

int server_port(const struct server *s)
{
    return s->port;
}

int64_t server_requests(struct server *s)
{
    return atomic_load(&s->requests);
}
