/* The bulk engine's rank test and the looks at which it may be taken.
 *
 * One-sided Mann-Whitney on one number for each device (its change from its own baseline): heavy tails, the spread
 * between devices and swings that all share cancel; autocorrelation in time does not matter, since a look uses one
 * number a device. Looks are spaced geometrically and the k-th may spend 1/(k(k+1)) of the test's alpha, which sums to
 * one over all looks. Mann & Whitney 1947; docs/statistics.md, "Bulk engine". */
#ifndef ANDON_CORE_RANKTEST_H
#define ANDON_CORE_RANKTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANKTEST_EXACT_SIDE  20    /* the exact law is used up to here: the smaller side, */
#define RANKTEST_EXACT_PAIRS 20000 /* and the number of pairs */

struct ranktest {
    double u;            /* pairs in which x exceeds y; ties count half */
    double p_asymptotic; /* P(U >= u), normal with tie and continuity correction; 1 when nothing varies */
    double p_exact;      /* exact where it was computed, else NaN */
    double p;            /* the one that decides: exact where there is one */
    double log_p;        /* ln p; finite also where p is too small for a double */
};
/* What decides where values tie. */
enum rank_ties {
    TIES_NORMAL,     /* the normal tail: far too small where ties are heavy; decisions of old logs were made by it */
    TIES_PERMUTATION /* exact given the ties, or an upper bound (core/ranktie.h) */
};
/* Is x larger than y? n, m >= 1, finite values. Without ties exact when min(n,m) <= 20 and n*m <= 20000, else normal;
 * with ties as TIES_PERMUTATION. The arrays are not changed. */
void ranktest(const double *x, size_t n, const double *y, size_t m, struct ranktest *out);

/* The same within strata: device i of x is in stratum xs[i] (0..63; NULL: all in one), U is summed over the strata that
 * have both groups (van Elteren 1960, with equal weights on pairs). Without ties exact when over all those strata
 * min(n,m) <= 20 and the sum of n*m <= 20000. False, with p = 1, when no stratum has both groups. One stratum gives the
 * same bits as ranktest(). */
bool ranktest_strata(const double *x, const uint8_t *xs, size_t n, const double *y, const uint8_t *ys, size_t m,
                     enum rank_ties by, struct ranktest *out);

/* Sorts numbers (no NaN) in ascending order, in linear time. */
void sort_doubles(double *v, size_t n);

/* Numbers in order of stratum, those of each stratum ascending: what a look needs, ranked once for all of it. */
#define RANKED_STRATA 64
struct ranked {
    double *v;
    size_t n, of[RANKED_STRATA]; /* in all; of each stratum */
};
/* s[i]: stratum of v[i]; NULL: all in 0. */
void ranked_init(struct ranked *r, const double *v, const uint8_t *s, size_t n);
void ranked_release(struct ranked *r);
/* Each number with its sign changed; in `to`, which is to be released: each number less `less`. */
void ranked_flip(struct ranked *r);
void ranked_less(const struct ranked *r, double less, struct ranked *to);
/* Over all strata: the k-th smallest, k = 0 .. n - 1; how many are not above x. */
double ranked_at(const struct ranked *r, size_t k);
size_t ranked_upto(const struct ranked *r, double x);
/* ranktest_strata() of what is ranked already. */
bool ranktest_ranked(const struct ranked *x, const struct ranked *y, enum rank_ties by, struct ranktest *out);

/* Time of look k = 1, 2, ... in units of the poll: t_1 = first, t_{k+1} = max(t_k + 1, ceil(5/4 t_k)). Integer
 * arithmetic; it depends on elapsed time only, never on values. */
int64_t look_time(int64_t first, int k);
/* Share of alpha for look k: 1/(k(k+1)). */
double look_share(int k);

#endif
