#include "core/ledger.h"

#include <math.h>
#include <string.h>

bool ledger_init(struct ledger *l, double alpha, double reserve, int waves, const double share[LEDGER_METRICS],
                 double install)
{
    double sum = install;
    for (int m = 0; m < LEDGER_METRICS; m++) {
        if (!(share[m] >= 0))
            return false;
        sum += share[m];
    }
    if (!(alpha > 0 && alpha < 1) || !(reserve >= 0 && reserve < 1) || waves < 1 || waves > LEDGER_WAVES ||
        !(install >= 0) || sum > 1 + 1e-12)
        return false;
    *l = (struct ledger){.alpha = alpha, .reserve = reserve, .waves = waves, .install = install};
    memcpy(l->share, share, LEDGER_METRICS * sizeof *share);
    l->metrics = LEDGER_METRICS;
    return true;
}

int ledger_row(size_t metric)
{
    return metric < ROW_INSTALL    ? (int)metric
           : metric == ROW_INSTALL ? -1
                                   : LEDGER_METRICS + (int)metric - METRICS_BUILTIN;
}

size_t ledger_metric(int m)
{
    return m < LEDGER_METRICS ? (size_t)m : (size_t)(METRICS_BUILTIN + m - LEDGER_METRICS);
}

double ledger_alpha(const struct ledger *l, int s, int m)
{
    if (s < 0 || s >= l->waves || m < 0 || m >= l->metrics)
        return 0;
    /* 2^-s over the sum of 2^-0 .. 2^-(waves-1); all exact in binary */
    double weight = ldexp(1, -s) / (2 - ldexp(1, 1 - l->waves));
    return l->alpha * (1 - l->reserve) * weight * (s < l->added_from ? l->share[m] : l->share[m] + l->added[m]);
}

double ledger_install(const struct ledger *l)
{
    return l->alpha * (1 - l->reserve) * l->install;
}

/* From the reserve; false, and nothing taken, when not so much is left of it. */
static bool ledger_draw(struct ledger *l, double alpha)
{
    if (!(alpha > 0) || l->drawn + alpha > l->alpha * l->reserve * (1 + 1e-12))
        return false;
    l->drawn += alpha;
    return true;
}

bool ledger_add(struct ledger *l, const double added[LEDGER_ALL], int from)
{
    struct ledger after = *l;
    double before = ledger_total(l);
    for (int m = 0; m < LEDGER_ALL; m++)
        if (!(added[m] >= 0) || l->added[m] > 0 || (m >= l->metrics && added[m] > 0))
            return false;
    if (from < 0 || from >= l->waves)
        return false;
    memcpy(after.added, added, sizeof after.added);
    after.added_from = from;
    if (!ledger_draw(&after, ledger_total(&after) - before))
        return false;
    *l = after;
    return true;
}

bool ledger_has(const struct ledger *l, const double added[LEDGER_ALL], int from)
{
    bool same = l->added_from == from;
    for (int m = 0; m < LEDGER_ALL; m++)
        same = same && l->added[m] == added[m];
    return same;
}

double ledger_begun(const struct ledger *l, int waves)
{
    double sum = waves > 0 ? ledger_install(l) : 0;
    for (int s = 0; s < waves && s < l->waves; s++)
        for (int m = 0; m < l->metrics; m++)
            sum += ledger_alpha(l, s, m);
    return sum;
}

double ledger_total(const struct ledger *l)
{
    return ledger_begun(l, l->waves);
}
