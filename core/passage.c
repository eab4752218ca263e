#include "core/passage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/boots.h"
#include "core/err.h"

_Static_assert(sizeof(struct watched) <= 96, "a watched device costs at most 96 bytes");
_Static_assert(PASSAGE_COUNT + BULK_METRICS <= 16, "tests fit a device's marks");

#define LOOP_S   (30 * 60)
#define LONG_AGO (INT32_MIN / 2)

static const double cpu_level[] = {1.25, 1.5, 2, 3};
static const double var_level[] = {4, 8, 16};

double passage_ratio(enum passage k, double ratio)
{
    return k == PASSAGE_LOOP ? 1 : ratio;
}

void tail_init(struct tail *t, double ratio)
{
    memset(t, 0, sizeof *t);
    for (int k = 0; k < PASSAGE_COUNT; k++)
        eprocess_init(&t->e[k], passage_ratio((enum passage)k, ratio));
}

uint16_t passage_cpu_levels(double r)
{
    unsigned bits = 0;
    for (int l = 0; l < 4; l++)
        bits |= r >= cpu_level[l] ? PASSAGE_BIT(PASSAGE_CPU125 + l) : 0u;
    return (uint16_t)bits;
}

uint16_t passage_var_levels(double r)
{
    unsigned bits = r <= 1.0 / 16 ? PASSAGE_BIT(PASSAGE_STUCK) : 0u;
    for (int l = 0; l < 3; l++)
        bits |= r >= var_level[l] ? PASSAGE_BIT(PASSAGE_VAR4 + l) : 0u;
    return (uint16_t)bits;
}

void watched_restart(struct watched *w)
{
    w->boot_s[0] = w->boot_s[1] = LONG_AGO;
    w->cpu_sum = 0;
    w->cpu_n = 0;
    w->var_last = NAN;
    memset(w->sum, 0, sizeof w->sum);
    memset(w->count, 0, sizeof w->count);
    w->happened = w->risk = w->entered = w->carried = 0;
    w->boots = 0;
}

static int count_time(struct watched *w, double value, int64_t *since)
{
    struct boot_mark m = {w->counter, w->flags & WATCHED_MOVED};
    int boots = boot_mark_feed(&m, value, since);
    w->counter = m.at;
    w->flags = (uint8_t)((w->flags & ~WATCHED_MOVED) | (m.open ? WATCHED_MOVED : 0));
    return boots;
}

int watched_count(struct watched *w, double value, bool boot_time, int64_t *since)
{
    if (!isfinite(value))
        return 0;
    if (boot_time)
        return count_time(w, value, since);
    double before = w->counter, diff = value - before;
    w->counter = value;
    if (isnan(before))
        return 0;
    return diff < 0 ? 1 : diff > 100 ? 100 : (int)(diff + 0.5);
}

bool watched_booted(const struct watched *w)
{
    return w->boot_s[1] != LONG_AGO;
}

static uint16_t boot_levels(uint8_t boots)
{
    unsigned bits = 0;
    for (int l = 0; l < 4; l++)
        bits |= boots >= 1u << l ? PASSAGE_BIT(PASSAGE_BOOT1 + l) : 0u;
    return (uint16_t)bits;
}

uint16_t watched_boots(struct watched *w, int n, int32_t before_s, int32_t now_s)
{
    unsigned loop = 0;
    for (int i = 1; i <= n; i++) {
        int32_t at = before_s + (int32_t)((int64_t)(now_s - before_s) * i / n);
        if (at - w->boot_s[0] <= LOOP_S)
            loop = PASSAGE_BIT(PASSAGE_LOOP);
        w->boot_s[0] = w->boot_s[1];
        w->boot_s[1] = at;
        if (w->boots < UINT8_MAX)
            w->boots++;
    }
    return (uint16_t)(loop | boot_levels(w->boots));
}

uint16_t watched_shows(const struct watched *w)
{
    unsigned bits = PASSAGE_BIT(PASSAGE_SILENT);
    if (!isnan(w->counter))
        bits |= PASSAGE_BOOTS;
    if (w->cpu_base > 0)
        bits |= PASSAGE_CPUS;
    if (w->var_base > 0)
        bits |= PASSAGE_VARS;
    return (uint16_t)bits;
}

static enum side side_of(const struct watched *w)
{
    return w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL;
}

void risk_enter(struct risk *r, struct tail *t, struct watched *w, uint16_t kinds)
{
    enum side g = side_of(w);
    kinds = (uint16_t)(kinds & ~(w->happened | w->excluded | w->risk));
    for (int k = 0; kinds >> k; k++) {
        if (!(kinds & PASSAGE_BIT(k)))
            continue;
        r->y[w->stratum][k][g]++;
        if (!(w->entered & PASSAGE_BIT(k)))
            t->of[g][k]++;
    }
    w->risk |= kinds;
    w->entered |= kinds;
}

void risk_happen(struct risk *r, struct tail *t, struct watched *w, uint16_t kinds)
{
    enum side g = side_of(w);
    uint16_t count = (uint16_t)(kinds & ~w->happened & w->risk);
    for (int k = 0; count >> k; k++) {
        if (!(count & PASSAGE_BIT(k)))
            continue;
        r->d[w->stratum][k][g]++;
        t->had[g][k]++;
        r->touched = true;
    }
    w->happened |= kinds;
    w->carried |= count;
    w->risk = (uint16_t)(w->risk & ~count);
}

void risk_censor(struct risk *r, struct watched *w)
{
    enum side g = side_of(w);
    for (int k = 0; w->risk >> k; k++) {
        if (w->risk & PASSAGE_BIT(k)) {
            r->gone[w->stratum][k][g]++;
            r->touched = true;
        }
    }
    w->risk = 0;
}

static void keep(struct journal *j, size_t *room, const struct peek *p)
{
    if (*room == 0) {
        j->clipped = true;
        return;
    }
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 16;
        j->v = xreallocarray(j->v, j->cap, sizeof *j->v);
    }
    j->v[j->n++] = *p;
    --*room;
}

static bool close_one(struct risk *r, struct tail *t, struct journal *j, size_t *room, int32_t tick, int k, int i)
{
    int32_t *y = r->y[i][k], *d = r->d[i][k], *gone = r->gone[i][k];
    /* Where one side is empty there is nothing to compare, and the process stays as it is. */
    bool compared = d[0] + d[1] > 0 && y[0] > 0 && y[1] > 0;
    if (compared) {
        eprocess_logrank(&t->e[k], y[0], y[1], d[0], d[1]);
        t->carried[k] += d[0];
        keep(j, room, &(struct peek){tick, y[0], y[1], d[0], d[1], (uint8_t)k, (uint8_t)i});
    }
    for (int g = 0; g < 2; g++) {
        y[g] -= d[g] + gone[g];
        d[g] = gone[g] = 0;
    }
    return compared;
}

void risk_close(struct risk *r, struct tail *t, struct journal *j, size_t *room, int32_t tick)
{
    if (!r->touched)
        return;
    r->touched = false;
    for (int k = 0; k < PASSAGE_COUNT; k++) {
        bool changed = false;
        for (int i = 0; i < PASSAGE_STRATA; i++)
            changed |= close_one(r, t, j, room, tick, k, i);
        double now = changed ? eprocess_log(&t->e[k]) : 0;
        if (now > t->most[k])
            t->most[k] = now;
    }
}

void risk_count(struct risk *r, const struct watched *w, size_t n)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; w[i].risk >> k; k++)
            r->y[w[i].stratum][k][side_of(&w[i])] += w[i].risk >> k & 1;
}
