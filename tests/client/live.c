#include "live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void live_open(struct live *l, const struct fleet_spec *spec)
{
    struct err e = {0};
    struct endpoint bare = {.url = spec->endpoint.url};
    *l = (struct live){.http = http_new(clock_real(), 1)};
    l->devices = http_peer_new(l->http, &bare, 2, &e);
    l->b = backend_open(l->http, spec, &e);
    if (!l->b || !l->devices)
        fail_msg("%s", e.what);
    arena_init(&l->arena);
}

void live_close(struct live *l)
{
    arena_release(&l->arena);
    backend_free(l->b);
    http_free(l->http);
}

void live_reply(void *ctx, const struct reply *r)
{
    struct live *l = ctx;
    l->done = true;
    l->err = r->err ? *r->err : (struct err){0};
    l->maybe_sent = r->maybe_sent;
}

void live_wait(struct live *l)
{
    while (!l->done)
        http_run(l->http, -1, clock_now(clock_real()) + US_PER_S, 0);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct live *l = ctx;
    l->done = true;
    l->status = a->status;
    snprintf(l->body, sizeof l->body, "%.*s", (int)a->body.len, a->body.len ? a->body.data : "");
}

int live_says(struct live *l, const char *method, const char *path, const char *body)
{
    l->done = false;
    http_send(l->devices, method, path, body, sizeof l->body - 1, 0, on_answer, l);
    live_wait(l);
    return l->status;
}

void live_stands(struct live *l, const struct release *r, const char *id, enum standing_at want)
{
    struct device_standing at[1];
    const char *const ids[] = {id};
    int64_t end = clock_now(clock_real()) + 20 * US_PER_S;
    do
        OK(l, standing, r, ids, 1, &l->arena, at);
    while (at[0].at != want && clock_now(clock_real()) < end);
    if (at[0].at != want)
        fail_msg("%s stands at %d, not at %d", id, at[0].at, want);
}

enum tell_outcome live_tell(struct live *l, const struct release *r, const char *id, const char *key, const char **undo)
{
    struct tell_result t[1];
    const char *const ids[] = {id};
    CALL(l, tell, r, ids, 1, key, &l->arena, t);
    if (undo)
        *undo = t[0].undo;
    return t[0].outcome;
}
