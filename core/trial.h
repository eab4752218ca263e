/* Trial: the evidence about one rollout. All sequential tests of all its waves, over one alpha ledger, as a pure state
 * machine: facts and telemetry go in, evidence comes out.
 *
 * The same facts and the same telemetry give the same bits, whoever feeds them and whenever: time is the telemetry's
 * own on a fixed grid of ticks (multiples of step_us since the epoch), facts carry the fleet server's times, sums run
 * in one order, and exp and log are ours (core/detmath.h). So a watcher that starts in the middle of a rollout, or is
 * killed and restarted, or runs on another host, comes to the same verdict. For that the caller promises one thing: a
 * tick is fed only when every fact that happened before it is known. A fact that comes too late is told (false); then
 * only a new trial, fed from history, is right.
 *
 * Time line of wave s, told at t: at t its devices leave control. At t + grace stage s begins: clocks of all devices
 * restart, the stage before is closed and keeps its result. A device of the wave counts as canary from its install +
 * grace on, in all later stages too. Grace is the same calendar window for control: nothing counts in it.
 * Canaries come in one by one as they install, and control's clocks start along with them, in the same shares, stratum
 * by stratum: else the devices of control with a chronic fault would have had their events, and be gone, before the
 * canary's could have theirs. A stratum without canaries is not watched.
 *
 * Method: docs/statistics.md. */
#ifndef ANDON_CORE_TRIAL_H
#define ANDON_CORE_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/install.h"
#include "core/json.h"
#include "core/ledger.h"
#include "core/policy.h"
#include "core/strata.h"
#include "core/tick.h"
#include "core/verdict.h"

/* Tests of a stage, by number: the built-in ones, then those of the policy's own metrics (core/metric.h), from
 * TEST_COUNT on. The built-in ones are first passages (core/passage.h, same order), then the looks of the bulk engine,
 * then installs. */
enum trial_test {
    TEST_LOOP,
    TEST_BOOT1,
    TEST_BOOT2,
    TEST_BOOT4,
    TEST_BOOT8,
    TEST_SILENT,
    TEST_AWAY1,
    TEST_AWAY8,
    TEST_CPU125,
    TEST_CPU150,
    TEST_CPU200,
    TEST_CPU300,
    TEST_VAR4,
    TEST_VAR8,
    TEST_VAR16,
    TEST_STUCK,
    TEST_CPU,      /* bulk: rank test on CPU over own baseline */
    TEST_VARIANCE, /* bulk: rank test on variance over own baseline */
    TEST_INSTALL,  /* one for the whole rollout */
    TEST_COUNT
};
/* In words for an operator: "have rebooted in a loop", "have used 1.5 times their own CPU or more", ... */
const char *trial_test_plain(enum trial_test t);
/* The built-in test of that word; false when there is none (NULL too). */
bool trial_test_find(const char *word, enum trial_test *out);

#define TRIAL_WAVES   64
#define TRIAL_STRATA  STRATA_MAX /* of attributes; more are merged into the last */
#define TRIAL_DEVICES (1 << 20)

struct trial_spec {
    struct evidence_policy policy; /* its strings and levels are not used and not kept */
    int waves;                     /* declared when the rollout started, 1..TRIAL_WAVES */
    int64_t start;                 /* wave 0 was told: server time; no tick before it is fed */
    int64_t step_us;               /* of the grid, 1 s .. 1 h */
    int64_t grace_us;
    int64_t silence_us; /* max(5 min, 5 steps) */
    bool boot_time;     /* COL_REBOOTS of a tick is the time of the last boot in seconds, see core/boots.h */
};

/* The alpha ledger of a policy, its own metrics included. False when its shares give none (core/ledger.h). */
bool trial_ledger(const struct evidence_policy *p, int waves, struct ledger *l);

struct trial;
/* NULL with *e when the spec is out of range. */
struct trial *trial_new(const struct trial_spec *spec, struct err *e);
void trial_free(struct trial *t); /* NULL is fine */

/* Adds to the shares of the metrics (by row of the ledger, core/ledger.h) from wave `from` on, out of the ledger's
 * reserve. Told after trial_new and again after trial_load, for a kept state does not hold it; the same again is fine
 * and true. No stage from `from` on may have begun before it was added at first. False, and nothing added, when the
 * reserve does not hold it. */
bool trial_add_shares(struct trial *t, const double added[LEDGER_ALL], int from) ANDON_MUST_USE;

/* ---- facts ---- */

/* What is known of a device from before the rollout: over the 24 h before `start` for the baselines, over the last hour
 * for who is at risk. NaN, 0: not known. */
struct trial_past {
    /* Means of the day, NaN when there is less than an hour of data; of a counter its rise. */
    double base[TICK_COLUMNS_MAX];
    /* Means over the last hour; of a counter its rise. 3 or more unexpected reboots: already in a loop. */
    double hour[TICK_COLUMNS_MAX];
    int64_t last_t; /* newest sample at `start`; 0 = none: silent already */
    bool known;     /* false: nobody can say (all fields are ignored, the device is at risk for all) */
    double away;    /* share of the day in which it was not heard, 0..1; NaN: not known */
};
/* A device of wave `wave` (>= 0), or -1: of the declared control group, in no wave. Control until its wave is told
 * (with `control` false: never control). Returns its index 0, 1, 2, ... in order of adding; TRIAL_NONE when there are
 * too many. */
struct trial_ix trial_add(struct trial *t, int wave, bool control, uint8_t stratum, const struct trial_past *past);
/* Wave `wave` was told at `at`. Waves are told in order. False: a tick at or after `at` has been fed (a repeated, same
 * call is fine and true). */
bool trial_told(struct trial *t, int wave, int64_t at) ANDON_MUST_USE;
/* The device has reported the install, at `at`, or has had the time for it. The earliest report counts; later ones
 * change nothing (true). False when `at` + grace is at or before the newest tick and this was not known. */
bool trial_installed(struct trial *t, struct trial_ix device, int64_t at) ANDON_MUST_USE;
/* The device leaves for good: decommissioned, maintenance, told by another rollout. From the next tick on. */
void trial_leave(struct trial *t, struct trial_ix device);
/* A person acknowledged the halt at `at`: tests that had crossed count anew only from ten times their evidence then. */
void trial_ack(struct trial *t, int64_t at);
/* What became of the installs, as it is now (core/install.h): of all waves that were told, `overdue` of them neither
 * installed nor reported. Not on the grid: what was told before is forgotten. Ignored when it is not possible. */
void trial_installs(struct trial *t, const struct install_tally *v, size_t n, int64_t overdue);

/* ---- telemetry ---- */

/* The next tick to be fed: a multiple of step_us. */
int64_t trial_next_tick(const struct trial *t);
/* Feeds one tick, in ascending order; ticks may be left out (nothing was measured then). Its rows are the trial's
 * devices; those beyond are ignored. A sample that is not newer than the device's newest is no new one. A sample later
 * than the tick is taken as of the tick. A tick without samples is as if it had been left out.
 * Ignored when it is before trial_next_tick(). */
void trial_tick(struct trial *t, const struct tick *k);

/* ---- results ---- */

int trial_stage(const struct trial *t);  /* the stage that runs, -1 before the first */
int trial_stages(const struct trial *t); /* stages begun */
/* The tests of stage s (those that have a share of alpha), install test included in the running stage; at most
 * TESTS_MAX. In the order of enum trial_test; which[i] says which. Intervals are computed here: cost grows with the
 * stage's events; ask when the tick has changed. */
size_t trial_evidence(const struct trial *t, int s, struct evidence out[TESTS_MAX], enum trial_test which[TESTS_MAX]);
/* Figures of struct evidence here: log_e starts at 0. Of the rank tests log_e is the running maximum over looks of
 * -ln p + ln look_share(k), so that it reaches ln(1/alpha) just when p <= alpha look_share(k); log_now may be negative;
 * `devices` is the canary devices compared, canary and control those over control's 95th percentile, ratio that of the
 * medians of change, without interval. Of first passages ratio is Mantel-Haenszel's within 1/16..256; the interval's
 * ends are on a grid 2^(i/4), 0 and infinity when not even the grid's ends can be ruled out. Of installs ratio is the
 * failed share over the tolerated one. Without events all three are NaN. */
/* Canary devices that carry a test of the running stage, by index, ascending; returns how many there are, fills `max`.
 */
size_t trial_carriers(const struct trial *t, enum trial_test test, struct trial_ix *out, size_t max);
/* Canary and control devices at risk in the running stage (enrolled, not silent), and device-hours of canary watch. */
void trial_watch(const struct trial *t, int64_t *canary, int64_t *control, double *canary_hours);
/* What the device has had in the running stage, at risk for it or not: bit k for test k of the policy, first
 * passages only. 0 where it does not count. */
uint64_t trial_reached(const struct trial *t, struct trial_ix device);
/* What came after the installs, for words: an update that reboots a second time hours later looks like its firmware. */
struct trial_after {
    int64_t canaries; /* that count in the running stage */
    int64_t rebooted; /* of them, in it */
    int64_t most;     /* of those, without a tenth at either end of how long after its install each one's */
    int64_t first_us,
        last_us;       /* newest reboot was: the soonest and the latest; an install's time is as it counts here */
    bool alike;        /* they lie so close together that it is no chance */
    int64_t soon;      /* canaries whose newest reboot fell into the first hour after the grace for reboots */
    int64_t excuse_us; /* a grace for reboots so long would have excused all of `most` */
    /* Where the policy has a metric of activations: canaries of which a boot was named by it, which does not count; how
     * long after its install the first and the last of these was; boots are named. */
    int64_t named, named_first_us, named_last_us;
    bool names;
};
void trial_after(const struct trial *t, struct trial_after *out);
/* Is the device a canary that counts now? */
bool trial_is_canary(const struct trial *t, struct trial_ix device);

/* ---- kept across restarts ---- */

/* The whole state, versioned, with a digest of itself; the same bytes for the same state. */
void trial_save(const struct trial *t, struct buf *out);
/* NULL with *e when the bytes are no trial of this version, damaged, or of another spec (NULL = any). */
struct trial *trial_load(const void *bytes, size_t n, const struct trial_spec *spec, struct err *e);

/* The counters are counted from anew, as those of a page are whose reader was restarted: of each the next value says
 * what was before, and no difference to a value of now is taken. Not of times of boot. */
void trial_counts_anew(struct trial *t);

/* ---- what a decision was made of ---- */

/* Writes the inputs of one test's decision as a canonical JSON object (RFC 8785; real numbers as hexadecimal floating
 * point strings): spec, ledger, stage, and the journal: risk sets and events of each peek, or the compared values of
 * the look, or the counts. A journal that does not fit into the buffer's limit is left out and said so ("clipped").
 * Nothing when stage s has not begun. */
void trial_inputs(const struct trial *t, int s, enum trial_test test, struct buf *out);

struct replay {
    char test[48];
    int stage;
    double log_e, log_pause, log_rollback; /* recomputed */
    double logged_log_e;                   /* as the inputs say that it was decided */
    int devices, min_devices;
    bool pauses, rolls_back;
    bool same; /* to the last bit */
    size_t peeks;
    char text[300]; /* one sentence for an auditor */
};
/* Recomputes a decision from its inputs alone, with the code that made it. False with *e when they cannot be read. */
bool trial_replay(const void *json, size_t n, struct replay *out, struct err *e) ANDON_MUST_USE;

#endif
