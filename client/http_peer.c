/* Peers: what an endpoint needs, made once. */
#include "client/http_impl.h"

#include <stdlib.h>
#include <string.h>

static char *copy_or_null(const char *s)
{
    return s && s[0] ? xstrdup(s) : NULL;
}

/* Headers of one's own. What a secret holds must not begin another header. */
static bool own_headers(struct http_peer *p, const struct endpoint *ep, struct err *e)
{
    for (size_t i = 0; i < ep->n_headers && i < HEADERS_MAX; i++) {
        const struct header_spec *s = &ep->headers[i];
        if (!secret_read(&s->secret, SECRET_LIMIT_US, &p->header_secret[i], e)) {
            err_prefix(e, "the header %s: ", s->name);
            return false;
        }
        const char *value = p->header_secret[i] ? p->header_secret[i] : s->value;
        for (const char *c = value; *c; c++)
            if (*c < ' ' || *c > '~' || (p->header_secret[i] && strchr("\"\\", *c))) /* traces know it as it is */
                return err_set(e, ERR_RANGE, "let it hold one line of visible ASCII characters without \" and \\",
                               "the secret of the header %s holds what a header cannot", s->name);
        wire_peer_header(p, s->name, value);
    }
    return true;
}

void peer_release(struct http_peer *p)
{
    wire_peer_release(p);
    for (size_t i = 0; i < HEADERS_MAX; i++)
        secret_free(p->header_secret[i]);
    secret_free(p->secret);
    arena_release(&p->arena);
    free(p->url);
    free(p->user);
    free(p->ca_file);
    free(p->client_cert);
    free(p->client_key);
    free(p->proxy);
    free(p);
}

struct http_peer *http_peer_new(struct http *h, const struct endpoint *ep, int max_parallel, struct err *e)
{
    struct http_peer *p = xcalloc(1, sizeof *p);
    p->http = h;
    arena_init(&p->arena);
    if (!wire_peer_init(p, ep, e) || !secret_read(&ep->secret, SECRET_LIMIT_US, &p->secret, e) ||
        !own_headers(p, ep, e)) {
        peer_release(p);
        return NULL;
    }
    secret_keep(p, &ep->secret);
    p->url = xstrdup(ep->url);
    p->timeout_us = ep->timeout_us > 0 ? ep->timeout_us : 10 * US_PER_S;
    p->max_parallel = max_parallel > 0 ? max_parallel : 1;
    p->user = copy_or_null(ep->user);
    p->bearer = ep->bearer;
    p->traced = ep->traced;
    p->ca_file = copy_or_null(ep->ca_file);
    p->client_cert = copy_or_null(ep->client_cert);
    p->client_key = copy_or_null(ep->client_key);
    p->proxy = xstrdup(ep->proxy ? ep->proxy : "");
    p->next = h->peers;
    h->peers = p;
    return p;
}
