/* Notices to a web hook: one body, posted to one address, and what became of it.
 *
 * By the rules of client/http.h: https, or http to this machine; no redirects; time-out; capped answer; own TLS files
 * and proxy. Posted once: whoever calls decides whether and when to try again, and is told whether it makes sense. The
 * address of a hook is often a secret itself (Slack's), so no error and no log entry shows more of it than the host. */
#ifndef ANDON_CLIENT_WEBHOOK_H
#define ANDON_CLIENT_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/http.h"
#include "core/config.h"
#include "core/err.h"

#define WEBHOOK_BODY_MAX ((size_t)256 << 10)

struct webhook;

struct webhook_answer {
    bool ok;                /* the receiver took it: 2xx */
    bool retry;             /* it did not, and the notice, made anew, may go through later: network, time-out, 408, 429,
                             * 5xx; 401 and 403 of a hook with a secret; a PagerDuty key that has changed since */
    int status;             /* HTTP status, 0: there was no answer */
    int64_t retry_after_us; /* what the receiver asked for before the next try, 0: nothing */
    int64_t sent_at, answered_at;
    const struct err *err; /* NULL when ok; with the receiver's own words as cause. Valid during the callback */
};
/* From http_run(), or from webhook_free() with ERR_CANCELLED (no retry then); never from inside webhook_post(). */
typedef void (*webhook_done)(void *ctx, const struct webhook_answer *a);

/* Reads the secret (see client/secret.h: a command may take up to ten seconds). NULL with *e filled, which names the
 * hook: bad address, secret not to be had, PagerDuty without a routing key. The spec is copied. */
struct webhook *webhook_open(struct http *h, const struct webhook_spec *spec, struct err *e);
/* Posts that are under way end with ERR_CANCELLED, from here. Before http_free(). NULL is fine. */
void webhook_free(struct webhook *w);

/* Posts n bytes of JSON; at most one post at a time is sent, others wait for it. They are copied. A body that is too
 * long (WEBHOOK_BODY_MAX) or holds a NUL is answered with an error, not sent. */
void webhook_post(struct webhook *w, const char *body, size_t n, webhook_done done, void *ctx);

/* PagerDuty's routing key as it is now, which stands in the body; "" for all others: their secret goes into the
 * request's header. */
const char *webhook_key(const struct webhook *w);

#endif
