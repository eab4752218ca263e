/* Design of the tests of a stage: how a metric's alpha is shared out over its tests, which alternatives each of them
 * expects, and when risk sets begin anew. Pure tables; a design has a number that stands in the policy's terms and in
 * the inputs of each decision, so that what was decided under an earlier one is recomputed by the same one for ever.
 *
 * Design 0: a `parts`-th of the metric's alpha for each test, 16 alternatives weighed alike, one risk set a stage.
 * Design 1: shares and weights by test, silences of an hour and of eight, and epochs: the risk sets of those tests that
 * time uses up begin anew 24 h, 72 h, 168 h, ... after the stage's begin, each epoch twice as long as the one before.
 * Each epoch has a share of its test's alpha, which sum to one at most, so that the chance of a false halt in any of
 * them is at most the test's alpha (Bonferroni: an epoch's evidence is a supermartingale in the epoch's own history).
 *
 * Numbers chosen by simulation: docs/statistics.md, "Shares and epochs". */
#ifndef ANDON_CORE_DESIGN_H
#define ANDON_CORE_DESIGN_H

#include <stdbool.h>
#include <stdint.h>
#include "core/metric.h"

#define DESIGN_NOW    1  /* of new rollouts */
#define DESIGN_EPOCHS 26 /* the last one begins after 180,000 years and has no end */

/* What a test may spend of `alpha`, its metric's in a stage; 0: it is not tested. */
double design_alpha(int design, const struct metric_test *t, double alpha);
/* Weights of the alternatives, EPROCESS_GRID of them, in whole parts of their sum; NULL: all alike. Static. */
const uint8_t *design_weight(int design, const struct metric_test *t);
/* Do its risk sets begin anew with each epoch? */
bool design_renews(int design, const struct metric_test *t);
/* The epoch, 0 .. DESIGN_EPOCHS, of the time `since` (us, > 0) after the stage's begin: (B_e, B_e+1] with
 * B_e = 24 h (2^e - 1). */
int design_epoch(int design, int64_t since);
/* B_e, us, 0 <= e <= DESIGN_EPOCHS; INT64_MAX beyond. */
int64_t design_epoch_begin(int e);
/* The share of epoch e of the test's alpha; all of them sum to one at most. 1 where it has no epochs. */
double design_epoch_share(int design, const struct metric_test *t, int e);

#endif
