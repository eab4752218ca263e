/* What the evidence about a rollout says, in words for an operator at 3 a.m. Pure; the screens, `andon explain` and the
 * engine's sentence all use it, so that they say the same.
 *
 * Numbers have commas (72,000) up to a million, then 10^n. Evidence is rounded down and what is needed is rounded up:
 * nothing reads as reached that is not. */
#ifndef ANDON_CORE_EXPLAIN_H
#define ANDON_CORE_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>
#include "core/fmt.h"
#include "core/harm.h"
#include "core/ledger.h"
#include "core/snapshot.h"

#define EXPLAIN_TEXT 1180 /* a buffer of this size is enough for any sentence from here */

/* Evidence so far (a natural logarithm): "0.3", "240", "72,000", "10^9". log_need: of what it is shown against. */
const char *explain_evidence(char out[FMT_MAX], double log_e, double log_need);
/* What is needed for a pause or a roll back (natural logarithm): "250". */
const char *explain_need(char out[FMT_MAX], double log_need);
/* A share of 1: "5%", "0.4%", "0.031%". */
const char *explain_percent(char out[FMT_MAX], double share);

/* "3 of 20 canaries have rebooted in a loop, 0 of 1,980 others" */
void explain_who(const struct evidence *e, enum trial_test which, char *out, size_t size);
/* How large it is and how many carry it: "over 32x as often as the others; carried by 12". */
void explain_size(const struct evidence *e, enum trial_test which, char *out, size_t size);
/* "installs: 12 of 20 installed, 3 failed (2 overdue), 5 not yet (1 not reached since told)"; false when nobody was
 * told.
 */
bool explain_installs(const struct wave_health *h, char *out, size_t size);
/* explain_who() and the evidence: "... Evidence 72,000; 250 needed to pause, 2,500 to roll back." */
void explain_sentence(const struct evidence *e, enum trial_test which, char *out, size_t size);
/* One sentence for wave `wave` of a rollout: the trial's own for the wave that runs, else from its leading test, else
 * why there is none. */
void explain_wave(const struct trial_view *t, int wave, char *out, size_t size);
/* "3 of 20 canaries had the release already: they are not compared." False: none had. */
bool explain_had_release(const struct wave_view *w, char *out, size_t size);
/* Evidence can say nothing about this wave now, or could not: it is off, not live, no canary counts yet, or nobody is
 * left to compare it with. Never to be shown as health. */
bool explain_blind(const struct trial_view *t, int wave);
/* Has anything spoken against the canaries? Evidence is 1 at the start, and while nothing has happened. */
bool explain_speaks(const struct evidence *e);
/* "12 tests say nothing against it so far (m shows them): silence cpu ...", of those that have devices on both sides to
 * compare, or (`compares` false) "16 tests have compared nobody so far"; `over`: as of a wave that is over. `how` is in
 * the brackets, "" = none; with `names` theirs follow. Returns how many they are; 0: and out is "". */
size_t explain_silent(const struct stage_view *s, bool compares, bool over, const char *how, bool names, char *out,
                      size_t size);
/* "watch", "hold", "pause", "roll back". */
const char *explain_reaction_word(enum reaction r);
/* "live", "catching up 43%", "off: the policy says so", ... with "dry run: " in front when it never acts. */
void explain_state(const struct trial_view *t, char *out, size_t size);

/* What a test that stands here calls for, for its mark on the screen (core/verdict.c decides): the highest level
 * reached; at most a watch while fewer than min_devices devices carry it; none when it was dismissed. */
enum reaction explain_reaction(const struct evidence_policy *p, const struct evidence *e);
/* The same of a wave: of its leading test, none when it has no evidence. Stays when the wave is over. */
enum reaction explain_wave_reaction(const struct evidence_policy *p, const struct trial_view *t, int wave);
/* Sets what a roll back needs by this policy's levels: 0 when it never rolls back by itself. */
void explain_rollback(const struct evidence_policy *p, struct evidence *e);
/* Where it stands on a logarithmic scale from 1 (0) to ten times what a pause needs (1): log_e is evidence or a mark.
 */
double explain_scale(double log_e, double log_pause);

/* The stage's tests when this wave has begun, else NULL. */
const struct stage_view *explain_stage(const struct trial_view *t, int wave);

/* The same when it was told, and it is known whether its canaries were like control before (core/placebo.h). */
const struct stage_view *explain_told(const struct trial_view *t, int wave);

/* Chance of a false halt that a wave may spend, by metric, and that of the installs (whole rollout). From its tests
 * when it has begun, else as the policy will share it over `waves` waves. False when nothing is tested. */
struct explain_ledger {
    double metric[LEDGER_ALL];                     /* in the order of the ledger */
    const char *name[LEDGER_ALL], *id[LEDGER_ALL]; /* the policy's: "CPU", "cpu" */
    int metrics;
    double wave; /* sum of them */
    double install;
    double rollout; /* all waves, installs and reserve */
};
bool explain_ledger(const struct policy *p, const struct trial_view *t, int wave, size_t waves,
                    struct explain_ledger *out);

/* What the tests of this policy cannot see because they look one way; a sentence with a space in front, or "". */
const char *explain_one_sided(const struct evidence_policy *e);
/* The promise in one line, and what it does not cover in another, with what has been seen of that. */
void explain_promise(const struct policy *p, char *out, size_t size);
void explain_not_covered(const struct policy *p, const struct trial_view *t, char *out, size_t size);

#endif
