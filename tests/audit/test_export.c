/* Export, and its verification: by andon, and by the shell script that goes with it. */
#include "tests/audit/help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/book.h"

/* Runs our verify.sh (never the copy in the folder) on an exported folder; returns its exit code. */
static int script(const char *dir, const char *vkey)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        setenv("ANDON_EXPORT", dir, 1);
        execlp("sh", "sh", "docs/audit-tools/verify.sh", vkey, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void fill(struct box *b, int n)
{
    struct entry en;
    struct err e = {0};
    char digest[65];
    box_fill(b, n - 1);
    struct audit_log *l = box_open(b);
    assert_true(audit_put_blob(l, "device-1\ndevice-2\n", 18, digest, &e));
    make_entry(&en, ENTRY_INTENT, 500, "");
    entry_str(&en, "devices.blob", digest);
    en.reason = "=cmd|' /C calc'!A1";
    put(l, &en);
    audit_close(l);
}

static void do_export(struct box *b, const struct audit_query *q, const char *dir)
{
    struct err e = {0};
    struct audit_log *l = box_open(b);
    if (!audit_export(l, q, dir, &e))
        fail_msg("audit_export: %s (%s)", e.what, e.cause);
    audit_close(l);
}

static void andon_says(const char *dir, bool ok, struct audit_report *r)
{
    struct err e = {0};
    if (!audit_verify_export(dir, NULL, r, &e)) {
        if (ok)
            fail_msg("cannot tell: %s (%s)", e.what, e.cause);
        return;
    }
    if (r->ok != ok)
        fail_msg("%s", r->text);
    assert_non_null(strstr(r->text, "unwitnessed: rollback not excluded"));
}

static void an_export_verifies_with_both(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r, live;
    struct err e = {0};
    char dir[128], other[VKEY_MAX];
    size_t n;
    static const int sizes[] = {1, 2, 3, 7, 8, 9, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        box_init(&b);
        fill(&b, sizes[i]);
        snprintf(dir, sizeof dir, "%s/out", b.dir);
        do_export(&b, NULL, dir);
        andon_says(dir, true, &r);
        must_verify(&b, &live);
        assert_int_equal(r.entries, sizes[i] + 1);
        assert_string_equal(r.root, live.root);
        assert_string_equal(r.key_id, live.key_id);
        assert_int_equal(r.open_intents, live.open_intents);
        assert_int_equal(script(dir, NULL), 0);
        snprintf(dir, sizeof dir, "%s/out/vkey", b.dir);
        char *vkey = read_all(dir, &n);
        vkey[n - 1] = '\0';
        snprintf(dir, sizeof dir, "%s/out", b.dir);
        assert_int_equal(script(dir, vkey), 0);
        assert_true(audit_verify_export(dir, vkey, &r, &e));
        assert_true(r.ok);
        snprintf(other, sizeof other, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        assert_int_equal(script(dir, other), 1);
        assert_true(audit_verify_export(dir, other, &r, &e));
        assert_false(r.ok);
        free(vkey);
        box_release(&b);
    }
}

static const char *const FILES[] = {"entries.jsonl", "checkpoint", "log.pub",   "vkey",
                                    "report.csv",    "README",     "verify.sh", "SHA256SUMS"};

/* One byte changed in each file, at several places: both say no. */
static void one_flipped_byte_fails_with_both(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    char dir[128], path[300];
    uint64_t seed = 7;
    box_init(&b);
    fill(&b, 9);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    do_export(&b, NULL, dir);
    for (size_t i = 0; i <= sizeof FILES / sizeof *FILES; i++) {
        if (i < sizeof FILES / sizeof *FILES) {
            snprintf(path, sizeof path, "%s/%s", dir, FILES[i]);
        } else { /* the one blob, whatever its name */
            char blobs[160];
            snprintf(blobs, sizeof blobs, "%s/blobs", dir);
            DIR *d = opendir(blobs);
            for (struct dirent *f; (f = readdir(d)) != NULL;) {
                if (f->d_name[0] != '.')
                    snprintf(path, sizeof path, "%s/%.70s", blobs, f->d_name);
            }
            closedir(d);
        }
        size_t n;
        char *bytes = read_all(path, &n);
        for (int k = 0; k < 3; k++) {
            size_t at = k == 0 ? 0 : k == 1 ? n - 1 : (size_t)(rnd(&seed) % n);
            char old = bytes[at];
            bytes[at] = (char)(old ^ 1);
            write_all(path, bytes, n);
            bytes[at] = old;
            andon_says(dir, false, &r);
            if (script(dir, NULL) != 1)
                fail_msg("%s, byte %zu: the script did not see it", path, at);
        }
        write_all(path, bytes, n);
        free(bytes);
    }
    andon_says(dir, true, &r);
    assert_int_equal(script(dir, NULL), 0);
    box_release(&b);
}

/* A tamperer who also writes SHA256SUMS anew: then the tree and the signature must tell. */
static void sums(const char *dir)
{
    char cmd[600];
    snprintf(cmd, sizeof cmd,
             "cd '%s' && sha256sum entries.jsonl report.csv log.pub vkey checkpoint verify.sh README $(find blobs "
             "-type f) > SHA256SUMS",
             dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Changes entries.jsonl with sed and makes the sums fit. */
static void edit(const char *dir, const char *file, const char *sed)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sed", "sed", "-i", sed, path, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    sums(dir);
}

static void changes_with_fitting_sums_fail_with_both(void **state)
{
    (void)state;
    static const struct {
        const char *file, *sed;
        int64_t bad_seq; /* -1: any */
    } cases[] = {{"entries.jsonl", "4s/mara/mark/", 0},
                 {"entries.jsonl", "$d", 10},
                 {"entries.jsonl", "5d", 5},
                 {"entries.jsonl", "1d", 1},
                 {"entries.jsonl", "4{h;d};5G", 4},
                 {"entries.jsonl", "$p", 11},
                 {"entries.jsonl", "s/$/ /", 1},
                 {"entries.jsonl", "d", 1},
                 {"checkpoint", "2s/10/9/", -1},
                 {"checkpoint", "3y/abcdefghijklmnopqrstuvwxyz/bcdefghijklmnopqrstuvwxyza/", -1},
                 {"checkpoint", "1s/test/tesu/", -1},
                 {"checkpoint", "$d", -1},
                 {"checkpoint", "5s/[a-z]/Q/3", -1}};
    struct box b;
    struct audit_report r;
    char dir[128], work[128];
    box_init(&b);
    fill(&b, 9);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    snprintf(work, sizeof work, "%s/work", b.dir);
    do_export(&b, NULL, dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy_tree(dir, work);
        edit(work, cases[i].file, cases[i].sed);
        andon_says(work, false, &r);
        if (cases[i].bad_seq >= 0 && r.bad_seq != cases[i].bad_seq)
            fail_msg("%s %s: %s (seq %lld)", cases[i].file, cases[i].sed, r.text, (long long)r.bad_seq);
        if (script(work, NULL) != 1)
            fail_msg("%s %s: the script did not see it", cases[i].file, cases[i].sed);
        remove_tree(work);
    }
    copy_tree(dir, work); /* the blob that an entry names is gone, sums fit */
    char cmd[200];
    snprintf(cmd, sizeof cmd, "%s/blobs", work);
    remove_tree(cmd);
    mkdir(cmd, 0700);
    edit(work, "README", "1s/folder/FOLDER/");
    andon_says(work, false, &r);
    assert_int_equal(r.bad_seq, 10);
    assert_int_equal(script(work, NULL), 1);
    box_release(&b);
}

static void bare_entries_and_checkpoint_verify(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    char dir[128], work[128], path[200];
    size_t n;
    box_init(&b);
    fill(&b, 9);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    snprintf(work, sizeof work, "%s/work", b.dir);
    do_export(&b, NULL, dir);
    assert_int_equal(mkdir(work, 0700), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, FILES[i]);
        char *bytes = read_all(path, &n);
        snprintf(path, sizeof path, "%s/%s", work, FILES[i]);
        write_all(path, bytes, n);
        free(bytes);
    }
    andon_says(work, true, &r);
    assert_non_null(strstr(r.text, "blobs that entries name are not checked"));
    snprintf(path, sizeof path, "%s/entries.jsonl", work);
    char *bytes = read_all(path, &n);
    write_all(path, bytes, n - 1); /* cut off in the last line */
    andon_says(work, false, &r);
    assert_int_equal(r.bad_seq, 10);
    write_all(path, bytes, 0);
    andon_says(work, false, &r);
    free(bytes);
    unlink(path);
    assert_false(audit_verify_export(work, NULL, &r, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_false(audit_verify_export("/nonexistent/folder", NULL, &r, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    box_release(&b);
}

static void sums_cannot_lead_out_of_the_folder(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    char dir[128], path[200], line[400];
    box_init(&b);
    fill(&b, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    do_export(&b, NULL, dir);
    snprintf(path, sizeof path, "%s/SHA256SUMS", dir);
    snprintf(line, sizeof line,
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ../../../../dev/null\n");
    write_all(path, line, strlen(line));
    andon_says(dir, false, &r);
    snprintf(path, sizeof path, "%s/report.csv", dir); /* a link in the folder */
    unlink(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    andon_says(dir, false, &r);
    box_release(&b);
}

/* Behind a NUL nothing is hidden, and a line without an end is not read to its end. */
static void nul_and_endless_lines(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct stored s;
    struct arena a;
    struct err e = {0};
    char dir[128], path[200];
    static const char extra[] = "\0 and more";
    size_t n;
    box_init(&b);
    fill(&b, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    do_export(&b, NULL, dir);
    snprintf(path, sizeof path, "%s/SHA256SUMS", dir); /* else its sum would tell */
    unlink(path);
    andon_says(dir, true, &r);
    snprintf(path, sizeof path, "%s/vkey", dir);
    char *vkey = read_all(path, &n), *longer = malloc(n + sizeof extra);
    memcpy(longer, vkey, n);
    memcpy(longer + n, extra, sizeof extra);
    write_all(path, longer, n + sizeof extra);
    andon_says(dir, false, &r);
    write_all(path, vkey, n);
    andon_says(dir, true, &r);
    free(vkey);
    free(longer);
    arena_init(&a);
    assert_true(audit_export_entry(dir, 2, &a, &s, &e));
    snprintf(path, sizeof path, "%s/entries.jsonl", dir);
    assert_int_equal(truncate(path, INT64_C(64) << 20), 0); /* then a line of NULs */
    assert_true(audit_export_entry(dir, 4, &a, &s, &e));
    assert_false(audit_export_entry(dir, 6, &a, &s, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    andon_says(dir, false, &r);
    arena_release(&a);
    box_release(&b);
}

static void the_report_is_selected_and_harmless(void **state)
{
    (void)state;
    struct box b;
    char dir[128], path[200];
    size_t n, lines = 0;
    box_init(&b);
    fill(&b, 9);
    snprintf(dir, sizeof dir, "%s/out/", b.dir);
    do_export(&b, &(struct audit_query){.kind = "intent", .from_seq = 3}, dir);
    snprintf(path, sizeof path, "%s/out/report.csv", b.dir);
    char *csv = read_all(path, &n);
    for (size_t i = 0; i < n; i++)
        lines += csv[i] == '\n';
    assert_int_equal(lines, 1 + 4); /* head; seq 4, 6, 8, 10 */
    assert_non_null(strstr(csv, "\"'=cmd|' /C calc'!A1\""));
    assert_null(strstr(csv, "genesis"));
    free(csv);
    snprintf(path, sizeof path, "%s/out/entries.jsonl", b.dir);
    csv = read_all(path, &n);
    lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += csv[i] == '\n';
    assert_int_equal(lines, 10);
    free(csv);
    box_release(&b);
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    struct audit_report r;
    char dir[128], path[200];
    box_init(&b);
    fill(&b, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    do_export(&b, NULL, dir); /* an empty folder is taken */
    struct audit_log *l = box_open(&b);
    assert_false(audit_export(l, NULL, dir, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    andon_says(dir, true, &r);
    snprintf(path, sizeof path, "%s/file", b.dir);
    write_all(path, "x", 1);
    assert_false(audit_export(l, NULL, path, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    snprintf(path, sizeof path, "%s/none/such", b.dir);
    assert_false(audit_export(l, NULL, path, &e));
    assert_int_equal(e.code, ERR_IO);
    audit_close(l);
    DIR *d = opendir(b.dir); /* no half-made folder is left */
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        assert_null(strstr(f->d_name, "partial"));
    closedir(d);
    box_release(&b);
}

/* What an auditor's replay reads. */
static void single_entries_and_blobs_come_out(void **state)
{
    (void)state;
    struct box b;
    struct arena a;
    struct stored s;
    struct err e = {0};
    struct buf out;
    char dir[128], path[256];
    box_init(&b);
    fill(&b, 8);
    snprintf(dir, sizeof dir, "%s/export", b.dir);
    do_export(&b, NULL, dir);
    arena_init(&a);
    buf_init(&out, 1024);
    assert_true(audit_export_entry(dir, 9, &a, &s, &e));
    assert_int_equal(s.seq, 9);
    assert_int_equal(s.corr, 500);
    assert_int_equal(strlen(s.leaf_hash), 64);
    const char *digest = stored_field(&s, "devices.blob");
    assert_true(audit_export_blob(dir, digest, &out, &e));
    assert_string_equal(out.data, "device-1\ndevice-2\n");
    assert_true(audit_export_entry(dir, 1, &a, &s, &e));
    assert_string_equal(s.kind, "genesis");
    for (int64_t seq = -1; seq <= 10; seq += seq == 0 ? 10 : 1) {
        assert_false(audit_export_entry(dir, seq, &a, &s, &e));
        assert_int_equal(e.code, ERR_NOT_FOUND);
    }
    static const char *const names[] = {"../entries.jsonl", "", "zz"};
    for (size_t i = 0; i < 3; i++)
        assert_false(audit_export_blob(dir, names[i], &out, &e));
    snprintf(path, sizeof path, "%s/blobs/%s", dir, digest);
    chmod(path, 0600);
    write_all(path, "device-1\ndevice-3\n", 18);
    assert_false(audit_export_blob(dir, digest, &out, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    unlink(path);
    assert_int_equal(symlink("../entries.jsonl", path), 0);
    assert_false(audit_export_blob(dir, digest, &out, &e));
    buf_release(&out);
    arena_release(&a);
    box_release(&b);
}

static void a_thousand_entries_take_the_script_seconds(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    char dir[128];
    box_init(&b);
    fill(&b, 1100);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    do_export(&b, NULL, dir);
    int64_t from = clock_real()->wall(clock_real());
    assert_int_equal(script(dir, NULL), 0);
    int64_t took = clock_real()->wall(clock_real()) - from;
    assert_true(took < 30 * US_PER_S); /* about one on a quiet machine */
    edit(dir, "entries.jsonl", "997s/mara/mark/");
    assert_int_equal(script(dir, NULL), 1);
    andon_says(dir, false, &r);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_verifies_with_both),
        cmocka_unit_test(one_flipped_byte_fails_with_both),
        cmocka_unit_test(changes_with_fitting_sums_fail_with_both),
        cmocka_unit_test(bare_entries_and_checkpoint_verify),
        cmocka_unit_test(sums_cannot_lead_out_of_the_folder),
        cmocka_unit_test(nul_and_endless_lines),
        cmocka_unit_test(the_report_is_selected_and_harmless),
        cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(single_entries_and_blobs_come_out),
        cmocka_unit_test(a_thousand_entries_take_the_script_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
