/* From the value of a series' label to a watched device, as struct join_spec says, and the check of which
 * transformation would fit (for `andon doctor`). Inside of telemetry. */
#ifndef ANDON_CLIENT_JOIN_H
#define ANDON_CLIENT_JOIN_H

#include "client/telemetry_impl.h"

/* One source's way of joining. What devices are looked up by (their ids or names, in lower case where capitals make no
 * difference) is kept beside the watch set and follows it. */
struct join {
    char *label;
    bool strip_port, lower, by_name;
    struct watch_set *keys; /* NULL: the ids themselves */
    uint32_t *device;       /* by key: index in the watch set; JOIN_TWO: two devices have the same */
    size_t cap;
    const struct watch_set *of;
    uint64_t cleared;
    size_t n; /* devices of it whose keys are there */
};
#define JOIN_TWO UINT32_MAX

/* Copies what it needs. "" as the label is "device". */
void join_init(struct join *j, const char *label, const struct join_spec *spec);
void join_release(struct join *j);
/* The device that the label's value (n bytes, hostile) stands for: its index in the watch set; -1: none, or more than
 * one. */
long join_find(struct join *j, const struct watch_set *w, const char *value, size_t n);

/* Counts series for a probe. */
struct join_probe;
struct join_probe *join_probe_new(struct telemetry_probe *p, struct join *j, const struct watch_set *devices,
                                  struct arena *a);
void join_probe_free(struct join_probe *b); /* NULL is fine */
/* A query is asked; `what`: in words, in the arena or for ever. `counter`: its values are never averaged;
 * `below`: they may be below 0. */
void join_probe_asked(struct join_probe *b, size_t query, const char *what, bool counter, bool below);
/* One series by the value of its label (absent: it has none). `text`: all its labels, for examples; absent where they
 * cannot be told. The bytes last as long as the query's answer. Returns the device whose it is, -1 none. */
long join_probe_count(struct join_probe *b, size_t query, struct slice label, struct slice text);
/* A value of a device's series, after its series was counted. */
void join_probe_value(struct join_probe *b, size_t query, long device, double v);
/* Forgets what was counted of a query. */
void join_probe_uncount(struct join_probe *b, size_t query);
/* After the last series: which transformation would match how many. */
void join_probe_end(struct join_probe *b);

#endif
