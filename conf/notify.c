#include "conf/notify.h"

#include <string.h>
#include <strings.h>
#include "conf/endpoint.h"
#include "core/clock.h"
#include "core/notice.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* In the order of enum hook_format and of enum notice_kind; NOTICE_TEST goes out whenever somebody asks for it. */
static const char *const format_words[] = {"json", "slack", "pagerduty", "alertmanager", NULL};
static const char *const kind_words[] = {"watch",          "halt",    "escalated",          "rollback",
                                         "lost-telemetry", "gate",    "halted-but-running", "audit-log",
                                         "log-tampered",   "exposed", "stale-intel",        NULL};

static const struct yfield webhook_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "its name in errors and in the log"},
    {.key = "format", .type = YT_WORD, .words = format_words, .doc = "what its receiver understands (json)"},
    ENDPOINT_FIELDS,
    {0}};

const struct yfield notify_fields[] = {
    {.key = "hook",
     .type = YT_LIST,
     .item = YT_STR,
     .min = 1,
     .max = 32,
     .doc = "a program and its arguments, as a list; it reads the notice as JSON; no shell"},
    {.key = "webhooks",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = webhook_fields,
     .max = WEBHOOKS_MAX,
     .doc = "addresses to which the notice is posted"},
    {.key = "on",
     .type = YT_LIST,
     .item = YT_WORD,
     .words = kind_words,
     .min = 1,
     .max = NOTICE_KINDS,
     .doc = "what is told (all but watch)"},
    {.key = "repeat",
     .type = YT_DUR,
     .min = 60,
     .max = 7 * 86400,
     .doc = "the same thing is told again only after so long (30m)"},
    {.key = "consoles", .type = YT_BOOL, .doc = "told by consoles too, not only by a guard (false)"},
    {0}};

static bool read_hook(const struct ynode *list, struct arena *a, struct notify_spec *out, struct err *e)
{
    size_t n = y_len(list);
    if (n == 0)
        return true;
    const char **argv = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        argv[i] = arena_strdup(a, y_text(y_at(list, i)));
    argv[n] = NULL;
    out->hook = argv;
    return *argv[0] || y_err(list, e, "expected the name of a program first");
}

static bool read_webhook(const struct ynode *n, const char *folder, struct arena *a, struct webhook_spec *out,
                         struct err *e)
{
    out->name = arena_strdup(a, y_str(n, "name", ""));
    out->format = (enum hook_format)y_word(n, "format", HOOK_JSON);
    size_t len = strlen(out->name);
    if (len == 0 || len > 47 || out->name[strspn(out->name, NAME_CHARS)] != '\0')
        return y_err(y_get(n, "name"), e, "expected 1 to 47 letters, digits, '.', '_' or '-'");
    enum endpoint_use use = out->format == HOOK_PAGERDUTY ? ENDPOINT_KEYED : ENDPOINT_PAGE;
    return endpoint_read(n, folder, use, a, &out->endpoint, e);
}

static bool read_webhooks(const struct ynode *list, const char *folder, struct arena *a, struct notify_spec *out,
                          struct err *e)
{
    size_t n = y_len(list);
    struct webhook_spec *hooks = ARENA_ARRAY(a, struct webhook_spec, n);
    for (size_t i = 0; i < n; i++) {
        if (!read_webhook(y_at(list, i), folder, a, &hooks[i], e))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcasecmp(hooks[i].name, hooks[j].name) == 0)
                return y_err(y_get(y_at(list, i), "name"), e, "'%s' is the name of the hook in line %d too",
                             hooks[i].name, y_line(y_at(list, j)));
        }
    }
    out->webhooks = hooks;
    out->n_webhooks = n;
    return true;
}

static uint32_t read_kinds(const struct ynode *list)
{
    uint32_t kinds = 0;
    for (size_t i = 0; i < y_len(list); i++) {
        for (int k = 0; kind_words[k]; k++) {
            if (strcmp(y_text(y_at(list, i)), kind_words[k]) == 0)
                kinds |= UINT32_C(1) << k;
        }
    }
    return kinds | UINT32_C(1) << NOTICE_TEST;
}

bool notify_read(const struct ynode *map, const char *folder, struct arena *a, struct notify_spec *out, struct err *e)
{
    *out = (struct notify_spec){
        .kinds = ((UINT32_C(1) << NOTICE_KINDS) - 1) & ~(UINT32_C(1) << NOTICE_WATCH),
        .repeat_us = y_dur(map, "repeat", 30 * US_PER_MIN),
        .console = y_bool(map, "consoles", false),
    };
    if (!map)
        return true;
    if (y_has(map, "on"))
        out->kinds = read_kinds(y_get(map, "on"));
    if (!read_hook(y_get(map, "hook"), a, out, e) || !read_webhooks(y_get(map, "webhooks"), folder, a, out, e))
        return false;
    if (!out->hook && out->n_webhooks == 0)
        return y_err(map, e, "nobody is named who is told: give a hook or webhooks, or leave `notify` out");
    return true;
}
