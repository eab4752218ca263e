/* Consistency proofs, cosignatures, and the witness: what it signs, what it refuses, and what it remembers. */
#include "tests/audit/help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/cosign.h"
#include "audit/growth.h"
#include "audit/heir.h"
#include "audit/mirror.h"
#include "audit/place.h"
#include "audit/rebuild.h"
#include "audit/receipts.h"
#include "audit/tree.h"
#include "audit/witness.h"

#define LEAVES 70

/* --- proofs --- */

static uint8_t leaf[LEAVES][HASH_LEN];

static void tree_of(struct tree *t, uint64_t n)
{
    tree_init(t);
    for (uint64_t i = 0; i < n; i++) {
        tree_leaf_hash(&i, sizeof i, leaf[i]);
        tree_push(t, leaf[i]);
    }
}

static void every_pair_of_sizes_has_a_proof_that_holds_for_it_alone(void **state)
{
    (void)state;
    uint8_t proof[TREE_PROOF_MAX + 1][HASH_LEN], a[HASH_LEN], b[HASH_LEN];
    struct tree old, whole;
    tree_of(&whole, LEAVES);
    for (uint64_t n = 1; n <= LEAVES; n++) {
        tree_of(&whole, n);
        tree_root(&whole, b);
        for (uint64_t m = 0; m <= n; m++) {
            tree_of(&old, m);
            tree_root(&old, a);
            tree_of(&whole, LEAVES);
            size_t k = tree_grow_proof(&old, (const uint8_t(*)[HASH_LEN])leaf + m, n - m, proof);
            const uint8_t(*p)[HASH_LEN] = (const uint8_t(*)[HASH_LEN])proof;
            assert_true(tree_grew(m, a, n, b, p, k));
            if (m == 0)
                continue;
            /* another root, old or new; a hash too many, one too few, a changed one; another size */
            a[0] ^= 1;
            assert_false(tree_grew(m, a, n, b, p, k));
            a[0] ^= 1;
            b[31] ^= 1;
            assert_false(tree_grew(m, a, n, b, p, k));
            b[31] ^= 1;
            memcpy(proof[k], b, HASH_LEN);
            assert_false(tree_grew(m, a, n, b, p, k + 1));
            if (k > 0)
                assert_false(tree_grew(m, a, n, b, p, k - 1));
            for (size_t i = 0; i < k; i++) {
                proof[i][5] ^= 0x10;
                assert_false(tree_grew(m, a, n, b, p, k));
                proof[i][5] ^= 0x10;
            }
            assert_false(tree_grew(n + 1, b, m, a, p, k));
        }
    }
}

/* The reference tree of Certificate Transparency, as in test_tree.c. */
static void proofs_are_those_of_rfc_6962(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } data[] = {{"", 0},
                {"\x00", 1},
                {"\x10", 1},
                {"\x20\x21", 2},
                {"\x30\x31", 2},
                {"\x40\x41\x42\x43", 4},
                {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
                {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16}};
    static const struct {
        uint64_t from, to;
        const char *hash[4];
    } want[] = {
        {1, 1, {NULL}},
        {1,
         8,
         {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
          "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
        {6,
         8,
         {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
          "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
          "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
        {2,
         5,
         {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
    };
    uint8_t hash[8][HASH_LEN], proof[TREE_PROOF_MAX][HASH_LEN];
    for (size_t i = 0; i < 8; i++)
        tree_leaf_hash(data[i].bytes, data[i].n, hash[i]);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct tree t;
        char hex[HASH_HEX];
        tree_init(&t);
        for (uint64_t k = 0; k < want[i].from; k++)
            tree_push(&t, hash[k]);
        size_t n =
            tree_grow_proof(&t, (const uint8_t(*)[HASH_LEN])hash + want[i].from, want[i].to - want[i].from, proof);
        for (size_t k = 0; k < n; k++) {
            hex_encode(hex, proof[k], HASH_LEN);
            assert_non_null(want[i].hash[k]);
            assert_string_equal(hex, want[i].hash[k]);
        }
        assert_null(want[i].hash[n]);
    }
}

/* --- a log and a witness of our own --- */

struct rig {
    char dir[64];
    struct key *key;
    struct note_key name;
    char vkey[VKEY_MAX];
    struct witness *w;
    struct witness_spec spec;
    const char *logs[1];
    struct witness_answer answer;
};

static int set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    struct err e = {0};
    char path[128];
    uint8_t pub[KEY_PUBLIC_LEN];
    snprintf(r->dir, sizeof r->dir, "/tmp/andon-witness-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(path, sizeof path, "%s/log.key", r->dir);
    assert_true(key_create(path, &e));
    r->key = key_load(path, &e);
    assert_non_null(r->key);
    key_public(r->key, pub);
    assert_true(note_key_init(&r->name, "andon/hub-a", pub, &e));
    r->logs[0] = r->name.vkey;
    static char folder[128];
    snprintf(folder, sizeof folder, "%s/w", r->dir);
    r->spec = (struct witness_spec){.folder = folder, .name = "hub-b/witness", .logs = r->logs, .n_logs = 1};
    r->w = witness_open(&r->spec, &e);
    assert_non_null(r->w);
    buf_init(&r->answer.body, 1 << 16);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    char command[128];
    witness_close(r->w);
    key_free(r->key);
    buf_release(&r->answer.body);
    snprintf(command, sizeof command, "rm -rf '%s'", r->dir);
    assert_int_equal(system(command), 0);
    free(r);
    return 0;
}

/* The signed checkpoint of the first n leaves; `other` makes another history from its number on (0: none). */
static void checkpoint_of(struct rig *r, uint64_t n, uint64_t other, struct tree *t, struct buf *out)
{
    struct checkpoint c = {.size = n};
    struct err e = {0};
    uint8_t sig[KEY_SIG_LEN];
    struct buf body;
    tree_init(t);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t what = other && i + 1 >= other ? i + 1000 : i;
        tree_leaf_hash(&what, sizeof what, leaf[i]);
        tree_push(t, leaf[i]);
    }
    memcpy(c.origin, r->name.name, sizeof c.origin);
    tree_root(t, c.root);
    buf_init(&body, NOTE_MAX);
    note_body(&c, &body);
    assert_true(key_sign(r->key, body.data, body.len, sig, &e));
    note_seal(&c, &r->name, sig, out);
    buf_release(&body);
}

static int push(struct rig *r, uint64_t from, uint64_t n, uint64_t other)
{
    struct buf req;
    struct tree old, now;
    uint8_t proof[TREE_PROOF_MAX][HASH_LEN];
    struct buf note;
    buf_init(&req, 1 << 16);
    buf_init(&note, NOTE_MAX);
    checkpoint_of(r, n, other, &now, &note);
    tree_init(&old);
    for (uint64_t i = 0; i < from && i < n; i++)
        tree_push(&old, leaf[i]);
    size_t k = from <= n ? tree_grow_proof(&old, (const uint8_t(*)[HASH_LEN])leaf + from, n - from, proof) : 0;
    buf_printf(&req, "old %llu\n", (unsigned long long)from);
    for (size_t i = 0; i < k; i++) {
        base64_encode(&req, proof[i], HASH_LEN);
        buf_addc(&req, '\n');
    }
    buf_addc(&req, '\n');
    buf_add(&req, note.data, note.len);
    buf_clear(&r->answer.body);
    witness_add(r->w, (struct slice){req.data, req.len}, &r->answer);
    buf_release(&req);
    buf_release(&note);
    return r->answer.status;
}

static int push_bytes(struct rig *r, const char *s)
{
    buf_clear(&r->answer.body);
    witness_add(r->w, slice_of(s), &r->answer);
    return r->answer.status;
}

static void what_grows_is_cosigned_and_the_word_checks(void **state)
{
    struct rig *r = *state;
    struct cosigner c;
    struct err e = {0};
    struct buf note;
    struct tree t;
    struct checkpoint cp;
    struct slice body, lines;
    int64_t at = 0;
    assert_int_equal(push(r, 0, 5, 0), 200);
    assert_int_equal(push(r, 5, 5, 0), 200); /* the same again */
    assert_int_equal(push(r, 5, 23, 0), 200);
    assert_int_equal(r->answer.word, WITNESS_QUIET);
    assert_string_equal(r->answer.told, "");
    buf_init(&note, NOTE_MAX);
    checkpoint_of(r, 23, 0, &t, &note);
    assert_true(note_split(note.data, note.len, &cp, &body, &lines));
    assert_true(cosigner_open(&c, witness_vkey(r->w), &e));
    lines = (struct slice){r->answer.body.data, r->answer.body.len};
    assert_true(cosign_check(&c, body, lines, NULL, &at));
    assert_true(at > 1700000000);

    /* with another time, another checkpoint, another key, another name: no */
    uint8_t raw[COSIGN_RAW];
    assert_true(cosign_check(&c, body, lines, raw, &at));
    raw[11] ^= 1;
    assert_false(cosign_check_raw(&c, body, raw, &at));
    raw[11] ^= 1;
    assert_true(cosign_check_raw(&c, body, raw, &at));
    assert_false(cosign_check_raw(&c, (struct slice){body.p, body.n - 1}, raw, &at));
    struct cosigner other = c;
    other.key.id[0] ^= 1;
    assert_false(cosign_check(&other, body, lines, NULL, &at));
    snprintf(other.key.name, sizeof other.key.name, "hub-c/witness");
    memcpy(other.key.id, c.key.id, 4);
    assert_false(cosign_check(&other, body, lines, NULL, &at));
    struct verifier *v = verifier_new(r->name.pub, &e);
    other = c;
    other.v = v;
    assert_false(cosign_check(&other, body, lines, NULL, &at));
    verifier_free(v);
    cosigner_close(&c);
    buf_release(&note);
}

static void a_log_key_is_no_witness_key_and_the_other_way_round(void **state)
{
    struct rig *r = *state;
    struct note_key k;
    struct err e = {0};
    assert_false(note_key_parse(&k, witness_vkey(r->w), &e));
    assert_false(note_key_parse_as(&k, ALG_COSIGN, r->name.vkey, &e));
    assert_true(note_key_parse_as(&k, ALG_COSIGN, witness_vkey(r->w), &e));
    assert_string_equal(k.name, "hub-b/witness");
}

static void the_answers_are_those_of_tlog_witness(void **state)
{
    struct rig *r = *state;
    assert_int_equal(push(r, 0, 5, 0), 200);
    assert_int_equal(push(r, 0, 9, 0), 409);
    assert_string_equal(r->answer.body.data, "5\n");
    assert_string_equal(r->answer.type, "text/x.tlog.size");
    assert_int_equal(push(r, 9, 5, 0), 400); /* old larger than the checkpoint */
    assert_int_equal(push_bytes(r, ""), 400);
    assert_int_equal(push_bytes(r, "old 05\n\nandon/hub-a\n5\n"), 400);
    assert_int_equal(push_bytes(r, "old 5\n\n"), 400);
    assert_int_equal(push_bytes(r, "old -1\n\nandon/hub-x\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"), 400);
    assert_int_equal(push_bytes(r, "old 0\n\nandon/hub-x\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"), 404);
    assert_int_equal(push_bytes(r, "old 5\n\nandon/hub-a\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"
                                   "\xe2\x80\x94 andon/hub-a AAAA\n"),
                     403);
    assert_int_equal(push(r, 5, 9, 0), 200);
}

static int files_like(const struct rig *r, const char *start)
{
    int n = 0;
    DIR *d = opendir(r->spec.folder);
    for (struct dirent *f; (f = readdir(d));)
        n += strncmp(f->d_name, start, strlen(start)) == 0;
    closedir(d);
    return n;
}

static void a_fork_is_refused_kept_and_told_once(void **state)
{
    struct rig *r = *state;
    assert_int_equal(push(r, 0, 9, 0), 200);
    assert_int_equal(push(r, 9, 9, 7), 422); /* as many entries, another root */
    assert_int_equal(r->answer.word, WITNESS_FORK);
    assert_int_equal(files_like(r, "fork-"), 1);
    assert_int_equal(push(r, 9, 9, 7), 422);
    assert_int_equal(r->answer.word, WITNESS_QUIET);
    assert_string_equal(r->answer.told, "");
    assert_int_equal(files_like(r, "fork-"), 1);
    assert_int_equal(push(r, 9, 20, 7), 422); /* grown after it was put back */
    assert_int_equal(r->answer.word, WITNESS_FORK);
    assert_int_equal(files_like(r, "fork-"), 2);
    assert_int_equal(push(r, 0, 9, 3), 409); /* without a word of what was cosigned */
    assert_int_equal(r->answer.word, WITNESS_FORK);
    assert_string_equal(r->answer.body.data, "9\n");
    assert_int_equal(push(r, 9, 20, 0), 200); /* the true one goes on */
}

/* The forks of one log, however many, hide none of another. */
static void forks_of_one_log_hide_none_of_another(void **state)
{
    struct rig *r = *state;
    char path[200];
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "%.120s/fork-0123456789abcdef-%016x.txt", r->spec.folder, (unsigned)i);
        write_all(path, "x\n", 2);
    }
    assert_int_equal(push(r, 0, 9, 0), 200);
    assert_int_equal(push(r, 9, 9, 7), 422);
    assert_int_equal(r->answer.word, WITNESS_FORK);
    assert_int_equal(files_like(r, "fork-"), 65);
}

struct listing {
    int logs, forks;
    int64_t size;
    bool whole;
};

static void on_seen(void *ctx, const struct witness_seen *s)
{
    struct listing *l = ctx;
    l->logs++;
    l->size = s->size;
    l->whole = s->whole;
}

static void on_fork(void *ctx, const char *path, const char *text)
{
    struct listing *l = ctx;
    assert_non_null(path);
    assert_non_null(strstr(text, "andon/hub-a"));
    l->forks++;
}

static void it_remembers_over_a_restart_and_nobody_else_has_its_folder(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    struct listing l = {0};
    char hash[SHA256_HEX], vkey[VKEY_MAX], path[256];
    struct buf b;
    buf_init(&b, NOTE_MAX);
    assert_int_equal(push(r, 0, 9, 0), 200);
    assert_int_equal(push(r, 9, 9, 2), 422);
    assert_null(witness_open(&r->spec, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    snprintf(vkey, sizeof vkey, "%s", witness_vkey(r->w));
    witness_close(r->w);
    r->spec.name = "another-name"; /* the folder has one */
    r->w = witness_open(&r->spec, &e);
    assert_non_null(r->w);
    assert_string_equal(witness_vkey(r->w), vkey);
    assert_int_equal(push(r, 0, 5, 0), 409);
    assert_string_equal(r->answer.body.data, "9\n");
    assert_int_equal(push(r, 9, 12, 0), 200);
    sha256_hex("andon/hub-a", 11, hash);
    assert_true(witness_checkpoint(r->w, hash, &b));
    assert_non_null(strstr(b.data, "andon/hub-a\n12\n"));
    assert_non_null(strstr(b.data, "\xe2\x80\x94 andon/hub-a "));
    assert_non_null(strstr(b.data, "\xe2\x80\x94 hub-b/witness "));
    hash[0] = hash[0] == 'a' ? 'b' : 'a';
    assert_false(witness_checkpoint(r->w, hash, &b));
    assert_true(witness_list(&r->spec, on_seen, on_fork, &l, &e));
    assert_int_equal(l.logs, 1);
    assert_int_equal(l.forks, 1);
    assert_int_equal(l.size, 12);
    assert_true(l.whole);

    /* a memory that was changed is none */
    sha256_hex("andon/hub-a", 11, hash);
    snprintf(path, sizeof path, "%s/%s.checkpoint", r->spec.folder, hash);
    buf_clear(&b);
    assert_true(place_read(path, 8192, &b, &e));
    char *at = strstr(b.data, "\n12\n");
    at[2] = '1';
    assert_true(place_replace(path, b.data, b.len, 0600, &e));
    witness_close(r->w);
    r->w = witness_open(&r->spec, &e);
    assert_null(r->w);
    assert_int_equal(e.code, ERR_TAMPERED);
    memset(&l, 0, sizeof l);
    assert_true(witness_list(&r->spec, on_seen, on_fork, &l, &e));
    assert_false(l.whole);
    buf_release(&b);
}

/* Nothing is given away that is not durable: a folder that cannot be written any more. */
static void without_memory_it_says_nothing(void **state)
{
    struct rig *r = *state;
    char command[256];
    assert_int_equal(push(r, 0, 4, 0), 200);
    snprintf(command, sizeof command, "rm -rf '%s' && : > '%s'", r->spec.folder, r->spec.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(push(r, 4, 6, 0), 500);
    assert_string_not_equal(r->answer.told, "");
    assert_null(memmem(r->answer.body.data, r->answer.body.len, "hub-b/witness", 13));
}

/* The first head of a log is said, for it may be one that was forgotten; a second one is not. Asked for the same again,
 * it neither signs nor writes. */
static int64_t still_now = INT64_C(1900000000000000);
static int64_t still(struct clock *c)
{
    (void)c;
    return still_now;
}

static void a_log_that_is_taken_anew_is_said(void **state)
{
    struct rig *r = *state;
    struct clock clock = {.now = still, .wall = still};
    struct err e = {0};
    char hash[SHA256_HEX], path[256], first[300];
    struct stat was, is;
    sha256_hex("andon/hub-a", 11, hash);
    snprintf(path, sizeof path, "%s/%s.checkpoint", r->spec.folder, hash);
    r->spec.clock = &clock;
    for (int lost = 0; lost < 2; lost++) {
        witness_close(r->w);
        r->w = witness_open(&r->spec, &e);
        assert_non_null(r->w);
        assert_int_equal(push(r, 0, 9, 0), 200);
        assert_int_equal(r->answer.word, WITNESS_ANEW);
        assert_non_null(strstr(r->answer.told, "andon/hub-a is witnessed from 9 entries on"));
        snprintf(first, sizeof first, "%s", r->answer.body.data);
        assert_int_equal(stat(path, &was), 0);
        still_now += WITNESS_FRESH_US - 1;
        assert_int_equal(push(r, 9, 9, 0), 200);
        assert_string_equal(r->answer.body.data, first);
        assert_int_equal(r->answer.word, WITNESS_QUIET);
        assert_int_equal(stat(path, &is), 0);
        assert_true(was.st_ino == is.st_ino && was.st_mtim.tv_nsec == is.st_mtim.tv_nsec);
        still_now++;
        assert_int_equal(push(r, 9, 9, 0), 200);
        assert_string_not_equal(r->answer.body.data, first);
        assert_int_equal(push(r, 9, 9, 7), 422); /* fresh or not */
        assert_int_equal(push(r, 9, 12, 0), 200);
        assert_int_equal(r->answer.word, WITNESS_QUIET);
        assert_int_equal(unlink(path), 0);
    }
}

/* Entries that were mirrored show that there was a head. */
static void a_memory_that_is_missing_is_none(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    char hash[SHA256_HEX], path[256];
    const char line[] = "{\"kind\":\"config\",\"mono_us\":1,\"seq\":1,\"t\":1,\"v\":3}\n";
    sha256_hex("andon/hub-a", 11, hash);
    witness_close(r->w);
    r->spec.mirror = true;
    snprintf(path, sizeof path, "%s/%s.entries", r->spec.folder, hash);
    write_all(path, line, sizeof line - 1);
    r->w = witness_open(&r->spec, &e);
    assert_null(r->w);
    assert_int_equal(e.code, ERR_TAMPERED);
    assert_non_null(strstr(e.what, "is missing, and 1 entries"));
    write_all(path, "", 0);
    r->w = witness_open(&r->spec, &e);
    assert_non_null(r->w);
}

static void on_log(void *ctx, const struct witness_seen *s)
{
    *(int *)ctx = s->whole ? (int)s->log : -1;
}

/* What is kept of the log's own signature is checked too, where its key is known. */
static void the_log_s_signature_is_looked_at(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    struct buf b;
    char hash[SHA256_HEX], path[256];
    int log = -2;
    buf_init(&b, NOTE_MAX);
    assert_int_equal(push(r, 0, 9, 0), 200);
    assert_true(witness_list(&r->spec, on_log, on_fork, &log, &e));
    assert_int_equal(log, LOG_SIGNED);
    sha256_hex("andon/hub-a", 11, hash);
    snprintf(path, sizeof path, "%s/%s.checkpoint", r->spec.folder, hash);
    assert_true(place_read(path, 8192, &b, &e));
    char *at = strstr(b.data, "\xe2\x80\x94 andon/hub-a ") + strlen("\xe2\x80\x94 andon/hub-a ") + 30;
    *at = *at == 'A' ? 'B' : 'A';
    assert_true(place_replace(path, b.data, b.len, 0600, &e));
    assert_true(witness_list(&r->spec, on_log, on_fork, &log, &e));
    assert_int_equal(log, LOG_UNSIGNED);
    r->spec.n_logs = 0;
    assert_true(witness_list(&r->spec, on_log, on_fork, &log, &e));
    assert_int_equal(log, LOG_UNKNOWN);
    buf_release(&b);
}

/* --- a log of andon's own --- */

struct witnessed {
    struct box box;
    struct witness *w;
    struct audit_log *l;
    char folder[128];
    const char *logs[1], *keys[1];
    struct witness_answer answer;
};

static void witnessed_open(struct witnessed *x)
{
    struct err e = {0};
    memset(x, 0, sizeof *x);
    box_init(&x->box);
    x->l = box_open(&x->box);
    x->logs[0] = audit_vkey(x->l);
    snprintf(x->folder, sizeof x->folder, "%s/w", x->box.dir);
    x->w = witness_open(&(struct witness_spec){.folder = x->folder, .name = "far/w", .logs = x->logs, .n_logs = 1}, &e);
    assert_non_null(x->w);
    x->keys[0] = witness_vkey(x->w);
    buf_init(&x->answer.body, 1 << 16);
}

static void witnessed_close(struct witnessed *x)
{
    audit_close(x->l);
    witness_close(x->w);
    buf_release(&x->answer.body);
    box_release(&x->box);
}

/* Sends what is new since `at`, and appends the receipt; `at` goes along. `spoil`: a bit of the signature. */
static void have_witnessed(struct witnessed *x, struct tree *at, bool spoil)
{
    struct growth g;
    struct err e = {0};
    struct cosigner c;
    struct checkpoint cp;
    struct slice body, lines;
    struct entry en;
    struct buf line;
    uint8_t raw[COSIGN_RAW];
    char root[HASH_HEX];
    int64_t t;
    growth_init(&g);
    assert_true(growth_since(x->l, at, &g, &e));
    buf_clear(&x->answer.body);
    witness_add(x->w, (struct slice){g.body.data, g.body.len}, &x->answer);
    assert_int_equal(x->answer.status, 200);
    const char *gap = strstr(g.body.data, "\n\n");
    assert_true(note_split(gap + 2, strlen(gap + 2), &cp, &body, &lines));
    assert_true(cosigner_open(&c, x->keys[0], &e));
    assert_true(cosign_check(&c, body, (struct slice){x->answer.body.data, x->answer.body.len}, raw, &t));
    raw[20] ^= spoil;
    buf_init(&line, 256);
    base64_encode(&line, raw, sizeof raw);
    hex_encode(root, cp.root, HASH_LEN);
    entry_init(&en, ENTRY_RECEIPT);
    en.t = x->box.now;
    receipt_entry(&en, c.key.name, cp.size, root, line.data, t);
    put(x->l, &en);
    *at = g.tree;
    buf_release(&line);
    cosigner_close(&c);
    growth_release(&g);
}

static void some(struct witnessed *x, int n)
{
    struct entry en;
    for (int i = 0; i < n; i++) {
        make_entry(&en, ENTRY_OUTCOME, (uint64_t)i + 1, "ok");
        put(x->l, &en);
    }
}

static void receipts_say_how_far_the_log_is_witnessed(void **state)
{
    (void)state;
    struct witnessed x;
    struct audit_report r;
    struct tree at;
    struct err e = {0};
    char text[200];
    witnessed_open(&x);
    tree_init(&at);
    some(&x, 10);
    have_witnessed(&x, &at, false);
    some(&x, 30);
    have_witnessed(&x, &at, false); /* 42 entries: genesis, 10, a receipt, 30 */
    some(&x, 3);
    /* by whom nobody knows: said, not counted */
    assert_true(audit_verify(&x.box.spec, NULL, &r, &e));
    assert_true(r.ok && r.unwitnessed);
    assert_int_equal(r.unknown_witnesses, 1);
    assert_non_null(strstr(r.text, "OK (unwitnessed: a roll back of the file is not excluded; receipts of 1 witness "));
    x.box.spec.witnesses = x.keys;
    x.box.spec.n_witnesses = 1;
    assert_true(audit_verify(&x.box.spec, NULL, &r, &e));
    assert_true(r.ok && !r.unwitnessed);
    assert_int_equal(r.witnessed, 42);
    assert_int_equal(r.entries, 46);
    assert_string_equal(r.witness, "far/w");
    assert_non_null(strstr(r.text, "OK (witnessed to entry 42 of 46 by far/w, "));
    /* nothing but receipts is new: there is nothing to ask for */
    struct growth g;
    growth_init(&g);
    have_witnessed(&x, &at, false);
    assert_true(growth_since(x.l, &at, &g, &e));
    assert_int_equal(g.newest_ask, 0);
    growth_release(&g);
    /* whoever has the file rewrites an entry, its hash and all roots, but cannot sign for the witness */
    x.box.spec.key_path = "";
    snprintf(text, sizeof text, "UPDATE entry SET leaf = replace(leaf, 'paused', 'halted') WHERE seq = 5");
    tamper(&x.box, text);
    assert_true(audit_verify(&x.box.spec, NULL, &r, &e));
    assert_false(r.ok);
    witnessed_close(&x);
}

static void a_receipt_that_is_not_its_witness_s_word_is_found(void **state)
{
    (void)state;
    struct witnessed x;
    struct audit_report r;
    struct tree at;
    struct err e = {0};
    witnessed_open(&x);
    tree_init(&at);
    some(&x, 4);
    have_witnessed(&x, &at, true);
    x.box.spec.witnesses = x.keys;
    x.box.spec.n_witnesses = 1;
    assert_true(audit_verify(&x.box.spec, NULL, &r, &e));
    assert_false(r.ok);
    assert_int_equal(r.bad_seq, 6);
    assert_non_null(strstr(r.text, "the receipt in entry 6"));
    /* of a witness that is not configured it says nothing */
    x.box.spec.n_witnesses = 0;
    assert_true(audit_verify(&x.box.spec, NULL, &r, &e));
    assert_true(r.ok);
    witnessed_close(&x);
}

/* The tree is taken up where it was left, and is that of a log read from its beginning. */
static void growth_goes_on_where_it_was(void **state)
{
    (void)state;
    struct witnessed x;
    struct tree a, b;
    struct err e = {0};
    uint8_t ra[HASH_LEN], rb[HASH_LEN];
    witnessed_open(&x);
    some(&x, 20);
    tree_init(&a);
    assert_true(growth_tree(x.l, 7, &a, &e));
    assert_true(growth_tree(x.l, 21, &a, &e));
    tree_init(&b);
    assert_true(growth_tree(x.l, 21, &b, &e));
    tree_root(&a, ra);
    tree_root(&b, rb);
    assert_memory_equal(ra, rb, HASH_LEN);
    assert_true(growth_tree(x.l, 7, &a, &e)); /* and back */
    assert_int_equal(a.size, 7);
    assert_false(growth_tree(x.l, 22, &a, &e));
    assert_int_equal(e.code, ERR_RANGE);
    /* a log that is shorter than what was seen of it */
    struct growth g;
    growth_init(&g);
    b.size = 22;
    assert_false(growth_since(x.l, &b, &g, &e));
    assert_int_equal(e.code, ERR_RANGE);
    /* stored hashes that are not those of the signed root are never sent */
    tamper(&x.box, "UPDATE entry SET hash = zeroblob(32) WHERE seq = 9");
    tree_init(&b);
    assert_false(growth_since(x.l, &b, &g, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    growth_release(&g);
    witnessed_close(&x);
}

/* --- a log that goes on in another file --- */

static void reopen(struct witnessed *x, bool follow, bool right)
{
    struct err e = {0};
    witness_close(x->w);
    x->w = witness_open(
        &(struct witness_spec){
            .folder = x->folder, .name = "far/w", .logs = x->logs, .n_logs = 1, .follow = follow, .mirror = follow},
        &e);
    assert_true((x->w != NULL) == right);
    if (!right)
        assert_int_equal(e.code, ERR_TAMPERED);
}

static int send_final(struct witnessed *x, size_t k, uint64_t from, char hash[SHA256_HEX])
{
    struct err e = {0};
    struct buf body;
    buf_init(&body, 1 << 16);
    assert_true(heir_final(x->l, k, from, &body, hash, &e));
    buf_clear(&x->answer.body);
    x->answer.status = 0; /* nothing to send */
    if (body.len > 0)
        witness_add(x->w, (struct slice){body.data, body.len}, &x->answer);
    buf_release(&body);
    return x->answer.status;
}

static int send_next(struct witnessed *x, const char *hash, const struct buf *body)
{
    buf_clear(&x->answer.body);
    witness_next(x->w, hash, (struct slice){body->data, body->len}, &x->answer);
    return x->answer.status;
}

static int send_head(struct witnessed *x, struct audit_log *l)
{
    struct growth g;
    struct tree none;
    struct err e = {0};
    tree_init(&none);
    growth_init(&g);
    assert_true(growth_since(l, &none, &g, &e));
    buf_clear(&x->answer.body);
    witness_add(x->w, (struct slice){g.body.data, g.body.len}, &x->answer);
    growth_release(&g);
    return x->answer.status;
}

static const struct audit_turn TURN = {{.kind = ACTOR_PERSON, .name = "anna"}, "it is long"};

static void a_witness_that_may_follows_a_log_into_its_next_file(void **state)
{
    (void)state;
    struct witnessed x;
    struct tree at;
    struct err e = {0};
    struct buf body;
    struct audit_report report;
    char hash[SHA256_HEX], path[240];
    witnessed_open(&x);
    char *first = xstrdup(x.logs[0]); /* the handle's own goes with its key */
    x.logs[0] = first;
    tree_init(&at);
    buf_init(&body, HEIR_MAX + 1);
    some(&x, 5);
    have_witnessed(&x, &at, false);
    some(&x, 3);
    assert_true(audit_rotate(x.l, &TURN, false, &e));
    some(&x, 4);
    assert_int_equal(heir_files(x.l), 1);
    assert_true(heir_tell(x.l, 0, &body, &e));
    /* the older file first, to its end; and nothing without being told to */
    reopen(&x, true, true);
    assert_int_equal(send_head(&x, x.l), 404);
    assert_int_equal(send_final(&x, 0, 0, hash), 409);
    assert_int_equal(send_next(&x, hash, &body), 409);
    assert_string_equal(x.answer.body.data, "6\n");
    assert_int_equal(send_final(&x, 0, 6, hash), 200);
    assert_int_equal(send_final(&x, 0, 10, hash), 0);
    reopen(&x, false, true);
    assert_int_equal(send_next(&x, hash, &body), 404);
    reopen(&x, true, true);
    /* no bit of it may be another: what is taken is what was written */
    int taken = 0;
    for (size_t i = 0; i < body.len; i++) {
        body.data[i] ^= 1;
        int status = send_next(&x, hash, &body);
        taken += status == 200;
        assert_true(status == 200 || x.answer.word == WITNESS_QUIET);
        body.data[i] ^= 1;
    }
    assert_int_equal(taken, 0);
    for (size_t n = body.len - 1; n > 0; n -= n > 40 ? 37 : 1) {
        struct buf cut = body;
        cut.len = n;
        assert_int_not_equal(send_next(&x, hash, &cut), 200);
    }
    assert_int_equal(send_next(&x, hash, &body), 200);
    assert_int_equal(x.answer.word, WITNESS_FOLLOWS);
    assert_non_null(strstr(x.answer.told, audit_vkey(x.l)));
    assert_int_equal(send_head(&x, x.l), 200);
    assert_int_equal(x.answer.word, WITNESS_QUIET); /* it is not one whose past was forgotten */
    /* told again it is no news, and it stays known; the key is changed, and it is followed there too */
    assert_int_equal(send_next(&x, hash, &body), 200);
    assert_int_equal(x.answer.word, WITNESS_QUIET);
    reopen(&x, true, true);
    some(&x, 2);
    assert_true(audit_rotate(x.l, &TURN, true, &e));
    assert_int_equal(heir_files(x.l), 2);
    assert_int_equal(send_head(&x, x.l), 404);
    assert_true(heir_tell(x.l, 1, &body, &e));
    assert_int_equal(send_final(&x, 1, 5, hash), 200);
    for (size_t i = 0; i < body.len; i += 3) {
        body.data[i] ^= 2;
        assert_int_not_equal(send_next(&x, hash, &body), 200);
        body.data[i] ^= 2;
    }
    assert_int_equal(send_next(&x, hash, &body), 200);
    assert_int_equal(send_head(&x, x.l), 200);
    /* a log that has to be recovered is for a person to look at */
    reopen(&x, true, true);
    audit_close(x.l);
    snprintf(path, sizeof path, "%s", x.box.db);
    assert_int_equal(truncate(path, 3000), 0);
    char text[400];
    assert_true(audit_go_on(&x.box.spec, &TURN, NULL, text, &e));
    x.l = box_open(&x.box);
    must_verify(&x.box, &report);
    assert_int_not_equal(send_head(&x, x.l), 200);
    /* its memory of what goes on is its memory: changed, it says nothing more */
    DIR *d = opendir(x.folder);
    char name[512] = "";
    for (struct dirent *f; d && (f = readdir(d));)
        if (strstr(f->d_name, ".next"))
            snprintf(name, sizeof name, "%s/%s", x.folder, f->d_name);
    closedir(d);
    size_t n;
    char *kept = read_all(name, &n);
    kept[60] ^= 1;
    write_all(name, kept, n);
    reopen(&x, true, false);
    free(kept);
    buf_release(&body);
    witnessed_close(&x);
    free(first);
}

/* Who goes on writing the older file has signed two histories. */
static void an_older_file_is_closed_by_what_it_goes_on_in(void **state)
{
    (void)state;
    struct witnessed x;
    struct err e = {0};
    struct buf body;
    char hash[SHA256_HEX], copy[200], key[200], command[700];
    witnessed_open(&x);
    char *first = xstrdup(x.logs[0]);
    x.logs[0] = first;
    buf_init(&body, HEIR_MAX + 1);
    some(&x, 5);
    snprintf(copy, sizeof copy, "%s/old.db", x.box.dir);
    snprintf(key, sizeof key, "%s/old.key", x.box.dir);
    audit_close(x.l);
    snprintf(command, sizeof command, "cp -p '%s' '%s' && cp -p '%s' '%s'", x.box.db, copy, x.box.key, key);
    assert_int_equal(system(command), 0);
    x.l = box_open(&x.box);
    assert_true(audit_rotate(x.l, &TURN, false, &e));
    reopen(&x, true, true);
    assert_int_equal(send_final(&x, 0, 0, hash), 200);
    assert_true(heir_tell(x.l, 0, &body, &e));
    assert_int_equal(send_next(&x, hash, &body), 200);
    /* the older one grows behind the witness's back */
    struct audit_spec other = x.box.spec;
    other.db_path = copy;
    other.key_path = key;
    struct audit_log *l = audit_open(&other, &e);
    assert_non_null(l);
    struct entry en;
    make_entry(&en, ENTRY_OUTCOME, 77, "ok");
    put(l, &en);
    struct growth g;
    struct tree at;
    tree_init(&at);
    assert_true(growth_tree(l, 6, &at, &e));
    growth_init(&g);
    assert_true(growth_since(l, &at, &g, &e));
    buf_clear(&x.answer.body);
    witness_add(x.w, (struct slice){g.body.data, g.body.len}, &x.answer);
    assert_int_equal(x.answer.status, 422);
    assert_int_equal(x.answer.word, WITNESS_FORK);
    assert_non_null(strstr(x.answer.told, "goes on in another file"));
    growth_release(&g);
    audit_close(l);
    buf_release(&body);
    witnessed_close(&x);
    free(first);
}

/* --- a mirror --- */

static int mirror_batch(struct mirror *m, struct witnessed *x, const struct tree *from, uint64_t to, struct tree *after,
                        struct buf *out)
{
    struct buf body;
    struct err e = {0};
    struct tree whole;
    uint8_t root[HASH_LEN];
    buf_init(&body, 1 << 20);
    tree_init(&whole);
    assert_true(growth_tree(x->l, to, &whole, &e));
    tree_root(&whole, root);
    assert_true(growth_batch(x->l, from, to, 2000, &body, after, &e));
    buf_clear(out);
    int status = mirror_add(m, (struct slice){body.data, body.len}, to, root, slice_of("head\n"), out);
    buf_release(&body);
    return status;
}

static void a_mirror_takes_the_log_s_entries_and_nothing_else(void **state)
{
    (void)state;
    struct witnessed x;
    struct tree at, after, none;
    struct err e = {0};
    struct buf out;
    struct audit_head head;
    char digest[65], path[200];
    uint8_t root[HASH_LEN];
    witnessed_open(&x);
    buf_init(&out, 1 << 22);
    struct entry en;
    make_entry(&en, ENTRY_OUTCOME, 1, "ok");
    assert_true(audit_put_blob(x.l, "twelve bytes", 12, digest, &e));
    entry_str(&en, "devices.blob", digest);
    put(x.l, &en);
    some(&x, 20);
    assert_true(audit_head(x.l, &head, &e));
    uint64_t to = (uint64_t)head.size;
    struct mirror *m = mirror_open(x.box.dir, "0123", &e);
    assert_non_null(m);
    tree_init(&at);
    tree_init(&none);
    int batches = 0;
    while (mirror_size(m) < to) {
        assert_false(mirror_note(m, &out)); /* of less than all there is no signed head */
        assert_int_equal(mirror_batch(m, &x, &at, to, &after, &out), 200);
        at = after;
        batches++;
    }
    assert_true(batches > 3);
    buf_clear(&out);
    assert_true(mirror_note(m, &out));
    assert_string_equal(out.data, "head\n");
    assert_int_equal(mirror_batch(m, &x, &none, to, &after, &out), 409);
    assert_int_equal(strtoll(out.data, NULL, 10), to);

    /* a line that is the next one, but not the log's */
    some(&x, 2);
    struct buf body;
    buf_init(&body, 1 << 20);
    assert_true(growth_batch(x.l, &at, to + 2, 2000, &body, &after, &e));
    tree_init(&none);
    assert_true(growth_tree(x.l, to + 2, &none, &e));
    tree_root(&none, root);
    char *name = strstr(body.data, "mara");
    name[0] = 'M';
    assert_int_equal(mirror_add(m, (struct slice){body.data, body.len}, to + 2, root, slice_of(""), &out), 422);
    name[0] = 'm';
    assert_int_equal(mirror_add(m, (struct slice){body.data, body.len - 1}, to + 2, root, slice_of(""), &out), 400);
    root[0] ^= 1;
    assert_int_equal(mirror_add(m, (struct slice){body.data, body.len}, to + 2, root, slice_of(""), &out), 422);
    root[0] ^= 1;
    assert_int_equal(mirror_size(m), to);

    /* blobs: only what is named */
    buf_clear(&out);
    mirror_missing(m, NULL, &out);
    assert_non_null(strstr(out.data, digest));
    buf_clear(&out);
    mirror_missing(m, digest, &out); /* there is none behind it */
    assert_int_equal(out.len, 0);
    assert_int_equal(mirror_put_blob(m, slice_of("eleven byte")), 404);
    assert_int_equal(mirror_put_blob(m, slice_of("twelve bytes")), 200);
    buf_clear(&out);
    mirror_missing(m, NULL, &out);
    assert_null(strstr(out.data, digest));

    /* killed while it wrote: the torn line is cut off, the rest is there */
    mirror_close(m);
    snprintf(path, sizeof path, "%s/0123.entries", x.box.dir);
    size_t n;
    char *bytes = read_all(path, &n);
    FILE *f = fopen(path, "ae");
    assert_non_null(f);
    assert_int_equal(fwrite("{\"actor\":", 1, 9, f), 9);
    fclose(f);
    m = mirror_open(x.box.dir, "0123", &e);
    assert_non_null(m);
    assert_int_equal(mirror_size(m), to);
    assert_int_equal(mirror_add(m, (struct slice){body.data, body.len}, to + 2, root, slice_of("new\n"), &out), 200);
    buf_clear(&out);
    uint64_t from = 0;
    size_t lines = 0;
    while (from < to + 2) {
        buf_clear(&out);
        assert_true(mirror_lines(m, from, &out));
        for (size_t i = 0; i < out.len; i++)
            lines += out.data[i] == '\n';
        from = lines;
    }
    assert_int_equal(lines, to + 2);
    buf_clear(&out);
    mirror_missing(m, NULL, &out);
    assert_null(strstr(out.data, digest));
    mirror_close(m);

    /* changed in what a signed head was kept for: nothing is thrown away, and nothing taken for whole */
    free(bytes);
    bytes = read_all(path, &n);
    struct checkpoint cp = {.origin = "hub", .size = to + 2};
    buf_clear(&out);
    note_body(&cp, &out);
    buf_adds(&out, "\n");
    char kept[200];
    snprintf(kept, sizeof kept, "%s/0123.mirrored", x.box.dir);
    write_all(kept, out.data, out.len);
    memcpy(strstr(bytes, "\"seq\":9,"), "\"seq\":8,", 8);
    write_all(path, bytes, n);
    assert_null(mirror_open(x.box.dir, "0123", &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, n);
    free(bytes);
    buf_release(&out);
    buf_release(&body);
    witnessed_close(&x);
}

static void a_log_is_made_again_or_not_at_all(void **state)
{
    (void)state;
    struct witnessed x;
    struct audit_report r;
    struct err e = {0};
    struct buf note, lines, body;
    struct tree none, after;
    uint64_t size;
    char path[200], digest[65];
    witnessed_open(&x);
    struct entry en;
    make_entry(&en, ENTRY_OUTCOME, 1, "ok");
    assert_true(audit_put_blob(x.l, "twelve bytes", 12, digest, &e));
    entry_str(&en, "devices.blob", digest);
    put(x.l, &en);
    some(&x, 9);
    buf_init(&note, NOTE_MAX);
    buf_init(&lines, 1 << 20);
    buf_init(&body, 1 << 20);
    assert_true(growth_head(x.l, &note, &size, &e));
    tree_init(&none);
    assert_true(growth_batch(x.l, &none, size, 1 << 19, &body, &after, &e));
    const char *first = strstr(body.data, "\n\n") + 2;
    struct slice whole = slice_of(first), head = {note.data, note.len};
    snprintf(path, sizeof path, "%s/again/log.db", x.box.dir);

    /* of another log's key; with an entry missing; with one changed */
    assert_null(rebuild_begin(path, head, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", &e));
    struct rebuild *b = rebuild_begin(path, head, x.logs[0], &e);
    assert_non_null(b);
    const char *second = strchr(first, '\n') + 1, *third = strchr(second, '\n') + 1;
    assert_true(rebuild_lines(b, (struct slice){first, (size_t)(second - first)}, &e));
    assert_false(rebuild_lines(b, slice_of(third), &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    rebuild_drop(b);
    assert_int_equal(access(path, F_OK), -1);
    b = rebuild_begin(path, head, x.logs[0], &e);
    buf_add(&lines, whole.p, whole.n);
    strstr(lines.data, "mara")[1] = 'o';
    assert_true(rebuild_lines(b, (struct slice){lines.data, lines.len}, &e));
    assert_false(rebuild_end(b, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    assert_int_equal(access(path, F_OK), -1);

    b = rebuild_begin(path, head, x.logs[0], &e);
    assert_true(rebuild_lines(b, whole, &e));
    assert_string_equal(rebuild_named(b, 0), digest);
    assert_true(rebuild_blob(b, slice_of("another's"), &e));
    assert_true(rebuild_blob(b, slice_of("twelve bytes"), &e));
    assert_true(rebuild_end(b, &e));
    assert_null(rebuild_begin(path, head, x.logs[0], &e));
    assert_int_equal(e.code, ERR_CONFLICT);

    /* it is the log: it verifies with the log's key, and goes on */
    struct audit_spec spec = x.box.spec;
    spec.db_path = path;
    assert_true(audit_verify(&spec, x.logs[0], &r, &e));
    assert_true(r.ok);
    assert_int_equal(r.entries, size);
    struct audit_log *again = audit_open(&spec, &e);
    assert_non_null(again);
    assert_int_equal(put(again, &en), size + 1);
    audit_close(again);
    buf_release(&note);
    buf_release(&lines);
    buf_release(&body);
    witnessed_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_sizes_has_a_proof_that_holds_for_it_alone),
        cmocka_unit_test(proofs_are_those_of_rfc_6962),
        cmocka_unit_test_setup_teardown(what_grows_is_cosigned_and_the_word_checks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_key_is_no_witness_key_and_the_other_way_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_answers_are_those_of_tlog_witness, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fork_is_refused_kept_and_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forks_of_one_log_hide_none_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_remembers_over_a_restart_and_nobody_else_has_its_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_taken_anew_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_memory_that_is_missing_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_s_signature_is_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_it_says_nothing, set_up, tear_down),
        cmocka_unit_test(receipts_say_how_far_the_log_is_witnessed),
        cmocka_unit_test(a_receipt_that_is_not_its_witness_s_word_is_found),
        cmocka_unit_test(growth_goes_on_where_it_was),
        cmocka_unit_test(a_witness_that_may_follows_a_log_into_its_next_file),
        cmocka_unit_test(an_older_file_is_closed_by_what_it_goes_on_in),
        cmocka_unit_test(a_mirror_takes_the_log_s_entries_and_nothing_else),
        cmocka_unit_test(a_log_is_made_again_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
