/* What the tests of a policy promise and what they could see, before a rollout is started: for `andon policy check`. */
#ifndef ANDON_CLI_POLICY_PLAN_H
#define ANDON_CLI_POLICY_PLAN_H

#include "cli/cli.h"
#include "core/ledger.h"
#include "core/planner.h"

/* Taken where nobody says how often a device reboots by itself: one a fortnight would see less, one a day more. */
#define POLICY_PLAN_REBOOTS 0.5

/* The waves that are judged by it. */
struct policy_plan {
    size_t n; /* waves; 0 = not known */
    int64_t size[LEDGER_WAVES], devices, hours;
    int64_t strata; /* values that devices are spread over; 1: not said */
    struct plan plan[LEDGER_WAVES];
    bool blind;     /* waves are known, the tests are on, and none of them could see anything */
    char from[160]; /* where the waves are from, for people */
    char runs[400]; /* how the tests of that rollout run on in spite of this policy; "" */
};

/* From --wave-sizes (with --devices), or from the waves of --rollout on the configured server. Neither: n = 0. False
 * with *e. *rc is the exit code when session or server failed (the error has been printed), else EXIT_OK. */
bool policy_plan_read(const struct args *a, const struct policy *p, struct policy_plan *out, int *rc, struct err *e);
/* Tests, ledger and what each wave could see. */
void policy_plan_text(const struct policy *p, const struct policy_plan *v, struct buf *out);
void policy_plan_json(const struct policy *p, const struct policy_plan *v, struct json_w *w); /* the same, as members */
/* A member "metrics" with what can be seen of each by its id: {"cpu": {"least": 3, "on_all": true}, ...}. */
void plan_metrics_json(const struct evidence_policy *e, const struct plan *p, struct json_w *w);

#endif
