/* OpenVEX 0.2: statements that inherit the time of their document. */
#include "intel/field.h"
#include "intel/statements.h"

static const char *const words[] = {"affected", "not_affected", "fixed", "under_investigation"}; /* enum vex_status */

/* "@id" is an IRI, mostly a purl; identifiers say it by kind. */
static const char *identifier(const struct json_t *of, struct arena *a)
{
    const struct json_t *by_kind = json_get(of, "identifiers");
    const char *purl = field_text(a, by_kind, "purl", FIELD_NAME), *id = field_text(a, of, "@id", FIELD_NAME);
    const char *cpe = field_text(a, by_kind, "cpe23", FIELD_NAME);
    return *purl ? purl : slice_starts(slice_of(id), "pkg:") || !*cpe ? id : cpe;
}

static void add_products(struct statements *s, const struct json_t *statement, struct vex v)
{
    const struct json_t *products, *parts;
    size_t n = field_list(statement, "products", &products);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *p = json_at(products, i);
        size_t m = field_list(p, "subcomponents", &parts);
        v.product = identifier(p, s->a);
        v.component = "";
        if (!m)
            statements_add(s, &v);
        for (size_t k = 0; k < m; k++) {
            v.component = identifier(json_at(parts, k), s->a);
            statements_add(s, &v);
        }
    }
    if (!n) /* about nothing that has a name: kept, so that it is listed as one that applies to nothing */
        statements_add(s, &v);
}

static void one_statement(struct statements *s, const struct json_t *st, const char *document, int64_t doc_time)
{
    const struct json_t *vulnerability = json_get(st, "vulnerability"), *aliases;
    struct vex v = {.status = VEX_STATUSES, .document = document, .product = "", .component = ""};
    for (size_t k = 0; k < VEX_STATUSES; k++)
        if (field_is(st, "status", words[k]))
            v.status = (enum vex_status)k;
    v.why = field_text(s->a, st, "justification", 80);
    if (!*v.why)
        v.why = field_text(s->a, st, v.status == VEX_NOT_AFFECTED ? "impact_statement" : "action_statement", 80);
    v.at = field_time(st, "last_updated");
    v.at = v.at ? v.at : field_time(st, "timestamp");
    v.at = v.at ? v.at : doc_time;
    if (v.status == VEX_STATUSES)
        return;
    v.id = json_is_obj(vulnerability) ? field_id(s->a, vulnerability, "name") : field_id(s->a, st, "vulnerability");
    if (*v.id)
        add_products(s, st, v);
    size_t n = field_list(vulnerability, "aliases", &aliases);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *p = json_str_value(json_at(aliases, i), &len);
        v.id = field_id_of(s->a, (struct slice){p, p ? len : 0});
        if (*v.id && !*field_id(s->a, vulnerability, "name")) /* else the group has it by its name */
            add_products(s, st, v);
    }
}

void openvex_statements(const struct json_t *doc, struct statements *s)
{
    const struct json_t *list;
    size_t n = field_list(doc, "statements", &list);
    const char *document = field_text(s->a, doc, "@id", 200);
    int64_t at = field_time(doc, "last_updated");
    at = at ? at : field_time(doc, "timestamp");
    for (size_t i = 0; i < n; i++)
        one_statement(s, json_at(list, i), document, at);
}
