#include "audit/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/digests.h"
#include "audit/leaf.h"
#include "audit/note.h"
#include "audit/place.h"
#include "audit/witness_files.h"

#define SEQ_MAX (INT64_MAX / 2) /* of an entry: sums of two fit */

struct mirror {
    char entries[PATH_MAX], mirrored[PATH_MAX], blobs[PATH_MAX];
    int fd;
    struct tree tree;
    int64_t base; /* number of the entry before the first: of a log that goes on from another file */
    int64_t *end; /* of each line in the file */
    size_t n, cap;
    struct digests names; /* of blobs, and whether each is here */
    bool *kept;
    size_t cap_kept;
};

static bool blob_path(const struct mirror *m, const uint8_t digest[HASH_LEN], char out[PATH_MAX])
{
    char hex[HASH_HEX];
    hex_encode(hex, digest, HASH_LEN);
    int n = snprintf(out, PATH_MAX, "%s/%s", m->blobs, hex);
    return n > 0 && n < PATH_MAX;
}

static void names_of(struct mirror *m, const struct leaf *l)
{
    struct member f;
    uint8_t digest[HASH_LEN];
    char path[PATH_MAX];
    for (size_t at = 0; l->fields.p && leaf_member(l->fields, &at, &f);) {
        size_t before = m->names.n;
        if (!leaf_names_blob(&f) || !tree_hash_parse(f.value.p, f.value.n, digest))
            continue;
        size_t i = digests_add(&m->names, digest);
        if (m->names.n == before)
            continue;
        if (i >= m->cap_kept) {
            m->cap_kept = m->cap_kept ? m->cap_kept * 2 : 64;
            m->kept = xreallocarray(m->kept, m->cap_kept, sizeof *m->kept);
        }
        m->kept[i] = blob_path(m, digest, path) && access(path, F_OK) == 0;
    }
}

static void keep_end(struct mirror *m, int64_t end)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->end = xreallocarray(m->end, m->cap, sizeof *m->end);
    }
    m->end[m->n++] = end;
}

static int64_t end_of(const struct mirror *m, uint64_t n)
{
    return n == 0 ? 0 : m->end[n - 1];
}

/* A line of the file. */
static bool take_line(struct mirror *m, struct slice line, int64_t end)
{
    struct leaf l;
    uint8_t hash[HASH_LEN];
    if (line.n > ENTRY_MAX || !leaf_scan(line.p, line.n, &l) || l.seq > SEQ_MAX ||
        (m->n > 0 && l.seq != m->base + (int64_t)m->n + 1))
        return false;
    if (m->n == 0)
        m->base = l.seq - 1;
    tree_leaf_hash(line.p, line.n, hash);
    tree_push(&m->tree, hash);
    names_of(m, &l);
    keep_end(m, end);
    return true;
}

/* Fewer entries than a signed head was kept for: that is no end that was not written. */
static bool lost(const struct mirror *m)
{
    struct checkpoint c;
    struct buf note;
    buf_init(&note, 2 * (size_t)NOTE_MAX);
    bool some = mirror_note(m, &note) && note_peek(note.data, note.len, &c) && c.size > m->n;
    buf_release(&note);
    return some;
}

static bool read_file(struct mirror *m, struct err *e)
{
    FILE *f = fdopen(dup(m->fd), "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int64_t at = 0;
    if (!f)
        return err_errno(e, ERR_IO, "", "%.200s: cannot read it", m->entries);
    while ((n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n' &&
           take_line(m, (struct slice){line, (size_t)n - 1}, at + n))
        at += n;
    free(line);
    bool ok = !ferror(f);
    fclose(f);
    if (ok && lost(m))
        return err_set(
            e, ERR_TAMPERED, "keep it, and put a whole copy in its place; or give the witness another folder",
            "%.200s: entry %zu of the log that is mirrored there was changed or is missing", m->entries, m->n + 1);
    /* Behind it stands what was not written to its end: it was never answered for. */
    return (ok && ftruncate(m->fd, at) == 0 && lseek(m->fd, at, SEEK_SET) == at) ||
           err_errno(e, ERR_IO, "", "%.200s: cannot read it", m->entries);
}

struct mirror *mirror_open(const char *folder, const char *hash, struct err *e)
{
    struct mirror *m = xcalloc(1, sizeof *m);
    m->fd = -1;
    tree_init(&m->tree);
    bool ok = witness_file(folder, hash, ".entries", m->entries, e) &&
              witness_file(folder, hash, ".mirrored", m->mirrored, e) &&
              witness_file(folder, hash, ".blobs", m->blobs, e) && place_prepare(m->entries, e);
    if (ok && mkdir(m->blobs, 0700) != 0 && errno != EEXIST)
        ok = err_errno(e, ERR_IO, "", "folder %.200s: cannot create it", m->blobs);
    if (ok)
        m->fd = open(m->entries, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ok && m->fd < 0)
        ok = err_errno(e, ERR_IO, "", "%.200s: cannot open it", m->entries);
    if (ok && read_file(m, e))
        return m;
    mirror_close(m);
    return NULL;
}

void mirror_close(struct mirror *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->end);
    digests_release(&m->names);
    free(m->kept);
    free(m);
}

uint64_t mirror_size(const struct mirror *m)
{
    return m->n;
}

struct batch {
    uint64_t from;
    uint8_t proof[TREE_PROOF_MAX][HASH_LEN];
    size_t n_proof;
    struct slice lines;
};

static bool read_batch(struct slice s, struct batch *b)
{
    struct slice line;
    int64_t from;
    if (!note_next_line(&s, &line) || !slice_starts(line, "from ") ||
        !slice_int((struct slice){line.p + 5, line.n - 5}, &from) || from < 0)
        return false;
    b->from = (uint64_t)from;
    for (b->n_proof = 0; note_next_line(&s, &line); b->n_proof++) {
        uint8_t raw[48];
        size_t got;
        if (line.n == 0) {
            b->lines = s;
            return s.n > 0 && s.p[s.n - 1] == '\n' && !memchr(s.p, '\0', s.n);
        }
        if (b->n_proof == TREE_PROOF_MAX || line.n != 44 || !base64_decode(line.p, line.n, raw, &got) ||
            got != HASH_LEN)
            return false;
        memcpy(b->proof[b->n_proof], raw, HASH_LEN);
    }
    return false;
}

/* Are these, behind what is here, the log's entries? */
static bool is_of_log(const struct mirror *m, const struct batch *b, uint64_t size, const uint8_t root[HASH_LEN])
{
    struct tree t = m->tree;
    struct slice s = b->lines, line;
    struct leaf l;
    int64_t base = m->base;
    uint8_t hash[HASH_LEN], now[HASH_LEN];
    while (note_next_line(&s, &line)) {
        if (line.n > ENTRY_MAX || !leaf_scan(line.p, line.n, &l) || l.seq > SEQ_MAX ||
            (t.size > 0 && l.seq != base + (int64_t)t.size + 1))
            return false;
        if (t.size == 0)
            base = l.seq - 1;
        tree_leaf_hash(line.p, line.n, hash);
        tree_push(&t, hash);
    }
    tree_root(&t, now);
    return t.size <= size && tree_grew(t.size, now, size, root, (const uint8_t(*)[HASH_LEN])b->proof, b->n_proof);
}

int mirror_add(struct mirror *m, struct slice request, uint64_t size, const uint8_t root[HASH_LEN], struct slice note,
               struct buf *out)
{
    struct batch b = {0};
    struct slice line;
    int64_t at = end_of(m, m->n);
    if (!read_batch(request, &b))
        return 400;
    if (b.from != m->n) {
        buf_printf(out, "%zu\n", m->n);
        return 409;
    }
    if (!is_of_log(m, &b, size, root))
        return 422;
    if (at + (int64_t)b.lines.n > MIRROR_BYTES)
        return 507;
    if (!place_write(m->fd, b.lines.p, b.lines.n) || fdatasync(m->fd) != 0) {
        if (ftruncate(m->fd, at) != 0 || lseek(m->fd, at, SEEK_SET) != at) /* what is read next cuts it off */
            return 500;
        return 500;
    }
    while (note_next_line(&b.lines, &line)) {
        at += (int64_t)line.n + 1;
        (void)!take_line(m, line, at); /* it was looked at */
    }
    if (m->n == size && !place_replace(m->mirrored, note.p, note.n, 0600, NULL))
        return 500;
    return 200;
}

bool mirror_note(const struct mirror *m, struct buf *out)
{
    return place_read(m->mirrored, 2 * (size_t)NOTE_MAX, out, NULL);
}

bool mirror_lines(const struct mirror *m, uint64_t from, struct buf *out)
{
    if (from >= m->n)
        return true;
    uint64_t to = from + 1;
    while (to < m->n && end_of(m, to + 1) - end_of(m, from) <= (int64_t)MIRROR_BATCH)
        to++;
    int64_t at = end_of(m, from), left = end_of(m, to) - at;
    char bytes[8192];
    while (left > 0) {
        ssize_t n = pread(m->fd, bytes, left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes, at);
        if (n <= 0 || !buf_add(out, bytes, (size_t)n))
            return false;
        at += n;
        left -= n;
    }
    return true;
}

int mirror_put_blob(struct mirror *m, struct slice bytes)
{
    uint8_t digest[HASH_LEN];
    char path[PATH_MAX];
    sha256_bytes(bytes.p, bytes.n, digest);
    size_t i = digests_find(&m->names, digest);
    if (i == DIGESTS_NONE)
        return 404;
    if (!m->kept[i] && (!blob_path(m, digest, path) || !place_replace(path, bytes.p, bytes.n, 0600, NULL)))
        return 500;
    m->kept[i] = true;
    return 200;
}

void mirror_missing(const struct mirror *m, const char *after, struct buf *out)
{
    uint8_t raw[HASH_LEN];
    size_t said = 0, i = 0;
    if (after && tree_hash_parse(after, strlen(after), raw) && (i = digests_find(&m->names, raw)) != DIGESTS_NONE)
        i++;
    for (; i < m->names.n && said < MIRROR_NAMES; i++) {
        char hex[HASH_HEX];
        if (m->kept[i])
            continue;
        hex_encode(hex, m->names.v[i], HASH_LEN);
        buf_printf(out, "%s\n", hex);
        said++;
    }
}

bool mirror_blob(const struct mirror *m, const char *digest, struct buf *out)
{
    uint8_t raw[HASH_LEN];
    char path[PATH_MAX];
    return tree_hash_parse(digest, strlen(digest), raw) && digests_find(&m->names, raw) != DIGESTS_NONE &&
           blob_path(m, raw, path) && place_read(path, MIRROR_POST, out, NULL);
}
