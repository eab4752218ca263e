/* hawkBit's refusals in an operator's words. Codes are spelled differently from version to version (illegalstate and
 * illegalState, entitiyAlreayExists and entityAlreadyExists), so the HTTP status decides first and codes are looked
 * for in any case. */
#include "client/hawkbit_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

struct refusal {
    char code[120];    /* errorCode, "" when it is not hawkBit that speaks (Spring, a proxy) */
    char message[180]; /* safe text */
};

static void read_refusal(const struct http_answer *a, struct refusal *r)
{
    *r = (struct refusal){0};
    if (a->body.len == 0 || a->body.len > 65536)
        return;
    struct json_t *doc = json_parse(a->body.data, a->body.len, 65536, "error", NULL);
    size_t n;
    const char *s = json_str(doc, "errorCode", &n);
    if (s)
        safe_text_into(r->code, sizeof r->code, s, n);
    s = json_str(doc, "message", &n);
    if (s)
        safe_text_into(r->message, sizeof r->message, s, n);
    json_free(doc);
}

static bool has(const struct refusal *r, const char *word)
{
    return strcasestr(r->code, word) != NULL;
}

static void bad_request(const struct refusal *r, const char *what, bool state_op, struct err *e)
{
    if (has(r, "illegalstate"))
        err_set(e, ERR_STATE, "look at its state again; it has changed, or does not allow this",
                "%s: the state of the rollout does not allow it", what);
    else if (has(r, "constraintviolation") && state_op)
        err_set(e, ERR_STATE, "see the cause", "%s: the server finds nothing to do for it, or refuses it", what);
    else if (has(r, "rsql"))
        err_set(e, ERR_SYNTAX, "check the filter; the server may be of another version",
                "%s: the server does not accept the filter", what);
    else if (has(r, "distributionset"))
        err_set(e, ERR_STATE, "choose a release that is complete and not invalidated", "%s: the release can't be used",
                what);
    else if (has(r, "constraintviolation"))
        err_set(e, ERR_RANGE, "see the cause", "%s: the server refuses a value", what);
    else
        err_set(e, ERR_PROTOCOL, "the server may be of a version that andon does not know; see docs/backends.md",
                "%s: the server does not understand the request (400)", what);
}

static void other_status(int status, const char *peer, const char *what, struct err *e)
{
    if (status >= 500)
        err_set(e, ERR_PROTOCOL, "look at the server's log", "%s: %s failed inside (%d)", what, peer, status);
    else
        err_set(e, ERR_PROTOCOL, "check that the fleet's url names a hawkBit server", "%s: %s answers %d, unexpectedly",
                what, peer, status);
}

void hb_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e)
{
    struct refusal r;
    read_refusal(a, &r);
    switch (a->status) {
    case 400:
        bad_request(&r, what, state_op, e);
        break;
    case 401:
        err_set(e, ERR_AUTH, "check `user` and the secret of this fleet in the configuration; then `andon doctor`",
                "%s refuses the credentials of this fleet (401)", peer);
        break;
    case 403:
        if (has(&r, "quota"))
            err_set(e, ERR_QUOTA, "see the cause; it will not pass by itself", "%s: a quota of the server is met",
                    what);
        else
            err_set(e, ERR_FORBIDDEN, "ask for the permission, or use another user for this fleet",
                    "%s: the server does not permit this to the user of this fleet (403)", what);
        break;
    case 404:
        if (r.code[0])
            err_set(e, ERR_NOT_FOUND, "it may have been deleted meanwhile", "%s: not there", what);
        else
            err_set(e, ERR_UNSUPPORTED, "the server's version has no such call, or the fleet's url is wrong",
                    "%s: %s does not know this call (404)", what, peer);
        break;
    case 405:
        if (r.code[0])
            err_set(e, ERR_STATE, "look at its state again", "%s: the action's state does not allow it", what);
        else
            err_set(e, ERR_UNSUPPORTED, "the server's version has no such call", "%s: %s does not know this call (405)",
                    what, peer);
        break;
    case 409:
        err_set(e, ERR_CONFLICT, "a deleted rollout keeps its name taken; choose another",
                "%s: one with this name is already there", what);
        break;
    case 410:
        err_set(e, ERR_STATE, "look at its state again", "%s: it is closed already", what);
        break;
    case 423:
        err_set(e, ERR_STATE, "a release is locked once a rollout uses it", "%s: it is locked", what);
        break;
    case 429:
        if (a->body.len == 0)
            err_set(e, ERR_THROTTLED, "poll less often, or ask for a higher limit on the server",
                    "%s: %s has had too many requests from this address", what, peer);
        else
            err_set(e, ERR_QUOTA, "see the cause; it will not pass by itself", "%s: a quota of the server is met",
                    what);
        break;
    default:
        other_status(a->status, peer, what, e);
    }
    if (r.message[0] || r.code[0])
        err_cause(e, "%s", r.message[0] ? r.message : r.code);
    http_secret_cause(a, e);
}
