/* Verdict: from a wave's figures and a policy to what should be done, as a pure function.
 *
 * Limits act at once and independently; evidence from sequential tests (core/ will hold them) comes in through
 * `evidence` and is judged beside them. Severity: rollback > pause > hold > watch > none. Missing data is never
 * health: it holds at once and, after policy->lost_pause_us, pauses. */
#ifndef ANDON_CORE_VERDICT_H
#define ANDON_CORE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/health.h"
#include "core/policy.h"

#define VERDICT_LIMITS_MAX 32

/* One sequential test's standing (an e-process): natural logarithms. */
struct evidence {
    const char *test;    /* "crash-loop" */
    double log_e;        /* evidence so far */
    double log_pause;    /* needed to pause */
    double log_rollback; /* needed to roll back */
    int devices;         /* distinct canary devices that carry it */
    int min_devices;
};

/* What the verdict remembers from one evaluation to the next; a plain value that may be copied and stored. */
struct limit_state {
    int64_t since;   /* first evaluation of the present run of breaches, 0 = none */
    int evaluations; /* in that run */
    int missing;     /* evaluations without data since the last with data */
    bool tripped;    /* latched until the wave ends or the halt is acknowledged */
};
struct verdict_state {
    struct limit_state limit[VERDICT_LIMITS_MAX];
    int64_t unknown_since; /* 0 = data is good */
};

struct verdict_input {
    const struct policy *policy;
    const struct wave_health *health;
    int wave_index;
    const char *device_class; /* of the wave, "" */
    bool telemetry_expected;  /* a source is configured and devices are enrolled */
    bool telemetry_ok;        /* the newest poll of the source succeeded and is fresh */
    const struct evidence *evidence;
    size_t n_evidence;
    int64_t now;
};

enum limit_status { LIMIT_OK, LIMIT_PENDING /* breached, `for:` not over */, LIMIT_BREACH, LIMIT_UNKNOWN };

struct limit_view { /* for the screen and for the log */
    const struct limit *limit;
    enum limit_status status;
    double value, against, ratio;
    int64_t since;   /* of the breach, 0 */
    int64_t devices; /* that carry it */
};

struct verdict {
    enum reaction react; /* what to do now */
    enum reaction would; /* what dry-run limits would have added */
    const char *rule;    /* id of the limit or test that decided, "" */
    char text[200];      /* one sentence for the operator: figures and limit */
    bool data_missing;
    int64_t unknown_since;
    struct limit_view limits[VERDICT_LIMITS_MAX];
    size_t n_limits;
};

/* Evaluates once. *st is read and written; nothing else is kept. */
void verdict_step(const struct verdict_input *in, struct verdict_state *st, struct verdict *out);

const char *limit_status_word(enum limit_status s);

#endif
