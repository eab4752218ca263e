/* What the evidence says, as JSON: shared by `andon explain` and `andon get`. Keys are stable (andon-explain(1)). */
#ifndef ANDON_CLI_EXPLAIN_H
#define ANDON_CLI_EXPLAIN_H

#include "cli/cli.h"
#include "cli/fleets.h"

/* "evidence": the leading test of the wave, or null. */
void explain_leading_json(struct json_w *w, const struct policy *p, const struct trial_view *t, int wave);
/* Evidence is live, or will not be (off); for fleet_until, ctx is the rollout's id. */
bool explain_settled(const struct snapshot *s, void *id);
/* The whole answer about a rollout, as members of the object that is open. only: a wave, -1 = all that have begun. */
void explain_json(struct json_w *w, const char *fleet, const struct snapshot *s, const struct rollout_view *r,
                  int64_t only);

#endif
