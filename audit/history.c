#include "audit/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <sqlite3.h>
#include "audit/place.h"
#include "core/clock.h"
#include "core/digest.h"

#define APPLICATION_ID 0x616e6465              /* "ande" */
#define FORMAT         2                       /* 1: without `who` */
#define BUSY_POLLS     2000                    /* of 1 ms */
#define FILE_MAX       (4 * HISTORY_BYTES_MAX) /* of the whole database */
#define WAL_KEPT       (64 << 20)              /* a longer -wal is cut back after a checkpoint */

#define REST                                                                                                           \
    " tick INTEGER NOT NULL, put INTEGER NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(fleet, "     \
    "rollout"
static const char TABLE[] = "CREATE TABLE trial(fleet TEXT NOT NULL, rollout TEXT NOT NULL, who TEXT NOT NULL,"
                            " spec TEXT NOT NULL," REST ", who))";
static const char TABLE_1[] =
    "CREATE TABLE trial(fleet TEXT NOT NULL, rollout TEXT NOT NULL, spec TEXT NOT NULL," REST "))";

/* A state by its names. */
struct name {
    const char *fleet, *rollout, *spec;
    char who[IDENTITY_KEY_BYTES]; /* "": only its number is known */
    int64_t tick;                 /* looking: it must have been put after this time */
};

struct history {
    sqlite3 *db; /* NULL after a failed attempt to open it anew */
    char *path;
    bool damaged; /* found while it was in use: look at the whole file before more is put into it */
    bool suspect; /* close it and open it anew */
};

/* Every failure of SQLite ends here. Always false. */
static bool fail(struct history *h, struct err *e, const char *doing)
{
    int rc = h->db ? sqlite3_errcode(h->db) : SQLITE_NOMEM;
    enum err_code code = ERR_IO;
    const char *next = "";
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = ERR_TIMEOUT;
        next = "another process holds it; it is tried again later";
        break;
    case SQLITE_FULL:
        next = "free space on its disk; without it a restart reads the history of telemetry anew";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* a table that is not as it was made */
        code = ERR_TAMPERED;
        h->damaged = h->suspect = true;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        next = "look at its disk and folder";
        h->suspect = true;
        break;
    default:
        break;
    }
    err_set(e, code, next, "evidence file %.200s: %s failed", h->path, doing);
    err_cause(e, "%s (%d)", h->db ? sqlite3_errmsg(h->db) : "out of memory",
              h->db ? sqlite3_extended_errcode(h->db) : rc);
    return false;
}

static bool exec(struct history *h, const char *sql, struct err *e, const char *doing)
{
    return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? true : fail(h, e, doing);
}

static int wait_turn(void *ctx, int polls)
{
    (void)ctx;
    sqlite3_sleep(1);
    return polls < BUSY_POLLS;
}

/* ---- opening ---- */

static bool connect_db(struct history *h, struct err *e)
{
    struct buf name;
    buf_init(&name, 3 * PATH_MAX);
    place_uri(h->path, "", &name);
    int rc = sqlite3_open_v2(name.data, &h->db,
                             SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                                 SQLITE_OPEN_READWRITE,
                             NULL);
    buf_release(&name);
    if (rc != SQLITE_OK)
        return fail(h, e, "opening it");
    sqlite3_busy_handler(h->db, wait_turn, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return exec(h,
                "PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA synchronous = NORMAL;"
                "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
                e, "setting it up");
}

/* The first column of the first row as text, into `out`; false when there is none. */
static bool one(struct history *h, const char *sql, char *out, size_t size, struct err *e)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL) == SQLITE_OK;
    int rc = ok ? sqlite3_step(st) : SQLITE_ERROR;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    snprintf(out, size, "%s", text ? text : "");
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        ok = fail(h, e, "reading it");
    sqlite3_finalize(st);
    return ok;
}

static bool is_new(struct history *h, bool *fresh, struct err *e)
{
    char n[32];
    bool ok = one(h, "SELECT count(*) FROM sqlite_master", n, sizeof n, e);
    *fresh = strcmp(n, "0") == 0;
    return ok;
}

static bool lay_out(struct history *h, struct err *e)
{
    char text[200];
    snprintf(text, sizeof text,
             "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA application_id = %d;"
             "PRAGMA user_version = %d;",
             APPLICATION_ID, FORMAT);
    return exec(h, text, e, "making it") && exec(h, TABLE, e, "making its table");
}

static bool damaged(struct history *h, struct err *e, const char *what)
{
    h->damaged = true;
    return err_set(e, ERR_TAMPERED, "", "evidence file %.200s: %s", h->path, what);
}

/* From the format of andon 0.1: what is there has no identity. */
static bool migrate(struct history *h, struct err *e)
{
    char text[200];
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", FORMAT);
    bool ok = exec(h, "BEGIN IMMEDIATE; ALTER TABLE trial RENAME TO trial_1", e, "bringing it to the new format") &&
              exec(h, TABLE, e, "making its table") &&
              exec(h,
                   "INSERT INTO trial(fleet, rollout, who, spec, tick, put, digest, bytes)"
                   " SELECT fleet, rollout, '', spec, tick, put, digest, bytes FROM trial_1; DROP TABLE trial_1",
                   e, "bringing it to the new format") &&
              exec(h, text, e, "bringing it to the new format");
    if (!ok)
        sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

static bool whole(struct history *h, bool deep, struct err *e)
{
    char id[32], format[32], sql[sizeof TABLE + 16], check[80] = "ok";
    if (!one(h, "PRAGMA application_id", id, sizeof id, e) ||
        !one(h, "PRAGMA user_version", format, sizeof format, e) ||
        !one(h, "SELECT group_concat(sql, ';') FROM sqlite_master WHERE sql IS NOT NULL", sql, sizeof sql, e) ||
        (deep && !one(h, "PRAGMA quick_check(1)", check, sizeof check, e)))
        return false;
    if (strtol(id, NULL, 10) != APPLICATION_ID)
        return damaged(h, e, "it is not one of andon's");
    if (strtol(format, NULL, 10) > FORMAT)
        return err_set(e, ERR_UNSUPPORTED, "use a newer andon", "evidence file %.200s: a newer andon made it", h->path);
    bool old = strtol(format, NULL, 10) == 1 && strcmp(sql, TABLE_1) == 0;
    if (!old && (strtol(format, NULL, 10) != FORMAT || strcmp(sql, TABLE) != 0))
        return damaged(h, e, "its table is not as it was made");
    if (strcmp(check, "ok") != 0)
        return damaged(h, e, check);
    return !old || migrate(h, e);
}

static bool settle_size(struct history *h, struct err *e)
{
    char page[32], text[120];
    if (!one(h, "PRAGMA page_size", page, sizeof page, e))
        return false;
    size_t size = strtoul(page, NULL, 10);
    snprintf(text, sizeof text, "PRAGMA max_page_count = %zu; PRAGMA journal_size_limit = %d;",
             FILE_MAX / (size >= 512 ? size : 4096), WAL_KEPT);
    return exec(h, text, e, "setting it up");
}

static void disconnect(struct history *h)
{
    if (h->db && h->damaged) /* its -wal goes with it as it is */
        sqlite3_db_config(h->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close_v2(h->db);
    h->db = NULL;
}

/* Makes an empty file of mode 0600 where there is none. */
static bool make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 ? fchmod(fd, 0600) == 0 : errno == EEXIST;
    if (!ok)
        err_errno(e, ERR_IO, "look at its folder", "evidence file %.200s: cannot create it", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool open_file(struct history *h, bool deep, struct err *e)
{
    struct stat st;
    bool fresh = false;
    if (!make_file(h->path, e) || !place_file_ok(h->path, false, &st, e) || !place_local(h->path, e))
        return false;
    if (connect_db(h, e) && is_new(h, &fresh, e) && (!fresh || lay_out(h, e)) && whole(h, deep, e) && settle_size(h, e))
        return true;
    disconnect(h);
    return false;
}

/* The -wal first: beside a new file it would be played into that. Who has the file open notices that it has moved. */
static bool set_aside(struct history *h, struct err *e)
{
    static const char *const tails[] = {"-wal", "-shm", ""};
    char from[PATH_MAX + 8], to[PATH_MAX + 16];
    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s%s", h->path, tails[i]);
        snprintf(to, sizeof to, "%s.bad%s", h->path, tails[i]);
        if (rename(from, to) == 0)
            continue;
        if (errno != ENOENT)
            return err_errno(e, ERR_IO, "remove it by hand", "evidence file %.200s: damaged, and cannot be moved",
                             h->path);
        unlink(to); /* of an earlier one */
    }
    return true;
}

/* One process at a time opens or moves it: between the renames there must be nobody. */
static int lock_folder(const char *path)
{
    char *dir = place_folder(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    free(dir);
    return fd;
}

static bool open_or_renew(struct history *h, struct err *e)
{
    struct err why = {0};
    int lock = lock_folder(h->path);
    bool deep = h->damaged;
    h->damaged = h->suspect = false;
    bool ok = open_file(h, deep, &why);
    if (!ok && h->damaged) {
        h->damaged = h->suspect = false;
        ok = set_aside(h, &why) && open_file(h, false, &why);
        if (ok)
            err_set(&why, ERR_TAMPERED, "nothing is to be done: the evidence is read from telemetry's history anew",
                    "evidence file %.200s was damaged and is now %.60s.bad", h->path,
                    strrchr(h->path, '/') ? strrchr(h->path, '/') + 1 : h->path);
    }
    if (lock >= 0)
        close(lock);
    if (e)
        *e = why;
    h->suspect = !ok;
    return ok;
}

struct history *history_open(const char *path, struct err *e)
{
    if (!place_prepare(path, e))
        return NULL;
    char *resolved = place_resolve(path, e);
    if (!resolved)
        return NULL;
    struct history *h = xcalloc(1, sizeof *h);
    h->path = resolved;
    if (strlen(resolved) + 16 < PATH_MAX && open_or_renew(h, e))
        return h;
    if (strlen(resolved) + 16 >= PATH_MAX)
        err_set(e, ERR_LIMIT, "", "%.200s: the name is too long", path);
    history_close(h);
    return NULL;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    disconnect(h);
    free(h->path);
    free(h);
}

/* Ready for use: what was moved or removed by another, or has failed, is opened anew. */
static bool ready(struct history *h, struct err *e)
{
    int moved = 0;
    if (h->db && !h->suspect && sqlite3_file_control(h->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        !moved)
        return true;
    disconnect(h);
    return open_or_renew(h, e);
}

/* ---- what is kept ---- */

/* Over the names too: a state under another's name is no state. */
static void digest_of(const struct name *n, const void *bytes, size_t size, unsigned char out[SHA256_BYTES])
{
    struct sha256 sum;
    char tick[32];
    snprintf(tick, sizeof tick, "%lld", (long long)n->tick);
    const char *parts[] = {n->fleet, n->rollout, n->spec, tick, n->who};
    sha256_init(&sum);
    for (size_t i = 0; i < (*n->who ? 5 : 4); i++) /* four: as 0.1 made it */
        sha256_add(&sum, parts[i], strlen(parts[i]) + 1);
    sha256_add(&sum, bytes, size);
    sha256_done(&sum, out);
}

/* Prepares and binds the names to ?1 ?2 ?3 ?4, the tick to ?5, as far as the text has them. NULL on failure. */
static sqlite3_stmt *query(struct history *h, const char *sql, const struct name *n, struct err *e)
{
    sqlite3_stmt *st = NULL;
    const char *text[] = {n->fleet, n->rollout, n->who, n->spec};
    bool ok = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL) == SQLITE_OK;
    int have = ok ? sqlite3_bind_parameter_count(st) : 0;
    for (int i = 0; ok && i < 4 && i < have; i++)
        ok = sqlite3_bind_text(st, i + 1, text[i], -1, SQLITE_STATIC) == SQLITE_OK;
    if (ok && have > 4)
        ok = sqlite3_bind_int64(st, 5, n->tick) == SQLITE_OK;
    if (ok)
        return st;
    fail(h, e, "preparing a statement");
    sqlite3_finalize(st);
    return NULL;
}

static bool finish(struct history *h, sqlite3_stmt *st, struct err *e, const char *doing)
{
    bool ok = sqlite3_step(st) == SQLITE_DONE ? true : fail(h, e, doing);
    sqlite3_finalize(st);
    return ok;
}

static bool insert(struct history *h, const struct name *n, const void *bytes, size_t size, struct err *e)
{
    static const char sql[] = "INSERT INTO trial(fleet, rollout, who, spec, tick, put, digest, bytes)"
                              " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(fleet, rollout, who) DO UPDATE"
                              " SET spec = excluded.spec, tick = excluded.tick,"
                              " put = excluded.put, digest = excluded.digest, bytes = excluded.bytes"
                              " WHERE trial.spec <> excluded.spec OR trial.tick <= excluded.tick";
    unsigned char digest[SHA256_BYTES];
    sqlite3_stmt *st = query(h, sql, n, e);
    if (!st)
        return false;
    digest_of(n, bytes, size, digest);
    if (sqlite3_bind_int64(st, 6, clock_wall(clock_real())) != SQLITE_OK ||
        sqlite3_bind_blob(st, 7, digest, SHA256_BYTES, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_blob64(st, 8, size ? bytes : "", size, SQLITE_STATIC) != SQLITE_OK) {
        fail(h, e, "binding a value");
        sqlite3_finalize(st);
        return false;
    }
    return finish(h, st, e, "keeping a state");
}

static bool keep(struct history *h, const struct name *n, const void *bytes, size_t size, struct err *e)
{
    if (size > HISTORY_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "", "evidence of %.60s: its state of %zu bytes is too large to be kept",
                       n->rollout, size);
    return ready(h, e) && insert(h, n, bytes, size, e);
}

static bool drop(struct history *h, const struct name *n, struct err *e)
{
    sqlite3_stmt *st = query(h, "DELETE FROM trial WHERE fleet = ?1 AND rollout = ?2 AND (who = ?3 OR who = '')", n, e);
    return st && finish(h, st, e, "dropping a state");
}

/* The row that a select of (spec, tick, digest, bytes) stands on. */
static bool take_row(sqlite3_stmt *st, struct name *n, struct buf *out, bool *sound)
{
    unsigned char want[SHA256_BYTES];
    const void *bytes = sqlite3_column_blob(st, 3);
    size_t size = (size_t)sqlite3_column_bytes(st, 3);
    const void *digest = sqlite3_column_blob(st, 2);
    n->tick = sqlite3_column_int64(st, 1);
    digest_of(n, bytes ? bytes : "", size, want);
    *sound = size <= HISTORY_BYTES_MAX && sqlite3_column_bytes(st, 2) == SHA256_BYTES && digest &&
             memcmp(digest, want, SHA256_BYTES) == 0;
    return !*sound || size == 0 || buf_add(out, bytes, size);
}

static bool get(struct history *h, struct name *n, int64_t *tick, struct buf *out, struct err *e)
{
    struct err ignored;
    if (!ready(h, e))
        return false;
    sqlite3_stmt *st = query(h,
                             "SELECT spec, tick, digest, bytes FROM trial WHERE fleet = ?1 AND rollout = ?2"
                             " AND who = ?3 AND spec = ?4 AND put > ?5",
                             n, e);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    bool sound = false, fits = rc == SQLITE_ROW && take_row(st, n, out, &sound);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(h, e, "reading a state");
    sqlite3_finalize(st);
    if (rc == SQLITE_DONE)
        return err_set(e, ERR_NOT_FOUND, "", "evidence of %.60s: no state is kept", n->rollout);
    if (rc != SQLITE_ROW)
        return false;
    if (!fits)
        return err_set(e, ERR_LIMIT, "", "evidence of %.60s: its state is larger than expected", n->rollout);
    if (!sound) {
        (void)!drop(h, n, &ignored); /* its tick may be wrong too, and would be in the way of true ones */
        return err_set(e, ERR_TAMPERED, "nothing is to be done: it is read from telemetry's history anew",
                       "evidence of %.60s: the state that was kept is damaged", n->rollout);
    }
    *tick = n->tick;
    return true;
}

static struct name name_of(const struct rollout_identity *who, const char *spec, int64_t tick)
{
    struct name n = {who->fleet, who->id, spec, "", tick};
    if (who->created_at > 0 || *who->name)
        identity_key(who, n.who);
    return n;
}

bool history_keep(struct history *h, const struct rollout_identity *who, const char *spec_digest, int64_t tick,
                  const void *bytes, size_t n, struct err *e)
{
    const struct name name = name_of(who, spec_digest, tick);
    return keep(h, &name, bytes, n, e);
}

bool history_find(struct history *h, const struct rollout_identity *who, const char *spec_digest, int64_t *tick,
                  struct buf *out, struct err *e)
{
    struct name name = name_of(who, spec_digest, INT64_MIN); /* put whenever */
    struct err why = {0};
    if (get(h, &name, tick, out, &why))
        return true;
    if (why.code == ERR_NOT_FOUND && who->created_at > 0) {
        struct name old = {who->fleet, who->id, spec_digest, "", who->created_at + IDENTITY_CLOCK_US};
        return get(h, &old, tick, out, e);
    }
    if (e)
        *e = why;
    return false;
}

bool history_forget(struct history *h, const struct rollout_identity *who, struct err *e)
{
    const struct name name = name_of(who, "", 0);
    return ready(h, e) && drop(h, &name, e);
}

bool history_sweep(struct history *h, int64_t before, struct err *e)
{
    sqlite3_stmt *st = NULL;
    if (!ready(h, e))
        return false;
    if (sqlite3_prepare_v2(h->db, "DELETE FROM trial WHERE put < ?1", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(st, 1, before) != SQLITE_OK) {
        fail(h, e, "preparing a statement");
        sqlite3_finalize(st);
        return false;
    }
    return finish(h, st, e, "dropping old states") &&
           exec(h, "PRAGMA incremental_vacuum", e, "giving back space"); /* all free pages */
}
