/* What core/planner.c and core/planner_strata.c share; nobody else's. */
#ifndef ANDON_CORE_PLANNER_PARTS_H
#define ANDON_CORE_PLANNER_PARTS_H

#include "core/eprocess.h"
#include "core/ledger.h"
#include "core/planner.h"
#include "core/trial.h"

/* What test t may spend in the wave, in its first epoch where it has epochs. */
double planner_alpha(const struct evidence_policy *p, const struct ledger *l, int wave, const struct metric_test *t);
/* The process of a test of first passages, without evidence. */
struct eprocess planner_process(const struct evidence_policy *p, const struct metric_test *t);
/* Is it the plainest way in which a device of its metric's kind goes bad? */
bool planner_plain(const struct evidence_policy *p, const struct metric_test *t);
/* Can the first look of the bulk engine halt when every canary is above every control device of its stratum? */
bool planner_shift(const int64_t *canary, const int64_t *control, int strata, double alpha);
/* The smallest of the ratios 2, 5, 20 of reboots that is expected to be seen; 0 = none of them. */
double planner_reboots(const struct evidence_policy *p, const struct ledger *l, int wave, const struct plan *w,
                       double per_day);
bool planner_blind(const struct evidence_policy *p, const struct plan *out);

#endif
