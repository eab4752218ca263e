#include "client/webhook.h"

#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define ANSWER_MAX ((size_t)64 << 10)

struct webhook {
    struct http_peer *peer;
    enum hook_format format;
    char name[80];
};

struct post {
    struct webhook *hook;
    webhook_done done;
    void *ctx;
};

struct webhook *webhook_open(struct http *h, const struct webhook_spec *spec, struct err *e)
{
    struct webhook *w = xcalloc(1, sizeof *w);
    w->format = spec->format;
    safe_text_into(w->name, sizeof w->name, spec->name, strlen(spec->name));
    bool keyed = spec->format == HOOK_PAGERDUTY;
    w->peer = http_peer_new(h, &spec->endpoint, 1, e);
    /* The key stands in the body only: as a header it would be credentials that nobody asked for. */
    if (w->peer && keyed)
        http_peer_secret_in_body(w->peer);
    if (w->peer && (!keyed || http_peer_secret(w->peer)[0]))
        return w;
    if (w->peer)
        err_set(e, ERR_AUTH, "put the integration key of the PagerDuty service into the hook's secret",
                "a PagerDuty hook needs a routing key");
    err_prefix(e, "hook %s: ", w->name);
    webhook_free(w);
    return NULL;
}

void webhook_free(struct webhook *w)
{
    if (!w)
        return;
    http_peer_free(w->peer);
    free(w);
}

const char *webhook_key(const struct webhook *w)
{
    return w->format == HOOK_PAGERDUTY ? http_peer_secret(w->peer) : "";
}

/* Which failures pass by themselves. A refused certificate or a redirect does not. A refused secret may be about to be
 * changed, and then a halt must still be told. */
static bool passes(const struct webhook *w, const struct http_answer *a)
{
    if (a->err && a->status == 0)
        return a->err->code == ERR_NETWORK || a->err->code == ERR_TIMEOUT;
    if (a->status == 401 || a->status == 403)
        return http_peer_secret(w->peer)[0] != '\0';
    return a->secret_changed || a->status == 408 || a->status == 425 || a->status == 429 || a->status >= 500;
}

static void refused(const struct webhook *w, const struct http_answer *a, struct err *e)
{
    const char *peer = http_peer_name(w->peer);
    char words[160];
    safe_text_into(words, sizeof words, a->body.len ? a->body.data : "", a->body.len);
    if (a->status >= 300 && a->status < 400) /* where to is not said: it may hold the hook's address */
        err_set(e, ERR_PROTOCOL, "put the final address into the hook's `url`; andon follows no redirect",
                "%s redirects (%d)", peer, a->status);
    else if (a->status == 401 || a->status == 403)
        err_set(e, a->status == 401 ? ERR_AUTH : ERR_FORBIDDEN, "check the secret of the hook, or its address",
                "%s does not let this hook in (%d)", peer, a->status);
    else if (a->status == 404 || a->status == 410)
        err_set(e, ERR_NOT_FOUND, "check the address of the hook; it may have been withdrawn",
                "%s knows no such hook (%d)", peer, a->status);
    else if (a->status == 429)
        err_set(e, ERR_THROTTLED, "it is tried again; a longer `repeat` sends less",
                "%s has had too many notices (429)", peer);
    else if (a->status >= 500)
        err_set(e, ERR_PROTOCOL, "it is tried again; look at the receiver's log", "%s failed inside (%d)", peer,
                a->status);
    else
        err_set(e, ERR_PROTOCOL, "check the format and the address of the hook", "%s does not take the notice (%d)",
                peer, a->status);
    if (words[0] && a->status >= 400)
        err_cause(e, "%s", words);
    http_secret_cause(a, e);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct post *p = ctx;
    struct err e = {0};
    struct webhook_answer out = {
        .status = a->status, .retry_after_us = a->retry_after_us, .sent_at = a->sent_at, .answered_at = a->answered_at};
    out.ok = !a->err && a->status >= 200 && a->status <= 299;
    out.retry = !out.ok && passes(p->hook, a);
    if (a->err && a->status == 0)
        e = *a->err;
    else if (!out.ok)
        refused(p->hook, a, &e);
    if (!out.ok) {
        err_prefix(&e, "hook %s: ", p->hook->name);
        out.err = &e;
    }
    p->done(p->ctx, &out);
    free(p);
}

void webhook_post(struct webhook *w, const char *body, size_t n, webhook_done done, void *ctx)
{
    struct post *p = xcalloc(1, sizeof *p);
    struct err e = {0};
    *p = (struct post){.hook = w, .done = done, .ctx = ctx};
    if (n > WEBHOOK_BODY_MAX || memchr(body, '\0', n)) {
        err_set(&e, ERR_LIMIT, "", "a notice of %zu bytes is too long, or holds a NUL", n);
        http_fail(w->peer, &e, on_answer, p);
        return;
    }
    char *text = xstrndup(body, n);
    /* Not HTTP_SAFE: http would try again at once, and within seconds; a receiver that is down takes minutes. */
    http_send(w->peer, "POST", "", text, ANSWER_MAX, 0, on_answer, p);
    explicit_bzero(text, n); /* may hold the routing key */
    free(text);
}
