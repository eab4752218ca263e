/* A back end on a real server, with devices that the test plays on the server's other side. */
#ifndef TESTS_CLIENT_LIVE_H
#define TESTS_CLIENT_LIVE_H

#include "client/backend.h"

struct live {
    struct http *http;
    struct http_peer *devices; /* their side of the server */
    struct backend *b;
    struct arena arena;
    bool done;
    struct err err;
    bool maybe_sent;
    int status;
    char body[65536];
};

/* Opens the back end, and the devices' side at the same URL. */
void live_open(struct live *l, const struct fleet_spec *spec);
void live_close(struct live *l);
void live_reply(void *ctx, const struct reply *r);
void live_wait(struct live *l);
#define CALL(l, op, ...)                                                                                               \
    do {                                                                                                               \
        (l)->done = false;                                                                                             \
        (l)->b->ops->op((l)->b, __VA_ARGS__, live_reply, (l));                                                         \
        live_wait(l);                                                                                                  \
    } while (0)
#define OK(l, op, ...)                                                                                                 \
    do {                                                                                                               \
        CALL(l, op, __VA_ARGS__);                                                                                      \
        if ((l)->err.code != ERR_NONE)                                                                                 \
            fail_msg("%s: %s (%s)", #op, (l)->err.what, (l)->err.cause);                                               \
    } while (0)

/* A request of a device's: its status, and the answer in l->body. */
int live_says(struct live *l, const char *method, const char *path, const char *body);
/* Asks until the device stands there: a list of a moment ago may be what is looked at. */
void live_stands(struct live *l, const struct release *r, const char *id, enum standing_at want);
enum tell_outcome live_tell(struct live *l, const struct release *r, const char *id, const char *key,
                            const char **undo);

#endif
