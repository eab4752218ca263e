/* See frame.h. */
#include "tui/frame.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool frame_init(struct frame *f, int tty, struct err *e)
{
    memset(f, 0, sizeof *f);
    f->fd = memfd_create("andon-frame", MFD_CLOEXEC);
    int fd = f->fd < 0 ? -1 : fcntl(tty, F_DUPFD_CLOEXEC, 3);
    f->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (f->file)
        return true;
    err_errno(e, ERR_IO, "", "cannot make a file in memory for the screen's frames");
    if (fd >= 0)
        close(fd);
    frame_release(f);
    return false;
}

void frame_to_memory(struct frame *f)
{
    dup3(f->fd, fileno(f->file), O_CLOEXEC);
}

void frame_release(struct frame *f)
{
    if (f->file)
        fclose(f->file);
    if (f->fd >= 0)
        close(f->fd);
    free(f->bytes);
    memset(f, 0, sizeof *f);
    f->fd = -1;
}

size_t frame_take(struct frame *f, const struct modes *m, const char *enter, const void *tail, size_t n_tail,
                  const char **bytes)
{
    const size_t on = sizeof SYNC_ON - 1, off = sizeof SYNC_OFF - 1, n_enter = strlen(enter);
    off_t end = lseek(f->fd, 0, SEEK_CUR);
    size_t n = end > 0 ? (size_t)end : 0;
    if (f->cap < on + n_enter + n + off + n_tail) {
        f->cap = on + n_enter + n + off + n_tail + 4096;
        f->bytes = xrealloc(f->bytes, f->cap);
    }
    char *at = f->bytes + on + n_enter; /* room is left for what may go before it */
    ssize_t got = n > 0 ? pread(f->fd, at, n, 0) : 0;
    lseek(f->fd, 0, SEEK_SET);
    n = got > 0 ? (size_t)got : 0;
    if (n_enter > 0) {
        at -= n_enter;
        memcpy(at, enter, n_enter); /* NOLINT(bugprone-not-null-terminated-result): bytes, not a string */
        n += n_enter;
    }
    if (m->modern && n >= FRAME_SYNC_LEAST) {
        at -= on;
        memcpy(at, SYNC_ON, on);
        memcpy(at + on + n, SYNC_OFF, off);
        n += on + off;
    }
    if (n_tail > 0)
        memcpy(at + n, tail, n_tail);
    *bytes = at;
    return n + n_tail;
}
