/* Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api), and whatever speaks it: Thanos, Mimir,
 * VictoriaMetrics. Four instant queries a poll, joined by label: reboots, CPU, variance, and the time of the sample.
 * The last is needed because an instant vector shows a silent device's old value for five minutes as if it were new. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/exposition.h"
#include "client/telemetry_impl.h"
#include "core/json.h"
#include "core/text.h"

#define VECTOR_MAX  ((size_t)128 << 20)
#define QUERY_BYTES 4096

enum query { Q_REBOOTS, Q_CPU, Q_VARIANCE, Q_TIME, Q_COUNT };

struct prom {
    struct telemetry base;
    struct http_peer *peer;
    char *join_label, *query[Q_COUNT]; /* "" = not asked */
    int64_t interval_us;
    bool boot_times;
    struct watch_set *known; /* the devices of boots[] */
    struct boot_counter *boots;
    size_t cap;
};

struct series {
    double sum;
    uint32_t n;
    int64_t t; /* of evaluation */
};

struct prom_poll {
    struct prom *prom;
    const struct watch_set *watch;
    struct arena *arena;
    struct sample_list *out;
    const char **text; /* of a probe */
    backend_done done;
    void *ctx;
    struct reply reply;
    struct err err;
    unsigned pending;
    struct part {
        struct prom_poll *poll;
        enum query q;
        uint64_t id;
        bool pending;
    } part[Q_COUNT];
    struct series *v[Q_COUNT]; /* one for each watched device */
    size_t n;                  /* devices in the set when the poll began */
    uint64_t cleared;          /* of the set, then */
    size_t unmatched, series, timed;
    char warning[200];
};

static const char *const query_name[] = {"reboots", "cpu", "variance", "time of sample"};

/* --- decoding --- */

static bool decode_one(struct prom_poll *p, enum query q, const struct json_t *o, struct err *e)
{
    const struct json_t *value = json_get(o, "value");
    double at, v;
    size_t n = 0, len = 0;
    const char *number = json_str_value(json_at(value, 1), &len);
    if (!json_num_value(json_at(value, 0), &at) || !number || !exposition_number(number, len, &v) || !(at > 0) ||
        at > 2.5e11)
        return err_set(e, ERR_PROTOCOL, "", "the answer to the query for %s holds something that is no sample",
                       query_name[q]);
    p->series++;
    const char *device = json_str(json_get(o, "metric"), p->prom->join_label, &n);
    long i = device && p->watch ? watch_set_find(p->watch, device, n) : -1;
    p->timed += q == Q_TIME;
    if (i < 0 || (size_t)i >= p->n) {
        p->unmatched++;
        return true;
    }
    struct series *s = &p->v[q][i];
    if (!isfinite(v))
        return true;
    s->sum = q == Q_TIME ? fmax(s->sum, v) : s->sum + v;
    s->n++;
    s->t = (int64_t)llround(at * 1e6);
    return true;
}

static void note_warning(struct prom_poll *p, const struct json_t *doc)
{
    size_t n;
    const char *w = json_str_value(json_at(json_get(doc, "warnings"), 0), &n);
    if (w)
        safe_text_into(p->warning, sizeof p->warning, w, n);
}

static bool decode(struct prom_poll *p, enum query q, const struct http_answer *a, struct err *e)
{
    char what[80];
    snprintf(what, sizeof what, "answer to the query for %s", query_name[q]);
    struct json_t *doc = json_parse(a->body.data, a->body.len, VECTOR_MAX, what, e);
    if (!doc)
        return false;
    const struct json_t *data = json_get(doc, "data"), *result = json_get(data, "result");
    size_t n = 0;
    const char *type = json_str(data, "resultType", &n);
    bool ok = type && strcmp(type, "vector") == 0 && json_is_arr(result);
    if (!ok)
        err_set(e, ERR_PROTOCOL, "write a query that gives one value for each device",
                "the query for %s does not give an instant vector", query_name[q]);
    note_warning(p, doc);
    for (size_t i = 0; ok && i < json_len(result); i++)
        ok = decode_one(p, q, json_at(result, i), e);
    json_free(doc);
    return ok;
}

/* {"status":"error","errorType":"bad_data","error":"..."} */
static bool refused(const struct prom_poll *p, enum query q, const struct http_answer *a, struct err *e)
{
    const char *peer = http_peer_name(p->prom->peer);
    struct json_t *doc = json_parse(a->body.data, a->body.len, 1 << 20, "error", NULL);
    size_t n;
    const char *s = json_str(doc, "error", &n);
    char cause[200] = "";
    if (s)
        safe_text_into(cause, sizeof cause, s, n);
    if (a->status == 401 || a->status == 403)
        err_set(e, a->status == 401 ? ERR_AUTH : ERR_FORBIDDEN, "check the credentials of the telemetry source",
                "%s refuses the query (%d)", peer, a->status);
    else if (s && (a->status == 400 || a->status == 422))
        err_set(e, ERR_SYNTAX, "correct the PromQL in the configuration", "%s does not accept the query for %s", peer,
                query_name[q]);
    else if (a->status == 404)
        err_set(e, ERR_PROTOCOL, "check the URL: it must be the base under which /api/v1/query is found",
                "%s has no Prometheus API at this URL (404)", peer);
    else
        err_set(e, ERR_PROTOCOL, "look at the server's log", "the query for %s failed on %s (%d)", query_name[q], peer,
                a->status);
    if (cause[0])
        err_cause(e, "%s", cause);
    json_free(doc);
    return false;
}

/* --- joining --- */

static double mean(const struct series *s)
{
    return s && s->n ? s->sum / s->n : (double)NAN;
}

static double reboots_of(struct prom_poll *p, size_t i)
{
    struct prom *o = p->prom;
    double v = mean(&p->v[Q_REBOOTS][i]);
    if (!o->boot_times || isnan(v))
        return v;
    /* A poll has a watch set from its start to its end. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    const struct watch_id *id = &p->watch->ids[i];
    size_t before = watch_set_size(o->known), k;
    k = watch_set_add_n(o->known, p->watch->bytes + id->at, id->n);
    if (k == before) {
        if (k == o->cap) {
            o->cap = o->cap ? o->cap * 2 : 256;
            o->boots = xreallocarray(o->boots, o->cap, sizeof *o->boots);
        }
        o->boots[k] = (struct boot_counter){0};
    }
    return boot_counter_feed(&o->boots[k], v);
}

static void make_rows(struct prom_poll *p)
{
    struct sample_list *out = p->out;
    size_t n = p->n;
    bool timed = p->timed > 0;
    if (!timed && p->series && !p->warning[0])
        snprintf(p->warning, sizeof p->warning, "%s",
                 "the time of the samples can't be told from these queries; a silent device looks alive for 5 minutes");
    out->v = ARENA_ARRAY(p->arena, struct sample_row, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        struct sample_row row = {.index = i};
        for (int q = 0; q < Q_TIME; q++)
            if (p->v[q][i].t > row.t)
                row.t = p->v[q][i].t;
        if (row.t == 0)
            continue;
        if (timed && p->v[Q_TIME][i].n == 0)
            continue; /* values of unknown age are no evidence of health */
        if (timed)
            row.t = (int64_t)llround(p->v[Q_TIME][i].sum * 1e6);
        row.reboots = reboots_of(p, i);
        row.cpu = mean(&p->v[Q_CPU][i]);
        row.variance = mean(&p->v[Q_VARIANCE][i]);
        out->v[out->n++] = row;
        if (row.t > out->newest)
            out->newest = row.t;
    }
    out->unmatched = p->unmatched;
    out->warning = arena_strdup(p->arena, p->warning);
}

/* --- the calls --- */

static void finish(struct prom_poll *p)
{
    if (p->err.code == ERR_NONE && p->watch && p->watch->cleared != p->cleared)
        err_set(&p->err, ERR_CANCELLED, "", "the watched devices changed during the poll");
    if (p->err.code != ERR_NONE)
        p->reply.err = &p->err;
    else if (p->out)
        make_rows(p);
    else
        *p->text =
            arena_printf(p->arena, "Prometheus at %s answers: %zu series for the query for reboots%s%s",
                         http_peer_name(p->prom->peer), p->series, p->warning[0] ? "; it warns: " : "", p->warning);
    p->done(p->ctx, &p->reply);
    for (int q = 0; q < Q_COUNT; q++)
        free(p->v[q]);
    free(p);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct part *part = ctx;
    struct prom_poll *p = part->poll;
    struct err e = {0};
    part->pending = false;
    p->pending--;
    if (p->err.code == ERR_NONE) {
        p->reply.status = a->status;
        if (p->reply.sent_at == 0 || a->sent_at < p->reply.sent_at)
            p->reply.sent_at = a->sent_at;
        p->reply.answered_at = a->answered_at;
        p->reply.server_date = a->server_date;
        if (a->err)
            e = *a->err;
        else if (a->status != 200)
            refused(p, part->q, a, &e);
        else
            (void)!decode(p, part->q, a, &e);
        if (e.code != ERR_NONE) {
            p->err = e;
            for (int q = 0; q < Q_COUNT; q++)
                if (p->part[q].pending)
                    http_cancel(p->prom->base.http, p->part[q].id);
        }
    }
    if (p->pending == 0)
        finish(p);
}

static void put_placeholders(struct buf *out, const char *template, int64_t window_us, int64_t rate_us,
                             const char *label)
{
    for (const char *s = template; *s;) {
        if (strncmp(s, "$window", 7) == 0) {
            buf_printf(out, "%llds", (long long)(window_us / US_PER_S > 0 ? window_us / US_PER_S : 1));
            s += 7;
        } else if (strncmp(s, "$rate", 5) == 0) {
            buf_printf(out, "%llds", (long long)(rate_us / US_PER_S));
            s += 5;
        } else if (strncmp(s, "$label", 6) == 0) {
            buf_adds(out, label);
            s += 6;
        } else {
            buf_addc(out, *s++);
        }
    }
}

static void ask(struct prom_poll *p, enum query q, int64_t at, int64_t window_us)
{
    struct prom *o = p->prom;
    struct buf text, path;
    buf_init(&text, QUERY_BYTES);
    buf_init(&path, QUERY_BYTES * 3 + 64);
    int64_t rate = 4 * o->interval_us;
    put_placeholders(&text, o->query[q], window_us, rate > 2 * US_PER_MIN ? rate : 2 * US_PER_MIN, o->join_label);
    buf_adds(&path, "/api/v1/query?query=");
    http_escape(&path, text.data);
    if (at > 0)
        buf_printf(&path, "&time=%lld.%03lld", (long long)(at / US_PER_S), (long long)(at % US_PER_S / US_PER_MS));
    p->part[q] = (struct part){.poll = p, .q = q, .pending = true};
    p->pending++;
    p->part[q].id = http_send(o->peer, "GET", path.data, NULL, VECTOR_MAX, HTTP_SAFE, on_answer, &p->part[q]);
    buf_release(&text);
    buf_release(&path);
}

static void prom_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us,
                      struct arena *a, struct sample_list *out, backend_done done, void *ctx)
{
    struct prom_poll *p = xcalloc(1, sizeof *p);
    *out = (struct sample_list){.warning = ""};
    p->prom = (struct prom *)t;
    p->watch = watch;
    p->n = watch_set_size(watch);
    p->cleared = watch->cleared;
    p->arena = a;
    p->out = out;
    p->done = done;
    p->ctx = ctx;
    for (int q = 0; q < Q_COUNT; q++) {
        p->v[q] = xcalloc(p->n + 1, sizeof *p->v[q]);
        if (p->prom->query[q][0])
            ask(p, (enum query)q, at, window_us);
    }
}

static void prom_probe(struct telemetry *t, struct arena *a, const char **out, backend_done done, void *ctx)
{
    struct prom_poll *p = xcalloc(1, sizeof *p);
    *out = "";
    p->prom = (struct prom *)t;
    p->arena = a;
    p->text = out;
    p->done = done;
    p->ctx = ctx;
    ask(p, Q_REBOOTS, 0, 10 * US_PER_MIN);
}

static void prom_free(struct telemetry *t)
{
    struct prom *o = (struct prom *)t;
    http_peer_free(o->peer);
    watch_set_free(o->known);
    free(o->boots);
    free(o->join_label);
    for (int q = 0; q < Q_COUNT; q++)
        free(o->query[q]);
    free(o);
}

/* timestamp() tells a sample's own time only when it is given a plain selector; of an expression it is the time of
 * evaluation, which is always now. */
static bool plain_selector(const char *q)
{
    return q[0] && !strpbrk(q, "()[]+*/%^ ");
}

static char *pick(const char *own, const char *preset)
{
    return xstrdup(own && own[0] ? own : preset);
}

static void choose_queries(struct prom *o, const struct telemetry_spec *spec, bool node)
{
    char text[QUERY_BYTES];
    o->query[Q_REBOOTS] = pick(spec->reboots, node ? "node_boot_time_seconds" : "device_reboots_total");
    o->boot_times = is_boot_time(o->query[Q_REBOOTS]);
    o->query[Q_CPU] = pick(spec->cpu, node ? "1 - avg by ($label) (rate(node_cpu_seconds_total{mode=\"idle\"}[$rate]))"
                                           : "device_cpu_ratio");
    snprintf(text, sizeof text, "stdvar_over_time(%s[$window])", spec->sensor);
    o->query[Q_VARIANCE] = pick(spec->variance, !node             ? "stdvar_over_time(device_sensor_value[$window])"
                                                : spec->sensor[0] ? text
                                                                  : "");
    const char *timed = plain_selector(o->query[Q_REBOOTS]) ? o->query[Q_REBOOTS]
                        : plain_selector(o->query[Q_CPU])   ? o->query[Q_CPU]
                                                            : "";
    snprintf(text, sizeof text, "timestamp(%s)", timed);
    o->query[Q_TIME] = xstrdup(timed[0] ? text : "");
}

struct telemetry *prometheus_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec, struct err *e)
{
    static const struct telemetry_ops ops = {
        .kind = "prometheus", .free = prom_free, .poll = prom_poll, .probe = prom_probe};
    (void)clock;
    bool node = strcmp(spec->preset, "node_exporter") == 0;
    if (!node && spec->preset[0] && strcmp(spec->preset, "device") != 0) {
        err_set(e, ERR_UNSUPPORTED, "use device or node_exporter", "there is no such preset");
        return NULL;
    }
    struct http_peer *peer = http_peer_new(h, &spec->endpoint, Q_COUNT, e);
    if (!peer)
        return NULL;
    struct prom *o = xcalloc(1, sizeof *o);
    o->base = (struct telemetry){.ops = &ops, .http = h};
    o->peer = peer;
    o->interval_us = spec->interval_us;
    o->known = watch_set_new();
    o->join_label = pick(spec->join_label, "device");
    choose_queries(o, spec, node);
    return &o->base;
}
