/* Heads that were noted elsewhere: signed checkpoints as lines of text, in a file on another mount, in the archive of a
 * syslog server, in a hand-over note.
 *
 *   ... andon-head 1 BASE64
 *
 * BASE64 is a signed checkpoint (audit/note.h), all its bytes. What stands before it in the line is whoever's who keeps
 * the text. A log that has been put back to an older state, or made anew with the stolen key, differs from a head that
 * was noted before. */
#ifndef ANDON_AUDIT_HEADS_H
#define ANDON_AUDIT_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/key.h"
#include "audit/note.h"
#include "audit/tree.h"
#include "core/buf.h"
#include "core/err.h"

#define HEADS_FILE_MAX ((size_t)256 << 20)

/* Appends the line of a signed checkpoint, without its newline. */
void heads_line(const void *note, size_t n, struct buf *out);
/* Adds the line to a file, durably: made 0600 when missing, never replaced. Refuses links and what is no plain file.
 * Blocks as long as the file's disk does. */
bool heads_note(const char *path, const void *note, size_t n, struct err *e) ANDON_MUST_USE;

struct head {
    uint64_t size;
    uint8_t root[HASH_LEN];
    uint8_t now[HASH_LEN]; /* root of the log's first `size` entries, once `met` */
    bool met;
    int64_t line; /* in the file, from 1 */
    char *note;   /* owned */
    size_t n;
};
struct heads {
    const char *path; /* borrowed */
    struct head *v;   /* by size */
    size_t n, cap, at;
    int64_t broken; /* lines that say andon-head and hold no checkpoint */
};
/* Reads a file of such lines; other lines are passed over. ERR_NOT_FOUND, ERR_FORBIDDEN (no plain file), ERR_LIMIT. */
bool heads_read(struct heads *h, const char *path, struct err *e) ANDON_MUST_USE;
void heads_release(struct heads *h);
/* To be called with the tree after each entry, from the first on; once more after heads_rewind. */
void heads_meet(struct heads *h, const struct tree *t);
void heads_rewind(struct heads *h);

/* What the heads say of a log whose entries have all been met. */
struct heads_word {
    int64_t good;             /* signed by the log's key, and the same root */
    int64_t others;           /* of other origins, or not signed by the log's key: nothing about this log */
    uint64_t newest;          /* largest size of a good one; 0 = none */
    const struct head *wrong; /* the smallest that is signed by the log's key and is not of this log; NULL = none */
};
void heads_judge(const struct heads *h, const struct note_key *k, const struct verifier *v, struct heads_word *out);

#endif
