/* The audit log: append-only entries, an RFC 6962 Merkle tree over them, a C2SP checkpoint signed with Ed25519 in
 * the same transaction as every append.
 *
 * Several processes append to one file at once. A handle is used by one thread at a time; audit_append blocks on the
 * disk, so the engine calls it from its log thread only. See docs/audit.md. */
#ifndef ANDON_AUDIT_LOG_H
#define ANDON_AUDIT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/entry.h"
#include "core/err.h"

struct audit_log;

#define SPOOL_DIRS 2

struct audit_spec {
    const char *db_path;  /* created 0600 in a 0700 folder when missing, with the genesis entry */
    const char *key_path; /* Ed25519 private key (PEM); created 0400 when missing together with the log */
    const char *origin;   /* name in the checkpoint, e.g. "andon/host" */
    bool read_only;       /* show, export, verify: nothing is created or written, no key needed */
    struct clock *clock;  /* for the genesis entry; NULL = the machine's */
    /* Folders of the spool (audit/spool.h), first choice first; NULL: none. What waits there for this log is taken in
     * when it is opened for writing. */
    const char *spool[SPOOL_DIRS];
};

struct receipt {
    int64_t seq;   /* 1 = genesis */
    char leaf[65]; /* leaf hash, hex */
    char root[65]; /* root after the append, hex */
    int64_t size;  /* entries after the append */
};

/* NULL with *e: ERR_NOT_FOUND (read-only, no file), ERR_FORBIDDEN (key, file or folder open to others),
 * ERR_TAMPERED (emptied, damaged, not signed by this key), ERR_CONFLICT (the log is of another origin). A handle must
 * not be used across a fork. */
struct audit_log *audit_open(const struct audit_spec *spec, struct err *e);
void audit_close(struct audit_log *l);

/* Durable when it returns true. Reads the head inside the transaction, so several writers never fork. After false the
 * entry is not there, except that a failed sync leaves it open: such an entry may still turn up. The handle stays
 * usable: the next call opens the file anew and checks its tail first. An event of a halt (entry_of_halt) that is in
 * the log already is not written twice: then the receipt is that of the entry that is there. */
bool audit_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e) ANDON_MUST_USE;
/* Stores bytes (at most 64 MiB) durably under their sha-256 (hex, 65 bytes with NUL), before the entry that names them.
 * An entry names a blob in a field "blob", "blob.<what>" or "<what>.blob": verification then demands it. */
bool audit_put_blob(struct audit_log *l, const void *bytes, size_t n, char digest[65], struct err *e) ANDON_MUST_USE;
/* ERR_NOT_FOUND; ERR_TAMPERED when the bytes are not those that the digest names. */
bool audit_get_blob(struct audit_log *l, const char *digest, struct buf *out, struct err *e) ANDON_MUST_USE;

struct audit_head {
    int64_t size, newest_t;
    char root[65];
    char origin[128];
    char key_id[17]; /* C2SP key hash, hex */
    char vkey[176];  /* the public key with its name, as audit/note.h writes it */
};
bool audit_head(struct audit_log *l, struct audit_head *out, struct err *e) ANDON_MUST_USE;
/* Appends a line of JSON (an object; its newline is added) as a C2SP signed note, signed with the log's own key. A
 * checkpoint begins with the log's name and never with a brace, so that neither can be taken for the other.
 * ERR_REFUSED: a handle for reading has no key; ERR_RANGE: no such line. Touches no file. */
bool audit_sign(struct audit_log *l, const char *json, size_t n, struct buf *out, struct err *e) ANDON_MUST_USE;
/* The log's verifier key, as in audit_head. */
const char *audit_vkey(const struct audit_log *l);

/* A stored entry, decoded from its canonical line for screens and recovery. Strings are owned by the arena. */
struct stored {
    int64_t seq, t;
    const char *line; /* the exact leaf; through safe_text before it goes to a screen */
    const char *kind, *actor, *actor_kind, *fleet, *rollout, *wave, *verb, *result, *reason, *before, *after, *host;
    uint64_t corr;
    bool late;
    const char *(*fields)[2]; /* integers as text */
    size_t n_fields;
    const char *leaf_hash;
};
const char *stored_field(const struct stored *s, const char *key); /* "" when absent */

struct audit_query {
    int64_t from_seq, to_seq;                   /* inclusive; 0 = open */
    int64_t after_t, before_t;                  /* 0 = open */
    const char *fleet, *rollout, *kind, *actor; /* NULL or "" = any */
    uint64_t corr;                              /* 0 = any */
    bool newest_first;
    size_t limit; /* 0 = 1000 */
};
/* Entries into the arena. An entry that cannot be read any more is never left out: it comes with kind "damaged". */
bool audit_query(struct audit_log *l, const struct audit_query *q, struct arena *a, struct stored **out, size_t *n,
                 struct err *e) ANDON_MUST_USE;

/* Intents and halts of a fleet that have neither an outcome nor a recovered entry, oldest first: what a crash left. */
bool audit_open_intents(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                        struct err *e) ANDON_MUST_USE;
/* Halts of a fleet that no later ack has lifted, oldest first, after them those that wait in the spool (seq 0, late).
 * An ack lifts the halts before it of its rollout, by identity (identity_ack_lifts); with rollout "" all of the fleet,
 * also those with rollout "". Whether a halt applies to a rollout that is there now is for the caller: identity_about
 * with stored_identity, anything but OTHER. */
bool audit_latched(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                   struct err *e) ANDON_MUST_USE;

/* Which rollout an entry is about; the parts that it does not name are "" and 0. Borrows from *s. */
struct rollout_identity stored_identity(const struct stored *s);

/* What was done about the spool. */
struct audit_intake {
    int64_t taken;     /* records that have become entries */
    int64_t known;     /* records whose event was in the log already: no entry was made */
    int64_t waiting;   /* records that still wait: the log cannot be written, or another process is taking them in */
    int64_t bad;       /* lines that are no record; their file is kept beside the spool, as *.bad */
    int64_t set_aside; /* files in the spool's folders that were kept so, now or earlier */
    int64_t others;    /* files that wait for logs of other paths */
    struct err err;    /* why something waits or was set aside; ERR_NONE */
};
/* Takes in what waits in the spool, in order: an entry for each record, late, with the time and the facts of then. A
 * record leaves the spool when its entry is durable, not before; it may be tried again by anybody after a crash, and
 * one event never makes two entries. Lines that are no record, and files that are not ours, are moved aside and said in
 * an entry of kind degraded. audit_open does it by itself; a process that keeps a log open calls it now and then.
 * False (out->err) when something had to stay. Waits for other processes at most as long as audit_append does. */
bool audit_take_in(struct audit_log *l, struct audit_intake *out);
/* What waits, without touching it; for a handle of either kind. Only waiting, set_aside, others and err are filled. */
void audit_waiting(struct audit_log *l, struct audit_intake *out);
/* What audit_open's own taking in came to. */
const struct audit_intake *audit_taken_in(const struct audit_log *l);

/* Verification of the whole log. */
struct audit_report {
    bool ok;          /* nothing tampered found */
    bool unwitnessed; /* always true so far: a whole-file rollback cannot be excluded */
    int64_t entries, first_t, last_t;
    int64_t bad_seq; /* first entry that fails, 0 = none or not known */
    int64_t open_intents, unknown_outcomes, late, clock_steps;
    char origin[128], root[65], key_id[17];
    char text[300]; /* one sentence: the result */
};
/* False (with *e) only when it cannot tell (file missing, not a log, I/O); a tampered log gives true and !ok.
 * pinned_vkey: C2SP verifier key that must have signed, NULL = the log's own. */
bool audit_verify(const struct audit_spec *spec, const char *pinned_vkey, struct audit_report *out,
                  struct err *e) ANDON_MUST_USE;
/* Cheap check of the newest n entries and the checkpoint, at start. */
bool audit_verify_tail(struct audit_log *l, int64_t n, struct audit_report *out, struct err *e) ANDON_MUST_USE;

/* Export: a folder with entries.jsonl, checkpoint, log.pub, SHA256SUMS, report.csv, blobs/, verify.sh, README. The
 * query selects what goes to the CSV; entries.jsonl is always whole (else it could not be verified). */
bool audit_export(struct audit_log *l, const struct audit_query *q, const char *dir, struct err *e) ANDON_MUST_USE;
/* Verifies an exported folder or a bare entries.jsonl + checkpoint. */
bool audit_verify_export(const char *dir, const char *pinned_vkey, struct audit_report *out,
                         struct err *e) ANDON_MUST_USE;
/* One entry of an exported folder, and a blob that one names; ERR_NOT_FOUND. Only the bytes of a blob are checked
 * against its digest: verify the folder first. */
bool audit_export_entry(const char *dir, int64_t seq, struct arena *a, struct stored *out,
                        struct err *e) ANDON_MUST_USE;
bool audit_export_blob(const char *dir, const char *digest, struct buf *out, struct err *e) ANDON_MUST_USE;

#endif
