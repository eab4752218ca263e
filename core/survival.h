/* How long patching takes, with what is still open counted in.
 *
 * A pair is one device and one vulnerability. Kaplan and Meier, "Nonparametric estimation from incomplete observations"
 * (JASA 53, 1958): S(t), the share still exposed at t, is the product of 1 - d/n over the moments of events up to t,
 * with d pairs patched then and n at risk: entry < t <= end. A pair that is open now, or whose device has gone, is
 * censored at its end, and still at risk at an event of that moment; one that was first seen later enters later. Times
 * are microseconds from each pair's own start. docs/intel.md, "How long it takes". */
#ifndef ANDON_CORE_SURVIVAL_H
#define ANDON_CORE_SURVIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/risk.h"

#define SURVIVAL_FEW 5 /* with fewer at risk a step says little */

struct spell {
    int64_t entry, end; /* 0 <= entry < end, from the pair's start */
    bool patched;       /* by a verified installation; else it is censored at its end */
};

struct survival_step {
    int64_t t;
    size_t at_risk, events;
    double s; /* from t on */
    double v; /* Greenwood's sum of d / (n (n - d)) up to t; infinite once s is 0 */
};

struct survival {
    const struct survival_step *steps; /* moments of events, ascending */
    size_t n;
    size_t pairs, patched;
    size_t left_out;    /* spells that are none: end <= entry */
    int64_t last;       /* largest end, 0 = no pair */
    double exposed_us;  /* device time exposed: sum of end - entry */
    double patched_sum; /* of the ends of the patched ones */
};

/* The steps live in the arena. */
void survival_make(const struct spell *v, size_t n, struct arena *a, struct survival *out);
/* S(t), or with `before` S just before t. 1 without pairs. */
double survival_share(const struct survival *k, int64_t t, bool before);
/* 95 % interval of that: Greenwood's variance on log(-log S) (Kalbfleisch and Prentice 1980): S^exp(+-1.96 sqrt(v) /
 * |ln S|). [1, 1] before the first event. False when S is 0: it has none there. */
bool survival_interval(const struct survival *k, int64_t t, bool before, double *low, double *high);
/* The smallest t with S(t) <= 0.5; TIME_NEVER: not reached by `last`. *few: fewer than SURVIVAL_FEW were at risk there
 * or at an event before it, so that it says little. */
int64_t survival_median(const struct survival *k, bool *few);
/* The end of the mean: the horizon, or the largest end when that is less, behind which nothing is known. */
int64_t survival_tau(const struct survival *k, int64_t horizon);
/* The area under S from 0 to tau (us): the mean time to patch, of what is patched by then and tau for the rest. */
double survival_mean(const struct survival *k, int64_t tau);
/* The mean of the patched pairs alone, which is too good; NaN without one. */
double survival_patched_only(const struct survival *k);
/* Pairs that took longer than the target, open ones included: t > target, or with `under` t >= target. */
size_t survival_over(const struct spell *v, size_t n, int64_t target, bool under);
/* The share within the target: 1 - S(target), or with `under` 1 - S just before it. */
double survival_within(const struct survival *k, int64_t target, bool under);

/* --- from what was observed to spells --- */

enum pair_end {
    PAIR_OPEN = 0, /* still exposed when it was last seen */
    PAIR_PATCHED,  /* a release that is not affected is verified on the device */
    PAIR_GONE,     /* the device was taken out of service or replaced */
    PAIR_ISOLATED, /* still affected, cut off: counted apart as mitigated */
    PAIR_ENDS
};

struct patch_pair {
    uint32_t device, vuln; /* numbers of whoever makes them */
    enum device_class cls;
    int64_t moment[RISK_CLOCKS]; /* when each clock began, 0 = not known */
    int64_t installed;           /* the device got an affected release; 0 = before it was first looked at */
    int64_t seen;                /* by the first census; the pair is at risk for us from then on */
    int64_t end;                 /* of the last closing, or when it was last seen */
    int64_t away_us;             /* between an earlier closing and a roll back that opened it again */
    enum pair_end how;
};
/* False: it is no pair by this clock (its moment is not known), or it was over before it was seen. */
bool pair_spell(const struct patch_pair *p, enum risk_clock c, struct spell *out);

#endif
