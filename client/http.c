#include "client/http_impl.h"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define HEADER_BYTES_MAX (64 * 1024)
#define CONNECT_LIMIT_US (5 * US_PER_S)
#define POLL_MS_MAX      3600000
#define OTHERS_MAX       32 /* descriptors that are not libcurl's */

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct sigaction sa;
    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &sa, NULL);
    }
}

/* libcurl and its TLS library start with the first use, on the thread that uses them: a screen that opens does not wait
 * for that. */
void wire_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* libcurl's own start is not thread-safe before 7.84 */
    pthread_once(&once, global_init);
}

static CURLM *multi_of(struct http *h)
{
    if (h->multi)
        return h->multi;
    wire_begin();
    h->multi = curl_multi_init();
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 64L);
    return h->multi;
}

void wire_release(struct http *h)
{
    if (h->multi)
        curl_multi_cleanup(h->multi);
}

/* --- callbacks of libcurl --- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct req *r = arg;
    long status = 0;
    (void)size; /* always 1 */
    if (r->sink.take)
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299) {
        r->sunk += n;
        r->answer.body.over = r->sunk > r->sink_max || !r->sink.take(r->sink.ctx, data, n);
        return r->answer.body.over ? CURL_WRITEFUNC_ERROR : n;
    }
    return buf_add(&r->answer.body, data, n) ? n : CURL_WRITEFUNC_ERROR;
}

/* Keeps the few headers of interest. A new status line (after a 1xx, a proxy's CONNECT) starts afresh. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct req *r = arg;
    struct http_answer *a = &r->answer;
    const char *v;
    size_t len;
    int64_t s;
    (void)size;
    r->header_bytes += n;
    if (r->header_bytes > HEADER_BYTES_MAX) {
        r->header_over = true;
        return 0;
    }
    if (n > 5 && strncmp(line, "HTTP/", 5) == 0) {
        a->content_type[0] = a->request_id[0] = a->error_type[0] = r->location[0] = '\0';
        a->server_date = a->retry_after_us = 0;
        a->next_page = r->aged = false;
        a->total = -1;
    } else if (http_header_value(line, n, "content-type", &v, &len)) {
        safe_text_into(a->content_type, sizeof a->content_type, v, len);
    } else if (http_header_value(line, n, "x-request-id", &v, &len) ||
               http_header_value(line, n, "x-correlation-id", &v, &len) ||
               http_header_value(line, n, "x-amzn-requestid", &v, &len) ||
               http_header_value(line, n, "x-men-requestid", &v, &len) ||
               http_header_value(line, n, "request-id", &v, &len)) {
        safe_text_into(a->request_id, sizeof a->request_id, v, len);
    } else if (http_header_value(line, n, "x-amzn-errortype", &v, &len)) {
        const char *colon = memchr(v, ':', len);
        safe_text_into(a->error_type, sizeof a->error_type, v, colon ? (size_t)(colon - v) : len);
    } else if (http_header_value(line, n, "link", &v, &len)) {
        a->next_page = a->next_page || memmem(v, len, "rel=\"next\"", 10);
    } else if (http_header_value(line, n, "x-total-count", &v, &len)) {
        a->total = http_number(v, len, INT32_MAX, &s) ? s : -1;
    } else if (http_header_value(line, n, "location", &v, &len)) {
        safe_text_into(r->location, sizeof r->location, v, len);
    } else if (http_header_value(line, n, "retry-after", &v, &len)) {
        if (http_number(v, len, 86400, &s))
            a->retry_after_us = s * US_PER_S;
    } else if (http_header_value(line, n, "date", &v, &len) && len < 64 && !memchr(v, '\0', len)) {
        char text[64];
        memcpy(text, v, len);
        text[len] = '\0';
        time_t t = curl_getdate(text, NULL);
        bool sane = t > 0 && t < INT64_C(253402300800); /* to the year 9999: what is later overflows */
        a->server_date = sane && !r->aged ? (int64_t)t * US_PER_S : 0;
    } else if (http_header_value(line, n, "age", &v, &len)) {
        a->server_date = 0;
        r->aged = true;
    }
    return n;
}

/* --- peers --- */

/* Splits the URL, refuses what must not be used, and makes the name for sentences. */
static bool check_url(struct http_peer *p, const struct endpoint *ep, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *password = NULL;
    char shown[160]; /* without its path, which may be a secret (a hook's) */
    const char *host_at = strstr(ep->url, "://");
    host_at = host_at ? host_at + 3 : ep->url;
    safe_text_into(shown, sizeof shown, ep->url, (size_t)(host_at - ep->url) + strcspn(host_at, "/?#"));
    bool ok = u && curl_url_set(u, CURLUPART_URL, ep->url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_get(u, CURLUPART_USER, &user, 0);
    curl_url_get(u, CURLUPART_PASSWORD, &password, 0);
    if (user || password) /* the URL is not shown: it holds a secret */
        ok = err_set(e, ERR_RANGE, "take user and password out of it; use `user` and a secret's command or file",
                     "the URL of an endpoint holds credentials");
    else if (!ok)
        err_set(e, ERR_RANGE, "write http(s)://host[:port][/prefix]", "\"%s\" is not a URL", shown);
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        ok = err_set(e, ERR_RANGE, "use https", "\"%s\": only http and https are spoken", shown);
    else if (strcmp(scheme, "http") == 0 && !ep->plain_http && !http_host_is_loopback(host))
        ok = err_set(e, ERR_RANGE, "use https, or accept it with `plain_http: true`",
                     "\"%s\": plain http to another machine shows the credentials to everybody between", shown);
    if (ok) {
        char name[300];
        snprintf(name, sizeof name, "%.250s:%.8s", host, port);
        safe_text_into(p->name, sizeof p->name, name, strlen(name));
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    if (password)
        explicit_bzero(password, strlen(password));
    curl_free(password);
    curl_url_cleanup(u);
    return ok;
}

bool wire_peer_init(struct http_peer *p, const struct endpoint *ep, struct err *e)
{
    if (!check_url(p, ep, e))
        return false;
    /* "Expect:" off: waiting for a 100 Continue costs a round trip and some proxies never send it. */
    struct curl_slist *plain = curl_slist_append(NULL, "Accept: application/json, */*;q=0.5");
    p->plain_headers = curl_slist_append(plain, "Expect:");
    struct curl_slist *json = curl_slist_append(NULL, "Accept: application/json, */*;q=0.5");
    json = curl_slist_append(json, "Expect:");
    p->json_headers = curl_slist_append(json, "Content-Type: application/json");
    return true;
}

void http_peer_type(struct http_peer *p, const char *type)
{
    struct buf line;
    buf_init(&line, 200);
    buf_printf(&line, "Content-Type: %s", type);
    for (struct curl_slist *l = p->json_headers; l && line.data; l = l->next) {
        if (strncmp(l->data, "Content-Type:", 13) == 0) {
            free(l->data); /* libcurl's lists are of strdup's making */
            l->data = xstrdup(line.data);
        }
    }
    buf_release(&line);
}

void wire_peer_header(struct http_peer *p, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    buf_printf(&line, "%s: %s", name, value);
    p->plain_headers = curl_slist_append(p->plain_headers, line.data);
    p->json_headers = curl_slist_append(p->json_headers, line.data);
    explicit_bzero(line.data, line.cap);
    buf_release(&line);
}

/* A header's value may be a secret. */
static void free_list(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

void wire_req_headers(struct req *r, const char *const (*headers)[2], size_t n)
{
    struct curl_slist *list = NULL;
    struct buf line;
    buf_init(&line, SIZE_MAX);
    for (const struct curl_slist *l = r->body ? r->peer->json_headers : r->peer->plain_headers; l; l = l->next)
        list = curl_slist_append(list, l->data);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&line);
        buf_printf(&line, "%s: %s", headers[i][0], headers[i][1]);
        list = curl_slist_append(list, line.data);
        explicit_bzero(line.data, line.cap);
    }
    buf_release(&line);
    r->headers = list;
}

void wire_free_headers(struct req *r)
{
    free_list(r->headers);
    r->headers = NULL;
}

void wire_peer_release(struct http_peer *p)
{
    free_list(p->plain_headers);
    free_list(p->json_headers);
}

/* --- requests --- */

static CURL *easy_new(struct req *r)
{
    struct http_peer *p = r->peer;
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_PROXY, p->proxy); /* "" = none, also against the environment */
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    int64_t connect = p->timeout_us < CONNECT_LIMIT_US ? p->timeout_us : CONNECT_LIMIT_US;
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect / US_PER_MS));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 50L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "andon/" ANDON_VERSION);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->detail);
    curl_easy_setopt(c, CURLOPT_PRIVATE, r);
    if (p->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, p->ca_file);
    if (p->client_cert)
        curl_easy_setopt(c, CURLOPT_SSLCERT, p->client_cert);
    if (p->client_key)
        curl_easy_setopt(c, CURLOPT_SSLKEY, p->client_key);
    return c;
}

/* Each time: the secret may have changed since the handle was made. */
static void set_credentials(CURL *c, const struct http_peer *p)
{
    if (p->secret_in_body)
        return;
    if (p->secret && p->bearer) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, p->secret);
    } else if (p->user || p->secret) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, p->user ? p->user : "");
        curl_easy_setopt(c, CURLOPT_PASSWORD, p->secret ? p->secret : "");
    }
}

/* The method and body of one request, on a handle that may have carried another kind before. */
static void set_method(CURL *c, const struct req *r)
{
    bool post = strcmp(r->method, "POST") == 0;
    if (r->body || post) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body ? r->body : "");
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)r->body_n);
    } else {
        curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    }
    bool own_word = post || (!r->body && strcmp(r->method, "GET") == 0);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, own_word ? NULL : r->method);
}

void wire_start(struct req *r)
{
    CURLM *multi = multi_of(r->peer->http);
    if (!r->easy)
        r->easy = easy_new(r);
    CURL *c = r->easy;
    r->detail[0] = '\0';
    r->header_bytes = 0;
    r->header_over = false;
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    set_credentials(c, r->peer);
    set_method(c, r);
    void *peers_own = r->body ? r->peer->json_headers : r->peer->plain_headers;
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->headers ? r->headers : peers_own);
    /* A server that works on a slow one says nothing meanwhile. */
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, r->flags & HTTP_SLOW ? 0L : 30L);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, (r->flags & HTTP_SAFE) ? 0L : 1L);
    curl_multi_add_handle(multi, c);
}

void wire_stop(struct req *r)
{
    long bytes = 0;
    curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &bytes);
    r->maybe_sent = r->maybe_sent || bytes > 0;
    curl_multi_remove_handle(r->peer->http->multi, r->easy);
}

void wire_free_easy(struct req *r)
{
    if (r->easy)
        curl_easy_cleanup(r->easy);
}

static enum http_fault fault_of(const struct req *r, CURLcode rc)
{
    switch ((int)rc) { /* not our enum: it grows without us */
    case CURLE_COULDNT_RESOLVE_HOST:
        return FAULT_RESOLVE;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return FAULT_PROXY;
    case CURLE_COULDNT_CONNECT:
        return FAULT_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return FAULT_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return FAULT_TLS;
    case CURLE_SSL_CERTPROBLEM:
        return FAULT_CLIENT_CERT;
    case CURLE_SSL_CACERT_BADFILE:
        return FAULT_CA_FILE;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        /* TLS 1.3: "certificate required" comes after the client's side of the handshake is done. */
        return strcasestr(r->detail, " alert ") ? FAULT_TLS : FAULT_BROKEN;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
        return FAULT_BROKEN;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, an unknown version */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
        return FAULT_MALFORMED;
    case CURLE_BAD_CONTENT_ENCODING:
        return FAULT_ENCODING;
    case CURLE_WRITE_ERROR:
        return r->header_over ? FAULT_HEADER_OVER : r->answer.body.over ? FAULT_BODY_OVER : FAULT_ENCODING;
    default:
        return FAULT_OTHER;
    }
}

static void ended(struct req *r, CURLcode rc)
{
    long status = 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    wire_stop(r);
    if (rc == CURLE_OK)
        r->answer.status = (int)status;
    else if (!r->detail[0])
        snprintf(r->detail, sizeof r->detail, "%s", curl_easy_strerror(rc));
    req_ended(r, rc == CURLE_OK ? FAULT_NONE : fault_of(r, rc));
}

void wire_perform(struct http *h)
{
    int running, left;
    CURLMsg *m;
    curl_multi_perform(multi_of(h), &running);
    while ((m = curl_multi_info_read(multi_of(h), &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *priv = NULL;
        CURLcode rc = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &priv);
        ended((struct req *)(void *)priv, rc);
    }
}

/* What is waited for besides libcurl's own: at most `max` descriptors. */
static nfds_t others(const struct http *h, int wake_fd, struct pollfd *fds, nfds_t max)
{
    nfds_t n = 0;
    if (wake_fd >= 0)
        fds[n++] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    if (h->secret_fd >= 0)
        fds[n++] = (struct pollfd){.fd = h->secret_fd, .events = POLLIN};
    for (const struct http_side *s = h->sides; s; s = s->next)
        for (size_t i = 0; i < s->n_fds && n < max; i++)
            fds[n++] = (struct pollfd){.fd = s->fds[i].fd, .events = s->fds[i].out ? POLLOUT : POLLIN};
    return n;
}

/* Waits less than a millisecond, which curl_multi_poll can't. Virtual clocks ask for that. */
static void wait_short(struct http *h, int wake_fd, int64_t us)
{
    fd_set rd, wr, ex;
    int max = -1;
    FD_ZERO(&rd);
    FD_ZERO(&wr);
    FD_ZERO(&ex);
    curl_multi_fdset(multi_of(h), &rd, &wr, &ex, &max);
    struct pollfd fds[64 + OTHERS_MAX];
    nfds_t n = others(h, wake_fd, fds, OTHERS_MAX);
    for (int fd = 0; fd <= max && n < 64 + OTHERS_MAX; fd++)
        if (FD_ISSET(fd, &rd) || FD_ISSET(fd, &wr))
            fds[n++] = (struct pollfd){
                .fd = fd, .events = (short)((FD_ISSET(fd, &rd) ? POLLIN : 0) | (FD_ISSET(fd, &wr) ? POLLOUT : 0))};
    struct timespec ts = {.tv_nsec = (long)us * 1000};
    ppoll(fds, n, &ts, NULL);
}

void wire_wait(struct http *h, int wake_fd, int64_t us)
{
    if (us < US_PER_MS) {
        wait_short(h, wake_fd, us);
        return;
    }
    struct pollfd fds[OTHERS_MAX];
    struct curl_waitfd extra[OTHERS_MAX];
    unsigned n = (unsigned)others(h, wake_fd, fds, OTHERS_MAX);
    for (unsigned i = 0; i < n; i++)
        extra[i] = (struct curl_waitfd){.fd = fds[i].fd,
                                        .events = fds[i].events == POLLOUT ? CURL_WAIT_POLLOUT : CURL_WAIT_POLLIN};
    int64_t ms = us / US_PER_MS;
    int got;
    curl_multi_poll(multi_of(h), extra, n, (int)(ms < POLL_MS_MAX ? ms : POLL_MS_MAX), &got);
}
