/* Getting in: user and password against a token that holds until the server is started again (its key is new then,
 * unless it has been given one). Also gooseBit's refusals in words. */
#include "client/goosebit_impl.h"

#include <string.h>
#include "core/text.h"

static bool open_to_all(const struct part *p)
{
    return strcmp(p->q.path, "/openapi.json") == 0;
}

/* --- the log-in --- */

void gb_take_token(const struct http_answer *a, struct buf *out)
{
    struct json_t *doc = json_parse(a->body.data, a->body.len, LOGIN_BODY_MAX, "answer of POST /login", NULL);
    size_t n = 0;
    const char *s = json_str(doc, "access_token", &n);
    if (s)
        buf_add(out, s, n);
    json_free(doc);
}

void gb_log_in(struct login *l)
{
    struct buf body;
    buf_init(&body, SIZE_MAX);
    buf_adds(&body, "username=");
    http_escape(&body, ((struct gb *)l->home)->user);
    buf_adds(&body, "&password=");
    http_escape(&body, http_peer_secret(l->door));
    http_send(l->door, "POST", "/login", body.data, LOGIN_BODY_MAX, HTTP_SAFE | HTTP_URGENT, login_answered, l);
    explicit_bzero(body.data, body.cap);
    buf_release(&body);
}

bool gb_dress(struct job_home *h, struct part *p, struct http_request *q)
{
    return open_to_all(p) || login_dress(&((struct gb *)h)->login, p, q);
}

/* A token that the server no longer takes: 401, and 500 when it can't even read it. A 500 that answers a change may
 * have come after half of it: it stands. */
bool gb_refused(struct job_home *h, struct part *p, const struct http_answer *a)
{
    bool about_the_token = a->status == 401 || (a->status == 500 && (p->q.flags & HTTP_SAFE));
    return !a->err && about_the_token && !open_to_all(p) && login_again(&((struct gb *)h)->login, p);
}

/* --- refusals --- */

void gb_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e)
{
    char detail[180];
    job_detail(a, detail, sizeof detail);
    (void)state_op;
    switch (a->status) {
    case 401:
        err_set(e, ERR_AUTH, "check `user` and the secret of this fleet in the configuration; then `andon doctor`",
                "%s refuses the credentials of this fleet (401)", peer);
        break;
    case 403:
        err_set(e, ERR_FORBIDDEN, "ask for the permission, or use another user for this fleet",
                "%s: the server does not permit this to the user of this fleet (403)", what);
        break;
    case 404:
        err_set(e, ERR_NOT_FOUND, "it may have been deleted meanwhile, or the fleet's url is wrong", "%s: not there",
                what);
        break;
    case 405:
        err_set(e, ERR_UNSUPPORTED, "the server's version has no such call", "%s: %s does not know this call (405)",
                what, peer);
        break;
    case 409:
        err_set(e, ERR_CONFLICT, "see the cause", "%s: it is in use, or there already", what);
        break;
    case 422:
        err_set(e, ERR_RANGE, "see the cause", "%s: the server refuses a value", what);
        break;
    case 429:
        err_set(e, ERR_THROTTLED, "poll less often", "%s: %s has had too many requests from this address", what, peer);
        break;
    default:
        if (a->status >= 500)
            err_set(e, ERR_PROTOCOL, "look at the server's log", "%s: %s failed inside (%d)", what, peer, a->status);
        else
            err_set(e, ERR_PROTOCOL, "check that the fleet's url names a gooseBit server",
                    "%s: %s answers %d, unexpectedly", what, peer, a->status);
    }
    if (detail[0])
        err_cause(e, "%s", detail);
    http_secret_cause(a, e);
}
