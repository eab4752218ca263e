/* What else lives on the loop of an http: plug-ins, answers that are held back. */
#include "client/http_impl.h"

void http_side_add(struct http *h, struct http_side *s)
{
    s->deadline = TIME_NEVER;
    s->next = h->sides;
    h->sides = s;
}

void http_side_drop(struct http *h, struct http_side *s)
{
    for (struct http_side **at = &h->sides; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            return;
        }
}

struct clock *http_clock(const struct http *h)
{
    return h->clock;
}

/* A callback may add and free sides: the search starts again after each. What it begins is due in the next turn. */
bool sides_deliver(struct http *h)
{
    bool any = false;
    for (struct http_side *s = h->sides; s;) {
        bool called = s->deliver(s);
        any = any || called;
        s = called ? h->sides : s->next;
    }
    return any;
}

unsigned sides_in_flight(const struct http *h)
{
    unsigned n = 0;
    for (const struct http_side *s = h->sides; s; s = s->next)
        n += s->in_flight;
    return n;
}

void sides_turn(struct http *h)
{
    for (struct http_side *s = h->sides; s; s = s->next)
        s->turn(s);
}

int64_t sides_deadline(const struct http *h, int64_t deadline)
{
    for (const struct http_side *s = h->sides; s; s = s->next)
        deadline = s->deadline < deadline ? s->deadline : deadline;
    return deadline;
}
