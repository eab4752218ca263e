/* The halts of a rollout as the log has them, for commands whose engine has no log of its own (get, explain): by the
 * same machine (core/stop.h), so that they say what a guard says. Nothing is written or sent. */
#ifndef ANDON_CLI_HALTS_H
#define ANDON_CLI_HALTS_H

#include "cli/cli.h"
#include "core/snapshot.h"

struct log_halt {
    enum stop_phase stop;
    bool latched;
    char by[80]; /* of the newest halt, "" */
    char reason[256];
};
/* What `v` says, and what the log knows beside it. */
void halts_of(const struct session *s, const char *fleet, const struct rollout_view *v, struct log_halt *out);

#endif
