#include "audit/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "db/db.h"
#include "audit/place.h"
#include "core/clock.h"
#include "core/digest.h"

#define APPLICATION_ID 0x616e6465 /* "ande" */
#define FORMAT         2          /* 1: without `who` */
#define BUSY_MS        2000
#define FILE_MAX       (4 * HISTORY_BYTES_MAX)                                    /* of the whole database */
#define DAMAGE         (DB_BIT(DB_DAMAGED) | DB_BIT(DB_ALIEN) | DB_BIT(DB_ERROR)) /* the last: tables of others */
#define UNUSABLE       (DAMAGE | DB_BIT(DB_IO) | DB_BIT(DB_PLACE))
#define WAL_KEPT       (64 << 20) /* a longer -wal is cut back after a checkpoint */

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

enum { KEEP, DROP, FIND, SWEEP, QUERIES_N };
/* ?1 to ?5 are the names and the tick. */
static const char *const QUERIES[QUERIES_N] = {
    [KEEP] = "INSERT INTO trial(fleet, rollout, who, spec, tick, put, digest, bytes)"
             " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(fleet, rollout, who) DO UPDATE"
             " SET spec = excluded.spec, tick = excluded.tick,"
             " put = excluded.put, digest = excluded.digest, bytes = excluded.bytes"
             " WHERE trial.spec <> excluded.spec OR trial.tick <= excluded.tick",
    [DROP] = "DELETE FROM trial WHERE fleet = ?1 AND rollout = ?2 AND (who = ?3 OR who = '')",
    [FIND] = ("SELECT spec, tick, digest, bytes FROM trial WHERE fleet = ?1 AND rollout = ?2"
              " AND who = ?3 AND spec = ?4 AND put > ?5"),
    [SWEEP] = "DELETE FROM trial WHERE put < ?1",
};

struct history {
    struct db *db;
    char *path;
    unsigned faults; /* DAMAGE: look at the whole file before more is put into it; any: open it anew */
    bool closed;     /* an attempt to open it anew has failed */
};

/* ---- opening ---- */

/* The first column of the first row as text, into `out`; "" when there is none. */
static bool one(struct history *h, const char *sql, char *out, size_t size, struct err *e)
{
    return db_text(h->db, sql, out, size, "reading it", e);
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
    return db_exec(h->db, text, "making it", e) && db_exec(h->db, TABLE, "making its table", e);
}

static bool damaged(struct history *h, struct err *e, const char *what)
{
    h->faults |= DB_BIT(DB_DAMAGED);
    return err_set(e, ERR_TAMPERED, "", "evidence file %.200s: %s", h->path, what);
}

/* From the format of andon 0.1: what is there has no identity. */
static bool migrate(struct history *h, struct err *e)
{
    static const char doing[] = "bringing it to the new format";
    char text[60];
    snprintf(text, sizeof text, "PRAGMA user_version = %d", FORMAT);
    if (!db_begin(h->db, true, e))
        return false;
    if (db_exec(h->db, "ALTER TABLE trial RENAME TO trial_1", doing, e) && db_exec(h->db, TABLE, doing, e) &&
        db_exec(h->db,
                "INSERT INTO trial(fleet, rollout, who, spec, tick, put, digest, bytes)"
                " SELECT fleet, rollout, '', spec, tick, put, digest, bytes FROM trial_1; DROP TABLE trial_1",
                doing, e) &&
        db_exec(h->db, text, doing, e))
        return db_commit(h->db, e);
    db_rollback(h->db);
    return false;
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
    return db_exec(h->db, text, "setting it up", e);
}

static void disconnect(struct history *h)
{
    db_disconnect(h->db, h->faults & DAMAGE); /* its -wal goes with it as it is */
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
    if (db_connect(h->db, e) && is_new(h, &fresh, e) && (!fresh || lay_out(h, e)) && whole(h, deep, e) &&
        settle_size(h, e))
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
    bool deep = h->faults & DAMAGE;
    h->faults = 0;
    bool ok = open_file(h, deep, &why);
    if (!ok && h->faults & DAMAGE) {
        h->faults = 0;
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
    h->closed = !ok;
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
    h->db = db_new(&(struct db_spec){
        .path = h->path,
        .what = "evidence file",
        .means = {[DB_BUSY] = {ERR_TIMEOUT, "another process holds it; it is tried again later"},
                  [DB_FULL] = {ERR_IO,
                               "free space on its disk; without it a restart reads the history of telemetry anew"},
                  [DB_IO] = {ERR_IO, "look at its disk and folder"},
                  [DB_PLACE] = {ERR_IO, "look at its disk and folder"},
                  [DB_DAMAGED] = {ERR_TAMPERED, NULL},
                  [DB_ALIEN] = {ERR_TAMPERED, NULL},
                  [DB_ERROR] = {ERR_TAMPERED, NULL}},
        .faults = &h->faults,
        .sql = QUERIES,
        .n_sql = QUERIES_N,
        .busy_ms = BUSY_MS});
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
    db_free(h->db);
    free(h->path);
    free(h);
}

/* Ready for use: what was moved or removed by another, or has failed, is opened anew. */
static bool ready(struct history *h, struct err *e)
{
    if (!h->closed && !(h->faults & UNUSABLE) && !db_moved(h->db))
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

static bool insert(struct history *h, const struct name *n, const void *bytes, size_t size, struct err *e)
{
    unsigned char digest[SHA256_BYTES];
    digest_of(n, bytes, size, digest);
    const struct db_value v[] = {db_str(n->fleet),
                                 db_str(n->rollout),
                                 db_str(n->who),
                                 db_str(n->spec),
                                 db_int(n->tick),
                                 db_int(clock_wall(clock_real())),
                                 db_bytes(digest, SHA256_BYTES),
                                 db_bytes(bytes, size)};
    return db_run(h->db, KEEP, v, 8, -1, "keeping a state", e);
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
    const struct db_value v[] = {db_str(n->fleet), db_str(n->rollout), db_str(n->who)};
    return db_run(h->db, DROP, v, 3, -1, "dropping a state", e);
}

struct found {
    struct name *name;
    struct buf *out;
    bool any, sound, fits;
};

static bool take_row(void *ctx, struct db_row *r)
{
    struct found *f = ctx;
    unsigned char want[SHA256_BYTES];
    struct slice digest = db_row_bytes(r, 2), bytes = db_row_bytes(r, 3);
    f->any = true;
    f->name->tick = db_row_int(r, 1);
    digest_of(f->name, bytes.p, bytes.n, want);
    f->sound = bytes.n <= HISTORY_BYTES_MAX && digest.n == SHA256_BYTES && memcmp(digest.p, want, SHA256_BYTES) == 0;
    f->fits = !f->sound || bytes.n == 0 || buf_add(f->out, bytes.p, bytes.n);
    return false;
}

static bool get(struct history *h, struct name *n, int64_t *tick, struct buf *out, struct err *e)
{
    struct err ignored;
    struct found f = {.name = n, .out = out};
    const struct db_value v[] = {db_str(n->fleet), db_str(n->rollout), db_str(n->who), db_str(n->spec),
                                 db_int(n->tick)};
    if (!ready(h, e) || !db_rows(h->db, FIND, v, 5, take_row, &f, "reading a state", e))
        return false;
    if (!f.any)
        return err_set(e, ERR_NOT_FOUND, "", "evidence of %.60s: no state is kept", n->rollout);
    if (!f.fits)
        return err_set(e, ERR_LIMIT, "", "evidence of %.60s: its state is larger than expected", n->rollout);
    if (!f.sound) {
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
    const struct db_value v[] = {db_int(before)};
    return ready(h, e) && db_run(h->db, SWEEP, v, 1, -1, "dropping old states", e) &&
           db_exec(h->db, "PRAGMA incremental_vacuum", "giving back space", e); /* all free pages */
}
