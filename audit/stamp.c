#include "audit/stamp.h"

#include <string.h>
#include <time.h>
/* OpenSSL's headers have a type of the name of one of our error codes. */
#define ERR_STATE openssl_err_state
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#undef ERR_STATE
#include "core/clock.h"
#include "core/text.h"

static bool fail(struct err *e, enum err_code code, const char *next, const char *what)
{
    char text[160] = "";
    unsigned long why = ERR_get_error();
    if (why)
        ERR_error_string_n(why, text, sizeof text);
    ERR_clear_error();
    err_set(e, code, next, "time stamp: %s", what);
    err_cause(e, "%s", text);
    return false;
}

static TS_MSG_IMPRINT *imprint_of(const unsigned char digest[SHA256_BYTES])
{
    unsigned char copy[SHA256_BYTES];
    TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
    X509_ALGOR *algo = X509_ALGOR_new();
    memcpy(copy, digest, sizeof copy); /* the call's argument is not const */
    if (algo)
        X509_ALGOR_set0(algo, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL);
    if (!m || !algo || !TS_MSG_IMPRINT_set_algo(m, algo) || !TS_MSG_IMPRINT_set_msg(m, copy, sizeof copy)) {
        TS_MSG_IMPRINT_free(m);
        m = NULL;
    }
    X509_ALGOR_free(algo); /* set_algo copied it */
    return m;
}

static ASN1_INTEGER *number_of(const unsigned char nonce[STAMP_NONCE])
{
    BIGNUM *bn = BN_bin2bn(nonce, STAMP_NONCE, NULL);
    ASN1_INTEGER *i = bn ? BN_to_ASN1_INTEGER(bn, NULL) : NULL;
    BN_free(bn);
    return i;
}

/* nonce NULL: none, for a kept token. */
static TS_REQ *req_of(const unsigned char digest[SHA256_BYTES], const unsigned char *nonce)
{
    TS_REQ *q = TS_REQ_new();
    TS_MSG_IMPRINT *m = imprint_of(digest);
    ASN1_INTEGER *no = nonce ? number_of(nonce) : NULL;
    if (!q || !m || !TS_REQ_set_version(q, 1) || !TS_REQ_set_msg_imprint(q, m) || !TS_REQ_set_cert_req(q, 1) ||
        (nonce && (!no || !TS_REQ_set_nonce(q, no)))) {
        TS_REQ_free(q);
        q = NULL;
    }
    TS_MSG_IMPRINT_free(m);
    ASN1_INTEGER_free(no);
    return q;
}

bool stamp_request(const unsigned char digest[SHA256_BYTES], unsigned char nonce[STAMP_NONCE], struct buf *out,
                   struct err *e)
{
    unsigned char *der = NULL;
    int n = -1;
    if (RAND_bytes(nonce, STAMP_NONCE) == 1) {
        TS_REQ *q = req_of(digest, nonce);
        n = q ? i2d_TS_REQ(q, &der) : -1;
        TS_REQ_free(q);
    }
    bool ok = n > 0 && buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return ok ? true : fail(e, ERR_INTERNAL, "", "cannot make a request");
}

/* ---- what a token says ---- */

static int64_t time_of(const ASN1_GENERALIZEDTIME *g)
{
    struct tm tm = {0};
    int64_t us = 0, step = 100000;
    if (!g || ASN1_TIME_to_tm(g, &tm) != 1)
        return 0;
    /* "20311231235959.123Z": the fraction is ours to read, tm has none. */
    const char *dot = memchr(ASN1_STRING_get0_data(g), '.', (size_t)ASN1_STRING_length(g));
    const char *end = (const char *)ASN1_STRING_get0_data(g) + ASN1_STRING_length(g);
    for (const char *p = dot ? dot + 1 : end; p < end && *p >= '0' && *p <= '9'; p++, step /= 10)
        us += (*p - '0') * step;
    return (int64_t)timegm(&tm) * US_PER_S + us;
}

static int64_t accuracy_of(TS_TST_INFO *info)
{
    TS_ACCURACY *a = TS_TST_INFO_get_accuracy(info);
    int64_t s = 0, ms = 0, us = 0;
    if (!a)
        return -1;
    const ASN1_INTEGER *part[] = {TS_ACCURACY_get_seconds(a), TS_ACCURACY_get_millis(a), TS_ACCURACY_get_micros(a)};
    int64_t *to[] = {&s, &ms, &us};
    for (size_t i = 0; i < 3; i++)
        if (part[i] && (!ASN1_INTEGER_get_int64(to[i], part[i]) || *to[i] < 0 || *to[i] > 1000000))
            return -1;
    return s * US_PER_S + ms * US_PER_MS + us;
}

static void serial_of(TS_TST_INFO *info, char *out, size_t size)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(TS_TST_INFO_get_serial(info), NULL);
    char *text = bn ? BN_bn2hex(bn) : NULL;
    snprintf(out, size, "%.60s", text ? text : "");
    OPENSSL_free(text);
    BN_free(bn);
}

static void signer_of(PKCS7 *token, char *out, size_t size)
{
    char line[400] = "";
    STACK_OF(X509) *signers = PKCS7_get0_signers(token, NULL, 0);
    X509 *cert = signers && sk_X509_num(signers) == 1 ? sk_X509_value(signers, 0) : NULL;
    BIO *b = cert ? BIO_new(BIO_s_mem()) : NULL;
    if (b && X509_NAME_print_ex(b, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        int n = BIO_read(b, line, sizeof line - 1);
        line[n > 0 ? n : 0] = '\0';
    }
    BIO_free(b);
    sk_X509_free(signers);
    safe_text_into(out, size, line, strlen(line));
    ERR_clear_error();
}

static bool same_digest(TS_TST_INFO *info, const unsigned char digest[SHA256_BYTES])
{
    TS_MSG_IMPRINT *m = TS_TST_INFO_get_msg_imprint(info);
    const X509_ALGOR *algo = m ? TS_MSG_IMPRINT_get_algo(m) : NULL;
    const ASN1_OBJECT *oid = NULL;
    if (!algo)
        return false;
    X509_ALGOR_get0(&oid, NULL, NULL, algo);
    ASN1_OCTET_STRING *s = TS_MSG_IMPRINT_get_msg(m);
    return OBJ_obj2nid(oid) == NID_sha256 && ASN1_STRING_length(s) == SHA256_BYTES &&
           memcmp(ASN1_STRING_get0_data(s), digest, SHA256_BYTES) == 0;
}

/* Certificates that the operator trusts, judged as of `t`. */
static X509_STORE *store_of(const char *ca_file, int64_t t)
{
    X509_STORE *s = X509_STORE_new();
    if (s && X509_STORE_load_file(s, ca_file) != 1) {
        X509_STORE_free(s);
        return NULL;
    }
    if (s)
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(s), (time_t)(t / US_PER_S));
    return s;
}

/* Signed by a certificate for time stamping under ca_file, about this request. resp NULL: a kept token, no nonce. */
static bool is_signed(PKCS7 *token, TS_RESP *resp, TS_REQ *req, const char *ca_file, int64_t t, struct err *e)
{
    X509_STORE *store = store_of(ca_file, t);
    if (!store)
        return fail(e, ERR_NOT_FOUND, "name a file with the authority's root certificate in PEM",
                    "cannot read the authority's certificates");
    TS_VERIFY_CTX *v = TS_REQ_to_TS_VERIFY_CTX(req, NULL);
    bool ok = false;
    if (v) {
        TS_VERIFY_CTX_add_flags(v, TS_VFY_SIGNATURE);
        TS_VERIFY_CTX_set_store(v, store); /* takes it */
        store = NULL;
        ok = (resp ? TS_RESP_verify_response(v, resp) : TS_RESP_verify_token(v, token)) == 1;
    }
    TS_VERIFY_CTX_free(v);
    X509_STORE_free(store);
    return ok ? true
              : fail(e, ERR_TAMPERED, "",
                     "not signed by a time stamping certificate that the configured one vouches for, or about another "
                     "request");
}

/* What the token says, when it is about the digest. */
static bool told(PKCS7 *token, const unsigned char digest[SHA256_BYTES], struct stamp *out, struct err *e)
{
    TS_TST_INFO *info = token ? PKCS7_to_TS_TST_INFO(token) : NULL;
    memset(out, 0, sizeof *out);
    if (!info)
        return fail(e, ERR_SYNTAX, "", "not a time stamp token");
    bool about = same_digest(info, digest);
    out->t = time_of(TS_TST_INFO_get_time(info));
    out->accuracy_us = accuracy_of(info);
    serial_of(info, out->serial, sizeof out->serial);
    signer_of(token, out->signer, sizeof out->signer);
    TS_TST_INFO_free(info);
    if (!about)
        return fail(e, ERR_TAMPERED, "", "it is about something else");
    return out->t > 0 ? true : fail(e, ERR_SYNTAX, "", "it names no time");
}

static PKCS7 *token_read(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    PKCS7 *token = n <= STAMP_TOKEN_MAX ? d2i_PKCS7(NULL, &at, (long)n) : NULL;
    if (token && at != (const unsigned char *)bytes + n) { /* something after it */
        PKCS7_free(token);
        token = NULL;
    }
    return token;
}

bool stamp_token(const void *bytes, size_t n, const unsigned char digest[SHA256_BYTES], const char *ca_file,
                 struct stamp *out, struct err *e)
{
    PKCS7 *token = token_read(bytes, n);
    bool ok = told(token, digest, out, e);
    if (ok && ca_file) {
        TS_REQ *req = req_of(digest, NULL);
        ok = req ? is_signed(token, NULL, req, ca_file, out->t, e) : fail(e, ERR_INTERNAL, "", "out of order");
        TS_REQ_free(req);
    }
    PKCS7_free(token);
    ERR_clear_error();
    return ok;
}

/* The authority's words on why it did not. */
static bool not_granted(TS_RESP *r, struct err *e)
{
    const STACK_OF(ASN1_UTF8STRING) *lines = TS_STATUS_INFO_get0_text(TS_RESP_get_status_info(r));
    char safe[160] = "";
    if (lines && sk_ASN1_UTF8STRING_num(lines) > 0) {
        const ASN1_UTF8STRING *s = sk_ASN1_UTF8STRING_value(lines, 0);
        safe_text_into(safe, sizeof safe, (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    }
    fail(e, ERR_REFUSED, "", "the authority did not grant it");
    err_cause(e, "%s", safe);
    return false;
}

bool stamp_answer(const void *bytes, size_t n, const unsigned char digest[SHA256_BYTES],
                  const unsigned char nonce[STAMP_NONCE], const char *ca_file, struct buf *token, struct stamp *out,
                  struct err *e)
{
    const unsigned char *at = bytes;
    TS_RESP *r = n <= STAMP_TOKEN_MAX ? d2i_TS_RESP(NULL, &at, (long)n) : NULL;
    if (!r || at != (const unsigned char *)bytes + n) {
        TS_RESP_free(r);
        return fail(e, ERR_SYNTAX, "", "what came is no answer of a time stamping authority");
    }
    const ASN1_INTEGER *status = TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(r));
    int64_t word = -1;
    bool ok =
        ASN1_INTEGER_get_int64(&word, status) && (word == TS_STATUS_GRANTED || word == TS_STATUS_GRANTED_WITH_MODS);
    ok = ok ? told(TS_RESP_get_token(r), digest, out, e) : not_granted(r, e);
    if (ok) {
        TS_REQ *req = req_of(digest, nonce);
        ok = req ? is_signed(NULL, r, req, ca_file, out->t, e) : fail(e, ERR_INTERNAL, "", "out of order");
        TS_REQ_free(req);
    }
    if (ok) {
        unsigned char *der = NULL;
        int len = i2d_PKCS7(TS_RESP_get_token(r), &der);
        ok = len > 0 && buf_add(token, der, (size_t)len) ? true : fail(e, ERR_INTERNAL, "", "cannot keep it");
        OPENSSL_free(der);
    }
    TS_RESP_free(r);
    ERR_clear_error();
    return ok;
}
