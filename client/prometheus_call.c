#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/prometheus_impl.h"
#include "core/text.h"

#define EXPRESSION_MAX (6 * PROM_QUERY_MAX + 512) /* an expression three times, with what is around it */

const char *prom_query_word(const struct prom *o, int q)
{
    static const char *const words[] = {"reboots", "cpu", "variance", "time of sample"};
    return q < Q_COUNT ? words[q] : o->own[q - Q_COUNT];
}

struct prom_call *prom_call_new(struct telemetry *t, const struct watch_set *watch, struct arena *a, void *out,
                                backend_done done, void *ctx)
{
    struct prom_call *c = xcalloc(1, sizeof *c);
    c->prom = (struct prom *)t;
    c->watch = watch;
    c->n = watch ? watch_set_size(watch) : 0;
    c->cleared = watch ? watch->cleared : 0;
    c->arena = a;
    c->out = out;
    c->done = done;
    c->ctx = ctx;
    return c;
}

static void too_long(struct prom_call *c, const char *what)
{
    err_set(&c->err, ERR_LIMIT, "write a shorter query", "the query for %s is too long", what);
}

char *prom_expression(struct prom_call *c, int q, int64_t window_us)
{
    const struct prom *o = c->prom;
    int64_t rate = 4 * o->interval_us;
    rate = rate > 2 * US_PER_MIN ? rate : 2 * US_PER_MIN;
    const struct {
        const char *name;
        int64_t us; /* 0: the join label */
    } put[] = {{"$window", window_us < US_PER_S ? US_PER_S : window_us},
               {"$rate", rate},
               {"$before", rate + rate / 4},
               {"$label", 0}};
    struct buf out;
    buf_init(&out, 2 * PROM_QUERY_MAX);
    for (const char *s = o->query[q]; *s;) {
        size_t i = 0;
        while (i < sizeof put / sizeof *put && strncmp(s, put[i].name, strlen(put[i].name)) != 0)
            i++;
        if (i == sizeof put / sizeof *put)
            buf_addc(&out, *s++);
        else if (put[i].us > 0)
            buf_printf(&out, "%llds", (long long)(put[i].us / US_PER_S));
        else
            buf_adds(&out, o->join.label);
        if (i < sizeof put / sizeof *put)
            s += strlen(put[i].name);
    }
    if (out.over)
        too_long(c, prom_query_word(o, q));
    char *text = xstrdup(out.len ? out.data : "");
    buf_release(&out);
    return text;
}

/* Seconds with three decimals. Prometheus reads them as a double, which is exact to the millisecond. VictoriaMetrics
 * answers about the last half minute as of an earlier time, and shows the time that was asked for; not with nocache,
 * which others do not look at. */
#define SECONDS(us) (long long)((us) / US_PER_S), (long long)((us) % US_PER_S / US_PER_MS)

const char *prom_at(char out[PROM_WHEN], int64_t at)
{
    out[0] = '\0';
    if (at > 0)
        snprintf(out, PROM_WHEN, "&time=%lld.%03lld&nocache=1", SECONDS(at));
    return out;
}

const char *prom_span(char out[PROM_WHEN], int64_t from, int64_t to, int64_t step_us)
{
    snprintf(out, PROM_WHEN, "&start=%lld.%03lld&end=%lld.%03lld&step=%lld.%03lld&nocache=1", SECONDS(from),
             SECONDS(to), SECONDS(step_us));
    return out;
}

void prom_ask(struct prom_call *c, size_t i, const char *what, const char *expression, const char *when)
{
    struct buf path;
    if (!expression || !expression[0] || c->err.code != ERR_NONE)
        return;
    buf_init(&path, EXPRESSION_MAX * 3 + 256);
    buf_adds(&path, c->matrix ? "/api/v1/query_range?query=" : "/api/v1/query?query=");
    http_escape(&path, expression);
    buf_adds(&path, when);
    if (path.over || strlen(expression) >= EXPRESSION_MAX)
        too_long(c, what);
    else
        c->part[i] = (struct prom_part){.call = c, .what = what, .path = xstrdup(path.data)};
    buf_release(&path);
}

/* --- answers --- */

/* Prometheus refuses what would be too much in several ways: more than 11,000 points of a series (400), too many
 * samples (422), too long a time (503); Mimir and Thanos have limits of their own (422, 413). */
static bool too_much(int status, const char *cause)
{
    static const char *const words[] = {"too many", "exceed", "limit", "timed out", "too large", "too long"};
    if (status == 413)
        return true;
    if (status != 400 && status != 422 && status != 503)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(cause, words[i]))
            return true;
    return false;
}

/* {"status":"error","errorType":"bad_data","error":"..."} */
static void refused(const struct prom_call *c, const char *what, const struct http_answer *a, struct err *e)
{
    const char *peer = http_peer_name(c->prom->peer);
    struct json_t *doc = json_parse(a->body.data, a->body.len, 1 << 20, "error", NULL);
    size_t n;
    const char *s = json_str(doc, "error", &n);
    char cause[200] = "";
    if (s)
        safe_text_into(cause, sizeof cause, s, n);
    if (a->status == 401 || a->status == 403)
        err_set(e, a->status == 401 ? ERR_AUTH : ERR_FORBIDDEN, "check the credentials of the telemetry source",
                "%s refuses the query (%d)", peer, a->status);
    else if (too_much(a->status, cause))
        err_set(e, ERR_LIMIT, "raise --query.max-samples and --query.timeout of the server, or write a cheaper query",
                "the query for %s is too much for %s (%d)", what, peer, a->status);
    else if (s && (a->status == 400 || a->status == 422))
        err_set(e, ERR_SYNTAX, "correct the PromQL in the configuration", "%s does not accept the query for %s", peer,
                what);
    else if (a->status == 404)
        err_set(e, ERR_PROTOCOL, "check the URL: it must be the base under which /api/v1/query is found",
                "%s has no Prometheus API at this URL (404)", peer);
    else
        err_set(e, ERR_PROTOCOL, "look at the server's log", "the query for %s failed on %s (%d)", what, peer,
                a->status);
    if (cause[0])
        err_cause(e, "%s", cause);
    http_secret_cause(a, e);
    json_free(doc);
}

struct reading {
    struct prom_call *call;
    size_t part;
};

static bool take_sample(void *ctx, size_t series, long device, int64_t at_ms, double v, struct err *e)
{
    const struct reading *r = ctx;
    return r->call->sample(r->call, r->part, series, device, at_ms, v, e);
}

static void restart(void *ctx)
{
    const struct reading *r = ctx;
    r->call->restart(r->call, r->part);
}

static void take_labels(void *ctx, const struct prom_labels *l)
{
    const struct reading *r = ctx;
    r->call->labels(r->call, r->part, l);
}

static void read_answer(struct prom_call *c, size_t part, const struct http_answer *a, struct err *e)
{
    struct reading r = {c, part};
    struct prom_sink sink = {take_sample, restart, c->labels ? take_labels : NULL, &r};
    struct prom_source src = {.what = c->part[part].what,
                              .join_label = c->prom->join.label,
                              .join = &c->prom->join,
                              .watch = c->watch,
                              .n_watch = c->n,
                              .matrix = c->matrix};
    if (prom_read(&src, &a->body, &sink, c->warning, sizeof c->warning, e) && c->answered)
        c->answered(c, part);
}

/* --- the course of a call --- */

static void finish(struct prom_call *c)
{
    if (c->err.code == ERR_NONE && c->watch && c->watch->cleared != c->cleared)
        err_set(&c->err, ERR_CANCELLED, "", "the watched devices changed during the poll");
    if (c->err.code != ERR_NONE)
        c->reply.err = &c->err;
    else
        c->end(c);
    c->done(c->ctx, &c->reply);
    prom_grid_release(&c->grid);
    for (size_t i = 0; i < PROM_PARTS; i++)
        free(c->part[i].path);
    if (c->drop)
        c->drop(c);
    free(c->state);
    free(c);
}

static void fail(struct prom_call *c, const struct err *e)
{
    c->err = *e;
    for (size_t i = 0; i < PROM_PARTS; i++)
        if (c->part[i].pending)
            http_cancel(c->prom->base.http, c->part[i].id);
}

static void on_answer(void *ctx, const struct http_answer *a);

static void send_part(struct prom_part *p)
{
    struct prom_call *c = p->call;
    p->pending = true;
    c->pending++;
    unsigned flags = HTTP_SAFE | (c->slow ? HTTP_SLOW : 0U);
    p->id = http_send(c->prom->peer, "GET", p->path, NULL, PROM_ANSWER_MAX, flags, on_answer, p);
}

/* The parts from i on: all of them, or the next one. */
static void send_from(struct prom_call *c, size_t i)
{
    for (; i < PROM_PARTS; i++)
        if (c->part[i].path) {
            send_part(&c->part[i]);
            if (c->in_turn)
                return;
        }
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct prom_part *p = ctx;
    struct prom_call *c = p->call;
    struct err e = {0};
    p->pending = false;
    c->pending--;
    if (c->err.code == ERR_NONE) {
        c->reply.status = a->status;
        if (c->reply.sent_at == 0 || a->sent_at < c->reply.sent_at)
            c->reply.sent_at = a->sent_at;
        c->reply.answered_at = a->answered_at;
        reply_date(&c->reply, a);
        if (a->err)
            e = *a->err;
        else if (a->status != 200)
            refused(c, p->what, a, &e);
        else
            read_answer(c, (size_t)(p - c->part), a, &e);
        if (e.code != ERR_NONE)
            fail(c, &e);
        else if (c->in_turn)
            send_from(c, (size_t)(p - c->part) + 1);
    }
    if (c->pending == 0)
        finish(c);
}

void prom_call_go(struct prom_call *c)
{
    if (c->err.code == ERR_NONE) {
        send_from(c, 0);
        return;
    }
    c->part[0].call = c;
    c->part[0].pending = true;
    c->pending++;
    c->part[0].id = http_fail(c->prom->peer, &c->err, on_answer, &c->part[0]);
}
