#include "core/inventory.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define FOLD_MAX 512 /* bytes of a name that is compared */

static const char *const class_words[CLASSES] = {"?", "safety-critical", "confidentiality-sensitive", "non-critical"};
static const char *const exposure_words[EXPOSURES] = {"?", "internet", "site", "isolated"};

const char *device_class_word(enum device_class c)
{
    return class_words[c];
}

const char *exposure_word(enum exposure x)
{
    return exposure_words[x];
}

enum device_class device_class_from(const char *word)
{
    for (int i = 1; i < CLASSES; i++)
        if (strcasecmp(word, class_words[i]) == 0)
            return (enum device_class)i;
    return CLASS_UNKNOWN;
}

enum exposure exposure_from(const char *word)
{
    for (int i = 1; i < EXPOSURES; i++)
        if (strcasecmp(word, exposure_words[i]) == 0)
            return (enum exposure)i;
    return EXPOSURE_UNKNOWN;
}

const char *inv_field_word(enum inv_field f)
{
    static const char *const words[INV_FIELDS] = {
        "model", "maker",    "os",        "release",     "mechanism",         "owner",      "function", "location",
        "class", "exposure", "signature", "end_of_life", "replace_lead_time", "last_report"};
    return words[f];
}

int64_t inventory_within(const struct inv_rules *r, enum device_class c)
{
    return r->within_us[c] > 0 ? r->within_us[c] : INV_REPORT_WITHIN;
}

double inventory_target(const struct inv_rules *r)
{
    return r->target > 0 ? r->target : 0.95;
}

bool inventory_date(const char *s, int64_t *out)
{
    char iso[24];
    if (strlen(s) != 10 || s[4] != '-' || s[7] != '-')
        return false;
    memcpy(iso, s, 10);
    memcpy(iso + 10, "T00:00:00Z", 11);
    return fmt_iso_parse(iso, out);
}

void inventory_day(char *out, size_t size, int64_t t)
{
    char iso[FMT_MAX];
    size_t n = size > 10 ? 10 : size - 1;
    memcpy(out, t ? fmt_iso(iso, t) : "", t ? n : 0);
    out[t ? n : 0] = '\0';
}

/* ---- which rule speaks ---- */

/* A pattern with * and ?, in any case. Names are short: what is longer is no match. */
static bool like(const char *pattern, const char *s)
{
    char p[FOLD_MAX], t[FOLD_MAX];
    size_t n = strlen(pattern), m = strlen(s);
    if (!*pattern)
        return true;
    if (n >= sizeof p || m >= sizeof t)
        return false;
    for (size_t i = 0; i <= n; i++)
        p[i] = (char)tolower((unsigned char)pattern[i]);
    for (size_t i = 0; i <= m; i++)
        t[i] = (char)tolower((unsigned char)s[i]);
    return glob_match(p, t);
}

/* NULL = it was not asked for. */
static const char *attribute(const struct inv_subject *s, const char *name)
{
    for (size_t i = 0; i < s->n_attributes; i++)
        if (strcasecmp(s->attribute[i].name, name) == 0)
            return s->attribute[i].value;
    return NULL;
}

static const char *release_of(const struct inv_subject *s)
{
    return *s->release || s->server || !s->row ? s->release : s->row->field[INV_FIRMWARE];
}

/* The row's word, "" = it has none. */
static const char *row_says(const struct inv_subject *s, enum inv_field f)
{
    return s->row && s->row->field[f] ? s->row->field[f] : "";
}

static const char *release_name(const struct inv_subject *s, struct arena *a)
{
    const char *r = release_of(s), *colon = strrchr(r, ':');
    return colon ? arena_strndup(a, r, (size_t)(colon - r)) : r;
}

/* A device's own word for its model; "" = it has none. */
static const char *model_attribute(const struct inv_rules *r, const struct inv_subject *s)
{
    const char *v = *r->model_attribute && s->server ? attribute(s, r->model_attribute) : "";
    return v ? v : "";
}

static const char *model_of(const struct inv_rules *r, const struct inv_subject *s, struct arena *a)
{
    const char *own = model_attribute(r, s), *row = row_says(s, INV_MODEL);
    return *own ? own : *row ? row : *r->model_attribute && s->server ? "" : release_name(s, a);
}

/* Does it apply; *needs is set to an attribute that must be known first. */
static bool applies(const struct inv_rule *u, const struct inv_subject *s, const char *model, const char **needs)
{
    if (!like(u->model, model) || !like(u->release, release_of(s)))
        return false;
    for (size_t i = 0; i < u->n_attributes; i++) {
        const char *v = s->server ? attribute(s, u->attributes[i].value) : "";
        if (!v) {
            *needs = u->attributes[i].value;
            return false;
        }
        if (strcasecmp(v, u->attributes[i].means) != 0)
            return false;
    }
    return true;
}

static bool joint(enum inv_field f)
{
    return f == INV_CLASS || f == INV_EXPOSURE || f == INV_LIFE;
}

/* The first rule that says something of the field: NULL = none does, or *needs. */
static const struct inv_rule *first(const struct inv_rules *r, const struct inv_subject *s, const char *model,
                                    enum inv_field f, const char **needs)
{
    for (size_t i = 0; i < r->n && !*needs; i++) {
        const struct inv_rule *u = &r->v[i];
        /* Without a back end an attribute is nobody's word: the next rule, or the row, may know. */
        bool mute = !s->server && (u->says[f].kind == SAYS_ATTRIBUTE || u->says[f].cycle_attribute);
        if (u->says[f].kind != SAYS_NOTHING && !mute && applies(u, s, model, needs))
            return u;
    }
    return NULL;
}

const char *inventory_needs(const struct inv_rules *r, const struct inv_subject *s)
{
    struct arena a;
    const char *needs = NULL;
    if (!s->server)
        return NULL;
    if (*r->model_attribute && !attribute(s, r->model_attribute))
        return r->model_attribute;
    arena_init(&a);
    const char *model = model_of(r, s, &a);
    for (int f = 0; f < INV_FIELDS && !needs; f++) {
        const struct inv_rule *u = first(r, s, model, (enum inv_field)f, &needs);
        const struct inv_says *says = u && joint((enum inv_field)f) ? &u->says[f] : NULL;
        if (says && says->kind == SAYS_ATTRIBUTE && !attribute(s, says->text))
            needs = says->text;
        if (says && says->cycle_attribute && !attribute(s, says->cycle))
            needs = says->cycle;
    }
    for (size_t i = 0; i < r->n && !needs; i++) /* whether it is essential, and its CPE */
        (void)applies(&r->v[i], s, model, &needs);
    arena_release(&a);
    return needs;
}

const char *inventory_word(const struct inv_rules *r, const char *name, size_t i)
{
    bool model = strcasecmp(name, r->model_attribute) == 0 && *name;
    for (size_t k = 0; k < r->n; k++) {
        const struct inv_rule *u = &r->v[k];
        if (model && *u->model && !strpbrk(u->model, "*?") && i-- == 0)
            return u->model;
        for (size_t j = 0; j < u->n_attributes; j++)
            if (strcasecmp(u->attributes[j].value, name) == 0 && i-- == 0)
                return u->attributes[j].means;
        for (int f = 0; f < INV_FIELDS; f++) {
            const struct inv_says *says = &u->says[f];
            if (says->kind != SAYS_ATTRIBUTE || strcasecmp(says->text, name) != 0)
                continue;
            if (i < says->n_words)
                return says->words[i].value;
            i -= says->n_words;
        }
    }
    return NULL;
}

/* ---- what they say together ---- */

/* What an attribute's value means; "" = nothing that is written down. */
static const char *meaning(const struct inv_says *says, const char *value)
{
    for (size_t i = 0; i < says->n_words; i++)
        if (strcasecmp(says->words[i].value, value) == 0)
            return says->words[i].means;
    return says->n_words ? "" : value;
}

static struct inv_said rule_says(const struct inv_rules *r, const struct inv_rule *u, const struct inv_subject *s,
                                 enum inv_field f, struct arena *a, struct inv_record *out)
{
    const struct inv_says *says = &u->says[f];
    if (says->kind == SAYS_VALUE)
        return (struct inv_said){.value = says->text, .source = says->source};
    if (says->kind == SAYS_PRODUCT) {
        const char *cycle = says->cycle_attribute ? attribute(s, says->cycle) : says->cycle;
        char day[12];
        out->end_of_life = r->life && cycle && *cycle ? r->life(r->life_ctx, says->text, cycle) : 0;
        inventory_day(day, sizeof day, out->end_of_life);
        return (struct inv_said){.value = arena_strdup(a, day), .source = says->source};
    }
    const char *v = attribute(s, says->text);
    /* A value that was asked for because another field needs it, and is none of those: still some value. */
    bool some = says->n_words == 0 && !joint(f) && (!v || !*v);
    struct inv_said said = {.value = "", .source = says->source, .apart = !v || some};
    if (!v || !*v)
        return said;
    said.value = f == INV_SIGNATURE ? (*meaning(says, v) ? "verified" : "invalid") : meaning(says, v);
    return said;
}

static void add_conflict(struct inv_record *out, enum inv_field f, const struct inv_said *row,
                         const struct inv_said *device)
{
    if (out->n_conflicts < INV_CONFLICTS)
        out->conflict[out->n_conflicts++] = (struct inv_conflict){.field = f,
                                                                  .overlay = row->value,
                                                                  .overlay_source = row->source,
                                                                  .device = device->value,
                                                                  .device_source = device->source,
                                                                  .example = ""};
}

/* The device's own word, then its row's, then the rule's. */
static struct inv_said settle(struct inv_record *out, enum inv_field f, const struct inv_said *rule, bool of_device,
                              const struct inv_said *row)
{
    if (of_device && *rule->value && *row->value && strcasecmp(rule->value, row->value) != 0)
        add_conflict(out, f, row, rule);
    if (of_device && (*rule->value || rule->apart))
        return *rule;
    if (*row->value)
        return *row;
    return *rule->source ? *rule : *row;
}

static void combine_release(const struct inv_subject *s, const struct inv_said *row, struct inv_record *out)
{
    struct inv_said *said = &out->field[INV_FIRMWARE];
    if (!s->server) {
        *said = *row;
        return;
    }
    *said = (struct inv_said){.value = s->release, .source = "installed, by the server"};
    if (*s->release && *row->value && strcasecmp(row->value, s->release) != 0)
        add_conflict(out, INV_FIRMWARE, row, said);
}

static void combine_model(const struct inv_rules *r, const struct inv_subject *s, struct arena *a,
                          const struct inv_said *row, struct inv_record *out)
{
    struct inv_said *said = &out->field[INV_MODEL];
    const char *own = model_attribute(r, s);
    said->value = model_of(r, s, a);
    if (s->server && *r->model_attribute && (*own || !*row->value))
        said->source = arena_printf(a, "attribute %s", r->model_attribute);
    else
        said->source = *row->value ? row->source : "release's name";
    if (*own && *row->value && strcasecmp(own, row->value) != 0)
        add_conflict(out, INV_MODEL, row, said);
}

/* What stands in the rules beside the fields: of the first that says it. */
static void combine_rest(const struct inv_rules *r, const struct inv_subject *s, struct inv_record *out)
{
    const char *needs = NULL;
    bool essential = false;
    out->cpe_firmware = out->cpe_hardware = "";
    for (size_t i = 0; i < r->n; i++) {
        const struct inv_rule *u = &r->v[i];
        if (!applies(u, s, out->field[INV_MODEL].value, &needs))
            continue;
        if (u->essential_said && !essential)
            out->essential = u->essential;
        essential = essential || u->essential_said;
        if (!*out->cpe_firmware)
            out->cpe_firmware = u->cpe_firmware;
        if (!*out->cpe_hardware)
            out->cpe_hardware = u->cpe_hardware;
    }
}

void inventory_combine(const struct inv_rules *r, const struct inv_subject *s, struct arena *a, struct inv_record *out)
{
    *out = (struct inv_record){.cls = CLASS_UNKNOWN};
    for (int i = 0; i < INV_FIELDS; i++) {
        enum inv_field f = (enum inv_field)i;
        struct inv_said row = {.value = row_says(s, f), .source = s->row && r->rows.has[f] ? r->rows.file : ""};
        struct inv_said rule = {.value = "", .source = ""};
        const char *needs = NULL;
        if (f == INV_MODEL) {
            combine_model(r, s, a, &row, out);
            continue;
        }
        if (f == INV_REPORT && s->server) {
            out->field[f] = (struct inv_said){.value = "", .source = "last contact, in time", .apart = true};
            continue;
        }
        if (f == INV_FIRMWARE) {
            combine_release(s, &row, out);
            continue;
        }
        const struct inv_rule *u = first(r, s, out->field[INV_MODEL].value, f, &needs);
        bool of_device = u && u->says[f].kind == SAYS_ATTRIBUTE;
        if (u)
            rule = rule_says(r, u, s, f, a, out);
        out->field[f] = settle(out, f, &rule, of_device, &row);
        if (f == INV_LIFE && !inventory_date(out->field[f].value, &out->end_of_life))
            out->end_of_life = 0;
        if (f == INV_LEAD && !fmt_dur_parse(out->field[f].value, &out->lead_us))
            out->lead_us = 0;
    }
    out->cls = device_class_from(out->field[INV_CLASS].value);
    out->exposure = exposure_from(out->field[INV_EXPOSURE].value);
    combine_rest(r, s, out);
}
