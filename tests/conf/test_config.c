/* The configuration: every value, every default, every refusal, and the documentation's own example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/config.h"
#include "conf/file.h"
#include "conf/policy.h"
#include "core/clock.h"
#include "core/notice.h"
#include "tests/conf/tempdir.h"

static bool load(const char *dir, const char *yaml, struct config *c, struct err *e)
{
    return config_load(tempdir_write(dir, "config.yaml", yaml, 0600), c, e);
}

static struct config good(const char *dir, const char *yaml)
{
    struct config c;
    struct err e = {0};
    if (!load(dir, yaml, &c, &e))
        print_error("%s (%s)\n", e.what, e.next);
    assert_int_equal(e.code, ERR_NONE);
    return c;
}

/* what: without the folder in front */
static void bad(const char *dir, const char *yaml, const char *what, const char *next)
{
    struct config c;
    struct err e = {0};
    assert_false(load(dir, yaml, &c, &e));
    const char *got = strncmp(e.what, dir, strlen(dir)) == 0 ? e.what + strlen(dir) + 1 : e.what;
    assert_string_equal(got, what);
    if (next)
        assert_string_equal(e.next, next);
    assert_null(c.fleets);
}

static void bad_fleet(const char *dir, const char *lines, const char *what, const char *next)
{
    char yaml[4096], full[600];
    snprintf(yaml, sizeof yaml, "fleets:\n- name: a\n%s", lines);
    snprintf(full, sizeof full, "config.yaml:%s", what);
    bad(dir, yaml, full, next);
}

static void bad_url(const char *dir, const char *url, const char *what, const char *next)
{
    char line[2000], full[400];
    snprintf(line, sizeof line, "  url: '%s'\n", url);
    snprintf(full, sizeof full, "3: fleets[0].url: %s", what);
    bad_fleet(dir, line, full, next);
}

static void empty_is_all_defaults(void **state)
{
    struct config c = good(*state, "");
    assert_int_equal(c.n_fleets, 0);
    assert_string_equal(c.theme, "");
    assert_string_equal(c.color, "auto");
    assert_false(c.ascii || c.osc_notify);
    assert_true(c.bell);
    assert_int_equal(c.escdelay_ms, 50);
    assert_string_equal(c.audit_db, "");
    assert_string_equal(c.audit_key, "");
    assert_string_equal(c.audit_origin, "");
    assert_string_equal(c.operator_name, "");
    assert_non_null(strstr(c.path, "/config.yaml"));
    config_release(&c);
    config_release(&c);
}

static void smallest_fleet(void **state)
{
    struct config c = good(*state, "fleets:\n- name: a\n  url: https://h.example/\n");
    assert_int_equal(c.n_fleets, 1);
    const struct fleet_spec *f = &c.fleets[0];
    assert_string_equal(f->name, "a");
    assert_string_equal(f->kind, "hawkbit");
    assert_string_equal(f->endpoint.url, "https://h.example");
    assert_string_equal(f->endpoint.user, "");
    assert_string_equal(f->endpoint.ca_file, "");
    assert_string_equal(f->endpoint.client_cert, "");
    assert_string_equal(f->endpoint.client_key, "");
    assert_string_equal(f->endpoint.proxy, "");
    assert_int_equal(f->endpoint.secret.source, SECRET_NONE);
    assert_int_equal(f->endpoint.timeout_us, 10 * US_PER_S);
    assert_string_equal(f->environment, "");
    assert_false(f->production || f->read_only || f->endpoint.plain_http || f->endpoint.bearer);
    assert_int_equal(f->poll_us, 2 * US_PER_S);
    assert_ptr_equal(f->policy, policy_default());
    assert_int_equal(f->telemetry.kind, TELEMETRY_NONE);
    assert_string_equal(f->telemetry.endpoint.url, "");
    assert_string_equal(f->telemetry.preset, "device");
    config_release(&c);
}

/* The text between "```yaml\n# TAG\n" and "```" in the documentation. */
static char *example(const char *tag)
{
    struct buf doc;
    struct err e;
    buf_init(&doc, 1 << 20);
    if (!file_read("docs/configuration.md", FILE_ANY, &doc, &e))
        fail_msg("%s; run the tests from the project's top folder", e.what);
    char mark[64];
    snprintf(mark, sizeof mark, "```yaml\n# %s\n", tag);
    char *start = strstr(doc.data, mark);
    assert_non_null(start);
    start += strlen("```yaml\n");
    char *end = strstr(start, "```");
    assert_non_null(end);
    char *out = xstrndup(start, (size_t)(end - start));
    buf_release(&doc);
    return out;
}

static void documented_example(void **state)
{
    const char *dir = *state;
    char *config = example("config"), *policy = example("policy"), path[300], want[300];
    snprintf(path, sizeof path, "%s/policies", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    tempdir_write(dir, "policies/careful.yaml", policy, 0600);
    tempdir_write(dir, "policies/eager.yaml", "evidence: {alpha: 0.1}\n", 0600);
    tempdir_write(dir, "policies/gateways.yaml", "bake: 1h\n", 0600);
    tempdir_write(dir, "inventory.yaml", "rules:\n- owner: net-ops\n", 0600);
    struct config c = good(dir, config);
    assert_string_equal(c.fleets[0].inventory->v[0].says[INV_OWNER].text, "net-ops");
    assert_null(c.fleets[1].inventory);
    assert_int_equal(c.n_fleets, 2);
    const struct fleet_spec *f = &c.fleets[0];
    assert_string_equal(f->name, "hearth-emea");
    assert_string_equal(f->endpoint.url, "https://updates.example.com");
    assert_string_equal(f->endpoint.user, "DEFAULT\\andon");
    assert_int_equal(f->endpoint.secret.source, SECRET_COMMAND);
    assert_string_equal(f->endpoint.secret.argv[0], "pass");
    assert_string_equal(f->endpoint.secret.argv[2], "andon/hearth-emea");
    assert_null(f->endpoint.secret.argv[3]);
    snprintf(want, sizeof want, "%s/ca/updates.pem", dir);
    assert_string_equal(f->endpoint.ca_file, want);
    assert_true(f->production);
    assert_false(f->read_only);
    assert_string_equal(f->policy->name, "careful");
    assert_int_equal(f->policy->n_limits, 4);
    assert_int_equal(f->n_rules, 2);
    assert_string_equal(f->rules[0].rollout, "hotfix-*");
    assert_string_equal(f->rules[0].device_class, "");
    assert_string_equal(f->rules[0].policy->name, "eager");
    assert_true(f->rules[0].policy->evidence.alpha == 0.1);
    assert_string_equal(f->rules[1].rollout, "");
    assert_string_equal(f->rules[1].device_class, "gw-*");
    assert_string_equal(f->rules[1].policy->name, "gateways");
    assert_int_equal(f->telemetry.kind, TELEMETRY_PROMETHEUS);
    assert_string_equal(f->telemetry.endpoint.url, "https://prometheus.example.com/tenant-a");
    assert_true(f->telemetry.endpoint.bearer);
    assert_int_equal(f->telemetry.endpoint.secret.source, SECRET_FILE);
    snprintf(want, sizeof want, "%s/.config/andon/prometheus.token", "/home/u");
    assert_string_equal(f->telemetry.endpoint.secret.path, want);
    assert_int_equal(f->telemetry.interval_us, 15 * US_PER_S);
    f = &c.fleets[1];
    assert_false(f->production);
    assert_true(f->read_only);
    assert_int_equal(f->endpoint.secret.source, SECRET_ENV);
    assert_string_equal(f->endpoint.secret.env, "ANDON_LAB_PASSWORD");
    assert_string_equal(f->endpoint.proxy, "http://proxy.example.com:3128");
    assert_int_equal(f->telemetry.kind, TELEMETRY_OPENMETRICS);
    assert_string_equal(f->telemetry.endpoint.url, "http://10.0.0.7:9100/metrics");
    assert_string_equal(f->telemetry.preset, "node_exporter");
    assert_string_equal(f->telemetry.join_label, "instance");
    assert_string_equal(f->telemetry.sensor, "node_hwmon_temp_celsius");
    assert_string_equal(f->telemetry.cpu, "node_cpu_seconds_total");
    assert_string_equal(c.operator_name, "M. Ito");
    assert_string_equal(c.theme, "dark");
    assert_string_equal(c.audit_origin, "andon/console-1");
    snprintf(want, sizeof want, "%s/.local/state/andon/audit.db", "/home/u");
    assert_string_equal(c.audit_db, want);
    snprintf(want, sizeof want, "%s/.local/state/andon/evidence.db", "/home/u");
    assert_string_equal(c.evidence_db, want);
    assert_string_equal(c.audit_spool, "/var/spool/andon");
    assert_string_equal(c.notify.hook[2], "firmware");
    assert_null(c.notify.hook[3]);
    assert_int_equal(c.notify.n_webhooks, 3);
    assert_string_equal(c.notify.webhooks[0].endpoint.url, "https://hooks.slack.example/services/T000/B000/XXXX");
    assert_int_equal(c.notify.webhooks[1].endpoint.secret.source, SECRET_COMMAND);
    config_release(&c);
    free(config);
    free(policy);
}

/* Each key of a schema stands in the documentation, in code font or in an example. */
static void named_in(const char *doc, const struct yfield *fields)
{
    for (; fields->key; fields++) {
        char code[64];
        snprintf(code, sizeof code, "`%s`", fields->key);
        if (!strstr(doc, code))
            fail_msg("docs/configuration.md does not name the key %s", code);
        if (!fields->doc)
            fail_msg("the key %s has no line of documentation", fields->key);
        if (fields->fields)
            named_in(doc, fields->fields);
    }
}

static void every_key_is_documented(void **state)
{
    (void)state;
    struct buf doc;
    struct err e;
    buf_init(&doc, 1 << 20);
    assert_true(file_read("docs/configuration.md", FILE_ANY, &doc, &e));
    named_in(doc.data, config_schema);
    named_in(doc.data, policy_schema);
    buf_release(&doc);
}

static void aws_fleets(void **state)
{
    static const char fleet[] = "fleets:\n- name: a\n  kind: awsiot\n  url: https://iot.eu-west-1.amazonaws.com\n";
    static const struct {
        const char *keys, *what; /* NULL: good */
    } cases[] = {
        {"  region: eu-west-1\n  version_attribute: fw\n  releases:\n  - {name: cam, version: 2.0, document: '{}'}\n",
         NULL},
        {"  releases:\n  - {name: cam, version: 2.0}\n", "6: fleets[0].releases[0]: the key document is missing"},
        {"  releases:\n  - {name: a b, version: 2.0, document: x}\n",
         "6: fleets[0].releases[0].name: expected 1 to 60 letters, digits, '.', '_', '+' or '-'"},
        {"  releases:\n  - {name: a, version: 1, document: x}\n  - {name: a, version: 1, document: y}\n",
         "7: fleets[0].releases[1]: the release a:1 is listed twice"},
        {"  region: EU\n", "5: fleets[0].region: expected a region such as eu-west-1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[600], what[300];
        snprintf(text, sizeof text, "%s%s", fleet, cases[i].keys);
        if (cases[i].what) {
            snprintf(what, sizeof what, "config.yaml:%s", cases[i].what);
            bad(*state, text, what, NULL);
            continue;
        }
        struct config c = good(*state, text);
        assert_int_equal(c.fleets[0].aws.n_releases, 1);
        assert_string_equal(c.fleets[0].aws.releases[0].version, "2.0");
        assert_string_equal(c.fleets[0].aws.version_attribute, "fw");
        config_release(&c);
    }
    bad(*state, "fleets:\n- name: a\n  url: https://h\n  region: x\n",
        "config.yaml:4: fleets[0].region: only a fleet of kind: awsiot has this key", NULL);
}

static void rules_of_a_fleet(void **state)
{
    static const char fleet[] = "fleets:\n- name: a\n  url: https://h\n  policies:\n  - ";
    static const struct {
        const char *rule, *what;
    } cases[] = {
        {"{policy: p.yaml}",
         "5: fleets[0].policies[0]: a rule names a rollout or a class; for all rollouts there is the "
         "fleet's key policy"},
        {"{rollout: x}", "5: fleets[0].policies[0]: the key policy is missing"},
        {"{rollout: x, policy: none}", "5: fleets[0].policies[0].policy: no policy 'none'"},
        {"{rollot: x, policy: p.yaml}", "5: fleets[0].policies[0].rollot: unknown key (did you mean rollout?)"},
        {"{rollout: x, policy: p.yaml}\n  - {rollout: x, policy: p.yaml}",
         "6: fleets[0].policies[1]: never used: the rule in line 5 matches the same"},
    };
    tempdir_write(*state, "p.yaml", "", 0600);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[600], what[300];
        snprintf(yaml, sizeof yaml, "%s%s\n", fleet, cases[i].rule);
        snprintf(what, sizeof what, "config.yaml:%s", cases[i].what);
        bad(*state, yaml, what, NULL);
    }
    /* A rule's file has its own errors, and the same rollout may be split by class. */
    char yaml[600];
    tempdir_write(*state, "bad.yaml", "bake: never\n", 0600);
    snprintf(yaml, sizeof yaml, "%s{class: 'a*', policy: bad.yaml}\n", fleet);
    bad(*state, yaml, "bad.yaml:1: bake: expected a duration such as 90s, 10m or 1h30m, found 'never'", NULL);
    snprintf(yaml, sizeof yaml, "%s{rollout: x, class: 'a*', policy: p.yaml}\n  - {rollout: x, policy: p.yaml}\n",
             fleet);
    struct config c = good(*state, yaml);
    assert_int_equal(c.fleets[0].n_rules, 2);
    assert_ptr_equal(c.fleets[0].policy, policy_default());
    config_release(&c);
}

static void notices_by_default(void **state)
{
    struct config c = good(*state, "");
    assert_null(c.notify.hook);
    assert_int_equal(c.notify.n_webhooks, 0);
    assert_int_equal(c.notify.repeat_us, 30 * US_PER_MIN);
    assert_false(c.notify.console);
    assert_string_equal(c.evidence_db, "");
    assert_string_equal(c.audit_spool, "");
    config_release(&c);
    c = good(*state, "notify: {hook: [tell]}\n");
    for (int k = 0; k < NOTICE_KINDS; k++)
        assert_int_equal(c.notify.kinds >> k & 1, k != NOTICE_WATCH);
    assert_int_equal(c.notify.kinds >> NOTICE_KINDS, 0);
    config_release(&c);
}

/* The words of the file are those of the notices, whatever their order. */
static void what_is_told(void **state)
{
    for (int k = 0; k < NOTICE_KINDS; k++) {
        char yaml[200];
        if (k == NOTICE_TEST)
            continue;
        snprintf(yaml, sizeof yaml, "notify: {hook: [tell], on: [%s], repeat: 5m, consoles: true}\n",
                 notice_kind_word((enum notice_kind)k));
        struct config c = good(*state, yaml);
        assert_int_equal(c.notify.kinds, 1U << k | 1U << NOTICE_TEST);
        assert_int_equal(c.notify.repeat_us, 5 * US_PER_MIN);
        assert_true(c.notify.console);
        config_release(&c);
    }
}

static void bad_notices(void **state)
{
    static const struct {
        const char *notify, *what;
    } cases[] = {
        {"{repeat: 1h}", ": nobody is named who is told: give a hook or webhooks, or leave `notify` out"},
        {"{hook: []}", ".hook: expected 1 to 32 items, found 0"},
        {"{hook: [''] }", ".hook: expected the name of a program first"},
        {"{hook: tell}", ".hook: expected a list ('- ...' lines), found 'tell'"},
        {"{hook: [tell], on: []}", ".on: expected 1 to 12 items, found 0"},
        {"{hook: [tell], on: [halts]}", ".on[0]: expected watch, halt, escalated, rollback, lost-telemetry, gate, "
                                        "halted-but-running, audit-log, log-tampered, exposed or stale-intel, "
                                        "found 'halts' (did you mean halt?)"},
        {"{hook: [tell], repeat: 1s}", ".repeat: expected a duration from 1m00s to 7d00h, found '1s'"},
        {"{webhooks: [{url: 'https://h/x'}]}", ".webhooks[0]: the key name is missing"},
        {"{webhooks: [{name: a}]}", ".webhooks[0]: the key url is missing"},
        {"{webhooks: [{name: 'a b', url: 'https://h/x'}]}",
         ".webhooks[0].name: expected 1 to 47 letters, digits, '.', '_' or '-'"},
        {"{webhooks: [{name: a, url: 'http://h/x'}]}",
         ".webhooks[0].url: http:// to another host would send everything in the clear"},
        {"{webhooks: [{name: a, url: 'https://h/x?token=hunter2'}]}",
         ".webhooks[0].url: a query (?) or fragment (#) in the URL is not accepted"},
        {"{webhooks: [{name: a, url: 'https://h/x'}, {name: A, url: 'https://h/y'}]}",
         ".webhooks[1].name: 'A' is the name of the hook in line 1 too"},
        {"{webhooks: [{name: a, format: teams, url: 'https://h/x'}]}",
         ".webhooks[0].format: expected json, slack, pagerduty or alertmanager, found 'teams'"},
        {"{webhooks: [{name: a, format: pagerduty, url: 'https://h/x'}]}",
         ".webhooks[0]: the routing key is missing: secret: {command: [...]}, {file: ...} or {env: ...}"},
        {"{webhooks: [{name: a, format: pagerduty, url: 'https://h/x', bearer: true, secret: {env: K}}]}",
         ".webhooks[0].bearer: the secret is the routing key, which stands in the notice; leave this key out"},
        {"{webhooks: [{name: a, url: 'https://h/x', secret: {env: K}}]}",
         ".webhooks[0].secret: a secret needs user: NAME (a password) or bearer: true (a token)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[400], what[400];
        snprintf(yaml, sizeof yaml, "notify: %s\n", cases[i].notify);
        snprintf(what, sizeof what, "config.yaml:1: notify%s", cases[i].what);
        bad(*state, yaml, what, NULL);
    }
}

/* The whole address of a hook is kept as it is: what follows the host is the receiver's. */
static void web_hooks(void **state)
{
    struct config c =
        good(*state, "notify:\n  webhooks:\n"
                     "  - {name: a, url: 'https://h/x/', bearer: true, secret: {env: T}, ca_file: ca.pem}\n"
                     "  - {name: b, format: slack, url: 'https://h/s'}\n"
                     "  - {name: c, format: pagerduty, url: 'https://h/p', secret: {env: K}}\n"
                     "  - {name: d, format: alertmanager, url: 'http://127.0.0.1:9093/api/v2/alerts'}\n");
    const struct webhook_spec *w = c.notify.webhooks;
    char ca[300];
    assert_int_equal(c.notify.n_webhooks, 4);
    assert_int_equal(w[0].format, HOOK_JSON);
    assert_string_equal(w[0].endpoint.url, "https://h/x/");
    assert_true(w[0].endpoint.bearer);
    snprintf(ca, sizeof ca, "%s/ca.pem", (const char *)*state);
    assert_string_equal(w[0].endpoint.ca_file, ca);
    assert_int_equal(w[1].format, HOOK_SLACK);
    assert_int_equal(w[2].format, HOOK_PAGERDUTY);
    assert_string_equal(w[2].endpoint.secret.env, "K");
    assert_int_equal(w[3].format, HOOK_ALERTMANAGER);
    config_release(&c);
}

static void urls(void **state)
{
    static const char *const fine[][2] = {
        {"https://h", "https://h"},
        {"https://h.example:8443/base/path/", "https://h.example:8443/base/path"},
        {"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
        {"http://127.8.9.10", "http://127.8.9.10"},
        {"http://[::1]:8080/x", "http://[::1]:8080/x"},
        {"http://localhost:1/", "http://localhost:1"},
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char yaml[300];
        snprintf(yaml, sizeof yaml, "fleets:\n- name: a\n  url: '%s'\n", fine[i][0]);
        struct config c = good(*state, yaml);
        assert_string_equal(c.fleets[0].endpoint.url, fine[i][1]);
        config_release(&c);
    }
    struct config c = good(*state, "fleets:\n- name: a\n  url: http://10.0.0.1\n  plain_http: true\n");
    assert_true(c.fleets[0].endpoint.plain_http);
    config_release(&c);

    static const char clear[] = "http:// to another host would send everything in the clear";
    static const char accept[] = "use https://, or accept it with plain_http: true";
    bad_url(*state, "http://10.0.0.1", clear, accept);
    bad_url(*state, "http://127.evil.example", clear, accept);
    bad_url(*state, "http://127.0.0.1.evil.example", clear, accept);
    bad_url(*state, "http://127.1", clear, accept);
    bad_url(*state, "http://0.0.0.0", clear, accept);
    bad_url(*state, "http://[::2]", clear, accept);
    bad_url(*state, "http://[::ffff:10.0.0.1]", clear, accept);
    bad_url(*state, "http://localhost.evil.example", clear, accept);
    bad_url(*state, "ftp://h", "expected a URL that starts with https:// or http://", NULL);
    bad_url(*state, "HTTPS://h", "expected a URL that starts with https:// or http://", NULL);
    bad_url(*state, "h.example", "expected a URL that starts with https:// or http://", NULL);
    bad_url(*state, "", "expected a URL that starts with https:// or http://", NULL);
    bad_url(*state, "https://u:hunter2@h", "a user or password in the URL is not accepted",
            "use the keys user and secret");
    bad_url(*state, "https://u@h", "a user or password in the URL is not accepted", "use the keys user and secret");
    bad_url(*state, "https://h/a?b=c", "a query (?) or fragment (#) in the URL is not accepted", NULL);
    bad_url(*state, "https://h/a#b", "a query (?) or fragment (#) in the URL is not accepted", NULL);
    bad_url(*state, "https://h/a b", "a URL has no blanks, quotes, backslashes or non-ASCII characters", NULL);
    bad_url(*state, "https://h\\@evil", "a URL has no blanks, quotes, backslashes or non-ASCII characters", NULL);
    bad_url(*state, "https://bücher.example", "a URL has no blanks, quotes, backslashes or non-ASCII characters", NULL);
    static const char *const no_host[] = {
        "https://",        "https:///x",    "https://:80",   "https://h:",      "https://h:0",
        "https://h:65536", "https://h:8a",  "https://-h",    "https://[::1",    "https://[::1]x",
        "https://[h]",     "https://h:1:2", "https://h_$/x", "https://h:123456"};
    for (size_t i = 0; i < sizeof no_host / sizeof no_host[0]; i++)
        bad_url(*state, no_host[i], "expected a host name or address, and perhaps :port, after '://'", NULL);
    char big[1100] = "https://h/";
    memset(big + 10, 'a', 1030);
    bad_url(*state, big, "longer than 1024 bytes", NULL);
}

static void proxies(void **state)
{
    struct config c = good(*state, "fleets:\n- name: a\n  url: https://h\n  proxy: socks5h://p:1080/\n");
    assert_string_equal(c.fleets[0].endpoint.proxy, "socks5h://p:1080");
    config_release(&c);
    bad_fleet(*state, "  url: https://h\n  proxy: p:1080\n",
              "4: fleets[0].proxy: expected a URL that starts with http://, https:// or socks5h://", NULL);
    bad_fleet(*state, "  url: https://h\n  proxy: http://p/x\n", "4: fleets[0].proxy: a proxy's URL has no path", NULL);
    bad_fleet(*state, "  url: https://h\n  proxy: http://u:p@p\n",
              "4: fleets[0].proxy: a user or password in the URL is not accepted", NULL);
}

static void secrets_are_only_referred_to(void **state)
{
    static const char map[] = "expected a map ('key: value' lines)";
    static const char how[] = "secret: how the secret is got: command, file or env; never the secret itself";
    char what[300];
    snprintf(what, sizeof what, "4: fleets[0].secret: %s", map);
    bad_fleet(*state, "  url: https://h\n  secret: hunter2\n", what, how);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {}\n",
              "5: fleets[0].secret: expected exactly one of command, file and env, found 0", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {file: a, env: B}\n",
              "5: fleets[0].secret: expected exactly one of command, file and env, found 2", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {command: echo hunter2}\n",
              "5: fleets[0].secret.command: expected a list ('- ...' lines)", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {command: []}\n",
              "5: fleets[0].secret.command: expected 1 to 32 items, found 0", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {command: ['']}\n",
              "5: fleets[0].secret.command: expected the name of a program first", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {file: ''}\n",
              "5: fleets[0].secret.file: expected a file's name, found \"\"", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  secret: {env: $X}\n",
              "5: fleets[0].secret.env: expected the name of an environment variable", NULL);
    bad_fleet(*state, "  url: https://h\n  password: hunter2\n", "4: fleets[0].password: unknown key", NULL);
}

static void credentials_belong_together(void **state)
{
    bad_fleet(*state, "  url: https://h\n  user: u\n",
              "4: fleets[0].user: a user needs a secret: {command: [...]}, {file: ...} or {env: ...}", NULL);
    bad_fleet(*state, "  url: https://h\n  secret: {env: X}\n",
              "4: fleets[0].secret: a secret needs user: NAME (a password) or bearer: true (a token)", NULL);
    bad_fleet(*state, "  url: https://h\n  bearer: true\n",
              "4: fleets[0].bearer: a bearer token comes from secret: command, file or env", NULL);
    bad_fleet(*state, "  url: https://h\n  user: u\n  bearer: true\n  secret: {env: X}\n",
              "4: fleets[0].user: a bearer token goes without a user; leave out one of user and bearer", NULL);
    bad_fleet(*state, "  url: https://h\n  user: 'a:b'\n  secret: {env: X}\n",
              "4: fleets[0].user: a user for HTTP Basic has no ':' (RFC 7617)", NULL);
    bad_fleet(*state, "  url: https://h\n  client_key: k\n", "4: fleets[0].client_key: a key needs its client_cert",
              NULL);
}

static void fleets_are_checked(void **state)
{
    static const char name_rule[] = "expected 1 to 47 letters, digits, '.', '_' or '-', first a letter or digit";
    static const char *const names[] = {
        "''", "a b", "-a", "ä", "a/b", "\"a\\\"\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char yaml[200], what[200];
        snprintf(yaml, sizeof yaml, "fleets:\n- name: %s\n  url: https://h\n", names[i]);
        snprintf(what, sizeof what, "config.yaml:2: fleets[0].name: %s", name_rule);
        bad(*state, yaml, what, NULL);
    }
    bad(*state, "fleets:\n- {name: a, url: 'https://h'}\n- {name: A, url: 'https://h'}\n",
        "config.yaml:3: fleets[1].name: 'A' is the name of the fleet in line 2 too", NULL);
    bad(*state, "fleets:\n- name: a\n", "config.yaml:2: fleets[0]: the key url is missing",
        "url: where it is: https://host[:port][/prefix]");
    struct config c;
    struct err e = {0};
    assert_false(load(*state, "fleets:\n- name: a\n  url: https://h\n  kind: abacus\n", &c, &e));
    assert_non_null(strstr(e.what, "4: fleets[0].kind: expected hawkbit, "));
    assert_non_null(strstr(e.what, ", found 'abacus'"));
    bad_fleet(*state, "  url: https://h\n  poll: 0s\n",
              "4: fleets[0].poll: expected a duration from 1s to 5m00s, found '0s'", NULL);
    bad_fleet(*state, "  url: https://h\n  environment: |\n    a\n    b\n",
              "4: fleets[0].environment: expected one line of at most 32 bytes", NULL);
    bad_fleet(*state, "  url: https://h\n  policy: careful\n", "4: fleets[0].policy: no policy 'careful'",
              "name one under `policies`, or a file that ends with .yaml");
    bad_fleet(*state, "  url: https://h\n  telemetry:\n    kind: prometheus\n    url: https://h\n    join_label: a-b\n",
              "7: fleets[0].telemetry.join_label: expected a label's name: letters, digits and '_'", NULL);
    bad_fleet(*state, "  url: https://h\n  telemetry: {kind: prometheus}\n",
              "4: fleets[0].telemetry: the key url is missing", NULL);
    bad(*state, "ui: {theme: ../x}\n",
        "config.yaml:1: ui.theme: expected a theme's name: letters, digits, '.', '_' and '-'", NULL);
    bad(*state, "audit: {origin: a b}\n",
        "config.yaml:1: audit.origin: expected at most 100 letters, digits, '.', '_', '-' or '/'", NULL);
    bad(*state, "ui: {escdelay: 2s}\n", "config.yaml:1: ui.escdelay: expected a duration from 0s to 1s, found '2s'",
        NULL);
}

static void plug_ins_are_named(void **state)
{
#define PLUGINS "plugins: libexec\nfleets:\n- name: a\n  kind: plugin\n"
    static const struct {
        const char *lines, *what;
    } cases[] = {
        {"", "config.yaml:3: fleets[0]: the key plugin is missing"},
        {"  plugin: ../x\n", "config.yaml:5: fleets[0].plugin: expected a name of 1 to 48 of a-z, 0-9, '-' and '_'"},
        {"  plugin: x\n  pass: [A=B]\n",
         "config.yaml:6: fleets[0].pass[0]: expected the name of an environment variable"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[400];
        snprintf(yaml, sizeof yaml, PLUGINS "%s", cases[i].lines);
        bad(*state, yaml, cases[i].what, NULL);
    }
    bad(*state, "fleets:\n- name: a\n  kind: plugin\n  plugin: x\n",
        "config.yaml:4: fleets[0].plugin: no folder of plug-ins is named: the key `plugins` of the whole file", NULL);
    bad_fleet(*state, "  url: https://h\n  plugin: x\n",
              "4: fleets[0].plugin: only a fleet of kind: plugin has this key", NULL);
    struct config c = good(*state, PLUGINS "  plugin: x\n  secret: {env: S}\n  options: {a: '1', b: two}\n"
                                           "  read: [keys, /etc/x]\n  pass: [SSH_AUTH_SOCK]\n");
    const struct plugin_spec *p = &c.fleets[0].plugin;
    assert_string_equal(p->name, "x");
    assert_int_equal(p->folder[0], '/');
    assert_string_equal(strrchr(p->folder, '/'), "/libexec");
    assert_int_equal(p->n_options, 2);
    assert_string_equal(p->options[1][0], "b");
    assert_string_equal(p->options[1][1], "two");
    assert_string_equal(strrchr(p->read[0], '/'), "/keys");
    assert_string_equal(p->read[1], "/etc/x");
    assert_null(p->read[2]);
    assert_null(p->write[0]);
    assert_string_equal(p->pass[0], "SSH_AUTH_SOCK");
    assert_string_equal(c.fleets[0].endpoint.url, "");
    config_release(&c);
#undef PLUGINS
}

static void faults_are_for_rehearsals(void **state)
{
    bad_fleet(*state, "  url: https://h\n  environment: prod\n  faults: {lost: 0.1}\n",
              "5: fleets[0].faults: a fleet in production has no faults made for it", NULL);
    struct config c = good(*state, "fleets:\n- name: a\n  kind: replay\n  url: t.jsonl\n"
                                   "  faults: {seed: 7, delay: 2s, lost: 0.25, lies: 1}\n");
    const struct fault_spec *f = &c.fleets[0].faults;
    assert_int_equal(f->seed, 7);
    assert_int_equal(f->delay_us, 2 * US_PER_S);
    assert_true(f->lost == 0.25 && f->lies == 1);
    assert_string_equal(strrchr(c.fleets[0].endpoint.url, '/'), "/t.jsonl");
    config_release(&c);
    c = good(*state, "fleets:\n- {name: a, url: 'https://h'}\n");
    assert_true(c.fleets[0].faults.lost == 0 && c.fleets[0].faults.lies == 0 && c.fleets[0].faults.delay_us == 0);
    config_release(&c);
}

static void joins_and_headers(void **state)
{
#define SOURCE "fleets:\n- name: a\n  url: https://h\n  telemetry:\n    kind: prometheus\n    url: https://h\n"
    static const struct {
        const char *lines, *what;
    } cases[] = {
        {"    join: {label: a-b}\n", "7: fleets[0].telemetry.join.label: expected a label's name"},
        {"    join_label: a\n    join: {label: b}\n",
         "7: fleets[0].telemetry.join_label: join.label says the same: leave one of them out"},
        {"    join: {map: serial}\n",
         "7: fleets[0].telemetry.join.map: expected \"attribute\" and the name of an inventory attribute"},
        {"    join: {map: 'attribute a b'}\n", "7: fleets[0].telemetry.join.map: expected"},
        {"    join: {map: 'attribute '}\n", "7: fleets[0].telemetry.join.map: expected"},
        {"    join: {strip_prt: true}\n",
         "7: fleets[0].telemetry.join.strip_prt: unknown key (did you mean strip_port?)"},
        {"    headers: {Authorization: x}\n",
         "7: fleets[0].telemetry.headers.Authorization: this header comes from the keys user, bearer and secret"},
        {"    headers: {HOST: x}\n",
         "7: fleets[0].telemetry.headers.HOST: this header is set by andon or by HTTP itself"},
        {"    headers: {Content-Length: '1'}\n",
         "7: fleets[0].telemetry.headers.Content-Length: this header is set by"},
        {"    headers: {te: x}\n", "7: fleets[0].telemetry.headers.te: this header is set by"},
        {"    headers: {'a b': x}\n", "7: fleets[0].telemetry.headers.a b: expected a header's name"},
        {"    headers: {X-A: \"a\\nb\"}\n", "7: fleets[0].telemetry.headers.X-A: expected 1 to 1024 visible ASCII"},
        {"    headers: {X-A: ''}\n", "7: fleets[0].telemetry.headers.X-A: expected 1 to 1024 visible ASCII"},
        {"    headers: {X-A: [x]}\n", "7: fleets[0].telemetry.headers.X-A: expected text, or a map"},
        {"    headers: {X-A: {fil: x}}\n", "7: fleets[0].telemetry.headers.X-A.fil: unknown key (did you mean file?)"},
        {"    headers: {X-A: {}}\n",
         "7: fleets[0].telemetry.headers.X-A: expected exactly one of command, file and env, found 0"},
        {"    headers: {X-A: x, x-a: y}\n", "7: fleets[0].telemetry.headers.x-a: the same header as in line 7"},
        {"    tenant: t1\n    headers: {x-scope-orgid: t2}\n",
         "7: fleets[0].telemetry.tenant: the header X-Scope-OrgID is given too: leave one of them out"},
        {"    headers: {A: x, B: x, C: x, D: x, E: x, F: x, G: x, H: x, I: x}\n",
         "7: fleets[0].telemetry.headers: expected 0 to 8 items, found 9"},
        {"    tenant: t1\n    headers: {A: x, B: x, C: x, D: x, E: x, F: x, G: x, H: x}\n",
         "7: fleets[0].telemetry.tenant: with the tenant there are more than 8 headers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config none;
        struct err e = {0};
        char yaml[500];
        snprintf(yaml, sizeof yaml, SOURCE "%s", cases[i].lines);
        assert_false(load(*state, yaml, &none, &e));
        if (!strstr(e.what, cases[i].what))
            fail_msg("\"%s\" does not say \"%s\"", e.what, cases[i].what);
    }
    struct config c =
        good(*state, SOURCE "    join: {label: instance, strip_port: true, lower: true, map: attribute serial}\n"
                            "    tenant: t1\n    headers: {THANOS-TENANT: t2, X-Key: {file: k}, Range-X: r, Tea: x}\n");
    const struct telemetry_spec *t = &c.fleets[0].telemetry;
    assert_string_equal(t->join_label, "instance");
    assert_true(t->join.strip_port && t->join.lower);
    assert_string_equal(t->join.attribute, "serial");
    assert_int_equal(t->endpoint.n_headers, 5);
    assert_string_equal(t->endpoint.headers[0].name, "THANOS-TENANT");
    assert_string_equal(t->endpoint.headers[0].value, "t2");
    assert_int_equal(t->endpoint.headers[1].secret.source, SECRET_FILE);
    assert_string_equal(t->endpoint.headers[1].value, "");
    assert_string_equal(t->endpoint.headers[4].name, "X-Scope-OrgID");
    assert_string_equal(t->endpoint.headers[4].value, "t1");
    config_release(&c);
    c = good(*state, SOURCE "    preset: node_exporter\n    join: {strip_port: true}\n");
    assert_string_equal(c.fleets[0].telemetry.join_label, "instance"); /* the preset's */
    assert_string_equal(c.fleets[0].telemetry.join.attribute, "");
    config_release(&c);
#undef SOURCE
}

static void production_follows_the_environment(void **state)
{
    static const struct {
        const char *lines;
        bool production;
    } cases[] = {{"environment: prod", true},
                 {"environment: production", true},
                 {"environment: PROD", true},
                 {"environment: preprod", false},
                 {"environment: staging", false},
                 {"environment: staging\n  production: true", true},
                 {"environment: prod\n  production: false", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[200];
        snprintf(yaml, sizeof yaml, "fleets:\n- name: a\n  url: https://h\n  %s\n", cases[i].lines);
        struct config c = good(*state, yaml);
        assert_int_equal(c.fleets[0].production, cases[i].production);
        config_release(&c);
    }
}

static void policies_are_loaded(void **state)
{
    const char *dir = *state;
    tempdir_write(dir, "p.yaml", "window: 5m\n", 0600);
    struct config c = good(dir, "policies: {short: p.yaml}\nfleets:\n"
                                "- {name: a, url: 'https://h', policy: short}\n"
                                "- {name: b, url: 'https://h', policy: p.yaml}\n"
                                "- {name: c, url: 'https://h', policy: ./p.yaml}\n");
    assert_string_equal(c.fleets[0].policy->name, "short");
    assert_string_equal(c.fleets[1].policy->name, "p");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c.fleets[i].policy->window_us, 5 * US_PER_MIN);
        assert_int_equal(strlen(c.fleets[i].policy->digest), 64);
    }
    config_release(&c);

    /* a broken one is an error even when no fleet uses it, and says who names it */
    tempdir_write(dir, "p.yaml", "window: 5\n", 0600);
    struct err e = {0};
    assert_false(load(dir, "\npolicies: {short: p.yaml}\n", &c, &e));
    assert_non_null(strstr(e.what, "/p.yaml:1: window: expected a duration such as 90s, 10m or 1h30m, found '5'"));
    assert_non_null(strstr(e.cause, "/config.yaml:2"));
    bad(dir, "policies: {a b: p.yaml}\n",
        "config.yaml:1: policies.a b: expected a name of 1 to 47 letters, digits, '.', '_' or '-'", NULL);
    assert_false(load(dir, "policies: {a: none.yaml}\n", &c, &e));
    assert_non_null(strstr(e.what, "/config.yaml:1: policies.a: there is no file "));
    assert_non_null(strstr(e.what, "/none.yaml"));
    assert_int_equal(e.code, ERR_SYNTAX); /* and not "there is no configuration" */
    assert_non_null(strstr(e.what, "/none.yaml"));
}

static void only_a_file_that_nobody_else_can_write(void **state)
{
    const char *dir = *state;
    struct config c;
    struct err e = {0};
    char what[400], next[400];
    static const mode_t wrong[] = {0620, 0602, 0666, 0664};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *path = tempdir_write(dir, "config.yaml", "", wrong[i]);
        assert_false(config_load(path, &c, &e));
        snprintf(what, sizeof what, "%s can be written by others (mode %03o), so it cannot be trusted", path,
                 (unsigned)wrong[i]);
        snprintf(next, sizeof next, "chmod go-w %s", path);
        assert_string_equal(e.what, what);
        assert_string_equal(e.next, next);
        assert_int_equal(e.code, ERR_REFUSED);
    }
    assert_true(config_load(tempdir_write(dir, "config.yaml", "", 0444), &c, &e));
    config_release(&c);
    tempdir_write(dir, "p.yaml", "", 0622);
    assert_false(load(dir, "policies: {a: p.yaml}\n", &c, &e));
    assert_non_null(strstr(e.what, "p.yaml can be written by others"));
    if (geteuid() == 0) { /* only root can give a file away */
        const char *path = tempdir_write(dir, "config.yaml", "", 0644);
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_false(config_load(path, &c, &e));
        assert_non_null(strstr(e.what, "belongs to user 12345, not to you (user 0) or root"));
    }
    assert_false(config_load(dir, &c, &e));
    assert_non_null(strstr(e.what, "is not a regular file"));
}

static void private_files(void **state)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 100);
    assert_true(file_read(tempdir_write(*state, "key", "s3cret", 0400), FILE_PRIVATE, &b, &e));
    assert_string_equal(b.data, "s3cret");
    assert_false(file_read(tempdir_write(*state, "key", "s3cret", 0640), FILE_PRIVATE, &b, &e));
    assert_non_null(strstr(e.what, "holds a secret and can be read by others (mode 640)"));
    assert_int_equal(strncmp(e.next, "chmod go-rwx ", 13), 0);
    char big[200];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_false(file_read(tempdir_write(*state, "key", big, 0600), FILE_ANY, &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(file_read(tempdir_write(*state, "key", big, 0600), FILE_ANY, &b, NULL));
    buf_release(&b);
}

static void the_xdg_places(void **state)
{
    (void)state;
    char out[300];
    setenv("XDG_CONFIG_HOME", "/x/c", 1);
    unsetenv("XDG_STATE_HOME");
    assert_true(config_path(out, sizeof out, "config.yaml"));
    assert_string_equal(out, "/x/c/andon/config.yaml");
    assert_true(state_path(out, sizeof out, "audit.db"));
    assert_string_equal(out, "/home/u/.local/state/andon/audit.db");
    setenv("XDG_CONFIG_HOME", "relative", 1); /* to be ignored */
    assert_true(config_path(out, sizeof out, "themes"));
    assert_string_equal(out, "/home/u/.config/andon/themes");
    assert_false(config_path(out, 10, "themes"));
    unsetenv("XDG_CONFIG_HOME");
    struct config c;
    struct err e = {0};
    assert_false(config_load(NULL, &c, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.what, "there is no file /home/u/.config/andon/config.yaml");
    unsetenv("HOME");
    assert_false(config_path(out, sizeof out, "x"));
    assert_false(config_load(NULL, &c, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    setenv("HOME", "/home/u", 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tempdir_setup, tempdir_teardown)

static void what_comes_first(void **state)
{
    struct config c = good(*state, "fleets: []\n");
    assert_int_equal(c.risk.target_us[CLASS_SAFETY], 7 * US_PER_DAY);
    assert_int_equal(c.risk.bod[CLASS_SAFETY], BOD_BIND);
    assert_int_equal(c.risk.bod[CLASS_NON_CRITICAL], BOD_SHOW);
    assert_false(c.manufacturer);
    config_release(&c);
    c = good(*state, "risk:\n  clock: exploited\n  epss: 0.25\n  high_internet: false\n"
                     "  critical_automatable: false\n"
                     "  targets: {safety-critical: 3d, confidentiality-sensitive: 10d}\n"
                     "  bod_26_04: {safety-critical: show, confidentiality-sensitive: off}\n"
                     "cra: {manufacturer: true}\n");
    assert_int_equal(c.risk.clock, CLOCK_EXPLOITED);
    assert_true(c.risk.epss_poc == 0.25);
    assert_false(c.risk.high_internet);
    assert_false(c.risk.critical_automatable);
    assert_int_equal(c.risk.target_us[CLASS_SAFETY], 3 * US_PER_DAY);
    assert_int_equal(c.risk.target_us[CLASS_CONFIDENTIAL], 10 * US_PER_DAY);
    assert_int_equal(c.risk.target_us[CLASS_UNKNOWN], 10 * US_PER_DAY); /* nobody knows: as confidential */
    assert_int_equal(c.risk.target_us[CLASS_NON_CRITICAL], 30 * US_PER_DAY);
    assert_int_equal(c.risk.bod[CLASS_SAFETY], BOD_SHOW);
    assert_int_equal(c.risk.bod[CLASS_UNKNOWN], BOD_OFF);
    assert_int_equal(c.risk.bod[CLASS_NON_CRITICAL], BOD_SHOW);
    assert_true(c.manufacturer);
    config_release(&c);
    bad(*state, "risk:\n  targets: {safety-critical: 31d}\n",
        "config.yaml:2: risk.targets: safety-critical devices would have more time than non-critical ones", NULL);
    bad(*state, "risk:\n  bod_26_04: {safety-critical: maybe}\n",
        "config.yaml:2: risk.bod_26_04.safety-critical: expected off, show or bind, found 'maybe'", NULL);
    bad(*state, "risk: {epss: 0}\n", "config.yaml:1: risk.epss: expected a number from 0.001 to 1, found '0'", NULL);
}

int main(void)
{
    setenv("HOME", "/home/u", 1); /* whoever runs the tests */
    const struct CMUnitTest tests[] = {
        T(empty_is_all_defaults),
        T(smallest_fleet),
        T(documented_example),
        T(every_key_is_documented),
        T(aws_fleets),
        T(rules_of_a_fleet),
        T(notices_by_default),
        T(what_comes_first),
        T(what_is_told),
        T(bad_notices),
        T(web_hooks),
        T(urls),
        T(proxies),
        T(secrets_are_only_referred_to),
        T(credentials_belong_together),
        T(fleets_are_checked),
        T(plug_ins_are_named),
        T(faults_are_for_rehearsals),
        T(joins_and_headers),
        T(production_follows_the_environment),
        T(policies_are_loaded),
        T(only_a_file_that_nobody_else_can_write),
        T(private_files),
        T(the_xdg_places),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
