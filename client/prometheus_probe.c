/* For `andon doctor`: each query once, compared with the devices. Where devices have several series of a counter, a
 * range of their times as well: two exporters that are both alive take turns at being the newest, and the counter would
 * jump from one to the other (client/series.h). A release that changed turns once. */
#include <stdlib.h>
#include <string.h>
#include "client/prometheus_impl.h"
#include "core/text.h"

#define LOOKS      60
#define LOOK_MS    INT64_C(17000) /* a prime: looks fall everywhere between two scrapes, however often those are */
#define LABELS_MAX 160

/* One series of a device. */
struct turn_series {
    uint64_t own;
    struct slice text; /* labels, as long as the answer */
};
/* Which series of a device has the newest sample at a look. */
struct turn {
    int64_t at;
    uint32_t series; /* of turns.v */
};
struct turns {
    struct turn_series *v;
    size_t n, cap;
    struct turn *look; /* LOOKS for each device */
    struct prom_labels now;
    bool kept; /* the series that is being read is in v */
};

/* What a probe is made of, in the arena. */
struct probing {
    struct telemetry *t;
    const struct watch_set *devices;
    struct arena *arena;
    struct telemetry_probe *out;
    struct join_probe *join;
    backend_done done;
    void *ctx;
    int64_t at_ms; /* when the server evaluated the queries */
    struct reply first;
};

/* --- the queries --- */

static struct probing *probing_of(const struct prom_call *c)
{
    return c->ctx;
}

static bool probe_sample(struct prom_call *c, size_t q, size_t series, long device, int64_t at_ms, double v,
                         struct err *e)
{
    struct probing *p = probing_of(c);
    (void)series;
    (void)e;
    p->at_ms = at_ms > p->at_ms ? at_ms : p->at_ms;
    if (q != Q_TIME)
        join_probe_value(p->join, prom_column((int)q), device, v);
    else if (device >= 0 && prom_time_value(v) > p->out->newest)
        p->out->newest = prom_time_value(v);
    return true;
}

static void probe_labels(struct prom_call *c, size_t q, const struct prom_labels *l)
{
    if (q != Q_TIME)
        join_probe_count(probing_of(c)->join, prom_column((int)q), l->join, l->text);
}

static void probe_restart(struct prom_call *c, size_t q)
{
    if (q != Q_TIME)
        join_probe_uncount(probing_of(c)->join, prom_column((int)q));
}

static void probe_end(struct prom_call *c)
{
    struct probing *p = probing_of(c);
    join_probe_end(p->join);
    p->out->text = arena_printf(p->arena, "Prometheus at %s answers%s%s", http_peer_name(c->prom->peer),
                                c->warning[0] ? "; it warns: " : "", c->warning);
}

/* --- turns --- */

static void turns_labels(struct prom_call *c, size_t part, const struct prom_labels *l)
{
    struct turns *s = c->state;
    (void)part;
    s->now = *l;
    s->kept = false;
}

static bool turns_sample(struct prom_call *c, size_t part, size_t series, long device, int64_t at_ms, double v,
                         struct err *e)
{
    struct turns *s = c->state;
    int64_t look = LOOKS - 1 - (probing_of(c)->at_ms - at_ms) / LOOK_MS, at = prom_time_value(v);
    (void)part;
    (void)series;
    (void)e;
    if (device < 0 || look < 0 || look >= LOOKS || at == 0)
        return true;
    if (!s->kept) {
        if (s->n == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 256;
            s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
        }
        s->v[s->n++] = (struct turn_series){s->now.id.own, s->now.text};
        s->kept = true;
    }
    struct turn *to = &s->look[(size_t)device * LOOKS + (size_t)look];
    const struct turn_series *mine = &s->v[s->n - 1];
    /* Of one time are the parts of a whole: one stands for them. */
    if (at > to->at || (at == to->at && mine->own > s->v[to->series].own))
        *to = (struct turn){at, (uint32_t)(s->n - 1)};
    return true;
}

static void turns_restart(struct prom_call *c, size_t part)
{
    struct turns *s = c->state;
    (void)part;
    s->n = 0;
    memset(s->look, 0, c->n * LOOKS * sizeof *s->look);
}

/* Has a series come back after another? Its last turn, and the one before by another. */
static bool came_back(const struct turns *s, const struct turn *look, size_t *one, size_t *other)
{
    for (size_t i = 0; i < LOOKS; i++) {
        bool left = false;
        for (size_t k = i + 1; look[i].at && k < LOOKS; k++) {
            bool same = look[k].at && s->v[look[k].series].own == s->v[look[i].series].own;
            if (left && same) {
                *one = look[i].series;
                return true;
            }
            if (look[k].at && !same) {
                left = true;
                *other = look[k].series;
            }
        }
    }
    return false;
}

/* While the labels' bytes are there. */
static void turns_answered(struct prom_call *c, size_t part)
{
    const struct turns *s = c->state;
    struct telemetry_probe *out = c->out;
    (void)part;
    for (size_t i = 0; i < c->n; i++) {
        size_t one = 0, other = 0;
        if (!came_back(s, &s->look[i * LOOKS], &one, &other) || out->alternating++ > 0)
            continue;
        const struct slice a = s->v[one].text, b = s->v[other].text;
        if (!a.p || !b.p)
            continue;
        out->one = safe_text(c->arena, a.p, a.n, LABELS_MAX);
        out->other = safe_text(c->arena, b.p, b.n, LABELS_MAX);
    }
}

static void turns_end(struct prom_call *c)
{
    (void)c;
}

static void turns_drop(struct prom_call *c)
{
    struct turns *s = c->state;
    free(s->v);
    free(s->look);
}

/* What the queries gave stands, whatever becomes of this one. */
static void turns_done(void *ctx, const struct reply *r)
{
    const struct probing *p = ctx;
    if (r->err)
        p->out->text = arena_printf(p->arena, "%s; whether several series take turns could not be asked: %s",
                                    p->out->text, r->err->what);
    p->done(p->ctx, &p->first);
}

static void ask_turns(struct probing *p)
{
    char when[PROM_WHEN];
    struct prom_call *c = prom_call_new(p->t, p->devices, p->arena, p->out, turns_done, p);
    struct turns *s = xcalloc(1, sizeof *s);
    s->look = xcalloc(c->n * LOOKS + 1, sizeof *s->look);
    c->state = s;
    c->matrix = true;
    c->sample = turns_sample;
    c->labels = turns_labels;
    c->restart = turns_restart;
    c->answered = turns_answered;
    c->end = turns_end;
    c->drop = turns_drop;
    char *text = prom_expression(c, Q_TIME, 0);
    prom_ask(
        c, 0, prom_query_word(c->prom, Q_TIME), text,
        prom_span(when, (p->at_ms - (LOOKS - 1) * LOOK_MS) * US_PER_MS, p->at_ms * US_PER_MS, LOOK_MS * US_PER_MS));
    free(text);
    prom_call_go(c);
}

/* --- the probe --- */

static void probe_done(void *ctx, const struct reply *r)
{
    struct probing *p = ctx;
    const struct prom *o = (const struct prom *)p->t;
    bool several = false;
    join_probe_free(p->join);
    for (size_t q = 0; q < TELEMETRY_QUERIES; q++)
        several = several || (p->out->query[q].counter && p->out->query[q].several > 0);
    if (r->err || !several || !o->query[Q_TIME][0] || p->at_ms < LOOKS * LOOK_MS) {
        p->done(p->ctx, r);
        return;
    }
    p->first = *r;
    ask_turns(p);
}

void prom_probe(struct telemetry *t, const struct watch_set *devices, struct arena *a, struct telemetry_probe *out,
                backend_done done, void *ctx)
{
    struct prom *o = (struct prom *)t;
    struct probing *p = ARENA_NEW(a, struct probing);
    *p = (struct probing){.t = t, .devices = devices, .arena = a, .out = out, .done = done, .ctx = ctx};
    p->join = join_probe_new(out, &o->join, devices, a);
    struct prom_call *c = prom_call_new(t, devices, a, out, probe_done, p);
    c->sample = probe_sample;
    c->labels = probe_labels;
    c->restart = probe_restart;
    c->end = probe_end;
    for (int q = 0; q < o->n_queries; q++) {
        char *text = prom_expression(c, q, 10 * US_PER_MIN);
        if (*text && q != Q_TIME)
            join_probe_asked(p->join, prom_column(q), prom_query_word(o, q), o->counter[q], o->below[q]);
        prom_ask(c, (size_t)q, prom_query_word(o, q), text, "");
        free(text);
    }
    prom_call_go(c);
}
