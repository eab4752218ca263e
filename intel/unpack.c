#include "intel/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <archive.h>
#include <archive_entry.h>
#include "core/text.h"

#define PIECE     ((size_t)64 << 10)
#define NAME_MAX_ 512
#define FREE_MIB  ((int64_t)1 << 20)

const struct unpack_limits unpack_default = {.bytes = (int64_t)64 << 30, .ratio = 200, .entries = 4000000};

struct unpacking {
    const char *name;
    const struct unpack_limits *l;
    const struct unpack_sink *sink;
    int fd;
    int64_t packed, unpacked, entries; /* so far */
    struct err *e;
};

/* What libarchive reads from: the file, or an entry of the archive around this one. */
struct feed {
    struct unpacking *u;
    struct archive *outer; /* NULL: the file */
    bool empty;            /* nothing has come */
    char piece[PIECE];
};

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **out)
{
    struct feed *f = ctx;
    ssize_t n;
    *out = f->piece;
    do
        n = f->outer ? archive_read_data(f->outer, f->piece, sizeof f->piece)
                     : read(f->u->fd, f->piece, sizeof f->piece);
    while (n < 0 && !f->outer && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "%s", f->outer ? archive_error_string(f->outer) : strerror(errno));
    if (n > 0 && !f->outer)
        f->u->packed += n;
    return n;
}

static bool broken(struct unpacking *u, struct archive *a)
{
    char why[160];
    const char *text = archive_error_string(a);
    safe_text_into(why, sizeof why, text ? text : "no reason given", strlen(text ? text : "no reason given"));
    err_set(u->e, ERR_SYNTAX, "Mirror it again.", "%s: damaged or cut short", u->name);
    err_cause(u->e, "%s", why);
    return false;
}

/* Does the name stay within the archive? */
static bool stays(const char *name)
{
    if (name[0] == '/' || name[0] == '\\' || (name[0] && name[1] == ':'))
        return false;
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/\\");
        if (n == 2 && memcmp(p, "..", 2) == 0)
            return false;
        p += n + (p[n] ? 1 : 0);
    }
    return true;
}

static bool within(struct unpacking *u)
{
    if (u->unpacked > u->l->bytes)
        return err_set(u->e, ERR_LIMIT, "", "%s: unpacks to more than the %lld bytes allowed", u->name,
                       (long long)u->l->bytes);
    if (u->unpacked > FREE_MIB && u->unpacked / u->l->ratio > u->packed)
        return err_set(u->e, ERR_LIMIT, "Look at where it comes from: this is how a zip bomb looks.",
                       "%s: unpacks to more than %lld times its size", u->name, (long long)u->l->ratio);
    return true;
}

static bool entry_bytes(struct unpacking *u, struct archive *a)
{
    for (;;) {
        const void *p;
        size_t n;
        la_int64_t at;
        int rc = archive_read_data_block(a, &p, &n, &at);
        if (rc == ARCHIVE_EOF)
            return u->sink->end(u->sink->ctx, u->e);
        if (rc != ARCHIVE_OK)
            return broken(u, a);
        u->unpacked += (int64_t)n;
        if (!within(u) || (n && !u->sink->bytes(u->sink->ctx, p, n, u->e)))
            return false;
    }
}

/* libarchive calls what is no archive "data". */
static bool is_raw(struct archive *a)
{
    return archive_format(a) == ARCHIVE_FORMAT_RAW;
}

/* The file's own name without what only says how it is packed. */
static void plain_name(const char *name, char *out, size_t size)
{
    static const char *const tails[] = {".gz", ".zst"};
    snprintf(out, size, "%s", name);
    size_t n = strlen(out);
    for (size_t i = 0; i < 2; i++) {
        size_t t = strlen(tails[i]);
        if (n > t && strcmp(out + n - t, tails[i]) == 0) {
            out[n - t] = '\0';
            return;
        }
    }
}

static bool read_archive(struct unpacking *u, struct archive *outer, const char *as);

static bool one_entry(struct unpacking *u, struct archive *a, struct archive_entry *en, struct archive *outer,
                      const char *as)
{
    char name[NAME_MAX_];
    const char *raw = archive_entry_pathname(en);
    size_t n = raw ? strlen(raw) : 0;
    if (is_raw(a))
        plain_name(as, name, sizeof name);
    else
        safe_text_into(name, sizeof name, raw ? raw : "", n);
    if (++u->entries > u->l->entries)
        return err_set(u->e, ERR_LIMIT, "", "%s: more than the %lld entries allowed", u->name,
                       (long long)u->l->entries);
    if (!is_raw(a) && (!raw || !stays(raw)))
        return err_set(u->e, ERR_REFUSED, "Look at where it comes from: no honest archive has such a name.",
                       "%s: its entry %.200s points out of it", u->name, name);
    if (!is_raw(a) && n && raw[n - 1] == '/')
        return true;
    if (!is_raw(a) && n > 4 && strcmp(raw + n - 4, ".zip") == 0 && !outer)
        return read_archive(u, a, name);
    if (u->sink->begin(u->sink->ctx, name, u->e))
        return entry_bytes(u, a);
    return u->e->code == ERR_NONE;
}

static bool read_archive(struct unpacking *u, struct archive *outer, const char *as)
{
    struct archive *a = archive_read_new();
    struct feed *f = xcalloc(1, sizeof *f);
    struct archive_entry *en;
    f->u = u;
    f->outer = outer;
    /* The streaming reader only: the other one holds the whole directory. */
    archive_read_support_format_zip_streamable(a);
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    int rc = archive_read_open2(a, f, NULL, feed_read, NULL, NULL);
    bool ok = rc == ARCHIVE_OK || broken(u, a);
    while (ok && (rc = archive_read_next_header(a, &en)) == ARCHIVE_OK)
        ok = one_entry(u, a, en, outer, as);
    if (ok && rc != ARCHIVE_EOF)
        ok = broken(u, a);
    archive_read_free(a);
    free(f);
    return ok;
}

bool unpack(int fd, const char *name, const struct unpack_limits *l, const struct unpack_sink *sink, struct err *e)
{
    struct err own = {0};
    struct unpacking u = {.name = name, .l = l, .sink = sink, .fd = fd, .e = e ? e : &own};
    err_clear(u.e);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(e, ERR_IO, "", "%s: cannot be read", name);
    const char *base = strrchr(name, '/');
    return read_archive(&u, NULL, base ? base + 1 : name);
}

bool unpack_digest(int fd, const char *name, char out[SHA256_HEX], int64_t *bytes, struct err *e)
{
    char piece[PIECE];
    struct sha256 h;
    ssize_t n;
    *bytes = 0;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(e, ERR_IO, "", "%s: cannot be read", name);
    sha256_init(&h);
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) {
            sha256_add(&h, piece, (size_t)n);
            *bytes += n;
        }
    int cause = errno;
    sha256_done_hex(&h, out);
    errno = cause;
    return n == 0 || err_errno(e, ERR_IO, "", "%s: reading it failed", name);
}
