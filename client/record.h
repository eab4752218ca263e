/* A session with a back end, kept and played again: what was asked of its device part and what it answered, in the
 * words of the plug-in protocol (docs/plugin-protocol.md), as lines of the trace (kind `calls`, core/trace.h).
 *
 * What a server's own rollouts answer is not among them: the wire's lines have it, and `andon replay` serves those. */
#ifndef ANDON_CLIENT_RECORD_H
#define ANDON_CLIENT_RECORD_H

#include "client/backend.h"

/* Around `inner`, which it takes over; `fleet` and the trace are borrowed. What shows itself as a secret is masked. */
struct backend *record_open(struct backend *inner, const struct traced *t);

/* The back end of kind "replay": `url` names a trace, whose calls it answers with what was answered then, the same call
 * in the recorded order, the last answer repeating. What was never asked is ERR_NOT_FOUND. Nothing is simulated: who
 * was told stands as he stood then. Of several fleets in the trace it is the one of the same name. */
struct backend *replay_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
