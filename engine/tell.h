/* The part "tell": telling people who are not at the screen: carries out what core/notice.h decides.
 *
 * The worker looks at each new snapshot: what stands, and is due, goes to the courier (engine/courier.h), and into the
 * log as an entry of kind "notice"; so does what became of it at each receiver, and so does a silence
 * (docs/notices.md). The log is also the memory: after a restart it says what was told already and how long all is to
 * be silent, and watchers that share a log do not tell the same twice. Nothing here waits. */
#ifndef ANDON_ENGINE_TELL_H
#define ANDON_ENGINE_TELL_H

#include "engine/parts.h"

struct notifier;

struct en_tell {
    struct notifier *notifier; /* NULL when engine_spec.notify is NULL or names no receiver: then nobody is told */
};

extern const struct part part_tell;

#endif
