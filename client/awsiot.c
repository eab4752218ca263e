/* AWS IoT: opening, signing, and its refusals in words. */
#include "client/awsiot_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "core/text.h"

#define PARALLEL 4 /* an account may ask about ten times a second in all */
#define SKEW_US  (5 * US_PER_MIN)

static void aw_free(struct backend *b)
{
    struct aw *aw = (struct aw *)b;
    http_peer_free(aw->home.peer);
    aw_jobs_free(aw);
    arena_release(&aw->things_arena);
    arena_release(&aw->arena);
    free(aw->key_id);
    free(aw);
}

static const struct backend_ops ops = {
    .kind = "awsiot",
    .free = aw_free,
    .probe = aw_probe,
    .devices = aw_devices,
    .release = aw_release,
    .releases = aw_releases,
    .device = aw_device,
    .standing = aw_standing,
    .tell = aw_tell,
    .recall = aw_recall,
    .tell_most = AW_TELL_MOST,
    .recall_most = REPLY_REQUESTS, /* one request for each thing */
};

/* As libcurl sends it: the scheme's own port is left out. */
static const char *host_of(const char *url, struct arena *a)
{
    const char *at = strstr(url, "://");
    at = at ? at + 3 : url;
    size_t n = strcspn(at, "/?#");
    const char *own = strncmp(url, "http://", 7) == 0 ? ":80" : ":443";
    size_t k = strlen(own);
    if (n > k && memcmp(at + n - k, own, k) == 0)
        n -= k;
    return arena_strndup(a, at, n);
}

/* iot.eu-west-1.amazonaws.com */
static const char *region_of(const char *host, struct arena *a)
{
    const char *dot = strchr(host, '.');
    return dot && strstr(dot, ".amazonaws.com") ? arena_strndup(a, dot + 1, strcspn(dot + 1, ".")) : "";
}

static bool set_up(struct aw *aw, const struct fleet_spec *spec, struct err *e)
{
    const struct aws_spec *s = &spec->aws;
    arena_init(&aw->arena);
    arena_init(&aw->things_arena);
    aw->host = host_of(spec->endpoint.url, &aw->arena);
    aw->region = s->region && s->region[0] ? arena_strdup(&aw->arena, s->region) : region_of(aw->host, &aw->arena);
    aw->profile = arena_strdup(&aw->arena, spec->endpoint.user ? spec->endpoint.user : "");
    aw->version_attribute = arena_strdup(&aw->arena, s->version_attribute ? s->version_attribute : "");
    if (!aw->region[0])
        return err_set(e, ERR_RANGE, "set `region`, as in eu-west-1", "the url does not say which region it is of");
    if (strchr(spec->endpoint.url + strcspn(spec->endpoint.url, "/") + 2, '/'))
        return err_set(e, ERR_RANGE, "write https://iot.REGION.amazonaws.com", "the url of an AWS fleet has no path");
    aw->releases = ARENA_ARRAY(&aw->arena, struct aw_release, s->n_releases + 1);
    for (size_t i = 0; i < s->n_releases; i++) {
        struct aw_release *r = &aw->releases[aw->n_releases++];
        r->release =
            (struct release){.id = arena_printf(&aw->arena, "%s:%s", s->releases[i].name, s->releases[i].version),
                             .name = arena_strdup(&aw->arena, s->releases[i].name),
                             .version = arena_strdup(&aw->arena, s->releases[i].version)};
        r->document = arena_strdup(&aw->arena, s->releases[i].document);
        aw_release_hash(&r->release, r->hash);
    }
    return true;
}

/* --- signing --- */

static bool aw_dress(struct job_home *h, struct part *p, struct http_request *q)
{
    struct aw *aw = (struct aw *)h;
    struct arena *a = &p->job->scratch;
    struct sigv4_key k;
    struct err e = {0};
    const char *secret = http_peer_secret(h->peer);
    if (!sigv4_key_parse(secret, strlen(secret), aw->profile, a, &k, &e)) {
        job_fail(p->job, &e);
        p->id = 0;
        job_resend(p); /* ends it */
        return false;
    }
    free(aw->key_id);
    aw->key_id = xstrdup(k.id);
    const char *(*headers)[2] = arena_array(a, SIGV4_HEADERS, sizeof *headers);
    struct sigv4_request r = {.method = q->method,
                              .host = aw->host,
                              .target = q->path,
                              .body = q->body ? q->body : "",
                              .body_n = q->body_n,
                              .region = aw->region,
                              .service = "iot",
                              .at = clock_wall(http_clock(h->base.http))};
    q->n_headers = sigv4_sign(&r, &k, a, headers);
    q->headers = (const char *const(*)[2])headers;
    return true;
}

/* There are newer keys than it was signed with: a refusal had no effect, so that it may be signed anew, once. */
static bool aw_refused(struct job_home *h, struct part *p, const struct http_answer *a)
{
    (void)h;
    if (a->err || !a->secret_changed || p->refused)
        return false;
    p->refused++;
    job_resend(p);
    return true;
}

/* --- refusals --- */

struct refusal {
    char type[80], message[180];
};

static void read_refusal(const struct http_answer *a, struct refusal *r)
{
    *r = (struct refusal){0};
    snprintf(r->type, sizeof r->type, "%s", a->error_type);
    if (a->body.len == 0 || a->body.len > 65536)
        return;
    struct json_t *doc = json_parse(a->body.data, a->body.len, 65536, "error", NULL);
    size_t n;
    const char *s = json_str(doc, "message", &n);
    if (!s)
        s = json_str(doc, "Message", &n);
    if (s)
        safe_text_into(r->message, sizeof r->message, s, n);
    s = json_str(doc, "__type", &n);
    if (s && !r->type[0]) {
        const char *name = memchr(s, '#', n);
        name = name ? name + 1 : s;
        safe_text_into(r->type, sizeof r->type, name, n - (size_t)(name - s));
    }
    json_free(doc);
}

static void forbidden(const struct http_answer *a, const struct refusal *r, const char *peer, const char *what,
                      struct err *e)
{
    char skew[FMT_MAX];
    bool about_keys = strstr(r->type, "UnrecognizedClient") || strstr(r->type, "ExpiredToken") ||
                      strstr(r->type, "InvalidClientTokenId") || strstr(r->type, "MissingAuthenticationToken");
    bool about_the_signature = strstr(r->type, "Signature") || strstr(r->type, "RequestTimeTooSkewed");
    int64_t apart = a->server_date ? a->server_date - a->sent_at : 0;
    apart = apart < 0 ? -apart : apart;
    if (about_the_signature && apart > SKEW_US)
        err_set(e, ERR_AUTH, "set this host's clock (timedatectl); AWS takes no request that is five minutes off",
                "%s refuses what is signed here: its clock and this host's are %s apart", peer, fmt_dur(skew, apart));
    else if (strstr(r->type, "ExpiredToken"))
        err_set(e, ERR_AUTH, "renew what the fleet's secret reads; andon reads it again by itself",
                "the temporary keys of this fleet have ended");
    else if (about_keys || about_the_signature)
        err_set(e, ERR_AUTH, "check the fleet's secret (key, secret, session token) and `region`",
                "%s refuses the keys of this fleet (403)", peer);
    else
        err_set(e, ERR_FORBIDDEN, "let the policy of these keys allow it",
                "%s: not permitted to the keys of this fleet", what);
}

void aw_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e)
{
    struct refusal r;
    read_refusal(a, &r);
    (void)state_op;
    if (a->status == 429 || strncmp(r.type, "Throttling", 10) == 0)
        err_set(e, ERR_THROTTLED, "poll less often, or ask AWS for a higher rate",
                "%s: the account has asked too often", what);
    else if (strstr(r.type, "LimitExceeded") || a->status == 410)
        err_set(e, ERR_QUOTA, "see the cause; it will not pass by itself", "%s: a limit of the account is met", what);
    else if (a->status == 400)
        err_set(e, ERR_RANGE, "see the cause", "%s: AWS refuses the request", what);
    else if (a->status == 401 || a->status == 403)
        forbidden(a, &r, peer, what, e);
    else if (a->status == 404)
        err_set(e, ERR_NOT_FOUND, "it may have been deleted meanwhile", "%s: not there", what);
    else if (a->status == 409)
        err_set(e, strstr(r.type, "AlreadyExists") ? ERR_CONFLICT : ERR_STATE, "look at its state again",
                "%s: its state does not allow it, or it is there already", what);
    else if (a->status >= 500)
        err_set(e, ERR_PROTOCOL, "try again later; AWS's health page knows more", "%s: %s failed inside (%d)", what,
                peer, a->status);
    else
        err_set(e, ERR_PROTOCOL, "check that the fleet's url is https://iot.REGION.amazonaws.com",
                "%s: %s answers %d, unexpectedly", what, peer, a->status);
    if (r.message[0] || r.type[0])
        err_cause(e, "%s%s%s", r.type, r.type[0] && r.message[0] ? ": " : "", r.message);
    http_secret_cause(a, e);
}

/* --- from the beginning --- */

struct backend *awsiot_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct endpoint ep = spec->endpoint;
    struct aw *aw = xcalloc(1, sizeof *aw);
    ep.user = ""; /* a profile's name, if anything */
    ep.secret.lines = true;
    ep.traced.hidden = true; /* job documents hold addresses that are secrets themselves */
    bool ok = set_up(aw, spec, e);
    aw->home = (struct job_home){.base = {.ops = &ops, .http = h},
                                 .peer = ok ? http_peer_new(h, &ep, PARALLEL, e) : NULL,
                                 .error = aw_error,
                                 .wrong_server = "check that the fleet's url is https://iot.REGION.amazonaws.com",
                                 .dress = aw_dress,
                                 .refused = aw_refused};
    aw->jobs_share = (struct job_share){.home = &aw->home, .begin = aw_read_jobs};
    aw->things_share = (struct job_share){.home = &aw->home, .begin = aw_read_things};
    if (!aw->home.peer) {
        aw_free(&aw->home.base);
        return NULL;
    }
    http_peer_secret_signs(aw->home.peer);
    return &aw->home.base;
}
