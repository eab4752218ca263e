/* RFC 3161 time stamps: an authority's word on when a digest was there at the latest.
 *
 * What is stamped is the SHA-256 of a signed checkpoint, all its bytes. The `openssl ts` command verifies the same
 * tokens (docs/audit.md). No network here: client/ carries the bytes (application/timestamp-query out, -reply in). */
#ifndef ANDON_AUDIT_STAMP_H
#define ANDON_AUDIT_STAMP_H

#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/digest.h"
#include "core/err.h"

#define STAMP_NONCE     8
#define STAMP_TOKEN_MAX ((size_t)64 << 10) /* certificates of the authority included */

struct stamp {
    int64_t t;           /* us: the digest was there by then, by the authority's clock (genTime) */
    int64_t accuracy_us; /* -1 = the token does not say */
    char serial[64];     /* decimal or hexadecimal digits; with the authority's name this is one token's name */
    char signer[160];    /* subject of the certificate that signed, safe text; "" where the token does not carry it */
};

/* A request (DER) for the digest, its certificate asked for, with a fresh nonce that the answer must repeat. */
bool stamp_request(const unsigned char digest[SHA256_BYTES], unsigned char nonce[STAMP_NONCE], struct buf *out,
                   struct err *e) ANDON_MUST_USE;
/* The answer to it. Appends the token (DER) to *token when the authority granted it, it is about this digest and nonce,
 * and is signed by a certificate for time stamping that a certificate of ca_file (PEM) vouches for. ERR_REFUSED: not
 * granted, with the authority's words; ERR_TAMPERED: about something else, or not signed so; ERR_SYNTAX: no answer. */
bool stamp_answer(const void *bytes, size_t n, const unsigned char digest[SHA256_BYTES],
                  const unsigned char nonce[STAMP_NONCE], const char *ca_file, struct buf *token, struct stamp *out,
                  struct err *e) ANDON_MUST_USE;
/* A token that was kept. Its certificates are judged as of the token's own time: they may have ended since. ca_file
 * NULL: the signature is not checked, only what the token says; ERR_TAMPERED when it is about another digest. */
bool stamp_token(const void *bytes, size_t n, const unsigned char digest[SHA256_BYTES], const char *ca_file,
                 struct stamp *out, struct err *e) ANDON_MUST_USE;

#endif
