/* HTTP for one event loop, over libcurl's multi interface. The only user of libcurl.
 *
 * One `http` object belongs to one thread. Requests are queued, run in parallel over kept-alive connections, and end
 * in a callback from http_run(), never from inside http_send(). Redirects are not followed (a 3xx is an error),
 * only http and https are spoken, netrc and the environment's proxies are not used, bodies and headers are capped,
 * time-outs run on the handed-in clock. Secrets are kept in memory only as long as needed and never logged. */
#ifndef ANDON_CLIENT_HTTP_H
#define ANDON_CLIENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/err.h"

struct http;
struct http_peer; /* one endpoint: URL, credentials, TLS, limit of parallel requests */

struct http_answer {
    int status;      /* 0 when there was none */
    struct buf body; /* owned by http, valid during the callback */
    char content_type[80];
    char request_id[80];          /* X-Request-Id and the like, safe text, "" */
    int64_t server_date;          /* Date header, us, 0 */
    int64_t retry_after_us;       /* 0 none */
    int64_t sent_at, answered_at; /* clock */
    bool maybe_sent;              /* the request may have reached the server (for verbs: outcome unknown) */
    const struct err *err;        /* NULL when an answer came (whatever its status) */
};
typedef void (*http_done)(void *ctx, const struct http_answer *a);

enum http_flags {
    HTTP_SAFE = 1,   /* may be repeated: retried with jitter on network errors, 429 (empty body), 502, 503, 504 */
    HTTP_URGENT = 2, /* jumps the queue and the limit of parallel requests, on a connection of its own if needed */
};

struct http *http_new(struct clock *clock, uint64_t seed);
/* Cancels what is under way (callbacks get ERR_CANCELLED) and frees. */
void http_free(struct http *h);

/* The secret is read here, through its command, file or variable. NULL with *e filled when it can't be had or the
 * endpoint is not acceptable. */
struct http_peer *http_peer_new(struct http *h, const struct endpoint *ep, int max_parallel, struct err *e);
void http_peer_free(struct http_peer *p);

/* path is appended to the endpoint's URL. body may be NULL; content type is JSON. max_body caps the decoded answer.
 * Returns an id for http_cancel. */
uint64_t http_send(struct http_peer *p, const char *method, const char *path, const char *body, size_t max_body,
                   unsigned flags, http_done done, void *ctx);
void http_cancel(struct http *h, uint64_t id);
unsigned http_in_flight(const struct http *h);

/* One turn of the loop: carries on with transfers, blocks until one advances, `wake_fd` becomes readable (-1: none),
 * or the clock reaches `deadline`, and calls the callbacks that are due. `extra` is added to the in-flight count that
 * clock->idle() is told (log appends). */
void http_run(struct http *h, int wake_fd, int64_t deadline, unsigned extra);

/* Percent-encodes everything but unreserved characters (RFC 3986). */
bool http_escape(struct buf *out, const char *s);

#endif
