/* Time stamps of this log, as entries of it (kind receipt, fields stamp.*): what they say of how far the log was there,
 * and when, is found here, during a verification. The token and the checkpoint that it is about are blobs. */
#ifndef ANDON_AUDIT_STAMPED_H
#define ANDON_AUDIT_STAMPED_H

#include "audit/digests.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/note.h"
#include "audit/tree.h"

/* Many entries may name one blob: it is kept once. */
struct stamped_blob {
    char *bytes; /* owned; NULL: not seen so far */
    size_t n;
};
struct stamped_one {
    int64_t seq;    /* of its entry */
    size_t blob[2]; /* places of the checkpoint and of the token */
    uint64_t size;  /* that the checkpoint says; for stamped_judge */
};
struct stamped {
    struct stamped_one *v;
    size_t n, cap;
    struct digests names;
    struct stamped_blob *blob; /* of each name */
    size_t cap_blob;
};
void stamped_release(struct stamped *s);
/* An entry of kind receipt: takes note of it when it is a time stamp. */
void stamped_entry(struct stamped *s, const struct leaf *l);
/* Bytes of that digest, which were checked against it. All entries come before the blobs. Of what no stamp names, or is
 * longer than STAMP_TOKEN_MAX, nothing is kept. */
void stamped_blob(struct stamped *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n);
/* After the last blob. `leaf`: hashes of all n entries; k, v: the log's key. `root`: PEM file with the certificate that
 * vouches for the authority, NULL or "": what a token says is not checked then, and said. Fills the report's part.
 * *bad_seq: an entry whose token is about something else, or whose checkpoint is not this log's; 0. */
void stamped_judge(struct stamped *s, const uint8_t (*leaf)[HASH_LEN], size_t n, const struct note_key *k,
                   const struct verifier *v, const char *root, struct audit_report *out, int64_t *bad_seq);
/* "; time-stamped to entry 54 at 2031-... by O=...", "" when there is none. */
void stamped_words(const struct audit_report *r, char *out, size_t size);

#endif
