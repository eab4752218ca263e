/* A metrics page, in both formats, and which device a series is of and what several of one counter come to. The first
 * byte chooses. */
#include "fuzz.h"

#include <math.h>
#include <string.h>
#include "client/exposition.h"
#include "client/join.h"
#include "client/series.h"
#include "core/slice.h"

struct seen {
    size_t n;
    const char *page;
    bool openmetrics;
    struct join join;
    const struct watch_set *watch;
    struct series_value v[64];
    size_t n_values;
};

static void on_sample(void *ctx, size_t want, const char *device, size_t n, const struct series_id *series,
                      double value, int64_t t)
{
    struct seen *s = ctx;
    must(want < 3);
    must(n <= EXPOSITION_LABEL_MAX);
    must(t >= 0);
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) /* reads every byte of it */
        h = h * 31 + (unsigned char)device[i];
    s->n += 1 + (h == 0);
    long i = join_find(&s->join, s->watch, device, n);
    must(i >= -1 && i < (long)watch_set_size(s->watch));
    must(join_find(&s->join, s->watch, device, n) == i);
    if (i == 0 && isfinite(value) && s->n_values < sizeof s->v / sizeof *s->v)
        s->v[s->n_values++] = (struct series_value){*series, t, value};
}

/* The same counter, in whatever order its series stand. */
static void follow(struct seen *s)
{
    struct series_value other[sizeof s->v / sizeof *s->v];
    for (size_t i = 0; i < s->n_values; i++)
        other[i] = s->v[s->n_values - 1 - i];
    if (s->n_values == 0)
        return;
    double a = series_counter(s->v, s->n_values, false), b = series_counter(other, s->n_values, false);
    must(a == b || (isnan(a) && isnan(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct exposition_want wants[] = {{"device_reboots_total", NULL, NULL},
                                                   {"device_cpu_ratio", NULL, NULL},
                                                   {"node_cpu_seconds_total", "mode", "idle"},
                                                   {NULL, NULL, NULL}};
    if (n == 0)
        return 0;
    static struct watch_set *watch;
    if (!watch) {
        watch = watch_set_new();
        watch_set_add(watch, "gw-1");
        watch_set_add(watch, "g\xc3\xa4");
        watch_set_add(watch, "fe80::1");
        watch_set_name(watch, "SN1", 3);
        watch_set_name(watch, "", 0);
    }
    const struct join_spec spec = {
        .lower = data[0] & 2, .strip_port = data[0] & 4, .attribute = data[0] & 8 ? "serial" : ""};
    struct seen s = {.page = (const char *)data + 1, .openmetrics = data[0] & 1, .watch = watch};
    join_init(&s.join, "device", &spec);
    struct exposition x = {
        .wants = wants, .n_wants = 4, .join_label = "device", .openmetrics = s.openmetrics, .fn = on_sample, .ctx = &s};
    struct err e = {0};
    if (!exposition_read(&x, s.page, n - 1, &e))
        must(e.code != ERR_NONE && e.what[0] && fuzz_shown(e.what));
    follow(&s);
    join_release(&s.join);
    return 0;
}
