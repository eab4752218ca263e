/* Lists about CVEs: CISA's KEV (known exploited) and FIRST's EPSS (probability of exploitation). */
#ifndef ANDON_INTEL_LISTS_H
#define ANDON_INTEL_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/slice.h"

#define KEV_KEY "vulnerabilities" /* the member that holds the records */

/* One record of KEV. */
bool kev_read(const char *bytes, size_t n, struct arena *a, struct adv_listed *out, struct err *e) ANDON_MUST_USE;
/* What stands around the records: when the catalogue was released. Its count must be the number of records. */
bool kev_end(const char *around, size_t n, size_t records, int64_t *released, struct err *e) ANDON_MUST_USE;

/* EPSS: a comment with the day and the model, a line of names, then lines of CVE, probability and percentile. */
struct epss {
    int64_t released; /* of the day's file; 0 = its comment has none */
    char model[40];   /* "v2025.03.14": figures of two models cannot be compared */
    bool named;       /* the line of names has come */
};
/* The next line without its end. *is: it was a record, *out is it. */
bool epss_line(struct epss *s, struct slice line, struct arena *a, struct adv_listed *out, bool *is,
               struct err *e) ANDON_MUST_USE;

#endif
