/* The scribe: the thread that writes the audit log, so that no disk can hold up the worker.
 *
 * Jobs are carried out one after the other, in the order in which they were handed in. Entries that wait one behind the
 * other are one transaction, signed and synced once, so that none waits for more than the one at hand; where the log
 * refuses one of them, each is tried alone. A job belongs to the scribe
 * from scribe_put() until scribe_done() gives it back; then its results may be read and it is freed with job_free().
 * The scribe opens the log by itself, and again after an append has failed (a handle that has met an I/O error is not
 * used on: design/audit, "SQLite rules"). */
#ifndef ANDON_ENGINE_SCRIBE_H
#define ANDON_ENGINE_SCRIBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/arena.h"
#include "core/entry.h"
#include "engine/aside.h"

struct spool;
struct spool_blob;

/* The log's functions, so that a test can put a disk that hangs or fails between. */
struct log_ops {
    void *ctx;
    struct audit_log *(*open)(void *ctx, const struct audit_spec *spec, struct err *e);
    void (*close)(void *ctx, struct audit_log *l);
    bool (*append)(void *ctx, struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e);
    /* The spool's, on its thread: TRAIL_NONE when it cannot be had and the log may still answer (at_once). NULL = the
     * real one. */
    enum trail (*spool)(void *ctx, const struct spool *s, const struct entry *en, const struct spool_blob *blob,
                        bool at_once);
    /* So many answers does that thread owe now; by the worker. NULL = nobody asks. */
    void (*spooling)(void *ctx, unsigned n);
};

enum job_kind {
    JOB_APPEND,  /* an entry with its blobs: the digest of each becomes a field */
    JOB_RECOVER, /* what a crash left: see struct leftovers */
    JOB_LOOK,    /* the head, and what others may have written when it is not `seen_size` */
    JOB_TAKE_IN, /* the spool */
    JOB_GLANCE,  /* is it still the file that it was, and its head as it should be? */
    JOB_READ     /* whatever read() wants of the log, on the scribe's thread: results go into the job's arena */
};

/* What the log says about the past of a fleet. */
struct leftovers {
    struct stored *open; /* intents and halts without outcome, oldest first */
    size_t n_open;
    struct stored *steps; /* steps of the roll backs among them, oldest first */
    size_t n_steps;
    struct stored *latched; /* halts that nobody has acknowledged, oldest first */
    size_t n_latched;
    struct stored *recent; /* newest outcomes first: who holds what */
    size_t n_recent;
    struct stored *recovered; /* the same of what other sessions had left open */
    size_t n_recovered;
    struct stored *watches; /* when halts are latched: what was said of rollouts, newest first */
    size_t n_watches;
    struct stored *acks; /* acknowledgements, newest first */
    size_t n_acks;
    char **blobs;      /* of the steps (same index), NULL where there is none */
    bool verified;     /* the tail of the log verifies */
    char problem[300]; /* why not */
};

#define JOB_BLOBS 3 /* of one entry */

struct engine;
struct op;
struct job {
    struct aside_job aside; /* first */
    enum job_kind kind;
    struct arena arena;                 /* of the job's own strings and of its results */
    struct entry entry;                 /* JOB_APPEND; strings in the arena */
    struct audit_blob blobs[JOB_BLOBS]; /* stored with it; bytes and keys in the arena */
    size_t n_blobs;
    char *taken;                                      /* bytes of a blob that are not in the arena */
    const char *fleet;                                /* JOB_RECOVER, JOB_LOOK */
    struct audit_server_clock server;                 /* as it is known when the job is handed in */
    int64_t seen_size;                                /* JOB_LOOK: what has been read of it, not what was written */
    bool (*read)(struct job *j, struct audit_log *l); /* JOB_READ; false with j->err */
    /* results */
    bool ok;
    struct err err;
    struct receipt receipt;
    struct audit_head head;
    bool head_known;
    struct leftovers left;
    bool looked;       /* `left` is filled: all, or what a look reads (open, latched, recent, recovered, acks) */
    int64_t read_size; /* with `looked`: entries that were there then */
    void *result;      /* JOB_READ: in the arena; else the worker's own */
    /* the worker's own */
    bool again; /* JOB_APPEND: a try has failed */
    void (*done)(struct engine *en, struct job *j);
    void *ctx;
    int64_t tag;
    unsigned flags;
    int64_t put_at;
    bool cried;
    struct op *op; /* of a halt's entry, with trailed(): told once where it can be found (op_trailed) */
    void (*trailed)(struct engine *en, struct op *op, enum trail t);
    enum trail trail; /* diary_trail.c's copy */
};

/* A job owns its arena; whoever takes it from scribe_done frees it. */
struct job *job_new(enum job_kind kind);
void job_free(struct job *j);
/* Copies the entry's strings into the job. */
void job_entry(struct job *j, const struct entry *e);
/* A copy of the bytes goes into the log before the entry, its digest into the entry's field `key`. */
void job_blob(struct job *j, const char *key, const char *bytes, size_t n);
/* The same, and takes the bytes over: the buffer is empty afterwards. */
void job_blob_take(struct job *j, const char *key, struct buf *bytes);
/* Entry and blobs of another job, anew. */
struct job *job_copy(const struct job *j);

struct scribe;
/* `wake_fd` is an eventfd that is written when a job is done; the scribe keeps a duplicate. ops may be NULL. The spec
 * is copied. */
struct scribe *scribe_new(const struct audit_spec *spec, const struct log_ops *ops, int wake_fd, struct err *e);
/* Ends the thread; waits at most timeout_us (real time) for what is queued. A thread that hangs in the disk is left
 * behind and frees itself when it comes back; false then. */
bool scribe_stop(struct scribe *s, int64_t timeout_us);
/* With 1,024 jobs waiting for a disk that hangs, the job comes back at once as failed, with ERR_LIMIT. */
void scribe_put(struct scribe *s, struct job *j);
/* The next finished job, or NULL. */
struct job *scribe_done(struct scribe *s);

#endif
