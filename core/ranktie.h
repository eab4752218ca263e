/* The rank test's p-value where values tie: given which values are equal, U is a weighted sum of hypergeometric counts,
 * and with few distinct values that is far from normal: of 20 v 1,980 devices with one value that is not zero the
 * normal tail says 1e-23, and the truth is 0.01.
 *
 * Exact by dynamic programming over the groups of equal values, where that costs little; else an upper bound of it, the
 * least of three: the same program on a coarser grid of ranks, every rank rounded the careful way; an exponential bound
 * (Chernoff), of which only what falls outside the tail is given away, about a factor of ten; and where few values tie
 * twice the p-value that does not know of ties. It is never smaller than the exact one by more than rounding.
 * docs/statistics.md, "Bulk engine". */
#ifndef ANDON_CORE_RANKTIE_H
#define ANDON_CORE_RANKTIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Equal values: how many of each side have them, at least one. */
struct tie_group {
    uint32_t x, y;
};
/* The groups of one stratum by value, ascending; both sides must have devices, n >= 1. */
struct tie_stratum {
    const struct tie_group *v;
    size_t n;
};

/* ln P(U >= its observed value) over all ways to pick the x among the devices of each stratum, U summed over strata
 * with ties counting half; or an upper bound of it, and *exact says which. log_untied: ln of the normal tail at U with
 * the variance that it would have without ties (see above); 0 when not known. below: U is below its mean by the number
 * of devices or more, so that there is no evidence. Deterministic; at most a few tens of milliseconds whatever the
 * sizes. */
double ranktie_log_p(const struct tie_stratum *s, size_t strata, double log_untied, bool below, bool *exact);

#endif
