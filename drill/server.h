/* The drill's HTTP server, on 127.0.0.1. The only user of libmicrohttpd is server.c.
 *
 * One thread of the library's answers; delayed answers are suspended and let go when the drill's clock reaches their
 * time. All state of the world is under the drill's lock. */
#ifndef ANDON_DRILL_SERVER_H
#define ANDON_DRILL_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"

struct server;

/* A request as it came: the target is still percent-encoded. Strings may be NULL. */
struct http_in {
    const char *method, *target;
    const char *host, *auth, *accept, *content_type, *if_none_match, *forwarded;
    const char *body;
    size_t n_body;
    int64_t now; /* drill's clock */
};
struct http_out {
    int status;
    const char *type;  /* static, NULL = no body */
    const char *allow; /* static, NULL */
    bool challenge;    /* WWW-Authenticate */
    bool etag;         /* the body's hash is its ETag, If-None-Match is honoured */
    bool hawkbit;      /* headers of the fleet server */
    struct buf body;
};

struct server_hooks {
    void *ctx;
    pthread_mutex_t *lock;
    /* All three are called with the lock held. */
    int64_t (*now)(void *ctx); /* microseconds since the epoch */
    /* How long to hold this answer back, 0 = not at all. */
    int64_t (*delay)(void *ctx, const struct http_in *in);
    void (*answer)(void *ctx, const struct http_in *in, struct http_out *out);
};

/* Listens on 127.0.0.1:port (0 = any) and answers from its own thread until server_stop, which lets go what is held
 * and waits for that thread. keep_alive = requests on one connection before it is closed. */
struct server *server_start(const struct server_hooks *hooks, int port, int keep_alive, struct err *e);
void server_stop(struct server *s);
int server_port(const struct server *s);
/* Answered so far. */
int64_t server_requests(struct server *s);

/* With the lock held: requests that are held back and whose asker still waits; *until = when the first is let go. */
unsigned server_held(struct server *s, int64_t *until);
/* With the lock held: lets go what is due at `now`: all of it, or only the first, by time and then by what it asks.
 * One at a time makes the order of the answers the same in each run. */
void server_release(struct server *s, int64_t now, bool only_first);

#endif
