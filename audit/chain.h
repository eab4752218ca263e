/* The files of a log that goes on in another file: when it became long, when its key was changed, when it was lost.
 *
 * Each file is a log of its own: own origin, own tree, own key. The first entry of one that goes on from another names
 * that one: file, origin, size, root and key of what is there of it ("previous.*"), and the newest head that was known
 * of it where that is more than what is there ("seen.*"). Numbers of entries go on, too, from "previous.newest": what
 * people are shown counts over all files, and the numbers of lost entries are not used again. In its own file an entry
 * stands as its place in that tree ("seq" of the leaf), by which exports and proofs know it. The newest file keeps the
 * log's name; older ones lie beside it
 * ("audit.db.1", "audit.db.2"), are never written again, and are read as if all were one. */
#ifndef ANDON_AUDIT_CHAIN_H
#define ANDON_AUDIT_CHAIN_H

#include "audit/note.h"
#include "audit/store.h"

#define CHAIN_MAX  128 /* older files that are opened with a log */
#define ROTATE_MAX 120 /* with so many of them it is not rotated any further */

struct audit_log;

/* What a first entry says of the log before it. */
struct previous {
    int64_t base;           /* number of the entry before it; 0: it is the first */
    char why[32];           /* "rotated", "key-changed", "recovered"; "": there was none */
    char file[64];          /* beside the newest one; "": it is lost */
    struct checkpoint have; /* what is in that file; size 0: nothing */
    struct checkpoint seen; /* the newest that was known of it, where that is more; size 0: nothing is missing */
    char vkey[VKEY_MAX];    /* its key */
};

/* Reads it from the bytes of the leaf; false: it is no first entry, or does not say it properly. */
bool chain_says(const char *line, size_t n, struct previous *out);
/* Reads it; ERR_TAMPERED when the first entry does not say it properly. */
bool chain_previous(struct store *s, struct previous *out, struct err *e) ANDON_MUST_USE;
/* The path of the file beside this one; free(). */
char *chain_path(const char *db_path, const char *file);

/* An older file, opened for reading. */
struct part {
    char file[64]; /* beside the newest one */
    struct store *store;
    struct checkpoint head;
    int64_t base, size;
};
struct chain {
    struct part *part; /* oldest first */
    size_t n;
    int64_t base;           /* of the newest file, which is not among them */
    struct previous before; /* what that says */
};
/* Opens all that the file s leads to. ERR_TAMPERED: one has gone, or is not the one that is named. `what_is_there`: one
 * that has gone, and what was before it, is left out. One whose removal is in the log always is. */
bool chain_open(struct chain *c, struct store *s, const char *db_path, bool what_is_there,
                struct err *e) ANDON_MUST_USE;
void chain_close(struct chain *c);
/* Is that head in it, or known to it as lost? */
bool chain_knows(const struct chain *c, const struct checkpoint *head);
/* As store_rows, over all files, with the numbers of entries and what they show. Inside a transaction of the newest. */
bool chain_rows(struct audit_log *l, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e) ANDON_MUST_USE;
/* The same; a guard that reads the log to us need not send what we do not want (the reader looks itself all the same).
 */
struct wire_rows;
bool chain_rows_like(struct audit_log *l, const struct wire_rows *want, int64_t from, int64_t to, bool newest_first,
                     store_row_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;
/* As store_get_blob, in whichever file it is. */
bool chain_blob(struct audit_log *l, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e) ANDON_MUST_USE;

#endif
