/* What records of the CVE Program and of NVD have in common. */
#include "intel/cve.h"

#include "intel/field.h"

static void read_match(const struct json_t *m, struct arena *a, struct adv_cpe *out)
{
    *out = (struct adv_cpe){
        .criteria = field_text(a, m, "criteria", FIELD_NAME), .start = "", .end = "", .vulnerable = true};
    json_bool(m, "vulnerable", &out->vulnerable);
    out->start_excluded = json_str(m, "versionStartExcluding", NULL) != NULL;
    out->end_included = json_str(m, "versionEndIncluding", NULL) != NULL;
    out->start =
        field_text(a, m, out->start_excluded ? "versionStartExcluding" : "versionStartIncluding", FIELD_VERSION);
    out->end = field_text(a, m, out->end_included ? "versionEndIncluding" : "versionEndExcluding", FIELD_VERSION);
}

static void read_node(const struct json_t *v, struct arena *a, struct adv_node *out)
{
    const struct json_t *list;
    size_t n = field_list(v, "cpeMatch", &list);
    struct adv_cpe *cpes = ARENA_ARRAY(a, struct adv_cpe, n);
    *out = (struct adv_node){.all = field_is(v, "operator", "AND"), .cpes = cpes, .n_cpes = n};
    json_bool(v, "negate", &out->negate);
    for (size_t i = 0; i < n; i++)
        read_match(json_at(list, i), a, &cpes[i]);
}

void cve_configs(const struct json_t *of, const char *key, struct arena *a, struct advisory *out)
{
    const struct json_t *list, *nodes;
    size_t n = field_list(of, key, &list);
    struct adv_config *v = ARENA_ARRAY(a, struct adv_config, n);
    out->configs = v;
    for (size_t i = 0; i < n; i++) {
        const struct json_t *c = json_at(list, i);
        size_t m = field_list(c, "nodes", &nodes);
        struct adv_node *each = ARENA_ARRAY(a, struct adv_node, m);
        struct adv_config *at = &v[out->n_configs];
        *at = (struct adv_config){.all = field_is(c, "operator", "AND"), .nodes = each, .n_nodes = m};
        json_bool(c, "negate", &at->negate);
        for (size_t k = 0; k < m; k++)
            read_node(json_at(nodes, k), a, &each[k]);
        out->n_configs += m > 0;
    }
}

const char *cve_text(const struct json_t *of, struct arena *a)
{
    const struct json_t *list;
    size_t n = field_list(of, "descriptions", &list);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *lang = json_str(json_at(list, i), "lang", &len);
        if (lang && len >= 2 && slice_is_nocase((struct slice){lang, 2}, "en"))
            return field_text(a, json_at(list, i), "value", FIELD_SUMMARY);
    }
    return "";
}

void cve_tags(const struct json_t *list, size_t n, struct advisory *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *p = json_str_value(json_at(list, i), &len);
        struct slice s = {p, p ? len : 0};
        out->disputed = out->disputed || slice_is(s, "disputed");
        out->unsupported = out->unsupported || slice_is(s, "unsupported-when-assigned");
        out->hosted = out->hosted || slice_is(s, "exclusively-hosted-service");
    }
}

bool cve_score(const struct json_t *cvss, struct arena *a, struct adv_score *out)
{
    int tenths = field_tenths(cvss, "baseScore");
    *out = (struct adv_score){.vector = field_text(a, cvss, "vectorString", 200)};
    out->stated = !*out->vector;
    out->tenths = out->stated && tenths >= 0 ? tenths : 0;
    return *out->vector || tenths >= 0;
}
