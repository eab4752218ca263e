/* A witness's word about a checkpoint: C2SP tlog-cosignature, Ed25519 (cosignature/v1).
 *
 * What is signed is "cosignature/v1\ntime T\n" and the checkpoint's body; T is the time in seconds since the epoch. The
 * signature line holds the key's id (alg 0x04), T as 8 bytes, big end first, and the signature. It says: at this time,
 * of all that I have seen of this log, this is the largest, and it holds all that I saw before. */
#ifndef ANDON_AUDIT_COSIGN_H
#define ANDON_AUDIT_COSIGN_H

#include "audit/key.h"
#include "audit/note.h"

#define COSIGN_RAW (4 + 8 + KEY_SIG_LEN) /* id, time, signature */

/* A witness's key that is configured: its name and how to check. */
struct cosigner {
    struct note_key key;
    struct verifier *v;
};
/* From a verifier key (name+1a2b3c4d+BA...); ERR_SYNTAX. */
bool cosigner_open(struct cosigner *c, const char *vkey, struct err *e) ANDON_MUST_USE;
void cosigner_close(struct cosigner *c);

/* Signs a checkpoint's body at `t` (seconds since the epoch, > 0): appends the signature line. */
bool cosign_make(const struct key *k, const struct note_key *name, struct slice body, int64_t t, struct buf *out,
                 struct err *e) ANDON_MUST_USE;
/* The bytes of a signature line (COSIGN_RAW) against a body: *t is the time that was signed. */
bool cosign_check_raw(const struct cosigner *c, struct slice body, const uint8_t raw[COSIGN_RAW], int64_t *t);
/* Is one of these signature lines the witness's, and right for the body? Lines of others are passed over; one of its
 * own that is wrong makes all of them wrong. `raw` (may be NULL): its bytes. */
bool cosign_check(const struct cosigner *c, struct slice body, struct slice lines, uint8_t *raw, int64_t *t);

#endif
