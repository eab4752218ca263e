/* Inside of the Prometheus source: prometheus.c has the queries and the calls, prometheus_call.c sends them,
 * prometheus_read.c reads answers, prometheus_grid.c makes rows of what they hold, prometheus_past.c asks about the day
 * before a rollout, prometheus_probe.c for `andon doctor`. A poll is a grid of one tick, so that a poll as of some time
 * and a range that holds it cannot come to different rows. */
#ifndef ANDON_CLIENT_PROMETHEUS_IMPL_H
#define ANDON_CLIENT_PROMETHEUS_IMPL_H

#include "client/join.h"
#include "client/series.h"
#include "core/buf.h"
#include "core/json.h"

#define PROM_ANSWER_MAX ((size_t)128 << 20)
#define PROM_QUERY_MAX  4096                     /* bytes of one expression as configured */
#define PROM_CELLS_MAX  ((size_t)1 << 20)        /* devices x ticks of one range */
#define PROM_TIME_MAX   INT64_C(250000000000000) /* ms, the year 9892 */

/* Those before the time are columns of a tick. */
enum prom_query { Q_REBOOTS = COL_REBOOTS, Q_CPU = COL_CPU, Q_VARIANCE = COL_VARIANCE, Q_TIME, Q_COUNT };
/* Behind them those of the policies' own metrics. */
#define Q_MAX (Q_COUNT + METRICS_OWN)
static inline size_t prom_column(int q)
{
    return (size_t)(q < Q_TIME ? q : q - 1);
}

struct prom {
    struct telemetry base;
    struct http_peer *peer;
    struct join join;
    char *query[Q_MAX];     /* "" = not asked */
    char *own[METRICS_OWN]; /* their names */
    bool counter[Q_MAX], below[Q_MAX];
    int n_queries;
    int64_t interval_us;
    bool boot_times;
    struct watch_set *known; /* the devices of boots[] */
    struct boot_counter *boots;
    size_t cap;
};

/* --- prometheus_read.c --- */

/* What a series is called. */
struct prom_labels {
    size_t series;       /* counts from 0 */
    struct slice join;   /* the value of its join label, absent where it has none */
    struct slice text;   /* all labels as JSON, absent when they are not plain; as long as the answer */
    struct series_id id; /* what they come to */
};
/* Takes what an answer holds, sample by sample, in its order. `device` is the index in the watch set, -1 not watched;
 * `series` counts from 0. v may be NaN or infinite. False ends the reading, with *e filled. */
struct prom_sink {
    bool (*sample)(void *ctx, size_t series, long device, int64_t at_ms, double v, struct err *e);
    void (*restart)(void *ctx); /* forget everything so far: the answer is read once more */
    /* Each series, before its samples. May be NULL. */
    void (*labels)(void *ctx, const struct prom_labels *l);
    void *ctx;
};
struct prom_source {
    const char *what; /* of the query, for errors */
    const char *join_label;
    struct join *join;             /* NULL: the label holds the id as it is */
    const struct watch_set *watch; /* NULL: nobody is watched */
    size_t n_watch;                /* devices added later do not count */
    bool matrix;                   /* of a range query */
};
/* Reads one answer. `warning` gets the server's first one, safe text, if there is one. */
bool prom_read(const struct prom_source *src, const struct buf *body, const struct prom_sink *sink, char *warning,
               size_t n_warning, struct err *e) ANDON_MUST_USE;

/* --- prometheus_grid.c --- */

/* Values of one query by cell. Several series of one device are averaged; their sum is made in order of value, because
 * a server lists series in one order in an instant answer and in another in a range. Of a counter, and of the times
 * that go with it, it is kept which series each value is of: those are never averaged. */
struct prom_cells {
    double *v;
    uint32_t *count; /* 0: nothing */
    struct prom_extra {
        uint32_t cell, series;
        double v;
    } * extra; /* what lies beyond the first value of a cell; once settled only of a counter, in order of cell */
    size_t n, n_extra, cap;
    uint32_t *first; /* of a counter: the series of the first value; else NULL */
    struct series_id *id;
    size_t n_id, cap_id;
};
void prom_cells_init(struct prom_cells *c, size_t n, bool counter);
void prom_cells_called(struct prom_cells *c, const struct prom_labels *l); /* in order of series */
void prom_cells_release(struct prom_cells *c);
void prom_cells_clear(struct prom_cells *c);
void prom_cells_put(struct prom_cells *c, size_t cell, size_t series, double v); /* not finite: nothing */
void prom_cells_put_max(struct prom_cells *c, size_t cell, double v);
void prom_cells_settle(struct prom_cells *c);                    /* after the last put */
double prom_cells_mean(const struct prom_cells *c, size_t cell); /* NaN: nothing, or beyond measure */
/* Of a counter: by the rule of client/series.h. `times`: of the same cells, seconds; NULL: all are of the same time. */
double prom_cells_counter(const struct prom_cells *c, const struct prom_cells *times, size_t cell, bool boot_times);

/* Values by tick and device, for each query. */
struct prom_grid {
    size_t n, ticks;          /* devices, ticks */
    int64_t from_ms, step_ms; /* 0: one tick, of any time (poll) */
    struct prom_cells q[Q_MAX];
    int queries;
    uint32_t *timed;      /* by tick: series that the query for times gave, of watched devices or not */
    int64_t at_ms[Q_MAX]; /* of a poll: when the server evaluated it */
    size_t unmatched;     /* samples without a watched device */
    bool wrong_time;      /* of a poll: evaluated at another time than asked */
    /* where the next sample of a range may stand */
    size_t series;
    int64_t newest_ms;
};
void prom_grid_init(struct prom_grid *g, const struct prom *o, size_t n, size_t ticks, int64_t from_ms,
                    int64_t step_ms);
void prom_grid_release(struct prom_grid *g);
/* One sample of query q. False with *e: a time that was not asked for, or not after the one before. */
void prom_grid_called(struct prom_grid *g, enum prom_query q, const struct prom_labels *l);
bool prom_grid_put(struct prom_grid *g, enum prom_query q, size_t series, long device, int64_t at_ms, double v,
                   struct err *e) ANDON_MUST_USE;
void prom_grid_restart(struct prom_grid *g, enum prom_query q);
/* Puts what is known of the device at the tick into *out; false: nothing that counts. */
bool prom_grid_row(const struct prom_grid *g, const struct prom *o, size_t tick, size_t device, struct tick *out);

/* --- prometheus_call.c --- */

#define PROM_PARTS (Q_COUNT + 4 + 2 * METRICS_OWN)
struct prom_call;
struct prom_part {
    struct prom_call *call;
    const char *what; /* of the query, for errors */
    char *path;       /* owned */
    uint64_t id;
    bool pending;
};
/* One asynchronous call of telemetry_ops; its queries are its parts. */
struct prom_call {
    struct prom *prom;
    const struct watch_set *watch;
    size_t n;         /* devices in the set when it began */
    uint64_t cleared; /* of the set, then */
    struct arena *arena;
    backend_done done;
    void *ctx;
    struct reply reply;
    struct err err;
    char warning[200];
    bool matrix, in_turn; /* range queries; one query after the other, so that polls find room beside them */
    bool slow;            /* the server has to work for it */
    struct prom_part part[PROM_PARTS];
    unsigned pending;
    struct prom_grid grid; /* zero when the call has none */
    bool (*sample)(struct prom_call *c, size_t part, size_t series, long device, int64_t at_ms, double v,
                   struct err *e);
    void (*restart)(struct prom_call *c, size_t part);
    void (*labels)(struct prom_call *c, size_t part, const struct prom_labels *l); /* of each series; may be NULL */
    void (*answered)(struct prom_call *c, size_t part); /* an answer was read to its end; may be NULL */
    void (*end)(struct prom_call *c);                   /* all went well: write the result */
    void (*drop)(struct prom_call *c);                  /* frees what `state` holds; may be NULL */
    void *out, *state;                                  /* the caller's; the call's own, for free() */
};
struct prom_call *prom_call_new(struct telemetry *t, const struct watch_set *watch, struct arena *a, void *out,
                                backend_done done, void *ctx);
const char *prom_query_word(const struct prom *o, int q); /* for errors */
/* Query q with its placeholders ($window, $rate, $label) replaced, for free(); "" when there is none. One that is too
 * long fails the call. */
char *prom_expression(struct prom_call *c, int q, int64_t window_us);
/* Adds a query as part i; NULL or "" is left out. `when` is the rest of the URL: see prom_at and prom_span. */
void prom_ask(struct prom_call *c, size_t i, const char *what, const char *expression, const char *when);
#define PROM_WHEN 112
const char *prom_at(char out[PROM_WHEN], int64_t at);
const char *prom_span(char out[PROM_WHEN], int64_t from, int64_t to, int64_t step_us);
/* Sends. The call ends by itself; with c->err set before, without asking anything. */
void prom_call_go(struct prom_call *c);

/* --- prometheus_past.c --- */
void prom_past(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
               struct past_list *out, backend_done done, void *ctx);

/* --- prometheus_probe.c --- */
void prom_probe(struct telemetry *t, const struct watch_set *devices, struct arena *a, struct telemetry_probe *out,
                backend_done done, void *ctx);

/* A time in seconds that a query gave as a value, in us; 0: none. */
int64_t prom_time_value(double s);

#endif
