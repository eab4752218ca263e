/* SPDX 2.3 (spdx.dev, JSON): packages; files are none. */
#include "intel/field.h"
#include "intel/parts.h"

static bool take_package(struct parts *p, const struct json_t *v, struct err *e)
{
    const struct json_t *refs;
    size_t n = field_list(v, "externalRefs", &refs);
    struct sbom_part part = {.ref = field_text(p->a, v, "SPDXID", FIELD_NAME),
                             .name = field_text(p->a, v, "name", FIELD_NAME),
                             .version = field_text(p->a, v, "versionInfo", FIELD_VERSION),
                             .purl = "",
                             .cpe = ""};
    /* By their type: the category is spelled in two ways. */
    for (size_t i = 0; i < n; i++) {
        const struct json_t *r = json_at(refs, i);
        if (field_is(r, "referenceType", "purl") && !*part.purl)
            part.purl = field_text(p->a, r, "referenceLocator", FIELD_NAME * 2);
        else if (field_is(r, "referenceType", "cpe23Type") && !*part.cpe)
            part.cpe = field_text(p->a, r, "referenceLocator", FIELD_NAME);
    }
    return parts_add(p, &part, e);
}

static bool take(struct parts *p, size_t which, const struct json_t *element, struct err *e)
{
    if (which == 0)
        return take_package(p, element, e);
    if (which == 1 && field_is(element, "relationshipType", "DESCRIBES") &&
        field_is(element, "spdxElementId", "SPDXRef-DOCUMENT"))
        p->self_ref = field_text(p->a, element, "relatedSpdxElement", FIELD_NAME);
    return true;
}

static bool end(struct parts *p, const struct json_t *around, struct err *e)
{
    const char *version = field_text(p->a, around, "spdxVersion", 20);
    const struct json_t *list;
    if (strncmp(version, "SPDX-2.", 7) != 0)
        return err_set(e, ERR_SYNTAX, "", "SBOM: its spdxVersion is \"%s\", and SPDX 2.2 and 2.3 are read", version);
    p->sbom.format = arena_printf(p->a, "SPDX %s", version + 5);
    p->sbom.made_at = field_time(json_get(around, "creationInfo"), "created");
    if (!*p->self_ref && field_list(around, "documentDescribes", &list) == 1)
        p->self_ref = field_value(p->a, json_at(list, 0), FIELD_NAME);
    return true;
}

const struct parts_format parts_spdx = {{"packages", "relationships", "files", "snippets"}, take, end};
