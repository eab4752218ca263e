/* History: what a verdict needs across restarts. Beside the log, in a database of its own (evidence.db): states of
 * trials (core/trial.h) as opaque bytes, one for each rollout by its identity (core/identity.h), the newest tick wins.
 * A number that is used again finds nothing of the rollout that had it before.
 *
 * It is a cache of what was measured, no proof of anything: who doubts it deletes it, and a watcher with a telemetry
 * source that keeps history starts from there. Everything read from it is checked by its digest and by trial_load(). */
#ifndef ANDON_AUDIT_HISTORY_H
#define ANDON_AUDIT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/identity.h"

struct history;

#define HISTORY_BYTES_MAX ((size_t)256 << 20) /* of one state */

/* Opens or makes the file (mode 0600, folder 0700). NULL with *e. A damaged file is moved aside ("evidence.db.bad", the
 * newest only) and a new one begun; *e then holds a warning (code ERR_TAMPERED) and the handle is valid. Otherwise
 * e->code is ERR_NONE. The same happens later, at the call after the one that met the damage; a file that was removed
 * or moved meanwhile is begun anew. One thread at a time uses a handle; every call may wait for the disk. */
struct history *history_open(const char *path, struct err *e);
void history_close(struct history *h); /* NULL is fine */
/* Keeps the state unless a newer one (by tick, same digest of its spec) is there: then nothing happens, and true. A
 * state of another spec is replaced. Durable enough for a restart, not for a power cut (synchronous NORMAL). After
 * false what was there before is still there, and the handle is usable. ERR_LIMIT: over HISTORY_BYTES_MAX; ERR_IO with
 * a full disk, or when the file would grow over four times that. */
bool history_keep(struct history *h, const struct rollout_identity *who, const char *spec_digest, int64_t tick,
                  const void *bytes, size_t n, struct err *e) ANDON_MUST_USE;
/* Appends the state to *out. False with e->code == ERR_NOT_FOUND when there is none (or only one of another spec), with
 * ERR_TAMPERED when it is damaged (it is dropped then). A state that andon 0.1 kept, under the number alone, is used
 * when it was put there after the rollout was made (past IDENTITY_CLOCK_US) and nothing newer was kept. */
bool history_find(struct history *h, const struct rollout_identity *who, const char *spec_digest, int64_t *tick,
                  struct buf *out, struct err *e) ANDON_MUST_USE;
/* Drops the state of a rollout, whatever its tick: what it was built of has turned out to be wrong. With it one that
 * 0.1 kept under its number. True when there is none. */
bool history_forget(struct history *h, const struct rollout_identity *who, struct err *e) ANDON_MUST_USE;
/* Drops states of rollouts that were last put before `before`, and gives the space back. By this machine's wall clock,
 * also where an engine runs in virtual time. */
bool history_sweep(struct history *h, int64_t before, struct err *e) ANDON_MUST_USE;

#endif
