/* Device pages read in one pass, without a tree: they are by far the most that andon reads.
 *
 * Accepts only what is plain beyond doubt: well-formed JSON without escapes and with no member twice, depth, numbers
 * and lengths within narrow limits, every member that is of interest of the expected type. About anything else it says
 * nothing: the caller parses the page as every other answer, and what that says holds. So the two can never disagree
 * about a page that is odd, and errors have one source. */
#ifndef ANDON_CLIENT_HAWKBIT_SCAN_H
#define ANDON_CLIENT_HAWKBIT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"

struct device_page {
    struct device *v;
    size_t n;
    int64_t total;
};

/* At most `max` devices; their texts are in `texts`, the array in `rough`. False: not plain, parse it; *out is then
 * worth nothing. */
bool hb_scan_devices(const char *bytes, size_t n, size_t max, struct arena *texts, struct arena *rough,
                     struct device_page *out);

#endif
