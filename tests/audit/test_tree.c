/* Hash tree, signed notes, keys, and the reader of canonical lines: against published vectors and by brute force. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/csv.h"
#include "audit/key.h"
#include "audit/leaf.h"
#include "audit/note.h"
#include "audit/tree.h"
#include "core/csv.h"

/* The reference tree of Certificate Transparency (RFC 6962 implementations test against it). */
static const struct {
    const char *leaf;
    size_t n;
    const char *root; /* after this leaf */
} REFERENCE[] = {
    {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

static void roots_are_those_of_rfc_6962(void **state)
{
    (void)state;
    struct tree t;
    uint8_t h[HASH_LEN], root[HASH_LEN];
    char hex[HASH_HEX];
    tree_init(&t);
    tree_root(&t, root);
    hex_encode(hex, root, HASH_LEN);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < sizeof REFERENCE / sizeof *REFERENCE; i++) {
        tree_leaf_hash(REFERENCE[i].leaf, REFERENCE[i].n, h);
        tree_push(&t, h);
        tree_root(&t, root);
        hex_encode(hex, root, HASH_LEN);
        assert_string_equal(hex, REFERENCE[i].root);
    }
}

/* The definition, word for word: split at the largest power of two below n. */
static void by_definition(const uint8_t (*leaf)[HASH_LEN], uint64_t n, uint8_t out[HASH_LEN])
{
    uint8_t l[HASH_LEN], r[HASH_LEN];
    uint64_t k = 1;
    if (n == 1) {
        memcpy(out, leaf[0], HASH_LEN);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    by_definition(leaf, k, l);
    by_definition(leaf + k, n - k, r);
    tree_node_hash(l, r, out);
}

#define LEAVES 70

static void the_root_of_every_size_is_by_definition(void **state)
{
    (void)state;
    uint8_t leaf[LEAVES][HASH_LEN], root[HASH_LEN], want[HASH_LEN];
    struct tree t;
    tree_init(&t);
    for (uint64_t n = 1; n <= LEAVES; n++) {
        tree_leaf_hash(&n, sizeof n, leaf[n - 1]);
        tree_push(&t, leaf[n - 1]);
        tree_root(&t, root);
        by_definition((const uint8_t(*)[HASH_LEN])leaf, n, want);
        assert_memory_equal(root, want, HASH_LEN);
    }
}

static void a_frontier_survives_packing(void **state)
{
    (void)state;
    struct tree t, u;
    uint8_t bytes[TREE_DEPTH * HASH_LEN], a[HASH_LEN], b[HASH_LEN];
    tree_init(&t);
    for (uint64_t n = 1; n <= 40; n++) {
        tree_leaf_hash(&n, sizeof n, a);
        tree_push(&t, a);
        size_t used = tree_pack(&t, bytes);
        assert_true(tree_unpack(&u, n, bytes, used));
        assert_false(tree_unpack(&u, n, bytes, used + 1));
        assert_false(tree_unpack(&u, n, bytes, used - HASH_LEN));
        assert_true(tree_unpack(&u, n, bytes, used));
        tree_root(&t, a);
        tree_root(&u, b);
        assert_memory_equal(a, b, HASH_LEN);
    }
    assert_false(tree_unpack(&u, UINT64_MAX, bytes, 64 * HASH_LEN));
}

/* The example of golang.org/x/mod/sumdb/note, made by another implementation. */
static void a_note_signed_by_another_program_verifies(void **state)
{
    (void)state;
    static const char text[] = "If you think cryptography is the answer to your problem,\n"
                               "then you don't know what your problem is.\n";
    static const char b64[] =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    struct note_key k;
    struct err e = {0};
    uint8_t raw[96];
    size_t n;
    assert_true(note_key_parse(&k, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", &e));
    assert_string_equal(k.id_hex, "c74f20a3");
    assert_string_equal(k.name, "PeterNeumann");
    assert_true(base64_decode(b64, strlen(b64), raw, &n));
    assert_int_equal(n, 68);
    assert_memory_equal(raw, k.id, 4);
    struct verifier *v = verifier_new(k.pub, &e);
    assert_true(verifier_check(v, text, strlen(text), raw + 4));
    raw[10] ^= 1;
    assert_false(verifier_check(v, text, strlen(text), raw + 4));
    verifier_free(v);
}

static void wrong_verifier_keys_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "+",
                                      "a+b+c",
                                      "PeterNeumann+c74f20a3",
                                      "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                      "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                      "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                      "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
                                      "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                      "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct note_key k;
        struct err e = {0};
        assert_false(note_key_parse(&k, bad[i], &e));
        assert_int_equal(e.code, ERR_SYNTAX);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="},
                             *const bad[] = {"Z", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm9\n", "Zm 9v"};
    uint8_t out[16];
    size_t n;
    for (size_t i = 0; i < 5; i++) {
        struct buf again;
        buf_init(&again, 64);
        assert_true(base64_decode(good[i], strlen(good[i]), out, &n));
        base64_encode(&again, out, n);
        assert_string_equal(again.data, good[i]);
        buf_release(&again);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(base64_decode(bad[i], strlen(bad[i]), out, &n));
}

static void a_checkpoint_holds_only_with_its_own_signature(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    struct note_key name;
    struct checkpoint c = {.origin = "andon/test", .size = 18231}, back;
    struct buf body, note, more;
    uint8_t pub[KEY_PUBLIC_LEN], sig[KEY_SIG_LEN];
    box_init(&b);
    assert_true(key_create(b.key, &e));
    assert_false(key_create(b.key, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    struct key *k = key_load(b.key, &e);
    assert_non_null(k);
    key_public(k, pub);
    assert_true(note_key_init(&name, c.origin, pub, &e));
    struct verifier *v = verifier_new(pub, &e);
    memset(c.root, 7, HASH_LEN);
    buf_init(&body, NOTE_MAX);
    buf_init(&note, NOTE_MAX);
    buf_init(&more, 2 * NOTE_MAX);
    note_body(&c, &body);
    assert_string_equal(body.data, "andon/test\n18231\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
    assert_true(key_sign(k, body.data, body.len, sig, &e));
    note_seal(&c, &name, sig, &note);
    assert_true(note_open(note.data, note.len, &name, v, &back, &e));
    assert_true(back.size == c.size);
    assert_memory_equal(back.root, c.root, HASH_LEN);
    for (size_t i = 0; i < note.len; i++) { /* every bit of it matters */
        for (int bit = 0; bit < 8; bit++) {
            note.data[i] = (char)(note.data[i] ^ 1 << bit);
            assert_false(note_open(note.data, note.len, &name, v, &back, &e));
            assert_int_equal(e.code, ERR_TAMPERED);
            note.data[i] = (char)(note.data[i] ^ 1 << bit);
        }
    }
    for (size_t n = 0; n < note.len; n++)
        assert_false(note_open(note.data, n, &name, v, &back, &e));
    buf_add(&more, note.data, note.len); /* a witness added its line: not ours to judge */
    buf_adds(&more, "\xe2\x80\x94 witness.example AAAAAGFiYw==\n");
    assert_true(note_open(more.data, more.len, &name, v, &back, &e));
    buf_adds(&more, "rubbish without an end");
    assert_false(note_open(more.data, more.len, &name, v, &back, &e));
    buf_release(&body);
    buf_release(&note);
    buf_release(&more);
    verifier_free(v);
    key_free(k);
    box_release(&b);
}

static bool scans(const char *line)
{
    struct leaf l;
    return leaf_scan(line, strlen(line), &l);
}

static void only_canonical_lines_are_read(void **state)
{
    (void)state;
    static const char good[] = "{\"actor\":{\"kind\":\"person\",\"name\":\"m\"},\"f\":{\"a\":1,\"b\":\"x\"},"
                               "\"kind\":\"intent\",\"seq\":1,\"t\":-5,\"v\":1}";
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "{\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1} ",
        " {\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1,\"t\": 5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1,}",
        "{\"kind\":\"x\",\"t\":5,\"seq\":1,\"v\":1}",                /* order */
        "{\"kind\":\"x\",\"kind\":\"y\",\"seq\":1,\"t\":5,\"v\":1}", /* twice */
        "{\"f\":{\"b\":1,\"a\":1},\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":01,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1.5,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1,\"t\":-0,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":0,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1,\"v\":1}",
        "{\"seq\":1,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":99999999999999999999,\"t\":5}",
        "{\"kind\":\"x\",\"seq\":true,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\ny\",\"seq\":1,\"t\":5,\"v\":1}",
        "{\"corr\":\"12\",\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1}",
        "{\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1}{}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}},\"kind\":\"x\",\"seq\":1,\"t\":5,\"v\":1}"};
    assert_true(scans(good));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (scans(bad[i]))
            fail_msg("was read: %s", bad[i]);
    }
    for (size_t n = 0; n < strlen(good); n++) { /* cut anywhere, from memory of exactly that size */
        struct leaf l;
        char *cut = malloc(n ? n : 1);
        memcpy(cut, good, n);
        assert_false(leaf_scan(cut, n, &l));
        free(cut);
    }
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) { /* no mutation may lead it out of the line */
        struct leaf l;
        size_t n = strlen(good), at = 0;
        struct member m;
        char *line = malloc(n);
        memcpy(line, good, n);
        for (uint64_t k = rnd(&seed) % 4; k-- > 0;)
            line[rnd(&seed) % n] = "{}\",:\\0a1u"[rnd(&seed) % 10];
        if (leaf_scan(line, n, &l)) {
            struct arena a;
            struct stored s;
            uint8_t hash[HASH_LEN] = {0};
            arena_init(&a);
            assert_true(leaf_decode(line, n, hash, &a, &s));
            arena_release(&a);
            while (leaf_member(l.fields, &at, &m))
                assert_true(m.value.p >= line && m.value.p + m.value.n <= line + n);
        }
        free(line);
    }
}

static void cells_cannot_be_formulas(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {{"plain", "\"plain\""},
                 {"", "\"\""},
                 {"=1+1", "\"'=1+1\""},
                 {"+1", "\"'+1\""},
                 {"-2+3", "\"'-2+3\""},
                 {"@SUM(A1)", "\"'@SUM(A1)\""},
                 {"  =1", "\"'  =1\""},
                 {"\xef\xbc\x9d"
                  "1",
                  "\"'\xef\xbc\x9d"
                  "1\""},
                 {"say \"x\"", "\"say \"\"x\"\"\""},
                 {"a,b;c", "\"a,b;c\""}};
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&b);
        csv_cell(&b, cases[i].in);
        assert_string_equal(b.data, cases[i].out);
    }
    static const char *const control[] = {"\tx", "\r=1", "a\nb", "\x1b[31m", "x\xc2\x9by", "\x7f"};
    for (size_t i = 0; i < sizeof control / sizeof *control; i++) {
        buf_clear(&b);
        csv_cell(&b, control[i]);
        for (size_t k = 0; k < b.len; k++)
            assert_true((unsigned char)b.data[k] >= 0x20 && b.data[k] != 0x7f);
        assert_null(strstr(b.data, "\xc2\x9b"));
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_rfc_6962),
        cmocka_unit_test(the_root_of_every_size_is_by_definition),
        cmocka_unit_test(a_frontier_survives_packing),
        cmocka_unit_test(a_note_signed_by_another_program_verifies),
        cmocka_unit_test(wrong_verifier_keys_are_refused),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(a_checkpoint_holds_only_with_its_own_signature),
        cmocka_unit_test(only_canonical_lines_are_read),
        cmocka_unit_test(cells_cannot_be_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
