/* Device pages read in one pass, without a tree: they are by far the most that andon reads.
 *
 * By client/plain.h: only what is plain, every member that is of interest of the expected type; all else is parsed as
 * every other answer. */
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
