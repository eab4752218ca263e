/* The spool: where a halt's entries go that the log cannot take in time, so that a halt leaves a trace whatever the
 * log's disk does.
 *
 * A file for each log, in a folder other than the log's, best on another file system: "andon-KEY.spool", mode 0600 in
 * a folder of mode 0700, both of this user; KEY is of the log's path. It holds records (audit/record.h), each appended
 * with one write() and made durable before the call returns, and is bounded: a record that would make it longer than
 * SPOOL_MAX is refused. Several processes append to it, under its lock; who cannot have the lock within SPOOL_LOCK_US,
 * or finds something else under that name, makes a file of its own beside it. Nothing is ever read to write a record,
 * no link is followed and no FIFO waited for.
 *
 * Beside it lie the inputs of a rule's halt, which are too large for a record ("andon-KEY-DIGEST.blob"), and what was
 * found there that is no spool ("*.bad"). audit_open and audit_take_in (audit/log.h) bring the records into the log.
 *
 * Where a guard writes the log (audit_spec: socket, serves) the first folder is one that all users share, beside the
 * guard's socket: everybody may put files of his own there, and take away none of others (mode SPOOL_DROP_MODE); the
 * guard can read them by their group, which is the folder's. What is in such a file is its owner's word, who the owner
 * is the kernel's. KEY is of the socket's path then.
 *
 * A call may wait for a disk like any other write: not for a thread that a halt needs. */
#ifndef ANDON_AUDIT_SPOOL_H
#define ANDON_AUDIT_SPOOL_H

#include <limits.h>
#include <sys/stat.h>
#include "audit/log.h"
#include "audit/peer.h"

#define SPOOL_MAX       ((size_t)4 << 20) /* of one file */
#define SPOOL_BLOB_MAX  ((size_t)8 << 20) /* of what lies beside it for one record */
#define SPOOL_LOCK_US   (50 * US_PER_MS)
#define SPOOL_DROP_MODE 03777

/* What is too large for a record, to be stored under its digest, which the entry then has in the field `key`. */
struct spool_blob {
    const char *key; /* "inputs.blob" */
    const void *bytes;
    size_t n;
};

/* Knows where to write. May be used by several threads. */
struct spool;
/* NULL when the spec names no folder. Looks at the file systems now, not when it is written: by then a look may hang.
 * Creates nothing. */
struct spool *spool_new(const struct audit_spec *spec);
void spool_free(struct spool *s); /* NULL is fine */
/* Makes the entry durable as a record, with the time and facts that it has. Tries the folders in order, those on
 * another file system than the log's first. `where` (may be NULL) gets the file's name. A blob that cannot be kept does
 * not keep the record: that has the digest in the field "spool.lost" then. ERR_REFUSED: not an entry of a halt. */
bool spool_put(const struct spool *s, const struct entry *en, const struct spool_blob *blob, char where[PATH_MAX],
               struct err *e) ANDON_MUST_USE;

/* Hands a line to the system log; true: it took it. A seam for tests; NULL where one is wanted: the machine's, by its
 * socket, since syslog() does not say whether there is anybody. Never waits. */
typedef bool spool_say_fn(void *ctx, const char *line);
/* The spool, or else the system log: what an entry of a halt comes to that the log has not taken. TRAIL_SPOOL (`where`
 * as above), TRAIL_SYSLOG or TRAIL_NOWHERE; *e says why it is not in the spool. s may be NULL. */
enum trail spool_trace(const struct spool *s, const struct entry *en, const struct spool_blob *blob, spool_say_fn *say,
                       void *ctx, char where[PATH_MAX], struct err *e);
/* Proves that a record could be kept: makes what is missing, writes a file beside the spool durably and removes it. The
 * folder goes to `where`; *apart: it is on another file system than the log. */
bool spool_probe(const struct spool *s, char where[PATH_MAX], bool *apart, struct err *e) ANDON_MUST_USE;

/* For the intake: the folders and the log's key. */
struct spool_place {
    char *dir[SPOOL_DIRS]; /* NULL: none */
    char key[17];
    bool shared;                 /* dir[0] is */
    const struct peer_rule *who; /* whose files are taken in from there; NULL: only our own are looked at */
};
struct spool_place *spool_place_new(const struct audit_spec *spec); /* NULL as above */
void spool_place_free(struct spool_place *p);
/* Opens a folder of the spool, -1 with ERR_NOT_FOUND when there is none. ERR_FORBIDDEN: a link, somebody else's, or
 * others may write to it; when it is `shared`: they could take away our files. `make`: makes it. */
int spool_open_dir(const char *path, bool make, bool shared, struct err *e);
/* Opens a file in it that is regular, ours (or of one of those, NULL: none), of one name and closed to others; -1. */
int spool_open_file(int dir, const char *name, int flags, const struct peer_rule *who, struct stat *st, struct err *e);
/* Has the lock of an open file or folder been had within `us`? Given back by closing it. */
bool spool_lock(int fd, int64_t us);

#endif
