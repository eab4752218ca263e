#include "core/boots.h"

#include <math.h>
#include "core/clock.h"

#define MOVED 5.0 /* seconds: clocks jitter and are slewed */
#define SLACK 5.0 /* between the device's clock and the one that gives samples their time */
#define UNSET 1e9 /* 2001: a clock that shows less is not set */

int boot_mark_feed(struct boot_mark *m, double boot_time, int64_t *since)
{
    if (!isfinite(boot_time))
        return 0;
    double before = (double)*since / US_PER_S, counted = m->open ? m->at : before - SLACK;
    bool first = isnan(m->at), moved = m->open || fabs(boot_time - m->at) > MOVED;
    if (!first && moved && !(boot_time > counted)) {
        if (!m->open)
            *m = (struct boot_mark){before, true};
        return 0;
    }
    if (m->open) { /* it was not before what the time of boot now says, however long ago the clock was moved */
        double from = boot_time - SLACK < before ? boot_time - SLACK : before;
        *since = (int64_t)((from > m->at ? from : m->at) * US_PER_S);
    }
    /* A clock that is slewed in small steps must not add up to a boot: the mark follows. */
    *m = (struct boot_mark){boot_time, false};
    return !first && moved;
}

double boot_counter_feed(struct boot_counter *c, int64_t t, double boot_time)
{
    if (!isfinite(boot_time))
        return NAN;
    if (c->t == 0)
        c->mark = (struct boot_mark){NAN, false};
    if (t > c->t) {
        int64_t since = c->t;
        c->boots += boot_mark_feed(&c->mark, boot_time, &since);
        c->t = t;
    }
    return boot_time < UNSET ? NAN : c->boots;
}
