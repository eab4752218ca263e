#include "core/skew.h"

#include <stdio.h>
#include "core/clock.h"
#include "core/fmt.h"

#define DRIFT     2000             /* a clock may gain or lose one part in so many, by slewing */
#define READ_OVER (5 * US_PER_MIN) /* older readings say nothing of now */
#define LEAST     (2 * US_PER_S)
#define MOST      (30 * US_PER_S)

void skew_take(struct skew *s, int64_t date, int64_t sent, int64_t answered)
{
    if (date <= 0 || answered < sent)
        return;
    struct skew fresh = {.known = true, .low = date - answered, .high = date + US_PER_S - sent, .at = answered};
    int64_t age = answered - s->at;
    if (s->known && age >= 0 && age < READ_OVER) {
        int64_t low = s->low - age / DRIFT, high = s->high + age / DRIFT;
        low = low > fresh.low ? low : fresh.low;
        high = high < fresh.high ? high : fresh.high;
        if (low <= high) {
            fresh.low = low;
            fresh.high = high;
        }
    }
    *s = fresh;
}

struct skew skew_between(const struct skew *a, const struct skew *b)
{
    if (!a->known || !b->known)
        return (struct skew){.known = false};
    return (struct skew){
        .known = true, .low = b->low - a->high, .high = b->high - a->low, .at = a->at > b->at ? a->at : b->at};
}

bool skew_beyond(const struct skew *s, int64_t tolerance_us)
{
    return s->known && (s->low > tolerance_us || s->high < -tolerance_us);
}

int64_t skew_tolerance(int64_t grace_us)
{
    int64_t sixth = grace_us / 6;
    return sixth < LEAST ? LEAST : sixth > MOST ? MOST : sixth;
}

void skew_text(const struct skew *s, const char *a, const char *b, char *out, size_t size)
{
    char d[FMT_MAX];
    int64_t middle = s->low + (s->high - s->low) / 2, apart = middle < 0 ? -middle : middle;
    if (!s->known)
        snprintf(out, size, "how far %s clock is from %s is not known", b, a);
    else if (s->low <= 0 && s->high >= 0)
        snprintf(out, size, "%s clock and %s agree to within %s", b, a,
                 fmt_dur(d, s->high > -s->low ? s->high : -s->low));
    else
        snprintf(out, size, "%s clock is %s %s %s", b, fmt_dur(d, (apart + US_PER_S / 2) / US_PER_S * US_PER_S),
                 middle < 0 ? "behind" : "ahead of", a);
}

void skew_gate_take(struct skew_gate *g, const struct skew *s, int64_t tolerance_us, int64_t now)
{
    const unsigned all = (1U << SKEW_READINGS) - 1;
    if (!s->known)
        return;
    bool bad = skew_beyond(s, tolerance_us);
    g->bad = (g->bad << 1 | bad) & all;
    g->found = *s;
    if (!g->shut && bad && (g->readings == 0 || (g->bad & (g->bad - 1)) != 0)) {
        g->shut = true;
        g->since = now;
    } else if (g->shut && g->bad == 0 && g->readings >= SKEW_READINGS - 1) {
        g->shut = false;
    }
    g->readings += g->readings < SKEW_READINGS;
}
