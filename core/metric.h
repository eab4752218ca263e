/* Metrics as data: what is measured, what of it is worse, and which tests follow from that.
 *
 * Five are built in (reboots, silence, cpu, variance, install); a policy adds its own. A test is known by its number:
 * those of the five come first and always have the same (enum trial_test, core/trial.h), a policy's own follow. */
#ifndef ANDON_CORE_METRIC_H
#define ANDON_CORE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/digest.h"

enum metric_kind {
    KIND_COUNTER,    /* goes up with each event: 3 within half an hour, and its 1st, 2nd, 4th, 8th */
    KIND_GAUGE,      /* a level; its mean over a window: first passages, and a rank test of all devices */
    KIND_SPREAD,     /* the same of a value that is itself over a window of the source's: the newest stands for it */
    KIND_EVENT,      /* a counter of which the first event says all */
    KIND_ACTIVATION, /* goes up when a staged update boots its device: names that boot, and is not tested itself */
    KIND_PRESENCE,   /* is heard of at all */
    KIND_OUTCOME     /* so many of so many */
};
enum metric_worse { WORSE_UP, WORSE_DOWN, WORSE_BOTH };

/* The built-in rows; a policy's own are numbered from METRICS_BUILTIN on. */
enum metric_row { ROW_REBOOTS, ROW_SILENCE, ROW_CPU, ROW_VARIANCE, ROW_INSTALL, METRICS_BUILTIN };

#define METRIC_ID_MAX    24 /* bytes of an id: a letter, then letters, digits and '-' */
#define METRIC_TITLE_MAX 32 /* of a title or unit */
#define METRIC_LEVELS    4
#define METRIC_GRACE_MAX (INT64_C(30) * 86400 * 1000000)
#define METRICS_OWN      8
#define METRICS_MAX      (METRICS_BUILTIN + METRICS_OWN)
#define TESTS_MAX        64 /* of one policy, the built-in ones included */

struct metric_def {
    const char *id, *title, *unit; /* unit may be "" */
    enum metric_kind kind;
    enum metric_worse worse; /* counters: up */
    bool own;                /* compared over each device's own baseline; else as it is, by the rank test alone */
    bool diff;               /* of a gauge: by difference, in its unit, not by ratio: values may be below 0 */
    double tolerance;        /* gauges: so many times more (or less) is no harm, >= 1; by difference: so much, >= 0 */
    double share;            /* of alpha; 0 = not tested */
    double level[METRIC_LEVELS]; /* gauges: times the baseline, > 1 (by difference: from it, > 0); counters: events,
                                    >= 1. Ascending */
    size_t n_levels;
    int64_t window_us; /* of a gauge's mean */
    int64_t grace_us;  /* it counts from so long after an install on, where that is longer than the policy's; 0 */
};

/* Figures: what limits, plots and columns say of a group of devices, each made of one metric. The five built-in ones
 * have fixed numbers; from FIGURES_BUILTIN on there is one of each of the policy's own metrics, in the order of rows.
 */
enum figure_kind {
    FIGURE_RATE, /* events per device-day */
    FIGURE_MEAN, /* of the devices' newest values */
    FIGURE_P95,  /* their 95th percentile */
    FIGURE_OWN,  /* mean of value / own baseline, each clipped to 1/16..16: 1 is as before */
    FIGURE_SHARE /* failed of told */
};
enum figure_number { FIGURE_REBOOTS, FIGURE_CPU_MEAN, FIGURE_CPU_P95, FIGURE_SPREAD, FIGURE_INSTALL, FIGURES_BUILTIN };
#define FIGURES_MAX (FIGURES_BUILTIN + METRICS_OWN)
struct figure {
    const char *word;   /* in policies, JSON and the log: "cpu-p95", "free-memory" */
    const char *phrase; /* in a sentence, before the value: "sensor variance" */
    const char *per;    /* behind it: " per device-day", " MiB", "" */
    const char *unit;   /* beside a number without a sentence: "reboots/dev-day", "%" */
    const char *brief;  /* at most 6 columns */
    uint8_t number;     /* its own */
    uint8_t row;        /* of the policy's metrics */
    enum figure_kind kind;
    enum metric_worse worse;
    bool percent; /* a part of 1, written as per cent */
    bool diff;    /* compared by difference: "ratio" is one */
};
struct evidence_policy;
size_t figure_count(const struct evidence_policy *p); /* the built-in ones and its own */
/* Static, or the policy's; NULL when there is no such figure. */
const struct figure *figure_of(const struct evidence_policy *p, size_t i);
extern const struct figure figure_unknown; /* stands for one that a policy does not have; its number is FIGURES_MAX */
int figure_find(const struct evidence_policy *p, const char *word); /* -1: there is none (NULL too) */

/* How a test's figures read. */
enum metric_form { FORM_HAD, FORM_SHIFT, FORM_OUTCOME };
enum metric_rule {
    RULE_LOOP,    /* three events within half an hour */
    RULE_EVENTS,  /* `level` events */
    RULE_LEVEL,   /* `level` times the baseline or more; down: 1/level of it or less; by difference: so far from it */
    RULE_SILENCE, /* not heard of; for `level` hours */
    RULE_SHIFT,   /* rank test of the changes of all devices */
    RULE_OUTCOME
};
struct metric_test {
    const char *word;  /* "crash-loop", "free-memory-down-2" */
    const char *plain; /* after "3 canaries": "have rebooted in a loop"; of a shift after "above the others in" */
    uint8_t metric;    /* row */
    enum metric_rule rule;
    double level;
    bool down;
    int parts; /* it may spend a `parts`-th of what the metric may, 0: nothing; but see core/design.h */
};

size_t metric_count(const struct evidence_policy *p); /* rows: the built-in ones and its own */
/* Row i as the policy has it. Strings are static or the policy's. */
void metric_get(const struct evidence_policy *p, size_t i, struct metric_def *out);
const char *metric_id(const struct evidence_policy *p, size_t i);    /* "cpu", "free-memory" */
const char *metric_title(const struct evidence_policy *p, size_t i); /* "CPU", "free memory" */
/* What a built-in row's tolerance, share and direction are called in the log; NULL: it has none of its own. */
enum metric_field { FIELD_TOLERANCE, FIELD_SHARE, FIELD_WORSE };
const char *metric_key(size_t row, enum metric_field f);
/* The column of a trial's ticks that row i is fed by; -1: none. */
int metric_column(const struct evidence_policy *p, size_t i);
/* Is it a number that only goes up, of which the rises are counted? */
bool metric_kind_counts(enum metric_kind k);
/* The policy's metric of activations; METRICS_MAX: it has none. */
size_t metric_activation(const struct evidence_policy *p);
/* Are figures of the one kept as those of the other are? A counter and an event are; a level and a spread are not. */
bool metric_kind_alike(enum metric_kind a, enum metric_kind b);
const char *metric_kind_word(enum metric_kind k);   /* "counter", ... */
const char *metric_worse_word(enum metric_worse w); /* "up", "down", "both" */
/* May this be an id of a policy's own? Not one of the five, plain, not too long. */
bool metric_id_ok(const char *id);

int metric_tests(const struct evidence_policy *p); /* how many */
const struct metric_test *metric_test(const struct evidence_policy *p, int test);
enum metric_form metric_form(const struct metric_test *t);
/* The number of that word; -1 when there is none (NULL too). */
int metric_test_find(const struct evidence_policy *p, const char *word);
/* Sets the figures and tests that follow from the policy's rows (own, worse), in the arena. False when they are
 * more than TESTS_MAX. To be called again when the rows have changed. */
bool metric_make_tests(struct evidence_policy *p, struct arena *a);
/* Are all rows as built in, but for shares and tolerances? */
bool metric_builtin(const struct evidence_policy *p);
/* SHA-256 of all rows in canonical text: what is tested, and how. */
void metric_digest(const struct evidence_policy *p, char out[SHA256_HEX]);

#endif
