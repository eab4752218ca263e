#include "audit/stays.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/place.h"
#include "core/clock.h"
#include "db/db.h"

#define APPLICATION_ID 0x616e6463 /* "andc" */
#define FORMAT         1
#define BUSY_MS        5000

static const char TABLE[] =
    "CREATE TABLE stay(id INTEGER PRIMARY KEY, fleet TEXT NOT NULL, device BLOB NOT NULL, release TEXT NOT NULL,"
    " installed INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, ended INTEGER NOT NULL, next TEXT "
    "NOT NULL)";
static const char INDEX[] = "CREATE INDEX of_device ON stay(fleet, device, ended)";

enum { FIND, SEEN, END, ADD, MISSING, ALL, SWEEP, QUERIES_N };
static const char *const QUERIES[QUERIES_N] = {
    [FIND] = "SELECT id, release, first, last FROM stay WHERE fleet = ?1 AND device = ?2 AND ended = 0",
    [SEEN] = "UPDATE stay SET last = max(last, ?2) WHERE id = ?1",
    [END] = "UPDATE stay SET ended = ?2, next = ?3 WHERE id = ?1",
    [ADD] = "INSERT INTO stay(fleet, device, release, installed, first, last, ended, next)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?5, 0, '')",
    [MISSING] = "SELECT device FROM stay WHERE fleet = ?1 AND ended = 0 AND last < ?2 ORDER BY device",
    [ALL] = "SELECT fleet, device, release, installed, first, last, ended, next FROM stay"
            " ORDER BY fleet, device, first, id",
    [SWEEP] = "DELETE FROM stay WHERE ended > 0 AND ended < ?1",
};

struct stays {
    struct db *db;
    char *path;
    unsigned faults;
};

/* ---- opening ---- */

static bool lay_out(struct stays *s, struct err *e)
{
    char text[160];
    snprintf(text, sizeof text, "PRAGMA journal_mode = WAL; PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION_ID, FORMAT);
    return db_exec(s->db, text, "making it", e) && db_exec(s->db, TABLE, "making its table", e) &&
           db_exec(s->db, INDEX, "making its index", e);
}

static bool ready(struct stays *s, struct err *e)
{
    int64_t tables, id, format;
    if (!db_number(s->db, "SELECT count(*) FROM sqlite_master", &tables, "reading it", e) ||
        (tables == 0 && !lay_out(s, e)) || !db_number(s->db, "PRAGMA application_id", &id, "reading it", e) ||
        !db_number(s->db, "PRAGMA user_version", &format, "reading it", e))
        return false;
    if (id != APPLICATION_ID)
        return err_set(e, ERR_TAMPERED, "Name another file, or move it away.",
                       "census %.200s: it is not one of andon's", s->path);
    return format <= FORMAT ||
           err_set(e, ERR_UNSUPPORTED, "Use a newer andon.", "census %.200s: a newer andon made it", s->path);
}

static bool make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST || err_errno(e, ERR_IO, "Look at its folder.", "census %.200s: cannot create it", path);
    close(fd);
    return true;
}

static bool open_file(struct stays *s, bool write, struct err *e)
{
    struct stat st;
    if (!write && access(s->path, F_OK) != 0)
        return err_set(e, ERR_NOT_FOUND, "Run andon census, and then once a day.", "census %.200s: none was taken yet",
                       s->path);
    return (!write || (place_prepare(s->path, e) && make_file(s->path, e))) && place_file_ok(s->path, !write, &st, e) &&
           db_connect(s->db, e) && ready(s, e);
}

struct stays *stays_open(const char *path, bool write, struct err *e)
{
    struct stays *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    struct db_spec spec = {.path = s->path,
                           .what = "census",
                           .faults = &s->faults,
                           .sql = QUERIES,
                           .n_sql = QUERIES_N,
                           .read_only = !write,
                           .every_power_cut = true,
                           .busy_ms = BUSY_MS};
    spec.means[DB_BUSY].code = ERR_CONFLICT;
    spec.means[DB_BUSY].next = "Another census is being taken: try again.";
    spec.means[DB_DAMAGED].code = spec.means[DB_ALIEN].code = ERR_TAMPERED;
    spec.means[DB_DAMAGED].next = spec.means[DB_ALIEN].next =
        "It cannot be made again: take it from a copy, or move it away and begin anew.";
    s->db = db_new(&spec);
    if (open_file(s, write, e))
        return s;
    stays_close(s);
    return NULL;
}

void stays_close(struct stays *s)
{
    if (!s)
        return;
    db_free(s->db);
    free(s->path);
    free(s);
}

/* ---- a census ---- */

bool stays_begin(struct stays *s, struct err *e)
{
    return db_begin(s->db, true, e);
}

bool stays_commit(struct stays *s, int64_t at, struct err *e)
{
    const struct db_value before = db_int(at - STAYS_KEPT_US);
    if (db_run(s->db, SWEEP, &before, 1, -1, "sweeping it", e))
        return db_commit(s->db, e);
    db_rollback(s->db);
    return false;
}

void stays_abort(struct stays *s)
{
    db_rollback(s->db);
}

struct found {
    bool any, same;
    int64_t id, first, last;
    const char *release;
};

static bool on_found(void *ctx, struct db_row *r)
{
    struct found *f = ctx;
    struct slice release = db_row_bytes(r, 1);
    f->any = true;
    f->id = db_row_int(r, 0);
    f->same = release.n == strlen(f->release) && memcmp(release.p, f->release, release.n) == 0;
    f->first = db_row_int(r, 2);
    f->last = db_row_int(r, 3);
    return false;
}

static bool find(struct stays *s, const char *fleet, const char *device, const char *release, struct found *f,
                 struct err *e)
{
    const struct db_value v[] = {db_str(fleet), db_bytes(device, strlen(device))};
    *f = (struct found){.release = release};
    return db_rows(s->db, FIND, v, 2, on_found, f, "looking for a device", e);
}

static bool end_stay(struct stays *s, const struct found *f, int64_t at, const char *next, struct err *e)
{
    const struct db_value v[] = {db_int(f->id), db_int(at > f->first ? at : f->first + 1), db_str(next)};
    return db_run(s->db, END, v, 3, 1, "ending a stay", e);
}

bool stays_seen(struct stays *s, const char *fleet, const char *device, const char *release, int64_t installed,
                int64_t at, bool keep, struct err *e)
{
    struct found f;
    if (!find(s, fleet, device, release, &f, e))
        return false;
    if (f.any && f.same) {
        const struct db_value v[] = {db_int(f.id), db_int(at)};
        return db_run(s->db, SEEN, v, 2, 1, "noting a device", e);
    }
    /* by the server's word when it was installed, where that lies between the two looks */
    if (f.any && !end_stay(s, &f, installed > f.last && installed <= at ? installed : at, release, e))
        return false;
    if (!keep)
        return true;
    const struct db_value v[] = {db_str(fleet), db_bytes(device, strlen(device)), db_str(release),
                                 db_int(installed <= at ? installed : 0), db_int(at)};
    return db_run(s->db, ADD, v, 5, 1, "beginning a stay", e);
}

bool stays_gone(struct stays *s, const char *fleet, const char *device, int64_t at, struct err *e)
{
    struct found f;
    return find(s, fleet, device, "", &f, e) && (!f.any || end_stay(s, &f, at, "", e));
}

/* ---- reading ---- */

struct listing {
    struct arena *a;
    const char **ids;
    struct stay *v;
    size_t n, cap;
};

static const char *text_at(struct listing *l, struct db_row *r, int column)
{
    struct slice s = db_row_bytes(r, column);
    return arena_strndup(l->a, s.p, s.n);
}

/* Room for one more of `size` bytes behind n in v. */
static void *room(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    size_t more = *cap ? 2 * *cap : 256;
    char *bigger = arena_alloc(a, more * size);
    if (n > 0)
        memcpy(bigger, v, n * size);
    *cap = more;
    return bigger;
}

static bool on_id(void *ctx, struct db_row *r)
{
    struct listing *l = ctx;
    l->ids = room(l->a, l->ids, l->n, &l->cap, sizeof *l->ids);
    l->ids[l->n++] = text_at(l, r, 0);
    return true;
}

bool stays_missing(struct stays *s, const char *fleet, int64_t at, struct arena *a, const char ***out, size_t *n,
                   struct err *e)
{
    struct listing l = {.a = a};
    const struct db_value v[] = {db_str(fleet), db_int(at)};
    bool ok = db_rows(s->db, MISSING, v, 2, on_id, &l, "looking for devices", e);
    *out = l.ids;
    *n = l.n;
    return ok;
}

static bool on_stay(void *ctx, struct db_row *r)
{
    struct listing *l = ctx;
    l->v = room(l->a, l->v, l->n, &l->cap, sizeof *l->v);
    struct stay *to = l->v + l->n;
    bool any = l->n > 0; /* one before: mostly of the same fleet and release */
    struct slice fleet = db_row_bytes(r, 0), release = db_row_bytes(r, 2);
    *to = (struct stay){
        .fleet = any && strlen(to[-1].fleet) == fleet.n && memcmp(to[-1].fleet, fleet.p, fleet.n) == 0
                     ? to[-1].fleet
                     : text_at(l, r, 0),
        .device = text_at(l, r, 1),
        .release = any && strlen(to[-1].release) == release.n && memcmp(to[-1].release, release.p, release.n) == 0
                       ? to[-1].release
                       : text_at(l, r, 2),
        .installed = db_row_int(r, 3),
        .first = db_row_int(r, 4),
        .last = db_row_int(r, 5),
        .ended = db_row_int(r, 6),
        .next = text_at(l, r, 7),
    };
    l->n++;
    return true;
}

bool stays_all(struct stays *s, struct arena *a, struct stay **out, size_t *n, struct err *e)
{
    struct listing l = {.a = a};
    bool ok = db_rows(s->db, ALL, NULL, 0, on_stay, &l, "reading it", e);
    *out = l.v;
    *n = l.n;
    return ok;
}
