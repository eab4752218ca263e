/* Verdict: from a wave's figures and a policy to what should be done, as a pure function.
 *
 * Limits act at once and independently; evidence from sequential tests (core/trial.h) comes in through `evidence` and
 * is judged beside them, by the policy's levels of evidence. Severity: rollback > pause > hold > watch > none. Missing
 * data is never health: nothing is advanced on it, from the third poll in a row without it the wave is held, and after
 * policy->lost_pause_us it is paused. For how long it has been missing is the world's affair and not the watcher's: it
 * counts from when enough devices were last heard of, or from a person's resume after that, polls are ticks of the
 * telemetry's own grid, and a watcher that was only just started waits for what one whole window of coverage brings. */
#ifndef ANDON_CORE_VERDICT_H
#define ANDON_CORE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/health.h"
#include "core/policy.h"

#define VERDICT_LIMITS_MAX 32

/* One sequential test's standing (core/trial.h makes them): natural logarithms. */
struct evidence {
    const char *test; /* "crash-loop", "cpu", "install", "free-memory-2"; static, or the policy's */
    double log_e;     /* most evidence so far: once a level is reached it stays reached; of installs as they are now */
    double log_now;   /* evidence at the newest tick */
    double log_pause; /* needed to pause: ln(1/alpha of this test) */
    double
        log_rollback; /* ten times that: for the screen; a roll back happens only where a level of the policy says so */
    int devices;      /* distinct canary devices that carry it */
    int min_devices;
    int64_t canary, control;             /* devices that had it */
    int64_t canary_of, control_of;       /* devices that could have had it (at risk at the start, or compared) */
    double ratio, ratio_low, ratio_high; /* canary to control, with its anytime-valid interval; NaN = not known */
    int64_t crossed_at;                  /* tick at which it reached log_pause, 0 = not */
    bool dismissed;                      /* a person acknowledged it: it counts anew only from ten times as much */
    int64_t overdue;                     /* of installs: so many of `canary` have not reported in time */
    const char *plain;                   /* in words, after "3 canaries"; NULL: those of the built-in test */
    enum metric_form form;
    bool down;      /* less is worse */
    uint8_t metric; /* row of the policy's metrics */
};

/* What the verdict remembers from one evaluation to the next; a plain value that may be copied and stored. */
struct limit_state {
    int64_t since;                   /* first evaluation of the present run of breaches, 0 = none */
    int evaluations;                 /* in that run */
    int missing;                     /* evaluations without data since the last with data */
    bool tripped;                    /* latched until the wave ends or the halt is acknowledged (verdict_reset) */
    int64_t last;                    /* data time of the newest evaluation that counted, 0 = none */
    int64_t last_missing;            /* when the newest missing evaluation was counted */
    double value, against, ratio;    /* when it tripped */
    int64_t devices, of, tripped_at; /* the same: the devices that carried it, of how many, and when (data time) */
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
    bool telemetry_source;    /* a source is configured */
    bool telemetry_expected;  /* it was asked about the wave's devices, and devices are enrolled */
    bool telemetry_ok;        /* the source has answered within the last window of coverage */
    const struct evidence *evidence;
    size_t n_evidence;
    int64_t now;
    int64_t interval_us; /* the telemetry's; missing data counts once in each; 0 = at each call */
    int64_t tick;        /* of the newest poll that was answered or has failed, on the grid of interval_us; 0 = now */
    /* Figures of the devices that a limit's class names, by the limit's index in the policy; NULL (the array, or an
     * element) = no figures of its own: then the limit applies when device_class matches, to the wave's. */
    const struct wave_health *const *class_health;
    /* For how long data has been missing (engine clock); only read when it is: verdict_thin(). */
    int64_t covered_until; /* enough devices were heard of until then (health_covered_until); 0 = this watcher knows of
                              no such time */
    int64_t watched_since; /* when this watcher first asked telemetry about these devices; 0 = ever since */
    int64_t resumed_at;    /* when the rollout was last resumed; 0. Who resumes while data is missing is given as long
                              again, and no hold is placed meanwhile */
    const char *lack;      /* what the source's newest answer lacks, in words; NULL or "" = nothing that is known */
    /* Why nothing can be said for now that a wave may start by, in words: VERDICT_RULE_CATCHING, _CLOCKS; NULL: nothing
     * stands in the way. */
    const char *waits_rule, *waits;
};

enum limit_status { LIMIT_OK, LIMIT_PENDING /* breached, `for:` not over */, LIMIT_BREACH, LIMIT_UNKNOWN };

struct limit_view { /* for the screen and for the log */
    const struct limit *limit;
    const struct figure *figure; /* that it is about (core/metric.h); figure_unknown: the policy has none such */
    enum limit_status status;
    double value, against, ratio;
    int64_t since;   /* of the breach, 0 */
    int64_t devices; /* that carry it */
};

struct verdict {
    enum reaction react;   /* what to do now */
    enum reaction would;   /* what dry-run limits would have added */
    const char *rule;      /* id of the limit or test that decided, "" */
    char text[200];        /* one sentence for the operator: figures and limit */
    bool thin;             /* too little data just now: nothing may be advanced */
    bool data_missing;     /* and at VERDICT_POLLS polls in a row, or `early` */
    bool early;            /* thin, but it has not been watched for yet as long as it may take to come */
    int64_t unknown_since; /* data has been missing since then; 0: it is not */
    struct limit_view limits[VERDICT_LIMITS_MAX];
    size_t n_limits;
};

#define VERDICT_COVERAGE 3 /* intervals of telemetry: so long a device counts as reporting (core/health.h) */
/* How long a watcher must have asked in vain before it does anything about it: VERDICT_COVERAGE intervals, but at least
 * this; a source that is asked each second may still be starting. */
#define VERDICT_EARLY_US (15 * US_PER_S)
#define VERDICT_POLLS                                                                                                  \
    3 /* in a row without enough data before anything is done about it, and with it before it is undone */
/* Is there too little data just now to call anything healthy? Too little is: no device of a group reports, or fewer
 * canaries than policy_report_needed(). */
bool verdict_thin(const struct verdict_input *in);
/* For verdict_step: what missing data asks for, with a sentence; fills thin, data_missing, early and unknown_since.
 * With REACT_NONE the sentence is for who is told of nothing worse; "" when there is enough data. */
enum reaction verdict_data_step(const struct verdict_input *in, struct verdict_state *st, struct verdict *out,
                                char *text, size_t size);
/* What a rule would do when the rollout is resumed now: for lost telemetry nothing at once, since a resume is given
 * policy->lost_pause_us again; else what the verdict says. */
enum reaction verdict_on_resume(const struct verdict *v);

/* Does the limit's class name this device, by its id? True for a limit without a class. */
bool limit_names(const struct limit *l, const char *device_id);
/* Evaluates once. *st (all zero at the start of a wave) is read and written; nothing else is kept.
 *
 * An evaluation is new telemetry, not a call: calling again with the same newest sample changes nothing, and `for:` is
 * measured in the telemetry's own time, so that two watchers of the same data trip at the same sample. Limits on
 * install failures go by `now`.
 *
 * A limit on a rate must also be beyond chance: rates from a few minutes of a few devices jump by whole events.
 * Relative limits compare the distinct devices that had one (or two) with control's by the Poisson tail at 2e-5;
 * absolute ones take events at 1e-3 (see docs/health.md). A limit with reaction `watch` does not latch. */
void verdict_step(const struct verdict_input *in, struct verdict_state *st, struct verdict *out);

/* Forgets what has tripped and what is pending: a wave has ended or a halt was acknowledged. Lost telemetry stays
 * lost. */
void verdict_reset(struct verdict_state *st);

#define VERDICT_RULE_LOST     "LOST-TELEMETRY" /* rule of a verdict that missing data decided */
#define VERDICT_RULE_CLOCKS   "CLOCKS"         /* holds until the clocks agree */
#define VERDICT_RULE_CATCHING "CATCHING-UP"    /* holds until evidence from history is known */
/* Rules about what is not known yet, whose cause goes by itself: what they paused goes on when it has. */
bool verdict_rule_passes(const char *rule);

/* "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others. Evidence 72,000; 250 needed to pause, 2,500 to roll
 * back": core/explain.h's sentence without its full stop; a roll back is named only where the policy has one. */
void evidence_sentence(const struct evidence_policy *p, const struct evidence *v, char *out, size_t size);

/* "ok", "pending", "breach", "unknown". */
const char *limit_status_word(enum limit_status s);

#endif
