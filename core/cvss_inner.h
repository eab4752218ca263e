/* Between the files of core/cvss. */
#ifndef ANDON_CORE_CVSS_INNER_H
#define ANDON_CORE_CVSS_INNER_H

#include "core/cvss.h"

/* v4.0's metrics, in the order of the table in cvss4.c; the value is its place among those of the metric. */
enum cvss4_metric {
    V4_AV = 0,
    V4_AC,
    V4_AT,
    V4_PR,
    V4_UI,
    V4_VC,
    V4_VI,
    V4_VA,
    V4_SC,
    V4_SI,
    V4_SA,
    V4_E,
    V4_CR,
    V4_IR,
    V4_AR,
    V4_MODIFIED, /* eleven, of the base metrics in their order */
    V4_SUPPLEMENTAL = V4_MODIFIED + 11,
    V4_METRICS = V4_SUPPLEMENTAL + 6
};

#define CVSS_METRICS_MAX V4_METRICS

struct cvss_metric {
    char name[4];
    const char *values; /* parted by spaces */
    bool needed;        /* else the value "not defined" is its last, and what it has when it is missing */
    short weight[5];    /* of v2 in 1/1000, of v3 in 1/100 */
};

extern const struct cvss_metric cvss4_metrics[V4_METRICS];

/* The score in tenths of these values of v4.0: of the base metrics, with or without the threat and the environment. */
int cvss4_score(const unsigned char *values, bool threat, bool environment);

#endif
