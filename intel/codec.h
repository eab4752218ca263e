/* Advisories, SBOMs and statements as bytes of the store, and back. One description of each value serves both ways.
 *
 * Numbers are of variable length, times whole seconds; a string that the record had already, or that is common to many
 * records, is a number. Bytes from a damaged store are refused, never trusted. */
#ifndef ANDON_INTEL_CODEC_H
#define ANDON_INTEL_CODEC_H

#include <stdbool.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/sbom.h"
#include "core/slice.h"
#include "intel/facts.h"

/* Appended to *out. */
void encode_advisory(struct buf *out, const struct advisory *v);
void encode_sbom(struct buf *out, const struct sbom *v);
void encode_vex(struct buf *out, const struct vex *v);
void encode_life(struct buf *out, const struct intel_life *v);
void encode_other(struct buf *out, const struct intel_other *v);
/* False: damaged. */
bool decode_advisory(struct slice s, struct arena *a, struct advisory *out);
bool decode_sbom(struct slice s, struct arena *a, struct sbom *out);
bool decode_vex(struct slice s, struct arena *a, struct vex *out);
bool decode_life(struct slice s, struct arena *a, struct intel_life *out);
bool decode_other(struct slice s, struct arena *a, struct intel_other *out);

#endif
