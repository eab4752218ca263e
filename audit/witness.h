/* A witness: keeps the newest checkpoint of each log that it is told of, and puts its name under a newer one only when
 * that one holds all of it (C2SP tlog-witness). It is what a log's own host cannot rewrite.
 *
 * A folder of mode 0700 is its memory: its key ("key"), its verifier key ("vkey"), the newest cosigned checkpoint of
 * each log (HASH.checkpoint; HASH is the SHA-256 of the log's origin), what a log goes on in (HASH.next, as it was
 * shown), and what was refused as a fork (fork-HASH-DIGEST.txt: both signed heads). A checkpoint is durable there
 * before its cosignature is given away. One process has the folder at a time. A witness whose folder is put back is no
 * witness: keep it where the logs' hosts cannot write. Not thread-safe. Speaks no HTTP: cli/witness_serve.h does. */
#ifndef ANDON_AUDIT_WITNESS_H
#define ANDON_AUDIT_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/slice.h"

#define WITNESS_LOGS_MAX 64
#define WITNESS_BODY_MAX ((size_t)8 << 10) /* of an add-checkpoint request */
#define WITNESS_FRESH_US INT64_C(10000000) /* the same head asked for again sooner gets the same cosignature */

struct witness;
struct witness_spec {
    const char *folder; /* made when missing */
    const char *name;   /* of a witness whose folder is new; one that is there keeps its own */
    const char *const *logs;
    size_t n_logs;       /* verifier keys of the logs; several of one origin: any of them may sign */
    struct clock *clock; /* NULL: the machine's */
    bool mirror;         /* the entries are kept too (audit/mirror.h) */
    bool follow;         /* a log that is shown to go on in another file is witnessed there too (audit/heir.h) */
};

/* NULL with *e: ERR_CONFLICT (another process has the folder), ERR_SYNTAX (not the key of a log), ERR_FORBIDDEN,
 * ERR_TAMPERED (what it has cosigned is not what its folder says, or is missing while what was mirrored under it is
 * there: then it remembers nothing that can be relied on). */
struct witness *witness_open(const struct witness_spec *spec, struct err *e);
void witness_close(struct witness *w); /* NULL is fine */
/* "name+1a2b3c4d+BA...": what those configure who are to be witnessed. */
const char *witness_vkey(const struct witness *w);
/* The same of a folder that need not be in use; a new one gets its key. */
bool witness_key(const struct witness_spec *spec, struct buf *out, struct err *e) ANDON_MUST_USE;

enum witness_word {
    WITNESS_QUIET = 0,
    WITNESS_ANEW,    /* the first head of a log: new to it, or forgotten */
    WITNESS_FOLLOWS, /* the log goes on in another file, whose key was taken over */
    WITNESS_FORK,
    WITNESS_FAILED /* it cannot remember */
};
struct witness_answer {
    int status;             /* 200, 400, 403, 404, 409, 422, 500 */
    const char *type;       /* of the body; static */
    struct buf body;        /* initialised by the caller */
    enum witness_word word; /* WITNESS_FORK: that was not known yet */
    char told[300];         /* what whoever runs the witness should hear; "" */
};
/* The body of a POST to /add-checkpoint. */
void witness_add(struct witness *w, struct slice request, struct witness_answer *out);
/* The body of a POST to /HASH/next (audit/heir.h): 200 with the verifier key that is known from now on; 404: no such
 * log, or this witness does not follow. An older file is closed by it: more entries of it are a fork. */
void witness_next(struct witness *w, const char *hash, struct slice request, struct witness_answer *out);
/* GET /HASH/checkpoint: the newest cosigned checkpoint of a log. False: there is none (404). */
bool witness_checkpoint(const struct witness *w, const char *hash, struct buf *out);

/* The mirror of a log, with the size and root that were cosigned; NULL: nothing is mirrored here, or not this log. */
struct mirror;
struct mirror *witness_mirror(struct witness *w, const char *hash, uint64_t *size, uint8_t root[32],
                              struct slice *note);

/* What a folder says, without having it: also while another process has. */
struct witness_seen {
    const char *origin;
    int64_t size, t; /* t: us, of the cosignature */
    char root[65];
    bool whole;                                             /* the witness's own signature is right */
    enum { LOG_UNKNOWN = 0, LOG_SIGNED, LOG_UNSIGNED } log; /* and the log's, by the keys of the spec */
};
typedef void witness_seen_fn(void *ctx, const struct witness_seen *s);
typedef void witness_fork_fn(void *ctx, const char *path, const char *text);
/* `text` is the first line of the file: what was refused. ERR_NOT_FOUND: no such folder. */
bool witness_list(const struct witness_spec *spec, witness_seen_fn *seen, witness_fork_fn *fork, void *ctx,
                  struct err *e) ANDON_MUST_USE;

#endif
