/* What need not be kept of an advisory: enumerated versions that a range includes. Databases list every version that a
 * range means; the answer is the same without. */
#ifndef ANDON_INTEL_SLIM_H
#define ANDON_INTEL_SLIM_H

#include <stddef.h>
#include "core/advisory.h"

/* Moves the versions that have to be kept to the front, in their order; returns how many. */
size_t slim_versions(const struct adv_affected *of, const char **versions, size_t n);

#endif
