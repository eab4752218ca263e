/* The inside of a log handle, shared by the files of this room and by its tests. */
#ifndef ANDON_AUDIT_BOOK_H
#define ANDON_AUDIT_BOOK_H

#include <sys/types.h>
#include "audit/chain.h"
#include "audit/key.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/note.h"
#include "audit/store.h"

#define TAIL_ENTRIES 64           /* checked when a file is opened anew after a failure */
#define EVENT_FIELD  "event.blob" /* of an entry of a halt: its id (entry_event) */

/* Wall clock less boot clock, as this handle has last seen it. */
struct clock_seen {
    bool known;
    int64_t offset;
};

/* Signs for the log. A seam: a key in hardware comes here, and tests make it fail. */
typedef bool book_sign_fn(void *ctx, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e);

struct audit_log {
    char *db_path, *key_path, *origin; /* of the spec; "" when not given */
    char *socket;                      /* of the guard that writes it; NULL: we do */
    bool origin_asked, read_only;
    struct clock *clock;
    pid_t pid;
    struct store *store;  /* NULL after a failed attempt to open it anew */
    struct chain chain;   /* the older files, and the number of the newest one's first entry */
    struct key *key;      /* NULL when read-only */
    struct note_key name; /* the public key with its name */
    struct verifier *verifier;
    struct buf host;        /* canonical JSON */
    struct store_head last; /* newest head that this handle has seen: the log may never fall back behind it */
    unsigned redactable;    /* kinds of values that are committed, not written (core/redact.h) */
    book_sign_fn *sign;
    void *sign_ctx;
    bool for_others; /* a guard's for its clients: each entry gets its id, as those of a halt do, for who sends it may
                      * have to send it again; that the clock was set the guard says elsewhere */
    struct spool_place *spool; /* where records may wait for this log, and its newest head is kept; NULL: nowhere */
    uint64_t kept;             /* size of the head that was kept there (audit/seen.h) */
    struct audit_intake intake;
    struct clock_seen clock_seen;
    struct audit_server_clock server;
};

/* Makes ready: refuses a forked handle, and opens a suspect file anew. */
bool book_ready(struct audit_log *l, struct err *e) ANDON_MUST_USE;
/* Runs fn inside one read transaction: a steady picture of the log. It may be run again from the start when the file
 * changed underneath (then it has to forget what it found). */
typedef bool book_read_fn(struct audit_log *l, void *ctx, struct err *e);
bool book_read(struct audit_log *l, book_read_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

/* What holds the log: the file, or the guard at the socket (NULL: none). */
struct store *book_store(const char *db_path, const char *socket, bool read_only, struct err *e);
/* audit_append and audit_put_blob by a socket (far_log.c). */
bool book_far_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e) ANDON_MUST_USE;
bool book_far_rotate(struct audit_log *l, const struct audit_turn *t, bool new_key, struct err *e) ANDON_MUST_USE;
bool book_far_blob(struct audit_log *l, const void *bytes, size_t n, struct err *e) ANDON_MUST_USE;

/* The writing transaction, for several entries at once: begin gives the head, which must be what was signed and never
 * behind what this handle has seen; each put advances it; commit signs it, once for all of them, and makes all of it
 * durable. After a false of put the caller rolls back (store_rollback); commit does so by itself. */
bool book_begin(struct audit_log *l, struct store_head *h, struct err *e) ANDON_MUST_USE;
bool book_commit(struct audit_log *l, struct store_head *h, struct err *e) ANDON_MUST_USE;
/* The next entry. One of a halt (entry_of_halt) gets its id as a field that names a blob with its facts: blobs have an
 * index, so that whether it is in the log already is known without reading the log. *known: it is; nothing is written,
 * and the receipt is that of the entry that is there. */
bool book_put(struct audit_log *l, struct store_head *h, const struct entry *en, struct receipt *out, bool *known,
              struct err *e) ANDON_MUST_USE;
/* Before an entry: has the wall clock been set since this handle last looked? Then an entry of kind clock-step goes
 * first. *seen is what to remember once the transaction is committed. */
bool book_clock(struct audit_log *l, struct store_head *h, struct clock_seen *seen, struct err *e) ANDON_MUST_USE;
/* What the log's own newest entry of this start of the host says of the clocks: the next look finds what was set since.
 * Inside a transaction, before the first look. */
void book_clock_recall(struct audit_log *l);
/* Is there a blob under this id? Inside a transaction. */
bool book_marked(struct audit_log *l, const char *id, bool *marked, struct err *e) ANDON_MUST_USE;
/* Is the event of this entry in any of the log's files? *id: by which it was found, or the last that was looked for. */
bool book_event_known(struct audit_log *l, const struct entry *en, char id[SHA256_HEX], bool *known,
                      struct err *e) ANDON_MUST_USE;
/* In pieces, for the opening: reads and judges the head; writes one entry into `s` without looking for it, and its
 * checkpoint. */
bool book_head(struct audit_log *l, struct store_head *h, struct err *e) ANDON_MUST_USE;
bool book_write(struct audit_log *l, struct store *s, struct store_head *h, const struct entry *en, struct receipt *out,
                struct err *e) ANDON_MUST_USE;
/* A blob inside a writing transaction; nothing happens when it is there, unless its bytes were changed. */
bool book_blob(struct audit_log *l, const uint8_t digest[HASH_LEN], const void *bytes, size_t n,
               struct err *e) ANDON_MUST_USE;

/* Signs any bytes with the log's key: the handle's own, or for a handle that only reads the one in the key file, when
 * this process may read it. ERR_FORBIDDEN: it may not; ERR_CONFLICT: the file holds another key. */
bool book_sign(struct audit_log *l, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e) ANDON_MUST_USE;
/* The same from the bytes of the leaf. */
bool book_leaf_key(const char *line, size_t n, struct note_key *out, struct err *e) ANDON_MUST_USE;
/* Whose log is it that is open, and what does it go on from? Takes its name and key, and opens its older files. */
bool book_identify(struct audit_log *l, struct err *e) ANDON_MUST_USE;
/* The log is what its first entry says; that its host is called otherwise by now is in it once for each name. A blob
 * under the digest of the two names shows without a scan that it was said. */
void book_say_renamed(struct audit_log *l);
/* Has another process let the log go on in a file of its own (audit/chain.h) since this handle has looked? Then it goes
 * on with that one: *h is its head. ERR_TAMPERED: what is there now does not go on from it. Inside a transaction. */
bool book_follow(struct audit_log *l, struct store_head *h, bool *followed, struct err *e) ANDON_MUST_USE;
/* Of a log that this process has had open: that it is of another origin or key now is a change, whatever the reason.
 * False. */
bool book_replaced(struct err *e);
/* The log's key and name from now on. */
bool book_take_name(struct audit_log *l, const struct note_key *name, struct err *e) ANDON_MUST_USE;
/* Signs with l->key from now on. */
void book_sign_with_key(struct audit_log *l);
/* Removes SQLite's files beside a new log. */
void book_unlink_side(const char *path);
/* Where a new key lies until the log is signed with it; free(). */
char *book_next_key(const struct audit_log *l);
/* The verifier key that the first entry names. ERR_TAMPERED when there is none. */
bool book_genesis_key(struct store *s, struct note_key *out, struct err *e) ANDON_MUST_USE;
/* Do frontier, row count and signed checkpoint agree? */
bool book_head_ok(struct store *s, const struct store_head *h, const struct note_key *k, const struct verifier *v,
                  struct err *e) ANDON_MUST_USE;
/* Recomputes the newest n entries and the complete subtrees of the frontier that lie within them. *bad_seq: the first
 * that fails, 0. `base`: number of the entry before the file's first. */
bool book_tail_ok(struct store *s, const struct store_head *h, int64_t base, int64_t n, int64_t *bad_seq,
                  struct err *e) ANDON_MUST_USE;

#endif
