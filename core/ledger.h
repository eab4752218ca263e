/* The alpha ledger: how the chance of a false halt of one rollout is shared out over waves, metrics and tests.
 *
 * Fixed when a rollout starts and written into the log. Weighted Bonferroni: Ville's bound holds for each process and
 * the bounds add up, whatever depends on what. Waves get shares in proportion to 2^-s, so that most is spent where a
 * bad build is cheapest to stop. A reserve is kept for what is added later. docs/statistics.md, "Alpha ledger". */
#ifndef ANDON_CORE_LEDGER_H
#define ANDON_CORE_LEDGER_H

#include <stdbool.h>

#define LEDGER_WAVES 64

enum ledger_metric { LEDGER_REBOOT, LEDGER_SILENCE, LEDGER_CPU, LEDGER_VARIANCE, LEDGER_METRICS };

struct ledger {
    double alpha;                 /* of the whole rollout, for a pause */
    double reserve;               /* share of alpha that no declared wave spends */
    int waves;                    /* declared, 1..LEDGER_WAVES */
    double share[LEDGER_METRICS]; /* per wave */
    double install;               /* share of the whole rollout */
};

/* Shares must be >= 0 and sum with `install` to at most 1; 0 < alpha < 1; 0 <= reserve < 1. False when not. */
bool ledger_init(struct ledger *l, double alpha, double reserve, int waves, const double share[LEDGER_METRICS],
                 double install);
/* What metric m may spend in wave s (from 0); 0 for a wave that was not declared. */
double ledger_alpha(const struct ledger *l, int s, enum ledger_metric m);
/* What the install test may spend over the whole rollout. */
double ledger_install(const struct ledger *l);
/* Everything that is promised; at most l->alpha. */
double ledger_total(const struct ledger *l);

#endif
