#include "audit/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/db.h"
#include "audit/place.h"
#include "audit/schema.h"

#define APPLICATION_ID 0x616e646f /* "ando" */
#define FORMAT         1
#define BUSY_MS        5000
#define DAMAGE         (DB_BIT(DB_DAMAGED) | DB_BIT(DB_ALIEN))
#define HEADER         "reading the file's header"

struct store {
    struct db *db;
    unsigned faults;
    char *path, *wal_path;
    struct place_id file, wal;
    struct stat seen; /* of the file when it was opened without locks */
    bool unlocked;    /* opened as immutable: nobody had it open */
    bool read_only;
    bool moved; /* found removed or replaced */
};

/* Always false. */
static bool wrong(struct store *s, struct err *e, const char *what)
{
    db_spoil(s->db);
    return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: %s", s->path, what);
}

/* Is what is open still what stands under the name? */
static bool still_there(struct store *s, struct err *e)
{
    if (!db_moved(s->db) && place_is(&s->file, s->path) && place_is(&s->wal, s->wal_path))
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

/* One number of a pragma or a select. */
static bool number(struct store *s, const char *sql, int64_t *out, struct err *e)
{
    char text[32];
    bool ok = db_text(s->db, sql, text, sizeof text, HEADER, e);
    *out = strtoll(text, NULL, 10);
    return ok;
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

/* Counts those that are as they were made, until one is not. */
static bool as_made(void *ctx, struct db_row *r)
{
    size_t *found = ctx;
    bool same = *found < SCHEMA_N && slice_is(db_row_bytes(r, 0), SCHEMA[*found].name) &&
                slice_is(db_row_bytes(r, 1), SCHEMA[*found].sql);
    *found = same ? *found + 1 : SCHEMA_N + 1;
    return same;
}

static bool schema_ok(struct store *s, struct err *e)
{
    size_t found = 0;
    if (!db_rows(s->db, Q_SCHEMA, NULL, 0, as_made, &found, "reading its tables", e))
        return false;
    if (found != SCHEMA_N)
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
    if (s->faults & DB_BIT(DB_ALIEN))
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
    bool ok = open_db(s, e) && db_exec(s->db, pragmas, "making it", e);
    for (size_t i = 0; ok && i < SCHEMA_N; i++)
        ok = db_exec(s->db, SCHEMA[i].sql, "making its tables", e);
    ok = ok && db_exec(s->db, "INSERT INTO state VALUES(1, 0, x'', x'')", "making its state", e);
    if (ok && note_wal(s, e))
        return s;
    store_close(s);
    return NULL;
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
    free(s->path);
    free(s->wal_path);
    free(s);
}

bool store_begin(struct store *s, bool write, struct err *e)
{
    if (!db_begin(s->db, write, e))
        return false;
    if (s->read_only || still_there(s, e)) /* also when reading: a guard that only looks must notice, too */
        return true;
    store_rollback(s);
    return false;
}

void store_rollback(struct store *s)
{
    db_rollback(s->db);
}

bool store_commit(struct store *s, struct err *e)
{
    /* acknowledged only when the name still leads to it */
    return db_commit(s->db, e) && (s->read_only || still_there(s, e));
}

bool store_suspect(const struct store *s)
{
    return s->moved || s->faults & (DAMAGE | DB_BIT(DB_IO));
}

bool store_changed(const struct store *s)
{
    struct stat now, wal;
    if (!s->unlocked)
        return false;
    return lstat(s->wal_path, &wal) == 0 || lstat(s->path, &now) != 0 || place_touched(&s->seen, &now);
}

/* ---- what it holds ---- */

struct head_found {
    struct store_head *out;
    bool sound;
};

static bool take_head(void *ctx, struct db_row *r)
{
    struct head_found *f = ctx;
    int64_t size = db_row_int(r, 0);
    struct slice frontier = db_row_bytes(r, 1), note = db_row_bytes(r, 2);
    f->sound = size >= 0 && note.n <= NOTE_MAX &&
               tree_unpack(&f->out->tree, (uint64_t)size, (const uint8_t *)frontier.p, frontier.n);
    f->out->note_n = f->sound ? note.n : 0;
    memcpy(f->out->note, note.p, f->out->note_n);
    return false;
}

bool store_head(struct store *s, struct store_head *out, struct err *e)
{
    struct head_found f = {out, false};
    if (!db_rows(s->db, Q_HEAD, NULL, 0, take_head, &f, "reading its state", e))
        return false;
    return f.sound ? true : wrong(s, e, "its state is missing or damaged");
}

bool store_set_head(struct store *s, const struct store_head *h, struct err *e)
{
    uint8_t frontier[TREE_DEPTH * HASH_LEN];
    size_t n = tree_pack(&h->tree, frontier);
    const struct db_value v[] = {db_int((int64_t)h->tree.size), db_bytes(frontier, n), db_bytes(h->note, h->note_n)};
    return db_run(s->db, Q_SET_HEAD, v, 3, 1, "storing the checkpoint", e);
}

static bool take_int(void *ctx, struct db_row *r)
{
    *(int64_t *)ctx = db_row_int(r, 0);
    return false;
}

bool store_last(struct store *s, int64_t *seq, struct err *e)
{
    return db_rows(s->db, Q_LAST, NULL, 0, take_int, seq, "reading the newest entry", e);
}

bool store_put(struct store *s, int64_t seq, const void *leaf, size_t n, const uint8_t hash[HASH_LEN], struct err *e)
{
    const struct db_value v[] = {db_int(seq), db_bytes(hash, HASH_LEN), db_bytes(leaf, n)};
    return db_run(s->db, Q_PUT, v, 3, 1, "storing the entry", e);
}

struct rows_taker {
    store_row_fn *fn;
    void *ctx;
};

static bool take_entry(void *ctx, struct db_row *r)
{
    const struct rows_taker *t = ctx;
    struct slice hash = db_row_bytes(r, 1), leaf = db_row_bytes(r, 2);
    return t->fn(t->ctx, &(struct store_row){db_row_int(r, 0), leaf.p, leaf.n, (const uint8_t *)hash.p, hash.n});
}

bool store_rows(struct store *s, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e)
{
    struct rows_taker t = {fn, ctx};
    const struct db_value v[] = {db_int(from), db_int(to)};
    return db_rows(s->db, newest_first ? Q_ROWS_DOWN : Q_ROWS, v, 2, take_entry, &t, "reading entries", e);
}

bool store_put_blob(struct store *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n, struct err *e)
{
    const struct db_value v[] = {db_bytes(digest, HASH_LEN), db_bytes(bytes, n)};
    return db_run(s->db, Q_PUT_BLOB, v, 2, 1, "storing a blob", e);
}

struct blob_taker {
    struct buf *out;
    bool found, fits;
};

static bool take_bytes(void *ctx, struct db_row *r)
{
    struct blob_taker *t = ctx;
    struct slice b = db_row_bytes(r, 0);
    t->found = true;
    t->fits = b.n == 0 || buf_add(t->out, b.p, b.n);
    return false;
}

bool store_get_blob(struct store *s, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e)
{
    struct blob_taker t = {out, false, false};
    const struct db_value v[] = {db_bytes(digest, HASH_LEN)};
    if (!db_rows(s->db, Q_GET_BLOB, v, 1, take_bytes, &t, "reading a blob", e))
        return false;
    if (!t.found)
        return err_set(e, ERR_NOT_FOUND, "", "audit log %.200s: no such blob", s->path);
    return t.fits ? true : err_set(e, ERR_LIMIT, "", "audit log %.200s: a blob is too large", s->path);
}

struct blobs_taker {
    store_blob_fn *fn;
    void *ctx;
};

static bool take_blob(void *ctx, struct db_row *r)
{
    const struct blobs_taker *t = ctx;
    struct slice digest = db_row_bytes(r, 0), bytes = db_row_bytes(r, 1);
    return t->fn(t->ctx, (const uint8_t *)digest.p, digest.n, bytes.p, bytes.n);
}

bool store_blobs(struct store *s, store_blob_fn *fn, void *ctx, struct err *e)
{
    struct blobs_taker t = {fn, ctx};
    return db_rows(s->db, Q_BLOBS, NULL, 0, take_blob, &t, "reading blobs", e);
}
