/* Inside of telemetry: what the two sources share. */
#ifndef ANDON_CLIENT_TELEMETRY_IMPL_H
#define ANDON_CLIENT_TELEMETRY_IMPL_H

#include "client/telemetry.h"
#include "core/boots.h"
#include "core/slice.h"

struct watch_set {
    char *bytes; /* all ids, one behind the other */
    size_t bytes_n, bytes_cap;
    struct watch_id {
        size_t at, name_at;
        uint32_t n, hash, name_n;
    } * ids;
    size_t n, cap;
    size_t n_named;  /* the first so many have what telemetry calls them */
    uint32_t *slots; /* index + 1, 0 = free; n_slots is a power of two */
    size_t n_slots;
    uint64_t cleared; /* how often: indexes of before mean nothing after */
};

/* Adds n raw bytes. */
size_t watch_set_add_n(struct watch_set *w, const char *raw_id, size_t n);

/* A PromQL selector and nothing else: name{matchers}. */
bool is_plain_selector(const char *query);
/* Is this metric (or plain PromQL selector) a boot time, by its name? It may be named in the configuration, and taken
 * for a counter of boots one boot would look like thousands. */
bool is_boot_time(const char *metric);

/* The query of a built-in metric, for free(): `own` as configured, else the preset's; on an OpenMetrics page the name
 * of a sample; "" = there is none. */
char *telemetry_query(const struct telemetry_spec *spec, const char *id, const char *own, bool page);

/* The two kinds of source; NULL with *e filled. */
struct telemetry *openmetrics_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec,
                                   struct err *e);
struct telemetry *prometheus_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec,
                                  struct err *e);

#endif
