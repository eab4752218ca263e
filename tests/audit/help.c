#include "tests/audit/help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sqlite3.h>

static int64_t box_now(struct clock *c)
{
    return ((struct box *)((char *)c - offsetof(struct box, clock)))->now;
}

static int64_t box_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    (void)c;
    (void)deadline;
    (void)in_flight;
    return 0;
}

void box_init(struct box *b)
{
    memset(b, 0, sizeof *b);
    /* Memory where there is some: nothing here depends on a disk, and a sync there costs nothing. */
    snprintf(b->dir, sizeof b->dir, "%s/andon-audit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->db, sizeof b->db, "%s/log/log.db", b->dir);
    snprintf(b->key, sizeof b->key, "%s/key/log.key", b->dir);
    b->now = INT64_C(1931257200) * US_PER_S;
    b->clock = (struct clock){.now = box_now, .idle = box_idle, .wall = box_now};
    b->spec = (struct audit_spec){.db_path = b->db, .key_path = b->key, .origin = "andon/test", .clock = &b->clock};
}

void box_release(struct box *b)
{
    remove_tree(b->dir);
}

struct audit_log *box_open(struct box *b)
{
    struct err e = {0};
    struct audit_log *l = audit_open(&b->spec, &e);
    if (!l)
        fail_msg("audit_open: %s (%s)", e.what, e.cause);
    return l;
}

void make_entry(struct entry *e, enum entry_kind kind, uint64_t corr, const char *result)
{
    entry_init(e, kind);
    e->corr = corr;
    e->t = INT64_C(1931257201000000);
    e->mono = e->t; /* as in a box, until its clock is set */
    e->actor = (struct actor){.kind = ACTOR_PERSON, .name = "mara"};
    e->fleet = "homes";
    e->rollout = "4471";
    e->wave = "2";
    e->verb = VERB_PAUSE;
    e->result = result;
    e->reason = "reboots \"up\" in W2 \\ x3.1";
    e->before = "running";
    e->after = "paused";
    entry_int(e, "http.status", 200);
    entry_str(e, "http.request_id", "a1b2");
}

int64_t put(struct audit_log *l, const struct entry *en)
{
    struct err e = {0};
    struct receipt r;
    if (!audit_append(l, en, &r, &e))
        fail_msg("audit_append: %s (%s)", e.what, e.cause);
    return r.seq;
}

void box_fill(struct box *b, int n)
{
    struct audit_log *l = box_open(b);
    for (int i = 0; i < n; i++) {
        struct entry e;
        make_entry(&e, i % 2 ? ENTRY_OUTCOME : ENTRY_INTENT, (uint64_t)(i / 2 + 1), i % 2 ? "ok" : "");
        e.t += i * 1000;
        put(l, &e);
    }
    audit_close(l);
}

static void verify(struct box *b, struct audit_report *r)
{
    struct err e = {0};
    if (!audit_verify(&b->spec, NULL, r, &e))
        fail_msg("audit_verify cannot tell: %s (%s)", e.what, e.cause);
    assert_true(r->unwitnessed);
    assert_non_null(strstr(r->text, r->ok ? "unwitnessed: a roll back of the file is not excluded" : "TAMPERED: "));
}

void must_verify(struct box *b, struct audit_report *r)
{
    verify(b, r);
    if (!r->ok)
        fail_msg("should verify: %s", r->text);
    assert_int_equal(r->bad_seq, 0);
    assert_int_equal(strncmp(r->text, "OK (", 4), 0);
}

void must_fail(struct box *b, struct audit_report *r)
{
    verify(b, r);
    if (r->ok)
        fail_msg("should not verify: %s", r->text);
    assert_int_equal(strncmp(r->text, "TAMPERED: ", 10), 0);
}

static sqlite3 *raw(struct box *b)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(b->db, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
}

void sql(struct box *b, const char *text)
{
    sqlite3 *db = raw(b);
    run(db, text);
    sqlite3_close(db);
}

bool sql_works(struct box *b, const char *text)
{
    sqlite3 *db = raw(b);
    bool ok = sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_close(db);
    return ok;
}

void tamper(struct box *b, const char *text)
{
    sqlite3 *db = raw(b);
    char *trigger[16], name[64];
    int n = 0;
    sqlite3_stmt *st;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid", -1, &st, NULL),
        SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW && n < 16)
        trigger[n++] = strdup((const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    for (int i = 0; i < n; i++) {
        char drop[96];
        const char *from = trigger[i] + strlen("CREATE TRIGGER ");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(from, " "), from);
        snprintf(drop, sizeof drop, "DROP TRIGGER %s", name);
        run(db, drop);
    }
    run(db, text);
    for (int i = 0; i < n; i++) {
        run(db, trigger[i]);
        free(trigger[i]);
    }
    sqlite3_close(db);
}

int64_t sql_number(struct box *b, const char *text)
{
    sqlite3 *db = raw(b);
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
        char path[512];
        struct stat st;
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, f->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            remove_tree(path);
        else
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: cannot open", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, *n, f), *n);
    p[*n] = '\0';
    fclose(f);
    return p;
}

void write_all(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "w");
    if (!f)
        fail_msg("%s: cannot write", path);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void copy_tree(const char *from, const char *to)
{
    DIR *d = opendir(from);
    assert_non_null(d);
    assert_int_equal(mkdir(to, 0700), 0);
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        char a[512], b[512];
        struct stat st;
        size_t n;
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
            continue;
        snprintf(a, sizeof a, "%s/%s", from, f->d_name);
        snprintf(b, sizeof b, "%s/%s", to, f->d_name);
        assert_int_equal(lstat(a, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            copy_tree(a, b);
            continue;
        }
        char *p = read_all(a, &n);
        write_all(b, p, n);
        chmod(b, st.st_mode & 07777);
        free(p);
    }
    closedir(d);
}

/* splitmix64: the same schedule in every run. */
uint64_t rnd(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
