#include "fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static bool matches(const char *pattern, const char *line)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return strncmp(pattern, line, n - 1) == 0;
    return strcmp(pattern, line) == 0;
}

static enum hostile_end route(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct fleet *f = ctx;
    char line[8300];
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    if (q->body[0])
        snprintf(f->last_body, sizeof f->last_body, "%s", q->body);
    for (const struct route *r = f->routes; r->request; r++)
        if (matches(r->request, line)) {
            hostile_answer(out, r->status, "application/json", r->body ? r->body : "");
            return HOSTILE_KEEP;
        }
    hostile_answer(out, 404, "application/json",
                   "{\"timestamp\":\"2026-11-21T02:35:42.624Z\",\"status\":404,\"error\":\"Not Found\"}");
    return HOSTILE_KEEP;
}

void fleet_init_fn(struct fleet *f, hostile_fn fn, void *ctx)
{
    struct err e = {0};
    rig_init(&f->rig, fn, ctx);
    struct fleet_spec spec = {.name = "test", .kind = "hawkbit", .endpoint = f->rig.endpoint};
    f->b = backend_open(f->rig.http, &spec, &e);
    if (!f->b)
        fail_msg("%s", e.what);
    arena_init(&f->arena);
}

void fleet_init(struct fleet *f, const struct route *routes)
{
    memset(f, 0, sizeof *f);
    f->routes = routes;
    fleet_init_fn(f, route, f);
}

void fleet_release(struct fleet *f)
{
    backend_free(f->b);
    rig_release(&f->rig);
    arena_release(&f->arena);
}

void fleet_done(void *ctx, const struct reply *r)
{
    struct fleet *f = ctx;
    assert_false(f->done); /* once */
    f->done = true;
    f->reply = *r;
    for (size_t i = 0; i < r->n_requests; i++)
        f->reply.requests[i].path = arena_strdup(&f->arena, r->requests[i].path);
    f->err = r->err ? *r->err : (struct err){0};
}

void fleet_wait(struct fleet *f)
{
    rig_run(&f->rig, &f->done);
}
