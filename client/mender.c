/* Getting in: user and password against a token that ends after a while, or a personal access token, which is sent as
 * it is. Also Mender's refusals in words. */
#include "client/mender_impl.h"

#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define PARALLEL 6
#define LOGIN    "/api/management/v1/useradm/auth/login"

/* --- the log-in --- */

/* The answer is the token itself, and no JSON; a page of some other server's is none. */
static void take_token(const struct http_answer *a, struct buf *out)
{
    if (a->body.len > 0 && !memchr(a->body.data, '<', a->body.len))
        buf_add(out, a->body.data, a->body.len);
}

static void log_in(struct login *l)
{
    http_send(l->door, "POST", LOGIN, NULL, LOGIN_BODY_MAX, HTTP_SAFE | HTTP_URGENT, login_answered, l);
}

static bool dress(struct job_home *h, struct part *p, struct http_request *q)
{
    return login_dress(&((struct md *)h)->login, p, q);
}

/* A token that has ended: nothing was done by the request that it refused. */
static bool refused(struct job_home *h, struct part *p, const struct http_answer *a)
{
    return !a->err && a->status == 401 && login_again(&((struct md *)h)->login, p);
}

/* --- refusals --- */

void md_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e)
{
    char detail[180];
    job_detail(a, detail, sizeof detail);
    if (a->status == 401)
        err_set(e, ERR_AUTH,
                "check `user` and the secret of this fleet; accounts with two factors or single sign-on need a "
                "personal access token and `bearer: true`",
                "%s refuses the credentials of this fleet (401)", peer);
    else if (a->status == 403)
        err_set(e, ERR_FORBIDDEN, "ask for the permission, or use another user for this fleet",
                "%s: the server does not permit this to the user of this fleet (403)", what);
    else if (a->status == 404)
        err_set(e, ERR_NOT_FOUND, "it may have been deleted meanwhile, or the fleet's url is wrong", "%s: not there",
                what);
    else if (a->status == 409 || (a->status == 422 && state_op))
        err_set(e, a->status == 409 ? ERR_CONFLICT : ERR_STATE, "look at its state again",
                "%s: its state does not allow it, or it is there already", what);
    else if (a->status == 400 || a->status == 422)
        err_set(e, ERR_RANGE, "see the cause", "%s: the server refuses the request (%d)", what, a->status);
    else if (a->status == 429)
        err_set(e, ERR_THROTTLED, "poll less often", "%s: %s is asked too often", what, peer);
    else if (a->status >= 500)
        err_set(e, ERR_PROTOCOL, "look at the server's log, for the request id", "%s: %s failed inside (%d)", what,
                peer, a->status);
    else
        err_set(e, ERR_PROTOCOL, "check that the fleet's url names a Mender server", "%s: %s answers %d, unexpectedly",
                what, peer, a->status);
    if (detail[0])
        err_cause(e, "%s", detail);
    http_secret_cause(a, e);
}

/* --- the back end --- */

static void md_free(struct backend *b)
{
    struct md *md = (struct md *)b;
    login_release(&md->login); /* ends what waits for a token */
    http_peer_free(md->home.peer);
    md_lists_free(md);
    free(md->user);
    free(md);
}

static const struct backend_ops ops = {
    .kind = "mender",
    .free = md_free,
    .probe = md_probe,
    .devices = md_devices,
    .release = md_release,
    .releases = md_releases,
    .device = md_device,
    .standing = md_standing,
    .tell = md_tell,
    .recall = md_recall,
    .tell_most = MD_TELL_MOST,
    .attributes = md_attributes,
};

struct backend *mender_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct endpoint door = spec->endpoint, rest = spec->endpoint;
    bool logs_in = !door.bearer;
    if (logs_in && (!door.user || !door.user[0])) {
        err_set(e, ERR_AUTH,
                "set `user` and a secret with its password, or `bearer: true` and a secret with a personal access "
                "token",
                "a Mender fleet is entered with a user and a password, or a personal access token");
        return NULL;
    }
    struct md *md = xcalloc(1, sizeof *md);
    arena_init(&md->devices_arena);
    if (logs_in) { /* the password goes to the log-in only; what it answers is a secret too */
        door.traced.hidden = true;
        rest.user = "";
        rest.secret = (struct secret_ref){.source = SECRET_NONE};
        md->login = (struct login){
            .door = http_peer_new(h, &door, 1, e), .what = "POST " LOGIN, .ask = log_in, .take = take_token};
        login_init(&md->login, &md->home);
    }
    md->home = (struct job_home){.base = {.ops = &ops, .http = h},
                                 .peer = md->login.door || !logs_in ? http_peer_new(h, &rest, PARALLEL, e) : NULL,
                                 .error = md_error,
                                 .wrong_server = "check that the fleet's url names a Mender server, without "
                                                 "/api/management at its end",
                                 .dress = logs_in ? dress : NULL,
                                 .refused = logs_in ? refused : NULL};
    md->deployments_share = (struct job_share){.home = &md->home, .begin = md_read_deployments};
    md->devices_share = (struct job_share){.home = &md->home, .begin = md_read_devices};
    if (!md->home.peer) {
        md_free(&md->home.base);
        return NULL;
    }
    md->user = xstrdup(spec->endpoint.user ? spec->endpoint.user : "");
    return &md->home.base;
}
