/* See login.h. */
#include "client/login.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 4096

static void forget(struct login *l)
{
    if (l->token)
        explicit_bzero(l->token, strlen(l->token));
    free(l->token);
    l->token = NULL;
}

void login_release(struct login *l)
{
    http_peer_free(l->door);
    forget(l);
}

/* Text that can stand in a header. */
static bool take_token(struct login *l, const struct http_answer *a, struct err *e)
{
    struct buf b;
    buf_init(&b, TOKEN_MAX + 1);
    l->take(a, &b);
    bool ok = b.len > 0 && b.len <= TOKEN_MAX && !b.over;
    for (size_t i = 0; ok && i < b.len; i++)
        ok = b.data[i] > ' ' && b.data[i] <= '~';
    if (ok) {
        forget(l);
        l->token = xstrndup(b.data, b.len);
        l->number++;
    } else {
        err_set(e, ERR_PROTOCOL, l->home->wrong_server, "%s lets this user in without a token that can be used",
                http_peer_name(l->door));
    }
    if (b.cap > 0)
        explicit_bzero(b.data, b.cap);
    buf_release(&b);
    return ok;
}

void login_answered(void *login, const struct http_answer *a)
{
    struct login *l = login;
    struct err e = {0};
    l->asking = false;
    if (!a->err && a->secret_changed) { /* refused with the one before */
        l->asking = true;
        l->ask(l);
        return;
    }
    bool ok = false;
    if (a->err)
        e = *a->err;
    else if (a->status == 200)
        ok = take_token(l, a, &e);
    else
        l->home->error(a, http_peer_name(l->door), l->what, false, &e);
    struct part *p = l->held, *next;
    l->held = NULL;
    struct http_answer none = {.sent_at = a->sent_at, .answered_at = a->answered_at, .err = &e};
    for (; p; p = next) {
        next = p->held;
        if (ok)
            job_resend(p);
        else
            job_wake(p, &none);
    }
}

bool login_dress(struct login *l, struct part *p, struct http_request *q)
{
    if (!l->token) {
        p->held = l->held;
        l->held = p;
        if (!l->asking) {
            l->asking = true;
            l->ask(l);
        }
        return false;
    }
    const char **pair = arena_array(&p->job->scratch, 2, sizeof *pair);
    pair[0] = "Authorization";
    pair[1] = arena_printf(&p->job->scratch, "Bearer %s", l->token);
    q->headers = (const char *const(*)[2])pair;
    q->n_headers = 1;
    p->dressed = l->number;
    return true;
}

bool login_again(struct login *l, struct part *p)
{
    if (p->refused)
        return false;
    p->refused++;
    if (p->dressed == l->number) /* nobody has got another since */
        forget(l);
    job_resend(p);
    return true;
}
