/* What a guard says of itself to a monitoring system, as a pure function from snapshots to text.
 *
 * The text is OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), or for readers that do not ask
 * for it the older Prometheus text format 0.0.4, which knows neither units nor infos nor an end. Evidence is given as
 * logarithms to base ten, as it may be larger than any number; times are ages in seconds. Rollouts that have ended are
 * left out, so that the number of series follows what is under way; docs/man/andon-guard.8 lists the names. */
#ifndef ANDON_CLI_METRICS_PAGE_H
#define ANDON_CLI_METRICS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/config.h"
#include "core/snapshot.h"

#define METRICS_ROLLOUTS_MAX 100 /* of a fleet; how many are left out is a series of its own */

enum metrics_source { METRICS_BACKEND, METRICS_TELEMETRY, METRICS_SOURCES };

/* What a snapshot does not remember. */
struct metrics_counts {
    uint64_t failures[METRICS_SOURCES]; /* polls that failed since the guard was started */
    uint64_t halts, escalated;          /* halts begun, and how many of them could not be had at first */
};

struct metrics_fleet {
    const struct fleet_spec *spec;
    const struct snapshot *snap; /* NULL: the fleet could not be opened, nobody guards it */
    const char *error;           /* then why, "" */
    int escalations;             /* halts that cannot be had right now */
    struct metrics_counts counts;
};
struct metrics_in {
    const struct metrics_fleet *v;
    size_t n;
    int64_t now;     /* the engines' clock */
    int64_t wall;    /* wall clock; telemetry's time is compared with it */
    int64_t started; /* wall clock */
};

/* Appends the page. Text from outside goes through safe_text and the format's own escaping. */
void metrics_page(const struct metrics_in *in, bool openmetrics, struct buf *out);
/* Appends "ok" or one line for each reason, and says which: true when every fleet is guarded, its back end and (where
 * it has one) its telemetry are live, its engine moves, and no halt is escalated. */
bool metrics_health(const struct metrics_in *in, struct buf *out);

/* An engine publishes at each poll, also at one that failed. One that is silent for so long hangs. */
#define METRICS_SILENT_US (60 * INT64_C(1000000))

#endif
