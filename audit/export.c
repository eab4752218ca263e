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
#include "audit/place.h"
#include "audit/query.h"
#include "core/embed.h"

EMBED(verify_sh, "docs/audit-tools/verify.sh");
EMBED(export_readme, "docs/audit-tools/README");

#define CHUNK ((size_t)256 << 10)

/* A file being written: gathered into large writes, hashed on the way. */
struct sink {
    int fd;
    struct buf pending;
    struct sha256 hash;
    bool failed;
    char name[96];
};

struct export
{
    struct audit_log *log;
    const struct audit_query *q;
    char *dir; /* temporary name */
    int dirfd;
    struct sink entries, csv;
    struct buf sums;
    int64_t bad_line; /* an entry with a line break in it: it cannot be a line */
    bool failed;
};

static void sink_flush(struct sink *s)
{
    sha256_add(&s->hash, s->pending.data, s->pending.len);
    s->failed = s->failed || s->pending.over || !place_write(s->fd, s->pending.data, s->pending.len);
    buf_clear(&s->pending);
}

static void sink_add(struct sink *s, const void *p, size_t n)
{
    if (s->pending.len + n > CHUNK)
        sink_flush(s);
    if (n <= CHUNK) {
        buf_add(&s->pending, p, n);
        return;
    }
    sha256_add(&s->hash, p, n);
    s->failed = s->failed || !place_write(s->fd, p, n);
}

static bool sink_open(struct sink *s, int dirfd, const char *name, mode_t mode)
{
    s->failed = false;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (s->fd < 0)
        return false;
    buf_init(&s->pending, CHUNK + ENTRY_MAX * 8);
    sha256_init(&s->hash);
    return true;
}

/* Writes what is left, makes it durable, and notes its hash. */
static bool sink_close(struct sink *s, struct buf *sums)
{
    char hex[HASH_HEX];
    sink_flush(s);
    bool ok = !s->failed && fsync(s->fd) == 0;
    int saved = errno;
    close(s->fd);
    sha256_done_hex(&s->hash, hex);
    buf_release(&s->pending);
    if (ok && sums)
        buf_printf(sums, "%s  %s\n", hex, s->name);
    errno = saved;
    return ok;
}

static bool write_file(struct export *x, const char *name, mode_t mode, const void *p, size_t n, struct buf *sums)
{
    struct sink s;
    if (!sink_open(&s, x->dirfd, name, mode))
        return false;
    sink_add(&s, p, n);
    return sink_close(&s, sums);
}

static bool on_entry(void *ctx, const struct store_row *row)
{
    struct export *x = ctx;
    struct leaf l;
    if (memchr(row->leaf, '\n', row->leaf_n)) {
        x->bad_line = row->seq;
        return false;
    }
    sink_add(&x->entries, row->leaf, row->leaf_n);
    sink_add(&x->entries, "\n", 1);
    int64_t from, to;
    query_range(x->q, &from, &to);
    if (row->seq >= from && row->seq <= to && leaf_scan(row->leaf, row->leaf_n, &l) && query_takes(x->q, &l) &&
        row->hash_n == HASH_LEN) {
        csv_row(&x->csv.pending, &l, row->hash);
        if (x->csv.pending.len > CHUNK)
            sink_flush(&x->csv);
    }
    return !x->entries.failed && !x->csv.failed;
}

static bool on_blob(void *ctx, const uint8_t *name, size_t name_n, const void *bytes, size_t n)
{
    struct export *x = ctx;
    char path[8 + HASH_HEX] = "blobs/";
    if (name_n != HASH_LEN)
        return true; /* no name to give it; whoever names it will be told that it is missing */
    hex_encode(path + 6, name, HASH_LEN);
    x->failed = x->failed || !write_file(x, path, 0600, bytes, n, &x->sums);
    return !x->failed;
}

static bool io(struct export *x, struct err *e)
{
    return err_errno(e, ERR_IO, "free space, or export elsewhere", "export %.200s: cannot write it", x->dir);
}

static bool write_entries(struct export *x, struct err *e)
{
    if (!sink_open(&x->entries, x->dirfd, "entries.jsonl", 0600))
        return io(x, e);
    if (!sink_open(&x->csv, x->dirfd, "report.csv", 0600)) {
        sink_close(&x->entries, NULL);
        return io(x, e);
    }
    csv_head(&x->csv.pending);
    bool ok = store_rows(x->log->store, 1, INT64_MAX, false, on_entry, x, e);
    bool a = sink_close(&x->entries, &x->sums), b = sink_close(&x->csv, &x->sums);
    if (ok && x->bad_line)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`; keep a copy of the log itself",
                       "audit log: entry %" PRId64 " cannot be exported", x->bad_line);
    return ok && a && b ? true : (ok ? io(x, e) : false);
}

static bool write_keys(struct export *x, struct err *e)
{
    struct buf pem;
    char vkey[VKEY_MAX + 1];
    buf_init(&pem, 4096);
    int n = snprintf(vkey, sizeof vkey, "%s\n", x->log->name.vkey);
    bool ok = key_public_pem(x->log->name.pub, &pem, e);
    if (ok && (!write_file(x, "log.pub", 0600, pem.data, pem.len, &x->sums) ||
               !write_file(x, "vkey", 0600, vkey, (size_t)n, &x->sums)))
        ok = io(x, e);
    buf_release(&pem);
    return ok;
}

/* All files of the folder, from one picture of the log. May run again from the start. */
static bool write_all(struct audit_log *l, void *ctx, struct err *e)
{
    struct export *x = ctx;
    struct store_head h;
    x->log = l;
    x->bad_line = 0;
    x->failed = false;
    buf_clear(&x->sums);
    if (!store_head(l->store, &h, e) || !write_entries(x, e) || !write_keys(x, e))
        return false;
    if (!write_file(x, "checkpoint", 0600, h.note, h.note_n, &x->sums) ||
        !write_file(x, "verify.sh", 0700, EMBED_BYTES(verify_sh), EMBED_LEN(verify_sh), &x->sums) ||
        !write_file(x, "README", 0600, EMBED_BYTES(export_readme), EMBED_LEN(export_readme), &x->sums))
        return io(x, e);
    if (mkdirat(x->dirfd, "blobs", 0700) != 0 && errno != EEXIST)
        return io(x, e);
    if (!store_blobs(l->store, on_blob, x, e))
        return false;
    if (x->failed || x->sums.over || !write_file(x, "SHA256SUMS", 0600, x->sums.data, x->sums.len, NULL) ||
        fsync(x->dirfd) != 0)
        return io(x, e);
    return true;
}

/* Takes away what was begun: the files, the blobs, the folder. */
static void remove_all(const char *dir)
{
    for (int round = 0; round < 2; round++) {
        struct buf path;
        buf_init(&path, 8192);
        buf_printf(&path, "%s%s", dir, round == 0 ? "/blobs" : "");
        DIR *d = opendir(path.data);
        for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
            if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
                unlinkat(dirfd(d), f->d_name, 0);
        }
        if (d)
            closedir(d);
        rmdir(path.data);
        buf_release(&path);
    }
}

static bool is_free(const char *dir, struct err *e)
{
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT)
        return true;
    if (!d)
        return err_errno(e, ERR_CONFLICT, "name a new folder", "export %.200s: it is there and is no empty folder",
                         dir);
    bool empty = true;
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        empty = empty && (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0);
    closedir(d);
    return empty ? true : err_set(e, ERR_CONFLICT, "name a new folder", "export %.200s: the folder is not empty", dir);
}

static bool publish(struct export *x, const char *dir, struct err *e)
{
    struct buf blobs;
    buf_init(&blobs, 8192);
    buf_printf(&blobs, "%s/blobs/", x->dir);
    bool ok = place_sync_folder(blobs.data, e);
    buf_release(&blobs);
    if (!ok)
        return false;
    if (rename(x->dir, dir) != 0) /* replaces an empty folder, never a full one */
        return err_errno(e, errno == ENOTEMPTY || errno == EEXIST ? ERR_CONFLICT : ERR_IO, "name a new folder",
                         "export %.200s: cannot give the folder its name", dir);
    return place_sync_folder(dir, e);
}

static bool export_to(struct audit_log *l, const struct audit_query *q, const char *dir, struct err *e)
{
    struct export x = {.q = q, .dirfd = -1};
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
    buf_init(&x.sums, (size_t)256 << 20);
    x.dirfd = open(x.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = x.dirfd >= 0 ? book_read(l, write_all, &x, e) : io(&x, e);
    if (x.dirfd >= 0)
        close(x.dirfd);
    ok = ok && publish(&x, dir, e);
    if (!ok)
        remove_all(x.dir);
    buf_release(&x.sums);
    free(x.dir);
    return ok;
}

bool audit_export(struct audit_log *l, const struct audit_query *q, const char *dir, struct err *e)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    char *plain = xstrndup(dir, n);
    bool ok = is_free(plain, e) && export_to(l, q, plain, e);
    free(plain);
    return ok;
}
