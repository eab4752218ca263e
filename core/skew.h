/* How far two servers' clocks are apart, from the Date of their answers (RFC 9110, 6.6.1: whole seconds).
 *
 * An answer that was sent for at s and had come by a, both of this host's clock, and is dated d, was dated by a clock
 * that was ahead of this host's by something from d - a to d + 1 s - s: the second that a Date leaves out, and the way
 * there and back. Readings of one server narrow each other down; one that contradicts the others (a clock was set, or
 * several servers answer) counts alone. The difference of two servers is then known within bounds, and so is whether it
 * is beyond a tolerance: only what is beyond it for certain counts. All times us. */
#ifndef ANDON_CORE_SKEW_H
#define ANDON_CORE_SKEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A clock less this host's lies within low..high. All zero: not known. */
struct skew {
    bool known;
    int64_t low, high;
    int64_t at; /* of the newest reading, this host's clock */
};
/* Takes a reading; `date` 0: there is none, which changes nothing. */
void skew_take(struct skew *s, int64_t date, int64_t sent, int64_t answered);
/* Clock b less clock a. Not known unless both are. */
struct skew skew_between(const struct skew *a, const struct skew *b);
/* Is it beyond the tolerance, whatever the truth within its bounds is? */
bool skew_beyond(const struct skew *s, int64_t tolerance_us);
/* What a grace of this length absorbs: a sixth of it, not less than 2 s and not more than 30 s. The rest is left for
 * what the grace is for, the update's own reboot. */
int64_t skew_tolerance(int64_t grace_us);
/* "telemetry's clock is 10m00s ahead of the fleet server's": b's less a's, rounded to what is known. */
void skew_text(const struct skew *s, const char *a, const char *b, char *out, size_t size);

/* Whether to go by figures that two clocks have to agree for: one odd reading of four says nothing. Off with the second
 * reading beyond the tolerance of the newest four (with the first, when it is the first of all), on again after four
 * that are not. Unknown readings change nothing. All zero is the beginning. */
#define SKEW_READINGS 4
struct skew_gate {
    unsigned readings, bad; /* how many there were (to SKEW_READINGS); bits, the newest lowest */
    bool shut;
    int64_t since; /* shut: when it was shut */
    struct skew found;
};
void skew_gate_take(struct skew_gate *g, const struct skew *s, int64_t tolerance_us, int64_t now);

#endif
