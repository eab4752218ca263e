/* Like memory (core/err.h), a libcrypto that cannot compute SHA-256 ends the process: a log or a policy without its
 * digest would be a lie, and there is nothing that an operator could do about it while andon runs. */
#include "core/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* For messages in one piece: deprecated since OpenSSL 3.0, kept there, and five times as fast as EVP for the 65 bytes
 * of a tree's node, of which a log of 200,000 entries has as many. No allocation either. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>

static void must(int ok)
{
    if (ok != 1) {
        fputs("andon: libcrypto cannot compute SHA-256; giving up\n", stderr);
        abort();
    }
}

void sha256_init(struct sha256 *h)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx != NULL);
    must(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
    h->ctx = ctx;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    if (n > 0)
        must(EVP_DigestUpdate(h->ctx, p, n));
}

void sha256_done(struct sha256 *h, unsigned char out[SHA256_BYTES])
{
    unsigned int len = 0;
    must(EVP_DigestFinal_ex(h->ctx, out, &len));
    must(len == SHA256_BYTES);
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void sha256_done_hex(struct sha256 *h, char out[SHA256_HEX])
{
    unsigned char raw[SHA256_BYTES];
    sha256_done(h, raw);
    hex_encode(out, raw, sizeof raw);
}

void sha256_bytes(const void *p, size_t n, unsigned char out[SHA256_BYTES])
{
    SHA256_CTX h;
    must(SHA256_Init(&h));
    if (n > 0)
        must(SHA256_Update(&h, p, n));
    must(SHA256_Final(out, &h));
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
    unsigned char raw[SHA256_BYTES];
    sha256_bytes(p, n, raw);
    hex_encode(out, raw, sizeof raw);
}

void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, unsigned char out[SHA256_BYTES])
{
    unsigned char pad[64] = {0};
    struct sha256 h;
    if (key_n > sizeof pad)
        sha256_bytes(key, key_n, pad);
    else if (key_n > 0)
        memcpy(pad, key, key_n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    sha256_init(&h);
    sha256_add(&h, pad, sizeof pad);
    sha256_add(&h, p, n);
    sha256_done(&h, out);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha256_init(&h);
    sha256_add(&h, pad, sizeof pad);
    sha256_add(&h, out, SHA256_BYTES);
    sha256_done(&h, out);
    explicit_bzero(pad, sizeof pad);
}

void hex_encode(char *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}
