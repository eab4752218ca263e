/* Which of the makers' statements holds for a part of a release.
 *
 * A statement names a product, and may name a component of it. It decides only about a version that it names: of the
 * product, or of the component when the component itself is its product (OpenVEX). Of the statements about one part,
 * one that names the component goes before one about the whole product; of the same scope the newest holds, of the same
 * time the worse. Drafts decide nothing, nor does anything without a version. Identifiers are compared by meaning:
 * purls decoded and without the qualifiers that name no other thing, CPEs by vendor, product and version, in any case.
 */
#ifndef ANDON_CORE_VEX_H
#define ANDON_CORE_VEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/cpe.h"
#include "core/purl.h"
#include "core/sbom.h"

/* What a statement has to do with a release. */
enum vex_fit {
    VEX_OTHER_PRODUCT = 0, /* no product here is called so */
    VEX_OTHER_VERSION,     /* it is about another version of it */
    VEX_NO_VERSION,        /* of any version: decides nothing */
    VEX_OTHER_COMPONENT,   /* its product, but no such part in it */
    VEX_DRAFT,             /* fits, but is a draft */
    VEX_FITS,
    VEX_FIT_COUNT
};
/* "names no version, and so decides nothing" */
const char *vex_fit_text(enum vex_fit f);
/* "not-affected" */
const char *vex_status_word(enum vex_status s);
/* VEX_STATUSES for what is none. */
enum vex_status vex_status_from(const char *word);

/* What something is called, read once. */
struct vex_name {
    struct purl purl;
    struct cpe cpe;
    bool has_purl, has_cpe;
};
/* A release and its parts. */
struct vex_subject {
    const char *release;         /* "NAME:VERSION" */
    const struct sbom *sbom;     /* NULL = none */
    struct vex_name firmware[2]; /* as the SBOM calls it, and its CPE from the inventory */
    struct vex_name *parts;
    size_t n_parts;
};
/* `cpe_firmware` "" = not known. Borrows, and keeps what it reads in the arena. */
void vex_subject_init(struct vex_subject *s, const char *release, const struct sbom *sbom, const char *cpe_firmware,
                      struct arena *a);

/* A statement as it is meant for one release. */
struct vex_told {
    enum vex_fit fit; /* the two below only when it is VEX_FITS */
    bool whole;       /* about the product as a whole */
    bool exact;       /* names the component's version */
    const uint32_t *parts;
    size_t n_parts;
};
/* `own`: it stands in the release's SBOM, and so is about this release. */
void vex_tell(const struct vex_subject *s, const struct vex *v, bool own, struct arena *a, struct vex_told *out);
/* Of two that speak about one part, does b hold over a? */
bool vex_over(const struct vex *a, const struct vex_told *told_a, const struct vex *b, const struct vex_told *told_b);

#endif
