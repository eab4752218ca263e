#include "intel/osv.h"

#include "core/purl.h"
#include "intel/field.h"
#include "intel/slim.h"

static const struct {
    const char *key;
    enum adv_ref_kind kind;
} ref_keys[] = {{"aliases", ADV_ALIAS}, {"upstream", ADV_UPSTREAM}, {"related", ADV_RELATED}};

static void read_refs(const struct json_t *doc, struct arena *a, struct advisory *out)
{
    const struct json_t *list[3];
    size_t n[3], all = 0;
    for (size_t k = 0; k < 3; k++)
        all += n[k] = field_list(doc, ref_keys[k].key, &list[k]);
    struct adv_ref *v = ARENA_ARRAY(a, struct adv_ref, all);
    out->refs = v;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < n[k]; i++) {
            size_t len = 0;
            const char *p = json_str_value(json_at(list[k], i), &len);
            const char *id = field_id_of(a, (struct slice){p, p ? len : 0});
            if (*id)
                v[out->n_refs++] = (struct adv_ref){ref_keys[k].kind, id};
        }
}

/* Vectors of CVSS; a score of another kind (the word of Ubuntu) is none. */
static size_t read_scores(const struct json_t *of, struct arena *a, struct adv_score **out)
{
    const struct json_t *list;
    size_t n = field_list(of, "severity", &list), k = 0;
    *out = ARENA_ARRAY(a, struct adv_score, n);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *type = json_str(json_at(list, i), "type", &len);
        if (type && slice_starts((struct slice){type, len}, "CVSS_"))
            (*out)[k++] = (struct adv_score){.vector = field_text(a, json_at(list, i), "score", 200), .by = "OSV"};
    }
    return k;
}

/* The newest kind of vector: "CVSS:4.0", "CVSS:3.1", …, of version 2 without a prefix. */
static const char *newest_vector(const struct adv_score *v, size_t n)
{
    const char *best = "";
    for (size_t i = 0; i < n; i++) {
        struct slice s = slice_of(v[i].vector);
        if (!*best || (slice_starts(s, "CVSS:") && slice_cmp(s, slice_of(best)) > 0 && v[i].vector[5] > best[5]))
            best = v[i].vector;
    }
    return best;
}

static void read_events(const struct json_t *range, struct arena *a, struct adv_range *out)
{
    static const char *const words[] = {"introduced", "fixed", "last_affected", "limit"}; /* enum adv_event_kind */
    const struct json_t *list;
    size_t n = field_list(range, "events", &list);
    struct adv_event *v = ARENA_ARRAY(a, struct adv_event, n * 4);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 4; k++)
            if (json_get(json_at(list, i), words[k]))
                v[out->n_events++] = (struct adv_event){(enum adv_event_kind)k,
                                                        field_text(a, json_at(list, i), words[k], FIELD_VERSION)};
    out->events = v;
}

static void read_package(const struct json_t *of, struct arena *a, struct adv_affected *out)
{
    const struct json_t *package = json_get(of, "package"), *list;
    out->ecosystem = purl_ecosystem(slice_of(field_text(a, package, "ecosystem", 100)), a);
    const char *name = field_text(a, package, "name", FIELD_NAME);
    out->name = purl_package(slice_of(out->ecosystem), slice_of(name), a);
    if (!*out->name)
        out->ecosystem = "";
    struct adv_score *scores;
    size_t n = read_scores(of, a, &scores);
    out->vector = newest_vector(scores, n);
    n = field_list(of, "ranges", &list);
    struct adv_range *ranges = ARENA_ARRAY(a, struct adv_range, n);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *r = json_at(list, i);
        ranges[i].scheme = field_is(r, "type", "SEMVER")      ? VERSION_SEMVER
                           : field_is(r, "type", "ECOSYSTEM") ? version_scheme_of(slice_of(out->ecosystem))
                                                              : VERSION_NONE;
        if (field_is(r, "type", "SEMVER") || field_is(r, "type", "ECOSYSTEM"))
            read_events(r, a, &ranges[i]);
    }
    out->ranges = ranges;
    out->n_ranges = n;
    n = *out->ecosystem ? field_list(of, "versions", &list) : 0; /* of no package: names nothing */
    const char **versions = ARENA_ARRAY(a, const char *, n);
    for (size_t i = 0; i < n; i++)
        versions[i] = field_value(a, json_at(list, i), FIELD_VERSION);
    out->versions = versions;
    out->n_versions = slim_versions(out, versions, n);
}

bool osv_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e)
{
    struct json_t *doc = field_record(bytes, n, "OSV record", e);
    if (!doc)
        return false;
    *out = (struct advisory){.source = ADV_OSV, .id = field_id(a, doc, "id")};
    out->published = field_time(doc, "published");
    out->modified = field_time(doc, "modified");
    out->withdrawn = field_time(doc, "withdrawn");
    out->state = json_str(doc, "withdrawn", NULL) ? ADV_WITHDRAWN : ADV_LIVE;
    out->summary = field_text(a, doc, "summary", FIELD_SUMMARY);
    if (!*out->summary)
        out->summary = field_text(a, doc, "details", FIELD_SUMMARY);
    read_refs(doc, a, out);
    struct adv_score *scores;
    out->n_scores = read_scores(doc, a, &scores);
    out->scores = scores;
    const struct json_t *list;
    size_t many = field_list(doc, "affected", &list);
    struct adv_affected *v = ARENA_ARRAY(a, struct adv_affected, many);
    for (size_t i = 0; i < many; i++)
        read_package(json_at(list, i), a, &v[i]);
    out->affected = v;
    out->n_affected = many;
    bool ok = *out->id && out->modified;
    json_free(doc);
    return ok || err_set(e, ERR_SYNTAX, "", "OSV record: it has no id, or no time of its last change");
}
