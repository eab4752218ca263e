/* Placebo test: were the canaries like control before the rollout? The trial's own comparison on the time before the
 * new firmware: same devices, same telemetry, nothing changed. Canaries that were picked at random within the strata by
 * attributes differ from control by chance only; those that do not may be halted, or let through, for what they were
 * before.
 *
 * Of each metric that the policy tests one number for each device, in classes: a counter's events of the day before
 * (where only the hour is known, of the hour), the share of the day in which it was not heard, a gauge's last hour over
 * its own day (compared by difference: less its own day's; without own baseline: its last hour). A rank test within the
 * strata by attributes, exact given which values tie or careful (core/ranktest.h), both ways; over k metrics k times
 * the least p-value. Metrics in which no two devices differ are not counted: that says nothing about who is a canary.
 *
 * The level is its own and no part of alpha: the test never acts. docs/statistics.md, "Placebo test". */
#ifndef ANDON_CORE_PLACEBO_H
#define ANDON_CORE_PLACEBO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/policy.h"

#define PLACEBO_LEVEL 0.01 /* of each wave */
#define PLACEBO_TEXT  400  /* room for the sentence */

struct trial_past;

enum placebo_word {
    PLACEBO_UNKNOWN, /* nobody knows what was before, on either side */
    PLACEBO_FEW,     /* too few devices: no difference could be significant */
    PLACEBO_LIKE,    /* no significant difference */
    PLACEBO_UNLIKE   /* p <= PLACEBO_LEVEL */
};

/* So many devices with the same value of a metric. */
struct placebo_cell {
    uint8_t row, stratum; /* of the policy's metrics; by attributes */
    int16_t value;        /* its class; more is more */
    int16_t wave;         /* that they are told with; -1: none */
    uint32_t n;
};
/* Devices by what they did before. */
struct placebo {
    struct placebo_cell *v; /* by row, stratum, value and wave, ascending, none twice; once closed */
    size_t n, cap;
    uint32_t rows; /* which rows of the policy's metrics are tested, as bits */
};
/* Nobody yet. Freed by placebo_release(). */
void placebo_init(struct placebo *p, const struct evidence_policy *e);
void placebo_release(struct placebo *p);
/* A device of wave `wave` (-1: none), which is control until then. */
void placebo_add(struct placebo *p, const struct evidence_policy *e, int wave, uint8_t stratum,
                 const struct trial_past *past);
void placebo_close(struct placebo *p); /* all have been added */

struct placebo_result {
    enum placebo_word word;
    double log_p;            /* ln of the p-value, all metrics counted; 0 when nothing was compared */
    uint8_t row;             /* the metric that differs most, */
    bool more;               /* of which canaries had more */
    int compared;            /* metrics, */
    uint32_t rows;           /* and which, as bits */
    int64_t canary, control; /* devices compared, of the metric with most */
};
/* Devices of waves up to `wave` against all others. */
void placebo_test(const struct placebo *p, int wave, struct placebo_result *out);

/* "like control", "NOT like control", "not known". */
const char *placebo_word(enum placebo_word w);
/* "NOT like control before the rollout (p=0.00013: more reboots)"; the other words alone. */
void placebo_brief(const struct placebo_result *r, const struct evidence_policy *e, char out[PLACEBO_TEXT]);
/* The whole in one or two sentences. */
void placebo_text(const struct placebo_result *r, const struct evidence_policy *e, char out[PLACEBO_TEXT]);

/* What a result was made of, as canonical JSON, and the result. */
void placebo_write(const struct placebo *p, const struct evidence_policy *e, int wave, const struct placebo_result *r,
                   struct buf *out);
struct placebo_replay {
    int wave;
    struct placebo_result now;      /* computed again */
    double logged;                  /* ln p as it stands there */
    char metric[METRIC_ID_MAX + 1]; /* id of the row; "" */
    size_t cells;
    bool same; /* to the last bit */
};
/* Is it the inputs of a placebo test? Cheap, of any bytes. */
bool placebo_is(const void *json, size_t n);
/* Computes a result again from its inputs alone. False with *e when they cannot be read. `p` (NULL: not wanted) becomes
 * the counts, to be released. */
bool placebo_replay(const void *json, size_t n, struct placebo_replay *out, struct placebo *p,
                    struct err *e) ANDON_MUST_USE;

#endif
