/* The inside of a log handle, shared by the files of this room and by its tests. */
#ifndef ANDON_AUDIT_BOOK_H
#define ANDON_AUDIT_BOOK_H

#include <sys/types.h>
#include "audit/key.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/note.h"
#include "audit/store.h"

#define TAIL_ENTRIES 64           /* checked when a file is opened anew after a failure */
#define EVENT_FIELD  "event.blob" /* of an entry of a halt: its id (entry_event) */

/* Signs for the log. A seam: a key in hardware comes here, and tests make it fail. */
typedef bool book_sign_fn(void *ctx, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e);

struct audit_log {
    char *db_path, *key_path, *origin; /* of the spec; "" when not given */
    bool read_only;
    struct clock *clock;
    pid_t pid;
    struct store *store;  /* NULL after a failed attempt to open it anew */
    struct key *key;      /* NULL when read-only */
    struct note_key name; /* the public key with its name */
    struct verifier *verifier;
    struct buf host;        /* canonical JSON */
    struct store_head last; /* newest head that this handle has seen: the log may never fall back behind it */
    book_sign_fn *sign;
    void *sign_ctx;
    struct spool_place *spool; /* where records may wait for this log; NULL: nowhere */
    struct audit_intake intake;
};

/* Makes ready: refuses a forked handle, and opens a suspect file anew. */
bool book_ready(struct audit_log *l, struct err *e) ANDON_MUST_USE;
/* Runs fn inside one read transaction: a steady picture of the log. It may be run again from the start when the file
 * changed underneath (then it has to forget what it found). */
typedef bool book_read_fn(struct audit_log *l, void *ctx, struct err *e);
bool book_read(struct audit_log *l, book_read_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

/* The writing transaction, for several entries at once: begin gives the head, which must be what was signed and never
 * behind what this handle has seen; each put advances it; commit makes all of it durable. After a false of put the
 * caller rolls back (store_rollback). */
bool book_begin(struct audit_log *l, struct store_head *h, struct err *e) ANDON_MUST_USE;
bool book_commit(struct audit_log *l, const struct store_head *h, struct err *e) ANDON_MUST_USE;
/* The next entry. One of a halt (entry_of_halt) gets its id as a field that names a blob with its facts: blobs have an
 * index, so that whether it is in the log already is known without reading the log. *known: it is; nothing is written,
 * and the receipt is that of the entry that is there. */
bool book_put(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out, bool *known,
              struct err *e) ANDON_MUST_USE;
/* Is there a blob under this id? Inside a transaction. */
bool book_marked(struct audit_log *l, const char *id, bool *marked, struct err *e) ANDON_MUST_USE;
/* The same three in pieces, for the opening: reads and judges the head; writes one entry into `s` without looking for
 * it. */
bool book_head(struct audit_log *l, struct store_head *h, struct err *e) ANDON_MUST_USE;
bool book_write(struct audit_log *l, struct store *s, struct store_head *h, const struct entry *en, struct receipt *out,
                struct err *e) ANDON_MUST_USE;
/* A blob inside a writing transaction; nothing happens when it is there, unless its bytes were changed. */
bool book_blob(struct audit_log *l, const uint8_t digest[HASH_LEN], const void *bytes, size_t n,
               struct err *e) ANDON_MUST_USE;

/* The same from the bytes of the leaf. */
bool book_leaf_key(const char *line, size_t n, struct note_key *out, struct err *e) ANDON_MUST_USE;
/* Do frontier, row count and signed checkpoint agree? */
bool book_head_ok(struct store *s, const struct store_head *h, const struct note_key *k, const struct verifier *v,
                  struct err *e) ANDON_MUST_USE;
/* Recomputes the newest n entries and the complete subtrees of the frontier that lie within them. *bad_seq: the first
 * that fails, 0. */
bool book_tail_ok(struct store *s, const struct store_head *h, int64_t n, int64_t *bad_seq,
                  struct err *e) ANDON_MUST_USE;

#endif
