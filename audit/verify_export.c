/* Verification of an exported folder, from its files alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/check.h"
#include "audit/store.h"
#include "core/text.h"

#define CHUNK    ((size_t)1 << 20)
#define SUMS_MAX ((size_t)256 << 20)

struct folder {
    int fd;
    const char *name;
    bool whole; /* has SHA256SUMS: an export, not only entries and checkpoint */
    bool have_blobs;
    struct check c;
    unsigned char entries_sum[HASH_LEN]; /* digest of entries.jsonl */
};

/* The bytes of a small file; false with errno when it cannot be read (EFBIG: over the limit). */
static bool slurp(int dirfd, const char *name, struct buf *out)
{
    char chunk[65536];
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
            errno = EFBIG;
            n = -1;
            break;
        }
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return n == 0;
}

static bool unreadable(const struct folder *f, const char *name, struct err *e)
{
    return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "export %.150s: cannot read %.100s", f->name,
                     name);
}

/* Feeds whole lines to the check; returns the bytes that are left (an unfinished line). */
static size_t feed(struct check *c, const char *p, size_t n)
{
    const char *end = p + n;
    for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
        check_leaf(c, (int64_t)c->tree.size + 1, p, (size_t)(nl - p), NULL);
    return (size_t)(end - p);
}

static bool read_entries(struct folder *f, struct err *e)
{
    int fd = openat(f->fd, "entries.jsonl", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return unreadable(f, "entries.jsonl", e);
    struct sha256 sum;
    sha256_init(&sum);
    char *chunk = xmalloc(CHUNK);
    size_t left = 0;
    ssize_t n;
    while ((n = read(fd, chunk + left, CHUNK - left)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        if (f->whole)
            sha256_add(&sum, chunk + left, (size_t)n);
        size_t have = left + (size_t)n;
        left = feed(&f->c, chunk, have);
        memmove(chunk, chunk + have - left, left);
        if (left > ENTRY_MAX) {
            check_bad(&f->c, (int64_t)f->c.tree.size + 1, "entry %lld is longer than an entry can be",
                      (long long)f->c.tree.size + 1);
            left = 0; /* the rest of it is no line either; go on, for the counts */
        }
    }
    bool ok = n == 0 ? true : unreadable(f, "entries.jsonl", e);
    if (left > 0)
        check_bad(&f->c, (int64_t)f->c.tree.size + 1, "entries.jsonl is cut off in entry %lld",
                  (long long)f->c.tree.size + 1);
    sha256_done(&sum, f->entries_sum);
    free(chunk);
    close(fd);
    return ok;
}

/* A file that must hold exactly this, where it is there at all. */
static bool expect_file(struct folder *f, const char *name, const char *want, struct err *e)
{
    struct buf have;
    buf_init(&have, 65536);
    bool ok = slurp(f->fd, name, &have), told = true;
    if (ok && !slice_is((struct slice){have.data, have.len}, want))
        check_bad(&f->c, 0, "%s is not the key that the first entry names", name);
    else if (!ok && errno == EFBIG)
        check_bad(&f->c, 0, "%s is too large", name);
    else if (!ok && errno != ENOENT)
        told = unreadable(f, name, e);
    buf_release(&have);
    return told;
}

static bool check_keys(struct folder *f, struct err *e)
{
    if (!f->c.have_born)
        return true;
    char vkey[VKEY_MAX + 1];
    struct buf pem;
    buf_init(&pem, 4096);
    snprintf(vkey, sizeof vkey, "%s\n", f->c.born.vkey);
    bool ok = key_public_pem(f->c.born.pub, &pem, e) && expect_file(f, "vkey", vkey, e) &&
              expect_file(f, "log.pub", pem.data, e);
    buf_release(&pem);
    return ok;
}

static bool read_blobs(struct folder *f, struct err *e)
{
    int fd = openat(f->fd, "blobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d)
        return errno == ENOENT ? true : unreadable(f, "blobs", e);
    f->have_blobs = true;
    bool ok = true;
    for (struct dirent *it; ok && (it = readdir(d)) != NULL;) {
        uint8_t name[HASH_LEN];
        struct buf bytes;
        if (!tree_hash_parse(it->d_name, slice_of(it->d_name).n, name))
            continue;
        buf_init(&bytes, BLOB_MAX);
        if (slurp(dirfd(d), it->d_name, &bytes))
            check_blob(&f->c, name, HASH_LEN, bytes.data, bytes.len);
        else if (errno != EFBIG && errno != ENOENT)
            ok = unreadable(f, it->d_name, e);
        buf_release(&bytes);
    }
    closedir(d);
    return ok;
}

static bool name_ok(struct slice name)
{
    static const char *const top[] = {"report.csv", "checkpoint", "log.pub", "vkey", "verify.sh", "README"};
    uint8_t digest[HASH_LEN];
    for (size_t i = 0; i < sizeof top / sizeof *top; i++) {
        if (slice_is(name, top[i]))
            return true;
    }
    return slice_starts(name, "blobs/") && tree_hash_parse(name.p + 6, name.n - 6, digest);
}

/* One file of SHA256SUMS, streamed. */
static bool sum_ok(struct folder *f, struct slice named, const uint8_t want[HASH_LEN], bool *same, struct err *e)
{
    char chunk[65536], name[sizeof "blobs/" + HASH_HEX];
    uint8_t now[HASH_LEN];
    struct sha256 h;
    if (slice_is(named, "entries.jsonl")) {
        *same = memcmp(f->entries_sum, want, HASH_LEN) == 0;
        return true;
    }
    *same = false;
    if (!name_ok(named))
        return true; /* never follow a name out of the folder */
    snprintf(name, sizeof name, "%.*s", (int)named.n, named.p);
    int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? true : unreadable(f, name, e);
    ssize_t n;
    sha256_init(&h);
    while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0)
            sha256_add(&h, chunk, (size_t)n);
    }
    sha256_done(&h, now);
    bool ok = n == 0 ? true : unreadable(f, name, e);
    close(fd);
    *same = memcmp(now, want, HASH_LEN) == 0;
    return ok;
}

static bool check_sums(struct folder *f, const struct buf *sums, struct err *e)
{
    bool listed = false;
    const char *end = sums->data + sums->len;
    if (sums->len == 0 || end[-1] != '\n') {
        check_bad(&f->c, 0, "SHA256SUMS is not well formed");
        return true;
    }
    for (const char *line = sums->data, *nl; (nl = memchr(line, '\n', (size_t)(end - line))) != NULL; line = nl + 1) {
        uint8_t want[HASH_LEN];
        bool same = false;
        size_t n = (size_t)(nl - line);
        if (n < 67 || memcmp(line + 64, "  ", 2) != 0 || !tree_hash_parse(line, 64, want)) {
            check_bad(&f->c, 0, "SHA256SUMS is not well formed");
            return true;
        }
        struct slice name = {line + 66, n - 66};
        listed = listed || slice_is(name, "entries.jsonl");
        if (!sum_ok(f, name, want, &same, e))
            return false;
        if (!same) {
            char shown[120];
            safe_text_into(shown, sizeof shown, name.p, name.n);
            check_bad(&f->c, 0, "%.90s is not the file that SHA256SUMS names", shown);
        }
    }
    if (!listed)
        check_bad(&f->c, 0, "SHA256SUMS does not name entries.jsonl");
    return true;
}

/* Everything but the opening of the folder. */
static bool verify_folder(struct folder *f, const struct buf *note, const struct buf *sums,
                          const struct note_key *pinned, struct audit_report *out, struct err *e)
{
    check_init(&f->c, out, note->data, note->len);
    bool told = read_entries(f, e);
    if (told)
        check_note(&f->c, note->data, note->len, pinned, NULL);
    told = told && check_keys(f, e) && read_blobs(f, e);
    bool blobs = f->whole || f->have_blobs;
    if (told && blobs)
        check_refs(&f->c);
    if (told && f->whole)
        told = check_sums(f, sums, e);
    if (told)
        check_finish(&f->c, f->c.n_ref && !blobs ? "; the blobs that entries name are not checked"
                            : pinned             ? ""
                                                 : "; key not pinned");
    check_release(&f->c);
    return told;
}

bool audit_verify_export(const char *dir, const char *pinned_vkey, struct audit_report *out, struct err *e)
{
    struct note_key pinned;
    struct folder f = {.name = dir};
    struct buf note, sums;
    if (pinned_vkey && !note_key_parse(&pinned, pinned_vkey, e))
        return false;
    f.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f.fd < 0)
        return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "export %.200s: cannot open the folder", dir);
    buf_init(&note, NOTE_MAX);
    buf_init(&sums, SUMS_MAX);
    bool told = true;
    if (!slurp(f.fd, "checkpoint", &note) && errno != EFBIG) /* too large: then it is not well formed */
        told = unreadable(&f, "checkpoint", e);
    f.whole = told && slurp(f.fd, "SHA256SUMS", &sums);
    if (told && !f.whole && errno != ENOENT)
        told = unreadable(&f, "SHA256SUMS", e);
    if (told)
        told = verify_folder(&f, &note, &sums, pinned_vkey ? &pinned : NULL, out, e);
    buf_release(&note);
    buf_release(&sums);
    close(f.fd);
    return told;
}
