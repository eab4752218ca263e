/* Signatures as AWS's own library makes them: the vectors are of tests/client/sigv4/make.py (botocore 1.44.8). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "client/sigv4.h"
#include "core/digest.h"
#include "core/fmt.h"

static void test_as_botocore_signs(void **state)
{
    static const struct {
        const char *method, *target, *body, *token, *signature;
    } cases[] = {
        {"GET", "/jobs?maxResults=250", "", "", "a21014868d50f910939279bd63b53bf59a7ecf63cd9422703182fc0599d28707"},
        {"GET", "/jobs?nextToken=a%2Fb%3D%3D&maxResults=2", "", "", /* sent in another order than it is signed */
         "c95cbc95329e2df532175ff1f1b0fb11bd896350b1f3b2c1f3601b231dffb5ee"},
        {"GET", "/things/odd%3Aname%20x/jobs?status=QUEUED", "", "",
         "3512919968dafb64c074968b0fe9883b9e1df7e5a989ec1fbf283bb3d3b8e546"},
        {"PUT", "/jobs/andon-1", "{\"targets\":[\"x\"]}", "",
         "4e680cbeb414ebe837c78a70ef8e2a6e5e01d6ba929b8695b89095f03c5d5d14"},
        {"PUT", "/things/a/jobs/b/cancel?force=true", "{}", "a/Token+of=some//length",
         "c27226032051051d10a510189be758762271c21ebea1d04a0cbf5618561cde3d"},
        {"GET", "/things?x-a=1&x=2&maxResults=1&empty=", "", "t",
         "2ad5cf38cc678a3675daa1432baece440f28684c8946bc15c22f4622fc086fd8"},
        {"PATCH", "/thing%25/%C3%A4~._-", "\xc3\xa4", "",
         "6f5e4624cba628e3a73da7308a7dbf71ab8fc0d935a1f9158d558707aaeebec1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        const char *headers[SIGV4_HEADERS][2], *at;
        struct sigv4_key k = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", cases[i].token};
        struct sigv4_request r = {.method = cases[i].method,
                                  .host = "iot.eu-west-1.amazonaws.com",
                                  .target = cases[i].target,
                                  .body = cases[i].body,
                                  .body_n = strlen(cases[i].body),
                                  .region = "eu-west-1",
                                  .service = "iot"};
        assert_true(fmt_iso_parse("2026-12-01T07:05:09Z", &r.at));
        arena_init(&a);
        size_t n = sigv4_sign(&r, &k, &a, headers);
        assert_int_equal(n, cases[i].token[0] ? 3 : 2);
        assert_string_equal(headers[0][1], "20261201T070509Z");
        at = strstr(headers[1][1], "Signature=");
        assert_non_null(at);
        assert_string_equal(at + 10, cases[i].signature);
        assert_true(!!strstr(headers[1][1], "x-amz-security-token") == (cases[i].token[0] != '\0'));
        assert_null(strstr(headers[1][1], "wJalr"));
        arena_release(&a);
    }
}

/* RFC 4231, cases 2 and 6. */
static void test_hmac(void **state)
{
    unsigned char out[SHA256_BYTES], key[131];
    char hex[SHA256_HEX];
    (void)state;
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    hex_encode(hex, out, sizeof out);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    hex_encode(hex, out, sizeof out);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_keys(void **state)
{
    static const char lines[] = "# x\n[default]\naws_access_key_id = A1\r\n  aws_secret_access_key=S/1=\n[night]\n"
                                "aws_access_key_id=A2\naws_secret_access_key=S2\naws_session_token = T2\n";
    static const struct {
        const char *text, *profile, *id, *secret, *token; /* id NULL: refused */
    } cases[] = {
        {lines, "", "A1", "S/1=", ""},
        {lines, "night", "A2", "S2", "T2"},
        {lines, "day", NULL, NULL, NULL},
        {"aws_access_key_id=A\naws_secret_access_key=S", "", "A", "S", ""},
        {" {\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"SessionToken\":\"T\"}", "", "A", "S", "T"},
        {"{\"AccessKeyId\":\"A\"}", "", NULL, NULL, NULL},
        {"{\"AccessKeyId\":\"A\\r\\nX: y\",\"SecretAccessKey\":\"S\"}", "", NULL, NULL, NULL},
        {"{", "", NULL, NULL, NULL},
        {"", "", NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct sigv4_key k;
        struct err e = {0};
        arena_init(&a);
        bool ok = sigv4_key_parse(cases[i].text, strlen(cases[i].text), cases[i].profile, &a, &k, &e);
        assert_int_equal(ok, cases[i].id != NULL);
        if (ok) {
            assert_string_equal(k.id, cases[i].id);
            assert_string_equal(k.secret, cases[i].secret);
            assert_string_equal(k.token, cases[i].token);
        } else {
            assert_int_equal(e.code, ERR_AUTH);
        }
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_botocore_signs), cmocka_unit_test(test_hmac),
                                       cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
