/* Scenario files: what the drill's fleet does, what an operator does when nobody is there, and what must come of it.
 *
 * Read strictly from YAML (conf/yaml.h). See docs/drills.md. Times and durations are microseconds of the drill's own
 * time, counted from its time 0, before which `lead_in` lies; shares are fractions 0..1. Strings are owned by the arena
 * and never NULL. */
#ifndef ANDON_CONF_SCENARIO_H
#define ANDON_CONF_SCENARIO_H

#include "conf/yaml.h"
#include "core/clock.h"
#include "core/intent.h"
#include "core/metric.h"
#include "core/policy.h"

#define SCENARIO_DEVICES_MAX 200000
#define SCENARIO_ALWAYS      (-TIME_NEVER)

struct scenario_model {
    const char *name, *hw_revision; /* a model may be there more than once, in different revisions */
    double share;                   /* of the fleet; what is missing to 1 goes to the last model */
};

/* The course of one of the policy's own metrics. */
struct scenario_metric {
    const char *id, *name; /* of the policy; of its samples on the metrics page: device_free_memory, .._total */
    bool counter;          /* of kind counter, event or activation */
    bool activation;       /* goes up with `rollout: activation`, and has no other course */
    double mean, spread, noise,
        swing;      /* a gauge: level; between devices, from sample to sample, over a day, relative */
    double per_day; /* a counter: mean of one device's events */
};

struct scenario_devices {
    int64_t count;
    const char *prefix; /* of the ids: "em-" gives em-0000 .. */
    const struct scenario_model *models;
    size_t n_models;
    const char *const *sites;
    size_t n_sites;
    int64_t poll_us;         /* how often a device asks the fleet server for work */
    int64_t download_us;     /* median */
    int64_t install_us;      /* median */
    int64_t restart_us;      /* no telemetry for this long after each reboot */
    int64_t report_us;       /* how often a device writes telemetry */
    double install_failures; /* chance that one install fails, any firmware */
    double offline;          /* share of devices that are away for a while */
    int64_t offline_us;      /* how long, at a random time */
    double cancel_rejected;  /* chance that a device refuses a recall */
    double late_report;      /* share of devices that report a recalled install after the roll back's own */
    double reboots_per_day;  /* mean background rate of one device */
    double reboot_shape;     /* gamma shape of the rate between devices: small = heavy tail */
    double cpu_mean, cpu_spread, cpu_noise, cpu_swing; /* fraction; spread and noise relative; swing over a day */
    double sensor_mean, sensor_sd;
    double sensor_spread; /* of the standard deviation between devices, relative */
    struct scenario_metric metrics[METRICS_OWN];
    size_t n_metrics;
    double busy; /* share of five-minute spells in which a device works harder and its sensor is noisier */
};

struct scenario_group {
    const char *name;
    double percent;              /* of the whole fleet */
    const char *success, *error; /* expressions as the server would hold them, e.g. "95" */
    bool pause_after;            /* success action PAUSE */
    const char *const *sites;    /* in place of a percentage: the devices of these sites, as many as there are */
    size_t n_sites;
};

/* A vulnerability that becomes known while the drill runs: published and at once listed as exploited. The old firmware
 * has the part with it, the new one the part without. */
struct scenario_advisory {
    bool there;
    int64_t at;
    const char *id, *part, *old_part, *new_part; /* the part's versions */
};

struct scenario_rollout {
    const char *name, *description;
    const char *old_name, *old_version, *new_name, *new_version;
    const struct scenario_group *groups;
    size_t n_groups;
    int64_t start_us;      /* 0: its first group has just been told when the drill starts */
    int64_t activation_us; /* a staged update: one boot more so long after the install, give or take a tenth; 0: none */
    bool by_hand;          /* stays ready until somebody starts it */
    bool approval;         /* waits for approval first */
    bool auto_assign; /* a target filter assigns the new firmware to newcomers, which a roll back must switch off */
    bool history;     /* the old firmware's own, finished rollout is there too */
};

enum fault_kind {
    FAULT_CRASH_LOOP,  /* `per_hour` extra reboots */
    FAULT_REBOOTS,     /* `factor` times its own background rate */
    FAULT_CPU,         /* CPU times `factor` */
    FAULT_VARIANCE,    /* sensor variance times `factor` */
    FAULT_METRIC,      /* one of the policy's own: a gauge times `factor`, a counter `per_hour` more events */
    FAULT_INSTALL,     /* the install of this firmware fails */
    FAULT_HANG,        /* the install of this firmware does not end until it is recalled */
    FAULT_SILENCE,     /* no telemetry and no poll any more */
    FAULT_TELEMETRY,   /* the metrics page: `mode` */
    FAULT_SLOW_SERVER, /* every answer of the fleet API held back by `delay` */
    FAULT_SERVER_ERROR /* `share` of the answers of the fleet API are `status` */
};
enum outage_mode { OUTAGE_ERROR /* 503 */, OUTAGE_EMPTY /* a page without samples */, OUTAGE_FROZEN /* old samples */ };

struct fault {
    enum fault_kind kind;
    int64_t at, until;   /* window; SCENARIO_ALWAYS: from before time 0; until TIME_NEVER */
    bool on_new, on_old; /* device faults: which firmware has it */
    double share;        /* of the devices it could hit */
    int64_t device;      /* only the device of this number, -1 = any */
    int64_t after;       /* this long after the install */
    double per_hour, factor;
    int metric;                             /* FAULT_METRIC: of devices.metrics */
    int64_t over;                           /* a gauge has come to it so long after the fault began, evenly */
    const char *model, *hw_revision, *site; /* only these, "" = any */
    int wave;                               /* FAULT_HANG: only in this wave of a rollout (0 = canary), -1 = any */
    int64_t delay;
    int status;
    enum outage_mode mode;
};

enum step_when {
    WHEN_AT,
    WHEN_HALTED,
    WHEN_WAVE_DONE,
    WHEN_GATE,
    WHEN_PAUSED,
    WHEN_ROLLED_BACK,
    WHEN_FINISHED,
    WHEN_QUEUED
};
struct scenario_step {
    enum step_when when;
    int64_t at;    /* WHEN_AT */
    int wave;      /* WHEN_WAVE_DONE: index */
    int64_t delay; /* a person needs this long after that */
    enum verb verb;
    const char *reason, *remark;
};

struct scenario_ends {
    int64_t after;                      /* time limit, always set */
    bool rolled_back, finished, halted; /* or when this has come true */
    int64_t linger;                     /* and this long after it */
};

struct scenario_expect {
    bool halted;
    int64_t within; /* of the first injection; TIME_NEVER = any time */
    bool rolled_back;
    bool finished;         /* every group was updated */
    const char *const *by; /* limits and tests, any of which may halt it */
    size_t n_by;
    const char *names_key, *names_value; /* attribute that the bad devices must be said to share, "" */
    int64_t max_bad_devices;             /* that ever had the new firmware when it was halted, -1 = any */
    double min_on_new, min_on_old;       /* share of the fleet at the end, truth of the world */
    int64_t queued_within;  /* of the advisory: the fix stands first in the queue; TIME_NEVER = not asked */
    double patched;         /* share of the fleet that has the fix .. */
    int64_t patched_within; /* .. so long after the advisory; TIME_NEVER = not asked */
};

struct scenario {
    const char *name, *description;
    double speed;               /* times real time on a screen, unless the command says otherwise */
    int64_t poll_us, scrape_us; /* of the console: rollout states, metrics page */
    int64_t lead_in_us;         /* the fleet is watched for so long before time 0 */
    int keep_alive;             /* requests on one connection before the server closes it */
    struct scenario_devices devices;
    struct scenario_rollout rollout;
    const struct fault *faults;
    size_t n_faults;
    struct scenario_advisory advisory;
    const struct policy *policy;
    const struct scenario_step *steps;
    size_t n_steps;
    struct scenario_ends ends;
    struct scenario_expect expect;
};

extern const struct yfield scenario_schema[];

/* From bytes; `name` is used in errors. NULL with *e filled. The arena owns everything. */
const struct scenario *scenario_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct err *e);
/* From a file. ERR_NOT_FOUND when there is none. */
const struct scenario *scenario_load(const char *path, struct arena *a, struct err *e);

#endif
