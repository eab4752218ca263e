/* The text exposition format of metrics: Prometheus text 0.0.4 and OpenMetrics 1.0 (openmetrics.io), read in one pass.
 *
 * Only lines of wanted metrics are looked into; all others cost a search for the line's end. Nothing is allocated. */
#ifndef ANDON_CLIENT_EXPOSITION_H
#define ANDON_CLIENT_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/series.h"
#include "core/err.h"

#define EXPOSITION_LABEL_MAX 1024 /* longest value of the join label, unescaped */

struct exposition_want {
    const char *name;                        /* of the sample ("device_reboots_total"), NULL or "" = none */
    const char *filter_label, *filter_value; /* only series with this label; NULL = all */
};

/* One sample of a wanted metric: `device` is the join label's value, unescaped, not NUL-terminated; `series` what its
 * labels come to. t is 0 when the page gives no time. */
typedef void (*exposition_fn)(void *ctx, size_t want, const char *device, size_t n, const struct series_id *series,
                              double value, int64_t t);

struct exposition {
    const struct exposition_want *wants;
    size_t n_wants;
    const char *join_label;
    bool openmetrics; /* times are seconds, and the page must end with "# EOF"; else milliseconds */
    exposition_fn fn;
    void *ctx;
};

/* false with *e filled: a wanted line is malformed, or the page is cut short. */
bool exposition_read(const struct exposition *x, const char *page, size_t n, struct err *e) ANDON_MUST_USE;

/* A number as both formats and Prometheus' JSON write it: decimal, exponent, NaN, Inf, +Inf, -Inf; not depending on
 * the locale. */
bool exposition_number(const char *s, size_t n, double *out) ANDON_MUST_USE;

#endif
