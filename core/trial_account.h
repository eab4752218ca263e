/* What a firmware has spent of its alpha, read from the log: the chance of a false halt over all its rollouts together.
 *
 * Each trial leaves its terms in the log when it begins, and an entry for each stage that begins; every such entry is a
 * claim. Claims are settled in the order of the log, so that all readers of one log agree: a claim that no longer fits
 * into what is left gives nothing, and the tests of its rollout run dry from then on. A trial is bound to the terms of
 * its first claim; a rollout that is measured in another way (interval, window) is another trial.
 *
 *   spent = sum over trials of the alpha of its installs and of the stages that have begun <= alpha
 *
 * where alpha is what the first of these trials that could act was given. A trial that begins gets at most what is
 * left. What that promises, and what not: docs/statistics.md, "Alpha ledger". */
#ifndef ANDON_CORE_TRIAL_ACCOUNT_H
#define ANDON_CORE_TRIAL_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/identity.h"
#include "core/trial.h"

#define ACCOUNT_TRIALS 256  /* of one firmware; later ones run dry */
#define ACCOUNT_LEAST  1e-6 /* less than this is nothing: the least alpha that a policy may have */
#define ACCOUNT_TEXT   300

/* What a trial is begun with: all that its bits depend on but facts and telemetry. Strings are borrowed. */
struct trial_terms {
    struct trial_spec spec; /* policy.alpha: what it was given; strata and control count, tests and levels do not */
    double asked;           /* alpha as the policy says it; what was given may be less */
    int64_t control_max, window_us;
    /* To the shares, out of the reserve, from wave `added_from` on. A metric of the policy's own that was added is a
     * row of the spec's, with a share of 0. */
    double added[LEDGER_ALL];
    int added_from;
};
/* By this policy, with no alpha spent elsewhere. Window: that of the telemetry. */
struct trial_terms terms_of(const struct trial_spec *spec, const struct policy *p, int64_t window_us);
void terms_write(const struct trial_terms *t, struct buf *out); /* canonical JSON */
/* Strings go into the arena. False with *e when it is no such text. */
bool terms_read(const char *json, size_t n, struct arena *a, struct trial_terms *out, struct err *e) ANDON_MUST_USE;
/* Into a policy: what of it the terms bind. Its strings are borrowed from the terms. Metrics that the policy has and
 * the terms do not follow theirs, for limits and screens, and are not tested; what that needs is taken from the arena.
 */
void terms_bind(const struct trial_terms *t, struct policy *p, struct arena *a);
/* The policy's own metric of that name, NULL: it has none. */
const struct metric_def *terms_row(const struct evidence_policy *p, const char *id);
/* The policy's own metrics that are not among the bound ones, behind them, with no share; not when all would be too
 * many.
 */
void terms_append(struct evidence_policy *bound, const struct evidence_policy *policy, struct arena *a);
bool terms_ledger(const struct trial_terms *t, struct ledger *out);
/* In words, what a policy says otherwise than the terms: "alpha 20% (5%)"; "" when nothing. */
void terms_differ(const struct trial_terms *bound, const struct trial_terms *policy, char out[ACCOUNT_TEXT]);

/* An entry of the log about a ledger. */
struct account_claim {
    struct rollout_identity who;
    const char *terms;  /* JSON; "" in an older entry */
    const char *ledger; /* JSON of the shares, for those */
    const char *strata; /* the same, joined by commas */
    int64_t begun;      /* stages that have begun; of those: 0 = not known, all of them count */
    bool acts;          /* its tests may halt */
};
struct account_trial {
    struct rollout_identity who;
    struct trial_terms terms;
    bool old;  /* of an entry without terms: only its shares are known */
    bool acts; /* at some time */
    bool dry;  /* a claim of it did not fit */
    int begun; /* stages */
    double spent;
};
struct account {
    double alpha; /* of the firmware; 0 while no trial of it could act */
    double spent;
    struct account_trial *v; /* in the order of their first claims */
    size_t n;
    size_t unread; /* claims that cannot be read */
};
/* In the order of the log. The account's strings and trials live in the arena. */
void account_take(struct account *c, struct arena *a, const struct account_claim *claim);

/* What a rollout's trial is to begin, or to go on, with. */
enum plan_kind {
    PLAN_NEW,     /* nothing is in the log about it */
    PLAN_GOES_ON, /* with what is in the log, whatever the policy says by now */
    PLAN_ADDS     /* the same, and the policy's further tests out of the reserve: to be claimed */
};
struct account_plan {
    enum plan_kind kind;
    struct trial_terms terms;
    bool dry;                   /* nothing is left: its tests may not act */
    bool claimed;               /* with this many stages or more, acting if it may */
    int begun;                  /* stages, as the log says */
    double left;                /* alpha of the firmware that nobody has spent */
    char differs[ACCOUNT_TEXT]; /* what the policy says otherwise and is not heeded; "" */
};
/* `terms` is what the policy says now; `begun` how many stages will have begun; acts: as the policy says. Metrics that
 * were added are taken into the plan with the arena's memory; NULL: they cannot be (the trial would have to be built
 * anew, and there is no history to build it from). */
void account_plan(const struct account *c, const struct rollout_identity *who, const struct trial_terms *terms,
                  int begun, bool acts, struct arena *a, struct account_plan *out);
/* What was spent by this rollout, and by all others of the firmware. */
void account_spent(const struct account *c, const struct rollout_identity *who, double *own, double *others);

#endif
