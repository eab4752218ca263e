/* What an export writes, and that nothing but it verifies: by andon, and by the scripts that go with it. Changes of a
 * folder are in test_folder.c. */
#include "tests/audit/desk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/book.h"

static void an_export_verifies_with_all(void **state)
{
    (void)state;
    struct box b;
    struct audit_report live;
    struct desk d;
    char dir[128], other[VKEY_MAX], path[200];
    size_t n;
    static const int sizes[] = {1, 2, 3, 7, 8, 9, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        box_init(&b);
        desk_fill(&b, sizes[i]);
        snprintf(dir, sizeof dir, "%s/out", b.dir);
        desk_export(&b, NULL, dir);
        desk_all(dir, NULL, DESK_OK, "as it was exported");
        desk_ask(&d, dir, NULL);
        must_verify(&b, &live);
        assert_int_equal(d.r.entries, sizes[i] + 1);
        assert_int_equal(d.r.left_out, 0);
        assert_string_equal(d.r.root, live.root);
        assert_string_equal(d.r.key_id, live.key_id);
        assert_int_equal(d.r.open_intents, live.open_intents);
        snprintf(path, sizeof path, "%s/out/vkey", b.dir);
        char *vkey = read_all(path, &n);
        vkey[n - 1] = '\0';
        desk_all(dir, vkey, DESK_OK, "with its key");
        snprintf(other, sizeof other, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        desk_all(dir, other, DESK_TAMPERED, "with another key");
        free(vkey);
        box_release(&b);
    }
}

/* A line without an end is not read to its end. */
static void endless_lines(void **state)
{
    (void)state;
    struct box b;
    struct stored s;
    struct arena a;
    struct err e = {0};
    char dir[128], path[200];
    box_init(&b);
    desk_fill(&b, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, NULL, dir);
    arena_init(&a);
    assert_true(audit_export_entry(dir, 2, &a, &s, &e));
    snprintf(path, sizeof path, "%s/entries.jsonl", dir);
    assert_int_equal(truncate(path, INT64_C(64) << 20), 0); /* then a line of NULs */
    assert_true(audit_export_entry(dir, 4, &a, &s, &e));
    assert_false(audit_export_entry(dir, 6, &a, &s, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    struct audit_report r;
    assert_true(audit_verify_export(dir, NULL, NULL, 0, NULL, &r, &e));
    assert_false(r.ok);
    arena_release(&a);
    box_release(&b);
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

static void a_report_is_harmless(void **state)
{
    (void)state;
    static const char *const reasons[][2] = {{"  =1+1", ",\"'  =1+1\","},
                                             {"a \"word\" more", ",\"a \"\"word\"\" more\","},
                                             {"=\"x\"", ",\"'=\"\"x\"\"\","},
                                             {"+1", ",\"'+1\","},
                                             {"-1 back\\slash", ",\"'-1 back\\slash\","},
                                             {"\xef\xbc\x9d"
                                              "1",
                                              ",\"'\xef\xbc\x9d"
                                              "1\","},
                                             {"1=1", ",\"1=1\","},
                                             {"line\nbreak", ",\"line<U+000A>break\","}};
    struct box b;
    char dir[128], path[200];
    size_t n;
    box_init(&b);
    desk_fill(&b, 9);
    struct audit_log *l = box_open(&b);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct entry en;
        make_entry(&en, ENTRY_INTENT, 600 + i, "");
        en.reason = reasons[i][0];
        put(l, &en);
    }
    audit_close(l);
    snprintf(dir, sizeof dir, "%s/out/", b.dir);
    desk_export(&b, NULL, dir);
    snprintf(path, sizeof path, "%s/out/report.csv", b.dir);
    char *csv = read_all(path, &n);
    assert_int_equal(count_lines(csv, n), 1 + 10 + sizeof reasons / sizeof *reasons);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (!strstr(csv, reasons[i][1]))
            fail_msg("no cell %s", reasons[i][1]);
    assert_non_null(strstr(csv, "\"'=cmd|' /C calc'!A1\""));
    free(csv);
    box_release(&b);
}

/* Whatever is selected, the folder verifies, shows that and no more, and says how much is missing. */
static void a_slice_belongs_to_the_tree(void **state)
{
    (void)state;
    static const struct {
        struct audit_query q;
        int64_t since;
        int shown; /* of 34 entries, with the first */
    } cases[] = {{{.kind = "intent"}, 0, 1 + 17},
                 {{.kind = "outcome"}, 0, 1 + 16},
                 {{.kind = "halt"}, 0, 1},
                 {{.from_seq = 34}, 0, 2},
                 {{.from_seq = 9, .to_seq = 9}, 0, 2},
                 {{.rollout = "4471"}, 0, 34},
                 {{.to_seq = 16}, 0, 16},
                 {{.corr = 3}, 0, 3},
                 {{0}, 20, 1 + 14},
                 {{0}, 34, 1},
                 {{.kind = "intent"}, 33, 1 + 1}};
    struct box b;
    struct desk d;
    char dir[128], path[200];
    size_t n;
    box_init(&b);
    desk_fill(&b, 33);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_export_spec spec = {.q = &cases[i].q, .since_size = cases[i].since};
        if (spec.since_size) {
            struct tree t;
            tree_init(&t);
            struct audit_log *l = box_open(&b);
            struct audit_query all = {0};
            struct arena a;
            struct stored *v;
            struct err e = {0};
            arena_init(&a);
            assert_true(audit_query(l, &all, &a, &v, &n, &e));
            for (int64_t k = 0; k < spec.since_size; k++) {
                uint8_t leaf[HASH_LEN];
                tree_leaf_hash(v[k].line, strlen(v[k].line), leaf);
                tree_push(&t, leaf);
            }
            tree_root(&t, spec.since_root);
            arena_release(&a);
            audit_close(l);
        }
        snprintf(dir, sizeof dir, "%s/out%zu", b.dir, i);
        desk_export(&b, &spec, dir);
        desk_all(dir, NULL, DESK_OK, dir);
        desk_ask(&d, dir, NULL);
        assert_int_equal(d.r.entries, cases[i].shown);
        assert_int_equal(d.r.left_out, 34 - cases[i].shown);
        assert_int_equal(d.r.left_out > 0, strstr(d.r.text, "nothing is said about the others") != NULL);
        snprintf(path, sizeof path, "%s/report.csv", dir);
        char *csv = read_all(path, &n);
        assert_int_equal(count_lines(csv, n), 1 + cases[i].shown);
        free(csv);
        snprintf(path, sizeof path, "%s/blobs", dir); /* only those that an entry of the slice names */
        assert_int_equal(access(path, F_OK) == 0, cases[i].q.to_seq == 0 && cases[i].q.corr == 0 &&
                                                      cases[i].since < 34 && cases[i].shown != 1 + 16 &&
                                                      cases[i].shown != 1);
        snprintf(path, sizeof path, "%s/left-out", dir);
        assert_int_equal(access(path, F_OK) == 0, d.r.left_out > 0);
    }
    /* A folder that is not of this log's past is no beginning. */
    struct audit_export_spec spec = {.since_size = 20, .since_root = {1}};
    struct err e = {0};
    struct audit_log *l = box_open(&b);
    snprintf(dir, sizeof dir, "%s/none", b.dir);
    assert_false(audit_export(l, &spec, dir, NULL, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    spec.since_size = 35;
    assert_false(audit_export(l, &spec, dir, NULL, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_int_not_equal(access(dir, F_OK), 0);
    audit_close(l);
    box_release(&b);
}

/* The slice is as large as what it shows, not as the log. */
static void what_is_left_out_is_short(void **state)
{
    (void)state;
    struct box b;
    struct stat st;
    char dir[128], path[200];
    box_init(&b);
    desk_fill(&b, 1100);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, &(struct audit_export_spec){.q = &(struct audit_query){.from_seq = 700, .to_seq = 700}}, dir);
    desk_all(dir, NULL, DESK_OK, "one of 1101");
    snprintf(path, sizeof path, "%s/left-out", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 500, 25 * 75);
    box_release(&b);
}

/* An export of a log that does not verify is none. */
static void a_tampered_log_is_not_exported(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE entry SET leaf = CAST(replace(leaf, 'mara', 'mark') AS BLOB) WHERE seq = 4",
        "DELETE FROM entry WHERE seq = 6", "UPDATE blob SET bytes = x'00'", "DELETE FROM blob"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct box b;
        struct err e = {0};
        char dir[128];
        box_init(&b);
        desk_fill(&b, 9);
        tamper(&b, changes[i]);
        struct audit_spec spec = b.spec;
        spec.read_only = true;
        struct audit_log *l = audit_open(&spec, &e);
        assert_non_null(l);
        snprintf(dir, sizeof dir, "%s/out", b.dir);
        if (audit_export(l, &(struct audit_export_spec){0}, dir, NULL, &e))
            fail_msg("%s: it was exported", changes[i]);
        assert_true(e.code == ERR_TAMPERED || e.code == ERR_NOT_FOUND);
        assert_int_not_equal(access(dir, F_OK), 0);
        audit_close(l);
        box_release(&b);
    }
}

/* A handle for reading signs with the key file, when it may read it and it is the log's. */
static void who_cannot_sign_cannot_export(void **state)
{
    (void)state;
    struct box b, other;
    struct err e = {0};
    char dir[128];
    box_init(&b);
    box_init(&other);
    desk_fill(&b, 3);
    desk_fill(&other, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    const enum err_code codes[] = {ERR_CONFLICT, ERR_FORBIDDEN, ERR_NONE};
    for (int i = 0; i < 3; i++) {
        struct audit_spec spec = b.spec;
        spec.read_only = true;
        spec.key_path = i == 0 ? other.key : i == 1 ? "/nonexistent/key" : b.key;
        struct audit_log *l = audit_open(&spec, &e);
        assert_non_null(l);
        e = (struct err){0};
        assert_int_equal(audit_export(l, &(struct audit_export_spec){0}, dir, NULL, &e), i == 2);
        assert_int_equal(e.code, codes[i]);
        audit_close(l);
    }
    desk_all(dir, NULL, DESK_OK, "signed by a reader");
    box_release(&b);
    box_release(&other);
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    char dir[128], path[200];
    box_init(&b);
    desk_fill(&b, 3);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    desk_export(&b, NULL, dir); /* an empty folder is taken */
    struct audit_log *l = box_open(&b);
    assert_false(audit_export(l, &(struct audit_export_spec){0}, dir, NULL, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    desk_all(dir, NULL, DESK_OK, "not touched");
    snprintf(path, sizeof path, "%s/file", b.dir);
    write_all(path, "x", 1);
    assert_false(audit_export(l, &(struct audit_export_spec){0}, path, NULL, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    snprintf(path, sizeof path, "%s/none/such", b.dir);
    assert_false(audit_export(l, &(struct audit_export_spec){0}, path, NULL, &e));
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
    desk_fill(&b, 8);
    snprintf(dir, sizeof dir, "%s/export", b.dir);
    desk_export(&b, NULL, dir);
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

static void a_thousand_entries_take_the_scripts_seconds(void **state)
{
    (void)state;
    struct box b;
    char dir[128];
    box_init(&b);
    desk_fill(&b, 1100);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, NULL, dir);
    desk_all(dir, NULL, DESK_OK, "a thousand entries");
    desk_run(dir, "sed -i 997s/mara/mark/ entries.jsonl");
    desk_sign(&b, dir);
    desk_all(dir, NULL, DESK_TAMPERED, "entry 997 edited, manifest signed anew");
    box_release(&b);
}

/* An openssl that knows no -rawin (before 3.0) says that any signature is wrong, if it is asked. */
static void an_old_openssl_is_no_tampering(void **state)
{
    (void)state;
    struct box b;
    char dir[128], command[900];
    box_init(&b);
    desk_fill(&b, 5);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, NULL, dir);
    for (int old = 0; old < 2; old++) {
        snprintf(command, sizeof command,
                 "mkdir -p ../bin && { echo '#!/bin/sh'; echo 'case \"$*\" in *pkeyutl*) %s;; esac'; "
                 "echo \"exec $(command -v openssl) \\\"\\$@\\\"\"; } >../bin/openssl && chmod +x ../bin/openssl && "
                 "export PATH=$(cd ../bin && pwd):$PATH; code=0; sh verify.sh '' . >/dev/null 2>&1 || code=$?; "
                 "other=0; python3 verify.py '' . >/dev/null 2>&1 || other=$?; rm -r ../bin; "
                 "[ $code$other = %s ]",
                 old ? "exit 1" : "", old ? "22" : "00");
        desk_run(dir, command);
    }
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_openssl_is_no_tampering),
        cmocka_unit_test(an_export_verifies_with_all),
        cmocka_unit_test(endless_lines),
        cmocka_unit_test(a_report_is_harmless),
        cmocka_unit_test(a_slice_belongs_to_the_tree),
        cmocka_unit_test(what_is_left_out_is_short),
        cmocka_unit_test(a_tampered_log_is_not_exported),
        cmocka_unit_test(who_cannot_sign_cannot_export),
        cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(single_entries_and_blobs_come_out),
        cmocka_unit_test(a_thousand_entries_take_the_scripts_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
