#include "core/column.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Of the built-in metrics; NULL: no column. */
static const char *const heads[METRICS_BUILTIN] = {[ROW_REBOOTS] = "rbt", [ROW_CPU] = "cpu", [ROW_VARIANCE] = "var"};

/* What the lists, their CSV and their order say beside metrics. */
static const char *const others[] = {"device", "id",   "wave", "state",     "status", "from",
                                     "now",    "note", "seen", "last-seen", NULL};

bool column_taken(const char *id)
{
    bool taken = false;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        taken = taken || (heads[i] && strcmp(id, heads[i]) == 0);
    for (size_t i = 0; others[i]; i++)
        taken = taken || strcmp(id, others[i]) == 0;
    return taken;
}

size_t column_rows(const struct evidence_policy *p, uint8_t out[METRICS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < metric_count(p); i++)
        if (i >= METRICS_BUILTIN || heads[i])
            out[n++] = (uint8_t)i;
    return n;
}

const char *column_head(const struct evidence_policy *p, size_t metric)
{
    return metric < METRICS_BUILTIN ? heads[metric] : metric_id(p, metric);
}

double column_value(const struct device_row *r, size_t metric)
{
    if (!r->metric)
        return NAN;
    const struct device_metric *m = &r->metric[metric];
    if (metric == ROW_VARIANCE)
        return m->base > 0 ? (double)(m->value / m->base) : NAN;
    return (double)m->value;
}

double column_base(const struct device_row *r, size_t metric)
{
    return r->metric ? (double)r->metric[metric].base : NAN;
}

double column_number(size_t metric, double value)
{
    return metric == ROW_CPU ? 100 * value : value;
}

const char *column_text(char out[FMT_MAX], size_t metric, double value)
{
    if (metric == ROW_CPU)
        return fmt_percent(out, value);
    /* A count is one, and no measurement with its digits. */
    return metric != ROW_VARIANCE && value == floor(value) && fabs(value) < 1e15 ? fmt_count(out, (int64_t)value)
                                                                                 : fmt_num(out, value);
}

void column_said(const struct evidence_policy *p, size_t metric, double value, double base, const char *when, char *out,
                 size_t size)
{
    char n[FMT_MAX], m[FMT_MAX];
    struct metric_def d;
    metric_get(p, metric, &d);
    column_text(n, metric, value);
    if (metric_kind_counts(d.kind))
        snprintf(out, size, "%.32s%s%.60s", n, *when ? " " : "", when);
    else if (metric == ROW_VARIANCE)
        snprintf(out, size, "%.32s of its own baseline", fmt_ratio(n, value));
    else
        snprintf(out, size, "%.32s%s%.32s  before %.32s", n, *d.unit ? " " : "", d.unit, column_text(m, metric, base));
}

double column_harm(const struct evidence_policy *p, const struct device_row *r, size_t metric)
{
    double v = column_value(r, metric);
    struct metric_def d;
    metric_get(p, metric, &d);
    if (d.worse == WORSE_DOWN)
        return -v;
    if (d.worse == WORSE_UP)
        return v;
    if (d.diff)
        return fabs(v - column_base(r, metric));
    double ratio = metric == ROW_VARIANCE ? v : v / column_base(r, metric);
    return ratio > 0 ? fabs(log(ratio)) : ratio == 0 ? INFINITY : NAN;
}

int column_find(const struct evidence_policy *p, const char *word, size_t len)
{
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(p, rows);
    for (int head = 0; head < 2; head++) /* what is sorted by is kept as an id: no head may hide one */
        for (size_t i = 0; i < n; i++) {
            const char *name = head ? column_head(p, rows[i]) : metric_id(p, rows[i]);
            if (strlen(name) == len && strncasecmp(word, name, len) == 0)
                return rows[i];
        }
    return -1;
}

/* ---- what is worst first ---- */

#define DECIDED 1e9 /* more than any share of evidence */
#define BREACH  1e8
#define BEGINS  1.1 /* evidence of three or more begins to mean something */

static double from_limits(const struct wave_view *w, size_t row)
{
    double worst = 0;
    for (size_t i = 0; i < w->verdict.n_limits; i++) {
        const struct limit_view *l = &w->verdict.limits[i];
        if (!l->limit || !l->figure || l->figure == &figure_unknown || l->figure->row != row)
            continue;
        double s = w->verdict.rule && *w->verdict.rule && strcmp(w->verdict.rule, l->limit->id) == 0 ? DECIDED
                   : l->status == LIMIT_BREACH                                                       ? BREACH
                   : l->status == LIMIT_PENDING                                                      ? 1
                                                                                                     : 0;
        worst = s > worst ? s : worst;
    }
    return worst;
}

static double from_tests(const struct wave_view *w, const struct stage_view *g, size_t row)
{
    double worst = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct evidence *e = &g->v[i];
        if (e->metric != row)
            continue;
        double s = w && w->verdict.rule && *w->verdict.rule && strcmp(w->verdict.rule, e->test) == 0 ? DECIDED
                   : !e->dismissed && e->log_e > BEGINS && e->log_pause > 0 ? e->log_e / e->log_pause
                                                                            : 0;
        worst = s > worst ? s : worst;
    }
    return worst;
}

size_t column_worst(const struct evidence_policy *p, const struct wave_view *w, const struct stage_view *g,
                    uint8_t out[METRICS_MAX])
{
    double score[METRICS_MAX];
    size_t n = column_rows(p, out);
    for (size_t i = 0; i < n; i++) {
        double a = w ? from_limits(w, out[i]) : 0, b = g ? from_tests(w, g, out[i]) : 0, s = a > b ? a : b;
        uint8_t row = out[i];
        size_t k = i;
        for (; k > 0 && score[k - 1] < s; k--) {
            score[k] = score[k - 1];
            out[k] = out[k - 1];
        }
        score[k] = s;
        out[k] = row;
    }
    return n;
}
