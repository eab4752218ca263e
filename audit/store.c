#include "audit/store_inner.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/far.h"
#include "audit/schema.h"

#define APPLICATION_ID 0x616e646f /* "ando" */
#define FORMAT         2          /* 1: without openings */
#define BUSY_MS        5000
#define OPEN_TRIES     20
#define DAMAGE         (DB_BIT(DB_DAMAGED) | DB_BIT(DB_ALIEN))
#define HEADER         "reading the file's header"

/* Is what is open still what stands under the name? */
static bool still_there(struct store *s, struct err *e)
{
    if (!db_moved(s->db) && place_is(&s->file, s->path) && (s->alone || place_is(&s->wal, s->wal_path)))
        return true;
    s->moved = true;
    db_spoil(s->db);
    return err_set(e, ERR_TAMPERED, "find out who moved it; start andon again once it is back",
                   "audit log %.200s: the file was removed or replaced while in use", s->path);
}

static bool open_db(struct store *s, struct err *e)
{
    static const char damaged[] = "keep the file as it is and run `andon audit verify`";
    s->db = db_new(&(struct db_spec){.path = s->path,
                                     .what = "audit log",
                                     .means = {[DB_BUSY] = {ERR_TIMEOUT, "another process holds the log; try again"},
                                               [DB_FULL] = {ERR_IO, "free space on the log's disk"},
                                               [DB_IO] = {ERR_IO, "look at the disk (dmesg)"},
                                               [DB_DAMAGED] = {ERR_TAMPERED, damaged},
                                               [DB_ALIEN] = {ERR_TAMPERED, damaged}},
                                     .faults = &s->faults,
                                     .sql = QUERIES,
                                     .n_sql = Q_COUNT,
                                     .read_only = s->read_only,
                                     .immutable = s->unlocked,
                                     .every_power_cut = true,
                                     .guarded = true,
                                     .busy_ms = BUSY_MS});
    return db_connect(s->db, e);
}

bool store_bytes(struct store *s, int64_t *out, struct err *e)
{
    static const char sql[] = "SELECT page_size * (page_count - freelist_count)"
                              " FROM pragma_page_size, pragma_page_count, pragma_freelist_count";
    return db_number(s->db, sql, out, "reading its size", e);
}

static bool header_ok(struct store *s, struct err *e)
{
    int64_t id = 0, format = 0, tables = 0;
    static const char count[] = "SELECT count(*) FROM sqlite_master WHERE name IN ('entry', 'state')";
    if (!db_number(s->db, "PRAGMA application_id", &id, HEADER, e) ||
        !db_number(s->db, "PRAGMA user_version", &format, HEADER, e) || !db_number(s->db, count, &tables, HEADER, e))
        return false;
    if (id != APPLICATION_ID && tables == 0)
        return err_set(e, ERR_UNSUPPORTED, "", "%.200s: not an audit log", s->path);
    if (id == APPLICATION_ID && format > FORMAT)
        return err_set(e, ERR_UNSUPPORTED, "use a newer andon", "audit log %.200s: format %d is newer than this andon",
                       s->path, (int)format);
    if (id != APPLICATION_ID || format < 1)
        return err_set(e, ERR_TAMPERED, "", "audit log %.200s: its header was changed", s->path);
    return true;
}

struct made {
    size_t found; /* of SCHEMA, in its order, until one is not as it was made */
    int openings; /* a copy has that table before the triggers, and not behind them */
    bool changed;
};

static bool as_made(void *ctx, struct db_row *r)
{
    struct made *m = ctx;
    struct slice name = db_row_bytes(r, 0), sql = db_row_bytes(r, 1);
    if (slice_is(name, "opening") && slice_is(sql, OPENING_TABLE))
        m->openings++;
    else if (m->found < SCHEMA_N && slice_is(name, SCHEMA[m->found].name) && slice_is(sql, SCHEMA[m->found].sql))
        m->found++;
    else
        m->changed = true;
    return !m->changed;
}

static bool schema_ok(struct store *s, struct err *e)
{
    struct made m = {0};
    if (!db_rows(s->db, Q_SCHEMA, NULL, 0, as_made, &m, "reading its tables", e))
        return false;
    if (m.changed || m.found != SCHEMA_N || m.openings > 1)
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

/* SQLite's header (bytes 16 and 28, big-endian: size and number of pages) knows how long the file is, once the -wal has
 * gone into it. SQLite itself says of a shorter one only that it is malformed. */
static bool all_there(const struct store *s, struct err *e)
{
    uint8_t h[32];
    struct stat wal, now;
    if (!db_peek(s->db, h, sizeof h) || memcmp(h, "SQLite format 3", 16) != 0 ||
        (lstat(s->wal_path, &wal) == 0 && wal.st_size > 0) ||
        lstat(s->path, &now) != 0) /* after the header: another process may have made it longer */
        return true;
    int64_t page = h[16] << 8 | h[17], pages = (int64_t)h[28] << 24 | h[29] << 16 | h[30] << 8 | h[31];
    int64_t whole = (page == 1 ? 65536 : page) * pages;
    if (now.st_size >= whole)
        return true;
    return err_set(e, ERR_TAMPERED, "restore it from a copy or an export",
                   "audit log %.200s: the file was cut off: %lld of its %lld bytes are there", s->path,
                   (long long)now.st_size, (long long)whole);
}

/* One look. *still: while it was looked at, nobody seems to have opened it, or closed it as the last. */
static struct store *open_once(const char *path, bool read_only, bool *still, struct err *e)
{
    *still = true;
    struct store *s = store_alloc(path, read_only, e);
    if (!s)
        return NULL;
    struct stat now;
    bool ok, had_wal = lstat(s->wal_path, &now) == 0;
    s->unlocked = read_only && !had_wal;
    if (s->seen.st_size == 0)
        ok = err_set(e, ERR_TAMPERED, "restore it from a copy or an export", "audit log %.200s: the file was emptied",
                     s->path);
    else
        ok = open_db(s, e) && header_ok(s, e) && schema_ok(s, e) && note_wal(s, e);
    if ((!s->db || !(ok || s->faults & DAMAGE) || all_there(s, e)) && ok)
        return s;
    if (s->faults & DB_BIT(DB_ALIEN))
        err_set(e, ERR_UNSUPPORTED, "", "%.200s: not an audit log", s->path);
    *still = (lstat(s->wal_path, &now) == 0) == had_wal && lstat(s->path, &now) == 0 && !place_touched(&s->seen, &now);
    store_close(s);
    return NULL;
}

/* What is looked at one after the other, and without a lock where nobody has it open, is looked at anew when it is just
 * being opened or closed. */
struct store *store_open(const char *path, bool read_only, struct err *e)
{
    struct err why = {0};
    struct store *s = NULL;
    bool still = false;
    for (int tries = 0; !s && !still && tries < OPEN_TRIES; tries++) {
        s = open_once(path, read_only, &still, &why);
        still = still || (why.code != ERR_TAMPERED && why.code != ERR_UNSUPPORTED);
    }
    if (!s && e)
        *e = why;
    return s;
}

struct store *store_create(const char *path, struct err *e)
{
    struct store *s = store_alloc(path, false, e);
    if (!s)
        return NULL;
    char pragmas[120];
    snprintf(pragmas, sizeof pragmas, "PRAGMA journal_mode = WAL; PRAGMA application_id = %d; PRAGMA user_version = 1;",
             APPLICATION_ID);
    bool ok = open_db(s, e) && db_exec(s->db, pragmas, "making it", e);
    for (size_t i = 0; ok && i < SCHEMA_N; i++)
        ok = db_exec(s->db, SCHEMA[i].sql, "making its tables", e);
    ok = ok && db_exec(s->db, "INSERT INTO state VALUES(1, 0, x'', x'')", "making its state", e);
    if (ok && note_wal(s, e))
        return s;
    store_close(s);
    return NULL;
}

struct store *store_open_copy(const char *path, struct err *e)
{
    struct store *s = store_alloc(path, false, e);
    if (!s)
        return NULL;
    s->alone = true;
    if (open_db(s, e) && db_exec(s->db, "PRAGMA journal_mode = MEMORY", "opening it", e) && schema_ok(s, e))
        return s;
    store_close(s);
    return NULL;
}

struct store *store_far(const char *socket, struct err *e)
{
    struct far *f = far_open(socket, e);
    if (!f)
        return NULL;
    struct store *s = xcalloc(1, sizeof *s);
    s->read_only = true;
    s->far = f;
    return s;
}

struct far *store_line(const struct store *s)
{
    return s->far;
}

bool store_restart(struct store *s, struct err *e)
{
    static const char clear[] = "DELETE FROM entry; DELETE FROM blob; DELETE FROM state;"
                                "INSERT INTO state VALUES(1, 0, x'', x'')";
    char drop[80];
    bool ok = db_exec(s->db, "DROP TABLE IF EXISTS opening; PRAGMA user_version = 1", "beginning it anew", e);
    for (size_t i = SCHEMA_TABLES; ok && i < SCHEMA_N; i++) {
        snprintf(drop, sizeof drop, "DROP TRIGGER %s", SCHEMA[i].name);
        ok = db_exec(s->db, drop, "beginning it anew", e);
    }
    ok = ok && db_exec(s->db, clear, "beginning it anew", e);
    for (size_t i = SCHEMA_TABLES; ok && i < SCHEMA_N; i++)
        ok = db_exec(s->db, SCHEMA[i].sql, "beginning it anew", e);
    return ok;
}

bool store_copy(struct store *s, const char *to, struct err *e)
{
    struct buf sql;
    buf_init(&sql, 2 * PATH_MAX + 40);
    buf_adds(&sql, "VACUUM INTO '");
    for (const char *p = to; *p; p++) {
        if (*p == '\'')
            buf_addc(&sql, '\'');
        buf_addc(&sql, *p);
    }
    buf_addc(&sql, '\'');
    bool ok = sql.over ? err_set(e, ERR_LIMIT, "", "%.100s...: the name is too long", to)
                       : db_exec(s->db, sql.data, "copying it", e);
    buf_release(&sql);
    return ok;
}

bool store_flush(struct store *s, struct err *e)
{
    return db_flush(s->db, e);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->db && store_suspect(s)) /* a sync that failed must not seem to succeed now: leave the -wal to the next one */
        db_disconnect(s->db, true);
    db_free(s->db);
    far_close(s->far);
    free(s->path);
    free(s->wal_path);
    free(s);
}

bool store_begin(struct store *s, bool write, struct err *e)
{
    if (s->far)
        return write ? err_set(e, ERR_REFUSED, "end the guard, and use a configuration without audit: socket:",
                               "the audit log is written by the guard alone")
                     : far_begin(s->far, e);
    s->unsigned_ = false;
    if (!db_begin(s->db, write, e))
        return false;
    if (s->read_only || still_there(s, e)) /* also when reading: a guard that only looks must notice, too */
        return true;
    store_rollback(s);
    return false;
}

void store_rollback(struct store *s)
{
    if (!s->far)
        db_rollback(s->db);
}

bool store_commit(struct store *s, struct err *e)
{
    if (s->unsigned_) {
        store_rollback(s);
        return err_set(e, ERR_INTERNAL, "", "audit log %.200s: entries without a checkpoint are not stored", s->path);
    }
    /* acknowledged only when the name still leads to it */
    return db_commit(s->db, e) && (s->read_only || still_there(s, e));
}

bool store_suspect(const struct store *s)
{
    return (s->far && far_broken(s->far)) || s->moved || s->faults & (DAMAGE | DB_BIT(DB_IO));
}

bool store_changed(const struct store *s)
{
    struct stat now, wal;
    if (!s->unlocked)
        return false;
    return lstat(s->wal_path, &wal) == 0 || lstat(s->path, &now) != 0 || place_touched(&s->seen, &now);
}
