#include "intel/lists.h"

#include <inttypes.h>
#include "core/text.h"
#include "intel/field.h"

bool kev_read(const char *bytes, size_t n, struct arena *a, struct adv_listed *out, struct err *e)
{
    struct json_t *doc = field_doc(bytes, n, "KEV record", e);
    if (!doc)
        return false;
    *out = (struct adv_listed){.id = field_id(a, doc, "cveID"),
                               .kev_added = field_time(doc, "dateAdded"),
                               .ransomware = field_is(doc, "knownRansomwareCampaignUse", "Known")};
    json_free(doc);
    return (*out->id && out->kev_added) || err_set(e, ERR_SYNTAX, "", "KEV record: it has no cveID or no dateAdded");
}

bool kev_end(const char *around, size_t n, size_t records, int64_t *released, struct err *e)
{
    struct json_t *doc = field_doc(around, n, "KEV", e);
    int64_t count;
    if (!doc)
        return false;
    *released = field_time(doc, "dateReleased");
    bool has = json_int(doc, "count", &count);
    json_free(doc);
    if (!has || count < 0 || (uint64_t)count != records)
        return err_set(e, ERR_SYNTAX, "Mirror it again; the list that was read before stays in force.",
                       "KEV: its count is %" PRId64 ", and it has %zu records", has ? count : -1, records);
    return *released != 0 || err_set(e, ERR_SYNTAX, "", "KEV: it has no dateReleased");
}

/* The value behind "key:" in the comment, up to a comma. */
static struct slice comment_value(struct slice line, const char *key)
{
    size_t k = strlen(key);
    for (size_t i = 0; i + k <= line.n; i++)
        if (memcmp(line.p + i, key, k) == 0) {
            struct slice v = {line.p + i + k, line.n - i - k};
            const char *comma = memchr(v.p, ',', v.n);
            v.n = comma ? (size_t)(comma - v.p) : v.n;
            return v;
        }
    return (struct slice){0};
}

/* "0.91207", "9e-05", "1" */
static bool probability(struct slice s, double *out)
{
    static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int64_t digits = 0, exp = 0;
    size_t i = 0, before = 0, after = 0;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && before < 2; i++, before++)
        digits = digits * 10 + (s.p[i] - '0');
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            if (after < 15 - before) { /* as many digits as a double holds */
                digits = digits * 10 + (s.p[i] - '0');
                after++;
            }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        struct slice x = {s.p + i + 1, s.n - i - 1};
        if (!slice_int(x, &exp))
            return false;
        i = s.n;
    }
    int64_t scale = (int64_t)after - exp;
    if (i != s.n || before == 0 || exp > 0)
        return false;
    *out = scale > 15 ? 0 : (double)digits / tens[scale];
    return *out <= 1;
}

static struct slice next_field(struct slice *rest)
{
    const char *comma = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
    size_t n = comma ? (size_t)(comma - rest->p) : rest->n;
    struct slice s = {rest->p, n};
    *rest = (struct slice){rest->p + n + (comma ? 1 : 0), rest->n - n - (comma ? 1 : 0)};
    return s;
}

bool epss_line(struct epss *s, struct slice line, struct arena *a, struct adv_listed *out, bool *is, struct err *e)
{
    *is = false;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n == 0)
        return true;
    if (line.p[0] == '#') {
        struct slice model = comment_value(line, "model_version:");
        s->released = field_time_of(comment_value(line, "score_date:"));
        safe_text_into(s->model, sizeof s->model, model.p ? model.p : "", model.n);
        return true;
    }
    if (!s->named) {
        s->named = slice_starts(line, "cve,epss,percentile");
        return s->named || err_set(e, ERR_SYNTAX, "", "EPSS: its columns are not cve,epss,percentile");
    }
    struct slice id = next_field(&line), p = next_field(&line), pct = next_field(&line);
    *out = (struct adv_listed){.id = field_id_of(a, id), .scored = true};
    *is = true;
    return (*out->id && probability(p, &out->epss) && probability(pct, &out->percentile)) ||
           err_set(e, ERR_SYNTAX, "", "EPSS: a line is no CVE with two figures from 0 to 1");
}
