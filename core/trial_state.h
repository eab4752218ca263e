/* The inside of a trial, for core/trial*.c and core/replay.c only. */
#ifndef ANDON_CORE_TRIAL_STATE_H
#define ANDON_CORE_TRIAL_STATE_H

#include "core/bulk.h"
#include "core/install.h"
#include "core/ledger.h"
#include "core/passage.h"
#include "core/trial.h"

#define TRIAL_ACKS    32
#define TRIAL_MAGIC   "ANDONTRL"
#define TRIAL_VERSION 7

/* How a look treats ties, as a word of its logged inputs; without it: TIES_NORMAL, as all did once. */
#define LOOK_TIES  "permutation"
#define GAUGES_MAX (BULK_BUILTIN + METRICS_OWN)
#define RANKS_MAX  (2 * GAUGES_MAX)

/* What is remembered of a test beside its evidence. */
struct standing {
    int64_t crossed; /* tick at which it crossed, 0 = not (since the newest acknowledgement) */
    double ack;      /* evidence when it was acknowledged, 0 = not */
};

/* One stage: of wave `number`, from `begin` on. Closed stages keep theirs. */
struct stage {
    int64_t begin;          /* tick */
    double need[TESTS_MAX]; /* ln(1/alpha) of each test; infinite: not tested */
    struct tail tail;
    struct journal journal;
    struct bulk bulk[RANKS_MAX];
    struct standing standing[TESTS_MAX];
    int64_t canary_steps;       /* device-steps of canary watch */
    int64_t window[GAUGES_MAX]; /* open windows of the tail engine */
    int64_t window_samples[GAUGES_MAX], window_devices[GAUGES_MAX];
};

/* Tests of metrics that count from later on than the others: so many ticks more than the grace. Control's devices come
 * in for them along with the canaries, as for all. */
struct wait {
    int64_t ticks;
    uint64_t tests;
    int32_t joined[PASSAGE_STRATA]; /* canaries that count for them, by stratum */
};

/* Outcomes of installs, as they are now, and their evidence. */
struct installs {
    struct install_tally *v;
    size_t n;
    int64_t overdue;
    struct install_evidence now; /* of v */
    struct standing standing;
};

/* Of each device, where the policy has a metric of activations (core/trial_activation.c). */
struct activated {
    double value;         /* newest, NaN = never seen */
    int32_t from_s, at_s; /* of the boots that wait: they were between these, seconds since the trial's start */
    int32_t boot_s;       /* of the boot that was named while it was a canary */
    uint8_t waiting;      /* boots of the newest sample: they count with the next one, unless it names one */
    uint8_t flags;        /* ACTIVATED_... */
};
#define ACTIVATED_ROSE   0x01u /* the newest sample went up */
#define ACTIVATED_BEFORE 0x02u /* so did the one before it */
#define ACTIVATED_NAMED  0x04u /* a boot was named, and does not count: there is no second one */
#define ACTIVATED_BOOTED 0x08u /* it booted while it was control */
#define ACTIVATED_OTHER  0x10u /* and one of those boots was named */
#define ACTIVATED_ALL    0x1fu

struct trial {
    struct trial_spec spec;
    struct ledger ledger;
    int n_tests;
    struct gauge gauge[GAUGES_MAX]; /* CPU, variance, the policy's own */
    size_t n_gauges;
    struct tally tally[METRICS_OWN];
    size_t n_tallies;
    int8_t rank[TESTS_MAX]; /* of each test: its place among the rank tests of a stage, -1: it is none */
    int n_ranks;
    uint64_t passages; /* kinds of events that a device can enter the risk sets of */
    uint64_t windowed; /* tests that are judged by windows: a device enters their risk sets as a window begins */
    struct watched_past *past;   /* n; NULL before the first epoch is over */
    struct marks *marks;         /* n; NULL where the policy has no tests of its own */
    size_t activation;           /* the column of its metric of activations, 0: none */
    struct activated *activated; /* n; NULL where there is none */
    int64_t others[2];           /* devices that booted as control, and of which a boot was named */
    struct watched *w;
    size_t n, cap;
    int64_t told[TRIAL_WAVES];
    int n_told;
    int64_t zero;    /* grid time of tick number 0: at or before the start */
    int64_t next;    /* tick */
    int64_t newest;  /* newest tick with rows, 0 */
    int64_t fresh;   /* newest tick with a new sample, the start before any */
    int64_t gap_end; /* end of the newest gap in which no device at all reported, 0 */
    int64_t due;     /* no device can go silent before this tick */
    int64_t join;    /* no device can come in before this tick */
    struct stage *stage[TRIAL_WAVES];
    int n_stages;
    struct risk risk;
    int64_t active[2]; /* devices in and reporting, by side */
    /* By stratum: devices that count as canary in this stage once installed, and those that do. */
    int32_t expected[PASSAGE_STRATA], joined[PASSAGE_STRATA];
    struct wait wait[METRICS_MAX];
    int n_waits;
    size_t room; /* for records of journals */
    struct installs install;
    int64_t ack[TRIAL_ACKS]; /* to come, ascending */
    int n_acks;
};

/* What of a spec the evidence depends on, as bytes. */
void trial_put_spec(struct buf *b, const struct trial_spec *s);
/* The strata of the stage that begins, from the devices on each side. */
void trial_make_strata(struct trial *t);
/* The stratum whose canaries a device comes in with. */
uint8_t trial_stratum(const struct trial *t, const struct watched *w);
/* Counts expected and joined anew. */
void trial_count_joined(struct trial *t);
/* Do the clocks of control device i run? Canaries come in one by one as they install; if control's clocks all ran from
 * the stage's begin, the devices with a chronic fault would have had their events, and be gone, before the canary's
 * could have theirs: a false halt. So control comes in with them, in the same shares, stratum by stratum: a device
 * whose number, scattered over 0..1, is below the share of canaries that have joined. */
bool trial_open(const struct trial *t, size_t i);
/* How many ticks later than the others the metric of row `row` counts; and notes that of the test's metric. */
int64_t trial_waits(const struct trial *t, size_t row);
void trial_wait_for(struct trial *t, int test);
/* Counts anew who has joined for tests that wait, at tick number `number`; *next: the first later one at which there is
 * another one, as far as it is sooner. */
void trial_count_waits(struct trial *t, int32_t number, int64_t *next);
/* Tests that do not count for device i yet, at tick number `number`. */
uint64_t trial_held(const struct trial *t, size_t i, int32_t number);
/* A device's number of activations as its newest sample has it. */
void trial_activation_seen(struct trial *t, size_t i, double value);
/* Boots of device i that count with this sample, of `boots` that it brings: all but the one that is named, and each a
 * sample later than it was seen. *from_s and *at_s: between which times they were; become those of the boots that
 * count now. `named`: boots may be (trial_names). */
int trial_activation_boots(struct trial *t, size_t i, int boots, bool named, int32_t *from_s, int32_t *at_s);
/* Does the metric name boots of the update alone, as far as control tells? */
bool trial_names(const struct trial *t);
/* Device i is added; a stage begins; all have been loaded. */
void trial_activation_add(struct trial *t, size_t i);
void trial_activation_restart(struct trial *t, size_t i);
void trial_activation_loaded(struct trial *t);
/* Applies the acknowledgements made before `tick`. */
void trial_acks_before(struct trial *t, int64_t tick);
/* Has the test crossed? Then it crossed at `tick`. */
void trial_cross(struct trial *t, int s, enum trial_test test, int64_t tick);
/* The device is enrolled and reporting from now on, or no longer. */
void trial_active(struct trial *t, struct watched *w, bool active);
bool trial_spec_ok(const struct trial_spec *spec, struct err *e);
/* Shares of the ledger: alpha of a test in stage s. */
double trial_alpha(const struct evidence_policy *p, const struct ledger *l, int s, int test);
/* Of a spec as JSON, a member "spec" of an open object; strata, control and levels are not in it. And back, its metrics
 * in the arena. */
void trial_write_spec(struct json_w *w, const struct trial_spec *s);
bool trial_read_spec(const struct json_t *o, struct trial_spec *s, struct arena *a, struct err *e);
/* What was added to a ledger while it ran, as members of an open object; nothing when nothing was. False when what is
 * there is not possible. */
void trial_write_added(struct json_w *w, const struct ledger *l);
bool trial_read_added(const struct json_t *o, struct ledger *l);
bool trial_hex(const struct json_t *v, double *out); /* a string as fmt_hexfloat writes it; NULL is none */
struct stage *trial_stage_new(const struct trial *t, int s, int64_t begin);
/* Tests of stage s: its evidence so far, and the canary devices that carry it. */
double trial_log(const struct trial *t, int s, enum trial_test test);
/* The sums of gauge g of device i; the device's marks, NULL: it has none. */
static inline struct series *trial_series(const struct trial *t, size_t g, size_t i)
{
    return g == BULK_CPU ? &t->w[i].cpu : g == BULK_VARIANCE ? &t->w[i].var : &t->gauge[g].own[i];
}
static inline struct marks *trial_marks(const struct trial *t, size_t i)
{
    return t->marks ? &t->marks[i] : NULL;
}
/* Makes room for what is left of earlier epochs. */
void trial_begin_past(struct trial *t);
/* Kinds of events that the device's data can show at all. */
uint64_t trial_shows(const struct trial *t, size_t i);
/* What of the metrics is kept for each device, for n devices; of the newest one all unknown. */
void trial_grow(struct trial *t, size_t cap);
int64_t trial_devices(const struct trial *t, int s, enum trial_test test);
const struct standing *trial_standing(const struct trial *t, int s, enum trial_test test);
/* ln(1/alpha) of a test in stage s; infinite when it is not tested. */
double trial_need(const struct trial *t, int s, enum trial_test test);
/* Numbers of the first and the last tick of the epoch that the evidence of a first passage is of (the running one while
 * there is no evidence), and its share of the test's alpha; of a test that does not renew all ticks, and 1. */
void trial_epoch(const struct trial *t, int s, enum trial_test test, int *e, int32_t *from, int32_t *to, double *share);
/* Ratio of the event's rates from ticks from..to of a journal: Mantel-Haenszel, within 1/16..256, NaN without events,
 * and its anytime-valid interval at confidence 1 - alpha: theta0 on a grid 2^(i/4) that neither direction rejects; 0
 * and infinity where the grid's ends are not rejected (core/trial_ratio.c). */
void trial_ratio(const struct journal *j, int kind, int32_t from, int32_t to, double alpha, double *ratio, double *low,
                 double *high);
/* ln 10. */
double trial_ten(void);

#endif
