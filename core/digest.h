/* SHA-256 (FIPS 180-4) of bytes: names of blobs, digests of policies and releases. By libcrypto. */
#ifndef ANDON_CORE_DIGEST_H
#define ANDON_CORE_DIGEST_H

#include <stddef.h>

#define SHA256_BYTES 32
#define SHA256_HEX   65 /* 64 lower-case digits and the NUL */

/* Incremental: init, any number of adds, then exactly one done. */
struct sha256 {
    void *ctx; /* libcrypto's own */
};

/* Takes memory that one of the two `done` frees. */
void sha256_init(struct sha256 *h);
/* p may be NULL when n is 0. */
void sha256_add(struct sha256 *h, const void *p, size_t n);
/* The digest, raw or in hexadecimal; frees what init took. */
void sha256_done(struct sha256 *h, unsigned char out[SHA256_BYTES]);
void sha256_done_hex(struct sha256 *h, char out[SHA256_HEX]);

/* In one call. p may be NULL when n is 0. */
void sha256_bytes(const void *p, size_t n, unsigned char out[SHA256_BYTES]);
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);
/* HMAC (RFC 2104) with SHA-256. */
void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, unsigned char out[SHA256_BYTES]);
/* Writes 2 * n lower-case digits and a NUL; `out` has room for 2 * n + 1. */
void hex_encode(char *out, const unsigned char *bytes, size_t n);

#endif
