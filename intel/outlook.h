/* The outlook (core/outlook.h), computed from what was imported, from an inventory, and from what people have said. */
#ifndef ANDON_INTEL_OUTLOOK_H
#define ANDON_INTEL_OUTLOOK_H

#include "core/err.h"
#include "core/outlook.h"
#include "core/sbom.h"
#include "intel/store.h"

/* How a rollout of a release stands on the board. */
struct outlook_standing {
    const char *line, *version; /* of the release */
    enum fix_state state;
    const char *rollout; /* its id, as people type it */
};
struct outlook_ask {
    int64_t now; /* wall clock, us */
    const struct risk_policy *policy;
    const struct fleet_cell *cells; /* who has what; these three outlive the outlook */
    size_t n_cells;
    const struct risk_accept *accepts;
    size_t n_accepts;
    const struct vex *vex;
    size_t n_vex;
    const struct inv_rules *rules;            /* names firmware and hardware as CPEs; NULL */
    const struct outlook_standing *standings; /* newest first */
    size_t n_standings;
    const char *of; /* where devices were counted, for people */
};
/* Fills *o, which is new. False with *e: the store cannot be read. The store may be closed afterwards. */
bool intel_outlook(struct intel_store *s, const struct outlook_ask *ask, struct outlook *o,
                   struct err *e) ANDON_MUST_USE;

#endif
