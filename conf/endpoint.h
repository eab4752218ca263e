/* The keys by which any HTTP service is reached, in a fleet and in a telemetry source alike. Part of conf/config.c. */
#ifndef ANDON_CONF_ENDPOINT_H
#define ANDON_CONF_ENDPOINT_H

#include "conf/yaml.h"
#include "core/config.h"

extern const struct yfield secret_fields[];

#define ENDPOINT_FIELDS ENDPOINT_FIELDS_OF(true)
/* `needed`: there is no such service without its URL. */
#define ENDPOINT_FIELDS_OF(needed)                                                                                     \
    {.key = "url", .type = YT_STR, .required = needed, .doc = "where it is: https://host[:port][/prefix]"},            \
        {.key = "plain_http", .type = YT_BOOL, .doc = "accept http:// to another host than this one (false)"},         \
        {.key = "user", .type = YT_STR, .doc = "name for HTTP Basic, such as tenant\\user"},                           \
        {.key = "bearer", .type = YT_BOOL, .doc = "the secret is a bearer token, not a password (false)"},             \
        {.key = "secret",                                                                                              \
         .type = YT_MAP,                                                                                               \
         .fields = secret_fields,                                                                                      \
         .hush = true,                                                                                                 \
         .doc = "how the secret is got: command, file or env; never the secret itself"},                               \
        {.key = "ca_file", .type = YT_STR, .doc = "PEM file with the authorities to trust (the system's)"},            \
        {.key = "client_cert", .type = YT_STR, .doc = "PEM file with andon's own certificate"},                        \
        {.key = "client_key", .type = YT_STR, .doc = "PEM file with its key (the same file)"},                         \
        {.key = "proxy", .type = YT_STR, .doc = "http://host:port, https://... or socks5h://... (none)"},              \
    {                                                                                                                  \
        .key = "timeout", .type = YT_DUR, .min = 1, .max = 300, .doc = "for one answer (10s)"                          \
    }

enum endpoint_use {
    ENDPOINT_BASE,   /* the URL is a prefix to which paths are appended: trailing slashes are dropped */
    ENDPOINT_PAGE,   /* the whole URL */
    ENDPOINT_SIGNED, /* a prefix; what is said is signed at both ends, so that http is accepted to any host */
    ENDPOINT_LINE,   /* tls://host[:port], or tcp:// in the place of http:// */
    ENDPOINT_KEYED,  /* the whole URL; the secret is a key that goes into what is sent, and is needed */
    ENDPOINT_KEYS,   /* a prefix; requests are signed with the secret, which needs no user */
    ENDPOINT_HANDED  /* for a plug-in: whatever it calls an address, or none, and whatever credentials it needs */
};
/* Reads them from a checked map. Paths are taken from `folder`, "~/" from the user's home. */
bool endpoint_read(const struct ynode *map, const char *folder, enum endpoint_use use, struct arena *a,
                   struct endpoint *out, struct err *e) ANDON_MUST_USE;
/* The keys tenant and headers, for services that have them; after endpoint_read(). `tenant` is the header
 * X-Scope-OrgID by another name. A header that HTTP or andon itself sets is refused. */
#define HEADER_FIELDS                                                                                                  \
    {.key = "tenant", .type = YT_STR, .doc = "the header X-Scope-OrgID: of Mimir, Cortex, Loki (none)"},               \
    {                                                                                                                  \
        .key = "headers", .type = YT_DICT, .item = YT_TEXT, .fields = secret_fields, .max = HEADERS_MAX, .hush = true, \
        .doc = "sent with each request, as NAME: value, or NAME: {command, file or env} for a secret"                  \
    }
bool endpoint_headers(const struct ynode *map, const char *folder, struct arena *a, struct endpoint *out,
                      struct err *e) ANDON_MUST_USE;
/* A path as the file means it: absolute, below $HOME after "~/", else below `folder`. "" stays "". */
const char *endpoint_path(const char *path, const char *folder, struct arena *a);

#endif
