#include "client/http_impl.h"

#include <string.h>
#include <strings.h>
#include "core/fmt.h"
#include "core/text.h"

bool http_escape(struct buf *out, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        bool plain = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
                     *p == '.' || *p == '_' || *p == '~';
        if (plain) {
            buf_addc(out, (char)*p);
        } else {
            char pct[3] = {'%', hex[*p >> 4], hex[*p & 15]};
            buf_add(out, pct, sizeof pct);
        }
    }
    return !out->over;
}

/* The reason of a failed TLS handshake. libcurl's and OpenSSL's words are matched loosely: they differ between
 * versions, and what is not matched is shown as it is. */
static void tls_err(const char *peer, const char *detail, struct err *e)
{
    static const struct {
        const char *words, *reason, *next;
    } reasons[] = {
        {"expired", "its certificate has expired", "renew the server's certificate, or check this machine's clock"},
        {"not yet valid", "its certificate is not valid yet", "check this machine's clock and the server's"},
        {"self-signed", "its certificate is self-signed or its root is not trusted here",
         "set `ca_file` of the endpoint to the CA that signed it; andon has no switch to skip the check"},
        {"self signed", "its certificate is self-signed or its root is not trusted here",
         "set `ca_file` of the endpoint to the CA that signed it; andon has no switch to skip the check"},
        {"local issuer", "its certificate was signed by a CA that is not trusted here",
         "set `ca_file` of the endpoint to that CA; if it is a public one, the server leaves out an intermediate"},
        {"no alternative certificate", "its certificate is for another host name",
         "use the name in the certificate as the URL's host, or have the certificate reissued"},
        {"does not match", "its certificate is for another host name",
         "use the name in the certificate as the URL's host, or have the certificate reissued"},
        {"revoked", "its certificate has been revoked", "ask who runs the server; do not go on"},
        {"wrong version number", "it does not speak TLS on this port", "check scheme and port of the URL"},
        {"unsupported protocol", "it speaks no TLS version from 1.2 on", "upgrade the server's TLS"},
        {"protocol version", "it speaks no TLS version from 1.2 on", "upgrade the server's TLS"},
        {"certificate required", "it wants a client certificate", "set `client_cert` and `client_key`"},
        {"handshake failure", "the two sides agree on no cipher, or it wants a client certificate",
         "if it uses client certificates set `client_cert` and `client_key`"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcasestr(detail, reasons[i].words)) {
            err_set(e, ERR_TLS, reasons[i].next, "no safe connection to %s: %s", peer, reasons[i].reason);
            return;
        }
    err_set(e, ERR_TLS, "see the cause; `andon doctor` shows the endpoint", "no safe connection to %s: TLS failed",
            peer);
}

void http_fault_err(enum http_fault f, const char *peer, const char *detail, bool sent, int64_t limit_us, struct err *e)
{
    char dur[FMT_MAX];
    switch (f) {
    case FAULT_RESOLVE:
        err_set(e, ERR_NETWORK, "check the host's spelling in the URL and this machine's DNS",
                "the name of %s can't be resolved", peer);
        break;
    case FAULT_PROXY:
        err_set(e, ERR_NETWORK, "check `proxy` of the endpoint", "the proxy on the way to %s failed", peer);
        break;
    case FAULT_CONNECT:
        err_set(e, ERR_NETWORK, "check that the server runs, the port, and firewalls between",
                "no connection to %s: refused or unreachable", peer);
        break;
    case FAULT_TIMEOUT:
        err_set(e, ERR_TIMEOUT,
                sent ? "the server is slow or hangs: look at its load, or raise `timeout` of the endpoint"
                     : "check that the server runs, and firewalls between",
                sent ? "%s did not answer in full within %s" : "no connection to %s within %s", peer,
                fmt_dur(dur, limit_us));
        break;
    case FAULT_TLS:
        tls_err(peer, detail, e);
        break;
    case FAULT_CLIENT_CERT:
        err_set(e, ERR_TLS, "check `client_cert` and `client_key`: both PEM, readable, and belonging together",
                "the client certificate for %s can't be used", peer);
        break;
    case FAULT_CA_FILE:
        err_set(e, ERR_TLS, "check `ca_file`: it must be readable and hold PEM certificates",
                "the CA file for %s can't be used", peer);
        break;
    case FAULT_BROKEN:
        err_set(e, ERR_NETWORK, "if it keeps happening look at the server's log and at proxies between",
                "%s closed the connection before its answer was complete", peer);
        break;
    case FAULT_MALFORMED:
        err_set(e, ERR_PROTOCOL, "check that the URL names an HTTP service of the expected kind",
                "%s does not answer in proper HTTP", peer);
        break;
    case FAULT_ENCODING:
        err_set(e, ERR_PROTOCOL, "look at the server's compression or at proxies between",
                "the answer of %s can't be decompressed", peer);
        break;
    case FAULT_BODY_OVER:
        err_set(e, ERR_LIMIT, "check that the URL names the right service", "the answer of %s is larger than allowed",
                peer);
        break;
    case FAULT_HEADER_OVER:
        err_set(e, ERR_LIMIT, "check that the URL names the right service",
                "the header of the answer of %s is larger than allowed", peer);
        break;
    case FAULT_OTHER:
    case FAULT_NONE:
        err_set(e, ERR_NETWORK, "see the cause; try `andon doctor`", "the request to %s failed", peer);
        break;
    }
    if (detail[0]) {
        char safe[sizeof e->cause];
        safe_text_into(safe, sizeof safe, detail, strlen(detail));
        err_cause(e, "%s", safe);
    }
}

bool http_fault_passing(enum http_fault f)
{
    return f == FAULT_RESOLVE || f == FAULT_CONNECT || f == FAULT_BROKEN || f == FAULT_PROXY;
}

bool http_status_passing(const struct http_answer *a)
{
    int status = a->status;
    if (status == 429)
        return a->body.len == 0; /* with a body it is a quota of hawkBit: permanent */
    if (status == 400)
        return strncmp(a->error_type, "Throttling", 10) == 0;
    return status == 502 || status == 503 || status == 504;
}

int64_t http_backoff(struct rng *r, int tries, int64_t retry_after_us)
{
    int shift = tries > 1 ? (tries < 8 ? tries - 1 : 7) : 0;
    double base = 200e3 * (double)(1 << shift);
    int64_t wait = (int64_t)(base * (0.5 + rng_unit(r)));
    if (retry_after_us > 5 * US_PER_S)
        retry_after_us = 5 * US_PER_S;
    return wait > retry_after_us ? wait : retry_after_us;
}

bool http_host_is_loopback(const char *host)
{
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strcmp(host, "::1") == 0)
        return true;
    if (strncmp(host, "127.", 4) != 0)
        return false;
    /* Four numbers: "127.example.com" is a name like any other. */
    int dots = 0, digits = 0;
    for (const char *p = host; *p; p++) {
        if (*p == '.') {
            if (!digits)
                return false;
            dots++;
            digits = 0;
        } else if (*p >= '0' && *p <= '9' && digits < 3) {
            digits++;
        } else {
            return false;
        }
    }
    return dots == 3 && digits > 0;
}

bool http_header_value(const char *line, size_t n, const char *name, const char **value, size_t *len)
{
    size_t k = strlen(name);
    if (n <= k || line[k] != ':' || strncasecmp(line, name, k) != 0)
        return false;
    const char *v = line + k + 1;
    size_t left = n - k - 1;
    while (left && (*v == ' ' || *v == '\t')) {
        v++;
        left--;
    }
    while (left && (v[left - 1] == '\r' || v[left - 1] == '\n' || v[left - 1] == ' ' || v[left - 1] == '\t'))
        left--;
    *value = v;
    *len = left;
    return true;
}

bool http_number(const char *s, size_t n, int64_t max, int64_t *out)
{
    int64_t v = 0;
    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        int64_t d = s[i] - '0';
        if (v > (max - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}
