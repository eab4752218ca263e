#include "audit/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/place.h"

#define WORD "andon-head 1 "

void heads_line(const void *note, size_t n, struct buf *out)
{
    buf_adds(out, WORD);
    base64_encode(out, note, n);
}

static int plain_file(const char *path, int flags, struct err *e)
{
    struct stat st;
    int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0) {
        err_errno(e,
                  errno == ENOENT  ? ERR_NOT_FOUND
                  : errno == ELOOP ? ERR_FORBIDDEN
                                   : ERR_IO,
                  "", "file of heads %.200s: cannot open it", path);
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    err_set(e, ERR_FORBIDDEN, "name a plain file", "file of heads %.200s: it is no plain file", path);
    return -1;
}

bool heads_note(const char *path, const void *note, size_t n, struct err *e)
{
    struct buf line;
    int fd = plain_file(path, O_WRONLY | O_APPEND | O_CREAT, e);
    if (fd < 0)
        return false;
    buf_init(&line, 2 * NOTE_MAX);
    heads_line(note, n, &line);
    buf_addc(&line, '\n');
    bool ok = !line.over && place_write(fd, line.data, line.len) && fdatasync(fd) == 0;
    if (!ok)
        err_errno(e, ERR_IO, "free space, or name another file", "file of heads %.200s: cannot write it", path);
    buf_release(&line);
    close(fd);
    return ok;
}

static void add(struct heads *h, const char *b64, size_t n, int64_t line)
{
    uint8_t *bytes = xmalloc(n / 4 * 3 + 1);
    struct checkpoint cp;
    struct slice body, lines;
    size_t got = 0;
    if (n > 2 * NOTE_MAX || !base64_decode(b64, n, bytes, &got) ||
        !note_split((const char *)bytes, got, &cp, &body, &lines)) {
        free(bytes);
        h->broken++;
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->v = xreallocarray(h->v, h->cap, sizeof *h->v);
    }
    struct head *x = &h->v[h->n++];
    *x = (struct head){.size = cp.size, .line = line, .note = (char *)bytes, .n = got};
    memcpy(x->root, cp.root, HASH_LEN);
}

static int by_size(const void *a, const void *b)
{
    const struct head *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? -1 : 1) : x->line < y->line ? -1 : x->line > y->line;
}

bool heads_read(struct heads *h, const char *path, struct err *e)
{
    *h = (struct heads){.path = path};
    int fd = plain_file(path, O_RDONLY, e);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *line = NULL;
    size_t cap = 0, total = 0;
    struct stat st;
    int64_t no = 0;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (fstat(fd, &st) == 0 && st.st_size > (off_t)HEADS_FILE_MAX)
        total = HEADS_FILE_MAX + 1; /* not even one line, which may be all of it */
    for (ssize_t n; total <= HEADS_FILE_MAX && (n = getline(&line, &cap, f)) > 0; total += (size_t)n) {
        no++;
        const char *at = memmem(line, (size_t)n, WORD, sizeof WORD - 1);
        if (!at)
            continue;
        at += sizeof WORD - 1;
        size_t len = 0;
        while (at + len < line + n && at[len] > ' ' && at[len] <= '~') /* base64 says what else may not stand there */
            len++;
        add(h, at, len, no);
    }
    bool ok = feof(f) && !ferror(f); /* no memory for a line is no end */
    free(line);
    fclose(f);
    if (total > HEADS_FILE_MAX)
        ok = err_set(e, ERR_LIMIT, "keep the lines with andon-head in a file of their own",
                     "file of heads %.200s: it is larger than %zu MiB", path, HEADS_FILE_MAX >> 20);
    else if (!ok)
        err_errno(e, ERR_IO, "", "file of heads %.200s: cannot read it", path);
    if (h->n)
        qsort(h->v, h->n, sizeof *h->v, by_size);
    if (!ok)
        heads_release(h);
    return ok;
}

void heads_release(struct heads *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->v[i].note);
    free(h->v);
    *h = (struct heads){0};
}

void heads_rewind(struct heads *h)
{
    h->at = 0;
    for (size_t i = 0; i < h->n; i++)
        h->v[i].met = false;
}

void heads_meet(struct heads *h, const struct tree *t)
{
    while (h->at < h->n && h->v[h->at].size < t->size) /* size 0: no log has such a head */
        h->at++;
    for (; h->at < h->n && h->v[h->at].size == t->size; h->at++) {
        tree_root(t, h->v[h->at].now);
        h->v[h->at].met = true;
    }
}

void heads_judge(const struct heads *h, const struct note_key *k, const struct verifier *v, struct heads_word *out)
{
    struct checkpoint cp;
    *out = (struct heads_word){0};
    for (size_t i = 0; i < h->n; i++) {
        const struct head *x = &h->v[i];
        if (!note_open(x->note, x->n, k, v, &cp, NULL)) {
            out->others++;
        } else if (x->met && memcmp(x->now, x->root, HASH_LEN) == 0) {
            out->good++;
            out->newest = x->size;
        } else if (!out->wrong) {
            out->wrong = x;
        }
    }
}
