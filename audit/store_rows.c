/* What a log's file holds: entries, state, blobs, openings. */
#include <string.h>
#include "audit/far.h"
#include "audit/store_inner.h"

/* Always false. */
static bool wrong(struct store *s, struct err *e, const char *what)
{
    db_spoil(s->db);
    return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: %s", s->path, what);
}

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
    f->out->stored = f->sound ? (uint64_t)size : 0;
    f->out->note_n = f->sound ? note.n : 0;
    memcpy(f->out->note, note.p, f->out->note_n);
    return false;
}

bool store_head(struct store *s, struct store_head *out, struct err *e)
{
    struct head_found f = {out, false};
    if (s->far) {
        *out = *far_head(s->far);
        return true;
    }
    if (!db_rows(s->db, Q_HEAD, NULL, 0, take_head, &f, "reading its state", e))
        return false;
    return f.sound ? true : wrong(s, e, "its state is missing or damaged");
}

bool store_set_head(struct store *s, struct store_head *h, struct err *e)
{
    uint8_t frontier[TREE_DEPTH * HASH_LEN];
    for (; h->stored + 1 < h->tree.size; h->stored++)
        if (!db_run(s->db, Q_COUNT_UP, NULL, 0, 1, "counting the entries", e))
            return false;
    size_t n = tree_pack(&h->tree, frontier);
    const struct db_value v[] = {db_int((int64_t)h->tree.size), db_bytes(frontier, n), db_bytes(h->note, h->note_n)};
    if (!db_run(s->db, Q_SET_HEAD, v, 3, 1, "storing the checkpoint", e))
        return false;
    h->stored = h->tree.size;
    s->unsigned_ = false;
    return true;
}

static bool take_int(void *ctx, struct db_row *r)
{
    *(int64_t *)ctx = db_row_int(r, 0);
    return false;
}

bool store_last(struct store *s, int64_t *seq, struct err *e)
{
    if (s->far) {
        *seq = far_last(s->far);
        return true;
    }
    return db_rows(s->db, Q_LAST, NULL, 0, take_int, seq, "reading the newest entry", e);
}

bool store_put(struct store *s, int64_t seq, const void *leaf, size_t n, const uint8_t hash[HASH_LEN], struct err *e)
{
    const struct db_value v[] = {db_int(seq), db_bytes(hash, HASH_LEN), db_bytes(leaf, n)};
    s->unsigned_ = true;
    return db_run(s->db, Q_PUT, v, 3, 1, "storing the entry", e);
}

struct rows_taker {
    store_row_fn *fn;
    void *ctx;
    bool open;
};

static bool take_entry(void *ctx, struct db_row *r)
{
    const struct rows_taker *t = ctx;
    struct slice hash = db_row_bytes(r, 1), leaf = db_row_bytes(r, 2);
    struct store_row row = {db_row_int(r, 0), leaf.p, leaf.n, (const uint8_t *)hash.p, hash.n, {"", 0}, leaf};
    if (t->open)
        row.open = db_row_bytes(r, 3);
    return t->fn(t->ctx, &row);
}

bool store_openings(struct store *s, bool *any, int64_t *stray, struct err *e)
{
    int64_t tables = 0;
    *any = false;
    *stray = 0;
    if (s->far)
        return true;
    bool ok = db_rows(s->db, Q_OPENINGS, NULL, 0, take_int, &tables, "looking for openings", e) &&
              (!tables || db_rows(s->db, Q_STRAY, NULL, 0, take_int, stray, "reading openings", e));
    *any = tables > 0;
    return ok;
}

bool store_put_openings(struct store *s, int64_t seq, const void *lines, size_t n, struct err *e)
{
    const struct db_value v[] = {db_int(seq), db_bytes(lines, n)};
    int64_t tables = 0;
    return db_rows(s->db, Q_OPENINGS, NULL, 0, take_int, &tables, "looking for openings", e) &&
           (tables || db_exec(s->db, OPENING_TABLE "; PRAGMA user_version = 2", "making a table for openings", e)) &&
           db_run(s->db, Q_OPEN, v, 2, 1, "storing openings", e);
}

bool store_change_openings(struct store *s, int64_t seq, const void *lines, size_t n, struct err *e)
{
    const struct db_value v[] = {db_int(seq), db_bytes(lines, n)};
    return db_run(s->db, Q_REOPEN, v, 2, 1, "changing openings", e);
}

bool store_rows(struct store *s, int64_t from, int64_t to, bool newest_first, store_row_fn *fn, void *ctx,
                struct err *e)
{
    struct rows_taker t = {fn, ctx, false};
    int64_t tables = 0;
    if (s->far)
        return far_rows(s->far, NULL, from, to, newest_first, fn, ctx, e);
    const struct db_value v[] = {db_int(from), db_int(to)};
    if (!db_rows(s->db, Q_OPENINGS, NULL, 0, take_int, &tables, "looking for openings", e))
        return false;
    t.open = tables > 0;
    size_t q = t.open ? newest_first ? Q_OPEN_ROWS_DOWN : Q_OPEN_ROWS : newest_first ? Q_ROWS_DOWN : Q_ROWS;
    return db_rows(s->db, q, v, 2, take_entry, &t, "reading entries", e);
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
    if (s->far)
        return far_get_blob(s->far, digest, out, e);
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
    if (s->far)
        return far_blobs(s->far, fn, ctx, e);
    return db_rows(s->db, Q_BLOBS, NULL, 0, take_blob, &t, "reading blobs", e);
}

struct names_taker {
    store_name_fn *fn;
    void *ctx;
};

static bool take_name(void *ctx, struct db_row *r)
{
    const struct names_taker *t = ctx;
    struct slice digest = db_row_bytes(r, 1);
    return t->fn(t->ctx, db_row_int(r, 0), (const uint8_t *)digest.p, digest.n);
}

bool store_blob_names(struct store *s, int64_t from, store_name_fn *fn, void *ctx, struct err *e)
{
    struct names_taker t = {fn, ctx};
    const struct db_value v[] = {db_int(from)};
    return db_rows(s->db, Q_BLOB_NAMES, v, 1, take_name, &t, "reading the names of blobs", e);
}
