/* The signed checkpoint: C2SP tlog-checkpoint in a C2SP signed-note.
 *
 *   andon/host\n                 origin
 *   18231\n                      size of the tree, decimal
 *   base64(root)\n
 *   \n
 *   — andon/host base64(key hash (4 bytes) || Ed25519 signature (64 bytes))\n
 *
 * Key hash: the first 4 bytes of SHA-256(name || "\n" || 0x01 || public key). Verifier key (vkey):
 * name+hex(key hash)+base64(0x01 || public key). Lines of unknown keys are ignored, as the specification demands, so
 * witnesses can add theirs. Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint. */
#ifndef ANDON_AUDIT_NOTE_H
#define ANDON_AUDIT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/key.h"
#include "audit/tree.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

#define NOTE_MAX   4096 /* longest signed checkpoint that is read */
#define ORIGIN_MAX 100
#define VKEY_MAX   (ORIGIN_MAX + 64)

#define ALG_ED25519 0x01 /* a note's own signature */
#define ALG_COSIGN  0x04 /* a witness's: audit/cosign.h */

struct note_key {
    uint8_t alg;
    char name[ORIGIN_MAX + 1];
    uint8_t pub[KEY_PUBLIC_LEN];
    uint8_t id[4];
    char id_hex[9];
    char vkey[VKEY_MAX];
};

/* False when the name cannot stand in a note: empty, over ORIGIN_MAX bytes, with blanks, '+' or unprintable. */
bool note_key_init(struct note_key *k, const char *name, const uint8_t pub[KEY_PUBLIC_LEN],
                   struct err *e) ANDON_MUST_USE;
bool note_key_parse(struct note_key *k, const char *vkey, struct err *e) ANDON_MUST_USE;

/* The same for a key of another kind. */
bool note_key_init_as(struct note_key *k, uint8_t alg, const char *name, const uint8_t pub[KEY_PUBLIC_LEN],
                      struct err *e) ANDON_MUST_USE;
bool note_key_parse_as(struct note_key *k, uint8_t alg, const char *vkey, struct err *e) ANDON_MUST_USE;

struct checkpoint {
    char origin[ORIGIN_MAX + 1];
    uint64_t size;
    uint8_t root[HASH_LEN];
};

/* The text that is signed. */
void note_body(const struct checkpoint *c, struct buf *out);
/* The body with its signature line. */
void note_seal(const struct checkpoint *c, const struct note_key *k, const uint8_t sig[KEY_SIG_LEN], struct buf *out);
/* Reads a signed checkpoint and checks the signature of key k (v is its public half): ERR_TAMPERED when it is not
 * well formed, not signed by k, or of another origin than k's name. */
bool note_open(const char *bytes, size_t n, const struct note_key *k, const struct verifier *v, struct checkpoint *out,
               struct err *e) ANDON_MUST_USE;

/* Reads a checkpoint without judging its signatures: the body with its newline, and the signature lines after the empty
 * line. False when it is not well formed. */
bool note_peek(const char *bytes, size_t n, struct checkpoint *out); /* only the body */
bool note_split(const char *bytes, size_t n, struct checkpoint *out, struct slice *body, struct slice *lines);
/* The signature line of a key: its name, and `raw`: the key's id and what follows it, `want` bytes together. */
bool note_line_of(struct slice line, const struct note_key *k, uint8_t *raw, size_t want);
/* Takes the first line off *s, its newline too, into *line; false: there is none, or it has no end. */
bool note_next_line(struct slice *s, struct slice *line);
/* Takes lines of one base64 hash each off *s, at most TREE_PROOF_MAX, up to the empty line behind them and that, too.
 * False: a line that is none, one too many, or no empty line. */
bool note_hashes(struct slice *s, uint8_t (*out)[HASH_LEN], size_t *n);
/* Appends a signature line: "— name base64(raw)\n". */
void note_put_line(const struct note_key *k, const uint8_t *raw, size_t n, struct buf *out);

/* ---- any other text ---- */

/* Appends "\n— name base64\n": with the text before it, which ends in a newline, this is a signed note. */
void note_sign(const struct note_key *k, const uint8_t sig[KEY_SIG_LEN], struct buf *out);
/* Is one of these signature lines k's own, and right for the text? The empty line before them may be among them, and
 * the newest may lack its newline: hawkBit takes it off. */
bool note_signed(struct slice text, struct slice lines, const struct note_key *k, const struct verifier *v);

#endif
