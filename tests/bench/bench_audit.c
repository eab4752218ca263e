/* Speed of the audit log, as ratios to what the machine can do at this moment: durable appends against a bare durable
 * SQLite row of the same bytes, verification against sha256sum over the same bytes, each turn by turn with its floor;
 * export, and proofs from a large log. CPU time is what a busy machine disturbs least.
 *
 *   bench_audit FOLDER [appends] [entries] [entries for proofs]
 *
 * FOLDER must lie on a real disk; a folder of its own is made in it and removed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>
#include <sqlite3.h>
#include "audit/log.h"
#include "core/digest.h"

#define FILL 500 /* entries of one transaction, where only many are wanted */

/* Wall clock, CPU of this thread, and CPU of the children that have ended; seconds. */
struct spent {
    double wall, cpu, children;
};

static double at(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static struct spent now(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (struct spent){at(CLOCK_MONOTONIC), at(CLOCK_THREAD_CPUTIME_ID),
                          (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                              (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6};
}

static struct spent since(struct spent from)
{
    struct spent t = now();
    return (struct spent){t.wall - from.wall, t.cpu - from.cpu, t.children - from.children};
}

/* The least of several rounds is what the others took as well, without what the machine did besides. */
static void least(struct spent *best, struct spent t)
{
    best->wall = best->wall == 0 || t.wall < best->wall ? t.wall : best->wall;
    best->cpu = best->cpu == 0 || t.cpu < best->cpu ? t.cpu : best->cpu;
    best->children = best->children == 0 || t.children < best->children ? t.children : best->children;
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

/* What changes from one entry to the next is borrowed from here. */
struct varying {
    char request[40], ratio[24];
};

static void entry(struct entry *e, struct varying *v, uint64_t i)
{
    static const char text[] = "reboots up to 3.1 times the control group in wave 2 over the last 10 minutes, 14 of 20 "
                               "devices; watch since 12:31, hold since 12:35; last install 12:02; the rule is "
                               "reboots-vs-control of policy homes-default";
    uint64_t odd = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(v->request, sizeof v->request, "%08x-0a5e-4f1c-9d3b-%012llx", (unsigned)(odd >> 32),
             (unsigned long long)(odd & 0xffffffffffff));
    snprintf(v->ratio, sizeof v->ratio, "0x1.%013llxp+1", (unsigned long long)(odd >> 12));
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
    entry_str(e, "http.request_id", v->request);
    entry_str(e, "evidence.ratio", v->ratio);
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

#define TOGETHER 20

/* n entries in one transaction. */
static void append(struct audit_log *l, uint64_t from, size_t n)
{
    static struct entry en[FILL];
    static struct varying v[FILL];
    static struct audit_item it[FILL];
    struct err e = {0};
    size_t refused;
    for (size_t i = 0; i < n; i++) {
        entry(&en[i], &v[i], from + i);
        it[i] = (struct audit_item){.entry = &en[i]};
    }
    must(audit_append_all(l, it, n, &refused, &e), &e);
}

static void row(sqlite3 *db, sqlite3_stmt *st, size_t n)
{
    static char bytes[1100];
    if (n > 1 && sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        exit(1);
    for (size_t i = 0; i < n; i++) {
        sqlite3_bind_blob(st, 1, bytes, (int)sizeof bytes, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE)
            exit(1);
        sqlite3_reset(st);
    }
    if (n > 1 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        exit(1);
}

static double *sorted(struct spent *t, size_t n, bool cpu)
{
    double *v = calloc(n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = cpu ? t[i].cpu : t[i].wall;
    qsort(v, n, sizeof *v, by_value);
    return v;
}

/* In turns: the disk's mood is the same for all. */
static void appends(const char *dir, struct audit_log *l, size_t n)
{
    static const char *const what[] = {"an entry", "a bare durable row", "20 entries that wait together",
                                       "20 bare rows"};
    char path[512];
    sqlite3_stmt *st;
    struct spent *t[4];
    double wall[4], cpu[4];
    snprintf(path, sizeof path, "%s/bare.db", dir);
    sqlite3 *db = bare_open(path, &st);
    for (int k = 0; k < 4; k++)
        t[k] = calloc(n, sizeof *t[k]);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 4; k++) {
            size_t many = k < 2 ? 1 : TOGETHER;
            struct spent t0 = now();
            if (k % 2)
                row(db, st, many);
            else
                append(l, i * (TOGETHER + 1), many);
            t[k][i] = since(t0);
        }
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    for (int k = 0; k < 4; k++) {
        double *w = sorted(t[k], n, false), *c = sorted(t[k], n, true);
        wall[k] = w[n / 2];
        cpu[k] = c[n / 2];
        printf("append      %s: p50 %.0f us, p99 %.0f us; CPU %.0f us\n", what[k], wall[k] * 1e6, w[n * 99 / 100] * 1e6,
               cpu[k] * 1e6);
        free(w);
        free(c);
        free(t[k]);
    }
    printf("append      to a bare durable row: alone %.2f (aim <= 1.15), CPU %.1f; each of 20 together %.2f, CPU %.2f; "
           "20 to 20 bare rows %.2f\n",
           wall[0] / wall[1], cpu[0] / cpu[1], wall[2] / TOGETHER / wall[1], cpu[2] / TOGETHER / cpu[1],
           wall[2] / wall[3]);
}

static void sha256sum(const char *path)
{
    fflush(stdout);
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
}

/* The least that a verification can do: the same bytes through the digest that andon has. */
static void bare_digest(const char *path)
{
    struct sha256 h;
    unsigned char out[SHA256_BYTES];
    static char bytes[1 << 16];
    FILE *f = fopen(path, "r");
    sha256_init(&h);
    for (size_t n; f && (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
        sha256_add(&h, bytes, n);
    sha256_done(&h, out);
    if (f)
        fclose(f);
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

#define ROUNDS 5

static void whole(const struct audit_spec *spec, struct audit_log *l, const char *dir)
{
    char out[512], path[600];
    struct audit_report r;
    struct err e = {0};
    struct stat st, csv;
    struct spent best[5] = {0};
    snprintf(out, sizeof out, "%s/out", dir);
    for (int i = 0; i < ROUNDS; i++) {
        remove_tree(out);
        struct spent t0 = now();
        must(audit_export(l, &(struct audit_export_spec){0}, out, NULL, &e), &e);
        least(&best[0], since(t0));
        snprintf(path, sizeof path, "%s/report.csv", out);
        if (stat(path, &csv) != 0)
            exit(1);
        snprintf(path, sizeof path, "%s/entries.jsonl", out);
        if (stat(path, &st) != 0)
            exit(1);
        t0 = now();
        sha256sum(path);
        least(&best[1], since(t0));
        t0 = now();
        must(audit_verify(spec, NULL, &r, &e) && r.ok, &e);
        least(&best[2], since(t0));
        t0 = now();
        must(audit_verify_export(out, NULL, NULL, 0, NULL, &r, &e) && r.ok, &e);
        least(&best[3], since(t0));
        t0 = now();
        bare_digest(path);
        least(&best[4], since(t0));
    }
    double mb = (double)st.st_size / 1e6, all = mb + (double)csv.st_size / 1e6, sum = best[1].children;
    printf("sha256sum   %.0f MB: CPU %.3f s, wall %.3f s, %.0f MB/s; the same by libcrypto CPU %.3f s\n", mb, sum,
           best[1].wall, mb / sum, best[4].cpu);
    printf("verify      log: CPU %.3f s, wall %.3f s, %.0f MB/s, %.2fx sha256sum (aim >= 2), %.2fx libcrypto\n",
           best[2].cpu, best[2].wall, mb / best[2].cpu, sum / best[2].cpu, best[4].cpu / best[2].cpu);
    printf("verify      export: CPU %.3f s, wall %.3f s, %.0f MB/s, %.2fx sha256sum of its entries\n", best[3].cpu,
           best[3].wall, mb / best[3].cpu, sum / best[3].cpu);
    printf("export      CPU %.3f s, wall %.3f s: %.0f MB/s of entries, %.0f MB/s of all files (aim >= 150)\n",
           best[0].cpu, best[0].wall, mb / best[0].cpu, all / best[0].cpu);
}

/* As `andon audit prove` does it: without its file, and when that is there from the proof before. */
static void proofs(struct audit_log *l, const char *dir)
{
    char cache[512];
    struct audit_head head;
    struct audit_proved word;
    struct err e = {0};
    struct spent first, best = {0}, t0;
    snprintf(cache, sizeof cache, "%s/subtrees", dir);
    must(audit_head(l, &head, &e), &e);
    for (int i = 0; i < 6; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        t0 = now();
        must(audit_prove(l, head.size * (i + 1) / 7, cache, &out, &word, &e), &e);
        buf_release(&out);
        if (i == 0)
            first = since(t0);
        else
            least(&best, since(t0));
    }
    printf("proof       of %lld entries: the first CPU %.0f ms, wall %.0f ms; then CPU %.1f ms, wall %.1f ms (aim <= "
           "50)\n",
           (long long)head.size, first.cpu * 1e3, first.wall * 1e3, best.cpu * 1e3, best.wall * 1e3);
}

static void fill(struct audit_log *l, size_t from, size_t to)
{
    for (size_t n; from < to; from += n) {
        n = to - from < FILL ? to - from : FILL;
        append(l, from, n);
    }
}

static double load(void)
{
    double l = 0;
    if (getloadavg(&l, 1) != 1)
        return -1;
    return l;
}

int main(int argc, char **argv)
{
    char dir[300], db[400], key[400];
    struct err e = {0};
    if (argc < 2) {
        fputs("usage: bench_audit FOLDER [appends] [entries] [entries for proofs]\n", stderr);
        return 3;
    }
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 300, many = argc > 3 ? strtoul(argv[3], NULL, 10) : 100000,
           most = argc > 4 ? strtoul(argv[4], NULL, 10) : 1000000;
    snprintf(dir, sizeof dir, "%.200s/bench-audit-XXXXXX", argv[1]);
    if (!mkdtemp(dir) || n < 10)
        return 1;
    printf("load        %.1f on %ld CPUs\n", load(), sysconf(_SC_NPROCESSORS_ONLN));
    snprintf(db, sizeof db, "%s/log.db", dir);
    snprintf(key, sizeof key, "%s/log.key", dir);
    struct audit_spec spec = {.db_path = db, .key_path = key, .origin = "andon/bench"};
    struct audit_log *l = audit_open(&spec, &e);
    must(l != NULL, &e);
    appends(dir, l, n);
    if (most > 0) {
        fill(l, n * (TOGETHER + 1), most);
        proofs(l, dir);
    }
    audit_close(l);
    remove_tree(dir);
    /* The log that is read is filled where a sync costs nothing. */
    char fast[300];
    snprintf(fast, sizeof fast, "%s/bench-audit-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : argv[1]);
    if (!mkdtemp(fast))
        return 1;
    snprintf(db, sizeof db, "%s/log.db", fast);
    snprintf(key, sizeof key, "%s/log.key", fast);
    l = audit_open(&spec, &e);
    must(l != NULL, &e);
    size_t singly = many < 2000 ? many : 2000;
    struct spent t0 = now();
    for (size_t i = 0; i < singly; i++)
        append(l, i, 1);
    printf("append      CPU %.0f us without a disk (hash, sign, read back, SQL)\n",
           since(t0).cpu / (double)singly * 1e6);
    fill(l, singly, many);
    whole(&spec, l, fast);
    audit_close(l);
    remove_tree(fast);
    printf("load        %.1f\n", load());
    return 0;
}
