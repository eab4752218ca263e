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

#define SPOOL_DIRS  2
#define HEADS_FILES 4

struct audit_spec {
    const char *db_path;  /* created 0600 in a 0700 folder when missing, with the genesis entry */
    const char *key_path; /* Ed25519 private key (PEM); created 0400 when missing together with the log */
    /* Name in the checkpoint, e.g. "andon/host", of a log that is made now; of one that is there its first entry says
     * it. `origin_asked`: somebody has asked for this name, and a log of another one is refused; else it comes from
     * this host's name, which may change under a log that stays what it is. */
    const char *origin;
    bool origin_asked;
    /* The key is not known to be this log's, it only lies beside it: a log of another key is another log then. */
    bool key_beside;
    bool there;     /* it was open before: it is not made when it is not there */
    bool read_only; /* show, export, verify: nothing is created or written, no key needed */
    /* Kinds of values that are not written into the leaf: there stands a commitment to them, and they themselves beside
     * the tree, where they can be erased (core/redact.h, audit/opening.h). Of who writes the file; a guard's clients
     * need not say it. */
    unsigned redactable;
    struct clock *clock; /* for the genesis entry; NULL = the machine's */
    /* Folders of the spool (audit/spool.h), first choice first; NULL: none. What waits there for this log is taken in
     * when it is opened for writing. */
    const char *spool[SPOOL_DIRS];
    /* Only audit_verify asks: files in which heads of this log were noted (audit/heads.h), and verifier keys
     * (audit/cosign.h) of the witnesses whose receipts count. */
    const char *const *heads;
    size_t n_heads;         /* at most HEADS_FILES */
    const char *stamp_root; /* PEM: who vouches for the time stamping authority; "" = its tokens are not counted */
    const char *const *witnesses;
    size_t n_witnesses;
    /* On a host that several people share a guard is the log's only writer (audit/serve.h), and everybody else asks it:
     * with the name of its socket here, a handle for writing appends through it, and one for reading reads through it
     * (else from the file, when nobody answers and the file may be read). The guard then says who wrote an entry, and
     * signs with the key: audit_sign refuses. spool[0] is the folder that all users share (audit/spool.h). */
    const char *socket;
    const char *serves; /* of a guard: its own socket; the handle takes in what waits in the shared folder spool[0] */
};

struct receipt {
    int64_t seq;   /* the entry's number; 1 = genesis of a log that goes on from no other */
    char leaf[65]; /* leaf hash, hex */
    char root[65]; /* root after the append, hex */
    int64_t size;  /* entries after the append */
};

/* NULL with *e: ERR_NOT_FOUND (read-only, no file), ERR_FORBIDDEN (key, file or folder open to others),
 * ERR_TAMPERED (emptied, damaged, not signed by this key), ERR_CONFLICT (the log is of another origin than the one
 * that was asked for). A handle must not be used across a fork. */
struct audit_log *audit_open(const struct audit_spec *spec, struct err *e);
void audit_close(struct audit_log *l);
/* Is there no log, although this host has seen one there (audit/seen.h)? Then *e says which. No log is begun in the
 * place of one that has gone: audit_open fails with the same error (ERR_TAMPERED). */
bool audit_gone(const struct audit_spec *spec, struct err *e);
/* A look that costs some 50 us: is the file still the one under its name, has it not gone back, is its newest head
 * signed? Keeps that head for who comes when the log has gone. As audit_append, a later call opens the file anew. */
bool audit_glance(struct audit_log *l, struct err *e) ANDON_MUST_USE;

/* Durable when it returns true. Reads the head inside the transaction, so several writers never fork. After false the
 * entry is not there, except that a failed sync leaves it open: such an entry may still turn up. The handle stays
 * usable: the next call opens the file anew and checks its tail first. The same holds for a guard that ends before it
 * has answered; the entry, appended again as it is (late or not), then makes no second one. An event of a halt
 * (entry_of_halt) that is in the log already is not written twice: then the receipt is that of the entry that is there.
 */
bool audit_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e) ANDON_MUST_USE;
/* Entries with the bytes that they name, in order, in one transaction: one checkpoint, one sync, and all of them or
 * none. The digest of each blob is set, and is stored as the entry's field `key`. False as audit_append's; *refused:
 * nothing was written because of this one, and the others may be tried without it; n: it was none of them. By a guard's
 * socket they go one by one: then those before it are written, and make no second entry when they come again. */
struct audit_blob {
    const char *key; /* "inputs.blob" */
    const char *bytes;
    size_t n;
    char digest[65];
};
struct audit_item {
    const struct entry *entry;
    struct audit_blob *blobs;
    size_t n_blobs;
    bool again; /* an earlier try may have written it: it failed after the commit, or in it. Then it is looked
                 * for among the newest entries, and one that says the same to the microsecond is it */
    struct receipt receipt; /* as audit_append's */
};
bool audit_append_all(struct audit_log *l, struct audit_item *it, size_t n, size_t *refused,
                      struct err *e) ANDON_MUST_USE;
/* Stores bytes (at most 64 MiB) durably under their sha-256 (hex, 65 bytes with NUL), before the entry that names them.
 * An entry names a blob in a field "blob", "blob.<what>" or "<what>.blob": verification then demands it. */
bool audit_put_blob(struct audit_log *l, const void *bytes, size_t n, char digest[65], struct err *e) ANDON_MUST_USE;
/* ERR_NOT_FOUND; ERR_TAMPERED when the bytes are not those that the digest names. */
bool audit_get_blob(struct audit_log *l, const char *digest, struct buf *out, struct err *e) ANDON_MUST_USE;

/* The wall clock of this host was set by more than this, ahead or back, while the log was open for writing: an entry of
 * kind clock-step comes before the next one. Fields: "by" (us; below 0: back), "real" and "boot" (the two clocks after
 * it, us), and where a fleet server's clock is known "server.real" (what that showed at "boot") and "server.error_us".
 */
#define AUDIT_CLOCK_STEP_US (1 * US_PER_S)
/* Looks without an entry to append: for a process that keeps the log open and has nothing to say. */
bool audit_clock_look(struct audit_log *l, struct err *e) ANDON_MUST_USE;
/* What the newest answers of a fleet server tell of its clock (core/skew.h): its time less clock_now(), and how much
 * that may be wrong. Copied. */
struct audit_server_clock {
    bool known;
    int64_t ahead_us, error_us;
};
void audit_server_time(struct audit_log *l, const struct audit_server_clock *s);

struct audit_head {
    int64_t size;   /* of the newest file's tree */
    int64_t newest; /* number of the newest entry: more than that where the log goes on from other files */
    int64_t newest_t;
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
/* The newest head of it that this host has seen (origin, size and root alone); the log need not be there. */
bool audit_last_seen(const struct audit_spec *spec, struct audit_head *out);
/* The log's verifier key, as in audit_head. */
const char *audit_vkey(const struct audit_log *l);

/* A stored entry, decoded from its canonical line for screens and recovery. Strings are owned by the arena. */
struct stored {
    int64_t seq, t;
    const char *line; /* the exact leaf; through safe_text before it goes to a screen */
    const char
        *shown; /* the same with the values that it commits to in it, as far as they are open; all else is of this */
    const char *open; /* their openings, as the log has them (audit/opening.h); "" */
    const char *kind, *actor, *actor_kind, *fleet, *rollout, *wave, *verb, *result, *reason, *before, *after, *host;
    uint64_t corr;
    bool late;
    const char *(*fields)[2]; /* integers as text */
    size_t n_fields;
    const char *leaf_hash;
    const char *(*committed)[2]; /* paths of what it commits to, and what is known of each: audit/opening.h */
    size_t n_committed;
};
/* Is that value as it was written: not committed at all, or open? */
bool stored_is_open(const struct stored *s, const char *path);
const char *stored_field(const struct stored *s, const char *key); /* "" when absent */

struct audit_query {
    int64_t from_seq, to_seq;                   /* inclusive; 0 = open */
    int64_t after_t, before_t;                  /* 0 = open */
    const char *fleet, *rollout, *kind, *actor; /* NULL or "" = any */
    const char *verb;                           /* "approve" takes entries of the kind approval too */
    const char *result;
    const char *device; /* its id stands in a field or in a list of devices (a blob) that the entry names */
    uint64_t corr;      /* 0 = any */
    bool late;          /* only what was logged late */
    bool newest_first;
    size_t limit; /* 0 = 1000 */
};
/* Entries into the arena. An entry that cannot be read any more is never left out: it comes with kind "damaged". */
bool audit_query(struct audit_log *l, const struct audit_query *q, struct arena *a, struct stored **out, size_t *n,
                 struct err *e) ANDON_MUST_USE;

/* The same, each handed to fn (false: enough) and then forgotten: memory does not grow with the log. Strings are
 * borrowed until fn returns. limit 0: all; with one and not newest_first, the newest that many, oldest first. No entry
 * is handed over twice, also when a writer comes between. */
typedef bool audit_each_fn(void *ctx, const struct stored *s);
bool audit_each(struct audit_log *l, const struct audit_query *q, audit_each_fn *fn, void *ctx,
                struct err *e) ANDON_MUST_USE;

/* Intents and halts of a fleet that have neither an outcome nor a recovered entry, oldest first: what a crash left. */
bool audit_open_intents(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                        struct err *e) ANDON_MUST_USE;
/* Halts of a fleet that no later ack has lifted, oldest first, after them those that wait in the spool (seq 0, late).
 * An ack lifts the halts before it of its rollout (stored_ack_lifts); with rollout "" all of the fleet,
 * also those with rollout "". Whether a halt applies to a rollout that is there now is for the caller: identity_about
 * with stored_identity, anything but OTHER. */
bool audit_latched(struct audit_log *l, const char *fleet, struct arena *a, struct stored **out, size_t *n,
                   struct err *e) ANDON_MUST_USE;

/* Does the ack lift the halt, which was in the log before it? By identity; where it names the halts that it is about
 * (field "lifts": their corr in 16 hexadecimal digits, with blanks between), only those. */
bool stored_ack_lifts(const struct stored *ack, const struct stored *halt);
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
    bool ok;      /* nothing tampered found, and signed by the key that it was compared with */
    bool another; /* !ok only because it is signed by another key: another log, or one that was made anew */
    bool unsure;  /* with `another`: nobody has said that it should be that key (key_beside) */
    /* No receipt of a configured witness (spec.witnesses) is in the log: a roll back of the whole file is not excluded.
     * Else the first `witnessed` entries are, by `witness`, which said so at witnessed_t (us); so many witnesses are
     * counted, and so many have receipts here and are not configured. */
    bool unwitnessed;
    int64_t witnessed, witnessed_t;
    char witness[101];
    int witnesses, unknown_witnesses;
    /* Heads of this log that were noted elsewhere (spec.heads), all right, the newest of so many entries; lines there
     * that say they are heads and cannot be read, and files without one head of this log. */
    int64_t heads, heads_size, heads_broken, heads_none;
    /* Time stamps, right and of the configured authority: so many, the newest of the first `stamped` entries, which
     * were there at stamped_t (us) by its clock; and so many of others. */
    int stamps, unchecked_stamps;
    int64_t stamped, stamped_t;
    char stamp_by[160];
    int64_t entries, first_t, last_t; /* of all files */
    int64_t size, files;              /* entries of the newest; how many are here */
    int64_t left_out; /* a slice: entries that it has only as hashes; what is counted here is about those it shows */
    int64_t bad_seq;  /* first entry that fails, 0 = none or not known */
    int64_t open_intents, unknown_outcomes, late;
    int64_t
        clock_steps; /* the wall clock was set, ahead or back: by an entry that says so, or by the two clocks of two */
    int64_t ahead;   /* entries of a time that has not come yet */
    /* Values that entries commit to (audit/opening.h): all; with their opening here, and right; those of the others
     * that an entry says were erased; and those of the open ones that one says so of. */
    int64_t committed, opened, erased, reopened;
    char origin[128], root[65], key_id[17];
    char vkey[176];     /* that its first entry names, "" */
    char compared[200]; /* which key it was compared with, in words */
    char text[1200];    /* one sentence: the result */
};
/* False (with *e) only when it cannot tell (file missing, not a log, I/O; a file of heads that cannot be read); a
 * tampered log gives true and !ok. pinned_vkey: C2SP verifier key that must have signed, NULL = the log's own. */
bool audit_verify(const struct audit_spec *spec, const char *pinned_vkey, struct audit_report *out,
                  struct err *e) ANDON_MUST_USE;
/* Cheap check of the newest n entries and the checkpoint, at start. */
bool audit_verify_tail(struct audit_log *l, int64_t n, struct audit_report *out, struct err *e) ANDON_MUST_USE;

/* ---- the life of a log: it goes on in another file (audit/chain.h) ---- */

struct log_limits; /* core/config.h */
/* Who wants it, and why: both stand in the new file's first entry. */
struct audit_turn {
    struct actor actor;
    const char *reason;
};
/* The log goes on in a new file under its name; what was in it is a file beside it, "NAME.1" and so on, verified and
 * durable before. Halts that are latched and operations that are open stay so: both files are read as one. In one
 * transaction: whoever has the log open sees it before or after, and goes on. `new_key`: signed by a new key from then
 * on, which the last entry of the old file names; the old private key is destroyed. Other writers wait meanwhile, some
 * seconds for 250,000 entries. */
bool audit_rotate(struct audit_log *l, const struct audit_turn *t, bool new_key, struct err *e) ANDON_MUST_USE;
/* The same when its newest file has grown over one of the limits (core/config.h), and only then: *done tells. It is
 * looked at once more when no other writer can come between. */
bool audit_rotate_if(struct audit_log *l, const struct audit_turn *t, const struct log_limits *limits, bool *done,
                     struct err *e) ANDON_MUST_USE;
/* Has it? `why`: over which one, in words; "" */
bool audit_outgrown(struct audit_log *l, const struct log_limits *limits, char why[120], struct err *e) ANDON_MUST_USE;
/* Removes what a rotation, or an erasing, that was killed had copied so far ("NAME.3.x7Kq0b"; not written for ten
 * minutes): such a copy has all the values that are erased in the log meanwhile. Each rotation does it too. How many.
 */
size_t audit_tidy(const char *db_path);
/* For a log that has gone, is damaged, went back behind what this host has seen (audit/seen.h), or whose key is lost:
 * begins a new file, whose first entry names what was there, and writes an entry of kind "recovered" with what is known
 * to be missing. What is there is kept: a file that verifies is read on, a damaged one is set aside as
 * "NAME.damaged-N". `text` says what was done. ERR_STATE: there is nothing wrong, or nothing was there. No other
 * process should have a damaged log open. */
struct seen;
/* `told`: the newest head that a witness has of it, checked, `where` being the witness; NULL = none is known. It counts
 * where this host has seen less. */
bool audit_go_on(const struct audit_spec *spec, const struct audit_turn *t, const struct seen *told, char text[400],
                 struct err *e) ANDON_MUST_USE;
/* Was its newest file begun so? */
bool audit_recovered(const struct audit_log *l);
/* Copies the log as it is now into new files (this one, and those that it goes on from beside it), each verified and
 * durable. Never over a file. Others may write meanwhile. */
bool audit_copy(const struct audit_spec *spec, const char *to, struct err *e) ANDON_MUST_USE;

/* A page of an exported folder, made from its entries as they go by: the CSV is one. head may be called again, when the
 * log's file changed underneath; each appends to *out. */
struct leaf;
struct audit_page_maker {
    const char *name, *role; /* a plain name and a role, as audit/manifest.h wants them */
    void (*head)(void *ctx, struct buf *out);
    void (*row)(void *ctx, struct buf *out, const struct leaf *l, const uint8_t hash[32]);
    void (*foot)(void *ctx, struct buf *out); /* may be NULL */
    void *ctx;
};

/* What an export is to hold. */
struct audit_export_spec {
    const struct audit_query *q; /* NULL or with nothing set: the whole log; else a slice. Its limit is not heeded */
    /* An earlier checkpoint, after which a slice begins: it must be of this log's past. 0 = none. */
    int64_t since_size;
    uint8_t since_root[32];
    /* Kinds of committed values whose openings do not go along (core/redact.h): the pages do not show them either. */
    unsigned redacted;
    const struct audit_page_maker *pages; /* beside the CSV */
    size_t n_pages;
};

struct audit_exported {
    int64_t size, shown;         /* entries of the log, and of these in the folder */
    char root[65], manifest[65]; /* root at that size; SHA-256 of the file "manifest" */
    char origin[128], vkey[176], key_id[17];
};

/* Export: a new folder that is verified without andon (docs/audit.md), and holds what its signed manifest names. A
 * slice has some of the entries, and for the others the hashes that lead to the same root. What is written is checked
 * on the way: ERR_TAMPERED, and no folder, when the entries are not those that the checkpoint signs. ERR_FORBIDDEN: the
 * manifest cannot be signed, for the key cannot be read. out may be NULL. */
bool audit_export(struct audit_log *l, const struct audit_export_spec *spec, const char *dir,
                  struct audit_exported *out, struct err *e) ANDON_MUST_USE;
/* Proofs (audit/proof.h): that one entry is in the log. */
struct audit_proved {
    bool ok;
    int64_t seq, size; /* entry, and entries of the log at the checkpoint */
    char root[65];
    int cosignatures; /* of witnesses, in a proof that was made; not checked */
    int witnesses;    /* of those that are known and have signed, in a proof that was checked */
    char origin[128], key_id[17];
    char text[300]; /* one sentence: the result */
};
/* Appends the proof of an entry to *out: with the largest checkpoint that witnesses have signed, where there is one
 * that holds it, else with the newest. `cache`: a file in which work is kept between two calls, NULL = none; without it
 * each reads the hashes of all entries, some 1 s for a million. ERR_NOT_FOUND: no such entry; ERR_TAMPERED. */
bool audit_prove(struct audit_log *l, int64_t seq, const char *cache, struct buf *out, struct audit_proved *word,
                 struct err *e) ANDON_MUST_USE;
/* Checks the proof in a file against the log's verifier key and those of the witnesses that are known; the entry's line
 * is appended to *leaf, and is safe for a screen only when the result is ok. False (*e) only when it cannot tell. */
bool audit_verify_proof(const char *path, const char *vkey, const char *const *witnesses, size_t n_witnesses,
                        struct audit_proved *out, struct buf *leaf, struct err *e) ANDON_MUST_USE;
/* Does the file begin as a proof does? */
bool audit_is_proof(const char *path);

/* Verifies an exported folder. In a folder that has all entries the receipts of these witnesses (verifier keys) count,
 * and time stamps of the authority with this root (as in struct audit_spec).
 * ERR_NOT_FOUND where there is no folder, or no manifest in it. */
bool audit_verify_export(const char *dir, const char *pinned_vkey, const char *const *witnesses, size_t n_witnesses,
                         const char *stamp_root, struct audit_report *out, struct err *e) ANDON_MUST_USE;
/* One entry of an exported folder, and a blob that one names; ERR_NOT_FOUND. Only the bytes of a blob are checked
 * against its digest: verify the folder first. */
bool audit_export_entry(const char *dir, int64_t seq, struct arena *a, struct stored *out,
                        struct err *e) ANDON_MUST_USE;
bool audit_export_blob(const char *dir, const char *digest, struct buf *out, struct err *e) ANDON_MUST_USE;

#endif
