/* A log that another process writes: the guard, at the other end of a Unix socket (audit/wire.h, audit/serve.h).
 *
 * The reading half of audit/store.h asks here when there is a socket in place of a file, so that whatever reads a log
 * (queries, latches, verification, export) reads this one in the same way, and checks its hashes and signatures itself.
 * Every call waits for the guard at most FAR_US. After a failure of the line, or an answer that is none, the connection
 * is broken for good: the next one is another far. */
#ifndef ANDON_AUDIT_FAR_H
#define ANDON_AUDIT_FAR_H

#include <sys/types.h>
#include "audit/log.h"
#include "audit/store.h"
#include "audit/wire.h"

#define FAR_US (5 * US_PER_S)

struct far;
/* ERR_IO: nobody answers there. ERR_FORBIDDEN: this user may not; or others than its owner could have put the socket
 * there. ERR_UNSUPPORTED: another version. */
struct far *far_open(const char *path, struct err *e);
void far_close(struct far *f); /* NULL is fine */
bool far_broken(const struct far *f);
/* Who listens there, and as whom it knows us: both by the kernel's word. */
uid_t far_guard(const struct far *f);
const char *far_user(const struct far *f);

/* A steady picture: the state now. What is read afterwards goes no further than its newest entry. */
bool far_begin(struct far *f, struct err *e) ANDON_MUST_USE;
const struct store_head *far_head(const struct far *f);
int64_t far_last(const struct far *f);
int64_t far_base(const struct far *f); /* number of the entry before its first, over all files of the log */
/* As store_rows. Rows that `q` (NULL: all) does not mean may come or not; those that cannot be read always come.
 * fn must not ask for anything else meanwhile. */
bool far_rows(struct far *f, const struct wire_rows *q, int64_t from, int64_t to, bool newest_first, store_row_fn *fn,
              void *ctx, struct err *e) ANDON_MUST_USE;
bool far_get_blob(struct far *f, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e) ANDON_MUST_USE;
bool far_blobs(struct far *f, store_blob_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

/* At most WIRE_BLOB_MAX. True: the guard has it durably. */
bool far_put_blob(struct far *f, const void *bytes, size_t n, struct err *e) ANDON_MUST_USE;
/* An entry's line (seq 0). True: durable. After false with far_broken() it is not known whether the guard has it;
 * asked again with the same line it makes no second entry. */
bool far_append(struct far *f, const char *line, size_t n, struct receipt *out, struct err *e) ANDON_MUST_USE;

/* The guard lets its log go on in a new file; waits for it up to FAR_TURN_US. ERR_FORBIDDEN: only its own user and root
 * may ask for that. */
#define FAR_TURN_US (5 * US_PER_MIN)
bool far_rotate(struct far *f, const struct audit_turn *t, struct slice host, bool new_key,
                struct err *e) ANDON_MUST_USE;

#endif
