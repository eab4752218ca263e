/* The size of a harm: how many times what the others have the canary has. One struct and one way to write it, for the
 * verdict's sentences, explain, every screen and JSON, so that no two of them tell different sizes of one thing.
 *
 * Two sizes are not the same thing and are never shown as one: a metric's own (reboots per device-day, CPU,
 * canary over control, in the last window), and how often, beside control, it happens to a device that it has an event
 * of a test (since the tests of the wave began). */
#ifndef ANDON_CORE_HARM_H
#define ANDON_CORE_HARM_H

#include <stdbool.h>
#include <stddef.h>
#include "core/fmt.h"
#include "core/health.h"
#include "core/verdict.h"

struct harm {
    double ratio;     /* canary to the others; NaN = there is none, or it is not known */
    double low, high; /* its interval, which holds at every look at once; NaN = none is made, 0 and infinity = no end */
    bool unbounded;   /* none of the others had it: all that can be said is that it is over `low`  */
    bool diff;        /* `ratio` is a difference, in the metric's unit */
    bool capped;      /* the ratio is as large as one is computed: it may be more */
    double from, to;  /* the others' figure and the canary's, where it is of two figures; else NaN */
    const char *than; /* words behind the number: "", " as often as the others", ... */
};

/* Of a metric's figures: canary's value, control's, and their ratio as the limits judge it. Reboots have half a reboot
 * added to each side: beside a control without any that is a number, but no ratio. */
struct harm harm_of(const struct figure *f, double value, double against, double ratio);
/* The same of a wave's health. */
struct harm harm_of_metric(const struct figure *f, const struct wave_health *h);
/* Of a test: of first passages how often devices have the event, of rank tests the ratio of median changes, of installs
 * the share that failed over the share that may. */
struct harm harm_of_evidence(const struct evidence *e);

/* For a column: "3.12x", "0.96x", "340x", ">32x" (unbounded, or capped), "+3.2" (a difference), "?". */
const char *harm_brief(char out[FMT_MAX], const struct harm *h);
/* The same; a difference that is wider than `cols`, 4 or more, as a size that fits: "+12.7M". */
const char *harm_fit(char out[FMT_MAX], const struct harm *h, int cols);
/* In a sentence, with the interval: "3.12x (1.4 to 13)", "over 32x"; without the words behind. Ends are rounded away
 * from the ratio. */
const char *harm_text(char out[FMT_MAX], const struct harm *h);
/* "reboots 6.1 per device-day against 0.4 (15.2x, limit 3x)"; `limit` is what follows the size, "" = nothing. */
void harm_figures(const struct figure *f, const struct harm *h, const char *limit, char *out, size_t size);
/* "failed installs 30%, over the limit of 10%", "free memory 12 MiB, under the limit of 20 MiB", or "..., limit 10%"
 * where it is not. */
void harm_absolute(const struct figure *f, double value, double limit, bool under, char *out, size_t size);
/* A figure's own value: "6.1", "41%", "3.06" (times its own baseline). Only what compares two has an x. */
const char *harm_value(char out[FMT_MAX], const struct figure *f, double v);

#endif
