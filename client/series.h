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
 * It looks at one time only, so that a poll and a range come to the same bits whatever was read before. A page that
 * andon scrapes itself has no range: what it showed before is known, and each series is followed (series_follow). */
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

/* A counter of one device from page to page. Zero at first. */
struct series_follow {
    struct series_last *last; /* its series, by what is counted */
    size_t n;
    double given;
};
/* The counter after a page with these series (n >= 1, reordered), which count as above: what each has risen by since it
 * was shown before. A series that begins beside the others is its first event, whatever it shows: a part of a whole
 * begins when it first happens, and a leap would be many. One that begins where another ends goes on from that one: an
 * event when it shows another value (a fall is one as well), none when it shows the same (a label was renamed). One
 * that falls has begun anew, and so does the counter: it falls to what has been counted since. One that ends is no
 * reset, and one that comes back within a thousand pages goes on, as far as it is one of the 64 of the device that were
 * shown last. NaN: beyond measure; it begins anew. */
double series_follow(struct series_follow *f, struct series_value *s, size_t n);
void series_follow_release(struct series_follow *f);

#endif
