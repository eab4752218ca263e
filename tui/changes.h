/* What changed from one snapshot to the next, as lines of text. Pure. */
#ifndef ANDON_TUI_CHANGES_H
#define ANDON_TUI_CHANGES_H

#include "core/buf.h"
#include "core/snapshot.h"

/* One line an event, each "hh:mm:ssZ fleet: what". before may be NULL (the first snapshot). */
void changes_between(const struct snapshot *before, const struct snapshot *after, int64_t now, struct buf *out);
/* One line for the link and one for each rollout that is not ended. */
void changes_status(const struct snapshot *s, int64_t now, struct buf *out);

#endif
