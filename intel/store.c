#include "intel/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/cpe.h"
#include "intel/codec.h"
#include "intel/store_inner.h"

#define SCHEMA      1
#define WAIT_MS     2000
#define PENDING_MAX ((size_t)1 << 18) /* keys that are sorted before they are written: 4 MiB */
#define AGAIN       "It is a cache: move it away and run andon intel import again."

const char *const intel_sql[SQL_COUNT] = {
    [SQL_SOURCES] = ("SELECT name,kind,sha256,released,newest,imported,checked,records,files,bytes,unread,note "
                     "FROM source ORDER BY kind,name"),
    [SQL_OLD_KEYS] = ("DELETE FROM key WHERE id BETWEEN (SELECT gen FROM source WHERE name=?1)<<24 AND "
                      "((SELECT gen FROM source WHERE name=?1)+1<<24)-1"),
    [SQL_OLD_ROWS] = ("DELETE FROM rec WHERE id BETWEEN (SELECT gen FROM source WHERE name=?1)<<24 AND "
                      "((SELECT gen FROM source WHERE name=?1)+1<<24)-1"),
    [SQL_OLD_SOURCE] = "DELETE FROM source WHERE name=?1",
    [SQL_GENERATION] = "SELECT coalesce(max(gen),0)+1 FROM source",
    [SQL_SOURCE] = "INSERT INTO source VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [SQL_CHECKED] = "UPDATE source SET checked=?2 WHERE name=?1",
    [SQL_ROW] = "INSERT INTO rec VALUES(?1,?2)",
    [SQL_KEY] = "INSERT OR IGNORE INTO key VALUES(?1,?2)",
    [SQL_LEARNED] = "INSERT OR IGNORE INTO learned VALUES(?1,?2)",
    [SQL_KEV_GONE] = "UPDATE kev SET until=?1 WHERE until=0",
    [SQL_KEV] = "INSERT INTO kev VALUES(?1,?2,0,?3) ON CONFLICT(cve) DO UPDATE SET added=?2,until=0,ransom=?3",
    [SQL_EPSS_GONE] = "DELETE FROM epss",
    [SQL_EPSS] = "INSERT OR REPLACE INTO epss VALUES(?1,?2,?3)",
    [SQL_FIND] = "SELECT r.id,r.body FROM key k CROSS JOIN rec r ON r.id=k.id WHERE k.h=?1",
    [SQL_IDS] = "SELECT id FROM key WHERE h=?1 LIMIT 2",
    [SQL_WHEN] = "SELECT at FROM learned WHERE h=?1",
    [SQL_LISTED_KEV] = "SELECT added,until,ransom FROM kev WHERE cve=?1",
    [SQL_LISTED_EPSS] = "SELECT epss,pct FROM epss WHERE cve=?1",
};

static const char tables[] =
    "CREATE TABLE source(name TEXT PRIMARY KEY,kind INTEGER,sha256 TEXT,released INTEGER,newest INTEGER,imported "
    "INTEGER,"
    "checked INTEGER,records INTEGER,files INTEGER,bytes INTEGER,unread INTEGER,note TEXT,gen INTEGER) WITHOUT ROWID;"
    "CREATE TABLE rec(id INTEGER PRIMARY KEY,body BLOB);"
    "CREATE TABLE key(h INTEGER,id INTEGER,PRIMARY KEY(h,id)) WITHOUT ROWID;"
    "CREATE TABLE learned(h INTEGER PRIMARY KEY,at INTEGER);"
    "CREATE TABLE kev(cve INTEGER PRIMARY KEY,added INTEGER,until INTEGER,ransom INTEGER);"
    "CREATE TABLE epss(cve INTEGER PRIMARY KEY,epss INTEGER,pct INTEGER);"
    "PRAGMA user_version=1;";

struct pending_key {
    uint64_t h;
    uint32_t n;
    bool is_id;
};
struct intel_pending {
    struct pending_key v[PENDING_MAX];
    size_t n;
    uint64_t ecosystems[256]; /* seen in this import */
    size_t n_ecosystems;
};

/* ---- opening ---- */

/* The path with its folder resolved: SQLite is to follow no link. NULL: there is no such folder. */
static char *resolved(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
    char *real = realpath(folder, NULL), *out = NULL;
    free(folder);
    if (real) {
        size_t n = strlen(real) + strlen(slash ? slash : path) + 2;
        out = xmalloc(n);
        snprintf(out, n, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : path);
        free(real);
    }
    return out;
}

static struct db *new_db(struct intel_store *s)
{
    struct db_spec spec = {.path = s->path,
                           .what = "intelligence",
                           .means = {[DB_BUSY] = {ERR_CONFLICT, "Another import is running: wait until it has ended."},
                                     [DB_FULL] = {ERR_IO, "The disk is full; what was imported before is in force."},
                                     [DB_IO] = {ERR_IO, "What was imported before is in force."},
                                     [DB_DAMAGED] = {ERR_IO, AGAIN},
                                     [DB_ALIEN] = {ERR_IO, AGAIN},
                                     [DB_ERROR] = {ERR_IO, AGAIN}},
                           .faults = &s->faults,
                           .sql = intel_sql,
                           .n_sql = SQL_COUNT,
                           .busy_ms = WAIT_MS};
    return db_new(&spec);
}

static bool set_up(struct intel_store *s, bool write, struct err *e)
{
    int64_t version, n_tables;
    char mode[16];
    if (!db_exec(s->db, write ? "PRAGMA cache_size=-4096" : "PRAGMA cache_size=-24576", "setting it up", e) ||
        !db_number(s->db, "PRAGMA user_version", &version, "reading it", e))
        return false;
    if (version == SCHEMA)
        return true;
    if (!db_number(s->db, "SELECT count(*) FROM sqlite_schema", &n_tables, "reading it", e))
        return false;
    if (version != 0 || n_tables != 0)
        return err_set(e, ERR_STATE, AGAIN, "intelligence %.200s: made by another version of andon", s->path);
    if (!write)
        return err_set(e, ERR_NOT_FOUND, "Run andon intel import DIR.", "intelligence %.200s: nothing was imported yet",
                       s->path);
    if (!db_text(s->db, "PRAGMA journal_mode=WAL", mode, sizeof mode, "setting it up", e) || !db_begin(s->db, true, e))
        return false;
    /* Another one may have made them while we waited for the lock. */
    bool ok = db_number(s->db, "PRAGMA user_version", &version, "reading it", e) &&
              (version == SCHEMA || db_exec(s->db, tables, "making its tables", e));
    if (ok)
        return db_commit(s->db, e);
    db_rollback(s->db);
    return false;
}

struct intel_store *intel_open(const char *path, bool write, struct err *e)
{
    struct intel_store *s = xcalloc(1, sizeof *s);
    buf_init(&s->row, (size_t)64 << 20);
    s->path = resolved(path);
    if (!s->path || (!write && access(s->path, F_OK) != 0)) {
        err_set(e, ERR_NOT_FOUND, "Run andon intel import DIR.", "intelligence %.200s: nothing was imported yet", path);
        intel_close(s);
        return NULL;
    }
    int fd = write ? open(s->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600) : 0;
    if (fd < 0) {
        err_errno(e, ERR_IO, "", "intelligence %.200s: cannot be opened", path);
        intel_close(s);
        return NULL;
    }
    if (write)
        close(fd); /* before SQLite has it open: closing gives back all locks of the process */
    s->db = new_db(s);
    if (!db_connect(s->db, e) || !set_up(s, write, e)) {
        intel_close(s);
        return NULL;
    }
    return s;
}

void intel_close(struct intel_store *s)
{
    if (!s)
        return;
    intel_abort(s);
    db_free(s->db);
    buf_release(&s->row);
    free(s->path);
    free(s);
}

/* ---- keys ---- */

static uint64_t hash_more(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
    return (h ^ 0x1f) * UINT64_C(0x100000001b3);
}

uint64_t intel_hash(enum intel_key kind, struct slice a, struct slice b)
{
    uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ (uint64_t)kind) * UINT64_C(0x100000001b3);
    h = hash_more(hash_more(h, a), b);
    /* The last bytes of FNV reach its low bits only. */
    h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (h ^ h >> 32) & UINT64_C(0xffffffffffff);
}

int64_t intel_cve_number(const char *id)
{
    struct slice s = slice_of(id);
    int64_t year, n;
    if (!slice_starts(s, "CVE-") || s.n < 13 || s.n > 18 || s.p[8] != '-' || (s.n > 13 && s.p[9] == '0') ||
        !slice_int((struct slice){s.p + 4, 4}, &year) || !slice_int((struct slice){s.p + 9, s.n - 9}, &n) ||
        year < 1000 || n < 0)
        return 0;
    return year << 32 | n;
}

/* Vendor and product of a CPE as cpe_parse() writes them. False: no CPE, or it is about any product. */
static bool intel_cpe_key(struct arena *a, const char *criteria, const char **vendor, const char **product)
{
    struct cpe c;
    if (!cpe_parse(slice_of(criteria), a, &c))
        return false;
    *vendor = c.field[CPE_VENDOR];
    *product = c.field[CPE_PRODUCT];
    return strcmp(*product, "*") != 0;
}

static int by_hash(const void *a, const void *b)
{
    const struct pending_key *x = a, *y = b;
    return x->h != y->h ? (x->h < y->h ? -1 : 1) : (x->n > y->n) - (x->n < y->n);
}

/* Written in their order, a page takes many at a time. */
static bool flush(struct intel_store *s, struct err *e)
{
    struct intel_pending *p = s->pending;
    bool ok = true;
    qsort(p->v, p->n, sizeof p->v[0], by_hash);
    for (size_t i = 0; i < p->n && ok; i++) {
        struct db_value v[] = {db_int((int64_t)p->v[i].h), db_int((s->gen << ROW_BITS) + p->v[i].n)};
        struct db_value first[] = {v[0], db_int(s->now / US_PER_S)};
        ok = db_run(s->db, SQL_KEY, v, 2, -1, "writing", e) &&
             (!p->v[i].is_id || db_run(s->db, SQL_LEARNED, first, 2, -1, "writing", e));
    }
    p->n = 0;
    return ok;
}

static bool key(struct intel_store *s, enum intel_key kind, const char *a, const char *b, struct err *e)
{
    struct intel_pending *p = s->pending;
    if (p->n == PENDING_MAX && !flush(s, e))
        return false;
    p->v[p->n++] =
        (struct pending_key){intel_hash(kind, slice_of(a), slice_of(b)), (uint32_t)s->n_rows, kind == KEY_ID};
    return true;
}

static bool ecosystem(struct intel_store *s, const char *name, struct err *e)
{
    struct intel_pending *p = s->pending;
    uint64_t h = intel_hash(KEY_ECOSYSTEM, slice_of(name), slice_of(""));
    for (size_t i = 0; i < p->n_ecosystems; i++)
        if (p->ecosystems[i] == h)
            return true;
    if (p->n_ecosystems < sizeof p->ecosystems / sizeof p->ecosystems[0])
        p->ecosystems[p->n_ecosystems++] = h;
    return key(s, KEY_ECOSYSTEM, name, "", e);
}

/* ---- an import ---- */

static bool one_int(void *ctx, struct db_row *r)
{
    *(int64_t *)ctx = db_row_int(r, 0);
    return false;
}

bool intel_begin(struct intel_store *s, const struct intel_source *src, struct err *e)
{
    struct db_value name = db_str(src->name), now = db_int(src->imported);
    intel_abort(s);
    s->now = src->imported;
    s->n_rows = 0;
    s->broken = false;
    if (!db_begin(s->db, true, e))
        return false;
    s->pending = xcalloc(1, sizeof *s->pending);
    /* The old rows' places are used again by the new ones; whoever reads sees them until the end. */
    bool ok = db_rows(s->db, SQL_GENERATION, NULL, 0, one_int, &s->gen, "reading it", e) &&
              db_run(s->db, SQL_OLD_KEYS, &name, 1, -1, "making room", e) &&
              db_run(s->db, SQL_OLD_ROWS, &name, 1, -1, "making room", e) &&
              db_run(s->db, SQL_OLD_SOURCE, &name, 1, -1, "making room", e);
    if (ok && src->kind == INTEL_KEV)
        ok = db_run(s->db, SQL_KEV_GONE, &now, 1, -1, "making room", e);
    if (ok && src->kind == INTEL_EPSS)
        ok = db_run(s->db, SQL_EPSS_GONE, NULL, 0, -1, "making room", e);
    if (!ok)
        intel_abort(s);
    return ok;
}

/* The encoded row in s->row under the next number. */
static bool put_row(struct intel_store *s, struct err *e)
{
    if (++s->n_rows > ROW_MASK)
        return err_set(e, ERR_LIMIT, "", "intelligence: more than %lld records in one source", (long long)ROW_MASK);
    struct db_value v[] = {db_int((s->gen << ROW_BITS) + s->n_rows), db_bytes(s->row.data, s->row.len)};
    bool ok = !s->row.over && db_run(s->db, SQL_ROW, v, 2, 1, "writing", e);
    if (s->row.over)
        err_set(e, ERR_LIMIT, "", "intelligence: a record of more than %zu bytes", s->row.limit);
    buf_clear(&s->row);
    return ok;
}

static bool put_products(struct intel_store *s, const struct advisory *v, struct err *e)
{
    struct arena a;
    const char *vendor, *product;
    bool ok = true;
    arena_init(&a);
    for (size_t i = 0; i < v->n_configs && ok; i++)
        for (size_t k = 0; k < v->configs[i].n_nodes && ok; k++)
            for (size_t m = 0; m < v->configs[i].nodes[k].n_cpes && ok; m++) {
                const struct adv_cpe *c = &v->configs[i].nodes[k].cpes[m];
                ok = !c->vulnerable || !intel_cpe_key(&a, c->criteria, &vendor, &product) ||
                     key(s, KEY_PRODUCT, vendor, product, e);
            }
    arena_release(&a);
    return ok;
}

bool intel_put_advisory(struct intel_store *s, const struct advisory *v, struct err *e)
{
    encode_advisory(&s->row, v);
    bool ok = put_row(s, e) && key(s, KEY_ID, v->id, "", e) && put_products(s, v, e);
    for (size_t i = 0; i < v->n_refs && ok; i++)
        ok = v->refs[i].kind != ADV_ALIAS || key(s, KEY_ALIAS, v->refs[i].id, "", e);
    for (size_t i = 0; i < v->n_affected && ok; i++) {
        const struct adv_affected *f = &v->affected[i];
        ok = !*f->ecosystem || (key(s, KEY_PACKAGE, f->ecosystem, f->name, e) && ecosystem(s, f->ecosystem, e));
    }
    s->broken = s->broken || !ok;
    return ok;
}

/* A probability as a whole number of 1e-9. */
static int64_t billionths(double v)
{
    return (int64_t)(v * 1e9 + 0.5);
}

bool intel_put_listed(struct intel_store *s, const struct adv_listed *v, bool *taken, struct err *e)
{
    int64_t cve = intel_cve_number(v->id);
    struct db_value kev[] = {db_int(cve), db_int(v->kev_added), db_int(v->ransomware)};
    struct db_value epss[] = {db_int(cve), db_int(billionths(v->epss)), db_int(billionths(v->percentile))};
    *taken = cve != 0;
    return !cve || db_run(s->db, v->scored ? SQL_EPSS : SQL_KEV, v->scored ? epss : kev, 3, -1, "writing", e);
}

bool intel_put_sbom(struct intel_store *s, const struct sbom *v, struct err *e)
{
    encode_sbom(&s->row, v);
    return put_row(s, e) && key(s, KEY_SBOM, v->release, "", e) && key(s, KEY_SBOM, "", "", e);
}

bool intel_put_vex(struct intel_store *s, const struct vex *v, struct err *e)
{
    encode_vex(&s->row, v);
    return put_row(s, e) && key(s, KEY_VEX, "", "", e);
}

bool intel_put_life(struct intel_store *s, const struct intel_life *v, struct err *e)
{
    encode_life(&s->row, v);
    return put_row(s, e) && key(s, KEY_LIFE, v->product, "", e);
}

bool intel_put_other(struct intel_store *s, const struct intel_other *v, struct err *e)
{
    encode_other(&s->row, v);
    return put_row(s, e) && key(s, KEY_OTHER, v->release, "", e);
}

bool intel_commit(struct intel_store *s, const struct intel_source *src, struct err *e)
{
    struct db_value v[] = {db_str(src->name),   db_int(src->kind),     db_str(src->sha256),  db_int(src->released),
                           db_int(src->newest), db_int(src->imported), db_int(src->checked), db_int(src->records),
                           db_int(src->files),  db_int(src->bytes),    db_int(src->unread),  db_str(src->note),
                           db_int(s->gen)};
    bool ok = !s->broken && flush(s, e) && db_run(s->db, SQL_SOURCE, v, sizeof v / sizeof v[0], 1, "writing", e) &&
              db_commit(s->db, e);
    if (!ok) {
        intel_abort(s);
        return false;
    }
    free(s->pending);
    s->pending = NULL;
    if (!db_flush(s->db, NULL)) /* the -wal stays as long as somebody reads: that is no failure */
        s->faults = 0;
    return true;
}

void intel_abort(struct intel_store *s)
{
    if (s->pending)
        db_rollback(s->db);
    free(s->pending);
    s->pending = NULL;
    buf_clear(&s->row);
}

bool intel_checked(struct intel_store *s, const struct intel_source *src, struct err *e)
{
    struct db_value v[] = {db_str(src->name), db_int(src->checked)};
    if (!db_begin(s->db, true, e))
        return false;
    if (db_run(s->db, SQL_CHECKED, v, 2, 1, "writing", e))
        return db_commit(s->db, e);
    db_rollback(s->db);
    return false;
}
