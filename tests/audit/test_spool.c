/* What the log could not take: kept durably elsewhere, taken in once, whoever dies and whatever lies there. */
#include "tests/audit/help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/record.h"
#include "audit/spool.h"
#include "tests/audit/fault_vfs.h"

struct yard {
    struct box b;
    char dir[96], dir2[96]; /* the spool's folders; not there at first */
    struct spool *s;
};

static void begin(struct yard *y)
{
    memset(y, 0, sizeof *y);
    box_init(&y->b);
    snprintf(y->dir, sizeof y->dir, "%s/spool", y->b.dir);
    snprintf(y->dir2, sizeof y->dir2, "%s/spool2", y->b.dir);
    y->b.spec.spool[0] = y->dir;
    y->s = spool_new(&y->b.spec);
    assert_non_null(y->s);
}

static void end(struct yard *y)
{
    struct audit_report r;
    must_verify(&y->b, &r);
    spool_free(y->s);
    box_release(&y->b);
}

static void make_halt(struct entry *e, uint64_t corr)
{
    make_entry(e, ENTRY_HALT, corr, "");
    e->verb = VERB_HALT;
    e->t += (int64_t)corr;
}

static void spool_halt(const struct yard *y, uint64_t corr)
{
    struct entry en;
    struct err e = {0};
    make_halt(&en, corr);
    if (!spool_put(y->s, &en, NULL, NULL, &e))
        fail_msg("spool_put: %s (%s)", e.what, e.cause);
}

/* Names in the spool's folder that end with this; the first goes to `name`. */
static int count_files(const char *dir, const char *tail, char name[256])
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t k = strlen(f->d_name), m = strlen(tail);
        if (f->d_name[0] == '.' || k < m || strcmp(f->d_name + k - m, tail) != 0)
            continue;
        if (strstr(f->d_name, ".head")) /* the log's newest head: test_seen.c */
            continue;
        if (n++ == 0 && name)
            snprintf(name, 256, "%s", f->d_name);
    }
    if (d)
        closedir(d);
    return n;
}

static char *spool_path(const struct yard *y, char out[400])
{
    char name[256];
    assert_true(count_files(y->dir, ".spool", name) > 0);
    snprintf(out, 400, "%s/%s", y->dir, name);
    return out;
}

/* Removes the folder, in which is nothing but the log's newest head. */
static bool drop_dir(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d));) {
        if (strstr(f->d_name, ".head"))
            unlinkat(dirfd(d), f->d_name, 0);
    }
    if (d)
        closedir(d);
    return rmdir(dir) == 0;
}

static size_t halts(struct audit_log *l, struct arena *a, struct stored **v)
{
    struct audit_query q = {.kind = "halt", .limit = 100000};
    size_t n;
    assert_true(audit_query(l, &q, a, v, &n, NULL));
    return n;
}

static size_t latched(struct audit_log *l, struct arena *a, struct stored **v)
{
    size_t n;
    assert_true(audit_latched(l, "homes", a, v, &n, NULL));
    return n;
}

/* Opens, and wants exactly these counts. */
static struct audit_log *open_taking(struct yard *y, int64_t taken, int64_t known, int64_t bad)
{
    struct audit_log *l = box_open(&y->b);
    const struct audit_intake *in = audit_taken_in(l);
    if (in->taken != taken || in->known != known || in->bad != bad)
        fail_msg("taken %d, known %d, bad %d, waiting %d: %s (%s)", (int)in->taken, (int)in->known, (int)in->bad,
                 (int)in->waiting, in->err.what, in->err.cause);
    return l;
}

static void a_halt_that_the_log_did_not_take_comes_into_it_late(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct err e = {0};
    struct stat st;
    struct arena a;
    struct stored *v;
    struct buf blob;
    char where[PATH_MAX];
    begin(&y);
    audit_close(box_open(&y.b));
    make_halt(&en, 7);
    struct rollout_identity who = {"homes", "4471", INT64_C(1931000000000000), "nightly", "hearth:4.12.1"};
    entry_identity(&en, &who);
    entry_int(&en, "pid", 4711);
    entry_int(&en, "pid_start", 99);
    entry_int(&en, "big", INT64_MAX);
    entry_str(&en, "evidence", "{\"e\":\"0x1.8p+1\"}");
    struct spool_blob inputs = {"inputs.blob", "{\"looks\":[1]}", 13};
    assert_true(spool_put(y.s, &en, &inputs, where, &e));
    assert_int_equal(strncmp(where, y.dir, strlen(y.dir)), 0);
    assert_int_equal(lstat(where, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(lstat(y.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    struct audit_log *l = open_taking(&y, 1, 0, 0);
    arena_init(&a);
    assert_int_equal(latched(l, &a, &v), 1);
    assert_int_equal(v->seq, 2);
    assert_true(v->late);
    assert_int_equal(v->t, en.t);
    assert_true(v->corr == 7);
    assert_string_equal(v->actor, "mara");
    assert_string_equal(v->actor_kind, "person");
    assert_string_equal(v->reason, en.reason);
    assert_string_equal(v->verb, "halt");
    assert_string_equal(v->before, "running");
    assert_string_equal(stored_field(v, "pid"), "4711");
    assert_string_equal(stored_field(v, "big"), "9223372036854775807");
    assert_string_equal(stored_field(v, "evidence"), "{\"e\":\"0x1.8p+1\"}");
    assert_string_equal(stored_field(v, "spool.taken"), "1931257200000000");
    assert_non_null(strstr(stored_field(v, "spool.host"), "\"kernel\":"));
    assert_non_null(strstr(v->line, "\"mono_us\":1931257201000000"));
    struct rollout_identity back = stored_identity(v);
    assert_int_equal(identity_same(&back, &who), IDENTITY_SAME);
    assert_string_equal(back.release, "hearth:4.12.1");
    buf_init(&blob, 1000);
    assert_true(audit_get_blob(l, stored_field(v, "inputs.blob"), &blob, &e));
    assert_string_equal(blob.data, "{\"looks\":[1]}");
    buf_release(&blob);
    arena_release(&a);
    audit_close(l);
    assert_int_equal(count_files(y.dir, "", NULL), 0);
    audit_close(open_taking(&y, 0, 0, 0));
    end(&y);
}

static void they_come_in_order_and_before_anything_new(void **state)
{
    (void)state;
    struct yard y;
    struct arena a;
    struct stored *v;
    begin(&y);
    for (uint64_t i = 1; i <= 20; i++)
        spool_halt(&y, i);
    struct audit_log *l = open_taking(&y, 20, 0, 0); /* the log itself is new */
    struct entry en;
    make_halt(&en, 21);
    assert_int_equal(put(l, &en), 22);
    arena_init(&a);
    assert_int_equal(halts(l, &a, &v), 21);
    for (uint64_t i = 0; i < 21; i++)
        assert_true(v[i].corr == i + 1 && v[i].seq == (int64_t)i + 2);
    arena_release(&a);
    audit_close(l);
    end(&y);
}

static void one_event_makes_one_entry(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct receipt r;
    struct err e = {0};
    struct arena a;
    struct stored *v;
    char path[400];
    size_t n;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    make_halt(&en, 1);
    int64_t first = put(l, &en); /* the log took it after all, */
    spool_halt(&y, 1);           /* but too late to be waited for */
    spool_halt(&y, 2);
    char *copy = read_all(spool_path(&y, path), &n);
    audit_close(l);
    l = open_taking(&y, 1, 1, 0);
    /* What was killed before the file was gone is read again, by any name. */
    for (int i = 0; i < 3; i++) {
        struct audit_intake in;
        char again[420];
        snprintf(again, sizeof again, i == 0 ? "%s" : "%s.%d.taking", path, i);
        write_all(again, copy, n);
        chmod(again, 0600);
        assert_true(audit_take_in(l, &in));
        assert_int_equal(in.taken, 0);
        assert_int_equal(in.known, 2);
    }
    /* And who still has it in memory gets the entry that is there. */
    en.late = true;
    entry_str(&en, "more", "than before");
    assert_true(audit_append(l, &en, &r, &e));
    assert_int_equal(r.seq, first);
    assert_int_equal(r.size, 3);
    arena_init(&a);
    assert_int_equal(halts(l, &a, &v), 2);
    assert_string_equal(v[0].leaf_hash, r.leaf);
    arena_release(&a);
    free(copy);
    audit_close(l);
    end(&y);
}

/* A mark alone does not keep a halt out: somebody may have put it there. */
static void a_mark_without_an_entry_does_not_swallow_a_halt(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct buf facts;
    char id[65], digest[65];
    struct err e = {0};
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    make_halt(&en, 1);
    buf_init(&facts, ENTRY_MAX);
    assert_true(entry_event(&en, &facts, id, &e));
    assert_true(audit_put_blob(l, facts.data, facts.len, digest, &e));
    assert_string_equal(id, digest);
    buf_release(&facts);
    audit_close(l);
    spool_halt(&y, 1);
    audit_close(open_taking(&y, 1, 0, 0));
    end(&y);
}

/* However little of the last line was written: what is whole is taken, what is not is kept aside and said. */
static void a_torn_line_is_never_a_record_and_never_lost(void **state)
{
    (void)state;
    struct yard y;
    struct arena a;
    struct stored *v;
    char path[400], name[256];
    size_t n;
    begin(&y);
    spool_halt(&y, 1);
    spool_halt(&y, 2);
    char *all = read_all(spool_path(&y, path), &n);
    size_t first = (size_t)(strchr(all, '\n') - all) + 1;
    unlink(path);
    audit_close(box_open(&y.b));
    for (size_t cut = first + 1; cut <= n; cut += cut + 40 < n && cut > first + 60 ? 23 : 1) {
        struct audit_intake in;
        bool whole = cut >= n - 1; /* the line end alone may be missing */
        write_all(path, all, cut);
        chmod(path, 0600);
        struct audit_log *l = box_open(&y.b);
        in = *audit_taken_in(l);
        assert_int_equal(in.taken + in.known, whole ? 2 : 1);
        assert_int_equal(in.bad, !whole);
        assert_int_equal(count_files(y.dir, ".bad", name), !whole);
        if (!whole) {
            char bad[400];
            size_t m;
            snprintf(bad, sizeof bad, "%s/%s", y.dir, name);
            char *kept = read_all(bad, &m);
            assert_int_equal(m, cut);
            assert_memory_equal(kept, all, cut);
            free(kept);
            unlink(bad);
            struct audit_query q = {.kind = "degraded", .newest_first = true};
            size_t k;
            arena_init(&a);
            assert_true(audit_query(l, &q, &a, &v, &k, NULL));
            assert_true(k > 0);
            assert_string_equal(v->result, "set-aside");
            assert_string_equal(stored_field(v, "spool.bad"), "1");
            arena_release(&a);
        }
        audit_close(l);
    }
    free(all);
    end(&y);
}

/* Also where the change leaves good JSON and touches nothing of the event's id. */
static void a_line_that_was_changed_is_no_record(void **state)
{
    (void)state;
    struct yard y;
    char path[400];
    size_t n;
    begin(&y);
    spool_halt(&y, 1);
    char *all = read_all(spool_path(&y, path), &n), *at = strstr(all, "\"http.status\":200");
    assert_non_null(at);
    at[strlen("\"http.status\":")] = '5';
    write_all(path, all, n);
    free(all);
    audit_close(open_taking(&y, 0, 0, 1));
    end(&y);
}

/* Has the process opened this file? */
static bool has_open(pid_t pid, const char *path)
{
    char dir[64], link[330], to[400];
    snprintf(dir, sizeof dir, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(dir);
    bool found = false;
    for (struct dirent *f; d && !found && (f = readdir(d));) {
        snprintf(link, sizeof link, "%s/%s", dir, f->d_name);
        ssize_t n = readlink(link, to, sizeof to - 1);
        to[n > 0 ? n : 0] = '\0';
        found = strcmp(to, path) == 0;
    }
    if (d)
        closedir(d);
    return found;
}

/* Who waits for the lock while the file is claimed must not write into what is being read. */
static void nothing_is_added_to_a_file_that_was_claimed(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct yard y;
        struct stat before, after;
        char path[400], claimed[420];
        int status;
        begin(&y);
        spool_halt(&y, 1);
        snprintf(claimed, sizeof claimed, "%s.0.taking", spool_path(&y, path));
        assert_int_equal(stat(path, &before), 0);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        int ready[2];
        char byte = 1;
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        assert_int_not_equal(pid, -1);
        if (pid == 0) {
            struct entry en;
            struct err e = {0};
            close(fd); /* the lock stays the parent's; from now on only its own opening counts */
            if (write(ready[1], &byte, 1) != 1)
                _exit(2);
            make_halt(&en, 2);
            _exit(spool_put(y.s, &en, NULL, NULL, &e) ? 0 : 1);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        while (!has_open(pid, path) && count_files(y.dir, ".spool", NULL) == 1)
            ;
        assert_int_equal(rename(path, claimed), 0);
        close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(stat(claimed, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        audit_close(open_taking(&y, 2, 0, 0));
        end(&y);
    }
}

static void a_broken_off_line_does_not_swallow_the_next(void **state)
{
    (void)state;
    struct yard y;
    char path[400];
    begin(&y);
    spool_halt(&y, 1);
    FILE *f = fopen(spool_path(&y, path), "a");
    assert_non_null(f);
    fputs("andon-spool 1 deadbeef", f);
    fclose(f);
    spool_halt(&y, 2);
    audit_close(open_taking(&y, 2, 0, 1));
    end(&y);
}

/* A record with a digest that is right, of whatever JSON. */
static void forge(const char *path, const char *json)
{
    char sum[65];
    sha256_hex(json, strlen(json), sum);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fprintf(f, "andon-spool 1 %s %s\n", sum, json);
    fclose(f);
    chmod(path, 0600);
}

static void only_what_a_halt_leaves_is_taken(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct err e = {0};
    struct buf line, json;
    char path[400], id[65];
    static const enum entry_kind kinds[] = {ENTRY_ACK, ENTRY_OUTCOME, ENTRY_INTENT, ENTRY_GENESIS, ENTRY_SESSION};
    begin(&y);
    spool_halt(&y, 1);
    spool_path(&y, path);
    buf_init(&line, RECORD_MAX);
    for (size_t i = 0; i < 5; i++) { /* of a pause, where there is a verb */
        make_entry(&en, kinds[i], 100 + i, "ok");
        assert_false(spool_put(y.s, &en, NULL, NULL, &e));
        assert_int_equal(e.code, ERR_REFUSED);
        assert_false(record_write(&en, "", &line, &e));
        /* By hand, with everything right but the kind. */
        assert_true(entry_event(&en, NULL, id, &e));
        entry_str(&en, EVENT_FIELD, id);
        buf_init(&json, ENTRY_MAX);
        assert_true(entry_canonical(&en, 0, NULL, &json, &e));
        forge(path, json.data);
        buf_release(&json);
    }
    make_halt(&en, 9); /* not its own id, a number, no id, an object as a field, no entry at all */
    entry_str(&en, EVENT_FIELD, id);
    buf_init(&json, ENTRY_MAX);
    assert_true(entry_canonical(&en, 0, NULL, &json, &e));
    forge(path, json.data);
    buf_release(&json);
    make_halt(&en, 10);
    assert_true(entry_event(&en, NULL, id, &e));
    entry_str(&en, EVENT_FIELD, id);
    buf_init(&json, ENTRY_MAX);
    assert_true(entry_canonical(&en, 12, NULL, &json, &e));
    forge(path, json.data);
    buf_release(&json);
    forge(path, "{\"kind\":\"halt\",\"mono_us\":1,\"seq\":0,\"t\":1,\"v\":2}");
    forge(path, "{\"f\":{\"a\":{\"b\":1}},\"kind\":\"halt\",\"seq\":0,\"t\":1,\"v\":2}");
    forge(path, "[]");
    buf_release(&line);
    struct audit_log *l = open_taking(&y, 1, 0, 10);
    struct arena a;
    struct stored *v;
    arena_init(&a);
    assert_int_equal(latched(l, &a, &v), 1);
    arena_release(&a);
    audit_close(l);
    end(&y);
}

/* Each of what might lie in the way: opening goes on, says it, keeps it; and the next halt finds a place meanwhile. */
static void whatever_lies_there_is_set_aside_and_blocks_nothing(void **state)
{
    (void)state;
    enum { FIFO, LINK, FOLDER, HUGE, GARBAGE, NULS, LONG, OPEN, TWO_NAMES, FOREIGN, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct yard y;
        struct stat st;
        char path[400], other[400], name[256];
        if (way == FOREIGN && geteuid() != 0)
            continue;
        begin(&y);
        spool_halt(&y, 1);
        spool_path(&y, path);
        snprintf(other, sizeof other, "%s/other", y.b.dir);
        if (way != GARBAGE && way != NULS && way != LONG)
            unlink(path);
        switch (way) {
        case FIFO:
            assert_int_equal(mkfifo(path, 0600), 0);
            break;
        case LINK:
            write_all(other, "precious", 8);
            assert_int_equal(symlink(other, path), 0);
            break;
        case FOLDER:
            assert_int_equal(mkdir(path, 0700), 0);
            break;
        case HUGE:
            write_all(path, "", 0);
            assert_int_equal(truncate(path, 1 << 30), 0);
            break;
        case TWO_NAMES:
            write_all(other, "precious", 8);
            assert_int_equal(link(other, path), 0);
            break;
        default: {
            FILE *f = fopen(path, "a");
            assert_non_null(f);
            for (int i = 0; i < (way == LONG ? 40000 : 300); i++)
                fputc(way == NULS ? 0 : way == LONG ? 'x' : "andon-spool 1 \x1b]52;\xff\n"[i % 21], f);
            fclose(f);
            if (way == OPEN)
                chmod(path, 0666);
            if (way == FOREIGN)
                assert_int_equal(chown(path, 12345, 12345), 0);
            break;
        }
        }
        bool lines = way == GARBAGE || way == NULS || way == LONG;
        spool_halt(&y, 2); /* finds a place */
        struct audit_log *l = box_open(&y.b);
        const struct audit_intake *in = audit_taken_in(l);
        if (in->taken != (lines ? 2 : 1) || in->err.code == ERR_NONE || !in->err.what[0])
            fail_msg("way %d: taken %d, %s", way, (int)in->taken, in->err.what);
        assert_int_equal(in->bad > 0, lines);
        assert_int_equal(in->set_aside, 1);
        assert_int_equal(count_files(y.dir, ".bad", name), 1);
        assert_int_equal(count_files(y.dir, ".spool", NULL), 0);
        audit_close(l);
        l = box_open(&y.b); /* once */
        assert_int_equal(audit_taken_in(l)->taken, 0);
        assert_int_equal(audit_taken_in(l)->set_aside, 1);
        assert_int_equal(audit_taken_in(l)->err.code, ERR_NONE);
        struct audit_query q = {.kind = "degraded"};
        struct arena a;
        struct stored *v;
        size_t n;
        arena_init(&a);
        assert_true(audit_query(l, &q, &a, &v, &n, NULL));
        assert_int_equal(n, 1);
        assert_string_equal(v->result, "set-aside");
        arena_release(&a);
        audit_close(l);
        if (way == LINK || way == TWO_NAMES) {
            char *p = read_all(other, &n);
            assert_string_equal(p, "precious");
            free(p);
        }
        snprintf(other, sizeof other, "%s/%s", y.dir, name);
        assert_int_equal(lstat(other, &st), 0);
        if (way == FOREIGN)
            assert_int_equal(st.st_uid, 12345);
        end(&y);
    }
}

static void a_folder_that_is_not_ours_is_not_used(void **state)
{
    (void)state;
    enum { LINK, OPEN, FILE_, FOREIGN, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct yard y;
        struct entry en;
        struct err e = {0};
        char where[PATH_MAX] = "", other[128];
        if (way == FOREIGN && geteuid() != 0)
            continue;
        begin(&y);
        snprintf(other, sizeof other, "%s/other", y.b.dir);
        if (way == LINK) {
            assert_int_equal(mkdir(other, 0700), 0);
            assert_int_equal(symlink(other, y.dir), 0);
        } else if (way == FILE_) {
            write_all(y.dir, "x", 1);
        } else {
            assert_int_equal(mkdir(y.dir, 0700), 0);
            assert_int_equal(way == OPEN ? chmod(y.dir, 0777) : chown(y.dir, 12345, 12345), 0);
        }
        make_halt(&en, 1);
        assert_false(spool_put(y.s, &en, NULL, where, &e));
        assert_int_equal(e.code, ERR_FORBIDDEN);
        assert_true(e.what[0] && e.next[0]);
        /* The second folder is there for that. */
        spool_free(y.s);
        y.b.spec.spool[1] = y.dir2;
        y.s = spool_new(&y.b.spec);
        assert_true(spool_put(y.s, &en, NULL, where, &e));
        assert_int_equal(strncmp(where, y.dir2, strlen(y.dir2)), 0);
        struct audit_log *l = box_open(&y.b);
        assert_int_equal(audit_taken_in(l)->taken, 1);
        assert_int_equal(audit_taken_in(l)->err.code, ERR_FORBIDDEN);
        audit_close(l);
        assert_int_equal(count_files(other, "", NULL), 0);
        end(&y);
    }
}

static void another_file_system_is_tried_first(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct err e = {0};
    struct stat a, b;
    bool apart;
    char away[] = "/tmp/andon-spool-XXXXXX", where[PATH_MAX];
    begin(&y);
    assert_non_null(mkdtemp(away));
    assert_int_equal(stat(away, &a), 0);
    assert_int_equal(stat(y.b.dir, &b), 0);
    spool_free(y.s);
    y.b.spec.spool[1] = away;
    y.s = spool_new(&y.b.spec);
    make_halt(&en, 1);
    assert_true(spool_put(y.s, &en, NULL, where, &e));
    bool differs = a.st_dev != b.st_dev; /* elsewhere there may be but one */
    assert_int_equal(strncmp(where, differs ? away : y.dir, strlen(differs ? away : y.dir)), 0);
    assert_true(spool_probe(y.s, where, &apart, &e));
    assert_int_equal(apart, differs);
    assert_string_equal(where, differs ? away : y.dir);
    audit_close(open_taking(&y, 1, 0, 0));
    assert_int_equal(count_files(away, "", NULL), 0);
    assert_true(drop_dir(away));
    end(&y);
}

/* Somebody keeps the lock of the file, or the folder's, and never gives it back. */
static void a_lock_that_is_kept_holds_up_nothing(void **state)
{
    (void)state;
    struct yard y;
    char path[400];
    struct arena a;
    struct stored *v;
    begin(&y);
    spool_halt(&y, 1);
    int fd = open(spool_path(&y, path), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    int64_t from = clock_now(clock_real());
    spool_halt(&y, 2);
    assert_true(clock_now(clock_real()) - from < 2 * US_PER_S);
    assert_int_equal(count_files(y.dir, ".spool", NULL), 2);
    struct audit_log *l = box_open(&y.b);
    assert_int_equal(audit_taken_in(l)->taken, 1);
    assert_int_equal(audit_taken_in(l)->waiting, 1);
    assert_int_equal(audit_taken_in(l)->err.code, ERR_TIMEOUT);
    arena_init(&a);
    assert_int_equal(latched(l, &a, &v), 2); /* what waits latches as well */
    assert_int_equal(v[1].seq, 0);
    assert_true(v[1].corr == 1 && v[1].late);
    close(fd);
    int dir = open(y.dir, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(dir, LOCK_EX), 0);
    struct audit_intake in;
    assert_false(audit_take_in(l, &in));
    assert_int_equal(in.err.code, ERR_TIMEOUT);
    assert_int_equal(in.waiting, 1);
    close(dir);
    assert_true(audit_take_in(l, &in));
    assert_int_equal(in.taken, 1);
    assert_int_equal(latched(l, &a, &v), 2);
    assert_true(v[0].seq > 0 && v[1].seq > 0);
    arena_release(&a);
    audit_close(l);
    end(&y);
}

static void who_only_reads_says_that_something_waits(void **state)
{
    (void)state;
    struct yard y;
    struct err e = {0};
    struct audit_intake in;
    struct arena a;
    struct stored *v;
    begin(&y);
    audit_close(box_open(&y.b));
    spool_halt(&y, 1);
    y.b.spec.read_only = true;
    struct audit_log *l = audit_open(&y.b.spec, &e);
    assert_non_null(l);
    audit_waiting(l, &in);
    assert_int_equal(in.waiting, 1);
    assert_false(audit_take_in(l, &in));
    assert_int_equal(in.err.code, ERR_REFUSED);
    arena_init(&a);
    assert_int_equal(latched(l, &a, &v), 1);
    assert_string_equal(v->reason, "reboots \"up\" in W2 \\ x3.1");
    assert_int_equal(halts(l, &a, &v), 0);
    arena_release(&a);
    audit_close(l);
    assert_int_equal(count_files(y.dir, ".spool", NULL), 1);
    y.b.spec.read_only = false;
    audit_close(open_taking(&y, 1, 0, 0));
    end(&y);
}

/* The log's disk fails at every write, sync and read of the intake in turn: nothing is lost, nothing comes twice. */
static void a_failing_log_leaves_the_spool_as_it_is(void **state)
{
    (void)state;
    struct yard y;
    struct arena a;
    struct stored *v;
    int met = 0;
    uint64_t corr = 0;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        for (int how = 0; how < (kind == FAULT_WRITE ? 3 : 1); how++)
            for (int nth = 1; nth < 40; nth++) {
                struct audit_intake in;
                spool_halt(&y, ++corr);
                spool_halt(&y, ++corr);
                fault_arm((enum fault_kind)kind, (enum fault_how)how, nth, true);
                bool ok = audit_take_in(l, &in);
                bool struck = fault_disarm();
                met += struck;
                if (!ok) {
                    assert_true(struck);
                    assert_int_equal(in.waiting, 2);
                    assert_true(in.err.what[0]);
                    arena_init(&a);
                    assert_int_equal(latched(l, &a, &v), corr);
                    arena_release(&a);
                    assert_true(audit_take_in(l, &in));
                }
                assert_int_equal(in.taken + in.known, 2);
                arena_init(&a);
                assert_int_equal(halts(l, &a, &v), corr);
                arena_release(&a);
                if (!struck)
                    break;
            }
    assert_true(met > 10);
    audit_close(l);
    end(&y);
}

/* Killed somewhere in the intake, many times: in the end each halt is there once. */
static void who_dies_while_taking_in_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct yard y;
    struct arena a;
    struct stored *v;
    uint64_t seed = 7, corr = 0;
    int died = 0;
    begin(&y);
    audit_close(box_open(&y.b));
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 5; i++)
            spool_halt(&y, ++corr);
        pid_t pid = fork();
        assert_int_not_equal(pid, -1);
        if (pid == 0) {
            struct err e = {0};
            struct audit_log *l = audit_open(&y.b.spec, &e);
            _exit(l && audit_taken_in(l)->waiting == 0 ? 0 : 1);
        }
        int64_t until = clock_now(clock_real()) + (int64_t)(rnd(&seed) % 20000);
        while (clock_now(clock_real()) < until)
            ;
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        died += WIFSIGNALED(status);
    }
    assert_true(died > 0);
    struct audit_log *l = box_open(&y.b);
    assert_int_equal(audit_taken_in(l)->waiting, 0);
    arena_init(&a);
    assert_int_equal(halts(l, &a, &v), corr);
    bool *seen = calloc(corr + 1, 1);
    for (uint64_t i = 0; i < corr; i++) {
        assert_true(v[i].corr <= corr && !seen[v[i].corr]);
        seen[v[i].corr] = true;
    }
    free(seen);
    arena_release(&a);
    audit_close(l);
    assert_int_equal(count_files(y.dir, "", NULL), 0);
    end(&y);
}

static void many_write_and_many_take_in_at_once(void **state)
{
    (void)state;
    enum { WRITERS = 4, EACH = 60, TAKERS = 3 };
    struct yard y;
    struct arena a;
    struct stored *v;
    pid_t pid[WRITERS + TAKERS];
    begin(&y);
    audit_close(box_open(&y.b));
    for (int i = 0; i < WRITERS + TAKERS; i++) {
        pid[i] = fork();
        assert_int_not_equal(pid[i], -1);
        if (pid[i] != 0)
            continue;
        for (int k = 0; k < EACH; k++) {
            struct err e = {0};
            struct entry en;
            make_halt(&en, (uint64_t)(i * EACH + k + 1));
            if (i < WRITERS && !spool_put(y.s, &en, NULL, NULL, &e))
                _exit(10);
            if (i >= WRITERS && k % 3 == 0) {
                struct audit_log *l = audit_open(&y.b.spec, &e);
                if (!l)
                    _exit(11);
                audit_close(l);
            }
        }
        _exit(0);
    }
    for (int i = 0; i < WRITERS + TAKERS; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct audit_log *l = box_open(&y.b);
    arena_init(&a);
    assert_int_equal(halts(l, &a, &v), WRITERS * EACH);
    bool seen[WRITERS * EACH + 1] = {false};
    for (size_t i = 0; i < WRITERS * EACH; i++) {
        assert_false(seen[v[i].corr]);
        seen[v[i].corr] = true;
    }
    arena_release(&a);
    audit_close(l);
    assert_int_equal(count_files(y.dir, "", NULL), 0);
    end(&y);
}

static void a_spool_has_a_bound(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct err e = {0};
    struct stat st;
    char path[400], long_text[8001];
    uint64_t n = 0;
    begin(&y);
    memset(long_text, 'r', 8000);
    long_text[8000] = '\0';
    do {
        make_halt(&en, ++n);
        en.reason = long_text;
    } while (spool_put(y.s, &en, NULL, NULL, &e) && n < 3000);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(n > 400 && e.next[0]);
    assert_int_equal(count_files(y.dir, ".spool", NULL), 1);
    assert_int_equal(stat(spool_path(&y, path), &st), 0);
    assert_true((size_t)st.st_size <= SPOOL_MAX);
    audit_close(open_taking(&y, (int64_t)n - 1, 0, 0));
    assert_true(spool_put(y.s, &en, NULL, NULL, &e));
    audit_close(open_taking(&y, 1, 0, 0));
    end(&y);
}

static bool said(void *ctx, const char *line)
{
    snprintf(ctx, 1000, "%s", line);
    return true;
}

static bool nobody(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
    return false;
}

static void it_is_told_where_the_trace_is(void **state)
{
    (void)state;
    struct yard y;
    struct entry en;
    struct err e = {0};
    char where[PATH_MAX] = "", line[1000] = "";
    begin(&y);
    make_halt(&en, 1);
    en.reason = "boots \x1b[2J";
    assert_int_equal(spool_trace(y.s, &en, NULL, said, line, where, &e), TRAIL_SPOOL);
    assert_true(where[0] && !line[0]);
    audit_close(open_taking(&y, 1, 0, 0));
    assert_true(drop_dir(y.dir));
    write_all(y.dir, "x", 1);
    assert_int_equal(spool_trace(y.s, &en, NULL, said, line, where, &e), TRAIL_SYSLOG);
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_non_null(strstr(line, "halt halt fleet=homes rollout=4471 actor=mara corr=0000000000000001"));
    assert_null(strchr(line, '\x1b'));
    assert_int_equal(spool_trace(y.s, &en, NULL, nobody, NULL, where, &e), TRAIL_NOWHERE);
    assert_int_equal(spool_trace(NULL, &en, NULL, nobody, NULL, where, &e), TRAIL_NOWHERE);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(trail_word(TRAIL_NOWHERE), "nowhere");
    end(&y);
}

/* Inputs that are gone or changed: the halt comes in all the same, and does not claim to have them. */
static void a_halt_without_its_inputs_is_still_a_halt(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct yard y;
        struct entry en;
        struct err e = {0};
        struct arena a;
        struct stored *v;
        char name[256], path[400];
        begin(&y);
        make_halt(&en, 1);
        struct spool_blob inputs = {"inputs.blob", "figures", 7};
        assert_true(spool_put(y.s, &en, &inputs, NULL, &e));
        assert_int_equal(count_files(y.dir, ".blob", name), 1);
        snprintf(path, sizeof path, "%s/%s", y.dir, name);
        if (way == 0)
            unlink(path);
        else
            write_all(path, "others!", 7);
        struct audit_log *l = open_taking(&y, 1, 0, 0);
        arena_init(&a);
        assert_int_equal(latched(l, &a, &v), 1);
        assert_string_equal(stored_field(v, "inputs.blob"), "");
        assert_int_equal(strlen(stored_field(v, "spool.lost")), 64);
        arena_release(&a);
        audit_close(l);
        end(&y);
    }
}

/* Each with a file of its own, as when the common one's lock is kept. */
static void many_files_are_all_taken(void **state)
{
    (void)state;
    struct yard y;
    char path[400], own[420];
    begin(&y);
    for (uint64_t i = 1; i <= 150; i++) {
        spool_halt(&y, i);
        spool_path(&y, path);
        path[strlen(path) - strlen(".spool")] = '\0';
        snprintf(own, sizeof own, "%s-%d.spool-", path, (int)i);
        strcat(path, ".spool");
        assert_int_equal(rename(path, own), 0);
    }
    DIR *d = opendir(y.dir);
    for (struct dirent *f; (f = readdir(d));)
        if (f->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", y.dir, f->d_name);
            snprintf(own, sizeof own, "%.*s", (int)strlen(path) - 1, path);
            assert_int_equal(rename(path, own), 0);
        }
    closedir(d);
    audit_close(open_taking(&y, 150, 0, 0));
    end(&y);
}

/* Two logs may share a folder. */
static void each_log_takes_its_own(void **state)
{
    (void)state;
    struct yard y, z;
    begin(&y);
    begin(&z);
    z.b.spec.spool[0] = y.dir;
    spool_free(z.s);
    z.s = spool_new(&z.b.spec);
    spool_halt(&y, 1);
    spool_halt(&z, 2);
    struct audit_log *l = open_taking(&z, 1, 0, 0);
    assert_int_equal(audit_taken_in(l)->others, 1);
    audit_close(l);
    audit_close(open_taking(&y, 1, 0, 0));
    end(&z);
    end(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_that_the_log_did_not_take_comes_into_it_late),
        cmocka_unit_test(they_come_in_order_and_before_anything_new),
        cmocka_unit_test(one_event_makes_one_entry),
        cmocka_unit_test(a_mark_without_an_entry_does_not_swallow_a_halt),
        cmocka_unit_test(a_torn_line_is_never_a_record_and_never_lost),
        cmocka_unit_test(a_line_that_was_changed_is_no_record),
        cmocka_unit_test(nothing_is_added_to_a_file_that_was_claimed),
        cmocka_unit_test(a_broken_off_line_does_not_swallow_the_next),
        cmocka_unit_test(only_what_a_halt_leaves_is_taken),
        cmocka_unit_test(whatever_lies_there_is_set_aside_and_blocks_nothing),
        cmocka_unit_test(a_folder_that_is_not_ours_is_not_used),
        cmocka_unit_test(another_file_system_is_tried_first),
        cmocka_unit_test(a_lock_that_is_kept_holds_up_nothing),
        cmocka_unit_test(who_only_reads_says_that_something_waits),
        cmocka_unit_test(a_failing_log_leaves_the_spool_as_it_is),
        cmocka_unit_test(who_dies_while_taking_in_loses_and_doubles_nothing),
        cmocka_unit_test(many_write_and_many_take_in_at_once),
        cmocka_unit_test(a_spool_has_a_bound),
        cmocka_unit_test(it_is_told_where_the_trace_is),
        cmocka_unit_test(a_halt_without_its_inputs_is_still_a_halt),
        cmocka_unit_test(many_files_are_all_taken),
        cmocka_unit_test(each_log_takes_its_own),
    };
    fault_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
