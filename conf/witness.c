#include "conf/witness.h"

#include <string.h>
#include "conf/endpoint.h"

#define LOGS_MAX   64
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./_-"

static const struct yfield by_fields[] = {
    ENDPOINT_FIELDS,
    {.key = "key", .type = YT_STR, .required = true, .doc = "its key, as `andon witness key` prints it there"},
    {.key = "mirror", .type = YT_BOOL, .doc = "it is sent the entries too, so that they can be had again (false)"},
    {0}};

static const struct yfield syslog_fields[] = {
    {.key = "url", .type = YT_STR, .required = true, .doc = "where it is: tls://host[:port] (6514)"},
    {.key = "plain_http", .type = YT_BOOL, .doc = "accept tcp:// to another host than this one (false)"},
    {.key = "ca_file", .type = YT_STR, .doc = "PEM file with the authorities to trust (the system's)"},
    {.key = "client_cert", .type = YT_STR, .doc = "PEM file with andon's own certificate"},
    {.key = "client_key", .type = YT_STR, .doc = "PEM file with its key (the same file)"},
    {0}};

static const struct yfield stamp_fields[] = {
    ENDPOINT_FIELDS,
    {.key = "root",
     .type = YT_STR,
     .required = true,
     .doc = "PEM file with the certificate that vouches for its stamps"},
    {.key = "every", .type = YT_DUR, .min = 60, .max = 31 * 86400, .doc = "as long as the log grows (24h)"},
    {0}};

const struct yfield witness_fields[] = {
    {.key = "by",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = by_fields,
     .max = WITNESSES_MAX,
     .doc = "who witnesses this host's log"},
    {.key = "heads",
     .type = YT_STR,
     .doc = "a file on another disk, to which each signed head of this host's log is added (none)"},
    {.key = "syslog",
     .type = YT_MAP,
     .fields = syslog_fields,
     .doc = "where each signed head is sent as a message (nowhere)"},
    {.key = "stamps",
     .type = YT_MAP,
     .fields = stamp_fields,
     .doc = "who stamps this host's log with the time, by RFC 3161 (nobody)"},
    {.key = "listen", .type = YT_STR, .doc = "ADDR:PORT at which this host witnesses other logs (nowhere)"},
    {.key = "logs",
     .type = YT_LIST,
     .item = YT_STR,
     .max = LOGS_MAX,
     .doc = "the logs that are witnessed here: their keys, as `andon audit head` prints them there"},
    {.key = "mirror", .type = YT_BOOL, .doc = "their entries are kept here too, where they are sent (false)"},
    {.key = "follow",
     .type = YT_BOOL,
     .doc = "when such a log goes on in another file, and shows it, its new key is taken without a person (false)"},
    {.key = "name", .type = YT_STR, .doc = "the witness's name, when it is first started (the log's, and /witness)"},
    {.key = "folder", .type = YT_STR, .doc = "its memory ($XDG_STATE_HOME/andon/witness)"},
    {.key = "cert", .type = YT_STR, .doc = "PEM file with the certificate that it listens with (plain http)"},
    {.key = "cert_key", .type = YT_STR, .doc = "PEM file with the certificate's key (the same file)"},
    {0}};

static bool read_by(const struct ynode *list, const char *folder, struct arena *a, struct witness_conf *out,
                    struct err *e)
{
    size_t n = y_len(list);
    struct witness_by *by = ARENA_ARRAY(a, struct witness_by, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct ynode *at = y_at(list, i);
        /* A head tells nothing; entries have names in them. */
        by[i].mirror = y_bool(at, "mirror", false);
        by[i].entries = endpoint_read(at, folder, ENDPOINT_BASE, a, &by[i].endpoint, NULL);
        if (!endpoint_read(at, folder, by[i].mirror ? ENDPOINT_BASE : ENDPOINT_SIGNED, a, &by[i].endpoint, e))
            return false;
        by[i].key = arena_strdup(a, y_str(at, "key", ""));
        for (size_t k = 0; k < i; k++)
            if (strcmp(by[k].key, by[i].key) == 0)
                return y_err(y_get(at, "key"), e, "this is the key of the witness in line %d too",
                             y_line(y_at(list, k)));
    }
    out->by = by;
    out->n_by = n;
    return true;
}

bool witness_read(const struct ynode *map, const char *folder, struct arena *a, struct witness_conf *out, struct err *e)
{
    const struct ynode *logs = y_get(map, "logs");
    const char **v = ARENA_ARRAY(a, const char *, y_len(logs) + 1);
    *out = (struct witness_conf){.listen = arena_strdup(a, y_str(map, "listen", "")),
                                 .cert = endpoint_path(y_str(map, "cert", ""), folder, a),
                                 .tls_key = endpoint_path(y_str(map, "cert_key", ""), folder, a),
                                 .folder = endpoint_path(y_str(map, "folder", ""), folder, a),
                                 .name = arena_strdup(a, y_str(map, "name", "")),
                                 .logs = v,
                                 .n_logs = y_len(logs),
                                 .mirror = y_bool(map, "mirror", false),
                                 .follow = y_bool(map, "follow", false)};
    out->heads = endpoint_path(y_str(map, "heads", ""), folder, a);
    out->syslog.url = out->stamps.url = out->stamps_root = "";
    out->stamps_every_us = y_dur(y_get(map, "stamps"), "every", 24 * US_PER_HOUR);
    if (y_has(map, "syslog") && !endpoint_read(y_get(map, "syslog"), folder, ENDPOINT_LINE, a, &out->syslog, e))
        return false;
    if (y_has(map, "stamps") && !endpoint_read(y_get(map, "stamps"), folder, ENDPOINT_SIGNED, a, &out->stamps, e))
        return false;
    if (y_has(map, "stamps"))
        out->stamps_root = endpoint_path(y_str(y_get(map, "stamps"), "root", ""), folder, a);
    for (size_t i = 0; i < out->n_logs; i++)
        v[i] = arena_strdup(a, y_text(y_at(logs, i)));
    if (strlen(out->name) > 100 || out->name[strspn(out->name, NAME_CHARS)] != '\0')
        return y_err(y_get(map, "name"), e, "expected at most 100 letters, digits, '.', '_', '-' or '/'");
    if (*out->tls_key && !*out->cert)
        return y_err(y_get(map, "cert_key"), e, "a key needs its cert");
    if (out->n_logs > 0 && !*out->listen)
        return y_err(logs, e, "nobody can reach this witness: the key listen is missing");
    return read_by(y_get(map, "by"), folder, a, out, e);
}
