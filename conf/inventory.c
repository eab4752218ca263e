#include "conf/inventory.h"

#include <stdio.h>
#include <string.h>
#include "conf/endpoint.h"
#include "conf/file.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define RULES_MAX 1000
#define WORDS_MAX 64
#define TEXT_MAX  256

static const char *const class_keys[] = {"safety-critical", "confidentiality-sensitive", "non-critical", NULL};
static const char *const exposure_keys[] = {"internet", "site", "isolated", NULL};

static const struct yfield attribute_fields[] = {
    {.key = "attribute", .type = YT_STR, .required = true, .doc = "the back end's attribute that says it"}, {0}};

#define WORDS(key_)                                                                                                    \
    {                                                                                                                  \
        .key = (key_), .type = YT_LIST, .item = YT_STR, .min = 1, .max = WORDS_MAX, .doc = "values that mean it"       \
    }
static const struct yfield class_fields[] = {
    {.key = "attribute", .type = YT_STR, .required = true, .doc = "the back end's attribute that says it"},
    WORDS("safety-critical"),
    WORDS("confidentiality-sensitive"),
    WORDS("non-critical"),
    {0}};
static const struct yfield exposure_fields[] = {
    {.key = "attribute", .type = YT_STR, .required = true, .doc = "the back end's attribute that says it"},
    WORDS("internet"),
    WORDS("site"),
    WORDS("isolated"),
    {0}};
static const struct yfield signature_fields[] = {
    {.key = "attribute", .type = YT_STR, .required = true, .doc = "the attribute by which a device says it"},
    {.key = "valid",
     .type = YT_LIST,
     .item = YT_STR,
     .required = true,
     .min = 1,
     .max = WORDS_MAX,
     .doc = "its values that mean that the signature was valid; any other one means that it was not"},
    {0}};
static const struct yfield life_fields[] = {
    {.key = "endoflife", .type = YT_STR, .required = true, .doc = "the product's name in the imported data"},
    {.key = "cycle", .type = YT_STR, .required = true, .doc = "its cycle, or attribute:NAME"},
    {0}};
static const struct yfield cpe_fields[] = {
    {.key = "firmware", .type = YT_STR, .doc = "CPE 2.3 of the firmware, {version} for the release's"},
    {.key = "hardware", .type = YT_STR, .doc = "CPE 2.3 of the hardware"},
    {0}};
static const struct yfield match_fields[] = {
    {.key = "model", .type = YT_STR, .doc = "the model, with * and ? (any)"},
    {.key = "release", .type = YT_STR, .doc = "the installed NAME:VERSION, with * and ? (any)"},
    {.key = "attributes",
     .type = YT_DICT,
     .item = YT_STR,
     .min = 1,
     .max = 8,
     .doc = "attributes that the device must have with this value"},
    {0}};

#define TEXT_OR_ATTRIBUTE(key_, doc_)                                                                                  \
    {                                                                                                                  \
        .key = (key_), .type = YT_TEXT, .fields = attribute_fields, .doc = (doc_)                                      \
    }
static const struct yfield rule_fields[] = {
    {.key = "match", .type = YT_MAP, .fields = match_fields, .doc = "which devices it speaks of (all)"},
    TEXT_OR_ATTRIBUTE("maker", "who makes it"),
    TEXT_OR_ATTRIBUTE("os", "its operating system"),
    TEXT_OR_ATTRIBUTE("mechanism", "how it takes an update: a-b, swap, in-place, ..."),
    TEXT_OR_ATTRIBUTE("owner", "who answers for it"),
    TEXT_OR_ATTRIBUTE("function", "what it is for"),
    TEXT_OR_ATTRIBUTE("location", "where it is"),
    {.key = "class",
     .type = YT_TEXT,
     .fields = class_fields,
     .doc = "safety-critical, confidentiality-sensitive or non-critical"},
    {.key = "exposure", .type = YT_TEXT, .fields = exposure_fields, .doc = "internet, site or isolated"},
    {.key = "essential", .type = YT_BOOL, .doc = "people depend on it: raises the impact of a non-critical one"},
    {.key = "signature",
     .type = YT_MAP,
     .fields = signature_fields,
     .doc = "whether its firmware's signature was valid"},
    {.key = "cpe", .type = YT_MAP, .fields = cpe_fields, .doc = "for firmware without an SBOM"},
    {.key = "end_of_life",
     .type = YT_TEXT,
     .fields = life_fields,
     .doc = "the last day that is supported (2034-06-30), or where that is known from"},
    {.key = "replace_lead_time", .type = YT_STR, .doc = "how long a replacement takes, such as 90d"},
    {0}};
static const struct yfield within_fields[] = {
    {.key = "safety-critical", .type = YT_DUR, .min = 60, .max = 400 * 86400.0, .doc = "of this class (24h)"},
    {.key = "confidentiality-sensitive", .type = YT_DUR, .min = 60, .max = 400 * 86400.0, .doc = "of this class (24h)"},
    {.key = "non-critical", .type = YT_DUR, .min = 60, .max = 400 * 86400.0, .doc = "of this class (24h)"},
    {.key = "unknown", .type = YT_DUR, .min = 60, .max = 400 * 86400.0, .doc = "of a device without a class (24h)"},
    {0}};
static const struct yfield inventory_schema[] = {
    {.key = "model",
     .type = YT_MAP,
     .fields = attribute_fields,
     .doc = "what a device's model is (its release's name)"},
    {.key = "devices", .type = YT_STR, .doc = "file of rows, one for each device, relative to this file"},
    {.key = "report_within",
     .type = YT_MAP,
     .fields = within_fields,
     .doc = "a device that did not report for so long does not report"},
    {.key = "report_share", .type = YT_NUM, .min = 1, .max = 100, .doc = "per cent that has to report (95)"},
    {.key = "rules",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = rule_fields,
     .max = RULES_MAX,
     .doc = "what is known of devices; the first that matches and says a field is used"},
    {0}};

struct reading {
    const char *file; /* for people: its last part */
    struct arena *a;
    struct err *e;
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *text(struct reading *r, const char *s)
{
    return safe_text(r->a, s, strlen(s), TEXT_MAX);
}

/* An attribute goes into a filter: as the client writes them. */
static bool attribute_name(struct reading *r, const struct ynode *at, const char *s, const char **out)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (n == 0 || n > 64 || s[n] != '\0')
        return y_err(at, r->e, "expected an attribute's name: 1 to 64 letters, digits, '.', '_' or '-'");
    *out = arena_strdup(r->a, s);
    return true;
}

static bool by_attribute(struct reading *r, const struct ynode *map, struct inv_says *out)
{
    out->kind = SAYS_ATTRIBUTE;
    if (!attribute_name(r, y_get(map, "attribute"), y_str(map, "attribute", ""), &out->text))
        return false;
    out->source = arena_printf(r->a, "attribute %s", out->text);
    return true;
}

/* Each list of values means its own key. */
static bool words(struct reading *r, const struct ynode *map, const char *const *keys, struct inv_says *out)
{
    size_t n = 0;
    for (size_t k = 0; keys[k]; k++)
        n += y_len(y_get(map, keys[k]));
    struct inv_word *v = ARENA_ARRAY(r->a, struct inv_word, n + 1);
    for (size_t k = 0; keys[k]; k++) {
        const struct ynode *list = y_get(map, keys[k]);
        for (size_t i = 0; i < y_len(list); i++) {
            const char *value = text(r, y_text(y_at(list, i)));
            for (size_t j = 0; j < out->n_words; j++)
                if (strcasecmp(v[j].value, value) == 0)
                    return y_err(y_at(list, i), r->e, "'%.60s' means %s already", value, v[j].means);
            v[out->n_words++] = (struct inv_word){value, keys[k]};
        }
    }
    out->words = v;
    return true;
}

/* A word of a closed list, or an attribute whose values mean one. */
static bool read_word(struct reading *r, const struct ynode *n, const char *const *keys, struct inv_says *out)
{
    size_t which;
    if (y_is_map(n))
        return by_attribute(r, n, out) && words(r, n, keys, out);
    if (!y_one_of(n, keys, &which, r->e))
        return false;
    out->kind = SAYS_VALUE;
    out->text = keys[which];
    return true;
}

static bool read_text(struct reading *r, const struct ynode *n, struct inv_says *out)
{
    if (y_is_map(n))
        return by_attribute(r, n, out);
    out->kind = SAYS_VALUE;
    out->text = text(r, y_text(n));
    return *out->text || y_err(n, r->e, "expected a text, or {attribute: NAME}; leave the key out for nothing");
}

static bool read_life(struct reading *r, const struct ynode *n, struct inv_says *out)
{
    int64_t day;
    if (!y_is_map(n)) {
        out->kind = SAYS_VALUE;
        out->text = text(r, y_text(n));
        return inventory_date(out->text, &day) ||
               y_err(n, r->e, "expected a day such as 2034-06-30, or {endoflife: PRODUCT, cycle: NAME}");
    }
    const char *cycle = y_str(n, "cycle", "");
    out->kind = SAYS_PRODUCT;
    out->text = text(r, y_str(n, "endoflife", ""));
    out->source = arena_printf(r->a, "endoflife %s", out->text);
    out->cycle_attribute = strncmp(cycle, "attribute:", 10) == 0;
    if (out->cycle_attribute)
        return attribute_name(r, y_get(n, "cycle"), cycle + 10, &out->cycle);
    out->cycle = text(r, cycle);
    return true;
}

static bool read_signature(struct reading *r, const struct ynode *n, struct inv_says *out)
{
    const struct ynode *valid = y_get(n, "valid");
    struct inv_word *v = ARENA_ARRAY(r->a, struct inv_word, y_len(valid));
    for (size_t i = 0; i < y_len(valid); i++)
        v[i] = (struct inv_word){text(r, y_text(y_at(valid, i))), "verified"};
    out->words = v;
    out->n_words = y_len(valid);
    return by_attribute(r, n, out);
}

static bool read_lead(struct reading *r, const struct ynode *n, struct inv_says *out)
{
    int64_t us;
    out->kind = SAYS_VALUE;
    out->text = text(r, y_text(n));
    return fmt_dur_parse(out->text, &us) || y_err(n, r->e, "expected a duration such as 90d");
}

static bool read_field(struct reading *r, const struct ynode *map, enum inv_field f, struct inv_says *out)
{
    const struct ynode *n = y_get(map, inv_field_word(f));
    out->text = out->source = out->cycle = "";
    if (!n || f == INV_MODEL || f == INV_FIRMWARE || f == INV_REPORT)
        return true;
    out->line = y_line(n);
    out->source = arena_printf(r->a, "%s:%d", r->file, out->line);
    if (f == INV_CLASS)
        return read_word(r, n, class_keys, out);
    if (f == INV_EXPOSURE)
        return read_word(r, n, exposure_keys, out);
    if (f == INV_LIFE)
        return read_life(r, n, out);
    if (f == INV_SIGNATURE)
        return read_signature(r, n, out);
    return f == INV_LEAD ? read_lead(r, n, out) : read_text(r, n, out);
}

static bool read_match(struct reading *r, const struct ynode *match, struct inv_rule *out)
{
    const struct ynode *attributes = y_get(match, "attributes");
    out->model = text(r, y_str(match, "model", ""));
    out->release = text(r, y_str(match, "release", ""));
    out->n_attributes = y_len(attributes);
    struct inv_word *v = ARENA_ARRAY(r->a, struct inv_word, out->n_attributes + 1);
    for (size_t i = 0; i < out->n_attributes; i++) {
        const struct ynode *at = y_at(attributes, i);
        if (!attribute_name(r, at, y_key_at(attributes, i), &v[i].value))
            return false;
        v[i].means = text(r, y_text(at));
    }
    out->attributes = v;
    return true;
}

static bool read_cpe(struct reading *r, const struct ynode *cpe, const char *key, const char **out)
{
    *out = text(r, y_str(cpe, key, ""));
    return !**out || strncmp(*out, "cpe:2.3:", 8) == 0 ||
           y_err(y_get(cpe, key), r->e, "expected a CPE 2.3 name: cpe:2.3:o:VENDOR:PRODUCT:...");
}

static bool read_rule(struct reading *r, const struct ynode *n, struct inv_rule *out)
{
    bool any = y_has(n, "essential") || y_has(n, "cpe");
    *out = (struct inv_rule){
        .line = y_line(n), .essential = y_bool(n, "essential", false), .essential_said = y_has(n, "essential")};
    if (!read_match(r, y_get(n, "match"), out) || !read_cpe(r, y_get(n, "cpe"), "firmware", &out->cpe_firmware) ||
        !read_cpe(r, y_get(n, "cpe"), "hardware", &out->cpe_hardware))
        return false;
    for (int f = 0; f < INV_FIELDS; f++) {
        if (!read_field(r, n, (enum inv_field)f, &out->says[f]))
            return false;
        any = any || out->says[f].kind != SAYS_NOTHING;
    }
    return any || y_err(n, r->e, "the rule says nothing: give it a field such as class or owner");
}

static bool read_rules(struct reading *r, const struct ynode *root, struct inv_rules *out)
{
    const struct ynode *list = y_get(root, "rules"), *within = y_get(root, "report_within");
    struct inv_rule *v = ARENA_ARRAY(r->a, struct inv_rule, y_len(list) + 1);
    *out = (struct inv_rules){.file = r->file,
                              .v = v,
                              .n = y_len(list),
                              .model_attribute = "",
                              .target = y_num(root, "report_share", 95) / 100,
                              .rows = {.file = ""}};
    if (y_has(root, "model") && !attribute_name(r, y_get(y_get(root, "model"), "attribute"),
                                                y_str(y_get(root, "model"), "attribute", ""), &out->model_attribute))
        return false;
    for (int c = CLASS_UNKNOWN; c < CLASSES; c++)
        out->within_us[c] = y_dur(within, c == CLASS_UNKNOWN ? "unknown" : class_keys[c - 1], INV_REPORT_WITHIN);
    for (size_t i = 0; i < out->n; i++)
        if (!read_rule(r, y_at(list, i), &v[i]))
            return false;
    return true;
}

bool inventory_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct inv_rules *out,
                     const char **devices, struct err *e)
{
    struct arena tree;
    arena_init(&tree);
    const struct ynode *root = yaml_parse(name, bytes, n, inventory_schema, &tree, e);
    struct reading r = {safe_text(a, last_part(name), strlen(last_part(name)), TEXT_MAX), a, e};
    bool ok = root && read_rules(&r, root, out);
    *devices = ok ? arena_strdup(a, y_str(root, "devices", "")) : "";
    arena_release(&tree);
    return ok;
}

static bool rows_load(const char *path, enum file_trust trust, struct arena *a, struct inv_rows *out, struct err *e)
{
    struct buf bytes;
    buf_init(&bytes, INVENTORY_BYTES_MAX);
    bool ok = file_read(path, trust, &bytes, e) && inventory_rows_parse(path, bytes.data, bytes.len, a, out, e);
    buf_release(&bytes);
    return ok;
}

bool inventory_rows_load(const char *path, struct arena *a, struct inv_rows *out, struct err *e)
{
    return rows_load(path, FILE_ANY, a, out, e);
}

bool inventory_load(const char *path, struct arena *a, struct inv_rules *out, struct err *e)
{
    const char *devices = "", *slash = strrchr(path, '/');
    const char *folder = slash ? arena_strndup(a, path, (size_t)(slash - path)) : "";
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 20);
    bool ok =
        file_read(path, FILE_OWNED, &bytes, e) && inventory_parse(path, bytes.data, bytes.len, a, out, &devices, e);
    buf_release(&bytes);
    if (!ok || !*devices)
        return ok;
    if (rows_load(endpoint_path(devices, folder, a), FILE_OWNED, a, &out->rows, e))
        return true;
    err_cause(e, "named in %s", out->file);
    return false;
}
