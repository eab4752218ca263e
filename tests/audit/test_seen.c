/* The newest head that the host has seen: a log that has gone, went back or was replaced is missed, and no new one
 * takes its place without a word. */
#include "tests/audit/help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/seen.h"

struct yard {
    struct box b;
    char dir[96];
};

static void begin(struct yard *y, int entries)
{
    box_init(&y->b);
    snprintf(y->dir, sizeof y->dir, "%s/spool", y->b.dir);
    y->b.spec.spool[0] = y->dir;
    box_fill(&y->b, entries);
}

static void refused(struct yard *y, const char *why)
{
    struct err e = {0};
    struct audit_log *l = audit_open(&y->b.spec, &e);
    if (l || e.code != ERR_TAMPERED || !strstr(e.what, why) || !strstr(e.next, "andon audit recover"))
        fail_msg("opened, or refused with: %s / %s", e.what, e.next);
}

static void add(struct yard *y, uint64_t corr)
{
    struct entry en;
    struct audit_log *l = box_open(&y->b);
    make_entry(&en, ENTRY_HALT, corr, "");
    put(l, &en);
    audit_close(l);
}

static void a_log_that_has_gone_is_missed(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    begin(&y, 4);
    assert_false(audit_gone(&y.b.spec, &e));
    unlink(y.b.db);
    assert_true(audit_gone(&y.b.spec, &e));
    assert_non_null(strstr(e.what, "5 entries of andon/test"));
    refused(&y, "has gone");
    assert_int_equal(access(y.b.db, F_OK), -1);
    must_fail(&y.b, &r);
    assert_non_null(strstr(r.text, "has gone"));
    unlink(y.b.key); /* no new key either */
    refused(&y, "has gone");
    assert_int_equal(access(y.b.key, F_OK), -1);
    box_release(&y.b);
}

static void a_log_that_went_back_is_refused_and_does_not_verify(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    size_t n;
    begin(&y, 4);
    char *then = read_all(y.b.db, &n);
    must_verify(&y.b, &r);
    add(&y, 9);
    must_verify(&y.b, &r);
    write_all(y.b.db, then, n);
    refused(&y, "it had 6 entries");
    must_fail(&y.b, &r);
    assert_int_equal(r.bad_seq, 6);
    y.b.spec.spool[0] = NULL; /* without that, nobody knows */
    must_verify(&y.b, &r);
    add(&y, 10); /* the older state goes on, to the same size */
    add(&y, 11);
    y.b.spec.spool[0] = y.dir;
    assert_null(audit_open(&(struct audit_spec){.db_path = y.b.db, .key_path = "/nonexistent", .origin = "x"}, NULL));
    must_fail(&y.b, &r);
    assert_non_null(strstr(r.text, "others than this host had seen"));
    free(then);
    box_release(&y.b);
}

static void another_log_in_its_place_is_refused(void **state)
{
    (void)state;
    struct yard y, other;
    struct audit_report r;
    size_t n;
    begin(&y, 4);
    begin(&other, 7);
    char *bytes = read_all(other.b.db, &n), *key;
    write_all(y.b.db, bytes, n);
    key = read_all(other.b.key, &n);
    chmod(y.b.key, 0600);
    write_all(y.b.key, key, n);
    refused(&y, "now it is the log of");
    struct err e;
    assert_true(audit_verify(&y.b.spec, NULL, &r, &e));
    if (r.ok || !r.another)
        fail_msg("%s", r.text);
    free(bytes);
    free(key);
    box_release(&y.b);
    box_release(&other.b);
}

/* Two processes that open it, write and close it all the time; who opens, reads or verifies it meanwhile finds nothing
 * wrong. */
static void a_log_that_others_open_and_close_is_no_other_one(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    pid_t child[2];
    begin(&y, 4);
    for (uint64_t c = 0; c < 2; c++) {
        child[c] = fork();
        assert_true(child[c] >= 0);
        for (uint64_t i = 0; child[c] == 0 && i < 60; i++)
            add(&y, c * 1000 + i);
        if (child[c] == 0)
            _exit(0);
    }
    for (int left = 2, status; left > 0;) {
        struct audit_spec looks = y.b.spec;
        looks.read_only = true;
        struct audit_head h;
        struct audit_log *l = audit_open(&looks, &e);
        if (!l || !audit_head(l, &h, &e))
            fail_msg("to look: %s / %s", e.what, e.cause);
        audit_close(l);
        if (!(l = audit_open(&y.b.spec, &e)))
            fail_msg("to write: %s / %s", e.what, e.cause);
        audit_close(l);
        if (!audit_verify(&y.b.spec, NULL, &r, &e) || !r.ok)
            fail_msg("%s / %s", r.text, e.what);
        if (waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(status, 0);
            left--;
        }
    }
    box_release(&y.b);
}

/* A process with several handles, as a guard has: another process that closes the log is not the last to have it, and
 * leaves its -wal in place. */
static void a_second_handle_takes_no_lock_from_the_first(void **state)
{
    (void)state;
    struct yard y;
    int go[2], status;
    char word;
    begin(&y, 4);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork(); /* before there is a handle: SQLite's are not to be taken across */
    assert_true(child >= 0);
    if (child == 0) {
        (void)!read(go[0], &word, 1);
        add(&y, 7);
        _exit(0);
    }
    struct audit_log *first = box_open(&y.b);
    struct entry en;
    make_entry(&en, ENTRY_HALT, 8, "");
    put(first, &en);
    audit_close(box_open(&y.b));
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    make_entry(&en, ENTRY_HALT, 9, "");
    put(first, &en);
    audit_close(first);
    struct audit_report r;
    must_verify(&y.b, &r);
    assert_int_equal(r.entries, 8);
    close(go[0]);
    close(go[1]);
    box_release(&y.b);
}

/* A handle that has nothing to write notices, too; and hands on the newest head. */
static void a_glance_sees_what_became_of_the_file(void **state)
{
    (void)state;
    static const char *const tails[] = {"", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        struct yard y;
        struct err e = {0};
        struct entry en;
        struct seen s;
        char path[128];
        begin(&y, 2);
        struct audit_log *l = box_open(&y.b), *m = box_open(&y.b);
        assert_true(audit_glance(l, &e));
        make_entry(&en, ENTRY_HALT, 9, "");
        put(m, &en);
        assert_true(audit_glance(l, &e)); /* of another process: no harm */
        assert_true(seen_read(l->spool, &s));
        assert_int_equal(s.head.size, 4);
        assert_true(seen_signed(&s, &l->name, l->verifier));
        snprintf(path, sizeof path, "%s%s", y.b.db, tails[i]);
        assert_int_equal(unlink(path), 0);
        assert_false(audit_glance(l, &e));
        assert_int_equal(e.code, ERR_TAMPERED);
        assert_false(audit_glance(l, &e)); /* and stays so */
        audit_close(m);
        audit_close(l);
        box_release(&y.b);
    }
}

/* What lies there in the place of a head, or cannot be written, is no reason not to open a log. */
static void rubbish_in_the_folder_harms_nobody(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "/p\nandon/test\n-1\nx\n", "/p\nandon/test\n99999999999999999999\n\n",
                                        "/p\nandon/test\n9\nAAAA\n\n"};
    struct yard y;
    struct seen s;
    begin(&y, 1);
    struct spool_place *p = spool_place_new(&y.b.spec);
    assert_true(seen_read(p, &s));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unlink(s.where);
        write_all(s.where, texts[i], strlen(texts[i]));
        chmod(s.where, 0600);
        struct seen none;
        assert_false(seen_read(p, &none));
        audit_close(box_open(&y.b));
    }
    unlink(s.where);
    assert_int_equal(mkfifo(s.where, 0600), 0);
    audit_close(box_open(&y.b));
    chmod(y.dir, 0777); /* not ours alone: not heeded */
    assert_false(seen_read(p, &s));
    unlink(y.b.db);
    audit_close(box_open(&y.b));
    spool_place_free(p);
    box_release(&y.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_has_gone_is_missed),
        cmocka_unit_test(a_log_that_went_back_is_refused_and_does_not_verify),
        cmocka_unit_test(another_log_in_its_place_is_refused),
        cmocka_unit_test(a_log_that_others_open_and_close_is_no_other_one),
        cmocka_unit_test(a_second_handle_takes_no_lock_from_the_first),
        cmocka_unit_test(a_glance_sees_what_became_of_the_file),
        cmocka_unit_test(rubbish_in_the_folder_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
