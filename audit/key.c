#include "audit/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* OpenSSL's headers have a type of the name of one of our error codes. */
#define ERR_STATE openssl_err_state
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#undef ERR_STATE
#include "audit/place.h"

struct key {
    EVP_PKEY *pkey;
};

struct verifier {
    EVP_PKEY *pkey;
};

static bool crypto_err(struct err *e, const char *doing)
{
    char text[160] = "";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    err_set(e, ERR_INTERNAL, "", "signing key: %s failed", doing);
    err_cause(e, "%s", text);
    return false;
}

static bool file_ok(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(e, ERR_IO, "", "signing key %s: cannot look at it", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FORBIDDEN, "", "signing key %s: not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, ERR_FORBIDDEN, "check who put it there", "signing key %s: owned by uid %ld", path,
                       (long)st.st_uid);
    if (st.st_mode & 077)
        return err_set(e, ERR_FORBIDDEN, "make a new key: others may have read this one",
                       "signing key %s: open to others (mode %03o, must be 0400)", path, (unsigned)(st.st_mode & 0777));
    return true;
}

struct key *key_load(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "signing key %s: cannot open it", path);
        return NULL;
    }
    if (!file_ok(fd, path, e)) {
        close(fd);
        return NULL;
    }
    FILE *f = fdopen(fd, "r");
    if (!f) {
        err_errno(e, ERR_IO, "", "signing key %s: cannot read it", path);
        close(fd);
        return NULL;
    }
    char none[1] = ""; /* never ask for a pass phrase on the terminal */
    EVP_PKEY *pkey = PEM_read_PrivateKey(f, NULL, NULL, none);
    fclose(f);
    ERR_clear_error();
    if (!pkey || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(pkey);
        err_set(e, ERR_SYNTAX, "", "signing key %s: not an Ed25519 private key in PEM", path);
        return NULL;
    }
    struct key *k = xmalloc(sizeof *k);
    k->pkey = pkey;
    return k;
}

/* The PEM text of a fresh key; the memory is wiped after it. */
static bool write_fresh(int fd, const char *path, struct err *e)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *mem = BIO_new(BIO_s_secmem());
    char *text = NULL;
    bool ok = pkey && mem && PEM_write_bio_PKCS8PrivateKey(mem, pkey, NULL, NULL, 0, NULL, NULL) == 1;
    if (!ok) {
        crypto_err(e, "making a key");
    } else {
        long n = BIO_get_mem_data(mem, &text);
        ok = n > 0 && place_write(fd, text, (size_t)n) && fsync(fd) == 0;
        if (!ok)
            err_errno(e, ERR_IO, "", "signing key %s: cannot write it", path);
        OPENSSL_cleanse(text, n > 0 ? (size_t)n : 0);
    }
    BIO_free(mem);
    EVP_PKEY_free(pkey);
    return ok;
}

bool key_create(const char *path, struct err *e)
{
    char *temp = NULL;
    int fd = place_temp(path, 0400, &temp, e);
    if (fd < 0)
        return false;
    bool ok = write_fresh(fd, path, e);
    if (close(fd) != 0 && ok)
        ok = err_errno(e, ERR_IO, "", "signing key %s: cannot write it", path);
    if (ok)
        ok = place_publish(temp, path, e);
    else
        unlink(temp);
    free(temp);
    return ok;
}

void key_free(struct key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

void key_public(const struct key *k, uint8_t out[KEY_PUBLIC_LEN])
{
    size_t n = KEY_PUBLIC_LEN;
    memset(out, 0, KEY_PUBLIC_LEN);
    EVP_PKEY_get_raw_public_key(k->pkey, out, &n);
}

bool key_sign(const struct key *k, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = KEY_SIG_LEN;
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
              EVP_DigestSign(ctx, sig, &len, msg, n) == 1 && len == KEY_SIG_LEN;
    EVP_MD_CTX_free(ctx);
    return ok ? true : crypto_err(e, "signing");
}

struct verifier *verifier_new(const uint8_t pub[KEY_PUBLIC_LEN], struct err *e)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, KEY_PUBLIC_LEN);
    if (!pkey) {
        crypto_err(e, "reading a public key");
        return NULL;
    }
    struct verifier *v = xmalloc(sizeof *v);
    v->pkey = pkey;
    return v;
}

void verifier_free(struct verifier *v)
{
    if (!v)
        return;
    EVP_PKEY_free(v->pkey);
    free(v);
}

bool verifier_check(const struct verifier *v, const void *msg, size_t n, const uint8_t sig[KEY_SIG_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, v->pkey) == 1 &&
              EVP_DigestVerify(ctx, sig, KEY_SIG_LEN, msg, n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

bool key_public_pem(const uint8_t pub[KEY_PUBLIC_LEN], struct buf *out, struct err *e)
{
    struct verifier *v = verifier_new(pub, e);
    if (!v)
        return false;
    BIO *mem = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool ok = mem && PEM_write_bio_PUBKEY(mem, v->pkey) == 1;
    long n = ok ? BIO_get_mem_data(mem, &text) : 0;
    ok = ok && n > 0 && buf_add(out, text, (size_t)n);
    BIO_free(mem);
    verifier_free(v);
    return ok ? true : crypto_err(e, "writing the public key");
}
