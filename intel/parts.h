/* SBOMs, read as they come: CycloneDX 1.4-1.6 (1.7 as far as it is known) and SPDX 2.3, both as JSON. Memory for what
 * is kept of the parts and for one of them. */
#ifndef ANDON_INTEL_PARTS_H
#define ANDON_INTEL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/elements.h"
#include "core/err.h"
#include "core/json.h"
#include "core/sbom.h"

#define PARTS_MAX ((size_t)200000) /* of one SBOM, and statements in one */

/* A statement about a part by its reference, of which more may be known at the end. */
struct parts_said {
    struct vex vex;
    const char *ref;             /* "" = the firmware itself */
    const char *const *versions; /* of the part, when it is only about these */
    size_t n_versions;
};

struct parts;
struct parts_format {
    const char *keys[ELEMENT_KEYS]; /* the arrays of the document; the first is that of the parts */
    /* One element of keys[which]. False with *e: it is no such document. */
    bool (*take)(struct parts *p, size_t which, const struct json_t *element, struct err *e);
    /* What stands around them, at the end. */
    bool (*end)(struct parts *p, const struct json_t *around, struct err *e);
};
extern const struct parts_format parts_cyclonedx, parts_spdx;

struct parts {
    const struct parts_format *format;
    struct arena *a;
    struct elements elements;
    struct err err;
    struct sbom sbom; /* what the format finds out about the whole */
    struct sbom_part *part;
    size_t n_part, cap_part;
    struct parts_said *said;
    size_t n_said, cap_said;
    const char *self_ref; /* which part is the firmware itself; "" = none */
};

/* By the file's name: *.spdx.json is SPDX, any other JSON CycloneDX. Strings live in `a`. */
void parts_begin(struct parts *p, const struct parts_format *format, struct arena *a);
void parts_release(struct parts *p);
bool parts_feed(struct parts *p, const char *bytes, size_t n); /* false: parts_end() tells */
/* *out lacks its release and digest, which the file's name and bytes give. */
bool parts_end(struct parts *p, struct sbom *out, struct err *e) ANDON_MUST_USE;
/* For the formats. False: there are too many. */
bool parts_add(struct parts *p, const struct sbom_part *part, struct err *e) ANDON_MUST_USE;
bool parts_say(struct parts *p, const struct parts_said *said, struct err *e) ANDON_MUST_USE;

/* "gate_2.8.4.cdx.json" -> "gate:2.8.4": name and version of the release, percent-decoded, parted at the last "_".
 * False: the file's name is none of this kind. */
bool parts_release_of(const char *file, struct arena *a, const char **release);

#endif
