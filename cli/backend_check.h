/* andon backend check: the clauses. */
#ifndef ANDON_CLI_BACKEND_CHECK_H
#define ANDON_CLI_BACKEND_CHECK_H

#include "cli/cli.h"
#include "client/backend.h"

/* How one question ended. */
struct asked {
    bool done;
    bool maybe_sent;
    struct err err;
};

struct check {
    const struct args *args;
    struct http *http;
    struct backend *b;
    int64_t timeout; /* us, for one answer */
    struct arena arena;
    struct json_out json;
    int passed, failed, skipped;
    /* what was learned on the way */
    struct backend_info info;
    struct release_list releases;
    struct device_list devices;
    struct device_info one;
};

enum clause { CLAUSE_OK, CLAUSE_FAIL, CLAUSE_SKIPPED };
/* One line; the reason where there is one. */
void clause(struct check *c, enum clause is, const char *name, const char *fmt, ...) ANDON_PRINTF(4, 5);
/* It holds, or does not: then the reason says what came instead. */
bool clause_if(struct check *c, bool holds, const char *name, const char *fmt, ...) ANDON_PRINTF(4, 5);
/* Lives in the check's arena: a question that is given up may still be answered. */
struct asked *asked_new(struct check *c);
void asked_done(void *ctx, const struct reply *r);
/* True: it was answered without an error. */
bool asked_wait(struct check *c, struct asked *q);
/* Asks, and waits: q->err tells. */
#define CHECK_ASK(c, q, op, ...)                                                                                       \
    ((q) = asked_new(c), (c)->b->ops->op((c)->b, __VA_ARGS__, asked_done, (q)), asked_wait(c, q))

/* Where one device stands; AT_UNKNOWN also when it cannot be asked. */
struct device_standing check_standing(struct check *c, const struct release *r, const char *raw_id);
/* All clauses. False: it does not even say what it is. */
bool check_run(struct check *c);
/* Tells, recalls, and looks: --play (cli/backend_play.c). */
void check_play(struct check *c);

#endif
