#include "conf/aws.h"

#include <string.h>
#include "conf/yaml_node.h"

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"

const struct yfield aws_release_fields[] = {
    {.key = "name", .type = YT_STR, .required = true, .doc = "what is released, such as hearth"},
    {.key = "version", .type = YT_STR, .required = true, .doc = "as the thing's attribute has it"},
    {.key = "document", .type = YT_STR, .required = true, .doc = "the job document that a thing is told: JSON"},
    {0}};

static bool plain(const char *s, size_t most)
{
    return *s && strlen(s) <= most && s[strspn(s, PLAIN)] == '\0';
}

static bool read_release(const struct ynode *n, struct arena *a, const struct aws_release *before, size_t n_before,
                         struct aws_release *out, struct err *e)
{
    *out = (struct aws_release){.name = arena_strdup(a, y_str(n, "name", "")),
                                .version = arena_strdup(a, y_str(n, "version", "")),
                                .document = arena_strdup(a, y_str(n, "document", ""))};
    if (!plain(out->name, 60))
        return y_err(y_get(n, "name"), e, "expected 1 to 60 letters, digits, '.', '_', '+' or '-'");
    if (!plain(out->version, 60))
        return y_err(y_get(n, "version"), e, "expected 1 to 60 letters, digits, '.', '_', '+' or '-'");
    if (!out->document[0] || strlen(out->document) > AWS_DOCUMENT_MAX)
        return y_err(y_get(n, "document"), e, "expected a document of 1 to %d bytes", AWS_DOCUMENT_MAX);
    for (size_t i = 0; i < n_before; i++)
        if (strcmp(before[i].name, out->name) == 0 && strcmp(before[i].version, out->version) == 0)
            return y_err(n, e, "the release %s:%s is listed twice", out->name, out->version);
    return true;
}

bool aws_read(const struct ynode *map, bool wanted, struct arena *a, struct aws_spec *out, struct err *e)
{
    static const char *const keys[] = {"region", "version_attribute", "releases"};
    const struct ynode *list = y_get(map, "releases");
    *out = (struct aws_spec){.region = "", .version_attribute = ""};
    for (size_t i = 0; !wanted && i < sizeof keys / sizeof *keys; i++)
        if (y_has(map, keys[i]))
            return y_err(y_get(map, keys[i]), e, "only a fleet of kind: awsiot has this key");
    if (!wanted)
        return true;
    out->region = arena_strdup(a, y_str(map, "region", ""));
    out->version_attribute = arena_strdup(a, y_str(map, "version_attribute", ""));
    if (out->region[strspn(out->region, "abcdefghijklmnopqrstuvwxyz0123456789-")] || strlen(out->region) > 40)
        return y_err(y_get(map, "region"), e, "expected a region such as eu-west-1");
    struct aws_release *v = ARENA_ARRAY(a, struct aws_release, y_len(list) + 1);
    for (size_t i = 0; i < y_len(list); i++)
        if (!read_release(y_at(list, i), a, v, i, &v[i], e))
            return false;
    out->releases = v;
    out->n_releases = y_len(list);
    return true;
}
