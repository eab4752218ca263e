/* NVD's records, API and feeds 2.0. */
#include <inttypes.h>
#include "intel/cve.h"
#include "intel/field.h"

static const char *const metrics[] = {"cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2"};

static void read_scores(const struct json_t *all, struct arena *a, struct advisory *out)
{
    const struct json_t *list[4];
    size_t n[4], sum = 0;
    for (size_t k = 0; k < 4; k++)
        sum += n[k] = field_list(all, metrics[k], &list[k]);
    struct adv_score *v = ARENA_ARRAY(a, struct adv_score, sum);
    out->scores = v;
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < n[k]; i++) {
            const struct json_t *m = json_at(list[k], i);
            struct adv_score *at = &v[out->n_scores];
            if (!cve_score(json_get(m, "cvssData"), a, at))
                continue;
            at->by = field_text(a, m, "source", 80);
            at->primary = field_is(m, "type", "Primary");
            out->n_scores++;
        }
}

bool nvd_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e)
{
    struct json_t *doc = field_record(bytes, n, "NVD record", e);
    if (!doc)
        return false;
    const struct json_t *cve = json_get(doc, "cve"), *list, *tags;
    *out = (struct advisory){.source = ADV_NVD, .id = field_id(a, cve, "id"), .summary = cve_text(cve, a)};
    out->published = field_time(cve, "published");
    out->modified = field_time(cve, "lastModified");
    out->state = field_is(cve, "vulnStatus", "Rejected") ? ADV_REJECTED : ADV_LIVE;
    size_t many = field_list(cve, "cveTags", &list);
    for (size_t i = 0; i < many; i++) {
        size_t m = field_list(json_at(list, i), "tags", &tags);
        cve_tags(tags, m, out);
    }
    read_scores(json_get(cve, "metrics"), a, out);
    cve_configs(cve, "configurations", a, out);
    bool ok = *out->id && out->modified;
    json_free(doc);
    return ok || err_set(e, ERR_SYNTAX, "", "NVD record: it has no id, or no time of its last change");
}

bool nvd_end(const char *around, size_t n, size_t records, int64_t *released, struct err *e)
{
    struct json_t *doc = field_doc(around, n, "NVD", e);
    int64_t total = -1, start = 0, page = 0;
    if (!doc)
        return false;
    *released = field_time(doc, "timestamp");
    json_int(doc, "startIndex", &start);
    bool whole =
        json_int(doc, "totalResults", &total) && json_int(doc, "resultsPerPage", &page) && start == 0 && page >= total;
    json_free(doc);
    if (whole && (total < 0 || (uint64_t)total != records))
        return err_set(e, ERR_SYNTAX, "Mirror it again.",
                       "NVD: its totalResults is %" PRId64 ", and it has %zu records", total, records);
    return true;
}
