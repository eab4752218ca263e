/* A server that misbehaves on request: raw sockets on loopback, one thread, answers given byte for byte by a test's
 * handler. Nothing is parsed beyond what a handler needs to choose its answer. */
#ifndef TESTS_CLIENT_HOSTILE_H
#define TESTS_CLIENT_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/http.h"
#include "core/buf.h"
#include "core/clock.h"

enum hostile_end {
    HOSTILE_KEEP,  /* the connection stays open */
    HOSTILE_CLOSE, /* closed after the bytes */
    HOSTILE_RESET, /* RST after the bytes */
    HOSTILE_STALL  /* the bytes, then silence for ever */
};

struct hostile_request {
    int n;       /* 0.. over all connections */
    int on_conn; /* 0.. on this connection */
    const char *method, *path, *head, *body;
};

/* Runs in the server's thread. Writes the raw answer, status line and all. */
typedef enum hostile_end (*hostile_fn)(void *ctx, const struct hostile_request *r, struct buf *out);

struct hostile;
/* A TLS hello is answered in plain HTTP, without asking the handler. */
struct hostile *hostile_start(hostile_fn fn, void *ctx);
void hostile_stop(struct hostile *s);
int hostile_port(const struct hostile *s);
int hostile_requests(const struct hostile *s);
int hostile_connections(const struct hostile *s); /* accepted so far */
/* Requests with "METHOD path" so far. */
int hostile_count(struct hostile *s, const char *method_and_path);
/* A whole answer with Content-Length. */
void hostile_answer(struct buf *out, int status, const char *content_type, const char *body);

/* --- a client and its server, on a clock of their own --- */

/* Virtual time: jumps to the deadline when nothing is under way, or when the server has gone silent on all that is.
 * So nothing in a test waits for a time-out. */
struct rig {
    struct clock clock; /* must be first */
    _Atomic int64_t now;
    struct hostile *server;
    struct http *http;
    struct http_peer *peer;
    struct endpoint endpoint;
    char url[64];
    /* the newest answer */
    bool answered;
    struct http_answer answer; /* body and err are copies below */
    struct err err;
    char *body;
    size_t body_len;
};

void rig_init(struct rig *r, hostile_fn fn, void *ctx);
void rig_release(struct rig *r);
/* Opens the peer (after changes to r->endpoint). */
void rig_open(struct rig *r, int max_parallel);
/* Sends one request and runs the loop until it is answered. */
void rig_fetch(struct rig *r, const char *method, const char *path, const char *body, size_t max_body, unsigned flags);
/* Virtual time since rig_init. */
int64_t rig_run_time(const struct rig *r);
/* Runs the loop until *flag. */
void rig_run(struct rig *r, const bool *flag);

#endif
