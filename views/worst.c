/* Which metric a row of the board should show: the one that is worst, not always the same. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "views/app.h"

static struct worst of_metric(enum metric m)
{
    static const char *const NAMES[METRIC_COUNT] = {"rbt", "cpu", "cpu", "var", "inst"};
    return (struct worst){.metric = m, .known = true, .name = NAMES[m]};
}

static struct worst of_test(const struct wave_view *w, const struct evidence *e, enum trial_test which)
{
    struct worst out = of_metric(METRIC_REBOOTS);
    if ((unsigned)which >= TEST_COUNT) /* a policy's own, or a fall */
        out = (struct worst){.name = str(e->test)};
    else if (which >= TEST_SILENT && which <= TEST_AWAY8)
        out = (struct worst){.name = "quiet"};
    else if (which == TEST_INSTALL)
        out = of_metric(METRIC_INSTALL_FAILED);
    else if (which == TEST_CPU || (which >= TEST_CPU125 && which <= TEST_CPU300))
        out = of_metric(plots_cpu(w));
    else if (which == TEST_VARIANCE || (which >= TEST_VAR4 && which <= TEST_STUCK))
        out = of_metric(METRIC_VARIANCE);
    out.devices = e->canary;
    return out;
}

struct worst worst_of(const struct rollout_view *r, const struct wave_view *w)
{
    const struct stage_view *g = explain_stage(&r->trial, w->wave.index);
    const struct evidence *lead = g && g->leading >= 0 && (size_t)g->leading < g->n ? &g->v[g->leading] : NULL;
    const struct limit *worst = NULL;
    int severity = state_limit(LIMIT_OK).severity;
    for (size_t i = 0; g && i < g->n; i++) { /* the test that decided */
        if (*str(w->verdict.rule) && !strcmp(w->verdict.rule, str(g->v[i].test)))
            return of_test(w, &g->v[i], g->which[i]);
    }
    for (size_t i = 0; i < w->verdict.n_limits; i++) {
        const struct limit_view *l = &w->verdict.limits[i];
        if (!l->limit || (unsigned)l->limit->metric >= METRIC_COUNT)
            continue;
        if (*str(w->verdict.rule) && !strcmp(w->verdict.rule, str(l->limit->id)))
            return of_metric(l->limit->metric); /* the limit that decided */
        if (l->status != LIMIT_UNKNOWN && state_limit(l->status).severity < severity)
            worst = l->limit, severity = state_limit(l->status).severity;
    }
    if (worst)
        return of_metric(worst->metric);
    /* Evidence of three or more begins to mean something. */
    if (lead && !lead->dismissed && lead->log_e > 1.1)
        return of_test(w, lead, g->which[g->leading]);
    return of_metric(METRIC_REBOOTS);
}

void worst_text(char out[WORST_TEXT], const struct wave_view *v, const struct worst *w, bool blind)
{
    struct harm h = w->known && !blind ? harm_of_metric(&v->health, w->metric) : (struct harm){.ratio = NAN};
    char n[FMT_MAX];
    if (!w->known)
        fmt_count(n, w->devices);
    else if (w->metric == METRIC_INSTALL_FAILED) /* other devices install nothing */
        fmt_percent(n, blind ? NAN : v->health.value[w->metric]);
    else
        harm_brief(n, &h);
    snprintf(out, WORST_TEXT, "%s %s", w->name, n);
}
