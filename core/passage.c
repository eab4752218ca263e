#include "core/passage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/boots.h"
#include "core/design.h"
#include "core/detmath.h"
#include "core/err.h"
#include "core/policy.h"

_Static_assert(sizeof(struct watched) <= 96, "a watched device costs at most 96 bytes");
_Static_assert(sizeof(struct series) == 28, "a gauge of a device costs 28 bytes");
_Static_assert(PASSAGE_COUNT <= 16, "built-in first passages fit a device's marks");
_Static_assert(DESIGN_EPOCHS <= UINT8_MAX, "an epoch's number fits");

#define LOOP_S   (30 * 60)
#define LONG_AGO (INT32_MIN / 2)

double passage_ratio(const struct metric_test *t, double ratio)
{
    return t->rule == RULE_LOOP ? 1 : ratio;
}

enum strata_by passage_by(int k)
{
    return k >= PASSAGE_BOOT1 && k <= PASSAGE_BOOT8    ? STRATA_BY_BOOTS
           : k >= PASSAGE_SILENT && k <= PASSAGE_AWAY8 ? STRATA_BY_CONTACT
                                                       : STRATA_BY_ATTRIBUTES;
}

void tail_init(struct tail *t, const struct evidence_policy *p)
{
    memset(t, 0, sizeof *t);
    for (int k = 0; k < metric_tests(p); k++) {
        const struct metric_test *test = metric_test(p, k);
        eprocess_init(&t->e[k], passage_ratio(test, p->tolerance[ROW_REBOOTS]));
        t->e[k].weight = design_weight(p->design, test);
        t->renewing |= design_renews(p->design, test) ? PASSAGE_BIT(k) : 0;
    }
    tail_shares(t, p);
}

void tail_shares(struct tail *t, const struct evidence_policy *p)
{
    for (uint64_t left = t->renewing; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        t->log_share[k] = det_log(design_epoch_share(p->design, metric_test(p, k), t->epoch));
    }
}

double tail_log(const struct tail *t, int k)
{
    return eprocess_log(&t->e[k]) + t->log_share[k];
}

bool tail_is_past(const struct tail *t, int k)
{
    return t->renewing & PASSAGE_BIT(k) && t->most[k] > 0 && t->most_epoch[k] < t->epoch;
}

const struct tail_count *tail_counts(const struct tail *t, int k)
{
    return tail_is_past(t, k) ? &t->best[k] : &t->now[k];
}

uint64_t tail_renew(struct tail *t, const struct evidence_policy *p, int epoch)
{
    uint64_t kept = 0;
    for (uint64_t left = t->renewing; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        if (!tail_is_past(t, k)) {
            t->best[k] = t->now[k];
            kept |= PASSAGE_BIT(k);
        }
        t->now[k] = (struct tail_count){.carried = 0};
        for (int j = 0; j < EPROCESS_GRID; j++)
            t->e[k].log_e[j] = 0;
    }
    t->epoch = epoch;
    tail_shares(t, p);
    return kept;
}

void gauge_init(struct gauge *g, const struct evidence_policy *p, size_t row)
{
    struct metric_def d;
    metric_get(p, row, &d);
    *g = (struct gauge){.row = (uint8_t)row,
                        .column = (uint8_t)metric_column(p, row),
                        .spread = d.kind == KIND_SPREAD,
                        .diff = d.diff,
                        .window_us = d.window_us,
                        .up = -1,
                        .down = -1};
    for (int i = 0; i < metric_tests(p) && g->n_levels < sizeof g->level / sizeof *g->level; i++) {
        const struct metric_test *t = metric_test(p, i);
        if (t->metric != row || t->rule != RULE_LEVEL)
            continue;
        g->level[g->n_levels].at = !t->down ? t->level : d.diff ? -t->level : 1.0 / t->level;
        g->level[g->n_levels].down = t->down;
        g->level[g->n_levels++].test = (uint8_t)i;
        g->levels |= PASSAGE_BIT(i);
    }
}

bool gauge_based(const struct gauge *g, double base)
{
    return g->diff ? isfinite(base) : base > 0;
}

double gauge_change(const struct gauge *g, double value, double base)
{
    return g->diff ? value - base : value / base;
}

uint64_t gauge_levels(const struct gauge *g, double r)
{
    uint64_t bits = 0;
    for (size_t l = 0; l < g->n_levels; l++)
        if (g->level[l].down ? r <= g->level[l].at : r >= g->level[l].at)
            bits |= PASSAGE_BIT(g->level[l].test);
    return bits;
}

void tally_init(struct tally *c, const struct evidence_policy *p, size_t row)
{
    *c = (struct tally){.row = (uint8_t)row, .column = (uint8_t)metric_column(p, row), .loop = -1};
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        if (t->metric != row)
            continue;
        c->tests |= PASSAGE_BIT(i);
        if (t->rule == RULE_LOOP) {
            c->loop = i;
        } else if (c->n_levels < METRIC_LEVELS) {
            c->level[c->n_levels].at = t->level;
            c->level[c->n_levels++].test = (uint8_t)i;
        }
    }
}

/* n events have happened between two samples, evenly spread as nothing more is known. Have three of them happened
 * within half an hour? */
static bool passage_loop(int32_t at_s[2], uint32_t n, int32_t before_s, int32_t now_s)
{
    bool loop = false;
    for (uint32_t i = 1; i <= n; i++) {
        int32_t at = before_s + (int32_t)((int64_t)(now_s - before_s) * i / n);
        loop |= at - at_s[0] <= LOOP_S;
        at_s[0] = at_s[1];
        at_s[1] = at;
    }
    return loop;
}

void counted_restart(struct counted *v)
{
    v->at_s[0] = v->at_s[1] = LONG_AGO;
    v->n = 0;
}

uint64_t tally_events(const struct tally *c, struct counted *v, uint32_t n, int32_t before_s, int32_t now_s)
{
    uint64_t bits = 0;
    /* Of many, the last hundred say whether three of them were close. */
    if (passage_loop(v->at_s, n < 100 ? n : 100, before_s, now_s) && c->loop >= 0)
        bits |= PASSAGE_BIT(c->loop);
    v->n = n > UINT32_MAX - v->n ? UINT32_MAX : v->n + n;
    for (size_t l = 0; l < c->n_levels; l++)
        if (v->n >= c->level[l].at)
            bits |= PASSAGE_BIT(c->level[l].test);
    return bits;
}

void series_restart(struct series *s, bool spread)
{
    s->open = spread ? NAN : 0;
    s->n = 0;
    memset(s->sum, 0, sizeof s->sum);
    memset(s->count, 0, sizeof s->count);
}

void watched_restart(struct watched *w)
{
    watched_set_times(w, (const int32_t[2]){LONG_AGO, LONG_AGO});
    series_restart(&w->cpu, false);
    series_restart(&w->var, true);
    w->happened = w->risk = w->entered = w->carried = 0;
    w->ranks = w->boots = 0;
}

void watched_renew(struct watched *w, struct watched_past *p, struct marks *m, uint64_t kinds, uint64_t kept)
{
    p->earlier = (uint16_t)((p->earlier & ~kept) | (w->carried & kept));
    w->happened = (uint16_t)(w->happened & ~kinds);
    w->risk = (uint16_t)(w->risk & ~kinds);
    w->entered = (uint16_t)(w->entered & ~kinds);
    w->carried = (uint16_t)(w->carried & ~kinds);
    p->boots = (uint8_t)(p->boots + w->boots > UINT8_MAX ? UINT8_MAX : p->boots + w->boots);
    w->boots = 0;
    if (!m)
        return;
    m->earlier = (m->earlier & ~kept) | (m->carried & kept);
    m->happened &= ~kinds;
    m->risk &= ~kinds;
    m->entered &= ~kinds;
    m->carried &= ~kinds;
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
    double before = w->counter;
    w->counter = value;
    return (int)counted_rise(before, value, 100);
}

bool watched_booted(const struct watched *w)
{
    return w->boot_s != LONG_AGO;
}

/* A gap of UINT16_MAX is far more than LOOP_S, as LONG_AGO is. */
void watched_times(const struct watched *w, int32_t out[2])
{
    out[1] = w->boot_s;
    out[0] = w->boot_gap_s == UINT16_MAX ? LONG_AGO : w->boot_s - w->boot_gap_s;
}

void watched_set_times(struct watched *w, const int32_t at_s[2])
{
    int64_t gap = (int64_t)at_s[1] - at_s[0];
    bool none = at_s[1] == LONG_AGO || gap < 0 || gap > UINT16_MAX;
    w->boot_s = at_s[1];
    w->boot_gap_s = none ? UINT16_MAX : (uint16_t)gap;
}

static uint64_t boot_levels(uint8_t boots)
{
    uint64_t bits = 0;
    for (int l = 0; l < 4; l++)
        bits |= boots >= 1u << l ? PASSAGE_BIT(PASSAGE_BOOT1 + l) : 0u;
    return bits;
}

uint64_t watched_boots(struct watched *w, int n, int32_t before_s, int32_t now_s)
{
    int32_t at_s[2];
    watched_times(w, at_s);
    bool loop = passage_loop(at_s, (uint32_t)n, before_s, now_s);
    watched_set_times(w, at_s);
    w->boots = w->boots + n > UINT8_MAX ? UINT8_MAX : (uint8_t)(w->boots + n);
    return (loop ? PASSAGE_BIT(PASSAGE_LOOP) : 0) | boot_levels(w->boots);
}

uint64_t watched_shows(const struct watched *w)
{
    uint64_t bits = PASSAGE_BIT(PASSAGE_SILENT) | PASSAGE_AWAYS;
    if (!isnan(w->counter))
        bits |= PASSAGE_BOOTS;
    if (w->cpu.base > 0)
        bits |= PASSAGE_CPUS;
    if (w->var.base > 0)
        bits |= PASSAGE_VARS;
    return bits;
}

static enum side side_of(const struct watched *w)
{
    return w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL;
}

static uint8_t stratum_of(const struct risk *r, const struct watched *w, int k)
{
    return r->strata.of[passage_by(k)][w->cell];
}

void risk_enter(struct risk *r, struct tail *t, struct watched *w, struct marks *m, uint64_t kinds)
{
    enum side g = side_of(w);
    uint64_t entered = w->entered | (m ? m->entered : 0);
    kinds &= ~risk_out_of(w, m);
    for (uint64_t left = kinds; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        r->y[stratum_of(r, w, k)][k][g]++;
        if (!(entered & PASSAGE_BIT(k)))
            t->now[k].of[g]++;
    }
    w->risk |= (uint16_t)(kinds & PASSAGE_BUILTIN);
    w->entered |= (uint16_t)(kinds & PASSAGE_BUILTIN);
    if (m) {
        m->risk |= kinds & ~PASSAGE_BUILTIN;
        m->entered |= kinds & ~PASSAGE_BUILTIN;
    }
}

void risk_happen(struct risk *r, struct tail *t, struct watched *w, struct marks *m, uint64_t kinds)
{
    enum side g = side_of(w);
    uint64_t count = kinds & ~(w->happened | (m ? m->happened : 0)) & risk_of(w, m);
    for (uint64_t left = count; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        r->d[stratum_of(r, w, k)][k][g]++;
        t->now[k].had[g]++;
        r->touched = true;
    }
    w->happened |= (uint16_t)(kinds & PASSAGE_BUILTIN);
    w->carried |= (uint16_t)(count & PASSAGE_BUILTIN);
    w->risk = (uint16_t)(w->risk & ~count);
    if (m) {
        m->happened |= kinds & ~PASSAGE_BUILTIN;
        m->carried |= count & ~PASSAGE_BUILTIN;
        m->risk &= ~count;
    }
}

void risk_censor(struct risk *r, struct watched *w, struct marks *m, uint64_t kinds)
{
    enum side g = side_of(w);
    for (uint64_t left = risk_of(w, m) & kinds; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        r->gone[stratum_of(r, w, k)][k][g]++;
        r->touched = true;
    }
    w->risk = (uint16_t)(w->risk & ~kinds);
    if (m)
        m->risk &= ~kinds;
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
        t->now[k].carried += d[0];
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
    for (int k = 0; k < r->kinds; k++) {
        bool changed = false;
        for (int i = 0; i < PASSAGE_STRATA; i++)
            changed |= close_one(r, t, j, room, tick, k, i);
        double now = changed ? tail_log(t, k) : 0;
        if (now > t->most[k]) {
            t->most[k] = now;
            t->most_epoch[k] = (uint8_t)t->epoch;
        }
    }
}

void risk_empty(struct risk *r, uint64_t kinds)
{
    for (int i = 0; i < PASSAGE_STRATA; i++)
        for (uint64_t left = kinds; left; left &= left - 1)
            memset(r->y[i][__builtin_ctzll(left)], 0, sizeof r->y[i][0]);
}

void risk_clear(struct risk *r)
{
    memset(r->y, 0, sizeof r->y);
    memset(r->d, 0, sizeof r->d);
    memset(r->gone, 0, sizeof r->gone);
    r->touched = false;
}

void risk_count(struct risk *r, const struct watched *w, const struct marks *m, size_t n)
{
    risk_clear(r);
    for (size_t i = 0; i < n; i++)
        for (uint64_t left = risk_of(&w[i], m ? &m[i] : NULL); left; left &= left - 1) {
            int k = __builtin_ctzll(left);
            r->y[stratum_of(r, &w[i], k)][k][side_of(&w[i])]++;
        }
}
