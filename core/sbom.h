/* What a release is made of, in one form whatever file it came from (CycloneDX 1.4-1.6, SPDX 2.3), and what its maker
 * says of vulnerabilities in it (VEX: CSAF, OpenVEX, CycloneDX). Strings as in core/advisory.h. */
#ifndef ANDON_CORE_SBOM_H
#define ANDON_CORE_SBOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbom_part {
    const char *ref; /* the file's own name for it */
    const char *name, *version;
    const char *purl, *cpe; /* as they came; "" = none */
};

struct sbom {
    const char *release; /* "NAME:VERSION" of the release (distribution set) */
    const char *format;  /* "CycloneDX 1.6" */
    const char *sha256;  /* of the file */
    int64_t made_at;
    struct sbom_part self; /* the firmware itself */
    const struct sbom_part *parts;
    size_t n_parts;
    const struct vex *vex;
    size_t n_vex;
};

enum vex_status { VEX_AFFECTED = 0, VEX_NOT_AFFECTED, VEX_FIXED, VEX_INVESTIGATING, VEX_STATUSES };

/* One statement about one product and one vulnerability. */
struct vex {
    const char *id; /* the vulnerability */
    enum vex_status status;
    const char *why;       /* its justification or flag: "vulnerable_code_not_present"; "" */
    const char *product;   /* purl or CPE of the release, with its version: without one it never suppresses */
    const char *component; /* purl or CPE or name within it; "" = the product as a whole */
    const char *document;  /* the file or its id */
    int64_t at;            /* a newer one of the same scope wins */
    bool draft;            /* draft, interim: shown, never suppresses */
};

#endif
