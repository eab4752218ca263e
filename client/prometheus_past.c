/* The day before a rollout: what a device's own baseline is, and who is not at risk any more when it starts. Instant
 * queries with subqueries around the configured expressions, so that the server does the averaging; their steps lie on
 * multiples since the epoch, so whoever asks about the same time gets the same answer. */
#include <math.h>
#include <stdlib.h>
#include "client/prometheus_impl.h"

enum past_part { P_CPU_BASE, P_VAR_BASE, P_CPU_HOUR, P_VAR_HOUR, P_BOOTS, P_BOOTS_DAY, P_AWAY, P_LAST, P_COUNT };
/* Behind them of each of the policies' own metrics its day and its hour. */
#define P_DAY(i)  ((size_t)P_COUNT + 2 * (size_t)(i))
#define P_HOUR(i) (P_DAY(i) + 1)
#define P_MAX     (P_COUNT + 2 * METRICS_OWN)
_Static_assert(P_MAX <= PROM_PARTS, "a call has room for all queries");

/* In the following, $ is the configured expression. A mean over a day needs an hour of data. */
#define DAY_MEAN  "avg_over_time(($)[24h:5m]) and count_over_time(($)[24h:5m]) >= 12"
#define HOUR_MEAN "avg_over_time(($)[1h:5m])"
/* Boots in an hour, minute by minute against the last value before: rises of a counter, and a fall (it was reset) for
 * one. Ten minutes without samples, as devices are while they boot, hide none. A boot time by the rule of core/boots.h,
 * as far as it can be told here: it moves to later than the sample before, of which the time is not known after a gap
 * of five minutes, nor while a clock is not set (before 2001): then to within eleven minutes. Of an expression: its
 * changes. */
#define BEFORE      "last_over_time($[10m] offset 1m)"
#define BOOTS       "sum_over_time(clamp_min($ - " BEFORE ", 0)[1h:1m]) + resets($[1h])"
#define COUNTED     "(timestamp($ offset 1m) and $ offset 1m > 1e9 or " BEFORE " * 0 + time() - 660)"
#define BOOT_TIMES  "sum_over_time((($ - " BEFORE " > bool 5) * ($ > bool " COUNTED " - 5))[1h:1m])"
#define EXPRESSIONS "changes(($)[1h:1m])"
/* The same of a day, coarser: it tells rare from frequent. Of a boot time by the same rule. */
#define BOOTS_DAY       "increase($[24h]) + resets($[24h])"
#define BEFORE_DAY      "last_over_time($[10m] offset 5m)"
#define COUNTED_DAY     "(timestamp($ offset 5m) and $ offset 5m > 1e9 or " BEFORE_DAY " * 0 + time() - 900)"
#define BOOT_TIMES_DAY  "sum_over_time((($ - " BEFORE_DAY " > bool 5) * ($ > bool " COUNTED_DAY " - 5))[24h:5m])"
#define EXPRESSIONS_DAY "changes(($)[24h:5m])"
#define AWAY_DAY        "clamp_min(1 - count_over_time(($)[24h:5m]) / 288, 0)"

struct past {
    struct prom_cells part[P_MAX];
    size_t matched; /* samples of watched devices */
};

static bool past_sample(struct prom_call *c, size_t part, size_t series, long device, int64_t at_ms, double v,
                        struct err *e)
{
    struct past *p = c->state;
    (void)at_ms;
    (void)e;
    if (device < 0)
        return true;
    p->matched++;
    if (part != P_LAST)
        prom_cells_put(&p->part[part], (size_t)device, series, v);
    else if (prom_time_value(v))
        prom_cells_put_max(&p->part[part], (size_t)device, v);
    return true;
}

static void past_labels(struct prom_call *c, size_t part, const struct prom_labels *l)
{
    struct past *p = c->state;
    prom_cells_called(&p->part[part], l);
}

static void past_restart(struct prom_call *c, size_t part)
{
    struct past *p = c->state;
    prom_cells_clear(&p->part[part]);
}

static void past_answered(struct prom_call *c, size_t part)
{
    struct past *p = c->state;
    prom_cells_settle(&p->part[part]);
}

static void past_end(struct prom_call *c)
{
    const struct past *p = c->state;
    struct past_list *out = c->out;
    out->known = p->matched > 0;
    int own = c->prom->n_queries - Q_COUNT;
    tick_in(c->arena, &out->day, 0, c->n, (size_t)COL_BUILTIN + (size_t)own);
    tick_in(c->arena, &out->hour, 0, c->n, (size_t)COL_BUILTIN + (size_t)own);
    out->away = ARENA_ARRAY(c->arena, double, c->n + 1);
    for (size_t i = 0; i < c->n; i++) {
        double *day = tick_row(&out->day, i);
        double *hour = tick_put(&out->hour, i, p->part[P_LAST].count[i] ? prom_time_value(p->part[P_LAST].v[i]) : 0);
        day[COL_REBOOTS] = prom_cells_counter(&p->part[P_BOOTS_DAY], NULL, i, false);
        day[COL_CPU] = prom_cells_mean(&p->part[P_CPU_BASE], i);
        day[COL_VARIANCE] = prom_cells_mean(&p->part[P_VAR_BASE], i);
        hour[COL_REBOOTS] = prom_cells_counter(&p->part[P_BOOTS], NULL, i, false);
        hour[COL_CPU] = prom_cells_mean(&p->part[P_CPU_HOUR], i);
        hour[COL_VARIANCE] = prom_cells_mean(&p->part[P_VAR_HOUR], i);
        out->away[i] = prom_cells_mean(&p->part[P_AWAY], i);
        for (int k = 0; k < own; k++) {
            day[COL_BUILTIN + k] = prom_cells_mean(&p->part[P_DAY(k)], i);
            hour[COL_BUILTIN + k] = c->prom->counter[Q_COUNT + k]
                                        ? prom_cells_counter(&p->part[P_HOUR(k)], NULL, i, false)
                                        : prom_cells_mean(&p->part[P_HOUR(k)], i);
        }
    }
}

static void past_drop(struct prom_call *c)
{
    struct past *p = c->state;
    for (size_t i = 0; i < P_MAX; i++)
        prom_cells_release(&p->part[i]);
}

static void ask_about(struct prom_call *c, size_t part, const char *what, int q, const char *template,
                      int64_t window_us, const char *when)
{
    char *expr = prom_expression(c, q, window_us);
    struct buf b;
    buf_init(&b, 8 * PROM_QUERY_MAX);
    for (const char *s = template; expr[0] && *s; s++)
        if (*s == '$')
            buf_adds(&b, expr);
        else
            buf_addc(&b, *s);
    if (b.over)
        err_set(&c->err, ERR_LIMIT, "write a shorter query", "the query for %s is too long", what);
    prom_ask(c, part, what, b.len ? b.data : "", when);
    buf_release(&b);
    free(expr);
}

void prom_past(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
               struct past_list *out, backend_done done, void *ctx)
{
    char when[PROM_WHEN];
    struct prom_call *c = prom_call_new(t, watch, a, out, done, ctx);
    struct past *p = xcalloc(1, sizeof *p);
    bool plain = is_plain_selector(c->prom->query[Q_REBOOTS]);
    *out = (struct past_list){0};
    for (size_t i = 0; i < P_COUNT; i++)
        prom_cells_init(&p->part[i], c->n, i == P_BOOTS || i == P_BOOTS_DAY);
    for (int k = 0; k < c->prom->n_queries - Q_COUNT; k++) {
        prom_cells_init(&p->part[P_DAY(k)], c->n, false);
        prom_cells_init(&p->part[P_HOUR(k)], c->n, c->prom->counter[Q_COUNT + k]);
    }
    c->state = p;
    c->in_turn = c->slow = true; /* a day of a large fleet takes seconds, and a minute of a very large one */
    c->sample = past_sample;
    c->labels = past_labels;
    c->restart = past_restart;
    c->answered = past_answered;
    c->end = past_end;
    c->drop = past_drop;
    prom_at(when, at);
    ask_about(c, P_CPU_BASE, "cpu of a day", Q_CPU, DAY_MEAN, window_us, when);
    ask_about(c, P_VAR_BASE, "variance of a day", Q_VARIANCE, DAY_MEAN, window_us, when);
    ask_about(c, P_CPU_HOUR, "cpu of an hour", Q_CPU, HOUR_MEAN, window_us, when);
    ask_about(c, P_VAR_HOUR, "variance of an hour", Q_VARIANCE, HOUR_MEAN, window_us, when);
    ask_about(c, P_BOOTS, "reboots of an hour", Q_REBOOTS,
              !plain                ? EXPRESSIONS
              : c->prom->boot_times ? BOOT_TIMES
                                    : BOOTS,
              window_us, when);
    ask_about(c, P_BOOTS_DAY, "reboots of a day", Q_REBOOTS,
              !plain                ? EXPRESSIONS_DAY
              : c->prom->boot_times ? BOOT_TIMES_DAY
                                    : BOOTS_DAY,
              window_us, when);
    ask_about(c, P_AWAY, "silence of a day", Q_TIME, AWAY_DAY, window_us, when);
    ask_about(c, P_LAST, "time of sample", Q_TIME, "$", window_us, when);
    for (int k = 0; k < c->prom->n_queries - Q_COUNT; k++) {
        int q = Q_COUNT + k;
        if (c->prom->counter[q]) {
            ask_about(c, P_HOUR(k), c->prom->own[k], q, is_plain_selector(c->prom->query[q]) ? BOOTS : EXPRESSIONS,
                      window_us, when);
            continue;
        }
        ask_about(c, P_DAY(k), c->prom->own[k], q, DAY_MEAN, window_us, when);
        ask_about(c, P_HOUR(k), c->prom->own[k], q, HOUR_MEAN, window_us, when);
    }
    prom_call_go(c);
}
