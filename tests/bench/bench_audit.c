/* Speed of the audit log, as ratios to what the machine can do at this moment: durable appends against a bare durable
 * SQLite row of the same bytes, verification and export against sha256sum over the same bytes.
 *
 *   bench_audit FOLDER [appends] [entries]
 *
 * FOLDER must lie on a real disk; a folder of its own is made in it and removed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>
#include <sqlite3.h>
#include "audit/log.h"

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void must(bool ok, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "bench_audit: %s (%s)\n", e->what, e->cause);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void entry(struct entry *e, uint64_t i)
{
    static const char text[] = "reboots up to 3.1 times the control group in wave 2 over the last 10 minutes, 14 of 20 "
                               "devices; watch since 12:31, hold since 12:35; last install 12:02; the rule is "
                               "reboots-vs-control of policy homes-default";
    entry_init(e, i % 2 ? ENTRY_OUTCOME : ENTRY_INTENT);
    e->corr = i / 2 + 1;
    e->t = INT64_C(1931257200000000) + (int64_t)i * 1000;
    e->actor = (struct actor){.kind = ACTOR_RULE, .name = "reboots-vs-control"};
    e->fleet = "homes";
    e->rollout = "4471";
    e->wave = "2";
    e->verb = VERB_PAUSE;
    e->result = i % 2 ? "ok" : "";
    e->reason = text;
    e->before = "running";
    e->after = "paused";
    entry_int(e, "http.status", 200);
    entry_str(e, "http.request_id", "6f1d2c3b-0a5e-4f1c-9d3b-2f7e8a9b0c1d");
    entry_str(e, "evidence.ratio", "0x1.8cccccccccccdp+1");
}

/* One durable row of n bytes, as plain as SQLite does it. */
static sqlite3 *bare_open(const char *path, sqlite3_stmt **st)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(
            db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)",
            NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO t(b) VALUES(?1)", -1, st, NULL) != SQLITE_OK) {
        fprintf(stderr, "bench_audit: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
    return db;
}

static void appends(const char *dir, struct audit_log *l, size_t n)
{
    char path[512], row[1100];
    sqlite3_stmt *st;
    struct err e = {0};
    double *ours = calloc(n, sizeof *ours), *bare = calloc(n, sizeof *bare);
    snprintf(path, sizeof path, "%s/bare.db", dir);
    sqlite3 *db = bare_open(path, &st);
    memset(row, 'x', sizeof row);
    for (size_t i = 0; i < n; i++) { /* in turns: the disk's mood is the same for both */
        struct entry en;
        entry(&en, i);
        double t0 = now();
        must(audit_append(l, &en, NULL, &e), &e);
        double t1 = now();
        sqlite3_bind_blob(st, 1, row, (int)sizeof row, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(st);
        ours[i] = t1 - t0;
        bare[i] = now() - t1;
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    qsort(ours, n, sizeof *ours, by_value);
    qsort(bare, n, sizeof *bare, by_value);
    printf("append      p50 %.0f us, p99 %.0f us; bare row p50 %.0f us, p99 %.0f us; ratio p50 %.2f (aim <= 1.15)\n",
           ours[n / 2] * 1e6, ours[n * 99 / 100] * 1e6, bare[n / 2] * 1e6, bare[n * 99 / 100] * 1e6,
           ours[n / 2] / bare[n / 2]);
    free(ours);
    free(bare);
}

static double sha256sum(const char *path)
{
    fflush(stdout);
    double t0 = now();
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execlp("sha256sum", "sha256sum", path, (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        exit(1);
    return now() - t0;
}

static void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
        char path[1024];
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

static void whole(const struct audit_spec *spec, struct audit_log *l, const char *dir)
{
    char out[512], path[600];
    struct audit_report r;
    struct err e = {0};
    struct stat st;
    snprintf(out, sizeof out, "%s/out", dir);
    double t0 = now();
    must(audit_export(l, NULL, out, &e), &e);
    double exported = now() - t0;
    snprintf(path, sizeof path, "%s/entries.jsonl", out);
    if (stat(path, &st) != 0)
        exit(1);
    double mb = (double)st.st_size / 1e6, best[3] = {1e9, 1e9, 1e9};
    for (int i = 0; i < 3; i++) {
        double t = sha256sum(path);
        best[0] = t < best[0] ? t : best[0];
        t0 = now();
        must(audit_verify(spec, NULL, &r, &e) && r.ok, &e);
        t = now() - t0;
        best[1] = t < best[1] ? t : best[1];
        t0 = now();
        must(audit_verify_export(out, NULL, &r, &e) && r.ok, &e);
        t = now() - t0;
        best[2] = t < best[2] ? t : best[2];
    }
    printf("sha256sum   %.0f MB in %.3f s, %.0f MB/s\n", mb, best[0], mb / best[0]);
    printf("verify      log %.3f s, %.0f MB/s, %.2fx sha256sum (aim >= 2); export %.3f s, %.0f MB/s, %.2fx\n", best[1],
           mb / best[1], best[0] / best[1], best[2], mb / best[2], best[0] / best[2]);
    printf("export      %.3f s, %.0f MB/s (entries.jsonl and report.csv, durable)\n", exported, mb / exported);
}

int main(int argc, char **argv)
{
    char dir[300], db[400], key[400];
    struct err e = {0};
    if (argc < 2) {
        fputs("usage: bench_audit FOLDER [appends] [entries]\n", stderr);
        return 3;
    }
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 500, many = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
    snprintf(dir, sizeof dir, "%.200s/bench-audit-XXXXXX", argv[1]);
    if (!mkdtemp(dir) || n < 10)
        return 1;
    snprintf(db, sizeof db, "%s/log.db", dir);
    snprintf(key, sizeof key, "%s/log.key", dir);
    struct audit_spec spec = {.db_path = db, .key_path = key, .origin = "andon/bench"};
    struct audit_log *l = audit_open(&spec, &e);
    must(l != NULL, &e);
    appends(dir, l, n);
    audit_close(l);
    /* The large log is filled where a sync costs nothing: what is measured on it is reading. */
    char fast[300];
    snprintf(fast, sizeof fast, "%s/bench-audit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : argv[1]);
    if (!mkdtemp(fast))
        return 1;
    snprintf(db, sizeof db, "%s/log.db", fast);
    snprintf(key, sizeof key, "%s/log.key", fast);
    l = audit_open(&spec, &e);
    must(l != NULL, &e);
    double t0 = now();
    for (size_t i = 0; i < many; i++) {
        struct entry en;
        entry(&en, i);
        must(audit_append(l, &en, NULL, &e), &e);
    }
    printf("append      %.0f us without a disk (hash, sign, read back, SQL)\n", (now() - t0) / (double)many * 1e6);
    whole(&spec, l, fast);
    audit_close(l);
    remove_tree(fast);
    remove_tree(dir);
    return 0;
}
