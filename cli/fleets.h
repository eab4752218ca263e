/* Engines for commands: one for each chosen fleet, started together, waited for together. */
#ifndef ANDON_CLI_FLEETS_H
#define ANDON_CLI_FLEETS_H

#include "cli/cli.h"

struct fleet_run {
    const struct fleet_spec *spec;
    struct engine *en;     /* NULL: could not be started, see err */
    struct snapshot *snap; /* the newest looked at; NULL = none */
    struct err err;
};
struct fleets {
    struct fleet_run *v;
    size_t n;
};

/* "fleet/4471" names both, and goes into one->val[OPT_FLEET]; "4471" leaves the fleet to --fleet, or to there being
 * only one. *id is the rollout's. False: --fleet says otherwise. */
bool fleet_named(const struct config *c, const char *word, struct args *one, const char **id,
                 struct err *e) ANDON_MUST_USE;
/* Starts engines for all fleets, or for the one that --fleet names. False when no engine could be made for a reason
 * that lies in the command line; a fleet that can't be opened keeps its error. */
bool fleets_open(const struct session *s, const struct args *a, bool judge, bool observe, struct fleets *out,
                 struct err *e) ANDON_MUST_USE;
/* Waits until each has shown its rollouts, or failed; fills snap. */
void fleets_wait(struct fleets *f, int64_t timeout_us);
void fleets_close(struct fleets *f);
/* Waits until `ready` says so of the newest snapshot; false on time-out. The newest is left in r->snap either way. */
bool fleet_until(struct fleet_run *r, int64_t timeout_us, bool (*ready)(const struct snapshot *s, void *ctx),
                 void *ctx);
/* Why a fleet has nothing to show, as an error. */
void fleet_error(const struct fleet_run *r, struct err *e);
/* What was done is done, and said; other consoles hear of it by a note on the server, which nobody else may be there to
 * write: stays for it, 2 s at most. Says on standard error why this rollout's halt ("": none) is not noted. */
void fleet_stay_noted(struct fleet_run *r, const char *rollout);
/* Devices of a rollout whose waves andon keeps are told by whoever let them: stays until those of its open waves are,
 * and says on standard error how many are left after that time. */
void fleet_stay_telling(struct fleet_run *r, const char *rollout, int64_t timeout_us);
/* Waves of this rollout read? (for fleet_until; ctx is the rollout's id) */
bool fleet_has_waves(const struct snapshot *s, void *id);

#endif
