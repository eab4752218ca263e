/* HTTP for one event loop, over libcurl's multi interface. The only user of libcurl but for client/syslog.c.
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
    char error_type[80];          /* X-Amzn-ErrorType, as far as its first ':', safe text, "" */
    int64_t server_date;          /* Date header, us; 0: none, or of a cache's answer (Age header) */
    int64_t retry_after_us;       /* 0 none */
    bool next_page;               /* a Link header has rel="next" */
    int64_t total;                /* X-Total-Count, -1 none */
    int64_t sent_at, answered_at; /* clock */
    bool maybe_sent;              /* the request may have reached the server (for verbs: outcome unknown) */
    const struct err *err;        /* NULL when an answer came (whatever its status) */
    bool secret_changed;          /* refused, but there is a newer secret now: the caller's body may be made anew */
    const struct err *secret_err; /* refused, and why the secret could not be read again; NULL: it could, or need not */
};
typedef void (*http_done)(void *ctx, const struct http_answer *a);

enum http_flags {
    HTTP_SAFE = 1,   /* may be repeated: retried with jitter on network errors, 429 (empty body), 502, 503, 504,
                      * and AWS's 400 that says Throttling */
    HTTP_URGENT = 2, /* jumps the queue and the limit of parallel requests, on a connection of its own if needed */
    HTTP_SLOW = 4,   /* the server has to work for it: twelve times the peer's time-out */
};

/* libcurl's write to a closed TLS connection may raise SIGPIPE: if nobody handles it, http_new ignores it for the
 * process. */
struct http *http_new(struct clock *clock, uint64_t seed);
/* Cancels what is under way (callbacks get ERR_CANCELLED, from here) and frees, peers included: free back ends and
 * telemetry sources before. NULL is fine. */
void http_free(struct http *h);

/* The secret is read here, through its command, file or variable. NULL with *e filled when it can't be had or the
 * endpoint is not acceptable.
 *
 * It may change later. After a 401 or 403 it is read again, off this thread and no more often than secret_pace_due()
 * says; meanwhile the refused request waits, at most for its time-out. If the secret has changed, the request is sent
 * once more with the new one (a refusal had no effect, so that verbs are too); else its answer stands. It is also read
 * again when *ep->secret.again has been counted up, at the next http_run(). */
struct http_peer *http_peer_new(struct http *h, const struct endpoint *ep, int max_parallel, struct err *e);
/* The secret goes into bodies, which the caller makes (http_peer_secret), and into no header. Then a 400 may be about
 * it too, and nothing is sent again: struct http_answer.secret_changed says that it is worth another try. */
void http_peer_secret_in_body(struct http_peer *p);
/* The same, for requests that their caller signs with it: only a 401 and a 403 may be about it. */
void http_peer_secret_signs(struct http_peer *p);
/* As it is now; "" = there is none. Valid until the next http_run(). */
const char *http_peer_secret(const struct http_peer *p);
/* Why a refused secret could not be read again, as the cause of *e; nothing when it could. */
void http_secret_cause(const struct http_answer *a, struct err *e);
/* Its unanswered requests end with ERR_CANCELLED, from here. NULL is fine. */
void http_peer_free(struct http_peer *p);
/* "host:port", safe text, for sentences. */
const char *http_peer_name(const struct http_peer *p);

/* What its bodies are, in the place of application/json; before the first request. */
void http_peer_type(struct http_peer *p, const char *type);

/* Takes a successful answer's body piece by piece, in the place of struct http_answer.body: for what is too long to
 * hold. n == 0: a try begins, and what came before is void. False: no more of it; the request ends with ERR_LIMIT.
 * Bodies of other answers are held as ever. */
struct http_sink {
    bool (*take)(void *ctx, const char *bytes, size_t n); /* NULL = none */
    void *ctx;
};
struct http_request {
    const char *method, *path; /* as for http_send */
    const void *body;          /* NULL = none; body_n bytes */
    size_t body_n, max_body;
    unsigned flags;
    const char *const (*headers)[2]; /* name and value, besides the peer's own; never traced; checked by the caller */
    size_t n_headers;
    struct http_sink sink;
};
/* All that http_send does, and more. Everything is copied. */
uint64_t http_request(struct http_peer *p, const struct http_request *q, http_done done, void *ctx);

/* path is appended to the endpoint's URL; it begins with '/' or '?' or is empty. body may be NULL; content type is
 * JSON. max_body caps the decoded answer. Returns an id for http_cancel.
 *
 * Without HTTP_SAFE a request goes out once, and on a connection of its own: over a kept-alive one that the server
 * has just closed, libcurl would send it a second time without saying so. */
uint64_t http_send(struct http_peer *p, const char *method, const char *path, const char *body, size_t max_body,
                   unsigned flags, http_done done, void *ctx);
/* The same for a body that is no text. */
uint64_t http_send_bytes(struct http_peer *p, const char *method, const char *path, const void *body, size_t body_n,
                         size_t max_body, unsigned flags, http_done done, void *ctx);
/* Nothing is sent: the callback comes with *e from the next http_run(). For a caller that finds out beforehand that a
 * request makes no sense, and must still answer asynchronously. With ERR_NONE: an answer without a status. */
uint64_t http_fail(struct http_peer *p, const struct err *e, http_done done, void *ctx);
/* The callback comes with ERR_CANCELLED from the next http_run(). Unknown ids are ignored. */
void http_cancel(struct http *h, uint64_t id);
/* Requests whose callback has not been called: queued, under way, waiting for a retry. */
unsigned http_in_flight(const struct http *h);

/* One turn of the loop: carries on with transfers, blocks until one advances, `wake_fd` becomes readable (-1: none),
 * or the clock reaches `deadline`, and calls the callbacks that are due. `extra` is added to the in-flight count that
 * clock->idle() is told (log appends); of http's own, that count has only what is on the wire: a request that waits
 * for its retry must not hold up virtual time. */
void http_run(struct http *h, int wake_fd, int64_t deadline, unsigned extra);

/* What else lives on the same loop: a plug-in's pipes, answers that are held back. Its owner embeds this, adds it, and
 * takes it off before it is freed. */
#define HTTP_SIDE_FDS 8
struct http_side {
    struct http_side *next;
    /* Carries on without blocking, calls nobody back, and fills in what it waits for (the members below). */
    void (*turn)(struct http_side *s);
    /* Calls back for one thing that turn() found to be due, and says whether it did. The callback may free the side. */
    bool (*deliver)(struct http_side *s);
    struct {
        int fd;
        bool out; /* until it can be written; else until it can be read */
    } fds[HTTP_SIDE_FDS];
    size_t n_fds;
    int64_t deadline;   /* TIME_NEVER = none */
    unsigned in_flight; /* for clock->idle(), as http_run() has it */
};
void http_side_add(struct http *h, struct http_side *s);
void http_side_drop(struct http *h, struct http_side *s);
struct clock *http_clock(const struct http *h);

/* Percent-encodes everything but unreserved characters (RFC 3986). */
bool http_escape(struct buf *out, const char *s);

#endif
