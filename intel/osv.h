/* Records of OSV (schema 1.x, ossf.github.io/osv-schema): one file, one record. */
#ifndef ANDON_INTEL_OSV_H
#define ANDON_INTEL_OSV_H

#include <stdbool.h>
#include <stddef.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/err.h"

/* A range of type GIT, or of one that is not known, has VERSION_NONE and no events: it cannot be judged. Enumerated
 * versions are left out where a range includes them anyhow. ERR_SYNTAX: no such record (no id, a list that is none). */
bool osv_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e) ANDON_MUST_USE;

#endif
