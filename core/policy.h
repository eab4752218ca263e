/* Policy: what is watched, what counts as a breach, what is done about it.
 *
 * Read from YAML by conf/policy.c; evaluated by core/verdict.c. All strings are owned by the policy's arena. */
#ifndef ANDON_CORE_POLICY_H
#define ANDON_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric {
    METRIC_REBOOTS = 0,    /* reboots per device-day */
    METRIC_CPU_MEAN,       /* mean CPU over devices, fraction */
    METRIC_CPU_P95,        /* 95th percentile over devices, fraction */
    METRIC_VARIANCE,       /* mean over devices of sensor variance / own baseline, 1.0 = as before */
    METRIC_INSTALL_FAILED, /* devices whose install failed / devices told, fraction */
    METRIC_COUNT
};

enum basis {
    BASIS_ABSOLUTE, /* canary's value > limit */
    BASIS_RELATIVE  /* canary's value / control's value > limit */
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
    const char *id; /* "R-REBOOT" */
    enum metric metric;
    enum basis basis;
    double value;
    int64_t for_us;           /* the breach must hold this long, and for at least 3 evaluations */
    int min_devices;          /* distinct canary devices that must carry it (reboots, install failures); >= 1 */
    int wave;                 /* index of the wave it applies to, -1 for each */
    const char *device_class; /* glob on the device id (* and ?), "" for all */
    enum reaction react;
    bool dry_run; /* evaluated, shown and logged, never acting */
};

enum promotion {
    PROMOTE_SERVER, /* the server's own conditions start the next wave; andon only stops it */
    PROMOTE_HOLD    /* andon pauses each rollout while a wave runs; a person advances */
};

struct policy {
    const char *name;
    const char *digest; /* sha-256 of the file's bytes, hex; "" for the built-in policy */
    const struct limit *limits;
    size_t n_limits;
    int64_t window_us;        /* rates and means over the last.. (default 10 min) */
    int64_t grace_us;         /* after an install its reboots do not count, same window for control (default 3 min) */
    int64_t install_us;       /* a device told this long ago counts as canary even if it never reported (10 min) */
    double min_coverage;      /* reporting / expected below this is missing data (default 0.8) */
    int64_t lost_pause_us;    /* missing data holds at once and pauses after this long (default 10 min) */
    enum reaction lost_react; /* REACT_HOLD or REACT_PAUSE */
    int64_t bake_us;          /* a wave must have run this long before advance (default 0) */
    enum promotion promotion;
    bool halt_stops;         /* a halt stops for good where the server can (default: pauses) */
    const char *rollback_to; /* "name:version", or "previous" */
    int64_t drain_us;        /* how long a roll back waits for recalled devices (default 10 min) */
    int64_t control_max;     /* at most so many control devices are watched (default 2000) */
};

const char *metric_word(enum metric m);     /* "reboots", "cpu-mean", "cpu-p95", "variance", "install-failed" */
const char *metric_unit(enum metric m);     /* "reboots/dev-day", "%", ... for the screen */
const char *reaction_word(enum reaction r); /* "none", "watch", "hold", "pause", "rollback" */
/* The policy used where the configuration names none. Static, never freed. */
const struct policy *policy_default(void);

#endif
