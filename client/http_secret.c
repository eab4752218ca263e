/* A peer's secret changes under way: refused requests wait while it is read again, off the loop. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "client/http_impl.h"

void http_peer_secret_in_body(struct http_peer *p)
{
    p->secret_in_body = true;
}

void http_peer_secret_signs(struct http_peer *p)
{
    p->secret_in_body = p->secret_signs = true;
}

const char *http_peer_secret(const struct http_peer *p)
{
    return p->secret ? p->secret : "";
}

void http_secret_cause(const struct http_answer *a, struct err *e)
{
    if (a->secret_err)
        err_cause(e, "its secret cannot be read again: %s", a->secret_err->what);
}

void secret_keep(struct http_peer *p, const struct secret_ref *ref)
{
    arena_init(&p->arena);
    p->ref = secret_copy(ref, &p->arena);
    if (ref->again)
        p->again = *ref->again;
}

static void begin(struct http_peer *p)
{
    struct http *h = p->http;
    if (h->secret_fd < 0)
        h->secret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->secret_fd < 0)
        err_errno(&p->secret_err, ERR_IO, "raise the limit of open files (ulimit -n)", "no event descriptor");
    else
        p->job = secret_begin(&p->ref, SECRET_LIMIT_US, h->secret_fd, &p->secret_err);
    h->reading += p->job != NULL;
}

static bool about_the_secret(const struct http_peer *p, int status)
{
    return status == 401 || status == 403 || (p->secret_in_body && !p->secret_signs && status == 400);
}

static void send_again(struct req *r)
{
    r->phase = REQ_QUEUED;
    r->second_secret = true;
    r->maybe_sent = false; /* what was refused had no effect */
}

bool secret_refused(struct req *r)
{
    struct http_peer *p = r->peer;
    struct http *h = p->http;
    int status = r->answer.status;
    if (!p->secret || !secret_may_change(&p->ref))
        return false;
    if (!about_the_secret(p, status)) {
        if (r->second_secret && r->secret == p->secret_number)
            p->pace = (struct secret_pace){0};
        return false;
    }
    if (r->second_secret)
        return false;
    if (r->secret != p->secret_number && p->secret_in_body) {
        r->answer.secret_changed = true;
        return false;
    }
    if (r->secret != p->secret_number) {
        send_again(r);
        return true;
    }
    enum secret_refusal why = status == 401 ? SECRET_UNKNOWN_USER : SECRET_NOT_PERMITTED;
    if (!p->job && secret_pace_due(&p->pace, p->ref.source, why, clock_now(h->clock)))
        begin(p);
    if (!p->job) {
        if (p->secret_err.code != ERR_NONE)
            r->answer.secret_err = &p->secret_err;
        return false;
    }
    r->phase = REQ_REFUSED;
    r->deadline = clock_now(h->clock) + req_limit(r);
    return true;
}

/* The secret has been read: what waited for it goes on. */
static void settle(struct http_peer *p, bool changed)
{
    for (struct req *r = p->http->first; r; r = r->next) {
        if (r->peer != p || r->phase != REQ_REFUSED)
            continue;
        if (changed && !p->secret_in_body) {
            send_again(r);
            continue;
        }
        r->answer.secret_changed = changed;
        if (p->secret_err.code != ERR_NONE)
            r->answer.secret_err = &p->secret_err;
        req_finish(r);
    }
}

static void take(struct http_peer *p)
{
    bool ok;
    char *s;
    if (!p->job || !secret_ended(p->job, &ok, &s, &p->secret_err))
        return;
    p->job = NULL;
    p->http->reading--;
    bool changed = ok && strcmp(s, p->secret) != 0;
    if (changed) {
        char *old = p->secret;
        p->secret = s;
        s = old;
        p->secret_number++;
    }
    secret_free(s);
    settle(p, changed);
}

void secret_turn(struct http *h)
{
    uint64_t drained;
    if (h->secret_fd >= 0)
        while (read(h->secret_fd, &drained, sizeof drained) == (ssize_t)sizeof drained)
            continue;
    for (struct http_peer *p = h->peers; p; p = p->next) {
        take(p);
        unsigned asked = p->ref.again ? *p->ref.again : p->again;
        if (asked == p->again || p->job)
            continue; /* being read already: once more after that */
        p->again = asked;
        p->pace = (struct secret_pace){0};
        if (p->secret && secret_may_change(&p->ref))
            begin(p);
    }
}

void secret_release(struct http_peer *p)
{
    if (p->job)
        p->http->reading--;
    secret_leave(p->job);
    p->job = NULL;
}
