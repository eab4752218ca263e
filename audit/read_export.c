/* Reading single entries and blobs out of an exported folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/folder.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/store.h"
#include "audit/tree.h"
#include "core/digest.h"

/* A regular file of the folder. */
static int open_in(const char *dir, const char *name, struct err *e)
{
    int at = folder_open(dir, e), fd = at >= 0 ? folder_file(at, name, e) : -1;
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
    int fd = open_in(dir, "entries.jsonl", e);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    /* A slice leaves numbers out, so each line's own word is asked; in order, since a folder that verifies is. */
    buf_init(&line, ENTRY_MAX);
    for (int64_t at = 0; at < seq && next_line(f, &line);) {
        struct leaf l;
        if (!leaf_scan(line.data, line.len, &l) || l.seq <= at)
            break;
        at = l.seq;
        if (at != seq)
            continue;
        tree_leaf_hash(line.data, line.len, hash);
        found = leaf_decode(line.data, line.len, hash, a, out);
    }
    buf_release(&line);
    fclose(f);
    return found ? true : err_set(e, ERR_NOT_FOUND, "", "export %.200s: there is no entry %lld", dir, (long long)seq);
}

bool audit_export_blob(const char *dir, const char *digest, struct buf *out, struct err *e)
{
    uint8_t want[HASH_LEN];
    unsigned char have[SHA256_BYTES];
    char name[sizeof "blobs/" + SHA256_HEX];
    size_t start = out->len;
    if (!tree_hash_parse(digest, slice_of(digest).n, want))
        return err_set(e, ERR_SYNTAX, "", "export: not the name of a blob (64 hexadecimal digits)");
    snprintf(name, sizeof name, "blobs/%s", digest);
    int at = folder_open(dir, e);
    bool ok = at >= 0 && folder_read(at, name, out, e);
    if (at >= 0)
        close(at);
    if (!ok)
        return false;
    sha256_bytes(out->data + start, out->len - start, have);
    return memcmp(have, want, HASH_LEN) == 0 ||
           err_set(e, ERR_TAMPERED, "", "export %.150s: blob %.64s is not what its name says", dir, digest);
}
