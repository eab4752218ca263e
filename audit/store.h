/* What holds the log: one SQLite file (WAL, synchronous=FULL), by audit/db.h, whose rules keep a half-done append from
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

#define BLOB_MAX ((size_t)64 << 20)

struct store;

/* Lays out the tables in `path`, an empty file of mode 0600, and opens it for writing. */
struct store *store_create(const char *path, struct err *e);
/* Opens an existing log. ERR_NOT_FOUND: no file; ERR_SYNTAX: a file that is not a log; ERR_UNSUPPORTED: a newer
 * format or a network file system; ERR_FORBIDDEN: others could write to it; ERR_TAMPERED: emptied, damaged, or the
 * tables or triggers are not as they were made. Read-only creates no file, except SQLite's own -shm beside a log that
 * is in use. */
struct store *store_open(const char *path, bool read_only, struct err *e);
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
};
bool store_head(struct store *s, struct store_head *out, struct err *e) ANDON_MUST_USE;
bool store_set_head(struct store *s, const struct store_head *h, struct err *e) ANDON_MUST_USE;
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
};
typedef bool store_row_fn(void *ctx, const struct store_row *row); /* false: enough */
/* Rows from..to (inclusive) in order of seq, or newest first. False only when the store fails. */
bool store_rows(struct store *s, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e) ANDON_MUST_USE;

/* Bytes under a digest; nothing happens when the digest is there. */
bool store_put_blob(struct store *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n,
                    struct err *e) ANDON_MUST_USE;
/* Appends to *out; ERR_NOT_FOUND. */
bool store_get_blob(struct store *s, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e) ANDON_MUST_USE;
typedef bool store_blob_fn(void *ctx, const uint8_t *digest, size_t digest_n, const void *bytes, size_t n);
bool store_blobs(struct store *s, store_blob_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

#endif
