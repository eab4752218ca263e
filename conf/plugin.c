#include "conf/plugin.h"

#include <string.h>
#include "conf/endpoint.h"

const struct yfield fault_fields[] = {
    {.key = "seed", .type = YT_INT, .min = 0, .max = 1e15, .doc = "the same seed gives the same faults (1)"},
    {.key = "delay", .type = YT_DUR, .max = 3600, .doc = "answers come up to so much later (0s)"},
    {.key = "lost", .type = YT_NUM, .max = 1, .doc = "share of calls whose request or answer is lost (0)"},
    {.key = "lies",
     .type = YT_NUM,
     .max = 1,
     .doc = "share of verbs that are answered with yes and not carried out (0)"},
    {0}};

bool faults_read(const struct ynode *map, bool production, struct fault_spec *out, struct err *e)
{
    const struct ynode *f = y_get(map, "faults");
    *out = (struct fault_spec){.seed = (uint64_t)y_int(f, "seed", 1),
                               .delay_us = y_dur(f, "delay", 0),
                               .lost = y_num(f, "lost", 0),
                               .lies = y_num(f, "lies", 0)};
    return !f || !production || y_err(f, e, "a fleet in production has no faults made for it");
}

static const char *const *paths(const struct ynode *list, const char *folder, struct arena *a)
{
    const char **v = ARENA_ARRAY(a, const char *, y_len(list) + 1);
    for (size_t i = 0; i < y_len(list); i++)
        v[i] = endpoint_path(y_text(y_at(list, i)), folder, a);
    return v;
}

static bool variables(const struct ynode *list, struct arena *a, const char *const **out, struct err *e)
{
    const char **v = ARENA_ARRAY(a, const char *, y_len(list) + 1);
    for (size_t i = 0; i < y_len(list); i++) {
        const char *s = y_text(y_at(list, i));
        if (!*s || s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
            return y_err(y_at(list, i), e, "expected the name of an environment variable");
        v[i] = arena_strdup(a, s);
    }
    *out = v;
    return true;
}

bool plugin_read(const struct ynode *map, bool wanted, const char *plugins, const char *folder, struct arena *a,
                 struct plugin_spec *out, struct err *e)
{
    static const char *const keys[] = {"plugin", "options", "read", "write", "pass"};
    const struct ynode *options = y_get(map, "options");
    *out = (struct plugin_spec){.folder = plugins, .name = ""};
    for (size_t i = 0; !wanted && i < sizeof keys / sizeof *keys; i++)
        if (y_has(map, keys[i]))
            return y_err(y_get(map, keys[i]), e, "only a fleet of kind: plugin has this key");
    if (!wanted)
        return true;
    if (!y_has(map, "plugin"))
        return y_err(map, e, "the key plugin is missing");
    if (!*plugins)
        return y_err(y_get(map, "plugin"), e, "no folder of plug-ins is named: the key `plugins` of the whole file");
    out->folder = endpoint_path(plugins, folder, a);
    out->name = arena_strdup(a, y_str(map, "plugin", ""));
    if (!*out->name || out->name[strspn(out->name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] || strlen(out->name) > 48)
        return y_err(y_get(map, "plugin"), e, "expected a name of 1 to 48 of a-z, 0-9, '-' and '_'");
    out->n_options = y_len(options);
    const char *(*v)[2] = arena_array(a, out->n_options + 1, sizeof *v);
    for (size_t i = 0; i < out->n_options; i++) {
        v[i][0] = arena_strdup(a, y_key_at(options, i));
        v[i][1] = arena_strdup(a, y_text(y_at(options, i)));
    }
    out->options = (const char *const(*)[2])v;
    out->read = paths(y_get(map, "read"), folder, a);
    out->write = paths(y_get(map, "write"), folder, a);
    return variables(y_get(map, "pass"), a, &out->pass, e);
}
