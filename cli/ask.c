#include "cli/ask.h"

#include "core/clock.h"

void ask_done(void *ctx, const struct reply *r)
{
    struct ask *q = ctx;

    q->done = true;
    q->took = r->answered_at - r->sent_at;
    q->date = r->server_date;
    skew_take(&q->skew, r->server_date, r->date_sent, r->date_answered);
    q->answered = clock_wall(clock_real());
    if (r->err)
        q->err = *r->err;
}

bool ask_wait(struct http *h, struct ask *q, int64_t timeout_us)
{
    int64_t until = clock_now(clock_real()) + timeout_us;

    while (!q->done && clock_now(clock_real()) < until)
        http_run(h, -1, until, 0);
    if (!q->done)
        err_set(&q->err, ERR_TIMEOUT, "Is the address right, and does a firewall drop the packets?",
                "no answer in time");
    return q->done && q->err.code == ERR_NONE;
}
