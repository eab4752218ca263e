/* Names of products: CPE 2.3 formatted strings and the older cpe:/ addresses (NIST IR 7695), and whether the criteria
 * of a record name a product (NIST IR 7696). */
#ifndef ANDON_CORE_CPE_H
#define ANDON_CORE_CPE_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/slice.h"

#define CPE_MAX 2048 /* bytes; a longer one is none */

enum cpe_field {
    CPE_PART = 0,
    CPE_VENDOR,
    CPE_PRODUCT,
    CPE_VERSION,
    CPE_UPDATE,
    CPE_EDITION,
    CPE_LANGUAGE,
    CPE_SW_EDITION,
    CPE_TARGET_SW,
    CPE_TARGET_HW,
    CPE_OTHER,
    CPE_FIELDS
};

/* In lower case. "*" = any, "-" = not applicable; else text in which "*" and "?" are wildcards and a backslash stands
 * before what is not (a "*", "?" or backslash, or the only "-"). Equal values are equal bytes, however they were
 * escaped. */
struct cpe {
    const char *field[CPE_FIELDS];
};

/* Strings go into the arena. False: it is no CPE (not all eleven fields, an unknown part, a wildcard amid a value, a
 * control character or a byte that is not ASCII, too long). */
bool cpe_parse(struct slice text, struct arena *a, struct cpe *out);

/* The version with its update, for VERSION_GENERIC: "3.7.0-rc2" of 3.7.0:rc2. "" = any or not applicable. Into the
 * arena unless it has no update. */
const char *cpe_version(const struct cpe *c, struct arena *a);

enum cpe_fit {
    CPE_OTHER_PRODUCT = 0,
    CPE_OTHER_VERSION,  /* the criteria name one version, and it is another one */
    CPE_NOT_APPLICABLE, /* the criteria are about a product that has no versions, and this one has */
    CPE_UNCLEAR,        /* the criteria name a version, an edition or a target, and the product does not say its own */
    CPE_FITS
};
/* Do the criteria name this product? Part, vendor and product must be equal, wildcards of the criteria apart; a version
 * that the criteria name is compared as VERSION_GENERIC does, with its update. Ranges of versions stand beside the
 * criteria (struct adv_cpe) and are not judged here. The criteria's "-" fits "-" and what is not said; that of a piece
 * of hardware's version fits any, since records number no hardware. */
enum cpe_fit cpe_match(const struct cpe *criteria, const struct cpe *known, struct arena *a);

#endif
