/* E-processes: evidence that may be looked at after every sample, for ever.
 *
 * An e-process is a non-negative supermartingale that starts at 1 when the new firmware changes nothing; by Ville's
 * inequality the chance that it ever reaches 1/alpha is at most alpha, however often one looks. Each here is a mixture
 * over 16 alternatives, factors theta_j = 2^((j+1)/2), j = 0..15 (1.41 to 256), kept as natural logarithms. All weighed
 * alike it costs at most ln 16 against the best of them; weighed by what is expected, less where that comes true.
 *
 * Sources: two-group comparison: ter Schure, Perez-Ortiz, Ly, Gruenwald, "The anytime-valid logrank test", NEJSDS 2(2)
 * 2024, arXiv:2011.06931. Ville 1939. docs/statistics.md. */
#ifndef ANDON_CORE_EPROCESS_H
#define ANDON_CORE_EPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#define EPROCESS_GRID 16

struct eprocess {
    double log_e[EPROCESS_GRID]; /* of each alternative */
    double theta0;               /* ratio (or factor on a rate) that is still tolerated, >= 1 */
    const uint8_t *weight;       /* of each alternative, in whole parts of their sum; NULL: all alike. Static */
};

/* No evidence yet, alternatives weighed alike. theta0 >= 1. */
void eprocess_init(struct eprocess *e, double theta0);
/* ln of the mixture: the evidence. 0 at the start; -inf never. */
double eprocess_log(const struct eprocess *e);
/* ln(1/alpha), for 0 < alpha < 1. */
double eprocess_needed(double alpha);
/* theta_j of the grid. */
double eprocess_theta(int j);

/* First-passage events of one peek: of yc canary and yk control devices at risk, dc and dk had the event now
 * (0 <= dc <= yc, 0 <= dk <= yk; false otherwise and nothing changes). Ties are exact: given d = dc + dk, dc follows
 * Fisher's non-central hypergeometric law. One update for each stratum. Cost O(min(d, yc) * 17). */
bool eprocess_logrank(struct eprocess *e, int64_t yc, int64_t yk, int64_t dc, int64_t dk);
/* ln likelihood ratio of one such peek for theta against theta0; 0 when there is no event. */
double logrank_log_lr(int64_t yc, int64_t yk, int64_t dc, int64_t dk, double theta, double theta0);

/* Devices that failed, x of n devices *started*, against a tolerated share p0 (0 < p0 < 1): odds-ratio alternatives. A
 * function of the totals, so it is computed anew each time. 0 <= x <= n. */
double bernoulli_limit_log(int64_t x, int64_t n, double p0);

#endif
