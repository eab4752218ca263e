/* The verification itself, fed with entries in order: from the database (verify.c) or from an exported folder
 * (verify_export.c). Every hash is computed from the bytes at hand; nothing is written out again and compared. */
#ifndef ANDON_AUDIT_CHECK_H
#define ANDON_AUDIT_CHECK_H

#include "audit/chain.h"
#include "audit/heads.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/note.h"
#include "audit/open.h"
#include "audit/receipts.h"
#include "audit/seals.h"
#include "audit/stamped.h"
#include "audit/tree.h"

#define AHEAD_US      (5 * US_PER_MIN) /* how far two hosts' clocks may well differ */
#define CLOCK_STEP_US (1 * US_PER_S)   /* a smaller step back between two writers is no step of the clock */

struct blob_ref {
    uint8_t digest[HASH_LEN];
    int64_t seq; /* of the entry that names it */
};

struct check {
    struct audit_report *r;
    struct tree tree;
    int64_t base; /* number of the entry before the first */
    bool gaps;    /* a slice: some entries are there only as subtrees, so no earlier root can be computed */
    int64_t now;  /* wall clock, when it began */
    struct ops ops;
    char heir[VKEY_MAX];  /* the key that the newest entry of kind "key" names */
    struct note_key born; /* named by the genesis entry */
    bool have_born;
    struct blob_ref *ref;
    size_t n_ref, cap_ref;
    uint8_t (*blob)[HASH_LEN]; /* digests of the blobs that are there and whole */
    size_t n_blob, cap_blob;
    int64_t newest_t; /* of the entries that are not late */
    char boot[40];    /* start of the host whose clocks the newest of these has, and wall less boot clock there */
    int64_t offset;
    uint64_t signed_size;
    uint8_t root_at_signed[HASH_LEN]; /* root of the first signed_size entries */
    struct receipts receipts;
    struct heads *heads; /* n_heads files of them: set by the caller before the first entry */
    size_t n_heads;
    struct stamped stamped;
    struct seals seals;
    struct slice open;            /* openings of the entry that comes next: set by the caller */
    const char *stamp_root;       /* set by the caller before check_finish */
    const char *const *witnesses; /* whose receipts count: set by the caller before check_finish */
    size_t n_witnesses;
    uint64_t seen_size; /* a head that the host has seen: its size (0 = none), and the root of as many entries */
    uint8_t root_at_seen[HASH_LEN];
    char why[240];
    struct leaf_memo memo;
    char another[140]; /* the key that it should be signed by and is not; "" */
};

/* ---- verify.c: one file of a log ---- */

/* What is handed on from file to file. */
struct link {
    struct ops ops;         /* of the older files */
    struct seals seals;     /* the same */
    bool known;             /* its first entry says what was before: */
    struct previous before; /* that */
    char vkey[VKEY_MAX];    /* its key */
    char heir[VKEY_MAX];    /* the key that it hands over to; "" */
};
bool verify_file(const struct audit_spec *spec, const struct note_key *pinned, struct link *k, struct audit_report *out,
                 struct err *e) ANDON_MUST_USE;

/* ---- the check ---- */

/* The signed size is taken from the note before it is checked, to tell missing entries from unsigned ones. */
void check_init(struct check *c, struct audit_report *r, const char *note, size_t note_n);
void check_release(struct check *c);
/* The first complaint stays. seq 0 = not known. */
void check_bad(struct check *c, int64_t seq, const char *fmt, ...) ANDON_PRINTF(3, 4);
/* The next entry. `hash` is the stored leaf hash, NULL when there is none (export). */
void check_leaf(struct check *c, int64_t row_seq, const char *line, size_t n, const uint8_t *hash);
/* The next 2^level entries, which are not at hand, by the root of their subtree; false when it cannot stand here. */
bool check_left_out(struct check *c, unsigned level, const uint8_t root[HASH_LEN]);
/* A blob whose digest was computed from its bytes. */
void check_blob_known(struct check *c, const uint8_t digest[HASH_LEN]);
/* A blob and the name under which it is kept. */
void check_blob(struct check *c, const uint8_t *name, size_t name_n, const void *bytes, size_t n);
/* The checkpoint, once all entries are in. pinned may be NULL. `frontier` (may be NULL) helps to say where. */
void check_note(struct check *c, const char *note, size_t n, const struct note_key *pinned,
                const struct tree *frontier);
/* Is the log's key this one? `name`: and its origin (NULL: whatever it is). `which` says in words whose key it is. One
 * that is not is told as such by check_finish where nothing else is wrong: the log is another one. */
void check_key(struct check *c, const uint8_t pub[KEY_PUBLIC_LEN], const char *name, const char *which);
/* Every blob that an entry names. */
void check_refs(struct check *c);
/* Counts and the sentence. `extra` is put at its end, "" for nothing. */
void check_finish(struct check *c, const char *extra);

#endif
