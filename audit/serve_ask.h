/* Answers to questions by a socket: the inside of audit/serve.h that knows the log, and no descriptor. */
#ifndef ANDON_AUDIT_SERVE_ASK_H
#define ANDON_AUDIT_SERVE_ASK_H

#include "audit/book.h"
#include "audit/peer.h"
#include "audit/wire.h"

/* What a part of a blob was last taken from, so that a large one is not read once for each part. */
struct blob_kept {
    uint8_t digest[HASH_LEN];
    struct buf bytes;
    bool any;
};

struct desk {
    struct audit_log *log;
    struct blob_kept blob;
};

/* Appends the answer's frame to *out. False when the question breaks the rules: the answer says so, and it should be
 * the last. Takes as long as the log's disk does, and for reading a bounded time beyond that. */
bool desk_answer(struct desk *d, const struct peer *who, const struct wire_frame *q, struct buf *out);
/* May a client of this name write the entry (peer_entry), also where that depends on what is in the log? */
bool desk_may(struct audit_log *l, const char *user, const struct entry *en, struct err *e) ANDON_MUST_USE;
/* Does it write, and how much: in appends? 0: it only reads. */
unsigned desk_cost(const struct wire_frame *q);

#endif
