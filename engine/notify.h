/* Notices in the log: entries of kind "notice", for the part that tells (engine/tell.h) and for commands.
 *
 * Strings are borrowed from what is passed: it must outlive the entry. The caller has begun the entry (entry_init) and
 * set its time and actor. */
#ifndef ANDON_ENGINE_NOTIFY_H
#define ANDON_ENGINE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/entry.h"
#include "core/notice.h"
#include "engine/courier.h"

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
