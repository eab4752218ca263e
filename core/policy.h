/* Policy: what is watched, what counts as a breach, what is done about it.
 *
 * Read from YAML by conf/policy.c; evaluated by core/verdict.c. All strings are owned by the policy's arena. */
#ifndef ANDON_CORE_POLICY_H
#define ANDON_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/metric.h"

enum basis {
    BASIS_ABSOLUTE, /* canary's value */
    BASIS_RELATIVE  /* canary's value / control's value */
};

/* In order of severity. */
enum reaction {
    REACT_NONE = 0,
    REACT_WATCH,
    REACT_HOLD,    /* do not let the next wave start */
    REACT_PAUSE,   /* halt: a latched pause */
    REACT_ROLLBACK /* halt, then roll back every wave that was told */
};

struct limit {
    const char *id;     /* "R-REBOOT" */
    const char *metric; /* word of a figure (core/metric.h) */
    enum basis basis;
    double value;
    bool under;               /* below is a breach, not above */
    int64_t for_us;           /* the breach must hold this long, and for at least 3 evaluations */
    int min_devices;          /* distinct canary devices that must carry it (reboots, install failures); >= 1 */
    int wave;                 /* index of the wave it applies to, -1 for each */
    const char *device_class; /* glob on the device id (* and ?), "" for all */
    enum reaction react;
    bool dry_run; /* evaluated, shown and logged, never acting */
};

/* The sequential tests (core/trial.h, docs/statistics.md). */
enum tests_mode {
    TESTS_OFF,
    TESTS_DRY_RUN, /* evaluated, shown and logged, never acting */
    TESTS_ON
};

/* What a share of the evidence that a pause needs does: at `times` = 1 the chance of a false halt is alpha. */
struct evidence_level {
    double times; /* > 0; in ascending order */
    enum reaction react;
};
#define EVIDENCE_LEVELS_MAX 6
#define STRATA_KEYS_MAX     4

struct evidence_policy {
    enum tests_mode tests;
    double alpha;   /* of the whole rollout, 0..1 (0.05) */
    double reserve; /* share of alpha kept for further rollouts of the firmware and tests added later, 0..1 (0) */
    /* By row (core/metric.h). Tolerated: ratio of event rates, canary to control, >= 1 (1.25; of silence the same,
     * crash loops: always 1); rise over own baseline, >= 1; share of devices that may fail the install by chance, 0..1.
     */
    double tolerance[METRICS_BUILTIN];
    double share[METRICS_BUILTIN];            /* of alpha; 0 = that metric is not tested */
    enum metric_worse worse[METRICS_BUILTIN]; /* WORSE_UP, or of gauges WORSE_BOTH */
    int64_t grace_us[METRICS_BUILTIN];        /* of the metric; 0 = the policy's */
    int design;                   /* of the tests, 0 .. DESIGN_NOW: core/design.h. Not for a policy file to say */
    int min_devices;              /* distinct canary devices that must carry a test, >= 1 (2) */
    const struct metric_def *own; /* metrics of the policy's own, n_own <= METRICS_OWN */
    size_t n_own;
    const struct figure *own_figure;    /* n_own of them: metric_make_tests() */
    const struct metric_test *own_test; /* tests beyond the built-in ones: metric_make_tests() */
    size_t n_own_tests;
    struct evidence_level level[EVIDENCE_LEVELS_MAX]; /* default: 0.1 watch, 1 pause */
    size_t n_levels;
    const char *strata[STRATA_KEYS_MAX]; /* inventory attributes within which devices are compared (model, site) */
    size_t n_strata;
    const char *control; /* glob on device ids: the declared control group; "" = the rest of the fleet */
};

enum promotion {
    PROMOTE_SERVER, /* the server's own conditions start the next wave; andon only stops it */
    PROMOTE_HOLD    /* andon pauses each rollout while a wave runs; a person advances */
};

/* What andon does when another client resumes what is halted and not acknowledged (core/stop.h). */
enum foreign_resume {
    FOREIGN_BY_ACTOR, /* a rule's halt is asked for again, a person's or script's is only said to run */
    FOREIGN_ALERT,    /* only said */
    FOREIGN_HALT      /* asked for again */
};

/* What the policy asks of people, beside what each verb asks of itself. Never of a rule, and a halt asks for nothing.
 */
struct people_policy {
    bool operator_named; /* a name is given beside the account's, which several may share */
    uint32_t reasons;    /* set of verbs (1 << enum verb) that need a reason */
};

/* Verbs that wait until their intent is witnessed: what is done is then known outside this host before it is done. */
struct witness_policy {
    int require;       /* so many witnesses; 0 = none */
    int64_t within_us; /* for so long it is waited for (60 s); then the verb is refused */
    uint32_t verbs;    /* bit 1 << enum verb (core/verb.h); never a halt's */
};

/* Verbs that people must have approved before, each with an SSH key of his own (core/approval.h). */
struct approval_policy {
    int require;         /* so many people; 0 = none */
    int64_t valid_us;    /* the longest that one may be good for (24 h) */
    uint32_t verbs;      /* bit 1 << enum verb: start, advance, resume */
    bool asker_out;      /* whoever asks for the verb is not one of them */
    const char *signers; /* OpenSSH's allowed_signers: whose key is whose; a path */
    const char *revoked; /* a KRL or a list of public keys that count no more; "" = none */
};

struct policy {
    const char *name;
    const char *digest; /* sha-256 of the file's bytes, hex; "" for the built-in policy */
    const char *text;   /* those bytes, for the log; of a scenario's policy the whole scenario; NULL: not known */
    const struct limit *limits;
    size_t n_limits;
    int64_t window_us;        /* rates and means over the last.. (default 10 min) */
    int64_t grace_us;         /* after an install its reboots do not count, same window for control (default 3 min) */
    int64_t install_us;       /* a device told this long ago counts as canary even if it never reported (10 min) */
    double min_coverage;      /* reporting / expected below this is missing data (default 0.8) .. */
    int lost_devices;         /* .. when it is at least so many devices that do not report, >= 1 (default 3) */
    int64_t lost_pause_us;    /* missing data holds, and pauses after this long (default 10 min) */
    enum reaction lost_react; /* REACT_HOLD or REACT_PAUSE */
    int64_t bake_us;          /* a wave must have run this long before advance (default 0) */
    enum promotion promotion;
    bool halt_stops; /* a halt stops for good where the server can (default: pauses) */
    enum foreign_resume foreign;
    const char *rollback_to; /* "name:version", or "previous" */
    int64_t drain_us;        /* how long a roll back waits for recalled devices (default 10 min) */
    int64_t control_max;     /* at most so many control devices are watched (default 2000) */
    struct evidence_policy evidence;
    bool lost_resume;        /* andon's own pause for want of data ends by itself after 3 good polls (default true) */
    double min_device_hours; /* of canary watch before a wave may be promoted (default 0) */
    struct witness_policy witness;
    struct people_policy people;
    struct approval_policy approval;
};

const char *reaction_word(enum reaction r); /* "none", "watch", "hold", "pause", "rollback" */
/* All numbers of a policy that evidence depends on, in the order of kept states and digests. */
#define POLICY_NUMBERS (2 + METRICS_BUILTIN - 1 + METRICS_BUILTIN)
void policy_numbers(struct evidence_policy *p, double *out[POLICY_NUMBERS]);
/* How many of `expected` devices must report, else data is missing; 0 when none is expected. One at least; fewer than
 * the share min_coverage only where lost_devices or more are away. */
int64_t policy_report_needed(const struct policy *p, int64_t expected);
/* The policy used where the configuration names none. Static, never freed. */
const struct policy *policy_default(void);

#endif
