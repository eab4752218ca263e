/* Columns of a list of devices: what the metrics of a policy say of one device. One place for the console's list, its
 * sort, filter and CSV, and for `andon get devices`.
 *
 * A metric without a figure of one device (silence, installs) has no column. */
#ifndef ANDON_CORE_COLUMN_H
#define ANDON_CORE_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/fmt.h"
#include "core/snapshot.h"

/* The rows of the policy's metrics that have a column, in the order of the set; returns how many. */
size_t column_rows(const struct evidence_policy *p, uint8_t out[METRICS_MAX]);
/* "rbt", "cpu", "free-memory": what stands above it; the metric's id, or shorter. */
const char *column_head(const struct evidence_policy *p, size_t metric);
/* Is it what a column is called that is of no metric, or the head of a built-in one? Two columns of one name cannot be
 * told apart, nor sorted by. */
bool column_taken(const char *id);
/* The device's figure: events that count, in the window; CPU as a fraction of 1, variance over the own baseline, else
 * in the metric's unit. NaN: not known, or there is none. column_base: the own baseline of a gauge. */
double column_value(const struct device_row *r, size_t metric);
double column_base(const struct device_row *r, size_t metric);
/* As it is shown and as a filter compares it: CPU in per cent. */
double column_number(size_t metric, double value);
/* "11", "62%", "1.31", "512", "?". */
const char *column_text(char out[FMT_MAX], size_t metric, double value);
/* The same with what it is and was: "210 MiB  before 512", "1.29x of its own baseline", "11 of the last 10m00s". when:
 * of which time events are, "" = not known. */
void column_said(const struct evidence_policy *p, size_t metric, double value, double base, const char *when, char *out,
                 size_t size);
/* For sorting, the larger the worse: the value where more is worse, less of it where less is, how far from the own
 * baseline where both are. NaN: nobody can say. */
double column_harm(const struct evidence_policy *p, const struct device_row *r, size_t metric);
/* The metric that has a column and is called so, by id or else by head, in any case; -1: none. */
int column_find(const struct evidence_policy *p, const char *word, size_t len);
/* The rows of column_rows, what is worst in the wave first: what decided its verdict, then limits that are over, then
 * the tests by how much of the evidence that a pause needs there is, as far as it begins to mean something; equals in
 * the order of the set. w, g: the wave and the stage of its tests, NULL = not known. */
size_t column_worst(const struct evidence_policy *p, const struct wave_view *w, const struct stage_view *g,
                    uint8_t out[METRICS_MAX]);

#endif
