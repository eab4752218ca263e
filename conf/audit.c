#include "conf/audit.h"

#include <string.h>
#include "conf/endpoint.h"
#include "conf/yaml_node.h"
#include "core/redact.h"

#define LETTERS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_CHARS LETTERS "0123456789._-"

static const struct yfield socket_fields[] = {
    {.key = "path", .type = YT_STR, .required = true, .doc = "where the guard listens, in a folder that is its own"},
    {.key = "group", .type = YT_STR, .doc = "the group that may connect (none)"},
    {.key = "users",
     .type = YT_LIST,
     .item = YT_STR,
     .max = 64,
     .doc = "the users that may; with a group, those of them (with neither only the guard's own and root)"},
    {.key = "drop",
     .type = YT_STR,
     .doc = "folder that all users share, for halts while the guard is away (the socket's folder/drop)"},
    {0}};

static const struct yfield rotate_fields[] = {
    {.key = "entries", .type = YT_INT, .min = 10, .max = 100000000, .doc = "when it has so many entries"},
    {.key = "every",
     .type = YT_DUR,
     .min = 3600,
     .max = 100.0 * 365 * 86400,
     .doc = "when its first entry is so old, such as 1y or 30d"},
    {.key = "size_mib", .type = YT_INT, .min = 1, .max = 1 << 20, .doc = "when it takes so many MiB"},
    {0}};

const struct yfield audit_fields[] = {
    {.key = "db", .type = YT_STR, .doc = "the log ($XDG_STATE_HOME/andon/audit.db)"},
    {.key = "key", .type = YT_STR, .doc = "its signing key ($XDG_CONFIG_HOME/andon/audit.key)"},
    {.key = "origin", .type = YT_STR, .doc = "its name in checkpoints (andon/HOSTNAME)"},
    {.key = "redactable",
     .type = YT_LIST,
     .item = YT_STR,
     .max = 4,
     .doc = "what can be erased later: person, address, host, reason (nothing)"},
    {.key = "spool",
     .type = YT_STR,
     .doc = "folder for what the log cannot take, best on another disk (/var/tmp/andon-UID, "
            "$XDG_RUNTIME_DIR/andon-spool)"},
    {.key = "socket",
     .type = YT_MAP,
     .fields = socket_fields,
     .doc = "the guard alone writes the log, for others by this socket (everybody writes it himself)"},
    {.key = "rotate",
     .type = YT_MAP,
     .fields = rotate_fields,
     .doc = "when the guard lets the log go on in a new file (never)"},
    {.key = "keep",
     .type = YT_DUR,
     .min = 3600,
     .max = 100.0 * 365 * 86400,
     .doc = "so old older files of the log may be removed by `andon audit prune` (never)"},
    {.key = "known_keys",
     .type = YT_LIST,
     .item = YT_STR,
     .max = 32,
     .doc = "keys of other consoles' logs, as their `andon audit head` prints them"},
    {.key = "evidence_db", .type = YT_STR, .doc = "evidence kept over restarts ($XDG_STATE_HOME/andon/evidence.db)"},
    {0}};

static bool read_socket(const struct ynode *socket, const char *folder, struct arena *a, struct config *out,
                        struct err *e)
{
    const struct ynode *users = y_get(socket, "users");
    const char **v = ARENA_ARRAY(a, const char *, y_len(users) + 1);
    for (size_t i = 0; i < y_len(users); i++)
        v[i] = arena_strdup(a, y_text(y_at(users, i)));
    out->audit_socket_users = v;
    out->n_audit_socket_users = y_len(users);
    out->audit_socket = endpoint_path(y_str(socket, "path", ""), folder, a);
    out->audit_socket_group = arena_strdup(a, y_str(socket, "group", ""));
    out->audit_socket_drop = endpoint_path(y_str(socket, "drop", ""), folder, a);
    const char *slash = strrchr(out->audit_socket, '/');
    if (*out->audit_socket && !*out->audit_socket_drop)
        out->audit_socket_drop =
            arena_printf(a, "%.*sdrop", slash ? (int)(slash - out->audit_socket) + 1 : 0, out->audit_socket);
    if (strlen(out->audit_socket) > 100)
        return y_err(y_get(socket, "path"), e, "a socket's name has at most 100 bytes");
    return true;
}

static bool read_redactable(const struct ynode *list, struct config *out, struct err *e)
{
    for (size_t i = 0; i < y_len(list); i++) {
        unsigned kind = redact_from_word(y_text(y_at(list, i)));
        if (!kind)
            return y_err(y_at(list, i), e, "expected person, address, host or reason");
        out->audit_redactable |= kind;
    }
    if (out->audit_redactable & REDACT_HOST && !*out->audit_origin)
        return y_err(list, e, "host needs an origin: too: else the host's name stands in each checkpoint");
    return true;
}

bool audit_read(const struct ynode *audit, const char *folder, struct arena *a, struct config *out, struct err *e)
{
    out->audit_db = endpoint_path(y_str(audit, "db", ""), folder, a);
    out->audit_key = endpoint_path(y_str(audit, "key", ""), folder, a);
    out->audit_spool = endpoint_path(y_str(audit, "spool", ""), folder, a);
    out->evidence_db = endpoint_path(y_str(audit, "evidence_db", ""), folder, a);
    out->audit_origin = arena_strdup(a, y_str(audit, "origin", ""));
    const struct ynode *keys = y_get(audit, "known_keys"), *rotate = y_get(audit, "rotate");
    out->log_limits = (struct log_limits){.entries = y_int(rotate, "entries", 0),
                                          .every_us = y_dur(rotate, "every", 0),
                                          .bytes = y_int(rotate, "size_mib", 0) << 20};
    out->log_keep_us = y_dur(audit, "keep", 0);
    const char **known = ARENA_ARRAY(a, const char *, y_len(keys) + 1);
    for (size_t i = 0; i < y_len(keys); i++)
        known[i] = arena_strdup(a, y_text(y_at(keys, i)));
    out->known_keys = known;
    out->n_known_keys = y_len(keys);
    size_t n = strspn(out->audit_origin, NAME_CHARS "/");
    if (n > 100 || out->audit_origin[n] != '\0')
        return y_err(y_get(audit, "origin"), e, "expected at most 100 letters, digits, '.', '_', '-' or '/'");
    return read_redactable(y_get(audit, "redactable"), out, e) &&
           read_socket(y_get(audit, "socket"), folder, a, out, e);
}
