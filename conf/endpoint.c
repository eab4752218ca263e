#include "conf/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/clock.h"

#define URL_MAX 1024
#define ALNUM   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const struct yfield secret_fields[] = {
    {.key = "command",
     .type = YT_LIST,
     .item = YT_STR,
     .min = 1,
     .max = 32,
     .hush = true,
     .doc = "a program and its arguments that prints the secret, as a list; no shell"},
    {.key = "file", .type = YT_STR, .hush = true, .doc = "a file that only you can read"},
    {.key = "env",
     .type = YT_STR,
     .hush = true,
     .doc = "name of an environment variable (others may see it: prefer the two above)"},
    {0}};

const char *endpoint_path(const char *path, const char *folder, struct arena *a)
{
    const char *home = getenv("HOME");
    if (!*path || *path == '/')
        return arena_strdup(a, path);
    if (strncmp(path, "~/", 2) == 0 && home && *home == '/')
        return arena_printf(a, "%s%s", home, path + 1);
    return *folder ? arena_printf(a, "%s/%s", folder, path) : arena_strdup(a, path);
}

/* Host and port of an authority, in place. */
struct authority {
    char host[256];
    bool literal6;
    bool ok;
};

static bool port_ok(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n > 0 && n <= 5 && s[n] == '\0' && strtol(s, NULL, 10) >= 1 && strtol(s, NULL, 10) <= 65535;
}

static struct authority split_authority(const char *s, size_t n)
{
    struct authority out = {0};
    char text[256];
    if (n == 0 || n >= sizeof text)
        return out;
    memcpy(text, s, n);
    text[n] = '\0';
    char *port = NULL, *host = text;
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return out;
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        host = text + 1;
        struct in6_addr six;
        out.literal6 = true;
        out.ok = inet_pton(AF_INET6, host, &six) == 1;
    } else {
        char *colon = strchr(text, ':');
        if (colon) {
            *colon = '\0';
            port = colon + 1;
        }
        out.ok = *host != '\0' && *host != '-' && *host != '.' && host[strspn(host, ALNUM "-._")] == '\0';
    }
    out.ok = out.ok && (!port || port_ok(port));
    memcpy(out.host, host, strlen(host) + 1);
    return out;
}

/* Only addresses that can never leave this host; a name like 127.evil.example is not one. */
static bool is_loopback(const struct authority *at)
{
    struct in_addr four;
    struct in6_addr six;
    if (at->literal6)
        return inet_pton(AF_INET6, at->host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
    if (strcmp(at->host, "localhost") == 0)
        return true;
    return inet_pton(AF_INET, at->host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

/* Length of the scheme with "://" if it is one of the NULL-terminated list, else 0. */
static size_t scheme_of(const char *url, const char *const *schemes)
{
    for (; *schemes; schemes++) {
        if (strncmp(url, *schemes, strlen(*schemes)) == 0)
            return strlen(*schemes);
    }
    return 0;
}

/* Syntax common to a service and a proxy. Never quotes the URL: there may be a password in it. */
static bool url_syntax(const struct ynode *n, size_t scheme, struct authority *at, size_t *path, struct err *e)
{
    const char *url = y_text(n);
    if (strlen(url) > URL_MAX)
        return y_err(n, e, "longer than %d bytes", URL_MAX);
    for (const char *p = url; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}", *p))
            return y_err(n, e, "a URL has no blanks, quotes, backslashes or non-ASCII characters");
    }
    size_t host_len = strcspn(url + scheme, "/?#");
    if (memchr(url + scheme, '@', host_len)) {
        y_err(n, e, "a user or password in the URL is not accepted");
        if (e)
            snprintf(e->next, sizeof e->next, "use the keys user and secret");
        return false;
    }
    if (strpbrk(url, "?#"))
        return y_err(n, e, "a query (?) or fragment (#) in the URL is not accepted");
    *at = split_authority(url + scheme, host_len);
    if (!at->ok)
        return y_err(n, e, "expected a host name or address, and perhaps :port, after '://'");
    *path = scheme + host_len;
    return true;
}

static bool read_url(const struct ynode *map, enum endpoint_use use, bool plain, struct arena *a, const char **out,
                     struct err *e)
{
    static const char *const web[] = {"https://", "http://", NULL}, *const line[] = {"tls://", "tcp://", NULL};
    const char *const *schemes = use == ENDPOINT_LINE ? line : web;
    bool base = use == ENDPOINT_BASE || use == ENDPOINT_KEYS || use == ENDPOINT_SIGNED || use == ENDPOINT_LINE;
    const struct ynode *n = y_get(map, "url");
    const char *url = y_str(map, "url", "");
    size_t scheme = scheme_of(url, schemes), path = 0;
    struct authority at = {0};
    if (!scheme)
        return y_err(n, e, "expected a URL that starts with %s or %s", schemes[0], schemes[1]);
    if (!url_syntax(n, scheme, &at, &path, e))
        return false;
    if (use == ENDPOINT_LINE && url[path + strspn(url + path, "/")] != '\0')
        return y_err(n, e, "there is no path in the address of a syslog server");
    if (strncmp(url, schemes[1], scheme) == 0 && !plain && !is_loopback(&at)) {
        y_err(n, e, "%s to another host would send everything in the clear", schemes[1]);
        if (e)
            snprintf(e->next, sizeof e->next, "use %s, or accept it with plain_http: true", schemes[0]);
        return false;
    }
    size_t len = strlen(url);
    while (len > path && url[len - 1] == '/' && (base || len == path + 1))
        len--;
    *out = arena_strndup(a, url, len);
    return true;
}

static bool read_proxy(const struct ynode *map, struct arena *a, const char **out, struct err *e)
{
    static const char *const schemes[] = {"http://", "https://", "socks5h://", NULL};
    const struct ynode *n = y_get(map, "proxy");
    *out = "";
    if (!n)
        return true;
    size_t scheme = scheme_of(y_text(n), schemes), path = 0;
    struct authority at = {0};
    if (!scheme)
        return y_err(n, e, "expected a URL that starts with http://, https:// or socks5h://");
    if (!url_syntax(n, scheme, &at, &path, e))
        return false;
    if (y_text(n)[path] != '\0' && strcmp(y_text(n) + path, "/") != 0)
        return y_err(n, e, "a proxy's URL has no path");
    *out = arena_strndup(a, y_text(n), path);
    return true;
}

static bool read_command(const struct ynode *list, struct secret_ref *out, struct arena *a, struct err *e)
{
    size_t n = y_len(list);
    const char **argv = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        argv[i] = arena_strdup(a, y_text(y_at(list, i)));
    if (!*argv[0])
        return y_err(list, e, "expected the name of a program first");
    out->argv = argv;
    out->source = SECRET_COMMAND;
    return true;
}

static bool read_secret(const struct ynode *n, const char *folder, struct arena *a, struct secret_ref *out,
                        struct err *e)
{
    *out = (struct secret_ref){.source = SECRET_NONE, .path = "", .env = ""};
    if (!n)
        return true;
    out->again = (_Atomic unsigned *)arena_alloc(a, sizeof *out->again);
    if (y_len(n) != 1)
        return y_err(n, e, "expected exactly one of command, file and env, found %zu", y_len(n));
    if (y_has(n, "command"))
        return read_command(y_get(n, "command"), out, a, e);
    const struct ynode *value = y_at(n, 0);
    const char *text = y_text(value);
    if (y_has(n, "file")) {
        out->source = SECRET_FILE;
        out->path = endpoint_path(text, folder, a);
        return *text || y_err(value, e, "expected a file's name, found \"\"");
    }
    out->source = SECRET_ENV;
    out->env = arena_strdup(a, text);
    bool ok = *text && !strchr("0123456789", *text) && text[strspn(text, ALNUM "_")] == '\0';
    return ok || y_err(value, e, "expected the name of an environment variable");
}

/* A key for the body: there is nothing to log in with. */
static bool key_fits(const struct ynode *map, const struct endpoint *ep, struct err *e)
{
    if (*ep->user || ep->bearer)
        return y_err(y_get(map, *ep->user ? "user" : "bearer"), e,
                     "the secret is the routing key, which stands in the notice; leave this key out");
    if (ep->secret.source == SECRET_NONE)
        return y_err(map, e, "the routing key is missing: secret: {command: [...]}, {file: ...} or {env: ...}");
    return true;
}

/* What belongs together. */
static bool credentials_fit(const struct ynode *map, enum endpoint_use use, const struct endpoint *ep, struct err *e)
{
    if (*ep->client_key && !*ep->client_cert)
        return y_err(y_get(map, "client_key"), e, "a key needs its client_cert");
    if (use == ENDPOINT_KEYED)
        return key_fits(map, ep, e);
    bool secret = ep->secret.source != SECRET_NONE;
    if (*ep->user && ep->bearer)
        return y_err(y_get(map, "user"), e, "a bearer token goes without a user; leave out one of user and bearer");
    if (*ep->user && !secret)
        return y_err(y_get(map, "user"), e, "a user needs a secret: {command: [...]}, {file: ...} or {env: ...}");
    if (ep->bearer && !secret)
        return y_err(y_get(map, "bearer"), e, "a bearer token comes from secret: command, file or env");
    if (secret && !*ep->user && !ep->bearer && use != ENDPOINT_KEYS)
        return y_err(y_get(map, "secret"), e, "a secret needs user: NAME (a password) or bearer: true (a token)");
    if (strchr(ep->user, ':'))
        return y_err(y_get(map, "user"), e, "a user for HTTP Basic has no ':' (RFC 7617)");
    return true;
}

bool endpoint_read(const struct ynode *map, const char *folder, enum endpoint_use use, struct arena *a,
                   struct endpoint *out, struct err *e)
{
    *out = (struct endpoint){
        .plain_http = y_bool(map, "plain_http", use == ENDPOINT_SIGNED),
        .user = arena_strdup(a, y_str(map, "user", "")),
        .bearer = y_bool(map, "bearer", false),
        .ca_file = endpoint_path(y_str(map, "ca_file", ""), folder, a),
        .client_cert = endpoint_path(y_str(map, "client_cert", ""), folder, a),
        .client_key = endpoint_path(y_str(map, "client_key", ""), folder, a),
        .timeout_us = y_dur(map, "timeout", 10 * US_PER_S),
    };
    if (use == ENDPOINT_HANDED) {
        out->url = arena_strdup(a, y_str(map, "url", ""));
        if (strlen(out->url) > URL_MAX || strpbrk(out->url, "\n\t"))
            return y_err(y_get(map, "url"), e, "expected one line of at most %d bytes", URL_MAX);
        return read_proxy(map, a, &out->proxy, e) && read_secret(y_get(map, "secret"), folder, a, &out->secret, e);
    }
    return read_url(map, use, out->plain_http, a, &out->url, e) && read_proxy(map, a, &out->proxy, e) &&
           read_secret(y_get(map, "secret"), folder, a, &out->secret, e) && credentials_fit(map, use, out, e);
}

/* --- headers --- */

#define HEADER_NAME_MAX  64
#define HEADER_VALUE_MAX 1024
#define TENANT           "X-Scope-OrgID"

/* What andon or HTTP sets; a second one would mean something else to each server on the way. A '*' is any end. */
static bool header_taken(const char *name)
{
    static const char *const taken[] = {"accept*", "connection", "content-*",  "cookie",     "date",  "expect",
                                        "host",    "if-*",       "keep-alive", "proxy-*",    "range", "te",
                                        "trailer", "transfer-*", "upgrade",    "user-agent", "via"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        size_t n = strcspn(taken[i], "*");
        if (strncasecmp(name, taken[i], n) == 0 && (taken[i][n] == '*' || name[n] == '\0'))
            return true;
    }
    return false;
}

static bool header_name(const struct ynode *n, const char *name, struct err *e)
{
    size_t len = strlen(name);
    if (len == 0 || len > HEADER_NAME_MAX || name[strspn(name, ALNUM "-_")] != '\0')
        return y_err(n, e, "expected a header's name: letters, digits, '-' and '_', at most %d", HEADER_NAME_MAX);
    if (strcasecmp(name, "authorization") == 0)
        return y_err(n, e, "this header comes from the keys user, bearer and secret");
    if (header_taken(name))
        return y_err(n, e, "this header is set by andon or by HTTP itself");
    return true;
}

/* Visible ASCII, with single blanks inside; what ends a line would begin another header. Never quoted. */
static bool header_value(const struct ynode *n, const char *s, struct err *e)
{
    size_t len = strlen(s);
    bool ok = len > 0 && len <= HEADER_VALUE_MAX && s[0] != ' ' && s[len - 1] != ' ';
    for (size_t i = 0; i < len; i++)
        ok = ok && s[i] >= ' ' && s[i] < 0x7f;
    return ok || y_err(n, e, "expected 1 to %d visible ASCII characters", HEADER_VALUE_MAX);
}

static bool read_header(const struct ynode *n, const char *name, const char *folder, struct arena *a,
                        struct header_spec *out, struct err *e)
{
    if (!header_name(n, name, e) || !(y_is_map(n) || header_value(n, y_text(n), e)))
        return false;
    out->name = arena_strdup(a, name);
    out->value = y_is_map(n) ? "" : arena_strdup(a, y_text(n));
    return read_secret(y_is_map(n) ? n : NULL, folder, a, &out->secret, e);
}

bool endpoint_headers(const struct ynode *map, const char *folder, struct arena *a, struct endpoint *out, struct err *e)
{
    const struct ynode *headers = y_get(map, "headers"), *tenant = y_get(map, "tenant");
    size_t n = y_len(headers);
    struct header_spec *v = ARENA_ARRAY(a, struct header_spec, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct ynode *at = y_at(headers, i);
        if (!read_header(at, y_key_at(headers, i), folder, a, &v[i], e))
            return false;
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(v[k].name, v[i].name) == 0)
                return y_err(at, e, "the same header as in line %d: capitals make no difference",
                             y_line(y_at(headers, k)));
        if (tenant && strcasecmp(v[i].name, TENANT) == 0)
            return y_err(tenant, e, "the header %s is given too: leave one of them out", TENANT);
    }
    if (tenant && n == HEADERS_MAX)
        return y_err(tenant, e, "with the tenant there are more than %d headers", HEADERS_MAX);
    if (tenant && !read_header(tenant, TENANT, folder, a, &v[n++], e))
        return false;
    out->headers = v;
    out->n_headers = n;
    return true;
}
