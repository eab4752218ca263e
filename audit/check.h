/* The verification itself, fed with entries in order: from the database (verify.c) or from an exported folder
 * (verify_export.c). Every hash is computed from the bytes at hand; nothing is written out again and compared. */
#ifndef ANDON_AUDIT_CHECK_H
#define ANDON_AUDIT_CHECK_H

#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/note.h"
#include "audit/open.h"
#include "audit/tree.h"

#define CLOCK_STEP_US (1 * US_PER_S) /* a smaller step back between two writers is no step of the clock */

struct blob_ref {
    uint8_t digest[HASH_LEN];
    int64_t seq; /* of the entry that names it */
};

struct check {
    struct audit_report *r;
    struct tree tree;
    struct ops ops;
    struct note_key born; /* named by the genesis entry */
    bool have_born;
    struct blob_ref *ref;
    size_t n_ref, cap_ref;
    uint8_t (*blob)[HASH_LEN]; /* digests of the blobs that are there and whole */
    size_t n_blob, cap_blob;
    int64_t newest_t; /* of the entries that are not late */
    uint64_t signed_size;
    uint8_t root_at_signed[HASH_LEN]; /* root of the first signed_size entries */
    char why[200];
};

/* The signed size is taken from the note before it is checked, to tell missing entries from unsigned ones. */
void check_init(struct check *c, struct audit_report *r, const char *note, size_t note_n);
void check_release(struct check *c);
/* The first complaint stays. seq 0 = not known. */
void check_bad(struct check *c, int64_t seq, const char *fmt, ...) ANDON_PRINTF(3, 4);
/* The next entry. `hash` is the stored leaf hash, NULL when there is none (export). */
void check_leaf(struct check *c, int64_t row_seq, const char *line, size_t n, const uint8_t *hash);
/* A blob and the name under which it is kept. */
void check_blob(struct check *c, const uint8_t *name, size_t name_n, const void *bytes, size_t n);
/* The checkpoint, once all entries are in. pinned may be NULL. `frontier` (may be NULL) helps to say where. */
void check_note(struct check *c, const char *note, size_t n, const struct note_key *pinned,
                const struct tree *frontier);
/* Every blob that an entry names. */
void check_refs(struct check *c);
/* Counts and the sentence. `extra` is put at its end, "" for nothing. */
void check_finish(struct check *c, const char *extra);

#endif
