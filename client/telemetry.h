/* Telemetry sources behind one interface: Prometheus HTTP API, and OpenMetrics pages that andon scrapes itself.
 *
 * Both give, for each watched device: boot counter, CPU use, sensor variance, time of the sample. Asynchronous like
 * client/backend.h. Only devices in the watch set are kept, so memory grows with what is watched. */
#ifndef ANDON_CLIENT_TELEMETRY_H
#define ANDON_CLIENT_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "core/metric.h"
#include "core/model.h"
#include "core/tick.h"

struct telemetry;

/* The devices to keep, a set of raw ids. The engine owns it. Devices may be added at any time; clearing it while a
 * poll is under way may end that poll with ERR_CANCELLED. It lives until the poll's callback. */
struct watch_set;
struct watch_set *watch_set_new(void);
void watch_set_free(struct watch_set *w);
void watch_set_clear(struct watch_set *w);
/* Index of the device (0.. in order of adding), adding it if new. */
size_t watch_set_add(struct watch_set *w, const char *raw_id);
/* -1 when it is not watched. */
long watch_set_find(const struct watch_set *w, const char *raw_id, size_t n);
size_t watch_set_size(const struct watch_set *w);
const char *watch_set_id(const struct watch_set *w, size_t i, struct arena *a); /* raw */
/* What telemetry calls the devices, where that is not their id (struct join_spec, `attribute`): the value of the
 * attribute, n bytes; 0: the device has none, and no series is its own. In the order of the set, one after the other;
 * watch_set_named() says how many have it by now. Only those are known to a source that joins so. */
void watch_set_name(struct watch_set *w, const char *value, size_t n);
size_t watch_set_named(const struct watch_set *w);

/* One poll's result: rows are the devices of the watch set. */
struct sample_list {
    struct tick tick;
    size_t unmatched; /* series without a watched device */
    int64_t newest;   /* newest sample time seen, 0 */
    bool our_clock;   /* the samples have no times of their own: they have that of the request */
    /* What the source says about its own answer (Prometheus: partial data and the like), safe text, "" = nothing. Data
     * may be missing then. */
    const char *warning;
};

/* History of a source that keeps it, on a grid: the values as the source had them at each tick, in order of time. */
struct range_list {
    struct tick *v;
    size_t n;
    const char *warning; /* as in struct sample_list */
};
/* What devices did before a time: see struct trial_past in core/trial.h. */
struct past_list {
    bool known;      /* false: nobody can say, of any device */
    struct tick day; /* means over the day before, NaN when there is less than an hour of data; of a counter its rise */
    double *away;    /* of each device: share of the day without samples, in steps of 5 min; NaN: not known */
    struct tick hour; /* means over the hour before, of a counter its rise; `at`: the newest sample, 0 = not known */
};

/* What a source answers, query by query, and how much of it is about given devices: those of a tick's columns, then
 * those of the policies' own metrics in their order. */
#define TELEMETRY_QUERIES (COL_BUILTIN + METRICS_OWN)
struct telemetry_query {
    const char *what; /* "reboots", "free-memory"; NULL: not asked */
    size_t series;
    size_t unlabelled;       /* of them, without the label that is to hold the device's id */
    size_t ours;             /* of them, of one of the devices */
    size_t devices;          /* that have at least one */
    size_t several;          /* that have more than one */
    bool counter;            /* of several series one is followed (client/series.h); else they are averaged */
    bool below;              /* values below 0 are values */
    const char *example;     /* a value of the label that is none of the devices, safe text, "" */
    const char *one, *other; /* labels of two series of one device, safe text, "" */
    const char *of, *labels; /* the first device that has a usable value, and its series' labels; safe text, "" */
    double value;            /* that value */
    size_t unusable;         /* values of the devices that are no numbers, or no such from 0 on unless `below` */
};
/* A way from the label to devices, and how many have a series of any query by it. */
struct telemetry_join {
    bool strip_port, lower;
    size_t devices;
    const char *example, *of; /* a value of the label, and the id of the device that it stands for; safe text, "" */
};
struct telemetry_probe {
    const char *text;                     /* one sentence about the source, safe text */
    const char *label;                    /* the one that is to hold the device's id */
    struct telemetry_join joined, better; /* as configured; the one that matches most, which may be the same */
    bool our_clock;                       /* the samples have no times of their own (struct sample_list) */
    int64_t newest;                       /* of the devices' samples, 0 = not known */
    /* Devices of which in the last quarter of an hour now one series had the newest sample, now another, and labels of
     * two such series of one of them ("" = none): a counter would jump from one to the other. */
    size_t alternating;
    const char *one, *other;
    struct telemetry_query query[TELEMETRY_QUERIES];
};

struct telemetry_ops {
    const char *kind;
    void (*free)(struct telemetry *t);
    /* Reads the newest values. window_us as in the policy (variance and rates of raw metrics are taken over it). `at`:
     * a source with history answers as of this time, to the ms (so that two watchers of it get the same); 0 = now. */
    void (*poll)(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                 struct sample_list *out, backend_done done, void *ctx);
    /* For `andon doctor`: asks each query once and compares with `devices` (which may be empty). The strings of *out
     * are in the arena. */
    void (*probe)(struct telemetry *t, const struct watch_set *devices, struct arena *a, struct telemetry_probe *out,
                  backend_done done, void *ctx);
    /* History; both NULL where the source keeps none. */
    /* Values at from, from + step, ... <= to (multiples of step_us; at most RANGE_TICKS_MAX of them). The same bits as
     * poll() with `at` gives for each. ERR_LIMIT when the answer would be too large, for andon or for the source: ask
     * for fewer ticks (at most about a million rows). ERR_TIMEOUT may have the same cause. The queries go out one after
     * the other, so that polls find room beside them. */
    void (*range)(struct telemetry *t, const struct watch_set *watch, int64_t from, int64_t to, int64_t step_us,
                  int64_t window_us, struct arena *a, struct range_list *out, backend_done done, void *ctx);
    /* What the devices did in the day and in the hour before `at`; not `known` when the source knows nothing of that
     * time for any of them. It may take
     * long (up to twelve of the endpoint's time-outs a query); asked for once a wave. */
    void (*past)(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                 struct past_list *out, backend_done done, void *ctx);
    /* COL_REBOOTS from range, and from poll with `at` > 0, is a time of boot in seconds, not a counter (struct
     * trial_spec.boot_time; core/boots.h makes one). May be NULL: it is a counter. */
    bool (*boot_time)(const struct telemetry *t);
};
#define RANGE_TICKS_MAX 1000

struct telemetry {
    const struct telemetry_ops *ops;
    struct http *http;
};

/* NULL with *e filled, or NULL without error (e->code == ERR_NONE) when the spec says TELEMETRY_NONE. */
struct telemetry *telemetry_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec, struct err *e);
static inline void telemetry_free(struct telemetry *t)
{
    if (t)
        t->ops->free(t);
}

#endif
