/* Strata of a trial: which devices are compared with which. By the attributes that the policy names, and within them by
 * what each device itself did in the day before the rollout: its reboots for the tests on reboots, how much of the time
 * it was heard for the test on silence.
 *
 * Why by their own past: where a boot makes a device poll, devices that reboot often install first. Canaries that have
 * come in are then no random choice any more; among devices with the same past they nearly are.
 *
 * A device is of one cell for ever: attributes and two classes of its past. Strata are unions of cells, for each way of
 * comparing, made anew as a stage begins: a class is a stratum of its own only where at least STRATA_LEAST devices a
 * side are to be expected in it, by the number of all its devices and the sides' shares of these attributes; else it is
 * put together with the classes below it. Which devices are canaries plays no part in that, so that labels stay
 * exchangeable within each stratum. docs/statistics.md, "Strata". */
#ifndef ANDON_CORE_STRATA_H
#define ANDON_CORE_STRATA_H

#include <stdbool.h>
#include <stdint.h>

#define STRATA_MAX        64 /* of attributes, and in all */
#define STRATA_CELLS      256
#define STRATA_BOOTS      6  /* classes: 0, 1, 2-3, 4-11, 12-47 and more reboots in the day before */
#define STRATA_CONTACT    3  /* heard for 97 % of the day or more, 75 % or more, less */
#define STRATA_LEAST      2  /* expected devices of a stratum on each side */
#define STRATA_BOOTS_LOOP 48 /* so many reboots in a day are a loop that stands */

/* Ways of comparing. */
enum strata_by { STRATA_BY_ATTRIBUTES, STRATA_BY_BOOTS, STRATA_BY_CONTACT, STRATA_BY };

struct strata_cell {
    uint8_t attributes, boots, contact;
};
struct strata {
    struct strata_cell cell[STRATA_CELLS];
    int n;                               /* cells in use */
    uint8_t of[STRATA_BY][STRATA_CELLS]; /* the stratum of a cell, < STRATA_MAX */
};

/* Classes of a device's past; NaN (not known) is class 0. */
int strata_boots_class(double boots_day);
int strata_contact_class(double away);
/* The cell of these attributes and classes, a new one when there is none yet; of the attributes alone when there are
 * too many. Arguments out of range count as the largest. */
uint8_t strata_find(struct strata *s, int attributes, int boots, int contact);
/* Puts cells together into strata, for canary[c] and control[c] devices in cell c. */
void strata_make(struct strata *s, const int32_t canary[STRATA_CELLS], const int32_t control[STRATA_CELLS]);

#endif
