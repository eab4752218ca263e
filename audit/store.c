#include "audit/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sqlite3.h>
#include "audit/place.h"
#include "audit/schema.h"

#define APPLICATION_ID 0x616e646f /* "ando" */
#define FORMAT         1
#define BUSY_POLLS     5000 /* of 1 ms */

struct store {
    sqlite3 *db;
    sqlite3_stmt *q[Q_COUNT];
    char *path, *wal_path;
    struct place_id file, wal;
    struct stat seen; /* of the file when it was opened without locks */
    bool unlocked;    /* opened as immutable: nobody had it open */
    bool read_only;
    bool failed; /* something in this transaction went wrong: it must not be committed */
    bool suspect;
    bool no_database; /* SQLite does not know the file's header */
};

/* Every failure of SQLite ends here. Always false. */
static bool fail(struct store *s, struct err *e, const char *doing)
{
    int rc = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    s->failed = true;
    enum err_code code = ERR_IO;
    const char *next = "";
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = ERR_TIMEOUT;
        next = "another process holds the log; try again";
        break;
    case SQLITE_FULL:
        next = "free space on the log's disk";
        break;
    case SQLITE_NOTADB:
        s->no_database = true;
        /* fall through */
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        code = ERR_TAMPERED;
        next = "keep the file as it is and run `andon audit verify`";
        s->suspect = true;
        break;
    case SQLITE_IOERR:
        s->suspect = true;
        next = "look at the disk (dmesg)";
        break;
    default:
        break;
    }
    err_set(e, code, next, "audit log %.200s: %s failed", s->path, doing);
    err_cause(e, "%s (%d)", s->db ? sqlite3_errmsg(s->db) : "out of memory",
              s->db ? sqlite3_extended_errcode(s->db) : rc);
    return false;
}

static bool exec(struct store *s, const char *sql, struct err *e, const char *doing)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? true : fail(s, e, doing);
}

/* A statement ready for its values; prepared on first use, kept until the store closes. */
static sqlite3_stmt *query(struct store *s, enum query q, struct err *e)
{
    if (!s->q[q] && sqlite3_prepare_v3(s->db, QUERIES[q], -1, SQLITE_PREPARE_PERSISTENT, &s->q[q], NULL) != SQLITE_OK) {
        fail(s, e, "preparing a statement");
        return NULL;
    }
    return s->q[q];
}

/* Runs a statement that yields no row and changes exactly `changes` rows (-1: does not matter). */
static bool run(struct store *s, sqlite3_stmt *st, int changes, struct err *e, const char *doing)
{
    int rc = sqlite3_step(st);
    bool ok = rc == SQLITE_DONE;
    if (!ok)
        fail(s, e, doing);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    if (ok && changes >= 0 && sqlite3_changes(s->db) != changes) {
        s->failed = true;
        ok = err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: %s changed nothing", s->path,
                     doing);
    }
    return ok;
}

static bool bound(struct store *s, int rc, sqlite3_stmt *st, struct err *e)
{
    if (rc == SQLITE_OK)
        return true;
    sqlite3_clear_bindings(st);
    return fail(s, e, "binding a value");
}

/* One number of a pragma or a select. */
static bool number(struct store *s, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_int64(st, 0);
    else
        fail(s, e, "reading the file's header");
    sqlite3_finalize(st);
    return ok;
}

/* Is what is open still what stands under the name? SQLite goes on writing happily to a file that was removed. */
static bool still_there(struct store *s, struct err *e)
{
    int moved = 0;
    if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved &&
        place_is(&s->file, s->path) && place_is(&s->wal, s->wal_path))
        return true;
    s->failed = s->suspect = true;
    return err_set(e, ERR_TAMPERED, "find out who moved it; start andon again once it is back",
                   "audit log %.200s: the file was removed or replaced while in use", s->path);
}

/* SQLite's own waiting grows to 100 ms between looks: among writers in a row, who waits longest then never gets its
 * turn. Short looks are fair enough for a handful of processes. */
static int wait_turn(void *ctx, int polls)
{
    (void)ctx;
    sqlite3_sleep(1);
    return polls < BUSY_POLLS;
}

static bool open_db(struct store *s, struct err *e)
{
    struct buf name;
    buf_init(&name, 3 * PATH_MAX);
    place_uri(s->path, s->unlocked ? "?immutable=1" : "", &name);
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(name.data, &s->db, flags, NULL);
    buf_release(&name);
    if (rc != SQLITE_OK)
        return fail(s, e, "opening it");
    sqlite3_busy_handler(s->db, wait_turn, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    return exec(s,
                "PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA synchronous = FULL;"
                "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA foreign_keys = 0;",
                e, "setting it up");
}

static bool header_ok(struct store *s, struct err *e)
{
    int64_t id = 0, format = 0, tables = 0;
    if (!number(s, "PRAGMA application_id", &id, e) || !number(s, "PRAGMA user_version", &format, e) ||
        !number(s, "SELECT count(*) FROM sqlite_master WHERE name IN ('entry', 'state')", &tables, e))
        return false;
    if (id != APPLICATION_ID && tables == 0)
        return err_set(e, ERR_SYNTAX, "", "%.200s: not an audit log", s->path);
    if (id == APPLICATION_ID && format > FORMAT)
        return err_set(e, ERR_UNSUPPORTED, "use a newer andon", "audit log %.200s: format %d is newer than this andon",
                       s->path, (int)format);
    if (id != APPLICATION_ID || format != FORMAT)
        return err_set(e, ERR_TAMPERED, "", "audit log %.200s: its header was changed", s->path);
    return true;
}

static bool schema_ok(struct store *s, struct err *e)
{
    sqlite3_stmt *st = NULL;
    size_t found = 0;
    bool ok = sqlite3_prepare_v2(s->db, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid", -1,
                                 &st, NULL) == SQLITE_OK;
    int rc = SQLITE_ERROR;
    while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0), *sql = (const char *)sqlite3_column_text(st, 1);
        ok = found < SCHEMA_N && name && sql && strcmp(name, SCHEMA[found].name) == 0 &&
             strcmp(sql, SCHEMA[found].sql) == 0;
        found++;
    }
    if (ok && rc != SQLITE_DONE) {
        fail(s, e, "reading its tables");
        sqlite3_finalize(st);
        return false;
    }
    sqlite3_finalize(st);
    if (!ok || found != SCHEMA_N)
        return err_set(e, ERR_TAMPERED, "", "audit log %.200s: its tables or triggers were changed", s->path);
    return true;
}

/* Taken once the first read has made SQLite open its -wal. */
static bool note_wal(struct store *s, struct err *e)
{
    struct stat st;
    if (s->read_only)
        return true;
    if (lstat(s->wal_path, &st) != 0)
        return err_errno(e, ERR_IO, "", "audit log %.200s: no -wal beside it", s->path);
    s->wal = (struct place_id){st.st_dev, st.st_ino};
    return still_there(s, e);
}

static struct store *store_alloc(const char *path, bool read_only, struct err *e)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->read_only = read_only;
    s->path = place_resolve(path, e);
    if (s->path && place_file_ok(s->path, read_only, &s->seen, e) && place_local(s->path, e)) {
        struct buf wal;
        buf_init(&wal, PATH_MAX + 8);
        buf_printf(&wal, "%s-wal", s->path);
        s->wal_path = buf_take(&wal);
        buf_release(&wal);
        s->file = (struct place_id){s->seen.st_dev, s->seen.st_ino};
        return s;
    }
    store_close(s);
    return NULL;
}

struct store *store_open(const char *path, bool read_only, struct err *e)
{
    struct err why = {0};
    struct store *s = store_alloc(path, read_only, e);
    if (!s)
        return NULL;
    struct stat st;
    s->unlocked = read_only && lstat(s->wal_path, &st) != 0;
    bool ok;
    if (s->seen.st_size == 0)
        ok = err_set(&why, ERR_TAMPERED, "restore it from a copy or an export",
                     "audit log %.200s: the file was emptied", s->path);
    else
        ok = open_db(s, &why) && header_ok(s, &why) && schema_ok(s, &why) && note_wal(s, &why);
    if (ok)
        return s;
    if (s->no_database)
        err_set(&why, ERR_SYNTAX, "", "%.200s: not an audit log", s->path);
    if (e)
        *e = why;
    store_close(s);
    return NULL;
}

struct store *store_create(const char *path, struct err *e)
{
    struct store *s = store_alloc(path, false, e);
    if (!s)
        return NULL;
    char pragmas[120];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA journal_mode = WAL; PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
             FORMAT);
    bool ok = open_db(s, e) && exec(s, pragmas, e, "making it");
    for (size_t i = 0; ok && i < SCHEMA_N; i++)
        ok = exec(s, SCHEMA[i].sql, e, "making its tables");
    ok = ok && exec(s, "INSERT INTO state VALUES(1, 0, x'', x'')", e, "making its state");
    if (ok && note_wal(s, e))
        return s;
    store_close(s);
    return NULL;
}

bool store_flush(struct store *s, struct err *e)
{
    int rc = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? true : fail(s, e, "writing to the disk");
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < Q_COUNT; i++)
        sqlite3_finalize(s->q[i]);
    if (s->db && s->suspect) /* a sync that failed must not seem to succeed now: leave the -wal to the next opening */
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close_v2(s->db);
    free(s->path);
    free(s->wal_path);
    free(s);
}

bool store_begin(struct store *s, bool write, struct err *e)
{
    s->failed = false;
    sqlite3_stmt *st = query(s, write ? Q_BEGIN_WRITE : Q_BEGIN, e);
    if (!st || !run(s, st, -1, e, write ? "taking the lock" : "reading"))
        return false;
    if (!s->read_only && !still_there(s, e)) { /* also when reading: a guard that only looks must notice, too */
        store_rollback(s);
        return false;
    }
    return true;
}

void store_rollback(struct store *s)
{
    /* SQLite may have rolled back by itself; a statement sent now would then commit alone. */
    if (!sqlite3_get_autocommit(s->db) && sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        s->suspect = true;
    s->failed = false;
}

/* Is there a transaction, and is it whole? Asked before every write as well: outside one it would commit alone. */
static bool inside(struct store *s, struct err *e)
{
    if (!s->failed && !sqlite3_get_autocommit(s->db))
        return true;
    s->failed = true;
    return err_set(e, ERR_IO, "", "audit log %.200s: the transaction was lost, nothing was written", s->path);
}

bool store_commit(struct store *s, struct err *e)
{
    if (!inside(s, e)) {
        store_rollback(s);
        return false;
    }
    sqlite3_stmt *st = query(s, Q_COMMIT, e);
    if (!st || !run(s, st, -1, e, "writing to the disk")) {
        store_rollback(s);
        return false;
    }
    return s->read_only || still_there(s, e); /* acknowledged only when the name still leads to it */
}

bool store_suspect(const struct store *s)
{
    return s->suspect;
}

bool store_changed(const struct store *s)
{
    struct stat now, wal;
    if (!s->unlocked)
        return false;
    return lstat(s->wal_path, &wal) == 0 || lstat(s->path, &now) != 0 || place_touched(&s->seen, &now);
}

bool store_head(struct store *s, struct store_head *out, struct err *e)
{
    sqlite3_stmt *st = query(s, Q_HEAD, e);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        fail(s, e, "reading its state");
        sqlite3_reset(st);
        return false;
    }
    bool ok = rc == SQLITE_ROW;
    int64_t size = ok ? sqlite3_column_int64(st, 0) : 0;
    size_t n = ok ? (size_t)sqlite3_column_bytes(st, 2) : 0;
    const void *note = ok ? sqlite3_column_blob(st, 2) : NULL;
    ok = ok && size >= 0 && n <= NOTE_MAX &&
         tree_unpack(&out->tree, (uint64_t)size, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
    if (ok && n > 0)
        memcpy(out->note, note, n);
    out->note_n = n;
    sqlite3_reset(st);
    if (!ok) {
        s->failed = true;
        err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: its state is missing or damaged",
                s->path);
    }
    return ok;
}

bool store_set_head(struct store *s, const struct store_head *h, struct err *e)
{
    uint8_t frontier[TREE_DEPTH * HASH_LEN];
    size_t n = tree_pack(&h->tree, frontier);
    sqlite3_stmt *st = inside(s, e) ? query(s, Q_SET_HEAD, e) : NULL;
    return st && bound(s, sqlite3_bind_int64(st, 1, (int64_t)h->tree.size), st, e) &&
           bound(s, sqlite3_bind_blob(st, 2, frontier, (int)n, SQLITE_STATIC), st, e) &&
           bound(s, sqlite3_bind_blob(st, 3, h->note, (int)h->note_n, SQLITE_STATIC), st, e) &&
           run(s, st, 1, e, "storing the checkpoint");
}

bool store_last(struct store *s, int64_t *seq, struct err *e)
{
    sqlite3_stmt *st = query(s, Q_LAST, e);
    if (!st)
        return false;
    bool ok = sqlite3_step(st) == SQLITE_ROW;
    if (ok)
        *seq = sqlite3_column_int64(st, 0);
    else
        fail(s, e, "reading the newest entry");
    sqlite3_reset(st);
    return ok;
}

bool store_put(struct store *s, int64_t seq, const void *leaf, size_t n, const uint8_t hash[HASH_LEN], struct err *e)
{
    sqlite3_stmt *st = inside(s, e) ? query(s, Q_PUT, e) : NULL;
    return st && bound(s, sqlite3_bind_int64(st, 1, seq), st, e) &&
           bound(s, sqlite3_bind_blob(st, 2, hash, HASH_LEN, SQLITE_STATIC), st, e) &&
           bound(s, sqlite3_bind_blob(st, 3, leaf, (int)n, SQLITE_STATIC), st, e) &&
           run(s, st, 1, e, "storing the entry");
}

bool store_rows(struct store *s, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e)
{
    sqlite3_stmt *st = query(s, newest_first ? Q_ROWS_DOWN : Q_ROWS, e);
    if (!st || !bound(s, sqlite3_bind_int64(st, 1, from), st, e) || !bound(s, sqlite3_bind_int64(st, 2, to), st, e))
        return false;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_row row = {.seq = sqlite3_column_int64(st, 0)};
        row.hash = sqlite3_column_blob(st, 1);
        row.hash_n = (size_t)sqlite3_column_bytes(st, 1);
        row.leaf = sqlite3_column_blob(st, 2);
        row.leaf_n = (size_t)sqlite3_column_bytes(st, 2);
        row.leaf = row.leaf ? row.leaf : "";
        row.hash = row.hash ? row.hash : (const uint8_t *)"";
        if (!fn(ctx, &row))
            break;
    }
    bool ok = rc == SQLITE_DONE || rc == SQLITE_ROW ? true : fail(s, e, "reading entries");
    sqlite3_reset(st);
    return ok;
}

bool store_put_blob(struct store *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n, struct err *e)
{
    sqlite3_stmt *st = inside(s, e) ? query(s, Q_PUT_BLOB, e) : NULL;
    return st && bound(s, sqlite3_bind_blob(st, 1, digest, HASH_LEN, SQLITE_STATIC), st, e) &&
           bound(s, sqlite3_bind_blob64(st, 2, n ? bytes : "", n, SQLITE_STATIC), st, e) &&
           run(s, st, 1, e, "storing a blob");
}

bool store_get_blob(struct store *s, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e)
{
    sqlite3_stmt *st = query(s, Q_GET_BLOB, e);
    if (!st || !bound(s, sqlite3_bind_blob(st, 1, digest, HASH_LEN, SQLITE_STATIC), st, e))
        return false;
    int rc = sqlite3_step(st);
    bool ok = rc == SQLITE_ROW;
    if (ok) {
        int n = sqlite3_column_bytes(st, 0);
        const void *p = sqlite3_column_blob(st, 0);
        if (n > 0 && !buf_add(out, p, (size_t)n))
            ok = err_set(e, ERR_LIMIT, "", "audit log %.200s: a blob is too large", s->path);
    } else if (rc == SQLITE_DONE) {
        err_set(e, ERR_NOT_FOUND, "", "audit log %.200s: no such blob", s->path);
    } else {
        fail(s, e, "reading a blob");
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return ok;
}

bool store_blobs(struct store *s, store_blob_fn *fn, void *ctx, struct err *e)
{
    sqlite3_stmt *st = query(s, Q_BLOBS, e);
    int rc = SQLITE_ERROR;
    if (!st)
        return false;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const void *digest = sqlite3_column_blob(st, 0);
        size_t digest_n = (size_t)sqlite3_column_bytes(st, 0);
        const void *bytes = sqlite3_column_blob(st, 1);
        if (!fn(ctx, digest ? digest : "", digest_n, bytes ? bytes : "", (size_t)sqlite3_column_bytes(st, 1)))
            break;
    }
    bool ok = rc == SQLITE_DONE || rc == SQLITE_ROW ? true : fail(s, e, "reading blobs");
    sqlite3_reset(st);
    return ok;
}
