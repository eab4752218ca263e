/* One question to a server, waited for: for commands that need a plain answer and no engine (`andon doctor`, and to
 * learn why something could not be read). */
#ifndef ANDON_CLI_ASK_H
#define ANDON_CLI_ASK_H

#include "client/backend.h"
#include "client/http.h"
#include "core/skew.h"

struct ask {
    bool done;
    struct err err;
    int64_t took;     /* us */
    int64_t date;     /* the server's Date header, us since 1970, 0 = none */
    struct skew skew; /* of the server's clock */
    int64_t answered; /* this host's wall clock when it came, us since 1970 */
};

/* The callback of the question; ctx is the struct ask, which must live until ask_wait or until http is freed. */
void ask_done(void *ctx, const struct reply *r);
/* Runs http until the answer is there. False with q->err filled: it failed, or did not come in time. */
bool ask_wait(struct http *h, struct ask *q, int64_t timeout_us);

#endif
