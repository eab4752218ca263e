/* The signing key of a log: Ed25519 (RFC 8032) in a PEM file that only its owner can read. The only user of
 * libcrypto's keys. */
#ifndef ANDON_AUDIT_KEY_H
#define ANDON_AUDIT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"

#define KEY_PUBLIC_LEN 32
#define KEY_SIG_LEN    64

struct key; /* private and public half */

/* Reads a key. Refused: a symbolic link, not a regular file, owned by somebody else (but root), readable or writable
 * by group or others, not Ed25519. */
struct key *key_load(const char *path, struct err *e);
/* Makes a key in a new file of mode 0400 that appears under its name complete and durable; its folder is created 0700
 * when missing. ERR_CONFLICT when the file is there already. */
bool key_create(const char *path, struct err *e) ANDON_MUST_USE;
void key_free(struct key *k);

/* The public half, raw (RFC 8032). */
void key_public(const struct key *k, uint8_t out[KEY_PUBLIC_LEN]);
/* False only when libcrypto fails. */
bool key_sign(const struct key *k, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e) ANDON_MUST_USE;

/* The public half alone, made ready once for many checks. Never NULL unless libcrypto has no Ed25519. */
struct verifier;
struct verifier *verifier_new(const uint8_t pub[KEY_PUBLIC_LEN], struct err *e);
void verifier_free(struct verifier *v);
bool verifier_check(const struct verifier *v, const void *msg, size_t n, const uint8_t sig[KEY_SIG_LEN]);

/* "-----BEGIN PUBLIC KEY-----", as openssl reads it. */
bool key_public_pem(const uint8_t pub[KEY_PUBLIC_LEN], struct buf *out, struct err *e) ANDON_MUST_USE;

#endif
