/* What else is read beside advisories and SBOMs: how long products are supported, and what other scanners found.
 * Strings as in core/advisory.h. */
#ifndef ANDON_INTEL_FACTS_H
#define ANDON_INTEL_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* One release cycle of a product (endoflife.date). */
struct intel_life {
    const char *product, *cycle, *source;
    int64_t end_of_support, end_of_security; /* 0 = not said */
    bool ended, endless;                     /* said without a date: support has ended, or has no end */
};

/* What another scanner says of a part of a release: shown as its finding, never taken for ours. */
struct intel_other {
    const char *tool;      /* "grype" */
    const char *release;   /* "NAME:VERSION", by the file's name; "" = not said */
    const char *id;        /* of the vulnerability, as it calls it */
    const char *component; /* purl, or name */
    const char *version, *fixed_in, *severity;
};

#endif
