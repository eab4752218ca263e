/* Proofs that one entry is in the log: every entry of logs of many sizes, by all verifiers; and every change of one. */
#include "tests/audit/desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/cosign.h"
#include "audit/proof.h"
#include "audit/receipts.h"

static char *prove(struct box *b, int64_t seq, const char *cache, char *path, size_t size, struct audit_proved *p)
{
    struct err e = {0};
    struct buf out;
    struct audit_log *l = box_open(b);
    buf_init(&out, PROOF_MAX);
    if (!audit_prove(l, seq, cache, &out, p, &e))
        fail_msg("entry %lld: %s (%s)", (long long)seq, e.what, e.cause);
    snprintf(path, size, "%s/e.tlog-proof", b->dir);
    write_all(path, out.data, out.len);
    char *vkey = strdup(audit_vkey(l));
    buf_release(&out);
    audit_close(l);
    return vkey;
}

static int run(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        alarm(600);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int sh(const char *vkey, const char *path)
{
    return run((const char *[]){"sh", "docs/audit-tools/verify.sh", vkey, path, NULL});
}

static int py(const char *vkey, const char *path)
{
    /* -O leaves asserts out, and PYTHONOPTIMIZE in the environment is as good */
    return run((const char *[]){"python3", "-O", "docs/audit-tools/proof.py", vkey, path, NULL});
}

static bool c(const char *vkey, const char *path, struct audit_proved *p)
{
    struct err e = {0};
    struct buf leaf;
    buf_init(&leaf, ENTRY_MAX);
    bool told = audit_verify_proof(path, vkey, NULL, 0, p, &leaf, &e);
    buf_release(&leaf);
    if (!told)
        fail_msg("cannot tell: %s", e.what);
    return p->ok;
}

static void every_entry_of_every_size(void **state)
{
    (void)state;
    struct audit_proved made, p;
    char path[200];
    for (int size = 1; size <= 20; size++) {
        struct box b;
        box_init(&b);
        box_fill(&b, size - 1);
        for (int64_t seq = 1; seq <= size; seq++) {
            char *vkey = prove(&b, seq, NULL, path, sizeof path, &made);
            assert_int_equal(made.size, size);
            assert_true(c(vkey, path, &p));
            assert_int_equal(p.seq, seq);
            assert_string_equal(p.root, made.root);
            if (size % 7 == 6 && (seq % 5 == 1 || seq == size)) {
                assert_int_equal(sh(vkey, path), 0);
                assert_int_equal(py(vkey, path), 0);
            }
            free(vkey);
        }
        struct audit_log *l = box_open(&b);
        struct err e = {0};
        struct buf out;
        buf_init(&out, PROOF_MAX);
        for (int64_t seq = -1; seq <= size + 1; seq += seq == 0 ? size + 1 : 1) {
            assert_false(audit_prove(l, seq, NULL, &out, &made, &e));
            assert_int_equal(e.code, ERR_NOT_FOUND);
        }
        buf_release(&out);
        audit_close(l);
        box_release(&b);
    }
}

/* A changed byte anywhere, and pieces that go, come twice or are swapped: no verifier takes it. */
static void a_changed_proof_is_none(void **state)
{
    (void)state;
    struct box b;
    struct audit_proved made, p;
    char path[200];
    size_t n;
    uint64_t seed = 11;
    box_init(&b);
    box_fill(&b, 12);
    char *vkey = prove(&b, 6, NULL, path, sizeof path, &made), *old = read_all(path, &n);
    for (size_t at = 0; at < n; at++) { /* andon: each byte */
        char was = old[at];
        old[at] = (char)(was ^ (1 << at % 7));
        write_all(path, old, n);
        old[at] = was;
        if (c(vkey, path, &p))
            fail_msg("byte %zu changed, and it verifies", at);
    }
    for (int i = 0; i < 60; i++) { /* all three: some */
        char *t = malloc(2 * n);
        size_t at = (size_t)(rnd(&seed) % n), len = 1 + (size_t)(rnd(&seed) % (n - at)), m = n;
        memcpy(t, old, n);
        switch (i % 5) {
        case 0:
            t[at] = (char)(t[at] ^ (1 << rnd(&seed) % 8));
            break;
        case 1:
            memmove(t + at, t + at + len, n - at - len);
            m = n - len;
            break;
        case 2:
            memmove(t + at + len, old + at, n - at);
            m = n + len;
            break;
        case 3:
            m = at;
            break;
        default:
            t[at] = "\n 0aZ=\r"[rnd(&seed) % 7];
        }
        if (m == n && memcmp(t, old, n) == 0)
            t[0] = 'x';
        write_all(path, t, m);
        free(t);
        bool ok = c(vkey, path, &p);
        int by_sh = sh(vkey, path), by_py = py(vkey, path);
        if (ok || by_sh == 0 || by_py == 0)
            fail_msg("change %d: andon %d, verify.sh %d, proof.py %d", i, !ok, by_sh, by_py);
    }
    write_all(path, old, n);
    assert_true(c(vkey, path, &p));
    const char *other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_false(c(other, path, &p));
    assert_int_equal(sh(other, path), 1);
    assert_int_equal(py(other, path), 1);
    free(vkey);
    free(old);
    box_release(&b);
}

/* Lines that belong to the format and not here. */
static void what_is_added_to_a_proof(void **state)
{
    (void)state;
    static const struct {
        const char *sed;
        bool ok;
    } cases[] = {{"$p", true}, /* the signature twice */
                 {"$a\xe2\x80\x94 other/key AAAAAAAA", true},
                 {"$amore text", false},
                 {"$s/$/\\n/", false},
                 {"s/$/\r/", false},
                 {"4p", false},
                 {"4d", false},
                 {"2d", false},
                 {"2s/=*$/====/", false},
                 {"3s/5/05/", false},
                 {"3s/5/4/", false},
                 {"3s/5/13/", false},
                 {"3s/5/-5/", false},
                 {"1s/v1/v2/", false},
                 {"2s/extra/extras/", false}};
    struct box b;
    struct audit_proved made, p;
    char path[200], copy[220];
    size_t n;
    box_init(&b);
    box_fill(&b, 12);
    char *vkey = prove(&b, 6, NULL, path, sizeof path, &made), *old = read_all(path, &n);
    snprintf(copy, sizeof copy, "%s.copy", path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_all(copy, old, n);
        char arg[120];
        snprintf(arg, sizeof arg, "%s", cases[i].sed);
        assert_int_equal(run((const char *[]){"sed", "-i", arg, copy, NULL}), 0);
        bool ok = c(vkey, copy, &p);
        int by_sh = sh(vkey, copy), by_py = py(vkey, copy);
        if (ok != cases[i].ok || (by_sh == 0) != ok || (by_py == 0) != ok)
            fail_msg("%s: andon %d (%s), verify.sh %d, proof.py %d", cases[i].sed, ok, p.text, by_sh, by_py);
    }
    free(vkey);
    free(old);
    box_release(&b);
}

/* With a witness's receipt in the log, the proof is of the checkpoint that it signed. */
static void a_witness_is_in_the_proof(void **state)
{
    (void)state;
    struct box b;
    struct audit_proved made, p;
    struct err e = {0};
    struct entry en;
    struct note_key log, witness, stranger;
    uint8_t pub[KEY_PUBLIC_LEN], raw[128];
    struct buf body, line, leaf;
    struct audit_head h;
    char path[200], wkey[128], b64[200];
    size_t got;
    int64_t t = 1931257300;
    if (entry_kind_from_word("receipt") == ENTRY_KIND_COUNT)
        skip();
    box_init(&b);
    box_fill(&b, 12);
    snprintf(wkey, sizeof wkey, "%s/witness.key", b.dir);
    assert_true(key_create(wkey, &e));
    struct key *k = key_load(wkey, &e);
    key_public(k, pub);
    assert_true(note_key_init_as(&witness, ALG_COSIGN, "hub/witness", pub, &e));
    pub[0] ^= 1;
    assert_true(note_key_init_as(&stranger, ALG_COSIGN, "hub/stranger", pub, &e));
    struct audit_log *l = box_open(&b);
    assert_true(audit_head(l, &h, &e));
    assert_true(note_key_parse(&log, h.vkey, &e));
    buf_init(&body, NOTE_MAX);
    buf_init(&line, NOTE_MAX);
    struct checkpoint cp = {.size = (uint64_t)h.size};
    snprintf(cp.origin, sizeof cp.origin, "%s", log.name);
    assert_true(tree_hash_parse(h.root, 64, cp.root));
    note_body(&cp, &body);
    assert_true(cosign_make(k, &witness, (struct slice){body.data, body.len}, t, &line, &e));
    /* its base64 alone goes into the entry */
    char *last = strrchr(line.data, ' ') + 1;
    snprintf(b64, sizeof b64, "%.*s", (int)strcspn(last, "\n"), last);
    assert_true(base64_decode(b64, strlen(b64), raw, &got));
    make_entry(&en, ENTRY_NOTICE, 0, "ok");
    entry_str(&en, "witness", "hub/witness");
    entry_int(&en, "size", h.size);
    entry_str(&en, "root", h.root);
    entry_str(&en, "cosignature", b64);
    en.kind = entry_kind_from_word("receipt");
    put(l, &en);
    make_entry(&en, ENTRY_INTENT, 9, "");
    int64_t after = put(l, &en);
    audit_close(l);
    char *vkey = prove(&b, 6, NULL, path, sizeof path, &made);
    assert_int_equal(made.size, h.size);
    assert_int_equal(made.cosignatures, 1);
    assert_true(c(vkey, path, &p));
    assert_int_equal(sh(vkey, path), 0);
    assert_int_equal(py(vkey, path), 0);
    const char *known[] = {stranger.vkey, witness.vkey};
    buf_init(&leaf, ENTRY_MAX);
    assert_true(audit_verify_proof(path, vkey, known, 2, &p, &leaf, &e));
    assert_int_equal(p.witnesses, 1);
    assert_non_null(strstr(p.text, "OK (witnessed by 1 of the 2"));
    assert_int_equal(run((const char *[]){"sh", "docs/audit-tools/verify.sh", vkey, path, "", witness.vkey, NULL}), 0);
    assert_int_equal(run((const char *[]){"sh", "docs/audit-tools/verify.sh", vkey, path, "", stranger.vkey, NULL}), 1);
    char dir[128]; /* and an export of it is witnessed up to there, a slice not */
    struct audit_report r;
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, NULL, dir);
    assert_true(audit_verify_export(dir, NULL, known, 2, NULL, &r, &e));
    assert_true(r.ok && !r.unwitnessed);
    assert_int_equal(r.witnessed, h.size);
    snprintf(dir, sizeof dir, "%s/slice", b.dir);
    desk_export(&b, &(struct audit_export_spec){.q = &(struct audit_query){.from_seq = 10}}, dir);
    assert_true(audit_verify_export(dir, NULL, known, 2, NULL, &r, &e));
    assert_true(r.ok && r.unwitnessed);
    free(vkey);
    vkey = prove(&b, after, NULL, path, sizeof path, &made); /* newer than what was witnessed */
    assert_int_equal(made.cosignatures, 0);
    assert_int_equal(made.size, after);
    free(vkey);
    buf_release(&leaf);
    buf_release(&body);
    buf_release(&line);
    key_free(k);
    box_release(&b);
}

/* An entry changed in the file, and a receipt in it that names the changed tree: nothing that the key signs may say so.
 */
static void a_receipt_of_a_changed_tree_proves_nothing(void **state)
{
    (void)state;
    struct box b;
    struct audit_head h;
    struct audit_proved made;
    struct stored *all;
    size_t n;
    struct err e = {0};
    struct entry en;
    struct arena a;
    struct tree t;
    struct buf out, changed, text;
    uint8_t hash[HASH_LEN], root[HASH_LEN];
    char hex[HASH_HEX], root_hex[HASH_HEX];
    box_init(&b);
    box_fill(&b, 12);
    struct audit_log *l = box_open(&b);
    assert_true(audit_head(l, &h, &e));
    make_entry(&en, ENTRY_RECEIPT, 0, "ok");
    receipt_entry(&en, "hub/witness", (uint64_t)h.size, h.root, "AAAA", 1931257300);
    int64_t receipt = put(l, &en);
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){0}, &a, &all, &n, &e));
    assert_int_equal(n, (size_t)receipt);
    tree_init(&t);
    buf_init(&text, 1 << 16);
    buf_init(&changed, ENTRY_MAX);
    for (int64_t i = 1; i <= h.size; i++) {
        const char *line = all[i - 1].line, *who = i == 6 ? strstr(line, "mara") : NULL;
        buf_clear(&changed);
        buf_printf(&changed, "%.*s%s%s", who ? (int)(who - line) : 0, line, who ? "lena" : "", who ? who + 4 : line);
        tree_leaf_hash(changed.data, changed.len, hash);
        tree_push(&t, hash);
        if (!who)
            continue;
        hex_encode(hex, hash, HASH_LEN);
        buf_printf(&text,
                   "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'mara', 'lena') AS BLOB), "
                   "hash = x'%s' WHERE seq = 6;",
                   hex);
    }
    tree_root(&t, root);
    hex_encode(root_hex, root, HASH_LEN);
    buf_printf(&text, "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '%s', '%s') AS BLOB) WHERE seq = %lld;",
               h.root, root_hex, (long long)receipt);
    arena_release(&a);
    audit_close(l);
    tamper(&b, text.data);
    l = box_open(&b);
    buf_init(&out, PROOF_MAX);
    assert_false(audit_prove(l, 6, NULL, &out, &made, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    audit_close(l);
    buf_release(&out);
    buf_release(&text);
    buf_release(&changed);
    box_release(&b);
}

/* What is kept between two proofs makes no difference, whatever is in it. */
static void a_cache_changes_nothing(void **state)
{
    (void)state;
    struct box b;
    struct audit_proved made, p;
    char path[200], cache[128];
    size_t n, m;
    box_init(&b);
    box_fill(&b, 3000);
    snprintf(cache, sizeof cache, "%s/cache", b.dir);
    static const int64_t seqs[] = {1, 1024, 1025, 2048, 2049, 3000, 3001};
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        char *vkey = prove(&b, seqs[i], NULL, path, sizeof path, &made), *plain = read_all(path, &n);
        for (int how = 0; how < 5; how++) {
            if (how == 2) /* of another log */
                write_all(cache, "andon-subtrees 1\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                          17 + 64);
            else if (how == 3)
                write_all(cache, "", 0);
            else if (how == 4)
                write_all(cache, "rubbish", 7);
            free(prove(&b, seqs[i], cache, path, sizeof path, &made));
            char *cached = read_all(path, &m);
            assert_int_equal(n, m);
            assert_memory_equal(plain, cached, n);
            free(cached);
        }
        assert_true(c(vkey, path, &p));
        free(plain);
        free(vkey);
    }
    assert_int_equal(sh("", path), 2);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_of_every_size),
        cmocka_unit_test(a_changed_proof_is_none),
        cmocka_unit_test(what_is_added_to_a_proof),
        cmocka_unit_test(a_witness_is_in_the_proof),
        cmocka_unit_test(a_receipt_of_a_changed_tree_proves_nothing),
        cmocka_unit_test(a_cache_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
