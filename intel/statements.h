/* What makers say of vulnerabilities in their products: documents of CSAF 2.x (docs.oasis-open.org/csaf), OpenVEX 0.2
 * (github.com/openvex/spec) and CycloneDX without components. Which of them it is, the document tells.
 *
 * What a statement calls a product becomes a purl or a CPE: a helper of the document where it has one, else
 * "pkg:generic/NAME@VERSION" of the branches that name it. A product without a version keeps none: such a statement
 * suppresses nothing (core/sbom.h). */
#ifndef ANDON_INTEL_STATEMENTS_H
#define ANDON_INTEL_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/err.h"
#include "core/json.h"
#include "core/sbom.h"

#define STATEMENTS_MAX ((size_t)1 << 20) /* of one document */

/* Grows by doubling; lives outside of the arena until statements_read() ends. */
struct statements {
    struct arena *a;
    struct vex *v;
    size_t n, cap;
    bool over;
};

/* All of one document, in the arena; *n may be 0: a document that was withdrawn, or says nothing of a product. */
bool statements_read(const char *bytes, size_t n, struct arena *a, const struct vex **out, size_t *many,
                     struct err *e) ANDON_MUST_USE;

/* For the kinds of document. `v` is copied; past STATEMENTS_MAX ->over is set. */
void statements_add(struct statements *s, const struct vex *v);
void csaf_statements(const struct json_t *doc, struct statements *s);
void openvex_statements(const struct json_t *doc, struct statements *s);

#endif
