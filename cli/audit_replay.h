/* andon audit replay: a decision recomputed from the log alone. */
#ifndef ANDON_CLI_AUDIT_REPLAY_H
#define ANDON_CLI_AUDIT_REPLAY_H

#include "cli/cli.h"

/* Of entry `seq_text`, from the log of the session, or from an exported folder (--export). Prints what was recomputed
 * and returns an exit code: EXIT_FAILED when the log does not verify or the decision does not agree. */
int audit_replay(const struct args *a, const struct session *s, const char *seq_text);

#endif
