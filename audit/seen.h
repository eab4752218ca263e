/* The newest head of a log that this host has seen: its signed checkpoint, kept in the spool's folders.
 *
 * It is what is left when the log itself is removed, emptied or put back to an older state. A file for each log,
 * "andon-KEY.head" (KEY as the spool's, of the log's path): a line with the path, and the checkpoint as a signed note.
 * Whoever has the log open for writing puts it there, about once a second and when it closes the log; it never goes
 * back. What is put there is durable, but that is not done with each entry: after a power cut it may be behind the log,
 * never before it. Who may
 * write to the folder can remove it: against root only a witness on another host helps. */
#ifndef ANDON_AUDIT_SEEN_H
#define ANDON_AUDIT_SEEN_H

#include "audit/note.h"
#include "audit/spool.h"

struct seen {
    struct checkpoint head;
    char note[NOTE_MAX]; /* as it was kept, with its signatures */
    size_t note_n;
    int64_t at;           /* when it was kept, wall clock, us */
    char where[PATH_MAX]; /* its file */
};

/* The newest that is kept for the log; false when none is, or none that can be read. Nothing is said about who signed
 * it. p may be NULL. */
bool seen_read(const struct spool_place *p, struct seen *out);
/* Did this key sign it? */
bool seen_signed(const struct seen *s, const struct note_key *k, const struct verifier *v);
/* Keeps the note, unless a newer one of the same log is kept there, in each folder where that can be done. `anew`:
 * whatever is kept there. */
void seen_keep(const struct spool_place *p, const char *db_path, const char *note, size_t n, bool anew);

#endif
