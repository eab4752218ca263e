/* The part "diary": the audit log as the worker sees it. Nothing here waits for the disk.
 *
 * An intent is DIARY_CLOSED: its callback says whether it is durable, and nothing is sent before. Everything else is
 * kept until the log has taken it: what fails comes back into the backlog and is handed in again, marked late. While
 * there is a backlog, or the log hangs, only halts are allowed (snapshot.audit, verb_check). */
#ifndef ANDON_ENGINE_DIARY_H
#define ANDON_ENGINE_DIARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/entry.h"
#include "core/err.h"
#include "core/policy.h"
#include "engine/parts.h"
#include "engine/scribe.h"

#define DIARY_BACKLOG 512

struct en_diary {
    struct scribe *scribe; /* NULL: there is no log */
    struct scribe
        *reader; /* NULL: nothing is only read. Of a session that only looks: its log is read, never written */
    struct crier *crier;
    struct spooler *spooler;    /* NULL: there is no spool */
    struct aside *spool_thread; /* NULL: not needed so far */
    struct trailing *trails;    /* entries of halts that the log does not have yet */
    unsigned at_spool;          /* of them, at the thread */
    bool take_in;               /* the log has what lies in the spool as well: it can go there */
    uint64_t corr_base, corr_n;
    uint64_t instance; /* tells this engine from an earlier one of the same process */
    struct job *backlog[DIARY_BACKLOG];
    size_t n_backlog;
    unsigned outstanding; /* jobs that the scribe has */
    bool open, writable, degraded, verified;
    int64_t size, newest, degraded_since, lost;
    int64_t base; /* entries in older files of the log: a witness counts those of the newest */
    struct err err;
};

enum {
    DIARY_CLOSED = 1, /* before a request: on failure `done` hears of it and nothing is kept */
    DIARY_HALT = 2,   /* without the log within 250 ms it is also told to standard error and syslog */
    DIARY_KEPT = 4    /* set by `done`: the job is kept by whoever set it, and freed there */
};

/* `done` (may be NULL) is never called from inside. */
void diary_put(struct engine *en, struct job *j, unsigned flags, void (*done)(struct engine *en, struct job *j),
               void *ctx);
void diary_write(struct engine *en, const struct entry *e, unsigned flags,
                 void (*done)(struct engine *en, struct job *j), void *ctx);
/* With the policy's text as "policy.blob", where it is known. */
void diary_policy(struct engine *en, const struct entry *e, const struct policy *p,
                  void (*done)(struct engine *en, struct job *j), void *ctx);
/* An entry about an op (its actor, reason and corr) or of this session, about a rollout or the fleet; either NULL. */
void diary_entry(struct engine *en, struct entry *e, enum entry_kind kind, const struct op *op, const struct ro *ro);
/* JOB_READ, also by who only looks; only when diary_reads(): there is a log to be read. */
void diary_read(struct engine *en, struct job *j, void (*done)(struct engine *en, struct job *j), void *ctx);
bool diary_reads(const struct engine *en);
bool diary_ok(const struct engine *en); /* intents may be written */
/* The past was read (recover.c): the tail verifies, or `problem` says why not; or it could not be read. */
void diary_past_read(struct engine *en, bool verified, const char *problem);
void diary_past_unread(struct engine *en, const struct err *why);
uint64_t corr_new(struct engine *en);
int64_t process_start(int64_t pid); /* in clock ticks since boot, from /proc; -1 = no such process */
/* Of an entry of the log: does the process that wrote it live, and is it another one? An earlier engine of this process
 * is gone by now. */
bool process_lives(int64_t pid, int64_t start);
/* ---- diary_trail.c: where an entry of a halt (entry_of_halt) can be found; job->trailed hears of it, once ---- */
void trail_open(struct engine *en);
void trail_begin(struct engine *en, const struct job *j, bool at_once); /* on its way to the log; and to the spool */
void trail_late(struct engine *en, const struct job *j);     /* the log has failed, or has not answered in time */
void trail_logged(struct engine *en, const struct job *j);   /* the log has it */
void trail_given_up(struct engine *en, const struct job *j); /* it will not go to the log by us any more */
void trail_drain(struct engine *en);
bool trail_take_in(struct engine *en); /* the spool has what the log has by now: once, that it can be taken out */
void trail_end(struct engine *en);     /* what the log does not have goes to the spool; waits at most a second */
void trail_free(struct engine *en);
/* crier.c: what the log could not take, to standard error and syslog. */
struct crier *crier_new(void);
void crier_cry(struct crier *c, const char *line, bool people_only); /* people_only: not to syslog */
void crier_free(struct crier *c);

extern const struct part part_diary;

#endif
