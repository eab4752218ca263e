/* A metrics page, in both formats. The first byte chooses. */
#include "fuzz.h"

#include <string.h>
#include "client/exposition.h"
#include "core/slice.h"

struct seen {
    size_t n;
    const char *page;
    bool openmetrics;
};

static void on_sample(void *ctx, size_t want, const char *device, size_t n, const struct series_id *series,
                      double value, int64_t t)
{
    struct seen *s = ctx;
    (void)value;
    (void)series;
    must(want < 3);
    must(n <= EXPOSITION_LABEL_MAX);
    must(t >= 0);
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) /* reads every byte of it */
        h = h * 31 + (unsigned char)device[i];
    s->n += 1 + (h == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct exposition_want wants[] = {{"device_reboots_total", NULL, NULL},
                                                   {"device_cpu_ratio", NULL, NULL},
                                                   {"node_cpu_seconds_total", "mode", "idle"},
                                                   {NULL, NULL, NULL}};
    if (n == 0)
        return 0;
    struct seen s = {.page = (const char *)data + 1, .openmetrics = data[0] & 1};
    struct exposition x = {
        .wants = wants, .n_wants = 4, .join_label = "device", .openmetrics = s.openmetrics, .fn = on_sample, .ctx = &s};
    struct err e = {0};
    if (!exposition_read(&x, s.page, n - 1, &e))
        must(e.code != ERR_NONE && e.what[0] && fuzz_shown(e.what));
    return 0;
}
