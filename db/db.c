#include "db/db.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include "core/buf.h"

/* After the owner's own. */
enum own { OWN_BEGIN, OWN_BEGIN_WRITE, OWN_COMMIT, OWN_N };
static const char *const OWN[OWN_N] = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT"};

struct db {
    struct db_spec spec;
    sqlite3 *db; /* NULL: not connected */
    sqlite3_stmt **st;
    bool failed; /* something in this transaction went wrong */
};

struct db_row {
    sqlite3_stmt *st;
};

static enum db_fault fault_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return DB_BUSY;
    case SQLITE_FULL:
        return DB_FULL;
    case SQLITE_IOERR:
        return DB_IO;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return DB_PLACE;
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return DB_DAMAGED;
    case SQLITE_NOTADB:
        return DB_ALIEN;
    case SQLITE_ERROR:
        return DB_ERROR;
    default:
        return DB_OTHER;
    }
}

/* Every failure of SQLite ends here. Always false. */
static bool fail(struct db *d, const char *doing, struct err *e)
{
    int rc = d->db ? sqlite3_errcode(d->db) : SQLITE_NOMEM;
    enum db_fault f = fault_of(rc);
    enum err_code code = d->spec.means[f].code;
    const char *next = d->spec.means[f].next;
    d->failed = true;
    *d->spec.faults |= DB_BIT(f);
    err_set(e, code == ERR_NONE ? ERR_IO : code, next ? next : "", "%s %.200s: %s failed", d->spec.what, d->spec.path,
            doing);
    err_cause(e, "%s (%d)", d->db ? sqlite3_errmsg(d->db) : "out of memory",
              d->db ? sqlite3_extended_errcode(d->db) : rc);
    return false;
}

/* ---- opening and closing ---- */

struct db *db_new(const struct db_spec *spec)
{
    struct db *d = xcalloc(1, sizeof *d);
    d->spec = *spec;
    d->st = xcalloc(spec->n_sql + OWN_N, sizeof(sqlite3_stmt *));
    return d;
}

void db_free(struct db *d)
{
    if (!d)
        return;
    db_disconnect(d, false);
    free(d->st);
    free(d);
}

/* SQLite's own waiting grows to 100 ms between looks: among writers in a row, who waits longest then never gets its
 * turn. Short looks are fair enough for a handful of processes. */
static int wait_turn(void *ctx, int polls)
{
    const struct db *d = ctx;
    sqlite3_sleep(1);
    return polls < d->spec.busy_ms;
}

/* "file:", the path with what a URI cannot hold escaped, and the tail. */
static void uri(const char *path, const char *tail, struct buf *out)
{
    buf_adds(out, "file:");
    for (; *path; path++) {
        if (strchr("%?# ", *path) || (unsigned char)*path < 0x20 || (unsigned char)*path > 0x7e)
            buf_printf(out, "%%%02X", (unsigned char)*path);
        else
            buf_addc(out, *path);
    }
    buf_adds(out, tail);
}

bool db_connect(struct db *d, struct err *e)
{
    struct buf name;
    buf_init(&name, 3 * PATH_MAX);
    uri(d->spec.path, d->spec.immutable ? "?immutable=1" : "", &name);
    int rc = sqlite3_open_v2(name.data, &d->db,
                             SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                                 (d->spec.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE),
                             NULL);
    buf_release(&name);
    if (rc != SQLITE_OK)
        return fail(d, "opening it", e);
    sqlite3_busy_handler(d->db, wait_turn, d);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, d->spec.guarded, NULL);
    return db_exec(d,
                   "PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA temp_store = MEMORY;"
                   "PRAGMA mmap_size = 0; PRAGMA foreign_keys = 0;",
                   "setting it up", e) &&
           (!d->spec.guarded || db_exec(d, "PRAGMA secure_delete = 1", "setting it up", e)) &&
           db_exec(d, d->spec.every_power_cut ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                   "setting it up", e);
}

void db_disconnect(struct db *d, bool keep_wal)
{
    for (size_t i = 0; i < d->spec.n_sql + OWN_N; i++) {
        sqlite3_finalize(d->st[i]);
        d->st[i] = NULL;
    }
    if (d->db && keep_wal)
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close_v2(d->db);
    d->db = NULL;
}

bool db_moved(struct db *d)
{
    int moved = 0;
    return sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || moved;
}

bool db_peek(struct db *d, void *out, size_t n)
{
    sqlite3_file *f = NULL;
    return d->db && sqlite3_file_control(d->db, "main", SQLITE_FCNTL_FILE_POINTER, &f) == SQLITE_OK && f &&
           f->pMethods && f->pMethods->xRead(f, out, (int)n, 0) == SQLITE_OK;
}

/* ---- statements ---- */

bool db_exec(struct db *d, const char *sql, const char *doing, struct err *e)
{
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? true : fail(d, doing, e);
}

bool db_text(struct db *d, const char *sql, char *out, size_t size, const char *doing, struct err *e)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(d->db, sql, -1, &st, NULL) == SQLITE_OK;
    int rc = ok ? sqlite3_step(st) : SQLITE_ERROR;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    snprintf(out, size, "%s", text ? text : "");
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        ok = fail(d, doing, e);
    sqlite3_finalize(st);
    return ok;
}

bool db_number(struct db *d, const char *sql, int64_t *out, const char *doing, struct err *e)
{
    char text[32];
    bool ok = db_text(d, sql, text, sizeof text, doing, e);
    *out = strtoll(text, NULL, 10);
    return ok;
}

struct db_value db_int(int64_t i)
{
    return (struct db_value){.kind = DB_INT, .i = i};
}

struct db_value db_str(const char *s)
{
    return (struct db_value){.kind = DB_TEXT, .s = slice_of(s)};
}

struct db_value db_bytes(const void *p, size_t n)
{
    return (struct db_value){.kind = DB_BYTES, .s = {n ? p : "", n}};
}

static bool bind(sqlite3_stmt *st, int at, const struct db_value *v)
{
    int rc = v->kind == DB_INT    ? sqlite3_bind_int64(st, at, v->i)
             : v->kind == DB_TEXT ? sqlite3_bind_text64(st, at, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8)
                                  : sqlite3_bind_blob64(st, at, v->s.p, v->s.n, SQLITE_STATIC);
    return rc == SQLITE_OK;
}

/* With its values; prepared on first use. NULL on failure. */
static sqlite3_stmt *ready(struct db *d, size_t i, const struct db_value *v, size_t n, struct err *e)
{
    const char *sql = i < d->spec.n_sql ? d->spec.sql[i] : OWN[i - d->spec.n_sql];
    bool ok = d->st[i] || sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &d->st[i], NULL) == SQLITE_OK;
    if (!ok)
        fail(d, "preparing a statement", e);
    for (size_t k = 0; ok && k < n; k++)
        if (!bind(d->st[i], (int)k + 1, &v[k]))
            ok = fail(d, "binding a value", e);
    if (!ok && d->st[i])
        sqlite3_clear_bindings(d->st[i]);
    return ok ? d->st[i] : NULL;
}

static void done_with(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}

int64_t db_row_int(struct db_row *r, int column)
{
    return sqlite3_column_int64(r->st, column);
}

struct slice db_row_bytes(struct db_row *r, int column)
{
    const void *p = sqlite3_column_blob(r->st, column);
    int n = sqlite3_column_bytes(r->st, column);
    return p ? (struct slice){p, (size_t)n} : (struct slice){"", 0};
}

bool db_rows(struct db *d, size_t statement, const struct db_value *v, size_t n, db_row_fn *fn, void *ctx,
             const char *doing, struct err *e)
{
    struct db_row row = {ready(d, statement, v, n, e)};
    int rc = SQLITE_ERROR;
    if (!row.st)
        return false;
    while ((rc = sqlite3_step(row.st)) == SQLITE_ROW && fn(ctx, &row))
        ;
    bool ok = rc == SQLITE_DONE || rc == SQLITE_ROW ? true : fail(d, doing, e);
    done_with(row.st);
    return ok;
}

static bool run(struct db *d, size_t statement, const struct db_value *v, size_t n, const char *doing, struct err *e)
{
    sqlite3_stmt *st = ready(d, statement, v, n, e);
    if (!st)
        return false;
    bool ok = sqlite3_step(st) == SQLITE_DONE ? true : fail(d, doing, e);
    done_with(st);
    return ok;
}

/* ---- transactions ---- */

/* Is there a transaction, and is it whole? Asked before every write as well: outside one it would commit alone. */
static bool inside(struct db *d, struct err *e)
{
    if (!d->failed && !sqlite3_get_autocommit(d->db))
        return true;
    d->failed = true;
    return err_set(e, ERR_IO, "", "%s %.200s: the transaction was lost, nothing was written", d->spec.what,
                   d->spec.path);
}

bool db_run(struct db *d, size_t statement, const struct db_value *v, size_t n, int changes, const char *doing,
            struct err *e)
{
    if ((d->spec.guarded && !inside(d, e)) || !run(d, statement, v, n, doing, e))
        return false;
    if (changes < 0 || sqlite3_changes(d->db) == changes)
        return true;
    d->failed = true;
    return err_set(e, ERR_TAMPERED, d->spec.means[DB_DAMAGED].next, "%s %.200s: %s changed nothing", d->spec.what,
                   d->spec.path, doing);
}

bool db_begin(struct db *d, bool write, struct err *e)
{
    d->failed = false;
    return run(d, d->spec.n_sql + (write ? OWN_BEGIN_WRITE : OWN_BEGIN), NULL, 0, write ? "taking the lock" : "reading",
               e);
}

bool db_commit(struct db *d, struct err *e)
{
    if (inside(d, e) && run(d, d->spec.n_sql + OWN_COMMIT, NULL, 0, "writing to the disk", e))
        return true;
    db_rollback(d);
    return false;
}

void db_rollback(struct db *d)
{
    /* SQLite may have rolled back by itself; a statement sent now would then commit alone. */
    if (!sqlite3_get_autocommit(d->db) && sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        *d->spec.faults |= DB_BIT(DB_IO);
    d->failed = false;
}

void db_spoil(struct db *d)
{
    d->failed = true;
}

bool db_flush(struct db *d, struct err *e)
{
    int rc = sqlite3_wal_checkpoint_v2(d->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? true : fail(d, "writing to the disk", e);
}
