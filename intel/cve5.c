/* Records of the CVE Program, JSON 5.x. */
#include <string.h>
#include "intel/cve.h"
#include "intel/field.h"

#define TOP ".999999999" /* in the place of a wildcard at the end of a bound: above every version that it means */

/* One entry of "affected", and where what it says goes. */
struct naming {
    struct arena *a;
    const struct json_t *cpes; /* its own; NULL: none */
    size_t n_cpes;
    const char *vendor, *product; /* escaped for a CPE */
    struct adv_cpe *v;
    size_t n, cap;
};

static bool not_said(const char *s)
{
    static const char *const words[] = {"", "n/a", "unknown", "unspecified", "-"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_is_nocase(slice_of(s), words[i]))
            return true;
    return false;
}

/* As a component of a CPE: lower case, blanks as "_", all but letters, digits, "_", "-" and "." escaped. */
static const char *component(struct arena *a, const char *s)
{
    size_t n = strlen(s), k = 0;
    char *out = arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && !byte_in(c, "_-. ") && (unsigned char)c < 0x80)
            out[k++] = '\\';
        out[k++] = c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    out[k] = '\0';
    return out;
}

/* The CPE with this version in it, "" = leaves it as it is. */
static const char *with_version(struct arena *a, const char *cpe, const char *version)
{
    const char *p = cpe;
    if (!*version)
        return cpe;
    for (int colons = 0; colons < 5 && *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else
            colons += *p == ':';
    }
    const char *rest = p;
    while (*rest && *rest != ':')
        rest += *rest == '\\' && rest[1] ? 2 : 1;
    return arena_printf(a, "%.*s%s%s", (int)(p - cpe), cpe, component(a, version), rest);
}

static void name_one(struct naming *s, const char *cpe, const struct adv_cpe *range, const char *exact)
{
    if (s->n == s->cap || strlen(cpe) > FIELD_NAME)
        return;
    s->v[s->n] = *range;
    s->v[s->n].criteria = with_version(s->a, cpe, exact);
    s->v[s->n++].vulnerable = true;
}

static void name(struct naming *s, const struct adv_cpe *range, const char *exact)
{
    for (size_t i = 0; i < s->n_cpes; i++) {
        const char *cpe = field_value(s->a, json_at(s->cpes, i), FIELD_NAME);
        if (slice_starts(slice_of(cpe), "cpe:2.3:"))
            name_one(s, cpe, range, exact);
    }
    if (!s->n_cpes)
        name_one(s, arena_printf(s->a, "cpe:2.3:*:%s:%s:*:*:*:*:*:*:*:*", s->vendor, s->product), range, exact);
}

static bool ordered(const struct json_t *v)
{
    return !field_is(v, "versionType", "git") && !field_is(v, "versionType", "custom");
}

/* "5.10.*" -> "5.10.999999999"; *wild: it was one. "*" alone is no bound. */
static const char *bound(struct arena *a, const char *s, bool *wild)
{
    size_t n = strlen(s);
    *wild = n && s[n - 1] == '*';
    if (!*wild)
        return s;
    n--;
    if (n && s[n - 1] == '.')
        n--;
    return n ? arena_printf(a, "%.*s" TOP, (int)n, s) : "";
}

/* From `start` on up to where it ends, or up to the first change. */
static void one_range(struct naming *s, const struct json_t *v, const char *start)
{
    const char *below = field_text(s->a, v, "lessThan", FIELD_VERSION);
    const char *upto = field_text(s->a, v, "lessThanOrEqual", FIELD_VERSION);
    const struct json_t *changes;
    size_t n = field_list(v, "changes", &changes);
    struct adv_cpe r = {.start = "", .end = "", .unordered = !ordered(v)};
    bool wild, affected = field_is(v, "status", "affected");
    r.doubtful = *upto && strcmp(upto, start) == 0; /* old conversions say so for "up to" */
    if (!r.doubtful && !not_said(start) && strcmp(start, "0") != 0 && strcmp(start, "*") != 0)
        r.start = start;
    /* A change ends what was true before it. */
    for (size_t i = 0; i < n; i++) {
        const char *at = field_text(s->a, json_at(changes, i), "at", FIELD_VERSION);
        bool next = field_is(json_at(changes, i), "status", "affected");
        if (affected && !next) {
            r.end = at;
            name(s, &r, "");
        }
        if (next && !affected)
            r.start = at;
        affected = next;
    }
    r.end = bound(s->a, *below ? below : upto, &wild);
    r.end_included = !*below && *upto;
    r.doubtful = r.doubtful || (wild && *r.end);
    if (affected)
        name(s, &r, "");
}

static void one_version(struct naming *s, const struct json_t *v)
{
    const char *version = field_text(s->a, v, "version", FIELD_VERSION);
    struct adv_cpe all = {.start = "", .end = ""};
    if (json_get(v, "lessThan") || json_get(v, "lessThanOrEqual") || json_get(v, "changes")) {
        one_range(s, v, version);
    } else if (field_is(v, "status", "affected")) {
        all.unordered = not_said(version);
        name(s, &all, all.unordered || strcmp(version, "*") == 0 ? "" : version);
    }
}

/* Where an entry is affected by default, the versions are what is not: between them everything is. Said from the lowest
 * to the highest, as records with a default do; another order would need to know how they compare. */
static void all_but(struct naming *s, const struct json_t *list, size_t n)
{
    struct adv_cpe r = {.start = "", .end = ""};
    bool open = true, wild;
    for (size_t i = 0; i < n; i++) {
        const struct json_t *v = json_at(list, i);
        if (!field_is(v, "status", "unaffected"))
            continue;
        const char *from = field_text(s->a, v, "version", FIELD_VERSION);
        const char *below = field_text(s->a, v, "lessThan", FIELD_VERSION);
        const char *upto = field_text(s->a, v, "lessThanOrEqual", FIELD_VERSION);
        r.unordered = r.unordered || !ordered(v) || not_said(from);
        if (strcmp(from, "0") != 0) {
            r.end = from;
            name(s, &r, "");
        }
        r.end = "";
        r.start = bound(s->a, *below ? below : *upto ? upto : from, &wild);
        r.start_excluded = !*below;
        open = !((*below || *upto) && !*r.start);
    }
    if (open)
        name(s, &r, "");
}

static void read_naming(const struct json_t *v, struct arena *a, struct adv_config *out)
{
    const struct json_t *list;
    struct naming s = {.a = a};
    const char *vendor = field_text(a, v, "vendor", 200), *product = field_text(a, v, "product", 200);
    size_t n = field_list(v, "versions", &list), changes = 0;
    *out = (struct adv_config){0};
    s.n_cpes = field_list(v, "cpes", &s.cpes);
    if ((not_said(vendor) || not_said(product)) && !s.n_cpes)
        return;
    s.vendor = component(a, vendor);
    s.product = component(a, product);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *ignored;
        changes += field_list(json_at(list, i), "changes", &ignored);
    }
    s.cap = (n + changes + 1) * (s.n_cpes ? s.n_cpes : 1);
    s.cap = s.cap < FIELD_MANY ? s.cap : FIELD_MANY;
    s.v = ARENA_ARRAY(a, struct adv_cpe, s.cap);
    if (field_is(v, "defaultStatus", "affected"))
        all_but(&s, list, n);
    else
        for (size_t i = 0; i < n; i++)
            one_version(&s, json_at(list, i));
    struct adv_node *node = ARENA_NEW(a, struct adv_node);
    *node = (struct adv_node){.cpes = s.v, .n_cpes = s.n};
    *out = (struct adv_config){.nodes = node, .n_nodes = s.n > 0};
}

/* The containers of a record: the CNA's, then those of others. */
struct containers {
    const struct json_t *cna, *adp;
    size_t n_adp;
};

static const struct json_t *container(const struct containers *c, size_t i)
{
    return i == 0 ? c->cna : json_at(c->adp, i - 1);
}

static void read_affected(const struct containers *c, struct arena *a, struct advisory *out)
{
    const struct json_t *list;
    size_t all = 0, n;
    for (size_t i = 0; i <= c->n_adp && !out->n_configs; i++)
        cve_configs(container(c, i), "cpeApplicability", a, out);
    if (out->n_configs) /* says the same in a form for machines */
        return;
    for (size_t i = 0; i <= c->n_adp; i++)
        all += field_list(container(c, i), "affected", &list);
    struct adv_config *v = ARENA_ARRAY(a, struct adv_config, all);
    for (size_t i = 0; i <= c->n_adp; i++) {
        n = field_list(container(c, i), "affected", &list);
        for (size_t k = 0; k < n; k++) {
            read_naming(json_at(list, k), a, &v[out->n_configs]);
            out->n_configs += v[out->n_configs].n_nodes > 0;
        }
    }
    out->configs = v;
}

static void read_ssvc(const struct json_t *content, struct advisory *out)
{
    const struct json_t *options;
    size_t n = field_list(content, "options", &options);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *o = json_at(options, i);
        if (json_get(o, "Exploitation"))
            out->exploitation = field_is(o, "Exploitation", "active") ? ADV_EXPLOIT_ACTIVE
                                : field_is(o, "Exploitation", "poc")  ? ADV_EXPLOIT_POC
                                : field_is(o, "Exploitation", "none") ? ADV_EXPLOIT_NONE
                                                                      : ADV_EXPLOIT_UNKNOWN;
        if (json_get(o, "Automatable"))
            out->automatable = field_is(o, "Automatable", "yes")  ? ADV_YES
                               : field_is(o, "Automatable", "no") ? ADV_NO
                                                                  : ADV_UNKNOWN;
        if (json_get(o, "Technical Impact"))
            out->total_impact = field_is(o, "Technical Impact", "total")     ? ADV_YES
                                : field_is(o, "Technical Impact", "partial") ? ADV_NO
                                                                             : ADV_UNKNOWN;
    }
}

static void read_metrics(const struct containers *c, struct arena *a, struct advisory *out)
{
    static const char *const keys[] = {"cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"};
    const struct json_t *list;
    size_t all = 0, n;
    for (size_t i = 0; i <= c->n_adp; i++)
        all += field_list(container(c, i), "metrics", &list);
    struct adv_score *v = ARENA_ARRAY(a, struct adv_score, all * 4);
    out->scores = v;
    for (size_t i = 0; i <= c->n_adp; i++) {
        n = field_list(container(c, i), "metrics", &list);
        for (size_t m = 0; m < n; m++) {
            const struct json_t *metric = json_at(list, m), *other = json_get(metric, "other");
            for (size_t k = 0; k < 4; k++) {
                struct adv_score *at = &v[out->n_scores];
                if (!cve_score(json_get(metric, keys[k]), a, at))
                    continue;
                at->by = i == 0 ? "CNA" : field_text(a, container(c, i), "title", 80);
                at->primary = i == 0;
                out->n_scores++;
            }
            if (field_is(other, "type", "ssvc"))
                read_ssvc(json_get(other, "content"), out);
            if (field_is(other, "type", "kev")) {
                out->kev = true;
                out->kev_added = field_time(json_get(other, "content"), "dateAdded");
            }
        }
    }
}

bool cve5_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e)
{
    struct json_t *doc = field_record(bytes, n, "CVE record", e);
    if (!doc)
        return false;
    const struct json_t *meta = json_get(doc, "cveMetadata"), *all = json_get(doc, "containers"), *tags;
    struct containers c = {.cna = json_get(all, "cna")};
    c.n_adp = field_list(all, "adp", &c.adp);
    *out = (struct advisory){.source = ADV_CVE5, .id = field_id(a, meta, "cveId")};
    out->state = field_is(meta, "state", "REJECTED") ? ADV_REJECTED : ADV_LIVE;
    out->published = field_time(meta, "datePublished");
    out->modified = field_time(meta, "dateUpdated");
    if (!out->modified)
        out->modified = out->published ? out->published : field_time(meta, "dateReserved");
    out->summary = field_text(a, c.cna, "title", FIELD_SUMMARY);
    if (!*out->summary)
        out->summary = cve_text(c.cna, a);
    for (size_t i = 0; i <= c.n_adp; i++) {
        size_t m = field_list(container(&c, i), "tags", &tags);
        cve_tags(tags, m, out);
    }
    if (out->state == ADV_LIVE)
        read_affected(&c, a, out);
    read_metrics(&c, a, out);
    bool ok = *out->id && (json_is_obj(c.cna) || out->state == ADV_REJECTED);
    json_free(doc);
    return ok || err_set(e, ERR_SYNTAX, "", "CVE record: it has no cveId, or no container of its CNA");
}
