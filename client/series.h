/* Several series of one counter of one device: which of them count.
 *
 * A counter is followed by differences, so that a mean of two series jumps when one of them begins or ends. The rule:
 *
 * 1. The series whose own newest sample is the newest count; what is only still shown (a store shows a series for
 *    minutes after its last sample) does not.
 * 2. Several with that same time come from one page. Those that differ only in labels that scraping adds (job,
 *    instance, replica, ...) are one counter that is read twice: the furthest on counts, once. Others are parts of a
 *    whole (reboots by reason), and are added.
 * 3. Where the series have no times of their own the furthest on counts.
 *
 * It looks at one time only, so that a poll and a range come to the same bits whatever was read before. */
#ifndef ANDON_CLIENT_SERIES_H
#define ANDON_CLIENT_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/slice.h"

/* A series by its labels, in whatever order they stand: all of them but the metric's name, and those of its own. All
 * zero: no label yet. */
struct series_id {
    uint64_t all, own;
};
/* Takes one label in. `join`: the label that says which device it is, which is none of its own. */
void series_label(struct series_id *id, struct slice name, struct slice value, struct slice join);

struct series_value {
    struct series_id id;
    int64_t t; /* of its own newest sample, us; 0: not known */
    double v;  /* finite */
};
/* The counter's value, of n >= 1 series, which are reordered; sums are made in order of value. `boot_times`: values are
 * times of boot, which are never added. */
double series_counter(struct series_value *s, size_t n, bool boot_times);

#endif
