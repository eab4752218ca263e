/* The part "judge": the verdict on every told wave, and what follows from it by itself: halts, holds, roll backs.
 *
 * Called from the callback that brought the new data: the pause request of a halt is on its way before the loop's
 * turn is over. */
#ifndef ANDON_ENGINE_JUDGE_H
#define ANDON_ENGINE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/health.h"
#include "core/snapshot.h"
#include "core/verdict.h"
#include "engine/parts.h"

struct ro_judge {
    uint64_t sums_of; /* en->watch.changes, and waves told, as the sums over devices were made */
    size_t sums_told;
    int64_t sums_until;              /* time alone moves them from here on; 0: they are to be made */
    size_t control_best;             /* devices that control once had */
    struct group_health control_now; /* what relative limits compare with: live, or as last measured */
    struct group_health control_good;
    int64_t control_good_at, control_frozen_at; /* when control_good was measured; 0 = control_now is live */
    bool rollback_due;
    char rollback_rule[64];
    int64_t resumed_at; /* the rollout was last resumed, by whomever, as far as is known; 0 */
    bool passing_held;  /* a rule whose cause passes has held it, and the cause is still there */
    int good_polls;     /* in a row, with enough data of every told wave */
    int64_t good_since; /* the first of them, engine clock */
};

struct wv_judge {
    struct install_counts installs;
    struct wave_health health;
    struct verdict verdict;
    struct verdict_state vstate;
    bool judged, watch_said;
    enum reaction said; /* newest reaction that was logged */
    float trend[FIGURES_MAX][TREND_N], trend_control[FIGURES_MAX][TREND_N];
    int64_t trend_at;
};

/* ---- judge_control.c ---- */
void control_sum(struct ro *ro, const struct track **buf,
                 int64_t scrape_us); /* fills control_now; room for n_control */
/* Until when any of control had reported; TIME_NEVER: none is expected to. `buf` as above. */
int64_t control_covered_until(const struct ro *ro, const struct track **buf, int64_t scrape_us);
bool control_blind(const struct ro *ro); /* there is no control and never was: relative limits judge nothing */
/* ---- judge_class.c ---- */
/* Figures of the classes that the policy's limits name, by the limit's index; false when there are none. `buf` has room
 * for the tracks of the wave or of control. To be freed with class_release. */
bool class_figures(const struct ro *ro, size_t wave, const struct track **buf, int64_t scrape_us,
                   struct wave_health *out[VERDICT_LIMITS_MAX]);
void class_release(struct wave_health *out[VERDICT_LIMITS_MAX]);

/* ---- judge_goon.c ---- */
void judge_polled(struct ro *ro, bool answered); /* telemetry has answered, or failed, and was judged */
void judge_go_on(struct ro *ro);                 /* ends andon's own pause whose cause has passed, where it has */
/* ---- judge.c ---- */
/* Canary against control, by the figures of the rollout's policy. */
void judge_compare(const struct ro *ro, struct wave_health *h);
/* What the rule asks for, with the sentence and the figures of wave i's verdict; of no wave when there is no wave i. */
void judge_intent(const struct ro *ro, size_t i, enum verb verb, const char *rule, struct intent *in);
void judge_resumed(struct ro *ro, int64_t at); /* the log says that it was */

extern const struct part part_judge;

#endif
