/* Cost of intelligence, as ratios to floors of the same run: an import of generated OSV records beside a bare jansson
 * parse of the same bytes; its memory, and the size of the store; the look-ups for an SBOM of 400 parts beside as many
 * bare look-ups by SQLite.
 *
 *   bench_intel FOLDER [records]
 *
 * A folder of its own is made in FOLDER and removed. */
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <sqlite3.h>
#include "core/rng.h"
#include "intel/import.h"
#include "intel/match.h"
#include "intel/store.h"
#include "intel/store_inner.h"

#define PACKAGES 40000
#define PARTS    400

extern char **environ;

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "bench_intel: %s: %s %s\n", what, e ? e->what : "", e ? e->cause : "");
    exit(1);
}

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const char *const ecosystems[] = {"Debian:11", "Debian:12", "Debian:13", "PyPI", "crates.io", "Go"};

/* A record as the public ones are: a text of some length, one to three packages, versions that its ranges mean. */
static void record(struct buf *b, uint64_t i)
{
    struct rng r;
    rng_init(&r, i + 1);
    buf_clear(b);
    buf_printf(b,
               "{\"schema_version\":\"1.7.0\",\"id\":\"BENCH-2031-%06llu\",\"modified\":\"2031-0%d-1%dT12:%d%d:00Z\","
               "\"published\":\"2031-01-0%dT08:00:00Z\",",
               (unsigned long long)i, 1 + (int)rng_below(&r, 9), (int)rng_below(&r, 9), (int)rng_below(&r, 6),
               (int)rng_below(&r, 9), 1 + (int)rng_below(&r, 9));
    buf_printf(b, "\"%s\":[\"CVE-2031-%llu\"],", i % 3 ? "upstream" : "aliases", (unsigned long long)(100000 + i));
    buf_printf(b, "\"summary\":\"package %d reads %d bytes past the end of what it was given\",\"details\":\"",
               (int)rng_below(&r, 1000), (int)rng_below(&r, 1000));
    for (int k = 0; k < 100; k++)
        buf_printf(b, "word%d ", (int)rng_below(&r, 10000));
    buf_adds(b, "\",\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"}],"
                "\"affected\":[");
    int n = 1 + (int)(i % 5 == 0) + (int)(i % 3 == 0);
    unsigned package = (unsigned)rng_below(&r, PACKAGES);
    for (int k = 0; k < n; k++) {
        unsigned major = (unsigned)rng_below(&r, 20);
        buf_printf(b,
                   "%s{\"package\":{\"ecosystem\":\"%s\",\"name\":\"package-%u\",\"purl\":\"pkg:bench/package-%u\"},"
                   "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[{\"introduced\":\"0\"},{\"fixed\":\"%u.%u.9\"}]}],"
                   "\"versions\":[",
                   k ? "," : "", ecosystems[(package + (unsigned)k) % 6], package, package, major, package % 30);
        for (unsigned v = 0; v < 20; v++)
            buf_printf(b, "%s\"%u.%u.%u\"", v ? "," : "", major, package % 30, v % 9);
        buf_adds(b, "],\"database_specific\":{\"source\":\"https://example.invalid/advisories/record.json\"}}");
    }
    buf_adds(b, "],\"references\":[{\"type\":\"ADVISORY\",\"url\":\"https://example.invalid/a\"},"
                "{\"type\":\"WEB\",\"url\":\"https://example.invalid/b\"}]}");
}

/* The dump as it is published: a zip of one file for each record. Returns the bytes of the records. */
static uint64_t write_dump(const char *path, uint64_t records)
{
    struct archive *a = archive_write_new();
    struct buf b;
    uint64_t bytes = 0;
    char name[40];
    archive_write_set_format_zip(a);
    archive_write_set_options(a, "zip:compression-level=1");
    if (archive_write_open_filename(a, path) != ARCHIVE_OK)
        die(archive_error_string(a), NULL);
    buf_init(&b, 1 << 20);
    for (uint64_t i = 0; i < records; i++) {
        struct archive_entry *en = archive_entry_new();
        record(&b, i);
        snprintf(name, sizeof name, "BENCH-%06llu.json", (unsigned long long)i);
        archive_entry_set_pathname(en, name);
        archive_entry_set_size(en, (la_int64_t)b.len);
        archive_entry_set_filetype(en, AE_IFREG);
        archive_entry_set_perm(en, 0600);
        if (archive_write_header(a, en) != ARCHIVE_OK || archive_write_data(a, b.data, b.len) != (la_ssize_t)b.len)
            die(archive_error_string(a), NULL);
        archive_entry_free(en);
        bytes += b.len;
    }
    archive_write_free(a);
    buf_release(&b);
    return bytes;
}

static double floor_parse(uint64_t records)
{
    struct buf b;
    double spent = 0;
    buf_init(&b, 1 << 20);
    for (uint64_t i = 0; i < records; i++) {
        record(&b, i);
        double from = cpu();
        json_t *doc = json_loadb(b.data, b.len, 0, NULL);
        json_decref(doc);
        spent += cpu() - from;
    }
    buf_release(&b);
    return spent;
}

static void nothing(void *ctx, enum intel_outcome what, const struct intel_source *s, const struct err *err)
{
    (void)ctx;
    (void)s;
    if (what != INTEL_IMPORTED)
        die("the import", err);
}

/* In a process of its own, whose memory is the import's. */
static int child(const char *folder, const char *db)
{
    struct err e = {0};
    size_t refused;
    setenv("TZ", "UTC0", 1); /* as andon intel import does */
    struct intel_store *s = intel_open(db, true, &e);
    struct intel_import spec = {.folder = folder, .now = INT64_C(1950000000000000), .say = nothing};
    if (!s || !intel_import(s, &spec, &refused, &e))
        die("the import", &e);
    intel_close(s);
    return 0;
}

static double import(char *self, char *folder, char *db, long *kib)
{
    char *argv[] = {self, (char *)"import", folder, db, NULL};
    struct rusage u;
    pid_t pid;
    int st;
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) != 0 || wait4(pid, &st, 0, &u) != pid || st != 0)
        die("the import ended badly", NULL);
    *kib = u.ru_maxrss;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void part(unsigned i, char *name, size_t size, const char **eco)
{
    unsigned package = i * 97 % PACKAGES;
    snprintf(name, size, "package-%u", package);
    *eco = ecosystems[package % 6];
}

static double look_up(const char *db, size_t *found, struct intel_found *last)
{
    struct err e = {0};
    struct intel_store *s = intel_open(db, false, &e);
    double best = 1e9;
    if (!s)
        die("the store", &e);
    for (int round = 0; round < 7; round++) {
        struct arena a;
        intel_found_release(last);
        double from = cpu();
        arena_init(&a);
        intel_found_init(last, &a);
        if (!intel_look_begin(s, &e))
            die("the store", &e);
        for (unsigned i = 0; i < PARTS; i++) {
            char name[40];
            const char *eco;
            part(i, name, sizeof name, &eco);
            if (!intel_by_package(s, eco, name, last, &e))
                die("a look-up", &e);
        }
        if (!intel_by_group(s, last, &e))
            die("a look-up", &e);
        *found = last->n;
        intel_look_end(s);
        arena_release(&a);
        double t = cpu() - from;
        best = t < best ? t : best;
    }
    intel_close(s);
    return best;
}

/* What these parts are called in an SBOM. */
static void write_sbom(const char *path)
{
    static const char *const types[][2] = {{"deb/debian", "?distro=debian-11"},
                                           {"deb/debian", "?distro=debian-12"},
                                           {"deb/debian", "?distro=debian-13"},
                                           {"pypi", ""},
                                           {"cargo", ""},
                                           {"golang", ""}};
    FILE *f = fopen(path, "w");
    if (!f)
        die(path, NULL);
    fputs("{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"version\":1,\"components\":[", f);
    for (unsigned i = 0; i < PARTS; i++) {
        char name[40], version[40];
        const char *eco;
        part(i, name, sizeof name, &eco);
        snprintf(version, sizeof version, "%u.%u.%u", i % 20, i % 30, i % 9);
        const char *const *type = types[i * 97 % PACKAGES % 6];
        fprintf(f, "%s{\"type\":\"library\",\"name\":\"%s\",\"version\":\"%s\",\"purl\":\"pkg:%s/%s@%s%s\"}",
                i ? "," : "", name, version, type[0], name, version, type[1]);
    }
    fputs("]}", f);
    fclose(f);
}

/* All answers for that release. */
static double match(const char *db, size_t *findings)
{
    struct err e = {0};
    struct intel_store *s = intel_open(db, false, &e);
    struct intel_matcher *m = s ? intel_matcher_new(s, NULL, 0, &e) : NULL;
    double best = 1e9;
    if (!m)
        die("the store", &e);
    for (int round = 0; round < 7; round++) {
        struct arena a;
        struct intel_answers is;
        double from = cpu();
        arena_init(&a);
        if (!intel_match(m, "bench:1", "", "", NULL, 0, &a, &is, &e))
            die("the matching", &e);
        *findings = is.n;
        arena_release(&a);
        double t = cpu() - from;
        best = t < best ? t : best;
    }
    intel_matcher_free(m);
    intel_close(s);
    return best;
}

/* The same keys asked of SQLite, and each row's body read: what nobody can do without. */
static double floor_look_up(const char *db, const struct intel_found *f)
{
    sqlite3 *d;
    sqlite3_stmt *st;
    double best = 1e9;
    if (sqlite3_open_v2(db, &d, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(d, intel_sql[SQL_FIND], -1, &st, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(d), NULL);
    for (int round = 0; round < 7; round++) {
        double from = cpu();
        for (size_t i = 0; i < f->cap_done; i++) {
            if (!f->done[i])
                continue;
            sqlite3_bind_int64(st, 1, (int64_t)(f->done[i] & ~(UINT64_C(1) << 63)));
            while (sqlite3_step(st) == SQLITE_ROW)
                if (!sqlite3_column_blob(st, 1))
                    die("a bare look-up", NULL);
            sqlite3_reset(st);
        }
        double t = cpu() - from;
        best = t < best ? t : best;
    }
    sqlite3_finalize(st);
    sqlite3_close(d);
    return best;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "import") == 0)
        return child(argv[2], argv[3]);
    if (argc < 2)
        return 2;
    char dir[300], folder[350], zip[400], db[350];
    uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : 250000;
    snprintf(dir, sizeof dir, "%s/bench-intel.XXXXXX", argv[1]);
    if (!mkdtemp(dir))
        die(dir, NULL);
    snprintf(folder, sizeof folder, "%s/mirror", dir);
    mkdir(folder, 0700);
    snprintf(zip, sizeof zip, "%s/osv", folder);
    mkdir(zip, 0700);
    snprintf(zip, sizeof zip, "%s/osv/all.zip", folder);
    snprintf(db, sizeof db, "%s/intel.db", dir);
    uint64_t bytes = write_dump(zip, records);
    snprintf(zip, sizeof zip, "%s/sbom", folder);
    mkdir(zip, 0700);
    snprintf(zip, sizeof zip, "%s/sbom/bench_1.cdx.json", folder);
    write_sbom(zip);
    double bare = floor_parse(records);
    long kib;
    double took = import(argv[0], folder, db, &kib);
    struct stat st;
    if (stat(db, &st) != 0)
        die(db, NULL);
    printf("  import of %llu OSV records, %.0f MB: %.2f s CPU, bare jansson %.2f s: %.2f x (goal: 2)\n",
           (unsigned long long)records, (double)bytes / 1e6, took, bare, took / bare);
    printf("  its memory: %.1f MiB (goal: 32)\n", (double)kib / 1024);
    printf("  the store: %.1f MiB (goal: 80)\n", (double)st.st_size / 1048576);
    size_t found = 0;
    struct intel_found f = {0};
    double look = look_up(db, &found, &f), floor = floor_look_up(db, &f);
    intel_found_release(&f);
    printf("  look-ups for an SBOM of %d parts, %zu advisories: %.1f ms (goal: 50), the same keys asked of bare SQLite "
           "%.1f ms: %.2f x (goal: "
           "4)\n",
           PARTS, found, look * 1e3, floor * 1e3, look / floor);
    double judged = match(db, &found);
    printf("  answers for that SBOM, %zu of them: %.1f ms (goal: 50)\n", found, judged * 1e3);
    if (!getenv("BENCH_KEEP"))
        nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
