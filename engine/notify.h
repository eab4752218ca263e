/* Telling people who are not at the screen: carries out what core/notice.h decides.
 *
 * The worker looks at each new snapshot: what stands, and is due, goes to the courier (engine/courier.h), and into the
 * log as an entry of kind "notice"; so does what became of it at each receiver, and so does a silence
 * (docs/notices.md). The log is also the memory: after a restart it says what was told already and how long all is to
 * be silent, and watchers that share a log do not tell the same twice. Nothing here waits. */
#ifndef ANDON_ENGINE_NOTIFY_H
#define ANDON_ENGINE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/entry.h"
#include "core/notice.h"
#include "engine/courier.h"

struct engine;
struct notifier;

/* For engine_start(), once the scribe is there and before the worker's thread. NULL when engine_spec.notify is NULL or
 * names no receiver: then nobody is told. */
struct notifier *notifier_new(struct engine *en);
/* For the worker, in each turn of its loop. NULL is fine. */
void notifier_turn(struct notifier *n);
/* For engine_stop(), after the worker's thread and before the end of the log. What is under way has a second to get
 * through. NULL is fine. */
void notifier_free(struct notifier *n);

/* notify_log.c: entries of kind "notice", for the notifier and for commands. Strings are borrowed from what is passed:
 * it must outlive the entry. The caller has begun the entry (entry_init) and set its time and actor. */

/* A notice that goes out: result "raised" or "resolved". */
void notify_log_notice(struct entry *e, const struct notice *n, char wave[16]);
/* What became of it at one receiver: result "ok" or "failed"; "retrying" is 1 while it is tried again. */
void notify_log_outcome(struct entry *e, const struct outcome *o, char wave[16]);
/* Silence for a fleet ("" = all) until a time, 0 = an end of the silence. */
void notify_log_silence(struct entry *e, const char *fleet, int64_t until, const char *reason);

#define NOTIFY_SILENCE_MAX (30 * US_PER_DAY)

/* What an entry says. */
enum notify_said { NOTIFY_SAID_NOTHING, NOTIFY_SAID_RAISED, NOTIFY_SAID_OUTCOME, NOTIFY_SAID_SILENCE };
/* Reads an entry of kind "notice" back; the notice's text is its reason. *until: of a silence, 0 = it was ended. */
enum notify_said notify_log_read(const struct stored *s, struct notice *n, int64_t *until);

#endif
