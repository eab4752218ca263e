/* Heads that were noted elsewhere, against logs that are what they were and logs that are not. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/growth.h"
#include "audit/heads.h"
#include "audit/key.h"

/* A log of leaves "0", "1", ...; from `turn` on they differ. */
struct toy {
    struct note_key name;
    struct key *key;
    struct verifier *v;
    int turn;
};

static void leaf_of(const struct toy *t, int i, uint8_t out[HASH_LEN])
{
    char text[20];
    int n = snprintf(text, sizeof text, "%s%d", i >= t->turn ? "other " : "", i);
    tree_leaf_hash(text, (size_t)n, out);
}

static struct tree grown(const struct toy *t, int n)
{
    struct tree tree;
    uint8_t leaf[HASH_LEN];
    tree_init(&tree);
    for (int i = 0; i < n; i++) {
        leaf_of(t, i, leaf);
        tree_push(&tree, leaf);
    }
    return tree;
}

static void note_of(const struct toy *t, int n, struct buf *out)
{
    struct tree tree = grown(t, n);
    struct checkpoint cp = {.size = tree.size};
    struct buf body;
    uint8_t sig[KEY_SIG_LEN];
    struct err e;
    buf_init(&body, 1000);
    snprintf(cp.origin, sizeof cp.origin, "%s", t->name.name);
    tree_root(&tree, cp.root);
    note_body(&cp, &body);
    assert_true(key_sign(t->key, body.data, body.len, sig, &e));
    buf_clear(out);
    note_seal(&cp, &t->name, sig, out);
    buf_release(&body);
}

static void toy_init(struct toy *t, const char *dir, const char *name)
{
    char path[200];
    uint8_t pub[KEY_PUBLIC_LEN];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/%d.key", dir, (int)strlen(name));
    if (!key_create(path, &e) || !(t->key = key_load(path, &e)))
        fail_msg("%s: %s", e.what, e.cause);
    key_public(t->key, pub);
    assert_true(note_key_init(&t->name, name, pub, &e));
    t->v = verifier_new(pub, &e);
    t->turn = 1000000;
}

static void toy_release(struct toy *t)
{
    key_free(t->key);
    verifier_free(t->v);
}

static struct heads_word judge(const char *path, const struct toy *t, int n, struct heads *h)
{
    struct heads_word w;
    struct tree tree;
    uint8_t leaf[HASH_LEN];
    struct err e = {0};
    if (!heads_read(h, path, &e))
        fail_msg("%s: %s", e.what, e.cause);
    tree_init(&tree);
    for (int i = 0; i < n; i++) {
        leaf_of(t, i, leaf);
        tree_push(&tree, leaf);
        heads_meet(h, &tree);
    }
    heads_judge(h, &t->name, t->v, &w);
    return w;
}

static void a_log_meets_its_heads(void **state)
{
    struct box b;
    struct toy t, other;
    struct heads h;
    struct buf note;
    struct err e = {0};
    char path[200];
    (void)state;
    box_init(&b);
    toy_init(&t, b.dir, "andon/a");
    toy_init(&other, b.dir, "andon/bb");
    buf_init(&note, 4096);
    snprintf(path, sizeof path, "%s/heads", b.dir);
    const int sizes[] = {1, 2, 3, 9, 7, 64, 65, 65};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        note_of(&t, sizes[i], &note);
        assert_true(heads_note(path, note.data, note.len, &e));
    }
    note_of(&other, 5, &note);
    assert_true(heads_note(path, note.data, note.len, &e));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *f = fopen(path, "a");
    fprintf(f, "a line of somebody's\nMar 14 pump andon[1]: andon-head 1 AAAA\nx andon-head 1 %s\n", "Zm9v");
    fclose(f);

    struct heads_word w = judge(path, &t, 100, &h);
    assert_int_equal(w.good, 8);
    assert_int_equal(w.others, 1);
    assert_int_equal(h.broken, 2);
    assert_int_equal(w.newest, 65);
    assert_null(w.wrong);
    heads_release(&h);

    w = judge(path, &t, 64, &h); /* put back to an older state */
    assert_non_null(w.wrong);
    assert_int_equal(w.wrong->size, 65);
    assert_int_equal(w.wrong->line, 7);
    assert_false(w.wrong->met);
    assert_int_equal(w.newest, 64);
    heads_release(&h);

    t.turn = 8; /* made anew from the ninth entry on, with the key */
    w = judge(path, &t, 200, &h);
    assert_int_equal(w.wrong->size, 9);
    assert_true(w.wrong->met);
    assert_int_equal(w.newest, 7);
    heads_release(&h);

    buf_release(&note);
    toy_release(&t);
    toy_release(&other);
    box_release(&b);
}

/* The newest signed checkpoint, as it stands in the file. */
static void note_newest(struct box *b, const char *path)
{
    struct audit_log *l = box_open(b);
    struct buf note;
    struct err e = {0};
    uint64_t size;
    buf_init(&note, 4096);
    if (!growth_head(l, &note, &size, &e) || !heads_note(path, note.data, note.len, &e))
        fail_msg("%s: %s", e.what, e.cause);
    buf_release(&note);
    audit_close(l);
}

/* The whole of it: a log put back by a copy of its own earlier file, and one made anew with its key. */
static void verification_asks_what_was_noted(void **state)
{
    struct box b;
    struct audit_report r;
    struct err e = {0};
    char path[200], copy[200], was[900];
    const char *files[] = {path};
    (void)state;
    box_init(&b);
    box_fill(&b, 5);
    snprintf(path, sizeof path, "%s/heads", b.dir);
    snprintf(copy, sizeof copy, "%s/was.db", b.dir);
    snprintf(was, sizeof was, "cp %s %s", b.db, copy);
    assert_int_equal(system(was), 0);
    note_newest(&b, path);
    struct audit_log *l = box_open(&b);
    struct entry en;
    make_entry(&en, ENTRY_OUTCOME, 7, "ok");
    put(l, &en);
    put(l, &en);
    audit_close(l);
    note_newest(&b, path);
    b.spec.heads = files;
    b.spec.n_heads = 1;
    must_verify(&b, &r);
    assert_int_equal(r.heads, 2);
    assert_int_equal(r.heads_size, 8);
    assert_non_null(strstr(r.text, "2 heads noted elsewhere agree, up to entry 8"));

    snprintf(was, sizeof was, "cp %s %s && rm -f %s-wal %s-shm", copy, b.db, b.db, b.db);
    assert_int_equal(system(was), 0);
    must_fail(&b, &r);
    assert_int_equal(r.bad_seq, 7);
    assert_non_null(strstr(r.text, "it has 6 entries, and line 2 of"));
    b.spec.n_heads = 0; /* without them nobody can tell */
    must_verify(&b, &r);

    l = box_open(&b); /* and goes on, with other entries than there were */
    make_entry(&en, ENTRY_OUTCOME, 9, "failed");
    for (int i = 0; i < 5; i++)
        put(l, &en);
    audit_close(l);
    must_verify(&b, &r);
    b.spec.n_heads = 1;
    must_fail(&b, &r);
    assert_non_null(strstr(r.text, "the first 8 entries are not those that line 2 of"));

    unlink(path);
    assert_false(audit_verify(&b.spec, NULL, &r, &e)); /* it was asked for, and cannot be looked at */
    assert_int_equal(e.code, ERR_NOT_FOUND);
    box_release(&b);
}

static void files_that_are_none(void **state)
{
    struct box b;
    struct heads h;
    struct err e = {0};
    char path[200], link[200];
    (void)state;
    box_init(&b);
    snprintf(path, sizeof path, "%s/none", b.dir);
    assert_false(heads_read(&h, path, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    snprintf(path, sizeof path, "%s/fifo", b.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(heads_read(&h, path, &e)); /* at once */
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_false(heads_note(path, "x", 1, &e));
    snprintf(link, sizeof link, "%s/link", b.dir);
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_false(heads_note(link, "x", 1, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(unlink(path), 0); /* one line that no memory holds */
    write_all(path, "", 0);
    assert_int_equal(truncate(path, (off_t)1 << 42), 0);
    assert_false(heads_read(&h, path, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_meets_its_heads),
        cmocka_unit_test(verification_asks_what_was_noted),
        cmocka_unit_test(files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
