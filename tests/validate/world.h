/* Worlds: simulated rollouts on fleets as they are. A world is data, one struct; a run of it feeds the same telemetry
 * and facts, minute by minute, to trials as the engine makes them, and to the usual methods.
 *
 * Signals (CPU, sensors) are those of fleet.c. Around them: devices that differ in how often they reboot, sites that
 * lose power, devices that go away and come back, contact with the fleet server now and then, installs that take their
 * time and may fail, clocks that are wrong, and what a bad firmware does. */
#ifndef ANDON_TESTS_VALIDATE_WORLD_H
#define ANDON_TESTS_VALIDATE_WORLD_H

#include "tests/validate/validate.h"

#define WORLD_WAVES 4

enum world_rates { EVEN, GAMMA, PARETO }; /* of devices' own rates: all alike; shape 1/2; shape 1.3, the mean alike */

/* What does not go the way that core/ has for it, in the form WORLD_OLD: as users, or andon before, would do it. */
enum world_old {
    OLD_NONE,    /* there is no such form */
    OLD_NO_PAST, /* canaries are compared with all of control, whatever each did the day before */
    OLD_CLOCKS,  /* the two servers' clocks are taken for one */
    OLD_CHANGES, /* each change of the time of boot by more than 5 s is a reboot */
    OLD_MEAN,    /* several series of one device's counter are averaged */
    OLD_TIMEOUT, /* no install 10 min after the telling is a failure */
    OLD_DEVICES, /* devices of a site are taken for independent in their installs */
    OLD_REBOOTS  /* each reboot counts, whatever the device reports of it */
};

/* A number of the device's that is to go up when a staged update boots it, and its metric in the policy. */
enum world_report {
    REPORT_NONE,
    REPORT_SECOND, /* with the second reboot; half of the devices show it a sample later than the reboot */
    REPORT_ANY     /* wrongly so: with each reboot */
};

/* What the new firmware does. All zero: nothing. */
struct world_effect {
    double boots;                 /* times the device's own reboots; 0 = 1 */
    double loops;                 /* share of devices that reboot 10 times an hour more */
    double leaves, cpu, variance; /* times; 0 = 1 */
};

struct world {
    const char *name;
    int waves, wave[WORLD_WAVES], control; /* canaries of each wave, the rest of the fleet; waves 0: one, of wave[0] */
    double wave_hours, hours;              /* between waves; of the run */
    /* Reboots. */
    enum world_rates rates;
    double boots_hour;               /* mean of the devices' own rates; 0 = .02 */
    double chronic;                  /* share of devices that have always rebooted 6 times an hour */
    double swing, rise;              /* daily swing, in time zones of their own; ln of what all rise by in the run */
    double children, children_hours; /* boots that beget boots: how many, over what time */
    int sites;                       /* 0: none; at most 64 */
    double cuts_hour;                /* power cuts of a site: 80 % of it reboots, half of those stay away for a while */
    bool strata;                     /* the policy names the site */
    /* Being there. */
    double leaves_hour, away_hours; /* how often a device goes away, for how long */
    int step_min;                   /* between samples; 0 = 1 */
    /* The fleet server. */
    double poll_min;          /* between contacts; 0 = 5 */
    bool boot_polls;          /* a boot makes the device poll at once */
    double uneven;            /* spread of the logarithm of how long an install takes, 2.5 min in the middle; 0 = .5 */
    double fails, site_fails; /* share of installs that fail by themselves; chance that all of a site does */
    double ahead_min, ahead_from,
        ahead_to; /* telemetry's clock ahead of the server's, between these hours (0, 0: always) */
    /* The update's own, beyond its reboot. */
    double second_hours; /* a second reboot, so long after the install, give or take a tenth */
    enum world_report report;
    double warm_min, warm_times; /* CPU after each boot */
    /* Sensors and clocks. */
    bool steps;                /* the sensor stands still but for rare steps: its variance is 0 nearly always */
    double clock_sets, no_rtc; /* reboots are read off a time of boot: clocks set anew an hour and device; share
                                * of devices whose clock is wrong from each boot on for 1 to 15 min */
    double shown_min; /* 0, or the counter's series carries the release, and begins anew with it; a store shows the old
                         one for so long after its last sample */
    struct world_effect bad;
    bool edge; /* what it does is just tolerated: WORLD_BARE keeps the tolerances */
    enum world_old old;
};

/* Andon's forms, each a trial of its own on the same run. */
enum world_form {
    WORLD_DEFAULTS, /* the policy */
    WORLD_BARE, /* every tolerance switched off (of an edge: none), one device enough: least favourable for the promise
                 */
    WORLD_OLD,
    WORLD_FORMS
};
/* The usual methods, and the forms of them that users pick. */
enum beside {
    BESIDE_Z,        /* Wald's z on reboots a device-hour since the begin, one-sided p < .05, each minute */
    BESIDE_Z_ONCE,   /* the same, once, at the end */
    BESIDE_RANK,     /* Mann-Whitney on the devices' own reboots an hour, p < .05, each 10 min */
    BESIDE_SIGMA,    /* the canaries' reboots of the last hour above m + 3 sqrt(m), m by control's rate so far */
    BESIDE_TWICE,    /* the canaries' rate of the last hour above twice control's, each minute */
    BESIDE_CHECKS,   /* that of the last 10 min above 3 times control's, in five checks, one a minute */
    BESIDE_CPU_RANK, /* Mann-Whitney on the devices' CPU over their own baseline, p < .05, each 10 min */
    BESIDE_KAYENTA,  /* Kayenta's rule on the groups' mean CPU, each minute */
    BESIDE_CPU_MEAN, /* the canaries' mean CPU above 1.25 times control's, in five checks, one a minute */
    BESIDE_VAR_RANK, /* Mann-Whitney on the sensors' variance over their own baseline, p < .05, each 10 min */
    BESIDE_SILENT,   /* a fifth of the canaries not heard of for 5 min */
    BESIDE_INSTALL,  /* a tenth of the told has not installed 10 min after the telling, 2 at least */
    BESIDE_COUNT
};
/* Slots of a run: hours from the begin to the halt of each form (NaN: none), which test that was (enum trial_test), and
 * of each of the others. */
#define WORLD_HALT(form) (form)
#define WORLD_TEST(form) (WORLD_FORMS + (form))
#define WORLD_BESIDE(b)  (2 * WORLD_FORMS + (b))
_Static_assert(WORLD_BESIDE(BESIDE_COUNT) <= SLOTS, "a run has room for its results");

/* A run_fn; `arg` is a struct world. */
void world_run(const void *arg, struct rng *r, double *out);
/* ---- beside.c ---- */

/* What a minute has shown of a device. */
struct seen {
    int side;             /* enum side; -1: on neither, it has been told and not installed, or did so just now */
    int boots;            /* of this minute */
    bool heard;           /* within the last 5 min */
    double cpu, variance; /* newest; NaN: never heard */
    double cpu_base, var_base;
};
struct methods;
struct methods *methods_new(size_t devices);
void methods_free(struct methods *m);
/* A minute of all devices, the minutes numbered from 1; `missing` of `told` have not installed 10 min after the
 * telling. */
void methods_look(struct methods *m, int minute, const struct seen *v, int64_t missing, int64_t told);
/* After the last minute: hours to the halt of each, NaN: none. */
void methods_end(struct methods *m, double halted[BESIDE_COUNT]);
const char *method_name(enum beside b);

#endif
