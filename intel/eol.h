/* How long products are supported: endoflife.date, its API v1 ("result.releases") and the older lists of cycles. */
#ifndef ANDON_INTEL_EOL_H
#define ANDON_INTEL_EOL_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/err.h"
#include "intel/facts.h"

/* All cycles of a file, in the arena. `file` names the product where the document does not ("openwrt.json"). */
bool eol_read(const char *bytes, size_t n, const char *file, struct arena *a, const struct intel_life **out,
              size_t *many, struct err *e) ANDON_MUST_USE;

#endif
