#include "cli/exporter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "web/web.h"

struct slot {
    const struct fleet_spec *spec;
    struct engine *en;
    char error[sizeof((struct err *)0)->what];
    struct metrics_counts counts;
};

struct exporter {
    struct web *web;
    pthread_mutex_t lock; /* held for copies only, never while a page is made */
    int64_t started;
    size_t n;
    struct slot *v;
};

/* A copy of everything, so that the page is made without the lock. */
struct copy {
    struct metrics_in in;
    struct metrics_fleet *v;
    struct slot *slots;
};

static void copy_take(struct exporter *x, struct copy *c)
{
    c->slots = xcalloc(x->n ? x->n : 1, sizeof *c->slots);
    c->v = xcalloc(x->n ? x->n : 1, sizeof *c->v);
    pthread_mutex_lock(&x->lock);
    memcpy(c->slots, x->v, x->n * sizeof *c->slots);
    pthread_mutex_unlock(&x->lock);
    c->in = (struct metrics_in){
        .v = c->v, .n = x->n, .now = clock_now(clock_real()), .wall = clock_wall(clock_real()), .started = x->started};
    for (size_t i = 0; i < x->n; i++) {
        const struct slot *s = &c->slots[i];

        c->v[i] = (struct metrics_fleet){.spec = s->spec,
                                         .snap = s->en ? engine_snapshot(s->en) : NULL,
                                         .error = s->error,
                                         .escalations = s->en ? engine_escalations(s->en) : 0,
                                         .counts = s->counts};
    }
}

static void copy_drop(struct copy *c)
{
    for (size_t i = 0; i < c->in.n; i++)
        snapshot_unref((struct snapshot *)c->v[i].snap);
    free(c->v);
    free(c->slots);
}

/* A reader that knows OpenMetrics says so; Prometheus does. */
static bool wants_openmetrics(const char *accept)
{
    return strstr(accept, "application/openmetrics-text") != NULL;
}

static void on_request(void *ctx, const struct web_request *r, struct web_answer *out)
{
    struct exporter *x = ctx;
    bool metrics = strcmp(r->path, "/metrics") == 0;
    struct copy c;

    if (!metrics && strcmp(r->path, "/healthz") != 0) {
        out->status = 404;
        buf_adds(&out->body, "there are /metrics and /healthz\n");
        return;
    }
    copy_take(x, &c);
    if (metrics) {
        bool om = wants_openmetrics(r->accept);
        out->type = om ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
        metrics_page(&c.in, om, &out->body);
    } else if (!metrics_health(&c.in, &out->body)) {
        out->status = 503;
    }
    copy_drop(&c);
}

struct exporter *exporter_open(const char *at, const struct fleets *f, struct err *e)
{
    struct exporter *x = xcalloc(1, sizeof *x);

    pthread_mutex_init(&x->lock, NULL);
    x->started = clock_wall(clock_real());
    x->n = f->n;
    x->v = xcalloc(f->n ? f->n : 1, sizeof *x->v);
    for (size_t i = 0; i < f->n; i++)
        exporter_fleet(x, i, &f->v[i]);
    x->web = web_listen(at, on_request, x, e);
    if (x->web)
        return x;
    exporter_close(x);
    return NULL;
}

void exporter_close(struct exporter *x)
{
    if (!x)
        return;
    web_close(x->web);
    pthread_mutex_destroy(&x->lock);
    free(x->v);
    free(x);
}

void exporter_fleet(struct exporter *x, size_t i, const struct fleet_run *r)
{
    pthread_mutex_lock(&x->lock);
    x->v[i].spec = r->spec;
    x->v[i].en = r->en;
    snprintf(x->v[i].error, sizeof x->v[i].error, "%s", r->en ? "" : r->err.what);
    pthread_mutex_unlock(&x->lock);
}

void exporter_count(struct exporter *x, size_t i, const struct metrics_counts *c)
{
    pthread_mutex_lock(&x->lock);
    x->v[i].counts = *c;
    pthread_mutex_unlock(&x->lock);
}

const char *exporter_address(const struct exporter *x)
{
    return web_address(x->web);
}

bool exporter_is_local(const struct exporter *x)
{
    return web_is_local(x->web);
}
