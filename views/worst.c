/* Which metric a row of the board should show: the one that is worst, not always the same. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "core/text.h"
#include "views/app.h"

static struct worst of_figure(const struct figure *f)
{
    return (struct worst){.metric = f, .known = f != &figure_unknown, .name = f->brief};
}

static struct worst of_test(const struct wave_view *w, const struct evidence *e)
{
    struct worst out = of_figure(plots_figure(w, e->metric));
    if (!out.known)
        out.name = e->metric == ROW_SILENCE ? "quiet" : str(e->test);
    out.devices = e->canary;
    return out;
}

struct worst worst_of(const struct rollout_view *r, const struct wave_view *w)
{
    const struct stage_view *g = explain_stage(&r->trial, w->wave.index);
    const struct evidence *lead = g && g->leading >= 0 && (size_t)g->leading < g->n ? &g->v[g->leading] : NULL;
    const struct limit_view *worst = NULL;
    int severity = state_limit(LIMIT_OK).severity;
    for (size_t i = 0; g && i < g->n; i++) { /* the test that decided */
        if (*str(w->verdict.rule) && !strcmp(w->verdict.rule, str(g->v[i].test)))
            return of_test(w, &g->v[i]);
    }
    for (size_t i = 0; i < w->verdict.n_limits; i++) {
        const struct limit_view *l = &w->verdict.limits[i];
        if (!l->limit)
            continue;
        if (*str(w->verdict.rule) && !strcmp(w->verdict.rule, str(l->limit->id)))
            return of_figure(l->figure); /* the limit that decided */
        if (l->status != LIMIT_UNKNOWN && state_limit(l->status).severity < severity)
            worst = l, severity = state_limit(l->status).severity;
    }
    if (worst)
        return of_figure(worst->figure);
    /* Evidence of three or more begins to mean something. */
    if (lead && !lead->dismissed && lead->log_e > 1.1)
        return of_test(w, lead);
    return of_figure(wave_figure(w, FIGURE_REBOOTS));
}

void worst_text(char out[WORST_TEXT], const struct wave_view *v, const struct worst *w, bool blind, int cols)
{
    struct harm h = w->known && !blind ? harm_of_metric(w->metric, &v->health) : (struct harm){.ratio = NAN};
    char n[FMT_MAX];
    if (!w->known)
        fmt_count(n, w->devices);
    else if (w->metric->kind == FIGURE_SHARE) /* other devices install nothing */
        fmt_percent(n, blind ? NAN : v->health.value[w->metric->number]);
    else
        harm_fit(n, &h, cols - 4);
    int room = cols - 1 - text_width(n); /* the figure stays whole, for it is what one looks for */
    snprintf(out, WORST_TEXT, "%.*s %s", (int)text_fit(w->name, room > 3 ? room : 3), w->name, n);
}
