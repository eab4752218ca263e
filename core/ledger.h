/* The alpha ledger: how the chance of a false halt of one rollout is shared out over waves, metrics and tests.
 *
 * Fixed when a rollout starts and written into the log. Weighted Bonferroni: Ville's bound holds for each process and
 * the bounds add up, whatever depends on what. Waves get shares in proportion to 2^-s, so that most is spent where a
 * bad build is cheapest to stop. A reserve is kept for what is added later. What a firmware has spent of its alpha over
 * all its rollouts is core/trial_account.h. docs/statistics.md, "Alpha ledger". */
#ifndef ANDON_CORE_LEDGER_H
#define ANDON_CORE_LEDGER_H

#include <stdbool.h>
#include "core/err.h"
#include "core/metric.h"

#define LEDGER_WAVES 64

/* Those that spend by wave, as the policy's own do, which follow from LEDGER_METRICS on. */
enum ledger_metric { LEDGER_REBOOT, LEDGER_SILENCE, LEDGER_CPU, LEDGER_VARIANCE, LEDGER_METRICS };
#define LEDGER_ALL (LEDGER_METRICS + METRICS_OWN)

struct ledger {
    double alpha;             /* of the whole rollout, for a pause */
    double reserve;           /* share of alpha that no declared wave spends */
    int waves;                /* declared, 1..LEDGER_WAVES */
    double share[LEDGER_ALL]; /* per wave */
    int metrics;              /* LEDGER_METRICS .. LEDGER_ALL */
    double install;           /* share of the whole rollout */
    double drawn;             /* of the reserve, so far: alpha */
    double added[LEDGER_ALL]; /* to the share of a metric, from wave `added_from` on */
    int added_from;
};

/* Shares must be >= 0 and sum with `install` to at most 1; 0 < alpha < 1; 0 <= reserve < 1. False when not. */
bool ledger_init(struct ledger *l, double alpha, double reserve, int waves, const double share[LEDGER_METRICS],
                 double install);
/* Its place in the ledger; -1 for the installs', which spend over the whole rollout. */
int ledger_row(size_t metric);
/* The row of metric number m of a ledger. */
size_t ledger_metric(int m);
/* What metric m may spend in wave s (from 0); 0 for a wave that was not declared. */
double ledger_alpha(const struct ledger *l, int s, int m);
/* What the install test may spend over the whole rollout. */
double ledger_install(const struct ledger *l);
/* Adds to the metrics' shares from wave `from` on, drawn from the reserve: tests that were thought of when the rollout
 * ran. Once. False, and nothing added, when the reserve does not hold it, nothing is added, or it is no such wave. */
bool ledger_add(struct ledger *l, const double added[LEDGER_ALL], int from) ANDON_MUST_USE;
/* Are these what was added, from this wave on? */
bool ledger_has(const struct ledger *l, const double added[LEDGER_ALL], int from);
/* What the first `waves` waves may spend, installs included: 0 when there are none. */
double ledger_begun(const struct ledger *l, int waves);
/* Everything that is promised, what was drawn included; at most l->alpha. */
double ledger_total(const struct ledger *l);

#endif
