/* What other scanners found, as their JSON says: grype, osv-scanner, trivy. Shown beside andon's own answers, never as
 * them. */
#ifndef ANDON_INTEL_OTHERS_H
#define ANDON_INTEL_OTHERS_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/err.h"
#include "intel/facts.h"

/* All findings of a file, in the arena; *many may be 0. The document tells which scanner's it is; "release" is left "",
 * which the file's name gives. */
bool others_read(const char *bytes, size_t n, struct arena *a, const struct intel_other **out, size_t *many,
                 struct err *e) ANDON_MUST_USE;

#endif
