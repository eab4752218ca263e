/* Time stamps, against an authority that is the openssl command's own. */
#include "tests/audit/help.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/stamp.h"
#include "core/clock.h"

static char dir[64];

static void run(const char *what)
{
    char line[1200];
    snprintf(line, sizeof line, "cd %s && { %s; } >>log 2>&1", dir, what);
    if (system(line) != 0)
        fail_msg("%s (see %s/log)", what, dir);
}

static void keep(const char *name, const void *p, size_t n)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void fetch(const char *name, struct buf *out)
{
    char path[120], chunk[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    buf_clear(out);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_add(out, chunk, n);
    fclose(f);
}

static const char conf[] = "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\ncrypto_device = builtin\n"
                           "signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n"
                           "accuracy = secs:1, millisecs:500\nordering = yes\ntsa_name = no\ness_cert_id_chain = no\n"
                           "ess_cert_id_alg = sha256\nclock_precision_digits = 3\n"
                           "[ext]\nextendedKeyUsage = critical,timeStamping\nkeyUsage = critical,digitalSignature\n"
                           "[other]\nextendedKeyUsage = serverAuth\n"
                           "[req]\ndistinguished_name = dn\n[dn]\n";

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/andon-stamp-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    keep("conf", conf, sizeof conf - 1);
    keep("serial", "01\n", 3);
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 "
        "-subj '/CN=Root of Time'");
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout no.key -out other.pem -days 30 "
        "-subj '/CN=Somebody Else'");
    for (int i = 0; i < 2; i++) {
        const char *who = i ? "web" : "tsa", *ext = i ? "other" : "ext";
        char line[600];
        snprintf(line, sizeof line,
                 "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out r.csr "
                 "-subj '/O=Clockwork/CN=%s' && openssl x509 -req -in r.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
                 "-days 20 -extfile conf -extensions %s -out %s.pem",
                 who, who, ext, who);
        run(line);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char line[100];
    snprintf(line, sizeof line, "rm -rf %s", dir);
    return system(line);
}

/* The authority's answer to a request for this digest. */
static void ask(const unsigned char digest[SHA256_BYTES], unsigned char nonce[STAMP_NONCE], struct buf *answer)
{
    struct buf req;
    struct err e = {0};
    buf_init(&req, 4096);
    assert_true(stamp_request(digest, nonce, &req, &e));
    keep("q.tsq", req.data, req.len);
    run("openssl ts -reply -config conf -queryfile q.tsq -signer tsa.pem -inkey tsa.key -out r.tsr");
    fetch("r.tsr", answer);
    buf_release(&req);
}

static char ca[100], other[100];

static void granted_and_kept(void **state)
{
    (void)state;
    unsigned char digest[SHA256_BYTES], nonce[STAMP_NONCE];
    struct buf answer, token;
    struct stamp s;
    struct err e = {0};
    buf_init(&answer, STAMP_TOKEN_MAX);
    buf_init(&token, STAMP_TOKEN_MAX);
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    snprintf(other, sizeof other, "%s/other.pem", dir);
    sha256_bytes("checkpoint", 10, digest);
    int64_t before = clock_wall(clock_real());
    ask(digest, nonce, &answer);
    if (!stamp_answer(answer.data, answer.len, digest, nonce, ca, &token, &s, &e))
        fail_msg("%s: %s", e.what, e.cause);
    assert_true(s.t >= before - US_PER_S && s.t <= clock_wall(clock_real()) + US_PER_S);
    assert_int_equal(s.accuracy_us, 1500000);
    assert_string_equal(s.serial, "02");
    assert_non_null(strstr(s.signer, "Clockwork"));
    /* The command takes the kept token, and so do we; without certificates too, which then says less. */
    keep("kept.der", token.data, token.len);
    keep("what", "checkpoint", 10);
    run("openssl ts -verify -data what -in kept.der -token_in -CAfile ca.pem");
    assert_true(stamp_token(token.data, token.len, digest, ca, &s, &e));
    assert_true(stamp_token(token.data, token.len, digest, NULL, &s, &e));
    assert_int_equal(s.accuracy_us, 1500000);
    /* Another root, another digest, another nonce, no file. */
    assert_false(stamp_token(token.data, token.len, digest, other, &s, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    assert_false(stamp_token(token.data, token.len, digest, "/nonexistent/ca.pem", &s, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    nonce[0] ^= 1;
    buf_clear(&token);
    assert_false(stamp_answer(answer.data, answer.len, digest, nonce, ca, &token, &s, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    nonce[0] ^= 1;
    digest[31] ^= 1;
    assert_false(stamp_answer(answer.data, answer.len, digest, nonce, ca, &token, &s, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    assert_int_equal(token.len, 0); /* nothing is kept of what does not hold */
    buf_release(&answer);
    buf_release(&token);
}

static void a_server_is_no_authority(void **state)
{
    (void)state;
    unsigned char digest[SHA256_BYTES], nonce[STAMP_NONCE];
    struct buf req, answer, token;
    struct stamp s;
    struct err e = {0};
    buf_init(&req, 4096);
    buf_init(&answer, STAMP_TOKEN_MAX);
    buf_init(&token, STAMP_TOKEN_MAX);
    sha256_bytes("x", 1, digest);
    /* openssl refuses to sign with such a certificate: so its signature is made with the authority's, its root another.
     */
    ask(digest, nonce, &answer);
    char path[100];
    snprintf(path, sizeof path, "%s/web.pem", dir);
    assert_false(stamp_answer(answer.data, answer.len, digest, nonce, path, &token, &s, &e));
    /* It does not want to: a digest that it does not take. */
    assert_true(stamp_request(digest, nonce, &req, &e));
    keep("q.tsq", req.data, req.len);
    run("sed 's/^digests = .*/digests = sha512/' conf >c2; openssl ts -reply -config c2 -queryfile q.tsq -signer "
        "tsa.pem "
        "-inkey tsa.key -out r.tsr");
    fetch("r.tsr", &answer);
    assert_false(stamp_answer(answer.data, answer.len, digest, nonce, ca, &token, &s, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_true(*e.cause);
    buf_release(&req);
    buf_release(&answer);
    buf_release(&token);
}

static void every_byte_counts(void **state)
{
    (void)state;
    unsigned char digest[SHA256_BYTES], nonce[STAMP_NONCE];
    struct buf answer, token;
    struct stamp s, was;
    struct err e = {0};
    buf_init(&answer, STAMP_TOKEN_MAX);
    buf_init(&token, STAMP_TOKEN_MAX);
    sha256_bytes("checkpoint", 10, digest);
    ask(digest, nonce, &answer);
    assert_true(stamp_answer(answer.data, answer.len, digest, nonce, ca, &token, &was, &e));
    /* A changed byte either is found, or says nothing else (unsigned parts of the envelope). Cut: always found. */
    int found = 0;
    assert_true(stamp_token(token.data, token.len, digest, ca, &s, &e));
    for (size_t i = 0; i < token.len; i++) {
        token.data[i] ^= 0x10;
        if (stamp_token(token.data, token.len, digest, ca, &s, &e))
            assert_int_equal(s.t, was.t);
        else
            found++;
        token.data[i] ^= 0x10;
        assert_false(stamp_token(token.data, i, digest, ca, &s, &e));
    }
    assert_true(found > (int)token.len * 9 / 10);
    buf_addc(&token, '\0');
    assert_false(stamp_token(token.data, token.len, digest, ca, &s, &e));
    assert_false(stamp_answer("", 0, digest, nonce, ca, &token, &s, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    buf_release(&answer);
    buf_release(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granted_and_kept),
        cmocka_unit_test(a_server_is_no_authority),
        cmocka_unit_test(every_byte_counts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
