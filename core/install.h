/* Installs: what became of the devices that were told, and what that says about the firmware.
 *
 * A device has *installed* or has *failed* or has *not yet* done either. Failed is what it has reported as failed, and
 * what is overdue: it has been in touch since it was told, and has reported nothing for longer than installs take in
 * this fleet. A device that has not been in touch since has not been reached: it has not failed, however long ago it
 * was told.
 *
 * Evidence is a function of what is so now. A device that was overdue and then installs was no failure, and is counted
 * as none from then on: no sentence pairs the count of today with the evidence of yesterday. Derivations:
 * docs/statistics.md, "Installs". */
#ifndef ANDON_CORE_INSTALL_H
#define ANDON_CORE_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/policy.h"

enum install_state {
    INSTALL_DONE,     /* it has reported the new release */
    INSTALL_FAILED,   /* it has reported a failure */
    INSTALL_OVERDUE,  /* it was reached, and has reported nothing by its deadline */
    INSTALL_WAITS,    /* it was reached, and its deadline is to come */
    INSTALL_UNREACHED /* it has not been in touch since it was told */
};

/* Devices by what became of them. */
struct install_counts {
    int64_t told, done, failed, overdue, waits, unreached;
};
void install_count(struct install_counts *c, enum install_state s);

/* How long installs usually take here, from the telling to the report: the 9th decile of the `n` of `told` devices that
 * have reported one (microseconds each; reordered). 0, not known, while fewer than 5 or fewer than a quarter of them
 * have: the first to report say nothing about the slow ones. */
int64_t install_usual(int64_t *took, size_t n, int64_t told);
/* How long after it was reached a device is overdue: three times what is usual, and never shorter than the policy's
 * install_time and three of the device's own intervals of contact (0 = the server does not say). While nothing is usual
 * yet: a day at least. */
int64_t install_deadline(int64_t install_us, int64_t contact_us, int64_t usual_us);
/* `reached_at`: the earliest contact that is known since it was told, 0 = none. */
enum install_state install_state(bool done, bool failed, int64_t reached_at, int64_t deadline_us, int64_t now);

/* ---- evidence ---- */

/* Clusters of devices told up to wave `wave`, `times` of them alike. */
struct install_tally {
    int32_t key;  /* 0: all devices, each by itself; k: devices with one value of the k-th attribute are a cluster */
    int32_t wave; /* the newest that counts, 0.. */
    int32_t failed, started; /* devices of one cluster */
    int32_t times;
};
#define INSTALL_TALLIES_MAX  ((size_t)1 << 16)
#define INSTALL_CLUSTERS_MIN 5 /* values of an attribute, else it is none by which devices fail together by chance */

struct install_device {
    int32_t wave;
    int32_t attr[STRATA_KEYS_MAX]; /* the value of each key, < 0: not known, a cluster of its own */
    bool failed;
};
/* The tallies of key `key` (1..STRATA_KEYS_MAX), for each of the first `waves` waves, in ascending order; written from
 * out[n] on, at most up to `max` of them: returns the new n. Clusters that do not fit are left out with their key. */
size_t install_tally(const struct install_device *v, size_t devices, int key, int waves, struct install_tally *out,
                     size_t n, size_t max);
/* Are these tallies possible, and in order (by key, wave, started, failed; none twice)? */
bool install_tallies_ok(const struct install_tally *v, size_t n);

struct install_evidence {
    double log_e, log_now;   /* natural logarithms; log_now is of all waves, log_e of those that say most, >= 0 */
    int64_t failed, started; /* the devices that log_e is of */
};
/* Evidence that more than a share p0 of devices fails, of a rollout of `waves` declared waves. Of devices by
 * themselves: the most over "all up to wave w". Of clusters: for each w the product over clusters of the mean over its
 * devices, and of those the mean over w, weighted by 4^-w. Over the keys: the least. */
void install_evidence(const struct install_tally *v, size_t n, int waves, double p0, struct install_evidence *out);

#endif
