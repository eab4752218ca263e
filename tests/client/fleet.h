/* A back end on a scripted server: a table of answers by "METHOD path", all others 404 as Spring gives them. */
#ifndef TESTS_CLIENT_FLEET_H
#define TESTS_CLIENT_FLEET_H

#include "client/backend.h"
#include "hostile.h"

struct route {
    const char *request; /* "GET /rest/v1/rollouts/7", a final '*' matches any rest */
    int status;
    const char *body; /* NULL = none */
};

struct fleet {
    struct rig rig;
    const struct route *routes;
    struct backend *b;
    struct arena arena;
    bool done;
    struct reply reply;
    struct err err;
    char last_body[65536]; /* of the newest request that had one */
};

void fleet_init(struct fleet *f, const struct route *routes); /* ends with {0} */
void fleet_init_fn(struct fleet *f, hostile_fn fn, void *ctx);
void fleet_release(struct fleet *f);
/* Runs until the call under way has ended; `fleet_done` is its callback, the fleet its context. */
void fleet_wait(struct fleet *f);
void fleet_done(void *ctx, const struct reply *r);
#define FLEET_CALL(f, op, ...)                                                                                         \
    do {                                                                                                               \
        (f)->done = false;                                                                                             \
        (f)->b->ops->op((f)->b, __VA_ARGS__, fleet_done, (f));                                                         \
        fleet_wait(f);                                                                                                 \
    } while (0)

#endif
