/* Answers to queries: {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"device":"a"},
 * "values":[[1795231728,"0.25"],...]},...]}}. A long range of a large fleet is millions of samples, so a plain answer
 * is read in one pass (client/plain.h); any other as a tree. */
#include <math.h>
#include <stdio.h>
#include "client/exposition.h"
#include "client/plain.h"
#include "client/prometheus_impl.h"
#include "core/text.h"

static long find(const struct prom_source *src, const char *id, size_t n)
{
    long i = !src->watch ? -1 : src->join ? join_find(src->join, src->watch, id, n) : watch_set_find(src->watch, id, n);
    return i >= 0 && (size_t)i < src->n_watch ? i : -1;
}

/* --- in one pass --- */

/* Seconds with up to three decimals, as Prometheus writes times, in ms. */
static bool scan_time(struct plain *s, int64_t *ms)
{
    int64_t whole_s = 0;
    bool whole;
    plain_blanks(s);
    if (s->at == s->end || *s->at == '-' || !plain_number(s, &whole_s, &whole) || whole_s >= PROM_TIME_MAX / 1000)
        return false;
    *ms = whole_s * 1000;
    if (whole)
        return true;
    /* plain_number has read the decimals; read them again, backwards */
    const char *p = s->at;
    int64_t v = 0, unit = 1;
    size_t n = 0;
    while (p[-1] != '.') {
        v += (*--p - '0') * unit;
        unit *= 10;
        if (++n > 3)
            return false;
    }
    for (; n < 3; n++)
        v *= 10;
    *ms += v;
    return *ms > 0;
}

/* [time, "value"] */
static bool scan_sample(struct plain *s, int64_t *ms, double *v)
{
    struct slice number;
    return plain_take(s, '[') && scan_time(s, ms) && *ms > 0 && plain_take(s, ',') && plain_string(s, &number) &&
           exposition_number(number.p, number.n, v) && plain_take(s, ']');
}

static bool scan_metric(struct plain *s, const struct prom_source *src, const struct prom_sink *sink, size_t series,
                        long *device)
{
    struct plain_members m = {.n = 0};
    struct slice key, value, join = slice_of(src->join_label);
    struct prom_labels l = {.series = series};
    bool more;
    *device = -1;
    if (!plain_take(s, '{'))
        return false;
    l.text.p = s->at - 1;
    while (plain_member(s, &m, &key, &more)) {
        if (!more) {
            l.text.n = (size_t)(s->at - l.text.p);
            if (sink->labels)
                sink->labels(sink->ctx, &l);
            return true;
        }
        if (!plain_string(s, &value))
            return false;
        if (sink->labels)
            series_label(&l.id, key, value, join);
        if (slice_same(key, join)) {
            l.join = value;
            *device = find(src, value.p, value.n);
        }
    }
    return false;
}

static bool scan_samples(struct plain *s, const struct prom_source *src, const struct prom_sink *sink, size_t series,
                         long device)
{
    int64_t ms;
    double v;
    if (!src->matrix)
        return scan_sample(s, &ms, &v) && sink->sample(sink->ctx, series, device, ms, v, NULL);
    if (!plain_take(s, '['))
        return false;
    if (plain_take(s, ']'))
        return true;
    do {
        if (!scan_sample(s, &ms, &v) || !sink->sample(sink->ctx, series, device, ms, v, NULL))
            return false;
    } while (plain_take(s, ','));
    return plain_take(s, ']');
}

static bool scan_series(struct plain *s, const struct prom_source *src, const struct prom_sink *sink, size_t series)
{
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more, metric = false, samples = false, ok;
    long device = -1;
    if (!plain_take(s, '{'))
        return false;
    while (plain_member(s, &m, &key, &more)) {
        if (!more)
            return metric && samples;
        if (slice_is(key, "metric"))
            metric = ok = scan_metric(s, src, sink, series, &device);
        else if (slice_is(key, src->matrix ? "values" : "value"))
            samples = ok = metric && scan_samples(s, src, sink, series, device);
        else
            ok = plain_skip(s);
        if (!ok)
            return false;
    }
    return false;
}

static bool scan_result(struct plain *s, const struct prom_source *src, const struct prom_sink *sink)
{
    size_t series = 0;
    if (!plain_take(s, '['))
        return false;
    if (plain_take(s, ']'))
        return true;
    do {
        if (!scan_series(s, src, sink, series++))
            return false;
    } while (plain_take(s, ','));
    return plain_take(s, ']');
}

static bool scan_data(struct plain *s, const struct prom_source *src, const struct prom_sink *sink)
{
    struct plain_members m = {.n = 0};
    struct slice key, type;
    bool more, typed = false, result = false, ok;
    if (!plain_take(s, '{'))
        return false;
    while (plain_member(s, &m, &key, &more)) {
        if (!more)
            return typed && result;
        if (slice_is(key, "resultType"))
            typed = ok = plain_string(s, &type) && slice_is(type, src->matrix ? "matrix" : "vector");
        else if (slice_is(key, "result"))
            result = ok = typed && scan_result(s, src, sink);
        else
            ok = plain_skip(s);
        if (!ok)
            return false;
    }
    return false;
}

static bool scan_answer(const struct prom_source *src, const struct buf *body, const struct prom_sink *sink)
{
    struct plain s = {.at = body->data, .end = body->data + body->len, .ascii = true};
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more, data = false, ok;
    if (body->len == 0 || body->len > PROM_ANSWER_MAX || !plain_take(&s, '{'))
        return false;
    while (plain_member(&s, &m, &key, &more)) {
        if (!more) {
            plain_blanks(&s);
            return s.at == s.end && data && (s.ascii || text_valid(body->data, body->len));
        }
        if (slice_is(key, "data"))
            data = ok = scan_data(&s, src, sink);
        else
            ok = !slice_is(key, "warnings") && plain_skip(&s);
        if (!ok)
            return false;
    }
    return false;
}

/* --- as a tree --- */

static bool one_sample(const struct prom_source *src, const struct json_t *pair, size_t series, long device,
                       const struct prom_sink *sink, struct err *e)
{
    double at, v;
    size_t len = 0;
    const char *number = json_str_value(json_at(pair, 1), &len);
    if (!json_num_value(json_at(pair, 0), &at) || !number || !exposition_number(number, len, &v) || !(at > 0) ||
        at * 1e3 > (double)PROM_TIME_MAX)
        return err_set(e, ERR_PROTOCOL, "", "the answer to the query for %s holds something that is no sample",
                       src->what);
    return sink->sample(sink->ctx, series, device, (int64_t)llround(at * 1e3), v, e);
}

static void call_it(const struct json_t *o, const struct prom_source *src, const struct prom_sink *sink, size_t series,
                    struct slice join)
{
    struct prom_labels l = {.series = series, .join = join};
    void *it = NULL;
    const char *key;
    const struct json_t *val;
    while (json_each(json_get(o, "metric"), &it, &key, &val)) {
        size_t n;
        const char *text = json_str_value(val, &n);
        if (text)
            series_label(&l.id, slice_of(key), (struct slice){text, n}, slice_of(src->join_label));
    }
    sink->labels(sink->ctx, &l);
}

static bool one_series(const struct prom_source *src, const struct json_t *o, size_t series,
                       const struct prom_sink *sink, struct err *e)
{
    size_t n = 0;
    const char *id = json_str(json_get(o, "metric"), src->join_label, &n);
    long device = id ? find(src, id, n) : -1;
    if (sink->labels)
        call_it(o, src, sink, series, (struct slice){id, id ? n : 0});
    if (!src->matrix)
        return one_sample(src, json_get(o, "value"), series, device, sink, e);
    const struct json_t *values = json_get(o, "values");
    if (!json_is_arr(values))
        return err_set(e, ERR_PROTOCOL, "", "the answer to the query for %s holds a series without values", src->what);
    for (size_t i = 0; i < json_len(values); i++)
        if (!one_sample(src, json_at(values, i), series, device, sink, e))
            return false;
    return true;
}

bool prom_read(const struct prom_source *src, const struct buf *body, const struct prom_sink *sink, char *warning,
               size_t n_warning, struct err *e)
{
    if (scan_answer(src, body, sink))
        return true;
    sink->restart(sink->ctx);
    char what[100];
    snprintf(what, sizeof what, "answer to the query for %s", src->what);
    struct json_t *doc = json_parse(body->data, body->len, PROM_ANSWER_MAX, what, e);
    if (!doc)
        return false;
    const struct json_t *data = json_get(doc, "data"), *result = json_get(data, "result");
    size_t n = 0;
    const char *type = json_str(data, "resultType", &n);
    bool ok = type && slice_is((struct slice){type, n}, src->matrix ? "matrix" : "vector") && json_is_arr(result);
    if (!ok)
        err_set(e, ERR_PROTOCOL, "write a query that gives one value for each device",
                "the query for %s does not give %s", src->what, src->matrix ? "a matrix" : "an instant vector");
    const char *w = json_str_value(json_at(json_get(doc, "warnings"), 0), &n);
    if (w)
        safe_text_into(warning, n_warning, w, n);
    for (size_t i = 0; ok && i < json_len(result); i++)
        ok = one_series(src, json_at(result, i), i, sink, e);
    json_free(doc);
    return ok;
}
