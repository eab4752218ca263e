/* Reboots out of a time of boot (node_boot_time_seconds): the one rule for what can be one.
 *
 * Devices work a time of boot out from their clock, so it moves when that is set, and jumps from 1970 when a device
 * without a real-time clock learns the time. A boot between two samples is later than the first of them; what is not,
 * is none. But a time of boot that moved to somewhere earlier may hide one: a device that has booted and does not know
 * the time yet. So the time up to which all boots are counted then stands still, until a boot later than it shows: a
 * boot counts once, when the device's clock is right, and a clock that is set without one never does. What no source
 * can tell is a clock set forward by more than the time since the boot: that counts. */
#ifndef ANDON_CORE_BOOTS_H
#define ANDON_CORE_BOOTS_H

#include <stdbool.h>
#include <stdint.h>

/* Of a device. */
struct boot_mark {
    double
        at; /* seconds since the epoch: the newest time of boot; `open`: all boots up to it are counted. NaN: nothing */
    bool open; /* the time of boot has moved, and that was no boot that can be told yet */
};
/* A sample's time of boot, in seconds; not finite: not known, and nothing changes. *since: time of the sample before
 * (us), which becomes the time from which on the boot can have been. 1 for a boot, 0 for none; the first value is 0. */
int boot_mark_feed(struct boot_mark *m, double boot_time, int64_t *since);

/* The same as a counter that goes up by one at each boot. Zero at first. */
struct boot_counter {
    struct boot_mark mark;
    int64_t t; /* newest sample, 0 = none */
    double boots;
};
/* The counter after a sample of time t; as it was when t is not newer than the newest. NaN when the time of boot is not
 * known, which changes nothing, and while the device's clock is not set (before 2001): a boot then shows as a
 * difference to the value from before, and a device's install that rebooted it is not taken for a reboot after it. */
double boot_counter_feed(struct boot_counter *c, int64_t t, double boot_time);

#endif
