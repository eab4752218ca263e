/* Receipts: a witness's word about this log, as entries of it. What they say of how far the log is witnessed is found
 * here, during a verification; a receipt counts when its witness is configured, its signature is right, and the root
 * that was signed is that of these entries. */
#ifndef ANDON_AUDIT_RECEIPTS_H
#define ANDON_AUDIT_RECEIPTS_H

#include "audit/cosign.h"
#include "audit/leaf.h"
#include "audit/log.h"

#define RECEIPTS_MAX 16 /* witnesses of one log */

/* The newest receipt of one witness. */
struct receipt_seen {
    char witness[ORIGIN_MAX + 1];
    int64_t seq; /* of its entry */
    uint64_t size;
    uint8_t raw[COSIGN_RAW];
};
struct receipts {
    uint8_t (*leaf)[HASH_LEN]; /* of all entries so far: a receipt may speak of any size */
    size_t n, cap;
    struct receipt_seen seen[RECEIPTS_MAX];
    size_t n_seen;
};

/* Knows of none; receipts_release() frees what it takes. */
void receipts_init(struct receipts *r);
void receipts_release(struct receipts *r); /* frees the hashes, not *r */
/* The hash of the next entry; and, when it is a receipt, what it says. A receipt that
 * came late, for an older file of the log, is left out. */
void receipts_leaf(struct receipts *r, const uint8_t hash[HASH_LEN]);
void receipts_entry(struct receipts *r, const struct leaf *l);
/* After the last entry: judges them and fills the report's witness part. `keys` are the configured witnesses' verifier
 * keys. *bad_seq: an entry whose witness, a configured one, has signed another history than this one; 0. */
void receipts_judge(const struct receipts *r, const char *origin, const char *const *keys, size_t n_keys,
                    struct audit_report *out, int64_t *bad_seq);
/* "witnessed to entry 54 of 55 by hub-b/witness, 41 s ago", or "unwitnessed: a roll back of the file is not excluded";
 * with what is not counted. `now` wall clock, us. */
void receipts_words(const struct audit_report *r, int64_t now, char *out, size_t size);

/* Fills an entry of kind receipt; `root` and `line` (base64 of the signature line) must outlive it. */
void receipt_entry(struct entry *e, const char *witness, uint64_t size, const char *root_hex, const char *line,
                   int64_t t);

#endif
