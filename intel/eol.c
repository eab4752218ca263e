#include "intel/eol.h"

#include "intel/field.h"

#define SOURCE "endoflife.date"

/* A date, true ("it has ended", without a day) or false ("it has no end"): the older lists have either. */
static int64_t end_of(const struct json_t *of, const char *key, struct intel_life *life)
{
    bool yes;
    if (json_bool(of, key, &yes)) {
        life->ended = life->ended || yes;
        life->endless = !yes;
        return 0;
    }
    return field_time(of, key);
}

static void read_new(const struct json_t *r, struct arena *a, struct intel_life *out)
{
    bool ended = false;
    out->cycle = field_text(a, r, "name", 100);
    out->end_of_support = field_time(r, "eoasFrom");
    out->end_of_security = field_time(r, "eolFrom");
    json_bool(r, "isEol", &ended);
    out->ended = ended && !out->end_of_security;
    out->endless = !ended && !out->end_of_security;
}

static void read_old(const struct json_t *r, struct arena *a, struct intel_life *out)
{
    struct intel_life ignored = {0};
    out->cycle = field_text(a, r, "cycle", 100);
    out->end_of_support = end_of(r, "support", &ignored);
    out->end_of_security = end_of(r, "eol", out);
}

/* One product's list of cycles behind what is there. */
static void read_product(const struct json_t *list, size_t n, const char *product, struct arena *a,
                         struct intel_life *v, size_t *many)
{
    for (size_t i = 0; i < n; i++) {
        const struct json_t *r = json_at(list, i);
        struct intel_life *life = &v[*many];
        *life = (struct intel_life){.product = product, .source = SOURCE, .cycle = ""};
        if (json_get(r, "cycle"))
            read_old(r, a, life);
        else
            read_new(r, a, life);
        *many += *life->cycle != '\0';
    }
}

static const char *product_of(const char *file, struct arena *a)
{
    size_t n = strlen(file);
    if (n > 5 && strcmp(file + n - 5, ".json") == 0)
        n -= 5;
    return field_bytes(a, (struct slice){file, n}, 100);
}

bool eol_read(const char *bytes, size_t n, const char *file, struct arena *a, const struct intel_life **out,
              size_t *many, struct err *e)
{
    struct json_t *doc = json_parse_deep(bytes, n, (size_t)256 << 20, FIELD_DEPTH, "end of life", e);
    *many = 0;
    if (!doc)
        return false;
    const struct json_t *result = json_get(doc, "result"), *list = NULL;
    const struct json_t *products = json_is_arr(result) ? result : NULL; /* v1's products/full */
    size_t k = products ? json_len(products) : 1, all = 0;
    if (!products)
        list = json_is_arr(doc) ? doc : json_get(result, "releases");
    for (size_t i = 0; i < k; i++)
        all += products ? json_len(json_get(json_at(products, i), "releases")) : json_len(list);
    struct intel_life *v = ARENA_ARRAY(a, struct intel_life, all);
    for (size_t i = 0; i < k; i++) {
        const struct json_t *p = products ? json_at(products, i) : result;
        const struct json_t *each = products ? json_get(p, "releases") : list;
        const char *name = field_text(a, p, "name", 100);
        read_product(each, json_len(each), *name ? name : product_of(file, a), a, v, many);
    }
    json_free(doc);
    *out = v;
    return *many || err_set(e, ERR_SYNTAX, "", "end of life: no cycle in it");
}
