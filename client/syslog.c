#include "client/syslog.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "client/http_impl.h"
#include "core/fmt.h"
#include "core/text.h"

#define TLS_PORT "6514" /* RFC 5425 */

/* RFC 5424's PRINTUSASCII, "-" for nothing. */
static void field(struct buf *out, const char *s, size_t max)
{
    size_t before = out->len;
    for (; *s && out->len - before < max; s++)
        if (*s > ' ' && *s <= '~')
            buf_addc(out, *s);
    if (out->len == before)
        buf_addc(out, '-');
}

void syslog_line(struct buf *out, int64_t t, const char *host, long pid, const char *msgid, const char *text)
{
    char when[FMT_MAX];
    buf_printf(out, "<%d>1 %s ", SYSLOG_PRIORITY, fmt_iso(when, t));
    field(out, host, 255);
    buf_printf(out, " andon %ld ", pid);
    field(out, msgid, 32);
    buf_printf(out, " - %s", text);
}

struct line_to {
    CURL *easy;
    curl_socket_t fd;
    int64_t timeout_us;
    char name[160]; /* "host:port", safe text */
    char detail[CURL_ERROR_SIZE];
};

static bool bad_url(const char *shown, struct err *e)
{
    return err_set(e, ERR_RANGE, "write tls://HOST[:PORT]", "\"%s\" is no address of a syslog server", shown);
}

/* tls://host[:port] as libcurl wants it: the scheme says whether TLS is spoken, nothing of HTTP is. */
static bool address(struct line_to *l, const struct endpoint *ep, struct buf *url, struct err *e)
{
    char shown[160];
    bool tls = strncmp(ep->url, "tls://", 6) == 0, tcp = strncmp(ep->url, "tcp://", 6) == 0;
    const char *rest = ep->url + 6;
    safe_text_into(shown, sizeof shown, ep->url, strlen(ep->url));
    if ((!tls && !tcp) || !*rest || rest[strcspn(rest, "/?#@ ")])
        return bad_url(shown, e);
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    buf_printf(url, "%s://%s", tls ? "https" : "http", rest);
    bool ok = u && curl_url_set(u, CURLUPART_URL, url->data, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (ok && curl_url_get(u, CURLUPART_PORT, &port, 0) != CURLUE_OK) {
        ok = curl_url_set(u, CURLUPART_PORT, TLS_PORT, 0) == CURLUE_OK;
        buf_adds(url, ":" TLS_PORT);
    }
    if (!ok)
        bad_url(shown, e);
    else if (tcp && !ep->plain_http && !http_host_is_loopback(host))
        ok = err_set(e, ERR_RANGE, "use tls://, or accept it with `plain_http: true`",
                     "\"%s\": without TLS anybody between could change what arrives", shown);
    snprintf(l->name, sizeof l->name, "%s", shown + 6);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return ok;
}

static bool fault(const struct line_to *l, CURLcode rc, struct err *e)
{
    enum http_fault f = rc == CURLE_COULDNT_RESOLVE_HOST       ? FAULT_RESOLVE
                        : rc == CURLE_COULDNT_CONNECT          ? FAULT_CONNECT
                        : rc == CURLE_OPERATION_TIMEDOUT       ? FAULT_TIMEOUT
                        : rc == CURLE_SSL_CERTPROBLEM          ? FAULT_CLIENT_CERT
                        : rc == CURLE_SSL_CACERT_BADFILE       ? FAULT_CA_FILE
                        : rc == CURLE_SSL_CONNECT_ERROR        ? FAULT_TLS
                        : rc == CURLE_PEER_FAILED_VERIFICATION ? FAULT_TLS
                                                               : FAULT_BROKEN;
    http_fault_err(f, l->name, l->detail, false, l->timeout_us, e);
    return false;
}

static void configure(struct line_to *l, const struct endpoint *ep, const char *url)
{
    CURL *c = l->easy;
    long ms = (long)(l->timeout_us / US_PER_MS);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_ENABLE_ALPN, 0L); /* RFC 5425 names no protocol */
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_PROXY, ep->proxy ? ep->proxy : "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, ms);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, l->detail);
    if (ep->ca_file && *ep->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, ep->ca_file);
    if (ep->client_cert && *ep->client_cert)
        curl_easy_setopt(c, CURLOPT_SSLCERT, ep->client_cert);
    if (ep->client_key && *ep->client_key)
        curl_easy_setopt(c, CURLOPT_SSLKEY, ep->client_key);
}

static bool hand_over(struct line_to *l, const char *p, size_t n, struct err *e)
{
    while (n > 0) {
        size_t sent = 0;
        CURLcode rc = curl_easy_send(l->easy, p, n, &sent);
        if (rc == CURLE_AGAIN) {
            struct pollfd w = {.fd = l->fd, .events = POLLOUT};
            if (poll(&w, 1, (int)(l->timeout_us / US_PER_MS)) <= 0)
                return fault(l, CURLE_OPERATION_TIMEDOUT, e);
            continue;
        }
        if (rc != CURLE_OK)
            return fault(l, rc, e);
        p += sent;
        n -= sent;
    }
    return true;
}

bool syslog_send(const struct endpoint *ep, const char *line, size_t n, int64_t timeout_us, struct err *e)
{
    struct line_to l = {.timeout_us = timeout_us};
    struct buf url, frame;
    if (n > SYSLOG_MAX)
        return err_set(e, ERR_RANGE, "", "a syslog message of %zu bytes is too long", n);
    wire_begin();
    buf_init(&url, 600);
    buf_init(&frame, SYSLOG_MAX + 16);
    bool ok = address(&l, ep, &url, e);
    l.easy = ok ? curl_easy_init() : NULL;
    if (l.easy) {
        configure(&l, ep, url.data);
        buf_printf(&frame, "%zu ", n); /* RFC 5425, 4.3: the length, a blank, the message */
        buf_add(&frame, line, n);
        CURLcode rc = curl_easy_perform(l.easy);
        if (rc == CURLE_OK)
            rc = curl_easy_getinfo(l.easy, CURLINFO_ACTIVESOCKET, &l.fd);
        ok = rc == CURLE_OK ? hand_over(&l, frame.data, frame.len, e) : fault(&l, rc, e);
        curl_easy_cleanup(l.easy); /* says goodbye as TLS wants it */
    }
    buf_release(&url);
    buf_release(&frame);
    return ok;
}
