/* Stays: which device had which release from when to when, as censuses saw it (census.db). It is the one thing that
 * nobody else remembers: a server knows only the newest install. Kept are devices whose release had something to be
 * patched when they were looked at; what a stay means for which vulnerability is computed from it later (core/patch.h).
 *
 * A stay that has ended is kept STAYS_KEPT_US. A damaged file is refused and left as it is: it cannot be made again. */
#ifndef ANDON_AUDIT_STAYS_H
#define ANDON_AUDIT_STAYS_H

#include "core/arena.h"
#include "core/err.h"
#include "core/patch.h"

#define STAYS_KEPT_US (2 * INT64_C(366) * 24 * 3600 * 1000000)

struct stays;

/* With `write` makes the file (0600) and its folder where there is none; else ERR_NOT_FOUND: no census was taken. */
struct stays *stays_open(const char *path, bool write, struct err *e);
void stays_close(struct stays *s); /* NULL is fine */

/* A census of one fleet, all of it or nothing: begin, what was seen, commit. ERR_CONFLICT: another one is running. */
bool stays_begin(struct stays *s, struct err *e) ANDON_MUST_USE;
/* The device has this release at `at`; installed: since when by the server, 0 = it does not say. A stay of another
 * release has ended then. With `keep` a new one begins where there is none; without it only an end is noted. */
bool stays_seen(struct stays *s, const char *fleet, const char *device, const char *release, int64_t installed,
                int64_t at, bool keep, struct err *e) ANDON_MUST_USE;
/* The server has no such device any more. */
bool stays_gone(struct stays *s, const char *fleet, const char *device, int64_t at, struct err *e) ANDON_MUST_USE;
/* Devices with a stay that has not ended and was not seen at `at`. In the arena. */
bool stays_missing(struct stays *s, const char *fleet, int64_t at, struct arena *a, const char ***out, size_t *n,
                   struct err *e) ANDON_MUST_USE;
bool stays_commit(struct stays *s, int64_t at, struct err *e) ANDON_MUST_USE;
void stays_abort(struct stays *s);

/* All, the stays of one device together and oldest first. In the arena. */
bool stays_all(struct stays *s, struct arena *a, struct stay **out, size_t *n, struct err *e) ANDON_MUST_USE;

#endif
