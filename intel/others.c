#include "intel/others.h"

#include <stdlib.h>
#include "intel/field.h"

struct found {
    struct arena *a;
    struct intel_other *v;
    size_t n, cap;
};

static void add(struct found *f, struct intel_other o)
{
    if (f->n >= FIELD_MANY || !*o.id)
        return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xreallocarray(f->v, f->cap, sizeof *f->v);
    }
    o.release = "";
    f->v[f->n++] = o;
}

static const char *first_text(struct found *f, const struct json_t *of, const char *key)
{
    const struct json_t *list;
    return field_list(of, key, &list) ? field_value(f->a, json_at(list, 0), FIELD_VERSION) : "";
}

static void grype(const struct json_t *doc, struct found *f)
{
    const struct json_t *list;
    size_t n = field_list(doc, "matches", &list);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *m = json_at(list, i), *v = json_get(m, "vulnerability"), *part = json_get(m, "artifact");
        const char *purl = field_text(f->a, part, "purl", FIELD_NAME);
        add(f, (struct intel_other){.tool = "grype",
                                    .id = field_id(f->a, v, "id"),
                                    .component = *purl ? purl : field_text(f->a, part, "name", FIELD_NAME),
                                    .version = field_text(f->a, part, "version", FIELD_VERSION),
                                    .fixed_in = first_text(f, json_get(v, "fix"), "versions"),
                                    .severity = field_text(f->a, v, "severity", 20)});
    }
}

static void osv_scanner(const struct json_t *doc, struct found *f)
{
    const struct json_t *results, *packages, *list;
    size_t n = field_list(doc, "results", &results);
    for (size_t i = 0; i < n; i++) {
        size_t m = field_list(json_at(results, i), "packages", &packages);
        for (size_t k = 0; k < m; k++) {
            const struct json_t *p = json_at(packages, k), *part = json_get(p, "package");
            size_t many = field_list(p, "vulnerabilities", &list);
            for (size_t j = 0; j < many; j++)
                add(f, (struct intel_other){.tool = "osv-scanner",
                                            .id = field_id(f->a, json_at(list, j), "id"),
                                            .component = field_text(f->a, part, "name", FIELD_NAME),
                                            .version = field_text(f->a, part, "version", FIELD_VERSION),
                                            .fixed_in = "",
                                            .severity = ""});
        }
    }
}

static void trivy(const struct json_t *doc, struct found *f)
{
    const struct json_t *results, *list;
    size_t n = field_list(doc, "Results", &results);
    for (size_t i = 0; i < n; i++) {
        size_t m = field_list(json_at(results, i), "Vulnerabilities", &list);
        for (size_t k = 0; k < m; k++) {
            const struct json_t *v = json_at(list, k);
            const char *purl = field_text(f->a, json_get(v, "PkgIdentifier"), "PURL", FIELD_NAME);
            add(f, (struct intel_other){.tool = "trivy",
                                        .id = field_id(f->a, v, "VulnerabilityID"),
                                        .component = *purl ? purl : field_text(f->a, v, "PkgName", FIELD_NAME),
                                        .version = field_text(f->a, v, "InstalledVersion", FIELD_VERSION),
                                        .fixed_in = field_text(f->a, v, "FixedVersion", FIELD_VERSION),
                                        .severity = field_text(f->a, v, "Severity", 20)});
        }
    }
}

static const struct {
    const char *key;
    void (*read)(const struct json_t *doc, struct found *f);
} tools[] = {{"matches", grype}, {"results", osv_scanner}, {"Results", trivy}};

bool others_read(const char *bytes, size_t n, struct arena *a, const struct intel_other **out, size_t *many,
                 struct err *e)
{
    struct json_t *doc = field_doc(bytes, n, "results of a scanner", e);
    struct found f = {.a = a};
    bool known = false;
    if (!doc)
        return false;
    for (size_t i = 0; i < sizeof tools / sizeof tools[0] && !known; i++)
        if ((known = json_is_arr(json_get(doc, tools[i].key))))
            tools[i].read(doc, &f);
    json_free(doc);
    *out = f.n ? arena_memdup(a, f.v, f.n * sizeof *f.v) : NULL;
    *many = f.n;
    free(f.v);
    return known || err_set(e, ERR_SYNTAX, "", "results of a scanner: neither grype's, nor osv-scanner's, nor trivy's");
}
