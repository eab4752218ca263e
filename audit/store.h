/* What holds the log: one SQLite file (WAL, synchronous=FULL), by db/db.h, whose rules keep a half-done append from
 * ever being committed. The store knows nothing of hashes or signatures. */
#ifndef ANDON_AUDIT_STORE_H
#define ANDON_AUDIT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/note.h"
#include "audit/tree.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

#define BLOB_MAX ((size_t)64 << 20)

struct store;

/* Lays out the tables in `path`, an empty file of mode 0600, and opens it for writing. */
struct store *store_create(const char *path, struct err *e);
/* Opens a copy that nobody knows of yet (store_copy), for changes of its openings; nothing of what it does is durable.
 */
struct store *store_open_copy(const char *path, struct err *e);
/* Opens an existing log. ERR_NOT_FOUND: no file; ERR_UNSUPPORTED: a file that is not a log, a newer format
 * or a network file system; ERR_FORBIDDEN: others could write to it; ERR_TAMPERED: emptied, damaged, or the
 * tables or triggers are not as they were made. Read-only creates no file, except SQLite's own -shm beside a log that
 * is in use. */
struct store *store_open(const char *path, bool read_only, struct err *e);
/* The log of the guard that listens there, for reading only (audit/far.h). */
struct store *store_far(const char *socket, struct err *e);
struct far;
struct far *store_line(const struct store *s); /* NULL: a file */
/* Empties all tables and makes them as store_create does, inside the writing transaction that is under way: who has the
 * file open sees all of what comes next, or nothing. */
bool store_restart(struct store *s, struct err *e) ANDON_MUST_USE;
/* Writes a whole copy of what is committed into `to`, an empty file; not durable yet. Outside of a transaction. */
bool store_copy(struct store *s, const char *to, struct err *e) ANDON_MUST_USE;
/* Bytes of the file that are in use: after store_restart() most of it is not. */
bool store_bytes(struct store *s, int64_t *out, struct err *e) ANDON_MUST_USE;
/* Moves all that the -wal holds into the file, durably. Nobody else may have it open. */
bool store_flush(struct store *s, struct err *e) ANDON_MUST_USE;
/* The last user's close moves the -wal into the file, unless the store is suspect. NULL is allowed. */
void store_close(struct store *s);

/* A transaction. Writing takes the lock at once (BEGIN IMMEDIATE; ERR_TIMEOUT after 5 s), and looks whether the file
 * is still the one under its name (ERR_TAMPERED when it was removed or replaced). */
bool store_begin(struct store *s, bool write, struct err *e) ANDON_MUST_USE;
/* True: durable. False: rolled back, or (I/O error in the commit) not known. */
bool store_commit(struct store *s, struct err *e) ANDON_MUST_USE;
void store_rollback(struct store *s);
/* After an I/O error or damage: to be closed and opened again, and its tail verified, before more is written. */
bool store_suspect(const struct store *s);
/* A log that nobody has open is read without SQLite's locks (its folder may be read-only); true when somebody has
 * begun to write meanwhile: what was read must be read again after store_open. */
bool store_changed(const struct store *s);

/* The newest state: frontier and signed checkpoint. */
struct store_head {
    struct tree tree;
    char note[NOTE_MAX];
    size_t note_n;
    uint64_t stored; /* entries that the file's state counts, in this transaction */
};
bool store_head(struct store *s, struct store_head *out, struct err *e) ANDON_MUST_USE;
/* Also for several entries more than the state has: it is counted up one by one, as its trigger wants it. */
bool store_set_head(struct store *s, struct store_head *h, struct err *e) ANDON_MUST_USE;
/* Highest seq stored; 0 = none. */
bool store_last(struct store *s, int64_t *seq, struct err *e) ANDON_MUST_USE;
bool store_put(struct store *s, int64_t seq, const void *leaf, size_t n, const uint8_t hash[HASH_LEN],
               struct err *e) ANDON_MUST_USE;

/* Borrowed until the callback returns. hash_n is HASH_LEN unless somebody changed the row. */
struct store_row {
    int64_t seq;
    const char *leaf;
    size_t leaf_n;
    const uint8_t *hash;
    size_t hash_n;
    struct slice open;  /* openings of what the leaf commits to (audit/opening.h) */
    struct slice shown; /* by chain_rows: the line with its values in it; else the leaf */
};
typedef bool store_row_fn(void *ctx, const struct store_row *row); /* false: enough */
/* Rows from..to (inclusive) in order of seq, or newest first. False only when the store fails. */
bool store_rows(struct store *s, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e) ANDON_MUST_USE;

/* Openings of the newest entry; the table for them is made with the first ones. */
bool store_put_openings(struct store *s, int64_t seq, const void *lines, size_t n, struct err *e) ANDON_MUST_USE;
/* Others in their place. What was there is overwritten in the file's pages; the -wal still has it until store_flush. */
bool store_change_openings(struct store *s, int64_t seq, const void *lines, size_t n, struct err *e) ANDON_MUST_USE;
/* Has it openings at all? *stray: so many belong to no entry. */
bool store_openings(struct store *s, bool *any, int64_t *stray, struct err *e) ANDON_MUST_USE;

/* Bytes under a digest; nothing happens when the digest is there. */
bool store_put_blob(struct store *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n,
                    struct err *e) ANDON_MUST_USE;
/* Appends to *out; ERR_NOT_FOUND. */
bool store_get_blob(struct store *s, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e) ANDON_MUST_USE;
typedef bool store_blob_fn(void *ctx, const uint8_t *digest, size_t digest_n, const void *bytes, size_t n);
bool store_blobs(struct store *s, store_blob_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;
/* Only the names, in the order in which they came, from row number `from` on (1 = all). */
typedef bool store_name_fn(void *ctx, int64_t row, const uint8_t *digest, size_t digest_n);
bool store_blob_names(struct store *s, int64_t from, store_name_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

#endif
