/* The configuration as values (conf/config.c fills them from YAML). Strings are owned by the config's arena and
 * never NULL ("" = not set). */
#ifndef ANDON_CORE_CONFIG_H
#define ANDON_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/inventory.h"
#include "core/policy.h"
#include "core/risk.h"
#include "core/trace.h"

enum secret_source { SECRET_NONE, SECRET_COMMAND, SECRET_FILE, SECRET_ENV };

/* Where a secret comes from; never the secret itself. */
struct secret_ref {
    enum secret_source source;
    const char *const *argv; /* SECRET_COMMAND: NULL-terminated argv, not a shell line; prints the secret on stdout */
    const char *path;        /* SECRET_FILE (not group or world readable) */
    const char *env;         /* SECRET_ENV: name of the variable (warned about) */
    bool lines;              /* it may have several: keys of AWS */
    _Atomic unsigned *again; /* counted up when a person asks that it be read again (SIGHUP); NULL: nobody can ask */
};

/* A header of one's own: its value as it stands in the file, or a secret, read once when the service is opened. */
#define HEADERS_MAX 8
struct header_spec {
    const char *name, *value; /* value: "" when it is a secret */
    struct secret_ref secret;
};

/* How to reach an HTTP service. */
struct endpoint {
    const char *url;  /* http(s)://host[:port][/prefix]; http only to loopback unless plain_http */
    bool plain_http;  /* the operator accepts http to a host that is not loopback */
    const char *user; /* Basic auth user; with `bearer` the secret is a token */
    bool bearer;
    struct secret_ref secret;
    const char *ca_file, *client_cert, *client_key;
    const char *proxy;  /* "" = none; the environment's proxies are not used */
    int64_t timeout_us; /* for one answer (default 10 s) */
    /* Sent with each request, such as X-Scope-OrgID; at most HEADERS_MAX. */
    const struct header_spec *headers;
    size_t n_headers;
    struct traced traced; /* not from the file: set by who opens a session (core/trace.h) */
};

enum telemetry_kind { TELEMETRY_NONE, TELEMETRY_PROMETHEUS, TELEMETRY_OPENMETRICS };

/* What lies between the value of the join label and a device. All zero (attribute ""): it is the device's id, byte for
 * byte. */
struct join_spec {
    bool strip_port;       /* "cam-1:9100" is cam-1 */
    bool lower;            /* capitals or not (ASCII): "CAM-1" is cam-1 */
    const char *attribute; /* the label holds the value of this attribute of the device, not its id; "" = its id */
};

/* A policy's own metric (core/metric.h), by its id. */
struct telemetry_metric {
    const char *id, *query; /* PromQL, or the metric's name on the page */
    bool counter;           /* of kind counter or event in the fleet's policies */
    enum metric_kind kind;  /* as the first of them that names it says */
    bool below;             /* values may be below 0 */
};
struct telemetry_spec {
    enum telemetry_kind kind;
    struct endpoint endpoint; /* Prometheus base URL, or the /metrics page */
    const char *preset;       /* "device" (default) or "node_exporter" */
    const char *join_label;   /* "device" (default) */
    struct join_spec join;
    int64_t interval_us; /* poll / scrape interval (default 15 s) */
    /* Prometheus: PromQL; OpenMetrics: metric name. "" = the preset's. $window is replaced by the policy's window. */
    const char *reboots, *cpu, *variance;
    const char *sensor; /* node_exporter preset: name of the sensor metric */
    struct telemetry_metric own[METRICS_OWN];
    size_t n_own;
};

/* Where notices go (core/notice.h). */
enum hook_format { HOOK_JSON, HOOK_SLACK, HOOK_PAGERDUTY, HOOK_ALERTMANAGER };
struct webhook_spec {
    const char *name; /* for errors and the log */
    enum hook_format format;
    struct endpoint endpoint; /* the whole URL; PagerDuty: its routing key is the endpoint's secret */
};
#define WEBHOOKS_MAX 8
struct notify_spec {
    const char *const *hook; /* NULL-terminated argv of a command: JSON on its standard input; NULL = none */
    const struct webhook_spec *webhooks;
    size_t n_webhooks;
    uint32_t kinds;    /* bit 1 << enum notice_kind: what is told (default: all but watch) */
    int64_t repeat_us; /* the same thing again only after this long (default 30 min) */
    bool console;      /* also sent by consoles, not only by a guard (default false) */
};

/* Who witnesses this host's log, and whose logs are witnessed here (docs/audit.md, "Witnesses"). */
#define WITNESSES_MAX 8
struct witness_by {
    struct endpoint endpoint; /* http is as good as https: both ends sign what they say */
    const char *key;          /* verifier key (audit/cosign.h) */
    bool mirror;              /* it is sent the entries too; then only over https, or to this host */
    bool entries;             /* entries may go there: https, or this host, or plain_http: true is said */
};
struct witness_conf {
    const char *listen;         /* ADDR:PORT, "" = no witness is served here */
    const char *cert, *tls_key; /* PEM files, "" = plain http */
    const char *folder;         /* "" = $XDG_STATE_HOME/andon/witness */
    const char *name;           /* of a new one; "" = the log's origin and "/witness" */
    const char *const *logs;    /* verifier keys of the logs that are witnessed here */
    size_t n_logs;
    bool mirror;                 /* their entries are kept too, where they are sent */
    bool follow;                 /* what they go on in is witnessed too, when that is shown (audit/heir.h) */
    const struct witness_by *by; /* who witnesses ours; at most WITNESSES_MAX */
    size_t n_by;
    /* Where ours is noted besides: they sign nothing, but keep what was signed. */
    const char *heads;       /* file, "" = none */
    struct endpoint syslog;  /* url "" = none */
    struct endpoint stamps;  /* time stamping authority (RFC 3161); url "" = none */
    const char *stamps_root; /* PEM file with the authority's root certificate */
    int64_t stamps_every_us;
};

/* A policy for some rollouts of a fleet; the first that matches is used. */
struct policy_rule {
    const char *rollout;      /* glob on the rollout's name, "" = any */
    const char *device_class; /* glob on device ids that all devices of wave 0 must match, "" = any */
    const struct policy *policy;
};

/* A back end that is a program of its own (docs/plugin-protocol.md). Lists end with NULL; NULL = empty. */
struct plugin_spec {
    const char *folder;      /* of all plug-ins, absolute; "" = none is configured */
    const char *name;        /* andon-backend-NAME in it */
    const char *const *argv; /* in the place of both: a command that a person has named (andon backend check) */
    const char *const (*options)[2];
    size_t n_options;
    const char *const *read, *const *write; /* what it may read, and change, besides the system's own files */
    const char *const *pass;                /* variables of andon's environment that it gets */
};

/* Of kind "awsiot": what AWS IoT does not keep itself. */
struct aws_spec {
    const char *region;            /* "" = as the url has it */
    const char *version_attribute; /* of a thing: what it runs; "" = things do not say */
    const struct aws_release {
        const char *name, *version;
        const char *document; /* of its jobs: what a thing is told */
    } * releases;             /* newest first */
    size_t n_releases;
};

/* How a fleet misbehaves that was asked to (client/fault.h). All zero: it does not. */
struct fault_spec {
    uint64_t seed;
    int64_t delay_us;  /* an answer comes up to so much later */
    double lost, lies; /* shares 0..1: requests and answers that are lost; verbs that are answered and not done */
};

struct fleet_spec {
    const char *name;
    const char *kind; /* "hawkbit" */
    struct endpoint endpoint;
    struct plugin_spec plugin; /* of kind "plugin" */
    struct aws_spec aws;
    struct fault_spec faults;
    const char *environment; /* "prod", "staging", "drill" */
    bool production;         /* shown loudly; set by `production: true` or the label "prod" */
    bool read_only;
    int64_t poll_us; /* rollout states (default 2 s) */
    struct telemetry_spec telemetry;
    const struct policy *policy; /* never NULL: where no rule of the next matches */
    const struct policy_rule *rules;
    size_t n_rules;
    const struct inv_rules *inventory; /* what the operator says of its devices; NULL = nothing */
};

/* When the guard lets the log go on in a new file: each 0 = never for that. */
struct log_limits {
    int64_t entries, every_us, bytes;
};

struct config {
    struct arena arena;
    const char *path; /* the file it came from, "" */
    const struct fleet_spec *fleets;
    size_t n_fleets;
    const char *theme; /* name, "" = default */
    const char *color; /* "auto", "never", "16", "256", "true" */
    bool ascii;
    bool bell, osc_notify;         /* notices in the terminal */
    int64_t escdelay_ms;           /* default 50 */
    const char *audit_db;          /* path of the log; "" = $XDG_STATE_HOME/andon/audit.db */
    const char *audit_key;         /* path of the signing key; "" = $XDG_CONFIG_HOME/andon/audit.key */
    unsigned audit_redactable;     /* kinds of values that can be erased (core/redact.h); 0 = none */
    const char *audit_origin;      /* "" = "andon/" + host name */
    const char *const *known_keys; /* of other logs: verifier keys (audit/known.h checks them); n_known_keys */
    size_t n_known_keys;
    const char *audit_socket;       /* where the guard that writes the log listens; "" = everybody writes it himself */
    const char *audit_socket_group; /* who may connect: a group, "" = none; */
    const char *const *audit_socket_users; /* and users, none = all that the group lets in; n_audit_socket_users */
    size_t n_audit_socket_users;
    const char *audit_socket_drop; /* folder that all users share for what the socket cannot take */
    const char *audit_spool;       /* folder of the spool; "" = the places of spool_path() */
    struct log_limits log_limits;  /* audit: rotate: */
    int64_t log_keep_us;           /* audit: keep: of older files of the log; 0 = for ever */
    const char *evidence_db;       /* states of trials; "" = $XDG_STATE_HOME/andon/evidence.db */
    struct notify_spec notify;
    struct witness_conf witness;
    struct risk_policy risk;
    bool manufacturer;         /* `cra: {manufacturer: true}` */
    const char *operator_name; /* display name, "" = login name */
};

#endif
