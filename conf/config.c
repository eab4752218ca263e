#include "conf/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "conf/audit.h"
#include "conf/endpoint.h"
#include "conf/file.h"
#include "conf/aws.h"
#include "conf/inventory.h"
#include "conf/join.h"
#include "conf/metrics.h"
#include "conf/notify.h"
#include "conf/plugin.h"
#include "conf/policy.h"
#include "conf/risk.h"
#include "conf/witness.h"
#include "conf/yaml_node.h"
#include "core/clock.h"
#include "core/preset.h"

#define FLEETS_MAX 64
#define RULES_MAX  64
#define LETTERS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_CHARS LETTERS "0123456789._-"

/* Each has its row in client/backend.c (conf/ may not know it: a test of cli/ compares the two). */
static const char *const kind_words[] = {"hawkbit", "goosebit", "awsiot", "mender", "openmv", "plugin", "replay", NULL};
static const char *const telemetry_words[] = {"prometheus", "openmetrics", NULL};
static const char *const color_words[] = {"auto", "never", "16", "256", "true", NULL};

static const struct yfield telemetry_fields[] = {
    {.key = "kind", .type = YT_WORD, .required = true, .words = telemetry_words, .doc = "what answers at the URL"},
    ENDPOINT_FIELDS,
    {.key = "preset", .type = YT_WORD, .words = preset_names, .doc = "which names the metrics have (device)"},
    {.key = "join_label",
     .type = YT_STR,
     .doc = "the label that holds the device's id (device; node_exporter: instance)"},
    {.key = "join", .type = YT_MAP, .fields = join_fields, .doc = "what lies between that label and a device"},
    HEADER_FIELDS,
    {.key = "interval", .type = YT_DUR, .min = 1, .max = 3600, .doc = "how often it is asked (15s)"},
    {.key = "reboots", .type = YT_STR, .doc = "PromQL, or a metric's name, for the counter of boots (the preset's)"},
    {.key = "cpu", .type = YT_STR, .doc = "the same for CPU use, 0 to 1 (the preset's)"},
    {.key = "variance", .type = YT_STR, .doc = "the same for the sensor's variance (the preset's)"},
    {.key = "sensor", .type = YT_STR, .doc = "node_exporter preset: name of the sensor's metric"},
    {.key = "metrics",
     .type = YT_DICT,
     .item = YT_STR,
     .max = METRICS_OWN,
     .doc = "PromQL, or a metric's name, for each of the policies' own metrics"},
    {0}};

static const struct yfield rule_fields[] = {
    {.key = "rollout", .type = YT_STR, .doc = "rollouts whose name matches, with * and ? (any)"},
    {.key = "class", .type = YT_STR, .doc = "rollouts whose first wave has only devices whose id matches (any)"},
    {.key = "policy", .type = YT_STR, .required = true, .doc = "a name from `policies`, or a policy file"},
    {0}};

static const struct yfield fleet_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "its name in andon: letters, digits, '.', '_', '-'"},
    {.key = "kind", .type = YT_WORD, .words = kind_words, .doc = "what the fleet server is"},
    ENDPOINT_FIELDS_OF(false),
    PLUGIN_FIELDS,
    AWS_FIELDS,
    {.key = "faults", .type = YT_MAP, .fields = fault_fields, .doc = "how it is to misbehave, for a rehearsal (not)"},
    {.key = "environment", .type = YT_STR, .doc = "a label such as prod, staging or lab"},
    {.key = "production", .type = YT_BOOL, .doc = "shown loudly (true when the environment is prod or production)"},
    {.key = "read_only", .type = YT_BOOL, .doc = "only a person's halt goes out (false)"},
    {.key = "poll", .type = YT_DUR, .min = 1, .max = 300, .doc = "how often rollouts are read (2s)"},
    {.key = "policy", .type = YT_STR, .doc = "a name from `policies`, or a policy file (the built-in policy)"},
    {.key = "policies",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = rule_fields,
     .max = RULES_MAX,
     .doc = "other policies for some rollouts; the first that matches is used, else `policy`"},
    {.key = "inventory", .type = YT_STR, .doc = "an inventory.yaml: what is known of its devices (nothing)"},
    {.key = "telemetry", .type = YT_MAP, .fields = telemetry_fields, .doc = "where the devices' health comes from"},
    {0}};

static const struct yfield ui_fields[] = {
    {.key = "theme", .type = YT_STR, .doc = "name of a theme"},
    {.key = "color", .type = YT_WORD, .words = color_words, .doc = "how many colours the terminal has (auto)"},
    {.key = "ascii", .type = YT_BOOL, .doc = "no lines and blocks, only ASCII (false)"},
    {.key = "bell", .type = YT_BOOL, .doc = "ring once for a new halt (true)"},
    {.key = "osc_notify", .type = YT_BOOL, .doc = "desktop notice through the terminal, OSC 9 and 777 (false)"},
    {.key = "escdelay", .type = YT_DUR, .max = 1, .doc = "how long Esc may be the start of a key (50ms)"},
    {0}};

const struct yfield config_schema[] = {
    {.key = "operator", .type = YT_STR, .doc = "your name as the log shows it beside the login name"},
    {.key = "fleets",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = fleet_fields,
     .max = FLEETS_MAX,
     .doc = "the fleet servers"},
    {.key = "policies", .type = YT_DICT, .item = YT_STR, .max = FLEETS_MAX, .doc = "names for policy files"},
    {.key = "plugins",
     .type = YT_STR,
     .doc = "folder of the plug-ins, such as /usr/local/libexec/andon: root's or yours, and nobody else's to write"},
    {.key = "ui", .type = YT_MAP, .fields = ui_fields, .doc = "the console"},
    {.key = "audit", .type = YT_MAP, .fields = audit_fields, .doc = "the log"},
    {.key = "notify", .type = YT_MAP, .fields = notify_fields, .doc = "who is told of a halt, and how"},
    {.key = "witness",
     .type = YT_MAP,
     .fields = witness_fields,
     .doc = "who witnesses the log, and whose it witnesses"},
    {.key = "risk", .type = YT_MAP, .fields = risk_fields, .doc = "which vulnerabilities come first, and by when"},
    {.key = "cra", .type = YT_MAP, .fields = cra_fields, .doc = "duties of a manufacturer (none)"},
    {0}};

static bool xdg_path(char *out, size_t size, const char *variable, const char *below_home, const char *name)
{
    const char *dir = getenv(variable), *home = getenv("HOME");
    int n;
    if (dir && *dir == '/') /* the XDG specification has a relative one ignored */
        n = snprintf(out, size, "%s/andon/%s", dir, name);
    else if (home && *home == '/')
        n = snprintf(out, size, "%s/%s/andon/%s", home, below_home, name);
    else
        return false;
    return n > 0 && (size_t)n < size;
}

bool config_path(char *out, size_t size, const char *name)
{
    return xdg_path(out, size, "XDG_CONFIG_HOME", ".config", name);
}

bool state_path(char *out, size_t size, const char *name)
{
    return xdg_path(out, size, "XDG_STATE_HOME", ".local/state", name);
}

bool spool_path(char *out, size_t size, int choice)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    int n = -1;
    if (choice == 0)
        n = snprintf(out, size, "/var/tmp/andon-%lu", (unsigned long)geteuid());
    else if (choice == 1 && run && *run == '/')
        n = snprintf(out, size, "%s/andon-spool", run);
    return n > 0 && (size_t)n < size;
}

/* What the file's values refer to while it is read. */
struct loading {
    const char *folder;
    const char *plugins; /* folder */
    const struct ynode *policies;
    const struct policy **policy; /* of each entry of `policies` */
    struct arena *a;
    struct err *e;
};

/* Text that is shown in one line: what is longer or has line ends is a slip. */
static bool line_text(struct loading *l, const struct ynode *map, const char *key, size_t max, const char **out)
{
    const char *s = y_str(map, key, "");
    if (strlen(s) > max || strpbrk(s, "\n\t"))
        return y_err(y_get(map, key), l->e, "expected one line of at most %zu bytes", max);
    *out = arena_strdup(l->a, s);
    return true;
}

static bool read_telemetry(struct loading *l, const struct ynode *n, struct telemetry_spec *out)
{
    *out = (struct telemetry_spec){.kind = TELEMETRY_NONE,
                                   .endpoint = {.url = "",
                                                .user = "",
                                                .secret = {.path = "", .env = ""},
                                                .ca_file = "",
                                                .client_cert = "",
                                                .client_key = "",
                                                .proxy = "",
                                                .timeout_us = 10 * US_PER_S},
                                   .preset = "device",
                                   .join_label = "device",
                                   .join = {.attribute = ""},
                                   .interval_us = 15 * US_PER_S,
                                   .reboots = "",
                                   .cpu = "",
                                   .variance = "",
                                   .sensor = ""};
    if (!n)
        return true;
    out->kind = y_word(n, "kind", 0) == 0 ? TELEMETRY_PROMETHEUS : TELEMETRY_OPENMETRICS;
    if (!endpoint_read(n, l->folder, out->kind == TELEMETRY_PROMETHEUS ? ENDPOINT_BASE : ENDPOINT_PAGE, l->a,
                       &out->endpoint, l->e) ||
        !endpoint_headers(n, l->folder, l->a, &out->endpoint, l->e))
        return false;
    out->preset = preset_names[y_word(n, "preset", 0)];
    bool node = strcmp(out->preset, "node_exporter") == 0;
    if (!join_read(n, node ? "instance" : "device", l->a, &out->join_label, &out->join, l->e))
        return false;
    out->interval_us = y_dur(n, "interval", out->interval_us);
    out->reboots = arena_strdup(l->a, y_str(n, "reboots", ""));
    out->cpu = arena_strdup(l->a, y_str(n, "cpu", ""));
    out->variance = arena_strdup(l->a, y_str(n, "variance", ""));
    out->sensor = arena_strdup(l->a, y_str(n, "sensor", ""));
    if (*out->sensor && out->sensor[strspn(out->sensor, LETTERS "0123456789_:")] != '\0')
        return y_err(y_get(n, "sensor"), l->e, "expected a metric's name: letters, digits, '_' and ':'");
    return metrics_queries(y_get(n, "metrics"), out, l->a, l->e);
}

/* An error in a file that is named here is shown with that file's own line; who names it is the cause. One that is not
 * there is an error of the file that names it: "not found" would say that there is no configuration. Returns false. */
static bool bad_file(struct loading *l, const struct ynode *named_at, struct err *why)
{
    if (why->code == ERR_NOT_FOUND) {
        struct err at = {0};
        y_err(named_at, &at, "%s", why->what);
        err_set(why, ERR_SYNTAX, "make it, or correct its name: it is looked for in the configuration's folder", "%s",
                at.what);
    } else {
        err_cause(why, "named in %s:%d", named_at->file, y_line(named_at));
    }
    if (l->e)
        *l->e = *why;
    return false;
}

static const struct policy *load_policy(struct loading *l, const struct ynode *named_at, const char *file)
{
    struct err why = {0};
    const struct policy *p = policy_load(endpoint_path(file, l->folder, l->a), l->a, &why);
    if (!p)
        (void)bad_file(l, named_at, &why);
    return p;
}

static bool load_inventory(struct loading *l, const struct ynode *at, struct fleet_spec *out)
{
    struct err why = {0};
    if (!at)
        return true;
    struct inv_rules *r = ARENA_NEW(l->a, struct inv_rules);
    out->inventory = r;
    return inventory_load(endpoint_path(y_text(at), l->folder, l->a), l->a, r, &why) || bad_file(l, at, &why);
}

static bool name_ok(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < 48 && strchr(LETTERS "0123456789", *s) && s[strspn(s, NAME_CHARS)] == '\0';
}

static bool load_policies(struct loading *l)
{
    size_t n = y_len(l->policies);
    l->policy = ARENA_ARRAY(l->a, const struct policy *, n);
    for (size_t i = 0; i < n; i++) {
        const struct ynode *at = y_at(l->policies, i);
        if (!name_ok(y_key_at(l->policies, i)))
            return y_err(at, l->e, "expected a name of 1 to 47 letters, digits, '.', '_' or '-'");
        l->policy[i] = load_policy(l, at, y_text(at));
        if (!l->policy[i])
            return false;
        struct policy *named = arena_memdup(l->a, l->policy[i], sizeof *named);
        named->name = arena_strdup(l->a, y_key_at(l->policies, i));
        l->policy[i] = named;
    }
    return true;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* The policy that the node names: under `policies`, or a file. */
static const struct policy *named_policy(struct loading *l, const struct ynode *at)
{
    const char *name = y_text(at);
    for (size_t i = 0; i < y_len(l->policies); i++) {
        if (strcmp(y_key_at(l->policies, i), name) == 0)
            return l->policy[i];
    }
    if (strchr(name, '/') || ends_with(name, ".yaml") || ends_with(name, ".yml"))
        return load_policy(l, at, name);
    y_err(at, l->e, "no policy '%.60s'", name);
    if (l->e)
        snprintf(l->e->next, sizeof l->e->next, "name one under `policies`, or a file that ends with .yaml");
    return NULL;
}

static bool read_rule(struct loading *l, const struct ynode *n, struct policy_rule *out)
{
    if (!line_text(l, n, "rollout", 128, &out->rollout) || !line_text(l, n, "class", 128, &out->device_class))
        return false;
    if (!*out->rollout && !*out->device_class)
        return y_err(n, l->e, "a rule names a rollout or a class; for all rollouts there is the fleet's key policy");
    out->policy = named_policy(l, y_get(n, "policy"));
    return out->policy != NULL;
}

static bool fleet_policies(struct loading *l, const struct ynode *n, struct fleet_spec *out)
{
    const struct ynode *list = y_get(n, "policies");
    out->policy = y_has(n, "policy") ? named_policy(l, y_get(n, "policy")) : policy_default();
    if (!out->policy)
        return false;
    out->n_rules = y_len(list);
    struct policy_rule *rules = ARENA_ARRAY(l->a, struct policy_rule, out->n_rules);
    for (size_t i = 0; i < out->n_rules; i++) {
        if (!read_rule(l, y_at(list, i), &rules[i]))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(rules[i].rollout, rules[j].rollout) == 0 &&
                strcmp(rules[i].device_class, rules[j].device_class) == 0)
                return y_err(y_at(list, i), l->e, "never used: the rule in line %d matches the same",
                             y_line(y_at(list, j)));
        }
    }
    out->rules = rules;
    return true;
}

static bool read_fleet(struct loading *l, const struct ynode *n, struct fleet_spec *out)
{
    *out = (struct fleet_spec){
        .name = arena_strdup(l->a, y_str(n, "name", "")),
        .kind = kind_words[y_word(n, "kind", 0)],
        .read_only = y_bool(n, "read_only", false),
        .poll_us = y_dur(n, "poll", 2 * US_PER_S),
    };
    if (!name_ok(out->name))
        return y_err(y_get(n, "name"), l->e,
                     "expected 1 to 47 letters, digits, '.', '_' or '-', first a letter or digit");
    bool plugin = strcmp(out->kind, "plugin") == 0, replay = strcmp(out->kind, "replay") == 0;
    if (!plugin && !y_has(n, "url")) {
        y_err(n, l->e, "the key url is missing");
        if (l->e)
            snprintf(l->e->next, sizeof l->e->next, "url: where it is: https://host[:port][/prefix]");
        return false;
    }
    bool aws = strcmp(out->kind, "awsiot") == 0;
    enum endpoint_use use = plugin || replay ? ENDPOINT_HANDED : aws ? ENDPOINT_KEYS : ENDPOINT_BASE;
    if (!plugin_read(n, plugin, l->plugins, l->folder, l->a, &out->plugin, l->e) ||
        !aws_read(n, aws, l->a, &out->aws, l->e) || !endpoint_read(n, l->folder, use, l->a, &out->endpoint, l->e) ||
        !line_text(l, n, "environment", 32, &out->environment))
        return false;
    if (replay)
        out->endpoint.url = endpoint_path(out->endpoint.url, l->folder, l->a);
    bool prod = strcasecmp(out->environment, "prod") == 0 || strcasecmp(out->environment, "production") == 0;
    out->production = y_bool(n, "production", prod);
    return faults_read(n, out->production, &out->faults, l->e) &&
           read_telemetry(l, y_get(n, "telemetry"), &out->telemetry) && fleet_policies(l, n, out) &&
           load_inventory(l, y_get(n, "inventory"), out) && metrics_match(n, out, l->e);
}

static bool read_fleets(struct loading *l, const struct ynode *list, struct config *out)
{
    size_t n = y_len(list);
    struct fleet_spec *fleets = ARENA_ARRAY(l->a, struct fleet_spec, n);
    for (size_t i = 0; i < n; i++) {
        if (!read_fleet(l, y_at(list, i), &fleets[i]))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcasecmp(fleets[i].name, fleets[j].name) == 0)
                return y_err(y_get(y_at(list, i), "name"), l->e, "'%s' is the name of the fleet in line %d too",
                             fleets[i].name, y_line(y_at(list, j)));
        }
    }
    out->fleets = fleets;
    out->n_fleets = n;
    return true;
}

static bool read_ui(struct loading *l, const struct ynode *ui, struct config *out)
{
    out->theme = arena_strdup(l->a, y_str(ui, "theme", ""));
    if (*out->theme && !name_ok(out->theme))
        return y_err(y_get(ui, "theme"), l->e, "expected a theme's name: letters, digits, '.', '_' and '-'");
    out->color = color_words[y_word(ui, "color", 0)];
    out->ascii = y_bool(ui, "ascii", false);
    out->bell = y_bool(ui, "bell", true);
    out->osc_notify = y_bool(ui, "osc_notify", false);
    out->escdelay_ms = y_dur(ui, "escdelay", 50 * US_PER_MS) / US_PER_MS;
    return true;
}

static bool read_config(const struct ynode *root, struct config *out, struct err *e)
{
    const char *slash = strrchr(out->path, '/');
    struct loading l = {.a = &out->arena, .e = e, .policies = y_get(root, "policies")};
    l.plugins = y_str(root, "plugins", "");
    out->manufacturer = y_bool(y_get(root, "cra"), "manufacturer", false);
    l.folder = slash ? arena_strndup(l.a, out->path, (size_t)(slash - out->path)) : "";
    return line_text(&l, root, "operator", 64, &out->operator_name) && load_policies(&l) &&
           read_fleets(&l, y_get(root, "fleets"), out) && read_ui(&l, y_get(root, "ui"), out) &&
           audit_read(y_get(root, "audit"), l.folder, l.a, out, e) &&
           notify_read(y_get(root, "notify"), l.folder, l.a, &out->notify, e) &&
           witness_read(y_get(root, "witness"), l.folder, l.a, &out->witness, e) &&
           risk_read(y_get(root, "risk"), &out->risk, e);
}

bool config_load(const char *path, struct config *out, struct err *e)
{
    char place[4096];
    *out = (struct config){0};
    if (!path && !config_path(place, sizeof place, "config.yaml"))
        return err_set(e, ERR_NOT_FOUND, "set HOME or XDG_CONFIG_HOME, or name the file",
                       "no place for a configuration: neither XDG_CONFIG_HOME nor HOME is set");
    if (!path)
        path = place;
    struct buf bytes;
    buf_init(&bytes, YAML_BYTES_MAX);
    struct arena tree;
    arena_init(&tree);
    arena_init(&out->arena);
    bool ok = file_read(path, FILE_OWNED, &bytes, e);
    if (ok) {
        out->path = arena_strdup(&out->arena, path);
        const struct ynode *root = yaml_parse(path, bytes.data, bytes.len, config_schema, &tree, e);
        ok = root && read_config(root, out, e);
    }
    arena_release(&tree);
    buf_release(&bytes);
    if (!ok)
        config_release(out);
    return ok;
}

void config_release(struct config *c)
{
    arena_release(&c->arena);
    *c = (struct config){0};
}
