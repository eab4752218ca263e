/* CycloneDX (cyclonedx.org, JSON): components with the components in them, and what is said of vulnerabilities. */
#include "intel/field.h"
#include "intel/parts.h"

#define NESTED_MAX 60 /* components within components */

static const struct {
    const char *word;
    enum vex_status status;
} states[] = {
    {"resolved", VEX_FIXED},          {"resolved_with_pedigree", VEX_FIXED}, {"exploitable", VEX_AFFECTED},
    {"in_triage", VEX_INVESTIGATING}, {"false_positive", VEX_NOT_AFFECTED},  {"not_affected", VEX_NOT_AFFECTED},
};

/* The version behind the last "@" of a purl. */
static const char *purl_version(struct parts *p, const char *purl)
{
    struct slice s = slice_of(purl);
    size_t end = 0;
    while (end < s.n && s.p[end] != '?' && s.p[end] != '#')
        end++;
    const char *at = end ? memrchr(s.p, '@', end) : NULL;
    return at && !memchr(at, '/', end - (size_t)(at - s.p)) ? arena_strndup(p->a, at + 1, end - (size_t)(at + 1 - s.p))
                                                            : "";
}

static struct sbom_part part_of(struct parts *p, const struct json_t *c)
{
    const char *group = field_text(p->a, c, "group", FIELD_NAME), *name = field_text(p->a, c, "name", FIELD_NAME);
    struct sbom_part part = {.ref = field_text(p->a, c, "bom-ref", FIELD_NAME),
                             .name = *group ? arena_printf(p->a, "%s/%s", group, name) : name,
                             .version = field_text(p->a, c, "version", FIELD_VERSION),
                             .purl = field_text(p->a, c, "purl", FIELD_NAME * 2),
                             .cpe = field_text(p->a, c, "cpe", FIELD_NAME)};
    if (!*part.version)
        part.version = purl_version(p, part.purl);
    if (!*part.ref)
        part.ref = part.purl;
    return part;
}

/* A part that carries patches says what they resolve. */
static bool take_patches(struct parts *p, const struct json_t *c, const char *ref, struct err *e)
{
    const struct json_t *patches, *resolves;
    size_t n = field_list(json_get(c, "pedigree"), "patches", &patches);
    for (size_t i = 0; i < n; i++) {
        size_t m = field_list(json_at(patches, i), "resolves", &resolves);
        for (size_t k = 0; k < m; k++) {
            const struct json_t *r = json_at(resolves, k);
            struct parts_said s = {.ref = ref,
                                   .vex = {.id = field_id(p->a, r, "id"), .status = VEX_FIXED, .why = "patched"}};
            if (*s.vex.id && field_is(r, "type", "security") && !parts_say(p, &s, e))
                return false;
        }
    }
    return true;
}

static bool take_component(struct parts *p, const struct json_t *top, struct err *e)
{
    /* Walked with a stack of its own: how deep it is, is the file's choice. */
    struct {
        const struct json_t *list;
        size_t n, i;
    } stack[NESTED_MAX];
    int depth = 0;
    const struct json_t *c = top;
    for (;;) {
        if (!json_is_obj(c))
            return err_set(e, ERR_SYNTAX, "", "CycloneDX: a component is no object");
        struct sbom_part part = part_of(p, c);
        if (!parts_add(p, &part, e) || !take_patches(p, c, part.ref, e))
            return false;
        const struct json_t *inner;
        size_t n = field_list(c, "components", &inner);
        if (n) {
            if (depth == NESTED_MAX)
                return err_set(e, ERR_LIMIT, "", "CycloneDX: components within components, deeper than %d", NESTED_MAX);
            stack[depth].list = inner;
            stack[depth].n = n;
            stack[depth++].i = 0;
        }
        while (depth && stack[depth - 1].i == stack[depth - 1].n)
            depth--;
        if (!depth)
            return true;
        c = json_at(stack[depth - 1].list, stack[depth - 1].i++);
    }
}

/* Versions that it is about: those that are "affected" by a statement that it is, and else those that are not. */
static void take_versions(struct parts *p, const struct json_t *affects, struct parts_said *s)
{
    const struct json_t *list;
    size_t n = field_list(affects, "versions", &list), k = 0;
    if (!n)
        return;
    const char **v = ARENA_ARRAY(p->a, const char *, n);
    bool yes = s->vex.status == VEX_AFFECTED || s->vex.status == VEX_INVESTIGATING;
    for (size_t i = 0; i < n; i++) {
        const struct json_t *at = json_at(list, i);
        bool affected = !json_get(at, "status") || field_is(at, "status", "affected");
        if (affected == yes || field_is(at, "status", "unknown"))
            v[k++] = field_text(p->a, at, "version", FIELD_VERSION);
    }
    s->versions = v;
    s->n_versions = k;
}

static bool take_vulnerability(struct parts *p, const struct json_t *v, struct err *e)
{
    const struct json_t *analysis = json_get(v, "analysis"), *affects;
    struct parts_said s = {.vex = {.id = field_id(p->a, v, "id"), .status = VEX_STATUSES}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (field_is(analysis, "state", states[i].word))
            s.vex.status = states[i].status;
    if (!*s.vex.id || s.vex.status == VEX_STATUSES)
        return true; /* listed, and nothing said of it */
    s.vex.why = field_text(p->a, analysis, "justification", 80);
    if (!*s.vex.why)
        s.vex.why = field_text(p->a, analysis, "state", 80);
    int64_t at = field_time(analysis, "lastUpdated");
    s.vex.at = at ? at : field_time(analysis, "firstIssued");
    size_t n = field_list(v, "affects", &affects);
    for (size_t i = 0; i < n; i++) {
        struct parts_said each = s;
        each.ref = field_text(p->a, json_at(affects, i), "ref", FIELD_NAME);
        take_versions(p, json_at(affects, i), &each);
        if (!parts_say(p, &each, e))
            return false;
    }
    return true;
}

static bool take(struct parts *p, size_t which, const struct json_t *element, struct err *e)
{
    return which == 0 ? take_component(p, element, e) : which == 1 ? take_vulnerability(p, element, e) : true;
}

/* The reference of a statement in this document's own long form ("urn:cdx:SERIAL/VERSION#ref") is cut to the ref. */
static const char *own_ref(struct parts *p, const char *ref, const char *serial)
{
    static const char urn[] = "urn:uuid:", link[] = "urn:cdx:";
    struct slice s = slice_of(ref);
    if (!slice_starts(s, link) || strncmp(serial, urn, sizeof urn - 1) != 0)
        return ref;
    const char *id = serial + sizeof urn - 1, *at = ref + sizeof link - 1, *hash = strchr(at, '#');
    if (strncmp(at, id, strlen(id)) != 0 || at[strlen(id)] != '/' || !hash)
        return ref;
    return arena_strdup(p->a, hash + 1);
}

static bool end(struct parts *p, const struct json_t *around, struct err *e)
{
    const struct json_t *meta = json_get(around, "metadata"), *self = json_get(meta, "component");
    if (!field_is(around, "bomFormat", "CycloneDX"))
        return err_set(e, ERR_SYNTAX, "", "SBOM: neither CycloneDX nor, by its name *.spdx.json, SPDX");
    const char *version = field_text(p->a, around, "specVersion", 20);
    p->sbom.format = arena_printf(p->a, "CycloneDX %s", version);
    p->sbom.made_at = field_time(meta, "timestamp");
    if (json_is_obj(self)) {
        const struct json_t *inner;
        size_t n = field_list(self, "components", &inner);
        p->sbom.self = part_of(p, self);
        for (size_t i = 0; i < n; i++)
            if (!take_component(p, json_at(inner, i), e))
                return false;
        if (!take_patches(p, self, p->sbom.self.ref, e))
            return false;
    }
    const char *serial = field_text(p->a, around, "serialNumber", 100);
    for (size_t i = 0; i < p->n_said; i++) {
        struct parts_said *s = &p->said[i];
        s->ref = own_ref(p, s->ref, serial);
        s->vex.at = s->vex.at ? s->vex.at : p->sbom.made_at;
        s->vex.document = *serial ? serial : "SBOM";
    }
    return true;
}

const struct parts_format parts_cyclonedx = {
    {"components", "vulnerabilities", "dependencies", "compositions"}, take, end};
