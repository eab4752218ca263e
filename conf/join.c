#include "conf/join.h"

#include <string.h>

#define LETTERS       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define ATTRIBUTE_MAX 64
#define BY_ATTRIBUTE  "attribute "

const struct yfield join_fields[] = {
    {.key = "label", .type = YT_STR, .doc = "the label that says which device a series is of (as join_label)"},
    {.key = "strip_port", .type = YT_BOOL, .doc = "its value ends with a port that is no part of it (false)"},
    {.key = "lower", .type = YT_BOOL, .doc = "capitals make no difference (false)"},
    {.key = "map",
     .type = YT_STR,
     .doc = "\"attribute NAME\": it holds this attribute of the device in place of its id (the id)"},
    {0}};

static bool label_ok(const char *s)
{
    return *s && !strchr("0123456789", *s) && s[strspn(s, LETTERS "0123456789_")] == '\0';
}

static bool read_map(const struct ynode *n, struct arena *a, const char **attribute, struct err *e)
{
    const char *s = y_text(n), *name = s + strlen(BY_ATTRIBUTE);
    *attribute = "";
    if (!n)
        return true;
    bool ok = strncmp(s, BY_ATTRIBUTE, strlen(BY_ATTRIBUTE)) == 0 && *name && strlen(name) <= ATTRIBUTE_MAX &&
              name[strspn(name, LETTERS "0123456789_-")] == '\0';
    if (!ok)
        return y_err(n, e, "expected \"attribute\" and the name of an inventory attribute: letters, digits, '_', '-'");
    *attribute = arena_strdup(a, name);
    return true;
}

bool join_read(const struct ynode *map, const char *dflt, struct arena *a, const char **label, struct join_spec *out,
               struct err *e)
{
    const struct ynode *join = y_get(map, "join");
    bool own = y_has(join, "label");
    if (own && y_has(map, "join_label"))
        return y_err(y_get(map, "join_label"), e, "join.label says the same: leave one of them out");
    *label = arena_strdup(a, own ? y_str(join, "label", dflt) : y_str(map, "join_label", dflt));
    if (!label_ok(*label))
        return y_err(own ? y_get(join, "label") : y_get(map, "join_label"), e,
                     "expected a label's name: letters, digits and '_'");
    out->strip_port = y_bool(join, "strip_port", false);
    out->lower = y_bool(join, "lower", false);
    return read_map(y_get(join, "map"), a, &out->attribute, e);
}
