/* Reading single entries and blobs out of an exported folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/store.h"
#include "audit/tree.h"
#include "core/digest.h"

/* A regular file of the folder, never through a link. */
static int open_in(const char *dir, const char *sub, const char *name, struct err *e)
{
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int folder = at >= 0 && *sub ? openat(at, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : at;
    int fd = folder >= 0 ? openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0)
        err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "export %.150s: cannot read %.100s", dir, name);
    if (folder >= 0 && folder != at)
        close(folder);
    if (at >= 0)
        close(at);
    return fd;
}

/* The next line without its newline, in a buffer that holds the longest that an entry can be; false at the end, and
 * when the line is longer: then what follows is no log's either. */
static bool next_line(FILE *f, struct buf *out)
{
    int c;
    buf_clear(out);
    while ((c = getc_unlocked(f)) != EOF && c != '\n')
        if (!buf_addc(out, (char)c))
            return false;
    return c == '\n' || out->len > 0;
}

bool audit_export_entry(const char *dir, int64_t seq, struct arena *a, struct stored *out, struct err *e)
{
    uint8_t hash[HASH_LEN];
    struct buf line;
    bool found = false;
    int fd = open_in(dir, "", "entries.jsonl", e);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    /* A line's number is its seq in a log that verifies; its own word is asked all the same. */
    buf_init(&line, ENTRY_MAX);
    for (int64_t k = 1; k <= seq && next_line(f, &line); k++) {
        struct leaf l;
        if (k < seq)
            continue;
        tree_leaf_hash(line.data, line.len, hash);
        found = leaf_scan(line.data, line.len, &l) && l.seq == seq && leaf_decode(line.data, line.len, hash, a, out);
    }
    buf_release(&line);
    fclose(f);
    return found ? true : err_set(e, ERR_NOT_FOUND, "", "export %.200s: there is no entry %lld", dir, (long long)seq);
}

static bool read_all(int fd, struct buf *out)
{
    char chunk[65536];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
            errno = EFBIG;
            return false;
        }
    return n == 0;
}

bool audit_export_blob(const char *dir, const char *digest, struct buf *out, struct err *e)
{
    uint8_t want[HASH_LEN];
    unsigned char have[SHA256_BYTES];
    size_t start = out->len;
    if (!tree_hash_parse(digest, slice_of(digest).n, want))
        return err_set(e, ERR_SYNTAX, "", "export: not the name of a blob (64 hexadecimal digits)");
    int fd = open_in(dir, "blobs", digest, e);
    if (fd < 0)
        return false;
    bool ok = read_all(fd, out) ? true : err_errno(e, ERR_IO, "", "export %.150s: cannot read blob %.64s", dir, digest);
    close(fd);
    if (!ok)
        return false;
    sha256_bytes(out->data + start, out->len - start, have);
    return memcmp(have, want, HASH_LEN) == 0 ||
           err_set(e, ERR_TAMPERED, "", "export %.150s: blob %.64s is not what its name says", dir, digest);
}
