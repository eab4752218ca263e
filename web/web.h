/* A small HTTP server for pages that are read by machines: one address, one handler, GET and HEAD, and
 * POST of a short body where that is asked for.
 *
 * It has a thread of its own and is bounded in every direction (clients in all and of one address, which of IPv6 is a
 * /64; bytes of a request and of all of them; idle time, and time for a request), so that whoever serves a page is
 * never disturbed by those who read it, and nobody keeps others out. It knows nobody: no log-in; it listens on the
 * loopback address unless another is given, with TLS when it is given a certificate. The only other user of
 * libmicrohttpd is the drill (drill/server.c), which plays a fleet server: it takes bodies and holds answers back by a
 * clock of its own. */
#ifndef ANDON_WEB_WEB_H
#define ANDON_WEB_WEB_H

#include <stdbool.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

#define WEB_CLIENTS    32                 /* connections at a time; more are closed at once */
#define WEB_EACH       12                 /* of them of one address; more are answered with 429, twice as many closed */
#define WEB_IDLE_S     15                 /* a connection that says nothing for so long is closed */
#define WEB_WHOLE_US   INT64_C(60000000)  /* for a request and its answer; then it makes way for another connection */
#define WEB_HELD       ((size_t)16 << 20) /* bytes of unfinished bodies, of all connections; more: 503 */
#define WEB_PAGE_MAX   ((size_t)32 << 20) /* of a body */
#define WEB_TARGET_MAX 1024               /* of a path with its query */

struct web_request {
    const char *path;   /* decoded, without the query; never NULL */
    const char *accept; /* as it came, "" */
    bool post;
    struct slice body; /* of a POST */
};
struct web_answer {
    int status;       /* 200 */
    const char *type; /* static; "text/plain; charset=utf-8" */
    struct buf body;  /* empty, at most WEB_PAGE_MAX */
};
/* On the server's own thread, one request at a time. Strings live until it returns. */
typedef void (*web_handler)(void *ctx, const struct web_request *r, struct web_answer *out);

struct web;
/* Is it an address as web_listen() takes them? ERR_SYNTAX. */
bool web_check(const char *at, struct err *e) ANDON_MUST_USE;
/* Listens at "ADDR:PORT" until web_close(). ADDR is an IPv4 address or an IPv6 address in brackets; without one
 * ("9464", ":9464") it is 127.0.0.1. PORT 0 takes any free one. NULL with *e: ERR_SYNTAX for what is no such address,
 * ERR_NETWORK when it cannot be had. */
struct web *web_listen(const char *at, web_handler handler, void *ctx, struct err *e);
/* The same with more: a POST of at most `post_max` bytes (0: no POST; a longer one is answered with 413, at once where
 * its head says so), and TLS with the certificate and key in these PEM files ("": none). Both are copied. */
struct web_spec {
    const char *at;
    size_t post_max;
    size_t (*post_of)(void *ctx, const char *path); /* a smaller limit for this path; NULL: post_max for all */
    int64_t whole_us;                               /* 0: WEB_WHOLE_US */
    size_t held;                                    /* 0: WEB_HELD */
    const char *cert_file, *key_file;
};
struct web *web_open(const struct web_spec *spec, web_handler handler, void *ctx, struct err *e);
/* Ends the thread; no handler runs after it. NULL is fine. */
void web_close(struct web *w);
/* "127.0.0.1:9464", with the port that was taken. */
const char *web_address(const struct web *w);
/* Does it listen on an address that only this machine can reach? */
bool web_is_local(const struct web *w);

#endif
