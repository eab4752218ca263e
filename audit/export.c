/* Export: a folder that an auditor verifies without andon. The layout is in audit/log.h and docs/audit.md. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/csv.h"
#include "audit/folder.h"
#include "audit/left_out.h"
#include "audit/manifest.h"
#include "audit/opening.h"
#include "audit/place.h"
#include "audit/query.h"
#include "audit/sink.h"
#include "core/embed.h"
#include "core/redact.h"

EMBED(verify_sh, "docs/audit-tools/verify.sh");
EMBED(verify_py, "docs/audit-tools/verify.py");
EMBED(answers_py, "docs/audit-tools/answers.py");
EMBED(export_readme, "docs/audit-tools/README");

struct named_blob {
    uint8_t digest[HASH_LEN];
    size_t n; /* of the role */
    char role[64];
};

struct export
{
    struct audit_log *log;
    const struct audit_export_spec *spec;
    struct audit_exported *out;
    char *dir; /* temporary name */
    int dirfd;
    struct sink entries, left, open;
    struct buf lines, all,
        part;          /* an entry's openings that go along; its line with all that are there, and with those */
    struct sink *page; /* the CSV, then those of spec */
    struct manifest m;
    struct tree tree;
    struct leaf_memo memo;
    struct left_out gap; /* what was left out since the last entry that is shown */
    struct named_blob *blob;
    size_t n_blob, cap_blob;
    int64_t bad;  /* an entry that is not what was signed */
    bool is_past; /* the first since_size entries have the root that was asked for */
};

static void csv_page_head(void *ctx, struct buf *out)
{
    (void)ctx;
    csv_head(out);
}

static void csv_page_row(void *ctx, struct buf *out, const struct leaf *l, const uint8_t hash[HASH_LEN])
{
    (void)ctx;
    csv_row(out, l, hash);
}

static const struct audit_page_maker CSV = {
    .name = "report.csv", .role = "report", .head = csv_page_head, .row = csv_page_row};

static const struct audit_page_maker *page_at(const struct export *x, size_t i)
{
    return i == 0 ? &CSV : &x->spec->pages[i - 1];
}

static size_t n_pages(const struct export *x)
{
    return 1 + x->spec->n_pages;
}

static bool write_file(struct export *x, const char *name, const char *role, mode_t mode, const void *p, size_t n,
                       uint8_t hash[HASH_LEN])
{
    struct sink s;
    if (!sink_open(&s, x->dirfd, name, role, mode))
        return false;
    sink_add(&s, p, n);
    return sink_close(&s, role ? &x->m : NULL, hash);
}

static bool io(struct export *x, struct err *e)
{
    return err_errno(e, ERR_IO, "free space, or export elsewhere", "export %.200s: cannot write it", x->dir);
}

/* --- entries --- */

/* What was left out up to here goes to its file, which is made for the first of it. */
static bool flush_left(struct export *x)
{
    if (x->gap.n && x->left.fd < 0 && !sink_open(&x->left, x->dirfd, LEFT_OUT_NAME, LEFT_OUT_NAME, 0600))
        return false;
    left_out_write(&x->gap, &x->left.pending);
    if (x->left.fd >= 0)
        sink_spill(&x->left);
    return true;
}

static void note_blobs(struct export *x, const struct leaf *l)
{
    struct member m;
    if (!l->fields.n || !memmem(l->fields.p, l->fields.n, "blob", 4)) /* most entries name none */
        return;
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (!leaf_names_blob(&m))
            continue;
        if (x->n_blob == x->cap_blob) {
            x->cap_blob = x->cap_blob ? x->cap_blob * 2 : 64;
            x->blob = xreallocarray(x->blob, x->cap_blob, sizeof *x->blob);
        }
        struct named_blob *b = &x->blob[x->n_blob++];
        tree_hash_parse(m.value.p, m.value.n, b->digest);
        b->n = m.key.n <= sizeof b->role ? m.key.n : 0;
        memcpy(b->role, m.key.p, b->n);
    }
}

/* The first entry and those that change the key come along always: without them nobody knows whose log it is. */
static bool is_shown(const struct export *x, const struct leaf *l)
{
    int64_t from, to;
    if (l->seq == 1 || leaf_is(l->kind, "key"))
        return true;
    query_range(x->spec->q, &from, &to);
    return l->seq > x->spec->since_size && l->seq >= from && l->seq <= to && query_takes(x->spec->q, l);
}

/* The openings that go along, in their file, which is made for the first of them; false: one is not what it should be.
 */
static bool show_openings(struct export *x, const struct store_row *row, const struct leaf *l)
{
    buf_clear(&x->lines);
    buf_clear(&x->all);
    if (!opening_part(row->open, l->committed, x->spec->redacted, &x->lines, &x->all))
        return false;
    if (x->all.len == 0)
        return true;
    if (x->open.fd < 0 && !sink_open(&x->open, x->dirfd, OPENINGS_NAME, OPENINGS_NAME, 0600))
        return false;
    sink_add(&x->open, x->all.data, x->all.len);
    return true;
}

/* The entry as it is read with these openings. */
static const struct leaf *as_read(const struct store_row *row, const struct leaf *l, struct slice lines,
                                  struct buf *room, struct leaf *out)
{
    buf_clear(room);
    return l->committed.p && opening_show(row->leaf, row->leaf_n, lines, "its opening is not in this folder", room) &&
                   leaf_scan(room->data, room->len, out)
               ? out
               : l;
}

static bool show(struct export *x, const struct store_row *row, const struct leaf *raw, const uint8_t hash[HASH_LEN])
{
    struct leaf read;
    if (!flush_left(x))
        return false;
    if (!show_openings(x, row, raw)) {
        x->bad = raw->seq;
        return false;
    }
    const struct leaf *l = as_read(row, raw, (struct slice){x->lines.data, x->lines.len}, &x->part, &read);
    sink_add(&x->entries, row->leaf, row->leaf_n);
    sink_add(&x->entries, "\n", 1);
    bool ok = !x->entries.failed;
    for (size_t i = 0; i < n_pages(x); i++) {
        struct sink *s = &x->page[i];
        const struct audit_page_maker *p = page_at(x, i);
        p->row(p->ctx, &s->pending, l, hash);
        sink_spill(s);
        ok = ok && !s->failed;
    }
    note_blobs(x, raw);
    x->m.shown++;
    return ok && !x->open.failed;
}

static bool on_entry(void *ctx, const struct store_row *row)
{
    struct export *x = ctx;
    struct leaf l, read;
    uint8_t now[HASH_LEN], root[HASH_LEN];
    int64_t seq = (int64_t)x->tree.size + 1;
    tree_leaf_hash(row->leaf, row->leaf_n, now);
    if (row->seq != seq || !leaf_scan_next(row->leaf, row->leaf_n, &x->memo, &l) || l.seq != seq) {
        x->bad = seq;
        return false;
    }
    if (!is_shown(x, as_read(row, &l, row->open, &x->all, &read)))
        left_out_add(&x->gap, x->tree.size, now);
    else if (!show(x, row, &l, now))
        return false;
    tree_push(&x->tree, now);
    if (seq == x->spec->since_size) {
        tree_root(&x->tree, root);
        x->is_past = memcmp(root, x->spec->since_root, HASH_LEN) == 0;
    }
    return true;
}

static bool signed_ok(struct export *x, const struct store_head *h, struct err *e)
{
    struct checkpoint cp;
    uint8_t root[HASH_LEN];
    tree_root(&x->tree, root);
    if (x->bad)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`; keep a copy of the log itself",
                       "audit log: entry %" PRId64 " is missing, or cannot be exported", x->bad);
    if (!note_open(h->note, h->note_n, &x->log->name, x->log->verifier, &cp, e))
        return false;
    if (cp.size != x->tree.size || memcmp(cp.root, root, HASH_LEN) != 0)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`; keep a copy of the log itself",
                       "audit log: its entries are not those that its checkpoint signs");
    if (x->spec->since_size && !x->is_past)
        return err_set(e, ERR_CONFLICT, "name a folder of this log, or verify both",
                       "what was exported before, %" PRId64 " entries, is not of this log's past", x->spec->since_size);
    memcpy(x->m.origin, cp.origin, sizeof cp.origin);
    memcpy(x->m.root, root, HASH_LEN);
    x->m.size = cp.size;
    return true;
}

static bool open_pages(struct export *x)
{
    for (size_t i = 0; i < n_pages(x); i++) {
        const struct audit_page_maker *p = page_at(x, i);
        if (!sink_open(&x->page[i], x->dirfd, p->name, p->role, 0600))
            return false;
        p->head(p->ctx, &x->page[i].pending);
    }
    return sink_open(&x->entries, x->dirfd, "entries.jsonl", "entries", 0600);
}

static bool close_pages(struct export *x, bool ok)
{
    for (size_t i = 0; i < n_pages(x); i++) {
        const struct audit_page_maker *p = page_at(x, i);
        if (x->page[i].fd >= 0 && p->foot)
            p->foot(p->ctx, &x->page[i].pending);
        ok = sink_close(&x->page[i], &x->m, NULL) && ok;
    }
    ok = sink_close(&x->left, &x->m, NULL) && ok;
    ok = sink_close(&x->open, &x->m, NULL) && ok;
    return sink_close(&x->entries, &x->m, NULL) && ok;
}

static bool write_entries(struct export *x, const struct store_head *h, struct err *e)
{
    struct err why = {0};
    bool read = true, ok = open_pages(x);
    if (ok)
        read = store_rows(x->log->store, 1, INT64_MAX, false, on_entry, x, &why);
    int saved = errno;
    ok = ok && flush_left(x);
    errno = saved;
    ok = close_pages(x, ok);
    if (!read) {
        if (e)
            *e = why;
        return false;
    }
    return ok ? signed_ok(x, h, e) : io(x, e);
}

/* --- the other files --- */

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, HASH_LEN);
}

static bool write_blob(struct export *x, const struct named_blob *b, struct err *e)
{
    char path[8 + HASH_HEX] = "blobs/";
    uint8_t hash[HASH_LEN];
    struct buf bytes;
    struct sink s;
    hex_encode(path + 6, b->digest, HASH_LEN);
    buf_init(&bytes, BLOB_MAX);
    bool ok = store_get_blob(x->log->store, b->digest, &bytes, e);
    if (ok && (!sink_open(&s, x->dirfd, path, NULL, 0600) ||
               (sink_add(&s, bytes.data, bytes.len), !sink_close(&s, NULL, hash))))
        ok = io(x, e);
    else if (ok && memcmp(hash, b->digest, HASH_LEN) != 0)
        ok = err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log: blob %.64s was changed", path + 6);
    if (ok)
        manifest_add(&x->m, path, (struct slice){b->role, b->n}, bytes.len, hash);
    buf_release(&bytes);
    return ok;
}

/* Those that an entry of the folder names, once each. */
static bool write_blobs(struct export *x, struct err *e)
{
    if (x->n_blob == 0)
        return true;
    qsort(x->blob, x->n_blob, sizeof *x->blob, by_digest);
    if (mkdirat(x->dirfd, "blobs", 0700) != 0 && errno != EEXIST)
        return io(x, e);
    for (size_t i = 0; i < x->n_blob; i++)
        if ((i == 0 || by_digest(&x->blob[i - 1], &x->blob[i]) != 0) && !write_blob(x, &x->blob[i], e))
            return false;
    int fd = openat(x->dirfd, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok ? true : io(x, e);
}

static bool write_keys(struct export *x, struct err *e)
{
    struct buf pem;
    char vkey[VKEY_MAX + 1];
    buf_init(&pem, 4096);
    int n = snprintf(vkey, sizeof vkey, "%s\n", x->log->name.vkey);
    bool ok = key_public_pem(x->log->name.pub, &pem, e);
    if (ok && (!write_file(x, "log.pub", "key", 0600, pem.data, pem.len, NULL) ||
               !write_file(x, "vkey", "key", 0600, vkey, (size_t)n, NULL)))
        ok = io(x, e);
    buf_release(&pem);
    return ok;
}

/* The page that says how to verify, with the figures of this folder in it. */
static bool write_readme(struct export *x, struct err *e)
{
    const char *p = EMBED_BYTES(export_readme), *end = p + EMBED_LEN(export_readme);
    struct manifest_file *csv = NULL;
    char size[24], shown[24], root[HASH_HEX], digest[HASH_HEX];
    struct buf out;
    for (size_t i = 0; i < x->m.n; i++)
        if (slice_is(x->m.file[i].name, CSV.name))
            csv = &x->m.file[i];
    snprintf(size, sizeof size, "%" PRIu64, x->m.size);
    snprintf(shown, sizeof shown, "%" PRIu64, x->m.shown);
    hex_encode(root, x->m.root, HASH_LEN);
    hex_encode(digest, csv->hash, HASH_LEN);
    const char *const values[][2] = {{"@SIZE@", size},
                                     {"@SHOWN@", shown},
                                     {"@ROOT@", root},
                                     {"@CSV@", digest},
                                     {"@ORIGIN@", x->m.origin},
                                     {"@VKEY@", x->log->name.vkey},
                                     {"@KEY@", x->log->name.id_hex}};
    buf_init(&out, (size_t)256 << 10);
    while (p < end) {
        size_t i = 0, n = sizeof values / sizeof *values;
        while (i < n && !slice_starts((struct slice){p, (size_t)(end - p)}, values[i][0]))
            i++;
        if (i < n)
            buf_adds(&out, values[i][1]);
        else
            buf_addc(&out, *p);
        p += i < n ? strlen(values[i][0]) : 1;
    }
    bool ok = !out.over && write_file(x, "README", "readme", 0600, out.data, out.len, NULL);
    buf_release(&out);
    return ok ? true : io(x, e);
}

static bool write_manifest(struct export *x, struct err *e)
{
    struct buf text, words;
    uint8_t sig[KEY_SIG_LEN], hash[HASH_LEN];
    buf_init(&text, MANIFEST_MAX);
    buf_init(&words, 4096);
    if (x->spec->since_size)
        buf_printf(&words, "after entry %" PRId64, x->spec->since_size);
    struct audit_query said = x->spec->q ? *x->spec->q : (struct audit_query){0};
    if (x->spec->redacted & REDACT_PERSON && said.actor)
        said.actor = "(not said)";
    query_words(&said, &words);
    manifest_select(&x->m, x->m.shown == x->m.size ? "everything" : words.data);
    manifest_text(&x->m, &text);
    bool ok = text.over ? err_set(e, ERR_LIMIT, "export less of it", "export: too many files for one manifest")
                        : book_sign(x->log, text.data, text.len, sig, e);
    if (ok) {
        note_sign(&x->log->name, sig, &text);
        ok = write_file(x, MANIFEST_NAME, NULL, 0600, text.data, text.len, hash) ? true : io(x, e);
    }
    if (ok)
        hex_encode(x->out->manifest, hash, HASH_LEN);
    buf_release(&text);
    buf_release(&words);
    return ok;
}

/* All files of the folder, from one picture of the log. May run again from the start. */
static bool write_all(struct audit_log *l, void *ctx, struct err *e)
{
    struct export *x = ctx;
    struct store_head h;
    manifest_release(&x->m);
    manifest_init(&x->m);
    tree_init(&x->tree);
    x->log = l;
    x->bad = 0;
    x->gap.n = x->n_blob = 0;
    x->is_past = false;
    x->left.fd = x->open.fd = x->entries.fd = -1;
    for (size_t i = 0; i < n_pages(x); i++)
        x->page[i].fd = -1;
    if ((unlinkat(x->dirfd, LEFT_OUT_NAME, 0) != 0 && errno != ENOENT) ||
        (unlinkat(x->dirfd, OPENINGS_NAME, 0) != 0 && errno != ENOENT))
        return io(x, e);
    if (!store_head(l->store, &h, e) || !write_entries(x, &h, e) || !write_blobs(x, e) || !write_keys(x, e))
        return false;
    if (!write_file(x, "checkpoint", "checkpoint", 0600, h.note, h.note_n, NULL) ||
        !write_file(x, "verify.sh", "verifier", 0700, EMBED_BYTES(verify_sh), EMBED_LEN(verify_sh), NULL) ||
        !write_file(x, "verify.py", "verifier", 0700, EMBED_BYTES(verify_py), EMBED_LEN(verify_py), NULL) ||
        !write_file(x, "answers.py", "answers", 0700, EMBED_BYTES(answers_py), EMBED_LEN(answers_py), NULL))
        return io(x, e);
    if (!write_readme(x, e) || !write_manifest(x, e))
        return false;
    return fsync(x->dirfd) == 0 ? true : io(x, e);
}

static void tell(const struct export *x, struct audit_exported *out)
{
    out->size = (int64_t)x->m.size;
    out->shown = (int64_t)x->m.shown;
    hex_encode(out->root, x->m.root, HASH_LEN);
    snprintf(out->origin, sizeof out->origin, "%s", x->m.origin);
    snprintf(out->vkey, sizeof out->vkey, "%s", x->log->name.vkey);
    snprintf(out->key_id, sizeof out->key_id, "%s", x->log->name.id_hex);
}

static bool publish(struct export *x, const char *dir, struct err *e)
{
    if (rename(x->dir, dir) != 0) /* replaces an empty folder, never a full one */
        return err_errno(e, errno == ENOTEMPTY || errno == EEXIST ? ERR_CONFLICT : ERR_IO, "name a new folder",
                         "export %.200s: cannot give the folder its name", dir);
    return place_sync_folder(dir, e);
}

static bool export_to(struct audit_log *l, const struct audit_export_spec *spec, const char *dir,
                      struct audit_exported *out, struct err *e)
{
    struct export x = {.spec = spec, .out = out, .dirfd = -1};
    struct buf name;
    buf_init(&name, 8192);
    buf_printf(&name, "%s.partial-XXXXXX", dir);
    x.dir = buf_take(&name);
    buf_release(&name);
    if (!mkdtemp(x.dir)) {
        err_errno(e, ERR_IO, "", "export %.200s: cannot create a folder there", dir);
        free(x.dir);
        return false;
    }
    x.page = xcalloc(n_pages(&x), sizeof *x.page);
    manifest_init(&x.m);
    buf_init(&x.lines, OPENINGS_MAX);
    buf_init(&x.all, ENTRY_MAX + OPENINGS_MAX);
    buf_init(&x.part, ENTRY_MAX + OPENINGS_MAX);
    x.dirfd = open(x.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = x.dirfd >= 0 ? book_read(l, write_all, &x, e) : io(&x, e);
    if (x.dirfd >= 0)
        close(x.dirfd);
    ok = ok && publish(&x, dir, e);
    if (ok)
        tell(&x, out);
    else
        folder_remove(x.dir);
    manifest_release(&x.m);
    buf_release(&x.lines);
    buf_release(&x.all);
    buf_release(&x.part);
    free(x.blob);
    free(x.page);
    free(x.dir);
    return ok;
}

bool audit_export(struct audit_log *l, const struct audit_export_spec *spec, const char *dir,
                  struct audit_exported *out, struct err *e)
{
    struct audit_exported unused;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    char *plain = xstrndup(dir, n);
    bool ok = folder_free(plain, e) && export_to(l, spec, plain, out ? out : &unused, e);
    free(plain);
    return ok;
}
