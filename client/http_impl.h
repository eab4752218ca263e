/* Inside of http: http.c carries requests over libcurl (its only user), http_queue.c decides what is sent when and
 * calls back, http_text.c has the words, the numbers and the escaping. */
#ifndef ANDON_CLIENT_HTTP_IMPL_H
#define ANDON_CLIENT_HTTP_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/http.h"
#include "client/secret.h"
#include "core/rng.h"

enum req_phase {
    REQ_QUEUED,
    REQ_WIRE,
    REQ_DELAYED, /* waits for its next try */
    REQ_REFUSED, /* has its answer, a refusal, and waits for its peer's secret to be read again */
    REQ_DONE     /* its callback is due */
};

struct req {
    struct req *prev, *next;
    struct http_peer *peer;
    uint64_t id;
    enum req_phase phase;
    unsigned flags;
    char method[8];
    char *url, *body; /* owned; NULL = no body */
    size_t body_n;    /* a NUL follows */
    void *headers;    /* libcurl's list, when it has some of its own */
    struct http_sink sink;
    size_t sink_max, sunk; /* bytes that the sink may take, and has taken in this try */
    size_t base;           /* where in url the request's own path begins */
    http_done done;
    void *ctx;
    void *easy; /* libcurl's handle; NULL before the first try */
    int tries;
    int64_t deadline;   /* REQ_WIRE: give up at; REQ_DELAYED: send again at; REQ_REFUSED: take the answer as it is at */
    unsigned secret;    /* number of the secret that it was sent with */
    bool second_secret; /* it was refused once and has been sent again */
    size_t header_bytes;
    bool header_over;
    bool aged;       /* a cache on the way keeps answers: its Date says when this one was made */
    bool maybe_sent; /* by any try */
    struct http_answer answer;
    struct err err;
    char detail[256]; /* libcurl's words about a failure */
    char location[160];
};

struct http_peer {
    struct http *http;
    struct http_peer *next;
    char *url;
    char name[128];
    int64_t timeout_us;
    int max_parallel, parallel;
    char *user, *secret, *ca_file, *client_cert, *client_key, *proxy; /* NULL = none, except proxy */
    bool bearer, secret_in_body, secret_signs;                        /* the last with the one before */
    char *header_secret[HEADERS_MAX]; /* of headers of one's own, for masking; NULL = none */
    struct traced traced;
    /* http_secret.c: */
    struct secret_ref ref; /* its strings are in `arena` */
    struct arena arena;
    unsigned secret_number; /* counts up when the secret changes */
    unsigned again;         /* *ref.again when it was last seen */
    struct secret_job *job; /* it is being read again */
    struct secret_pace pace;
    struct err secret_err;              /* of the last time; ERR_NONE: it could be read */
    void *plain_headers, *json_headers; /* libcurl's lists */
    struct req *spares;                 /* answered requests, kept with their handle and body buffer */
    size_t n_spares;
    int calling; /* depth of callbacks of its requests; it is not freed before they return */
    bool dead;
};

struct http {
    struct clock *clock;
    struct rng rng;
    void *multi;
    struct req *first, *last;              /* in order of id */
    unsigned unanswered, on_wire, reading; /* `reading`: peers whose secret is being read */
    int secret_fd;                         /* readable when one has been read; -1: none ever was */
    uint64_t next_id;
    struct http_peer *peers;
    struct http_side *sides;
};

/* http.c: the wire. */
/* libcurl itself, once in a process, before anything else of it. */
void wire_begin(void);
/* It starts with the first request (or wait); wire_release may come without. */
void wire_release(struct http *h);
/* Fills the peer's name and header lists. false with *e filled when the URL is not acceptable. */
bool wire_peer_init(struct http_peer *p, const struct endpoint *ep, struct err *e);
void wire_peer_release(struct http_peer *p);
/* A header for all requests to the peer. */
void wire_peer_header(struct http_peer *p, const char *name, const char *value);
/* The peer's headers and the request's own, which may be secrets. */
void wire_req_headers(struct req *r, const char *const (*headers)[2], size_t n);
void wire_free_headers(struct req *r);
void wire_start(struct req *r);
/* Takes a request off, answered or not, and notes whether anything of it was sent. */
void wire_stop(struct req *r);
void wire_free_easy(struct req *r);
/* Carries on with transfers without blocking; calls req_ended() for each that has ended. */
void wire_perform(struct http *h);
void wire_wait(struct http *h, int wake_fd, int64_t us); /* also until a secret has been read, and for the sides */

/* Why a transfer gave no answer, in terms that an operator's sentence depends on. */
enum http_fault {
    FAULT_RESOLVE,
    FAULT_PROXY,
    FAULT_CONNECT,
    FAULT_TIMEOUT, /* of the connect, or too slow for too long, or past the deadline */
    FAULT_TLS,
    FAULT_CLIENT_CERT,
    FAULT_CA_FILE,
    FAULT_BROKEN,    /* closed or reset before the answer was complete */
    FAULT_MALFORMED, /* not HTTP */
    FAULT_ENCODING,  /* the body can't be decompressed */
    FAULT_BODY_OVER,
    FAULT_HEADER_OVER,
    FAULT_OTHER,
    FAULT_NONE
};

/* http_queue.c, called from wire_perform(): an answer is complete (FAULT_NONE), or won't come. */
void req_ended(struct req *r, enum http_fault f);
void req_finish(struct req *r); /* its callback is due */
int64_t req_limit(const struct req *r);

/* http_peer.c: frees it with all that is its own; nobody may know it any more. */
void peer_release(struct http_peer *p);

/* http_secret.c */
void secret_keep(struct http_peer *p, const struct secret_ref *ref); /* copies it */
void secret_release(struct http_peer *p);
/* An answer has come. True: it is a refusal, and the request goes out again or waits for that. */
bool secret_refused(struct req *r);
/* One turn: takes what has been read, begins what a person has asked for. */
void secret_turn(struct http *h);

/* http_side.c: all sides together. */
void sides_turn(struct http *h);
/* True: something was called back. */
bool sides_deliver(struct http *h);
unsigned sides_in_flight(const struct http *h);
int64_t sides_deadline(const struct http *h, int64_t deadline); /* the earlier */

/* http_trace.c: what a trace says of it (nothing when the peer is not traced). */
void http_trace_sent(const struct req *r);
/* FAULT_NONE: the answer that it has; else why there is none. `given_up`: whoever asked did not wait for it. */
void http_trace_ended(const struct req *r, enum http_fault f, bool given_up);

/* Fills *e. `peer` is safe text; `detail` are libcurl's words (passed through safe_text here). `sent`: the request
 * went out. */
void http_fault_err(enum http_fault f, const char *peer, const char *detail, bool sent, int64_t limit_us,
                    struct err *e);
/* Is it worth trying the same again soon? */
bool http_fault_passing(enum http_fault f);
bool http_status_passing(const struct http_answer *a);
/* Delay before try number `tries` + 1 (tries >= 1): 200 ms doubling, times 0.5..1.5; at least what the server asked
 * for in Retry-After, but not more than 5 s. */
int64_t http_backoff(struct rng *r, int tries, int64_t retry_after_us);

/* Is `host` (from a URL, IPv6 in brackets or not) surely this machine? Literals and "localhost" only. */
bool http_host_is_loopback(const char *host);

/* If `line` (n bytes, CRLF or not) is the header `name` ("date"), gives its value trimmed. */
bool http_header_value(const char *line, size_t n, const char *name, const char **value, size_t *len);
/* Decimal digits only, at most `max`. */
bool http_number(const char *s, size_t n, int64_t max, int64_t *out);

#endif
