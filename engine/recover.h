/* The part "recover": what an earlier session left open in the log, and what other sessions write into it meanwhile.
 *
 * The log is the state. For each intent without outcome the server is asked what became of it, and `recovered` says
 * so. Nothing is sent again, but for what may be repeated: a halt is asked for until it shows, and a roll back goes on
 * from its last step. Intents of a process that still lives are its own business. */
#ifndef ANDON_ENGINE_RECOVER_H
#define ANDON_ENGINE_RECOVER_H

#include <stdbool.h>
#include "engine/parts.h"

struct en_recover {
    bool recovered; /* the past was read from the log; at once when there is none */
    bool looking;
    bool past_taken;       /* holds and acknowledgements, once the server's rollouts were known */
    bool anew;             /* the next look reads the latches whatever the log's size: a rollout was replaced */
    struct job *leftovers; /* kept until the rollouts are known */
};

extern const struct part part_recover;

#endif
