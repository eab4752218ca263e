/* The intelligence of a drill: what its firmwares consist of from the beginning, and the scenario's advisory when it is
 * published. Files in a folder of its own, imported as an operator's are; the engine sees nothing but the store. */
#ifndef ANDON_CLI_DRILL_INTEL_H
#define ANDON_CLI_DRILL_INTEL_H

#include "conf/scenario.h"
#include "core/err.h"

struct drill_intel {
    const struct scenario *sc;
    struct clock *clock; /* the drill's */
    char dir[400], db[440];
};
/* Nothing, and true, when the scenario has no advisory: then ->db is "". False with *e: it cannot be made. */
bool drill_intel_begin(struct drill_intel *d, const struct scenario *sc, struct clock *clock,
                       struct err *e) ANDON_MUST_USE;
/* The advisory is published now. */
bool drill_intel_publish(struct drill_intel *d, struct err *e) ANDON_MUST_USE;
void drill_intel_end(struct drill_intel *d); /* removes the folder */

#endif
