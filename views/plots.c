/* Canary beside control over time: three small charts, or one line each where there is no room. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/column.h"
#include "core/explain.h"
#include "core/harm.h"
#include "core/text.h"
#include "views/app.h"

/* The worst that there is of a figure, NULL. */
static const struct limit_view *worst_limit(const struct wave_view *w, const struct figure *m)
{
    const struct limit_view *worst = NULL;
    for (size_t i = 0; i < w->verdict.n_limits; i++) {
        const struct limit_view *l = &w->verdict.limits[i];
        if (l->limit && l->figure->number == m->number &&
            (!worst || state_limit(l->status).severity < state_limit(worst->status).severity))
            worst = l;
    }
    return worst;
}

/* Which of the two CPU figures is shown: the one that has a limit. */
static const struct figure *cpu(const struct wave_view *w)
{
    const struct figure *mean = wave_figure(w, FIGURE_CPU_MEAN), *p95 = wave_figure(w, FIGURE_CPU_P95);
    return worst_limit(w, mean) && !worst_limit(w, p95) ? mean : p95;
}

/* What the metric of a test is shown as. */
const struct figure *plots_figure(const struct wave_view *w, size_t row)
{
    if (row == ROW_CPU)
        return cpu(w);
    for (size_t i = 0; i < FIGURES_BUILTIN || i < w->n_figures; i++)
        if (wave_figure(w, i)->row == row && wave_figure(w, i) != &figure_unknown)
            return wave_figure(w, i);
    return &figure_unknown;
}

size_t plots_order(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w, const char *first,
                   const struct figure *out[METRICS_MAX])
{
    const struct evidence_policy *p = &snapshot_policy(s, r)->evidence;
    uint8_t rows[METRICS_MAX];
    int chosen = column_find(p, first, strlen(first));
    size_t n = column_rows(p, rows), count = 0;
    if (n > PLOTS)
        column_worst(p, w, explain_stage(&r->trial, w->wave.index), rows);
    for (size_t i = 1; i < n; i++)
        if (rows[i] == chosen) {
            memmove(rows + 1, rows, i);
            rows[0] = (uint8_t)chosen;
        }
    for (size_t i = 0; i < n; i++)
        if (plots_figure(w, rows[i]) != &figure_unknown)
            out[count++] = plots_figure(w, rows[i]);
    return count;
}

void plots_next(char metric[METRIC_ID_MAX + 1], const struct evidence_policy *p)
{
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(p, rows), at = 0;
    int m = column_find(p, metric, strlen(metric));
    while (m >= 0 && at < n && rows[at++] != m)
        ;
    snprintf(metric, METRIC_ID_MAX + 1, "%s", at < n ? metric_id(p, rows[at]) : "");
}

static const char *name_of(const struct figure *f, char out[80])
{
    static const char *const names[FIGURES_BUILTIN] = {"reboots / dev-day", "cpu mean", "cpu p95", "variance (norm.)",
                                                       "failed installs"};
    if (f->number < FIGURES_BUILTIN)
        return names[f->number];
    snprintf(out, 80, "%.36s%s%.36s", f->phrase, *f->unit && *f->unit != '/' ? " " : "", f->unit);
    return out;
}

/* Where the limit lies now, in the metric's own unit. */
static double limit_value(const struct wave_view *w, const struct figure *m)
{
    const struct limit_view *l = worst_limit(w, m);
    if (!l)
        return NAN;
    if (l->limit->basis == BASIS_ABSOLUTE)
        return l->limit->value;
    if (m->diff)
        return w->health.against[m->number] + l->limit->value;
    /* Beside a control of zero the ratio is a corrected one, and there is no such line. */
    return w->health.against[m->number] > 0 ? l->limit->value * w->health.against[m->number] : NAN;
}

struct scale {
    double low, top;
};

/* What the points lie between, and the limit where it is not far above them. From 0 on, but what is compared by
 * difference, or is below 0, has no such bottom. A margin shows the lowest of them, and that nothing is cut off. */
static struct scale scale_of(const struct wave_view *w, const struct figure *m, double limit)
{
    const float *const v[] = {w->trend[m->number], w->trend_control[m->number]};
    struct scale s = {INFINITY, -INFINITY};
    for (int i = 0; i < 2 * TREND_N; i++) {
        double at = (double)v[i / TREND_N][i % TREND_N];
        s.low = isfinite(at) && at < s.low ? at : s.low;
        s.top = isfinite(at) && at > s.top ? at : s.top;
    }
    bool any = s.low <= s.top;
    if (!m->diff && !(any && s.low < 0)) {
        double top = any ? s.top : 0;
        top = isfinite(limit) && limit < 3 * top && limit > top ? limit : top;
        return (struct scale){0, top > 0 ? top * 1.05 : 1};
    }
    if (isfinite(limit)) {
        s.low = !any || limit < s.low ? limit : s.low;
        s.top = !any || limit > s.top ? limit : s.top;
    } else if (!any) {
        return (struct scale){0, 1};
    }
    double margin = 0.05 * (s.top > s.low ? s.top - s.low : s.low < 0 || s.low > 0 ? fabs(s.low) : 1);
    return (struct scale){s.low - margin, s.top + margin};
}

/* Up to twice control where there is a bottom, so that "as control" is half height and only what is worse fills it. */
void plots_spark(struct canvas *c, int row, int col, int cols, enum role role, const struct wave_view *w,
                 const struct figure *m)
{
    const float *v = w->trend[m->number], *k = w->trend_control[m->number];
    struct scale s = scale_of(w, m, limit_value(w, m));
    float up[TREND_N], top = 0;
    for (int i = 0; i < TREND_N; i++) {
        up[i] = (float)((double)v[i] - s.low);
        top = isfinite(v[i]) && v[i] > top ? v[i] : top;
        top = isfinite(k[i]) && 2 * k[i] > top ? 2 * k[i] : top;
    }
    canvas_spark(c, row, col, cols, role, up, TREND_N, s.low < 0 || m->diff ? (float)(s.top - s.low) : top);
}

struct look plots_look(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w,
                       const struct figure *m)
{
    const struct limit_view *limit = worst_limit(w, m);
    const struct stage_view *g = explain_stage(&r->trial, w->wave.index);
    const struct policy *p = r->policy ? r->policy : s->policy ? s->policy : policy_default();
    struct look l = limit ? state_limit(limit->status) : (struct look){"", "no limit", ROLE_DIM, 9};
    enum reaction most = REACT_NONE;
    for (size_t i = 0; g && i < g->n; i++) {
        enum reaction is = explain_reaction(&p->evidence, &g->v[i]);
        if (g->v[i].metric != m->row || is <= most)
            continue;
        most = is; /* a limit that is broken stays; one that is not says nothing of what a test has found */
        if (!limit || limit->status == LIMIT_OK || (is >= REACT_PAUSE && limit->status != LIMIT_BREACH)) {
            l = state_reaction(is);
            l.word = str(g->v[i].test);
            l.role = r->trial.dry_run && l.role == ROLE_BAD ? ROLE_WARN : l.role;
        }
    }
    return l;
}

static void status(struct canvas *c, int row, int col, int cols, struct look l)
{
    canvas_printf(c, row, col, cols, l.role, "%s%s%s", l.glyph, *l.glyph ? " " : "", l.word);
}

/* A figure in at most so many columns. */
static const char *size_of(char out[FMT_MAX], const struct figure *m, double v, int cols)
{
    harm_value(out, m, v);
    return fmt_fit(out, v, cols);
}

enum { CHART_ROWS = 6 };

static void chart(struct canvas *c, int row, int col, int cols, const struct wave_view *w, const struct figure *m,
                  const char *name, struct look look, bool dim)
{
    char t[FMT_MAX], u[FMT_MAX], x[FMT_MAX];
    const float *v = w->trend[m->number], *k = w->trend_control[m->number];
    double lim = limit_value(w, m);
    struct scale s = scale_of(w, m, lim);
    double unit = CHART_ROWS / (s.top - s.low);
    /* A long name gives way to the limit, which is another one when it is cut. */
    int room = isfinite(lim) ? cols - 8 - text_width(size_of(t, m, lim, 6)) : cols;
    int used = canvas_text(c, row, col, room, ROLE_TEXT, name) + 2;
    if (isfinite(lim))
        canvas_printf(c, row, col + used, cols - used, ROLE_LIMIT, "limit %s", t);
    int plot = col + 6, width = cols - 7 < TREND_N ? cols - 7 : TREND_N;
    int lim_at = isfinite(lim) && lim <= s.top ? (int)((lim - s.low) * unit) : -1;
    for (int r = 0; r < CHART_ROWS; r++) {
        int level = CHART_ROWS - 1 - r; /* of this row, from below */
        int at = row + 1 + r;
        canvas_text(c, at, plot - 1, 1, ROLE_DIM, level == CHART_ROWS - 1 || level == 0 ? "┤" : "│");
        if (level == CHART_ROWS - 1)
            canvas_right(c, at, col, 5, ROLE_DIM, size_of(t, m, s.top, 5));
        else if (level == 0)
            canvas_right(c, at, col, 5, ROLE_DIM, size_of(t, m, s.low, 5));
        if (level == lim_at)
            canvas_right(c, at, col, 5, ROLE_LIMIT, "limit");
        for (int i = 0; i < width; i++) {
            int from = TREND_N - width + i;
            double hv = isfinite(v[from]) ? ((double)v[from] - s.low) * unit - level : -1;
            double hk = isfinite(k[from]) ? ((double)k[from] - s.low) * unit - level : -1;
            /* The higher shows above the lower: canary over control when worse, under it when better by a cell. */
            bool under = hk >= 0.5 && hk - hv >= 1;
            if (hv >= 1 && (under || hk < 0.5))
                canvas_fill(c, at, plot + i, 1, dim ? ROLE_STALE : ROLE_CANARY, 0x2588);
            else if (hk >= 0.5 && (hv < 0.5 || hv >= 1 || !under))
                canvas_fill(c, at, plot + i, 1, ROLE_CONTROL, 0x2591);
            else if (hv > 0)
                canvas_fill(c, at, plot + i, 1, dim ? ROLE_STALE : ROLE_CANARY, 0x2581 + (uint32_t)(hv * 7.99));
            else if (level == lim_at && i % 2 == 0)
                canvas_fill(c, at, plot + i, 1, ROLE_LIMIT, '-');
        }
    }
    enum role num = dim ? ROLE_STALE : ROLE_STRONG;
    struct harm harm = harm_of_metric(m, &w->health);
    int most = cols < 28 ? 5 : 6;
    used = canvas_printf(c, row + 1 + CHART_ROWS, col, cols, num, "%s vs %s  %s  ",
                         size_of(t, m, w->health.value[m->number], most),
                         size_of(u, m, w->health.against[m->number], most), harm_fit(x, &harm, 6));
    status(c, row + 1 + CHART_ROWS, col + used, cols - used, look);
}

/* Of which time the figures of the groups and of the limits are; "" where that is not known. */
const char *plots_when(const struct snapshot *s, char out[80])
{
    char w[FMT_MAX];
    out[0] = '\0';
    if (s->policy && s->policy->window_us > 0)
        snprintf(out, 80, "of the last %.30s", fmt_dur(w, s->policy->window_us));
    return out;
}

static const char *as_of(const struct wave_view *w)
{
    return w->health.control_frozen_at > 0 ? ", as last measured" : "";
}

/* The rule above the charts: of which time they are, and that there are more. */
static void title_of(const struct snapshot *s, struct canvas *c, int row, const char *title, size_t n)
{
    char when[80], right[120];
    snprintf(right, sizeof right, "%s%s", plots_when(s, when), n > PLOTS ? "   o next metric" : "");
    parts_rule(c, row, title, right);
}

void plots_draw(const struct view_data *d, const struct snapshot *s, struct canvas *c, int row,
                const struct rollout_view *r, const struct wave_view *w, const struct figure *const *v, size_t n_v)
{
    char title[200], n[FMT_MAX], k[FMT_MAX], name[80];
    bool dim = w->verdict.data_missing || state_stale(s, d->now);
    snprintf(title, sizeof title, "canary W%d █ %s      vs      control ░ %s%s", w->wave.index,
             fmt_count(n, w->health.canary.expected), fmt_count(k, w->health.control.expected), as_of(w));
    title_of(s, c, row, title, n_v);
    int each = (c->cols - 4) / PLOTS;
    if (each > 44)
        each = 44;
    for (int i = 0; i < PLOTS && (size_t)i < n_v; i++) {
        int col = 2 + i * each;
        chart(c, row + 1, col, each - 2, w, v[i], name_of(v[i], name), plots_look(s, r, w, v[i]), dim);
        for (int b = 0; i < PLOTS - 1 && b < CHART_ROWS + 2; b++)
            canvas_text(c, row + 1 + b, col + each - 2, 1, ROLE_DIM, "│");
    }
}

void plots_lines(const struct view_data *d, const struct snapshot *s, struct canvas *c, int row,
                 const struct rollout_view *r, const struct wave_view *w, const struct figure *const *v, size_t n_v)
{
    char title[120], n[FMT_MAX], k[FMT_MAX], t[FMT_MAX], name[80];
    bool dim = w->verdict.data_missing || state_stale(s, d->now);
    snprintf(title, sizeof title, "canary W%d %s vs control %s%s", w->wave.index,
             fmt_count(n, w->health.canary.expected), fmt_count(k, w->health.control.expected), as_of(w));
    title_of(s, c, row, title, n_v);
    int spark = c->cols >= 72 ? TREND_N : 8;
    for (int i = 0; i < PLOTS && (size_t)i < n_v; i++) {
        const struct figure *m = v[i];
        struct harm harm = harm_of_metric(m, &w->health);
        int at = row + 1 + i, col = 2;
        canvas_text(c, at, col, 17, ROLE_TEXT, name_of(m, name));
        col += 18;
        if (c->cols >= 60) {
            plots_spark(c, at, col, spark, dim ? ROLE_STALE : ROLE_CANARY, w, m);
            col += spark + 1;
        }
        col += canvas_printf(c, at, col, -1, dim ? ROLE_STALE : ROLE_STRONG, "%s vs %s  %s  ",
                             size_of(n, m, w->health.value[m->number], 6),
                             size_of(k, m, w->health.against[m->number], 6), harm_fit(t, &harm, 6));
        status(c, at, col, -1, plots_look(s, r, w, m));
    }
}
