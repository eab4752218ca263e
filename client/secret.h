/* Secrets: read from where the configuration says they are, never from the configuration itself.
 *
 * A command is run without a shell, with a time limit and its error output thrown away (a helper may print the secret
 * there); a file must not be readable by others; a variable is taken as it is. One trailing line end is dropped.
 * Errors name the source, never its content. */
#ifndef ANDON_CLIENT_SECRET_H
#define ANDON_CLIENT_SECRET_H

#include <stdbool.h>
#include <stdint.h>
#include "core/config.h"
#include "core/err.h"

#define SECRET_BYTES_MAX 8192
#define SECRET_LIMIT_US  (10 * INT64_C(1000000))

/* *out is for secret_free(). SECRET_NONE gives NULL and true. limit_us bounds the command (SECRET_LIMIT_US). */
bool secret_read(const struct secret_ref *ref, int64_t limit_us, char **out, struct err *e) ANDON_MUST_USE;
/* Overwrites and frees. NULL is fine. */
void secret_free(char *s);

/* --- reading it again (secret_again.c) --- */

/* A copy whose strings are in the arena; `again` stays the caller's. */
struct secret_ref secret_copy(const struct secret_ref *ref, struct arena *a);
/* Can another read of this process give anything else? Not of a variable, and not of nothing. */
bool secret_may_change(const struct secret_ref *ref);

/* Reads on a thread of its own, for a loop that must not block: a helper takes its time, a file may lie on a disk that
 * hangs. The ref is copied. When it has ended, `tell_fd` (an eventfd, duplicated) becomes readable. NULL with *e filled
 * when there can be no thread. Belongs to one thread, and ends in secret_ended() or secret_leave(). */
struct secret_job;
struct secret_job *secret_begin(const struct secret_ref *ref, int64_t limit_us, int tell_fd, struct err *e);
/* False: not yet. True: it has ended and the job is gone; *ok, *out and *e as secret_read() gives them. */
bool secret_ended(struct secret_job *j, bool *ok, char **out, struct err *e) ANDON_MUST_USE;
/* Its thread goes on and ends by itself, at the latest at its limit, and wipes what it has read. NULL is fine. */
void secret_leave(struct secret_job *j);

/* How often. A refusal may mean that the secret has changed, or that it is wrong, or (403 and its like) that the user
 * may not do this one thing, for ever: the first is worth a read at once, the others must not run somebody's password
 * manager with each poll. So the first refusal reads at once, and further ones only after a pause, which doubles:
 *
 *   file     after 1 s, at most 5 s apart
 *   command  after 2 s, at most 60 s apart
 *   both, for refusals other than 401: at most 15 min apart
 *
 * The row begins anew when a secret that has changed was taken, when a person asks (SIGHUP), and when no refusal of the
 * kind has led to a read for twice the longest pause. Pure; times are of the caller's clock. All zero is the beginning.
 */
enum secret_refusal { SECRET_UNKNOWN_USER /* 401 */, SECRET_NOT_PERMITTED /* 403, ... */, SECRET_REFUSALS };
struct secret_pace {
    struct {
        int reads;
        int64_t last, next;
    } of[SECRET_REFUSALS];
};
/* True: read it now; the pause until the next read has begun. */
bool secret_pace_due(struct secret_pace *p, enum secret_source s, enum secret_refusal why, int64_t now);

#endif
